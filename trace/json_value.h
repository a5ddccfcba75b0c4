// SPDX-License-Identifier: MIT
// JSON text to a tree that knows its columns. The only place that uses nlohmann/json.
#pragma once

#include <concepts>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace iommucheck::trace {

struct JsonMember;

struct JsonValue {
  enum class Kind : u8 { null, boolean, number, string, array, object };
  Kind kind = Kind::null;
  bool boolean = false;
  bool whole_number = false;  ///< the number is an integer from 0 to 2^64 - 1: `number`
  u64 number = 0;
  u32 column = 0;  ///< of its first byte, from 1
  std::string text;
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;  ///< in order; no key comes twice

  const JsonMember* find(std::string_view key) const;
};

struct JsonMember {
  std::string key;
  u32 column = 0;  ///< of the key's opening quote, from 1
  JsonValue value;
};

/// "a string", "an object", …: for messages.
std::string_view kind_name(const JsonValue& value);

struct JsonError {
  u32 column = 0;  ///< in bytes, from 1
  std::string message;
};

/// Bounds, so that hostile text gives an error in bounded time and memory.
inline constexpr std::size_t json_depth_max = 16;
inline constexpr std::size_t json_members_max = 1024;  ///< of one object
inline constexpr std::size_t json_values_max = std::size_t{1} << 20;

/// One JSON value and nothing after it but white space.
std::expected<JsonValue, JsonError> parse_json(std::string_view text);

/// A JSON value that is being written; members keep their order. Bytes that are not UTF-8 become
/// U+FFFD.
class JsonTree {
 public:
  static JsonTree object();
  static JsonTree array();
  JsonTree();  ///< null
  JsonTree(std::string_view text);
  JsonTree(const char* text) : JsonTree(std::string_view(text)) {}
  JsonTree(const std::string& text) : JsonTree(std::string_view(text)) {}
  JsonTree(bool yes);
  JsonTree(double number);
  JsonTree(int number);
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  JsonTree(T number) : JsonTree(whole(number)) {}
  JsonTree(JsonTree&&) noexcept;
  JsonTree& operator=(JsonTree&&) noexcept;
  ~JsonTree();

  /// A member of an object; a key that is there already is replaced.
  JsonTree& set(std::string_view key, JsonTree value);
  /// An item of an array.
  JsonTree& add(JsonTree value);
  /// Items or members.
  [[nodiscard]] std::size_t size() const;
  /// `indent` blanks a level, or all on one line if it is negative. No end of line.
  [[nodiscard]] std::string text(int indent = -1) const;

 private:
  struct Tree;
  static JsonTree whole(u64 number);
  std::unique_ptr<Tree> tree_;
};

/// `text` as a JSON string with its quotes, appended. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
/// `value` as a JSON string in hexadecimal, "0x…", appended.
void append_json_hex(std::string& out, u64 value);

}  // namespace iommucheck::trace
