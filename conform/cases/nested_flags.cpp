// SPDX-License-Identifier: MIT
// What the SMMU writes into descriptors where stage 2 translates what stage 1 does: the leaf of
// each stage, tables of stage 1 and what maps them, by each pair of what is switched on. And by
// requests of ATS. IHI 0070 3.13.5, 3.13.7.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/arch/descriptor.h"
#include "spec/rules/protocol.h"

namespace iommucheck::oracle {

namespace {

namespace bits_of = spec::descriptor_bits;
using spec::Granule;
namespace rule = spec::rule;

/// HA, HD, HAFT of one stage, each with those before it.
constexpr const char* level_names[] = {"off", "HA", "HA and HD", "HA, HD and HAFT"};

/// A leaf of one stage by its flags.
struct Leaf {
  bool af = true, clean = false, writable = true, user = true;
};
constexpr Leaf leaves1[] = {{},
                            {.af = false},
                            {.clean = true},
                            {.af = false, .clean = true},
                            {.writable = false},
                            {.af = false, .writable = false},
                            {.clean = true, .user = false}};
constexpr Leaf leaves2[] = {
    {}, {.af = false}, {.clean = true}, {.af = false, .clean = true}, {.writable = false}};
constexpr u64 page_count = std::size(leaves1) * std::size(leaves2);

constexpr u64 softwares = u64{9} << 55;  ///< of bits 58:55, which are no field

LeafBits bits1(const Leaf& leaf) {
  LeafBits bits;
  bits.af = leaf.af;
  bits.writable = leaf.writable && !leaf.clean;
  bits.user = leaf.user;
  bits.extra = softwares;
  if (leaf.clean) bits.extra |= bits_of::dbm;
  return bits;
}
u64 bits2(const Leaf& leaf) {
  u64 bits = Stage2Tables::all | softwares;
  if (!leaf.af) bits &= ~Stage2Tables::af;
  if (leaf.clean || !leaf.writable) bits &= ~Stage2Tables::may_write;
  return leaf.clean ? bits | bits_of::dbm : bits;
}

spec::Cd<u64> updating(spec::Cd<u64> cd, unsigned level) {
  if (level >= 1) cd.dw[0] |= u64{1} << 43;
  if (level >= 2) cd.dw[0] |= u64{1} << 42;
  if (level >= 3) cd.dw[1] |= u64{1} << 3;
  return cd;
}
spec::Ste<u64> updating(spec::Ste<u64> ste, unsigned level) {
  if (level >= 1) ste.dw[2] |= u64{1} << 56;
  if (level >= 2) ste.dw[2] |= u64{1} << 55;
  if (level >= 3) ste.dw[2] |= u64{1} << 59;
  return ste;
}

/// Behind a CMD_SYNC all of it is to be seen.
void look_behind_sync(CaseBuilder& b, const std::vector<u64>& places) {
  b.poll();
  b.sync();
  for (const u64 place : places) b.look(place);
}

/// A guest with a page for each pair of leaves.
struct FlaggedGuest {
  CaseBuilder b;
  GuestTables guest;
  std::vector<u64> places{};

  FlaggedGuest(const DeviceIdentity& device, const std::string& name)
      : b(device, "flags: " + name), guest(b) {
    b.asks(rule::FLAG_UPDATES);
    for (u64 i = 0; i < page_count; ++i) {
      const u64 ipa = GuestTables::data_ipa + 0x1000 * i;
      guest.stage2.map(ipa, b.data(0x1000 * i), bits2(leaves2[i / std::size(leaves1)]));
      guest.leaf(at(i), ipa, bits1(leaves1[i % std::size(leaves1)]));
      places.push_back(guest.place(GuestTables::levels - 1, at(i)));
      places.push_back(guest.stage2.entry(ipa));
    }
    for (unsigned i = 0; i + 1 < GuestTables::levels; ++i) {
      places.push_back(guest.place(i, GuestTables::va));
    }
    for (unsigned level = 1; level <= spec::last_level; ++level) {
      places.push_back(guest.stage2.entry(GuestTables::cd_ipa, level));
    }
  }
  static u64 at(u64 page) { return GuestTables::va + 0x1000 * page; }
  /// How stage 2 maps what stage 1 is made of.
  void map_tables(const Leaf& leaf) {
    guest.stage2.map(GuestTables::cd_ipa, guest.cd_pa, bits2(leaf));
    for (unsigned i = 0; i < GuestTables::levels; ++i) {
      guest.stage2.map(GuestTables::table_ipa(i), guest.table_pa[i], bits2(leaf));
      places.push_back(guest.stage2.entry(GuestTables::table_ipa(i)));
    }
  }
  void enable(unsigned one, unsigned two, u64 eats = 0) {
    b.cd_at(guest.cd_pa, updating(guest.cd, one));
    spec::Ste<u64> ste = updating(guest.ste(), two);
    ste.dw[1] = with_bits(ste.dw[1], 29, 28, eats);
    b.ste(0, ste);
    b.enable(eats == 2);
  }
};

/// By reads alone, and by writes.
void pair_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned one, unsigned two,
               bool writes) {
  FlaggedGuest f(device, fmt::format("both stages, {} over {}, {}", level_names[one],
                                     level_names[two], writes ? "writes" : "reads"));
  // What stage 2 can set of its pages that hold tables.
  f.map_tables({.af = two == 0, .clean = two >= 2});
  f.enable(one, two);
  for (u64 i = 0; i < page_count; ++i) f.b.access(FlaggedGuest::at(i) + 4, writes);
  look_behind_sync(f.b, f.places);
  cases.push_back(f.b.take());
}

/// Stage 2 lets nobody write the tables: no flag of stage 1 can be set. IHI 0070 3.13.5.
void forbidden_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned one,
                    unsigned two) {
  FlaggedGuest f(device, fmt::format("both stages, {} over {}, tables that may not be written",
                                     level_names[one], level_names[two]));
  f.map_tables({.writable = false});
  f.enable(one, two);
  for (u64 i = 0; i < std::size(leaves1); ++i) f.b.both(FlaggedGuest::at(i));
  look_behind_sync(f.b, f.places);
  cases.push_back(f.b.take());
}

/// The tables of stage 1 lie anywhere in blocks of stage 2.
void block_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned one,
                unsigned two) {
  constexpr u64 block = u64{1} << 21;
  CaseBuilder b(device, fmt::format("flags: both stages, {} over {}, tables below blocks",
                                    level_names[one], level_names[two]));
  b.asks(rule::FLAG_UPDATES);
  Stage2Tables stage2(b, plain_shape(b.capabilities()));
  std::vector<u64> places;
  const u64 first = align_down(device.structures_pa, 21);
  const u64 end = device.data_pa + device.data_bytes;
  if (end >= stage2.end()) return;
  for (u64 at = first; at < end; at += block) {
    const Leaf leaf{.af = two == 0, .clean = two >= 2};
    stage2.map(at, at, bits2(leaf), 2);
    places.push_back(stage2.entry(at, 2));
  }
  const u64 root = b.root(Granule::g4k, 25);
  for (u64 i = 0; i < std::size(leaves1); ++i) {
    const u64 va = 0x10000 + 0x1000 * i;
    places.push_back(b.entry(root, Granule::g4k, 25, va, spec::last_level));
    b.store(places.back(),
            leaf_word(Granule::g4k, spec::last_level, b.data(0x1000 * i), bits1(leaves1[i])));
  }
  for (unsigned level = 1; level < spec::last_level; ++level) {
    places.push_back(b.entry(root, Granule::g4k, 25, 0x10000, level));
  }
  b.cd(0, updating(b.plain_cd(root), one));
  b.ste(0, updating(spec::with_stage2(b.stage1_ste(0), stage2.fields()), two));
  b.enable();
  for (u64 i = 0; i < std::size(leaves1); ++i) b.both(0x10000 + 0x1000 * i);
  look_behind_sync(b, places);
  cases.push_back(b.take());
}

/// Both stages: what is granted is accessed, and dirty where writing is granted. By split-stage ATS
/// the page of stage 2 is marked by the access that is sent, if the request has not done it. IHI
/// 0070 3.13.7.1.
void nested_requests(const DeviceIdentity& device, std::vector<Case>& cases, unsigned one,
                     unsigned two, bool split, bool writes) {
  FlaggedGuest f(
      device,
      fmt::format("both stages, {} over {}, {} for {}", level_names[one], level_names[two],
                  split ? "split-stage ATS" : "requests of ATS", writes ? "writing" : "reading"));
  f.map_tables({});
  f.enable(one, two, split ? 2 : 1);
  for (u64 i = 0; i < page_count; ++i) f.b.request(FlaggedGuest::at(i), writes);
  look_behind_sync(f.b, f.places);
  if (split) {
    for (u64 i = 0; i < page_count; ++i) {
      f.b.access(GuestTables::data_ipa + 0x1000 * i + 4, writes, 0, {.translated = true});
    }
    look_behind_sync(f.b, f.places);
  }
  cases.push_back(f.b.take());
}

/// The same of one stage.
void request_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned level,
                  bool stage2, bool writes) {
  CaseBuilder b(device, fmt::format("flags: {}{}, requests of ATS for {}, each leaf",
                                    stage2 ? "stage 2, " : "", level_names[level],
                                    writes ? "writing" : "reading"));
  b.asks(rule::FLAG_UPDATES);
  std::vector<u64> places;
  spec::Ste<u64> ste;
  if (stage2) {
    Stage2Tables tables(b, plain_shape(b.capabilities()));
    for (u64 i = 0; i < std::size(leaves2); ++i) {
      tables.map(0x1000 * (1 + i), b.data(0x1000 * i), bits2(leaves2[i]));
      places.push_back(tables.entry(0x1000 * (1 + i)));
    }
    ste = updating(tables.alone(), level);
  } else {
    const u64 root = b.root(Granule::g4k, 25);
    for (u64 i = 0; i < std::size(leaves1); ++i) {
      places.push_back(b.entry(root, Granule::g4k, 25, 0x1000 * (1 + i), spec::last_level));
      b.store(places.back(),
              leaf_word(Granule::g4k, spec::last_level, b.data(0x1000 * i), bits1(leaves1[i])));
    }
    b.cd(0, updating(b.plain_cd(root), level));
    ste = b.stage1_ste(0);
  }
  ste.dw[1] = with_bits(ste.dw[1], 29, 28, 1);
  b.ste(0, ste);
  b.enable();
  for (u64 i = 0; i < std::size(leaves1); ++i) b.request(0x1000 * (1 + i), writes);
  look_behind_sync(b, places);
  cases.push_back(b.take());
}

}  // namespace

void nested_flag_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (caps.httu == 0 || !caps.gran4k) return;
  const bool requests = device.ats && caps.ats;
  const bool both = caps.s1p && caps.s2p;
  for (unsigned one = 0; one <= caps.httu; ++one) {
    for (const bool writes : {false, true}) {
      if (requests && caps.s1p) request_case(device, cases, one, false, writes);
      if (requests && caps.s2p) request_case(device, cases, one, true, writes);
    }
    for (unsigned two = 0; two <= caps.httu && both; ++two) {
      for (const bool writes : {false, true}) {
        pair_case(device, cases, one, two, writes);
        if (!requests) continue;
        nested_requests(device, cases, one, two, false, writes);
        if (!caps.ns1ats) nested_requests(device, cases, one, two, true, writes);
      }
      if (one != 0) forbidden_case(device, cases, one, two);
      block_case(device, cases, one, two);
    }
  }
}

}  // namespace iommucheck::oracle
