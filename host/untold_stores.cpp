// SPDX-License-Identifier: MIT
#include "host/untold_stores.h"

#include <sys/mman.h>

#include <atomic>

namespace iommucheck::oracle::untold_stores {

namespace {

struct Shared {
  std::atomic<u64> words;
  std::atomic<u32> looks;
};
/// A boot and the first sequences; a comparison costs some microseconds.
constexpr u32 looks_max = 4096;

Shared& shared() {
  static Shared own;  // where no memory can be shared: then each process counts for itself
  static Shared* const one = [] {
    void* const memory =
        ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? &own : static_cast<Shared*>(memory);
  }();
  return *one;
}

}  // namespace

void begin() {
  shared().words = 0;
  shared().looks = 0;
}
void add(u64 words) { shared().words += words; }
u64 words() { return shared().words; }

bool are_likely() {
  if (shared().words != 0) return true;
  if (shared().looks >= looks_max) return false;
  ++shared().looks;
  return true;
}

}  // namespace iommucheck::oracle::untold_stores
