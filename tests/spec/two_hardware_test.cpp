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
    hardware.store(pasids + entry_bytes, entries | 1);
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

// ---- marks --------------------------------------------------------------------------------------

constexpr u64 tracks = u64{1} << 58;
constexpr u64 written = u64{1} << 57;
constexpr u64 place = last + 8 * 3;

TEST(TwoMarks, AWriteMarksWhatIsCleanAndAReadNothing) {
  Two two;
  two.hardware.store(place, leaf(page) | tracks);
  two.lead();
  EXPECT_EQ(two.reads(), Answers{mapped});
  const Answer marks{.kind = Kind::address, .pa = page, .mark = place};
  const auto writes = [&] {
    return two.hardware.answers({stream, no_pasid}, iova, Hardware::Access::write);
  };
  EXPECT_EQ(writes(), Answers{marks});
  two.hardware.store(place, leaf(page) | tracks | written);
  EXPECT_EQ(writes(), Answers{mapped});
  two.hardware.store(place, leaf(page) | tracks);
  EXPECT_EQ(writes(), (Answers{mapped, marks})) << "it may be cached as written";
  two.run(CommandKind::drop_range, root);
  EXPECT_EQ(writes(), Answers{marks});
}

TEST(TwoMarks, WhatMemorySaysNoLongerIsNotMarked) {
  Two two;
  two.hardware.store(place, leaf(page) | tracks);
  two.lead();
  two.hardware.store(place, 0);
  EXPECT_EQ(two.hardware.answers({stream, no_pasid}, iova, Hardware::Access::write),
            Answers{unmapped});
  EXPECT_EQ(two.reads(), (Answers{mapped, unmapped}));
}

// ---- users --------------------------------------------------------------------------------------

constexpr u64 outer_root = 0x40000;
constexpr u64 outer_middle = 0x41000;
constexpr u64 outer_last = 0x42000;
constexpr u64 users_page = 0x90000;  // where the outer table maps 0x4000
constexpr u64 users_ipa = 0x4000;

/// The table of above is a user's: its three pages are at the intermediate addresses 0x1000 on, and
/// its page 3 leads to users_ipa, for the device's accesses at PASID 7.
struct TwoWithUser : Two {
  static constexpr u32 pasid = 7;
  TwoWithUser() {
    for (const u64 table : {outer_root, outer_middle, outer_last}) {
      for (u64 i = 0; i < 4096; i += 8) hardware.store(table + i, 0);
    }
    hardware.store(outer_root, points_to(outer_middle));
    hardware.store(outer_middle, points_to(outer_last));
    maps(0x1000, root);
    maps(0x2000, middle);
    maps(0x3000, last);
    maps(users_ipa, users_page);
    hardware.store(root, points_to(0x2000));
    hardware.store(middle, points_to(0x3000));
    hardware.store(last + 8 * 3, leaf(users_ipa));
    hardware.store(entry_at(entries, pasid) + 8, outer_root);
    hardware.store(entry_at(entries, pasid), 0x1000 | 64 | 1);
    lead();
  }
  void maps(u64 ipa, u64 pa) {
    hardware.store(outer_last + 8 * (ipa >> 12), pa == 0 ? 0 : leaf(pa));
  }
  void drop_inner(u64 by_root, u64 first, u64 end) {
    hardware.write(reg::argument_d, by_root);
    run(CommandKind::drop_inner, outer_root, first, end);
  }
  Answers of_user() { return reads(pasid); }
};

const Answer of_users_page{Kind::address, users_page, users_ipa};
const Answer outer_unmapped{Kind::outer_not_mapped};

TEST(TwoUsers, EachAddressOfTheirsIsAnIntermediateOne) {
  TwoWithUser two;
  EXPECT_EQ(two.of_user(), Answers{of_users_page});
  EXPECT_EQ(two.hardware.answers({stream, two.pasid}, 0x5000, Hardware::Access::read),
            Answers{unmapped});
  two.hardware.store(last + 8 * 5, leaf(page));  // an address of the host's
  EXPECT_EQ(two.hardware.answers({stream, two.pasid}, 0x5000, Hardware::Access::read),
            Answers{outer_unmapped});
  two.hardware.store(last + 8 * 5, leaf(users_ipa) & ~(u64{1} << 59));
  two.drop_inner(0x1000, 0x5000, 0x5fff);
  EXPECT_EQ(two.hardware.answers({stream, two.pasid}, 0x5000, Hardware::Access::write),
            Answers{{Kind::denied}});
  two.hardware.store(outer_last + 8 * 4, leaf(users_page) & ~(u64{1} << 59));
  EXPECT_TRUE(two.hardware.answers({stream, two.pasid}, iova, Hardware::Access::write)
                  .contains({Kind::outer_denied}));
}

TEST(TwoUsers, WhatTheyMapIsFoundAtOnceAndWhatTheyTakeAwayStays) {
  TwoWithUser two;
  two.hardware.store(last + 8 * 3, 0);
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, unmapped}));
  two.run(CommandKind::drop_range, outer_root, 0, ~u64{0});  // of the outer table alone
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, unmapped}));
  two.drop_inner(0x9000, iova, iova);  // of another table of the user's
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, unmapped}));
  two.drop_inner(0x1000, iova + 0x1000, iova + 0x1fff);  // of another page
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, unmapped}));
  two.drop_inner(0x1000, iova, iova);
  EXPECT_EQ(two.of_user(), Answers{unmapped});
  two.hardware.store(last + 8 * 3, leaf(users_ipa));
  EXPECT_EQ(two.of_user(), Answers{of_users_page}) << "that it was not is not remembered";
}

/// In the wrong order what was combined comes back by what the outer table said.
TEST(TwoUsers, WhatTheOuterTableLosesGoesInTwoSteps) {
  TwoWithUser two;
  two.maps(users_ipa, 0);
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, outer_unmapped}));
  two.drop_inner(every_root, 0, ~u64{0});
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, outer_unmapped}));
  two.run(CommandKind::drop_range, outer_root, users_ipa, users_ipa + 0xfff);
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, outer_unmapped})) << "combined meanwhile";
  two.drop_inner(every_root, 0, ~u64{0});
  EXPECT_EQ(two.of_user(), Answers{outer_unmapped});
  two.maps(users_ipa, page);
  EXPECT_EQ(two.of_user(), (Answers{{Kind::address, page, users_ipa}, outer_unmapped}));
  two.run(CommandKind::drop_range, outer_root, users_ipa, users_ipa + 0xfff);
  two.drop_inner(every_root, 0, ~u64{0});
  EXPECT_EQ(two.of_user(), (Answers{{Kind::address, page, users_ipa}}));
}

TEST(TwoUsers, OneCommandTakesAllOfAnOuterTable) {
  TwoWithUser two;
  two.maps(users_ipa, 0);
  two.run(CommandKind::drop_root, outer_root);
  EXPECT_EQ(two.of_user(), Answers{outer_unmapped});
}

TEST(TwoUsers, APageOfTheirTableThatIsElsewhereIsFoundWhereItWas) {
  TwoWithUser two;
  constexpr u64 other = 0x33000;
  for (u64 i = 0; i < 4096; i += 8) two.hardware.store(other + i, 0);
  two.maps(0x3000, other);
  EXPECT_EQ(two.of_user(), (Answers{of_users_page, unmapped}));
  two.run(CommandKind::drop_range, outer_root, 0x3000, 0x3fff);
  EXPECT_TRUE(two.of_user().contains(of_users_page)) << "where it lies is cached with the table";
  two.drop_inner(every_root, 0, ~u64{0});
  EXPECT_EQ(two.of_user(), Answers{unmapped});
}

TEST(TwoUsers, WhatNobodyHasStoredLeadsAnywhereInsideOfTheOuterTable) {
  TwoWithUser two;
  two.maps(0x3000, 0x99000);
  two.run(CommandKind::drop_root, outer_root);
  EXPECT_EQ(two.of_user(), Answers{{Kind::inside}});
}

TEST(TwoUsers, AnEntryMayPassAUsersAccessesToTheOuterTable) {
  TwoWithUser two;
  two.hardware.store(entry_at(entries, two.pasid), 64 | 32 | 1);
  two.run(CommandKind::forget_entry, stream | u64{two.pasid} << 32);
  EXPECT_EQ(two.hardware.answers({stream, two.pasid}, users_ipa, Hardware::Access::read),
            Answers{of_users_page});
  EXPECT_EQ(two.hardware.answers({stream, two.pasid}, 0x6000, Hardware::Access::read),
            Answers{outer_unmapped});
}

TEST(TwoUsers, OverWhichTableAnEntryLeadsIsCachedWithIt) {
  TwoWithUser two;
  two.hardware.store(entry_at(entries, two.pasid) + 8, 0x50000);
  EXPECT_TRUE(two.of_user().contains(of_users_page));
  two.run(CommandKind::forget_entry, stream | u64{two.pasid} << 32);
  EXPECT_EQ(two.of_user(), Answers{{Kind::wild}}) << "nobody knows what is there";
}

TEST(TwoUsers, AWriteOfTheirsMarksTheOuterTable) {
  TwoWithUser two;
  two.hardware.store(outer_last + 8 * 4, leaf(users_page) | tracks);
  two.run(CommandKind::drop_root, outer_root);
  EXPECT_EQ(two.hardware.answers({stream, two.pasid}, iova, Hardware::Access::write),
            (Answers{{Kind::address, users_page, users_ipa, outer_last + 8 * 4}}));
}

TEST(TwoUsers, AnOuterTableThatAUsersEntryLeadsOverIsNotFree) {
  TwoWithUser two;
  EXPECT_FALSE(two.hardware.give_back(outer_last, 4096));
}

// ---- records of accesses that were ended --------------------------------------------------------

TEST(TwoRecords, AreOfWhatATableHasEnded) {
  TwoWithUser two;
  const Who who{stream, two.pasid};
  const auto of = [&](Kind kind) {
    return two.hardware.record_of(who, 0x7000, Hardware::Access::write, kind);
  };
  for (const Kind none : {Kind::address, Kind::blocked, Kind::no_entry, Kind::waits, Kind::quiet}) {
    EXPECT_FALSE(of(none));
  }
  const auto own = of(Kind::denied);
  ASSERT_TRUE(own);
  const EventWord word{(*own)[0]};
  EXPECT_EQ(word.kind(), EventKind::denied);
  EXPECT_FALSE(word.outer());
  EXPECT_EQ(word.stream(), stream);
  EXPECT_TRUE(word.has_pasid());
  EXPECT_EQ(word.pasid(), two.pasid);
  EXPECT_EQ(bits(word.word, EventWord::rights_lsb + 2, EventWord::rights_lsb), 2U);
  EXPECT_EQ((*own)[1], 0x7000U);
  EXPECT_EQ((*own)[2], outer_root);
  const auto outer = of(Kind::outer_not_mapped);
  ASSERT_TRUE(outer);
  EXPECT_TRUE(EventWord{(*outer)[0]}.outer());
  EXPECT_EQ(EventWord{(*outer)[0]}.kind(), EventKind::not_mapped);
}

TEST(TwoRecords, AreReadInTheirOrderAndLostWhereThereIsNoRoom) {
  Two two;
  EXPECT_EQ(two.hardware.read(reg::event), 0U);
  for (u64 i = 1; i <= events_max + 1; ++i) two.hardware.report({i, 10 * i, 100 * i});
  EXPECT_FALSE(two.hardware.has_room());
  for (u64 i = 1; i <= events_max; ++i) {
    EXPECT_EQ(two.hardware.read(reg::event), i);
    EXPECT_EQ(two.hardware.read(reg::event_iova), 10 * i);
    EXPECT_EQ(two.hardware.read(reg::event_table), 100 * i);
    two.hardware.write(reg::event_take, 1);
  }
  EXPECT_EQ(two.hardware.read(reg::event), 0U);
  EXPECT_TRUE(two.hardware.has_room());
}

}  // namespace
}  // namespace iommucheck::spec::two::hardware_test
