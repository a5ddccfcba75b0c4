// SPDX-License-Identifier: MIT
// Walkers beside the SMMU (walker.h), by a number of the caller's: which of them walk, by which
// regime, and what they flush.
#pragma once

#include <optional>

#include "spec/smmu/accesses.h"
#include "spec/smmu/formed_regimes.h"

namespace iommucheck::spec {

class Walkers {
 public:
  Walkers(Trail& trail, TlbItems& items, Regimes& regimes, TableGraph& graph,
          const Accesses& accesses, const Lookups& lookups, Fills& fills, FormedRegimes& formed)
      : trail_(trail),
        items_(items),
        regimes_(regimes),
        graph_(graph),
        accesses_(accesses),
        lookups_(lookups),
        fills_(fills),
        formed_(formed) {}

  /// It walks by `regime`, one of walker_regime(), from now on. What it had cached is gone.
  void start(u32 walker, const Regime<u64>& regime);
  /// It walks nothing any more, and has nothing cached.
  void stop(u32 walker);
  /// Its own invalidation, complete: it has nothing cached.
  void flush(u32 walker);
  /// Whoever owns it said wrongly that it was flushed: of what it has cached only translations
  /// count from now on, so that nobody else is blamed for tables that are given back.
  void fix(u32 walker);

  [[nodiscard]] bool walks_now(u32 walker) const { return regime_of(walker) != 0; }
  [[nodiscard]] bool any() const { return walkers_.size() != 0; }
  /// Outcomes of an access through it; `sid` and `ssid` of the access mean nothing. False: a bound
  /// was hit, or it walks nothing.
  bool outcomes(u32 walker, const Access& access, std::vector<Outcome>& found) const;
  /// The number of the walker, of a tag that is a walker's.
  [[nodiscard]] std::optional<u32> of_tag(u32 tag) const {
    if (is_atc_tag(tag) || regimes_.tag(tag).tag.world != StreamWorld::foreign) return std::nullopt;
    return static_cast<u32>(regimes_.tag(tag).tag.asid);
  }
  /// The tag of a walker that walks.
  [[nodiscard]] u32 tag_of(u32 walker) const { return regimes_[regime_of(walker) - 1].tag; }
  /// The way of an access through a walker that walks.
  [[nodiscard]] StreamOption way_of(u32 walker) const {
    const u32 regime = regime_of(walker);
    return {.kind = SteKind::stage1, .regime = regime, .tag = regimes_[regime - 1].tag};
  }

 private:
  struct alignas(8) Walker {
    u32 number = 0;
    u32 regime = 0;  ///< 1 + regime
  };
  /// 1 + its regime, 0: it walks nothing.
  [[nodiscard]] u32 regime_of(u32 walker) const;

  Trail& trail_;
  TlbItems& items_;
  Regimes& regimes_;
  TableGraph& graph_;
  const Accesses& accesses_;
  const Lookups& lookups_;
  Fills& fills_;
  FormedRegimes& formed_;
  TrailArray<Walker> walkers_;  // that walk
};

}  // namespace iommucheck::spec
