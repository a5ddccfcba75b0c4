// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <typeindex>
#include <utility>
#include <vector>

#include "tests/trace/make_event.h"
#include "trace/check.h"
#include "trace/members.h"
#include "trace/utf8.h"

namespace iommucheck::trace::alphabet_test {
namespace {

TEST(Alphabet, EveryAgentHasANameOfItsOwn) {
  std::set<std::string> names;
  for (unsigned i = 0; i <= 0xffff; ++i) {
    const AgentId agent{static_cast<u16>(i)};
    EXPECT_TRUE(names.insert(to_string(agent)).second) << i;
    const auto back = agent_from_string(to_string(agent));
    EXPECT_EQ(back.has_value(), agent_exists(agent)) << i;
    if (back) {
      EXPECT_EQ(*back, agent);
    }
  }
  EXPECT_EQ(AgentId::cpu0, cpu_agent(0));
  for (const char* bad : {"", "cpu", "cpu01", "cpu-1", "cpu16383", "cpu0 ", "CPU0", "smmu", "x"}) {
    EXPECT_FALSE(agent_from_string(bad)) << bad;
  }
}

TEST(Alphabet, NamesAreUnique) {
  std::set<std::string_view> names;
  for (const EventInfo& event : event_table) EXPECT_TRUE(names.insert(event.name).second);
  for (std::size_t i = 0; i < event_kind_count; ++i) {
    EXPECT_EQ(event_from_string(event_table[i].name), static_cast<EventKind>(i));
  }
  names.clear();
  for (const CallInfo& call : call_table) EXPECT_TRUE(names.insert(call.name).second);
#define TRACE_VALUE(identifier, number, name, text)
#define TRACE_ENUM(Type, about, ...) \
  names.clear();                     \
  for (const auto& value : EnumInfo<Type>::values) EXPECT_TRUE(names.insert(value.name).second);
#include "trace/enums.def"
#undef TRACE_ENUM
#undef TRACE_VALUE
}

// Keys that the writer adds itself must not be fields.
TEST(Alphabet, NoFieldHidesAKey) {
  for (const EventInfo& event : event_table) {
    std::set<std::string_view> names{"event", "agent", "origin"};
    for (const FieldEntry& field : fields_of(event.kind)) {
      EXPECT_TRUE(names.insert(field.info.name).second) << field.info.name;
    }
  }
  for (const CallInfo& call : call_table) {
    for (const FieldEntry& field : fields_of(call.call)) EXPECT_NE(field.info.name, "name");
  }
}

struct Place {
  std::string_view name;
  bool may_be_absent;
  std::type_index type;
  const void* address;
  friend bool operator==(const Place&, const Place&) = default;
};
struct Places {
  std::vector<Place>& all;
  void operator()(const FieldInfo& field, const auto& member) const {
    all.push_back({field.name, field.may_be_absent, typeid(member), &member});
  }
};
std::vector<Place> places(const ConstMembers& members) {
  std::vector<Place> all;
  for_each_member(members, Places{all});
  return all;
}
std::vector<Place> places(const auto& value) {
  std::vector<Place> all;
  for_each_field(value, Places{all});
  return all;
}

// Fields as data are those that for_each_field visits: name, type and place.
TEST(Alphabet, MembersAreTheFields) {
  EventMaker maker(1);
  for (const EventInfo& info : event_table) {
    const Payload event = maker.event(info.kind).payload;
    EXPECT_EQ(trace::visit([](const auto& its) { return places(its); }, event),
              places(members(event)));
  }
  for (const CallInfo& info : call_table) {
    const CallArguments call = maker.call(info.call).call;
    EXPECT_EQ(trace::visit([](const auto& its) { return places(its); }, call),
              places(members(call)));
  }
  const Header header = maker.header();
  EXPECT_EQ(places(header), places(members(header)));
}

TEST(Alphabet, WhatIsBuilt) {
  std::set<std::string_view> built;
  for (const CallInfo& call : call_table) {
    if (call.built) built.insert(call.name);
  }
  EXPECT_EQ(built, (std::set<std::string_view>{"domain_alloc",
                                               "domain_free",
                                               "attach",
                                               "detach",
                                               "map",
                                               "map_sg",
                                               "unmap",
                                               "unmap_fast",
                                               "iotlb_sync",
                                               "flush_iotlb_all",
                                               "tlb_range_add",
                                               "iova_to_phys",
                                               "domain_get_attr",
                                               "dirty_set",
                                               "dirty_read",
                                               "sva_device_init",
                                               "sva_device_shutdown",
                                               "bind_device",
                                               "unbind_device",
                                               "unbind_dev_all",
                                               "sva_drvdata",
                                               "io_mm_of",
                                               "sva_alloc_pasid",
                                               "sva_free_pasid",
                                               "io_mm_get_pasid",
                                               "io_mm_get_attr",
                                               "sva_map",
                                               "sva_map_sg",
                                               "sva_unmap",
                                               "sva_unmap_fast",
                                               "sva_iotlb_sync",
                                               "sva_flush_tlb_all",
                                               "sva_tlb_range_add",
                                               "sva_iova_to_phys",
                                               "sva_attach",
                                               "sva_detach",
                                               "attach_pasid",
                                               "detach_pasid",
                                               "pasid_alloc",
                                               "pasid_free",
                                               "bind_task",
                                               "unbind_task",
                                               "task_map",
                                               "task_unmap",
                                               "task_get_attr",
                                               "fault_queue_open",
                                               "fault_queue_read",
                                               "fault_queue_respond",
                                               "fault_queue_close",
                                               "fault_handler_set",
                                               "event_queue_open",
                                               "event_read",
                                               "cache_invalidate",
                                               "vdevice",
                                               "recover"}));
}

TEST(Alphabet, RightsReadBack) {
  for (unsigned i = 0; i < 8; ++i) {
    const Rights rights{.read = (i & 1) != 0, .write = (i & 2) != 0, .execute = (i & 4) != 0};
    EXPECT_EQ(rights_from_string(to_string(rights)), rights);
  }
  for (const char* bad : {"", "wr", "rr", "rwxx", "R", "none ", "r w"}) {
    EXPECT_FALSE(rights_from_string(bad)) << bad;
  }
}

TEST(Alphabet, Utf8) {
  for (const char* good :
       {"", "a", "\xc3\xa9", "\xe2\x86\x92", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(is_utf8(good)) << good;
    EXPECT_EQ(to_utf8(good), good);
  }
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x86"}) {
    EXPECT_FALSE(is_utf8(bad));
    EXPECT_TRUE(is_utf8(to_utf8(bad)));
  }
}

std::string wrong(const Payload& payload) {
  const auto error = check({.agent = cpu_agent(0), .payload = payload});
  return error ? std::string(error->field) : "";
}

TEST(Check, FindsWhatTypesDoNotSay) {
  EXPECT_EQ(wrong(Store{.pa = 4, .size = 16, .value_high = 1u}), "");
  EXPECT_EQ(wrong(Store{.pa = 4, .size = 8, .value_high = 1u}), "value_high");
  EXPECT_EQ(wrong(Store{.pa = 4, .size = 0}), "size");
  EXPECT_EQ(wrong(Store{.pa = ~u64{0} - 6, .size = 8}), "pa");
  EXPECT_EQ(wrong(Store{.pa = ~u64{0} - 7, .size = 8}), "");
  EXPECT_EQ(wrong(Store{.pa = 0, .size = 2, .value = 0x10000u}), "value");
  EXPECT_EQ(wrong(Rmw{.pa = 0, .size = 4, .old_value = u64{1} << 32}), "old_value");
  EXPECT_EQ(wrong(MmioWrite{.offset = 0, .size = 16, .value = 0}), "size");
  EXPECT_EQ(wrong(MmioWrite{.offset = 0, .size = 4, .value = u64{1} << 32}), "value");
  EXPECT_EQ(wrong(Fill{.pa = 4, .words = 1}), "pa");
  EXPECT_EQ(wrong(Fill{.pa = 8, .words = 0}), "words");
  EXPECT_EQ(wrong(Fill{.pa = 8, .words = u64{1} << 61}), "words");
  EXPECT_EQ(wrong(Alloc{.pa = ~u64{0}, .length = 2}), "length");
  EXPECT_EQ(wrong(Alloc{.pa = ~u64{0}, .length = 1}), "");
  EXPECT_EQ(wrong(Handoff{.from = cpu_agent(0), .to = AgentId{0xfff0}}), "to");
  EXPECT_EQ(wrong(Barrier{.kind = static_cast<BarrierKind>(9)}), "kind");
  EXPECT_EQ(wrong(Dma{.ssid = substream(1U << 20)}), "ssid");
  EXPECT_EQ(wrong(Dma{.ssid = Substream{.valid = false, .value = 1}}), "ssid");
  EXPECT_EQ(wrong(Note{.text = "\xff"}), "text");
  EXPECT_EQ(wrong(Reach{.pa = 8, .length = 8, .words = WordsAt{{.pa = 8, .value = 1}}}), "");
  EXPECT_EQ(wrong(Reach{.pa = 8, .length = 8, .words = WordsAt{{.pa = 0, .value = 1}}}), "words");
  EXPECT_EQ(wrong(Reach{.pa = 0, .length = 16, .words = WordsAt{{.pa = 8}, {.pa = 8}}}), "words");
  EXPECT_EQ(wrong(Reach{.pa = 0, .length = 9}), "length");
  EXPECT_EQ(wrong(Call{.call = calls::AttachPasid{}}), "");
  EXPECT_EQ(wrong(Call{.call = calls::MapSg{.pieces = {{.base = ~u64{0}, .length = 2}}}}),
            "pieces");
  EXPECT_TRUE(check({.agent = AgentId{0xfff0}, .payload = Barrier{}}));
  EXPECT_TRUE(check(Header{.profile = Profile{{"x", std::string("0x1")}}}));
  EXPECT_FALSE(check(Header{.profile = Profile{{"x", std::string("1")}}}));
}

}  // namespace
}  // namespace iommucheck::trace::alphabet_test
