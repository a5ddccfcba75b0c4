// SPDX-License-Identifier: MIT
// Registers of the Non-secure programming interface that the driver uses. IHI 0070 chapter 6;
// names as in the manual, in lower case.
#pragma once

#include <algorithm>

#include "base/bits.h"
#include "base/types.h"

namespace iommucheck::impl::reg {

inline constexpr u64 idr0 = 0x00;
inline constexpr u64 idr1 = 0x04;
inline constexpr u64 idr3 = 0x0c;
inline constexpr u64 idr5 = 0x14;
inline constexpr u64 cr0 = 0x20;
inline constexpr u64 cr0ack = 0x24;
inline constexpr u64 cr1 = 0x28;
inline constexpr u64 cr2 = 0x2c;
inline constexpr u64 gbpa = 0x44;
inline constexpr u64 irq_ctrl = 0x50;
inline constexpr u64 irq_ctrlack = 0x54;
inline constexpr u64 gerror = 0x60;
inline constexpr u64 gerrorn = 0x64;
inline constexpr u64 gerror_irq_cfg0 = 0x68;
inline constexpr u64 strtab_base = 0x80;
inline constexpr u64 strtab_base_cfg = 0x88;
inline constexpr u64 cmdq_base = 0x90;
inline constexpr u64 cmdq_prod = 0x98;
inline constexpr u64 cmdq_cons = 0x9c;
inline constexpr u64 eventq_base = 0xa0;
inline constexpr u64 eventq_irq_cfg0 = 0xb0;
inline constexpr u64 eventq_prod = 0x100a8;  // page 1, the portable place
inline constexpr u64 eventq_cons = 0x100ac;
inline constexpr u64 priq_base = 0xc0;
inline constexpr u64 priq_irq_cfg0 = 0xd0;
inline constexpr u64 priq_prod = 0x100c8;
inline constexpr u64 priq_cons = 0x100cc;

inline constexpr u32 cr0_smmuen = 1 << 0;
inline constexpr u32 cr0_priqen = 1 << 1;
inline constexpr u32 cr0_eventqen = 1 << 2;
inline constexpr u32 cr0_cmdqen = 1 << 3;
inline constexpr u32 cr0_atschk = 1 << 4;  // translated traffic is checked against STE.EATS

/// Queues and tables: write-back (1), inner shareable (3), in all six fields.
inline constexpr u32 cr1_cached = 1 | 1 << 2 | 3 << 4 | 1 << 6 | 1 << 8 | 3 << 10;

inline constexpr u32 cr2_recinvsid = 1 << 1;  // record C_BAD_STREAMID
inline constexpr u32 cr2_ptm = 1 << 2;        // what CPUs broadcast is none of ours

inline constexpr u32 gbpa_abort = 1 << 20;
inline constexpr u32 gbpa_update = u32{1} << 31;

inline constexpr u32 irq_gerror = 1 << 0;
inline constexpr u32 irq_priq = 1 << 1;
inline constexpr u32 irq_eventq = 1 << 2;

inline constexpr u32 gerror_cmdq_err = 1 << 0;
inline constexpr u32 gerror_eventq_abt = 1 << 2;
inline constexpr u32 gerror_priq_abt = 1 << 3;
inline constexpr u32 gerror_msi_abt = 0xf << 4;
inline constexpr u32 gerror_sfm = 1 << 8;

inline constexpr u32 cons_index_mask = 0xfffff;
inline constexpr u32 cons_error_lsb = 24;
inline constexpr u32 cons_error_mask = 0x7f;
inline constexpr u32 error_ill = 1;           // CERROR_ILL
inline constexpr u32 error_atc_inv_sync = 3;  // a device did not answer
inline constexpr u32 queue_overflow = u32{1} << 31;

inline constexpr u64 base_allocate = u64{1} << 62;  // RA, WA
inline constexpr u32 strtab_two_level = 1 << 16;

}  // namespace iommucheck::impl::reg

namespace iommucheck::impl {

/// What the ID registers say, as far as the driver asks.
struct Features {
  bool stage1 = false;
  bool stage2 = false;
  u8 vmid_bits = 8;
  bool aarch64_tables = false;
  bool little_endian = false;
  bool coherent = false;
  bool message_interrupts = false;
  bool messages = false;  ///< of CMD_SYNC, to memory that is looked at through caches
  bool hypervisor = false;
  bool broadcasts = false;  ///< of the CPUs' TLB maintenance act
  bool two_level_stream_table = false;
  bool range_invalidation = false;
  bool wide_ranges = false;  ///< SCALE of range commands has six bits
  bool preset_tables = false;
  bool ats = false;
  bool split_ats = false;  ///< ATS of stage 1 alone, under stage 2
  bool page_requests = false;
  bool pasid_on_overflow = false;  ///< responses of its own have PASIDs, whatever STE.PPAR says
  bool dirty_state = false;        ///< marks what is written to, and access flags
  bool two_level_cd_table = false;
  u8 page =
      0;  ///< log2 of the smallest granule's, in which all its own tables are; 0: there is none
  u8 asid_bits = 8;
  u8 stall_model = 0;
  u16 stall_max = 0;
  u8 stream_id_bits = 0;
  u8 ssid_bits = 0;
  u8 cmdq_lg2_max = 0;
  u8 eventq_lg2_max = 0;
  u8 priq_lg2_max = 0;
  u8 output_bits = 32;
  u8 output_size = 0;  ///< the encoding of output_bits, for CD.IPS
};

constexpr Features read_features(u32 id0, u32 id1, u32 id3, u32 id5) {
  Features f;
  f.stage2 = bit(id0, 0);
  f.stage1 = bit(id0, 1);
  f.vmid_bits = bit(id0, 18) ? 16 : 8;
  f.aarch64_tables = bit(id0, 3);
  f.coherent = bit(id0, 4);
  f.message_interrupts = bit(id0, 13);
  f.messages = f.message_interrupts && f.coherent;
  f.hypervisor = bit(id0, 9);
  f.broadcasts = bit(id0, 5);
  // Marks that the CPU's caches may hide are of no use.
  f.dirty_state = bits(id0, 7, 6) >= 2 && f.coherent;
  f.ats = bit(id0, 10);
  f.split_ats = f.ats && !bit(id0, 11);  // NS1ATS
  f.page_requests = f.ats && bit(id0, 16);
  f.pasid_on_overflow = bit(id3, 5);  // PPS
  f.asid_bits = bit(id0, 12) ? 16 : 8;
  f.two_level_cd_table = bit(id0, 19);
  f.little_endian = bits(id0, 22, 21) != 3;
  f.stall_model = static_cast<u8>(bits(id0, 25, 24));
  f.two_level_stream_table = bits(id0, 28, 27) == 1;
  f.stream_id_bits = static_cast<u8>(bits(id1, 5, 0));
  f.ssid_bits = static_cast<u8>(std::min<u64>(bits(id1, 10, 6), 20));
  f.priq_lg2_max = static_cast<u8>(bits(id1, 15, 11));
  f.eventq_lg2_max = static_cast<u8>(bits(id1, 20, 16));
  f.cmdq_lg2_max = static_cast<u8>(bits(id1, 25, 21));
  f.preset_tables = bits(id1, 30, 29) != 0;
  f.range_invalidation = bit(id3, 10);
  f.page = bit(id5, 4) ? 12 : bit(id5, 5) ? 14 : bit(id5, 6) ? 16 : 0;
  f.wide_ranges = bit(id5, 7);  // DS
  f.stall_max = static_cast<u16>(bits(id5, 31, 16));
  // 52 bits and more need descriptor formats that a 4 KiB table has only with DS: 48 are used.
  constexpr u8 sizes[] = {32, 36, 40, 42, 44, 48};
  f.output_size = static_cast<u8>(bits(id5, 2, 0) > 5 ? 5 : bits(id5, 2, 0));
  f.output_bits = sizes[f.output_size];
  return f;
}

}  // namespace iommucheck::impl
