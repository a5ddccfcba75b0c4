// SPDX-License-Identifier: MIT
// Tables that no honest driver writes: that lead to themselves or to each other, that are shared
// half a million times, that are garbage. Whatever memory holds, each event ends soon, and where
// not all was looked at the engine says so.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <initializer_list>
#include <random>

#include "tests/cases.h"
#include "tests/spec/smmu_caches_support.h"

namespace iommucheck::spec::smmu_caches_bounds_test {
namespace {

struct World {
  const char* name;
  u32 regimes = 1;      ///< ASIDs whose CDs lead to the one root
  unsigned t0sz = 25;   ///< 25: the root has level 1; 16: level 0
  unsigned httu = 0;    ///< 3: CDs with HA and HAFT
  bool tracks = true;   ///< changes, as the monitor does
  bool global = false;  ///< leaves have nG = 0
  unsigned bbml = 0;    ///< 2: tables and blocks give way to each other
  void name_to(std::ostream& out) const { out << name; }
};
void PrintTo(const World& world, std::ostream* out) { world.name_to(*out); }

class CachesBounds : public testing::TestWithParam<World> {
 protected:
  static constexpr u64 root = SmallMachine::root, middle = SmallMachine::middle,
                       leaves = SmallMachine::leaves;
  static constexpr unsigned entries = 512;

  static Capabilities device() {
    Capabilities caps;
    caps.minor = 3;
    caps.s1p = caps.s2p = caps.aarch64 = caps.asid16 = caps.vmid16 = caps.hyp = true;
    caps.cohacc = caps.gran4k = true;
    caps.httu = GetParam().httu;
    caps.bbml = GetParam().bbml;
    caps.sidsize = 16;
    caps.ssidsize = 8;
    caps.oas_lg2 = 48;
    return caps;
  }

  CachesBounds() {
    const World& world = GetParam();
    if (world.t0sz == 16) {  // one level more above
      m.put(root, (root + 0xf000) | 3);
      m.put(root + 0xf000, middle | 3);
    }
    m.enable();
    for (u32 n = 0; n < world.regimes; ++n) form(n);
    m.caches.track_changes(world.tracks);
    mark = m.caches.trail().mark();
    EXPECT_EQ(m.text({.sid = 0, .va = 0x1000}), "0");
  }

  static Ste<u64> ste(u32 n) {
    return make_stage1_ste({.s1contextptr = SmallMachine::cds + 64 * u64{n}});
  }
  void form(u32 n) {
    const World& world = GetParam();
    Cd<u64> cd = make_cd({.ttb0 = root, .asid = 5 + n, .t0sz = world.t0sz, .ha = world.httu != 0});
    m.cd(n, cd);
    m.ste(n, ste(n));
  }

  [[nodiscard]] u64 leaf(u64 pa) const {
    return pa | (SmallMachine::rw_leaf & ~(GetParam().global ? u64{1} << 11 : 0));
  }

  /// A store and a barrier, the window's end, and its time.
  void store(u64 pa, u64 value, bool barrier = true) {
    const auto began = Clock::now();
    m.step();
    m.caches.store(AgentId::cpu0, pa, value);
    if (barrier) m.caches.barrier(AgentId::cpu0);
    m.caches.dirty().clear();
    slowest = std::max(slowest, seconds_since(began));
    ++stores;
  }
  /// All entries of the table lead to the others in turn.
  void fill(u64 table, std::initializer_list<u64> targets, unsigned count = entries) {
    auto target = targets.begin();
    for (unsigned i = 0; i < count; ++i) {
      store(table + 8 * u64{i}, *target | 3);
      if (++target == targets.end()) target = targets.begin();
    }
  }

  void ask() {
    for (const u64 va : {0x0ULL, 0x1000ULL, 0x40201000ULL, 0x7fffffffffULL}) {
      m.caches.outcomes({.sid = 0, .va = va}, [](const Outcome&) {});
    }
    u64 leaves_met = 0;
    m.caches.lookups().for_each_translation([&](u32, const Candidate&) { ++leaves_met; });
  }

  /// What a driver may do to what it wrote: all is taken back, invalidated and freed.
  void take_back(u64 table) {
    for (unsigned i = 0; i < entries; ++i) store(table + 8 * u64{i}, 0);
    m.run(cmd_tlbi_nsnh_all());
    m.step();
    m.caches.recycle(table, true);
  }
  void end_regimes() {
    for (u32 n = 0; n < GetParam().regimes; ++n) {
      for (u64 w = 0; w < 8; ++w) {
        store(SmallMachine::strtab + 64 * u64{n} + 8 * w, make_abort_ste().dw[w]);
      }
    }
  }

  /// No verdict, and none by chance.
  void gives_up() {
    EXPECT_TRUE(m.caches.gave_up());
    EXPECT_TRUE(m.caches.stands_still());
    EXPECT_FALSE(m.caches.outcomes({.sid = 0, .va = 0x1000}, [](const Outcome&) {}));
  }

  void TearDown() override {
    ask();
    // Without bounds most of these would take hours: the time limit of the whole binary ends them.
    std::printf("%llu stores, slowest %.2f ms, all %.2f s, %s\n",
                static_cast<unsigned long long>(stores), 1e3 * slowest, seconds_since(began_),
                m.caches.gave_up() ? "gave up" : "decided");
    // Put back it works again.
    m.caches.trail().undo_to(mark);
    m.caches.clear_findings();
    EXPECT_FALSE(m.caches.gave_up());
    EXPECT_EQ(m.text({.sid = 0, .va = 0x1000}), "0");
    store(leaves + 8, 0);
    EXPECT_EQ(m.text({.sid = 0, .va = 0x1000}), "0 F_TRANSLATION");
    m.run(cmd_tlbi_nsnh_all());
    EXPECT_EQ(m.text({.sid = 0, .va = 0x1000}), "F_TRANSLATION");
    store(leaves + 8, leaf(SmallMachine::page + 0x1000));
    EXPECT_EQ(m.text({.sid = 0, .va = 0x1000}), "1");
    EXPECT_FALSE(m.caches.gave_up());
  }

  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point then) {
    return std::chrono::duration<double>(Clock::now() - then).count();
  }

  SmallMachine m{device()};
  Trail::Mark mark = 0;
  u64 stores = 0;
  double slowest = 0;
  Clock::time_point began_ = Clock::now();
};

INSTANTIATE_TEST_SUITE_P(
    Worlds, CachesBounds,
    testing::Values(World{.name = "OneRegime"}, World{.name = "FourLevels", .t0sz = 16},
                    World{.name = "ThreeRegimes", .regimes = 3},
                    World{.name = "GlobalLeaves", .regimes = 2, .global = true},
                    World{.name = "AccessFlags", .regimes = 2, .httu = 3},
                    World{.name = "BlocksForTables", .t0sz = 16, .bbml = 2},
                    World{.name = "NothingTracked", .t0sz = 16, .tracks = false}),
    [](const auto& param) { return std::string(param.param.name); });

// ---- tables that lead to themselves ----

TEST_P(CachesBounds, ARootThatLeadsToItself) {
  fill(root, {root});
  gives_up();
  take_back(root);
  gives_up();
}

/// A dozen ways are nothing: they are followed, and no verdict is lost.
TEST_P(CachesBounds, AFewEntriesThatLeadToThemselvesAreFollowed) {
  const World& world = GetParam();
  for (u64 i = 8; i < 12; ++i) store(root + 8 * i, root | 3);
  EXPECT_FALSE(m.caches.gave_up());
  // Entry 8 of the root as a page: its own address is what it maps.
  const u64 va = world.t0sz == 16 ? (u64{8} << 39 | u64{8} << 30 | u64{8} << 21 | u64{8} << 12)
                                  : (u64{8} << 30 | u64{8} << 21 | u64{8} << 12);
  EXPECT_NE(m.outcomes({.sid = 0, .va = va}).size(), 0U);
  for (u64 i = 8; i < 12; ++i) store(root + 8 * i, 0);
  m.run(cmd_tlbi_nsnh_all());
  EXPECT_EQ(m.text({.sid = 0, .va = va}), "F_TRANSLATION");
  EXPECT_FALSE(m.caches.gave_up());
}

TEST_P(CachesBounds, ATableBelowTheRootThatLeadsToItself) {
  fill(middle, {middle});
  take_back(middle);
}

TEST_P(CachesBounds, ALastLevelTableThatLeadsToItselfIsNone) {
  fill(leaves, {leaves});
  EXPECT_FALSE(m.caches.gave_up());
}

TEST_P(CachesBounds, ATableThatLeadsToTheRoot) {
  fill(middle, {root});
  fill(leaves, {root});
  take_back(middle);
}

TEST_P(CachesBounds, TwoTablesThatLeadToEachOther) {
  fill(root, {middle});
  fill(middle, {root});
  gives_up();
  take_back(middle);
}

/// Before anything walks them.
TEST_P(CachesBounds, WhatIsLinkedLate) {
  const u64 other = root + 0xe000;
  fill(other, {other, middle, root});
  EXPECT_FALSE(m.caches.gave_up());
  store(root + 8, other | 3);
  store(root + 16, other | 3);
  take_back(root);
}

// ---- tables that share those below ----

TEST_P(CachesBounds, OneLeafTableUnderAllEntriesOfAll) {
  fill(root, {middle});
  fill(middle, {leaves});
  for (u64 i = 0; i < entries; ++i) store(leaves + 8 * i, leaf(SmallMachine::page + i * 0x1000));
  take_back(leaves);
}

/// As many ways as addresses can be told of, under several regimes: followed to the end.
TEST_P(CachesBounds, WhatIsSharedManyTimesIsFollowed) {
  // Each way to a global leaf is compared under every ASID.
  const unsigned shared = GetParam().global ? 4 : 32;
  fill(root, {middle}, shared);
  fill(middle, {leaves}, GetParam().t0sz == 16 ? 4 : shared);
  for (u64 i = 4; i < 64; ++i) store(leaves + 8 * i, leaf(SmallMachine::page + i * 0x1000));
  EXPECT_FALSE(m.caches.gave_up());
}

// ---- what an honest driver may do ----

/// A table is filled at once, below tables that are cached still by what led there before.
TEST_P(CachesBounds, ManyPagesBelowCachedTables) {
  for (const u64 pointer : {middle, root}) {
    const u64 word = m.caches.memory().newest(pointer).value;
    store(pointer, 0);
    store(pointer, word);
  }
  for (u64 i = 4; i < entries; ++i) {
    store(leaves + 8 * i, leaf(SmallMachine::page + i * 0x1000), false);
  }
  EXPECT_FALSE(m.caches.gave_up());
}

// ---- garbage ----

class Garbage {
 public:
  explicit Garbage(u64 seed) : random_(seed) {}
  u64 word() {
    const u64 some = random_();
    switch (some % 8) {
      case 0: return 0;
      case 1: return random_();
      case 2: return SmallMachine::page | (random_() & 0xff0000000000fffd);
      default: return (SmallMachine::root + (some >> 8) % 16 * 0x1000) | 3;
    }
  }
  u64 place() { return SmallMachine::root + random_() % (16 * 0x1000) / 8 * 8; }

 private:
  std::mt19937_64 random_;
};

TEST_P(CachesBounds, Garbage) {
  Garbage garbage(1);
  for (u64 i = 0; i < 8 * u64{entries}; ++i) {
    store(root + 8 * (i * 37 % (16 * u64{entries})), garbage.word());
  }
  ask();
  for (u64 i = 0; i < 1000; ++i) store(garbage.place(), garbage.word());
  m.run(cmd_tlbi_nsnh_all());
  end_regimes();
}

/// Just below the bound, where each event may cost the most.
TEST_P(CachesBounds, SparseGarbage) {
  Garbage garbage(3);
  for (u64 i = 0; i < test::cases(100, 160); ++i) {
    store(garbage.place(), garbage.word(), i % 4 == 0);
  }
  ask();
  for (u64 i = 0; i < 4; ++i) {
    m.step();
    m.caches.recycle(root + i * 0x1000, true);
  }
  m.run(cmd_tlbi_nsnh_all());
}

TEST_P(CachesBounds, GarbageThatNoBarrierOrders) {
  Garbage garbage(7);
  for (u64 i = 0; i < 1000; ++i) store(garbage.place(), garbage.word(), false);
  ask();
  m.step();
  m.caches.barrier(AgentId::cpu0);
  end_regimes();
}

/// Every walk may read any version at each level.
TEST_P(CachesBounds, ManyVersionsOfAWordThatLeadsToItself) {
  for (u64 i = 0; i < 40; ++i) store(root, root | 3 | i << 52, false);
  gives_up();
}

/// What lives on of a regime that ends.
TEST_P(CachesBounds, RegimesThatEndOverTablesThatLeadToThemselves) {
  for (u64 i = 0; i < 30; ++i) store(root + 8 * i, root | 3);
  end_regimes();
  for (u64 i = 0; i < 30; ++i) store(root + 8 * i, 0);
  m.run(cmd_tlbi_nsnh_all());
}

TEST_P(CachesBounds, RegimesThatComeOverTablesThatLeadToThemselves) {
  end_regimes();
  m.run(cmd_tlbi_nsnh_all());
  fill(root, {root});
  for (u32 n = 0; n < 12; ++n) {
    m.step();
    form(n);
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_caches_bounds_test
