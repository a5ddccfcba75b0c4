// SPDX-License-Identifier: MIT
#include "check/fault_ops.h"

#include <algorithm>

#include "check/with_memory.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

constexpr u32 groups_of_their_own = 0x10;  // of page requests, beyond those that are drawn
constexpr u32 groups_behind = 0x100;
constexpr u64 nowhere = 0x7654'3000;  // where processes map nothing, or nearly never

bool can_wait(const Monitor& monitor, u32 device) {
  return monitor.setup().devices[device].stall || monitor.interface().asks_for_pages(device);
}

/// Which queue has what the device's faults are recorded in: other hardware has one for all.
u64 interrupt_for(const Monitor& monitor, u32 device) {
  const bool pages = monitor.interface().asks_for_pages(device) && monitor.hardware() == nullptr;
  const u32 irq = pages ? IOMMUCHECK_IRQ_PAGE_REQUEST_QUEUE : IOMMUCHECK_IRQ_EVENT_QUEUE;
  return IOMMUCHECK_OF_IOMMU(monitor.smmu_number_of(device), irq);
}

/// The index of a request's group: one that has begun goes on, and no device gives that of a whole
/// one that waits to another.
u32 group_for(const Monitor& monitor, const spec::Access& access, u32 wanted) {
  const auto is_at = [&](u32 group, u32 sid, u32 name) {
    return sid == access.sid && name == spec::sva::request_name(access.ssid, group);
  };
  const auto waits = [&](u32 group) {
    return std::ranges::any_of(monitor.stalled_accesses(),
                               [&](const auto& one) { return is_at(group, one.sid, one.stag); });
  };
  const auto faults = monitor.interface().waiting_faults();
  const bool begun = std::ranges::any_of(faults, [&](const auto& one) {
    return one.begun && is_at(wanted, one.stall.sid, one.stall.stag);
  });
  if (begun || !waits(wanted)) return wanted;
  u32 group = groups_of_their_own;
  while (group + 1 < groups_behind && waits(group)) ++group;
  return group;
}

}  // namespace

/// A device whose accesses can wait, `device` or the next, bound to a process; it is bound first if
/// it is not. Nothing: there is none.
std::optional<u32> FaultOps::prepare_faults(const fuzz::Operation& operation) {
  const WithMemory with_memory(host_);
  const auto& devices = monitor_.setup().devices;
  u32 device = device_of(operation);
  const auto count = static_cast<u32>(devices.size());
  u32 tries = 0;
  for (; tries < count && !can_wait(monitor_, device); ++tries) device = (device + 1) % count;
  if (tries == count || !host_.has(CallKind::bind_device)) return std::nullopt;
  const bool bound =
      std::ranges::any_of(case_.bonds, [&](const Bond& bond) { return bond.device == device; });
  if (!bound) {
    fuzz::Operation bind{.kind = fuzz::OperationKind::bind,
                         .device = static_cast<u16>(device),
                         .choices = operation.choices};
    sva_.perform_bind(bind);
  }
  return monitor_.findings().empty() ? std::optional(device) : std::nullopt;
}

/// What an operation needs is done first, so that no word is wasted: a queue, a fault in it, a
/// group that was read. Some of those that open set a handler instead.
void FaultOps::perform_faults(const fuzz::Operation& operation) {
  using fuzz::FaultKind;
  const auto kind = static_cast<FaultKind>(operation.variant);
  const bool now = ((operation.choices >> (fuzz::choice_bits - 1)) & 1) != 0;
  const bool answers = kind == FaultKind::answer || kind == FaultKind::late;
  const bool any_reads =
      host_.has(CallKind::fault_queue_open) || host_.has(CallKind::fault_handler_set);
  if (kind == FaultKind::fault || !any_reads) return fault(operation, now);
  remember_handled();
  if (answers && !case_.groups.empty() && case_.groups.back().queue == 0) return answer(operation);
  if (kind == FaultKind::open || case_.queues.empty()) {
    const bool handles = ((operation.choices >> 4) & 1) != 0;
    if (handles && host_.has(CallKind::fault_handler_set)) return set_fault_handler(operation);
    const auto device = prepare_faults(operation);
    if (!device || !monitor_.findings().empty()) return;
    if (kind != FaultKind::open && has_fault_handler(*device)) {
      fault(operation, true);
      remember_handled();
      if (answers && !case_.groups.empty() && monitor_.findings().empty()) answer(operation);
      return;
    }
    open_queue(*device, 1 + operation.mapping % 3);
  }
  if (kind == FaultKind::open || case_.queues.empty() || !monitor_.findings().empty()) return;
  const Queue queue = case_.queues[operation.device % case_.queues.size()];
  if (kind == FaultKind::close) {
    Call call{.kind = CallKind::fault_queue_close};
    call.queue = queue.handle;
    if (may_call(call)) make_call(call);
    return;
  }
  if (kind == FaultKind::read || case_.groups.empty()) {
    if (!monitor_.interface().oldest_fault(queue.handle)) {
      fuzz::Operation access = operation;
      access.device = static_cast<u16>(queue.device);
      fault(access, true);
    }
    if (!monitor_.findings().empty() || !monitor_.interface().is_queue(queue.handle)) return;
    read_group(queue);
  }
  if (answers && !case_.groups.empty() && monitor_.findings().empty()) answer(operation);
}

/// What handlers were given since.
void FaultOps::remember_handled() {
  for (const spec::sva::FaultRecord& fault : host_.take_handled_faults()) {
    case_.remember({0, fault});
  }
}

bool FaultOps::has_fault_handler(u32 device) const {
  return std::ranges::any_of(case_.bonds, [&](const Bond& bond) {
    return bond.device == device &&
           monitor_.interface().fault_handler_of(device, bond.pasid).has_value();
  });
}

/// Sets one, puts another in its place, or takes it away; now and then where nothing is bound, or
/// beside a queue. Most that are set get a fault, and half of those another one in their place, or
/// none, before it is answered.
void FaultOps::set_fault_handler(const fuzz::Operation& operation) {
  const auto device = prepare_faults(operation);
  if (!device || !monitor_.findings().empty()) return;
  std::vector<u32> pasids;
  for (const Bond& bond : case_.bonds) {
    if (bond.device == *device) pasids.push_back(bond.pasid);
  }
  if (pasids.empty()) return;
  const u64 queue = monitor_.interface().queue_of(*device);
  if (queue != 0 && (operation.choices & 0x7) != 0) {
    Call close{.kind = CallKind::fault_queue_close};
    close.queue = queue;
    if (may_call(close)) make_call(close);
  }
  if (!monitor_.findings().empty()) return;
  Call call{.kind = CallKind::fault_handler_set};
  call.device = *device;
  call.pasid = pasids[operation.mapping % pasids.size()];
  call.drvdata = 0x100 + operation.mapping;
  call.present = ((operation.choices >> 5) & 3) != 0;
  if ((operation.choices & 0xf) == 0xf) call.pasid ^= 1;
  if (!may_call(call)) return;
  make_call(call);
  const auto goes_on = [&] { return monitor_.findings().empty(); };
  const bool now = ((operation.choices >> (fuzz::choice_bits - 1)) & 1) != 0;
  if (!goes_on() || ((operation.choices >> 7) & 3) == 0) return;
  fault(operation, true);
  if (!goes_on() || ((operation.choices >> 9) & 1) == 0) return;
  remember_handled();
  call.drvdata += 0x1000;
  call.present = (operation.choices & 1) != 0;
  if (may_call(call)) make_call(call);
  if (goes_on() && !case_.groups.empty()) answer(operation);
  if (goes_on()) fault(operation, now);
}

/// A handler that does not leave the answer to others: its call is made while the driver is still
/// at work on the interrupt.
void FaultOps::answer_inside(const spec::sva::FaultRecord& fault) {
  if (!answers_inside_ || !monitor_.findings().empty()) return;
  Call call{.kind = CallKind::fault_queue_respond};
  call.device = fault.device;
  call.pasid = fault.pasid;
  call.group = fault.group;
  call.response = fault.group % 3;
  call.context = {.inside = true, .device = fault.device, .pasid = fault.pasid};
  if (may_call(call)) make_call(call);
}

void FaultOps::read_group(const Queue& queue) {
  Call call{.kind = CallKind::fault_queue_read};
  call.queue = queue.handle;
  if (!may_call(call)) return;
  const Observed observed = make_call(call);
  if (observed.status != Status::ok) return;
  case_.remember({queue.handle, observed.fault});
}

void FaultOps::open_queue(u32 device, u32 depth) {
  Call call{.kind = CallKind::fault_queue_open};
  call.device = device;
  call.depth = depth;
  if (!may_call(call)) return;
  const Observed observed = make_call(call);
  if (observed.status == Status::ok) case_.queues.push_back({observed.value, device});
}

namespace {

/// A PASID that is not this one; a fault of a user's device may have none.
u32 another_pasid(u32 pasid) { return pasid == spec::sva::without_pasid ? 1 : pasid ^ 1; }

}  // namespace

/// To the newest ones, which may have ended; late: to the oldest, or to one that is not quite it.
void FaultOps::answer(const fuzz::Operation& operation) {
  const bool late = static_cast<fuzz::FaultKind>(operation.variant) == fuzz::FaultKind::late;
  const std::size_t from_end = operation.mapping % case_.groups.size();
  const Group& group = case_.groups[late ? from_end : case_.groups.size() - 1 - from_end];
  Call call{.kind = CallKind::fault_queue_respond};
  call.queue = group.queue;
  call.device = group.fault.device;
  call.pasid = group.fault.pasid;
  call.group = group.fault.group;
  call.response = operation.choices % 3;
  if (late) {
    switch ((operation.choices >> 2) % 6) {
      case 0: call.group += 1; break;
      case 1: call.pasid = another_pasid(call.pasid); break;
      case 2: call.device = (call.device + 1) % monitor_.interface().device_count(); break;
      case 3: call.response = 77; break;
      default: break;
    }
  }
  if (may_call(call)) make_call(call);
}

namespace {

/// Of the n-th page that is asked for, where one wants something else than another.
spec::AccessType type_of_page(const fuzz::Operation& operation, u32 n) {
  using spec::AccessType;
  const auto first = (operation.choices & 1) != 0 ? AccessType::write : AccessType::read;
  constexpr AccessType types[] = {AccessType::read, AccessType::write, AccessType::execute};
  const u32 step = (operation.choices >> 5) & 3;
  return step == 3 ? first : types[(static_cast<u32>(first) + (n + 1) * step) % std::size(types)];
}

}  // namespace

/// An access that most likely waits. The driver hears of its record `now`, or with the next one.
void FaultOps::fault(const fuzz::Operation& operation, bool now) {
  const auto device = prepare_faults(operation);
  if (!device) return;
  std::vector<u32> pasids;
  for (const Bond& bond : case_.bonds) {
    if (bond.device == *device) pasids.push_back(bond.pasid);
  }
  if (pasids.empty()) return;
  const std::vector<u32>& sids = monitor_.interface().stream_ids(*device);
  const u32 pasid = pasids[operation.mapping % pasids.size()];
  if (monitor_.interface().duty_of_dma(*device, pasid).blames_caller) return;
  spec::Access access{.sid = sids[operation.choices % sids.size()], .ssid = pasid, .ssv = true};
  access.va = nowhere + (u64{operation.mapping} << 12) + (operation.choices & 0xff8U);
  access.route = spec::Route::untranslated;
  // Several fill a queue.
  const u32 times = (operation.choices & 0x6) == 0x6 ? 3 : 1;
  bool recorded = false;
  const u32 group = group_for(monitor_, access, operation.mapping % 4);
  const bool goes_on = (operation.choices & 0x18) == 0x18;  // its last page comes with another
  for (u32 n = 0; n < times; ++n, access.va += u64{1} << 12) {
    caller_.count_access();
    access.type = type_of_page(operation, n);
    const Monitor::PageAsked asked{group, n + 1 == times && !goes_on};
    recorded |= monitor_.device_access(access, host_.choices(), asked);
  }
  // Now and then a device says beside its requests that it is done with a PASID.
  const bool asks = monitor_.interface().asks_for_pages(*device);
  if (asks && (operation.choices & 0x300) == 0x300) {
    recorded |= monitor_.stop_marker(access.sid, pasid);
  }
  if (asks && (operation.choices & 0x380) == 0x200) {
    recorded |= monitor_.page_requested_untagged(access.sid, access.va, !goes_on,
                                                 {operation.mapping % 4U, true});
  }
  if (recorded && now) host_.irq(interrupt_for(monitor_, *device));
}

/// Devices make again what was answered so.
void FaultOps::repeat_answered() {
  for (const Monitor::StalledAccess& one : monitor_.take_answered()) {
    const u32 device = monitor_.interface().device_of(one.sid);
    if (!one.again || !monitor_.findings().empty()) continue;
    if (!monitor_.interface().device_exists(device)) continue;
    if (caller_.send(one.access)) host_.irq(interrupt_for(monitor_, device));
  }
}

}  // namespace iommucheck::oracle
