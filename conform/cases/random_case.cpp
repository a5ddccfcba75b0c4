// SPDX-License-Identifier: MIT
// Random cases: a configuration of several streams, most of it legal, and a sequence over few
// addresses and few ASIDs, so that stores, invalidations and accesses meet each other.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/random_extras.h"
#include "spec/arch/descriptor.h"
#include "spec/arch/granule.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Granule;
using spec::Opcode;

class RandomCase {
 public:
  RandomCase(const DeviceIdentity& device, u64 seed, u64 number)
      : engine_(seed * 0x9e3779b97f4a7c15 + number),
        extra_engine_(seed * 0xd1b54a32d192ed03 + number),
        ats_engine_(seed * 0x8cb92ba72f3d8dd7 + number),
        page_engine_(seed * 0xe7037ed1a0b428db + number),
        flag_engine_(seed * 0xa0761d6478bd642f + number),
        shape_engine_(seed * 0x589965cc75374cc3 + number),
        stall_engine_(seed * 0x1d8e4e27c47d124f + number),
        first_engine_(std::mt19937_64(seed * 0xbf58476d1ce4e5b9 + number)() % device.sids.size()),
        builder_(device, fmt::format("random: seed {}, case {}", seed, number), options(device)),
        extras_(builder_, extra_engine_, static_cast<unsigned>(first_engine_)) {}

  Case make() {
    configure();
    const u64 steps = 4 + pick(24);
    for (u64 i = 0; i < steps; ++i) {
      step();
      look_at_flags(false);
    }
    // The end: everything invalidated, then all that memory says.
    if (chance(2)) {
      builder_.command(spec::cmd_cfgi_all());
      builder_.sync();
      builder_.command(spec::cmd_tlbi_nsnh_all());
      builder_.sync();
      for (unsigned i = 0; i < 4; ++i) access();
    }
    builder_.poll();
    look_at_flags(true);
    return builder_.take();
  }

 private:
  struct Page {
    u64 va = 0;
    unsigned level = 3;
    u64 place = 0;  ///< of its descriptor
    unsigned space = 0;
    unsigned group_lg2 = 0;  ///< of how many leaves it consists, by the contiguous hint
  };

  struct Half {
    bool on = false;
    u64 root = 0;
    unsigned tsz = 25;
  };
  struct Flavour {
    u64 dw0 = 0, ttb0 = 0, ttb1 = 0;  ///< bits that are set in the words of a CD
  };
  struct Stream {
    u64 cds = 0;       ///< its CDs, one after the other
    unsigned lg2 = 0;  ///< of how many there are: S1CDMax
    spec::Ste<u64> ste;
  };

  /// Of the CDs that each stream has memory for: whatever is made of S1CDMax leads to no others.
  /// What lies behind them would be CDs that nobody wrote, whose tables are anything.
  static constexpr unsigned cds_lg2 = 3;
  /// Of bytes of memory: tables of 64 KiB are no more than fit in.
  static constexpr u64 most_structures = u64{6} << 20;

  u64 pick(u64 n) { return engine_() % n; }
  bool chance(u64 n) { return pick(n) == 0; }
  /// Of all that the device has, which one sends for the stream.
  [[nodiscard]] unsigned engine(unsigned stream) const {
    return static_cast<unsigned>((first_engine_ + stream) % builder_.device().sids.size());
  }
  [[nodiscard]] u32 stream_id(unsigned stream) const { return builder_.sid(engine(stream)); }
  CaseOptions options(const DeviceIdentity& device) {
    CaseOptions result;
    result.two_level =
        spec::parse_capabilities(device.id).two_level_stream_table && extra_engine_() % 8 == 0;
    two_level_ = result.two_level;
    if (two_level_) result.log2size = log2size_of(device) + 1;
    result.cmdq_lg2 = 3 + static_cast<unsigned>(pick(5));
    result.eventq_lg2 = 6;  // overflow is for directed cases
    result.pages = device.pri ? PageQueue::enabled : PageQueue::none;
    const unsigned largest = std::min(spec::parse_capabilities(device.id).priqs, 3U);
    result.priq_lg2 = static_cast<unsigned>(page_engine_() % (largest + 1));
    return result;
  }

  void configure() {
    if (two_level_) extras_.first_level();
    granule_ = granule();
    const unsigned spaces = 1 + static_cast<unsigned>(pick(2));
    // Global pages are the same for every ASID: only where there is one table.
    globals_ = chance(4);
    draw_updates();
    stalls_ =
        builder_.capabilities().stall_model == spec::StallModel::both && stall_engine_() % 4 == 0;
    // ASIDs that are the same but for their upper half.
    if (builder_.capabilities().asid16 && extra_engine_() % 3 == 0) asid_step_ = 0x100;
    for (unsigned s = 0; s < spaces; ++s) {
      Space space;
      if (globals_ && s != 0) {
        space = spaces_.front();
      } else {
        for (unsigned h = 0; h < 2; ++h) {
          Half& half = space.half.at(h);
          half.on = h == 0 || (builder_.device().iova_end == 0 && chance(3));
          if (!half.on) continue;
          half.tsz = chance(2) ? 25 : 16 + static_cast<unsigned>(pick(24));
          // A mixture of two CDs would take one's leaves for tables of the other.
          const unsigned other = s == 0 ? half.tsz : spaces_[0].half.at(h).tsz;
          if (start_level(half.tsz) != start_level(other)) half.tsz = other;
          half.root = builder_.root(granule_, half.tsz);
        }
      }
      space.asid = 1 + s * asid_step_;
      space.flavour = cd_flavour();
      if (stalls_ && stall_engine_() % 2 == 0) space.flavour.dw0 |= u64{1} << 44;
      spaces_.push_back(space);
      if (!globals_ || s == 0) add_pages(s);
    }
    engines_ = 1 + static_cast<unsigned>(pick(std::min<u64>(builder_.device().sids.size(), 4)));
    for (unsigned e = 0; e < engines_; ++e) {
      const auto s = static_cast<unsigned>(pick(spaces));
      streams_.push_back(stream());
      builder_.cd_at(streams_[e].cds, wild(cd_of(s)));
      builder_.ste(engine(e), streams_[e].ste);
    }
    atschk_ = builder_.device().ats && ats_engine_() % 2 == 0;
    builder_.enable(atschk_);
  }

  /// The same of all CDs, which may share tables and ASIDs: HA, HD, HAFT.
  void draw_updates() {
    const unsigned httu = builder_.capabilities().httu;
    if (httu == 0 || flag_engine_() % 2 == 0) return;
    updates_.dw0 |= u64{1} << 43;
    if (httu >= 2 && flag_engine_() % 4 != 0) updates_.dw0 |= u64{1} << 42;
    if (httu == 3 && flag_engine_() % 2 == 0) updates_.ttb0 |= u64{1} << 3;
  }
  /// Of leaves whose flags hardware updates half have some to be set.
  void clear_flags(LeafBits& bits) {
    if (updates_.dw0 == 0) return;
    if (flag_engine_() % 3 == 0) bits.af = false;
    if (flag_engine_() % 3 == 0) {
      bits.writable = false;
      bits.extra ^= u64{1} << 51;
    }
  }
  /// Some are looked at behind a CMD_SYNC, and all of them at the end.
  void look_at_flags(bool all) {
    if (updates_.dw0 == 0 || (!all && flag_engine_() % 8 != 0)) return;
    builder_.sync();
    for (const Page& page : pages_) {
      if (all || flag_engine_() % 4 == 0) builder_.look(page.place);
    }
  }

  /// Fields that are legal and change what comes of an access, in half of the spaces.
  Flavour cd_flavour() {
    Flavour flavour;
    if (chance(2)) return flavour;
    // WXN, PAN, AFFD, TBI0, TBI1; HAD0, HAD1.
    for (const unsigned one : {36U, 40U, 35U, 38U, 39U}) {
      if (chance(4)) flavour.dw0 |= u64{1} << one;
    }
    if (chance(4)) flavour.ttb0 |= 2;
    if (chance(4)) flavour.ttb1 |= 2;
    return flavour;
  }

  /// One CD in eight has a field that is another one, legal or not, and an ASID of its own, so that
  /// it shares no tag. Not V, which has steps of its own, nor what lets accesses wait (S), the SMMU
  /// write (HA, HD), or tables be such as the engine of the caches does not follow.
  spec::Cd<u64> wild(spec::Cd<u64> cd) {
    if (!chance(8)) return cd;
    const spec::Capabilities& caps = builder_.capabilities();
    cd.dw[0] = with_bits(cd.dw[0], 63, 48, next_asid_++);
    switch (pick(8)) {
      case 0: {
        // None that is legal: read from another level on, leaves would be tables.
        const u64 least = spec::tsz_min(granule_, caps.vax >= 1);
        cd.dw[0] = with_bits(cd.dw[0], 5, 0, chance(2) ? pick(least) : 49 + pick(15));
        break;
      }
      case 1:
        if (!caps.gran16k && !caps.gran64k) cd.dw[0] ^= (1 + pick(3)) << 6;
        break;
      case 2: cd.dw[0] |= u64{1} << (chance(2) ? 14 : 30); break;  // EPD0, EPD1
      case 3:
        if (caps.ttendian != 0) cd.dw[0] ^= u64{1} << 15;
        break;
      case 4: cd.dw[0] = with_bits(cd.dw[0], 34, 32, pick(8)); break;  // IPS
      case 5:
        if (!caps.aarch32) cd.dw[0] ^= u64{1} << 41;
        break;
      case 6:  // TTB0 beyond OAS
        if (caps.oas_lg2 < 51) cd.dw[1] |= u64{1} << (caps.oas_lg2 + pick(51 - caps.oas_lg2));
        break;
      default: {
        // Attributes, AFFD, WXN, UWXN, TBI, PAN; R, A, ASET.
        constexpr unsigned flips[] = {8, 9, 10, 11, 12, 13, 35, 36, 37, 38, 39, 40, 45, 46, 47};
        cd.dw[0] ^= u64{1} << flips[pick(std::size(flips))];
      }
    }
    return cd;
  }
  /// The same of an STE: Config, S1Fmt, S1CDMax, or anything of the second word.
  spec::Ste<u64> wild(spec::Ste<u64> ste) {
    if (!chance(8)) return ste;
    const unsigned ssidsize = builder_.capabilities().ssidsize;
    if (!chance(3)) {
      const u64 bit = pick(64);
      ste.dw[1] ^= u64{1} << (bit == 16 ? 15 : bit);  // CONT: no larger span than is looked at
    } else if (ssidsize == 0 || chance(2)) {
      ste.dw[0] ^= u64{1} << (1 + pick(5));
    } else if (chance(2)) {
      ste.dw[0] ^= (1 + pick(cds_lg2)) << 59;  // more or fewer of its own CDs
    } else {
      ste.dw[0] = with_bits(ste.dw[0], 63, 59, ssidsize + 1 + pick(31 - ssidsize));
    }
    return ste;
  }

  /// With one CD, or a table of four of which some are valid.
  Stream stream() {
    Stream made = plain_stream();
    // MEV, PRIVCFG and INSTCFG are legal in any STE.
    if (chance(8)) made.ste.dw[1] |= u64{1} << 19;
    if (chance(6)) made.ste.dw[1] |= (2 + pick(2)) << 48;
    if (chance(6)) made.ste.dw[1] |= (2 + pick(2)) << 50;
    if (builder_.device().ats && ats_engine_() % 2 == 0) made.ste.dw[1] |= u64{1} << 28;   // EATS
    if (builder_.device().pri && page_engine_() % 2 == 0) made.ste.dw[1] |= u64{1} << 18;  // PPAR
    made.ste = wild(made.ste);
    return made;
  }
  Stream plain_stream() {
    const u64 bytes = u64{64} << cds_lg2;
    Stream made{.cds = builder_.memory(bytes, bytes), .lg2 = 0, .ste = {}};
    spec::Stage1SteFields fields;
    fields.s1contextptr = made.cds;
    if (builder_.device().sends_substreams && builder_.capabilities().ssidsize >= 2 && chance(3)) {
      made.lg2 = 1 + static_cast<unsigned>(pick(2));
      fields.s1cdmax = made.lg2;
      fields.s1dss = static_cast<unsigned>(pick(3));
    }
    made.ste = spec::make_stage1_ste(fields);
    for (u64 i = 1; i < pow2(made.lg2); ++i) {
      if (chance(3)) continue;
      builder_.cd_at(made.cds + 64 * i, wild(cd_of(static_cast<unsigned>(pick(spaces_.size())))));
    }
    return made;
  }

  void add_pages(unsigned s) {
    for (const Half& half : spaces_[s].half) {
      if (half.on) add_pages(s, half, &half == &spaces_[s].half[0] ? 0 : ~mask(63 - half.tsz, 0));
    }
  }

  /// 4 KiB mostly, or another one that is claimed.
  Granule granule() {
    const spec::Capabilities& caps = builder_.capabilities();
    std::vector<Granule> others = granules_of(caps);
    std::erase(others, Granule::g4k);
    if (others.empty() || (caps.gran4k && shape_engine_() % 3 != 0)) return Granule::g4k;
    return others[shape_engine_() % others.size()];
  }
  [[nodiscard]] u64 page_size() const { return pow2(page_shift(granule_)); }
  [[nodiscard]] unsigned start_level(unsigned tsz) const {
    return spec::start_level<u64>(granule_, tsz);
  }
  [[nodiscard]] unsigned block_lg2() const { return level_shift(granule_, 2); }

  /// Its addresses begin at `base`.
  void add_pages(unsigned s, const Half& half, u64 base) {
    const u64 end = pow2(64 - half.tsz);
    const u64 page = page_size(), block = pow2(block_lg2());
    const u64 candidates[] = {page,      2 * page,   3 * page, block - page, block,
                              2 * block, end - page, end / 2,  u64{1} << 30};
    for (const u64 offset : candidates) {
      if (offset >= end || !chance(2) || builder_.used() > most_structures) continue;
      add_page(s, half, base, align_down(offset, page_shift(granule_)));
    }
  }

  void add_page(unsigned s, const Half& half, u64 base, u64 offset) {
    Page page{.va = base + offset, .level = 3, .place = 0, .space = s, .group_lg2 = 0};
    if (page.va % pow2(block_lg2()) == 0 && start_level(half.tsz) <= 2 && chance(2)) {
      page.level = 2;
    }
    const bool crossing = std::ranges::any_of(pages_, [&](const Page& p) {
      const bool one_block = align_down(p.va, block_lg2()) == align_down(page.va, block_lg2());
      const bool in_group = p.group_lg2 != 0 && (p.va ^ page.va) < group_bytes();
      return p.space == s && (in_group || (one_block && (p.level != 3 || page.level != 3)));
    });
    if (crossing) return;
    page.place = builder_.entry(half.root, granule_, half.tsz, offset, page.level);
    restrict_table(half, offset, page.level);
    page.group_lg2 = group(page);
    pages_.push_back(page);
    if (!chance(4)) map(page);
  }

  [[nodiscard]] u64 group_bytes() const { return page_size() << spec::contiguous_lg2(granule_, 3); }
  /// What begins where a contiguous group may, and has no other page where that would be, is one in
  /// two times. Not where flags are updated, of which one stands for the group.
  unsigned group(const Page& page) {
    if (granule_ == Granule::g16k || page.level != 3 || page.va % group_bytes() != 0 ||
        updates_.dw0 != 0 || shape_engine_() % 2 != 0) {
      return 0;
    }
    const bool alone = std::ranges::none_of(pages_, [&](const Page& p) {
      return p.space == page.space && (p.va ^ page.va) < group_bytes();
    });
    return alone ? spec::contiguous_lg2(granule_, 3) : 0;
  }

  /// One table in eight takes something away of what is below it: APTable, UXNTable, PXNTable.
  void restrict_table(const Half& half, u64 offset, unsigned level) {
    if (!all_rights_ || extra_engine_() % 8 != 0 || level == start_level(half.tsz)) {
      return;
    }
    const u64 above = builder_.entry(half.root, granule_, half.tsz, offset, level - 1);
    builder_.store(above, builder_.word(above) | u64{1} << (59 + extra_engine_() % 4));
  }

  u64 leaf(const Page& page) {
    LeafBits bits;
    if (all_rights_) {
      if (extra_engine_() % 6 == 0) bits.user = false;
      if (extra_engine_() % 24 == 0) bits.af = false;
      if (extra_engine_() % 8 == 0) bits.extra |= u64{1} << 53;  // PXN
      if (extra_engine_() % 8 == 0) bits.extra |= u64{1} << 54;  // UXN
    }
    bits.writable = !chance(4);
    bits.ng = !globals_ || chance(2);
    clear_flags(bits);
    if (page.group_lg2 != 0) bits.extra |= spec::descriptor_bits::contiguous;
    return leaf_word(granule_, page.level, output(page), bits);
  }
  u64 output(const Page& page) {
    if (page.group_lg2 != 0) {
      return align_down(builder_.data(), page_shift(granule_) + page.group_lg2) +
             group_bytes() * pick(2);
    }
    if (page.level == 3) return builder_.data(page_size() * pick(16));
    const u64 block = align_down(builder_.data(), block_lg2());
    return granule_ == Granule::g4k ? block + pow2(block_lg2()) * pick(2) : block;
  }
  /// Its leaf, or those of the group.
  void map(const Page& page) {
    const u64 first = leaf(page);
    for (u64 i = 0; i < pow2(page.group_lg2); ++i) {
      builder_.store(page.place + 8 * i, first + page_size() * i);
    }
  }
  void unmap(const Page& page) {
    for (u64 i = 0; i < pow2(page.group_lg2); ++i) builder_.store(page.place + 8 * i, 0);
  }
  /// Somewhere in it, where it leads to data.
  u64 inside(const Page& page) {
    u64 offset = 0;
    if (page.level != 3) offset = builder_.data() % pow2(block_lg2()) + 0x1000 * pick(8);
    if (page.group_lg2 != 0) offset = page_size() * (shape_engine_() % pow2(page.group_lg2));
    if (granule_ != Granule::g4k) offset += 0x1000 * (shape_engine_() % (page_size() / 0x1000));
    return page.va + offset;
  }

  spec::Cd<u64> cd_of(unsigned s) {
    const Space& space = spaces_[s];
    spec::Cd<u64> cd = builder_.plain_cd(space.half[0].root, space.half[0].tsz, space.asid);
    cd.dw[0] |= space.flavour.dw0 | updates_.dw0 | tg0_of(granule_) << 6;
    cd.dw[1] |= space.flavour.ttb0 | updates_.ttb0;
    if (!space.half[1].on) return cd;
    cd.dw[0] = with_bits(cd.dw[0], 21, 16, space.half[1].tsz);
    cd.dw[0] = with_bits(cd.dw[0], 23, 22, tg1_of(granule_));
    cd.dw[0] = with_bits(cd.dw[0], 30, 30, 0);  // EPD1
    cd.dw[2] = space.half[1].root | space.flavour.ttb1;
    return cd;
  }

  void access() {
    const auto e = static_cast<unsigned>(pick(engines_));
    u64 va = 0x1000 * pick(5);
    if (!pages_.empty() && !chance(6)) {
      va = inside(pages_[pick(pages_.size())]);
    }
    const DeviceIdentity& device = builder_.device();
    DmaAttributes attributes;
    attributes.privileged = device.sends_privileged && chance(4);
    attributes.instruction = device.sends_instructions && chance(4);
    if (streams_[e].lg2 != 0 && !chance(4)) {
      attributes.substream = static_cast<u32>(pick(pow2(streams_[e].lg2) + 1));
    }
    if (device.saves && chance(6)) builder_.save();
    // Beyond the output size it would owe a record, which directed cases ask for: here what owes
    // one is to be told by what changes meanwhile.
    if (passes_untranslated(e)) va &= mask(builder_.capabilities().oas_lg2 - 1, 0);
    const u64 place = va;
    if (device.iova_end == 0 && chance(16)) va ^= pick(256) << 56;  // a tag in the top byte
    va += 4 * pick(64);
    builder_.access(va, chance(2) && leads_to_data(e, place), engine(e), attributes);
  }
  /// Whether some accesses of it do: by Config or by S1DSS.
  bool passes_untranslated(unsigned e) const {
    const spec::Ste<u64>& ste = streams_[e].ste;
    constexpr u64 bypass = 4, s1dss_bypass = 1;
    return bits(ste.dw[0], 3, 1) == bypass ||
           (streams_[e].lg2 != 0 && bits(ste.dw[1], 1, 0) == s1dss_bypass);
  }
  /// If it leads anywhere: not to the queues, tables and structures, which DMA is to leave alone,
  /// nor to what is no RAM and keeps what it was told. A block of 32 MiB has all of these in it,
  /// wherever it is mapped: another space may have one where this one has a page.
  bool leads_to_data(unsigned e, u64 va) const {
    if (passes_untranslated(e)) return false;
    return std::ranges::none_of(pages_, [&](const Page& page) {
      return page.level != 3 && align_down(page.va, block_lg2()) == align_down(va, block_lg2()) &&
             (va - builder_.data()) % pow2(block_lg2()) >= builder_.device().data_bytes;
    });
  }

  /// Whichever engine sends it, to the first pages.
  [[nodiscard]] bool all_lead_to_data() const {
    for (unsigned e = 0; e < engines_; ++e) {
      if (!leads_to_data(e, 0)) return false;
    }
    return true;
  }

  Command cover(const Page& page) {
    const unsigned asid = spaces_[page.space].asid;
    switch (pick(7)) {
      case 0: return spec::cmd_tlbi_nsnh_all();
      case 1: return spec::cmd_tlbi_nh_all(0);
      case 2: return spec::cmd_tlbi_nh_asid(0, static_cast<u16>(asid));
      default: break;
    }
    Command command;
    command.op = chance(3) ? Opcode::tlbi_nh_vaa : Opcode::tlbi_nh_va;
    if (command.op == Opcode::tlbi_nh_va) {
      command.asid = chance(10) ? 1 + pick(3) : asid;
    }
    command.address = page.va;
    if (page.group_lg2 != 0) {
      command.address += page_size() * (shape_engine_() % pow2(page.group_lg2));
    }
    command.leaf = !chance(3);
    if (builder_.capabilities().ril && chance(2)) {
      command.tg = 1 + static_cast<u64>(granule_);
      command.ttl = chance(2) ? page.level : 0;
      command.num = pick(4);
      command.scale = chance(3) ? pick(12) : pick(3);
      if (extra_engine_() % 16 == 0) command.scale = 12 + extra_engine_() % 20;
      if (command.ttl == 0 && command.num == 0 && command.scale == 0) command.num = 1;
      if (chance(4) && page.va >= 2 * page_size()) command.address -= page_size();
      if (command.ttl == 2) command.address = align_down(command.address, block_lg2());
    }
    return command;
  }

  /// Break before make: nothing valid takes the place of something valid before a CMD_SYNC.
  void change_page() {
    if (pages_.empty()) return;
    const Page page = pages_[pick(pages_.size())];
    if ((builder_.word(page.place) & 1) == 0) {
      map(page);
      return;
    }
    unmap(page);
    if (chance(3)) access();
    if (chance(4)) return;  // stale from here on
    builder_.command(cover(page));
    if (chance(8)) return;
    builder_.sync();
    if (chance(2)) map(page);
  }

  void change_stream() {
    const auto e = static_cast<unsigned>(pick(engines_));
    const u64 place = builder_.ste_place(stream_id(e));
    spec::Ste<u64> next = streams_[e].ste;
    const u64 kind = pick(4);
    if (kind == 0) next = spec::make_abort_ste();
    if (kind == 1) next.dw[0] = 0;
    // One word says it: Config and V.
    builder_.store(place,
                   kind < 2 ? (next.dw[0] | (builder_.word(place) & ~mask(3, 0))) : next.dw[0]);
    if (chance(4)) return;
    const u32 sid = stream_id(e);
    builder_.command(chance(3)   ? spec::cmd_cfgi_all()
                     : chance(2) ? spec::cmd_cfgi_ste(sid, chance(2))
                                 : spec::cmd_cfgi_ste_range(sid, static_cast<unsigned>(pick(8))));
    builder_.sync();
  }

  /// Another space for an engine or a substream of it: through an invalid CD.
  void change_cd() {
    const auto e = static_cast<unsigned>(pick(engines_));
    const u32 sid = stream_id(e);
    const auto number = static_cast<u32>(pick(pow2(streams_[e].lg2)));
    const u64 first = streams_[e].cds + 64 * u64{number};
    const auto cfgi = [&] {
      builder_.command(chance(3)   ? spec::cmd_cfgi_cd_all(sid)
                       : chance(3) ? spec::cmd_cfgi_ste(sid, chance(2))
                                   : spec::cmd_cfgi_cd(sid, number, chance(2)));
      builder_.sync();
    };
    builder_.store(first, builder_.word(first) & ~(u64{1} << 31));
    if (chance(2)) access();
    cfgi();
    const auto s = static_cast<unsigned>(pick(spaces_.size()));
    const spec::Cd<u64> cd = wild(cd_of(s));
    for (unsigned i = spec::cd_words; i-- != 1;) {
      const u64 place = first + 8 * i;
      if (builder_.word(place) != cd.dw[i]) builder_.store(place, cd.dw[i]);
    }
    cfgi();
    builder_.store(first, cd.dw[0]);
    if (!chance(4)) cfgi();
  }

  /// A request, a translated access, an invalidation.
  void ats_step() {
    const auto draw = [&](u64 n) { return ats_engine_() % n; };
    const auto e = static_cast<unsigned>(draw(engines_));
    u64 va = 0x1000 * draw(5);
    if (!pages_.empty() && draw(6) != 0) va = pages_[draw(pages_.size())].va;
    switch (draw(4)) {
      case 0:
        return builder_.access(builder_.data(4 * draw(4096)), draw(2) == 0, engine(e),
                               {.translated = true});
      case 1: {
        Command command = atc_inv(stream_id(e), va, static_cast<unsigned>(draw(53)));
        command.ssv = builder_.capabilities().ssidsize != 0 && draw(3) == 0;
        if (command.ssv) command.ssid = draw(4);
        if (command.ssv) command.global = draw(4) == 0;
        builder_.command(command);
        if (draw(2) == 0) builder_.sync();
        return;
      }
      default: {
        DmaAttributes attributes;
        if (streams_[e].lg2 != 0 && draw(4) != 0) {
          attributes.substream = static_cast<u32>(draw(pow2(streams_[e].lg2) + 1));
          attributes.privileged = draw(4) == 0;
        }
        builder_.request(va + 4 * draw(64), draw(2) == 0, engine(e), attributes);
      }
    }
  }

  /// Some page requests, a response, a look at the queue.
  void page_step() {
    const auto draw = [&](u64 n) { return page_engine_() % n; };
    const auto e = static_cast<unsigned>(draw(engines_));
    std::optional<u32> ssid;
    if (builder_.capabilities().ssidsize >= 2 && draw(2) == 0) ssid = static_cast<u32>(draw(4));
    const auto index = static_cast<u32>(draw(8));
    switch (draw(8)) {
      case 0: return builder_.page_poll(draw(4) == 0);
      case 1:
        builder_.command(pri_resp(stream_id(e), index, static_cast<unsigned>(draw(3)), ssid));
        if (draw(2) == 0) builder_.sync();
        return;
      default: break;
    }
    for (u64 left = draw(4); left != ~u64{0}; --left) {
      spec::PageRequest request{.ssid = ssid, .address = 0x1000 * draw(64), .prg_index = index};
      request.last = left == 0 && draw(4) != 0;
      request.read = draw(2) == 0;
      request.write = draw(3) == 0;
      request.execute = draw(4) == 0;
      request.privileged = draw(4) == 0;
      builder_.page_request(request, engine(e));
    }
    if (draw(3) == 0) builder_.page_poll();
  }

  /// What was told and waits: one time in two it is tried again, as things are now.
  void answer_stalls() {
    builder_.poll();
    builder_.resume(stall_engine_() % 2 == 0, stall_engine_() % 2 == 0);
  }

  void step() {
    if (builder_.device().ats && ats_engine_() % 6 == 0) ats_step();
    if (builder_.device().pri && page_engine_() % 6 == 0) page_step();
    if (stalls_ && stall_engine_() % 6 == 0) answer_stalls();
    if (extras_.due()) extras_.step(all_lead_to_data());
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3: access(); return;
      case 4:
      case 5:
      case 6:
      case 7:
        change_page();
        access();
        return;
      case 8:
        change_stream();
        access();
        return;
      case 9:
        change_cd();
        access();
        return;
      case 10:
        if (chance(2)) {
          builder_.poll();
        } else if (!pages_.empty()) {
          builder_.command(cover(pages_[pick(pages_.size())]));
        }
        return;
      default:
        if (!chance(3)) {
          builder_.sync();
          return;
        }
        builder_.disable();
        if (chance(2)) builder_.invalidate_all();
        builder_.enable(atschk_);
        return;
    }
  }

  struct Space {
    std::array<Half, 2> half;
    unsigned asid = 1;
    Flavour flavour;
  };

  std::mt19937_64 engine_;
  std::mt19937_64 extra_engine_;  // of its own: what it decides moves nothing else
  std::mt19937_64 ats_engine_;    // likewise
  std::mt19937_64 page_engine_;   // likewise
  std::mt19937_64 flag_engine_;   // likewise
  std::mt19937_64 shape_engine_;  // likewise
  std::mt19937_64 stall_engine_;  // likewise
  std::size_t first_engine_;
  Granule granule_ = Granule::g4k;
  Flavour updates_;
  bool two_level_ = false;  // before the builder, which is told of it
  CaseBuilder builder_;
  RandomExtras extras_;
  std::vector<Space> spaces_;
  std::vector<Page> pages_;
  std::vector<Stream> streams_;
  unsigned engines_ = 1;
  u64 next_asid_ = 16;  // of CDs that share their tag with no other
  /// Rights of each privilege are for engines that send both; directed cases ask the others.
  const bool all_rights_ = builder_.device().sends_privileged;
  unsigned asid_step_ = 1;  // from one space's ASID to the next
  bool globals_ = false;
  bool atschk_ = false;
  bool stalls_ = false;  // CD.S = 1 in some spaces
};

}  // namespace

Case random_case(const DeviceIdentity& device, u64 seed, u64 number) {
  Case made = is_stage2_case(device, number) ? random_stage2_case(device, seed, number)
                                             : RandomCase(device, seed, number).make();
  if (std::mt19937_64(seed * 0x94d049bb133111eb + number)() % 2 == 0) return made;
  return published_together(made).value_or(made);
}

}  // namespace iommucheck::oracle
