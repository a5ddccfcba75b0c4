// SPDX-License-Identifier: MIT
// Sequences: something is used, so that it may be cached; it changes; an invalidation that covers
// it completes; then the new state alone is allowed. Before that old and new are. IHI
// 0070 4.3, 4.4.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Command;
using spec::Granule;
using spec::Opcode;

constexpr u64 block_2m = u64{1} << 21;
constexpr u64 cd_aset = u64{1} << 47;

struct Tlbi {
  std::string name;
  Command command;
  u16 asid = 1;  ///< of what it covers
};

Command by_address(Opcode op, u64 asid, u64 va, bool leaf) {
  Command command;
  command.op = op;
  command.asid = op == Opcode::tlbi_nh_va ? asid : 0;
  command.address = va;
  command.leaf = leaf;
  return command;
}

/// TLBIs that cover one page of an ASID of VMID 0, at `va`, a leaf of `level`.
std::vector<Tlbi> covering(const spec::Capabilities& caps, u16 asid, u64 va, unsigned level,
                           Granule granule = Granule::g4k) {
  std::vector<Tlbi> all = {
      {"TLBI_NSNH_ALL", spec::cmd_tlbi_nsnh_all(), asid},
      {"TLBI_NH_ALL", spec::cmd_tlbi_nh_all(0), asid},
      {"TLBI_NH_ASID", spec::cmd_tlbi_nh_asid(0, asid), asid},
  };
  for (const Opcode op : {Opcode::tlbi_nh_va, Opcode::tlbi_nh_vaa}) {
    for (const bool leaf : {false, true}) {
      const std::string name = fmt::format("{}{}", spec::opcode_name(op), leaf ? ", Leaf = 1" : "");
      all.push_back({name, by_address(op, asid, va, leaf), asid});
      if (!caps.ril) continue;
      Command command = by_address(op, asid, align_down(va, level_shift(granule, level)), leaf);
      command.tg = static_cast<u64>(granule) + 1;
      command.ttl = level;
      all.push_back({name + fmt::format(", TTL = {}", level), command, asid});
      command.scale = 1;
      all.push_back({name + fmt::format(", TTL = {}, 2 granules", level), command, asid});
      command.ttl = 0;
      all.push_back({name + ", 2 granules", command, asid});
      command.num = 31;
      command.scale = 9;
      command.address = align_down(va, 23);
      all.push_back({name + ", 64 MiB", command, asid});
    }
  }
  return all;
}

/// A leaf is used, invalidated by each command, and must be gone.
void page_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned level,
               const Tlbi& tlbi, u64 va, bool global, Granule granule = Granule::g4k) {
  const bool small = granule == Granule::g4k;
  const u64 kib = pow2(page_shift(granule)) / 1024;
  CaseBuilder b(device, fmt::format("sequence: {} leaf at level {}{}, {}", global ? "global" : "a",
                                    level, small ? "" : fmt::format(" of {} KiB", kib), tlbi.name));
  const u64 root = b.root(granule, 25);
  LeafBits bits;
  bits.ng = !global;
  const u64 shift = level_shift(granule, level);
  const u64 pa = align_down(b.data(), static_cast<unsigned>(shift));
  const u64 place = b.entry(root, granule, 25, va, level);
  b.store(place, leaf_word(granule, level, pa, bits));
  spec::Cd<u64> cd = b.plain_cd(root, 25, tlbi.asid);
  cd.dw[0] |= tg0_of(granule) << 6;
  // ASET is no reason to keep anything. IHI 0070 3.17.
  if (global && level == 2) cd.dw[0] &= ~cd_aset;
  b.cd(0, cd);
  spec::Ste<u64> ste = b.stage1_ste(0);
  ste.dw[2] |= tlbi.command.vmid;
  b.ste(0, ste);
  b.enable();
  // Inside of the extent, where it reaches the data.
  const u64 inside = align_down(va, static_cast<unsigned>(shift)) + (b.data() - pa) + 0x10;
  b.both(inside);
  b.store(place, 0);
  b.access(inside);  // old or new
  b.command(tlbi.command);
  b.sync();
  b.both(inside);
  b.poll();
  // And it is filled again from what is there then.
  b.store(place, leaf_word(granule, level, pa, bits));
  b.both(inside);
  b.poll();
  cases.push_back(b.take());
}

void leaves(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const unsigned level : {3U, 2U, 1U}) {
    const u64 va = level == 3 ? 0x5000 : level == 2 ? 3 * block_2m : u64{1} << 30;
    for (const Tlbi& tlbi : covering(caps, 1, va, level)) {
      page_case(device, cases, level, tlbi, va, false);
    }
    // An address in the middle of the block.
    const u64 middle = va + (level == 3 ? 0 : pow2(level_shift(Granule::g4k, level)) / 2);
    page_case(device, cases, level,
              {"TLBI_NH_VA in the middle", by_address(Opcode::tlbi_nh_va, 1, middle, true)}, va,
              false);
    page_case(device, cases, level,
              {"TLBI_NH_VAA in the middle", by_address(Opcode::tlbi_nh_vaa, 0, middle, true)}, va,
              false);
    for (const Opcode op : {Opcode::tlbi_nh_va, Opcode::tlbi_nh_vaa}) {
      if (!caps.ril || level == spec::last_level) continue;
      Command range = by_address(op, 1, middle, true);  // all of it inside of the block
      range.tg = 1;
      range.num = 1;
      page_case(device, cases, level,
                {fmt::format("{}, 2 granules in the middle", spec::opcode_name(op)), range}, va,
                false);
    }
    for (const Tlbi& tlbi : covering(caps, 1, va, level)) {
      if (tlbi.command.op == Opcode::tlbi_nh_asid) continue;
      page_case(device, cases, level, tlbi, va, true);
    }
  }
}

/// ASID 0 is one as any other. IHI 0070 3.17.
void leaves_of_asid_0(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned level : {3U, 2U}) {
    const u64 va = level == 3 ? 0x5000 : 3 * block_2m;
    for (Tlbi tlbi : covering(spec::parse_capabilities(device.id), 0, va, level)) {
      tlbi.name += ", ASID 0";
      page_case(device, cases, level, tlbi, va, false);
    }
  }
}

/// An address with another top byte (TBI) is translated, and goes, by what is below. IHI 0070
/// 3.4.1, 4.4.
void tagged_leaves(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.iova_end != 0) return;
  constexpr u64 va = 0x5000, tagged = u64{0x5a} << 56 | va, tbi0 = u64{1} << 38;
  for (const Tlbi& tlbi : covering(spec::parse_capabilities(device.id), 1, va, 3)) {
    CaseBuilder b(device, "sequence: a leaf by an address with a tag, " + tlbi.name);
    const u64 root = b.root(Granule::g4k, 25);
    const u64 place = b.entry(root, Granule::g4k, 25, va, 3);
    b.store(place, leaf_word(Granule::g4k, 3, b.data(), {}));
    spec::Cd<u64> cd = b.plain_cd(root);
    cd.dw[0] |= tbi0;
    b.translate(0, cd);
    b.both(tagged);
    b.store(place, 0);
    b.access(tagged);  // old or new
    b.command(tlbi.command);
    b.sync();
    b.both(tagged);
    b.both(va);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Stage 1 alone under a VMID, where there is stage 2: each command that has one names it. IHI
/// 0070 3.17, 5.2 (S2VMID).
void leaves_of_a_vmid(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s2p) return;
  const u64 vmid = caps.vmid16 ? 0x8201 : 0x81;
  for (const unsigned level : {3U, 2U}) {
    const u64 va = level == 3 ? 0x5000 : 3 * block_2m;
    for (Tlbi tlbi : covering(caps, 1, va, level)) {
      if (tlbi.command.op == Opcode::tlbi_nsnh_all) continue;
      tlbi.command.vmid = vmid;
      tlbi.name += fmt::format(", VMID {:#x}", vmid);
      page_case(device, cases, level, tlbi, va, false);
      if (tlbi.command.op != Opcode::tlbi_nh_asid) page_case(device, cases, level, tlbi, va, true);
    }
  }
}

/// The same with the other granules; a table of theirs fills several pages of 4 KiB.
void larger_leaves(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    if (granule == Granule::g4k) continue;
    for (const unsigned level : {3U, 2U}) {
      // Of the last level in the second of those pages.
      const u64 va =
          level == 3 ? u64{700} << page_shift(granule) : 3 * pow2(level_shift(granule, level));
      for (const Tlbi& tlbi : covering(caps, 1, va, level, granule)) {
        page_case(device, cases, level, tlbi, va, false, granule);
      }
      if (!caps.ril) continue;
      Command other = by_address(Opcode::tlbi_nh_va, 1, va, true);
      other.tg = 1;
      other.num = 1;
      page_case(device, cases, level, {"TLBI_NH_VA of 4 KiB", other}, va, false, granule);
    }
  }
}

/// A global page was filled under one ASID; a TLBI_NH_VA that names another covers it too.
void global_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const bool range : {false, true}) {
    if (range && !caps.ril) continue;
    CaseBuilder b(device, fmt::format("sequence: a global page, TLBI_NH_VA{} of another ASID",
                                      range ? " by range" : ""));
    const u64 root = b.root(Granule::g4k, 25);
    LeafBits global;
    global.ng = false;
    const u64 place = b.entry(root, Granule::g4k, 25, 0x1000, 3);
    b.store(place, leaf_word(Granule::g4k, 3, b.data(), global));
    for (unsigned e = 0; e < 2; ++e) {
      b.cd(e, b.plain_cd(root, 25, 1 + e));
      b.ste(e, b.stage1_ste(e));
    }
    b.enable();
    b.both(0x1000, 0);
    b.store(place, 0);
    Command command = by_address(Opcode::tlbi_nh_va, 2, 0x1000, true);
    if (range) {
      command.tg = 1;
      command.num = 1;
      command.address = 0x1000;
    }
    b.command(command);
    b.sync();
    b.both(0x1000, 1);
    b.both(0x1000, 0);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Neighbours: a range covers its own pages, whatever its scale, and the last one too.
void range_case(const DeviceIdentity& device, std::vector<Case>& cases, u64 num, u64 scale, u64 ttl,
                bool leaf, u64 first) {
  CaseBuilder b(device, fmt::format("sequence: a range, NUM {}, SCALE {}, TTL {}{}, from {:#x}",
                                    num, scale, ttl, leaf ? ", Leaf = 1" : "", first));
  const u64 root = b.root(Granule::g4k, 25);
  const u64 pages = (num + 1) << scale;
  std::vector<u64> asked;
  const u64 tested[] = {0, 1, 2, 3, pages / 2, pages - 2, pages - 1};
  for (const u64 i : tested) {
    const u64 va = first + 0x1000 * i;
    if (i >= pages || std::ranges::find(asked, va) != asked.end()) continue;
    b.map(root, va, b.data(0x1000 * (i % 64)));
    asked.push_back(va);
  }
  b.translate(0, root);
  for (const u64 va : asked) b.access(va);
  for (const u64 va : asked) b.store(b.entry(root, Granule::g4k, 25, va, 3), 0);
  Command command = by_address(Opcode::tlbi_nh_va, 1, first, leaf);
  command.tg = 1;
  command.num = num;
  command.scale = scale;
  command.ttl = ttl;
  b.command(command);
  b.sync();
  for (const u64 va : asked) b.access(va);
  b.poll();
  cases.push_back(b.take());
}

void ranges(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const u64 ttl : {0U, 3U}) {
    for (const bool leaf : {false, true}) {
      range_case(device, cases, 1, 0, ttl, leaf, 0x1000);
      range_case(device, cases, 2, 0, ttl, leaf, 0x1000);
      range_case(device, cases, 6, 0, ttl, leaf, 0x3000);
      range_case(device, cases, 0, 1, ttl, leaf, 0x4000);
      range_case(device, cases, 2, 3, ttl, leaf, 0x5000);
      range_case(device, cases, 30, 2, ttl, leaf, 0x1f000);
      range_case(device, cases, 31, 5, ttl, leaf, 0x200000);
      range_case(device, cases, 12, 10, ttl, leaf, 0x7f000);
      range_case(device, cases, 0, 16, ttl, leaf, 0x3000);
      range_case(device, cases, 2, 21, ttl, leaf, 0x40005000);
      range_case(device, cases, 0, 26, ttl, leaf, 0x1000);
    }
  }
}

/// The same of larger pages, by their own granule: the page that goes is the last one.
void larger_ranges(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    if (granule == Granule::g4k) continue;
    const unsigned shift = page_shift(granule);
    for (const unsigned scale : {0U, 2U}) {
      for (const u64 ttl : {0U, 3U}) {
        Command command = by_address(Opcode::tlbi_nh_va, 1, u64{16} << shift, true);
        command.tg = static_cast<u64>(granule) + 1;
        command.num = 6;
        command.scale = scale;
        command.ttl = ttl;
        const u64 last = (16 + (u64{7} << scale) - 1) << shift;
        const Tlbi tlbi = {
            fmt::format("a range of {} pages, TTL {}, that ends there", u64{7} << scale, ttl),
            command};
        page_case(device, cases, 3, tlbi, last, false, granule);
      }
    }
  }
}

/// Before one CMD_SYNC, as many as fit: each has its page, and the last slot of the queue is used.
void many_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const unsigned lg2 : {4U, 6U}) {
    if (lg2 > caps.cmdqs) continue;
    CaseBuilder b(device, fmt::format("sequence: {} TLBIs before one CMD_SYNC", pow2(lg2) - 1),
                  {.cmdq_lg2 = lg2});
    const u64 root = b.root(Granule::g4k, 25);
    const u64 pages = pow2(lg2) - 1;
    for (u64 i = 0; i < pages; ++i) b.map(root, 0x1000 * (1 + i), b.data(0x1000 * (i % 8)));
    b.translate(0, root);
    // Twice: from another slot.
    for (unsigned round = 0; round < 2; ++round) {
      for (u64 i = 0; i < pages; ++i) b.access(0x1000 * (1 + i));
      for (u64 i = 0; i < pages; ++i) {
        b.store(b.entry(root, Granule::g4k, 25, 0x1000 * (1 + i), 3), 0);
      }
      for (u64 i = 0; i < pages; ++i) {
        b.command(by_address(Opcode::tlbi_nh_va, 1, 0x1000 * (1 + i), true));
      }
      b.sync();
      for (u64 i = 0; i < pages; ++i) {
        b.access(0x1000 * (1 + i));
        if (i % 8 == 7) b.poll();
      }
      b.poll();
      for (u64 i = 0; i < pages; ++i) b.map(root, 0x1000 * (1 + i), b.data(0x1000 * (i % 8)));
    }
    cases.push_back(b.take());
  }
}

/// More pages than a small cache holds, by one command.
void many_pages_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr u64 pages = 80;
  for (const Tlbi& tlbi : covering(spec::parse_capabilities(device.id), 1, 0, 3)) {
    const Command& command = tlbi.command;
    const bool by_address = spec::is_tlbi_by_address(command.op);
    if (by_address && (command.scale < 3 || command.ttl != 0)) continue;
    CaseBuilder b(device, fmt::format("sequence: {} pages go, {}", pages, tlbi.name));
    const u64 root = b.root(Granule::g4k, 25);
    for (u64 i = 0; i < pages; ++i) b.map(root, 0x1000 * i, b.data(0x1000 * (i % 8)));
    b.translate(0, root);
    for (u64 i = 0; i < pages; ++i) b.access(0x1000 * i);
    for (u64 i = 0; i < pages; ++i) b.store(b.entry(root, Granule::g4k, 25, 0x1000 * i, 3), 0);
    b.command(command);
    b.sync();
    for (u64 i = 0; i < pages; ++i) {
      b.access(0x1000 * i);
      if (i % 8 == 7) b.poll();
    }
    b.poll();
    cases.push_back(b.take());
  }
}

/// Stage 1 alone is tagged by the STE's VMID too, where there is stage 2. IHI 0070 3.17, 5.2
/// (S2VMID).
void vmid_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s2p || device.sids.size() < 2) return;
  for (const u64 other : {2U, 0x81U, 0x101U}) {
    if (other > 0xff && !caps.vmid16) continue;
    CaseBuilder b(device, fmt::format("sequence: one ASID under VMIDs 1 and {:#x}", other));
    const u64 vmids[] = {1, other};
    std::array<u64, 2> roots{};
    for (unsigned e = 0; e < 2; ++e) {
      roots[e] = b.root(Granule::g4k, 25);
      b.map(roots[e], 0x1000, b.data(0x1000 * e));
      b.cd(e, b.plain_cd(roots[e]));
      spec::Ste<u64> ste = b.stage1_ste(e);
      ste.dw[2] |= vmids[e];
      b.ste(e, ste);
    }
    b.enable();
    for (unsigned round = 0; round < 2; ++round) {
      for (unsigned e = 0; e < 2; ++e) b.both(0x1000, e);
    }
    b.poll();
    for (unsigned e = 0; e < 2; ++e) {
      b.store(b.entry(roots[e], Granule::g4k, 25, 0x1000, 3), 0);
      b.command(spec::cmd_tlbi_nh_va(static_cast<u16>(vmids[e]), 1, 0x1000));
      b.sync();
      for (unsigned asked = 0; asked < 2; ++asked) b.access(0x1000, false, asked);
      b.poll();
    }
    cases.push_back(b.take());
  }
}

/// A group of contiguous leaves may be one entry, which goes with the address of each member. DDI
/// 0487 D8.2, IHI 0070 4.4.1.
void contiguous_invalidations(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const Opcode op : {Opcode::tlbi_nh_va, Opcode::tlbi_nh_vaa}) {
    CaseBuilder b(device, fmt::format("sequence: a contiguous group goes, {} of each member",
                                      spec::opcode_name(op)));
    const u64 root = b.root(Granule::g4k, 25);
    constexpr u64 page = 4096, members = 16, group = members * page;
    const u64 pa = align_down(b.data() + group - 1, 16);
    LeafBits bits;
    bits.extra = u64{1} << 52;
    for (u64 g = 1; g <= members; ++g) {
      for (u64 i = 0; i < members; ++i) b.map(root, g * group + i * page, pa + i * page, 3, bits);
    }
    b.translate(0, root);
    for (u64 g = 1; g <= members; ++g) {
      const u64 asked = g * group + (g - 1) * page;
      b.access(g * group);
      b.access(asked);
      for (u64 i = 0; i < members; ++i) {
        b.store(b.entry(root, Granule::g4k, 25, g * group + i * page, 3), 0);
      }
      b.command(by_address(op, 1, asked, true));
      b.sync();
      b.both(asked);
      b.poll();
    }
    cases.push_back(b.take());
  }
}

/// The upper half, whose addresses are all 1 above their size; and an ASID of 16 bits.
void other_tags(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (device.iova_end != 0) return;
  constexpr unsigned tsz = 25;
  constexpr u64 offset = 0x5000, va = ~mask(63 - tsz, 0) + offset;
  const u16 asid = caps.asid16 ? 0x8201 : 0x81;
  for (const Tlbi& tlbi : covering(caps, asid, va, 3)) {
    CaseBuilder b(device, "sequence: a leaf of TTB1, " + tlbi.name);
    const u64 roots[] = {b.root(Granule::g4k, tsz), b.root(Granule::g4k, tsz)};
    const u64 place = b.entry(roots[1], Granule::g4k, tsz, offset, 3);
    b.store(place, leaf_word(Granule::g4k, 3, b.data(), {}));
    b.map(roots[0], offset, b.data(0x1000));
    spec::Cd<u64> cd = b.plain_cd(roots[0], tsz, asid);
    use_upper_half(cd, roots[1], tsz);
    b.translate(0, cd);
    b.both(va);
    b.both(offset);
    b.store(place, 0);
    b.command(tlbi.command);
    b.sync();
    b.both(va);
    b.both(offset);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Two address spaces that have the same addresses in the upper half.
void upper_halves_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.iova_end != 0 || device.sids.size() < 2) return;
  constexpr unsigned tsz = 25;
  constexpr u64 offset = 0x5000, va = ~mask(63 - tsz, 0) + offset;
  CaseBuilder b(device, "sequence: one address of TTB1 under two ASIDs");
  for (unsigned e = 0; e < 2; ++e) {
    const u64 root = b.root(Granule::g4k, tsz);
    b.map(root, offset, b.data(0x1000 * u64{e}));
    spec::Cd<u64> cd = b.plain_cd(b.root(Granule::g4k, tsz), tsz, 3 + e);
    use_upper_half(cd, root, tsz);
    b.cd(e, cd);
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned e = 0; e < 2; ++e) b.both(va, e);
  }
  b.poll();
  cases.push_back(b.take());
}

/// What was no leaf that may be used is kept by nobody. IHI 0070 3.21, 16.2; arch 7.4.
void refused_leaf_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "sequence: a leaf gets its Access flag, without a TLBI");
  const u64 root = b.root(Granule::g4k, 25);
  LeafBits bits;
  bits.af = false;
  for (const u64 va : {0x1000U, 0x2000U}) b.map(root, va, b.data(va), 3, bits);
  b.translate(0, root);
  for (const u64 va : {0x1000U, 0x2000U}) {
    b.access(va);
    const u64 place = b.entry(root, Granule::g4k, 25, va, 3);
    b.store(place, b.word(place) | u64{1} << 10);
    b.both(va);
  }
  b.poll();
  cases.push_back(b.take());
}

/// ASID 0 is one as each other.
void asid_zero_case(const DeviceIdentity& device, std::vector<Case>& cases, Opcode op) {
  CaseBuilder b(device, fmt::format("sequence: a leaf of ASID 0, {}", spec::opcode_name(op)));
  const u64 root = b.root(Granule::g4k, 25);
  LeafBits bits;
  bits.ng = true;
  b.map(root, 0x1000, b.data(), 3, bits);
  b.translate(0, root, 25, 0);
  b.both(0x1000);
  b.store(b.entry(root, Granule::g4k, 25, 0x1000, 3), 0);
  b.command(op == Opcode::tlbi_nh_asid ? spec::cmd_tlbi_nh_asid(0, 0)
                                       : by_address(op, 0, 0x1000, true));
  b.sync();
  b.both(0x1000);
  b.poll();
  cases.push_back(b.take());
}

/// A table at `level` is taken away: behind the commands the walk must not go through it any more.
void table_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned level,
                const std::string& by, const std::vector<Command>& commands) {
  CaseBuilder b(device, fmt::format("sequence: a table at level {} goes, {}", level, by));
  const unsigned tsz = level == 0 ? 16 : 25;
  const u64 root = b.root(Granule::g4k, tsz);
  b.map(root, 0x1000, b.data(), spec::last_level, {}, Granule::g4k, tsz);
  b.map(root, 0x2000, b.data(0x1000), spec::last_level, {}, Granule::g4k, tsz);
  b.translate(0, root, tsz);
  b.access(0x1000);
  b.store(b.entry(root, Granule::g4k, tsz, 0x1000, level), 0);
  b.access(0x2000);
  for (const Command& command : commands) b.command(command);
  b.sync();
  b.both(0x1000);
  b.both(0x2000);
  b.poll();
  cases.push_back(b.take());
}

/// By one range, which with Leaf = 0 is about tables too: those above the level of TTL.
void table_ranges(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned level : {1U, 2U}) {
    for (const Opcode op : {Opcode::tlbi_nh_va, Opcode::tlbi_nh_vaa}) {
      for (const u64 ttl : {0U, 3U}) {
        Command command = by_address(op, 1, 0x1000, false);
        command.tg = 1;
        command.num = 1;
        command.ttl = ttl;
        table_case(device, cases, level,
                   fmt::format("a range by {}, TTL {}", spec::opcode_name(op), ttl), {command});
      }
    }
  }
}

void table_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  refused_leaf_case(device, cases);
  asid_zero_case(device, cases, Opcode::tlbi_nh_asid);
  asid_zero_case(device, cases, Opcode::tlbi_nh_va);
  for (const unsigned level : {0U, 1U, 2U}) {
    for (const Opcode op : {Opcode::tlbi_nh_va, Opcode::tlbi_nh_asid, Opcode::tlbi_nh_vaa}) {
      std::vector<Command> commands{spec::cmd_tlbi_nh_asid(0, 1)};
      if (op != Opcode::tlbi_nh_asid) {
        commands = {by_address(op, 1, 0x1000, false), by_address(op, 1, 0x2000, false)};
      }
      table_case(device, cases, level, std::string(spec::opcode_name(op)), commands);
    }
    // And by what takes everything of a VMID, or of all.
    std::vector<Command> wide = {spec::cmd_tlbi_nh_all(0), spec::cmd_tlbi_nsnh_all()};
    if (spec::parse_capabilities(device.id).s2p) wide.push_back(spec::cmd_tlbi_s12_vmall(0));
    for (const Command& command : wide) {
      table_case(device, cases, level, std::string(spec::opcode_name(command.op)), {command});
    }
  }
  // A block in the place of a table, and back, break before make.
  CaseBuilder b(device, "sequence: a table becomes a block and a table again");
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, block_2m + 0x1000, b.data(0x3000));
  b.translate(0, root);
  const u64 place = b.entry(root, Granule::g4k, 25, block_2m, 2);
  const u64 table = b.word(place);
  b.both(block_2m + 0x1000);
  const auto replace = [&](u64 word) {
    b.store(place, 0);
    b.command(spec::cmd_tlbi_nh_asid(0, 1));
    b.sync();
    b.access(block_2m + 0x1000);
    b.store(place, word);
  };
  replace(leaf_word(Granule::g4k, 2, align_down(b.data(), 21), {}));
  b.both(block_2m + 0x1000);
  b.both(block_2m + 0x5000);
  replace(table);
  b.both(block_2m + 0x1000);
  b.both(block_2m + 0x5000);
  b.poll();
  cases.push_back(b.take());
}

/// Permissions: taken away, given.
void permission_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const bool writable : {true, false}) {
    CaseBuilder b(device,
                  fmt::format("sequence: a page becomes {}", writable ? "writable" : "read-only"));
    const u64 root = b.root(Granule::g4k, 25);
    LeafBits bits;
    bits.writable = !writable;
    const u64 place = b.entry(root, Granule::g4k, 25, 0x1000, 3);
    b.store(place, leaf_word(Granule::g4k, 3, b.data(), bits));
    b.translate(0, root);
    b.both(0x1000);
    bits.writable = writable;
    b.store(place, leaf_word(Granule::g4k, 3, b.data(), bits));
    b.both(0x1000);
    b.command(spec::cmd_tlbi_nh_va(0, 1, 0x1000));
    b.sync();
    b.both(0x1000);
    b.poll();
    cases.push_back(b.take());
  }
}

struct Cfgi {
  std::string name;
  Command command;
};

std::vector<Cfgi> cfgis(const CaseBuilder& b, bool cd) {
  const u32 sid = b.sid(0);
  std::vector<Cfgi> all = {
      {"CFGI_STE, Leaf = 1", spec::cmd_cfgi_ste(sid, true)},
      {"CFGI_STE", spec::cmd_cfgi_ste(sid, false)},
      {"CFGI_ALL", spec::cmd_cfgi_all()},
  };
  for (const unsigned range : {0U, 2U, 3U, 4U, 7U, 15U, 16U, 24U, 30U}) {
    all.push_back(
        {fmt::format("CFGI_STE_RANGE of 2^{}", range + 1), spec::cmd_cfgi_ste_range(sid, range)});
  }
  all.push_back({"CFGI_ALL with a StreamID", spec::cmd_cfgi_ste_range(sid | 7, 31)});
  // Each that is large enough, by a StreamID in the other half of its span.
  for (const unsigned range : {4U, 9U, 15U, 16U, 24U, 30U, 31U}) {
    all.push_back({fmt::format("CFGI_STE_RANGE of 2^{} from its other half", range + 1),
                   spec::cmd_cfgi_ste_range(sid ^ (u32{1} << range), range)});
  }
  // From the last StreamID of its span.
  all.push_back({"CFGI_STE_RANGE from another StreamID", spec::cmd_cfgi_ste_range(sid | 7, 2)});
  if (cd) {
    all.push_back({"CFGI_CD, Leaf = 1", spec::cmd_cfgi_cd(sid, 0, true)});
    all.push_back({"CFGI_CD", spec::cmd_cfgi_cd(sid, 0, false)});
    all.push_back({"CFGI_CD_ALL", spec::cmd_cfgi_cd_all(sid)});
  }
  return all;
}

void ste_sequences(const DeviceIdentity& device, std::vector<Case>& cases) {
  const CaseBuilder names(device, "");
  for (const Cfgi& cfgi : cfgis(names, false)) {
    CaseBuilder b(device, "sequence: an STE changes, " + cfgi.name);
    b.ste(0, spec::make_bypass_ste());
    b.ste(1, spec::make_bypass_ste());
    b.enable();
    b.both(b.data());
    b.access(b.data(), true, 1);
    b.ste(0, spec::make_abort_ste());
    b.access(b.data());  // old or new
    b.command(cfgi.command);
    b.sync();
    b.both(b.data());
    b.access(b.data(), true, 1);
    b.ste(0, spec::make_bypass_ste());
    b.command(cfgi.command);
    b.sync();
    b.both(b.data());
    b.poll();
    cases.push_back(b.take());

    CaseBuilder v(device, "sequence: an STE becomes valid, " + cfgi.name);
    v.enable();
    v.access(v.data());
    v.poll();
    v.ste(0, spec::make_bypass_ste());
    v.access(v.data());
    v.poll();
    v.command(cfgi.command);
    v.sync();
    v.both(v.data());
    v.poll();
    cases.push_back(v.take());
  }
}

void cd_sequences(const DeviceIdentity& device, std::vector<Case>& cases) {
  const CaseBuilder names(device, "");
  for (const Cfgi& cfgi : cfgis(names, true)) {
    // Another table and another ASID: no TLBI is needed.
    CaseBuilder b(device, "sequence: a CD gets another ASID and table, " + cfgi.name);
    u64 roots[2];
    for (unsigned i = 0; i < 2; ++i) {
      roots[i] = b.root(Granule::g4k, 25);
      b.map(roots[i], 0x1000, b.data(0x1000 * i));
    }
    b.translate(0, roots[0], 25, 1);
    b.both(0x1000);
    spec::Cd<u64> cd = b.plain_cd(roots[0], 25, 1);
    cd.dw[0] &= ~(u64{1} << 31);
    b.store(b.cd_place(0), cd.dw[0]);
    b.command(cfgi.command);
    b.sync();
    b.access(0x1000);  // C_BAD_CD
    b.poll();
    b.store(b.cd_place(0) + 8, b.plain_cd(roots[1], 25, 2).dw[1]);
    b.command(cfgi.command);
    b.sync();
    b.store(b.cd_place(0), b.plain_cd(roots[1], 25, 2).dw[0]);
    b.command(cfgi.command);
    b.sync();
    b.both(0x1000);
    b.poll();
    cases.push_back(b.take());

    CaseBuilder e(device, "sequence: EPD0 is set and the ASID invalidated, " + cfgi.name);
    const u64 root = e.root(Granule::g4k, 25);
    e.map(root, 0x1000, e.data());
    e.translate(0, root);
    e.both(0x1000);
    e.store(e.cd_place(0), e.plain_cd(root).dw[0] | u64{1} << 14);
    e.access(0x1000);
    e.command(cfgi.command);
    e.sync();
    e.command(spec::cmd_tlbi_nh_asid(0, 1));
    e.sync();
    e.both(0x1000);
    e.poll();
    cases.push_back(e.take());
  }
}

// ---- what is allowed although memory says something else: a device that does it is followed -----

void stale_page_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "stale: a page is unmapped and nothing is invalidated");
  const u64 root = b.root(Granule::g4k, 25);
  const u64 place = b.entry(root, Granule::g4k, 25, 0x1000, 3);
  b.store(place, leaf_word(Granule::g4k, 3, b.data(), {}));
  b.translate(0, root);
  b.access(0x1000);
  b.store(place, 0);
  b.both(0x1000);
  b.command(spec::cmd_tlbi_nh_va(0, 1, 0x2000));  // another page
  b.command(spec::cmd_tlbi_nh_asid(0, 2));        // another ASID
  b.sync();
  b.both(0x1000);
  // With SMMUEN = 0 what is cached stays.
  b.disable();
  b.enable();
  b.both(0x1000);
  b.command(spec::cmd_tlbi_nh_va(0, 1, 0x1000));
  b.both(0x1000);  // not complete yet
  b.sync();
  b.both(0x1000);
  b.poll();
  cases.push_back(b.take());
}

/// Two tables that map one address; a CD of the first is in use, and in memory there is one of the
/// second.
void replace_cd(CaseBuilder& b) {
  u64 roots[2];
  for (unsigned i = 0; i < 2; ++i) {
    roots[i] = b.root(Granule::g4k, 25);
    b.map(roots[i], 0x1000, b.data(0x1000 * i));
  }
  b.translate(0, roots[0], 25, 1);
  b.access(0x1000);
  b.store(b.cd_place(0) + 8, b.plain_cd(roots[1]).dw[1]);
}

void stale_cd_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "stale: a CD is changed and nothing is invalidated");
  replace_cd(b);
  b.both(0x1000);
  b.command(spec::cmd_cfgi_cd(b.sid(0), 0));
  b.sync();
  b.both(0x1000);
  b.command(spec::cmd_tlbi_nh_asid(0, 1));
  b.sync();
  b.both(0x1000);
  b.poll();
  cases.push_back(b.take());
}

/// A refill through what is stale: the configuration outlives the invalidation of translations.
void stale_refill_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "stale: a CD that is still cached refills what a TLBI removed");
  replace_cd(b);
  b.command(spec::cmd_tlbi_nh_asid(0, 1));
  b.sync();
  b.both(0x1000);  // the old table, refilled
  b.command(spec::cmd_cfgi_cd(b.sid(0), 0));
  b.command(spec::cmd_tlbi_nh_asid(0, 1));
  b.sync();
  b.command(spec::cmd_tlbi_nh_asid(0, 1));
  b.sync();
  b.both(0x1000);
  b.poll();
  cases.push_back(b.take());
}

/// Caches survive SMMUEN = 0, and are invalidated during it.
void invalidated_while_off_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "sequence: invalidations while SMMUEN = 0");
  const u64 root = b.root(Granule::g4k, 25);
  const u64 place = b.entry(root, Granule::g4k, 25, 0x1000, 3);
  b.store(place, leaf_word(Granule::g4k, 3, b.data(), {}));
  b.translate(0, root);
  b.access(0x1000);
  b.disable();
  b.store(place, leaf_word(Granule::g4k, 3, b.data(0x4000), {}));
  b.store(b.ste_place(b.sid(0)), b.stage1_ste(0).dw[0]);
  b.invalidate_all();
  b.enable();
  b.both(0x1000);
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void invalidation_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  leaves(device, cases);
  leaves_of_asid_0(device, cases);
  leaves_of_a_vmid(device, cases);
  tagged_leaves(device, cases);
  larger_leaves(device, cases);
  global_cases(device, cases);
  if (spec::parse_capabilities(device.id).ril) {
    ranges(device, cases);
    larger_ranges(device, cases);
  }
  many_cases(device, cases);
  many_pages_cases(device, cases);
  vmid_cases(device, cases);
  contiguous_invalidations(device, cases);
  other_tags(device, cases);
  upper_halves_case(device, cases);
  table_cases(device, cases);
  if (spec::parse_capabilities(device.id).ril) table_ranges(device, cases);
  permission_cases(device, cases);
  ste_sequences(device, cases);
  cd_sequences(device, cases);
  stale_page_case(device, cases);
  stale_cd_case(device, cases);
  stale_refill_case(device, cases);
  invalidated_while_off_case(device, cases);
}

}  // namespace iommucheck::oracle
