// SPDX-License-Identifier: MIT
// What hardware may see between two STEs or CDs.
#include <fmt/format.h>

#include "base/text.h"
#include "check/machine.h"
#include "cli/ask.h"
#include "cli/machine_keys.h"
#include "explain/hitless.h"

namespace iommucheck::cli {
namespace {

using oracle::HitlessAnswer;
using oracle::HitlessQuestion;
using oracle::HitlessStep;
using oracle::SeenStructure;

const char* version_name(SeenStructure::Version version) {
  switch (version) {
    case SeenStructure::Version::from: return "old";
    case SeenStructure::Version::to: return "new";
    case SeenStructure::Version::neither: break;
  }
  return "neither";
}

Expected<HitlessQuestion> question_of(const AskCommand& options) {
  HitlessQuestion question;
  question.cd = options.of_cds;
  question.order = options.order;
  const auto machine =
      oracle::parse_machine(with_keys(options.machine, options.profile, options.smmu));
  if (!machine) return std::unexpected(machine.error());
  question.caps = machine->caps;
  const auto from = words_of("OLD", options.hitless[0]);
  if (!from) return std::unexpected(from.error());
  question.from = *from;
  const auto to = words_of("NEW", options.hitless[1]);
  if (!to) return std::unexpected(to.error());
  question.to = *to;
  const auto ste = leading_ste(options);
  if (!ste) return std::unexpected(ste.error());
  question.ste = *ste;
  return question;
}

void print(const HitlessAnswer& answer) {
  for (const HitlessStep& step : answer.steps) {
    fmt::print("{}\n", step.step);
    for (const SeenStructure& seen : step.may_see) {
      const spec::RuleInfo& rule = spec::rule_info(seen.meaning.rule);
      const bool mixed = seen.version == SeenStructure::Version::neither;
      fmt::print("  {:<8}{}{} [{}; {}]\n", version_name(seen.version), seen.meaning.kind,
                 mixed && !seen.mixture.empty() ? ": " + seen.mixture : std::string(), rule.section,
                 rule.name);
      if (!seen.meaning.legal) fmt::print("          does not hold: {}\n", rule.text);
    }
  }
  fmt::print("order: {}\n", answer.order);
  if (!answer.settled) {
    fmt::print(
        "not settled: what is cached of OLD may be used until a sync behind the last store\n");
  }
  fmt::print("hitless: {}{} [IHI 0070 3.21.3]\n", answer.hitless ? "yes" : "no: ", answer.why);
}

void print_json(const HitlessQuestion& question, const HitlessAnswer& answer) {
  JsonWriter json;
  json.begin_object()
      .member("ask", "hitless")
      .member("structure", question.cd ? "CD" : "STE")
      .member("order", answer.order)
      .member("hitless", answer.hitless)
      .member("settled", answer.settled)
      .member("why", answer.why)
      .member("section", "IHI 0070 3.21.3")
      .key("steps")
      .begin_array();
  for (const HitlessStep& step : answer.steps) {
    json.begin_object().member("step", step.step).key("may_see").begin_array();
    for (const SeenStructure& seen : step.may_see) {
      json.begin_object().member("version", version_name(seen.version));
      json.member("mixture", seen.mixture);
      write_members(json, seen.meaning);
      json.key("words").begin_array();
      for (const u64 word : seen.words) json.value(hex(word));
      json.end_array().end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object().print();
}

}  // namespace

int answer_hitless(const AskCommand& options) {
  const auto question = question_of(options);
  if (!question) return report("ask", question.error());
  const auto answer = oracle::answer(*question);
  if (!answer) return report("ask", answer.error());
  if (options.format == Format::json) {
    print_json(*question, *answer);
  } else {
    print(*answer);
  }
  return exit_held;
}

}  // namespace iommucheck::cli
