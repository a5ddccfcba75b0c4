// SPDX-License-Identifier: MIT
#include "monitor/nested_probes.h"

#include "base/bits.h"

namespace iommucheck::oracle {

namespace {

/// Caches::fill_nested() remembers as many of an ASID.
constexpr u64 told_max = 1024;

}  // namespace

NestedProbes::Probe NestedProbes::probe_of(const spec::Access& access) {
  return {access.sid, access.ssv ? access.ssid : 0, access.ssv, align_down(access.va, 12)};
}

void NestedProbes::begin(const std::vector<spec::Access>& accesses) {
  probes_.clear();
  relied_on_.clear();
  lost_ = false;
  told_ = 0;
  for (const spec::Access& access : accesses) probes_.insert(probe_of(access));
}

void NestedProbes::tell(spec::Caches& caches) {
  if (probes_.empty() || lost_) return;
  std::vector<u64> relied_on;
  for (const Probe& probe : probes_) {
    if (caches.fill_nested(probe.sid, probe.ssid, probe.ssv, probe.page, &relied_on)) ++told_;
  }
  relied_on_.insert(relied_on.begin(), relied_on.end());
  lost_ = told_ >= told_max;
}

void NestedProbes::before_disable(spec::Caches& caches) { tell(caches); }

void NestedProbes::before_store(spec::Caches& caches, u64 pa, u64 words) {
  tell(caches);
  const auto changed = relied_on_.lower_bound(align_down(pa, 3));
  const bool relied = changed != relied_on_.end() && *changed - align_down(pa, 3) < 8 * words;
  lost_ |= relied;
}

bool NestedProbes::follows(const spec::Access& access) const {
  return !lost_ && probes_.contains(probe_of(access));
}

}  // namespace iommucheck::oracle
