// SPDX-License-Identifier: MIT
// Promises that several subjects make. SEMANTICS 5.
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

namespace promise {
inline constexpr Promise blocked{.state = State::blocked};
inline constexpr Promise nothing{.state = State::no_pasid};
inline constexpr Promise quiet{.state = State::quiet};
}  // namespace promise

/// Of a device that is on no domain: terminated, or untranslated where the driver claims no more.
inline void unattached_promises(const InterfaceState& s, Substream at, Alternatives& out) {
  out.add(promise::blocked);
  if (!s.blocks_unattached && !at.present) out.add({.state = State::identity});
}

}  // namespace iommucheck::spec::sva
