// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace iommucheck {

/// "0x1f00".
inline std::string hex(u64 value) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof(text), value, 16).ptr;
  return "0x" + std::string(text, end);
}

/// "LINE:COLUMN", both from 1, of the character at `offset`, from 0; at most of the end.
inline std::string place_in(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const std::size_t begin = before.rfind('\n') + 1;  // 0 on the first line
  return std::to_string(1 + std::ranges::count(before, '\n')) + ":" +
         std::to_string(before.size() - begin + 1);
}

constexpr bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// The underscore counts.
constexpr bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// All of `text` as a number, decimal or with 0x hexadecimal; nothing if it is none or above 64
/// bits.
inline std::optional<u64> parse_number(std::string_view text) {
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  }
  u64 value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace iommucheck
