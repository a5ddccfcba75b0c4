// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "backends/door.h"
#include "plugin/shared_object.h"
#include "plugin/whole_struct.h"

namespace iommucheck::oracle {
namespace {

constexpr u32 known_flags = IOMMUCHECK_BACKEND_KEEPS_PASID_0 |
                            IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED | IOMMUCHECK_BACKEND_WAITS |
                            IOMMUCHECK_BACKEND_DEVICES_WAIT_ALONE | IOMMUCHECK_BACKEND_GROUPS |
                            IOMMUCHECK_BACKEND_USERS | IOMMUCHECK_BACKEND_TRACKS_WRITES |
                            IOMMUCHECK_BACKEND_TELLS_USERS | IOMMUCHECK_BACKEND_NO_PRIVILEGE |
                            IOMMUCHECK_BACKEND_NO_EXECUTION | IOMMUCHECK_BACKEND_FILLS_ROUTES;

std::unexpected<Error> bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::bad_input, fmt::format("{}: {}", path, what));
}

constexpr ObjectKind backend_object = {
    .entry = IOMMUCHECK_BACKEND_ENTRY_NAME,
    .header = "backend.h",
    .usage = "--backend takes two or the path of an object (a .so)"};

template <class Struct>
Expected<Struct> whole(const Struct* given, u32 first_size, std::string_view name,
                       const std::string& path) {
  auto all = whole_struct(given, {.what = name,
                                  .type = name,
                                  .macro = "IOMMUCHECK_BACKEND_ABI",
                                  .abi = IOMMUCHECK_BACKEND_ABI,
                                  .first_size = first_size});
  if (!all) return bad(path, all.error().message);
  return all;
}

/// The first function of [first, end) that is NULL and may not be, by its number from 0.
template <class Struct>
std::optional<std::size_t> missing(const Struct& all, std::size_t first, std::size_t end,
                                   std::span<const std::size_t> optional = {}) {
  for (std::size_t at = first; at < end; at += sizeof(void*)) {
    void* function = nullptr;
    std::memcpy(&function, reinterpret_cast<const char*>(&all) + at, sizeof function);
    const bool may_be = std::ranges::find(optional, at) != optional.end();
    if (function == nullptr && !may_be) return (at - first) / sizeof(void*);
  }
  return std::nullopt;
}

constexpr const char* backend_functions[] = {"open",
                                             "begin_reset",
                                             "end_reset",
                                             "stop",
                                             "free_everything",
                                             "add_device",
                                             "can_route",
                                             "prepare_route",
                                             "set_route",
                                             "forget_route",
                                             "open_table",
                                             "close_table",
                                             "set_first_entry",
                                             "make_place",
                                             "prepare_entry",
                                             "store_entry",
                                             "forget_entry",
                                             "understands",
                                             "take_tag",
                                             "release_tag",
                                             "open_space",
                                             "close_space",
                                             "map",
                                             "unmap",
                                             "translate",
                                             "free_retired",
                                             "drop_range",
                                             "drop_device",
                                             "flush",
                                             "drop_everything",
                                             "read_fault",
                                             "answer",
                                             "open_outer",
                                             "check_structure",
                                             "drop_inner",
                                             "drop_device_wholly",
                                             "understand",
                                             "forward",
                                             "track",
                                             "read_marks",
                                             "mark_again",
                                             "settle_marks",
                                             "read_event",
                                             "set_number"};
constexpr const char* hardware_functions[] = {
    "open",         "stored",        "given_back",      "write",          "read",
    "set_stuck",    "remove",        "process_created", "process_says",   "process_settles",
    "process_gone", "answers",       "walker_switches", "walker_flushes", "walker_answers",
    "wait",         "take_response", "is_waiting",      "whole_answers",  "marked",
    "record_of",    "has_room",      "report"};
constexpr const char* user_functions[] = {"route", "command",  "pointer", "leaf",
                                          "next",  "route_to", "write"};
static_assert(std::size(backend_functions) == (sizeof(iommucheck_backend_ops) - 8) / 8);
static_assert(std::size(hardware_functions) == (sizeof(iommucheck_hardware_ops) - 8) / 8);
static_assert(IOMMUCHECK_BACKEND_OPS_SIZE_VER0 == offsetof(iommucheck_backend_ops, read_fault));
static_assert(IOMMUCHECK_HARDWARE_OPS_SIZE_VER0 == offsetof(iommucheck_hardware_ops, wait));
static_assert(std::size(user_functions) == (IOMMUCHECK_USER_FORMAT_SIZE_VER0 - 16) / 8);
static_assert(IOMMUCHECK_BACKEND_SIZE_VER0 == offsetof(iommucheck_backend, users));
static_assert(IOMMUCHECK_DIRTY_SIZE_VER0 == sizeof(iommucheck_dirty));
static_assert(IOMMUCHECK_USER_ABOUT_SIZE_VER0 == sizeof(iommucheck_user_about));
static_assert(IOMMUCHECK_USER_ROUTE_SIZE_VER0 == sizeof(iommucheck_user_route));
static_assert(IOMMUCHECK_USER_COMMAND_SIZE_VER0 == sizeof(iommucheck_user_command));
static_assert(IOMMUCHECK_ENDED_SIZE_VER0 == sizeof(iommucheck_ended));
static_assert(IOMMUCHECK_USER_ENDED_SIZE_VER0 == sizeof(iommucheck_user_ended));
static_assert(IOMMUCHECK_USER_FORMAT_SIZE_VER0 == offsetof(iommucheck_user_format, entry_words));
static_assert(IOMMUCHECK_BACKEND_INFO_SIZE_VER0 == sizeof(iommucheck_backend_info));
static_assert(IOMMUCHECK_ROUTE_SIZE_VER0 == offsetof(iommucheck_route, structure));
static_assert(IOMMUCHECK_ENTRY_SIZE_VER0 == sizeof(iommucheck_entry));
static_assert(IOMMUCHECK_SPACE_SIZE_VER0 == offsetof(iommucheck_space, error));
static_assert(IOMMUCHECK_WAITING_SIZE_VER0 == sizeof(iommucheck_waiting));
static_assert(IOMMUCHECK_ACCESS_SIZE_VER0 == sizeof(iommucheck_access));
static_assert(IOMMUCHECK_HARDWARE_HOST_SIZE_VER0 == sizeof(iommucheck_hardware_host));

using BackendOps = iommucheck_backend_ops;
using HardwareOps = iommucheck_hardware_ops;

/// Functions that are there: of every one, or where the backend says `flag`.
struct Needed {
  enum class Of : u8 { backend, hardware };
  Of of = Of::backend;
  u32 flag = 0;
  std::size_t first = 0;
  std::size_t end = 0;
  std::string_view whose;  ///< behind "every one needs it"
  std::span<const std::size_t> optional{};
};

constexpr std::size_t may_be_null[] = {
    offsetof(BackendOps, can_route), offsetof(BackendOps, prepare_route),
    offsetof(BackendOps, prepare_entry), offsetof(BackendOps, release_tag)};
constexpr std::size_t may_be_null_with_users[] = {offsetof(BackendOps, drop_inner)};
constexpr std::size_t may_be_null_with_marks[] = {offsetof(BackendOps, settle_marks)};

// The first that is missing is told.
constexpr Needed needed_functions[] = {
    {Needed::Of::backend, 0, offsetof(BackendOps, open), IOMMUCHECK_BACKEND_OPS_SIZE_VER0, "",
     may_be_null},
    {Needed::Of::hardware, 0, offsetof(HardwareOps, open), IOMMUCHECK_HARDWARE_OPS_SIZE_VER0, ""},
    {Needed::Of::backend, IOMMUCHECK_BACKEND_WAITS, offsetof(BackendOps, read_fault),
     offsetof(BackendOps, open_outer), " that says IOMMUCHECK_BACKEND_WAITS"},
    {Needed::Of::hardware, IOMMUCHECK_BACKEND_WAITS, offsetof(HardwareOps, wait),
     offsetof(HardwareOps, whole_answers), " whose backend says IOMMUCHECK_BACKEND_WAITS"},
    {Needed::Of::backend, IOMMUCHECK_BACKEND_USERS, offsetof(BackendOps, open_outer),
     offsetof(BackendOps, track), " that says IOMMUCHECK_BACKEND_USERS", may_be_null_with_users},
    {Needed::Of::backend, IOMMUCHECK_BACKEND_TRACKS_WRITES, offsetof(BackendOps, track),
     offsetof(BackendOps, read_event), " that says IOMMUCHECK_BACKEND_TRACKS_WRITES",
     may_be_null_with_marks},
    {Needed::Of::hardware, IOMMUCHECK_BACKEND_TRACKS_WRITES, offsetof(HardwareOps, whole_answers),
     offsetof(HardwareOps, record_of), " whose backend says IOMMUCHECK_BACKEND_TRACKS_WRITES"},
    {Needed::Of::hardware, IOMMUCHECK_BACKEND_USERS, offsetof(HardwareOps, whole_answers),
     offsetof(HardwareOps, marked), " whose backend says IOMMUCHECK_BACKEND_USERS"},
    {Needed::Of::backend, IOMMUCHECK_BACKEND_TELLS_USERS, offsetof(BackendOps, read_event),
     sizeof(BackendOps), " that says IOMMUCHECK_BACKEND_TELLS_USERS"},
    {Needed::Of::hardware, IOMMUCHECK_BACKEND_TELLS_USERS, offsetof(HardwareOps, record_of),
     sizeof(HardwareOps), " whose backend says IOMMUCHECK_BACKEND_TELLS_USERS"}};

/// Empty: all are there.
std::string missing_function(u32 flags, const BackendOps& backend, const HardwareOps& hardware) {
  for (const Needed& its : needed_functions) {
    if (its.flag != 0 && (flags & its.flag) == 0) continue;
    const bool of_backend = its.of == Needed::Of::backend;
    const auto none = of_backend ? missing(backend, its.first, its.end, its.optional)
                                 : missing(hardware, its.first, its.end, its.optional);
    if (!none) continue;
    const std::size_t number = *none + (its.first - 8) / sizeof(void*);
    return fmt::format(
        "the {} has no {}; every one needs it{}", of_backend ? "backend" : "hardware",
        of_backend ? backend_functions[number] : hardware_functions[number], its.whose);
  }
  return {};
}

/// Empty: they go together.
std::string wrong_flags(u32 flags) {
  if ((flags & ~known_flags) != 0) {
    return fmt::format("its flags {:#x} have bits that this program does not know", flags);
  }
  constexpr u32 groups = IOMMUCHECK_BACKEND_GROUPS | IOMMUCHECK_BACKEND_WAITS;
  if ((flags & groups) == IOMMUCHECK_BACKEND_GROUPS) {
    return "it says IOMMUCHECK_BACKEND_GROUPS and not IOMMUCHECK_BACKEND_WAITS";
  }
  constexpr u32 tells = IOMMUCHECK_BACKEND_TELLS_USERS | IOMMUCHECK_BACKEND_USERS;
  if ((flags & tells) == IOMMUCHECK_BACKEND_TELLS_USERS) {
    return "it says IOMMUCHECK_BACKEND_TELLS_USERS and not IOMMUCHECK_BACKEND_USERS";
  }
  return {};
}

/// Empty: nothing is wrong with the users' format.
std::string wrong_users(u32 flags, const iommucheck_user_format& users) {
  constexpr std::size_t first = offsetof(iommucheck_user_format, route);
  if (const auto at = missing(users, first, IOMMUCHECK_USER_FORMAT_SIZE_VER0)) {
    return fmt::format("the users' format has no {}", user_functions[*at]);
  }
  if (users.format < 0x100 || users.levels < 3 || users.levels > 4) {
    return fmt::format("the users' format is {:#x} of {} levels: it is 0x100 or more, of 3 or 4",
                       users.format, users.levels);
  }
  if (users.entry_words > 8 || (users.entry_words != 0 &&
                                (users.route_to_entries == nullptr || users.entry_to == nullptr))) {
    return fmt::format(
        "the users' format has entries of {} words: of 1 to 8, with "
        "route_to_entries and entry_to, or none",
        users.entry_words);
  }
  const bool tells_users = (flags & IOMMUCHECK_BACKEND_TELLS_USERS) != 0;
  if (tells_users && (users.told == nullptr || users.event == nullptr)) {
    return "the users' format has no told or no event, and its backend says "
           "IOMMUCHECK_BACKEND_TELLS_USERS";
  }
  return {};
}

}  // namespace

Expected<BackendDoor> complete_backend(const iommucheck_backend* given, const std::string& path) {
  const auto head = whole(given, IOMMUCHECK_BACKEND_SIZE_VER0, "iommucheck_backend", path);
  if (!head) return std::unexpected(head.error());
  if (head->name == nullptr || *head->name == 0) return bad(path, "its backend has no name");
  if (const std::string why = wrong_flags(head->flags); !why.empty()) return bad(path, why);
  const auto backend =
      whole(head->backend, IOMMUCHECK_BACKEND_OPS_SIZE_VER0, "iommucheck_backend_ops", path);
  if (!backend) return std::unexpected(backend.error());
  const auto hardware =
      whole(head->hardware, IOMMUCHECK_HARDWARE_OPS_SIZE_VER0, "iommucheck_hardware_ops", path);
  if (!hardware) return std::unexpected(hardware.error());
  if (const std::string why = missing_function(head->flags, *backend, *hardware); !why.empty()) {
    return bad(path, why);
  }
  iommucheck_user_format users{};
  if ((head->flags & IOMMUCHECK_BACKEND_USERS) != 0) {
    const auto given_users =
        whole(head->users, IOMMUCHECK_USER_FORMAT_SIZE_VER0, "iommucheck_user_format", path);
    if (!given_users) return std::unexpected(given_users.error());
    users = *given_users;
    if (const std::string why = wrong_users(head->flags, users); !why.empty()) {
      return bad(path, why);
    }
  }
  return BackendDoor{.path = path,
                     .name = std::string(head->name, ::strnlen(head->name, 63)),
                     .flags = head->flags,
                     .tags_max = head->tags_max,
                     .backend = *backend,
                     .hardware = *hardware,
                     .users = users};
}

Expected<std::shared_ptr<const BackendDoor>> load_backend(const std::string& path) {
  auto object = SharedObject::load(path, backend_object);
  if (!object) return bad(path, object.error().message);
  void* const code = object->entry();
  const auto entry = reinterpret_cast<iommucheck_backend_entry_fn>(code);
  auto door = complete_backend(entry(), path);
  if (!door) return std::unexpected(door.error());
  door->code = code;
  object->keep();
  return std::make_shared<const BackendDoor>(std::move(*door));
}

}  // namespace iommucheck::oracle
