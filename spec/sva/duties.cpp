// SPDX-License-Identifier: MIT
// What a caller must keep: who breaks it is at fault, whatever the driver makes of it. SEMANTICS 5,
// unmap_fast and Blame; INTERFACE "Gather", "Free", "Exit".
#include <algorithm>

#include "base/text.h"
#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

namespace {

constexpr u64 whole_space = ~u64{0};

Verdict callers(Rule rule, std::string message) {
  return {.blames_caller = true, .rule = rule, .message = std::move(message)};
}

u64 key_of(u32 device, u32 pasid) { return u64{device} << 20 | (pasid & (pasid_limit - 1)); }

}  // namespace

const char* Interface::freed_object(const Call& call) const {
  if (call.domain != 0 && forest_.lookup(freed_handles_, call.domain).mapped) {
    return "the domain was freed";
  }
  if (call.io_mm != 0 && forest_.lookup(freed_io_mms_, call.io_mm).mapped) {
    return "the io_mm was freed";
  }
  return nullptr;
}

/// SEMANTICS 5, unmap_fast: the caller may not map the range again nor reuse its pages before. The
/// same page at the same address again is no reuse.
Interface::Unready Interface::unready_for_map(const Call& call) const {
  const CallKind kind = as_domain_call(call.kind);
  if (kind != CallKind::map && kind != CallKind::map_sg) return {};
  const u32 index = target(call);
  if (index == 0) return {};
  bool range = false;
  bool page = false;
  for_each_request(spaces_[index], call, [&](const Interval& request) {
    forest_.for_each(spaces_[index].stale, request.first, request.last,
                     [&](const Interval& stale) { range |= stale.tag == records::gathered; });
    const u64 last = request.pa + (request.last - request.first);
    for_each_in_flight([&](u32 space, const Interval& piece) {
      const u64 piece_last = piece.pa + (piece.last - piece.first);
      const bool meets = piece.pa <= last && request.pa <= piece_last;
      const bool same = space == index && piece.first - piece.pa == request.first - request.pa;
      page |= meets && !same;
    });
  });
  if (range) return {Rule::RANGE_UNSYNCED, "the range is unmapped but not synchronised"};
  if (page) return {Rule::PAGE_IN_FLIGHT, "a page is unmapped but may still be reached"};
  return {};
}

Verdict Interface::duty_of_call(const Call& call) const {
  if (const char* reason = freed_object(call)) {
    return callers(Rule::FREED_OBJECT, call_text(call) + ": " + reason);
  }
  const Unready unready = unready_for_map(call);
  if (unready.reason == nullptr) return {};
  return callers(unready.rule, call_text(call) + ": " + unready.reason);
}

/// A process's map is the environment's own.
Verdict Interface::duty_of_page(u64 pa, u64 size) const {
  if (size == 0) return {};
  const auto text = [&](const char* reason) {
    return "the page at " + hex(pa) + " is given to somebody else: " + reason;
  };
  if (page_in_flight(pa, size)) {
    return callers(Rule::PAGE_IN_FLIGHT, text("it is unmapped but may still be reached"));
  }
  bool mapped = false;
  for_each_space([&](u32 i) {
    if (spaces_[i].owner == Owner::process) return;
    forest_.for_each(spaces_[i].map, 0, whole_space, [&](const Interval& piece) {
      const u64 piece_last = piece.pa + (piece.last - piece.first);
      mapped |= piece.pa <= pa + (size - 1) && pa <= piece_last;
    });
  });
  if (mapped) return callers(Rule::PAGE_IN_FLIGHT, text("it is mapped"));
  return {};
}

Verdict Interface::duty_of_dma(u32 device, u32 pasid) const {
  if (device >= devices_.size() || pasid >= pasid_limit) return {};
  if (!forest_.lookup(said_done_, key_of(device, pasid)).mapped) return {};
  return callers(Rule::DMA_AFTER_DONE, "device " + std::to_string(device) + " sends PASID " +
                                           hex(pasid) + ", of which its driver said \"done\"");
}

/// By mm_exit's return, by unbind, or by giving the number back.
void Interface::say_done(u32 device, u32 pasid) {
  const u64 key = key_of(device, pasid);
  if (forest_.lookup(said_done_, key).mapped) return;
  forest_.insert(said_done_, {.first = key, .last = key});
}

void Interface::unsay_done(u32 device, u32 pasid) {
  const u64 key = key_of(device, pasid);
  forest_.erase(said_done_, key, key);
}

}  // namespace iommucheck::spec::sva
