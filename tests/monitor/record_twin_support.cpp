// SPDX-License-Identifier: MIT
#include "tests/monitor/record_twin_support.h"

#include "base/bits.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
constexpr u64 index_bits = mask(19, 0);

}  // namespace

RecordTwin::RecordTwin(u64 seed, Change change)
    : inner_(seed), identity_(inner_.identity()), change_(std::move(change)) {
  identity_.wires_interrupts = false;
  identity_.ats = false;  // nobody would answer invalidations
}

Expected<void> RecordTwin::reset() {
  values_.clear();
  seen_.clear();
  words_.clear();
  taken_ = prod_ = cons_ = base_ = enabled_ = 0;
  return inner_.reset();
}

Ticket RecordTwin::answer(u64 value) {
  values_.push_back(value);
  return static_cast<Ticket>(values_.size() - 1);
}

/// The device's records up to `prod`, changed, into the queue that the driver sees.
void RecordTwin::take_records(u64 prod) {
  for (; taken_ != (prod & index_bits); taken_ = spec::queue_next<u64>(lg2_, taken_)) {
    trace::EventRecord record;
    for (u64 i = 0; i < 4; ++i) {
      const u64 pa = base_ + 32 * spec::queue_index<u64>(lg2_, taken_) + 8 * i;
      record[i] = inner_.value(inner_.load(pa));
    }
    for (const trace::EventRecord& one : change_(record)) {
      if (spec::queue_full<u64>(lg2_, prod_, cons_)) break;
      for (u64 i = 0; i < 4; ++i) {
        words_[base_ + 32 * spec::queue_index<u64>(lg2_, prod_) + 8 * i] = one[i];
      }
      prod_ = spec::queue_next<u64>(lg2_, prod_);
    }
  }
}

void RecordTwin::mmio_write(u32 offset, unsigned size, u64 value) {
  if (offset == reg::eventq_base) {
    lg2_ = static_cast<unsigned>(value & 31);
    base_ = value & mask(51, 5) & ~((u64{32} << lg2_) - 1);  // as its size aligns it, 6.3.27
  }
  const bool in_use = (enabled_ & spec::cr0::eventqen) != 0;
  // Where it begins; in use the index is the SMMU's own (6.3.28).
  if (offset == reg::eventq_prod && !in_use) prod_ = taken_ = value & index_bits;
  if (offset == reg::cr0) enabled_ = value;
  if (offset == reg::eventq_cons) {
    cons_ = value & index_bits;
    // What the driver has read is what the device was asked for so far.
    if (in_use) value = (value & ~index_bits) | taken_;
  }
  inner_.mmio_write(offset, size, value);
}

Ticket RecordTwin::mmio_read(u32 offset, unsigned size) {
  const u64 value = inner_.value(inner_.mmio_read(offset, size));
  if (offset == reg::eventq_cons) return answer((value & ~index_bits) | cons_);
  if (offset != reg::eventq_prod) return answer(value);
  take_records(value);
  return answer((value & ~index_bits) | prod_);
}

Ticket RecordTwin::load(u64 pa) {
  const auto found = words_.find(pa);
  const bool in_queue = base_ != 0 && pa - base_ < u64{32} << lg2_;
  if (in_queue && found == words_.end()) return answer(0);
  return answer(found != words_.end() ? found->second : inner_.value(inner_.load(pa)));
}

Ticket RecordTwin::dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) {
  const DmaSeen seen = inner_.seen(inner_.dma(engine, iova, write, attributes));
  const Ticket ticket = answer(0);
  seen_[ticket] = seen;
  return ticket;
}

}  // namespace iommucheck::oracle
