// SPDX-License-Identifier: MIT
#include "scenario/run/backend_subject.h"

#include <fmt/format.h>

#include <algorithm>

#include "backends/two_machine.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

constexpr u64 step_bytes = 4096;
constexpr std::size_t points_max = 256;

const char* fault_name(MayGet::Kind kind) {
  switch (kind) {
    case MayGet::Kind::blocked: return "F.dev";
    case MayGet::Kind::no_entry: return "F.pasid";
    case MayGet::Kind::not_mapped: return "F.unmapped";
    case MayGet::Kind::denied: return "F.perm";
    case MayGet::Kind::waits: return "F.wait";
    case MayGet::Kind::quiet: return "F.quiet";
    default: return "?anything: in memory that may be somebody else's";
  }
}

Reachable reachable_of(const std::set<MayGet>& answers) {
  Reachable set;
  for (const MayGet& one : answers) {
    if (one.kind == MayGet::Kind::address) {
      set.insert({true, one.pa, {}});
    } else {
      set.insert({false, 0, fault_name(one.kind)});
    }
  }
  return set;
}

MachineAccess access_of(const Probing& probing) {
  return {.device = probing.device,
          .stream = probing.stream,
          .at = probing.at,
          .iova = probing.iova,
          .access = probing.access,
          .group = probing.group,
          .last = probing.last};
}

/// A device whose requests are off has a fault of those that are promised where it would wait.
void end_requests(Reachable& may, const Reachable& allowed) {
  const Reached waits{false, 0, "F.wait"};
  if (may.erase(waits) == 0) return;
  const Reached denied{false, 0, "F.perm"};
  may.insert(allowed.contains(denied) ? denied : Reached{false, 0, "F.unmapped"});
}

std::string text_of(const Reachable& set) {
  std::string text;
  for (const Reached& one : set) {
    text += text.empty() ? "" : " | ";
    text += one.address ? fmt::format("{:#x}", one.pa) : one.fault;
  }
  return text.empty() ? "nothing" : text;
}

constexpr const char* ends[] = {"F.dev", "F.pasid", "F.quiet"};

/// How a way ends every access (the device goes nowhere, nothing at the PASID, a quiet entry) is
/// the driver's choice: it means what the interface has promised there. Nullptr: it promises no
/// end.
const char* end_promised(const Reached& one, const Reachable& allowed) {
  const auto is_end = [&](const char* end) { return one.fault == end; };
  if (one.address || std::ranges::none_of(ends, is_end)) return nullptr;
  for (const char* end : ends) {
    if (allowed.contains({false, 0, end})) return end;
  }
  return nullptr;
}

}  // namespace

Offers BackendSubject::offers(const World& world) {
  make_host(world);
  return {.pasid_0 = !setup_.keeps_pasid_0,
          .identity = setup_.routes_identity,
          .waits_alone = machine_->devices_wait_alone(),
          .holes = machine_->remembers_unmapped(),
          .shared_tables = !setup_.per_device_tables,
          .own_tables = setup_.per_device_tables,
          .stalls = setup_.stalls,
          .page_requests = setup_.page_requests,
          .request_groups = machine_->has_groups(),
          .hooks = true,
          .commands = true};
}

/// A machine as the world wants it, as far as the backend can; nothing runs yet.
void BackendSubject::make_host(const World& world) {
  world_ = world;
  setup_ = interface_setup(world);
  setup_.dirty = spec::sva::DirtyHardware::none;
  setup_.devices = hardware_devices(world);
  machine_ = make_(setup_);
  machine_->adapt(setup_);
  host_ = std::make_unique<BackendHost>(*machine_, setup_);
  host_->set_compare([this](bool within) { compare(within); });
}

std::string BackendSubject::boot(const World& /*world*/) { return host_->boot(); }

std::string BackendSubject::lacks() const {
  for (u32 device = 0; device < setup_.devices.size(); ++device) {
    const spec::sva::DeviceSetup& wanted = setup_.devices[device];
    if (!wanted.iommu || wanted.group != spec::sva::DeviceSetup::alone) continue;
    if (host_->pasid_bits(device) < std::min(wanted.ssid_bits, setup_.ssid_bits)) {
      return fmt::format("pasids={}", world_.devices[device].pasids);
    }
  }
  if (world_.iova_bits && !host_->has_input_bits(static_cast<u32>(*world_.iova_bits))) {
    return fmt::format("iova_bits={}", *world_.iova_bits);
  }
  return {};
}

// ---- what accesses may get, and what is promised ------------------------------------------------

/// Addresses at the edges of a range are looked at from now on.
void BackendSubject::look_at(u64 iova, u64 bytes) {
  if (points_.size() >= points_max) return;
  const u64 first = iova & ~(step_bytes - 1);
  const u64 last = (iova + (bytes == 0 ? 0 : bytes - 1)) & ~(step_bytes - 1);
  points_.insert(first);
  if (first >= step_bytes) points_.insert(first - step_bytes);
  if (last < first) return;
  points_.insert(last);
  points_.insert(first + ((last - first) / 2 & ~(step_bytes - 1)));
  points_.insert(last + step_bytes);
}

/// Where accesses of the device are looked at: by each of its stream IDs, without a PASID and at
/// each that was ever seen.
std::vector<BackendSubject::Place> BackendSubject::places_of(u32 device) const {
  std::vector<Place> all;
  for (u32 stream = 0; stream < world_.devices[device].sids; ++stream) {
    all.push_back({stream, {}});
    for (const u32 number : pasids_) all.push_back({stream, spec::sva::substream(number)});
  }
  return all;
}

/// Whether an access that has not the right waits is a property of the entry that it meets. Within
/// a call that moves the device, that may be another domain's, whose processes' faults wait.
bool BackendSubject::may_wait_meanwhile(const Probing& probing, const Reached& got,
                                        const Reachable& allowed) const {
  const spec::sva::DeviceSetup& device = setup_.devices[probing.device];
  return got == Reached{false, 0, "F.wait"} && (device.stall || device.pri) &&
         allowed.contains(Reached{false, 0, "F.perm"});
}

/// False: a device with page requests that are known to be off.
bool BackendSubject::asks_for_pages(u32 device) const {
  return host_->interface().requests_are_on(device).value_or(true);
}

bool BackendSubject::compare_at(const Probing& probing, bool within) {
  const bool bank = probing.by == Probing::By::context_bank;
  Reachable may =
      reachable_of(bank ? machine_->walker_answers(probing.device, probing.iova, probing.access)
                        : machine_->answers(access_of(probing)));
  const Reachable allowed = promised(host_->interface(), probing);
  if (!bank && !asks_for_pages(probing.device)) end_requests(may, allowed);
  for (const Reached& one : may) {
    if (allowed.contains(one) || end_promised(one, allowed) != nullptr) continue;
    if (within && may_wait_meanwhile(probing, one, allowed)) continue;
    const bool given_up = !allowed.empty() && allowed.rbegin()->fault.starts_with("?");
    if (given_up) return true;
    std::string at = bank                 ? " by its context bank"
                     : probing.at.present ? fmt::format(" at PASID {:#x}", probing.at.number)
                                          : "";
    if (probing.stream != 0) at += fmt::format(" by its stream ID {}", probing.stream);
    host_->find(within ? spec::Rule::PROMISE_TRANSIENT : spec::Rule::PROMISE_OUTCOME,
                fmt::format("device {}{}, {:#x}, {}: it may get {}; promised is {}", probing.device,
                            at, probing.iova, probing.access, text_of(may), text_of(allowed)));
    return false;
  }
  return true;
}

void BackendSubject::compare(bool within) {
  const spec::sva::Interface& interface = host_->interface();
  for (u32 device = 0; device < world_.devices.size(); ++device) {
    Probing probing;
    probing.device = device;
    if (interface.has_walker(device) && interface.table_of_walker(device) != 0) {
      probing.by = Probing::By::context_bank;
      if (!compare_points(probing, within)) return;
      probing.by = Probing::By::stream;
    }
    if (!world_.devices[device].has_iommu() || !interface.device_exists(device)) continue;
    if (host_->is_leaving(device)) continue;
    interface.for_each_substream(device, [&](u32 number) { pasids_.insert(number); });
    for (const Place& place : places_of(device)) {
      probing.stream = place.stream;
      probing.at = place.at;
      if (!compare_points(probing, within)) return;
    }
  }
}

/// At each address that is looked at; false where one may get what it must not.
bool BackendSubject::compare_points(Probing probing, bool within) {
  for (const u64 iova : points_) {
    probing.iova = iova;
    for (const char access : {'r', 'w'}) {
      probing.access = access;
      if (!compare_at(probing, within)) return false;
    }
  }
  return true;
}

Reachable BackendSubject::reachable(const Probing& probing) {
  const std::optional<u32> walker = walker_of(*this, probing);
  if (walker || probing.by == Probing::By::walker) {
    if (!walker) return {{false, 0, "?anything: there is no table any more"}};
    return reachable_of(machine_->walker_answers(*walker, probing.iova, probing.access));
  }
  if (!world_.devices[probing.device].has_iommu()) return {{true, probing.iova, {}}};
  const Reachable allowed = promised(host_->interface(), probing);
  Reachable may = reachable_of(machine_->answers(access_of(probing)));
  if (!asks_for_pages(probing.device)) end_requests(may, allowed);
  Reachable set;
  for (const Reached& one : may) {
    const char* end = allowed.contains(one) ? nullptr : end_promised(one, allowed);
    set.insert(end != nullptr ? Reached{false, 0, end} : one);
  }
  return set;
}

// ---- calls --------------------------------------------------------------------------------------

/// Whoever waits looks again, and devices make again what was answered so.
void BackendSubject::go_on() {
  threads_.go_on(*host_);
  repeat_answered();
}

Answer BackendSubject::call(u32 thread, const Call& call, const Wanted& /*wanted*/, Memory memory) {
  host_->forget_touched();
  threads_.begins(thread);
  host_->fail_allocation(memory.fail_at, memory.none);
  u64 bytes = call.size;
  for (const spec::sva::Segment& segment : call.segments) bytes += segment.size;
  if (bytes != 0) look_at(call.iova, bytes);
  if (call.pasid != 0) pasids_.insert(call.pasid);
  const std::string permitted = host_->interface().permitted(call, {}).text();
  Answer answer = threads_.answer(*host_, thread, host_->start(call));
  host_->fail_allocation(0);
  go_on();
  answer = threads_.latest(thread, std::move(answer));
  answer.permitted = permitted;
  return answer;
}

Answer BackendSubject::release(u32 thread, u64 mm) {
  host_->forget_touched();
  threads_.begins(thread);
  Answer answer = threads_.answer(*host_, thread, host_->exit(mm));
  go_on();
  return threads_.latest(thread, std::move(answer));
}

Answer BackendSubject::poll(u32 thread) {
  go_on();
  return threads_.poll(thread);
}

Answer BackendSubject::remove(u32 device) {
  host_->forget_touched();
  Answer answer = threads_.answer(*host_, Threads<BackendHost>::nameless, host_->remove(device));
  go_on();
  return answer;
}

Answer BackendSubject::recover() { return call(0, Call{.kind = CallKind::recover}, {}, {}); }

void BackendSubject::reuse_page(u64 pa, u64 bytes) {
  host_->forget_touched();
  const spec::sva::Verdict duty = host_->interface().duty_of_page(pa, bytes);
  if (duty.blames_caller) return host_->blame(duty);
  for (u32 device = 0; device < world_.devices.size(); ++device) {
    if (!world_.devices[device].has_iommu()) continue;
    for (const Place& place : places_of(device)) {
      for (const u64 iova : points_) {
        for (const MayGet& one : machine_->answers({device, place.stream, place.at, iova, 'r'})) {
          if (one.kind != MayGet::Kind::address || one.pa - pa >= bytes) continue;
          return host_->find(spec::Rule::PAGE_REUSE,
                             fmt::format("the page at {:#x} is given back, and an access of device "
                                         "{} to {:#x} may still reach it",
                                         pa, device, iova));
        }
      }
    }
  }
}

// ---- processes ----------------------------------------------------------------------------------

bool BackendSubject::map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) {
  host_->forget_touched();
  look_at(va, bytes);
  return host_->map(mm, va, pa, bytes, prot);
}

bool BackendSubject::unmap(u64 mm, u64 va, u64 bytes) {
  host_->forget_touched();
  host_->unmap(mm, va, bytes);
  return true;
}

bool BackendSubject::protect(u64 mm, u64 va, u64 bytes, u32 prot) {
  host_->forget_touched();
  host_->protect(mm, va, bytes, prot);
  return true;
}

Answer BackendSubject::handler_returns(u32 device, u32 pasid, Status status) {
  host_->forget_touched();
  Answer answer;
  if (!host_->handler_returns(device, pasid, status)) answer.observed.status = Status::einval;
  go_on();
  return answer;
}

void BackendSubject::bound_passes() {
  host_->bound_passes();
  go_on();
}

// ---- accesses -----------------------------------------------------------------------------------

/// The number by which it waits, 0: it does not.
u64 BackendSubject::make_access(const Probing& probing) {
  const u64 waits = host_->wait(access_of(probing));
  if (waits != 0) waited_.add(waits, probing);
  repeat_answered();
  return waits;
}

/// Devices make again what was answered so.
void BackendSubject::repeat_answered() {
  for (const BackendHost::Answered& one : host_->take_answered()) {
    waited_.answered(
        one.id, one.again, [&](const Probing& probing) { return reachable(probing); },
        [&](const Probing& probing, const Reached& reached) {
          return reached.fault == "F.wait" ? make_access(probing) : u64{0};
        });
  }
}

Reached BackendSubject::access_state(u64 waits) {
  repeat_answered();
  return waited_.state(waits, [&](u64 id) { return host_->is_waiting(id); });
}

bool BackendSubject::access(const Probing& probing, Reached& reached, std::string& reason,
                            u64& waits) {
  const Reachable set = reachable(probing);
  if (set.size() != 1) {
    reason = fmt::format("{} outcomes are possible", set.size());
    return false;
  }
  if (probing.at.present) {
    const auto duty = host_->interface().duty_of_dma(probing.device, probing.at.number);
    if (duty.blames_caller) host_->blame(duty);
  }
  reached = *set.begin();
  if (reached.fault == "F.wait") waits = make_access(probing);
  return true;
}

// ---- what was seen ------------------------------------------------------------------------------

std::vector<CallbackSeen> BackendSubject::take_callbacks() {
  std::vector<CallbackSeen> all;
  for (const auto& one : host_->take_callbacks())
    all.push_back({one.device, one.pasid, one.drvdata, one.group});
  return all;
}

std::vector<Trouble> BackendSubject::take_troubles() {
  std::vector<Trouble> all;
  if (!host_) return all;
  for (BackendHost::Finding& one : host_->take_findings()) {
    all.push_back({one.rule, one.keeper, std::move(one.text)});
  }
  return all;
}

Touched BackendSubject::touched() const {
  return {.register_writes = host_->touched().registers,
          .commands = 0,
          .structure_stores = host_->touched().structures};
}

const spec::sva::Held* BackendSubject::driver_held() {
  const auto held = host_->held();
  if (!held) return nullptr;
  held_ = {.domains = held->domains,
           .io_mms = held->io_mms,
           .pasids = held->pasids,
           .tokens = held->tokens,
           .queues = held->queues,
           .bonds = held->bonds};
  return &held_;
}

std::string BackendSubject::write_trace(const std::string& /*path*/) {
  return "traces are of SMMUv3 only";
}

std::unique_ptr<Subject> make_two() {
  return std::make_unique<BackendSubject>(
      [](const spec::sva::Setup& setup) { return std::make_unique<TwoMachine>(setup); });
}

}  // namespace iommucheck::oracle::stories
