// SPDX-License-Identifier: MIT
#include "cli/litmus_result.h"

#include <fmt/format.h>

#include <utility>

#include "check/machine.h"

namespace iommucheck::cli {
namespace {

using Set = std::set<std::string>;
using litmus::Judgement;
using litmus::Test;

/// "any" stands for every outcome and swallows the others.
Set set_of(const std::vector<litmus::OutcomeText>& outcomes) {
  Set set;
  for (const auto& outcome : outcomes) set.insert(outcome.text);
  return set.contains("any") ? Set{"any"} : set;
}

std::string litmus_text(const Set& set) {
  std::string text;
  for (const auto& one : set) text += (text.empty() ? "" : " ") + one;
  return text.empty() ? "(nothing)" : text;
}

std::string litmus_text(const litmus::Access& access) {
  std::string text = fmt::format("access {}", access.stream.sid.value);
  if (access.stream.ssid) text += fmt::format(".{}", access.stream.ssid->value);
  const char* direction = access.direction == litmus::Direction::read    ? "r"
                          : access.direction == litmus::Direction::write ? "w"
                                                                         : "x";
  return text + fmt::format(" {:#x} {}{}{}", access.va.value, direction,
                            access.privileged ? " priv" : "", access.ats ? " ats" : "");
}

std::string found_verdict(const LitmusResult& result) {
  return result.broken.empty() ? "ok" : "violation " + litmus_text(result.broken);
}

/// Why there is no more than that.
std::string by_literal_model(const LitmusResult& result) {
  return "by the literal model, which tells caches and no commands: " + result.literal;
}

/// "P1: ... [IHI 0070 5.2.2; arch 2.3 #1; STE_VALID]".
std::string cited(const litmus::Reason& reason) {
  return fmt::format("{} [{}{}]", reason.text(), reason.section,
                     reason.rule ? "; " + std::string(spec::rule_name(*reason.rule)) : "");
}

void write_json(JsonWriter& json, const LitmusRow& row) {
  json.begin_object()
      .member("what", row.what)
      .member("agrees", row.agrees())
      .member("asked", row.asked)
      .texts("expected", row.expected)
      .texts("allowed", row.allowed)
      .key("reasons")
      .begin_array();
  for (const litmus::Reason& reason : row.reasons) {
    json.begin_object().member("outcome", reason.outcome).member("why", reason.why);
    if (reason.rule) json.member("rule", spec::rule_name(*reason.rule));
    json.member("section", reason.section).end_object();
  }
  json.end_array().texts("configuration", row.configuration).end_object();
}

std::string differences(const LitmusResult& result) {
  std::string text;
  for (const LitmusRow& row : result.rows) {
    if (row.agrees()) continue;
    text += fmt::format("{}\n  expected {}\n  allowed  {}\n", row.what, litmus_text(row.expected),
                        litmus_text(row.allowed));
    for (const auto& reason : row.reasons) text += "  " + reason.text() + "\n";
  }
  if (result.verdict_agrees) return text;
  text += fmt::format("driver: expected {}, found {}\n", result.expected_verdict,
                      found_verdict(result));
  for (const auto& blame : result.evidence) text += "  " + blame.text() + "\n";
  return text;
}

}  // namespace

bool LitmusResult::passed() const {
  for (const LitmusRow& row : rows) {
    if (!row.agrees()) return false;
  }
  return verdict_agrees;
}

LitmusResult result_of(const Test& test, const litmus::FastResult& got) {
  const Judgement& judgement = got.judgement;
  LitmusResult result;
  result.test = &test;
  result.unsupported = judgement.unsupported;
  result.literal = got.literal;
  if (!result.unsupported.empty()) return result;
  for (std::size_t i = 0; i < test.accesses.size(); ++i) {
    LitmusRow row{.what = litmus_text(test.accesses[i]),
                  .expected = set_of(test.accesses[i].allowed),
                  .asked = test.accesses[i].asked};
    if (i < judgement.allowed.size()) row.allowed = judgement.allowed[i];
    if (i < got.reasons.size()) row.reasons = got.reasons[i];
    if (i < got.configuration.size()) row.configuration = got.configuration[i];
    if (test.accesses[i].promised) {
      row.what += fmt::format(" (promised: {})", litmus_text(set_of(*test.accesses[i].promised)));
    }
    result.rows.push_back(std::move(row));
  }
  for (std::size_t i = 0; i < test.dmas.size(); ++i) {
    LitmusRow row{.what = "dma " + test.dmas[i].name.text,
                  .expected = set_of(test.dmas[i].allowed),
                  .asked = test.dmas[i].asked};
    if (i < judgement.dmas.size()) row.allowed = judgement.dmas[i];
    result.rows.push_back(std::move(row));
  }
  for (std::size_t i = 0; i < test.loads.size(); ++i) {
    const litmus::LoadExpectation& load = test.loads[i];
    LitmusRow row{.what = fmt::format("load {} {}", load.table.text, load.index.value),
                  .expected = set_of(load.allowed),
                  .asked = load.asked};
    if (i < judgement.loads.size()) row.allowed = judgement.loads[i];
    if (load.promised)
      row.what += fmt::format(" (promised: {})", litmus_text(set_of(*load.promised)));
    result.rows.push_back(std::move(row));
  }
  result.broken = judgement.broken;
  result.evidence = got.evidence;
  if (test.driver) {
    const litmus::Verdict& verdict = *test.driver;
    result.expected_verdict = verdict.ok ? "ok" : "violation " + verdict.rule;
    result.verdict_agrees =
        verdict.ok ? result.broken.empty() : result.broken.contains(verdict.rule);
  }
  return result;
}

oracle::JunitCase case_of(const LitmusResult& result, const std::string& file, double seconds) {
  oracle::JunitCase one;
  one.name = result.test->name;
  one.group = file;
  one.file = file;
  one.line = result.test->place.line;
  one.seconds = seconds;
  if (!result.unsupported.empty()) {
    one.status = oracle::JunitStatus::skipped;
    one.message = "unsupported: " + result.unsupported;
  } else if (!result.passed()) {
    one.status = oracle::JunitStatus::failed;
    one.type = "litmus";
    one.details = differences(result);
    one.message = one.details.substr(0, one.details.find('\n'));
  }
  return one;
}

void print_result(const LitmusResult& result, bool quiet) {
  const Test& test = *result.test;
  if (!result.unsupported.empty()) {
    fmt::print("      {}\nunsupported: {}\n", test.name, result.unsupported);
    return;
  }
  fmt::print("{}  {}{}{}\n", result.passed() ? "ok  " : "FAIL", test.name,
             result.passed() ? "" : "  (" + litmus::to_string(test.place) + ")",
             result.literal.empty() ? "" : "  (" + by_literal_model(result) + ")");
  for (const LitmusRow& row : result.rows) {
    if (quiet && row.agrees() && !row.asked) continue;
    if (row.agrees()) {
      fmt::print("      {} -> {}\n", row.what, litmus_text(row.allowed));
    } else {
      fmt::print("      {}\n        expected {}\n        allowed  {}\n", row.what,
                 litmus_text(row.expected), litmus_text(row.allowed));
    }
    for (const auto& reason : row.reasons) {
      fmt::print("        {}\n", row.asked ? cited(reason) : reason.text());
    }
    for (const auto& member : row.expected) {
      if (row.allowed.contains(member) || !result.literal.empty()) continue;
      fmt::print("        {}: expected, but no fetch that is possible leads to it\n", member);
    }
  }
  if (quiet && result.verdict_agrees) return;
  if (result.verdict_agrees) {
    fmt::print("      driver {}\n", found_verdict(result));
  } else {
    fmt::print("      driver: expected {}, found {}\n", result.expected_verdict,
               found_verdict(result));
  }
  for (const auto& blame : result.evidence) fmt::print("        {}\n", blame.text());
}

void print_answer(const LitmusResult& result) {
  if (!result.unsupported.empty()) {
    fmt::print("unsupported: {}\n", result.unsupported);
    return;
  }
  if (!result.literal.empty()) fmt::print("({})\n", by_literal_model(result));
  for (const LitmusRow& row : result.rows) {
    fmt::print("{} -> {}\n", row.what, litmus_text(row.allowed));
    for (const auto& reason : row.reasons) fmt::print("  {}\n", cited(reason));
    for (const auto& cached : row.configuration) fmt::print("  configuration: {}\n", cached);
  }
  fmt::print("driver {}\n", found_verdict(result));
  for (const auto& blame : result.evidence) {
    fmt::print("  {} [{}]\n", blame.text(), spec::rule_info(blame.rule).section);
  }
}

void write_json(JsonWriter& json, const LitmusResult& result) {
  const Test& test = *result.test;
  const bool ran = result.unsupported.empty();
  json.begin_object()
      .member("name", test.name)
      .member("place", litmus::to_string(test.place))
      .member("status", !ran              ? "unsupported"
                        : result.passed() ? "ok"
                                          : "FAIL");
  if (!ran) {
    json.member("unsupported", result.unsupported).end_object();
    return;
  }
  json.key("sets").begin_array();
  for (const LitmusRow& row : result.rows) write_json(json, row);
  json.end_array()
      .member("reading", result.literal.empty() ? "engine" : "literal")
      .member("verdict_agrees", result.verdict_agrees)
      .member("expected_verdict", result.expected_verdict)
      .texts("broken", result.broken)
      .key("evidence")
      .begin_array();
  for (const litmus::Blame& blame : result.evidence) {
    json.begin_object()
        .member("rule", spec::rule_name(blame.rule))
        .member("family", blame.family)
        .member("section", spec::rule_info(blame.rule).section)
        .member("what", blame.what)
        .end_object();
  }
  json.end_array().end_object();
}

void state_profile(litmus::Test& test, const std::string& keys) {
  if (keys.empty()) return;
  const auto machine = oracle::parse_machine(keys);
  if (!machine) return;  // who reads profiles has refused it
  using litmus::Lack;
  const spec::Profile& profile = machine->profile;
  const auto add = [&](const auto& line) { test.init.push_back({.what = line, .place = {}}); };
  const std::pair<bool, Lack> lacks[] = {{!profile.caches_config, Lack::config_cache},
                                         {!profile.caches_walks, Lack::walk_cache},
                                         {!profile.caches_leaves, Lack::tlb},
                                         {!profile.combines, Lack::combined_entries},
                                         {profile.empty_at_reset, Lack::reset_caches},
                                         {!profile.untagged_covers_pasids, Lack::untagged_atc_inv}};
  for (const auto& [is_lacking, which] : lacks) {
    if (is_lacking) add(litmus::LacksLine{which});
  }
  if (profile.config_atom == 16) add(litmus::AtomLine{{.value = 16, .place = {}}});
}

}  // namespace iommucheck::cli
