// SPDX-License-Identifier: MIT
// Is this STE legal, is this CD, and by which sentence of the manual?
#include <fmt/format.h>

#include "base/text.h"
#include "check/machine.h"
#include "cli/ask.h"
#include "cli/machine_keys.h"

namespace iommucheck::cli {
namespace {

struct Legality {
  bool cd = false;
  std::array<u64, spec::ste_words> words{};
  oracle::StructureMeaning meaning;

  [[nodiscard]] std::string fields(unsigned word) const {
    return cd ? oracle::cd_fields({words}, word) : oracle::ste_fields({words}, word);
  }
};

void print(const Legality& legality) {
  fmt::print("{}: {}: {}\n", legality.cd ? "CD" : "STE",
             legality.meaning.legal ? "legal" : "ILLEGAL",
             legality.meaning.legal ? legality.meaning.kind
             : legality.cd          ? "C_BAD_CD"
                                    : "C_BAD_STE");
  fmt::print("  {}\n", sentence_of(legality.meaning));
  for (unsigned w = 0; w < legality.words.size(); ++w) {
    if (const std::string fields = legality.fields(w); !fields.empty()) {
      fmt::print("  [{}] {:#018x}  {}\n", w, legality.words[w], fields);
    } else if (legality.words[w] != 0) {
      fmt::print("  [{}] {:#018x}\n", w, legality.words[w]);
    }
  }
}

void write(JsonWriter& json, const Legality& legality) {
  json.begin_object().member("structure", legality.cd ? "CD" : "STE");
  write_members(json, legality.meaning);
  json.key("words").begin_array();
  for (unsigned w = 0; w < legality.words.size(); ++w) {
    json.begin_object()
        .member("value", hex(legality.words[w]))
        .member("fields", legality.fields(w))
        .end_object();
  }
  json.end_array().end_object();
}

}  // namespace

Expected<std::array<u64, spec::ste_words>> words_of(std::string_view option,
                                                    const std::string& text) {
  std::array<u64, spec::ste_words> words{};
  std::size_t at = 0;
  for (unsigned w = 0; at <= text.size(); ++w) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const auto value = parse_number(std::string_view(text).substr(at, end - at));
    if (w == words.size()) {
      return fail(ErrorCode::bad_input, fmt::format("{}:1:{}: a structure has {} words, from the "
                                                    "first on; this is one more",
                                                    option, at + 1, words.size()));
    }
    if (!value) {
      return fail(ErrorCode::bad_input,
                  fmt::format("{}:1:{}: '{}': no word of 64 bits; words are decimal or 0x "
                              "hexadecimal, with commas between",
                              option, at + 1, text.substr(at, end - at)));
    }
    words[w] = *value;
    at = end + 1;
  }
  return words;
}

Expected<spec::Ste<u64>> leading_ste(const AskCommand& options) {
  constexpr u64 stage1_alone = 0xb;  // V = 1, Config = 0b101
  if (options.ste.empty()) return spec::Ste<u64>{{stage1_alone}};
  const auto words = words_of("--ste", options.ste);
  if (!words) return std::unexpected(words.error());
  return spec::Ste<u64>{*words};
}

std::string sentence_of(const oracle::StructureMeaning& meaning) {
  const spec::RuleInfo& rule = spec::rule_info(meaning.rule);
  return fmt::format("{}{} [{}; {}]", meaning.legal ? "" : "does not hold: ", rule.text,
                     rule.section, rule.name);
}

void write_members(JsonWriter& json, const oracle::StructureMeaning& meaning) {
  const spec::RuleInfo& rule = spec::rule_info(meaning.rule);
  json.member("meaning", meaning.kind)
      .member("legal", meaning.legal)
      .member("rule", rule.name)
      .member("section", rule.section)
      .member("sentence", rule.text);
}

/// The CD stands under that STE; without one, under an STE of stage 1 with no field set.
int answer_legality(const AskCommand& options) {
  const auto machine =
      oracle::parse_machine(with_keys(options.machine, options.profile, options.smmu));
  if (!machine) return report("ask", machine.error());
  const auto ste = leading_ste(options);
  if (!ste) return report("ask", ste.error());
  const oracle::StructureMeaning of_ste = oracle::meaning_of(*ste, machine->caps);
  std::vector<Legality> answers;
  if (!options.ste.empty()) answers.push_back({.words = ste->dw, .meaning = of_ste});
  if (!options.cd.empty()) {
    const auto words = words_of("--cd", options.cd);
    if (!words) return report("ask", words.error());
    if (!ste->stage1()) {
      return report("ask", {ErrorCode::bad_input,
                            "--cd: no CD is fetched: Config of its STE says " + of_ste.kind +
                                "; give one with stage 1, or leave --ste out"});
    }
    answers.push_back({.cd = true,
                       .words = *words,
                       .meaning = oracle::meaning_of({*words}, *ste, machine->caps)});
  }
  if (options.format == Format::json) {
    JsonWriter json;
    json.begin_object()
        .member("ask", "legality")
        .member("machine", oracle::machine_text(*machine))
        .key("answers")
        .begin_array();
    for (const Legality& answer : answers) write(json, answer);
    json.end_array().end_object().print();
    return exit_held;
  }
  for (const Legality& answer : answers) print(answer);
  fmt::print("machine: {}\n", oracle::machine_text(*machine));
  return exit_held;
}

}  // namespace iommucheck::cli
