// SPDX-License-Identifier: MIT
// Address spaces: VMSAv8-64 tables, of the smallest granule that the SMMU has, with an ASID each,
// or of stage 2 with a VMID, and what devices have written to by them (dirty.cpp). A tag that is
// taken is no other space's until it is released, and a table that was unmapped is freed only with
// what is retired. arch 7.3, 7.4.
#pragma once

#include <variant>

#include "impl/core/backend.h"
#include "impl/pgtable/page_table.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"
#include "impl/smmuv3/pools.h"
#include "impl/smmuv3/registers.h"
#include "impl/vmsav8/format.h"

namespace iommucheck::impl {

/// What stage 2 makes has no ASID; the host's own stage 1 has VMID 0.
inline constexpr u64 no_asid = ~u64{0};
constexpr bool is_vmid(Tag tag) { return tag.inner == no_asid; }

template <class Format>
struct TableOf {
  using Pages = PageTable<Format, Platform>;
  Pages pages;
  Pages::Retired retired;  // wait for what is gathered or in quarantine
};

struct SmmuSpace : Space {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  bool stage2 = false;
  /// By the granule; all spaces of an SMMU have the same.
  std::variant<TableOf<Vmsav8Granule4k>, TableOf<Vmsav8Granule16k>, TableOf<Vmsav8Granule64k>>
      table;
};

class Spaces {
 public:
  Spaces(const Platform& platform, const iommucheck_config& config, const Features& features)
      : platform_(platform), config_(&config), features_(features) {}

  bool create();

  /// What Backend says of these.
  int open_space(u32 input_bits, Space** space);
  int open_tagged(u32 input_bits, bool stage2, Space** space);
  int open_foreign_space(const Space& like, Space** space);
  void close_space(Space& space);
  MapProgress map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot);
  UnmapProgress unmap(Space& space, u64 iova, u64 bytes);
  [[nodiscard]] u64 translate(const Space& space, u64 iova) const;
  Detached detach(Space& space, u64 iova, u64 pa, u64 bytes);
  void attach_back(Space& space, const Detached& subtree);
  void free_detached(Space& space, const Detached& subtree);
  void free_retired(Space& space);

  Tag new_tag() { return {.inner = asids_.allocate()}; }
  int take_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag);
  void release_tag(Tag tag);

  // dirty.cpp
  void track(Space& space, bool on);
  void read_marks(Space& space, DirtyWindow& window);
  void mark_again(Space& space, const DirtyWindow& window);

 private:
  SmmuSpace* new_space(u32 input_bits, bool stage2);
  template <class Visit>
  void for_each_leaf(const SmmuSpace& space, u64 first, u64 last, Visit visit) const;

  const Platform& platform_;
  const iommucheck_config* config_;
  const Features& features_;
  NumberAllocator asids_;
  NumberAllocator vmids_;
  Pool<SmmuSpace> spaces_;
};

}  // namespace iommucheck::impl
