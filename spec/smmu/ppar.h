// SPDX-License-Identifier: MIT
// What STE.PPAR says of page requests. IHI 0070 8.1.
#pragma once

#include "spec/smmu/page_request.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

/// STE.PPAR as `source` has it. IHI 0070 8.1.
template <WordSource Source>
PparCheck check_ppar(Source& source, const SmmuState& smmu, u32 sid) {
  if (!smmu.smmuen) return {};
  const auto recorded = [&](EventType event, bool asked) {
    return PparCheck{.event = smmu.rec_cfg_ats && asked ? event : EventType::none};
  };
  const auto ste = find_ste(source, smmu.streams, sid);
  if (!ste) {
    const EventType event = ste.error().event;
    return recorded(event, event != EventType::c_bad_streamid || smmu.recinvsid);
  }
  if (decode_ste(*ste, smmu.caps).kind == SteKind::bad) return recorded(EventType::c_bad_ste, true);
  return {.ppar = ste->ppar() ? Ppar::pasid : Ppar::no_pasid};
}

}  // namespace iommucheck::spec
