// SPDX-License-Identifier: MIT
// Dynamic domains and tokens, and context banks that go to their tables: a GPU's driver keeps its
// own duties, so that what is found is the IOMMU driver's. INTERFACE "Dynamic domains".
#pragma once

#include "check/case_ops.h"
#include "check/sva_ops.h"

namespace iommucheck::oracle {

class WalkerOps final : public CaseOps {
 public:
  WalkerOps(const CaseContext& context, SpaceOps& spaces, SvaOps& sva)
      : CaseOps(context), spaces_(spaces), sva_(sva) {}

  void perform_dynamic(const fuzz::Operation& operation);
  void perform_flush(const fuzz::Operation& operation);
  void perform_task(const fuzz::Operation& operation);
  /// All tokens that are held, of both models.
  [[nodiscard]] std::vector<SvmTask> tokens() const;

 private:
  std::size_t make_dynamic(u64 master, u32 input_bits = 0);
  void ask_table(const Space& space);

  SpaceOps& spaces_;
  SvaOps& sva_;
};

}  // namespace iommucheck::oracle
