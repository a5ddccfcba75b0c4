// SPDX-License-Identifier: MIT
// The machines that a campaign draws: legal, of many kinds, each told in one line; and what is
// found only on some of them.
#include "check/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "check/alone.h"
#include "check/check.h"
#include "check/machine_plan.h"
#include "report/finding_text.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/id_registers.h"
#include "tests/check/lockstep_support.h"
#include "trace/trace_file.h"

namespace iommucheck::test::machine_test {
namespace {

using oracle::CheckOptions;
using oracle::Machine;
using ::testing::HasSubstr;

Machine machine_of(const std::string& text) {
  auto machine = oracle::parse_machine(text);
  if (!machine) throw std::runtime_error(machine.error().message);
  return std::move(*machine);
}

oracle::CheckResult check(const CheckOptions& options) {
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

TEST(Machine, ItsTextSaysAllOfIt) {
  EXPECT_EQ(oracle::machine_text(oracle::default_machine()), "default");
  for (u64 seed = 0; seed < 300; ++seed) {
    const Machine drawn = oracle::drawn_machine(seed);
    const std::string text = oracle::machine_text(drawn);
    const Machine again = machine_of(text);
    EXPECT_EQ(again.caps, drawn.caps) << text;
    EXPECT_EQ(again.cmdq_log2size, drawn.cmdq_log2size) << text;
    EXPECT_EQ(oracle::machine_text(again), text);
    EXPECT_FALSE(spec::unsupported_feature(drawn.caps)) << text;
    EXPECT_EQ(spec::parse_capabilities(spec::make_id_registers(drawn.caps)), drawn.caps) << text;
  }
}

// A machine's version and features are what one manual allows together.
TEST(Machine, EachIsOneThatTheArchitectureAllows) {
  const auto expect_legal = [](const Machine& machine) {
    for (const auto& one : spec::id_inconsistencies(spec::make_id_registers(machine.caps))) {
      ADD_FAILURE() << oracle::machine_text(machine) << ": " << one.text << " (" << one.section
                    << ")";
    }
  };
  expect_legal(oracle::default_machine());
  for (u64 seed = 0; seed < 2000; ++seed) expect_legal(oracle::drawn_machine(seed));
}

TEST(Machine, AllKindsAreDrawn) {
  std::set<unsigned> oas, cmdqs, eventqs, minor, bbml, httu, sidsize, ssidsize, streams;
  std::set<bool> cohacc, ril, ats, stalls, two_level_cds, two_level_streams, asid16, term;
  u32 highest = 0;
  for (u64 seed = 0; seed < 200; ++seed) {
    const Machine m = oracle::drawn_machine(seed);
    oas.insert(m.caps.oas_lg2);
    cmdqs.insert(m.caps.cmdqs);
    eventqs.insert(m.caps.eventqs);
    minor.insert(m.caps.minor);
    bbml.insert(m.caps.bbml);
    httu.insert(m.caps.httu);
    sidsize.insert(m.caps.sidsize);
    ssidsize.insert(m.caps.ssidsize);
    cohacc.insert(m.caps.cohacc);
    ril.insert(m.caps.ril);
    ats.insert(m.caps.ats);
    stalls.insert(m.caps.stall_model == spec::StallModel::both);
    two_level_cds.insert(m.caps.cd2l);
    two_level_streams.insert(m.caps.two_level_stream_table);
    asid16.insert(m.caps.asid16);
    term.insert(m.caps.term_model);
    for (const auto& device : m.devices) {
      streams.insert(static_cast<unsigned>(device.stream_ids.size()));
      EXPECT_EQ(device.group, spec::sva::DeviceSetup::alone);
      for (const u32 sid : device.stream_ids) highest = std::max(highest, sid);
      EXPECT_TRUE(m.caps.ats || !device.ats);
      EXPECT_TRUE(m.caps.stall_model == spec::StallModel::both || !device.stall);
    }
  }
  EXPECT_EQ(oas.size(), 6U);
  EXPECT_EQ(*cmdqs.begin(), 3U);
  EXPECT_EQ(*eventqs.begin(), 2U);
  EXPECT_EQ(minor.size(), 4U);
  EXPECT_EQ(bbml.size(), 3U);
  EXPECT_EQ(httu.size(), 3U);
  EXPECT_GE(sidsize.size(), 8U);
  EXPECT_GE(ssidsize.size(), 8U);
  EXPECT_EQ(streams.size(), 3U);
  EXPECT_GT(highest, u32{1} << 18);
  for (const auto& both :
       {cohacc, ril, ats, stalls, two_level_cds, two_level_streams, asid16, term}) {
    EXPECT_EQ(both.size(), 2U);
  }
}

/// What a driver can meet of it, told from the machine alone.
std::vector<bool> features_of(const Machine& m) {
  const auto& first = m.devices.front();
  const spec::Capabilities& caps = m.caps;
  const bool few_commands = caps.cmdqs <= 4 || (m.cmdq_log2size != 0 && m.cmdq_log2size <= 4);
  return {!caps.cohacc,
          !caps.ril,
          caps.bbml != 0,
          !caps.cd2l,
          !caps.two_level_stream_table,
          first.ssid_bits > 9,
          !caps.asid16,
          !caps.ats,
          caps.stall_model == spec::StallModel::never,
          few_commands,
          caps.eventqs <= 3,
          caps.oas_lg2 < 44,
          caps.s2p,
          caps.httu != 0,
          caps.term_model,
          m.has_groups(),
          first.stream_ids.size() > 1,
          !m.hooks.mm_alloc || !m.hooks.mm_free,
          m.dirty};
}

/// Pairs of features were luck.
TEST(Machine, EachPairOfFeaturesIsThereAndNotThere) {
  for (u64 seed = 0; seed < 100; ++seed) {
    const auto plan = *oracle::MachinePlan::parse("drawn", seed);
    std::vector<std::vector<bool>> rows;
    for (const Machine& machine : plan.machines()) {
      EXPECT_TRUE(spec::id_inconsistencies(spec::make_id_registers(machine.caps)).empty())
          << oracle::machine_text(machine);
      rows.push_back(features_of(machine));
    }
    const std::size_t count = rows.front().size();
    for (std::size_t a = 0; a < count; ++a) {
      for (std::size_t b = 0; b < a; ++b) {
        std::set<std::pair<bool, bool>> seen;
        for (const auto& row : rows) seen.emplace(row[a], row[b]);
        EXPECT_EQ(seen.size(), 4U) << "features " << a << " and " << b << ", seed " << seed;
      }
    }
    EXPECT_EQ(rows.front(), std::vector<bool>(count, false)) << "the default machine";
  }
}

/// An SMMU that somebody left on is met by those who say that they take one over, or where the run
/// names it.
/// Not only the features: of two each other plan has the values that ask most, on one machine.
TEST(Machine, ValuesThatAskMostMeet) {
  constexpr u64 seeds = 60;
  u64 flags = 0, ranges = 0;
  for (u64 seed = 1; seed <= seeds; ++seed) {
    const auto plan = *oracle::MachinePlan::parse("drawn", seed);
    flags += std::ranges::any_of(plan.machines(), [](const Machine& machine) {
      return machine.caps.bbml == 2 && machine.caps.httu == 2;
    });
    ranges += std::ranges::any_of(plan.machines(), [](const Machine& machine) {
      return !machine.caps.ril && machine.caps.cmdqs == 3;
    });
  }
  EXPECT_GT(flags, seeds / 2);
  EXPECT_GT(ranges, seeds / 2);
}

TEST(Machine, LeftOnForWhomTakesOver) {
  const auto drawn = *oracle::MachinePlan::parse("drawn", 3);
  const auto named = *oracle::MachinePlan::parse("drawn,boot=dirty", 3);
  const auto clean = *oracle::MachinePlan::parse("drawn,boot=clean", 3);
  const auto count = [](const oracle::MachinePlan& plan, bool takes_over) {
    u32 dirty = 0;
    for (u32 i = 0; i < plan.machines().size(); ++i) {
      dirty += plan.met(i, {.takes_over = takes_over}).dirty ? 1 : 0;
    }
    return dirty;
  };
  EXPECT_EQ(count(drawn, false), 0U);
  EXPECT_EQ(count(drawn, true), 4U);
  EXPECT_EQ(count(named, false), 8U);
  EXPECT_EQ(count(clean, true), 0U);
}

TEST(Machine, WhatCannotBeIsRefused) {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "there is no ''"},
      {"drawn", "drawn:SEED"},
      {"drawn:x", "drawn:SEED"},
      {"cohacc=2", "0 to 1"},
      {"oas=33", "one of 32"},
      {"wings=2", "there is no 'wings'"},
      {"devices=1", "SID[+SID]"},
      {"devices=1:30", "SID[+SID]"},
      {"devices=1:3/1:3", "stands twice"},
      {"devices=1:3:fast", "SID[+SID]"},
      {"sidsize=4,devices=100:3", "sidsize"},
      {"ats=0,devices=1:3:ats", "ats=0"},
      {"stall=1,devices=1:3:stall", "stall=1"},
      {"cmdq=99999999999999999999", "0 to 19"},
      {"default,,", "there is no ''"},
      {"minor=2,ril=0", "IDR3.RIL is 1 from SMMUv3.2 on (IHI 0070 6.3.4"},
      {"s2p=1,minor=2,hyp=0", "IDR0.Hyp is 1 from SMMUv3.2 on"},
      {"st2l=0,sidsize=8", "IDR0.ST_LEVEL"},
      {"minor=1,e0pd=1", "IDR3.E0PD"},
  };
  for (const auto& [text, why] : wrong) {
    const auto machine = oracle::parse_machine(text);
    ASSERT_FALSE(machine.has_value()) << text;
    EXPECT_EQ(machine.error().code, ErrorCode::bad_input);
    EXPECT_THAT(machine.error().message, HasSubstr(why)) << text;
  }
  EXPECT_FALSE(oracle::MachinePlan::parse("drawn,oas=33", 1).has_value());
  // Devices that nobody names follow the SMMU.
  EXPECT_FALSE(machine_of("ats=0").devices[1].ats);
}

/// A key may be the end of another one: the SMMU has what devices need unless its own key stands.
TEST(Machine, AKeyIsNamedByAllOfItsName) {
  const Machine wide = machine_of("ssidsize=8,devices=0x10000:8");
  EXPECT_EQ(wide.caps.sidsize, 17U);
  EXPECT_EQ(wide.caps.ssidsize, 8U);
  EXPECT_FALSE(oracle::parse_machine("sidsize=8,devices=0x10000:8").has_value());
}

TEST(Machine, ACampaignTakesThemInTurn) {
  const auto plan = *oracle::MachinePlan::parse("drawn,bbml=1", 5);
  ASSERT_EQ(plan.machines().size(), 8U);
  for (const Machine& machine : plan.machines()) EXPECT_EQ(machine.caps.bbml, 1U);
  const u64 each = oracle::MachinePlan::sequences_each;
  EXPECT_EQ(plan.index_of(0, 0), 0U);
  EXPECT_EQ(plan.index_of(each, 0), 1U);
  EXPECT_EQ(plan.index_of(8 * each, 0), 0U);
  EXPECT_EQ(plan.index_of(each, 0b110), 9U) << "who stands by for a refused one";
  EXPECT_EQ(plan.index_of(7 * each, 0x80), 15U);
  EXPECT_EQ(plan.index_of(each, 0b10 | u64{0b10} << 8), 17U);
  u64 all_of_one = 0;
  for (u32 index = 1; index < plan.count_of_all(); index += 8) all_of_one |= u64{1} << index;
  EXPECT_EQ(plan.index_of(each, all_of_one), 2U) << "its turn is the next one's";
  EXPECT_EQ(plan.index_of(each, all_of_one | 0xff), 8U) << "who stands by for another one";
  u64 refused = 0;
  for (u32 n = 0; n < plan.count_of_all(); ++n) {
    const u32 index = plan.index_of(each, refused);
    EXPECT_FALSE(bit(refused, index)) << "each is asked once, until all have refused";
    refused |= u64{1} << index;
  }
  EXPECT_EQ(oracle::MachinePlan::parse("default", 5)->machines().size(), 1U);
}

/// Whatever the seed is: some mistakes show on such machines alone.
TEST(Machine, OneOfTheDrawnMachinesHasStreamIdsOfMoreThanEightBits) {
  for (u64 seed = 1; seed <= 40; ++seed) {
    bool wide = false;
    const auto plan = oracle::MachinePlan::parse("drawn", seed);
    for (const Machine& machine : plan->machines()) {
      for (const auto& device : machine.devices) {
        wide |= std::ranges::any_of(device.stream_ids, [](u32 sid) { return sid > 0xff; });
      }
    }
    EXPECT_TRUE(wide) << seed;
  }
}

/// What cuts StreamIDs to 16 bits is met in each campaign.
TEST(Machine, OneHasAStreamIdBeyond16Bits) {
  const auto has_one = [](const oracle::MachinePlan& plan) {
    return std::ranges::any_of(plan.machines(), [](const Machine& machine) {
      return std::ranges::any_of(machine.devices, [](const auto& device) {
        return std::ranges::any_of(device.stream_ids, [](u32 sid) { return sid > 0xffff; });
      });
    });
  };
  for (u64 seed = 0; seed < 40; ++seed) {
    EXPECT_TRUE(has_one(*oracle::MachinePlan::parse("drawn", seed))) << seed;
    EXPECT_TRUE(has_one(*oracle::MachinePlan::parse("drawn,sidsize=20", seed))) << seed;
    EXPECT_FALSE(has_one(*oracle::MachinePlan::parse("drawn,sidsize=16", seed))) << seed;
  }
}

/// Who needs much finds it on machines that stand by, each of which the architecture allows.
TEST(Machine, ThoseThatStandByHaveWhatADriverMayNeed) {
  for (u64 seed = 0; seed < 40; ++seed) {
    const auto plan = *oracle::MachinePlan::parse("drawn", seed);
    ASSERT_EQ(plan.count_of_all(), 8U * (1 + oracle::MachinePlan::stand_ins));
    const auto suits = [&](u32 index) {
      const spec::Capabilities caps = plan.met(index, {}).caps;
      return caps.s2p && caps.cohacc && caps.two_level_stream_table && caps.oas_lg2 >= 44 &&
             caps.ats && caps.ril;
    };
    u64 refused = 0;
    std::set<std::string> used;
    for (u32 index = 0; index < plan.count_of_all(); ++index) {
      const Machine machine = plan.met(index, {});
      EXPECT_TRUE(spec::id_inconsistencies(spec::make_id_registers(machine.caps)).empty())
          << oracle::machine_text(machine);
      if (!suits(index)) refused |= u64{1} << index;
    }
    for (u64 turn = 0; turn < 8; ++turn) {
      const u32 index = plan.index_of(turn * oracle::MachinePlan::sequences_each, refused);
      EXPECT_TRUE(suits(index)) << "seed " << seed << ", turn " << turn;
      used.insert(oracle::machine_text(plan.met(index, {})));
    }
    EXPECT_EQ(used.size(), 8U) << "seed " << seed;
  }
}

/// What somebody names is so on each machine; the rest is drawn, and fits.
TEST(Machine, WhatIsFixedLeavesTheRestDrawn) {
  for (const std::string text : {"ril=0,minor=0,bbml=0", "devices=0x8000:8:ats:stall/2:0",
                                 "cohacc=0,asid16=0,cmdqs=3", "st2l=0,devices=1:0:ats"}) {
    const auto plan = oracle::MachinePlan::parse("drawn," + text, 7);
    ASSERT_TRUE(plan.has_value()) << text << ": " << plan.error().message;
    std::set<std::string> kinds;
    for (std::size_t i = 0; i < plan->machines().size(); ++i) {
      const Machine& machine = plan->machines()[i];
      kinds.insert(oracle::machine_text(machine));
      const auto wrong = spec::id_inconsistencies(spec::make_id_registers(machine.caps));
      if (i != 0) {
        EXPECT_TRUE(wrong.empty()) << text << ": " << wrong.front().text;
      }
      Machine same = machine;
      ASSERT_TRUE(oracle::change_machine(same, text).has_value());
      EXPECT_EQ(oracle::machine_text(same), oracle::machine_text(machine)) << text;
    }
    EXPECT_GT(kinds.size(), 5U) << text;
  }
}

/// What a version must have it has, and nothing of later ones, where nobody says otherwise.
TEST(Machine, AVersionHasWhatItMust) {
  for (const char* text : {"minor=0", "minor=1", "minor=2", "minor=3", "s2p=1,minor=2", "st2l=0",
                           "s1p=0,s2p=1,minor=3", "s2p=1,minor=0", "drawn:3,minor=0", "hyp=1"}) {
    const Machine machine = machine_of(text);
    const auto wrong = spec::id_inconsistencies(spec::make_id_registers(machine.caps));
    EXPECT_TRUE(wrong.empty()) << text << ": " << wrong.front().text;
  }
  EXPECT_TRUE(machine_of("s2p=1,minor=2").caps.hyp);
  EXPECT_FALSE(machine_of("minor=0").caps.ril);
}

/// Devices that nobody named have StreamIDs that the SMMU has.
TEST(Machine, ASizeOfStreamIdsThatIsNamedFits) {
  for (const char* text : {"drawn,sidsize=8,minor=3", "drawn,s2p=1,sidsize=8,minor=2",
                           "drawn,sidsize=16,minor=3", "drawn,sidsize=5"}) {
    for (u64 seed = 0; seed < 30; ++seed) {
      const auto plan = oracle::MachinePlan::parse(text, seed);
      ASSERT_TRUE(plan.has_value()) << text << ", seed " << seed << ": " << plan.error().message;
      for (const Machine& machine : plan->machines()) {
        for (const auto& device : machine.devices) {
          for (const u32 sid : device.stream_ids) EXPECT_EQ(sid >> machine.caps.sidsize, 0U);
        }
      }
    }
  }
}

/// A driver that is for few machines meets what leaves an SMMU poorer on some of those.
TEST(Machine, ThoseThatStandByHaveWhatIsPoorerToo) {
  u32 incoherent = 0;
  u32 small_queue = 0;
  for (u64 seed = 0; seed < 10; ++seed) {
    const auto plan = *oracle::MachinePlan::parse("drawn", seed);
    bool any_incoherent = false;
    bool any_small = false;
    for (u32 index = 8; index < plan.count_of_all() - 8; ++index) {
      const Machine machine = plan.met(index, {});
      any_incoherent |= !machine.caps.cohacc && machine.caps.ats && machine.caps.s2p;
      any_small |= std::min(machine.caps.cmdqs, 4U) == machine.caps.cmdqs;
    }
    incoherent += any_incoherent ? 1 : 0;
    small_queue += any_small ? 1 : 0;
  }
  EXPECT_GE(incoherent, 8U);
  EXPECT_GE(small_queue, 8U);
}

/// What cuts addresses short is seen: of machines with the room some have table memory far up, and
/// none has it where callers' memory is.
TEST(Machine, TableMemoryIsLowOrHigh) {
  EXPECT_TRUE(machine_of("memory=high").high_memory);
  EXPECT_FALSE(machine_of("memory=high,memory=low").high_memory);
  EXPECT_FALSE(oracle::parse_machine("memory=high,oas=32").has_value());
  EXPECT_FALSE(oracle::parse_machine("memory=there").has_value());
  constexpr u64 gib = u64{1} << 30;
  u32 high = 0;
  u32 low = 0;
  for (u64 seed = 0; seed < 20; ++seed) {
    for (const Machine& machine : oracle::MachinePlan::parse("drawn", seed)->machines()) {
      const unsigned bits = machine.caps.oas_lg2;
      const u64 base = oracle::table_memory(machine);
      EXPECT_LT(base + gib, u64{1} << bits) << oracle::machine_text(machine);
      if (bits > 32) ++(machine.high_memory ? high : low);
      if (!machine.high_memory) {
        EXPECT_EQ(base, 2 * gib);
        continue;
      }
      EXPECT_EQ(base >> (bits - 2), 3U);
      const auto callers = oracle::callers_memory(machine.caps.oas_lg2);
      EXPECT_GE(base, callers.base + u64{2} * callers.regions * gib);
    }
  }
  EXPECT_GT(high, 40U);
  EXPECT_GT(low, 40U);
  EXPECT_FALSE(oracle::drawn_machine(1).high_memory && oracle::drawn_machine(1).caps.oas_lg2 == 32);
}

/// What a firmware or a kernel before kexec leaves.
TEST(Machine, ADirtyBootIsMet) {
  EXPECT_TRUE(machine_of("boot=dirty").dirty);
  EXPECT_FALSE(machine_of("boot=dirty,boot=clean").dirty);
  EXPECT_FALSE(oracle::parse_machine("boot=fresh").has_value());
  for (const Machine& machine : oracle::MachinePlan::parse("drawn,boot=dirty", 1)->machines()) {
    EXPECT_TRUE(machine.dirty) << oracle::machine_text(machine);
  }
  CheckOptions options;
  for (const std::string machine : {"boot=dirty", "boot=dirty,cohacc=0,ats=0,st2l=0,sidsize=6"}) {
    options.machine = machine;
    options.sequences = 200;
    const auto result = check(options);
    EXPECT_TRUE(result.findings.empty()) << headline(result.findings.front());
    EXPECT_EQ(result.sequences, 200U);
  }
  // A driver that takes it to be off is found there, and nowhere else.
  options.driver = museum("queue_on_while_moved");
  options.sequences = 50;
  options.machine = "boot=dirty";
  const auto found = check(options);
  ASSERT_EQ(found.findings.size(), 1U);
  EXPECT_EQ(found.findings.front().rule, spec::rule::REGISTER_GUARDED);
  options.machine = "default";
  EXPECT_TRUE(check(options).findings.empty());
}

TEST(Machine, TheBuiltinDriverHoldsOnEach) {
  for (u64 seed = 0; seed < 24; ++seed) {
    CheckOptions options;
    options.machine = "drawn:" + std::to_string(seed);
    options.seed = seed;
    options.sequences = 150;
    const auto result = check(options);
    EXPECT_TRUE(result.findings.empty()) << oracle::machine_text(oracle::drawn_machine(seed))
                                         << ": " << spec::rule_name(result.findings.front().rule)
                                         << " " << headline(result.findings.front());
    EXPECT_EQ(result.sequences, 150U);
  }
}

TEST(Machine, TheBuiltinDriverHoldsWithGroups) {
  CheckOptions options;
  options.machine = "devices=1:0:group=1/2+3:5:ats:group=1/4:3:stall/9:8:group=7";
  options.sequences = 300;
  const auto result = check(options);
  EXPECT_TRUE(result.findings.empty()) << headline(result.findings.front());
  EXPECT_EQ(result.sequences, 300U);
}

/// The example says ENODEV where fetches are not coherent: there it is not run, and that is told.
TEST(Machine, ADriverMayRefuseOne) {
  CheckOptions options;
  options.driver = example("simple_driver");
  options.machine = "drawn";
  options.sequences = 8 * oracle::MachinePlan::sequences_each;
  options.seed = 3;
  const auto result = check(options);
  EXPECT_TRUE(result.findings.empty()) << headline(result.findings.front());
  EXPECT_EQ(result.sequences, options.sequences);
  ASSERT_EQ(result.machines.size(), 8U);
  u64 refused = 0;
  for (const auto& machine : result.machines) {
    EXPECT_TRUE(machine_of(machine.text).caps.cohacc || machine.refused) << machine.text;
    refused += machine.refused ? 1 : 0;
    EXPECT_EQ(machine.instead.empty(), !machine.refused) << "another one stands by";
    if (machine.refused) {
      EXPECT_TRUE(machine_of(machine.instead).caps.cohacc);
    }
  }
  EXPECT_GT(refused, 0U);
  EXPECT_THAT(result.not_met, testing::Contains("COHACC = 0"));
  EXPECT_THAT(result.not_met, testing::Not(testing::Contains("COHACC = 1")));
  options.machine = "cohacc=0";
  const auto alone = oracle::run_check(options);
  ASSERT_FALSE(alone.has_value());
  EXPECT_EQ(alone.error().code, ErrorCode::bad_input);
}

TEST(Machine, TheTraceOfAFindingCarriesIt) {
  const std::string folder = (std::filesystem::temp_directory_path() /
                              ("iommucheck-machine-" + std::to_string(::getpid())))
                                 .string();
  CheckOptions options;
  options.driver = museum("unmap_no_tlbi");
  options.machine = "cohacc=0,oas=36,asid16=0,devices=0x33333:0";
  const auto refused = oracle::run_check(options);
  EXPECT_FALSE(refused.has_value()) << "0x33333 has more than 16 bits";
  options.machine = "cohacc=0,oas=36,asid16=0,sidsize=20,devices=0x33333:0";
  options.sequences = 2000;
  options.out_directory = folder;
  const auto result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  const auto& found = result.findings.front();
  EXPECT_EQ(found.machine, "cohacc=0,asid16=0,sidsize=20,oas=36,devices=0x33333:0");
  const auto trace = trace::read_trace(found.trace_path);
  ASSERT_TRUE(trace.has_value());
  EXPECT_EQ(trace->header.about->at("machine"), found.machine);
  const auto again = oracle::run_cases_of(found.trace_path, options);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  ASSERT_TRUE(again->end.broken.has_value());
  EXPECT_EQ(again->end.broken->rule, found.rule);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace iommucheck::test::machine_test
