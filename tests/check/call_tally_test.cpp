// SPDX-License-Identifier: MIT
// What a run says of calls that nobody saw done.
#include "check/call_tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/check/lockstep_support.h"

namespace iommucheck::test::call_tally_test {
namespace {

using oracle::CallTally;
using spec::sva::CallKind;
using spec::sva::DomainKind;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;

TEST(CallTally, CallsThatAreNotBuiltNowAndThenAreTold) {
  CallTally tally;
  const auto answered = [&](CallKind kind, u64 not_built, u64 asked) {
    tally.not_built[static_cast<std::size_t>(kind)] = not_built;
    tally.asked[static_cast<std::size_t>(kind)] = asked;
  };
  answered(CallKind::unmap, 0, 9);
  answered(CallKind::attach, 4, 4);        // a reason for no verdict
  answered(CallKind::domain_alloc, 1, 9);  // a kind of domain
  EXPECT_EQ(oracle::not_built_text(tally), "");
  answered(CallKind::map, 1999, 2627);
  EXPECT_EQ(oracle::not_built_text(tally), "1999 of 2627 calls of map");
  answered(CallKind::unmap, 1, 9);
  EXPECT_EQ(oracle::not_built_text(tally), "1999 of 2627 calls of map, 1 of 9 calls of unmap");
}

constexpr oracle::Abilities all_calls = (oracle::Abilities{1} << 60) - 1;

TEST(CallTally, WhatWasRefusedEachTimeIsTold) {
  CallTally tally;
  tally.declined[CallTally::of(CallKind::vdevice)] = 7;
  tally.declined[CallTally::of(DomainKind::identity)] = 3;
  tally.declined[CallTally::of(DomainKind::paging)] = 2;
  tally.asked[CallTally::of(DomainKind::paging)] = 1;  // one was made
  EXPECT_THAT(oracle::always_declined(tally, all_calls),
              ElementsAre("vdevice (7 times)", "domain_alloc of an identity domain (3 times)"));
  EXPECT_THAT(oracle::always_declined(tally, 0), IsEmpty()) << "it has none of them";
  tally.declined[CallTally::of(DomainKind::paging_s2)] = 4;
  EXPECT_THAT(oracle::always_declined(tally, all_calls),
              Contains("domain_alloc of a stage 2 domain (4 times)"));
  EXPECT_THAT(oracle::always_declined(tally, all_calls, false),
              Not(Contains(HasSubstr("stage 2"))));
  const auto never = oracle::never_possible(tally, all_calls);
  EXPECT_THAT(never, IsSupersetOf({"attach", "map", "cache_invalidate"}));
  EXPECT_THAT(never, Not(Contains("vdevice")));
}

/// A driver that has no nesting may say so to each user's table, and then none was looked at.
int refuses_users_tables(void* self, const iommucheck_domain_params* params,
                         iommucheck_handle* domain) {
  if (params->kind == IOMMUCHECK_DOMAIN_NESTED) {
    const auto* its = static_cast<const iommucheck_nested_params*>(params->of_kind);
    if ((its->table & 0xf) == 0xb) return -IOMMUCHECK_EOPNOTSUPP;  // V = 1, Config = 101
  }
  return impl::builtin_driver()->domain_alloc(self, params, domain);
}

const iommucheck_platform* platform_of_test = nullptr;

std::unique_ptr<oracle::Lockstep> booted(const iommucheck_driver& driver) {
  auto lockstep = std::make_unique<oracle::Lockstep>(driver, oracle::LockstepOptions{});
  EXPECT_EQ(lockstep->boot(), "");
  return lockstep;
}

CallTally answers_of(const iommucheck_driver& driver) {
  oracle::LockstepOptions options;
  options.machine = *oracle::parse_machine("s2p=1,httu=2");
  oracle::Lockstep lockstep(driver, options);
  EXPECT_EQ(lockstep.boot(), "");
  for (u64 number = 0; number < 2000; ++number) {
    lockstep.run(sequence_of(5, number).operations, {});
    EXPECT_THAT(lockstep.monitor().findings(), IsEmpty()) << "sequence " << number;
  }
  return lockstep.answered();
}

TEST(CallTally, ADriverWithoutUsersTablesIsNoNestingDriver) {
  iommucheck_driver driver = *impl::builtin_driver();
  const CallTally whole = answers_of(driver);
  EXPECT_THAT(oracle::always_declined(whole, all_calls), IsEmpty());
  EXPECT_THAT(oracle::seen_at_work(whole), ElementsAre("nesting", "dirty tracking"));
  driver.domain_alloc = refuses_users_tables;
  EXPECT_THAT(oracle::always_declined(answers_of(driver), all_calls),
              ElementsAre(HasSubstr("domain_alloc of a nested domain with the user's table (")));
}

/// CR2's value at the place of IDR0, as a driver was seen to have it.
int writes_to_idr0(void* self) {
  platform_of_test->mmio_write32(platform_of_test->ctx, 0, 2, IOMMUCHECK_MMIO_ORDERED);
  return impl::builtin_driver()->reset(self);
}

TEST(CallTally, AWriteToWhatIsOnlyReadIsTold) {
  iommucheck_driver driver = *impl::builtin_driver();
  EXPECT_EQ(booted(driver)->read_only_written(), 0U);
  driver.init = [](const iommucheck_platform* its, const iommucheck_config* config,
                   void** self) -> int {
    platform_of_test = its;
    return impl::builtin_driver()->init(its, config, self);
  };
  driver.reset = writes_to_idr0;
  EXPECT_THAT(spec::read_only_names(booted(driver)->read_only_written()), ElementsAre("IDR0"));
}

}  // namespace
}  // namespace iommucheck::test::call_tally_test
