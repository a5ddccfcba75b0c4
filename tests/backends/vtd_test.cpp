// SPDX-License-Identifier: MIT
// A stranger's backend, like VT-d's, whose translations are known by domain and PASID: it holds
// with each flag and without, and what is planted in it is found in 200 sequences, with its cause.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/finding_kind_text.h"
#include "tests/backends/checked_support.h"
#include "tests/cases.h"
#include "tests/places.h"

namespace iommucheck::oracle::vtd_test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Matcher;

const std::string vtd = test::in_build("test-plugins/vtd_backend");

constexpr const char* way = "; a route or an entry that memory no longer says is still cached";
constexpr const char* translation = "; a translation that memory no longer says is still cached";
constexpr const char* other_space = "; a translation of another space with the same tag";
constexpr const char* device = "; the device has cached it, and has not dropped it";

TEST(VtdBackend, HoldsWithEachFlagAndWithout) {
  for (const char* name : {"", "_caching_mode", "_without_waits", "_without_waiting_alone",
                           "_without_rid_pasid_0", "_without_pass_through", "_write_alone"}) {
    test::expect_held(test::checked_backend(vtd + name + ".so", 3, test::cases(120, 2048)),
                      "vtd" + std::string(name));
  }
}

/// A device that keeps what passes untranslated is told to drop it when it leaves: both seeds go
/// from an identity domain to nothing, and to another domain, without a table of its own.
TEST(VtdBackend, WhatPassesUntranslatedMayBeKeptByDevices) {
  for (const u64 seed : {2U, 5U}) {
    for (const char* devices : {"devices=1:0:ats/2:0/3:0/4:0", "devices=1:8:ats"}) {
      test::expect_held(test::checked_backend(vtd + "_keeps_pass_through.so", seed,
                                              test::cases(120, 512), 1, devices),
                        devices);
    }
  }
}

struct Bug {
  const char* name;
  Matcher<std::string> cause;
};

void expect_found(const std::vector<Bug>& bugs, u64 runs) {
  for (const auto& [name, cause] : test::part_in_this_run(bugs, 2)) {
    const CheckResult result = test::checked_backend(vtd + "_" + name + ".so", 1, runs);
    ASSERT_EQ(result.findings.size(), 1U) << name;
    EXPECT_THAT(text_of(result.findings.front().kind), cause) << name;
    EXPECT_EQ(result.findings.front().party, spec::Keeper::backend) << name;
  }
}

const Matcher<std::string> table = HasSubstr("table");

TEST(VtdBackend, WhatIsPlantedIsFoundWithItsCause) {
  expect_found(
      {{"second_stream", HasSubstr(device)},
       {"high_pasids", AnyOf(HasSubstr("promised"), HasSubstr("elsewhere"), table)},
       {"privileged", AnyOf(HasSubstr("promised"), HasSubstr("with more rights"))},
       {"first_page", AnyOf(HasSubstr(translation), table)},
       {"pasid_cache", AnyOf(HasSubstr(way), table)},
       {"context_cache", AnyOf(HasSubstr(way), table)},
       {"no_wait", AnyOf(HasSubstr(way), HasSubstr(translation), HasSubstr(device), table)},
       {"device_range", HasSubstr(device)},
       {"quiet", HasSubstr("promised")},
       {"high_bits", HasSubstr("promised")},
       {"success", HasSubstr("is made again, though its user said no")}},
      200);
}

/// What takes a collision, two places, a whole table, or a time-out.
TEST(VtdBackend, WhatIsSeldomMetIsFoundInLongerRuns) {
  expect_found({{"tags_collide", AnyOf(HasSubstr(other_space), HasSubstr(translation), table)},
                {"pointers_left", AnyOf(HasSubstr(translation), table)},
                {"first_place", AnyOf(HasSubstr(translation), table)},
                {"freed_early", table},
                {"everything", AnyOf(HasSubstr(translation), HasSubstr(way), table)},
                {"unmap_first", AnyOf(HasSubstr("promised"), HasSubstr(translation), table)}},
               4096);
}

}  // namespace
}  // namespace iommucheck::oracle::vtd_test
