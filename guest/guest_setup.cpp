// SPDX-License-Identifier: MIT
#include "guest/guest_setup.h"

#include <algorithm>

namespace iommucheck::oracle {

namespace {

constexpr u64 pages_piece = u64{2} << 20;    // blocks of the host's stage 2
constexpr u64 tables_piece = u64{64} << 10;  // and pages
constexpr u64 doorbell_piece = 4096;
constexpr u32 host_sids_begin = 0x21, host_sids_apart = 5;
constexpr unsigned host_sid_bits = 8;

}  // namespace

spec::Capabilities guest_capabilities(spec::Capabilities caps) {
  caps.s1p = true;
  caps.s2p = caps.vmid16 = caps.hyp = caps.vmw = caps.fwb = caps.xnx = false;
  caps.ats = caps.ns1ats = caps.pri = caps.pasidtt = caps.atsrecerr = false;
  caps.stall_model = spec::StallModel::never;
  caps.stall_max = 0;
  caps.priqs = 0;
  caps.httu = std::min(caps.httu, 2U);  // of leaves; tables are not marked
  caps.btm = caps.msi = caps.sev = false;
  caps.attr_perms_ovr = caps.attr_types_ovr = false;
  caps.cohacc = true;
  caps.gran4k = true;  // of users' tables as this project's drivers make them
  return caps;
}

spec::Capabilities host_capabilities(const spec::Capabilities& guest) {
  spec::Capabilities caps = guest;
  caps.s2p = caps.vmid16 = true;
  caps.xnx = guest.minor >= 1;
  caps.hyp = guest.minor >= 2;
  caps.fwb = guest.minor >= 2;
  caps.sidsize = std::max(caps.sidsize, host_sid_bits);
  caps.two_level_stream_table = true;
  return caps;
}

std::vector<spec::sva::DeviceSetup> guest_devices(std::vector<spec::sva::DeviceSetup> devices,
                                                  const spec::Capabilities& guest) {
  for (spec::sva::DeviceSetup& device : devices) {
    device.ats = device.stall = device.pri = false;
    device.ssid_bits = std::min(device.ssid_bits, guest.ssidsize);
  }
  return devices;
}

std::vector<u32> guest_streams(const std::vector<spec::sva::DeviceSetup>& devices) {
  std::vector<u32> sids;
  for (const spec::sva::DeviceSetup& device : devices) {
    sids.insert(sids.end(), device.stream_ids.begin(), device.stream_ids.end());
  }
  return sids;
}

std::vector<spec::sva::DeviceSetup> host_devices(
    const std::vector<spec::sva::DeviceSetup>& devices) {
  std::vector<spec::sva::DeviceSetup> of_host;
  u32 sid = host_sids_begin;
  for (const spec::sva::DeviceSetup& device : devices) {
    for (std::size_t i = 0; i < device.stream_ids.size(); ++i, sid += host_sids_apart) {
      of_host.push_back({.stream_ids = {sid}, .ssid_bits = device.ssid_bits});
    }
  }
  return of_host;
}

std::vector<GuestMemory::Region> GuestPlaces::regions() const {
  return {{window_pa, window_bytes + process_bytes, tables_piece},
          {pages_pa, pages_bytes, pages_piece},
          {doorbell_pa, doorbell_piece, doorbell_piece, true}};
}

}  // namespace iommucheck::oracle
