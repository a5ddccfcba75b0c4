// SPDX-License-Identifier: MIT
// What hardware may see between two versions of an STE or a CD, while software stores the words of
// the new one over those of the old: 64 bits at a time, with commands between. IHI 0070 3.21.3.
//
// "Hitless" is said where each fetch, of memory and of what may be cached, meets the old or the new
// version in all fields that count there. What TLBs keep of either is no part of it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "explain/structure_text.h"

namespace iommucheck::oracle {

using StructureWords = std::array<u64, spec::ste_words>;

struct HitlessQuestion {
  StructureWords from{}, to{};
  bool cd = false;          ///< of CDs; else of STEs
  spec::Ste<u64> ste{};     ///< by which the CD is reached; where it leads to does not count
  spec::Capabilities caps;  ///< of the SMMU
  /// N: store word N of `to`; N+M: both by one store of 16 bytes; N=VALUE: another value; barrier;
  /// sync: a barrier, CFGI_STE or CFGI_CD and CMD_SYNC, seen complete. With commas between; empty:
  /// see plan_of().
  std::string order;
};

/// One version that a fetch may meet.
struct SeenStructure {
  enum class Version : u8 { from, to, neither };
  StructureWords words{};  ///< fields that do not count there are 0
  Version version = Version::neither;
  StructureMeaning meaning{};
  std::string mixture{};  ///< of which words: "word 0 new, word 1 old"
};

struct HitlessStep {
  std::string step;  ///< in words; of the first, "before"
  std::vector<SeenStructure> may_see;
};

struct HitlessAnswer {
  std::string order;  ///< as it was given, or as it was found
  bool hitless = false;
  /// Behind the last step fetches meet `to` alone.
  bool settled = false;
  /// Why it is not hitless; empty if it is.
  std::string why{};
  std::vector<HitlessStep> steps{};
};

/// The fewest steps that are hitless. Where there are none `hitless` is false and it leads through
/// V = 0 (IHI 0070 3.21.3.1): `why` names the words that would have to change at once.
struct HitlessPlan {
  std::string order;
  bool hitless = true;
  std::string why{};
};
HitlessPlan plan_of(const HitlessQuestion& question);

/// Errors: bad_input for an order that cannot be read or does not end in `to`, with its column, and
/// for an STE that leads to no CD; gave_up where there are too many mixtures.
Expected<HitlessAnswer> answer(const HitlessQuestion& question);

}  // namespace iommucheck::oracle
