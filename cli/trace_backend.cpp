// SPDX-License-Identifier: MIT
#include "cli/trace_backend.h"

#include <fmt/format.h>

#include "backends/named.h"
#include "monitor/trace_setup.h"
#include "trace/trace_file.h"

namespace iommucheck::cli {

Expected<oracle::MakeHardware> hardware_of_trace(const std::string& trace,
                                                 const std::string& backend) {
  const auto reader = trace::TraceReader::open(trace);
  if (!reader) return std::unexpected(reader.error());
  const std::string name = oracle::backend_of(reader->header());
  const auto wrong = [&](const std::string& what) {
    return fail(ErrorCode::bad_input, fmt::format("{}: {}", trace, what));
  };
  if (name.empty() && backend.empty()) return oracle::MakeHardware{};
  if (name.empty()) return wrong("it is of an SMMUv3: leave --backend out");
  if (backend.empty() && name != oracle::second_backend) {
    return wrong(fmt::format("it is of the backend {}: name its object with --backend", name));
  }
  const std::string& subject = backend.empty() ? name : backend;
  constexpr double seconds = 10;
  if (auto probed = oracle::probe_backend(subject, seconds); !probed) {
    return std::unexpected(std::move(probed.error()));
  }
  const auto loaded = oracle::load_named_backend(subject);
  if (!loaded) return std::unexpected(loaded.error());
  if (loaded->name != name) {
    return wrong(fmt::format("it is of the backend {}, and {} is {}", name, subject, loaded->name));
  }
  return oracle::hardware_of(*loaded);
}

}  // namespace iommucheck::cli
