// SPDX-License-Identifier: MIT
#include "spec/sva/interface_promises.h"

#include "spec/sva/faults.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested_promises.h"
#include "spec/sva/promises.h"

namespace iommucheck::spec::sva {

Alternatives InterfacePromises::expected_within(u32 device, Substream at, u64 ipa) const {
  return sva::expected_within(state(), device, at, ipa);
}

Expectation InterfacePromises::expected(u32 device, Substream at, u64 iova) const {
  return sva::expected(state(), device, at, iova);
}

Alternatives InterfacePromises::expected_during(u32 device, Substream at, u64 iova) const {
  return sva::expected_during(state(), device, at, iova);
}

FaultKind InterfacePromises::faults_of(u32 device, Substream at) const {
  return sva::faults_of(state(), device, at);
}

bool InterfacePromises::may_reach(u32 device, u32 number) const {
  return sva::may_reach(state(), device, number);
}

bool InterfacePromises::equal_promises(u32 a, u32 b, Substream at) const {
  return sva::equal_promises(state(), a, b, at);
}

bool InterfacePromises::page_in_flight(u64 pa, u64 size) const {
  return sva::page_in_flight(state(), pa, size);
}

}  // namespace iommucheck::spec::sva
