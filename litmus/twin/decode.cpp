// SPDX-License-Identifier: MIT
#include "litmus/twin/decode.h"

#include "base/bits.h"

namespace iommucheck::litmus::twin {

Ste decode_ste(const FourWords& words) {
  Ste ste;
  const u64 w0 = words[0].word;
  ste.unknown = !words[0].known;
  ste.valid = bit(w0, 0);
  if (ste.unknown || !ste.valid) return ste;
  ste.unknown = !words[1].known || !words[2].known;
  switch (bits(w0, 3, 1)) {
    case 0b100: ste.config = Ste::Config::bypass; break;
    case 0b101: ste.config = Ste::Config::s1; break;
    case 0b110:
    case 0b111: ste.config = Ste::Config::other; break;
    default: ste.config = Ste::Config::abort; break;
  }
  ste.cds = w0 & mask(51, 6);
  ste.cdmax = static_cast<unsigned>(bits(w0, 63, 59));
  ste.two_level = bits(w0, 5, 4) == 1 && ste.cdmax != 0;
  ste.s1dss = static_cast<unsigned>(bits(words[1].word, 1, 0));
  ste.eats = static_cast<unsigned>(bits(words[1].word, 29, 28));
  ste.privcfg = static_cast<unsigned>(bits(words[1].word, 49, 48));
  ste.instcfg = static_cast<unsigned>(bits(words[1].word, 51, 50));
  ste.world = bits(words[1].word, 31, 30) == 2 ? World::el2 : World::el1;
  ste.vmid = ste.world == World::el1 ? static_cast<u16>(bits(words[2].word, 15, 0)) : u16{0};
  // Arch 2.3 #3: split-stage ATS wants both stages; #7: S1CDMax up to SSIDSIZE = 20.
  ste.illegal =
      ste.config == Ste::Config::s1 && (bits(words[1].word, 29, 28) == 2 || ste.cdmax > 20);
  return ste;
}

Cd decode_cd(const FourWords& words, const Ste& ste) {
  Cd cd;
  const u64 w0 = words[0].word;
  cd.unknown = !words[0].known;
  cd.valid = bit(w0, 31);
  if (cd.unknown || !cd.valid) return cd;
  cd.unknown = !words[1].known || !words[3].known;
  Regime& regime = cd.regime;
  regime.tag = {ste.world, ste.vmid, static_cast<u16>(bits(w0, 63, 48))};
  if (ste.world == World::el2) regime.tag.asid = 0;
  // EPD0 has no effect where there is one table only.
  regime.epd0 = bit(w0, 14) && ste.world == World::el1;
  regime.hd = bit(w0, 42) && bit(w0, 43);
  regime.ha = bit(w0, 43);
  regime.haft = bit(words[1].word, 3) && regime.ha;
  regime.aset = bit(w0, 47);
  regime.tbi0 = bit(w0, 38);
  regime.e0pd0 = bit(words[1].word, 2) && ste.world == World::el1;
  regime.mair = words[3].word;
  cd.illegal = !bit(w0, 41);                            // arch 3.4 #6: no AArch32
  cd.illegal |= bit(words[1].word, 3) && !bit(w0, 43);  // HAFT without HA
  if (!regime.epd0) {
    regime.ttb = words[1].word & mask(51, 4);
    regime.t0sz = static_cast<unsigned>(bits(w0, 5, 0));
    cd.illegal |= regime.t0sz < 16 || regime.t0sz > 39;  // arch 3.4 #9
  }
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

Decoded decode_descriptor(u64 word, unsigned level, u64 mair) {
  Decoded out;
  if (!bit(word, 0)) return out;
  const bool second = bit(word, 1);
  if (level == 3 && !second) return out;  // reserved
  if (level == 0 && !second) return out;  // no blocks there
  out.kind = level < 3 && second ? DescriptorKind::table : DescriptorKind::leaf;
  out.out = word & mask(47, out.kind == DescriptorKind::table ? 12 : level_shift(level));
  out.af = bit(word, 10);
  if (out.kind == DescriptorKind::table) return out;
  const auto attribute = bits(mair, 63, 0) >> (bits(word, 4, 2) * 8) & 0xff;
  out.device = (attribute & 0xf0) == 0;
  out.writable = !bit(word, 7);
  out.user = bit(word, 6);
  out.pxn = bit(word, 53);
  out.uxn = bit(word, 54);
  out.nt = level < 3 && bit(word, 16);
  out.global = !bit(word, 11);
  out.dbm = bit(word, 51);
  out.cont = bit(word, 52);
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

unsigned start_level(unsigned t0sz) { return t0sz <= 24 ? 0 : t0sz <= 33 ? 1 : 2; }

u64 untagged(u64 va) { return bit(va, 55) ? va | mask(63, 56) : va & mask(55, 0); }

bool in_range(const Regime& regime, u64 va) {
  if (regime.tbi0) va = untagged(va);
  // With EPD0 = 1 T0SZ is ignored: nothing says where the half ends but VA[55].
  const unsigned n = regime.epd0 ? 55 : 64 - regime.t0sz;
  return (va >> n) == 0;
}

}  // namespace iommucheck::litmus::twin
