// SPDX-License-Identifier: MIT
#include "conform/case_lines.h"

#include "base/bits.h"
#include "conform/case.h"
#include "conform/case_notes.h"
#include "conform/case_of_trace.h"
#include "iommucheck/device.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using Kind = CaseLineKind;

unsigned substream_of(const std::optional<trace::Substream>& ssid, CaseLine& line) {
  if (!ssid || !ssid->valid) return 0;
  line.ssid = ssid->value;
  return IOMMUCHECK_DUT_HAS_SUBSTREAM;
}

CaseLine dma_line(const trace::Dma& dma) {
  using Passes = CaseLine::Passes;
  CaseLine line{.kind = Kind::dma, .bytes = 4, .where = dma.sid, .address = dma.iova};
  line.attributes = substream_of(dma.ssid, line);
  if (dma.direction == trace::Direction::write) line.attributes |= IOMMUCHECK_DUT_IS_WRITE;
  if (dma.privileged.value_or(false)) line.attributes |= IOMMUCHECK_DUT_IS_PRIVILEGED;
  if (dma.direction == trace::Direction::execute) line.attributes |= IOMMUCHECK_DUT_IS_INSTRUCTION;
  if (dma.kind == trace::TransactionKind::translated) {
    line.attributes |= IOMMUCHECK_DUT_IS_TRANSLATED;
  }
  if (dma.result == trace::DmaResult::ok) {
    line.passes = dma.pa ? Passes::to_value : Passes::through;
  }
  line.value = dma.pa.value_or(0);
  return line;
}

CaseLine request_line(const trace::AtsRequest& one) {
  CaseLine line{.kind = Kind::request, .where = one.sid, .address = one.iova};
  line.attributes = substream_of(one.ssid, line);
  if (!one.no_write.value_or(true)) line.attributes |= IOMMUCHECK_DUT_IS_WRITE;
  if (one.privileged.value_or(false)) line.attributes |= IOMMUCHECK_DUT_IS_PRIVILEGED;
  u64 status = IOMMUCHECK_DUT_DONE;
  if (one.result == trace::AtsResult::unsupported) status = IOMMUCHECK_DUT_UNSUPPORTED;
  if (one.result == trace::AtsResult::completer_abort) status = IOMMUCHECK_DUT_COMPLETER_ABORT;
  const trace::Rights rights = one.rights.value_or(trace::Rights{});
  line.value = one.pa.value_or(0) | (rights.read ? 1U : 0U) | (rights.write ? 2U : 0U) |
               (status << case_status_place);
  return line;
}

CaseLine page_line(const trace::PageRequest& one) {
  CaseLine line{.kind = Kind::page, .where = one.sid, .address = one.iova, .value = one.page_group};
  const trace::Rights rights = one.rights.value_or(trace::Rights{});
  line.attributes = substream_of(one.ssid, line);
  if (rights.write) line.attributes |= IOMMUCHECK_DUT_IS_WRITE;
  if (one.privileged.value_or(false)) line.attributes |= IOMMUCHECK_DUT_IS_PRIVILEGED;
  if (rights.execute) line.attributes |= IOMMUCHECK_DUT_IS_INSTRUCTION;
  if (rights.read) line.attributes |= IOMMUCHECK_DUT_IS_READ;
  if (one.last) line.attributes |= IOMMUCHECK_DUT_IS_LAST;
  return line;
}

/// Event by event; records of events are words of memory.
class Lines {
 public:
  explicit Lines(const QueueLayout& queues) : queues_(queues) {}

  void add(const trace::Event& event) {
    trace::visit([this](const auto& payload) { take(payload); }, event.payload);
  }
  std::vector<CaseLine> all() { return std::move(all_); }

 private:
  void take(const trace::Store& store) {
    all_.push_back(
        {.kind = Kind::store, .bytes = 8, .address = store.pa, .value = store.value.value_or(0)});
  }
  void take(const trace::Fill& fill) {
    all_.push_back({.kind = Kind::fill,
                    .bytes = 8,
                    .where = fill.words,
                    .address = fill.pa,
                    .value = fill.value});
  }
  void take(const trace::Load& load) { word(load.pa, load.value.value_or(0)); }
  void take(const trace::MmioWrite& write) {
    if (write.offset == reg::eventq_cons) event_ = write.value % pow2(queues_.eventq_lg2);
    all_.push_back(
        {.kind = Kind::write, .bytes = write.size, .where = write.offset, .value = write.value});
  }
  void take(const trace::MmioRead& read) {
    all_.push_back(
        {.kind = Kind::read, .bytes = read.size, .where = read.offset, .value = read.value});
  }
  void take(const trace::Dma& dma) { all_.push_back(dma_line(dma)); }
  void take(const trace::AtsRequest& one) { all_.push_back(request_line(one)); }
  void take(const trace::AtcInvalidated& /*one*/) { all_.push_back({.kind = Kind::answer}); }
  void take(const trace::PageRequest& one) { all_.push_back(page_line(one)); }
  void take(const trace::PageRequestQueued& queued) {
    if (!queued.record || !queued.slot) return;
    const u64 place = queues_.priq + 16 * *queued.slot;
    for (unsigned i = 0; i < 2; ++i) word(place + 8 * i, (*queued.record)[i]);
  }
  void take(const trace::EventRecorded& recorded) {
    if (!recorded.record) return;
    const u64 place = queues_.eventq + 32 * event_;
    event_ = (event_ + 1) % pow2(queues_.eventq_lg2);
    for (unsigned i = 0; i < 4; ++i) word(place + 8 * i, (*recorded.record)[i]);
  }
  void take(const trace::Note& note) {
    if (note.text == saved_note) all_.push_back({.kind = Kind::save});
    if (note.text == silence_note) all_.push_back({.kind = Kind::silence});
  }
  template <class Payload>
  void take(const Payload& /*payload*/) {}

  void word(u64 pa, u64 value) {
    all_.push_back({.kind = Kind::load, .bytes = 8, .address = pa, .value = value});
  }

  QueueLayout queues_;
  u64 event_ = 0;  // index of the next record
  std::vector<CaseLine> all_;
};

}  // namespace

Expected<std::vector<CaseLine>> case_lines(const trace::Trace& trace) {
  const auto what = case_of(trace, "a program");
  if (!what) return std::unexpected(what.error());
  if (trace.header.profile->contains("delegates")) {
    return fail(ErrorCode::bad_input,
                "its device delegates translation: a program would need the SMMU of its host, "
                "which conform --replay has");
  }
  Lines lines(what->queues);
  for (const trace::Event& event : trace.events) lines.add(event);
  return lines.all();
}

}  // namespace iommucheck::oracle
