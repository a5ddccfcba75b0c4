// SPDX-License-Identifier: MIT
#include "trace/file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include <unistd.h>

#include "tests/trace/make_event.h"
#include "trace/trace_file.h"

namespace iommucheck::trace::file_test {
namespace {

namespace fs = std::filesystem;

class TraceFile : public testing::Test {
 protected:
  TraceFile() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("iommucheck-" + std::string(info->name()) + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  ~TraceFile() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  static void put(const std::string& to, const std::string& bytes) {
    std::ofstream(to, std::ios::binary) << bytes;
  }
  static std::string get(const std::string& from) {
    std::ifstream in(from, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// The file `name` compressed by its ending.
  std::string pack(const std::string& name, const std::string& text) {
    auto file = OutputFile::create(path(name));
    EXPECT_TRUE(file && file->write(text) && file->finish());
    return get(path(name));
  }
  /// All lines, or the error.
  static Expected<std::vector<std::string>> lines(const std::string& from, FileLimits limits = {}) {
    auto reader = LineReader::open(from, limits);
    if (!reader) return std::unexpected(reader.error());
    std::vector<std::string> all;
    std::string line;
    while (true) {
      const auto some = reader->next(line);
      if (!some) return std::unexpected(some.error());
      if (!*some) return all;
      all.push_back(line);
    }
  }
  fs::path folder_;
};

Trace some_trace() {
  EventMaker maker(11);
  Trace trace{.header = maker.header(), .events = {}};
  for (int i = 0; i < 3000; ++i) trace.events.push_back(maker.event());
  return trace;
}

TEST_F(TraceFile, TracesSurviveEveryCompression) {
  const Trace trace = some_trace();
  for (const char* name : {"t.jsonl", "t.jsonl.gz", "t.jsonl.zst"}) {
    ASSERT_TRUE(write_trace(trace, path(name)));
    const auto back = read_trace(path(name));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, trace);
  }
  EXPECT_EQ(get(path("t.jsonl")), to_text(trace));
  EXPECT_LT(fs::file_size(path("t.jsonl.gz")), fs::file_size(path("t.jsonl")) / 2);
  EXPECT_LT(fs::file_size(path("t.jsonl.zst")), fs::file_size(path("t.jsonl")) / 2);
}

TEST_F(TraceFile, ContentTellsTheCompressionNotTheName) {
  put(path("a.zst"), pack("b.gz", "one\ntwo"));
  EXPECT_EQ(lines(path("a.zst")), (std::vector<std::string>{"one", "two"}));
  put(path("c.gz"), "one\n\ntwo\n");
  EXPECT_EQ(lines(path("c.gz")), (std::vector<std::string>{"one", "", "two"}));
}

TEST_F(TraceFile, PiecesOneAfterTheOtherAreOneText) {
  for (const std::string end : {".gz", ".zst"}) {
    put(path("two" + end), pack("x" + end, "one\nt") + pack("y" + end, "wo\n"));
    EXPECT_EQ(lines(path("two" + end)), (std::vector<std::string>{"one", "two"}));
  }
}

TEST_F(TraceFile, DamageIsAnError) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i * 7919) + "\n";
  for (const std::string end : {".gz", ".zst"}) {
    const std::string good = pack("good" + end, text);
    ASSERT_EQ(lines(path("good" + end))->size(), 20000u);
    for (std::size_t keep : {good.size() - 1, good.size() / 2, std::size_t{12}}) {
      put(path("cut"), good.substr(0, keep));
      const auto cut = lines(path("cut"));
      ASSERT_FALSE(cut) << end << keep;
      EXPECT_EQ(cut.error().code, ErrorCode::bad_input);
      EXPECT_NE(cut.error().message.find("ends early"), std::string::npos) << cut.error().message;
    }
    std::string bad = good;
    bad[bad.size() / 2] = static_cast<char>(bad[bad.size() / 2] ^ 0x10);
    put(path("bad"), bad);
    EXPECT_FALSE(lines(path("bad"))) << end;
    put(path("more"), good + "and more");
    EXPECT_FALSE(lines(path("more"))) << end;
  }
}

TEST_F(TraceFile, BombsAndEndlessLinesAreGivenUp) {
  const std::string zeros(std::size_t{8} << 20, '0');
  for (const char* name : {"bomb", "bomb.gz", "bomb.zst"}) {
    pack(name, zeros);
    const auto bomb = lines(path(name), {.bytes_max = 1 << 20, .line_bytes_max = ~u64{0}});
    ASSERT_FALSE(bomb);
    EXPECT_EQ(bomb.error().code, ErrorCode::gave_up);
    const auto line = lines(path(name), {.line_bytes_max = 1 << 20});
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().code, ErrorCode::gave_up);
    EXPECT_NE(line.error().message.find(":1: the line has more than"), std::string::npos);
  }
  put(path("fits"), "1234\n12345\n");
  EXPECT_TRUE(lines(path("fits"), {.line_bytes_max = 5}));
  EXPECT_FALSE(lines(path("fits"), {.line_bytes_max = 4}));
}

TEST_F(TraceFile, WhatCannotBeOpenedIsSaid) {
  const auto missing = read_trace(path("missing"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::bad_input);
  EXPECT_NE(missing.error().message.find("No such file"), std::string::npos);
  EXPECT_EQ(read_trace(folder_).error().code, ErrorCode::bad_input);
  EXPECT_EQ(write_trace({}, path("no/such/folder")).error().code, ErrorCode::environment);
  put(path("empty"), "");
  EXPECT_NE(read_trace(path("empty")).error().message.find(":1:1: the file is empty"),
            std::string::npos);
}

TEST_F(TraceFile, NothingHalfWrittenIsLeft) {
  put(path("t"), "old");
  {
    auto file = OutputFile::create(path("t"));
    ASSERT_TRUE(file && file->write("new"));
  }
  EXPECT_EQ(get(path("t")), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  EXPECT_EQ(pack("t", "new"), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(TraceFile, AnErrorNamesFileLineAndColumn) {
  put(path("t"),
      "{\"iommucheck-trace\":1,\"versions\":{}}\n"
      "{\"event\":\"Irq\",\"agent\":\"cpu0\",\"kind\":\"PRIQ\"}\n"
      "{\"event\":\"Irq\",\"agent\":\"cpu0\",\"kind\":7}\n");
  EXPECT_TRUE(read_trace(path("t")).error().message.starts_with(path("t") + ":3:38: "))
      << read_trace(path("t")).error().message;
  put(path("t"), "{\"iommucheck-trace\":1,\"versions\":{}}\n\n");
  EXPECT_TRUE(read_trace(path("t")).error().message.starts_with(path("t") + ":2:1: "))
      << read_trace(path("t")).error().message;
}

}  // namespace
}  // namespace iommucheck::trace::file_test
