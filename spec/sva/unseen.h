// SPDX-License-Identifier: MIT
// Numbers that nobody saw: a call timed out that gives one, and the device may reach something
// there. INTERFACE "Timeouts and removal".
#pragma once

#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

void add_unseen(InterfaceState& s, const Unseen& what);
void unwatch(InterfaceState& s, const Unseen& record);
bool is_there(const InterfaceState& s, const Unseen& record, u32 device, const EntryTable& table,
              u32 pasid);

/// Those for which `wanted(record)`.
template <class Wanted>
void drop_unseen(InterfaceState& s, Wanted wanted) {
  u32 kept = 0;
  for (auto i = static_cast<u32>(s.unseen); i != 0;) {
    const Unseen record = s.unseens[i];
    if (!wanted(record)) {
      kept = i;
    } else {
      if (kept == 0) {
        s.trail.set(s.unseen, record.next);
      } else {
        s.unseens.edit(s.trail, kept).next = record.next;
      }
      s.unseens.release(s.trail, i);
      unwatch(s, record);
    }
    i = record.next;
  }
}

}  // namespace iommucheck::spec::sva
