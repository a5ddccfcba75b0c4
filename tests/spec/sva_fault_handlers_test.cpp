// SPDX-License-Identifier: MIT
// Faults of a device's processes to the caller's handler: who may be told of what, with which word,
// and what ends it; each with what must be refused.
#include "tests/spec/sva_fixture.h"

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_fault_handlers_test {
namespace {

using namespace words;

constexpr u64 q = 0x91;
constexpr u32 sid = 0x10;  // of device 0
constexpr u64 data = 0xa0;

Call set(u32 device, u32 pasid, u64 drvdata = data) {
  return {.kind = CallKind::fault_handler_set,
          .device = device,
          .drvdata = drvdata,
          .pasid = pasid,
          .present = true};
}
Call take_away(u32 device, u32 pasid) {
  return {.kind = CallKind::fault_handler_set, .device = device, .pasid = pasid};
}
Call open(u32 device) { return {.kind = CallKind::fault_queue_open, .device = device, .depth = 4}; }
Call respond(u32 group, u32 response = response_success) {
  return {.kind = CallKind::fault_queue_respond,
          .device = 0,
          .pasid = 1,
          .group = group,
          .response = response};
}

class SvaFaultHandlers : public SvaWorld {
 protected:
  SvaFaultHandlers()
      : SvaWorld({.devices = {device(sid), device(0x20), device(0x30, false)}, .ssid_bits = 10}) {
    on(d, {0, 1});
    ok(init(0, iopf));
    process(x, 0x1000, px);
    ok(bind(0, x), 1);
  }
  void waits(u64 iova, u32 stag) {
    state.fault_waits({.device = 0, .pasid = 1, .iova = iova, .prot = prot_read}, sid, stag);
  }
  Verdict told(u64 iova, u32 group, u64 its_word = data, u32 prot = prot_read) {
    return state.fault_handler_called({.device = 0, .pasid = 1, .prot = prot, .group = group}, iova,
                                      its_word);
  }
  /// The driver was interrupted for it, and has told the handler.
  void comes(u64 iova, u32 stag, u32 group, u64 its_word = data) {
    waits(iova, stag);
    state.faults_are_read();
    const Verdict verdict = told(iova, group, its_word);
    EXPECT_TRUE(verdict.ok) << verdict.message;
    EXPECT_TRUE(state.handlers_were_called().ok);
  }
};

TEST_F(SvaFaultHandlers, where_a_process_is_bound_whose_faults_wait) {
  only(set(9, 1), Status::enodev);
  only(set(0, 2), Status::einval);
  only(set(0, pasid_unknown), Status::einval);
  only(set(1, 1), Status::einval);  // no sva_device_init
  ok(open(0), q);
  only(set(0, 1), Status::ebusy);
  only(take_away(0, 1), Status::ebusy);
  ok({.kind = CallKind::fault_queue_close, .queue = q});
  EXPECT_FALSE(state.fault_handler_of(0, 1));
  ok(set(0, 1));
  EXPECT_EQ(state.fault_handler_of(0, 1), data);
  only(open(0), Status::ebusy);
  ok(take_away(0, 1));
  ok(take_away(0, 1));
  EXPECT_FALSE(state.fault_handler_of(0, 1));
  ok(open(0), q + 1);
}

TEST_F(SvaFaultHandlers, it_is_told_once_with_its_word_and_a_new_number) {
  ok(set(0, 1));
  broken(told(0x5000, 1), rule::FAULT_HANDLED);  // of nothing
  waits(0x5000, 0);
  waits(0x6000, 1);
  broken(told(0x5000, 1, data + 1), rule::FAULT_HANDLED);
  broken(told(0x6000, 1), rule::FAULT_HANDLED);  // not the oldest
  broken(told(0x5000, 1, data, prot_write), rule::FAULT_HANDLED);
  EXPECT_TRUE(told(0x5123, 1).ok);
  broken(told(0x5000, 2), rule::FAULT_HANDLED);  // twice
  broken(told(0x6000, 1), rule::FAULT_HANDLED);  // its number was given
  EXPECT_TRUE(told(0x6000, 2).ok);
  EXPECT_EQ(state.waiting_faults().size(), 2U);
}

/// With one table for the domain a device that nobody has bound yet meets another one's process,
/// and its fault may be read when it is bound and has a handler.
TEST_F(SvaFaultHandlers, of_what_was_there_before_the_device_was_bound) {
  const auto waits_at_1 = [&](u64 iova, u32 stag) {
    state.fault_waits({.device = 1, .pasid = 1, .iova = iova, .prot = prot_read}, 0x20, stag);
  };
  const auto told_of_1 = [&](u64 iova, u32 group) {
    return state.fault_handler_called({.device = 1, .pasid = 1, .prot = prot_read, .group = group},
                                      iova, data);
  };
  waits_at_1(0x5000, 0);
  ok(init(1, iopf));
  ok(bind(1, x), 1);
  ok(set(1, 1));
  waits_at_1(0x6000, 1);
  state.faults_are_read();
  EXPECT_TRUE(told_of_1(0x5000, 1).ok);
  broken(told_of_1(0x5000, 2), rule::FAULT_HANDLED);
  EXPECT_TRUE(told_of_1(0x6000, 3).ok);
  // Or it was read before: nobody knows.
  waits_at_1(0x7000, 2);
  state.faults_are_read();
  broken(told_of_1(0x8000, 4), rule::FAULT_HANDLED);
  EXPECT_TRUE(told_of_1(0x7000, 5).ok);
}

TEST_F(SvaFaultHandlers, who_was_interrupted_has_told_it) {
  ok(set(0, 1));
  waits(0x5000, 0);
  EXPECT_TRUE(state.handlers_were_called().ok) << "nobody was interrupted yet";
  state.faults_are_read();
  broken(state.handlers_were_called(), rule::FAULT_HANDLED);
  EXPECT_TRUE(state.handlers_were_called().ok) << "said once";
  comes(0x6000, 1, 1);
}

TEST_F(SvaFaultHandlers, an_answer_is_given_once_and_is_what_the_iommu_is_told) {
  ok(set(0, 1));
  comes(0x5000, 0, 1);
  broken(state.fault_resumed(sid, 0, false), rule::FAULT_ANSWERED);
  only(respond(2), Status::einval);
  only(respond(1, 3), Status::einval);
  const Ticket ticket = state.begin_call(respond(1, 1));
  broken(state.fault_resumed(sid, 0, true), rule::FAULT_ANSWERED);
  EXPECT_TRUE(state.fault_resumed(sid, 0, false).ok);
  EXPECT_TRUE(state.end_call(ticket, respond(1, 1), {}).ok);
  only(respond(1, 1), Status::einval);
}

/// Whoever answers a fault that the handler was not told of answers in its place.
TEST_F(SvaFaultHandlers, nobody_answers_in_its_place) {
  ok(set(0, 1));
  waits(0x5000, 0);
  broken(state.fault_resumed(sid, 0, false), rule::FAULT_ANSWERED);
}

TEST_F(SvaFaultHandlers, a_new_one_follows_and_what_the_old_one_has_is_answered) {
  ok(set(0, 1));
  comes(0x5000, 0, 1);
  waits(0x6000, 1);
  const Call next = set(0, 1, data + 1);
  const Ticket ticket = state.begin_call(next);
  const Trail::Mark mark = trail.mark();
  EXPECT_TRUE(told(0x6000, 2, data).ok) << "either, while the call runs";
  trail.undo_to(mark);
  EXPECT_TRUE(told(0x6000, 2, data + 1).ok);
  trail.undo_to(mark);
  EXPECT_TRUE(state.end_call(ticket, next, {}).ok);
  broken(told(0x6000, 2, data), rule::FAULT_HANDLED);
  EXPECT_TRUE(told(0x6000, 2, data + 1).ok);
  refused(respond(1), Status::einval);
  ok(respond(1));
  ok(respond(2));
}

TEST_F(SvaFaultHandlers, taken_away_it_is_told_of_nothing_and_what_it_has_is_over) {
  ok(set(0, 1));
  comes(0x5000, 0, 1);
  waits(0x6000, 1);
  ok(take_away(0, 1));
  EXPECT_TRUE(state.waiting_faults().empty());
  only(respond(1), Status::einval);
  broken(told(0x6000, 2), rule::FAULT_HANDLED);
  state.faults_are_read();
  EXPECT_TRUE(state.handlers_were_called().ok);
  EXPECT_TRUE(state.fault_resumed(sid, 1, false).ok) << "the process's own handler answers";
}

/// Nobody knows whether the driver had read it by then.
TEST_F(SvaFaultHandlers, what_waited_before_it_may_be_told_or_not) {
  waits(0x5000, 0);
  ok(set(0, 1));
  const Trail::Mark mark = trail.mark();
  EXPECT_TRUE(told(0x5000, 1).ok);
  trail.undo_to(mark);
  state.faults_are_read();
  EXPECT_TRUE(state.handlers_were_called().ok);
}

TEST_F(SvaFaultHandlers, unbind_exit_detach_and_removal_end_both) {
  ok(set(0, 1));
  comes(0x5000, 0, 1);
  const Trail::Mark mark = trail.mark();
  const auto ends = [&](const char* what) {
    EXPECT_TRUE(state.waiting_faults().empty()) << what;
    EXPECT_FALSE(state.permitted(respond(1), {}).has(Status::ok)) << what;
    EXPECT_FALSE(state.fault_handler_of(0, 1)) << what;
    trail.undo_to(mark);
    EXPECT_EQ(state.waiting_faults().size(), 1U);
  };
  ok(unbind(0, 1));
  ends("unbind");
  ok(unbind_all(0));
  ends("unbind_dev_all");
  ok(detach(d, 0));
  ends("detach");
  ok(shutdown(0));
  ends("shutdown");
  state.device_removed(0, false);
  ends("removal");
  const Ticket release = state.release_begins(x);
  only(set(0, 1), Status::esrch);
  only(take_away(0, 1), Status::esrch);
  calls_exit(0, 1, 0);
  EXPECT_TRUE(state.handler_returned(0, 1, Status::ok).ok);
  EXPECT_TRUE(state.release_ends(release).ok);
  ends("exit");
}

TEST_F(SvaFaultHandlers, a_reference_less_ends_nothing) {
  ok(bind(0, x), 1);
  ok(set(0, 1));
  comes(0x5000, 0, 1);
  ok(unbind(0, 1));
  EXPECT_EQ(state.fault_handler_of(0, 1), data);
  ok(respond(1));
}

/// A recording says which group, and not of which access.
TEST_F(SvaFaultHandlers, without_an_address_it_is_the_oldest) {
  ok(set(0, 1));
  waits(0x5000, 0);
  waits(0x6000, 1);
  EXPECT_TRUE(
      state.fault_handler_called({.device = 0, .pasid = 1, .group = 7}, std::nullopt, data).ok);
  const auto stall = state.stall_of(respond(7));
  ASSERT_TRUE(stall);
  EXPECT_EQ(stall->stag, 0U);
}

TEST_F(SvaFaultHandlers, only_taking_it_away_may_time_out) {
  ok(set(0, 1));
  comes(0x5000, 0, 1);
  const Circumstances stuck{.queue_stuck = true};
  EXPECT_FALSE(state.permitted(set(0, 1), stuck).has(Status::etimedout));
  returns(take_away(0, 1), {.status = Status::etimedout}, stuck);
  EXPECT_FALSE(state.fault_handler_of(0, 1));
  only(respond(1), Status::einval);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_fault_handlers_test
