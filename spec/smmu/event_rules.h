// SPDX-License-Identifier: MIT
// Which record an access makes, what becomes of it at the event queue, and which records may be
// merged into one. IHI 0070 7.2 to 7.4. What a record looks like is in event_record.h.
#pragma once

#include "spec/smmu/event_record.h"
#include "spec/smmu/outcome.h"

namespace iommucheck::spec {

/// An access makes at most one record (7.2): a fault does. Translation faults do by CD.R, or where
/// they stall (5.5); C_BAD_STREAMID where CR2.RECINVSID is set (7.3.3), or by ATS (3.9.1.3).
constexpr bool has_record(const Access& access, const Outcome& outcome, bool recinvsid) {
  if (outcome.kind != OutcomeKind::fault) return false;
  if (outcome.event == EventType::c_bad_streamid) {
    return recinvsid || access.route == Route::translated;
  }
  return !is_translation_fault(outcome.event) || outcome.reaction.record;
}

/// What any record of the access says, before it is known how it ended.
EventFields fields_of(const Access& access);
/// What the record of that fault says: PnU and InD are those after the STE's overrides (7.3).
EventFields fields_of(const Access& access, const Outcome& outcome);
/// And what an SMMU of that output size may leave UNKNOWN: bits of FetchAddr beyond it, which 7.3.4
/// and 7.3.10 call RES0, too (UNKNOWN by v3.1's words for an STE, by v3.0's for a CD).
EventFields fields_of(const Access& access, const Outcome& outcome, const Capabilities& caps);

/// The access that a record describes, as far as its type has the fields; after overrides.
Access access_in(const std::array<u64, event_words>& record);
/// The STAG of a record with Stall = 1.
std::optional<u16> stall_in(const std::array<u64, event_words>& record);

/// Whether a record of a translation fault says S2 = 1: what stage 2 has made, and the host's.
bool is_of_stage2(const std::array<u64, event_words>& record);

/// What becomes of a record. IHI 0070 7.2.1, 7.4.
enum class Delivery : u8 {
  written,
  waits,      ///< of a stall: until the queue is writable; nothing is lost
  discarded,  ///< the queue is not enabled, or an abort of it is not acknowledged
  overflows,  ///< discarded since the queue is full: OVFLG, unless an overflow is open already
};
constexpr Delivery delivery(bool enabled, bool full, bool stall) {
  if (enabled && !full) return Delivery::written;
  if (stall) return Delivery::waits;
  return enabled ? Delivery::overflows : Delivery::discarded;
}

/// Events that may arise before an STE is found: whatever its MEV says, they may be merged. 7.3.1.
constexpr bool arises_before_ste(EventType type) {
  return type == EventType::f_uut || type == EventType::c_bad_streamid ||
         type == EventType::f_ste_fetch || type == EventType::c_bad_ste;
}

/// One record may stand for several events of this type. `mev`: STE.MEV of the stream.
constexpr bool may_be_merged(EventType type, bool mev) { return mev || arises_before_ste(type); }

/// The record `came` may stand for the event as well whose record would be `own`: they are equal in
/// all that counts, and neither stalls. InputAddr[11:0] counts in F_UUT only. 7.3.1, 7.3.2 on.
bool is_same_event(const EventRecord& own, const std::array<u64, event_words>& came);

}  // namespace iommucheck::spec
