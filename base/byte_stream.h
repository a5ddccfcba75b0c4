// SPDX-License-Identifier: MIT
// Bytes that become what somebody does who keeps no rule; behind their end there are zeros.
#pragma once

#include <cstddef>
#include <span>

#include "base/types.h"

namespace iommucheck {

class ByteStream {
 public:
  /// The bytes outlive it.
  explicit ByteStream(std::span<const u8> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool is_empty() const { return at_ >= bytes_.size(); }
  u8 byte() { return is_empty() ? u8{0} : bytes_[at_++]; }
  u64 word() {
    u64 word = 0;
    for (unsigned i = 0; i < 8; ++i) word |= u64{byte()} << (8 * i);
    return word;
  }

 private:
  std::span<const u8> bytes_;
  std::size_t at_ = 0;
};

}  // namespace iommucheck
