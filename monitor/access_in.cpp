// SPDX-License-Identifier: MIT
#include "monitor/access_in.h"

namespace iommucheck::oracle {

namespace {

/// By whom, and where.
template <class Payload>
spec::Access access_to(const Payload& payload) {
  spec::Access access{.sid = payload.sid, .va = payload.iova};
  if (payload.ssid && payload.ssid->valid) {
    access.ssv = true;
    access.ssid = payload.ssid->value;
  }
  return access;
}

}  // namespace

spec::Access access_in(const trace::Dma& dma) {
  spec::Access access = access_to(dma);
  if (dma.direction == trace::Direction::write) access.type = spec::AccessType::write;
  if (dma.direction == trace::Direction::execute) access.type = spec::AccessType::execute;
  access.privileged = dma.privileged.value_or(false);
  return access;
}

spec::Access access_in(const trace::AtsRequest& request) {
  spec::Access access = access_to(request);
  access.privileged = request.privileged.value_or(false);
  return access;
}

spec::Access access_in(const trace::PageRequest& request) {
  spec::Access access = access_to(request);
  const trace::Rights rights = request.rights.value_or(trace::Rights{.read = true});
  if (rights.execute) access.type = spec::AccessType::execute;
  if (rights.write) access.type = spec::AccessType::write;
  access.privileged = request.privileged.value_or(false);
  return access;
}

trace::Dma dma_of(const spec::Access& access) {
  trace::Dma dma;
  dma.sid = access.sid;
  dma.ssid = access.ssv ? trace::substream(access.ssid) : trace::no_substream;
  dma.iova = access.va;
  dma.direction = access.type == spec::AccessType::write     ? trace::Direction::write
                  : access.type == spec::AccessType::execute ? trace::Direction::execute
                                                             : trace::Direction::read;
  return dma;
}

}  // namespace iommucheck::oracle
