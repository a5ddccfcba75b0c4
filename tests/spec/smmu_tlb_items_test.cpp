// SPDX-License-Identifier: MIT
// What is asked of the items of a tag by address, whether they are few or many, is what a look at
// each of them says; and going back leaves nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "spec/smmu/tlb_items.h"

namespace iommucheck::spec::smmu_tlb_items_test {
namespace {

constexpr unsigned page_lg2 = 12;

class RandomItems {
 public:
  explicit RandomItems(u64 seed) : random_(seed) { items_.know_tags(2); }

  void step() {
    switch (below(16)) {
      case 0: return split();
      case 1: {
        const u64 from = below(400) << page_lg2;
        const auto goes = [&](const Item& item) { return item.va >= from && item.va % 3 == 0; };
        return items_.drop_of(below(2), goes, [](u32, const Item&) {});
      }
      case 2: return items_.drop(below(3), [](u32, const Item&) {});
      default: return add();
    }
  }
  /// By looking at each.
  [[nodiscard]] std::vector<u32> listed(u32 tag, u64 first, u64 last) const {
    std::vector<u32> found;
    for (u32 i = items_.first(tag); i != 0; i = items_[i].next) {
      if (items_[i].va <= last && items_[i].last() >= first) found.push_back(i);
    }
    return found;
  }
  [[nodiscard]] u64 listed_until(u32 tag, u64 va) const {
    u64 last = ~u64{0};
    for (u32 i = items_.first(tag); i != 0; i = items_[i].next) {
      if (items_[i].va > va) last = std::min(last, items_[i].va - 1);
      if (items_[i].holds(va)) last = std::min(last, items_[i].last());
    }
    return last;
  }
  [[nodiscard]] std::vector<u64> all() const {
    std::vector<u64> found;
    for (u32 tag = 0; tag < 2; ++tag) {
      for (const u32 i : listed(tag, 0, ~u64{0})) {
        found.insert(found.end(), {i, items_[i].va, items_[i].count, items_[i].value});
      }
    }
    return found;
  }
  u32 below(u32 n) { return static_cast<u32>(random_() % n); }
  Trail& trail() { return trail_; }
  TlbItems& items() { return items_; }

 private:
  void add() {
    Item item{.tag = below(8) == 0 ? 1U : 0U, .level = 3, .va = u64{below(400)} << page_lg2};
    if (below(4) == 0) item.dies = 1 + below(3);
    if (below(8) == 0) {
      item.kind = ItemKind::pointer;
      item.level = 2;
      item.va = align_down(item.va, 21);
    }
    item.value = item.va + (u64{below(3)} << 40) + 3;
    item.origin = item.va >> (page_lg2 - 3);
    if (item.kind == ItemKind::final && below(3) == 0) item.count = 1 + below(20);
    const auto is_same = [&](u32 i) {
      const Item& old = items_[i];
      return old.kind == item.kind && old.va == item.va && old.value == item.value &&
             old.count == item.count;
    };
    const std::vector<u32> there = listed(item.tag, item.va, item.va);
    const bool known = std::ranges::any_of(there, is_same);
    const u64 before = items_.count();
    if (!items_.join(item)) {
      EXPECT_FALSE(known);
      items_.insert(item);
      EXPECT_EQ(items_.count(), before + 1);
    }
  }
  void split() {
    const std::vector<u32> there = listed(0, 0, ~u64{0});
    if (there.empty()) return;
    const u32 i = there[below(static_cast<u32>(there.size()))];
    const u32 first = below(items_[i].count);
    items_.split(i, first, 1 + below(items_[i].count - first));
  }

  std::mt19937_64 random_;
  Trail trail_;
  TlbItems items_{trail_};
};

void expect_as_listed(RandomItems& run) {
  const TlbItems& items = run.items();
  ASSERT_EQ(items.consistent(), "");
  for (u32 tag = 0; tag < 2; ++tag) {
    const u64 first = u64{run.below(420)} << page_lg2;
    const u64 last = first + run.below(3) * (u64{run.below(100)} << page_lg2);
    std::vector<u32> asked;
    items.for_each_in(tag, first, last, [&](u32 i) { asked.push_back(i); });
    ASSERT_EQ(asked, run.listed(tag, first, last));
    ASSERT_EQ(items.constant_until(tag, first), run.listed_until(tag, first));
  }
}

TEST(TlbItemsByAddress, AreAsALookAtEachSays) {
  for (u64 seed = 1; seed <= 8; ++seed) {
    RandomItems run(seed);
    u64 most = 0;
    for (unsigned step = 0; step < 1500; ++step) {
      run.step();
      ASSERT_NO_FATAL_FAILURE(expect_as_listed(run)) << "seed " << seed << ", step " << step;
      most = std::max(most, run.items().count(0));
    }
    EXPECT_GT(most, 64U) << "too few for a tree, seed " << seed;
  }
}

TEST(TlbItemsByAddress, GoBackWithTheState) {
  for (u64 seed = 1; seed <= 8; ++seed) {
    RandomItems run(seed);
    for (unsigned turn = 0; turn < 40; ++turn) {
      for (unsigned step = 0; step < 30; ++step) run.step();
      const std::vector<u64> before = run.all();
      const Trail::Mark mark = run.trail().mark();
      for (unsigned step = run.below(200); step != 0; --step) run.step();
      run.trail().undo_to(mark);
      ASSERT_EQ(run.all(), before) << "seed " << seed << ", turn " << turn;
      ASSERT_NO_FATAL_FAILURE(expect_as_listed(run)) << "seed " << seed << ", turn " << turn;
    }
  }
}

/// One by one from both ends, and each again: as many steps as items would take minutes.
TEST(TlbItemsByAddress, AreFoundAmongMany) {
  Trail trail;
  TlbItems items(trail);
  items.know_tags(1);
  constexpr u64 count = 100'000;
  for (unsigned turn = 0; turn < 2; ++turn) {
    for (u64 k = 0; k < count; ++k) {
      const u64 page = k % 2 == 0 ? k : 2 * count - k;
      const Item item{.level = 3, .va = page << page_lg2, .value = (7 * page << page_lg2) + 3};
      if (!items.join(item)) items.insert(item);
    }
    EXPECT_EQ(items.count(), count);
  }
  EXPECT_EQ(items.consistent(), "");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_tlb_items_test
