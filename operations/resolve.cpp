// SPDX-License-Identifier: MIT
#include "operations/resolve.h"

#include <algorithm>
#include <optional>

#include "base/bits.h"
#include "iommucheck/driver.h"

namespace iommucheck::fuzz {
namespace {

constexpr u64 k4 = u64{1} << 12;
constexpr u64 m2 = u64{1} << 21;
constexpr u64 g1 = u64{1} << 30;

/// 2^bits - 1, for 1 <= bits.
constexpr u64 last_address(unsigned address_bits) {
  return address_bits >= 64 ? ~u64{0} : pow2(address_bits) - 1;
}

u64 absolute_iova(const Operation& operation, u64 last) {
  const u64 page = operation.page;
  const u64 around = page * k4 - 16 * k4;  // wraps below 0, and back when added
  switch (static_cast<Window>(operation.window)) {
    case Window::low: return page * k4;
    case Window::around_2m: return (m2 + around) & last;
    case Window::around_1g: return (g1 + around) & last;
    case Window::around_512g: return (512 * g1 + around) & last;
    case Window::spots_2m: return (page * m2) & last;
    case Window::spots_1g: return (page * g1) & last;
    case Window::high: return last - k4 + 1 - page * k4;
    default: break;
  }
  if (page == 0) return align_down(~u64{0}, 12);  // its last page: a range of two wraps
  return page < 16 ? last + 1 + (page - 1) * k4 : page * k4 + 0x10;
}

const Mapped* aimed_at(const Operation& operation, const SpaceView& space) {
  if (static_cast<Aim>(operation.aim) == Aim::absolute || space.mappings.empty()) return nullptr;
  return &space.mappings[operation.mapping % space.mappings.size()];
}

/// Where the range begins, and what is left of the mapping from there.
struct Begin {
  u64 iova = 0;
  u64 left = 4 * k4;
};

bool maps_there(OperationKind kind) {
  return kind == OperationKind::map || kind == OperationKind::map_sg ||
         kind == OperationKind::process_map;
}

/// What the aim `behind` leaves of `page` says it: a map comes back to what was taken away, an
/// unmap goes on with what is mapped beside that.
std::optional<Begin> beside_what_left(const Operation& operation, const SpaceView& space) {
  const bool aims = static_cast<Aim>(operation.aim) == Aim::behind && operation.page % 2 == 1;
  if (!aims || space.left.empty()) return std::nullopt;
  const Mapped& gone = space.left[operation.mapping % space.left.size()];
  if (maps_there(operation.kind)) {
    // Over its beginning, from there, or within it.
    const u64 place = operation.page / 2 % 4;
    if (place == 0 && gone.iova >= k4) return Begin{gone.iova - k4, gone.bytes + k4};
    if (place == 1 && gone.bytes > k4) return Begin{gone.iova + k4, gone.bytes - k4};
    return Begin{gone.iova, gone.bytes};
  }
  for (const Mapped& m : space.mappings) {
    const bool beside = m.iova == gone.iova + gone.bytes || m.iova + m.bytes == gone.iova;
    if (beside) return Begin{m.iova, m.bytes};
  }
  return std::nullopt;
}

Begin begin_of(const Operation& operation, const SpaceView& space) {
  if (const auto beside = beside_what_left(operation, space)) return *beside;
  const Mapped* mapped = aimed_at(operation, space);
  if (mapped == nullptr) return {.iova = absolute_iova(operation, last_address(space.input_bits))};
  switch (static_cast<Aim>(operation.aim)) {
    case Aim::inside: {
      const u64 pages = std::max<u64>(mapped->bytes / k4, 1);
      const u64 offset = operation.page % pages * k4;
      return {.iova = mapped->iova + offset, .left = mapped->bytes - offset};
    }
    case Aim::behind: return {.iova = mapped->iova + mapped->bytes, .left = mapped->bytes};
    default: break;
  }
  // What answers for its low bits alone: only asked for, so that the bytes that are left say
  // nothing.
  const bool beyond = operation.kind == OperationKind::iova_to_phys && operation.page % 2 == 1;
  const u64 size = beyond ? last_address(space.input_bits) + 1 : 0;
  return {.iova = mapped->iova + size, .left = mapped->bytes};
}

u64 bytes_of(Size size, u64 left) {
  switch (size) {
    case Size::k4: return k4;
    case Size::k8: return 2 * k4;
    case Size::k12: return 3 * k4;
    case Size::k32: return 8 * k4;
    case Size::k60: return 15 * k4;
    case Size::k64: return 16 * k4;
    case Size::k68: return 17 * k4;
    case Size::m2_less_4k: return m2 - k4;
    case Size::m2: return m2;
    case Size::m2_4k: return m2 + k4;
    case Size::m4: return 2 * m2;
    case Size::g1: return g1;
    case Size::g1_2m: return g1 + m2;
    case Size::whole: return left;
    case Size::zero: return 0;
    case Size::k2: return k4 / 2;
    case Size::count: break;
  }
  return k4;
}

/// Aligned as before to what a leaf may have.
u64 near_pa_of(const Operation& operation, const SpaceView& space, u64 pa, u64 bytes) {
  const u64 offset = pa % m2;
  if (bytes > space.near_bytes || offset > space.near_bytes - bytes) return pa;
  const u64 places = (space.near_bytes - bytes - offset) / m2 + 1;
  return space.near_pa + operation.pa_page % places * m2 + offset;
}

u64 pa_of(const Operation& operation, const SpaceView& space, u64 iova, u64 bytes) {
  const u64 region = space.pa_base + u64{operation.pa_page % space.pa_regions} * 2 * g1;
  const u64 last = last_address(space.output_bits);
  switch (static_cast<Pa>(operation.pa)) {
    case Pa::congruent_1g: return near_pa_of(operation, space, region + iova % g1, bytes);
    case Pa::page:
      // More than a table full of single pages would be slow and show nothing new.
      if (bytes <= m2 + k4) {
        return near_pa_of(operation, space, region + k4 + (iova + k4) % m2, bytes);
      }
      [[fallthrough]];
    case Pa::congruent_2m: return near_pa_of(operation, space, region + m2 + iova % m2, bytes);
    default: break;
  }
  switch (operation.pa_page) {
    case 0: return last - k4 + 1;
    case 1: return last + 1;
    case 2: return region + 0x10;
    case 3: return align_down(~u64{0}, 12);
    default: return align_down(last - 2 * g1 + 1, 30) + iova % g1;
  }
}

/// What is aligned to 4 KiB, to the pages of the space: others stay as they are, to be refused.
Target in_pages(Target target, u64 page) {
  if (page <= k4) return target;
  const auto down = [&](u64 value) { return value % k4 == 0 ? value & ~(page - 1) : value; };
  target.iova = down(target.iova);
  target.pa = down(target.pa);
  if (target.bytes % k4 == 0) target.bytes = (target.bytes + (page - 1)) & ~(page - 1);
  return target;
}

}  // namespace

Target resolve(const Operation& operation, const SpaceView& space) {
  const Begin begin = begin_of(operation, space);
  Target target{.iova = begin.iova,
                .bytes = bytes_of(static_cast<Size>(operation.size), begin.left),
                .pa = 0};
  if (maps_there(operation.kind)) {
    // Large ranges only in leaves that are large, so that no map takes 262144 of them.
    const u64 most = space.leaf_max >= m2 ? g1 + m2 : 2 * m2;
    target.bytes = std::min(target.bytes, most);
    target.pa = pa_of(operation, space, target.iova, target.bytes);
  }
  target = in_pages(target, space.page);
  // Of larger pages a table is full of more memory than a block of 2 MiB.
  const bool blocks = (target.iova | target.pa) % space.leaf_max == 0;
  if (maps_there(operation.kind) && space.page > k4 && !blocks) {
    target.bytes = std::min(target.bytes, space.page / sizeof(u64) * space.page);
  }
  return target;
}

u32 prot_flags(const Operation& operation) {
  constexpr u32 r = IOMMUCHECK_PROT_READ;
  constexpr u32 w = IOMMUCHECK_PROT_WRITE;
  constexpr u32 x = IOMMUCHECK_PROT_EXEC;
  switch (static_cast<Prot>(operation.prot)) {
    case Prot::rw: return r | w;
    case Prot::r: return r;
    case Prot::w: return w;
    case Prot::rx: return r | x;
    case Prot::rwx: return r | w | x;
    case Prot::rw_privileged: return r | w | IOMMUCHECK_PROT_PRIVILEGED;
    case Prot::rw_device: return r | w | IOMMUCHECK_PROT_DEVICE;
    default: return 0;
  }
}

std::size_t domain_index(const Operation& operation, const DomainsView& domains) {
  const std::size_t selected =
      operation.domain == domain_of_device ? domains.of_device.value_or(0) : operation.domain;
  if (static_cast<Pick>(operation.variant) == Pick::fitting) {
    for (std::size_t n = 0; n < domains.live; ++n) {
      const std::size_t i = (selected + n) % domains.live;
      if (bit(domains.fitting, static_cast<unsigned>(i))) return i;
    }
  }
  return selected % domains.live;
}

bool needs_domain(OperationKind kind) {
  switch (kind) {
    case OperationKind::map:
    case OperationKind::unmap:
    case OperationKind::unmap_fast:
    case OperationKind::iotlb_sync:
    case OperationKind::flush_iotlb_all:
    case OperationKind::tlb_range_add:
    case OperationKind::iova_to_phys:
    case OperationKind::domain_free:
    case OperationKind::attach:
    case OperationKind::detach:
    case OperationKind::map_sg:
    case OperationKind::sva_alloc:
    case OperationKind::dynamic_alloc:
    case OperationKind::gpu_switch:
    case OperationKind::attach_pasid:
    case OperationKind::dirty:
    case OperationKind::sva_free: return true;
    default: return false;
  }
}

DomainWanted domain_wanted(const Operation& operation) {
  switch (static_cast<AllocKind>(operation.variant)) {
    case AllocKind::paging: return {IOMMUCHECK_DOMAIN_PAGING, 0};
    case AllocKind::paging_39: return {IOMMUCHECK_DOMAIN_PAGING, 39};
    case AllocKind::paging_25: return {IOMMUCHECK_DOMAIN_PAGING, 25};
    case AllocKind::blocked: return {IOMMUCHECK_DOMAIN_BLOCKED, 0};
    case AllocKind::identity: return {IOMMUCHECK_DOMAIN_IDENTITY, 0};
    case AllocKind::stage2: {
      constexpr u32 widths[] = {0, 0, 39, 32};  // from each level a table can start at
      return {IOMMUCHECK_DOMAIN_PAGING_S2, widths[operation.choices % std::size(widths)]};
    }
    default: return {IOMMUCHECK_DOMAIN_PAGING, 60};
  }
}

PasidLimits pasid_limits(const Operation& operation) {
  constexpr u32 top = (u32{1} << 20) - 1;
  switch (static_cast<PasidRange>(operation.window)) {
    case PasidRange::any: return {1, 0};
    case PasidRange::small: return {1, 4};
    case PasidRange::two: return {2, 3};
    case PasidRange::one: return {1, 1};
    case PasidRange::from_0: return {0, 2};
    case PasidRange::high: return {63, top};  // on both sides of a leaf of 64 context descriptors
    case PasidRange::beyond: return {1, top + 1};
    default: return {3, 2};
  }
}

}  // namespace iommucheck::fuzz
