// SPDX-License-Identifier: MIT
// Sequences in files: what is written comes back, and what cannot be read is told with its place.
#include "check/given.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/own_path.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::given_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class Given : public testing::Test {
 protected:
  Given() : folder_(test::own_path("given")) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Given() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, std::string_view bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return folder_ + "/" + name;
  }
  std::string error_of(std::string_view bytes) const {
    const auto given = read_given(write("x", bytes));
    if (given) return "read";
    EXPECT_EQ(given.error().code, ErrorCode::bad_input);
    return given.error().message;
  }
  std::string folder_;
};

bool same(const Sequence& one, const Sequence& other) {
  return one.operations == other.operations && one.ends.whole_space == other.ends.whole_space &&
         one.ends.teardown == other.ends.teardown;
}

TEST_F(Given, SequencesComeBackFromTheirLines) {
  Sequence sequence;
  bool whole = false;
  bool teardown = false;
  for (u64 n = 0; n < 200; ++n) {
    make_sequence(7, n, 64, sequence);
    const auto back = parse_sequence(print(sequence), "x");
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(same(*back, sequence)) << print(sequence);
    whole |= sequence.ends.whole_space;
    teardown |= sequence.ends.teardown;
  }
  EXPECT_TRUE(whole && teardown);
}

TEST_F(Given, AnInputOfTheFuzzTargetIsRunAsItRunsIt) {
  Sequence sequence;
  make_sequence(7, 3, 20, sequence);
  std::vector<u8> bytes = fuzz::encode(sequence.operations);
  for (const u8 top : {u8{64}, u8{65}}) {
    bytes[8] = top;
    const auto given = read_given(write("crash-1", std::string(bytes.begin(), bytes.end())));
    ASSERT_TRUE(given) << given.error().message;
    EXPECT_EQ(given->sequence.operations, fuzz::decode(bytes));
    EXPECT_EQ(given->sequence.ends.whole_space, top == 64);
    EXPECT_EQ(given->sequence.ends.teardown, top == 64);
  }
}

TEST_F(Given, WhatCannotBeReadIsToldWithItsPlace) {
  EXPECT_THAT(error_of(""), HasSubstr(folder_ + "/x: is empty"));
  EXPECT_THAT(error_of("# nothing\n\n"), HasSubstr("x: there is no operation"));
  EXPECT_THAT(error_of("map\n# a remark\n  mop\n"), HasSubstr("x:3:3: 'mop'"));
  EXPECT_THAT(error_of("map\nend whole_space nowhere\n"), HasSubstr("x:2:17:"));
  EXPECT_THAT(error_of("map\nend\nmap\n"), HasSubstr("x:3:1:"));
  EXPECT_THAT(error_of("end\n"), HasSubstr("no operation"));
  EXPECT_THAT(error_of("\x07"
                       "01234567"),
              HasSubstr("0x07"));
  EXPECT_THAT(error_of("\x03"
                       "0123"),
              HasSubstr("without a whole operation"));
  std::string many;
  for (std::size_t i = 0; i <= fuzz::operations_max; ++i) many += "map\n";
  EXPECT_THAT(error_of(many), HasSubstr("65 operations"));
  EXPECT_THAT(error_of("\x03" + std::string(65 * 8, 'x')), HasSubstr("65 operations"));
  EXPECT_EQ(error_of("map\n end\tteardown \n# over\n"), "read");
  const auto missing = read_given(folder_ + "/nobody");
  EXPECT_FALSE(missing);
}

/// What an earlier codec wrote is run as it was meant; one that nobody knows is told.
TEST_F(Given, InputsAndTracesOfEarlierCodecsAreRead) {
  constexpr u64 words[] = {0xde15eab5ce53fecf, 0xc3e04a9344b5f864};  // a map, an unmap_fast of 1
  std::string bytes(1, '\x01');
  trace::Trace trace;
  trace.header.about = trace::TextMap{{"operations", "1"}, {"cases", "0:5;2:"}};
  for (const u64 word : words) {
    for (unsigned byte = 0; byte < 8; ++byte) bytes += static_cast<char>(word >> (8 * byte));
    (*trace.header.about)["cases"] += fmt::format("{}{:x}", word == words[0] ? "" : ",", word);
  }
  const auto input = read_given(write("crash-1", bytes));
  ASSERT_TRUE(input) << input.error().message;
  constexpr const char* lines =
      "map device=3 domain=of_device aim=behind mapping=3 window=spots_1g page=28 size=8K "
      "pa=congruent_2m pa_page=5 prot=w fail=5 choices=0x5e1\n"
      "unmap_fast device=1 domain=of_device aim=behind mapping=5 window=around_512g page=9 "
      "size=whole choices=0x43e\n";
  EXPECT_EQ(fuzz::print(input->sequence.operations), lines);
  const auto traced = read_given(write("finding.trace.jsonl", trace::to_text(trace)));
  ASSERT_TRUE(traced) << traced.error().message;
  EXPECT_EQ(print(traced->sequence), std::string(lines) + "end teardown\n");
  for (const char* codec : {"4", "0", "99", "x"}) {
    (*trace.header.about)["operations"] = codec;
    const auto unknown = read_given(write("finding.trace.jsonl", trace::to_text(trace)));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, ErrorCode::bad_input);
    EXPECT_THAT(unknown.error().message, HasSubstr("finding.trace.jsonl: the trace has operations "
                                                   "of version " +
                                                   std::string(codec)));
  }
  trace.header.about.reset();
  EXPECT_THAT(error_of(trace::to_text(trace)), HasSubstr("names no operations"));
  EXPECT_THAT(error_of("{\"half\": "), HasSubstr("x:1"));
}

TEST_F(Given, AFolderIsInAFixedOrderAndTellsWhatIsNoSequence) {
  write("b", "map\nunmap\n");
  write("c", "map\n");
  write("a", "map\nunmap\n");
  write("README", "What this is.\n");
  write(".hidden", "what");
  std::filesystem::create_directories(folder_ + "/below");
  const auto folder = read_folder(folder_);
  ASSERT_TRUE(folder);
  std::vector<std::string> names;
  for (const GivenCase& one : folder->cases) {
    names.push_back(std::filesystem::path(one.path).filename().string());
  }
  EXPECT_THAT(names, ElementsAre("c", "a", "b"));
  EXPECT_THAT(folder->unread, ElementsAre(HasSubstr("README:1:1: 'What'")));
  const auto none = read_folder(folder_ + "/nobody");
  ASSERT_TRUE(none);
  EXPECT_THAT(none->cases, SizeIs(0));
}

TEST_F(Given, AKeptSequenceIsNamedByItsContent) {
  Sequence one;
  Sequence other;
  make_sequence(1, 1, 20, one);
  make_sequence(1, 2, 20, other);
  const std::string corpus = folder_ + "/corpus";
  ASSERT_TRUE(keep(corpus, one));
  ASSERT_TRUE(keep(corpus, one));
  ASSERT_TRUE(keep(corpus, other));
  const auto folder = read_folder(corpus);
  ASSERT_TRUE(folder);
  ASSERT_THAT(folder->cases, SizeIs(2));
  EXPECT_TRUE(is_of_a_run(corpus_path(corpus, one)));
  EXPECT_FALSE(is_of_a_run(folder_ + "/mine.ops"));
  const auto back = read_given(corpus_path(corpus, one));
  ASSERT_TRUE(back);
  EXPECT_TRUE(same(back->sequence, one));
  one.ends.teardown = !one.ends.teardown;
  EXPECT_NE(corpus_path(corpus, one), back->path) << "the end is part of it";
}

}  // namespace
}  // namespace iommucheck::oracle::given_test
