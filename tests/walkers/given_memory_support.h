// SPDX-License-Identifier: MIT
// Memory that is everywhere: what nobody has put into it is drawn from the seed and the address,
// and looks like a descriptor of a table or a page more often than not. So any walk goes on, and
// each walker may read what it likes in whichever order.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "impl/device/memory.h"

namespace iommucheck::walkers {

class GivenMemory final : public device::Memory {
 public:
  struct Kind {
    u64 good = 16;       ///< one word of so many is none that leads on
    bool big = false;    ///< descriptors are big-endian
    bool young = false;  ///< AF is 0 in half of them
  };
  /// What is planted is forgotten, as is what was written.
  void begin(u64 seed, Kind kind);
  void put(u64 pa, u64 value);

  /// Nothing: an external abort.
  [[nodiscard]] std::optional<u64> word(u64 pa) const;

  // What a device does
  bool read(u64 pa, void* to, u64 bytes) noexcept override;
  /// Records of its event queue: no other memory is written so.
  bool write(u64 pa, const void* from, u64 bytes) noexcept override;
  bool compare_exchange(u64 pa, u64& expected, u64 desired) noexcept override;

  struct Write {
    u64 pa = 0, from = 0, to = 0;
    friend bool operator==(const Write&, const Write&) = default;
  };
  std::vector<Write> writes;  ///< each word once
  std::optional<std::array<u64, 4>> record;

  // Mistakes of the device that reads it
  u64 unseen = 0;             ///< bits of a descriptor that it takes for 0
  u64 unwritten = 0;          ///< bits that it forgets to set
  bool is_of_device = false;  ///< who asks for words

 private:
  [[nodiscard]] u64 drawn(u64 pa) const;
  struct Planted {
    u64 pa = 0, value = 0;
  };
  std::vector<Planted> planted_;
  u64 seed_ = 0;
  Kind kind_;
};

}  // namespace iommucheck::walkers
