// SPDX-License-Identifier: MIT
#include "spec/sva/done.h"

namespace iommucheck::spec::sva {

u64 key_of(u32 device, u32 pasid) { return u64{device} << 20 | (pasid & (pasid_limit - 1)); }

/// By mm_exit's return, by unbind, or by giving the number back.
void say_done(InterfaceState& s, u32 device, u32 pasid) {
  const u64 key = key_of(device, pasid);
  if (s.forest.lookup(s.said_done, key).mapped) return;
  s.forest.insert(s.said_done, {.first = key, .last = key});
}

void unsay_done(InterfaceState& s, u32 device, u32 pasid) {
  const u64 key = key_of(device, pasid);
  s.forest.erase(s.said_done, key, key);
}

}  // namespace iommucheck::spec::sva
