// SPDX-License-Identifier: MIT
// A call that timed out looks like one that is still in progress for the hardware until recovery:
// old or new. It is not one, in either direction; docs/semantics.md, 5. Each test here is a
// counter-example to that reading.
#include "tests/spec/sva_fixture.h"

namespace iommucheck::spec::sva::sva_time_out_test {
namespace {

using namespace words;

constexpr Circumstances stuck{.queue_stuck = true};
constexpr Substream rid{};

Call unmap(u64 domain, u64 iova, u64 size) {
  return {.kind = CallKind::unmap, .domain = domain, .iova = iova, .size = size};
}

class TimeOutIsNoOpenCall : public SvaWorld {
 protected:
  TimeOutIsNoOpenCall() : SvaWorld({.devices = {device(1), device(2)}, .ssid_bits = 10}) {}
};

// What is done to a domain while a device may be on it binds nobody to that device: its copies were
// never asked for. A call in progress says nothing of the kind: the other calls' promises hold, and
// the driver would be blamed for the page that the device still has.
TEST_F(TimeOutIsNoOpenCall, what_other_calls_took_away_meanwhile_may_be_met) {
  on(d, {0});
  ok(map(d, page, p2));
  paging(e);

  const auto mark = trail.mark();
  state.begin_call(attach(e, 0));
  returns(map(e, page, p1), {});
  returns(unmap(e, page, page), {.value = page});
  EXPECT_EQ(meets(0, rid, page), (Set{hex(p2) + " rw", "blocked", "unmapped"}));
  trail.undo_to(mark);

  fails(attach(e, 0), Status::etimedout, stuck);
  ok(map(e, page, p1));
  returns(unmap(e, page, page), {.value = page});
  EXPECT_EQ(meets(0, rid, page), (Set{hex(p2) + " rw", "blocked", "unmapped", hex(p1) + " rw"}));
  EXPECT_TRUE(state.page_in_flight(p1, page));

  state.recovered();
  EXPECT_EQ(meets(0, rid, page), (Set{hex(p2) + " rw"}));
  EXPECT_FALSE(state.page_in_flight(p1, page));
}

// Freed is the domain, and it had nothing to give back: what the attach may have left of it is
// there until the device's next one, or recovery. Of one with tables nothing is.
TEST_F(TimeOutIsNoOpenCall, what_an_attach_left_of_a_domain_without_tables_outlives_it) {
  on(d, {0});
  ok(map(d, page, p2));
  ok(alloc(DomainKind::identity), e);
  fails(attach(e, 0), Status::etimedout, stuck);
  ok(free_domain(e));
  EXPECT_TRUE(meets(0, rid, page).contains("identity"));
  EXPECT_TRUE(meets(0, rid, page).contains(hex(p2) + " rw"));
  const auto mark = trail.mark();
  state.recovered();
  EXPECT_EQ(meets(0, rid, page), (Set{hex(p2) + " rw"}));
  trail.undo_to(mark);
  ok(detach(d, 0));
  EXPECT_EQ(meets(0, rid, page), (Set{"blocked"}));

  paging(e);
  ok(map(e, page, p1));
  fails(attach(e, 1), Status::etimedout, stuck);
  ok(free_domain(e));
  EXPECT_EQ(meets(1, rid, page), (Set{"blocked"}));
}

// A later call may settle a part: "ok" of a map says that nothing old is met there. Kept open as a
// whole until recovery, a driver that maps over what it has not invalidated would go unseen.
TEST_F(TimeOutIsNoOpenCall, a_part_of_it_can_be_settled) {
  on(d, {0});
  ok(map(d, page, p1));
  ok(map(d, 2 * page, p2));
  returns(unmap(d, page, 2 * page), {.status = Status::etimedout, .value = 2 * page}, stuck);
  EXPECT_EQ(meets(0, rid, page), (Set{hex(p1) + " rw", "unmapped"}));
  ok(map(d, page, px));
  EXPECT_EQ(meets(0, rid, page), (Set{hex(px) + " rw"}));
  EXPECT_EQ(meets(0, rid, 2 * page), (Set{hex(p2) + " rw", "unmapped"}));
}

// The same with numbers: whoever is given one finds nothing old there; the others stay in doubt.
TEST_F(TimeOutIsNoOpenCall, one_of_its_numbers_can_be_settled) {
  on(d, {0});
  ok(init(0, 0, 1, 4));
  process(x, page, px);
  fails(bind(0, x), Status::etimedout, stuck);
  EXPECT_EQ(meets(0, 1, page).count(hex(px) + " rw"), 1U);
  ok(pasid_alloc(1, 1), 1);
  EXPECT_EQ(meets(0, 1, page), (Set{"no_pasid"}));
  EXPECT_EQ(meets(0, 2, page).count(hex(px) + " rw"), 1U);

  // And one that is in progress is over when its process is: exit is not waited for by a time-out.
  ASSERT_TRUE(state.release_ends(state.release_begins(x)).ok);
  EXPECT_EQ(meets(0, 2, page), (Set{"no_pasid"}));
}

// "Held until recovery": every call that asks who has a number permits that somebody does, and that
// nobody does. Of two numbers that it may have taken, which one nobody has seen.
TEST_F(TimeOutIsNoOpenCall, a_number_that_it_took_may_be_held) {
  on(d, {0});
  ok(init(0, 0, 1, 2));
  process(x, page, px);
  fails(bind(0, x), Status::etimedout, stuck);
  for (const u32 number : {1U, 2U}) {
    const Call attached{.kind = CallKind::attach_pasid, .domain = d, .device = 0, .pasid = number};
    only(attached, Status::ebusy);
    only(attached, Status::einval);
    only(pasid_free(number), Status::einval);
    only(io_mm_of(0, number), Status::enoent);
    only(drvdata(0, number), Status::enoent);
    only(unbind(0, number), Status::einval);
  }
  EXPECT_TRUE(state.permitted(bind(0, x), {}).has(Status::enospc));
  EXPECT_TRUE(state.permitted(pasid_alloc(1, 2), {}).has(Status::enospc));
  EXPECT_FALSE(state.permitted(pasid_alloc(3, 9), {}).has(Status::enospc));
  const Call beyond{.kind = CallKind::attach_pasid, .domain = d, .device = 0, .pasid = 3};
  refused(beyond, Status::ebusy);

  state.recovered();
  const Call freed{.kind = CallKind::attach_pasid, .domain = d, .device = 0, .pasid = 1};
  refused(freed, Status::ebusy);
  only(freed, Status::einval);
}

// The number of a plain bind that the process shares is known: it is the process's, or nobody's.
TEST_F(TimeOutIsNoOpenCall, a_known_number_that_it_left_may_be_held) {
  on(d, {0});
  ok(init(0, 0, 1, 2));
  process(x, page, px);
  ok(bind(0, x), 1);
  fails(unbind(0, 1), Status::etimedout, stuck);
  const Call attached{.kind = CallKind::attach_pasid, .domain = d, .device = 0, .pasid = 1};
  only(attached, Status::ebusy);
  only(attached, Status::einval);
}

// Whether faults of processes wait in a table is what all who share it want. One that cannot wait
// is removed, and that times out: what it stood for may be there until recovery.
class DevicesOfTwoMinds : public SvaWorld {
 protected:
  DevicesOfTwoMinds()
      : SvaWorld({.devices = {device(1), device(2, /*stall=*/false)}, .ssid_bits = 10}) {}
};

TEST_F(DevicesOfTwoMinds, a_removal_that_times_out_leaves_open_whether_faults_wait) {
  on(d, {0, 1});
  ok(init(0, iopf, 1, 2));
  process(x, page, px);
  ok(bind(0, x), 1);
  EXPECT_EQ(meets(0, 1, 2 * page), (Set{"unmapped", "waits"}));
  const auto mark = trail.mark();
  state.device_removed(1, false);
  EXPECT_EQ(meets(0, 1, 2 * page), (Set{"waits"}));
  trail.undo_to(mark);

  state.device_removed(1, true);
  EXPECT_EQ(meets(0, 1, 2 * page), (Set{"unmapped", "waits"}));
  state.recovered();
  EXPECT_EQ(meets(0, 1, 2 * page), (Set{"waits"}));
}

// A queue may stay stuck over any number of calls, and what is promised elsewhere stays exact.
// Calls in progress are few, and are followed one by one.
TEST_F(TimeOutIsNoOpenCall, there_may_be_any_number_of_them) {
  constexpr u64 many = 100;
  on(d, {0});
  for (u64 i = 1; i <= many + 1; ++i) ok(map(d, i * page, px + i * page));

  const auto mark = trail.mark();
  for (u64 i = 1; i <= many; ++i) state.begin_call(unmap(d, i * page, page));
  EXPECT_EQ(meets(0, rid, (many + 1) * page).count("gave up"), 1U);
  trail.undo_to(mark);

  for (u64 i = 1; i <= many; ++i) {
    returns(unmap(d, i * page, page), {.status = Status::etimedout, .value = page}, stuck);
  }
  EXPECT_EQ(meets(0, rid, (many + 1) * page), (Set{hex(px + (many + 1) * page) + " rw"}));
  EXPECT_EQ(meets(0, rid, many * page), (Set{hex(px + many * page) + " rw", "unmapped"}));
}

// A device that did not answer may be blocked, and nobody else, until a call in which it has
// answered returns.
TEST_F(TimeOutIsNoOpenCall, who_does_not_answer_may_be_blocked_until_it_does) {
  on(d, {0, 1});
  ok(map(d, page, p2));
  const Set reaches{hex(p2) + " rw"};
  const Set either{hex(p2) + " rw", "blocked"};
  state.endpoint_answers(1);
  EXPECT_EQ(meets(0, rid, page), reaches) << "nobody waited for it in vain";
  const std::string before = state.dump();
  state.endpoint_silent(1);
  EXPECT_EQ(meets(0, rid, page), either);
  EXPECT_EQ(meets(1, rid, page), reaches);
  EXPECT_FALSE(state.equal_promises(0, 1, rid));
  ok(unmap(d, 2 * page, page));
  EXPECT_EQ(meets(0, rid, page), either) << "calls that return are no answer";
  const Ticket ticket = state.begin_call(unmap(d, 2 * page, page));
  state.endpoint_answers(1);
  EXPECT_EQ(meets(0, rid, page), either) << "its way is given back";
  ok({.kind = CallKind::iova_to_phys, .domain = d, .iova = page}, p2);
  EXPECT_EQ(meets(0, rid, page), either) << "another call, while that one goes on";
  EXPECT_TRUE(state.end_call(ticket, unmap(d, 2 * page, page), {}).ok);
  EXPECT_EQ(meets(0, rid, page), reaches);
  const auto mark = trail.mark();
  state.endpoint_silent(1);
  state.endpoint_answers(1);
  ok(unmap(d, 2 * page, page));
  EXPECT_EQ(meets(0, rid, page), either) << "nobody drove when it answered";
  ok({.kind = CallKind::recover});
  EXPECT_EQ(meets(0, rid, page), reaches);
  trail.undo_to(mark);
  EXPECT_EQ(state.dump(), before);
  state.endpoint_silent(1);
  state.device_removed(0, false);
  state.device_added(0);
  ok(attach(d, 0));
  EXPECT_EQ(meets(0, rid, page), reaches);
}

// A private space whose call timed out belongs to nobody, and the driver may have given it a
// number: with eight bits of ASID the next domain may find none left, one earlier than handles say.
class FewAddressSpaces : public SvaWorld {
 protected:
  FewAddressSpaces()
      : SvaWorld({.devices = {device(1, true, 3)}, .address_spaces = 3, .ssid_bits = 6}) {}
};

TEST_F(FewAddressSpaces, one_that_timed_out_may_hold_a_number) {
  on(d, {0});
  ok(init(0, privates, 1, 7));
  refused(alloc(), Status::enospc);
  const auto mark = trail.mark();
  fails(alloc_private(d, 0), Status::etimedout, stuck);
  refused(alloc(), Status::enospc);  // d, that one, and one that is free
  ok(alloc(), e);
  returns(alloc(), {.status = Status::enospc});
  ok(alloc(), 0x77);  // or it holds none
  trail.undo_to(mark);
  ok(alloc(), e);
  refused(alloc(), Status::enospc);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_time_out_test
