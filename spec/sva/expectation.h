// SPDX-License-Identifier: MIT
// What the interface promises of an access of a device's RID, or at one of its PASIDs. SEMANTICS 5.
#pragma once

#include "base/inline_vector.h"
#include "base/types.h"

namespace iommucheck::spec::sva {

enum class State : u8 {
  blocked,       ///< terminated: no domain, a blocked one, or no such device
  unmapped,      ///< a translation fault; beyond the input size too
  mapped,        ///< `pa`, with the rights of `prot`
  identity,      ///< it passes untranslated
  old_or_fault,  ///< `pa` with `prot`, or a translation fault: unmapped and not synchronised
  quarantined,   ///< a time-out left the device between domains: alternatives() lists what may be
  no_pasid,      ///< terminated: nothing at this PASID, or nothing that the device can reach
  waits,         ///< a translation fault that is reported and waits for an answer
  quiet,         ///< terminated, a record is not owed: the process is gone, the number is held
  old_or_quiet,  ///< `pa` with `prot`, or quiet: the process exits, its handlers run
  several,       ///< alternatives() lists what may be
  outer_fault,   ///< of a user's access: a translation fault of stage 2, behind its own `prot`
  fetch_fault,   ///< of a user's access: stage 2 ends a fetch for its translation; one that a cache
                 ///< of stage 1 alone has kept is the user's to invalidate, and leads nowhere else
  bad_entry,     ///< of a user's access: an entry of its PASID table that cannot be decoded
  within,        ///< of a user's access: anything inside of what the parent maps, or a fault
};

/// How an access ends that the table does not permit.
enum class FaultKind : u8 { terminated, may_wait, waits };

/// The settled answer, which holds from the address asked for up to `last`.
struct Expectation {
  State state = State::blocked;
  u64 pa = 0;
  u32 prot = 0;
  u64 last = ~u64{0};

  friend bool operator==(const Expectation&, const Expectation&) = default;
};

/// One elementary outcome: blocked, unmapped, mapped, identity, no_pasid, waits, quiet,
/// outer_fault, fetch_fault, bad_entry or within.
struct Promise {
  State state = State::blocked;
  u64 pa = 0;
  u32 prot = 0;
  u32 outer_prot = ~u32{0};  ///< what the parent of a user's domain leaves of `prot`

  friend bool operator==(const Promise&, const Promise&) = default;
};

/// The outcomes that are permitted now, each of them; from the address asked for up to `last`
/// there are no others (`pa` grows with the address). Settled states have one, a range that is not
/// synchronised two, a call in progress up to four. Time-outs that repeat leave more: up to eight
/// layers of what was there (records::older_layers), and several domains that a device is between.
struct Alternatives {
  static constexpr u32 max = 24;  ///< eight layers in each of three domains
  InlineVector<Promise, 4> promises;
  u32 count = 0;           ///< of them
  bool concerned = false;  ///< a call in progress concerns the access: its transient set
  bool callers = false;  ///< the caller has mapped what it has not synchronised: they may conflict
  bool gave_up = false;  ///< more than `max`; the list is not complete, no verdict follows
  u64 last = ~u64{0};

  [[nodiscard]] bool has(const Promise& promise) const {
    for (u32 i = 0; i < count; ++i) {
      if (promises[i] == promise) return true;
    }
    return false;
  }
  void add(const Promise& promise) {
    if (has(promise)) return;
    if (count == max) {
      gave_up = true;
      return;
    }
    promises.push_back(promise);
    ++count;
  }
  void ends_at(u64 address) {
    if (address < last) last = address;
  }
};

}  // namespace iommucheck::spec::sva
