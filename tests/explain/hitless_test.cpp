// SPDX-License-Identifier: MIT
// From one STE or CD to another: what the engine lets a fetch meet, against a model of four lines.
#include "explain/hitless.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/cases.h"

namespace iommucheck::oracle::hitless_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Version = SeenStructure::Version;

spec::Capabilities machine() {
  spec::Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.s2p = caps.aarch64 = caps.asid16 = caps.vmid16 = caps.hyp = caps.ats = true;
  caps.cd2l = caps.cohacc = caps.gran4k = caps.attr_types_ovr = caps.attr_perms_ovr = true;
  caps.ssidsize = 20;
  caps.sidsize = 16;
  caps.oas_lg2 = 48;
  return caps;
}

HitlessQuestion asked(const StructureWords& from, const StructureWords& to,
                      const std::string& order = {}) {
  HitlessQuestion question;
  question.from = from;
  question.to = to;
  question.caps = machine();
  question.order = order;
  return question;
}

const StructureWords abort_ste = spec::make_abort_ste().dw;
const StructureWords bypass_ste = spec::make_bypass_ste().dw;
const StructureWords stage1_ste = spec::make_stage1_ste({.s1contextptr = 0x80001000, .eats = 1}).dw;
const StructureWords stage2_ste =
    spec::with_stage2(spec::make_bypass_ste(), {.s2ttb = 0x90000000, .s2vmid = 7}).dw;

/// One store of 16 bytes is no better than two: the SMMU may meet the one word without the other.
/// Where only one of them changes it is hitless all the same.
TEST(Hitless, AStoreOf16BytesIsTwoWords) {
  const auto torn = answer(asked(abort_ste, stage1_ste, "0+1,sync"));
  const auto apart = answer(asked(abort_ste, stage1_ste, "0,1,sync"));
  ASSERT_TRUE(torn) << torn.error().message;
  ASSERT_TRUE(apart);
  EXPECT_FALSE(torn->hitless);
  EXPECT_THAT(torn->steps[1].step, StartsWith("store words 0 and 1, 16 bytes = "));
  EXPECT_EQ(torn->steps[1].may_see.size(), apart->steps[2].may_see.size());
  StructureWords abort_beside = abort_ste;
  abort_beside[1] = bypass_ste[1];
  EXPECT_TRUE(answer(asked(bypass_ste, abort_beside, "0+1,sync"))->hitless);
  for (const char* wrong : {"1+2", "0+2", "0+", "8+9", "+1"}) {
    const auto got = answer(asked(abort_ste, stage1_ste, wrong));
    ASSERT_FALSE(got) << wrong;
    EXPECT_THAT(got.error().message, HasSubstr("a store of 16 bytes is of an even word"));
  }
}

TEST(Hitless, WordsThatDoNotCountYetComeFirst) {
  const auto got = answer(asked(abort_ste, stage1_ste));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_TRUE(got->hitless) << got->why;
  EXPECT_TRUE(got->settled);
  EXPECT_EQ(got->order, "1,sync,0,sync");
  ASSERT_EQ(got->steps.size(), 5U);
  EXPECT_EQ(got->steps[3].may_see.size(), 2U);
  EXPECT_EQ(got->steps[4].may_see.size(), 1U);
  EXPECT_EQ(got->steps[4].may_see[0].version, Version::to);
  EXPECT_EQ(got->steps[4].may_see[0].meaning.kind, "stage 1");
}

/// What was cached of word 1 is there until a CMD_SYNC, whatever the order of the stores.
TEST(Hitless, TheRightOrderIsNotEnoughWithoutASync) {
  const auto got = answer(asked(abort_ste, stage1_ste, "1,barrier,0,sync"));
  ASSERT_TRUE(got);
  EXPECT_FALSE(got->hitless);
  EXPECT_THAT(got->why, HasSubstr("behind 'store word 0 = "));
  EXPECT_THAT(got->why, HasSubstr("word 0 new, word 1 old"));
  const auto open = answer(asked(abort_ste, stage1_ste, "1,sync,0"));
  EXPECT_TRUE(open->hitless);
  EXPECT_FALSE(open->settled);
}

TEST(Hitless, TwoWordsThatCountInBothNeedVZero) {
  const auto got = answer(asked(stage1_ste, stage2_ste));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_FALSE(got->hitless);
  EXPECT_TRUE(got->settled);
  EXPECT_THAT(got->why, HasSubstr("differ in words 0, "));
  for (const HitlessStep& step : got->steps) {
    for (const SeenStructure& seen : step.may_see) EXPECT_NE(seen.meaning.kind, "ILLEGAL");
  }
}

/// IHI 0070 3.21.3 has this example: one field, one store.
TEST(Hitless, TheAsidOfACdMayChangeInPlace) {
  HitlessQuestion question = asked(spec::make_cd({.ttb0 = 0x80002000, .asid = 5}).dw,
                                   spec::make_cd({.ttb0 = 0x80002000, .asid = 6}).dw);
  question.cd = true;
  question.ste = spec::make_stage1_ste({.s1contextptr = 0x80001000});
  const auto got = answer(question);
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->order, "0,sync");
  EXPECT_TRUE(got->hitless) << got->why;
  question.to[1] = 0x80003000;  // another table, too
  EXPECT_FALSE(answer(question)->hitless);
  question.ste = spec::Ste<u64>{bypass_ste};
  EXPECT_THAT(answer(question).error().message, HasSubstr("CDs behind another one"));
}

TEST(Hitless, AMixtureThatIsIllegalIsNamedWithItsRule) {
  StructureWords from = stage1_ste;
  from[0] &= ~(mask(63, 59));
  StructureWords to = bypass_ste;
  to[0] = from[0] | (u64{1} << 2);  // nested
  to[1] = from[1];
  to[2] = stage2_ste[2];
  to[3] = stage2_ste[3];
  const auto got = answer(asked(from, to, "0,sync,2,3,sync"));
  ASSERT_TRUE(got);
  ASSERT_EQ(got->steps[2].may_see.size(), 1U);
  const SeenStructure& seen = got->steps[2].may_see[0];
  EXPECT_EQ(seen.version, Version::neither);
  EXPECT_EQ(seen.meaning.kind, "ILLEGAL");
  EXPECT_EQ(spec::rule_info(seen.meaning.rule).family, spec::Family::ste);
}

TEST(Hitless, OrdersThatCannotBeReadHaveAPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"8", "the order:1:1: '8'"},
      {"0,", "the order:1:3: ''"},
      {",", "the order:1:1: ''"},
      {"0,1,synk", "the order:1:5: 'synk'"},
      {"-1", "the order:1:1: '-1'"},
      {"99999999999999999999", "the order:1:1: "},
      {"1=", "the order:1:1: '1='"},
      {"1=0x10000000000000000", "the order:1:1: "},
      {"0,sync", "the order:1:7: it does not end in NEW: word 1"},
      {"0,1,1=5,sync", "the order:1:13: it does not end in NEW: word 1"},
  };
  for (const auto& [order, message] : cases) {
    const auto got = answer(asked(abort_ste, stage1_ste, order));
    ASSERT_FALSE(got) << order;
    EXPECT_EQ(got.error().code, ErrorCode::bad_input);
    EXPECT_THAT(got.error().message, StartsWith(message));
  }
  std::string many = "sync";
  for (int i = 0; i < 64; ++i) many += ",0";
  EXPECT_THAT(answer(asked(abort_ste, abort_ste, many)).error().message, HasSubstr("more than 64"));
}

/// What Linux's tests of its own updates expect (arm-smmu-v3-test.c): so many syncs, and whether
/// the STE stays valid.
TEST(Hitless, LinuxUpdatesInAsManySyncs) {
  const auto cd_table = [](u64 s1dss, u64 pointer) {
    StructureWords words{};
    words[0] = 0xb | (u64{2} << 4) | pointer | (u64{10} << 59);  // 64 KiB leaves
    words[1] = s1dss | (u64{1} << 2) | (u64{1} << 4) | (u64{3} << 6) | (u64{1} << 28);
    if (s1dss == 1) words[1] |= u64{1} << 44;  // SHCFG counts
    return words;
  };
  StructureWords stage2 = stage2_ste;
  stage2[1] |= u64{1} << 28;
  stage2[2] &= ~mask(15, 0);
  const StructureWords cds = cd_table(2, 0xf0f0f0f0f0c0);
  const StructureWords skips = cd_table(1, 0xf0f0f0f0f0c0);
  const StructureWords elsewhere = cd_table(1, 0x4b4b4b4b40);
  struct Expected {
    const StructureWords &from, &to;
    long syncs;
    bool hitless = true;
  };
  const Expected all[] = {
      {bypass_ste, abort_ste, 2},
      {abort_ste, bypass_ste, 2},
      {cds, abort_ste, 2},
      {abort_ste, cds, 2},
      {cds, bypass_ste, 3},
      {bypass_ste, cds, 3},
      {cds, skips, 1},
      {skips, cds, 1},
      {skips, bypass_ste, 2},
      {bypass_ste, skips, 2},
      {stage2, abort_ste, 2},
      {abort_ste, stage2, 2},
      {stage2, bypass_ste, 2},
      {bypass_ste, stage2, 2},
      {cds, stage2, 3},
      {stage2, cds, 3},
      {cds, elsewhere, 3, false},
  };
  for (const Expected& one : all) {
    const auto got = answer(asked(one.from, one.to));
    ASSERT_TRUE(got) << got.error().message;
    const std::string what = fmt::format("{}: {}", &one - all, got->order);
    EXPECT_EQ(got->hitless, one.hitless) << what << got->why;
    const auto syncs = [&](std::size_t at) { return got->order.find("sync", at); };
    long count = 0;
    for (std::size_t at = syncs(0); at != std::string::npos; at = syncs(at + 1)) ++count;
    EXPECT_EQ(count, one.syncs) << what;
  }
}

// ---- against a model ----------------------------------------------------------------------------

/// Fields that this machine has: all but PPAR.
StructureWords used_here(StructureWords words) {
  words = used_part(spec::Ste<u64>{words}).dw;
  words[1] &= ~mask(18, 18);
  return words;
}

using Seen = std::set<StructureWords>;

/// A fetch may meet, of each word, whatever it was since the last sync. `forgets`: but for what was
/// there before the last barrier, as if nothing were cached; wrong on purpose.
class Model {
 public:
  Model(const HitlessQuestion& question, bool forgets) : forgets_(forgets) {
    for (unsigned w = 0; w < 8; ++w) values_[w] = {question.from[w]};
    newest_ = question.from;
  }
  void store(unsigned w, u64 value) {
    values_[w].insert(value);
    newest_[w] = value;
  }
  void settle() {
    for (unsigned w = 0; w < 8; ++w) values_[w] = {newest_[w]};
  }
  void barrier() {
    if (forgets_) settle();
  }
  [[nodiscard]] Seen may_see() const {
    Seen seen;
    StructureWords words{};
    add(0, words, seen);
    return seen;
  }

 private:
  void add(unsigned w, StructureWords& words, Seen& seen) const {
    if (w == 8) {
      seen.insert(used_here(words));
      return;
    }
    for (const u64 value : values_[w]) {
      words[w] = value;
      add(w + 1, words, seen);
    }
  }
  bool forgets_;
  std::array<std::set<u64>, 8> values_;
  StructureWords newest_{};
};

struct RandomOrder {
  HitlessQuestion question;
  std::vector<std::string> steps;
};

StructureWords random_ste(std::mt19937_64& random) {
  const StructureWords* const kinds[] = {&abort_ste, &bypass_ste, &stage1_ste, &stage2_ste};
  StructureWords words = *kinds[random() % 4];
  if (random() % 4 == 0) words[0] |= 0xf;  // both stages
  for (unsigned w = 0; w < 8; ++w) {
    if (random() % 3 == 0) words[w] ^= u64{1} << (random() % 64);
  }
  return words;
}

RandomOrder random_order(u64 seed) {
  std::mt19937_64 random(seed);
  RandomOrder one{asked(random_ste(random), random_ste(random)), {}};
  const u64 count = 1 + random() % 6;
  for (u64 i = 0; i < count; ++i) {
    switch (random() % 4) {
      case 0: one.steps.emplace_back("sync"); break;
      case 1: one.steps.emplace_back("barrier"); break;
      default: one.steps.push_back(fmt::format("{}", random() % 5));
    }
  }
  for (unsigned w = 0; w < 8; ++w) one.steps.push_back(fmt::format("{}", w));
  for (const std::string& step : one.steps) {
    one.question.order += (one.question.order.empty() ? "" : ",") + step;
  }
  return one;
}

/// The steps at which the engine and the model differ.
u64 differences(const RandomOrder& one, bool forgets) {
  const auto got = answer(one.question);
  EXPECT_TRUE(got) << got.error().message;
  if (!got) return 0;
  Model model(one.question, forgets);
  u64 differ = 0;
  for (std::size_t i = 0; i <= one.steps.size(); ++i) {
    if (i != 0 && one.steps[i - 1] == "sync") model.settle();
    if (i != 0 && one.steps[i - 1] == "barrier") model.barrier();
    if (i != 0 && one.steps[i - 1].size() == 1) {
      const auto w = static_cast<unsigned>(one.steps[i - 1][0] - '0');
      model.store(w, one.question.to[w]);
    }
    Seen seen;
    for (const SeenStructure& version : got->steps.at(i).may_see) seen.insert(version.words);
    differ += seen == model.may_see() ? 0 : 1;
  }
  return differ;
}

TEST(Hitless, TheEngineIsTheModel) {
  for (u64 seed = 0; seed < test::cases(300, 5000); ++seed) {
    const RandomOrder one = random_order(seed);
    EXPECT_EQ(differences(one, false), 0U) << seed << ": " << one.question.order;
  }
}

TEST(Hitless, AModelThatCachesNothingIsNoticed) {
  u64 differ = 0;
  for (u64 seed = 0; seed < 100; ++seed) differ += differences(random_order(seed), true);
  EXPECT_GT(differ, 0U);
}

/// What is said to be hitless is; where nothing is said to be, no order is.
TEST(Hitless, APlanKeepsWhatItSays) {
  u64 hitless = 0;
  u64 not_hitless = 0;
  for (u64 seed = 0; seed < test::cases(300, 5000); ++seed) {
    RandomOrder one = random_order(seed);
    const HitlessPlan plan = plan_of(one.question);
    ++(plan.hitless ? hitless : not_hitless);
    if (!plan.hitless) {
      EXPECT_FALSE(answer(one.question)->hitless) << one.question.order;
    }
    one.question.order.clear();
    const auto got = answer(one.question);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(got->hitless, plan.hitless) << seed << ": " << plan.order << ": " << got->why;
    EXPECT_TRUE(got->settled) << seed << ": " << plan.order;
  }
  EXPECT_GT(hitless, 20U);
  EXPECT_GT(not_hitless, 20U);
}

}  // namespace
}  // namespace iommucheck::oracle::hitless_test
