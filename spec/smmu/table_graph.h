// SPDX-License-Identifier: MIT
// Which pages are tables, because of what, and the ways up from a word of one to the spaces that it
// translates in. What a store makes of that, say Tables and Makes. The searches are in paths.h.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "spec/smmu/regimes.h"
#include "spec/smmu/tlb_items.h"
#include "spec/smmu/work.h"

namespace iommucheck::spec {

class TableGraph {
 public:
  /// A way from a root, or from a cached pointer, down to a word.
  struct Path {
    u32 tag = 0;
    Space space{};
    u8 level = 0;
    u8 hierarchical = 0;
    bool ghost = false;
    bool several = false;  ///< a descriptor above has other versions
    u64 va = 0;
    Group dies = immortal;  ///< of the way to the word
    Group cap = immortal;   ///< of what is filled through it
    u32 item = 0;           ///< 1 + the pointer item it comes through
  };
  /// Where ways up from a table end: the regime or the cached pointer that leads there.
  struct End {
    u32 tag = 0;
    Space space{};
    bool ghost = false;
    u32 item = 0;  ///< 1 + that of the cached pointer, 0: a root
  };
  /// Entries of a table page, one bit each.
  using Entries = std::array<u64, frame_words / 64>;

  TableGraph(Trail& trail, const Memory& memory, const Regimes& regimes, const TlbItems& items,
             const Work& work)
      : trail_(trail), memory_(memory), regimes_(regimes), items_(items), work_(work) {}

  // ---- edges ------------------------------------------------------------------------------------
  /// `edge` leads to what of a table lies in the frame. False: there are 65535 descriptors that
  /// lead to one page, and no more are followed.
  [[nodiscard]] bool add(Frame& frame, Edge edge);
  /// Of the same layout, level, kind, parent and value. True: it was there, and is gone.
  bool remove(Frame& frame, const Edge& like);
  [[nodiscard]] const Edge& edge(u32 i) const { return edges_[i]; }
  /// The first edge that leads to a table in the frame; Edge::next leads to the others, 0: none.
  [[nodiscard]] static u32 first(const Frame& frame) { return static_cast<u32>(frame.first_edge); }
  /// What must hold of it, recounted (consistent.cpp): the first disagreement, or nothing.
  [[nodiscard]] std::string consistent() const;
  /// What ends ways has changed: a regime, a cached pointer.
  void note_change() { ++version_; }

  // ---- ways up ----------------------------------------------------------------------------------
  /// Calls visit(const Path&) for every way on which the word is entry of a table of that layout at
  /// `level`.
  template <class Visit>
  void for_each_path(const Frame& frame, unsigned index, Geometry geometry, unsigned level,
                     Visit&& visit) const;
  /// visit(const End&) for every end of the ways to any of the entries of a table of that layout at
  /// `level`; one may come more than once.
  template <class Visit>
  void for_each_end(const Frame& frame, const Entries& entries, Geometry geometry, unsigned level,
                    Visit&& visit) const;
  template <class Visit>
  void for_each_end(const Frame& frame, unsigned index, Geometry geometry, unsigned level,
                    Visit&& visit) const;
  /// Versions of the word that are descriptors, or unknown.
  [[nodiscard]] unsigned valid_versions(const Frame& frame, unsigned index) const;

  /// A search that looks at each page once: from now on is_new() is true once of each.
  void begin_search() const { ++searches_; }
  bool is_new(const Frame& frame) const {
    if (frame.search == searches_) return false;
    frame.search = searches_;
    return true;
  }

 private:
  /// A table page that a search has come to, and by which of its entries.
  struct Reached {
    const Frame* frame = nullptr;
    Entries entries{};
  };
  /// The one way up from a page that is a table once, for its first entry.
  struct PathCache {
    const Frame* frame = nullptr;
    Geometry geometry{};
    unsigned level = 0;
    u64 version = 0;
    u64 generation = 0;
    u64 first = 0;
    u64 count = 0;
    Path path;
  };
  template <class Visit>
  void paths_up(const Frame& frame, unsigned index, Geometry geometry, unsigned level,
                std::array<u64, 4>& indices, const Path& below, Visit&& visit) const;
  void reach(const Frame& frame, u64 entry, std::vector<Reached>& reached) const;

  Trail& trail_;
  const Memory& memory_;
  const Regimes& regimes_;
  const TlbItems& items_;
  const Work& work_;
  TrailPool<Edge> edges_;
  u64 version_ = 0;  // changes whenever for_each_path() may; no part of the state
  mutable PathCache path_cache_;
  mutable u64 searches_ = 0;
  mutable std::array<std::vector<Reached>, 2> scratch_reached_;
};

}  // namespace iommucheck::spec
