// SPDX-License-Identifier: MIT
#include "matrix/device_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bits.h"

namespace iommucheck::oracle {

namespace {

constexpr u64 mib = u64{1} << 20;
/// Of the structures: three eighths for the driver, one for processes, a half for users.
constexpr u64 structures_least = 4 * mib, pages_align = 2 * mib;
/// What `check` asks of a driver as well: queues that wrap.
constexpr unsigned cmdq_log2size = 6;

/// Of engines that send SubstreamIDs or have ATS each is without it, too.
struct EngineForm {
  u32 ssid_bits = 0;
  bool ats = false;
};
constexpr std::array<EngineForm, 4> engine_forms{{{8, false}, {5, true}, {0, false}, {3, true}}};

}  // namespace

Expected<DeviceMachine> machine_of(const DeviceIdentity& device) {
  DeviceMachine result;
  result.machine.caps = spec::parse_capabilities(device.id);
  const spec::Capabilities& caps = result.machine.caps;
  if (const auto feature = spec::unsupported_feature(caps)) {
    return fail(ErrorCode::unsupported, fmt::format("the specification has not got {}", *feature));
  }
  const bool fits = device.structures_bytes >= structures_least && device.data_bytes != 0 &&
                    device.data_pa % pages_align == 0;
  if (!fits) {
    return fail(
        ErrorCode::bad_input,
        fmt::format("its memory has {:#x} bytes for structures and {:#x} for data at {:#x}; "
                    "a driver takes {:#x} and some at a multiple of {:#x}",
                    device.structures_bytes, device.data_bytes, device.data_pa, structures_least,
                    pages_align));
  }
  result.machine.cmdq_log2size = std::min(cmdq_log2size, caps.cmdqs);
  const std::size_t engines = std::min(device.sids.size(), engine_forms.size());
  for (std::size_t i = 0; i < engines; ++i) {
    spec::sva::DeviceSetup setup;
    setup.stream_ids = {device.sids[i]};
    const u32 most = device.sends_substreams ? caps.ssidsize : 0;
    setup.ssid_bits = std::min(engine_forms[i].ssid_bits, most);
    setup.ats = device.ats && caps.ats && engine_forms[i].ats;
    result.machine.devices.push_back(std::move(setup));
  }
  const u64 eighth = device.structures_bytes / 8;
  result.place = {.id = device.id,
                  .window_pa = device.structures_pa,
                  .window_bytes = eighth * 3,
                  .process_bytes = eighth,
                  .users_pa = device.structures_pa + eighth * 4,
                  .users_bytes = eighth * 4,
                  .pages_pa = device.data_pa,
                  .pages_bytes = device.data_bytes};
  return result;
}

}  // namespace iommucheck::oracle
