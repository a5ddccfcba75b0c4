// SPDX-License-Identifier: MIT
// An event of iommucheck/monitor.h as one of the alphabet. Nothing of it is trusted but that its
// pointers point.
#pragma once

#include "base/error.h"
#include "iommucheck/monitor.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Items of a list, and bytes of a text, that a struct may point to at most.
inline constexpr u64 door_items_max = u64{1} << 20;
inline constexpr u64 door_text_max = u64{1} << 20;

/// bad_input with the member that is wrong, and what is expected; trace::check() included.
Expected<trace::Event> read_struct(const iommucheck_event& head);

}  // namespace iommucheck::oracle
