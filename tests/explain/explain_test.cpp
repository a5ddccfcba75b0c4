// SPDX-License-Identifier: MIT
// explain: for each broken driver the picture at the first finding marks the word of memory that is
// wrong, or that a cache holds otherwise; for a right driver it marks nothing.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "check/check.h"
#include "explain/explain_trace.h"
#include "host/load.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"
#include "tests/check/lockstep_support.h"
#include "tests/scenario/files_support.h"
#include "trace/trace_file.h"

namespace iommucheck::test::explain_test {
namespace {

using oracle::ExplainTrace;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("iommucheck-explain-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string explain(const ExplainTrace& what) {
  auto text = oracle::explain_trace(what);
  if (!text) throw std::runtime_error(text.error().message);
  return *text;
}

/// The trace of the first finding of a museum driver.
std::string trace_of(const std::string& twin, const Folder& folder) {
  oracle::CheckOptions options;
  options.driver = museum(twin);
  options.seed = 1;
  options.sequences = 20'000;
  options.out_directory = folder.path();
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return result->findings.empty() ? std::string() : result->findings.front().trace_path;
}

struct Wrong {
  const char* twin;
  const char* mark;  ///< regular expression of the remark beside the wrong word
};

class ExplainTwin : public ::testing::TestWithParam<Wrong> {};

TEST_P(ExplainTwin, MarksTheWrongWord) {
  const Folder folder;
  const std::string trace = trace_of(GetParam().twin, folder);
  ASSERT_FALSE(trace.empty());
  const std::string text = explain({.trace = trace, .line = {}, .access = {}});
  EXPECT_THAT(text, HasSubstr("broken: "));
  EXPECT_THAT(text, ContainsRegex(GetParam().mark));
}

INSTANTIATE_TEST_SUITE_P(
    Museum, ExplainTwin,
    ::testing::Values(
        Wrong{"asid_reused_without_tlbi", "<-- .*(may be walked as a table|TLB may hold)"},
        Wrong{"cd_valid_first", "<-- (may still be seen as|a configuration cache may hold)"},
        Wrong{"cfgi_cd_forgotten_at_unbind", "<-- a configuration cache may hold"},
        Wrong{"map_failure_not_unrolled", "<-- promised: .*a fault"},
        Wrong{"no_cmd_sync", "<-- .*(TLB may hold|a cached translation|an ATC entry)"},
        Wrong{"pasid_freed_with_atc", "<-- an ATC entry"},
        Wrong{"table_freed_before_invalidation",
              "<-- (may still be seen as|.*walk cache may hold|.*a cached table descriptor)"},
        Wrong{"tlbi_before_cfgi_cd", "<-- .*(may be walked as a table|TLB may hold)"},
        Wrong{"tlbi_wrong_asid", "<-- .*(TLB may hold|a cached translation)"},
        Wrong{"unmap_no_tlbi", "<-- .*(TLB may hold|a cached translation)"}),
    [](const auto& its) { return std::string(its.param.twin); });

/// A driver that is right, at the end of a case: nothing is marked.
TEST(Explain, OfARightDriverMarksNothing) {
  const Folder folder;
  const std::string trace = trace_of("unmap_no_tlbi", folder);
  ASSERT_FALSE(trace.empty());
  // The line of the call's map: everything before the unmap is right.
  std::ifstream file(trace);
  u64 number = 0;
  u64 mapped = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.find("\"Return\"") != std::string::npos) mapped = number;
    if (line.find("unmap") != std::string::npos && line.find("\"Call\"") != std::string::npos)
      break;
  }
  ASSERT_GT(mapped, 1U);
  const std::string text = explain({.trace = trace, .line = mapped, .access = {}});
  EXPECT_THAT(text, Not(HasSubstr("<-- promised")));
  EXPECT_THAT(text, Not(HasSubstr("broken: ")));
  EXPECT_THAT(text, HasSubstr("STE at 0x"));
}

TEST(Explain, OfAnAccessSaysWhatItMayMeetAndWhatWasPromised) {
  const Folder folder;
  const std::string trace = trace_of("unmap_no_tlbi", folder);
  ASSERT_FALSE(trace.empty());
  const std::string text =
      explain({.trace = trace,
               .line = {},
               .access = oracle::ExplainedAccess{.sid = 1, .pasid = {}, .va = 0}});
  EXPECT_THAT(text, HasSubstr("an access of stream 0x1 at 0x0 may meet"));
  EXPECT_THAT(text, HasSubstr("promised: "));
}

TEST(Explain, OfALineThatIsNotThereIsAnError) {
  const Folder folder;
  const std::string trace = trace_of("unmap_no_tlbi", folder);
  const auto text = oracle::explain_trace({.trace = trace, .line = 10'000'000, .access = {}});
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().code, ErrorCode::bad_input);
  EXPECT_THAT(text.error().message, HasSubstr("there is no line 10000000"));
}

/// Lines of the picture from the heading of a stream to the next one.
std::string of_stream(const std::string& text, u32 sid) {
  const std::size_t at = text.find(fmt::format("\nstream {:#x} (", sid));
  if (at == std::string::npos) return {};
  return text.substr(at, text.find("\nstream ", at + 1) - at);
}

/// The picture of domains A and B, processes X and Y and a private PASID: built call by call on the
/// driver, and drawn from nothing but its memory.
TEST(Explain, ThePictureOfDomainsAndProcessesIsWhatMemorySays) {
  const Folder folder;
  const auto& all = all_scenarios();
  const auto picture = std::ranges::find(all, "PIC-01", &scenario::Scenario::id);
  ASSERT_NE(picture, all.end());
  const std::string trace = folder.path() + "/picture.jsonl";
  const auto result = oracle::stories::run_scenario(
      *picture,
      {.make_subject = oracle::stories::make_builtin_subject, .trace = trace, .trace_all = true});
  ASSERT_EQ(result.status, oracle::stories::ScenarioResult::Status::passed);
  const std::string text = explain({.trace = trace, .line = {}, .access = {}});
  EXPECT_THAT(text, Not(HasSubstr("<-- promised")));
  const auto has = [&](u32 sid, std::initializer_list<u32> pasids) {
    const std::string stream = of_stream(text, sid);
    for (u32 pasid = 1; pasid <= 4; ++pasid) {
      const std::string heading = fmt::format("PASID {:#x}: ", pasid);
      const bool wanted = std::ranges::find(pasids, pasid) != pasids.end();
      EXPECT_EQ(stream.find(heading) != std::string::npos, wanted) << sid << ": " << pasid;
    }
  };
  // D0 on A: X and Y. D2, D3, D4 on B, which share its table: Y and the private one. It is drawn
  // once, and says who leads to it, and whose is what.
  has(1, {1, 2});
  has(2, {2, 3});
  for (const u32 sid : {3U, 4U}) {
    has(sid, {});
    EXPECT_THAT(of_stream(text, sid),
                HasSubstr("of the streams 0x2, 0x3, 0x4: drawn under stream"));
  }
  EXPECT_THAT(of_stream(text, 2), HasSubstr(", of the streams 0x2, 0x3, 0x4\n"));
  EXPECT_THAT(of_stream(text, 1), HasSubstr("PASID 0x1: process 0x"));
  EXPECT_THAT(of_stream(text, 2), HasSubstr("PASID 0x3: io_mm 0x"));
  EXPECT_THAT(of_stream(text, 2), HasSubstr("(device 1): domain 0x"));
}

/// The walk of one address is what is read, of both stages, from the user's memory and the host's.
TEST(Explain, AnAccessThroughBothStagesIsWalked) {
  const Folder folder;
  const auto& all = all_scenarios();
  const auto nested = std::ranges::find(all, "NST-01", &scenario::Scenario::id);
  ASSERT_NE(nested, all.end());
  const std::string trace = folder.path() + "/nested.jsonl";
  const auto result = oracle::stories::run_scenario(
      *nested,
      {.make_subject = oracle::stories::make_builtin_subject, .trace = trace, .trace_all = true});
  ASSERT_EQ(result.status, oracle::stories::ScenarioResult::Status::passed);
  const auto walk = [&](u64 va) {
    const std::string text =
        explain({.trace = trace, .line = {}, .access = oracle::ExplainedAccess{1, {}, va}});
    const std::size_t at = text.find("through both stages");
    return at == std::string::npos ? std::string() : text.substr(at);
  };
  const std::string mapped = walk(0x1008);
  EXPECT_THAT(mapped, ContainsRegex("IPA 0x40003000\n    *stage 2, level 0: 0x"));
  EXPECT_THAT(mapped, ContainsRegex("CD at 0x[0-9a-f]+\n *\\[0\\] 0x"));
  EXPECT_THAT(mapped, ContainsRegex("IPA 0x10008\n( *stage 2, level [0-3]: .*\n){4}  reaches "));
  EXPECT_THAT(mapped, HasSubstr("IPA 0x40002008, to set a flag there\n"));
  // A CD and three descriptors of the user's, the flag, and the output.
  std::size_t asked = 0;
  for (std::size_t at = 0; (at = mapped.find("IPA 0x", at)) != std::string::npos; ++at) ++asked;
  EXPECT_EQ(asked, 6U) << mapped;
  EXPECT_THAT(walk(0x3000), HasSubstr("F_TRANSLATION of stage 2, IPA 0x90000\n"));
  EXPECT_THAT(walk(0x4000), HasSubstr("  F_TRANSLATION\n"));
  EXPECT_EQ(walk(0x4000).find("F_TRANSLATION of stage 2"), std::string::npos);
}

/// What `draw` in a scenario and `explain` look at: a CD that stands at another number is seen
/// there.
TEST(Explain, ACdAtAnotherNumberIsDrawnWhereItStands) {
  const Folder folder;
  const std::string trace = folder.path() + "/cd.jsonl";
  const auto plugin = oracle::Plugin::load(museum("cd_at_another_pasid"));
  ASSERT_TRUE(plugin.has_value());
  for (const bool broken : {false, true}) {
    const auto subject = broken ? oracle::stories::make_driver_subject(plugin->driver(), nullptr)
                                : oracle::stories::make_builtin_subject();
    oracle::stories::World world;
    world.devices.push_back({.name = "D0", .group = "", .iommu = "", .modes = ""});
    ASSERT_EQ(subject->boot(world), "");
    using spec::sva::CallKind;
    const auto call = [&](const spec::sva::Call& made) {
      return subject->call(0, made, {}, {}).observed.value;
    };
    const u64 domain = call({.kind = CallKind::domain_alloc, .domain_kind = 1});
    call({.kind = CallKind::attach, .domain = domain});
    call({.kind = CallKind::sva_device_init, .min_pasid = 4});
    const u64 pasid =
        call({.kind = CallKind::bind_device, .mm = subject->create_process(), .drvdata = 1});
    ASSERT_EQ(pasid, 4U);
    const auto standing = subject->standing(0);
    ASSERT_TRUE(standing.has_value());
    ASSERT_EQ(standing->size(), 2U);
    EXPECT_FALSE(standing->front().at.present);
    EXPECT_EQ(standing->back().at, spec::sva::substream(broken ? 5 : 4));
    EXPECT_EQ(standing->back().root, subject->root_of(1));
    ASSERT_EQ(subject->write_trace(trace), "");
    const std::string text = explain({.trace = trace, .line = {}, .access = {}});
    EXPECT_EQ(text.find("PASID 0x4: process 0x1\n") != std::string::npos, !broken);
    EXPECT_EQ(text.find("PASID 0x5\n") != std::string::npos, broken);
  }
}

}  // namespace
}  // namespace iommucheck::test::explain_test
