// SPDX-License-Identifier: MIT
// What an access may meet, now and during calls: each subject's promise, joined. SEMANTICS 5.
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

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

/// By the tables that the device may meet while it is on the domain, and by attachments apart.
void substream_promises(const InterfaceState& s, u32 device, u32 domain, u32 pasid, u64 iova,
                        bool with_calls, Alternatives& out);
Expectation expected(const InterfaceState& s, u32 device, Substream at, u64 iova);
Alternatives expected_during(const InterfaceState& s, u32 device, Substream at, u64 iova);
bool may_reach(const InterfaceState& s, u32 device, u32 index);
bool equal_promises(const InterfaceState& s, u32 a, u32 b, Substream at);

}  // namespace iommucheck::spec::sva
