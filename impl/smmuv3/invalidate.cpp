// SPDX-License-Identifier: MIT
// Paying what is owed to caches, and what happens when the SMMU does not answer.
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

/// Nothing of `domain` that was taken out of its table can be in a cache any more.
void Smmu::settled(Domain& domain) {
  domain.gather.clear();
  domain.quarantine.clear();
  domain.retired.free_all(platform_);
}

/// After a time-out: what waits for an invalidation goes on waiting, and is not mapped anew.
void Smmu::quarantine(Domain& domain) {
  if (domain.gather.all()) domain.quarantine.add_all();
  for (const TlbRange& range : domain.gather) domain.quarantine.add(range);
  domain.gather.clear();
}

/// Ends a batch: 0 if it took effect, or if everything was invalidated instead; else ETIMEDOUT.
int Smmu::settle(SyncResult result) {
  if (result == SyncResult::complete) return 0;
  owed_ = true;
  // A refused command leaves a queue that works: invalidate in another way.
  return result == SyncResult::skipped ? recover() : -IOMMUCHECK_ETIMEDOUT;
}

/// Configuration, then TLBs: the other way round a stale CD could refill a TLB.
int Smmu::invalidate_everything() {
  commands_.add(platform_, command::cfgi_all());
  if (commands_.sync(platform_) != SyncResult::complete) return -IOMMUCHECK_ETIMEDOUT;
  if (features_.hypervisor) commands_.add(platform_, command::tlbi_el2_all());
  commands_.add(platform_, command::tlbi_nsnh_all());
  const bool done = commands_.sync(platform_) == SyncResult::complete;
  return done ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

/// Invalidates everything, which covers all that any time-out has left open.
int Smmu::recover() {
  owed_ = true;
  if (int error = invalidate_everything()) return error;
  owed_ = false;
  domains_.for_each_used([&](Domain& domain) {
    settled(domain);
    domain.cached = domain.devices != 0;
    if (domain.zombie) release(domain);
  });
  return 0;
}

/// Completes what `domain` has gathered. 0 or ETIMEDOUT; then it is in quarantine.
int Smmu::complete(Domain& domain) {
  if (!domain.cached) {
    settled(domain);
    return 0;
  }
  if (domain.gather.empty() && domain.quarantine.empty()) return 0;
  int error = 0;
  if (owed_) {
    error = recover();
  } else {
    emit_invalidation(domain.gather, domain.asid, features_.range_invalidation,
                      [&](Command command) { commands_.add(platform_, command); });
    error = settle(commands_.sync(platform_));
  }
  if (error != 0) {
    quarantine(domain);
    return error;
  }
  settled(domain);
  return 0;
}

}  // namespace iommucheck::impl
