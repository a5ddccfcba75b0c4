// SPDX-License-Identifier: MIT
#include "process/text_at.h"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace iommucheck::oracle {

std::optional<std::string> text_at(const char* pointer, std::size_t max) {
  constexpr std::size_t page = 4096;
  std::string text(std::min(max, page), '\0');
  // The kernel copies whole pieces or none, so a piece ends with its page: what is behind the text
  // need not be there.
  const std::size_t first =
      std::min(text.size(), page - reinterpret_cast<uintptr_t>(pointer) % page);
  char* const at = const_cast<char*>(pointer);
  const std::array<iovec, 2> from = {
      {{at, first},
       {reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(at) + first), text.size() - first}}};
  const iovec to{text.data(), text.size()};
  const ssize_t got = ::process_vm_readv(::getpid(), &to, 1, from.data(), from.size(), 0);
  if (got < 0 && errno != EFAULT) {  // where a sandbox forbids it: it is trusted
    return std::string(pointer, ::strnlen(pointer, text.size()));
  }
  if (got < 0) return std::nullopt;
  const auto all = static_cast<std::size_t>(got);
  const std::size_t length = ::strnlen(text.data(), all);
  if (length == all && all < text.size()) return std::nullopt;  // it goes on where nothing is
  text.resize(length);
  return text;
}

}  // namespace iommucheck::oracle
