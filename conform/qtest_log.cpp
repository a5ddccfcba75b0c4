// SPDX-License-Identifier: MIT
#include "conform/qtest_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "base/bits.h"
#include "conform/case.h"
#include "conform/case_of_trace.h"
#include "conform/dut/qemu_map.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
namespace edu = qemu_map::edu;

constexpr u32 written_mark = 0xe0000001;  // what an engine writes
constexpr u64 scratch_page = qemu_map::ram + qemu_map::ram_bytes - 0x1000;
constexpr u64 page_bytes = 4096;

/// Event by event.
class Walker {
 public:
  Walker(const trace::Trace& trace, const QueueLayout& queues, QtestWriter& to)
      : trace_(trace), queues_(queues), to_(to) {
    if (trace.header.ram && !trace.header.ram->empty()) {
      data_pa_ = trace.header.ram->front().base;
      data_bytes_ = trace.header.ram->front().length;
    }
  }

  Expected<void> walk() {
    if (auto ok = find_engines(); !ok) return ok;
    for (const auto& [sid, reads] : reads_) {
      to_.open(sid, reads);
      if (says(sid)) continue;
      to_.write(4, scratch_page, written_mark);
      dma(sid, scratch_page, edu::buffer, 0);
    }
    name_memory();
    for (const trace::Event& event : trace_.events) add(event);
    return end();
  }

 private:
  /// Whether its writes need nothing to be looked for.
  [[nodiscard]] bool says(u32 sid) const { return to_.writers_say() && !reads_.at(sid); }

  Expected<void> find_engines() {
    for (const trace::Event& event : trace_.events) {
      if (std::holds_alternative<trace::AtsRequest>(event.payload)) {
        return fail(ErrorCode::unsupported, "QEMU's engines have no ATS");
      }
      const auto* dma = std::get_if<trace::Dma>(&event.payload);
      if (dma == nullptr) continue;
      if (dma->kind == trace::TransactionKind::translated) {
        return fail(ErrorCode::unsupported, "QEMU's engines have no ATS");
      }
      if (dma->sid % 8 != 0 || dma->sid < 8 || dma->sid > 31 * 8) {
        return fail(ErrorCode::unsupported,
                    fmt::format("no device of QEMU's machine has StreamID {:#x}", dma->sid));
      }
      if ((dma->ssid && dma->ssid->valid) || dma->privileged.value_or(false) ||
          dma->direction == trace::Direction::execute) {
        return fail(ErrorCode::unsupported,
                    "QEMU's engines send no SubstreamIDs, privileged accesses or instructions");
      }
      reads_[dma->sid] |= dma->direction != trace::Direction::write;
      offsets_.insert(dma->iova % page_bytes);
    }
    return {};
  }

  /// Words of data to which an access of the case may come hold their address.
  void name_memory() {
    std::set<u64> pages;
    for (const trace::Event& event : trace_.events) {
      const auto* dma = std::get_if<trace::Dma>(&event.payload);
      if (dma != nullptr && dma->pa) add_page(pages, *dma->pa);
      const auto* store = std::get_if<trace::Store>(&event.payload);
      if (store != nullptr) add_page(pages, store->value.value_or(0) & mask(47, 12));
    }
    for (const u64 first : pages) {
      for (const u64 offset : offsets_) named_.insert(first + offset);
    }
    for (const u64 pa : named_) to_.write(4, pa, pa);
  }
  void add_page(std::set<u64>& pages, u64 pa) const {
    if (pa - data_pa_ < data_bytes_) pages.insert(pa - pa % page_bytes);
  }

  /// What came on each wire, where an interrupt might come at all.
  Expected<void> end() {
    for (unsigned wire = 0; wire < pulses_.size() && signals_; ++wire) {
      if (auto ok = to_.expect_interrupts(wire, pulses_[wire]); !ok) return ok;
    }
    return {};
  }

  void dma(u32 sid, u64 source, u64 destination, u64 direction) {
    to_.engine_write(sid, edu::source, source);
    to_.engine_write(sid, edu::destination, destination);
    to_.engine_write(sid, edu::count, 4);
    to_.engine_write(sid, edu::command, edu::start | direction);
    to_.engine_wait(sid, edu::command);
  }

  void add(const trace::Event& event) {
    if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
      to_.write(8, store->pa, store->value.value_or(0));
    } else if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
      add_fill(*fill);
    } else if (const auto* load = std::get_if<trace::Load>(&event.payload)) {
      to_.expect(8, load->pa, load->value.value_or(0));
    } else if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
      if (write->offset == reg::cr0) cr0_ = write->value;
      if (write->offset == reg::gbpa) gbpa_ = write->value;
      if (write->offset == reg::irq_ctrl) signals_ |= write->value != 0;
      if (write->offset == reg::eventq_cons) event_ = write->value % pow2(queues_.eventq_lg2);
      to_.write(write->size == 8 ? 8 : 4, qemu_map::smmu + write->offset, write->value);
    } else if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
      to_.expect(read->size == 8 ? 8 : 4, qemu_map::smmu + read->offset, read->value);
    } else if (const auto* record = std::get_if<trace::EventRecorded>(&event.payload)) {
      if (record->record) add_record(*record->record);
    } else if (const auto* one = std::get_if<trace::Dma>(&event.payload)) {
      add_access(*one);
    } else if (const auto* interrupt = std::get_if<trace::Irq>(&event.payload)) {
      const auto* const wire = std::ranges::find(qemu_map::wires, interrupt->kind);
      ++pulses_[static_cast<std::size_t>(wire - qemu_map::wires.begin())];
      signals_ = true;
    }
  }

  void add_fill(const trace::Fill& fill) {
    if (fill.value == 0) {
      to_.clear(fill.pa, 8 * fill.words);
      return;
    }
    for (u64 i = 0; i < fill.words; ++i) to_.write(8, fill.pa + 8 * i, fill.value);
  }

  void add_record(const trace::EventRecord& words) {
    const u64 place = queues_.eventq + 32 * event_;
    event_ = (event_ + 1) % pow2(queues_.eventq_lg2);
    for (unsigned i = 0; i < 4; ++i) to_.expect(8, place + 8 * i, words[i]);
  }

  void add_access(const trace::Dma& one) {
    const bool passed = one.result == trace::DmaResult::ok;
    if (one.direction != trace::Direction::write) {
      dma(one.sid, one.iova, edu::buffer + 4, 0);
      fetch(one.sid, passed ? one.pa : std::optional<u64>(0));
      return;
    }
    if (says(one.sid)) {
      to_.write_access(one.sid, one.iova, passed, one.pa);
      if (passed && one.pa && named_.contains(*one.pa)) to_.write(4, *one.pa, *one.pa);
      return;
    }
    dma(one.sid, edu::buffer, one.iova, edu::to_memory);
    // Where it went, or that it went nowhere where the case looks.
    for (const u64 pa : named_) {
      if (pa % page_bytes != one.iova % page_bytes) continue;
      const bool there = passed && one.pa && *one.pa == pa;
      to_.expect(4, pa, there ? written_mark : bits(pa, 31, 0));
      to_.write(4, pa, pa);
    }
  }

  /// What an engine has read, through the SMMU that is off for that time.
  void fetch(u32 sid, std::optional<u64> answer) {
    const bool aborts = gbpa_ && (*gbpa_ & spec::gbpa::abort) != 0;
    const u64 cr0 = qemu_map::smmu + reg::cr0, gbpa = qemu_map::smmu + reg::gbpa;
    if (aborts) {
      to_.write(4, gbpa, (*gbpa_ & ~u64{spec::gbpa::abort}) | spec::gbpa::update);
    }
    to_.write(4, cr0, cr0_ & ~u64{spec::cr0::smmuen});
    dma(sid, edu::buffer + 4, scratch_page, edu::to_memory);
    to_.write(4, cr0, cr0_);
    if (aborts) to_.write(4, gbpa, *gbpa_ | spec::gbpa::update);
    // One that passed to where no data is has brought nobody knows what.
    if (answer) to_.expect(4, scratch_page, bits(*answer, 31, 0));
  }

  const trace::Trace& trace_;
  QueueLayout queues_;
  QtestWriter& to_;
  u64 data_pa_ = 0, data_bytes_ = 0;
  std::map<u32, bool> reads_;  // by StreamID: whether one of its accesses reads
  std::set<u64> offsets_, named_;
  std::array<u64, qemu_map::wires.size()> pulses_{};
  bool signals_ = false;
  u64 cr0_ = 0, event_ = 0;
  std::optional<u64> gbpa_;
};

}  // namespace

Expected<void> write_qtest(const trace::Trace& trace, QtestWriter& to) {
  const auto what = case_of(trace, "a qtest");
  if (!what) return std::unexpected(what.error());
  return Walker(trace, what->queues, to).walk();
}

}  // namespace iommucheck::oracle
