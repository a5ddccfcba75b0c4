// SPDX-License-Identifier: MIT
// The scenarios on a guest's driver: what the guest has is judged on three levels, what it has not
// is said by its name, and a guest's, a VMM's or a host's mistake fails some of them.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "check/alone.h"
#include "impl/driver.h"
#include "scenario/format/parser.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"
#include "tests/places.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::guest_scenarios_test {
namespace {

using scenario::Scenario;
using Status = ScenarioResult::Status;

ScenarioResult run(const Scenario& scenario, const iommucheck_driver& driver, bool builtin,
                   const Guest::MakeSmmu& make_smmu = {}, const iommucheck_driver* host = nullptr) {
  return run_scenario(scenario, {.make_subject =
                                     [&] {
                                       auto subject = std::make_unique<DriverSubject>(
                                           driver, builtin, nullptr);
                                       subject->make_guest(make_smmu, host);
                                       return subject;
                                     },
                                 .trace = {}});
}

std::string text_of(const ScenarioResult& result) {
  if (!result.failure) return result.bound;
  std::string text = "line " + std::to_string(result.failure->place.line) + ": " +
                     result.failure->step + "\n expected " + result.failure->expected +
                     "\n observed " + result.failure->observed;
  for (const std::string& line : result.failure->evidence) text += "\n " + line;
  return text;
}

/// What a guest has not got. docs/drivers.md, "A guest's driver".
const std::set<std::string> not_a_guests = {"iopf=stall",
                                            "iopf=pri",
                                            "ats=1",
                                            "stuck after",
                                            "backend=two",
                                            "several IOMMUs",
                                            "?walk",
                                            "?gpu",
                                            "gpu_switch",
                                            "gpu_flush",
                                            "event_queue_open",
                                            "event_read",
                                            "ucd",
                                            "event_queue_close",
                                            "upt",
                                            "cd",
                                            "page request groups"};

TEST(ScenariosOfAGuest, PassOrSayWhatTheyNeed) {
  u64 passed = 0;
  for (const Scenario& scenario : test::all_scenarios()) {
    const ScenarioResult result = run(scenario, *impl::builtin_driver(), true);
    EXPECT_TRUE(result.status == Status::passed || result.status == Status::needs)
        << scenario.id << " " << text_of(result);
    passed += result.status == Status::passed ? 1 : 0;
    for (const std::string& need : result.needs) {
      const bool numbers = need.starts_with("iova_bits=") || need.starts_with("iommu_pasids=") ||
                           need.starts_with("pasids=") || need.starts_with("pgsizes=") ||
                           need.starts_with("domain_alloc(") || need.starts_with("tables=");
      EXPECT_TRUE(numbers || not_a_guests.contains(need)) << scenario.id << " needs " << need;
    }
  }
  EXPECT_GT(passed, 80U);
}

/// By rule, of those in which something is found.
std::set<std::string> found_in_all(const std::function<ScenarioResult(const Scenario&)>& runs) {
  std::set<std::string> rules;
  for (const Scenario& scenario : test::all_scenarios()) {
    const ScenarioResult result = runs(scenario);
    if (result.status != Status::failed) continue;
    const auto rule = result.failure->rule;
    rules.insert(rule ? std::string(spec::rule_name(*rule)) : "expectation");
    if (rules.size() >= 3) break;
  }
  return rules;
}

class Twin final : public VirtualSmmu {
 public:
  Twin(HostSide& host, const GuestSetup& guest, u64 forgotten, bool marked)
      : VirtualSmmu(host, guest), forgotten_(forgotten), marked_(marked) {}

 private:
  bool hands_on(Command& command) override { return (command.low & 0xff) != forgotten_; }
  bool marks(spec::FlagUpdate& /*mark*/) override { return marked_; }
  u64 forgotten_;
  bool marked_;
};

/// A VMM's: of CFGI_STE, CFGI_CD, NH_ASID, NH_VA one is not handed on; no mark is seen.
TEST(ScenariosOfAGuest, TellAVmmThatForgets) {
  for (const u64 forgotten : {0x03U, 0x05U, 0x11U, 0x12U}) {
    const auto rules = found_in_all([&](const Scenario& scenario) {
      return run(scenario, *impl::builtin_driver(), true,
                 [&](HostSide& host, const GuestSetup& guest) {
                   return std::make_unique<Twin>(host, guest, forgotten, true);
                 });
    });
    EXPECT_TRUE(rules.contains("DEVICE_OUTCOME")) << forgotten;
  }
  const auto rules = found_in_all([&](const Scenario& scenario) {
    return run(scenario, *impl::builtin_driver(), true,
               [&](HostSide& host, const GuestSetup& guest) {
                 return std::make_unique<Twin>(host, guest, 0, false);
               });
  });
  EXPECT_TRUE(rules.contains("FLAG_UPDATES"));
}

LoadedPlugin museum(const std::string& name) {
  CheckOptions options;
  options.driver = test::in_build("museum/museum_" + name + ".so");
  auto plugin = load_plugin(options);
  if (!plugin) throw std::runtime_error(plugin.error().message);
  return std::move(*plugin);
}

TEST(ScenariosOfAGuest, TellAGuestsDriver) {
  const auto plugin = museum("unmap_no_tlbi");
  const auto rules =
      found_in_all([&](const Scenario& scenario) { return run(scenario, plugin.driver(), false); });
  EXPECT_FALSE(rules.empty());
  EXPECT_FALSE(rules.contains("DEVICE_OUTCOME"));
}

/// The host's driver says that the user's commands are done before they are: the guest's devices
/// meet what is cached.
TEST(ScenariosOfAGuest, TellAHostsDriver) {
  const auto plugin = museum("user_commands_without_sync");
  const auto rules = found_in_all([&](const Scenario& scenario) {
    return run(scenario, *impl::builtin_driver(), true, {}, &plugin.driver());
  });
  EXPECT_TRUE(rules.contains("DEVICE_OUTCOME"));
}

}  // namespace
}  // namespace iommucheck::oracle::stories::guest_scenarios_test
