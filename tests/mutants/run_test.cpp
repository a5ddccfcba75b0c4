// SPDX-License-Identifier: MIT
// The runner, over programs that are scripts: they note who calls them, and fail with any mutant.
#include "mutants/run.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "mutants/suites.h"

namespace iommucheck::mutants::run_test {
namespace {

namespace fs = std::filesystem;

class MutantRun : public ::testing::Test {
 protected:
  MutantRun() {
    fs::create_directories(folder_ / "bin");
    for (const Suite& suite : suites()) {
      const fs::path program = folder_ / "bin" / std::string(suite.program);
      std::ofstream(program) << "#!/bin/sh\necho \"$IOMMUCHECK_MUTANT. $*\" >> " << calls_path()
                             << "\n[ \"$IOMMUCHECK_MUTANT\" != two ] || [ ! -e "
                             << hold_path().string()
                             << " ] || exec sleep 5\n"
                                "[ -z \"$IOMMUCHECK_MUTANT\" ] || { echo '[  FAILED  ] A.B (1 ms)'"
                                "; exit 1; }\n";
      fs::permissions(program, fs::perms::owner_all);
    }
    for (const char* id : {"one", "two"}) {
      Mutant mutant;
      mutant.id = id;
      mutant.file = "trace/codec.cpp";
      mutants_.push_back(mutant);
    }
    options_.binaries = (folder_ / "bin").string();
    options_.work = (folder_ / "work").string();
    options_.killers = (folder_ / "killers.list").string();
  }
  ~MutantRun() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string calls_path() const { return (folder_ / "calls").string(); }
  [[nodiscard]] fs::path hold_path() const { return folder_ / "hold"; }
  [[nodiscard]] static std::string text_of(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  [[nodiscard]] std::string calls() const { return text_of(calls_path()); }

  fs::path folder_ = fs::path(::testing::TempDir()) / ("mutant_run_" + std::to_string(getpid()));
  std::vector<Mutant> mutants_;
  RunOptions options_;
};

TEST_F(MutantRun, WhatAnInterruptedRunHasFoundIsNotRunAgain) {
  std::ofstream(hold_path()) << "";
  const pid_t child = fork();
  if (child == 0) _exit(run(mutants_, options_));
  ASSERT_GT(child, 0);
  for (int tries = 0; tries < 3000 && !calls().contains("two."); ++tries)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  ASSERT_TRUE(calls().contains("one."));
  fs::remove(hold_path());
  fs::remove(calls_path());
  EXPECT_EQ(run(mutants_, options_), 0);
  EXPECT_TRUE(calls().starts_with("two. ")) << calls();
  EXPECT_FALSE(calls().contains("one.")) << calls();
  // What has come to its end begins anew.
  fs::remove(calls_path());
  EXPECT_EQ(run(mutants_, options_), 0);
  EXPECT_TRUE(calls().starts_with(". ")) << calls();
  EXPECT_TRUE(calls().contains("one.")) << calls();
}

TEST_F(MutantRun, OtherProgramsAreAskedAnew) {
  EXPECT_EQ(run(mutants_, options_), 0);
  std::ofstream(folder_ / "work" / "progress.txt") << "of others\nmutant one survived - \n";
  fs::remove(calls_path());
  EXPECT_EQ(run(mutants_, options_), 0);
  EXPECT_TRUE(calls().contains("one.")) << calls();
}

TEST_F(MutantRun, WhoNoticedItIsRecordedAndAskedFirst) {
  options_.record = true;
  EXPECT_EQ(run(mutants_, options_), 0);
  EXPECT_EQ(text_of(options_.killers), "one trace A.B\ntwo trace A.B\n");
  fs::remove_all(options_.work);
  fs::remove(calls_path());
  EXPECT_EQ(run(mutants_, options_), 0);
  EXPECT_TRUE(calls().contains("\none. --gtest_fail_fast --gtest_filter=A.B\n")) << calls();
}

}  // namespace
}  // namespace iommucheck::mutants::run_test
