// SPDX-License-Identifier: MIT
// PROD and CONS of each queue reset to UNKNOWN values: who enables a queue has written both before,
// or read what it has not written, and goes on from there. IHI 0070 3.5.1, 6.3.27, 6.3.28, 6.3.95
// to 6.3.98.
#pragma once

#include "spec/smmu/ground.h"

namespace iommucheck::spec {

class ResetIndices {
 public:
  explicit ResetIndices(Ground& ground) : ground_(ground) {}

  /// Who writes from now on knows of them what it writes or reads itself.
  void driver_begins();

  /// The register at `offset` was written or read.
  void note(u32 offset);

  /// These bits of CR0 become 1.
  void check_known(u64 enables);

 private:
  Ground& ground_;
  u64 unknown_ = 0;  // a bit for each
  u64 driver_began_ = 0;
};

}  // namespace iommucheck::spec
