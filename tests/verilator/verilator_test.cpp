// SPDX-License-Identifier: MIT
// examples/devices/verilator: an SMMU in SystemVerilog under Verilator, as a device under test and
// in a bench where two passive monitors watch. What is right holds, with rules that could have been
// broken; each twin is found by the rule, at the side that is at fault, and by nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "tests/own_path.h"

namespace iommucheck::verilator_test {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct Ran {
  int status = -1;  ///< of its exit; -1: it did not
  std::string output;
};

Ran run(const std::string& command) {
  Ran ran;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return ran;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    ran.output.append(buffer.data(), got);
  }
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) ran.status = WEXITSTATUS(status);
  return ran;
}

json read_json(const std::string& path) {
  std::ifstream in(path);
  return json::parse(in, nullptr, false);
}

/// Each test builds what it runs, and leaves nothing but what Verilator brings to the next one.
class Verilator : public ::testing::Test {
 protected:
  static void TearDownTestSuite() { std::filesystem::remove_all(runtime()); }
  void SetUp() override {
    if (run("verilator --version").status != 0) GTEST_SKIP() << "there is no verilator";
  }
  void TearDown() override { std::filesystem::remove_all(out_); }

  /// `what`: "device" or "bench".
  void build(const std::string& what, const std::string& twin = "") {
    const std::string command =
        "LAUNCHER='" IOMMUCHECK_COMPILER_LAUNCHER "' CXX='" IOMMUCHECK_CXX_COMPILER
        "' CC='" IOMMUCHECK_C_COMPILER "' LDFLAGS='" IOMMUCHECK_LINK_FLAGS
        "' IOMMUCHECK_LIB='" IOMMUCHECK_LIB "' RUNTIME='" +
        runtime() + "' sh '" IOMMUCHECK_SOURCE_DIR "/examples/devices/verilator/build.sh' " + what +
        " '" + out_ + "' " + twin;
    const Ran built = run(command);
    ASSERT_EQ(built.status, 0) << command << "\n" << built.output;
  }
  /// Directed cases with a name like `only`, on the device that was built.
  [[nodiscard]] json conform(const std::string& only, int status) const {
    const std::string report = out_ + "/report.json";
    const Ran ran = run("'" IOMMUCHECK_COMMAND "' conform --device '" + out_ +
                        "/bypass_smmu.so' --seed 7 --cases 0 --hang 60 --no-known --only '" + only +
                        "' --report '" + report + "'");
    EXPECT_EQ(ran.status, status) << ran.output;
    return read_json(report);
  }
  [[nodiscard]] Ran bench() const { return run("cd '" + out_ + "' && timeout 120 ./bench"); }
  /// What a monitor of the bench counted of a rule: "asked", "discriminating", "broken".
  [[nodiscard]] int counted(const std::string& monitor, const std::string& rule,
                            const char* what) const {
    const json coverage = read_json(out_ + "/" + monitor + ".coverage.json");
    const json::json_pointer place("/rules/" + rule + "/" + what);
    return coverage.contains(place) ? coverage.at(place).get<int>() : -1;
  }
  [[nodiscard]] std::set<std::string> broken(const std::string& monitor) const {
    std::set<std::string> rules;
    const json coverage = read_json(out_ + "/" + monitor + ".coverage.json");
    for (const auto& [rule, count] : coverage.at("rules").items()) {
      if (count.at("broken") != 0) rules.insert(rule);
    }
    return rules;
  }

  static std::string runtime() { return test::own_path("verilator_runtime"); }
  const std::string out_ = test::own_path("verilator");
};

using Kinds = std::set<std::pair<std::string, std::string>>;
Kinds kinds(const json& report) {
  Kinds all;
  for (const json& finding : report.at("findings")) {
    all.emplace(finding.at("rule").get<std::string>(), finding.at("kind").get<std::string>());
  }
  return all;
}

// ---- as a device under test ---------------------------------------------------------------------

/// What it has is right in every directed case. What it has not is a stage 1, which it answers with
/// C_BAD_STE.
TEST_F(Verilator, TheDeviceIsRightInAllThatItHas) {
  ASSERT_NO_FATAL_FAILURE(build("device"));
  for (const char* only : {"registers: *", "stream table: *", "command: *"}) {
    const json report = conform(only, 0);
    EXPECT_EQ(report.at("verdict"), "holds") << only;
    EXPECT_GT(report.at("directed"), 5) << only;
  }
  const json all = conform("*", 1);
  EXPECT_EQ(kinds(all),
            (Kinds{{"CD_FETCH", "C_BAD_STE instead of F_CD_FETCH"},
                   {"EVENT_ONCE", "C_BAD_STE instead of F_ACCESS without a record"},
                   {"EVENT_ONCE", "C_BAD_STE instead of F_PERMISSION without a record (AP[1])"},
                   {"EVENT_ONCE", "C_BAD_STE instead of F_PERMISSION without a record (AP[2])"},
                   {"EVENT_ONCE", "C_BAD_STE instead of F_TRANSLATION without a record"},
                   {"TRANSLATION_RESULT", "terminated as C_BAD_STE"},
                   {"TRANSLATION_RESULT", "terminated as C_BAD_STE (S1CDMax is ignored)"},
                   // the queue of one entry has room for one such record
                   {"TRANSLATION_RESULT", "terminated without a record"}}));
  EXPECT_EQ(all.at("deaths"), 0);
  EXPECT_EQ(all.at("undetermined"), 0);
  std::set<std::string> held;
  for (const json& rule : all.at("rules")) {
    if (rule.at("verdict") == "holds") held.insert(rule.at("rule").get<std::string>());
  }
  for (const char* rule : {"STE_ABORT", "STE_BYPASS", "STE_BYPASS_SIZE", "STE_VALID", "STE_FETCH",
                           "STREAM_ID_RANGE", "COMMAND_ERROR_STOPS", "CMD_ORDER", "EVENT_OVERFLOW",
                           "INTERRUPT_SENT", "DISABLED_PASSES", "REGISTER_PROGRESS"}) {
    EXPECT_TRUE(held.contains(rule)) << rule;
  }
}

TEST_F(Verilator, ADeviceThatIsWrongIsFound) {
  ASSERT_NO_FATAL_FAILURE(build("device", "TWIN_ABORT_PASSES TWIN_HANGS"));
  EXPECT_TRUE(
      kinds(conform("ste: *", 1))
          .contains({"STE_ABORT", "reached memory instead of termination without a record"}));
  const json hangs = conform("stream table: LOG2SIZE 4, CR2 2", 1);
  EXPECT_GT(hangs.at("deaths"), 0);
  EXPECT_THAT(hangs.at("findings").at(0).at("headline").get<std::string>(),
              HasSubstr("the transaction port is not ready within 10000 clocks"));
}

// ---- in a bench, watched ------------------------------------------------------------------------

TEST_F(Verilator, TheBenchHolds) {
  ASSERT_NO_FATAL_FAILURE(build("bench"));
  const Ran ran = bench();
  EXPECT_EQ(ran.status, 0) << ran.output;
  EXPECT_THAT(ran.output, AllOf(HasSubstr("bench: 0 mistakes; SMMU: verdict 0; driver: verdict 0"),
                                HasSubstr("bench: all held"), Not(HasSubstr("VIOLATION")),
                                Not(HasSubstr("not taken"))));
  // Nothing broken says little where nothing was asked.
  for (const char* rule :
       {"DEVICE_OUTCOME", "STE_ABORT", "STE_BYPASS", "STE_BYPASS_SIZE", "STE_VALID",
        "STREAM_ID_RANGE", "EVENT_RECORD", "EVENT_ONCE", "EVENT_LOST", "CMD_ORDER",
        "REGISTER_PROGRESS", "REGISTER_READ", "QUEUE_CONSUMED_ORDER"}) {
    EXPECT_GT(counted("device", rule, "discriminating"), 0) << rule;
  }
  for (const char* rule :
       {"CONFIG_STALE_ACCESS", "CONFIG_MIXTURE", "QUEUE_COMMAND_ILLEGAL", "QUEUE_OVERRUN",
        "REGISTER_ACK", "REGISTER_GUARDED", "UNKNOWN_AFTER_RESET"}) {
    EXPECT_GT(counted("driver", rule, "discriminating"), 0) << rule;
  }
  EXPECT_EQ(broken("device"), std::set<std::string>{});
  EXPECT_EQ(broken("driver"), std::set<std::string>{});
}

/// The RTL caches nothing, so that the bench sees nothing of it.
TEST_F(Verilator, ADriverThatForgetsAnInvalidationIsFound) {
  ASSERT_NO_FATAL_FAILURE(build("bench", "TWIN_FORGETS_CFGI"));
  const Ran ran = bench();
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.output,
              AllOf(HasSubstr("bench: 0 mistakes; SMMU: verdict 0; driver: verdict 1"),
                    HasSubstr("VIOLATION CONFIG_STALE_ACCESS (promise), at fault: driver"),
                    Not(HasSubstr("the driver's boot"))));  // no call was reported
  EXPECT_EQ(broken("device"), std::set<std::string>{});
  EXPECT_EQ(broken("driver"), std::set<std::string>{"CONFIG_STALE_ACCESS"});
}

TEST_F(Verilator, AnSmmuThatLetsAnAbortingStreamPassIsFound) {
  ASSERT_NO_FATAL_FAILURE(build("bench", "TWIN_ABORT_PASSES"));
  const Ran ran = bench();
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.output, AllOf(HasSubstr("bench: 0 mistakes; SMMU: verdict 1"),
                                HasSubstr("VIOLATION STE_ABORT (ste), at fault: smmu")));
  EXPECT_EQ(broken("device"), std::set<std::string>{"STE_ABORT"});
  // To the judge of the driver it is no driver's doing either.
  EXPECT_EQ(broken("driver"), std::set<std::string>{"DEVICE_OUTCOME"});
}

TEST_F(Verilator, AnSmmuThatRecordsAWrongAddressIsFound) {
  ASSERT_NO_FATAL_FAILURE(build("bench", "TWIN_WRONG_RECORD"));
  const Ran ran = bench();
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.output, AllOf(HasSubstr("bench: 0 mistakes; SMMU: verdict 1; driver: verdict 0"),
                                HasSubstr("VIOLATION EVENT_RECORD (event), at fault: smmu"),
                                HasSubstr("InputAddr is 0x100000000000, expected 0x100000000040")));
  EXPECT_EQ(broken("device"), std::set<std::string>{"EVENT_RECORD"});
  EXPECT_EQ(broken("driver"), std::set<std::string>{});
}

}  // namespace
}  // namespace iommucheck::verilator_test
