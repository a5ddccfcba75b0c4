// SPDX-License-Identifier: MIT
// A finding crosses from the worker to the supervisor with every member as it was, and whatever a
// driver may have scribbled over the bytes is refused or read as some finding, never worse.
#include "monitor/finding.h"

#include <gtest/gtest.h>

#include "monitor/chronicle.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/rules/translation.h"
#include "spec/smmu/command.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle::finding_codec_test {
namespace {

spec::Cause cached_cd() {
  spec::Cause cause;
  cause.kind = spec::Cause::Kind::cached_structure;
  cause.pa = 0x8000'1000;
  cause.sid = 7;
  cause.ssid = 3;
  cause.structure = spec::ConfigKind::cd;
  cause.words = {{.index = 0, .value = 1, .now = 0, .stored_at = 40},
                 {.index = 1, .unknown = true, .value = 0, .now = 2}};
  cause.stored_at = 40;
  cause.vanished_at = 41;
  cause.miss = spec::NearestMiss{.kind = spec::NearestMiss::Kind::not_covering,
                                 .command = spec::cmd_cfgi_cd(7, 4),
                                 .at = 44,
                                 .why = {spec::NotCovered::Reason::substream, 4, 3}};
  return cause;
}

spec::Cause cached_pointer() {
  spec::Cause cause;
  cause.kind = spec::Cause::Kind::cached_pointer;
  cause.pa = 0x8000'2000;
  cause.value = 0x8000'3003;
  cause.va = 0x4000'0000;
  cause.asid = 9;
  cause.rule = spec::rule::S1_DESCRIPTOR_VALID;
  cause.stored_at = 50;
  cause.vanished_at = 51;
  cause.lost_at = 52;
  cause.through = spec::CauseWord{0x8000'3000, 0x1'0000'0743};
  cause.miss = spec::NearestMiss{.kind = spec::NearestMiss::Kind::not_complete,
                                 .command = spec::cmd_tlbi_nh_va(0, 9, 0x4000'0000, true),
                                 .at = 53};
  cause.miss->command.broadcast = true;  // of a range
  cause.miss->command.beyond = 0x3000;
  return cause;
}

spec::Cause leaf_of_a_group() {
  spec::Cause cause;
  cause.kind = spec::Cause::Kind::word;
  cause.pa = 0x8000'4000;
  cause.value = 0x10'0001'0000'0743;
  cause.contiguous = true;
  return cause;
}

Violation full() {
  Violation v(finding_of(spec::rule::TABLE_FREE, "what, where; and why\nin two lines\x1f"));
  v.party = spec::Keeper::caller;
  v.at = 60;
  v.where = {
      .sid = 7, .device = 2, .pasid = 3, .address = 0x4000, .access = spec::AccessType::write};
  May may;
  may.kind = May::Kind::reach;
  may.pa = 0x1'0000'0000;
  may.user = {.read = true, .write = true};
  may.privileged = {.read = true, .write = true, .execute = true};
  may.attr = 0xff;
  may.device = true;
  may.because = cached_pointer();
  may.as = spec::AccessType::read;
  v.hardware = {may,
                {.kind = May::Kind::event, .event = spec::EventType::c_bad_ste, .waits = true}};
  v.promised = {{spec::sva::State::mapped, 0x1'0000'0000, spec::sva::prot_read},
                {spec::sva::State::blocked}};
  v.transient = true;
  v.during = 42;
  v.causes = {cached_cd(), cached_pointer(), leaf_of_a_group()};
  v.events = {5, 6};
  v.kind = {.what = FindingKind::What::answer,
            .doing = "map",
            .status = spec::sva::Status::not_built,
            .words = "permitted: ok",
            .may = {{MayKind::event, spec::EventType::c_bad_ste}},
            .promised = {spec::sva::State::mapped},
            .wrong = FindingKind::Wrong::rights,
            .memory = "Device-nGnRE",
            .walker = true,
            .rule = spec::rule::PAGE_REUSE,
            .end = FindingKind::End::exit,
            .number = 3,
            .device = {.what = "F_TRANSLATION",
                       .field = "CLASS",
                       .features = {"through TTB1"},
                       .record = spec::EventType::f_translation,
                       .names_record = true},
            .left = LeftOver{
                .thing = LeftOver::Thing::cd, .why = LeftOver::Why::level, .since = "unmap"}};
  v.access = true;
  v.which = 4;
  trace::Event store{.agent = AgentId::cpu0,
                     .payload = trace::Store{.pa = 8, .size = 8, .value = 1}};
  v.named = {
      {.number = 40, .line = 43, .call = 2, .inside = true, .event = store, .symbol = "f+0x4"}};
  v.story = {.events = {store, store}, .calls_before = 3, .known = true};
  v.remarks = {"", "a", "b\x1f!"};
  fuzz::Operation operation;
  v.operations = {operation, operation};
  v.calls = 7;
  v.sequence = ~u64{0};
  v.machine = "minor=1";
  v.trace_path = "/tmp/x y";
  return v;
}

TEST(FindingCodec, EveryMemberComesBack) {
  const Violation v = full();
  const std::string bytes = encode(v);
  const auto back = decode_violation(bytes);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(encode(*back), bytes);
  EXPECT_EQ(full_text(*back), full_text(v));
  EXPECT_EQ(back->party, v.party);
  EXPECT_EQ(back->where.access, v.where.access);
  EXPECT_EQ(back->which, v.which);
  EXPECT_EQ(back->kind, v.kind);
  EXPECT_EQ(back->causes[0].miss->command, v.causes[0].miss->command);
  EXPECT_EQ(back->causes[1].miss->command, v.causes[1].miss->command);
  EXPECT_EQ(back->causes[1].through->value, 0x1'0000'0743U);
  EXPECT_EQ(back->named[0].event, v.named[0].event);
  EXPECT_EQ(back->operations, v.operations);
  EXPECT_EQ(back->sequence, v.sequence);
}

TEST(FindingCodec, DamagedBytesAreRefusedOrSomeFinding) {
  const std::string bytes = encode(full());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(decode_violation(bytes.substr(0, cut)).has_value()) << cut;
    for (const char byte : {'\0', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[cut] = byte;
      const auto read = decode_violation(damaged);  // whatever it says, it can be printed
      if (read) static_cast<void>(full_text(*read));
    }
  }
  EXPECT_FALSE(decode_violation(bytes + "x").has_value());
}

// Whatever was called, the finding behind it is told.
TEST(FindingCodec, AnEventThatNoTraceCanHoldLosesNoFinding) {
  Chronicle chronicle(true);
  trace::Event beyond{.agent = AgentId::cpu0};
  beyond.payload = trace::Callback{.pasid = trace::substream(~u32{1})};
  chronicle.add(beyond, 1, 2);
  Finding finding = finding_of(spec::rule::TABLE_FREE, "said");
  finding.at = 1;
  const Violation told = chronicle.tell(std::move(finding));
  const auto back = decode_violation(encode(told));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->statement, "said");
  ASSERT_EQ(back->story.events.size(), 1U);
  const auto* note = std::get_if<trace::Note>(&back->story.events[0].payload);
  ASSERT_NE(note, nullptr);
  EXPECT_NE(note->text.find("cannot be told"), std::string::npos) << note->text;
}

TEST(FindingCodec, BoundsCrossToo) {
  const GaveUp bound{
      .bound = "too many", .operations = {fuzz::Operation{}}, .sequence = 3, .trace_path = "t"};
  const auto same = decode_gave_up(encode(bound));
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->bound, bound.bound);
  EXPECT_EQ(same->operations, bound.operations);
  EXPECT_EQ(same->trace_path, bound.trace_path);
  EXPECT_FALSE(decode_gave_up(encode(full())).has_value());
  EXPECT_FALSE(decode_violation(encode(bound)).has_value());
}

}  // namespace
}  // namespace iommucheck::oracle::finding_codec_test
