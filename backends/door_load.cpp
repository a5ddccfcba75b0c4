// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <optional>
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
                                   std::initializer_list<std::size_t> optional = {}) {
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

}  // namespace

Expected<BackendDoor> complete_backend(const iommucheck_backend* given, const std::string& path) {
  const auto head = whole(given, IOMMUCHECK_BACKEND_SIZE_VER0, "iommucheck_backend", path);
  if (!head) return std::unexpected(head.error());
  if (head->name == nullptr || *head->name == 0) return bad(path, "its backend has no name");
  if ((head->flags & ~known_flags) != 0) {
    return bad(path, fmt::format("its flags {:#x} have bits that this program does not know",
                                 head->flags));
  }
  constexpr u32 groups = IOMMUCHECK_BACKEND_GROUPS | IOMMUCHECK_BACKEND_WAITS;
  if ((head->flags & groups) == IOMMUCHECK_BACKEND_GROUPS) {
    return bad(path, "it says IOMMUCHECK_BACKEND_GROUPS and not IOMMUCHECK_BACKEND_WAITS");
  }
  constexpr u32 tells = IOMMUCHECK_BACKEND_TELLS_USERS | IOMMUCHECK_BACKEND_USERS;
  if ((head->flags & tells) == IOMMUCHECK_BACKEND_TELLS_USERS) {
    return bad(path, "it says IOMMUCHECK_BACKEND_TELLS_USERS and not IOMMUCHECK_BACKEND_USERS");
  }
  const auto backend =
      whole(head->backend, IOMMUCHECK_BACKEND_OPS_SIZE_VER0, "iommucheck_backend_ops", path);
  if (!backend) return std::unexpected(backend.error());
  const auto hardware =
      whole(head->hardware, IOMMUCHECK_HARDWARE_OPS_SIZE_VER0, "iommucheck_hardware_ops", path);
  if (!hardware) return std::unexpected(hardware.error());
  const auto missing_of = [&](const char* whose, const auto& all, std::size_t first,
                              std::size_t end, const auto& names, const char* flag,
                              std::initializer_list<std::size_t> optional = {}) {
    const auto none = missing(all, first, end, optional);
    if (!none) return std::string();
    return fmt::format("{} has no {}; every one needs it{}", whose,
                       names[*none + (first - 8) / sizeof(void*)], flag);
  };
  using BackendOps = iommucheck_backend_ops;
  using HardwareOps = iommucheck_hardware_ops;
  std::string none =
      missing_of("the backend", *backend, offsetof(BackendOps, open),
                 IOMMUCHECK_BACKEND_OPS_SIZE_VER0, backend_functions, "",
                 {offsetof(BackendOps, can_route), offsetof(BackendOps, prepare_route),
                  offsetof(BackendOps, prepare_entry), offsetof(BackendOps, release_tag)});
  if (none.empty()) {
    none = missing_of("the hardware", *hardware, offsetof(HardwareOps, open),
                      IOMMUCHECK_HARDWARE_OPS_SIZE_VER0, hardware_functions, "");
  }
  const bool waits = (head->flags & IOMMUCHECK_BACKEND_WAITS) != 0;
  if (none.empty() && waits) {
    none = missing_of("the backend", *backend, offsetof(BackendOps, read_fault),
                      offsetof(BackendOps, open_outer), backend_functions,
                      " that says IOMMUCHECK_BACKEND_WAITS");
  }
  if (none.empty() && waits) {
    none = missing_of("the hardware", *hardware, offsetof(HardwareOps, wait),
                      offsetof(HardwareOps, whole_answers), hardware_functions,
                      " whose backend says IOMMUCHECK_BACKEND_WAITS");
  }
  iommucheck_user_format users{};
  const bool has_users = (head->flags & IOMMUCHECK_BACKEND_USERS) != 0;
  const bool marks = (head->flags & IOMMUCHECK_BACKEND_TRACKS_WRITES) != 0;
  if (none.empty() && has_users) {
    none = missing_of("the backend", *backend, offsetof(BackendOps, open_outer),
                      offsetof(BackendOps, track), backend_functions,
                      " that says IOMMUCHECK_BACKEND_USERS", {offsetof(BackendOps, drop_inner)});
  }
  if (none.empty() && marks) {
    none = missing_of("the backend", *backend, offsetof(BackendOps, track),
                      offsetof(BackendOps, read_event), backend_functions,
                      " that says IOMMUCHECK_BACKEND_TRACKS_WRITES",
                      {offsetof(BackendOps, settle_marks)});
  }
  if (none.empty() && (has_users || marks)) {
    none = missing_of("the hardware", *hardware, offsetof(HardwareOps, whole_answers),
                      offsetof(HardwareOps, record_of) - (marks ? 0 : sizeof(void*)),
                      hardware_functions,
                      marks ? " whose backend says IOMMUCHECK_BACKEND_TRACKS_WRITES"
                            : " whose backend says IOMMUCHECK_BACKEND_USERS");
  }
  const bool tells_users = (head->flags & IOMMUCHECK_BACKEND_TELLS_USERS) != 0;
  if (none.empty() && tells_users) {
    none = missing_of("the backend", *backend, offsetof(BackendOps, read_event), sizeof(BackendOps),
                      backend_functions, " that says IOMMUCHECK_BACKEND_TELLS_USERS");
  }
  if (none.empty() && tells_users) {
    none =
        missing_of("the hardware", *hardware, offsetof(HardwareOps, record_of), sizeof(HardwareOps),
                   hardware_functions, " whose backend says IOMMUCHECK_BACKEND_TELLS_USERS");
  }
  if (none.empty() && has_users) {
    const auto given_users =
        whole(head->users, IOMMUCHECK_USER_FORMAT_SIZE_VER0, "iommucheck_user_format", path);
    if (!given_users) return std::unexpected(given_users.error());
    users = *given_users;
    constexpr std::size_t first = offsetof(iommucheck_user_format, route);
    if (const auto at = missing(users, first, IOMMUCHECK_USER_FORMAT_SIZE_VER0)) {
      none = fmt::format("the users' format has no {}", user_functions[*at]);
    } else if (users.format < 0x100 || users.levels < 3 || users.levels > 4) {
      none = fmt::format("the users' format is {:#x} of {} levels: it is 0x100 or more, of 3 or 4",
                         users.format, users.levels);
    } else if (users.entry_words > 8 ||
               (users.entry_words != 0 &&
                (users.route_to_entries == nullptr || users.entry_to == nullptr))) {
      none = fmt::format(
          "the users' format has entries of {} words: of 1 to 8, with "
          "route_to_entries and entry_to, or none",
          users.entry_words);
    } else if (tells_users && (users.told == nullptr || users.event == nullptr)) {
      none =
          "the users' format has no told or no event, and its backend says "
          "IOMMUCHECK_BACKEND_TELLS_USERS";
    }
  }
  if (!none.empty()) return bad(path, none);
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
