// SPDX-License-Identifier: MIT
#include "impl/core/uses.h"

#include "impl/core/domains.h"
#include "impl/core/processes.h"

namespace iommucheck::impl {

/// Of a domain that is gone there are none.
UsesOfHolder& Uses::uses_of(const Holder& holder) {
  if (holder.is_own()) return sva_devices_[holder.device].uses;
  UsesOfHolder* uses = domains_.uses_of_domain(holder.domain);
  return uses != nullptr ? *uses : nobodys_;
}

Use* Uses::find_use(const IoMm& io_mm, const Holder& holder) {
  return io_mm.uses.find_if(uses_,
                            [&](const Use& use) { return use.holder == holder && !use.dead; });
}

/// Null: no memory.
Use* Uses::new_use(iommucheck_handle io_mm, const Holder& holder) {
  Use* use = uses_.allocate(platform_);
  if (use == nullptr) return nullptr;
  IoMm& its = *io_mms_.find(io_mm);
  use->io_mm = io_mm;
  use->holder = holder;
  its.uses.add(uses_, *use);
  uses_of(holder).add(uses_, *use);
  if (Process* process = processes_.find(its.process)) process->uses.add(uses_, *use);
  return use;
}

void Uses::release_use(Use& use) {
  IoMm& its = *io_mms_.find(use.io_mm);
  its.uses.remove(uses_, use);
  uses_of(use.holder).remove(uses_, use);
  if (Process* process = processes_.find(its.process)) process->uses.remove(uses_, use);
  uses_.release(use);
}

Tag Uses::tag_of(const IoMm& io_mm) {
  return io_mm.process == 0 ? io_mm.space->tag : processes_.find(io_mm.process)->tag;
}

Entry Uses::entry_for(const Use& use) {
  const IoMm& io_mm = *io_mms_.find(use.io_mm);
  if (io_mm.process == 0) return Domains::entry_of(*io_mm.space);
  const Process& process = *processes_.find(io_mm.process);
  return {.mm = &process.mm, .tag = process.tag, .waits = use.waits, .quiet = use.quiet};
}

void Uses::shutdown() {
  uses_.for_each_used([&](Use& use) { release_use(use); });
}

const char* Uses::inconsistency(bool owed) {
  const char* wrong = nullptr;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds && wrong == nullptr) wrong = what;
  };
  u32 all = 0, listed = 0;
  uses_.for_each_used([&](const Use& use) {
    ++all;
    expect(io_mms_.find(use.io_mm) != nullptr, "Use::io_mm is gone");
    expect(owed || !use.dead, "Use::dead, and nothing is owed");
  });
  io_mms_.for_each_used(
      [&](const IoMm& io_mm) { io_mm.uses.for_each(uses_, [&](const Use&) { ++listed; }); });
  expect(all == listed, "IoMm::uses");
  return wrong;
}

}  // namespace iommucheck::impl
