// SPDX-License-Identifier: MIT
// Groups of page requests: when they appear, how they are read and answered, what switches a
// device's requests off; each with what must be refused.
#include "tests/spec/sva_fixture.h"

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_fault_groups_test {
namespace {

using namespace words;

constexpr u64 q = 0x91;
constexpr u32 sid = 0x10;
constexpr u32 name = request_name(1, 7);

Call read() { return {.kind = CallKind::fault_queue_read, .queue = q}; }
Call respond(u32 group, u32 response) {
  return {.kind = CallKind::fault_queue_respond,
          .device = 0,
          .pasid = 1,
          .queue = q,
          .group = group,
          .response = response};
}

class SvaFaultGroups : public SvaWorld {
 protected:
  static sva::Setup setup_with_requests() {
    sva::Setup setup{.devices = {device(sid, false), device(0x20, false)}, .ssid_bits = 10};
    for (DeviceSetup& one : setup.devices) one.pri = true;
    return setup;
  }
  SvaFaultGroups() : SvaWorld(setup_with_requests()) {
    on(d, {0, 1});
    ok(init(0, iopf));
    process(x, 0x1000, px);
    ok({.kind = CallKind::fault_queue_open, .device = 0, .depth = 2}, q);
    ok(bind(0, x), 1);
  }
  static FaultRecord page(u64 iova, bool last, u32 group = 0) {
    return {.device = 0, .pasid = 1, .iova = iova, .prot = prot_read, .group = group, .last = last};
  }
  void asks(u64 iova, bool last, u32 of = name) {
    state.page_is_requested(page(iova, last), sid, of);
    state.faults_are_read();
  }
  static Observed gives(const FaultRecord& fault) { return {.status = Status::ok, .fault = fault}; }
  /// Read as group 5, both pages.
  void is_read() {
    asks(0x10000, false);
    asks(0x20000, true);
    returns(read(), gives(page(0x10000, false, 5)));
    returns(read(), gives(page(0x20000, true, 5)));
  }
};

TEST_F(SvaFaultGroups, appear_after_their_last_page) {
  asks(0x10000, false);
  only(read(), Status::eagain);
  only(respond(1, response_success), Status::einval);
  broken(state.group_answered(sid, name, response_invalid), rule::FAULT_ANSWERED);
  asks(0x10000, false);
  asks(0x20000, true);
  EXPECT_FALSE(state.permitted(read(), {}).has(Status::eagain));
}

TEST_F(SvaFaultGroups, are_read_page_by_page_with_one_number) {
  asks(0x10000, false);
  asks(0x20000, true);
  refused(read(), gives(page(0x10000, true, 5)));
  refused(read(), gives(page(0x20000, true, 5)));
  returns(read(), gives(page(0x10000, false, 5)));
  refused(read(), gives(page(0x20000, true, 6)));
  refused(read(), gives(page(0x20000, false, 5)));
  returns(read(), gives(page(0x20000, true, 5)));
  only(read(), Status::eagain);
}

TEST_F(SvaFaultGroups, are_answered_once_and_as_their_user_says) {
  is_read();
  broken(state.group_answered(sid, name, response_success), rule::FAULT_ANSWERED);
  ok(respond(5, response_invalid));
  only(respond(5, response_invalid), Status::einval);
}

TEST_F(SvaFaultGroups, failure_switches_requests_off_until_somebody_asks_for_faults) {
  is_read();
  EXPECT_EQ(state.requests_are_on(0), true);
  ok(respond(5, response_failure));
  EXPECT_EQ(state.requests_are_on(0), false);
  ok({.kind = CallKind::fault_queue_close, .queue = q});
  EXPECT_EQ(state.requests_are_on(0), false);
  ok({.kind = CallKind::fault_queue_open, .device = 0, .depth = 2}, q + 1);
  EXPECT_EQ(state.requests_are_on(0), true);
  EXPECT_EQ(state.requests_are_on(1), false) << "sva_device_init has not asked for it";
}

TEST_F(SvaFaultGroups, a_full_queue_says_invalid_and_never_failure) {
  for (u32 n = 0; n < 3; ++n) asks(0x10000 + n * 0x1000, true, request_name(1, n));
  EXPECT_EQ(state.waiting_faults().size(), 2U);
  broken(state.group_answered(sid, request_name(1, 2), response_failure), rule::FAULT_ANSWERED);
}

TEST_F(SvaFaultGroups, that_have_begun_end_with_their_process) {
  asks(0x10000, false);
  ASSERT_EQ(state.waiting_faults().size(), 1U);
  EXPECT_TRUE(state.waiting_faults().front().begun);
  ok(unbind(0, 1));
  EXPECT_TRUE(state.waiting_faults().empty());
}

TEST_F(SvaFaultGroups, that_lost_requests_are_owed_nothing) {
  asks(0x10000, false);
  state.begun_groups_are_lost();
  EXPECT_TRUE(state.waiting_faults().empty());
  EXPECT_TRUE(state.group_answered(sid, name, response_invalid).ok);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_fault_groups_test
