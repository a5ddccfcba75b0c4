// SPDX-License-Identifier: MIT
// INTERFACE "Faults": the queue of a user's domain. What nobody can know is permitted either way.
#include <gtest/gtest.h>

#include "sva_users_fixture.h"

namespace iommucheck::spec::sva::sva_user_faults_test {
namespace {

constexpr u64 parents[] = {0x51, 0x52};
constexpr u64 domains[] = {0x61, 0x62};
constexpr u64 q = 0x71;
constexpr u64 r = 0x72;
constexpr u64 events = 0x73;
constexpr u64 page = 0x1000;

class ToldOfEntries final : public Told {
 public:
  [[nodiscard]] std::optional<UserRoute> route(const std::array<u64, 2>& /*words*/) const override {
    return UserRoute{.kind = UserRoute::Kind::stage1, .entries = 0x1000, .entry_bytes = 64};
  }
};

Machine who_can_stall() {
  Machine machine;
  machine.ssid_bits = 4;
  machine.devices = {{.stream_ids = {1}, .ssid_bits = 4, .stall = true},
                     {.stream_ids = {2}, .ssid_bits = 4, .stall = true}};
  return machine;
}

class SvaUserFaults : public WithUsers<ToldOfEntries> {
 protected:
  /// Device 0 is on a domain of the first user, who calls it 7.
  SvaUserFaults() : WithUsers(who_can_stall()) {
    for (const u32 i : {0U, 1U}) {
      ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging_s2)},
         parents[i]);
      ok({.kind = CallKind::domain_alloc,
          .domain_kind = static_cast<u32>(DomainKind::nested),
          .parent = parents[i]},
         domains[i]);
    }
    ok(attach(0));
    ok({.kind = CallKind::vdevice, .domain = parents[0], .number = 7});
  }
  static Call attach(u32 user) { return {.kind = CallKind::attach, .domain = domains[user]}; }
  static Call open(u64 domain, u32 depth) {
    Call call{.kind = CallKind::fault_queue_open, .domain = domain, .device = no_device};
    call.depth = depth;
    return call;
  }
  static Call of_queue(CallKind kind, u64 queue) {
    Call call{.kind = kind};
    call.queue = queue;
    return call;
  }
  static Call answer(u32 group, u32 pasid = 1, u64 queue = q) {
    Call call = of_queue(CallKind::fault_queue_respond, queue);
    call.pasid = pasid;
    call.group = group;
    return call;
  }
  void open_events() {
    Call call{.kind = CallKind::event_queue_open, .domain = parents[0]};
    call.depth = 4;
    ok(call, events);
  }
  /// Recorded with an event whose word 0 is 1; (1, stag) names it.
  void stalls(u64 iova, u32 stag, u32 pasid = 1, bool outer = false) {
    state.stall_recorded({.device = 0, .pasid = pasid, .iova = iova, .prot = prot_read}, 1, stag,
                         {outer ? 0x100U : 1U, 1, 2, 3}, outer);
  }
  static Observed fault(u64 iova, u32 group = 1, u32 pasid = 1) {
    Observed seen;
    seen.fault = {
        .device = 0, .pasid = pasid, .iova = iova, .prot = prot_read, .group = group, .last = true};
    return seen;
  }
  static Observed event() { return {.event = {.words = {1 | u64{7} << 32, 0, 0, 0}}}; }
  static Observed empty() { return {.status = Status::eagain}; }
  static Observed refused(Status status = Status::einval) { return {.status = status}; }
  bool permits(const Call& call, const Observed& observed) {
    const Trail::Mark mark = trail.mark();
    const Ticket ticket = state.begin_call(call);
    const bool is = state.end_call(ticket, call, observed).ok;
    trail.undo_to(mark);
    return is;
  }
  bool reads(const Observed& observed, u64 queue = q) {
    return permits(of_queue(CallKind::fault_queue_read, queue), observed);
  }
  bool tells(const Observed& observed) {
    return permits(of_queue(CallKind::event_read, events), observed);
  }
  void take(const Observed& observed, u64 queue = q) {
    const Verdict verdict = state.apply(of_queue(CallKind::fault_queue_read, queue), observed);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
};

TEST_F(SvaUserFaults, a_queue_is_of_a_users_domain_and_of_one_group_at_least) {
  EXPECT_TRUE(permits(open(parents[0], 1), refused()));
  EXPECT_FALSE(permits(open(parents[0], 1), {.value = q}));
  EXPECT_TRUE(permits(open(domains[0], 0), refused()));
  EXPECT_TRUE(permits(open(0, 1), refused())) << "neither";
  Call both = open(domains[0], 1);
  both.device = 0;
  EXPECT_TRUE(permits(both, refused()));
  EXPECT_FALSE(permits(open(domains[0], 1), refused()));
  ok(open(domains[0], 1), q);
  EXPECT_TRUE(permits(open(domains[0], 1), refused(Status::ebusy)));
  EXPECT_FALSE(permits(open(domains[0], 1), {.value = r}));
  EXPECT_TRUE(
      permits({.kind = CallKind::domain_free, .domain = domains[0]}, refused(Status::ebusy)));
}

TEST_F(SvaUserFaults, wait_in_the_queue_and_are_no_events) {
  open_events();
  ok(open(domains[0], 4), q);
  stalls(page, 3);
  stalls(2 * page, 4, without_pasid);
  state.faults_are_read();
  EXPECT_FALSE(tells(event()));
  EXPECT_FALSE(reads(empty()));
  EXPECT_FALSE(reads(fault(2 * page, 1, without_pasid))) << "it is not the oldest";
  take(fault(page));
  take(fault(2 * page, 2, without_pasid));
  EXPECT_FALSE(permits(answer(2), {})) << "it has no PASID";
  EXPECT_TRUE(permits(answer(2, without_pasid), {}));
  ok(answer(1));
  EXPECT_TRUE(permits(answer(1), refused()));
}

TEST_F(SvaUserFaults, without_a_pasid_a_driver_may_say_0_and_is_answered_so) {
  ok(open(domains[0], 4), q);
  stalls(page, 3, without_pasid);
  stalls(2 * page, 4, 0);
  state.faults_are_read();
  EXPECT_FALSE(reads(fault(page, 1, 1)));
  take(fault(page, 1, 0));
  EXPECT_FALSE(permits(answer(1, without_pasid), {}));
  EXPECT_TRUE(permits(answer(1, 0), {}));
  EXPECT_FALSE(reads(fault(2 * page, 2, without_pasid))) << "that one has PASID 0";
  EXPECT_TRUE(permits(open(domains[1], 1), refused(Status::eopnotsupp)));
}

TEST_F(SvaUserFaults, the_user_answers_and_nobody_else) {
  ok(open(domains[0], 4), q);
  stalls(page, 3);
  state.faults_are_read();
  EXPECT_FALSE(state.fault_resumed(1, 3, true).ok);
}

TEST_F(SvaUserFaults, without_a_queue_they_are_events) {
  open_events();
  stalls(page, 3);
  state.faults_are_read();
  EXPECT_TRUE(tells(event()));
  EXPECT_FALSE(tells(empty()));
  ok(open(domains[0], 4), q);
  EXPECT_FALSE(reads(fault(page)));
}

TEST_F(SvaUserFaults, what_was_recorded_before_may_go_to_a_queue_that_is_opened) {
  open_events();
  stalls(page, 3);
  ok(open(domains[0], 4), q);
  state.faults_are_read();
  EXPECT_TRUE(tells(event()));
  EXPECT_TRUE(tells(empty()));
  EXPECT_TRUE(reads(fault(page)));
  EXPECT_TRUE(reads(empty()));
}

/// A queue of the device's processes has none of the user's, and takes none from the next one of
/// the user.
TEST_F(SvaUserFaults, the_queue_of_the_device_has_none_of_them) {
  ok({.kind = CallKind::sva_device_init, .features = feature_iopf, .min_pasid = 1});
  stalls(page, 3);
  Call of_device{.kind = CallKind::fault_queue_open};
  of_device.depth = 4;
  ok(of_device, q);
  EXPECT_FALSE(reads(fault(page)));
  ok(open(domains[0], 1), r);
  stalls(2 * page, 4);
  EXPECT_TRUE(state.fault_resumed(1, 4, false).ok) << "the queue may be full of the first";
  state.faults_are_read();
  EXPECT_FALSE(reads(fault(page)));
  EXPECT_TRUE(reads(fault(page), r));
}

TEST_F(SvaUserFaults, beyond_the_depth_one_is_ended_and_the_user_may_be_told) {
  open_events();
  ok(open(domains[0], 1), q);
  stalls(page, 3);
  stalls(2 * page, 4);
  state.faults_are_read();
  u32 refused_ones = 0;
  state.for_each_refused([&](u32 /*device*/, u32 /*pasid*/, u32 /*sid*/, u32 stag) {
    ++refused_ones;
    EXPECT_EQ(stag, 4U);
  });
  EXPECT_EQ(refused_ones, 1U);
  EXPECT_TRUE(tells(event()));
  EXPECT_TRUE(state.fault_resumed(1, 4, false).ok);
  take(fault(page));
  EXPECT_FALSE(reads(fault(2 * page, 2)));
}

TEST_F(SvaUserFaults, what_stage_2_makes_is_nobodys_to_answer) {
  open_events();
  ok(open(domains[0], 4), q);
  stalls(page, 3, 1, true);
  stalls(page, 4, without_pasid, true);
  state.faults_are_read();
  EXPECT_FALSE(reads(fault(page)));
  EXPECT_FALSE(tells(event()));
  EXPECT_TRUE(state.fault_resumed(1, 3, false).ok);
}

TEST_F(SvaUserFaults, end_when_the_device_leaves) {
  ok(open(domains[0], 4), q);
  stalls(page, 3);
  stalls(2 * page, 4);
  state.faults_are_read();
  take(fault(page));
  ok({.kind = CallKind::detach, .domain = domains[0]});
  EXPECT_TRUE(state.waiting_faults().empty());
  EXPECT_FALSE(reads(fault(2 * page, 2)));
  EXPECT_TRUE(permits(answer(1), refused()));
  EXPECT_FALSE(permits(answer(1), {}));
}

TEST_F(SvaUserFaults, close_ends_what_is_there) {
  ok(open(domains[0], 4), q);
  stalls(page, 3);
  state.faults_are_read();
  take(fault(page));
  ok(of_queue(CallKind::fault_queue_close, q));
  EXPECT_TRUE(state.waiting_faults().empty());
  EXPECT_TRUE(permits(answer(1), refused()));
  EXPECT_TRUE(permits({.kind = CallKind::domain_free, .domain = domains[1]}, {}));
}

TEST_F(SvaUserFaults, in_a_move_they_may_be_of_either_user) {
  ok(open(domains[0], 4), q);
  ok(open(domains[1], 4), r);
  const Ticket moving = state.begin_call(attach(1));
  stalls(page, 3);
  EXPECT_TRUE(state.end_call(moving, attach(1), {}).ok);
  state.faults_are_read();
  for (const u64 queue : {q, r}) {
    EXPECT_TRUE(reads(fault(page), queue));
    EXPECT_TRUE(reads(empty(), queue));
  }
  take(fault(page), r);
  EXPECT_FALSE(reads(fault(page), q));
  EXPECT_TRUE(permits(answer(1, 1, r), {}));
  EXPECT_TRUE(permits(answer(1, 1, q), refused()));
}

/// A device of the host's, whose attach to the user's domain timed out: what it sends at a PASID
/// may be of the process that is bound there.
class SvaProcessOrUser : public SvaUserFaults {
 protected:
  static constexpr u64 host = 0x81, process = 0x91;
  SvaProcessOrUser() {
    ok({.kind = CallKind::detach, .domain = domains[0]});
    ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging)}, host);
    ok({.kind = CallKind::attach, .domain = host});
    EXPECT_TRUE(state.apply(attach(0), {.status = Status::etimedout}, {.queue_stuck = true}).ok);
    EXPECT_TRUE(state.process_created(process));
    ok({.kind = CallKind::sva_device_init, .features = feature_iopf, .min_pasid = 1});
    ok({.kind = CallKind::bind_device, .mm = process}, 1);
  }
  void open_of_device() {
    Call call{.kind = CallKind::fault_queue_open};
    call.depth = 4;
    ok(call, q);
  }
  void recover() { ok({.kind = CallKind::recover}); }
};

TEST_F(SvaProcessOrUser, the_queue_of_the_device_may_have_it) {
  open_of_device();
  ok(open(domains[0], 4), r);
  stalls(page, 3);
  state.faults_are_read();
  for (const u64 queue : {q, r}) {
    EXPECT_TRUE(reads(fault(page), queue));
    EXPECT_TRUE(reads(empty(), queue));
  }
  EXPECT_FALSE(reads(fault(2 * page)));
  take(fault(page));
  EXPECT_TRUE(reads(empty(), r));
  EXPECT_FALSE(reads(fault(page), r));
  EXPECT_TRUE(permits(answer(1), {}));
}

TEST_F(SvaProcessOrUser, it_may_be_the_processs_when_the_move_is_out_of_the_question) {
  open_of_device();
  stalls(page, 3);
  state.faults_are_read();
  recover();
  EXPECT_TRUE(reads(fault(page)));
  EXPECT_TRUE(reads(empty()));
}

TEST_F(SvaProcessOrUser, its_handler_may_be_told) {
  Call set{.kind = CallKind::fault_handler_set};
  set.pasid = 1;
  set.present = true;
  set.drvdata = 0x5;
  ok(set);
  ok(open(domains[0], 4), r);
  stalls(page, 3);
  const FaultRecord told{.device = 0, .pasid = 1, .prot = prot_read, .group = 1};
  EXPECT_FALSE(state.fault_handler_called(told, 2 * page, 0x5).ok);
  EXPECT_TRUE(state.fault_handler_called(told, page, 0x5).ok);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_user_faults_test
