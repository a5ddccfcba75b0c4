// SPDX-License-Identifier: MIT
#include "check/passed_over.h"

#include <algorithm>
#include <utility>

#include "check/finding_kind.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle {

namespace {

/// Whether what is promised is known behind it: not where a call never returned, or said of itself
/// what cannot be.
bool can_go_on_behind(const Finding& finding) {
  switch (finding.rule) {
    case spec::rule::HANG_RETURNS:
    case spec::rule::CRASH_NEVER:
    case spec::rule::STATE_RETURNS:
    case spec::rule::PASID_REUSE: return false;
    case spec::rule::RESULT_EXACT: return finding.changed_nothing;
    default: return true;
  }
}

}  // namespace

PassedOver::PassedOver(KnownTo known, const std::string_view& doing)
    : known_(std::move(known)), doing_(doing) {}

void PassedOver::begin_case() {
  things_.clear();
  of_case_.clear();
  stale_ = false;
  done_.clear();
}

void PassedOver::go_back_to(EventIndex now) {
  things_.clear();
  of_case_.clear();
  stale_ = false;
  std::erase_if(done_, [now](const Doing& doing) { return doing.since > now; });
}

void PassedOver::note(EventIndex now, std::string_view what) { done_.push_back({what, now}); }

/// What the event belongs to: the last that was begun before it, or the driver's boot.
Doing PassedOver::done_at(EventIndex event) const {
  Doing found;
  if (event != 0) found.what = "boot";  // as Caller calls it
  for (const Doing& doing : done_) {
    if (doing.since < event) found = doing;
  }
  return found;
}

/// Only what names one word or entry; not the stream that is configured so, or a rule.
std::optional<PassedOver::Thing> PassedOver::thing_of(const spec::Cause& cause) {
  using Kind = spec::Cause::Kind;
  switch (cause.kind) {
    case Kind::word:
    case Kind::unknown_word:
    case Kind::global_word:
    case Kind::pending_word:
    case Kind::cached_pointer:
    case Kind::cached_translation:
    case Kind::cached_unknown:
    case Kind::cached_combined:
    case Kind::atc_entry:
    case Kind::atc_identity:
    case Kind::atc_unknown:
    case Kind::atc_reset: return Thing{cause.pa, cause.value};
    case Kind::cached_structure:
    case Kind::structure: return Thing{cause.pa, 0};
    case Kind::beyond_input:
    case Kind::half_disabled:
    case Kind::table_root:
    case Kind::table_link:
    case Kind::configuration:
    case Kind::rule:
    case Kind::bypass:
    case Kind::terminated:
    case Kind::from_reset:
    case Kind::tags_differ:
    case Kind::entries_differ: return std::nullopt;
  }
  return std::nullopt;
}

namespace {

/// What cannot but follow where something stale is met: it differs from what is made there next,
/// and what it leads to belongs to somebody else by then.
bool follows_from_staleness(spec::Rule rule) {
  return rule == spec::rule::CONFLICT_BBM || rule == spec::rule::CONFLICT_TLB ||
         rule == spec::rule::WILD_WALK || rule == spec::rule::TABLE_FREE;
}

}  // namespace

bool PassedOver::follows(const Finding& finding) const {
  if (stale_ && follows_from_staleness(finding.rule)) return true;
  return std::ranges::any_of(finding.causes, [&](const spec::Cause& cause) {
    const auto thing = thing_of(cause);
    return thing && std::ranges::binary_search(things_, *thing);
  });
}

bool PassedOver::excuses_as_before(const Finding& finding) const {
  return known_ && can_go_on_behind(finding) && follows(finding);
}

bool PassedOver::excuses(Finding& finding) {
  if (excuses_as_before(finding)) return true;
  finding.kind = kind_of(finding, doing_, done_at(replaced_at(finding)));
  if (!known_ || !can_go_on_behind(finding)) return false;
  const std::optional<u32> entry = known_(finding);
  if (!entry) return false;
  for (const spec::Cause& cause : finding.causes) {
    const auto thing = thing_of(cause);
    if (!thing) continue;
    const auto at = std::ranges::lower_bound(things_, *thing);
    if (at == things_.end() || *at != *thing) things_.insert(at, *thing);
  }
  stale_ |= finding.kind.names_cause() || finding.rule == spec::rule::TABLE_FREE;
  const One one{*entry, *entry == told_already ? finding.rule : spec::Rule{}};
  if (std::ranges::find(of_case_, one) == of_case_.end()) of_case_.push_back(one);
  return true;
}

}  // namespace iommucheck::oracle
