// SPDX-License-Identifier: MIT
// Registers of the small world's SMMU, by offset (6.2).
#pragma once

#include "base/types.h"

namespace iommucheck::test::fake_registers {

inline constexpr u64 cr0 = 0x20, cr0ack = 0x24, gbpa = 0x44, irq_ctrl = 0x50, irq_ctrlack = 0x54;
inline constexpr u64 gerror = 0x60, gerrorn = 0x64;
inline constexpr u64 strtab_base = 0x80, strtab_cfg = 0x88;
inline constexpr u64 cmdq_base = 0x90, cmdq_prod = 0x98, cmdq_cons = 0x9c;

}  // namespace iommucheck::test::fake_registers
