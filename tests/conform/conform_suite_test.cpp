// SPDX-License-Identifier: MIT
// What a run says of each rule, and that it says the same however many devices did it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "conform/case_pool.h"
#include "conform/cases/directed.h"
#include "conform/conform.h"
#include "conform/verdicts.h"
#include "conform_support.h"
#include "report/known.h"
#include "spec/rules/commands.h"
#include "spec/rules/structures.h"
#include "tests/conform/run_options.h"
#include "tests/own_path.h"

namespace iommucheck::oracle::conform_suite_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

ConformOptions some(u64 cases) { return options_of(1, cases); }

RuleCount count_of(const std::vector<RuleCount>& rules, Rule rule) {
  const auto its = std::ranges::find_if(rules, [&](const RuleCount& c) { return c.rule == rule; });
  return its == rules.end() ? RuleCount{} : *its;
}

// ---- five verdicts ------------------------------------------------------------------------------

/// Of some of the cases alone nothing is said of what the device cannot do.
TEST(ConformVerdicts, WhoRanSomeCasesIsToldThat) {
  const spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  CaseCounts counts;
  const auto why = [&] { return count_of(device_rule_counts({}, counts, caps), rule::CD_TSZ).why; };
  EXPECT_EQ(why(), "no case came to a point where it could have been broken");
  counts.all_directed = false;
  EXPECT_EQ(why(), "not all directed cases were run");
}

TEST(ConformVerdicts, ARuleHoldsOnlyWhereItsCaseWasJudgedWhole) {
  const spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  const auto i = spec::number_of(rule::CD_TSZ);
  CaseCounts counts;
  counts.cases = counts.named[i] = 3;
  EXPECT_EQ(count_of(device_rule_counts({}, counts, caps), rule::CD_TSZ).verdict,
            RuleVerdict::undetermined);
  counts.decided[i] = 1;
  const RuleCount one = count_of(device_rule_counts({}, counts, caps), rule::CD_TSZ);
  EXPECT_EQ(one.verdict, RuleVerdict::holds);
  EXPECT_EQ(one.discriminating, 1U);
  counts.broken[i] = 1;
  EXPECT_EQ(count_of(device_rule_counts({}, counts, caps), rule::CD_TSZ).verdict,
            RuleVerdict::broken);
  EXPECT_EQ(count_of(device_rule_counts({}, {}, caps), rule::CD_TSZ).verdict,
            RuleVerdict::not_exercised);
}

/// Every rule of an SMMU or device has a verdict, and each that does not hold a reason.
TEST(ConformVerdicts, EachRuleOfTheCatalogueHasOne) {
  SpecDevice device(2);
  const auto result = run_conform(device, some(40));
  ASSERT_TRUE(result) << result.error().message;
  std::size_t rules = 0;
  for (const spec::RuleInfo& info : spec::all_rules()) {
    const bool its = info.keeper == spec::Keeper::smmu || info.keeper == spec::Keeper::device;
    rules += its ? 1 : 0;
  }
  EXPECT_EQ(result->rules.size(), rules);
  for (const RuleCount& rule : result->rules) {
    if (rule.verdict == RuleVerdict::holds) {
      EXPECT_GT(rule.discriminating, 0U) << spec::rule_name(rule.rule);
    } else {
      EXPECT_FALSE(rule.why.empty()) << spec::rule_name(rule.rule);
    }
  }
}

/// An access of which nothing shows where it went decides nothing: a device that names no address,
/// whose accesses go where no data is.
TEST(ConformVerdicts, WhatCouldNotBeJudgedIsNotAccepted) {
  class Blind final : public DeviceUnderTest {
   public:
    Blind() : inner_(3), identity_(inner_.identity()) { identity_.every_pa = false; }
    [[nodiscard]] const DeviceIdentity& identity() const override { return identity_; }
    Expected<void> reset() override { return inner_.reset(); }
    void mmio_write(u32 at, unsigned size, u64 value) override {
      inner_.mmio_write(at, size, value);
    }
    Ticket mmio_read(u32 at, unsigned size) override { return inner_.mmio_read(at, size); }
    void store(u64 pa, u64 value) override { inner_.store(pa, value); }
    void fill(u64 pa, u64 words, u64 value) override { inner_.fill(pa, words, value); }
    Ticket load(u64 pa) override { return inner_.load(pa); }
    Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override {
      return inner_.dma(engine, iova, write, attributes);
    }
    Expected<void> settle() override { return inner_.settle(); }
    [[nodiscard]] u64 value(Ticket ticket) const override { return inner_.value(ticket); }
    [[nodiscard]] DmaSeen seen(Ticket /*ticket*/) const override {
      return {.reached = true, .pa = {}};
    }

   private:
    SpecDevice inner_;
    DeviceIdentity identity_;
  } device;
  CaseBuilder b(device.identity(), "a bypass to where no data is");
  b.asks(rule::STE_BYPASS);
  b.ste(0, spec::make_bypass_ste());
  b.enable();
  b.access(0x1000);
  CaseWorker worker(device);
  const auto result = worker.run(b.take(), false);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->tally.numbers.undetermined, 1U);
  EXPECT_FALSE(result->decided());
}

/// Who adds a feature sees which rules became claimed.
TEST(ConformVerdicts, RulesThatBecameClaimedAreNamed) {
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  ASSERT_TRUE(caps.ril);
  caps.ril = false;
  KnownFile file;
  file.path = test::own_path("claims.json");
  file.subject = "spec";
  file.version = "1";
  file.id = spec::make_id_registers(caps);
  file.id->iidr = 0;
  std::ofstream(file.path) << known_text(file);
  const auto back = read_known(file.path, KnownFile::Subject::device);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->id, file.id);

  SpecDevice device(2);
  ConformOptions options = some(0);
  options.use_known = true;
  options.known = file.path;
  options.only = "registers: identification";
  const auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->claimed_since,
            (std::vector<Rule>{rule::CMD_TLBI_RANGE_RESERVED, rule::TLBI_RANGE}));
  EXPECT_TRUE(result->claimed_no_more.empty());
  ASSERT_EQ(result->changed_registers.size(), 1U);
  EXPECT_TRUE(result->changed_registers.front().starts_with("IDR3 = ")) << result->known_file;

  for (const char* wrong : {R"("0x1ffffffff")", R"("0x")", R"("IDR")", "7"}) {
    std::string text = known_text(file);
    const std::size_t at = text.find("\"aidr\": ") + 8;
    text.replace(at, text.find('\n', at) - at, wrong);
    std::ofstream(file.path) << text;
    EXPECT_FALSE(read_known(file.path, KnownFile::Subject::device)) << wrong;
  }
  std::filesystem::remove(file.path);
}

// ---- several devices ----------------------------------------------------------------------------

/// All that a run says but for the time that it took.
std::string all_of(const ConformResult& r) {
  std::string text =
      fmt::format("{} {} {} {} {} {} {} {} {}\n", r.directed, r.random, r.accesses, r.records,
                  r.stale_allowed, r.open, r.any, r.undetermined, r.deaths);
  for (const FoundDivergence& found : r.divergences) {
    text += fmt::format("{} {} {} {} {}\n", spec::rule_name(found.divergence.rule),
                        found.divergence.called, found.divergence.statement, found.times,
                        found.first_case);
    for (const std::string& step : found.steps) text += "  " + step + "\n";
  }
  for (const RuleCount& rule : r.rules) {
    text += fmt::format("{} {} {} {} {} {}\n", spec::rule_name(rule.rule), to_string(rule.verdict),
                        rule.kept, rule.discriminating, rule.broken, rule.why);
  }
  return text;
}

std::string with_devices(Fault fault, std::size_t count, const ConformOptions& options) {
  std::vector<std::unique_ptr<BrokenDevice>> owned;
  std::vector<DeviceUnderTest*> devices;
  for (std::size_t i = 0; i < count; ++i) {
    owned.push_back(std::make_unique<BrokenDevice>(fault, 3));
    devices.push_back(owned.back().get());
  }
  const auto result = run_conform(devices, options);
  return result ? all_of(*result) : result.error().message;
}

TEST(ConformPool, TheResultIsTheSameForAnyNumberOfDevices) {
  const std::pair<Fault, ConformOptions> runs[] = {
      {Fault::none, some(30)},
      {Fault::forgets_tlbi, options_of(1, 0, "sequence:*")},
      {Fault::dies, options_of(1, 0, "command:*")}};
  for (const auto& [fault, options] : runs) {
    EXPECT_EQ(with_devices(fault, 3, options), with_devices(fault, 1, options));
  }
}

TEST(ConformPool, ARunInTwoPartsFindsWhatTheWholeDoes) {
  const auto kinds = [](u64 from, u64 cases) {
    BrokenDevice device(Fault::wrong_address, 3);
    ConformOptions options = some(cases);
    options.from = from;
    const auto result = run_conform(device, options);
    std::map<std::string, u64> times;
    if (!result) return times;
    for (const FoundDivergence& found : result->divergences) {
      times[found.divergence.called] += found.times;
    }
    return times;
  };
  // Each part runs the directed cases, too.
  const auto directed = kinds(0, 0);
  auto whole = kinds(0, 40);
  auto parts = kinds(0, 20);
  ASSERT_FALSE(directed.empty());
  EXPECT_NE(whole, directed);
  for (const auto& [kind, times] : directed) whole[kind] += times;
  for (const auto& [kind, times] : kinds(20, 20)) parts[kind] += times;
  EXPECT_EQ(parts, whole);
}

/// A device that is another one each time cannot be judged side by side.
TEST(ConformPool, DevicesThatDifferAreRefused) {
  SpecDevice one(1);
  spec::Capabilities caps = spec::parse_capabilities(spec_device_id());
  caps.ril = false;
  SpecDevice other(1, spec::make_id_registers(caps));
  DeviceUnderTest* const devices[] = {&one, &other};
  EXPECT_FALSE(run_conform(devices, some(1)));
}

/// The pool ends though nobody takes what is done, and with an error where a device fails.
TEST(ConformPool, EndsInTheMiddle) {
  SpecDevice own(1);
  SpecDevice other(1);
  CaseWorker worker(own);
  DeviceUnderTest* const others[] = {&other};
  CasePool pool(worker, others, [&](u64 n) {
    return std::optional(CaseJob{.what = random_case(own.identity(), 1, n), .count = false});
  });
  const auto first = pool.next();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->what.name, "random: seed 1, case 0");
}

}  // namespace
}  // namespace iommucheck::oracle::conform_suite_test
