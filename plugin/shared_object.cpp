// SPDX-License-Identifier: MIT
#include "plugin/shared_object.h"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/types.h"

namespace iommucheck::oracle {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half host_machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half host_machine = EM_AARCH64;
#else
constexpr Elf64_Half host_machine = EM_NONE;  // not checked
#endif

std::unexpected<Error> bad(std::string what) { return fail(ErrorCode::bad_input, std::move(what)); }

}  // namespace

/// Segments that lie beyond the file's end would be a SIGBUS in the dynamic linker.
Expected<void> SharedObject::check_file(const std::string& path, const ObjectKind& kind) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) {
    return bad(fmt::format("{}; {}", std::strerror(errno), kind.usage));
  }
  if (!S_ISREG(info.st_mode)) return bad("is no regular file; a plug-in is a shared object");
  std::ifstream file(path, std::ios::binary);
  if (!file) return bad(fmt::format("cannot be opened: {}", std::strerror(errno)));
  Elf64_Ehdr header{};
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  if (!file || std::memcmp(static_cast<const void*>(header.e_ident), ELFMAG, SELFMAG) != 0) {
    return bad("is no shared object (no ELF header); build it with -shared -fPIC");
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 ||
      (host_machine != EM_NONE && header.e_machine != host_machine)) {
    return bad(
        fmt::format("is built for another machine (ELF machine {}, here {}); build it for "
                    "this one",
                    header.e_machine, host_machine));
  }
  if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr)) {
    return bad("is no shared object (an object file or program?); link it with -shared");
  }
  const auto size = static_cast<u64>(info.st_size);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    file.seekg(static_cast<std::streamoff>(header.e_phoff + i * sizeof segment));
    file.read(reinterpret_cast<char*>(&segment), sizeof segment);
    const bool within =
        file && segment.p_offset <= size && segment.p_filesz <= size - segment.p_offset;
    if (!within) return bad("is cut short (a segment lies beyond its end); build it again");
  }
  return {};
}

Expected<SharedObject> SharedObject::load(const std::string& path, const ObjectKind& kind) {
  if (const auto checked = check_file(path, kind); !checked) {
    return std::unexpected(checked.error());
  }
  // With a slash in it: a bare name would be looked for in the system's folders.
  const std::unique_ptr<char, void (*)(void*)> absolute(::realpath(path.c_str(), nullptr),
                                                        std::free);
  if (!absolute) return bad(std::strerror(errno));

  SharedObject object;
  object.handle_.reset(::dlopen(absolute.get(), RTLD_NOW | RTLD_LOCAL));
  if (!object.handle_) {
    const char* reason = ::dlerror();
    const std::string_view text = reason != nullptr ? reason : "no reason given";
    const std::string_view advice =
        text.find("_asan_") != std::string_view::npos ||
                text.find("_ubsan_") != std::string_view::npos
            ? "; it is built with sanitizers: build it without, or this program with them too"
        : text.find("undefined symbol") != std::string_view::npos
            ? "; link what it needs into it (-Wl,-z,defs shows that at link time)"
            : "";
    return bad(fmt::format("cannot be loaded: {}{}", text, advice));
  }
  object.entry_ = object.find(kind.entry);
  if (object.entry_ == nullptr) {
    return bad(
        fmt::format("exports no function {}; define it as include/iommucheck/{} says "
                    "(extern \"C\", not hidden)",
                    kind.entry, kind.header));
  }
  return object;
}

void* SharedObject::find(const char* symbol) const { return ::dlsym(handle_.get(), symbol); }

void SharedObject::Close::operator()(void* handle) const { ::dlclose(handle); }

}  // namespace iommucheck::oracle
