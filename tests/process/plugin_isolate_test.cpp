// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <thread>
#include <vector>

#include "host/load.h"
#include "process/isolate.h"
#include "tests/places.h"

namespace iommucheck::oracle::plugin_isolate_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SharedReport new_report() {
  auto report = SharedReport::create();
  if (!report) throw std::runtime_error(report.error().message);
  return std::move(*report);
}

Outcome run(SharedReport& report, const std::function<int()>& work, IsolationLimits limits = {}) {
  auto outcome = run_isolated(report, work, limits);
  if (!outcome) throw std::runtime_error(outcome.error().message);
  return *outcome;
}

std::string plugin(const std::string& name) {
  return test::in_build("test-plugins/") + name + ".so";
}

TEST(PluginIsolate, WhatTheWorkerLeaves) {
  auto report = new_report();
  const auto outcome = run(report, [&] {
    const u64 words[] = {11, 22, 33};
    report.begin_sequence(5, words);
    report.begin_operation(2);
    report.counter(7) = 99;
    report.add_finding("first");
    report.add_finding("");
    report.add_finding(std::string(100'000, 'x'));
    report.end_sequence();
    return 42;
  });
  EXPECT_EQ(outcome.ended, Ended::returned);
  EXPECT_EQ(outcome.result, 42);
  EXPECT_EQ(report.counter(7), 99U);
  EXPECT_FALSE(report.sequence().running);
  EXPECT_THAT(report.findings(), ElementsAre("first", "", std::string(100'000, 'x')));
}

TEST(PluginIsolate, FindingsBeyondTheRoomAreRefusedAndTheOthersKept) {
  auto report = new_report();
  EXPECT_TRUE(report.add_finding("kept"));
  EXPECT_FALSE(report.add_finding(std::string(SharedReport::findings_bytes_max, 'x')));
  EXPECT_FALSE(report.add_finding(std::string(SharedReport::findings_bytes_max - 4, 'x')));
  EXPECT_TRUE(report.add_finding("also kept"));
  EXPECT_THAT(report.findings(), ElementsAre("kept", "also kept"));
}

/// One processor for the worker and for `others` that never rest.
class BusyProcessor {
 public:
  explicit BusyProcessor(unsigned others) {
    for (unsigned i = 0; i < others; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        take_it();
        volatile bool rests = false;
        while (!rests) {
        }
      }
      others_.push_back(child);
    }
  }
  ~BusyProcessor() {
    for (const pid_t child : others_) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
  }
  BusyProcessor(const BusyProcessor&) = delete;
  BusyProcessor& operator=(const BusyProcessor&) = delete;

  static void take_it() {
    cpu_set_t first;
    CPU_ZERO(&first);
    cpu_set_t allowed;
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &allowed) == 0) continue;
      CPU_SET(cpu, &first);
      break;
    }
    ::sched_setaffinity(0, sizeof first, &first);
  }

 private:
  std::vector<pid_t> others_;
};

/// Seconds of processor time that this process has used.
double used() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

TEST(PluginIsolate, WaitingForAProcessorIsNoHang) {
  const BusyProcessor busy(7);
  auto report = new_report();
  const auto work = [](double seconds) {
    BusyProcessor::take_it();
    const double began = used();
    while (used() - began < seconds) {
    }
    return 42;
  };
  const auto slow = run(report, [&] { return work(0.15); }, {.hang_seconds = 0.3});
  EXPECT_EQ(slow.ended, Ended::returned) << slow.describe();
  EXPECT_GT(slow.seconds, 0.3) << "it did wait";
  const auto hangs = run(report, [&] { return work(1e9); }, {.hang_seconds = 0.1});
  EXPECT_EQ(hangs.ended, Ended::timed_out) << hangs.describe();
}

/// Whoever waits for a process of its own that gets no processor.
TEST(PluginIsolate, NorIsWaitingForOneThatWaitsForAProcessor) {
  const BusyProcessor busy(7);
  auto report = new_report();
  const auto started = [](double seconds) {
    const pid_t child = ::fork();
    if (child != 0) return ::waitpid(child, nullptr, 0) == child ? 42 : 1;
    BusyProcessor::take_it();
    const double began = used();
    while (used() - began < seconds) {
    }
    ::_exit(0);
  };
  const auto slow = run(report, [&] { return started(0.15); }, {.hang_seconds = 0.3});
  EXPECT_EQ(slow.ended, Ended::returned) << slow.describe();
  EXPECT_GT(slow.seconds, 0.3) << "it did wait";
  const auto sleeps = run(report, [] { return ::pause(); }, {.hang_seconds = 0.2});
  EXPECT_EQ(sleeps.ended, Ended::timed_out) << sleeps.describe();
}

TEST(PluginIsolate, ACrashLeavesTheSequenceUnderTest) {
  auto report = new_report();
  const auto outcome = run(report, [&] {
    const auto loaded = Plugin::load(plugin("crash"));
    const u64 words[] = {1, 2, 3, 4};
    report.begin_sequence(1234, words);
    report.begin_operation(3);
    return loaded->driver().attach(nullptr, 1, 0);
  });
  EXPECT_EQ(outcome.ended, Ended::crashed);
  // With sanitizers a crash is an exit with a report; without, a signal.
  EXPECT_TRUE(outcome.signal == SIGSEGV || outcome.exit_code != 0) << outcome.describe();
  const auto sequence = report.sequence();
  EXPECT_TRUE(sequence.running);
  EXPECT_EQ(sequence.number, 1234U);
  EXPECT_EQ(sequence.operation, 3U);
  EXPECT_THAT(sequence.words, ElementsAre(1, 2, 3, 4));
}

TEST(PluginIsolate, AHangIsEndedAndLeavesTheSequence) {
  auto report = new_report();
  const auto outcome = run(report,
                           [&] {
                             const auto loaded = Plugin::load(plugin("hang"));
                             const u64 words[] = {9};
                             report.begin_sequence(8, words);
                             return loaded->driver().attach(nullptr, 1, 0);
                           },
                           {.hang_seconds = 0.3});
  EXPECT_EQ(outcome.ended, Ended::timed_out);
  EXPECT_LT(outcome.seconds, 5);
  EXPECT_THAT(report.sequence().words, ElementsAre(9));
  EXPECT_THAT(outcome.describe(), HasSubstr("made no progress"));
}

TEST(PluginIsolate, ProgressKeepsASlowWorkerAlive) {
  auto report = new_report();
  const auto outcome = run(report,
                           [&] {
                             for (int i = 0; i < 8; ++i) {
                               std::this_thread::sleep_for(std::chrono::milliseconds(100));
                               report.tick();
                             }
                             return 0;
                           },
                           {.hang_seconds = 0.5});
  EXPECT_EQ(outcome.ended, Ended::returned) << outcome.describe();
}

TEST(PluginIsolate, TheTotalTimeIsKept) {
  auto report = new_report();
  const auto outcome = run(report,
                           [&] {
                             while (true) report.tick();
                             return 0;
                           },
                           {.total_seconds = 0.3});
  EXPECT_EQ(outcome.ended, Ended::timed_out);
}

/// A driver that calls exit() must not look like a run that held.
TEST(PluginIsolate, AnExitInTheMiddleIsACrash) {
  auto report = new_report();
  for (const int status : {0, 1, 77}) {
    const auto outcome = run(report, [&]() -> int { ::_exit(status); });
    EXPECT_EQ(outcome.ended, Ended::crashed);
    EXPECT_EQ(outcome.exit_code, status);
  }
  const auto thrown = run(report, []() -> int { throw std::runtime_error("from the worker"); });
  EXPECT_EQ(thrown.ended, Ended::crashed);
  EXPECT_THAT(thrown.output, HasSubstr("from the worker"));
}

/// A plug-in that forks: the copy that comes back runs nothing of ours, and the one that stays in
/// the plug-in ends with the worker.
TEST(PluginIsolate, WhatAPluginForksRunsNothingAndEndsWithIt) {
  auto report = new_report();
  int ends[2];  // closed by the last of them
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const auto outcome = run(report, [&] {
    for (u64 number = 0; number < 3; ++number) {
      if (::fork() < 0) return 1;
      report.begin_sequence(number, {});
      ++report.counter(0);
    }
    if (::fork() == 0) {
      while (true) ::pause();
    }
    report.begin_operation(1);
    ++report.counter(0);
    return 0;
  });
  EXPECT_EQ(outcome.ended, Ended::returned);
  EXPECT_EQ(outcome.result, 0);
  EXPECT_EQ(report.counter(0), 4U);  // with the copies: 22
  ::close(ends[1]);
  pollfd all_ended{.fd = ends[0], .events = 0, .revents = 0};
  EXPECT_EQ(::poll(&all_ended, 1, 10'000), 1) << "one outlives the worker";
  ::close(ends[0]);
}

TEST(PluginIsolate, OutputIsKeptOffOursAndItsEndIsThere) {
  auto report = new_report();
  const auto outcome = run(report, [&] {
    for (int i = 0; i < 50'000; ++i) std::printf("line %d\n", i);
    std::fprintf(stderr, "the end\n");
    return 0;
  });
  EXPECT_EQ(outcome.ended, Ended::returned);
  EXPECT_LE(outcome.output.size(), std::size_t{40} << 10);
  EXPECT_THAT(outcome.output, HasSubstr("line 49999"));
  EXPECT_THAT(outcome.output, HasSubstr("the end"));
}

TEST(PluginIsolate, StopIsAskedForAndThenForced) {
  auto report = new_report();
  const auto willing = run(report,
                           [&] {
                             while (!report.stop_requested()) report.tick();
                             report.add_finding("kept");
                             return 0;
                           },
                           {.stop = [] { return true; }});
  EXPECT_EQ(willing.ended, Ended::returned);
  EXPECT_THAT(report.findings(), ElementsAre("kept"));

  auto other = new_report();
  const auto unwilling = run(other,
                             [&] {
                               while (true) other.tick();
                               return 0;
                             },
                             {.grace_seconds = 0.1, .stop = [] { return true; }});
  EXPECT_EQ(unwilling.ended, Ended::stopped);
}

/// Each third sequence kills the worker; all others are done, none twice.
TEST(PluginIsolate, SupervisionGoesOnBehindEachDeath) {
  auto report = new_report();
  std::vector<u64> blamed;
  u32 restarts = 0;
  const auto work = [&](u32) {
    while (report.counter(0) < 10) {
      const u64 number = report.counter(0)++;
      report.begin_sequence(number, {});
      if (number % 3 == 1) std::abort();
      ++report.counter(1);
      report.end_sequence();
    }
    return 0;
  };
  const auto outcome = supervise(report, work, {}, [&](const Outcome& died) {
    EXPECT_EQ(died.ended, Ended::crashed);
    EXPECT_TRUE(report.sequence().running);
    blamed.push_back(report.sequence().number);
    ++restarts;
    return true;
  });
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->ended, Ended::returned);
  EXPECT_THAT(blamed, ElementsAre(1, 4, 7));
  EXPECT_EQ(report.counter(1), 7U);
  EXPECT_EQ(restarts, 3U);
}

TEST(PluginIsolate, SupervisionEndsWhenToldTo) {
  auto report = new_report();
  const auto outcome =
      supervise(report, [](u32) -> int { std::abort(); }, {}, [](const Outcome&) { return false; });
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->ended, Ended::crashed);
}

}  // namespace
}  // namespace iommucheck::oracle::plugin_isolate_test
