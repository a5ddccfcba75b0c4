// SPDX-License-Identifier: MIT
#include "check/table_ops.h"

#include <algorithm>
#include <vector>

#include "check/with_memory.h"

namespace iommucheck::oracle {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Observed;
using spec::sva::Status;

/// A device with PASIDs that is on the domain of the private space, or is put there, `device` or
/// the next, not the one that made it if there is another; with sva_device_init done.
u32 TableOps::prepare_link(const Space& space, u32 device) {
  const WithMemory with_memory(host_);
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 count = interface.device_count();
  const u64 domain = interface.domain_of_io_mm(space.handle);
  const auto fits = [&](u32 i) {
    const u64 its = interface.domain_of(i);
    return monitor_.setup().devices[i].ssid_bits != 0 && i != space.device &&
           (its == 0 || its == domain);
  };
  for (u32 n = 0; n < count && !fits(device); ++n) device = (device + 1) % count;
  if (!fits(device)) return device;
  if (interface.domain_of(device) == 0) {
    Call call{.kind = CallKind::attach};
    call.domain = domain;
    call.device = device;
    if (may_call(call)) make_call(call);
  }
  if (!interface.has_sva(device) && monitor_.findings().empty()) {
    sva_.perform_init({.kind = fuzz::OperationKind::sva_init, .device = static_cast<u16>(device)});
  }
  return device;
}

void TableOps::perform_link(const fuzz::Operation& operation) {
  if (!host_.has(CallKind::sva_attach) || !host_.has(CallKind::sva_detach)) return;
  const auto kind = static_cast<fuzz::LinkKind>(operation.variant);
  std::vector<Space> fitting;
  const auto look = [&] {
    for (const Space& space : case_.spaces) {
      if (space.io_mm) fitting.push_back(space);
    }
  };
  look();
  if (fitting.empty() && kind == fuzz::LinkKind::attach && !case_.spaces.empty()) {
    sva_.perform_private(
        {.kind = fuzz::OperationKind::sva_alloc, .device = operation.device, .choices = 0});
    look();
  }
  if (fitting.empty() || !monitor_.findings().empty()) return;
  const Space& space = fitting[operation.mapping % fitting.size()];
  u32 device = device_of(operation);
  const spec::sva::Interface& interface = monitor_.interface();
  if (kind == fuzz::LinkKind::attach) device = prepare_link(space, device);
  for (u32 n = 0; kind == fuzz::LinkKind::detach && n < interface.device_count(); ++n) {
    const u32 next = (device_of(operation) + n) % interface.device_count();
    if (!interface.is_linked(space.handle, next)) continue;
    device = next;
    break;
  }
  if (!monitor_.findings().empty()) return;
  const bool attaches = kind == fuzz::LinkKind::attach ||
                        (kind == fuzz::LinkKind::selected && (operation.choices & 1) != 0);
  Call call{.kind = attaches ? CallKind::sva_attach : CallKind::sva_detach};
  call.io_mm = space.handle;
  call.device = device;
  if (may_call(call)) make_call(call);
}

/// A device with PASIDs, `device` or the next, that is attached to something: to a blocked or an
/// identity domain too, where there is one.
u32 TableOps::prepare_attach_pasid(u32 device, const fuzz::Operation& operation) {
  const WithMemory with_memory(host_);
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 count = interface.device_count();
  for (u32 n = 0; n < count && monitor_.setup().devices[device].ssid_bits == 0; ++n) {
    device = (device + 1) % count;
  }
  if (case_.plain_pasids.empty() || (operation.choices & 0x70) == 0x70) {
    const bool high = (operation.choices & 0x80) != 0;
    sva_.perform_numbers(
        {.kind = fuzz::OperationKind::pasid_alloc,
         .window = static_cast<u16>(high ? fuzz::PasidRange::high : fuzz::PasidRange::small)});
  }
  if (interface.domain_of(device) != 0 || !monitor_.findings().empty()) return device;
  std::vector<u64> domains;
  for (const Space& space : case_.spaces) {
    if (!space.io_mm && !space.task && !space.dynamic) domains.push_back(space.handle);
  }
  if (domains.empty()) return device;
  Call call{.kind = CallKind::attach};
  call.domain = domains[operation.choices % domains.size()];
  call.device = device;
  if (may_call(call)) make_call(call);
  return device;
}

void TableOps::perform_attach_pasid(const fuzz::Operation& operation) {
  using fuzz::AttachPasid;
  if (!host_.has(CallKind::attach_pasid) || !host_.has(CallKind::detach_pasid)) return;
  const auto kind = static_cast<AttachPasid>(operation.variant);
  const spec::sva::Interface& interface = monitor_.interface();
  u32 device = device_of(operation);
  if (kind == AttachPasid::attach) device = prepare_attach_pasid(device, operation);
  if (!monitor_.findings().empty()) return;
  std::vector<u64> domains;
  for (const Space& space : case_.spaces) {
    if (!space.io_mm && !space.task) domains.push_back(space.handle);
  }
  if (domains.empty()) return;
  const bool detaches = kind == AttachPasid::detach ||
                        (kind == AttachPasid::selected && (operation.choices & 1) != 0);
  Call call{.kind = detaches ? CallKind::detach_pasid : CallKind::attach_pasid};
  call.domain = domains[operation.domain % domains.size()];
  call.device = device;
  call.pasid = operation.mapping;
  const bool held = kind != AttachPasid::selected && !case_.plain_pasids.empty();
  if (held) call.pasid = case_.plain_pasids[operation.mapping % case_.plain_pasids.size()];
  // Where something is attached.
  const std::size_t pairs = case_.plain_pasids.size() * interface.device_count();
  for (std::size_t n = 0; kind == AttachPasid::detach && n < pairs; ++n) {
    const u32 pasid = case_.plain_pasids[(operation.mapping + n) % case_.plain_pasids.size()];
    const u32 its = static_cast<u32>((operation.device + n / case_.plain_pasids.size()) %
                                     interface.device_count());
    if (interface.attached_at(its, pasid) == 0) continue;
    call.device = its;
    call.pasid = pasid;
    call.domain = interface.attached_at(its, pasid);
    break;
  }
  if (may_call(call)) make_call(call);
}

}  // namespace iommucheck::oracle
