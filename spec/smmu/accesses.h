// SPDX-License-Identifier: MIT
// What may become of an untranslated access now: the ways that its stream's configuration gives it,
// and what look-ups may meet on each. SEMANTICS 4. Nothing here changes the state.
#pragma once

#include <vector>

#include "spec/smmu/fetches.h"
#include "spec/smmu/lookups.h"
#include "spec/smmu/outcome.h"

namespace iommucheck::spec {

class Accesses {
 public:
  Accesses(const Capabilities& caps, const Memory& memory, const Regimes& regimes,
           const TlbItems& items, const Fetches& fetches, const Lookups& lookups)
      : caps_(caps),
        memory_(memory),
        regimes_(regimes),
        items_(items),
        fetches_(fetches),
        lookups_(lookups) {}

  /// Adds the distinct outcomes of the access. False: a bound was hit.
  bool collect(const Access& access, std::vector<Outcome>& found) const;
  /// By one way, of which the tables are looked up. `by_ats`: as a request asks.
  void under(const Access& access, const StreamOption& way, bool by_ats,
             std::vector<Outcome>& found) const;
  /// What becomes of an access by such a way, if no tables are looked up (`regime` is 0).
  [[nodiscard]] Outcome end_of(const StreamOption& way, const Access& access) const;
  /// And if they are: what look-ups of the address may meet is `candidates`, as collect() finds it
  /// for looked_up(). `heed_conflicts`: two that are in conflict make it anything.
  void outcomes_by(const StreamOption& way, const Access& access,
                   const std::vector<Candidate>& candidates, bool heed_conflicts,
                   std::vector<Outcome>& found) const;
  /// Both stages: which addresses stage 1 yields is not looked at.
  [[nodiscard]] Outcome contained(u32 tag) const;
  /// Of an address that is an intermediate one for the STE, which has both stages.
  [[nodiscard]] Outcome contained(const Fetches::SteOption& ste) const;

 private:
  [[nodiscard]] bool ends_before_lookup(const StreamOption& option, const Access& access,
                                        std::vector<Outcome>& found) const;
  [[nodiscard]] bool is_met(const StreamOption& option, const Access& access, AccessKind kind,
                            const Candidate& c) const;
  void add_met(const Access& access, const StreamOption& option, bool by_ats,
               const std::vector<Candidate>& candidates, bool heed_conflicts,
               std::vector<Outcome>& found) const;
  [[nodiscard]] bool may_mark_dirty(const Candidate& c) const;

  const Capabilities& caps_;
  const Memory& memory_;
  const Regimes& regimes_;
  const TlbItems& items_;
  const Fetches& fetches_;
  const Lookups& lookups_;
  mutable std::vector<Candidate> scratch_candidates_;
};

}  // namespace iommucheck::spec
