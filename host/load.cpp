// SPDX-License-Identifier: MIT
#include "host/load.h"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "iommucheck/hooks.h"
#include "process/isolate.h"

namespace iommucheck::oracle {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half host_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half host_machine = EM_AARCH64;
#else
constexpr Elf64_Half host_machine = EM_NONE;  // not checked
#endif

std::unexpected<Error> bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::bad_input, fmt::format("{}: {}", path, what));
}

/// Segments that lie beyond the file's end would be a SIGBUS in the dynamic linker.
Expected<void> check_elf(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    return bad(path, fmt::format("{}; --driver takes 'builtin' or the path of a plug-in (a .so)",
                                 std::strerror(errno)));
  }
  if (!S_ISREG(info.st_mode)) return bad(path, "is no regular file; a plug-in is a shared object");
  std::ifstream file(path, std::ios::binary);
  if (!file) return bad(path, fmt::format("cannot be opened: {}", std::strerror(errno)));
  Elf64_Ehdr header{};
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  if (!file || std::memcmp(static_cast<const void*>(header.e_ident), ELFMAG, SELFMAG) != 0) {
    return bad(path, "is no shared object (no ELF header); build the driver with -shared -fPIC");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      (host_machine != EM_NONE && header.e_machine != host_machine)) {
    return bad(path, fmt::format("is built for another machine (ELF machine {}, here {}); "
                                 "build the driver for this one",
                                 header.e_machine, host_machine));
  }
  if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return bad(path, "is no shared object (an object file or program?); link it with -shared");
  }
  const auto size = static_cast<u64>(info.st_size);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    file.seekg(static_cast<std::streamoff>(header.e_phoff + i * sizeof segment));
    file.read(reinterpret_cast<char*>(&segment), sizeof segment);
    const bool within =
        file && segment.p_offset <= size && segment.p_filesz <= size - segment.p_offset;
    if (!within) return bad(path, "is cut short (a segment lies beyond its end); build it again");
  }
  return {};
}

Expected<void> check_struct(const iommucheck_driver& head, const std::string& path) {
  constexpr std::size_t needed = IOMMUCHECK_DRIVER_SIZE_VER0;
  static_assert(needed == offsetof(iommucheck_driver, reset) + sizeof(head.reset));
  if (head.abi != IOMMUCHECK_DRIVER_ABI) {
    return bad(path, fmt::format("its driver has abi {}, this program has {}; set abi = "
                                 "IOMMUCHECK_DRIVER_ABI and build it with this program's driver.h",
                                 head.abi, IOMMUCHECK_DRIVER_ABI));
  }
  if (head.size < needed || head.size % 8 != 0) {
    return bad(path, fmt::format("its driver has size {}, which cannot be (at least {}, a multiple "
                                 "of 8); set size = sizeof(struct iommucheck_driver)",
                                 head.size, needed));
  }
  return {};
}

}  // namespace

Expected<iommucheck_driver> complete(const iommucheck_driver* given, const std::string& path) {
  if (given == nullptr) {
    return bad(path, IOMMUCHECK_DRIVER_ENTRY_NAME " returned NULL; it must return the driver");
  }
  iommucheck_driver driver{};
  std::memcpy(&driver, given, 2 * sizeof(u32));  // size and abi: all that is sure to be there
  if (const auto checked = check_struct(driver, path); !checked) {
    return std::unexpected(checked.error());
  }
  std::memcpy(&driver, given, std::min<std::size_t>(driver.size, sizeof driver));
  driver.size = sizeof driver;
  if (driver.name == nullptr) return bad(path, "its driver has no name; set name");
  if (driver.init == nullptr) return bad(path, "its driver has no init; every driver needs one");
  if (driver.reset == nullptr) return bad(path, "its driver has no reset; every driver needs one");
  constexpr u64 not_claimed = IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_ANY_MEMORY_TYPE |
                              IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE |
                              IOMMUCHECK_DRIVER_CALLER_KEEPS_RANGES |
                              IOMMUCHECK_DRIVER_CALLER_UNROLLS |
                              IOMMUCHECK_DRIVER_ALLOCATIONS_SLEEP | IOMMUCHECK_DRIVER_TABLES_ONLY |
                              IOMMUCHECK_DRIVER_BRING_UP_ONLY | IOMMUCHECK_DRIVER_STAGE_2_GIVEN;
  constexpr u64 known = IOMMUCHECK_DRIVER_CONCURRENT | IOMMUCHECK_DRIVER_PER_DEVICE_TABLES |
                        IOMMUCHECK_DRIVER_SCAN | IOMMUCHECK_DRIVER_HOOKS |
                        IOMMUCHECK_DRIVER_PAGE_SIZES | not_claimed;
  if ((driver.flags & ~known) != 0) {
    return bad(path, fmt::format("its driver has flags {:#x}, of which this program knows {:#x} "
                                 "only; clear the others",
                                 driver.flags, known));
  }
  return driver;
}

void Plugin::Close::operator()(void* handle) const { ::dlclose(handle); }

Expected<Plugin> Plugin::load(const std::string& path) {
  if (const auto checked = check_elf(path); !checked) return std::unexpected(checked.error());
  // With a slash in it: a bare name would be looked for in the system's folders.
  const std::unique_ptr<char, void (*)(void*)> absolute(::realpath(path.c_str(), nullptr),
                                                        std::free);
  if (!absolute) return bad(path, std::strerror(errno));

  Plugin plugin;
  plugin.handle_.reset(::dlopen(absolute.get(), RTLD_NOW | RTLD_LOCAL));
  if (!plugin.handle_) {
    const char* reason = ::dlerror();
    const std::string_view text = reason != nullptr ? reason : "no reason given";
    const std::string_view advice =
        text.find("_asan_") != std::string_view::npos ||
                text.find("_ubsan_") != std::string_view::npos
            ? "; it is built with sanitizers: build it without, or this program with them too"
        : text.find("undefined symbol") != std::string_view::npos
            ? "; link what it needs into it (-Wl,-z,defs shows that at link time)"
            : "";
    return bad(path, fmt::format("cannot be loaded: {}{}", text, advice));
  }
  void* symbol = ::dlsym(plugin.handle_.get(), IOMMUCHECK_DRIVER_ENTRY_NAME);
  if (symbol == nullptr) {
    return bad(path, "exports no function " IOMMUCHECK_DRIVER_ENTRY_NAME
                     "; define it as include/iommucheck/driver.h says (extern \"C\", not hidden)");
  }
  plugin.entry_ = symbol;
  const auto entry = reinterpret_cast<iommucheck_driver_entry_fn>(symbol);
  const auto driver = complete(entry(), path);
  if (!driver) return std::unexpected(driver.error());
  plugin.driver_ = std::make_unique<iommucheck_driver>(*driver);
  if (void* hooks = ::dlsym(plugin.handle_.get(), IOMMUCHECK_HOOKS_ENTRY_NAME)) {
    const iommucheck_hooks* given = reinterpret_cast<iommucheck_hooks_entry_fn>(hooks)();
    if (given == nullptr || given->abi != IOMMUCHECK_HOOKS_ABI ||
        given->size < IOMMUCHECK_HOOKS_SIZE_VER0) {
      return bad(path,
                 "its hooks are of another version; build it again with this program's "
                 "`iommucheck cc`");
    }
    plugin.driver_->hooks = given;
  }
  return plugin;
}

Expected<std::string> Plugin::probe(const std::string& path, double seconds) {
  if (const auto checked = check_elf(path); !checked) return std::unexpected(checked.error());
  auto report = SharedReport::create();
  if (!report) return std::unexpected(report.error());
  const auto work = [&] {
    const auto plugin = load(path);
    const std::string text = plugin ? plugin->driver().name : plugin.error().message;
    report->add_finding(text);
    return plugin ? 0 : 1;
  };
  const auto outcome = run_isolated(*report, work, {.hang_seconds = seconds});
  if (!outcome) return std::unexpected(outcome.error());
  const auto texts = report->findings();
  if (outcome->ended != Ended::returned || texts.empty()) {
    return bad(path, fmt::format("{} while it was loaded; run its constructors and {} in a "
                                 "debugger{}{}",
                                 outcome->describe(), IOMMUCHECK_DRIVER_ENTRY_NAME,
                                 outcome->output.empty() ? "" : ". It said:\n", outcome->output));
  }
  if (outcome->result != 0) return fail(ErrorCode::bad_input, texts.front());
  return texts.front();
}

}  // namespace iommucheck::oracle
