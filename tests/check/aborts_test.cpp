// SPDX-License-Identifier: MIT
// Accesses of the SMMU's own abort while a driver runs: GERROR tells it. IHI 0070 7.2.2, 7.5, 8.2.
#include <gtest/gtest.h>

#include "impl/driver.h"
#include "tests/check/lines_support.h"

namespace iommucheck::oracle::aborts_test {
namespace {

unsigned errors_told = 0, errors_left = 0;

/// Our driver, which counts interrupts of errors.
iommucheck_driver counts_them() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.handle_irq = [](void* self, uint64_t source) {
    if (source == IOMMUCHECK_IRQ_GLOBAL_ERROR) ++errors_told;
    impl::builtin_driver()->handle_irq(self, source);
  };
  return driver;
}

/// It does not hear of them.
iommucheck_driver without_interrupts() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.handle_irq = nullptr;
  return driver;
}

std::vector<std::string> findings_of(const iommucheck_driver& driver, std::string_view sequence,
                                     std::string_view machine) {
  errors_told = 0;
  return test::findings_of_lines(driver, sequence, machine, [](Lockstep& behind) {
    errors_left = static_cast<unsigned>(behind.monitor().smmu().gerror());
  });
}

using Findings = std::vector<std::string>;

/// An error of each kind, some of them twice, with interrupts that find nothing new.
constexpr std::string_view of_each_queue =
    "attach\nmap\nhardware commands=1 at=11 variant=abort\nmap page=1\naccess\n"
    "hardware commands=5 at=29 variant=abort\nunmap\nhardware commands=7 at=3 variant=abort\n";

TEST(Aborts, OfQueuesAreToldAndAcknowledged) {
  for (const char* machine : {"default", "pri=1", "msi=0", "ats=0"}) {
    EXPECT_EQ(findings_of(counts_them(), of_each_queue, machine), Findings{}) << machine;
    EXPECT_GE(errors_told, 6U) << machine;
  }
}

TEST(Aborts, DoNotComeWhereNobodyHears) {
  EXPECT_EQ(findings_of(without_interrupts(), of_each_queue, "default"), Findings{});
  EXPECT_EQ(errors_left, 0U);
}

/// Its CMD_SYNC is consumed: who looks at CMDQ_CONS is through.
TEST(Aborts, OfTheMessageOfACommandLeaveItsCallRight) {
  constexpr std::string_view sequence =
      "attach\nmap\nmap page=1\nhardware variant=abort\nunmap\nunmap\naccess\n"
      "hardware variant=abort\nmap\nunmap\n";
  EXPECT_EQ(findings_of(counts_them(), sequence, "msi=1"), Findings{});
  EXPECT_GE(errors_told, 1U);
}

/// A driver that is told in `shutdown` that its time is up may keep what it was to give back.
TEST(Aborts, AreNotDueAnyMoreWhenEverythingIsGivenBack) {
  constexpr std::string_view sequence = "attach\nmap\nhardware variant=abort\n";
  EXPECT_EQ(findings_of(counts_them(), sequence, "msi=1"), Findings{});
  EXPECT_EQ(errors_left, 0U);
  EXPECT_EQ(findings_of(counts_them(), std::string{sequence} + "map page=1\nunmap\n", "msi=1"),
            Findings{});
  EXPECT_NE(errors_left, 0U);
}

}  // namespace
}  // namespace iommucheck::oracle::aborts_test
