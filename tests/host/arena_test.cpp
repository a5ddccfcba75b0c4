// SPDX-License-Identifier: MIT
#include "host/arena.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace iommucheck::oracle::arena_test {
namespace {

constexpr std::size_t bytes = 3000;  // parts, and half of one

/// What a driver has there.
std::string text_of(const Arena& arena, const char* memory) {
  return {memory, memory + arena.used()};
}

TEST(Arena, IsPutBackAsItWas) {
  Arena arena(1 << 16);
  char* memory = static_cast<char*>(arena.allocate(bytes, 8));
  std::memset(memory, 'a', bytes);
  arena.snapshot();
  const std::string booted = text_of(arena, memory);
  // One word in the middle, one at the end, and what was not there.
  memory[700] = 'b';
  memory[bytes - 1] = 'c';
  std::memset(arena.allocate(1000, 1), 'd', 1000);
  const Arena::Contents then = arena.contents();
  const std::string before = text_of(arena, memory);
  memory[100] = memory[700] = memory[bytes - 1] = memory[bytes + 999] = 'e';
  std::memset(arena.allocate(2000, 1), 'f', 2000);
  arena.put(then);
  EXPECT_EQ(text_of(arena, memory), before);
  arena.restore();
  EXPECT_EQ(text_of(arena, memory), booted);
  arena.put(then);
  EXPECT_EQ(text_of(arena, memory), before);
}

// What few parts have changed costs those and not the whole.
TEST(Arena, KeepsWhatHasChanged) {
  Arena arena(1 << 16);
  char* memory = static_cast<char*>(arena.allocate(1 << 15, 8));
  arena.snapshot();
  EXPECT_TRUE(arena.contents().bytes.empty());
  memory[5000] = 'a';
  EXPECT_EQ(arena.contents().parts.size(), 1U);
}

}  // namespace
}  // namespace iommucheck::oracle::arena_test
