// SPDX-License-Identifier: MIT
#include "trace/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/trace/make_event.h"

namespace iommucheck::trace::codec_test {
namespace {

std::vector<u8> bytes_of(const Event& event) {
  std::vector<u8> bytes;
  encode(event, bytes);
  return bytes;
}

TEST(TraceCodec, EveryEventSurvives) {
  for (std::size_t kind = 0; kind < event_kind_count; ++kind) {
    EventMaker maker(kind + 1000);
    for (int i = 0; i < 40; ++i) {
      const Event event = maker.event(static_cast<EventKind>(kind));
      const std::vector<u8> bytes = bytes_of(event);
      ByteReader in{.bytes = bytes};
      const auto back = decode(in);
      ASSERT_TRUE(back) << info(kind_of(event)).name << ": " << back.error().message;
      EXPECT_EQ(*back, event);
      EXPECT_EQ(in.offset, bytes.size());
    }
  }
}

TEST(TraceCodec, EveryCallSurvives) {
  for (std::size_t call = 0; call < call_count; ++call) {
    EventMaker maker(call);
    const Event event{.agent = cpu_agent(2), .payload = maker.call(static_cast<CallName>(call))};
    const std::vector<u8> bytes = bytes_of(event);
    ByteReader in{.bytes = bytes};
    const auto back = decode(in);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, event);
  }
}

TEST(TraceCodec, EveryCutIsAnError) {
  for (std::size_t kind = 0; kind < event_kind_count; ++kind) {
    const auto bytes = bytes_of(EventMaker(kind).event(static_cast<EventKind>(kind)));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ByteReader in{.bytes = std::span(bytes).first(size)};
      EXPECT_FALSE(decode(in)) << kind << ' ' << size;
    }
  }
}

RC_GTEST_PROP(TraceCodecProperty, TracesSurvive, (u64 seed)) {
  EventMaker maker(seed);
  Trace trace{.header = maker.header(), .events = {}};
  for (u64 n = maker.draw().below(8); n > 0; --n) trace.events.push_back(maker.event());
  const auto back = decode_trace(encode_trace(trace));
  if (!back) RC_FAIL(back.error().message);
  RC_ASSERT(*back == trace);
}

RC_GTEST_PROP(TraceCodecProperty, WhatIsDecodedIsWhatIsEncoded, (u64 seed)) {
  EventMaker maker(seed);
  Draw& draw = maker.draw();
  for (int i = 0; i < 50; ++i) {
    std::vector<u8> bytes = bytes_of(maker.event());
    for (u64 n = draw.below(4); n > 0; --n) {
      bytes[draw.below(bytes.size())] = static_cast<u8>(draw.word());
    }
    ByteReader in{.bytes = bytes};
    const auto event = decode(in);
    RC_ASSERT(in.offset <= bytes.size());
    if (!event) continue;
    bytes.resize(in.offset);
    RC_ASSERT(bytes_of(*event) == bytes);
  }
}

RC_GTEST_PROP(TraceCodecProperty, GarbageIsRefusedOrRead, (std::vector<u8> bytes)) {
  std::vector<u8> text{'I', 'O', 'C', 'T', codec_version};
  text.insert(text.end(), bytes.begin(), bytes.end());
  const auto trace = decode_trace(text);
  if (trace) RC_ASSERT(encode_trace(*trace) == text);
  ByteReader in{.bytes = bytes};
  (void)decode(in);
}

TEST(TraceCodec, ForeignOldAndLongerBytesAreRefused) {
  std::vector<u8> bytes = encode_trace({});
  ASSERT_TRUE(decode_trace(bytes));
  bytes.push_back(0);
  EXPECT_NE(decode_trace(bytes).error().message.find("left over"), std::string::npos);
  bytes.pop_back();
  bytes[4] = codec_version + 1;
  EXPECT_EQ(decode_trace(bytes).error().code, ErrorCode::unsupported);
  bytes[0] = 'x';
  EXPECT_EQ(decode_trace(bytes).error().code, ErrorCode::bad_input);
  EXPECT_FALSE(decode_trace({}));
}

TEST(TraceCodec, AHugeCountNeedsNoMemory) {
  // A Return whose `words` claims 2^63 items.
  std::vector<u8> bytes{static_cast<u8>(EventKind::Return), 0, 0, 0, 1};
  for (int i = 0; i < 9; ++i) bytes.push_back(0x80);
  bytes.push_back(1);
  ByteReader in{.bytes = bytes};
  const auto event = decode(in);
  ASSERT_FALSE(event);
  EXPECT_NE(event.error().message.find("bytes are left"), std::string::npos);
}

}  // namespace
}  // namespace iommucheck::trace::codec_test
