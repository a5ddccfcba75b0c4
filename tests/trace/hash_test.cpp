// SPDX-License-Identifier: MIT
#include "trace/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "tests/trace/make_event.h"

namespace iommucheck::trace::hash_test {
namespace {

u64 hash(std::initializer_list<Event> events) {
  TraceHash h;
  for (const Event& event : events) h.add(event);
  return h.value();
}

const Event store{.agent = cpu_agent(0), .payload = Store{.pa = 0x1000, .size = 8, .value = 3u}};
const Event barrier{.agent = cpu_agent(0), .payload = Barrier{}};

// Written down once: a change here means that hashes kept in corpora and reports are lost.
TEST(TraceHash, IsTheSameEverywhere) {
  EXPECT_EQ(TraceHash{}.value(), 0x9ca066f1a4ab2eeau);
  EXPECT_EQ(hash({store}), 0x9e37f647841b4064u);
  EXPECT_EQ(hash({{.agent = cpu_agent(1),
                   .payload = Call{.id = CallId{4},
                                   .call = calls::Map{.domain = DomainId{1},
                                                      .iova = 0x1000,
                                                      .pa = 0x2000,
                                                      .size = 0x1000,
                                                      .rights = {.read = true}}}}}),
            0x48edc4965375621eu);
}

TEST(TraceHash, EverythingCounts) {
  std::set<u64> seen;
  const auto add = [&](std::initializer_list<Event> events) {
    EXPECT_TRUE(seen.insert(hash(events)).second) << seen.size();
  };
  add({});
  add({store});
  add({store, store});
  add({store, barrier});
  add({barrier, store});
  Event other = store;
  other.agent = cpu_agent(1);
  add({other});
  other = store;
  other.origin = 0;
  add({other});
  add({{.agent = cpu_agent(0), .payload = Store{.pa = 0x1000, .size = 8, .value = 2u}}});
  add({{.agent = cpu_agent(0), .payload = Store{.pa = 0x1000, .size = 8}}});
  add({{.agent = cpu_agent(0), .payload = Store{.pa = 0x1000, .size = 8, .value_high = 3u}}});
  add({{.agent = cpu_agent(0), .payload = Store{.pa = 0x1000, .size = 8, .word = 3u}}});
  add({{.agent = cpu_agent(0), .payload = DeviceStore{.pa = 0x1000, .size = 8, .value = 3u}}});
  add({{.agent = cpu_agent(0), .payload = Choice{.site = "ab", .picked = "c"}}});
  add({{.agent = cpu_agent(0), .payload = Choice{.site = "a", .picked = "bc"}}});
}

RC_GTEST_PROP(TraceHashProperty, EqualEventsEqualHashes, (u64 seed)) {
  const Event event = EventMaker(seed).event();
  const Event other = EventMaker(seed + 1).event();
  RC_ASSERT(hash({event}) == hash({Event(event)}));
  RC_ASSERT((hash({event}) == hash({other})) == (event == other));
}

TEST(TraceHash, GrowsEventByEvent) {
  Trace trace{.header = EventMaker(5).header(), .events = {store, barrier}};
  TraceHash h;
  h.add(trace.header);
  h.add(store);
  h.add(barrier);
  EXPECT_EQ(h.value(), hash_of(trace));
}

}  // namespace
}  // namespace iommucheck::trace::hash_test
