// SPDX-License-Identifier: MIT
// Routes by stage 2 alone: words 2 and 3 of an STE name the table (S2VMID, S2T0SZ, S2SL0; S2TTB).
// Any mixture of old and new words may be read (IHI 0070 3.21.3), so that they change while the STE
// is known to be blocked, and word 0 leads there when they are known.
#include "impl/smmuv3/invalidation.h"
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

bool Smmu::names_table(u32 sid, u64 word2, u64 word3) const {
  return streams_.word(platform_, sid, 2) == word2 && streams_.word(platform_, sid, 3) == word3;
}

/// First blocked, then the table's name: with a CFGI behind each.
bool Smmu::prepare_stage2(u32 device, const SmmuTable& table) {
  postponed_[device] = {};
  bool changed = false;
  bool blocked = false;
  for_each_stream(device, [&](u64 stream) {
    const auto sid = static_cast<u32>(stream);
    if (!names_table(sid, table.word2, table.word3)) blocked |= set_ste(sid, 0, ste::blocked);
  });
  if (blocked) return true;
  for_each_stream(device, [&](u64 stream) {
    const auto sid = static_cast<u32>(stream);
    changed |= set_ste(sid, 2, table.word2);
    changed |= set_ste(sid, 3, table.word3);
  });
  return changed;
}

/// Behind a time-out an STE may have to lead back to a table that it no longer names: it is blocked
/// until all was invalidated.
bool Smmu::set_stage2(u32 device, const SmmuTable& table) {
  bool changed = false;
  postponed_[device] = {};
  for_each_stream(device, [&](u64 stream) {
    const auto sid = static_cast<u32>(stream);
    const bool named = names_table(sid, table.word2, table.word3);
    if (!named) postponed_[device] = {.word2 = table.word2, .word3 = table.word3, .is = true};
    changed |= set_ste(sid, 0, named ? ste::stage2 : ste::blocked);
  });
  return changed;
}

/// After all configuration was invalidated. False: the time was up.
bool Smmu::set_postponed() {
  for (const bool name : {true, false}) {
    bool any = false;
    for (u32 device = 0; device < config_->device_count; ++device) {
      if (!postponed_[device].is) continue;
      const Postponed& its = postponed_[device];
      for_each_stream(device, [&](u64 stream) {
        const auto sid = static_cast<u32>(stream);
        if (!name) return void(any |= set_ste(sid, 0, ste::stage2));
        any |= set_ste(sid, 2, its.word2);
        any |= set_ste(sid, 3, its.word3);
      });
    }
    if (!any) continue;
    platform_.barrier();
    commands_.add(platform_, command::cfgi_all());
    const SyncResult result = commands_.sync(platform_);
    if (result != SyncResult::complete && result != SyncResult::unanswered) return false;
  }
  for (u32 device = 0; device < config_->device_count; ++device) postponed_[device] = {};
  return true;
}

void Smmu::drop_stage2(const Gather& gather, u64 vmid) {
  emit_stage2_invalidation(gather, vmid, features_.range_invalidation,
                           [&](Command command) { add(command); });
}

}  // namespace iommucheck::impl
