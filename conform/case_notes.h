// SPDX-License-Identifier: MIT
// What a trace of conform has in notes and in its profile, since no event says it.
#pragma once

#include <optional>

#include "spec/smmu/page_request.h"
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

}  // namespace iommucheck::oracle
