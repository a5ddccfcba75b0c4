// SPDX-License-Identifier: MIT
#include "spec/smmu/walker.h"

namespace iommucheck::spec {

Regime<u64> walker_regime(const Regime<u64>& format, u32 number, u64 root) {
  Regime<u64> regime = format;
  regime.world = StreamWorld::foreign;
  regime.vmid = 0;
  regime.asid = number;
  regime.half[0].epd = false;
  regime.half[0].ttb = root;
  regime.half[1] = {};
  regime.half[1].epd = true;
  return regime;
}

Regime<u64> plain_format(unsigned input_bits, unsigned output_bits, Granule granule) {
  Regime<u64> regime;
  regime.half[0].tg = granule;
  regime.half[0].tsz = 64 - u64{input_bits};
  regime.ips_lg2 = output_bits;
  regime.mair = unknown_mair;
  return regime;
}

}  // namespace iommucheck::spec
