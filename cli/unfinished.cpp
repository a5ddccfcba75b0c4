// SPDX-License-Identifier: MIT
#include "cli/unfinished.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "trace/trace_file.h"

namespace iommucheck::cli {
namespace {

/// What has begun and not ended.
class Open {
 public:
  void take(const trace::Event& event) {
    if (const auto* phase = std::get_if<trace::DriverPhase>(&event.payload)) {
      boots_ = phase->phase == trace::DriverLife::starting;
      whole_ = whole_ || boots_;
      calls_.clear();
    } else if (const auto* call = std::get_if<trace::Call>(&event.payload)) {
      calls_[call->id] = {.name = trace::info(call->call).name};
    } else if (const auto* returned = std::get_if<trace::Return>(&event.payload)) {
      calls_.erase(returned->id);
    } else if (const auto* wait = std::get_if<trace::CallWait>(&event.payload)) {
      const auto its = wait->id ? calls_.find(*wait->id) : calls_.end();
      if (its != calls_.end()) its->second.waits = wait->phase == trace::Phase::begin;
    }
  }

  [[nodiscard]] std::string text() const {
    if (!whole_) return "";
    if (boots_) return "the driver's boot";
    for (const auto& [id, call] : calls_) {
      if (!call.waits) return fmt::format("call {} ({})", static_cast<u64>(id), call.name);
    }
    return "";
  }

 private:
  struct Call {
    std::string_view name;
    bool waits = false;  ///< for a handler: others go on
  };
  bool whole_ = false;
  bool boots_ = false;
  std::map<trace::CallId, Call> calls_;
};

}  // namespace

std::string unfinished_in(const std::string& trace) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(trace, error)) return "";  // a pipe is read once
  auto reader = trace::TraceReader::open(trace);
  if (!reader) return "";
  Open open;
  for (;;) {
    auto event = reader->next();
    if (!event || !*event) break;
    open.take(**event);
  }
  return open.text();
}

}  // namespace iommucheck::cli
