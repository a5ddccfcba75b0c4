// SPDX-License-Identifier: MIT
// What the owners of state recount of themselves: it holds over random runs, and each count that is
// wrong is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "tests/spec/smmu_caches_support.h"
#include "tests/spec/smmu_fixture.h"

namespace iommucheck::spec::smmu_consistent_test {
namespace {

using ::testing::HasSubstr;

void start(SmallMachine& m) {
  m.ste(1, make_stage1_ste({.s1contextptr = SmallMachine::cds, .eats = 1}));
  m.ste(2, make_stage1_ste({.s1contextptr = SmallMachine::cds + 64}));
  m.cd(0, SmallMachine::plain_cd());
  m.cd(1, SmallMachine::plain_cd(6));
  StreamTable streams;
  streams.base = SmallMachine::strtab;
  streams.log2size = streams.sid_bits = 4;
  m.caches.set_stream_table(streams);
  m.caches.write_smmuen(true);
  m.caches.acknowledge_smmuen();
  m.caches.set_ats(1, true);
}

/// Stores, barriers and commands over tables and structures, some of them undone.
class RandomRun {
 public:
  explicit RandomRun(u64 seed) : random_(seed), m_(full_capabilities()) { start(m_); }

  void step() {
    Caches& caches = m_.caches;
    caches.set_now(caches.now() + 1);
    switch (below(10)) {
      case 0:
      case 1: return caches.store(AgentId::cpu0, SmallMachine::leaves + 8 * below(40), leaf());
      case 2: return caches.store(AgentId::cpu0, SmallMachine::middle + 8 * below(3), table());
      case 3: return caches.store(AgentId{1}, SmallMachine::cds + 64 * below(2), cd_word());
      case 4: return caches.barrier(below(2) == 0 ? AgentId::cpu0 : AgentId{1});
      case 5: return caches.rmw(AgentId::cpu0, SmallMachine::leaves + 8 * below(40), leaf());
      case 6: return caches.fill(AgentId::cpu0, SmallMachine::leaves, 1 + below(32), leaf());
      case 7: return (void)caches.expose(command(), true);
      case 8: return caches.complete(caches.expose(cmd_sync(), true));
      default: return caches.set_ats(1, below(3) != 0);
    }
  }
  Caches& caches() { return m_.caches; }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

 private:
  u64 leaf() {
    constexpr u64 cont = u64{1} << 52;
    const u64 word = (SmallMachine::page + 0x1000 * below(8)) | SmallMachine::rw_leaf;
    return below(3) == 0 ? 0 : below(6) == 0 ? word | cont : word;
  }
  u64 table() { return below(4) == 0 ? 0 : (SmallMachine::leaves + 0x1000 * below(3)) | 3; }
  u64 cd_word() {
    Cd<u64> cd = SmallMachine::plain_cd(5 + below(3));
    if (below(3) == 0) cd.dw[0] ^= u64{1} << (below(2) == 0 ? 31 : 14);  // V, EPD0
    return cd.dw[0];
  }
  Command command() {
    Command c;
    constexpr Opcode ops[] = {Opcode::cfgi_cd_all, Opcode::cfgi_ste,      Opcode::tlbi_nh_asid,
                              Opcode::tlbi_nh_all, Opcode::tlbi_nsnh_all, Opcode::tlbi_nh_va,
                              Opcode::atc_inv};
    c.op = ops[below(7)];
    c.sid = 1 + below(2);
    c.asid = 5 + below(3);
    c.address = u64{0x1000} * below(32);
    c.leaf = below(2) == 0;
    c.size = below(6);
    return c;
  }

  std::mt19937_64 random_;
  SmallMachine m_;
};

TEST(Consistent, BehindEachEventOfRandomRuns) {
  for (u64 seed = 0; seed < 20; ++seed) {
    RandomRun run(seed);
    Trail& trail = run.caches().trail();
    std::optional<Trail::Mark> mark;
    for (unsigned i = 0; i < 80; ++i) {
      if (i == 30) mark = trail.mark();
      run.step();
      ASSERT_EQ(run.caches().consistent(), "") << "seed " << seed << ", step " << i;
    }
    trail.undo_to(*mark);
    ASSERT_EQ(run.caches().consistent(), "") << "seed " << seed << ", after going back";
  }
}

/// A count that is one too large, and what is said of it.
TEST(Consistent, CountsThatAreWrongAreNamed) {
  struct Row {
    u64 page;
    std::function<void(Frame&)> spoil;
    const char* said;
  };
  const Row rows[] = {
      {SmallMachine::leaves, [](Frame& f) { f.table_edges[0] += u64{1} << 48; },
       "TableGraph: page 0x302000, edges at level 3: counted 1, kept 2"},
      {SmallMachine::middle, [](Frame& f) { f.table_edges[0] -= u64{1} << 32; },
       "TableGraph: page"},
      {SmallMachine::middle, [](Frame& f) { f.first_edge = 0; }, "edges at level 2: counted 0"},
      {SmallMachine::cds, [](Frame& f) { ++f.config; },
       "ConfigCache: page 0x200000, regions of configuration: counted"},
      {SmallMachine::leaves, [](Frame& f) { f.pending[0] |= 2; },
       "Memory: page 0x302000: flags of pending words are wrong"},
      {SmallMachine::leaves, [](Frame& f) { f.used = 0; }, "is not marked as used"},
  };
  for (const Row& row : rows) {
    SmallMachine m(full_capabilities());
    start(m);
    ASSERT_EQ(m.caches.consistent(), "");
    row.spoil(m.caches.memory().frame(row.page));
    EXPECT_THAT(m.caches.consistent(), HasSubstr(row.said));
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_consistent_test
