// SPDX-License-Identifier: MIT
#include "trace/json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/trace/make_event.h"
#include "trace/check.h"
#include "trace/json_value.h"
#include "trace/trace_file.h"

namespace iommucheck::trace::json_test {
namespace {

constexpr LinePlace here{.file = "f", .line = 7};

void expect_round_trip(const Event& event) {
  const std::string line = to_json(event);
  ASSERT_EQ(line.find('\n'), std::string::npos);
  const auto back = event_from_json(line, here);
  ASSERT_TRUE(back) << line << '\n' << back.error().message;
  EXPECT_EQ(*back, event) << line;
  EXPECT_EQ(to_json(*back), line);
}

TEST(TraceJson, EveryEventSurvives) {
  for (std::size_t kind = 0; kind < event_kind_count; ++kind) {
    EventMaker maker(kind);
    for (int i = 0; i < 40; ++i) expect_round_trip(maker.event(static_cast<EventKind>(kind)));
  }
}

TEST(TraceJson, EveryCallSurvives) {
  for (std::size_t call = 0; call < call_count; ++call) {
    EventMaker maker(call);
    for (int i = 0; i < 20; ++i) {
      const auto name = static_cast<CallName>(call);
      expect_round_trip({.agent = cpu_agent(1), .payload = maker.call(name)});
    }
  }
}

RC_GTEST_PROP(TraceJsonProperty, TracesSurvive, (u64 seed)) {
  EventMaker maker(seed);
  Trace trace{.header = maker.header(), .events = {}};
  for (u64 n = maker.draw().below(5); n > 0; --n) trace.events.push_back(maker.event());
  const auto back = parse_trace(to_text(trace), "f");
  if (!back) RC_FAIL(back.error().message);
  RC_ASSERT(*back == trace);
}

TEST(TraceJson, OneLineAsDocumented) {
  const Event event{.agent = cpu_agent(0),
                    .payload = Store{.pa = 0x1000, .size = 8, .value = 0x2fu},
                    .origin = 39};
  EXPECT_EQ(to_json(event),
            R"({"event":"Store","agent":"cpu0","pa":"0x1000","size":"0x8","value":"0x2f",)"
            R"("origin":"0x27"})");
}

TEST(TraceJson, ATextThatIsNotUtf8IsWrittenReadable) {
  const Event event{.agent = environment_agent,
                    .payload = Note{.kind = NoteKind::console,
                                    .text = "a\xff"
                                            "b"}};
  const auto back = event_from_json(to_json(event), here);
  ASSERT_TRUE(back);
  EXPECT_EQ(std::get<Note>(back->payload).text,
            "a\xef\xbf\xbd"
            "b");
}

struct Wrong {
  std::string line;
  std::string where;  ///< column, as in "f:7:<column>: "
  std::string says;
};

class TraceJsonError : public testing::TestWithParam<Wrong> {};

TEST_P(TraceJsonError, IsPlacedAndExplained) {
  const auto event = event_from_json(GetParam().line, here);
  ASSERT_FALSE(event) << GetParam().line;
  EXPECT_EQ(event.error().code, ErrorCode::bad_input);
  const std::string& message = event.error().message;
  EXPECT_TRUE(message.starts_with("f:7:" + GetParam().where + ": ")) << message;
  EXPECT_NE(message.find(GetParam().says), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Lines, TraceJsonError,
    testing::Values(
        Wrong{"", "1", "unexpected end of input"},
        Wrong{"[1,2]", "1", "an event (a JSON object) is expected, this is an array"},
        Wrong{"{}", "1", "key \"event\" is missing"},
        Wrong{R"({"event":"Irq","agent":"cpu0","kind":"EVENTQ"} x)", "48", "syntax error"},
        Wrong{R"({"event":"Irq","agent":"cpu0" "kind":"EVENTQ"})", "36", "syntax error"},
        Wrong{std::string("{\"event\":\0}", 11), "10", "a zero byte"},
        Wrong{R"({"event":"Stor","agent":"cpu0"})", "10", "\"Stor\" is no event"},
        Wrong{R"({"event":"Irq","kind":"EVENTQ"})", "1", "key \"agent\" of Irq is missing"},
        Wrong{R"({"event":"Irq","agent":"cpu00","kind":"EVENTQ"})", "24", "is no agent"},
        Wrong{R"({"event":"Irq","agent":"cpu0"})", "1", "key \"kind\" (IrqKind) of Irq is missing"},
        Wrong{R"({"event":"Irq","agent":"cpu0","kind":"evtq"})", "38",
              "EVENTQ, PRIQ, GERROR, CMD_SYNC"},
        Wrong{R"({"event":"Irq","agent":"cpu0","kind":"PRIQ","kin":"PRIQ"})", "45",
              "key \"kin\" of Irq is not known; event, agent, kind, iommu are"},
        Wrong{R"({"event":"Irq",  "agent":"cpu0", "agent":"cpu1","kind":"PRIQ"})", "34",
              "key \"agent\" comes twice"},
        Wrong{R"({"event":"StuckQueue","agent":"environment","stuck":"true"})", "53",
              "true or false is expected, this is a string"},
        Wrong{R"({"event":"Free","agent":"cpu0","pa":16,"length":"0x1"})", "37",
              "an integer as a string"},
        Wrong{R"({"event":"Free","agent":"cpu0","pa":"16","length":"0x1"})", "37", "no integer"},
        Wrong{R"({"event":"Free","agent":"cpu0","pa":"0x","length":"0x1"})", "37", "no integer"},
        Wrong{R"({"event":"Free","agent":"cpu0","pa":"0x1g","length":"0x1"})", "37", "no integer"},
        Wrong{R"({"event":"Free","agent":"cpu0","pa":"0x10000000000000000","length":"0x1"})", "37",
              "is larger than 0xffffffffffffffff"},
        Wrong{R"({"event":"Free","agent":"cpu0","pa":null,"length":"0x1"})", "37", "this is null"},
        Wrong{R"({"event":"Store","agent":"cpu0","pa":"0x8","size":"0x100"})", "51",
              "0x100 is larger than 0xff"},
        Wrong{R"({"event":"Store","agent":"cpu0","pa":"0x8","size":"0x3"})", "51",
              "key \"size\": 3 is no size of an access"},
        Wrong{R"({"event":"Store","agent":"cpu0","pa":"0x8","size":"0x1","value":"0x100"})", "65",
              "does not fit into 1 bytes"},
        Wrong{R"({"event":"Dma","agent":"device0","sid":"0x1","ssid":"0x100000","iova":"0x0",)"
              R"("result":"ok"})",
              "53", "0x100000 is larger than 0xfffff"},
        Wrong{R"({"event":"Call","agent":"cpu0","id":"0x1","call":{"name":"mop"}})", "58",
              "\"mop\" is no call"},
        Wrong{R"({"event":"Call","agent":"cpu0","id":"0x1","call":{"domain":"0x1"}})", "50",
              "key \"name\" of the call is missing"},
        Wrong{R"({"event":"Call","agent":"cpu0","id":"0x1","call":{"name":"attach",)"
              R"("domain":"0x1","device":"0x0","pasid":"0x1"}})",
              "97", "key \"pasid\" of attach is not known"},
        Wrong{R"({"event":"EventRecorded","agent":"smmu0","record":["0x1","0x2"]})", "51",
              "4 integers are expected, there are 2"},
        Wrong{R"({"event":"Reach","agent":"smmu0","kind":"CD","pa":"0x40","length":"0x40",)"
              R"("words":[{"pa":"0x80","value":"0x1"}]})",
              "82", "0x80 is outside of the region"}));

TEST(TraceJson, DeepAndWideTextIsRefused) {
  const auto deep = parse_json(std::string(100000, '['));
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().column, json_depth_max + 1);
  std::string wide = "{";
  for (std::size_t i = 0; i <= json_members_max; ++i) wide += "\"" + std::to_string(i) + "\":1,";
  EXPECT_FALSE(parse_json(wide + "\"x\":1}"));
  std::string many = "[";
  for (std::size_t i = 0; i < json_values_max; ++i) many += "0,";
  EXPECT_FALSE(parse_json(many + "0]"));
}

TEST(TraceJson, HeaderErrors) {
  const auto message = [](std::string_view line) {
    const auto header = header_from_json(line, {.file = "f", .line = 1});
    return header ? "read" : header.error().message;
  };
  EXPECT_EQ(message(R"({"iommucheck-trace":1,"versions":{}})"), "read");
  EXPECT_TRUE(message(R"({"versions":{}})").starts_with("f:1:1: this is no trace"));
  EXPECT_TRUE(message(R"({"iommucheck-trace":2,"versions":{}})").starts_with("f:1:21: version 2"));
  EXPECT_TRUE(message(R"({"iommucheck-trace":"1","versions":{}})").starts_with("f:1:21: the ver"));
  EXPECT_TRUE(message(R"({"iommucheck-trace":1})").starts_with("f:1:1: key \"versions\""));
  EXPECT_TRUE(message(R"({"iommucheck-trace":1,"versions":{},"x":1})").starts_with("f:1:37: key"));
  EXPECT_TRUE(message(R"({"iommucheck-trace":1,"versions":{},"not_reported":["Lod"]})")
                  .starts_with("f:1:52: key \"not_reported\": \"Lod\" is no event"));
  const auto newer = header_from_json(R"({"iommucheck-trace":2})", {.file = "f", .line = 1});
  EXPECT_EQ(newer.error().code, ErrorCode::unsupported);
}

/// One byte changed, removed, doubled or inserted, up to four times.
std::string mutate(std::string text, Draw& draw) {
  static constexpr std::string_view bytes = "{}[]\",:0x1ftrue\\ \xff\x00-.e";
  for (u64 n = 1 + draw.below(4); n > 0 && !text.empty(); --n) {
    const std::size_t at = draw.below(text.size());
    const char byte = bytes[draw.below(bytes.size())];
    switch (draw.below(4)) {
      case 0: text[at] = byte; break;
      case 1: text.erase(at, 1 + draw.below(8)); break;
      case 2: text.insert(at, text.substr(at, draw.below(20))); break;
      default: text.insert(at, 1, byte); break;
    }
  }
  return text;
}

RC_GTEST_PROP(TraceJsonProperty, GarbageIsAnErrorWithAPlaceOrAnEvent, (u64 seed)) {
  EventMaker maker(seed);
  for (int i = 0; i < 20; ++i) {
    const std::string line = mutate(to_json(maker.event()), maker.draw());
    const auto event = event_from_json(line, here);
    if (!event) {
      RC_ASSERT(event.error().message.starts_with("f:7:"));
      const auto column = std::stoul(event.error().message.substr(4));
      RC_ASSERT((column >= 1 && column <= line.size() + 1));
      continue;
    }
    RC_ASSERT(!check(*event));
    const auto back = event_from_json(to_json(*event), here);
    RC_ASSERT(back.has_value());
    RC_ASSERT(*back == *event);
  }
}

}  // namespace
}  // namespace iommucheck::trace::json_test
