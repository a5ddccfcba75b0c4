// SPDX-License-Identifier: MIT
#include "backends/named.h"

#include <fmt/format.h>

#include "backends/door.h"
#include "backends/two_machine.h"
#include "impl/driver.h"
#include "process/isolate.h"

namespace iommucheck::oracle {

Expected<NamedBackend> load_named_backend(const std::string& backend) {
  if (backend == second_backend) {
    return NamedBackend{.name = backend, .make = [](const spec::sva::Setup& setup) {
                          return std::make_unique<TwoMachine>(setup);
                        }};
  }
  auto door = load_backend(backend);
  if (!door) return std::unexpected(std::move(door.error()));
  return NamedBackend{
      .name = (*door)->name,
      .make = [door =
                   *door](const spec::sva::Setup& setup) { return make_door_machine(door, setup); },
      .code = (*door)->code,
      .path = backend};
}

spec::sva::Setup machine_setup(const Setup& setup) {
  spec::sva::Setup machine;
  machine.devices = setup.devices;
  const spec::Capabilities caps = spec::parse_capabilities(setup.id);
  machine.ssid_bits = caps.ssidsize;
  if (caps.httu >= 2) machine.dirty = spec::sva::DirtyHardware::present;
  return machine;
}

std::unique_ptr<BackendMachine> powered_on(const NamedBackend& backend, const Setup& setup) {
  auto machine = backend.make(machine_setup(setup));
  if (!machine->power_on(setup.process_pa(), setup.process_bytes)) return nullptr;
  return machine;
}

std::function<std::unique_ptr<Hardware>(const Setup&)> hardware_of(const NamedBackend& backend) {
  return [backend](const Setup& setup) { return powered_on(backend, setup); };
}

int start_core(BackendMachine& machine, bool per_device_tables, const iommucheck_platform& platform,
               const iommucheck_config& config, void** state, impl::Backend** started) {
  impl::Backend* backend = machine.start(platform, config);
  if (started != nullptr) *started = backend;
  if (backend == nullptr) return -IOMMUCHECK_ENODEV;
  return impl::make_core(platform, config, *backend, per_device_tables, state);
}

Expected<BackendOffers> probe_backend(const std::string& backend, double seconds) {
  auto report = SharedReport::create();
  if (!report) return std::unexpected(std::move(report.error()));
  constexpr int failed = 1, stalls = 2, requests = 4, groups = 8;
  const auto work = [&]() -> int {
    const auto named = load_named_backend(backend);
    if (!named) {
      report->add_finding(named.error().message);
      return failed;
    }
    spec::sva::Setup setup;
    const auto machine = named->make(setup);
    machine->adapt(setup);
    report->add_finding(named->name);
    return (setup.stalls ? stalls : 0) | (setup.page_requests ? requests : 0) |
           (machine->has_groups() ? groups : 0);
  };
  const auto outcome = run_isolated(*report, work, {.hang_seconds = seconds});
  if (!outcome) return std::unexpected(outcome.error());
  const std::vector<std::string> said = report->findings();
  const bool returned = outcome->ended == Ended::returned && !said.empty();
  if (returned && outcome->result != failed) {
    return BackendOffers{.name = said.front(),
                         .stalls = (outcome->result & stalls) != 0,
                         .page_requests = (outcome->result & requests) != 0,
                         .request_groups = (outcome->result & groups) != 0};
  }
  return fail(ErrorCode::bad_input, returned
                                        ? said.front()
                                        : fmt::format("{}: while it was loaded, its process {}",
                                                      backend, outcome->describe()));
}

}  // namespace iommucheck::oracle
