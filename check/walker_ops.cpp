// SPDX-License-Identifier: MIT
#include "check/walker_ops.h"

#include <algorithm>

namespace iommucheck::oracle {

namespace {

using fuzz::OperationKind;
using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

/// Of a dynamic domain, of eight: four leave it to the driver, two want what its master has, and
/// two what it may not have.
u32 wanted_bits(const fuzz::Operation& operation, u32 of_master) {
  switch (operation.choices >> (fuzz::choice_bits - 3)) {
    case 4:
    case 5: return of_master;
    case 6: return of_master == 39 ? 48 : 39;
    case 7: return 25;
    default: return 0;
  }
}

}  // namespace

/// Number of the new domain among case_.spaces, of which the table's address was asked;
/// case_.spaces.size(): there is none.
std::size_t WalkerOps::make_dynamic(u64 master, u32 input_bits) {
  Call call{.kind = CallKind::domain_alloc};
  call.domain_kind = static_cast<u32>(spec::sva::DomainKind::dynamic);
  call.parent = master;
  call.input_bits = input_bits;
  if (case_.spaces.size() >= spaces_max || !may_call(call)) return case_.spaces.size();
  const Observed observed = make_call(call);
  if (observed.status != Status::ok || !monitor_.findings().empty()) return case_.spaces.size();
  Space space;
  space.handle = observed.value;
  space.facts = observed.facts;
  space.paging = space.dynamic = true;
  case_.spaces.push_back(std::move(space));
  ask_table(case_.spaces.back());
  return case_.spaces.size() - 1;
}

void WalkerOps::ask_table(const Space& space) {
  Call call{.kind = space.task ? CallKind::task_get_attr : CallKind::domain_get_attr};
  handle_in(call, space) = space.handle;
  call.attribute = spec::sva::attribute_ttbr0;
  if (may_call(call)) make_call(call);
}

std::vector<LockstepCase::SvmTask> WalkerOps::tokens() const {
  std::vector<SvmTask> all = case_.svm_tasks;
  for (const Space& space : case_.spaces) {
    if (space.task) all.push_back({space.handle, space.device});
  }
  return all;
}

/// dynamic_alloc, gpu_switch.
void WalkerOps::perform_dynamic(const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 device = device_of(operation);
  if (operation.kind == OperationKind::dynamic_alloc) {
    const Space& master = case_.spaces[spaces_.pick_space(operation)];
    if (!master.io_mm && !master.task) {
      make_dynamic(master.handle, wanted_bits(operation, master.facts.input_bits));
    }
    return;
  }
  if (static_cast<fuzz::Switch>(operation.variant) == fuzz::Switch::master) {
    if (interface.has_walker(device)) monitor_.walker_switches(device, 0);
    return;
  }
  // A context bank walks stage 1 tables, and a domain has others where the SMMU has stage 2 alone.
  if (!monitor_.smmu().capabilities().s1p) return;
  // A context bank has the format of the domain that its device is on: the tables are that
  // domain's own.
  if (interface.domain_of(device) == 0) {
    const auto usable = std::ranges::find_if(case_.spaces, may_master);
    if (usable == case_.spaces.end()) return;
    Call call{.kind = CallKind::attach};
    call.domain = usable->handle;
    call.device = device;
    if (may_call(call)) make_call(call);
  }
  const u64 master = interface.domain_of(device);
  if (!interface.is_paging(master) || !monitor_.findings().empty()) return;
  std::vector<std::size_t> its;
  for (std::size_t i = 0; i < case_.spaces.size(); ++i) {
    const Space& space = case_.spaces[i];
    const bool dynamic = space.dynamic && interface.master_of(space.handle) == master;
    if (dynamic || (space.task && space.device == device)) its.push_back(i);
  }
  const std::size_t index = its.empty() ? make_dynamic(master) : its[operation.domain % its.size()];
  if (index >= case_.spaces.size() || !monitor_.findings().empty()) return;
  const u64 root = spaces_.table_of(case_.spaces[index]);
  if (root != 0) monitor_.walker_switches(device, root);
}

/// Of the device, or of the next one that has such a table.
void WalkerOps::perform_flush(const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 count = interface.device_count();
  for (u32 n = 0; n < count; ++n) {
    const u32 device = (operation.device + n) % count;
    if (interface.table_of_walker(device) == 0) continue;
    monitor_.walker_flushes(device);
    return;
  }
}

/// task_bind, task_unbind.
void WalkerOps::perform_task(const fuzz::Operation& operation) {
  using fuzz::TaskBind;
  if (!host_.has(CallKind::bind_task)) return;
  u32 device = device_of(operation);
  if (operation.kind == OperationKind::task_unbind) {
    const std::vector<SvmTask> all = tokens();
    if (all.empty()) return;
    const SvmTask& its = all[operation.mapping % all.size()];
    Call call{.kind = CallKind::unbind_task};
    call.token = its.token;
    const bool fitting = static_cast<fuzz::Pick>(operation.variant) == fuzz::Pick::fitting;
    call.device = fitting ? its.device : device;
    sva_.set_context(call, operation);
    spaces_.prepare_walkers(call);
    if (may_call(call)) make_call(call);
    return;
  }
  const auto kind = static_cast<TaskBind>(operation.variant);
  if (kind == TaskBind::svm) device = sva_.prepare_bind(device, operation);
  if (!monitor_.findings().empty()) return;
  if (kind == TaskBind::explicit_maps && case_.spaces.size() >= spaces_max) return;
  fuzz::Operation living = operation;
  living.variant = 0;
  Call call{.kind = CallKind::bind_task};
  call.device = device;
  call.mm = sva_.pick_process(living, false);
  call.flags = kind == TaskBind::svm             ? spec::sva::task_svm
               : kind == TaskBind::explicit_maps ? spec::sva::task_explicit
               : operation.domain % 4 == 0       ? 0U
                                                 : 3U;
  call.drvdata = ++case_.drvdata;
  if (call.mm == 0 || !may_call(call)) return;
  const Observed observed = make_call(call);
  if (observed.status != Status::ok || !monitor_.findings().empty()) return;
  if (kind == TaskBind::svm) {
    case_.svm_tasks.push_back({observed.value, device});
    case_.bonds.push_back({device, observed.pasid, call.mm});
    return;
  }
  Space space;
  space.handle = observed.value;
  space.task = space.paging = true;
  space.device = device;
  space.facts = monitor_.interface().facts_of_token(observed.value);
  case_.spaces.push_back(std::move(space));
  ask_table(case_.spaces.back());
}

}  // namespace iommucheck::oracle
