// SPDX-License-Identifier: MIT
// Walks at each granule, TxSZ and level. DDI 0487 D8.2; arch 4.1, 4.2.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

/// Each of these addresses through the table at `root`, as far as the device has them.
void ask_each(CaseBuilder& b, u64 root, Granule granule, unsigned tsz,
              const std::vector<u64>& asked) {
  spec::Cd<u64> cd = b.plain_cd(root, tsz);
  cd.dw[0] |= tg0_of(granule) << 6;
  b.translate(0, cd);
  const u64 end = b.device().iova_end;
  for (const u64 va : asked) {
    if (end == 0 || va < end) b.both(va);
  }
  b.poll();
}

/// Leaves at every level, at the first and the last address of the half; addresses beside them.
void granule_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
                  unsigned tsz) {
  CaseBuilder b(
      device, fmt::format("walk: granule {} KiB, T0SZ {}", pow2(page_shift(granule)) / 1024, tsz));
  const u64 root = b.root(granule, tsz);
  const unsigned start = spec::start_level<u64>(granule, tsz);
  const u64 end = pow2(64 - tsz);
  std::vector<u64> asked;
  const u64 page = pow2(page_shift(granule));
  b.map(root, page, b.data(), 3, {}, granule, tsz);
  b.map(root, end - page, b.data(page), 3, {}, granule, tsz);
  asked.insert(asked.end(), {page, page + page - 4, end - page + 0x10, 0, 2 * page});
  // What is cached of one is no translation of the other.
  if (const u64 apart = end / 16; apart > 4 * page) {
    b.map(root, page + apart, b.data(2 * page), 3, {}, granule, tsz);
    asked.insert(asked.end(), {page + apart, page, apart, 2 * page + apart});
  }
  const bool wide = b.capabilities().oas_lg2 >= 52;
  for (unsigned level = start; level < 3; ++level) {
    const u64 size = pow2(level_shift(granule, level));
    if (!spec::block_allowed(granule, level, wide) || size > end / 4) continue;
    const u64 pa = align_down(b.data(), level_shift(granule, level));
    const u64 va = end / 2;
    const u64 place = va + (level - start) * size * 2;
    if (place + size > end - size) continue;
    b.map(root, place, pa, level, {}, granule, tsz);
    asked.push_back(place + (b.data(0x3000) - pa));
    asked.push_back(place + (b.data() - pa));
    asked.push_back(place + size);
  }
  asked.insert(asked.end(), {end, end + page, end << 1, (end - page) | (end << 1)});
  ask_each(b, root, granule, tsz, asked);
  cases.push_back(b.take());
}

/// Descriptors whose bits 1:0 say block where there is none, at each level. DDI 0487 D8.3.
void no_block_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule) {
  CaseBuilder b(device, fmt::format("walk: granule {} KiB, blocks where there are none",
                                    pow2(page_shift(granule)) / 1024));
  constexpr unsigned tsz = 16;
  const u64 root = b.root(granule, tsz);
  const unsigned start = spec::start_level<u64>(granule, tsz);
  const u64 page = pow2(page_shift(granule));
  b.map(root, page, b.data(), 3, {}, granule, tsz);
  std::vector<u64> asked = {page};
  const bool wide = b.capabilities().oas_lg2 >= 52;
  for (unsigned level = start; level <= spec::last_level; ++level) {
    if (spec::block_allowed(granule, level, wide)) continue;
    const u64 size = pow2(level_shift(granule, level));
    const u64 va = size >= pow2(64 - tsz) / 2 ? size : 3 * size;
    const u64 pa = align_down(b.data(), level_shift(granule, level));
    b.store(b.entry(root, granule, tsz, va, level), pa | 0x741);
    asked.push_back(va + (b.data() - pa));
  }
  ask_each(b, root, granule, tsz, asked);
  cases.push_back(b.take());
}

/// Bits of a block's descriptor between its address and its attributes are no part of the address;
/// nT is one of them where there is no BBML. DDI 0487 D8.3.
void block_bits_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule) {
  constexpr unsigned tsz = 16, nt = 16;
  const unsigned lowest = spec::parse_capabilities(device.id).bbml == 0 ? nt : nt + 1;
  CaseBuilder b(device, fmt::format("walk: granule {} KiB, bits below the addresses of blocks",
                                    pow2(page_shift(granule)) / 1024));
  const u64 root = b.root(granule, tsz);
  std::vector<u64> asked;
  const bool wide = b.capabilities().oas_lg2 >= 52;
  for (unsigned level = spec::start_level<u64>(granule, tsz); level < spec::last_level; ++level) {
    if (!spec::block_allowed(granule, level, wide)) continue;
    const unsigned shift = level_shift(granule, level);
    const u64 pa = align_down(b.data(), shift), first = pow2(shift);
    // The lowest of them alone, and all of them.
    for (const auto& [number, set] :
         {std::pair{u64{1}, pow2(lowest)}, {2, mask(shift - 1, lowest)}}) {
      if (number * first >= pow2(64 - tsz)) continue;
      b.map(root, number * first, pa, level, {.extra = set}, granule, tsz);
      asked.push_back(number * first + (b.data(0x10) - pa));
    }
  }
  ask_each(b, root, granule, tsz, asked);
  cases.push_back(b.take());
}

/// Contiguous groups that agree; each member on its own.
void contiguous_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned level : {2U, 3U}) {
    CaseBuilder b(device, fmt::format("walk: contiguous leaves at level {}", level));
    const u64 root = b.root(Granule::g4k, 25);
    const u64 size = pow2(level_shift(Granule::g4k, level));
    const u64 group = 16 * size;
    LeafBits bits;
    bits.extra = u64{1} << 52;
    const u64 pa = align_down(b.data(), level == 3 ? 16 : 25);
    for (u64 i = 0; i < 16; ++i) b.map(root, group + i * size, pa + i * size, level, bits);
    b.translate(0, root);
    for (u64 i = 0; i < 16; ++i) {
      const u64 offset = group + i * size;
      const u64 to = pa + i * size;
      if (to + 0x10 >= b.data() && to + 0x10 < b.data() + device.data_bytes) b.both(offset + 0x10);
    }
    b.access(group - 4);
    b.access(2 * group);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Two ASIDs that differ in one bit, with a table each. IHI 0070 3.17.
void asid_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (unsigned bit = 0; bit < (caps.asid16 ? 16U : 8U); ++bit) {
    CaseBuilder b(device, fmt::format("walk: ASIDs that differ in bit {}", bit));
    for (unsigned e = 0; e < 2; ++e) {
      const u64 root = b.root(Granule::g4k, 25);
      b.map(root, 0x1000, b.data(0x1000 * u64{e}));
      b.cd(e, b.plain_cd(root, 25, e << bit));
      b.ste(e, b.stage1_ste(e));
    }
    b.enable();
    for (const unsigned e : {0U, 1U, 0U}) b.both(0x1000, e);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Tags in the top byte, with TBI of each half: which table they lead to, and what a record says.
/// DDI 0487 D8.2; IHI 0070 5.4 (TBI), 7.3.
void tag_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr unsigned low_tsz = 25, high_tsz = 28;
  constexpr u64 top_of_high = mask(55, 64 - high_tsz);
  for (u64 tbi = 0; tbi < 4; ++tbi) {
    CaseBuilder b(device, fmt::format("walk: tags, TBI0 = {}, TBI1 = {}", tbi & 1, tbi >> 1));
    const u64 low = b.root(Granule::g4k, low_tsz);
    const u64 high = b.root(Granule::g4k, high_tsz);
    b.map(low, 0x1000, b.data());
    b.map(low, 0x10000, b.data(0x2000));
    b.map(high, 0x2000, b.data(0x1000), 3, {}, Granule::g4k, high_tsz);
    spec::Cd<u64> cd = b.plain_cd(low, low_tsz);
    use_upper_half(cd, high, high_tsz);
    cd.dw[0] |= tbi << 38;
    b.translate(0, cd);
    // An instruction's tag before any other access has brought the page into a cache.
    if (device.sends_instructions)
      b.access(u64{0x5a} << 56 | 0x10000, false, 0, {.instruction = true});
    u64 missing = 0x3000;  // of each another one, so that each record says whose it is
    for (const u64 tag : {0x00U, 0xffU, 0x01U, 0x80U, 0x7fU, 0x5aU}) {
      b.both(tag << 56 | 0x1000);
      b.both(tag << 56 | top_of_high | 0x2000);
      b.access(tag << 56 | missing);
      b.access(tag << 56 | top_of_high | missing);
      missing += 0x1000;
    }
    b.poll();
    cases.push_back(b.take());
  }
}

/// Halves that are on and off. IHI 0070 5.4 (EPD).
void half_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr unsigned tsz = 25;
  for (u64 epd = 0; epd < 4; ++epd) {
    CaseBuilder b(device, fmt::format("walk: EPD0 = {}, EPD1 = {}", epd & 1, epd >> 1));
    const u64 low = b.root(Granule::g4k, tsz);
    const u64 high = b.root(Granule::g4k, tsz);
    b.map(low, 0x1000, b.data());
    b.map(high, 0x1000, b.data(0x1000));
    spec::Cd<u64> cd = b.plain_cd(low, tsz);
    use_upper_half(cd, high, tsz);
    cd.dw[0] |= (epd & 1) << 14 | (epd >> 1) << 30;
    b.translate(0, cd);
    for (const u64 base : {u64{0}, ~mask(63 - tsz, 0)}) {
      b.both(base + 0x1000);
      b.access(base + 0x2000);
    }
    b.poll();
    cases.push_back(b.take());
  }
}

/// A table that is no larger than it has to be lies anywhere. DDI 0487 D8.2; IHI 0070 5.4 (TTB0).
void small_root_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned tsz : {27U, 30U, 33U, 36U, 39U}) {
    CaseBuilder b(device, fmt::format("walk: a root in the middle of a page, T0SZ {}", tsz));
    const unsigned start = spec::start_level<u64>(Granule::g4k, tsz);
    const u64 bytes =
        pow2(static_cast<unsigned>(spec::start_entries_lg2<u64>(Granule::g4k, start, tsz)) + 3);
    const u64 page = b.tables(8192, 8192);
    const u64 root = page + std::max<u64>(bytes, 64) * 3 % 4096;
    b.map(root, 0x1000, b.data(), 3, {}, Granule::g4k, tsz);
    b.translate(0, root, tsz);
    b.both(0x1000);
    b.both(0x3000);
    b.poll();
    cases.push_back(b.take());
  }
}

void shared_table_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "walk: two streams share a table");
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.map(root, 0x200000, align_down(b.data(), 21), 2);
  for (unsigned e = 0; e < 2; ++e) {
    b.cd(e, b.plain_cd(root));
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  for (unsigned e = 0; e < 2; ++e) {
    b.both(0x1000, e);
    b.both(0x200000, e);
    b.access(0x2000, true, e);
  }
  b.poll();
  cases.push_back(b.take());
}

void two_tables_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "walk: two ASIDs, two tables");
  for (unsigned e = 0; e < 2; ++e) {
    const u64 root = b.root(Granule::g4k, 25);
    b.map(root, 0x1000, b.data(0x1000 * e));
    b.cd(e, b.plain_cd(root, 25, 1 + e));
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned e = 0; e < 2; ++e) b.both(0x1000, e);
  }
  b.poll();
  cases.push_back(b.take());
}

/// It is met under each ASID.
void global_page_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "walk: a global page and two ASIDs");
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, 0x1000, b.data(), 3, {.ng = false});
  for (unsigned e = 0; e < 2; ++e) {
    b.cd(e, b.plain_cd(root, 25, 1 + e));
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  for (unsigned e = 0; e < 2; ++e) b.both(0x1000, e);
  b.poll();
  cases.push_back(b.take());
}

/// Of the other ASID set it is another's. IHI 0070 3.17.1.
void two_asets_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "walk: global pages of two ASETs, ASIDs 1 and 2");
  for (unsigned e = 0; e < 2; ++e) {
    const u64 root = b.root(Granule::g4k, 25);
    b.map(root, 0x1000, b.data(0x1000 * e), 3, {.ng = false});
    if (e == 0) b.map(root, 0x2000, b.data(0x2000), 3, {.ng = false});
    spec::Cd<u64> cd = b.plain_cd(root, 25, 1 + e);
    cd.dw[0] = with_bits(cd.dw[0], 47, 47, e);
    b.cd(e, cd);
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned e = 0; e < 2; ++e) {
      b.both(0x1000, e);
      b.both(0x2000, e);
    }
  }
  b.poll();
  cases.push_back(b.take());
}

void ignored_byte_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "walk: TBI0 ignores the top byte");
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  spec::Cd<u64> cd = b.plain_cd(root);
  cd.dw[0] |= u64{1} << 38;
  b.translate(0, cd);
  b.both(0x1000);
  if (device.iova_end == 0) b.both(u64{0x5a} << 56 | 0x1000);
  b.access(u64{1} << 40 | 0x1000);
  b.poll();
  cases.push_back(b.take());
}

void both_halves_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "walk: both halves");
  const u64 low = b.root(Granule::g4k, 25);
  const u64 high = b.root(Granule::g4k, 28);
  const u64 top = ~mask(35, 0);
  b.map(low, 0x1000, b.data());
  b.map(high, 0x2000, b.data(0x1000), 3, {}, Granule::g4k, 28);
  spec::Cd<u64> cd = b.plain_cd(low);
  use_upper_half(cd, high, 28);
  b.translate(0, cd);
  b.both(0x1000);
  b.both(top | 0x2000);
  b.access(top | 0x3000);
  b.access(u64{1} << 55 | 0x1000);
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void walk_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    const unsigned least = static_cast<unsigned>(spec::tsz_min(granule, caps.vax >= 1));
    for (unsigned tsz = least; tsz <= 39; ++tsz) granule_case(device, cases, granule, tsz);
    no_block_case(device, cases, granule);
    block_bits_case(device, cases, granule);
  }
  contiguous_cases(device, cases);
  shared_table_case(device, cases);
  two_tables_case(device, cases);
  global_page_case(device, cases);
  two_asets_case(device, cases);
  ignored_byte_case(device, cases);
  if (device.iova_end == 0) both_halves_case(device, cases);
  asid_cases(device, cases);
  small_root_cases(device, cases);
  if (device.iova_end != 0) return;
  half_cases(device, cases);
  tag_cases(device, cases);
}

std::vector<Case> directed_cases(const DeviceIdentity& device) {
  std::vector<Case> cases;
  stream_table_cases(device, cases);
  descriptor_cases(device, cases);
  walk_cases(device, cases);
  command_cases(device, cases);
  register_content_cases(device, cases);
  invalidation_cases(device, cases);
  queue_cases(device, cases);
  queue_place_cases(device, cases);
  shape_cases(device, cases);
  each_value_cases(device, cases);
  each_operand_cases(device, cases);
  interrupt_cases(device, cases);
  attribute_cases(device, cases);
  substream_cases(device, cases);
  flag_cases(device, cases);
  nested_flag_cases(device, cases);
  endian_cases(device, cases);
  contiguous_group_cases(device, cases);
  stage2_cases(device, cases);
  cached_stage2_cases(device, cases);
  stage2_sequences(device, cases);
  nested_walk_cases(device, cases);
  el2_cases(device, cases);
  size_cases(device, cases);
  table_base_cases(device, cases);
  stall_cases(device, cases);
  stall_end_cases(device, cases);
  ats_cases(device, cases);
  page_request_cases(device, cases);
  external_abort_cases(device, cases);
  stage2_table_change_cases(device, cases);
  nested_cd_cases(device, cases);
  nested_block_part_cases(device, cases);
  block_offset_cases(device, cases);
  vmid_wildcard_cases(device, cases);
  cd_record_cases(device, cases);
  batch_cases(cases);
  published_batch_cases(device, cases);
  return cases;
}

}  // namespace iommucheck::oracle
