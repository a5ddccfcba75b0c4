// SPDX-License-Identifier: MIT
// ATS: what requests are answered, which translated accesses pass, and invalidations that wait for
// endpoints. The endpoints and what they keep are the tester's. IHI 0070 3.9.1, 4.5.1.
#include <fmt/format.h>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"
#include "spec/rules/commands.h"
#include "spec/rules/structures.h"

namespace iommucheck::oracle {

namespace {

using spec::Granule;
namespace rule = spec::rule;

constexpr u64 page_there = 0x1000, read_only = 0x2000, privileged_page = 0x3000,
              page_missing = 0x5000;
constexpr unsigned table_tsz = 25;
constexpr DmaAttributes by_answer{.translated = true};

void requests(CaseBuilder& b, u64 iova, DmaAttributes attributes = {}) {
  b.request(iova, false, 0, attributes);
  b.request(iova, true, 0, attributes);
}
/// To where data is, as if an answer had given it: each kind of access that the engine sends, since
/// none of them is told from the others; and beyond the output size. IHI 0070 3.4, 3.9.1.3.
void translated_both(CaseBuilder& b, u64 offset = 0x40) {
  const u64 beyond = u64{1} << b.capabilities().oas_lg2;
  for (const bool privileged : {false, true}) {
    if (privileged && !b.device().sends_privileged) continue;
    DmaAttributes attributes = by_answer;
    attributes.privileged = privileged;
    for (const bool write : {false, true}) b.access(b.data(offset), write, 0, attributes);
    if (!b.device().sends_instructions) continue;
    attributes.instruction = true;
    b.access(b.data(offset), false, 0, attributes);
  }
  if (b.capabilities().oas_lg2 < 52) b.access(b.data(offset) | beyond, false, 0, by_answer);
}

spec::Ste<u64> ste_with(const CaseBuilder& b, unsigned eats) {
  spec::Ste<u64> ste = b.stage1_ste(0);
  ste.dw[1] = with_bits(ste.dw[1], 29, 28, eats);
  return ste;
}

/// Without translation there is nothing that EATS could let pass. IHI 0070 5.2 (EATS).
void bypass_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned eats) {
  CaseBuilder b(device, fmt::format("ats: EATS = {} in an STE that bypasses, ATSCHK = 1", eats));
  b.asks(rule::STE_EATS);
  spec::Ste<u64> ste = spec::make_bypass_ste();
  ste.dw[1] = with_bits(ste.dw[1], 29, 28, eats);
  b.ste(0, ste);
  b.enable(true);
  requests(b, b.data());
  translated_both(b);
  b.poll();
  b.both(b.data());
  b.poll();
  cases.push_back(b.take());
}

u64 plain_table(CaseBuilder& b) {
  const u64 root = b.root(Granule::g4k, table_tsz);
  b.map(root, page_there, b.data(0x1000));
  b.map(root, read_only, b.data(0x2000), 3, {.writable = false});
  return root;
}

/// Each EATS, with translated accesses checked and not.
void eats_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned eats, bool check) {
  CaseBuilder b(device, fmt::format("ats: EATS = {}, ATSCHK = {}", eats, check ? 1 : 0));
  b.asks(rule::STE_EATS);
  b.cd(0, b.plain_cd(plain_table(b), table_tsz));
  b.ste(0, ste_with(b, eats));
  b.enable(check);
  requests(b, page_there);
  translated_both(b);
  b.poll();
  b.both(page_there);  // an ordinary one is none of its business
  b.both(page_missing);
  b.poll();
  cases.push_back(b.take());
}

/// What an STE makes of accesses it makes of requests as well. IHI 0070 13.7.
void override_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (u64 choice = 1; choice < 16; ++choice) {
    CaseBuilder b(device, fmt::format("ats: PRIVCFG = {}, INSTCFG = {}", choice & 3, choice >> 2));
    const u64 table = b.memory(2 * 64, 2 * 64);
    const u64 root = plain_table(b);
    b.map(root, privileged_page, b.data(0x3000), 3, {.user = false});
    const bool substreams = device.sends_substreams && b.capabilities().ssidsize != 0;
    for (unsigned i = 0; i < 2; ++i) b.cd_at(table + 64 * i, b.plain_cd(root, table_tsz));
    spec::Stage1SteFields fields;
    fields.s1contextptr = table;
    fields.s1cdmax = substreams ? 1 : 0;
    fields.s1dss = 2;
    fields.eats = 1;
    spec::Ste<u64> ste = spec::make_stage1_ste(fields);
    ste.dw[1] = with_bits(ste.dw[1], 51, 48, choice);
    b.ste(0, ste);
    b.enable();
    for (const u64 page : {page_there, privileged_page, read_only}) {
      requests(b, page);
      if (!substreams) continue;
      requests(b, page, {.substream = 1U});
      requests(b, page, {.privileged = true, .substream = 1U});
    }
    b.poll();
    cases.push_back(b.take());
  }
}

/// What descriptors grant.
void rights_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  const auto one = [&](const char* name, const LeafBits& leaf, unsigned level) {
    CaseBuilder b(device, fmt::format("ats: a request for {}", name));
    const u64 root = b.root(Granule::g4k, table_tsz);
    const u64 block = u64{1} << 21;
    const u64 va = level == 3 ? page_there : block;
    const u64 pa = level == 3 ? b.data(0x3000) : align_down(b.data(), 21);
    b.map(root, va, pa, level, leaf);
    b.cd(0, b.plain_cd(root, table_tsz));
    b.ste(0, ste_with(b, 1));
    b.enable();
    for (const u64 offset : {0x0U, 0x40U, 0xffcU}) requests(b, va + offset);
    requests(b, va + (level == 3 ? 0x1000 : block));
    b.poll();
    b.both(va);
    b.poll();
    cases.push_back(b.take());
  };
  one("a page", {}, 3);
  one("a block", {}, 2);
  one("a read-only page", {.writable = false}, 3);
  one("a page with AF = 0", {.af = false}, 3);
  one("a privileged page", {.user = false}, 3);
  one("an invalid page", {.valid = false}, 3);
}

/// CR2 with which configuration errors of ATS are recorded or not.
struct Recording {
  const char* name;
  u32 cr2;
};
std::vector<Recording> recordings_of(const spec::Capabilities& caps) {
  using namespace spec::cr2;
  std::vector<Recording> all{{"", recinvsid}};
  if (!caps.atsrecerr) return all;
  all.push_back({", REC_CFG_ATS = 1", recinvsid | rec_cfg_ats});
  all.push_back({", REC_CFG_ATS = 1 and RECINVSID = 0", rec_cfg_ats});
  return all;
}

/// Streams that answer no request for another reason.
void refused_streams(const DeviceIdentity& device, std::vector<Case>& cases, bool check,
                     const Recording& recording) {
  const auto one = [&](const char* name, auto&& ste_of, unsigned log2size = 6) {
    CaseBuilder b(
        device, fmt::format("ats: a stream {}, ATSCHK = {}{}", name, check ? 1 : 0, recording.name),
        {.log2size = log2size, .cr2 = recording.cr2});
    b.cd(0, b.plain_cd(plain_table(b), table_tsz));
    if (b.sid(0) >> log2size == 0) b.ste(0, ste_of(b));
    b.enable(check);
    requests(b, page_there);
    requests(b, b.data(0x40));
    translated_both(b);
    b.poll();
    cases.push_back(b.take());
  };
  one("that bypasses", [](CaseBuilder&) { return spec::make_bypass_ste(); });
  one("that aborts", [](CaseBuilder&) { return spec::make_abort_ste(); });
  one("with V = 0", [](CaseBuilder&) { return spec::Ste<u64>{}; });
  one("beyond the table", [](CaseBuilder&) { return spec::Ste<u64>{}; }, 3);
  one("with an illegal Config", [](CaseBuilder& b) {
    spec::Ste<u64> ste = ste_with(b, 1);
    ste.dw[0] = with_bits(ste.dw[0], 3, 1, 7);
    return ste;
  });
  one("whose CD is not valid", [](CaseBuilder& b) {
    b.cd(0, spec::Cd<u64>{});
    return ste_with(b, 1);
  });
}

void disabled_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "ats: SMMUEN = 0");
  b.cd(0, b.plain_cd(plain_table(b), table_tsz));
  b.ste(0, ste_with(b, 1));
  requests(b, page_there);
  translated_both(b);
  b.poll();
  b.command(atc_inv(b.sid(0), 0, 52));  // ignored
  b.sync();
  b.enable();
  requests(b, page_there);
  translated_both(b);
  b.poll();
  b.disable();
  for (unsigned i = 0; i < 8; ++i) b.read(spec::reg::cr0ack);
  b.command(atc_inv(b.sid(0), 0x1000, 0));  // likewise
  b.sync();
  requests(b, page_there);
  translated_both(b);
  b.poll();
  cases.push_back(b.take());
}

/// Requests with a PASID and without.
void substream_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned dss,
                    const Recording& recording) {
  CaseBuilder b(device,
                fmt::format("ats: requests with substreams, S1DSS = {}{}", dss, recording.name),
                {.cr2 = recording.cr2});
  const u64 table = b.memory(4 * 64, 4 * 64);
  for (unsigned i = 0; i < 3; ++i) {
    const u64 root = b.root(Granule::g4k, table_tsz);
    b.map(root, page_there, b.data(0x1000 * (1 + i)));
    b.map(root, privileged_page, b.data(0x1000 * (4 + i)), 3, {.user = false});
    b.cd_at(table + 64 * i, b.plain_cd(root, table_tsz, 1 + i));
  }
  spec::Stage1SteFields fields;
  fields.s1contextptr = table;
  fields.s1cdmax = 2;
  fields.s1dss = dss;
  fields.eats = 1;
  b.ste(0, spec::make_stage1_ste(fields));
  // What is translated has no SubstreamID: S1DSS counts for it, once it is checked. 3.9.1.3.
  b.enable(true);
  translated_both(b);
  b.poll();
  requests(b, page_there);
  for (const u32 ssid : {0U, 1U, 2U, 3U, 4U}) {
    requests(b, page_there, {.substream = ssid});
    requests(b, privileged_page, {.substream = ssid});
    requests(b, privileged_page, {.privileged = true, .substream = ssid});
  }
  requests(b, u64{1} << b.capabilities().oas_lg2);  // S1DSS = 1: beyond the size of an address
  b.poll();
  cases.push_back(b.take());
}

/// A page goes: nothing is granted any more.
void change_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b(device, "ats: a page that goes, and another that comes");
  const u64 root = plain_table(b);
  b.cd(0, b.plain_cd(root, table_tsz));
  b.ste(0, ste_with(b, 1));
  b.enable();
  requests(b, page_there);
  const u64 place = b.entry(root, Granule::g4k, table_tsz, page_there, 3);
  const auto invalidate = [&] {
    b.command(spec::cmd_tlbi_nh_va(0, 1, page_there, true));
    b.sync();
    b.command(atc_inv(b.sid(0), page_there, 0));
    b.sync();
  };
  b.store(place, 0);
  requests(b, page_there);
  invalidate();
  requests(b, page_there);
  b.store(place, leaf_word(Granule::g4k, 3, b.data(0x3000), {.writable = false}));
  requests(b, page_there);
  requests(b, read_only);
  b.poll();
  cases.push_back(b.take());
}

/// Through stage 2, alone and under stage 1: what both grant, no further than one of them says the
/// same. With S2S = 1 such an STE is illegal. IHI 0070 3.9.1.2, 5.2 (EATS).
void stage2_requests(const DeviceIdentity& device, std::vector<Case>& cases, bool nested,
                     bool s2s) {
  CaseBuilder b(device, fmt::format("ats: stage 2{}{}", nested ? " under stage 1" : "",
                                    s2s ? ", S2S = 1" : ""));
  GuestTables guest(b, 1);
  constexpr u64 other = GuestTables::data_ipa + 0x4000;
  guest.stage2.map(other, b.data(0x4000), Stage2Tables::all & ~Stage2Tables::may_write);
  guest.leaf(GuestTables::va + 0x2000, other);
  guest.leaf(GuestTables::va + 0x3000, other + 0x1000);  // not mapped by stage 2
  b.cd_at(guest.cd_pa, guest.cd);
  spec::Ste<u64> ste = nested ? guest.ste() : guest.stage2.alone();
  ste.dw[1] = with_bits(ste.dw[1], 29, 28, 1);
  if (s2s) ste.dw[2] |= u64{1} << 57;
  b.ste(0, ste);
  b.enable();
  for (const u64 page : {0U, 1U, 2U, 3U, 4U}) {
    requests(b, (nested ? GuestTables::va : GuestTables::data_ipa) + 0x1000 * page);
  }
  requests(b, other);
  translated_both(b);
  b.poll();
  cases.push_back(b.take());
}

/// A guest whose devices get intermediate addresses: of pages that both stages let be written, that
/// one of them does not, and that stage 2 does not map. IHI 0070 13.6.3.
struct SplitGuest {
  static constexpr u64 guarded = GuestTables::data_ipa + 0x4000;  ///< read-only by stage 2
  static constexpr u64 nowhere = guarded + 0x1000;                ///< not mapped by stage 2

  CaseBuilder b;
  GuestTables guest;
  spec::Ste<u64> ste;

  SplitGuest(const DeviceIdentity& device, const std::string& name)
      : b(device, "ats: split-stage, " + name), guest(b) {
    b.asks(rule::STE_EATS);
    guest.stage2.map(guarded, b.data(0x4000), Stage2Tables::all & ~Stage2Tables::may_write);
    guest.leaf(GuestTables::va + 0x2000, guarded);
    guest.leaf(GuestTables::va + 0x3000, nowhere);
    b.cd_at(guest.cd_pa, guest.cd);
    ste = guest.ste();
    ste.dw[1] = with_bits(ste.dw[1], 29, 28, 2);
  }
  void enable(bool check) {
    b.ste(0, ste);
    b.enable(check);
  }
  void ask() {
    for (const u64 page : {0U, 1U, 2U, 3U, 4U}) requests(b, GuestTables::va + 0x1000 * page);
  }
  /// As if an answer had given the address, which one may not have.
  void send(u64 ipa) {
    for (const bool write : {false, true}) b.access(ipa + 0x40, write, 0, by_answer);
  }
  void send_all() {
    for (const u64 ipa : {GuestTables::data_ipa, GuestTables::data_ipa + 0x1000, guarded, nowhere,
                          u64{1} << spec::ias_lg2(b.capabilities())}) {
      send(ipa);
    }
    b.poll();
  }
};

/// With translated accesses checked and not; ordinary ones are none of its business.
void split_case(const DeviceIdentity& device, std::vector<Case>& cases, bool check) {
  SplitGuest g(device, fmt::format("ATSCHK = {}", check ? 1 : 0));
  g.enable(check);
  g.ask();
  g.b.poll();
  if (check) {
    g.send_all();
  } else {
    translated_both(g.b);
    g.b.poll();
  }
  for (const u64 page : {0U, 1U, 2U, 3U}) g.b.both(GuestTables::va + 0x1000 * page);
  g.b.poll();
  cases.push_back(g.b.take());
}

/// What S1DSS lets past stage 1 is answered with the address itself. IHI 0070 13.6.5.
void split_past_stage1(const DeviceIdentity& device, std::vector<Case>& cases, unsigned dss) {
  SplitGuest g(device, fmt::format("requests without a PASID, S1DSS = {}", dss));
  g.ste.dw[0] = with_bits(g.ste.dw[0], 63, 59, 1);
  g.ste.dw[1] = with_bits(g.ste.dw[1], 1, 0, dss);
  g.enable(true);
  for (const u64 ipa : {GuestTables::data_ipa, SplitGuest::guarded, SplitGuest::nowhere,
                        GuestTables::va, u64{1} << spec::ias_lg2(g.b.capabilities())}) {
    requests(g.b, ipa);
  }
  if (device.sends_substreams) {
    g.b.cd_at(g.guest.cd_pa + 64, g.guest.cd);
    for (const u64 page : {0U, 1U, 2U, 3U}) {
      requests(g.b, GuestTables::va + 0x1000 * page, {.substream = 1U});
    }
  }
  g.send_all();
  cases.push_back(g.b.take());
}

/// Overrides count for the request and for what is sent. IHI 0070 13.7.
void split_overrides(const DeviceIdentity& device, std::vector<Case>& cases, u64 choice) {
  SplitGuest g(device, fmt::format("PRIVCFG = {}, INSTCFG = {}", choice & 3, choice >> 2));
  constexpr u64 not_executed = SplitGuest::guarded + 0x2000;
  g.guest.stage2.map(not_executed, g.b.data(0x6000), Stage2Tables::all | Stage2Tables::xn << 1);
  g.guest.leaf(GuestTables::va + 0x4000, not_executed);
  g.ste.dw[1] = with_bits(g.ste.dw[1], 51, 48, choice);
  g.enable(true);
  g.ask();
  g.send(not_executed);
  g.send(SplitGuest::guarded);
  g.b.poll();
  cases.push_back(g.b.take());
}

/// S2R says whether what stage 2 refuses is recorded, for what is sent as for others.
void split_unrecorded(const DeviceIdentity& device, std::vector<Case>& cases) {
  SplitGuest g(device, "S2R = 0");
  g.ste.dw[2] &= ~(u64{1} << 58);
  g.enable(true);
  g.ask();
  g.send_all();
  cases.push_back(g.b.take());
}

/// What a user's CD makes of a request is no answer: Completer Abort. IHI 0070 3.9.1.2.
void bad_cd_of_user(const DeviceIdentity& device, std::vector<Case>& cases, unsigned eats,
                    const Recording& recording) {
  CaseBuilder b(device,
                fmt::format("ats: a user's CD with V = 0, EATS = {}{}", eats, recording.name),
                {.cr2 = recording.cr2});
  b.asks(rule::STE_EATS);
  GuestTables guest(b);
  guest.cd.dw[0] &= ~(u64{1} << 31);
  b.cd_at(guest.cd_pa, guest.cd);
  spec::Ste<u64> ste = guest.ste();
  ste.dw[1] = with_bits(ste.dw[1], 29, 28, eats);
  b.ste(0, ste);
  b.enable(true);
  requests(b, GuestTables::va);
  b.poll();
  cases.push_back(b.take());
}

/// Stage 2 changes: what a device holds leads elsewhere without an ATC_INV. And the other way
/// round: what stage 1 no longer says is let pass. IHI 0070 13.6.3.
void split_change_case(const DeviceIdentity& device, std::vector<Case>& cases) {
  SplitGuest g(device, "each stage changes");
  g.enable(true);
  g.ask();
  g.send(GuestTables::data_ipa);
  const u64 second = g.guest.stage2.entry(GuestTables::data_ipa);
  g.b.store(second, 0);
  g.send(GuestTables::data_ipa);
  g.b.command(spec::cmd_tlbi_s2_ipa(1, GuestTables::data_ipa, true));
  g.b.sync();
  g.send(GuestTables::data_ipa);  // what is cached of both stages together serves no IPA
  g.b.command(spec::cmd_tlbi_nh_all(1));
  g.b.sync();
  requests(g.b, GuestTables::va);
  g.guest.stage2.map(GuestTables::data_ipa, g.b.data(0x5000));
  g.send(GuestTables::data_ipa);
  requests(g.b, GuestTables::va);
  g.b.store(g.guest.place(GuestTables::levels - 1, GuestTables::va), 0);
  g.b.command(spec::cmd_tlbi_nh_all(1));
  g.b.sync();
  requests(g.b, GuestTables::va);
  g.send(GuestTables::data_ipa);
  g.b.poll();
  cases.push_back(g.b.take());
}

CaseBuilder invalidations(const DeviceIdentity& device, const std::string& name) {
  CaseBuilder b(device, "ats: " + name);
  b.asks(rule::CMD_SYNC_COMPLETES);
  b.cd(0, b.plain_cd(plain_table(b), table_tsz));
  b.ste(0, ste_with(b, 1));
  b.enable();
  return b;
}

/// What the invalidation says is what the command says.
void invalidation_ranges(const DeviceIdentity& device, std::vector<Case>& cases) {
  CaseBuilder b = invalidations(device, "invalidations of each size");
  for (const u64 address : {u64{0}, u64{0x1234'5678'9000}, ~mask(11, 0)}) {
    for (const unsigned size : {0U, 1U, 5U, 9U, 18U, 36U, 51U, 52U}) {
      b.command(atc_inv(b.sid(0), address, size));
      b.sync();
    }
  }
  cases.push_back(b.take());
  CaseBuilder s = invalidations(device, "several invalidations before one CMD_SYNC");
  for (unsigned e = 0; e < 2; ++e) {
    for (u64 n = 1; n < 5; ++n) s.command(atc_inv(s.sid(e), 0x1000 * n, 0));
    s.command(spec::cmd_tlbi_nsnh_all());
  }
  s.sync();
  s.sync();
  cases.push_back(s.take());
  if (s.capabilities().ssidsize == 0) {
    CaseBuilder n = invalidations(device, "invalidations with a PASID, of which there are none");
    for (u64 i = 0; i < 8; ++i) {
      spec::Command command = atc_inv(n.sid(0), 0x4000 * i, 2);
      command.ssv = true;
      command.ssid = i;
      n.command(command);
      n.sync();
    }
    cases.push_back(n.take());
    return;
  }
  CaseBuilder p = invalidations(device, "invalidations with a PASID");
  const u64 largest = pow2(p.capabilities().ssidsize) - 1;
  for (const u64 ssid : {u64{0}, u64{1}, u64{0x7f}, largest}) {
    if (ssid > largest) continue;
    for (const bool global : {false, true}) {
      spec::Command command = atc_inv(p.sid(0), 0x4000, 2);
      command.ssv = true;
      command.ssid = ssid;
      command.global = global;
      p.command(command);
      p.sync();
    }
  }
  cases.push_back(p.take());
}

/// An endpoint that does not answer; the queue stops at the CMD_SYNC, and goes on when told.
void silent_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  for (const unsigned commands : {1U, 3U}) {
    CaseBuilder b = invalidations(device, fmt::format("{} invalidations time out", commands));
    for (unsigned i = 0; i < commands; ++i) {
      b.command(atc_inv(b.sid(0), 0x1000 * u64{i}, 0));
    }
    b.command(spec::cmd_sync());
    b.command(spec::cmd_tlbi_nsnh_all());
    b.silence();
    b.mend();
    b.command(atc_inv(b.sid(0), 0, 52));
    b.sync();
    cases.push_back(b.take());
  }
  CaseBuilder b = invalidations(device, "an invalidation behind an illegal command");
  b.command_words(0xff, 0);
  b.command(atc_inv(b.sid(0), page_there, 0));
  b.mend();
  b.sync();
  cases.push_back(b.take());
  // What stands behind it is read when it is mended, when SMMUEN = 1. IHI 0070 7.1.
  CaseBuilder l(device, "ats: an invalidation behind an illegal command, SMMUEN = 0 in between");
  l.asks(rule::CMD_SYNC_COMPLETES);
  l.cd(0, l.plain_cd(plain_table(l), table_tsz));
  l.ste(0, ste_with(l, 1));
  l.command_words(0xff, 0);
  l.command(atc_inv(l.sid(0), page_there, 0));
  l.enable();
  l.mend();
  l.sync();
  cases.push_back(l.take());
}

}  // namespace

void ats_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!device.ats || !caps.ats) return;
  for (const bool check : {false, true}) {
    for (unsigned eats = 0; eats < 3; ++eats) eats_case(device, cases, eats, check);
    for (unsigned eats = 1; eats < 3 && check; ++eats) bypass_case(device, cases, eats);
  }
  rights_case(device, cases);
  override_cases(device, cases);
  disabled_case(device, cases);
  for (const Recording& recording : recordings_of(caps)) {
    for (const bool check : {false, true}) refused_streams(device, cases, check, recording);
    if (!device.sends_substreams || caps.ssidsize < 2) continue;
    for (unsigned dss = 0; dss < 3; ++dss) substream_case(device, cases, dss, recording);
  }
  change_case(device, cases);
  if (caps.s2p && caps.gran4k) {
    const bool stalls = caps.stall_model == spec::StallModel::both;
    for (const bool s2s : {false, true}) {
      if (s2s && !stalls) continue;
      stage2_requests(device, cases, false, s2s);
      if (caps.s1p) stage2_requests(device, cases, true, s2s);
    }
    if (caps.s1p) {
      for (const bool check : {false, true}) split_case(device, cases, check);
      for (unsigned dss = 0; dss < 3 && caps.ssidsize != 0; ++dss) {
        split_past_stage1(device, cases, dss);
      }
      for (u64 choice = 1; choice < 16; ++choice) split_overrides(device, cases, choice);
      split_unrecorded(device, cases);
      split_change_case(device, cases);
      for (const Recording& recording : recordings_of(caps)) {
        for (unsigned eats = 1; eats < 3; ++eats) bad_cd_of_user(device, cases, eats, recording);
      }
    }
  }
  invalidation_ranges(device, cases);
  silent_cases(device, cases);
}

}  // namespace iommucheck::oracle
