// SPDX-License-Identifier: MIT
#pragma once

#include "spec/smmu/items.h"

namespace iommucheck::spec {

/// A translation, or the lack of one, that a look-up of one address may meet.
struct Candidate {
  enum class Kind : u8 { leaf, pointer, fault, unknown };
  Kind kind = Kind::fault;
  u8 level = 0;
  u8 extent_lg2 = 12;       ///< contiguous group counted in
  u8 hierarchical = 0;      ///< what the tables above took away, as four bits
  bool clean_only = false;  ///< cached; writes that mark the descriptor dirty need another walk
  Space space{};            ///< through which it was filled, or is walked to
  u64 va = 0;               ///< first address of the extent
  u64 at = 0;               ///< of the entry by which it was met: a contiguous group has several
  Leaf<u64> leaf{};
  Fault fault{};
  u32 item = 0;  ///< 1 + the item it comes from or through; 0: memory alone
  u64 origin = 0;
  u64 value = 0;
  u32 atc = 0;            ///< the ATC item that it is, and then no `item`; 0: not of an ATC
  bool identity = false;  ///< of an ATC, filled where stage 1 was bypassed: output = input

  [[nodiscard]] bool from_atc() const { return atc != 0; }
};

}  // namespace iommucheck::spec
