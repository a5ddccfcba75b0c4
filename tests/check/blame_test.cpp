// SPDX-License-Identifier: MIT
// Who ended a worker process: a table, and real processes that end in each way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <new>

#include "host/load.h"
#include "process/isolate.h"
#include "process/source_lines.h"
#include "tests/own_path.h"

namespace iommucheck::oracle::blame_test {
namespace {

using ::testing::HasSubstr;

constexpr u64 in_plugin = 0x7000'1234, in_checker = 0x5000'1234, in_library = 0x6000'1234;

CrashRecord record_of(int signal, std::initializer_list<u64> frames) {
  CrashRecord record;
  record.seen = 1;
  record.signal = signal;
  record.code = signal == SIGABRT ? int{SI_TKILL} : int{SEGV_MAPERR};
  record.sender = record.process = 7;
  record.plugin = {0x7000'0000, 0x7001'0000, 0x7000'0000};
  record.checker = {0x5000'0000, 0x5001'0000, 0x5000'0000};
  for (const u64 frame : frames) record.frames[record.frame_count++] = frame;
  return record;
}

TEST(Blame, ByWhoseCodeItIs) {
  struct Row {
    const char* what;
    int signal;
    std::initializer_list<u64> frames;
    Party wanted;
  };
  const Row rows[] = {
      {"in the driver", SIGSEGV, {in_plugin, in_checker}, Party::driver},
      {"in a library that the driver called",
       SIGSEGV,
       {in_library, in_plugin, in_checker},
       Party::driver},
      {"the driver aborts",
       SIGABRT,
       {in_library, in_library, in_plugin, in_checker},
       Party::driver},
      {"in our own code, which the driver called",
       SIGSEGV,
       {in_checker, in_plugin, in_checker},
       Party::checker},
      {"in a library that our code called",
       SIGABRT,
       {in_library, in_checker, in_plugin},
       Party::checker},
      {"a jump to nowhere from the driver", SIGSEGV, {0, in_plugin, in_checker}, Party::driver},
      {"nobody knows where", SIGSEGV, {in_library}, Party::driver},
      {"no frame at all", SIGSEGV, {}, Party::driver},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(blame_of(row.signal, record_of(row.signal, row.frames), "x.so").party, row.wanted)
        << row.what;
  }
}

TEST(Blame, BySignalsThatNobodysCodeBringsAbout) {
  for (const int signal : {SIGKILL, SIGTERM, SIGXCPU, SIGXFSZ, SIGHUP, SIGINT, SIGQUIT, SIGUSR1}) {
    EXPECT_EQ(blame_of(signal, {}, "x.so").party, Party::outside) << signal;
  }
  CrashRecord sent = record_of(SIGSEGV, {in_plugin});
  sent.code = SI_USER;
  sent.sender = 99;
  EXPECT_EQ(blame_of(SIGSEGV, sent, "x.so").party, Party::outside);
  sent.sender = sent.process;
  EXPECT_EQ(blame_of(SIGSEGV, sent, "x.so").party, Party::driver);
  EXPECT_EQ(blame_of(0, {}, "x.so").party, Party::driver);  // it called exit()
}

TEST(Blame, ADamagedRecordIsReadAllTheSame) {
  CrashRecord record = record_of(SIGSEGV, {in_library});
  record.frame_count = ~u64{0};
  EXPECT_EQ(blame_of(SIGSEGV, record, "/nowhere").party, Party::driver);
  EXPECT_EQ(blame_of(SIGBUS, record, "").party, Party::driver);  // of another signal
}

TEST(Blame, AFunctionPointerThatLeadsNowhereIsThePlugIns) {
  CrashRecord record = record_of(SIGSEGV, {0x10, in_checker});
  record.address = 0x10;
  const Blame blame = blame_of(SIGSEGV, record, "x.so");
  EXPECT_EQ(blame.party, Party::driver);
  EXPECT_THAT(blame.where, HasSubstr("by a function pointer that leads nowhere, at address 0x10"));
  record.address = 0x18;  // ours, which looked at an address there
  EXPECT_EQ(blame_of(SIGSEGV, record, "x.so").party, Party::checker);
}

// ---- real processes -------------------------------------------------------------------------

Outcome run(const std::function<void()>& work) {
  auto report = SharedReport::create();
  EXPECT_TRUE(report);
  const auto outcome = run_isolated(*report, [&] {
    work();
    return 0;
  });
  EXPECT_TRUE(outcome);
  return outcome ? *outcome : Outcome{};
}

TEST(BlameOfProcesses, KilledFromOutsideOrByALimit) {
  for (const int signal : {SIGKILL, SIGTERM, SIGXCPU}) {
    const Outcome outcome = run([&] { ::kill(::getpid(), signal); });
    EXPECT_EQ(outcome.ended, Ended::crashed);
    EXPECT_EQ(outcome.party, Party::outside) << signal;
    EXPECT_THAT(outcome.describe(), HasSubstr("was ended by SIG"));
  }
  const std::string path = test::own_path("blame_limit");
  const Outcome limit = run([&] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_FSIZE, &none);
    std::ofstream(path) << "too much" << std::flush;
  });
  EXPECT_EQ(limit.signal, SIGXFSZ);
  EXPECT_EQ(limit.party, Party::outside);
  EXPECT_THAT(limit.describe(), HasSubstr("ulimit -f"));
  ::unlink(path.c_str());
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN
#endif
#if !defined(UNDER_ASAN)  // which ends the process in a way of its own
TEST(BlameOfProcesses, ACrashOfOurOwnCodeIsNotTheDrivers) {
  const Outcome nowhere = run([] { *reinterpret_cast<volatile int*>(8) = 1; });
  EXPECT_EQ(nowhere.signal, SIGSEGV);
  EXPECT_EQ(nowhere.party, Party::checker);
  EXPECT_THAT(nowhere.describe(), HasSubstr("at address 0x8"));
  const Outcome jump = run([] {
    void (*volatile leads)() = reinterpret_cast<void (*)()>(u64{0x10});
    leads();
  });
  EXPECT_EQ(jump.party, Party::driver);
  EXPECT_THAT(jump.describe(), HasSubstr("leads nowhere"));
  const Outcome memory = run([] { throw std::bad_alloc(); });
  EXPECT_EQ(memory.signal, SIGABRT);
  EXPECT_EQ(memory.party, Party::checker);
}
#endif

}  // namespace
}  // namespace iommucheck::oracle::blame_test
