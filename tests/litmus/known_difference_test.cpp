// SPDX-License-Identifier: MIT
// What is excused when the two readings of docs/semantics.md differ, and what is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "litmus/agreement.h"
#include "litmus/parser.h"

namespace iommucheck::litmus::known_difference_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string excuse(const std::string& run, const Judgement& engine, const Judgement& literal) {
  const auto file = parse("test some\ninit use std\n" + run + "access 1 0x1000 r ->\n", "some");
  EXPECT_TRUE(file) << file.error().message;
  if (!file) return {};
  const auto laid = layout(file->tests[0]);
  EXPECT_TRUE(laid) << laid.error().message;
  return laid ? known_difference(file->tests[0], *laid, engine, literal) : std::string{};
}

/// Of one access.
Judgement judged(std::set<std::string> allowed, std::set<std::string> broken = {}) {
  Judgement judgement;
  judgement.allowed = {std::move(allowed)};
  judgement.broken = std::move(broken);
  return judgement;
}

TEST(KnownDifference, WhatWasFilledThroughUnknownMemoryIsAnyInOneReadingAtLeast) {
  const Judgement any = judged({"any"}, {"wild"});
  const Judgement fault = judged({"F_TRANSLATION"}, {"wild"});
  const Judgement page = judged({"B"}, {"wild"});
  EXPECT_THAT(excuse("", any, fault), HasSubstr("unknown content"));
  EXPECT_THAT(excuse("", fault, any), HasSubstr("unknown content"));
  EXPECT_THAT(excuse("", page, fault), IsEmpty());
}

/// Between the rings of a CFGI and of another invalidation of its group something is stored,
/// whichever of the two is first.
TEST(KnownDifference, ACommandActsLateForOneItemAndEarlyForAnother) {
  const Judgement more = judged({"A", "B"});
  const Judgement less = judged({"A"});
  const std::string cfgi = "run cmd CFGI_ALL\n";
  const std::string tlbi = "run cmd TLBI_NH_VA asid=5 va=0x1000 leaf=1\n";
  const std::string apart = "run ring\nrun store ste 1 eats=0\n";
  EXPECT_THAT(excuse(cfgi + apart + tlbi, more, less), HasSubstr("acted late"));
  EXPECT_THAT(excuse(tlbi + apart + cfgi, more, less), HasSubstr("acted late"));
  EXPECT_THAT(excuse(tlbi + cfgi + apart, more, less), IsEmpty());
  EXPECT_THAT(excuse(tlbi + apart + cfgi, less, more), IsEmpty()) << "the engine has less";
}

}  // namespace
}  // namespace iommucheck::litmus::known_difference_test
