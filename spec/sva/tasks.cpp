// SPDX-License-Identifier: MIT
#include "spec/sva/tasks.h"

#include "spec/rules/interface.h"
#include "spec/sva/bind.h"
#include "spec/sva/devices.h"
#include "spec/sva/numbers.h"
#include "spec/sva/spaces.h"
#include "spec/sva/tokens.h"
#include "spec/sva/unbind.h"

namespace iommucheck::spec::sva {

namespace {

bool is_one_model(u32 flags) { return flags == task_svm || flags == task_explicit; }

/// The device's domain, if it is an ordinary paging one.
u32 master_for(const InterfaceState& s, u32 device) {
  const u32 domain = s.devices[device].domain;
  if (domain == 0) return 0;
  return s.spaces[domain].kind == static_cast<u32>(DomainKind::paging) ? domain : 0;
}

}  // namespace

Call as_bond_call(const InterfaceState& s, const Call& call) {
  Call bond = call;
  if (call.kind == CallKind::bind_task && call.flags == task_svm) {
    bond.kind = CallKind::bind_device;
    bond.flags = 0;
  } else if (call.kind == CallKind::unbind_task) {
    const u32 token = s.find_token(call.token);
    if (token == 0 || s.tokens[token].bond == 0 || s.tokens[token].device != call.device) {
      return call;
    }
    bond.kind = CallKind::unbind_device;
    bond.pasid = s.tokens[token].pasid;
  }
  return bond;
}

bool is_svm_token(const InterfaceState& s, u64 handle) {
  const u32 token = s.find_token(handle);
  return token != 0 && s.tokens[token].space == 0;
}

// --- bind_task ---

/// INTERFACE "bind_task". With two reasons the error of either is right.
Permitted permitted_bind_task(const InterfaceState& s, const Call& call, Circumstances around,
                              const Pending* begun) {
  Permitted set;
  judge_device(s, call, set);
  if (!is_one_model(call.flags)) {
    set.add(Reason::not_exactly_one_model);
    return set;
  }
  const bool exists = s.device_has_iommu(call.device);
  const bool svm = call.flags == task_svm;
  if (exists && !(svm ? s.constants[call.device].svm : s.constants[call.device].explicit_maps)) {
    set.add(Reason::a_model_that_the_device_cannot_do);
  }
  if (svm) {
    const Permitted bond = permitted_bind(s, as_bond_call(s, call), around, begun);
    bond.for_each([&](Status status, Reason /*reason*/) {
      if (status != Status::ok) set.add_given(Reason::bind_failed, status);
    });
    if (bond.has(Status::ok) && !set.has(Status::eopnotsupp) && !set.has(Status::enodev)) {
      set.add(Reason::done, ValueRule::new_handle);
    }
    return set;
  }
  if (exists && master_for(s, call.device) == 0) {
    set.add(Reason::the_device_has_no_paging_domain);
  }
  if (!set.empty()) return set;
  // The model needs nothing of the process.
  const u32 process = s.find_process(call.mm);
  if (process == 0 || s.spaces[process].life != records::living) {
    set.add(Reason::the_process_is_dead_or_dying);
  }
  if (s.limits_are_the_drivers) set.add(Reason::a_model_that_the_device_cannot_do);
  set.add(Reason::done, ValueRule::new_handle);
  may_lack_memory(set, around);
  return set;
}

Verdict check_task(const InterfaceState& s, const Call& call, const Observed& observed,
                   Circumstances around, const Pending* begun) {
  if (call.flags != task_svm) return {};
  if (observed.pasid == pasid_unknown) {
    return {.ok = false,
            .rule = rule::RESULT_EXACT,
            .message = call_text(call) + " gave a token that does not tell its PASID"};
  }
  const Call own = as_bond_call(s, call);
  const Permitted bond = permitted_bind(s, own, around, begun);
  if (bond.value_rule(Status::ok) == ValueRule::new_pasid) {
    return check_number(s, own, bond, observed.pasid);
  }
  if (bond.has_value(observed.pasid)) return {};
  return {.ok = false,
          .rule = rule::RESULT_EXACT,
          .message = call_text(call) + " gave a token of PASID " + std::to_string(observed.pasid) +
                     ", which is not the process's"};
}

void apply_bind_task(InterfaceState& s, const Call& call, const Observed& observed,
                     const Pending* begun) {
  const bool svm = call.flags == task_svm;
  Token token{.handle = observed.value, .device = call.device};
  if (svm) {
    Observed bound = observed;
    bound.value = observed.pasid;
    apply_bind(s, as_bond_call(s, call), bound, begun);
    token.pasid = observed.pasid;
    token.bond = s.find_bond(call.device, observed.pasid);
  }
  if (observed.status != Status::ok) return;
  if (!svm) {
    const u32 master = master_for(s, call.device);
    Space space = s.spaces[master];
    Space own;
    own.handle = observed.value;
    own.kind = static_cast<u32>(DomainKind::dynamic);
    own.owner = Owner::task;
    own.life = records::living;
    own.domain = master;
    own.maker = call.device;
    own.input_bits = space.input_bits;
    own.output_bits = space.output_bits;
    own.page_sizes = space.page_sizes;
    token.space = s.spaces.allocate(s.trail, own);
  }
  const u32 index = s.tokens.allocate(s.trail, token);
  s.forest.erase(s.freed_tokens, observed.value, observed.value);
  s.forest.insert(s.token_at, {.first = observed.value, .last = observed.value, .tag = index});
}

// --- unbind_task ---

/// One whose bond is gone already is only given back.
Permitted permitted_unbind_task(const InterfaceState& s, const Call& call, Circumstances around,
                                const Pending* begun) {
  Permitted set;
  judge_device(s, call, set);
  const u32 token = s.find_token(call.token);
  if (token == 0) {
    set.add(Reason::no_such_token);
  } else if (s.tokens[token].device != call.device) {
    set.add(Reason::a_token_of_another_device);
  }
  if (!set.empty()) return set;
  const Call own = as_bond_call(s, call);
  if (own.kind == CallKind::unbind_device) return permitted_drop(s, own, around, begun);
  set.add(Reason::done);
  if (begun != nullptr && begun->gone != Gone::no) may_time_out(set, around);
  return set;
}

void apply_unbind_task(InterfaceState& s, const Call& call, Status status) {
  const u32 token = s.find_token(call.token);
  if (!ended(status) || token == 0) return;
  const Call own = as_bond_call(s, call);
  if (own.kind == CallKind::unbind_device) {
    s.tokens.edit(s.trail, token).bond = 0;
    apply_unbind(s, own, status);
  }
  release_token(s, token);
}

// --- Attributes ---

Permitted permitted_task_attr(const InterfaceState& s, const Call& call) {
  Permitted set;
  const u32 token = s.find_token(call.token);
  if (token == 0) set.add(Reason::no_such_token);
  if (call.attribute != attribute_ttbr0 && call.attribute != attribute_pasid) {
    set.add(Reason::no_such_attribute);
  }
  if (!set.empty()) return set;
  const bool asks_pasid = call.attribute == attribute_pasid;
  const Token& its = s.tokens[token];
  if (its.space == 0) {
    // The process's own table, of which the interface knows no address.
    if (its.bond == 0) set.add(Reason::what_it_was_a_reference_of_is_gone);
    set.add(Reason::done, asks_pasid ? ValueRule::one_of : ValueRule::any);
    if (asks_pasid) set.add_value(its.pasid, "the number of its bond");
  } else if (asks_pasid) {
    set.add(Reason::a_table_of_its_own_has_no_pasid);
  } else {
    permit_table_address(s, its.space, set);
  }
  return set;
}

}  // namespace iommucheck::spec::sva
