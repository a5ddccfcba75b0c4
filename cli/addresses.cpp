// SPDX-License-Identifier: MIT
#include "cli/addresses.h"

#include <sys/personality.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/program.h"

namespace iommucheck::cli {

namespace {

/// Its program has such addresses, or cannot have them.
constexpr const char* begun_again = "IOMMUCHECK_ADDRESSES_ARE_FIXED";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||
                           __has_feature(memory_sanitizer);
#else
constexpr bool sanitized = false;
#endif

}  // namespace

void fix_addresses(char** argv) {
  constexpr unsigned long as_it_is = 0xffffffff;
  const int now = ::personality(as_it_is);
  if (sanitized || now == -1) return;
  if (std::getenv(begun_again) != nullptr) {
    // What this process starts is nobody's business: QEMU, a kernel's build.
    ::unsetenv(begun_again);
    ::personality(static_cast<unsigned long>(now) & ~static_cast<unsigned long>(ADDR_NO_RANDOMIZE));
    return;
  }
  if ((now & ADDR_NO_RANDOMIZE) != 0) return;
  if (::personality(static_cast<unsigned long>(now) | ADDR_NO_RANDOMIZE) == -1) return;
  if (::setenv(begun_again, "1", 1) == 0) ::execv(this_program().c_str(), argv);
  ::unsetenv(begun_again);
  ::personality(static_cast<unsigned long>(now));
}

}  // namespace iommucheck::cli
