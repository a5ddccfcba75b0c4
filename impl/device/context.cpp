// SPDX-License-Identifier: MIT
#include "impl/device/context.h"

#include <algorithm>

namespace iommucheck::device {

namespace {

constexpr unsigned split_ats = 2, full_ats = 1;

unsigned size_of(u64 encoding, const Features& f) {
  constexpr std::array<unsigned, 8> sizes = {32, 36, 40, 42, 44, 48, 52, 52};
  return std::min(sizes[encoding & 7], f.oas);
}

/// 0: no such granule.
unsigned page_of_tg0(u64 tg, const Features& f) {
  if (tg == 0 && f.gran4k) return 12;
  if (tg == 1 && f.gran64k) return 16;
  return tg == 2 && f.gran16k ? 14 : 0;
}
unsigned page_of_tg1(u64 tg, const Features& f) {
  if (tg == 2 && f.gran4k) return 12;
  if (tg == 3 && f.gran64k) return 16;
  return tg == 1 && f.gran16k ? 14 : 0;
}

bool may_stall(bool stalls, const Features& f) {
  if (f.stalls == Stalls::never) return !stalls;
  return f.stalls != Stalls::always || stalls;
}
bool endian_legal(bool big, const Features& f) {
  return f.endian == Endian::both || big == (f.endian == Endian::big);
}
bool flags_legal(bool ha, bool hd, bool haft, const Features& f) {
  if (f.httu == 0 && (ha || hd)) return false;
  if (f.httu == 1 && hd) return false;
  return f.httu != 3 || !haft || ha;
}
bool root_legal(u64 root, unsigned page, unsigned output) {
  return (root & ~low_mask(page == 16 ? output : std::min(output, 48U))) == 0;
}

struct SteFields {
  const Words& w;
  [[nodiscard]] u64 config() const { return bits(w[0], 3, 1); }
  [[nodiscard]] bool stage1() const { return bit(w[0], 3) && bit(w[0], 1); }
  [[nodiscard]] bool stage2() const { return bit(w[0], 3) && bit(w[0], 2); }
  [[nodiscard]] u64 eats() const { return bits(w[1], 29, 28); }
  [[nodiscard]] u64 strw() const { return bits(w[1], 31, 30); }
  [[nodiscard]] u64 cdmax() const { return bits(w[0], 63, 59); }
  [[nodiscard]] bool stalld() const { return bit(w[1], 27); }
  [[nodiscard]] bool s2s() const { return bit(w[2], 57); }
};

bool strw_counts(SteFields ste, const Features& f) {
  return ste.stage1() && !ste.stage2() && f.hyp && f.s1p;
}
bool substreams_count(SteFields ste, const Features& f) {
  return ste.stage1() && f.ssidsize != 0 && ste.cdmax() != 0;
}

/// 5.2.2. Split-stage ATS is not there: IDR0.NS1ATS = 1, or there is one stage only.
bool ats_legal(SteFields ste, const Features& f) {
  if (!f.ats) return true;
  if (ste.eats() == split_ats) return false;
  return ste.eats() != full_ats || !ste.stage2() || !ste.s2s();
}

bool stage1_legal(SteFields ste, const Features& f) {
  if (strw_counts(ste, f) && (ste.strw() & 1) != 0) return false;
  if (f.stalls != Stalls::optional && ste.stalld()) return false;
  if (f.ssidsize != 0 && ste.cdmax() > f.ssidsize) return false;
  const u64 format = bits(ste.w[0], 5, 4);
  if (substreams_count(ste, f) && (format == 1 || format == 2) && !f.cd2l) return false;
  return (ste.w[0] & mask(51, 6) & ~low_mask(f.oas)) == 0;
}

/// S2SL0. 4: reserved.
unsigned stage2_start(unsigned page, u64 sl0, bool small) {
  if (sl0 < 3) return (page == 12 ? 2 : 3) - static_cast<unsigned>(sl0);
  return page == 12 && small ? 3 : 4;
}

bool decode_stage2(SteFields ste, const Features& f, Context& out) {
  const u64 w = ste.w[2];
  const bool ha = bit(w, 56), hd = bit(w, 55), haft = bit(w, 59);
  const bool aarch64 = bit(w, 51), big = bit(w, 52);
  if (!may_stall(ste.s2s(), f) || !aarch64 || !flags_legal(ha, hd, haft, f)) return false;
  if (!endian_legal(big, f)) return false;
  const unsigned page = page_of_tg0(bits(w, 47, 46), f);
  if (page == 0) return false;
  const unsigned output = size_of(bits(w, 50, 48), f);
  const u64 root = ste.w[3] & mask(51, 4);
  if (!root_legal(root, page, output)) return false;
  const auto t0sz = static_cast<unsigned>(bits(w, 37, 32));
  const unsigned least = std::max(64 - f.oas, page == 16 ? 12U : 16U);
  if (t0sz < least || t0sz > tsz_most(page, f.stt)) return false;
  const unsigned start = stage2_start(page, bits(w, 39, 38), f.stt);
  if (start > 3) return false;
  // The first table resolves a bit, and 16 tables are concatenated at most.
  const unsigned input = 64 - t0sz, shift = level_shift(page, start);
  if (input <= shift || input > shift + level_bits(page) + 4) return false;

  Stage2& s2 = out.s2;
  s2.output = static_cast<u8>(output);
  s2.tables = {.root = first_table(page, start, input, root, output >= 52),
               .beyond = ~low_mask(input),
               .above = 0,
               .page = static_cast<PageLg2>(page),
               .start = static_cast<u8>(start),
               .input = static_cast<u8>(input),
               .off = false};
  s2.ha = ha;
  s2.hd = hd && ha;
  s2.haft = haft && f.httu == 3;
  s2.affd = bit(w, 53) && !ha;
  s2.ptw = bit(w, 54);
  s2.big = big;
  s2.fwb = f.fwb && bit(ste.w[1], 25);
  s2.reaction = {.stall = ste.s2s(), .record = ste.s2s() || bit(w, 58), .abort = true};
  out.stage2_tag = tag::base(World::el1, out.vmid) | tag::stage2 | tag::of_page(page);
  return true;
}

/// One half of a CD with EPDx = 0. False: ILLEGAL.
bool decode_half(const Words& cd, unsigned x, const Features& f, unsigned output, Tables& out) {
  const auto tsz = static_cast<unsigned>(bits(cd[0], 5 + 16 * x, 16 * x));
  const u64 tg = bits(cd[0], 7 + 16 * x, 6 + 16 * x);
  const unsigned page = x == 0 ? page_of_tg0(tg, f) : page_of_tg1(tg, f);
  if (page == 0) return false;
  if (tsz < (f.vax && page == 16 ? 12U : 16U) || tsz > tsz_most(page, f.stt)) return false;
  const u64 root = cd[1 + x] & mask(51, 4);
  if (!root_legal(root, page, output)) return false;
  const unsigned input = 64 - tsz, start = start_level(page, tsz);
  out.page = static_cast<PageLg2>(page);
  out.start = static_cast<u8>(start);
  out.input = static_cast<u8>(input);
  out.root = first_table(page, start, input, root, output >= 52);
  out.off = false;
  return true;
}

bool cd_legal(const Words& cd, SteFields ste, const Features& f, World world) {
  const u64 w = cd[0];
  const bool stalls = bit(w, 44), aborts = bit(w, 46);
  if (stalls && ste.stalld()) return false;
  if (!aborts && f.term_model) return false;
  if (!may_stall(stalls, f)) return false;
  const bool no_walks = world != World::el2 && bit(w, 14) && bit(w, 30);
  if (!endian_legal(bit(w, 15), f) && !no_walks) return false;
  if (!bit(w, 41)) return false;  // AA64
  if (!flags_legal(bit(w, 43), bit(w, 42), bit(cd[1], 3), f)) return false;
  return world == World::el2 || f.asid16 || bits(w, 63, 56) == 0;
}

}  // namespace

bool decode_ste(const Words& words, const Decoding& by, Context& out) {
  const Features& f = by.features;
  const SteFields ste{words};
  if (!bit(words[0], 0)) return false;
  out.way = Context::Way::abort;
  if (ste.config() < 4) return true;
  if ((ste.stage1() && !f.s1p) || (ste.stage2() && !f.s2p)) return false;
  if (f.attr_perms_ovr) {
    out.privcfg = static_cast<u8>(bits(words[1], 49, 48));
    out.instcfg = static_cast<u8>(bits(words[1], 51, 50));
  }
  out.way = Context::Way::bypass;
  if (ste.config() == 4) return true;
  if (!ats_legal(ste, f)) return false;
  const bool el2 = strw_counts(ste, f) && ste.strw() == 2;
  out.world = !el2 ? World::el1 : by.e2h ? World::el2_e2h : World::el2;
  if (f.s2p && !el2) {
    if (!f.vmid16 && bits(words[2], 15, 8) != 0) return false;
    out.vmid = static_cast<u16>(words[2]);
  }
  out.ats = f.ats && ste.eats() == full_ats;
  out.stage1 = ste.stage1();
  out.stage2 = ste.stage2();
  out.way = Context::Way::translate;
  out.xnx = f.xnx;
  if (out.stage1 && !stage1_legal(ste, f)) return false;
  return !out.stage2 || decode_stage2(ste, f, out);
}

CdChoice choose_cd(const Words& words, const Features& f, bool ssv, u32 ssid) {
  const SteFields ste{words};
  const u64 dss = bits(words[1], 1, 0);
  if (ssv) {
    if (!substreams_count(ste, f) || u64{ssid} >> ste.cdmax() != 0) {
      return {.event = Event::c_bad_substreamid};
    }
    if (ssid == 0 && dss == 2) return {.event = Event::f_stream_disabled};
    return {.number = ssid};
  }
  if (!substreams_count(ste, f) || dss == 2) return {};
  if (dss == 1) return {.bypass = true};
  return {.event = Event::f_stream_disabled};
}

unsigned cd_leaf_bits(const Words& words, const Features& f) {
  if (!substreams_count({words}, f)) return 0;
  const u64 format = bits(words[0], 5, 4);
  return format == 1 ? 6 : format == 2 ? 10 : 0;
}

bool decode_cd(const Words& cd, const Words& words, const Decoding& by, Context& out) {
  const Features& f = by.features;
  const u64 w = cd[0];
  if (!bit(w, 31) || !cd_legal(cd, {words}, f, out.world)) return false;
  Stage1& s1 = out.s1;
  s1.output = static_cast<u8>(size_of(bits(w, 34, 32), f));
  out.two_halves = out.world != World::el2;
  out.one_privilege = out.world == World::el2;
  for (unsigned x = 0; x < (out.two_halves ? 2U : 1U); ++x) {
    Tables& half = s1.half[x];
    const bool off = out.two_halves && bit(w, 14 + 16 * x);
    if (!off && !decode_half(cd, x, f, s1.output, half)) return false;
    half.had = f.had && bit(cd[1 + x], 1);
    half.e0pd = f.e0pd && out.two_halves && bit(cd[1 + x], 2);
    const bool tbi = bit(w, 38 + x);
    half.beyond = half.off ? 0 : ~low_mask(half.input) & (tbi ? mask(55, 0) : ~u64{0});
    half.above = x == 1 ? half.beyond : 0;
  }
  s1.ha = bit(w, 43) && f.httu >= 1;
  s1.hd = bit(w, 42) && s1.ha && f.httu >= 2;
  s1.haft = bit(cd[1], 3) && s1.ha && f.httu == 3;
  s1.affd = bit(w, 35) && !s1.ha;
  s1.wxn = bit(w, 36);
  s1.big = bit(w, 15);
  s1.pan = bit(w, 40) && !out.one_privilege;
  s1.epan = f.epan && bit(cd[1], 59) && !out.one_privilege;
  s1.mair = cd[3];
  const bool stalls = bit(w, 44);
  s1.reaction = {
      .stall = stalls, .record = stalls || bit(w, 45), .abort = bit(w, 46) || f.term_model};
  const u64 asid = out.world == World::el2 ? 0 : bits(w, 63, 48);
  out.own_tag = tag::base(out.world, out.vmid) | asid << tag::asid;
  out.global_tag = tag::base(out.world, out.vmid) | tag::global | (bit(w, 47) ? tag::aset : 0);
  return true;
}

}  // namespace iommucheck::device
