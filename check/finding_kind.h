// SPDX-License-Identifier: MIT
// What tells findings of one rule apart: not its addresses and numbers, which differ from sequence
// to sequence, but what was being done, what hardware may do and what is promised. Known findings
// are named by it, and a run counts findings by it.
#pragma once

#include <string>
#include <string_view>

#include "monitor/finding.h"

namespace iommucheck::oracle {

/// "unmap: reach, promised unmapped". `doing` is the call or operation behind which it was found;
/// `result` what the call said, for a finding that is about it.
std::string kind_of(const Finding& finding, std::string_view doing, std::string_view result);

/// A finding's rule and kind as one number, for sets of them that cross processes.
u64 key_of(spec::Rule rule, std::string_view kind);
inline u64 key_of(const Finding& finding) { return key_of(finding.rule, finding.kind); }
spec::Rule rule_of(u64 key);

}  // namespace iommucheck::oracle
