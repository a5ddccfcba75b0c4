// SPDX-License-Identifier: MIT
// `iommucheck conform` of a device of one's own: its exit status, and that every finding says how
// its case is run alone.
#include <gmock/gmock.h>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::own_device_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
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
  const std::string again = "iommucheck conform --device " + twin + " --only 'ste: ";
  EXPECT_THAT(ran.out, AllOf(HasSubstr("NEW DIVERGENCE STE_BYPASS"), HasSubstr(again)));
  const std::size_t begin = ran.out.find(again) + again.size() - 6;
  const std::string name = ran.out.substr(begin, ran.out.find('\'', begin + 1) + 1 - begin);
  const Ran alone = shell(with + twin + " --seed 1 --only " + name);
  EXPECT_EQ(alone.status, 1) << name << alone.out << alone.err;
  EXPECT_THAT(alone.out, HasSubstr("1 directed cases, 0 random ones"));
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
