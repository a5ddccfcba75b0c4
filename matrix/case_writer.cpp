// SPDX-License-Identifier: MIT
#include "matrix/case_writer.h"

#include <fmt/format.h>

#include "base/bits.h"
#include "monitor/device_rules.h"
#include "spec/smmu/command.h"
#include "spec/smmu/queue.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

constexpr std::size_t steps_max = 40'000;

/// A CMD_SYNC is waited for by CMDQ_CONS: a message of it would change memory that the case holds.
spec::CommandWords without_message(spec::CommandWords words) {
  constexpr u64 cs_message = u64{1} << 12, cs = u64{3} << 12;
  const bool is_sync = bits(words.dw0, 7, 0) == static_cast<u64>(spec::Opcode::sync);
  const bool has_address = bits(words.dw1, 51, 2) != 0;
  if (!is_sync || !has_address || (words.dw0 & cs) != cs_message) return words;
  return spec::encode_command(spec::cmd_sync());
}

}  // namespace

void CaseWriter::step(StepKind kind, u64 a, u64 b, u64 c) {
  if (steps_.size() == steps_max) {
    ended_ = fmt::format("a case has {} steps at most", steps_max);
    return;
  }
  steps_.push_back({kind, a, b, c});
}

void CaseWriter::go_back(const CaseWriter& before) {
  steps_ = before.steps_;
  queues_ = before.queues_;
  cr0_ = before.cr0_;
  prod_ = before.prod_;
  ended_ = before.ended_;
}

void CaseWriter::event(const trace::Event& event) {
  if (!ended_.empty()) return;
  if (const auto* one = std::get_if<trace::Store>(&event.payload)) {
    store(one->pa, one->size, one->value, one->value_high);
  } else if (const auto* atomic = std::get_if<trace::Rmw>(&event.payload)) {
    store(atomic->pa, atomic->size, atomic->value, std::nullopt);
  } else if (const auto* words = std::get_if<trace::Fill>(&event.payload)) {
    fill(*words);
  } else if (std::holds_alternative<trace::Barrier>(event.payload)) {
    const bool again = !steps_.empty() && steps_.back().kind == StepKind::barrier;
    if (!again) step(StepKind::barrier);
  } else if (const auto* written = std::get_if<trace::MmioWrite>(&event.payload)) {
    write(*written);
  } else if (const auto* asked = std::get_if<trace::MmioRead>(&event.payload)) {
    read(*asked);
  } else if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
    if (dma->kind == trace::TransactionKind::untranslated) access(access_in(*dma));
  }
}

void CaseWriter::access(const spec::Access& access) {
  if (!ended_.empty()) return;
  if (const auto one = engines_.step_of(access)) step(one->kind, one->a, one->b, one->c);
}

void CaseWriter::request(const spec::Access& access) {
  if (!ended_.empty()) return;
  if (const auto one = engines_.request_of(access)) step(one->kind, one->a, one->b, one->c);
}

void CaseWriter::poll() {
  if (ended_.empty() && is_on(spec::cr0::eventqen)) step(StepKind::poll);
}

// ---- memory -------------------------------------------------------------------------------------

bool CaseWriter::has_memory(u64 pa, u64 bytes) {
  const u64 at = pa - device_.structures_pa;
  if (at < device_.structures_bytes && bytes <= device_.structures_bytes - at) return true;
  ended_ = fmt::format("a store at {:#x} is not in the device's memory for structures", pa);
  return false;
}

bool CaseWriter::is_command_slot(u64 pa) const {
  const u64 bytes = u64{spec::command_bytes} << queues_.cmdq_lg2;
  return is_on(spec::cr0::cmdqen) && pa - queues_.cmdq < bytes;
}

/// What is less than a word becomes the word that is then there.
void CaseWriter::store(u64 pa, unsigned size, std::optional<u64> value, std::optional<u64> high) {
  if (!value) {
    ended_ = fmt::format("a store at {:#x} does not say its value", pa);
    return;
  }
  if (size >= 8 && pa % 8 == 0) {
    store_word(pa, *value);
    if (size == 16) store_word(pa + 8, high.value_or(0));
    return;
  }
  for (unsigned i = 0; i < size;) {
    const u64 word = align_down(pa + i, 3);
    u64 content = caches_.memory().newest(word).value;
    for (; i < size && pa + i < word + 8; ++i) {
      const auto shift = static_cast<unsigned>(8 * (pa + i - word));
      content = (content & ~(u64{0xff} << shift)) | (bits(*value, 8 * i + 7, 8 * i) << shift);
    }
    store_word(word, content);
  }
}

void CaseWriter::store_word(u64 pa, u64 value) {
  if (is_command_slot(pa) || !has_memory(pa, 8)) return;
  step(StepKind::store, pa, value);
}

void CaseWriter::fill(const trace::Fill& fill) {
  if (fill.words == 0 || is_command_slot(fill.pa) || !has_memory(fill.pa, 8 * fill.words)) return;
  step(StepKind::fill, fill.pa, fill.words, fill.value);
}

// ---- registers ----------------------------------------------------------------------------------

/// A case has its queues in one place.
void CaseWriter::place_queues(u32 offset, u64 value) {
  const unsigned lg2 = static_cast<unsigned>(bits(value, 4, 0));
  if (lg2 > spec::queue_index_bits - 1) {
    ended_ = fmt::format("a queue of 2^{} entries", lg2);
    return;
  }
  const auto place = [&](u64& base, unsigned& its_lg2, unsigned entry_bytes) {
    const u64 pa = spec::queue_geometry(value, lg2, entry_bytes).base;
    if (base != 0 && (base != pa || its_lg2 != lg2)) ended_ = "a queue is moved";
    base = pa;
    its_lg2 = lg2;
  };
  if (offset == reg::cmdq_base) {
    place(queues_.cmdq, queues_.cmdq_lg2, spec::command_bytes);
    prod_ = 0;
  }
  if (offset == reg::eventq_base) place(queues_.eventq, queues_.eventq_lg2, spec::event_bytes);
  if (offset == reg::priq_base) place(queues_.priq, queues_.priq_lg2, spec::page_request_bytes);
}

void CaseWriter::write(const trace::MmioWrite& write) {
  const auto offset = static_cast<u32>(write.offset);
  if (!spec::register_at(offset)) return;
  if (offset == reg::cmdq_prod && is_on(spec::cr0::cmdqen)) return expose(write.value);
  // Reading a queue says itself how far it has come.
  if (offset == reg::eventq_cons && is_on(spec::cr0::eventqen)) return;
  if (offset == reg::priq_cons && is_on(spec::cr0::priqen)) return;
  if (offset == reg::cr0) cr0_ = write.value;
  if (offset == reg::cmdq_prod) prod_ = write.value;
  const bool is_base =
      offset == reg::cmdq_base || offset == reg::eventq_base || offset == reg::priq_base;
  if (is_base && write.size != 8) {
    ended_ = "the base of a queue is written by halves";
    return;
  }
  if (is_base) place_queues(offset, write.value);
  if (ended_.empty()) step(StepKind::write, offset, write.value, write.size);
}

void CaseWriter::expose(u64 prod) {
  const unsigned lg2 = queues_.cmdq_lg2;
  const u64 end = spec::queue_bits<u64>(lg2, prod);
  prod_ = spec::queue_bits<u64>(lg2, prod_);
  if (spec::queue_used<u64>(lg2, end, prod_) > pow2(lg2)) {
    ended_ = "CMDQ_PROD goes back";
    return;
  }
  bool has_message = false;
  while (prod_ != end && ended_.empty()) {
    const u64 slot = queues_.cmdq + spec::command_bytes * spec::queue_index<u64>(lg2, prod_);
    const spec::CommandWords stored{caches_.memory().newest(slot).value,
                                    caches_.memory().newest(slot + 8).value};
    const spec::CommandWords words = without_message(stored);
    has_message |= words.dw0 != stored.dw0;
    prod_ = spec::queue_next<u64>(lg2, prod_);
    step(StepKind::command, words.dw0, words.dw1, prod_ == end ? 0 : 1);
  }
  if (has_message) step(StepKind::drain);
}

void CaseWriter::read(const trace::MmioRead& read) {
  const auto offset = static_cast<u32>(read.offset);
  if (!spec::register_at(offset)) return;
  if (offset == reg::cmdq_cons && is_on(spec::cr0::cmdqen)) {
    const u64 left = spec::queue_used<u64>(queues_.cmdq_lg2, prod_, read.value);
    const bool goes_on = !steps_.empty() && steps_.back().kind == StepKind::drain;
    if (goes_on) {
      steps_.back().a = left;
    } else {
      step(StepKind::drain, left);
    }
    return;
  }
  const bool is_poll = offset == reg::eventq_prod && is_on(spec::cr0::eventqen);
  const bool is_page_poll = offset == reg::priq_prod && is_on(spec::cr0::priqen);
  if (is_poll || is_page_poll) return step(is_poll ? StepKind::poll : StepKind::page_poll);
  if (offset == reg::cr0ack || offset == reg::irq_ctrlack || offset == reg::gbpa) {
    return wait_for(offset, read.size, read.value);
  }
  step(StepKind::read, offset, 0, read.size);
}

/// What it saw last is what it has waited for.
void CaseWriter::wait_for(u32 offset, unsigned size, u64 value) {
  const bool goes_on = !steps_.empty() && steps_.back().kind == StepKind::await &&
                       steps_.back().a == offset && steps_.back().c == size;
  if (goes_on) {
    steps_.back().b = value;
  } else {
    step(StepKind::await, offset, value, size);
  }
}

}  // namespace iommucheck::oracle
