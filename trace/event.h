// SPDX-License-Identifier: MIT
// Everything that happens, as data, from events.def: one struct an event.
#pragma once

#include "trace/call.h"
#include "trace/types.h"

namespace iommucheck::trace {

#define TRACE_FIELD(Type, name, text) Type name{};
#define TRACE_FACT(Type, name, text) std::optional<Type> name{};
#define TRACE_EVENT(Name, side, text, ...)                      \
  struct Name {                                                 \
    __VA_ARGS__                                                 \
    friend bool operator==(const Name&, const Name&) = default; \
  };
#include "trace/events.def"
#undef TRACE_EVENT
#undef TRACE_FIELD
#undef TRACE_FACT

#include "trace/describe.h"
#define TRACE_EVENT(Name, side, text, ...) TRACE_DESCRIBE(Name, __VA_ARGS__)
#include "trace/events.def"
#undef TRACE_EVENT
#include "trace/describe_end.h"

/// Position of an event in events.def, and index() of the Payload that holds it.
enum class EventKind : u8 {
#define TRACE_EVENT(Name, ...) Name,
#include "trace/events.def"
#undef TRACE_EVENT
  count
};
inline constexpr std::size_t event_kind_count = static_cast<std::size_t>(EventKind::count);

struct EventInfo {
  EventKind kind;
  std::string_view name;
  Side side;
  std::string_view text;
};

inline constexpr std::array<EventInfo, event_kind_count> event_table{{
#define TRACE_EVENT(Name, side, text, ...) {EventKind::Name, #Name, Side::side, text},
#include "trace/events.def"
#undef TRACE_EVENT
}};

template <class Skip, class... Names>
struct EventAlternatives {
  using Type = std::variant<Names...>;
};
using PayloadVariant = EventAlternatives<void
#define TRACE_EVENT(Name, ...) , Name
#include "trace/events.def"
#undef TRACE_EVENT
                                         >::Type;
/// One event without its agent.
using Payload = Sealed<PayloadVariant>;
extern template class Sealed<PayloadVariant>;

/// What `visitor` returns for that event.
template <class Visitor, class Its>
  requires std::same_as<std::remove_const_t<Its>, Payload>
decltype(auto) visit(Visitor&& visitor, Its& payload) {
  switch (static_cast<EventKind>(payload.index())) {
#define TRACE_EVENT(Name, ...) \
  case EventKind::Name: return visitor(*std::get_if<Name>(&payload));
#include "trace/events.def"
#undef TRACE_EVENT
    case EventKind::count: break;
  }
  __builtin_unreachable();
}

struct Event {
  AgentId agent{};
  Payload payload{};
  std::optional<u64> origin{};  ///< number of the event in the recording that it comes from
  friend bool operator==(const Event&, const Event&) = default;
};

constexpr EventKind kind_of(const Event& event) {
  return static_cast<EventKind>(event.payload.index());
}
constexpr const EventInfo& info(EventKind kind) {
  return event_table[static_cast<std::size_t>(kind)];
}
constexpr std::optional<EventKind> event_from_string(std::string_view name) {
  for (const EventInfo& event : event_table) {
    if (event.name == name) return event.kind;
  }
  return std::nullopt;
}

/// A whole trace: what holds throughout, and what happened, in order.
struct Trace {
  Header header;
  std::vector<Event> events;
  friend bool operator==(const Trace&, const Trace&) = default;
};

}  // namespace iommucheck::trace
