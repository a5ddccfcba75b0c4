// SPDX-License-Identifier: MIT
#include "spec/smmu/record_loads.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {

namespace {

/// Records from CONS on up to `position`; 0 where CONS is past it already.
u64 records_until(unsigned lg2, u64 position, u64 cons) {
  const u64 used = queue_used(lg2, position, cons);
  return used <= pow2(lg2) ? used : 0;
}

}  // namespace

void RecordLoads::begin(u64 position) {
  ground_.set(ordered_, position);
  ground_.set(loaded_, position);
  ground_.set(settled_, position);
  for (Invalidated& lines : invalidated_) ground_.set(lines.end, u64{0});
  ground_.set(words_, 0);
  ground_.set(late_, position);
  ground_.set(late_end_, position);
}

void RecordLoads::barrier(u64 seen) {
  ground_.set(ordered_, seen);
  ground_.set(settled_, loaded_);
}

void RecordLoads::invalidate(const SeenQueue& its, u64 first, u64 end) {
  Invalidated lines{first, end, queue_bits(its.queue.lg2, its.seen)};
  for (Invalidated& known : invalidated_) {
    const bool touch = known.seen == lines.seen && known.first <= lines.end &&
                       lines.first <= known.end && known.end != 0;
    if (!touch) continue;
    ground_.set(known.first, std::min(known.first, lines.first));
    ground_.set(known.end, std::max(known.end, lines.end));
    return;
  }
  remember(lines);
}

void RecordLoads::remember(const Invalidated& lines) {
  for (std::size_t i = invalidated_.size(); --i != 0;) {
    ground_.set(invalidated_[i].first, invalidated_[i - 1].first);
    ground_.set(invalidated_[i].end, invalidated_[i - 1].end);
    ground_.set(invalidated_[i].seen, invalidated_[i - 1].seen);
  }
  ground_.set(invalidated_[0].first, lines.first);
  ground_.set(invalidated_[0].end, lines.end);
  ground_.set(invalidated_[0].seen, lines.seen);
}

/// The record that is `ahead` of CONS.
bool RecordLoads::is_fresh(const SeenQueue& its, u64 ahead) const {
  const unsigned lg2 = its.queue.lg2;
  const u64 place = its.queue.base + queue_index(lg2, its.cons + ahead) * its.record_bytes;
  return std::ranges::any_of(invalidated_, [&](const Invalidated& lines) {
    return ahead < records_until(lg2, lines.seen, its.cons) && place >= lines.first &&
           place + its.record_bytes <= lines.end;
  });
}

void RecordLoads::load(const SeenQueue& its, u64 pa) {
  const unsigned lg2 = its.queue.lg2;
  const u64 offset = pa - its.queue.base;
  const u64 slot = offset / its.record_bytes;
  const u64 word = u64{1} << (offset % its.record_bytes / 8);
  const u64 ahead = queue_index(lg2, slot - its.cons);
  const auto blame = [&](const char* what) {
    ground_.report(rule::QUEUE_RECORD_ORDER, "slot " + std::to_string(slot) + " of the " +
                                                 std::string(its.name) + " " + what);
  };
  if (ahead >= records_until(lg2, its.seen, its.cons)) {
    // The SMMU's. Who looks there before there is a record has not begun to take one.
    const bool unread = queue_index(lg2, slot - late_) < records_until(lg2, late_end_, late_);
    const bool partly = queue_index(lg2, slot + 1) == queue_index(lg2, loaded_) && words_ != 0 &&
                        (words_ & word) == 0;
    if (unread || partly) blame("is loaded after CONS gave it back: the next record may be there");
    return;
  }
  ground_.count(rule::QUEUE_RECORD_ORDER);
  if (ahead >= records_until(lg2, ordered_, its.cons)) {
    blame(
        "is loaded, and no barrier orders that behind the read of PROD: it may be what was there "
        "before");
  }
  const u64 position = queue_bits(lg2, its.cons + ahead);
  const Frame* frame = ground_.caches().memory().find(pa);
  const bool cached =
      its.invalidations_told && frame != nullptr && ground_.caches().memory().needs_clean(*frame);
  if (cached && !is_fresh(its, ahead)) {
    blame(
        "is loaded, and no dma_invalidate behind the read of PROD took its line from the caches "
        "(IDR0.COHACC = 0): it may be what was there before");
    const u64 place = its.queue.base + slot * its.record_bytes;  // told once
    remember({place, place + its.record_bytes, queue_bits(lg2, its.seen)});
  }
  if (ahead >= records_until(lg2, loaded_, its.cons)) {
    ground_.set(loaded_, queue_next(lg2, position));
    ground_.set(words_, word);
  } else if (queue_next(lg2, position) == queue_bits(lg2, loaded_)) {
    ground_.set(words_, words_ | word);
  }
}

void RecordLoads::give_back(const SeenQueue& its, u64 value) {
  if (ground_.is_recording()) return;
  const unsigned lg2 = its.queue.lg2;
  const u64 given = records_until(lg2, value, its.cons);
  const u64 loaded = records_until(lg2, loaded_, its.cons);
  const u64 settled = records_until(lg2, settled_, its.cons);
  if (settled < std::min(given, loaded)) {
    ground_.report(rule::QUEUE_RECORD_ORDER,
                   std::string(its.name) + "_CONS = " + hex(value) + " gives back slot " +
                       std::to_string(queue_index(lg2, its.cons + settled)) +
                       ", and no barrier orders the loads of its record before that");
  }
  // What was invalidated for records up to there, at most, says nothing of later ones.
  for (Invalidated& lines : invalidated_) {
    if (records_until(lg2, lines.seen, its.cons) <= given) ground_.set(lines.end, u64{0});
  }
  ground_.set(late_, queue_bits(lg2, its.cons + std::min(given, loaded)));
  ground_.set(late_end_, queue_bits(lg2, value));
  if (loaded < given) {
    ground_.set(loaded_, queue_bits(lg2, value));
    ground_.set(words_, 0);
  }
  if (settled < given) ground_.set(settled_, queue_bits(lg2, value));
}

}  // namespace iommucheck::spec
