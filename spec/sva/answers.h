// SPDX-License-Identifier: MIT
// Which answers calls were permitted to give, and which they gave: what a set of scenarios shows of
// the interface, and what it leaves out.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "base/types.h"
#include "spec/sva/call.h"

namespace iommucheck::spec::sva {

/// An answer is permitted for a reason, which is the specification's own word for it.
struct Answer {
  CallKind call = CallKind::domain_alloc;
  Status status = Status::ok;
  std::string reason;

  friend bool operator<(const Answer& a, const Answer& b) {
    return std::tie(a.call, a.status, a.reason) < std::tie(b.call, b.status, b.reason);
  }
};

/// What happened while a call was in progress.
enum class During : u8 {
  no_memory,  ///< one of its allocations was refused
  stuck,      ///< the command queue did not move
  removal,    ///< its device vanished
  exit,       ///< the Release of a process was in progress when it returned
  count
};

struct AnswerLog {
  /// What is run now.
  std::string story;
  /// Each answer that was permitted, with the first story in which it was given; empty: in none.
  std::map<Answer, std::string> answers;
  /// The first story in which a call returned in such circumstances.
  std::map<CallKind, std::array<std::string, static_cast<std::size_t>(During::count)>> during;

  void permitted(const Answer& answer) { answers.try_emplace(answer); }
  void given(const Answer& answer) {
    std::string& by = answers[answer];
    if (by.empty()) by = story;
  }
  void returned(CallKind call, During when) {
    std::string& by = during[call][static_cast<std::size_t>(when)];
    if (by.empty()) by = story;
  }
};

}  // namespace iommucheck::spec::sva
