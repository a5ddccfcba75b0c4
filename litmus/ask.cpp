// SPDX-License-Identifier: MIT
#include "litmus/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/text.h"
#include "litmus/names.h"
#include "litmus/parser.h"
#include "litmus/words.h"

namespace iommucheck::litmus {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find_first_of(" \t"));
}

std::string_view second_word(std::string_view text) {
  return first_word(trimmed(text.substr(first_word(text).size())));
}

/// The step behind `run` and an agent, where they are named.
std::string_view verb_of(std::string_view line) {
  if (first_word(line) == "run") line = trimmed(line.substr(3));
  const std::string_view word = first_word(line);
  return word.ends_with(':') ? second_word(line) : word;
}

/// `dma D begin ...` and `dma D end` are steps, `dma D -> ...` is none.
bool is_step(std::string_view part, bool behind_steps) {
  const std::string_view word = first_word(part);
  if (word == "dma") {
    const std::string_view edge = second_word(trimmed(part.substr(word.size())));
    return edge == "begin" || edge == "end";
  }
  if (word.ends_with(":")) return true;
  if (word == "ats") return behind_steps;
  return contains(step_words, word);
}

/// A name that nothing leads to, and that is not there at first: who asks has meant another one.
std::optional<Error> nowhere(const Test& test, const std::string& file) {
  Test first;
  first.init = test.init;
  const auto there = names_in(first);
  std::string known;
  for (const auto& [name, use] : there) {
    if (use.structure || use.cds || use.stes) known += " " + name;
  }
  for (const auto& [name, use] : names_in(test)) {
    if (use.led_to || there.contains(name)) continue;
    return Error{
        ErrorCode::bad_input,
        fmt::format("{}:{}:{}: '{}': nothing leads to a table of this name{}", file, use.place.line,
                    use.place.column, name, known.empty() ? "" : "; there are" + known)};
  }
  return std::nullopt;
}

}  // namespace

Question::Question(std::string_view asked, std::string_view name) : asked_(asked), name_(name) {
  part();
  complete();
}

/// Into lines; the commands of a `do` stay together.
void Question::part() {
  std::string_view rest = asked_;
  while (!rest.empty()) {
    const std::size_t end = rest.find_first_of(";\n");
    const std::string_view text = trimmed(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (text.empty() || text.starts_with('#')) continue;
    const auto at = static_cast<std::size_t>(text.data() - asked_.data());
    const bool goes_on = !lines_.empty() && verb_of(lines_.back().text) == "do" &&
                         contains(command_names, first_word(text));
    if (goes_on) {
      Line& last = lines_.back();
      last.text += " ; ";
      last.pieces.push_back({last.text.size(), at});
      last.text += text;
    } else {
      lines_.push_back({std::string(text), {{0, at}}});
    }
  }
}

/// With the words that a question may leave out.
void Question::complete() {
  bool behind_steps = false;
  for (Line& line : lines_) {
    const std::string word(first_word(line.text));
    const auto put_in_front = [&](std::string_view left_out) {
      line.text.insert(0, left_out);
      for (Line::Piece& piece : line.pieces) piece.in_line += left_out.size();
    };
    const bool step = word == "run" || is_step(line.text, behind_steps);
    behind_steps |= step;
    if (step && word != "run") {
      put_in_front("run ");
    } else if (!step && contains(init_words, word)) {
      put_in_front("init ");
    } else if (word == "access" || word == "dma" || word == "load") {
      if (line.text.ends_with("->")) line.text += " ?";
      if (line.text.find("->") == std::string::npos) line.text += " -> ?";
    }
  }
}

std::string Question::text() const {
  std::string text = "test question\n";
  for (const Line& line : lines_) text += line.text + "\n";
  return text;
}

/// "LINE:COLUMN" of the question; `line` and `column` are those of its test, from 1 on.
std::string Question::place_of(u64 line, u64 column) const {
  std::size_t at = asked_.size();
  if (line >= 2 && line - 2 < lines_.size()) {
    const Line& its = lines_[line - 2];
    at = its.pieces.front().in_question;
    for (const Line::Piece& piece : its.pieces) {
      if (piece.in_line < column) at = piece.in_question + (column - 1 - piece.in_line);
    }
  }
  return place_in(asked_, at);
}

Error Question::placed(Error error) const {
  const std::string begin = name_ + ":";
  if (!error.message.starts_with(begin)) return error;
  u64 line = 0;
  u64 column = 0;
  const char* const end = error.message.data() + error.message.size();
  const auto [colon, bad] = std::from_chars(error.message.data() + begin.size(), end, line);
  if (bad != std::errc{} || colon == end || *colon != ':') return error;
  const auto [rest, worse] = std::from_chars(colon + 1, end, column);
  if (worse != std::errc{}) return error;
  error.message = begin + place_of(line, column) + std::string(rest, end);
  return error;
}

Expected<File> Question::read() const {
  Expected<File> file = parse(text(), name_);
  if (!file) return std::unexpected(placed(std::move(file.error())));
  const auto asks = [](const Test& test) {
    return !test.accesses.empty() || !test.loads.empty() || !test.dmas.empty() || !test.run.empty();
  };
  for (const Test& test : file->tests) {
    if (auto error = nowhere(test, name_)) return std::unexpected(placed(std::move(*error)));
  }
  if (std::ranges::any_of(file->tests, asks)) return file;
  return fail(ErrorCode::bad_input,
              fmt::format("{}:1:1: it asks nothing; say what happens and what is accessed, as in "
                          "'use std; store word B 1 0; access 1 0x1000 r'",
                          name_));
}

}  // namespace iommucheck::litmus
