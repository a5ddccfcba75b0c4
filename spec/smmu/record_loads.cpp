// SPDX-License-Identifier: MIT
// The driver's side of an output queue: a record may be loaded once PROD was seen to cover it, and
// until CONS gives its slot back. Loads are not in the order of the program, so that both need a
// barrier. IHI 0070 3.5.2; docs/semantics.md 1.
//
// Only loads that are told are judged: who reads records in a way that nobody sees loads none.
#include <algorithm>

#include "base/text.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/smmu.h"

namespace iommucheck::spec {

namespace {

/// Records from CONS on up to `position`; 0 where CONS is past it already.
u64 records_until(unsigned lg2, u64 position, u64 cons) {
  const u64 used = queue_used(lg2, position, cons);
  return used <= pow2(lg2) ? used : 0;
}

}  // namespace

/// The queue was set up: nothing of it is known to be loaded, and nothing is there.
void Smmu::begin_loads(RecordLoads& loads, u64 position) {
  set(loads.ordered, position);
  set(loads.loaded, position);
  set(loads.settled, position);
  set(loads.words, 0);
  set(loads.late, position);
  set(loads.late_end, position);
}

void Smmu::observe_load_barrier() {
  set(event_loads_.ordered, r_.eventq_seen);
  set(event_loads_.settled, event_loads_.loaded);
  set(pri_loads_.ordered, r_.priq_seen);
  set(pri_loads_.settled, pri_loads_.loaded);
}

void Smmu::observe_load(u64 pa) {
  if (slots_from_events_) return;
  const auto look = [&](u64 enable, const OutputQueue& its, RecordLoads& loads) {
    const u64 bytes = pow2(its.queue.lg2) * its.record_bytes;
    if ((r_.cr0 & enable) != 0 && pa - its.queue.base < bytes) load_of_record(its, loads, pa);
  };
  look(cr0::eventqen, event_queue(), event_loads_);
  look(cr0::priqen, pri_queue(), pri_loads_);
}

void Smmu::load_of_record(const OutputQueue& its, RecordLoads& loads, u64 pa) {
  const unsigned lg2 = its.queue.lg2;
  const u64 offset = pa - its.queue.base;
  const u64 slot = offset / its.record_bytes;
  const u64 word = u64{1} << (offset % its.record_bytes / 8);
  const u64 ahead = queue_index(lg2, slot - its.cons);
  const auto blame = [&](const char* what) {
    report(rule::QUEUE_RECORD_ORDER,
           "slot " + std::to_string(slot) + " of the " + std::string(its.name) + " " + what);
  };
  if (ahead >= records_until(lg2, its.seen, its.cons)) {
    // The SMMU's. Who looks there before there is a record has not begun to take one.
    const bool unread =
        queue_index(lg2, slot - loads.late) < records_until(lg2, loads.late_end, loads.late);
    const bool partly = queue_index(lg2, slot + 1) == queue_index(lg2, loads.loaded) &&
                        loads.words != 0 && (loads.words & word) == 0;
    if (unread || partly) blame("is loaded after CONS gave it back: the next record may be there");
    return;
  }
  ++caches_.exercised()[number_of(rule::QUEUE_RECORD_ORDER)];
  if (ahead >= records_until(lg2, loads.ordered, its.cons)) {
    blame(
        "is loaded, and no barrier orders that behind the read of PROD: it may be what was there "
        "before");
  }
  const u64 position = queue_bits(lg2, its.cons + ahead);
  if (ahead >= records_until(lg2, loads.loaded, its.cons)) {
    set(loads.loaded, queue_next(lg2, position));
    set(loads.words, word);
  } else if (queue_next(lg2, position) == queue_bits(lg2, loads.loaded)) {
    set(loads.words, loads.words | word);
  }
}

void Smmu::records_given_back(const OutputQueue& its, RecordLoads& loads, u64 value) {
  if (slots_from_events_) return;
  const unsigned lg2 = its.queue.lg2;
  const u64 given = records_until(lg2, value, its.cons);
  const u64 loaded = records_until(lg2, loads.loaded, its.cons);
  const u64 settled = records_until(lg2, loads.settled, its.cons);
  if (settled < std::min(given, loaded)) {
    report(rule::QUEUE_RECORD_ORDER,
           std::string(its.name) + "_CONS = " + hex(value) + " gives back slot " +
               std::to_string(queue_index(lg2, its.cons + settled)) +
               ", and no barrier orders the loads of its record before that");
  }
  set(loads.late, queue_bits(lg2, its.cons + std::min(given, loaded)));
  set(loads.late_end, queue_bits(lg2, value));
  if (loaded < given) {
    set(loads.loaded, queue_bits(lg2, value));
    set(loads.words, 0);
  }
  if (settled < given) set(loads.settled, queue_bits(lg2, value));
}

}  // namespace iommucheck::spec
