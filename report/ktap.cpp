// SPDX-License-Identifier: MIT
#include "report/ktap.h"

#include <fmt/format.h>

#include <algorithm>

#include "trace/utf8.h"

namespace iommucheck::oracle {

namespace {

constexpr std::string_view blanks = " \t\r\n\v\f";

/// One line of plain UTF-8: ends of lines and the like become blanks, other control characters and
/// bytes that are no UTF-8 "\x1b".
std::string line_of(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t length = 1;
    while (length < std::min<std::size_t>(4, text.size()) &&
           !trace::is_utf8(text.substr(0, length))) {
      ++length;
    }
    const std::string_view one = text.substr(0, length);
    const auto byte = static_cast<u8>(one.front());
    if (!trace::is_utf8(one) || byte == 0x7f ||
        (byte < 0x20 && blanks.find(one.front()) == std::string_view::npos)) {
      out += fmt::format("\\x{:02x}", byte);
      text.remove_prefix(1);
      continue;
    }
    if (byte < 0x20) {
      out += ' ';
    } else {
      out += one;
    }
    text.remove_prefix(length);
  }
  return out;
}

/// What stands in a result line: no '#', which begins a directive there, no blank at either end,
/// and no hyphen in front, which readers take for a separator.
std::string words_of(std::string_view text) {
  std::string out;
  for (const char c : line_of(text)) out += c == '#' ? std::string("\\x23") : std::string(1, c);
  const std::size_t begin = out.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  out = out.substr(begin, out.find_last_not_of(' ') + 1 - begin);
  return out.front() == '-' ? "\\x2d" + out.substr(1) : out;
}

std::string name_of(std::string_view text) {
  const std::string name = words_of(text);
  return name.empty() ? "no name" : name;
}

/// Lines as diagnostics. "# Subtest: " would begin a test.
void add_diagnostics(std::string& out, std::string_view indent, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = line_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    out += fmt::format("{}#{}{}{}\n", indent, line.empty() ? "" : " ",
                       line.starts_with("Subtest:") ? " " : "", line);
  }
}

bool is_wrong(const JunitCase& one) {
  return one.status == JunitStatus::failed || one.status == JunitStatus::error;
}

void add_case(std::string& out, std::size_t number, const JunitCase& one) {
  constexpr std::string_view indent = "  ";
  if (is_wrong(one)) {
    if (!one.message.empty()) add_diagnostics(out, indent, one.message);
    if (!one.file.empty()) {
      add_diagnostics(out, indent,
                      one.line == 0 ? one.file : fmt::format("{}:{}", one.file, one.line));
    }
    if (one.details != one.message) add_diagnostics(out, indent, one.details);
  }
  add_diagnostics(out, indent, one.output);
  out +=
      fmt::format("{}{} {} {}", indent, is_wrong(one) ? "not ok" : "ok", number, name_of(one.name));
  const std::string why = words_of(one.message);
  if (one.status == JunitStatus::skipped) out += " # SKIP" + (why.empty() ? "" : " " + why);
  if (one.status == JunitStatus::error) out += " # ERROR" + (why.empty() ? "" : " " + why);
  out += '\n';
}

struct Group {
  std::string name;
  std::vector<const JunitCase*> cases;
};

std::vector<Group> groups_of(const JunitSuite& suite) {
  std::vector<Group> groups;
  for (const JunitCase& one : suite.cases) {
    const std::string name = name_of(one.group.empty() ? suite.name : one.group);
    auto group = std::ranges::find(groups, name, &Group::name);
    if (group == groups.end()) group = groups.insert(groups.end(), Group{name, {}});
    group->cases.push_back(&one);
  }
  return groups;
}

}  // namespace

std::string to_ktap(const JunitSuite& suite) {
  const std::vector<Group> groups = groups_of(suite);
  // The plan comes first: some of kunit.py's versions take it for a diagnostic behind others.
  std::string out = fmt::format("KTAP version 1\n1..{}\n", groups.size());
  add_diagnostics(out, "", suite.name);
  for (const auto& [key, value] : suite.properties) add_diagnostics(out, "", key + ": " + value);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const Group& group = groups[i];
    out +=
        fmt::format("  KTAP version 1\n  # Subtest: {}\n  1..{}\n", group.name, group.cases.size());
    for (std::size_t k = 0; k < group.cases.size(); ++k) add_case(out, k + 1, *group.cases[k]);
    const bool wrong =
        std::ranges::any_of(group.cases, [](const auto* one) { return is_wrong(*one); });
    const bool skipped = std::ranges::all_of(
        group.cases, [](const auto* one) { return one->status == JunitStatus::skipped; });
    out += fmt::format("{} {} {}{}\n", wrong ? "not ok" : "ok", i + 1, group.name,
                       skipped ? " # SKIP" : "");
  }
  return out;
}

}  // namespace iommucheck::oracle
