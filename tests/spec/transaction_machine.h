// SPDX-License-Identifier: MIT
// Random machines for tests of transaction.h: memory full of plausible and of broken STEs, CDs and
// tables, in an engine that knows of them and in a source that reads them.
#pragma once

#include <functional>
#include <utility>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

/// A number below its argument.
using Draw = std::function<u64(u64)>;

class TransactionMachine {
 public:
  /// `apart`: regimes, tags, sizes and spans of STEs are such that no look-up can meet two
  /// translations.
  TransactionMachine(Draw draw, bool apart) : draw_(std::move(draw)), apart_(apart), m_(caps()) {
    state.caps = caps_;
    state.streams = streams();
    state.e2h = caps_.hyp && chance(3);
    state.atschk = caps_.ats && chance(2);
    state.gbpa_abort = chance(2);
    state.smmuen = !chance(12);
    for (u64 table = 0; table < tables; ++table) fill_table(table);
    for (u64 i = 0; i < ste_count(); ++i) m_.put_structure(ste_place(i), draw_ste());
    for (u64 i = 0; i < cd_count; ++i) m_.put_structure(cd_place(i), draw_cd(i));
    for (u64 i = 0; i < 2; ++i) m_.put(SmallMachine::strtab + 8 * i, l1std(i));
    for (u64 i = 0; i < 2; ++i) m_.put(l1cds + 8 * i, l1cd(i));
    if (!state.streams.two_level) {
      for (u64 i = 0; i < 4; ++i) m_.put_structure(ste_place(i), draw_ste());
    }
    caches().set_gbpa_abort(state.gbpa_abort);
    caches().set_e2h(state.e2h);
    caches().set_atschk(state.atschk);
    for (u32 sid = 0; sid < 66 && caps_.ats; ++sid) caches().set_ats(sid, true);
    caches().set_stream_table(state.streams);
    if (!state.smmuen) return;
    caches().write_smmuen(true);
    caches().acknowledge_smmuen();
  }

  Caches& caches() { return m_.caches; }

  /// A store somewhere, or a command; visible, complete, or not.
  void disturb() {
    m_.step();
    switch (draw_(4)) {
      case 0: m_.caches.store(AgentId::cpu0, table_word(), draw_entry()); break;
      case 1: {
        const u64 place = chance(2) ? ste_place(draw_(ste_count())) : cd_place(draw_(cd_count));
        const u64 word = draw_(5);
        const u64 old = m_.caches.memory().newest(place + 8 * word).value;
        m_.caches.store(AgentId::cpu0, place + 8 * word, chance(2) ? 0 : old ^ flip());
        break;
      }
      case 2: m_.caches.barrier(AgentId::cpu0); break;
      default: {
        Command command;
        command.op = chance(2) ? Opcode::cfgi_ste_range : Opcode::tlbi_nsnh_all;
        command.range = 31;  // CFGI_ALL
        m_.caches.expose(command, true);
        if (chance(2)) m_.caches.complete(m_.caches.expose(cmd_sync(), true));
      }
    }
  }

  Access draw_access() {
    Access access;
    access.sid = static_cast<u32>(state.streams.two_level
                                      ? (chance(8) ? pick({3, 127, 128}) : pick({0, 1, 64, 65}))
                                      : draw_(chance(8) ? 5 : 4));
    access.ssv = chance(3);
    if (access.ssv) access.ssid = static_cast<u32>(pick({0, 1, 2, 1, 0, 2, 64, 9}));
    access.type = static_cast<AccessType>(draw_(3));
    access.privileged = chance(2);
    access.route = caps_.ats && chance(3) ? Route::translated : Route::untranslated;
    for (const unsigned shift : {30U, 21U, 12U}) access.va |= pick({0, 1, 511, 256}) << shift;
    if (chance(3)) access.va &= mask(29, 0);
    if (chance(5)) access.va |= mask(63, 39);
    if (chance(6)) access.va ^= draw_(256) << 56;
    access.va += draw_(4096);
    if (chance(12)) access.va ^= u64{1} << draw_(64);
    return access;
  }

  SmmuState state;

 private:
  static constexpr u64 tables = 5, cd_count = 4, l1cds = 0x208000, cds = SmallMachine::cds;

  bool chance(u64 n) { return draw_(n) == 0; }
  u64 pick(std::initializer_list<u64> of) { return *(of.begin() + draw_(of.size())); }
  u64 flip() { return u64{1} << draw_(64); }
  u64 garbage() { return draw_(u64{1} << 32) << 32 | draw_(u64{1} << 32); }

  const Capabilities& caps() {
    Capabilities& c = caps_ = full_capabilities();
    c.gran16k = c.gran64k = false;  // the engine follows 4 KiB
    c.hyp = chance(2);
    c.ats = !chance(3);
    c.s2p = chance(2);
    c.cd2l = !chance(4);
    c.httu = static_cast<unsigned>(draw_(3));
    c.had = c.e0pd = c.epan = !chance(4);
    c.attr_perms_ovr = !chance(4);
    c.asid16 = c.vmid16 = chance(2);
    c.ssidsize = chance(5) ? 0 : 8;
    c.term_model = chance(4);
    c.stall_model = static_cast<StallModel>(draw_(3));
    c.aarch32 = chance(5);
    c.oas_lg2 = static_cast<unsigned>(pick({48, 48, 40, 36}));
    c.ttendian = chance(2) ? 2 : 0;
    return c;
  }

  StreamTable streams() {
    StreamTable table;
    table.base = SmallMachine::strtab;
    table.two_level = chance(2);
    table.log2size = table.sid_bits = table.two_level ? 7 : 2;
    return table;
  }
  u64 ste_count() const { return 4; }
  u64 ste_place(u64 i) const {
    if (!state.streams.two_level) return SmallMachine::strtab + ste_bytes * i;
    return SmallMachine::strtab + 0x2000 + (i / 2) * 0x1000 + (i % 2) * ste_bytes;
  }
  u64 cd_place(u64 i) const { return i < 3 ? cds + cd_bytes * i : cds + 0x1000; }

  u64 l1std(u64 i) {
    if (!state.streams.two_level)
      return m_.caches.memory().newest(SmallMachine::strtab + 8 * i).value;
    if (chance(8)) return 0;
    return (SmallMachine::strtab + 0x2000 + i * 0x1000) | (chance(6) ? pick({2, 1, 8, 31}) : 7);
  }
  u64 l1cd(u64 i) {
    if (chance(8)) return chance(2) ? 0 : (u64{1} << 50) | 1;
    return (cds + 0x1000 * i) | 1;
  }

  Ste<u64> draw_ste() {
    Ste<u64> ste = draw_any_ste();
    if (apart_) ste.dw[1] &= ~mask(16, 13);  // CONT
    return ste;
  }
  Ste<u64> draw_any_ste() {
    if (chance(10)) return Ste<u64>{{garbage() | 1, garbage(), garbage(), garbage()}};
    if (chance(8)) return chance(2) ? make_bypass_ste() : make_abort_ste();
    if (caps_.s2p && chance(3)) return draw_stage2_ste();
    const bool two_levels = caps_.cd2l && chance(3);
    Ste<u64> ste = make_stage1_ste({.s1contextptr = two_levels ? l1cds : cds,
                                    .s1cdmax = static_cast<unsigned>(draw_(3) * 3),
                                    .s1fmt = two_levels || chance(20) ? 1U : 0U,
                                    .s1dss = static_cast<unsigned>(pick({0, 1, 2, 2})),
                                    .eats = chance(2) ? 1U : 0U,
                                    .strw = caps_.hyp && chance(3) ? 2U : 0U,
                                    .s2vmid = static_cast<unsigned>(draw_(2))});
    ste.dw[1] |= draw_(4) << 48 | draw_(4) << 50;  // PRIVCFG, INSTCFG
    if (caps_.s2p && chance(3)) ste = with_random_stage2(ste);
    if (chance(8)) ste.dw[draw_(3)] ^= flip();
    return ste;
  }

  /// Both stages.
  Ste<u64> with_random_stage2(const Ste<u64>& stage1) {
    const Ste<u64> stage2 = draw_stage2_ste();
    Ste<u64> both = stage1;
    both.dw[0] |= u64{2} << 1;
    both.dw[1] |= stage2.dw[1] & (u64{1} << 25);
    both.dw[2] = stage2.dw[2];
    both.dw[3] = stage2.dw[3];
    return both;
  }

  /// Stage 2 alone: one table at the start level, a part of one, or two side by side.
  Ste<u64> draw_stage2_ste() {
    struct Shape {
      unsigned t0sz, sl0;
    };
    constexpr Shape shapes[] = {{25, 1}, {25, 1}, {24, 1}, {16, 2}, {31, 1}, {33, 0}};
    const Shape shape = shapes[draw_(std::size(shapes))];
    Ste<u64> ste = with_stage2(make_bypass_ste(),
                               {.s2ttb = table(draw_(tables)),
                                .s2t0sz = shape.t0sz,
                                .s2sl0 = shape.sl0,
                                .s2ps = static_cast<unsigned>(pick({5, 5, 2, 0})),
                                .s2vmid = static_cast<unsigned>(apart_ ? ++vmids_ : draw_(2)),
                                .s2r = chance(2)});
    ste.dw[1] |= draw_(4) << 48 | draw_(4) << 50;  // PRIVCFG, INSTCFG
    if (chance(2)) ste.dw[1] |= u64{1} << 28;      // EATS
    if (chance(4)) ste.dw[1] |= u64{1} << 36 | draw_(16) << 32;
    if (chance(4)) ste.dw[1] |= draw_(2) << 25;  // S2FWB
    ste.dw[2] |= draw_(2) << 53;                 // S2AFFD
    if (caps_.stall_model == StallModel::always) ste.dw[2] |= u64{1} << 57;
    if (caps_.httu >= 1 && chance(2)) ste.dw[2] |= u64{1} << 56;
    if (caps_.httu >= 2 && chance(2)) ste.dw[2] |= u64{1} << 55;
    if (chance(8)) ste.dw[draw_(4)] ^= flip();
    return ste;
  }

  Cd<u64> draw_cd(u64 number) {
    if (chance(12)) return Cd<u64>{{garbage() | u64{1} << 31, garbage(), garbage(), garbage()}};
    const bool stalls = caps_.stall_model == StallModel::always ||
                        (caps_.stall_model == StallModel::both && chance(4));
    Cd<u64> cd = make_cd({.ttb0 = table(draw_(tables)),
                          .asid = static_cast<unsigned>(apart_ ? number + 1 : draw_(2)),
                          .t0sz = static_cast<unsigned>(pick({16, 25, 25, 30})),
                          .ips = static_cast<unsigned>(pick({5, 5, 2, 0})),
                          .aset = chance(2),
                          .ha = caps_.httu >= 1 && chance(2),
                          .hd = caps_.httu >= 2 && chance(2),
                          .s = stalls,
                          .epd0 = chance(8),
                          .mair = garbage()});
    if (chance(2)) {  // the upper half too
      cd.dw[0] &= ~mask(30, 16);
      cd.dw[0] |= pick({16, 25, 25}) << 16 | u64{2} << 22;
      cd.dw[2] = table(draw_(tables));
    }
    cd.dw[0] |= draw_(4) << 35 | draw_(8) << 38;  // AFFD, WXN, TBI, PAN
    cd.dw[1] |= draw_(2) << 1 | draw_(2) << 59;   // HAD0, EPAN
    cd.dw[2] |= draw_(2) << 1;
    if (chance(4)) cd.dw[1 + draw_(2)] |= 4;                         // E0PDx
    if (chance(4)) cd.dw[0] &= ~(u64{1} << pick({45, 45, 46, 41}));  // R, A, AA64
    if (chance(8)) cd.dw[draw_(4)] ^= apart_ ? flip() & ~mask(63, 48) : flip();
    return cd;
  }

  static u64 table(u64 n) { return SmallMachine::root + n * 0x1000; }
  u64 table_word() { return table(draw_(tables)) + 8 * pick({0, 1, 511, 256, 2}); }
  void fill_table(u64 n) {
    for (const u64 index : {u64{0}, u64{1}, u64{511}, u64{256}})
      m_.put(table(n) + 8 * index, draw_entry());
  }
  /// Most words are a pointer in a table above the last level, and a page there.
  u64 draw_entry() {
    const u64 rights = draw_(4) << 6 | draw_(2) << 11 | (chance(4) ? draw_(16) << 51 : 0);
    u64 word = table(draw_(tables)) | 3 | rights | draw_(8) << 2 | draw_(4) << 8;
    if (!chance(4)) word |= u64{1} << 10;
    const u64 kind = draw_(20);
    if (kind == 0) word = 0;
    if (kind == 1) word = garbage();
    if (kind == 2) word |= draw_(16) << 59;                        // APTable, UXNTable, PXNTable
    if (kind == 3) word |= u64{1} << (32 + draw_(15));             // beyond some output size
    if (kind == 4) word = (word & ~mask(29, 0)) | rights | 0x401;  // a block
    if (apart_) word = (word | u64{1} << 11) & ~(u64{1} << 52);  // not global, no contiguous groups
    return word;
  }

  Draw draw_;
  bool apart_;
  u64 vmids_ = 16;
  Capabilities caps_;
  SmallMachine m_;
};

/// Newest memory.
struct NewestWords {
  const Memory& memory;
  bool unknown = false;  ///< it read what nobody knows
  std::optional<u64> read(Structure /*kind*/, u64 pa) {
    const Content content = memory.newest(pa);
    unknown |= content.unknown;
    return content.value;
  }
};

/// All of an access by a source: by ATS it asks, and uses what it is granted.
template <WordSource Source>
Outcome whole_transaction(Source& source, const SmmuState& state, const Access& access) {
  if (access.route != Route::translated) return untranslated_transaction(source, state, access);
  const AtsCompletion completion = ats_request(source, state, access);
  const OutcomeKind kind = completion.granted.kind;
  if (kind == OutcomeKind::denied || kind == OutcomeKind::any) return completion.granted;
  Access sent = access;
  sent.va = completion.granted.pa;
  return translated_transaction(source, state, sent, completion.granted);
}

}  // namespace iommucheck::spec
