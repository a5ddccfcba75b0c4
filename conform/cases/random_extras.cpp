// SPDX-License-Identifier: MIT
#include "conform/cases/random_extras.h"

#include "base/bits.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

constexpr u64 span_of_64 = 7;

}  // namespace

void RandomExtras::first_level() {
  const auto first_level_place = [&](u32 sid) {
    return builder_.device().structures_pa + 8 * (u64{sid} >> 6);
  };
  place_ = first_level_place(builder_.sid(sender_));
  array_ = builder_.memory(64 * 64, 64 * 64);
  builder_.store(place_, array_ | span_of_64);
  for (const u32 sid : builder_.device().sids) {
    const u64 place = first_level_place(sid);
    if (builder_.word(place) == 0) builder_.store(place, builder_.memory(4096) | span_of_64);
  }
}

/// An array that goes, and comes back. Other Spans are for directed cases.
void RandomExtras::change_first_level() {
  const auto invalidate = [&] {
    builder_.command(chance(2) ? spec::cmd_cfgi_all()
                               : spec::cmd_cfgi_ste_range(builder_.sid(sender_), 6));
    builder_.sync();
  };
  builder_.store(place_, array_);
  invalidate();
  builder_.access(0x1000 * pick(4), chance(2), sender_);
  builder_.store(place_, array_ | span_of_64);
  invalidate();
}

/// Enabled or disabled, sometimes without waiting for it.
void RandomExtras::interrupts() {
  u64 fields = 0;
  if (chance(2)) fields |= spec::irq_ctrl::eventq_irqen;
  if (chance(2)) fields |= spec::irq_ctrl::gerror_irqen;
  builder_.write(reg::irq_ctrl, fields);
  if (chance(4)) return;
  for (unsigned i = 0; i < 4; ++i) builder_.read(reg::irq_ctrlack);
  builder_.poll();
  builder_.read(reg::gerror);
}

void RandomExtras::signalling_sync() {
  builder_.command(spec::cmd_sync(static_cast<unsigned>(pick(3))));
  builder_.sync();
}

/// Any register, whole or by a half.
void RandomExtras::read_back() {
  constexpr u32 registers[] = {
      reg::idr0,           reg::idr1,        reg::idr3,      reg::idr5,
      reg::aidr,           reg::cr0,         reg::cr1,       reg::cr2,
      reg::irq_ctrl,       reg::gerror,      reg::gerrorn,   reg::strtab_base,
      reg::cmdq_base,      reg::eventq_base, reg::cmdq_prod, reg::eventq_cons,
      reg::strtab_base_cfg};
  const u32 offset = registers[pick(std::size(registers))];
  const unsigned bytes = spec::register_at(offset)->bytes;
  if (bytes == 8 && chance(2)) {
    builder_.read(offset + (chance(2) ? 4 : 0), 4);
  } else {
    builder_.read(offset, bytes);
  }
}

/// A register that is read-only while it is in use: CR2 in every version, others from v3.2 on. By
/// halves, too. IHI 0070 6.2.
void RandomExtras::guarded_write() {
  constexpr u32 registers[] = {reg::strtab_base, reg::strtab_base_cfg};
  const bool older = builder_.capabilities().minor < 2;
  const u32 offset = older || chance(3) ? reg::cr2 : registers[pick(std::size(registers))];
  const unsigned bytes = spec::register_at(offset)->bytes;
  const u64 value = engine_() & (offset == reg::cr2 ? spec::cr2_fields(builder_.capabilities())
                                                    : mask(40, 12) | 2);
  if (bytes == 8 && chance(2)) {
    builder_.write(offset + (chance(2) ? 4 : 0), value & mask(31, 0), 4);
  } else {
    builder_.write(offset, value & (bytes == 8 ? ~u64{0} : mask(31, 0)), bytes);
  }
  builder_.read(offset, bytes);
}

/// A command that no such SMMU has, and nothing behind it has an effect until it is mended.
void RandomExtras::illegal_command(bool may_write) {
  u64 low = 0x90 + pick(0x70);  // 0x80 to 0x8f are IMPLEMENTATION DEFINED
  if (chance(3)) low = spec::encode_command(spec::cmd_sync(3)).dw0;
  if (chance(4)) low = spec::encode_command(spec::cmd_cfgi_all()).dw0 | u64{1} << 10;  // SSec
  builder_.command_words(low, 0);
  if (chance(2)) builder_.command(spec::cmd_tlbi_nsnh_all());
  if (chance(2)) builder_.access(0x1000 * pick(4), chance(2) && may_write, sender_);
  constexpr u64 page = 4096;
  switch (pick(4)) {
    case 0: return builder_.mend(spec::cmd_tlbi_nsnh_all());
    case 1: return builder_.mend(spec::cmd_tlbi_nh_vaa(0, page * pick(4)));
    case 2: return builder_.mend(spec::cmd_cfgi_all());
    default: return builder_.mend();
  }
}

/// A hint, with any operands: nothing comes of it. IHI 0070 4.2.
void RandomExtras::prefetch() {
  spec::Command command;
  command.op = chance(2) ? spec::Opcode::prefetch_addr : spec::Opcode::prefetch_config;
  command.sid = chance(4)
                    ? engine_() & mask(31, 0)
                    : builder_.sid(static_cast<unsigned>(pick(builder_.device().sids.size())));
  command.ssv = chance(3);
  if (command.ssv) command.ssid = pick(8);
  if (command.op == spec::Opcode::prefetch_addr) {
    command.size = chance(2) ? 0 : pick(32);
    command.address = chance(4) ? engine_() & ~mask(11, 0) : 0x1000 * pick(4);
  }
  builder_.command(command);
}

void RandomExtras::step(bool may_write) {
  const DeviceIdentity& device = builder_.device();
  const bool interrupting = device.wires_interrupts || builder_.capabilities().msi;
  switch (pick(array_ != 0 ? 7 : 6)) {
    case 0:
      if (interrupting) return interrupts();
      return read_back();
    case 1:
      if (interrupting) return signalling_sync();
      return read_back();
    case 2: return read_back();
    case 3: return guarded_write();
    case 4: return illegal_command(may_write);
    case 5: return prefetch();
    default: return change_first_level();
  }
}

}  // namespace iommucheck::oracle
