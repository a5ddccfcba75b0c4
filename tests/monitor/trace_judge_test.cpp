// SPDX-License-Identifier: MIT
// The loop behind replay and the C door: what it tells where the specification gives up.
#include "monitor/trace_judge.h"

#include <gtest/gtest.h>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "monitor/trace_setup.h"

namespace iommucheck::oracle::trace_judge_test {
namespace {

using spec::sva::CallKind;

Setup one_device() {
  Setup setup;
  setup.id = default_id_registers();
  setup.window_bytes = u64{16} << 20;
  setup.devices.push_back({.stream_ids = {1}});
  return setup;
}

/// More calls at once than the interface follows.
TEST(Judge, TellsThatABoundWasHit) {
  Judge judge(header_of(one_device(), {}), 20);
  Monitor& monitor = judge.monitor();
  DriverHost host(*impl::builtin_driver(), monitor);
  ASSERT_EQ(host.boot(), "");
  EXPECT_TRUE(judge.missing().empty());
  EXPECT_TRUE(judge.result().bound.empty());
  for (unsigned i = 0; i < 65; ++i) {
    monitor.call_begins({.kind = CallKind::pasid_alloc, .min_pasid = 1, .max_pasid = 0});
    monitor.call_waits();
  }
  monitor.check_whole_space();
  ASSERT_TRUE(monitor.findings().empty());
  ASSERT_TRUE(judge.gave_up());
  const std::vector<MissingFact> missing = judge.missing();
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].fact, "a bound of the specification was hit");
  EXPECT_EQ(judge.result().bound, missing[0].fact);
}

}  // namespace
}  // namespace iommucheck::oracle::trace_judge_test
