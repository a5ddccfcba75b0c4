// SPDX-License-Identifier: MIT
// What once passed and is wrong: the twin of each check stands beside what is right.
#include <gtest/gtest.h>

#include <string>

#include "scenario/format/parser.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"

namespace iommucheck::oracle::stories::gaps_test {
namespace {

using Status = ScenarioResult::Status;

enum class On : u8 { spec, builtin, two };

ScenarioResult run(const std::string& steps, On on) {
  const auto file = scenario::parse("@ T R t\n" + steps, "t");
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  if (!file) return {};
  ScenarioOptions options{.make_subject = make_model, .trace = {}};
  if (on == On::builtin) options.make_subject = make_builtin_subject;
  if (on == On::two) options.make_subject = make_two;
  return run_scenario(file->scenarios[0], options);
}

/// As an SMMU has fetched it: of an entry that said nothing, too.
TEST(ScenarioGaps, AnEntryThatWasNothingIsCached) {
  const std::string begin =
      "  dev D0\n  page P\n  s = domain_alloc(paging_s2) -> new\n"
      "  map(s, 0x10000, P, 0x1000, rw) -> ok\n  upt U 0x1000 0x10000 rw\n  ucd C 0 U\n"
      "  n = domain_alloc(nested_pasid, s, C) -> new\n  vdevice(s, D0, 3) -> ok\n"
      "  attach(n, D0) -> ok\n  ucd C 1 U\n";
  const std::string forgotten = "  cache_invalidate(n, [cd(1)]) -> done(1, ok)\n";
  for (const On on : {On::spec, On::builtin}) {
    EXPECT_EQ(run(begin + "  ? D0.1 0x1000 w -> P | F.pasid\n", on).status, Status::passed);
    EXPECT_EQ(run(begin + "  ? D0.1 0x1000 w -> P\n", on).status, Status::failed);
    EXPECT_EQ(run(begin + forgotten + "  ? D0.1 0x1000 w -> P\n", on).status, Status::passed);
  }
}

/// Where a name stands for a size the reader cannot know how many bits there are.
TEST(ScenarioGaps, BitsOfAnotherWindow) {
  const std::string begin =
      "  dev D0\n  run R 3\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  map(d, 0x1000, R, 0x3000, rw) -> ok\n  n = unmap(d, 0x1000, 0x3000) -> 0x3000\n"
      "  map(d, 0x1000, R, 0x3000, rw) -> ok\n  dirty_set(d, on) -> ok\n"
      "  dma D0 0x2000 w g=1 last=1 -> R+0x1000\n  dirty_read(d, 0x1000, n, 0x1000, keep) -> ";
  for (const On on : {On::spec, On::builtin, On::two}) {
    EXPECT_EQ(run(begin + "bits(010)\n", on).status, Status::passed);
    for (const char* wrong : {"bits(01)", "bits(0100)", "bits(011)"}) {
      EXPECT_EQ(run(begin + wrong + "\n", on).status, Status::failed) << wrong;
    }
  }
}

TEST(ScenarioGaps, TheDeadDoNothing) {
  const std::string dead = "  proc X\n  page P\n  exit(X) -> ok\n";
  for (const On on : {On::spec, On::builtin}) {
    for (const char* step :
         {"exit(X) -> ok", "exec(X) -> ok", "Y = fork(X) -> new", "t = thread(X) -> new",
          "thread_end(X) -> ok", "mmap X 0x400000 P rw", "munmap X 0x400000"}) {
      const ScenarioResult result = run(dead + "  " + step + "\n", on);
      EXPECT_EQ(result.status, Status::failed) << step;
      ASSERT_TRUE(result.failure) << step;
      EXPECT_NE(result.failure->observed.find("X is dead"), std::string::npos) << step;
    }
    EXPECT_EQ(run("  proc X\n  exec(X) -> ok\n  exit(X) -> ok\n", on).status, Status::passed);
    EXPECT_EQ(run("  proc X\n  t = thread(X) -> new\n  exec(t) -> ok\n  thread_end(X) -> ok\n"
                  "  thread_end(t) -> ok\n",
                  on)
                  .status,
              Status::failed)
        << "exec leaves one thread";
  }
}

/// Nothing of a user's waits there: a queue of its faults would stay empty.
TEST(ScenarioGaps, NoQueueOfAUsersFaultsOnTheSecondBackend) {
  const std::string begin =
      "  dev D0 iopf=pri\n  s = domain_alloc(paging_s2) -> new\n"
      "  upt U 0x1000 0x10000 rw\n  n = domain_alloc(nested, s, U) -> new\n"
      "  attach(n, D0) -> ok\n  q = fault_queue_open(n, 4) -> ";
  EXPECT_EQ(run(begin + "EOPNOTSUPP\n", On::two).status, Status::passed);
  const ScenarioResult waits = run(begin + "new\n", On::two);
  EXPECT_EQ(waits.status, Status::needs);
  EXPECT_EQ(run("  world backend=two\n" + begin + "EOPNOTSUPP\n", On::spec).status, Status::passed);
  EXPECT_EQ(run("  world backend=two\n" + begin + "EBUSY\n", On::spec).status, Status::failed);
}

/// A route with one entry leads to the first of a PASID table, and has no PASIDs.
TEST(ScenarioGaps, OneEntryOfAPasidTable) {
  const std::string begin =
      "  dev D0\n  page P\n  s = domain_alloc(paging_s2) -> new\n"
      "  map(s, 0x10000, P, 0x1000, rw) -> ok\n  upt U 0x1000 0x10000 rw\n  ucd C 0 U\n"
      "  ucd C 1 U\n  n = domain_alloc(nested, s, C) -> new\n  attach(n, D0) -> ok\n";
  for (const On on : {On::spec, On::builtin}) {
    EXPECT_EQ(run(begin + "  ? D0 0x1000 w -> P\n  ? D0.1 0x1000 w -> F.pasid\n", on).status,
              Status::passed);
    EXPECT_EQ(run(begin + "  ? D0 0x1000 w -> F.unmapped\n", on).status, Status::failed);
    EXPECT_EQ(run(begin + "  ? D0.1 0x1000 w -> P\n", on).status, Status::failed);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::stories::gaps_test
