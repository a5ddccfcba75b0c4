// SPDX-License-Identifier: MIT
// One line of a recording: typed access to its fields, with the place of the first mistake.
#pragma once

#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "trace/json.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

/// After the first mistake getters return 0 or empty, and error() has it.
class Record {
 public:
  static Expected<Record> parse(std::string_view line, trace::LinePlace place);

  bool has(std::string_view key) const { return object_.find(key) != nullptr; }
  std::string text(std::string_view key);
  /// A JSON number from 0 to `max`.
  u64 number(std::string_view key, u64 max);
  /// 1, 2, 4, 8 or 16.
  u8 size(std::string_view key);
  /// A string "0x…" of at most 64 bits.
  u64 hex(std::string_view key);
  /// An object of strings.
  std::vector<std::pair<std::string, std::string>> texts(std::string_view key);
  template <std::size_t n>
  std::array<u64, n> words(std::string_view key) {
    std::array<u64, n> out{};
    read_words(key, out.data(), n);
    return out;
  }

  /// Notes a mistake in the value of `key`, unless there is one already.
  void stop(std::string_view key, std::string message);
  bool failed() const { return !message_.empty(); }
  std::unexpected<Error> error(ErrorCode code = ErrorCode::bad_input) const;
  /// A mistake that belongs to the line as a whole.
  std::unexpected<Error> fail_line(std::string_view message) const;

 private:
  Record(trace::JsonValue object, trace::LinePlace place)
      : object_(std::move(object)), place_(place) {}
  const trace::JsonValue* find(std::string_view key);
  bool to_hex(const trace::JsonValue& value, std::string_view key, u64& out);
  void read_words(std::string_view key, u64* out, std::size_t count);
  void stop_at(u32 column, std::string message);

  trace::JsonValue object_;
  trace::LinePlace place_;
  u32 column_ = 1;
  std::string message_;
};

}  // namespace iommucheck::oracle
