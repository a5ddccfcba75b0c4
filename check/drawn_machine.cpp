// SPDX-License-Identifier: MIT
#include "check/drawn_machine.h"

#include <algorithm>
#include <utility>

#include "check/machine_fit.h"
#include "check/machine_limits.h"
#include "check/named_keys.h"

namespace iommucheck::oracle {

using spec::Capabilities;
using spec::sva::DeviceSetup;

namespace {

/// Of those that ask for translations some ask for pages.
void draw_page_requests(Machine& machine, u64 seed) {
  Draw draw = draw_of(seed, "PRIQ");
  if (!machine.caps.ats || !machine.caps.s1p || draw.one_in(2)) return;
  bool any = false;
  for (DeviceSetup& device : machine.devices) {
    const bool asks = draw.one_in(2);
    if (!asks || !device.ats || device.ssid_bits == 0) continue;
    any = device.pri = true;
    device.stall = false;
  }
  machine.caps.pri = any;
  machine.caps.priqs = any ? draw.of({1, 2, 4, 8}) : 0;
}

/// Completion of a CMD_SYNC by message.
void draw_messages(Machine& machine, u64 seed) {
  machine.caps.msi = draw_of(seed, "MSI").one_in(2);
}

/// Memory may be anywhere.
void draw_memory(Machine& machine, u64 seed) {
  const bool high = draw_of(seed, "MEMH").one_in(2);
  machine.high_memory = high && machine.caps.oas_lg2 > machine_limits::low_memory_bits;
}

/// CPUs' broadcasts are heard, unless the driver sets CR2.PTM.
void draw_broadcasts(Machine& machine, u64 seed) {
  machine.caps.btm = draw_of(seed, "BTM").one_in(4);
}

}  // namespace

Draw draw_of(u64 seed, std::string_view four_letters) {
  u64 word = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    word = word << 8 | (i < four_letters.size() ? static_cast<u8>(four_letters[i]) : 0U);
  }
  return Draw(seed ^ word);
}

u32 drawn_stream_id(Draw& draw, const Capabilities& caps, bool far, std::set<u32>& taken) {
  const u32 most = caps.two_level_stream_table ? (far ? machine_limits::stream_bits : 11) : 10;
  const u32 widest = std::min<u32>(caps.sidsize, most);
  for (;;) {
    const u32 bits = draw.from(1, widest);
    const u32 sid = draw.below(u32{1} << bits);
    if (taken.insert(sid).second) return sid;
  }
}

void draw_the_rest(Machine& machine, std::string_view changes, u64 seed) {
  if (!names_one_of(changes, {"devices", "ats", "pri", "priqs", "ssidsize"})) {
    draw_page_requests(machine, seed);
  }
  if (!names_one_of(changes, {"msi"})) draw_messages(machine, seed);
  if (!names_one_of(changes, {"btm"})) draw_broadcasts(machine, seed);
  if (!names_one_of(changes, {"memory"})) draw_memory(machine, seed);
}

Machine drawn_machine(u64 seed) {
  Draw draw(seed);
  Machine machine;
  machine.caps = drawn_capabilities(draw);
  machine.cmdq_log2size = draw.one_in(2) ? 0 : draw.from(3, 8);
  std::set<u32> taken;
  const bool far = draw.one_in(8);
  const u32 count = draw.from(2, machine_limits::devices);
  // Tables for more PASIDs than that cost time, and show nothing else.
  const u32 widest = std::min<u32>(machine.caps.ssidsize, machine_limits::drawn_pasid_bits);
  for (u32 i = 0; i < count; ++i) {
    DeviceSetup device;
    const u32 streams = draw.of({1, 1, 1, 2, 3});
    for (u32 n = 0; n < streams; ++n) {
      device.stream_ids.push_back(drawn_stream_id(draw, machine.caps, far, taken));
    }
    // The first one can do what the SMMU can; the others some of it, or more.
    device.ssid_bits =
        i == 0 ? widest
               : draw.of({0, widest, std::min<u32>(widest + 2, machine_limits::drawn_pasid_bits), 3,
                          5});
    if (widest == 0) device.ssid_bits = draw.of({0, 0, 4});
    device.ats = draw.one_in(2);
    device.stall = draw.one_in(2);
    machine.devices.push_back(std::move(device));
  }
  drop_what_is_not_there(machine);
  draw_the_rest(machine, {}, seed);
  // Whoever has no use for them leaves address spaces to the core.
  machine.hooks.mm_alloc = machine.hooks.mm_free = !draw.one_in(3);
  return machine;
}

}  // namespace iommucheck::oracle
