// SPDX-License-Identifier: MIT
// What somebody tells that SMMUs have cached of a user's stage 1: CDs (ToldCds), table descriptors
// (ToldPointers), and entries, which are items of stage 1 like others. What accesses meet of them,
// says NestedAccesses.
#pragma once

#include <vector>

#include "spec/smmu/fills.h"
#include "spec/smmu/told_cds.h"
#include "spec/smmu/told_pointers.h"

namespace iommucheck::spec {

class ToldStage1 {
 public:
  ToldStage1(const Capabilities& caps, const Controls& controls, const Memory& memory,
             const Fetches& fetches, const Findings& findings, Regimes& regimes, TlbItems& items,
             ToldCds& told_cds, ToldPointers& told_pointers, Fills& fills)
      : caps_(caps),
        controls_(controls),
        memory_(memory),
        fetches_(fetches),
        findings_(findings),
        regimes_(regimes),
        items_(items),
        told_cds_(told_cds),
        told_pointers_(told_pointers),
        fills_(fills) {}

  /// See Caches::fill_nested().
  bool fill(u32 sid, u32 ssid, bool ssv, u64 va, std::vector<u64>* relied_on,
            std::vector<u64>* followed);

 private:
  bool fill_by(u32 sid, u32 number, const Ste<u64>& ste, u64 va, std::vector<u64>& relied_on,
               std::vector<u64>& followed);
  template <class Memory>
  bool fill_stage1(Memory& memory, const Regime<u64>& regime, u64 va, u64& last);

  const Capabilities& caps_;
  const Controls& controls_;
  const Memory& memory_;
  const Fetches& fetches_;
  const Findings& findings_;
  Regimes& regimes_;
  TlbItems& items_;
  ToldCds& told_cds_;
  ToldPointers& told_pointers_;
  Fills& fills_;
};

}  // namespace iommucheck::spec
