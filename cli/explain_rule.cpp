// SPDX-License-Identifier: MIT
#include "cli/explain_rule.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "cli/embedded.h"
#include "litmus/fast.h"
#include "litmus/parser.h"
#include "spec/rule_notes.h"
#include "trace/json_value.h"

namespace iommucheck::cli {
namespace {

struct Example {
  std::string file;
  litmus::Test test;
  std::string evidence;
  std::size_t size = 0;
};

bool ends_with(std::string_view name, std::string_view ending) {
  return name.size() >= ending.size() && name.substr(name.size() - ending.size()) == ending;
}

/// The test of fewest letters in which the engine finds the rule broken. Tests whose first broken
/// rule it is come first: there it is what the test is about.
Expected<std::optional<Example>> smallest_test(spec::Rule rule) {
  std::optional<Example> best;
  bool best_is_first = false;
  for (const EmbeddedFile& embedded : embedded_files()) {
    if (!ends_with(embedded.name, ".litmus")) continue;
    auto file = litmus::parse(embedded.text, embedded.name);
    if (!file) return std::unexpected(std::move(file.error()));
    for (litmus::Test& test : file->tests) {
      const auto result = litmus::judge(test);
      if (!result) return std::unexpected(result.error());
      const auto found = std::ranges::find(result->evidence, rule, &litmus::Blame::rule);
      if (found == result->evidence.end()) continue;
      const bool first = found == result->evidence.begin();
      const std::size_t size = litmus::print(test).size();
      if (best && (first < best_is_first || (first == best_is_first && size >= best->size)))
        continue;
      best = Example{std::string(embedded.name), std::move(test), found->text(), size};
      best_is_first = first;
    }
  }
  return best;
}

std::string indented(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out += "    " + std::string(text.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return out;
}

/// Words, broken at 100 columns.
std::string paragraph(std::string_view text) {
  std::string out = "  ";
  std::size_t column = 2;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    if (column > 2 && column + 1 + word.size() > 100) {
      out += "\n  ";
      column = 2;
    } else if (column > 2) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    at = end + 1;
  }
  return out + "\n";
}

/// Drivers of the museum whose bug is found by this rule.
std::string museum(spec::Rule rule) {
  std::string out;
  for (const EmbeddedFile& embedded : embedded_files()) {
    if (!ends_with(embedded.name, ".json")) continue;
    const auto entry = trace::parse_json(embedded.text);
    if (!entry) continue;  // a test holds that each can be read
    const trace::JsonMember* breaks = entry->find("breaks");
    const trace::JsonMember* what = entry->find("what");
    const trace::JsonMember* sequence = entry->find("sequence");
    if (breaks == nullptr || what == nullptr || sequence == nullptr) continue;
    const bool its = std::ranges::any_of(breaks->value.items, [&](const trace::JsonValue& name) {
      return name.text == spec::rule_name(rule);
    });
    if (!its) continue;
    out += fmt::format("  {}: {}\n    {}\n", embedded.name.substr(0, embedded.name.size() - 5),
                       what->value.text, sequence->value.text);
  }
  return out;
}

}  // namespace

Expected<std::string> explain_rule(spec::Rule rule) {
  const spec::RuleInfo& info = spec::rule_info(rule);
  std::string text = fmt::format("{} ({}), kept by the {}\n{}  source: {}\n", info.name,
                                 spec::family_name(info.family), spec::keeper_name(info.keeper),
                                 paragraph(info.text), info.section);
  if (const auto why = spec::not_modelled(rule); !why.empty()) {
    text += fmt::format("  not modelled: {}\n", why);
  }
  if (const auto note = spec::rule_note(rule); !note.empty()) text += "\n" + paragraph(note);
  auto example = smallest_test(rule);
  if (!example) return std::unexpected(std::move(example.error()));
  if (*example) {
    const Example& found = **example;
    text += fmt::format("\nthe smallest litmus test that breaks it ({}):\n{}", found.file,
                        indented(litmus::print(found.test)));
    text += "  the engine says:\n" + indented(found.evidence);
  }
  if (const std::string drivers = museum(rule); !drivers.empty()) {
    text += "\ndrivers of the museum that break it:\n" + drivers;
  }
  return text;
}

}  // namespace iommucheck::cli
