// SPDX-License-Identifier: MIT
// The judge of devices: the specification as a device passes; each device that is broken in one way
// is found, by the name of the rule that it breaks.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <set>

#include "conform/case.h"
#include "conform/cases/directed.h"
#include "conform/conform.h"
#include "conform/judge_case.h"
#include "conform/runner.h"
#include "monitor/trace_judge.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/id_registers.h"
#include "tests/cases.h"
#include "tests/conform/conform_support.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"
#include "tests/document.h"
#include "tests/own_path.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::conform_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

ConformOptions some(u64 cases, u64 seed = 7) { return options_of(seed, cases); }

RuleVerdict verdict(const ConformResult& result, Rule rule) {
  for (const RuleCount& count : result.rules) {
    if (count.rule == rule) return count.verdict;
  }
  return RuleVerdict::undetermined;
}

TEST(Conform, TheSpecificationAsADevicePasses) {
  for (const u64 seed : {1U, 4U}) {
    SpecDevice device(seed);
    const u64 random = test::cases(80, 600);
    const auto result = run_conform(device, some(random, seed));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << words(*result);
    EXPECT_EQ(result->random, random);
    EXPECT_GT(result->stale_allowed, 20U);  // it does use what it may still have cached
    EXPECT_EQ(result->deaths, 0U);
    EXPECT_EQ(result->undetermined, 0U);  // it says where each access went
    for (const Rule rule : {rule::TLBI_TAGS,
                            rule::TLBI_RANGE,
                            rule::CFGI_SCOPE,
                            rule::S1_PERMISSION,
                            rule::S1_ACCESS_FLAG,
                            rule::S1_DESCRIPTOR_VALID,
                            rule::TRANSLATION_RESULT,
                            rule::CD_TSZ,
                            rule::STE_VALID,
                            rule::STE_ABORT,
                            rule::STE_BYPASS,
                            rule::EVENT_RECORD,
                            rule::EVENT_OVERFLOW,
                            rule::DISABLED_PASSES,
                            rule::CMD_OPCODE,
                            rule::COMMAND_ERROR_STOPS,
                            rule::STREAM_TABLE_FORMAT,
                            rule::L1STD_SPAN,
                            rule::ID_REGISTERS,
                            rule::STE_FETCH,
                            rule::CD_FETCH,
                            rule::S1_WALK_FETCH,
                            rule::SSID_NOT_ALLOWED,
                            rule::SSID_RANGE,
                            rule::SSID_ZERO_RESERVED,
                            rule::SSID_REQUIRED,
                            rule::L1CD_VALID,
                            rule::L1CD_L2PTR,
                            rule::S1_BYPASS_SIZE}) {
      EXPECT_EQ(verdict(*result, rule), RuleVerdict::holds) << spec::rule_name(rule);
    }
    EXPECT_EQ(verdict(*result, rule::STE_S2TG), RuleVerdict::not_claimed);
  }
}

/// The tester stores around the CPUs' caches: that the SMMU does not look into them changes
/// nothing.
TEST(Conform, ADeviceThatIsNotCoherentIsJudgedAsAnyOther) {
  std::vector<u64> rules;
  for (const bool coherent : {true, false}) {
    spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
    caps.cohacc = coherent;
    SpecDevice device(5, spec::make_id_registers(caps));
    const auto result = run_conform(device, some(40));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << coherent;
    const auto holds = [](const RuleCount& c) { return c.verdict == RuleVerdict::holds; };
    rules.push_back(static_cast<u64>(std::ranges::count_if(result->rules, holds)));
  }
  EXPECT_EQ(rules.front(), rules.back());
}

/// The tables of each case are big-endian where nothing else is legal, and say so in CD and STE:
/// what is asked of others is asked of such a device.
TEST(Conform, ADeviceOfBigEndianTablesIsAskedAsAnyOther) {
  std::vector<u64> rules;
  for (const unsigned endian : {2U, 3U}) {
    spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
    caps.s2p = caps.xnx = true;
    caps.ttendian = endian;
    SpecDevice device(5, spec::make_id_registers(caps));
    const auto result = run_conform(device, some(40));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << words(*result);
    for (const Rule rule : {rule::TRANSLATION_RESULT, rule::S1_PERMISSION, rule::S1_ACCESS_FLAG,
                            rule::S2_PERMISSION}) {
      EXPECT_EQ(verdict(*result, rule), RuleVerdict::holds) << spec::rule_name(rule);
    }
    const auto holds = [](const RuleCount& c) { return c.verdict == RuleVerdict::holds; };
    rules.push_back(static_cast<u64>(std::ranges::count_if(result->rules, holds)));
  }
  // Of words that are read in the wrong order a few rules have no case.
  EXPECT_LE(rules.front(), rules.back() + 5);
}

TEST(Conform, MachinesThatAreDrawnAreAllowed) {
  bool table_flags = false, big_endian = false, wide = false, forced = false, wildcards = false;
  for (u64 seed = 1; seed <= 400; ++seed) {
    EXPECT_TRUE(spec::id_inconsistencies(drawn_spec_device_id(seed)).empty()) << seed;
    const spec::Capabilities caps = spec::parse_capabilities(drawn_spec_device_id(seed));
    table_flags |= caps.httu == 3;
    big_endian |= caps.ttendian == 3;
    wide |= caps.oas_lg2 == 52 && caps.vax != 0;
    forced |= caps.stall_model == spec::StallModel::always;
    wildcards |= caps.vmw && caps.hyp && caps.msi && caps.attr_types_ovr;
  }
  EXPECT_TRUE(table_flags && big_endian && wide && forced && wildcards);
}

/// Queues of a few entries, 8-bit ASIDs, StreamIDs of 32 bits, granules of any size, one
/// SubstreamID bit or none: a device that is right holds, and is judged.
TEST(Conform, MachinesThatAreDrawnHold) {
  bool small_queue = false, large_granule = false, one_substream_bit = false;
  u64 number = 0;
  for (const u64 seed : {6U, 7U, 26U, 31U, 38U, 39U}) {
    const spec::IdRegisters id = drawn_spec_device_id(seed);
    const spec::Capabilities caps = spec::parse_capabilities(id);
    small_queue |= caps.eventqs < 5;
    large_granule |= caps.gran16k || caps.gran64k;
    one_substream_bit |= caps.ssidsize == 1;
    if (!test::in_this_run(number++, 2)) continue;
    SpecDevice device(seed, id);
    const auto result = run_conform(device, some(20));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << seed << words(*result);
    const auto holds = [](const RuleCount& c) { return c.verdict == RuleVerdict::holds; };
    EXPECT_GT(std::ranges::count_if(result->rules, holds), 44) << seed;
    EXPECT_EQ(verdict(*result, rule::TRANSLATION_RESULT), RuleVerdict::holds) << seed;
  }
  EXPECT_TRUE(small_queue && large_granule && one_substream_bit);
}

/// Members answer each for all, and differ: what that costs is no table that leads to itself.
TEST(Conform, ContiguousGroupsThatDisagreeReachNoBound) {
  constexpr u64 seed = 50024;
  SpecDevice device(seed, drawn_spec_device_id(seed));
  ConformOptions options = options_of(seed, 1);
  options.one_case = 75;
  const auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->gave_up, 0U) << result->bound_at;
  EXPECT_EQ(result->random, 1U);
  EXPECT_TRUE(result->divergences.empty()) << words(*result);
}

/// With messages and without, each interrupt has its cause and each cause its interrupt.
TEST(Conform, InterruptsOfTheSpecificationHold) {
  for (const bool msi : {false, true}) {
    spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
    caps.msi = msi;
    SpecDevice device(6, spec::make_id_registers(caps));
    const auto result = run_conform(device, some(200));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->held()) << words(*result);
    EXPECT_EQ(verdict(*result, rule::INTERRUPT_SENT), RuleVerdict::holds);
    EXPECT_EQ(verdict(*result, rule::INTERRUPT_CAUSE), RuleVerdict::holds);
  }
}

struct Twin {
  Fault fault;
  Rule rule;
  /// The directed cases that find it; empty: the whole suite and random cases, as a user has it.
  std::string only = {};
  u64 seed = 3;  ///< of the device, which uses what it may still have where that says so
};

class ConformTwin : public testing::TestWithParam<Twin> {};

TEST_P(ConformTwin, IsFoundByItsRule) {
  BrokenDevice device(GetParam().fault, GetParam().seed);
  ConformOptions options = some(60);
  options.only = GetParam().only;
  const auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->held());
  const auto its = [](const FoundDivergence& found) {
    return found.divergence.rule == GetParam().rule;
  };
  EXPECT_TRUE(std::ranges::any_of(result->divergences, its))
      << "expected " << spec::rule_name(GetParam().rule) << ", found:\n"
      << words(*result);
  EXPECT_EQ(verdict(*result, GetParam().rule), RuleVerdict::broken);
}

INSTANTIATE_TEST_SUITE_P(
    All, ConformTwin,
    testing::Values(Twin{Fault::forgets_tlbi, rule::TLBI_TAGS},
                    Twin{Fault::forgets_range, rule::TLBI_RANGE, "sequence: a range*"},
                    Twin{Fault::ignores_cfgi, rule::CFGI_SCOPE, "sequence: an STE*"},
                    Twin{Fault::ignores_permission, rule::S1_PERMISSION, "walk:*"},
                    Twin{Fault::wrong_event_type, rule::S1_DESCRIPTOR_VALID, "ste:*"},
                    Twin{Fault::wrong_event_address, rule::EVENT_RECORD, "ste:*"},
                    Twin{Fault::loses_events, rule::EVENT_LOST, "ste:*"},
                    Twin{Fault::repeats_events, rule::EVENT_ONCE, "disabled:*"},
                    Twin{Fault::sync_is_early, rule::TLBI_TAGS, "sequence: a leaf*"},
                    Twin{Fault::wrong_cons, rule::REGISTER_READ, "stream table:*"},
                    Twin{Fault::stuck_cons, rule::REGISTER_PROGRESS, "ste:*"},
                    Twin{Fault::takes_illegal, rule::CMD_NOT_IMPLEMENTED, "command:*"},
                    Twin{Fault::refuses_legal, rule::COMMAND_LEGAL, "command:*"},
                    Twin{Fault::claims_16k, rule::TRANSLATION_RESULT, "walk:*"},
                    Twin{Fault::claims_version, rule::ID_REGISTERS, "registers:*"},
                    Twin{Fault::idr_writable, rule::REGISTER_READ, "registers:*"},
                    Twin{Fault::wrong_address, rule::TRANSLATION_RESULT, "ste:*"},
                    Twin{Fault::ignores_disable, rule::DISABLED_PASSES, "disabled:*"},
                    Twin{Fault::never_acknowledges, rule::REGISTER_PROGRESS, "ste:*"},
                    Twin{Fault::waits_for_prod, rule::REGISTER_PROGRESS, "command queue:*"},
                    Twin{Fault::loses_upper_half, rule::REGISTER_READ, "registers:*"},
                    Twin{Fault::spills_half, rule::REGISTER_READ, "registers:*"},
                    Twin{Fault::reads_halves_as_0, rule::REGISTER_READ, "registers:*"},
                    Twin{Fault::loses_hint, rule::REGISTER_READ, "registers:*"},
                    Twin{Fault::aborts_as_zero, rule::STE_FETCH, "external abort:*"},
                    Twin{Fault::aborts_as_zero, rule::CD_FETCH, "external abort:*"},
                    Twin{Fault::aborts_as_zero, rule::S1_WALK_FETCH, "external abort:*"},
                    Twin{Fault::wrong_fetch_address, rule::EVENT_RECORD, "external abort:*"},
                    Twin{Fault::no_substream_zero, rule::SSID_ZERO_RESERVED, "substreams:*"},
                    Twin{Fault::no_substream_range, rule::SSID_RANGE, "substreams:*"},
                    Twin{Fault::drops_substream, rule::TRANSLATION_RESULT, "substreams:*"},
                    Twin{Fault::sends_message, rule::DEVICE_OUTCOME, "interrupts:*"},
                    Twin{Fault::writes_structure, rule::DEVICE_OUTCOME, "ste:*"},
                    Twin{Fault::clears_commands, rule::DEVICE_OUTCOME, "ste:*"},
                    Twin{Fault::aborts_commands, rule::COMMAND_LEGAL, "command:*"},
                    Twin{Fault::passes_beyond_oas, rule::DISABLED_PASSES, "disabled:*"},
                    Twin{Fault::takes_guarded_cr2, rule::REGISTER_READ, "registers:*"},
                    Twin{Fault::dies, rule::DEVICE_SURVIVES},
                    Twin{Fault::dies_when_short, rule::DEVICE_SURVIVES, "ste: MEV*"},
                    Twin{Fault::ignores_privilege, rule::S1_PERMISSION, "attributes:*"},
                    Twin{Fault::ignores_instruction, rule::S1_PERMISSION, "attributes:*"},
                    Twin{Fault::no_event_interrupt, rule::INTERRUPT_SENT, "interrupts:*"},
                    Twin{Fault::one_event_interrupt, rule::INTERRUPT_SENT, "interrupts:*"},
                    Twin{Fault::no_error_interrupt, rule::INTERRUPT_SENT, "interrupts:*"},
                    Twin{Fault::no_sync_interrupt, rule::INTERRUPT_SENT, "command:*"},
                    Twin{Fault::sync_always_interrupts, rule::INTERRUPT_CAUSE, "stream table:*"},
                    Twin{Fault::error_interrupts_twice, rule::INTERRUPT_CAUSE, "interrupts:*"},
                    Twin{Fault::interrupts_when_disabled, rule::INTERRUPT_CAUSE, "ste:*"},
                    Twin{Fault::early_interrupt, rule::INTERRUPT_CAUSE, "interrupts:*"},
                    Twin{Fault::pri_interrupt, rule::INTERRUPT_CAUSE, "ste:*"},
                    Twin{Fault::loses_message, rule::INTERRUPT_SENT, "interrupts:*"},
                    Twin{Fault::wrong_message, rule::INTERRUPT_SENT, "interrupts:*"},
                    Twin{Fault::message_when_disabled, rule::DEVICE_OUTCOME, "interrupts:*"},
                    Twin{Fault::changes_record, rule::DEVICE_OUTCOME, "ste:*"},
                    Twin{Fault::writes_next_record, rule::DEVICE_OUTCOME, "ste:*"},
                    Twin{Fault::ignores_span, rule::L1STD_SPAN_ZERO, "stream table:*"},
                    Twin{Fault::ignores_span, rule::L1STD_SPAN_RESERVED, "stream table:*"},
                    Twin{Fault::takes_ssec, rule::CMD_SSEC, "command:*"},
                    Twin{Fault::error_is_silent, rule::INTERRUPT_CAUSE, "interrupts:*"},
                    Twin{Fault::error_is_forgotten, rule::COMMAND_ERROR_STOPS, "command:*"},
                    Twin{Fault::wrong_outside, rule::STE_BYPASS, "ste:*"},
                    Twin{Fault::early_atc_sync, rule::CMD_SYNC_COMPLETES, "ats:*"},
                    Twin{Fault::drops_atc_inv, rule::CMD_SYNC_COMPLETES, "ats:*"},
                    Twin{Fault::wrong_atc_address, rule::QUEUE_CONSUMED_ORDER, "ats:*"},
                    Twin{Fault::loses_atc_pasid, rule::QUEUE_CONSUMED_ORDER, "ats:*"},
                    Twin{Fault::ignores_time_out, rule::CMD_SYNC_COMPLETES, "ats:*"},
                    Twin{Fault::times_out_answered, rule::COMMAND_LEGAL, "ats:*"},
                    Twin{Fault::passes_translated, rule::STE_EATS, "ats:*"},
                    Twin{Fault::refuses_translated, rule::STE_EATS, "ats:*"},
                    Twin{Fault::passes_translated_off, rule::DISABLED_PASSES, "ats:*"},
                    Twin{Fault::grants_write, rule::S1_PERMISSION, "ats:*"},
                    Twin{Fault::grants_unmapped, rule::S1_DESCRIPTOR_VALID, "ats:*"},
                    Twin{Fault::ignores_eats, rule::STE_EATS, "ats:*"},
                    Twin{Fault::aborts_faults, rule::TRANSLATION_RESULT, "ats:*"},
                    Twin{Fault::withholds_write, rule::TRANSLATION_RESULT, "ats:*"},
                    Twin{Fault::answers_too_much, rule::TRANSLATION_RESULT, "ats:*"},
                    Twin{Fault::refuses_requests, rule::EVENT_LOST, "ats:*"},
                    Twin{Fault::ignores_log2size, rule::EVENT_LOST, "stream table:*"},
                    Twin{Fault::uses_base_bits, rule::STREAM_TABLE_FORMAT, "stream table:*"},
                    Twin{Fault::range_of_first_page, rule::TLBI_RANGE, "sequence: a range*"},
                    Twin{Fault::loses_cons_wrap, rule::REGISTER_READ, "command*"},
                    Twin{Fault::keeps_pointers, rule::TLBI_TAGS, "sequence: a table*", 1},
                    Twin{Fault::takes_vaa_as_asid, rule::TLBI_TAGS},
                    Twin{Fault::ignores_ips, rule::S1_OUTPUT_SIZE}),
    [](const testing::TestParamInfo<Twin>& twin) {
      return std::to_string(static_cast<int>(twin.param.fault)) +
             std::string(spec::rule_name(twin.param.rule));
    });

/// What the device does by itself is not called after an invalidation that came before it.
TEST(Conform, AFeatureThatIsNotThereIsNoInvalidationsMistake) {
  BrokenDevice device(Fault::knows_48_bits, 3);
  const auto result = run_conform(device, some(120));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->held());
  const auto of_invalidation = [](const FoundDivergence& found) {
    const Rule rule = found.divergence.rule;
    return rule == rule::TLBI_TAGS || rule == rule::TLBI_RANGE || rule == rule::CFGI_SCOPE;
  };
  EXPECT_TRUE(std::ranges::none_of(result->divergences, of_invalidation)) << words(*result);
}

/// From v3.2 on guarded registers are read-only while they are in use: asked, and kept by the
/// specification.
TEST(Conform, RegistersInUseAreReadOnlyFromVersion2On) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.minor = 2;
  caps.fwb = true;
  SpecDevice device(5, spec::make_id_registers(caps));
  const auto result = run_conform(device, some(60));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << words(*result);
  std::set<std::string> names;
  for (const Case& one : directed_cases(device.identity())) names.insert(one.name);
  EXPECT_TRUE(names.contains("registers: CMDQ_BASE is written while it is in use"));
  const SpecDevice older(5);
  names.clear();
  for (const Case& one : directed_cases(older.identity())) names.insert(one.name);
  EXPECT_FALSE(names.contains("registers: CMDQ_BASE is written while it is in use"));
  EXPECT_TRUE(names.contains("registers: CR2 is written while it is in use"));
}

// TTB1 and the ignored top byte are two features: who mends one of them still sees the other.
TEST(Conform, FeaturesThatAreMissingAreKindsOfTheirOwn) {
  BrokenDevice device(Fault::knows_48_bits, 3);
  const auto result = run_conform(device, some(1));
  ASSERT_TRUE(result) << result.error().message;
  std::set<std::string> kinds;
  for (const FoundDivergence& found : result->divergences) kinds.insert(found.divergence.called);
  EXPECT_TRUE(kinds.contains("terminated without a record (through TTB1)")) << words(*result);
  EXPECT_TRUE(kinds.contains("terminated without a record (the top byte is ignored)"))
      << words(*result);
}

// A configuration that is legal and refused is one kind, whatever the table has at the address.
TEST(Conform, AConfigurationThatIsRefusedIsOneKind) {
  BrokenDevice device(Fault::refuses_s1cdmax, 3);
  ConformOptions options = some(0);
  options.only = "ste: S1CDMax*";
  const auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->divergences.size(), 1U) << words(*result);
  const Divergence& found = result->divergences.front().divergence;
  EXPECT_EQ(found.rule, rule::TRANSLATION_RESULT);
  EXPECT_EQ(found.called, "terminated as C_BAD_STE (S1CDMax is ignored)");
  EXPECT_GT(result->divergences.front().times, 1U);
}

/// Who replays a trace judges fetches that abort as conform did, by what its header says.
TEST(Conform, ATraceSaysWhereNoMemoryIs) {
  SpecDevice device(1);
  u64 cases = 0;
  u64 flagged_without = 0;
  const auto flagged = [](const trace::Trace& trace) {
    Judge judge(trace.header, 20);
    for (const trace::Event& event : trace.events) judge.take(event);
    judge.finish();
    return judge.so_far().flagged;
  };
  for (const Case& one : directed_cases(device.identity())) {
    if (!one.name.starts_with("external abort: ")) continue;
    auto run = run_case(device, one);
    ASSERT_TRUE(run);
    EXPECT_EQ(flagged(run->trace), 0U) << one.name;
    ++cases;
    ASSERT_TRUE(run->trace.header.profile);
    EXPECT_EQ(run->trace.header.profile->erase("absent-bytes"), 1U);
    flagged_without += flagged(run->trace);
  }
  EXPECT_GT(cases, 10U);
  EXPECT_GT(flagged_without, 0U);
}

TEST(Conform, TheSameSeedGivesTheSameCases) {
  const SpecDevice device(1);
  for (u64 number = 0; number < 20; ++number) {
    const Case one = random_case(device.identity(), 5, number);
    EXPECT_EQ(one.steps, random_case(device.identity(), 5, number).steps);
    EXPECT_NE(one.steps, random_case(device.identity(), 6, number).steps);
  }
}

TEST(Conform, AFindingIsShortAndItsTraceShowsItAgain) {
  const std::filesystem::path folder = test::own_path("conform");
  std::filesystem::remove_all(folder);
  BrokenDevice device(Fault::forgets_tlbi, 3);
  ConformOptions options = some(0);
  options.only = "*TLBI*ASID*";
  options.report = folder.string();
  const auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_FALSE(result->divergences.empty());
  // It shows in many ways; here as what it is, where that takes the fewest steps.
  const auto length = [](const FoundDivergence& one) {
    return one.divergence.rule == rule::TLBI_TAGS ? one.steps.size() : ~std::size_t{0};
  };
  const FoundDivergence& found = *std::ranges::min_element(result->divergences, {}, length);
  ASSERT_EQ(found.divergence.rule, rule::TLBI_TAGS);
  EXPECT_LE(found.steps.size(), 24U);
  ASSERT_FALSE(found.trace_path.empty());

  // On the device it is there again, and on one that is right it is not.
  ConformOptions again = some(0);
  again.replay = found.trace_path;
  BrokenDevice same(Fault::forgets_tlbi, 3);
  const auto replayed = run_conform(same, again);
  ASSERT_TRUE(replayed) << replayed.error().message;
  ASSERT_FALSE(replayed->divergences.empty());
  EXPECT_TRUE(std::ranges::any_of(replayed->divergences, [&](const FoundDivergence& one) {
    return one.divergence.same(found.divergence);
  }));
  SpecDevice right(3);
  const auto passes = run_conform(right, again);
  ASSERT_TRUE(passes) << passes.error().message;
  EXPECT_TRUE(passes->divergences.empty()) << words(*passes);

  // The file that was written makes the run pass; for a device that is right it has vanished.
  ConformOptions known = options;
  known.report.clear();
  known.use_known = true;
  known.known = options.report + "/spec-1.json";
  BrokenDevice third(Fault::forgets_tlbi, 3);
  const auto held = run_conform(third, known);
  ASSERT_TRUE(held) << held.error().message;
  EXPECT_TRUE(held->held()) << words(*held);

  // The same words in a case that was right about it are news; a list that names nothing is
  // refused.
  const std::string list = options.report + "/spec-1/cases.list";
  const auto with_list = [&](const std::string& ids) {
    std::ofstream file(list);
    for (const Case& one : directed_cases(device.identity())) file << one.name << ids << '\n';
    file.close();
    BrokenDevice once_more(Fault::forgets_tlbi, 3);
    return run_conform(once_more, known);
  };
  std::string all_ids = "\t";
  for (const FoundDivergence& one : held->divergences) all_ids += one.known_id + " ";
  const auto as_listed = with_list(all_ids);
  ASSERT_TRUE(as_listed) << as_listed.error().message;
  EXPECT_TRUE(as_listed->held()) << words(*as_listed);
  const auto elsewhere = with_list("");
  ASSERT_TRUE(elsewhere) << elsewhere.error().message;
  EXPECT_FALSE(elsewhere->held());
  EXPECT_TRUE(std::ranges::any_of(elsewhere->divergences, [](const FoundDivergence& one) {
    return one.known_id.empty() && !one.worded_as.empty();
  })) << words(*elsewhere);
  const auto misspelt = with_list("\tnobody");
  ASSERT_FALSE(misspelt);
  EXPECT_NE(misspelt.error().message.find("cases.list:1: "), std::string::npos);
  std::filesystem::remove(list);

  SpecDevice fourth(3);
  known.only.clear();
  const auto gone = run_conform(fourth, known);
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_FALSE(gone->held());
  EXPECT_FALSE(gone->vanished.empty());
  std::filesystem::remove_all(folder);
}

TEST(Conform, KnownFilesSayWhatIsWrongWithThem) {
  const std::string path = test::own_path("known.json");
  const auto error_of = [&](const std::string& text) {
    std::ofstream(path) << text;
    const auto file = read_known(path, KnownFile::Subject::device);
    return file ? std::string("read") : file.error().message;
  };
  EXPECT_NE(error_of("").find(path), std::string::npos);
  EXPECT_NE(error_of("{\"device\": \"qemu\"}").find("'version'"), std::string::npos);
  EXPECT_NE(error_of("{\"device\": \"q\", \"version\": \"1\", \"divergences\": [{\"id\": \"x\"}]}")
                .find("'rule'"),
            std::string::npos);
  EXPECT_EQ(error_of("{\"device\": \"q\", \"version\": \"1\", \"divergences\": []}"), "read");
  std::filesystem::remove(path);
  EXPECT_FALSE(read_known(path, KnownFile::Subject::device));

  SpecDevice device(1);
  ConformOptions options = some(0);
  options.use_known = true;
  options.known = path;
  std::ofstream(path) << "{\"device\": \"qemu\", \"version\": \"7.2\", \"divergences\": []}";
  const auto result = run_conform(device, options);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::bad_input);
}

/// The access at `iova` in the trace of a case.
std::size_t access_at(const trace::Trace& trace, u64 iova) {
  for (std::size_t i = 0; i < trace.events.size(); ++i) {
    const auto* dma = std::get_if<trace::Dma>(&trace.events[i].payload);
    if (dma != nullptr && dma->iova == iova) return i;
  }
  return trace.events.size();
}

/// A record with a wrong type is that of the access with its address, though there is one to which
/// anything may happen; what is found is found there, not where the record comes.
TEST(Conform, ARecordGoesToTheAccessOfItsAddress) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "attribution");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.translate(0, root);
  b.access(0x1000);
  b.map(root, 0x1000, b.data(0x1000));  // no break before make
  b.access(0x1004);
  b.access(0x2000, true);
  b.invalidate_all();
  b.poll();
  auto run = run_case(device, b.take());
  ASSERT_TRUE(run);
  CaseJudge judge(device.identity());
  EXPECT_TRUE(judge.judge(run->trace).empty());
  EXPECT_GT(judge.monitor().device_rules()->numbers().any, 0U);
  for (trace::Event& event : run->trace.events) {
    auto* record = std::get_if<trace::EventRecorded>(&event.payload);
    if (record == nullptr || (*record->record)[2] != 0x2000) continue;
    (*record->record)[0] ^= 0x10 ^ 0x13;  // F_PERMISSION
  }
  const std::vector<Divergence> found = judge.judge(run->trace);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].rule, rule::S1_DESCRIPTOR_VALID);
  EXPECT_EQ(found[0].called, "F_PERMISSION instead of F_TRANSLATION");
  EXPECT_EQ(found[0].event, access_at(run->trace, 0x2000));
}

/// GBPA: ABORT reads as written and acts; attributes may be fixed, and read 0 then.
TEST(Conform, GbpaIsJudgedByItsAbortBit) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "gbpa");
  b.write(spec::reg::gbpa, 0x1000 | spec::gbpa::abort | spec::gbpa::update);
  for (unsigned i = 0; i < 8; ++i) b.read(spec::reg::gbpa);
  b.access(b.data());
  auto run = run_case(device, b.take());
  ASSERT_TRUE(run);
  const auto judged_with = [&](u64 keep, bool passes) {
    trace::Trace trace = run->trace;
    for (trace::Event& event : trace.events) {
      auto* read = std::get_if<trace::MmioRead>(&event.payload);
      if (read != nullptr && read->offset == spec::reg::gbpa) read->value &= keep;
      auto* dma = std::get_if<trace::Dma>(&event.payload);
      if (dma == nullptr || !passes) continue;
      dma->result = trace::DmaResult::ok;
      dma->pa = dma->iova;
    }
    CaseJudge judge(device.identity());
    std::string rules;
    for (const Divergence& one : judge.judge(trace)) {
      rules += std::string(spec::rule_name(one.rule)) + " ";
    }
    return rules;
  };
  EXPECT_EQ(judged_with(~u64{0}, false), "");
  EXPECT_EQ(judged_with(~u64{0x3000}, false), "");
  EXPECT_EQ(judged_with(~u64{spec::gbpa::abort}, false), "REGISTER_READ ");
  EXPECT_EQ(judged_with(~u64{0}, true), "DISABLED_PASSES ");
  EXPECT_EQ(judged_with(0, true), "REGISTER_READ DISABLED_PASSES ");
}

/// "In finite time" is eight reads of CMDQ_CONS that show no progress: a full queue that is
/// consumed command by command takes more, and waits for nothing.
TEST(Conform, CommandsThatAreConsumedOneByOneMakeProgress) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "slow");
  for (unsigned i = 0; i < 6; ++i) b.command(spec::cmd_cfgi_all());
  for (unsigned i = 0; i < 18; ++i) b.read(spec::reg::cmdq_cons);
  auto run = run_case(device, b.take());
  ASSERT_TRUE(run);
  for (const bool moves : {true, false}) {
    trace::Trace trace = run->trace;
    u64 prod = 0;
    u64 reads = 0;
    for (trace::Event& event : trace.events) {
      const auto* write = std::get_if<trace::MmioWrite>(&event.payload);
      if (write != nullptr && write->offset == spec::reg::cmdq_prod) prod = write->value;
      auto* read = std::get_if<trace::MmioRead>(&event.payload);
      if (read == nullptr || read->offset != spec::reg::cmdq_cons || prod < 9) continue;
      read->value = 3 + (moves ? ++reads / 3 : 0);
    }
    CaseJudge judge(device.identity());
    const std::vector<Divergence> found = judge.judge(trace);
    ASSERT_EQ(found.size(), moves ? 0U : 1U);
    if (!moves) {
      EXPECT_EQ(found[0].rule, rule::REGISTER_PROGRESS);
    }
  }
}

/// What docs/qemu.md says of known divergences: by rule, in the order in which the files have
/// these first, one that is "As" another of the rule beside it; versions where not both have it.
class KnownDivergences {
 public:
  /// False if the name stands for another one already.
  bool add(const KnownFinding& known, const std::string& version) {
    std::vector<Entry>& entries = entries_of(known.rule);
    const auto at = std::ranges::find(entries, known.id, &Entry::id);
    static const std::regex left_out("IHI 0070 |; arch [^;]*");
    const std::string section = std::regex_replace(known.section, left_out, "");
    if (at == entries.end()) {
      entries.push_back({known.id, known.why, section, version});
      return told_.insert(known.id).second;
    }
    at->versions += ", " + version;
    return at->why == known.why && at->section == section;
  }
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const auto& [rule, entries] : rules_) {
      text += (text.empty() ? "**" : "\n**") + rule + "**\n\n";
      for (const Entry& entry : entries) {
        if (!is_beside(entries, entry)) text += line_of(entries, entry);
      }
    }
    return text;
  }

 private:
  struct Entry {
    std::string id, why, section, versions;
  };
  /// "As ID, of F_ACCESS." is beside ID, and adds ", of F_ACCESS".
  static std::optional<std::string> added_to(const Entry& first, const Entry& entry) {
    const std::string as = "As " + first.id;
    if (!entry.why.starts_with(as)) return std::nullopt;
    std::string rest = entry.why.substr(as.size());
    if (rest.empty() || std::string_view(".,: ").find(rest.front()) == std::string_view::npos) {
      return std::nullopt;
    }
    rest.pop_back();
    return rest;
  }
  static bool is_beside(const std::vector<Entry>& entries, const Entry& entry) {
    return std::ranges::any_of(
        entries, [&](const Entry& first) { return added_to(first, entry).has_value(); });
  }
  static std::string line_of(const std::vector<Entry>& entries, const Entry& entry) {
    std::string text = fmt::format("- `{}`{}: {} [{}]", entry.id,
                                   entry.versions == "7.2, 10.0" ? "" : " (" + entry.versions + ")",
                                   entry.why, entry.section);
    std::string beside;
    for (const Entry& other : entries) {
      const auto added = added_to(entry, other);
      if (!added) continue;
      beside +=
          fmt::format("{} `{}`{}{}{}", beside.empty() ? " Likewise" : ";", other.id,
                      other.versions == entry.versions ? "" : " (" + other.versions + ")", *added,
                      other.section == entry.section ? "" : " [" + other.section + "]");
    }
    return text + beside + (beside.empty() ? "\n" : ".\n");
  }
  std::vector<Entry>& entries_of(const std::string& rule) {
    const auto at =
        std::ranges::find(rules_, rule, &std::pair<std::string, std::vector<Entry>>::first);
    return at != rules_.end() ? at->second : rules_.emplace_back(rule, std::vector<Entry>{}).second;
  }
  std::vector<std::pair<std::string, std::vector<Entry>>> rules_;
  std::set<std::string> told_;
};

/// docs/qemu.md has what the files have, an entry of both versions once; each entry has its
/// trace, and each trace an entry.
TEST(DivergencesDocument, HasTheKnownOnes) {
  const std::string root = test::in_tree();
  KnownDivergences divergences;
  for (const std::string version : {"7.2", "10.0"}) {
    const std::string name = root + "/data/known/qemu-" + version;
    const auto file = read_known(name + ".json", KnownFile::Subject::device);
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_GT(file->entries.size(), 30U);
    std::set<std::string> ids;
    for (const KnownFinding& known : file->entries) {
      EXPECT_TRUE(ids.insert(known.id).second) << known.id << " is there twice";
      EXPECT_FALSE(known.section.empty() || known.why.empty() || known.correct.empty()) << known.id;
      EXPECT_FALSE(known.why.starts_with("TO DO")) << known.id;
      EXPECT_TRUE(std::filesystem::is_regular_file(file->trace_path(known))) << known.id;
      EXPECT_TRUE(divergences.add(known, version)) << known.id << " is another one in " << version;
    }
    for (const auto& entry : std::filesystem::directory_iterator(name)) {
      if (entry.path().filename() == "cases.list") continue;
      EXPECT_TRUE(ids.contains(entry.path().stem().string())) << entry.path();
    }
  }
  test::Document document(root + "/docs/qemu.md");
  document.put("known divergences of QEMU", divergences.text());
  document.check();
}

TEST(Conform, ADeviceThatDoesNotExist) {
  EXPECT_EQ(open_device("nothing", 1).error().code, ErrorCode::bad_input);
  const auto missing = open_device("qemu:/nowhere/qemu-system-aarch64", 1);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::environment);
  EXPECT_NE(missing.error().message.find("apt-get install"), std::string::npos);
}

}  // namespace
}  // namespace iommucheck::oracle::conform_test
