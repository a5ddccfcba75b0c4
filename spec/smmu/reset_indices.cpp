// SPDX-License-Identifier: MIT
#include "spec/smmu/reset_indices.h"

#include <string>
#include <string_view>

#include "spec/rules/promises.h"
#include "spec/smmu/registers.h"

namespace iommucheck::spec {

namespace {

struct Index {
  u64 enable;  ///< of CR0
  u32 offset;
  std::string_view name;
};
constexpr Index indices[] = {{cr0::cmdqen, reg::cmdq_prod, "CMDQ_PROD"},
                             {cr0::cmdqen, reg::cmdq_cons, "CMDQ_CONS"},
                             {cr0::eventqen, reg::eventq_prod, "EVENTQ_PROD"},
                             {cr0::eventqen, reg::eventq_cons, "EVENTQ_CONS"},
                             {cr0::priqen, reg::priq_prod, "PRIQ_PROD"},
                             {cr0::priqen, reg::priq_cons, "PRIQ_CONS"}};
constexpr unsigned index_count = 6;

}  // namespace

void ResetIndices::driver_begins() {
  if (driver_began_ != 0) return;
  ground_.set(driver_began_, 1);
  ground_.set(unknown_, low_mask(u64{index_count}));
}

void ResetIndices::note(u32 offset) {
  for (unsigned i = 0; i < index_count && unknown_ != 0; ++i) {
    if (indices[i].offset == offset) ground_.set(unknown_, unknown_ & ~(u64{1} << i));
  }
}

void ResetIndices::check_known(u64 enables) {
  for (unsigned i = 0; i < index_count; ++i) {
    if ((enables & indices[i].enable) == 0) continue;
    ground_.count(rule::UNKNOWN_AFTER_RESET);
    if ((unknown_ >> i & 1) == 0) continue;
    ground_.report(rule::UNKNOWN_AFTER_RESET,
                   std::string(indices[i].name) +
                       " was neither written nor read when its queue is enabled: it resets to an "
                       "UNKNOWN value");
  }
}

}  // namespace iommucheck::spec
