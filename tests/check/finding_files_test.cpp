// SPDX-License-Identifier: MIT
// Traces of findings: two jobs never share a name, nothing is written over or through a link.
#include "check/finding_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

namespace iommucheck::oracle::finding_files_test {
namespace {

namespace fs = std::filesystem;

TemporaryFolder folder() {
  auto made = TemporaryFolder::create();
  EXPECT_TRUE(made) << made.error().message;
  return std::move(*made);
}

TEST(FindingFiles, EachReservationIsAnotherFileAndIsThere) {
  const TemporaryFolder place = folder();
  const std::string out = place.path() + "/a/b";
  const auto first = reserve_trace(out, "finding-X-1");
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, out + "/finding-X-1.trace.jsonl");
  EXPECT_TRUE(fs::exists(*first));
  EXPECT_EQ(*reserve_trace(out, "finding-X-1"), out + "/finding-X-1-2.trace.jsonl");
  EXPECT_EQ(*reserve_trace(out, "finding-X-1"), out + "/finding-X-1-3.trace.jsonl");
  EXPECT_EQ(*reserve_trace(out, "finding-Y-1"), out + "/finding-Y-1.trace.jsonl");
}

TEST(FindingFiles, JobsAtTheSameTimeGetDifferentNames) {
  const TemporaryFolder place = folder();
  std::vector<std::vector<std::string>> names(4);
  {
    std::vector<std::jthread> jobs;
    for (auto& own : names) {
      jobs.emplace_back([&own, &place] {
        for (int i = 0; i < 25; ++i) own.push_back(*reserve_trace(place.path(), "finding-X-1"));
      });
    }
  }
  std::set<std::string> all;
  for (const auto& own : names) all.insert(own.begin(), own.end());
  EXPECT_EQ(all.size(), 100U);
}

TEST(FindingFiles, CommandsCanBePasted) {
  EXPECT_EQ(again_command("", "", "out/finding-X-1.trace.jsonl"),
            "iommucheck replay out/finding-X-1.trace.jsonl");
  EXPECT_EQ(again_command("./my driver.so", "", "a'b"),
            "iommucheck replay --driver './my driver.so' 'a'\\''b'");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("$(rm)"), "'$(rm)'");
}

TEST(FindingFiles, LinksAreNeitherFollowedNorReplaced) {
  const TemporaryFolder place = folder();
  const std::string victim = place.path() + "/victim";
  std::ofstream(victim) << "precious";
  fs::create_symlink(victim, place.path() + "/finding-X-1.trace.jsonl");
  EXPECT_EQ(*reserve_trace(place.path(), "finding-X-1"),
            place.path() + "/finding-X-1-2.trace.jsonl");
  EXPECT_EQ(fs::file_size(victim), 8U);
}

TEST(FindingFiles, AFolderIsTriedBeforeItIsNeededAndLeftAsItWas) {
  const TemporaryFolder place = folder();
  EXPECT_TRUE(try_folder(place.path()));
  EXPECT_TRUE(fs::is_empty(place.path()));
  EXPECT_TRUE(try_folder(place.path() + "/new"));
  EXPECT_FALSE(fs::exists(place.path() + "/new"));
  std::ofstream(place.path() + "/file") << "x";
  for (const std::string& bad :
       {place.path() + "/file", place.path() + "/file/below", std::string("/proc/nowhere")}) {
    const auto tried = try_folder(bad);
    ASSERT_FALSE(tried) << bad;
    EXPECT_EQ(tried.error().code, ErrorCode::environment);
    EXPECT_NE(tried.error().message.find(bad), std::string::npos);
    EXPECT_NE(tried.error().message.find("--out"), std::string::npos);
    EXPECT_FALSE(reserve_trace(bad, "finding-X-1"));
  }
}

TEST(FindingFiles, TemporaryFoldersAreOnesOwnAndGoAway) {
  std::string path;
  {
    const TemporaryFolder place = folder();
    path = place.path();
    struct stat info{};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0700U);
    std::ofstream(path + "/file") << "x";
  }
  EXPECT_FALSE(fs::exists(path));
}

}  // namespace
}  // namespace iommucheck::oracle::finding_files_test
