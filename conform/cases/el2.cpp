// SPDX-License-Identifier: MIT
// Streams of EL2 (STE.STRW = 2), with one half and no ASID, or as EL1 with CR2.E2H = 1: rights,
// tags, and which command removes what. IHI 0070 3.8, 3.17, 4.4.2; DDI 0487 D8.4.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Granule;
using spec::Opcode;

constexpr unsigned strw_el2 = 2, el2_tsz = 25;
constexpr u64 el2_page = 0x1000;

CaseOptions el2_options(bool e2h) {
  return {.cr2 = spec::cr2::recinvsid | (e2h ? spec::cr2::e2h : 0U)};
}

std::string el2_title(bool e2h, const std::string& name) {
  return fmt::format("el2: {}, E2H = {}", name, e2h ? 1 : 0);
}

void el2_stream(CaseBuilder& b, unsigned engine, u64 root, unsigned asid, bool aset = true) {
  spec::Cd<u64> cd = b.plain_cd(root, el2_tsz, asid);
  if (!aset) cd.dw[0] &= ~(u64{1} << 47);
  b.cd(engine, cd);
  spec::Stage1SteFields fields;
  fields.s1contextptr = b.cd_place(engine);
  fields.strw = strw_el2;
  spec::Ste<u64> ste = spec::make_stage1_ste(fields);
  ste.dw[2] |= 5;  // S2VMID, which is nobody's there
  b.ste(engine, ste);
  // What the bring-up sends leaves entries of EL2, which may be anything.
  b.command(spec::cmd_tlbi_el2_all());
  b.sync();
}

void el1_stream(CaseBuilder& b, unsigned engine, u64 root) {
  b.cd(engine, b.plain_cd(root, el2_tsz));
  b.ste(engine, b.stage1_ste(engine));
}

/// AP[2:1], PXN and (U)XN of a leaf; APTable, XNTable, PXNTable above it.
void right_cases(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h) {
  CaseBuilder b(device, el2_title(e2h, "rights of leaves"), el2_options(e2h));
  const u64 root = b.root(Granule::g4k, el2_tsz);
  for (u64 rights = 0; rights < 16; ++rights) {
    LeafBits bits;
    bits.user = bit(rights, 0);
    bits.writable = !bit(rights, 1);
    bits.extra = (rights >> 2) << 53;
    b.map(root, el2_page + 0x1000 * rights, b.data(0x1000 * rights), 3, bits);
  }
  el2_stream(b, 0, root, 1);
  // With one half E0PD is no field. IHI 0070 5.4 (E0PD0).
  if (!e2h && b.capabilities().e0pd) {
    b.store(b.cd_place(0) + 8, b.word(b.cd_place(0) + 8) | u64{1} << 2);
  }
  b.enable();
  for (u64 rights = 0; rights < 16; ++rights) b.all_accesses(el2_page + 0x1000 * rights);
  b.poll();
  cases.push_back(b.take());

  CaseBuilder t(device, el2_title(e2h, "rights of tables"), el2_options(e2h));
  const u64 top = t.root(Granule::g4k, el2_tsz);
  for (u64 rights = 0; rights < 16; ++rights) {
    const u64 at = rights << 21;
    t.map(top, at, t.data(0x1000 * rights));
    const u64 above = t.entry(top, Granule::g4k, el2_tsz, at, 2);
    t.store(above, t.word(above) | rights << 59);
  }
  el2_stream(t, 0, top, 1);
  t.enable();
  for (u64 rights = 0; rights < 16; ++rights) t.all_accesses(rights << 21);
  t.poll();
  cases.push_back(t.take());
}

/// Of one address with one ASID in EL1 and in EL2 each has its own table; and two ASIDs of EL2.
void tag_cases(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h) {
  for (const bool both : {false, true}) {
    CaseBuilder b(device, el2_title(e2h, both ? "two ASIDs" : "EL1 and EL2 with one ASID"),
                  el2_options(e2h));
    // Without E2H there is no ASID, so that both have to have the same table.
    const bool shared = both && !e2h;
    const u64 first = b.root(Granule::g4k, el2_tsz);
    const u64 roots[] = {first, shared ? first : b.root(Granule::g4k, el2_tsz)};
    for (unsigned e = 0; e < 2; ++e) {
      if (e == 0 || !shared) b.map(roots[e], el2_page, b.data(0x1000 * u64{e}));
      if (both || e == 1) {
        el2_stream(b, e, roots[e], both ? 1 + e : 1);
      } else {
        el1_stream(b, e, roots[e]);
      }
    }
    b.enable();
    for (const unsigned e : {0U, 1U, 0U, 1U}) b.both(el2_page, e);
    b.poll();
    cases.push_back(b.take());
  }
}

/// The top byte is none of the address where TBI says so. IHI 0070 5.4 (TBI).
void top_byte_case(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h) {
  for (const bool tbi : {false, true}) {
    CaseBuilder b(device, el2_title(e2h, fmt::format("TBI0 = {}", tbi ? 1 : 0)), el2_options(e2h));
    const u64 root = b.root(Granule::g4k, el2_tsz);
    b.map(root, el2_page, b.data());
    el2_stream(b, 0, root, 1);
    if (tbi) b.store(b.cd_place(0), b.word(b.cd_place(0)) | u64{1} << 38);
    b.enable();
    for (const u64 tag : {0x00U, 0x5aU, 0x01U, 0x80U}) b.both(el2_page | tag << 56);
    for (unsigned at = 64 - el2_tsz; at < 64; ++at) b.access(el2_page | u64{1} << at);
    b.poll();
    cases.push_back(b.take());
  }
}

/// A bit of the CD that is of one half, or of both.
struct HalfField {
  const char* name;
  unsigned word, place;
};
constexpr HalfField half_fields[] = {{"EPD0", 0, 14}, {"EPD1", 0, 30}, {"TBI0", 0, 38},
                                     {"TBI1", 0, 39}, {"HAD0", 1, 1},  {"HAD1", 2, 1},
                                     {"E0PD0", 1, 2}, {"E0PD1", 2, 2}, {"PAN", 0, 40},
                                     {"EPAN", 1, 59}, {"WXN", 0, 36},  {"as they are", 0, 0}};

/// With E2H there are two halves, as in EL1, and each has its own fields; without it there is one,
/// and what the other's fields have is nobody's. IHI 0070 5.4.
void half_cases(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h) {
  for (const HalfField& field : half_fields) {
    CaseBuilder b(device, el2_title(e2h, fmt::format("two halves, {}", field.name)),
                  el2_options(e2h));
    const u64 roots[] = {b.root(Granule::g4k, el2_tsz), b.root(Granule::g4k, el2_tsz)};
    constexpr u64 below = u64{1} << 21;  // a table that takes rights away leads there
    for (unsigned half = 0; half < 2; ++half) {
      b.map(roots[half], el2_page, b.data(0x1000 * u64{half}));
      b.map(roots[half], 2 * el2_page, b.data(0x2000 + 0x1000 * u64{half}), 3, {.user = false});
      b.map(roots[half], below, b.data(0x4000 + 0x1000 * u64{half}));
      const u64 above = b.entry(roots[half], Granule::g4k, el2_tsz, below, 2);
      b.store(above, b.word(above) | u64{0xf} << 59);
    }
    el2_stream(b, 0, roots[0], 1);
    const u64 cd = b.cd_place(0);
    b.store(cd, with_bits(b.word(cd), 30, 16, el2_tsz | tg1_of(Granule::g4k) << 6));
    b.store(cd + 16, roots[1]);
    if (field.place != 0) {
      const u64 at = cd + 8 * u64{field.word};
      b.store(at, b.word(at) | u64{1} << field.place);
    }
    b.enable();
    for (const u64 base : {u64{0}, ~mask(63 - el2_tsz, 0)}) {
      for (const u64 at : {el2_page, 2 * el2_page, below}) b.all_accesses(base | at);
      b.both((base | el2_page) ^ u64{0x5a} << 56);
    }
    b.poll();
    cases.push_back(b.take());
  }
}

/// With one half its walks cannot be switched off. IHI 0070 5.4 (EPD0).
void walk_disabled_case(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h) {
  CaseBuilder b(device, el2_title(e2h, "EPD0 = 1"), el2_options(e2h));
  const u64 root = b.root(Granule::g4k, el2_tsz);
  b.map(root, el2_page, b.data());
  el2_stream(b, 0, root, 1);
  b.store(b.cd_place(0), b.word(b.cd_place(0)) | u64{1} << 14);
  b.enable();
  b.both(el2_page);
  b.poll();
  cases.push_back(b.take());
}

struct El2Command {
  const char* name;
  Opcode op;
  bool by_asid, by_address;
};
constexpr El2Command el2_commands[] = {{"EL2_ALL", Opcode::tlbi_el2_all, false, false},
                                       {"EL2_ASID", Opcode::tlbi_el2_asid, true, false},
                                       {"EL2_VA", Opcode::tlbi_el2_va, true, true},
                                       {"EL2_VAA", Opcode::tlbi_el2_vaa, false, true}};

/// A leaf and a table that are used and go. `asid` is the command's; the stream's is 1.
void sequence(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h,
              const El2Command& named, u64 asid, bool global, bool leaf, bool range) {
  CaseBuilder b(device,
                el2_title(e2h, fmt::format("{}{} goes by {}, ASID {}{}",
                                           leaf ? "a leaf" : "a table", global ? ", nG = 0," : "",
                                           named.name, asid, range ? ", range" : "")),
                el2_options(e2h));
  const u64 root = b.root(Granule::g4k, el2_tsz);
  LeafBits bits;
  bits.ng = !global;
  b.map(root, el2_page, b.data(), 3, bits);
  b.map(root, el2_page + (u64{1} << 21), b.data(0x1000), 3, bits);
  el2_stream(b, 0, root, 1, range == leaf);  // ASET is no reason to keep anything
  b.ste(1, spec::make_abort_ste());
  b.enable();
  b.both(el2_page);
  b.both(el2_page + (u64{1} << 21));
  b.store(b.entry(root, Granule::g4k, el2_tsz, el2_page, leaf ? 3 : 2), 0);
  b.access(el2_page);
  Command command;
  command.op = named.op;
  if (named.by_asid) command.asid = asid;
  if (named.by_address) {
    command.address = el2_page;
    command.leaf = leaf;
    // It is the second of four pages.
    if (range) command.address -= 0x1000, command.tg = 1, command.num = 3;
  }
  b.command(command);
  b.sync();
  b.both(el2_page);
  b.both(el2_page + (u64{1} << 21));
  b.poll();
  cases.push_back(b.take());
}

void sequences(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h) {
  const bool ranges = spec::parse_capabilities(device.id).ril;
  for (const El2Command& named : el2_commands) {
    if (named.op == Opcode::tlbi_el2_asid && !e2h) continue;  // 4.4.2: ILLEGAL or nothing
    for (const bool global : {false, true}) {
      for (const bool leaf : {true, false}) {
        sequence(device, cases, e2h, named, 1, global, leaf, false);
        if (named.by_address && ranges) {
          sequence(device, cases, e2h, named, 1, global, leaf, true);
        }
        // What is global, and what has no ASID, goes by any ASID.
        if (named.by_asid && named.by_address && (!e2h || global)) {
          sequence(device, cases, e2h, named, 2, global, leaf, false);
        }
      }
    }
  }
}

/// What is of EL1 stays or goes; what is of EL2 has to go by its own commands alone.
void apart_case(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h) {
  CaseBuilder b(device, el2_title(e2h, "both worlds, each by its own command"), el2_options(e2h));
  u64 places[2];
  for (unsigned e = 0; e < 2; ++e) {
    const u64 root = b.root(Granule::g4k, el2_tsz);
    b.map(root, el2_page, b.data(0x1000 * u64{e}));
    places[e] = b.entry(root, Granule::g4k, el2_tsz, el2_page, 3);
    if (e == 1) {
      el2_stream(b, e, root, 1);
    } else {
      el1_stream(b, e, root);
    }
  }
  b.enable();
  for (const unsigned e : {0U, 1U}) b.both(el2_page, e);
  for (const u64 place : places) b.store(place, 0);
  b.command(spec::cmd_tlbi_el2_all());
  b.sync();
  b.both(el2_page, 1);
  b.access(el2_page, false, 0);  // old or new
  b.command(spec::cmd_tlbi_nh_all(0));
  b.sync();
  b.both(el2_page, 0);
  b.poll();
  cases.push_back(b.take());
}

/// CMD_TLBI_EL2_ALL removes what is of EL2 whether it has an ASID or not, and whichever of both
/// CR2.E2H says when it is sent. IHI 0070 4.4.2.7, 6.3.12.3.
void other_world_case(const DeviceIdentity& device, std::vector<Case>& cases, bool e2h,
                      bool global) {
  CaseBuilder b(
      device,
      el2_title(e2h, fmt::format("EL2_ALL is sent with the other E2H{}", global ? ", nG = 0" : "")),
      el2_options(e2h));
  const u64 root = b.root(Granule::g4k, el2_tsz);
  LeafBits bits;
  bits.ng = !global;
  for (u64 i = 0; i < 2; ++i) b.map(root, el2_page * (1 + i), b.data(0x1000 * i), 3, bits);
  el2_stream(b, 0, root, 1);
  b.enable();
  const auto use = [&] {
    b.both(el2_page);
    b.both(2 * el2_page);
    b.poll();
  };
  const auto switch_to = [&](bool next) {
    b.disable();
    b.write(spec::reg::cr2, el2_options(next).cr2);
    // What is cached of STEs has their StreamWorld.
    b.command(spec::cmd_cfgi_all());
    b.sync();
    b.enable();
  };
  use();
  b.store(b.entry(root, Granule::g4k, el2_tsz, el2_page, 3), 0);
  b.map(root, 2 * el2_page, b.data(0x2000), 3, bits);
  switch_to(!e2h);
  b.command(spec::cmd_tlbi_el2_all());
  b.sync();
  switch_to(e2h);
  use();
  cases.push_back(b.take());
}

}  // namespace

void el2_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.hyp || !caps.s1p || !caps.gran4k) return;
  for (const bool e2h : {false, true}) {
    right_cases(device, cases, e2h);
    tag_cases(device, cases, e2h);
    walk_disabled_case(device, cases, e2h);
    if (device.iova_end == 0) {
      top_byte_case(device, cases, e2h);
      half_cases(device, cases, e2h);
    }
    sequences(device, cases, e2h);
    apart_case(device, cases, e2h);
    for (const bool global : {false, true}) other_world_case(device, cases, e2h, global);
  }
}

}  // namespace iommucheck::oracle
