// SPDX-License-Identifier: MIT
// A question of one line, and its answer: what may an access reach, and is this STE legal.
#include "litmus/ask.h"

#include <fmt/format.h>

#include <iostream>
#include <iterator>

#include "check/machine.h"
#include "cli/console.h"
#include "cli/litmus_result.h"
#include "cli/options.h"
#include "cli/verdicts.h"
#include "litmus/parser.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/ste_stage2.h"

namespace iommucheck::cli {
namespace {

int answer_litmus(const AskCommand& options) {
  std::string question = options.question;
  if (question == "-") question.assign(std::istreambuf_iterator<char>(std::cin), {});
  const auto file = litmus::parse(litmus::question_text(question), "the question");
  if (!file) return report("ask", file.error());
  oracle::RunEnd end;
  u64 unsupported = 0;
  JsonWriter json;
  for (const litmus::Test& test : file->tests) {
    const auto got = litmus::judge_by_either(test);
    if (!got) return report("ask", got.error());
    const LitmusResult result = result_of(test, *got);
    if (!result.unsupported.empty()) ++unsupported;
    if (result.unsupported.empty() && !result.passed()) end.found();
    if (options.format == Format::json) {
      write_json(json, result);
    } else {
      print_answer(result);
    }
  }
  if (options.format == Format::json) json.print();
  if (unsupported != 0) end.undecided("the specification has not got what is asked about");
  return finish("ask", end);
}

const char* name_of(spec::SteKind kind) {
  switch (kind) {
    case spec::SteKind::bad: return "C_BAD_STE";
    case spec::SteKind::abort: return "terminates its transactions";
    case spec::SteKind::bypass: return "lets its transactions pass untranslated";
    case spec::SteKind::stage1: return "stage 1";
    case spec::SteKind::stage2: return "stage 2";
    case spec::SteKind::nested: return "stage 1 and stage 2";
  }
  return "";
}

template <std::size_t N>
std::array<u64, N> words_of(const std::vector<u64>& given) {
  std::array<u64, N> words{};
  std::copy_n(given.begin(), std::min(N, given.size()), words.begin());
  return words;
}

/// What is legal of one structure; `rule` is what makes it illegal.
struct Legality {
  std::string structure, meaning;
  std::optional<spec::Rule> rule;
};

Legality of_ste(const spec::Ste<u64>& ste, const spec::Capabilities& caps) {
  const spec::SteDecision decision = spec::decode_ste(ste, caps);
  Legality legality{"STE", name_of(decision.kind), {}};
  if (decision.kind == spec::SteKind::bad) legality.rule = decision.rule;
  return legality;
}

Legality of_cd(const spec::Cd<u64>& cd, const spec::Ste<u64>& ste, const spec::Capabilities& caps) {
  Legality legality{"CD", fmt::format("ASID {:#x}", cd.asid()), {}};
  legality.rule = spec::decode_cd(cd, ste, caps);
  if (legality.rule) legality.meaning = "C_BAD_CD";
  return legality;
}

void print(const Legality& legality) {
  fmt::print("{}: {}: {}\n", legality.structure, legality.rule ? "ILLEGAL" : "legal",
             legality.meaning);
  if (!legality.rule) return;
  const spec::RuleInfo& rule = spec::rule_info(*legality.rule);
  fmt::print("  not kept: {} [{}; {}]\n", rule.text, rule.section, rule.name);
}

void write(JsonWriter& json, const Legality& legality) {
  json.begin_object()
      .member("structure", legality.structure)
      .member("legal", !legality.rule)
      .member("meaning", legality.meaning);
  if (legality.rule) {
    const spec::RuleInfo& rule = spec::rule_info(*legality.rule);
    json.member("rule", rule.name).member("section", rule.section).member("not_kept", rule.text);
  }
  json.end_object();
}

/// The CD stands under that STE; without one, under an STE of stage 1 with no field set.
int answer_legality(const AskCommand& options) {
  const auto machine = oracle::parse_machine(options.machine);
  if (!machine) return report("ask", machine.error());
  constexpr u64 stage1_alone = 0xb;  // V = 1, Config = 0b101
  spec::Ste<u64> ste{words_of<spec::ste_words>(options.ste)};
  std::vector<Legality> answers;
  if (!options.ste.empty()) {
    answers.push_back(of_ste(ste, machine->caps));
  } else {
    ste.dw[0] = stage1_alone;
  }
  if (!options.cd.empty()) {
    answers.push_back(
        of_cd(spec::Cd<u64>{words_of<spec::cd_words>(options.cd)}, ste, machine->caps));
  }
  JsonWriter json;
  if (options.format == Format::json) json.begin_array();
  for (const Legality& answer : answers) {
    if (options.format == Format::json) {
      write(json, answer);
    } else {
      print(answer);
    }
  }
  if (options.format == Format::json) json.end_array().print();
  if (options.format == Format::text) fmt::print("machine: {}\n", oracle::machine_text(*machine));
  return exit_held;
}

}  // namespace

int run_ask(const AskCommand& options) {
  const bool structures = !options.ste.empty() || !options.cd.empty();
  return structures ? answer_legality(options) : answer_litmus(options);
}

}  // namespace iommucheck::cli
