// SPDX-License-Identifier: MIT
// Numbers of the Non-secure programming interface: offsets, fields, opcodes, event types. IHI 0070
// 4, 6, 7.3. Names are the manual's in lower case.
#pragma once

#include "base/bits.h"
#include "base/types.h"

namespace iommucheck::device {

namespace reg {
inline constexpr u32 idr0 = 0x000, idr5 = 0x014, iidr = 0x018, aidr = 0x01c;
inline constexpr u32 cr0 = 0x020, cr0ack = 0x024, cr1 = 0x028, cr2 = 0x02c, gbpa = 0x044;
inline constexpr u32 irq_ctrl = 0x050, irq_ctrlack = 0x054, gerror = 0x060, gerrorn = 0x064;
inline constexpr u32 gerror_irq_cfg0 = 0x068, eventq_irq_cfg0 = 0x0b0, priq_irq_cfg0 = 0x0d0;
inline constexpr u32 strtab_base = 0x080, strtab_base_cfg = 0x088;
inline constexpr u32 cmdq_base = 0x090, cmdq_prod = 0x098, cmdq_cons = 0x09c;
inline constexpr u32 eventq_base = 0x0a0, priq_base = 0x0c0;
inline constexpr u32 page1 = 0x10000;
inline constexpr u32 eventq_prod = page1 + 0xa8, eventq_cons = page1 + 0xac;
inline constexpr u32 priq_prod = page1 + 0xc8, priq_cons = page1 + 0xcc;
}  // namespace reg

namespace cr0 {
inline constexpr u32 smmuen = 1, priqen = 2, eventqen = 4, cmdqen = 8, atschk = 16;
inline constexpr u32 vmw = 7 << 6;
}  // namespace cr0

namespace cr2 {
inline constexpr u32 e2h = 1, recinvsid = 2, rec_cfg_ats = 8;
}  // namespace cr2

namespace gbpa {
inline constexpr u32 abort = 1U << 20, update = 1U << 31;
}  // namespace gbpa

namespace irq {
inline constexpr u32 gerror = 1, priq = 2, eventq = 4;
}  // namespace irq

namespace gerror {
inline constexpr u32 cmdq_err = 1, eventq_abt_err = 1 << 2, priq_abt_err = 1 << 3,
                     msi_cmdq_abt = 1 << 4, msi_eventq_abt = 1 << 5, msi_priq_abt = 1 << 6,
                     msi_gerror_abt = 1 << 7, sfm_err = 1 << 8;
}  // namespace gerror

namespace cerror {
inline constexpr u32 ill = 1, abt = 2, atc_inv_sync = 3;
}  // namespace cerror

inline constexpr u32 queue_index_mask = 0xfffff;
inline constexpr u32 overflow_flag = 1U << 31;

enum class Op : u8 {
  prefetch_config = 0x01,
  prefetch_addr = 0x02,
  cfgi_ste = 0x03,
  cfgi_ste_range = 0x04,
  cfgi_cd = 0x05,
  cfgi_cd_all = 0x06,
  tlbi_nh_all = 0x10,
  tlbi_nh_asid = 0x11,
  tlbi_nh_va = 0x12,
  tlbi_nh_vaa = 0x13,
  tlbi_el2_all = 0x20,
  tlbi_el2_asid = 0x21,
  tlbi_el2_va = 0x22,
  tlbi_el2_vaa = 0x23,
  tlbi_s12_vmall = 0x28,
  tlbi_s2_ipa = 0x2a,
  tlbi_nsnh_all = 0x30,
  atc_inv = 0x40,
  pri_resp = 0x41,
  resume = 0x44,
  stall_term = 0x45,
  sync = 0x46,
};

/// Types of records; `none`: no event.
enum class Event : u8 {
  none = 0,
  c_bad_streamid = 0x02,
  f_ste_fetch = 0x03,
  c_bad_ste = 0x04,
  f_bad_ats_treq = 0x05,
  f_stream_disabled = 0x06,
  f_transl_forbidden = 0x07,
  c_bad_substreamid = 0x08,
  f_cd_fetch = 0x09,
  c_bad_cd = 0x0a,
  f_walk_eabt = 0x0b,
  f_translation = 0x10,
  f_addr_size = 0x11,
  f_access = 0x12,
  f_permission = 0x13,
};

/// The four that CD.A, R, S and STE.S2R, S2S decide about.
constexpr bool is_translation_fault(Event e) {
  return e >= Event::f_translation && e <= Event::f_permission;
}

/// Bits below 2^lg2; 64 and more: all.
constexpr u64 low_mask(unsigned lg2) { return lg2 >= 64 ? ~u64{0} : (u64{1} << lg2) - 1; }

}  // namespace iommucheck::device
