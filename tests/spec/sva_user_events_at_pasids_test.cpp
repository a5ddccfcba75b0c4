// SPDX-License-Identifier: MIT
// INTERFACE "Nested": what users are told of where PASIDs are the host's, and each leads to a
// user's table, or to none.
#include <gtest/gtest.h>

#include "sva_users_fixture.h"

namespace iommucheck::spec::sva::sva_user_events_at_pasids_test {
namespace {

constexpr u64 parents[] = {0x51, 0x52};
constexpr u64 users[] = {0x61, 0x62};
constexpr u64 hosts = 0x63;
constexpr u64 queues[] = {0x71, 0x72};

class ToldOfTables final : public Told {
 public:
  [[nodiscard]] std::optional<UserRoute> route(const std::array<u64, 2>& /*words*/) const override {
    return UserRoute{.kind = UserRoute::Kind::stage1, .table = 0x1000, .table_bits = 39};
  }
};

class SvaUserEventsAtPasids : public WithUsers<ToldOfTables> {
 protected:
  /// Device 0 is on a domain of the host's; the users call it 7 and 8.
  SvaUserEventsAtPasids() : WithUsers(one_device()) {
    ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging)},
       hosts);
    ok({.kind = CallKind::attach, .domain = hosts});
    for (const u32 i : {0U, 1U}) {
      ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging_s2)},
         parents[i]);
      ok({.kind = CallKind::domain_alloc,
          .domain_kind = static_cast<u32>(DomainKind::nested),
          .parent = parents[i]},
         users[i]);
      ok({.kind = CallKind::vdevice, .domain = parents[i], .number = 7 + i});
      Call open{.kind = CallKind::event_queue_open, .domain = parents[i]};
      open.depth = 4;
      ok(open, queues[i]);
    }
    ok({.kind = CallKind::pasid_alloc, .min_pasid = 1, .max_pasid = 1}, 1);
  }
  static Machine one_device() {
    Machine setup;
    setup.devices = {{.stream_ids = {1}, .ssid_bits = 8}};
    setup.ssid_bits = 8;
    setup.keeps_pasid_0 = false;
    setup.routes_users = true;
    return setup;
  }
  void lead_to(u64 domain) {
    ok({.kind = CallKind::attach_pasid, .domain = domain, .device = 0, .pasid = 1});
  }
  void record(u64 word, Substream at) { state.event_recorded(1, {word}, at); }
  bool tells(u32 user, u64 word) {
    Observed observed;
    observed.event.words[0] = word | u64{7 + user} << 32;
    return says(user, observed);
  }
  bool empty(u32 user) { return says(user, {.status = Status::eagain}); }
  bool says(u32 user, const Observed& observed) {
    Call call{.kind = CallKind::event_read};
    call.queue = queues[user];
    const Trail::Mark mark = trail.mark();
    const bool is = state.end_call(state.begin_call(call), call, observed).ok;
    trail.undo_to(mark);
    return is;
  }
};

TEST_F(SvaUserEventsAtPasids, are_of_whoever_has_the_pasid) {
  lead_to(users[0]);
  record(1, substream(1));
  state.faults_are_read();
  EXPECT_TRUE(tells(0, 1));
  EXPECT_FALSE(empty(0));
  EXPECT_FALSE(tells(1, 1));
  EXPECT_TRUE(empty(1));
}

TEST_F(SvaUserEventsAtPasids, what_the_host_has_met_is_nobodys) {
  lead_to(users[0]);
  record(1, {});
  record(2, substream(2));
  state.faults_are_read();
  for (const u32 user : {0U, 1U}) {
    EXPECT_TRUE(empty(user));
    EXPECT_FALSE(tells(user, 1));
    EXPECT_FALSE(tells(user, 2));
  }
}

TEST_F(SvaUserEventsAtPasids, stay_with_whom_the_pasid_was) {
  lead_to(users[0]);
  record(1, substream(1));
  lead_to(users[1]);
  record(2, substream(1));
  state.faults_are_read();
  EXPECT_TRUE(tells(0, 1)) << "it may have been read before";
  EXPECT_TRUE(empty(0)) << "or be lost between them";
  EXPECT_FALSE(tells(0, 2));
  EXPECT_TRUE(tells(1, 2));
  EXPECT_FALSE(tells(1, 1));
  EXPECT_FALSE(empty(1));
}

TEST_F(SvaUserEventsAtPasids, within_a_call_that_leads_elsewhere_may_be_told_to_either) {
  lead_to(users[0]);
  const Call call{.kind = CallKind::attach_pasid, .domain = users[1], .device = 0, .pasid = 1};
  const Ticket ticket = state.begin_call(call);
  record(1, substream(1));
  EXPECT_TRUE(state.end_call(ticket, call, {.status = Status::ok}).ok);
  state.faults_are_read();
  for (const u32 user : {0U, 1U}) {
    EXPECT_TRUE(tells(user, 1));
    EXPECT_TRUE(empty(user));
  }
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_user_events_at_pasids_test
