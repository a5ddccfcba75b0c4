// SPDX-License-Identifier: MIT
// attach_pasid, detach_pasid: INTERFACE "Attach", and "Bind" of a RID with a table of its own; each
// with what must be refused.
#include "tests/spec/sva_fixture.h"

namespace iommucheck::spec::sva::sva_attachments_test {
namespace {

using namespace words;

constexpr Circumstances no_memory{.allocation_failed = true};
constexpr Circumstances stuck{.queue_stuck = true};
constexpr u64 va = 0x400000;
constexpr Substream rid{};

Call attach_pasid(u64 domain, u32 device, u32 pasid) {
  return {.kind = CallKind::attach_pasid, .domain = domain, .device = device, .pasid = pasid};
}
Call detach_pasid(u64 domain, u32 device, u32 pasid) {
  return {.kind = CallKind::detach_pasid, .domain = domain, .device = device, .pasid = pasid};
}

constexpr u64 f = 0x77;

class SvaAttachments : public SvaWorld {
 protected:
  // 0, 1 can stall; 2 has no PASIDs; 3, 4 are a group; 5 has no IOMMU.
  static Machine machine() {
    Machine setup{
        .devices = {device(1), device(2), device(3, true, 0), device(4), device(5), device(6)},
        .ssid_bits = 16};
    setup.devices[3].group = setup.devices[4].group = 9;
    setup.devices[5].iommu = false;
    return setup;
  }
  SvaAttachments() : SvaWorld(machine()) {}

  /// d is the RIDs' domain, e one with p2 mapped, 1 a number.
  void prepare() {
    on(d, {0, 1});
    paging(e);
    ok(map(e, page, p2));
    ok(pasid_alloc(1, 0), 1);
  }
};

TEST_F(SvaAttachments, one_number_leads_to_two_domains) {
  prepare();
  paging(f);
  ok(map(f, page, p1));
  ok(attach_pasid(e, 0, 1));
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
  EXPECT_EQ(meets(1, 1, page), Set{"no_pasid"});
  ok(attach_pasid(f, 1, 1));
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
  EXPECT_EQ(meets(1, 1, page), Set{hex(p1) + " rw"});
  EXPECT_FALSE(state.equal_promises(0, 1, substream(1)));
  EXPECT_EQ(state.attached_at(1, 1), f);
  EXPECT_EQ(substreams(0), std::vector<u32>{1});
  ok(detach_pasid(e, 0, 1));
  EXPECT_EQ(meets(0, 1, page), Set{"no_pasid"});
  EXPECT_EQ(meets(1, 1, page), Set{hex(p1) + " rw"});
}

// A device that did not answer may be blocked with all of its PASIDs.
TEST_F(SvaAttachments, who_does_not_answer_may_be_blocked_there_too) {
  prepare();
  ok(attach_pasid(e, 0, 1));
  ok(attach_pasid(e, 1, 1));
  state.endpoint_silent(1);  // StreamID 1, device 0
  EXPECT_EQ(meets(0, 1, page), (Set{hex(p2) + " rw", "blocked"}));
  EXPECT_EQ(meets(1, 1, page), Set{hex(p2) + " rw"});
}

// It answers in a call that gives it back what it reached; one that times out may not have done so.
TEST_F(SvaAttachments, who_answers_in_a_call_that_times_out_may_be_blocked_still) {
  prepare();
  ok(attach_pasid(e, 0, 1));
  state.endpoint_silent(1);
  answered_in({.kind = CallKind::recover}, 1, {.status = Status::etimedout}, stuck);
  EXPECT_EQ(meets(0, 1, page), (Set{hex(p2) + " rw", "blocked"}));
  ok(alloc(DomainKind::paging), f);
  EXPECT_EQ(meets(0, 1, page), (Set{hex(p2) + " rw", "blocked"})) << "a call that is not about it";
  const auto mark = trail.mark();
  answered_in(free_domain(f), 1, {.status = Status::ok});
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
  trail.undo_to(mark);
  ok({.kind = CallKind::recover});
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
}

TEST_F(SvaAttachments, what_is_refused) {
  prepare();
  only(attach_pasid(e, 5, 1), Status::enodev);
  only(attach_pasid(0x999, 0, 1), Status::einval);
  only(attach_pasid(e, 2, 1), Status::einval);
  only(attach_pasid(e, 3, 1), Status::einval);
  only(attach_pasid(e, 0, 0), Status::einval);
  only(attach_pasid(e, 0, 2), Status::einval);
  ok(alloc(DomainKind::identity), f);
  only(attach_pasid(f, 0, 1), Status::eopnotsupp);
  ok(pasid_alloc(0x8000, 0), 0x8000);
  only(attach_pasid(e, 0, 0x8000), Status::einval);
  only(detach_pasid(e, 0, 1), Status::einval);
  process(x, va, px);
  ok(init(0, iopf));
  ok(bind(0, x), 2);
  only(attach_pasid(e, 1, 2), Status::ebusy);
  refused(attach_pasid(e, 0, 1), Status::ebusy);
  ok(attach_pasid(e, 0, 1));
  only(pasid_free(1), Status::ebusy);
  only(free_domain(e), Status::ebusy);
  only(detach_pasid(d, 0, 1), Status::einval);
  fails(attach_pasid(e, 1, 1), Status::enomem, no_memory);
  EXPECT_EQ(meets(1, 1, page), Set{"no_pasid"});
  refused(attach_pasid(e, 0, 1), Status::enomem);
}

// The RID's own domain disturbs no attachment, and goes without one.
TEST_F(SvaAttachments, beside_any_domain_of_the_rid) {
  prepare();
  ok(alloc(DomainKind::identity), f);
  ok(attach(f, 0));
  ok(attach_pasid(e, 0, 1));
  EXPECT_EQ(meets(0, rid, page), Set{"identity"});
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
  EXPECT_EQ(meets(0, 2, page), Set{"no_pasid"});
  const Ticket moving = state.begin_call(attach(d, 0));
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
  EXPECT_TRUE(state.end_call(moving, attach(d, 0), {}).ok);
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
  const Ticket leaving = state.begin_call(detach(d, 0));
  EXPECT_EQ(meets(0, 1, page), (Set{hex(p2) + " rw", "no_pasid", "blocked"}));
  EXPECT_TRUE(state.end_call(leaving, detach(d, 0), {}).ok);
  EXPECT_EQ(meets(0, 1, page), Set{"blocked"});
  ok(free_domain(e));
  ok(pasid_free(1));
}

TEST_F(SvaAttachments, the_rid_gets_a_table_of_its_own) {
  prepare();
  process(x, va, px);
  process(y, va, py);
  for (const u32 each : {0U, 1U}) ok(init(each, iopf | privates));
  ok(bind(0, x), 2);
  ok(bind(1, y), 3);
  EXPECT_EQ(meets(0, 3, va), Set{hex(py) + " rw"});
  const Ticket ticket = state.begin_call(attach_pasid(e, 0, 1));
  EXPECT_EQ(meets(0, 2, va), Set{hex(px) + " rw"});  // its own, undisturbed
  EXPECT_EQ(meets(0, 3, va), (Set{hex(py) + " rw", "no_pasid"}));
  EXPECT_EQ(meets(1, 3, va), Set{hex(py) + " rw"});
  EXPECT_TRUE(meets(1, 2, va).contains("no_pasid"));
  EXPECT_EQ(meets(0, 1, page), (Set{hex(p2) + " rw", "no_pasid"}));
  EXPECT_TRUE(state.end_call(ticket, attach_pasid(e, 0, 1), {}).ok);
  EXPECT_EQ(meets(0, 2, va), Set{hex(px) + " rw"});
  EXPECT_EQ(meets(0, 3, va), Set{"no_pasid"});
  EXPECT_EQ(meets(1, 2, va), Set{"no_pasid"});
  // Detached, it shares the domain's again.
  ok(detach(d, 0));
  ok(attach(d, 0));
  EXPECT_EQ(meets(0, 3, va), Set{hex(py) + " rw"});
}

// With nothing attached a RID that moves shares its new domain's table.
TEST_F(SvaAttachments, a_move_without_attachments_shares_again) {
  prepare();
  process(y, va, py);
  ok(init(1, iopf));
  ok(bind(1, y), 2);
  ok(attach_pasid(e, 0, 1));
  ok(alloc(DomainKind::identity), f);
  ok(attach(f, 0));
  ok(attach(d, 0));
  EXPECT_EQ(meets(0, 2, va), Set{"no_pasid"});
  EXPECT_EQ(meets(0, 1, page), Set{hex(p2) + " rw"});
  ok(detach_pasid(e, 0, 1));
  EXPECT_EQ(meets(0, 2, va), Set{"no_pasid"});
  ok(attach(f, 0));
  const Ticket moving = state.begin_call(attach(d, 0));
  EXPECT_TRUE(meets(0, 2, va).contains(hex(py) + " rw"));
  EXPECT_TRUE(state.end_call(moving, attach(d, 0), {}).ok);
  EXPECT_EQ(meets(0, 2, va), Set{hex(py) + " rw"});
}

TEST_F(SvaAttachments, replacing_meets_the_old_one_the_new_one_or_nothing) {
  prepare();
  paging(f);
  ok(map(f, page, p1));
  ok(attach_pasid(e, 0, 1));
  const Ticket ticket = state.begin_call(attach_pasid(f, 0, 1));
  EXPECT_EQ(meets(0, 1, page), (Set{hex(p2) + " rw", hex(p1) + " rw", "no_pasid"}));
  EXPECT_TRUE(state.end_call(ticket, attach_pasid(f, 0, 1), {}).ok);
  EXPECT_EQ(meets(0, 1, page), Set{hex(p1) + " rw"});
  ok(free_domain(e));
}

TEST_F(SvaAttachments, a_time_out_leaves_either_until_recovery) {
  prepare();
  fails(attach_pasid(e, 0, 1), Status::etimedout, stuck);
  EXPECT_EQ(meets(0, 1, page), (Set{hex(p2) + " rw", "no_pasid", "quiet"}));
  EXPECT_EQ(state.attached_at(0, 1), 0U);
  state.recovered();
  EXPECT_EQ(meets(0, 1, page), Set{"no_pasid"});
  ok(attach_pasid(e, 0, 1));
  fails(detach_pasid(e, 0, 1), Status::etimedout, stuck);
  EXPECT_TRUE(meets(0, 1, page).contains(hex(p2) + " rw"));
  // For the caller it is free, and for nobody else.
  ok(pasid_free(1));
  EXPECT_TRUE(meets(0, 1, page).contains(hex(p2) + " rw"));
  EXPECT_EQ(state.held().doubtful_pasids, 1U);
  state.recovered();
  EXPECT_EQ(meets(0, 1, page), Set{"no_pasid"});
  EXPECT_EQ(state.held().doubtful_pasids, 0U);
  ok(free_domain(e));
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_attachments_test
