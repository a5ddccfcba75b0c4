// SPDX-License-Identifier: MIT
// Stage 2 in the memory of a case: its tables, and a guest below it.
#pragma once

#include <array>

#include "base/bits.h"
#include "conform/case.h"

namespace iommucheck::oracle {

/// Where a walk of stage 2 starts, and how many bits it translates.
struct Stage2Shape {
  spec::Granule granule = spec::Granule::g4k;
  unsigned sl0 = 1, start = 1, t0sz = 25;
};
/// The 4 KiB one that most SMMUs have.
Stage2Shape plain_shape(const spec::Capabilities& caps);

/// On a PE such start levels need larger physical addresses, and whether an SMMU has them all the
/// same is open. arch 4.6.
bool start_is_open(const Stage2Shape& shape, unsigned oas_lg2);

/// Tables of stage 2 in the memory of a case.
class Stage2Tables {
 public:
  static constexpr u64 may_read = u64{1} << 6, may_write = u64{1} << 7, af = u64{1} << 10;
  static constexpr u64 normal = u64{0xf} << 2 | u64{3} << 8;  // MemAttr, SH
  static constexpr u64 device = 0;                            // nGnRnE
  static constexpr u64 xn = u64{1} << 53;                     // its lower bit
  static constexpr u64 all = may_read | may_write | af | normal;

  Stage2Tables(CaseBuilder& b, const Stage2Shape& shape, unsigned vmid = 1);

  /// Of the tables of the start level, which are aligned to that.
  [[nodiscard]] u64 start_bytes() const;
  [[nodiscard]] u64 end() const { return pow2(64 - shape_.t0sz); }
  [[nodiscard]] u64 page() const { return pow2(spec::page_shift(shape_.granule)); }

  /// The place of the descriptor at `level` for `ipa`.
  u64 entry(u64 ipa, unsigned level = spec::last_level);
  void map(u64 ipa, u64 pa, u64 bits = all, unsigned level = spec::last_level);

  [[nodiscard]] spec::Stage2SteFields fields() const;
  [[nodiscard]] spec::Ste<u64> alone() const {
    return spec::with_stage2(spec::make_bypass_ste(), fields());
  }

 private:
  CaseBuilder* b_;
  Stage2Shape shape_;
  unsigned vmid_;
  u64 root_ = 0;
};

/// A guest: its CD and stage 1 tables lie at intermediate addresses that are not their physical
/// ones. `cd` is written by whoever has the case.
class GuestTables {
 public:
  static constexpr u64 cd_ipa = 0x10000, tables_ipa = 0x20000, data_ipa = 0x40000;
  static constexpr u64 va = 0x7000;  ///< read and written; so is the page behind it, read-only
  static constexpr unsigned tsz = 25;
  static constexpr unsigned levels = 3;  // 1 to 3

  /// `data`: where its two pages of data are, beside those of others.
  explicit GuestTables(CaseBuilder& builder, unsigned vmid = 1, u64 data = 0, unsigned asid = 1);

  static u64 table_ipa(unsigned i) { return tables_ipa + 0x1000 * u64{i}; }
  /// The word of table `i`, 0 for the first, that translates `at`.
  [[nodiscard]] u64 place(unsigned i, u64 at) const;
  void leaf(u64 at, u64 ipa, const LeafBits& bits = {});
  [[nodiscard]] spec::Ste<u64> ste() const;

  CaseBuilder& b;
  Stage2Tables stage2;
  u64 cd_pa = 0;
  std::array<u64, levels> table_pa{};
  spec::Cd<u64> cd;
};

}  // namespace iommucheck::oracle
