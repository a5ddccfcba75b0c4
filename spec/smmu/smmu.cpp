// SPDX-License-Identifier: MIT
#include "spec/smmu/smmu.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"

namespace iommucheck::spec {
namespace {

struct IrqCfg {
  u64 enable;
  u32 first;  ///< CFG0, of 64 bits; CFG1 and CFG2 stand behind it
  std::string_view name;
};
/// In the order of Registers::irq_cfg.
constexpr IrqCfg irq_cfgs[] = {{irq_ctrl::gerror_irqen, reg::gerror_irq_cfg0, "GERROR"},
                               {irq_ctrl::eventq_irqen, reg::eventq_irq_cfg0, "EVENTQ"},
                               {irq_ctrl::priq_irqen, reg::priq_irq_cfg0, "PRIQ"}};
constexpr unsigned irq_sources = 3;
constexpr unsigned irq_cfg_words = 4;

}  // namespace

Smmu::Smmu(Caches& caches, const IdRegisters& id) : caches_(caches), id_(id) { r_.gbpa = 0x1000; }

void Smmu::reset(bool assumed_clean) {
  if (!assumed_clean) caches_.reset();
}

void Smmu::driver_begins() {
  if (r_.driver_began != 0) return;
  set(r_.driver_began, 1);
  set(r_.irq_cfg_unknown, capabilities().msi ? low_mask(u64{irq_sources * irq_cfg_words}) : 0);
}

void Smmu::report(Rule rule, std::string text) {
  caches_.violations().push_back({rule, caches_.now(), std::move(text)});
}

// ---- writes -------------------------------------------------------------------------------------

u64* Smmu::storage(u32 offset) {
  switch (offset) {
    case reg::cr1: return &r_.cr1;
    case reg::cr2: return &r_.cr2;
    case reg::strtab_base: return &r_.strtab_base;
    case reg::strtab_base_cfg: return &r_.strtab_base_cfg;
    case reg::cmdq_base: return &r_.cmdq_base;
    case reg::cmdq_cons: return &r_.cmdq_cons;
    case reg::eventq_base: return &r_.eventq_base;
    case reg::eventq_prod: return &r_.eventq_prod;
    case reg::priq_base: return &r_.priq_base;
    case reg::priq_prod: return &r_.priq_prod;
    case reg::gerror_irq_cfg0: return &r_.irq_cfg[0];
    case reg::gerror_irq_cfg1: return &r_.irq_cfg[1];
    case reg::gerror_irq_cfg2: return &r_.irq_cfg[2];
    case reg::eventq_irq_cfg0: return &r_.irq_cfg[3];
    case reg::eventq_irq_cfg1: return &r_.irq_cfg[4];
    case reg::eventq_irq_cfg2: return &r_.irq_cfg[5];
    case reg::priq_irq_cfg0: return &r_.irq_cfg[6];
    case reg::priq_irq_cfg1: return &r_.irq_cfg[7];
    case reg::priq_irq_cfg2: return &r_.irq_cfg[8];
    default: return nullptr;
  }
}

// The enable has to be 0 in both the register and its acknowledgement. arch 1.4.
bool Smmu::guard_is_open(Guard guard) const {
  const u64 cr0 = r_.cr0 | r_.cr0ack;
  const u64 irq = r_.irq_ctrl | r_.irq_ctrlack;
  switch (guard) {
    case Guard::none:
    case Guard::own_update: return true;
    case Guard::smmuen: return (cr0 & cr0::smmuen) == 0;
    case Guard::cmdqen: return (cr0 & cr0::cmdqen) == 0;
    case Guard::eventqen: return (cr0 & cr0::eventqen) == 0;
    case Guard::priqen: return (cr0 & cr0::priqen) == 0;
    case Guard::queues: return (cr0 & (cr0::cmdqen | cr0::eventqen | cr0::priqen)) == 0;
    case Guard::gerror_irqen: return (irq & irq_ctrl::gerror_irqen) == 0;
    case Guard::eventq_irqen: return (irq & irq_ctrl::eventq_irqen) == 0;
    case Guard::priq_irqen: return (irq & irq_ctrl::priq_irqen) == 0;
  }
  return true;
}

/// Indices of the output queues are in page 1; what their places in page 0 do is CONSTRAINED
/// UNPREDICTABLE.
void Smmu::check_alias(u32 offset) {
  const bool in_page0 = offset == reg::eventq_prod_page0 || offset == reg::eventq_cons_page0 ||
                        offset == reg::priq_prod_page0 || offset == reg::priq_cons_page0;
  const bool in_page1 = offset == reg::eventq_prod || offset == reg::eventq_cons ||
                        offset == reg::priq_prod || offset == reg::priq_cons;
  if (in_page0 || in_page1) ++caches_.exercised()[number_of(rule::REGISTER_PAGE0_ALIAS)];
  if (in_page0) {
    report(rule::REGISTER_PAGE0_ALIAS, "the index of a queue is accessed at " + hex(offset) +
                                           " and not at " + hex(offset + reg::page1));
  }
}

bool Smmu::guarded(Guard guard, const char* name) {
  ++caches_.exercised()[number_of(rule::REGISTER_GUARDED)];
  if (guard_is_open(guard)) return false;
  report(rule::REGISTER_GUARDED,
         std::string(name) +
             " is written while what it belongs to is enabled, or its disabling is "
             "not acknowledged: the write is ignored from v3.2 on, and before that "
             "any value may be in effect");
  return true;
}

/// The register as a whole, or an aligned half of one of 64 bits.
bool Smmu::has_width(const RegisterInfo& info, u32 offset, unsigned size, const char* what) {
  const bool whole = offset == info.offset && size == info.bytes;
  const bool half = info.bytes == 8 && size == 4 && offset % 4 == 0;
  if (whole || half) return true;
  report(rule::REGISTER_WIDTH, std::string(info.name) + " is " + what + " at " + hex(offset) +
                                   " with " + std::to_string(size) + " bytes");
  return false;
}

void Smmu::write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered) {
  if (ordered) caches_.barrier(by);
  if (offset == reg::cmdq_prod && size == 4) {  // the one that counts
    write_prod(value);
    return;
  }
  ++caches_.exercised()[number_of(rule::REGISTER_WIDTH)];
  check_alias(offset);
  const auto info = register_at(offset);
  if (!info) return;  // RES0 or implementation defined
  if (!has_width(*info, offset, size, "written")) return;
  const bool half = size != info->bytes;
  if (info->access == RegisterAccess::read_only) return;
  if (offset == reg::cr0) return write_cr0(value);
  if (offset == reg::gbpa) return write_gbpa(value);
  if (offset == reg::gerrorn) return write_gerrorn(value);
  if (offset == reg::irq_ctrl) {
    write_irq_ctrl(value);
    return;
  }
  if (offset == reg::eventq_cons) return write_eventq_cons(value);
  if (offset == reg::priq_cons) return write_priq_cons(value);
  u64* place = storage(info->offset);
  if (place == nullptr) return;
  u64 whole_value = value;
  if (half) {
    const unsigned shift = offset == info->offset ? 0 : 32;
    whole_value = with_bits(*place, shift + 31, shift, value);
  }
  const std::string name(info->name);
  if (offset == reg::cr1) {
    const bool tables = ((r_.cr1 ^ whole_value) & cr1::table_mask) != 0;
    const bool queues = ((r_.cr1 ^ whole_value) & cr1::queue_mask) != 0;
    if (tables && guarded(Guard::smmuen, "CR1")) return;
    if (queues && guarded(Guard::queues, "CR1")) return;
  } else if (guarded(info->guard, name.c_str())) {
    return;
  }
  if (offset == reg::cr2) whole_value &= cr2_fields(capabilities());
  set(*place, whole_value);
  note_irq_cfg(offset, size);
  write_register(info->offset, whole_value);
}

void Smmu::write_register(u32 offset, u64 value) {
  switch (offset) {
    case reg::cmdq_base:
      check_size("CMDQ_BASE", value, capabilities().cmdqs);
      update_queue_window();
      set(r_.queue_changed, 1);
      break;
    case reg::cmdq_cons:
      set(r_.cmdq_cons, value & 0xfffff);
      set(r_.queue_changed, 1);
      set(r_.cons_known, 1);
      break;
    case reg::eventq_base: check_size("EVENTQ_BASE", value, capabilities().eventqs); break;
    case reg::priq_base:
      if (capabilities().pri) check_size("PRIQ_BASE", value, capabilities().priqs);
      break;
    case reg::eventq_prod:
      set(r_.eventq_seen, value);
      begin_loads(event_loads_, value);
      break;
    case reg::priq_prod:
      set(r_.priq_seen, value);
      begin_loads(pri_loads_, value);
      break;
    default: break;
  }
}

/// A larger size is taken as the largest: the driver would use slots that do not exist.
void Smmu::check_size(const char* name, u64 value, unsigned largest) {
  ++caches_.exercised()[number_of(rule::QUEUE_SIZE)];
  const u64 literal = bits(value, 4, 0);
  if (literal <= largest) return;
  report(rule::QUEUE_SIZE, std::string(name) + ".LOG2SIZE = " + std::to_string(literal) +
                               ", but IDR1 has " + std::to_string(largest));
}

void Smmu::update_queue_window() {
  const QueueGeometry queue = cmdq();
  set(cmdq_first_, queue.base);
  set(cmdq_bytes_, pow2(queue.lg2) * command_bytes);
}

void Smmu::update_stream_table() {
  caches_.set_stream_table(
      stream_table_of(r_.strtab_base, static_cast<u32>(r_.strtab_base_cfg), capabilities()));
}

void Smmu::write_cr0(u64 value) {
  ++caches_.exercised()[number_of(rule::REGISTER_ACK)];
  const u32 fields = cr0_fields(capabilities());
  set(r_.cr0_reserved, value & ~u64{fields});
  value &= fields;
  const u64 changed = r_.cr0 ^ value;
  const u64 open = r_.cr0 ^ r_.cr0ack;
  if ((changed & open) != 0) {
    report(rule::REGISTER_ACK, "CR0 bits " + hex(changed & open) +
                                   " are changed before CR0ACK showed their last change");
  }
  set(r_.cr0, value);
  if ((changed & cr0::smmuen) != 0) {
    if ((value & cr0::smmuen) != 0) {
      update_stream_table();
      caches_.set_e2h((r_.cr2 & cr2::e2h) != 0);
    }
    caches_.write_smmuen((value & cr0::smmuen) != 0);
  }
  if ((changed & cr0::vmw_mask) != 0) {
    const auto before = static_cast<u32>(r_.cr0ack);
    caches_.set_vmw(std::min(cr0::vmw(before), cr0::vmw(static_cast<u32>(value))));
  }
  // Checks are there for sure between the acknowledgement and the next change.
  if ((changed & cr0::atschk) != 0) caches_.set_atschk(false);
  if ((changed & cr0::cmdqen) == 0) return;
  if ((value & cr0::cmdqen) != 0) return enable_queue();
  set(r_.cons_known, 0);
}

std::string Smmu::reserved_in_cr0() const {
  if (r_.cr0_reserved == 0) return {};
  std::string text = "CR0 was written with " + hex(r_.cr0_reserved) + " in reserved bits";
  if ((r_.cr0_reserved & cr0::atschk) != 0) text += " (ATSCHK, since IDR0.ATS = 0)";
  if ((r_.cr0_reserved & cr0::priqen) != 0) text += " (PRIQEN, since IDR0.PRI = 0)";
  return text + ", which CR0ACK never shows";
}

void Smmu::note_irq_cfg(u32 offset, unsigned size) {
  for (unsigned i = 0; i < irq_sources && r_.irq_cfg_unknown != 0; ++i) {
    const u32 first = irq_cfgs[i].first;
    if (offset < first || offset >= first + 4 * irq_cfg_words) continue;
    const u64 words = low_mask(u64{size / 4}) << (offset - first) / 4;
    set(r_.irq_cfg_unknown, r_.irq_cfg_unknown & ~(words << i * irq_cfg_words));
  }
}

/// A message goes to the address of CFG0, unless that is 0, with the data and the attributes of
/// CFG1 and CFG2. IHI 0070 6.3.16, 6.3.21 to 6.3.23.
void Smmu::check_irq_cfg(u64 enabled) {
  if (!capabilities().msi) return;
  for (unsigned i = 0; i < irq_sources; ++i) {
    if ((enabled & irq_cfgs[i].enable) == 0) continue;
    ++caches_.exercised()[number_of(rule::UNKNOWN_AFTER_RESET)];
    const u64 unknown = r_.irq_cfg_unknown >> i * irq_cfg_words & low_mask(u64{irq_cfg_words});
    const bool of_address = (unknown & 3) != 0;
    if (!of_address && (unknown == 0 || r_.irq_cfg[3 * i] == 0)) continue;
    const std::string name(irq_cfgs[i].name);
    report(
        rule::UNKNOWN_AFTER_RESET,
        name + " interrupts are enabled where IDR0.MSI = 1, and " + name +
            (of_address ? "_IRQ_CFG0 was not written: it resets to an UNKNOWN value, so messages "
                          "may be written to any address"
                        : "_IRQ_CFG1 or CFG2 was not written: they reset to UNKNOWN values, so "
                          "messages may have any data or attributes"));
  }
}

/// Its fields are updated as those of CR0. IHI 0070 6.3.16.
void Smmu::write_irq_ctrl(u64 value) {
  ++caches_.exercised()[number_of(rule::REGISTER_ACK)];
  value &= irq_ctrl_fields(capabilities());
  const u64 early = (r_.irq_ctrl ^ value) & (r_.irq_ctrl ^ r_.irq_ctrlack);
  if (early != 0) {
    report(rule::REGISTER_ACK, "IRQ_CTRL bits " + hex(early) +
                                   " are changed before IRQ_CTRLACK showed their last change");
  }
  check_irq_cfg(value & ~r_.irq_ctrl);
  set(r_.irq_ctrl, value);
}

void Smmu::write_gbpa(u64 value) {
  ++caches_.exercised()[number_of(rule::REGISTER_GBPA_UPDATE)];
  if ((value & gbpa::update) == 0 || r_.gbpa_updating != 0) {
    report(rule::REGISTER_GBPA_UPDATE,
           r_.gbpa_updating != 0 ? "GBPA is written while its last Update is not done"
                                 : "GBPA is written without Update = 1: the write may be ignored");
    return;
  }
  set(r_.gbpa, value & gbpa::defined & ~u64{gbpa::update});
  set(r_.gbpa_updating, 1);
  set(r_.gbpa_written, 1);
  caches_.write_gbpa_abort((r_.gbpa & gbpa::abort) != 0);
}

void Smmu::acknowledge_gbpa() {
  if (r_.gbpa_updating == 0) return;
  set(r_.gbpa_updating, 0);
  caches_.set_gbpa_abort((r_.gbpa & gbpa::abort) != 0);
}

void Smmu::write_gerrorn(u64 value) {
  ++caches_.exercised()[number_of(rule::REGISTER_GERRORN)];
  const u64 active = r_.gerror ^ r_.gerrorn;
  const u64 fields = gerror_fields(capabilities());
  const u64 toggled = r_.gerrorn ^ (value & fields);
  if ((toggled & ~active) != 0) {
    report(rule::REGISTER_GERRORN,
           "GERRORN toggles bits " + hex(toggled & ~active) + " of errors that are not active");
  }
  set(r_.gerrorn, value & fields);
  if (!command_error()) {
    set(r_.error, 0);
    set(r_.error_claimed, 0);
    process_queue();
  }
}

// ---- acknowledgements ---------------------------------------------------------------------------

void Smmu::acknowledge(u64 mask) {
  const u64 now = (r_.cr0ack & ~mask) | (r_.cr0 & mask);
  if (now == r_.cr0ack) return;
  const u64 changed = now ^ r_.cr0ack;
  set(r_.cr0ack, now);
  set(r_.progress, r_.progress + 1);
  if ((changed & cr0::smmuen) != 0) {
    caches_.acknowledge_smmuen();
    // What is stalled is terminated, and its STAGs are free. IHI 0070 3.12.2, 6.3.9.6.
    if ((now & cr0::smmuen) == 0) stalls_.clear(caches_.trail());
  }
  if ((changed & cr0::atschk) != 0) caches_.set_atschk((now & cr0::atschk) != 0);
  if ((changed & cr0::vmw_mask) != 0) caches_.set_vmw(cr0::vmw(static_cast<u32>(now)));
}

}  // namespace iommucheck::spec
