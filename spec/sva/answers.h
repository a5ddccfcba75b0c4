// SPDX-License-Identifier: MIT
// Which answers calls gave: what a set of scenarios shows of the interface. What there is to show
// stands in answers.def.
#pragma once

#include <array>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "base/types.h"
#include "spec/sva/call.h"
#include "spec/sva/reasons.h"

namespace iommucheck::spec::sva {

/// What happened while a call was in progress. That its memory was refused or its device vanished
/// are reasons of its answers.
enum class During : u8 {
  stuck,  ///< the command queue did not move
  exit,   ///< the Release of a process was in progress when it returned
  count
};

/// How it ended all the same.
enum class Ended : u8 {
  well,
  refused,  ///< with an error that has nothing to do with it
  timed_out,
  count
};

struct AnswerLog {
  /// What is run now.
  std::string story;
  /// The first story in which a call gave an answer; or ended so while that happened.
  std::map<std::pair<CallKind, Reason>, std::string> answers;
  std::map<std::tuple<CallKind, During, Ended>, std::string> during;

  void given(CallKind call, Reason reason) { answers.try_emplace({call, reason}, story); }
  void returned(CallKind call, During when, Ended how) {
    during.try_emplace({call, when, how}, story);
  }
  /// What another one has, and it not.
  void add(const AnswerLog& other) {
    answers.insert(other.answers.begin(), other.answers.end());
    during.insert(other.during.begin(), other.during.end());
  }
};

}  // namespace iommucheck::spec::sva
