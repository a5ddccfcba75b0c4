// SPDX-License-Identifier: MIT
// The interval map against a std::map of its pieces, at both ends of the 64-bit space.
#include "spec/sva/interval_map.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

namespace iommucheck::spec::sva::sva_interval_map_test {
namespace {

constexpr u64 top = ~u64{0};
constexpr u64 half = 48;  // addresses 0..47 and the last 48

u64 address_of(u64 n) { return n % (2 * half) < half ? n % half : top - n % half; }

std::vector<Interval> pieces_of(const IntervalForest& forest, u64 root) {
  std::vector<Interval> pieces;
  forest.for_each(root, 0, top, [&](const Interval& piece) { pieces.push_back(piece); });
  return pieces;
}

/// The same by hand: pieces by their first address, every operation a scan.
struct Model {
  std::map<u64, Interval> pieces;

  bool insert(const Interval& wanted) {
    if (wanted.first > wanted.last) return false;
    for (const auto& [first, piece] : pieces) {
      if (first <= wanted.last && wanted.first <= piece.last) return false;
    }
    pieces[wanted.first] = wanted;
    return true;
  }

  void erase(u64 first, u64 last) {
    std::map<u64, Interval> kept;
    for (const auto& [at, piece] : pieces) {
      if (piece.last < first || piece.first > last) {
        kept[at] = piece;
        continue;
      }
      if (piece.first < first) {
        kept[at] = piece;
        kept[at].last = first - 1;
      }
      if (piece.last > last) {
        Interval back = piece;
        back.first = last + 1;
        back.pa += back.first - piece.first;
        kept[back.first] = back;
      }
    }
    pieces = kept;
  }

  [[nodiscard]] Piece lookup(u64 address) const {
    Piece hole{.first = 0, .last = top};
    for (const auto& [first, piece] : pieces) {
      if (first <= address && address <= piece.last) {
        return {true, first, piece.last, piece.pa + (address - first), piece.prot, piece.tag};
      }
      if (piece.last < address) hole.first = piece.last + 1;
      if (first > address) {
        hole.last = first - 1;
        break;
      }
    }
    return hole;
  }

  [[nodiscard]] std::vector<Interval> list() const {
    std::vector<Interval> all;
    for (const auto& [first, piece] : pieces) all.push_back(piece);
    return all;
  }
};

bool same(const Piece& a, const Piece& b) {
  return a.mapped == b.mapped && a.first == b.first && a.last == b.last && a.pa == b.pa &&
         a.prot == b.prot && a.tag == b.tag;
}

void step(u64 word, IntervalForest& forest, u64& root, Model& model) {
  const u64 a = address_of((word >> 2) % (2 * half));
  const u64 b = address_of((word >> 10) % (2 * half));
  const bool near = (word >> 18) % 4 != 0;  // mostly small ranges, some across the whole space
  const u64 first = near ? a : std::min(a, b);
  const u64 last = near ? std::max(a, a + (word >> 20) % 6) : std::max(a, b);
  if (word % 4 == 0) {
    forest.erase(root, first, last);
    model.erase(first, last);
    return;
  }
  const Interval wanted{first, last, (word >> 24) << 12, static_cast<u32>(word % 7), 3};
  RC_ASSERT(forest.insert(root, wanted) == model.insert(wanted));
}

void compare(const IntervalForest& forest, u64 root, const Model& model) {
  RC_ASSERT(pieces_of(forest, root) == model.list());
  for (u64 n = 0; n < 2 * half; ++n) {
    const u64 address = address_of(n);
    RC_ASSERT(same(forest.lookup(root, address), model.lookup(address)));
    const FirstMapped found = forest.first_mapped_in(root, address, address_of(n + 7));
    u64 least = top;
    bool any = false;
    for (const auto& [first, piece] : model.pieces) {
      const u64 from = std::max(first, address);
      if (from > std::min(piece.last, address_of(n + 7))) continue;
      any = true;
      least = std::min(least, from);
    }
    RC_ASSERT(found.found == any);
    if (any) RC_ASSERT(found.address == least);
  }
}

const auto words = rc::gen::container<std::vector<u64>>(rc::gen::inRange<u64>(0, u64{1} << 40));

RC_GTEST_PROP(SvaIntervalMap, agrees_with_a_std_map_and_undoes, ()) {
  Trail trail;
  IntervalForest forest(trail);
  u64 root = 0;
  Model model;
  for (const u64 word : *words) step(word, forest, root, model);
  compare(forest, root, model);

  const Trail::Mark mark = trail.mark();
  Model later = model;
  for (const u64 word : *words) step(word, forest, root, later);
  compare(forest, root, later);
  trail.undo_to(mark);
  compare(forest, root, model);

  forest.clear(root);
  RC_ASSERT(pieces_of(forest, root).empty());
}

TEST(SvaIntervalMap, the_whole_space_is_one_piece_and_can_be_cut) {
  Trail trail;
  IntervalForest forest(trail);
  u64 root = 0;
  EXPECT_TRUE(forest.insert(root, {0, top, 0x1000, 1, 0}));
  EXPECT_FALSE(forest.insert(root, {top, top, 0, 1, 0}));
  EXPECT_EQ(forest.lookup(root, top).pa, 0xfffU);
  forest.erase(root, top, top);
  EXPECT_FALSE(forest.lookup(root, top).mapped);
  EXPECT_EQ(forest.lookup(root, top).first, top);
  EXPECT_EQ(forest.lookup(root, 5).last, top - 1);
  forest.erase(root, 0, 4);
  EXPECT_EQ(forest.lookup(root, 0).last, 4U);
  EXPECT_EQ(forest.lookup(root, 5).pa, 0x1005U);
  EXPECT_FALSE(forest.insert(root, {7, 6, 0, 1, 0}));
}

/// The trail counts what an operation touched: independent of how much is there, up to a log.
TEST(SvaIntervalMap, cost_does_not_grow_with_the_map) {
  Trail trail;
  IntervalForest forest(trail);
  u64 root = 0;
  const auto fill = [&](u64 from, u64 to) {
    const Trail::Mark mark = trail.mark();
    for (u64 i = from; i < to; ++i) forest.insert(root, {i * 8, i * 8 + 3, i << 12, 1, 0});
    return (trail.mark() - mark) / (to - from);
  };
  const u64 small = fill(0, 1 << 10);
  fill(1 << 10, 1 << 16);
  const u64 large = fill(1 << 16, (1 << 16) + (1 << 10));
  EXPECT_LT(large, 2 * small);
  EXPECT_LT(large, 200U);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_interval_map_test
