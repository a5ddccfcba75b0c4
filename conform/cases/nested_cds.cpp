// SPDX-License-Identifier: MIT
// A guest's tables of CDs: L1CDs and CDs lie at intermediate addresses, and what stage 2 has
// against the fetch of either is recorded as one of a CD. IHI 0070 5.3.1, 7.3 (CLASS), 7.3.13.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/bits.h"
#include "conform/cases/directed.h"
#include "conform/cases/stage2_tables.h"

namespace iommucheck::oracle {

namespace {

constexpr u64 users_page = 0x1000, l1cds_ipa = 0x50000;

/// CDs of one address space, by two L1CDs where there are as many substreams. The tables of the
/// second level lie apart from each other, and what is asked of the second one in another
/// page of it where it has several.
class Substreams {
 public:
  Substreams(const DeviceIdentity& device, const std::string& name, unsigned format)
      : b(device, fmt::format("nested CDs: {}, S1Fmt = {}", name, format)),
        guest(b),
        format_(format),
        leaf_lg2_(format == 1 ? 6 : 10),
        max_(std::min(leaf_lg2_ + 1, b.capabilities().ssidsize)) {
    l1cds_pa_ = b.memory(users_page);
    guest.stage2.map(l1cds_ipa, l1cds_pa_);
    for (const u32 ssid : {u32{0}, last()}) {
      b.store(l1cds_pa_ + 8 * u64{ssid >> leaf_lg2_}, table_ipa(ssid) | 1);
      const u64 pa = page_pa(ssid);
      guest.stage2.map(align_down(cd_ipa(ssid), 12), pa);
      b.cd_at(pa + bits(cd_ipa(ssid), 11, 0), guest.cd);
    }
  }
  [[nodiscard]] u32 last() const { return static_cast<u32>(pow2(max_) - 1); }
  [[nodiscard]] u64 l1cds_pa() const { return l1cds_pa_; }
  [[nodiscard]] u64 cd_ipa(u32 ssid) const {
    return table_ipa(ssid) + 64 * (ssid & mask(leaf_lg2_ - 1, 0));
  }
  /// Of the page of a CD; those of few CDs are one.
  u64 page_pa(u32 ssid) {
    const u64 ipa = align_down(cd_ipa(ssid), 12);
    const auto [found, is_new] = pages_.try_emplace(ipa, 0);
    if (is_new) found->second = b.memory(users_page);
    return found->second;
  }
  /// Each access is of another CD.
  Case ask(bool ptw) {
    spec::Stage1SteFields fields;
    fields.s1contextptr = l1cds_ipa;
    fields.s1cdmax = max_;
    fields.s1fmt = format_;
    fields.s1dss = 2;
    spec::Ste<u64> ste = spec::with_stage2(spec::make_stage1_ste(fields), guest.stage2.fields());
    if (ptw) ste.dw[2] |= u64{1} << 54;
    b.ste(0, ste);
    b.enable();
    b.both(GuestTables::va);
    if (b.device().sends_substreams) {
      for (const bool write : {false, true}) {
        b.access(GuestTables::va, write, 0, {.substream = last()});
      }
    }
    b.poll();
    return b.take();
  }

  CaseBuilder b;
  GuestTables guest;

 private:
  static constexpr u64 tables_ipa = 0x100000, table_bytes = 0x10000;
  [[nodiscard]] u64 table_ipa(u32 ssid) const {
    return tables_ipa + table_bytes * u64{ssid >> leaf_lg2_};
  }

  unsigned format_, leaf_lg2_, max_;
  u64 l1cds_pa_ = 0;
  std::map<u64, u64> pages_;
};

void refused_cases(const DeviceIdentity& device, std::vector<Case>& cases, unsigned format) {
  using Tables = Stage2Tables;
  struct Against {
    const char* name;
    u64 leaf;  ///< with its address
    bool ptw = false;
  };
  constexpr u64 beyond = u64{1} << 47, unmapped = 0;
  std::vector<Against> all = {
      {"is not mapped", unmapped},
      {"may not be read", Tables::all & ~Tables::may_read},
      {"has AF = 0", Tables::all & ~Tables::af},
      {"is a Device page, S2PTW = 1", (Tables::all & ~Tables::normal) | Tables::device, true}};
  if (spec::parse_capabilities(device.id).oas_lg2 < 48) {
    all.push_back({"is beyond S2PS", Tables::all | beyond});
  }
  for (const bool is_l1cd : {true, false}) {
    for (const Against& against : all) {
      Substreams made(
          device, fmt::format("{} {} at stage 2", is_l1cd ? "the L1CD" : "the CD", against.name),
          format);
      const u64 ipa = is_l1cd ? l1cds_ipa : align_down(made.cd_ipa(made.last()), 12);
      const u64 pa = is_l1cd ? made.l1cds_pa() : made.page_pa(made.last());
      if (against.leaf == unmapped) {
        made.b.store(made.guest.stage2.entry(ipa), 0);
      } else {
        made.guest.stage2.map(ipa, pa | (against.leaf & beyond), against.leaf & ~beyond);
      }
      cases.push_back(made.ask(against.ptw));
    }
  }
}

}  // namespace

void nested_cd_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s1p || !caps.s2p || !caps.gran4k || !caps.cd2l || caps.ssidsize == 0) return;
  for (const unsigned format : {1U, 2U}) refused_cases(device, cases, format);
}

}  // namespace iommucheck::oracle
