// SPDX-License-Identifier: MIT
#include "litmus/twin/decode.h"

#include <algorithm>

#include "base/bits.h"

namespace iommucheck::litmus::twin {
namespace {

constexpr unsigned reserved = 0;  // no granule

/// TG0 and S2TG; TG1 (IHI 0070 5.2, 5.4).
unsigned granule_of_tg0(u64 code) {
  return code == 0 ? 12 : code == 1 ? 16 : code == 2 ? 14 : reserved;
}
unsigned granule_of_tg1(u64 code) {
  return code == 1 ? 14 : code == 2 ? 12 : code == 3 ? 16 : reserved;
}

/// Levels are as many as the bits above the granule need.
unsigned start_level(unsigned input, unsigned granule) {
  const unsigned each = granule - 3;
  return 4 - (input - granule + each - 1) / each;
}

/// Arch 2.3, IHI 0070 5.2 "S2T0SZ", "S2SL0", 3.4.1: false where it is ILLEGAL.
bool read_stage2(const FourWords& words, Stage2& to) {
  const u64 w2 = words[2].word;
  to.vmid = static_cast<u16>(bits(w2, 15, 0));
  to.ha = bit(w2, 56);
  to.hd = bit(w2, 55) && to.ha;
  to.haft = bit(w2, 59) && to.ha;
  const unsigned granule = granule_of_tg0(bits(w2, 47, 46));
  const auto t0sz = static_cast<unsigned>(bits(w2, 37, 32));
  const auto sl0 = static_cast<unsigned>(bits(w2, 39, 38));
  if (granule == reserved || t0sz < 16 || t0sz > 39) return false;
  if (bit(w2, 59) && !bit(w2, 56)) return false;  // S2HAFT without S2HA
  if (sl0 == 3) return false;                     // level 3 of 4 KiB is for small tables, IDR3.STT
  to.tree.granule = granule;
  to.tree.input = 64 - t0sz;
  to.tree.start = granule != 12 ? 3 - sl0 : 2 - sl0;
  to.tree.root = words[3].word & mask(51, 4);
  // One table up to 16 side by side: the start level resolves 1 bit at least, and 4 more at most
  // than a whole table does.
  const unsigned below = to.tree.shift(to.tree.start);
  return to.tree.input > below && to.tree.input <= below + (granule - 3) + 4;
}

Half read_half(bool disabled, u64 ttb, u64 tsz, unsigned granule, bool& illegal) {
  Half half;
  half.disabled = disabled;
  if (disabled) return half;
  // Arch 3.4 #9; 64 KiB may resolve no more than 48 bits here.
  const bool bad = granule == reserved || tsz < 16 || tsz > 39;
  illegal |= bad;
  if (bad) return half;
  half.tree.root = ttb & mask(51, 4);
  half.tree.granule = granule;
  half.tree.input = static_cast<unsigned>(64 - tsz);
  half.tree.start = start_level(half.tree.input, granule);
  return half;
}

}  // namespace

u64 Tree::index(u64 address, unsigned level) const {
  const u64 inside = address & mask(input - 1, 0);
  if (level == start) return inside >> shift(level);
  return (inside >> shift(level)) & mask(granule - 4, 0);
}

u64 Tree::table_bytes(unsigned level) const {
  return level == start ? pow2(input - shift(level) + 3) : pow2(granule);
}

u64 Tree::group(unsigned level) const {
  if (granule == 12) return 16;
  if (granule == 14) return level == 3 ? 128 : 32;
  return 32;
}

Ste decode_ste(const FourWords& words, bool e2h) {
  Ste ste;
  const u64 w0 = words[0].word;
  ste.unknown = !words[0].known;
  ste.valid = bit(w0, 0);
  if (ste.unknown || !ste.valid) return ste;
  ste.unknown = !words[1].known || !words[2].known;
  switch (bits(w0, 3, 1)) {
    case 0b100: ste.config = Ste::Config::bypass; break;
    case 0b101: ste.config = Ste::Config::s1; break;
    case 0b110: ste.config = Ste::Config::s2; break;
    case 0b111: ste.config = Ste::Config::nest; break;
    default: ste.config = Ste::Config::abort; break;
  }
  ste.unknown |= ste.has_stage2() && !words[3].known;
  ste.cds = w0 & mask(51, 6);
  ste.cdmax = static_cast<unsigned>(bits(w0, 63, 59));
  ste.two_level = bits(w0, 5, 4) == 1 && ste.cdmax != 0;
  ste.s1dss = static_cast<unsigned>(bits(words[1].word, 1, 0));
  ste.cont = static_cast<unsigned>(bits(words[1].word, 16, 13));
  ste.eats = static_cast<unsigned>(bits(words[1].word, 29, 28));
  ste.privcfg = static_cast<unsigned>(bits(words[1].word, 49, 48));
  ste.instcfg = static_cast<unsigned>(bits(words[1].word, 51, 50));
  // With stage 2 STRW is IGNORED: IHI 0070 5.2.
  const bool el2 = bits(words[1].word, 31, 30) == 2 && !ste.has_stage2();
  ste.world = !el2 ? World::el1 : e2h ? World::el2_e2h : World::el2;
  ste.vmid = ste.world == World::el1 ? static_cast<u16>(bits(words[2].word, 15, 0)) : u16{0};
  // Arch 2.3 #3: split-stage ATS wants both stages; #7: S1CDMax up to SSIDSIZE = 20.
  ste.illegal = ste.has_stage1() && ste.cdmax > 20;
  ste.illegal |= ste.eats == 2 && (ste.config == Ste::Config::s1 || ste.config == Ste::Config::s2);
  // IHI 0070 5.2: what stalls at stage 2 has no ATS.
  ste.s1stalld = ste.has_stage1() && bit(words[1].word, 27);
  ste.s2s = ste.has_stage2() && bit(words[2].word, 57);
  ste.illegal |= ste.s2s && (ste.eats == 1 || ste.eats == 2);
  if (ste.has_stage2()) ste.illegal |= !read_stage2(words, ste.stage2);
  return ste;
}

bool same_but_cont(const FourWords& a, const FourWords& b) {
  for (unsigned i = 0; i < a.size(); ++i) {
    const u64 counts = i == 1 ? ~mask(16, 13) : ~u64{0};
    if (a[i].known != b[i].known || ((a[i].word ^ b[i].word) & counts) != 0) return false;
  }
  return true;
}

Cd decode_cd(const FourWords& words, const Ste& ste) {
  Cd cd;
  const u64 w0 = words[0].word;
  cd.unknown = !words[0].known;
  cd.valid = bit(w0, 31);
  if (cd.unknown || !cd.valid) return cd;
  cd.unknown = !words[1].known || !words[3].known;
  const bool two_halves = has_asids(ste.world);
  Regime& regime = cd.regime;
  regime.tag = {ste.world, ste.vmid, static_cast<u16>(bits(w0, 63, 48))};
  if (!has_asids(ste.world)) regime.tag.asid = 0;
  regime.hd = bit(w0, 42) && bit(w0, 43);
  regime.ha = bit(w0, 43);
  regime.haft = bit(words[1].word, 3) && regime.ha;
  regime.aset = bit(w0, 47);
  regime.mair = words[3].word;
  cd.stalls = bit(w0, 44);
  cd.illegal = !bit(w0, 41);  // arch 3.4 #6: no AArch32
  cd.illegal |= cd.stalls && ste.s1stalld;
  cd.illegal |= bit(words[1].word, 3) && !bit(w0, 43);  // HAFT without HA
  // EL2 without E2H has one half, in which EPD0 has no effect.
  regime.half[0] = read_half(bit(w0, 14) && two_halves, words[1].word, bits(w0, 5, 0),
                             granule_of_tg0(bits(w0, 7, 6)), cd.illegal);
  if (two_halves) {
    cd.unknown |= !bit(w0, 30) && !words[2].known;
    regime.half[1] = read_half(bit(w0, 30), words[2].word, bits(w0, 21, 16),
                               granule_of_tg1(bits(w0, 23, 22)), cd.illegal);
    regime.half[1].tbi = bit(w0, 39);
    regime.half[0].e0pd = bit(words[1].word, 2);
    regime.half[1].e0pd = bit(words[2].word, 2);
  }
  regime.half[0].tbi = bit(w0, 38);
  return cd;
}

L1 decode_l1std(Value value) {
  L1 l1;
  l1.unknown = !value.known;
  l1.span = static_cast<unsigned>(bits(value.word, 4, 0));
  l1.valid = l1.span != 0 && l1.span <= stream_table_split + 1;
  // The array is aligned to its size.
  if (l1.valid) l1.pointer = align_down(value.word & mask(51, 6), 5 + l1.span);
  return l1;
}

L1 decode_l1cd(Value value) {
  L1 l1;
  l1.unknown = !value.known;
  l1.valid = bit(value.word, 0);
  l1.pointer = value.word & mask(51, 12);
  return l1;
}

namespace {

/// What both stages read alike: nothing more of a table.
Decoded decode_common(u64 word, unsigned level, const Tree& tree) {
  Decoded out;
  if (!bit(word, 0)) return out;
  const bool second = bit(word, 1);
  if (level == 3 && !second) return out;  // reserved
  // Blocks: level 1 and 2 of 4 KiB, level 2 of the others (48 bits).
  if (!second && (level == 0 || (level == 1 && tree.granule != 12))) return out;
  out.kind = level < 3 && second ? DescriptorKind::table : DescriptorKind::leaf;
  out.out = word & mask(47, out.kind == DescriptorKind::table ? tree.granule : tree.shift(level));
  out.af = bit(word, 10);
  if (out.kind == DescriptorKind::table) return out;
  out.nt = level < 3 && bit(word, 16);
  out.dbm = bit(word, 51);
  out.cont = bit(word, 52);
  return out;
}

}  // namespace

Decoded decode_descriptor(u64 word, unsigned level, const Tree& tree, u64 mair) {
  Decoded out = decode_common(word, level, tree);
  if (out.kind != DescriptorKind::leaf) return out;
  const auto attribute = mair >> (bits(word, 4, 2) * 8) & 0xff;
  out.device = (attribute & 0xf0) == 0;
  out.writable = !bit(word, 7);
  out.user = bit(word, 6);
  out.pxn = bit(word, 53);
  out.uxn = bit(word, 54);
  out.global = !bit(word, 11);
  return out;
}

Decoded decode_stage2(u64 word, unsigned level, const Tree& tree) {
  Decoded out = decode_common(word, level, tree);
  if (out.kind != DescriptorKind::leaf) return out;
  out.device = bits(word, 5, 4) == 0;
  out.readable = bit(word, 6);
  out.writable = bit(word, 7);
  out.uxn = bit(word, 54);
  return out;
}

bool permits(const Rights& rights, World world, Kind kind) {
  const bool writable = rights.writable || rights.dirtyable;
  if (world == World::el2) {
    return kind.type == Kind::Type::read    ? true
           : kind.type == Kind::Type::write ? writable
                                            : !rights.uxn;
  }
  switch (kind.type) {
    case Kind::Type::read: return kind.privileged || rights.user;
    case Kind::Type::write: return writable && (kind.privileged || rights.user);
    case Kind::Type::execute: break;
  }
  // What users may write is not executed with privilege.
  return kind.privileged ? !rights.pxn && !(rights.user && writable) : !rights.uxn;
}

bool permits(const Rights2& rights, Kind kind) {
  switch (kind.type) {
    case Kind::Type::read: return rights.readable;
    case Kind::Type::write: return rights.writable || rights.dirtyable;
    case Kind::Type::execute: break;
  }
  return rights.readable && !rights.xn;
}

Kind without_pasid(Kind kind) {
  return {kind.type == Kind::Type::write ? Kind::Type::write : Kind::Type::read, false};
}

Kind overridden(const Ste& ste, Kind kind) {
  if (ste.privcfg >= 2) kind.privileged = ste.privcfg == 3;
  if (ste.instcfg >= 2 && kind.type != Kind::Type::write) {
    kind.type = ste.instcfg == 3 ? Kind::Type::execute : Kind::Type::read;
  }
  return kind;
}

u64 untagged(u64 va) { return bit(va, 55) ? va | mask(63, 56) : va & mask(55, 0); }

bool in_range(const Half& half, u64 va) {
  if (half.tbi) va = untagged(va);
  // With EPDx = 1 TxSZ is ignored: nothing says where the half ends but VA[55].
  const unsigned n = half.disabled ? 55 : half.tree.input;
  return half_of(va) == 0 ? (va >> n) == 0 : (~va >> n) == 0;
}

bool in_range(const Stage2& stage2, u64 ipa) { return (ipa >> stage2.tree.input) == 0; }

}  // namespace iommucheck::litmus::twin
