// SPDX-License-Identifier: MIT
// Which invalidation a device did not do, by the command's name: the one without which its use of
// something old would be allowed.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/bits.h"
#include "conform/afresh.h"
#include "conform/case.h"
#include "conform/case_worker.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "conform/conform.h"
#include "conform/judge_case.h"
#include "conform/runner.h"
#include "spec/rules/commands.h"
#include "spec/rules/translation.h"
#include "tests/conform/conform_support.h"

namespace iommucheck::oracle::conform_blame_test {
namespace {

constexpr u64 iova = 0x1000;
constexpr unsigned asid = 1;

/// The rule and the kind of what a device does wrong whose `arriving` last accesses of the case go
/// to the data.
std::string blamed_if_they_arrive(SpecDevice& device, CaseBuilder& b, std::size_t arriving,
                                  const CaseJudge::Ask& ask = {}) {
  auto run = run_case(device, b.take());
  if (!run) return run.error().message;
  std::vector<trace::Dma*> accesses;
  for (trace::Event& event : run->trace.events) {
    if (auto* dma = std::get_if<trace::Dma>(&event.payload)) accesses.push_back(dma);
  }
  if (accesses.size() < arriving) return "too few accesses";
  for (std::size_t i = accesses.size() - arriving; i < accesses.size(); ++i) {
    accesses[i]->result = trace::DmaResult::ok;
    accesses[i]->pa = b.data();
  }
  run->trace.events.resize(last_access(run->trace) + 1);  // records of what did not arrive follow
  CaseJudge judge(device.identity());
  const std::vector<Divergence> found = judge.judge(run->trace, ask);
  if (found.empty()) return "nothing";
  return std::string(spec::rule_name(found[0].rule)) + ": " + found[0].called;
}

std::string blamed_if_it_arrives(SpecDevice& device, CaseBuilder& b) {
  return blamed_if_they_arrive(device, b, 1);
}

/// Of one that uses a page after `commands` have removed it.
std::string blamed(const std::vector<spec::Command>& commands, bool global) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "stale");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, iova, b.data(), 3, {.ng = !global});
  b.translate(0, root, 25, asid);
  b.access(iova);
  b.store(b.entry(root, spec::Granule::g4k, 25, iova, 3), 0);
  for (const spec::Command& command : commands) b.command(command);
  b.sync();
  b.access(iova);
  return blamed_if_it_arrives(device, b);
}

TEST(ConformBlame, NamesTheCommandThatWasNeeded) {
  EXPECT_EQ(blamed({spec::cmd_tlbi_nh_va(0, asid, iova)}, false),
            "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
}

/// The commands after it have nothing to do with it.
TEST(ConformBlame, NamesNoOtherCommand) {
  EXPECT_EQ(
      blamed({spec::cmd_tlbi_nh_va(0, asid, iova), spec::cmd_tlbi_nh_asid(0, asid + 1)}, false),
      "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
}

/// By whatever ASID a command names, it removes global entries too.
TEST(ConformBlame, SaysThatTheCommandNamesAnotherAsid) {
  EXPECT_EQ(blamed({spec::cmd_tlbi_nh_va(0, asid + 1, iova)}, true),
            "TLBI_TAGS: CMD_TLBI_NH_VA with another ASID leaves what it covers");
  EXPECT_EQ(blamed({spec::cmd_tlbi_nh_va(0, asid, iova)}, true),
            "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
}

/// The STE is no longer valid, and cached: the ASID is that of what is cached.
std::string blamed_by_cached_ste(u16 named) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "stale");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, iova, b.data(), 3, {.ng = false});
  b.translate(0, root, 25, asid);
  b.access(iova);
  b.store(b.entry(root, spec::Granule::g4k, 25, iova, 3), 0);
  b.store(b.ste_place(0), 0);
  b.command(spec::cmd_tlbi_nh_va(0, named, iova));
  b.sync();
  b.access(iova);
  return blamed_if_it_arrives(device, b);
}

TEST(ConformBlame, KnowsTheAsidOfAnSteThatIsCached) {
  EXPECT_EQ(blamed_by_cached_ste(asid), "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
  EXPECT_EQ(blamed_by_cached_ste(asid + 1),
            "TLBI_TAGS: CMD_TLBI_NH_VA with another ASID leaves what it covers");
}

/// Of a guest, whose CD lies at an intermediate address: a leaf is gone, and `named` is the ASID
/// that the command has.
std::string blamed_of_guest(unsigned named, bool global) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.s2p = caps.xnx = true;
  SpecDevice device(1, spec::make_id_registers(caps));
  CaseBuilder b(device.identity(), "stale");
  constexpr u16 vmid = 6;
  constexpr u64 va = GuestTables::va;
  GuestTables guest(b, vmid, 0, asid);
  guest.leaf(va, GuestTables::data_ipa, {.ng = !global});
  b.cd_at(guest.cd_pa, guest.cd);
  b.ste(0, guest.ste());
  b.enable();
  b.access(va);
  b.store(guest.place(2, va), 0);
  b.command(spec::cmd_tlbi_nh_va(vmid, static_cast<u16>(named), va));
  b.sync();
  b.access(va);
  return blamed_if_it_arrives(device, b);
}

TEST(ConformBlame, KnowsTheAsidOfAGuest) {
  EXPECT_EQ(blamed_of_guest(asid, false), "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
  EXPECT_EQ(blamed_of_guest(asid, true), "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
  EXPECT_EQ(blamed_of_guest(asid + 1, true),
            "TLBI_TAGS: CMD_TLBI_NH_VA with another ASID leaves what it covers");
}

/// The leaf may be cached yet that refuses it: no walk of today's memory leads there.
TEST(ConformBlame, NamesTheRightThatWasPassedOver) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "a right");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, iova, b.data(), 3, {.user = false});
  b.translate(0, root, 25, asid);
  b.access(iova);
  b.store(b.entry(root, spec::Granule::g4k, 25, iova, 3), 0);
  b.access(iova);
  EXPECT_EQ(blamed_if_it_arrives(device, b),
            "S1_PERMISSION: reached memory instead of F_PERMISSION (AP[1])");
}

/// What is told of a device that ends by writing to the second page, which a descriptor without a
/// write in it led to: `before` the page was written to while an old leaf may have been used too,
/// which leads elsewhere.
std::string blamed_for_a_clean_leaf(bool before) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.httu = 2;
  SpecDevice device(1, spec::make_id_registers(caps));
  CaseBuilder b(device.identity(), "clean");
  const u64 root = b.root(spec::Granule::g4k, 25);
  const u64 place = b.entry(root, spec::Granule::g4k, 25, iova, 3);
  const LeafBits clean{.writable = false, .extra = spec::descriptor_bits::dbm};
  b.store(place, leaf_word(spec::Granule::g4k, 3, b.data(0x2000), {}));
  spec::Cd<u64> cd = b.plain_cd(root);
  cd.dw[0] |= u64{3} << 42;  // HD, HA
  b.cd(0, cd);
  b.ste(0, b.stage1_ste(0));
  b.enable();
  b.store(place, leaf_word(spec::Granule::g4k, 3, b.data(), clean));
  b.command(spec::cmd_tlbi_nh_all(0));
  if (before) b.access(iova, true);
  b.sync();
  b.store(place, 0);
  b.access(iova, true);
  return blamed_if_they_arrive(device, b, before ? 2 : 1);
}

/// The write before may have marked the leaf: then it is cached as one that is dirty, filled behind
/// the TLBI. (A finding of the fast model, seed 90030, that was none.)
TEST(ConformBlame, ALeafThatMayHaveBecomeDirtyMayBeCachedAsThat) {
  EXPECT_EQ(blamed_for_a_clean_leaf(true), "nothing");
  EXPECT_NE(blamed_for_a_clean_leaf(false), "nothing");
}

/// Of one that goes where the CD of before its change leads, which stands in the TLB and in the
/// cache of CDs: `again` says with what invalidated it does so still.
std::string blamed_for_an_old_cd(Cached again) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "an old CD");
  const u64 root = b.root(spec::Granule::g4k, 25), other = b.root(spec::Granule::g4k, 25);
  b.map(root, iova, b.data());
  b.map(other, iova, b.data(0x1000));
  b.translate(0, root, 25, asid);
  b.access(iova);
  b.cd(0, b.plain_cd(other, 25, asid));
  b.command(spec::cmd_cfgi_cd(b.sid(0), 0, true));
  b.sync();
  b.command(spec::cmd_tlbi_nh_asid(0, asid));
  b.sync();
  b.access(iova);
  return blamed_if_they_arrive(
      device, b, 1, {.emptied = [&](const Divergence&, Cached cached) { return cached == again; }});
}

/// Without either the access would be allowed; only the device knows which of them it did not do.
TEST(ConformBlame, TheDeviceSaysWhichOfTwoInvalidationsFailed) {
  EXPECT_EQ(blamed_for_an_old_cd(Cached::translations),
            "CFGI_SCOPE: CMD_CFGI_CD leaves what it covers");
  EXPECT_EQ(blamed_for_an_old_cd(Cached::structures),
            "TLBI_TAGS: CMD_TLBI_NH_ASID leaves what it covers");
}

/// It is asked by the same case up to the access, before which everything is invalidated.
TEST(ConformBlame, AnEmptiedCaseEndsWithTheAccess) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "emptied");
  b.translate(0, b.root(spec::Granule::g4k, 25), 25, asid);
  b.access(iova);
  b.access(iova + 0x1000);
  const Case whole = b.take();
  const std::size_t step = whole.steps.size() - 2;
  for (const Cached cached : {Cached::translations, Cached::structures}) {
    const Case emptied_case = emptied(whole, step, cached, device.identity());
    EXPECT_EQ(emptied_case.steps.back().a, iova);
    const auto sync = emptied_case.steps.end() - 2;
    EXPECT_EQ(sync->kind, StepKind::sync);
    const u64 op = bits((sync - 1)->a, 7, 0);
    const auto first =
        cached == Cached::structures ? spec::Opcode::cfgi_ste_range : spec::Opcode::tlbi_nsnh_all;
    const bool el2 = spec::parse_capabilities(device.identity().id).hyp;
    EXPECT_EQ(op, static_cast<u64>(
                      cached == Cached::translations && el2 ? spec::Opcode::tlbi_el2_all : first));
    EXPECT_TRUE(run_case(device, emptied_case));
  }
}

/// A record of the wrong type is wrong with every invalidation and without: none of them is to
/// blame, although the words of the finding differ where more would have been allowed.
TEST(ConformBlame, AWrongRecordIsNoInvalidationThatFailed) {
  BrokenDevice device(Fault::wrong_event_type, 3);
  ConformOptions options;
  options.seed = 7;
  options.seconds = 0;
  options.cases = 200;
  options.use_known = false;
  const auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->held());
  for (const FoundDivergence& found : result->divergences) {
    EXPECT_NE(spec::rule_info(found.divergence.rule).family, spec::Family::coverage)
        << found.divergence.called << ": " << found.divergence.statement;
  }
}

bool is_of_invalidation(spec::Rule rule) {
  return spec::rule_info(rule).family == spec::Family::coverage;
}

bool names_a_field(const std::set<spec::Rule>& rules) {
  return rules.contains(spec::rule::S1_EPD) || rules.contains(spec::rule::S1_PERMISSION);
}

/// Rules of what a device broke in random cases alone, so that no directed case has named it
/// before.
std::set<spec::Rule> broken(Fault fault, u64 seed, u64 cases, std::string& words) {
  BrokenDevice device(fault, seed);
  std::set<spec::Rule> rules;
  CaseWorker worker(device);
  for (u64 number = 0; number < cases; ++number) {
    if (names_a_field(rules) && std::ranges::any_of(rules, is_of_invalidation)) break;
    const auto result = worker.run(random_case(device.identity(), seed, number), false);
    if (!result) {
      words += result.error().message;
      break;
    }
    for (const Divergence& found : result->found) {
      rules.insert(found.rule);
      words += std::to_string(number) + " " + std::string(spec::rule_name(found.rule)) + ": " +
               found.called + " (" + found.statement + ")\n";
    }
  }
  return rules;
}

constexpr u64 field_cases = 250, stale_cases = 25;

class ConformBlameSeed : public testing::TestWithParam<u64> {};

/// What it does by itself a stale entry would explain in many a case.
TEST_P(ConformBlameSeed, AFieldThatIsIgnoredIsNoInvalidationThatFailed) {
  std::string words;
  const auto rules = broken(Fault::ignores_cd_fields, GetParam(), field_cases, words);
  EXPECT_TRUE(names_a_field(rules)) << words;
  EXPECT_TRUE(std::ranges::none_of(rules, is_of_invalidation)) << words;
}

/// The one hides the other in no device that has both.
TEST_P(ConformBlameSeed, AFieldAndAnInvalidationAreBothNamed) {
  std::string words;
  const auto cfgi = broken(Fault::ignores_fields_and_cfgi, GetParam(), field_cases, words);
  EXPECT_TRUE(std::ranges::any_of(cfgi, is_of_invalidation)) << words;
  EXPECT_TRUE(names_a_field(cfgi)) << words;
  words.clear();
  const auto tlbi = broken(Fault::ignores_fields_and_tlbi, GetParam(), field_cases, words);
  EXPECT_TRUE(std::ranges::any_of(tlbi, is_of_invalidation)) << words;
  EXPECT_TRUE(names_a_field(tlbi)) << words;
}

TEST_P(ConformBlameSeed, AnInvalidationThatFailsIsNoFieldThatIsIgnored) {
  for (const Fault fault : {Fault::ignores_cfgi, Fault::forgets_tlbi}) {
    std::string words;
    const auto rules = broken(fault, GetParam(), stale_cases, words);
    EXPECT_TRUE(rules.contains(fault == Fault::ignores_cfgi ? spec::rule::CFGI_SCOPE
                                                            : spec::rule::TLBI_TAGS))
        << words;
    EXPECT_FALSE(names_a_field(rules)) << words;
  }
}

INSTANTIATE_TEST_SUITE_P(All, ConformBlameSeed, testing::Values(3));

}  // namespace
}  // namespace iommucheck::oracle::conform_blame_test
