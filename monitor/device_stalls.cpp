// SPDX-License-Identifier: MIT
// Accesses of a device under test that wait: what they may meet meanwhile, and what ends them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "monitor/device_records.h"
#include "spec/rules/records.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

namespace {

using spec::Outcome;
using spec::OutcomeKind;
namespace rule = spec::rule;

}  // namespace

/// What waits is named by its StreamID and STAG: two at a time are not called the same. IHI 0070
/// 3.12.2.
void DeviceRecords::check_stag(u32 which, const trace::EventRecord& words) {
  if (stalls_.names(which, words)) return;
  findings_.find(
      rule::EVENT_RECORD, "two stalls with one STAG",
      fmt::format("a transaction of StreamID {:#x} stalls with the STAG {:#x}, and the one before "
                  "with that STAG waits still: no CMD_RESUME can name one of them",
                  spec::event_sid(words), bits(words[1], 15, 0)));
}

void DeviceRecords::stalls_may_end() {
  stalls_.all_may_end(state_.accesses);
  for (Open& open : state_.open) open.resumed = true;  // so that it is not waited for
  stalls_change();
}

/// What has no record yet may never have one.
void DeviceRecords::stalls_change() {
  for (Open& open : state_.open) open.alone = false;
}

/// What an access that waits may meet as things are. The SMMU may try it again at any time, and the
/// record that is not there yet is of what it meets last. IHI 0070 3.12.2.2, 7.2.1.
void DeviceRecords::meets(Open& open) const {
  if (open.any) return;
  const DeviceAllowed::Allowed now = allowed_.now(open.access);
  open.any = !now.judged || now.outcomes.empty();
  for (const Outcome& o : now.outcomes) {
    open.any |= o.kind == OutcomeKind::any;
    open.passes |= open.again && o.passes();
    const auto is_same = [&](const Outcome& known) { return known.same(o); };
    if (!o.passes() && std::ranges::none_of(open.candidates, is_same)) open.candidates.push_back(o);
  }
}

/// Before anything changes, and when records are looked at: so that all that was there between is
/// known.
void DeviceRecords::stalled_meet() {
  for (Open& open : state_.open) {
    if (open.stalled) meets(open);
  }
}

/// As though it had just arrived: it may have a record of its own.
void DeviceRecords::try_again(const WaitingStalls::Again& one) {
  for (Open& open : state_.open) open.any |= !one.surely && open.which == one.which;
  Open open{.access = one.access,
            .candidates = {},
            .any = !one.surely,
            .stalled = true,
            .again = true,
            .merges = caches_.fetches().may_merge_events(one.access.sid),
            .which = one.which,
            .features = {}};
  meets(open);
  push(std::move(open));
}

void DeviceRecords::stalls_end_by_commands() {
  const WaitingStalls::Published published = stalls_.commands_published();
  if (published.ends) stalls_change();
  for (const WaitingStalls::Again& one : published.again) try_again(one);
}

/// What is to be tried again is so in finite time, and told if it faults while nothing else waits.
void DeviceRecords::commands_consumed() {
  if (!stalls_.commands_consumed(state_.accesses)) return;
  for (Open& open : state_.open) {
    if (!open.again || std::exchange(open.resumed, true)) continue;
    open.alone = !open.any && stalls_.is_alone(open.which);
  }
}

}  // namespace iommucheck::oracle
