// SPDX-License-Identifier: MIT
#include "litmus/reader.h"

#include <fmt/format.h>

#include <set>

#include "base/text.h"

namespace iommucheck::litmus {
namespace {

bool is_name(std::string_view text) {
  if (text.empty() || !is_letter(text[0])) return false;
  for (const char c : text) {
    if (!is_letter(c) && !is_digit(c)) return false;
  }
  return true;
}

}  // namespace

std::string to_string(const Place& place) {
  if (place.line == 0) return "?";
  return fmt::format("{}:{}:{}", place.file ? *place.file : "<text>", place.line, place.column);
}

std::string_view strip_comment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '#') continue;
    const bool starts = i == 0 || is_blank(line[i - 1]);
    const bool at_start = line.substr(0, i).find_first_not_of(" \t\r") == std::string_view::npos;
    const bool ends = i + 1 == line.size() || is_blank(line[i + 1]);
    if (at_start || (starts && ends)) {
      line = line.substr(0, i);
      break;
    }
  }
  while (!line.empty() && is_blank(line.back())) line.remove_suffix(1);
  while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
  return line;
}

std::vector<Token> tokens_of(std::string_view line, const Place& start) {
  const std::string_view text = strip_comment(line);
  const auto offset = text.empty() ? 0 : static_cast<u32>(text.data() - line.data());
  std::vector<Token> tokens;
  std::size_t i = 0;
  while (i < text.size()) {
    if (is_blank(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i + 1;
    if (text[i] != ';') {
      while (end < text.size() && !is_blank(text[end]) && text[end] != ';') ++end;
    }
    Place place = start;
    place.column += offset + static_cast<u32>(i);
    tokens.push_back({std::string(text.substr(i, end - i)), place});
    i = end;
  }
  return tokens;
}

bool LineReader::take(std::string_view text) {
  if (error_ || !peek(text)) return false;
  ++next_;
  return true;
}

Token LineReader::word(std::string_view what) {
  if (error_) return {"", end_};
  if (at_end()) {
    fail({"", end_}, fmt::format("the line ends where {} should stand", what));
    return {"", end_};
  }
  return tokens_[next_++];
}

Name LineReader::to_name(const Token& token, std::string_view what) {
  if (!error_ && !is_name(token.text)) {
    fail(token, fmt::format("not a name; {} is letters, digits and _, a letter first", what));
  }
  return {token.text, token.place};
}

Number LineReader::to_number(const Token& token, std::string_view what, u64 max) {
  if (error_) return {0, token.place};
  const auto value = parse_number(token.text);
  if (!value) {
    fail(token, fmt::format("not a number; {} is decimal or 0x hexadecimal", what));
  } else if (*value > max) {
    fail(token, fmt::format("too large; {} is at most {:#x}", what, max));
  } else {
    return {*value, token.place};
  }
  return {0, token.place};
}

Target LineReader::to_target(const Token& token, std::string_view what) {
  Target target;
  target.place = token.place;
  if (error_ || token.text == "-") return target;
  if (!token.text.empty() && token.text[0] == '@') {
    target.kind = Target::Kind::intermediate;
    target.page =
        to_number({token.text.substr(1), token.place}, "the page behind @", (u64{1} << 36) - 1)
            .value;
    return target;
  }
  target.kind = Target::Kind::named;
  const auto hash = token.text.find('#');
  target.name = to_name({token.text.substr(0, hash), token.place}, what).text;
  if (hash != std::string::npos) {
    const Token part{token.text.substr(hash + 1), token.place};
    target.part = static_cast<u32>(to_number(part, "the page behind #", 0x3ffff).value);
  }
  return target;
}

void LineReader::fields(const Handlers& handlers) {
  std::set<std::string> seen;
  while (!error_ && !at_end() && !peek(";")) {
    const Token token = tokens_[next_++];
    const auto equals = token.text.find('=');
    const std::string key = token.text.substr(0, equals);
    const Handler* handler = nullptr;
    std::string known;
    for (const auto& [name, action] : handlers) {
      if (name == key) handler = &action;
      known += fmt::format(" {}=", name);
    }
    if (equals == std::string::npos || handler == nullptr) {
      fail(token, handlers.empty() ? "nothing may follow here"
                                   : fmt::format("not a field of this line; it has{}", known));
    } else if (!seen.insert(key).second) {
      fail(token, "this field stands twice on the line");
    } else {
      Place place = token.place;
      place.column += static_cast<u32>(equals + 1);
      (*handler)({token.text.substr(equals + 1), place});
    }
  }
}

void LineReader::expect_end() {
  if (!error_ && !at_end()) fail(tokens_[next_], "nothing may follow here");
}

void LineReader::fail(const Token& token, const std::string& message) {
  if (error_) return;
  error_ = Error{ErrorCode::bad_input,
                 fmt::format("{}: '{}': {}", to_string(token.place), token.text, message)};
}

}  // namespace iommucheck::litmus
