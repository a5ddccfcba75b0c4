// SPDX-License-Identifier: MIT
// What an implementation states that is in no ID register: which of what the architecture leaves
// open it does, and where it is known to differ from the architecture.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/types.h"

namespace iommucheck::spec {

/// What GBPA.ABORT resets to. IHI 0070 3.11, 6.3.14.
enum class GbpaReset : u8 { open, abort, bypass };
/// What the places of the output queues' indices in page 0 do. IHI 0070 6.2.
enum class QueueIndices : u8 { open, alias, raz_wi };

/// Without one: all that the architecture permits, and nothing else.
struct Profile {
  unsigned config_atom = 8;  ///< bytes that a configuration fetch reads at once: 8 or 16
  /// ATC_INV with SSV = 0 covers the entries that have a PASID too (PCIe ATS).
  bool untagged_covers_pasids = true;
  bool caches_config = true;    ///< a structure that was fetched may be used for later accesses
  bool caches_walks = true;     ///< descriptors of tables may
  bool caches_leaves = true;    ///< translations may
  bool combines = true;         ///< those of both stages at once
  bool empty_at_reset = false;  ///< no cache holds anything after reset
  GbpaReset gbpa_reset = GbpaReset::open;
  QueueIndices queue_indices = QueueIndices::open;
  bool has_page1 = true;       ///< else: the indices are in page 0 alone
  bool knows_prefetch = true;  ///< else: CMD_PREFETCH_CONFIG and _ADDR are CERROR_ILL
  friend bool operator==(const Profile&, const Profile&) = default;
};

/// One thing that a profile fixes.
struct ProfileItem {
  /// `choice`: the architecture leaves it open. `deviation`: it does not.
  enum class Kind : u8 { choice, deviation };
  struct Value {
    std::string_view name;
    std::string_view text;  ///< what the implementation does then
  };

  std::string_view name;  ///< as in profiles, and as a key of `check --machine`
  Kind kind = Kind::choice;
  std::string_view section;
  std::string_view text;
  std::span<const Value> values;  ///< the first one is what counts without a profile
  std::string_view says = {};     ///< of a deviation: where one is known

  unsigned (*get)(const Profile&) = nullptr;  ///< index into `values`
  void (*set)(Profile&, unsigned) = nullptr;

  [[nodiscard]] std::optional<unsigned> value_named(std::string_view value) const;
};

/// All of them: choices, then deviations.
std::span<const ProfileItem> profile_items();
const ProfileItem* find_profile_item(std::string_view name);

}  // namespace iommucheck::spec
