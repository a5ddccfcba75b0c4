// SPDX-License-Identifier: MIT
#include "litmus/reason.h"

#include "spec/rules/promises.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"

namespace iommucheck::litmus {
namespace {

using Kind = spec::Cause::Kind;

/// The rule by which a cause leads to its outcome where it names none itself.
std::optional<spec::Rule> rule_of(const spec::Cause& cause) {
  if (cause.rule) return cause.rule;
  switch (cause.kind) {
    case Kind::word:
    case Kind::global_word: return spec::rule::TRANSLATION_RESULT;
    case Kind::bypass: return spec::rule::STE_BYPASS;
    case Kind::unknown_word: return spec::rule::WILD_WALK;
    case Kind::from_reset: return spec::rule::UNKNOWN_AFTER_RESET;
    case Kind::tags_differ: return spec::rule::TAG_REGIMES;
    case Kind::entries_differ: return spec::rule::CONFLICT_TLB;
    default: return std::nullopt;
  }
}

/// Where the manual lets the thing be cached, or not be seen yet.
std::string_view section_of(Kind kind) {
  switch (kind) {
    case Kind::atc_entry:
    case Kind::atc_identity:
    case Kind::atc_unknown:
    case Kind::atc_reset: return "IHI 0070 3.9.1";
    case Kind::cached_structure:
    case Kind::structure: return "IHI 0070 3.21.3";
    default: return "IHI 0070 3.21.1";
  }
}

}  // namespace

Reason reason_of(std::string outcome, const spec::Cause& cause, bool illegal,
                 const spec::Namer& namer) {
  const std::optional<spec::Rule> rule = rule_of(cause);
  std::string why = spec::cause_text(cause, namer);
  if (illegal && cause.kind == Kind::rule) why.insert(0, "does not hold: ");
  return {.outcome = std::move(outcome),
          .why = std::move(why),
          .rule = rule,
          .section = rule ? spec::rule_info(*rule).section : section_of(cause.kind)};
}

}  // namespace iommucheck::litmus
