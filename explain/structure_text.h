// SPDX-License-Identifier: MIT
// STEs and CDs in words: the fields of each of their words, and what becomes of a stream by them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spec/rules/structures.h"
#include "spec/smmu/cd.h"

namespace iommucheck::oracle {

/// "V=1 Config=0b101 ..." of word `word`; empty for words that have no field here.
std::string ste_fields(const spec::Ste<u64>& ste, unsigned word);
std::string cd_fields(const spec::Cd<u64>& cd, unsigned word);

/// What an STE or a CD makes of its stream.
struct StructureMeaning {
  std::string kind;  ///< abort, bypass, stage 1, stage 2, nested, context; invalid, ILLEGAL
  /// That says so: of what is not legal the requirement that it does not keep.
  spec::Rule rule = spec::rule::STE_VALID;
  bool legal = true;  ///< else C_BAD_STE, C_BAD_CD
  friend bool operator==(const StructureMeaning&, const StructureMeaning&) = default;
};
StructureMeaning meaning_of(const spec::Ste<u64>& ste, const spec::Capabilities& caps);
/// The STE leads to the CD, is legal, and has stage 1.
StructureMeaning meaning_of(const spec::Cd<u64>& cd, const spec::Ste<u64>& ste,
                            const spec::Capabilities& caps);

}  // namespace iommucheck::oracle
