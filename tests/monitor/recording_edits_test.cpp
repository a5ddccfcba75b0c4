// SPDX-License-Identifier: MIT
// Recordings of a correct driver hold; the same with one thing changed do not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/monitor/replay_support.h"

namespace iommucheck::oracle::recording_edits_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

constexpr u64 asid_shift = 48;
constexpr u64 cmdq_prod = 0x98;
constexpr u64 cmdq_cons = 0x9c;

std::string text_of(const ReplayResult& result) {
  std::string text;
  for (const Violation& violation : result.findings) {
    text += fmt::format("{}: {}\n", spec::rule_name(violation.rule), headline(violation));
    for (const std::string& line : evidence(violation)) text += "    " + line + "\n";
  }
  return text;
}

class RecordingEdits : public testing::TestWithParam<const char*> {
 protected:
  static const EditedRecording& original() {
    static std::map<std::string, EditedRecording> read;
    auto [entry, is_new] = read.try_emplace(GetParam());
    if (is_new) entry->second = EditedRecording::read(GetParam());
    return entry->second;
  }
  /// Two places far apart.
  template <class Site>
  static std::vector<Site> two(const std::vector<Site>& sites) {
    EXPECT_GE(sites.size(), 2u) << "the recording has no two places for this edit";
    if (sites.size() < 2) return {};
    return {sites[sites.size() / 4], sites[sites.size() * 3 / 4]};
  }
  /// What it may cost: lines behind the place where it shows.
  static constexpr std::size_t behind = 50;

  static void expect_flagged(EditedRecording& edited, const std::set<Rule>& rules,
                             std::size_t line) {
    const ReplayResult result = edited.judge();
    ASSERT_FALSE(result.findings.empty()) << "the edit around line " << line << " is not noticed";
    EXPECT_TRUE(rules.contains(result.findings.front().rule)) << text_of(result);
    EXPECT_GE(result.flagged, 1u);
  }
};

TEST_P(RecordingEdits, TheOriginalHolds) {
  const ReplayResult result = original().judge();
  EXPECT_EQ(result.flagged, 0u) << text_of(result);
  EXPECT_GT(result.accepted, result.events * 3 / 4);
  for (const MissingFact& missing : result.missing) {
    EXPECT_FALSE(missing.fact.empty());
    EXPECT_GT(missing.events, 0u) << missing.fact;
  }
}

TEST_P(RecordingEdits, WiderInvalidationsHold) {
  for (const UnmapSite& site : two(unmap_sites(original()))) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    edited.set_hex(site.tlbi, "lo", (edited.hex(site.tlbi, "lo") & ~u64{0xffff'ffff'ffff}) | 0x11);
    edited.set_hex(site.tlbi, "hi", 0);  // TLBI_NH_ASID
    const ReplayResult result = edited.judge();
    EXPECT_EQ(result.flagged, 0u) << text_of(result);
  }
}

TEST_P(RecordingEdits, TlbiOfAnotherAddress) {
  for (const UnmapSite& site : two(unmap_sites(original()))) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    edited.set_hex(site.tlbi, "hi", edited.hex(site.tlbi, "hi") ^ 0x4000'0000);
    expect_flagged(edited, {rule::CONFLICT_BBM, rule::TRANSLATION_STALE_ACCESS}, site.tlbi);
  }
}

TEST_P(RecordingEdits, TlbiOfAnotherAsid) {
  for (const UnmapSite& site : two(unmap_sites(original()))) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    edited.set_hex(site.tlbi, "lo", edited.hex(site.tlbi, "lo") ^ (u64{0x40} << asid_shift));
    expect_flagged(edited, {rule::CONFLICT_BBM, rule::TRANSLATION_STALE_ACCESS}, site.tlbi);
  }
}

TEST_P(RecordingEdits, TlbiDropped) {
  for (const UnmapSite& site : two(unmap_sites(original()))) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    edited.drop_command(site.tlbi);  // the driver did not write it: the queue has no gap
    expect_flagged(edited, {rule::CONFLICT_BBM, rule::TRANSLATION_STALE_ACCESS}, site.tlbi);
  }
}

TEST_P(RecordingEdits, TlbiLineLost) {
  for (const UnmapSite& site : two(unmap_sites(original()))) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    edited.erase(site.tlbi);  // its slot is passed over
    expect_flagged(edited, {rule::QUEUE_CONSUMED_ORDER}, site.tlbi);
  }
}

TEST_P(RecordingEdits, CmdSyncDropped) {
  // The page is mapped again before the driver waits for any other CMD_SYNC.
  std::vector<UnmapSite> sites;
  for (const UnmapSite& site : unmap_sites(original())) {
    bool other = false;
    for (std::size_t i = site.cons + 1; i < site.remap; ++i)
      other |= original().is_read(i, cmdq_cons);
    if (!other) sites.push_back(site);
  }
  for (const UnmapSite& site : two(sites)) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    edited.drop_command(site.sync);
    expect_flagged(edited, {rule::CONFLICT_BBM, rule::TRANSLATION_STALE_ACCESS}, site.sync);
  }
}

TEST_P(RecordingEdits, CmdSyncLineLost) {
  for (const UnmapSite& site : two(unmap_sites(original()))) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    edited.erase(site.sync);
    expect_flagged(edited, {rule::QUEUE_CONSUMED_ORDER}, site.sync);
  }
}

TEST_P(RecordingEdits, TlbiBeforeTheClear) {
  for (const UnmapSite& site : two(unmap_sites(original()))) {
    EditedRecording edited = original();
    edited.cut(site.remap + behind);
    const nlohmann::json clear = edited.lines[site.clear];
    edited.erase(site.clear);
    edited.insert(site.cons, clear);  // behind what was the read of CONS
    expect_flagged(edited, {rule::CONFLICT_BBM, rule::TRANSLATION_STALE_ACCESS}, site.clear);
  }
}

TEST_P(RecordingEdits, CfgiOfAnotherStream) {
  std::vector<std::size_t> sites;
  for (std::size_t i = 1; i < original().lines.size(); ++i) {
    if (original().opcode(i) == 0x03) sites.push_back(i);
  }
  ASSERT_GE(sites.size(), 2u);
  for (const std::size_t site : sites) {
    EditedRecording edited = original();
    edited.set_hex(site, "lo", edited.hex(site, "lo") ^ (u64{0x40} << 32));
    expect_flagged(edited, {rule::CONFIG_MIXTURE, rule::CONFIG_STALE_ACCESS}, site);
  }
}

TEST_P(RecordingEdits, AccessWithAnotherPa) {
  std::vector<std::size_t> sites;
  for (std::size_t i = 1; i < original().lines.size(); ++i) {
    if (original().type(i) == "dma" && original().lines[i].contains("pa")) sites.push_back(i);
  }
  for (const std::size_t site : two(sites)) {
    EditedRecording edited = original();
    edited.cut(site + behind);
    edited.set_hex(site, "pa", edited.hex(site, "pa") ^ 0x1000);
    expect_flagged(edited, {rule::DEVICE_OUTCOME}, site);
  }
}

TEST_P(RecordingEdits, AccessWithOtherRights) {
  std::vector<std::size_t> sites;
  for (std::size_t i = 1; i < original().lines.size(); ++i) {
    if (original().type(i) == "dma" && original().lines[i].contains("perm")) sites.push_back(i);
  }
  for (const std::size_t site : two(sites)) {
    EditedRecording edited = original();
    edited.cut(site + behind);
    const bool both = edited.lines[site]["perm"] == "rw";
    edited.lines[site]["perm"] = both ? "r" : "rw";
    expect_flagged(edited, {rule::DEVICE_OUTCOME}, site);
  }
}

TEST_P(RecordingEdits, StreamTableMovedWhileEnabled) {
  std::vector<std::size_t> sites;
  for (std::size_t i = 1; i < original().lines.size(); ++i) {
    if (original().is_read(i, cmdq_cons)) sites.push_back(i + 1);
  }
  for (const std::size_t site : two(sites)) {
    EditedRecording edited = original();
    edited.cut(site + behind);
    edited.insert(
        site, {{"t", "w"}, {"cpu", 0}, {"off", "0x80"}, {"sz", 8}, {"v", "0x4000000044000000"}});
    expect_flagged(edited, {rule::REGISTER_GUARDED}, site);
  }
}

TEST_P(RecordingEdits, ProdMovedBack) {
  std::vector<std::size_t> sites;
  for (std::size_t i = 1; i < original().lines.size(); ++i) {
    if (original().is_write(i, cmdq_prod) && original().hex(i, "v") > 8) sites.push_back(i);
  }
  for (const std::size_t site : two(sites)) {
    EditedRecording edited = original();
    edited.cut(site + behind);
    edited.set_hex(site, "v", edited.hex(site, "v") - 3);
    expect_flagged(edited, {rule::QUEUE_PROD_BACK, rule::QUEUE_OVERRUN}, site);
  }
}

INSTANTIATE_TEST_SUITE_P(Linux, RecordingEdits, testing::Values("linux61_boot", "linux612_boot"),
                         [](const auto& its) { return std::string(its.param); });

}  // namespace
}  // namespace iommucheck::oracle::recording_edits_test
