// SPDX-License-Identifier: MIT
// Privileged accesses and instruction fetches, for engines that send them; and devices that are
// saved in the middle.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

/// A leaf with such permissions, under a CD with one bit changed.
constexpr u64 hd = u64{3} << 42;  // and HA

void leaf_case(const DeviceIdentity& device, std::vector<Case>& cases, u64 permissions,
               const char* cd_name, u64 cd_bit, u64 cd_bit_of_word1 = 0) {
  LeafBits leaf;
  leaf.user = bit(permissions, 0);
  leaf.writable = bit(permissions, 1);
  const bool clean = leaf.writable && (cd_bit & hd) != 0;
  if (clean) leaf.writable = false;
  leaf.extra = (clean ? u64{1} << 51 : 0) | (bit(permissions, 2) ? u64{1} << 54 : 0) |
               (bit(permissions, 3) ? u64{1} << 53 : 0);
  CaseBuilder b(
      device,
      fmt::format("attributes: {} {} leaf{}{}{}", leaf.user ? "user" : "privileged",
                  clean           ? "clean"
                  : leaf.writable ? "writable"
                                  : "read-only",
                  bit(permissions, 2) ? ", UXN" : "", bit(permissions, 3) ? ", PXN" : "", cd_name));
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, 0x1000, b.data(), 3, leaf);
  spec::Cd<u64> cd = b.plain_cd(root);
  cd.dw[0] |= cd_bit;
  cd.dw[1] |= cd_bit_of_word1;
  b.translate(0, cd);
  for (unsigned round = 0; round < 2; ++round) b.all_accesses(0x1000);  // whoever was there first
  b.all_accesses(0x2000);  // nothing is there: the record tells what was sent
  b.poll();
  cases.push_back(b.take());
}

/// What an STE makes of the attributes that come in, where IDR1.ATTR_PERMS_OVR lets it; else
/// nothing. IHI 0070 5.2, 6.3.2, 13.1.2.
void override_case(const DeviceIdentity& device, std::vector<Case>& cases, u64 privcfg,
                   u64 instcfg) {
  CaseBuilder b(device, fmt::format("attributes: PRIVCFG = {}, INSTCFG = {}", privcfg, instcfg));
  const u64 root = b.root(Granule::g4k, 25);
  const LeafBits leaves[] = {{},
                             {.writable = false},
                             {.user = false},
                             {.writable = false, .extra = u64{1} << 54},
                             {.writable = false, .extra = u64{1} << 53}};
  for (u64 i = 0; i < std::size(leaves); ++i) {
    b.map(root, 0x1000 * (1 + i), b.data(0x1000 * i), 3, leaves[i]);
  }
  b.cd(0, b.plain_cd(root));
  spec::Ste<u64> ste = b.stage1_ste(0);
  ste.dw[1] = with_bits(ste.dw[1], 51, 48, privcfg | instcfg << 2);
  b.ste(0, ste);
  b.enable();
  for (u64 i = 0; i <= std::size(leaves); ++i) b.all_accesses(0x1000 * (1 + i));
  b.poll();
  cases.push_back(b.take());
}

/// What a table takes away of the leaves below it, in either half, and where HADx says that it
/// takes nothing away. DDI 0487 D8.4.
void table_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned upper,
                unsigned level, u64 had) {
  constexpr unsigned tsz = 25;
  constexpr u64 fields = 4;  // PXNTable, UXNTable, APTable[0], APTable[1]
  // By the walk, and behind what may be cached of its tables, of level 2 and of level 1.
  // What users may write, privileged code may not execute: what PXNTable takes away shows at a page
  // that they may not.
  constexpr struct {
    u64 at;
    bool user = true;
  } pages[] = {{0}, {0x1000}, {u64{1} << 21}, {0x2000, false}, {0x3000, false}};
  CaseBuilder b(device, fmt::format("attributes: tables at level {} of TTB{}, HAD0 = {}, HAD1 = {}",
                                    level, upper, had & 1, had >> 1));
  const u64 roots[] = {b.root(Granule::g4k, tsz), b.root(Granule::g4k, tsz)};
  const u64 base = upper == 0 ? 0 : ~mask(63 - tsz, 0);
  for (u64 i = 0; i <= fields; ++i) {  // the last one has none of them
    const u64 va = i << 30 | 0x1000;
    for (const auto& page : pages) {
      b.map(roots[upper], va + page.at, b.data(0x1000 * i), spec::last_level, {.user = page.user});
    }
    if (i == fields) continue;
    const u64 place = b.entry(roots[upper], Granule::g4k, tsz, va, level);
    b.store(place, b.word(place) | u64{1} << (59 + i));
  }
  spec::Cd<u64> cd = b.plain_cd(roots[0], tsz);
  use_upper_half(cd, roots[1] | (had >> 1) << 1, tsz);
  cd.dw[1] |= (had & 1) << 1;
  b.translate(0, cd);
  for (const auto& page : pages) {
    for (u64 i = 0; i <= fields; ++i) b.all_accesses(base + (i << 30 | 0x1000) + page.at);
    b.poll();
  }
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
  b.read(spec::reg::gerrorn);
  cases.push_back(b.take());
}

/// And what registers have that nothing else shows.
void saved_registers_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  namespace reg = spec::reg;
  CaseBuilder b(device, "saved: registers of messages");
  const spec::Capabilities& caps = b.capabilities();
  if (!caps.msi) return;
  std::vector<u32> groups = {reg::gerror_irq_cfg0, reg::eventq_irq_cfg0};
  if (caps.pri) groups.push_back(reg::priq_irq_cfg0);
  for (const u32 group : groups) {
    b.write(group, b.data(group), 8);
    b.write(group + 8, 0x5a5a0000 | group);
    b.write(group + 12, 5);
  }
  b.write(reg::gbpa, spec::gbpa::update | spec::gbpa::abort);
  for (unsigned i = 0; i < 4; ++i) b.read(reg::gbpa);
  b.write(reg::irq_ctrl, spec::irq_ctrl::gerror_irqen);
  for (unsigned i = 0; i < 4; ++i) b.read(reg::irq_ctrlack);
  b.save();
  for (const u32 group : groups) {
    b.read(group, 8);
    b.read(group + 8);
    b.read(group + 12);
  }
  for (const u32 one :
       {reg::cr0, reg::cr1, reg::cr2, reg::gbpa, reg::strtab_base_cfg, reg::irq_ctrl}) {
    b.read(one);
  }
  for (const u32 one : {reg::strtab_base, reg::cmdq_base, reg::eventq_base}) b.read(one, 8);
  cases.push_back(b.take());
}

/// E0PD keeps unprivileged accesses out of one half, and of that alone. IHI 0070 5.4 (E0PD0,
/// E0PD1).
void e0pd_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned halves) {
  constexpr unsigned tsz = 25;
  CaseBuilder b(device, fmt::format("attributes: E0PD0 = {}, E0PD1 = {}", halves & 1, halves >> 1));
  const u64 roots[] = {b.root(Granule::g4k, tsz), b.root(Granule::g4k, tsz)};
  const u64 upper = ~mask(63 - tsz, 0) | 0x1000;
  b.map(roots[0], 0x1000, b.data());
  b.map(roots[1], upper, b.data(0x1000));
  spec::Cd<u64> cd = b.plain_cd(roots[0], tsz);
  use_upper_half(cd, roots[1] | u64{halves >> 1} << 2, tsz);
  cd.dw[1] |= u64{halves & 1} << 2;
  b.translate(0, cd);
  for (const u64 at : {u64{0x1000}, upper, u64{0x2000}, upper + 0x1000}) b.all_accesses(at);
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void attribute_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.saves) saved_case(device, cases);
  if (device.saves) saved_registers_case(device, cases);
  if (!device.sends_privileged && !device.sends_instructions) return;
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  constexpr u64 pan = u64{1} << 40;
  for (u64 permissions = 0; permissions < 16; ++permissions) {
    leaf_case(device, cases, permissions, "", 0);
    leaf_case(device, cases, permissions, ", WXN", u64{1} << 36);
    if (caps.httu >= 2 && bit(permissions, 1)) {
      leaf_case(device, cases, permissions, ", WXN", u64{1} << 36 | hd);
    }
    leaf_case(device, cases, permissions, ", PAN", pan);
    if (caps.epan) leaf_case(device, cases, permissions, ", PAN, EPAN", pan, u64{1} << 59);
    if (caps.e0pd) leaf_case(device, cases, permissions, ", E0PD", 0, u64{1} << 2);
  }
  if (caps.e0pd && device.iova_end == 0) {
    for (unsigned halves = 1; halves < 4; ++halves) e0pd_case(device, cases, halves);
  }
  for (u64 overrides = 0; overrides < 16; ++overrides) {
    override_case(device, cases, overrides & 3, overrides >> 2);
  }
  for (const unsigned level : {1U, 2U}) {
    for (u64 had = 0; had < 4; ++had) {
      table_case(device, cases, 0, level, had);
      if (device.iova_end == 0) table_case(device, cases, 1, level, had);
    }
  }
}

}  // namespace iommucheck::oracle
