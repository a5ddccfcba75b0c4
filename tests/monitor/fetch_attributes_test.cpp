// SPDX-License-Identifier: MIT
// Fetches that do not look into the CPUs' caches, where IDR0.COHACC = 1: what the driver stored is
// what matters, in lines that it never cleaned.
#include "monitor/fetch_attributes.h"

#include <gmock/gmock.h>

#include "tests/monitor/monitored_driver_support.h"

namespace iommucheck::oracle {
namespace {

using testing::IsEmpty;
using testing::Not;

class FetchAttributes : public MonitoredDriver {
 protected:
  static constexpr u64 line = 64;

  FetchAttributes() : domain(paging()) {
    attach(domain, 0);
    map(domain, page, p1);
  }

  u64 root() {
    return ok({.kind = spec::sva::CallKind::domain_get_attr,
               .domain = domain,
               .attribute = spec::sva::attribute_ttbr0});
  }
  void clean(u64 pa, u64 bytes) { monitor.clean(AgentId::cpu0, pa, bytes); }
  /// Device 0's CD, and what leads there.
  void clean_cds() {
    spec::Ste<u64> entry{};
    for (u64 i = 0; i < entry.dw.size(); ++i) entry.dw[i] = word(ste(1) + 8 * i);
    const unsigned leaf_bits = spec::cd_leaf_bits(entry, monitor.caches().capabilities());
    if (leaf_bits != 0) clean(spec::l1cd_address(entry, leaf_bits, u64{0}), 8);
    clean(cd(1), line);
  }
  void fetch_cds_around_the_caches() {
    constexpr u64 s1cir_s1cor_s1csh = 0xfc;
    plant(ste(1) + 8, word(ste(1) + 8) & ~s1cir_s1cor_s1csh);
  }
  void walk_around_the_caches() {
    constexpr u64 ir0_or0_sh0 = mask(13, 8);
    plant(cd(1), word(cd(1)) & ~ir0_or0_sh0);
  }

  u64 domain;
};

TEST_F(FetchAttributes, OfCdsInCachesMatter) {
  fetch_cds_around_the_caches();
  is_found("fetches of CDs of stream 0x1", spec::rule::WILD_STRUCTURE);
}

TEST_F(FetchAttributes, OfCdsThatAreCleanedDoNot) {
  clean_cds();
  fetch_cds_around_the_caches();
  holds();
}

/// As whoever cleans his tables, and forgets the CDs.
TEST_F(FetchAttributes, WhatElseIsCleanedSaysNothingOfThem) {
  clean(root(), page);
  clean(leaf(domain, page), line);
  fetch_cds_around_the_caches();
  is_found("fetches of CDs of stream 0x1", spec::rule::WILD_STRUCTURE);
}

TEST_F(FetchAttributes, OfWalksMatter) {
  clean_cds();
  walk_around_the_caches();
  is_found("walks of stream 0x1", spec::rule::WILD_WALK);
}

TEST_F(FetchAttributes, OfWalksOfACleanTableDoNot) {
  clean(root(), page);
  walk_around_the_caches();
  holds();
}

/// What somebody else had there before is nothing that was cleaned.
TEST_F(FetchAttributes, MemoryThatIsGivenAnewIsNotClean) {
  spec::Memory& memory = monitor.caches().memory();
  u64 pa = 0;
  ASSERT_NE(platform->table_alloc(platform->ctx, page, &pa), nullptr);
  plant(pa, 1);
  EXPECT_TRUE(memory.hides(pa, 8));
  clean(pa, 8);
  EXPECT_FALSE(memory.hides(pa, line));
  plant(pa + line, 1);
  EXPECT_TRUE(memory.hides(pa, 2 * line));
  platform->table_free(platform->ctx, pa, page);
  u64 again = 0;
  ASSERT_NE(platform->table_alloc(platform->ctx, page, &again), nullptr);
  EXPECT_FALSE(memory.left_caches(again));
}

}  // namespace
}  // namespace iommucheck::oracle
