// SPDX-License-Identifier: MIT
#include "check/machine_fit.h"

#include <algorithm>
#include <bit>
#include <set>

#include "base/word.h"
#include "check/named_keys.h"

namespace iommucheck::oracle {

using spec::Capabilities;
using spec::StallModel;
using spec::sva::DeviceSetup;

void drop_what_is_not_there(Machine& machine) {
  if (!machine.caps.s1p) {
    // PASIDs, and faults that wait for an answer, are of stage 1.
    machine.caps.ssidsize = 0;
    machine.caps.had = machine.caps.e0pd = machine.caps.hyp = false;
    for (DeviceSetup& device : machine.devices) {
      device.stall = device.pri = false;
      device.ssid_bits = 0;
    }
  }
  for (DeviceSetup& device : machine.devices) {
    device.ats &= machine.caps.ats;
    device.stall &= machine.caps.stall_model != StallModel::never;
    device.pri &= machine.caps.pri && device.ats;
  }
}

void fit_stream_ids(Machine& machine) {
  const u64 largest = low_mask(u64{machine.caps.sidsize});
  std::set<u32> taken;
  for (const DeviceSetup& device : machine.devices) {
    for (const u32 sid : device.stream_ids) {
      if (sid <= largest) taken.insert(sid);
    }
  }
  for (DeviceSetup& device : machine.devices) {
    for (u32& sid : device.stream_ids) {
      if (sid <= largest) continue;
      u64 other = sid & largest;
      for (u64 tries = 0; tries <= largest && taken.contains(static_cast<u32>(other)); ++tries) {
        other = (other + 1) & largest;
      }
      sid = static_cast<u32>(other);  // of too few, objection_to() says so
      taken.insert(sid);
    }
  }
}

void fit_the_version(Capabilities& caps, std::string_view text) {
  const auto free = [&](std::string_view key) { return !names_one_of(text, {key}); };
  if (caps.minor == 0) {
    if (free("xnx")) caps.xnx = false;
    if (free("ril")) caps.ril = false;
    if (free("bbml")) caps.bbml = 0;
    if (free("fwb")) caps.fwb = false;
    if (free("stt")) caps.stt = false;
  }
  if (caps.minor < 2 && free("e0pd")) caps.e0pd = false;
  if (caps.hyp && caps.s1p && free("s2p")) caps.s2p = true;
  constexpr unsigned widest_of_one_level = 6;
  if (!caps.two_level_stream_table && free("sidsize") && caps.sidsize > widest_of_one_level) {
    caps.sidsize = widest_of_one_level;
  }
  if (caps.minor >= 1 && caps.s1p && free("had")) caps.had = true;
  if (caps.minor >= 1 && caps.s2p && free("xnx")) caps.xnx = true;
  if (caps.minor >= 2 && free("ril")) caps.ril = true;
  if (caps.minor >= 2 && caps.bbml == 0 && free("bbml")) caps.bbml = 1;
  if (caps.minor >= 2 && free("fwb")) caps.fwb = true;
  if (caps.minor >= 2 && caps.s1p && caps.s2p && free("hyp")) caps.hyp = true;
  if (caps.minor >= 3 && free("e0pd")) caps.e0pd = true;
}

void fit_the_devices(Machine& machine, std::string_view text) {
  const auto free = [&](std::string_view key) { return !names_one_of(text, {key}); };
  Capabilities& caps = machine.caps;
  for (const DeviceSetup& device : machine.devices) {
    if ((device.ats || device.pri) && free("ats")) caps.ats = true;
    if (device.pri && free("pri")) {
      caps.pri = true;
      if (free("priqs") && caps.priqs == 0) caps.priqs = 4;
    }
    if (device.stall && free("stall") && caps.stall_model == StallModel::never) {
      caps.stall_model = StallModel::both;
    }
    for (const u32 sid : device.stream_ids) {
      if (!free("sidsize")) continue;
      caps.sidsize = std::max(caps.sidsize, static_cast<unsigned>(std::bit_width(sid)));
      // IHI 0070 6.3.1: so many StreamIDs have tables of two levels.
      if (caps.sidsize >= 7 && free("st2l")) caps.two_level_stream_table = true;
    }
  }
}

}  // namespace iommucheck::oracle
