// SPDX-License-Identifier: MIT
#include "spec/sva/hooks.h"

#include <string>

#include "spec/rules/interface.h"

namespace iommucheck::spec::sva {

bool judge_hooks(const InterfaceState& s, Circumstances around, Permitted& set) {
  if (!s.hooks.are_whole()) set.add(Reason::a_hook_of_the_backend_is_missing);
  const HookCalls& hooks = around.hooks;
  if (hooks.failed != Status::ok) {
    set.add_given(hooks.made_nothing ? Reason::made_nothing : Reason::hook_failed, hooks.failed);
  }
  return s.hooks.are_whole() && hooks.failed == Status::ok;
}

namespace {

bool is_attached(const InterfaceState& s, u32 device, u64 io_mm) {
  return device < s.devices.size() && s.forest.lookup(s.devices[device].hooked, io_mm).mapped;
}

u32 count_of(const IntervalForest& forest, u64 root) {
  u64 count = 0;
  forest.for_each(root, 0, whole_space,
                  [&](const Interval& piece) { count += piece.last - piece.first + 1; });
  return static_cast<u32>(count);
}

/// Empty: nothing is wrong with it.
std::string attach_called(InterfaceState& s, u64 io_mm, u32 device, bool failed) {
  if (device >= s.devices.size()) return "there is no such device";
  if (is_attached(s, device, io_mm)) return "the device is attached to it already";
  if (!failed) s.forest.insert(s.devices[device].hooked, {.first = io_mm, .last = io_mm});
  return {};
}

std::string detach_called(InterfaceState& s, u64 io_mm, u32 device) {
  if (!is_attached(s, device, io_mm)) return "mm_attach has not attached the device to it";
  s.forest.erase(s.devices[device].hooked, io_mm, io_mm);
  return {};
}

std::string free_called(InterfaceState& s, u64 io_mm) {
  s.forest.erase(s.hooked_io_mms, io_mm, io_mm);
  for (u32 device = 0; device < s.devices.size(); ++device) {
    if (is_attached(s, device, io_mm)) {
      return "device " + std::to_string(device) + " is attached to it: mm_detach was not called";
    }
  }
  return {};
}

}  // namespace

Verdict hook_called(InterfaceState& s, Hook hook, u64 io_mm, u32 device, bool failed) {
  const bool lives = s.forest.lookup(s.hooked_io_mms, io_mm).mapped;
  Verdict verdict{.ok = false, .rule = rule::CRASH_NEVER, .message = ""};
  if (hook == Hook::mm_alloc) {
    if (lives) {
      verdict.message = "mm_alloc has made an io_mm with this number, which is not given back";
      return verdict;
    }
    if (!failed) s.forest.insert(s.hooked_io_mms, {.first = io_mm, .last = io_mm});
  } else if (s.hooks.mm_alloc && !lives) {
    verdict.message = "mm_alloc has not made it, or mm_free has given it back";
    return verdict;
  }
  if (hook == Hook::mm_free) verdict.message = free_called(s, io_mm);
  if (hook == Hook::mm_attach) verdict.message = attach_called(s, io_mm, device, failed);
  if (hook == Hook::mm_detach) verdict.message = detach_called(s, io_mm, device);
  return verdict.message.empty() ? Verdict{} : verdict;
}

std::string check_hooks(const InterfaceState& s, const Call& call, Status status,
                        const HookCalls& hooks) {
  if (!hooks.are_told) return {};
  const bool left = hooks.made != 0 && s.forest.lookup(s.hooked_io_mms, hooks.made).mapped;
  // A time-out holds it until recovery.
  if (!ended(status) && left) return "the io_mm that mm_alloc made is not given back by mm_free";
  if (!ended(status) && hooks.attached &&
      is_attached(s, hooks.attached_device, hooks.attached_io_mm)) {
    return "what mm_attach has attached is not detached by mm_detach";
  }
  if (call.kind != CallKind::sva_alloc_pasid || status != Status::ok) return {};
  if (s.hooks.mm_alloc && !left) return "mm_alloc has not made it";
  return hooks.attached ? "" : "mm_attach was not called";
}

u32 hooked_io_mms(const InterfaceState& s) { return count_of(s.forest, s.hooked_io_mms); }

u32 hooked_attachments(const InterfaceState& s) {
  u32 count = 0;
  for (u32 i = 0; i < s.devices.size(); ++i) count += count_of(s.forest, s.devices[i].hooked);
  return count;
}

}  // namespace iommucheck::spec::sva
