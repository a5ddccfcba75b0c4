// SPDX-License-Identifier: MIT
// What the calls so far have promised, for those who explain.
#include "monitor/promises.h"

namespace iommucheck::oracle {

std::vector<Promised> Promises::promised(u32 sid, spec::sva::Substream at, u64 va) const {
  if (!setup_.calls_are_known || !case_.promises_on) return {};
  const u32 device = interface_.device_of(sid);
  if (device == interface_.device_count()) return {};
  return promised_of(interface_.expected_during(device, at, va));
}

bool Promises::promises_nothing(u32 sid, spec::sva::Substream at) const {
  if (!setup_.calls_are_known || !case_.promises_on) return false;
  const u32 device = interface_.device_of(sid);
  if (device == interface_.device_count()) return true;
  const spec::sva::Alternatives allowed = interface_.expected_during(device, at, 0);
  for (u32 i = 0; i < allowed.count; ++i) {
    const spec::sva::State state = allowed.promises[i].state;
    if (state != spec::sva::State::blocked && state != spec::sva::State::no_pasid) return false;
  }
  return allowed.count != 0 && !allowed.gave_up;
}

bool Promises::breaks_promise(u32 sid, spec::sva::Substream at, u64 va,
                              const spec::Leaf<u64>& leaf) const {
  if (!setup_.calls_are_known || !case_.promises_on) return false;
  const u32 device = interface_.device_of(sid);
  if (device == interface_.device_count()) return false;
  const spec::sva::Alternatives allowed = interface_.expected_during(device, at, va);
  if (allowed.gave_up) return false;
  for (u32 i = 0; i < allowed.count; ++i) {
    const spec::sva::Promise& promise = allowed.promises[i];
    const auto& rights =
        (promise.prot & spec::sva::prot_privileged) != 0 ? leaf.privileged : leaf.unprivileged;
    const bool write = (promise.prot & spec::sva::prot_write) != 0;
    if (promise.state == spec::sva::State::mapped && promise.pa == leaf.output && rights.read &&
        rights.write.value == write) {
      return false;
    }
  }
  return true;
}

}  // namespace iommucheck::oracle
