// SPDX-License-Identifier: MIT
// Memory that a driver under test is given: mapped for itself, between pages that nobody may touch,
// so that what runs over its end is a crash of the driver and not of the checker.
#pragma once

#include <cstddef>
#include <optional>

#include "base/types.h"

namespace iommucheck::oracle {

/// Zeroed memory in whole pages. Throws std::bad_alloc where the system has none.
class Pages {
 public:
  enum class Kind : u8 {
    own,      ///< one mapping, copied by a fork like any other memory
    mirrored  ///< mapped twice: to write at data(), only to read at mirror(); a fork shares it
  };
  /// `at`: where the driver sees it, its mirror or itself (identity_place()); 0: anywhere.
  Pages(std::size_t bytes, Kind kind, u64 at = 0);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  [[nodiscard]] std::byte* data() const { return data_; }
  /// The same memory, read-only; null unless `mirrored`.
  [[nodiscard]] const std::byte* mirror() const { return mirror_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// What the driver sees.
  [[nodiscard]] const std::byte* seen() const { return mirror_ != nullptr ? mirror_ : data_; }

  /// The first place below 2 GiB that is free in this process, so that memory may lie there whose
  /// physical address is its virtual one. Below 2 GiB, since a sanitizer's shadow begins there.
  static std::optional<u64> identity_place(std::size_t bytes);
  /// One that is free whose address is `pa` modulo 1 GiB, so that what is aligned by the one is by
  /// the other; the same one in each process that has nothing there.
  static std::optional<u64> congruent_place(std::size_t bytes, u64 pa);

  enum class Access : u8 { none, read, write };
  /// Of data(), for [from, to) in bytes, rounded outwards to pages.
  void allow(std::size_t from, std::size_t to, Access access) const;

 private:
  std::size_t bytes_;
  std::byte* data_ = nullptr;
  std::byte* mirror_ = nullptr;
};

}  // namespace iommucheck::oracle
