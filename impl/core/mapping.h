// SPDX-License-Identifier: MIT
// map, unmap and what follows, of any space. INTERFACE "Map", "Gather".
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Batch;
class Debts;
class Domains;

class Mapping {
 public:
  Mapping(const Platform& platform, Backend& backend, const Domains& domains, Batch& batch,
          Debts& debts)
      : platform_(platform),
        backend_(backend),
        remembers_unmapped_(backend.remembers_unmapped()),
        domains_(domains),
        batch_(batch),
        debts_(debts) {}

  // The calls of driver.h; results and errors as stated there.
  int map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot);
  iommucheck_result map_sg(Space& space, u64 iova, const iommucheck_sg* sg, u64 count, u32 prot);
  iommucheck_result unmap(Space& space, u64 iova, u64 bytes);
  iommucheck_result unmap_fast(Space& space, u64 iova, u64 bytes);
  int sync(Space& space);
  int flush_all(Space& space);
  static int range_add(Space& space, u64 iova, u64 bytes);

 private:
  int check_map(const Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) const;
  int map_checked(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot);
  int forget_unmapped(Space& space, u64 iova, u64 bytes);
  int clear_the_way(Space& space, u64 iova, u64 pa, u64 bytes);
  static u64 less_than_block(const Space& space, u64 iova, u64 pa, u64 bytes);
  void unroll(Space& space, u64 iova, u64 bytes);
  u64 clear(Space& space, u64 iova, u64 bytes);
  bool quarantined(const Space& space, u64 iova, u64 bytes) const;

  const Platform& platform_;
  Backend& backend_;
  const bool remembers_unmapped_;  // caches of the backend: asked once, not at each map
  const Domains& domains_;
  Batch& batch_;
  Debts& debts_;
};

}  // namespace iommucheck::impl
