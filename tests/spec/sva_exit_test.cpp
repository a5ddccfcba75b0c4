// SPDX-License-Identifier: MIT
// Processes: what the environment changes, Invalidate, Release and its handlers. SEMANTICS 5, SVA;
// INTERFACE "Exit". Each with what must be refused.
#include "tests/spec/sva_fixture.h"

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_exit_test {
namespace {

using namespace words;

constexpr u64 va = 0x400000;

class SvaExit : public SvaWorld {
 protected:
  static Machine machine() {
    return {.devices = {device(1), device(2), device(3), device(4, false)}, .ssid_bits = 10};
  }
  SvaExit() : SvaWorld(machine()) {}

  /// Device 0 is bound to X at 1, drvdata 0x77.
  void bound(bool mm_exit = true, u32 max = 0) {
    process(x, va, px);
    on(d, {0});
    ok(init(0, iopf, 1, max, mm_exit));
    ok(bind(0, x, 0x77), 1);
  }
  void ends(Ticket release) {
    EXPECT_TRUE(state.may_end(release));
    const Verdict verdict = state.release_ends(release);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
};

/// A call that waits for handlers frees what it ends one after the other: what others free
/// meanwhile is freed before or behind it, and nobody sees which. INTERFACE "PASID numbers".
TEST_F(SvaExit, a_call_that_waits_frees_numbers_while_it_waits) {
  constexpr u64 z = 0xa3;
  for (const bool waits : {true, false}) {
    SCOPED_TRACE(waits ? "unbind_dev_all waits" : "it comes behind");
    const Trail::Mark mark = trail.mark();
    process(x, va, px);
    process(y, va, py);
    process(z, va, p1);
    on(d, {0});
    ok(init(0, iopf, 1, 2));
    ok(bind(0, x, 1), 1);
    ok(bind(0, y, 2), 2);
    const Ticket of_x = state.release_begins(x);
    EXPECT_TRUE(state.handler_called(0, 1, 1).ok);
    const Ticket of_y = state.release_begins(y);
    EXPECT_TRUE(state.handler_called(0, 2, 2).ok);
    const Ticket ticket = waits ? state.begin_call(unbind_all(0)) : Ticket{};
    state.handler_returned(0, 1, Status::eio);
    ends(of_x);
    state.handler_returned(0, 2, Status::ok);
    ends(of_y);
    if (waits) {
      EXPECT_TRUE(state.end_call(ticket, unbind_all(0), {}).ok);
      ok(bind(0, z), 1);
    } else {
      ok(unbind_all(0));
      refused(bind(0, z), 1, rule::PASID_CYCLIC);
      ok(bind(0, z), 2);
    }
    trail.undo_to(mark);
  }
}

// bind_exit.scenario, EXI-01.
TEST_F(SvaExit, mm_exit_and_then_nothing) {
  bound();
  const Ticket release = state.release_begins(x);
  EXPECT_FALSE(state.may_end(release));
  u32 owed = 0;
  state.for_each_handler(x, [&](u32 device, u32 pasid, u64 word, bool running) {
    ++owed;
    EXPECT_EQ(device, 0U);
    EXPECT_EQ(pasid, 1U);
    EXPECT_EQ(word, 0x77U);
    EXPECT_FALSE(running);
  });
  EXPECT_EQ(owed, 1U);
  calls_exit(0, 1, 0x77);
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "quiet"}));
  EXPECT_EQ(state.expected(0, substream(1), va).state, State::old_or_quiet);
  ok(drvdata(0, 1), 0x77);
  EXPECT_FALSE(state.may_end(release));
  EXPECT_TRUE(state.handler_returned(0, 1, Status::ok).ok);
  ok(drvdata(0, 1), 0x77);  // until the bond is gone
  EXPECT_TRUE(meets(0, 1, va).contains("no_pasid"));
  ends(release);
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  EXPECT_EQ(substreams(0), std::vector<u32>{});
  only(drvdata(0, 1), Status::enoent);
  only(unbind(0, 1), Status::einval);
  only(bind(0, x), Status::esrch);
  EXPECT_EQ(state.held().pasids, 0U);
  EXPECT_TRUE(state.process_gone(x));
  EXPECT_FALSE(state.is_process(x));
}

TEST_F(SvaExit, a_handler_is_called_once_and_rightly) {
  bound();
  broken(state.handler_called(0, 1, 0x77), rule::EXIT_HANDLERS);  // the process lives
  const Ticket release = state.release_begins(x);
  broken(state.handler_called(0, 1, 0x78), rule::EXIT_HANDLERS);  // another drvdata
  broken(state.handler_called(0, 2, 0x77), rule::EXIT_HANDLERS);  // nothing there
  broken(state.handler_called(1, 1, 0x77), rule::EXIT_HANDLERS);
  calls_exit(0, 1, 0x77);
  broken(state.handler_called(0, 1, 0x77), rule::EXIT_HANDLERS);  // twice
  state.handler_returned(0, 1, Status::ok);
  broken(state.handler_called(0, 1, 0x77), rule::EXIT_HANDLERS);
  ends(release);
}

TEST_F(SvaExit, release_does_not_return_early) {
  bound();
  const Trail::Mark mark = trail.mark();
  Ticket release = state.release_begins(x);
  broken(state.release_ends(release), rule::EXIT_HANDLERS);  // not called
  EXPECT_EQ(state.held().pasids, 1U);                        // and goes on with it in quarantine
  trail.undo_to(mark);
  release = state.release_begins(x);
  calls_exit(0, 1, 0x77);
  broken(state.release_ends(release), rule::EXIT_WAITS);
  EXPECT_EQ(meets(0, 1, va), Set{"quiet"});
}

/// The entry of a shared table is there for all of the domain's devices as long as one needs it.
TEST_F(SvaExit, a_shared_number_is_not_dead_before_all_devices_are_done) {
  process(x, va, px);
  on(d, {0, 1});
  ok(init(0, iopf));
  ok(init(1, iopf));
  ok(bind(0, x, 0xa), 1);
  ok(bind(1, x, 0xb), 1);
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0xa);
  calls_exit(1, 1, 0xb);
  state.handler_returned(0, 1, Status::ok);
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "quiet"}));
  EXPECT_EQ(meets(1, 1, va), (Set{"0x80000000 rw", "quiet"}));
  state.handler_returned(1, 1, Status::ok);
  EXPECT_TRUE(meets(0, 1, va).contains("no_pasid"));
  ends(release);
}

// bind_exit.scenario, EXI-02.
TEST_F(SvaExit, the_number_comes_again_when_every_device_is_done) {
  process(x, va, px);
  ASSERT_TRUE(state.process_created(y));
  on(d, {0});
  on(e, {1});
  ok(init(0, iopf, 1, 1));
  ok(init(1, iopf, 1, 1));
  ok(bind(0, x, 0xa), 1);
  ok(bind(1, x, 0xb), 1);
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0xa);
  calls_exit(1, 1, 0xb);
  only(bind(0, y), Status::enospc);
  refused(bind(0, y), 1);
  state.handler_returned(0, 1, Status::ok);
  EXPECT_FALSE(state.may_end(release));
  // Its bond goes with Release.
  EXPECT_FALSE(state.permitted(unbind(0, 1), {}).has(Status::einval));
  ok(drvdata(0, 1), 0xa);
  only(bind(0, y), Status::enospc);
  only(pasid_alloc(1, 1), Status::enospc);
  state.handler_returned(1, 1, Status::ok);
  ends(release);
  ok(bind(0, y), 1);
}

// many_to_many.scenario, PIC-04: each bond has one, devices of the domain without one have none.
TEST_F(SvaExit, one_handler_for_each_bond) {
  process(x, va, px);
  process(y, 0x500000, py);
  on(d, {0});
  on(e, {1, 2});
  ok(init(0, iopf));
  ok(init(1, iopf));
  ok(bind(0, x, 0x10), 1);
  ok(bind(0, y, 0x20), 2);
  ok(bind(1, y, 0x22), 2);
  const Ticket release = state.release_begins(y);
  broken(state.handler_called(2, 2, 0), rule::EXIT_HANDLERS);
  broken(state.handler_called(0, 1, 0x10), rule::EXIT_HANDLERS);
  calls_exit(0, 2, 0x20);
  broken(state.release_waits(release), rule::EXIT_HANDLERS);  // all are called before
  calls_exit(1, 2, 0x22);
  EXPECT_TRUE(state.release_waits(release).ok);
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 rw"});
  state.handler_returned(1, 2, Status::ok);
  state.handler_returned(0, 2, Status::ok);
  ends(release);
  for (const u32 each : {0U, 1U, 2U}) EXPECT_EQ(meets(each, 2, 0x500000), Set{"no_pasid"});
  ok(drvdata(0, 1), 0x10);
}

// bind_exit.scenario, EXI-07.
TEST_F(SvaExit, a_handler_past_its_bound_keeps_the_number) {
  bound(true, 1);
  ASSERT_TRUE(state.process_created(y));
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0x77);
  const Verdict late = state.bound_passes(0, 1);
  EXPECT_TRUE(late.ok);
  EXPECT_TRUE(late.blames_caller);
  EXPECT_EQ(rule_info(late.rule).keeper, Keeper::caller);
  EXPECT_FALSE(state.bound_passes(0, 1).blames_caller);  // once
  ends(release);
  EXPECT_EQ(meets(0, 1, va), Set{"quiet"});
  EXPECT_EQ(state.expected(0, substream(1), va).state, State::quiet);
  EXPECT_EQ(state.held().pasids, 1U);
  only(bind(0, y), Status::enospc);
  refused(bind(0, y), 1);
  std::string text;
  for (const Leak& leak : state.leaks()) text += leak_text(leak) + "\n";
  EXPECT_NE(text.find("PASID 1 is in quarantine"), std::string::npos) << text;
  EXPECT_TRUE(state.process_gone(x));  // its tables are not used any more
  state.handler_returned(0, 1, Status::ok);
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  ok(bind(0, y), 1);
}

TEST_F(SvaExit, a_handler_that_fails_keeps_the_number_until_unbind) {
  bound(true, 1);
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0x77);
  state.handler_returned(0, 1, Status::eio);
  ends(release);
  EXPECT_EQ(meets(0, 1, va), Set{"quiet"});
  ok(drvdata(0, 1), 0x77);
  only(pasid_alloc(1, 1), Status::enospc);
  ok(unbind(0, 1));
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  ok(pasid_alloc(1, 1), 1);
}

TEST_F(SvaExit, of_two_domains_one_may_hold_the_number) {
  process(x, va, px);
  on(d, {0});
  on(e, {1});
  ok(init(0, iopf));
  ok(init(1, iopf));
  ok(bind(0, x, 0xa), 1);
  ok(bind(1, x, 0xb), 1);
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0xa);
  calls_exit(1, 1, 0xb);
  state.handler_returned(0, 1, Status::ok);
  state.bound_passes(1, 1);
  ends(release);
  EXPECT_EQ(meets(0, 1, va), (Set{"no_pasid", "quiet"}));
  EXPECT_EQ(meets(1, 1, va), Set{"quiet"});
  only(unbind(0, 1), Status::einval);  // that bond is gone
  EXPECT_EQ(state.held().bonds, 1U);
  EXPECT_EQ(state.held().pasids, 1U);
  ok(unbind(1, 1));
  EXPECT_EQ(state.held().pasids, 0U);
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
}

// INTERFACE "Exit": a null handler is the form without mm_exit, only unbind says "done".
TEST_F(SvaExit, without_a_handler_unbind_says_done) {
  bound(false, 1);
  const Ticket release = state.release_begins(x);
  EXPECT_TRUE(state.may_end(release));
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "quiet"}));
  broken(state.handler_called(0, 1, 0x77), rule::EXIT_HANDLERS);
  ends(release);
  EXPECT_EQ(meets(0, 1, va), Set{"quiet"});
  only(pasid_alloc(1, 1), Status::enospc);
  ok(drvdata(0, 1), 0x77);
  ok(unbind(0, 1));
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
  ok(pasid_alloc(1, 1), 1);
}

TEST_F(SvaExit, unbind_inside_its_own_handler_is_a_deadlock) {
  process(x, va, px);
  on(d, {0});
  on(e, {1});
  for (const u32 each : {0U, 1U}) ok(init(each, iopf));
  for (const u32 each : {0U, 1U}) ok(bind(each, x, each), 1);
  const Ticket release = state.release_begins(x);
  for (const u32 each : {0U, 1U}) calls_exit(each, 1, each);
  only(inside(unbind(0, 1), 0, 1), Status::edeadlk);
  only(inside(unbind_all(0), 0, 1), Status::edeadlk);
  only(inside(shutdown(0), 0, 1), Status::edeadlk);
  only(inside(detach(d, 0), 0, 1), Status::edeadlk);
  refused(inside(unbind(0, 1), 0, 1), Status::ok);
  refused(unbind(0, 1), Status::edeadlk);  // from elsewhere it waits
  ok(inside(drvdata(0, 1), 0, 1), 0);
  // From the handler of device 0 to device 1: it waits for that one.
  const Call call = inside(unbind(1, 1), 0, 1);
  const Ticket ticket = state.begin_call(call);
  EXPECT_FALSE(state.may_end(ticket));
  state.handler_returned(1, 1, Status::ok);
  EXPECT_TRUE(state.may_end(ticket));
  EXPECT_TRUE(state.end_call(ticket, call, {}).ok);
  state.handler_returned(0, 1, Status::ok);
  ends(release);
}

/// A call that ends several bonds waits for the handler of one: of the others the driver has ended
/// each already, or has not.
TEST_F(SvaExit, a_bond_that_a_call_in_progress_ends_has_a_handler_or_none) {
  for (const Call& call : {unbind_all(0), shutdown(0), detach(d, 0)}) {
    const Trail::Mark mark = trail.mark();
    bound();
    process(y, 0x500000, py);
    on(e, {1});
    ok(init(1, iopf));
    ok(bind(0, y, 0x20), 2);
    const Ticket first = state.release_begins(x);
    calls_exit(0, 1, 0x77);
    const Trail::Mark before = trail.mark();
    ok(bind(1, y, 0x21), 2);
    const Ticket second_alone = state.release_begins(y);
    EXPECT_TRUE(state.release_waits(second_alone).ok);  // for something else: no handler runs
    calls_exit(1, 2, 0x21);
    broken(state.release_waits(second_alone), rule::EXIT_HANDLERS);  // nobody ends it
    EXPECT_FALSE(state.may_end(second_alone));
    trail.undo_to(before);

    const Ticket waits = state.begin_call(call);
    EXPECT_FALSE(state.caller_may(bind(1, y))) << call_text(call);  // at 2, or another number
    const Ticket second = state.release_begins(y);
    const Trail::Mark exits = trail.mark();
    EXPECT_TRUE(state.release_waits(second).ok) << call_text(call);
    ends(second);
    EXPECT_FALSE(state.may_end(waits));
    const Set now = meets(0, 2, 0x500000);
    EXPECT_TRUE(now.contains("no_pasid") && now.contains("quiet")) << call_text(call);
    state.handler_returned(0, 1, Status::ok);
    EXPECT_TRUE(state.end_call(waits, call, {}).ok) << call_text(call);
    const Set nothing{call.kind == CallKind::detach ? "blocked" : "no_pasid"};
    EXPECT_EQ(meets(0, 2, 0x500000), nothing) << call_text(call);
    ends(first);
    EXPECT_EQ(state.held().pasids, 0U);
    // The driver comes to it later: then it has its handler, and is waited for.
    trail.undo_to(exits);
    calls_exit(0, 2, 0x20);
    EXPECT_FALSE(state.may_end(second));
    broken(state.release_ends(second), rule::EXIT_WAITS);
    trail.undo_to(mark);
  }
}

TEST_F(SvaExit, calls_that_drop_bonds_wait_for_the_handler) {
  for (const Call& call : {unbind(0, 1), unbind_all(0), shutdown(0), detach(d, 0)}) {
    const Trail::Mark mark = trail.mark();
    bound();
    const Ticket release = state.release_begins(x);
    calls_exit(0, 1, 0x77);
    Ticket ticket = state.begin_call(call);
    EXPECT_FALSE(state.may_end(ticket));
    const Trail::Mark early = trail.mark();
    broken(state.end_call(ticket, call, {}), rule::EXIT_WAITS);
    trail.undo_to(early);
    // Handler, Release, and then the call; or the other way round.
    state.handler_returned(0, 1, Status::ok);
    ends(release);
    EXPECT_TRUE(state.may_end(ticket));
    const Permitted set = state.permitted(ticket, call, {});
    EXPECT_TRUE(set.has(Status::ok)) << call_text(call);
    EXPECT_FALSE(set.has(Status::einval)) << call_text(call);
    EXPECT_TRUE(state.end_call(ticket, call, {}).ok) << call_text(call);
    trail.undo_to(early);
    state.bound_passes(0, 1);
    EXPECT_TRUE(state.end_call(ticket, call, {}).ok) << call_text(call);
    ends(release);
    EXPECT_EQ(state.held().bonds, 0U);
    EXPECT_EQ(state.held().pasids, 0U);
    trail.undo_to(mark);
  }
}

/// Of what a call ends that waits for another bond's handler nobody knows whether it is there yet.
TEST_F(SvaExit, beside_a_call_that_ends_it_a_bond_is_there_or_not) {
  for (const Call& call : {unbind_all(0), shutdown(0), detach(d, 0)}) {
    const Trail::Mark mark = trail.mark();
    bound();
    process(y, 0x500000, py);
    ok(bind(0, y, 0x20), 2);
    const Ticket release = state.release_begins(x);
    calls_exit(0, 1, 0x77);
    const Trail::Mark before = trail.mark();
    refused(unbind(0, 2), Status::einval);
    refused(drvdata(0, 2), Status::enoent);
    refused(io_mm_of(0, 2), Status::enoent);
    trail.undo_to(before);

    const Ticket waits = state.begin_call(call);
    const Trail::Mark beside = trail.mark();
    for (const Call& asks : {unbind(0, 2), drvdata(0, 2), io_mm_of(0, 2)}) {
      EXPECT_TRUE(state.permitted(asks, {}).has(Status::ok)) << call_text(asks);
    }
    fails(unbind(0, 2), Status::einval);
    fails(drvdata(0, 2), Status::enoent);
    fails(io_mm_of(0, 2), Status::enoent);
    ok(drvdata(0, 2), 0x20);
    refused(drvdata(0, 2), 0x77);
    // The one whose handler runs is there until it returns.
    refused(unbind(0, 1), Status::einval);
    refused(drvdata(0, 1), Status::enoent);
    ok(unbind(0, 2));
    refused(unbind(0, 2), 0);
    trail.undo_to(beside);
    // Nobody is given a number, who could not know whether that of the bond is free.
    EXPECT_FALSE(state.caller_may(pasid_alloc(1, 0))) << call_text(call);
    state.handler_returned(0, 1, Status::ok);
    ends(release);
    EXPECT_TRUE(state.end_call(waits, call, {}).ok) << call_text(call);
    EXPECT_TRUE(state.caller_may(pasid_alloc(1, 0))) << call_text(call);
    trail.undo_to(mark);
  }
}

/// The same of an unbind that waits: what it leaves a second one finds.
TEST_F(SvaExit, beside_an_unbind_that_waits_the_other_references_are_there) {
  for (const u32 references : {1U, 2U}) {
    const Trail::Mark mark = trail.mark();
    bound();
    if (references == 2) ok(bind(0, x, 0x77), 1);
    const Ticket release = state.release_begins(x);
    calls_exit(0, 1, 0x77);
    const Ticket first = state.begin_call(unbind(0, 1));
    const Ticket second = state.begin_call(unbind(0, 1));
    broken(state.end_call(second, unbind(0, 1), {.status = Status::einval}), rule::RESULT_EXACT);
    state.bound_passes(0, 1);
    ends(release);
    EXPECT_EQ(state.permitted(unbind(0, 1), {}).has(Status::einval), references == 1);
    EXPECT_TRUE(state.end_call(first, unbind(0, 1), {}).ok);
    trail.undo_to(mark);
  }
}

/// A token is given back whatever is left of its bond.
TEST_F(SvaExit, a_token_s_unbind_finds_no_bond_gone) {
  bound();
  process(y, 0x500000, py);
  const Call task{.kind = CallKind::bind_task, .device = 0, .mm = y, .flags = task_svm};
  returns(task, {.value = 0x99, .pasid = 2});
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0x77);
  const Ticket waits = state.begin_call(unbind_all(0));
  const Call back{.kind = CallKind::unbind_task, .device = 0, .token = 0x99};
  EXPECT_FALSE(state.permitted(back, {}).has(Status::einval));
  state.handler_returned(0, 1, Status::ok);
  ends(release);
  EXPECT_TRUE(state.end_call(waits, unbind_all(0), {}).ok);
  ok(back);
}

TEST_F(SvaExit, a_bond_that_goes_before_its_handler_is_called_has_none) {
  bound();
  const Ticket release = state.release_begins(x);
  ok(unbind(0, 1));
  broken(state.handler_called(0, 1, 0x77), rule::EXIT_HANDLERS);
  ends(release);
}

// INTERFACE "Exit": a bind that began before Release fails so, or gets its mm_exit.
TEST_F(SvaExit, a_bind_that_began_before_release) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf));
  const Call call = bind(0, x, 0x9);
  const Ticket ticket = state.begin_call(call);
  const Ticket release = state.release_begins(x);
  const Trail::Mark mark = trail.mark();
  EXPECT_TRUE(state.end_call(ticket, call, {.status = Status::esrch}).ok);
  ends(release);

  trail.undo_to(mark);  // it succeeds: the handler is owed
  EXPECT_TRUE(state.end_call(ticket, call, {.value = 1}).ok);
  EXPECT_FALSE(state.may_end(release));
  calls_exit(0, 1, 0x9);
  state.handler_returned(0, 1, Status::ok);
  ends(release);

  trail.undo_to(mark);  // the handler comes before its return
  broken(state.handler_called(0, 1, 0x8), rule::EXIT_HANDLERS);
  broken(state.handler_called(0, 0, 0x9), rule::EXIT_HANDLERS);
  calls_exit(0, 1, 0x9);
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "quiet"}));
  const Trail::Mark called = trail.mark();
  EXPECT_FALSE(state.end_call(ticket, call, {.status = Status::esrch}).ok);
  trail.undo_to(called);
  state.handler_returned(0, 1, Status::ok);
  ends(release);
  EXPECT_FALSE(state.permitted(ticket, call, {}).has(Status::esrch));
  EXPECT_TRUE(state.end_call(ticket, call, {.value = 1}).ok);
  EXPECT_EQ(state.held().bonds, 0U);

  trail.undo_to(mark);  // Release returned: it cannot succeed any more
  ends(release);
  EXPECT_FALSE(state.permitted(ticket, call, {}).has(Status::ok));
}

TEST_F(SvaExit, a_bind_that_begins_after_release_fails) {
  bound();
  const Ticket release = state.release_begins(x);
  only(bind(0, x), Status::esrch);
  only(bind(0, x, 0, further), Status::esrch);
  calls_exit(0, 1, 0x77);
  state.handler_returned(0, 1, Status::ok);
  ends(release);
}

TEST_F(SvaExit, an_unbound_process_ends_without_anything) {
  process(x, va, px);
  EXPECT_FALSE(state.is_bound(x));
  ends(state.release_begins(x));
  EXPECT_TRUE(state.process_gone(x));
  EXPECT_FALSE(state.process_gone(x));
  ASSERT_TRUE(state.process_created(y));
  EXPECT_TRUE(state.process_gone(y));
  ends(state.release_begins(0x99));  // no such process: no crash
}

TEST_F(SvaExit, removal_acts_as_the_handler_s_return) {
  bound();
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0x77);
  const Ticket waiting = state.begin_call(unbind(0, 1));
  state.device_removed(0, false);
  const Permitted set = state.permitted(waiting, unbind(0, 1), {});
  EXPECT_TRUE(set.has(Status::ok));
  EXPECT_TRUE(set.has(Status::enodev));
  EXPECT_TRUE(state.end_call(waiting, unbind(0, 1), {.status = Status::enodev}).ok);
  ends(release);
  EXPECT_EQ(state.held().pasids, 0U);
  state.handler_returned(0, 1, Status::ok);  // late: nothing
  EXPECT_EQ(state.held().pasids, 0U);
}

TEST_F(SvaExit, a_release_that_times_out_may_leave_all_of_it) {
  bound();
  // It waits or not: what devices want may change until recovery.
  const Set left{"0x80000000 rw", "no_pasid", "quiet", "unmapped", "waits"};
  const Ticket release = state.release_begins(x);
  calls_exit(0, 1, 0x77);
  state.handler_returned(0, 1, Status::ok);
  EXPECT_TRUE(state.release_ends(release, true).ok);
  EXPECT_EQ(meets(0, 1, va), left);
  EXPECT_TRUE(state.process_gone(x));  // the tables have to stay
  EXPECT_EQ(meets(0, 1, va), left);
  state.recovered();
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
}

// --- What the process's table holds
// ---------------------------------------------------------------

TEST_F(SvaExit, what_is_taken_away_is_old_or_fault_until_the_invalidate_after_it) {
  bound();
  Ticket early = state.invalidate_begins(x, va, page);
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  EXPECT_TRUE(state.invalidate_ends(early).ok);  // it began before
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "waits"}));
  EXPECT_EQ(state.expected(0, substream(1), va).state, State::old_or_fault);
  invalidate(x, va + page, page);  // elsewhere
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "waits"}));
  EXPECT_TRUE(state.invalidate_ends(state.invalidate_begins(x, va, page), true).ok);  // timed out
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "waits"}));
  const Ticket covers = state.invalidate_begins(x, va, page);
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 rw", "waits"}));  // until it ends
  EXPECT_TRUE(state.invalidate_ends(covers).ok);
  EXPECT_EQ(meets(0, 1, va), Set{"waits"});
  invalidate(x, 0, 0);  // nothing
}

TEST_F(SvaExit, a_new_page_counts_at_once) {
  bound();
  EXPECT_EQ(meets(0, 1, va + page), Set{"waits"});
  ASSERT_TRUE(state.process_maps(x, va + page, page, py, prot_read));
  EXPECT_EQ(meets(0, 1, va + page), Set{"0x80001000 r"});
  EXPECT_FALSE(state.process_maps(x, va + page, page, py, rw));  // it is there
  EXPECT_FALSE(state.process_maps(x, va + 1, page, py, rw));
  EXPECT_FALSE(state.process_maps(x, ~u64{0} << 12, 2 * page, py, rw));
  EXPECT_FALSE(state.process_maps(x, u64{1} << 48, page, py, rw));  // beyond its input size
  EXPECT_FALSE(state.process_maps(0x99, va, page, py, rw));
  EXPECT_FALSE(state.process_maps(x, va + 2 * page, page, py, 0));
}

TEST_F(SvaExit, rights_are_old_or_new_until_the_invalidate) {
  bound();
  ASSERT_TRUE(state.process_protects(x, va, page, prot_read));
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 r", "0x80000000 rw"}));
  invalidate(x, va, page);
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 r"});
  ASSERT_TRUE(state.process_protects(x, va, page, rw));  // a spurious permission fault
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 r", "0x80000000 rw"}));
  invalidate(x);
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 rw"});
  EXPECT_FALSE(state.process_protects(x, va, page, 0));
}

TEST_F(SvaExit, several_changes_before_an_invalidate) {
  bound();
  ASSERT_TRUE(state.process_protects(x, va, page, prot_read));
  const Ticket between = state.invalidate_begins(x, va, page);
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 r", "0x80000000 rw", "waits"}));
  const Trail::Mark mark = trail.mark();
  EXPECT_TRUE(state.invalidate_ends(between).ok);  // of the first change only
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 r", "waits"}));
  trail.undo_to(mark);
  ASSERT_TRUE(state.process_maps(x, va, page, py, rw));
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 r", "0x80000000 rw", hex(py) + " rw", "waits"}));
  for (unsigned layers = 3; layers <= 1 + records::older_layers; ++layers) {
    EXPECT_FALSE(meets(0, 1, va).contains("gave up"));
    ASSERT_TRUE(state.process_maps(x, va, page, py + layers * page, rw));
    ASSERT_TRUE(state.process_unmaps(x, va, page));
  }
  EXPECT_TRUE(meets(0, 1, va).contains("gave up"));  // one layer more is not kept
  invalidate(x);
  EXPECT_EQ(meets(0, 1, va), Set{"waits"});
}

TEST_F(SvaExit, a_part_of_a_range_changes) {
  process(x, va, px);
  ASSERT_TRUE(state.process_maps(x, va + page, 3 * page, py, rw));
  on(d, {0});
  ok(init(0, iopf));
  ok(bind(0, x), 1);
  ASSERT_TRUE(state.process_unmaps(x, va + 2 * page, page));
  EXPECT_EQ(meets(0, 1, va + page), Set{"0x80001000 rw"});
  EXPECT_EQ(meets(0, 1, va + 2 * page), (Set{"0x80002000 rw", "waits"}));
  EXPECT_EQ(meets(0, 1, va + 3 * page), Set{"0x80003000 rw"});
  EXPECT_EQ(state.expected_during(0, substream(1), va + page).last, va + 2 * page - 1);
}

// What changes while nobody is bound is not cached by anybody.
TEST_F(SvaExit, changes_of_an_unbound_process_need_no_invalidate) {
  process(x, va, px);
  on(d, {0});
  ok(init(0, iopf));
  ASSERT_TRUE(state.process_protects(x, va, page, prot_read));
  ok(bind(0, x), 1);
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 r"});
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  ok(unbind(0, 1));
  ok(bind(0, x), 2);
  EXPECT_EQ(meets(0, 2, va), Set{"waits"});
  // One in progress may have read the table already.
  ASSERT_TRUE(state.process_maps(x, va, page, px, rw));
  ok(unbind(0, 2));
  const Ticket ticket = state.begin_call(bind(0, x));
  EXPECT_TRUE(state.is_bound(x));
  ASSERT_TRUE(state.process_unmaps(x, va, page));
  EXPECT_TRUE(state.end_call(ticket, bind(0, x), {.value = 3}).ok);
  EXPECT_EQ(meets(0, 3, va), (Set{"0x80000000 rw", "waits"}));
}

// bind_exit.scenario, MM-01.
TEST_F(SvaExit, fork_protects_the_parent_and_does_not_hand_on) {
  bound();
  ASSERT_TRUE(state.process_forks(x, y));
  EXPECT_FALSE(state.process_forks(x, y));
  EXPECT_EQ(meets(0, 1, va), (Set{"0x80000000 r", "0x80000000 rw"}));
  invalidate(x);
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 r"});
  EXPECT_EQ(meets(0, 2, va), Set{"no_pasid"});
  ends(state.release_begins(y));
  EXPECT_TRUE(state.process_gone(y));
  EXPECT_EQ(meets(0, 1, va), Set{"0x80000000 r"});
  ok(drvdata(0, 1), 0x77);
  ASSERT_TRUE(state.process_forks(x, y));
  ok(bind(0, y), 2);
  EXPECT_EQ(meets(0, 2, va), Set{"0x80000000 r"});
}

TEST_F(SvaExit, how_a_process_faults) {
  process(x, va, px);
  on(d, {0});
  on(e, {3});
  ok(init(0, 0));  // it could wait and did not ask
  ok(init(3, 0));
  ok(bind(0, x), 1);
  ok(bind(3, x), 1);
  EXPECT_EQ(meets(0, 1, 0), Set{"unmapped"});
  EXPECT_EQ(meets(3, 1, 0), Set{"unmapped"});
  ok(attach(d, 1));
  ok(init(1, iopf));
  EXPECT_EQ(meets(0, 1, 0), (Set{"unmapped", "waits"}));
  EXPECT_EQ(meets(1, 1, 0), (Set{"unmapped", "waits"}));
  EXPECT_EQ(meets(3, 1, 0), Set{"unmapped"});
  EXPECT_EQ(state.faults_of(0, {}), FaultKind::terminated);
}

TEST_F(SvaExit, undo_restores_all_of_it) {
  bound();
  ok(pasid_alloc(3, 3), 3);
  const Trail::Mark mark = trail.mark();
  const std::string before = state.dump_with_history();
  for (int round = 0; round < 2; ++round) {
    ok(pasid_free(3));
    const Ticket unbinding = state.begin_call(unbind(0, 1));
    const Ticket release = state.release_begins(x);
    ASSERT_TRUE(state.process_unmaps(x, va, page));
    calls_exit(0, 1, 0x77);
    state.bound_passes(0, 1);
    const Ticket invalidation = state.invalidate_begins(x, va, page);
    EXPECT_NE(state.dump(), before);
    EXPECT_TRUE(state.end_call(unbinding, unbind(0, 1), {}).ok);
    EXPECT_TRUE(state.invalidate_ends(invalidation).ok);
    ends(release);
    EXPECT_TRUE(state.process_gone(x));
    trail.undo_to(mark);
    EXPECT_EQ(state.dump_with_history(), before);
  }
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_exit_test
