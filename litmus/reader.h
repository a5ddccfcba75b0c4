// SPDX-License-Identifier: MIT
// One line of text as words with their columns. The first thing that is wrong is kept and every
// later read gives a harmless default, so that a reader of a line asks once, at its end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "litmus/ast.h"

namespace iommucheck::litmus {

struct Token {
  std::string text;
  Place place;
};

/// Splits at blanks, drops comments (`#` at the start, ` # ` later), parts `;` from words.
std::vector<Token> tokens_of(std::string_view line, const Place& start);

/// The line without its comment and outer blanks.
std::string_view strip_comment(std::string_view line);

class LineReader {
 public:
  LineReader(std::vector<Token> tokens, Place end)
      : tokens_(std::move(tokens)), end_(std::move(end)) {}

  bool at_end() const { return next_ >= tokens_.size(); }
  /// The next word is `text`; taken if so.
  bool take(std::string_view text);
  bool peek(std::string_view text) const { return !at_end() && tokens_[next_].text == text; }
  /// The next word is a `key=value`.
  bool at_field() const { return peek_token().text.find('=') != std::string::npos; }
  /// The next word, not taken.
  Token peek_token() const { return at_end() ? Token{{}, end_} : tokens_[next_]; }
  /// The next word; an error that names `what` if there is none.
  Token word(std::string_view what);

  Name name(std::string_view what) { return to_name(word(what), what); }
  Number number(std::string_view what, u64 max) { return to_number(word(what), what, max); }
  Target target(std::string_view what) { return to_target(word(what), what); }

  Name to_name(const Token& token, std::string_view what);
  Number to_number(const Token& token, std::string_view what, u64 max);
  Target to_target(const Token& token, std::string_view what);

  using Handler = std::function<void(const Token& value)>;
  using Handlers = std::vector<std::pair<std::string_view, Handler>>;
  /// The rest of the line up to `;` as `key=value`, each key at most once and only known ones.
  void fields(const Handlers& handlers);

  void expect_end();
  void fail(const Token& token, const std::string& message);
  const std::optional<Error>& error() const { return error_; }

 private:
  std::vector<Token> tokens_;
  Place end_;
  std::size_t next_ = 0;
  std::optional<Error> error_;
};

}  // namespace iommucheck::litmus
