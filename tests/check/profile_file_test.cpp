// SPDX-License-Identifier: MIT
// Profiles as files: what they say of a machine, the schema, and what is wrong with one, by its
// place.
#include "check/profile_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "check/machine.h"
#include "tests/places.h"
#include "tests/report/json_schema_support.h"
#include "trace/json_value.h"

namespace iommucheck::test::profile_file_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ProfileFile, IsChangesOfAMachine) {
  const auto profile = oracle::parse_profile(R"({
  "profile": 1, "name": "ours", "about": "its manual, chapter 2",
  "registers": {"minor": 0, "cohacc": 0, "oas": 40},
  "devices": "0x7:5:stall",
  "choices": {"walk-cache": "none", "config-atom": "16"},
  "deviations": {"prefetch": "illegal"}
})",
                                             "p.json");
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->name, "ours");
  const auto machine = oracle::parse_machine(profile->machine);
  ASSERT_TRUE(machine) << machine.error().message;
  EXPECT_EQ(machine->caps.minor, 0U);
  EXPECT_EQ(machine->caps.oas_lg2, 40U);
  EXPECT_FALSE(machine->caps.cohacc);
  EXPECT_EQ(machine->devices.at(0).stream_ids.at(0), 7U);
  EXPECT_FALSE(machine->profile.caches_walks);
  EXPECT_TRUE(machine->profile.caches_leaves);
  EXPECT_EQ(machine->profile.config_atom, 16U);
  EXPECT_FALSE(machine->profile.knows_prefetch);
}

struct Wrong {
  const char* text;
  const char* place;
  const char* words;
};
constexpr Wrong wrong_ones[] = {
    {"", "p:1:1", ""},
    {"[]", "p:1:1", "a profile is an object"},
    {"{\"name\": \"x\"}", "p:1:1", "there is no \"profile\": 1"},
    {"{\"profile\": 2,\n \"name\": \"x\"}", "p:1:13", "the only version"},
    {"{\"profile\": 1,\n \"choices\": {\"tlb\": \"none\"}}", "p:1:1", "no \"name\""},
    {"{\"profile\": 1, \"name\": \"x\"}", "p:1:1", "it states nothing"},
    {"{\"profile\": 1, \"name\": 4}", "p:1:24", "\"name\" is words"},
    {"{\"profile\": 1,\n \"names\": \"x\"}", "p:2:2", "there is no \"names\"; there are profile,"},
    {"{\"profile\": 1, \"name\": \"x\",\n\n  \"choices\": []}", "p:3:14",
     "\"choices\" is an object"},
    {"{\"profile\": 1, \"name\": \"x\",\n  \"choices\": {\n    \"tlbs\": \"none\"}}", "p:3:5",
     "choices have no \"tlbs\"; there are config-atom, config-cache, walk-cache, tlb,"},
    {"{\"profile\": 1, \"name\": \"x\",\n  \"choices\": {\n    \"page1\": \"absent\"}}", "p:3:5",
     "choices have no \"page1\""},
    {"{\"profile\": 1, \"name\": \"x\",\n  \"deviations\": {\n    \"tlb\": \"none\"}}", "p:3:5",
     "deviations have no \"tlb\"; there are page1,"},
    {"{\"profile\": 1, \"name\": \"x\",\n  \"choices\": {\n    \"tlb\": \"some\"}}", "p:3:12",
     R"("tlb" is one of "kept", "none")"},
    {"{\"profile\": 1, \"name\": \"x\",\n  \"choices\": {\n    \"tlb\": 0}}", "p:3:12",
     "\"tlb\" is one of"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"registers\": {\"cohacc\": 7}}", "p:2:16",
     "cohacc is a number from 0 to 1, not '7'"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"registers\": {\"cohac\": 1}}", "p:2:16",
     "there is no 'cohac'"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"registers\": {\"cohacc\": true}}", "p:2:26",
     "\"cohacc\" is a number"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"registers\": {\"tlb\": 1}}", "p:2:16",
     "\"tlb\" is of no ID register"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"registers\": {\"boot\": 1}}", "p:2:16",
     "\"boot\" is of no ID register"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"devices\": \"1:99\"}", "p:1:1", "device '1:99' is not"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"devices\": \"1:0,tlb=none\"}", "p:2:13",
     "a comma stands in no value"},
    {"{\"profile\": 1, \"name\": \"x\",\n \"choices\": {\"tlb\": \"none\", \"tlb\": \"kept\"}}",
     "p:2:29", "comes twice"},
};

TEST(ProfileFile, WhatIsWrongIsNamedWithItsPlace) {
  for (const Wrong& wrong : wrong_ones) {
    const auto profile = oracle::parse_profile(wrong.text, "p");
    ASSERT_FALSE(profile) << wrong.text;
    EXPECT_EQ(profile.error().code, ErrorCode::bad_input);
    EXPECT_THAT(profile.error().message, HasSubstr(std::string(wrong.place) + ": ")) << wrong.text;
    EXPECT_THAT(profile.error().message, HasSubstr(wrong.words)) << wrong.text;
  }
}

TEST(ProfileFile, WhatIsNoFileIsSaid) {
  EXPECT_THAT(oracle::read_profile("/nowhere/p.json").error().message,
              HasSubstr("/nowhere/p.json"));
}

trace::JsonValue schema() {
  auto json = trace::parse_json(text_of(test::in_tree("docs/profile.schema.json")));
  EXPECT_TRUE(json) << json.error().message;
  return json ? std::move(*json) : trace::JsonValue{};
}

TEST(ProfileFile, ThoseOfTheTreeAreAsTheSchemaSays) {
  unsigned count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::in_tree("data/profiles"))) {
    ++count;
    const auto profile = oracle::read_profile(entry.path());
    EXPECT_TRUE(profile) << profile.error().message;
    const auto json = trace::parse_json(text_of(entry.path()));
    ASSERT_TRUE(json);
    EXPECT_THAT(oracle::validate(*json, schema()), IsEmpty()) << entry.path();
  }
  EXPECT_GE(count, 2U);
}

/// The schema has the catalogue's names and values, and no others.
TEST(ProfileFile, TheSchemaHasTheCatalogue) {
  const trace::JsonValue all = schema();
  const trace::JsonValue& properties = all.find("properties")->value;
  std::size_t items = 0;
  for (const char* kind : {"choices", "deviations"}) {
    const trace::JsonValue& its = properties.find(kind)->value.find("properties")->value;
    items += its.members.size();
    for (const trace::JsonMember& member : its.members) {
      const spec::ProfileItem* item = spec::find_profile_item(member.key);
      ASSERT_NE(item, nullptr) << member.key;
      EXPECT_EQ(item->kind == spec::ProfileItem::Kind::choice, kind == std::string("choices"));
      const auto& values = member.value.find("enum")->value.items;
      ASSERT_EQ(values.size(), item->values.size()) << member.key;
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_EQ(values[i].text, item->values[i].name) << member.key;
      }
    }
  }
  EXPECT_EQ(items, spec::profile_items().size());
}

TEST(ProfileFile, AMachinesTextSaysWhatItsProfileStates) {
  for (const spec::ProfileItem& item : spec::profile_items()) {
    for (unsigned value = 0; value < item.values.size(); ++value) {
      oracle::Machine machine = oracle::default_machine();
      item.set(machine.profile, value);
      const std::string text = oracle::machine_text(machine);
      const auto again = oracle::parse_machine(text);
      ASSERT_TRUE(again) << again.error().message;
      EXPECT_EQ(again->profile, machine.profile) << text;
      EXPECT_EQ(oracle::machine_text(*again), text);
      EXPECT_EQ(text == "default", value == 0);
    }
    const auto wrong = oracle::parse_machine(std::string(item.name) + "=nonsense");
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().message, HasSubstr(std::string(item.values.back().name)));
  }
}

}  // namespace
}  // namespace iommucheck::test::profile_file_test
