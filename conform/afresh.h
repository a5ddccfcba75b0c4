// SPDX-License-Identifier: MIT
// The same access of a case where nothing can be left over from before: what a device does wrong
// there, too, is no mistake of an invalidation, whatever a stale entry would explain.
#pragma once

#include <cstddef>
#include <vector>

#include "conform/case.h"
#include "spec/smmu/event_type.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// Where nothing is left over at a step: with the memory of that step, or of an earlier one.
struct AfreshAt {
  std::size_t step = 0;    ///< an access or a request of ATS
  std::size_t memory = 0;  ///< stores of steps before this one have been made; `step` at most
};

/// The case in which that step is the only access. Memory is what it was then before SMMUEN = 1,
/// registers are written and commands given in the order of the case. No translation was asked for
/// before, so that no cache has anything that memory does not.
Case afresh(const Case& what, const AfreshAt& at);

/// The same with all accesses before that step: memory does not change while they are made, so that
/// no entry is stale. What is wrong there comes of entries that are right and not used as they
/// should be.
Case in_company(const Case& what, const AfreshAt& at);

/// What the caches of an SMMU have entries of.
enum class Cached : u8 { translations, structures };

/// The case up to that step, with everything invalidated before it that is cached of them.
Case emptied(const Case& what, std::size_t step, Cached cached, const DeviceIdentity& device);

/// Steps whose memory something may have been cached of at that access: from the latest on, each
/// after a store and after the first access of the case. `most` at most.
std::vector<std::size_t> earlier_memories(const Case& what, std::size_t step, std::size_t most);

/// Its steps before `end`.
Case first_steps(const Case& what, std::size_t end);

/// Where the last access or request stands in the trace; the number of events, if there is none.
std::size_t last_access(const trace::Trace& trace);

/// Types of all records that a run has shown, in the order of their numbers.
std::vector<spec::EventType> record_types(const trace::Trace& trace);

/// Of those of `all` the ones that `others` does not have. Both as record_types() has them.
std::vector<spec::EventType> types_beyond(const std::vector<spec::EventType>& all,
                                          const std::vector<spec::EventType>& others);

}  // namespace iommucheck::oracle
