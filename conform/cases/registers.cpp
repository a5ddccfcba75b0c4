// SPDX-License-Identifier: MIT
// Registers: read-write ones hold what is written, whole and by halves, while nothing that they
// belong to is enabled, and ignore writes where they have to. IHI 0070 6.2, 6.3.
#include <fmt/format.h>

#include <tuple>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

struct Patterns {
  u32 offset;
  const char* name;
  std::vector<u64> values;
};

/// Values that a driver may write, as different from each other as the fields let them be: each bit
/// of an address is 1 in one of them and 0 in another.
std::vector<Patterns> patterns_of(const spec::Capabilities& caps) {
  const auto address = [&](u64 pattern, unsigned lowest) {
    return pattern & mask(caps.oas_lg2 - 1, lowest);
  };
  constexpr u64 one = 0x5a5a'5a5a'5a5a'5a5a, other = ~one;
  const u64 hint = u64{1} << 62;
  const auto base = [&](unsigned lowest, u64 first, u64 second, u64 last) {
    return std::vector<u64>{address(one, lowest) | first, address(other, lowest) | hint | second,
                            last};
  };
  const u64 split = caps.two_level_stream_table ? u64{10} << 6 : 0;
  const u64 format = caps.two_level_stream_table ? u64{1} << 16 | u64{8} << 6 : 0;
  std::vector<u64> sizes = {split | 5, format | 2};
  for (u64 size = 0; size <= caps.sidsize; ++size) sizes.push_back(split | size);
  sizes.push_back(0);
  std::vector<Patterns> all = {
      {reg::strtab_base, "STRTAB_BASE", base(6, 0, 0, 0)},
      {reg::strtab_base_cfg, "STRTAB_BASE_CFG", sizes},
      {reg::cmdq_base, "CMDQ_BASE", base(20, caps.cmdqs, 1, 0)},
      // A size that grows makes bits of EVENTQ_PROD UNKNOWN, and that is read at the end.
      {reg::eventq_base, "EVENTQ_BASE", base(20, 6, 6, 6)},
      {reg::cr1, "CR1", {0xd75, 0xaaa, 0}},
      {reg::cr2, "CR2", {spec::cr2_fields(caps), 0, spec::cr2_fields(caps) & 2}},
  };
  if (caps.pri) all.push_back({reg::priq_base, "PRIQ_BASE", base(20, 2, 2, 2)});
  if (caps.msi) {
    const std::vector<u64> message = {address(one, 2), address(other, 2), 0};
    const std::vector<u64> payload = {0x5a5aa5a5, 0xa5a55a5a, 0};
    all.push_back({reg::gerror_irq_cfg0, "GERROR_IRQ_CFG0", message});
    all.push_back({reg::gerror_irq_cfg1, "GERROR_IRQ_CFG1", payload});
    all.push_back({reg::eventq_irq_cfg0, "EVENTQ_IRQ_CFG0", message});
    all.push_back({reg::eventq_irq_cfg1, "EVENTQ_IRQ_CFG1", payload});
    // Each MemAttr, each SH that is not reserved, and LO.
    std::vector<u64> attributes = {0x3f, 0x25, 0};
    for (u64 attribute = 0; attribute < 16; ++attribute) attributes.push_back(0x30 | attribute);
    std::vector<u64> of_pages = attributes;
    of_pages[0] |= u64{1} << 31;
    all.push_back({reg::gerror_irq_cfg2, "GERROR_IRQ_CFG2", attributes});
    all.push_back({reg::eventq_irq_cfg2, "EVENTQ_IRQ_CFG2", attributes});
    if (caps.pri) {
      all.push_back({reg::priq_irq_cfg0, "PRIQ_IRQ_CFG0", message});
      all.push_back({reg::priq_irq_cfg1, "PRIQ_IRQ_CFG1", payload});
      all.push_back({reg::priq_irq_cfg2, "PRIQ_IRQ_CFG2", of_pages});
    }
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

/// What the register belongs to: a field of CR0, which a case enables, or one of IRQ_CTRL.
u64 interrupt_enable_of(u32 offset) {
  switch (spec::register_at(offset)->guard) {
    case spec::Guard::gerror_irqen: return spec::irq_ctrl::gerror_irqen;
    case spec::Guard::eventq_irqen: return spec::irq_ctrl::eventq_irqen;
    case spec::Guard::priq_irqen: return spec::irq_ctrl::priq_irqen;
    default: return 0;
  }
}

/// What is in use is not changed. Before v3.2 only CR2 is sure to be read-only.
void guarded_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Patterns& of : patterns_of(caps)) {
    if (caps.minor < 2 && of.offset != reg::cr2) continue;
    const unsigned bytes = width_of(of.offset);
    CaseBuilder b(device, fmt::format("registers: {} is written while it is in use", of.name));
    if (const u64 enable = interrupt_enable_of(of.offset); enable != 0) {
      b.write(of.offset, of.values[2], bytes);
      b.write(reg::irq_ctrl, enable);
      for (unsigned i = 0; i < 4; ++i) b.read(reg::irq_ctrlack);
    } else {
      // Of CR1, which has fields of queues, nothing is known before it is written with all off.
      if (of.offset == reg::cr1) {
        b.write(reg::cr0, 0);
        for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
        b.write(of.offset, of.values[2], bytes);
        b.write(reg::cr0, spec::cr0::eventqen | spec::cr0::cmdqen);
        for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
      }
      b.enable();
      for (unsigned i = 0; i < 4; ++i) b.read(reg::cr0ack);
    }
    for (const u64 value : of.values) {
      b.write(of.offset, value, bytes);
      b.read(of.offset, bytes);
    }
    cases.push_back(b.take());
  }
}

/// Indices of queues in use: the SMMU's own is not the driver's to write. IHI 0070 6.3.28, 6.3.33.
void index_in_use_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (spec::parse_capabilities(device.id).minor < 2) return;
  CaseBuilder b(device, "registers: EVENTQ_PROD is written while it is in use");
  b.asks(spec::rule::REGISTER_READ);
  b.translate(0, b.root(spec::Granule::g4k, 25));
  for (u64 i = 1; i < 4; ++i) b.access(0x1000 * i);
  b.sync();
  b.read(reg::eventq_prod);
  b.write(reg::eventq_prod, 0);
  b.read(reg::eventq_prod);
  b.poll();
  cases.push_back(b.take());
  CaseBuilder c(device, "registers: CMDQ_CONS is written while it is in use");
  c.asks(spec::rule::REGISTER_READ);
  for (unsigned i = 0; i < 3; ++i) c.command(spec::cmd_tlbi_nsnh_all());
  c.sync();
  c.write(reg::cmdq_cons, 0);
  for (unsigned i = 0; i < 4; ++i) c.read(reg::cmdq_cons);
  cases.push_back(c.take());
  if (!device.pri) return;
  CaseBuilder p(device, "registers: PRIQ_PROD is written while it is in use",
                {.pages = PageQueue::enabled});
  p.asks(spec::rule::REGISTER_READ);
  p.ste(0, spec::make_abort_ste());
  p.enable();
  for (u64 i = 1; i < 3; ++i) p.page_request({.address = 0x1000 * i, .last = true, .read = true});
  for (unsigned i = 0; i < 3; ++i) p.page_poll();
  p.write(reg::priq_prod, 0);
  p.read(reg::priq_prod);
  cases.push_back(p.take());
  CaseBuilder q(device, "registers: PRIQ_BASE is written while it is in use",
                {.pages = PageQueue::enabled});
  q.asks(spec::rule::REGISTER_READ);
  q.ste(0, spec::make_abort_ste());
  q.enable();
  for (unsigned i = 0; i < 4; ++i) q.read(reg::cr0ack);
  q.write(reg::priq_base, 0x1000, 8);
  q.read(reg::priq_base, 8);
  cases.push_back(q.take());
}

/// Each field of CR0 and IRQ_CTRL that is there is acknowledged, set and cleared, for itself.
void acknowledgement_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr unsigned reads = 8;
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const bool interrupts : {false, true}) {
    const u32 control = interrupts ? reg::irq_ctrl : reg::cr0;
    const u32 acknowledgement = interrupts ? reg::irq_ctrlack : reg::cr0ack;
    const u32 fields = interrupts ? spec::irq_ctrl_fields(caps) : spec::cr0_fields(caps);
    CaseBuilder b = off(
        device, fmt::format("each field of {} is acknowledged", interrupts ? "IRQ_CTRL" : "CR0"));
    b.asks(spec::rule::REGISTER_PROGRESS);
    // CR0.VMW is one field.
    for (u32 left = fields; left != 0;) {
      u32 field = left & (~left + 1);
      if (!interrupts && (field & spec::cr0::vmw_mask) != 0) field = u32{1} << 6;
      left &= ~(!interrupts && field == u32{1} << 6 ? spec::cr0::vmw_mask : field);
      for (const u32 value : {field, 0U}) {
        b.write(control, value);
        for (unsigned i = 0; i < reads; ++i) b.read(acknowledgement);
      }
    }
    cases.push_back(b.take());
  }
}

/// GBPA: its attributes, each field in both states, and a write that does not say Update, which
/// changes nothing from v3.2 on. IHI 0070 6.3.14.
void gbpa_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr u64 use_incoming = u64{1} << 12;
  CaseBuilder b(device, "registers: attributes of GBPA");
  const auto read = [](CaseBuilder& in) {
    for (unsigned i = 0; i < 8; ++i) in.read(reg::gbpa);
  };
  // INSTCFG, PRIVCFG, SHCFG, ALLOCCFG, MTCFG and MemAttr.
  for (const u64 value :
       {u64{0xb'2d1f}, u64{0xe'3a05}, u64{0x0'0000}, u64{0xf'3f1f}, use_incoming}) {
    b.write(reg::gbpa, value | spec::gbpa::update);
    read(b);
  }
  cases.push_back(b.take());
  for (const auto& [name, shift, end] :
       {std::tuple{"MemAttr", 0U, 16U}, std::tuple{"ALLOCCFG", 8U, 16U},
        std::tuple{"PRIVCFG", 16U, 4U}, std::tuple{"INSTCFG", 18U, 4U}}) {
    CaseBuilder v(device, fmt::format("registers: each {} of GBPA", name));
    for (u64 value = 0; value < end; ++value) {
      v.write(reg::gbpa, value << shift | use_incoming | spec::gbpa::update);
      read(v);
    }
    cases.push_back(v.take());
  }
  if (spec::parse_capabilities(device.id).minor < 2) return;
  CaseBuilder u(device, "registers: GBPA is written without Update");
  for (const u64 abort : {u64{0}, u64{spec::gbpa::abort}}) {
    u.write(reg::gbpa, use_incoming | abort | spec::gbpa::update);
    read(u);
    u.write(reg::gbpa, use_incoming | (abort ^ spec::gbpa::abort));
    read(u);
    u.both(u.data(0x10));
  }
  cases.push_back(u.take());
  // Each field by itself, from both states of it; what is in effect is what was updated.
  CaseBuilder f(device, "registers: each field of GBPA is written without Update");
  for (const u64 before : {use_incoming, u64{0xf'3f1f}}) {
    for (const u64 field : {u64{0xf}, u64{0x10}, u64{0xf00}, u64{0x3000}, u64{0x3'0000},
                            u64{0xc'0000}, u64{spec::gbpa::abort}}) {
      f.write(reg::gbpa, before | spec::gbpa::update);
      read(f);
      f.write(reg::gbpa, before ^ field);
      f.read(reg::gbpa);
      f.both(f.data(0x10));
    }
  }
  cases.push_back(f.take());
}

/// Where commands begin is the driver's to say while the queue is off: with CMDQ_CONS = CMDQ_PROD
/// there is none, whatever was consumed before. IHI 0070 6.3.28.
void commands_begin_case(const DeviceIdentity& device, std::vector<Case>& cases, bool wrapped) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  constexpr unsigned lg2 = 3;
  const u64 begin = 5 | (wrapped ? pow2(lg2) : 0);
  if (caps.queues_preset || caps.cmdqs < lg2) return;
  CaseBuilder b(device,
                fmt::format("registers: CMDQ_CONS is written while the queue is off{}",
                            wrapped ? ", with its wrap bit" : ""),
                {.cmdq_lg2 = lg2});
  b.asks(spec::rule::REGISTER_READ);
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
  index_in_use_cases(device, cases);
  acknowledgement_cases(device, cases);
  gbpa_cases(device, cases);
  for (const bool wrapped : {false, true}) commands_begin_case(device, cases, wrapped);
}

}  // namespace iommucheck::oracle
