// SPDX-License-Identifier: MIT
// Context descriptors, and descriptors of translation tables. IHI 0070 5.4; DDI 0487 D8.3, D8.4.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

template <class Change>
void with_cd(const DeviceIdentity& device, std::vector<Case>& cases, const std::string& name,
             Change&& change) {
  CaseBuilder b(device, "cd: " + name);
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  spec::Cd<u64> cd = b.plain_cd(root);
  b.ste(0, b.stage1_ste(0));
  change(cd, b);
  b.cd(0, cd);
  b.enable();
  b.both(0x1000);
  b.access(0x5000);
  b.poll();
  cases.push_back(b.take());
}

void cd_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto one = [&](const std::string& name, unsigned word, unsigned hi, unsigned lo,
                       u64 value) {
    with_cd(device, cases, name, [&](spec::Cd<u64>& cd, CaseBuilder&) {
      cd.dw[word] = with_bits(cd.dw[word], hi, lo, value);
    });
  };
  one("legal", 0, 31, 31, 1);
  one("V = 0", 0, 31, 31, 0);
  for (const u64 tsz : {0U, 10U, 15U, 40U, 48U, 63U})
    one(fmt::format("T0SZ = {}", tsz), 0, 5, 0, tsz);
  one("TG0 = 3", 0, 7, 6, 3);
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.gran16k) one("TG0 = 16K", 0, 7, 6, 2);
  if (!caps.gran64k) one("TG0 = 64K", 0, 7, 6, 1);
  one("EPD0 = 1", 0, 14, 14, 1);
  one("EPD0 = 1, reserved TG0 and T0SZ", 0, 14, 0, 0x40c0);
  one("ENDI = 1", 0, 15, 15, 1);
  one("AFFD = 1", 0, 35, 35, 1);
  one("AA64 = 0", 0, 41, 41, 0);
  one("HD = 1", 0, 42, 42, 1);
  one("HA = 1", 0, 43, 43, 1);
  one("S = 0", 0, 44, 44, 0);
  one("S = 1", 0, 44, 44, 1);
  if (caps.stall_model == spec::StallModel::both) {
    with_cd(device, cases, "S = 1 under S1STALLD = 1", [](spec::Cd<u64>& cd, CaseBuilder& b) {
      cd.dw[0] |= u64{1} << 44;
      spec::Ste<u64> ste = b.stage1_ste(0);
      ste.dw[1] |= u64{1} << 27;
      b.ste(0, ste);
    });
  }
  one("R = 0", 0, 45, 45, 0);
  one("A = 0", 0, 46, 46, 0);
  one("ASET = 0", 0, 47, 47, 0);
  one("ASID = 0xffff", 0, 63, 48, 0xffff);
  one("TBI0 = 1", 0, 38, 38, 1);
  one("IPS = 7", 0, 34, 32, 7);
  one("TTB0 beyond IPS", 1, 51, 32, 0xfffff);
  if (caps.oas_lg2 < 52) one("TTB0 beyond IPS by its last bit", 1, 51, 51, 1);
  one("HAD0 = 1", 1, 1, 1, 1);
  one("WXN = 1", 0, 36, 36, 1);
  one("PAN = 1", 0, 40, 40, 1);
  // A second half that is on: legal, and each thing that makes it illegal.
  const auto half = [&](const std::string& name, u64 tg, u64 tsz, u64 ttb) {
    with_cd(device, cases, "TTB1 on: " + name, [&](spec::Cd<u64>& cd, CaseBuilder& b) {
      const u64 root = b.root(Granule::g4k, 25);
      cd.dw[0] = with_bits(cd.dw[0], 21, 16, tsz);
      cd.dw[0] = with_bits(cd.dw[0], 23, 22, tg);
      cd.dw[0] = with_bits(cd.dw[0], 30, 30, 0);
      cd.dw[2] = root | ttb;
    });
  };
  half("legal", 2, 25, 0);
  half("TG1 = 0", 0, 25, 0);
  half("T1SZ = 40", 2, 40, 0);
  half("T1SZ = 15", 2, 15, 0);
  half("TTB1 beyond IPS", 2, 25, u64{1} << 47);
}

/// One word at one level of a walk, whatever it means.
void word_case(const DeviceIdentity& device, std::vector<Case>& cases, const std::string& name,
               unsigned tsz, unsigned level, u64 value, u64 cd0 = 0) {
  CaseBuilder b(device, "walk: " + name);
  const u64 root = b.root(Granule::g4k, tsz);
  // Blocks of any size lead to the data where they start at a multiple of their size.
  const u64 va = device.data_pa + 0x1000;
  b.store(b.entry(root, Granule::g4k, tsz, va, level), value);
  spec::Cd<u64> cd = b.plain_cd(root, tsz);
  cd.dw[0] ^= cd0;
  b.translate(0, cd);
  b.both(va);
  b.both(va);
  b.poll();
  cases.push_back(b.take());
}

void descriptor_forms(const DeviceIdentity& device, std::vector<Case>& cases) {
  const u64 data = device.data_pa;
  const u64 big = align_down(data, 30);
  LeafBits plain;
  const auto leaf = [&](unsigned level, u64 pa, const LeafBits& bits) {
    return leaf_word(Granule::g4k, level, pa, bits);
  };
  for (unsigned level = 0; level < 4; ++level) {
    const unsigned tsz = 16;
    const std::string at = fmt::format(" at level {}", level);
    word_case(device, cases, "zero" + at, tsz, level, 0);
    word_case(device, cases, "invalid, other bits set" + at, tsz, level, ~u64{1} & mask(51, 0));
    const u64 pa = level == 0 ? 0 : level == 1 ? big : data;
    word_case(device, cases, "bits 01" + at, tsz, level, (leaf(2, pa, plain) & ~u64{3}) | 1);
    if (level == 3) {
      word_case(device, cases, "page", tsz, level, leaf(3, data, plain));
    }
  }
  // Permissions, access flag, address size, at each level that has leaves.
  for (unsigned level = 1; level < 4; ++level) {
    const std::string at = fmt::format(" at level {}", level);
    const u64 pa = level == 1 ? big : data;
    const unsigned tsz = 25;
    LeafBits bits = plain;
    bits.writable = false;
    word_case(device, cases, "read-only leaf" + at, tsz, level, leaf(level, pa, bits));
    bits = plain;
    bits.user = false;
    word_case(device, cases, "privileged leaf" + at, tsz, level, leaf(level, pa, bits));
    bits.writable = false;
    word_case(device, cases, "privileged read-only leaf" + at, tsz, level, leaf(level, pa, bits));
    bits = plain;
    bits.af = false;
    word_case(device, cases, "AF = 0" + at, tsz, level, leaf(level, pa, bits));
    word_case(device, cases, "AF = 0, AFFD = 1" + at, tsz, level, leaf(level, pa, bits),
              u64{1} << 35);
    bits.writable = false;
    word_case(device, cases, "AF = 0, read-only" + at, tsz, level, leaf(level, pa, bits));
    // IPS 0 is 32 bits.
    const u64 ips = spec::address_size_encoding(spec::parse_capabilities(device.id).oas_lg2);
    word_case(device, cases, "output beyond IPS" + at, tsz, level,
              leaf(level, pa | u64{1} << 36, plain), ips << 32);
    bits = plain;
    bits.af = false;
    word_case(device, cases, "output beyond IPS, AF = 0" + at, tsz, level,
              leaf(level, pa | u64{1} << 36, bits), ips << 32);
    bits = plain;
    bits.writable = false;
    word_case(device, cases, "output beyond IPS, read-only" + at, tsz, level,
              leaf(level, pa | u64{1} << 36, bits), ips << 32);
    word_case(device, cases, "output beyond OAS" + at, tsz, level,
              leaf(level, pa | u64{1} << 47, plain));
    word_case(device, cases, "next table beyond IPS" + at, tsz, level - 1 < 1 ? 1 : level - 1,
              (device.structures_pa | u64{1} << 36) | 3, ips << 32);
  }
}

/// Permissions of tables above a leaf.
void table_permissions(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned level : {1U, 2U}) {
    for (u64 ap = 0; ap < 4; ++ap) {
      for (const bool writable : {true, false}) {
        for (const bool had : {false, true}) {
          CaseBuilder b(device,
                        fmt::format("walk: APTable {} at level {}, leaf {}{}", ap, level,
                                    writable ? "writable" : "read-only", had ? ", HAD0 = 1" : ""));
          const u64 root = b.root(Granule::g4k, 25);
          LeafBits bits;
          bits.writable = writable;
          b.map(root, 0x1000, b.data(), 3, bits);
          b.map(root, 0x3000, b.data(), 3, bits);
          const u64 table = b.entry(root, Granule::g4k, 25, 0x1000, level);
          b.store(table, b.word(table) | (ap << 61));
          spec::Cd<u64> cd = b.plain_cd(root);
          if (had) cd.dw[1] |= 2;
          b.translate(0, cd);
          b.both(0x1000);
          b.access(0x2000, true);  // nothing there: a fault of the walk, not of permissions
          b.both(0x3000);          // behind what is cached of the tables
          b.poll();
          cases.push_back(b.take());
        }
      }
    }
  }
}

}  // namespace

void descriptor_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  cd_cases(device, cases);
  descriptor_forms(device, cases);
  table_permissions(device, cases);
}

}  // namespace iommucheck::oracle
