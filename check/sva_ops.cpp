// SPDX-License-Identifier: MIT
#include "check/sva_ops.h"

#include <algorithm>
#include <span>
#include <utility>

#include "check/with_memory.h"

namespace iommucheck::oracle {

namespace {

using fuzz::OperationKind;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

constexpr u64 processes_max = 4;  // made by themselves; fork and exec make more
constexpr u64 drvdata_base = 0xd000;
/// Of a queue that is stuck: from the beginning of the call, or from the n-th commit on. What a
/// call takes away it takes away in two or three.
constexpr u32 stuck_places[] = {0, 1, 2, 2, 3, 3, 4, 6};

/// Private PASIDs are asked for where the driver has what gives them: a call that is not built is
/// not asked for, and neither is its feature.
u32 features_of(const fuzz::Operation& operation, const spec::sva::DeviceSetup& device,
                bool has_private) {
  using fuzz::Features;
  const u32 of_private = has_private ? spec::sva::feature_private : 0;
  const bool waits = device.stall || device.pri;
  const u32 iopf = waits ? spec::sva::feature_iopf : 0;
  switch (static_cast<Features>(operation.variant)) {
    case Features::all: return of_private | iopf;
    case Features::private_only: return of_private;
    case Features::iopf_only: return iopf;
    case Features::not_its_own: return spec::sva::feature_iopf;
    case Features::unknown: return 0x80;
    default: return 0;
  }
}

}  // namespace

void SvaOps::perform_queue(const fuzz::Operation& operation) {
  if (!claims(Claim::time_outs)) return;
  if (static_cast<fuzz::QueueKind>(operation.variant) == fuzz::QueueKind::stuck) {
    case_.next.stuck = stuck_places[operation.choices % std::size(stuck_places)];
    return;
  }
  const Call call{.kind = CallKind::recover};
  if (may_call(call)) make_call(call);
}

void SvaOps::perform_remove(const fuzz::Operation& operation) {
  // With nothing on its way: a removal meets calls that wait in the scenarios.
  if (const auto gone = device_to_bring_back(operation)) return bring_back(*gone);
  const u32 device = device_of(operation);
  const u64 domain = monitor_.interface().domain_of(device);
  // What a removal that times out leaves to a device that is not there is not said, so that
  // the queue goes on for it.
  if (domain != 0 && host_.waiting().empty()) host_.remove(device);
}

/// The one that is to be removed, if it is gone; mostly another one that is.
std::optional<u32> SvaOps::device_to_bring_back(const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 device = device_of(operation);
  if (machine_) return std::nullopt;  // such hardware says of a device only that it goes
  if (!interface.device_exists(device)) return device;
  constexpr u32 one_in = 4;
  if (operation.choices % one_in == one_in - 1) return std::nullopt;
  for (u32 other = 0; other < interface.device_count(); ++other) {
    if (!interface.device_exists(other)) return other;
  }
  return std::nullopt;
}

/// A device that was removed is there again; not where a driver says that devices stay where they
/// are.
void SvaOps::bring_back(u32 device) {
  if (claims(Claim::moves) && host_.waiting().empty()) host_.add(device);
}

// ---- devices ------------------------------------------------------------------------------------

Status SvaOps::perform_init(const fuzz::Operation& operation) {
  const u32 device = device_of(operation);
  fuzz::PasidLimits limits = fuzz::pasid_limits(operation);
  // High ones are on both sides of 512 or 1024 as well, where the device has so many.
  const bool high = static_cast<fuzz::PasidRange>(operation.window) == fuzz::PasidRange::high;
  const u32 bits = monitor_.setup().devices[device].ssid_bits;
  if (high && bits > 9 && (operation.choices & 0x20) == 0) {
    limits.min = bits > 10 && (operation.choices & 0x40) != 0 ? 1023 : 511;
  }
  // So few that one which is kept for nothing is missed.
  if (high && (operation.choices & 0x100) != 0) limits.max = limits.min + 1;
  // Beyond what one page of a table may hold, or two levels of them, where tables are not an
  // SMMUv3's.
  const bool wide = machine_ && bits > 9;
  constexpr u32 beyond_two_levels = (1U << 18) - 2;
  if (wide && limits.max == 0 && case_.calls % 3 == 0) {
    limits.min = bits > 18 && case_.calls % 2 == 0 ? beyond_two_levels : 1020;
  }
  Call call{.kind = CallKind::sva_device_init};
  call.device = device;
  call.features = features_of(operation, monitor_.setup().devices[device],
                              host_.has(CallKind::sva_alloc_pasid));
  call.min_pasid = limits.min;
  call.max_pasid = limits.max;
  call.has_mm_exit = static_cast<fuzz::Handler>(operation.mapping) == fuzz::Handler::present;
  return may_call(call) ? make_call(call).status : Status::ok;
}

/// A device with PASIDs, `device` or the next; on a paging domain, and with sva_device_init done:
/// what is missing is done first, so that no word is wasted.
u32 SvaOps::prepare_bind(u32 device, const fuzz::Operation& operation) {
  const WithMemory with_memory(host_);
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 count = interface.device_count();
  for (u32 n = 0; n < count && monitor_.setup().devices[device].ssid_bits == 0; ++n) {
    device = (device + 1) % count;
  }
  if (interface.domain_of(device) == 0) {
    Call call{.kind = CallKind::attach};
    call.device = device;
    const auto is_for_it = [&](const Space& space) {
      Call attach = call;
      attach.domain = space.handle;
      return may_master(space) && caller_.is_claimed(attach);
    };
    // Beside others, or, of four, on a domain of its own: what is done in each of several tables.
    const bool apart = ((operation.choices >> 5) & 3) == 3;
    if (apart || std::ranges::none_of(case_.spaces, is_for_it)) {
      spaces_.perform_alloc(fuzz::Operation{.kind = OperationKind::domain_alloc});
    }
    if (!monitor_.findings().empty()) return device;
    for (const Space& space : case_.spaces) {
      if (is_for_it(space) && (call.domain == 0 || apart)) call.domain = space.handle;
    }
    if (call.domain == 0) return device;
    if (may_call(call)) make_call(call);
  }
  if (interface.has_sva(device) || !monitor_.findings().empty()) return device;
  fuzz::Operation init{.kind = OperationKind::sva_init, .device = static_cast<u16>(device)};
  // Narrow ranges, so that numbers come again.
  constexpr fuzz::PasidRange ranges[] = {fuzz::PasidRange::any, fuzz::PasidRange::small,
                                         fuzz::PasidRange::one, fuzz::PasidRange::two,
                                         fuzz::PasidRange::any, fuzz::PasidRange::small,
                                         fuzz::PasidRange::one, fuzz::PasidRange::high};
  init.window = static_cast<u16>(ranges[operation.choices % std::size(ranges)]);
  init.choices = operation.choices & 0x160;
  const bool null = ((operation.choices >> 3) & 3) == 3;
  init.mapping = static_cast<u16>(null ? fuzz::Handler::null : fuzz::Handler::present);
  if (perform_init(init) != Status::not_built || !monitor_.findings().empty()) return device;
  // A driver without handlers or ranges of its own, such as Linux's, is asked for neither.
  init.window = static_cast<u16>(fuzz::PasidRange::any);
  init.mapping = static_cast<u16>(fuzz::Handler::null);
  perform_init(init);
  return device;
}

void SvaOps::perform_bind(const fuzz::Operation& operation) {
  using fuzz::BindKind;
  const auto kind = static_cast<BindKind>(operation.variant);
  u32 device = device_of(operation);
  if (!host_.has(CallKind::bind_device)) return;
  const bool fitting = kind == BindKind::fitting || kind == BindKind::further;
  if (fitting) device = prepare_bind(device, operation);
  if (!monitor_.findings().empty()) return;
  Call call{.kind = CallKind::bind_device};
  call.device = device;
  call.mm = pick_process(operation, false);
  // One that another device has as well: what is taken away there is taken from both.
  const bool shares = (operation.choices >> 7 & 0x3) == 0x3;
  if (fitting && shares && !case_.bonds.empty()) {
    const u64 mm = case_.bonds[operation.domain % case_.bonds.size()].mm;
    if (host_.processes().alive(mm)) call.mm = mm;
  }
  // A process that dies just now must not be bound any more.
  if ((operation.choices & 0x6) == 0x6 && case_.dying != 0 && !host_.waiting().empty()) {
    call.mm = case_.dying;
  }
  call.flags = kind == BindKind::further     ? spec::sva::bind_further_pasid
               : kind == BindKind::bad_flags ? 0x80
                                             : 0;
  call.drvdata = drvdata_base + ++case_.drvdata;
  if (call.mm == 0 || !may_call(call)) return;
  const Observed observed = make_call(call);
  if (observed.status != Status::ok) return;
  case_.bonds.push_back({device, static_cast<u32>(observed.value), call.mm});
}

/// Some calls come from inside a handler that runs for the device.
void SvaOps::set_context(Call& call, const fuzz::Operation& operation) const {
  if ((operation.choices & 0x3) != 3) return;
  for (const DriverHost::Handler& handler : host_.handlers()) {
    if (handler.device != call.device || handler.returned) continue;
    call.context = {true, handler.device, handler.pasid};
    return;
  }
}

void SvaOps::perform_unbind(const fuzz::Operation& operation) {
  Call call{.kind = operation.kind == OperationKind::unbind       ? CallKind::unbind_device
                    : operation.kind == OperationKind::unbind_all ? CallKind::unbind_dev_all
                                                                  : CallKind::sva_device_shutdown};
  call.device = device_of(operation);
  const bool fitting = static_cast<fuzz::Pick>(operation.variant) == fuzz::Pick::fitting;
  if (operation.kind == OperationKind::unbind) {
    call.pasid = operation.mapping;
    if (fitting && !case_.bonds.empty()) {
      const Bond& bond = case_.bonds[operation.mapping % case_.bonds.size()];
      call.device = bond.device;
      call.pasid = bond.pasid;
    }
  } else if (fitting && !case_.bonds.empty()) {
    call.device = case_.bonds[operation.device % case_.bonds.size()].device;
  }
  set_context(call, operation);
  if (may_call(call)) make_call(call);
}

void SvaOps::perform_query(const fuzz::Operation& operation) {
  using fuzz::Query;
  const auto query = static_cast<Query>(operation.variant);
  if (query == Query::other) return perform_other_query(operation);
  Call call{.kind = query == Query::drvdata ? CallKind::sva_drvdata : CallKind::io_mm_of};
  call.device = device_of(operation);
  call.pasid = operation.mapping;
  if (!case_.bonds.empty() && operation.mapping < 12) {
    const Bond& bond = case_.bonds[operation.mapping % case_.bonds.size()];
    call.device = bond.device;
    call.pasid = bond.pasid;
  }
  const bool of_space = query != Query::drvdata && query != Query::io_mm_of;
  if (of_space) {
    const bool of_domain = query == Query::domain_attr;
    std::vector<const Space*> fitting;
    for (const Space& space : case_.spaces) {
      if (space.io_mm != of_domain && !space.task) fitting.push_back(&space);
    }
    if (fitting.empty()) return;
    const Space& space = *fitting[operation.mapping % fitting.size()];
    (of_domain ? call.domain : call.io_mm) = space.handle;
    call.kind = of_domain                  ? CallKind::domain_get_attr
                : query == Query::pasid_of ? CallKind::io_mm_get_pasid
                                           : CallKind::io_mm_get_attr;
    call.attribute =
        operation.device % 2 == 0 ? spec::sva::attribute_ttbr0 : spec::sva::attribute_pasid;
  }
  if (may_call(call)) make_call(call);
}

/// One of the calls that no operation is made for, about whatever objects its arguments name.
void SvaOps::perform_other_query(const fuzz::Operation& operation) {
  const std::span<const std::size_t> positions = fuzz::other_queries;
  if (positions.empty()) return;
  const std::size_t position = positions[operation.mapping % positions.size()];
  Call call{.kind = static_cast<CallKind>(position)};
  call.device = device_of(operation);
  call.pasid = operation.mapping;
  if (!case_.bonds.empty()) {
    const Bond& bond = case_.bonds[operation.mapping % case_.bonds.size()];
    call.pasid = bond.pasid;
    call.mm = bond.mm;
  }
  for (const Space& space : case_.spaces) handle_in(call, space) = space.handle;
  call.attribute = spec::sva::attribute_ttbr0;
  if (may_call(call)) make_call(call);
}

void SvaOps::perform_numbers(const fuzz::Operation& operation) {
  if (operation.kind == OperationKind::pasid_alloc) {
    const fuzz::PasidLimits limits = fuzz::pasid_limits(operation);
    Call call{.kind = CallKind::pasid_alloc};
    call.min_pasid = limits.min;
    call.max_pasid = limits.max;
    // That one alone which may not be given yet.
    const auto held = monitor_.interface().pasid_in_quarantine();
    if (held && (operation.choices & 1) == 0) call.min_pasid = call.max_pasid = *held;
    if (!may_call(call)) return;
    const Observed observed = make_call(call);
    if (observed.status == Status::ok)
      case_.plain_pasids.push_back(static_cast<u32>(observed.value));
    return;
  }
  Call call{.kind = CallKind::pasid_free};
  call.pasid = operation.mapping;
  const bool fitting = static_cast<fuzz::Pick>(operation.variant) == fuzz::Pick::fitting;
  const std::size_t index =
      case_.plain_pasids.empty() ? 0 : operation.mapping % case_.plain_pasids.size();
  if (fitting && !case_.plain_pasids.empty()) call.pasid = case_.plain_pasids[index];
  if (!may_call(call)) return;
  if (make_call(call).status == Status::ok) std::erase(case_.plain_pasids, call.pasid);
}

// ---- private spaces -----------------------------------------------------------------------------

void SvaOps::perform_private(const fuzz::Operation& operation) {
  const std::size_t index = spaces_.pick_space(operation);
  if (operation.kind == OperationKind::sva_free) {
    if (!case_.spaces[index].io_mm) return;
    Call call{.kind = CallKind::sva_free_pasid};
    call.io_mm = case_.spaces[index].handle;
    call.domain = monitor_.interface().domain_of_io_mm(call.io_mm);
    const bool fitting = static_cast<fuzz::Pick>(operation.variant) == fuzz::Pick::fitting;
    for (const Space& space : case_.spaces) {
      const bool other = !fitting && !space.io_mm && !space.task;
      if (other) call.domain = space.handle;  // not always its own
    }
    if (may_call(call)) make_call(call);
    return;
  }
  u32 device = device_of(operation);
  if (case_.spaces.size() >= spaces_max || !host_.has(CallKind::sva_alloc_pasid)) return;
  const bool fitting = static_cast<fuzz::Pick>(operation.variant) == fuzz::Pick::fitting;
  if (fitting) device = prepare_bind(device, operation);
  if (!monitor_.findings().empty()) return;
  Call call{.kind = CallKind::sva_alloc_pasid};
  call.device = device;
  call.domain = fitting ? monitor_.interface().domain_of(device)
                        : (index >= case_.spaces.size() || case_.spaces[index].io_mm ||
                                   case_.spaces[index].task
                               ? 0
                               : case_.spaces[index].handle);
  if (call.domain == 0 || !may_call(call)) return;
  const Observed observed = make_call(call);
  if (observed.status != Status::ok) return;
  Space space;
  space.handle = observed.value;
  space.io_mm = true;
  space.device = device;
  space.pasid = observed.pasid;
  space.facts = monitor_.interface().facts_of_io_mm(observed.value);
  space.paging = true;
  case_.spaces.push_back(std::move(space));
}

// ---- processes ----------------------------------------------------------------------------------

/// A living process, made if there are few; with `bound_first` one that is bound where there is
/// any. 0: there is none.
u64 SvaOps::pick_process(const fuzz::Operation& operation, bool bound_first) {
  const Processes& processes = host_.processes();
  std::vector<u64> living;
  std::vector<u64> bound;
  for (u64 mm = 1; mm <= processes.count(); ++mm) {
    if (!processes.alive(mm)) continue;
    living.push_back(mm);
    if (monitor_.interface().is_bound(mm)) bound.push_back(mm);
  }
  const bool any = static_cast<fuzz::Pick>(operation.variant) == fuzz::Pick::selected;
  if (any && operation.domain == 7 && processes.count() != 0) return 1;  // it may be dead
  if (bound_first && !any && !bound.empty()) return bound[operation.domain % bound.size()];
  const u64 wanted = operation.domain % processes_max;
  if (wanted >= living.size() && living.size() < processes_max) {
    return host_.processes().create();
  }
  return living.empty() ? 0 : living[wanted % living.size()];
}

void SvaOps::perform_process(const fuzz::Operation& operation) {
  if (!host_.has(CallKind::bind_device)) return;
  const u64 mm = pick_process(
      operation, operation.kind != OperationKind::process_map || operation.domain % 2 == 0);
  Processes& processes = host_.processes();
  if (mm == 0 || !processes.alive(mm)) return;
  if (operation.kind == OperationKind::process_fork) {
    processes.fork(mm);
    return;
  }
  process_mappings_.clear();
  for (const Processes::Mapping& m : processes.mappings(mm)) {
    process_mappings_.push_back({m.va, m.bytes});
  }
  fuzz::SpaceView view = spaces_.processes_view();
  view.input_bits = Processes::input_bits;
  view.output_bits = std::min(view.output_bits, Processes::output_bits);
  view.leaf_max = u64{1} << 21;
  view.mappings = process_mappings_;
  const fuzz::Target target = fuzz::resolve(operation, view);
  constexpr u64 bytes_max = u64{4} << 20;  // a process's tables are made page by page
  if (target.bytes == 0 || (target.iova | target.bytes) % page_4k != 0) return;
  if (target.bytes > bytes_max || (target.iova >> Processes::input_bits) != 0) return;
  const u32 prot = (fuzz::prot_flags(operation) & 0x7) | spec::sva::prot_read;
  if (operation.kind != OperationKind::process_map) caller_.begin_next();
  switch (operation.kind) {
    case OperationKind::process_map:
      // After an Invalidate that timed out: new tables or pages beside old ones that are cached
      // would be the CPUs' mistake.
      if (monitor_.interface().is_stale(mm)) return;
      if (target.pa % page_4k == 0 &&
          (target.pa | (target.pa + target.bytes - 1)) >> view.output_bits == 0) {
        processes.map(mm, target.iova, target.pa, target.bytes, prot);
      }
      break;
    case OperationKind::process_unmap: processes.unmap(mm, target.iova, target.bytes); break;
    default: processes.protect(mm, target.iova, target.bytes, prot); break;
  }
  if (operation.kind != OperationKind::process_map) caller_.end_next();
}

void SvaOps::perform_exit(const fuzz::Operation& operation) {
  if (!host_.has(CallKind::bind_device)) return;
  const u64 mm = pick_process(operation, true);
  if (mm == 0 || !host_.processes().alive(mm)) return;
  if (static_cast<fuzz::ExitKind>(operation.variant) == fuzz::ExitKind::exec) {
    host_.processes().create();  // what comes instead
  }
  caller_.begin_next();
  if (host_.exit(mm).waits) case_.dying = mm;
  caller_.end_next();
}

// ---- handlers -----------------------------------------------------------------------------------

void SvaOps::perform_handler(const fuzz::Operation& operation) {
  using fuzz::HandlerReturn;
  if (host_.handlers().empty()) return;
  const std::size_t index = operation.mapping % host_.handlers().size();
  switch (static_cast<HandlerReturn>(operation.variant)) {
    case HandlerReturn::done: return host_.handler_returns(index, Status::ok);
    case HandlerReturn::error:
      if (!host_.handlers()[index].returned) host_.handler_returns(index, Status::eio);
      return;
    default:
      if (!claims(Claim::time_outs)) return host_.handler_returns(index, Status::ok);
      return host_.bound_passes();
  }
}

void SvaOps::resume_waiting() {
  for (const u64 thread : host_.waiting()) {
    if (!monitor_.findings().empty()) return;
    host_.resume(thread);
  }
}

/// Every handler returns in the end, and nobody waits any more.
void SvaOps::end_handlers() {
  while (!host_.handlers().empty() && monitor_.findings().empty()) {
    host_.handler_returns(0, Status::ok);
    resume_waiting();
  }
  resume_waiting();
  if (monitor_.findings().empty() && !host_.waiting().empty()) monitor_.hangs();
}

}  // namespace iommucheck::oracle
