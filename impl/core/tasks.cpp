// SPDX-License-Identifier: MIT
#include "impl/core/tasks.h"

#include "impl/core/bind.h"
#include "impl/core/bonds.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/unbind.h"

namespace iommucheck::impl {

/// An empty table with the format of the domain that the device is on.
int Tasks::bind_explicit(u32 device, iommucheck_handle* token) {
  const iommucheck_handle domain = domains_.paging_domain(device);
  Domain* master = domains_.find(domain);
  if (master == nullptr) return -IOMMUCHECK_EINVAL;
  Task* task = tasks_.allocate(platform_);
  if (task == nullptr) return -IOMMUCHECK_ENOMEM;
  if (int error = backend_.open_foreign_space(*master->space, &task->space)) {
    tasks_.release(*task);
    return error;
  }
  task->device = device;
  task->master = domain;
  ++master->dynamic;
  *token = tasks_.handle(*task);
  return 0;
}

int Tasks::bind_task(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata,
                     iommucheck_handle* token) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const u32 can = devices_.claims(device).flags;
  if (flags == IOMMUCHECK_TASK_EXPLICIT) {
    if ((can & IOMMUCHECK_DEVICE_NO_EXPLICIT) != 0) return -IOMMUCHECK_EOPNOTSUPP;
    return bind_explicit(device, token);
  }
  if (flags != IOMMUCHECK_TASK_FULL_SVM) return -IOMMUCHECK_EINVAL;
  if ((can & IOMMUCHECK_DEVICE_NO_SVM) != 0) return -IOMMUCHECK_EOPNOTSUPP;
  Task* task = tasks_.allocate(platform_);
  if (task == nullptr) return -IOMMUCHECK_ENOMEM;
  if (int error = binding_.bind_device(device, mm, 0, drvdata, &task->pasid)) {
    tasks_.release(*task);
    return error;
  }
  task->device = device;
  task->bond = bonds_.bond_at(device, task->pasid);
  task->table_pa = mm.table_pa;
  *token = tasks_.handle(*task);
  return 0;
}

/// Gives a task back that refers to no bond any more. Nobody walks its table: its caller has seen
/// to that.
void Tasks::release_task(Task& task) {
  if (task.space != nullptr) {
    backend_.close_space(*task.space);
    if (Domain* master = domains_.find(task.master)) --master->dynamic;
  }
  tasks_.release(task);
}

int Tasks::unbind_task(u32 device, iommucheck_handle token) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const Task* task = tasks_.find(token);
  if (task == nullptr || task->device != device) return -IOMMUCHECK_EINVAL;
  // While a handler is waited for, another call may give the token back, and its reference.
  if (task->bond != 0 && bonds_.has_bond(task->bond)) {
    if (int error = unbinding_.wait_for_exit(device, task->pasid)) return error;
    task = tasks_.find(token);
    if (task == nullptr) return -IOMMUCHECK_EINVAL;
  }
  int error = 0;
  // A bond that an exit or unbind_dev_all has ended needs no unbind.
  if (task->bond != 0 && bonds_.has_bond(task->bond)) {
    error = unbinding_.unbind_device(device, task->pasid);
    if (error != 0 && error != -IOMMUCHECK_ETIMEDOUT) return error;
  }
  Task* left = tasks_.find(token);
  if (left == nullptr) return -IOMMUCHECK_EINVAL;
  release_task(*left);
  return error;
}

void Tasks::drop_tasks_of(u32 device) {
  tasks_.for_each_used([&](Task& task) {
    if (task.device == device) release_task(task);
  });
}

Space* Tasks::task_space(iommucheck_handle token, int* error) {
  const Task* task = tasks_.find(token);
  if (task == nullptr) {
    *error = -IOMMUCHECK_EINVAL;
    return nullptr;
  }
  *error = task->space == nullptr ? -IOMMUCHECK_ENODEV : 0;
  return task->space;
}

int Tasks::task_get_attr(iommucheck_handle token, u32 attr, u64* value) {
  const Task* task = tasks_.find(token);
  if (task == nullptr) return -IOMMUCHECK_EINVAL;
  if (attr == IOMMUCHECK_ATTRIBUTE_TTBR0) {
    *value = task->space != nullptr ? task->space->table_pa : task->table_pa;
    return 0;
  }
  if (attr != IOMMUCHECK_ATTRIBUTE_PASID || task->space != nullptr) return -IOMMUCHECK_EINVAL;
  *value = task->pasid;
  return 0;
}

void Tasks::held(iommucheck_held& held) {
  tasks_.for_each_used([&](const Task&) { ++held.tokens; });
}

void Tasks::shutdown() {
  tasks_.for_each_used([&](Task& task) { release_task(task); });
}

}  // namespace iommucheck::impl
