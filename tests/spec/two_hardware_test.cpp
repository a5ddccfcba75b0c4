// SPDX-License-Identifier: MIT
// The second IOMMU's specification: each of its rules by an example, with what has to be possible
// as well as what must not be.
#include "spec/two/hardware.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::two::hardware_test {
namespace {

using Kind = Answer::Kind;
using Answers = std::set<Answer>;

constexpr u64 devices = 0x10000;
constexpr u64 pasids = 0x20000;
constexpr u64 entries = 0x21000;
constexpr u64 root = 0x30000;
constexpr u64 middle = 0x31000;
constexpr u64 last = 0x32000;
constexpr u64 page = 0x80000;
constexpr u32 stream = 5;
constexpr u64 iova = 0x3000;

constexpr u64 points_to(u64 pa) { return u64{1} << 63 | pa >> 12; }
constexpr u64 leaf(u64 pa) { return u64{7} << 61 | u64{1} << 59 | pa >> 12; }

/// A device whose accesses without a PASID use a table of three levels; it is empty.
struct Two {
  explicit Two(bool caches = false) : hardware({{stream, caches, true, 10}}, 20) {
    for (const u64 table : {devices, pasids, entries, root, middle, last}) {
      for (u64 i = 0; i < 4096; i += 8) hardware.store(table + i, 0);
    }
    hardware.store(root, points_to(middle));
    hardware.store(middle, points_to(last));
    hardware.store(pasids, root | 1);
    hardware.store(pasids + 8, entries | 1);
    hardware.write(reg::device_table, devices | 9);
    hardware.write(reg::control, 1);
  }
  void lead() {
    hardware.store(devices + 8 * stream, pasids | 10 << 4 | 2);
    run(CommandKind::forget_device, stream);
  }
  void send(CommandKind kind, u64 a, u64 b = 0, u64 c = ~u64{0}) {
    hardware.write(reg::argument_a, a);
    hardware.write(reg::argument_b, b);
    hardware.write(reg::argument_c, c);
    hardware.write(reg::command, static_cast<u64>(kind));
  }
  void run(CommandKind kind, u64 a, u64 b = 0, u64 c = ~u64{0}) {
    send(kind, a, b, c);
    hardware.read(reg::done);
  }
  Answers reads(u32 pasid = no_pasid) {
    return hardware.answers({stream, pasid}, iova, Hardware::Access::read);
  }
  Hardware hardware;
};

const Answer mapped{Kind::address, page};
const Answer unmapped{Kind::not_mapped};
constexpr u64 without = u64{no_pasid} << 32 | stream;

TEST(TwoHardware, ADevicesWordIsCachedUntilItIsForgotten) {
  Two two;
  EXPECT_EQ(two.reads(), Answers{{Kind::blocked}});
  two.hardware.store(devices + 8 * stream, pasids | 10 << 4 | 2);
  EXPECT_EQ(two.reads(), (Answers{{Kind::blocked}, unmapped}));
  two.send(CommandKind::forget_device, stream);
  EXPECT_EQ(two.reads(), (Answers{{Kind::blocked}, unmapped}));
  two.hardware.read(reg::done);
  EXPECT_EQ(two.reads(), Answers{unmapped});
}

TEST(TwoHardware, ThatNothingIsMappedIsRemembered) {
  Two two;
  two.lead();
  two.hardware.store(last + 8 * 3, leaf(page));
  EXPECT_EQ(two.reads(), (Answers{mapped, unmapped}));
  two.run(CommandKind::drop_range, root, iova + 0x1000, iova + 0x1fff);  // another page
  EXPECT_EQ(two.reads(), (Answers{mapped, unmapped}));
  two.run(CommandKind::drop_range, root, iova, iova + 0xfff);
  EXPECT_EQ(two.reads(), Answers{mapped});
}

TEST(TwoHardware, NobodyCachesWhatNoWayLedTo) {
  Two two;
  two.hardware.store(last + 8 * 3, leaf(page));
  two.lead();
  EXPECT_EQ(two.reads(), Answers{mapped});
}

TEST(TwoHardware, WhatWasMappedStaysUntilACommandThatWasSentAfterItIsComplete) {
  Two two;
  two.hardware.store(last + 8 * 3, leaf(page));
  two.lead();
  two.send(CommandKind::drop_range, root);
  two.hardware.store(last + 8 * 3, 0);
  two.hardware.read(reg::done);  // it may have acted before the store
  EXPECT_EQ(two.reads(), (Answers{mapped, unmapped}));
  two.run(CommandKind::drop_range, root);
  EXPECT_EQ(two.reads(), Answers{unmapped});
}

TEST(TwoHardware, AStuckOneCompletesNothing) {
  Two two;
  two.lead();
  two.hardware.store(last + 8 * 3, leaf(page));
  two.hardware.set_stuck(true);
  two.run(CommandKind::drop_range, root);
  EXPECT_EQ(two.reads(), (Answers{mapped, unmapped}));
  two.hardware.set_stuck(false);
  two.hardware.read(reg::done);
  EXPECT_EQ(two.reads(), Answers{mapped});
}

TEST(TwoHardware, Pasid0IsANumberAndNowhereIsRememberedToo) {
  Two two;
  two.hardware.store(last + 8 * 3, leaf(page));
  two.lead();
  EXPECT_EQ(two.reads(0), Answers{{Kind::no_entry}});
  two.hardware.store(entries, root | 1);
  EXPECT_EQ(two.reads(0), (Answers{{Kind::no_entry}, mapped}));
  two.run(CommandKind::forget_entry, stream);  // PASID 0, not the access without one
  EXPECT_EQ(two.reads(0), Answers{mapped});
  EXPECT_EQ(two.reads(1), Answers{{Kind::no_entry}});
}

/// The wrong order: what is dropped comes back through an entry that nobody has forgotten.
TEST(TwoHardware, TranslationsComeBackThroughAnEntryThatIsCached) {
  Two two;
  two.hardware.store(last + 8 * 3, leaf(page));
  two.hardware.store(entries, root | 1);
  two.lead();
  two.hardware.store(entries, 0);
  two.run(CommandKind::drop_range, root);
  EXPECT_TRUE(two.reads(0).contains(mapped));
  two.run(CommandKind::forget_entry, stream);
  EXPECT_EQ(two.reads(0), Answers{{Kind::no_entry}});
  // The same table again, with another page: the old one may have come back in between.
  two.hardware.store(last + 8 * 3, 0);
  two.hardware.store(entries, root | 1);
  two.run(CommandKind::forget_entry, stream);
  EXPECT_EQ(two.reads(0), (Answers{mapped, unmapped}));
}

TEST(TwoHardware, DevicesKeepWhatTheyWereGiven) {
  Two two(true);
  two.hardware.store(last + 8 * 3, leaf(page));
  two.lead();
  two.hardware.store(last + 8 * 3, 0);
  two.run(CommandKind::drop_range, root);
  EXPECT_EQ(two.reads(), (Answers{mapped, unmapped}));
  two.run(CommandKind::drop_device, stream);  // of PASID 0
  EXPECT_EQ(two.reads(), (Answers{mapped, unmapped}));
  two.run(CommandKind::drop_device, without);
  EXPECT_EQ(two.reads(), Answers{unmapped});
}

TEST(TwoHardware, AnEntryMayPassAccessesAsTheyAre) {
  constexpr u64 untranslated = 32;
  const Answer passes{Kind::address, iova};
  Two two(true);
  two.lead();
  two.hardware.store(entries, untranslated | 1);
  EXPECT_EQ(two.reads(0), (Answers{{Kind::no_entry}, passes}));
  two.run(CommandKind::forget_entry, stream);  // of PASID 0
  EXPECT_EQ(two.reads(0), Answers{passes});
  EXPECT_EQ(two.reads(1), Answers{{Kind::no_entry}});
  two.hardware.store(entries, root | 1);
  EXPECT_EQ(two.reads(0), (Answers{passes, unmapped}));
  two.run(CommandKind::forget_entry, stream);
  EXPECT_EQ(two.reads(0), Answers{unmapped}) << "the device has kept nothing of it";
  two.hardware.store(entries, untranslated | 2 | 1);
  two.run(CommandKind::forget_entry, stream);
  EXPECT_EQ(two.reads(0), Answers{{Kind::quiet}});
}

TEST(TwoHardware, ATableThatAWalkMayReadIsNotFree) {
  Two two;
  two.hardware.store(last + 8 * 3, leaf(page));
  two.lead();
  two.hardware.store(middle, 0);
  EXPECT_FALSE(two.hardware.give_back(last, 4096));
}

TEST(TwoHardware, BehindItsInvalidationATableIsFree) {
  Two two;
  two.hardware.store(last + 8 * 3, leaf(page));
  two.lead();
  two.hardware.store(middle, 0);
  two.run(CommandKind::drop_range, root);
  EXPECT_TRUE(two.hardware.give_back(last, 4096));
  EXPECT_EQ(two.reads(), Answers{unmapped});
}

TEST(TwoHardware, AWalkIntoAPageThatWasGivenBackMayGetAnything) {
  Two two;
  two.hardware.store(last + 8 * 3, leaf(page));
  two.lead();
  two.hardware.give_back(last, 4096);
  EXPECT_TRUE(two.reads().contains({Kind::wild}));
}

TEST(TwoHardware, APageRequestWaitsForItsResponse) {
  Two two;
  two.hardware.store(pasids, root | 1 | 4);
  two.lead();
  EXPECT_EQ(two.reads(), Answers{{Kind::waits}});
  const u64 id = two.hardware.request({stream, no_pasid}, iova, Hardware::Access::write, 1, true);
  EXPECT_EQ(two.hardware.read(reg::request), id);
  EXPECT_EQ(two.hardware.read(reg::request_who), without);
  EXPECT_EQ(two.hardware.read(reg::request_iova), iova | 2 | 8);
  two.hardware.write(reg::request_take, 1);
  EXPECT_EQ(two.hardware.read(reg::request), 0U);
  EXPECT_TRUE(two.hardware.is_waiting(id));
  two.run(CommandKind::respond, id, 1);
  EXPECT_FALSE(two.hardware.is_waiting(id));
  const auto responses = two.hardware.take_responses();
  ASSERT_EQ(responses.size(), 1U);
  EXPECT_EQ(responses[0].code, ResponseCode::again);
  EXPECT_TRUE(two.hardware.take_strays().empty());
  two.run(CommandKind::respond, id, 1);
  EXPECT_EQ(two.hardware.take_strays(), std::vector<u64>{id}) << "it waits no longer";
}

TEST(TwoHardware, OneResponseEndsAGroupOfPageRequests) {
  Two two;
  const Who who{stream, 3};
  const auto request = [&](const Who& whose, u64 at, bool ends) {
    return two.hardware.request(whose, at, Hardware::Access::read, 7, ends);
  };
  const u64 first = request(who, iova, false);
  const u64 other = request({stream, 4}, iova, false);
  const u64 second = request(who, iova + 4096, true);
  EXPECT_EQ(two.hardware.group_of(second), first);
  EXPECT_EQ(two.hardware.group_of(other), other) << "the same number at another PASID";
  EXPECT_EQ(two.hardware.read(reg::request_iova), iova | 1);
  const u64 next = request(who, iova, true);
  EXPECT_EQ(two.hardware.group_of(next), next) << "the group before is whole";
  two.run(CommandKind::respond, first, static_cast<u64>(ResponseCode::failure));
  const auto responses = two.hardware.take_responses();
  ASSERT_EQ(responses.size(), 2U);
  EXPECT_EQ(responses[1].id, second);
  EXPECT_EQ(responses[1].code, ResponseCode::failure);
  EXPECT_FALSE(two.hardware.is_waiting(first));
  EXPECT_TRUE(two.hardware.is_waiting(other));
  EXPECT_EQ(two.hardware.read(reg::request), other) << "what was not taken of it is gone";
}

}  // namespace
}  // namespace iommucheck::spec::two::hardware_test
