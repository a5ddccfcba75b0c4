// SPDX-License-Identifier: MIT
// The machines of a campaign: which there are, and whose turn it is.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "check/machine.h"
#include "monitor/not_claimed.h"

namespace iommucheck::oracle {

/// What decides which of the features that nobody named a driver meets.
struct MetBy {
  NotClaimed not_claimed{};
  bool takes_over = false;   ///< IOMMUCHECK_DRIVER_TAKES_OVER
  bool drives_each = false;  ///< IOMMUCHECK_DRIVER_EACH_IOMMU
};

/// The machines of a campaign, by the number of a sequence.
class MachinePlan {
 public:
  /// Beside the default one. Of two features of a machine (COHACC = 0, a group, few commands) each
  /// is there without the other, and both are, on one of them.
  static constexpr u32 drawn_count = 7;
  static constexpr u64 sequences_each = 256;  ///< before it is the next one's turn
  /// A driver is not for every machine: so many stand by for each of a campaign, and each has more
  /// of what an SMMU can be without than the one before.
  static constexpr u32 stand_ins = 4;

  /// As parse_machine; "drawn", with changes or without: the default machine and some of `seed`.
  static Expected<MachinePlan> parse(std::string_view text, u64 seed);

  [[nodiscard]] const std::vector<Machine>& machines() const { return machines_; }
  /// With those that stand by, which have the numbers behind the others'.
  [[nodiscard]] u32 count_of_all() const {
    return static_cast<u32>(machines_.size() + standing_by_.size());
  }
  /// As a driver meets it: without groups that nobody named, where it does not claim them, and left
  /// on by somebody, where nobody named that, only if it claims to take such an SMMU over.
  [[nodiscard]] Machine met(u32 index, const MetBy& driver) const;
  /// met() may leave groups out.
  [[nodiscard]] bool groups_are_drawn() const { return groups_are_drawn_; }
  /// Of the machines, `refused` (a bit each) aside: those that the driver is not for. In the place
  /// of such a one the first of those that stand by for it, the next one of the others, or any.
  /// It is a refused one only where all are.
  [[nodiscard]] u32 index_of(u64 sequence, u64 refused) const;

 private:
  [[nodiscard]] const Machine& at(u32 index) const {
    return index < machines_.size() ? machines_[index] : standing_by_[index - machines_.size()];
  }

  std::vector<Machine> machines_;
  std::vector<Machine> standing_by_;  // one for each of the machines, then another one for each
  bool groups_are_drawn_ = false;
  bool dirty_is_drawn_ = false;
  bool smmus_are_drawn_ = false;
};

/// What some of `planned` have that a driver may be wrong at, and none of `met`, in words: "COHACC
/// = 0".
std::vector<std::string> traits_not_met(std::span<const Machine> planned,
                                        std::span<const Machine> met);

}  // namespace iommucheck::oracle
