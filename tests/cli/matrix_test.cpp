// SPDX-License-Identifier: MIT
// `matrix`, and `conform --driver`, as people run them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/command_support.h"
#include "trace/json_value.h"

namespace iommucheck::cli_matrix_test {
namespace {

using ::testing::HasSubstr;

TEST_F(Command, MatrixSaysWhatEachPairCameTo) {
  const Ran text = run("matrix --driver builtin --device fast --runs 10 --seed 1");
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("matrix of 1 drivers and 2 devices: holds, 2 of 2 pairs hold"));
  const Ran json = run("matrix --driver builtin --device fast --runs 10 --seed 1 --format json");
  EXPECT_EQ(json.status, 0) << json.err;
  const auto document = trace::parse_json(json.out);
  ASSERT_TRUE(document) << document.error().message;
  const auto* cells = document->find("cells");
  ASSERT_NE(cells, nullptr);
  ASSERT_EQ(cells->value.items.size(), 2U);
  for (const trace::JsonValue& cell : cells->value.items) {
    EXPECT_EQ(cell.find("verdict")->value.text, "holds");
    EXPECT_GT(cell.find("accesses")->value.number, 0U);
  }
}

TEST_F(Command, ConformWithADriverTellsBoth) {
  const Ran ran = run("conform --device fast --driver builtin --cases 10 --seed 1");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("10 sequences of the driver"));
  EXPECT_THAT(ran.out, HasSubstr("cases of driver builtin from seed 1"));
}

TEST_F(Command, DriversOfAMatrixThatCannotBeUsed) {
  const std::pair<const char*, const char*> cases[] = {
      {"matrix --device fast", "--driver is required"},
      {"matrix --driver builtin", "--device is required"},
      {"matrix --driver builtin --device fast --runs 0", "'0' is no whole number"},
      {"matrix --driver builtin --device fast --corpus /nowhere", "there is no sequence of check"},
      {"matrix --driver /nowhere.so --device fast --runs 1", "/nowhere.so"},
      {"conform --device fast --corpus /tmp", "--corpus requires --driver"},
      {"conform --device fast --driver builtin --only x", "--only excludes --driver"},
      {"conform --device fast --driver /nowhere.so", "/nowhere.so"},
  };
  for (const auto& [arguments, message] : cases) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 2) << arguments << "\n" << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(message)) << arguments;
  }
}

}  // namespace
}  // namespace iommucheck::cli_matrix_test
