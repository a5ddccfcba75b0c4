// SPDX-License-Identifier: MIT
#include "spec/sva/walkers.h"

#include "spec/rules/interface.h"
#include "spec/sva/layers.h"
#include "spec/sva/promise_words.h"

namespace iommucheck::spec::sva {

// --- Domains with a master ---

Permitted permitted_dynamic_alloc(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  set.add(Reason::a_driver_may_have_no_such_kind);
  set.add(Reason::the_backend_may_not_have_it);
  const u32 master = s.find_paging(call.parent);
  if (master == 0) {
    set.add(Reason::the_master_is_no_ordinary_paging_domain);
    return set;
  }
  if (call.input_bits != 0 && call.input_bits != s.spaces[master].input_bits) {
    set.add(Reason::its_width_is_its_masters);
    return set;
  }
  set.add(Reason::done, ValueRule::new_handle);
  may_lack_memory(set, around);
  return set;
}

void judge_dynamic_move(const InterfaceState& s, const Call& call, Permitted& set) {
  const u32 master = s.spaces[s.find_dynamic(call.domain)].domain;
  if (s.devices[call.device].domain == master) {
    set.add(Reason::on_the_master);
  } else {
    set.add(Reason::the_device_is_not_on_its_master);
  }
}

const char* not_the_masters_format(const InterfaceState& s, u32 master, const DomainFacts& facts) {
  const Space& its = s.spaces[master];
  if (facts.input_bits != its.input_bits) return "its input size is not its master's";
  if (facts.output_bits != its.output_bits) return "its output size is not its master's";
  if (facts.page_sizes != its.page_sizes) return "its page sizes are not its master's";
  return nullptr;
}

bool has_dynamic(const InterfaceState& s, u32 master) {
  bool found = false;
  s.for_each_space(
      [&](u32 i) { found |= is_dynamic(s.spaces[i]) && s.spaces[i].domain == master; });
  return found;
}

// --- Who walks ---

const Walker* find_walker(const InterfaceState& s, u32 number) {
  for (u32 i = 0; i < s.walkers.size(); ++i) {
    if (s.walkers[i].number == number) return &s.walkers[i];
  }
  return nullptr;
}

u32 space_of_table(const InterfaceState& s, u64 root) {
  u32 found = 0;
  if (root == 0) return 0;
  s.for_each_space([&](u32 i) {
    const bool is_walkable = is_dynamic(s.spaces[i]) || is_private_table(s, i);
    if (is_walkable && s.spaces[i].table == root) found = i;
  });
  return found;
}

namespace {

/// Of a private PASID's table, that a walker has cached: gone.
void drop_kept(InterfaceState& s, u32 number) {
  for (u32 i = s.kept_by_walkers.size(); i-- != 0;) {
    if (s.kept_by_walkers[i].walker == number) s.kept_by_walkers.remove_unordered(s.trail, i);
  }
}

}  // namespace

bool is_private_table(const InterfaceState& s, u32 space) {
  return s.spaces[space].owner == Owner::private_pasid && s.spaces[space].life == records::living;
}

bool is_walked(const InterfaceState& s, u32 space) {
  for (u32 i = 0; i < s.walkers.size(); ++i) {
    if (s.walkers[i].space == space) return true;
  }
  return false;
}

namespace {

bool all_flushed(const InterfaceState& s, u32 space) {
  for (u32 i = 0; i < s.walkers.size(); ++i) {
    if (s.walkers[i].space == space && s.walkers[i].flushed == 0) return false;
  }
  return true;
}

/// What was unmapped is in nobody's cache any more.
void settle_walked(InterfaceState& s, u32 space) {
  if (space == 0 || is_private_table(s, space) || !all_flushed(s, space)) return;
  clear_stale(s, space);
}

}  // namespace

void walker_switches(InterfaceState& s, u32 number, u64 root) {
  u32 before = 0;
  for (u32 i = s.walkers.size(); i-- != 0;) {
    if (s.walkers[i].number != number) continue;
    before = s.walkers[i].space;
    s.walkers.remove_unordered(s.trail, i);
  }
  drop_kept(s, number);
  settle_walked(s, before);
  if (root == 0) return;
  s.walkers.push(s.trail, {.number = number, .space = space_of_table(s, root), .flushed = 1});
}

void walker_flushes(InterfaceState& s, u32 number) {
  drop_kept(s, number);
  for (u32 i = 0; i < s.walkers.size(); ++i) {
    if (s.walkers[i].number != number) continue;
    s.walkers.edit(s.trail, i).flushed = 1;
    settle_walked(s, s.walkers[i].space);
  }
}

void leave_to_walkers(InterfaceState& s, u32 space, const Interval& piece) {
  if (is_private_table(s, space)) {
    for (u32 i = 0; i < s.walkers.size(); ++i) {
      if (s.walkers[i].space != space) continue;
      s.kept_by_walkers.push(s.trail, {.first = piece.first,
                                       .last = piece.last,
                                       .pa = piece.pa,
                                       .prot = piece.prot,
                                       .walker = s.walkers[i].number});
    }
    return;
  }
  keep_layer(s, space, piece, records::gathered);
  for (u32 i = 0; i < s.walkers.size(); ++i) {
    if (s.walkers[i].space == space) s.walkers.edit(s.trail, i).flushed = 0;
  }
}

void forget_walkers(InterfaceState& s, u32 space) {
  for (u32 i = s.walkers.size(); i-- != 0;) {
    if (s.walkers[i].space != space) continue;
    drop_kept(s, s.walkers[i].number);
    // A context bank goes on pointing to where the table was; a walker of its own ends with it.
    if (s.walkers[i].number < s.devices.size()) {
      s.walkers.edit(s.trail, i).space = 0;
    } else {
      s.walkers.remove_unordered(s.trail, i);
    }
  }
}

// --- The caller's duties ---

WalkerDuty walker_duty(const InterfaceState& s, const Call& call) {
  const bool syncs = call.kind == CallKind::iotlb_sync || call.kind == CallKind::flush_iotlb_all;
  const bool frees = call.kind == CallKind::domain_free || call.kind == CallKind::unbind_task;
  if (!syncs && !frees) return {};
  const u32 space = s.target(call);
  if (space == 0 || !is_dynamic(s.spaces[space])) return {};
  if (syncs) {
    if (all_flushed(s, space)) return {};
    return {rule::WALKER_UNFLUSHED, "a walker of its table was not flushed since the last unmap"};
  }
  for (u32 i = 0; i < s.walkers.size(); ++i) {
    const Walker& walker = s.walkers[i];
    if (walker.space != space || walker.number >= s.devices.size()) continue;
    return {rule::WALKER_REACHES, "the context bank of a device still has its table"};
  }
  return {};
}

// --- Promise ---

Alternatives expected_of_walker(const InterfaceState& s, u32 number, u64 iova) {
  Alternatives out;
  if (s.tickets.overflowed()) out.gave_up = true;
  const Walker* walker = find_walker(s, number);
  if (walker == nullptr || walker->space == 0) {
    out.add(promise::blocked);
    return out;
  }
  space_promises(s, walker->space, iova, FaultKind::terminated, true, out);
  for (u32 i = 0; i < s.kept_by_walkers.size(); ++i) {
    const records::KeptByWalker& kept = s.kept_by_walkers[i];
    if (kept.walker != number) continue;
    if (iova < kept.first) out.ends_at(kept.first - 1);
    if (iova < kept.first || kept.last < iova) continue;
    out.ends_at(kept.last);
    out.add({.state = State::mapped, .pa = kept.pa + (iova - kept.first), .prot = kept.prot});
    out.add({.state = State::unmapped});
  }
  return out;
}

}  // namespace iommucheck::spec::sva
