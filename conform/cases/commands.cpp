// SPDX-License-Identifier: MIT
// Commands: legal ones, illegal ones, the queue's order and its errors. IHI 0070 3.5, 4, 6.3, 7;
// and what the registers show.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/queue.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Command;
using spec::Opcode;

constexpr unsigned reads_max =
    8;  // in which what a device says first has to be followed by the rest

/// A command, and what the registers show of it, an error in the end; else a CMD_SYNC behind it.
void command_case(const DeviceIdentity& device, std::vector<Case>& cases, const std::string& name,
                  u64 low, u64 high) {
  CaseBuilder b(device, "command: " + name);
  b.command_words(low, high);
  b.read(reg::cmdq_cons);
  b.read(reg::gerror);
  b.read(reg::cmdq_cons);
  const Command command = spec::decode_command<u64>(low, high, b.capabilities());
  if (spec::check_command<u64>(command, b.capabilities())) {
    for (unsigned i = 0; i < reads_max; ++i) {
      b.read(reg::gerror);
      b.read(reg::cmdq_cons);
    }
  } else {
    b.sync();
    b.read(reg::gerror);
  }
  cases.push_back(b.take());
}

void opcode_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (u64 opcode = 0; opcode < 256; ++opcode) {
    const bool known = std::ranges::find(spec::known_opcodes, static_cast<Opcode>(opcode)) !=
                       spec::known_opcodes.end();
    // Of the reserved numbers the neighbours of known ones, and some others.
    if (!known && opcode > 0x48 && opcode % 16 != 0 && opcode != 0xff) continue;
    if (opcode >= 0x80 && opcode < 0x90) continue;  // IMPLEMENTATION DEFINED: IHI 0070 4.1.1
    const std::string name = known ? std::string(spec::opcode_name(static_cast<Opcode>(opcode)))
                                   : fmt::format("opcode {:#x}", opcode);
    command_case(device, cases, name, opcode, 0);
  }
}

void operand_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto one = [&](const std::string& name, const Command& command) {
    const spec::CommandWords words = spec::encode_command(command);
    command_case(device, cases, name, words.dw0, words.dw1);
  };
  one("CMD_SYNC with CS = 1", spec::cmd_sync(1));
  one("CMD_SYNC with CS = 2", spec::cmd_sync(2));
  one("CMD_SYNC with CS = 3", spec::cmd_sync(3));
  if (spec::parse_capabilities(device.id).pri) {
    one("CMD_PRI_RESP with Resp = 3", pri_resp(device.sids[0], 1, 3));
  }
  for (const Opcode op : {Opcode::cfgi_ste, Opcode::cfgi_ste_range, Opcode::cfgi_cd,
                          Opcode::cfgi_cd_all, Opcode::prefetch_config, Opcode::prefetch_addr}) {
    Command command;
    command.op = op;
    command.sid = device.sids[0];
    command.range = 3;
    one(std::string(spec::opcode_name(op)) + " of a stream", command);
    command_case(device, cases, std::string(spec::opcode_name(op)) + " with SSec = 1",
                 static_cast<u64>(op) | 1 << 10 | (u64{device.sids[0]} << 32),
                 op == Opcode::cfgi_ste_range ? 3 : 0);
  }
  // Hints, which no operand makes illegal. IHI 0070 4.2.
  for (const Opcode op : {Opcode::prefetch_config, Opcode::prefetch_addr}) {
    Command command;
    command.op = op;
    command.sid = device.sids[0];
    command.ssv = true;
    command.ssid = 1;
    one(std::string(spec::opcode_name(op)) + " of a substream", command);
    command.sid = 0xffffffff;
    one(std::string(spec::opcode_name(op)) + " of a StreamID beyond all", command);
  }
  for (const u64 size : {1U, 31U}) {
    Command command;
    command.op = Opcode::prefetch_addr;
    command.sid = device.sids[0];
    command.address = ~mask(11, 0);
    command.size = size;
    one(fmt::format("PREFETCH_ADDR with Size = {}", size), command);
  }
  if (!spec::parse_capabilities(device.id).ril) return;
  for (const Opcode op : {Opcode::tlbi_nh_va, Opcode::tlbi_nh_vaa}) {
    for (unsigned tg = 0; tg < 4; ++tg) {
      for (unsigned ttl = 0; ttl < 4; ++ttl) {
        if (tg == 2 && ttl == 1) continue;  // reserved: acts as 0
        Command command;
        command.op = op;
        command.asid = op == Opcode::tlbi_nh_va ? 1 : 0;
        command.tg = tg;
        command.ttl = tg == 0 ? 0 : ttl;
        command.address = 0;
        one(fmt::format("{} with TG = {}, TTL = {}", spec::opcode_name(op), tg, ttl), command);
        command.num = tg == 0 ? 0 : 3;
        command.scale = tg == 0 ? 0 : 1;
        one(fmt::format("{} with TG = {}, TTL = {}, a range", spec::opcode_name(op), tg, ttl),
            command);
      }
    }
  }
}

/// An error stops the queue.
void stopped_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "command queue: nothing behind an error has an effect");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.translate(0, root);
  b.access(0x1000);
  b.command_words(0xff, 0);  // CERROR_ILL
  b.store(b.entry(root, spec::Granule::g4k, 25, 0x1000, 3), 0);
  b.command(spec::cmd_tlbi_nsnh_all());
  b.sync();
  b.read(reg::cmdq_cons);
  b.read(reg::gerror);
  b.both(0x1000);  // old or new: the TLBI has not acted
  b.poll();
  cases.push_back(b.take());
}

/// It is fetched again, and what it is now has an effect.
void replaced_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "command queue: what takes the place of a command in error is executed",
                {.cmdq_lg2 = 3, .eventq_lg2 = 6});  // it wraps
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.translate(0, root);
  for (unsigned round = 0; round < 4; ++round) {
    const u64 place = b.entry(root, spec::Granule::g4k, 25, 0x1000, 3);
    b.both(0x1000);
    b.command_words(0xff, 0);
    b.read(reg::cmdq_cons);
    for (unsigned i = 0; i < reads_max; ++i) b.read(reg::gerror);  // it toggles each time
    b.store(place, 0);
    b.mend(spec::cmd_tlbi_nh_va(0, 1, 0x1000));
    b.sync();
    b.both(0x1000);
    b.store(place, leaf_word(spec::Granule::g4k, 3, b.data(0x1000 * u64{round}), {}));
  }
  b.poll();
  cases.push_back(b.take());
}

/// Mended, it goes on.
void mended_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto stopped = [&] {
    CaseBuilder b(device, "command queue: an error is mended and the queue goes on");
    b.command(spec::cmd_cfgi_all());
    b.command_words(0xff, 0);
    b.command(spec::cmd_tlbi_nsnh_all());
    b.sync();
    b.read(reg::gerror);
    b.read(reg::cmdq_cons);
    return b;
  };
  // The bad slot is the fifth: bring-up used three, then one.
  const u64 bad = stopped().take().queues.cmdq + 16 * 4;
  CaseBuilder b = stopped();
  const spec::CommandWords sync = spec::encode_command(spec::cmd_sync());
  b.store(bad, sync.dw0);
  b.store(bad + 8, sync.dw1);
  b.write(reg::gerrorn, 1);
  // It goes on without another write of CMDQ_PROD, which would hide a queue that does not.
  for (unsigned i = 0; i < 10; ++i) b.read(reg::cmdq_cons);
  b.read(reg::gerror);
  b.read(reg::gerrorn);
  b.sync();
  cases.push_back(b.take());
}

/// While the error is active nothing is consumed, though the command is mended and CMDQ_PROD is
/// written again: only GERRORN lets the queue go on. IHI 0070 7.1.
void unacknowledged_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr u64 bad = 3;  // bring-up sent so many
  for (const bool with_more : {false, true}) {
    CaseBuilder b(device,
                  fmt::format("command queue: mended, CMDQ_PROD is written before GERRORN{}",
                              with_more ? ", with another command" : ""));
    b.asks(spec::rule::COMMAND_ERROR_STOPS);
    b.command_words(0xff, 0);
    b.command(spec::cmd_tlbi_nsnh_all());
    const auto look = [&] {
      for (unsigned i = 0; i < 10; ++i) b.read(reg::cmdq_cons);
      for (unsigned i = 0; i < reads_max; ++i) b.read(reg::gerror);
    };
    look();
    const spec::CommandWords instead = spec::encode_command(spec::cmd_tlbi_nsnh_all());
    b.store(b.command_slot(bad), instead.dw0);
    b.store(b.command_slot(bad) + 8, instead.dw1);
    if (with_more) {
      b.command(spec::cmd_cfgi_all());
    } else {
      b.write(reg::cmdq_prod, bad + 2);
    }
    look();
    b.mend(spec::cmd_tlbi_nsnh_all());
    b.sync();
    look();
    cases.push_back(b.take());
  }
}

/// The queue is off and on again: it goes on where CMDQ_CONS is, without another write of
/// CMDQ_PROD, and an error that was not acknowledged stays. IHI 0070 6.3.9.3, 6.3.28, 7.1.
void restart_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr u64 off = spec::cr0::eventqen, on = off | spec::cr0::cmdqen;
  const auto control = [](CaseBuilder& b, u64 value) {
    b.write(reg::cr0, value);
    for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
  };
  const auto look = [](CaseBuilder& b) {
    for (unsigned i = 0; i < 10; ++i) b.read(reg::cmdq_cons);
    b.read(reg::gerror);
    b.read(reg::gerrorn);
  };
  for (const bool wraps : {false, true}) {
    CaseBuilder b(
        device,
        fmt::format("command queue: commands of while it was off{}", wraps ? ", over its end" : ""),
        {.cmdq_lg2 = wraps ? 2U : 8U});
    b.asks(spec::rule::REGISTER_PROGRESS);
    for (unsigned round = 0; round < 3; ++round) {
      control(b, off);
      for (unsigned i = 0; i < 3; ++i) b.command(spec::cmd_tlbi_nsnh_all());
      for (unsigned i = 0; i < 3; ++i) b.read(reg::cmdq_cons);
      control(b, on);
      look(b);
    }
    cases.push_back(b.take());
  }
  CaseBuilder e(device, "command queue: off and on while a command is in error");
  e.asks(spec::rule::COMMAND_ERROR_STOPS);
  e.command_words(0xff, 0);
  e.command(spec::cmd_tlbi_nsnh_all());
  look(e);
  control(e, off);
  control(e, on);
  look(e);
  e.mend();
  e.sync();
  look(e);
  cases.push_back(e.take());
}

/// Without IDR0.MSI an interrupt is a wire, and where its message would go is ignored: nothing is
/// written there. IHI 0070 3.18, 4.7.3, 6.3.18 on.
void no_message_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (spec::parse_capabilities(device.id).msi) return;
  constexpr u64 payload = 0x5a5a5a5a;
  {
    CaseBuilder b(device, "interrupts: CMD_SYNC with CS = 1 sends no message");
    const spec::CommandWords words = spec::encode_command(spec::cmd_sync(1));
    b.command_words(words.dw0 | payload << 32, b.data(0x40));
    b.sync();
    b.look(b.data(0x40));
    cases.push_back(b.take());
  }
  {
    CaseBuilder b(device, "interrupts: the event queue sends no message");
    b.write(reg::eventq_irq_cfg0, b.data(0x40), 8);
    b.write(reg::eventq_irq_cfg1, payload);
    b.write(reg::irq_ctrl, spec::irq_ctrl::eventq_irqen);
    b.read(reg::irq_ctrlack);
    b.translate(0, b.root(spec::Granule::g4k, 25));
    b.access(0x1000);
    b.poll();
    b.look(b.data(0x40));
    cases.push_back(b.take());
  }
  CaseBuilder b(device, "interrupts: a global error sends no message");
  b.write(reg::gerror_irq_cfg0, b.data(0x40), 8);
  b.write(reg::gerror_irq_cfg1, payload);
  b.write(reg::irq_ctrl, spec::irq_ctrl::gerror_irqen);
  b.read(reg::irq_ctrlack);
  b.command_words(0xff, 0);
  b.read(reg::cmdq_cons);
  b.read(reg::gerror);
  b.look(b.data(0x40));
  cases.push_back(b.take());
}

/// What the ID registers claim together is judged as it is read.
void identity_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "registers: what the ID registers claim together");
  b.asks(spec::rule::ID_REGISTERS);
  for (u32 offset = reg::idr0; offset <= reg::aidr; offset += 4) b.read(offset);
  cases.push_back(b.take());
}

void register_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  identity_case(device, cases);
  CaseBuilder b(device, "registers: identification");
  for (u32 offset = reg::idr0; offset <= reg::aidr; offset += 4) b.read(offset);
  for (u32 offset = reg::idr0; offset <= reg::idr5; offset += 4) {
    b.write(offset, 0xffffffff);
    b.read(offset);
    b.write(offset, 0);
    b.read(offset);
  }
  cases.push_back(b.take());

  CaseBuilder c(device, "registers: enables and their acknowledgement");
  // PRIQEN and VMW, too, which need not be there.
  for (const u32 value :
       {0x8U, 0x0U, 0x4U, 0xcU, 0xdU, 0xcU, 0x9U, 0x8U, 0xaU, 0x8U, 0x48U, 0x8U}) {
    c.write(reg::cr0, value);
    c.read(reg::cr0ack);
    c.read(reg::cr0);
  }
  cases.push_back(c.take());

  CaseBuilder d(device, "registers: interrupts' enables");
  for (u32 value = 0; value < 8; ++value) {
    d.write(reg::irq_ctrl, value);
    d.read(reg::irq_ctrlack);
  }
  d.write(reg::irq_ctrl, 0);
  d.read(reg::irq_ctrlack);
  cases.push_back(d.take());

  CaseBuilder e(device, "registers: what is written while it may be reads back");
  e.read(reg::strtab_base, 8);
  e.read(reg::strtab_base_cfg);
  e.read(reg::cmdq_prod);
  e.read(reg::cmdq_cons);
  e.read(reg::eventq_cons);
  e.read(reg::gerror);
  e.read(reg::gerrorn);
  cases.push_back(e.take());

  // Whether a toggle of what is not active makes it active is CONSTRAINED UNPREDICTABLE, what the
  // register holds then is not. IHI 0070 6.3.20.
  CaseBuilder g(device, "registers: GERRORN reads as it was written");
  g.asks(spec::rule::REGISTER_READ);
  for (const u64 value : {u64{spec::gerror_fields(g.capabilities())}, u64{0}}) {
    g.write(reg::gerrorn, value);
    g.read(reg::gerrorn);
  }
  cases.push_back(g.take());
}

// ---- queues -------------------------------------------------------------------------------------

/// Indices wrap, several times round small queues.
void wrapped_commands_case(const DeviceIdentity& device, unsigned lg2, std::vector<Case>& cases) {
  CaseBuilder b(device, fmt::format("command queue: {} slots, wrapped", 1U << lg2),
                {.cmdq_lg2 = lg2, .eventq_lg2 = 4});
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.translate(0, root);
  const u64 place = b.entry(root, spec::Granule::g4k, 25, 0x1000, 3);
  for (unsigned i = 0; i < (lg2 == 8 ? 140 : 20); ++i) {
    b.store(place, leaf_word(spec::Granule::g4k, 3, b.data(u64{i % 2} * 0x1000), {}));
    b.access(0x1000, i % 3 == 0);
    b.store(place, 0);
    b.command(spec::cmd_tlbi_nh_va(0, 1, 0x1000));
    b.sync();
  }
  b.poll();
  cases.push_back(b.take());
}

/// Every access has a record.
CaseBuilder of_records(const DeviceIdentity& device, unsigned lg2, const std::string& name) {
  CaseBuilder b(device, name, {.eventq_lg2 = lg2});
  b.translate(0, b.root(spec::Granule::g4k, 25));
  return b;
}

void many_records_case(const DeviceIdentity& device, unsigned lg2, std::vector<Case>& cases) {
  CaseBuilder b = of_records(device, lg2, "event queue: 128 records, most of them at once");
  for (unsigned round = 0; round < 2; ++round) {
    for (u64 i = 0; i < (u64{3} << (lg2 - 2)); ++i) b.access(0x1000 * i);
    b.poll();
  }
  cases.push_back(b.take());
}

/// It wraps, and is full.
void wrapped_records_cases(const DeviceIdentity& device, unsigned lg2, std::vector<Case>& cases) {
  CaseBuilder b =
      of_records(device, lg2, fmt::format("event queue: {} records, wrapped", 1U << lg2));
  for (u64 i = 0; i < (u64{5} << lg2); ++i) {
    b.access(0x1000 * i, i % 2 == 0);
    b.poll();
  }
  cases.push_back(b.take());
  CaseBuilder f =
      of_records(device, lg2, fmt::format("event queue: {} records, full and no more", 1U << lg2));
  for (unsigned round = 0; round < 3; ++round) {
    for (u64 i = 0; i < (u64{1} << lg2); ++i) f.access(0x1000 * i);
    f.poll();
  }
  f.read(reg::gerror);
  cases.push_back(f.take());
}

/// It overflows.
void lost_records_cases(const DeviceIdentity& device, unsigned lg2, std::vector<Case>& cases) {
  CaseBuilder b =
      of_records(device, lg2, fmt::format("event queue: {} records, overflow", 1U << lg2));
  // What met the full queue is surely lost before it is filled again.
  for (unsigned round = 0; round < 3; ++round) {
    for (u64 i = 0; i < (u64{1} << lg2) + 2; ++i) b.access(0x1000 * i);
    for (unsigned i = 0; i < 3; ++i) b.poll();
  }
  cases.push_back(b.take());
  // The flag stays as it is behind it, and room alone is what later records need. IHI 0070 7.4.
  for (const bool acknowledged : {true, false}) {
    CaseBuilder k =
        of_records(device, lg2,
                   fmt::format("event queue: {} records, records behind an overflow that is {}",
                               1U << lg2, acknowledged ? "acknowledged" : "not acknowledged"));
    for (u64 i = 0; i < (u64{1} << lg2) + 2; ++i) k.access(0x1000 * i);
    k.sync();
    for (unsigned i = 0; i < 3; ++i) k.poll(!acknowledged);
    for (u64 i = 0; i < 3; ++i) {
      k.access(0x100000 + 0x1000 * i);
      k.sync();
      k.poll(!acknowledged);
    }
    k.poll();
    cases.push_back(k.take());
  }
  CaseBuilder g = of_records(
      device, lg2, fmt::format("event queue: {} records, overflow is no error", 1U << lg2));
  for (u64 i = 0; i < (u64{1} << lg2) + 1; ++i) g.access(0x1000 * i);
  g.read(reg::gerror);
  cases.push_back(g.take());
}

void no_records_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "event queue: off", {.event_queue = false});
  b.translate(0, b.root(spec::Granule::g4k, 25));
  b.access(0x1000);
  b.poll();
  b.read(reg::gerror);
  cases.push_back(b.take());
}

}  // namespace

void command_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  opcode_cases(device, cases);
  operand_cases(device, cases);
  stopped_case(device, cases);
  replaced_case(device, cases);
  mended_case(device, cases);
  unacknowledged_cases(device, cases);
  restart_cases(device, cases);
  no_message_cases(device, cases);
  register_cases(device, cases);
}

void queue_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const unsigned lg2 : {0U, 1U, 2U, 3U, 8U}) {
    if (lg2 <= caps.cmdqs) wrapped_commands_case(device, lg2, cases);
  }
  constexpr unsigned most = 7;  // a page
  if (most <= caps.eventqs) many_records_case(device, most, cases);
  for (const unsigned lg2 : {0U, 1U, 2U, 4U}) {
    if (lg2 > caps.eventqs) continue;
    wrapped_records_cases(device, lg2, cases);
    lost_records_cases(device, lg2, cases);
  }
  no_records_case(device, cases);
}

}  // namespace iommucheck::oracle
