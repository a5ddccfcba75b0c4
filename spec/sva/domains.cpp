// SPDX-License-Identifier: MIT
#include "spec/sva/domains.h"

#include "spec/sva/attachments.h"
#include "spec/sva/dirty.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/nested_calls.h"
#include "spec/sva/private_calls.h"
#include "spec/sva/spaces.h"
#include "spec/sva/time_outs.h"
#include "spec/sva/unseen.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

namespace {

constexpr u32 input_bits_min = 25;

constexpr u32 input_bits_max = 48;

}  // namespace

/// Errors: arguments EINVAL; ENOMEM; ENOSPC when no address space is left. A driver whose table of
/// domains is full while there are numbers says that it has not built more of them.
Permitted permitted_domain_alloc(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const auto kind = static_cast<DomainKind>(call.domain_kind);
  if (kind < DomainKind::paging || kind > DomainKind::nested_pasid) {
    set.add(Reason::there_is_no_such_kind_of_domain);
    return set;
  }
  if (kind == DomainKind::dynamic) return permitted_dynamic_alloc(s, call, around);
  if (is_nested(call.domain_kind)) return permitted_nested_alloc(s, call, around);
  if (kind == DomainKind::paging_s2) set.add(Reason::the_backend_may_not_have_it);
  if (kind != DomainKind::paging) set.add(Reason::a_driver_may_have_no_such_kind);
  if (!is_mapped_by_driver(call.domain_kind)) {
    // Nothing to choose.
  } else if (call.input_bits != 0 &&
             (call.input_bits < input_bits_min || call.input_bits > input_bits_max)) {
    set.add(Reason::input_bits_are_25_to_48);
    return set;
  } else {
    // A driver whose paging domains stage 2 translates has no more to give. IHI 0070 3.4, 5.2
    // (S2T0SZ).
    if (call.input_bits > s.stage2_bits || (s.limits_are_the_drivers && call.input_bits != 0)) {
      set.add(Reason::beyond_what_stage_2_translates);
    }
    const u32 in_use = address_spaces(s);
    if (address_spaces_may_be_used_up(s)) {
      set.add(Reason::no_address_space_left);
    }
    if (in_use != 0) set.add(Reason::so_many_domains_only);
  }
  set.add(Reason::done, ValueRule::new_handle);
  may_lack_memory(set, around);
  // An ASID or VMID that was given back may have to be invalidated before it is given again.
  if (is_mapped_by_driver(call.domain_kind)) may_time_out(set, around);
  return set;
}

void apply_domain_alloc(InterfaceState& s, const Call& call, const Observed& observed) {
  if (observed.status != Status::ok) return;
  Space domain;
  domain.handle = observed.value;
  domain.kind = call.domain_kind;
  domain.life = records::living;
  domain.owner = Owner::domain;
  domain.iommu = call.iommu ? *call.iommu + 1 : 0;
  if (is_dynamic(domain)) domain.domain = s.find_paging(call.parent);
  if (is_nested(domain)) {
    domain.domain = s.find_stage2(call.parent);
    domain.structure = call.structure;
  }
  if (is_mapped_by_driver(call.domain_kind) || is_dynamic(domain)) {
    domain.input_bits = observed.facts.input_bits;
    domain.output_bits = observed.facts.output_bits;
    domain.page_sizes = observed.facts.page_sizes;
  }
  const u32 index = s.spaces.allocate(s.trail, domain);
  note_users_route(s, index);
  s.forest.erase(s.freed_handles, observed.value, observed.value);
  s.forest.insert(s.handles, {.first = observed.value, .last = observed.value, .tag = index});
}

// --- Free ---

/// INTERFACE "Free".
Permitted permitted_domain_free(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const u32 index = s.find(call.domain);
  if (index == 0) {
    set.add(Reason::no_such_domain);
  } else if (s.spaces[index].devices != 0) {
    set.add(Reason::a_device_is_attached_to_it);
  } else if (has_dynamic(s, index)) {
    set.add(Reason::it_is_the_master_of_a_dynamic_domain);
  } else if (has_nested(s, index)) {
    set.add(Reason::it_is_the_parent_of_a_nested_domain);
  } else if (s.event_queue_of(index) != 0) {
    set.add(Reason::its_user_has_an_event_queue);
  } else if (s.queue_of_domain(index) != 0) {
    set.add(Reason::its_faults_have_a_queue);
  } else {
    set.add(Reason::nothing_is_attached_to_it);
    if (!is_dynamic(s.spaces[index])) may_time_out(set, around);
  }
  return set;
}

namespace {

bool has_tables(const Space& domain) {
  return domain.kind != static_cast<u32>(DomainKind::identity) &&
         domain.kind != static_cast<u32>(DomainKind::blocked);
}

}  // namespace

/// INTERFACE "Free"; after a time-out the handle is gone, the rest is held until recovery. What an
/// attach that timed out left of a domain without tables, nobody gives back: it lasts as long as
/// `attach` says.
void apply_domain_free(InterfaceState& s, const Call& call, Status status) {
  if (status != Status::ok && status != Status::etimedout) return;
  const u32 index = s.find(call.domain);
  s.forest.erase(s.handles, call.domain, call.domain);
  s.forest.insert(s.freed_handles, {.first = call.domain, .last = call.domain});
  forget_walkers(s, index);
  forget_dirty(s, index);
  forget_vdevices_of_domain(s, index);
  const bool left_by_attach = !has_tables(s.spaces[index]) && s.spaces[index].ghosts != 0;
  if (status == Status::ok && !left_by_attach) {
    drop_ghosts_of_domain(s, index);
    drop_attached_ghosts_of_domain(s, index);
    ghosts_end_of_domain(s, index);
    drop_unseen(s, [&](const Unseen& record) { return record.domain == index; });
    release_space(s, index);
    return;
  }
  Space& domain = s.spaces.edit(s.trail, index);
  domain.life = records::zombie;
  domain.handle = 0;
  quarantine_stale(s, index);
}

// --- Attributes ---

/// Constant for the object's life. A space without a table, and a RID's PASID ("none"), may be
/// refused or 0.
Permitted permitted_get_attr(const InterfaceState& s, const Call& call) {
  Permitted set;
  const bool of_domain = call.kind == CallKind::domain_get_attr;
  const bool of_process = !of_domain && s.find_process_io_mm(call.io_mm) != 0;
  const u32 space = of_domain ? s.find(call.domain) : s.find_private(call.io_mm);
  if (space == 0 && !of_process) set.add(Reason::no_such_object);
  if (call.attribute != attribute_ttbr0 && call.attribute != attribute_pasid) {
    set.add(Reason::no_such_attribute);
  }
  if (!set.empty()) return set;
  if (of_process) {
    set.add(Reason::a_process_io_mm);
    return set;
  }
  const bool asks_pasid = call.attribute == attribute_pasid;
  const bool has_table = s.target(call) != 0 || !of_domain;
  if (of_domain && (asks_pasid || !has_table)) {
    set.add(Reason::rid_has_no_pasid);
    set.add(Reason::done, ValueRule::one_of);
    set.add_value(0, "none");
  } else if (asks_pasid) {
    return permitted_get_pasid(s, call);
  } else {
    // An IOMMU may keep what is mapped by itself.
    const bool in_memory = !of_domain || is_dynamic(s.spaces[space]) || !s.limits_are_the_drivers;
    if (!in_memory) set.add(Reason::rid_has_no_pasid);
    permit_table_address(s, space, set);
  }
  return set;
}

void apply_get_attr(InterfaceState& s, const Call& call, const Observed& observed) {
  if (observed.status != Status::ok || call.attribute != attribute_ttbr0) return;
  const bool of_io_mm = call.kind == CallKind::io_mm_get_attr;
  const u32 space = of_io_mm ? s.find_private(call.io_mm) : s.target(call);
  if (space != 0 && s.spaces[space].table != observed.value) {
    s.spaces.edit(s.trail, space).table = observed.value;
  }
}

}  // namespace iommucheck::spec::sva
