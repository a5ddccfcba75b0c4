// SPDX-License-Identifier: MIT
// Interrupts: each source enabled and disabled, once and again. What they are judged by is in
// conform/interrupt_rules.h. IHI 0070 3.18, 4.7.3, 6.3.18.
#include <fmt/format.h>

#include <string_view>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/rules/protocol.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
namespace rule = spec::rule;

constexpr u64 events = spec::irq_ctrl::eventq_irqen, errors = spec::irq_ctrl::gerror_irqen,
              page_requests = spec::irq_ctrl::priq_irqen;
constexpr u32 event_payload = 0x5a5a5a5a, error_payload = 0x12345678, sync_payload = 0x0badcafe,
              page_payload = 0x0f00d00f;

void enable(CaseBuilder& b, u64 fields) {
  b.write(reg::irq_ctrl, fields);
  for (unsigned i = 0; i < 8; ++i) b.read(reg::irq_ctrlack);
}

/// What interrupts are sent as: where there are messages, an address of 0 leaves the wire alone.
/// IHI 0070 3.18.2.
enum class By : u8 { message, wire };
std::vector<By> ways_of(const DeviceIdentity& device) {
  if (!spec::parse_capabilities(device.id).msi) return {By::wire};
  return {By::message, By::wire};
}

/// With stage 1 and nothing mapped, so that each access has a record; the queue is seen to be
/// empty.
CaseBuilder begin(const DeviceIdentity& device, const std::string& name, u64 fields,
                  By by = By::message) {
  const bool msi = spec::parse_capabilities(device.id).msi;
  CaseBuilder b(device, "interrupts: " + name + (msi && by == By::wire ? ", by wire" : ""));
  if (msi && by == By::message) {
    b.write(reg::eventq_irq_cfg0, b.data(0x40), 8);
    b.write(reg::eventq_irq_cfg1, event_payload);
    b.write(reg::gerror_irq_cfg0, b.data(0x80), 8);
    b.write(reg::gerror_irq_cfg1, error_payload);
  }
  enable(b, fields);
  b.translate(0, b.root(spec::Granule::g4k, 25));
  b.read(reg::gerror);
  b.poll();
  return b;
}

/// What becomes known last; and where messages go.
Case end(CaseBuilder& b) {
  for (unsigned i = 0; i < 3; ++i) b.poll();
  b.read(reg::gerror);
  for (const u64 place : {0x40U, 0x80U, 0xc0U, 0x100U}) b.look(b.data(place));
  return b.take();
}

void event_cases(const DeviceIdentity& device, std::vector<Case>& cases, By by) {
  for (const u64 fields : {u64{0}, events, errors, events | errors}) {
    CaseBuilder b = begin(device, fmt::format("records, IRQ_CTRL = {:#x}", fields), fields, by);
    for (u64 i = 1; i < 4; ++i) {  // empty again each time
      b.access(0x1000 * i, i == 2);
      b.poll();
      b.poll();
    }
    for (u64 i = 1; i < 4; ++i) b.access(0x1000 * i);  // and one that is not
    cases.push_back(end(b));
  }
  CaseBuilder b = begin(device, "records, enabled and disabled", events, by);
  for (const u64 fields : {u64{0}, events, u64{0}, events}) {
    b.access(0x1000);
    b.poll();
    b.poll();
    enable(b, fields);
    b.poll();
  }
  b.access(0x2000);
  cases.push_back(end(b));
}

void error_interrupts(const DeviceIdentity& device, std::vector<Case>& cases, By by) {
  for (const u64 fields : {u64{0}, events, errors}) {
    CaseBuilder b =
        begin(device, fmt::format("a command error, IRQ_CTRL = {:#x}", fields), fields, by);
    b.command_words(0xff, 0);
    for (unsigned i = 0; i < 3; ++i) {
      b.read(reg::cmdq_cons);
      b.read(reg::gerror);
    }
    cases.push_back(end(b));
  }
}

/// Each CS that is legal; with a message's address where there are messages, and without.
void sync_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const bool msi = spec::parse_capabilities(device.id).msi;
  for (unsigned cs = 0; cs < 3; ++cs) {
    for (const bool message : {false, true}) {
      if (message && !msi) continue;
      CaseBuilder b = begin(
          device, fmt::format("CMD_SYNC with CS = {}{}", cs, message ? " and a message" : ""), 0);
      for (const u64 at : {0xc0U, 0xc0U, 0xd4U}) {
        b.command(spec::cmd_sync(cs, message ? b.data(at) : 0, message ? sync_payload : 0));
        b.sync();
      }
      for (unsigned i = 0; i < 8; ++i) b.read(reg::cmdq_cons);
      for (const u64 at : {0xc0U, 0xd0U}) b.look(b.data(at));
      cases.push_back(end(b));
    }
  }
}

/// PRIQ_IRQ_CFG2.LO, which is no field where there are no messages: one for a queue that fills, or
/// one for each message with Last.
void page_request_interrupts(const DeviceIdentity& device, std::vector<Case>& cases) {
  const bool msi = spec::parse_capabilities(device.id).msi;
  for (const unsigned way : {0U, 1U, 2U}) {
    const bool last_only = way != 0, meets_full_queue = way == 2;
    if (!device.pri || (last_only && !msi)) continue;
    for (const u64 fields : {u64{0}, page_requests, events, events | page_requests}) {
      CaseBuilder b(
          device,
          fmt::format("interrupts: page requests, LO = {}, IRQ_CTRL = {:#x}{}", last_only ? 1 : 0,
                      fields, meets_full_queue ? ", the last one meets a full queue" : ""),
          {.pages = PageQueue::enabled, .priq_lg2 = 2});
      if (msi) {
        b.write(reg::priq_irq_cfg0, (fields & events) != 0 ? b.data(0x100) : 0, 8);
        b.write(reg::priq_irq_cfg1, page_payload);
        b.write(reg::priq_irq_cfg2, last_only ? u64{1} << 31 : 0);
      }
      enable(b, fields);
      b.ste(0, spec::make_abort_ste());
      b.enable();
      b.page_poll();
      u64 page = 0;
      const auto send = [&](bool last) {
        b.page_request({.address = 0x1000 * ++page, .last = last, .read = true});
      };
      for (const bool last : {false, true, true, false}) {
        send(last);
        b.page_poll();
        b.page_poll();
      }
      for (const bool last : {false, false, true, false}) send(last);  // of several one
      b.page_poll();
      for (unsigned i = 0; i < 6; ++i) send(i == 5);  // the last one finds it full
      b.page_poll();
      b.page_poll();
      // The last interrupt of the case is due: of one that is recorded, or that finds no room.
      if (last_only && meets_full_queue) {
        for (unsigned i = 0; i < 5; ++i) send(i == 4);
        b.page_poll();
        cases.push_back(end(b));
        continue;
      }
      send(last_only);  // the last interrupt of the case is due
      b.page_poll();
      cases.push_back(end(b));
    }
  }
}

/// With LO = 1 each message with Last is told, whether or not what came before it was consumed.
/// That of the first one has been sent when the second one comes. IHI 0070 3.18.2, 6.3.36.
void unconsumed_page_requests(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (!device.pri || !spec::parse_capabilities(device.id).msi) return;
  for (const bool first : {false, true}) {
    CaseBuilder b(device,
                  fmt::format("interrupts: page requests, LO = 1, the last one behind one with "
                              "Last = {} that is not consumed",
                              first ? 1 : 0),
                  {.pages = PageQueue::enabled, .priq_lg2 = 2});
    b.write(reg::priq_irq_cfg0, 0, 8);
    b.write(reg::priq_irq_cfg2, u64{1} << 31);
    enable(b, page_requests);
    b.ste(0, spec::make_abort_ste());
    b.enable();
    b.page_poll();
    u64 page = 0;
    for (const bool last : {first, true}) {
      b.page_request({.address = 0x1000 * ++page, .last = last, .read = true});
      for (unsigned i = 0; i < 8; ++i) b.read(reg::irq_ctrlack);  // it is told meanwhile
    }
    b.page_poll();
    cases.push_back(end(b));
  }
}

/// Messages that are sent to where no memory is: each says so in GERROR, once until it is
/// acknowledged, and hides none of the others.
void abort_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const char* const name : {"the event queue", "a global error", "CMD_SYNC", "all"}) {
    const auto is = [&](const char* which) {
      return std::string_view(name) == which || std::string_view(name) == "all";
    };
    CaseBuilder b(device, fmt::format("interrupts: the message of {} aborts", name));
    if (is("the event queue")) b.write(reg::eventq_irq_cfg0, device.absent_pa + 0x40, 8);
    if (is("a global error")) b.write(reg::gerror_irq_cfg0, device.absent_pa + 0x80, 8);
    enable(b, events | errors);
    b.translate(0, b.root(spec::Granule::g4k, 25));
    b.read(reg::gerror);
    b.poll();
    for (u64 round = 0; round < 3; ++round) {
      b.access(0x1000 * (1 + round));
      b.poll();
      b.read(reg::gerror);
      const u64 to = is("CMD_SYNC") ? device.absent_pa + 0xc0 : 0;
      b.command(spec::cmd_sync(1, to, to != 0 ? sync_payload : 0));
      b.sync();
      b.read(reg::gerror);
      if (round == 0) {
        b.command_words(0xff, 0);
        for (unsigned i = 0; i < 3; ++i) {
          b.read(reg::cmdq_cons);
          b.read(reg::gerror);
        }
        b.mend();
        b.sync();
      }
    }
    b.poll();
    b.read(reg::gerror);
    // Acknowledged, it is told once more.
    for (const auto& [which, error] : {std::pair{"the event queue", spec::gerror::msi_eventq_abt},
                                       std::pair{"a global error", spec::gerror::msi_gerror_abt},
                                       std::pair{"CMD_SYNC", spec::gerror::msi_cmdq_abt}}) {
      if (std::string_view(name) != which) continue;
      b.write(reg::gerrorn, spec::gerror::cmdq_err | error);
      b.read(reg::gerror);
      b.access(0x9000);
      b.poll();
      b.command(spec::cmd_sync(1, is("CMD_SYNC") ? device.absent_pa + 0xc0 : 0, 0));
      b.sync();
      b.read(reg::gerror);
    }
    cases.push_back(b.take());
  }
}

/// Without an address no message is sent, so that none can abort. IHI 0070 6.3.21, 7.5.
void no_abort_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "interrupts: no message aborts that nobody has configured");
  b.asks(rule::REGISTER_READ);
  b.write(reg::eventq_irq_cfg0, 0, 8);
  b.write(reg::gerror_irq_cfg0, 0, 8);
  enable(b, events | errors);
  b.translate(0, b.root(spec::Granule::g4k, 25));
  b.read(reg::gerror);
  b.poll();
  for (u64 round = 0; round < 2; ++round) {
    b.access(0x1000 * (1 + round));
    b.poll();
    b.read(reg::gerror);
    b.command(spec::cmd_sync(1, 0, 0));
    b.sync();
    b.read(reg::gerror);
  }
  b.command_words(0xff, 0);  // an error, of which no message tells either
  for (unsigned i = 0; i < 3; ++i) {
    b.read(reg::cmdq_cons);
    b.read(reg::gerror);
  }
  b.mend();
  b.sync();
  b.read(reg::gerror);
  cases.push_back(b.take());
}

/// The message of page requests.
void page_abort_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (!device.pri) return;
  CaseBuilder b(device, "interrupts: the message of page requests aborts",
                {.pages = PageQueue::disabled});
  b.asks(rule::REGISTER_READ);
  b.write(reg::priq_irq_cfg0, device.absent_pa + 0x100, 8);
  b.write(reg::irq_ctrl, page_requests);
  for (unsigned i = 0; i < 4; ++i) b.read(reg::irq_ctrlack);
  b.ste(0, spec::make_abort_ste());
  b.enable();
  b.enable_page_queue(true);
  for (const u64 acknowledged : {u64{spec::gerror::msi_priq_abt}, u64{0}}) {
    b.page_poll();  // it is seen to be empty, so that what comes is due to be told
    b.page_request({.address = 0x1000, .last = true, .read = true});
    b.page_poll();
    for (unsigned i = 0; i < 9; ++i) b.read(reg::gerror);
    b.write(reg::gerrorn, acknowledged);
    b.read(reg::gerror);
  }
  cases.push_back(b.take());
}

/// Two errors at once: each has its own bit, is acknowledged for itself, and sends an interrupt.
/// The one that is not of commands is a message that aborts. IHI 0070 6.3.19, 6.3.20, 7.5.
void two_error_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  namespace bit_of = spec::gerror;
  for (const bool command_first : {true, false}) {
    CaseBuilder b(device, fmt::format("interrupts: a command error {} a message that aborts",
                                      command_first ? "and" : "behind"));
    b.asks(rule::REGISTER_READ);
    b.write(reg::eventq_irq_cfg0, device.absent_pa + 0x40, 8);
    enable(b, events | errors);
    b.translate(0, b.root(spec::Granule::g4k, 25));
    b.read(reg::gerror);
    b.poll();
    u64 shown = 0, acknowledged = 0;
    const auto look = [&] {
      for (unsigned i = 0; i < 3; ++i) {
        b.read(reg::cmdq_cons);
        b.read(reg::gerror);
      }
      b.read(reg::gerrorn);
    };
    const auto fail = [&](u64 error) {
      shown ^= error;
      if (error == bit_of::cmdq_err) {
        b.command_words(0xff, 0);
      } else {
        b.access(0x1000);
        b.poll();
        b.poll();
      }
      look();
    };
    const auto acknowledge = [&](u64 error) {
      acknowledged ^= (shown ^ acknowledged) & error;
      b.write(reg::gerrorn, acknowledged);
      look();
    };
    const u64 first = command_first ? bit_of::cmdq_err : bit_of::msi_eventq_abt;
    const u64 second = first ^ bit_of::cmdq_err ^ bit_of::msi_eventq_abt;
    for (unsigned round = 0; round < 2; ++round) {
      fail(first);
      fail(second);
      acknowledge(bit_of::msi_eventq_abt);  // the command stays in error
      fail(bit_of::msi_eventq_abt);
      acknowledge(bit_of::cmdq_err);  // it is read again, and is what it was
      shown ^= bit_of::cmdq_err;
      b.mend();  // which acknowledges both
      acknowledged = shown;
      look();
      b.sync();
    }
    cases.push_back(b.take());
  }
}

}  // namespace

void interrupt_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const By by : ways_of(device)) {
    event_cases(device, cases, by);
    error_interrupts(device, cases, by);
  }
  sync_cases(device, cases);
  page_request_interrupts(device, cases);
  unconsumed_page_requests(device, cases);
  if (!spec::parse_capabilities(device.id).msi) return;
  no_abort_case(device, cases);
  if (device.absent_bytes != 0) {
    abort_cases(device, cases);
    page_abort_case(device, cases);
    two_error_cases(device, cases);
  }
}

}  // namespace iommucheck::oracle
