// SPDX-License-Identifier: MIT
// Processes whose tables the hardware's model keeps, in a format that only it knows: the monitor
// tells it page by page, and is told of ranges.
#include <algorithm>

#include "host/processes.h"

namespace iommucheck::oracle {

HardwareProcesses* Processes::of_hardware() const {
  return monitor_.hardware() == nullptr ? nullptr : &monitor_.hardware()->processes();
}

bool Processes::map_page_by_page(u64 mm, u64 va, u64 pa, u64 bytes, ProcessRights rights) {
  const auto& pages = of_hardware()->pages(mm);
  const auto next = pages.lower_bound(va);
  if (root(mm) == 0 || (next != pages.end() && next->first < va + bytes)) return false;
  monitor_.process_maps(mm, va, bytes, pa, rights | spec::sva::prot_read);
  return pages.contains(va + bytes - HardwareProcesses::page_bytes);
}

void Processes::unmap_page_by_page(u64 mm, u64 va, u64 bytes) {
  const auto& pages = of_hardware()->pages(mm);
  const auto first = pages.lower_bound(va);
  if (first == pages.end() || first->first > va + (bytes - 1)) return;
  monitor_.process_unmaps(mm, va, bytes);
  notify(mm, va, bytes);
}

void Processes::protect_page_by_page(u64 mm, u64 va, u64 bytes, ProcessRights rights) {
  rights |= spec::sva::prot_read;
  const auto& pages = of_hardware()->pages(mm);
  const bool changes = std::any_of(pages.lower_bound(va), pages.upper_bound(va + (bytes - 1)),
                                   [&](const auto& page) { return page.second.prot != rights; });
  if (!changes) return;
  monitor_.process_protects(mm, va, bytes, rights);
  notify(mm, va, bytes);
}

u64 Processes::fork_page_by_page(u64 mm) {
  const u64 child = make();
  if (child == 0) return 0;
  const bool changes = std::ranges::any_of(of_hardware()->pages(mm), [](const auto& page) {
    return (page.second.prot & spec::sva::prot_write) != 0;
  });
  monitor_.process_forks(mm, child);
  if (changes) notify(mm, 0, ~u64{0});
  return child;
}

std::vector<Processes::Mapping> Processes::mappings_page_by_page(u64 mm) const {
  std::vector<Mapping> found;
  for (const auto& [va, page] : of_hardware()->pages(mm)) {
    const bool more = !found.empty() && found.back().rights == page.prot &&
                      found.back().va + found.back().bytes == va &&
                      found.back().pa + found.back().bytes == page.pa;
    if (more) {
      found.back().bytes += HardwareProcesses::page_bytes;
    } else {
      found.push_back({va, page.pa, HardwareProcesses::page_bytes, page.prot});
    }
  }
  return found;
}

}  // namespace iommucheck::oracle
