// SPDX-License-Identifier: MIT
// What processes of one program tell each other: numbers of 8 bytes, texts and lists that begin
// with their length. Who reads is not sure of who wrote: a driver may have written over it.
#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/types.h"

namespace iommucheck {

class MessageWriter {
 public:
  void number(u64 value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view value) {
    number(value.size());
    text_ += value;
  }
  /// As they lie in memory.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void plain(const T& value) {
    text({reinterpret_cast<const char*>(&value), sizeof value});
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void plain(const std::vector<T>& list) {
    text({reinterpret_cast<const char*>(list.data()), list.size() * sizeof(T)});
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

/// Behind what is missing or wrong everything is 0 or empty, and ok() says so.
class MessageReader {
 public:
  /// `message` outlives it, and the texts that it gives.
  explicit MessageReader(std::string_view message) : rest_(message) {}

  u64 number() {
    u64 value = 0;
    if (rest_.size() < sizeof value) return fail(), u64{0};
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  /// How many follow, each of at least one byte.
  u64 count() {
    const u64 value = number();
    if (value > rest_.size()) return fail(), u64{0};
    return value;
  }
  std::string_view text() {
    const u64 size = count();
    const std::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void plain(T& value) {
    const std::string_view bytes = text();
    if (bytes.size() != sizeof value) return fail();
    std::memcpy(&value, bytes.data(), sizeof value);
  }
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void plain(std::vector<T>& list) {
    const std::string_view bytes = text();
    if (bytes.size() % sizeof(T) != 0) return fail();
    list.resize(bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(list.data(), bytes.data(), bytes.size());
  }

  void fail() {
    ok_ = false;
    rest_ = {};
  }
  [[nodiscard]] bool ok() const { return ok_; }
  /// And nothing is left over.
  [[nodiscard]] bool whole() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace iommucheck
