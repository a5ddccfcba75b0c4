// SPDX-License-Identifier: MIT
// Registers of the Non-secure programming interface: offsets, fields, what the ID registers claim.
// IHI 0070 6; arch 1.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/bits.h"

namespace iommucheck::spec {

/// Byte offsets from the SMMU's base; page 1 is at 0x10000. arch 1.1.
namespace reg {
inline constexpr u32 idr0 = 0x000, idr1 = 0x004, idr2 = 0x008, idr3 = 0x00c, idr4 = 0x010,
                     idr5 = 0x014, iidr = 0x018, aidr = 0x01c;
inline constexpr u32 cr0 = 0x020, cr0ack = 0x024, cr1 = 0x028, cr2 = 0x02c;
inline constexpr u32 statusr = 0x040, gbpa = 0x044, agbpa = 0x048;
inline constexpr u32 irq_ctrl = 0x050, irq_ctrlack = 0x054;
inline constexpr u32 gerror = 0x060, gerrorn = 0x064;
inline constexpr u32 gerror_irq_cfg0 = 0x068, gerror_irq_cfg1 = 0x070, gerror_irq_cfg2 = 0x074;
inline constexpr u32 strtab_base = 0x080, strtab_base_cfg = 0x088;
inline constexpr u32 cmdq_base = 0x090, cmdq_prod = 0x098, cmdq_cons = 0x09c;
inline constexpr u32 eventq_base = 0x0a0, eventq_prod = 0x100a8, eventq_cons = 0x100ac;
inline constexpr u32 eventq_irq_cfg0 = 0x0b0, eventq_irq_cfg1 = 0x0b8, eventq_irq_cfg2 = 0x0bc;
inline constexpr u32 priq_base = 0x0c0, priq_prod = 0x100c8, priq_cons = 0x100cc;
inline constexpr u32 priq_irq_cfg0 = 0x0d0, priq_irq_cfg1 = 0x0d8, priq_irq_cfg2 = 0x0dc;
/// Page 0 aliases of the queue indices: access is CONSTRAINED UNPREDICTABLE.
inline constexpr u32 eventq_prod_page0 = 0x0a8, eventq_cons_page0 = 0x0ac, priq_prod_page0 = 0x0c8,
                     priq_cons_page0 = 0x0cc;
inline constexpr u32 page1 = 0x10000, end = 0x20000;
constexpr bool is_page0_index(u32 offset) {
  return offset == eventq_prod_page0 || offset == eventq_cons_page0 || offset == priq_prod_page0 ||
         offset == priq_cons_page0;
}
constexpr bool is_page1_index(u32 offset) {
  return offset >= page1 && is_page0_index(offset - page1);
}
}  // namespace reg

enum class RegisterAccess : u8 { read_only, read_write };

/// What has to be 0, in CR0 and CR0ACK (or IRQ_CTRL and its ACK), for a write to count. arch 1.4.
enum class Guard : u8 {
  none,
  smmuen,
  cmdqen,
  eventqen,
  priqen,
  queues,
  gerror_irqen,
  eventq_irqen,
  priq_irqen,
  own_update
};

struct RegisterInfo {
  u32 offset;
  unsigned bytes;  ///< 4 or 8; an 8-byte register may be accessed as two aligned halves
  RegisterAccess access;
  Guard guard;  ///< CR1 has two: `queues` for QUEUE_*, smmuen for TABLE_*
  std::string_view name;
};

/// The register that contains the byte at `offset`, or nothing (RES0, implementation defined).
std::optional<RegisterInfo> register_at(u32 offset);
/// Those that are only read: bit n of `numbers` is the n-th, in the order of their offsets.
u64 read_only_register(u32 offset);  ///< its bit; 0: it is none
std::vector<std::string_view> read_only_names(u64 numbers);

namespace cr0 {
inline constexpr u32 smmuen = 1 << 0, priqen = 1 << 1, eventqen = 1 << 2, cmdqen = 1 << 3,
                     atschk = 1 << 4, vmw_mask = 7 << 6;
/// Number of low VMID bits that a TLBI by VMID ignores: 0..4; reserved values act as 0 here.
constexpr unsigned vmw(u32 value) {
  const auto n = static_cast<unsigned>(bits(value, 8, 6));
  return n <= 4 ? n : 0;
}
}  // namespace cr0

namespace cr1 {
inline constexpr u32 queue_mask = 0x3f, table_mask = 0xfc0;
inline constexpr u32 defined = queue_mask | table_mask;
}  // namespace cr1

namespace cr2 {
inline constexpr u32 e2h = 1 << 0, recinvsid = 1 << 1, ptm = 1 << 2, rec_cfg_ats = 1 << 3;
}  // namespace cr2

namespace gbpa {
inline constexpr u32 abort = 1u << 20, update = 1u << 31;
inline constexpr u32 defined = 0x801f3f1f | (3u << 18);
/// INSTCFG, PRIVCFG, SHCFG, ALLOCCFG, MTCFG.
inline constexpr u32 attributes[] = {3u << 18, 3u << 16, 3u << 12, 0xfu << 8, 1u << 4};
}  // namespace gbpa

namespace irq_ctrl {
inline constexpr u32 gerror_irqen = 1, priq_irqen = 2, eventq_irqen = 4;
}  // namespace irq_ctrl

namespace gerror {
inline constexpr u32 cmdq_err = 1 << 0, eventq_abt_err = 1 << 2, priq_abt_err = 1 << 3,
                     msi_cmdq_abt = 1 << 4, msi_eventq_abt = 1 << 5, msi_priq_abt = 1 << 6,
                     msi_gerror_abt = 1 << 7, sfm_err = 1 << 8;
/// Errors that follow from an external abort of the SMMU's own access.
inline constexpr u32 aborts =
    eventq_abt_err | priq_abt_err | msi_cmdq_abt | msi_eventq_abt | msi_priq_abt | msi_gerror_abt;
}  // namespace gerror

/// CMDQ_CONS.ERR.
enum class CommandError : u8 { none = 0, ill = 1, abt = 2, atc_inv_sync = 3 };
constexpr u32 cmdq_cons_err(u32 cons) { return static_cast<u32>(bits(cons, 30, 24)); }

/// The ID registers as read.
struct IdRegisters {
  u32 idr[6] = {};
  u32 iidr = 0;
  u32 aidr = 0;
  friend bool operator==(const IdRegisters&, const IdRegisters&) = default;
};

enum class StallModel : u8 { both = 0, never = 1, always = 2 };

/// What a device claims. Field names are the manual's; widths are in bits, sizes log2. arch 1.2.
struct Capabilities {
  unsigned minor = 0;  ///< v3.<minor>
  bool s1p = false, s2p = false;
  bool aarch64 = false;  ///< IDR0.TTF[1]
  bool aarch32 = false;
  bool cohacc = false, btm = false;
  unsigned httu = 0;  ///< 0 none, 1 AF, 2 AF and dirty, 3 also AF in table descriptors
  bool hyp = false, ats = false, ns1ats = false;
  bool asid16 = false, vmid16 = false, msi = false, sev = false;
  bool pri = false, vmw = false, cd2l = false;
  unsigned ttendian = 0;  ///< 0 mixed, 2 little only, 3 big only
  bool atsrecerr = false;
  StallModel stall_model = StallModel::both;
  bool term_model = false;  ///< 1: always abort
  bool two_level_stream_table = false;
  unsigned sidsize = 0, ssidsize = 0;
  unsigned priqs = 0, eventqs = 0, cmdqs = 0;
  bool attr_perms_ovr = false, attr_types_ovr = false;
  bool queues_preset = false, tables_preset = false, ecmdq = false;
  bool had = false, pbha = false, xnx = false, pps = false, mpam = false, fwb = false, stt = false,
       ril = false;
  unsigned bbml = 0;
  bool e0pd = false, dpt = false, epan = false;
  bool pasidtt = false;
  bool s1pi = false, s2pi = false, s2po = false, the = false, aie = false;
  bool rme = false;
  unsigned oas_lg2 = 32;  ///< output address size in bits
  bool gran4k = false, gran16k = false, gran64k = false;
  bool ds = false, d128 = false;
  unsigned vax = 0;
  unsigned stall_max = 0;
  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

Capabilities parse_capabilities(const IdRegisters& id);

/// The inverse as far as Capabilities goes: for litmus, tests and the specification as a device.
IdRegisters make_id_registers(const Capabilities& caps);

/// The fields of CR0 that exist; all others are RES0, and CR0ACK does not show them. IHI
/// 0070 6.3.9.
constexpr u32 cr0_fields(const Capabilities& caps) {
  return cr0::smmuen | cr0::eventqen | cr0::cmdqen | (caps.pri ? cr0::priqen : 0) |
         (caps.ats ? cr0::atschk : 0) | (caps.vmw ? cr0::vmw_mask : 0);
}
/// The same of CR2, IHI 0070 6.3.12.
constexpr u32 cr2_fields(const Capabilities& caps) {
  return cr2::recinvsid | (caps.hyp ? cr2::e2h : 0) | (caps.btm ? cr2::ptm : 0) |
         (caps.atsrecerr ? cr2::rec_cfg_ats : 0);
}
/// Of IRQ_CTRL, IHI 0070 6.3.16.
constexpr u32 irq_ctrl_fields(const Capabilities& caps) {
  return irq_ctrl::gerror_irqen | irq_ctrl::eventq_irqen | (caps.pri ? irq_ctrl::priq_irqen : 0);
}
/// Of GERROR and GERRORN, IHI 0070 6.3.19.
constexpr u32 gerror_fields(const Capabilities& caps) {
  return gerror::cmdq_err | gerror::eventq_abt_err | gerror::sfm_err |
         (caps.pri ? gerror::priq_abt_err : 0) |
         (caps.msi ? gerror::msi_cmdq_abt | gerror::msi_eventq_abt | gerror::msi_gerror_abt : 0) |
         (caps.msi && caps.pri ? gerror::msi_priq_abt : 0);
}

/// A feature that is claimed and that this specification does not describe (52-bit 4K/16K tables,
/// 128-bit descriptors, AArch32 tables only), or nothing: nothing that such a machine does is
/// judged.
std::optional<std::string_view> unsupported_feature(const Capabilities& caps);

/// IDR5.OAS, CD.IPS and S2PS: encoding to bits. 7 acts as 52 before v3.4 (5.4, IPS).
constexpr unsigned address_size_lg2(unsigned encoding) {
  constexpr unsigned sizes[8] = {32, 36, 40, 42, 44, 48, 52, 52};
  return sizes[encoding & 7];
}

/// The largest encoding whose size is at most `lg2` bits (32..52).
constexpr unsigned address_size_encoding(unsigned lg2) {
  unsigned encoding = 0;
  while (encoding < 6 && address_size_lg2(encoding + 1) <= lg2) ++encoding;
  return encoding;
}

/// IAS: the input size of stage 2. OAS where only AArch64 tables exist, at least 40 with AArch32.
constexpr unsigned ias_lg2(const Capabilities& caps) {
  return caps.aarch32 && caps.oas_lg2 < 40 ? 40 : caps.oas_lg2;
}

}  // namespace iommucheck::spec
