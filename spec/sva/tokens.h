// SPDX-License-Identifier: MIT
// Tokens of bind_task that end with something else. INTERFACE "bind_task".
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// For its caller the bond is gone: what its tokens are references of.
void bond_leaves_tokens(InterfaceState& s, u32 bond);
/// The device is gone, and its tokens with it.
void drop_tokens_of(InterfaceState& s, u32 device);

void release_token(InterfaceState& s, u32 index);

}  // namespace iommucheck::spec::sva
