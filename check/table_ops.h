// SPDX-License-Identifier: MIT
// Operations by which devices of one domain reach different things at a PASID: tables per device.
#pragma once

#include "check/case_ops.h"
#include "check/sva_ops.h"

namespace iommucheck::oracle {

class TableOps final : public CaseOps {
 public:
  TableOps(const CaseContext& context, SvaOps& sva) : CaseOps(context), sva_(sva) {}

  void perform_link(const fuzz::Operation& operation);
  void perform_attach_pasid(const fuzz::Operation& operation);

 private:
  u32 prepare_attach_pasid(u32 device, const fuzz::Operation& operation);
  u32 prepare_link(const Space& space, u32 device);

  SvaOps& sva_;
};

}  // namespace iommucheck::oracle
