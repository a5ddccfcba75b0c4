// SPDX-License-Identifier: MIT
// Stage 2 over time, alone and under stage 1: something is used, so that it may be cached; it
// changes; an invalidation that covers it completes; then the new state alone is allowed. IHI 0070
// 3.17, 4.3, 4.4.
#include <fmt/format.h>

#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Granule;

struct Tlbi {
  std::string name;
  std::vector<Command> commands;  ///< each is synchronised
};

void send(CaseBuilder& b, const Tlbi& tlbi) {
  for (const Command& command : tlbi.commands) {
    b.command(command);
    b.sync();
  }
}

// ---- stage 2 alone ------------------------------------------------------------------------------

/// TLBIs that cover a leaf of stage 2 at `level` that translates `ipa`.
std::vector<Tlbi> covering(const spec::Capabilities& caps, u16 vmid, u64 ipa, unsigned level) {
  std::vector<Tlbi> all = {{"TLBI_NSNH_ALL", {spec::cmd_tlbi_nsnh_all()}},
                           {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(vmid)}}};
  for (const bool leaf : {false, true}) {
    const std::string name = fmt::format("TLBI_S2_IPA{}", leaf ? ", Leaf = 1" : "");
    const Command plain = spec::cmd_tlbi_s2_ipa(vmid, ipa, leaf);
    all.push_back({name, {plain}});
    if (!caps.ril) continue;
    Command range = plain;
    range.address = align_down(ipa, level_shift(Granule::g4k, level));
    range.tg = 1;
    range.ttl = level;
    all.push_back({fmt::format("{}, TTL = {}", name, level), {range}});
    range.scale = 1;
    all.push_back({fmt::format("{}, TTL = {}, 2 granules", name, level), {range}});
    range.ttl = 0;
    range.num = 31;
    range.scale = 9;
    range.address = align_down(ipa, 23);
    all.push_back({name + ", 64 MiB", {range}});
  }
  return all;
}

constexpr u16 granule_vmid = 6;

/// TLBI_S2_IPA of a leaf of other granules: alone, and by ranges in pages of that size that end
/// there.
std::vector<Tlbi> of_granule(const spec::Capabilities& caps, Granule granule, unsigned level,
                             u64 ipa) {
  const Command plain = spec::cmd_tlbi_s2_ipa(granule_vmid, ipa, false);
  std::vector<Tlbi> all = {{"TLBI_S2_IPA", {plain}}};
  if (!caps.ril) return all;
  for (const unsigned ttl : {0U, level}) {
    Command range = plain;
    range.tg = granule == Granule::g16k ? 2 : 3;
    range.ttl = ttl;
    range.num = 6;
    range.address = ipa - 6 * pow2(page_shift(granule));
    if (level != spec::last_level) range.address = ipa;
    all.push_back({fmt::format("TLBI_S2_IPA, TTL = {}, 7 pages", ttl), {range}});
    range.num = 0;
    range.scale = 3;
    range.address = ipa - 7 * pow2(page_shift(granule));
    if (level != spec::last_level) range.address = ipa;
    all.push_back({fmt::format("TLBI_S2_IPA, TTL = {}, 8 pages", ttl), {range}});
  }
  return all;
}

/// Pages and blocks of 16 and 64 KiB. IHI 0070 4.4.1.1, 4.4.3.1.
void granule_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const Granule granule : granules_of(caps)) {
    if (granule == Granule::g4k) continue;
    Stage2Shape shape{granule, 1, spec::stage2_start_level<u64>(granule, 1, caps.stt), 31};
    shape.t0sz = std::max(31U, 64 - ias_lg2(caps));
    if (!spec::stage2_start_legal<u64>(granule, shape.start, shape.t0sz)) continue;
    for (const unsigned level : {spec::last_level, 2U}) {
      const unsigned shift = level_shift(granule, level);
      const u64 ipa = level == spec::last_level ? 9 * pow2(shift) : 2 * pow2(shift);
      for (const Tlbi& tlbi : of_granule(caps, granule, level, ipa)) {
        CaseBuilder b(device, fmt::format("stage 2 sequence: a leaf at level {} of {} KiB, {}",
                                          level, pow2(page_shift(granule)) / 1024, tlbi.name));
        Stage2Tables tables(b, shape, granule_vmid);
        const u64 pa = align_down(b.data(), shift);
        tables.map(ipa, pa, Stage2Tables::all, level);
        b.ste(0, tables.alone());
        b.enable();
        const u64 inside = ipa + (b.data() - pa) + 0x10;
        b.both(inside);
        b.store(tables.entry(ipa, level), 0);
        b.access(inside);
        send(b, tlbi);
        b.both(inside);
        b.poll();
        cases.push_back(b.take());
      }
    }
  }
}

void leaf_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned level, u64 ipa,
               const Tlbi& tlbi, u16 vmid) {
  CaseBuilder b(device, fmt::format("stage 2 sequence: a leaf at level {}, VMID {:#x}, {}", level,
                                    vmid, tlbi.name));
  Stage2Tables tables(b, plain_shape(b.capabilities()), vmid);
  const unsigned shift = level_shift(Granule::g4k, level);
  const u64 pa = align_down(b.data(), shift);
  tables.map(ipa, pa, Stage2Tables::all, level);
  b.ste(0, tables.alone());
  b.enable();
  // Inside of the extent, where it reaches the data.
  const u64 inside = align_down(ipa, shift) + (b.data() - pa) + 0x10;
  b.both(inside);
  b.store(tables.entry(ipa, level), 0);
  b.access(inside);  // old or new
  send(b, tlbi);
  b.both(inside);
  b.poll();
  // And it is filled again from what is there then: read-only, then gone.
  tables.map(ipa, pa, Stage2Tables::all & ~Stage2Tables::may_write, level);
  b.both(inside);
  b.store(tables.entry(ipa, level), 0);
  send(b, tlbi);
  b.both(inside);
  b.poll();
  cases.push_back(b.take());
}

void leaves(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  const u16 vmid = caps.vmid16 ? 0x8201 : 0x81;
  for (const unsigned level : {3U, 2U}) {
    const u64 ipa = level == 3 ? 0x5000 : u64{3} << 21;
    for (const Tlbi& tlbi : covering(caps, vmid, ipa, level)) {
      leaf_case(device, cases, level, ipa, tlbi, vmid);
    }
  }
  const u64 middle = (u64{3} << 21) + (u64{1} << 20);
  leaf_case(device, cases, 2, u64{3} << 21,
            {"TLBI_S2_IPA in the middle", {spec::cmd_tlbi_s2_ipa(vmid, middle, true)}}, vmid);
}

/// A table is taken away, and what was below it with it.
void table_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const std::pair<const char*, std::vector<Command>> ways[] = {
      {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(3)}},
      {"TLBI_NSNH_ALL", {spec::cmd_tlbi_nsnh_all()}},
      {"TLBI_S2_IPA of each page",
       {spec::cmd_tlbi_s2_ipa(3, 0x1000, false), spec::cmd_tlbi_s2_ipa(3, 0x2000, false)}}};
  for (const auto& [name, commands] : ways) {
    CaseBuilder b(device, fmt::format("stage 2 sequence: a table goes, {}", name));
    Stage2Tables tables(b, plain_shape(b.capabilities()), 3);
    tables.map(0x1000, b.data());
    tables.map(0x2000, b.data(0x1000));
    b.ste(0, tables.alone());
    b.enable();
    b.access(0x1000);
    b.store(tables.entry(0x1000, 2), 0);
    b.access(0x2000);
    send(b, {"", commands});
    b.both(0x1000);
    b.both(0x2000);
    b.poll();
    cases.push_back(b.take());
  }
}

/// The same intermediate address under several VMIDs, which differ in one bit each.
void vmid_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  std::vector<u16> vmids = {1, 3, 0x81};
  if (caps.vmid16) vmids.push_back(0x101);
  vmids.resize(std::min(vmids.size(), device.sids.size()));
  CaseBuilder b(device, "stage 2 sequence: one address under several VMIDs");
  std::vector<Stage2Tables> guests;
  for (unsigned e = 0; e < vmids.size(); ++e) {
    guests.emplace_back(b, plain_shape(caps), vmids[e]);
    guests[e].map(0x1000, b.data(0x1000 * u64{e}));
    b.ste(e, guests[e].alone());
  }
  b.enable();
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned e = 0; e < vmids.size(); ++e) b.both(0x1004, e);
  }
  b.poll();
  // Each goes by its own VMID.
  for (unsigned e = 0; e < vmids.size(); ++e) {
    b.store(guests[e].entry(0x1000), 0);
    send(b, {"", {spec::cmd_tlbi_s2_ipa(vmids[e], 0x1000, true)}});
    for (unsigned other = 0; other < vmids.size(); ++other) b.access(0x1000, false, other);
    b.poll();
  }
  cases.push_back(b.take());
}

/// CR0.VMW: low bits of a VMID that commands do not look at; entries keep all of them. IHI 0070
/// 6.3.9.
void wildcard_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.vmw || device.sids.size() < 2) return;
  for (const unsigned bits : {1U, 2U, 3U, 4U}) {
    for (const bool by_address : {false, true}) {
      CaseBuilder b(device, fmt::format("stage 2 sequence: VMW = {}, {}", bits,
                                        by_address ? "TLBI_S2_IPA" : "TLBI_S12_VMALL"));
      b.wildcards(bits);
      const u16 first = 8;
      const u16 matching = first ^ static_cast<u16>(pow2(bits) - 1);  // in none of these bits
      const u16 apart = first | static_cast<u16>(pow2(bits));
      for (const u16 second : {matching, apart}) {
        std::vector<Stage2Tables> guests;
        for (const u16 vmid : {first, second}) guests.emplace_back(b, plain_shape(caps), vmid);
        for (unsigned e = 0; e < 2; ++e) {
          guests[e].map(0x1000, b.data(0x1000 * u64{e}));
          b.ste(e, guests[e].alone());
          b.command(spec::cmd_cfgi_ste(b.sid(e)));
        }
        send(b, {"", {spec::cmd_tlbi_nsnh_all()}});
        b.enable();
        for (unsigned e = 0; e < 2; ++e) b.both(0x1000, e);
        for (unsigned e = 0; e < 2; ++e) b.store(guests[e].entry(0x1000), 0);
        send(b, {"",
                 {by_address ? spec::cmd_tlbi_s2_ipa(first, 0x1000, true)
                             : spec::cmd_tlbi_s12_vmall(first)}});
        for (unsigned e = 0; e < 2; ++e) b.both(0x1000, e);
        b.poll();
      }
      cases.push_back(b.take());
    }
  }
}

/// Two streams with one VMID are one guest: a command is for both.
void shared_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.sids.size() < 2) return;
  CaseBuilder b(device, "stage 2 sequence: two streams of one VMID");
  Stage2Tables tables(b, plain_shape(b.capabilities()), 5);
  tables.map(0x1000, b.data());
  for (unsigned e = 0; e < 2; ++e) b.ste(e, tables.alone());
  b.enable();
  for (unsigned e = 0; e < 2; ++e) b.both(0x1000, e);
  b.store(tables.entry(0x1000), 0);
  send(b, {"", {spec::cmd_tlbi_s2_ipa(5, 0x1000, true)}});
  for (unsigned e = 0; e < 2; ++e) b.both(0x1000, e);
  b.poll();
  cases.push_back(b.take());
}

/// A stream gets other tables: its STE is invalidated, and what was cached of the VMID.
void ste_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "stage 2 sequence: an STE gets another S2TTB");
  Stage2Tables before(b, plain_shape(b.capabilities()), 2);
  Stage2Tables after(b, plain_shape(b.capabilities()), 2);
  before.map(0x1000, b.data());
  after.map(0x1000, b.data(0x1000));
  b.ste(0, before.alone());
  b.enable();
  b.both(0x1000);
  const u64 place = b.ste_place(b.sid(0));
  b.store(place, b.word(place) & ~u64{1});
  b.command(spec::cmd_cfgi_ste(b.sid(0)));
  b.sync();
  b.both(0x1000);
  b.poll();
  b.store(place + 24, after.alone().dw[3]);
  send(b, {"", {spec::cmd_tlbi_s12_vmall(2)}});
  b.store(place, b.word(place) | 1);
  b.command(spec::cmd_cfgi_ste(b.sid(0)));
  b.sync();
  b.both(0x1000);
  b.poll();
  cases.push_back(b.take());
}

// ---- both stages --------------------------------------------------------------------------------

constexpr u16 guest_vmid = 6, guest_asid = 9;

/// An engine for each guest.
void begin(CaseBuilder& b, std::initializer_list<const GuestTables*> guests) {
  unsigned engine = 0;
  for (const GuestTables* guest : guests) {
    b.cd_at(guest->cd_pa, guest->cd);
    b.ste(engine++, guest->ste());
  }
  b.enable();
}

/// What was a mapping of stage 2 is in combined entries, too, which only commands of stage 1 and of
/// both remove. IHI 0070 4.4.
void nested_stage2_leaf_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const Command ipa = spec::cmd_tlbi_s2_ipa(guest_vmid, GuestTables::data_ipa, true);
  const u64 va = GuestTables::va;
  const Tlbi orders[] = {
      {"TLBI_S2_IPA, TLBI_NH_ALL", {ipa, spec::cmd_tlbi_nh_all(guest_vmid)}},
      {"TLBI_S2_IPA, TLBI_NH_ASID", {ipa, spec::cmd_tlbi_nh_asid(guest_vmid, guest_asid)}},
      {"TLBI_S2_IPA, TLBI_NH_VA", {ipa, spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, va)}},
      {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(guest_vmid)}},
      {"TLBI_NSNH_ALL", {spec::cmd_tlbi_nsnh_all()}},
  };
  for (const Tlbi& tlbi : orders) {
    CaseBuilder b(device, "nested sequence: a leaf of stage 2, " + tlbi.name);
    GuestTables guest(b, guest_vmid, 0, guest_asid);
    begin(b, {&guest});
    b.both(va);
    b.both(va + 0x1000);
    b.store(guest.stage2.entry(GuestTables::data_ipa), 0);
    b.access(va);
    send(b, tlbi);
    b.both(va);
    b.both(va + 0x1000);
    b.poll();
    guest.stage2.map(GuestTables::data_ipa, b.data(0x3000));
    b.both(va);
    b.poll();
    cases.push_back(b.take());
  }
}

/// What the guest's leaf is used for goes with it, and its TLBI.
void lose_leaf(CaseBuilder& b, GuestTables& guest, const Tlbi& tlbi) {
  const u64 va = GuestTables::va;
  begin(b, {&guest});
  b.both(va);
  b.store(guest.place(2, va), 0);
  b.access(va);
  send(b, tlbi);
  b.both(va);
  b.poll();
}

void nested_stage1_leaf_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const u64 va = GuestTables::va;
  std::vector<Tlbi> all = {
      {"TLBI_NH_VA", {spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, va, false)}},
      {"TLBI_NH_VA, Leaf = 1", {spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, va)}},
      {"TLBI_NH_VAA", {spec::cmd_tlbi_nh_vaa(guest_vmid, va, false)}},
      {"TLBI_NH_VAA, Leaf = 1", {spec::cmd_tlbi_nh_vaa(guest_vmid, va)}},
      {"TLBI_NH_ASID", {spec::cmd_tlbi_nh_asid(guest_vmid, guest_asid)}},
      {"TLBI_NH_ALL", {spec::cmd_tlbi_nh_all(guest_vmid)}},
      {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(guest_vmid)}},
      {"TLBI_NSNH_ALL", {spec::cmd_tlbi_nsnh_all()}},
  };
  if (spec::parse_capabilities(device.id).ril) {
    Command range = spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, va & ~u64{0x1fff});
    range.tg = 1;
    range.num = 1;
    all.push_back({"TLBI_NH_VA, 2 granules", {range}});
  }
  for (const Tlbi& tlbi : all) {
    CaseBuilder b(device, "nested sequence: a leaf of stage 1, " + tlbi.name);
    GuestTables guest(b, guest_vmid, 0, guest_asid);
    lose_leaf(b, guest, tlbi);
    guest.leaf(va, GuestTables::data_ipa + 0x1000);
    b.both(va);
    b.poll();
    cases.push_back(b.take());
  }
}

/// A global leaf, whose combined entries are of each ASID.
void nested_global_leaf_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const u64 va = GuestTables::va;
  LeafBits global;
  global.ng = false;
  const Tlbi all[] = {
      {"TLBI_NH_VA", {spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, va)}},
      {"TLBI_NH_VAA", {spec::cmd_tlbi_nh_vaa(guest_vmid, va)}},
      {"TLBI_NH_ALL", {spec::cmd_tlbi_nh_all(guest_vmid)}},
      {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(guest_vmid)}},
  };
  for (const Tlbi& tlbi : all) {
    CaseBuilder b(device, "nested sequence: a global leaf of stage 1, " + tlbi.name);
    GuestTables guest(b, guest_vmid, 0, guest_asid);
    guest.leaf(va, GuestTables::data_ipa, global);
    lose_leaf(b, guest, tlbi);
    cases.push_back(b.take());
  }
}

/// Beside a stream of stage 2 alone one with the same VMID and an ASID of 0: what the one has for
/// an address is not the other's. IHI 0070 3.17.
void asid_zero_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.sids.size() < 2) return;
  for (const unsigned first : {0U, 1U}) {
    CaseBuilder b(device, fmt::format("sequence: ASID 0 beside stage 2 alone, {} first",
                                      first == 0 ? "both stages" : "one stage"));
    GuestTables guest(b, 1, 0, 0);
    guest.stage2.map(GuestTables::va, b.data(0x4000));
    b.cd_at(guest.cd_pa, guest.cd);
    b.ste(0, guest.ste());
    b.ste(1, guest.stage2.alone());
    b.enable();
    for (const unsigned engine : {first, 1 - first, first}) b.both(GuestTables::va, engine);
    b.poll();
    cases.push_back(b.take());
  }
}

/// A block of stage 1 over pages of stage 2: its parts, which may be cached each by itself, all go
/// by a TLBI of any address in it.
void nested_part_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr unsigned level = 2;
  constexpr u64 block = u64{1} << 21;
  constexpr u64 used[] = {block + 0x5000, block + 0x9000}, elsewhere = block + 0x30000;
  std::vector<Tlbi> all = {
      {"TLBI_NH_VA", {spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, elsewhere, false)}},
      {"TLBI_NH_VA, Leaf = 1", {spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, elsewhere)}},
      {"TLBI_NH_VAA", {spec::cmd_tlbi_nh_vaa(guest_vmid, elsewhere, false)}},
      {"TLBI_NH_VAA, Leaf = 1", {spec::cmd_tlbi_nh_vaa(guest_vmid, elsewhere)}},
  };
  if (spec::parse_capabilities(device.id).ril) {
    Command range = spec::cmd_tlbi_nh_va(guest_vmid, guest_asid, block);
    range.tg = 1;
    range.ttl = level;
    all.push_back({"TLBI_NH_VA, TTL = 2", {range}});
  }
  for (const Tlbi& tlbi : all) {
    CaseBuilder b(device,
                  "nested sequence: elsewhere in a block of stage 1 over pages, " + tlbi.name);
    GuestTables guest(b, guest_vmid, 0, guest_asid);
    b.store(guest.place(1, block), leaf_word(Granule::g4k, level, block, {}));
    for (const u64 at : used) guest.stage2.map(at, b.data(at & 0x1000));
    begin(b, {&guest});
    for (const u64 at : used) b.both(at);
    b.store(guest.place(1, block), 0);
    b.access(used[0]);
    send(b, tlbi);
    for (const u64 at : used) b.both(at);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Guests that number their processes alike.
void guests_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.sids.size() < 2) return;
  const u16 other = spec::parse_capabilities(device.id).vmid16 ? 0x106 : 0x86;
  CaseBuilder b(device, "nested sequence: two guests with one ASID");
  const u64 va = GuestTables::va;
  GuestTables one(b, guest_vmid, 0, guest_asid);
  GuestTables two(b, other, 0x4000, guest_asid);
  begin(b, {&one, &two});
  for (unsigned round = 0; round < 2; ++round) {
    for (unsigned e = 0; e < 2; ++e) b.both(va, e);
  }
  b.poll();
  b.store(two.place(2, va), 0);
  send(b, {"", {spec::cmd_tlbi_nh_va(other, guest_asid, va)}});
  for (unsigned e = 0; e < 2; ++e) b.both(va, e);
  b.store(one.place(2, va), 0);
  send(b, {"", {spec::cmd_tlbi_nh_asid(guest_vmid, guest_asid)}});
  for (unsigned e = 0; e < 2; ++e) b.both(va, e);
  b.poll();
  cases.push_back(b.take());
}

/// CR0.VMW is for combined entries, too.
void nested_wildcard_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (!spec::parse_capabilities(device.id).vmw || device.sids.size() < 2) return;
  constexpr unsigned bits = 2;
  constexpr u16 first = 8, matching = first | 3, apart = first | 4;
  const u64 va = GuestTables::va;
  const Tlbi all[] = {
      {"TLBI_NH_ALL", {spec::cmd_tlbi_nh_all(first)}},
      {"TLBI_NH_ASID", {spec::cmd_tlbi_nh_asid(first, guest_asid)}},
      {"TLBI_NH_VA", {spec::cmd_tlbi_nh_va(first, guest_asid, va)}},
      {"TLBI_NH_VAA", {spec::cmd_tlbi_nh_vaa(first, va)}},
  };
  for (const Tlbi& tlbi : all) {
    for (const u16 second : {matching, apart}) {
      CaseBuilder b(device, fmt::format("nested sequence: VMW = {}, VMIDs {} and {}, {}", bits,
                                        first, second, tlbi.name));
      b.wildcards(bits);
      GuestTables one(b, first, 0, guest_asid);
      GuestTables two(b, second, 0x4000, guest_asid);
      begin(b, {&one, &two});
      for (unsigned e = 0; e < 2; ++e) b.both(va, e);
      for (const GuestTables* guest : {&one, &two}) b.store(guest->place(2, va), 0);
      send(b, tlbi);
      for (unsigned e = 0; e < 2; ++e) b.both(va, e);
      b.poll();
      cases.push_back(b.take());
    }
  }
}

/// The guest's CD gets another ASID, which is seen after CFGI_CD; its entries had the old one's.
void cd_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const bool all : {false, true}) {
    CaseBuilder b(device, fmt::format("nested sequence: a CD goes, {}",
                                      all ? "CMD_CFGI_CD_ALL" : "CMD_CFGI_CD"));
    GuestTables guest(b, guest_vmid, 0, guest_asid);
    begin(b, {&guest});
    b.both(GuestTables::va);
    b.store(guest.cd_pa, b.word(guest.cd_pa) & ~(u64{1} << 31));
    b.access(GuestTables::va);
    b.command(all ? spec::cmd_cfgi_cd_all(b.sid(0)) : spec::cmd_cfgi_cd(b.sid(0), 0));
    b.sync();
    b.both(GuestTables::va);
    b.poll();
    cases.push_back(b.take());
  }
}

}  // namespace

void stage2_sequences(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s2p || !caps.gran4k) return;
  leaves(device, cases);
  granule_cases(device, cases);
  table_cases(device, cases);
  vmid_case(device, cases);
  wildcard_cases(device, cases);
  shared_case(device, cases);
  ste_case(device, cases);
  if (!caps.s1p) return;
  nested_stage2_leaf_cases(device, cases);
  nested_stage1_leaf_cases(device, cases);
  nested_global_leaf_cases(device, cases);
  asid_zero_cases(device, cases);
  nested_part_cases(device, cases);
  guests_case(device, cases);
  nested_wildcard_cases(device, cases);
  cd_case(device, cases);
}

}  // namespace iommucheck::oracle
