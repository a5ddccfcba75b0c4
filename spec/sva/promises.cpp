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

}  // namespace

Expectation Interface::expected(u32 device, u64 iova) const {
  if (!device_exists(device)) return {.state = State::blocked};
  const Device& record = devices_[device];
  if (record.ghosts != 0) {
    return {.state = State::quarantined, .last = expected_during(device, iova).last};
  }
  if (record.domain == 0) return {.state = State::blocked};
  const Domain& domain = domains_[record.domain];
  if (domain.kind == static_cast<u32>(DomainKind::blocked)) return {.state = State::blocked};
  if (domain.kind == static_cast<u32>(DomainKind::identity)) return {.state = State::identity};
  if (beyond(iova, domain.input_bits)) return {.state = State::unmapped};

  const Piece piece = forest_.lookup(domain.map, iova);
  const Piece stale = forest_.lookup(domain.stale, iova);
  const u64 last = std::min(piece.last, stale.last);
  if (piece.mapped && stale.mapped) return {.state = State::quarantined, .last = last};
  if (piece.mapped) return {State::mapped, piece.pa, piece.prot, last};
  if (stale.mapped) return {State::old_or_fault, stale.pa, stale.prot, last};
  // A hole at the end of the space goes on beyond the input size.
  return {.state = State::unmapped, .last = last};
}

/// Of an access to a paging domain: what is mapped, what is not synchronised, what the call in
/// progress may have done already.
void Interface::paging_promises(u32 index, u64 iova, Alternatives& out) const {
  const Domain& domain = domains_[index];
  if (beyond(iova, domain.input_bits)) {
    out.add(unmapped);
    return;
  }
  const Piece piece = forest_.lookup(domain.map, iova);
  const Piece stale = forest_.lookup(domain.stale, iova);
  out.ends_at(piece.last);
  out.ends_at(stale.last);
  out.add(piece.mapped ? mapped(piece) : unmapped);
  // Not invalidated: old or fault. A zombie's tables are held, what they map may be cleared.
  if (stale.mapped) {
    out.add(mapped(stale));
    out.add(unmapped);
  }
  if (domain.life == zombie) out.add(unmapped);

  if (pending_.active == 0 || pending_.domain != index) return;
  if (pending_.fresh != 0 && !piece.mapped) {  // map: old or new, each granule for itself
    const Piece fresh = forest_.lookup(pending_.fresh, iova);
    out.ends_at(fresh.last);
    if (fresh.mapped) {
      out.add(mapped(fresh));
      out.concerned = true;
    }
  }
  if (pending_.first > pending_.last) return;
  if (iova < pending_.first) {
    out.ends_at(pending_.first - 1);
  } else if (iova <= pending_.last) {  // unmap: old or fault
    out.ends_at(pending_.last);
    out.add(unmapped);
    out.concerned = true;
  }
}

void Interface::domain_promises(u32 index, u64 iova, Alternatives& out) const {
  const auto kind = static_cast<DomainKind>(index == 0 ? 0 : domains_[index].kind);
  if (kind == DomainKind::paging) {
    paging_promises(index, iova, out);
  } else if (kind == DomainKind::identity) {
    out.add({.state = State::identity});
  } else {
    out.add(blocked);
  }
}

/// attach, detach: the old domain's outcome, the new one's, or terminated with its configuration
/// event, for this device (its group) only.
void Interface::pending_promises(u32 device, u64 iova, Alternatives& out) const {
  const auto kind = static_cast<CallKind>(pending_.kind);
  const bool attaches = kind == CallKind::attach;
  if (!attaches && kind != CallKind::detach) return;
  if (pending_.domain == 0 || !moves_with(pending_.device, device)) return;
  if (attaches && devices_[device].domain == pending_.domain) return;
  out.concerned = true;
  out.add(blocked);
  if (attaches) domain_promises(pending_.domain, iova, out);
}

Alternatives Interface::expected_during(u32 device, u64 iova) const {
  Alternatives out;
  if (!device_exists(device)) {
    out.add(blocked);
    return out;
  }
  const Device& record = devices_[device];
  domain_promises(record.domain, iova, out);
  // A time-out left it between domains: the transient set of that call goes on.
  if (record.ghosts != 0) out.add(blocked);
  for (u32 g = record.ghosts; g != 0; g = ghosts_[g].next) {
    domain_promises(ghosts_[g].domain, iova, out);
  }
  if (pending_.active != 0) pending_promises(device, iova, out);
  return out;
}

}  // namespace iommucheck::spec::sva
