// SPDX-License-Identifier: MIT
// What the selectors of an operation mean in the state at hand.
#pragma once

#include <optional>
#include <span>

#include "base/types.h"
#include "operations/operation.h"

namespace iommucheck::fuzz {

struct Mapped {
  u64 iova = 0;
  u64 bytes = 0;  ///< not 0
};

/// The address space that an operation is about.
struct SpaceView {
  unsigned input_bits = 48;
  unsigned output_bits = 48;
  u64 page = 4096;                ///< the smallest leaf that the driver makes
  u64 leaf_max = u64{1} << 30;    ///< the largest
  u64 pa_base = u64{0x10} << 32;  ///< memory of callers begins here; a multiple of 1 GiB
  u32 pa_regions = 8;             ///< of it, 2 GiB apart
  /// Memory in which ranges that fit lie instead; a multiple of 2 MiB, 0 bytes: there is none.
  u64 near_pa = 0;
  u64 near_bytes = 0;
  std::span<const Mapped> mappings;  ///< any order; the caller keeps it the same in each run
  std::span<const Mapped> left{};    ///< what was taken away lately, and was not there again
};

struct Target {
  u64 iova = 0;
  u64 bytes = 0;
  u64 pa = 0;
};

/// Range and physical address. A map takes at most about 1100 leaves of the driver's sizes, or of
/// pages larger than 4 KiB what a table of them holds.
Target resolve(const Operation& operation, const SpaceView& space);

/// IOMMUCHECK_PROT_*.
u32 prot_flags(const Operation& operation);

/// The domains that live, by index.
struct DomainsView {
  std::size_t live = 0;                  ///< 1..64
  std::optional<std::size_t> of_device;  ///< the one that the operation's device is attached to
  /// Bit i: the call can change something of domain i. map: paging; unmap: something is mapped;
  /// sync and flush: something is gathered; domain_free: no device; attach: not of_device;
  /// detach: of_device; dynamic_alloc: paging; gpu_switch: dynamic; others: all.
  u64 fitting = ~u64{0};
};

/// Index of the domain meant, below `live`.
std::size_t domain_index(const Operation& operation, const DomainsView& domains);

/// Whether the operation is on a domain or private space. Where there is none a harness does
/// domain_alloc() first, so that no word is wasted.
bool needs_domain(OperationKind kind);

/// input_bits of iommucheck_domain_params, and its kind (IOMMUCHECK_DOMAIN_*), of a domain_alloc.
struct DomainWanted {
  u32 kind = 0;
  u32 input_bits = 0;
};
DomainWanted domain_wanted(const Operation& operation);

/// [min, max] of sva_init and pasid_alloc; max 0: no limit.
struct PasidLimits {
  u32 min = 0;
  u32 max = 0;
};
PasidLimits pasid_limits(const Operation& operation);

}  // namespace iommucheck::fuzz
