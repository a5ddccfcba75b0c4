// SPDX-License-Identifier: MIT
// INTERFACE "Nested", where a user's route says by which number its translations are known, and its
// commands name what they mean by that.
#include <gtest/gtest.h>

#include <vector>

#include "sva_users_fixture.h"

namespace iommucheck::spec::sva::sva_nested_numbers_test {
namespace {

constexpr u64 parent = 0x51;
constexpr u64 page = 0x1000;
constexpr u64 pa = 0x8000'0000;
constexpr u64 memory = 0x4000'0000;  // the user's, where its tables lie
constexpr u64 root = memory;
constexpr u64 other_root = memory + page;
constexpr u32 rw = prot_read | prot_write;

/// Word 0 of a structure is a root, word 1 the number. A command's low word is the number of what
/// it takes.
class Numbered final : public UserFormat {
 public:
  [[nodiscard]] std::optional<UserRoute> route(const std::array<u64, 2>& structure) const override {
    return UserRoute{.kind = UserRoute::Kind::stage1,
                     .table = structure[0],
                     .table_bits = 39,
                     .number = structure[1]};
  }
  [[nodiscard]] UserCommand command(const CommandWords& words) const override {
    return {.kind = UserCommand::Kind::translations, .asid = words.low};
  }
};

class SvaNestedNumbers : public WithUsers<Numbered> {
 protected:
  SvaNestedNumbers() {
    ok({.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(DomainKind::paging_s2)},
       parent);
    for (const auto& [iova, size] : {std::pair{u64{0x10000}, page}, {memory, 2 * page}}) {
      ok({.kind = CallKind::map,
          .domain = parent,
          .iova = iova,
          .pa = pa + iova,
          .size = size,
          .prot = rw});
    }
    for (const u64 at : {root, other_root}) {
      state.user_table_made(
          parent,
          {.root = at, .input_bits = 39, .first = memory, .bytes = 2 * page, .pa = pa + memory});
      state.user_maps(parent, at, 0x1000, page, 0x10000, rw);
    }
  }
  /// The device goes by the table, under that number.
  void route(u32 device, u64 table, u64 number) {
    const u64 handle = 0x61 + ++domains;
    Call call{.kind = CallKind::domain_alloc,
              .domain_kind = static_cast<u32>(DomainKind::nested),
              .parent = parent};
    call.structure = {table, number};
    ok(call, handle);
    ok({.kind = CallKind::attach, .domain = handle, .device = device});
  }
  void invalidate(u64 number) {
    const std::vector<CommandWords> commands = {{number, 0}};
    Call call{.kind = CallKind::cache_invalidate, .domain = 0x62};
    call.commands = commands;
    ok(call, 1);
  }
  /// How many things an access of the device may meet; 0: nobody knows.
  u32 met(u32 device) {
    const Alternatives all = state.expected_during(device, {}, 0x1000);
    return all.promises[0].state == State::within ? 0 : all.count;
  }

  u64 domains = 0;
};

TEST_F(SvaNestedNumbers, a_command_takes_what_has_its_number) {
  route(0, root, 3);
  route(1, other_root, 4);
  for (const u64 at : {root, other_root}) state.user_unmaps(parent, at, 0x1000, page);
  EXPECT_EQ(met(0), 2U);
  EXPECT_EQ(met(1), 2U);
  invalidate(4);
  EXPECT_EQ(met(0), 2U);
  EXPECT_EQ(met(1), 1U);
  invalidate(3);
  EXPECT_EQ(met(0), 1U);
}

TEST_F(SvaNestedNumbers, by_one_of_two_numbers_not_all_of_a_table_is_taken) {
  route(0, root, 3);
  route(1, root, 4);
  state.user_unmaps(parent, root, 0x1000, page);
  invalidate(3);
  invalidate(4);
  EXPECT_EQ(met(0), 2U);
  EXPECT_EQ(met(1), 2U);
}

TEST_F(SvaNestedNumbers, one_number_of_two_tables_mixes_them_up) {
  route(0, root, 3);
  EXPECT_EQ(met(0), 1U);
  route(1, other_root, 3);
  EXPECT_EQ(met(0), 0U) << "either table may have made it";
  EXPECT_EQ(met(1), 0U);
}

TEST_F(SvaNestedNumbers, what_a_table_says_that_nobody_knows_may_be_anothers) {
  route(0, root, 3);
  const Trail::Mark mark = trail.mark();
  route(1, memory + 0x800, 4);
  EXPECT_EQ(met(0), 0U);
  trail.undo_to(mark);
  EXPECT_EQ(met(0), 1U);
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_nested_numbers_test
