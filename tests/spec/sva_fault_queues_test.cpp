// SPDX-License-Identifier: MIT
// Faults of a device's processes in a user's queue: what may be read, what may be answered, what
// the IOMMU may be told; each with what must be refused.
#include "tests/spec/sva_fixture.h"

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_fault_queues_test {
namespace {

using namespace words;

constexpr u64 q = 0x91;
constexpr u64 r = 0x92;
constexpr u32 sid = 0x10;  // of device 0

Call open(u32 device, u32 depth) {
  return {.kind = CallKind::fault_queue_open, .device = device, .depth = depth};
}
Call read(u64 queue) { return {.kind = CallKind::fault_queue_read, .queue = queue}; }
Call close(u64 queue) { return {.kind = CallKind::fault_queue_close, .queue = queue}; }
Call respond(u64 queue, u32 device, u32 pasid, u32 group, u32 response = response_success) {
  return {.kind = CallKind::fault_queue_respond,
          .device = device,
          .pasid = pasid,
          .queue = queue,
          .group = group,
          .response = response};
}

class SvaFaultQueues : public SvaWorld {
 protected:
  SvaFaultQueues()
      : SvaWorld({.devices = {device(sid), device(0x20), device(0x30, false)}, .ssid_bits = 10}) {
    on(d, {0, 1});
    ok(init(0, iopf));
    process(x, 0x1000, px);
  }

  /// Device 0 is bound to x at PASID 1, and has the queue.
  void ready(u32 depth = 4) {
    ok(open(0, depth), q);
    ok(bind(0, x), 1);
  }
  static FaultRecord record(u64 iova, u32 group = 0, u32 prot = prot_read) {
    return {.device = 0, .pasid = 1, .iova = iova, .prot = prot, .group = group, .last = true};
  }
  void waits(u64 iova, u32 stag) { state.fault_waits(record(iova), sid, stag); }
  /// The driver was told of it.
  void comes(u64 iova, u32 stag) {
    waits(iova, stag);
    state.faults_are_read();
  }
  static Observed gives(const FaultRecord& fault) { return {.status = Status::ok, .fault = fault}; }
};

TEST_F(SvaFaultQueues, one_a_device_that_has_asked) {
  only(open(0, 0), Status::einval);
  only(open(1, 4), Status::einval);  // no sva_device_init
  only(open(9, 4), Status::enodev);
  only({.kind = CallKind::fault_queue_open, .domain = d, .device = no_device, .depth = 4},
       Status::einval);
  ok(open(0, 4), q);
  only(open(0, 4), Status::ebusy);
  EXPECT_EQ(state.held().queues, 1U);
  ok(close(q));
  EXPECT_EQ(state.held().queues, 0U);
  only(close(q), Status::einval);
  EXPECT_TRUE(state.duty_of_call(read(q)).blames_caller);
  EXPECT_FALSE(state.duty_of_call(read(r)).blames_caller);
}

TEST_F(SvaFaultQueues, the_oldest_is_read_once_with_a_number_of_its_own) {
  ready();
  fails(read(q), Status::eagain);
  refused(read(q), gives(record(0x5000, 1)));
  comes(0x5000, 0);
  comes(0x6000, 1);
  refused(read(q), Status::eagain);
  refused(read(q), gives(record(0x6000, 1)));              // not the oldest
  refused(read(q), gives(record(0x5000, 1, prot_write)));  // another access
  FaultRecord open_group = record(0x5000, 1);
  open_group.last = false;
  refused(read(q), gives(open_group));
  returns(read(q), gives(record(0x5123, 1)));  // of that page
  refused(read(q), gives(record(0x6000, 1)));  // its number was given
  returns(read(q), gives(record(0x6000, 2)));
  fails(read(q), Status::eagain);
}

TEST_F(SvaFaultQueues, a_group_is_answered_once_by_all_its_names) {
  ready();
  comes(0x5000, 0);
  only(respond(q, 0, 1, 1), Status::einval);  // nobody has read it
  returns(read(q), gives(record(0x5000, 1)));
  only(respond(q, 0, 1, 2), Status::einval);
  only(respond(q, 0, 2, 1), Status::einval);
  only(respond(q, 1, 1, 1), Status::einval);
  only(respond(r, 0, 1, 1), Status::einval);
  only(respond(q, 0, 1, 1, 3), Status::einval);
  refused(respond(q, 0, 1, 1), Status::einval);
  ok(respond(q, 0, 1, 1));
  only(respond(q, 0, 1, 1), Status::einval);
  refused(respond(q, 0, 1, 1), Status::ok);
}

TEST_F(SvaFaultQueues, the_iommu_is_told_what_the_user_said_and_nothing_else) {
  ready();
  comes(0x5000, 0);
  returns(read(q), gives(record(0x5000, 1)));
  broken(state.fault_resumed(sid, 0, false), rule::FAULT_ANSWERED);
  const Ticket ticket = state.begin_call(respond(q, 0, 1, 1, 1));
  broken(state.fault_resumed(sid, 0, true), rule::FAULT_ANSWERED);
  EXPECT_TRUE(state.fault_resumed(sid, 0, false).ok);
  EXPECT_TRUE(state.end_call(ticket, respond(q, 0, 1, 1, 1), {}).ok);
  EXPECT_TRUE(state.fault_resumed(sid, 0, true).ok) << "no longer the user's";
}

TEST_F(SvaFaultQueues, who_finds_it_full_is_refused) {
  ready(1);
  comes(0x5000, 0);
  comes(0x6000, 1);
  u32 refused_tag = 0;
  state.for_each_refused([&](u32, u32, u32, u32 stag) { refused_tag = stag; });
  EXPECT_EQ(refused_tag, 1U);
  broken(state.fault_resumed(sid, 1, true), rule::FAULT_ANSWERED);
  returns(read(q), gives(record(0x5000, 1)));
  fails(read(q), Status::eagain);
  comes(0x7000, 2);  // what was read is in nobody's way
  returns(read(q), gives(record(0x7000, 2)));
}

TEST_F(SvaFaultQueues, until_the_driver_is_told_either_is_right) {
  ready(1);
  waits(0x5000, 0);
  fails(read(q), Status::eagain);
  const Trail::Mark mark = trail.mark();
  returns(read(q), gives(record(0x5000, 1)));
  trail.undo_to(mark);
  // With a call in between the second may have found the first in its way, or not.
  waits(0x6000, 1);
  const Ticket ticket = state.begin_call(read(q));
  EXPECT_TRUE(state.end_call(ticket, read(q), gives(record(0x5000, 1))).ok);
  state.faults_are_read();
  EXPECT_TRUE(state.permitted(read(q), {}).has(Status::eagain));
  EXPECT_TRUE(state.permitted(read(q), {}).has(Status::ok));
}

TEST_F(SvaFaultQueues, unbind_exit_detach_removal_and_close_end_them) {
  ready();
  comes(0x5000, 0);
  comes(0x6000, 1);
  returns(read(q), gives(record(0x5000, 1)));
  const Trail::Mark mark = trail.mark();
  const auto ends = [&](const char* what) {
    EXPECT_TRUE(state.waiting_faults().empty()) << what;
    EXPECT_FALSE(state.permitted(respond(q, 0, 1, 1), {}).has(Status::ok)) << what;
    trail.undo_to(mark);
    EXPECT_EQ(state.waiting_faults().size(), 2U);
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
  EXPECT_FALSE(state.is_queue(q));
  ends("removal");
  ok(close(q));
  ends("close");
  const Ticket release = state.release_begins(x);
  EXPECT_TRUE(state.permitted(respond(q, 0, 1, 1), {}).has(Status::einval));
  calls_exit(0, 1, 0);
  EXPECT_TRUE(state.handler_returned(0, 1, Status::ok).ok);
  EXPECT_TRUE(state.release_ends(release).ok);
  ends("exit");
}

TEST_F(SvaFaultQueues, a_reference_less_ends_nothing) {
  ready();
  ok(bind(0, x), 1);
  comes(0x5000, 0);
  returns(read(q), gives(record(0x5000, 1)));
  ok(unbind(0, 1));
  refused(respond(q, 0, 1, 1), Status::einval);
  ok(respond(q, 0, 1, 1));
}

TEST_F(SvaFaultQueues, what_a_time_out_leaves_is_not_known) {
  ready();
  comes(0x5000, 0);
  returns(read(q), gives(record(0x5000, 1)));
  const Circumstances stuck{.queue_stuck = true};
  returns(respond(q, 0, 1, 1), {.status = Status::etimedout}, stuck);
  EXPECT_TRUE(state.permitted(respond(q, 0, 1, 1), {}).has(Status::einval));
  EXPECT_TRUE(state.fault_resumed(sid, 0, true).ok);
  only(respond(q, 0, 1, 1), Status::einval);
}

// INTERFACE "Faults": a queue that is open does not go silent. Either who would silence it is
// refused, or the driver has found a way.
TEST_F(SvaFaultQueues, one_that_is_open_is_not_silenced_by_who_cannot_wait) {
  ready();
  paging(e);
  EXPECT_EQ(meets(0, 1, 0x900000), Set{"waits"}) << "device 1 has not asked, and can wait";
  EXPECT_FALSE(state.permitted(attach(d, 1), {}).has(Status::ebusy));
  EXPECT_FALSE(state.permitted(attach(e, 2), {}).has(Status::ebusy)) << "another table";
  fails(attach(d, 2), Status::ebusy);
  const auto mark = trail.mark();
  ok(attach(d, 2));
  EXPECT_EQ(meets(0, 1, 0x900000), Set{"waits"});
  EXPECT_EQ(meets(2, 1, 0x900000), Set{"unmapped"});
  ok(close(q));
  EXPECT_EQ(meets(0, 1, 0x900000), (Set{"unmapped", "waits"})) << "nobody reads them";
  fails(open(0, 4), Status::ebusy);
  trail.undo_to(mark);
  ok(close(q));
  EXPECT_FALSE(state.permitted(attach(d, 2), {}).has(Status::ebusy));
  EXPECT_FALSE(state.permitted(open(0, 4), {}).has(Status::ebusy));
  ok(attach(e, 2));
  EXPECT_FALSE(state.permitted(attach(e, 1), {}).has(Status::ebusy));
  ok(init(1, iopf));
  ok(open(1, 4), r);
  fails(attach(e, 1), Status::ebusy);
}

// What waited for a reader may go on waiting without one, until the entry is made anew; the answer
// is the core's.
TEST_F(SvaFaultQueues, who_closes_one_changes_no_entry) {
  ready();
  ok({.kind = CallKind::sva_device_shutdown, .device = 0});
  ok(init(0, 0));
  ok(bind(0, x), 2);
  EXPECT_EQ(meets(0, 2, 0x900000), Set{"waits"}) << "it is read still";
  ok(close(q));
  EXPECT_EQ(meets(0, 2, 0x900000), (Set{"unmapped", "waits"}));
  EXPECT_EQ(meets(1, 2, 0x900000), (Set{"unmapped", "waits"})) << "of the table";
}

// Whether it has a table of its own nobody knows: either answer is right.
TEST_F(SvaFaultQueues, one_of_a_device_whose_attach_pasid_timed_out_may_be_silenced_or_not) {
  ok(open(0, 4), q);
  paging(e);
  ok(pasid_alloc(1, 4), 1);
  const Circumstances stuck{.queue_stuck = true};
  returns({.kind = CallKind::attach_pasid, .domain = d, .device = 0, .pasid = 1},
          {.status = Status::etimedout}, stuck);
  EXPECT_TRUE(state.permitted(attach(d, 2), {}).has(Status::ebusy));
  EXPECT_TRUE(state.permitted(attach(d, 2), {}).has(Status::ok));
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_fault_queues_test
