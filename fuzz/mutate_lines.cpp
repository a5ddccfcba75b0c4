// SPDX-License-Identifier: MIT
#include "fuzz/mutate_lines.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/text.h"
#include "operations/draw.h"

namespace iommucheck::fuzz {
namespace {

using Lines = std::vector<std::string>;

Lines lines_of(std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (end != 0) lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string join(const Lines& lines, std::size_t size_max) {
  std::string text;
  for (const std::string& line : lines) {
    if (text.size() + line.size() + 1 > size_max) break;
    text += line;
    text += '\n';
  }
  return text;
}

Lines::iterator at(Lines& lines, std::size_t i) {
  return lines.begin() + static_cast<std::ptrdiff_t>(i);
}

/// Part of a number or name: what stands between blanks, `=`, `.`, `#`, `:` and the like.
bool is_of_word(char c) { return is_digit(c) || is_letter(c); }

struct Word {
  std::size_t begin = 0, size = 0;
  bool number = false;
};

std::vector<Word> words_of(std::string_view line) {
  std::vector<Word> words;
  for (std::size_t i = 0; i < line.size();) {
    std::size_t end = i;
    while (end < line.size() && is_of_word(line[end])) ++end;
    if (end != i) words.push_back({i, end - i, is_digit(line[i])});
    i = end + 1;
  }
  return words;
}

/// A number or name of the text in place of one of the same sort in this line.
void replace_word(Lines& lines, std::size_t line, Draw& draw) {
  const auto here = words_of(lines[line]);
  if (here.empty()) return;
  const Word old = here[draw.below(here.size())];
  for (int tries = 0; tries < 8; ++tries) {
    const std::string& source = lines[draw.below(lines.size())];
    const auto words = words_of(source);
    if (words.empty()) continue;
    const Word taken = words[draw.below(words.size())];
    if (taken.number != old.number) continue;
    const std::string word = source.substr(taken.begin, taken.size);
    if (word == lines[line].substr(old.begin, old.size)) continue;
    lines[line].replace(old.begin, old.size, word);
    return;
  }
}

/// Numbers that mean something else than their neighbours: one more, one less, 0, 1, doubled.
void change_number(std::string& line, Draw& draw) {
  auto words = words_of(line);
  std::erase_if(words, [](const Word& word) { return !word.number || word.size > 18; });
  if (words.empty()) return;
  const Word word = words[draw.below(words.size())];
  const std::string text = line.substr(word.begin, word.size);
  const bool hex = text.starts_with("0x");
  u64 value = std::strtoull(text.c_str(), nullptr, hex ? 16 : 10);
  switch (draw.below(6)) {
    case 0: value += hex ? 0x1000 : 1; break;
    case 1: value -= hex ? 0x1000 : 1; break;
    case 2: value = 0; break;
    case 3: value = 1; break;
    case 4: value *= 2; break;
    default: value ^= u64{1} << (hex ? 12 + draw.below(27) : draw.below(4)); break;
  }
  std::string out = hex ? "0x" : "";
  constexpr std::string_view digits = "0123456789abcdef";
  std::string reversed;
  do {
    reversed += digits[value % (hex ? 16 : 10)];
    value /= hex ? 16 : 10;
  } while (value != 0);
  out.append(reversed.rbegin(), reversed.rend());
  line.replace(word.begin, word.size, out);
}

/// Any line but the first; there are two at least.
std::size_t pick(const Lines& lines, Draw& draw) { return 1 + draw.below(lines.size() - 1); }

void step(Lines& lines, Draw& draw, const MutateLine& other) {
  if (lines.size() == 1) return other(lines[0]);
  const std::size_t i = pick(lines, draw);
  const std::size_t j = pick(lines, draw);
  switch (draw.below(10)) {
    case 0: lines.erase(at(lines, i)); break;
    case 1: {
      const std::string copy = lines[i];
      lines.insert(at(lines, j), copy);
      break;
    }
    case 2: std::swap(lines[i], lines[j]); break;
    case 3: {
      std::string moved = std::move(lines[i]);
      lines.erase(at(lines, i));
      lines.insert(at(lines, std::min(j, lines.size())), std::move(moved));
      break;
    }
    case 4:
    case 5:
    case 6: replace_word(lines, i, draw); break;
    case 7:
    case 8: change_number(lines[i], draw); break;
    default: other(lines[i]); break;
  }
}

}  // namespace

std::string mutate_lines(std::string_view text, std::size_t size_max, u64 seed,
                         const MutateLine& other) {
  Draw draw(seed);
  Lines lines = lines_of(text);
  if (lines.empty()) lines.emplace_back("test t");
  for (std::size_t n = 1 + draw.below(4); n > 0; --n) step(lines, draw, other);
  return join(lines, size_max);
}

std::string cross_lines(std::string_view first, std::string_view second, std::size_t size_max,
                        u64 seed) {
  Draw draw(seed);
  Lines lines = lines_of(first);
  const Lines source = lines_of(second);
  if (lines.empty() || source.size() < 2) return join(lines, size_max);
  const std::size_t from = 1 + draw.below(source.size() - 1);
  const std::size_t count = 1 + draw.below(std::min<std::size_t>(source.size() - from, 8));
  const std::size_t to = 1 + draw.below(lines.size());
  if (draw.below(2) == 0) {
    lines.erase(at(lines, to), at(lines, std::min(to + count, lines.size())));
  }
  lines.insert(at(lines, to), source.begin() + static_cast<std::ptrdiff_t>(from),
               source.begin() + static_cast<std::ptrdiff_t>(from + count));
  return join(lines, size_max);
}

}  // namespace iommucheck::fuzz
