// SPDX-License-Identifier: MIT
// What a caller must keep: each duty broken, and kept. SEMANTICS 5, unmap_fast, Timeout and Blame;
// INTERFACE "Gather", "Free", "Exit".
#include "tests/spec/sva_fixture.h"

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_duties_test {
namespace {

using namespace words;

constexpr u64 va = 0x400000;
constexpr Circumstances stuck{.queue_stuck = true};

class SvaDuties : public SvaWorld {
 protected:
  static Machine machine() {
    Machine setup{.devices = {device(1), device(2), device(3, false)}, .ssid_bits = 10};
    setup.devices[2].pri = true;
    return setup;
  }
  SvaDuties() : SvaWorld(machine()) {}

  static Call unmap_fast(u64 domain, u64 iova) {
    return {.kind = CallKind::unmap_fast, .domain = domain, .iova = iova, .size = page};
  }
  void kept(const Verdict& verdict) { EXPECT_FALSE(verdict.blames_caller) << verdict.message; }
  void breached(const Verdict& verdict, Rule rule) {
    EXPECT_TRUE(verdict.ok);
    EXPECT_TRUE(verdict.blames_caller);
    EXPECT_EQ(verdict.rule, rule) << verdict.message;
    EXPECT_EQ(rule_info(verdict.rule).keeper, Keeper::caller);
    EXPECT_FALSE(verdict.message.empty());
  }
};

TEST_F(SvaDuties, a_range_is_synchronised_before_it_is_mapped_again) {
  on(d, {0});
  ok(map(d, page, p1));
  kept(state.duty_of_call(map(d, page, p2)));  // EEXIST, and no duty
  ok(unmap_fast(d, page), page);
  breached(state.duty_of_call(map(d, page, p2)), rule::RANGE_UNSYNCED);
  breached(state.duty_of_call(map(d, page, p1)), rule::RANGE_UNSYNCED);
  kept(state.duty_of_call(map(d, 0x5000, p2)));
  EXPECT_NE(state.caller_may_not(map(d, page, p2)), nullptr);
  ok({.kind = CallKind::iotlb_sync, .domain = d});
  kept(state.duty_of_call(map(d, page, p2)));
}

// Who maps nevertheless may meet both, and the two of them may conflict, until the sync.
TEST_F(SvaDuties, what_is_mapped_over_a_gathered_range_conflicts_by_the_callers_fault) {
  on(d, {0});
  ok(map(d, page, p1));
  EXPECT_FALSE(state.expected_during(0, page).callers);
  ok(unmap_fast(d, page), page);
  EXPECT_FALSE(state.expected_during(0, page).callers);
  ok(map(d, page, p2));
  EXPECT_EQ(meets(0, Substream{}, page), (Set{"0x80002000 rw", "0x80003000 rw", "unmapped"}));
  EXPECT_TRUE(state.expected_during(0, page).callers);
  EXPECT_FALSE(state.expected_during(0, 2 * page).callers);
  ok({.kind = CallKind::iotlb_sync, .domain = d});
  EXPECT_EQ(meets(0, Substream{}, page), Set{"0x80003000 rw"});
  EXPECT_FALSE(state.expected_during(0, page).callers);
}

TEST_F(SvaDuties, a_page_is_not_used_again_while_it_may_be_reached) {
  on(d, {0});
  on(e, {1});
  ok(map(d, page, p1));
  breached(state.duty_of_page(p1, page), rule::PAGE_IN_FLIGHT);  // it is mapped
  kept(state.duty_of_page(p2, page));
  ok(unmap_fast(d, page), page);
  breached(state.duty_of_page(p1 + 0x10, 1), rule::PAGE_IN_FLIGHT);
  breached(state.duty_of_call(map(e, page, p1)), rule::PAGE_IN_FLIGHT);
  breached(state.duty_of_call(map(d, 0x7000, p1)), rule::PAGE_IN_FLIGHT);
  kept(state.duty_of_call(map(e, page, p2)));
  ok({.kind = CallKind::flush_iotlb_all, .domain = d});
  kept(state.duty_of_page(p1, page));
  kept(state.duty_of_call(map(e, page, p1)));
}

// After a time-out too; but the same page at the same place again is no reuse.
TEST_F(SvaDuties, a_page_in_quarantine_is_not_used_again_elsewhere) {
  on(d, {0});
  ok(map(d, page, p1));
  Call unmap = unmap_fast(d, page);
  unmap.kind = CallKind::unmap;
  returns(unmap, {.status = Status::etimedout, .value = page}, stuck);
  breached(state.duty_of_page(p1, page), rule::PAGE_IN_FLIGHT);
  breached(state.duty_of_call(map(d, 0x7000, p1)), rule::PAGE_IN_FLIGHT);
  kept(state.duty_of_call(map(d, page, p1)));
  kept(state.duty_of_call(map(d, page, p2)));  // the driver settles it first
  ok({.kind = CallKind::recover});
  kept(state.duty_of_page(p1, page));
}

TEST_F(SvaDuties, no_dma_after_unbind_until_the_next_bind) {
  process(x, va, px);
  ASSERT_TRUE(state.process_created(y));
  on(d, {0, 1});
  for (const u32 each : {0U, 1U}) ok(init(each, iopf, 1, 1));
  kept(state.duty_of_dma(0, 1));  // nobody has said anything
  ok(bind(0, x), 1);
  ok(bind(0, x), 1);
  ok(unbind(0, 1));
  kept(state.duty_of_dma(0, 1));  // one reference is left
  ok(unbind(0, 1));
  breached(state.duty_of_dma(0, 1), rule::DMA_AFTER_DONE);
  kept(state.duty_of_dma(1, 1));
  kept(state.duty_of_dma(0, 2));
  ok(bind(1, y), 1);
  breached(state.duty_of_dma(0, 1), rule::DMA_AFTER_DONE);  // into somebody else's memory
  kept(state.duty_of_dma(1, 1));
  ok(bind(0, y), 1);
  kept(state.duty_of_dma(0, 1));
  ok(unbind_all(0));
  ok(shutdown(1));
  for (const u32 each : {0U, 1U}) breached(state.duty_of_dma(each, 1), rule::DMA_AFTER_DONE);
  kept(state.duty_of_dma(7, 1));
  kept(state.duty_of_dma(0, ~u32{0}));
}

TEST_F(SvaDuties, no_dma_after_mm_exit_said_done) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 1, 1));
  ok(bind(0, x, 7), 1);
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 7);
  kept(state.duty_of_dma(0, 1));
  EXPECT_TRUE(state.handler_returned(0, 1, Status::eio).ok);
  kept(state.duty_of_dma(0, 1));  // an error is no "done"
  EXPECT_TRUE(state.release_ends(release).ok);
  ok(unbind(0, 1));
  breached(state.duty_of_dma(0, 1), rule::DMA_AFTER_DONE);
}

TEST_F(SvaDuties, no_dma_after_a_handler_returned) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 1, 1));
  ok(bind(0, x, 7), 1);
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 7);
  EXPECT_TRUE(state.handler_returned(0, 1, Status::ok).ok);
  breached(state.duty_of_dma(0, 1), rule::DMA_AFTER_DONE);
  EXPECT_TRUE(state.release_ends(release).ok);
  breached(state.duty_of_dma(0, 1), rule::DMA_AFTER_DONE);
}

TEST_F(SvaDuties, no_dma_after_a_private_number_was_given_back) {
  on(d, {0});
  ok(init(0, privates, 1, 1));
  made(alloc_private(d, 0), m, 1);
  kept(state.duty_of_dma(0, 1));
  ok(free_private(d, m));
  breached(state.duty_of_dma(0, 1), rule::DMA_AFTER_DONE);
  made(alloc_private(d, 0), n, 1);
  kept(state.duty_of_dma(0, 1));
}

TEST_F(SvaDuties, what_is_undone_was_never_said) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 1, 1));
  ok(bind(0, x), 1);
  const Trail::Mark mark = trail.mark();
  ok(unbind(0, 1));
  breached(state.duty_of_dma(0, 1), rule::DMA_AFTER_DONE);
  trail.undo_to(mark);
  kept(state.duty_of_dma(0, 1));
}

TEST_F(SvaDuties, a_freed_object_is_not_named) {
  on(d, {0});
  paging(e);
  ok(init(0, privates, 1, 1));
  made(alloc_private(d, 0), m, 1);
  kept(state.duty_of_call(map(e, page, p1)));
  ok(free_domain(e));
  breached(state.duty_of_call(map(e, page, p1)), rule::FREED_OBJECT);
  breached(state.duty_of_call(attach(e, 1)), rule::FREED_OBJECT);
  kept(state.duty_of_call(map(0x999, page, p1)));  // never was one
  ok(free_private(d, m));
  breached(state.duty_of_call(sva_map(m, page, p1)), rule::FREED_OBJECT);
  paging(e);  // the number again
  kept(state.duty_of_call(map(e, page, p1)));
}

// ---- what a driver may answer -------------------------------------------------------------------

// "A queue may stay stuck over many calls": each that needs a command may time out.
TEST_F(SvaDuties, time_outs_one_after_the_other_are_all_permitted) {
  process(x, va, px);
  on(d, {0});
  paging(e);
  ok(init(0, iopf, 1, 0));
  ok(bind(0, x), 1);
  fails(unbind(0, 1), Status::etimedout, stuck);
  fails(bind(0, x), Status::etimedout, stuck);
  fails(bind(0, x), Status::etimedout, stuck);
  fails(attach(e, 0), Status::etimedout, stuck);
  fails(attach(e, 0), Status::etimedout, stuck);
  fails(attach(d, 0), Status::etimedout, stuck);  // it may be on the other
  fails(detach(d, 0), Status::etimedout, stuck);
  fails({.kind = CallKind::recover}, Status::etimedout, stuck);
}

// INTERFACE "sva_device_init": a feature that the device has not. Page requests need an IOMMU that
// hands them on, stalls one that can stall.
TEST_F(SvaDuties, iopf_needs_accesses_that_can_wait) {
  on(d, {0, 1, 2});
  ok(init(0, iopf));
  ok(init(2, iopf));
  Machine setup = machine();
  setup.stalls = setup.page_requests = false;
  Trail other_trail;
  Interface other(other_trail, setup);
  EXPECT_TRUE(other.apply(alloc(), {.value = d}).ok);
  for (const u32 each : {0U, 2U}) {
    EXPECT_TRUE(other.apply(attach(d, each), {}).ok);
    EXPECT_FALSE(other.permitted(init(each, iopf), {}).has(Status::ok));
    EXPECT_TRUE(other.permitted(init(each, iopf), {}).has(Status::einval));
    EXPECT_TRUE(other.permitted(init(each, 0), {}).has(Status::ok));
  }
}

// Who binds a process that exits just now, without a handler, is owed none.
TEST_F(SvaDuties, a_bind_that_overtakes_exit_without_a_handler_is_owed_none) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 1, 1, false));
  const Call call = bind(0, x, 7);
  const Ticket ticket = state.begin_call(call);
  const Ticket release = state.release_begins(x);
  EXPECT_TRUE(state.end_call(ticket, call, {.value = 1}).ok);
  u32 owed = 0;
  state.for_each_handler(x, [&](u32, u32, u64, bool) { ++owed; });
  EXPECT_EQ(owed, 0U);
  EXPECT_TRUE(state.may_end(release));
  broken(state.handler_called(0, 1, 7), rule::EXIT_HANDLERS);
  EXPECT_TRUE(state.release_ends(release).ok);
  EXPECT_EQ(meets(0, 1, va), Set{"quiet"});
  ok(unbind(0, 1));
}

// A handler that is late still runs; an unbind from inside it would wait for it.
TEST_F(SvaDuties, unbind_inside_an_overdue_handler_is_a_deadlock) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf, 1, 1));
  ok(bind(0, x, 7), 1);
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 7);
  EXPECT_TRUE(state.bound_passes(0, 1).blames_caller);
  EXPECT_TRUE(state.release_ends(release).ok);
  only(inside(unbind(0, 1), 0, 1), Status::edeadlk);
  only(inside(unbind_all(0), 0, 1), Status::edeadlk);
  ok(unbind(0, 1));  // from elsewhere it need not wait
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_duties_test
