// SPDX-License-Identifier: MIT
// Output sizes: encodings above what is claimed, reserved ones, 52 bits; and tables as small as
// they may be, where they lie. IHI 0070 3.4, 5.2 (S2PS, S2TTB), 5.4 (IPS, TTB0), 6.3.24.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/rules/structures.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Granule;

constexpr u64 first_page = 0x10000;

/// Addresses of 64 KiB granules have their bits 51:48 at 15:12 of a descriptor.
u64 word_of(Granule granule, u64 pa) {
  return leaf_word(granule, spec::last_level, pa, {}) |
         (granule == Granule::g64k ? bits(pa, 51, 48) << 12 : 0);
}

/// Output addresses on both sides of each size that matters.
std::vector<u64> outputs(const CaseBuilder& b, Granule granule) {
  std::vector<u64> all = {b.data()};
  const unsigned most = granule == Granule::g64k ? 52 : 48;
  for (const unsigned at : {32U, 36U, 40U, 42U, 44U, 48U, b.capabilities().oas_lg2}) {
    for (const unsigned place : {at - 1, at}) {
      if (place < most && place > 31) all.push_back(b.data() | u64{1} << place);
    }
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

/// CD.IPS, those above the output size and the reserved one.
void ips_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule, u64 ips,
              bool upper) {
  CaseBuilder b(device, fmt::format("sizes: IPS = {}, granule {} KiB{}", ips,
                                    pow2(page_shift(granule)) / 1024, upper ? ", by TTB1" : ""));
  const u64 page = pow2(page_shift(granule));
  const u64 root = b.root(granule, 25);
  const std::vector<u64> to = outputs(b, granule);
  for (u64 i = 0; i < to.size(); ++i) {
    b.store(b.entry(root, granule, 25, first_page + i * page, 3), word_of(granule, to[i]));
  }
  spec::Cd<u64> cd = b.plain_cd(root);
  cd.dw[0] = with_bits(cd.dw[0], 34, 32, ips) | tg0_of(granule) << 6;
  if (upper) use_upper_half_alone(cd, root, 25, granule);
  const u64 base = upper ? ~mask(63 - 25, 0) : 0;
  b.translate(0, cd);
  for (u64 i = 0; i < to.size(); ++i) b.both(base + first_page + i * page);
  b.poll();
  cases.push_back(b.take());
}

/// A block at level 1 of 64 KiB tables, which there is where outputs have 52 bits. DDI 0487 D8.3.
void large_block_case(const DeviceIdentity& device, std::vector<Case>& cases, u64 ips) {
  constexpr unsigned tsz = 16;
  CaseBuilder b(device, fmt::format("sizes: a block at level 1 of 64 KiB, IPS = {}", ips));
  const u64 root = b.root(Granule::g64k, tsz);
  const u64 block = pow2(level_shift(Granule::g64k, 1));
  b.store(b.entry(root, Granule::g64k, tsz, block, 1), word_of(Granule::g64k, 0) & ~u64{2});
  spec::Cd<u64> cd = b.plain_cd(root, tsz);
  cd.dw[0] = with_bits(cd.dw[0], 34, 32, ips) | tg0_of(Granule::g64k) << 6;
  b.translate(0, cd);
  for (const u64 offset : {u64{0}, u64{0x10000}}) b.both(block + b.data(offset));
  b.poll();
  cases.push_back(b.take());
}

/// STE.S2PS likewise.
void s2ps_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
               unsigned s2ps) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  CaseBuilder b(device, fmt::format("sizes: S2PS = {}, granule {} KiB", s2ps,
                                    pow2(page_shift(granule)) / 1024));
  Stage2Shape shape{granule, 1, spec::stage2_start_level<u64>(granule, 1, caps.stt), 0};
  shape.t0sz = std::max(31U, 64 - ias_lg2(caps));
  if (!spec::stage2_start_legal<u64>(granule, shape.start, shape.t0sz)) return;
  Stage2Tables tables(b, shape);
  const std::vector<u64> to = outputs(b, granule);
  for (u64 i = 0; i < to.size(); ++i) {
    b.store(tables.entry(first_page + i * tables.page()),
            (word_of(granule, to[i]) & ~mask(11, 2)) | Stage2Tables::all);
  }
  spec::Stage2SteFields fields = tables.fields();
  fields.s2ps = s2ps;
  b.ste(0, spec::with_stage2(spec::make_bypass_ste(), fields));
  b.enable();
  for (u64 i = 0; i < to.size(); ++i) b.both(first_page + i * tables.page());
  b.poll();
  cases.push_back(b.take());
}

/// A stream table as small as can be, where a larger one would be aligned down.
void small_stream_tables(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned lg2 : {5U, 6U, 7U}) {
    CaseBuilder b(device, fmt::format("sizes: a stream table of {} STEs beside its size", 1 << lg2),
                  {.log2size = lg2});
    b.asks(spec::rule::STREAM_TABLE_FORMAT);
    if (device.sids[0] >> lg2 != 0) continue;
    const u64 bytes = u64{64} << lg2;
    const u64 table = b.memory(2 * bytes, 2 * bytes) + bytes;
    for (unsigned i = 0; i < 2; ++i) {
      b.store(table + 64 * b.sid(0) + 8 * i, spec::make_bypass_ste().dw[i]);
    }
    b.write(reg::strtab_base, table, 8);
    b.enable();
    b.both(b.data(0x40));
    b.both(b.data(0x40), 1);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Each StreamID by the first level's entry that is its own, for each SPLIT.
void first_level_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const unsigned split : {6U, 8U, 10U}) {
    // Its entries take 64 bytes at least; what lies beside them is aligned down to no other place.
    for (const unsigned log2size : {split + 3, split + 4}) {
      if (log2size > caps.sidsize || device.sids.back() >> log2size != 0) continue;
      CaseBuilder b(device,
                    fmt::format("sizes: two levels, SPLIT {}, LOG2SIZE {}", split, log2size),
                    {.log2size = log2size, .two_level = true, .split = split});
      b.asks(spec::rule::STREAM_TABLE_FORMAT);
      const u64 bytes = u64{8} << (log2size - split);
      const u64 table = b.memory(2 * bytes, 2 * bytes) + bytes;
      const spec::StreamTable of =
          spec::stream_table_of(table, log2size | (split << 6) | (1U << 16), caps);
      for (unsigned e = 0; e < device.sids.size(); ++e) {
        const u64 first = spec::l1std_address<u64>(of, b.sid(e));
        if (b.word(first) == 0)
          b.store(first, b.memory(u64{64} << split, u64{64} << split) | (split + 1));
        const spec::Ste<u64> ste = e % 3 == 2 ? spec::make_abort_ste() : spec::make_bypass_ste();
        const u64 at =
            spec::second_level_ste_address<u64>(of, spec::L1Std<u64>{b.word(first)}, b.sid(e));
        for (unsigned i = 0; i < 2; ++i) b.store(at + 8 * i, ste.dw[i]);
      }
      b.write(reg::strtab_base, table, 8);
      b.enable();
      for (unsigned e = 0; e < device.sids.size(); ++e) b.both(b.data(0x40 * u64{e}), e);
      b.poll();
      cases.push_back(b.take());
    }
  }
}

/// Queues that are not aligned to 4 KiB, with bits of their bases below their size.
void queue_base_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned lg2 : {1U, 3U, 6U}) {
    const spec::Capabilities caps = spec::parse_capabilities(device.id);
    if (lg2 > caps.cmdqs || lg2 > caps.eventqs) continue;
    CaseBuilder b(device, fmt::format("sizes: queues of {} beside their size", 1U << lg2),
                  {.cmdq_lg2 = lg2,
                   .eventq_lg2 = lg2,
                   .cmdq = QueuePlace::beside_size,
                   .eventq = QueuePlace::beside_size});
    const u64 root = b.root(Granule::g4k, 25);
    b.map(root, first_page, b.data());
    b.translate(0, root);
    for (u64 i = 0; i < (u64{3} << lg2); ++i) {
      b.both(first_page);
      b.access(first_page + 0x1000 * (1 + i));
      b.command(spec::cmd_tlbi_nh_all(0));
      b.sync();
      b.poll();
    }
    cases.push_back(b.take());
  }
}

}  // namespace

void size_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    for (u64 size = 0; size < 8; ++size) {
      for (const bool upper : {false, true}) {
        if (caps.s1p && (!upper || device.iova_end == 0)) {
          ips_case(device, cases, granule, size, upper);
        }
      }
      if (caps.s2p) s2ps_case(device, cases, granule, static_cast<unsigned>(size));
    }
  }
  for (const u64 ips : {5U, 6U}) {
    if (caps.s1p && caps.gran64k) large_block_case(device, cases, ips);
  }
  small_stream_tables(device, cases);
  if (caps.two_level_stream_table) first_level_cases(device, cases);
  queue_base_cases(device, cases);
}

}  // namespace iommucheck::oracle
