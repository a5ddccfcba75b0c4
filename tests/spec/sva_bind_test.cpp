// SPDX-License-Identifier: MIT
// Devices, binds and private PASIDs: each sentence of INTERFACE "PASID 0", "PASID numbers",
// "Attach", "Free", "sva_device_init", "Bind"; each with a result that must be refused.
#include "tests/spec/sva_fixture.h"

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_bind_test {
namespace {

using namespace words;

constexpr Circumstances no_memory{.allocation_failed = true};
constexpr Circumstances stuck{.queue_stuck = true};
constexpr u64 va = 0x400000;

class SvaBind : public SvaWorld {
 protected:
  // 0 to 2 can stall; 3 cannot; 4 has no PASIDs; 5, 6 are a group; 7 has no IOMMU.
  static Machine machine() {
    Machine setup{.devices = {device(1), device(2), device(3), device(4, false), device(5, true, 0),
                              device(6), device(7), device(8)},
                  .ssid_bits = 16};
    setup.devices[5].group = setup.devices[6].group = 9;
    setup.devices[7].iommu = false;
    return setup;
  }
  SvaBind() : SvaWorld(machine()) {}
};

// pasid.scenario, PAS-01.
TEST_F(SvaBind, numbers_are_cyclic) {
  ok(pasid_alloc(1, 4), 1);
  ok(pasid_alloc(1, 4), 2);
  ok(pasid_free(1));
  refused(pasid_alloc(1, 4), 1, rule::PASID_CYCLIC);
  refused(pasid_alloc(1, 4), 2, rule::PASID_REUSE);
  refused(pasid_alloc(1, 4), 5);
  refused(pasid_alloc(1, 4), Status::enospc);
  ok(pasid_alloc(1, 4), 4);  // any that was never given
  ok(pasid_alloc(1, 4), 3);
  ok(pasid_free(4));
  refused(pasid_alloc(1, 4), 4, rule::PASID_CYCLIC);  // 1 is free for longer
  ok(pasid_alloc(1, 4), 1);
  ok(pasid_alloc(4, 4), 4);  // nothing else is in the range
  only(pasid_alloc(1, 4), Status::enospc);
  EXPECT_EQ(state.held().pasids, 4U);
}

/// A driver that gives numbers out of turn has given them: that is all that is wrong.
TEST_F(SvaBind, a_number_out_of_turn_is_given) {
  ok(pasid_alloc(1, 4), 1);
  ok(pasid_free(1));
  const Verdict verdict = state.apply(pasid_alloc(1, 4), Observed{.value = 1});
  EXPECT_EQ(verdict.rule, rule::PASID_CYCLIC);
  EXPECT_EQ(state.held().pasids, 1U);
  refused(pasid_alloc(1, 4), 1, rule::PASID_REUSE);
  ok(pasid_free(1));
  EXPECT_EQ(state.held().pasids, 0U);
}

/// What a driver may refuse it may refuse beside another reason, too: with two of them the error of
/// either is right.
TEST_F(SvaBind, init_twice_with_numbers_of_more_than_20_bits) {
  on(d, {0});
  fails(init(0, iopf, 1, 1U << 20), Status::einval);
  ok(init(0, iopf, 1, 1U << 20));
  only(init(0, iopf), Status::eexist);
  fails(init(0, iopf, 1, 1U << 20), Status::eexist);
  fails(init(0, iopf, 1, 1U << 20), Status::einval);
  refused(init(0, iopf), Status::einval);
}

TEST_F(SvaBind, ranges_of_numbers) {
  only(pasid_alloc(3, 2), Status::einval);
  only(pasid_alloc(1, 1 << 20), Status::einval);
  only(pasid_alloc(1 << 20, 0), Status::einval);
  fails(pasid_alloc(0x20000, 0x30000), Status::einval);  // beyond the IOMMU: may be cut or not
  ok(pasid_alloc(0x20000, 0x30000), 0x20000);
  fails(pasid_alloc(0, 0), Status::enomem, no_memory);
  ok(pasid_alloc(7, 0), 7);       // no limit of the caller
  refused(pasid_alloc(0, 3), 0);  // kept
  only(pasid_free(6), Status::einval);
  ok(pasid_free(7));
  only(pasid_free(7), Status::einval);
  refused(pasid_free(6), Status::ok);
}

TEST_F(SvaBind, pasid_0_where_it_is_not_kept) {
  Trail own;
  Interface two(own, {.devices = {device(1)}, .ssid_bits = 16, .keeps_pasid_0 = false});
  const auto apply = [&](const Call& call, const Observed& observed) {
    const Verdict verdict = two.apply(call, observed);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  };
  apply(alloc(), {.value = d});
  apply(attach(d, 0), {});
  apply(map(d, page, p1), {});
  apply(init(0, privates, 0), {});
  apply(alloc_private(d, 0), {.value = m, .pasid = 0});
  apply(sva_map(m, page, p2), {});
  EXPECT_EQ(two.expected(0, page).pa, p1);
  EXPECT_EQ(two.expected(0, substream(0), page).pa, p2);
}

TEST_F(SvaBind, an_access_that_carries_pasid_0_reaches_nothing) {
  EXPECT_EQ(meets(0, 0, page), Set{"blocked"});
  on(d, {0, 4});
  ok(map(d, page, p1));
  EXPECT_EQ(meets(0, Substream{}, page), Set{"0x80002000 rw"});
  EXPECT_EQ(meets(0, 0, page), Set{"no_pasid"});
  EXPECT_EQ(meets(4, 0, page), Set{"no_pasid"});
  ok(alloc(DomainKind::identity), e);
  ok(attach(e, 0));
  EXPECT_EQ(meets(0, 0, page), Set{"no_pasid"});
  EXPECT_EQ(meets(0, 1, page), Set{"no_pasid"});
  ok(detach(e, 0));
  EXPECT_EQ(meets(0, 1, page), Set{"blocked"});
}

/// STE.S1DSS and CD 0 change one after the other: until the move is done, PASID 0 may be met as the
/// RID is, before and behind it not.
TEST_F(SvaBind, a_move_in_progress_shows_the_rid_at_pasid_0) {
  on(d, {0, 4});
  ok(map(d, page, p1));
  ok(alloc(DomainKind::identity), e);
  const Trail::Mark mark = trail.mark();
  state.begin_call(attach(e, 0));
  EXPECT_EQ(meets(0, 0, page), (Set{"no_pasid", "blocked", "identity", "0x80002000 rw"}));
  EXPECT_EQ(meets(0, 1, page), (Set{"no_pasid", "blocked"}));
  EXPECT_EQ(meets(4, 0, page), Set{"no_pasid"});
  trail.undo_to(mark);
  ok(attach(e, 0));
  EXPECT_EQ(meets(0, 0, page), Set{"no_pasid"});
}

/// Not even while a bind might choose a number.
TEST_F(SvaBind, a_bind_in_progress_leaves_pasid_0_and_identity_alone) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 0, 4));
  ok(alloc(DomainKind::identity), e);
  ok(attach(e, 1));
  for (const u32 device : {0U, 1U}) {
    const Trail::Mark mark = trail.mark();
    state.begin_call(bind(device, x));
    EXPECT_EQ(meets(device, 0, va), Set{"no_pasid"});
    EXPECT_EQ(meets(device, 1, va).contains("0x80000000 rw"), device == 0);
    EXPECT_TRUE(meets(device, 1, va).contains("no_pasid"));
    trail.undo_to(mark);
  }
}

/// Where stage 1 is bypassed a SubstreamID is refused, whatever a time-out has left in the table.
TEST(SvaTablesOfDevices, an_identity_domain_hides_what_a_time_out_left) {
  Trail trail;
  Interface state(trail, {.devices = {{.stream_ids = {1}, .ssid_bits = 10, .stall = true}},
                          .ssid_bits = 16,
                          .per_device_tables = true});
  const auto meets_nothing = [&] {
    const Alternatives all = state.expected_during(0, substream(1), va);
    return all.count == 1 && all.has({.state = State::no_pasid});
  };
  ASSERT_TRUE(state.process_created(x));
  ASSERT_TRUE(state.process_maps(x, va, page, px, rw));
  const auto returns = [&](const Call& call, const Observed& observed, Circumstances around = {}) {
    const Verdict verdict = state.apply(call, observed, around);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  };
  returns(alloc(), {.value = d});
  returns(alloc(DomainKind::identity), {.value = e});
  returns(attach(d, 0), {});
  returns(init(0, iopf), {});
  returns(bind(0, x), {.status = Status::etimedout}, stuck);
  EXPECT_FALSE(meets_nothing());
  returns(attach(e, 0), {});
  EXPECT_TRUE(meets_nothing());
}

// pasid.scenario, PAS-11.
TEST_F(SvaBind, without_an_iommu_only_numbers_work) {
  paging(d);
  ASSERT_TRUE(state.process_created(x));
  ok(pasid_alloc(1, 0xffff), 1);
  ok(pasid_alloc(1, 0xffff), 2);
  only(init(7, privates), Status::enodev);
  only(bind(7, x), Status::enodev);
  only(attach(d, 7), Status::enodev);
  only(detach(d, 7), Status::enodev);
  only(unbind_all(7), Status::enodev);
  only(shutdown(7), Status::enodev);
  only(alloc_private(d, 7), Status::enodev);
  only(drvdata(7, 1), Status::enodev);
  refused(attach(d, 7), Status::ok);
  EXPECT_EQ(meets(7, Substream{}, page), Set{"identity"});
  EXPECT_EQ(state.expected(7, page).state, State::identity);
  only(bind(99, x), Status::enodev);  // no such device
}

// pasid.scenario, PAS-08.
TEST_F(SvaBind, every_range_cuts) {
  Trail own;
  Interface small(own, {.devices = {device(1, true, 3)}, .ssid_bits = 6});
  const auto apply = [&](const Call& call, const Observed& observed) {
    return small.apply(call, observed);
  };
  EXPECT_TRUE(apply(alloc(), {.value = d}).ok);
  EXPECT_TRUE(apply(attach(d, 0), {}).ok);
  EXPECT_TRUE(apply(init(0, privates, 8, 100), {.status = Status::einval}).ok);  // empty
  EXPECT_FALSE(apply(init(0, privates, 8, 100), {}).ok);
  EXPECT_TRUE(apply(init(0, privates, 6, 100), {}).ok);  // clipped
  EXPECT_TRUE(apply(alloc_private(d, 0), {.value = m, .pasid = 6}).ok);
  EXPECT_EQ(apply(alloc_private(d, 0), {.value = n, .pasid = 8}).rule, rule::RESULT_EXACT);
  EXPECT_EQ(apply(alloc_private(d, 0), {.value = n, .pasid = 6}).rule, rule::PASID_REUSE);
  EXPECT_FALSE(apply(alloc_private(d, 0), {.status = Status::enospc}).ok);
  EXPECT_TRUE(apply(alloc_private(d, 0), {.value = n, .pasid = 7}).ok);
  EXPECT_FALSE(apply(alloc_private(d, 0), {.value = 0x99, .pasid = 5}).ok);
  EXPECT_TRUE(apply(alloc_private(d, 0), {.status = Status::enospc}).ok);
  for (const u32 number : {8U, 100U}) {
    EXPECT_EQ(small.expected(0, substream(number), page).state, State::no_pasid);
  }
}

TEST_F(SvaBind, init_has_its_errors) {
  only(init(0, 0), Status::enodev);  // no domain
  on(d, {0, 3, 4, 5, 6});
  only(init(0, 0x80), Status::einval);
  only(init(3, iopf), Status::einval);  // it cannot wait
  only(init(4, 0), Status::enodev);     // no PASIDs
  only(init(5, 0), Status::einval);     // a group
  only(init(0, 0, 5, 4), Status::einval);
  only(init(0, 0, 1024), Status::einval);  // beyond the device's ten bits
  only(init(0, 0, 1 << 20), Status::einval);
  ok(init(0, 0, 1, 1 << 21));
  only(init(0, 0), Status::eexist);
  fails(init(3, 0), Status::enomem, no_memory);
  refused(init(3, 0), Status::enomem);
  EXPECT_FALSE(state.has_sva(3));
  only(shutdown(3), Status::einval);
  ok(unbind_all(3));  // without init: ok, nothing
  ok(shutdown(0));
  EXPECT_FALSE(state.has_sva(0));
}

TEST_F(SvaBind, bind_has_its_errors) {
  process(x, va, px);
  only(bind(0, x), Status::einval);  // no init, no domain
  on(d, {0});
  only(bind(0, x), Status::einval);
  ok(init(0, 0, 5, 5));
  only(bind(0, x, 0, 0x2), Status::einval);
  fails(bind(0, x), Status::enomem, no_memory);
  refused(bind(0, x), Status::enomem);
  refused(bind(0, x), 6);
  refused(bind(0, x), Status::enospc);
  ok(pasid_alloc(5, 5), 5);
  only(bind(0, x), Status::enospc);
  refused(bind(0, x), 5);
  ok(pasid_free(5));
  ok(bind(0, x), 5);
  ASSERT_TRUE(state.process_created(y));
  only(bind(0, y), Status::enospc);
  only(bind(0, 0x77), Status::esrch);
  EXPECT_NE(state.caller_may_not(bind(0, 0x77)), nullptr);
  only(pasid_free(5), Status::einval);  // not a plain number
  only(unbind(0, 6), Status::einval);
  only(unbind(1, 5), Status::einval);
}

// bind_exit.scenario, BND-02.
TEST_F(SvaBind, the_same_pair_again_is_one_more_reference) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf));
  ok(bind(0, x, 0x11), 1);
  refused(bind(0, x, 0x22), 2);
  ok(bind(0, x, 0x22), 1);
  ok(drvdata(0, 1), 0x11);  // the first stays
  refused(drvdata(0, 1), 0x22);
  ok(unbind(0, 1));
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 rw"});
  ok(unbind(0, 1));
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  only(unbind(0, 1), Status::einval);
  only(drvdata(0, 1), Status::enoent);
  EXPECT_EQ(state.held().pasids, 0U);
  refused(bind(0, x), 1, rule::PASID_CYCLIC);  // it was freed
  ok(bind(0, x), 2);
}

// bind_exit.scenario, BND-08.
TEST_F(SvaBind, a_further_pasid_is_a_bond_of_its_own) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, iopf));
  ok(init(1, iopf));
  ok(bind(0, x, 0xa), 1);
  refused(bind(0, x, 0xb, further), 1, rule::PASID_REUSE);
  ok(bind(0, x, 0xb, further), 2);
  ok(bind(0, x, 0xc, further), 3);
  ok(drvdata(0, 2), 0xb);
  refused(bind(1, x, 0xd), 2);  // a plain bind never returns one
  ok(bind(1, x, 0xd), 1);
  only(drvdata(1, 2), Status::enoent);
  only(unbind(1, 2), Status::einval);
  for (const u32 number : {1U, 2U, 3U}) EXPECT_EQ(meets(0, number, va), Set{"0x80000000 rw"});
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  for (const u32 number : {1U, 2U, 3U}) {
    EXPECT_EQ(meets(0, number, va), (Set{"0x80000000 rw", "waits"}));
  }
  invalidate(x, va, page);
  for (const u32 number : {1U, 2U, 3U}) EXPECT_EQ(meets(0, number, va), Set{"waits"});
  ok(unbind(0, 1));
  EXPECT_EQ(meets(0, 2, va), Set{"waits"});
  EXPECT_EQ(substreams(0), (std::vector<u32>{1, 2, 3}));  // 1 through device 1
  ok(unbind(1, 1));
  EXPECT_EQ(substreams(0), (std::vector<u32>{2, 3}));
}

// Only further PASIDs are left: a plain bind makes a new one.
TEST_F(SvaBind, a_plain_bind_beside_a_further_one) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, 0));
  ok(bind(0, x, 0xa, further), 1);
  EXPECT_FALSE(state.pasid_of_process(x).present);
  refused(bind(0, x), 1, rule::PASID_REUSE);
  ok(bind(0, x), 2);
  EXPECT_EQ(state.pasid_of_process(x), substream(2));
}

TEST_F(SvaBind, a_number_outside_of_a_second_device_is_erange) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, 0, 1, 5));
  ok(init(1, 0, 6, 9));
  ok(bind(0, x), 1);
  only(bind(1, x), Status::erange);
  refused(bind(1, x), 6);
  ok(bind(1, x, 0, further), 6);
}

// many_to_many.scenario, PIC-01.
TEST_F(SvaBind, devices_of_a_domain_reach_what_its_table_holds) {
  process(x, va, px);
  process(y, 0x500000, py);
  on(d, {0});
  on(e, {1, 2});
  for (const u32 each : {0U, 1U, 2U}) ok(init(each, iopf | privates));
  ok(bind(0, x), 1);
  ok(bind(0, y), 2);
  ok(bind(1, y), 2);
  made(alloc_private(e, 1), m, 3);
  ok(sva_map(m, 0x7000, p1));
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 rw"});
  EXPECT_EQ(meets(1, 1, va), Set{"no_pasid"});
  for (const u32 each : {0U, 1U, 2U}) EXPECT_EQ(meets(each, 2, 0x500000), Set{"0x80001000 rw"});
  EXPECT_EQ(meets(0, 3, 0x7000), Set{"no_pasid"});
  for (const u32 each : {1U, 2U}) EXPECT_EQ(meets(each, 3, 0x7000), Set{"0x80002000 rw"});
  EXPECT_EQ(meets(0, 4, 0), Set{"no_pasid"});
  EXPECT_TRUE(state.equal_promises(1, 2, substream(2)));
  EXPECT_TRUE(state.equal_promises(1, 2, {}));
  EXPECT_FALSE(state.equal_promises(0, 1, substream(2)));
  // A later joiner too; one without PASIDs cannot send them.
  ok(attach(e, 3));
  ok(attach(e, 4));
  EXPECT_EQ(meets(3, 3, 0x7000), Set{"0x80002000 rw"});
  EXPECT_EQ(meets(4, 3, 0x7000), Set{"no_pasid"});
  EXPECT_FALSE(state.equal_promises(1, 4, substream(2)));
  // Not all of them wait any more: either is right.
  EXPECT_EQ(meets(1, 2, 0x900000), (Set{"unmapped", "waits"}));
  EXPECT_EQ(state.faults_of(1, substream(2)), FaultKind::may_wait);
  EXPECT_EQ(state.faults_of(0, substream(2)), FaultKind::waits);
  EXPECT_EQ(meets(1, 3, 0x900000), Set{"unmapped"});  // a private space never waits
  // The last unbind of the domain, not the first.
  ok(bind(2, y), 2);
  ok(unbind(1, 2));
  EXPECT_EQ(meets(1, 2, 0x500000), Set{"0x80001000 rw"});
  ok(unbind(2, 2));
  EXPECT_EQ(meets(1, 2, 0x500000), Set{"no_pasid"});
  EXPECT_EQ(meets(0, 2, 0x500000), Set{"0x80001000 rw"});
}

TEST_F(SvaBind, tables_per_device_reach_no_neighbour) {
  Trail own;
  Interface each(
      own,
      {.devices = {device(1), device(2), device(3)}, .ssid_bits = 16, .per_device_tables = true});
  const auto apply = [&](const Call& call, const Observed& observed) {
    const Verdict verdict = each.apply(call, observed);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  };
  const auto state_of = [&](u32 device, u32 number) {
    return each.expected(device, substream(number), va).state;
  };
  apply(alloc(), {.value = d});
  for (const u32 i : {0U, 1U, 2U}) apply(attach(d, i), {});
  apply(init(0, privates), {});
  apply(init(1, privates, 1, 4), {});
  EXPECT_TRUE(each.process_created(x));
  EXPECT_TRUE(each.process_maps(x, va, page, px, rw));
  apply(bind(0, x), {.value = 1});
  EXPECT_EQ(state_of(0, 1), State::mapped);
  EXPECT_EQ(state_of(1, 1), State::no_pasid);
  apply(alloc_private(d, 0), {.value = m, .pasid = 2});
  apply(sva_map(m, va, p1), {});
  EXPECT_EQ(state_of(1, 2), State::no_pasid);
  EXPECT_TRUE(each.apply(link(CallKind::sva_attach, m, 2), {.status = Status::einval}).ok);
  EXPECT_FALSE(each.apply(link(CallKind::sva_attach, m, 2), {}).ok);  // no init
  apply(link(CallKind::sva_attach, m, 1), {});
  EXPECT_EQ(state_of(1, 2), State::mapped);
  EXPECT_EQ(each.apply(attach(d, 1), {}).ok, true);
  apply(alloc(), {.value = e});
  apply(attach(e, 1), {.status = Status::ebusy});
  apply(link(CallKind::sva_detach, m, 1), {});
  EXPECT_EQ(state_of(1, 2), State::no_pasid);
  EXPECT_FALSE(each.apply(link(CallKind::sva_detach, m, 1), {}).ok);
  EXPECT_FALSE(each.equal_promises(0, 1, substream(1)));
  EXPECT_TRUE(each.equal_promises(0, 1, {}));
  // Tables per domain have no such calls.
  on(d, {0});
  EXPECT_NE(state.caller_may_not(link(CallKind::sva_attach, m, 0)), nullptr);
  only(link(CallKind::sva_attach, m, 0), Status::eopnotsupp);
}

TEST_F(SvaBind, a_rid_with_pasids_does_not_move) {
  process(x, va, px);
  on(d, {0, 1});
  paging(e);
  ok(init(0, privates));
  ok(bind(0, x), 1);
  only(attach(e, 0), Status::ebusy);
  ok(attach(d, 0));  // the same again does nothing
  ok(attach(e, 1));  // it is not bound
  EXPECT_EQ(meets(1, 1, va), Set{"no_pasid"});
  ok(unbind(0, 1));
  made(alloc_private(d, 0), m, 2);
  only(attach(e, 0), Status::ebusy);
  ok(free_private(d, m));
  ok(attach(e, 0));
}

TEST_F(SvaBind, detach_implies_unbind_all) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, privates));
  ok(init(1, privates));
  ok(bind(0, x), 1);
  made(alloc_private(d, 0), m, 2);
  EXPECT_EQ(meets(1, 2, va), Set{"unmapped"});
  ok(detach(d, 0));
  EXPECT_EQ(meets(0, 1, va), Set{"blocked"});
  EXPECT_EQ(meets(1, 1, va), Set{"no_pasid"});
  EXPECT_EQ(meets(1, 2, va), Set{"no_pasid"});
  EXPECT_EQ(state.held().pasids, 0U);
  EXPECT_NE(state.caller_may_not(get_pasid(m)), nullptr);  // freed
  EXPECT_TRUE(state.has_sva(0));                           // that is not undone
}

// private.scenario, PRV-01.
TEST_F(SvaBind, the_life_of_a_private_space) {
  on(d, {0});
  ok(map(d, page, p1));
  only(alloc_private(d, 0), Status::einval);  // no init
  ok(init(0, privates));
  EXPECT_EQ(meets(0, 1, page), Set{"no_pasid"});
  made(alloc_private(d, 0), m, 1);
  ok(get_pasid(m), 1);
  refused(get_pasid(m), 2);
  EXPECT_EQ(meets(0, 1, page), Set{"unmapped"});
  ok(sva_map(m, page, p2));
  only(sva_map(m, page, p2), Status::eexist);
  only(sva_map(m, page + 1, p2), Status::einval);
  EXPECT_EQ(meets(0, 1, page), Set{"0x80003000 rw"});
  EXPECT_EQ(meets(0, Substream{}, page), Set{"0x80002000 rw"});
  ok(on_io_mm(CallKind::sva_iova_to_phys, m, page + 0x10), p2 + 0x10);
  ok(on_io_mm(CallKind::sva_unmap_fast, m, page, page), page);
  EXPECT_EQ(meets(0, 1, page), (Set{"0x80003000 rw", "unmapped"}));
  ok(on_io_mm(CallKind::sva_iova_to_phys, m, page), 0);
  EXPECT_NE(state.caller_may_not(sva_map(m, page, p1)), nullptr);
  ok({.kind = CallKind::flush_iotlb_all, .domain = d});  // of another space: owes nothing here
  EXPECT_EQ(meets(0, 1, page), (Set{"0x80003000 rw", "unmapped"}));
  ok(on_io_mm(CallKind::sva_iotlb_sync, m));
  EXPECT_EQ(meets(0, 1, page), Set{"unmapped"});
  EXPECT_EQ(meets(0, Substream{}, page), Set{"0x80002000 rw"});
  only(free_private(e, m), Status::einval);
  refused(free_private(e, m), Status::ok);
  ok(free_private(d, m));
  EXPECT_EQ(meets(0, 1, page), Set{"no_pasid"});
  EXPECT_NE(state.caller_may_not(sva_map(m, page, p1)), nullptr);
  only(sva_map(m, page, p1), Status::einval);
}

// private.scenario, PRV-10.
TEST_F(SvaBind, without_a_number_no_private_space) {
  on(d, {0});
  ok(init(0, privates, 1, 1));
  made(alloc_private(d, 0), m, 1);
  only(alloc_private(d, 0), Status::enospc);
  EXPECT_EQ(state.held().io_mms, 1U);
  ok(free_private(d, m));
  EXPECT_EQ(state.held().io_mms, 0U);
  on(e, {1});
  ok(init(1, iopf));
  only(alloc_private(e, 1), Status::einval);  // the feature was not asked for
  only(alloc_private(e, 0), Status::einval);  // not the device's domain
}

// private.scenario, PRV-16.
TEST_F(SvaBind, unbind_all_takes_private_ones_too) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, privates | iopf));
  made(alloc_private(d, 0), m, 1);
  made(alloc_private(d, 0), n, 2);
  ok(sva_map(m, page, p1));
  ok(bind(0, x), 3);
  ok(unbind_all(0));
  for (const u32 number : {1U, 2U, 3U}) EXPECT_EQ(meets(0, number, page), Set{"no_pasid"});
  EXPECT_EQ(state.held().pasids, 0U);
  EXPECT_EQ(state.held().domains, 1U);
  ok(unbind_all(0));
  EXPECT_TRUE(state.release_ends(state.release_begins(x)).ok);
  broken(state.handler_called(0, 3, 0), rule::EXIT_HANDLERS);
}

TEST_F(SvaBind, a_process_s_io_mm_has_no_map_calls) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, privates));
  ok(init(1, privates));
  ok(bind(0, x), 1);
  only(io_mm_of(0, 2), Status::enoent);
  refused(io_mm_of(0, 1), Status::enoent);
  refused(io_mm_of(0, 1), 0);
  ok(io_mm_of(0, 1), m);
  ok(io_mm_of(0, 1), m);
  refused(io_mm_of(0, 1), n);  // the same object
  ok(io_mm_of(1, 1), m);       // reached through the domain, bound or not
  fails(io_mm_of(1, 1), Status::enoent);
  only(sva_map(m, page, p1), Status::enodev);
  for (const CallKind kind :
       {CallKind::sva_iotlb_sync, CallKind::sva_flush_tlb_all, CallKind::sva_tlb_range_add}) {
    only(on_io_mm(kind, m, page, page), Status::enodev);
  }
  for (const CallKind kind :
       {CallKind::sva_unmap, CallKind::sva_unmap_fast, CallKind::sva_iova_to_phys}) {
    ok(on_io_mm(kind, m, va, page), 0);
    refused(on_io_mm(kind, m, va, page), page);
  }
  only(free_private(d, m), Status::einval);
  refused(alloc_private(d, 0), Observed{.value = m, .pasid = 2});  // the handle is taken
  made(alloc_private(d, 0), n, 2);
  ok(io_mm_of(0, 2), n);
  refused(io_mm_of(0, 2), Status::enoent);
  ok(io_mm_of(1, 2), n);  // another's, in the table of both
  fails(io_mm_of(1, 2), Status::enoent);
  ok(unbind(0, 1));
  EXPECT_NE(state.caller_may_not(sva_map(m, page, p1)), nullptr);
}

TEST_F(SvaBind, attributes_are_constant) {
  on(d, {0});
  ok(init(0, privates));
  made(alloc_private(d, 0), m, 1);
  const auto ask = [](CallKind kind, u64 domain, u64 io_mm, u32 attribute) {
    return Call{.kind = kind, .domain = domain, .io_mm = io_mm, .attribute = attribute};
  };
  const Call of_domain = ask(CallKind::domain_get_attr, d, 0, attribute_ttbr0);
  const Call of_private = ask(CallKind::io_mm_get_attr, 0, m, attribute_ttbr0);
  refused(of_domain, 0);
  ok(of_domain, 0x4000);
  refused(of_domain, 0x5000);
  refused(of_private, 0x4000);  // another space's
  ok(of_private, 0x5000);
  ok(ask(CallKind::io_mm_get_attr, 0, m, attribute_pasid), 1);
  refused(ask(CallKind::io_mm_get_attr, 0, m, attribute_pasid), 2);
  only(ask(CallKind::io_mm_get_attr, 0, m, 3), Status::einval);
  only(ask(CallKind::domain_get_attr, 0x99, 0, attribute_ttbr0), Status::einval);
  fails(ask(CallKind::domain_get_attr, d, 0, attribute_pasid), Status::einval);
  ok(ask(CallKind::domain_get_attr, d, 0, attribute_pasid), 0);
}

TEST_F(SvaBind, freeing_a_domain_in_use_blames_the_caller) {
  on(d, {0});
  const Verdict verdict = state.apply(free_domain(d), {.status = Status::ebusy});
  EXPECT_TRUE(verdict.ok);
  EXPECT_TRUE(verdict.blames_caller);
  EXPECT_EQ(verdict.rule, rule::DOMAIN_IN_USE);
  EXPECT_EQ(rule_info(verdict.rule).keeper, Keeper::caller);
  refused(free_domain(d), Status::ok);
  ok(detach(d, 0));
  EXPECT_FALSE(state.apply(free_domain(d), {}).blames_caller);
}

TEST_F(SvaBind, a_group_has_no_pasids) {
  process(x, va, px);
  on(d, {5, 6});
  only(init(5, 0), Status::einval);
  only(bind(5, x), Status::einval);
  only(alloc_private(d, 5), Status::einval);
}

// --- Calls in progress ---------------------------------------------------------------------------

TEST_F(SvaBind, during_a_bind_nothing_or_the_process) {
  process(x, va, px);
  on(d, {0, 1});
  on(e, {2});
  for (const u32 each : {0U, 1U, 2U}) ok(init(each, iopf, 1, 3));
  const Ticket ticket = state.begin_call(bind(0, x));
  for (const u32 number : {1U, 2U, 3U}) {
    EXPECT_EQ(meets(0, number, va), (Set{"0x80000000 rw", "no_pasid"}));
    EXPECT_EQ(meets(1, number, va), (Set{"0x80000000 rw", "no_pasid"}));
    EXPECT_EQ(meets(2, number, va), Set{"no_pasid"});
    EXPECT_TRUE(state.expected_during(0, substream(number), va).concerned);
    EXPECT_FALSE(state.expected_during(2, substream(number), va).concerned);
  }
  EXPECT_EQ(meets(0, 4, va), Set{"no_pasid"});
  EXPECT_EQ(meets(0, Substream{}, va), Set{"unmapped"});
  EXPECT_EQ(state.expected(0, substream(1), va).state, State::no_pasid);  // before it
  EXPECT_TRUE(state.end_call(ticket, bind(0, x), {.value = 2}).ok);
  EXPECT_EQ(meets(0, 2, va), Set{"0x80000000 rw"});
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  // The second device's number is known.
  const Ticket second = state.begin_call(bind(2, x));
  EXPECT_EQ(meets(2, 2, va), (Set{"0x80000000 rw", "no_pasid"}));
  EXPECT_EQ(meets(2, 1, va), Set{"no_pasid"});
  EXPECT_EQ(substreams(2), std::vector<u32>{2});
  EXPECT_TRUE(state.end_call(second, bind(2, x), {.value = 2}).ok);
  // One that is going to fail makes nothing reachable.
  const Ticket third = state.begin_call(bind(0, x, 0, 0x8));
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  EXPECT_TRUE(state.end_call(third, bind(0, x, 0, 0x8), {.status = Status::einval}).ok);
}

TEST_F(SvaBind, during_an_unbind_nothing_or_old) {
  process(x, va, px);
  on(d, {0, 1});
  for (const u32 each : {0U, 1U}) ok(init(each, iopf));
  ok(bind(0, x), 1);
  ok(bind(0, x), 1);
  const auto during = [&](const Call& call) {
    const Ticket ticket = state.begin_call(call);
    const Set set = meets(0, 1, va);
    EXPECT_TRUE(state.end_call(ticket, call, {}).ok);
    return set;
  };
  EXPECT_EQ(during(unbind(0, 1)), Set{"0x80000000 rw"});  // one reference is left
  ok(bind(1, x), 1);
  EXPECT_EQ(during(unbind(0, 1)), Set{"0x80000000 rw"});  // device 1 is left
  EXPECT_EQ(during(unbind_all(1)), (Set{"0x80000000 rw", "no_pasid", "quiet"}));
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
}

TEST_F(SvaBind, during_calls_on_private_spaces) {
  on(d, {0});
  on(e, {1});
  ok(init(0, privates, 1, 2));
  ok(init(1, privates, 1, 2));
  const Ticket making = state.begin_call(alloc_private(d, 0));
  EXPECT_EQ(meets(0, 2, page), (Set{"no_pasid", "unmapped"}));
  EXPECT_EQ(meets(1, 2, page), Set{"no_pasid"});
  EXPECT_TRUE(state.end_call(making, alloc_private(d, 0), {.value = m, .pasid = 2}).ok);
  const Ticket mapping = state.begin_call(sva_map(m, page, p1));
  EXPECT_EQ(meets(0, 2, page), (Set{"0x80002000 rw", "unmapped"}));
  EXPECT_EQ(meets(0, Substream{}, page), Set{"unmapped"});
  EXPECT_TRUE(state.end_call(mapping, sva_map(m, page, p1), {}).ok);
  const Ticket unmapping = state.begin_call(sva_unmap(m, page));
  EXPECT_EQ(meets(0, 2, page), (Set{"0x80002000 rw", "unmapped"}));
  EXPECT_TRUE(state.end_call(unmapping, sva_unmap(m, page), {.value = page}).ok);
  ok(sva_map(m, page, p1));
  const Ticket freeing = state.begin_call(free_private(d, m));
  EXPECT_EQ(meets(0, 2, page), (Set{"0x80002000 rw", "no_pasid", "quiet"}));
  EXPECT_TRUE(state.end_call(freeing, free_private(d, m), {}).ok);
}

TEST_F(SvaBind, during_an_attach_pasids_come_with_the_domain) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, iopf));
  ok(bind(0, x), 1);
  ok(detach(d, 1));
  const Ticket ticket = state.begin_call(attach(d, 1));
  EXPECT_EQ(meets(1, 1, va), (Set{"0x80000000 rw", "blocked"}));
  EXPECT_EQ(substreams(1), std::vector<u32>{1});
  EXPECT_FALSE(state.equal_promises(0, 1, substream(1)));
  EXPECT_TRUE(state.end_call(ticket, attach(d, 1), {}).ok);
  EXPECT_EQ(meets(1, 1, va), Set{"0x80000000 rw"});
}

TEST_F(SvaBind, transient_sets_of_several_calls_are_joined) {
  on(d, {0});
  ok(map(d, page, p1));
  const Call unmap{.kind = CallKind::unmap, .domain = d, .iova = page, .size = page};
  const Ticket first = state.begin_call(unmap);
  const Ticket second = state.begin_call(map(d, 2 * page, p2));
  EXPECT_NE(first.number, second.number);
  EXPECT_EQ(meets(0, Substream{}, page), (Set{"0x80002000 rw", "unmapped"}));
  EXPECT_EQ(meets(0, Substream{}, 2 * page), (Set{"0x80003000 rw", "unmapped"}));
  EXPECT_TRUE(state.end_call(first, unmap, {.value = page}).ok);
  EXPECT_EQ(meets(0, Substream{}, page), Set{"unmapped"});
  EXPECT_EQ(meets(0, Substream{}, 2 * page), (Set{"0x80003000 rw", "unmapped"}));
  EXPECT_TRUE(state.in_call());
  EXPECT_TRUE(state.end_call(second, map(d, 2 * page, p2), {}).ok);
  EXPECT_FALSE(state.in_call());
}

TEST_F(SvaBind, more_calls_than_tickets_are_no_crash) {
  on(d, {0});
  std::vector<Ticket> tickets;
  for (u64 i = 0; i < 70; ++i) tickets.push_back(state.begin_call(map(d, i * page, p1)));
  EXPECT_EQ(tickets.back().number, 0U);
  EXPECT_TRUE(meets(0, Substream{}, 0).contains("gave up"));
  for (u64 i = 0; i < 70; ++i) {
    EXPECT_TRUE(state.end_call(tickets[i], map(d, i * page, p1), {}).ok);
  }
  EXPECT_FALSE(state.in_call());
  EXPECT_EQ(meets(0, Substream{}, 69 * page), Set{"0x80002000 rw"});
}

// --- Time-outs -----------------------------------------------------------------------------------

TEST_F(SvaBind, a_time_out_of_unbind_leaves_old_until_recovery) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 1, 1));
  ok(bind(0, x), 1);
  refused(unbind(0, 1), Status::etimedout);
  fails(unbind(0, 1), Status::etimedout, stuck);
  only(unbind(0, 1), Status::einval);  // the device said "done"
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "no_pasid", "quiet"}));
  EXPECT_EQ(state.held().pasids, 0U);
  EXPECT_EQ(state.held().doubtful_pasids, 1U);
  fails(pasid_alloc(1, 1), Status::enospc);  // held, as far as anybody knows
  ok({.kind = CallKind::recover});
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  EXPECT_EQ(state.held().doubtful_pasids, 0U);
  refused(pasid_alloc(1, 1), Status::enospc);
}

TEST_F(SvaBind, a_number_in_doubt_may_be_given_again) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf | privates, 1, 1));
  ok(bind(0, x), 1);
  fails(unbind(0, 1), Status::etimedout, stuck);
  made(alloc_private(d, 0), m, 1);
  EXPECT_EQ(meets(0, 1, va), Set{"unmapped"});  // settled
  fails(free_private(d, m), Status::etimedout, stuck);
  EXPECT_EQ(state.held().io_mms, 0U);
  EXPECT_EQ(meets(0, 1, va), (Set{"no_pasid", "quiet", "unmapped"}));
  state.recovered();
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
}

TEST_F(SvaBind, a_time_out_of_bind_at_an_unknown_number) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 2, 4));
  ok(pasid_alloc(3, 3), 3);
  fails(bind(0, x), Status::etimedout, stuck);
  for (const u32 number : {2U, 4U}) {
    EXPECT_EQ(meets(0, number, va), (Set{"0x80000000 rw", "no_pasid", "quiet"}));
    EXPECT_EQ(meets(0, number, va + page), (Set{"no_pasid", "quiet", "unmapped", "waits"}));
  }
  for (const u32 number : {1U, 3U, 5U}) EXPECT_EQ(meets(0, number, va), Set{"no_pasid"});
  EXPECT_EQ(state.held().bonds, 0U);
  EXPECT_EQ(state.held().pasids, 1U);
  EXPECT_EQ(state.held().doubtful_pasids, 1U);
  EXPECT_EQ(state.leaks().back().kind, Leak::Kind::quarantined_pasid);
  // It is owed Invalidate and Release, since it may be reached.
  EXPECT_TRUE(state.is_bound(x));
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  EXPECT_EQ(meets(0, 2, va), (Set{"0x80000000 rw", "no_pasid", "quiet", "unmapped", "waits"}));
  invalidate(x);
  EXPECT_EQ(meets(0, 2, va), (Set{"no_pasid", "quiet", "unmapped", "waits"}));
  ok(bind(0, x), 2);  // given again: settled there
  EXPECT_EQ(meets(0, 2, va), Set{"waits"});
  EXPECT_EQ(meets(0, 4, va), (Set{"no_pasid", "quiet", "unmapped", "waits"}));
  ok(unbind(0, 2));
  ok({.kind = CallKind::recover});
  for (const u32 number : {2U, 4U}) EXPECT_EQ(meets(0, number, va), Set{"no_pasid"});
  EXPECT_FALSE(state.is_bound(x));
  EXPECT_EQ(state.held().doubtful_pasids, 0U);
  EXPECT_TRUE(state.process_gone(x));
}

TEST_F(SvaBind, time_outs_at_unknown_numbers_add_up_and_concern_one_domain) {
  process(x, va, px);
  process(y, va, py);
  on(d, {0, 1});
  on(e, {2});
  ok(init(0, privates, 1, 1));
  ok(init(1, 0, 1, 2));
  const std::string before = state.dump_with_history();
  const Trail::Mark mark = trail.mark();
  fails(alloc_private(d, 0), Status::etimedout, stuck);
  EXPECT_EQ(meets(1, 1, va), (Set{"no_pasid", "quiet", "unmapped"}));
  EXPECT_EQ(meets(1, 2, va), Set{"no_pasid"});
  fails(bind(1, x), Status::etimedout, stuck);
  fails(bind(1, y), Status::etimedout, stuck);
  fails(bind(1, y), Status::etimedout, stuck);
  EXPECT_EQ(meets(0, 1, va),
            (Set{"0x80000000 rw", "0x80001000 rw", "no_pasid", "quiet", "unmapped"}));
  EXPECT_EQ(meets(0, 2, va), (Set{"0x80000000 rw", "0x80001000 rw", "no_pasid", "quiet"}));
  EXPECT_EQ(meets(2, 1, va), Set{"no_pasid"});
  EXPECT_EQ(state.held().doubtful_pasids, 2U);  // of four calls, but there are no more numbers
  // The numbers may all be held, or none.
  const Permitted numbers = state.permitted(pasid_alloc(1, 2), {});
  EXPECT_TRUE(numbers.has(Status::ok) && numbers.has(Status::enospc));
  EXPECT_FALSE(state.permitted(pasid_alloc(3, 4), {}).has(Status::enospc));
  // Of a process whose Release returned nothing is left; of one where it timed out, all.
  EXPECT_TRUE(state.release_ends(state.release_begins(x)).ok);
  EXPECT_EQ(meets(0, 2, va), (Set{"0x80001000 rw", "no_pasid", "quiet"}));
  EXPECT_TRUE(state.process_gone(x));
  EXPECT_TRUE(state.release_ends(state.release_begins(y), true).ok);
  EXPECT_TRUE(state.process_gone(y));
  EXPECT_EQ(meets(0, 2, va), (Set{"0x80001000 rw", "no_pasid", "quiet", "unmapped", "waits"}));
  EXPECT_TRUE(state.page_in_flight(py, page));
  state.recovered();
  EXPECT_FALSE(state.page_in_flight(py, page));
  for (const u32 number : {1U, 2U}) EXPECT_EQ(meets(0, number, va), Set{"no_pasid"});
  trail.undo_to(mark);
  EXPECT_EQ(state.dump_with_history(), before);
}

// A bond that could not be added, or ended, does not move what others of the domain reach.
TEST_F(SvaBind, a_time_out_leaves_what_others_are_bound_to) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, iopf));
  ok(init(1, iopf));
  ok(bind(0, x), 1);
  fails(bind(1, x), Status::etimedout, stuck);
  for (const u32 each : {0U, 1U}) EXPECT_EQ(meets(each, 1, va), Set{"0x80000000 rw"});
  ok(unbind(0, 1));
  EXPECT_EQ(meets(1, 1, va), (Set{"0x80000000 rw", "no_pasid", "quiet"}));
}

// groups_removal_memory.scenario, RMV-01.
TEST_F(SvaBind, a_device_vanishes_with_all_that_is_bound) {
  process(x, va, px);
  on(d, {0});
  on(e, {1});
  ok(init(0, iopf | privates));
  ok(init(1, iopf));
  ok(bind(0, x), 1);
  ok(bind(1, x), 1);
  made(alloc_private(d, 0), m, 2);
  ok(map(d, page, p1));
  state.device_removed(0, false);
  EXPECT_EQ(meets(0, 1, va), Set{"blocked"});
  EXPECT_EQ(meets(1, 1, va), Set{"0x80000000 rw"});
  only(attach(d, 0), Status::enodev);
  only(bind(0, x), Status::enodev);
  only(unbind(0, 1), Status::enodev);
  only(init(0, 0), Status::enodev);
  EXPECT_EQ(state.held().io_mms, 0U);
  EXPECT_EQ(state.held().bonds, 1U);
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  invalidate(x);
  EXPECT_EQ(meets(1, 1, va), Set{"waits"});
  ok(unbind(1, 1));
  ok(free_domain(d));  // its map is untouched till here
  EXPECT_EQ(state.held().domains, 1U);
  state.device_added(0);
  EXPECT_FALSE(state.has_sva(0));
}

TEST_F(SvaBind, leaks_name_what_is_held) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, privates));
  ok(bind(0, x), 1);
  made(alloc_private(d, 0), m, 2);
  ok(pasid_alloc(3, 3), 3);
  std::string text;
  for (const Leak& leak : state.leaks()) text += leak_text(leak) + "\n";
  for (const char* part : {"domain 0x51 is not freed", "device 0 is attached to domain 0x51",
                           "device 0 is bound at PASID 1", "io_mm 0x71, PASID 2, is not freed",
                           "PASID 3 is not freed"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  const Held held = state.held();
  EXPECT_EQ(held.domains, 1U);
  EXPECT_EQ(held.io_mms, 1U);
  EXPECT_EQ(held.pasids, 3U);
  EXPECT_EQ(held.bonds, 1U);
}

TEST_F(SvaBind, a_private_space_whose_number_is_seen_later) {
  on(d, {0});
  ok(init(0, privates, 1, 3));
  ok(alloc_private(d, 0), m);
  ok(sva_map(m, va, p1));
  for (const u32 number : {1U, 2U, 3U}) {
    EXPECT_EQ(meets(0, number, va), (Set{"0x80002000 rw", "no_pasid"}));
  }
  EXPECT_EQ(meets(0, 4, va), Set{"no_pasid"});
  EXPECT_EQ(state.held().pasids, 1U);
  EXPECT_EQ(state.held().doubtful_pasids, 0U);
  refused(get_pasid(m), 4);
  state.recovered();
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80002000 rw", "no_pasid"})) << "it lives";
  ok(get_pasid(m), 2);
  EXPECT_EQ(meets(0, 2, va), Set{"0x80002000 rw"});
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  EXPECT_EQ(state.held().pasids, 1U);
  ok(free_private(d, m));
  ok(alloc_private(d, 0), n);
  ok(free_private(d, n));
  for (const u32 number : {1U, 2U, 3U}) EXPECT_EQ(meets(0, number, va), Set{"no_pasid"});
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_bind_test
