// SPDX-License-Identifier: MIT
// One line of a scenario as tokens with their columns.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "scenario/format/ast.h"

namespace iommucheck::scenario {

struct Token {
  enum class Kind : u8 { word, number, sign, end };
  Kind kind = Kind::end;
  std::string text;
  Place place;
  bool after_blank = true;  ///< a blank, or nothing, stands before it
};

/// The line without its comment and outer blanks.
std::string_view without_comment(std::string_view line);

/// Never fails: what is no word or number is a sign of one character (`->` and `?` aside).
std::vector<Token> tokens_of(std::string_view line, u32 line_number);

/// Tokens one after the other. The first error is kept; later reads give harmless defaults.
class Cursor {
 public:
  Cursor(std::vector<Token> tokens, std::string_view file)
      : tokens_(std::move(tokens)), file_(file) {}

  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const;
  [[nodiscard]] bool at_end() const { return peek().kind == Token::Kind::end; }
  [[nodiscard]] bool next_is(std::string_view text, std::size_t ahead = 0) const;
  bool take(std::string_view text);
  Token next();
  void expect(std::string_view text, std::string_view what);
  void expect_end();
  Name name(std::string_view what);
  u64 number(std::string_view what);
  void fail(const Token& token, std::string_view message);
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

 private:
  std::vector<Token> tokens_;
  std::string_view file_;
  std::size_t at_ = 0;
  std::optional<Error> error_;
};

Error bad(std::string_view file, Place place, std::string_view word, std::string_view message);

}  // namespace iommucheck::scenario
