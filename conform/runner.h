// SPDX-License-Identifier: MIT
// Runs the steps of a case on a device; what happened is a trace.
#pragma once

#include "conform/case.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Notes of the trace that stand for StepKind::save and silence, so that a replay does them again.
inline constexpr const char* silence_note = "no endpoint answers an invalidation in time";
inline constexpr const char* saved_note = "the device was saved and goes on from what was saved";

/// Case::boot_commands in the profile of a trace, where it is another number than usual.
inline constexpr const char* boot_commands_key = "boot-commands";

/// A response to a page request, as a note of the trace; and that of a note which is one.
trace::Note note_of(const spec::PageResponse& response);
std::optional<spec::PageResponse> response_in(const trace::Note& note);

struct Run {
  trace::Trace trace;
  std::vector<std::size_t> step_of;  ///< of each event: number of its step
  std::string death;                 ///< how the device died; empty if it lives
  std::size_t answered = 0;          ///< events before the first whose answer did not come any more
};

/// Errors: environment: the device cannot be brought back.
Expected<Run> run_case(DeviceUnderTest& device, const Case& what);

/// The driver's side of a trace that run_case() made, as a case.
Expected<Case> case_of(const trace::Trace& trace, const std::string& name);

}  // namespace iommucheck::oracle
