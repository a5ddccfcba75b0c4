// SPDX-License-Identifier: MIT
// attach_pasid, detach_pasid: a number of pasid_alloc leads to a domain, for one device. INTERFACE
// "Attach". So one number may lead to different domains on different devices.
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_attach_pasid(const InterfaceState& s, const Call& call, Circumstances around);
void begin_attach_pasid(const InterfaceState& s, const Call& call, Pending& pending);
void apply_attach_pasid(InterfaceState& s, const Call& call, Status status);
Permitted permitted_detach_pasid(const InterfaceState& s, const Call& call, Circumstances around);
void begin_detach_pasid(const InterfaceState& s, const Call& call, Pending& pending);
void apply_detach_pasid(InterfaceState& s, const Call& call, Status status);

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

/// What the device meets at the PASID by an attachment. True: nothing else stands there.
bool attached_promises(const InterfaceState& s, u32 device, u32 pasid, u64 iova, bool with_calls,
                       Alternatives& out);

}  // namespace iommucheck::spec::sva
