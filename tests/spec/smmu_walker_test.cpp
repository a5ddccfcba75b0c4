// SPDX-License-Identifier: MIT
// A walker beside the SMMU: what memory said may be in its caches until it is flushed, whatever
// commands the SMMU gets; and tables that it may reach are not given back.
#include "spec/smmu/view.h"
#include "spec/smmu/walker.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "spec/rules/promises.h"
#include "tests/spec/smmu_caches_support.h"

namespace iommucheck::spec::smmu_walker_test {
namespace {

constexpr u32 gpu = 3;

class SmmuWalker : public testing::Test {
 protected:
  static Capabilities device() {
    Capabilities caps;
    caps.minor = 3;
    caps.s1p = caps.s2p = caps.aarch64 = caps.asid16 = caps.hyp = true;
    caps.cohacc = caps.gran4k = true;
    caps.sidsize = 16;
    caps.ssidsize = 8;
    caps.oas_lg2 = 48;
    return caps;
  }
  SmmuWalker() : m(device()) {
    m.caches.track_changes(true);
    m.caches.walkers().start(gpu, walker_regime(plain_format(39, 48), gpu, SmallMachine::root));
  }

  std::string walks(u64 va, AccessType type = AccessType::write) {
    std::vector<Outcome> found;
    const Access access{.type = type, .va = va};
    if (!m.caches.walkers().outcomes(gpu, access, found)) return "nothing";
    std::set<std::string> names;
    for (const Outcome& o : found) {
      names.insert(o.kind == OutcomeKind::translation
                       ? std::to_string((o.pa - SmallMachine::page) / 0x1000)
                   : o.kind == OutcomeKind::any ? "any"
                                                : std::string(event_name(o.event)));
    }
    std::string out;
    for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
    return out;
  }
  bool found(Rule rule) {
    const bool is = std::ranges::any_of(
        m.caches.violations(), [&](const Violation& violation) { return violation.rule == rule; });
    m.caches.clear_findings();
    return is;
  }
  static Command command(Opcode op) {
    Command it;
    it.op = op;
    return it;
  }

  SmallMachine m;
};

TEST_F(SmmuWalker, walks_memory_with_its_own_root) {
  EXPECT_EQ(walks(0x1000), "0");
  EXPECT_EQ(walks(0x2000), "1");
  EXPECT_EQ(walks(0x3000), "F_TRANSLATION");
  EXPECT_EQ(walks(u64{1} << 39), "F_TRANSLATION");
  EXPECT_TRUE(m.caches.walkers().walks_now(gpu));
  EXPECT_EQ(m.caches.walkers().of_tag(m.caches.walkers().tag_of(gpu)), gpu);
}

TEST_F(SmmuWalker, keeps_what_memory_said_until_its_own_flush) {
  m.enable();
  m.store(SmallMachine::leaves + 8, 0);
  EXPECT_EQ(walks(0x1000), "0 F_TRANSLATION");
  for (const Opcode op : {Opcode::tlbi_nsnh_all, Opcode::tlbi_nh_all, Opcode::tlbi_el2_all,
                          Opcode::tlbi_nh_asid, Opcode::tlbi_nh_vaa}) {
    m.run(command(op));
    EXPECT_EQ(walks(0x1000), "0 F_TRANSLATION") << static_cast<int>(op);
  }
  m.caches.walkers().flush(gpu);
  EXPECT_EQ(walks(0x1000), "F_TRANSLATION");
  EXPECT_EQ(m.caches.items_alive(), 0U);
}

TEST_F(SmmuWalker, sees_a_store_when_it_is_ordered) {
  m.step();
  m.caches.store(AgentId::cpu0, SmallMachine::leaves + 24,
                 (SmallMachine::page + 0x2000) | SmallMachine::rw_leaf);
  EXPECT_EQ(walks(0x3000), "2 F_TRANSLATION");
  m.caches.barrier(AgentId::cpu0);
  EXPECT_EQ(walks(0x3000), "2");
}

TEST_F(SmmuWalker, a_table_that_it_may_reach_is_not_given_back) {
  m.store(SmallMachine::middle, 0);
  m.caches.recycle(SmallMachine::leaves, true);
  EXPECT_TRUE(found(rule::TABLE_FREE));
}

TEST_F(SmmuWalker, a_table_is_given_back_after_the_flush) {
  m.store(SmallMachine::middle, 0);
  m.caches.walkers().flush(gpu);
  m.caches.recycle(SmallMachine::leaves, true);
  EXPECT_FALSE(found(rule::TABLE_FREE));
}

TEST_F(SmmuWalker, who_said_wrongly_that_it_was_flushed_meets_old_pages_and_blames_nobody) {
  m.store(SmallMachine::middle, 0);
  m.caches.walkers().fix(gpu);
  m.caches.recycle(SmallMachine::leaves, true);
  EXPECT_FALSE(found(rule::TABLE_FREE));
  EXPECT_EQ(walks(0x1000), "0 F_TRANSLATION");
  EXPECT_EQ(walks(0x2000), "1 F_TRANSLATION");
  m.caches.walkers().flush(gpu);
  EXPECT_EQ(walks(0x1000), "F_TRANSLATION");
}

TEST_F(SmmuWalker, a_new_page_over_one_that_it_may_have_is_no_good) {
  m.store(SmallMachine::leaves + 8, 0);
  m.store(SmallMachine::leaves + 8, (SmallMachine::page + 0x5000) | SmallMachine::rw_leaf);
  EXPECT_TRUE(found(rule::CONFLICT_BBM));
}

TEST_F(SmmuWalker, stopped_it_reaches_nothing_and_undone_it_is_as_it_was) {
  m.store(SmallMachine::leaves + 8, 0);
  const Trail::Mark mark = m.caches.trail().mark();
  m.caches.walkers().stop(gpu);
  EXPECT_EQ(walks(0x1000), "nothing");
  EXPECT_FALSE(is_walkable_table(m.caches.view(), SmallMachine::leaves));
  m.caches.trail().undo_to(mark);
  EXPECT_EQ(walks(0x1000), "0 F_TRANSLATION");
  EXPECT_EQ(walks(0x2000), "1");
}

TEST_F(SmmuWalker, each_has_caches_of_its_own) {
  constexpr u32 other = 4;
  m.caches.walkers().start(other, walker_regime(plain_format(39, 48), other, SmallMachine::root));
  m.store(SmallMachine::leaves + 8, 0);
  m.caches.walkers().flush(other);
  EXPECT_EQ(walks(0x1000), "0 F_TRANSLATION");
  std::vector<Outcome> outcomes;
  EXPECT_TRUE(m.caches.walkers().outcomes(other, {.va = 0x1000}, outcomes));
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].event, EventType::f_translation);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_walker_test
