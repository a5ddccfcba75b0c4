// SPDX-License-Identifier: MIT
// Page requests: which messages are recorded, which the SMMU answers itself, and which it ignores;
// overflows and their end; responses by command. IHI 0070 4.5.2, 8.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/rules/commands.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::PageRequest;
using spec::Rule;
namespace rule = spec::rule;

constexpr unsigned queue_lg2 = 2;
constexpr unsigned queue_size = 4;
constexpr unsigned resp_failure = 0, resp_invalid = 1, resp_success = 2, resp_reserved = 3;

/// Each message of a case is for a page of its own, so that its record is no other's.
class Messages {
 public:
  Messages(const DeviceIdentity& device, const std::string& name, Rule asks,
           CaseOptions options = {})
      : b(device, "pages: " + name, with_queue(options)) {
    b.asks(asks);
    tagged_ = device.sends_substreams && b.capabilities().ssidsize >= 2;
  }

  /// Reads `page` of the case; with a PASID where the machine has them.
  PageRequest next(bool last, bool with_pasid = false) {
    PageRequest request{.address = 0x1000 * ++pages_, .last = last, .read = true};
    request.prg_index = static_cast<u32>(pages_ & mask(8, 0));
    if (with_pasid && tagged_) request.ssid = static_cast<u32>(1 + pages_ % 3);
    return request;
  }
  void send(bool last, bool with_pasid = false, unsigned engine = 0) {
    b.page_request(next(last, with_pasid), engine);
  }
  /// A Stop Marker, where there are PASIDs.
  void stop(unsigned engine = 0) {
    if (!tagged_) return;
    PageRequest marker = next(true, true);
    marker.read = false;
    b.page_request(marker, engine);
  }
  /// One of each kind.
  void send_all() {
    for (const bool with_pasid : {false, true}) {
      send(false, with_pasid);
      send(true, with_pasid);
    }
    stop();
  }
  [[nodiscard]] bool has_pasids() const { return tagged_; }
  void add_to(std::vector<Case>& cases) { cases.push_back(b.take()); }

  CaseBuilder b;

 private:
  static CaseOptions with_queue(CaseOptions options) {
    if (options.pages == PageQueue::none) options.pages = PageQueue::enabled;
    return options;
  }
  u64 pages_ = 0;
  bool tagged_ = false;
};

/// An STE that is there and does nothing: page requests do not depend on STE.EATS.
void enable(Messages& m, unsigned ppar = 0) {
  for (unsigned e = 0; e < m.b.device().sids.size() && e < 2; ++e) {
    spec::Ste<u64> ste = spec::make_abort_ste();
    if (m.b.capabilities().ssidsize != 0) ste.dw[1] = with_bits(ste.dw[1], 18, 18, ppar);
    m.b.ste(e, ste);
  }
  m.b.enable();
}

// ---- records ------------------------------------------------------------------------------------

/// Field by field.
void record_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  Messages m(device, "records", rule::PAGE_REQUEST_RECORD);
  enable(m);
  unsigned sent = 0;
  const auto send = [&](const PageRequest& request, unsigned engine = 0) {
    m.b.page_request(request, engine);
    if (++sent % 3 == 0) m.b.page_poll();  // so that it wraps at each place
  };
  for (const bool last : {false, true}) {
    for (unsigned rights = 0; rights < 4; ++rights) {
      PageRequest request = m.next(last);
      request.read = bit(rights, 0);
      request.write = bit(rights, 1);
      send(request, rights % 2);
    }
  }
  for (const u32 index : {0x1ffU, 0U, 0x100U, 0x0aaU}) {
    PageRequest request = m.next(true);
    request.prg_index = index;
    send(request);
  }
  for (const u64 page : {~mask(11, 0), u64{0}, u64{1} << 63, u64{0xfff} << 12}) {
    PageRequest request = m.next(false);
    request.address = page;
    send(request);
  }
  m.b.page_poll();
  m.add_to(cases);
}

void substream_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  Messages m(device, "records with a PASID", rule::PAGE_REQUEST_RECORD);
  if (!m.has_pasids()) return;
  enable(m);
  for (unsigned wants = 0; wants < 32; ++wants) {
    PageRequest request = m.next(bit(wants, 0), true);
    request.read = bit(wants, 1);
    request.write = bit(wants, 2);
    request.execute = bit(wants, 3);
    request.privileged = bit(wants, 4);
    m.b.page_request(request, wants % 2);
    if (wants % 3 == 2) m.b.page_poll();
  }
  const u32 largest = static_cast<u32>(mask(m.b.capabilities().ssidsize - 1, 0));
  for (const u32 ssid : {0U, largest}) {
    m.b.page_poll();
    PageRequest request = m.next(true, true);
    request.ssid = ssid;
    m.b.page_request(request);
  }
  m.b.page_poll();
  m.stop();
  m.send(true);
  m.b.page_poll();
  m.add_to(cases);
}

/// Several groups of several endpoints, answered when their last one is there.
void group_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  Messages m(device, "groups and their answers", rule::PAGE_REQUEST_RESPONSE);
  enable(m);
  for (u32 round = 0; round < 4; ++round) {
    for (const bool last : {false, true}) {
      for (unsigned e = 0; e < 2; ++e) {
        PageRequest request = m.next(last);
        request.prg_index = round;  // of each endpoint its own
        m.b.page_request(request, e);
      }
    }
    m.b.page_poll();
    for (unsigned e = 0; e < 2; ++e) {
      m.b.command(pri_resp(m.b.sid(e), round, round % 2 == 0 ? resp_success : resp_invalid));
    }
    m.b.sync();
  }
  m.add_to(cases);
}

// ---- a queue that takes none --------------------------------------------------------------------

void disabled_page_requests(const DeviceIdentity& device, std::vector<Case>& cases) {
  Messages m(device, "PRIQEN = 0", rule::PAGE_REQUEST_RESPONSE, {.pages = PageQueue::disabled});
  enable(m, 1);
  m.send_all();
  m.b.page_poll();
  m.b.enable_page_queue(true);
  m.send(true);
  m.b.page_poll();
  m.b.enable_page_queue(false);
  m.send_all();
  m.add_to(cases);

  Messages s(device, "SMMUEN = 0", rule::PAGE_REQUEST_RESPONSE);
  s.send_all();
  s.b.page_poll();
  enable(s, 1);
  s.send(false);
  s.send(true);
  s.b.disable();
  s.send_all();
  s.b.page_poll();
  s.add_to(cases);
}

/// What the queue holds when it is disabled stays; and a full queue that is disabled answers as one
/// that is disabled.
void disabled_full_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  Messages m(device, "PRIQEN = 0 with a full queue", rule::PAGE_REQUEST_RESPONSE);
  enable(m);
  for (unsigned i = 0; i < queue_size; ++i) m.send(i % 2 != 0);
  m.b.enable_page_queue(false);
  m.send(false);
  m.send(true);
  m.b.page_poll();
  m.b.enable_page_queue(true);
  m.send(true);
  m.b.page_poll();
  m.add_to(cases);
}

/// Its records go where no memory is.
void absent_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.absent_bytes < u64{16} << queue_lg2) return;
  Messages m(device, "the queue is where no memory is", rule::PAGE_REQUEST_RESPONSE,
             {.priq = QueuePlace::absent});
  enable(m, 1);
  m.send(false);
  m.b.read(reg::gerror);
  m.send_all();
  m.b.page_poll();
  m.add_to(cases);
}

// ---- overflow -----------------------------------------------------------------------------------

void overflow_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned lg2) {
  Messages m(device, fmt::format("overflow of a queue of {}", pow2(lg2)),
             rule::PAGE_REQUEST_OVERFLOW, {.priq_lg2 = lg2});
  enable(m);
  for (unsigned round = 0; round < 3; ++round) {
    for (u64 i = 0; i < pow2(lg2); ++i) m.send(i % 2 != 0);
    // The first that finds it full: of each kind in turn.
    if (round == 0) m.send(true);
    if (round == 1) m.send(false);
    if (round == 2) m.stop();
    m.send(false);
    m.send(true);
    m.send(true, false, 1);
    m.stop();
    m.b.page_poll(true);  // there is room now, and the overflow is still there
    m.send(false);
    m.send(true);
    m.b.page_poll();
    m.send(true);  // and now it takes them again
    m.b.page_poll();
  }
  m.add_to(cases);
}

/// The PASID of a response to an overflow is STE.PPAR's, or IDR3.PPS's.
void ppar_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto one = [&](const std::string& name, auto&& ste_of) {
    Messages m(device, "overflow, " + name, rule::PAGE_REQUEST_RESPONSE);
    m.b.ste(0, ste_of(m.b));
    m.b.enable();
    for (unsigned i = 0; i < queue_size; ++i) m.send(true, true);
    m.send_all();
    m.b.page_poll();
    m.add_to(cases);
  };
  const bool has_field = spec::parse_capabilities(device.id).ssidsize != 0;
  for (const unsigned ppar : {0U, 1U}) {
    if (ppar == 1 && !has_field) continue;
    one(fmt::format("PPAR = {}", ppar), [&](CaseBuilder& b) {
      spec::Ste<u64> ste = b.stage1_ste(0);
      ste.dw[1] = with_bits(ste.dw[1], 18, 18, ppar);
      return ste;
    });
  }
  one("an STE with V = 0", [&](CaseBuilder&) {
    spec::Ste<u64> ste;
    if (has_field) ste.dw[1] = u64{1} << 18;
    return ste;
  });
}

// ---- responses ----------------------------------------------------------------------------------

void response_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  Messages m(device, "CMD_PRI_RESP", rule::PAGE_REQUEST_RESPONSE);
  m.b.command(pri_resp(m.b.sid(0), 1, resp_success));  // ignored: SMMUEN = 0
  m.b.sync();
  enable(m);
  for (const unsigned resp : {resp_failure, resp_invalid, resp_success}) {
    for (const u32 index : {0U, 0x155U, 0x1ffU}) {
      m.b.command(pri_resp(m.b.sid(resp % 2), index, resp));
      if (m.has_pasids()) m.b.command(pri_resp(m.b.sid(0), index, resp, 1 + index % 3));
    }
    m.b.sync();
  }
  for (unsigned i = 0; i < 6; ++i) m.b.command(pri_resp(m.b.sid(0), 7, resp_success));
  m.b.sync();
  m.b.disable();
  m.b.command(pri_resp(m.b.sid(0), 3, resp_failure));
  m.b.sync();
  m.b.page_poll();
  m.add_to(cases);

  Messages e(device, "CMD_PRI_RESP behind an illegal command", rule::PAGE_REQUEST_RESPONSE);
  enable(e);
  e.b.command(pri_resp(e.b.sid(0), 1, resp_reserved));
  e.b.command(pri_resp(e.b.sid(0), 2, resp_success));
  e.b.mend(pri_resp(e.b.sid(0), 3, resp_invalid));
  e.b.sync();
  // One that has been sent when GERRORN is written, which changes nothing, is not sent again.
  e.b.command(pri_resp(e.b.sid(0), 6, resp_success));
  e.b.page_poll();
  e.b.write(reg::gerrorn, spec::gerror::cmdq_err);
  e.b.sync();
  e.b.command(pri_resp(e.b.sid(0), 4, resp_reserved));
  e.b.mend(pri_resp(e.b.sid(1), 5, resp_failure));
  e.b.sync();
  e.b.page_poll();
  e.add_to(cases);
}

}  // namespace

void page_request_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!device.pri || !caps.pri || caps.priqs < queue_lg2) return;
  record_cases(device, cases);
  substream_case(device, cases);
  group_case(device, cases);
  disabled_page_requests(device, cases);
  disabled_full_case(device, cases);
  absent_case(device, cases);
  for (const unsigned lg2 : {0U, queue_lg2}) overflow_case(device, cases, lg2);
  ppar_cases(device, cases);
  response_cases(device, cases);
}

}  // namespace iommucheck::oracle
