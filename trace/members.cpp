// SPDX-License-Identifier: MIT
#include "trace/members.h"

// The structs have no virtual bases, for which alone a compiler could not tell offsets.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

namespace iommucheck::trace {
namespace {

template <class Type, class... Types>
consteval u8 number_of(std::type_identity<std::tuple<Types...>>) {
  static_assert((std::is_same_v<Type, Types> || ...), "this type is to be listed in FieldTypes");
  u8 number = 0;
  (void)((std::is_same_v<Type, Types> || (++number, false)) || ...);
  return number;
}

template <class Type>
constexpr u8 type_number = number_of<Type>(std::type_identity<FieldTypes>{});

template <class Struct>
struct FieldsOf;

#define TRACE_ENTRY(Type, name, text, absent) \
  {{#name, #Type, text, absent}, static_cast<u16>(offsetof(Self, name)), type_number<Type>},
#define TRACE_FIELD(Type, name, text) TRACE_ENTRY(Type, name, text, false)
#define TRACE_FACT(Type, name, text) TRACE_ENTRY(Type, name, text, true)
#define ARGUMENT TRACE_FIELD
#define FACT TRACE_FACT
#define FIELDS_OF(Struct, ...)                               \
  template <>                                                \
  struct FieldsOf<Struct> {                                  \
    using Self = Struct;                                     \
    static constexpr FieldEntry entries[] = {__VA_ARGS__{}}; \
  };
#define TRACE_STRUCT(Struct, text, ...) FIELDS_OF(Struct, __VA_ARGS__)
#define TRACE_EVENT(Struct, side, text, ...) FIELDS_OF(Struct, __VA_ARGS__)
#define CALL(name, Struct, group, state, effect, result, text, ...) \
  FIELDS_OF(calls::Struct, __VA_ARGS__)
#include "base/calls.def"
#include "trace/events.def"
#include "trace/header.def"
#undef CALL
#undef TRACE_EVENT
#undef TRACE_STRUCT
#undef FIELDS_OF
#undef FACT
#undef ARGUMENT
#undef TRACE_FACT
#undef TRACE_FIELD
#undef TRACE_ENTRY

// An array of nothing there cannot be: each ends with an entry that is no field.
template <class Struct>
constexpr std::span<const FieldEntry> fields(
    std::span(FieldsOf<Struct>::entries).first(std::size(FieldsOf<Struct>::entries) - 1));

constexpr std::span<const FieldEntry> fields_of_events[] = {
#define TRACE_EVENT(Name, ...) fields<Name>,
#include "trace/events.def"
#undef TRACE_EVENT
};
constexpr std::span<const FieldEntry> fields_of_calls[] = {
#define CALL(name, Struct, ...) fields<calls::Struct>,
#include "base/calls.def"
#undef CALL
};

const std::byte* address(const auto& value) { return reinterpret_cast<const std::byte*>(&value); }

}  // namespace

std::span<const FieldEntry> fields_of(EventKind kind) {
  return fields_of_events[static_cast<std::size_t>(kind)];
}
std::span<const FieldEntry> fields_of(CallName call) {
  return fields_of_calls[static_cast<std::size_t>(call)];
}

ConstMembers members(const Payload& payload) {
  return {fields_of_events[payload.index()],
          trace::visit([](const auto& value) { return address(value); }, payload)};
}
ConstMembers members(const CallArguments& call) {
  return {fields_of_calls[call.index()],
          trace::visit([](const auto& value) { return address(value); }, call)};
}
#define TRACE_STRUCT(Struct, text, ...) \
  ConstMembers members(const Struct& value) { return {fields<Struct>, address(value)}; }
#include "trace/header.def"
#undef TRACE_STRUCT

}  // namespace iommucheck::trace
