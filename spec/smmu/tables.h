// SPDX-License-Identifier: MIT
// Which pages are tables for whom: links that come and go with descriptors, roots and cached
// pointers, what is noted of the words of a page that becomes a table, and what a walk may then
// reach. SEMANTICS 2, 4. What old words leave behind in caches, says Fills.
#pragma once

#include "spec/smmu/changes.h"
#include "spec/smmu/findings.h"
#include "spec/smmu/leaf_notes.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

class Tables {
 public:
  Tables(const Capabilities& caps, Memory& memory, Regimes& regimes, const TlbItems& items,
         const Work& work, TableGraph& graph, LeafNotes& leaves, Findings& findings)
      : caps_(caps),
        memory_(memory),
        regimes_(regimes),
        items_(items),
        work_(work),
        graph_(graph),
        leaves_(leaves),
        findings_(findings) {}

  // ---- links ------------------------------------------------------------------------------------
  /// From now on `edge` leads to the table, in whose frames it stands once each.
  void link(const TableExtent& table, Edge edge);
  /// What link() did.
  void unlink(const TableExtent& table, Edge edge);
  /// The table descriptor is stored: it leads to its table, unless an older visible version of the
  /// word does.
  void link_word(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value);
  void unlink_word(const Frame& frame, unsigned index, Geometry geometry, unsigned level,
                   u64 value);

  // ---- what is noted of words -------------------------------------------------------------------
  /// Something global, or unknown, is in a table of the tag. In a world without ASIDs nG says
  /// nothing.
  void may_be_global(u32 tag);
  /// Kinds of leaves that look-ups have to look further for.
  void note_leaf(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value);
  /// Hardware may set the Access flag of a leaf that it can walk to, unasked, and under HAFT that
  /// of a table descriptor. SEMANTICS 4; IHI 0070 3.13.6.
  void note_access_flag(Frame& frame, unsigned index, Geometry geometry, unsigned level, u64 value);
  /// A plain store over a descriptor that hardware may update.
  void check_lost_update(Frame& frame, unsigned index, u64 value);

  // ---- who walks to a page ----------------------------------------------------------------------
  /// visit(const End&, level) for the ends of the ways on which the page is of a table of `level`.
  template <class Visit>
  void for_each_way(const Frame& frame, Visit&& visit) const {
    TableGraph::Entries all;
    all.fill(~u64{0});
    for_each_layout(frame, [&](Geometry geometry, unsigned level) {
      graph_.for_each_end(frame, all, geometry, level,
                          [&](const TableGraph::End& end) { visit(end, level); });
    });
  }
  /// Under a tag of which a regime can be formed: only there anything is filled. `ghosts`: or where
  /// that was so and the pointers that were filled live on.
  [[nodiscard]] bool is_walked(const Frame& frame, bool ghosts) const;
  /// By a cached pointer of any tag, or by memory that some regime walks. A regime that is gone
  /// walks no more from its root; only what it filled lives on (IHI 0070 3.21.3).
  [[nodiscard]] bool may_be_walked_to(const Frame& frame) const;

 private:
  using End = TableGraph::End;
  using Entries = TableGraph::Entries;
  void link_part(Frame& frame, const Edge& edge, bool& known);
  void link_children(Frame& frame, Geometry geometry, unsigned level);
  void unlink_children(Frame& frame, Geometry geometry, unsigned level);
  void note_below(Frame& frame, Geometry geometry, unsigned level);
  void note_page(Frame& frame, Geometry geometry, unsigned level);
  void note_contiguous(Frame& frame, u64 value);
  void note_access_flags(Frame& frame, Geometry geometry, unsigned level, const Entries& entries,
                         bool tables);
  [[nodiscard]] bool may_set_access_flag(const Frame& frame, const Entries& entries,
                                         Geometry geometry, unsigned level, bool table) const;
  template <class Visit>
  void for_each_walk_from(const End& end, Visit&& visit) const;
  [[nodiscard]] bool is_walked_from(const End& end) const;
  [[nodiscard]] std::string root_text(const End& end) const;
  void check_unknown(const Frame& frame, const Edge& edge, bool& known);

  const Capabilities& caps_;
  Memory& memory_;
  Regimes& regimes_;
  const TlbItems& items_;
  const Work& work_;
  TableGraph& graph_;
  LeafNotes& leaves_;
  Findings& findings_;
};

}  // namespace iommucheck::spec
