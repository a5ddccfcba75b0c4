// SPDX-License-Identifier: MIT
// What devices have written to: the backend marks it in its tables. INTERFACE "Dirty".
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Batch;
class Debts;
class Domains;

class Dirty {
 public:
  Dirty(const Platform& platform, Backend& backend, Domains& domains, Batch& batch, Debts& debts)
      : platform_(platform), backend_(backend), domains_(domains), batch_(batch), debts_(debts) {}

  // The calls of driver.h; results and errors as stated there.
  int dirty_set(iommucheck_handle handle, bool on);
  int dirty_read(iommucheck_handle handle, u64 iova, u64 bytes, u64 grain, bool clear, u64* bitmap);

 private:
  Space* tracked_space(iommucheck_handle handle, int* error);

  const Platform& platform_;
  Backend& backend_;
  Domains& domains_;
  Batch& batch_;
  Debts& debts_;
};

}  // namespace iommucheck::impl
