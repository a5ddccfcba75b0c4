// SPDX-License-Identifier: MIT
// Dynamic domains, who walks them, and tokens: each sentence of INTERFACE "Dynamic domains" and
// "bind_task", each with a result that must be refused.
#include "spec/rules/interface.h"
#include "spec/sva/call.h"
#include "tests/spec/sva_fixture.h"

namespace iommucheck::spec::sva::sva_walkers_test {
namespace {

using namespace words;

constexpr u64 t = 0x9000'0000;  // roots
constexpr u64 u = 0x9000'1000;
constexpr u64 k = 0x91;  // a token
constexpr u64 dy = 0x61;
constexpr u64 dz = 0x62;
constexpr u64 va = 0x400000;
constexpr Circumstances no_memory{.allocation_failed = true};
constexpr Circumstances stuck{.queue_stuck = true};

class SvaWalkers : public SvaWorld {
 protected:
  // 0 can do both models, 1 full SVM only, 2 its own tables only.
  static Machine machine() {
    Machine setup{.devices = {device(1), device(2), device(3)}, .ssid_bits = 16};
    setup.devices[1].explicit_maps = false;
    setup.devices[2].svm = false;
    return setup;
  }
  SvaWalkers() : SvaWorld(machine()) {}

  static Call dynamic(u64 master) {
    Call call = alloc(DomainKind::dynamic);
    call.parent = master;
    return call;
  }
  static Call on_domain(CallKind kind, u64 domain) { return {.kind = kind, .domain = domain}; }
  static Call table(u64 domain) {
    Call call = on_domain(CallKind::domain_get_attr, domain);
    call.attribute = attribute_ttbr0;
    return call;
  }
  static Call unmap(u64 domain, u64 iova, u64 size = page) {
    return {.kind = CallKind::unmap, .domain = domain, .iova = iova, .size = size};
  }
  static Call bind_task(u32 device, u64 mm, u32 flags, u64 word = 0) {
    return {
        .kind = CallKind::bind_task, .device = device, .mm = mm, .drvdata = word, .flags = flags};
  }
  static Call of_token(CallKind kind, u64 token, u32 device = 0) {
    return {.kind = kind, .device = device, .token = token};
  }
  static Call task_map(u64 token, u64 iova, u64 pa) {
    Call call = of_token(CallKind::task_map, token);
    call.iova = iova;
    call.pa = pa;
    call.size = page;
    call.prot = rw;
    return call;
  }
  static Call task_attr(u64 token, u32 attribute) {
    Call call = of_token(CallKind::task_get_attr, token);
    call.attribute = attribute;
    return call;
  }
  /// d with device 0 on it, and dy of it with its table at t.
  void one_dynamic() {
    on(d, {0});
    ok(dynamic(d), dy);
    ok(table(dy), t);
  }
  [[nodiscard]] Set walks(u32 walker, u64 iova) const {
    const Alternatives all = state.expected_of_walker(walker, iova);
    Set set;
    for (u32 i = 0; i < all.count; ++i) {
      set.insert(word(all.promises[i].state, all.promises[i].pa, all.promises[i].prot));
    }
    return set;
  }
  void blames(const Call& call, Rule rule) {
    const Verdict duty = state.duty_of_call(call);
    EXPECT_TRUE(duty.blames_caller);
    EXPECT_EQ(duty.rule, rule) << duty.message;
    EXPECT_FALSE(state.caller_may(call));
  }
  void blames_nobody(const Call& call) {
    EXPECT_FALSE(state.duty_of_call(call).blames_caller);
    EXPECT_TRUE(state.caller_may(call));
  }
};

TEST_F(SvaWalkers, a_master_is_an_ordinary_paging_domain) {
  paging(d);
  ok(alloc(DomainKind::blocked), e);
  only(dynamic(e), Status::einval);
  only(dynamic(0x77), Status::einval);
  ok(dynamic(d), dy);
  only(dynamic(dy), Status::einval);
  refused(dynamic(d), dy);
  fails(dynamic(d), Status::enomem, no_memory);
  refused(dynamic(d), Status::enospc);
  EXPECT_EQ(state.master_of(dy), d);
  EXPECT_TRUE(state.is_master(d));
}

TEST_F(SvaWalkers, its_format_is_its_masters) {
  Call narrow = alloc();
  narrow.input_bits = 39;
  returns(narrow, {.value = d, .facts = {.input_bits = 39}});
  refused(dynamic(d), Observed{.value = dy});  // 48 bits
  refused(dynamic(d), Observed{.value = dy, .facts = {.input_bits = 39, .page_sizes = 0x1000}});
  returns(dynamic(d), {.value = dy, .facts = {.input_bits = 39}});
  only(map(dy, u64{1} << 39, p1), Status::erange);
}

TEST_F(SvaWalkers, its_table_stays_where_it_is_and_is_nobody_elses) {
  one_dynamic();
  ok(table(d), u);
  refused(table(dy), u);
  ok(table(dy), t);
  ok(dynamic(d), dz);
  refused(table(dz), t);
  refused(table(dz), 0);
}

TEST_F(SvaWalkers, attach_is_accepted_on_a_device_of_the_master) {
  one_dynamic();
  const std::string before = state.dump();
  ok(attach(dy, 0));
  only(attach(dy, 1), Status::einval);
  ok(detach(dy, 0));
  only(detach(dy, 1), Status::einval);
  refused(attach(dy, 0), Status::ebusy);
  EXPECT_EQ(state.dump(), before);
  EXPECT_EQ(state.domain_of(0), d);
}

TEST_F(SvaWalkers, it_sends_no_command) {
  one_dynamic();
  ok(map(dy, va, p1));
  refused(unmap(dy, va), Observed{.status = Status::etimedout, .value = page});
  const Call sync = on_domain(CallKind::iotlb_sync, dy);
  EXPECT_FALSE(state.permitted(sync, stuck).has(Status::etimedout));
  EXPECT_FALSE(state.permitted(free_domain(dy), stuck).has(Status::etimedout));
  EXPECT_FALSE(state.permitted(map(dy, 2 * va, p1), stuck).has(Status::etimedout));
  EXPECT_TRUE(state.permitted(unmap(d, va), stuck).has(Status::etimedout));
}

TEST_F(SvaWalkers, what_is_unmapped_may_be_met_until_the_flush) {
  one_dynamic();
  ok(map(dy, va, p1));
  EXPECT_EQ(walks(0, va), Set{"blocked"});
  state.walker_switches(0, t);
  EXPECT_EQ(walks(0, va), Set{hex(p1) + " rw"});
  EXPECT_EQ(meets(0, Substream{}, va), Set{"unmapped"});
  ok(unmap(dy, va), page);
  EXPECT_EQ(walks(0, va), (Set{hex(p1) + " rw", "unmapped"}));
  blames(map(dy, va, p2), rule::RANGE_UNSYNCED);
  EXPECT_TRUE(state.page_in_flight(p1, page));
  EXPECT_EQ(state.duty_of_page(p1, page).rule, rule::PAGE_IN_FLIGHT);
  state.walker_flushes(0);
  EXPECT_EQ(walks(0, va), Set{"unmapped"});
  EXPECT_FALSE(state.page_in_flight(p1, page));
  blames_nobody(map(dy, va, p2));
}

TEST_F(SvaWalkers, nobody_walks_nobody_waits) {
  one_dynamic();
  ok(map(dy, va, p1));
  ok(unmap(dy, va), page);
  EXPECT_FALSE(state.page_in_flight(p1, page));
  blames_nobody(map(dy, va, p2));
  blames_nobody(on_domain(CallKind::iotlb_sync, dy));
}

TEST_F(SvaWalkers, all_walkers_are_flushed_before_a_sync_says_so) {
  one_dynamic();
  ok(map(dy, va, p1));
  state.walker_switches(0, t);
  state.walker_switches(7, t);
  const Call sync = on_domain(CallKind::flush_iotlb_all, dy);
  blames_nobody(sync);
  ok(unmap(dy, va), page);
  blames(sync, rule::WALKER_UNFLUSHED);
  state.walker_flushes(0);
  blames(sync, rule::WALKER_UNFLUSHED);
  ok(sync);  // a false statement changes nothing of what they have
  EXPECT_EQ(walks(7, va), (Set{hex(p1) + " rw", "unmapped"}));
  state.walker_flushes(7);
  EXPECT_EQ(walks(7, va), Set{"unmapped"});
  blames_nobody(sync);
}

TEST_F(SvaWalkers, a_switch_drops_what_was_cached) {
  one_dynamic();
  ok(dynamic(d), dz);
  ok(table(dz), u);
  ok(map(dy, va, p1));
  ok(map(dz, va, p2));
  state.walker_switches(0, t);
  ok(unmap(dy, va), page);
  state.walker_switches(0, u);
  EXPECT_EQ(walks(0, va), Set{hex(p2) + " rw"});
  EXPECT_FALSE(state.page_in_flight(p1, page));
  state.walker_switches(0, 0);
  EXPECT_FALSE(state.has_walker(0));
}

TEST_F(SvaWalkers, a_map_that_failed_may_have_been_met) {
  one_dynamic();
  state.walker_switches(0, t);
  returns(map(dy, va, p1), {.status = Status::enomem}, no_memory);
  EXPECT_EQ(walks(0, va), (Set{hex(p1) + " rw", "unmapped"}));
  blames(map(dy, va, p2), rule::RANGE_UNSYNCED);
  state.walker_flushes(0);
  EXPECT_EQ(walks(0, va), Set{"unmapped"});
}

TEST_F(SvaWalkers, freeing_in_the_right_order) {
  one_dynamic();
  ok(detach(d, 0));
  EXPECT_FALSE(state.permitted(free_domain(d), {}).has(Status::ok));
  const Verdict busy = state.apply(free_domain(d), {.status = Status::ebusy});
  EXPECT_TRUE(busy.ok && busy.blames_caller);
  state.walker_switches(0, t);
  blames(free_domain(dy), rule::WALKER_REACHES);
  ok(free_domain(dy));  // it is done all the same
  EXPECT_EQ(state.table_of_walker(0), 0U);
  EXPECT_TRUE(state.has_walker(0));
  ok(free_domain(d));
  EXPECT_EQ(state.held().domains, 0U);
}

TEST_F(SvaWalkers, a_walker_of_its_own_ends_with_its_table) {
  one_dynamic();
  state.walker_switches(5, t);
  blames_nobody(free_domain(dy));
  ok(free_domain(dy));
  EXPECT_FALSE(state.has_walker(5));
}

TEST_F(SvaWalkers, undoing_restores_who_walks) {
  one_dynamic();
  ok(map(dy, va, p1));
  const std::string before = state.dump_with_history();
  const Trail::Mark mark = trail.mark();
  state.walker_switches(0, t);
  ok(unmap(dy, va), page);
  ok(free_domain(dy));
  trail.undo_to(mark);
  EXPECT_EQ(state.dump_with_history(), before);
}

// --- Tokens ---

TEST_F(SvaWalkers, exactly_one_model_that_the_device_can_do) {
  on(d, {0, 1, 2});
  process(x, va, px);
  for (const u32 flags : {0U, 3U, 4U, 5U}) only(bind_task(0, x, flags), Status::einval);
  only(bind_task(1, x, task_explicit), Status::eopnotsupp);
  EXPECT_TRUE(state.permitted(bind_task(2, x, task_svm), {}).has(Status::eopnotsupp));
  EXPECT_FALSE(state.permitted(bind_task(2, x, task_svm), {}).has(Status::ok));
  only(bind_task(9, x, task_explicit), Status::enodev);
  ok(detach(d, 2));
  only(bind_task(2, x, task_explicit), Status::einval);
}

TEST_F(SvaWalkers, an_explicit_token_has_a_table_of_its_own) {
  on(d, {0});
  process(x, va, px);
  ok(bind_task(0, x, task_explicit), k);  // without sva_device_init
  refused(bind_task(0, x, task_explicit), k);
  only(task_attr(k, attribute_pasid), Status::einval);
  ok(task_attr(k, attribute_ttbr0), t);
  refused(task_attr(k, attribute_ttbr0), u);
  state.walker_switches(0, t);
  ok(task_map(k, va, p1));
  EXPECT_EQ(walks(0, va), Set{hex(p1) + " rw"});
  only(task_map(k, va, p2), Status::eexist);
  Call gone = of_token(CallKind::task_unmap, k);
  gone.iova = va;
  gone.size = page;
  ok(gone, page);
  EXPECT_EQ(walks(0, va), (Set{hex(p1) + " rw", "unmapped"}));
  EXPECT_EQ(state.held().tokens, 1U);
  blames(of_token(CallKind::unbind_task, k, 0), rule::WALKER_REACHES);
  state.walker_switches(0, 0);
  only(of_token(CallKind::unbind_task, k, 1), Status::einval);
  ok(of_token(CallKind::unbind_task, k, 0));
  EXPECT_EQ(state.held().tokens, 0U);
  EXPECT_EQ(state.duty_of_call(gone).rule, rule::FREED_OBJECT);
}

TEST_F(SvaWalkers, an_explicit_token_survives_its_task) {
  on(d, {0});
  process(x, va, px);
  ok(bind_task(0, x, task_explicit), k);
  EXPECT_TRUE(state.process_gone(x));
  ok(task_map(k, va, p1));
  EXPECT_FALSE(state.permitted(free_domain(d), {}).has(Status::ok));
  ok(of_token(CallKind::unbind_task, k, 0));
}

TEST_F(SvaWalkers, a_full_svm_token_is_a_reference_on_a_bond) {
  on(d, {0});
  process(x, va, px);
  only(bind_task(0, x, task_svm), Status::einval);  // without sva_device_init
  ok(init(0, iopf));
  ok(bind(0, x, 7), 1);
  refused(bind_task(0, x, task_svm), Observed{.value = k, .pasid = 2});
  refused(bind_task(0, x, task_svm), Observed{.value = k});  // it does not tell its number
  returns(bind_task(0, x, task_svm), {.value = k, .pasid = 1});
  ok(task_attr(k, attribute_pasid), 1);
  refused(task_attr(k, attribute_pasid), 2);
  only(task_map(k, va, p1), Status::enodev);
  ok(of_token(CallKind::task_unmap, k), 0);
  ok(unbind(0, 1));
  EXPECT_EQ(meets(0, 1, va), (Set{hex(px) + " rw"}));
  ok(of_token(CallKind::unbind_task, k, 0));
  EXPECT_EQ(meets(0, 1, va), Set{"no_pasid"});
}

TEST_F(SvaWalkers, a_token_whose_bond_is_gone_is_only_given_back) {
  on(d, {0});
  process(x, va, px);
  ok(init(0, iopf, 1, 1));
  returns(bind_task(0, x, task_svm), {.value = k, .pasid = 1});
  ok(unbind_all(0));
  ok(bind(0, x), 1);  // another bond at the same number
  ok(of_token(CallKind::unbind_task, k, 0));
  EXPECT_TRUE(state.has_bond(0, 1));
}

TEST_F(SvaWalkers, removal_takes_tokens_along) {
  on(d, {0});
  process(x, va, px);
  ok(bind_task(0, x, task_explicit), k);
  ok(task_attr(k, attribute_ttbr0), t);
  EXPECT_EQ(state.leaks().back().kind, Leak::Kind::attached_device);
  state.device_removed(0, false);
  EXPECT_FALSE(state.is_token(k));
  EXPECT_EQ(state.held().tokens, 0U);
  ok(free_domain(d));
  EXPECT_TRUE(state.leaks().empty());
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_walkers_test
