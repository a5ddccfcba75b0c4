// SPDX-License-Identifier: MIT
// Drivers by devices: what each cell says, and what the run makes of them.
#include "matrix/matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/matrix/matrix_support.h"

namespace iommucheck::oracle::matrix_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

namespace rule = spec::rule;

TEST(Matrix, ACrashingDriverAndADeviceThatIsNotThereAreCells) {
  MatrixOptions options;
  options.drivers = {"builtin", test_plugin("faulty_crash")};
  options.devices = {"fast", "/nowhere.so"};
  options.sequences = 20;
  const MatrixResult result = run_matrix(options);
  EXPECT_THAT(result.devices, ElementsAre("spec", "fast", "/nowhere.so"));
  ASSERT_EQ(result.cells.size(), 6U);
  for (std::size_t i : {0U, 1U}) {
    const Cell& builtin = result.cells[i];
    EXPECT_EQ(builtin.verdict, Verdict::held) << table_of(result);
    EXPECT_GT(builtin.accesses, 100U);
    EXPECT_EQ(words_of(builtin).front(), "holds");
    const Cell& crashes = result.cells[3 + i];
    ASSERT_EQ(crashes.by_driver.size(), 1U);
    EXPECT_EQ(crashes.by_driver.front().rule, rule::CRASH_NEVER);
    EXPECT_TRUE(crashes.by_device.empty());
    EXPECT_THAT(words_of(crashes).front(), StartsWith("driver: CRASH_NEVER x"));
  }
  EXPECT_THAT(result.cells[2].cannot_run, HasSubstr("/nowhere.so"));
  EXPECT_EQ(end_of(result).verdict(), Verdict::violated);
}

TEST(Matrix, HoldsOnlyWhereAccessesWereJudged) {
  PairResult pair;
  pair.driver.sequences = 1;
  pair.driver.cases.emplace_back();
  pair.device.given = 1;
  EXPECT_EQ(end_of(pair).verdict(), Verdict::undecided);
  EXPECT_THAT(end_of(pair).why(), Contains("no access was judged"));
  pair.device.accesses = pair.device.any = 7;
  EXPECT_THAT(end_of(pair).why(), Contains("no access was judged")) << "anything may happen to all";
  pair.device.any = 6;
  EXPECT_THAT(end_of(pair).why(), Not(Contains("no access was judged")));
}

TEST(Matrix, ADriverThatIsNotForTheMachineIsUndecided) {
  MatrixOptions options;
  options.drivers = {test_plugin("stage2")};
  options.sequences = 5;
  const MatrixResult result = run_matrix(options);
  ASSERT_EQ(result.cells.size(), 1U);
  EXPECT_THAT(words_of(result.cells.front()), ElementsAre(HasSubstr("answered -19 (ENODEV)")));
  EXPECT_EQ(end_of(result).verdict(), Verdict::undecided);
}

Cell cell(const std::string& driver, const std::string& device) {
  Cell cell;
  cell.driver = driver;
  cell.device = device;
  cell.sequences = 100;
  cell.calls = 1234;
  cell.accesses = 56789;
  return cell;
}

TEST(MatrixTable, FitsAndWrapsAndHasEachPair) {
  MatrixResult result;
  result.drivers = {"builtin", "/a/long/way/to/a_driver_with_a_name_that_does_not_end.so"};
  result.devices = {"spec", "fast", "qemu", "exec:python3 device.py"};
  for (const std::string& driver : result.drivers) {
    for (const std::string& device : result.devices) result.cells.push_back(cell(driver, device));
  }
  result.cells[1].by_device = {{rule::PAGE_REUSE, 3}};
  result.cells[2].known = 4;
  result.cells[3].cannot_run = std::string(300, 'x');
  result.cells[4].undecided = {"no access was judged"};
  result.cells.pop_back();
  const std::string table = table_of(result);
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 100U) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
  for (const char* text : {"holds", "device: PAGE_REUSE x3", "device: 4 known", "cannot run:",
                           "undecided: no access", "not run", "exec:python3 device.py"}) {
    EXPECT_THAT(table, HasSubstr(text));
  }
}

}  // namespace
}  // namespace iommucheck::oracle::matrix_test
