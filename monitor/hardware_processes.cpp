// SPDX-License-Identifier: MIT
#include "monitor/hardware_processes.h"

#include <utility>

#include "spec/sva/call.h"

namespace iommucheck::oracle {

void HardwareProcesses::create(u64 mm) {
  Process& process = processes_[mm];
  if (process.root == 0) process.root = hardware_.process_created(mm);
}

u64 HardwareProcesses::root(u64 mm) const {
  const auto its = processes_.find(mm);
  return its == processes_.end() ? 0 : its->second.root;
}

u64 HardwareProcesses::map(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot) {
  Process& process = processes_[mm];
  for (u64 done = 0; done < bytes; done += page_bytes) {
    if (!hardware_.process_says(mm, va + done, pa + done, prot)) return done;
    process.pages[va + done] = {pa + done, prot};
  }
  return bytes;
}

void HardwareProcesses::unmap(u64 mm, u64 va, u64 bytes) {
  Process& process = processes_[mm];
  const auto first = process.pages.lower_bound(va);
  const auto last = process.pages.upper_bound(va + (bytes - 1));
  for (auto at = first; at != last; ++at) hardware_.process_says(mm, at->first, 0, 0);
  process.pages.erase(first, last);
  process.unmapped = true;
}

void HardwareProcesses::protect(u64 mm, u64 va, u64 bytes, u32 prot) {
  Process& process = processes_[mm];
  const auto last = process.pages.upper_bound(va + (bytes - 1));
  for (auto at = process.pages.lower_bound(va); at != last; ++at) {
    at->second.prot = prot;
    hardware_.process_says(mm, at->first, at->second.pa, prot);
  }
}

void HardwareProcesses::fork(u64 mm, u64 child) {
  create(child);
  for (auto& [va, page] : processes_[mm].pages) {
    page.prot &= ~spec::sva::prot_write;
    hardware_.process_says(child, va, page.pa, page.prot);
    hardware_.process_says(mm, va, page.pa, page.prot);
  }
  processes_[child].pages = processes_[mm].pages;
}

bool HardwareProcesses::settle(u64 mm, bool timed_out) {
  const bool any = std::exchange(processes_[mm].unmapped, false);
  return !any || timed_out || hardware_.process_settles(mm);
}

bool HardwareProcesses::exit(u64 mm) {
  Process& process = processes_[mm];
  process.pages.clear();
  process.root = 0;
  return process.kept || hardware_.process_gone(mm);
}

}  // namespace iommucheck::oracle
