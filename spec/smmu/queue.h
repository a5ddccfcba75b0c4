// SPDX-License-Identifier: MIT
// Indices of the three queues: position and wrap bit. IHI 0070 3.5.1; arch 1.5. A value here is
// RD or WR without the flags above bit 19.
#pragma once

#include "base/word.h"

namespace iommucheck::spec {

inline constexpr unsigned queue_index_bits = 20;
inline constexpr u32 queue_index_mask = (u32{1} << queue_index_bits) - 1;
inline constexpr unsigned command_bytes = 16;
inline constexpr unsigned event_bytes = 32;
inline constexpr unsigned page_request_bytes = 16;
inline constexpr u32 queue_overflow_flag = u32{1} << 31;  ///< OVFLG in PROD, OVACKFLG in CONS

/// What the SMMU makes of xQ_BASE: `lg2` capped by the ID register, the base aligned to the size.
struct QueueGeometry {
  u64 base = 0;
  unsigned lg2 = 0;
  friend bool operator==(const QueueGeometry&, const QueueGeometry&) = default;
};

constexpr QueueGeometry queue_geometry(u64 base_register, unsigned capability_lg2,
                                       unsigned entry_bytes) {
  const auto literal = static_cast<unsigned>(bits(base_register, 4, 0));
  const unsigned lg2 = literal < capability_lg2 ? literal : capability_lg2;
  const unsigned size_lg2 = lg2 + (entry_bytes == event_bytes ? 5 : 4);
  return {align_down(base_register & mask(51, 5), size_lg2), lg2};
}

/// The bits of RD or WR that exist: index and wrap.
template <Word W>
constexpr W queue_bits(unsigned lg2, W value) {
  return field(value, lg2, 0);
}

template <Word W>
constexpr W queue_index(unsigned lg2, W value) {
  return value & W(pow2(lg2) - 1);
}

template <Word W>
constexpr Flag<W> queue_wrap(unsigned lg2, W value) {
  return flag(value, lg2);
}

template <Word W>
constexpr Flag<W> queue_empty(unsigned lg2, W prod, W cons) {
  return equal(queue_bits(lg2, prod), queue_bits(lg2, cons));
}

template <Word W>
constexpr Flag<W> queue_full(unsigned lg2, W prod, W cons) {
  return equal(queue_bits(lg2, prod ^ cons), W(pow2(lg2)));
}

/// One entry further; with lg2 = 0 only the wrap bit toggles.
template <Word W>
constexpr W queue_next(unsigned lg2, W value) {
  return queue_bits(lg2, value + W(1));
}

/// Entries between CONS and PROD: 0..2^lg2 if the pair is consistent. Larger: PROD claims more than
/// the queue holds, which no correct driver writes.
template <Word W>
constexpr W queue_used(unsigned lg2, W prod, W cons) {
  return queue_bits(lg2, prod - cons);
}

template <Word W>
constexpr Flag<W> queue_consistent(unsigned lg2, W prod, W cons) {
  return less_equal(queue_used(lg2, prod, cons), W(pow2(lg2)));
}

template <Word W>
constexpr W queue_slot(const QueueGeometry& queue, unsigned entry_bytes, W value) {
  return W(queue.base) + (queue_index(queue.lg2, value) << (entry_bytes == event_bytes ? 5 : 4));
}

}  // namespace iommucheck::spec
