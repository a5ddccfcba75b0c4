// SPDX-License-Identifier: MIT
// Walks through both stages whose sizes differ, or that are made again: blocks over blocks, and
// tables of stage 1 that are larger than the pages of stage 2 in which they lie. DDI 0487 D8.2; IHI
// 0070 3.4, 4.3.
#include <algorithm>
#include <array>

#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

/// What a walk cache has kept of a walk is used behind a CFGI, which drops the configuration and
/// what was cached with it, and none of the TLB's.
void block_over_block_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr unsigned level = 2;
  constexpr u64 block = u64{1} << 21, ipa = 3 * block;
  CaseBuilder b(device, "both stages: a block over a block, walked again behind CFGI");
  GuestTables guest(b);
  const u64 first = align_down(b.data(), 21);
  guest.stage2.map(ipa, first, Stage2Tables::all, level);
  b.store(guest.place(1, block), leaf_word(Granule::g4k, level, ipa, {}));
  b.cd_at(guest.cd_pa, guest.cd);
  const auto engines = static_cast<unsigned>(std::min<std::size_t>(device.sids.size(), 2));
  for (unsigned e = 0; e < engines; ++e) b.ste(e, guest.ste());
  b.enable();
  const auto used = [&] {
    for (unsigned e = 0; e < engines; ++e) {
      for (const u64 at : {b.data(0x1000), b.data(0x3000)}) b.both(block + (at - first), e);
    }
    b.poll();
  };
  used();
  for (const spec::Command& cfgi :
       {spec::cmd_cfgi_ste(b.sid(0)), spec::cmd_cfgi_cd(b.sid(0), 0), spec::cmd_cfgi_all()}) {
    b.command(cfgi);
    b.sync();
    used();
  }
  cases.push_back(b.take());
}

/// A table of 64 KiB in 16 pages of stage 2 that lie apart: the address of each descriptor is
/// translated, and not that of the table.
void scattered_table_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (!spec::parse_capabilities(device.id).gran64k) return;
  constexpr unsigned tsz = 35;  // one table of 8192 entries
  constexpr unsigned pages = 16;
  constexpr u64 page = 0x1000, table = 0x100000, output = 0x300000, offset = 0x3000;
  constexpr u64 of_64k = u64{1} << 6;  // CD.TG0
  constexpr std::array<u64, 5> used{5, 600, 1023, 5000, 8191};
  CaseBuilder b(device, "both stages: a table of 64 KiB over pages that lie apart");
  Stage2Tables stage2(b, plain_shape(b.capabilities()));
  constexpr u64 cd_ipa = 0x10000;
  const u64 cd_pa = b.memory(page);
  stage2.map(cd_ipa, cd_pa);
  std::array<u64, pages> lies_at{};
  for (u64& at : lies_at) at = b.tables(page);
  const auto page_of = [&](u64 i) { return lies_at[i * 7 % pages]; };
  for (u64 i = 0; i < pages; ++i) stage2.map(table + page * i, page_of(i));
  stage2.map(output + offset, b.data());
  for (const u64 entry : used) {
    b.store(page_of(8 * entry / page) + 8 * entry % page,
            leaf_word(Granule::g64k, spec::last_level, output, {}));
  }
  spec::Cd<u64> cd = b.plain_cd(table, tsz);
  cd.dw[0] |= of_64k;
  b.cd_at(cd_pa, cd);
  spec::Stage1SteFields fields;
  fields.s1contextptr = cd_ipa;
  b.ste(0, spec::with_stage2(spec::make_stage1_ste(fields), stage2.fields()));
  b.enable();
  for (const u64 entry : used) {
    const u64 va = (entry << 16) + offset;
    if (device.iova_end == 0 || va < device.iova_end) b.both(va);
  }
  b.access((u64{601} << 16) + offset);
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void nested_walk_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s1p || !caps.s2p || !caps.gran4k) return;
  block_over_block_case(device, cases);
  scattered_table_case(device, cases);
}

}  // namespace iommucheck::oracle
