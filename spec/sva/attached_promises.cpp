// SPDX-License-Identifier: MIT
#include "spec/sva/attached_promises.h"

#include "spec/sva/attachments.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/nested_promises.h"
#include "spec/sva/promise_words.h"

namespace iommucheck::spec::sva {

namespace {

void promises_of(const InterfaceState& s, u32 device, u32 domain, u64 iova, bool with_calls,
                 Alternatives& out) {
  if (is_nested(s.spaces[domain])) {
    nested_promises(s, device, domain, {}, iova, with_calls, out);
  } else if (is_of_kind(s, domain, DomainKind::paging) ||
             is_of_kind(s, domain, DomainKind::paging_s2)) {
    space_promises(s, domain, iova, FaultKind::terminated, with_calls, out);
  } else if (is_of_kind(s, domain, DomainKind::identity)) {
    out.add({.state = State::identity});
  } else {
    out.add(promise::nothing);
  }
}

}  // namespace

namespace {

/// A detach of the RID in progress, which ends them all.
bool is_being_detached(const InterfaceState& s, u32 device) {
  bool found = false;
  s.tickets.for_each([&](const Pending& pending) {
    const bool detaches = pending.kind == static_cast<u32>(CallKind::detach);
    found |= detaches && pending.space != 0 && s.moves_with(pending.device, device);
  });
  return found;
}

}  // namespace

/// attach_pasid, detach_pasid: the old domain's outcome, the new one's, or nothing at this PASID,
/// for this device only. What happens to the RID's own domain does not disturb it.
bool attached_promises(const InterfaceState& s, u32 device, u32 pasid, u64 iova, bool with_calls,
                       Alternatives& out) {
  const u32 number = s.find_number(pasid);
  const u32 known = number != 0 ? number : s.forest.lookup(s.number_at, pasid).tag;
  const u32 at = known == 0 ? 0 : find_attachment(s, device, known);
  const u32 domain = at == 0 ? 0 : s.attachments[at].domain;
  if (domain != 0) promises_of(s, device, domain, iova, with_calls, out);
  if (at != 0 && s.attachments[at].ghosts != 0) {
    for (u32 g = s.attachments[at].ghosts; g != 0; g = s.ghosts[g].next) {
      promises_of(s, device, s.ghosts[g].domain, iova, with_calls, out);
    }
    out.add(promise::nothing);
    out.add(promise::quiet);
  }
  if (with_calls && s.tickets.any()) {
    for_each_call_at(s, device, number, [&](const Pending& pending) {
      if (pending.kind == static_cast<u32>(CallKind::attach_pasid)) {
        if (pending.space == domain) return;
        promises_of(s, device, pending.space, iova, with_calls, out);
      }
      out.concerned = true;
      out.add(promise::nothing);
    });
    if (domain != 0 && is_being_detached(s, device)) {
      out.concerned = true;
      out.add(promise::nothing);
      out.add(promise::blocked);
    }
  }
  return domain != 0;
}

}  // namespace iommucheck::spec::sva
