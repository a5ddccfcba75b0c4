// SPDX-License-Identifier: MIT
// Tokens: a device's use of a task, by the process's own table or by one of its own. INTERFACE
// "bind_task". A token that refers to a bond holds a reference on it; one with a table counts at
// its master.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Binding;
class Bonds;
class Devices;
class Domains;
class Unbinding;

class Tasks {
 public:
  Tasks(const Platform& platform, Backend& backend, Devices& devices, Domains& domains,
        Bonds& bonds, Binding& binding, Unbinding& unbinding)
      : platform_(platform),
        backend_(backend),
        devices_(devices),
        domains_(domains),
        bonds_(bonds),
        binding_(binding),
        unbinding_(unbinding) {}

  // The calls of driver.h; results and errors as stated there.
  int bind_task(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata,
                iommucheck_handle* token);
  int unbind_task(u32 device, iommucheck_handle token);
  int task_get_attr(iommucheck_handle token, u32 attr, u64* value);
  void held(iommucheck_held& held);

  /// The space that a call on a token is about; null and an error for others.
  Space* task_space(iommucheck_handle token, int* error);
  void drop_tasks_of(u32 device);
  void shutdown();

 private:
  int bind_explicit(u32 device, iommucheck_handle* token);
  void release_task(Task& task);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Bonds& bonds_;
  Binding& binding_;
  Unbinding& unbinding_;
  Pool<Task> tasks_;
};

}  // namespace iommucheck::impl
