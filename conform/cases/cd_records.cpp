// SPDX-License-Identifier: MIT
// CDs that cannot be fetched or used, by what names them: no SubstreamID, SubstreamID 0, another
// one. Records say which. IHI 0070 5.2 (S1DSS), 7.3 (SSV), 7.3.10, 7.3.11.
#include <fmt/format.h>

#include <algorithm>

#include "conform/cases/directed.h"

namespace iommucheck::oracle {

namespace {

struct Lacks {
  const char* name;
  bool aborts;     ///< the CD is where no memory is; else it is there, and V = 0
  bool two_level;  ///< by an L1CD that is there
};
constexpr Lacks all_lacks[] = {{"it is where no memory is", true, false},
                               {"it is where no memory is, of two levels", true, true},
                               {"V = 0", false, false},
                               {"V = 0, of two levels", false, true}};

void record_case(const DeviceIdentity& device, std::vector<Case>& cases, const Lacks& lacks,
                 unsigned dss) {
  CaseBuilder b(device, fmt::format("CDs by SubstreamID: {}, S1DSS = {}", lacks.name, dss));
  constexpr u64 table_bytes = u64{64} << 6;
  const u64 table =
      lacks.aborts ? device.absent_pa + table_bytes : b.memory(table_bytes, table_bytes);
  spec::Stage1SteFields fields;
  fields.s1contextptr = table;
  fields.s1cdmax = std::min(6U, b.capabilities().ssidsize);
  fields.s1dss = dss;
  if (lacks.two_level) {
    fields.s1contextptr = b.memory(64, 64);
    fields.s1fmt = 1;
    b.store(fields.s1contextptr, table | 1);
  }
  b.ste(0, spec::make_stage1_ste(fields));
  b.enable();
  const u64 at = b.data(0x40);  // where it passes stage 1, with S1DSS = 1
  b.both(at);
  for (const u32 ssid : {0U, 1U}) {
    for (const bool write : {false, true}) {
      b.access(at, write, 0, {.substream = ssid});
    }
  }
  b.poll();
  cases.push_back(b.take());
}

}  // namespace

void cd_record_cases(const DeviceIdentity& device, std::vector<Case>& cases) {
  const spec::Capabilities caps = spec::parse_capabilities(device.id);
  if (!caps.s1p || !device.sends_substreams || caps.ssidsize == 0) return;
  for (const Lacks& lacks : all_lacks) {
    if (lacks.aborts && device.absent_bytes < 0x2000) continue;
    if (lacks.two_level && !caps.cd2l) continue;
    for (unsigned dss = 0; dss < 3; ++dss) record_case(device, cases, lacks, dss);
  }
}

}  // namespace iommucheck::oracle
