// SPDX-License-Identifier: MIT
// What an access by ATS may meet: the answer to a request now, or what the ATC holds. IHI 0070
// 3.9.1; arch 6.5. A request that is not granted has no event and no reaction. Nothing here changes
// the state; what ATCs keep is said by Ats.
#pragma once

#include <vector>

#include "spec/smmu/accesses.h"

namespace iommucheck::spec {

class AtsAccesses {
 public:
  AtsAccesses(const Capabilities& caps, const Controls& controls, const ConfigCache& config,
              const Regimes& regimes, const Atcs& atcs, const Fetches& fetches,
              const Lookups& lookups, const Accesses& accesses)
      : caps_(caps),
        controls_(controls),
        config_(config),
        regimes_(regimes),
        atcs_(atcs),
        fetches_(fetches),
        lookups_(lookups),
        accesses_(accesses) {}

  /// The access may go by ATS.
  [[nodiscard]] bool serves(const Access& access) const {
    return access.route == Route::translated ||
           (atcs_.any_on() && access.route == Route::either && atcs_.is_on(access.sid));
  }
  /// Adds the distinct outcomes of the access by ATS. False: a bound was hit.
  bool collect(const Access& access, std::vector<Outcome>& found) const;
  /// What becomes of a translated access by what an ATC holds.
  void by_atc(u32 atc_tag, const Access& access, std::vector<Outcome>& found) const {
    use(access, atc_tag & ~atc_tag_bit, found);
  }

 private:
  bool ask(const Access& access, std::vector<Outcome>& found) const;
  void use(const Access& sent, u32 owner, std::vector<Outcome>& found) const;
  void use_contained(const Access& access, u32 owner, std::vector<Outcome>& found) const;
  bool check_translated(const Access& access, const Outcome& outcome,
                        std::vector<Outcome>& found) const;

  const Capabilities& caps_;
  const Controls& controls_;
  const ConfigCache& config_;
  const Regimes& regimes_;
  const Atcs& atcs_;
  const Fetches& fetches_;
  const Lookups& lookups_;
  const Accesses& accesses_;
};

}  // namespace iommucheck::spec
