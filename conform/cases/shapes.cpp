// SPDX-License-Identifier: MIT
// Tables of every shape: T0SZ of each granule, S2SL0 with each S2T0SZ and S2TG, legal or not; the
// granule of one stage over that of the other; first tables as small as they may be. IHI 0070 5.2
// (S2SL0, S2T0SZ, S2TG, S2FWB), 5.4 (T0SZ, TTB0), DDI 0487 D8.2.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;

constexpr unsigned size_end = 64;  // of a field of six bits
constexpr std::size_t streams_each = 4;

u64 kib_of(Granule granule) { return pow2(page_shift(granule)) / 1024; }

// ---- sizes: of each value of the field, by several streams of one case --------------------------

/// Of each stream another size: its first page and its last one, and what is beyond.
void ask(CaseBuilder& b, unsigned engine, u64 page, u64 end) {
  const u64 reachable = b.device().iova_end == 0 ? ~u64{0} : b.device().iova_end;
  for (const u64 at : {page, end - page, end}) {
    if (at < reachable) b.both(at, engine);
  }
}

void t0sz_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
               unsigned first) {
  CaseBuilder b(device,
                fmt::format("shapes: T0SZ from {}, granule {} KiB", first, kib_of(granule)));
  const spec::Capabilities& caps = b.capabilities();
  const u64 page = pow2(page_shift(granule));
  const std::size_t streams = std::min(streams_each, device.sids.size());
  for (unsigned e = 0; e < streams; ++e) {
    const unsigned tsz = first + e;
    const bool legal = tsz >= 16 && tsz <= spec::tsz_max(granule, caps.stt);
    const u64 root = b.root(granule, legal ? tsz : 25);
    if (legal) {
      const u64 end = pow2(64 - tsz);
      // Of the first page too: what is beyond the end might be taken for it.
      for (const u64 at : {u64{0}, page}) b.map(root, at, b.data(page * e), 3, {}, granule, tsz);
      b.map(root, end - page, b.data(page * e), 3, {}, granule, tsz);
    }
    spec::Cd<u64> cd = b.plain_cd(root, tsz, 1 + e);
    cd.dw[0] |= tg0_of(granule) << 6;
    b.cd(e, cd);
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  for (unsigned e = 0; e < streams; ++e) {
    const unsigned tsz = first + e;
    ask(b, e, page, pow2(64 - std::clamp(tsz, 12U, 48U)));
  }
  b.poll();
  cases.push_back(b.take());
}

void s2t0sz_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule granule,
                 unsigned sl0, unsigned first) {
  CaseBuilder b(device, fmt::format("shapes: S2T0SZ from {}, S2SL0 {}, granule {} KiB", first, sl0,
                                    kib_of(granule)));
  const spec::Capabilities& caps = b.capabilities();
  const unsigned lowest = std::max(16U, 64 - ias_lg2(caps));
  const u64 page = pow2(page_shift(granule));
  std::vector<unsigned> asked;
  for (unsigned e = 0; e < std::min(streams_each, device.sids.size()); ++e) {
    const unsigned t0sz = first + e;
    Stage2Shape shape{granule, sl0, spec::stage2_start_level<u64>(granule, sl0, caps.stt), t0sz};
    if (start_is_open(shape, caps.oas_lg2)) continue;
    const bool legal = t0sz >= lowest && t0sz <= spec::tsz_max(granule, caps.stt) &&
                       spec::stage2_start_legal<u64>(granule, shape.start, t0sz);
    spec::Stage2SteFields fields;
    if (legal) {
      Stage2Tables tables(b, shape, 1 + e);
      for (const u64 at : {u64{0}, page}) tables.map(at, b.data(page * e));
      tables.map(tables.end() - page, b.data(page * e));
      fields = tables.fields();
    } else {
      fields = {.s2ttb = b.memory(4096),
                .s2t0sz = t0sz,
                .s2sl0 = sl0,
                .s2tg = static_cast<unsigned>(tg0_of(granule)),
                .s2ps = static_cast<unsigned>(spec::address_size_encoding(caps.oas_lg2)),
                .s2vmid = 1 + e,
                .s2s = b.always_stalls()};
    }
    b.ste(e, spec::with_stage2(spec::make_bypass_ste(), fields));
    asked.push_back(e);
  }
  if (asked.empty()) return;
  b.enable();
  for (const unsigned e : asked) ask(b, e, page, pow2(64 - std::clamp(first + e, 12U, 48U)));
  b.poll();
  cases.push_back(b.take());
}

// ---- small first tables -------------------------------------------------------------------------

/// Of two and of four descriptors, at each place within 64 bytes: where outputs have less than 52
/// bits it is aligned to its size alone.
void small_root_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned tsz) {
  CaseBuilder b(device, fmt::format("shapes: a first table of {} descriptors within 64 bytes",
                                    pow2(34 - tsz)));
  const u64 place = b.tables(64, 64), bytes = pow2(34 - tsz + 3);
  const std::size_t streams = std::min<std::size_t>(64 / bytes, device.sids.size());
  for (unsigned e = 0; e < streams; ++e) {
    const u64 root = place + bytes * e;
    b.map(root, 0x1000, b.data(0x1000 * u64{e}), 3, {}, Granule::g4k, tsz);
    b.cd(e, b.plain_cd(root, tsz, 1 + e));
    b.ste(e, b.stage1_ste(e));
  }
  b.enable();
  for (unsigned e = 0; e < streams; ++e) b.both(0x1000, e);
  b.poll();
  cases.push_back(b.take());
}

// ---- one granule over another -------------------------------------------------------------------

constexpr unsigned guest_tsz = 25;
constexpr u64 window_ipa = u64{1} << 31, window_bytes = u64{4} << 16;

/// Stage 2 of any granule: the structures where they are, and a window of data whose pages are in
/// another order than its addresses.
class OtherGranule {
 public:
  OtherGranule(CaseBuilder& b, Granule granule)
      : stage2_(b, shape_of(b.capabilities(), granule), 1) {
    const u64 block = pow2(level_shift(granule, 2));
    const u64 first = b.device().structures_pa, end = first + b.device().structures_bytes;
    for (u64 at = first; at < end; at += block) stage2_.map(at, at, Stage2Tables::all, 2);
    const u64 page = stage2_.page();
    for (u64 at = 0; at < window_bytes; at += page) {
      stage2_.map(window_ipa + at, b.data(window_bytes - page - at));
    }
  }
  static Stage2Shape shape_of(const spec::Capabilities& caps, Granule granule) {
    return {granule, 1, spec::stage2_start_level<u64>(granule, 1, caps.stt), 31};
  }
  static bool fits(const spec::Capabilities& caps, Granule granule) {
    const Stage2Shape shape = shape_of(caps, granule);
    return ias_lg2(caps) >= 33 && spec::stage2_start_legal<u64>(granule, shape.start, shape.t0sz) &&
           !start_is_open(shape, caps.oas_lg2);
  }
  [[nodiscard]] spec::Ste<u64> ste(const CaseBuilder& b) const {
    return spec::with_stage2(b.stage1_ste(0), stage2_.fields());
  }

 private:
  Stage2Tables stage2_;
};

/// Pages and a block of stage 1 over pages of stage 2, in both orders: what is filled first answers
/// for no more than both say. And requests of ATS, whose answer covers no more.
enum class Order : u8 { forwards, backwards, requests };
constexpr const char* order_names[] = {"", ", backwards", ", requests of ATS"};

void granules_case(const DeviceIdentity& device, std::vector<Case>& cases, Granule one, Granule two,
                   Order order) {
  CaseBuilder b(device, fmt::format("shapes: {} KiB over {} KiB{}", kib_of(one), kib_of(two),
                                    order_names[static_cast<u8>(order)]));
  const OtherGranule below(b, two);
  const u64 page = pow2(page_shift(one)), block = pow2(level_shift(one, 2));
  const u64 root = b.root(one, guest_tsz);
  for (u64 at = 0; at < window_bytes; at += page) {
    b.map(root, 4 * block + at, window_ipa + at, 3, {}, one, guest_tsz);
  }
  b.map(root, 5 * block, window_ipa, 2, {}, one, guest_tsz);
  spec::Cd<u64> cd = b.plain_cd(root, guest_tsz);
  cd.dw[0] |= tg0_of(one) << 6;
  b.cd(0, cd);
  spec::Ste<u64> ste = below.ste(b);
  if (order == Order::requests) ste.dw[1] = with_bits(ste.dw[1], 29, 28, 1);
  b.ste(0, ste);
  b.enable();
  std::vector<u64> offsets = {0x10,   0x1010,  0x3010,  0x4010,  0x5010,
                              0xf010, 0x10010, 0x11010, 0x2f010, 0x3f010};
  if (order == Order::backwards) std::ranges::reverse(offsets);
  for (const u64 first : {5 * block, 4 * block}) {
    for (const u64 offset : offsets) {
      if (order != Order::requests) {
        b.both(first + offset);
        continue;
      }
      for (const bool writes : {false, true}) b.request(first + offset, writes);
    }
  }
  b.poll();
  cases.push_back(b.take());
}

// ---- memory types of stage 2, by which S2PTW decides --------------------------------------------

/// The guest's last table lies in a page of each type. With S2FWB bits mean other types.
void memory_type_cases(const DeviceIdentity& device, std::vector<Case>& cases, bool fwb) {
  for (u64 attributes = 0; attributes < 16; ++attributes) {
    CaseBuilder b(device, fmt::format("shapes: S2PTW and a table with MemAttr {}{}", attributes,
                                      fwb ? ", S2FWB = 1" : ""));
    GuestTables guest(b);
    constexpr unsigned last = GuestTables::levels - 1;
    const u64 rest = Stage2Tables::may_read | Stage2Tables::may_write | Stage2Tables::af;
    guest.stage2.map(GuestTables::table_ipa(last), guest.table_pa[last], rest | attributes << 2);
    spec::Ste<u64> ste = guest.ste();
    ste.dw[2] |= u64{1} << 54;
    if (fwb) ste.dw[1] |= u64{1} << 25;
    b.cd_at(guest.cd_pa, guest.cd);
    b.ste(0, ste);
    b.enable();
    b.both(GuestTables::va);
    b.poll();
    cases.push_back(b.take());
  }
}

}  // namespace

void shape_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  const std::vector<Granule> granules = granules_of(caps);
  for (const Granule granule : granules) {
    for (unsigned size = 0; size < size_end; size += streams_each) {
      if (caps.s1p) t0sz_case(device, cases, granule, size);
      for (unsigned sl0 = 0; sl0 < 4 && caps.s2p; ++sl0) {
        s2t0sz_case(device, cases, granule, sl0, size);
      }
    }
  }
  if (caps.s1p && caps.gran4k && caps.oas_lg2 < 52) {
    for (const unsigned tsz : {33U, 32U}) small_root_case(device, cases, tsz);
  }
  if (!caps.s1p || !caps.s2p) return;
  for (const Granule two : granules) {
    if (!OtherGranule::fits(caps, two)) continue;
    for (const Granule one : granules) {
      for (const Order order : {Order::forwards, Order::backwards, Order::requests}) {
        if (order == Order::requests && !(device.ats && caps.ats)) continue;
        granules_case(device, cases, one, two, order);
      }
    }
  }
  if (!caps.gran4k) return;
  memory_type_cases(device, cases, false);
  if (caps.fwb) memory_type_cases(device, cases, true);
}

}  // namespace iommucheck::oracle
