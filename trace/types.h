// SPDX-License-Identifier: MIT
// Types of the fields of events: words with names (enums.def), numbers of objects, small structs.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/types.h"
#include "trace/agent.h"
#include "trace/field.h"

namespace iommucheck::trace {

// Numbers of objects: chosen by the caller's side, unique within their kind in one trace.
enum class DeviceId : u32 {};
enum class IommuId : u32 {};
enum class DomainId : u32 {};
enum class MmId : u32 {};     ///< a process's address space
enum class IoMmId : u32 {};   ///< an io_mm, of a process or private
enum class TokenId : u32 {};  ///< of bind_task
enum class QueueId : u32 {};  ///< a fault queue opened by a user
enum class CallId : u64 {};   ///< joins a Call with its Return
enum class DmaId : u64 {};    ///< joins a DmaBegin with its DmaEnd

template <class T>
concept ObjectId =
    std::is_enum_v<T> &&
    (std::is_same_v<T, DeviceId> || std::is_same_v<T, IommuId> || std::is_same_v<T, DomainId> ||
     std::is_same_v<T, MmId> || std::is_same_v<T, IoMmId> || std::is_same_v<T, TokenId> ||
     std::is_same_v<T, QueueId> || std::is_same_v<T, CallId> || std::is_same_v<T, DmaId>);

#define TRACE_VALUE(identifier, number, name, text) identifier = number,
#define TRACE_ENUM(Type, text, values) enum class Type : u8 { values };
#include "trace/enums.def"
#undef TRACE_ENUM
#undef TRACE_VALUE

struct ValueInfo {
  u8 number;
  std::string_view name;
  std::string_view text;
};

/// Names of an enum of enums.def, in the order of its numbers.
template <class E>
struct EnumInfo {
  static constexpr bool named = false;
};

#define TRACE_VALUE(identifier, number, name, text) ValueInfo{number, name, text},
#define TRACE_ENUM(Type, about, list)                     \
  template <>                                             \
  struct EnumInfo<Type> {                                 \
    static constexpr bool named = true;                   \
    static constexpr std::string_view type = #Type;       \
    static constexpr std::string_view text = about;       \
    static constexpr auto values = std::to_array({list}); \
  };
#include "trace/enums.def"
#undef TRACE_ENUM
#undef TRACE_VALUE

template <class E>
concept NamedEnum = EnumInfo<E>::named;

/// The word with that number; null if there is none.
template <NamedEnum E>
constexpr const ValueInfo* word_of(u64 number) {
  for (const ValueInfo& value : EnumInfo<E>::values) {
    if (value.number == number) return &value;
  }
  return nullptr;
}

template <NamedEnum E>
constexpr std::string_view to_string(E value) {
  const ValueInfo* word = word_of<E>(static_cast<u64>(value));
  return word != nullptr ? word->name : "?";
}

template <NamedEnum E>
constexpr std::optional<E> enum_from_string(std::string_view name) {
  for (const ValueInfo& value : EnumInfo<E>::values) {
    if (value.name == name) return static_cast<E>(value.number);
  }
  return std::nullopt;
}

/// Rights of a mapping or entry; JSON: "none", or letters of "rwx" in this order.
struct Rights {
  bool read{};
  bool write{};
  bool execute{};
  friend bool operator==(const Rights&, const Rights&) = default;
};
std::string to_string(Rights rights);
std::optional<Rights> rights_from_string(std::string_view text);

/// The SubstreamID (PASID) of an access: a number of 20 bits, or "none", which is knowledge too.
/// JSON: "none" or a hexadecimal number.
struct Substream {
  bool valid{};
  u32 value{};  ///< 0 unless valid
  friend bool operator==(const Substream&, const Substream&) = default;
};
inline constexpr Substream no_substream{};
constexpr Substream substream(u32 value) { return {.valid = true, .value = value}; }

using Text = std::string;
using TextMap = std::map<std::string, std::string>;
using Registers = std::map<std::string, u64>;
using ProfileValue = std::variant<bool, u64, std::string>;
using Profile = std::map<std::string, ProfileValue>;
using Names = std::vector<std::string>;
using StreamIds = std::vector<u32>;
using Words = std::vector<u64>;
using EventRecord = std::array<u64, 4>;
using PageRequestRecord = std::array<u64, 2>;

// Bits of `features` and `flags`. Others are unknown, and calls must refuse them.
inline constexpr u32 feature_iopf = 1;        ///< sva_device_init: page faults
inline constexpr u32 feature_private = 2;     ///< sva_device_init: private PASIDs
inline constexpr u32 bind_further_pasid = 1;  ///< bind_device: a further PASID
inline constexpr u32 task_svm = 1;            ///< bind_task: full SVM
inline constexpr u32 task_explicit = 2;       ///< bind_task: explicit map and unmap

// Structs of header.def.
struct WordAt;
struct CommandWords;
struct Range;
struct DeviceInfo;
using WordsAt = std::vector<WordAt>;
using Commands = std::vector<CommandWords>;
using Ranges = std::vector<Range>;
using Devices = std::vector<DeviceInfo>;

#define TRACE_FIELD(Type, name, text) Type name{};
#define TRACE_FACT(Type, name, text) std::optional<Type> name{};
#define TRACE_STRUCT(Type, text, ...)                           \
  struct Type {                                                 \
    __VA_ARGS__                                                 \
    friend bool operator==(const Type&, const Type&) = default; \
  };
#include "trace/header.def"
#undef TRACE_STRUCT
#undef TRACE_FIELD
#undef TRACE_FACT

}  // namespace iommucheck::trace

#include "trace/describe.h"
#define TRACE_STRUCT(Type, text, ...) TRACE_DESCRIBE(Type, __VA_ARGS__)
namespace iommucheck::trace {
#include "trace/header.def"
}  // namespace iommucheck::trace
#undef TRACE_STRUCT
#include "trace/describe_end.h"
