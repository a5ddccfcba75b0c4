// SPDX-License-Identifier: MIT
#include "monitor/drawn_smmu.h"

#include "monitor/monitor.h"

namespace iommucheck::oracle {

spec::Capabilities drawn_capabilities(Draw& draw) {
  spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
  caps.minor = draw.below(4);
  caps.ril = caps.minor >= 2;
  caps.had = caps.xnx = caps.minor >= 1;
  caps.e0pd = caps.minor >= 3;
  caps.fwb = caps.minor >= 2;
  caps.bbml = caps.minor >= 2 ? draw.from(1, 2) : 0;
  caps.httu = draw.below(3);
  caps.cohacc = !draw.one_in(3);
  caps.asid16 = draw.one_in(2);
  caps.s2p = draw.one_in(3);
  caps.vmid16 = caps.s2p && draw.one_in(2);
  const bool hyp = draw.one_in(3);
  caps.hyp = caps.s2p && (hyp || caps.minor >= 2);
  caps.ats = !draw.one_in(3);
  caps.pri = false;
  caps.stall_model = draw.one_in(3) ? spec::StallModel::never : spec::StallModel::both;
  caps.term_model = draw.one_in(3);
  caps.ttendian = draw.of({0, 2});
  caps.gran16k = draw.one_in(2);
  caps.gran64k = draw.one_in(2);
  caps.stt = caps.minor >= 1 && draw.one_in(3);
  caps.cd2l = draw.one_in(2);
  caps.ssidsize = caps.cd2l ? draw.of({0, 3, 6, 7, 8, 10, 16, 20}) : draw.of({0, 1, 4, 6, 7, 8});
  caps.two_level_stream_table = draw.one_in(2);
  caps.sidsize = caps.two_level_stream_table ? draw.of({7, 8, 16, 20, 32}) : draw.from(4, 6);
  caps.cmdqs = draw.from(3, 8);
  caps.eventqs = draw.from(2, 7);
  caps.oas_lg2 = draw.of({32, 36, 40, 42, 44, 48});
  return caps;
}

}  // namespace iommucheck::oracle
