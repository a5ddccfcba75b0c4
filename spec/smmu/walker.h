// SPDX-License-Identifier: MIT
// Walkers beside the SMMU: somebody that reads tables of the SMMU's format by itself, as a GPU does
// that switches the table of its context bank. SEMANTICS 5, dynamic domains.
//
// A walker is a regime under a tag of its own (StreamWorld::foreign), which no stream forms and no
// command of the SMMU covers. All else is as for the SMMU's own caches: what memory says may be
// fetched at any time, what it said before may be cached, until the walker itself is flushed.
#pragma once

#include "spec/arch/regime.h"

namespace iommucheck::spec {

/// The regime by which walker `number` reads the table at `root`: `format` is that of a context
/// descriptor, of which it uses the half of TTB0.
Regime<u64> walker_regime(const Regime<u64>& format, u32 number, u64 root);

/// In place of a MAIR that nobody has said.
inline constexpr u64 unknown_mair = ~u64{0};

/// The format of a table of which no context descriptor is known: no hardware flags, memory types
/// unknown. Widths in bits: of input addresses 25 to 48, of output addresses.
Regime<u64> plain_format(unsigned input_bits, unsigned output_bits, Granule granule = Granule::g4k);

}  // namespace iommucheck::spec
