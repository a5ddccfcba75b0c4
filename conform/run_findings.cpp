// SPDX-License-Identifier: MIT
#include "conform/run_findings.h"

#include <algorithm>

#include "conform/case_words.h"
#include "monitor/finding_kind.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

/// A kind that did not show again is tried with other cases that showed it, so many in all.
constexpr u32 confirm_cases = 3;

}  // namespace

FoundDivergence* RunFindings::found_before(const Case& what, const Divergence& found,
                                           bool directed) {
  std::vector<std::string> kinds{found.called};
  const DeviceKind& whole = found.kind.device;
  if (whole.features.size() > 1 && text_of(whole) == found.called) {
    DeviceKind part = whole;
    part.features.pop_back();
    kinds.push_back(text_of(part));
    part.features = {whole.features.back()};
    kinds.push_back(text_of(part));
  }
  for (const std::string& kind : kinds) {
    const auto is_it = [&](const FoundDivergence& old) {
      return old.divergence.rule == found.rule && old.divergence.called == kind &&
             !(directed && is_elsewhere(what, old.known_id));
    };
    const auto old = std::ranges::find_if(all_, is_it);
    if (old != all_.end()) return &*old;
  }
  return nullptr;
}

Expected<void> RunFindings::note(const Case& what, const Divergence& found, bool directed) {
  if (FoundDivergence* const old = found_before(what, found, directed)) {
    ++broken_[spec::number_of(found.rule)];
    ++old->times;
    if (directed && !old->known_id.empty()) shown_.shows(what.name, old->known_id);
    return {};
  }
  FoundDivergence fresh{.divergence = found,
                        .known_id = {},
                        .times = 1,
                        .first_case = what.name,
                        .steps = {},
                        .trace_path = {}};
  const KnownFinding* known = known_.excuse(found);
  if (known != nullptr && directed && is_elsewhere(what, known->id)) {
    fresh.worded_as = known->id;
  } else if (known != nullptr) {
    if (directed) shown_.shows(what.name, known->id);
    fresh.known_id = known->id;
    fresh.trace_path = known_.file().trace_path(*known);
    ++broken_[spec::number_of(found.rule)];
    all_.push_back(std::move(fresh));
    return {};
  }
  u32& tried = unconfirmed_[{found.rule, found.called}];
  if (tried == confirm_cases) return note_not_reproduced(std::move(fresh));
  auto confirmed = confirmer_.confirm(what, fresh);
  if (!confirmed) return std::unexpected(confirmed.error());
  // A death is a fact, though it may need what cases before have left in the device.
  const bool died = found.rule == spec::rule::DEVICE_SURVIVES;
  if (!*confirmed && !died) {
    ++tried;
    return note_not_reproduced(std::move(fresh));
  }
  forget_not_reproduced(fresh);
  ++broken_[spec::number_of(found.rule)];
  if (!*confirmed) {
    all_.push_back(std::move(fresh));
    return {};
  }
  Confirmed& its = **confirmed;
  for (std::size_t i = its.what.fixed; i < its.what.steps.size(); ++i) {
    fresh.steps.push_back(step_text(its.what.steps[i]));
  }
  auto path = files_.write_finding(its.run.trace, fresh.divergence);
  if (!path) return std::unexpected(path.error());
  fresh.trace_path = std::move(*path);
  shortest_.emplace(all_.size(), std::move(its.what));
  all_.push_back(std::move(fresh));
  return {};
}

Expected<void> RunFindings::note_deaths() {
  while (const auto death = device_.next_unnoted()) {
    const auto same = [&](const FoundDivergence& old) { return old.divergence.same(death->found); };
    if (std::ranges::any_of(all_, same)) continue;
    if (auto ok = note(death->what, death->found, false); !ok) return ok;
  }
  return {};
}

void RunFindings::note_replayed(const Divergence& found, const std::string& path) {
  ++broken_[spec::number_of(found.rule)];
  const auto same = [&](const FoundDivergence& old) { return old.divergence.same(found); };
  const auto old = std::ranges::find_if(all_, same);
  if (old != all_.end()) {
    ++old->times;
    return;
  }
  const KnownFinding* its = known_.excuse(found);
  all_.push_back({.divergence = found,
                  .known_id = its != nullptr ? its->id : "",
                  .times = 1,
                  .first_case = path,
                  .steps = {},
                  .trace_path = path});
}

Expected<void> RunFindings::note_not_reproduced(FoundDivergence fresh) {
  for (FoundDivergence& old : not_reproduced_) {
    if (!old.divergence.same(fresh.divergence)) continue;
    ++old.times;
    return {};
  }
  not_reproduced_.push_back(std::move(fresh));
  return {};
}

void RunFindings::forget_not_reproduced(FoundDivergence& confirmed) {
  std::erase_if(not_reproduced_, [&](const FoundDivergence& old) {
    if (!old.divergence.same(confirmed.divergence)) return false;
    confirmed.times += old.times;
    return true;
  });
}

}  // namespace iommucheck::oracle
