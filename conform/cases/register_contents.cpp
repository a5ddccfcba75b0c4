// SPDX-License-Identifier: MIT
#include "conform/cases/register_contents.h"

#include <fmt/format.h>

#include "base/bits.h"
#include "spec/smmu/register_fields.h"

namespace iommucheck::oracle {

namespace {

/// "In finite time".
constexpr unsigned polls_max = 8;

namespace reg = spec::reg;
using spec::Guard;

/// Those of MSIs are there with IDR0.MSI, those of the PRI queue with IDR0.PRI.
bool is_there(u32 offset, const spec::Capabilities& caps) {
  switch (offset) {
    case reg::gerror_irq_cfg0:
    case reg::gerror_irq_cfg1:
    case reg::eventq_irq_cfg0:
    case reg::gerror_irq_cfg2:
    case reg::eventq_irq_cfg1:
    case reg::eventq_irq_cfg2: return caps.msi;
    case reg::priq_irq_cfg0:
    case reg::priq_irq_cfg1:
    case reg::priq_irq_cfg2: return caps.msi && caps.pri;
    case reg::priq_base: return caps.pri && !caps.queues_preset;
    case reg::cmdq_base:
    case reg::eventq_base: return !caps.queues_preset;
    case reg::strtab_base:
    case reg::strtab_base_cfg: return !caps.tables_preset;
    case reg::cr1: return !caps.queues_preset && !caps.tables_preset;
    case reg::cr2: return true;
    default: return false;
  }
}

/// Reserved attributes of CR1 may be stored or not.
u64 legal_attributes(u64 value) {
  u64 fields = 0;
  for (unsigned lo = 0; lo < 12; lo += 2) {
    const bool shareability = lo == 4 || lo == 10;
    if (bits(value, lo + 1, lo) != (shareability ? 1U : 3U)) fields |= u64{3} << lo;
  }
  return fields;
}

}  // namespace

RegisterContents::RegisterContents(const spec::IdRegisters& id)
    : caps_(spec::parse_capabilities(id)) {}

void RegisterContents::reset() {
  contents_.clear();
  cr0_ = irq_ctrl_ = {};
}

/// Bits of a register that a device keeps when `value` is written to it: fields that are there,
/// addresses within the output size. IHI 0070 6.3.11 to 6.3.35.
u64 RegisterContents::stored(u32 offset, u64 value) const {
  const u64 addresses = mask(caps_.oas_lg2 - 1, 0);
  const u64 hint = u64{1} << 62;
  switch (offset) {
    case reg::cr1: return legal_attributes(value);
    case reg::cr2: return spec::cr2_fields(caps_);
    case reg::strtab_base: return hint | (addresses & ~mask(5, 0));
    case reg::strtab_base_cfg: {
      if (!caps_.two_level_stream_table) return mask(5, 0);
      const u64 split = bits(value, 10, 6);
      const bool is_split = split == 6 || split == 8 || split == 10;
      return mask(5, 0) | (is_split ? mask(10, 6) : 0) |
             (bits(value, 17, 16) <= 1 ? mask(17, 16) : 0);
    }
    case reg::cmdq_base:
    case reg::eventq_base:
    case reg::priq_base: return hint | addresses;
    case reg::gerror_irq_cfg0:
    case reg::eventq_irq_cfg0:
    case reg::priq_irq_cfg0: return addresses & ~u64{3};
    case reg::gerror_irq_cfg1:
    case reg::eventq_irq_cfg1:
    case reg::priq_irq_cfg1: return mask(31, 0);
    // SH, where it is not reserved, and MemAttr; LO. Before SH of Device memory nothing is fixed.
    case reg::gerror_irq_cfg2:
    case reg::eventq_irq_cfg2: return bits(value, 5, 4) == 1 ? mask(3, 0) : mask(5, 0);
    case reg::priq_irq_cfg2:
      return u64{1} << 31 | (bits(value, 5, 4) == 1 ? mask(3, 0) : mask(5, 0));
    default: return 0;
  }
}

RegisterContents::Gate RegisterContents::gate(u32 control, u32 fields) const {
  const Control& of = control == reg::cr0 ? cr0_ : irq_ctrl_;
  if ((of.settled & fields) != fields) return Gate::unsure;
  return (of.value & fields) == 0 ? Gate::open : Gate::shut;
}

RegisterContents::Gate RegisterContents::gate_of(Guard guard) const {
  using namespace spec;
  switch (guard) {
    case Guard::none:
    case Guard::own_update: return Gate::open;
    case Guard::smmuen: return gate(reg::cr0, cr0::smmuen);
    case Guard::cmdqen: return gate(reg::cr0, cr0::cmdqen);
    case Guard::eventqen: return gate(reg::cr0, cr0::eventqen);
    case Guard::priqen: return gate(reg::cr0, cr0::priqen);
    case Guard::queues: {
      // CR1 has the attributes of queues and of tables, each with its own guard.
      const Gate tables = gate(reg::cr0, cr0::smmuen);
      const Gate queues = gate(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::priqen);
      return tables == queues ? tables : Gate::unsure;
    }
    case Guard::gerror_irqen: return gate(reg::irq_ctrl, irq_ctrl::gerror_irqen);
    case Guard::eventq_irqen: return gate(reg::irq_ctrl, irq_ctrl::eventq_irqen);
    case Guard::priq_irqen: return gate(reg::irq_ctrl, irq_ctrl::priq_irqen);
  }
  return Gate::unsure;
}

/// A field that changes is in transition until its acknowledgement shows it. IHI 0070 6.3.9.
void RegisterContents::control_written(u32 offset, u64 value) {
  Control& control = offset == reg::cr0 ? cr0_ : irq_ctrl_;
  control.settled &= ~(control.value ^ value);
  control.value = value;
  control.waits = 0;
}

void RegisterContents::write(const trace::MmioWrite& write) {
  const auto offset = static_cast<u32>(write.offset);
  if (offset == reg::cr0 || offset == reg::irq_ctrl) {
    return control_written(offset, write.value);
  }
  const auto info = spec::register_at(offset);
  if (!info || !is_there(info->offset, caps_)) return;
  Contents& contents = contents_[info->offset];
  const bool whole = offset == info->offset && write.size == info->bytes;
  const bool half = info->bytes == 8 && write.size == 4 && offset % 4 == 0;
  const Gate its = gate_of(info->guard);
  // Before v3.2 any value may be in effect; CR2 alone is read-only in each version.
  const bool fixed = caps_.minor >= 2 || info->offset == reg::cr2;
  if ((!whole && !half) || its == Gate::unsure || (its == Gate::shut && !fixed)) {
    contents = {};
    return;
  }
  const unsigned shift = offset == info->offset ? 0 : 32;
  contents.ignored = its == Gate::shut;
  const u64 place = half ? mask(31, 0) << shift : ~u64{0};
  contents.refused = write.value << shift;
  contents.refused_at = place;
  if (contents.ignored) return;
  contents.by_half = half;
  contents.value = (contents.value & ~place) | ((write.value << shift) & place);
  contents.known = (contents.known & ~place) | (stored(info->offset, contents.value) & place);
}

std::optional<RegisterContents::Mismatch> RegisterContents::read(const trace::MmioRead& read) {
  const auto offset = static_cast<u32>(read.offset);
  if (offset == reg::cr0ack || offset == reg::irq_ctrlack) {
    Control& control = offset == reg::cr0ack ? cr0_ : irq_ctrl_;
    control.settled |= ~(control.value ^ read.value);
    // That of CR0 is the monitor's.
    const u64 fields = offset == reg::irq_ctrlack ? spec::irq_ctrl_fields(caps_) : 0;
    if ((control.value & fields & ~read.value) == 0 || ++control.waits != polls_max) {
      return std::nullopt;
    }
    return Mismatch{
        "IRQ_CTRLACK does not follow IRQ_CTRL",
        fmt::format("IRQ_CTRLACK reads as {:#x} and {:#x} was written to IRQ_CTRL, within {} reads",
                    read.value, control.value, polls_max)};
  }
  const auto info = spec::register_at(offset);
  if (!info) return std::nullopt;
  const auto found = contents_.find(info->offset);
  if (found == contents_.end()) return std::nullopt;
  const bool whole = offset == info->offset && read.size == info->bytes;
  const bool half = info->bytes == 8 && read.size == 4 && offset % 4 == 0;
  if (!whole && !half) return std::nullopt;
  const Contents& contents = found->second;
  const unsigned shift = offset == info->offset ? 0 : 32;
  const u64 place = half ? mask(31, 0) : ~u64{0};
  const u64 wrong = ((contents.value >> shift) ^ read.value) & (contents.known >> shift) & place;
  if (wrong == 0) return std::nullopt;
  const std::string part = half ? (shift == 0 ? " by its lower half" : " by its upper half") : "";
  std::string kind = std::string(info->name) + part;
  const u64 not_written = ~(contents.refused_at >> shift);
  const bool took_it = (wrong & (((contents.refused >> shift) ^ read.value) | not_written)) == 0;
  if (contents.ignored && took_it) {
    kind += " reads as a write left it that has to be ignored";
  } else {
    kind += " does not read as it was written";
    if (contents.by_half) kind += " by halves";
    const std::string names = spec::field_names(info->offset, wrong << shift);
    if (!names.empty()) kind += ": " + names;
  }
  const u64 expected = (contents.value >> shift) & place;
  return Mismatch{kind, fmt::format("{}: {:#x} instead of {:#x}; bits {:#x} of it are wrong", kind,
                                    read.value, expected, wrong)};
}

}  // namespace iommucheck::oracle
