// SPDX-License-Identifier: MIT
// What a backend of others says of what its users write: as it is said, and what cannot be is told.
#include "backends/door_users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace iommucheck::oracle::door_users_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = spec::sva::UserCommand::Kind;

constexpr u64 entry_words = 2;

/// Its words say themselves what is answered: bit 63 of word 0 of a structure the answer, the rest
/// a root, word 1 the kind; of a command word 0 has `about` and in 15:8 `names`, word 1 an address.
iommucheck_user_format told() {
  iommucheck_user_format format{};
  format.size = sizeof format;
  format.abi = IOMMUCHECK_BACKEND_ABI;
  format.format = 0x100;
  format.levels = 4;
  format.route = [](const uint64_t* structure, iommucheck_user_route* route) -> int32_t {
    route->kind = static_cast<uint32_t>(structure[1]);
    route->input_bits = 48;
    route->table = route->entries = structure[0] & ~(uint64_t{1} << 63);
    route->pasid_bits = static_cast<uint32_t>(structure[1] >> 32);
    route->has_number = 1;
    route->number = 7;
    return static_cast<int32_t>(structure[0] >> 63);
  };
  format.command = [](const uint64_t* words, iommucheck_user_command* command) -> int32_t {
    command->about = static_cast<uint32_t>(words[0] & 0xff);
    command->names = static_cast<uint32_t>(words[0] >> 8 & 0xff);
    command->first = words[1];
    command->last = words[1] + 0xfff;
    command->table = command->number = command->device = words[1];
    command->pasid = 3;
    return words[0] == 0 ? 0 : 1;
  };
  format.pointer = [](uint64_t table) { return table | 1; };
  format.leaf = [](uint64_t page, uint32_t prot) { return page | prot << 1 | 1; };
  format.next = [](uint64_t word) { return word & ~uint64_t{0xfff}; };
  format.route_to = [](uint64_t root, uint64_t* structure) {
    structure[0] = root | uint64_t{1} << 63;
    structure[1] = IOMMUCHECK_USER_ROUTE_TABLE;
  };
  format.write = [](uint32_t what, uint64_t number, uint64_t va, uint64_t* words) {
    words[0] = what << 8 | number;
    words[1] = va;
  };
  format.entry_words = entry_words;
  format.route_to_entries = [](uint64_t entries, uint32_t lg2, uint64_t* structure) {
    structure[0] = entries | uint64_t{1} << 63;
    structure[1] = IOMMUCHECK_USER_ROUTE_ENTRIES | uint64_t{lg2} << 32;
  };
  format.entry_to = [](uint32_t kind, uint64_t root, uint64_t* words) {
    words[0] = kind;
    words[1] = root;
  };
  format.told = [](const uint64_t* record, uint64_t number, uint64_t* words) -> int32_t {
    words[0] = number;
    words[1] = record[1];
    return static_cast<int32_t>(record[0]);
  };
  format.event = [](const uint64_t* words, iommucheck_user_ended* event) {
    event->number = words[0];
    event->has_iova = 1;
    event->iova = words[1];
    event->access = IOMMUCHECK_ACCESS_WRITE;
    event->ended = static_cast<uint32_t>(words[2]);
    event->and_more = words[3] != 0;
  };
  return format;
}

TEST(DoorUsers, RoutesAreAsTheyAreSaid) {
  const iommucheck_user_format given = told();
  Nonsense nonsense;
  const DoorUserFormat format(given, nonsense);
  constexpr u64 legal = u64{1} << 63;
  EXPECT_FALSE(format.route({0x5000, 2})) << "none that a user may choose";
  const auto table = format.route({legal | 0x5000, IOMMUCHECK_USER_ROUTE_TABLE});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->kind, spec::sva::UserRoute::Kind::stage1);
  EXPECT_EQ(table->table, 0x5000U);
  EXPECT_EQ(table->table_bits, 48U);
  EXPECT_EQ(table->number, 7U);
  const auto passes = format.route({legal, IOMMUCHECK_USER_ROUTE_PASSES});
  ASSERT_TRUE(passes);
  EXPECT_EQ(passes->kind, spec::sva::UserRoute::Kind::bypass);
  EXPECT_FALSE(passes->table);
  EXPECT_EQ(format.route({legal, IOMMUCHECK_USER_ROUTE_BLOCKED})->kind,
            spec::sva::UserRoute::Kind::abort);
  EXPECT_THAT(nonsense, IsEmpty());
  const auto entries = format.route({legal | 0x5000, IOMMUCHECK_USER_ROUTE_ENTRIES | u64{8} << 32});
  ASSERT_TRUE(entries);
  EXPECT_FALSE(entries->table);
  EXPECT_EQ(entries->entries, 0x5000U);
  EXPECT_EQ(entries->pasid_bits, 8U);
  EXPECT_EQ(entries->entry_bytes, 8 * entry_words);
  EXPECT_THAT(nonsense, IsEmpty());
  EXPECT_FALSE(format.route({legal, 4}));
  EXPECT_FALSE(format.route({legal, 4}));
  EXPECT_FALSE(format.route({legal, IOMMUCHECK_USER_ROUTE_ENTRIES}));
  EXPECT_THAT(nonsense, ElementsAre(HasSubstr("route gave a kind 4"), HasSubstr("of 0 bits")));
}

TEST(DoorUsers, CommandsAreAsTheyAreSaid) {
  const iommucheck_user_format given = told();
  Nonsense nonsense;
  const DoorUserFormat format(given, nonsense);
  constexpr u64 names_device = IOMMUCHECK_USER_NAMES_DEVICE << 8;
  EXPECT_EQ(format.command({0, 0x5000}).kind, Kind::forbidden);
  const auto all = format.command({IOMMUCHECK_USER_TRANSLATIONS, 0x5000});
  EXPECT_EQ(all.kind, Kind::translations);
  EXPECT_EQ(all.first, 0x5000U);
  EXPECT_EQ(all.last, 0x5fffU);
  EXPECT_FALSE(all.table || all.asid || all.stream);
  const auto one =
      format.command({IOMMUCHECK_USER_TRANSLATIONS | IOMMUCHECK_USER_NAMES_NUMBER << 8, 0x5000});
  EXPECT_EQ(one.asid, 0x5000U);
  const auto device = format.command({IOMMUCHECK_USER_DEVICE | names_device, 5});
  EXPECT_EQ(device.kind, Kind::nothing_owed);
  EXPECT_EQ(device.stream, 5U);
  const auto entry = format.command(
      {IOMMUCHECK_USER_ENTRIES | names_device | IOMMUCHECK_USER_NAMES_PASID << 8, 5});
  EXPECT_EQ(entry.kind, Kind::entry);
  EXPECT_EQ(entry.stream, 5U);
  EXPECT_EQ(entry.pasid, 3U);
  EXPECT_THAT(nonsense, IsEmpty());
  for (const u64 word : {u64{IOMMUCHECK_USER_DEVICE}, u64{IOMMUCHECK_USER_ENTRIES}, u64{9},
                         IOMMUCHECK_USER_TRANSLATIONS | names_device,
                         u64{IOMMUCHECK_USER_TRANSLATIONS} | u64{0x80} << 8}) {
    nonsense.clear();
    EXPECT_EQ(format.command({word, 0}).kind, Kind::forbidden) << word;
    EXPECT_THAT(nonsense, ElementsAre(HasSubstr("that cannot be"))) << word;
  }
}

TEST(DoorUsers, TheTesterWritesByTheFormat) {
  const iommucheck_user_format given = told();
  const DoorUserWords words(given);
  EXPECT_EQ(words.number(), 0x100U);
  EXPECT_EQ(words.levels(), 4U);
  EXPECT_EQ(words.route_to(0x5000)[0], u64{1} << 63 | 0x5000);
  EXPECT_EQ(words.va(0x5123).high, 0x5000U);
  EXPECT_EQ(words.all().low, u64{IOMMUCHECK_USER_WRITES_ALL} << 8);
  EXPECT_EQ(words.device(3, std::nullopt, 0x7000).low, u64{IOMMUCHECK_USER_WRITES_DEVICE} << 8 | 3);
  EXPECT_EQ(words.entry(3, 9).high, 9U);
  EXPECT_EQ(words.entry_to(spec::sva::UserEntryKind::outside, 0x7000)[1], 0x7000U);
  EXPECT_EQ(words.entry_to(spec::sva::UserEntryKind::empty, 0x7000)[0], 0U);
  EXPECT_EQ(words.number_of(0x5000), 7U);
  const auto reserved = words.reserved();
  const auto at_pasid = words.device(3, 1, 0x7000);
  EXPECT_TRUE(at_pasid.low == reserved.low && at_pasid.high == reserved.high)
      << "its devices have no PASIDs";
}

TEST(DoorUsers, EventsAreAsTheyAreTold) {
  const iommucheck_user_format given = told();
  Nonsense nonsense;
  const DoorUserFormat format(given, nonsense);
  EXPECT_FALSE(format.event({0, 0x5000, 9, 9}, 7)) << "all of it is the host's";
  EXPECT_EQ(format.event({1, 0x5000, 9, 9}, 7), spec::sva::EventWords({7, 0x5000}));
  EXPECT_THAT(nonsense, IsEmpty());
  EXPECT_FALSE(format.event({2, 0x5000}, 7));
  EXPECT_THAT(nonsense, ElementsAre(HasSubstr("told answered 2")));

  const DoorUserWords words(given);
  const UserWords::Event event = words.event({7, 0x5000, IOMMUCHECK_USER_ENDED_DENIED, 0});
  EXPECT_EQ(event.number, 7U);
  EXPECT_EQ(event.iova, 0x5000U);
  EXPECT_EQ(event.access, 'w');
  EXPECT_EQ(event.fault, "F.perm");
  EXPECT_TRUE(event.says_nothing_else);
  EXPECT_FALSE(words.event({7, 0x5000, 0, 1}).says_nothing_else);
  EXPECT_EQ(words.event({7, 0x5000, 77, 0}).fault, "");
}

}  // namespace
}  // namespace iommucheck::oracle::door_users_test
