// SPDX-License-Identifier: MIT
// Whether what becomes of an access is one of the things that are promised: the only place that
// compares an outcome of the specification of the hardware with a promise of the interface's.
// SEMANTICS 5; INTERFACE "What an access meets".
#pragma once

#include <string>

#include "spec/smmu/outcome.h"
#include "spec/sva/expectation.h"

namespace iommucheck::oracle {

/// Which memory attributes a mapping promises.
enum class AttributesAsked : u8 {
  none,      ///< the memory type is not claimed, or nobody knows it
  type,      ///< Normal or Device: what is not coherent anyway may have any Normal type
  coherent,  ///< Normal is write-back and shareable, as the CPUs have it
};

/// Of a translation, under one `mapped` promise; an access that stays as it was sent is judged
/// under `identity`, whose prot is 0.
bool attributes_fit(u32 prot, const spec::MemoryAttributes& attributes, AttributesAsked asked);

/// "Normal write-back, inner shareable", "Device-nGnRE".
std::string attributes_text(const spec::MemoryAttributes& attributes);

/// Whether a mapping with these rights lets such an access through; `either` where it says nothing:
/// READ is implied by the others where the format cannot leave it out, and not where it can (stage
/// 2).
enum class Grant : u8 { no, yes, either };
Grant grant_of(u32 prot, spec::AccessKind kind);
/// What both stages of a user's mapping let through; stage 2 knows no privilege.
Grant grant_of(const spec::sva::Promise& promise, spec::AccessKind kind);

/// One of the promises lets an access of the kind end so. `at_pasid`: tables that yield nothing are
/// as good there as none; of the RID's space they are where something may be mapped. `asks`: the
/// device waits at PASIDs by page requests, whatever the SMMU makes of its faults.
bool permits(const spec::sva::Alternatives& allowed, bool at_pasid, bool asks,
             spec::AccessKind kind, const spec::Outcome& outcome, AttributesAsked asked);

/// The same of what a user's tables say, where all of it is told: how an access ends that nothing
/// lets through is the user's own.
bool permits_of_user(const spec::sva::Alternatives& allowed, spec::AccessType type,
                     const spec::Outcome& outcome);

bool promises_state(const spec::sva::Alternatives& allowed, spec::sva::State state);
/// An access that is not let through may end in a fault of translation, or be terminated by it.
bool promises_end(const spec::sva::Alternatives& allowed);
/// Or by configuration, with an event of it or none.
bool promises_no_tables(const spec::sva::Alternatives& allowed);
/// Or there may be tables of its own.
bool promises_tables(const spec::sva::Alternatives& allowed);

}  // namespace iommucheck::oracle
