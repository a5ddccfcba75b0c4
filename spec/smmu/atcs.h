// SPDX-License-Identifier: MIT
// What devices keep by ATS, by what their requests are answered now, and which of them may ask.
// IHI 0070 3.9.1, 4.5.1. What stays behind when an answer goes, says Ats.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/inline_vector.h"
#include "spec/smmu/changes.h"
#include "spec/smmu/item_lists.h"
#include "spec/smmu/removal.h"

namespace iommucheck::spec {

class Atcs {
 public:
  using Sources = InlineVector<AtsSource, 8>;

  /// `untagged_covers_pasids`: see Profile.
  Atcs(Trail& trail, const Commands& commands, Changes& changes, bool untagged_covers_pasids)
      : trail_(trail),
        commands_(commands),
        changes_(changes),
        untagged_covers_pasids_(untagged_covers_pasids),
        items_(trail) {}

  // ---- who asks ---------------------------------------------------------------------------------
  /// Some endpoint has ATS enabled.
  [[nodiscard]] bool any_on() const { return on_ != 0; }
  [[nodiscard]] bool is_on(u32 sid) const;
  void switch_on(u32 sid);
  /// The endpoint asks no more, and what it held is gone.
  void switch_off(u32 sid);
  /// visit(sid)
  template <class Visit>
  void for_each_stream(Visit&& visit) const {
    for (u32 i = 0; i < streams_.size(); ++i) visit(static_cast<u32>(streams_[i].sid));
  }

  /// Owners are numbered once and for all: a number says nothing about the state, so undoing leaves
  /// them. `ssv`: see AtcOwner.
  u32 intern(u32 sid, u32 ssid, u32 ssv);
  [[nodiscard]] u32 owners() const { return static_cast<u32>(owners_.size()); }
  [[nodiscard]] const AtcOwner& owner(u32 number) const { return owners_[number]; }

  // ---- by what requests are answered ------------------------------------------------------------
  [[nodiscard]] u32 sources() const { return sources_.size(); }
  [[nodiscard]] const AtsSource& source(u32 i) const { return sources_[i]; }
  void add_sources(const Sources& sources);
  /// Those of the part are these from now on; `lost`: which no longer are.
  void replace_sources(const StreamPart& part, const Sources& sources, Sources& lost);

  // ---- what they keep ---------------------------------------------------------------------------
  [[nodiscard]] u64 items() const { return items_.count(); }
  [[nodiscard]] u64 items_of(u32 owner) const { return lists_[owner].items; }
  [[nodiscard]] const AtcItem& item(u32 index) const { return items_[index]; }
  /// visit(index, const AtcItem&)
  template <class Visit>
  void for_each_of(u32 owner, Visit&& visit) const {
    items_.for_each(lists_[owner], [&](u32 i) { visit(i, items_[i]); });
  }
  /// The same for those that may be for the address, whose top byte some ignore.
  template <class Visit>
  void for_each_at(u32 owner, u64 va, Visit&& visit) const {
    if (lists_[owner].aliases != 0) return for_each_of(owner, visit);
    items_.for_each_in(lists_[owner], va, va, [&](u32 i) { visit(i, items_[i]); });
  }
  /// Last address up to which the same entries hold an address as hold `va`.
  [[nodiscard]] u64 constant_until(u32 owner, u64 va) const {
    return items_.constant_until(lists_[owner], va);
  }
  /// Entries whose answer has gone. ATC_INVs of later groups act after that.
  void add(AtcItem item);
  /// An ATC_INV that may act.
  void remove(const InFlight& sent);
  /// The group is complete.
  void drop(Group group);
  /// Commands were lost: what they alone were to remove lives on.
  void revive();
  /// No ATC_INV that was exposed removes anything.
  void revive_all();

  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;

 private:
  struct List : ItemLists<AtcItem>::List {
    u64 aliases = 0;  // entries of several top bytes
  };
  bool extend(const AtcItem& item);
  bool renew(const AtcItem& item);
  void insert(const AtcItem& item);
  template <class Gone>
  void erase(u32 owner, Gone&& gone);
  void revive(u32 index);

  Trail& trail_;
  const Commands& commands_;
  Changes& changes_;
  bool untagged_covers_pasids_;

  u64 on_ = 0;  // endpoints with ATS on
  TrailArray<AtsStream> streams_;
  TrailArray<AtsSource> sources_;
  std::deque<AtcOwner> owners_;
  ItemLists<AtcItem> items_;
  std::deque<List> lists_;  // by owner
};

bool same_source(const AtsSource& a, const AtsSource& b);

}  // namespace iommucheck::spec
