// SPDX-License-Identifier: MIT
// Ordered maps of disjoint intervals [first, last] of a 64-bit space, all of one forest: treaps
// whose nodes lie in one trailed pool. Every operation costs O(log n) per piece that it touches,
// and undoing costs what it changed. `last` is inclusive, so that the end of the space is no
// special case and nothing wraps.
#pragma once

#include "base/pool.h"
#include "base/trail.h"
#include "base/types.h"

namespace iommucheck::spec::sva {

/// What stands in a map. `pa` belongs to `first` and grows with the address; `tag` is the user's.
struct Interval {
  u64 first = 0;
  u64 last = 0;
  u64 pa = 0;
  u32 prot = 0;
  u32 tag = 0;

  friend bool operator==(const Interval&, const Interval&) = default;
};

/// What holds at an address, up to `last`: the piece that covers it, or the hole around it.
struct Piece {
  bool mapped = false;
  u64 first = 0;  ///< of the piece or hole
  u64 last = 0;   ///< of the piece or hole
  u64 pa = 0;     ///< at the address asked for, 0 in a hole
  u32 prot = 0;
  u32 tag = 0;
};

/// The least mapped address of a range.
struct FirstMapped {
  bool found = false;
  u64 address = 0;
};

struct IntervalNode {
  u64 first;
  u64 last;
  u64 pa;
  u32 prot;
  u32 tag;
  u32 left;
  u32 right;
  u32 priority;
  u32 next;  ///< of the pool
};

/// A map is its root: a u64 of the caller, 0 at first, that must not move while a mark is held.
class IntervalForest {
 public:
  explicit IntervalForest(Trail& trail) : trail_(trail) {}
  IntervalForest(const IntervalForest&) = delete;
  IntervalForest& operator=(const IntervalForest&) = delete;

  [[nodiscard]] Piece lookup(u64 root, u64 address) const;
  [[nodiscard]] FirstMapped first_mapped_in(u64 root, u64 first, u64 last) const;

  /// False, and nothing done, if first > last or any part is there already.
  bool insert(u64& root, const Interval& interval);

  /// Removes [first, last]; pieces that reach beyond it are cut.
  void erase(u64& root, u64 first, u64 last);

  void clear(u64& root);

  /// Calls visit(Interval) for what stands in [first, last], cut to it, in ascending order.
  template <class Visit>
  void for_each(u64 root, u64 first, u64 last, Visit visit) const {
    u64 from = first;
    for (;;) {
      const FirstMapped at = first_mapped_in(root, from, last);
      if (!at.found) return;
      const Piece piece = lookup(root, at.address);
      const u64 end = piece.last < last ? piece.last : last;
      visit(Interval{at.address, end, piece.pa, piece.prot, piece.tag});
      if (end == last) return;
      from = end + 1;
    }
  }

  /// Changes the tag of every piece of a map.
  void set_tags(u64 root, u32 tag);

 private:
  struct Halves {
    u32 below;
    u32 rest;
  };

  [[nodiscard]] u32 at_or_below(u64 root, u64 address) const;
  [[nodiscard]] u32 above(u64 root, u64 address) const;
  void link_left(u32 parent, u32 child);
  void link_right(u32 parent, u32 child);
  Halves split(u32 tree, u64 key);
  u32 merge(u32 left, u32 right);
  u32 insert_node(u32 tree, u32 node);
  u32 erase_node(u32 tree, u64 key);
  void release_tree(u32 tree);
  void set_root(u64& root, u32 tree);

  Trail& trail_;
  TrailPool<IntervalNode> nodes_;
};

}  // namespace iommucheck::spec::sva
