// SPDX-License-Identifier: MIT
#include "scenario/run/driver_subject.h"
#include "report/finding_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "explain/draw.h"
#include "impl/driver.h"
#include "monitor/recorder.h"
#include "monitor/trace_setup.h"
#include "spec/smmu/recordings.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::stories {
namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

constexpr u64 window_bytes = u64{16} << 20;
constexpr std::size_t events_max = std::size_t{1} << 20;

Setup setup_of(const World& world, const iommucheck_driver& driver) {
  Setup setup;
  setup.id = spec::make_id_registers(capabilities_of(world));
  setup.devices = hardware_devices(world);
  // Who asks for pages asks for translations.
  for (spec::sva::DeviceSetup& device : setup.devices) device.ats |= device.pri;
  setup.per_device_tables = (driver.flags & IOMMUCHECK_DRIVER_PER_DEVICE_TABLES) != 0;
  if ((driver.flags & IOMMUCHECK_DRIVER_HOOKS) != 0) setup.hooks = world.hooks;
  setup.window_bytes = window_bytes;
  setup.no_page_sizes = world.page_sizes == "none";
  return setup;
}

/// Something that only a user's access meets.
bool promises_users(const Reachable& allowed) {
  return std::ranges::any_of(allowed, [](const Reached& one) {
    return one.fault.starts_with("F.s2") || one.fault == "F.badcd";
  });
}

bool is_configuration_end(const spec::Outcome& outcome) {
  if (outcome.kind == spec::OutcomeKind::abort) return true;
  switch (outcome.event) {
    case spec::EventType::f_translation:
    case spec::EventType::f_permission:
    case spec::EventType::f_addr_size:
    case spec::EventType::f_access: return false;
    default: return true;
  }
}

}  // namespace

DriverSubject::~DriverSubject() {
  if (booted_) host_->restore();  // calls that still wait come to their end
}

/// A driver under test is an SMMUv3's: what that has, and what the driver says of itself.
Offers DriverSubject::offers(const World& world) {
  if (backend_) return offers_of_backend(world);
  if (by_world_) {
    driver_ = world.per_device_tables ? impl::builtin_driver_per_device() : impl::builtin_driver();
  }
  const bool per_device = says(IOMMUCHECK_DRIVER_PER_DEVICE_TABLES);
  const Offers offers{.smmuv3 = true,
                      .shared_tables = !per_device,
                      .own_tables = per_device,
                      .stalls = true,
                      .page_requests = says(IOMMUCHECK_DRIVER_PAGE_REQUESTS),
                      .ats = true,
                      .walkers = true,
                      .request_groups = says(IOMMUCHECK_DRIVER_PAGE_REQUESTS),
                      .no_page_sizes = says(IOMMUCHECK_DRIVER_PAGE_SIZES),
                      .dirty = driver_->dirty_set != nullptr,
                      .several_iommus = says(IOMMUCHECK_DRIVER_SEVERAL_IOMMUS),
                      .hooks = says(IOMMUCHECK_DRIVER_HOOKS),
                      .users = !world.second_backend && driver_->cache_invalidate != nullptr,
                      .users_pasids = true,
                      .users_devices = true,
                      .users_events = true,
                      .users_wait = true,
                      .commands = true,
                      .sticks = true};
  return guest_wanted_ ? offers_of_guest(offers) : offers;
}

bool DriverSubject::has(CallKind kind) const {
  if (host_) return host_->has(kind) && spec::sva::call_is_built(kind);
  if (!probe_) {  // asked before anything is booted: which operations are there
    Setup setup;
    setup.id = default_id_registers();
    probe_monitor_ = std::make_unique<Monitor>(setup);
    probe_ = std::make_unique<DriverHost>(*driver_, *probe_monitor_);
  }
  return probe_->has(kind) && spec::sva::call_is_built(kind);
}

std::string DriverSubject::boot(const World& world) {
  world_ = world;
  if (segments_ != nullptr) segments_->restore();
  Setup setup = setup_of(world, *driver_);
  setup.profile = profile_;
  has_choices_ = !builtin_;
  if (backend_) start_machine(setup);
  if (backend_ && !machine_) return "the hardware did not come up";
  if (guest_wanted_) {
    if (std::string why = start_guest(setup); !why.empty()) return why;
  }
  monitor_ = std::make_unique<Monitor>(setup);
  host_ = std::make_unique<DriverHost>(*driver_, *monitor_);
  if (machine_) {
    host_->set_init([this](const iommucheck_platform& platform, const iommucheck_config& config,
                           void** state) {
      return start_core(*machine_, world_.per_device_tables, platform, config, state, &started_);
    });
  }
  monitor_->set_sink(this);
  std::string failed = host_->boot();
  if (!failed.empty() && machine_) {
    for (const std::string& text : machine_->take_nonsense()) failed += ": " + text;
  }
  // Which ASIDs are the driver's own and the CPUs' as well a scenario says (cpu_asid_collides).
  host_->processes().set_apart(true);
  booted_ = failed.empty();
  if (booted_) host_->snapshot();
  user_sink_.emplace(*monitor_);
  const UserWords* words = user_words(setup);
  if (words != nullptr && !guest_ && (backend_ || !world.second_backend)) {
    users_.emplace(*user_sink_, host_->users_pa(), capabilities_of(world), *words);
  }
  return failed;
}

// ---- calls --------------------------------------------------------------------------------------

namespace {

/// Where leaves are larger than a page an unmap may end earlier, and a mark is all of the leaf's.
/// Whether what is wanted may be answered all the same.
bool permits_wanted(const spec::sva::Interface& interface, const Call& call,
                    const spec::sva::Permitted& set, const Wanted& wanted) {
  using spec::sva::CallKind;
  if (!set.has(spec::sva::Status::ok)) return false;
  const CallKind kind = spec::sva::as_domain_call(call.kind);
  if (kind == CallKind::dirty_read) {
    return std::ranges::any_of(wanted.bits, [&](const std::vector<u64>& bits) {
      return interface.may_read_bits(call, bits);
    });
  }
  if (kind != CallKind::unmap && kind != CallKind::unmap_fast) return false;
  return std::ranges::any_of(wanted.values, [&](u64 bytes) { return set.has_value(bytes); });
}

}  // namespace

Answer DriverSubject::call(u32 thread, const Call& call, const Wanted& wanted, Memory memory) {
  forget_touched();
  threads_.begins(thread);
  if (memory.none) {
    host_->fail_all_allocations();
  } else {
    host_->fail_allocation(memory.fail_at);
  }
  // By the state before it; what befalls the call is known when it is over.
  std::array<spec::sva::Permitted, 4> permitted;
  for (unsigned i = 0; i < permitted.size(); ++i) {
    const bool no_memory = (i & 1) != 0;
    const bool stuck = (i & 2) != 0;
    permitted[i] = monitor_->interface().permitted(
        call, {.allocation_failed = no_memory, .queue_stuck = stuck});
  }
  const bool wanted_is_permitted =
      has_choices_ && permits_wanted(monitor_->interface(), call, permitted[0], wanted);
  const bool was_stuck = monitor_->smmu().is_stuck();
  Answer answer = threads_.answer(*host_, thread, host_->start(call));
  const bool no_memory = host_->allocation_failed();
  host_->fail_allocation(0);
  threads_.go_on(*host_);
  repeat_answered();
  answer = threads_.latest(thread, std::move(answer));
  guest_may_cache(call);
  const bool stuck = was_stuck || monitor_->smmu().is_stuck();
  const spec::sva::Permitted& by_interface = permitted[(no_memory ? 1 : 0) + (stuck ? 2 : 0)];
  answer.permitted = by_interface.text();
  if (has_choices_) answer.choices = by_interface;
  answer.wanted_is_permitted = wanted_is_permitted;
  return answer;
}

Answer DriverSubject::release(u32 thread, u64 mm) {
  forget_touched();
  threads_.begins(thread);
  Answer answer = threads_.answer(*host_, thread, host_->exit(mm));
  threads_.go_on(*host_);
  return threads_.latest(thread, std::move(answer));
}

Answer DriverSubject::poll(u32 thread) {
  threads_.go_on(*host_);
  return threads_.poll(thread);
}

Answer DriverSubject::remove(u32 device) {
  forget_touched();
  Answer answer = threads_.answer(*host_, Threads<DriverHost>::nameless, host_->remove(device));
  threads_.go_on(*host_);
  return answer;
}

void DriverSubject::reuse_page(u64 pa, u64 bytes) {
  forget_touched();
  monitor_->page_released(AgentId::cpu0, pa, bytes);
}

Answer DriverSubject::recover() {
  Answer answer;
  if (!has(CallKind::recover)) {
    answer.state = Answer::State::not_built;
    return answer;
  }
  return call(0, Call{.kind = CallKind::recover}, {}, {});
}

// ---- processes ----------------------------------------------------------------------------------

bool DriverSubject::map(u64 mm, u64 va, u64 pa, u64 bytes, u32 prot) {
  forget_touched();
  const bool done = host_->processes().map(mm, va, pa, bytes, prot);
  guest_may_cache(va);
  return done;
}

bool DriverSubject::unmap(u64 mm, u64 va, u64 bytes) {
  forget_touched();
  host_->processes().unmap(mm, va, bytes);
  return true;
}

bool DriverSubject::protect(u64 mm, u64 va, u64 bytes, u32 prot) {
  forget_touched();
  host_->processes().protect(mm, va, bytes, prot);
  return true;
}

u64 DriverSubject::fork(u64 mm) {
  forget_touched();
  return host_->processes().fork(mm);
}

bool DriverSubject::collide_asid(u64 mm, u32 device, spec::sva::Substream at) {
  // Nothing there is tagged by a number of the CPUs', so that nothing can collide.
  if (machine_) return true;
  std::vector<spec::StreamOption> options;
  const u32 sid = monitor_->interface().stream_ids(device).front();
  if (!monitor_->caches().fetches().stream_options(sid, at.number, at.present, options))
    return false;
  for (const spec::StreamOption& option : options) {
    if (option.regime == 0) continue;
    const u32 asid = static_cast<u32>(monitor_->caches().regime(option.regime - 1).asid);
    if (host_->processes().pinned(mm)) return host_->processes().asid(mm) == asid;
    host_->processes().prefer_asid(asid);
    return true;
  }
  return false;
}

Answer DriverSubject::handler_returns(u32 device, u32 pasid, Status status) {
  forget_touched();
  Answer answer;
  answer.observed.status = Status::einval;
  const auto& handlers = host_->handlers();
  for (std::size_t i = 0; i < handlers.size(); ++i) {
    if (handlers[i].device != device || handlers[i].pasid != pasid) continue;
    host_->handler_returns(i, status);
    answer.observed.status = Status::ok;
    break;
  }
  threads_.go_on(*host_);
  return answer;
}

void DriverSubject::bound_passes() {
  host_->bound_passes();
  threads_.go_on(*host_);
}

// ---- accesses -----------------------------------------------------------------------------------

spec::Access DriverSubject::access_of(const Probing& probing) const {
  spec::Access access;
  if (probing.by != Probing::By::walker)
    access.sid = monitor_->interface().stream_ids(probing.device)[probing.stream];
  access.ssid = probing.at.number;
  access.ssv = probing.at.present;
  access.va = probing.iova;
  if (probing.access == 'w') access.type = spec::AccessType::write;
  if (probing.access == 'x') access.type = spec::AccessType::execute;
  return access;
}

/// Faults by what they mean. How a configuration ends an access (an abort, C_BAD_CD, a disabled
/// walk) is the driver's choice: it means what the interface has promised there.
Reached DriverSubject::reached_by(const Probing& probing, const spec::Outcome& outcome) const {
  using Kind = spec::OutcomeKind;
  if (outcome.kind == Kind::translation || outcome.kind == Kind::bypass) {
    return {true, outcome.pa, {}};
  }
  const spec::RuleInfo& info = spec::rule_info(outcome.rule);
  if (outcome.kind != Kind::fault && outcome.kind != Kind::abort) {
    return {false, 0, fmt::format("?anything ({})", info.name)};
  }
  const Reachable allowed = promised(monitor_->interface(), probing);
  const auto promises = [&](const char* fault) { return allowed.contains({false, 0, fault}); };
  const bool asks = probing.at.present && monitor_->interface().asks_for_pages(probing.device);
  const bool stalls = asks
                          ? !is_configuration_end(outcome) && !outcome.stage2 &&
                                monitor_->interface().requests_are_on(probing.device).value_or(true)
                          : outcome.reaction.stall;
  if (!is_configuration_end(outcome) && !stalls && promises("F.quiet") && !promises("F.unmapped")) {
    return {false, 0, "F.quiet"};
  }
  // Also where nothing is promised of what the user's tables say, as they are not mapped any more.
  const u64 domain = monitor_->interface().domain_of(probing.device);
  const bool users = domain != 0 && monitor_->interface().parent_of(domain) != 0;
  if (outcome.stage2 && (users || promises_users(allowed))) {
    const bool permission = outcome.event == spec::EventType::f_permission;
    return {false, 0, permission ? "F.s2perm" : "F.s2unmapped"};
  }
  if (is_configuration_end(outcome)) {
    for (const char* fault : {"F.dev", "F.pasid", "F.quiet", "F.badcd"}) {
      if (promises(fault)) return {false, 0, fault};
    }
    return {false, 0, fmt::format("?{} ({})", spec::event_name(outcome.event), info.name)};
  }
  if (stalls) return {false, 0, "F.wait"};
  const bool permission = outcome.event == spec::EventType::f_permission;
  return {false, 0, permission ? "F.perm" : "F.unmapped"};
}

void DriverSubject::switch_walker(u32 walker, u64 root) {
  forget_touched();
  monitor_->walker_switches(walker, root);
}

void DriverSubject::flush_walker(u32 walker) {
  forget_touched();
  monitor_->walker_flushes(walker);
}

Reachable DriverSubject::reachable(const Probing& probing) {
  Reachable set;
  const std::optional<u32> walker = walker_of(*this, probing);
  if (machine_) return reachable_by_hardware(probing, walker);
  if (walker || probing.by == Probing::By::walker) {
    std::vector<spec::Outcome> found;
    const bool walks = walker && interface().table_of_walker(*walker) != 0;
    if (!walks) return {{false, 0, "?anything: there is no table any more"}};
    if (!monitor_->ask_walker(*walker, access_of(probing), found)) {
      set.insert({false, 0, "?the specification gave up"});
    }
    for (const spec::Outcome& outcome : found) set.insert(reached_by(probing, outcome));
    return set;
  }
  if (!world_.devices[probing.device].has_iommu()) return {{true, probing.iova, {}}};
  const auto add = [&](const spec::Outcome& outcome) { set.insert(reached_by(probing, outcome)); };
  if (guest_) ask_guest(probing);
  // What the users of the world write is all told.
  const bool of_user = interface().expected_within(probing.device, probing.at, 0).count != 0;
  const bool whole = of_user ? monitor_->caches().nested().outcomes(access_of(probing), add)
                             : monitor_->caches().outcomes(access_of(probing), add);
  if (!whole) set.insert({false, 0, "?the specification gave up"});
  return set;
}

std::optional<std::vector<Subject::Standing>> DriverSubject::standing(u32 device) {
  if (machine_) return std::nullopt;
  std::vector<Standing> found;
  if (!world_.devices[device].has_iommu()) return found;
  MemoryDrawing memory(*monitor_, {});
  for (const TableInMemory& table : memory.tables(interface().stream_ids(device).front())) {
    found.push_back({table.at, table.root});
  }
  return found;
}

/// The number by which it waits, 0: it does not.
u64 DriverSubject::make_access(const Probing& probing) {
  const auto& stalled = monitor_->stalled_accesses();
  const u64 before = stalled.empty() ? 0 : stalled.back().id;
  spec::FirstChoice first;
  const u32 group = static_cast<u32>(machine_ ? probing.group : probing.group & 0x1ff);
  const Monitor::PageAsked asked{group, probing.last};
  const bool recorded = monitor_->device_access(access_of(probing), first, asked);
  const u64 waits = stalled.empty() || stalled.back().id == before ? 0 : stalled.back().id;
  if (waits != 0) waited_.add(waits, probing);
  const u64 domain = interface().domain_of(probing.device);
  const bool of_user = domain != 0 && interface().parent_of(domain) != 0;
  // The driver hears of it at once.
  const bool asks = probing.at.present && interface().asks_for_pages(probing.device);
  if (recorded && (waits != 0 || of_user || machine_)) {
    host_->irq(asks ? IOMMUCHECK_IRQ_PAGE_REQUEST_QUEUE : IOMMUCHECK_IRQ_EVENT_QUEUE);
  }
  return waits;
}

/// Devices make again what was answered so.
void DriverSubject::repeat_answered() {
  for (const Monitor::StalledAccess& one : monitor_->take_answered()) {
    waited_.answered(
        one.id, one.again, [&](const Probing& probing) { return reachable(probing); },
        [&](const Probing& probing, const Reached&) { return make_access(probing); });
  }
}

Reached DriverSubject::access_state(u64 waits) {
  repeat_answered();
  return waited_.state(waits, [&](u64 id) {
    return std::ranges::any_of(monitor_->stalled_accesses(), [&](const auto& stalled) {
      return stalled.id == id && monitor_->still_waits_for(stalled.sid, stalled.stag);
    });
  });
}

/// What make_access(), which chooses the first, has of several outcomes.
std::optional<Reached> DriverSubject::first_outcome(const Probing& probing) {
  if (machine_) {
    const std::vector<Reached> outcomes = hardware_outcomes(probing, std::nullopt);
    return outcomes.empty() ? std::nullopt : std::optional(outcomes.front());
  }
  const spec::Access access = access_of(probing);
  std::optional<spec::Outcome> first;
  const bool whole = monitor_->caches().outcomes(access, [&](const spec::Outcome& outcome) {
    if (!first) first = outcome;
  });
  if (!whole || !first) return std::nullopt;
  if (first->kind == spec::OutcomeKind::within) first = monitor_->caches().nested().newest(access);
  return reached_by(probing, *first);
}

bool DriverSubject::access(const Probing& probing, const Reachable& wanted, Reached& reached,
                           std::string& reason, u64& waits) {
  const Reachable set = reachable(probing);
  for (const Reached& one : set) {
    if (wanted.contains(one) || set.size() == 1) continue;
    reached = one;
    return true;
  }
  const std::optional<Reached> first =
      set.size() == 1 ? std::optional(*set.begin()) : first_outcome(probing);
  if (!first) {
    reason = fmt::format("{} outcomes are possible", set.size());
    return false;
  }
  waits = make_access(probing);
  reached = *first;
  return true;
}

// ---- what was seen ------------------------------------------------------------------------------

void DriverSubject::event(const trace::Event& event) {
  if (events_.size() < events_max) events_.push_back(event);
  if (std::holds_alternative<trace::MmioWrite>(event.payload)) {
    ++touched_.register_writes;
  } else if (const auto* callback = std::get_if<trace::Callback>(&event.payload)) {
    callbacks_.push_back({static_cast<u32>(callback->device), callback->pasid.value,
                          callback->drvdata.value_or(0), callback->fault_group});
  } else if (machine_) {
    return;  // what else it does is counted where it is known
  } else if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
    if (structure_at(monitor_->caches().view(), store->pa)) ++touched_.structure_stores;
    if (monitor_->smmu().is_command_slot(store->pa)) ++touched_.commands;
  } else if (const auto* rmw = std::get_if<trace::Rmw>(&event.payload)) {
    if (structure_at(monitor_->caches().view(), rmw->pa)) ++touched_.structure_stores;
  } else if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
    if (structure_at(monitor_->caches().view(), fill->pa)) ++touched_.structure_stores;
  }
}

std::vector<Trouble> DriverSubject::take_troubles() {
  std::vector<Trouble> troubles = std::exchange(troubles_, {});
  if (!monitor_) return troubles;
  for (; findings_ < monitor_->findings().size(); ++findings_) {
    const Finding& finding = monitor_->findings()[findings_];
    troubles.push_back({finding.rule, spec::rule_info(finding.rule).keeper,
                        fmt::format("event {}: {}", finding.at, one_line(finding))});
  }
  for (; blamed_ < monitor_->blamed_on_caller().size(); ++blamed_) {
    const Finding& finding = monitor_->blamed_on_caller()[blamed_];
    troubles.push_back({finding.rule, spec::Keeper::caller,
                        fmt::format("event {}: {}", finding.at, one_line(finding))});
  }
  if (guest_) take_troubles_below(troubles);
  return troubles;
}

const spec::sva::Held* DriverSubject::driver_held() {
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

void DriverSubject::finish() {
  if (host_->waiting().empty()) monitor_->check_whole_space();
}

std::string DriverSubject::no_verdict() const {
  if (!monitor_) return {};
  if (!monitor_->unsupported().empty()) return monitor_->unsupported() + " is not modelled";
  if (std::string why = no_verdict_below(); !why.empty()) return why;
  return monitor_->gave_up() ? "a bound of the specification was hit: " + monitor_->bound() : "";
}

trace::Header DriverSubject::header() const {
  trace::TextMap about{{"source", "scenario"}, {"driver", driver_->name}};
  if (backend_) about[backend_key] = backend_->name;
  return header_of(monitor_->setup(), std::move(about));
}

std::string DriverSubject::write_trace(const std::string& path) {
  trace::Trace trace{header(), events_};
  const auto written = trace::write_trace(trace, path);
  return written ? std::string() : written.error().message;
}

bool is_builtin(std::string_view name) { return impl::builtin_driver(name) != nullptr; }

std::unique_ptr<Subject> make_builtin_subject() {
  return make_subject_named(impl::builtin_driver()->name);
}

std::unique_ptr<Subject> make_subject_named(std::string_view builtin, const spec::Profile& profile,
                                            bool guest) {
  auto subject = std::make_unique<DriverSubject>(*impl::builtin_driver(builtin), true, nullptr);
  subject->set_profile(profile);
  if (guest) subject->make_guest();
  return subject;
}

std::unique_ptr<Subject> make_driver_subject(const iommucheck_driver& driver, Segments* segments,
                                             const spec::Profile& profile, bool guest) {
  auto subject = std::make_unique<DriverSubject>(driver, false, segments);
  subject->set_profile(profile);
  if (guest) subject->make_guest();
  return subject;
}

}  // namespace iommucheck::oracle::stories
