// SPDX-License-Identifier: MIT
// One case again, from the driver's boot on, with every event kept: for traces and evidence.
#pragma once

#include <string>
#include <vector>

#include "check/lockstep.h"
#include "check/sequence.h"
#include "trace/event.h"

namespace iommucheck::oracle {

struct CaseRecord {
  trace::Trace trace;
  std::vector<EventIndex> at;  ///< of each event of the trace: its number in findings' texts
  std::vector<Finding> findings;
  bool gave_up = false;
  u64 calls = 0;
  std::string failed;  ///< why the driver did not come up; empty if it did
};

/// One of the record's findings, with its events and the calls up to it.
Violation told(const Finding& finding, const CaseRecord& record);

/// Where in the source of a plug-in its events stand of which the instruction's address is known.
void name_places(Violation& violation, const std::string& plugin);

/// A fresh driver and specification. `stream`, if any, gets each line of the trace as it happens,
/// so that it is there even if the driver brings the process down.
/// `beyond_boot`: the case is run though the boot has broken a rule; else that is all there is.
CaseRecord record_case(const iommucheck_driver& driver, const LockstepOptions& options,
                       const Sequence& sequence, int stream = -1, bool beyond_boot = false);

}  // namespace iommucheck::oracle
