// SPDX-License-Identifier: MIT
#include "spec/sva/interface_environment.h"

#include "spec/sva/attach.h"
#include "spec/sva/exit.h"
#include "spec/sva/hooks.h"
#include "spec/sva/processes.h"
#include "spec/sva/time_outs.h"

namespace iommucheck::spec::sva {

void InterfaceEnvironment::device_added(u32 device) { sva::device_added(state(), device); }

void InterfaceEnvironment::endpoint_silent(u32 stream_id) {
  sva::endpoint_says(state(), state().device_of(stream_id), records::Silence::silent);
}

void InterfaceEnvironment::endpoint_answers(u32 stream_id) {
  sva::endpoint_says(state(), state().device_of(stream_id), records::Silence::answered);
}

void InterfaceEnvironment::device_removed(u32 device, bool timed_out) {
  sva::device_removed(state(), device, timed_out);
}

void InterfaceEnvironment::recovered() { sva::recovered(state()); }

bool InterfaceEnvironment::process_created(u64 mm, u32 input_bits) {
  return sva::process_created(state(), mm, input_bits);
}

bool InterfaceEnvironment::process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot) {
  return sva::process_maps(state(), mm, va, bytes, pa, prot);
}

bool InterfaceEnvironment::process_unmaps(u64 mm, u64 va, u64 bytes) {
  return sva::process_unmaps(state(), mm, va, bytes);
}

bool InterfaceEnvironment::process_protects(u64 mm, u64 va, u64 bytes, u32 prot) {
  return sva::process_protects(state(), mm, va, bytes, prot);
}

bool InterfaceEnvironment::process_forks(u64 mm, u64 child) {
  return sva::process_forks(state(), mm, child);
}

bool InterfaceEnvironment::process_gone(u64 mm) { return sva::process_gone(state(), mm); }

Ticket InterfaceEnvironment::invalidate_begins(u64 mm, u64 va, u64 bytes) {
  return sva::invalidate_begins(state(), mm, va, bytes);
}

Verdict InterfaceEnvironment::invalidate_ends(Ticket ticket, bool timed_out) {
  return sva::invalidate_ends(state(), ticket, timed_out);
}

Ticket InterfaceEnvironment::release_begins(u64 mm) { return sva::release_begins(state(), mm); }

Verdict InterfaceEnvironment::release_waits(Ticket ticket) const {
  return sva::release_waits(state(), ticket);
}

Verdict InterfaceEnvironment::release_ends(Ticket ticket, bool timed_out) {
  return sva::release_ends(state(), ticket, timed_out);
}

Verdict InterfaceEnvironment::handler_called(u32 device, u32 pasid, u64 drvdata) {
  return sva::handler_called(state(), device, pasid, drvdata);
}

Verdict InterfaceEnvironment::handler_returned(u32 device, u32 pasid, Status status) {
  return sva::handler_returned(state(), device, pasid, status);
}

Verdict InterfaceEnvironment::bound_passes(u32 device, u32 pasid) {
  return sva::bound_passes(state(), device, pasid);
}

Verdict InterfaceEnvironment::hook_called(Hook hook, u64 io_mm, u32 device, bool failed) {
  return sva::hook_called(state(), hook, io_mm, device, failed);
}

u32 InterfaceEnvironment::hooked_io_mms() const { return sva::hooked_io_mms(state()); }

u32 InterfaceEnvironment::hooked_attachments() const { return sva::hooked_attachments(state()); }

}  // namespace iommucheck::spec::sva
