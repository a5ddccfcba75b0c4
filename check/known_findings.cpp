// SPDX-License-Identifier: MIT
#include "check/known_findings.h"

#include <fmt/format.h>

#include <algorithm>

#include "check/finding_kind.h"
#include "report/finding_kind_text.h"
#include "report/finding_text.h"

namespace iommucheck::oracle {

Expected<void> known_is_of(const CheckOptions& options, const std::string& driver) {
  const bool any = options.known && options.known->subject.empty();  // --allow alone
  if (!options.known || any || options.known->subject == driver) return {};
  return fail(ErrorCode::bad_input,
              fmt::format("{}: is for the driver {}, and this one is {}", options.known->path,
                          options.known->subject, driver));
}

std::optional<std::size_t> excuse_of(const CheckOptions& options, const Finding& finding) {
  if (!options.known) return std::nullopt;
  const auto& entries = options.known->entries;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool covers = entries[i].covers(finding.rule, finding.kind);
    if (covers && !entries[i].expired(options.today)) return i;
  }
  return std::nullopt;
}

KnownTo known_to(const CheckOptions& options) {
  if (!options.known && options.told.empty()) return {};
  return [&options](const Finding& finding) -> std::optional<u32> {
    if (const auto entry = excuse_of(options, finding)) return static_cast<u32>(*entry);
    const bool told = std::ranges::find(options.told, key_of(finding)) != options.told.end();
    return told ? std::optional(told_already) : std::nullopt;
  };
}

KnownFile known_after(const CheckOptions& options, const CheckResult& result) {
  KnownFile file;
  if (options.known) file = *options.known;
  file.entries.resize(file.entries.size() - options.allowed);
  file.of = KnownFile::Subject::driver;
  file.subject = result.driver_name;
  for (const Violation& found : result.findings) {
    // One that has expired stays as it is, to be looked at.
    if (file.find(found.rule, found.kind) != nullptr) continue;
    const spec::RuleInfo& rule = spec::rule_info(found.rule);
    const std::string kind = text_of(found.kind);
    // What a driver has to keep a backend has, where that is what is judged.
    const bool is_backends = found.party == spec::Keeper::backend;
    const spec::Keeper keeper = is_backends ? found.party : rule.keeper;
    KnownFinding entry{.id = suggested_id(found.rule, kind),
                       .rule = std::string(rule.name),
                       .kind = kind,
                       .section = std::string(rule.section),
                       .why = "TO DO: " + headline(found),
                       .correct = std::string(rule.text),
                       .party = std::string(spec::keeper_name(keeper)),
                       .parts = found.kind};
    const std::string id = entry.id;
    const auto same = [&](const KnownFinding& other) { return other.id == entry.id; };
    for (u32 n = 2; std::ranges::any_of(file.entries, same); ++n) {
      entry.id = fmt::format("{}-{}", id, n);
    }
    file.entries.push_back(std::move(entry));
  }
  return file;
}

}  // namespace iommucheck::oracle
