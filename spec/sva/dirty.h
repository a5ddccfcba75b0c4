// SPDX-License-Identifier: MIT
// What devices have written: dirty_set, dirty_read. INTERFACE "Dirty".
//
// A bit must be set where a write that had ended when the call began met the page as it is mapped
// now, and may be set where one was under way, where a leaf that may have been larger than a
// page, then, was written, or where a device may have asked for a translation that it may write by.
// Between the two every driver is right.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_dirty_set(const InterfaceState& s, const Call& call, Circumstances around);
Permitted permitted_dirty_read(const InterfaceState& s, const Call& call, Circumstances around);
/// Of both: the space that writes from now on are under way in.
void begin_dirty(const InterfaceState& s, const Call& call, Pending& pending);
void apply_dirty_set(InterfaceState& s, const Call& call, Status status);
void apply_dirty_read(InterfaceState& s, const Call& call, const Observed& observed);

/// A bit of a dirty_read that is not what it must or may be.
struct WrongBit {
  std::string text{};             ///< empty: all are right
  std::optional<u64> unmarked{};  ///< what was written, and its bit is 0
};
/// The bits of a dirty_read that succeeded against what they must and may be.
WrongBit check_bits(const InterfaceState& s, const Call& call, const Observed& observed);
/// Those that must be set.
std::vector<u64> written_bits(const InterfaceState& s, const Call& call);

/// A device has written at `iova`; to `pa`, where that is known. `sure`: it was a write.
void device_wrote(InterfaceState& s, u32 device, Substream at, u64 iova, std::optional<u64> pa,
                  bool sure);
/// Hardware has set a flag in a descriptor at `pa`. Where it is a user's, the parent that maps it
/// is written there. `sure`: a table of the driver's own does not lie there. IHI 0070 3.13.5.
void descriptor_written(InterfaceState& s, u64 pa, bool sure);
/// [first, last] is not mapped any more.
void forget_written(InterfaceState& s, u32 space, u64 first, u64 last);
/// Nothing is known of the space any more: tracking is off, or it is gone.
void forget_dirty(InterfaceState& s, u32 space);
/// A call has moved devices: who may ask for translations is remembered as long as it is tracked.
void note_askers(InterfaceState& s);

}  // namespace iommucheck::spec::sva
