// SPDX-License-Identifier: MIT
#include "mutants/weave.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace iommucheck::mutants::weave_test {
namespace {

constexpr std::string_view source =
    "int f(int a, int b) {\n  return a +\n         b;\n}\nint g() { return a; }\n";

std::vector<Mutant> listed(const std::string& text) {
  auto list = read_list("test.mutants", text);
  EXPECT_TRUE(list.has_value()) << (list ? "" : list.error().message);
  return list.value_or(std::vector<Mutant>{});
}

std::string refused_list(const std::string& text) {
  const auto list = read_list("test.mutants", text);
  return list ? "accepted" : list.error().message;
}

std::string refused(const std::string& text) {
  const auto woven = weave(source, listed(text));
  return woven ? "accepted" : woven.error().message;
}

std::string entry(const std::string& lines, const std::string& id = "one") {
  return "[" + id + "] f.cpp\nwhat: something\n" + lines;
}

/// Why an entry of these lines does not fit a file `body`; empty: it does.
std::string why_not(const std::string& body, const std::string& lines) {
  const auto woven = weave(body, listed(entry(lines)));
  return woven ? "" : woven.error().message;
}

TEST(Weave, AnExpressionBecomesASwitchWhateverItsLines) {
  const auto woven = weave(source, listed(entry("- a + b\n+ a - b\n")));
  ASSERT_TRUE(woven.has_value()) << woven.error().message;
  EXPECT_NE(woven->find("? ( a - b) : (a +\n         b))"), std::string::npos) << *woven;
}

TEST(Weave, AStatementMayBeLeftOut) {
  const auto woven = weave("void f() { g(); }", listed(entry("- g();\n+\n")));
  ASSERT_TRUE(woven.has_value()) << woven.error().message;
  EXPECT_NE(woven->find("} else {g();}"), std::string::npos) << *woven;
}

TEST(Weave, FragmentsOfSeveralMutantsMayLieInEachOther) {
  const std::string both = entry("- return a + b;\n+ return 0;\n") +
                           entry("- a + b\n+ 1\n", "two") + entry("- a + b\n+ 2\n", "three");
  const auto woven = weave(source, listed(both));
  ASSERT_TRUE(woven.has_value()) << woven.error().message;
  EXPECT_NE(woven->find(" 1)"), std::string::npos) << *woven;
  EXPECT_NE(woven->find(" 2)"), std::string::npos) << *woven;
}

TEST(Weave, AFragmentThatIsNotThereIsRefused) {
  EXPECT_NE(refused(entry("- a * b\n+ a\n")).find("its fragment does not occur"),
            std::string::npos);
}

TEST(Weave, AFragmentThatIsThereTwiceIsRefused) {
  EXPECT_NE(refused(entry("- return a\n+ return b\n")).find("occurs 2 times"), std::string::npos);
}

TEST(Weave, AfterSaysWhichOneIsMeant) {
  const auto woven = weave(source, listed(entry("after: int g()\n- return a;\n+ return 1;\n")));
  ASSERT_TRUE(woven.has_value()) << woven.error().message;
  EXPECT_GT(woven->find("return 1;"), woven->find("int g()"));
  const std::string twice = refused(entry("after: return\n- a\n+ b\n"));
  EXPECT_NE(twice.find("'after:' occurs 2 times"), std::string::npos) << twice;
}

TEST(Weave, FragmentsThatOverlapAreRefused) {
  const std::string both = entry("- int a, int b\n+ int a\n");
  EXPECT_NE(refused(both).find("',' outside of brackets"), std::string::npos);
  const std::string cut =
      entry("- return a + b; }\n+ }\n") + entry("- } int g() { return a; }\n+ }\n", "two");
  EXPECT_NE(refused(cut).find("overlaps"), std::string::npos) << refused(cut);
}

TEST(Weave, AnExpressionKeepsItsBrackets) {
  EXPECT_NE(refused(entry("- (int a\n+ (int a\n")).find("a bracket is not closed"),
            std::string::npos);
}

TEST(Weave, ADeclarationIsRefused) {
  const std::string body = "void f(int a) { const int b = a; unsigned c = b; a = b; g(c == 1); }\n";
  const auto why = [&](const std::string& text) { return why_not(body, text); };
  EXPECT_NE(why("- const int b = a;\n+ const int b = 1;\n").find("a declaration"),
            std::string::npos);
  EXPECT_NE(why("- unsigned c = b\n+ unsigned c = 1\n").find("a declaration"), std::string::npos);
  EXPECT_EQ(why("- a = b;\n+ a = 1;\n"), "");
  EXPECT_EQ(why("- c == 1\n+ c == 2\n"), "");
}

TEST(Weave, WhatOnlyLooksLikeAStatementIsRefused) {
  const std::string body =
      "S f(int a) {\n  S s{.one = a};\n  s.two = a ? 1 : 2;  // why\n  // more\n"
      "  g({.three = a});\n  switch (a) {\n    case 1: return s;\n  }\n  return S{a};\n}\n";
  const auto why = [&](const std::string& text) { return why_not(body, text); };
  EXPECT_NE(why("- S s{.one = a};\n+ S s{};\n").find("a declaration"), std::string::npos);
  EXPECT_NE(why("- a ? 1 : 2;\n+ 2;\n").find("begins inside of one"), std::string::npos);
  EXPECT_NE(why("- {.three = a}\n+ {}\n").find("begins inside of one"), std::string::npos);
  EXPECT_NE(why("- case 1: return s;\n+ case 1: return S{};\n").find("a label"), std::string::npos);
  EXPECT_EQ(why("- g({.three = a});\n+\n"), "") << "behind a comment";
  EXPECT_EQ(why("- return s;\n+ return S{};\n"), "") << "behind a label";
  EXPECT_EQ(why("- return S{a};\n+ return S{};\n"), "");
}

TEST(Weave, ADesignatedInitializerIsRefused) {
  const std::string body = "S f(int a) { return S{.one = a, .two = 2}; }\n";
  const auto why = [&](const std::string& text) { return why_not(body, text); };
  EXPECT_NE(why("- .one = a\n+ .one = 1\n").find("a member's name"), std::string::npos);
  EXPECT_EQ(why("- a\n+ 1\nafter: .one =\n"), "");
}

TEST(Weave, HalfOfAStatementIsRefused) {
  const std::string body = "int f(int a) { if (a == 1) return a; return 2; }\n";
  const auto why = [&](const std::string& text) { return why_not(body, text); };
  EXPECT_NE(why("- if (a == 1)\n+ if (a == 2)\n").find("half of a statement"), std::string::npos);
  EXPECT_EQ(why("- if (a == 1) return a;\n+\n"), "");
}

TEST(Weave, AChoiceIsWholeOrItsPartsAre) {
  const std::string source_with_choice = "int f(bool b) { return b ? g::one() : 2; }\n";
  const auto weave_choice = [&](const std::string& text) {
    return weave(source_with_choice, listed(entry(text)));
  };
  const auto cut = weave_choice("- b ? g::one()\n+ false ? g::one()\n");
  ASSERT_FALSE(cut.has_value());
  EXPECT_NE(cut.error().message.find("a '?' and its ':'"), std::string::npos)
      << cut.error().message;
  EXPECT_TRUE(weave_choice("- b ? g::one() : 2\n+ 2\n").has_value());
  EXPECT_TRUE(weave_choice("- g::one()\n+ 1\n").has_value());
}

/// The compiler's launcher is one, without which no woven tree builds.
TEST(Weave, WhatRunsInTheTreeRunsInItsCopy) {
  namespace fs = std::filesystem;
  const fs::path root = fs::temp_directory_path() / ("weave_test." + std::to_string(::getpid()));
  fs::create_directories(root / "tree/cmake");
  const fs::path script = root / "tree/cmake/launcher.sh";
  std::ofstream(script) << "#!/bin/sh\n";
  const auto of_copy = [&](fs::perms perms) {
    fs::permissions(script, perms);
    EXPECT_TRUE(weave_folder((root / "tree").string(), "cmake", (root / "copy").string(), {}));
    return fs::status(root / "copy/cmake/launcher.sh").permissions();
  };
  EXPECT_EQ(of_copy(fs::perms{0755}), fs::perms{0755});
  EXPECT_EQ(of_copy(fs::perms{0644}), fs::perms{0644});
  fs::remove_all(root);
}

TEST(MutantList, SaysWhatIsMissingAndWhere) {
  EXPECT_NE(refused_list("- a\n").find("test.mutants:1: a mutant begins with"), std::string::npos);
  EXPECT_NE(refused_list("[one] f.cpp\n- a\n+ b\n").find("has no 'what:'"), std::string::npos);
  EXPECT_NE(refused_list(entry("+ b\n")).find("has no '-' line"), std::string::npos);
  EXPECT_NE(refused_list(entry("- a\n")).find("replaces an expression by nothing"),
            std::string::npos);
  EXPECT_NE(refused_list(entry("what: again\n- a\n+ b\n")).find("said twice"), std::string::npos);
  EXPECT_NE(refused_list("[One] f.cpp\n").find("an id is of"), std::string::npos);
  EXPECT_NE(refused_list(entry("- a\n+ b\nwhy: not\n")).find("a line begins with"),
            std::string::npos);
}

TEST(MutantList, BelongsToAPartByItsFolder) {
  const auto list = listed(
      "[a] spec/arch/walk.h\nwhat: x\n- a\n+ b\n[b] impl/x.h\nwhat: x\n- a\n+ b\n"
      "[c] monitor/x.h\nwhat: x\n- a\n+ b\nequivalent: because\n");
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(part_of(list[0]), Part::specification);
  EXPECT_EQ(part_of(list[1]), Part::driver);
  EXPECT_EQ(part_of(list[2]), Part::harness);
  EXPECT_EQ(list[2].equivalent, "because");
  EXPECT_EQ(list[2].place, "test.mutants:9");
}

}  // namespace
}  // namespace iommucheck::mutants::weave_test
