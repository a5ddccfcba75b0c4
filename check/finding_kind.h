// SPDX-License-Identifier: MIT
// What tells findings of one rule apart: not its addresses and numbers, which differ from sequence
// to sequence, but what was being done, what hardware may do, what is promised, and the cause: what
// kind of thing is cached, and why no invalidation has removed it. Known findings are named by it,
// and a run counts findings by it.
#pragma once

#include <string_view>

#include "monitor/finding.h"
#include "report/finding_identity.h"

namespace iommucheck::oracle {

/// What a case does: a call or an operation, from an event on.
struct Doing {
  std::string_view what{};  ///< empty: not known
  EventIndex since = 0;
};

/// What is cached, why no invalidation has removed it, and the call that replaced it in memory (of
/// event replaced_at()); how it shows is luck. Else what is wrong: what hardware may do against
/// what is promised, memory attributes, a call's answer, a sentence without its numbers. `doing` is
/// the call or operation behind which it was found; of queues, registers, configuration that is
/// unreadable and leaks it says nothing.
FindingKind kind_of(const Finding& finding, std::string_view doing, const Doing& replaced_in = {});
/// The event that replaced in memory what is cached of the finding's cause; 0: none, or none is.
EventIndex replaced_at(const Finding& finding);

/// Whether both break one rule in the sense of rule_of_cause().
bool break_one_rule(const Finding& a, const Finding& b);

/// A finding's rule and kind as one number, for sets of them that cross processes.
u64 key_of(spec::Rule rule, const FindingKind& kind);
inline u64 key_of(const Finding& finding) { return key_of(finding.rule, finding.kind); }
spec::Rule rule_of(u64 key);

}  // namespace iommucheck::oracle
