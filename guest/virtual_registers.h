// SPDX-License-Identifier: MIT
// Registers, commands and STEs as a VMM knows them: apart from the specification, which judges it.
// IHI 0070 4, 5.2, 6.3.
#pragma once

#include "base/types.h"

namespace iommucheck::oracle::vsmmu {

// Offsets.
constexpr u32 idr0 = 0x0, idr5 = 0x14, iidr = 0x18, aidr = 0x1c, cr0 = 0x20, cr0ack = 0x24,
              cr1 = 0x28, cr2 = 0x2c, gbpa = 0x44, irq_ctrl = 0x50, irq_ctrlack = 0x54,
              gerror = 0x60, gerrorn = 0x64, strtab_base = 0x80, strtab_base_cfg = 0x88,
              cmdq_base = 0x90, cmdq_prod = 0x98, cmdq_cons = 0x9c, eventq_base = 0xa0,
              eventq_prod = 0x100a8, eventq_cons = 0x100ac;

constexpr u32 cr0_smmuen = 1, cr0_eventqen = 4, cr0_cmdqen = 8;
constexpr u32 cr0_fields = cr0_smmuen | cr0_eventqen | cr0_cmdqen;
constexpr u32 cr1_fields = 0xfff;
constexpr u32 cr2_fields = 2;  // RECINVSID
constexpr u32 gbpa_abort = 1u << 20, gbpa_update = 1u << 31, gbpa_fields = 0x001f3f1f | 3u << 18;
constexpr u32 irq_fields = 1 | 4;  // GERROR, event queue
constexpr u32 gerror_cmdq = 1;
constexpr u64 base_fields = u64{1} << 62 | 0x000f'ffff'ffff'ffe0 | 31;  // RA or WA, ADDR, LOG2SIZE
constexpr u64 base_address = 0x000f'ffff'ffff'ffe0;
constexpr u64 strtab_fields = u64{1} << 62 | 0x000f'ffff'ffff'ffc0;
constexpr u64 strtab_address = 0x000f'ffff'ffff'ffc0;
constexpr u32 index_fields = 0xf'ffff;
constexpr u32 overflow = 1u << 31;
constexpr unsigned cons_err_lsb = 24;
constexpr u32 cerror_ill = 1;

// Commands.
constexpr u64 prefetch_config = 0x01, prefetch_addr = 0x02, cfgi_ste = 0x03, cfgi_ste_range = 0x04,
              cfgi_cd = 0x05, cfgi_cd_all = 0x06, tlbi_nh_all = 0x10, tlbi_nh_asid = 0x11,
              tlbi_nh_va = 0x12, tlbi_nh_vaa = 0x13, tlbi_nsnh_all = 0x30, cmd_sync = 0x46;
constexpr u64 sync_reserved = 3;  // CS
constexpr u64 command_bytes = 16, event_bytes = 32;

// STRTAB_BASE_CFG and an STE.
constexpr u64 ste_bytes = 64;
constexpr u64 ste_v = 1;
constexpr u64 config_bypass = 4, config_stage1 = 5;
/// What a user may choose: V, Config, S1Fmt, S1ContextPtr, S1CDMax; S1DSS, S1CIR, S1COR, S1CSH.
constexpr u64 word0_of_stage1 = 0xf | 0x30 | 0x000f'ffff'ffff'ffc0 | 0xf800'0000'0000'0000;
constexpr u64 word1_of_stage1 = 0xff;

}  // namespace iommucheck::oracle::vsmmu
