// SPDX-License-Identifier: MIT
// A finding by promises if and only if outcomes() has it: of states that the right driver left,
// disturbed behind its back. IOMMUCHECK_JUDGE_STATES asks for more of them.
#include "tests/check/judge_agreement_support.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "tests/check/lockstep_support.h"

namespace iommucheck::test::judge_agreement_test {
namespace {

using oracle::Finding;

u64 states() {
  const char* asked = std::getenv("IOMMUCHECK_JUDGE_STATES");
  return asked == nullptr ? 10000 : std::strtoull(asked, nullptr, 10);
}

/// Takes away or adds what the monitor's judge found: a judge that is wrong.
using Mistake = std::function<void(oracle::Monitor&, std::vector<Finding>&)>;

struct Agreement {
  u64 states = 0, broken = 0;
  std::string first;  ///< on what they do not agree
};

Agreement compare(const std::string& machine, u64 seed, u64 number, const Mistake& mistake = {}) {
  oracle::LockstepOptions options;
  options.machine = *oracle::parse_machine(machine);
  Booted driver({}, options);
  Agreement agreement;
  for (u64 i = 0; i < number; ++i) {
    const auto sequence = sequence_of(seed, i, 8);
    driver->run(sequence.operations, {});
    oracle::Monitor& monitor = driver->monitor();
    if (!monitor.findings().empty() || monitor.interface().in_call()) continue;
    for (u64 n = 0; n <= i % 4; ++n) disturb(*driver.lockstep, seed * 1000003 + i * 7 + n);
    std::vector<Finding> found = findings_of(monitor);
    if (mistake) mistake(monitor, found);
    if (monitor.gave_up() || !monitor.unsupported().empty()) continue;
    const std::string outcome = unpromised_outcome(monitor, found);
    ++agreement.states;
    if (!found.empty()) ++agreement.broken;
    if (found.empty() == outcome.empty()) continue;
    agreement.first = "state " + std::to_string(i) + " of seed " + std::to_string(seed) + " on " +
                      machine + ": the judge has " +
                      (found.empty() ? "nothing" : one_line(found.front())) + ", outcomes() has " +
                      (outcome.empty() ? "nothing" : outcome);
    return agreement;
  }
  return agreement;
}

TEST(JudgeAgreement, AFindingIfAndOnlyIfOutcomesHasIt) {
  u64 seen = 0, broken = 0;
  const char* const machines[] = {"default", "ats=0", "cohacc=0", "minor=3,httu=2,bbml=2",
                                  "devices=1:5/2:0/8:3:ats,cd2l=0"};
  u64 seed = 1;
  for (const char* machine : machines) {
    const Agreement one = compare(machine, seed++, states() / std::size(machines));
    EXPECT_EQ(one.first, "");
    seen += one.states;
    broken += one.broken;
  }
  EXPECT_GT(seen, states() / 2);
  EXPECT_GT(broken, seen / 10);
  EXPECT_LT(broken, seen - seen / 10);
}

TEST(JudgeAgreement, AJudgeThatMissesIsCaught) {
  const auto blind_to_ends = [](oracle::Monitor&, std::vector<Finding>& found) {
    std::erase_if(found, [](const Finding& finding) {
      return !finding.hardware.empty() && finding.hardware[0].kind == oracle::May::Kind::fault;
    });
  };
  EXPECT_NE(compare("default", 1, 2000, blind_to_ends).first, "");
  const auto blind_to_gbpa = [](oracle::Monitor& monitor, std::vector<Finding>& found) {
    if (!monitor.smmu().surely_enabled()) found.clear();
  };
  EXPECT_NE(compare("default", 1, 2000, blind_to_gbpa).first, "");
}

TEST(JudgeAgreement, AJudgeThatAccusesIsCaught) {
  const auto asks_no_gbpa = [](oracle::Monitor& monitor, std::vector<Finding>& found) {
    if (monitor.smmu().surely_enabled() || !found.empty()) return;
    found.push_back(oracle::finding_of(spec::rule::PROMISE_OUTCOME, "the STE has it"));
  };
  EXPECT_NE(compare("default", 1, 4000, asks_no_gbpa).first, "");
}

}  // namespace
}  // namespace iommucheck::test::judge_agreement_test
