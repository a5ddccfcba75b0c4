// SPDX-License-Identifier: MIT
// Event records and the accesses that they are of: records that are lost, doubled, merged or wrong
// in a field are found as that and as nothing else.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/bits.h"
#include "conform/case.h"
#include "conform/conform.h"
#include "conform/judge_case.h"
#include "conform/runner.h"
#include "monitor/assignment.h"
#include "spec/rules/records.h"
#include "tests/cases.h"
#include "tests/conform/run_options.h"
#include "tests/monitor/record_twin_support.h"

namespace iommucheck::oracle::conform_records_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;
using Records = std::vector<trace::EventRecord>;

ConformOptions some(u64 cases, u64 seed) { return options_of(seed, cases); }

std::string words(const std::vector<Divergence>& found) {
  std::string text;
  for (const Divergence& one : found) {
    text +=
        std::string(spec::rule_name(one.rule)) + ": " + one.called + " (" + one.statement + ")\n";
  }
  return text;
}

std::vector<Divergence> divergences(const ConformResult& result) {
  std::vector<Divergence> found;
  for (const FoundDivergence& one : result.divergences) found.push_back(one.divergence);
  return found;
}

// ---- the assignment -----------------------------------------------------------------------------

/// The least sum, by trying all.
std::int64_t least_of_all(const CostTable& costs, const std::vector<std::int64_t>& alone,
                          std::size_t row, std::vector<bool>& taken) {
  if (row == costs.size()) return 0;
  std::int64_t least = alone[row] + least_of_all(costs, alone, row + 1, taken);
  for (std::size_t column = 0; column < taken.size(); ++column) {
    if (taken[column]) continue;
    taken[column] = true;
    least = std::min(least, costs[row][column] + least_of_all(costs, alone, row + 1, taken));
    taken[column] = false;
  }
  return least;
}

TEST(Assignment, IsTheCheapestOfAll) {
  std::mt19937_64 random(5);
  for (unsigned round = 0; round < 300; ++round) {
    const std::size_t rows = 1 + random() % 5;
    const std::size_t columns = 1 + random() % 5;
    std::vector<std::int64_t> alone(rows);
    for (auto& cost : alone) cost = static_cast<std::int64_t>(random() % 40);
    CostTable costs(rows, std::vector<std::int64_t>(columns));
    for (auto& row : costs) {
      for (auto& cost : row) {
        cost = random() % 6 == 0 ? forbidden_pair : static_cast<std::int64_t>(random() % 50);
      }
    }
    const auto assigned = least_cost_assignment(costs, alone);
    std::int64_t sum = 0;
    std::vector<bool> taken(columns, false);
    for (std::size_t i = 0; i < rows; ++i) {
      sum += assigned[i] ? costs[i][*assigned[i]] : alone[i];
      if (!assigned[i]) continue;
      EXPECT_FALSE(taken[*assigned[i]]);
      taken[*assigned[i]] = true;
    }
    std::vector<bool> none(columns, false);
    EXPECT_EQ(sum, least_of_all(costs, alone, 0, none));
  }
}

// ---- wrong in one field ------------------------------------------------------------------------

struct Field {
  const char* name;
  unsigned word;
  u64 flipped;
};

class RecordField : public testing::TestWithParam<Field> {};

/// Each record has the field wrong: that field is named, and nothing else is wrong with the device.
TEST_P(RecordField, IsNamedAndPoisonsNothing) {
  const Field field = GetParam();
  RecordTwin device(3, [&](trace::EventRecord record) {
    record[field.word] ^= field.flipped;
    return Records{record};
  });
  const auto result = run_conform(device, some(test::cases(20, 150), 11));
  ASSERT_TRUE(result) << result.error().message;
  const std::vector<Divergence> found = divergences(*result);
  const auto named = [&](const Divergence& one) {
    return one.called == "F_TRANSLATION." + std::string(field.name);
  };
  EXPECT_TRUE(std::ranges::any_of(found, named)) << words(found);
  for (const Divergence& one : found) {
    EXPECT_EQ(one.rule, rule::EVENT_RECORD) << words(found);
    const bool its = one.called.ends_with("." + std::string(field.name)) ||
                     one.called.ends_with(".a reserved bit");
    EXPECT_TRUE(its) << one.called;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, RecordField,
    testing::ValuesIn(test::part_in_this_run(
        std::vector{Field{"SSV", 0, u64{1} << 11},
                    Field{"SID", 0, u64{8} << 32},  // another engine's
                    Field{"Stall", 1, u64{1} << 31}, Field{"PnU", 1, u64{1} << 33},
                    Field{"InD", 1, u64{1} << 34}, Field{"RnW", 1, u64{1} << 35},
                    Field{"S2", 1, u64{1} << 39}, Field{"CLASS", 1, u64{2} << 40},
                    Field{"InputAddr", 2, u64{1} << 12}, Field{"a reserved bit", 1, u64{1} << 60}},
        2)),
    [](const testing::TestParamInfo<Field>& field) {
      std::string name = field.param.name;
      std::erase(name, ' ');
      return name;
    });

/// RnW, PnU, InD, S2 and CLASS of another word: wrong in every record, right now and then by
/// chance.
TEST(ConformRecords, FieldsInAnotherPlacePoisonNothing) {
  for (const u64 seed : {1U, 2U}) {
    RecordTwin device(seed, [](trace::EventRecord record) {
      record[1] = (record[1] & mask(31, 0)) | (record[1] >> 32);
      return Records{record};
    });
    const auto result = run_conform(device, some(test::cases(150, 600), seed));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_FALSE(result->held());
    for (const Divergence& one : divergences(*result)) {
      EXPECT_EQ(one.rule, rule::EVENT_RECORD) << one.called << ": " << one.statement;
    }
  }
}

/// All wrong fields of a record and its 32 bytes; each field is a finding of its own.
TEST(ConformRecords, AllWrongFieldsAreListedWithTheBytes) {
  RecordTwin device(3, [](trace::EventRecord record) {
    record[1] ^= u64{3} << 40 | u64{1} << 35;
    record[2] ^= 0x1000;
    return Records{record};
  });
  CaseBuilder b(device.identity(), "several fields");
  b.translate(0, b.root(spec::Granule::g4k, 25));
  b.access(0x2000);
  b.poll();
  auto run = run_case(device, b.take());
  ASSERT_TRUE(run);
  CaseJudge judge(device.identity());
  const std::vector<Divergence> found = judge.judge(run->trace);
  std::vector<std::string> kinds;
  for (const Divergence& one : found) {
    kinds.push_back(one.called);
    for (const char* part : {"RnW is 0x0, expected 0x1", "CLASS is 0x1, expected 0x2",
                             "InputAddr is 0x3000, expected 0x2000", "[0x000000104000a010 0x"}) {
      EXPECT_NE(one.statement.find(part), std::string::npos) << one.statement;
    }
  }
  EXPECT_EQ(kinds, (std::vector<std::string>{"F_TRANSLATION.RnW", "F_TRANSLATION.CLASS",
                                             "F_TRANSLATION.InputAddr"}));
}

// ---- lost, doubled, merged ----------------------------------------------------------------------

void expect_only(const ConformResult& result, std::initializer_list<Rule> rules) {
  const std::vector<Divergence> found = divergences(result);
  EXPECT_FALSE(found.empty());
  for (const Divergence& one : found) {
    EXPECT_NE(std::ranges::find(rules, one.rule), rules.end()) << words(found);
  }
  EXPECT_TRUE(std::ranges::any_of(
      found, [&](const Divergence& one) { return one.rule == *rules.begin(); }));
}

TEST(ConformRecords, ALostRecordIsFound) {
  unsigned count = 0;
  RecordTwin device(4, [&](const trace::EventRecord& record) {
    return ++count % 3 == 0 ? Records{} : Records{record};
  });
  const auto result = run_conform(device, some(100, 5));
  ASSERT_TRUE(result) << result.error().message;
  // An access that should have passed and has no record cannot be told from this device.
  expect_only(*result, {rule::EVENT_LOST, rule::EVENT_OVERFLOW});
}

TEST(ConformRecords, ADoubledRecordIsFound) {
  unsigned count = 0;
  RecordTwin device(4, [&](const trace::EventRecord& record) {
    const bool twice = record[2] != 0 && ++count % 3 == 0;
    return twice ? Records{record, record} : Records{record};
  });
  const auto result = run_conform(device, some(100, 5));
  ASSERT_TRUE(result) << result.error().message;
  // The second one may stand where a later access of the stream has none that fits better, so that
  // others are named besides; what is surely said is that there is one too many.
  EXPECT_TRUE(std::ranges::any_of(
      divergences(*result), [](const Divergence& one) { return one.rule == rule::EVENT_ONCE; }));
}

/// Where identical events before an STE may be merged, nobody can say how many records meet a full
/// queue. Once it was seen drained and acknowledged, everybody can.
TEST(ConformRecords, AfterAnOverflowALostRecordIsFoundAgain) {
  for (const bool loses : {false, true}) {
    RecordTwin device(1, [&](const trace::EventRecord& record) {
      return loses && record[2] == 0x5000 ? Records{} : Records{record};
    });
    CaseBuilder b(device.identity(), "overflow, then a lost record", {.eventq_lg2 = 1});
    spec::Ste<u64> bad;
    bad.dw[0] = 1 | u64{6} << 1;  // V, and a stage 2 that is not there
    b.ste(1, bad);
    b.translate(0, b.root(spec::Granule::g4k, 25));
    for (unsigned i = 0; i < 5; ++i) b.access(0x1000, false, 1);
    b.poll();
    b.poll();
    b.poll();
    b.access(0x5000);
    for (unsigned i = 0; i < 3; ++i) b.poll();
    auto run = run_case(device, b.take());
    ASSERT_TRUE(run);
    CaseJudge judge(device.identity());
    const std::vector<Divergence> found = judge.judge(run->trace);
    ASSERT_EQ(found.size(), loses ? 1U : 0U) << words(found);
    if (loses) {
      EXPECT_EQ(found[0].rule, rule::EVENT_LOST);
    }
  }
}

/// IHI 0070 7.3.1, 7.3.13: STE.MEV = 1 lets one record stand for faults that differ in
/// InputAddr[11:0] only; MEV = 0 does not.
TEST(ConformRecords, OneRecordMayStandForAPageWhereTheSteMergesEvents) {
  struct Asked {
    bool mev;
    u64 second;
    bool lost;
  };
  for (const Asked asked :
       {Asked{true, 0x1ffc, false}, Asked{true, 0x2000, true}, Asked{false, 0x1ffc, true}}) {
    unsigned count = 0;
    RecordTwin device(1, [&](const trace::EventRecord& record) {
      return ++count == 1 ? Records{record} : Records{};
    });
    CaseBuilder b(device.identity(), "merged");
    const u64 root = b.root(spec::Granule::g4k, 25);
    b.cd(0, b.plain_cd(root));
    spec::Ste<u64> ste = b.stage1_ste(0);
    ste.dw[1] = with_bits(ste.dw[1], 19, 19, asked.mev ? 1 : 0);
    b.ste(0, ste);
    b.enable();
    b.access(0x1000);
    b.access(asked.second);
    auto run = run_case(device, b.take());
    ASSERT_TRUE(run);
    CaseJudge judge(device.identity());
    const std::vector<Divergence> found = judge.judge(run->trace);
    ASSERT_EQ(found.size(), asked.lost ? 1U : 0U) << words(found);
    if (asked.lost) {
      EXPECT_EQ(found[0].rule, rule::EVENT_LOST);
    }
  }
}

/// The last place of the queue is room, too: the record that takes it may not be lost.
TEST(ConformRecords, TheLastPlaceOfTheQueueIsRoom) {
  for (const u64 lost : {0x1000U, 0x2000U}) {
    RecordTwin device(1, [&](const trace::EventRecord& record) {
      return record[2] == lost ? Records{} : Records{record};
    });
    CaseBuilder b(device.identity(), "full", {.eventq_lg2 = 1});
    b.translate(0, b.root(spec::Granule::g4k, 25));
    b.access(0x1000);
    b.access(0x2000);
    auto run = run_case(device, b.take());
    ASSERT_TRUE(run);
    CaseJudge judge(device.identity());
    const std::vector<Divergence> found = judge.judge(run->trace);
    ASSERT_EQ(found.size(), 1U) << words(found);
    EXPECT_EQ(found[0].rule, rule::EVENT_LOST);
  }
}

class MovesData final : public SpecDevice {
 public:
  using SpecDevice::SpecDevice;
  [[nodiscard]] const DeviceIdentity& identity() const override {
    identity_ = SpecDevice::identity();
    identity_.every_pa = false;
    return identity_;
  }

 private:
  mutable DeviceIdentity identity_;
};

/// What an engine that bypasses writes is there when a record, a table or a command is read: where
/// those are it reads instead, if its device moves data.
TEST(ConformRecords, NoEngineWritesOverThem) {
  SpecDevice names_places(1);
  MovesData moves_data(1);
  const DeviceIdentity& identity = names_places.identity();
  for (DeviceUnderTest* device :
       {static_cast<DeviceUnderTest*>(&names_places), static_cast<DeviceUnderTest*>(&moves_data)}) {
    CaseBuilder builder(device->identity(), "engines that write");
    builder.access(identity.structures_pa + identity.structures_bytes - 4, true);
    builder.access(identity.structures_pa + identity.structures_bytes, true);
    builder.access(identity.structures_pa - 4, true);
    const auto run = run_case(*device, builder.take());
    ASSERT_TRUE(run) << run.error().message;
    std::vector<trace::Direction> directions;
    for (const trace::Event& event : run->trace.events) {
      if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
        directions.push_back(dma->direction.value_or(trace::Direction::execute));
      }
    }
    using enum trace::Direction;
    EXPECT_EQ(directions, (std::vector{device == &names_places ? write : read, write, write}));
  }
}

}  // namespace
}  // namespace iommucheck::oracle::conform_records_test
