// SPDX-License-Identifier: MIT
// Two mistakes that break one rule: who knows the one is still told of the other. All drivers of
// the museum with IOMMUCHECK_ALL_PAIRS=1.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "check/check.h"
#include "check/finding_kind.h"
#include "check/known_findings.h"
#include "tests/places.h"

namespace iommucheck::oracle::known_pairs_test {
namespace {

CheckOptions options_for(const std::string& driver) {
  CheckOptions options;
  options.driver = test::in_build("museum/museum_") + driver + ".so";
  options.machine = "drawn";
  options.seed = 1;
  options.sequences = 400;
  options.findings_max = 40;
  options.shrink = false;
  options.today = "2026-06-15";
  return options;
}

/// What a file of known findings of the driver would hold, and how it is excused.
struct Kinds {
  std::vector<std::pair<spec::Rule, FindingKind>> all;
  [[nodiscard]] bool has_rule(spec::Rule rule) const {
    return std::ranges::any_of(all, [&](const auto& one) { return one.first == rule; });
  }
  [[nodiscard]] bool excuses(const std::pair<spec::Rule, FindingKind>& finding) const {
    const auto same = [&](const auto& one) {
      return key_of(one.first, one.second) == key_of(finding.first, finding.second);
    };
    return std::ranges::any_of(all, same);
  }
};

Kinds kinds_of(const std::string& driver) {
  const auto result = run_check(options_for(driver));
  EXPECT_TRUE(result) << driver << ": " << result.error().message;
  Kinds kinds;
  if (!result) return kinds;
  for (const Violation& found : result->findings) kinds.all.emplace_back(found.rule, found.kind);
  return kinds;
}

/// Each breaks PAGE_REUSE or TABLE_FREE, by a mistake of its own.
constexpr const char* some[] = {"tlbi_wrong_asid",
                                "range_num_one_short",
                                "detach_without_atc_inv",
                                "atc_inv_before_tlbi",
                                "no_cmd_sync",
                                "table_freed_before_invalidation",
                                "attached_atc_forgotten",
                                "event_read_before_prod",
                                "event_slot_freed_first",
                                "leaf_not_shareable",
                                "mair_not_cacheable",
                                "wrong_mair",
                                "privilege_forgotten",
                                "dirty_map_is_not_tracked",
                                "dirty_of_a_block_at_its_first_page",
                                "dirty_off_leaves_marks",
                                "dirty_read_without_sync",
                                "sync_of_one_range",
                                "no_ril_last_page",
                                "cds_not_cacheable",
                                "cds_inner_not_cacheable",
                                "bind_racing_exit",
                                "hook_error_swallowed"};

/// Where what is wrong of the second cannot be told from what is of the first, and why.
struct Alike {
  const char* known;
  const char* other;
};
constexpr Alike alike[] = {
    // Who waits for no CMD_SYNC has its ATC_INV behind no completed TLBI either.
    {"no_cmd_sync", "atc_inv_before_tlbi"},
    // Nothing sends a CFGI_CD of the table, whether with Leaf = 1 or with none at all.
    {"l1cd_leaf_only", "l1cd_not_invalidated"},
    {"l1cd_not_invalidated", "l1cd_leaf_only"},
    // A live descriptor is cleared and put back, of whatever level.
    {"neighbour_leaf_restored", "table_pointer_restored"},
    {"table_pointer_restored", "neighbour_leaf_restored"},
    // GBPA.ABORT is 0 behind shutdown, whoever left it so.
    {"gbpa_cleared_at_shutdown", "gbpa_never_set"},
    {"gbpa_never_set", "gbpa_cleared_at_shutdown"},
    // The same answer to the same question.
    {"iova_to_phys_of_a_hole", "iova_to_phys_wraps"},
    {"iova_to_phys_wraps", "iova_to_phys_of_a_hole"},
    {"fault_lost_between_handlers", "fault_read_behind_its_handler"},
    {"fault_read_behind_its_handler", "fault_lost_between_handlers"},
    // The first leaves these faults, and more.
    {"fault_left_at_unbind", "faults_left_at_unbind"},
    {"no_answer_to_some_faults", "faults_left_at_unbind"},
    {"no_answer_to_some_faults", "fault_left_at_unbind"},
    // What the first breaks is never given back.
    {"stream_id_shift_of_32_bits", "last_level_never_freed"},
    {"no_answer_to_some_faults", "pasid_reference_per_process"},
    // Whoever waits for no CMD_SYNC has writes that leave no mark, by such leaves too.
    {"no_cmd_sync", "dirty_clear_beyond_window"},
    // A table that is walked from another level, and a mapping that was left: both lead somewhere.
    {"t0sz_of_the_smmu", "map_failure_not_unrolled"}};

bool are_alike(std::string_view known, std::string_view other) {
  return std::ranges::any_of(
      alike, [&](const Alike& one) { return one.known == known && one.other == other; });
}

std::vector<std::string> drivers() {
  if (std::getenv("IOMMUCHECK_ALL_PAIRS") == nullptr) return {std::begin(some), std::end(some)};
  std::vector<std::string> names;
  const std::filesystem::path museum = test::in_tree("tests/museum");
  for (const auto& entry : std::filesystem::directory_iterator(museum)) {
    if (entry.path().extension() == ".patch") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

TEST(KnownPairs, WhoKnowsOneMistakeIsToldOfAnother) {
  std::map<std::string, Kinds> kinds;
  for (const std::string& driver : drivers()) kinds[driver] = kinds_of(driver);
  u32 pairs = 0;
  for (const auto& [known, its] : kinds) {
    for (const auto& [other, found] : kinds) {
      const bool one_rule =
          std::ranges::any_of(found.all, [&](const auto& one) { return its.has_rule(one.first); });
      if (known == other || !one_rule || are_alike(known, other)) continue;
      ++pairs;
      const bool told =
          std::ranges::any_of(found.all, [&](const auto& one) { return !its.excuses(one); });
      EXPECT_TRUE(told) << known << " excuses all of " << other;
    }
  }
  EXPECT_GE(pairs, 80U);
}

/// The same by a run: with the file of the one, the other fails.
TEST(KnownPairs, TheRunFails) {
  CheckOptions first = options_for("range_num_one_short");
  const auto known = run_check(first);
  ASSERT_TRUE(known) << known.error().message;
  KnownFile file = known_after(first, *known);
  CheckOptions second = options_for("detach_without_atc_inv");
  second.sequences = 2000;
  const auto plain = run_check(second);
  ASSERT_TRUE(plain) << plain.error().message;
  file.subject = plain->driver_name;
  second.known = std::make_shared<const KnownFile>(std::move(file));
  const auto behind = run_check(second);
  ASSERT_TRUE(behind) << behind.error().message;
  EXPECT_EQ(end_of(second, *behind).verdict(), Verdict::violated);
}

}  // namespace
}  // namespace iommucheck::oracle::known_pairs_test
