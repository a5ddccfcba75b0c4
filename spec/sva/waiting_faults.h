// SPDX-License-Identifier: MIT
// Of faults that were recorded and wait for an answer: whether that is known, and who has them.
#pragma once

#include <string>

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Whether a call in progress may be ending it.
bool is_contested(const InterfaceState& s, const Waiting& fault);
/// The process is alive, and the device bound to it: then nothing but a full queue is in the way.
bool is_routed(const InterfaceState& s, u32 device, u32 pasid);
/// Recorded, and in nobody's hands: it is in its queue, or may be by now.
bool is_unread(const Waiting& fault);
/// Its reader has some of its pages, and with them its number.
bool is_half_read(const Waiting& fault);
/// "device 1, PASID 3", for messages.
std::string place_text(u32 device, u32 pasid);

/// It is in that queue, or may be: what a device on the move sent is any user's, or of the process
/// that it is bound to where it was.
bool may_be_in(const InterfaceState& s, u32 queue, const Waiting& fault);
/// Surely a user's: no queue or handler of the host's has it.
bool is_users(const Waiting& fault);

/// Of a process's: its handler, or the queue of its device; 0: neither is there.
u32 reader_of(const InterfaceState& s, const Waiting& fault);
/// It may be that somebody has a queue or a handler for it: for the one of that order; for one of
/// which nobody knows whose it is.
bool may_have_queue(const InterfaceState& s, u64 order);
bool may_be_somebodys(const InterfaceState& s, const Waiting& fault);

/// visit(index) of those of a queue, or that may be, the first recorded first.
template <class Visit>
void in_order(const InterfaceState& s, u32 queue, Visit visit) {
  const auto its = [&](const Waiting& fault) { return may_be_in(s, queue, fault); };
  s.in_order(s.waitings, its, visit);
}

}  // namespace iommucheck::spec::sva
