// SPDX-License-Identifier: MIT
// Break before make: judged when a valid descriptor is stored, or a regime comes, against what
// lives under the same tag. SEMANTICS 4.
#pragma once

#include "spec/smmu/paths.h"
#include "spec/smmu/view.h"

namespace iommucheck::spec {

class Makes {
 public:
  Makes(const CachesView& view, Findings& findings, const Work& work)
      : view_(view),
        caps_(view.caps),
        memory_(view.memory),
        regimes_(view.regimes),
        items_(view.items),
        graph_(view.graph),
        lookups_(view.lookups),
        findings_(findings),
        work_(work) {}

  /// The word is a valid descriptor from now on.
  void check(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value);
  /// Valid members of a contiguous group agree in all but the output that follows from their index,
  /// and what hardware marks in one alone: the Access flag, and the dirty state where it manages
  /// that. DDI 0487 D8.6, R_LCGVS.
  void check_contiguous(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value);
  /// What a group leads to is aligned to all of it: judged of addresses that somebody chose, not
  /// of those that a litmus test gives to its names.
  void judge_group_outputs() { judges_group_outputs_ = true; }
  /// What a look-up of the address may meet, under the tag or by what is global in it, is no
  /// conflict. `origin`: of the word stored last.
  void probe(u32 tag, u64 va, u64 origin);
  /// What the table may translate.
  void probe_table(u32 tag, const TableExtent& table);
  /// Nor what an item, not all before `first`, holds from there on: its entries go on alike, and so
  /// does whatever meets one of them, or it begins further on and is probed itself.
  void probe_item(u32 tag, const Item& item, u64 first = 0);
  /// What is global under other tags within [first, last], which may be less than what it meets
  /// there, a block of this tag, is no conflict.
  void probe_globals(u32 tag, u64 first, u64 last);
  /// Some word of the table, or of those below it, has more than one visible version.
  [[nodiscard]] bool pending_below(const TableExtent& table) const;

 private:
  struct Range {
    u64 first = 0;
    u64 last = ~u64{0};
  };
  void probe_tag(u32 tag, u64 va, u64 origin);
  [[nodiscard]] bool marks_dirty(const Frame& frame, unsigned index, Geometry geometry,
                                 unsigned level) const;
  /// Each leaf that begins in the range, against what has come there: of what is less than such a
  /// leaf, or lies in one that begins before, the addresses are probed themselves. Of a contiguous
  /// group once: at each address of the group all of its members are met.
  void probe_within(u32 tag, const TableExtent& table, Range range);
  template <class Visit>
  void for_each_entry(const TableExtent& part, Range range, Visit&& visit) const;

  const CachesView& view_;  // for causes
  const Capabilities& caps_;
  const Memory& memory_;
  const Regimes& regimes_;
  const TlbItems& items_;
  const TableGraph& graph_;
  const Lookups& lookups_;
  Findings& findings_;
  const Work& work_;
  bool judges_group_outputs_ = false;
};

}  // namespace iommucheck::spec
