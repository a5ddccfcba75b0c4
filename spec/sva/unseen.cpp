// SPDX-License-Identifier: MIT
#include "spec/sva/unseen.h"

#include "spec/sva/numbers.h"
#include "spec/sva/spaces.h"

namespace iommucheck::spec::sva {

/// A process is watched for as long as something of it may be reached.
void add_unseen(InterfaceState& s, const Unseen& what) {
  bool known = false;
  for (auto i = static_cast<u32>(s.unseen); i != 0; i = s.unseens[i].next) {
    Unseen& record = s.unseens[i];
    if (record.space != what.space || record.domain != what.domain ||
        record.device != what.device || record.first != what.first || record.last != what.last) {
      continue;
    }
    s.unseens.edit(s.trail, i).count += what.count;
    known = true;
  }
  if (known) return;
  Unseen record = what;
  record.next = static_cast<u32>(s.unseen);
  s.trail.set(s.unseen, s.unseens.allocate(s.trail, record));
  if (what.space != 0 && s.spaces[what.space].owner == Owner::process) {
    ++s.spaces.edit(s.trail, what.space).devices;
  }
}

void unwatch(InterfaceState& s, const Unseen& record) {
  if (record.space == 0 || s.spaces[record.space].owner != Owner::process) return;
  --s.spaces.edit(s.trail, record.space).devices;
  forget_process(s, record.space);
}

bool is_there(const InterfaceState& s, const Unseen& record, u32 device, const EntryTable& table,
              u32 pasid) {
  const bool reached = table.own ? record.device == device : record.domain == table.domain;
  return reached && record.first <= pasid && pasid <= record.last &&
         is_free_or_in_doubt(s, s.find_number(pasid));
}

}  // namespace iommucheck::spec::sva
