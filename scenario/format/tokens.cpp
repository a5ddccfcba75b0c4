// SPDX-License-Identifier: MIT
#include "scenario/format/tokens.h"

#include <fmt/format.h>

#include "base/text.h"

namespace iommucheck::scenario {
namespace {

/// `each-alloc`, `no-memory`: a minus between letters belongs to the word.
bool in_word(std::string_view line, std::size_t i) {
  if (is_letter(line[i]) || is_digit(line[i])) return true;
  return line[i] == '-' && i + 1 < line.size() && is_letter(line[i + 1]);
}

/// A stray byte as it can be shown.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

std::string_view without_comment(std::string_view line) {
  line = line.substr(0, line.find('#'));
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  return line;
}

std::vector<Token> tokens_of(std::string_view line, u32 line_number) {
  const std::string_view text = without_comment(line);
  const std::size_t offset = text.empty() ? 0 : static_cast<std::size_t>(text.data() - line.data());
  std::vector<Token> tokens;
  std::size_t i = 0;
  bool blank = true;
  const auto place = [&](std::size_t at) {
    return Place{line_number, static_cast<u32>(offset + at + 1)};
  };
  while (i < text.size()) {
    if (is_blank(text[i])) {
      ++i;
      blank = true;
      continue;
    }
    std::size_t end = i + 1;
    Token::Kind kind = Token::Kind::sign;
    if (is_letter(text[i]) || is_digit(text[i])) {
      kind = is_digit(text[i]) ? Token::Kind::number : Token::Kind::word;
      while (end < text.size() && in_word(text, end)) ++end;
    } else if (text.substr(i, 2) == "->") {
      end = i + 2;
    }
    tokens.push_back({kind, std::string(text.substr(i, end - i)), place(i), blank});
    blank = false;
    i = end;
  }
  tokens.push_back({Token::Kind::end, "", place(text.size()), true});
  return tokens;
}

Error bad(std::string_view file, Place place, std::string_view word, std::string_view message) {
  return {ErrorCode::bad_input,
          fmt::format("{}:{}:{}: '{}': {}", file, place.line, place.column, shown(word), message)};
}

const Token& Cursor::peek(std::size_t ahead) const {
  const std::size_t at = at_ + ahead;
  return at < tokens_.size() ? tokens_[at] : tokens_.back();
}

bool Cursor::next_is(std::string_view text, std::size_t ahead) const {
  return peek(ahead).kind != Token::Kind::end && peek(ahead).text == text;
}

bool Cursor::take(std::string_view text) {
  if (error_ || !next_is(text)) return false;
  ++at_;
  return true;
}

Token Cursor::next() {
  Token token = peek();
  if (token.kind != Token::Kind::end && !error_) ++at_;
  return token;
}

void Cursor::expect(std::string_view text, std::string_view what) {
  if (take(text)) return;
  fail(peek(), fmt::format("expected '{}' {}", text, what));
}

void Cursor::expect_end() {
  if (!at_end()) fail(peek(), "nothing may follow here; remove it, or begin a new line");
}

Name Cursor::name(std::string_view what) {
  const Token token = next();
  if (token.kind != Token::Kind::word) {
    fail(token, fmt::format("expected {}: letters, digits and _, a letter first", what));
  }
  return {token.text, token.place};
}

u64 Cursor::number(std::string_view what) {
  const Token token = next();
  const auto value = parse_number(token.text);
  if (!value) {
    fail(token, fmt::format("expected {}: a decimal or 0x hexadecimal number of 64 bits", what));
  }
  return value.value_or(0);
}

void Cursor::fail(const Token& token, std::string_view message) {
  if (error_) return;
  error_ = bad(file_, token.place, token.kind == Token::Kind::end ? "end of the line" : token.text,
               message);
}

}  // namespace iommucheck::scenario
