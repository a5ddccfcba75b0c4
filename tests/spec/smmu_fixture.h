// SPDX-License-Identifier: MIT
// A device with everything that the specification describes, for tests to take features away from.
#pragma once

#include "spec/smmu/registers.h"

namespace iommucheck::spec {

inline Capabilities full_capabilities() {
  Capabilities c;
  c.minor = 2;
  c.s1p = c.s2p = c.aarch64 = c.cohacc = c.hyp = c.ats = c.asid16 = c.vmid16 = true;
  c.httu = 2;
  c.cd2l = c.two_level_stream_table = true;
  c.sidsize = 16;
  c.ssidsize = 10;
  c.cmdqs = c.eventqs = 19;
  c.had = c.stt = c.ril = c.e0pd = c.epan = true;
  c.oas_lg2 = 48;
  c.gran4k = c.gran16k = c.gran64k = true;
  return c;
}

}  // namespace iommucheck::spec
