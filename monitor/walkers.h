// SPDX-License-Identifier: MIT
// Walkers beside the SMMU: their tables and what they have cached of those.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "monitor/users.h"

namespace iommucheck::oracle {

class WalkerEvents : public UsersJudge {
 public:
  /// A walker beside the SMMU gets another table: the context bank of the device with that number,
  /// or, with a number that no device has, a walker of its own. 0: none of its own any more.
  void walker_switches(u32 walker, u64 root);
  /// It dropped what it had cached.
  void walker_flushes(u32 walker);
  /// Outcomes of an access through one that has a table. Of the SMMU's; false: a bound was hit.
  bool ask_walker(u32 walker, const spec::Access& access, std::vector<spec::Outcome>& found);
  /// The same of other hardware.
  std::set<MayGet> ask_walker(u32 walker, u64 iova, char access);

 protected:
  using UsersJudge::UsersJudge;

  void settle_walkers(const spec::sva::Call& call, spec::Rule broken);
  void stop_walker(u32 walker);

 private:
  [[nodiscard]] std::optional<spec::Regime<u64>> format_for(u32 walker, u64 master,
                                                            u32 input_bits) const;
  [[nodiscard]] spec::Regime<u64> format_of_table(u32 walker, u64 root) const;
  [[nodiscard]] bool keeps_of(u32 walker) const;
};

}  // namespace iommucheck::oracle
