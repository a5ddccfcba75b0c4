// SPDX-License-Identifier: MIT
// Where the first table is: bits of TTB0, TTB1 and S2TTB below its alignment, which are taken for
// zero, and bits at the output size, which no encoding of IPS or S2PS above it makes legal. IHI
// 0070 5.2 (S2PS, S2TTB), 5.4 (IPS, TTB0), DDI 0487 D8.2.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

constexpr unsigned base_tsz = 25;
constexpr u64 lowest_bit_of_base = 4;  // below are other fields

u64 kib_of_base(Granule granule) { return pow2(page_shift(granule)) / 1024; }

/// Every bit of the field that is below the table's size.
u64 bits_below(u64 bytes) { return (bytes - 1) & ~mask(lowest_bit_of_base - 1, 0); }

/// The engine's CD with that base, of one half; the other half is off.
void half_cd(CaseBuilder& b, Granule granule, unsigned tsz, bool upper, u64 base, u64 ips) {
  spec::Cd<u64> cd = b.plain_cd(upper ? 0 : base, tsz);
  cd.dw[0] = with_bits(cd.dw[0], 34, 32, ips) | tg0_of(granule) << 6;
  if (upper) use_upper_half_alone(cd, base, tsz, granule);
  b.cd(0, cd);
  b.ste(0, b.stage1_ste(0));
}

// ---- bits below the alignment -------------------------------------------------------------------

void low_bits_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
                   unsigned tsz, bool upper) {
  CaseBuilder b(device, fmt::format("table bases: low bits of TTB{}, T{}SZ {}, granule {} KiB",
                                    upper ? 1 : 0, upper ? 1 : 0, tsz, kib_of_base(granule)));
  const unsigned start = spec::start_level<u64>(granule, tsz);
  const auto entries_lg2 = static_cast<unsigned>(spec::start_entries_lg2<u64>(granule, start, tsz));
  const u64 page = pow2(page_shift(granule)), root = b.root(granule, tsz);
  for (u64 i = 1; i < 3; ++i) b.map(root, i * page, b.data(page * i), 3, {}, granule, tsz);
  half_cd(b, granule, tsz, upper, root | bits_below(u64{8} << entries_lg2),
          spec::address_size_encoding(b.capabilities().oas_lg2));
  b.enable();
  const u64 first = upper ? ~mask(63 - tsz, 0) : 0;
  for (u64 i = 1; i < 4; ++i) b.both(first + i * page);
  b.poll();
  cases.push_back(b.take());
}

/// Concatenated tables are aligned to all of them together.
void stage2_low_bits_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
                          unsigned sl0, unsigned t0sz) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  const Stage2Shape shape{granule, sl0, spec::stage2_start_level<u64>(granule, sl0, caps.stt),
                          t0sz};
  if (start_is_open(shape, caps.oas_lg2) || t0sz < std::max(16U, 64 - ias_lg2(caps)) ||
      t0sz > spec::tsz_max(granule, caps.stt) ||
      !spec::stage2_start_legal<u64>(granule, shape.start, t0sz)) {
    return;
  }
  CaseBuilder b(device, fmt::format("table bases: low bits of S2TTB, S2SL0 {}, S2T0SZ {}, granule "
                                    "{} KiB",
                                    sl0, t0sz, kib_of_base(granule)));
  Stage2Tables tables(b, shape);
  const u64 page = tables.page(), last = tables.end() - page;
  for (u64 i = 1; i < 3; ++i) tables.map(i * page, b.data(page * i));
  tables.map(last, b.data());
  spec::Stage2SteFields fields = tables.fields();
  fields.s2ttb |= bits_below(tables.start_bytes());
  b.ste(0, spec::with_stage2(spec::make_bypass_ste(), fields));
  b.enable();
  for (u64 i = 1; i < 4; ++i) b.both(i * page);
  if (device.iova_end == 0 || last < device.iova_end) b.both(last);
  b.poll();
  cases.push_back(b.take());
}

void low_bits_cases(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  // Of a whole table, and of smaller ones.
  for (const unsigned tsz : {16U, base_tsz, 28U, 33U, 36U}) {
    if (!caps.s1p || tsz > spec::tsz_max(granule, caps.stt)) continue;
    for (const bool upper : {false, true}) {
      if (upper && device.iova_end != 0) continue;
      low_bits_case(device, cases, granule, tsz, upper);
    }
  }
  if (!caps.s2p) return;
  for (const unsigned sl0 : {0U, 1U, 2U}) {
    const unsigned start = spec::stage2_start_level<u64>(granule, sl0, caps.stt);
    // One table of all its bits; 2, 4, 8, 16 of them; and part of one.
    const unsigned one = 64 - (level_shift(granule, start) + page_shift(granule) - 3);
    for (const unsigned t0sz : {one + 3, one, one - 1, one - 2, one - 3, one - 4}) {
      stage2_low_bits_case(device, cases, granule, sl0, t0sz);
    }
  }
}

// ---- bits at and above the output size ----------------------------------------------------------

/// Of each size that is the output size or behaves as it: the table is there, and one bit more is
/// ILLEGAL.
void beyond_oas_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
                     u64 size, unsigned place, bool upper) {
  CaseBuilder b(device, fmt::format("table bases: bit {} of TTB{}, IPS = {}, granule {} KiB", place,
                                    upper ? 1 : 0, size, kib_of_base(granule)));
  const u64 page = pow2(page_shift(granule)), root = b.root(granule, base_tsz);
  b.map(root, page, b.data(), 3, {}, granule, base_tsz);
  half_cd(b, granule, base_tsz, upper, root | u64{1} << place, size);
  b.enable();
  b.both((upper ? ~mask(63 - base_tsz, 0) : 0) + page);
  b.poll();
  cases.push_back(b.take());
}

void stage2_beyond_oas_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
                            unsigned size, unsigned place) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  const Stage2Shape shape{granule, 1, spec::stage2_start_level<u64>(granule, 1, caps.stt),
                          std::max(31U, 64 - ias_lg2(caps))};
  if (!spec::stage2_start_legal<u64>(granule, shape.start, shape.t0sz)) return;
  CaseBuilder b(device, fmt::format("table bases: bit {} of S2TTB, S2PS = {}, granule {} KiB",
                                    place, size, kib_of_base(granule)));
  Stage2Tables tables(b, shape);
  tables.map(tables.page(), b.data());
  spec::Stage2SteFields fields = tables.fields();
  fields.s2ttb |= u64{1} << place;
  fields.s2ps = size;
  b.ste(0, spec::with_stage2(spec::make_bypass_ste(), fields));
  b.enable();
  b.both(tables.page());
  b.poll();
  cases.push_back(b.take());
}

void beyond_oas_cases(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  // Where tables are the SMMU's own these bits need not be there. IHI 0070 5.4 (TTB0).
  if (caps.tables_preset) return;
  const auto own = static_cast<unsigned>(spec::address_size_encoding(caps.oas_lg2));
  for (unsigned size = own; size < 8; ++size) {
    for (const unsigned place : {caps.oas_lg2, 51U}) {
      if (place > 51) continue;
      for (const bool upper : {false, true}) {
        if (caps.s1p && (!upper || device.iova_end == 0)) {
          beyond_oas_case(device, cases, granule, size, place, upper);
        }
      }
      if (caps.s2p) stage2_beyond_oas_case(device, cases, granule, size, place);
    }
  }
}

}  // namespace

void table_base_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    low_bits_cases(device, cases, granule);
    beyond_oas_cases(device, cases, granule);
  }
}

}  // namespace iommucheck::oracle
