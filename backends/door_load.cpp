// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "backends/door.h"

namespace iommucheck::oracle {
namespace {

constexpr u32 known_flags = IOMMUCHECK_BACKEND_KEEPS_PASID_0 |
                            IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED | IOMMUCHECK_BACKEND_WAITS;

std::unexpected<Error> bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::bad_input, fmt::format("{}: {}", path, what));
}

/// Copies what a struct of the object has; the rest stays 0.
template <class Struct>
Expected<Struct> whole(const Struct* given, u32 first_version, std::string_view name,
                       const std::string& path) {
  if (given == nullptr) return bad(path, fmt::format("its {} is NULL", name));
  Struct all{};
  std::memcpy(&all, given, 2 * sizeof(u32));  // size and abi: all that is sure to be there
  if (all.abi != IOMMUCHECK_BACKEND_ABI) {
    return bad(path, fmt::format("its {} has abi {}, this program has {}; build it with this "
                                 "program's backend.h",
                                 name, all.abi, IOMMUCHECK_BACKEND_ABI));
  }
  if (all.size < first_version || all.size % 8 != 0) {
    return bad(path, fmt::format("its {} has size {}, which cannot be (at least {}, a multiple of "
                                 "8); set size = sizeof(struct {})",
                                 name, all.size, first_version, name));
  }
  std::memcpy(&all, given, std::min<std::size_t>(all.size, sizeof all));
  return all;
}

/// The first function of [first, end) that is NULL, by its number from 0.
template <class Struct>
std::optional<std::size_t> missing(const Struct& all, std::size_t first, std::size_t end) {
  for (std::size_t at = first; at < end; at += sizeof(void*)) {
    void* function = nullptr;
    std::memcpy(&function, reinterpret_cast<const char*>(&all) + at, sizeof function);
    if (function == nullptr) return (at - first) / sizeof(void*);
  }
  return std::nullopt;
}

constexpr const char* backend_functions[] = {"open",         "begin_reset",     "end_reset",
                                             "stop",         "free_everything", "add_device",
                                             "set_route",    "forget_route",    "open_table",
                                             "close_table",  "set_first_entry", "make_place",
                                             "store_entry",  "forget_entry",    "understands",
                                             "tag_of",       "open_space",      "close_space",
                                             "map",          "unmap",           "translate",
                                             "free_retired", "drop_range",      "drop_device",
                                             "flush",        "drop_everything", "read_fault",
                                             "answer"};
constexpr const char* hardware_functions[] = {
    "open",         "stored",        "given_back",      "write",          "read",
    "set_stuck",    "remove",        "process_created", "process_says",   "process_settles",
    "process_gone", "answers",       "walker_switches", "walker_flushes", "walker_answers",
    "wait",         "take_response", "is_waiting"};
static_assert(std::size(backend_functions) == (sizeof(iommucheck_backend_ops) - 8) / 8);
static_assert(std::size(hardware_functions) == (sizeof(iommucheck_hardware_ops) - 8) / 8);
static_assert(IOMMUCHECK_BACKEND_OPS_SIZE_VER0 == offsetof(iommucheck_backend_ops, read_fault));
static_assert(IOMMUCHECK_HARDWARE_OPS_SIZE_VER0 == offsetof(iommucheck_hardware_ops, wait));
static_assert(IOMMUCHECK_BACKEND_SIZE_VER0 == sizeof(iommucheck_backend));
static_assert(IOMMUCHECK_BACKEND_INFO_SIZE_VER0 == sizeof(iommucheck_backend_info));
static_assert(IOMMUCHECK_ROUTE_SIZE_VER0 == sizeof(iommucheck_route));
static_assert(IOMMUCHECK_ENTRY_SIZE_VER0 == sizeof(iommucheck_entry));
static_assert(IOMMUCHECK_SPACE_SIZE_VER0 == sizeof(iommucheck_space));
static_assert(IOMMUCHECK_WAITING_SIZE_VER0 == sizeof(iommucheck_waiting));
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
  const auto backend =
      whole(head->backend, IOMMUCHECK_BACKEND_OPS_SIZE_VER0, "iommucheck_backend_ops", path);
  if (!backend) return std::unexpected(backend.error());
  const auto hardware =
      whole(head->hardware, IOMMUCHECK_HARDWARE_OPS_SIZE_VER0, "iommucheck_hardware_ops", path);
  if (!hardware) return std::unexpected(hardware.error());
  const bool waits = (head->flags & IOMMUCHECK_BACKEND_WAITS) != 0;
  if (const auto none = missing(*backend, offsetof(iommucheck_backend_ops, open),
                                waits ? sizeof *backend : IOMMUCHECK_BACKEND_OPS_SIZE_VER0)) {
    return bad(path,
               fmt::format("the backend has no {}; every one needs it{}", backend_functions[*none],
                           waits ? " that says IOMMUCHECK_BACKEND_WAITS" : ""));
  }
  if (const auto none = missing(*hardware, offsetof(iommucheck_hardware_ops, open),
                                waits ? sizeof *hardware : IOMMUCHECK_HARDWARE_OPS_SIZE_VER0)) {
    return bad(
        path, fmt::format("the hardware has no {}; every one needs it{}", hardware_functions[*none],
                          waits ? " whose backend says IOMMUCHECK_BACKEND_WAITS" : ""));
  }
  return BackendDoor{.path = path,
                     .name = std::string(head->name, ::strnlen(head->name, 63)),
                     .flags = head->flags,
                     .backend = *backend,
                     .hardware = *hardware};
}

Expected<std::shared_ptr<const BackendDoor>> load_backend(const std::string& path) {
  // With a slash in it: a bare name would be looked for in the system's folders.
  const std::unique_ptr<char, void (*)(void*)> absolute(::realpath(path.c_str(), nullptr),
                                                        std::free);
  if (!absolute) {
    return bad(path, fmt::format("{}; --backend takes two or the path of an object (a .so)",
                                 std::strerror(errno)));
  }
  void* object = ::dlopen(absolute.get(), RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    return bad(path, fmt::format("cannot be loaded: {}; build it with -shared -fPIC, and link what "
                                 "it needs into it",
                                 ::dlerror()));
  }
  void* symbol = ::dlsym(object, IOMMUCHECK_BACKEND_ENTRY_NAME);
  if (symbol == nullptr) {
    return bad(path, "exports no function " IOMMUCHECK_BACKEND_ENTRY_NAME
                     "; define it as include/iommucheck/backend.h says (extern \"C\", not hidden)");
  }
  const auto entry = reinterpret_cast<iommucheck_backend_entry_fn>(symbol);
  auto door = complete_backend(entry(), path);
  if (!door) return std::unexpected(door.error());
  door->code = symbol;
  return std::make_shared<const BackendDoor>(std::move(*door));
}

}  // namespace iommucheck::oracle
