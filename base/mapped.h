// SPDX-License-Identifier: MIT
// Zeroed memory straight from the system, which gives a page when it is first touched: large ones
// of which little is used cost little, and processes may share them.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/types.h"

namespace iommucheck {

struct Unmap {
  std::size_t bytes = 0;
  void operator()(void* memory) const { ::munmap(memory, bytes); }
};
template <class T>
using Mapped = std::unique_ptr<T, Unmap>;

enum class Sharing : u8 {
  own,        ///< a fork has a copy
  with_forks  ///< a fork sees what is written, and writes what is seen
};

/// Never inlined: g++-12 warns of bounds in a concatenation of constants.
[[gnu::noinline]] inline std::string no_memory_for(const char* what) {
  return std::string("no memory for ") + what + ": " + std::strerror(errno);
}

/// `bytes` of zeros as a T, or an array of it, for which zeros are a value. environment where the
/// system has none: "no memory for `what`".
template <class T>
Expected<Mapped<T>> map_zeroed(Sharing sharing, std::size_t bytes, const char* what) {
  const int kind = sharing == Sharing::own ? MAP_PRIVATE : MAP_SHARED;
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return fail(ErrorCode::environment, no_memory_for(what));
  }
  using Element = std::remove_extent_t<T>;
  return Mapped<T>(static_cast<Element*>(memory), Unmap{bytes});
}

}  // namespace iommucheck
