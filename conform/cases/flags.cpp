// SPDX-License-Identifier: MIT
// What the SMMU writes into descriptors: Access flag and dirty state, of leaves at each level, of
// both stages alone, and of tables. IHI 0070 3.13; arch 4.5.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/arch/descriptor.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/command.h"

namespace iommucheck::oracle {

namespace {

namespace bits_of = spec::descriptor_bits;
using spec::Granule;
namespace rule = spec::rule;

/// What is switched on for the tables of a stage.
struct Updates {
  const char* name;
  bool ha = false, hd = false, haft = false, affd = false;
};
constexpr Updates all_updates[] = {
    {.name = "off"},
    {.name = "HA", .ha = true},
    {.name = "HA and AFFD", .ha = true, .affd = true},
    {.name = "HD without HA", .hd = true},
    {.name = "HA and HD", .ha = true, .hd = true},
    {.name = "HA, HD and HAFT", .ha = true, .hd = true, .haft = true}};

bool has(const spec::Capabilities& caps, const Updates& updates) {
  return caps.httu >= (updates.haft ? 3U : updates.hd ? 2U : updates.ha ? 1U : 0U);
}

/// A page by its flags and rights.
struct Page {
  const char* name;
  u64 va;
  bool af = true, clean = false, writable = true, user = true;
};
constexpr Page kinds_of_page[] = {
    {"not accessed", 0x1000, false},
    {"clean", 0x2000, true, true},
    {"clean, not accessed", 0x3000, false, true},
    {"read-only", 0x4000, true, false, false},
    {"read-only, not accessed", 0x5000, false, false, false},
    {"plain", 0x6000},
    {"clean, privileged", 0x7000, true, true, true, false},
    {"not asked", 0x8000, false, true},
};
constexpr u64 asked_until = 0x8000;

u64 word_of(const Page& page, Granule granule, unsigned level, u64 pa) {
  LeafBits bits;
  bits.af = page.af;
  bits.user = page.user;
  bits.writable = page.writable && !page.clean;
  if (page.clean) bits.extra = bits_of::dbm;
  return leaf_word(granule, level, pa, bits);
}

spec::Cd<u64> with(spec::Cd<u64> cd, const Updates& updates) {
  if (updates.ha) cd.dw[0] |= u64{1} << 43;
  if (updates.hd) cd.dw[0] |= u64{1} << 42;
  if (updates.affd) cd.dw[0] |= u64{1} << 35;
  if (updates.haft) cd.dw[1] |= u64{1} << 3;
  return cd;
}

spec::Ste<u64> with(spec::Ste<u64> ste, const Updates& updates) {
  if (updates.ha) ste.dw[2] |= u64{1} << 56;
  if (updates.hd) ste.dw[2] |= u64{1} << 55;
  if (updates.affd) ste.dw[2] |= u64{1} << 53;
  if (updates.haft) ste.dw[2] |= u64{1} << 59;
  return ste;
}

/// What is done with the pages before their descriptors are looked at.
enum class Use : u8 { reads, writes, reads_then_writes };
constexpr const char* use_names[] = {"reads", "writes", "reads, then writes"};

/// Before a CMD_SYNC nothing has to be seen, and behind it everything.
void look_at(CaseBuilder& b, const std::vector<u64>& places) {
  b.poll();
  b.sync();
  for (const u64 place : places) b.look(place);
}

void use(CaseBuilder& b, Use how, u64 va) {
  if (how != Use::writes) b.access(va);
  if (how != Use::reads) b.access(va + 4, true);
}

/// Which tables: by TTB0 or TTB1, of which granule.
struct Shape {
  Granule granule = Granule::g4k;
  bool upper = false;
  [[nodiscard]] std::string text() const {
    const std::string of =
        granule == Granule::g4k ? "" : fmt::format(", {} KiB", pow2(page_shift(granule)) / 1024);
    return of + (upper ? ", by TTB1" : "");
  }
};

/// One stage 1 table with all pages; their addresses are pages of 4 KiB.
struct FlaggedPages {
  static constexpr unsigned tsz = 25;
  CaseBuilder b;
  Shape shape;
  u64 root;
  std::vector<u64> places{};

  FlaggedPages(const DeviceIdentity& device, const std::string& name, Shape its = {})
      : b(device, "flags: " + name + its.text()), shape(its), root(b.root(its.granule, tsz)) {
    b.asks(rule::FLAG_UPDATES);
    for (const Page& page : kinds_of_page) {
      b.store(place(page), word_of(page, shape.granule, spec::last_level, b.data(at(page.va))));
      places.push_back(place(page));
    }
    for (unsigned level = spec::start_level<u64>(shape.granule, tsz); level < spec::last_level;
         ++level) {
      places.push_back(b.entry(root, shape.granule, tsz, 0, level));
    }
  }
  [[nodiscard]] u64 at(u64 va) const { return va >> 12 << page_shift(shape.granule); }
  [[nodiscard]] u64 input(u64 va) const { return at(va) | (shape.upper ? ~mask(63 - tsz, 0) : 0); }
  u64 place(const Page& page) {
    return b.entry(root, shape.granule, tsz, at(page.va), spec::last_level);
  }
  void enable(const Updates& updates, u64 eats = 0) {
    spec::Cd<u64> cd = with(b.plain_cd(root), updates);
    cd.dw[0] |= tg0_of(shape.granule) << 6;
    if (shape.upper) {
      use_upper_half_alone(cd, root | (cd.dw[1] & u64{1} << 3), tsz, shape.granule);
    }
    b.cd(0, cd);
    spec::Ste<u64> ste = b.stage1_ste(0);
    ste.dw[1] = with_bits(ste.dw[1], 29, 28, eats);
    b.ste(0, ste);
    b.enable();
  }
  void use_all(Use how) {
    for (const Page& page : kinds_of_page) {
      if (page.va < asked_until) use(b, how, input(page.va));
    }
  }
};

void page_cases(const DeviceIdentity& device, std::vector<Case>& cases, const Updates& updates,
                Shape shape) {
  for (const Use how : {Use::reads, Use::writes, Use::reads_then_writes}) {
    FlaggedPages table(device, fmt::format("{}, {}", updates.name, use_names[static_cast<u8>(how)]),
                       shape);
    table.enable(updates);
    table.use_all(how);
    look_at(table.b, table.places);
    cases.push_back(table.b.take());
  }
  // The tables above take the right to write away: nothing becomes dirty.
  FlaggedPages table(device, fmt::format("{}, APTable forbids to write", updates.name), shape);
  const u64 above = table.b.entry(table.root, shape.granule, FlaggedPages::tsz, 0, 2);
  table.b.store(above, table.b.word(above) | bits_of::ap_table1);
  table.enable(updates);
  table.use_all(Use::writes);
  look_at(table.b, table.places);
  cases.push_back(table.b.take());
}

/// A block is one descriptor, whatever page of it is used.
void block_case(const DeviceIdentity& device, std::vector<Case>& cases, const Updates& updates) {
  constexpr u64 block = u64{1} << 21;
  CaseBuilder b(device, fmt::format("flags: {}, blocks", updates.name));
  b.asks(rule::FLAG_UPDATES);
  const u64 root = b.root(Granule::g4k, 25);
  std::vector<u64> places;
  const u64 data = align_down(b.data(), 21);
  for (u64 i = 0; i < 3; ++i) {
    places.push_back(b.entry(root, Granule::g4k, 25, (1 + i) * block, 2));
    b.store(places.back(), word_of(kinds_of_page[i], Granule::g4k, 2, data));
  }
  b.translate(0, with(b.plain_cd(root), updates));
  for (u64 i = 0; i < 3; ++i) {
    use(b, Use::reads_then_writes, (1 + i) * block + (b.data() - data) + 0x3000);
  }
  look_at(b, places);
  cases.push_back(b.take());
}

/// Whoever accesses: each kind of access has pages of its own, so that none finds what another set.
void kind_case(const DeviceIdentity& device, std::vector<Case>& cases, const Updates& updates) {
  CaseBuilder b(device, fmt::format("flags: {}, each kind of access", updates.name));
  b.asks(rule::FLAG_UPDATES);
  const u64 root = b.root(Granule::g4k, 25);
  std::vector<u64> places;
  const auto page = [&](const Page& of) {
    const u64 va = 0x1000 * (1 + places.size());
    places.push_back(b.entry(root, Granule::g4k, 25, va, spec::last_level));
    b.store(places.back(), word_of(of, Granule::g4k, spec::last_level, b.data(va)));
    return va;
  };
  std::vector<std::pair<u64, DmaAttributes>> asked;
  for (const bool privileged : {false, true}) {
    for (const bool instruction : {false, true}) {
      if ((privileged && !device.sends_privileged) || (instruction && !device.sends_instructions)) {
        continue;
      }
      for (const bool user : {true, false}) {
        asked.emplace_back(page({"", 0, false, !instruction, !instruction, user}),
                           DmaAttributes{.privileged = privileged, .instruction = instruction});
      }
    }
  }
  b.translate(0, with(b.plain_cd(root), updates));
  for (const auto& [va, how] : asked) b.access(va, !how.instruction, 0, how);
  look_at(b, places);
  cases.push_back(b.take());
}

/// The update is one of the word as memory has it then: what software changes meanwhile stays.
/// DDI 0487 D8.5.
void race_case(const DeviceIdentity& device, std::vector<Case>& cases, const Updates& updates) {
  constexpr u64 software = u64{1} << 55;
  FlaggedPages table(device, fmt::format("{}, a word that software changes", updates.name));
  table.enable(updates);
  table.use_all(Use::reads);
  for (const Page& page : kinds_of_page) {
    const u64 place = table.place(page);
    table.b.store(place, (table.b.word(place) | software) ^ (page.af ? 0 : bits_of::af));
  }
  table.use_all(Use::writes);
  look_at(table.b, table.places);
  cases.push_back(table.b.take());
}

/// It fills caches as a read does: Access flags may be set, and nothing becomes dirty. IHI
/// 0070 4.2.
void prefetch_case(const DeviceIdentity& device, std::vector<Case>& cases, const Updates& updates) {
  FlaggedPages table(device, fmt::format("{}, CMD_PREFETCH_ADDR", updates.name));
  table.enable(updates);
  for (const Page& page : kinds_of_page) {
    spec::Command command{.op = spec::Opcode::prefetch_addr};
    command.sid = table.b.sid(0);
    command.address = page.va;
    table.b.command(command);
  }
  look_at(table.b, table.places);
  cases.push_back(table.b.take());
}

/// A request that asks for no writing may set Access flags, and makes nothing dirty. IHI
/// 0070 3.13.7.1.
void request_case(const DeviceIdentity& device, std::vector<Case>& cases, const Updates& updates) {
  FlaggedPages table(device, fmt::format("{}, requests of ATS for reading", updates.name));
  CaseBuilder& b = table.b;
  table.enable(updates, 1);
  for (const Page& page : kinds_of_page) {
    if (page.va < asked_until) b.request(page.va);
  }
  look_at(b, table.places);
  cases.push_back(b.take());
}

void stage2_case(const DeviceIdentity& device, std::vector<Case>& cases, const Updates& updates,
                 Use how) {
  CaseBuilder b(
      device, fmt::format("flags: stage 2, {}, {}", updates.name, use_names[static_cast<u8>(how)]));
  b.asks(rule::FLAG_UPDATES);
  Stage2Tables tables(b, plain_shape(b.capabilities()));
  std::vector<u64> places;
  for (const Page& page : kinds_of_page) {
    u64 bits = Stage2Tables::all;
    if (!page.af) bits &= ~Stage2Tables::af;
    if (page.clean || !page.writable) bits &= ~Stage2Tables::may_write;
    if (page.clean) bits |= bits_of::dbm;
    if (!page.user) bits &= ~Stage2Tables::may_read;  // what becomes dirty stays unreadable
    bits |= u64{9} << 55;                             // software's
    tables.map(page.va, b.data(page.va), bits);
    places.push_back(tables.entry(page.va));
  }
  for (unsigned level = 1; level < spec::last_level; ++level) {
    places.push_back(tables.entry(0, level));
  }
  b.ste(0, with(tables.alone(), updates));
  b.enable();
  for (const Page& page : kinds_of_page) {
    if (page.va < asked_until) use(b, how, page.va);
  }
  look_at(b, places);
  cases.push_back(b.take());
}

std::vector<Shape> shapes_of(const DeviceIdentity& device) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  std::vector<Shape> shapes;
  for (const bool upper : {false, true}) {
    if (upper && device.iova_end != 0) continue;
    for (const Granule granule : granules_of(caps)) shapes.push_back({granule, upper});
  }
  return shapes;
}

}  // namespace

void flag_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (caps.httu == 0) return;
  for (const Updates& updates : all_updates) {
    if (!has(caps, updates)) continue;
    if (caps.s1p) {
      for (const Shape& shape : shapes_of(device)) page_cases(device, cases, updates, shape);
      block_case(device, cases, updates);
      kind_case(device, cases, updates);
      prefetch_case(device, cases, updates);
      if (updates.ha) race_case(device, cases, updates);
      if (device.ats && caps.ats) request_case(device, cases, updates);
    }
    if (caps.s2p) {
      stage2_case(device, cases, updates, Use::reads);
      stage2_case(device, cases, updates, Use::reads_then_writes);
    }
  }
}

}  // namespace iommucheck::oracle
