// SPDX-License-Identifier: MIT
// What a caller breaks is found again in the trace of it, names the caller, and nobody else.
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <string>

#include "monitor/replay.h"
#include "scenario/format/parser.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"
#include "spec/rules/interface.h"

namespace iommucheck::oracle::caller_replay_test {
namespace {

/// The trace of a story: its last line expects what is not so, since only failures leave one.
ReplayResult replay_of(const std::string& steps, const std::string& name) {
  const auto file = scenario::parse("@ T R t\n" + steps + "  leaks -> q:7\n", "t");
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  if (!file) return {};
  const std::string path = testing::TempDir() + "/caller_replay_" + name + "_" +
                           std::to_string(getpid()) + ".trace.jsonl";
  const auto result = stories::run_scenario(
      file->scenarios[0], {.make_subject = stories::make_builtin_subject, .trace = path});
  EXPECT_EQ(result.failure->step, "leaks -> q:7") << result.failure->step;
  ReplayOptions options;
  options.trace = path;
  const auto replayed = run_replay(options);
  EXPECT_TRUE(replayed) << (replayed ? "" : replayed.error().message);
  std::filesystem::remove(path);
  return replayed ? *replayed : ReplayResult{};
}

constexpr const char* mapped =
    "  dev D0 iopf=stall\n  page P Q\n  proc X\n  d = domain_alloc(paging) -> new\n"
    "  attach(d, D0) -> ok\n  map(d, 0x1000, P, 0x1000, rw) -> ok\n"
    "  unmap_fast(d, 0x1000, 0x1000) -> 0x1000\n";
constexpr const char* synced = "  iotlb_sync(d) -> ok\n";

void only(const ReplayResult& result, spec::Rule rule) {
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].rule, rule);
  EXPECT_EQ(spec::rule_info(rule).keeper, spec::Keeper::caller);
  EXPECT_EQ(result.flagged, 1U);
}

TEST(CallerReplay, ARangeMappedBeforeTheSync) {
  const std::string again = "  map(d, 0x1000, Q, 0x1000, rw) -> ok\n";
  only(replay_of(mapped + again + synced, "range"), spec::rule::RANGE_UNSYNCED);
  EXPECT_EQ(replay_of(std::string(mapped) + synced + again, "range_kept").flagged, 0U);
}

TEST(CallerReplay, APageReusedBeforeTheSync) {
  const std::string reuse = "  page_reuse(P) -> ok\n";
  only(replay_of(mapped + reuse + synced, "page"), spec::rule::PAGE_IN_FLIGHT);
  EXPECT_EQ(replay_of(std::string(mapped) + synced + reuse, "page_kept").flagged, 0U);
}

TEST(CallerReplay, ADmaAfterDone) {
  const std::string bound = std::string(mapped) + synced +
                            "  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n"
                            "  bind_device(D0, X, [], 1) -> 1\n  mmap X 0x400000 Q rw\n";
  const std::string dma = "  dma D0.1 0x400000 r g=0 last=1 -> Q\n";
  const std::string unbind = "  unbind_device(D0, 1) -> ok\n";
  EXPECT_EQ(replay_of(bound + dma + unbind, "dma_kept").flagged, 0U);
  only(replay_of(bound + unbind + "  dma D0.1 0x400000 r g=0 last=1 -> F.pasid\n", "dma"),
       spec::rule::DMA_AFTER_DONE);
}

TEST(CallerReplay, AFreedObject) {
  const std::string freed = std::string(mapped) + synced +
                            "  detach(d, D0) -> ok\n  domain_free(d) -> ok\n"
                            "  map(d, 0x1000, P, 0x1000, rw) -> EINVAL\n";
  only(replay_of(freed, "freed"), spec::rule::FREED_OBJECT);
}

}  // namespace
}  // namespace iommucheck::oracle::caller_replay_test
