// SPDX-License-Identifier: MIT
// Every test of the folder as the command judges it: sets and verdicts, exactly.
#include <gtest/gtest.h>

#include <filesystem>

#include "litmus/agreement.h"
#include "litmus/parser.h"
#include "litmus/twin/twin.h"
#include "tests/litmus/expectations_support.h"
#include "tests/places.h"

namespace iommucheck::litmus::files_test {
namespace {

TEST(LitmusFiles, EveryTestIsAsItSays) {
  int judged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::in_tree("litmus/files"))) {
    if (entry.path().extension() != ".litmus") continue;
    const auto file = parse_file(entry.path().string());
    ASSERT_TRUE(file) << file.error().message;
    for (const auto& test : file->tests) {
      const auto got = judge_by_either(test);
      ASSERT_TRUE(got) << got.error().message;
      EXPECT_EQ(got->judgement.unsupported, "") << test.name;
      ++judged;
      EXPECT_EQ(difference(test, got->judgement), "") << to_string(test.place) << " " << test.name;
    }
  }
  EXPECT_GE(judged, 850);
}

/// No schedule comes to an end: that is no verdict, by either.
TEST(LitmusFiles, AWaitForWhatNeverComesDecidesNothing) {
  for (const char* run :
       {"run wait irq\n", "run cmd SYNC irq\nrun wait irq\nrun ring\n",
        "run cmd SYNC irq\nrun ring\nrun wait irq\nrun wait irq\n", "run wait msi W 1\n",
        "run cmd SYNC msi=W data=1\nrun ring\nrun wait msi W 2\n"}) {
    const auto file =
        parse(std::string("test t\ninit use std\n") + run + "access 1 0x1000 r -> P1\n");
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(judge(file->tests[0]).value().judgement.unsupported, waits_for_ever) << run;
    EXPECT_EQ(judge_literally(file->tests[0]).unsupported, waits_for_ever) << run;
  }
}

/// Another engine than the literal model judges what both have.
TEST(LitmusFiles, TheEngineComesFirst) {
  const auto reading = [](const std::string& lines) {
    const auto file = parse("test t\ninit use std\n" + lines);
    EXPECT_TRUE(file) << file.error().message;
    return judge_by_either(file->tests[0]).value();
  };
  EXPECT_EQ(reading("access 1 0x1000 r -> P1\n").literal, "");
  EXPECT_FALSE(reading("access 1 0x1000 r -> P1\n").reasons.empty());
  EXPECT_EQ(reading("run dma d begin 1 0x1000 r\nrun dma d end\ndma d -> P1\n").literal,
            "DMAs that take time");
}

}  // namespace
}  // namespace iommucheck::litmus::files_test
