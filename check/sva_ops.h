// SPDX-License-Identifier: MIT
// Operations on PASIDs, bonds and processes, and the handlers of device drivers.
#pragma once

#include "check/case_ops.h"
#include "check/space_ops.h"

namespace iommucheck::oracle {

class SvaOps final : public CaseOps {
 public:
  SvaOps(const CaseContext& context, SpaceOps& spaces) : CaseOps(context), spaces_(spaces) {}

  spec::sva::Status perform_init(const fuzz::Operation& operation);  ///< ok where it is not called
  void perform_bind(const fuzz::Operation& operation);
  void perform_unbind(const fuzz::Operation& operation);
  void perform_query(const fuzz::Operation& operation);
  void perform_numbers(const fuzz::Operation& operation);
  void perform_private(const fuzz::Operation& operation);
  void perform_process(const fuzz::Operation& operation);
  void perform_exit(const fuzz::Operation& operation);
  void perform_handler(const fuzz::Operation& operation);
  void perform_queue(const fuzz::Operation& operation);
  void perform_remove(const fuzz::Operation& operation);

  u32 prepare_bind(u32 device, const fuzz::Operation& operation);
  u64 pick_process(const fuzz::Operation& operation, bool bound_first);
  void set_context(spec::sva::Call& call, const fuzz::Operation& operation) const;
  void resume_waiting();
  void end_handlers();

 private:
  void perform_other_query(const fuzz::Operation& operation);
  [[nodiscard]] std::optional<u32> device_to_bring_back(const fuzz::Operation& operation);
  void bring_back(u32 device);

  SpaceOps& spaces_;
  std::vector<fuzz::Mapped> process_mappings_;  // of the process that an operation is about
};

}  // namespace iommucheck::oracle
