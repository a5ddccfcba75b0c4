// SPDX-License-Identifier: MIT
// Translation regimes that come and go under the tags, what those leave behind that go, and two of
// them under one tag. SEMANTICS 2: "What a tag collects is regimes", "Two regimes under one tag".
#pragma once

#include "spec/smmu/fills.h"
#include "spec/smmu/makes.h"

namespace iommucheck::spec {

class FormedRegimes {
 public:
  FormedRegimes(const Profile& profile, Trail& trail, const Memory& memory,
                const Commands& commands, const FromReset& from_reset, const TlbItems& items,
                const Scopes& scopes, const LeafNotes& leaves, const Work& work, Regimes& regimes,
                TableGraph& graph, Changes& changes, Findings& findings, Tables& tables,
                Makes& makes, Fills& fills)
      : profile_(profile),
        trail_(trail),
        memory_(memory),
        commands_(commands),
        from_reset_(from_reset),
        items_(items),
        scopes_(scopes),
        leaves_(leaves),
        work_(work),
        regimes_(regimes),
        graph_(graph),
        changes_(changes),
        findings_(findings),
        tables_(tables),
        makes_(makes),
        fills_(fills) {}

  // ---- what configuration forms -----------------------------------------------------------------
  /// What the part forms from now on: regimes come, go, and are compared.
  void replace(const StreamPart& part, const FormedList& now);
  /// While a call rewrites the CDs of a space in turn, a half with EPDx = 1 takes no part in the
  /// comparison of regimes under one tag. Ending it judges what is left. SEMANTICS 2.
  void tolerate_disabled_halves(bool tolerate);

  // ---- one that is walked by somebody else (walkers.h) ------------------------------------------
  void come(u32 regime);
  void unlink_roots(u32 regime);
  /// Through this regime nothing is filled any more: what the cached pointers of its tag yielded by
  /// it is fixed now.
  void freeze_pointers(u32 regime, Group died);

  // ---- those that are gone ----------------------------------------------------------------------
  /// A word of the page is about to change: what regimes have left whose trees it is part of is
  /// made into items.
  void materialize_ghosts_over(const Frame& frame);
  /// A TLBI that may act.
  void kill(const InFlight& command) {
    if (regimes_.any_ghost()) kill_ghosts(command);
    if (regimes_.any_combines()) kill_combined(command);
  }
  void complete(Group group);
  /// Commands were lost: what they alone were to remove lives on.
  void revive();

 private:
  using Path = TableGraph::Path;
  using End = TableGraph::End;
  void become_ghost(u32 regime, Group died);
  void leave_mixed(const Space& gone, const TableExtent& own, Group died);
  void materialize_ghost(u32 regime);
  void drop_ghost(u32 regime);
  void kill_ghosts(const InFlight& command);
  void kill_combined(const InFlight& command);
  void follow_nesting(u32 tag, Group died);
  void check_tag(u32 tag);
  void check_world(const Formed& entry);
  [[nodiscard]] bool regimes_agree(u32 a, u32 b) const;

  const Profile& profile_;
  Trail& trail_;
  const Memory& memory_;
  const Commands& commands_;
  const FromReset& from_reset_;
  const TlbItems& items_;
  const Scopes& scopes_;
  const LeafNotes& leaves_;
  const Work& work_;
  Regimes& regimes_;
  TableGraph& graph_;
  Changes& changes_;
  Findings& findings_;
  Tables& tables_;
  Makes& makes_;
  Fills& fills_;
  u64 tolerate_epd_ = 0;
};

}  // namespace iommucheck::spec
