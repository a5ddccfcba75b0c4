// SPDX-License-Identifier: MIT
// INTERFACE "Dirty": what must be told of what devices have written, and what may be.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva::sva_dirty_test {
namespace {

constexpr u64 d = 0x51;
constexpr u64 page = 0x1000;
constexpr u64 block = 0x200000;
constexpr u64 pa = 0x8000'0000;
constexpr u32 rw = prot_read | prot_write;

using Configuration = Setup;  // testing::Test has a Setup of its own
using Bits = std::vector<u64>;

Call dirty_set(bool on) { return {.kind = CallKind::dirty_set, .domain = d, .on = on}; }
Call dirty_read(u64 iova, u64 size, bool clear, u64 grain = page) {
  return {.kind = CallKind::dirty_read,
          .domain = d,
          .iova = iova,
          .size = size,
          .grain = grain,
          .clear = clear};
}

class SvaDirty : public testing::Test {
 protected:
  static Configuration configuration() {
    return {.devices = {{.stream_ids = {1}}, {.stream_ids = {2}, .ats = true}},
            .dirty = DirtyHardware::present};
  }
  SvaDirty() {
    ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging)}, d);
    ok({.kind = CallKind::attach, .domain = d, .device = 0});
    map(0, 4 * page);
    ok(dirty_set(true));
  }

  void ok(const Call& call, u64 value = 0) {
    const Verdict verdict = state.apply(call, {.status = Status::ok, .value = value});
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
  void map(u64 iova, u64 size) {
    ok({.kind = CallKind::map,
        .domain = d,
        .iova = iova,
        .pa = pa + iova,
        .size = size,
        .prot = rw});
  }
  void writes(u64 iova, bool sure = true) { state.device_wrote(0, {}, iova, pa + iova, sure); }
  /// Whether these bits are right, without any effect.
  bool right(const Call& call, const Bits& bits) {
    const Trail::Mark mark = trail.mark();
    const bool is = state.apply(call, {.status = Status::ok, .bits = bits}).ok;
    trail.undo_to(mark);
    return is;
  }
  void reads(const Call& call, const Bits& bits) {
    const Verdict verdict = state.apply(call, {.status = Status::ok, .bits = bits});
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }

  Trail trail;
  Interface state{trail, configuration()};
};

TEST_F(SvaDirty, what_was_written_and_nothing_else) {
  const Call all = dirty_read(0, 4 * page, true);
  EXPECT_TRUE(right(all, {0}));
  EXPECT_FALSE(right(all, {1}));
  writes(2 * page + 8);
  EXPECT_TRUE(right(all, {4}));
  EXPECT_FALSE(right(all, {}));
  EXPECT_FALSE(right(all, {5}));
  EXPECT_FALSE(right(all, {4 | 16})) << "behind the window";
  EXPECT_TRUE(right(dirty_read(0, 2 * page, true), {0}));
  EXPECT_TRUE(right(dirty_read(0, 4 * page, true, 2 * page), {2}));
  EXPECT_FALSE(right(dirty_read(0, 4 * page, true, 2 * page), {1}));
  EXPECT_FALSE(right(dirty_read(0, 8 * page, true), {4 | 32})) << "a hole";
  reads(dirty_read(0, 4 * page, false), {4});
  reads(all, {4});
  EXPECT_FALSE(right(all, {4}));
  reads(all, {0});
}

TEST_F(SvaDirty, what_is_not_known_may_be_told) {
  const Call all = dirty_read(0, 4 * page, true);
  writes(page, false);
  EXPECT_TRUE(right(all, {0}));
  EXPECT_TRUE(right(all, {2}));
  state.device_wrote(0, {}, 3 * page, pa, true);  // to another page than is mapped there
  EXPECT_TRUE(right(all, {8}));
  EXPECT_TRUE(right(all, {0}));
}

TEST_F(SvaDirty, a_leaf_that_may_be_larger_has_all_its_bits_or_one) {
  map(block, block);
  writes(block + 5 * page);
  const Call some = dirty_read(block, 8 * page, true);
  EXPECT_TRUE(right(some, {32}));
  EXPECT_TRUE(right(some, {0xff}));
  EXPECT_FALSE(right(some, {1})) << "the first page only";
  EXPECT_TRUE(state.may_read_bits(some, {32}));
  EXPECT_TRUE(state.may_read_bits(some, {0xff}));
  EXPECT_FALSE(state.may_read_bits(some, {1}));
  EXPECT_TRUE(right(dirty_read(block + 8 * page, 8 * page, true), {0xff}));
  EXPECT_TRUE(right(dirty_read(block + 8 * page, 8 * page, true), {0}));
  reads(some, {0xff});
  EXPECT_TRUE(right(some, {0xff})) << "it stands outside of the window, too";
  EXPECT_TRUE(right(some, {0}));
  reads(dirty_read(block, block, true, block), {1});
  EXPECT_FALSE(right(some, {0xff}));
}

/// BBML 2: a part of a block is unmapped, and what is left stands there as pages.
TEST_F(SvaDirty, a_block_that_is_split_leaves_its_mark_to_its_pages) {
  map(block, block);
  writes(block + 5 * page);
  const Call cut{.kind = CallKind::unmap, .domain = d, .iova = block + 511 * page, .size = page};
  ok(cut, page);
  const Call some = dirty_read(block, 8 * page, true);
  EXPECT_TRUE(right(some, {0xff})) << "the block was dirty, and so are its pages";
  EXPECT_TRUE(right(some, {32})) << "pages of their own from the beginning";
  EXPECT_FALSE(right(some, {0xdf})) << "but for the one that was written";
  reads(some, {0xff});
  EXPECT_FALSE(right(some, {0xff})) << "pages can be cleared one by one";
  EXPECT_TRUE(right(dirty_read(block + 8 * page, 8 * page, true), {0xff}));
  reads(dirty_read(block, 256 * page, true), {~u64{0xff}, ~u64{0}});
  writes(block + 9 * page);
  EXPECT_TRUE(right(dirty_read(block + 8 * page, 8 * page, true), {2}));
  EXPECT_FALSE(right(dirty_read(block + 8 * page, 8 * page, true), {0xff}))
      << "no block stands there any more";
}

TEST_F(SvaDirty, what_is_written_meanwhile_is_told_now_or_next_time) {
  const Call all = dirty_read(0, 4 * page, true);
  for (const bool told : {true, false}) {
    const Trail::Mark mark = trail.mark();
    const Ticket ticket = state.begin_call(all);
    writes(page);
    EXPECT_TRUE(
        state.end_call(ticket, all, {.status = Status::ok, .bits = {told ? u64{2} : 0}}).ok);
    EXPECT_EQ(right(all, {0}), told);
    EXPECT_TRUE(right(all, {2}));
    trail.undo_to(mark);
  }
  const Ticket ticket = state.begin_call(dirty_set(true));
  writes(page);
  EXPECT_TRUE(state.end_call(ticket, dirty_set(true), {}).ok);
  EXPECT_FALSE(right(all, {0})) << "twice changes nothing, and loses nothing";
}

TEST_F(SvaDirty, a_time_out_loses_nothing_and_off_is_off) {
  const Call all = dirty_read(0, 4 * page, true, 2 * page);
  const Circumstances stuck{.queue_stuck = true};
  writes(page);
  EXPECT_FALSE(state.apply(all, {.status = Status::etimedout}).ok);
  EXPECT_TRUE(state.apply(all, {.status = Status::etimedout}, stuck).ok);
  EXPECT_TRUE(right(dirty_read(0, 4 * page, true), {2}));
  EXPECT_TRUE(right(dirty_read(0, 4 * page, true), {3})) << "its grain was two pages";
  EXPECT_FALSE(right(dirty_read(0, 4 * page, true), {1}));
  EXPECT_FALSE(right(dirty_read(0, 4 * page, true), {6}));
  EXPECT_TRUE(state.apply(dirty_set(false), {.status = Status::etimedout}, stuck).ok);
  EXPECT_FALSE(state.is_tracked(d));
  EXPECT_FALSE(right(dirty_read(0, 4 * page, true), {2}));
  ok(dirty_set(true));
  EXPECT_TRUE(right(dirty_read(0, 4 * page, true), {0}));
  EXPECT_FALSE(right(dirty_read(0, 4 * page, true), {2}));
}

TEST_F(SvaDirty, an_unmap_forgets_its_range_alone) {
  writes(0);
  writes(page);
  ok({.kind = CallKind::unmap, .domain = d, .iova = page, .size = page}, page);
  EXPECT_TRUE(right(dirty_read(0, 4 * page, true), {1}));
  EXPECT_FALSE(right(dirty_read(0, 4 * page, true), {0}));
  map(page, page);
  EXPECT_FALSE(right(dirty_read(0, 4 * page, true), {3}));
}

TEST_F(SvaDirty, a_device_with_a_cache_of_its_own_may_have_asked_for_any_page) {
  const Call all = dirty_read(0, 4 * page, true);
  ok({.kind = CallKind::attach, .domain = d, .device = 1});
  EXPECT_TRUE(right(all, {0xf}));
  EXPECT_TRUE(right(all, {0}));
  ok({.kind = CallKind::detach, .domain = d, .device = 1});
  EXPECT_TRUE(right(all, {0xf})) << "before it went";
}

TEST(SvaDirtyHardware, is_none_or_may_not_be_used) {
  for (const DirtyHardware hardware : {DirtyHardware::none, DirtyHardware::open}) {
    Trail trail;
    Interface state(trail, {.devices = {{.stream_ids = {1}}}, .dirty = hardware});
    const Call alloc{.kind = CallKind::domain_alloc,
                     .domain_kind = static_cast<u32>(DomainKind::paging)};
    EXPECT_TRUE(state.apply(alloc, {.value = d}).ok);
    EXPECT_TRUE(state.permitted(dirty_set(true), {}).has(Status::eopnotsupp));
    EXPECT_EQ(state.permitted(dirty_set(true), {}).has(Status::ok),
              hardware == DirtyHardware::open);
  }
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_dirty_test
