// SPDX-License-Identifier: MIT
// Where things are on QEMU's machine "virt" with highmem=off, and the registers of its edu devices.
#pragma once

#include <array>

#include "base/types.h"
#include "trace/event.h"

namespace iommucheck::oracle::qemu_map {

inline constexpr u64 smmu = 0x09050000, ecam = 0x3f000000, pci_memory = 0x10000000,
                     ram = 0x40000000, ram_bytes = 64U << 20;
inline constexpr unsigned engines_max = 24;
/// PCI slots of the engines. The fifth and those behind it are in another group of eight: the
/// StreamIDs of slots that differ there have another L1STD with SPLIT = 6.
constexpr unsigned slot_of(unsigned engine) { return engine < 4 ? 2 + engine : 5 + engine; }
// In RAM: structures, then data. Behind it is a place without memory.
inline constexpr u64 structures = ram, structures_bytes = u64{8} << 20;
inline constexpr u64 data = ram + structures_bytes, data_bytes = u64{4} << 20;
inline constexpr u64 absent = 0x70000000, absent_bytes = u64{1} << 16;

/// The SMMU's wires, as inputs of the machine's interrupt controller from `first_interrupt` on.
/// Each interrupt is a pulse.
inline constexpr unsigned first_interrupt = 74;
inline constexpr std::array wires = {trace::IrqKind::event_queue,
                                     trace::IrqKind::page_request_queue,
                                     trace::IrqKind::command_sync, trace::IrqKind::global_error};

/// Of an edu device: registers from its BAR on, places and bits of them.
namespace edu {
inline constexpr u64 source = 0x80, destination = 0x88, count = 0x90, command = 0x98;
inline constexpr u64 buffer = 0x40000;  ///< as its DMA names it
inline constexpr u64 start = 1, to_memory = 2;
inline constexpr u64 bar_bytes = u64{1} << 20;
}  // namespace edu

}  // namespace iommucheck::oracle::qemu_map
