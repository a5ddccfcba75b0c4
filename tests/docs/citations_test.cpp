// SPDX-License-Identifier: MIT
// A citation that leads nowhere is worse than none: every section that a rule, a comment or a page
// names is one that exists. The manual's numbers are in docs/ihi0070-sections.txt; the other
// sources are pages of docs/.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "spec/rule_notes.h"
#include "spec/rules.h"
#include "tests/docs/tree.h"

namespace iommucheck::citations_test {
namespace {

namespace fs = std::filesystem;
using test::manual_sections;
using test::read_file;
const fs::path& root = test::tree();

/// "## 2. Items" and "### 2.3 When" of a page: 2 and 2.3.
std::set<std::string> numbered_headings(const fs::path& page) {
  std::set<std::string> sections;
  std::ifstream in(page);
  static const std::regex heading(R"(^#{2,3} ([0-9]+(\.[0-9]+)*)\b)");
  for (std::string line; std::getline(in, line);) {
    if (std::smatch match; std::regex_search(line, match, heading)) sections.insert(match[1]);
  }
  return sections;
}

/// The paragraphs of docs/interface.md: "**PASID numbers.** ..."
std::set<std::string> interface_paragraphs() {
  std::set<std::string> names;
  std::ifstream in(root / "docs/interface.md");
  static const std::regex begin(R"(^\*\*([^*]+)\.\*\*)");
  for (std::string line; std::getline(in, line);) {
    if (std::smatch match; std::regex_search(line, match, begin)) names.insert(match[1]);
  }
  return names;
}

/// The text from `at` on, line breaks inside of a comment being as good as a space.
std::string window(const std::string& text, std::size_t at) {
  static const std::regex breaks(R"(\s*\n\s*(///?<?|\*|#)?\s*)");
  return std::regex_replace(text.substr(at, 100), breaks, " ");
}

/// A way to cite: the word before it, a list of numbers or a name behind it, and what there is.
struct Source {
  std::string word;
  std::regex list;  ///< matched at once behind the word; group 1 is what is cited
  std::set<std::string> exists;
  bool numbers = true;  ///< group 1 is a list of numbers, else one name
};

const std::vector<Source>& sources() {
  static const std::vector<Source> all = {
      {"IHI 0070 ", std::regex(R"(([0-9]+(\.[0-9]+)*((, | and | to )[0-9]+(\.[0-9]+)*)*))"),
       manual_sections()},
      {"arch ", std::regex(R"(([0-9]+(\.[0-9]+)*((, )[0-9]+(\.[0-9]+)+)*))"),
       numbered_headings(root / "docs/smmuv3.md")},
      {"S ", std::regex(R"(([1-9][0-9]*((, )[1-9])*)(?![0-9A-Za-z_:.][0-9A-Za-z]))"),
       numbered_headings(root / "docs/semantics.md")},
      {"SEMANTICS ", std::regex(R"(([0-9]+((, )[0-9]+)*))"),
       numbered_headings(root / "docs/semantics.md")},
      {"INTERFACE ", std::regex(R"(([A-Z][A-Za-z_]*( numbers| 0| domains| and their order)?))"),
       interface_paragraphs(), false},
      {"DESIGN ", std::regex(R"(([0-9]+))"), {}},  // was never in this tree
  };
  return all;
}

/// What `text` cites and nobody has.
std::vector<std::string> dangling(const std::string& text) {
  static const std::regex number(R"([0-9]+(\.[0-9]+)*)");
  std::vector<std::string> missing;
  for (const Source& source : sources()) {
    for (std::size_t at = text.find(source.word); at != std::string::npos;
         at = text.find(source.word, at + 1)) {
      if (at > 0 && (std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0)) continue;
      const std::string rest = window(text, at + source.word.size());
      std::smatch match;
      if (!std::regex_search(rest, match, source.list, std::regex_constants::match_continuous)) {
        continue;
      }
      const std::string cited = match[1];
      if (!source.numbers) {
        if (!source.exists.contains(cited)) missing.push_back(source.word + cited);
        continue;
      }
      for (std::sregex_iterator one(cited.begin(), cited.end(), number), end; one != end; ++one) {
        if (!source.exists.contains(one->str())) missing.push_back(source.word + one->str());
      }
    }
  }
  return missing;
}

std::vector<fs::path> files() {
  static const std::set<std::string> folders = {
      "base",     "bench",    "capi",    "check",   "cli",     "conform",    "docs",
      "examples", "explain",  "fuzz",    "host",    "impl",    "import",     "include",
      "litmus",   "matrix",   "monitor", "mutants", "process", "operations", "proofs",
      "report",   "scenario", "spec",    "tests",   "trace"};
  static const std::set<std::string> endings = {".h",  ".c",      ".cpp",     ".def",
                                                ".md", ".litmus", ".scenario"};
  std::vector<fs::path> found;
  for (const std::string& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (endings.contains(entry.path().extension())) found.push_back(entry.path());
    }
  }
  std::ranges::sort(found);
  return found;
}

TEST(Citations, LeadSomewhere) {
  std::size_t seen = 0;
  for (const fs::path& file : files()) {
    if (file.filename() == "citations_test.cpp") continue;
    ++seen;
    for (const std::string& missing : dangling(read_file(file))) {
      ADD_FAILURE() << fs::relative(file, root).string()
                    << " cites what does not exist: " << missing;
    }
  }
  EXPECT_GT(seen, 300U);
}

TEST(Citations, OfEachKindAreMissedWhereTheyAreWrong) {
  const auto count = [](const std::string& text) { return dangling(text).size(); };
  EXPECT_EQ(count("IHI 0070 3.21.3.1, 5.4.2; arch 2.3 #1, S 2; INTERFACE PASID numbers"), 0U);
  EXPECT_EQ(count("IHI 0070 3.21.3.2"), 1U);
  EXPECT_EQ(count("// IHI 0070 5.4,\n  // 3.99"), 1U);
  EXPECT_EQ(count("arch 2.9"), 1U);
  EXPECT_EQ(count("(S 9)"), 1U);
  EXPECT_EQ(count("SEMANTICS 2, 8"), 1U);
  EXPECT_EQ(count("INTERFACE Teapots"), 1U);
  EXPECT_EQ(count("DESIGN 5"), 1U);
}

/// Where rules are decided: not their catalogue, and not what only speaks about verdicts.
std::string deciding_code() {
  static const std::set<std::string> speaking = {
      "rules.h", "rules_catalogue.cpp", "rule_verdicts.cpp", "verdicts.cpp", "not_claimed.cpp"};
  std::string code;
  for (const char* folder : {"spec", "monitor", "host", "check", "conform"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const fs::path& path = entry.path();
      const bool source = path.extension() == ".h" || path.extension() == ".cpp";
      if (!source || speaking.contains(path.filename())) continue;
      code += read_file(path);
    }
  }
  return code;
}

TEST(Rules, AreDecidedSomewhereOrSayThatTheyAreNotModelled) {
  const std::string code = deciding_code();
  for (const spec::RuleInfo& rule : spec::all_rules()) {
    const std::string name = "rule::" + std::string(rule.name);
    bool decided = false;
    for (std::size_t at = code.find(name); at != std::string::npos; at = code.find(name, at + 1)) {
      const char next = code[std::min(at + name.size(), code.size() - 1)];
      decided |= (std::isalnum(static_cast<unsigned char>(next)) == 0) && next != '_';
    }
    EXPECT_EQ(decided, spec::not_modelled(rule.rule).empty()) << rule.name;
  }
}

TEST(Rules, OfDriversCallersAndDevicesSayWhatUsuallyBreaksThem) {
  for (const spec::RuleInfo& rule : spec::all_rules()) {
    if (rule.keeper == spec::Keeper::smmu) continue;
    EXPECT_FALSE(spec::rule_note(rule.rule).empty())
        << rule.name << " lacks a NOTE in spec/rule_notes.def";
  }
}

TEST(Citations, EachRuleHasOne) {
  static const std::regex known(
      R"(IHI 0070 [0-9]|DDI 0487 D8\.([1-9]|1[0-9])\b|\bS [0-9]|arch [0-9]|INTERFACE|driver\.h)");
  for (const spec::RuleInfo& rule : spec::all_rules()) {
    const std::string section(rule.section);
    EXPECT_TRUE(std::regex_search(section, known)) << rule.name << ": " << section;
  }
}

}  // namespace
}  // namespace iommucheck::citations_test
