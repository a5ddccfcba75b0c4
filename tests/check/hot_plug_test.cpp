// SPDX-License-Identifier: MIT
// A device that was removed is there again, or another one in its place: its driver's part.
#include <gtest/gtest.h>

#include "impl/driver.h"
#include "tests/check/lines_support.h"

namespace iommucheck::oracle::hot_plug_test {
namespace {

unsigned added = 0;  ///< times that device 0 was

/// Each of them is right until a device comes back.
iommucheck_driver never_takes_it_back() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.device_add = [](void* self, u32 device) -> int {
    if (device == 0 && ++added > 1) return -IOMMUCHECK_EEXIST;
    return impl::builtin_driver()->device_add(self, device);
  };
  return driver;
}

iommucheck_driver takes_it_back_in_words_only() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.device_add = [](void* self, u32 device) -> int {
    if (device == 0 && ++added > 1) return 0;
    return impl::builtin_driver()->device_add(self, device);
  };
  return driver;
}

/// Says so where no memory is short.
iommucheck_driver has_no_memory_for_it() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.device_add = [](void* self, u32 device) -> int {
    if (device == 0 && ++added > 1) return -IOMMUCHECK_ENOMEM;
    return impl::builtin_driver()->device_add(self, device);
  };
  return driver;
}

/// NOT_BUILT is no error, and the device stays away; so that nothing is asked of it.
iommucheck_driver is_not_built_for_it() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.device_add = [](void* self, u32 device) -> int {
    if (device == 0 && ++added > 1) return IOMMUCHECK_NOT_BUILT;
    return impl::builtin_driver()->device_add(self, device);
  };
  return driver;
}

std::vector<std::string> findings_of(const iommucheck_driver& driver, std::string_view sequence) {
  added = 0;
  return test::findings_of_lines(driver, sequence);
}

/// Removed, and there again: attached, mapped, bound.
constexpr std::string_view there_again =
    "attach\nmap\nremove\nremove\nattach\nmap page=1\nsva_init\nbind\n";

TEST(HotPlug, ADriverThatTakesADeviceBackHolds) {
  EXPECT_TRUE(findings_of(*impl::builtin_driver(), there_again).empty());
}

TEST(HotPlug, OneThatDoesNotIsFound) {
  const auto refused = findings_of(never_takes_it_back(), there_again);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0], "device_add answered EEXIST");
  const auto no_memory = findings_of(has_no_memory_for_it(), there_again);
  ASSERT_EQ(no_memory.size(), 1U);
  EXPECT_EQ(no_memory[0], "device_add answered ENOMEM");
  EXPECT_FALSE(findings_of(takes_it_back_in_words_only(), there_again).empty());
}

TEST(HotPlug, OneThatIsNotBuiltForItHolds) {
  EXPECT_TRUE(findings_of(is_not_built_for_it(), there_again).empty());
  EXPECT_GT(added, 1U);
}

TEST(HotPlug, OneThatTakesNoDeviceBackIsNotFoundWhereNoneComes) {
  EXPECT_TRUE(findings_of(never_takes_it_back(), "attach\nmap\nremove\n").empty());
}

}  // namespace
}  // namespace iommucheck::oracle::hot_plug_test
