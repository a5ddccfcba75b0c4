// SPDX-License-Identifier: MIT
// Which invalidation a device did not do, by the command's name: the one without which its use of
// something old would be allowed.
#include <gtest/gtest.h>

#include "conform/case.h"
#include "conform/conform.h"
#include "conform/judge_case.h"
#include "conform/runner.h"
#include "tests/conform/conform_support.h"

namespace iommucheck::oracle::conform_blame_test {
namespace {

constexpr u64 iova = 0x1000;
constexpr unsigned asid = 1;

/// The rule and the kind of what a device does wrong that uses a page after `commands` have removed
/// it.
std::string blamed(const std::vector<spec::Command>& commands, bool global) {
  SpecDevice device(1);
  CaseBuilder b(device.identity(), "stale");
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, iova, b.data(), 3, {.ng = !global});
  b.translate(0, root, 25, asid);
  b.access(iova);
  b.store(b.entry(root, spec::Granule::g4k, 25, iova, 3), 0);
  for (const spec::Command& command : commands) b.command(command);
  b.sync();
  b.access(iova);
  auto run = run_case(device, b.take());
  if (!run) return run.error().message;
  trace::Dma* last = nullptr;
  for (trace::Event& event : run->trace.events) {
    if (auto* dma = std::get_if<trace::Dma>(&event.payload)) last = dma;
  }
  if (last == nullptr) return "no access";
  last->result = trace::DmaResult::ok;
  last->pa = b.data();
  CaseJudge judge(device.identity());
  // What follows is about the record of the fault that the trace now does not have.
  const std::vector<Divergence> found = judge.judge(run->trace);
  if (found.empty()) return "nothing";
  return std::string(spec::rule_name(found[0].rule)) + ": " + found[0].kind;
}

TEST(ConformBlame, NamesTheCommandThatWasNeeded) {
  EXPECT_EQ(blamed({spec::cmd_tlbi_nh_va(0, asid, iova)}, false),
            "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
}

/// The commands after it have nothing to do with it.
TEST(ConformBlame, NamesNoOtherCommand) {
  EXPECT_EQ(
      blamed({spec::cmd_tlbi_nh_va(0, asid, iova), spec::cmd_tlbi_nh_asid(0, asid + 1)}, false),
      "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
}

/// By whatever ASID a command names, it removes global entries too.
TEST(ConformBlame, SaysThatTheCommandNamesAnotherAsid) {
  EXPECT_EQ(blamed({spec::cmd_tlbi_nh_va(0, asid + 1, iova)}, true),
            "TLBI_TAGS: CMD_TLBI_NH_VA with another ASID leaves what it covers");
  EXPECT_EQ(blamed({spec::cmd_tlbi_nh_va(0, asid, iova)}, true),
            "TLBI_TAGS: CMD_TLBI_NH_VA leaves what it covers");
}

/// A record of the wrong type is wrong with every invalidation and without: none of them is to
/// blame, although the words of the finding differ where more would have been allowed.
TEST(ConformBlame, AWrongRecordIsNoInvalidationThatFailed) {
  BrokenDevice device(Fault::wrong_event_type, 3);
  ConformOptions options;
  options.seed = 7;
  options.seconds = 0;
  options.cases = 200;
  options.use_known = false;
  const auto result = run_conform(device, options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_FALSE(result->held());
  for (const FoundDivergence& found : result->divergences) {
    EXPECT_NE(spec::rule_info(found.divergence.rule).family, spec::Family::coverage)
        << found.divergence.kind << ": " << found.divergence.text;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::conform_blame_test
