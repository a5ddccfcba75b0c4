// SPDX-License-Identifier: MIT
// What a profile fixes: each item of the catalogue has a question here that has another answer with
// each of its values, and no item is without one. What lacking caches leave is told to the letter
// by litmus/files/lacks.litmus, and compared with the literal model (tests/litmus).
#include "spec/smmu/profile.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "smmu_device_support.h"
#include "tests/document.h"
#include "tests/places.h"

namespace iommucheck::spec::profile_test {
namespace {

constexpr Access read_of_page{.sid = 1, .va = 0x1000};
constexpr u64 other_page = SmallMachine::page + 0x5000;

/// Translates by stage 1, no ATS.
struct Stage1Machine : SmallMachine {
  explicit Stage1Machine(const Profile& profile) : SmallMachine(full_capabilities(), profile) {
    ste(1, make_stage1_ste({.s1contextptr = cds}));
    cd(0, plain_cd());
  }
  explicit Stage1Machine(const Profile& profile, bool /*on*/) : Stage1Machine(profile) { enable(); }
};

/// Word 0 of the STE says abort, then word 1 what is illegal with the old word 0.
std::string words_in_turn(const Profile& profile) {
  Stage1Machine m(profile, true);
  constexpr u64 strw_reserved = u64{3} << 30;
  m.store(SmallMachine::strtab + 64, make_abort_ste().dw[0]);
  m.store(SmallMachine::strtab + 64 + 8, strw_reserved);
  return m.text(read_of_page);
}

std::string cd_cleared(const Profile& profile) {
  Stage1Machine m(profile, true);
  m.store(SmallMachine::cds, 0);
  return m.text(read_of_page);
}

/// A table is unlinked with a TLBI of leaves, and then changed.
std::string table_unlinked(const Profile& profile) {
  Stage1Machine m(profile, true);
  m.store(SmallMachine::middle, 0);
  Command leaf = cmd_tlbi_nh_va(0, 5, 0x1000);
  leaf.leaf = true;
  m.run(leaf);
  m.store(SmallMachine::leaves + 8, other_page | SmallMachine::rw_leaf);
  return m.text(read_of_page);
}

std::string leaf_cleared(const Profile& profile) {
  Stage1Machine m(profile, true);
  m.store(SmallMachine::leaves + 8, 0);
  return m.text(read_of_page);
}

std::string on_from_reset(const Profile& profile) {
  Stage1Machine m(profile);
  m.caches.reset();
  m.enable();
  return m.text(read_of_page);
}

/// What GBPA may read as before it is written.
std::string gbpa(const Profile& profile) {
  std::string admitted;
  for (const u64 value : {u64{0x1000}, u64{0x1000} | gbpa::abort}) {
    DriverMachine m(full_capabilities(), profile);
    m.smmu.reset(true);
    admitted += m.answer(reg::gbpa, value) ? " yes" : " no";
  }
  return admitted;
}

/// CONS is written in page 0 and read in both; whether page 0 may read as something else; rules.
std::string indices(const Profile& profile) {
  DriverMachine m(full_capabilities(), profile);
  m.write(reg::eventq_cons_page0, 3);
  std::string text = std::to_string(m.read(reg::eventq_cons_page0)) + " " +
                     std::to_string(m.read(reg::eventq_cons)) + " " + m.broken();
  DriverMachine judged(full_capabilities(), profile);
  text += judged.answer(reg::eventq_cons_page0, 5) ? " anything" : " known";
  return text;
}

std::string prefetched(const Profile& profile) {
  DriverMachine m(full_capabilities(), profile);
  m.boot();
  m.broken();
  Command prefetch;
  prefetch.op = Opcode::prefetch_config;
  prefetch.sid = 1;
  m.slot(prefetch);
  m.ring();
  return std::to_string(m.read(reg::gerror)) + " " + m.broken();
}

/// An entry that was answered with a PASID, behind an invalidation without one.
std::string untagged_invalidation(const Profile& profile) {
  SmallMachine m(full_capabilities(), profile);
  m.ste(1,
        make_stage1_ste({.s1contextptr = SmallMachine::cds, .s1cdmax = 2, .s1dss = 2, .eats = 1}));
  for (u32 n = 0; n < 3; ++n) m.cd(n, SmallMachine::plain_cd());
  m.enable();
  m.caches.set_ats(1, true);
  m.store(SmallMachine::leaves + 8, 0);
  m.run(cmd_tlbi_nh_va(0, 5, 0x1000));
  m.run(SmallMachine::atc_inv(1, 0, 52));
  return m.text({.sid = 1, .ssid = 1, .ssv = true, .va = 0x1000, .route = Route::translated});
}

/// What is left of an entry of stage 2, of a nested stream, behind TLBI_S2_IPA.
std::string left_by_ipa(const Profile& profile) {
  SmallMachine m(full_capabilities(), profile);
  m.ste(1, with_stage2(make_stage1_ste({.s1contextptr = SmallMachine::cds}),
                       {.s2ttb = SmallMachine::root, .s2t0sz = 25, .s2ps = 5, .s2vmid = 9}));
  m.put(SmallMachine::leaves + 8, SmallMachine::page | 0x4ff);
  m.enable();
  m.store(SmallMachine::leaves + 8, 0);
  Command ipa;
  ipa.op = Opcode::tlbi_s2_ipa;
  ipa.vmid = 9;
  ipa.address = 0x1000;
  m.run(ipa);
  return std::to_string(m.caches.items_alive());
}

const std::map<std::string_view, std::function<std::string(const Profile&)>>& questions() {
  static const std::map<std::string_view, std::function<std::string(const Profile&)>> all = {
      {"config-atom", words_in_turn},
      {"config-cache", cd_cleared},
      {"walk-cache", table_unlinked},
      {"tlb", leaf_cleared},
      {"combined-entries", left_by_ipa},
      {"reset-caches", on_from_reset},
      {"gbpa-reset", gbpa},
      {"page0-indices", indices},
      {"page1", indices},
      {"prefetch", prefetched},
      {"untagged-atc-inv", untagged_invalidation},
  };
  return all;
}

Profile with(const ProfileItem& item, unsigned value) {
  Profile profile;
  item.set(profile, value);
  return profile;
}

TEST(Profile, EachValueDecidesSomething) {
  for (const ProfileItem& item : profile_items()) {
    const auto question = questions().find(item.name);
    ASSERT_NE(question, questions().end()) << item.name << " has no question here";
    std::set<std::string> answers;
    for (unsigned value = 0; value < item.values.size(); ++value) {
      answers.insert(question->second(with(item, value)));
    }
    EXPECT_EQ(answers.size(), item.values.size()) << item.name << ": " << *answers.begin();
  }
  EXPECT_EQ(questions().size(), profile_items().size());
}

/// A question that another item decides would not show that this one does.
TEST(Profile, TheOthersDecideNothingOfIt) {
  for (const ProfileItem& item : profile_items()) {
    if (item.name == "page0-indices" || item.name == "page1") continue;  // of the same registers
    const auto& ask = questions().at(item.name);
    const std::string usual = ask({});
    for (const ProfileItem& other : profile_items()) {
      const bool together = item.name == "walk-cache" && other.name == "tlb";
      const bool of_tlbs = item.name == "combined-entries" || item.name == "reset-caches";
      const bool caches = other.name == "tlb" || other.name == "walk-cache" ||
                          other.name == "config-cache" || other.name == "reset-caches";
      const bool cached_words = item.name == "config-atom" && other.name == "config-cache";
      if (&other == &item || together || cached_words || (of_tlbs && caches)) continue;
      EXPECT_EQ(ask(with(other, 1)), usual) << item.name << " by " << other.name;
    }
  }
}

TEST(Profile, ItsValuesAreExactlyTheseSets) {
  const auto ask = [](std::string_view name, std::string_view value) {
    const ProfileItem* item = find_profile_item(name);
    return questions().at(name)(with(*item, *item->value_named(value)));
  };
  EXPECT_EQ(ask("config-atom", "8"), "0 C_BAD_STE abort");
  EXPECT_EQ(ask("config-atom", "16"), "0 abort");
  EXPECT_EQ(ask("config-cache", "kept"), "0 C_BAD_CD");
  EXPECT_EQ(ask("config-cache", "none"), "C_BAD_CD");
  EXPECT_EQ(ask("walk-cache", "kept"), "any");
  EXPECT_EQ(ask("walk-cache", "none"), "F_TRANSLATION");
  EXPECT_EQ(ask("tlb", "kept"), "0 F_TRANSLATION");
  EXPECT_EQ(ask("tlb", "none"), "F_TRANSLATION");
  EXPECT_EQ(ask("combined-entries", "kept"), "1");
  EXPECT_EQ(ask("combined-entries", "none"), "0");
  EXPECT_EQ(ask("reset-caches", "open"), "any");
  EXPECT_EQ(ask("reset-caches", "empty"), "0");
  EXPECT_EQ(ask("gbpa-reset", "open"), " yes yes");
  EXPECT_EQ(ask("gbpa-reset", "abort"), " no yes");
  EXPECT_EQ(ask("gbpa-reset", "bypass"), " yes no");
  EXPECT_EQ(ask("page0-indices", "open"), "0 0 REGISTER_PAGE0_ALIAS REGISTER_PAGE0_ALIAS anything");
  EXPECT_EQ(ask("page0-indices", "alias"), "3 3  known");
  EXPECT_EQ(ask("page0-indices", "raz-wi"), "0 0 REGISTER_PAGE0_ALIAS REGISTER_PAGE0_ALIAS known");
  EXPECT_EQ(ask("page1", "absent"), "3 0 REGISTER_PAGE0_ALIAS known");
  EXPECT_EQ(ask("prefetch", "known"), "0 ");
  EXPECT_EQ(ask("prefetch", "illegal"), "1 QUEUE_COMMAND_ILLEGAL");
  EXPECT_EQ(ask("untagged-atc-inv", "all"), "denied");
  EXPECT_EQ(ask("untagged-atc-inv", "without-pasid"), "0 denied");
}

TEST(Profile, NamesAndValuesAreWordsOfTheirOwn) {
  std::set<std::string_view> names;
  bool deviations = false;
  for (const ProfileItem& item : profile_items()) {
    EXPECT_TRUE(names.insert(item.name).second) << item.name;
    deviations |= item.kind == ProfileItem::Kind::deviation;
    EXPECT_EQ(item.kind == ProfileItem::Kind::deviation, deviations) << "choices come first";
    EXPECT_GE(item.values.size(), 2U);
    EXPECT_EQ(item.get({}), 0U) << item.name << ": the first value is what counts without one";
    std::set<std::string_view> values;
    for (unsigned value = 0; value < item.values.size(); ++value) {
      EXPECT_TRUE(values.insert(item.values[value].name).second);
      EXPECT_EQ(item.get(with(item, value)), value) << item.name;
      EXPECT_EQ(item.value_named(item.values[value].name), value);
    }
    EXPECT_FALSE(item.value_named("nonsense"));
  }
  EXPECT_EQ(find_profile_item("nonsense"), nullptr);
}

TEST(Profile, ItsSectionsExist) {
  std::ifstream file(test::in_tree("docs/ihi0070-sections.txt"));
  std::set<std::string> sections;
  for (std::string line; std::getline(file, line);) sections.insert(line);
  for (const ProfileItem& item : profile_items()) {
    std::istringstream words{std::string(item.section)};
    std::string word;
    words >> word;
    EXPECT_EQ(word, "IHI");
    words >> word;
    EXPECT_EQ(word, "0070");
    while (words >> word) {
      if (word.back() == ',') word.pop_back();
      EXPECT_TRUE(sections.contains(word)) << item.name << " cites " << word;
    }
  }
}

/// A row a value, the item's own columns in the first.
std::string table() {
  std::string out = "| name | value | what the implementation does | source |\n|---|---|---|---|\n";
  for (const ProfileItem& item : profile_items()) {
    const bool choice = item.kind == ProfileItem::Kind::choice;
    for (const ProfileItem::Value& value : item.values) {
      const bool first = &value == item.values.data();
      out += first ? "| `" + std::string(item.name) + "`" + (choice ? "" : " (deviation)") : "| ";
      out += " | `" + std::string(value.name) + "` | ";
      if (first) out += "*" + std::string(item.text) + "* ";
      out += std::string(value.text) + " | " + (first ? std::string(item.section) : "") + " |\n";
    }
  }
  return out;
}

TEST(ProfileDocument, HasTheCatalogue) {
  test::Document document(test::in_tree("docs/profiles.md"));
  document.put("choices", table());
  document.check();
}

}  // namespace
}  // namespace iommucheck::spec::profile_test
