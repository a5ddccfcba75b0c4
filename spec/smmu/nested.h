// SPDX-License-Identifier: MIT
// Both stages, where the first is a user's. Whoever judges the owner of stage 2 asks
// Caches::outcomes(), which looks at no word of the user's: `within`. Here is what looks at them:
// one legal outcome, for whoever performs an access; and all that a well-behaved user's access may
// meet, where what SMMUs have cached of stage 1 is what Caches::fill_nested() was told. Nothing
// here changes the state.
#pragma once

#include <vector>

#include "spec/smmu/accesses.h"
#include "spec/smmu/decisions.h"
#include "spec/smmu/flag_updates.h"
#include "spec/smmu/told_cds.h"
#include "spec/smmu/told_pointers.h"

namespace iommucheck::spec {

struct ContextDecision;
struct NewestMemory;

class NestedAccesses {
 public:
  NestedAccesses(const Capabilities& caps, const Controls& controls, const Memory& memory,
                 const Regimes& regimes, const TlbItems& items, const Atcs& atcs,
                 const ToldCds& told_cds, const ToldPointers& told_pointers, const Fetches& fetches,
                 const Lookups& lookups, const Accesses& accesses)
      : caps_(caps),
        controls_(controls),
        memory_(memory),
        regimes_(regimes),
        items_(items),
        atcs_(atcs),
        told_cds_(told_cds),
        told_pointers_(told_pointers),
        fetches_(fetches),
        lookups_(lookups),
        accesses_(accesses) {}

  /// One legal outcome of an untranslated access now, for whoever performs it: what memory says,
  /// newest words alone. SMMUEN may be 1.
  [[nodiscard]] Outcome newest(const Access& access) const;
  /// What a walk of that access writes into descriptors, of the user's and of stage 2: by newest()
  /// as well.
  [[nodiscard]] FlagUpdates updates(const Access& access) const;
  /// Some address leads there by what lives under the tag, which is of stage 2, or of an ATC of
  /// whose addresses nothing is known.
  [[nodiscard]] bool reaches(u32 tag, u64 pa) const;
  /// All that may become of an untranslated access of a user who is known: outcomes(), but `within`
  /// is what stage 1 yields by memory as it is, or by what fill_nested() told and no command has
  /// removed. Adds the distinct ones. False: a bound was hit.
  bool collect(const Access& access, std::vector<Outcome>& found) const {
    return collect(access, false, found);
  }
  /// The same of a request by ATS, where that is answered: by split-stage ATS what passes has the
  /// intermediate address that is sent then.
  bool collect_answers(const Access& access, std::vector<Outcome>& found) const {
    return collect(access, true, found);
  }
  /// What may become of an access that is sent so, by split-stage ATS: its address is an
  /// intermediate one.
  bool collect_translated(const Access& access, std::vector<Outcome>& found) const;
  /// collect(), one after the other: visit(const Outcome&).
  template <class Visit>
  bool outcomes(const Access& access, Visit&& visit) const {
    std::vector<Outcome> found;
    const bool done = collect(access, found);
    for (const Outcome& outcome : found) visit(outcome);
    return done;
  }

 private:
  /// An access, by which STE, and by which stage 2.
  struct Through {
    const Access& access;
    const Ste<u64>& ste;
    StreamOption way;
    bool answers_ipa = false;  ///< it is a request, and answered by split-stage ATS
  };
  [[nodiscard]] SmmuState state() const;
  bool collect(const Access& access, bool by_ats, std::vector<Outcome>& found) const;
  void through_both(const Access& access, const Fetches::SteOption& its, bool by_ats,
                    std::vector<Outcome>& found) const;
  void by_memory(const Through& by, const ContextDecision& context, NewestMemory words, u32 told,
                 std::vector<Outcome>& found) const;
  void through_its_stage1(const Through& by, const ContextDecision& context,
                          std::vector<Outcome>& found) const;
  void through_its_stage2(const Through& by, const Outcome& passed,
                          std::vector<Outcome>& found) const;
  void collect_told(const Tag<u64>& tag, u64 va, std::vector<Candidate>& found) const;

  const Capabilities& caps_;
  const Controls& controls_;
  const Memory& memory_;
  const Regimes& regimes_;
  const TlbItems& items_;
  const Atcs& atcs_;
  const ToldCds& told_cds_;
  const ToldPointers& told_pointers_;
  const Fetches& fetches_;
  const Lookups& lookups_;
  const Accesses& accesses_;
};

}  // namespace iommucheck::spec
