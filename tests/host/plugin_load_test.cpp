// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "host/load.h"
#include "host/segments.h"
#include "tests/places.h"

namespace iommucheck::oracle::plugin_load_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string plugin(const std::string& name) {
  return test::in_build("test-plugins/") + name + ".so";
}

std::string why_not(const std::string& path, double seconds = 10) {
  const auto probed = Plugin::probe(path, seconds);
  if (probed) return "loaded: " + *probed;
  EXPECT_EQ(probed.error().code, ErrorCode::bad_input);
  return probed.error().message;
}

TEST(PluginLoad, AGoodOne) {
  EXPECT_EQ(why_not(plugin("good")), "loaded: plugin");
  const auto loaded = Plugin::load(plugin("good"));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_STREQ(loaded->driver().name, "plugin");
  EXPECT_EQ(loaded->driver().attach(nullptr, 1, 0), 0);
  EXPECT_EQ(loaded->driver().map, nullptr);
}

TEST(PluginLoad, MembersBeyondItsSizeAreAbsent) {
  const auto loaded = Plugin::load(plugin("short_struct"));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_NE(loaded->driver().attach, nullptr);
  EXPECT_EQ(loaded->driver().detach, nullptr);
  EXPECT_EQ(loaded->driver().size, sizeof(iommucheck_driver));
}

TEST(PluginLoad, WhatIsWrongIsSaid) {
  const std::pair<const char*, const char*> cases[] = {
      {"no_entry", "exports no function iommucheck_driver_entry"},
      {"null_driver", "iommucheck_driver_entry returned NULL"},
      {"no_name", "its driver has no name"},
      {"no_init", "its driver has no init"},
      {"no_reset", "its driver has no reset"},
      {"newer_abi", "its driver has abi 3, this program has 2"},
      {"older_abi", "its driver has abi 1, this program has 2"},
      {"wrong_size", "its driver has size 12, which cannot be"},
      {"unknown_flags", "its driver has flags 0x80"},
      {"missing_symbol", "undefined symbol: nobody_defines_this"},
  };
  for (const auto& [name, message] : cases) {
    EXPECT_THAT(why_not(plugin(name)), AllOf(StartsWith(plugin(name) + ": "), HasSubstr(message)));
  }
}

TEST(PluginLoad, TheCallerLivesWhateverItDoes) {
  EXPECT_THAT(why_not(plugin("crash_on_load")), HasSubstr("while it was loaded"));
  EXPECT_THAT(why_not(plugin("exit_on_load")),
              HasSubstr("ended the process with exit status 0 while it was loaded"));
  EXPECT_THAT(why_not(plugin("hang_on_load"), 0.3), HasSubstr("made no progress and was killed"));
}

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("plugin_test." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return path_ / name;
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(PluginLoad, FilesThatAreNone) {
  const Folder folder;
  EXPECT_THAT(why_not("/nowhere/x.so"), HasSubstr("No such file or directory; --driver takes"));
  EXPECT_THAT(why_not(folder.path()), HasSubstr("is no regular file"));
  EXPECT_THAT(why_not(folder.write("empty.so", "")), HasSubstr("no ELF header"));
  EXPECT_THAT(why_not(folder.write("text.so", std::string(5000, 'x'))), HasSubstr("no ELF header"));
  std::string bytes = bytes_of(plugin("good"));
  bytes[18] = 0x28;  // e_machine: 32-bit Arm
  bytes[19] = 0;
  EXPECT_THAT(why_not(folder.write("arm.so", bytes)), HasSubstr("for another machine"));
}

TEST(PluginLoad, CutOrDamagedFilesNeverCrash) {
  const Folder folder;
  const std::string bytes = bytes_of(plugin("good"));
  ASSERT_GT(bytes.size(), 4096U);
  for (std::size_t cut = 64; cut < bytes.size(); cut += bytes.size() / 9) {
    const auto message = why_not(folder.write("cut.so", bytes.substr(0, cut)), 2);
    // What is behind the last segment (section headers, debugging) is not missed.
    if (cut < 2048) {
      EXPECT_THAT(message, HasSubstr("cut short"));
    }
  }
  u64 random = 1;
  for (int n = 0; n < 20; ++n) {
    std::string damaged = bytes;
    for (int k = 0; k < 40; ++k) {
      random = random * 6364136223846793005U + 1442695040888963407U;
      damaged[16 + (random >> 33) % 2000] = static_cast<char>(random >> 20);
    }
    why_not(folder.write("damaged.so", damaged), 2);
  }
}

TEST(PluginSegments, StaticsArePutBack) {
  const auto loaded = Plugin::load(plugin("statics"));
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  auto segments = Segments::of(loaded->entry());
  ASSERT_TRUE(segments.has_value()) << segments.error().message;
  EXPECT_GE(segments->bytes(), 40'000U) << "its .bss";
  EXPECT_FALSE(segments->restore()) << "nothing changed yet";

  const auto calls = loaded->driver().reset;
  EXPECT_EQ(calls(nullptr), 1);
  EXPECT_EQ(calls(nullptr), 2) << "without restoring it remembers";
  EXPECT_TRUE(segments->restore());
  EXPECT_EQ(calls(nullptr), 1);
  segments->save();
  EXPECT_EQ(calls(nullptr), 2);
  segments->restore();
  EXPECT_EQ(calls(nullptr), 2) << "the last save counts";
}

TEST(PluginSegments, NoObject) {
  int local = 0;
  EXPECT_FALSE(Segments::of(&local).has_value());
}

}  // namespace
}  // namespace iommucheck::oracle::plugin_load_test
