// SPDX-License-Identifier: MIT
// The builtin driver in both of its forms: tables of each domain, and of each device.
#include <gtest/gtest.h>

#include "check/check.h"
#include "impl/driver.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::oracle::table_forms_test {
namespace {

TEST(TableForms, HaveNames) {
  for (const char* name : {"builtin", "builtin-per-device"}) {
    ASSERT_NE(impl::builtin_driver(name), nullptr) << name;
    EXPECT_STREQ(impl::builtin_driver(name)->name, name);
  }
  EXPECT_EQ(impl::builtin_driver("builtin-per-process"), nullptr);
  EXPECT_EQ(impl::builtin_driver()->flags & IOMMUCHECK_DRIVER_PER_DEVICE_TABLES, 0U);
  EXPECT_NE(impl::builtin_driver_per_device()->flags & IOMMUCHECK_DRIVER_PER_DEVICE_TABLES, 0U);
  // A domain's table is nobody's to attach to.
  EXPECT_EQ(impl::builtin_driver()->sva_attach, nullptr);
  EXPECT_NE(impl::builtin_driver_per_device()->sva_attach, nullptr);
}

TEST(TableForms, HoldAlike) {
  for (const char* name : {"builtin", "builtin-per-device"}) {
    CheckOptions options;
    options.driver = name;
    options.machine = "drawn";
    options.seed = 31;
    options.sequences = 2000;
    const auto result = run_check(options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->driver_name, name);
    EXPECT_TRUE(result->findings.empty()) << name;
    EXPECT_EQ(result->sequences, options.sequences);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::table_forms_test
