// SPDX-License-Identifier: MIT
// Regimes and tags by number, which of them can be formed now, and who forms them. SEMANTICS 2:
// "What a tag collects is regimes". What follows where one comes or goes, says
// FormedRegimes; which do, Configuration.
#pragma once

#include <algorithm>
#include <compare>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/inline_vector.h"
#include "base/pool.h"
#include "base/stable_array.h"
#include "spec/rules.h"
#include "spec/smmu/items.h"

namespace iommucheck::spec {

struct RegimeState {
  Regime<u64> regime;
  u32 tag = 0;
  u64 formed = 0;       ///< number of streams' options that form it
  u64 dies = immortal;  ///< group after which it can be formed no more
  /// 1 + the event since which it cannot be formed, but what was filled through it lives on.
  u64 ghost = 0;
  u64 ghost_dies = immortal;
  u64 listed = 0;  ///< in its tag's list
  u64 next = 0;    ///< 1 + the next of its tag
};

struct TagState {
  Tag<u64> tag;
  u64 first_regime = 0;  ///< 1 + regime
  u64 formed = 0;        ///< distinct regimes that can be formed
  u64 broken = 0;
  u64 active = 0;
  u64 globals = 0;  ///< a table of it ever held a global leaf, or a word that may read as one
  /// Of stage 2: combined entries may hold what lives, or lived, under it, and after which group
  /// they surely do not: never as long as a nested STE forms a regime of it.
  u64 combines = 0;
  u64 combines_until = immortal;
};

/// What one stream's configuration forms, so that a change can be undone.
struct Formed {
  u32 next = 0;
  u32 sid = 0;
  u32 ssid = 0;
  u32 regime = 0;
  u64 place = 0;  ///< of the CD; of stage 2 of the STE
  Group dies = immortal;
  u16 units = 0;        ///< atomic units of that with more than one version
  bool nested = false;  ///< of stage 2, by an STE with both stages
  u8 padding = 0;
};

using FormedList = InlineVector<Formed, 4>;

/// That configurations of one tag agree.
Rule tag_rule(const Tag<u64>& tag);

class Regimes {
 public:
  explicit Regimes(Trail& trail) : trail_(trail) {}

  // ---- numbers ----------------------------------------------------------------------------------
  // Regimes and tags are numbered once and for all: a number says nothing about the state, so
  // undoing leaves them.
  u32 intern(const Regime<u64>& regime);
  [[nodiscard]] const RegimeState& operator[](u64 number) const { return regimes_[number]; }
  [[nodiscard]] const Regime<u64>& of(const Space& space) const {
    return regimes_[space.regime].regime;
  }
  [[nodiscard]] const TagState& tag(u32 number) const { return tags_[number]; }
  [[nodiscard]] u32 tags() const { return static_cast<u32>(tags_.size()); }
  /// Tags of which a regime was ever formed.
  [[nodiscard]] u32 active() const { return active_.size(); }
  [[nodiscard]] u32 active_tag(u32 i) const { return static_cast<u32>(active_[i]); }

  // ---- spaces -----------------------------------------------------------------------------------
  [[nodiscard]] Space space(u32 number, unsigned half) const {
    return {.regime = number,
            .half = static_cast<u8>(half),
            .geometry = geometry_of(regimes_[number].regime, half)};
  }
  /// visit(Space) for the spaces of that half in which walks under the tag begin now.
  template <class Visit>
  void for_each_space(u32 tag, unsigned half, Visit&& visit) const {
    for (u64 r = tags_[tag].first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      if (state.formed == 0 || state.regime.half[half].epd) continue;
      visit(space(static_cast<u32>(r - 1), half));
    }
  }
  /// The same of those that share tables with `like`.
  template <class Visit>
  void for_each_space_like(u32 tag, const Space& like, Visit&& visit) const {
    for_each_space(tag, like.half, [&](const Space& space) {
      if (shares_tables(space, like)) visit(space);
    });
  }
  /// visit(Space, const TableExtent&) for the halves of a regime that are walked.
  template <class Visit>
  void for_each_root(u32 number, Visit&& visit) const {
    const Regime<u64>& regime = regimes_[number].regime;
    for (unsigned half = 0; half < 2; ++half) {
      if (regime.half[half].epd) continue;
      visit(space(number, half), root_of(regime, half));
    }
  }
  /// Is there a regime of the tag that walks this half? Otherwise nothing is filled.
  [[nodiscard]] bool walks(u32 tag, unsigned half) const {
    for (u64 r = tags_[tag].first_regime; r != 0; r = regimes_[r - 1].next) {
      if (regimes_[r - 1].formed != 0 && !regimes_[r - 1].regime.half[half].epd) return true;
    }
    return false;
  }
  /// Some regime of the tag that can be formed, or of which something may be left, has CD.ASET = 1:
  /// its ASID is none of the CPUs'. IHI 0070 3.17.
  [[nodiscard]] bool any_apart(u32 tag) const {
    for (u64 r = tags_[tag].first_regime; r != 0; r = regimes_[r - 1].next) {
      const RegimeState& state = regimes_[r - 1];
      if (state.regime.aset && (state.formed != 0 || state.ghost != 0)) return true;
    }
    return false;
  }
  /// Some regime of the tag by which there are look-ups has this ASET.
  [[nodiscard]] bool looks_up(u32 tag, const Flag<u64>& aset) const {
    for (u64 r = tags_[tag].first_regime; r != 0; r = regimes_[r - 1].next) {
      if (regimes_[r - 1].formed != 0 && regimes_[r - 1].regime.aset == aset) return true;
    }
    return false;
  }

  // ---- what is global ---------------------------------------------------------------------------
  /// Some tag has TagState::globals.
  [[nodiscard]] bool any_globals() const { return globals_ != 0; }
  void note_globals(u32 tag);
  /// Look-ups under `tag` meet global entries that were filled under `other`, if the ASET fits.
  [[nodiscard]] bool meets_globals_of(u32 tag, u32 other) const {
    const Tag<u64>& a = tags_[tag].tag;
    const Tag<u64>& b = tags_[other].tag;
    return tags_[other].globals != 0 && a.world == b.world && a.vmid == b.vmid &&
           a.stage == b.stage;
  }

  // ---- who forms them ---------------------------------------------------------------------------
  [[nodiscard]] u32 formed() const { return formed_.size(); }
  [[nodiscard]] const Formed& formed(u32 i) const { return formed_[i]; }
  void add_formed(const Formed& entry) { formed_.push(trail_, entry); }
  void remove_formed(u32 i) { formed_.remove_unordered(trail_, i); }
  /// Counts anew by how many the regime is formed, and how long that lasts. The count before.
  u64 recount(u32 number);
  /// A nested STE forms a regime of the tag.
  [[nodiscard]] bool is_nested(u32 tag) const;
  /// Some tag has TagState::combines.
  [[nodiscard]] bool any_combines() const { return combines_ != 0; }
  void combine(u32 tag, u64 until);
  /// No combined entry holds anything of it.
  void separate(u32 tag);
  /// Some stream may form others than it did.
  void note_change() { ++formed_version_; }
  /// visit(sid, ssid) for streams whose configuration may use the tag, in ascending order.
  template <class Visit>
  void streams_of(u32 tag, Visit&& visit) const {
    const std::vector<Stream>& streams = streams_by_tag();
    const auto before = [](const Stream& stream, u32 t) { return stream.tag < t; };
    for (auto i = std::lower_bound(streams.begin(), streams.end(), tag, before);
         i != streams.end() && i->tag == tag; ++i) {
      visit(i->sid, i->ssid);
    }
  }

  // ---- regimes that come and go -----------------------------------------------------------------
  /// The regime can be formed from now on. True: it was a ghost.
  bool come(u32 number);
  /// It can be formed no more since event `now`: a ghost, until drop_ghost().
  void go(u32 number, EventIndex now);
  void drop_ghost(u32 number);
  /// One that no stream forms, and that is walked from here on until release(). Before come().
  void hold(u32 number) {
    trail_.set(regimes_[number].formed, 1);
    trail_.set(regimes_[number].dies, immortal);
  }
  /// It is walked no more, and nothing of it lives on.
  void release(u32 number) {
    RegimeState& state = regimes_[number];
    trail_.set(state.formed, 0);
    trail_.set(tags_[state.tag].formed, tags_[state.tag].formed - 1);
  }
  [[nodiscard]] bool any_ghost() const { return ghosts_ != 0; }
  void set_ghost_dies(u32 number, u64 group) { trail_.set(regimes_[number].ghost_dies, group); }
  void set_broken(u32 tag, bool broken);
  /// Stage 2 configurations of the VMID differ. Then look-ups of stage 1 under it are
  /// unpredictable, too: IHI 0070 5.2.1.
  [[nodiscard]] bool has_broken_stage2(const Tag<u64>& tag) const {
    return broken_stage2_ != 0 && finds_broken_stage2(tag);
  }

  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

 private:
  struct Stream {
    u32 tag = 0;
    u32 sid = 0;
    u32 ssid = 0;
    friend auto operator<=>(const Stream&, const Stream&) = default;
  };
  /// Sorted by tag, made anew when a configuration has changed.
  struct FormedIndex {
    u64 version = ~u64{0};
    u64 generation = 0;
    std::vector<Stream> streams;
  };
  [[nodiscard]] bool finds_broken_stage2(const Tag<u64>& tag) const;
  u32 intern_tag(const Tag<u64>& tag);
  const std::vector<Stream>& streams_by_tag() const;

  Trail& trail_;
  StableArray<RegimeState> regimes_;
  std::unordered_multimap<u64, u32> regime_index_;
  StableArray<TagState> tags_;
  std::unordered_multimap<u64, u32> tag_index_;
  TrailArray<u64> active_;
  TrailArray<Formed> formed_;
  u64 ghosts_ = 0;         // regimes that are ghosts
  u64 globals_ = 0;        // of some tag
  u64 broken_stage2_ = 0;  // tags of stage 2 that are broken
  u64 combines_ = 0;       // tags
  u64 formed_version_ = 0;
  mutable FormedIndex formed_index_;
};

}  // namespace iommucheck::spec
