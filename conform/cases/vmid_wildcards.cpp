// SPDX-License-Identifier: MIT
// CR0.VMW and stage 1: what a command covers of the VMID that it names it covers of each VMID that
// matches, leaves and tables of each level. IHI 0070 3.17.6, 4.4.2, 6.3.9.
#include <fmt/format.h>

#include <array>

#include "base/bits.h"
#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Granule;

constexpr u16 wildcard_vmid = 8, wildcard_asid = 5;
constexpr std::array<u64, 2> wildcard_pages = {0x1000, 0x2000};

struct WildcardWay {
  const char* name;
  std::vector<Command> commands;
};

/// Each of the VMID that is wildcard_vmid.
std::vector<WildcardWay> ways_of(bool is_leaf) {
  const auto each = [](auto&& of_page) {
    std::vector<Command> all;
    for (const u64 page : wildcard_pages) all.push_back(of_page(page));
    return all;
  };
  const auto by_va = [](bool leaf) {
    return
        [leaf](u64 page) { return spec::cmd_tlbi_nh_va(wildcard_vmid, wildcard_asid, page, leaf); };
  };
  const auto by_vaa = [](bool leaf) {
    return [leaf](u64 page) { return spec::cmd_tlbi_nh_vaa(wildcard_vmid, page, leaf); };
  };
  std::vector<WildcardWay> all = {
      {"TLBI_NH_ALL", {spec::cmd_tlbi_nh_all(wildcard_vmid)}},
      {"TLBI_NH_ASID", {spec::cmd_tlbi_nh_asid(wildcard_vmid, wildcard_asid)}},
      {"TLBI_NH_VA", each(by_va(false))},
      {"TLBI_NH_VAA", each(by_vaa(false))},
      {"TLBI_S12_VMALL", {spec::cmd_tlbi_s12_vmall(wildcard_vmid)}}};
  if (is_leaf) {
    all.push_back({"TLBI_NH_VA, Leaf = 1", each(by_va(true))});
    all.push_back({"TLBI_NH_VAA, Leaf = 1", each(by_vaa(true))});
  }
  return all;
}

/// Two streams, of the VMID that is wildcard_vmid and of one that is another in each bit that does
/// not count. What stands at `level` goes for both.
void one_case(const DeviceIdentity& device, std::vector<Case>& cases, unsigned vmw, unsigned level,
              const WildcardWay& way) {
  CaseBuilder b(device,
                fmt::format("sequence: VMW = {}, {} at level {}, {}", vmw,
                            level == spec::last_level ? "leaves" : "a table", level, way.name));
  b.wildcards(vmw);
  const unsigned tsz = level == 0 ? 16 : 25;
  const u16 matching = wildcard_vmid ^ static_cast<u16>(pow2(vmw) - 1);
  std::array<u64, 2> roots{};
  for (unsigned e = 0; e < 2; ++e) {
    roots[e] = b.root(Granule::g4k, tsz);
    for (const u64 page : wildcard_pages) {
      b.map(roots[e], page, b.data(page + 0x4000 * u64{e}), spec::last_level, {}, Granule::g4k,
            tsz);
    }
    b.cd(e, b.plain_cd(roots[e], tsz, wildcard_asid));
    spec::Ste<u64> ste = b.stage1_ste(e);
    ste.dw[2] |= e == 0 ? wildcard_vmid : matching;
    b.ste(e, ste);
  }
  b.enable();
  const auto use = [&] {
    for (unsigned e = 2; e-- > 0;) {
      for (const u64 page : wildcard_pages) b.access(page, false, e);
    }
  };
  use();
  for (const u64 root : roots) {
    // Below a table that is gone there is no other one to look for.
    b.store(b.entry(root, Granule::g4k, tsz, wildcard_pages[0], level), 0);
    if (level == spec::last_level)
      b.store(b.entry(root, Granule::g4k, tsz, wildcard_pages[1], level), 0);
  }
  for (const Command& command : way.commands) b.command(command);
  b.sync();
  use();
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void vmid_wildcard_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.vmw || !caps.s1p || !caps.s2p || !caps.gran4k || device.sids.size() < 2) return;
  for (unsigned level = 0; level <= spec::last_level; ++level) {
    for (const WildcardWay& way : ways_of(level == spec::last_level)) {
      for (const unsigned vmw : {1U, 4U}) one_case(device, cases, vmw, level, way);
    }
  }
}

}  // namespace iommucheck::oracle
