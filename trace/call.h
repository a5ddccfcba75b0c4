// SPDX-License-Identifier: MIT
// The interface's calls as data, from calls.def: one struct of arguments a call.
#pragma once

#include "trace/sealed.h"
#include "trace/types.h"

namespace iommucheck::trace {
namespace calls {

#define ARGUMENT(Type, name, text) Type name{};
#define FACT(Type, name, text) std::optional<Type> name{};
#define CALL(name, Struct, group, state, effect, result, text, ...) \
  struct Struct {                                                   \
    __VA_ARGS__                                                     \
    friend bool operator==(const Struct&, const Struct&) = default; \
  };
#include "base/calls.def"
#undef CALL
#undef ARGUMENT
#undef FACT

#include "trace/describe.h"
#define ARGUMENT TRACE_FIELD
#define FACT TRACE_FACT
#define CALL(name, Struct, group, state, effect, result, text, ...) \
  TRACE_DESCRIBE(Struct, __VA_ARGS__)
#include "base/calls.def"
#undef CALL
#undef ARGUMENT
#undef FACT
#include "trace/describe_end.h"

}  // namespace calls

/// Position of a call in calls.def.
enum class CallName : u8 {
#define CALL(name, ...) name,
#include "base/calls.def"
#undef CALL
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
#define CALL(name, Struct, group, state, effect, result, text, ...) \
  {CallName::name, #name, CallGroup::group, call_state_##state, ResultKind::result, text},
#include "base/calls.def"
#undef CALL
}};

template <class Skip, class... Calls>
struct CallAlternatives {
  using Type = std::variant<Calls...>;
};
using CallVariant = CallAlternatives<void
#define CALL(name, Struct, ...) , calls::Struct
#include "base/calls.def"
#undef CALL
                                     >::Type;
/// The arguments of a call; its index() is the CallName.
using CallArguments = Sealed<CallVariant>;
extern template class Sealed<CallVariant>;

/// What `visitor` returns for the arguments of that call.
template <class Visitor, class Arguments>
  requires std::same_as<std::remove_const_t<Arguments>, CallArguments>
decltype(auto) visit(Visitor&& visitor, Arguments& arguments) {
  switch (static_cast<CallName>(arguments.index())) {
#define CALL(name, Struct, ...) \
  case CallName::name: return visitor(*std::get_if<calls::Struct>(&arguments));
#include "base/calls.def"
#undef CALL
    case CallName::count: break;
  }
  __builtin_unreachable();
}

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
