// SPDX-License-Identifier: MIT
// The memory of a system whose SMMU is a device under test behind the door. It is the tester's; a
// device in a child process of ours sees the same pages. What does not lie in it whole aborts.
#pragma once

#include <memory>
#include <optional>

#include "base/mapped.h"
#include "base/types.h"

namespace iommucheck::oracle {

class TesterMemory {
 public:
  /// Structures first, data behind them. Each word of four bytes of the data holds its own address.
  static constexpr u64 structures_pa = 0x40000000, structures_bytes = u64{8} << 20;
  static constexpr u64 data_pa = structures_pa + structures_bytes, data_bytes = u64{4} << 20;
  static constexpr u64 pa = structures_pa, bytes = structures_bytes + data_bytes;
  /// Below 2^32, where no memory is.
  static constexpr u64 absent_pa = 0x70000000, absent_bytes = u64{1} << 16;
  static constexpr u64 access_max = 65536;

  /// environment if there is no memory.
  static Expected<std::unique_ptr<TesterMemory>> create();

  /// Structures are 0, data is as it began.
  void reset();

  /// Of the device: false is an external abort, and nothing was done.
  [[nodiscard]] bool read(u64 from, void* to, u64 count) const;
  [[nodiscard]] bool write(u64 to, const void* from, u64 count);
  /// Of the tester: aligned to 8; nothing is done, and 0 read, where no memory is.
  void store(u64 place, u64 value);
  void fill(u64 place, u64 words, u64 value);
  [[nodiscard]] u64 load(u64 place) const;

  /// Where in the data that word of four bytes lies, at an address that is `iova` below a page; it
  /// is put back to what it was.
  std::optional<u64> take_mark(u32 mark, u64 iova);

 private:
  explicit TesterMemory(Mapped<char[]> base) : base_(std::move(base)) {}
  [[nodiscard]] static bool inside(u64 place, u64 count) {
    return count <= bytes && place - pa <= bytes - count;
  }
  [[nodiscard]] char* at(u64 place) const { return base_.get() + (place - pa); }
  void begin_anew(u64 page);
  void note_written(u64 first, u64 count);

  static constexpr u64 page_bytes = 4096, pages = bytes / page_bytes;
  static constexpr u64 first_data_page = structures_bytes / page_bytes;
  /// The memory, and behind it a byte for each page that was written to since it began anew, by
  /// whichever process.
  static constexpr u64 mapped_bytes = bytes + pages;
  [[nodiscard]] char& written(u64 page) const { return base_[bytes + page]; }

  Mapped<char[]> base_;
  u64 last_mark_page_ = data_pa;  // where the last one was found, to be looked at first
};

}  // namespace iommucheck::oracle
