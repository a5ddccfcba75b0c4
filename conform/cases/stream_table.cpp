// SPDX-License-Identifier: MIT
// Stream tables and STEs. IHI 0070 3.3, 5.1, 5.2; arch 2.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "spec/rules/structures.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

/// A stream with one mapped page, then the STE changed before SMMUEN = 1.
template <class Change>
void with_ste(const DeviceIdentity& device, std::vector<Case>& cases, const std::string& name,
              Change&& change) {
  CaseBuilder b(device, "ste: " + name);
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.cd(0, b.plain_cd(root));
  spec::Ste<u64> ste = b.stage1_ste(0);
  change(ste, b);
  b.ste(0, ste);
  // Of EL2 bring-up has left what is cached as it was.
  const bool is_el2 = b.capabilities().hyp && ste.strw() >= 2;
  if (is_el2) {
    b.command(spec::cmd_tlbi_el2_all());
    b.sync();
  }
  b.enable();
  b.both(0x1000);
  b.poll();
  b.both(b.data(0x40));
  b.poll();
  cases.push_back(b.take());
}

void ste_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto one = [&](const std::string& name, unsigned word, unsigned hi, unsigned lo,
                       u64 value) {
    with_ste(device, cases, name, [&](spec::Ste<u64>& ste, CaseBuilder&) {
      ste.dw[word] = with_bits(ste.dw[word], hi, lo, value);
    });
  };
  one("V = 0", 0, 0, 0, 0);
  for (u64 config = 0; config < 8; ++config) {
    one(fmt::format("Config = {}", config), 0, 3, 1, config);
  }
  for (const u64 max : {1U, 5U, 20U, 31U}) one(fmt::format("S1CDMax = {}", max), 0, 63, 59, max);
  one("S1CDMax of one more than SSIDSIZE", 0, 63, 59,
      std::min(spec::parse_capabilities(device.id).ssidsize + 1, 31U));
  for (u64 format = 1; format < 4; ++format) {
    one(fmt::format("S1Fmt = {}", format), 0, 5, 4, format);
  }
  for (u64 dss = 0; dss < 4; ++dss) one(fmt::format("S1DSS = {}", dss), 1, 1, 0, dss);
  one("S1STALLD = 1", 1, 27, 27, 1);
  for (u64 eats = 1; eats < 3; ++eats) one(fmt::format("EATS = {}", eats), 1, 29, 28, eats);
  for (u64 strw = 1; strw < 4; ++strw) one(fmt::format("STRW = {}", strw), 1, 31, 30, strw);
  one("S2VMID = 5", 2, 15, 0, 5);
  one("S2VMID = 0x105", 2, 15, 0, 0x105);
  one("stage 2 fields without stage 2", 2, 58, 32, 0x7ffffff);
  // Of spans of more than 256 STEs the specification says nothing, and large ones cost much.
  for (const u64 cont : {1U, 2U, 3U}) one(fmt::format("CONT = {}, alone", cont), 1, 16, 13, cont);
  one("MEV = 1", 1, 19, 19, 1);
  one("SHCFG = 1", 1, 45, 44, 1);
  one("PRIVCFG = 3", 1, 49, 48, 3);
  one("INSTCFG = 3", 1, 51, 50, 3);
  with_ste(device, cases, "S1ContextPtr beyond OAS", [](spec::Ste<u64>& ste, CaseBuilder& b) {
    ste.dw[0] |= u64{1} << b.capabilities().oas_lg2;
  });
  with_ste(device, cases, "bypass",
           [](spec::Ste<u64>& ste, CaseBuilder&) { ste = spec::make_bypass_ste(); });
  with_ste(device, cases, "abort",
           [](spec::Ste<u64>& ste, CaseBuilder&) { ste = spec::make_abort_ste(); });
}

/// Each STE of a span made `ste`, its valid bit last.
void store_span(CaseBuilder& b, const spec::SidRange& span, const spec::Ste<u64>& ste) {
  for (u32 sid = span.first; sid <= span.last; ++sid) {
    for (unsigned word = spec::ste_words; word-- > 0;) {
      const u64 place = b.ste_place(sid) + 8 * word;
      if (b.word(place) != ste.dw[word]) b.store(place, ste.dw[word]);
    }
  }
}

/// STEs of a span that are alike, whichever of them serves; and, where the hint is gone and every
/// copy with it, one of them that is changed. IHI 0070 5.2 (CONT).
void span_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned cont : {1U, 2U}) {
    CaseBuilder b(device, fmt::format("ste: CONT = {}, all alike", cont));
    const u64 root = b.root(spec::Granule::g4k, 25);
    b.map(root, 0x1000, b.data());
    b.cd(0, b.plain_cd(root));
    const spec::SidRange span = spec::span_of(b.sid(0), cont);
    const auto invalidate = [&] {
      for (u32 sid = span.first; sid <= span.last; ++sid) {
        b.command(spec::cmd_cfgi_ste(sid, true));
      }
      b.sync();
    };
    spec::Ste<u64> ste = b.stage1_ste(0);
    ste.dw[1] = with_bits(ste.dw[1], 16, 13, cont);
    store_span(b, span, ste);
    b.enable();
    b.both(0x1000);
    ste.dw[1] = with_bits(ste.dw[1], 16, 13, 0);
    store_span(b, span, ste);
    invalidate();
    b.both(0x1000);
    b.ste(0, spec::make_abort_ste());
    invalidate();
    b.both(0x1000);
    b.poll();
    cases.push_back(b.take());
  }
}

/// Of two engines whose StreamIDs lie in the two halves of a span, one whose STE says that its half
/// is alike: the other's STE, which is right behind or before it, is another one. IHI 0070 5.2
/// (CONT).
void beside_span_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned engine,
                      unsigned beside) {
  constexpr unsigned most = 4;  // larger spans cost the specification much
  const u32 differ = device.sids[engine] ^ device.sids[beside];
  const auto cont = static_cast<unsigned>(std::bit_width(differ)) - 1;
  if (cont == 0 || cont > most) return;
  CaseBuilder b(device, fmt::format("ste: CONT = {}, the STE beside the span is another, {} first",
                                    cont, engine < beside ? "lower" : "upper"));
  const u64 root = b.root(spec::Granule::g4k, 25);
  b.map(root, 0x1000, b.data());
  b.cd(0, b.plain_cd(root));
  spec::Ste<u64> ste = b.stage1_ste(0);
  ste.dw[1] = with_bits(ste.dw[1], 16, 13, cont);
  store_span(b, spec::span_of(b.sid(engine), cont), ste);
  b.ste(beside, spec::make_bypass_ste());
  b.enable();
  b.both(0x1000, engine);
  b.both(b.data(0x40), beside);
  b.both(0x1000, engine);
  b.poll();
  cases.push_back(b.take());
}

/// The first two engines whose StreamIDs are so, each of them once the one with the span.
void beside_span_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto engines = static_cast<unsigned>(device.sids.size());
  const std::size_t before = cases.size();
  for (unsigned second = 1; second < engines && cases.size() == before; ++second) {
    for (unsigned first = 0; first < second && cases.size() == before; ++first) {
      beside_span_case(device, cases, first, second);
      beside_span_case(device, cases, second, first);
    }
  }
}

/// A table of two levels with an array for each engine, all of which pass.
void whole_table_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned log2size,
                      unsigned split) {
  CaseBuilder b(device, fmt::format("stream table: two levels, LOG2SIZE {}", log2size),
                {.log2size = log2size, .two_level = true, .split = split});
  for (unsigned e = 0; e < device.sids.size(); ++e) {
    const u64 first = device.structures_pa + 8 * (u64{b.sid(e)} >> split);
    if (b.word(first) == 0) {
      b.store(first, b.memory(u64{64} << split, u64{64} << split) | (split + 1));
    }
    b.ste(e, spec::make_bypass_ste());
  }
  b.enable();
  for (unsigned e = 0; e < device.sids.size(); ++e) b.both(b.data(0x100 * e), e);
  b.poll();
  cases.push_back(b.take());
}

void range_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  // StreamIDs beyond the table: with and without RECINVSID.
  for (const u32 cr2 : {2U, 0U}) {
    for (const unsigned log2size : {0U, 4U, 5U, 6U}) {
      CaseBuilder b(device, fmt::format("stream table: LOG2SIZE {}, CR2 {}", log2size, cr2),
                    {.log2size = log2size, .cr2 = cr2});
      for (unsigned e = 0; e < device.sids.size(); ++e) {
        if (b.sid(e) >> log2size == 0) b.ste(e, spec::make_bypass_ste());
      }
      b.enable();
      for (unsigned e = 0; e < device.sids.size(); ++e) b.both(b.data(0x100 * e), e);
      b.poll();
      cases.push_back(b.take());
    }
  }
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  // As many as there can be, by two levels.
  if (caps.two_level_stream_table && caps.sidsize >= 10 && caps.sidsize <= 20) {
    for (unsigned log2size = 10; log2size <= caps.sidsize; log2size += 2) {
      whole_table_case(device, cases, log2size, 6);
    }
  }
  // More than there can be: of them all StreamIDs are in range, and the table is aligned as if each
  // had its place. IHI 0070 6.3.24, 6.3.25 (LOG2SIZE).
  constexpr unsigned widest = 10, l1stds = 512;
  const bool fits =
      std::ranges::all_of(device.sids, [](u32 sid) { return sid >> widest < l1stds; });
  for (const unsigned log2size : {32U, 33U, 63U}) {
    const unsigned alignment_lg2 = log2size - widest + 3;
    const bool aligned =
        alignment_lg2 <= 51 && bits(device.structures_pa, alignment_lg2 - 1, 0) == 0;
    if (caps.two_level_stream_table && fits && aligned) {
      whole_table_case(device, cases, log2size, widest);
    }
  }
  // Bypass beyond the output size.
  CaseBuilder b(device, "ste: bypass beyond OAS");
  b.ste(0, spec::make_bypass_ste());
  b.enable();
  b.access(u64{1} << b.capabilities().oas_lg2);
  b.access((u64{1} << b.capabilities().oas_lg2) | b.data(), true);
  b.access(b.data());
  b.poll();
  cases.push_back(b.take());
}

/// The table is aligned to its size, whatever the low bits of its address say. IHI 0070 6.3.24.
void alignment_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned bit : {6U, 11U}) {  // 64 STEs are 2^12 bytes
    CaseBuilder b(device, fmt::format("stream table: bit {} of STRTAB_BASE is set", bit));
    b.asks(spec::rule::STREAM_TABLE_FORMAT);
    b.ste(0, spec::make_bypass_ste());
    b.write(reg::strtab_base, device.structures_pa | u64{1} << bit, 8);
    b.enable();
    b.both(b.data(0x40));
    b.poll();
    cases.push_back(b.take());
  }
  if (!spec::parse_capabilities(device.id).two_level_stream_table) return;
  // 16 L1STDs are 2^7 bytes, and 64 of them 2^9.
  for (const auto& [log2size, bit] : {std::pair{10U, 6U}, {12U, 6U}, {12U, 8U}}) {
    CaseBuilder l(device,
                  fmt::format("stream table: two levels, 2^{} STEs, bit {} of STRTAB_BASE is set",
                              log2size, bit),
                  {.log2size = log2size, .two_level = true, .split = 6});
    l.asks(spec::rule::STREAM_TABLE_FORMAT);
    l.store(device.structures_pa, l.memory(64 << 6, 64 << 6) | 7);
    l.ste(0, spec::make_bypass_ste());
    l.write(reg::strtab_base, device.structures_pa | u64{1} << bit, 8);
    l.enable();
    l.both(l.data(0x40));
    l.poll();
    cases.push_back(l.take());
  }
  CaseBuilder b(device, "stream table: two levels, bit 6 of L2Ptr is set",
                {.log2size = 10, .two_level = true, .split = 6});
  b.asks(spec::rule::L1STD_SPAN);
  const u64 array = b.memory(64 << 6, 64 << 6);
  b.store(device.structures_pa, array | 64 | 7);
  b.ste(0, spec::make_bypass_ste());
  b.enable();
  b.both(b.data(0x40));
  b.poll();
  cases.push_back(b.take());
}

void two_level_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned split,
                    u64 span, bool array_too_small) {
  CaseBuilder b(device, fmt::format("stream table: two levels, SPLIT {}, Span {}", split, span),
                {.log2size = 10, .two_level = true, .split = split});
  const u64 array = b.memory(u64{64} << split, u64{64} << split);
  const spec::StreamTable table =
      spec::stream_table_of(device.structures_pa, 10 | (split << 6) | (1U << 16), b.capabilities());
  const u64 place = spec::l1std_address<u64>(table, b.sid(0));
  b.store(place, array | span);
  if (!array_too_small) {
    b.ste(0, spec::make_bypass_ste());
  } else {
    // Where it would be if Span were large enough: it must not be used.
    const u64 index = b.sid(0) & mask(table.split - 1, 0);
    b.store(array + 64 * index, spec::make_bypass_ste().dw[0]);
    b.store(array + 64 * index + 8, spec::make_bypass_ste().dw[1]);
  }
  b.enable();
  b.both(b.data(0x40));
  b.poll();
  cases.push_back(b.take());
}

/// Values of SPLIT that are reserved behave as 6: of each engine the L1STD is the one of its upper
/// bits, and a Span that only a larger SPLIT lets be is invalid. IHI 0070 5.1, 6.3.25 (SPLIT).
void reserved_split_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr unsigned behaves_as = 6;
  // 2^12 StreamIDs, so that with each SPLIT there are several L1STDs; or as many as there are.
  const unsigned log2size =
      std::max(log2size_of(device), std::min(12U, spec::parse_capabilities(device.id).sidsize));
  if (log2size > 15) return;  // of a first level of a page
  for (const unsigned split : {0U, 1U, 5U, 7U, 9U, 11U, 12U, 16U, 31U}) {
    for (const u64 span : {u64{behaves_as + 1}, u64{behaves_as + 2}}) {
      CaseBuilder b(device,
                    fmt::format("stream table: two levels, SPLIT {}, which is reserved, Span {}",
                                split, span),
                    {.log2size = log2size, .two_level = true, .split = split});
      for (unsigned e = 0; e < device.sids.size(); ++e) {
        const u64 first = device.structures_pa + 8 * (u64{b.sid(e)} >> behaves_as);
        // As large as Span says, so that whoever believes it finds an STE that is not valid.
        if (b.word(first) == 0) b.store(first, b.memory(u64{64} << (span - 1), 64 << 8) | span);
        b.ste(e, spec::make_bypass_ste());
      }
      b.enable();
      for (unsigned e = 0; e < device.sids.size(); ++e) b.both(b.data(0x100 * e), e);
      b.poll();
      cases.push_back(b.take());
    }
  }
}

/// A table of two levels that ends just before a StreamID, or just behind it. IHI 0070 5.1, 6.3.25.
void edge_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned engine,
               unsigned log2size, u64 span) {
  constexpr unsigned split = 6;
  const u32 sid = device.sids[engine];
  CaseBuilder b(device,
                fmt::format("stream table: two levels, StreamID {:#x} of {:#x}, Span {}", sid,
                            u64{1} << log2size, span),
                {.log2size = log2size, .two_level = true, .split = split});
  // It is aligned to its own size, and to nothing larger. IHI 0070 5.1.
  constexpr u64 largest = u64{64} << split;
  const u64 array = b.memory(2 * largest, largest) + largest - (u64{64} << (span - 1));
  const spec::StreamTable table = spec::stream_table_of(
      device.structures_pa, log2size | (split << 6) | (1U << 16), b.capabilities());
  b.store(spec::l1std_address<u64>(table, sid), array | span);
  // Beyond the end stands an STE that would be used.
  const u64 place = array + 64 * (sid & mask(split - 1, 0));
  b.store(place, spec::make_bypass_ste().dw[0]);
  b.store(place + 8, spec::make_bypass_ste().dw[1]);
  b.enable();
  b.both(b.data(0x40), engine);
  b.poll();
  cases.push_back(b.take());
}

/// By LOG2SIZE and by Span, of each engine: which sizes end beside its StreamID is the device's.
void edge_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (unsigned e = 0; e < device.sids.size(); ++e) {
    const u32 sid = device.sids[e];
    const auto holds_it = static_cast<unsigned>(std::bit_width(sid));
    edge_case(device, cases, e, holds_it, 7);
    if (sid != 0) edge_case(device, cases, e, holds_it - 1, 7);
    const u64 index = sid & mask(5, 0);
    const auto span = static_cast<u64>(std::bit_width(index));  // of the half that it is not in
    if (span == 0) continue;
    edge_case(device, cases, e, 11, span);
    edge_case(device, cases, e, 11, span + 1);
  }
}

/// It becomes valid, and goes again.
void l1std_case(const DeviceIdentity& device, std::vector<Case>& cases, const char* by,
                const spec::Command& cfgi) {
  CaseBuilder b(device, fmt::format("stream table: an L1STD that becomes valid{}", by),
                {.log2size = 10, .two_level = true, .split = 6});
  const u64 array = b.memory(64 << 6, 64 << 6);
  b.enable();
  b.access(b.data());
  b.poll();
  b.store(device.structures_pa, array | 7);
  b.ste(0, spec::make_bypass_ste());
  b.command(cfgi);
  b.sync();
  b.both(b.data());
  b.poll();
  b.store(device.structures_pa, 0);
  b.command(cfgi);
  b.sync();
  b.both(b.data());
  b.poll();
  cases.push_back(b.take());
}

void two_level_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned split : {6U, 8U, 10U}) two_level_case(device, cases, split, split + 1, false);
  two_level_case(device, cases, 6, 6, false);
  two_level_case(device, cases, 6, 0, true);
  two_level_case(device, cases, 6, 3, true);  // 4 STEs, the StreamID needs 17
  two_level_case(device, cases, 6, 5, true);
  two_level_case(device, cases, 6, 8, true);   // beyond SPLIT + 1
  two_level_case(device, cases, 6, 12, true);  // reserved
  two_level_case(device, cases, 8, 31, true);
  reserved_split_cases(device, cases);
  edge_cases(device, cases);
  l1std_case(device, cases, "", spec::cmd_cfgi_ste(device.sids[0], false));
  l1std_case(device, cases, ", CFGI_STE_RANGE", spec::cmd_cfgi_ste_range(device.sids[0], 6));
  l1std_case(device, cases, ", CFGI_ALL", spec::cmd_cfgi_all());
  // From two levels to a linear table, and back, with SMMUEN = 0 in between.
  CaseBuilder b(device, "stream table: two levels, then linear",
                {.log2size = 10, .two_level = true, .split = 6});
  b.asks(spec::rule::STREAM_TABLE_FORMAT);
  const u64 array = b.memory(64 << 6, 64 << 6);
  b.store(device.structures_pa, array | 7);
  b.ste(0, spec::make_bypass_ste());
  b.enable();
  b.access(b.data());
  b.poll();
  b.disable();
  const u64 linear = b.memory(64 << 6, 64 << 6);
  b.store(linear + 64 * b.sid(0), spec::make_abort_ste().dw[0]);
  b.write(reg::strtab_base, linear, 8);
  b.write(reg::strtab_base_cfg, 6);
  b.invalidate_all();
  b.enable();
  b.both(b.data());
  b.poll();
  cases.push_back(b.take());
}

/// SMMUEN = 0, before and after: GBPA.
void disabled_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "disabled: transactions pass");
  b.read(reg::gbpa);  // ABORT resets to what the implementation likes
  b.both(b.data(0x10));
  b.access(b.data(0x1000), true, 1);
  b.enable();
  b.access(b.data());
  b.disable();
  b.both(b.data(0x20));
  b.poll();
  cases.push_back(b.take());

  CaseBuilder g(device, "disabled: GBPA.ABORT = 1");
  g.read(reg::gbpa);
  g.write(reg::gbpa, 0x1000 | spec::gbpa::abort | spec::gbpa::update);
  g.read(reg::gbpa);
  for (unsigned i = 1; i < 4; ++i) g.read(reg::gbpa);  // Update: some take their time
  g.both(g.data(0x10));
  g.poll();
  g.write(reg::gbpa, 0x1000 | spec::gbpa::update);
  for (unsigned i = 0; i < 4; ++i) g.read(reg::gbpa);
  g.both(g.data(0x10));
  cases.push_back(g.take());

  // It decides nothing of what an STE decides. IHI 0070 6.3.14.
  CaseBuilder e(device, "disabled: GBPA.ABORT = 1, and SMMUEN = 1");
  const u64 table = e.root(spec::Granule::g4k, 25);
  e.map(table, 0x1000, e.data(0x1000));
  e.cd(0, e.plain_cd(table));
  e.ste(0, e.stage1_ste(0));
  e.ste(1, spec::make_bypass_ste());
  e.write(reg::gbpa, 0x1000 | spec::gbpa::abort | spec::gbpa::update);
  for (unsigned i = 0; i < 4; ++i) e.read(reg::gbpa);
  e.both(e.data(0x10), 1);
  e.enable();
  e.both(0x1000);
  e.both(e.data(0x20), 1);
  e.poll();
  e.disable();
  e.both(e.data(0x10), 1);
  cases.push_back(e.take());

  CaseBuilder o(device, "disabled: beyond OAS");
  o.access(u64{1} << o.capabilities().oas_lg2);
  o.both((u64{1} << o.capabilities().oas_lg2) | o.data(0x40));
  o.poll();
  cases.push_back(o.take());

  CaseBuilder r(device, "disabled: GBPA reads as written");
  r.write(reg::gbpa, 0x1000 | spec::gbpa::abort | spec::gbpa::update);
  for (unsigned i = 0; i < 4; ++i) r.read(reg::gbpa);
  cases.push_back(r.take());
}

}  // namespace

void stream_table_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  ste_cases(device, cases);
  span_cases(device, cases);
  beside_span_cases(device, cases);
  range_cases(device, cases);
  disabled_cases(device, cases);
  alignment_cases(device, cases);
  if (spec::parse_capabilities(device.id).two_level_stream_table) two_level_cases(device, cases);
}

}  // namespace iommucheck::oracle
