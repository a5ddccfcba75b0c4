// SPDX-License-Identifier: MIT
#include "spec/sva/hooks.h"

namespace iommucheck::spec::sva {

bool judge_hooks(const InterfaceState& s, Circumstances around, Permitted& set) {
  if (!s.hooks.are_whole()) set.add(Reason::a_hook_of_the_backend_is_missing);
  const HookCalls& hooks = around.hooks;
  if (hooks.failed != Status::ok) {
    set.add_given(hooks.made_nothing ? Reason::made_nothing : Reason::hook_failed, hooks.failed);
  }
  return s.hooks.are_whole() && hooks.failed == Status::ok;
}

Verdict hook_called(InterfaceState& s, Hook hook, u64 io_mm, bool failed) {
  const bool lives = s.forest.lookup(s.hooked_io_mms, io_mm).mapped;
  Verdict verdict{.ok = false, .rule = Rule::CRASH_NEVER, .message = ""};
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
  if (hook == Hook::mm_free) s.forest.erase(s.hooked_io_mms, io_mm, io_mm);
  return {};
}

std::string check_hooks(const InterfaceState& s, const Call& call, Status status,
                        const HookCalls& hooks) {
  if (!hooks.are_told) return {};
  const bool left = hooks.made != 0 && s.forest.lookup(s.hooked_io_mms, hooks.made).mapped;
  // A time-out holds it until recovery.
  if (!ended(status) && left) return "the io_mm that mm_alloc made is not given back by mm_free";
  if (call.kind != CallKind::sva_alloc_pasid || status != Status::ok) return {};
  if (s.hooks.mm_alloc && !left) return "mm_alloc has not made it";
  return hooks.attached ? "" : "mm_attach was not called";
}

u32 hooked_io_mms(const InterfaceState& s) {
  u64 count = 0;
  s.forest.for_each(s.hooked_io_mms, 0, whole_space,
                    [&](const Interval& piece) { count += piece.last - piece.first + 1; });
  return static_cast<u32>(count);
}

}  // namespace iommucheck::spec::sva
