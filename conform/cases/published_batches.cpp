// SPDX-License-Identifier: MIT
// Batches that one write of CMDQ_PROD publishes, whose commands have to do with each other: what is
// fetched ahead goes by the invalidation behind it, and a CMD_SYNC of each kind waits for each of
// several invalidations. IHI 0070 4.2, 4.3, 4.4, 4.7.3.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Granule;
using spec::Opcode;

constexpr unsigned batch_tsz = 25;
constexpr u64 batch_page = 0x1000;

void add(std::vector<Case>& cases, CaseBuilder& b) {
  const Case apart = b.take();
  cases.push_back(published_together(apart).value_or(apart));
}

// ---- behind a prefetch --------------------------------------------------------------------------

/// What is cached, and changed, is what a prefetch may meet; and behind it stands what takes that.
/// IHI 0070 4.2.
struct Prefetch {
  std::string name;
  Command command;
};

std::vector<Prefetch> prefetches(const DeviceIdentity& device, u64 address) {
  std::vector<Prefetch> all;
  for (const Opcode op : {Opcode::prefetch_config, Opcode::prefetch_addr}) {
    Command command{.op = op};
    command.sid = device.sids[0];
    if (op == Opcode::prefetch_addr) command.address = address;
    all.push_back({std::string(spec::opcode_name(op)), command});
  }
  return all;
}

struct BatchCfgi {
  const char* name;
  Command command;
};

void send(CaseBuilder& b, const Prefetch& prefetch, const Command& invalidation) {
  b.command(prefetch.command);
  b.command(invalidation);
  b.sync();
}

/// An STE that passes ends what it is of, and passes again; before each change it is used.
void ste_case(const DeviceIdentity& device, std::vector<Case>& cases, const Prefetch& prefetch,
              const BatchCfgi& cfgi) {
  CaseBuilder b(device, fmt::format("batch: an STE changes, {}, {}", prefetch.name, cfgi.name));
  b.ste(0, spec::make_bypass_ste());
  b.enable();
  b.both(b.data());
  b.ste(0, spec::make_abort_ste());
  send(b, prefetch, cfgi.command);
  b.both(b.data());
  b.ste(0, spec::make_bypass_ste());
  send(b, prefetch, cfgi.command);
  b.both(b.data());
  b.poll();
  add(cases, b);
}

/// A CD goes, and comes again with another table and another ASID, which needs no TLBI.
void cd_case(const DeviceIdentity& device, std::vector<Case>& cases, const Prefetch& prefetch,
             const BatchCfgi& cfgi) {
  CaseBuilder b(device, fmt::format("batch: a CD changes, {}, {}", prefetch.name, cfgi.name));
  const u64 roots[] = {b.root(Granule::g4k, batch_tsz), b.root(Granule::g4k, batch_tsz)};
  for (unsigned i = 0; i < 2; ++i) b.map(roots[i], batch_page, b.data(batch_page * u64{i}));
  b.translate(0, roots[0], batch_tsz, 1);
  b.both(batch_page);
  const spec::Cd<u64> next = b.plain_cd(roots[1], batch_tsz, 2);
  b.store(b.cd_place(0), b.word(b.cd_place(0)) & ~(u64{1} << 31));
  send(b, prefetch, cfgi.command);
  b.both(batch_page);
  b.poll();
  b.store(b.cd_place(0) + 8, next.dw[1]);
  send(b, prefetch, cfgi.command);
  b.store(b.cd_place(0), next.dw[0]);
  send(b, prefetch, cfgi.command);
  b.both(batch_page);
  b.poll();
  add(cases, b);
}

/// A page leads elsewhere, break before make.
void leaf_case(const DeviceIdentity& device, std::vector<Case>& cases, const Prefetch& prefetch) {
  CaseBuilder b(device, fmt::format("batch: a page goes, {}, TLBI_NH_VA", prefetch.name));
  const u64 root = b.root(Granule::g4k, batch_tsz);
  b.map(root, batch_page, b.data());
  b.translate(0, root);
  b.both(batch_page);
  const u64 place = b.entry(root, Granule::g4k, batch_tsz, batch_page, spec::last_level);
  b.store(place, 0);
  send(b, prefetch, spec::cmd_tlbi_nh_va(0, 1, batch_page));
  b.both(batch_page);
  b.poll();
  b.store(place, leaf_word(Granule::g4k, spec::last_level, b.data(batch_page), {}));
  b.both(batch_page);
  b.poll();
  add(cases, b);
}

void prefetch_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  const u32 sid = device.sids[0];
  const BatchCfgi of_both[] = {{"CFGI_STE", spec::cmd_cfgi_ste(sid, true)},
                               {"CFGI_STE_RANGE", spec::cmd_cfgi_ste_range(sid, 2)},
                               {"CFGI_ALL", spec::cmd_cfgi_all()}};
  const BatchCfgi of_cds[] = {{"CFGI_CD", spec::cmd_cfgi_cd(sid, 0, true)},
                              {"CFGI_CD_ALL", spec::cmd_cfgi_cd_all(sid)}};
  for (const Prefetch& prefetch : prefetches(device, batch_page)) {
    for (const BatchCfgi& cfgi : of_both) ste_case(device, cases, prefetch, cfgi);
    if (!caps.s1p || !caps.gran4k) continue;
    for (const BatchCfgi& cfgi : of_both) cd_case(device, cases, prefetch, cfgi);
    for (const BatchCfgi& cfgi : of_cds) cd_case(device, cases, prefetch, cfgi);
    leaf_case(device, cases, prefetch);
  }
}

// ---- before a CMD_SYNC --------------------------------------------------------------------------

constexpr unsigned signals = 3;  // CS: none, an interrupt, an event
constexpr u64 most_together = 8;

/// Behind the CMD_SYNC stands no other one: it is complete when it is consumed.
void finish(CaseBuilder& b, unsigned cs) {
  b.command(spec::cmd_sync(cs));
  b.drain();
}

/// Each has its page. The last one goes first, and no access is between them and the
/// CMD_SYNC.
void pages_case(const DeviceIdentity& device, std::vector<Case>& cases, u64 pages, unsigned cs) {
  CaseBuilder b(device, fmt::format("batch: {} TLBIs and a CMD_SYNC with CS = {}", pages, cs));
  const u64 root = b.root(Granule::g4k, batch_tsz);
  const auto place_of = [&](u64 i) {
    return b.entry(root, Granule::g4k, batch_tsz, batch_page * (1 + i), spec::last_level);
  };
  for (u64 i = 0; i < pages; ++i) b.map(root, batch_page * (1 + i), b.data(batch_page * i));
  b.translate(0, root);
  for (u64 i = 0; i < pages; ++i) b.access(batch_page * (1 + i));
  for (u64 i = 0; i < pages; ++i) b.store(place_of(i), 0);
  for (u64 i = 0; i < pages; ++i) b.command(spec::cmd_tlbi_nh_va(0, 1, batch_page * (1 + i)));
  finish(b, cs);
  for (u64 i = pages; i-- > 0;) b.access(batch_page * (1 + i));
  b.poll();
  add(cases, b);
}

/// The STEs of all streams.
void stes_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned cs) {
  CaseBuilder b(device,
                fmt::format("batch: CFGI_STE of each stream and a CMD_SYNC with CS = {}", cs));
  const auto engines = static_cast<unsigned>(std::min<u64>(device.sids.size(), most_together - 1));
  for (unsigned e = 0; e < engines; ++e) b.ste(e, spec::make_bypass_ste());
  b.enable();
  for (unsigned e = 0; e < engines; ++e) b.access(b.data(batch_page * u64{e}), false, e);
  for (unsigned e = 0; e < engines; ++e) b.ste(e, spec::make_abort_ste());
  for (unsigned e = 0; e < engines; ++e) b.command(spec::cmd_cfgi_ste(b.sid(e), true));
  finish(b, cs);
  for (unsigned e = engines; e-- > 0;) b.access(b.data(batch_page * u64{e}), false, e);
  b.poll();
  add(cases, b);
}

void batched_sync_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  for (unsigned cs = 0; cs < signals; ++cs) {
    if (pow2(caps.cmdqs) >= most_together) stes_case(device, cases, cs);
    if (!caps.s1p || !caps.gran4k) continue;
    for (u64 pages = 1; pages <= most_together && pages < pow2(caps.cmdqs); ++pages) {
      pages_case(device, cases, pages, cs);
    }
  }
}

}  // namespace

void published_batch_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  prefetch_cases(device, cases);
  batched_sync_cases(device, cases);
}

}  // namespace iommucheck::oracle
