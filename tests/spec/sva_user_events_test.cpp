// SPDX-License-Identifier: MIT
// INTERFACE "Nested": what users are told of.
#include <gtest/gtest.h>

#include "sva_users_fixture.h"

namespace iommucheck::spec::sva::sva_user_events_test {
namespace {

constexpr u64 parents[] = {0x51, 0x52};
constexpr u64 domains[] = {0x61, 0x62};
constexpr u64 q = 0x71;

class ToldOfEntries final : public Told {
 public:
  [[nodiscard]] std::optional<UserRoute> route(const std::array<u64, 2>& /*words*/) const override {
    return UserRoute{.kind = UserRoute::Kind::stage1, .entries = 0x1000, .entry_bytes = 64};
  }
};

class SvaUserEvents : public WithUsers<ToldOfEntries> {
 protected:
  /// Device 0 is on a domain of the first user, who calls it 7.
  SvaUserEvents() {
    for (const u32 i : {0U, 1U}) {
      ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging_s2)},
         parents[i]);
      ok({.kind = CallKind::domain_alloc,
          .domain_kind = static_cast<u32>(DomainKind::nested),
          .parent = parents[i]},
         domains[i]);
    }
    move(0);
    ok({.kind = CallKind::vdevice, .domain = parents[0], .number = 7});
  }
  void move(u32 user) { ok({.kind = CallKind::attach, .domain = domains[user]}); }
  void open(u32 depth, u32 user = 0, u64 handle = q) {
    Call call{.kind = CallKind::event_queue_open, .domain = parents[user]};
    call.depth = depth;
    ok(call, handle);
  }
  void record(u64 word) { state.event_recorded(1, {word, 1, 2, 3}); }
  static Call read(u64 queue = q) {
    Call call{.kind = CallKind::event_read};
    call.queue = queue;
    return call;
  }
  bool says(const Observed& observed, u64 queue = q, bool keep = false) {
    const Trail::Mark mark = trail.mark();
    const Ticket ticket = state.begin_call(read(queue));
    const bool is = state.end_call(ticket, read(queue), observed).ok;
    if (!keep || !is) trail.undo_to(mark);
    return is;
  }
  static Observed event(u64 word, u64 number = 7) {
    return {.event = {.words = {word | number << 32, 0, 0, 0}}};
  }
  static Observed lost() { return {.event = {.lost = true}}; }
  static Observed empty() { return {.status = Status::eagain}; }
  /// That, and nothing else of what there may be.
  void only(const Observed& observed) {
    for (const Observed& one : {event(1), event(2), event(3), event(4), lost(), empty()}) {
      const bool same = one.status == observed.status && one.event == observed.event;
      EXPECT_EQ(says(one), same) << static_cast<int>(one.status) << " " << one.event.words[0]
                                 << one.event.lost;
    }
    EXPECT_TRUE(says(observed, q, true));
  }
};

TEST_F(SvaUserEvents, are_told_in_order_by_the_users_number) {
  open(4);
  record(1);
  record(0x100);
  record(2);
  state.faults_are_read();
  EXPECT_FALSE(says(event(1, 1))) << "the StreamID is the host's";
  Observed leaks = event(1);
  leaks.event.words[3] = 3;
  EXPECT_FALSE(says(leaks));
  only(event(1));
  only(event(2));
  only(empty());
}

TEST_F(SvaUserEvents, what_the_driver_may_not_have_read_may_be_there) {
  open(4);
  record(1);
  EXPECT_TRUE(says(empty()));
  EXPECT_TRUE(says(event(1)));
  EXPECT_FALSE(says(lost()));
  state.faults_are_read();
  only(event(1));
}

TEST_F(SvaUserEvents, what_is_lost_is_told_once_in_its_place) {
  open(2);
  for (u64 word = 1; word <= 4; ++word) record(word);
  state.faults_are_read();
  only(event(1));
  record(3);
  state.faults_are_read();
  only(event(2));
  only(lost());
  only(event(3));
  only(empty());
}

TEST_F(SvaUserEvents, whether_it_was_lost_is_open_where_the_driver_may_have_read_before) {
  open(1);
  record(1);
  record(2);
  EXPECT_TRUE(says(event(1), q, true));
  EXPECT_TRUE(says(event(2)));
  EXPECT_TRUE(says(lost()));
  EXPECT_TRUE(says(empty()));
  state.faults_are_read();
  EXPECT_TRUE(says(event(2)));
  EXPECT_TRUE(says(lost()));
}

TEST_F(SvaUserEvents, another_user_is_not_told_of_what_a_device_met_before) {
  open(4);
  open(4, 1, q + 1);
  ok({.kind = CallKind::vdevice, .domain = parents[1], .number = 7});
  record(1);
  move(1);
  state.faults_are_read();
  EXPECT_FALSE(says(event(1), q + 1));
  EXPECT_TRUE(says(event(1)));
  EXPECT_TRUE(says(empty())) << "it may have been told to nobody";
  record(2);
  state.faults_are_read();
  EXPECT_TRUE(says(event(2), q + 1));
  EXPECT_FALSE(says(empty(), q + 1));
}

/// What its device met on the parent itself may be read behind the next move, or be the host's.
TEST_F(SvaUserEvents, of_the_parent_itself_the_user_may_be_told) {
  open(4);
  open(4, 1, q + 1);
  ok({.kind = CallKind::vdevice, .domain = parents[1], .number = 7});
  ok({.kind = CallKind::attach, .domain = parents[0]});
  record(1);
  ok({.kind = CallKind::attach, .domain = domains[0]});
  record(2);
  state.faults_are_read();
  EXPECT_TRUE(says(event(2)));
  EXPECT_FALSE(says(empty()));
  EXPECT_FALSE(says(event(1), q + 1)) << "it is another user's";
  EXPECT_TRUE(says(event(1), q, true));
  only(event(2));
}

TEST_F(SvaUserEvents, which_of_two_that_are_the_same_was_told_is_open) {
  record(1);
  open(4);
  record(1);
  record(2);
  state.faults_are_read();
  EXPECT_TRUE(says(event(1), q, true));
  EXPECT_TRUE(says(event(1)));
  EXPECT_TRUE(says(event(2), q, true)) << "the first was nobody's";
  only(empty());
}

TEST_F(SvaUserEvents, without_a_number_nobody_is_told) {
  ok({.kind = CallKind::attach, .domain = domains[0], .device = 1});
  open(4);
  state.event_recorded(2, {1, 0, 0, 0});
  state.faults_are_read();
  only(empty());
  state.event_recorded(2, {2, 0, 0, 0});
  ok({.kind = CallKind::vdevice, .domain = parents[0], .device = 1, .number = 8});
  state.faults_are_read();
  EXPECT_TRUE(says(event(2, 8)));
  EXPECT_TRUE(says(empty()));
}

TEST_F(SvaUserEvents, where_the_iommus_own_queue_was_full_a_user_may_be_told) {
  open(4);
  EXPECT_FALSE(says(lost()));
  state.event_was_lost();
  state.faults_are_read();
  EXPECT_TRUE(says(empty()));
  EXPECT_TRUE(says(lost(), q, true));
  only(empty());
}

TEST_F(SvaUserEvents, a_parent_has_one_queue_and_is_not_freed_with_it) {
  const auto opens = [&](u64 parent, u32 depth) {
    const Trail::Mark mark = trail.mark();
    Call call{.kind = CallKind::event_queue_open, .domain = parent};
    call.depth = depth;
    const bool is = state.apply(call, {.status = Status::ok, .value = q + 8}).ok;
    trail.undo_to(mark);
    return is;
  };
  EXPECT_TRUE(opens(parents[0], 1));
  EXPECT_FALSE(opens(parents[0], 0));
  EXPECT_FALSE(opens(parents[0], (u32{1} << 19) + 1));
  EXPECT_FALSE(opens(domains[0], 1));
  open(1);
  EXPECT_FALSE(opens(parents[0], 1));
  EXPECT_EQ(state.held().queues, 1U);
  Call close{.kind = CallKind::fault_queue_close};
  close.queue = q;
  record(1);
  state.faults_are_read();
  ok(close);
  open(1, 0, q + 1);
  EXPECT_FALSE(says(event(1), q + 1)) << "it was the other queue's";
  ok({.kind = CallKind::domain_free, .domain = domains[1]});
  const Call free{.kind = CallKind::domain_free, .domain = parents[1]};
  open(1, 1, q + 2);
  EXPECT_FALSE(state.apply(free, {.status = Status::ok}).ok);
  EXPECT_TRUE(state.apply(free, {.status = Status::ebusy}).ok);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_user_events_test
