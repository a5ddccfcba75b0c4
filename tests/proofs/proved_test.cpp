// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/own_path.h"
#include "tests/proofs/proved_support.h"

namespace iommucheck::proofs::test {
namespace {

TEST(ProvedBefore, IsOfOneExecutableAndOneSolver) {
  const std::filesystem::path folder = iommucheck::test::own_path("proved");
  std::filesystem::remove_all(folder);
  const ProvedBefore known(folder, 1, "4.8.12");
  EXPECT_FALSE(known.has("walk"));
  known.note("walk");
  EXPECT_TRUE(ProvedBefore(folder, 1, "4.8.12").has("walk"));
  EXPECT_FALSE(ProvedBefore(folder, 1, "4.8.12").has("wal"));
  EXPECT_FALSE(ProvedBefore(folder, 2, "4.8.12").has("walk"));
  EXPECT_FALSE(ProvedBefore(folder, 1, "4.8.13").has("walk"));
  std::filesystem::remove_all(folder);
}

TEST(ProvedBefore, WithoutAFolderNothingIsRemembered) {
  const ProvedBefore nothing({}, 1, "4.8.12");
  nothing.note("walk");
  EXPECT_FALSE(nothing.has("walk"));
}

}  // namespace
}  // namespace iommucheck::proofs::test
