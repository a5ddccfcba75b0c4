// SPDX-License-Identifier: MIT
// The format: everything of the README is read, what is printed is read back equal, and what is
// wrong is named by place and word.
#include "litmus/parser.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "litmus/layout.h"
#include "tests/places.h"

namespace iommucheck::litmus::parser_test {
namespace {

std::string folder() { return test::in_tree("litmus/files/"); }

TEST(LitmusParser, BuiltInPreludesAreThoseOfTheFolder) {
  std::ifstream stream(folder() + "preludes.litmus");
  std::ostringstream text;
  text << stream.rdbuf();
  EXPECT_EQ(text.str(), built_in_preludes());
}

TEST(LitmusParser, AFileOfPreludesHasNoTest) {
  const auto file = parse(built_in_preludes());
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_TRUE(file->tests.empty());
  EXPECT_EQ(file->preludes.size(), 6U);
}

TEST(LitmusParser, WhatIsPrintedIsReadBackEqual) {
  for (const char* name : {"leaves", "tables", "configuration", "stage2_ats"}) {
    const auto file = parse_file(folder() + name + ".litmus");
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_FALSE(file->tests.empty());
    for (const auto& test : file->tests) {
      const auto again = parse(print(test));
      ASSERT_TRUE(again) << again.error().message << "\n" << print(test);
      ASSERT_EQ(again->tests.size(), 1U);
      EXPECT_EQ(again->tests[0], test) << print(test);
      EXPECT_TRUE(layout(test)) << test.name;
    }
  }
}

/// Each step and operand of the README, and the comments.
constexpr const char* whole_grammar = R"(# a file
prelude mine
  strtab T fmt=2lvl  # inside a line
  ste 65 table=L1 v=1 cfg=s1 cd=X cdmax=7 fmt=2lvl s1dss=1 eats=2 strw=el2 vmid=0x10 s2ttb=-
test everything
says one; two #3 and K#3
init use mine
init l1std T 1 span=7 l2=L1
init l1cd X 0 v=1 l2=D
init cd D.3 v=0 asid=0xffff t0sz=16 epd0=1 ha=1 hd=1 aset=1 ttb=R haft=1 mair=dev
init ste 66 priv=unpriv inst=data
init word R 0 table A af0
init cont A 16 G rw g
init cont A 32 page G#16 ro
init word A 1 block K ro g af0 dbm cont dev nt priv uxn pxn
init word A 2 page @0x7 rw
init ste 67 cfg=s2 cont=3 s2t0sz=21 s2sl=2 s2tg=64 s2ha=1 s2hd=1 s2haft=0 s2ttb=SG
init cd E tg0=16 t1sz=25 tg1=64 epd1=0 tbi0=1 tbi1=0 ttb1=RH
init word SG 8192 block BX rw xn
init cont RH 128 G rw n=128 block=4
init e2h 1
init vmw 4
init ats 65
init bbml 2
init coherent 0
init atom 16
init atschk 1
init btm 1
init ptm 0
init reset
run store ste 65 table=L1 vmid=3
run store16 ste 67 vmid=3 s2ttb=SG
run store msi W 7
run fillcont RH 256 G rw n=32
run cmd SYNC irq msi=W data=7
run wait msi W 7
run wait irq
run reg e2h 0
run reg vmw 2
run ats 1 off
run bcast TLBI_EL2_VA asid=1 va=0x1000 e2h=1
run rmw word A 1 block K rw
run cpu1: barrier
run clean A 3
run handoff cpu0 cpu1
run zero A
run clear A 1 3
run fillcont A 48 H rw dbm
run free A
run release K#3
run cmd CFGI_STE 1 leaf=1
run cmd CFGI_CD 1 2 leaf=0
run cmd CFGI_CD_ALL 1
run cmd CFGI_ALL
run cmd CFGI_STE_RANGE 4 range=31
run bcast TLBI_NH_ASID asid=5
run dsb
run reg atschk 0
run cmd TLBI_NH_VA vmid=1 asid=2 va=0x3000 leaf=1 tg=1 num=31 scale=31 ttl=3
run cmd ATC_INV 1.5 va=0x1000 size=52
run do TLBI_EL2_ALL ; TLBI_NSNH_ALL; ATC_INV 1
run ring relaxed
run ring
run wait
run smmuen 0 noack
run smmuen 1
run ats 1 0
run reg strtab T
run dma d begin 1.2 0x1000 w priv ats
run mark
run dma d end
access 65.3 0x1000 w ats -> K#3:dev!dirty F_TRANSLATION | any
access 66 0x1000 x priv -> K
access 65 0xffffffffffff0000 r -> abort bypass denied K late:K#2
dma d -> late:K#2 F_ACCESS
load A 1 -> af+clean af0 | 0 af+dirty
driver violation page-reuse: some words
)";

TEST(LitmusParser, TheWholeGrammar) {
  const auto file = parse(whole_grammar);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tests.size(), 1U);
  const auto& test = file->tests[0];
  EXPECT_EQ(test.says, "one; two #3 and K#3");
  EXPECT_EQ(test.run.size(), 41U);
  EXPECT_EQ(test.loads.size(), 1U);
  EXPECT_EQ(test.driver->rule, "page-reuse");
  const auto again = parse(print(test));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->tests[0], test) << print(test);
  const auto laid = layout(test);
  ASSERT_TRUE(laid) << laid.error().message;
}

TEST(LitmusParser, AnAccessIsPrivilegedAndByAtsInEitherOrder) {
  const char* const orders[] = {"priv ats", "ats priv"};
  for (const char* order : orders) {
    const auto file =
        parse("test a\ninit use std\nrun dma d begin 1 0x1000 r " + std::string(order) +
              "\naccess 1 0x1000 r " + order + " -> P1\ndriver ok\n");
    ASSERT_TRUE(file) << file.error().message;
    const Access& access = file->tests.at(0).accesses.at(0);
    EXPECT_TRUE(access.privileged && access.ats) << order;
    const auto* begin = std::get_if<DmaBeginStep>(&file->tests.at(0).run.at(0).what);
    ASSERT_NE(begin, nullptr);
    EXPECT_TRUE(begin->privileged && begin->ats) << order;
  }
}

TEST(LitmusParser, ALaterLineReplacesTheObjectWhole) {
  const auto file = parse("test t\ninit use std\ninit cd C1 asid=9\ninit word B 1 page N ro\n");
  ASSERT_TRUE(file) << file.error().message;
  int cds = 0;
  for (const InitLine& line : file->tests[0].init) {
    const auto* cd = std::get_if<CdLine>(&line.what);
    if (cd == nullptr) continue;
    ++cds;
    EXPECT_EQ(cd->asid->value, 9U);
    EXPECT_FALSE(cd->ttb) << "unnamed fields have their defaults again";
  }
  EXPECT_EQ(cds, 1);
}

TEST(LitmusParser, APreludeOfTheFileHidesTheOthers) {
  const auto file =
      parse("prelude std\n  ste 1 cfg=abort\ntest t\ninit use std\n", "f", "prelude std\n ste 2\n");
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->tests[0].init.size(), 1U);
  const auto beside = parse("test t\ninit use std\n", "f", "prelude std\n ste 2\n");
  ASSERT_TRUE(beside);
  EXPECT_EQ(beside->tests[0].init.size(), 1U);
  const auto built_in = parse("test t\ninit use std\n", "f", "prelude other\n ste 2\n");
  ASSERT_TRUE(built_in);
  EXPECT_EQ(built_in->tests[0].init.size(), 7U);
}

struct Wrong {
  const char* line;
  const char* place;
  const char* word;
};

class LitmusRefuses : public testing::TestWithParam<Wrong> {};

TEST_P(LitmusRefuses, AndNamesPlaceAndWord) {
  const Wrong& wrong = GetParam();
  const auto file = parse(std::string("test t\n") + wrong.line + "\n", "x.litmus");
  ASSERT_FALSE(file) << wrong.line;
  EXPECT_EQ(file.error().code, ErrorCode::bad_input);
  const std::string expected = std::string("x.litmus:") + wrong.place + ": '" + wrong.word + "': ";
  EXPECT_EQ(file.error().message.substr(0, expected.size()), expected) << file.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Lines, LitmusRefuses,
    testing::Values(
        Wrong{"bogus x", "2:1", "bogus"}, Wrong{"init", "2:5", ""},
        Wrong{"init use nothing", "2:10", "nothing"}, Wrong{"init ste 1 foo=2", "2:12", "foo=2"},
        Wrong{"init ste 1 v=2", "2:14", "2"}, Wrong{"init ste 1 v=1 v=0", "2:16", "v=0"},
        Wrong{"init ste 1 cfg=s3", "2:16", "s3"}, Wrong{"init ste x1", "2:10", "x1"},
        Wrong{"init cd 5", "2:9", "5"}, Wrong{"init word R 131072 0", "2:13", "131072"},
        Wrong{"init word R 1 page P", "2:21", ""}, Wrong{"init word R 1 page P rx", "2:22", "rx"},
        Wrong{"init word R 1 page P rw zz", "2:25", "zz"},
        Wrong{"init word R 1 table A rw", "2:23", "rw"}, Wrong{"init word R 1 0 0", "2:17", "0"},
        Wrong{"init cont R 3 P rw", "2:13", "3"}, Wrong{"init bbml 3", "2:11", "3"},
        Wrong{"init atom 9", "2:11", "9"}, Wrong{"init reset now", "2:12", "now"},
        Wrong{"init vmw 5", "2:10", "5"}, Wrong{"init cd C tg0=8", "2:15", "8"},
        Wrong{"init cont R 16 P rw n=32", "2:13", "16"},
        Wrong{"init cont R 0 P rw n=3", "2:22", "3"},
        Wrong{"run store16 ste 1 v=1 s2ttb=G", "2:13", "ste"},
        Wrong{"run store16 word R 1 0", "2:13", "word"}, Wrong{"run reg btm 1", "2:9", "btm"},
        Wrong{"run cmd SYNC msi=W", "2:14", "msi=W"}, Wrong{"run store msi W", "2:16", ""},
        Wrong{"run cmd TLBI_EL2_ALL e2h=1", "2:9", "TLBI_EL2_ALL"},
        Wrong{"run ats 1 maybe", "2:11", "maybe"}, Wrong{"load A 1 -> af1", "2:13", "af1"},
        Wrong{"run frob", "2:5", "frob"}, Wrong{"run store thing", "2:11", "thing"},
        Wrong{"run store cd C1 v=0 ttb=R", "2:11", "cd"}, Wrong{"run store cd C1", "2:11", "cd"},
        Wrong{"run cmd TLBI_NH_X", "2:9", "TLBI_NH_X"},
        Wrong{"run cmd TLBI_NH_VA sid=1", "2:20", "sid=1"},
        Wrong{"run cmd SYNC leaf=1", "2:14", "leaf=1"}, Wrong{"run do SYNC ; ", "2:15", ""},
        Wrong{"run smmuen 2", "2:12", "2"}, Wrong{"run ring loud", "2:10", "loud"},
        Wrong{"run ats 1 2", "2:11", "2"}, Wrong{"run ats x 1", "2:9", "x"},
        Wrong{"run dma d end", "2:9", "d"}, Wrong{"run word R 1 0x", "2:5", "word"},
        Wrong{"access 1 0x1000 r P1", "2:19", "P1"}, Wrong{"access 1 0x1000 z -> any", "2:17", "z"},
        Wrong{"access 1 0x1000 r -> P1", "2:22", "P1"},
        Wrong{"access 1 0x1000 r -> F_NONSENSE", "2:22", "F_NONSENSE"},
        Wrong{"access 1 0xg r -> any", "2:10", "0xg"}, Wrong{"dma d -> any", "2:5", "d"},
        Wrong{"driver maybe", "2:8", "maybe"},
        Wrong{"driver violation page-use: x", "2:18", "page-use:"},
        Wrong{"driver ok then", "2:11", "then"}, Wrong{"test t", "2:6", "t"}));

TEST(LitmusParser, APreludeThatUsesItselfIsRefused) {
  const auto file = parse("prelude a\n use b\nprelude b\n use a\ntest t\ninit use a\n");
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("uses itself"), std::string::npos);
}

/// Found by the fuzz target: 2^27 lines from 82 ones.
TEST(LitmusParser, PreludesThatDoubleAreRefused) {
  std::string text = "prelude p0\nbbml 1\n";
  for (int i = 1; i < 28; ++i) {
    const std::string use = "use p" + std::to_string(i - 1) + "\n";
    text += "prelude p" + std::to_string(i) + "\n" + use + use;
  }
  const auto file = parse(text + "test t\ninit use p27\n");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::bad_input);
  EXPECT_NE(file.error().message.find("more than 2000 lines"), std::string::npos);
}

TEST(LitmusParser, AFileThatIsNotThereIsBadInput) {
  const auto file = parse_file("/nonexistent/x.litmus");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::bad_input);
}

}  // namespace
}  // namespace iommucheck::litmus::parser_test
