// SPDX-License-Identifier: MIT
// Operations on faults that wait: a user's queue, its answers, and devices that make an access
// again.
#pragma once

#include "check/case_ops.h"
#include "check/sva_ops.h"

namespace iommucheck::oracle {

class FaultOps final : public CaseOps {
 public:
  FaultOps(const CaseContext& context, SvaOps& sva) : CaseOps(context), sva_(sva) {}

  void perform_faults(const fuzz::Operation& operation);
  void answer_inside(const spec::sva::FaultRecord& fault);
  void repeat_answered();
  /// Whether fault handlers answer themselves, in this operation.
  void set_answers_inside(bool inside) { answers_inside_ = inside; }

 private:
  std::optional<u32> prepare_faults(const fuzz::Operation& operation);
  void open_queue(u32 device, u32 depth);
  void answer(const fuzz::Operation& operation);
  void read_group(const Queue& queue);
  void set_fault_handler(const fuzz::Operation& operation);
  [[nodiscard]] bool has_fault_handler(u32 device) const;
  void remember_handled();
  void fault(const fuzz::Operation& operation, bool now);

  SvaOps& sva_;
  bool answers_inside_ = false;
};

}  // namespace iommucheck::oracle
