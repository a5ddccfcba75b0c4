// SPDX-License-Identifier: MIT
#include "backends/door_users.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle {

using spec::sva::CommandWords;
using spec::sva::UserCommand;
using spec::sva::UserRoute;

namespace {

constexpr std::size_t told_most = 16;
constexpr u64 users_page = 4096;

}  // namespace

void DoorUserFormat::tell(std::string text) const {
  const bool known = std::ranges::find(nonsense_, text) != nonsense_.end();
  if (!known && nonsense_.size() < told_most) nonsense_.push_back(std::move(text));
}

std::optional<UserRoute> DoorUserFormat::route(const std::array<u64, 2>& structure) const {
  iommucheck_user_route given{};
  given.size = sizeof given;
  given.abi = IOMMUCHECK_BACKEND_ABI;
  const int answer = format_.route(structure.data(), &given);
  if (answer == 0) return std::nullopt;
  UserRoute route;
  switch (given.kind) {
    case IOMMUCHECK_USER_ROUTE_BLOCKED: break;
    case IOMMUCHECK_USER_ROUTE_PASSES: route.kind = UserRoute::Kind::bypass; break;
    case IOMMUCHECK_USER_ROUTE_TABLE:
    case IOMMUCHECK_USER_ROUTE_ENTRIES: route.kind = UserRoute::Kind::stage1; break;
    default:
      tell(fmt::format("the users' route gave a kind {}: there is none", given.kind));
      return std::nullopt;
  }
  if (answer != 1 || given.has_number > 1) {
    tell(fmt::format("the users' route answered {}, has_number {}: each is 0 or 1", answer,
                     given.has_number));
    return std::nullopt;
  }
  if (route.kind != UserRoute::Kind::stage1) return route;
  if (given.kind == IOMMUCHECK_USER_ROUTE_ENTRIES) {
    constexpr u32 pasid_bits_max = 20;
    if (format_.entry_words == 0 || given.pasid_bits == 0 || given.pasid_bits > pasid_bits_max) {
      tell(fmt::format("the users' route gave a PASID table of {} bits, of {} words an entry",
                       given.pasid_bits, format_.entry_words));
      return std::nullopt;
    }
    route.entries = given.entries;
    route.pasid_bits = given.pasid_bits;
    route.entry_bytes = 8 * format_.entry_words;
    route.number = 0;
    return route;
  }
  route.table = given.table;
  route.table_bits = given.input_bits;
  if (given.has_number != 0) route.number = given.number;
  return route;
}

UserCommand DoorUserFormat::command(const CommandWords& words) const {
  const u64 given_words[] = {words.low, words.high};
  iommucheck_user_command given{};
  given.size = sizeof given;
  given.abi = IOMMUCHECK_BACKEND_ABI;
  const int answer = format_.command(given_words, &given);
  UserCommand command;
  if (answer == 0) return command;
  const bool of_device = given.about == IOMMUCHECK_USER_DEVICE;
  const bool names_device = (given.names & IOMMUCHECK_USER_NAMES_DEVICE) != 0;
  constexpr u32 known_names = IOMMUCHECK_USER_NAMES_TABLE | IOMMUCHECK_USER_NAMES_NUMBER |
                              IOMMUCHECK_USER_NAMES_DEVICE | IOMMUCHECK_USER_NAMES_PASID;
  const bool of_entries = given.about == IOMMUCHECK_USER_ENTRIES;
  const bool known_kind = of_device || of_entries || given.about == IOMMUCHECK_USER_TRANSLATIONS;
  const bool can_be = answer == 1 && known_kind && (of_device || of_entries) == names_device &&
                      (given.names & ~known_names) == 0;
  if (!can_be) {
    tell(fmt::format("the users' command answered {} with about {}, names {:#x}: that cannot be",
                     answer, given.about, given.names));
    return command;
  }
  command.kind = of_device    ? UserCommand::Kind::nothing_owed
                 : of_entries ? UserCommand::Kind::entry
                              : UserCommand::Kind::translations;
  command.first = given.first;
  command.last = given.last;
  if ((given.names & IOMMUCHECK_USER_NAMES_TABLE) != 0) command.table = given.table;
  if ((given.names & IOMMUCHECK_USER_NAMES_NUMBER) != 0) command.asid = given.number;
  if (names_device) command.stream = given.device;
  if ((given.names & IOMMUCHECK_USER_NAMES_PASID) != 0) command.pasid = given.pasid;
  return command;
}

std::optional<spec::sva::EventWords> DoorUserFormat::event(const spec::sva::EventWords& record,
                                                           u64 number) const {
  if (format_.told == nullptr) return std::nullopt;
  spec::sva::EventWords words{};
  const int answer = format_.told(record.data(), number, words.data());
  if (answer != 0 && answer != 1) {
    tell(fmt::format("the users' told answered {}: it answers 0 or 1", answer));
  }
  if (answer != 1) return std::nullopt;
  return words;
}

// ---- written ------------------------------------------------------------------------------------

CommandWords DoorUserWords::write(u32 what, u64 number, u64 va) const {
  u64 words[2] = {};
  format_.write(what, number, va, words);
  return {words[0], words[1]};
}

std::array<u64, 2> DoorUserWords::route_to(u64 at) const {
  std::array<u64, 2> structure{};
  format_.route_to(at, structure.data());
  return structure;
}

std::array<u64, 2> DoorUserWords::route_to_entries(u64 at, u32 lg2) const {
  std::array<u64, 2> structure{};
  format_.route_to_entries(at, lg2, structure.data());
  return structure;
}

UserWords::EntryWords DoorUserWords::entry_to(spec::sva::UserEntryKind kind, u64 root) const {
  using Kind = spec::sva::UserEntryKind;
  EntryWords words{};
  if (kind == Kind::empty) return words;
  format_.entry_to(
      kind == Kind::garbage ? IOMMUCHECK_USER_ENTRY_GARBAGE : IOMMUCHECK_USER_ENTRY_TABLE, root,
      words.data());
  return words;
}

u64 DoorUserWords::number_of(u64 root) const {
  const std::array<u64, 2> structure = route_to(root);
  iommucheck_user_route route{};
  route.size = sizeof route;
  route.abi = IOMMUCHECK_BACKEND_ABI;
  return format_.route(structure.data(), &route) != 0 ? route.number : 0;
}

CommandWords DoorUserWords::va(u64 va) const {
  return write(IOMMUCHECK_USER_WRITES_PAGE, 0, va & ~(users_page - 1));
}
CommandWords DoorUserWords::all() const { return write(IOMMUCHECK_USER_WRITES_ALL); }
CommandWords DoorUserWords::page(u64 /*asid*/, u64 at, bool /*ranges*/, u64 how) const {
  return (how & 7) == 0 ? all() : va(at);
}
CommandWords DoorUserWords::entry(u64 number, u64 pasid) const {
  return has_pasids() ? write(IOMMUCHECK_USER_WRITES_ENTRY, number, pasid) : reserved();
}
CommandWords DoorUserWords::device(u64 number, std::optional<u64> pasid, u64 va) const {
  if (pasid) return reserved();
  return write(IOMMUCHECK_USER_WRITES_DEVICE, number, va & ~(users_page - 1));
}
UserWords::Event DoorUserWords::event(const spec::sva::EventWords& words) const {
  if (format_.event == nullptr) return {};
  iommucheck_user_ended given{};
  given.size = sizeof given;
  given.abi = IOMMUCHECK_BACKEND_ABI;
  format_.event(words.data(), &given);
  constexpr std::string_view faults[] = {"F.unmapped", "F.perm", "F.pasid", "F.badcd"};
  Event event{.number = given.number};
  if (given.has_iova == 1) event.iova = given.iova;
  if (given.has_pasid == 1) event.pasid = given.pasid;
  event.access = given.access == IOMMUCHECK_ACCESS_WRITE     ? 'w'
                 : given.access == IOMMUCHECK_ACCESS_EXECUTE ? 'x'
                                                             : 'r';
  static_assert(std::size(faults) == IOMMUCHECK_USER_ENDED_BAD_ENTRY + 1);
  if (given.ended < std::size(faults)) event.fault = faults[given.ended];
  event.says_nothing_else = given.and_more == 0;
  return event;
}
CommandWords DoorUserWords::all_of_host() const { return write(IOMMUCHECK_USER_WRITES_OF_HOST); }
CommandWords DoorUserWords::sync() const { return write(IOMMUCHECK_USER_WRITES_SYNC); }
CommandWords DoorUserWords::resume() const { return write(IOMMUCHECK_USER_WRITES_RESPONSE); }

CommandWords DoorUserWords::drawn(u64 word, std::span<const u64> roots) const {
  const u64 va = (word >> 8 & 31) * users_page;
  CommandWords one = this->va(va);
  switch (word & 15) {
    case 0:
    case 1: one = all(); break;
    case 2:
    case 3: one = device(word >> 13 & 3, std::nullopt, va); break;
    case 4: one = all_of_host(); break;
    case 5: one = sync(); break;
    case 6: one = resume(); break;
    case 7: one = {word >> 8 & 0xff'ffff, word >> 32}; break;
    case 8:
    case 9:
      if (roots.empty()) break;
      one = write(IOMMUCHECK_USER_WRITES_NUMBER, number_of(roots[(word >> 13) % roots.size()]));
      break;
    case 10:
    case 11: one = entry(word >> 13 & 3, word >> 18 & 3); break;
    default: break;
  }
  // A bit that may mean nothing, or another device, page or number.
  if ((word >> 16 & 7) == 0) one.low ^= u64{1} << (word >> 20 & 63);
  if ((word >> 16 & 7) == 1) one.high ^= u64{1} << (word >> 20 & 63);
  return one;
}

}  // namespace iommucheck::oracle
