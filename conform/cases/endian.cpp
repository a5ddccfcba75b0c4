// SPDX-License-Identifier: MIT
// Big-endian translation tables, where IDR0.TTENDIAN has them: of each stage, walked as they are
// and as they are not, with faults, blocks, rights of tables, flags. IHI 0070 5.2 (S2ENDI), 5.4
// (ENDI), 6.3.1.
#include <fmt/format.h>

#include <set>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/arch/descriptor.h"

namespace iommucheck::oracle {

namespace {

namespace bits_of = spec::descriptor_bits;
using spec::Granule;

constexpr u64 endi = u64{1} << 15, s2endi = u64{1} << 52;

void turn(CaseBuilder& b, const std::set<u64>& places) {
  for (const u64 place : places) b.store(place, __builtin_bswap64(b.word(place)));
}

/// Stage 1 tables of one half: pages of each kind, a block, a table that takes the right to write.
class Pages {
 public:
  static constexpr unsigned tsz = 25;
  Pages(CaseBuilder& b, Granule granule) : b_(b), granule_(granule), root_(b.root(granule, tsz)) {
    page(1, {});
    page(2, {.writable = false});
    page(3, {.af = false});
    page(4, {.user = false});
    page(5, {.writable = false, .extra = bits_of::dbm});
    page(6, {.af = false, .writable = false, .extra = bits_of::dbm});
    page(7, {.valid = false});
    const u64 span = pow2(level_shift(granule, 2));
    b.map(root_, span, align_down(b.data(), level_shift(granule, 2)), 2, {}, granule, tsz);
    note(span, 2);
    b.map(root_, 2 * span, b.data(), spec::last_level, {}, granule, tsz);
    const u64 above = note(2 * span, 2);
    b.store(above, b.word(above) | bits_of::ap_table1);
    note(2 * span, spec::last_level);
  }
  [[nodiscard]] u64 root() const { return root_; }
  [[nodiscard]] const std::set<u64>& places() const { return places_; }
  /// Each of them; `base`: of the upper half.
  void use(u64 base) {
    const u64 size = pow2(page_shift(granule_)), span = pow2(level_shift(granule_, 2));
    for (u64 i = 0; i <= 8; ++i) b_.both(base | size * i);
    b_.both(base | (span + (b_.data() & (span - 1))));
    b_.both(base | 2 * span);
    b_.poll();
  }

 private:
  u64 note(u64 va, unsigned level) {
    for (unsigned l = spec::start_level<u64>(granule_, tsz); l < level; ++l) {
      places_.insert(b_.entry(root_, granule_, tsz, va, l));
    }
    return *places_.insert(b_.entry(root_, granule_, tsz, va, level)).first;
  }
  void page(u64 i, const LeafBits& leaf) {
    const u64 va = i << page_shift(granule_);
    b_.map(root_, va, b_.data(i << page_shift(granule_)), spec::last_level, leaf, granule_, tsz);
    note(va, spec::last_level);
  }
  CaseBuilder& b_;
  Granule granule_;
  u64 root_;
  std::set<u64> places_{};
};

struct Endian {
  bool says = true, is = true;  ///< of tables: what ENDI says, and what they are
  [[nodiscard]] std::string text() const {
    return std::string(says ? "ENDI = 1" : "ENDI = 0") +
           (says == is ? "" : ", the other way round");
  }
};
constexpr Endian endians[] = {{true, true}, {true, false}, {false, true}};

void look_at_tables(CaseBuilder& b, const std::set<u64>& places) {
  b.sync();
  for (const u64 place : places) b.look(place);
}

void stage1_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
                 bool upper, Endian endian, bool updates) {
  CaseBuilder b(
      device, fmt::format("endian: {}, {} KiB{}{}", endian.text(), pow2(page_shift(granule)) / 1024,
                          upper ? ", by TTB1" : "", updates ? ", HA and HD" : ""));
  Pages pages(b, granule);
  if (endian.is) turn(b, pages.places());
  spec::Cd<u64> cd = b.plain_cd(pages.root(), Pages::tsz);
  if (endian.says) cd.dw[0] |= endi;
  if (updates) cd.dw[0] |= u64{3} << 42;
  if (upper) {
    use_upper_half_alone(cd, pages.root(), Pages::tsz, granule);
  } else {
    cd.dw[0] |= tg0_of(granule) << 6;
  }
  b.translate(0, cd);
  pages.use(upper ? ~mask(63 - Pages::tsz, 0) : 0);
  if (updates) look_at_tables(b, pages.places());
  cases.push_back(b.take());
}

/// Of stage 2, alone or under stage 1 of the other kind.
void stage2_case(const DeviceIdentity& device, std::vector<Case>& cases, bool nested, Endian endian,
                 bool updates) {
  CaseBuilder b(device, fmt::format("endian: stage 2{}, S2{}{}", nested ? " under stage 1" : "",
                                    endian.text(), updates ? ", S2HA and S2HD" : ""));
  GuestTables guest(b);
  std::set<u64> places;
  const auto note = [&](u64 ipa) {
    for (unsigned level = 1; level <= spec::last_level; ++level) {
      places.insert(guest.stage2.entry(ipa, level));
    }
  };
  const u64 leaves[] = {Stage2Tables::all, Stage2Tables::all & ~Stage2Tables::may_write,
                        Stage2Tables::all & ~Stage2Tables::af,
                        (Stage2Tables::all & ~Stage2Tables::may_write) | bits_of::dbm};
  for (u64 i = 0; i < std::size(leaves); ++i) {
    const u64 ipa = GuestTables::data_ipa + 0x1000 * i;
    guest.stage2.map(ipa, b.data(0x1000 * i), leaves[i]);
    guest.leaf(GuestTables::va + 0x1000 * i, ipa);
    note(ipa);
  }
  note(GuestTables::cd_ipa);
  for (unsigned i = 0; i < GuestTables::levels; ++i) note(GuestTables::table_ipa(i));
  if (endian.is) turn(b, places);
  b.cd_at(guest.cd_pa, guest.cd);
  spec::Ste<u64> ste = nested ? guest.ste() : guest.stage2.alone();
  if (endian.says) ste.dw[2] |= s2endi;
  if (updates) ste.dw[2] |= u64{3} << 55;
  b.ste(0, ste);
  b.enable();
  for (u64 i = 0; i <= std::size(leaves); ++i) {
    b.both((nested ? GuestTables::va : GuestTables::data_ipa) + 0x1000 * i);
  }
  b.poll();
  if (updates) look_at_tables(b, places);
  cases.push_back(b.take());
}

/// With both halves off ENDI says nothing of any table: each value is legal. IHI 0070 5.4.1.
void both_off_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const u64 set : {u64{0}, endi}) {
    CaseBuilder b(device, fmt::format("endian: ENDI = {}, EPD0 and EPD1 = 1", set != 0 ? 1 : 0));
    const u64 root = b.root(Granule::g4k, 25);
    b.map(root, 0x1000, b.data());
    spec::Cd<u64> cd = b.plain_cd(root);
    cd.dw[0] |= set | u64{1} << 14 | u64{1} << 30;
    b.translate(0, cd);
    b.both(0x1000);
    b.poll();
    cases.push_back(b.take());
  }
}

}  // namespace

void endian_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (caps.s1p && caps.gran4k) both_off_case(device, cases);
  if (caps.ttendian != 0) return;
  const bool updates = caps.httu >= 2;
  for (const Endian& endian : endians) {
    for (const Granule granule : granules_of(caps)) {
      for (const bool upper : {false, true}) {
        if (!caps.s1p || (upper && device.iova_end != 0)) continue;
        stage1_case(device, cases, granule, upper, endian, false);
        if (updates) stage1_case(device, cases, granule, upper, endian, true);
      }
    }
    if (!caps.s2p || !caps.gran4k) continue;
    for (const bool nested : {false, true}) {
      if (nested && !caps.s1p) continue;
      stage2_case(device, cases, nested, endian, false);
      if (updates) stage2_case(device, cases, nested, endian, true);
    }
  }
}

}  // namespace iommucheck::oracle
