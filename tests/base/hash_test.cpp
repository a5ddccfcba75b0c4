// SPDX-License-Identifier: MIT
#include "base/hash.h"

#include <gtest/gtest.h>

namespace iommucheck::hash_test {
namespace {

// The published vectors of FNV-1a, 64 bits: names of files and keys of known findings hang on them.
TEST(Hash, IsFnv1a) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8c);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8);
}

}  // namespace
}  // namespace iommucheck::hash_test
