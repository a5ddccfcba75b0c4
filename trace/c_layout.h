// SPDX-License-Identifier: MIT
// How an event lies in a C struct (iommucheck/monitor.h): behind the head, every field takes one
// or two members of 8 bytes, in the order of the .def files. Bit n of `known` is the nth fact. In a
// Call, the field `call` is a number and a pointer to the struct of its arguments, which has a head
// and facts of its own: so both can grow.
#pragma once

#include "trace/event.h"

namespace iommucheck::trace {

enum class CShape : u8 {
  number,   ///< uint64_t
  words4,   ///< pointer to 4 words
  words2,   ///< pointer to 2 words
  text,     ///< pointer to a text that ends with a NUL byte
  command,  ///< two numbers, low and high
  list,     ///< pointer and number of items
};

template <class T>
consteval CShape c_shape() {
  if constexpr (std::is_same_v<T, Text>) {
    return CShape::text;
  } else if constexpr (std::is_same_v<T, EventRecord>) {
    return CShape::words4;
  } else if constexpr (std::is_same_v<T, PageRequestRecord>) {
    return CShape::words2;
  } else if constexpr (std::is_same_v<T, CommandWords>) {
    return CShape::command;
  } else if constexpr (requires(T list) { list.resize(0); }) {
    return CShape::list;
  } else {
    static_assert(std::unsigned_integral<T> || ObjectId<T> || NamedEnum<T> ||
                      std::is_same_v<T, AgentId> || std::is_same_v<T, Rights> ||
                      std::is_same_v<T, Substream>,
                  "a new type of field: say how it lies in a C struct");
    return CShape::number;
  }
}
constexpr unsigned c_members(CShape shape) {
  return shape == CShape::list || shape == CShape::command ? 2 : 1;
}

/// The type behind an optional, else the type itself.
template <class T>
struct WithoutOptional {
  using Type = T;
};
template <class T>
struct WithoutOptional<std::optional<T>> {
  using Type = T;
};

inline constexpr unsigned c_head_bytes = 32;
inline constexpr unsigned c_arguments_head_bytes = 16;
inline constexpr u64 c_known_origin = u64{1} << 63;  ///< of facts: the others are below
inline constexpr u64 c_no_substream = ~u64{0};

}  // namespace iommucheck::trace
