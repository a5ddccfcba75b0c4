// SPDX-License-Identifier: MIT
// What look-ups under a tag, or in an ATC, may meet now: walks of memory, cached pointers and
// cached entries, and which of these are in conflict. SEMANTICS 4. Nothing here changes the state.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "spec/smmu/atcs.h"
#include "spec/smmu/candidate.h"
#include "spec/smmu/from_reset.h"
#include "spec/smmu/leaf_notes.h"
#include "spec/smmu/profile.h"
#include "spec/smmu/tlb_items.h"
#include "spec/smmu/work.h"

namespace iommucheck::spec {

class Lookups {
 public:
  using VisitCandidate = std::function<void(const Candidate&, u64 bytes)>;

  Lookups(const Capabilities& caps, const Profile& profile, const Memory& memory,
          const Regimes& regimes, const TlbItems& items, const Atcs& atcs,
          const FromReset& from_reset, const LeafNotes& leaves, const Work& work)
      : caps_(caps),
        profile_(profile),
        memory_(memory),
        regimes_(regimes),
        items_(items),
        atcs_(atcs),
        from_reset_(from_reset),
        leaves_(leaves),
        work_(work) {}

  // ---- one address ------------------------------------------------------------------------------
  /// Candidates for one address under a tag: cached and in memory.
  void collect(u32 tag, u64 va, std::vector<Candidate>& found) const;
  /// Last address up to which collect() gives the same, addresses of extents aside: `found` is what
  /// it gave for `va`. At least `va`.
  [[nodiscard]] u64 constant_until(u32 tag, u64 va, const std::vector<Candidate>& found) const;
  /// Cached entries and what cached pointers yield, of one tag.
  void collect_items(u32 tag, u64 va, std::vector<Candidate>& found) const;
  /// What a word yields, met as an entry of that level.
  void meet(const Space& space, unsigned level, u64 va, u8 hierarchical, u32 item, u64 origin,
            Content content, std::vector<Candidate>& found) const;
  /// What an ATC entry translates `va` by.
  [[nodiscard]] Candidate candidate_of(const AtcItem& item, u32 index, u64 va) const;
  /// The address under which tables are looked up: top bytes are as VA[55] says.
  [[nodiscard]] static u64 looked_up(const Regime<u64>& regime, u64 va);
  /// Of stage 2 without stage 1: the last address of those that are as `va` is, within or beyond
  /// the intermediate ones.
  [[nodiscard]] u64 input_ends(u64 va) const;

  // ---- who meets what ---------------------------------------------------------------------------
  /// nG means nothing in a world without ASIDs, and at stage 2 there is none. IHI 0070 3.17.1.
  [[nodiscard]] bool is_global(const Candidate& c) const;
  /// What combined entries hold of an entry of stage 2 that is gone.
  [[nodiscard]] bool is_shadow(const Candidate& c) const {
    return c.item != 0 && items_[c.item - 1].shadow != 0;
  }
  [[nodiscard]] bool is_met_by(u32 regime, const Candidate& c) const;
  [[nodiscard]] bool is_found_at(const Regime<u64>& asking, const Candidate& c, u64 va) const;
  /// Some regime of the tag, also one that is gone, ignores top bytes of the half: what it filled
  /// may be met by addresses that differ there.
  [[nodiscard]] bool ignores_top_bytes(u32 tag, unsigned half) const;
  /// Why a look-up under the tag may meet anything, whatever its address.
  [[nodiscard]] std::optional<Rule> unpredictable(u32 tag) const;
  /// Are two living translations of one address in conflict (break-before-make)?
  [[nodiscard]] bool in_conflict(const std::vector<Candidate>& found) const;
  void note_clean_only(Candidate& c) const;

  // ---- all addresses (translations.cpp) ---------------------------------------------------------
  /// What collect() may give for any address, runs of pages at once.
  void translations_under(u32 tag, const VisitCandidate& visit) const;
  /// All translations that any look-up under any tag with a regime may use; for whole-space checks
  /// of small states and for tests. `visit(tag, const Candidate&)`.
  void for_each_translation(const std::function<void(u32, const Candidate&)>& visit) const;

  // ---- what they read ---------------------------------------------------------------------------
  [[nodiscard]] const Memory& memory() const { return memory_; }
  [[nodiscard]] const Regimes& regimes() const { return regimes_; }
  [[nodiscard]] const TlbItems& items() const { return items_; }
  /// What was found is all: no bound on work was hit.
  [[nodiscard]] bool goes_on() const { return work_.spend(0); }
  /// A look-up of one address is begun elsewhere.
  void earn_question() const { work_.earn(Work::per_question); }

 private:
  // lookups.cpp
  void walk(const Space& space, u64 table, unsigned level, unsigned start, u64 va, u8 hierarchical,
            u32 item, std::vector<Candidate>& found) const;
  void contiguous_siblings(const Space& space, unsigned level, u64 position, u64 va,
                           u8 hierarchical, u32 item, std::vector<Candidate>& found) const;
  void walk_mixed(u32 tag, const Space& space, u64 va, std::vector<Candidate>& found) const;
  void collect_memory(u32 tag, u64 va, std::vector<Candidate>& found) const;
  void collect_globals(u32 tag, u32 other, u64 va, std::vector<Candidate>& found) const;
  static u64 contiguous_until(const Frame& frame, const Candidate& c);
  [[nodiscard]] u64 tag_constant_until(u32 tag, u64 va, const std::vector<Candidate>& found) const;
  [[nodiscard]] bool conflict(const Candidate& a, const Candidate& b) const;
  [[nodiscard]] u32 stored_at(const Candidate& c, bool oldest) const;
  void collect_atc(u32 owner, u64 va, std::vector<Candidate>& found) const;
  // translations.cpp
  void all_translations_of(u32 tag, const VisitCandidate& visit) const;
  void visit_table(const Space& space, const TableExtent& table, u8 hierarchical, u32 item,
                   bool runs, const VisitCandidate& visit) const;
  [[nodiscard]] bool looks_up_anywhere(u32 tag, const Flag<u64>& aset) const;

  const Capabilities& caps_;
  const Profile& profile_;
  const Memory& memory_;
  const Regimes& regimes_;
  const TlbItems& items_;
  const Atcs& atcs_;
  const FromReset& from_reset_;
  const LeafNotes& leaves_;
  const Work& work_;
  mutable bool collect_pointers_ = true;  // pointers matter for the question that is asked
};

}  // namespace iommucheck::spec
