// SPDX-License-Identifier: MIT
#include "scenario/format/result_forms.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::scenario {
namespace {

struct Form {
  std::string_view result;
  std::string_view call;
  std::size_t least;
  std::string_view written;
};

constexpr Form forms[] = {{"done", "cache_invalidate", 2, "done(N, ok) or done(N, an errno name)"},
                          {"bits", "dirty_read", 1, "bits(0101)"},
                          {"fault", "fault_read", 5, "fault(DEV, PASID, IOVA, r|w|x, GROUP)"},
                          {"event", "event_read", 4, "event(NUMBER, PASID, IOVA, r|w|x[, F.…])"}};

bool is_number(const Invoke& invoke, std::size_t argument) {
  return argument < invoke.arguments.size() &&
         invoke.arguments[argument].kind == Value::Kind::number;
}

/// One bit for each grain of the window; of a window that has none the call is an error.
std::optional<std::string> wrong_length(const Invoke& invoke, const Value& result) {
  constexpr std::size_t size_at = 2;
  constexpr std::size_t grain_at = 3;
  if (!is_number(invoke, size_at) || !is_number(invoke, grain_at)) return std::nullopt;
  const u64 size = invoke.arguments[size_at].number;
  const u64 grain = invoke.arguments[grain_at].number;
  const std::size_t digits = result.items.empty() ? 0 : result.items[0].word.size();
  if (grain == 0 || size % grain != 0) {
    return fmt::format("a window of {:#x} bytes has no bits of {:#x}; expected EINVAL", size,
                       grain);
  }
  if (digits == size / grain) return std::nullopt;
  return fmt::format("{} bits stand here, and the window has {}, one for each {:#x} bytes", digits,
                     size / grain, grain);
}

}  // namespace

std::optional<std::string> wrong_result(const Invoke& invoke, const Value& result) {
  if (result.kind != Value::Kind::term) return std::nullopt;
  const auto* form = std::ranges::find(forms, result.word, &Form::result);
  if (form == std::end(forms)) return std::nullopt;
  const bool other_name = form->call == "fault_read" && invoke.call.text == "fault_queue_read";
  if (form->call != invoke.call.text && !other_name) {
    return fmt::format("this is a result of {}, and the call is another", form->call);
  }
  if (result.items.size() < form->least) return fmt::format("expected {}", form->written);
  return form->result == "bits" ? wrong_length(invoke, result) : std::nullopt;
}

}  // namespace iommucheck::scenario
