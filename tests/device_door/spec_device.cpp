// SPDX-License-Identifier: MIT
// The specification behind the door, or a device that is broken in one way: what the door makes of
// it has to be what conform makes of the same device in its own process.
#include <bit>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "iommucheck/device.h"
#include "tests/conform/conform_support.h"

namespace {

using namespace iommucheck;
using namespace iommucheck::oracle;

struct Device {
  const iommucheck_dut_host* host = nullptr;
  std::unique_ptr<DeviceUnderTest> inner;
  std::string words;
};

void* open_device(const iommucheck_dut_host* host, iommucheck_dut_info* info) {
  auto device = std::make_unique<Device>();
  device->host = host;
  if (const char* fault = std::getenv("IOMMUCHECK_FAULT")) {
    device->inner =
        std::make_unique<BrokenDevice>(static_cast<Fault>(std::atoi(fault)), host->seed);
  } else if (std::getenv("IOMMUCHECK_DRAWN_DEVICE") != nullptr) {
    device->inner = std::make_unique<SpecDevice>(host->seed, drawn_spec_device_id(host->seed));
  } else {
    device->inner = std::make_unique<SpecDevice>(host->seed);
  }
  const DeviceIdentity& identity = device->inner->identity();
  info->flags = IOMMUCHECK_DUT_GIVES_PA | IOMMUCHECK_DUT_HOLDS_MEMORY |
                IOMMUCHECK_DUT_SENDS_PRIVILEGED | IOMMUCHECK_DUT_SENDS_INSTRUCTIONS |
                IOMMUCHECK_DUT_SENDS_SUBSTREAMS | IOMMUCHECK_DUT_WIRES_INTERRUPTS;
  if (identity.ats) info->flags |= IOMMUCHECK_DUT_ATS;
  if (identity.pri) info->flags |= IOMMUCHECK_DUT_PRI;
  info->sid_count = static_cast<u32>(identity.sids.size());
  for (std::size_t i = 0; i < identity.sids.size(); ++i) info->sids[i] = identity.sids[i];
  std::strcpy(info->name, "spec");
  std::strcpy(info->release, "1");
  info->mmio_bytes = 0x20000;
  return device.release();
}

std::int32_t reset(void* self) { return static_cast<Device*>(self)->inner->reset() ? 0 : -1; }

unsigned engine_of(const DeviceUnderTest& device, u32 sid) {
  unsigned engine = 0;
  while (device.identity().sids[engine] != sid) ++engine;
  return engine;
}

DmaAttributes attributes_of(const iommucheck_dut_op& op) {
  DmaAttributes attributes;
  attributes.privileged = (op.attributes & IOMMUCHECK_DUT_IS_PRIVILEGED) != 0;
  attributes.instruction = (op.attributes & IOMMUCHECK_DUT_IS_INSTRUCTION) != 0;
  attributes.translated = (op.attributes & IOMMUCHECK_DUT_IS_TRANSLATED) != 0;
  if ((op.attributes & IOMMUCHECK_DUT_HAS_SUBSTREAM) != 0) attributes.substream = op.ssid;
  return attributes;
}

void request_one(DeviceUnderTest& device, iommucheck_dut_op& op) {
  const bool write = (op.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0;
  const AtsSeen seen = device.answered(
      device.ats_request(engine_of(device, op.where), op.address, write, attributes_of(op)));
  op.status = seen.result == trace::AtsResult::success       ? IOMMUCHECK_DUT_DONE
              : seen.result == trace::AtsResult::unsupported ? IOMMUCHECK_DUT_UNSUPPORTED
                                                             : IOMMUCHECK_DUT_COMPLETER_ABORT;
  if (!seen.rights.read && !seen.rights.write) return;
  const auto lg2 = static_cast<unsigned>(std::bit_width(seen.bytes) - 1);
  op.pa = seen.pa;
  op.value = (seen.rights.read ? IOMMUCHECK_DUT_MAY_READ : 0) |
             (seen.rights.write ? IOMMUCHECK_DUT_MAY_WRITE : 0) |
             (lg2 << IOMMUCHECK_DUT_EXTENT_PLACE);
}

spec::PageRequest page_request_of(const iommucheck_dut_op& op) {
  const auto has = [&](u32 attribute) { return (op.attributes & attribute) != 0; };
  spec::PageRequest request{.sid = op.where,
                            .address = op.address,
                            .prg_index = static_cast<u32>(op.value),
                            .last = has(IOMMUCHECK_DUT_IS_LAST),
                            .write = has(IOMMUCHECK_DUT_IS_WRITE),
                            .read = has(IOMMUCHECK_DUT_IS_READ),
                            .execute = has(IOMMUCHECK_DUT_IS_INSTRUCTION),
                            .privileged = has(IOMMUCHECK_DUT_IS_PRIVILEGED)};
  if (has(IOMMUCHECK_DUT_HAS_SUBSTREAM)) request.ssid = op.ssid;
  return request;
}

void run_one(DeviceUnderTest& device, iommucheck_dut_op& op) {
  op.status = IOMMUCHECK_DUT_DONE;
  switch (op.kind) {
    case IOMMUCHECK_DUT_READ: op.value = device.value(device.mmio_read(op.where, op.bytes)); break;
    case IOMMUCHECK_DUT_WRITE: device.mmio_write(op.where, op.bytes, op.value); break;
    case IOMMUCHECK_DUT_STORE: device.store(op.address, op.value); break;
    case IOMMUCHECK_DUT_FILL: device.fill(op.address, op.where, op.value); break;
    case IOMMUCHECK_DUT_LOAD: op.value = device.value(device.load(op.address)); break;
    case IOMMUCHECK_DUT_DMA: {
      const bool write = (op.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0;
      const DmaSeen seen = device.seen(
          device.dma(engine_of(device, op.where), op.address, write, attributes_of(op)));
      op.status = seen.reached   ? IOMMUCHECK_DUT_DONE
                  : seen.stalled ? IOMMUCHECK_DUT_STALLED
                                 : IOMMUCHECK_DUT_TERMINATED;
      if (!write) op.value = 0;
      op.pa = seen.pa.value_or(0);
      break;
    }
    case IOMMUCHECK_DUT_ATS_REQUEST: request_one(device, op); break;
    case IOMMUCHECK_DUT_PAGE_REQUEST: device.page_request(page_request_of(op)); break;
    case IOMMUCHECK_DUT_ATC_DONE: device.invalidated(op.where); break;
    case IOMMUCHECK_DUT_ATC_TIME_OUT: device.invalidations_time_out(); break;
    default: op.status = IOMMUCHECK_DUT_REFUSED;
  }
}

std::int64_t run(void* self, iommucheck_dut_op* ops, std::uint64_t count) {
  auto& device = *static_cast<Device*>(self);
  for (u64 i = 0; i < count; ++i) {
    run_one(*device.inner, ops[i]);
    if (auto alive = device.inner->settle(); !alive) {
      device.words = alive.error().message;
      return static_cast<std::int64_t>(i);
    }
    for (const AtcInvalidation& one : device.inner->take_invalidations()) {
      const u32 attributes = (one.substream ? IOMMUCHECK_DUT_HAS_SUBSTREAM : 0) |
                             (one.global ? IOMMUCHECK_DUT_IS_GLOBAL : 0);
      device.host->atc_invalidate(device.host->ctx, one.sid, attributes, one.substream.value_or(0),
                                  one.tag, one.address, one.bytes);
    }
    for (const spec::PageResponse& one : device.inner->take_page_responses()) {
      device.host->page_response(device.host->ctx, one.sid,
                                 one.ssid ? IOMMUCHECK_DUT_HAS_SUBSTREAM : 0, one.ssid.value_or(0),
                                 one.prg_index, static_cast<u32>(one.code));
    }
    for (const Interrupt& one : device.inner->take_interrupts()) {
      device.host->interrupt(device.host->ctx, static_cast<u32>(one.kind), IOMMUCHECK_DUT_EDGE);
    }
  }
  return static_cast<std::int64_t>(count);
}

const char* last_words(void* self) { return static_cast<Device*>(self)->words.c_str(); }
void close_device(void* self) { delete static_cast<Device*>(self); }

}  // namespace

extern "C" const iommucheck_dut* iommucheck_device_entry() {
  static const iommucheck_dut device = {.size = sizeof device,
                                        .abi = IOMMUCHECK_DUT_ABI,
                                        .open = open_device,
                                        .reset = reset,
                                        .run = run,
                                        .last_words = last_words,
                                        .close = close_device};
  return &device;
}
