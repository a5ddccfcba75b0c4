// SPDX-License-Identifier: MIT
// Registers: read-write ones hold what is written, whole and by halves, while nothing that they
// belong to is enabled, and ignore writes where they have to. IHI 0070 6.2, 6.3.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

struct Patterns {
  u32 offset;
  const char* name;
  std::vector<u64> values;
};

/// Values that a driver may write, as different from each other as the fields let them be.
std::vector<Patterns> patterns_of(const spec::Capabilities& caps) {
  const u64 addresses = mask(caps.oas_lg2 - 1, 20);
  const u64 one = 0x5a5a'5a5a'5a5a'5a5a & addresses;
  const u64 other = 0xa5a5'a5a5'a5a5'a5a5 & addresses;
  const u64 hint = u64{1} << 62;
  const auto base = [&](u64 first, u64 second, u64 last) {
    return std::vector<u64>{one | first, other | hint | second, last};
  };
  const u64 split = caps.two_level_stream_table ? u64{10} << 6 : 0;
  const u64 format = caps.two_level_stream_table ? u64{1} << 16 | u64{8} << 6 : 0;
  std::vector<Patterns> all = {
      {reg::strtab_base, "STRTAB_BASE", base(0, 0, 0)},
      {reg::strtab_base_cfg, "STRTAB_BASE_CFG", {split | 5, format | 2, 0}},
      {reg::cmdq_base, "CMDQ_BASE", base(caps.cmdqs, 1, 0)},
      // A size that grows makes bits of EVENTQ_PROD UNKNOWN, and that is read at the end.
      {reg::eventq_base, "EVENTQ_BASE", base(6, 6, 6)},
      {reg::cr1, "CR1", {0xd75, 0xaaa, 0}},
      {reg::cr2, "CR2", {spec::cr2_fields(caps), 0, spec::cr2_fields(caps) & 2}},
  };
  if (caps.msi) {
    all.push_back({reg::gerror_irq_cfg0, "GERROR_IRQ_CFG0", {one, other, 0}});
    all.push_back({reg::gerror_irq_cfg1, "GERROR_IRQ_CFG1", {0x5a5aa5a5, 0xa5a55a5a, 0}});
    all.push_back({reg::eventq_irq_cfg0, "EVENTQ_IRQ_CFG0", {one, other, 0}});
    all.push_back({reg::eventq_irq_cfg1, "EVENTQ_IRQ_CFG1", {0x5a5aa5a5, 0xa5a55a5a, 0}});
  }
  return all;
}

unsigned width_of(u32 offset) { return spec::register_at(offset)->bytes; }

/// Everything off, and acknowledged.
CaseBuilder off(const DeviceIdentity& device, const std::string& name) {
  CaseBuilder b(device, "registers: " + name);
  b.write(reg::cr0, 0);
  for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
  return b;
}

void read_back_cases(const DeviceIdentity& device, const Patterns& of, std::vector<Case>& cases) {
  const unsigned bytes = width_of(of.offset);
  CaseBuilder whole = off(device, fmt::format("{} reads as it was written", of.name));
  for (const u64 value : of.values) {
    whole.write(of.offset, value, bytes);
    whole.read(of.offset, bytes);
  }
  cases.push_back(whole.take());
  if (bytes != 8) return;
  CaseBuilder read = off(device, fmt::format("{} is read by halves", of.name));
  for (const u64 value : of.values) {
    read.write(of.offset, value, 8);
    read.read(of.offset, 4);
    read.read(of.offset + 4, 4);
  }
  cases.push_back(read.take());
  // The last one is 0, so that a write of a half that is lost or spills over is seen.
  for (const unsigned half : {0U, 4U}) {
    CaseBuilder b = off(
        device, fmt::format("{} half of {} is written", half == 0 ? "lower" : "upper", of.name));
    for (const u64 value : of.values) {
      b.write(of.offset, value, 8);
      b.write(of.offset + half, (of.values[0] >> (8 * half)) & mask(31, 0), 4);
      b.read(of.offset, 8);
    }
    cases.push_back(b.take());
  }
}

/// What is in use is not changed. Before v3.2 only CR2 is sure to be read-only.
void guarded_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Patterns& of : patterns_of(caps)) {
    const bool interrupts = of.offset != reg::cr1 && of.offset != reg::cr2 &&
                            of.offset != reg::strtab_base && of.offset != reg::strtab_base_cfg &&
                            of.offset != reg::cmdq_base && of.offset != reg::eventq_base;
    if (interrupts || of.offset == reg::cr1 || (caps.minor < 2 && of.offset != reg::cr2)) continue;
    const unsigned bytes = width_of(of.offset);
    CaseBuilder b(device, fmt::format("registers: {} is written while it is in use", of.name));
    b.enable();
    for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
    for (const u64 value : of.values) {
      b.write(of.offset, value, bytes);
      b.read(of.offset, bytes);
    }
    cases.push_back(b.take());
  }
}

/// Where commands begin is the driver's to say while the queue is off: with CMDQ_CONS = CMDQ_PROD
/// there is none, whatever was consumed before. IHI 0070 6.3.28.
void commands_begin_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  constexpr u64 begin = 5;
  if (caps.queues_preset || caps.cmdqs < 3) return;
  CaseBuilder b(device, "registers: CMDQ_CONS is written while the queue is off");
  b.asks(spec::Rule::REGISTER_READ);
  b.write(reg::cr0, spec::cr0::eventqen);
  for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
  b.write(reg::cmdq_prod, begin);
  b.write(reg::cmdq_cons, begin);
  b.read(reg::cmdq_cons);
  b.read(reg::cmdq_prod);
  b.write(reg::cr0, spec::cr0::eventqen | spec::cr0::cmdqen);
  for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
  for (unsigned i = 0; i < 3; ++i) b.read(reg::cmdq_cons);
  b.read(reg::gerror);
  cases.push_back(b.take());
}

}  // namespace

void register_content_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const Patterns& of : patterns_of(spec::parse_capabilities(device.id))) {
    read_back_cases(device, of, cases);
  }
  guarded_cases(device, cases);
  commands_begin_case(device, cases);
}

}  // namespace iommucheck::oracle
