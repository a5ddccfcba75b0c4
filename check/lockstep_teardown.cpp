// SPDX-License-Identifier: MIT
// Behind the last operation of a case: everything is given back, and accounted for.
#include <optional>
#include <utility>
#include <vector>

#include "check/lockstep.h"

namespace iommucheck::oracle {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

// Everything is given back: what the platform still misses then has leaked.
void Lockstep::tear_down() {
  const spec::sva::Interface& interface = monitor_.interface();
  restore_hardware();
  if (!caller_.claims(Claim::ranges)) unmap_all();
  if (!monitor_.findings().empty()) return;
  for (const LockstepCase::Queue& queue : case_.queues) {
    Call call{.kind = CallKind::fault_queue_close};
    call.queue = queue.handle;
    if (interface.is_queue(queue.handle) && !give_back(call)) return;
  }
  // Those that are attached are refused, and go when their devices are detached.
  const auto free_numbers = [&] {
    std::vector<u32> kept;
    for (const u32 pasid : case_.plain_pasids) {
      Call call{.kind = CallKind::pasid_free};
      call.pasid = pasid;
      if (!monitor_.findings().empty() || !caller_.may_call(call)) continue;
      if (caller_.make_call(call).status != Status::ok) kept.push_back(pasid);
    }
    case_.plain_pasids = std::move(kept);
  };
  free_numbers();
  if (!monitor_.findings().empty()) return;
  for (u32 device = 0; device < interface.device_count(); ++device) {
    Call call{.kind = CallKind::detach};
    call.domain = interface.domain_of(device);
    call.device = device;
    if (call.domain != 0 && !give_back(call)) return;
  }
  free_numbers();
  forget_what_is_gone();
  for (const LockstepCase::SvmTask& its : walkers_.tokens()) {
    Call call{.kind = CallKind::unbind_task};
    call.token = its.token;
    call.device = its.device;
    spaces_.prepare_walkers(call);
    if (!give_back(call)) return;
  }
  // A master and a parent go last.
  for (const bool first : {true, false}) {
    for (const LockstepCase::Space& space : case_.spaces) {
      Call call{.kind = CallKind::domain_free};
      call.domain = space.handle;
      const bool goes_first = space.dynamic || interface.parent_of(space.handle) != 0;
      if (space.io_mm || space.task || goes_first != first) continue;
      spaces_.prepare_walkers(call);
      if (!give_back(call)) return;
    }
  }
  caller_.does("teardown");
  check_held();
  if (!monitor_.findings().empty()) return;
  if (host_.driver().shutdown == nullptr) return;  // it promises nothing of what is after it
  const DriverHost::Held held = shut_down();
  monitor_.account(held.blocks, held.pins);
}

/// A system that goes down leaves domains as they are, attached and mapped: shutdown ends them
/// (driver.h). Of what processes have pinned it does not say so.
void Lockstep::shut_down_live() {
  restore_hardware();
  if (host_.driver().shutdown == nullptr) return;
  caller_.does("teardown");
  monitor_.account(shut_down().blocks, 0);
}

/// The call, where a caller may make it. False: something was found.
bool Lockstep::give_back(const Call& call) {
  if (caller_.may_call(call)) caller_.make_call(call);
  return monitor_.findings().empty();
}

/// Hardware does what it should again: a driver that is told that its time is up keeps what it was
/// to give back.
void Lockstep::restore_hardware() {
  case_.hardware.stop = {};
  monitor_.smmu().fail_no_sync();
}

/// What it leaves is for the caller to account for.
DriverHost::Held Lockstep::shut_down() {
  monitor_.driver_stops();
  return host_.shut_down();
}

/// What a caller does before it frees.
void Lockstep::unmap_all() {
  for (std::size_t i = 0; i < case_.spaces.size(); ++i) {
    while (!case_.spaces[i].mappings.empty() && monitor_.findings().empty()) {
      const LockstepCase::Space& space = case_.spaces[i];
      const fuzz::Mapped one = space.mappings.front();
      Call call{.kind = space.task    ? CallKind::task_unmap
                        : space.io_mm ? CallKind::sva_unmap
                                      : CallKind::unmap};
      handle_in(call, space) = space.handle;
      call.iova = one.iova;
      call.size = one.bytes;
      spaces_.prepare_walkers(call);
      if (!caller_.may_call(call)) break;
      spaces_.note_result(i, call, caller_.make_call(call));
      if (!case_.spaces[i].mappings.empty() && case_.spaces[i].mappings.front().iova == one.iova)
        break;
    }
  }
}

/// What the driver itself counts is what the interface says is held.
void Lockstep::check_held() {
  const std::optional<iommucheck_held> driver = host_.held();
  if (!driver) return;
  monitor_.driver_holds(
      {.domains = driver->domains,
       .io_mms = driver->io_mms,
       .pasids = driver->pasids,
       .bonds = driver->bonds,
       .tokens = driver->tokens,
       .queues = driver->queues == 0 ? std::nullopt : std::optional(driver->queues)});
}

}  // namespace iommucheck::oracle
