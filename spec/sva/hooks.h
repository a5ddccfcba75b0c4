// SPDX-License-Identifier: MIT
// The hooks of a backend for address spaces at PASIDs: both of a pair, their errors passed on, and
// what mm_alloc made given back by mm_free. INTERFACE "Hooks".
#pragma once

#include <string>

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// ENODEV for a missing hook, the error of one that failed. False: then no success is right.
bool judge_hooks(const InterfaceState& s, Circumstances around, Permitted& set);

/// One was called; `device`: of mm_attach and mm_detach. `failed`: it did not do its work. They are
/// balanced: what mm_attach has attached once is detached once, before mm_free.
Verdict hook_called(InterfaceState& s, Hook hook, u64 io_mm, u32 device, bool failed);

/// Of a call that returns: what it did not undo, or left out. Empty: nothing.
std::string check_hooks(const InterfaceState& s, const Call& call, Status status,
                        const HookCalls& hooks);

/// How many io_mms mm_alloc has made and mm_free not given back.
u32 hooked_io_mms(const InterfaceState& s);
/// How many times mm_attach has done its work, and mm_detach not undone it.
u32 hooked_attachments(const InterfaceState& s);

}  // namespace iommucheck::spec::sva
