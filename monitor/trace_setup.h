// SPDX-License-Identifier: MIT
// What a trace says before its first event, and what the monitor is told of it.
#pragma once

#include "base/error.h"
#include "monitor/monitor.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The key in a header's `about` with what the driver does not claim (NotClaimed::text).
inline constexpr const char* not_claimed_key = "not_claimed";
/// In `about`: CacheInvalidate is among what is told. Without it loads of records are taken for
/// fresh.
inline constexpr const char* invalidations_key = "invalidations";

/// And with the name of the backend over hardware that is no SMMUv3.
inline constexpr const char* backend_key = "backend";

/// That name; empty: an SMMUv3's.
std::string backend_of(const trace::Header& header);

Setup setup_of(const trace::Header& header);

/// The number of that key in the header's profile; 0 if there is none.
u64 profile_number(const trace::Header& header, const char* key);
bool has_profile_number(const trace::Header& header, const char* key);

/// Of a device: where no memory is, so that fetches end in an external abort.
void tell_of_absent_memory(Monitor& monitor, u64 first, u64 bytes);
/// The same, of a trace of one.
void tell_of_absent_memory(const trace::Header& header, Monitor& monitor);

/// A trace whose first `events` events are missing; and the reader's half: unsupported where a
/// trace is one. What came before decides everything, so it is read and not judged.
void mark_cut(trace::Header& header, u64 events);
/// The same of a trace of hardware that is not there.
Expected<void> may_judge(const trace::Header& header, bool has_hardware = false);

/// What an implementation states, for setup_of().
void state_profile(trace::Header& header, const spec::Profile& profile);

/// The ID registers by their names.
trace::Registers registers_of(const spec::IdRegisters& id);

/// ID registers, table memory and devices of a lockstep's trace: what setup_of() needs. `about`:
/// where it comes from.
trace::Header header_of(const Setup& setup, trace::TextMap about);

}  // namespace iommucheck::oracle
