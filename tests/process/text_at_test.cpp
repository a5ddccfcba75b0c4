// SPDX-License-Identifier: MIT
#include "process/text_at.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>

namespace iommucheck::oracle::text_at_test {
namespace {

TEST(TextAt, IsReadAsFarAsItsZeroAndNoFurtherThanAsked) {
  EXPECT_EQ(text_at("route still cached", 160), "route still cached");
  EXPECT_EQ(text_at("route still cached", 5), "route");
  EXPECT_EQ(text_at("", 160), "");
}

TEST(TextAt, APointerToNoMemoryIsNoText) {
  EXPECT_EQ(text_at(nullptr, 160), std::nullopt);
  EXPECT_EQ(text_at(reinterpret_cast<const char*>(8), 160), std::nullopt);
  EXPECT_EQ(text_at(reinterpret_cast<const char*>(~uintptr_t{0} - 3), 160), std::nullopt);
}

/// What is behind it is nobody's, and need not be there; its zero has to.
TEST(TextAt, TheEndOfAPageIsAPlaceLikeAnyOther) {
  constexpr std::size_t page = 4096;
  void* const two =
      ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(two, MAP_FAILED);
  ASSERT_EQ(::munmap(static_cast<char*>(two) + page, page), 0);
  char* const last = static_cast<char*>(two) + page - 4;
  std::memcpy(last, "why", 4);
  EXPECT_EQ(text_at(last, 160), "why");
  last[3] = '?';
  EXPECT_EQ(text_at(last, 160), std::nullopt);
  EXPECT_EQ(text_at(last, 4), "why?");
  ::munmap(two, page);
}

}  // namespace
}  // namespace iommucheck::oracle::text_at_test
