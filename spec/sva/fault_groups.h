// SPDX-License-Identifier: MIT
// The pages of a group that waits for one answer, and whether a device asks for pages at all.
// INTERFACE "Faults".
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// What a reader is given of a group at a time.
struct GroupPage {
  u64 iova = 0;
  u32 prot = 0;
  bool last = false;
};

/// The page that a reader has next; of a group that was read whole the last one.
GroupPage page_to_tell(const InterfaceState& s, const records::Waiting& group);
/// Whether that is the page of a record or callback, by its address's page and what was wanted.
bool is_page(const GroupPage& page, u64 iova, u32 prot);
/// Behind those that it has.
void add_page(InterfaceState& s, u32 group, u64 iova, u32 prot);
/// Its reader has the next page; the group is `read` with the last one.
void tell_page(InterfaceState& s, u32 group);
/// Nothing of it is left.
void drop_group(InterfaceState& s, u32 group);

/// Somebody asks for the device's faults: its requests are on again.
void enable_requests(InterfaceState& s, u32 device);
/// "Failure" was the answer to a group of its requests; `surely`: and it has it.
void disable_requests(InterfaceState& s, u32 device, bool surely);

}  // namespace iommucheck::spec::sva
