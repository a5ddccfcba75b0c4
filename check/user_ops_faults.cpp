// SPDX-License-Identifier: MIT
// Faults of users' own tables that wait, of devices on their domains: to a queue of the domain,
// read and answered, late and wrongly too, and ended by what moves the device or closes the queue.
#include "base/random.h"
#include "check/user_ops.h"

namespace iommucheck::oracle {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

namespace {

constexpr u64 users_fault_at = 0x6543'2000;  // where users map nothing
constexpr u32 pasid_that_stalls = 1;

}  // namespace

/// The domain's queue, opened if there is none; now and then as nobody should. 0: there is none.
u64 UserOps::open_faults(u64 domain, u64 how) {
  const u64 open = monitor_.interface().queue_of_domain(domain);
  if (open != 0 && (how & 7) != 0) return open;
  Call call{.kind = CallKind::fault_queue_open, .domain = domain, .device = spec::sva::no_device};
  call.depth = 1 + (how >> 3 & 1);
  if ((how >> 5 & 15) == 0) call.depth = 0;
  if ((how >> 5 & 15) == 1) call.domain = monitor_.interface().parent_of(domain);
  if (!may_call(call)) return open;
  const spec::sva::Observed made = make_call(call);
  if (made.status != Status::ok || !monitor_.findings().empty()) return open;
  case_.queues.push_back({made.value, spec::sva::no_device});
  return made.value;
}

/// The user has an entry by which faults wait, of a device that may.
void UserOps::lead_to_what_stalls(u64 domain, u64 how) {
  UserMemory& memory = users_->memory;
  using spec::sva::UserEntryKind;
  const bool pasids = monitor_.interface().pasid_bits_of_user(domain) != 0;
  const u64 entries = pasids ? users_->entries : users_->entry;
  if (entries == 0) return;
  const u64 number = pasids ? pasid_that_stalls : 0;
  const u64 root = users_->tables[how % users_->tables.size()];
  memory.set_entry(entries, number, {.kind = UserEntryKind::table, .root = root, .stalls = true});
}

/// Whether the driver is to hear of any.
bool UserOps::meets_faults(u32 device, u64 how) {
  const auto& streams = monitor_.interface().stream_ids(device);
  const bool pasids =
      monitor_.interface().pasid_bits_of_user(monitor_.interface().domain_of(device)) != 0;
  bool recorded = false;
  for (u64 n = 0; n <= (how & 1) && !streams.empty(); ++n) {
    spec::Access access{.sid = streams[(how >> 1) % streams.size()], .ssv = pasids};
    if (pasids) access.ssid = pasid_that_stalls;
    access.va = users_fault_at + (n << 12) + (how >> 8 & 0xff0);
    if ((how >> (2 + n) & 1) != 0) access.type = spec::AccessType::write;
    recorded |= caller_.send(access);
    if (!monitor_.findings().empty()) return false;
  }
  return recorded;
}

/// Mostly where there is one.
void UserOps::read_fault(u64 queue, u64 how) {
  Call call{.kind = CallKind::fault_queue_read};
  call.queue = queue;
  const bool any = monitor_.interface().oldest_fault(queue).has_value();
  if ((!any && (how & 3) != 0) || !may_call(call)) return;
  const spec::sva::Observed read = make_call(call);
  if (read.status != Status::ok || !monitor_.findings().empty()) return;
  case_.remember({queue, read.fault});
}

/// What was read last, or something that is not quite it.
void UserOps::answer_fault(u64 how) {
  if (case_.groups.empty()) return;
  const LockstepCase::Group& group = case_.groups.back();
  Call call{.kind = CallKind::fault_queue_respond};
  call.queue = group.queue;
  call.device = group.fault.device;
  call.pasid = group.fault.pasid;
  call.group = group.fault.group;
  call.response = static_cast<u32>(how % 3);
  switch (how >> 4 & 15) {
    case 0: call.group += 1; break;
    case 1:
      call.pasid = call.pasid == spec::sva::without_pasid ? 0 : spec::sva::without_pasid;
      break;
    default: break;
  }
  if (may_call(call)) make_call(call);
}

void UserOps::user_faults(u64 parent, const fuzz::Operation& operation) {
  if (machine_ || !host_.has(CallKind::fault_queue_open)) return;
  const spec::sva::Interface& interface = monitor_.interface();
  const auto goes_on = [&] { return monitor_.findings().empty(); };
  SplitMix64 words(~(u64{operation.choices} << 16 | u64{operation.page} << 8 | operation.mapping));
  const u64 how = words.next();
  if ((how & 3) == 0) return;
  const auto its = users_device(parent, operation, true);
  if (!its) return;
  const u32 device = *its;
  const u64 domain = interface.domain_of(device);
  const bool late = (how >> 2 & 7) == 0;  // what was recorded before may go there as well
  lead_to_what_stalls(domain, words.next());
  u64 queue = late ? 0 : open_faults(domain, words.next());
  if (!goes_on()) return;
  const bool recorded = meets_faults(device, words.next());
  if (late && goes_on()) queue = open_faults(domain, words.next());
  const bool now = (how >> 5 & 3) != 0;
  if (recorded && now && goes_on()) host_.irq(IOMMUCHECK_IRQ_EVENT_QUEUE);
  if (queue == 0 || !goes_on()) return;
  for (u64 n = 0; n < (how >> 7 & 3) && goes_on() && interface.is_queue(queue); ++n) {
    read_fault(queue, words.next());
    if (goes_on() && (how >> 9 & 1) != 0) answer_fault(words.next());
  }
  // What waits still ends with what it waits at.
  Call end{.kind = CallKind::fault_queue_close};
  end.queue = queue;
  if ((how >> 10 & 3) == 0) {
    end = {.kind = CallKind::detach, .domain = domain, .device = device};
  } else if ((how >> 10 & 3) == 1) {
    return;
  }
  if (goes_on() && (how >> 12 & 1) != 0 && may_call(end)) make_call(end);
  if (goes_on() && (how >> 13 & 1) != 0) answer_fault(words.next());
}

}  // namespace iommucheck::oracle
