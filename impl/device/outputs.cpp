// SPDX-License-Identifier: MIT
// What the SMMU tells software: event records, page requests, errors, interrupts. IHI 0070 3.18,
// 7, 8. All of it is under the lock of the outputs.
#include <algorithm>

#include "impl/device/smmu.h"

namespace iommucheck::device {

namespace {

struct Geometry {
  u64 base = 0;
  unsigned lg2 = 0;
  u32 wrap = 0;  ///< index and wrap bit
};

Geometry geometry(u64 base, unsigned most, unsigned entry_lg2, unsigned oas) {
  Geometry queue;
  queue.lg2 = std::min<unsigned>(base & 31, most);
  queue.base = align_down(base & mask(51, 5) & low_mask(oas), queue.lg2 + entry_lg2);
  queue.wrap = static_cast<u32>(low_mask(queue.lg2 + 1));
  return queue;
}

bool is_full(const Geometry& queue, u32 prod, u32 cons) {
  return ((prod ^ cons) & queue.wrap) == u32{1} << queue.lg2;
}
bool is_empty(const Geometry& queue, u32 prod, u32 cons) {
  return ((prod ^ cons) & queue.wrap) == 0;
}

constexpr unsigned event_lg2 = 5, page_lg2 = 4;
constexpr u32 last_only = 1U << 31;  // LO of PRIQ_IRQ_CFG2

}  // namespace

/// Toggles what is not active. Of MSIs of errors nothing is told by an MSI.
void Smmu::raise(u32 error) {
  // Commands raise theirs without the lock, records under it.
  std::unique_lock outputs(outputs_);
  raise_locked(error);
}

void Smmu::raise_locked(u32 error) {
  if (((r_.gerror ^ r_.gerrorn) & error) != 0) return;
  r_.gerror ^= error;
  signal(Line::global_error, irq::gerror,
         error == gerror::msi_gerror_abt ? 0 : gerror::msi_gerror_abt);
}

/// By a message where one is set up, else by the wire. `error`: of a message that aborts; 0: it is
/// not told.
void Smmu::signal(Line line, u32 enable, u32 error) {
  if ((r_.irq_ctrl & enable) == 0) return;
  const Msi& msi = r_.msi[static_cast<std::size_t>(line)];
  if (!features_.msi || msi.address == 0) return host_.interrupt(line);
  if (!bus_.write(msi.address, &msi.data, sizeof msi.data) && error != 0) raise_locked(error);
}

bool Smmu::may_record() const {
  return (r_.cr0 & cr0::eventqen) != 0 && ((r_.gerror ^ r_.gerrorn) & gerror::eventq_abt_err) == 0;
}

Smmu::Recorded Smmu::record(const std::array<u64, 4>& words) {
  const std::lock_guard outputs(outputs_);
  return record_locked(words);
}

/// IHI 0070 7.2, 7.4. What does not stall and finds no room is lost.
Smmu::Recorded Smmu::record_locked(const std::array<u64, 4>& words) {
  if (!may_record()) return Recorded::lost;
  const Geometry queue = geometry(r_.events.base, features_.eventqs, event_lg2, features_.oas);
  const u32 prod = r_.events.prod;
  if (is_full(queue, prod, r_.events.cons)) {
    if (((prod ^ r_.events.cons) & overflow_flag) == 0) r_.events.prod ^= overflow_flag;
    return Recorded::lost;
  }
  const u64 slot = queue.base + u64{prod & (queue.wrap >> 1)} * 32;
  if (!bus_.write(slot, words.data(), sizeof words)) {
    raise_locked(gerror::eventq_abt_err);
    return Recorded::lost;
  }
  const bool first = is_empty(queue, prod, r_.events.cons);
  r_.events.prod = (prod & overflow_flag) | ((prod + 1) & queue.wrap);
  if (first) signal(Line::event_queue, irq::eventq, gerror::msi_eventq_abt);
  return Recorded::written;
}

/// Nothing: there is no room for the record, or for what stalls.
std::optional<u16> Smmu::record_stall(u32 sid, std::array<u64, 4> words) {
  const std::lock_guard outputs(outputs_);
  if (!may_record()) return std::nullopt;
  const Geometry queue = geometry(r_.events.base, features_.eventqs, event_lg2, features_.oas);
  if (is_full(queue, r_.events.prod, r_.events.cons)) return std::nullopt;
  for (std::size_t i = 0; i < features_.stall_max; ++i) {
    if (r_.stalls[i].used != 0) continue;
    words[1] |= i;
    if (record_locked(words) != Recorded::written) return std::nullopt;
    r_.stalls[i] = {sid, 1};
    return static_cast<u16>(i);
  }
  return std::nullopt;
}

// ---- page requests, IHI 0070 8 ------------------------------------------------------------------

void Smmu::send_response(const PageRequest& request, u32 code, bool tagged) {
  host_.page_response({.sid = request.sid,
                       .ssv = tagged,
                       .ssid = tagged ? request.ssid : 0,
                       .prg_index = request.prg_index,
                       .code = code});
}

/// The response to the last of a group that an overflow takes: with its PASID by IDR3.PPS, or as
/// STE.PPAR says. 8.1.
void Smmu::answer_overflow(const PageRequest& request) {
  constexpr u32 success = 0, failure = 15;
  if (features_.ssidsize == 0 || !request.ssv || features_.pps) {
    return send_response(request, success, request.ssv && features_.ssidsize != 0);
  }
  const Mode now = mode();
  Words ste{};
  Fault fault;
  bool found = find_ste(now, request.sid, ste, fault);
  if (found) {
    Context context;
    found = decode_ste(ste, {features_, now.e2h}, context);
    if (!found) fault = {.event = Event::c_bad_ste};
  }
  if (found) return send_response(request, success, bit(ste[1], 18));
  if (now.rec_cfg_ats && (fault.event != Event::c_bad_streamid || now.recinvsid)) {
    std::array<u64, 4> words{static_cast<u64>(fault.event) | u64{request.sid} << 32};
    if (request.ssv) words[0] |= 1 << 11 | u64{request.ssid & 0xfffff} << 12;
    if (fault.event == Event::f_ste_fetch) words[3] = fault.fetch & mask(51, 3);
    (void)record_locked(words);
  }
  send_response(request, failure, false);
}

void Smmu::page_request(const PageRequest& given) {
  if (!features_.pri) return;
  constexpr u32 failure = 15, both = cr0::smmuen | cr0::priqen;
  PageRequest request = given;
  request.ssv = given.ssv && features_.ssidsize != 0;
  const std::lock_guard control(control_);
  const std::lock_guard outputs(outputs_);
  const bool marker = given.ssv && request.last && !request.write && !request.read;
  const bool aborted = ((r_.gerror ^ r_.gerrorn) & gerror::priq_abt_err) != 0;
  if ((r_.cr0 & both) != both || aborted) {
    if (!marker) send_response(request, failure, false);
    return;
  }
  const Geometry queue = geometry(r_.pages.base, features_.priqs, page_lg2, features_.oas);
  const bool counts = request.last;
  if (((r_.pages.prod ^ r_.pages.cons) & overflow_flag) != 0 ||
      is_full(queue, r_.pages.prod, r_.pages.cons)) {
    if (((r_.pages.prod ^ r_.pages.cons) & overflow_flag) == 0) r_.pages.prod ^= overflow_flag;
    if (request.last && !marker) answer_overflow(request);
    if (counts) signal_pages(false);
    return;
  }
  std::array<u64, 2> words{};
  words[0] =
      request.sid | u64{request.last} << 62 | u64{request.write} << 61 | u64{request.read} << 60;
  if (request.ssv) {
    words[0] |= u64{request.ssid & 0xfffff} << 32 | u64{1} << 63 | u64{request.execute} << 59 |
                u64{request.privileged} << 58;
  }
  words[1] = (request.address & mask(63, 12)) | (request.prg_index & 0x1ff);
  const u32 prod = r_.pages.prod;
  if (!bus_.write(queue.base + u64{prod & (queue.wrap >> 1)} * 16, words.data(), sizeof words)) {
    raise_locked(gerror::priq_abt_err);
    if (!marker) send_response(request, failure, false);
    return;
  }
  const bool first = is_empty(queue, prod, r_.pages.cons);
  r_.pages.prod = (prod & overflow_flag) | ((prod + 1) & queue.wrap);
  if ((r_.msi[1].attributes & last_only) != 0) {
    if (counts) signal_pages(false);
  } else if (first) {
    signal_pages(true);
  }
}

/// By PRIQ_IRQ_CFG2.LO: when the queue gets a first record, or with every last message of a group.
void Smmu::signal_pages(bool by_first) {
  const bool lo = (r_.msi[1].attributes & last_only) != 0;
  if (lo == by_first) return;
  signal(Line::page_requests, irq::priq, gerror::msi_priq_abt);
}

}  // namespace iommucheck::device
