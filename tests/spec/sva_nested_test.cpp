// SPDX-License-Identifier: MIT
// INTERFACE "Nested": users of a stage 2 domain, their routes, numbers and commands.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva::sva_nested_test {
namespace {

constexpr u64 s2 = 0x51;
constexpr u64 n = 0x61;
constexpr u64 page = 0x1000;
constexpr u64 pa = 0x8000'0000;
constexpr u64 cds = 0x4000'0000;
constexpr u64 root = 0x4000'1000;
constexpr u32 rw = prot_read | prot_write;
constexpr UserTable table{
    .root = root, .input_bits = 39, .first = cds, .bytes = 2 * page, .pa = pa + 16 * page};

using Configuration = Setup;  // testing::Test has a Setup of its own

/// A vendor of the test's: word 0 says where entries are, word 1 how many (log2). A command's low
/// word is its kind, its high word what it names.
class Format final : public UserFormat {
 public:
  [[nodiscard]] std::optional<UserRoute> route(const std::array<u64, 2>& structure) const override {
    if (structure[0] == 0) return std::nullopt;
    if (structure[0] == bypassing) return bypass();
    return UserRoute{.kind = UserRoute::Kind::stage1,
                     .entries = structure[0],
                     .pasid_bits = static_cast<u32>(structure[1]),
                     .entry_bytes = 64};
  }
  static UserRoute bypass() {
    UserRoute route{.kind = UserRoute::Kind::bypass};
    route.table_is_ignored = true;
    return route;
  }
  [[nodiscard]] UserCommand command(const CommandWords& words) const override {
    UserCommand command;
    if (words.low == va_code || words.low == leaves_code) {
      command.leaves_only = words.low == leaves_code;
      command.kind = UserCommand::Kind::translations;
      command.first = words.high;
      command.last = words.high + (page - 1);
    } else if (words.low == entry_code) {
      command.kind = UserCommand::Kind::entry;
      command.stream = words.high >> 32;
      command.pasid = static_cast<u32>(words.high);
    } else if (words.low == idle_code) {
      command.kind = UserCommand::Kind::nothing_owed;
      command.may_be_refused = true;
    }
    return command;
  }
  static constexpr u64 va_code = 1;
  static constexpr u64 entry_code = 2;
  static constexpr u64 idle_code = 3;
  static constexpr u64 leaves_code = 4;
  static constexpr u64 bypassing = 0x77;
};

class SvaNested : public testing::Test {
 protected:
  Configuration configuration() {
    Configuration setup;
    setup.devices = {{.stream_ids = {1}, .ssid_bits = 8}, {.stream_ids = {2}, .ssid_bits = 8}};
    setup.ssid_bits = 8;
    setup.user_format = &format;
    setup.dirty = DirtyHardware::present;
    return setup;
  }
  SvaNested() {
    ok(alloc(DomainKind::paging_s2), s2);
    map(0x10000, pa);
    map(0x11000, pa + page);
    map(cds, pa + 16 * page);
    map(cds + page, pa + 17 * page);
    state.user_table_made(s2, table);
    state.user_maps(s2, root, 0x1000, page, 0x10000, rw);
    state.user_maps(s2, root, 0x2000, page, 0x90000, rw);
    state.user_sets_entry(s2, cds, {.kind = UserEntryKind::table, .root = root, .asid = 1});
  }

  static Call alloc(DomainKind kind) {
    return {.kind = CallKind::domain_alloc, .domain_kind = static_cast<u32>(kind)};
  }
  static Call nested(u64 parent, u64 entries, u64 bits) {
    Call call = alloc(bits == 0 ? DomainKind::nested : DomainKind::nested_pasid);
    call.parent = parent;
    call.structure = {entries, bits};
    return call;
  }
  static Call on(CallKind kind, u64 domain, u32 device = 0) {
    return {.kind = kind, .domain = domain, .device = device};
  }
  static Call vdevice(u64 parent, u32 device, u64 number) {
    Call call = on(CallKind::vdevice, parent, device);
    call.number = number;
    return call;
  }
  void ok(const Call& call, u64 value = 0) {
    const Verdict verdict = state.apply(call, {.status = Status::ok, .value = value});
    EXPECT_TRUE(verdict.ok) << verdict.message;
  }
  void map(u64 iova, u64 to) {
    ok({.kind = CallKind::map, .domain = s2, .iova = iova, .pa = to, .size = page, .prot = rw});
  }
  bool right(const Call& call, Status status, u64 value = 0, Circumstances around = {}) {
    const Trail::Mark mark = trail.mark();
    const bool is = state.apply(call, {.status = status, .value = value}, around).ok;
    trail.undo_to(mark);
    return is;
  }
  void attach_user() {
    ok(nested(s2, cds, 0), n);
    ok(on(CallKind::attach, n));
  }
  /// "P+0x0", "fault", "outer fault", ... of an access of device 0.
  std::string met(u64 iova, Substream at = {}) {
    const Alternatives all = state.expected_during(0, at, iova);
    std::string text;
    for (u32 i = 0; i < all.count; ++i) {
      if (i != 0) text += " | ";
      switch (all.promises[i].state) {
        case State::mapped: text += "P" + std::to_string((all.promises[i].pa - pa) / page); break;
        case State::unmapped: text += "fault"; break;
        case State::fetch_fault:
        case State::outer_fault: text += "outer fault"; break;
        case State::bad_entry: text += "bad entry"; break;
        case State::no_pasid: text += "nothing"; break;
        case State::within: text += "within"; break;
        default: text += "?";
      }
    }
    return text;
  }

  Format format;
  Trail trail;
  Interface state{trail, configuration()};
};

TEST_F(SvaNested, both_stages_must_map) {
  attach_user();
  EXPECT_EQ(met(0x1000), "P0");
  EXPECT_EQ(met(0x2000), "outer fault");
  EXPECT_EQ(met(0x3000), "fault");
  EXPECT_EQ(met(0x1000, substream(1)), "nothing");
}

TEST_F(SvaNested, a_structure_is_legal_of_its_kind_and_over_a_parent) {
  EXPECT_TRUE(right(nested(s2, cds, 0), Status::ok, n));
  EXPECT_TRUE(right(nested(s2, 0, 0), Status::einval));
  EXPECT_FALSE(right(nested(s2, 0, 0), Status::ok, n));
  EXPECT_FALSE(right(nested(0x99, cds, 0), Status::ok, n));
  EXPECT_TRUE(right(nested(0x99, cds, 0), Status::einval));
  Call other = nested(s2, cds, 2);
  other.domain_kind = static_cast<u32>(DomainKind::nested);
  EXPECT_TRUE(right(other, Status::einval));
  EXPECT_FALSE(right(other, Status::ok, n));
}

TEST_F(SvaNested, what_the_user_takes_away_stays_until_its_command) {
  attach_user();
  ok(vdevice(s2, 0, 7));
  state.user_unmaps(s2, root, 0x1000, page);
  EXPECT_EQ(met(0x1000), "fault | P0");
  const std::vector<CommandWords> commands = {
      {Format::va_code, 0x1000}, {99, 0}, {Format::va_code, 0x2000}};
  Call invalidate = on(CallKind::cache_invalidate, n);
  invalidate.commands = commands;
  EXPECT_TRUE(right(invalidate, Status::eio, 1));
  EXPECT_FALSE(right(invalidate, Status::eio, 2));
  EXPECT_FALSE(right(invalidate, Status::ok, 3));
  state.apply(invalidate, {.status = Status::eio, .value = 1});
  EXPECT_EQ(met(0x1000), "fault");
}

/// What is cached of the way to a table that was taken out leads to what it said then, and to what
/// the user may make of it: nothing is known there until a command that is not of leaves alone.
TEST_F(SvaNested, a_table_that_is_taken_out_stays_until_a_command_for_more_than_leaves) {
  attach_user();
  const auto give = [&](u64 code, u64 address) {
    const std::vector<CommandWords> commands = {{code, address}};
    Call invalidate = on(CallKind::cache_invalidate, n);
    invalidate.commands = commands;
    ok(invalidate, 1);
  };
  constexpr u64 reach = u64{1} << 21;
  state.user_takes_out(s2, root, 0, reach);
  EXPECT_EQ(met(0x1000), "within");
  EXPECT_EQ(met(reach), "fault");
  give(Format::leaves_code, 0x1000);
  give(Format::va_code, reach);
  EXPECT_EQ(met(0x1000), "within");
  give(Format::va_code, 0x1000);
  EXPECT_EQ(met(0x1000), "fault");
  EXPECT_EQ(met(0x2000), "fault | outer fault") << "its leaf may still be cached";
  state.user_maps(s2, root, 0x1000, page, 0x11000, rw);
  EXPECT_EQ(met(0x1000), "P1");
}

/// Of a table that nobody may have cached nothing is left.
TEST_F(SvaNested, a_table_that_is_taken_out_before_a_device_comes_is_gone) {
  state.user_takes_out(s2, root, 0, u64{1} << 21);
  attach_user();
  EXPECT_EQ(met(0x1000), "fault");
}

TEST_F(SvaNested, an_entry_stays_until_its_command) {
  ok(nested(s2, cds, 1), n);
  state.user_sets_entry(s2, cds + 64, {.kind = UserEntryKind::garbage});
  ok(on(CallKind::attach, n));
  EXPECT_EQ(met(0x1000), "P0");
  EXPECT_EQ(met(0x1000, substream(1)), "bad entry");
  EXPECT_EQ(met(0x1000, substream(2)), "nothing");
  state.user_sets_entry(s2, cds + 64, {.kind = UserEntryKind::table, .root = root, .asid = 1});
  EXPECT_EQ(met(0x1000, substream(1)), "bad entry | P0");
  const std::vector<CommandWords> commands = {{Format::entry_code, u64{7} << 32 | 1}};
  Call invalidate = on(CallKind::cache_invalidate, n);
  invalidate.commands = commands;
  EXPECT_TRUE(right(invalidate, Status::eio, 0)) << "nobody is called 7";
  ok(vdevice(s2, 0, 7));
  ok(invalidate, 1);
  EXPECT_EQ(met(0x1000, substream(1)), "P0");
}

/// Of a structure that is made while another one is in use nothing is cached.
TEST_F(SvaNested, an_entry_beyond_the_structure_is_not_cached) {
  ok(nested(s2, cds, 0), n);
  ok(on(CallKind::attach, n));
  state.user_sets_entry(s2, cds + 64, {.kind = UserEntryKind::garbage});
  state.user_sets_entry(s2, cds + 64, {.kind = UserEntryKind::table, .root = root, .asid = 1});
  state.user_sets_entry(s2, cds, {.kind = UserEntryKind::garbage});
  EXPECT_EQ(met(0x1000), "P0 | bad entry") << "its own is";
  ok(nested(s2, cds + 64, 0), n + 1);
  ok(on(CallKind::attach, n + 1));
  EXPECT_EQ(met(0x1000), "P0");
}

TEST_F(SvaNested, a_table_that_nothing_looks_at_is_of_either_kind) {
  for (const DomainKind kind : {DomainKind::nested, DomainKind::nested_pasid}) {
    Call call = nested(s2, Format::bypassing, 0);
    call.domain_kind = static_cast<u32>(kind);
    EXPECT_TRUE(right(call, Status::ok, n));
    EXPECT_TRUE(right(call, Status::einval));
  }
}

TEST_F(SvaNested, what_does_nothing_may_be_done_or_refused) {
  attach_user();
  const std::vector<CommandWords> commands = {
      {Format::va_code, 0x1000}, {Format::idle_code, 0}, {Format::va_code, 0x2000}};
  Call invalidate = on(CallKind::cache_invalidate, n);
  invalidate.commands = commands;
  EXPECT_TRUE(right(invalidate, Status::ok, 3));
  EXPECT_TRUE(right(invalidate, Status::eio, 1));
  EXPECT_FALSE(right(invalidate, Status::eio, 2));
  EXPECT_FALSE(right(invalidate, Status::eio, 0));
  EXPECT_FALSE(right(invalidate, Status::eio, 3)) << "an error, and all are done";
  EXPECT_FALSE(right(invalidate, Status::ok, 1)) << "no error, and not all are done";
}

/// The one behind those that are done is the one that failed.
TEST_F(SvaNested, where_the_queue_is_stuck_not_all_of_them_are_done) {
  attach_user();
  constexpr Circumstances stuck{.queue_stuck = true};
  std::vector<CommandWords> commands(3, {Format::va_code, 0x1000});
  Call invalidate = on(CallKind::cache_invalidate, n);
  invalidate.commands = commands;
  EXPECT_TRUE(right(invalidate, Status::etimedout, 0, stuck));
  EXPECT_TRUE(right(invalidate, Status::etimedout, 2, stuck));
  EXPECT_FALSE(right(invalidate, Status::etimedout, 3, stuck));
  EXPECT_FALSE(right(invalidate, Status::etimedout, 0));
  commands[1] = {99, 0};  // nobody's
  EXPECT_TRUE(right(invalidate, Status::etimedout, 1, stuck));
  EXPECT_FALSE(right(invalidate, Status::etimedout, 2, stuck)) << "behind one that is refused";
}

// There is one number for each of these, and no bound on how many a caller gives.
TEST_F(SvaNested, of_any_number_of_commands_each_may_be_refused) {
  attach_user();
  const std::vector<CommandWords> commands(1000, {Format::idle_code, 0});
  Call invalidate = on(CallKind::cache_invalidate, n);
  invalidate.commands = commands;
  EXPECT_TRUE(right(invalidate, Status::ok, 1000));
  EXPECT_TRUE(right(invalidate, Status::eio, 0));
  EXPECT_TRUE(right(invalidate, Status::eio, 999));
  EXPECT_FALSE(right(invalidate, Status::eio, 1000));
  EXPECT_FALSE(right(invalidate, Status::ok, 999));
  const std::string said = state.apply(invalidate, {.status = Status::ok, .value = 999}).message;
  EXPECT_TRUE(said.contains("or 0x7 (those before it) or 992 others")) << said;
}

TEST_F(SvaNested, a_device_on_the_parent_itself_may_be_the_users) {
  attach_user();
  ok(on(CallKind::attach, s2, 1));
  ok(vdevice(s2, 1, 7));
  const std::vector<CommandWords> commands = {{Format::entry_code, u64{7} << 32 | 1}};
  Call invalidate = on(CallKind::cache_invalidate, n);
  invalidate.commands = commands;
  EXPECT_TRUE(right(invalidate, Status::ok, 1));
  EXPECT_TRUE(right(invalidate, Status::eio, 0));
  ok(on(CallKind::detach, s2, 1));
  EXPECT_FALSE(right(invalidate, Status::ok, 1));
}

TEST_F(SvaNested, what_is_not_told_is_within_the_parent) {
  ok(nested(s2, cds + 0x800, 0), n);
  ok(on(CallKind::attach, n));
  EXPECT_EQ(met(0x1000), "within");
  const Alternatives within = state.expected_within(0, {}, 0x11000);
  ASSERT_EQ(within.count, 1u);
  EXPECT_EQ(within.promises[0].pa, pa + page);
  EXPECT_EQ(state.expected_within(1, {}, 0x11000).count, 0u) << "on no user's domain";
}

TEST_F(SvaNested, a_parent_stays_while_it_has_children) {
  attach_user();
  EXPECT_TRUE(right(on(CallKind::domain_free, s2), Status::ebusy));
  EXPECT_FALSE(right(on(CallKind::domain_free, s2), Status::ok));
  ok(on(CallKind::detach, n));
  ok(on(CallKind::domain_free, n));
  ok(on(CallKind::domain_free, s2));
  ok(alloc(DomainKind::paging_s2), s2);
  EXPECT_TRUE(state.user_table_made(s2, table)) << "another user's memory is another one";
}

TEST_F(SvaNested, numbers_of_devices_are_the_users) {
  ok(vdevice(s2, 0, 7));
  EXPECT_TRUE(right(vdevice(s2, 0, 8), Status::eexist));
  EXPECT_TRUE(right(vdevice(s2, 1, 7), Status::eexist));
  EXPECT_FALSE(right(vdevice(s2, 1, 7), Status::ok));
  EXPECT_TRUE(right(vdevice(s2, 9, 8), Status::enodev));
  EXPECT_TRUE(right(vdevice(0x99, 1, 8), Status::einval));
  EXPECT_EQ(state.number_of(s2, 0), 7u);
  state.device_removed(0, false);
  EXPECT_EQ(state.number_of(s2, 0), std::nullopt);
}

TEST_F(SvaNested, the_rid_of_a_user_has_no_pasids_of_the_hosts) {
  attach_user();
  Call call = on(CallKind::attach_pasid, s2);
  call.pasid = 1;
  EXPECT_FALSE(right(call, Status::ok));
  ok(alloc(DomainKind::paging), 0x71);
  ok({.kind = CallKind::pasid_alloc, .max_pasid = 200}, 1);
  call.domain = 0x71;
  EXPECT_TRUE(right(call, Status::ebusy));
  EXPECT_FALSE(right(call, Status::ok));
}

TEST_F(SvaNested, the_parents_change_is_the_users) {
  attach_user();
  const Call unmap{.kind = CallKind::unmap, .domain = s2, .iova = 0x10000, .size = page};
  const Ticket ticket = state.begin_call(unmap);
  EXPECT_EQ(met(0x1000), "P0 | outer fault");
  EXPECT_TRUE(state.end_call(ticket, unmap, {.value = page}).ok);
  EXPECT_EQ(met(0x1000), "outer fault");
}

/// Flags that hardware sets in a user's table are written to the page of the parent that has it.
TEST_F(SvaNested, a_page_with_a_table_is_dirty_when_hardware_sets_a_flag_there) {
  attach_user();
  ok({.kind = CallKind::dirty_set, .domain = s2, .on = true});
  const Call read{
      .kind = CallKind::dirty_read, .domain = s2, .iova = cds, .size = 2 * page, .grain = page};
  const auto told = [&](u64 bits) {
    const Trail::Mark mark = trail.mark();
    const bool is = state.apply(read, {.status = Status::ok, .bits = {bits}}).ok;
    trail.undo_to(mark);
    return is;
  };
  EXPECT_TRUE(told(0));
  state.descriptor_written(pa + 100 * page, true);  // of no user's: a table of the driver's own
  EXPECT_TRUE(told(0));
  state.descriptor_written(pa + 17 * page + 8, false);  // a user has been given such a table
  EXPECT_TRUE(told(0));
  EXPECT_TRUE(told(2));
  state.descriptor_written(pa + 17 * page + 8, true);
  EXPECT_TRUE(told(2));
  EXPECT_FALSE(told(0)) << "the page of the table is missing";
  EXPECT_TRUE(told(3)) << "where flags are written a user chooses";
}

}  // namespace
}  // namespace iommucheck::spec::sva::sva_nested_test
