// SPDX-License-Identifier: MIT
// What is other of a driver that stands over a backend: what its machine offers, and what accesses
// meet by its hardware's answers.
#include <fmt/format.h>

#include <algorithm>

#include "impl/core/backend.h"
#include "impl/driver.h"
#include "scenario/run/driver_subject.h"

namespace iommucheck::oracle::stories {
namespace {

const char* fault_name(MayGet::Kind kind) {
  switch (kind) {
    case MayGet::Kind::blocked: return "F.dev";
    case MayGet::Kind::no_entry: return "F.pasid";
    case MayGet::Kind::not_mapped: return "F.unmapped";
    case MayGet::Kind::denied: return "F.perm";
    case MayGet::Kind::waits: return "F.wait";
    case MayGet::Kind::quiet: return "F.quiet";
    case MayGet::Kind::outer_not_mapped: return "F.s2unmapped";
    case MayGet::Kind::outer_denied: return "F.s2perm";
    case MayGet::Kind::inside: return "?anything that the parent maps";
    default: return "?anything: in memory that may be somebody else's";
  }
}

/// What an outer space ends, as a domain that is one says it.
MayGet::Kind as_hosts(MayGet::Kind kind) {
  if (kind == MayGet::Kind::outer_not_mapped) return MayGet::Kind::not_mapped;
  return kind == MayGet::Kind::outer_denied ? MayGet::Kind::denied : kind;
}

/// How a way ends every access is the driver's choice: it means what is promised there.
Reached answer_of(const MayGet& one, const Reachable& allowed, bool hosts) {
  if (one.kind == MayGet::Kind::address) return {true, one.pa, {}};
  const Reached fault{false, 0, fault_name(hosts ? as_hosts(one.kind) : one.kind)};
  constexpr const char* ends[] = {"F.dev", "F.pasid", "F.quiet", "F.badcd"};
  if (allowed.contains(fault) || std::ranges::find(ends, fault.fault) == std::end(ends)) {
    return fault;
  }
  for (const char* end : ends) {
    if (allowed.contains({false, 0, end})) return {false, 0, end};
  }
  return fault;
}

/// Whether a user may write a command about what its device has cached.
bool has_device_commands(const BackendMachine& machine) {
  const UserWords* words = machine.user_words();
  const spec::sva::UserFormat* format = machine.user_format();
  if (words == nullptr || format == nullptr) return false;
  const spec::sva::UserCommand one = format->command(words->device(0, std::nullopt, 0));
  return one.kind != spec::sva::UserCommand::Kind::forbidden;
}

}  // namespace

DriverSubject::DriverSubject(const NamedBackend& backend, Segments* segments)
    : driver_(impl::core_operations(false)),
      builtin_(true),
      by_world_(false),
      segments_(segments),
      backend_(backend) {}

Offers DriverSubject::offers_of_backend(const World& world) {
  driver_ = impl::core_operations(world.per_device_tables);
  spec::sva::Setup setup = interface_setup(world);
  setup.devices = hardware_devices(world);
  const auto machine = backend_->make(setup);
  machine->adapt(setup);
  return {.pasid_0 = !setup.keeps_pasid_0,
          .identity = setup.routes_identity,
          .waits_alone = machine->devices_wait_alone(),
          .holes = machine->remembers_unmapped(),
          .shared_tables = !world.per_device_tables,
          .own_tables = world.per_device_tables,
          .stalls = setup.stalls,
          .page_requests = setup.page_requests,
          .ats = true,
          .walkers = true,
          .request_groups = machine->has_groups(),
          .dirty = setup.dirty != spec::sva::DirtyHardware::none,
          .several_iommus = true,
          .hooks = true,
          .users = machine->user_words() != nullptr,
          .users_pasids = machine->user_words() != nullptr && machine->user_words()->has_pasids(),
          .users_devices = has_device_commands(*machine),
          .users_at_pasids = setup.routes_users,
          .users_events = machine->reports_to_users(),
          .commands = true,
          .sticks = true};
}

void DriverSubject::start_machine(Setup& setup) {
  machine_ = powered_on(*backend_, setup);
  setup.hardware = machine_.get();
  if (!machine_) return;
  spec::sva::Setup promised = interface_setup(world_);
  machine_->adapt(promised);
  has_choices_ = promised.limits_are_the_drivers;
}

std::string DriverSubject::lacks() const {
  if (started_ == nullptr) return {};
  const Setup& setup = monitor_->setup();
  const u32 widest = machine_setup(setup).ssid_bits;
  for (u32 device = 0; device < setup.devices.size(); ++device) {
    const spec::sva::DeviceSetup& wanted = setup.devices[device];
    if (!wanted.iommu || wanted.group != spec::sva::DeviceSetup::alone) continue;
    if (started_->pasid_bits(device) < std::min(wanted.ssid_bits, widest)) {
      return fmt::format("pasids={}", world_.devices[device].pasids);
    }
  }
  const impl::Limits limits = started_->limits();
  const u64 bits = world_.iova_bits.value_or(limits.input_bits_max);
  if (bits < limits.input_bits_min || bits > limits.input_bits_max) {
    return fmt::format("iova_bits={}", bits);
  }
  return {};
}

void DriverSubject::set_stuck(bool stuck) {
  if (machine_) host_->nothing_in_the_middle();
  monitor_->queue_stuck(stuck);
}

void DriverSubject::stick_at_sync(u64 n) {
  if (!machine_) return monitor_->smmu().stop_at_sync(n);
  host_->in_the_middle(static_cast<u32>(n), [this] { monitor_->queue_stuck(true); });
}

void DriverSubject::forget_touched() {
  touched_ = {};
  if (machine_) structures_before_ = monitor_->hardware()->structure_stores();
}

Touched DriverSubject::touched() const {
  Touched all = touched_;
  if (machine_) {
    all.structure_stores = monitor_->hardware()->structure_stores() - structures_before_;
  }
  return all;
}

Reachable DriverSubject::reachable_by_hardware(const Probing& probing,
                                               const std::optional<u32>& walker) {
  const std::vector<Reached> outcomes = hardware_outcomes(probing, walker);
  return {outcomes.begin(), outcomes.end()};
}

/// In the order in which the hardware has them.
std::vector<Reached> DriverSubject::hardware_outcomes(const Probing& probing,
                                                      const std::optional<u32>& walker) {
  HardwareJudge& judge = *monitor_->hardware();
  if (!walker && probing.by == Probing::By::walker) {
    return {{false, 0, "?anything: there is no table any more"}};
  }
  if (!walker && !world_.devices[probing.device].has_iommu()) return {{true, probing.iova, {}}};
  const std::set<MayGet> may = walker ? monitor_->ask_walker(*walker, probing.iova, probing.access)
                                      : judge.answers({.device = probing.device,
                                                       .stream = probing.stream,
                                                       .at = probing.at,
                                                       .iova = probing.iova,
                                                       .access = probing.access});
  const Reachable allowed = walker ? Reachable{} : promised(interface(), probing);
  const bool hosts = !judge.hardware().outer_ends_are_users() &&
                     interface().expected_within(probing.device, probing.at, 0).count == 0;
  std::vector<Reached> outcomes;
  for (const MayGet& one : may) outcomes.push_back(answer_of(one, allowed, hosts));
  return outcomes;
}

std::unique_ptr<Subject> make_backend_subject(const NamedBackend& backend, Segments* segments) {
  return std::make_unique<DriverSubject>(backend, segments);
}

std::unique_ptr<Subject> make_two() {
  return make_backend_subject(*load_named_backend(second_backend));
}

}  // namespace iommucheck::oracle::stories
