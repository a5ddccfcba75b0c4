// SPDX-License-Identifier: MIT
// What TLBs and walk caches hold and memory no longer says: how it comes to be when words stop
// being visible, what commands remove of it and when, and what it leaves behind when it goes.
// SEMANTICS 2 (items), 3.
#pragma once

#include <algorithm>
#include <vector>

#include "spec/smmu/ats.h"
#include "spec/smmu/profile.h"
#include "spec/smmu/scopes.h"
#include "spec/smmu/tables.h"

namespace iommucheck::spec {

/// A word of which an old version is no longer visible.
struct Vanished {
  Frame* frame;
  unsigned index;
  Content content;
  EventIndex at;
};

class Fills {
 public:
  using Path = TableGraph::Path;

  Fills(const Profile& profile, Memory& memory, const Commands& commands, const Regimes& regimes,
        const Scopes& scopes, const Atcs& atcs, const Work& work, TableGraph& graph,
        TlbItems& items, Changes& changes, Findings& findings, Ats& ats, Tables& tables)
      : profile_(profile),
        memory_(memory),
        commands_(commands),
        regimes_(regimes),
        scopes_(scopes),
        atcs_(atcs),
        work_(work),
        graph_(graph),
        items_(items),
        changes_(changes),
        findings_(findings),
        ats_(ats),
        tables_(tables) {}

  // ---- what comes -------------------------------------------------------------------------------
  /// An old version of a word of a table is no longer visible.
  void vanish(Frame& frame, const Vanished& what);
  /// Makes items of all that can be filled from the table, except what `covered` (or null) removes
  /// anyway.
  void expand(const Path& path, const TableExtent& table, const Command* covered);
  void insert(const Item& item);

  // ---- what commands remove (removed_fills.cpp) -------------------------------------------------
  void kill(const InFlight& command);
  /// The group is complete: what its pointers yielded until then is made, and what dies with it
  /// goes.
  void complete(Group group) {
    leave_below_pointers(group);
    drop(group);
  }
  /// Commands were lost: what they alone were to remove lives on.
  void revive();
  /// Of a walker's tag: its items are in no other list than the tag's own.
  void drop_of(u32 tag, bool pointers_only);

 private:
  /// Of keeping one more item, or of asking for the fate of one.
  static u64 cost_among(u64 items) { return std::min<u64>(items / 64, 16); }
  template <class Visit>
  void for_each_filling(const Path& path, Visit&& visit) const;
  /// Events that ended what an item is filled by: as in Item.
  struct Ended {
    EventIndex stored_at = 0, vanished_at = 0;
  };
  [[nodiscard]] Ended end_of_way(const Path& path) const;
  /// Of a group with the contiguous hint what `covered` (or null) leaves.
  void add_item(const Path& path, u64 origin, Content content, Ended ended,
                const Command* covered = nullptr);
  void insert_group(const Path& path, const Item& group, const Command* covered);
  void expand_part(const Path& path, const TableExtent& part, const Command* covered);
  [[nodiscard]] Group fate(const Path& path, const Item& item) const;
  [[nodiscard]] Item shadow_of(const Item& item) const;
  [[nodiscard]] bool survives(const Item& item, const InFlight& command) const;
  [[nodiscard]] bool pointer_yields(const Item& pointer, const Item& item) const;
  void leave_below_pointers(Group group);
  void leave_below(u32 pointer);
  void drop(Group group);

  const Profile& profile_;
  Memory& memory_;
  const Commands& commands_;
  const Regimes& regimes_;
  const Scopes& scopes_;
  const Atcs& atcs_;
  const Work& work_;
  TableGraph& graph_;
  TlbItems& items_;
  Changes& changes_;
  Findings& findings_;
  Ats& ats_;
  Tables& tables_;
  std::vector<Path> scratch_paths_;
  std::vector<u32> scratch_covered_;
  std::vector<Item> scratch_gone_;
  std::vector<Item> scratch_shadows_;
};

}  // namespace iommucheck::spec
