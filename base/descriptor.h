// SPDX-License-Identifier: MIT
// A file descriptor that has one owner.
#pragma once

#include <unistd.h>

#include <utility>

namespace iommucheck {

class Descriptor {
 public:
  Descriptor() = default;
  /// Takes it over; a negative one is none.
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    const int number = std::exchange(other.number_, -1);
    close();
    number_ = number;
    return *this;
  }
  ~Descriptor() { close(); }

  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  [[nodiscard]] int number() const { return number_; }
  void close() {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }

 private:
  int number_ = -1;
};

}  // namespace iommucheck
