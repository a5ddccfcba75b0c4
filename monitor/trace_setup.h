// SPDX-License-Identifier: MIT
// What a trace says before its first event, and what the monitor is told of it.
#pragma once

#include "monitor/monitor.h"
#include "trace/event.h"

namespace iommucheck::oracle {

Setup setup_of(const trace::Header& header);

/// The ID registers by their names.
trace::Registers registers_of(const spec::IdRegisters& id);

/// ID registers, table memory and devices of a lockstep's trace: what setup_of() needs. `about`:
/// where it comes from.
trace::Header header_of(const Setup& setup, trace::TextMap about);

}  // namespace iommucheck::oracle
