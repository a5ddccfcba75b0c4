// SPDX-License-Identifier: MIT
// Processes. One exists while an io_mm or a call that waits does; its tag stays pinned while a use,
// live or dead, can bring it back.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/index.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Processes {
 public:
  Processes(const Platform& platform, Backend& backend) : platform_(platform), backend_(backend) {}

  void shutdown();

  Process* allocate() { return processes_.allocate(platform_); }
  void release(Process& process) { processes_.release(process); }
  iommucheck_handle handle(const Process& process) const { return processes_.handle(process); }
  Process* find(iommucheck_handle handle) { return processes_.find(handle); }
  template <class Visit>
  void for_each_used(Visit visit) {
    processes_.for_each_used(visit);
  }

  /// It can be found from now on.
  void add(Process& process) { process_index_.add(platform_, processes_, process); }
  Process* process_of(iommucheck_handle mm);
  /// A user of the process less.
  void drop(Process& process);
  /// Gives the tag back that nothing carries any more.
  void unpin(Process& process);

 private:
  const Platform& platform_;
  Backend& backend_;
  Pool<Process> processes_;
  Index<Process> process_index_;
};

}  // namespace iommucheck::impl
