// SPDX-License-Identifier: MIT
// What attach_pasid has left: a number of pasid_alloc leads to a domain, for one device, so that
// one number may lead to different domains on different devices. INTERFACE "Attach".
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// For the caller some device has the number attached; or, since a call that timed out, may reach a
/// domain there.
bool is_attached(const InterfaceState& s, u32 number);
bool may_be_attached(const InterfaceState& s, u32 number);
/// The device has, or may have, a domain at the number, calls in progress included.
bool may_reach_attached(const InterfaceState& s, u32 device, u32 number);

/// For the caller some number leads to a domain on the device.
bool has_attachments(const InterfaceState& s, u32 device);
/// Calls visit(domain) for what the device has, or may have, at the number, calls in progress
/// included.
template <class Visit>
void for_each_domain_at(const InterfaceState& s, u32 device, u32 pasid, Visit visit) {
  s.for_each_attachment([&](u32 i) {
    const Attachment& its = s.attachments[i];
    if (its.device != device || s.numbers[its.number].value != pasid) return;
    if (its.domain != 0) visit(its.domain);
    for (u32 g = its.ghosts; g != 0; g = s.ghosts[g].next) visit(s.ghosts[g].domain);
  });
  s.tickets.for_each([&](const Pending& pending) {
    const bool attaches = pending.kind == static_cast<u32>(CallKind::attach_pasid);
    if (!attaches || pending.space == 0 || pending.device != device) return;
    if (s.numbers[static_cast<u32>(pending.drvdata)].value == pasid) visit(pending.space);
  });
}
/// The domain that the caller has attached there; 0: none.
u32 domain_at(const InterfaceState& s, u32 device, u32 pasid);
/// The RID was moved to another domain, or may have been: with nothing attached it shares again.
void rid_moved(InterfaceState& s, u32 device, bool timed_out);
/// The RID is detached, or the device is gone.
void end_attachments_of(InterfaceState& s, u32 device, bool timed_out);
/// What time-outs have left: of a number that is given again, of a domain that is freed, of all.
void settle_attachments(InterfaceState& s, u32 number);
void drop_attached_ghosts_of_domain(InterfaceState& s, u32 domain);
void settle_attachments(InterfaceState& s);

// --- Its records ---

bool is_of_kind(const InterfaceState& s, u32 domain, DomainKind kind);

/// Index of what the device has at the number, of a record that a time-out left too; 0: nothing.
u32 find_attachment(const InterfaceState& s, u32 device, u32 number);

/// The domain that the caller has attached there, 0: none.
u32 attached_domain(const InterfaceState& s, u32 device, u32 number);
/// A time-out: the device may still reach the domain there.
void may_lead_to(InterfaceState& s, u32 at, u32 domain);
void forget_ghosts(InterfaceState& s, u32 at);
void set_domain(InterfaceState& s, u32 at, u32 domain);

/// Gone for the caller.
void end_attachment(InterfaceState& s, u32 at, bool timed_out);

/// visit(pending) for attach_pasid and detach_pasid in progress there.
template <class Visit>
void for_each_call_at(const InterfaceState& s, u32 device, u32 number, Visit visit) {
  if (number == 0) return;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool moves = kind == CallKind::attach_pasid || kind == CallKind::detach_pasid;
    if (!moves || pending.space == 0 || pending.device != device) return;
    if (pending.drvdata == number) visit(pending);
  });
}

}  // namespace iommucheck::spec::sva
