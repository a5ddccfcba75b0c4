// SPDX-License-Identifier: MIT
// What the processor saw of stores, against what was told of them.
#include "host/store_witness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>

namespace iommucheck::oracle::store_witness_test {
namespace {

using ::testing::ElementsAre;

constexpr u64 pa = 0x8000'0000;
constexpr u64 bytes = 0x10000;
constexpr u64 open_bytes = 0x8000;

int code_of_the_driver() { return 0; }

class Witness {
 public:
  Witness() {
    view_.allow(0, view_.bytes(), Pages::Access::read);
    inner_.window_pa = pa;
    inner_.store = [](void*, uint64_t, uint32_t, uint64_t, uint64_t, uint64_t) {};
    inner_.fill64 = [](void*, uint64_t, uint64_t, uint64_t) {};
    inner_.atomic = [](void* ctx, uint32_t, uint64_t, uint32_t, uint64_t, uint64_t, uint32_t,
                       uint64_t) { return *static_cast<u64*>(ctx); };
    inner_.ctx = &old_;
    witness_ = std::make_unique<StoreWitness>(view_, inner_, *count_,
                                              reinterpret_cast<const void*>(&code_of_the_driver));
    witness_->open(open_bytes);
    witness_->begin();
  }

  template <class T>
  volatile T& at(u64 offset) {
    return *reinterpret_cast<volatile T*>(view_.data() + offset);
  }
  std::byte* data() { return view_.data(); }
  void tell(u64 offset, u32 size) {
    witness_->told().store(witness_->told().ctx, pa + offset, size, 0, 0, 0);
  }
  void tell_fill(u64 offset, u64 count) {
    witness_->told().fill64(witness_->told().ctx, pa + offset, count, 0);
  }
  void tell_exchange(u64 offset, u64 expected) {
    witness_->told().atomic(witness_->told().ctx, IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, pa + offset,
                            8, 1, expected, 0, 0);
  }
  void set_old(u64 value) { old_ = value; }
  StoreCount::Totals settled() {
    witness_->settled();
    return count_->totals();
  }

 private:
  Pages view_{bytes, Pages::Kind::own};
  u64 old_ = 0;
  iommucheck_platform inner_{};
  std::shared_ptr<StoreCount> count_ = StoreCount::create().value();
  std::unique_ptr<StoreWitness> witness_;
};

#if defined(__x86_64__)

TEST(StoreWitness, StoresThatWereTold) {
  Witness it;
  it.at<u64>(0) = 7;
  it.tell(0, 8);
  it.at<u8>(0x11) = 7;
  it.tell(0x11, 1);
  it.at<u8>(0x11) = 7;  // what is there already
  it.tell(0x11, 1);
  const StoreCount::Totals totals = it.settled();
  EXPECT_EQ(totals.seen, 3U);
  EXPECT_TRUE(totals.all_told());
  EXPECT_EQ(it.at<u64>(0), 7U);
}

TEST(StoreWitness, StoresThatNobodyTold) {
  Witness it;
  it.at<u64>(8) = 7;
  it.at<u64>(0x100) = 7;
  it.tell(0x100, 8);
  it.at<u64>(8) = 7;
  const StoreCount::Totals totals = it.settled();
  EXPECT_EQ(totals.seen, 3U);
  EXPECT_EQ(totals.lost, 2U);
  EXPECT_EQ(totals.without_store, 0U);
  ASSERT_EQ(totals.places.size(), 2U);
  EXPECT_TRUE(totals.places.front().in_driver);
  EXPECT_NE(totals.places.front().pc, totals.places.back().pc);
}

TEST(StoreWitness, WhatWasToldAndNotStored) {
  Witness it;
  it.at<u64>(8) = 7;
  it.tell(8, 8);
  it.tell(8, 8);
  const StoreCount::Totals totals = it.settled();
  EXPECT_EQ(totals.lost, 0U);
  EXPECT_EQ(totals.without_store, 1U);
  EXPECT_FALSE(totals.all_told());
}

/// What lies askew is told in pieces, the first with the address of the store.
TEST(StoreWitness, AStoreOverTwoPages) {
  Witness it;
  const u64 value = 0x0102030405060708;
  auto* const place = it.data() + 0xffc;
  asm volatile("movq %1, %0" : "=m"(*reinterpret_cast<u64*>(place)) : "r"(value));
  it.tell(0xffc, 4);
  it.tell(0x1000, 4);
  const StoreCount::Totals totals = it.settled();
  EXPECT_EQ(totals.seen, 1U);
  EXPECT_TRUE(totals.all_told());
  EXPECT_EQ(std::memcmp(place, &value, 8), 0);
}

TEST(StoreWitness, MemoryThatIsSet) {
  Witness it;
  std::byte* const to = it.data() + 0x1008;
  u64 count = 0x2010;
  void* end = to;
  asm volatile("rep stosb" : "+D"(end), "+c"(count) : "a"(0x5a) : "memory");
  EXPECT_EQ(end, to + 0x2010);
  EXPECT_EQ(count, 0U);
  EXPECT_EQ(it.at<u8>(0x1007), 0U);
  EXPECT_EQ(it.at<u8>(0x1008), 0x5aU);
  EXPECT_EQ(it.at<u8>(0x3017), 0x5aU);
  EXPECT_EQ(it.at<u8>(0x3018), 0U);
  it.tell_fill(0x1008, 0x2010 / 8);
  u64 words = 16;
  end = it.data() + 0x4000;
  asm volatile("rep stosq" : "+D"(end), "+c"(words) : "a"(1) : "memory");
  it.tell_fill(0x4000, 16);
  const StoreCount::Totals totals = it.settled();
  EXPECT_EQ(totals.seen, 17U);
  EXPECT_TRUE(totals.all_told());
}

TEST(StoreWitness, ACopyWhosePartIsTold) {
  Witness it;
  u64 words = 16;
  std::array<u64, 16> from{1, 2, 3};
  void* source = from.data();
  void* to = it.data() + 0x200;
  asm volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words) : : "memory");
  it.tell_fill(0x200, 15);
  EXPECT_EQ(it.settled().lost, 16U);  // by one instruction: all of them, or none
  EXPECT_EQ(it.at<u64>(0x210), 3U);
}

TEST(StoreWitness, AnAtomicIsToldBeforeItStores) {
  Witness it;
  it.tell_exchange(0x40, 0);
  it.at<u64>(0x40) = 1;
  EXPECT_TRUE(it.settled().all_told());
  it.set_old(5);
  it.tell_exchange(0x40, 0);  // fails: no store
  EXPECT_TRUE(it.settled().all_told());
  it.set_old(0);
  it.tell_exchange(0x40, 0);
  it.tell_exchange(0x40, 0);
  it.at<u64>(0x40) = 1;
  EXPECT_EQ(it.settled().without_store, 1U);
}

TEST(StoreWitness, MoreThanItKeepsIsNotTold) {
  Witness it;
  constexpr u64 stores = 5000;
  for (u64 i = 0; i < stores; ++i) it.at<u8>(i * 101 % open_bytes) = 1;  // far from each other
  const StoreCount::Totals totals = it.settled();
  EXPECT_EQ(totals.seen, stores);
  EXPECT_EQ(totals.lost, stores);
}

TEST(StoreWitness, TwoOfThemInOneProcess) {
  Witness one, other;
  one.at<u64>(0) = 1;
  other.at<u64>(8) = 1;
  one.tell(0, 8);
  EXPECT_TRUE(one.settled().all_told());
  EXPECT_EQ(other.settled().lost, 1U);
}

TEST(StoreWitnessDeathTest, AStoreBehindWhatWasGivenIsACrash) {
  EXPECT_DEATH(
      {
        Witness it;
        it.at<u64>(open_bytes) = 1;
      },
      "");
}

#else

TEST(StoreWitness, IsForOneProcessorOnly) {
  EXPECT_FALSE(StoreCount::is_possible());
  EXPECT_EQ(StoreCount::create().error().code, ErrorCode::unsupported);
}

#endif

TEST(StoreCount, InWords) {
  StoreCount::Totals totals{.seen = 12, .lost = 0, .without_store = 0, .places = {}};
  EXPECT_THAT(store_count_lines(totals, "smu.so"),
              ElementsAre("stores of smu.so: the processor saw 12, its hooks told each once"));
  totals.lost = 2;
  totals.without_store = 3;
  totals.places = {{.pc = 0, .in_driver = false}};
  EXPECT_THAT(
      store_count_lines(totals, "smu.so"),
      ElementsAre("stores of smu.so: the processor saw 12, its hooks told all but 2",
                  "  told without a store: 3", "  not told: in a library that the driver called"));
}

}  // namespace
}  // namespace iommucheck::oracle::store_witness_test
