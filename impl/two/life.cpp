// SPDX-License-Identifier: MIT
// From any state to one that translates with every device blocked, and back.
#include <algorithm>
#include <bit>

#include "impl/two/two.h"

namespace iommucheck::impl {

int Two::probe() {
  platform_.set_coherent(true);
  const u64 identity = platform_.read64(two::reg::identity);
  limits_ = {25, static_cast<u32>(bits(identity, 15, 8)), static_cast<u32>(bits(identity, 7, 0))};
  pasid_bits_ = static_cast<unsigned>(bits(identity, 23, 16));
  marks_ = bit(identity, 24);
  for (u32 i = 0; i < config_->device_count; ++i) {
    pasid_bits_max_ = std::max(pasid_bits_max_, pasid_bits(i));
  }
  return 0;
}

/// Zeros, visible before anything leads to them; 0: no memory.
u64 Two::new_words(u64 bytes) {
  const u64 pa = platform_.table_alloc(bytes);
  if (pa != 0) platform_.fill64(pa, bytes / sizeof(u64), 0);
  return pa;
}

int Two::begin_reset() {
  if (int error = stop()) return error;
  if (device_table_ == 0) {
    u32 last = 0;
    for (u32 i = 0; i < config_->device_count; ++i) {
      for_each_stream(i, [&](u32 stream) { last = std::max(last, stream); });
    }
    const u64 bytes = std::max(two::page_bytes, std::bit_ceil((u64{last} + 1) * sizeof(u64)));
    device_table_ = new_words(bytes);
    if (device_table_ == 0) return -IOMMUCHECK_ENOMEM;
    device_table_lg2_ = static_cast<unsigned>(std::countr_zero(bytes / sizeof(u64)));
  }
  platform_.write64(two::reg::device_table, device_table_ | device_table_lg2_);
  sent_ = done_ = platform_.read64(two::reg::done);
  return 0;
}

int Two::end_reset() {
  platform_.write64(two::reg::control, 1);
  on_ = true;
  return 0;
}

int Two::stop() {
  platform_.write64(two::reg::control, 0);
  on_ = false;
  return 0;
}

void Two::free_everything() {
  if (device_table_ != 0) platform_.table_free(device_table_, sizeof(u64) << device_table_lg2_);
  device_table_ = 0;
}

}  // namespace iommucheck::impl
