// SPDX-License-Identifier: MIT
#include "spec/sva/private.h"

#include "spec/sva/layers.h"
#include "spec/sva/promise_words.h"

namespace iommucheck::spec::sva {

namespace {

bool may_have_ended_private(const InterfaceState& s, u32 space) {
  bool ended = false;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    if (kind == CallKind::sva_free_pasid) ended |= pending.space == space;
    if (!ends_bonds(kind) || kind == CallKind::unbind_device) return;
    const bool refused = kind == CallKind::detach && pending.space == 0;
    ended |= pending.device == s.spaces[space].maker && !refused;
  });
  return ended;
}

}  // namespace

bool may_be_gone_private(const InterfaceState& s, u32 index, u32 device) {
  if (may_have_ended_private(s, index)) return true;
  bool dropped = false;
  if (!s.per_device_tables) return dropped;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool it = kind == CallKind::sva_detach && pending.space == index;
    const bool all = kind == CallKind::unbind_dev_all || kind == CallKind::sva_device_shutdown ||
                     (kind == CallKind::detach && pending.space != 0);
    dropped |= pending.device == device && (it || all);
  });
  return dropped;
}

Stands stands_private(const InterfaceState& s, const EntryTable& table, u32 device, u32 index,
                      bool with_calls) {
  const Space& space = s.spaces[index];
  if (s.per_device_tables) {
    if (!s.has_link(space, device)) return Stands::no;
    return s.is_linked(space, device) ? Stands::yes : Stands::maybe;
  }
  if (space.life == records::zombie && !table.own && space.domain == table.domain) {
    return Stands::yes;  // whatever table its device has got since
  }
  return stands(s, table, device, space.maker, space.domain, with_calls);
}

void private_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 number,
                      u64 iova, bool with_calls, Alternatives& out) {
  const u32 index = s.numbers[number].space;
  const Space& space = s.spaces[index];
  const Stands there = stands_private(s, table, device, index, with_calls);
  const bool doubtful = space.life == records::zombie || there == Stands::maybe;
  if (there == Stands::no) {
    out.add(promise::nothing);
    return;
  }
  space_promises(s, index, iova, FaultKind::terminated, with_calls, out);
  const bool ends = with_calls && s.tickets.any() && may_be_gone_private(s, index, device);
  if (!ends && !doubtful) return;
  out.concerned |= ends;
  out.add(promise::nothing);
  out.add(promise::quiet);
}

}  // namespace iommucheck::spec::sva
