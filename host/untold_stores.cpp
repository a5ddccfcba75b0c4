// SPDX-License-Identifier: MIT
#include "host/untold_stores.h"

#include <atomic>

#include "base/mapped.h"

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
    auto shared = map_zeroed<Shared>(Sharing::with_forks, sizeof(Shared), "counts of stores");
    return shared ? shared->release() : &own;
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
