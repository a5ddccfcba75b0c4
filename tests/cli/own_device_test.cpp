// SPDX-License-Identifier: MIT
// `iommucheck conform` of a device of one's own: its exit status, and that every finding says how
// its case is run alone.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/cli/command_support.h"
#include "tests/places.h"
#include "trace/json_value.h"

namespace iommucheck::own_device_test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const std::string minimal = test::in_build("examples/minimal_device.so");
const std::string twin = test::in_build("devices/twin_device.so");

using OwnDevice = Command;

TEST_F(OwnDevice, ThatHoldsEndsWithStatus0) {
  const Ran ran = run("conform --device " + minimal + " --seed 1 --cases 20 --time 0");
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("device minimal 1.0 against spec: holds, 0 known"));
}

TEST_F(OwnDevice, SaysHowAFindingIsSeenAgain) {
  const std::string with = "IOMMUCHECK_TWIN='wrong outside' " + program() + " conform --device ";
  const Ran ran = shell(with + twin + " --seed 1 --only 'ste*'");
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  const std::string again = "iommucheck conform --device " + twin + " --seed 1 --only 'ste: ";
  EXPECT_THAT(ran.out, AllOf(HasSubstr("NEW DIVERGENCE STE_BYPASS"), HasSubstr(again)));
  const std::size_t begin = ran.out.find(again) + again.size() - 6;
  const std::string name = ran.out.substr(begin, ran.out.find('\'', begin + 1) + 1 - begin);
  const Ran alone = shell(with + twin + " --seed 1 --only " + name);
  EXPECT_EQ(alone.status, 1) << name << alone.out << alone.err;
  EXPECT_THAT(alone.out, HasSubstr("1 directed cases, 0 random ones"));
}

/// A page: the verdict and each cause in a line, a few in full; what else there is to tell is asked
/// for.
TEST_F(OwnDevice, WhatThereIsToTellComesFirst) {
  // It has AF and SSec a bit too high, and addresses a bit too short.
  const Ran built = shell(
      "sed 's/ADDRESS(word, hi, lo) ((word) & ((BIT((hi) + 1)/ADDRESS(word, hi, lo) ((word) \\& "
      "((BIT((hi))/; s/BIT(10)/BIT(11)/' " +
      test::in_tree("examples/devices/minimal_device.c") + " >" + path("wrong.c") +
      " && clang-19 -shared -fPIC -I " + test::in_tree("include") + " -o " + path("wrong.so ") +
      path("wrong.c"));
  ASSERT_EQ(built.status, 0) << built.err;
  const std::string line = program() + " conform --device " + path("wrong.so") +
                           " --seed 1 --cases 0 --time 0 --only '[wc]*' ";
  const std::string told = shell(line).out;
  EXPECT_THAT(told, HasSubstr("\nDIFFERS: ")) << told;
  const std::size_t causes = told.find("\nnew: ");
  ASSERT_NE(causes, std::string::npos) << told;
  EXPECT_LT(causes, told.find("NEW DIVERGENCE"));
  EXPECT_THAT(told, Not(HasSubstr("\n  not claimed ")));
  EXPECT_THAT(told, HasSubstr(" not claimed (-v: why)\n"));
  const auto in_full = [](const std::string& text) {
    std::size_t count = 0;
    for (std::size_t at = 0; (at = text.find("\nNEW DIVERGENCE ", at)) != std::string::npos; ++at) {
      ++count;
    }
    return count;
  };
  const std::string all = shell(line + "-v").out;
  EXPECT_THAT(all, HasSubstr("\n  not claimed "));
  ASSERT_GT(in_full(all), 3U) << "the test shows it";
  EXPECT_EQ(in_full(told), 3U);
  EXPECT_THAT(told, HasSubstr(std::to_string(in_full(all) - 3) + " cause"));
  // One that is asked for, and nothing else.
  const std::size_t last = all.rfind("\n  kind: ") + 9;
  const std::string kind = all.substr(last, all.find('\n', last) - last);
  const std::string asked = shell(line + "--explain '" + kind + "'").out;
  EXPECT_GE(in_full(asked), 1U);
  EXPECT_THAT(asked, HasSubstr("\n  kind: " + kind + "\n"));
}

TEST_F(OwnDevice, IsListedAndRunCaseByCase) {
  const Ran list = run("conform --device " + minimal + " --list");
  EXPECT_EQ(list.status, 0);
  EXPECT_THAT(list.out, AllOf(StartsWith("ste: "), HasSubstr("\nregisters: identification\n")));
  const Ran one = run("conform --device " + minimal + " --seed 4 --case 7");
  EXPECT_EQ(one.status, 0) << one.out << one.err;
  EXPECT_THAT(one.out, HasSubstr("0 directed cases, 1 random ones from seed 4"));
  const Ran none = run("conform --device " + minimal + " --only nothing");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("--list has them"));
}

/// Readers of SARIF refuse a result that has no place: without a trace it is the object.
TEST_F(OwnDevice, EachResultHasAPlaceWithTracesAndWithout) {
  const std::string wrong = "IOMMUCHECK_TWIN='wrong outside' " + program() + " conform --device ";
  for (const bool traces : {false, true}) {
    const std::string report = path(traces ? "with.sarif" : "without.sarif");
    const Ran ran = shell(wrong + twin + " --only 'ste*' --seed 1 --report " + report +
                          (traces ? " --out " + path("o") : ""));
    ASSERT_EQ(ran.status, 1) << ran.out << ran.err;
    const auto log = trace::parse_json(slurp(report));
    ASSERT_TRUE(log.has_value());
    const auto& results = log->find("runs")->value.items.at(0).find("results")->value.items;
    ASSERT_FALSE(results.empty());
    for (const trace::JsonValue& result : results) {
      const trace::JsonValue& place = result.find("locations")->value.items.at(0);
      const auto* physical = place.find("physicalLocation");
      ASSERT_NE(physical, nullptr) << slurp(report);
      EXPECT_THAT(physical->value.find("artifactLocation")->value.find("uri")->value.text,
                  EndsWith(traces ? ".jsonl" : "devices/twin_device.so"));
    }
  }
}

TEST_F(OwnDevice, WhoseKnownTraceIsNotThereSaysWhereItBelongs) {
  const std::string wrong = "IOMMUCHECK_TWIN='wrong outside' " + program() + " conform --device ";
  ASSERT_EQ(shell(wrong + twin + " --only 'ste*' --seed 1 --out " + path("o")).status, 1);
  std::string written;
  for (const auto& file : std::filesystem::directory_iterator(path("o"))) {
    if (file.path().extension() == ".json") written = file.path();
  }
  std::filesystem::copy_file(written, path("known.json"));
  const Ran ran =
      run("conform --device " + twin + " --seed 1 --cases 1 --known " + path("known.json"));
  EXPECT_EQ(ran.status, 2) << ran.out;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("known.json: the trace of '"), HasSubstr("/known/"),
                             HasSubstr("--out DIR writes the file and a folder of its name")));
}

TEST_F(OwnDevice, ThatIsNoneEndsWithStatus2) {
  const Ran missing = run("conform --device ./nowhere.so");
  EXPECT_EQ(missing.status, 2);
  EXPECT_THAT(missing.err, HasSubstr("./nowhere.so: No such file"));
  const Ran driver = run("conform --device " + test::in_build("examples/simple_driver.so"));
  EXPECT_EQ(driver.status, 2);
  EXPECT_THAT(driver.err, HasSubstr("iommucheck_device_entry"));
}

}  // namespace
}  // namespace iommucheck::own_device_test
