// SPDX-License-Identifier: MIT
// Words of SMMUv3 structures and descriptors, as the format's fields name them (arch 2.2, 3.3,
// 4.3). Only writing is here; reading them is the business of each engine.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "litmus/ast.h"

namespace iommucheck::litmus {

/// The address that a target stands for.
using Resolve = std::function<u64(const Target&)>;

/// A 64-bit word: `value` in the bits of `mask`.
struct MaskedWord {
  unsigned index = 0;  ///< of the word in its structure
  u64 value = 0;
  u64 mask = 0;
};

/// All eight words of a structure that init lays down: what is not named has its default.
/// `empty_table` is the address of a table of zeros, `nowhere` that of unknown memory.
std::array<u64, 8> encode_ste(const SteLine& ste, const Resolve& resolve, u64 nowhere);
std::array<u64, 8> encode_cd(const CdLine& cd, const Resolve& resolve, u64 empty_table);

/// The named fields, for a store: each word that one is of.
std::vector<MaskedWord> encode_fields(const SteLine& ste, const Resolve& resolve);
std::vector<MaskedWord> encode_fields(const CdLine& cd, const Resolve& resolve);
std::vector<MaskedWord> encode_fields(const L1StdLine& line, const Resolve& resolve);
std::vector<MaskedWord> encode_fields(const L1CdLine& line, const Resolve& resolve);

u64 encode_stage1(const Descriptor& descriptor, u64 address);
u64 encode_stage2(const Descriptor& descriptor, u64 address);

}  // namespace iommucheck::litmus
