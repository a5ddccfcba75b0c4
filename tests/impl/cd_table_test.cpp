// SPDX-License-Identifier: MIT
// The PASID table of a domain: what a device has looked at before somebody was bound there.
#include "tests/impl/sva_support.h"

namespace iommucheck::test::cd_table_test {
namespace {

// An SMMU may cache an L1CD that is invalid, and the CDs of a leaf that are (IHI 0070 3.21.3).
TEST(CdTable, a_number_that_was_tried_before_it_was_bound_is_reached) {
  for (const bool two_level : {true, false}) {
    FakeOptions options = with_pasids();
    options.two_level_cds = two_level;
    TwoDevices w(options);
    ASSERT_EQ(w.d.init(0, iopf), 0);
    ASSERT_EQ(w.d.bind(0, 1), 1);
    ASSERT_EQ(w.d.init(1, iopf, 70, 200), 0);
    ASSERT_EQ(w.d.detach(w.b, 1), 0);
    ASSERT_EQ(w.d.attach(w.a, 1), 0);
    for (u32 device = 0; device < 2; ++device) {
      for (const u32 pasid : {2u, 63u, 64u, 70u, 71u, 1023u}) {
        EXPECT_EQ(w.d.reach(device, pasid, va), std::nullopt);
      }
    }
    ASSERT_EQ(w.d.bind(1, 2), 70);
    for (u32 device = 0; device < 2; ++device) {
      EXPECT_EQ(w.d.reach(device, 70, va), phys + 2 * page) << device;
      EXPECT_EQ(w.d.reach(device, 71, va), std::nullopt) << device;
    }
    EXPECT_EQ(w.d.unbind(1, 70), 0);
    EXPECT_EQ(w.d.unbind(0, 1), 0);
    ASSERT_EQ(w.d.detach(w.a, 1), 0);
    ASSERT_EQ(w.d.attach(w.b, 1), 0);
    w.end();
  }
}

}  // namespace
}  // namespace iommucheck::test::cd_table_test
