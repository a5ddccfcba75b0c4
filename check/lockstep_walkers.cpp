// SPDX-License-Identifier: MIT
// Dynamic domains and tokens, and context banks that go to their tables: a GPU's driver keeps its
// own duties, so that what is found is the IOMMU driver's. INTERFACE "Dynamic domains".
#include <algorithm>

#include "check/lockstep.h"

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

/// Number of the new domain among spaces_, of which the table's address was asked; spaces_.size():
/// there is none.
std::size_t Lockstep::make_dynamic(u64 master, u32 input_bits) {
  Call call{.kind = CallKind::domain_alloc};
  call.domain_kind = static_cast<u32>(spec::sva::DomainKind::dynamic);
  call.parent = master;
  call.input_bits = input_bits;
  if (spaces_.size() >= spaces_max || !may_call(call)) return spaces_.size();
  const Observed observed = make_call(call);
  if (observed.status != Status::ok || !monitor_.findings().empty()) return spaces_.size();
  Space space;
  space.handle = observed.value;
  space.facts = observed.facts;
  space.paging = space.dynamic = true;
  spaces_.push_back(std::move(space));
  ask_table(spaces_.back());
  return spaces_.size() - 1;
}

void Lockstep::ask_table(const Space& space) {
  Call call{.kind = space.task ? CallKind::task_get_attr : CallKind::domain_get_attr};
  handle_in(call, space) = space.handle;
  call.attribute = spec::sva::attribute_ttbr0;
  if (may_call(call)) make_call(call);
}

u64 Lockstep::table_of(const Space& space) const {
  const spec::sva::Interface& interface = monitor_.interface();
  return space.task ? interface.table_of_token(space.handle) : interface.table_of(space.handle);
}

std::vector<Lockstep::SvmTask> Lockstep::tokens() const {
  std::vector<SvmTask> all = svm_tasks_;
  for (const Space& space : spaces_) {
    if (space.task) all.push_back({space.handle, space.device});
  }
  return all;
}

/// dynamic_alloc, gpu_switch.
void Lockstep::perform_dynamic(const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 device = device_of(operation);
  if (operation.kind == OperationKind::dynamic_alloc) {
    const Space& master = spaces_[pick_space(operation)];
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
    const auto usable = std::ranges::find_if(spaces_, may_master);
    if (usable == spaces_.end()) return;
    Call call{.kind = CallKind::attach};
    call.domain = usable->handle;
    call.device = device;
    if (may_call(call)) make_call(call);
  }
  const u64 master = interface.domain_of(device);
  if (!interface.is_paging(master) || !monitor_.findings().empty()) return;
  std::vector<std::size_t> its;
  for (std::size_t i = 0; i < spaces_.size(); ++i) {
    const Space& space = spaces_[i];
    const bool dynamic = space.dynamic && interface.master_of(space.handle) == master;
    if (dynamic || (space.task && space.device == device)) its.push_back(i);
  }
  const std::size_t index = its.empty() ? make_dynamic(master) : its[operation.domain % its.size()];
  if (index >= spaces_.size() || !monitor_.findings().empty()) return;
  const u64 root = table_of(spaces_[index]);
  if (root != 0) monitor_.walker_switches(device, root);
}

bool Lockstep::is_walked_by(const Space& space, u32 device) const {
  const u64 root = monitor_.interface().table_of_walker(device);
  if (root == 0 || (!space.dynamic && !space.task)) return false;
  return root == table_of(space);
}

/// Of the device, or of the next one that has such a table.
void Lockstep::perform_flush(const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 count = interface.device_count();
  for (u32 n = 0; n < count; ++n) {
    const u32 device = (operation.device + n) % count;
    if (interface.table_of_walker(device) == 0) continue;
    monitor_.walker_flushes(device);
    return;
  }
}

/// What a GPU's driver does before the call: flushes before it says so, and leaves a table that it
/// gives back.
void Lockstep::prepare_walkers(const Call& call) {
  const bool syncs = call.kind == CallKind::iotlb_sync || call.kind == CallKind::flush_iotlb_all;
  const bool frees = call.kind == CallKind::domain_free || call.kind == CallKind::unbind_task;
  if (!syncs && !frees) return;
  std::vector<u32> walkers;
  monitor_.interface().for_each_walker_of(call, [&](u32 walker) { walkers.push_back(walker); });
  for (const u32 walker : walkers) {
    if (syncs) {
      monitor_.walker_flushes(walker);
    } else {
      monitor_.walker_switches(walker, 0);
    }
  }
}

/// task_bind, task_unbind.
void Lockstep::perform_task(const fuzz::Operation& operation) {
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
    set_context(call, operation);
    prepare_walkers(call);
    if (may_call(call)) make_call(call);
    return;
  }
  const auto kind = static_cast<TaskBind>(operation.variant);
  if (kind == TaskBind::svm) device = prepare_bind(device, operation);
  if (!monitor_.findings().empty()) return;
  if (kind == TaskBind::explicit_maps && spaces_.size() >= spaces_max) return;
  fuzz::Operation living = operation;
  living.variant = 0;
  Call call{.kind = CallKind::bind_task};
  call.device = device;
  call.mm = pick_process(living, false);
  call.flags = kind == TaskBind::svm             ? spec::sva::task_svm
               : kind == TaskBind::explicit_maps ? spec::sva::task_explicit
               : operation.domain % 4 == 0       ? 0U
                                                 : 3U;
  call.drvdata = ++drvdata_;
  if (call.mm == 0 || !may_call(call)) return;
  const Observed observed = make_call(call);
  if (observed.status != Status::ok || !monitor_.findings().empty()) return;
  if (kind == TaskBind::svm) {
    svm_tasks_.push_back({observed.value, device});
    bonds_.push_back({device, observed.pasid, call.mm});
    return;
  }
  Space space;
  space.handle = observed.value;
  space.task = space.paging = true;
  space.device = device;
  space.facts = monitor_.interface().facts_of_token(observed.value);
  spaces_.push_back(std::move(space));
  ask_table(spaces_.back());
}

}  // namespace iommucheck::oracle
