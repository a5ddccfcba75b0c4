// SPDX-License-Identifier: MIT
#include "impl/core/processes.h"

namespace iommucheck::impl {

Process* Processes::process_of(iommucheck_handle mm) {
  // An ended one's number may be another process's.
  return process_index_.find_if(processes_, mm, [](const Process& its) { return !its.ended; });
}

void Processes::drop(Process& process) {
  if (--process.users != 0) return;
  unpin(process);
  process_index_.remove(processes_, process);
  processes_.release(process);
}

void Processes::unpin(Process& process) {
  if (!process.pinned || !process.uses.empty()) return;
  process.pinned = false;
  backend_.release_tag(process.tag);
  platform_.mm_unpin(process.mm.mm);
}

void Processes::shutdown() {
  processes_.for_each_used([&](Process& process) {
    unpin(process);
    processes_.release(process);
  });
  process_index_.clear();
}

}  // namespace iommucheck::impl
