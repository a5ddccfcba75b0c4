// SPDX-License-Identifier: MIT
// Findings of one cause are one group: what makes them right. Of devices that are wrong in one
// thing, and by an oracle that says of each case whether it shows a finding.
#include "conform/causes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/bits.h"
#include "conform/case_words.h"
#include "conform/cases/directed.h"
#include "conform/device_finding.h"
#include "conform/dut/spec_device.h"
#include "spec/rules/commands.h"
#include "spec/rules/translation.h"
#include "spec/smmu/command.h"

namespace iommucheck::oracle::causes_test {
namespace {

/// A machine that has all of it.
DeviceIdentity everything() {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.minor = 3;
  caps.s1p = caps.s2p = caps.hyp = true;
  caps.httu = 3;
  caps.ats = caps.pri = caps.atsrecerr = true;
  caps.priqs = 4;
  caps.vmw = caps.vmid16 = caps.asid16 = caps.msi = true;
  caps.ttendian = 0;
  caps.ssidsize = 8;
  caps.cd2l = caps.two_level_stream_table = true;
  caps.stall_model = spec::StallModel::both;
  caps.term_model = false;
  caps.e0pd = caps.epan = caps.had = caps.xnx = caps.fwb = caps.ril = true;
  caps.attr_perms_ovr = true;
  caps.gran4k = caps.gran16k = caps.gran64k = true;
  return SpecDevice(1, spec::make_id_registers(caps)).identity();
}

std::size_t number_of(const std::string& name) {
  for (std::size_t i = 0; i < intervention_count(); ++i) {
    if (intervention_name(i) == name) return i;
  }
  ADD_FAILURE() << "no intervention is called " << name;
  return 0;
}

TEST(Interventions, EachHasANameOfItsOwn) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < intervention_count(); ++i) names.insert(intervention_name(i));
  EXPECT_EQ(names.size(), intervention_count());
}

/// What was changed is not changed again, and nothing but the words that it names is.
TEST(Interventions, AFieldIsPlainBehindIt) {
  const DeviceIdentity device = everything();
  CaseBuilder b(device, "a case");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  spec::Cd<u64> cd = b.plain_cd(root);
  cd.dw[0] |= u64{1} << 36 | u64{1} << 40;
  b.cd(0, cd);
  b.ste(0, b.stage1_ste(0));
  b.enable();
  b.access(0x1000);
  const Case what = b.take();
  const std::size_t wxn = number_of("CD.WXN = 0");
  const auto changed = intervene(wxn, what, device);
  ASSERT_TRUE(changed);
  EXPECT_FALSE(intervene(wxn, *changed, device));
  ASSERT_EQ(changed->steps.size(), what.steps.size());
  std::size_t others = 0;
  for (std::size_t i = 0; i < what.steps.size(); ++i) {
    if (changed->steps[i] == what.steps[i]) continue;
    ++others;
    EXPECT_EQ(changed->steps[i].b ^ what.steps[i].b, u64{1} << 36);
  }
  EXPECT_EQ(others, 1U);
}

TEST(Interventions, WordsAreWhatAccessesMeet) {
  const DeviceIdentity device = everything();
  CaseBuilder b(device, "a case");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.cd(0, b.plain_cd(root));
  b.ste(0, b.stage1_ste(0));
  b.enable();
  b.access(0x1000);
  const u64 leaf = b.entry(root, spec::Granule::g4k, 25, 0x1000, 3);
  const u64 ste = b.ste_place(b.sid(0)), cd = b.cd_place(0);
  const auto words = words_of(b.take(), device);
  EXPECT_EQ(words.at(leaf), WordKind::stage1);
  EXPECT_EQ(words.at(ste), WordKind::ste);
  EXPECT_EQ(words.at(cd + 8), WordKind::cd);
  EXPECT_FALSE(words.contains(leaf + 8));
}

std::size_t accesses_of(const Case& what) {
  return static_cast<std::size_t>(std::ranges::count(what.steps, StepKind::access, &Step::kind));
}

/// Of accesses that are left out the last one, which a finding is about, is none.
TEST(Interventions, TheLastAccessIsOfTheStreamThatStays) {
  const DeviceIdentity device = everything();
  CaseBuilder b(device, "a case");
  b.translate(0, b.root(spec::Granule::g4k, 25));
  b.access(0x1000);
  b.access(0x1000, false, 1);
  const Case what = b.take();
  const std::size_t number = number_of("accesses of one stream alone");
  const auto changed = intervene(number, what, device);
  ASSERT_TRUE(changed);
  EXPECT_EQ(accesses_of(*changed), 1U);
  EXPECT_EQ(changed->steps.back().c & step_engine, 1U);
  EXPECT_FALSE(intervene(number, *changed, device));
}

TEST(Interventions, TheUpperHalfIsLeftOut) {
  const DeviceIdentity device = everything();
  CaseBuilder b(device, "a case");
  b.translate(0, b.root(spec::Granule::g4k, 25));
  b.access(0x1000);
  b.access(~u64{0xfff});
  const std::size_t number = number_of("accesses by TTB0 alone");
  const auto changed = intervene(number, b.take(), device);
  ASSERT_TRUE(changed);
  EXPECT_EQ(accesses_of(*changed), 1U);
  EXPECT_FALSE(intervene(number, *changed, device));
}

TEST(Interventions, CommandsArePublishedApart) {
  const DeviceIdentity device = everything();
  CaseBuilder b(device, "a case");
  b.command(spec::cmd_cfgi_all());
  b.command(spec::cmd_tlbi_nh_all(0));
  b.sync();
  const auto together = published_together(b.take());
  ASSERT_TRUE(together);
  const auto of_batches = [](const Case& what) {
    return std::ranges::count_if(
        what.steps, [](const Step& step) { return step.kind == StepKind::command && step.c != 0; });
  };
  EXPECT_EQ(of_batches(*together), 2);
  const auto apart = intervene(number_of("each command is published by itself"), *together, device);
  ASSERT_TRUE(apart);
  EXPECT_EQ(of_batches(*apart), 0);
  EXPECT_EQ(apart->steps.size(), together->steps.size());
  const auto all = intervene(number_of("everything is invalidated in the place of each TLBI"),
                             *together, device);
  ASSERT_TRUE(all);
  EXPECT_GE(of_batches(*all), 2) << "they still are";
}

// ---- groups -------------------------------------------------------------------------------------

struct Told {
  std::vector<Case> cases;
  std::vector<Divergence> findings;
  void add(Case what, std::string kind, spec::Rule rule = spec::rule::TRANSLATION_RESULT) {
    cases.push_back(std::move(what));
    findings.emplace_back(device_finding(rule, std::move(kind), {}), 0);
  }
  [[nodiscard]] std::vector<CaseShowing> all() const {
    std::vector<CaseShowing> shown;
    for (std::size_t i = 0; i < cases.size(); ++i) shown.push_back({&cases[i], &findings[i]});
    return shown;
  }
};

Case case_with(const DeviceIdentity& device, u64 cd_bits, bool write) {
  CaseBuilder b(device, "a case");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  spec::Cd<u64> cd = b.plain_cd(root);
  cd.dw[0] |= cd_bits;
  b.cd(0, cd);
  b.ste(0, b.stage1_ste(0));
  b.enable();
  b.access(0x1000, write);
  return b.take();
}

bool any_cd_has(const Case& what, const DeviceIdentity& device, u64 cd_bits) {
  const auto words = words_of(what, device);
  return std::ranges::any_of(what.steps, [&](const Step& step) {
    const auto found = words.find(step.a);
    return step.kind == StepKind::store && found != words.end() && found->second == WordKind::cd &&
           step.a / 8 % 8 == 0 && (step.b & cd_bits) != 0;
  });
}

/// A device that is wrong wherever a CD has WXN, and one that is also wrong where it has PAN.
TEST(Causes, WhatOneThingMakesRightIsOneGroup) {
  const DeviceIdentity device = everything();
  constexpr u64 wxn = u64{1} << 36, pan = u64{1} << 40, tbi = u64{1} << 38;
  Told told;
  told.add(case_with(device, wxn, false), "a read");
  told.add(case_with(device, wxn | tbi, true), "a write");
  told.add(case_with(device, wxn, true), "another write");
  const auto one = causes_of(told.all(), device, [&](const Case& what, const Divergence&) {
    return Expected<bool>(any_cd_has(what, device, wxn));
  });
  ASSERT_TRUE(one);
  ASSERT_EQ(one->size(), 1U);
  EXPECT_EQ(intervention_name(one->front().intervention), "CD.WXN = 0");
  EXPECT_EQ(one->front().members.size(), 3U);

  told.add(case_with(device, pan, false), "a privileged read");
  told.add(case_with(device, pan | tbi, true), "a privileged write");
  const auto two = causes_of(told.all(), device, [&](const Case& what, const Divergence& found) {
    return Expected<bool>(
        any_cd_has(what, device, found.called.starts_with("a privileged") ? pan : wxn));
  });
  ASSERT_TRUE(two);
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ(intervention_name((*two)[0].intervention), "CD.WXN = 0");
  EXPECT_EQ(intervention_name((*two)[1].intervention), "CD.PAN = 0");
}

/// A part of the SMMU is no cause where something in it is.
TEST(Causes, APartIsNamedForWhatNothingElseMakesRight) {
  const DeviceIdentity device = everything();
  constexpr u64 s2ptw = u64{1} << 54, stage2 = u64{1} << 2;
  const auto a_case = [&](u64 bits) {
    CaseBuilder b(device, "a case");
    b.cd(0, b.plain_cd(b.root(spec::Granule::g4k, 25)));
    spec::Ste<u64> ste = b.stage1_ste(0);
    ste.dw[0] |= stage2;
    ste.dw[2] |= bits;
    b.ste(0, ste);
    b.enable();
    b.access(0x1000);
    return b.take();
  };
  Told told;
  told.add(a_case(s2ptw), "with S2PTW");
  told.add(a_case(0), "always");
  const auto groups = causes_of(told.all(), device, [&](const Case& what, const Divergence& found) {
    const auto words = words_of(what, device);
    const bool any = std::ranges::any_of(what.steps, [&](const Step& step) {
      const auto word = words.find(step.a);
      const bool ste =
          step.kind == StepKind::store && word != words.end() && word->second == WordKind::ste;
      const bool of_ptw = found.called == "with S2PTW";
      return ste && (of_ptw ? step.a / 8 % 8 == 2 && (step.b & s2ptw) != 0
                            : step.a / 8 % 8 == 0 && (step.b & stage2) != 0);
    });
    return Expected<bool>(any);
  });
  ASSERT_TRUE(groups);
  ASSERT_EQ(groups->size(), 2U);
  EXPECT_EQ(intervention_name((*groups)[0].intervention), "STE.S2PTW = 0");
  EXPECT_EQ(intervention_name((*groups)[1].intervention), "no stage 2");
}

/// A command that is refused is not right because another one takes its place.
TEST(Causes, WhatTakesACommandOutSaysNothingOfIt) {
  const DeviceIdentity device = everything();
  CaseBuilder b(device, "a case");
  b.command(spec::cmd_tlbi_nh_va(0, 1, 0x1000));
  b.sync();
  b.access(0x1000);
  const Case what = b.take();
  Told told;
  told.add(what, "what it leaves", spec::rule::TLBI_TAGS);
  told.add(what, "it is refused", spec::rule::COMMAND_LEGAL);
  const auto groups = causes_of(told.all(), device, [](const Case& its, const Divergence&) {
    return Expected<bool>(std::ranges::any_of(its.steps, [](const Step& step) {
      return step.kind == StepKind::command &&
             bits(step.a, 7, 0) == static_cast<u64>(spec::Opcode::tlbi_nh_va);
    }));
  });
  ASSERT_TRUE(groups);
  ASSERT_EQ(groups->size(), 1U);
  EXPECT_EQ(intervention_name(groups->front().intervention),
            "everything is invalidated in the place of each TLBI");
  EXPECT_EQ(groups->front().members, std::vector<std::size_t>{0});
}

TEST(Causes, WhatNothingMakesRightIsInNoGroup) {
  const DeviceIdentity device = everything();
  Told told;
  told.add(case_with(device, 0, true), "always");
  const auto none = causes_of(told.all(), device,
                              [](const Case&, const Divergence&) { return Expected<bool>(true); });
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(Causes, ADeviceThatCannotBeBroughtBackIsAnError) {
  const DeviceIdentity device = everything();
  Told told;
  told.add(case_with(device, u64{1} << 36, true), "a write");
  const auto lost = causes_of(told.all(), device, [](const Case&, const Divergence&) {
    return Expected<bool>(fail(ErrorCode::environment, "it is gone"));
  });
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().message, "it is gone");
}

}  // namespace
}  // namespace iommucheck::oracle::causes_test
