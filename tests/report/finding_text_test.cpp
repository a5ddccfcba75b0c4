// SPDX-License-Identifier: MIT
// Sentences of findings: what is said, and what is left out where it says nothing.
#include "report/finding_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/event_text.h"
#include "spec/rules/promises.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle::finding_text_test {
namespace {

Finding reached(bool device, u64 pa) {
  Finding finding = finding_of(spec::rule::PROMISE_OUTCOME, {});
  finding.where = {.sid = 1, .device = 0, .address = 0x4000};
  May may;
  may.kind = May::Kind::reach;
  may.pa = pa;
  may.user = {.read = true, .write = true};
  may.device = device;
  finding.hardware = {may};
  finding.promised = {
      {spec::sva::State::mapped, 0x10000, spec::sva::prot_read | spec::sva::prot_write}};
  return finding;
}

/// Where one access alone is meant, which.
TEST(FindingText, NamesTheAccess) {
  Finding finding = reached(true, 0x20000);
  const auto begins = [&](spec::AccessType type, bool privileged) {
    finding.where.access = type;
    finding.where.privileged = privileged;
    return headline(finding).substr(0, headline(finding).find(" of stream"));
  };
  EXPECT_EQ(begins(spec::AccessType::read, false), "a read access");
  EXPECT_EQ(begins(spec::AccessType::write, true), "a privileged write access");
  EXPECT_EQ(begins(spec::AccessType::execute, false), "an execute access");
}

/// Memory attributes are worth a word where they are what differs.
TEST(FindingText, NamesTheMemoryAttributesWhereTheyDiffer) {
  Finding device = reached(true, 0x10000);
  device.hardware[0].memory = "Device-nGnRE";
  EXPECT_EQ(headline(device),
            "an access of stream 0x1 (device 0) at 0x4000 may reach 0x10000 rw, Device-nGnRE; "
            "promised: 0x10000 rw, Normal write-back, shareable");
  Finding other = reached(true, 0x20000);
  other.hardware[0].memory = "Device-nGnRE";
  EXPECT_EQ(headline(other),
            "an access of stream 0x1 (device 0) at 0x4000 may reach 0x20000 rw; promised: 0x10000 "
            "rw");
  Finding uncached = reached(false, 0x10000);
  uncached.hardware[0].memory = "Normal non-cacheable, outer shareable";
  EXPECT_EQ(headline(uncached),
            "an access of stream 0x1 (device 0) at 0x4000 may reach 0x10000 rw, Normal "
            "non-cacheable, outer shareable; promised: 0x10000 rw, Normal write-back, shareable");
  uncached.hardware[0].user.write = false;
  EXPECT_EQ(headline(uncached),
            "an access of stream 0x1 (device 0) at 0x4000 may reach 0x10000 r; promised: 0x10000 "
            "rw");
}

/// A name of SMMUv3's stands for none of a backend's.
TEST(FindingText, NamesRegistersOfBackendsByTheirOffset) {
  NamedEvent named;
  named.number = 5;
  named.line = 6;
  named.event = {.agent = AgentId::cpu0, .payload = trace::MmioWrite{.offset = 0x50, .value = 16}};
  EXPECT_EQ(event_line(named, false),
            "event 5: the driver writes 0x10 to IRQ_CTRL (line 6 of the trace)");
  const std::string text = "event 5: the driver writes 0x10 to register 0x50 (line 6 of the trace)";
  EXPECT_EQ(event_line(named, false, Registers::of_a_backend), text);
  Violation violation;
  violation.of_a_backend = true;
  violation.named = {named};
  EXPECT_THAT(evidence(violation), testing::Contains(text));
}

/// Where nobody reports calls an event is in none, and in no driver's boot either.
TEST(FindingText, NamesTheCallWhereCallsAreKnown) {
  NamedEvent named;
  named.number = 5;
  named.line = 6;
  named.event = {.agent = AgentId::cpu0,
                 .payload = trace::Store{.pa = 0x1000, .size = 8, .value = 1}};
  EXPECT_EQ(event_line(named, true),
            "event 5: the driver stores 0x1 at 0x1000, in the driver's boot (line 6 of the trace)");
  EXPECT_EQ(event_line(named, false),
            "event 5: the driver stores 0x1 at 0x1000 (line 6 of the trace)");
  named.beside = BesideCalls::ready;
  EXPECT_THAT(event_line(named, true), testing::HasSubstr(", before the first call ("));
  named.beside = BesideCalls::shutdown;
  EXPECT_EQ(
      event_line(named, true),
      "event 5: the driver stores 0x1 at 0x1000, in the driver's shutdown (line 6 of the trace)");
  named.call = 3;
  named.inside = true;
  EXPECT_EQ(event_line(named, true),
            "event 5: the driver stores 0x1 at 0x1000, in call 3 (line 6 of the trace)");
}

trace::Event by_environment(auto payload) {
  return {.agent = trace::environment_agent, .payload = std::move(payload)};
}

/// The second word of a user's route stands in an event of its own, in front of the call; a page
/// request is what a fault that is not ended began with.
TEST(FindingText, TellsAUsersRouteAndPageRequests) {
  trace::calls::DomainAlloc nested{.kind = trace::DomainKind::nested};
  nested.parent = trace::DomainId{1};
  nested.table = 0x4000100b;
  Story story;
  story.known = true;
  story.events.push_back(by_environment(trace::UserRoute{.attributes = 0xd7}));
  story.events.push_back(
      {.agent = AgentId::cpu0, .payload = trace::Call{.id = trace::CallId{1}, .call = nested}});
  story.events.push_back(by_environment(trace::PageRequest{.sid = 1,
                                                           .ssid = trace::Substream{true, 2},
                                                           .iova = 0x3000,
                                                           .page_group = 7,
                                                           .last = false}));
  const std::vector<std::string> lines = call_lines(story, "not returned yet");
  ASSERT_EQ(lines.size(), 2);
  EXPECT_EQ(lines[0],
            "     stream 0x1 asks for the page 0x3000 as PASID 0x2, group 7, not its last page");
  EXPECT_EQ(lines[1],
            "  1. domain_alloc(nested, master 0x1, structure 0x4000100b 0xd7) = not returned yet");
  EXPECT_EQ(call_text(std::get<trace::Call>(story.events[1].payload)),
            "domain_alloc(nested, master 0x1, structure 0x4000100b)");
}

/// Who has a thousand accesses of one kind behind another reads of them once.
TEST(FindingText, LinesThatAreTheSameAreOne) {
  Story story;
  story.known = true;
  for (const u64 iova : {u64{0x1000}, u64{0x3000}, u64{0x3000}, u64{0x3000}, u64{0x1000}}) {
    trace::PageRequest request{.sid = 1};
    request.iova = iova;
    story.events.push_back(by_environment(request));
  }
  const std::vector<std::string> lines = call_lines(story, "");
  ASSERT_EQ(lines.size(), 3);
  EXPECT_EQ(lines[0], lines[2]);
  EXPECT_THAT(lines[1], testing::EndsWith(" (3 times)"));
}

Story story_of_attaches(u32 count) {
  Story story;
  story.known = true;
  for (u32 id = 1; id <= count; ++id) {
    const trace::calls::Attach attach{.domain = trace::DomainId{id}, .device = trace::DeviceId{0}};
    story.events.push_back(
        {.agent = AgentId::cpu0, .payload = trace::Call{.id = trace::CallId{id}, .call = attach}});
    story.events.push_back(
        {.agent = AgentId::cpu0, .payload = trace::Return{.id = trace::CallId{id}}});
  }
  return story;
}

/// Who gives all VMIDs reads of the first and the last.
TEST(FindingText, OfManyAlikeTheEndsAreShown) {
  const std::vector<std::string> lines = call_lines(story_of_attaches(200), "");
  ASSERT_EQ(lines.size(), 3);
  EXPECT_THAT(lines[0], testing::StartsWith("  1. attach(domain 0x1,"));
  EXPECT_EQ(lines[1], "     198 like it");
  EXPECT_THAT(lines[2], testing::StartsWith("200. attach(domain 0xc8,"));
  EXPECT_EQ(call_lines(story_of_attaches(7), "").size(), 7);
}

}  // namespace
}  // namespace iommucheck::oracle::finding_text_test
