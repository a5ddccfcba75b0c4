// SPDX-License-Identifier: MIT
// Updates of descriptors by hardware: Access flags and dirty state (HTTU). IHI 0070 3.13; DDI 0487
// D8.5.
#pragma once

#include <optional>
#include <vector>

#include "spec/smmu/outcome.h"

namespace iommucheck::spec {

/// An atomic update of the descriptor at `pa`, which a walk has read as `from`.
struct FlagUpdate {
  u64 pa = 0;
  u64 from = 0;
  u64 to = 0;
  friend bool operator==(const FlagUpdate&, const FlagUpdate&) = default;
};

/// How it arrives: as an ordinary access, as a request of ATS, or by what such a request was
/// answered.
enum class Arrival : u8 { untranslated, request, translated };

/// What is known of an access and its walk.
struct FlagUpdates {
  bool known = false;           ///< false: of what is open, or not described
  bool both = false;            ///< the stream has both stages
  bool endi = false;            ///< some of its tables are big-endian
  Outcome outcome;              ///< what becomes of the access
  std::vector<u64> words;       ///< addresses of all that was read on the way
  std::vector<FlagUpdate> all;  ///< by address once; none where it does not pass
  /// Leaves by which it passes, of stage 1 and of the output: nothing makes them dirty but what
  /// writes through them. Those of stage 2 that map tables and CDs become dirty by speculation,
  /// too.
  std::vector<u64> leaves, leaves_of_tables;
  std::optional<u64> may_be_dirty{};  ///< a leaf that the SMMU may make dirty already
};

}  // namespace iommucheck::spec
