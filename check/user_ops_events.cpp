// SPDX-License-Identifier: MIT
// What users are told of: a queue, a number, accesses that stage 1 or stage 2 refuses, and all that
// the queue says of them; now and then while the device goes from one user to another.
#include "base/random.h"
#include "check/user_ops.h"

namespace iommucheck::oracle {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

namespace {

constexpr u64 users_nowhere = 0x5432'1000;  // where users map nothing

}  // namespace

/// The operation's device, or the next that is on a domain of the user's, and can stall where that
/// is asked for.
std::optional<u32> UserOps::users_device(u64 parent, const fuzz::Operation& operation,
                                         bool that_stalls) const {
  const spec::sva::Interface& interface = monitor_.interface();
  const auto is_it = [&](u32 device) {
    const u64 domain = interface.domain_of(device);
    return domain != 0 && interface.parent_of(domain) == parent &&
           (!that_stalls || monitor_.setup().devices[device].stall);
  };
  u32 device = device_of(operation);
  for (u32 tries = 0; tries < interface.device_count() && !is_it(device); ++tries) {
    device = (device + 1) % interface.device_count();
  }
  return is_it(device) ? std::optional(device) : std::nullopt;
}

/// Another stage 2 domain, made if there is none. 0: there is no room.
u64 UserOps::other_parent(u64 parent) {
  for (const Space& space : case_.spaces) {
    if (space.handle != parent && users_->memory.is_user(space.handle)) return space.handle;
  }
  return case_.spaces.size() < spaces_max ? make_parent() : 0;
}

void UserOps::number_device(u64 parent, u32 device, u64 number) {
  if (monitor_.interface().number_of(parent, device)) return;
  const Call call{.kind = CallKind::vdevice, .domain = parent, .device = device, .number = number};
  if (may_call(call)) make_call(call);
}

/// The user's queue, opened if there is none; sometimes as nobody should. 0: there is none.
u64 UserOps::open_events(u64 parent, u64 how) {
  const u64 open = monitor_.interface().event_queue_of(parent);
  if (open != 0 && (how & 7) != 0) return open;
  Call call{.kind = CallKind::event_queue_open, .domain = parent};
  call.depth = 1 + (how >> 3 & 3);
  if ((how >> 5 & 15) == 0) call.depth = 0;
  if ((how >> 5 & 15) == 1) call.depth = (u32{1} << 19) + 1;
  if (!may_call(call)) return open;
  const spec::sva::Observed made = make_call(call);
  if (made.status != Status::ok || !monitor_.findings().empty()) return open;
  case_.queues.push_back({made.value, spec::sva::no_device});
  return made.value;
}

/// Whether the driver is to hear of any.
bool UserOps::meets_events(u32 device, u64 how) {
  const auto& streams = monitor_.interface().stream_ids(device);
  bool recorded = false;
  for (u64 n = 0; n <= (how & 3) && !streams.empty(); ++n) {
    spec::Access access{.sid = streams[(how >> 2) % streams.size()]};
    const u64 which = how >> (4 + 6 * n);
    const bool known = (which & 1) != 0 && !users_->pages.empty();
    access.va = known ? users_->pages[(which >> 1) % users_->pages.size()]
                      : users_nowhere + (n << 12) + (which & 0xff0);
    if ((which >> 2 & 1) != 0) access.type = spec::AccessType::write;
    access.ssv = (which >> 3 & 3) == 0;
    if (access.ssv) access.ssid = 1 + (which >> 4 & 7);
    recorded |= caller_.send(access);
    if (!monitor_.findings().empty()) return false;
  }
  return recorded;
}

void UserOps::read_events(u64 queue, u64 most) {
  Call call{.kind = CallKind::event_read};
  call.queue = queue;
  for (u64 n = 0; n < most && monitor_.findings().empty(); ++n) {
    if (!may_call(call) || make_call(call).status != Status::ok) return;
  }
}

void UserOps::user_events(u64 parent, const fuzz::Operation& operation) {
  if (!host_.has(CallKind::event_queue_open) || !host_.has(CallKind::event_read)) return;
  const auto goes_on = [&] { return monitor_.findings().empty(); };
  SplitMix64 words(u64{operation.choices} << 16 | u64{operation.page} << 8 | operation.mapping);
  const u64 how = words.next();
  const auto its = users_device(parent, operation, false);
  if (!its) return;
  const u32 device = *its;
  const u64 number = operation.pa_page % 8;
  const u64 other = (how & 3) == 0 ? other_parent(parent) : 0;
  // The other user's number for it comes first, or last.
  if (other != 0 && goes_on() && (how >> 2 & 1) != 0) number_device(other, device, number + 1);
  if (goes_on() && (how >> 3 & 15) != 0) number_device(parent, device, number);
  if (other != 0 && goes_on()) number_device(other, device, number + 1);
  if (!goes_on()) return;
  u64 queue = open_events(parent, words.next());
  if (queue == 0 || !goes_on()) return;
  bool recorded = meets_events(device, words.next());
  const bool now = (how >> 7 & 3) != 0;
  if (recorded && now && goes_on()) host_.irq(IOMMUCHECK_IRQ_EVENT_QUEUE);
  if (!now && other != 0 && goes_on()) {
    // What it has met is not the other's, to whom it goes.
    const u64 domain = users_domain(other, operation);
    const Call attach{.kind = CallKind::attach, .domain = domain, .device = device};
    if (domain != 0 && goes_on() && may_call(attach)) make_call(attach);
    if (goes_on()) queue = open_events(other, ~u64{0});
    if (goes_on()) host_.irq(IOMMUCHECK_IRQ_EVENT_QUEUE);
  }
  if (queue != 0 && goes_on()) read_events(queue, 1 + (how >> 9 & 7));
  if ((how >> 12 & 3) == 0 && goes_on()) {
    recorded = meets_events(device, words.next());
    if (recorded && goes_on()) host_.irq(IOMMUCHECK_IRQ_EVENT_QUEUE);
    if (queue != 0 && goes_on()) read_events(queue, 8);
  }
  Call close{.kind = CallKind::fault_queue_close};
  close.queue = queue;
  if ((how >> 14 & 7) == 0 && queue != 0 && goes_on() && may_call(close)) make_call(close);
}

}  // namespace iommucheck::oracle
