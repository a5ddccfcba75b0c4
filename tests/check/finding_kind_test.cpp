// SPDX-License-Identifier: MIT
// A finding's kind is its members: its words are for people, and rewording them changes neither
// what is known nor what is the same.
#include "monitor/finding_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "check/alone.h"
#include "check/campaign_folder.h"
#include "check/finding_kind.h"
#include "check/known_findings.h"
#include "report/finding_kind_names.h"
#include "report/finding_kind_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::oracle::finding_kind_test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using What = FindingKind::What;
using Wrong = FindingKind::Wrong;

void add_left_over(std::vector<FindingKind>& all) {
  for (const auto& thing : thing_names) {
    for (const auto& why : why_names) {
      for (const char* since : {"", "unmap_fast"}) {
        const LeftOver left{.thing = thing.value, .why = why.value, .since = since};
        all.push_back({.doing = "unmap", .left = left});
        all.push_back({.what = What::answer,
                       .doing = "map",
                       .status = spec::sva::Status::etimedout,
                       .words = "permitted: ok, EINVAL (of # pages)",
                       .left = left});
      }
    }
  }
  all.push_back({.doing = "map", .left = LeftOver{.thing = LeftOver::Thing::store}});
  all.push_back({.what = What::model, .doing = "map", .words = "an entry of # is cached"});
}

void add_may(std::vector<FindingKind>& all) {
  for (const char* name : {"anything", "reach", "not_granted", "F_TRANSLATION", "C_BAD_STE"}) {
    const MayDo may = may_of_name(name).value();
    for (const bool walker : {false, true}) {
      const FindingKind kind{.what = What::may, .doing = "attach", .may = {may}, .walker = walker};
      all.push_back(kind);
      for (const Wrong wrong : {Wrong::place, Wrong::rights}) {
        all.push_back(kind);
        all.back().wrong = wrong;
      }
      for (u32 i = 0; i < static_cast<u32>(spec::sva::State::within); ++i) {
        all.push_back(kind);
        all.back().promised = {static_cast<spec::sva::State>(i), spec::sva::State::within};
        all.push_back(all.back());
        all.back().rule = spec::rule::PAGE_REUSE;
      }
    }
    all.push_back({.what = What::may,
                   .may = {may},
                   .wrong = Wrong::memory,
                   .memory = "Normal-iNC-oNC, outer shareable"});
  }
  all.push_back({.what = What::may,
                 .doing = "map",
                 .may = {{MayKind::reach, {}}, {MayKind::fault, {}}},
                 .rule = spec::rule::PAGE_REUSE});
}

/// One with each value of each member.
std::vector<FindingKind> every_kind() {
  std::vector<FindingKind> all;
  add_left_over(all);
  add_may(all);
  for (const auto status : {spec::sva::Status::ok, spec::sva::Status::not_built,
                            spec::sva::Status::eexist, static_cast<spec::sva::Status>(7)}) {
    all.push_back({.what = What::answer, .doing = "map", .status = status});
  }
  using End = FindingKind::End;
  all.push_back({.what = What::end, .doing = "boot"});
  all.push_back({.what = What::end, .doing = "boot", .end = End::signal, .number = 11});
  all.push_back({.what = What::end, .doing = "map", .end = End::exit, .number = 3});
  return all;
}

Finding finding_with(const FindingKind& kind) {
  Finding finding = finding_of(spec::rule::PAGE_REUSE, {});
  finding.kind = kind;
  return finding;
}

/// What an older version has written is known by its words alone.
TEST(FindingKinds, ComeBackFromTheirWords) {
  std::set<std::string> texts;
  for (const FindingKind& kind : every_kind()) {
    const std::string text = text_of(kind);
    EXPECT_TRUE(texts.insert(text).second) << text << " is two kinds";
    const auto back = kind_of_text(text);
    ASSERT_TRUE(back) << text;
    EXPECT_EQ(*back, kind) << text << " came back as " << text_of(*back);
  }
  for (const char* sentence : {"", "unmap", "CMDQ_PROD moves backwards: # is behind #", "a; b; c"})
    EXPECT_FALSE(kind_of_text(sentence) && text_of(*kind_of_text(sentence)) != sentence);
}

TEST(FindingKinds, ComeBackFromTheirParts) {
  std::vector<FindingKind> all = every_kind();
  all.push_back({.what = What::sentence, .doing = "map", .words = "\"a; sentence: #\""});
  all.push_back({.what = What::sentence, .doing = "map"});
  all.push_back(kind_in_words("PROD moves backwards"));
  all.emplace_back();
  std::set<u64> keys;
  for (const FindingKind& kind : all) {
    const std::string json = to_json(kind).text();
    const auto tree = trace::parse_json(json);
    ASSERT_TRUE(tree) << json;
    const auto back = kind_of_json(*tree);
    ASSERT_TRUE(back) << json << ": " << back.error().message;
    EXPECT_EQ(*back, kind) << json;
    EXPECT_TRUE(keys.insert(key_of(spec::rule::PAGE_REUSE, kind)).second) << json;
  }
}

/// No words, which may be others tomorrow, are in what files keep; nor do names have two meanings.
TEST(FindingKinds, HaveNamesThatAreNotTheirWords) {
  const auto check = [](const auto& names) {
    std::set<std::string_view> all;
    for (const auto& one : names) {
      EXPECT_TRUE(all.insert(one.name).second) << one.name;
      EXPECT_EQ(one.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"),
                std::string_view::npos);
    }
  };
  check(thing_names);
  check(why_names);
  check(wrong_names);
  check(end_names);
}

class KnownByParts : public testing::Test {
 protected:
  static std::string file_with(const std::string& kind, const std::string& parts) {
    return R"({"driver": "d", "findings": [{"id": "x", "rule": "PAGE_REUSE", "why": "w",)"
           "\n \"kind\": \"" +
           kind + "\"" + (parts.empty() ? "" : ", \"parts\": " + parts) + "}]}";
  }
  Expected<KnownFile> read(const std::string& text) const {
    std::ofstream(path_) << text;
    auto file = read_known(path_, KnownFile::Subject::driver);
    std::filesystem::remove(path_);
    return file;
  }
  /// Whether such an entry excuses it, under `rule`.
  bool excuses(const std::string& text, spec::Rule rule) const {
    auto file = read(text);
    EXPECT_TRUE(file) << file.error().message;
    if (!file) return false;
    CheckOptions options;
    options.known = std::make_shared<const KnownFile>(std::move(*file));
    Finding finding = finding_with(kind_);
    finding.rule = rule;
    return excuse_of(options, finding).has_value();
  }
  const FindingKind kind_{
      .doing = "unmap",
      .left = LeftOver{.thing = LeftOver::Thing::leaf, .why = LeftOver::Why::asid}};
  const std::string parts_ = R"({"in": "unmap", "left_over": "leaf", "left_by": "asid"})";
  const std::string path_ = test::own_path("parts.json");
};

/// As if each text had been written anew since.
TEST_F(KnownByParts, IsExcusedWhateverItsWordsAre) {
  EXPECT_TRUE(
      excuses(file_with("anything that was said of it once", parts_), spec::rule::PAGE_REUSE));
  // The twin: the words of today, and another kind.
  const std::string other = R"({"in": "unmap", "left_over": "leaf", "left_by": "vmid"})";
  EXPECT_FALSE(excuses(file_with(text_of(kind_), other), spec::rule::PAGE_REUSE));
  const std::string plain = R"({"in": "unmap", "left_over": "leaf"})";
  EXPECT_FALSE(excuses(file_with(text_of(kind_), plain), spec::rule::PAGE_REUSE));
}

/// Which of the rules about reach shows a cause first is luck.
TEST_F(KnownByParts, IsOneForTheRulesAboutReach) {
  EXPECT_TRUE(excuses(file_with("x", parts_), spec::rule::PROMISE_OUTCOME));
  EXPECT_FALSE(excuses(file_with("x", parts_), spec::rule::TABLE_FREE));
}

TEST_F(KnownByParts, AnOlderFileHasWordsAlone) {
  EXPECT_TRUE(excuses(file_with("unmap; leaf cached, ASID", ""), spec::rule::PAGE_REUSE));
  EXPECT_TRUE(excuses(file_with("unmap; leaf cached, ASID", ""), spec::rule::PROMISE_OUTCOME));
  EXPECT_TRUE(excuses(file_with("unmap; *", ""), spec::rule::PAGE_REUSE));
  EXPECT_FALSE(excuses(file_with("unmap; *", ""), spec::rule::PROMISE_OUTCOME));
  EXPECT_FALSE(excuses(file_with("unmap; leaf cached, VMID", ""), spec::rule::PAGE_REUSE));
}

TEST_F(KnownByParts, SaysWhereAPartIsWrong) {
  for (const char* parts : {R"({"in": "unmap", "left_by": "level?"})", R"({"ni": "unmap"})",
                            R"({"may": ["reach", "fly"]})", R"({"number": -1})", R"({"in": 3})"}) {
    const auto file = read(file_with("x", parts));
    ASSERT_FALSE(file) << parts;
    EXPECT_THAT(file.error().message, HasSubstr(path_ + ":2:"));
    EXPECT_THAT(file.error().message, HasSubstr("a kind has no such member"));
  }
  EXPECT_FALSE(read(file_with("x", "[]")));
}

TEST_F(KnownByParts, IsWrittenAndReadAgain) {
  CheckResult result;
  result.driver_name = "d";
  result.findings.emplace_back(finding_with(kind_));
  const std::string text = known_text(known_after({}, result));
  EXPECT_THAT(text, HasSubstr("\"kind\": \"unmap; leaf cached, ASID\""));
  const auto file = read(text);
  ASSERT_TRUE(file) << file.error().message;
  ASSERT_EQ(file->entries.size(), 1U);
  EXPECT_EQ(file->entries.front().parts, kind_);
  EXPECT_EQ(known_text(*file), text);
}

/// A campaign's folder goes on by the same members; slices of before have words alone.
TEST_F(KnownByParts, ASliceKeepsThem) {
  CampaignSlice slice;
  slice.findings.push_back({.rule = "PAGE_REUSE", .kind = kind_, .id = "x", .text = "t"});
  slice.kinds.emplace(order_of("PAGE_REUSE", kind_), kind_);
  std::string text = to_json(slice);
  for (const bool older : {false, true}) {
    if (older) text = std::regex_replace(text, std::regex(R"re("parts": ?\{[^}]*\},?)re"), "");
    if (older) text = std::regex_replace(text, std::regex(R"re(,(\s*)\})re"), "$1}");
    const auto back = slice_from_json(text, "s");
    ASSERT_TRUE(back) << back.error().message << "\n" << text;
    ASSERT_EQ(back->findings.size(), 1U);
    EXPECT_EQ(back->findings.front().kind, kind_);
    EXPECT_EQ(back->kinds.begin()->second, kind_);
  }
}

/// How it ended is a member, whatever was being done.
TEST(FindingKinds, OfADeathAreTheDriversEnd) {
  Outcome crash;
  crash.ended = Ended::crashed;
  crash.signal = 11;
  const FindingKind kind = kind_of_end(crash, "unmap");
  EXPECT_EQ(text_of(kind), "unmap: signal 11");
  EXPECT_TRUE(is_of_end(kind_of_end(crash, "map"), crash));
  EXPECT_FALSE(is_of_end(kind_in_words("unmap: signal 11"), crash));
  crash.signal = 6;
  EXPECT_FALSE(is_of_end(kind, crash));
}

/// Nobody takes the words of a kind apart but who reads files.
TEST(FindingKinds, AreTakenApartInOnePlace) {
  const std::regex apart(R"(kind\)*(\.|->)(find|rfind|contains|starts_with|ends_with|substr)\()");
  std::string found;
  for (const char* folder : {"monitor", "report", "check", "conform", "matrix", "explain", "capi",
                             "host", "scenario", "cli", "fuzz"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(test::in_tree(folder))) {
      const std::string name = entry.path().filename().string();
      if (!name.ends_with(".cpp") && !name.ends_with(".h")) continue;
      // An entry of a user, with its stars.
      if (name == "known.cpp" || name == "finding_kind_text.cpp") continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) {
        if (std::regex_search(line, apart)) found += name + ": " + line + "\n";
      }
    }
  }
  EXPECT_THAT(found, IsEmpty());
}

}  // namespace
}  // namespace iommucheck::oracle::finding_kind_test
