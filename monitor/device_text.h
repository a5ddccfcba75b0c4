// SPDX-License-Identifier: MIT
// How findings about a device under test name accesses, outcomes and records.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/smmu/caches.h"
#include "trace/event.h"

namespace iommucheck::oracle {

std::string outcome_name(const spec::Outcome& outcome);
std::string access_text(const spec::Access& access);
/// The record in words, and its 32 bytes as four words.
std::string record_text(const trace::EventRecord& words);
/// Of the features of a kind: the STE's, whatever comes behind it.
inline constexpr std::string_view s1cdmax_ignored = "S1CDMax is ignored";
/// What a configuration that has to be refused with that event is called where it is not: the same
/// whether the walk behind it finds a page or faults. Nothing for other outcomes.
std::string used_instead_of(const spec::Outcome& refusal);
/// Features that the translation of the address needs, in stage 1 and where it is in range: a
/// device that lacks two of them has two mistakes.
std::vector<std::string> features_needed(const spec::Access& access);

}  // namespace iommucheck::oracle
