// SPDX-License-Identifier: MIT
#include "matrix/engines.h"

#include <algorithm>

#include "base/bits.h"

namespace iommucheck::oracle {

namespace {

/// The fault is of a leaf that is there: a device that does not look at what forbids the access
/// makes it.
bool has_leaf(const spec::Outcome& fault) {
  return fault.event == spec::EventType::f_permission || fault.event == spec::EventType::f_access;
}
u64 leaf_pa(const spec::Outcome& fault) { return fault.value & mask(47, 12); }

}  // namespace

std::optional<Step> Engines::step_of(const spec::Access& access) const {
  const auto engine = std::ranges::find(device_.sids, access.sid);
  if (engine == device_.sids.end()) return std::nullopt;
  const bool beyond = device_.iova_end != 0 && access.va >= device_.iova_end;
  const bool execute = access.type == spec::AccessType::execute;
  if (beyond || (access.ssv && !device_.sends_substreams) ||
      (access.privileged && !device_.sends_privileged) ||
      (execute && !device_.sends_instructions) || !is_seen(access)) {
    return std::nullopt;
  }
  DmaAttributes attributes{.privileged = access.privileged, .instruction = execute};
  if (access.ssv) attributes.substream = access.ssid;
  return Step{StepKind::access, access.va & ~u64{3},
              u64{access.type == spec::AccessType::write ? 1U : 0U},
              access_word(static_cast<unsigned>(engine - device_.sids.begin()), attributes)};
}

std::optional<Step> Engines::request_of(const spec::Access& access) const {
  const spec::Capabilities& caps = caches_.capabilities();
  const bool nests = caps.s1p && caps.s2p;  // with ATSCHK = 1 not judged there
  if (!device_.ats || nests || access.type == spec::AccessType::execute) return std::nullopt;
  auto step = step_of(access);
  if (step) step->kind = StepKind::request;
  return step;
}

bool Engines::is_seen(const spec::Access& access) const {
  if (device_.every_pa) return true;
  const auto shows = [&](u64 pa) { return pa - device_.data_pa < device_.data_bytes; };
  bool seen = true;
  caches_.outcomes(access, [&](const spec::Outcome& outcome) {
    switch (outcome.kind) {
      case spec::OutcomeKind::translation:
      case spec::OutcomeKind::bypass: seen &= shows(outcome.pa); break;
      case spec::OutcomeKind::any:
      case spec::OutcomeKind::within: seen = false; break;
      case spec::OutcomeKind::fault: seen &= !has_leaf(outcome) || shows(leaf_pa(outcome)); break;
      case spec::OutcomeKind::abort:
      case spec::OutcomeKind::denied: break;
    }
  });
  return seen;
}

}  // namespace iommucheck::oracle
