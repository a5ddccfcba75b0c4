// SPDX-License-Identifier: MIT
// Stage 2 alone in the engine: what its entries are tagged with, what removes them, what lies in
// several pages, and what STEs of one VMID have to agree in.
#include <gtest/gtest.h>

#include <algorithm>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/rules/promises.h"
#include "spec/rules/translation.h"
#include "spec/smmu/view.h"

namespace iommucheck::spec::smmu_stage2_test {
namespace {

constexpr u64 page_word = 0x7ff;  // of stage 2: all rights, Normal write-back
constexpr u32 vmid = 7;

struct Stage2Machine : SmallMachine {
  static Capabilities caps() {
    Capabilities c = full_capabilities();
    c.s2p = true;
    return c;
  }
  Stage2Machine() : SmallMachine(caps()) {
    for (const u64 i : {u64{1}, u64{2}}) put(leaves + 8 * i, (page + 0x1000 * (i - 1)) | page_word);
  }

  static Ste<u64> plain(unsigned its_vmid = vmid, unsigned t0sz = 25, u64 ttb = root) {
    return with_stage2(make_bypass_ste(),
                       {.s2ttb = ttb, .s2t0sz = t0sz, .s2ps = 5, .s2vmid = its_vmid});
  }
  static Command tlbi(Opcode op, u64 its_vmid = vmid, u64 ipa = 0x1000, bool leaf = true) {
    Command command;
    command.op = op;
    command.vmid = its_vmid;
    command.address = ipa;
    command.leaf = leaf;
    return command;
  }
  static Command cfgi_all() {
    Command command;
    command.op = Opcode::cfgi_ste_range;
    command.range = 31;
    return command;
  }
  bool broke(Rule rule) {
    const auto& all = caches.violations();
    return std::ranges::any_of(all, [&](const Violation& v) { return v.rule == rule; });
  }
};

constexpr Access access{.sid = 1, .va = 0x1000};

TEST(Stage2Engine, AnEntryIsRemovedByWhatIsOfStage2AndItsVmid) {
  struct Case {
    Command command;
    bool removes;
  };
  const Case cases[] = {
      {Stage2Machine::tlbi(Opcode::tlbi_s2_ipa), true},
      {Stage2Machine::tlbi(Opcode::tlbi_s12_vmall), true},
      {Stage2Machine::tlbi(Opcode::tlbi_nsnh_all), true},
      {Stage2Machine::tlbi(Opcode::tlbi_s2_ipa, vmid + 1), false},
      {Stage2Machine::tlbi(Opcode::tlbi_s2_ipa, vmid, 0x2000), false},
      {Stage2Machine::tlbi(Opcode::tlbi_s12_vmall, vmid + 1), false},
      {Stage2Machine::tlbi(Opcode::tlbi_nh_all), false},
      {Stage2Machine::tlbi(Opcode::tlbi_nh_va), false},
      {Stage2Machine::tlbi(Opcode::tlbi_nh_vaa), false},
      {Stage2Machine::tlbi(Opcode::tlbi_nh_asid), false},
      {Stage2Machine::tlbi(Opcode::tlbi_el2_all), false},
  };
  for (const Case& one : cases) {
    Stage2Machine m;
    m.ste(1, Stage2Machine::plain());
    m.enable();
    EXPECT_EQ(m.text(access), "0");
    m.store(SmallMachine::leaves + 8, 0);
    EXPECT_EQ(m.text(access), "0 F_TRANSLATION");
    m.run(one.command);
    EXPECT_EQ(m.text(access), one.removes ? "F_TRANSLATION" : "0 F_TRANSLATION")
        << describe(one.command);
    EXPECT_EQ(m.caches.consistent(), "");
  }
}

/// Only stage 2 is gone of: what was filled through a VMID of which no STE is left.
TEST(Stage2Engine, NhAllLeavesWhatIsLeftOfAVmid) {
  Stage2Machine m;
  m.ste(1, Stage2Machine::plain());
  m.enable();
  m.store(SmallMachine::strtab + 64, 0);
  m.run(Stage2Machine::cfgi_all());
  m.run(Stage2Machine::tlbi(Opcode::tlbi_nh_all));
  m.store(SmallMachine::leaves + 8, 0);
  m.store(SmallMachine::strtab + 64, Stage2Machine::plain().dw[0]);
  EXPECT_EQ(m.text(access), "0 C_BAD_STE F_TRANSLATION");
  m.run(Stage2Machine::cfgi_all());
  m.run(Stage2Machine::tlbi(Opcode::tlbi_nh_all));
  EXPECT_EQ(m.text(access), "0 F_TRANSLATION") << "it lives on without an STE";
  m.run(Stage2Machine::tlbi(Opcode::tlbi_s12_vmall));
  EXPECT_EQ(m.text(access), "F_TRANSLATION");
}

/// Its stages are told apart of what was there at reset, too.
TEST(Stage2Engine, AfterResetNhAllIsNotEnough) {
  for (const Opcode op : {Opcode::tlbi_nh_all, Opcode::tlbi_s12_vmall, Opcode::tlbi_nsnh_all}) {
    Stage2Machine m;
    m.caches.reset();
    m.ste(1, Stage2Machine::plain());
    m.run(Stage2Machine::cfgi_all());
    m.run(Stage2Machine::tlbi(op));
    m.enable();
    const bool enough = op != Opcode::tlbi_nh_all;
    EXPECT_EQ(m.text(access), enough ? "0" : "any");
    EXPECT_EQ(m.broke(rule::UNKNOWN_AFTER_RESET), !enough);
  }
}

/// Two tables of the start level in two pages: input addresses of 40 bits.
TEST(Stage2Engine, TablesSideBySideAreOneRoot) {
  Stage2Machine m;
  const u64 second = SmallMachine::root + 0x9000;
  m.put(second, SmallMachine::middle | 3);  // entry 512 of the root at 0x308000
  m.put(SmallMachine::root + 0x8000 + 8, SmallMachine::middle | 3);
  m.ste(1, Stage2Machine::plain(vmid, 24, SmallMachine::root + 0x8000));
  m.enable();
  const Access high{.sid = 1, .va = (u64{512} << 30) + 0x1000};
  const Access low{.sid = 1, .va = (u64{1} << 30) + 0x1000};
  EXPECT_EQ(m.text(high), "0");
  EXPECT_EQ(m.text(low), "0");
  EXPECT_EQ(m.text({.sid = 1, .va = (u64{513} << 30) + 0x1000}), "F_TRANSLATION");
  EXPECT_EQ(m.text({.sid = 1, .va = u64{1} << 40}), "F_TRANSLATION");
  EXPECT_TRUE(is_walkable_table(m.caches.view(), second));
  m.store(second, 0);
  EXPECT_EQ(m.text(high), "0 F_TRANSLATION");
  EXPECT_EQ(m.text(low), "0");
  m.run(Stage2Machine::tlbi(Opcode::tlbi_s2_ipa, vmid, high.va, false));
  EXPECT_EQ(m.text(high), "F_TRANSLATION");
  m.step();
  m.caches.recycle(second, true);
  EXPECT_TRUE(m.broke(rule::TABLE_FREE));
  EXPECT_EQ(m.caches.consistent(), "");
  EXPECT_EQ(m.text(high), "any");
  EXPECT_EQ(m.text(low), "0");
}

/// A page may be a table of both stages, whose leaves mean different things.
TEST(Stage2Engine, OnePageIsATableOfBothStages) {
  Stage2Machine m;
  m.ste(1, Stage2Machine::plain());
  m.ste(2, make_stage1_ste({.s1contextptr = SmallMachine::cds, .s2vmid = vmid}));
  m.cd(0, SmallMachine::plain_cd());
  // S2AP = 01 and AP[2:1] = 01: read only at stage 2, read and write at stage 1.
  m.put(SmallMachine::leaves + 8, SmallMachine::page | 0x43f | 1 << 6 | u64{1} << 11);
  m.enable();
  const Access by_stage1{.sid = 2, .type = AccessType::write, .va = 0x1000};
  const Access by_stage2{.sid = 1, .type = AccessType::write, .va = 0x1000};
  EXPECT_EQ(m.text(by_stage1), "0");
  EXPECT_EQ(m.text(by_stage2), "F_PERMISSION");
  EXPECT_EQ(m.text(access), "0");
  m.store(SmallMachine::leaves + 8, 0);
  m.run(Stage2Machine::tlbi(Opcode::tlbi_nh_all));
  EXPECT_EQ(m.text(by_stage1), "F_TRANSLATION");
  EXPECT_EQ(m.text(access), "0 F_TRANSLATION");
}

/// STEs of one VMID agree; one that changes two of its words while it is valid does not with
/// itself.
TEST(Stage2Engine, StesOfOneVmidAgree) {
  Stage2Machine m;
  m.ste(1, Stage2Machine::plain());
  m.ste(2, Stage2Machine::plain(vmid + 1, 24));
  m.enable();
  EXPECT_FALSE(m.broke(rule::TAG_STAGE2));
  m.store(SmallMachine::strtab + 128 + 16, Stage2Machine::plain(vmid, 24).dw[2]);
  EXPECT_TRUE(m.broke(rule::TAG_STAGE2));
  EXPECT_EQ(m.text(access), "any");
}

TEST(Stage2Engine, AFaultSaysThatItIsOfStage2) {
  Stage2Machine m;
  m.ste(1, Stage2Machine::plain());
  m.enable();
  const auto found = m.outcomes({.sid = 1, .va = 0x5000});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].event, EventType::f_translation);
  EXPECT_EQ(found[0].rule, rule::S2_DESCRIPTOR_VALID);
  EXPECT_TRUE(found[0].stage2);
  EXPECT_EQ(found[0].input, Stage2Input::transaction);
  EXPECT_EQ(found[0].ipa, 0x5000U);
}

/// What the leaf says and what came in, together. 13.1.5, 13.5; DDI 0487 D8.6.6 (S2FWB).
TEST(Stage2Engine, MemoryAttributesAreCombined) {
  const auto through = [](u64 memattr, u64 sh, bool fwb = false, MemoryAttributes in = {}) {
    return through_stage2(in, memattr, sh, fwb);
  };
  EXPECT_EQ(through(0xf, 3).type, MemoryType::incoming);
  EXPECT_EQ(through(0xf, 3).sh, Shareability::inner);
  EXPECT_TRUE(through(0xf, 0).incoming_sh);
  EXPECT_EQ(through(0x5, 3).type, MemoryType::normal);
  EXPECT_EQ(through(0x5, 3).outer, Cacheability::none);
  EXPECT_EQ(through(0x5, 3).sh, Shareability::outer);
  EXPECT_EQ(through(0x1, 3).type, MemoryType::device);
  EXPECT_EQ(through(0x1, 3).device, 1);
  const MemoryAttributes device = attributes_of_mair(0x0c, 0);
  EXPECT_EQ(through(0xf, 3, false, device).type, MemoryType::device);
  EXPECT_EQ(through(0x1, 3, false, device).device, 1) << "nGnRE is stricter than GRE";
  EXPECT_EQ(through(6, 3, true, device).type, MemoryType::normal) << "forced";
  EXPECT_EQ(through(7, 3, true, device).type, MemoryType::device) << "as it came";
  EXPECT_EQ(through(5, 3, true, device).type, MemoryType::device);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_stage2_test
