// SPDX-License-Identifier: MIT
// What the two stages keep for each other, while no table changes: a translation of both covers
// what the smaller one does, and what stage 2 has against a fetch holds of a page that is cached as
// well. IHI 0070 5.2 (S2PTW), 16.2.
#include <fmt/format.h>

#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

constexpr u64 block_va = u64{1} << 21;   // beside GuestTables::va, in another block
constexpr u64 block_ipa = u64{2} << 21;  // its pages lead where no identity leads

/// A block of stage 1 over pages of stage 2 that lie in another order. `first`: which is cached.
void extent_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned first) {
  CaseBuilder b(device, fmt::format("nested: a block over pages of stage 2, page {} first", first));
  GuestTables guest(b);
  b.store(guest.place(1, block_va), leaf_word(Granule::g4k, 2, block_ipa, {}));
  for (const u64 page : {0U, 1U, 2U}) {
    guest.stage2.map(block_ipa + 0x1000 * page, b.data(0x1000 * (2 - page)));
  }
  b.cd_at(guest.cd_pa, guest.cd);
  b.ste(0, guest.ste());
  b.enable();
  for (const u64 page : {first, (first + 1) % 3, (first + 2) % 3}) {
    b.both(block_va + 0x1000 * page + 4);
  }
  b.poll();
  cases.push_back(b.take());
}

/// A stream of stage 2 alone has used the guest's last table by that VMID: it is Device memory, or
/// may be written and not read. The guest must not fetch from it.
void cached_table_case(const DeviceIdentity& device, std::vector<Case>& cases, bool write_only) {
  CaseBuilder b(device, write_only ? "nested: the page of the table is cached, and not readable"
                                   : "nested: S2PTW, and the page of the table is cached");
  GuestTables guest(b);
  const u64 ipa = GuestTables::table_ipa(GuestTables::levels - 1);
  constexpr u64 device_memory =
      Stage2Tables::may_read | Stage2Tables::may_write | Stage2Tables::af | Stage2Tables::device;
  constexpr u64 unreadable = Stage2Tables::all & ~Stage2Tables::may_read;
  guest.stage2.map(ipa, guest.table_pa[GuestTables::levels - 1],
                   write_only ? unreadable : device_memory);
  constexpr u64 s2ptw = u64{1} << 54;
  spec::Ste<u64> nested = guest.ste(), alone = guest.stage2.alone();
  nested.dw[2] |= s2ptw;
  alone.dw[2] |= s2ptw;
  b.cd_at(guest.cd_pa, guest.cd);
  b.ste(0, nested);
  b.ste(1, alone);
  b.enable();
  b.access(ipa + 0x18, write_only, 1);
  b.both(GuestTables::va);
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void cached_stage2_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s1p || !caps.s2p || !caps.gran4k) return;
  for (const unsigned first : {0U, 1U}) extent_case(device, cases, first);
  for (const bool write_only : {false, true}) cached_table_case(device, cases, write_only);
}

}  // namespace iommucheck::oracle
