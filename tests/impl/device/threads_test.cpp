// SPDX-License-Identifier: MIT
// Several threads hit while another changes tables and commands. What a CMD_SYNC promises holds:
// who begins behind it meets what is new, and who has met what is old is done.
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "tests/impl/device/device_support.h"

namespace iommucheck::device::threads_test {
namespace {

using test::Guest;

constexpr u64 megabyte = 1 << 20;
constexpr u64 nobody = ~u64{0};

struct Reader {
  std::atomic<u64> uses{nobody};  ///< the version that it has in its hand
  std::atomic<u64> rounds{0}, wrong{0};
};

TEST(DeviceThreads, NobodyUsesWhatACommandHasEnded) {
  constexpr u64 va = 0x7000, versions = 100, first = test::World::base + 0x40000;
  constexpr unsigned readers = 3;
  Guest guest(megabyte, {.caches = {.tlb_lg2 = 2, .config_lg2 = 0}});
  // A version is told by the page: 64 of them, one after the other.
  const auto page_of = [&](u64 version) { return first + version % 64 * 4096; };
  guest.map(va, page_of(0));
  std::atomic<u64> finished{0};  // the version behind the last CMD_SYNC
  std::atomic<bool> over{false};
  std::array<Reader, readers> state;
  std::vector<std::jthread> threads;
  for (Reader& own : state) {
    threads.emplace_back([&] {
      Port port(*guest.smmu);
      while (!over.load(std::memory_order_relaxed)) {
        // Preempted rather here than in a section, for which the other one would wait.
        std::this_thread::yield();
        const Port::Section section(port);
        const u64 least = finished.load(std::memory_order_acquire);
        const Answer answer = port.access({.sid = Guest::sid, .address = va});
        // Two versions ahead is all: the CMD_SYNC of the one between waits for this section.
        if (answer.end == End::passed) {
          const u64 met = (answer.pa - first) / 4096;
          const u64 ahead = (met - least % 64) % 64;
          own.uses.store(least + ahead, std::memory_order_relaxed);
          if (ahead > 2) own.wrong.fetch_add(1);
          for (unsigned i = 0; i < 64; ++i)
            (void)over.load(std::memory_order_acquire);  // it is used
        }
        own.uses.store(nobody, std::memory_order_release);
        own.rounds.fetch_add(1, std::memory_order_relaxed);
      }
    });
  }
  for (const Reader& reader : state) {
    while (reader.rounds == 0) std::this_thread::yield();
  }
  u64 late = 0;
  for (u64 version = 1; version <= versions; ++version) {
    guest.map(va, page_of(version));
    guest.invalidate(va);
    for (const Reader& reader : state) {
      if (reader.uses.load(std::memory_order_acquire) < version) ++late;
    }
    finished.store(version, std::memory_order_release);
    if (version % 16 == 0) std::this_thread::yield();
  }
  over = true;
  threads.clear();
  EXPECT_EQ(late, 0U);
  for (const Reader& reader : state) {
    EXPECT_EQ(reader.wrong, 0U);
  }
}

TEST(DeviceThreads, ASyncWaitsForWhoeverIsInASection) {
  Guest guest(megabyte);
  guest.map(0x5000, test::World::base);
  Port port(*guest.smmu), idle(*guest.smmu);
  std::atomic<bool> done{false};
  std::jthread command;
  {
    const Port::Section section(port);
    (void)port.access({.sid = Guest::sid, .address = 0x5000});
    command = std::jthread([&] {
      guest.invalidate(0x5000);
      done = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_FALSE(done);
  }
  command.join();
  EXPECT_TRUE(done);
}

TEST(DeviceThreads, RegistersAndFaultsFromManyThreads) {
  Guest guest(megabyte, {.caches = {.tlb_lg2 = 0, .config_lg2 = 0}});
  for (u64 i = 0; i < 32; ++i) guest.map(i << 12, test::World::base + (i << 12));
  std::atomic<u64> faults{0};
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        Port port(*guest.smmu);
        for (u64 i = 0; i < 3000; ++i) {
          const u64 page = (i * 7 + t) % 40;
          const Answer answer = port.access({.sid = Guest::sid, .address = page << 12});
          const bool mapped = page < 32;
          if (mapped != (answer.end == End::passed)) ADD_FAILURE() << "page " << page;
          if (mapped && answer.pa != test::World::base + (page << 12)) ADD_FAILURE();
          faults += mapped ? 0 : 1;
        }
      });
    }
    for (u64 i = 0; i < 300; ++i) {
      guest.invalidate((i % 32) << 12);
      guest.smmu->write(reg::eventq_cons, 4, guest.smmu->read(reg::eventq_prod, 4));
    }
  }
  EXPECT_GT(faults, 0U);
}

}  // namespace
}  // namespace iommucheck::device::threads_test
