// SPDX-License-Identifier: MIT
#include "scenario/random/backends.h"

#include <fmt/format.h>

#include "backends/door.h"
#include "process/isolate.h"
#include "scenario/run/backend_subject.h"
#include "scenario/run/needs.h"

namespace iommucheck::oracle::stories {

Expected<Subjects> subjects_of(const std::string& backend) {
  if (backend == "two") return Subjects{.make = make_two};
  auto door = load_backend(backend);
  if (!door) return std::unexpected(door.error());
  const void* const code = (*door)->code;
  return Subjects{
      .make =
          [door = *door] {
            return std::make_unique<BackendSubject>(
                [door](const spec::sva::Setup& setup) { return make_door_machine(door, setup); });
          },
      .code = code,
      .path = backend};
}

Expected<Offers> probe_backend(const std::string& backend, double seconds) {
  auto report = SharedReport::create();
  if (!report) return std::unexpected(report.error());
  constexpr int failed = 1;
  constexpr int waits = 2;
  constexpr int groups = 4;
  const auto work = [&]() -> int {
    const auto subjects = subjects_of(backend);
    if (!subjects) {
      report->add_finding(subjects.error().message);
      return failed;
    }
    const Offers offers = subjects->make()->offers({});
    return (can_wait(offers) ? waits : 0) | (offers.request_groups ? groups : 0);
  };
  const auto outcome = run_isolated(*report, work, {.hang_seconds = seconds});
  if (!outcome) return std::unexpected(outcome.error());
  if (outcome->ended == Ended::returned && outcome->result != failed) {
    const bool any = (outcome->result & waits) != 0;
    return Offers{
        .stalls = any, .page_requests = any, .request_groups = (outcome->result & groups) != 0};
  }
  const std::vector<std::string> said = report->findings();
  return fail(ErrorCode::bad_input, outcome->ended == Ended::returned && !said.empty()
                                        ? said.front()
                                        : fmt::format("{}: while it was loaded, its process {}",
                                                      backend, outcome->describe()));
}

}  // namespace iommucheck::oracle::stories
