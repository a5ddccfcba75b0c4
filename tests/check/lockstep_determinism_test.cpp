// SPDX-License-Identifier: MIT
// One input is: undo to booted, run. Nothing of a case may be left for the next one: 1,000 inputs
// forward, backward and a second time give the same traces.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "report/finding_text.h"
#include "tests/check/lockstep_support.h"
#include "tests/places.h"
#include "trace/hash.h"

namespace iommucheck::test::lockstep_determinism_test {
namespace {

using oracle::Lockstep;

class Hashing final : public oracle::Monitor::Sink {
 public:
  void event(const trace::Event& event) override {
    hash_.add(event);
    ++kinds[static_cast<std::size_t>(trace::kind_of(event))];
  }
  u64 take() {
    const u64 value = hash_.value();
    hash_ = {};
    return value;
  }
  u64 count(trace::EventKind kind) const { return kinds[static_cast<std::size_t>(kind)]; }
  std::array<u64, trace::event_kind_count> kinds{};

 private:
  trace::TraceHash hash_;
};

u64 hash_of_case(Lockstep& lockstep, Hashing& sink, u64 number) {
  const auto sequence = sequence_of(7, number);
  lockstep.monitor().set_sink(&sink);
  lockstep.run(sequence.operations, sequence.ends);
  lockstep.monitor().set_sink(nullptr);
  return sink.take();
}

TEST(LockstepDeterminism, ThousandInputsForwardBackwardAndTwice) {
  constexpr u64 inputs = 1000;
  Booted driver;
  Hashing sink;
  std::vector<u64> forward;
  for (u64 i = 0; i < inputs; ++i) {
    forward.push_back(hash_of_case(*driver.lockstep, sink, i));
    ASSERT_TRUE(driver->monitor().findings().empty())
        << i << ": " << one_line(driver->monitor().findings().front());
  }
  // The inputs are worth it: accesses, refused allocations, polls without progress.
  EXPECT_GT(sink.count(trace::EventKind::Dma), 1000U);
  EXPECT_GT(sink.count(trace::EventKind::AllocationFailure), 100U);
  EXPECT_GT(sink.count(trace::EventKind::MmioRead), sink.count(trace::EventKind::MmioWrite));
  for (u64 i = inputs; i-- > 0;) {
    ASSERT_EQ(hash_of_case(*driver.lockstep, sink, i), forward[i]) << "backward, input " << i;
  }
  for (u64 i = 0; i < inputs; ++i) {
    ASSERT_EQ(hash_of_case(*driver.lockstep, sink, i), forward[i]) << "again, input " << i;
    if (i % 10 == 0) {
      ASSERT_EQ(hash_of_case(*driver.lockstep, sink, i), forward[i]) << "twice, input " << i;
    }
  }
  // And nothing hangs on the addresses of this process's objects.
  Booted second;
  for (u64 i = 0; i < inputs; i += 50) {
    ASSERT_EQ(hash_of_case(*second.lockstep, sink, i), forward[i]) << "another driver, input " << i;
  }
  std::vector<u64> distinct = forward;
  std::ranges::sort(distinct);
  const auto doubled = std::ranges::unique(distinct);
  EXPECT_LT(doubled.size(), 20U);
}

TEST(LockstepDeterminism, ADriverWithMemoryOfItsOwnIsSeen) {
  // The same test has to fail where a case leaves something: a driver that counts in a static.
  Booted driver(test::in_build("test-plugins/faulty_statics.so"));
  Hashing sink;
  bool differs = false;
  std::vector<u64> forward;
  for (u64 i = 0; i < 800; ++i) forward.push_back(hash_of_case(*driver.lockstep, sink, i));
  for (u64 i = 0; i < 800; ++i) {
    differs |= hash_of_case(*driver.lockstep, sink, i) != forward[i];
  }
  EXPECT_TRUE(differs);
}

}  // namespace
}  // namespace iommucheck::test::lockstep_determinism_test
