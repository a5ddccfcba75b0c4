// SPDX-License-Identifier: MIT
// The fields of events, of calls' arguments and of the small structs as data. What does one thing
// with each field of whatever struct (JSON, codec, hash, checks) is compiled once a type of field
// by for_each_member, where for_each_field would compile it once a field of each of a hundred
// structs.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "trace/event.h"

namespace iommucheck::trace {

/// All types that a field has in a .def file.
using FieldTypes = std::tuple<
#define TRACE_ENUM(Type, text, values) Type,
#include "trace/enums.def"
#undef TRACE_ENUM
    bool, u8, u16, u32, u64, Text, AgentId, DeviceId, IommuId, DomainId, MmId, IoMmId, TokenId,
    QueueId, CallId, DmaId, Rights, Substream, TextMap, Registers, Profile, Names, StreamIds, Words,
    EventRecord, PageRequestRecord, CommandWords, Commands, WordsAt, Ranges, Devices,
    CallArguments>;

/// A field of a struct: its type is the one with that number in FieldTypes, in an std::optional if
/// it may be absent.
struct FieldEntry {
  FieldInfo info;
  u16 offset;  ///< bytes from the struct's beginning
  u8 type;
};

/// A struct and its fields, in the order of the .def file.
template <class Byte>
struct MembersOf {
  std::span<const FieldEntry> fields;
  Byte* object;
};
using Members = MembersOf<std::byte>;
using ConstMembers = MembersOf<const std::byte>;

std::span<const FieldEntry> fields_of(EventKind kind);
std::span<const FieldEntry> fields_of(CallName call);

ConstMembers members(const Payload& payload);
ConstMembers members(const CallArguments& call);
#define TRACE_STRUCT(Type, text, ...) ConstMembers members(const Type& value);
#include "trace/header.def"
#undef TRACE_STRUCT

template <class Struct>
  requires(!std::is_const_v<Struct>)
Members members(Struct& value) {
  const ConstMembers same = members(std::as_const(value));
  return {same.fields, const_cast<std::byte*>(same.object)};
}

/// T, const if Byte is.
template <class Byte, class T>
using ConstAs = std::conditional_t<std::is_const_v<Byte>, const T, T>;

/// Calls visit(const FieldInfo&, member) for each field in order, a fact being an std::optional.
template <class Byte, class Visit>
void for_each_member(const MembersOf<Byte>& members, Visit&& visit) {
  using Take = void (*)(std::remove_reference_t<Visit>&, const FieldInfo&, Byte*);
  static constexpr auto take = []<class... Types>(std::type_identity<std::tuple<Types...>>) {
    return std::array<Take, sizeof...(Types)>{
        [](std::remove_reference_t<Visit>& each, const FieldInfo& field, Byte* at) {
          using Fact = std::optional<Types>;
          field.may_be_absent ? each(field, *reinterpret_cast<ConstAs<Byte, Fact>*>(at))
                              : each(field, *reinterpret_cast<ConstAs<Byte, Types>*>(at));
        }...};
  }(std::type_identity<FieldTypes>{});
  for (const FieldEntry& field : members.fields) {
    take[field.type](visit, field.info, members.object + field.offset);
  }
}

}  // namespace iommucheck::trace
