// SPDX-License-Identifier: MIT
// The context descriptors of domains: what stands in a table; or what STEs say that lead to a table
// of stage 2 (stage2.cpp). In which steps a CD becomes another one says cd_writer.h; what caches
// keep of it is not forgotten here. IHI 0070 3.3.3, 5.4; arch 3, 7.3.
#pragma once

#include "impl/core/backend.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"
#include "impl/smmuv3/cd_table.h"
#include "impl/smmuv3/cd_writer.h"
#include "impl/smmuv3/pools.h"
#include "impl/smmuv3/registers.h"
#include "impl/smmuv3/structures.h"

namespace iommucheck::impl {

/// The context descriptors of a domain.
struct SmmuTable : Table {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  bool stage2 = false;
  bool begun = false;  // its first CD says something
  CdTable cds;
  // Of stage 2: words of the STEs that lead there.
  u64 word2 = 0;
  u64 word3 = 0;
};

/// CD 0 is that of accesses without a SubstreamID.
constexpr u32 ssid_of(u32 pasid) { return pasid == no_pasid ? 0 : pasid; }

class Tables {
 public:
  using Growth = Backend::Growth;
  using Place = Backend::Place;

  Tables(const Platform& platform, const Features& features)
      : platform_(platform), features_(features) {}

  /// `pasid_bits_max`: the widest that a device of the platform can send.
  bool create(u32 devices, unsigned pasid_bits_max);
  void destroy() { cds_.destroy(platform_); }

  /// What Backend says of these.
  [[nodiscard]] bool understands(const iommucheck_mm& mm) const;
  Table* open_table();
  void close_table(Table& table);
  Stored set_first_entry(Table& table, const Entry* entry);
  Growth grow(Table& table);
  void grown(Table& table);
  void not_grown(Table& table);
  void free_abandoned(Table& table);
  Place make_place(Table& table, u32 pasid);
  Prepared prepare_entry(Table& table, u32 pasid, const Entry& entry);
  Stored store_entry(Table& table, u32 pasid, const Entry& entry);
  Stored clear_entry(Table& table, u32 pasid);

  // Of stage 2. Null: no memory.
  SmmuTable* open_stage2();
  void name_table(SmmuTable& table, const Space& space) const;

 private:
  [[nodiscard]] u64 cd_word0(const Entry& entry) const;
  [[nodiscard]] cd::Words cd_words(const Entry& entry) const;
  [[nodiscard]] cd::Words cd_at(u64 cd) const;
  void store_step(u64 cd, const cd::Step& step);
  Stored store_last(u64 cd, const cd::Words& to);

  const Platform& platform_;
  const Features& features_;
  unsigned pasid_bits_max_ = 0;
  CdSlots cds_;
  Pool<SmmuTable> tables_;
};

}  // namespace iommucheck::impl
