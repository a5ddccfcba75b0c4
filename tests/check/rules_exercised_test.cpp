// SPDX-License-Identifier: MIT
// Each rule that a driver has to keep is asked of our own driver, or of one of the museum, where
// breaking it would have shown. What is not is listed with its reason, and nothing else is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

#include "check/check.h"
#include "spec/rules.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/check/lockstep_support.h"

namespace iommucheck::test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

struct OfNobody {
  Rule rule;
  const char* why;
};
constexpr OfNobody of_nobody[] = {
    {rule::CONFIG_MIXTURE, "of recordings"},
    {rule::CONFIG_STALE_ACCESS, "of recordings"},
    {rule::TRANSLATION_STALE_ACCESS, "of recordings"},
};

/// Our own driver does it rightly in a way that asks nothing; one of the museum does not.
struct OfMuseum {
  Rule rule;
  const char* driver;
  const char* machine;
};
constexpr OfMuseum of_museum[] = {
    // By compare and exchange nothing is lost, and nothing asked.
    {rule::LOST_UPDATE_STORE, "dirty_plain_stores", "httu=2"},
    // It sets no contiguous hint, and sends no CMD_STALL_TERM.
    {rule::CONFLICT_CONTIGUOUS, "contiguous_hint_on_each_leaf", "default"},
    {rule::STALL_TERM_ABORTS, "stall_term_before_cfgi", "default"},
    // Its STEs are each for itself.
    {rule::STE_SPAN, "ste_states_a_span", "default"},
};

std::set<Rule> asked_of(const std::string& driver, const std::string& machine, u64 sequences) {
  oracle::CheckOptions options;
  options.driver = driver;
  options.machine = machine;
  options.sequences = sequences;
  options.findings_max = 1000;
  options.shrink = false;
  options.jobs = 2;
  const auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  std::set<Rule> asked;
  for (const oracle::RuleCount& count : result->rules) {
    if (count.discriminating != 0 || count.broken != 0) asked.insert(count.rule);
  }
  return asked;
}

TEST(RulesExercised, EachOfADriverIsAskedOrHasAReason) {
  std::set<Rule> of_builtin = asked_of("builtin", "drawn", 4096);
  for (const OfMuseum& one : of_museum) {
    EXPECT_FALSE(of_builtin.contains(one.rule)) << spec::rule_name(one.rule);
    EXPECT_TRUE(asked_of(museum(one.driver), one.machine, 128).contains(one.rule)) << one.driver;
    of_builtin.insert(one.rule);
  }
  std::map<Rule, std::string> elsewhere;
  for (const OfNobody& one : of_nobody) {
    EXPECT_TRUE(elsewhere.emplace(one.rule, one.why).second);
  }
  for (const spec::RuleInfo& info : spec::all_rules()) {
    if (info.keeper != spec::Keeper::driver) continue;
    const auto other = elsewhere.find(info.rule);
    if (other == elsewhere.end()) {
      EXPECT_TRUE(of_builtin.contains(info.rule))
          << spec::rule_name(info.rule) << " is asked of nobody, and no reason is listed";
    } else {
      EXPECT_FALSE(of_builtin.contains(info.rule))
          << spec::rule_name(info.rule)
          << " is asked of our driver; it is listed as: " << other->second;
    }
  }
}

}  // namespace
}  // namespace iommucheck::test
