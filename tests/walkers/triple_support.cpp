// SPDX-License-Identifier: MIT
#include "tests/walkers/triple_support.h"

namespace iommucheck::walkers {

namespace {

using spec::Capabilities;
using spec::Cd;
using spec::Granule;
using spec::Ste;

class Drawing {
 public:
  Drawing(u64 seed, const Capabilities& caps, GivenMemory& memory)
      : draw_(seed), caps_(caps), memory_(memory) {}

  Triple triple() {
    constexpr u64 goods[] = {8, 40, 400};
    const u64 good = goods[draw_.below(3)];
    big_ = caps_.ttendian == 3 || (caps_.ttendian == 0 && one_in(8));
    young_ = caps_.httu != 0 && !one_in(3);
    memory_.begin(draw_.next(), {.good = good, .big = big_, .young = young_});
    Triple t;
    t.smmu.caps = caps_;
    t.smmu.smmuen = !one_in(64);
    t.smmu.gbpa_abort = one_in(2);
    t.smmu.e2h = caps_.hyp && one_in(2);
    t.smmu.recinvsid = one_in(2);
    t.strtab = address();
    const bool two_level = caps_.two_level_stream_table && one_in(3);
    t.strtab_cfg = static_cast<u32>(6 | (two_level ? pick({6, 8, 10}) << 6 | u64{1} << 16 : 0));
    t.smmu.streams = spec::stream_table_of(t.strtab, t.strtab_cfg, caps_);
    const Ste<u64> ste = broken(this->ste());
    t.access = access(ste);
    plant_ste(t, ste);
    plant_cd(t, ste);
    return t;
  }

 private:
  bool one_in(u64 n) { return draw_.below(n) == 0; }
  u64 pick(std::initializer_list<u64> of) { return *(of.begin() + draw_.below(of.size())); }
  u64 address() { return draw_.next() & 0xffff'f000; }

  /// Now and then a bit of it is another one.
  template <class Words>
  Words broken(Words words) {
    if (one_in(16)) words.dw[draw_.below(5)] ^= u64{1} << draw_.below(64);
    if (one_in(200)) words.dw[draw_.below(4)] = draw_.next();
    return words;
  }

  spec::Access access(const Ste<u64>& ste) {
    spec::Access a{.sid = static_cast<u32>(one_in(40) ? draw_.below(80) : 5)};
    const bool substreams = spec::substreams_used(ste, caps_).value;
    a.ssv = substreams ? !one_in(4) : one_in(30);
    a.ssid = static_cast<u32>(one_in(20) ? draw_.below(1 << 20)
                                         : draw_.below(u64{1} << std::min<u64>(ste.s1cdmax(), 20)));
    if (!a.ssv) a.ssid = 0;
    a.type = static_cast<spec::AccessType>(draw_.below(3));
    a.privileged = one_in(2);
    const u64 low = draw_.next() >> (one_in(8) ? 16 : draw_.below(20) + 32);
    a.va = one_in(3) ? ~low : low;
    if (one_in(8)) a.va ^= draw_.next() & mask(63, 56);  // a tag
    if (one_in(30)) a.va = draw_.next();
    a.route = spec::Route::untranslated;
    return a;
  }

  u64 flag(unsigned place, u64 n = 2) { return u64{one_in(n)} << place; }
  u64 stalls(unsigned place) {
    if (one_in(60)) return flag(place);
    if (caps_.stall_model == spec::StallModel::both) return flag(place, 4);
    return u64{caps_.stall_model == spec::StallModel::always} << place;
  }
  /// HA, HD and HAFT, and what is illegal of it.
  u64 updates(unsigned ha, unsigned hd) {
    if (one_in(60)) return flag(ha) | flag(hd);
    if (caps_.httu == 0 || (!young_ && one_in(2))) return 0;
    return u64{1} << ha | (caps_.httu >= 2 ? flag(hd) : 0);
  }
  Granule granule() {
    for (;;) {
      const auto g = static_cast<Granule>(draw_.below(3));
      if (g == Granule::g4k ? caps_.gran4k : g == Granule::g16k ? caps_.gran16k : caps_.gran64k) {
        return g;
      }
      if (one_in(40)) return g;
    }
  }

  Ste<u64> ste() {
    Ste<u64> s;
    u64 config = caps_.s1p && caps_.s2p ? pick({5, 5, 6, 7, 7, 7}) : caps_.s1p ? 5 : 6;
    if (one_in(30)) config = draw_.below(8);
    const u64 cdmax =
        caps_.ssidsize == 0 || one_in(20) ? draw_.below(32) : draw_.below(caps_.ssidsize + 1);
    const u64 format = caps_.cd2l ? draw_.below(3) : flag(0, 40);
    s.dw[0] = 1 | config << 1 | format << 4 | address() | cdmax << 59;
    s.dw[1] = draw_.below(3) | flag(25) |
              flag(27, caps_.stall_model == spec::StallModel::both ? 4 : 60) | flag(28, 4) |
              (one_in(3) ? draw_.below(4) << 30 : flag(31)) | draw_.below(4) << 48 |
              draw_.below(4) << 50 | draw_.next() % 64 << 32;
    const Granule tg = granule();
    const auto [t0sz, sl0] = stage2_input(tg);
    const u64 code = tg == Granule::g4k ? 0 : tg == Granule::g64k ? 1 : 2;
    s.dw[2] = draw_.below(256) | t0sz << 32 | sl0 << 38 | code << 46 |
              pick({5, 5, 6, draw_.below(8)}) << 48 | u64{1} << 51 | u64{big_} << 52 | flag(53, 3) |
              flag(54, 6) | updates(56, 55) | stalls(57) | flag(58);
    if (caps_.httu == 3 && (s.dw[2] >> 56 & 1) != 0) s.dw[2] |= flag(59);
    s.dw[3] = address() | draw_.below(4096);
    return s;
  }

  /// S2T0SZ and S2SL0 that fit, in most cases.
  std::pair<u64, u64> stage2_input(Granule tg) {
    u64 t0sz = 0, sl0 = 0;
    for (unsigned i = 0; i < 40; ++i) {
      t0sz = 64 - caps_.oas_lg2 + draw_.below(65 - (64 - caps_.oas_lg2)) % 32;
      sl0 = draw_.below(4);
      const unsigned start = spec::stage2_start_level(tg, sl0, caps_.stt);
      if (spec::stage2_start_legal(tg, start, t0sz).value && t0sz <= 32) break;
    }
    return {t0sz & 63, sl0};
  }

  Cd<u64> cd() {
    Cd<u64> c;
    u64 w = u64{1} << 31 | u64{1} << 41;
    for (const unsigned x : {0U, 1U}) {
      const Granule tg = granule();
      constexpr u64 codes[2][3] = {{0, 2, 1}, {2, 1, 3}};
      const u64 tsz = one_in(20) ? draw_.below(64) : 16 + draw_.below(one_in(3) ? 24 : 12);
      w |= (tsz | codes[x][static_cast<unsigned>(tg)] << 6) << 16 * x;
      w |= draw_.below(64) << (8 + 16 * x) | flag(14 + 16 * x, 10);
      c.dw[1 + x] = address() | (draw_.next() & 0xff0) | flag(1) | flag(2, 6);
    }
    w |= u64{big_} << 15 | pick({5, 5, 6, draw_.below(8)}) << 32 | flag(35, 3) | flag(36, 4) |
         flag(38) | flag(39) | flag(40, 3) | updates(43, 42) | stalls(44) | flag(45) |
         (caps_.term_model ? u64{1} : flag(0)) << 46 | flag(47) | draw_.below(256) << 48;
    c.dw[0] = w;
    if ((w >> 43 & 1) != 0) c.dw[1] |= flag(3);
    c.dw[1] |= flag(59);
    c.dw[3] = draw_.next();
    return c;
  }

  void plant(u64 pa, std::span<const u64> words) {
    for (std::size_t i = 0; i < words.size(); ++i) memory_.put(pa + 8 * i, words[i]);
  }
  void plant_ste(const Triple& t, const Ste<u64>& ste) {
    const spec::StreamTable& table = t.smmu.streams;
    u64 place = spec::linear_ste_address<u64>(table, t.access.sid);
    if (table.two_level) {
      const u64 span = one_in(20) ? draw_.below(32) : table.split + 1;
      const spec::L1Std<u64> l1std{address() | span};
      memory_.put(spec::l1std_address<u64>(table, t.access.sid), l1std.word);
      place = spec::second_level_ste_address<u64>(table, l1std, t.access.sid);
    }
    if (t.access.sid == 5) plant(place, ste.dw);
  }
  /// Where a fetch of `address` reads; nothing where stage 2 does not let it.
  std::optional<u64> physical(const Ste<u64>& ste, u64 address) {
    if (!ste.stage2()) return address;
    struct Words {
      const GivenMemory& memory;
      bool swaps;
      std::optional<u64> read(u64 pa) const {
        const auto word = memory.word(pa);
        return word && swaps ? __builtin_bswap64(*word) : word;
      }
    } words{memory_, ste.s2endi().value};
    const auto walked = spec::walk_stage2(words, spec::stage2_of(ste, caps_), address,
                                          spec::AccessKind{}, spec::Stage2Input::cd);
    const auto* done = std::get_if<spec::Stage2Translation<u64>>(&walked);
    return done == nullptr ? std::nullopt : std::optional(done->output);
  }
  void plant_cd(const Triple& t, const Ste<u64>& ste) {
    if (!spec::decode_ste(ste, caps_).has_stage1()) return;
    const auto chosen = spec::select_substream<u64>(ste, caps_, t.access.ssv, t.access.ssid);
    if (chosen.kind != spec::SubstreamKind::cd) return;
    std::optional<u64> place = spec::linear_cd_address(ste, chosen.number);
    if (const unsigned leaf_bits = spec::cd_leaf_bits(ste, caps_); leaf_bits != 0) {
      const spec::L1Cd<u64> l1cd{address() | u64{!one_in(30)}};
      const auto at = physical(ste, spec::l1cd_address(ste, leaf_bits, chosen.number));
      if (!at) return;
      memory_.put(*at, l1cd.word);
      place = spec::second_level_cd_address(l1cd, leaf_bits, chosen.number);
    }
    place = physical(ste, *place);
    if (place) plant(*place, broken(cd()).dw);
  }

  SplitMix64 draw_;
  const Capabilities& caps_;
  GivenMemory& memory_;
  bool big_ = false, young_ = false;
};

}  // namespace

spec::Capabilities capabilities_of(const device::Features& features) {
  const device::IdWords words = device::id_words(features);
  spec::IdRegisters id;
  for (std::size_t i = 0; i < 6; ++i) id.idr[i] = words[i];
  id.iidr = words[6];
  id.aidr = words[7];
  return spec::parse_capabilities(id);
}

Triple draw_triple(u64 seed, const spec::Capabilities& caps, GivenMemory& memory) {
  return Drawing(seed, caps, memory).triple();
}

}  // namespace iommucheck::walkers
