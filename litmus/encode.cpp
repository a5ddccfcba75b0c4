// SPDX-License-Identifier: MIT
#include "litmus/encode.h"

#include "base/bits.h"

namespace iommucheck::litmus {
namespace {

constexpr u64 attr_normal = 0xff;  // write-back, read and write allocate
constexpr u64 attr_device = 0x04;  // nGnRE

/// Collects fields into words; each field sets its bits of value and mask.
struct Words {
  std::array<MaskedWord, 8> words{};

  void set(unsigned word, unsigned hi, unsigned lo, u64 value) {
    words[word].index = word;
    words[word].value = with_bits(words[word].value, hi, lo, value);
    words[word].mask |= mask(hi, lo);
  }
  void set(unsigned word, unsigned hi, unsigned lo, const std::optional<Number>& value) {
    if (value) set(word, hi, lo, value->value);
  }
  /// An address field keeps its bits in place.
  void set_address(unsigned word, unsigned hi, unsigned lo, u64 address) {
    set(word, hi, lo, address >> lo);
  }
};

u64 config_bits(SteConfig config) {
  switch (config) {
    case SteConfig::abort: return 0b000;
    case SteConfig::bypass: return 0b100;
    case SteConfig::s1: return 0b101;
    case SteConfig::s2: return 0b110;
    case SteConfig::nest: return 0b111;
  }
  return 0;
}

u64 mair_word(MairKind kind) {
  return (attr_device << 8) | (kind == MairKind::normal ? attr_normal : attr_device);
}

/// TG0 and S2TG of a granule in KiB, and TG1. IHI 0070 5.2.2, 5.4.2.
u64 tg0_bits(u64 kib) { return kib == 4 ? 0 : kib == 64 ? 1 : 2; }
u64 tg1_bits(u64 kib) { return kib == 16 ? 1 : kib == 4 ? 2 : 3; }

/// S2SL0 of a start level: level 3 of 4 KiB is 3, others count down. IHI 0070 5.2.2.
u64 s2sl0_bits(u64 level, u64 kib) {
  if (kib != 4) return 3 - level;
  return level == 3 ? 3 : 2 - level;
}

void set_ste(Words& words, const SteLine& ste, const Resolve& resolve) {
  words.set(0, 0, 0, ste.v);
  if (ste.cfg) words.set(0, 3, 1, config_bits(*ste.cfg));
  if (ste.fmt) words.set(0, 5, 4, *ste.fmt == TableFormat::two_level ? 1 : 0);
  if (ste.cd) words.set_address(0, 51, 6, resolve(*ste.cd));
  words.set(0, 63, 59, ste.cdmax);
  words.set(1, 1, 0, ste.s1dss);
  words.set(1, 16, 13, ste.cont);
  words.set(1, 27, 27, ste.s1stalld);
  words.set(1, 29, 28, ste.eats);
  if (ste.strw) words.set(1, 31, 30, *ste.strw == StreamWorld::el2 ? 2 : 0);
  constexpr u64 codes[] = {0b00, 0b10, 0b11};  // as it comes in; one; the other
  if (ste.priv) words.set(1, 49, 48, codes[static_cast<unsigned>(*ste.priv)]);
  if (ste.inst) words.set(1, 51, 50, codes[static_cast<unsigned>(*ste.inst)]);
  words.set(2, 15, 0, ste.vmid);
  words.set(2, 37, 32, ste.s2t0sz);
  if (ste.s2sl) words.set(2, 39, 38, s2sl0_bits(ste.s2sl->value, ste.s2tg ? ste.s2tg->value : 4));
  if (ste.s2tg) words.set(2, 47, 46, tg0_bits(ste.s2tg->value));
  words.set(2, 55, 55, ste.s2hd);
  words.set(2, 56, 56, ste.s2ha);
  words.set(2, 57, 57, ste.s2s);
  words.set(2, 59, 59, ste.s2haft);
  if (ste.s2ttb) words.set_address(3, 51, 4, resolve(*ste.s2ttb));
}

void set_cd(Words& words, const CdLine& cd, const Resolve& resolve) {
  words.set(0, 5, 0, cd.t0sz);
  if (cd.tg0) words.set(0, 7, 6, tg0_bits(cd.tg0->value));
  words.set(0, 14, 14, cd.epd0);
  words.set(0, 21, 16, cd.t1sz);
  if (cd.tg1) words.set(0, 23, 22, tg1_bits(cd.tg1->value));
  words.set(0, 30, 30, cd.epd1);
  words.set(0, 31, 31, cd.v);
  words.set(0, 38, 38, cd.tbi0);
  words.set(0, 39, 39, cd.tbi1);
  words.set(0, 42, 42, cd.hd);
  words.set(0, 43, 43, cd.ha);
  words.set(0, 44, 44, cd.s);
  words.set(0, 47, 47, cd.aset);
  words.set(0, 63, 48, cd.asid);
  words.set(1, 2, 2, cd.e0pd0);
  words.set(1, 3, 3, cd.haft);
  words.set(2, 2, 2, cd.e0pd1);
  if (cd.ttb1) words.set_address(2, 51, 4, resolve(*cd.ttb1));
  if (cd.ttb) words.set_address(1, 51, 4, resolve(*cd.ttb));
  if (cd.mair) words.set(3, 63, 0, mair_word(*cd.mair));
}

std::array<u64, 8> values(const Words& words) {
  std::array<u64, 8> out{};
  for (unsigned i = 0; i < 8; ++i) out[i] = words.words[i].value;
  return out;
}

std::vector<MaskedWord> named(const Words& words) {
  std::vector<MaskedWord> found;
  for (const MaskedWord& word : words.words) {
    if (word.mask != 0) found.push_back(word);
  }
  return found;
}

u64 leaf_bits(const Descriptor& descriptor) {
  u64 word = descriptor.kind == Descriptor::Kind::page ? 3 : 1;
  word = with_bits(word, 9, 8, 3);  // inner shareable
  word = with_bits(word, 10, 10, descriptor.af0 ? 0 : 1);
  word = with_bits(word, 51, 51, descriptor.dbm ? 1 : 0);
  return with_bits(word, 52, 52, descriptor.cont ? 1 : 0);
}

u64 output_bits(u64 address) { return address & mask(47, 12); }

u64 table_word(const Descriptor& descriptor, u64 address) {
  return output_bits(address) | 3 | (u64{descriptor.af0 ? 0U : 1U} << 10);
}

}  // namespace

std::array<u64, 8> encode_ste(const SteLine& ste, const Resolve& resolve, u64 nowhere) {
  Words words;
  words.set(0, 0, 0, u64{1});
  words.set_address(0, 51, 6, nowhere);
  // Stage 2: T0SZ 25, start level 1, 4 KiB, write-back, 48 bits, AArch64, faults recorded.
  words.set(2, 37, 32, u64{25});
  words.set(2, 39, 38, u64{1});
  words.set(2, 41, 40, u64{1});
  words.set(2, 43, 42, u64{1});
  words.set(2, 45, 44, u64{3});
  words.set(2, 50, 48, u64{5});
  words.set(2, 51, 51, u64{1});
  words.set(2, 58, 58, u64{1});
  words.set_address(3, 51, 4, nowhere);
  set_ste(words, ste, resolve);
  return values(words);
}

std::array<u64, 8> encode_cd(const CdLine& cd, const Resolve& resolve, u64 empty_table) {
  Words words;
  words.set(0, 5, 0, u64{25});  // T0SZ
  words.set(0, 9, 8, u64{1});   // IR0, OR0, SH0: write-back, inner shareable
  words.set(0, 11, 10, u64{1});
  words.set(0, 13, 12, u64{3});
  words.set(0, 21, 16, u64{25});  // T1SZ, and TG1, IR1, OR1, SH1 as for TTB0
  words.set(0, 23, 22, tg1_bits(4));
  words.set(0, 25, 24, u64{1});
  words.set(0, 27, 26, u64{1});
  words.set(0, 29, 28, u64{3});
  words.set(0, 30, 30, u64{1});  // EPD1
  words.set(0, 31, 31, u64{1});  // V
  words.set(0, 34, 32, u64{5});  // IPS: 48 bits
  words.set(0, 41, 41, u64{1});  // AA64
  words.set(0, 45, 45, u64{1});  // R
  words.set(0, 46, 46, u64{1});  // A
  words.set_address(1, 51, 4, empty_table);
  words.set_address(2, 51, 4, empty_table);
  words.set(3, 63, 0, mair_word(MairKind::normal));
  set_cd(words, cd, resolve);
  return values(words);
}

std::vector<MaskedWord> encode_fields(const SteLine& ste, const Resolve& resolve) {
  Words words;
  set_ste(words, ste, resolve);
  return named(words);
}

std::vector<MaskedWord> encode_fields(const CdLine& cd, const Resolve& resolve) {
  Words words;
  set_cd(words, cd, resolve);
  return named(words);
}

std::vector<MaskedWord> encode_fields(const L1StdLine& line, const Resolve& resolve) {
  Words words;
  words.set(0, 4, 0, line.span);
  if (line.l2) words.set_address(0, 51, 6, resolve(*line.l2));
  return named(words);
}

std::vector<MaskedWord> encode_fields(const L1CdLine& line, const Resolve& resolve) {
  Words words;
  words.set(0, 0, 0, line.v);
  if (line.l2) words.set_address(0, 51, 12, resolve(*line.l2));
  return named(words);
}

u64 encode_stage1(const Descriptor& descriptor, u64 address) {
  if (descriptor.kind == Descriptor::Kind::zero) return 0;
  if (descriptor.kind == Descriptor::Kind::table) return table_word(descriptor, address);
  u64 word = leaf_bits(descriptor) | output_bits(address);
  word = with_bits(word, 4, 2, descriptor.device ? 1 : 0);
  word = with_bits(word, 6, 6, descriptor.priv ? 0 : 1);
  word = with_bits(word, 7, 7, descriptor.writable ? 0 : 1);
  if (descriptor.nt) word = with_bits(word, 16, 16, 1);
  word = with_bits(word, 53, 53, descriptor.pxn ? 1 : 0);
  word = with_bits(word, 54, 54, descriptor.uxn ? 1 : 0);
  return with_bits(word, 11, 11, descriptor.global ? 0 : 1);
}

u64 encode_stage2(const Descriptor& descriptor, u64 address) {
  if (descriptor.kind == Descriptor::Kind::zero) return 0;
  if (descriptor.kind == Descriptor::Kind::table) return table_word(descriptor, address);
  u64 word = leaf_bits(descriptor) | output_bits(address);
  word = with_bits(word, 5, 2, descriptor.device ? 0x1 : 0xf);
  word = with_bits(word, 6, 6, 1);
  if (descriptor.xn) word = with_bits(word, 54, 53, 2);
  return with_bits(word, 7, 7, descriptor.writable ? 1 : 0);
}

}  // namespace iommucheck::litmus
