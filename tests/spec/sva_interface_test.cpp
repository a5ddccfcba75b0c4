// SPDX-License-Identifier: MIT
// Worked sequences from INTERFACE and the scenarios; each with a result that must be refused.
#include "spec/sva/interface.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/call_arguments.h"
#include "spec/rules/interface.h"

namespace iommucheck::spec::sva::sva_interface_test {
namespace {

constexpr u64 d = 0x51;
constexpr u64 e = 0x52;
constexpr u64 page = 0x1000;
constexpr u64 block = 0x200000;
constexpr u64 p1 = 0x8000'0000;
constexpr u64 p2 = 0x8000'1000;
constexpr u32 rw = prot_read | prot_write;
constexpr Circumstances no_memory{.allocation_failed = true};
constexpr Circumstances stuck{.queue_stuck = true};

TEST(SvaCalls, statuses_come_from_what_drivers_return) {
  EXPECT_EQ(status_from_driver(0), Status::ok);
  EXPECT_EQ(status_from_driver(-22), Status::einval);
  EXPECT_EQ(status_from_driver(1), Status::not_built);
  EXPECT_EQ(status_text(status_from_driver(-7)), "errno 7");
  EXPECT_EQ(status_text(status_from_driver(-1)), "errno 1");
  EXPECT_EQ(status_text(status_from_driver(-4095)), "errno 4095");
  EXPECT_EQ(status_text(status_from_driver(-4096)), "-4096");
  EXPECT_EQ(status_text(status_from_driver(12345)), "12345");
  EXPECT_EQ(status_text(static_cast<Status>(std::numeric_limits<int>::min())), "2147483648");
  EXPECT_EQ(status_text(status_from_driver(-2147483647 - 1)), "-2147483647");
}

// A call of which nobody had said what it takes was told as one of domain 0.
TEST(SvaCalls, the_words_of_a_call_have_its_arguments_and_no_others) {
  using enum CallArgument;
  const std::pair<CallArgument, std::string_view> words[] = {
      {domain, "domain 0xd"}, {device, "device 5"},  {pasid, "PASID 9"},   {io_mm, "io_mm 0x10"},
      {token, "token 0x70"},  {queue, "queue 0x71"}, {size, "size 0x2000"}};
  for (u32 i = 0; i < call_count(); ++i) {
    const auto kind = static_cast<CallKind>(i);
    if (!call_is_built(kind) || kind == CallKind::fault_queue_open) continue;  // of either
    const std::string text = call_text({.kind = kind,
                                        .domain = 0xd,
                                        .device = 5,
                                        .size = 0x2000,
                                        .io_mm = 0x10,
                                        .token = 0x70,
                                        .pasid = 9,
                                        .queue = 0x71});
    for (const auto& [argument, its] : words) {
      const bool takes = std::ranges::count(call_shapes[i].arguments, argument) != 0;
      EXPECT_EQ(text.contains(its), takes) << text << ": " << its;
    }
  }
}

Call on(CallKind kind, u64 domain, u64 iova = 0, u64 size = 0) {
  return {.kind = kind, .domain = domain, .iova = iova, .size = size};
}
Call attach(u64 domain, u32 device) {
  return {.kind = CallKind::attach, .domain = domain, .device = device};
}
Call detach(u64 domain, u32 device) {
  return {.kind = CallKind::detach, .domain = domain, .device = device};
}
Call map(u64 domain, u64 iova, u64 pa, u64 size, u32 prot = rw) {
  return {
      .kind = CallKind::map, .domain = domain, .iova = iova, .pa = pa, .size = size, .prot = prot};
}
Call unmap(u64 domain, u64 iova, u64 size) { return on(CallKind::unmap, domain, iova, size); }
Call unmap_fast(u64 domain, u64 iova, u64 size) {
  return on(CallKind::unmap_fast, domain, iova, size);
}
Call alloc(DomainKind kind, u32 input_bits = 0) {
  return {.kind = CallKind::domain_alloc,
          .domain_kind = static_cast<u32>(kind),
          .input_bits = input_bits};
}

using Configuration = Setup;  // testing::Test has a Setup of its own

class SvaInterface : public testing::Test {
 protected:
  static Configuration configuration() {
    return {.devices = {{.stream_ids = {7, 9}},
                        {.stream_ids = {3}},
                        {.stream_ids = {4}, .group = 1},
                        {.stream_ids = {5}, .group = 1}},
            .address_spaces = 3};
  }

  void ok(const Call& call, u64 value = 0, Circumstances around = {}) {
    returns(call, {.status = Status::ok, .value = value}, around);
  }
  void fails(const Call& call, Status status, Circumstances around = {}, u64 value = 0) {
    returns(call, {.status = status, .value = value}, around);
  }
  void returns(const Call& call, const Observed& observed, Circumstances around) {
    const Verdict verdict = state.apply(call, observed, around);
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
  /// The result is refused under RESULT_EXACT, the message names it, and nothing changes.
  void refused(const Call& call, const Observed& observed, Circumstances around = {}) {
    const std::string before = state.dump();
    const Verdict verdict = state.apply(call, observed, around);
    EXPECT_FALSE(verdict.ok) << call_text(call);
    EXPECT_EQ(verdict.rule, rule::RESULT_EXACT);
    EXPECT_NE(verdict.message.find(call_text(call) + " returned " + status_text(observed.status)),
              std::string::npos)
        << verdict.message;
    EXPECT_EQ(state.dump(), before);
  }
  void refused(const Call& call, Status status, Circumstances around = {}) {
    refused(call, Observed{.status = status}, around);
  }
  void refused_value(const Call& call, u64 value) {
    refused(call, Observed{.status = Status::ok, .value = value});
  }
  void paging(u64 handle) { ok(alloc(DomainKind::paging), handle); }

  [[nodiscard]] State met(u32 device, u64 iova) const { return state.expected(device, iova).state; }

  Trail trail;
  Interface state{trail, configuration()};
};

// Before there is any domain: sva_alloc_pasid asked what kind the device's had.
TEST_F(SvaInterface, any_call_may_come_first) {
  for (u32 i = 0; i < call_count(); ++i) {
    const auto kind = static_cast<CallKind>(i);
    if (!call_is_built(kind)) continue;
    for (const u32 device : {0U, 4U}) {
      Trail its;
      Interface fresh{its, configuration()};
      const Call call{.kind = kind, .domain = d, .device = device, .pasid = 1};
      const Ticket ticket = fresh.begin_call(call);
      EXPECT_FALSE(fresh.end_call(ticket, call, {.status = Status::ebusy}, {}).ok)
          << call_text(call);
    }
  }
}

// domains.scenario, DOM-01: a map reaches exactly the page asked for, nothing beside it.
TEST_F(SvaInterface, a_map_reaches_exactly_its_page) {
  paging(d);
  EXPECT_EQ(met(0, page), State::blocked);
  ok(attach(d, 0));
  EXPECT_EQ(met(0, page), State::unmapped);
  EXPECT_EQ(state.domain_of(0), d);
  EXPECT_EQ(state.device_of(9), 0U);
  EXPECT_EQ(state.device_of(8), state.device_count());
  ok(map(d, page, p1, page, prot_read));
  EXPECT_EQ(state.expected(0, 0x1ff8), (Expectation{State::mapped, p1 + 0xff8, prot_read, 0x1fff}));
  EXPECT_EQ(state.expected(0, 0xff8), (Expectation{State::unmapped, 0, 0, 0xfff}));
  EXPECT_EQ(state.expected(0, 0x2000), (Expectation{State::unmapped, 0, 0, ~u64{0}}));
  EXPECT_EQ(met(1, page), State::blocked);
  refused_value(on(CallKind::iova_to_phys, d, 0x1234), p1);
  ok(on(CallKind::iova_to_phys, d, 0x1234), p1 + 0x234);
  ok(on(CallKind::iova_to_phys, d, 0x2000), 0);
  refused_value(unmap(d, page, page), 0);
  refused_value(unmap(d, page, page), 2 * page);
  ok(unmap(d, page, page), page);
  EXPECT_EQ(met(0, page), State::unmapped);
  refused(on(CallKind::domain_free, d), Status::ok);
  fails(on(CallKind::domain_free, d), Status::ebusy);
  ok(detach(d, 0));
  EXPECT_EQ(met(0, page), State::blocked);
  ok(on(CallKind::domain_free, d));
  EXPECT_TRUE(state.leaks().empty());
}

// domains.scenario, DOM-03: a map that fails half-way changes nothing.
TEST_F(SvaInterface, a_map_over_something_mapped_is_refused_whole) {
  paging(d);
  ok(attach(d, 0));
  ok(map(d, 0x3000, p1, page));
  const std::string before = state.dump();
  const Call half = map(d, page, 0x9000'0000, 4 * page);
  refused(half, Status::ok);
  refused(half, Status::einval);
  refused(map(d, 0x3000, p1, page), Status::ok);  // even alike
  state.begin_call(half);
  EXPECT_EQ(state.expected_during(0, 0x1000).count, 2U);
  EXPECT_TRUE(state.expected_during(0, 0x1000).has({State::mapped, 0x9000'0000, rw}));
  EXPECT_EQ(state.expected_during(0, 0x3000).count, 1U);
  EXPECT_FALSE(state.expected_during(0, 0x3000).concerned);
  EXPECT_TRUE(state.end_call(half, {.status = Status::eexist}).ok);
  EXPECT_EQ(state.dump(), before);
  EXPECT_EQ(met(0, 0x1000), State::unmapped);
  EXPECT_EQ(met(0, 0x3000), State::mapped);
}

// deferred.scenario, SYN-02: unmap_fast leaves old or fault until iotlb_sync has returned.
TEST_F(SvaInterface, unmap_fast_leaves_old_or_fault_until_the_sync) {
  paging(d);
  ok(attach(d, 0));
  ok(map(d, page, p1, page));
  ok(unmap_fast(d, page, page), page);
  EXPECT_EQ(state.expected(0, 0x1010), (Expectation{State::old_or_fault, p1 + 0x10, rw, 0x1fff}));
  EXPECT_EQ(state.expected_during(0, 0x1010).count, 2U);
  refused_value(on(CallKind::iova_to_phys, d, page), p1);
  ok(on(CallKind::iova_to_phys, d, page), 0);
  ok(on(CallKind::tlb_range_add, d, page, page));
  EXPECT_EQ(met(0, page), State::old_or_fault);
  EXPECT_FALSE(state.caller_may(map(d, page, p2, page)));
  EXPECT_FALSE(state.caller_may(map(d, 0x7000, p1, page)));
  EXPECT_TRUE(state.caller_may(map(d, 0x7000, p2, page)));
  EXPECT_EQ(state.leaks().at(1).kind, Leak::Kind::not_synchronised);
  refused(on(CallKind::iotlb_sync, d), Status::enomem, no_memory);
  refused(on(CallKind::iotlb_sync, d), Status::etimedout);
  ok(on(CallKind::iotlb_sync, d));
  EXPECT_EQ(met(0, page), State::unmapped);
  EXPECT_TRUE(state.caller_may(map(d, page, p1, page)));
  EXPECT_FALSE(state.page_in_flight(p1, page));
}

// deferred.scenario, SYN-01; detach implies the sync.
TEST_F(SvaInterface, unmap_and_detach_synchronise) {
  paging(d);
  ok(attach(d, 0));
  ok(map(d, page, p1, page));
  const Call call = unmap(d, page, page);
  state.begin_call(call);
  EXPECT_TRUE(state.expected_during(0, page).has({.state = State::unmapped}));
  EXPECT_TRUE(state.expected_during(0, page).has({State::mapped, p1, rw}));
  EXPECT_EQ(state.expected_during(0, 0).last, 0xfffU);
  EXPECT_TRUE(state.end_call(call, {.value = page}).ok);
  EXPECT_EQ(state.expected_during(0, page).count, 1U);
  ok(map(d, page, p2, page));
  EXPECT_EQ(state.expected(0, page).pa, p2);
  ok(unmap_fast(d, page, page), page);
  ok(detach(d, 0));
  ok(attach(d, 0));
  EXPECT_EQ(met(0, page), State::unmapped);
}

// INTERFACE "Map": arguments.
TEST_F(SvaInterface, input_bits_are_those_asked_for) {
  refused(alloc(DomainKind::paging, 32), {.value = d, .facts = {.input_bits = 48}});
  returns(alloc(DomainKind::paging, 32), {.value = d, .facts = {.input_bits = 32}}, {});
  EXPECT_EQ(state.facts_of(d).input_bits, 32U);
}

/// IHI 0070 3.4: stage 2 has IAS bits. Who has stage 1 for its domains gives more.
TEST_F(SvaInterface, input_bits_beyond_stage_2_may_be_refused) {
  fails(alloc(DomainKind::paging_s2, 60), Status::einval);
  refused(alloc(DomainKind::paging_s2, 39), Status::einval);
  Configuration narrow = configuration();
  narrow.stage2_bits = 32;
  Trail its_trail;
  Interface its{its_trail, narrow};
  for (const DomainKind kind : {DomainKind::paging, DomainKind::paging_s2}) {
    EXPECT_TRUE(its.apply(alloc(kind, 39), Observed{.status = Status::einval}, {}).ok);
    EXPECT_FALSE(its.apply(alloc(kind, 32), Observed{.status = Status::einval}, {}).ok);
  }
  const Observed given{.value = d, .facts = {.input_bits = 39, .output_bits = 32}};
  EXPECT_TRUE(its.apply(alloc(DomainKind::paging, 39), given, {}).ok);
}

TEST_F(SvaInterface, map_errors) {
  returns(alloc(DomainKind::paging), {.value = d, .facts = {.input_bits = 32, .output_bits = 40}},
          {});
  fails(map(d, 0x10, p1, page), Status::einval);
  fails(map(d, page, p1, 0x10), Status::einval);
  fails(map(d, page, p1, page, 0), Status::einval);
  fails(map(d, page, p1, page, prot_device), Status::einval);
  refused(map(d, page, p1, page, prot_write), Status::einval);
  fails(map(d, 0x1'0000'0000, p1, page), Status::erange);
  fails(map(d, 0xffff'f000, p1, 2 * page), Status::erange);
  fails(map(d, ~u64{0xfff}, p1, 2 * page), Status::erange);
  fails(map(d, page, u64{1} << 40, page), Status::erange);
  ok(map(d, page, p1, 0));
  EXPECT_EQ(met(0, page), State::blocked);
  refused(map(d, 0x1'0000'0000, p1, page), Status::ok);
  // Two reasons: either error, no third.
  fails(map(d, 0x1'0000'0010, p1, page), Status::einval);
  fails(map(d, 0x1'0000'0010, p1, page), Status::erange);
  refused(map(d, 0x1'0000'0010, p1, page), Status::eexist);
  // Memory, only if an allocation failed; the last page of the space.
  refused(map(d, 0xffff'f000, p1, page), Status::enomem);
  fails(map(d, 0xffff'f000, p1, page), Status::enomem, no_memory);
  ok(map(d, 0xffff'f000, p1, page), 0, no_memory);
  fails(map(0x99, page, p1, page), Status::einval);
}

TEST_F(SvaInterface, unmap_returns_the_bytes_to_the_first_hole) {
  paging(d);
  ok(map(d, page, p1, 2 * page));
  ok(map(d, 0x3000, 0x9000'0000, page));
  ok(map(d, 0x5000, p1, page));
  refused_value(unmap(d, page, 8 * page), 2 * page);  // pages: nothing there can be unsplittable
  refused_value(unmap(d, page, 8 * page), 5 * page);
  refused(unmap(d, page, 8 * page), Status::einval);
  refused(unmap(d, page, 8 * page), {.status = Status::enomem}, no_memory);
  ok(unmap(d, page, 8 * page), 3 * page);
  ok(unmap(d, 0x4000, 2 * page), 0);
  ok(unmap(d, 0x5010, page), 0);
  ok(unmap(d, 0x5000, 0), 0);
  refused_value(unmap(d, 0x5010, page), page);
  ok(unmap(d, 0x5000, u64{1} << 60), 0);  // beyond the input size
  ok(unmap(0x99, 0x5000, page), 0);
  ok(unmap(d, 0x5000, page), page);
}

// INTERFACE "Map": a partial block that cannot be split ends an unmap like a hole.
TEST_F(SvaInterface, a_block_may_be_splittable_or_not) {
  paging(d);
  const u64 pa = 0x4000'0000;
  ok(map(d, 0, pa, 2 * block));
  refused_value(unmap(d, page, page), 2 * page);
  ok(unmap(d, page, page), 0);           // not splittable
  refused_value(unmap(d, 0, block), 0);  // whole: exact
  refused_value(unmap(d, 0, block + page), page);
  const Trail::Mark mark = trail.mark();
  ok(unmap(d, 0, block + page), block);  // stops at the second block
  EXPECT_EQ(state.expected(0, block).state, State::blocked);
  trail.undo_to(mark);
  ok(unmap(d, 0, block + page), block + page);     // or splits it
  refused_value(unmap(d, block + page, page), 0);  // then it is no block any more
  ok(unmap(d, block + page, page), page);
  // Not congruent, or of two map calls: no block fits.
  ok(map(d, 4 * block, pa + page, block));
  refused_value(unmap(d, 4 * block, page), 0);
  ok(map(d, 6 * block, pa, block / 2));
  ok(map(d, 6 * block + block / 2, pa + block / 2, block / 2));
  refused_value(unmap(d, 6 * block, page), 0);
}

TEST_F(SvaInterface, map_sg_maps_all_or_nothing) {
  paging(d);
  ok(attach(d, 0));
  const std::array<Segment, 3> pieces{Segment{p1, page}, {p2, page}, {0x9000'0000, 2 * page}};
  Call call = map(d, page, 0, 0);
  call.kind = CallKind::map_sg;
  call.segments = pieces;
  state.begin_call(call);
  EXPECT_TRUE(state.expected_during(0, 0x2000).has({State::mapped, p2, rw}));
  EXPECT_TRUE(state.expected_during(0, 0x2000).has({.state = State::unmapped}));
  EXPECT_TRUE(state.end_call(call, {.value = 4 * page}).ok);
  EXPECT_EQ(state.expected(0, 0x4008).pa, 0x9000'1008U);
  EXPECT_EQ(met(0, 0x5000), State::unmapped);
  refused_value(call, 4 * page);
  fails(call, Status::eexist);
  call.iova = 0x8000;
  refused_value(call, 2 * page);
  fails(call, Status::enomem, no_memory);
  EXPECT_EQ(met(0, 0x8000), State::unmapped);
  const std::array<Segment, 2> crooked{Segment{p1, page}, {p2 + 8, page}};
  call.segments = crooked;
  fails(call, Status::einval);
  refused_value(call, 2 * page);
  call.segments = {};
  ok(call, 0);
}

// INTERFACE "Attach".
TEST_F(SvaInterface, attach_replaces_and_detach_blocks) {
  paging(d);
  ok(alloc(DomainKind::identity), e);
  ok(map(d, page, p1, page));
  ok(attach(d, 0));
  ok(attach(d, 0));
  refused(attach(d, 0), Status::etimedout, stuck);  // the same again does nothing
  const Call replace = attach(e, 0);
  state.begin_call(replace);
  const Alternatives during = state.expected_during(0, page);
  EXPECT_EQ(during.count, 3U);
  EXPECT_TRUE(during.concerned && !during.gave_up);
  EXPECT_TRUE(during.has({State::mapped, p1, rw}));
  EXPECT_TRUE(during.has({.state = State::identity}));
  EXPECT_TRUE(during.has({.state = State::blocked}));
  EXPECT_EQ(state.expected_during(1, page).count, 1U);
  EXPECT_TRUE(state.end_call(replace, {}).ok);
  EXPECT_EQ(met(0, page), State::identity);
  fails(detach(d, 0), Status::einval);
  refused(detach(d, 0), Status::ok);
  fails(attach(d, 9), Status::enodev);
  fails(attach(0x99, 0), Status::einval);
  fails(attach(0x99, 9), Status::einval);
  refused(attach(d, 0), Status::enomem);
  fails(attach(d, 0), Status::enomem, no_memory);
  EXPECT_EQ(met(0, page), State::identity);
  fails(map(e, page, p1, page), Status::einval);
  ok(unmap(e, page, page), 0);
  ok(on(CallKind::iova_to_phys, e, 0x1234), 0x1234);
  ok(detach(e, 0));
  EXPECT_EQ(met(0, page), State::blocked);
}

TEST_F(SvaInterface, a_group_moves_together) {
  paging(d);
  ok(attach(d, 2));
  EXPECT_EQ(met(3, page), State::unmapped);
  EXPECT_EQ(met(0, page), State::blocked);
  ok(detach(d, 3));
  EXPECT_EQ(met(2, page), State::blocked);
  state.device_removed(2, false);
  fails(attach(d, 2), Status::enodev);
  refused(attach(d, 2), Status::ok);
  state.device_added(2);
  ok(attach(d, 2));
}

TEST_F(SvaInterface, domains_have_handles_and_a_limit) {
  refused_value(alloc(DomainKind::paging), 0);
  refused(alloc(DomainKind::paging), Status::enospc);
  refused(alloc(DomainKind::paging), Status::not_built);
  paging(d);
  refused_value(alloc(DomainKind::paging), d);
  fails(alloc(DomainKind::paging), Status::not_built);  // no room for another one
  refused(alloc(DomainKind::paging), Status::enospc);
  fails(alloc(DomainKind::paging, 20), Status::einval);
  fails(alloc(static_cast<DomainKind>(99)), Status::einval);
  fails(alloc(DomainKind::nested), Status::not_built);
  fails(on(CallKind::cache_invalidate, d), Status::einval);
  refused(on(CallKind::cache_invalidate, d), Status::ok);
  fails(on(CallKind::event_read, d), Status::einval);
  paging(e);
  paging(0xffff'ffff'ffff'ffff);
  fails(alloc(DomainKind::paging), Status::enospc);
  returns(alloc(DomainKind::blocked), {.value = 0x60}, {});
  ok(attach(0x60, 1));
  EXPECT_EQ(met(1, 0), State::blocked);
  ok(on(CallKind::domain_free, e));
  EXPECT_FALSE(state.caller_may(unmap(e, 0, page)));
  fails(on(CallKind::domain_free, e), Status::einval);
  paging(e);  // a driver may give the number again
  EXPECT_TRUE(state.caller_may(unmap(e, 0, page)));
  EXPECT_EQ(state.leaks().size(), 5U);
}

TEST_F(SvaInterface, an_empty_page_size_bitmap_maps_nothing) {
  returns(alloc(DomainKind::paging), {.value = d, .facts = {.page_sizes = 0}}, {});
  fails(map(d, page, p1, page), Status::enodev);
  refused(map(d, page, p1, page), Status::ok);
  ok(unmap(d, page, page), 0);
}

// INTERFACE "Timeouts and removal"; SEMANTICS 5, quarantine.
TEST_F(SvaInterface, a_time_out_leaves_old_or_fault_until_a_flush) {
  paging(d);
  ok(attach(d, 0));
  ok(map(d, page, p1, 2 * page));
  refused(unmap(d, page, page), {.status = Status::etimedout, .value = 3 * page}, stuck);
  fails(unmap(d, page, page), Status::etimedout, stuck, page);
  EXPECT_EQ(met(0, page), State::old_or_fault);
  EXPECT_EQ(met(0, 0x2000), State::mapped);
  ok(on(CallKind::iotlb_sync, d));
  EXPECT_EQ(met(0, page), State::old_or_fault);
  EXPECT_TRUE(state.page_in_flight(p1 + 0x10, 1));
  EXPECT_TRUE(state.caller_may(map(d, page, 0x9000'0000, page)));
  ok(on(CallKind::flush_iotlb_all, d));
  EXPECT_EQ(met(0, page), State::unmapped);

  ok(unmap_fast(d, 0x2000, page), page);
  fails(on(CallKind::iotlb_sync, d), Status::etimedout, stuck);
  EXPECT_EQ(met(0, 0x2000), State::old_or_fault);
  ok(map(d, 0x2000, 0x9000'0000, page));  // ok says: settled
  EXPECT_EQ(state.expected(0, 0x2000).pa, 0x9000'0000U);

  fails(map(d, 0x7000, p1, page), Status::etimedout, stuck);
  EXPECT_EQ(state.expected(0, 0x7000), (Expectation{State::old_or_fault, p1, rw, 0x7fff}));
  state.recovered();
  EXPECT_EQ(met(0, 0x7000), State::unmapped);
}

TEST_F(SvaInterface, a_device_between_domains_may_meet_each) {
  paging(d);
  paging(e);
  ok(map(d, page, p1, page));
  ok(map(e, page, p2, page));
  ok(attach(d, 0));
  fails(attach(e, 0), Status::etimedout, stuck);
  EXPECT_EQ(state.domain_of(0), d);
  EXPECT_EQ(met(0, page), State::quarantined);
  const Alternatives any = state.expected_during(0, page);
  EXPECT_TRUE(any.has({State::mapped, p1, rw}) && any.has({State::mapped, p2, rw}));
  EXPECT_EQ(any.count, 3U);
  ok(attach(d, 0));  // the same domain again does nothing
  EXPECT_EQ(met(0, page), State::quarantined);
  ok(attach(e, 0));
  EXPECT_EQ(state.expected(0, page).pa, p2);
  ok(attach(d, 0));
  EXPECT_EQ(state.expected(0, page).pa, p1);
  fails(detach(d, 0), Status::etimedout, stuck);
  EXPECT_EQ(state.domain_of(0), 0U);
  EXPECT_EQ(state.expected_during(0, page).count, 2U);
  fails(on(CallKind::domain_free, d), Status::etimedout, stuck);
  EXPECT_FALSE(state.is_domain(d));
  EXPECT_TRUE(state.expected_during(0, page).has({State::mapped, p1, rw}));
  EXPECT_TRUE(state.page_in_flight(p1, page));
  state.recovered();
  EXPECT_EQ(met(0, page), State::blocked);
  EXPECT_FALSE(state.page_in_flight(p1, page));
  ok(on(CallKind::domain_free, e));
  EXPECT_TRUE(state.leaks().empty());
}

// While a time-out leaves a device with a way to a domain, what is unmapped there is not settled.
TEST_F(SvaInterface, a_domain_that_a_device_may_still_meet_stays_quarantined) {
  paging(d);
  ok(map(d, page, p1, page));
  ok(attach(d, 0));
  fails(detach(d, 0), Status::etimedout, stuck);
  ok(unmap(d, page, page), page);
  EXPECT_TRUE(state.expected_during(0, page).has({State::mapped, p1, rw}));
  ok(on(CallKind::flush_iotlb_all, d));
  EXPECT_TRUE(state.expected_during(0, page).has({State::mapped, p1, rw}));
  EXPECT_TRUE(state.page_in_flight(p1, 1));
  EXPECT_TRUE(state.page_in_flight(p1 + 0xfff, 1));
  EXPECT_FALSE(state.page_in_flight(p1 - page, page));
  EXPECT_FALSE(state.page_in_flight(p1 + page, page));
  ok(on(CallKind::domain_free, d));  // ok says: nothing of it is left anywhere
  EXPECT_EQ(met(0, page), State::blocked);
  EXPECT_TRUE(state.leaks().empty());
}

TEST_F(SvaInterface, a_message_says_what_was_permitted_and_why) {
  paging(d);
  ok(map(d, page, p1, page));
  EXPECT_EQ(state.apply(unmap(d, page, 2 * page), {.value = 0x2000}).message,
            "unmap(domain 0x51, iova 0x1000, size 0x2000) returned ok, value 0x2000; permitted: "
            "ok with 0x1000 (up to the first hole)");
  EXPECT_EQ(state.apply(map(d, page, p1, page), {}).message,
            "map(domain 0x51, iova 0x1000, pa 0x80000000, size 0x1000, prot 0x3) returned ok, "
            "value 0x0; permitted: EEXIST (something in the range is mapped already)");
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_interface_test
