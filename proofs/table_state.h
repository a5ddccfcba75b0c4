// SPDX-License-Identifier: MIT
// Well-formed tables around one way through them: what stands on the way, beside it, and at the
// next place is of every kind. All names depend on the format, so that those of twins are others.
#pragma once

#include <vector>

#include "impl/pgtable/page_table.h"
#include "proofs/table_memory.h"
#include "proofs/table_walker.h"

namespace iommucheck::proofs {

/// Which entries the way takes. `across`: the last ones below the root, so that what follows is
/// under the next entry of the root.
enum class Place : u8 { first, across, last };
/// Where it ends, and what stands there. At the last level `empty` has no page at all.
enum class WayEnd : u8 { zero, rubbish, leaf, empty, page, next_page, all_pages };
/// Under the next entry of the root.
enum class Beyond : u8 { zero, leaf, empty, page };

struct Way {
  Place place = Place::first;
  unsigned level = 0;
  WayEnd end = WayEnd::zero;
  bool alone = false;  ///< all other entries are 0
  Beyond beyond = Beyond::zero;
};

template <class Format>
class TableState {
 public:
  using Pages = impl::PageTable<Format, TableDoor>;
  using Walker = TableWalker<Format>;
  struct Table {
    u64 pa, entries, va;
    unsigned level;
  };

  TableState(TableMemory& memory, const TableForm& form, const Way& way)
      : memory_(memory),
        start_(Walker::start(form)),
        input_bits_(form.input_bits),
        walker_(form, 0) {
    memory.clear();
    pages.create(TableDoor{memory}, form.input_bits, start_);
    walker_ = Walker(form, pages.root());
    build(way);
    memory.settle();
  }

  const Walker& walker() const { return walker_; }
  const std::vector<Table>& tables() const { return tables_; }
  u64 place() const { return place_; }
  u64 beyond() const { return beyond_ * Walker::bytes(start_); }
  u64 end() const { return u64{1} << input_bits_; }
  unsigned start() const { return start_; }

  Pages pages;

 private:
  static constexpr unsigned last = Format::last_level;

  void build(const Way& way) {
    u64 table = pages.root();
    add(table, start_, 0, way.alone);
    for (unsigned level = start_;; ++level) {
      const Table its = tables_.back();
      const u64 n = way.place == Place::first                       ? 0
                    : way.place == Place::across && level == start_ ? its.entries / 2 - 1
                                                                    : its.entries - 1;
      place_ = its.va + n * Walker::bytes(level);
      if (level == start_ && way.place == Place::across && level != last) beyond_ = n + 1;
      if (level == way.level) {
        end_way(way, its, n);
        break;
      }
      table = link(its, n);
      add(table, level + 1, place_, way.alone);
    }
    if (beyond_ != 0) go_beyond(way);
  }

  void end_way(const Way& way, const Table& table, u64 n) {
    const auto leaf = [&](u64 at) {
      set(table, at, walker_.leaf(table.level, output(table.level), false));
    };
    switch (way.end) {
      case WayEnd::rubbish: set(table, n, Walker::made_invalid(TableMemory::rubbish)); return;
      case WayEnd::leaf:
      case WayEnd::page: leaf(n); break;
      case WayEnd::next_page:
        if (n + 1 != table.entries) leaf(n + 1);
        [[fallthrough]];
      case WayEnd::zero: set(table, n, 0); break;
      case WayEnd::empty:
        for (u64 i = 0; i != table.entries; ++i) set(table, i, i % 3 == 0 ? 0 : rubbish_word());
        break;
      case WayEnd::all_pages:
        for (u64 i = 0; i != table.entries; ++i) leaf(i);
        break;
    }
  }

  void go_beyond(const Way& way) {
    const Table root = tables_.front();
    switch (way.beyond) {
      case Beyond::zero: set(root, beyond_, 0); return;
      case Beyond::leaf: set(root, beyond_, walker_.leaf(start_, output(start_), false)); return;
      case Beyond::empty:
      case Beyond::page: break;
    }
    Table table = root;
    for (u64 n = beyond_; table.level != last; n = 0) {
      const u64 va = table.va + n * Walker::bytes(table.level);
      add(link(table, n), table.level + 1, va, true);
      table = tables_.back();
    }
    if (way.beyond == Beyond::page) set(table, 0, walker_.leaf(last, output(last), false));
  }

  u64 link(const Table& table, u64 n) {
    const u64 bytes = u64{8} << Format::index_lg2(table.level + 1);
    const u64 next = memory_.place_table(bytes);
    set(table, n, Walker::table(next));
    return next;
  }

  void add(u64 pa, unsigned level, u64 va, bool empty) {
    const u64 full = u64{1} << Format::index_lg2(level);
    const u64 entries = level == start_ ? end() / Walker::bytes(level) : full;
    tables_.push_back({pa, entries, va, level});
    for (u64 i = 0; !empty && i != entries; ++i) set(tables_.back(), i, any_word(level));
  }
  void set(const Table& table, u64 n, u64 word) { memory_.place(table.pa + 8 * n, word); }

  /// Invalid, or a leaf with any bits that it may have.
  u64 any_word(unsigned level) {
    const u64 kind = random() % 4;
    if (kind == 0) return 0;
    if (kind == 1 || !Walker::has_leaf(level)) return rubbish_word();
    return walker_.leaf(level, output(level), false) ^ (random() & Walker::leaf_bits);
  }
  u64 rubbish_word() { return Walker::made_invalid(random()); }
  /// An address of a leaf, away from what tests map.
  u64 output(unsigned level) { return random() & mask(45, 0) & ~(Walker::bytes(level) - 1); }
  u64 random() {
    seed_ += 0x9e37'79b9'7f4a'7c15;
    u64 word = (seed_ ^ seed_ >> 30) * 0xbf58'476d'1ce4'e5b9;
    word = (word ^ word >> 27) * 0x94d0'49bb'1331'11eb;
    return word ^ word >> 31;
  }

  TableMemory& memory_;
  unsigned start_, input_bits_;
  Walker walker_;
  std::vector<Table> tables_;
  u64 place_ = 0, beyond_ = 0, seed_ = 0;
};

}  // namespace iommucheck::proofs
