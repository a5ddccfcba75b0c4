// SPDX-License-Identifier: MIT
// Privileged accesses and instruction fetches, for engines that send them; and devices that are
// saved in the middle.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

/// Every access that the engines can send, to an address.
void all_accesses(CaseBuilder& b, u64 iova) {
  const DeviceIdentity& device = b.device();
  for (const bool privileged : {false, true}) {
    if (privileged && !device.sends_privileged) continue;
    b.access(iova, false, 0, {.privileged = privileged});
    b.access(iova, true, 0, {.privileged = privileged});
    if (!device.sends_instructions) continue;
    b.access(iova, false, 0, {.privileged = privileged, .instruction = true});
  }
}

/// A leaf with such permissions, under a CD with one bit changed.
void leaf_case(const DeviceIdentity& device, std::vector<Case>& cases, u64 permissions,
               const char* cd_name, u64 cd_bit) {
  LeafBits leaf;
  leaf.user = bit(permissions, 0);
  leaf.writable = bit(permissions, 1);
  leaf.extra = (bit(permissions, 2) ? u64{1} << 54 : 0) | (bit(permissions, 3) ? u64{1} << 53 : 0);
  CaseBuilder b(
      device,
      fmt::format("attributes: {} {} leaf{}{}{}", leaf.user ? "user" : "privileged",
                  leaf.writable ? "writable" : "read-only", bit(permissions, 2) ? ", UXN" : "",
                  bit(permissions, 3) ? ", PXN" : "", cd_name));
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, 0x1000, b.data(), 3, leaf);
  spec::Cd<u64> cd = b.plain_cd(root);
  cd.dw[0] |= cd_bit;
  b.cd(0, cd);
  b.ste(0, b.stage1_ste(0));
  b.enable();
  all_accesses(b, 0x1000);
  all_accesses(b, 0x2000);  // nothing is there: the record tells what was sent
  b.poll();
  cases.push_back(b.take());
}

/// What was enabled, cached and recorded is there when it goes on.
void saved_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "saved: tables, queues and events");
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.translate(0, root);
  b.access(0x1000);
  b.access(0x2000);
  b.save();
  b.access(0x1000);
  b.access(0x2000);
  b.poll();
  b.store(b.entry(root, Granule::g4k, 25, 0x1000, 3), 0);
  b.save();
  b.invalidate_all();
  b.access(0x1000);
  b.save();
  b.poll();
  b.command_words(0xff, 0);  // an error that is active while it is saved
  b.save();
  b.read(spec::reg::cmdq_cons);
  b.read(spec::reg::gerror);
  cases.push_back(b.take());
}

}  // namespace

void attribute_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.saves) saved_case(device, cases);
  if (!device.sends_privileged && !device.sends_instructions) return;
  for (u64 permissions = 0; permissions < 16; ++permissions) {
    leaf_case(device, cases, permissions, "", 0);
    leaf_case(device, cases, permissions, ", WXN", u64{1} << 36);
    leaf_case(device, cases, permissions, ", PAN", u64{1} << 40);
  }
}

}  // namespace iommucheck::oracle
