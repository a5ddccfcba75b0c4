// SPDX-License-Identifier: MIT
// The interface's calls as data, from calls.def: one struct of arguments a call.
#pragma once

#include "trace/types.h"

namespace iommucheck::trace {
namespace calls {

#define TRACE_FIELD(Type, name, text) Type name{};
#define TRACE_FACT(Type, name, text) std::optional<Type> name{};
#define TRACE_CALL(name, Struct, group, state, result, text, ...)   \
  struct Struct {                                                   \
    __VA_ARGS__                                                     \
    friend bool operator==(const Struct&, const Struct&) = default; \
  };
#include "trace/calls.def"
#undef TRACE_CALL
#undef TRACE_FIELD
#undef TRACE_FACT

#include "trace/describe.h"
#define TRACE_CALL(name, Struct, group, state, result, text, ...) \
  TRACE_DESCRIBE(Struct, __VA_ARGS__)
#include "trace/calls.def"
#undef TRACE_CALL
#include "trace/describe_end.h"

}  // namespace calls

/// Position of a call in calls.def.
enum class CallName : u8 {
#define TRACE_CALL(name, ...) name,
#include "trace/calls.def"
#undef TRACE_CALL
  count
};
inline constexpr std::size_t call_count = static_cast<std::size_t>(CallName::count);

struct CallInfo {
  CallName call;
  std::string_view name;
  CallGroup group;
  bool built;  ///< false: the answer is Status::not_built
  ResultKind result;
  std::string_view text;
};

inline constexpr bool call_state_built = true;
inline constexpr bool call_state_not_built = false;
inline constexpr std::array<CallInfo, call_count> call_table{{
#define TRACE_CALL(name, Struct, group, state, result, text, ...) \
  {CallName::name, #name, CallGroup::group, call_state_##state, ResultKind::result, text},
#include "trace/calls.def"
#undef TRACE_CALL
}};

template <class Skip, class... Calls>
struct CallVariant {
  using Type = std::variant<Calls...>;
};
/// The arguments of a call; its index() is the CallName.
using CallArguments = CallVariant<void
#define TRACE_CALL(name, Struct, ...) , calls::Struct
#include "trace/calls.def"
#undef TRACE_CALL
                                  >::Type;

constexpr const CallInfo& info(CallName call) { return call_table[static_cast<std::size_t>(call)]; }
inline const CallInfo& info(const CallArguments& arguments) {
  return call_table[arguments.index()];
}
constexpr std::optional<CallName> call_from_string(std::string_view name) {
  for (const CallInfo& call : call_table) {
    if (call.name == name) return call.call;
  }
  return std::nullopt;
}

}  // namespace iommucheck::trace
