// SPDX-License-Identifier: MIT
#include "scenario/run/corpus.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "scenario/format/parser.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::corpus_test {
namespace {

using fuzz::Operation;
using fuzz::OperationKind;

TEST(ScenarioCorpus, MostScenariosAreSeeds) {
  std::size_t seeds = 0;
  for (const scenario::Scenario& scenario : test::all_scenarios()) {
    const auto operations = to_operations(scenario);
    if (!operations) continue;
    ++seeds;
    EXPECT_LE(operations->size(), fuzz::operations_max) << scenario.id;
    EXPECT_EQ(fuzz::decode(fuzz::encode(*operations)), *operations) << scenario.id;
  }
  EXPECT_GE(seeds, 70U);
}

TEST(ScenarioCorpus, SaysWhatTheScenarioDoes) {
  const auto file = scenario::parse(
      "@ T R t\n  dev D0 iopf=stall\n  page P\n  proc X\n  d = domain_alloc(paging) -> new\n"
      "  e = domain_alloc(blocked) -> new\n  attach(d, D0) -> ok\n"
      "  map(d, 0x40000000, P, 0x1000, r) -> ok\n  ? D0 0x40000000 w -> F.perm\n"
      "  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n  bind_device(D0, X, [], 0) -> 1\n"
      "  each-alloc map(d, 0x1000, P, 0x1000, rw) -> ENOMEM\n  unbind_device(D0, 1) -> ok\n",
      "t");
  ASSERT_TRUE(file) << file.error().message;
  const auto operations = to_operations(file->scenarios[0]);
  ASSERT_TRUE(operations);
  EXPECT_EQ(fuzz::print(*operations),
            "domain_alloc\n"
            "domain_alloc variant=blocked\n"
            "attach variant=selected\n"
            "map window=spots_1g page=1 pa=page prot=r variant=selected\n"
            "access window=spots_1g page=1 variant=write\n"
            "sva_init variant=iopf\n"
            "bind\n"
            "map page=1 pa=page fail=1 variant=selected\n"
            "map page=1 pa=page fail=2 variant=selected\n"
            "map page=1 pa=page variant=selected\n"
            "unbind\n");
}

TEST(ScenarioCorpus, WhatOperationsCannotSay) {
  const auto file = scenario::parse(
      "@ A R t\n  upt U 0x1000 0x10000 rw\n@ B R t\n  dev D0\n"
      "  ? D0 0x1000 r -> F.dev\n",
      "t");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_FALSE(to_operations(file->scenarios[0]));
  EXPECT_FALSE(to_operations(file->scenarios[1]));
}

}  // namespace
}  // namespace iommucheck::oracle::stories::corpus_test
