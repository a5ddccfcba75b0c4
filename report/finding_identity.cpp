// SPDX-License-Identifier: MIT
#include "report/finding_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/hash.h"
#include "report/finding_kind_text.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle {

namespace rule = spec::rule;

namespace {

/// Where the cause is named, which of these rules shows it first is luck.
bool tells_of_reach(spec::Rule rule) {
  switch (rule) {
    case rule::PAGE_REUSE:
    case rule::PROMISE_OUTCOME:
    case rule::PROMISE_TRANSIENT:
    case rule::PROMISE_UNDISTURBED: return true;
    default: return false;
  }
}

}  // namespace

spec::Rule rule_of_cause(spec::Rule rule) { return tells_of_reach(rule) ? rule::PAGE_REUSE : rule; }

spec::Rule rule_of_cause(spec::Rule rule, const FindingKind& kind) {
  return kind.names_cause() ? rule_of_cause(rule) : rule;
}

std::string fingerprint_of(spec::Rule rule, const FindingKind& kind) {
  if (kind.empty()) return {};
  return fmt::format(
      "{:016x}",
      fnv1a(fmt::format("{}\n{}", spec::rule_name(rule_of_cause(rule, kind)), text_of(kind))));
}

const NamedEvent* event_in_source(const Violation& finding) {
  const auto has_source = [](const NamedEvent& named) { return !named.source.empty(); };
  // Registers are written by helpers, which all of a driver's findings would share.
  const auto stores = [&](const NamedEvent& named) {
    return has_source(named) && !std::holds_alternative<trace::MmioWrite>(named.event.payload) &&
           !std::holds_alternative<trace::MmioRead>(named.event.payload);
  };
  const auto shown = std::ranges::find(finding.named, finding.at, &NamedEvent::number);
  if (shown != finding.named.end() && stores(*shown)) return &*shown;
  const auto last_of = [&](const auto& which) {
    const auto last = std::ranges::find_if(finding.named.rbegin(), finding.named.rend(), which);
    return last == finding.named.rend() ? nullptr : &*last;
  };
  const NamedEvent* store = last_of(stores);
  return store != nullptr ? store : last_of(has_source);
}

std::string from_here(const std::string& file) {
  std::error_code error;
  const auto here = std::filesystem::current_path(error);
  const auto relative = std::filesystem::path(file).lexically_relative(here);
  const bool below = !error && !relative.empty() && *relative.begin() != "..";
  return below ? relative.generic_string() : file;
}

}  // namespace iommucheck::oracle
