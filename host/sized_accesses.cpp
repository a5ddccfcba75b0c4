// SPDX-License-Identifier: MIT
// Accesses of the platform that say their size: what compilers put in, and atomics.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <optional>

#include "base/bits.h"
#include "host/driver_host.h"

namespace iommucheck::oracle {

namespace {

/// What an atomic stores; nothing if it does not.
std::optional<u64> stored_by(u32 op, u64 old, u64 operand, u64 expected) {
  switch (op) {
    case IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE:
      return old == expected ? std::optional(operand) : std::nullopt;
    case IOMMUCHECK_ATOMIC_EXCHANGE: return operand;
    case IOMMUCHECK_ATOMIC_ADD: return old + operand;
    case IOMMUCHECK_ATOMIC_AND: return old & operand;
    case IOMMUCHECK_ATOMIC_OR: return old | operand;
    default: return old ^ operand;
  }
}

u64 low_bytes(u64 value, u32 bytes) { return bytes == 8 ? value : value & mask(8 * bytes - 1, 0); }

}  // namespace

/// The same for accesses that say their size.
bool DriverHost::refuses_sized(const char* what, u64 pa, u32 bytes, u32 most) {
  if (!std::has_single_bit(bytes) || bytes > most) {
    monitor_.driver_error(fmt::format(
        "{} at {:#x}, {:#x} bytes: it has to be a power of two up to {}", what, pa, bytes, most));
    return true;
  }
  if (pa % bytes != 0) {
    monitor_.driver_error(fmt::format("{} at {:#x}: not aligned to its {} bytes", what, pa, bytes));
    return true;
  }
  return refuses(what, align_down(pa, 3), std::max<u64>(bytes, 8));
}

/// What lies there now; `bytes` up to 8, aligned.
u64 DriverHost::read_memory(u64 pa, u32 bytes) const {
  const u64* place = monitor_.caches().memory().host(align_down(pa, 3));
  if (place == nullptr) return 0;
  const auto low = static_cast<unsigned>(8 * (pa % 8));
  return bits(*place, low + 8 * bytes - 1, low);
}

void DriverHost::bind_sized_accesses() {
  iommucheck_platform& p = platform_;
  p.store = [](void* ctx, uint64_t pa, uint32_t bytes, uint64_t value, uint64_t value_high,
               uint64_t pc) {
    DriverHost& host = self(ctx);
    if (host.spent() || host.refuses_sized("store", pa, bytes, 16)) return;
    host.monitor_.store(AgentId::cpu0, pa, bytes, bytes < 8 ? low_bytes(value, bytes) : value,
                        value_high, pc);
  };
  p.load = [](void* ctx, uint64_t pa, uint32_t bytes, uint32_t flags, uint64_t /*pc*/) -> uint64_t {
    DriverHost& host = self(ctx);
    host.looks_at(pa, bytes);
    if (host.spent() || host.refuses_sized("load", pa, bytes, 8)) return ~uint64_t{0};
    const u64 value = host.read_memory(pa, bytes);
    host.monitor_.load(AgentId::cpu0, pa, bytes, value, (flags & IOMMUCHECK_ORDERED) != 0);
    return value;
  };
  p.atomic = [](void* ctx, uint32_t op, uint64_t pa, uint32_t bytes, uint64_t operand,
                uint64_t expected, uint32_t flags, uint64_t pc) -> uint64_t {
    DriverHost& host = self(ctx);
    host.looks_at(pa, bytes);
    if (host.spent() || host.refuses_sized("atomic", pa, bytes, 8)) return ~expected;
    if (op > IOMMUCHECK_ATOMIC_XOR) {
      host.monitor_.driver_error(fmt::format("atomic: there is no operation {}", op));
      return ~expected;
    }
    host.exposes(before_atomic);
    host.monitor_.atomic_meets(align_down(pa, 3));
    const u64 old = host.read_memory(pa, bytes);
    const auto value = stored_by(op, old, operand, low_bytes(expected, bytes));
    const bool ordered = (flags & IOMMUCHECK_ORDERED) != 0;
    if (!value) {
      host.monitor_.load(AgentId::cpu0, pa, bytes, old, false);
    } else {
      host.monitor_.rmw(AgentId::cpu0, {.pa = pa,
                                        .size = bytes,
                                        .old_value = old,
                                        .value = low_bytes(*value, bytes),
                                        .ordered = ordered,
                                        .pc = pc});
    }
    return old;
  };
}

}  // namespace iommucheck::oracle
