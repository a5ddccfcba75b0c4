// SPDX-License-Identifier: MIT
// What a driver does may depend on where it lies, by mistake or to align something: its report is
// the same in each run all the same, and programs that the command starts are as others.
#include <gmock/gmock.h>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::addresses_test {
namespace {

using ::testing::HasSubstr;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool places_memory_itself = true;
#elif defined(__has_feature)
constexpr bool places_memory_itself = __has_feature(address_sanitizer);
#else
constexpr bool places_memory_itself = false;
#endif

class Addresses : public Command {};

TEST_F(Addresses, AReportIsTheSameInFiveRunsWhereverTheDriverMayLie) {
  if (places_memory_itself) GTEST_SKIP() << "sanitizers place memory";
  const std::string line =
      " check --driver " + test::in_build("test-plugins/faulty_address.so") +
      " --seed 1 --runs 300 --machine default --findings 1 -j 1 --out '' --format json";
  // What it answers has the address of one of its variables in it.
  const std::string finding = " | grep -o '\"headline\": *\"unmap[^\"]*\"'";
  const Ran first = shell(program() + line + finding);
  EXPECT_THAT(first.out, HasSubstr("returned")) << first.err;
  for (int n = 0; n < 4; ++n) EXPECT_EQ(shell(program() + line + finding).out, first.out);
}

TEST_F(Addresses, WhatItStartsIsAsItWouldBe) {
  const std::string compiler = write("compiler.sh",
                                     "#!/bin/sh\n"
                                     "cat /proc/self/personality\n"
                                     "env | grep -c IOMMUCHECK_ADDRESSES\n");
  std::filesystem::permissions(compiler, std::filesystem::perms::owner_all);
  const Ran ran = shell("IOMMUCHECK_CC=" + compiler + " " + program() + " cc -c x.c");
  EXPECT_EQ(ran.out, slurp("/proc/self/personality") + "0\n") << ran.err;
}

}  // namespace
}  // namespace iommucheck::addresses_test
