// SPDX-License-Identifier: MIT
// Registers: what is read, what is stored, what follows. IHI 0070 6.2, 6.3. A register that belongs
// to what is enabled ignores writes, in all versions.
#include <algorithm>

#include "impl/device/smmu.h"

namespace iommucheck::device {

namespace {

constexpr u64 allocate_hint = u64{1} << 62;
constexpr u32 gbpa_fields = 0x801f3f1f | 3U << 18;

/// Of the three groups of MSI registers: address, data, attributes.
constexpr u32 msi_at[] = {reg::eventq_irq_cfg0, reg::priq_irq_cfg0, reg::gerror_irq_cfg0};
constexpr u32 msi_enable[] = {irq::eventq, irq::priq, irq::gerror};

/// Errors that there are, IHI 0070 6.3.20.
constexpr u32 gerror_fields(const Features& f) {
  constexpr u32 messages = gerror::msi_cmdq_abt | gerror::msi_eventq_abt | gerror::msi_gerror_abt;
  return gerror::cmdq_err | gerror::eventq_abt_err | gerror::sfm_err |
         (f.pri ? gerror::priq_abt_err : 0) | (f.msi ? messages : 0) |
         (f.msi && f.pri ? gerror::msi_priq_abt : 0);
}

}  // namespace

std::expected<std::unique_ptr<Smmu>, std::string> Smmu::create(const Config& config, Memory& memory,
                                                               Host& host) {
  if (const auto wrong = wrong_with(config.features)) {
    return std::unexpected("the features of the SMMU: " + std::string(*wrong));
  }
  if (config.caches.tlb_lg2 > 20 || config.caches.config_lg2 > 16) {
    return std::unexpected(
        "the caches of the SMMU: 4 * 2^20 translations and 4 * 2^16 contexts "
        "are the most");
  }
  if (config.windows.size() > Bus::windows_most) {
    return std::unexpected("the memory of the SMMU: " + std::to_string(config.windows.size()) +
                           " windows, 8 are the most");
  }
  return std::unique_ptr<Smmu>(new Smmu(config, memory, host));
}

Smmu::Smmu(const Config& config, Memory& memory, Host& host)
    : features_(config.features),
      id_(id_words(config.features)),
      bus_(memory, config.windows),
      host_(host),
      configs_(config.caches.config_lg2),
      tlb_(config.caches.tlb_lg2) {
  publish();
}

void Smmu::reset() {
  const std::lock_guard control(control_);
  {
    const std::lock_guard outputs(outputs_);
    r_ = {};
  }
  work_left_.store(false, std::memory_order_relaxed);
  publish();
  {
    const std::lock_guard lock(fills_);
    epoch_.fetch_add(1, std::memory_order_acq_rel);
    tlb_epoch_.fetch_add(1, std::memory_order_acq_rel);
    configs_.invalidate_streams(0, ~0U);
    const Tlb::Match all{};
    (void)tlb_.invalidate({&all, 1});
  }
  synchronize();
}

Smmu::Mode Smmu::mode() {
  const std::lock_guard lock(mode_lock_);
  Mode now = mode_;
  now.epoch = epoch_.load(std::memory_order_acquire);
  return now;
}

/// What accesses see from now on.
void Smmu::publish() {
  Mode next;
  next.smmuen = (r_.cr0 & cr0::smmuen) != 0;
  next.gbpa_abort = (r_.gbpa & gbpa::abort) != 0;
  next.atschk = (r_.cr0 & cr0::atschk) != 0;
  next.recinvsid = (r_.cr2 & cr2::recinvsid) != 0;
  next.rec_cfg_ats = (r_.cr2 & cr2::rec_cfg_ats) != 0;
  next.e2h = (r_.cr2 & cr2::e2h) != 0;
  next.two_level = features_.two_level_streams && bits(r_.strtab_cfg, 17, 16) == 1;
  const auto split = static_cast<unsigned>(bits(r_.strtab_cfg, 10, 6));
  next.split = static_cast<u8>(split == 8 || split == 10 ? split : 6);
  const auto log2size = static_cast<unsigned>(bits(r_.strtab_cfg, 5, 0));
  next.sid_bits = static_cast<u8>(std::min(log2size, features_.sidsize));
  const unsigned entries =
      next.two_level ? std::max(log2size, 0U + next.split) - next.split + 3 : log2size + 6;
  next.streams =
      align_down(r_.strtab & mask(51, 6) & low_mask(features_.oas), std::max(entries, 6U));
  const std::lock_guard lock(mode_lock_);
  mode_ = next;
  epoch_.fetch_add(1, std::memory_order_acq_rel);
}

u32 Smmu::cr0_fields() const {
  return cr0::smmuen | cr0::eventqen | cr0::cmdqen | (features_.pri ? cr0::priqen : 0) |
         (features_.ats ? cr0::atschk : 0) | (features_.vmw ? cr0::vmw : 0);
}

/// The 64-bit register at `offset`, the place of its lower half.
u64* Smmu::wide(u32 offset) {
  switch (offset) {
    case reg::strtab_base: return &r_.strtab;
    case reg::cmdq_base: return &r_.commands.base;
    case reg::eventq_base: return &r_.events.base;
    case reg::priq_base: return features_.pri ? &r_.pages.base : nullptr;
    default: break;
  }
  for (unsigned i = 0; i < 3 && features_.msi; ++i) {
    if (offset == msi_at[i] && (i != 1 || features_.pri)) return &r_.msi[i].address;
  }
  return nullptr;
}

/// May it be written now?
bool Smmu::is_open(u32 offset) const {
  switch (offset) {
    case reg::strtab_base:
    case reg::strtab_base_cfg:
    case reg::cr2: return (r_.cr0 & cr0::smmuen) == 0;
    case reg::cmdq_base:
    case reg::cmdq_cons: return (r_.cr0 & cr0::cmdqen) == 0;
    case reg::eventq_base:
    case reg::eventq_prod: return (r_.cr0 & cr0::eventqen) == 0;
    case reg::priq_base:
    case reg::priq_prod: return (r_.cr0 & cr0::priqen) == 0;
    default: break;
  }
  for (unsigned i = 0; i < 3; ++i) {
    if (offset >= msi_at[i] && offset < msi_at[i] + 16) return (r_.irq_ctrl & msi_enable[i]) == 0;
  }
  return true;
}

/// Bits of a 64-bit register that exist.
u64 Smmu::stored(u32 offset, u64 value) const {
  const u64 addresses = low_mask(features_.oas) & mask(51, 0);
  switch (offset) {
    case reg::strtab_base: return value & (allocate_hint | (addresses & ~mask(5, 0)));
    case reg::cmdq_base:
    case reg::eventq_base:
    case reg::priq_base: return value & (allocate_hint | addresses);
    default: return value & addresses & ~u64{3};  // of a message
  }
}

u64 Smmu::read(u32 offset, unsigned bytes) {
  if ((bytes != 4 && bytes != 8) || offset % bytes != 0) return 0;
  const std::lock_guard control(control_);
  if (work_left()) run_commands(work_at_once);
  const std::lock_guard outputs(outputs_);
  if (bytes == 8) {
    const u64* its = wide(offset);
    return its == nullptr ? 0 : *its;
  }
  return read_word(offset);
}

u64 Smmu::read_word(u32 offset) {
  if (const u64* low = wide(offset)) return *low & mask(31, 0);
  if (const u64* high = offset >= 4 ? wide(offset - 4) : nullptr) return *high >> 32;
  if (offset <= reg::aidr) return id_[offset / 4];
  for (unsigned i = 0; i < 3 && features_.msi; ++i) {
    if (i == 1 && !features_.pri) continue;
    if (offset == msi_at[i] + 8) return r_.msi[i].data;
    if (offset == msi_at[i] + 12) return r_.msi[i].attributes;
  }
  switch (offset) {
    case reg::cr0:
    case reg::cr0ack: return r_.cr0;
    case reg::cr1: return r_.cr1;
    case reg::cr2: return r_.cr2;
    case reg::gbpa: return r_.gbpa;
    case reg::irq_ctrl:
    case reg::irq_ctrlack: return r_.irq_ctrl;
    case reg::gerror: return r_.gerror;
    case reg::gerrorn: return r_.gerrorn_read;
    case reg::strtab_base_cfg: return r_.strtab_cfg;
    case reg::cmdq_prod: return r_.commands.prod;
    case reg::cmdq_cons: return r_.commands.cons;
    case reg::eventq_prod: return r_.events.prod;
    case reg::eventq_cons: return r_.events.cons;
    case reg::priq_prod: return features_.pri ? r_.pages.prod : 0;
    case reg::priq_cons: return features_.pri ? r_.pages.cons : 0;
    default: return 0;
  }
}

void Smmu::write(u32 offset, unsigned bytes, u64 value) {
  if ((bytes != 4 && bytes != 8) || offset % bytes != 0) return;
  const std::lock_guard control(control_);
  bool runs = work_left();
  {
    const std::lock_guard outputs(outputs_);
    const u32 whole = offset & ~7U;
    if (u64* its = wide(bytes == 8 ? offset : whole); its != nullptr) {
      const u32 at = bytes == 8 ? offset : whole;
      if (!is_open(at)) return;
      const unsigned shift = bytes == 8 || offset == whole ? 0 : 32;
      const u64 next = bytes == 8 ? value : with_bits(*its, shift + 31, shift, value);
      *its = stored(at, next);
      return;
    }
    if (bytes == 8) return;
    if (offset == reg::cr0) {
      write_cr0(static_cast<u32>(value));
    } else {
      write_word(offset, static_cast<u32>(value));
    }
    runs |= offset == reg::cr0 || offset == reg::cmdq_prod || offset == reg::gerrorn;
  }
  if (offset == reg::cr0 || offset == reg::gbpa) synchronize();
  if (runs) run_commands(work_at_once);
}

void Smmu::write_cr0(u32 value) {
  value &= cr0_fields();
  const u32 cleared = r_.cr0 & ~value;
  r_.cr0 = value;
  publish();
  if ((cleared & cr0::smmuen) != 0) end_all_stalls();
}

void Smmu::write_word(u32 offset, u32 value) {
  const u32 index = value & queue_index_mask;
  for (unsigned i = 0; i < 3 && features_.msi; ++i) {
    if (offset != msi_at[i] + 8 && offset != msi_at[i] + 12) continue;
    if ((i == 1 && !features_.pri) || !is_open(offset)) return;
    (offset == msi_at[i] + 8 ? r_.msi[i].data : r_.msi[i].attributes) = value;
    return;
  }
  // LO, which tells wires as well which messages count.
  if (offset == reg::priq_irq_cfg0 + 12 && features_.pri && is_open(offset)) {
    r_.msi[1].attributes = value;
    return;
  }
  if (!is_open(offset)) return;
  switch (offset) {
    case reg::cr1: {
      // Two halves with guards of their own.
      const bool tables = (r_.cr0 & cr0::smmuen) == 0;
      const bool queues = (r_.cr0 & (cr0::cmdqen | cr0::eventqen | cr0::priqen)) == 0;
      const u32 open = (tables ? 0xfc0 : 0) | (queues ? 0x3f : 0);
      r_.cr1 = (r_.cr1 & ~open) | (value & open);
      return;
    }
    case reg::cr2: {
      const u32 before = r_.cr2;
      r_.cr2 = value & (cr2::recinvsid | (features_.hyp ? cr2::e2h : 0) |
                        (features_.atsrecerr ? cr2::rec_cfg_ats : 0));
      // Contexts have the StreamWorld in them.
      if (((before ^ r_.cr2) & cr2::e2h) != 0) (void)invalidate_config(4, 31);
      return publish();
    }
    case reg::gbpa:
      if ((value & gbpa::update) == 0) return;
      r_.gbpa = value & gbpa_fields & ~gbpa::update;
      return publish();
    case reg::irq_ctrl:
      r_.irq_ctrl = value & (irq::gerror | irq::eventq | (features_.pri ? irq::priq : 0));
      return;
    case reg::gerrorn:
      r_.gerrorn_read = value & gerror_fields(features_);
      // Of errors that are not active a toggle would be one: it counts for nothing.
      r_.gerrorn ^= (value ^ r_.gerrorn) & (r_.gerror ^ r_.gerrorn);
      return;
    case reg::strtab_base_cfg: r_.strtab_cfg = value & 0x307ff; return;
    case reg::cmdq_prod: r_.commands.prod = index; return;
    case reg::cmdq_cons: r_.commands.cons = index; return;
    case reg::eventq_prod: r_.events.prod = value & (overflow_flag | queue_index_mask); return;
    case reg::eventq_cons: r_.events.cons = value & (overflow_flag | queue_index_mask); return;
    case reg::priq_prod:
      if (features_.pri) r_.pages.prod = value & (overflow_flag | queue_index_mask);
      return;
    case reg::priq_cons:
      if (features_.pri) r_.pages.cons = value & (overflow_flag | queue_index_mask);
      return;
    default: return;
  }
}

}  // namespace iommucheck::device
