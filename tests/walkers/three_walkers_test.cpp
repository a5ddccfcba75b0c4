// SPDX-License-Identifier: MIT
// Three walkers, of which none calls another, say the same of any configuration, tables and access:
// transaction.h (and with it walk.h and stage2_walk.h), the doors of the engine
// (spec/smmu/stage_walk.h), and the fast model (impl/device), whose records and writes of flags are
// compared as well. IHI 0070 7.3.22, 3.13; DDI 0487 D8. And stage 2 confines all that a nested
// access reads and reaches.
//
// IOMMUCHECK_WALKER_TRIPLES and IOMMUCHECK_WALKER_SEED: how many, and from which seed on.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "impl/device/door.h"
#include "spec/smmu/event_rules.h"
#include "spec/smmu/flag_updates.h"
#include "spec/smmu/flag_walks.h"
#include "tests/cases.h"
#include "tests/number_from.h"
#include "tests/walkers/door_walk_support.h"
#include "tests/walkers/triple_support.h"

namespace iommucheck::walkers::three_walkers_test {
namespace {

using spec::Outcome;
using spec::OutcomeKind;

/// A host that hears nothing.
struct Deaf final : device::Host {
  void interrupt(device::Line /*line*/) noexcept override {}
};

/// Words as the pure functions want them. What lies beyond the output size of an STE is not
/// fetched: the choice of the model. IHI 0070 3.4.3.
struct Words {
  const GivenMemory& memory;
  u64 beyond = 0;
  spec::Ste<u64> ste{};
  unsigned ste_words = 0;
  std::optional<u64> read(spec::Structure kind, u64 pa) {
    const bool streams = kind == spec::Structure::l1std || kind == spec::Structure::ste;
    if (streams && (pa & beyond) != 0) return std::nullopt;
    const std::optional<u64> word = memory.word(pa);
    if (word && kind == spec::Structure::ste) ste.dw[ste_words++ % ste.dw.size()] = *word;
    return word;
  }
};

/// Under stage 2 nothing but STEs is read, and nothing is reached, but behind a walk of stage 2
/// that has passed, one for each, and for all words of a CD; nothing is read behind one that has
/// not.
struct Confined {
  const GivenMemory& memory;
  u64 beyond = 0;
  bool leaks = false;  ///< a mistake of the source, on purpose: it tells of no walk but the first
  unsigned walks = 0, passed = 0, used = 0;
  bool in_walk = false, wrong = false;
  u64 cd = 0;  ///< the word of a CD that was read last
  spec::Stage2Input last = spec::Stage2Input::cd;
  std::optional<u64> read(spec::Structure kind, u64 pa) {
    const bool streams = kind == spec::Structure::l1std || kind == spec::Structure::ste;
    if (streams && (pa & beyond) != 0) return std::nullopt;
    const bool its = kind == spec::Structure::cd;
    const bool next = its && pa % 64 != 0 && pa == cd + 8;
    if (its) cd = pa;
    if (!streams && !in_walk && !next && ++used != passed) wrong = true;
    return memory.word(pa);
  }
  void stage1_passed(bool /*dirties*/) {}
  void stage2_begins(u64 /*ipa*/) {
    if (in_walk) wrong = true;
    in_walk = true;
    ++walks;
  }
  void stage2_passed(spec::Stage2Input input, bool /*dirties*/) {
    in_walk = false;
    last = input;
    // An update of flags is no read of its own.
    if (input != spec::Stage2Input::stage1_update && !(leaks && walks > 1)) ++passed;
  }
};

struct Mistakes {
  DoorMistake doors = DoorMistake::none;
  u64 unseen = 0, unwritten = 0;  ///< of the device
  bool leaks = false;
};

struct Counts {
  u64 triples = 0, any = 0, doors = 0, written = 0, nested = 0;
  std::map<std::string, u64> ends;
  u64 different = 0;
  std::string first;  ///< some that are different, in words
};

std::string text(const Outcome& o) {
  return "kind " + std::to_string(static_cast<int>(o.kind)) + " pa " + std::to_string(o.pa) +
         " attr " + std::to_string(o.attr) + " " + std::string(spec::event_name(o.event)) + " by " +
         std::string(spec::rule_name(o.rule)) + (o.stage2 ? " stage 2 of input " : "") +
         (o.stage2 ? std::to_string(static_cast<int>(o.input)) + " ipa " + std::to_string(o.ipa)
                   : "") +
         (o.reaction.stall ? " stalls" : "") + (o.reaction.record ? "" : " silent") +
         (o.reaction.abort ? "" : " raz/wi");
}

class Machine {
 public:
  Machine(u64 seed, bool flags, const Mistakes& mistakes)
      : features_(features(seed, flags)), caps_(capabilities_of(features_)), mistakes_(mistakes) {
    const device::Config config{
        .features = features_,
        .caches = {.tlb_lg2 = static_cast<unsigned>(seed % 4), .config_lg2 = 0},
        .windows = {}};
    smmu_ = *device::Smmu::create(config, memory_, host_);
    port_ = std::make_unique<device::Port>(*smmu_);
  }

  void judge(u64 seed, Counts& counts) {
    triple_ = draw_triple(seed, caps_, memory_);
    ++counts.triples;
    Words words{memory_, ~device::low_mask(features_.oas)};
    const spec::FlagUpdates updates = spec::flag_updates(words, triple_.smmu, triple_.access);
    const Outcome& outcome = updates.outcome;
    if (outcome.kind == OutcomeKind::any) {
      ++counts.any;
      return;
    }
    ++counts.ends[outcome.kind == OutcomeKind::fault ? std::string(spec::event_name(outcome.event))
                  : outcome.kind == OutcomeKind::translation ? "translated"
                                                             : "passed or aborted"];
    const spec::StreamDecision stream =
        spec::decide_stream(words.ste, caps_, triple_.access.ssv, triple_.access.ssid);
    stage1_ = stream.cd.has_value();
    stage2_ = stream.stage2;
    counts.nested += updates.both && outcome.kind == OutcomeKind::translation ? 1 : 0;
    std::string wrong = doors(words.ste, outcome, counts);
    if (stage2_) wrong += confined(outcome);
    wrong += device(outcome);
    wrong += flags(updates);
    counts.written += memory_.writes.empty() ? 0 : 1;
    if (wrong.empty()) return;
    if (++counts.different > 5) return;
    counts.first += "seed " + std::to_string(seed) + ": " + text(outcome) + wrong + "\n";
  }

 private:
  static device::Features features(u64 seed, bool flags) {
    device::Features f = device::drawn_features(seed);
    if (!flags) f.httu = 0;
    if (flags && f.httu == 0) f.httu = f.minor >= 3 ? 3 : 2;
    f.eventqs = std::max(f.eventqs, 2U);
    return f;
  }

  std::string doors(const spec::Ste<u64>& ste, const Outcome& outcome, Counts& counts) {
    if (!triple_.smmu.smmuen || outcome.event == spec::EventType::c_bad_streamid ||
        outcome.event == spec::EventType::f_ste_fetch) {
      return {};
    }
    const auto other = by_doors(memory_, triple_.smmu, ste, triple_.access, mistakes_.doors);
    if (!other) return {};
    ++counts.doors;
    const bool same = other->kind == outcome.kind && other->pa == outcome.pa &&
                      other->attr == outcome.attr && other->dirty == outcome.dirty &&
                      other->event == outcome.event && other->stage2 == outcome.stage2 &&
                      other->reaction == outcome.reaction && other->input == outcome.input &&
                      other->ipa == outcome.ipa &&
                      (outcome.kind != OutcomeKind::fault || other->rule == outcome.rule);
    return same ? "" : "; by the doors " + text(*other);
  }

  std::string confined(const Outcome& outcome) {
    Confined source{memory_, ~device::low_mask(features_.oas), mistakes_.leaks};
    const Outcome again = spec::untranslated_transaction(source, triple_.smmu, triple_.access);
    bool held = !source.wrong && again.same(outcome);
    if (outcome.kind == OutcomeKind::translation) {
      held &= source.last == spec::Stage2Input::transaction && source.passed == source.used + 1;
    }
    held &= outcome.kind != OutcomeKind::bypass;
    return held ? "" : "; stage 2 was left";
  }

  std::string device(const Outcome& outcome) {
    program();
    memory_.is_of_device = true;
    memory_.unseen = mistakes_.unseen;
    memory_.unwritten = mistakes_.unwritten;
    const device::Answer answer =
        port_->access({.sid = triple_.access.sid,
                       .ssv = triple_.access.ssv,
                       .ssid = triple_.access.ssid,
                       .address = triple_.access.va,
                       .type = static_cast<device::Type>(triple_.access.type),
                       .privileged = triple_.access.privileged});
    memory_.is_of_device = false;
    if (!answers(answer, outcome)) {
      return "; the device: end " + std::to_string(static_cast<int>(answer.end)) + " pa " +
             std::to_string(answer.pa) + " attributes " + std::to_string(answer.attributes) + " " +
             std::string(spec::event_name(static_cast<spec::EventType>(answer.event)));
    }
    return record(outcome);
  }

  void program() {
    using namespace device;
    smmu_->reset();
    smmu_->write(reg::gbpa, 4,
                 device::gbpa::update | (triple_.smmu.gbpa_abort ? device::gbpa::abort : 0));
    smmu_->write(reg::strtab_base, 8, triple_.strtab);
    smmu_->write(reg::strtab_base_cfg, 4, triple_.strtab_cfg);
    smmu_->write(reg::eventq_base, 8, u64{1} << 31 | 2);
    smmu_->write(reg::cr2, 4,
                 (triple_.smmu.e2h ? cr2::e2h : 0) | (triple_.smmu.recinvsid ? cr2::recinvsid : 0));
    smmu_->write(reg::cr0, 4, cr0::eventqen | (triple_.smmu.smmuen ? cr0::smmuen : 0));
  }

  [[nodiscard]] bool answers(const device::Answer& answer, const Outcome& outcome) const {
    using device::End;
    if (static_cast<u8>(answer.event) != static_cast<u8>(outcome.event)) return false;
    switch (outcome.kind) {
      case OutcomeKind::translation:
        return answer.end == End::passed && answer.pa == outcome.pa &&
               attributes_of(answer) == outcome.memory;
      case OutcomeKind::bypass: return answer.end == End::passed && answer.pa == outcome.pa;
      case OutcomeKind::abort: return answer.end == End::aborted;
      case OutcomeKind::fault:
        if (!spec::is_translation_fault(outcome.event)) return answer.end == End::aborted;
        if (outcome.reaction.stall) return answer.end == End::stalled;
        return answer.end == (outcome.reaction.abort ? End::aborted : End::raz_wi);
      default: return false;
    }
  }

  /// Those of the leaves that the device tells, together.
  [[nodiscard]] spec::MemoryAttributes attributes_of(const device::Answer& answer) const {
    namespace its = device::attributes;
    const u32 a = answer.attributes;
    spec::MemoryAttributes met;
    if (stage1_) met = spec::attributes_of_mair(its::mair(a), its::sh(a));
    if (stage2_) met = spec::through_stage2(met, its::memattr(a), its::sh2(a), its::fwb(a));
    return met;
  }

  std::string record(const Outcome& outcome) {
    const bool due = spec::has_record(triple_.access, outcome, triple_.smmu.recinvsid);
    if (due != memory_.record.has_value()) return due ? "; no record" : "; a record";
    if (!due) return {};
    const spec::EventRecord expected =
        spec::record_of(outcome.event, spec::fields_of(triple_.access, outcome));
    if (spec::matches(expected, *memory_.record)) return {};
    return "; record: " + spec::describe_mismatch(expected, *memory_.record);
  }

  std::string flags(const spec::FlagUpdates& updates) {
    // What a walk that faults sets on its way nobody has to know.
    if (updates.outcome.kind != OutcomeKind::translation) return {};
    std::vector<GivenMemory::Write> due;
    for (const spec::FlagUpdate& one : updates.all) due.push_back({one.pa, one.from, one.to});
    std::vector<GivenMemory::Write> made = memory_.writes;
    const auto by_pa = [](auto& all) { std::ranges::sort(all, {}, &GivenMemory::Write::pa); };
    by_pa(due);
    by_pa(made);
    if (due == made) return {};
    std::string words = "; flags due:";
    for (const auto& one : due)
      words += " " + std::to_string(one.pa) + "^" + std::to_string(one.from ^ one.to);
    words += ", made:";
    for (const auto& one : made)
      words += " " + std::to_string(one.pa) + "^" + std::to_string(one.from ^ one.to);
    return words;
  }

  device::Features features_;
  spec::Capabilities caps_;
  Mistakes mistakes_;
  GivenMemory memory_;
  Deaf host_;
  std::unique_ptr<device::Smmu> smmu_;
  std::unique_ptr<device::Port> port_;
  Triple triple_;
  bool stage1_ = false, stage2_ = false;  ///< that translate
};

/// Half of them without flags that hardware writes.
Counts run(u64 first, u64 triples, const Mistakes& mistakes = {}) {
  constexpr u64 of_a_machine = 64;
  Counts counts;
  for (u64 at = 0; at < triples; at += of_a_machine) {
    const u64 seed = SplitMix64::mixed(first + at);
    Machine machine(seed, at / of_a_machine % 2 != 0, mistakes);
    for (u64 i = 0; i < std::min(of_a_machine, triples - at); ++i) machine.judge(seed + i, counts);
  }
  return counts;
}

/// A quarter of the triples each, so that they are walked side by side.
class ThreeWalkers : public testing::TestWithParam<u64> {};
INSTANTIATE_TEST_SUITE_P(All, ThreeWalkers, testing::Values(u64{0}, u64{1}, u64{2}, u64{3}));

TEST_P(ThreeWalkers, Agree) {
  const u64 triples =
      test::number_from("IOMMUCHECK_WALKER_TRIPLES", test::cases(1'000'000, 10'000'000)) / 4;
  Counts counts = run(4 * test::number_from("IOMMUCHECK_WALKER_SEED", 1) + GetParam(), triples);
  EXPECT_EQ(counts.different, 0U) << counts.first;
  // What is left out is rare, and of everything there is much.
  EXPECT_LT(counts.any * 500, counts.triples);
  EXPECT_GT(counts.doors * 2, counts.triples);
  EXPECT_GT(counts.nested * 100, counts.triples);
  EXPECT_GT(counts.written * 50, counts.triples);
  EXPECT_GT(counts.ends["translated"] * 8, counts.triples);
  for (const char* event :
       {"C_BAD_STREAMID", "C_BAD_STE", "C_BAD_SUBSTREAMID", "F_STREAM_DISABLED", "C_BAD_CD",
        "F_TRANSLATION", "F_ADDR_SIZE", "F_ACCESS", "F_PERMISSION"}) {
    EXPECT_GT(counts.ends[event] * 200, counts.triples) << event;
  }
  EXPECT_GT(counts.ends["F_WALK_EABT"] * 2000, counts.triples);
}

// ---- mistakes that have to be noticed ----

u64 noticed(const Mistakes& mistakes) { return run(1, 20'000, mistakes).different; }

TEST(ThreeWalkersTwins, AStage2ThatTakesTooManyAddresses) {
  EXPECT_GT(noticed({.doors = DoorMistake::ipa_range}), 0U);
}
TEST(ThreeWalkersTwins, AStage2WithoutS2ptw) {
  EXPECT_GT(noticed({.doors = DoorMistake::ptw}), 0U);
}
TEST(ThreeWalkersTwins, AWalkThatForgetsWhatTablesTakeAway) {
  EXPECT_GT(noticed({.doors = DoorMistake::no_tables}), 0U);
}
TEST(ThreeWalkersTwins, ADeviceThatSeesNoApTable) {
  EXPECT_GT(noticed({.unseen = u64{3} << 61}), 0U);
}
TEST(ThreeWalkersTwins, ADeviceThatSeesNoLowBitOfXn) {
  EXPECT_GT(noticed({.unseen = u64{1} << 53}), 0U);
}
TEST(ThreeWalkersTwins, AReadThatNoWalkOfStage2Allowed) { EXPECT_GT(noticed({.leaks = true}), 0U); }
TEST(ThreeWalkersTwins, ADeviceThatForgetsToSetTheAccessFlag) {
  EXPECT_GT(noticed({.unwritten = u64{1} << 10}), 0U);
}

}  // namespace
}  // namespace iommucheck::walkers::three_walkers_test
