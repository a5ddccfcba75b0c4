// SPDX-License-Identifier: MIT
#include "report/terminal_text.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace iommucheck::oracle {

namespace {

constexpr std::string_view terminal_red = "\x1b[1;31m";
constexpr std::string_view terminal_yellow = "\x1b[33m";
constexpr std::string_view terminal_green = "\x1b[32m";
constexpr std::string_view terminal_plain = "\x1b[0m";

struct Coloured {
  std::string_view word, colour;
};
constexpr std::array<Coloured, 12> coloured_words = {{{"VIOLATION", terminal_red},
                                                      {"VIOLATED", terminal_red},
                                                      {"NEW DIVERGENCE", terminal_red},
                                                      {"DIFFERS", terminal_red},
                                                      {"FAILED", terminal_red},
                                                      {"FAIL", terminal_red},
                                                      {"UNDECIDED", terminal_yellow},
                                                      {"NOT REPRODUCED", terminal_yellow},
                                                      {"VANISHED", terminal_yellow},
                                                      {"EXPIRED", terminal_yellow},
                                                      {"GAVE UP", terminal_yellow},
                                                      {"nearest miss", terminal_yellow}}};
/// Of a verdict, which stands behind a colon.
constexpr std::array<std::string_view, 2> good_words = {": holds", ": as known"};

bool is_of_a_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool stands_alone(std::string_view text, std::size_t at, std::size_t length) {
  const bool begins = at == 0 || !is_of_a_word(text[at - 1]);
  return begins && (at + length == text.size() || !is_of_a_word(text[at + length]));
}

void paint(std::string& text, std::string_view word, std::string_view with, std::size_t skip) {
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos;) {
    if (!stands_alone(text, at + skip, word.size() - skip)) {
      at += word.size();
      continue;
    }
    text.insert(at + word.size(), terminal_plain);
    text.insert(at + skip, with);
    at += word.size() + with.size() + terminal_plain.size();
  }
}

bool is_a_command(std::string_view line) {
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::string_view text = line.substr(begin);
  return text.starts_with("again: ") || text.starts_with("iommucheck ") ||
         text.contains("to go on: ");
}

/// Characters, each of which a terminal shows in one column.
std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string folded(std::string_view line, std::size_t columns) {
  if (columns_of(line) <= columns || is_a_command(line)) return std::string(line);
  const std::size_t begin = std::min(line.find_first_not_of(' '), line.size());
  const std::string indent(std::min(begin + 4, columns / 2), ' ');
  std::string text(line.substr(0, begin));
  std::size_t used = begin;
  bool first = true;
  for (std::string_view rest = line.substr(begin); !rest.empty();) {
    // Blanks between words stay, but where a line ends.
    const std::size_t gap = std::min(rest.find_first_not_of(' '), rest.size());
    const std::size_t end = std::min(rest.find(' ', gap), rest.size());
    const std::string_view word = rest.substr(gap, end - gap);
    if (!first && used + gap + columns_of(word) > columns) {
      text += "\n" + indent;
      used = indent.size();
    } else {
      text += rest.substr(0, gap);
      used += gap;
    }
    text += word;
    used += columns_of(word);
    first = false;
    rest.remove_prefix(end);
  }
  return text;
}

std::string terminal_text(std::string_view line, const TerminalForm& form) {
  std::string text = folded(line, form.columns);
  if (!form.colour) return text;
  for (const Coloured& one : coloured_words) paint(text, one.word, one.colour, 0);
  for (const std::string_view word : good_words) paint(text, word, terminal_green, 2);
  return text;
}

}  // namespace iommucheck::oracle
