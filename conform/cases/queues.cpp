// SPDX-License-Identifier: MIT
// Queues of each size, from near their end so that indices wrap in all of their bits; and queues
// that lie where no memory is. IHI 0070 3.5.1, 6.3.26 to 6.3.33, 7.1, 7.2.2.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Granule;

constexpr unsigned reads_of_all = 9;  // one more than a device may take its time
constexpr u64 queue_page = 0x1000;

/// Each command has an effect that is seen, each record is read where it has to be.
void use_both(CaseBuilder& b, u64 rounds) {
  const u64 root = b.root(Granule::g4k, 25);
  const u64 place = b.entry(root, Granule::g4k, 25, queue_page, 3);
  b.translate(0, root);
  for (u64 i = 0; i < rounds; ++i) {
    b.store(place, leaf_word(Granule::g4k, 3, b.data(0x1000 * (i % 4)), {}));
    b.both(queue_page);
    b.store(place, 0);
    b.command(spec::cmd_tlbi_nh_va(0, 1, queue_page));
    b.sync();
    b.access(queue_page, i % 2 == 0);
    b.poll();
  }
}

void size_case(const DeviceIdentity& device, std::vector<Case>& cases, bool commands,
               unsigned lg2) {
  CaseOptions options;
  (commands ? options.cmdq_lg2 : options.eventq_lg2) = lg2;
  (commands ? options.cmdq : options.eventq) = QueuePlace::huge;
  CaseBuilder b(
      device,
      fmt::format("{} queue: 2^{} entries, over its end", commands ? "command" : "event", lg2),
      options);
  use_both(b, 4);
  cases.push_back(b.take());
}

/// Their registers are written by halves, the lower one first, and each is used over its end: a
/// size that was lost on the way shows there. IHI 0070 6.2.
void halves_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned lg2) {
  CaseBuilder b(
      device,
      fmt::format("queues: registers written by halves, 2^{} entries, over their ends", lg2),
      {.cmdq_lg2 = lg2, .eventq_lg2 = lg2, .by_halves = true});
  use_both(b, 2 * pow2(lg2));
  cases.push_back(b.take());
}

/// Small ones over their end.
void page_queue_size_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned lg2) {
  CaseBuilder b(device, fmt::format("page request queue: 2^{} entries", lg2),
                {.pages = PageQueue::enabled, .priq_lg2 = lg2, .priq = QueuePlace::huge});
  b.asks(spec::rule::PAGE_REQUEST_RECORD);
  b.translate(0, b.root(Granule::g4k, 25));
  const u32 requests = lg2 < 4 ? (u32{1} << lg2) + 2 : 4;
  for (u32 i = 0; i < requests; ++i) {
    b.page_request({.address = 0x1000 * u64{i}, .prg_index = i, .last = true, .read = true});
    b.page_poll();
  }
  cases.push_back(b.take());
}

void look(CaseBuilder& b) {
  for (unsigned i = 0; i < reads_of_all; ++i) b.read(reg::gerror);
  b.read(reg::cmdq_cons);
  b.read(reg::gerrorn);
}

void absent_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder c(device, "command queue: it lies where no memory is", {.cmdq = QueuePlace::absent});
  c.asks(spec::rule::COMMAND_ERROR_STOPS);
  c.write(reg::cmdq_prod, 2);
  look(c);
  c.write(reg::gerrorn, spec::gerror::cmdq_err);  // fetched again
  look(c);
  cases.push_back(c.take());

  // Records are read nowhere: EVENTQ_PROD says nothing of them. Commands go on meanwhile.
  CaseBuilder e(device, "event queue: it lies where no memory is", {.eventq = QueuePlace::absent});
  e.asks(spec::rule::EVENT_LOST);
  e.translate(0, e.root(Granule::g4k, 25));
  u64 acknowledged = 0;
  for (u64 round = 0; round < 2; ++round) {
    e.access(0x1000 + 0x1000 * round);
    look(e);
    e.command(spec::cmd_tlbi_nsnh_all());
    e.sync();
    e.command_words(0xff, 0);  // and one error beside the other
    look(e);
    acknowledged ^= spec::gerror::eventq_abt_err;
    e.write(reg::gerrorn, acknowledged);
    look(e);
    e.mend();
    acknowledged ^= spec::gerror::cmdq_err;
    e.sync();
  }
  cases.push_back(e.take());

  // The second of them finds the error active, and toggles nothing. IHI 0070 7.5.
  CaseBuilder t(device, "event queue: it lies where no memory is, two records before GERRORN",
                {.eventq = QueuePlace::absent});
  t.asks(spec::rule::REGISTER_READ);
  t.translate(0, t.root(Granule::g4k, 25));
  for (u64 i = 1; i <= 3; ++i) {
    t.access(0x1000 * i);
    look(t);
  }
  t.write(reg::gerrorn, spec::gerror::eventq_abt_err);
  look(t);
  cases.push_back(t.take());

  if (!device.pri) return;
  CaseBuilder p(device, "pages: the queue lies where no memory is, and GERROR says so",
                {.pages = PageQueue::enabled, .priq = QueuePlace::absent});
  p.asks(spec::rule::PAGE_REQUEST_RECORD);
  p.ste(0, spec::make_abort_ste());
  p.enable();
  for (u64 round = 0; round < 2; ++round) {
    p.page_request({.address = 0x1000, .last = true, .read = true});
    look(p);
    p.write(reg::gerrorn, round == 0 ? spec::gerror::priq_abt_err : 0);
  }
  cases.push_back(p.take());
}

}  // namespace

void queue_place_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (caps.queues_preset) return;
  for (const bool commands : {true, false}) {
    const unsigned most = commands ? caps.cmdqs : caps.eventqs;
    for (unsigned lg2 = 0; lg2 <= most; ++lg2) {
      const u64 bytes = (commands ? u64{16} : u64{32}) << lg2;
      if (bytes > device.structures_bytes / 2) break;
      size_case(device, cases, commands, lg2);
    }
  }
  for (const unsigned lg2 : {1U, 3U}) {
    if (lg2 <= std::min(caps.cmdqs, caps.eventqs)) halves_case(device, cases, lg2);
  }
  for (unsigned lg2 = 0; device.pri && lg2 <= caps.priqs; ++lg2) {
    if (u64{16} << lg2 > device.structures_bytes / 2) break;
    page_queue_size_case(device, cases, lg2);
  }
  if (device.absent_bytes != 0) absent_cases(device, cases);
}

}  // namespace iommucheck::oracle
