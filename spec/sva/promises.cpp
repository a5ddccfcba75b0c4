// SPDX-License-Identifier: MIT
// What an access may meet, now and during a call. SEMANTICS 5; INTERFACE "Attach", "Gather",
// "Timeouts and removal".
#include <algorithm>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

namespace {

bool beyond(u64 iova, u32 input_bits) { return input_bits < 64 && (iova >> input_bits) != 0; }

constexpr Promise blocked{.state = State::blocked};
constexpr Promise unmapped{.state = State::unmapped};

Promise mapped(const Piece& piece) {
  return {.state = State::mapped, .pa = piece.pa, .prot = piece.prot};
}

void add_fault(FaultKind faults, Alternatives& out) {
  if (faults != FaultKind::waits) out.add(unmapped);
  if (faults != FaultKind::terminated) out.add({.state = State::waits});
}

}  // namespace

Expectation Interface::expected(u32 device, Substream at, u64 iova) const {
  if (!device_exists(device)) return {.state = State::blocked};
  if (at.present || !constants_[device].iommu) return settled(device, at, iova);
  const Device& record = devices_[device];
  if (record.ghosts != 0) {
    return {.state = State::quarantined, .last = expected_during(device, iova).last};
  }
  if (record.domain == 0) return {.state = State::blocked};
  const Space& domain = spaces_[record.domain];
  if (domain.kind == static_cast<u32>(DomainKind::blocked)) return {.state = State::blocked};
  if (domain.kind == static_cast<u32>(DomainKind::identity)) return {.state = State::identity};
  if (beyond(iova, domain.input_bits)) return {.state = State::unmapped};

  const Piece piece = forest_.lookup(domain.map, iova);
  const Piece stale = forest_.lookup(domain.stale, iova);
  const Piece older = forest_.lookup(domain.older, iova);
  const u64 last = std::min({piece.last, stale.last, older.last});
  if (older.mapped || (piece.mapped && stale.mapped))
    return {.state = State::quarantined, .last = last};
  if (piece.mapped) return {State::mapped, piece.pa, piece.prot, last};
  if (stale.mapped) return {State::old_or_fault, stale.pa, stale.prot, last};
  // A hole at the end of the space goes on beyond the input size.
  return {.state = State::unmapped, .last = last};
}

/// Of an access to an address space: what is mapped, what is not synchronised, what the calls in
/// progress may have done already.
void Interface::space_promises(u32 index, u64 iova, FaultKind faults, bool with_calls,
                               Alternatives& out) const {
  const Space& space = spaces_[index];
  if (beyond(iova, space.input_bits)) {
    add_fault(faults, out);
    return;
  }
  const Piece piece = forest_.lookup(space.map, iova);
  const Piece stale = forest_.lookup(space.stale, iova);
  out.ends_at(piece.last);
  out.ends_at(stale.last);
  if (piece.mapped) {
    out.add(mapped(piece));
  } else {
    add_fault(faults, out);
  }
  // Not invalidated: old or fault. A process's page that has a new version has no fault but those
  // of its rights. A zombie's tables are held, what they map may be cleared.
  const bool is_process = space.owner == Owner::process;
  if (stale.mapped) {
    out.callers |= piece.mapped && !is_process && stale.tag == records::gathered;
    out.add(mapped(stale));
    if (!is_process) add_fault(faults, out);
  }
  if (space.older != 0) {
    const Piece older = forest_.lookup(space.older, iova);
    out.ends_at(older.last);
    if (older.mapped && (older.prot & records::unknown_layers) != 0) out.gave_up = true;
    if (older.mapped) out.add(mapped(older));
    out.callers |= piece.mapped && older.mapped && !is_process && older.tag == records::gathered;
  }
  if (space.life == records::zombie) add_fault(faults, out);

  if (with_calls && busy_ != 0) pending_space_promises(index, iova, piece.mapped, faults, out);
}

void Interface::pending_space_promises(u32 index, u64 iova, bool is_mapped, FaultKind faults,
                                       Alternatives& out) const {
  for_each_pending([&](const Pending& pending) {
    if (pending.space != index) return;
    if (pending.fresh != 0 && !is_mapped) {  // map: old or new, each granule for itself
      const Piece fresh = forest_.lookup(pending.fresh, iova);
      out.ends_at(fresh.last);
      if (fresh.mapped) {
        out.add(mapped(fresh));
        out.concerned = true;
      }
    }
    if (pending.first > pending.last || pending.kind == records::invalidate_in_progress) return;
    if (iova < pending.first) {
      out.ends_at(pending.first - 1);
    } else if (iova <= pending.last) {  // unmap: old or fault
      out.ends_at(pending.last);
      add_fault(faults, out);
      out.concerned = true;
    }
  });
}

void Interface::domain_promises(u32 index, u64 iova, bool with_calls, Alternatives& out) const {
  const auto kind = static_cast<DomainKind>(index == 0 ? 0 : spaces_[index].kind);
  if (kind == DomainKind::paging) {
    space_promises(index, iova, FaultKind::terminated, with_calls, out);
  } else if (kind == DomainKind::identity) {
    out.add({.state = State::identity});
  } else {
    out.add(blocked);
  }
}

/// attach, detach: the old domain's outcome, the new one's, or terminated with its configuration
/// event, for this device (its group) only.
void Interface::pending_move_promises(u32 device, Substream at, u64 iova, Alternatives& out) const {
  for_each_pending([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool attaches = kind == CallKind::attach;
    if (!attaches && kind != CallKind::detach) return;
    if (pending.space == 0 || !moves_with(pending.device, device)) return;
    if (attaches && devices_[device].domain == pending.space) return;
    out.concerned = true;
    out.add(blocked);
    if (!attaches) return;
    if (at.present) {
      substream_promises(device, pending.space, at.number, iova, true, out);
    } else {
      domain_promises(pending.space, iova, true, out);
    }
  });
}

Alternatives Interface::expected_during(u32 device, Substream at, u64 iova) const {
  return promises_at(device, at, iova, true);
}

Alternatives Interface::promises_at(u32 device, Substream at, u64 iova, bool with_calls) const {
  Alternatives out;
  if (overflow_ != 0) out.gave_up = true;
  if (!device_exists(device)) {
    out.add(blocked);
    return out;
  }
  if (!constants_[device].iommu) {
    out.add({.state = State::identity});
    return out;
  }
  const auto of_domain = [&](u32 domain) {
    if (at.present) {
      substream_promises(device, domain, at.number, iova, with_calls, out);
    } else {
      domain_promises(domain, iova, with_calls, out);
    }
  };
  const Device& record = devices_[device];
  of_domain(record.domain);
  // A time-out left it between domains: the transient set of that call goes on.
  if (record.ghosts != 0) out.add(blocked);
  for (u32 g = record.ghosts; g != 0; g = ghosts_[g].next) of_domain(ghosts_[g].domain);
  if (with_calls && busy_ != 0) pending_move_promises(device, at, iova, out);
  return out;
}

}  // namespace iommucheck::spec::sva
