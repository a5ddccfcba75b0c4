// SPDX-License-Identifier: MIT
// The calls of calls.def as data: name, whether it is built, and what its arguments are.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "base/types.h"

namespace iommucheck {

/// What an argument is, by its name in calls.def. `other` stands for all that only calls have which
/// are not built.
enum class CallArgument : u8 {
  other,
  domain,
  device,
  pasid,
  mm,  ///< also `task`
  io_mm,
  token,
  queue,
  iova,
  pa,
  size,
  rights,
  pieces,
  kind,
  flags,
  features,
  drvdata,
  min_pasid,  ///< also `min`
  max_pasid,  ///< also `max`
  mm_exit,
  attribute,
  commands,
  depth,
  fault_group,
  response,
  grain,
  on,
  clear,
  present,  ///< of a handler
  number,   ///< by which a user calls a device
};

constexpr CallArgument call_argument(std::string_view name) {
  using enum CallArgument;
  constexpr std::pair<std::string_view, CallArgument> names[] = {
      {"domain", domain},
      {"device", device},
      {"pasid", pasid},
      {"mm", mm},
      {"task", mm},
      {"io_mm", io_mm},
      {"token", token},
      {"queue", queue},
      {"iova", iova},
      {"pa", pa},
      {"size", size},
      {"rights", rights},
      {"pieces", pieces},
      {"kind", kind},
      {"flags", flags},
      {"features", features},
      {"drvdata", drvdata},
      {"min_pasid", min_pasid},
      {"min", min_pasid},
      {"max_pasid", max_pasid},
      {"max", max_pasid},
      {"mm_exit", mm_exit},
      {"attribute", attribute},
      {"commands", commands},
      {"grain", grain},
      {"depth", depth},
      {"fault_group", fault_group},
      {"response", response},
      {"on", on},
      {"clear", clear},
      {"present", present},
      {"number", number},
  };
  for (const auto& [known, argument] : names) {
    if (known == name) return argument;
  }
  return other;
}

/// A call, without its meaning.
struct CallShape {
  static constexpr std::size_t arguments_max = 8;

  std::string_view name;
  bool built = false;  ///< false: the answer is "not built"
  bool asks = false;   ///< it changes nothing
  /// In order; those that may be left out (FACT) are none.
  std::array<std::optional<CallArgument>, arguments_max> arguments{};
};

/// In the order of calls.def, which is that of CallKind and of trace::CallName.
inline constexpr auto call_shapes = [] {
  [[maybe_unused]] constexpr bool built = true;
  [[maybe_unused]] constexpr bool not_built = false;
  [[maybe_unused]] constexpr bool asks = true;
  [[maybe_unused]] constexpr bool changes = false;
#define ARGUMENT(Type, name, text) call_argument(#name),
#define FACT(Type, name, text)
#define CALL(name, Struct, group, state, effect, result, text, ...) \
  CallShape{#name, state, effect, {__VA_ARGS__}},
  return std::array{
#include "base/calls.def"
  };
#undef CALL
#undef FACT
#undef ARGUMENT
}();

}  // namespace iommucheck
