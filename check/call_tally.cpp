// SPDX-License-Identifier: MIT
#include "check/call_tally.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace iommucheck::oracle {

namespace {

using spec::sva::CallKind;
using spec::sva::DomainKind;

/// By CallTally::of(DomainKind).
constexpr std::array<std::string_view, CallTally::kinds> domains = {
    "",
    "a paging domain",
    "a blocked domain",
    "an identity domain",
    "a stage 2 domain",
    "a dynamic domain",
    "a nested domain that passes or aborts",
    "a nested domain with the user's PASIDs",
    "a nested domain with the user's table"};
static_assert(CallTally::of(DomainKind::nested_pasid) + 1 == CallTally::nested_stage1);

bool is_domain(std::size_t what) { return what >= CallTally::calls_max; }

bool is_over_stage2(std::size_t what) {
  return what == CallTally::of(DomainKind::paging_s2) || what >= CallTally::of(DomainKind::nested);
}

std::string name_of(std::size_t what) {
  if (!is_domain(what)) return std::string(spec::sva::call_name(static_cast<CallKind>(what)));
  return fmt::format("domain_alloc of {}", domains.at(what - CallTally::calls_max));
}

/// What the driver has and nobody saw done. Of domain_alloc each kind counts.
std::vector<std::size_t> never_done(const CallTally& answered, Abilities abilities) {
  std::vector<std::size_t> never;
  for (std::size_t what = 0; what < CallTally::size; ++what) {
    if (!is_domain(what) && what >= spec::sva::call_count()) continue;
    if (what == CallTally::of(CallKind::domain_alloc) || answered.done(what) != 0) continue;
    const auto call = is_domain(what) ? CallKind::domain_alloc : static_cast<CallKind>(what);
    if ((abilities & bit_of(call)) != 0) never.push_back(what);
  }
  return never;
}

/// Each number of `to` with that of `other`.
template <class Operation>
void combine(CallTally& to, const CallTally& other, Operation with) {
  for (auto numbers : {&CallTally::asked, &CallTally::not_built, &CallTally::declined}) {
    std::ranges::transform(to.*numbers, other.*numbers, (to.*numbers).begin(), with);
  }
  to.domains_asked = with(to.domains_asked, other.domains_asked);
  to.domains_made = with(to.domains_made, other.domains_made);
}

}  // namespace

void CallTally::add(const CallTally& other) { combine(*this, other, std::plus<u64>()); }

void CallTally::take(const CallTally& before) { combine(*this, before, std::minus<u64>()); }

std::vector<std::string> not_looked_at(const CallTally& answered, Abilities abilities,
                                       NotClaimed not_claimed) {
  std::vector<std::string> why;
  const bool says_so = not_claimed.has(Claim::structures) || not_claimed.has(Claim::domains);
  const bool has_domains = (abilities & bit_of(CallKind::domain_alloc)) != 0;
  if (has_domains && (abilities & bit_of(CallKind::attach)) == 0 && !says_so) {
    why.emplace_back(
        "the driver has domain_alloc and no attach: no access was translated (a driver of tables "
        "or of the SMMU alone says so: TABLES_ONLY, BRING_UP_ONLY)");
  }
  const bool none = answered.domains_asked != 0 && answered.domains_made == 0;
  if (none && (abilities & (bit_of(CallKind::attach) | bit_of(CallKind::map))) != 0) {
    why.push_back(fmt::format(
        "no domain was made: each of {} calls of domain_alloc for one that maps was refused, and "
        "nothing behind them was looked at",
        answered.domains_asked));
  }
  for (u32 i = 0; i < spec::sva::call_count(); ++i) {
    const auto kind = static_cast<CallKind>(i);
    if (none && kind == CallKind::domain_alloc) continue;
    if (answered.asked[i] == 0 || answered.asked[i] != answered.not_built[i]) continue;
    why.push_back(fmt::format(
        "each of {} calls of {} that were not refused was answered with NOT_BUILT (the operation "
        "is NULL where it is not built)",
        answered.asked[i], spec::sva::call_name(kind)));
  }
  return why;
}

std::string not_built_text(const CallTally& answered) {
  std::string text;
  for (u32 i = 0; i < spec::sva::call_count(); ++i) {
    const auto kind = static_cast<CallKind>(i);
    const u64 some = answered.not_built[i];
    if (some == 0 || some == answered.asked[i] || kind == CallKind::domain_alloc) continue;
    text += fmt::format("{}{} of {} calls of {}", text.empty() ? "" : ", ", some, answered.asked[i],
                        spec::sva::call_name(kind));
  }
  return text;
}

std::vector<std::string> always_declined(const CallTally& answered, Abilities abilities,
                                         bool stage2) {
  std::vector<std::string> names;
  for (const std::size_t what : never_done(answered, abilities)) {
    if (answered.declined[what] == 0 || (!stage2 && is_over_stage2(what))) continue;
    names.push_back(fmt::format("{} ({} times)", name_of(what), answered.declined[what]));
  }
  return names;
}

std::vector<std::string> never_possible(const CallTally& answered, Abilities abilities) {
  std::vector<std::string> names;
  for (const std::size_t what : never_done(answered, abilities)) {
    if (is_domain(what) || answered.declined[what] + answered.not_built[what] != 0) continue;
    names.push_back(name_of(what));
  }
  return names;
}

std::vector<std::string> seen_at_work(const CallTally& answered) {
  std::vector<std::string> seen;
  const auto done = [&](auto kind) { return answered.done(CallTally::of(kind)) != 0; };
  const bool nested = done(DomainKind::nested) || answered.done(CallTally::nested_stage1) != 0 ||
                      done(DomainKind::nested_pasid);
  if (nested) seen.emplace_back("nesting");
  if (done(CallKind::dirty_set)) seen.emplace_back("dirty tracking");
  return seen;
}

}  // namespace iommucheck::oracle
