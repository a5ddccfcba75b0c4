// SPDX-License-Identifier: MIT
// The addresses of one tag in ascending order, as intervals in which look-ups meet the same, while
// nothing changes. What Lookups::collect() and constant_until() say of one address, for many: a
// walk goes on in the table that the last one came to, and the empty entries of neighbouring tables
// are one piece.
#pragma once

#include <array>
#include <vector>

#include "spec/smmu/lookups.h"

namespace iommucheck::spec {

class Pieces {
 public:
  /// `found` is the caller's, so that its memory is used again; it belongs to this as long as this
  /// lives.
  Pieces(const Lookups& lookups, u32 tag, std::vector<Candidate>& found);

  /// Comes to the piece of `va`; it need not reach beyond `limit`. found() is then what collect()
  /// finds, but for pointers that nothing can be in conflict with, for descriptors that are not
  /// valid any (of a kind), and for the first address of extents.
  void move_to(u64 va, u64 limit);
  [[nodiscard]] const std::vector<Candidate>& found() const { return found_; }
  /// The last address of the piece.
  [[nodiscard]] u64 last() const { return last_; }

 private:
  /// A table on the way down to the piece, or what of it lies in one frame.
  struct Table {
    const Frame* frame = nullptr;
    unsigned first = 0;    ///< its first entry in the frame
    unsigned entries = 0;  ///< 0: not come to
    unsigned rest = 0;     ///< entries of the table behind those
    u8 hierarchical = 0;
    u64 va = 0;  ///< that the first entry translates

    [[nodiscard]] unsigned entry_of(u64 address, unsigned shift) const {
      return first + static_cast<unsigned>((address - va) >> shift);
    }
    /// The first address behind the entries before number `entry`.
    [[nodiscard]] u64 address_of(unsigned entry, unsigned shift) const {
      return va + (u64{entry - first} << shift);
    }
  };

  [[nodiscard]] bool walk(u64 va, u64 limit);
  /// How far empty entries are followed: in their table, or in its neighbours too.
  enum class Reach : u8 { entries, tables };
  [[nodiscard]] bool walk_memory(u64 va, u64 limit, Reach reach);
  /// What the contiguous group of an entry makes of it: nothing, one leaf with all others, or that
  /// some of the others answer for it too.
  enum class Group : u8 { none, one_leaf, mixed };
  [[nodiscard]] Group group_of(const Table& table, unsigned entry) const;
  [[nodiscard]] bool enter(u64 va);
  [[nodiscard]] bool enter_half(u64 va);
  [[nodiscard]] bool come_to(const TableExtent& table, u8 hierarchical, u64 va);
  [[nodiscard]] bool go_to_next_part();
  [[nodiscard]] bool descend(u64 word, u64 va);
  [[nodiscard]] bool meet_no_table(u64 va);
  [[nodiscard]] bool meet_leaf(unsigned entry, Group group);
  void meet_nothing(unsigned entry, u64 word, u64 limit, Reach reach);

  const Lookups& lookups_;
  u32 tag_;
  std::vector<Candidate>& found_;
  u64 first_ = 1;  // of the piece, which is none yet
  u64 last_ = 0;

  // Where one regime alone walks, and by memory alone.
  bool alone_ = false;  // otherwise the pieces are found one by one
  Space space_;
  unsigned start_ = 0;      // level of the first table
  unsigned level_ = 0;      // of the last one that was come to
  unsigned level_met_ = 0;  // of the entry at which the walk ended
  std::array<Table, last_level + 1> tables_{};
};

}  // namespace iommucheck::spec
