// SPDX-License-Identifier: MIT
// Stage 2, alone and under stage 1: start levels and concatenated tables, rights, sizes, what an
// STE may not say, and what each fault is called that comes from the fetch of a CD, of a stage 1
// descriptor, or from the address itself. DDI 0487 D8.2 to D8.4; IHI 0070 5.2, 7.3.12 to 7.3.16.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/rules/structures.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;
using spec::Rule;
namespace rule = spec::rule;

/// The least and the most that each start level may translate.
std::vector<Stage2Shape> shapes_of(const spec::Capabilities& caps) {
  std::vector<Stage2Shape> shapes;
  const unsigned lowest = std::max(16U, 64 - ias_lg2(caps));
  for (const Granule granule : granules_of(caps)) {
    for (unsigned sl0 = 0; sl0 < 4; ++sl0) {
      Stage2Shape shape{granule, sl0, spec::stage2_start_level<u64>(granule, sl0, caps.stt), 0};
      std::vector<unsigned> legal;
      for (unsigned t0sz = lowest; t0sz <= spec::tsz_max(granule, caps.stt); ++t0sz) {
        if (spec::stage2_start_legal<u64>(granule, shape.start, t0sz)) legal.push_back(t0sz);
      }
      if (legal.empty() || start_is_open(shape, caps.oas_lg2)) continue;
      shape.t0sz = legal.front();
      shapes.push_back(shape);
      if (legal.back() == legal.front()) continue;
      shape.t0sz = legal.back();
      shapes.push_back(shape);
    }
  }
  return shapes;
}

Case asked(CaseBuilder& b, const std::vector<u64>& addresses) {
  b.enable();
  for (const u64 at : addresses) {
    if (b.device().iova_end == 0 || at < b.device().iova_end) b.both(at);
  }
  b.poll();
  return b.take();
}

// ---- walks --------------------------------------------------------------------------------------

/// Leaves at every level, at the first and the last address; addresses beside them.
void shape_case(const DeviceIdentity& device, std::vector<Case>& cases, const Stage2Shape& shape) {
  CaseBuilder b(device, fmt::format("stage 2: granule {} KiB, S2SL0 {}, S2T0SZ {}",
                                    pow2(page_shift(shape.granule)) / 1024, shape.sl0, shape.t0sz));
  Stage2Tables tables(b, shape);
  const bool wide = b.capabilities().oas_lg2 >= 52;
  const u64 page = tables.page(), end = tables.end();
  tables.map(page, b.data());
  tables.map(end - page, b.data(page));
  std::vector<u64> at = {page, page + page - 4, end - page + 0x10, 0, 2 * page};
  for (unsigned level = shape.start; level < spec::last_level; ++level) {
    const unsigned shift = level_shift(shape.granule, level);
    const u64 size = pow2(shift);
    const u64 ipa = end / 2 + (level - shape.start) * size * 2;
    if (!spec::block_allowed(shape.granule, level, wide) || ipa + size > end - size) continue;
    tables.map(ipa, b.data(), Stage2Tables::all, level);
    const u64 first = align_down(b.data(), shift);
    at.insert(at.end(), {ipa + (b.data(0x3000) - first), ipa + (b.data() - first), ipa + size});
  }
  // A reserved descriptor, and a block where there is none.
  b.store(tables.entry(3 * page, spec::last_level), b.data() | Stage2Tables::all | 1);
  at.push_back(3 * page);
  if (shape.start < 3 && !spec::block_allowed(shape.granule, shape.start, wide)) {
    const u64 size = pow2(level_shift(shape.granule, shape.start));
    if (size < end / 2) {
      tables.map(size, b.data(), Stage2Tables::all, shape.start);
      at.push_back(size);
    }
  }
  at.insert(at.end(), {end, end | page, end << 1, (end - page) | (end << 1)});
  b.ste(0, tables.alone());
  cases.push_back(asked(b, at));
}

/// Bits of S2TTB below the alignment of its tables count as 0. IHI 0070 5.2 (S2TTB).
void alignment_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "stage 2: low bits of S2TTB are set");
  Stage2Tables tables(b, plain_shape(b.capabilities()));
  tables.map(0x1000, b.data());
  spec::Ste<u64> ste = tables.alone();
  ste.dw[3] |= (tables.start_bytes() - 1) & ~u64{0xf};
  b.ste(0, ste);
  cases.push_back(asked(b, {0x1000, 0x2000}));
}

/// Next tables and leaves beyond S2PS, which is smaller than the output size or as large.
void output_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (unsigned ps = 0; ps < 6; ++ps) {
    const unsigned bits = spec::address_size_lg2(ps);
    if (bits > caps.oas_lg2 || bits > 47) continue;
    CaseBuilder b(device, fmt::format("stage 2: S2PS = {}", ps));
    Stage2Tables tables(b, plain_shape(caps));
    tables.map(0x1000, b.data());
    tables.map(0x2000, b.data() | u64{1} << bits);
    tables.map(0x3000, b.data() | u64{1} << 47);
    // Both wrong: the size comes first. DDI 0487 D8.2.
    tables.map(0x4000, b.data() | u64{1} << bits, Stage2Tables::all & ~Stage2Tables::af);
    tables.map(u64{4} << 21, b.data() | u64{1} << bits, Stage2Tables::all, 2);
    b.store(tables.entry(u64{8} << 21, 2), b.memory(4096) | u64{1} << bits | 3);
    spec::Stage2SteFields fields = tables.fields();
    fields.s2ps = ps;
    b.ste(0, spec::with_stage2(spec::make_bypass_ste(), fields));
    cases.push_back(asked(b, {0x1000, 0x2000, 0x3000, 0x4000, u64{4} << 21, u64{8} << 21}));
  }
}

// ---- rights -------------------------------------------------------------------------------------

/// S2AP and XN, of each kind of access that the engines send.
void right_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  CaseBuilder b(device, "stage 2: S2AP and XN");
  Stage2Tables tables(b, plain_shape(caps));
  for (u64 s2ap = 0; s2ap < 4; ++s2ap) {
    for (u64 xn = 0; xn < 4; ++xn) {
      tables.map(0x1000 * (4 * s2ap + xn), b.data(0x1000 * (4 * s2ap + xn)),
                 Stage2Tables::af | Stage2Tables::normal | s2ap << 6 | xn << 53);
    }
  }
  b.ste(0, tables.alone());
  b.enable();
  for (u64 page = 0; page < 16; ++page) {
    for (const bool privileged : {false, true}) {
      if (privileged && !device.sends_privileged) continue;
      b.access(0x1000 * page, false, 0, {.privileged = privileged});
      b.access(0x1000 * page, true, 0, {.privileged = privileged});
      if (!device.sends_instructions) continue;
      b.access(0x1000 * page, false, 0, {.privileged = privileged, .instruction = true});
    }
    b.poll();
  }
  cases.push_back(b.take());
}

void access_flag_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (const bool affd : {false, true}) {
    CaseBuilder b(device, fmt::format("stage 2: AF = 0, S2AFFD = {}", affd ? 1 : 0));
    Stage2Tables tables(b, plain_shape(caps));
    constexpr u64 flagless = Stage2Tables::all & ~Stage2Tables::af;
    tables.map(0x1000, b.data(), flagless);
    tables.map(0x2000, b.data(0x1000), flagless & ~Stage2Tables::may_write);
    tables.map(0x3000, b.data(0x2000));
    tables.map(0x4000, b.data(0x3000), flagless & ~Stage2Tables::may_read);
    const u64 block = pow2(level_shift(Granule::g4k, 2));
    const bool blocks = plain_shape(caps).granule == Granule::g4k && 2 * block < tables.end();
    if (blocks) tables.map(block, align_down(b.data(), 21), flagless, 2);
    spec::Ste<u64> ste = tables.alone();
    if (affd) ste.dw[2] |= u64{1} << 53;
    b.ste(0, ste);
    std::vector<u64> addresses = {0x1000, 0x2000, 0x3000, 0x4000};
    if (blocks) addresses.push_back(block + 0x1000);
    cases.push_back(asked(b, addresses));
  }
}

/// S2R = 0: translation faults are silent, and external aborts are not. IHI 0070 5.5.
void silent_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  CaseBuilder b(device, "stage 2: S2R = 0");
  Stage2Tables tables(b, plain_shape(caps));
  tables.map(0x1000, b.data(), Stage2Tables::all & ~Stage2Tables::may_write);
  if (device.absent_bytes != 0) {
    b.store(tables.entry(u64{8} << 21, 2), device.absent_pa | 3);
  }
  spec::Stage2SteFields fields = tables.fields();
  fields.s2r = false;
  b.ste(0, spec::with_stage2(spec::make_bypass_ste(), fields));
  cases.push_back(asked(b, {0x1000, 0x2000, tables.end(), u64{8} << 21}));
}

// ---- legality -----------------------------------------------------------------------------------

/// S2TTB with a bit from the effective S2PS on, each by itself, for each S2PS. IHI 0070 5.2
/// (S2TTB).
void s2ttb_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  constexpr unsigned sizes[] = {32, 36, 40, 42, 44, 48, 52};
  for (unsigned s2ps = 0; s2ps < std::size(sizes) && sizes[s2ps] <= caps.oas_lg2; ++s2ps) {
    if (sizes[s2ps] == 52) continue;
    CaseBuilder b(device, fmt::format("stage 2: S2TTB beyond S2PS = {}", s2ps));
    b.asks(rule::STE_S2TTB);
    Stage2Shape shape = plain_shape(caps);
    shape.t0sz = std::max(shape.t0sz, 64 - sizes[s2ps]);
    Stage2Tables tables(b, shape);
    tables.map(0x1000, b.data());
    spec::Stage2SteFields fields = tables.fields();
    fields.s2ps = s2ps;
    const spec::Ste<u64> ste = spec::with_stage2(spec::make_bypass_ste(), fields);
    b.ste(0, ste);
    const u64 place = b.ste_place(b.sid(0)) + 24;
    // None that is legal comes before them: it would be what a device may have kept.
    for (unsigned at = sizes[s2ps]; at < 52; ++at) {
      b.store(place, ste.dw[3] | u64{1} << at);
      b.enable();
      b.command(spec::cmd_cfgi_ste(b.sid(0)));
      b.sync();
      b.access(0x1000);
      b.poll();
    }
    b.store(place, ste.dw[3]);
    b.command(spec::cmd_cfgi_ste(b.sid(0)));
    b.sync();
    b.both(0x1000);
    b.poll();
    cases.push_back(b.take());
  }
}

/// One field of a legal STE is another one, legal or not as the machine says.
void legality_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  const auto one = [&](const char* name, Rule rule, auto&& change) {
    CaseBuilder b(device, fmt::format("stage 2: {}", name));
    b.asks(rule);
    Stage2Tables tables(b, plain_shape(caps));
    tables.map(0x1000, b.data());
    spec::Ste<u64> ste = tables.alone();
    change(ste);
    b.ste(0, ste);
    cases.push_back(asked(b, {0x1000}));
  };
  const auto field = [&](const char* name, Rule rule, unsigned hi, unsigned lo, u64 value) {
    one(name, rule, [&](spec::Ste<u64>& ste) { ste.dw[2] = with_bits(ste.dw[2], hi, lo, value); });
  };
  field("S2T0SZ is too small", rule::STE_S2T0SZ, 37, 32, 15);
  if (caps.oas_lg2 < 48) {
    field("S2T0SZ is beyond the input size", rule::STE_S2T0SZ, 37, 32, 63 - ias_lg2(caps));
  }
  field("S2T0SZ is too large", rule::STE_S2T0SZ, 37, 32, 49);
  if (!spec::stage2_start_legal<u64>(Granule::g4k, 2, plain_shape(caps).t0sz)) {
    field("S2SL0 = 0 does not fit", rule::STE_S2SL0, 39, 38, 0);
  }
  field("S2SL0 = 3", rule::STE_S2SL0, 39, 38, 3);
  field("S2TG = 3", rule::STE_S2TG, 47, 46, 3);
  if (!caps.gran16k) field("S2TG = 2", rule::STE_S2TG, 47, 46, 2);
  if (!caps.gran64k) field("S2TG = 1", rule::STE_S2TG, 47, 46, 1);
  if (!caps.aarch32) field("S2AA64 = 0", rule::STE_S2AA64, 51, 51, 0);
  if (caps.ttendian == 2) field("S2ENDI = 1", rule::STE_S2ENDI, 52, 52, 1);
  if (caps.httu == 0) field("S2HA = 1", rule::STE_S2HTTU, 56, 56, 1);
  if (caps.httu < 2) {
    field("S2HD = 1", caps.httu == 0 ? rule::STE_S2HTTU : rule::STE_S2HD, 56, 55, 3);
  }
  if (caps.httu == 3) field("S2HAFT without S2HA", rule::STE_S2HAFT, 59, 59, 1);
  if (caps.stall_model == spec::StallModel::never) field("S2S = 1", rule::STE_S2S, 57, 57, 1);
  if (!caps.vmid16) field("S2VMID of 9 bits", rule::STE_S2VMID, 15, 0, 0x101);
  s2ttb_cases(device, cases);
}

// ---- nested -------------------------------------------------------------------------------------

struct OwnBuilder {
  CaseBuilder own;
};

/// A guest alone in a case.
class Guest : private OwnBuilder, public GuestTables {
 public:
  Guest(const DeviceIdentity& device, const std::string& name)
      : OwnBuilder{{device, "nested: " + name}}, GuestTables(own) {}
  void add_to(std::vector<Case>& cases, const spec::Ste<u64>& with) {
    b.cd_at(cd_pa, cd);
    b.ste(0, with);
    cases.push_back(asked(b, {va, va + 4, va + 0x1000, va + 0x2000}));
  }
  void add_to(std::vector<Case>& cases) { add_to(cases, ste()); }
};

/// What stage 1 says of an access stays what it is, at intermediate addresses.
void nested_stage1_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  Guest plain(device, "both stages");
  plain.add_to(cases);
  Guest range(device, "the input address is beyond T0SZ");
  range.cd = range.b.plain_cd(Guest::table_ipa(0), Guest::tsz);
  range.b.cd_at(range.cd_pa, range.cd);
  range.b.ste(0, range.ste());
  cases.push_back(asked(range.b, {pow2(64 - Guest::tsz), Guest::va}));
  Guest size(device, "the output of stage 1 is beyond IPS");
  size.leaf(Guest::va, u64{1} << size.b.capabilities().oas_lg2);
  if (size.b.capabilities().oas_lg2 < 48) size.add_to(cases);
  Guest small(device, "the output of stage 1 is beyond IPS = 0");
  small.cd.dw[0] = with_bits(small.cd.dw[0], 34, 32, 0);
  small.leaf(Guest::va, u64{1} << 32);
  if (small.b.capabilities().oas_lg2 > 32) small.add_to(cases);
  for (const bool tbi : {false, true}) {
    Guest tag(device, fmt::format("a tag, TBI0 = {}", tbi ? 1 : 0));
    tag.cd.dw[0] |= u64{tbi} << 38;
    tag.b.cd_at(tag.cd_pa, tag.cd);
    tag.b.ste(0, tag.ste());
    cases.push_back(asked(tag.b, {Guest::va | u64{0x5a} << 56, Guest::va}));
  }
  Guest far(device, "each bit of the last index");
  std::vector<u64> each{Guest::va};
  for (unsigned bit = 12; bit < 21; ++bit) {
    each.push_back(Guest::va ^ pow2(bit));
    far.leaf(each.back(), Guest::data_ipa + 0x1000);
  }
  far.b.cd_at(far.cd_pa, far.cd);
  far.b.ste(0, far.ste());
  cases.push_back(asked(far.b, each));
  Guest bad(device, "the CD is not valid");
  bad.cd.dw[0] &= ~(u64{1} << 31);
  bad.add_to(cases);
  Guest beyond(device, "the output of stage 1 is beyond S2T0SZ");
  const u64 end = beyond.stage2.end();
  beyond.leaf(Guest::va, end);
  if (end < pow2(beyond.b.capabilities().oas_lg2)) beyond.add_to(cases);
}

/// A page of stage 2 and what it translates in a nested configuration.
struct Piece {
  const char* name;
  u64 ipa;
};
constexpr Piece pieces[] = {{"the CD", Guest::cd_ipa},
                            {"the first table", Guest::tables_ipa},
                            {"the last table", Guest::tables_ipa + 0x2000},
                            {"the address", Guest::data_ipa}};

/// The physical page of such a piece.
u64 page_of(const Guest& guest, u64 ipa) {
  if (ipa == Guest::cd_ipa) return guest.cd_pa;
  if (ipa == Guest::data_ipa) return guest.b.data();
  return guest.table_pa[(ipa - Guest::tables_ipa) / 0x1000];
}

/// What stage 2 may have against each of them. IHI 0070 7.3.22, "a nested walk".
void nested_stage2_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  using Tables = Stage2Tables;
  struct Against {
    const char* name;
    u64 bits;  ///< of the leaf; 0: it is not valid
  };
  constexpr Against all[] = {{"is not mapped", 0},
                             {"may not be read", Tables::all & ~Tables::may_read},
                             {"may not be written", Tables::all & ~Tables::may_write},
                             {"may not be executed", Tables::all | Tables::xn << 1},
                             {"has AF = 0", Tables::all & ~Tables::af}};
  for (const Piece& piece : pieces) {
    for (const Against& against : all) {
      Guest guest(device, fmt::format("{} {} at stage 2", piece.name, against.name));
      if (against.bits == 0) {
        guest.b.store(guest.stage2.entry(piece.ipa, 3), 0);
      } else {
        guest.stage2.map(piece.ipa, page_of(guest, piece.ipa), against.bits);
      }
      guest.add_to(cases);
    }
    if (spec::parse_capabilities(device.id).oas_lg2 < 48) {
      Guest guest(device, fmt::format("{} is beyond S2PS", piece.name));
      guest.stage2.map(piece.ipa, page_of(guest, piece.ipa) | u64{1} << 47);
      guest.add_to(cases);
    }
    for (const bool ptw : {false, true}) {
      Guest guest(device, fmt::format("{} is a Device page, S2PTW = {}", piece.name, ptw ? 1 : 0));
      guest.stage2.map(piece.ipa, page_of(guest, piece.ipa),
                       (Tables::all & ~Tables::normal) | Tables::device);
      spec::Ste<u64> ste = guest.ste();
      if (ptw) ste.dw[2] |= u64{1} << 54;
      guest.add_to(cases, ste);
    }
  }
}

/// The Access flag of one stage is not the other's to ignore. IHI 0070 5.2 (S2AFFD), 5.4 (AFFD).
void nested_access_flag_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  Guest affd(device, "AF = 0 at stage 2, AFFD = 1");
  affd.stage2.map(Guest::data_ipa, affd.b.data(), Stage2Tables::all & ~Stage2Tables::af);
  affd.cd.dw[0] |= u64{1} << 35;
  affd.add_to(cases);
  Guest s2affd(device, "AF = 0 at stage 1, S2AFFD = 1");
  s2affd.leaf(Guest::va, Guest::data_ipa, {.af = false});
  spec::Ste<u64> with_s2affd = s2affd.ste();
  with_s2affd.dw[2] |= u64{1} << 53;
  s2affd.add_to(cases, with_s2affd);
}

/// Privileged accesses stay privileged at stage 2. DDI 0487 D8.4 (XNX).
void nested_execution_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  using Tables = Stage2Tables;
  if (!device.sends_instructions) return;
  for (const u64 xn : {0U, 1U, 2U, 3U}) {
    Guest guest(device, fmt::format("XN = {} at stage 2, of each access", xn));
    guest.stage2.map(Guest::data_ipa, guest.b.data(), Tables::all | xn << 53);
    LeafBits privileged;
    privileged.user = false;
    guest.leaf(Guest::va + 0x2000, Guest::data_ipa, privileged);
    guest.leaf(Guest::va + 0x3000, Guest::data_ipa, {.writable = false});
    guest.b.cd_at(guest.cd_pa, guest.cd);
    guest.b.ste(0, guest.ste());
    guest.b.enable();
    for (const u64 at : {0U, 0x2000U, 0x3000U}) guest.b.all_accesses(Guest::va + at);
    guest.b.poll();
    cases.push_back(guest.b.take());
  }
  Guest instructions(device, "XN at stage 2, of instructions");
  instructions.stage2.map(Guest::data_ipa, instructions.b.data(), Tables::all | Tables::xn << 1);
  instructions.b.cd_at(instructions.cd_pa, instructions.cd);
  instructions.b.ste(0, instructions.ste());
  instructions.b.enable();
  instructions.b.access(Guest::va, false, 0, {.instruction = true});
  instructions.b.access(Guest::va);
  instructions.b.access(Guest::va + 0x1000, false, 0, {.instruction = true});
  instructions.b.poll();
  cases.push_back(instructions.b.take());
}

/// A fetch that no memory answers: a descriptor of stage 2 on the way of each piece, and what stage
/// 2 leads to. IHI 0070 7.3.10, 7.3.12.
void nested_abort_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (device.absent_bytes < 0x4000) return;
  for (const Piece& piece : pieces) {
    Guest behind(device, fmt::format("{} is where no memory is", piece.name));
    behind.stage2.map(piece.ipa, device.absent_pa + 0x1000);
    if (piece.ipa != Guest::data_ipa) behind.add_to(cases);
    // It gets a table of stage 2 of its own.
    const u64 apart = u64{16} << 21;
    Guest table(device, fmt::format("the stage 2 table of {} is where no memory is", piece.name));
    table.b.store(table.stage2.entry(apart, 2), (device.absent_pa + 0x2000) | 3);
    spec::Ste<u64> ste = table.ste();
    if (piece.ipa == Guest::cd_ipa) {
      ste.dw[0] = with_bits(ste.dw[0], 51, 6, apart >> 6);
    } else if (piece.ipa == Guest::tables_ipa) {
      table.cd = table.b.plain_cd(apart, Guest::tsz);
    } else if (piece.ipa == Guest::data_ipa) {
      table.leaf(Guest::va, apart);
    } else {
      table.b.store(table.place(1, Guest::va), apart | 3);
    }
    table.add_to(cases, ste);
  }
}

/// The place in a block of stage 2 is the intermediate address's, whatever the input address is.
void nested_block_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned level : {2U, 1U}) {
    const unsigned shift = level_shift(Granule::g4k, level);
    Guest guest(device, fmt::format("pages of a block of stage 2 at level {}", level));
    const u64 ipa = level == 2 ? u64{16} << shift : u64{2} << shift;
    if (ipa + pow2(shift) > guest.stage2.end()) continue;
    guest.stage2.map(ipa, align_down(guest.b.data(), shift), Stage2Tables::all, level);
    const u64 place = guest.b.data() & (pow2(shift) - 1);
    guest.leaf(Guest::va, ipa + place + 0x2000);
    guest.leaf(Guest::va + 0x1000, ipa + place + 0x1000);
    guest.leaf(Guest::va + 0x2000, ipa + place);
    guest.add_to(cases);
  }
}

/// What stalls and what is recorded is the CD's to say of faults of stage 1, and the STE's of those
/// of stage 2, that of the CD's fetch too. IHI 0070 3.12, 5.5.
void reaction_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto model = spec::parse_capabilities(device.id).stall_model;
  const u64 only = model == spec::StallModel::always ? 1 : 0;
  for (u64 choice = 0; choice < 16; ++choice) {
    const u64 s = bit(choice, 0), r = bit(choice, 1), s2s = bit(choice, 2), s2r = bit(choice, 3);
    if (model != spec::StallModel::both && (s != only || s2s != only)) continue;
    const std::string name =
        fmt::format("CD.S = {}, CD.R = {}, S2S = {}, S2R = {}", s, r, s2s, s2r);
    for (const char* lacks : {"", ", the CD is not mapped", ", a table is not mapped"}) {
      const bool of_cd = std::string_view(lacks).contains("CD");
      Guest guest(device, name + lacks);
      guest.cd.dw[0] = with_bits(guest.cd.dw[0], 45, 44, s | r << 1);
      spec::Ste<u64> ste = guest.ste();
      ste.dw[2] = with_bits(ste.dw[2], 58, 57, s2s | s2r << 1);
      guest.b.cd_at(guest.cd_pa, guest.cd);
      guest.b.ste(0, ste);
      if (of_cd) guest.b.store(guest.stage2.entry(Guest::cd_ipa), 0);
      if (*lacks != 0 && !of_cd) guest.b.store(guest.stage2.entry(Guest::table_ipa(2)), 0);
      LeafBits flagless;
      flagless.af = false;
      guest.leaf(Guest::va + 0x2000, Guest::data_ipa, flagless);
      guest.leaf(Guest::va + 0x3000, Guest::data_ipa + 0x8000);  // stage 2 has nothing there
      guest.b.enable();
      guest.b.access(Guest::va + 0x3000);
      guest.b.access(Guest::va + 0x4000);  // nor stage 1
      guest.b.access(Guest::va + 0x2000);
      guest.b.access(Guest::va + 0x1000, true);
      guest.b.access(Guest::va);
      guest.b.poll();
      cases.push_back(guest.b.take());
    }
  }
}

/// PRIVCFG and INSTCFG, where IDR1.ATTR_PERMS_OVR lets them, are of both stages' accesses.
void override_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (u64 choice = 1; choice < 16; ++choice) {
    const std::string name = fmt::format("PRIVCFG = {}, INSTCFG = {}", choice & 3, choice >> 2);
    const auto with = [&](spec::Ste<u64> ste) {
      ste.dw[1] = with_bits(ste.dw[1], 51, 48, choice);
      return ste;
    };
    Guest guest(device, name);
    LeafBits privileged;
    privileged.user = false;
    guest.leaf(Guest::va, Guest::data_ipa, privileged);
    guest.leaf(Guest::va + 0x2000, Guest::data_ipa + 0x2000);
    guest.stage2.map(Guest::data_ipa + 0x2000, guest.b.data(0x2000),
                     Stage2Tables::all | Stage2Tables::xn << 1);
    guest.add_to(cases, with(guest.ste()));
    CaseBuilder b(device, "stage 2: " + name);
    Stage2Tables tables(b, plain_shape(b.capabilities()));
    tables.map(0x1000, b.data());
    tables.map(0x2000, b.data(0x1000), Stage2Tables::all | Stage2Tables::xn << 1);
    b.ste(0, with(tables.alone()));
    cases.push_back(asked(b, {0x1000, 0x2000}));
  }
}

/// Tables of stage 1 that are big-endian, below tables of stage 2 that are not. IHI 0070 5.4
/// (ENDI).
void nested_endian_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (spec::parse_capabilities(device.id).ttendian != 0) return;
  Guest guest(device, "tables of stage 1 are big-endian");
  for (const u64 at : {Guest::va, Guest::va + 0x1000}) {
    const u64 place = guest.place(2, at);
    guest.b.store(place, __builtin_bswap64(guest.b.word(place)));
  }
  for (unsigned table = 0; table < 2; ++table) {
    const u64 place = guest.place(table, Guest::va);
    guest.b.store(place, __builtin_bswap64(guest.b.word(place)));
  }
  guest.cd.dw[0] |= u64{1} << 15;
  guest.add_to(cases);
}

/// S1DSS = 1: without a SubstreamID the address is an intermediate one at once.
void nested_bypass_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  if (!device.sends_substreams || spec::parse_capabilities(device.id).ssidsize == 0) return;
  Guest guest(device, "stage 1 is bypassed by S1DSS");
  spec::Stage1SteFields fields;
  fields.s1contextptr = Guest::cd_ipa;
  fields.s1cdmax = 1;
  fields.s1dss = 1;
  guest.cd.dw[0] = with_bits(guest.cd.dw[0], 63, 48, 2);
  guest.b.cd_at(guest.cd_pa + 64, guest.cd);
  guest.leaf(Guest::va + 0x3000, Guest::data_ipa + 0x8000);  // stage 2 has nothing there
  guest.b.ste(0, spec::with_stage2(spec::make_stage1_ste(fields), guest.stage2.fields()));
  guest.b.enable();
  guest.b.both(Guest::data_ipa);
  guest.b.both(Guest::va);
  for (const u32 ssid : {1U, 0U, 2U}) {
    guest.b.access(Guest::va, false, 0, {.substream = ssid});
    guest.b.access(Guest::va + 0x2000, true, 0, {.substream = ssid});
    guest.b.access(Guest::va + 0x3000, false, 0, {.substream = ssid});
  }
  guest.b.both(guest.stage2.end());
  if (device.iova_end == 0) guest.b.both(u64{1} << guest.b.capabilities().oas_lg2);
  guest.b.poll();
  cases.push_back(guest.b.take());
}

}  // namespace

void stage2_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s2p) return;
  for (const Stage2Shape& shape : shapes_of(caps)) shape_case(device, cases, shape);
  if (!caps.gran4k) return;
  alignment_case(device, cases);
  output_cases(device, cases);
  right_case(device, cases);
  access_flag_cases(device, cases);
  silent_case(device, cases);
  legality_cases(device, cases);
  if (!caps.s1p) return;
  nested_stage1_cases(device, cases);
  nested_stage2_cases(device, cases);
  nested_access_flag_cases(device, cases);
  nested_execution_cases(device, cases);
  nested_abort_cases(device, cases);
  nested_block_cases(device, cases);
  reaction_cases(device, cases);
  override_cases(device, cases);
  nested_bypass_case(device, cases);
  nested_endian_case(device, cases);
}

}  // namespace iommucheck::oracle
