// SPDX-License-Identifier: MIT
#include "spec/sva/duties.h"

#include <utility>

#include "base/text.h"
#include "spec/rules/interface.h"
#include "spec/sva/done.h"
#include "spec/sva/layers.h"
#include "spec/sva/map.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

namespace {

Verdict callers(Rule rule, std::string message) {
  return {.blames_caller = true, .rule = rule, .message = std::move(message)};
}

}  // namespace

const char* freed_object(const InterfaceState& s, const Call& call) {
  if (call.domain != 0 && s.forest.lookup(s.freed_handles, call.domain).mapped) {
    return "the domain was freed";
  }
  if (call.parent != 0 && s.forest.lookup(s.freed_handles, call.parent).mapped) {
    return "the master was freed";
  }
  if (call.io_mm != 0 && s.forest.lookup(s.freed_io_mms, call.io_mm).mapped) {
    return "the io_mm was freed";
  }
  if (call.token != 0 && s.forest.lookup(s.freed_tokens, call.token).mapped) {
    return "the token was given back";
  }
  if (call.queue != 0 && s.forest.lookup(s.freed_queues, call.queue).mapped) {
    return "the queue was closed";
  }
  return nullptr;
}

/// SEMANTICS 5, unmap_fast: the caller may not map the range again nor reuse its pages before. The
/// same page at the same address again is no reuse.
Unready unready_for_map(const InterfaceState& s, const Call& call) {
  const CallKind kind = as_domain_call(call.kind);
  if (kind != CallKind::map && kind != CallKind::map_sg) return {};
  const u32 index = s.target(call);
  if (index == 0) return {};
  bool range = false;
  bool page = false;
  for_each_request(s, s.spaces[index], call, [&](const Interval& request) {
    s.forest.for_each(s.spaces[index].stale, request.first, request.last,
                      [&](const Interval& stale) { range |= stale.tag == records::gathered; });
    const u64 last = request.pa + (request.last - request.first);
    for_each_in_flight(s, [&](u32 space, const Interval& piece) {
      const u64 piece_last = piece.pa + (piece.last - piece.first);
      const bool meets = piece.pa <= last && request.pa <= piece_last;
      const bool same = space == index && piece.first - piece.pa == request.first - request.pa;
      page |= meets && !same;
    });
  });
  if (range) return {rule::RANGE_UNSYNCED, "the range is unmapped but not synchronised"};
  if (page) return {rule::PAGE_IN_FLIGHT, "a page is unmapped but may still be reached"};
  return {};
}

Verdict duty_of_call(const InterfaceState& s, const Call& call) {
  if (const char* reason = freed_object(s, call)) {
    return callers(rule::FREED_OBJECT, call_text(call) + ": " + reason);
  }
  if (const WalkerDuty duty = walker_duty(s, call); duty.reason != nullptr) {
    return callers(duty.rule, call_text(call) + ": " + duty.reason);
  }
  const Unready unready = unready_for_map(s, call);
  if (unready.reason == nullptr) return {};
  return callers(unready.rule, call_text(call) + ": " + unready.reason);
}

/// A process's map is the environment's own.
Verdict duty_of_page(const InterfaceState& s, u64 pa, u64 size) {
  if (size == 0) return {};
  const auto text = [&](const char* reason) {
    return "the page at " + hex(pa) + " is given to somebody else: " + reason;
  };
  if (page_in_flight(s, pa, size)) {
    return callers(rule::PAGE_IN_FLIGHT, text("it is unmapped but may still be reached"));
  }
  bool mapped = false;
  s.for_each_space([&](u32 i) {
    if (is_environments(s.spaces[i])) return;
    s.forest.for_each(s.spaces[i].map, 0, whole_space, [&](const Interval& piece) {
      const u64 piece_last = piece.pa + (piece.last - piece.first);
      mapped |= piece.pa <= pa + (size - 1) && pa <= piece_last;
    });
  });
  if (mapped) return callers(rule::PAGE_IN_FLIGHT, text("it is mapped"));
  return {};
}

Verdict duty_of_dma(const InterfaceState& s, u32 device, u32 pasid) {
  if (device >= s.devices.size() || pasid >= pasid_limit) return {};
  if (!s.forest.lookup(s.said_done, key_of(device, pasid)).mapped) return {};
  return callers(rule::DMA_AFTER_DONE, "device " + std::to_string(device) + " sends PASID " +
                                           hex(pasid) + ", of which its driver said \"done\"");
}

}  // namespace iommucheck::spec::sva
