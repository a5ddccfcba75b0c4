// SPDX-License-Identifier: MIT
#include "monitor/waiting_stalls.h"

#include "spec/smmu/event_record.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

void WaitingStalls::begin_case() {
  waiting_.clear();
  names_.clear();
  slots_.clear();
  ending_ = false;
  from_ = 0;
}

void WaitingStalls::recorded(u32 which, const trace::EventRecord& words, bool right) {
  for (Waiting& one : waiting_) {
    if (one.which != which) continue;
    one.stag = spec::stall_in(words);
    one.doubtful = !right;
  }
}

bool WaitingStalls::names(u32 which, const trace::EventRecord& words) {
  const std::optional<u16> stag = spec::stall_in(words);
  if (!stag || which < from_ || ending_) return true;
  return names_.emplace(spec::event_sid(words), *stag).second;
}

/// With Ac = 1 as though it had just arrived, a record of its own included; its STAG is given back.
/// Of one whose record was not seen it is CONSTRAINED UNPREDICTABLE whether the command finds it.
/// IHI 0070 3.12.2.1, 4.7.1.
void WaitingStalls::resume(const spec::Command& command, std::vector<Again>& again) {
  names_.erase({command.sid, command.stag});
  if (command.ssec) return;
  for (Waiting& one : waiting_) {
    if (one.access.sid != command.sid || (one.stag && one.stag != command.stag)) continue;
    const bool surely = one.stag.has_value() && !one.doubtful;
    if (!command.ac) {
      one.ending |= surely;
    } else {
      again.push_back({one.access, one.which, surely});
      one.stag.reset();
    }
  }
}

/// CMD_STALL_TERM ends what a stream has waiting for certain where new accesses end, too.
void WaitingStalls::end_stream(u64 sid) {
  std::erase_if(names_, [&](const auto& name) { return name.first == sid; });
  bool ends = true;
  const spec::Access any{.sid = static_cast<u32>(sid)};
  ends &= caches_.outcomes(
      any, [&](const spec::Outcome& o) { ends &= o.kind == spec::OutcomeKind::abort; });
  for (Waiting& one : waiting_) one.ending |= ends && one.access.sid == sid;
}

WaitingStalls::Published WaitingStalls::commands_published() {
  const std::set<u64> slots = std::exchange(slots_, {});
  Published published{.ends = slots.empty(), .again = {}};  // commands of before: nobody has looked
  if (published.ends) names_.clear();
  for (const u64 slot : slots) {
    const spec::Content low = caches_.memory().newest(slot);
    const spec::Content high = caches_.memory().newest(slot + 8);
    const spec::Command command =
        spec::decode_command(low.value, high.value, caches_.capabilities());
    if (low.unknown || high.unknown) {
      names_.clear();
      published.ends = true;
    } else if (command.op == spec::Opcode::resume) {
      resume(command, published.again);
      published.ends = true;
    } else if (command.op == spec::Opcode::stall_term) {
      if (!command.ssec) end_stream(command.sid);
      published.ends = true;
    }
  }
  ending_ |= published.ends;
  return published;
}

bool WaitingStalls::commands_consumed(u32 before) {
  if (!std::exchange(ending_, false)) return false;
  from_ = before;
  std::erase_if(waiting_, [](const Waiting& one) { return one.ending; });
  return true;
}

void WaitingStalls::all_may_end(u32 before) {
  names_.clear();
  from_ = before;
  for (Waiting& one : waiting_) one.ending = false;  // the command may be dropped
}

}  // namespace iommucheck::oracle
