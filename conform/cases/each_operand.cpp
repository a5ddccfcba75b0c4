// SPDX-License-Identifier: MIT
// Each operand of commands: a page is used and unmapped, and goes by a command that names it by
// each bit of its VMID, its ASID, its address, by each size of a range that it ends, by each TG and
// TTL of its leaf. And what no outcome shows: each value is taken. Values of one operand are one
// case; between two of them SMMUEN is 0 and everything is invalidated. IHI 0070 4.2 to 4.7.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/rules/commands.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace each_operand {
namespace {

using spec::Command;
using spec::Granule;
using spec::Opcode;

enum class World : u8 { el1, el1_of_vmid, el2, el2_e2h, stage2 };

struct Named {
  Opcode op;
  World world;
  bool vmid, asid, address;
};
constexpr Named all_named[] = {
    {Opcode::tlbi_nh_all, World::el1_of_vmid, true, false, false},
    {Opcode::tlbi_nh_asid, World::el1_of_vmid, true, true, false},
    {Opcode::tlbi_nh_va, World::el1_of_vmid, true, true, true},
    {Opcode::tlbi_nh_vaa, World::el1_of_vmid, true, false, true},
    {Opcode::tlbi_s12_vmall, World::el1_of_vmid, true, false, false},
    {Opcode::tlbi_s2_ipa, World::stage2, true, false, true},
    {Opcode::tlbi_nh_asid, World::el1, false, true, false},
    {Opcode::tlbi_nh_va, World::el1, false, true, true},
    {Opcode::tlbi_nh_vaa, World::el1, false, false, true},
    {Opcode::tlbi_el2_asid, World::el2_e2h, false, true, false},
    {Opcode::tlbi_el2_va, World::el2_e2h, false, true, true},
    {Opcode::tlbi_el2_va, World::el2, false, false, true},
    {Opcode::tlbi_el2_vaa, World::el2_e2h, false, false, true},
};

bool is_el2(World world) { return world == World::el2 || world == World::el2_e2h; }

bool is_claimed(World world, const spec::Capabilities& caps) {
  switch (world) {
    case World::el1: return caps.s1p && !caps.s2p;
    case World::el1_of_vmid: return caps.s1p && caps.s2p;
    case World::el2:
    case World::el2_e2h: return caps.s1p && caps.hyp;
    case World::stage2: return caps.s2p;
  }
  return false;
}

std::string_view name_of(World world) {
  switch (world) {
    case World::el1: return "";
    case World::el1_of_vmid: return " of a VMID";
    case World::el2: return ", E2H = 0";
    case World::el2_e2h: return ", E2H = 1";
    case World::stage2: return " alone";
  }
  return "";
}

/// What one page is translated by, and how the command names it.
struct Tags {
  u64 vmid = 0, asid = 0;
  bool upper = false;  ///< in the upper half
};

/// A stream with one page, whose tables are filled anew for each address.
class OnePage {
 public:
  OnePage(CaseBuilder& b, World world, Granule granule = Granule::g4k)
      : b_(b), world_(world), granule_(granule) {
    if (world == World::stage2) {
      stage2_.emplace(b, shape_of(b.capabilities(), granule));
      start_ = shape_of(b.capabilities(), granule).start;
      tsz_ = shape_of(b.capabilities(), granule).t0sz;
      tables_[start_] = stage2_->fields().s2ttb;
    } else {
      start_ = spec::start_level(granule, u64{tsz_});
      tables_[start_] = b.root(granule, tsz_);
    }
    for (unsigned level = start_ + 1; level <= spec::last_level; ++level) {
      tables_[level] = b.memory(pow2(spec::page_shift(granule)), pow2(spec::page_shift(granule)));
    }
  }

  /// Input addresses from here on are not translated.
  [[nodiscard]] u64 end() const { return pow2(64 - tsz_); }

  /// It is used and unmapped, and has to be gone once the command is complete.
  void ask(const Tags& tags, u64 at, const Command& command, unsigned level = spec::last_level) {
    if (b_.device().iova_end != 0 && at >= b_.device().iova_end) return;
    configure(tags);
    for (unsigned i = start_; i < level; ++i) b_.store(place(at, i), tables_[i + 1] | 3);
    b_.store(place(at, level), leaf(level));
    if (is_el2(world_)) {  // what the bring-up sends leaves entries of EL2
      b_.command(spec::cmd_tlbi_el2_all());
      b_.sync();
    }
    b_.enable();
    // Inside of the extent, where it reaches the data.
    const u64 used =
        align_down(at, shift(level)) + (b_.data() - align_down(b_.data(), shift(level)));
    b_.both(used);
    b_.store(place(at, level), 0);
    b_.command(command);
    b_.sync();
    b_.both(used);
    b_.poll();
    b_.disable();
    for (unsigned i = start_; i < level; ++i) b_.store(place(at, i), 0);
    b_.invalidate_all();
  }

 private:
  static Stage2Shape shape_of(const spec::Capabilities& caps, Granule granule) {
    switch (granule) {
      case Granule::g4k:
        if (caps.oas_lg2 >= 48) return {granule, 2, 0, 16};
        return plain_shape(caps);
      case Granule::g16k: return {granule, 1, 2, 30};
      case Granule::g64k: return {granule, 1, 2, 30};
    }
    return plain_shape(caps);
  }

  [[nodiscard]] unsigned shift(unsigned level) const {
    return static_cast<unsigned>(level_shift(granule_, level));
  }
  [[nodiscard]] u64 place(u64 at, unsigned level) const {
    const u64 below = level == start_ ? end() : pow2(shift(level - 1));
    return tables_[level] + 8 * ((at & (below - 1)) >> shift(level));
  }
  [[nodiscard]] u64 leaf(unsigned level) const {
    const u64 pa = align_down(b_.data(), shift(level));
    if (!stage2_) return leaf_word(granule_, level, pa, {});
    return pa | Stage2Tables::all | (level == spec::last_level ? 3 : 1);
  }

  void configure(const Tags& tags) {
    if (stage2_) {
      spec::Ste<u64> ste = stage2_->alone();
      ste.dw[2] = with_bits(ste.dw[2], 15, 0, tags.vmid);
      b_.ste(0, ste);
      return;
    }
    spec::Cd<u64> cd = b_.plain_cd(tables_[start_], tsz_, static_cast<unsigned>(tags.asid));
    cd.dw[0] = with_bits(cd.dw[0], 7, 6, tg0_of(granule_));
    if (tags.upper) use_upper_half_alone(cd, tables_[start_], tsz_, granule_);
    b_.cd(0, cd);
    if (is_el2(world_)) {
      spec::Stage1SteFields fields;
      fields.s1contextptr = b_.cd_place(0);
      fields.strw = 2;
      b_.ste(0, spec::make_stage1_ste(fields));
      return;
    }
    spec::Ste<u64> ste = b_.stage1_ste(0);
    ste.dw[2] = with_bits(ste.dw[2], 15, 0, tags.vmid);
    b_.ste(0, ste);
  }

  CaseBuilder& b_;
  World world_;
  Granule granule_;
  unsigned start_ = 0, tsz_ = 16;
  std::array<u64, spec::last_level + 1> tables_{};
  std::optional<Stage2Tables> stage2_;
};

struct Context {
  const DeviceIdentity& device;
  std::vector<Case>& cases;
  spec::Capabilities caps;

  [[nodiscard]] CaseBuilder begin(const Named& named, const char* operand) const {
    const u32 e2h = named.world == World::el2_e2h ? spec::cr2::e2h : 0U;
    return CaseBuilder(device,
                       fmt::format("each operand: {}.{}{}", spec::opcode_name(named.op), operand,
                                   name_of(named.world)),
                       {.cr2 = spec::cr2::recinvsid | e2h});
  }
};

constexpr u64 page = 0x5000;

Command command_of(const Named& named, const Tags& tags, u64 at, bool leaf = true) {
  Command command;
  command.op = named.op;
  if (named.vmid) command.vmid = tags.vmid;
  if (named.asid) command.asid = tags.asid;
  if (named.address) command.address = at, command.leaf = leaf;
  return command;
}

Tags plain_tags(const Named& named) {
  return {.vmid = named.vmid ? 1U : 0U, .asid = named.world == World::stage2 ? 0U : 1U};
}

void tag_cases(const Context& c, const Named& named) {
  if (named.vmid) {
    CaseBuilder b = c.begin(named, "VMID");
    OnePage one(b, named.world);
    for (unsigned i = 0; i < (c.caps.vmid16 ? 16U : 8U); ++i) {
      Tags tags = plain_tags(named);
      tags.vmid = u64{1} << i;
      one.ask(tags, page, command_of(named, tags, page));
    }
    c.cases.push_back(b.take());
  }
  if (!named.asid) return;
  CaseBuilder b = c.begin(named, "ASID");
  OnePage one(b, named.world);
  for (unsigned i = 0; i < (c.caps.asid16 ? 16U : 8U); ++i) {
    Tags tags = plain_tags(named);
    tags.asid = u64{1} << i;
    one.ask(tags, page, command_of(named, tags, page));
  }
  c.cases.push_back(b.take());
}

void address_case(const Context& c, const Named& named) {
  CaseBuilder b = c.begin(named, "Address");
  OnePage one(b, named.world);
  const Tags tags = plain_tags(named);
  for (u64 at = 0x1000; at < one.end(); at <<= 1) one.ask(tags, at, command_of(named, tags, at));
  if (named.world != World::el2 && named.world != World::stage2) {
    Tags upper = tags;
    upper.upper = true;
    const u64 at = ~(one.end() - 1) | page;
    one.ask(upper, at, command_of(named, upper, at));
  }
  c.cases.push_back(b.take());
}

/// Ranges from 0 on, which the page ends.
void range_case(const Context& c, const Named& named, bool scales) {
  CaseBuilder b = c.begin(named, scales ? "SCALE" : "NUM");
  OnePage one(b, named.world);
  const Tags tags = plain_tags(named);
  for (unsigned value = 0; value < 32; ++value) {
    Command command = command_of(named, tags, 0);
    command.tg = 1;
    (scales ? command.scale : command.num) = value;
    if (scales) command.num = 1;
    if (command.num == 0) command.ttl = spec::last_level;  // all of them 0 is reserved: 4.4.1.1
    const u64 pages = (command.num + 1) << command.scale;
    const u64 last = std::min((pages - 1) << 12, one.end() - 0x1000);
    one.ask(tags, last, command);
  }
  c.cases.push_back(b.take());
}

/// Leaves of each level and granule, each named as what it is.
void leaf_case(const Context& c, const Named& named) {
  for (const Granule granule : granules_of(c.caps)) {
    CaseBuilder b = c.begin(
        named, fmt::format("TG, TTL, {} KiB", pow2(spec::page_shift(granule)) / 1024).c_str());
    OnePage one(b, named.world, granule);
    const Tags tags = plain_tags(named);
    for (unsigned level = spec::last_level; level >= (granule == Granule::g4k ? 1U : 2U); --level) {
      if (named.world == World::stage2 && granule != Granule::g4k && level < 3) break;
      const u64 at = pow2(static_cast<unsigned>(level_shift(granule, level)));
      if (at >= one.end()) break;
      Command command = command_of(named, tags, at);
      command.tg = static_cast<u64>(granule) + 1;
      command.ttl = level;
      one.ask(tags, at, command, level);
    }
    c.cases.push_back(b.take());
  }
}

/// A change of a stream's entry, by each size of a range that holds it.
void stream_range_case(const Context& c) {
  CaseBuilder b(c.device, "each operand: CFGI_STE_RANGE.Range");
  for (unsigned range = 0; range < 32; ++range) {
    b.ste(0, spec::make_bypass_ste());
    b.enable();
    b.access(b.data(0x40));
    b.ste(0, spec::make_abort_ste());
    b.command(spec::cmd_cfgi_ste_range(b.sid(0), range));
    b.sync();
    b.access(b.data(0x40));
    b.poll();
    b.disable();
    b.invalidate_all();
  }
  c.cases.push_back(b.take());
}

/// CDs that become invalid, of substreams whose numbers are one bit: some from bit `from` on.
void substreams_case(const Context& c, unsigned from) {
  constexpr unsigned each = 4, leaf_bits = 6, linear_most = 10;
  const unsigned bits = c.caps.ssidsize;
  const bool two_level = bits > linear_most;
  CaseBuilder b(c.device, fmt::format("each operand: CFGI_CD.SubstreamID, bits from {} on", from));
  const u64 bytes = two_level ? u64{8} << (bits - leaf_bits) : u64{64} << bits;
  const u64 table = b.memory(bytes, bytes);
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, page, b.data());
  spec::Stage1SteFields fields;
  fields.s1contextptr = table;
  fields.s1cdmax = bits;
  fields.s1fmt = two_level ? 1 : 0;
  b.ste(0, spec::make_stage1_ste(fields));
  const u64 leaf_bytes = u64{64} << leaf_bits;
  std::vector<std::pair<u32, u64>> places;
  u64 leaf = 0;
  for (unsigned i = from; i < std::min(from + each, bits); ++i) {
    const u32 ssid = u32{1} << i;
    if (two_level && (leaf == 0 || i >= leaf_bits)) {
      leaf = b.memory(leaf_bytes, leaf_bytes);
      b.store(table + 8 * (u64{ssid} >> leaf_bits), leaf | 1);
    }
    const u64 place = two_level ? leaf + 64 * (ssid % pow2(leaf_bits)) : table + 64 * u64{ssid};
    places.emplace_back(ssid, place);
    b.cd_at(place, b.plain_cd(root, 25, 1 + i));
  }
  b.enable();
  for (const auto& [ssid, place] : places) {
    b.access(page, false, 0, {.substream = ssid});
    b.store(place, 0);
    b.command(spec::cmd_cfgi_cd(b.sid(0), ssid));
    b.sync();
    b.access(page, false, 0, {.substream = ssid});
  }
  b.poll();
  c.cases.push_back(b.take());
}

void substream_cases(const Context& c) {
  const unsigned bits = c.caps.ssidsize;
  if (!c.device.sends_substreams || !c.caps.s1p || (bits > 10 && !c.caps.cd2l)) return;
  for (unsigned from = 0; from < bits; from += 4) substreams_case(c, from);
}

void response_case(const Context& c) {
  if (!c.device.pri || c.caps.ssidsize == 0) return;
  CaseBuilder b(c.device, "each operand: PRI_RESP.SubstreamID", {.pages = PageQueue::enabled});
  b.asks(spec::rule::PAGE_REQUEST_RESPONSE);
  b.ste(0, spec::make_abort_ste());
  b.enable();
  for (u32 i = 0; i < c.caps.ssidsize; ++i) b.command(pri_resp(b.sid(0), i, 1, u32{1} << i));
  b.sync();
  c.cases.push_back(b.take());
}

void atc_cases(const Context& c) {
  if (!c.device.ats || !c.caps.ats) return;
  const auto one = [&](const char* operand, auto&& make) {
    CaseBuilder b(c.device, fmt::format("each operand: ATC_INV.{}", operand));
    b.asks(spec::rule::CMD_SYNC_COMPLETES);
    spec::Ste<u64> ste = spec::make_abort_ste();
    b.ste(0, ste);
    b.enable();
    make(b, [&](const Command& command) {
      b.command(command);
      b.sync();
    });
    c.cases.push_back(b.take());
  };
  one("Size", [](CaseBuilder& b, auto&& send) {
    for (unsigned size = 0; size <= 52; ++size) send(atc_inv(b.sid(0), 0, size));
  });
  one("Address", [](CaseBuilder& b, auto&& send) {
    for (unsigned i = 12; i < 64; ++i) send(atc_inv(b.sid(0), u64{1} << i, 0));
  });
  if (c.caps.ssidsize == 0) return;
  one("SubstreamID", [&](CaseBuilder& b, auto&& send) {
    for (unsigned i = 0; i < c.caps.ssidsize; ++i) {
      Command command = atc_inv(b.sid(0), 0x4000, 0);
      command.ssv = true;
      command.ssid = u64{1} << i;
      send(command);
    }
  });
}

/// What says nothing of outcomes: each value is consumed, and CMD_SYNC goes on.
void hint_cases(const Context& c) {
  CaseBuilder b(c.device, "each operand: prefetches, resumptions of nothing");
  b.translate(0, b.root(Granule::g4k, 25));
  const auto send = [&](Command command) {
    command.sid = b.sid(0);
    b.command(command);
  };
  for (const Opcode op : {Opcode::prefetch_config, Opcode::prefetch_addr}) {
    for (unsigned i = 0; i < 20 && c.caps.ssidsize != 0; ++i) {
      Command command;
      command.op = op;
      command.ssv = true;
      command.ssid = u64{1} << i;
      send(command);
    }
    b.sync();
  }
  for (unsigned i = 0; i < 32; ++i) {
    Command command;
    command.op = Opcode::prefetch_addr;
    command.size = i | u64{1} << (5 + i % 5);  // Size, Stride
    command.address = u64{1} << (12 + i);
    send(command);
    command.address = u64{1} << (32 + i);
    send(command);
  }
  // Nothing waits, by whatever name. IHI 0070 4.6.
  for (unsigned i = 0; i < 16; ++i) {
    Command command;
    command.op = Opcode::resume;
    command.stag = u64{1} << i;
    command.ac = bit(i, 0);
    command.ab = bit(i, 1);
    send(command);
  }
  b.sync();
  b.access(page);
  b.poll();
  c.cases.push_back(b.take());
}

/// Messages of CMD_SYNC: each attribute, and each bit of what is written.
void message_case(const Context& c) {
  if (!c.caps.msi) return;
  CaseBuilder b(c.device, "each operand: messages of CMD_SYNC");
  const u64 at = b.data(0xc0);
  const auto send = [&](u64 attribute, u64 shareability, u32 data) {
    Command command = spec::cmd_sync(1, at, data);
    command.msi_attr = attribute;
    command.msh = shareability;
    b.command(command);
    b.sync();
    for (unsigned i = 0; i < 8; ++i) b.read(spec::reg::cmdq_cons);
    b.look(align_down(at, 3));
  };
  for (u64 attribute = 0; attribute < 16; ++attribute) send(attribute, 3, 0x5a5a'5a5a);
  for (const u64 shareability : {0U, 2U, 3U}) send(0xf, shareability, 0x3c3c'3c3c);
  for (unsigned i = 0; i < 32; ++i) send(0xf, 3, u32{1} << i);
  for (u64 offset = 4; offset < c.device.data_bytes && offset < 0x10000; offset <<= 1) {
    b.command(spec::cmd_sync(1, b.data(offset), 0x7e57'0001));
    b.sync();
    for (unsigned i = 0; i < 8; ++i) b.read(spec::reg::cmdq_cons);
    b.look(b.data(align_down(offset, 3)));
  }
  c.cases.push_back(b.take());
}

}  // namespace
}  // namespace each_operand

void each_operand_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  using namespace each_operand;
  const Context c{device, cases, spec::parse_capabilities(device.id)};
  stream_range_case(c);
  substream_cases(c);
  response_case(c);
  atc_cases(c);
  hint_cases(c);
  message_case(c);
  if (!c.caps.gran4k) return;
  for (const Named& named : all_named) {
    if (!is_claimed(named.world, c.caps)) continue;
    tag_cases(c, named);
    if (!named.address) continue;
    address_case(c, named);
    if (!c.caps.ril) continue;
    range_case(c, named, false);
    range_case(c, named, true);
    leaf_case(c, named);
  }
}

}  // namespace iommucheck::oracle
