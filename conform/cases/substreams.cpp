// SPDX-License-Identifier: MIT
// SubstreamIDs: which CD they name, in linear tables and in those of two levels, what S1DSS makes
// of transactions without one, and what is no substream. IHI 0070 3.4.2, 5.2 (S1DSS), 5.3.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/smmu/command.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;
using spec::Opcode;

constexpr u64 mapped = 0x1000, unmapped = 0x5000;

/// A read and a write that arrive if the substream has tables, and a read whose record names it.
void accesses(CaseBuilder& b, std::optional<u32> substream) {
  b.access(mapped, false, 0, {.substream = substream});
  b.access(mapped, true, 0, {.substream = substream});
  b.access(unmapped, false, 0, {.substream = substream});
}

/// A CD with a table of its own, and with an ASID of its own.
spec::Cd<u64> own_cd(CaseBuilder& b, unsigned number) {
  const u64 root = b.root(Granule::g4k, 25);
  b.map(root, mapped, b.data(0x1000 * u64{number}));
  return b.plain_cd(root, 25, 1 + number);
}

spec::Ste<u64> substream_ste(u64 table, unsigned max, unsigned format, unsigned dss) {
  spec::Stage1SteFields fields;
  fields.s1contextptr = table;
  fields.s1cdmax = max;
  fields.s1fmt = format;
  fields.s1dss = dss;
  return spec::make_stage1_ste(fields);
}

/// S1CDMax of a table of four CDs, or of two where there are no more substreams.
unsigned few(const CaseBuilder& b) { return std::min(2U, b.capabilities().ssidsize); }

/// Four CDs, the last of them invalid; substreams within and beyond them.
void linear_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned dss) {
  CaseBuilder b(device, fmt::format("substreams: S1DSS = {}", dss));
  const u64 table = b.memory(4 * 64, 4 * 64);
  for (unsigned i = 0; i + 1 < 1U << few(b); ++i) b.cd_at(table + 64 * i, own_cd(b, i));
  b.ste(0, substream_ste(table, few(b), 0, dss));
  b.enable();
  accesses(b, std::nullopt);
  for (const u32 ssid : {0U, 1U, 2U, 3U, 4U, 0xfffffU}) accesses(b, ssid);
  b.poll();
  // Without a substream the address may pass as it is.
  b.both(b.data(0x40));
  if (device.iova_end == 0) {
    b.both((u64{1} << b.capabilities().oas_lg2) | b.data(0x40));
    b.both(u64{1} << 52);
  }
  b.poll();
  cases.push_back(b.take());
}

/// Streams that have no substreams.
void refused_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto one = [&](const char* name, auto&& ste_of) {
    CaseBuilder b(device, fmt::format("substreams: sent by a stream {}", name));
    b.cd(0, own_cd(b, 0));
    b.ste(0, ste_of(b));
    b.enable();
    for (const u32 ssid : {0U, 1U}) accesses(b, ssid);
    accesses(b, std::nullopt);
    b.poll();
    cases.push_back(b.take());
  };
  one("with S1CDMax = 0", [](CaseBuilder& b) { return b.stage1_ste(0); });
  one("that bypasses", [](CaseBuilder&) { return spec::make_bypass_ste(); });
  one("that aborts", [](CaseBuilder&) { return spec::make_abort_ste(); });
  one("with V = 0", [](CaseBuilder&) { return spec::Ste<u64>{}; });
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s2p) return;
  one("of stage 2 alone", [&](CaseBuilder& b) {
    Stage2Tables tables(b, plain_shape(caps));
    tables.map(mapped, b.data());
    return tables.alone();
  });
}

/// Two tables of the second level; what the second L1CD is decides.
void two_level_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned format,
                    const char* name, u64 flip) {
  const unsigned leaf_bits = format == 1 ? 6 : 10;
  CaseBuilder b(device, fmt::format("substreams: S1Fmt = {}, {}", format, name));
  // Where SSIDSIZE is less than two tables have, one of them has all substreams.
  const unsigned max = std::min(leaf_bits + 1, b.capabilities().ssidsize);
  const u32 tables = max > leaf_bits ? 2 : 1;
  const u32 each = u32{1} << (max > leaf_bits ? leaf_bits : max);
  const u64 top = b.memory(64, 64);
  const u64 leaf_bytes = u64{64} << leaf_bits;
  for (u32 i = 0; i < tables; ++i) {
    const u64 leaf = b.memory(leaf_bytes, leaf_bytes);
    b.cd_at(leaf + 64, own_cd(b, 2 * i));
    b.cd_at(leaf + 64 * u64{each - 1}, own_cd(b, 2 * i + 1));
    b.store(top + 8 * u64{i}, (leaf | 1) ^ (i + 1 == tables ? flip : 0));
  }
  b.ste(0, substream_ste(top, max, format, 2));
  b.enable();
  accesses(b, std::nullopt);  // CD 0, which is not valid
  for (const u32 ssid : {1U, each - 1, each + 1, tables * each - 1, tables * each + 1}) {
    accesses(b, ssid);
  }
  b.poll();
  cases.push_back(b.take());
}

/// A format that is reserved or not there.
void format_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned format) {
  CaseBuilder b(device, fmt::format("substreams: S1Fmt = {}, {}", format,
                                    format == 3 ? "which is reserved" : "which is not legal"));
  const u64 table = b.memory(4 * 64, 4096);
  for (unsigned i = 0; i < 4; ++i) b.cd_at(table + 64 * i, own_cd(b, i));
  b.ste(0, substream_ste(table, few(b), format, 2));
  b.enable();
  for (const u32 ssid : {1U, 3U}) accesses(b, ssid);
  accesses(b, std::nullopt);
  b.poll();
  cases.push_back(b.take());
}

/// CD 0, of accesses with SubstreamID 0 and, as S1DSS says, of those without one.
void first_cd_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned dss : {1U, 2U}) {
    CaseBuilder b(device, fmt::format("substreams: CD 0 goes, S1DSS = {}", dss));
    const std::optional<u32> ssid = dss == 1 ? std::optional<u32>(0) : std::nullopt;
    const u64 table = b.memory(4 * 64, 4 * 64);
    for (unsigned i = 0; i < 4; ++i) b.cd_at(table + 64 * i, own_cd(b, i));
    b.ste(0, substream_ste(table, 2, 0, dss));
    b.enable();
    accesses(b, ssid);
    b.poll();
    b.store(table, b.word(table) & ~(u64{1} << 31));
    b.command(spec::cmd_cfgi_cd(b.sid(0), 0));
    b.command(spec::cmd_tlbi_nh_asid(0, 1));
    b.sync();
    accesses(b, ssid);
    b.poll();
    cases.push_back(b.take());
  }
}

/// A CD that is used and goes, its neighbours stay.
void invalidation_case(const DeviceIdentity& device, std::vector<Case>& cases, const char* name,
                       const spec::Command& cfgi) {
  CaseBuilder b(device, fmt::format("substreams: a CD goes, {}", name));
  const u64 table = b.memory(4 * 64, 4 * 64);
  for (unsigned i = 0; i < 4; ++i) b.cd_at(table + 64 * i, own_cd(b, i));
  b.ste(0, substream_ste(table, 2, 0, 2));
  b.enable();
  for (u32 ssid = 1; ssid < 4; ++ssid) accesses(b, ssid);
  b.poll();
  b.store(table + 2 * 64, b.word(table + 2 * 64) & ~(u64{1} << 31));
  b.command(cfgi);
  b.command(spec::cmd_tlbi_nh_asid(0, 3));
  b.sync();
  for (u32 ssid = 1; ssid < 4; ++ssid) accesses(b, ssid);
  accesses(b, std::nullopt);
  b.poll();
  cases.push_back(b.take());
}

/// What an L1CD leads to is another table, and then nothing: what is cached of it and of the CDs
/// behind it goes by each command that covers both. IHI 0070 4.3, 5.3.1.
void first_level_case(const DeviceIdentity& device, std::vector<Case>& cases, const char* name,
                      const std::vector<spec::Command>& cfgi) {
  constexpr u64 table_bytes = u64{64} << 6;
  CaseBuilder b(device, fmt::format("substreams: an L1CD changes, {}", name));
  const u64 top = b.memory(64, 64);
  const std::array<u64, 3> tables = {b.memory(table_bytes, table_bytes),
                                     b.memory(table_bytes, table_bytes),
                                     b.memory(table_bytes, table_bytes)};
  for (unsigned i = 0; i < 6; ++i) b.cd_at(tables[i / 2] + u64{64} * (1 + i % 2), own_cd(b, i));
  b.store(top, tables[0] | 1);
  b.store(top + 8, tables[1] | 1);
  b.ste(0, substream_ste(top, 7, 1, 2));
  b.enable();
  const auto use_all = [&] {
    for (const u32 ssid : {1U, 2U, 65U, 66U}) accesses(b, ssid);
    b.poll();
  };
  use_all();
  for (const u64 next : {tables[2] | 1, u64{0}}) {
    b.store(top + 8, next);
    for (const spec::Command& command : cfgi) b.command(command);
    b.sync();
    use_all();
  }
  cases.push_back(b.take());
}

/// The same where an L1CD has 1024 SubstreamIDs (S1Fmt = 2): that of a SubstreamID beyond 64 is the
/// first one. IHI 0070 4.3.3, 5.2 (S1Fmt). With few of them, since each may be cached.
void wide_first_level_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  constexpr unsigned leaf_bits = 10, max = 7;
  constexpr u64 align = u64{64} << leaf_bits, bytes = u64{64} << max;
  CaseBuilder b(device, "substreams: an L1CD of 1024 changes, CMD_CFGI_CD with Leaf = 0");
  const u64 top = b.memory(64, 64);
  const std::array<u64, 2> tables = {b.memory(bytes, align), b.memory(bytes, align)};
  constexpr std::array<u32, 2> numbers = {65, 127};
  for (unsigned i = 0; i < 4; ++i) b.cd_at(tables[i / 2] + 64 * u64{numbers[i % 2]}, own_cd(b, i));
  b.store(top, tables[0] | 1);
  b.ste(0, substream_ste(top, max, 2, 2));
  b.enable();
  const auto use_all = [&] {
    for (const u32 ssid : numbers) accesses(b, ssid);
    b.poll();
  };
  use_all();
  for (const u64 next : {tables[1] | 1, u64{0}}) {
    b.store(top, next);
    for (const u32 ssid : numbers) b.command(spec::cmd_cfgi_cd(b.sid(0), ssid, false));
    b.sync();
    use_all();
  }
  cases.push_back(b.take());
}

/// A page of one of several address spaces of a stream goes: by its ASID, and by what names none.
/// IHI 0070 4.4.2.
void page_case(const DeviceIdentity& device, std::vector<Case>& cases, const char* name,
               const spec::Command& tlbi) {
  CaseBuilder b(device, fmt::format("substreams: a page goes, {}", name));
  const u64 table = b.memory(4 * 64, 4 * 64);
  std::array<u64, 4> places{};
  for (unsigned i = 0; i < 4; ++i) {
    const u64 root = b.root(Granule::g4k, 25);
    for (const u64 page : {0U, 1U}) {
      b.map(root, mapped + 0x1000 * page, b.data(0x1000 * u64{2 * i + page}));
    }
    places[i] = b.entry(root, Granule::g4k, 25, mapped, spec::last_level);
    b.cd_at(table + 64 * u64{i}, b.plain_cd(root, 25, 1 + i));
  }
  b.ste(0, substream_ste(table, 2, 0, 2));
  b.enable();
  const auto use_all = [&] {
    for (u32 ssid = 1; ssid < 4; ++ssid) {
      for (const u64 page : {0U, 1U}) {
        b.access(mapped + 0x1000 * page, false, 0, {.substream = ssid});
        b.access(mapped + 0x1000 * page, true, 0, {.substream = ssid});
      }
    }
    b.access(mapped);
    b.poll();
  };
  use_all();
  b.store(places[2], 0);
  b.command(tlbi);
  b.sync();
  use_all();
  b.store(places[2], leaf_word(Granule::g4k, spec::last_level, b.data(0x8000), {}));
  use_all();
  cases.push_back(b.take());
}

/// SubstreamIDs that have one bit each, by their own CDs: CFGI_CD compares all of them. IHI
/// 0070 4.3.3.
void wide_invalidation_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  constexpr unsigned leaf_bits = 10;
  const unsigned most = caps.cd2l ? caps.ssidsize : std::min(caps.ssidsize, 8U);
  CaseBuilder b(device, "substreams: CDs whose numbers differ in one bit go by their own");
  const bool two_level = most > leaf_bits;
  const unsigned lowest = two_level ? leaf_bits : most;
  const u64 table = b.memory(u64{64} << lowest, u64{64} << lowest);
  const u64 top =
      two_level ? b.memory(u64{8} << (most - leaf_bits), u64{8} << (most - leaf_bits)) : table;
  // One table of the second level for all of the first, so that they share their CDs.
  if (two_level) {
    for (u64 i = 0; i < pow2(most - leaf_bits); ++i) {
      if (i == 0 || std::has_single_bit(i)) b.store(top + 8 * i, table | 1);
    }
  }
  std::vector<u32> numbers;
  for (unsigned place = 0; place < most; place += place == 0 ? 2 : 3)
    numbers.push_back(1U << place);
  if (numbers.back() != 1U << (most - 1)) numbers.push_back(1U << (most - 1));
  const auto place_of = [&](u32 number) { return table + 64 * (number & mask(lowest - 1, 0)); };
  unsigned made = 0;
  for (const u32 number : numbers) {
    if (b.word(place_of(number)) == 0) b.cd_at(place_of(number), own_cd(b, made++));
  }
  b.ste(0, substream_ste(top, most, two_level ? 2 : 0, 2));
  b.enable();
  for (const u32 number : numbers) accesses(b, number);
  b.poll();
  for (const u32 number : numbers) {
    const u64 place = place_of(number);
    b.store(place, b.word(place) & ~(u64{1} << 31));
    // All that has this CD, and all that shares its ASID: what is left is what the others may use.
    b.command(spec::cmd_cfgi_cd(b.sid(0), number));
    b.command(spec::cmd_tlbi_nsnh_all());
    b.sync();
    accesses(b, number);
    b.poll();
  }
  cases.push_back(b.take());
}

}  // namespace

void substream_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!device.sends_substreams || caps.ssidsize == 0) return;
  for (unsigned dss = 0; dss < 4; ++dss) linear_case(device, cases, dss);
  refused_cases(device, cases);
  if (caps.cd2l) {
    for (const unsigned format : {1U, 2U}) {
      two_level_case(device, cases, format, "all tables are there", 0);
      two_level_case(device, cases, format, "the last L1CD is not valid", 1);
      two_level_case(device, cases, format, "the last L2Ptr is beyond OAS", u64{1} << caps.oas_lg2);
    }
  }
  format_case(device, cases, 3);
  if (!caps.cd2l) format_case(device, cases, 1);
  if (caps.ssidsize < 2) return;  // no neighbours
  const u32 sid = device.sids[0];
  first_cd_cases(device, cases);
  invalidation_case(device, cases, "CMD_CFGI_CD", spec::cmd_cfgi_cd(sid, 2));
  invalidation_case(device, cases, "CMD_CFGI_CD with Leaf = 0", spec::cmd_cfgi_cd(sid, 2, false));
  invalidation_case(device, cases, "CMD_CFGI_CD_ALL", spec::cmd_cfgi_cd_all(sid));
  invalidation_case(device, cases, "CMD_CFGI_STE", spec::cmd_cfgi_ste(sid, true));
  invalidation_case(device, cases, "CMD_CFGI_ALL", spec::cmd_cfgi_all());
  invalidation_case(device, cases, "CMD_CFGI_CD of another", spec::cmd_cfgi_cd(sid, 1));
  wide_invalidation_case(device, cases);
  page_case(device, cases, "TLBI_NH_VA", spec::cmd_tlbi_nh_va(0, 3, mapped));
  page_case(device, cases, "TLBI_NH_VAA",
            {.op = Opcode::tlbi_nh_vaa, .address = mapped, .leaf = true});
  page_case(device, cases, "TLBI_NH_ASID", spec::cmd_tlbi_nh_asid(0, 3));
  page_case(device, cases, "TLBI_NH_ALL", spec::cmd_tlbi_nh_all(0));
  page_case(device, cases, "TLBI_NSNH_ALL", spec::cmd_tlbi_nsnh_all());
  if (!caps.cd2l || caps.ssidsize < 7) return;
  wide_first_level_case(device, cases);
  first_level_case(device, cases, "CMD_CFGI_CD with Leaf = 0",
                   {spec::cmd_cfgi_cd(sid, 65, false), spec::cmd_cfgi_cd(sid, 66, false)});
  first_level_case(device, cases, "CMD_CFGI_CD_ALL", {spec::cmd_cfgi_cd_all(sid)});
  first_level_case(device, cases, "CMD_CFGI_STE", {spec::cmd_cfgi_ste(sid, true)});
  first_level_case(device, cases, "CMD_CFGI_STE_RANGE", {spec::cmd_cfgi_ste_range(sid, 3)});
  first_level_case(device, cases, "CMD_CFGI_ALL", {spec::cmd_cfgi_all()});
}

}  // namespace iommucheck::oracle
