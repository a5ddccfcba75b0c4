// SPDX-License-Identifier: MIT
// Which results a call may give. INTERFACE, paragraph by paragraph.
#include <algorithm>

#include "base/text.h"
#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

namespace {

/// Whether [start, start + size) lies in 0 .. 2^bits - 1; size > 0.
bool fits(u64 start, u64 size, u32 bits) {
  const u64 last = start + (size - 1);
  return last >= start && (bits >= 64 || (last >> bits) == 0);
}

bool aligned(u64 value, u64 granule) { return (value & (granule - 1)) == 0; }

/// INTERFACE "Errors and their order": ENOMEM where the call may allocate and one was refused.
void may_lack_memory(Permitted& set, Circumstances around) {
  if (around.allocation_failed) set.add(Status::enomem, "an allocation of this call failed");
}

/// INTERFACE "Timeouts and removal".
void may_time_out(Permitted& set, Circumstances around, ValueRule rule = ValueRule::any) {
  if (around.queue_stuck) set.add(Status::etimedout, "the command queue was stuck", rule);
}

constexpr u32 input_bits_min = 25;
constexpr u32 input_bits_max = 48;

const char* no_target(const Call& call) {
  return is_io_mm_call(call.kind) ? "no such io_mm" : "no such domain, or none that can map";
}

}  // namespace

Permitted Interface::permitted(const Call& call, Circumstances around) const {
  return answers(call, around, nullptr);
}

Permitted Interface::permitted(Ticket ticket, const Call& call, Circumstances around) const {
  return answers(call, around, pending_of(ticket));
}

Permitted Interface::answers(const Call& call, Circumstances around, const Pending* begun) const {
  if (is_io_mm_call(call.kind) && find_process_io_mm(call.io_mm) != 0) {
    return permitted_on_process(call);
  }
  switch (as_domain_call(call.kind)) {
    case CallKind::domain_alloc: return permitted_domain_alloc(call, around);
    case CallKind::domain_free: return permitted_domain_free(call, around);
    case CallKind::attach: return permitted_attach(call, around);
    case CallKind::detach: return permitted_detach(call, around);
    case CallKind::map: return permitted_map(call, around);
    case CallKind::map_sg: return permitted_map_sg(call, around);
    case CallKind::unmap:
    case CallKind::unmap_fast: return permitted_unmap(call, around);
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all: return permitted_sync(call, around);
    case CallKind::tlb_range_add: return permitted_tlb_range_add(call);
    case CallKind::iova_to_phys: return permitted_iova_to_phys(call);
    default: return permitted_sva(call, around, begun);
  }
}

/// Errors: arguments EINVAL; ENOMEM; ENOSPC when no address space is left.
Permitted Interface::permitted_domain_alloc(const Call& call, Circumstances around) const {
  Permitted set;
  const auto kind = static_cast<DomainKind>(call.domain_kind);
  if (kind < DomainKind::paging || kind > DomainKind::nested_pasid) {
    set.add(Status::einval, "there is no such kind of domain");
    return set;
  }
  if (kind > DomainKind::identity) {
    set.add(Status::not_built, "the specification has not got this kind of domain yet");
    set.add(Status::eopnotsupp, "the backend may not have it");
    return set;
  }
  if (kind != DomainKind::paging) {
    set.add(Status::not_built, "a driver may have no such kind");
  } else if (call.input_bits != 0 &&
             (call.input_bits < input_bits_min || call.input_bits > input_bits_max)) {
    set.add(Status::einval, "input bits are 25 to 48");
    return set;
  } else if (address_spaces() >= address_spaces_) {
    set.add(Status::enospc, "all address space numbers may be in use");
  }
  set.add(Status::ok, "", ValueRule::new_handle);
  may_lack_memory(set, around);
  return set;
}

/// INTERFACE "Free".
Permitted Interface::permitted_domain_free(const Call& call, Circumstances around) const {
  Permitted set;
  const u32 index = find(call.domain);
  if (index == 0) {
    set.add(Status::einval, "no such domain");
  } else if (spaces_[index].devices != 0) {
    set.add(Status::ebusy, "a device is attached to it");
  } else {
    set.add(Status::ok, "nothing is attached to it");
    may_time_out(set, around);
  }
  return set;
}

/// INTERFACE "Attach"; "Errors and their order": ENODEV, EINVAL, EBUSY, ENOMEM.
Permitted Interface::permitted_attach(const Call& call, Circumstances around) const {
  Permitted set;
  judge_device(call, set);
  if (find(call.domain) == 0) set.add(Status::einval, "no such domain");
  if (!set.empty()) return set;
  if (devices_[call.device].domain != find(call.domain) && has_pasids(call.device)) {
    set.add(Status::ebusy, "processes or private PASIDs are bound to the device");
    return set;
  }
  may_lack_memory(set, around);
  const u32 index = find(call.domain);
  bool settled = true;
  for (u32 i = 0; i < devices_.size(); ++i) {
    if (!moves_with(call.device, i)) continue;
    settled &= devices_[i].domain == index && devices_[i].ghosts == 0;
  }
  set.add(Status::ok, settled ? "the same domain again does nothing" : "attach replaces");
  if (!settled) may_time_out(set, around);
  return set;
}

Permitted Interface::permitted_detach(const Call& call, Circumstances around) const {
  Permitted set;
  judge_device(call, set);
  const u32 index = find(call.domain);
  if (index == 0) {
    set.add(Status::einval, "no such domain");
  } else if (call.device >= devices_.size() || devices_[call.device].domain != index) {
    set.add(Status::einval, "detach from a domain that is not the device's");
  }
  if (!set.empty()) return set;
  if (is_inside(call)) {
    set.add(Status::edeadlk, "it would wait for the handler that it is called from");
    return set;
  }
  set.add(Status::ok, "the device is on this domain");
  may_time_out(set, around);
  return set;
}

bool Interface::well_formed(const Space& domain, u64 iova, u64 pa, u64 size) const {
  return domain.page_sizes != 0 && aligned(iova | pa | size, granule(domain)) &&
         fits(iova, size, domain.input_bits) && fits(pa, size, domain.output_bits);
}

/// INTERFACE "Map", for one range: alignment, sizes, what is there already.
void Interface::judge_map_range(const Space& domain, u64 iova, u64 pa, u64 size,
                                Permitted& set) const {
  if (!aligned(iova | pa | size, granule(domain))) set.add(Status::einval, "unaligned");
  if (size == 0) {
    if ((domain.input_bits < 64 && (iova >> domain.input_bits) != 0) ||
        (domain.output_bits < 64 && (pa >> domain.output_bits) != 0)) {
      set.add(Status::erange, "beyond the input or output size");
    }
    return;
  }
  if (!fits(iova, size, domain.input_bits)) set.add(Status::erange, "beyond the input size");
  if (!fits(pa, size, domain.output_bits)) set.add(Status::erange, "beyond the output size");
  const u64 last = std::max(iova, iova + (size - 1));
  if (forest_.first_mapped_in(domain.map, iova, last).found) {
    set.add(Status::eexist, "something in the range is mapped already");
  }
}

Permitted Interface::permitted_map(const Call& call, Circumstances around) const {
  Permitted set;
  const u32 index = target(call);
  if (index == 0) {
    set.add(Status::einval, no_target(call));
    return set;
  }
  const Space& domain = spaces_[index];
  if ((call.prot & prot_access) == 0) set.add(Status::einval, "no permission is asked for");
  if ((call.prot & ~prot_known) != 0) set.add(Status::einval, "unknown permissions");
  if (domain.page_sizes == 0) set.add(Status::enodev, "the domain has no page size");
  judge_map_range(domain, call.iova, call.pa, call.size, set);
  if (call.size == 0) {
    set.add(Status::ok, "size 0 does nothing");
    return set;
  }
  if (set.empty()) set.add(Status::ok, "nothing in the range is mapped");
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

/// The bytes, or an error and nothing changed.
Permitted Interface::permitted_map_sg(const Call& call, Circumstances around) const {
  Permitted set;
  const u32 index = target(call);
  if (index == 0) {
    set.add(Status::einval, no_target(call));
    return set;
  }
  const Space& domain = spaces_[index];
  if ((call.prot & prot_access) == 0) set.add(Status::einval, "no permission is asked for");
  if ((call.prot & ~prot_known) != 0) set.add(Status::einval, "unknown permissions");
  if (domain.page_sizes == 0) set.add(Status::enodev, "the domain has no page size");
  u64 total = 0;
  for (const Segment& segment : call.segments) {
    judge_map_range(domain, call.iova + total, segment.pa, segment.size, set);
    if (total + segment.size < total || call.iova + total < call.iova) {
      set.add(Status::erange, "the pieces wrap");
      break;
    }
    total += segment.size;
  }
  if (call.segments.empty()) judge_map_range(domain, call.iova, 0, 0, set);
  if (total == 0 || set.empty()) {
    set.add(Status::ok, "", ValueRule::one_of);
    set.add_value(total, "all pieces");
  }
  if (total == 0) return set;
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

/// A block that cannot be split ends an unmap like a hole. A block may stand wherever an aligned
/// one of the page sizes lies in what ONE map call made (a piece of the map: pieces are cut, never
/// joined) with IOVA and PA congruent. [first, end] is what the unmap could reach at most, `last`
/// the end of what was asked for.
void Interface::add_stops(const Space& domain, u64 first, u64 last, u64 end, Permitted& set) const {
  const u64 smallest = granule(domain);
  for (u64 sizes = domain.page_sizes; sizes != 0; sizes &= sizes - 1) {
    const u64 size = sizes & (~sizes + 1);
    if (size == smallest) continue;
    for (const u64 address : {first, end}) {
      const Piece piece = forest_.lookup(domain.map, address);
      const u64 block = address & ~(size - 1);
      const u64 block_last = block | (size - 1);
      const bool inside = piece.mapped && piece.first <= block && block_last <= piece.last;
      const bool congruent = aligned(piece.pa - address, size);
      const bool partial = block < first || block_last > last;
      if (!inside || !congruent || !partial) continue;
      set.add_value(std::max(block, first) - first, "up to a block that may not be splittable");
    }
  }
}

/// INTERFACE "Map": the bytes from the start to the first hole, 0 for bad arguments.
Permitted Interface::permitted_unmap(const Call& call, Circumstances around) const {
  Permitted set;
  set.add(Status::ok, "", ValueRule::one_of);
  const u32 index = target(call);
  const char* bad = nullptr;
  if (index == 0) {
    bad = no_target(call);
  } else if (spaces_[index].page_sizes == 0) {
    bad = "the domain has no page size";
  } else if (call.size == 0) {
    bad = "nothing is asked for";
  } else if (!aligned(call.iova | call.size, granule(spaces_[index]))) {
    bad = "unaligned";
  } else if (!fits(call.iova, call.size, spaces_[index].input_bits)) {
    bad = "beyond the input size";
  }
  if (bad != nullptr) {
    set.add_value(0, bad);
    return set;
  }
  const Space& domain = spaces_[index];
  const u64 last = call.iova + (call.size - 1);
  u64 end = call.iova;  // the first address that is not unmapped
  bool all = false;
  while (!all) {
    const Piece piece = forest_.lookup(domain.map, end);
    if (!piece.mapped) break;
    all = piece.last >= last;
    end = all ? last : piece.last + 1;
  }
  set.add_value(all ? call.size : end - call.iova,
                all ? "all of it is mapped" : "up to the first hole");
  if (all || end != call.iova) add_stops(domain, call.iova, last, all ? last : end - 1, set);
  may_time_out(set, around, ValueRule::one_of);
  return set;
}

/// INTERFACE "Gather". Never ENOMEM.
Permitted Interface::permitted_sync(const Call& call, Circumstances around) const {
  Permitted set;
  if (target(call) == 0) {
    set.add(Status::einval, no_target(call));
    return set;
  }
  set.add(Status::ok, "");
  may_time_out(set, around);
  return set;
}

Permitted Interface::permitted_tlb_range_add(const Call& call) const {
  Permitted set;
  const u32 index = target(call);
  if (index == 0) {
    set.add(Status::einval, no_target(call));
    return set;
  }
  const Space& domain = spaces_[index];
  const bool inside = fits(call.iova, call.size == 0 ? 1 : call.size, domain.input_bits);
  if (!inside) set.add(Status::einval, "beyond the input size");
  // Nothing says whether an unaligned range is refused or rounded outwards: over-invalidation is
  // never wrong.
  if (!aligned(call.iova | call.size, granule(domain))) set.add(Status::einval, "unaligned");
  if (inside || call.size == 0) set.add(Status::ok, "the range joins the gather");
  return set;
}

/// INTERFACE "Map": what the table says, 0 at once after unmap_fast; identity: its argument.
Permitted Interface::permitted_iova_to_phys(const Call& call) const {
  Permitted set;
  set.add(Status::ok, "", ValueRule::one_of);
  const u32 index = is_io_mm_call(call.kind) ? find_private(call.io_mm) : find(call.domain);
  if (index == 0) {
    set.add_value(0, no_target(call));
    return set;
  }
  const Space& domain = spaces_[index];
  if (domain.kind == static_cast<u32>(DomainKind::identity)) {
    set.add_value(call.iova, "identity");
    return set;
  }
  const Piece piece = forest_.lookup(domain.map, call.iova);
  set.add_value(piece.mapped ? piece.pa : 0, piece.mapped ? "mapped" : "not mapped");
  return set;
}

const char* Interface::not_for_domain_alloc(const Call& call) const {
  const auto kind = static_cast<DomainKind>(call.domain_kind);
  const bool known = kind > DomainKind::identity && kind <= DomainKind::nested_pasid;
  return known ? "this kind of domain is not built" : nullptr;
}

/// Calls on what a call that waits for a handler moves or ends: their order would not be known.
const char* Interface::not_while_another_waits(const Call& call) const {
  if (busy_ == 0) return nullptr;
  const char* reason = nullptr;
  const bool of_device = takes_device(call.kind);
  const u32 space = find_private(call.io_mm);
  for_each_pending([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool ends_all = kind == CallKind::detach || kind == CallKind::unbind_dev_all ||
                          kind == CallKind::sva_device_shutdown;
    if (kind == CallKind::unbind_device && call.kind == CallKind::attach &&
        pending.device == call.device) {
      reason = "an unbind of the device waits";
    }
    if (!ends_all) return;
    if (of_device && pending.device == call.device) reason = "a call on the device waits";
    const bool its = space != 0 && spaces_[space].maker == pending.device;
    if (its && call.io_mm != 0) reason = "a call that ends the io_mm waits";
    const bool moves = call.kind == CallKind::domain_free || call.kind == CallKind::detach;
    if (moves && call.domain != 0 && find(call.domain) == pending.space) {
      reason = "a call that detaches the domain waits";
    }
  });
  return reason;
}

const char* Interface::caller_may_not(const Call& call) const {
  if (!call_is_built(call.kind)) return "the call is not built";
  if (call.kind == CallKind::domain_alloc) return not_for_domain_alloc(call);
  if (const char* reason = freed_object(call)) return reason;
  if (call.kind == CallKind::bind_device && find_process(call.mm) == 0) return "no such process";
  const bool links = call.kind == CallKind::sva_attach || call.kind == CallKind::sva_detach;
  if (links && !per_device_tables_) return "tables belong to domains";
  if (const char* reason = not_while_another_waits(call)) return reason;
  if (const char* reason = not_while_released(call)) return reason;
  return unready_for_map(call).reason;
}

bool Interface::waits_for_handlers(const Pending& pending) const {
  bool waits = false;
  const auto runs = [&](u32 i) { return bonds_[i].state == BondState::running; };
  if (pending.kind == records::release_in_progress) {
    for_each_bond_of(pending.space,
                     [&](u32 i) { waits |= runs(i) || bonds_[i].state == BondState::owed; });
    return waits;
  }
  switch (static_cast<CallKind>(pending.kind)) {
    case CallKind::unbind_device: return pending.bond != 0 && runs(pending.bond);
    case CallKind::detach:
    case CallKind::unbind_dev_all:
    case CallKind::sva_device_shutdown:
      for_each_bond([&](u32 i) { waits |= bonds_[i].device == pending.device && runs(i); });
      return waits;
    default: return false;
  }
}

bool Interface::may_end(Ticket ticket) const {
  const Pending* pending = pending_of(ticket);
  return pending == nullptr || !waits_for_handlers(*pending);
}

/// A new handle against the living ones.
void Interface::check_handle(const Call& call, const Observed& observed, std::string& why) const {
  const bool of_domain = call.kind == CallKind::domain_alloc;
  const DomainFacts& facts = observed.facts;
  const bool paging = of_domain && call.domain_kind == static_cast<u32>(DomainKind::paging);
  if (observed.value == 0) {
    why = "0 is never a handle";
  } else if (of_domain && find(observed.value) != 0) {
    why = "a living domain has this handle";
  } else if (!of_domain && forest_.lookup(io_mms_, observed.value).mapped) {
    why = "a living io_mm has this handle";
  } else if (paging && call.input_bits != 0 && facts.input_bits != call.input_bits) {
    why = "asked for " + std::to_string(call.input_bits) + " input bits, got " +
          std::to_string(facts.input_bits);
  } else if (paging && (facts.input_bits == 0 || facts.input_bits > 64 || facts.output_bits == 0 ||
                        facts.output_bits > 64)) {
    why = "the domain's input and output sizes are 1 to 64 bits";
  }
}

/// A number that was given: free, in the range, and not before one that has been free for longer.
Verdict Interface::check_number(const Call& call, const Permitted& set, u64 number) const {
  const std::string text = call_text(call) + " gave PASID " + std::to_string(number);
  const Range range{set.first_pasid(), set.last_pasid()};
  if (number >= pasid_limit || !range.has(static_cast<u32>(number))) {
    return {.ok = false,
            .rule = Rule::RESULT_EXACT,
            .message = text + ", which is not in " + std::to_string(range.first) + " to " +
                       std::to_string(range.last)};
  }
  const auto pasid = static_cast<u32>(number);
  if (any_number(range, false)) count(Rule::PASID_REUSE);
  const u32 held = find_number(pasid);
  if (held != 0 && numbers_[held].state != NumberState::doubtful) {
    return {.ok = false, .rule = Rule::PASID_REUSE, .message = text + ", which is held"};
  }
  // Who asks without a device may or may not be cut to the IOMMU's numbers.
  Range cyclic = range;
  if (call.kind == CallKind::pasid_alloc) {
    const Range within = plain_range(call.min_pasid, call.max_pasid, true);
    if (within.has(pasid)) cyclic = within;
  }
  if (turns_lost_ == 0 && any_number(cyclic, true)) count(Rule::PASID_CYCLIC);
  const u32 wanted = wanted_before(cyclic, pasid);
  if (wanted == pasid_unknown || any_doubtful(cyclic)) return {};
  return {.ok = false,
          .rule = Rule::PASID_CYCLIC,
          .message = text + " before " + std::to_string(wanted) + ", which is free for longer"};
}

/// An attribute that was not seen yet.
const char* Interface::check_word(const Call& call, u64 word) const {
  if (word == 0) return "0 is no table";
  const u32 own =
      call.kind == CallKind::domain_get_attr ? find(call.domain) : find_private(call.io_mm);
  const char* why = nullptr;
  for_each_space([&](u32 i) {
    if (i != own && spaces_[i].table == word) why = "another address space has this table";
  });
  return why;
}

/// The result against the set.
Verdict Interface::check(const Call& call, const Observed& observed, Circumstances around,
                         const Pending* begun) const {
  const Permitted set = answers(call, around, begun);
  std::string why;
  if (!set.permits(observed)) {
    why = "permitted: " + set.text();
  } else {
    switch (set.value_rule(observed.status)) {
      case ValueRule::new_handle: check_handle(call, observed, why); break;
      case ValueRule::new_word:
        if (const char* reason = check_word(call, observed.value)) why = reason;
        break;
      case ValueRule::new_pasid: return check_number(call, set, observed.value);
      default: break;
    }
    const bool makes = call.kind == CallKind::sva_alloc_pasid && observed.status == Status::ok;
    if (why.empty() && makes && observed.pasid != pasid_unknown) {
      return check_number(call, set, observed.pasid);
    }
  }
  if (why.empty()) return check_waiting(call, observed, begun);
  std::string got = status_text(observed.status);
  if (observed.status == Status::ok || observed.value != 0) got += ", value " + hex(observed.value);
  return {.ok = false,
          .rule = Rule::RESULT_EXACT,
          .message = call_text(call) + " returned " + got + "; " + why};
}

/// INTERFACE "Exit": unbind, unbind_dev_all, shutdown and detach wait for handlers that run.
/// "Free": who frees what is in use is at fault, and the driver is right to say so.
Verdict Interface::check_waiting(const Call& call, const Observed& observed,
                                 const Pending* begun) const {
  if (observed.status == Status::ebusy && call.kind == CallKind::domain_free) {
    return {.blames_caller = true,
            .rule = Rule::DOMAIN_IN_USE,
            .message = call_text(call) + ": a device is attached to it"};
  }
  if (observed.status != Status::ok || !ends_bonds(call.kind)) return {};
  Pending now{.kind = static_cast<u32>(call.kind), .device = call.device};
  if (begun != nullptr) {
    now.bond = begun->bond;
  } else if (call.kind == CallKind::unbind_device) {
    now.bond = find_bond(call.device, call.pasid);
  }
  if (!waits_for_handlers(now)) return {};
  return {.ok = false,
          .rule = Rule::EXIT_WAITS,
          .message = call_text(call) + " returned while mm_exit of the device runs"};
}

}  // namespace iommucheck::spec::sva
