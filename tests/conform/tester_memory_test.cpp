// SPDX-License-Identifier: MIT
// The memory of a device behind the door: each case begins with the same.
#include "conform/dut/tester_memory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

namespace iommucheck::oracle::tester_memory_test {
namespace {

constexpr u64 data = TesterMemory::data_pa, page = 4096;

u64 named(u64 place) { return place | ((place + 4) << 32); }

/// As a device does that was loaded in a process of its own.
void in_a_child(const std::function<void()>& what) {
  const pid_t child = ::fork();
  if (child == 0) {
    what();
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

TEST(TesterMemory, DataIsAsItBeganWhoeverWroteThere) {
  auto memory = TesterMemory::create();
  ASSERT_TRUE(memory);
  TesterMemory& m = **memory;
  const u64 words[2] = {1, 2};
  in_a_child([&] { static_cast<void>(m.write(data + 0x40, words, 4)); });
  in_a_child([&] { static_cast<void>(m.write(data + 3 * page - 8, words, 16)); });
  in_a_child([&] { static_cast<void>(m.write(data - 8, words, 16)); });
  in_a_child(
      [&] { static_cast<void>(m.write(TesterMemory::pa + TesterMemory::bytes - 8, words, 8)); });
  m.store(data + 8 * page, 3);
  EXPECT_EQ(m.load(data + 0x40), (named(data + 0x40) >> 32 << 32) | 1);
  EXPECT_EQ(m.load(data + 3 * page), 2U);
  EXPECT_EQ(m.load(data - 8), 1U);
  m.reset();
  EXPECT_EQ(m.load(data - 8), 0U);
  for (u64 place = data; place < data + TesterMemory::data_bytes; place += 8) {
    ASSERT_EQ(m.load(place), named(place)) << std::hex << place;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::tester_memory_test
