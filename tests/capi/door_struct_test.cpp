// SPDX-License-Identifier: MIT
// Structs of events: every event comes through as it was, and anything else is refused or read,
// never followed into the dark.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <cstddef>
#include <cstring>

#include "capi/read_struct.h"
#include "tests/capi/door_support.h"
#include "tests/trace/make_event.h"
#include "trace/c_layout.h"
#include "trace/check.h"
#include "trace/json.h"
#include "trace/members.h"

namespace iommucheck::oracle::door_struct_test {
namespace {

using trace::Event;
using trace::EventMaker;

/// A NUL byte is the end of a C text.
bool has_nul(const Event& event) {
  bool nul = false;
  const auto look = [&](const trace::FieldInfo&, const auto& member) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(member)>, std::string>) {
      nul |= member.find('\0') != std::string::npos;
    }
  };
  for_each_member(trace::members(event.payload), look);
  return nul;
}

TEST(DoorStruct, EveryEventComesThrough) {
  std::array<u64, trace::event_kind_count> seen{};
  for (u64 seed = 0; seed < 6000; ++seed) {
    EventMaker maker(seed);
    const Event event = maker.event();
    if (trace::check(event) || has_nul(event)) continue;
    const EventStruct written(event);
    const auto read = read_struct(*written.get());
    ASSERT_TRUE(read) << read.error().message << trace::to_json(event);
    ASSERT_EQ(*read, event) << trace::to_json(event);
    ++seen[event.payload.index()];
  }
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_GT(seen[i], 10u) << trace::event_table[i].name;
  }
}

/// The generated header has the members where the reader looks.
TEST(DoorStruct, LiesAsTheHeaderSays) {
  EXPECT_EQ(sizeof(iommucheck_event), trace::c_head_bytes);
  iommucheck_event_command_consumed event{};
  event.head = {.size = sizeof event,
                .abi = IOMMUCHECK_MONITOR_ABI,
                .kind = IOMMUCHECK_EVENT_COMMAND_CONSUMED,
                .agent = IOMMUCHECK_SMMU(0),
                .known = IOMMUCHECK_COMMAND_CONSUMED_COMMAND | IOMMUCHECK_KNOWN_ORIGIN,
                .origin = 77};
  event.slot = 5;
  event.command_low = 0x46;
  event.command_high = 9;
  const auto read = read_struct(event.head);
  ASSERT_TRUE(read) << read.error().message;
  const Event wanted{
      .agent = trace::smmu_agent(0),
      .payload = trace::CommandConsumed{.slot = 5, .command = trace::CommandWords{0x46, 9}},
      .origin = 77};
  EXPECT_EQ(*read, wanted);

  iommucheck_call_map map{};
  map.head = {.size = sizeof map,
              .abi = IOMMUCHECK_MONITOR_ABI,
              .known = IOMMUCHECK_CALL_MAP_DEVICE_MEMORY};
  map.domain = 1;
  map.iova = 0x1000;
  map.pa = 0x2000;
  map.size = 0x3000;
  map.rights = IOMMUCHECK_RIGHT_READ | IOMMUCHECK_RIGHT_EXECUTE;
  map.privileged = 99;  // not known: not looked at
  map.device_memory = 1;
  iommucheck_event_call outer{};
  outer.head = {.size = sizeof outer,
                .abi = IOMMUCHECK_MONITOR_ABI,
                .kind = IOMMUCHECK_EVENT_CALL,
                .agent = IOMMUCHECK_CPU(2),
                .known = 0,
                .origin = 0};
  outer.id = 3;
  outer.call = IOMMUCHECK_CALL_MAP;
  outer.arguments = &map;
  const auto call = read_struct(outer.head);
  ASSERT_TRUE(call) << call.error().message;
  trace::calls::Map arguments;
  arguments.domain = trace::DomainId{1};
  arguments.iova = 0x1000;
  arguments.pa = 0x2000;
  arguments.size = 0x3000;
  arguments.rights = {.read = true, .write = false, .execute = true};
  arguments.device_memory = true;
  EXPECT_EQ(call->payload, trace::Payload(trace::Call{.id = trace::CallId{3}, .call = arguments}));
}

TEST(DoorStruct, WhatIsWrongIsNamed) {
  const Event store{.agent = AgentId::cpu0,
                    .payload = trace::Store{.pa = 0x1000,
                                            .size = 8,
                                            .value = 1,
                                            .value_high = {},
                                            .word = {},
                                            .pc = {},
                                            .swept = {}},
                    .origin = {}};
  const auto message = [&](auto&& change) {
    EventStruct written(store);
    change(written);
    const auto read = read_struct(*written.get());
    return read ? std::string("taken") : read.error().message;
  };
  constexpr std::size_t head = sizeof(iommucheck_event) / 8;
  const auto contains = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  const std::pair<std::string, const char*> cases[] = {
      {message([](EventStruct&) {}), "taken"},
      {message([](EventStruct& e) { e.get()->abi = 0; }), "`abi` is 0"},
      {message([](EventStruct& e) { e.get()->abi = 1; }), "`abi` is 1"},
      {message([](EventStruct& e) { e.get()->abi = 3; }), "`abi` is 3"},
      {message([](EventStruct& e) { e.get()->size = 31; }), "`size` is 31"},
      {message([](EventStruct& e) { e.get()->size = 32; }), "`pa` (u64) lies behind"},
      {message([](EventStruct& e) { e.get()->size = 56; }), "taken"},  // value is the last one
      {message([](EventStruct& e) { e.get()->size = 48; }), "`value` (u64) lies behind"},
      {message([](EventStruct& e) { e.get()->size = ~0U; }), "`size` is 4294967295"},
      {message([](EventStruct& e) { e.get()->kind = 1000; }), "`kind` is 1000"},
      {message([](EventStruct& e) { e.get()->agent = 0xc004; }), "agent"},
      {message([](EventStruct& e) { e.get()->agent = 0x10000; }), "agent"},
      {message([](EventStruct& e) { e.get()->known |= 32; }), "there are 5 facts"},
      {message([](EventStruct& e) { e.members()[head + 1] = 256; }), "`size` (u8) is 0x100"},
      {message([](EventStruct& e) { e.members()[head + 1] = 3; }), "3 is no size"},
      {message([](EventStruct& e) {
         e.get()->known |= IOMMUCHECK_STORE_SWEPT;
         e.members()[head + 6] = 2;
       }),
       "`swept` (bool) is 0x2"},
  };
  for (const auto& [text, part] : cases) EXPECT_TRUE(contains(text, part)) << text << " / " << part;
}

/// Any numbers where a struct is expected. Lists and texts point to memory that is there, or to
/// NULL: that pointers point is the caller's promise.
struct Garbage {
  std::vector<u64> members;
  std::vector<u64> arguments;
  std::vector<u64> list;
  std::string text;

  explicit Garbage(EventMaker& maker) {
    trace::Draw& draw = maker.draw();
    list.resize(64);
    for (u64& word : list) word = draw.word();
    text.resize(draw.below(20));
    for (char& c : text) c = static_cast<char>(draw.next());
    members.resize(4 + 20);
    for (u64& member : members) member = draw.below(3) == 0 ? draw.below(16) : draw.word();
    iommucheck_event head{};
    head.size = static_cast<u32>(draw.below(8) == 0 ? draw.word() : 8 * (4 + draw.below(21)));
    head.size = std::min<u32>(head.size, static_cast<u32>(8 * members.size()));
    if (draw.below(16) == 0) head.size = static_cast<u32>(draw.word() | 4097);  // refused at once
    head.abi = draw.below(16) == 0 ? static_cast<u32>(draw.word()) : IOMMUCHECK_MONITOR_ABI;
    head.kind =
        static_cast<u32>(draw.below(16) == 0 ? draw.word() : draw.below(trace::event_kind_count));
    head.agent = static_cast<u32>(draw.below(4) == 0 ? draw.word() : draw.below(4) << 14);
    head.known = draw.below(3) == 0 ? draw.word() : draw.below(16);
    head.origin = draw.word();
    std::memcpy(members.data(), &head, sizeof head);
    place_pointers(head, draw);
  }

  [[nodiscard]] const iommucheck_event* get() const {
    return reinterpret_cast<const iommucheck_event*>(members.data());
  }

 private:
  static void point(std::vector<u64>& to, std::size_t at, const void* address, trace::Draw& draw) {
    if (at >= to.size()) return;
    const bool null = draw.below(4) == 0;
    if (null) address = nullptr;
    std::memcpy(&to[at], &address, sizeof address);
  }
  template <class T>
  void place(std::vector<u64>& to, std::size_t& at, trace::Draw& draw) {
    constexpr trace::CShape shape = trace::c_shape<T>();
    if (shape == trace::CShape::text) point(to, at, text.c_str(), draw);
    if (shape == trace::CShape::words4 || shape == trace::CShape::words2) {
      point(to, at, list.data(), draw);
    }
    if (shape == trace::CShape::list) {
      point(to, at, list.data(), draw);
      // Counts beyond what there is must be refused by their size alone.
      if (at + 1 < to.size()) {
        to[at + 1] = draw.below(4) == 0 ? door_items_max + 1 + draw.word() / 2 : draw.below(33);
      }
    }
    at += trace::c_members(shape);
  }
  void place_pointers(const iommucheck_event& head, trace::Draw& draw) {
    std::size_t at = sizeof head / 8;
    std::vector<u64>* to = &members;
    const auto walk = [&](const trace::FieldInfo&, auto& member) {
      using T = typename trace::WithoutOptional<std::remove_cvref_t<decltype(member)>>::Type;
      if constexpr (std::is_same_v<T, trace::CallArguments>) {
        at += 2;
      } else {
        place<T>(*to, at, draw);
      }
    };
    if (head.kind >= trace::event_kind_count) return;
    EventMaker kinds(0);
    Event event = kinds.event(static_cast<trace::EventKind>(head.kind));
    auto* call = std::get_if<trace::Call>(&event.payload);
    const std::size_t name = at + 1;
    if (call != nullptr) {
      members[name] = draw.below(trace::call_count + 1);
      make_arguments(draw);
      point(members, name + 1, arguments.data(), draw);
    }
    trace::visit([&](auto& payload) { for_each_field(payload, walk); }, event.payload);
    if (call == nullptr || members[name] == trace::call_count) return;
    *call = kinds.call(static_cast<trace::CallName>(members[name]));
    at = sizeof(iommucheck_arguments) / 8;
    to = &arguments;
    trace::visit([&](auto& its) { for_each_field(its, walk); }, call->call);
  }
  void make_arguments(trace::Draw& draw) {
    arguments.resize(2 + 12);
    for (u64& member : arguments) member = draw.below(3) == 0 ? draw.below(16) : draw.word();
    iommucheck_arguments head{};
    head.size = static_cast<u32>(8 * (2 + draw.below(13)));
    if (draw.below(16) == 0) head.size = static_cast<u32>(draw.word() | 4097);
    head.abi = draw.below(16) == 0 ? static_cast<u32>(draw.word()) : IOMMUCHECK_MONITOR_ABI;
    head.known = draw.below(3) == 0 ? draw.word() : draw.below(8);
    std::memcpy(arguments.data(), &head, sizeof head);
  }
};

/// Ranges are followed word by word, up to 1 GiB: right, but too slow for a test of many.
bool is_large(const Event& event) {
  bool large = false;
  const auto look = [&](const trace::FieldInfo& field, const auto& member) {
    if constexpr (requires { static_cast<u64>(member); }) {
      if (field.name == "length" || field.name == "words") {
        large |= static_cast<u64>(member) > 0x100000;
      }
    } else if constexpr (requires { static_cast<u64>(*member); }) {
      if (field.name == "length" && member) large |= static_cast<u64>(*member) > 0x100000;
    }
  };
  for_each_member(trace::members(event.payload), look);
  return large;
}

RC_GTEST_PROP(DoorStruct, GarbageIsRefusedOrTaken, ()) {
  EventMaker maker(*rc::gen::arbitrary<u64>());
  const MonitorPtr monitor(iommucheck_monitor_open(trace::to_json(door_header()).c_str()));
  RC_ASSERT(static_cast<bool>(monitor));
  u64 taken = 0;
  for (int n = 0; n < 60; ++n) {
    if (maker.draw().below(4) == 0) {  // something sensible in between
      const Event event = maker.event();
      if (trace::check(event) || has_nul(event) || is_large(event)) continue;
      const int answer = iommucheck_monitor_report(monitor.get(), EventStruct(event).get());
      RC_ASSERT(answer >= 0);
      ++taken;
      continue;
    }
    const Garbage garbage(maker);
    const auto read = read_struct(*garbage.get());
    if (read && is_large(*read)) continue;
    const int answer = iommucheck_monitor_report(monitor.get(), garbage.get());
    const bool right = read ? answer >= 0 : answer == -IOMMUCHECK_EINVAL;
    RC_ASSERT(right);
    if (answer < 0) {
      RC_ASSERT(iommucheck_monitor_last_error(monitor.get())[0] != '\0');
    } else {
      ++taken;
    }
  }
  iommucheck_summary all{};
  all.size = sizeof all;
  all.abi = IOMMUCHECK_MONITOR_ABI;
  RC_ASSERT(iommucheck_monitor_summary(monitor.get(), &all) == 0);
  RC_ASSERT(all.reported == taken);
  RC_ASSERT(iommucheck_monitor_finish(monitor.get()) >= 0);
  RC_ASSERT(all.accepted + all.flagged + all.undetermined == all.judged);
  (void)said(monitor.get());
}

RC_GTEST_PROP(DoorStruct, AnyTextIsALineOrNot, ()) {
  EventMaker maker(*rc::gen::arbitrary<u64>());
  const MonitorPtr monitor(iommucheck_monitor_open(trace::to_json(door_header()).c_str()));
  RC_ASSERT(static_cast<bool>(monitor));
  for (int n = 0; n < 30; ++n) {
    const Event event = maker.event();
    if (trace::check(event) || is_large(event)) continue;
    std::string line = trace::to_json(event);
    for (u64 change = maker.draw().below(4); change != 0; --change) {
      line[maker.draw().below(line.size())] = static_cast<char>(maker.draw().next());
    }
    const auto wanted =
        trace::event_from_json(std::string_view(line.c_str()), {.file = "", .line = 1});
    if (wanted && is_large(*wanted)) continue;
    const int answer = iommucheck_monitor_report_json(monitor.get(), line.c_str());
    const bool same =
        (answer >= 0) == wanted.has_value() || line.find_first_of("\n\r") < line.size();
    RC_ASSERT(same);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::door_struct_test
