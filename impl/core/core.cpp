// SPDX-License-Identifier: MIT
// From any state to one that translates with every device blocked, and back; devices, and what is
// of no part alone.
#include "impl/core/core.h"

#include <algorithm>

namespace iommucheck::impl {

Core::Core(const iommucheck_platform& platform, const iommucheck_config& config, Backend& backend,
           TableForm form)
    : platform_(platform),
      backend_(backend),
      devices_(config, backend),
      pasids_(platform_, backend),
      sva_devices_(backend, devices_),
      processes_(platform_, backend),
      io_mms_(platform_, backend, pasids_, sva_devices_, processes_),
      batch_(platform_, backend, devices_, attachments_, io_mms_, recovery_),
      domains_(platform_, backend, form, devices_, virtual_devices_, batch_),
      uses_(platform_, sva_devices_, processes_, io_mms_, domains_),
      routes_(platform_, backend, devices_, domains_, batch_),
      debts_(backend, devices_, domains_, attachments_, uses_, batch_),
      entries_(platform_, backend, devices_, domains_, attachments_, io_mms_, uses_, batch_,
               routes_, debts_),
      tables_(backend, devices_, domains_, attachments_, uses_, batch_),
      bonds_(platform_, {.devices = devices_,
                         .domains = domains_,
                         .pasids = pasids_,
                         .sva_devices = sva_devices_,
                         .processes = processes_,
                         .io_mms = io_mms_,
                         .uses = uses_}),
      events_(platform_, backend, devices_, domains_, attachments_, virtual_devices_),
      faults_(platform_, backend,
              {.devices = devices_,
               .domains = domains_,
               .pasids = pasids_,
               .sva_devices = sva_devices_,
               .bonds = bonds_,
               .batch = batch_,
               .events = events_}),
      waiting_({.devices = devices_,
                .domains = domains_,
                .sva_devices = sva_devices_,
                .io_mms = io_mms_,
                .uses = uses_,
                .bonds = bonds_,
                .batch = batch_,
                .entries = entries_,
                .faults = faults_}),
      unbinding_(platform_, backend,
                 {.devices = devices_,
                  .domains = domains_,
                  .pasids = pasids_,
                  .sva_devices = sva_devices_,
                  .processes = processes_,
                  .io_mms = io_mms_,
                  .uses = uses_,
                  .bonds = bonds_,
                  .batch = batch_,
                  .entries = entries_,
                  .faults = faults_,
                  .waiting = waiting_}),
      binding_(platform_, backend,
               {.devices = devices_,
                .domains = domains_,
                .pasids = pasids_,
                .sva_devices = sva_devices_,
                .processes = processes_,
                .io_mms = io_mms_,
                .uses = uses_,
                .bonds = bonds_,
                .batch = batch_,
                .entries = entries_,
                .tables = tables_,
                .waiting = waiting_,
                .unbinding = unbinding_}),
      private_spaces_(backend, {.devices = devices_,
                                .domains = domains_,
                                .sva_devices = sva_devices_,
                                .io_mms = io_mms_,
                                .uses = uses_,
                                .batch = batch_,
                                .binding = binding_,
                                .unbinding = unbinding_}),
      exit_(platform_, {.backend = backend_,
                        .sva_devices = sva_devices_,
                        .processes = processes_,
                        .io_mms = io_mms_,
                        .uses = uses_,
                        .bonds = bonds_,
                        .batch = batch_,
                        .entries = entries_,
                        .faults = faults_,
                        .unbinding = unbinding_}),
      attach_pasid_(platform_, backend,
                    {.devices = devices_,
                     .domains = domains_,
                     .attachments = attachments_,
                     .pasids = pasids_,
                     .batch = batch_,
                     .routes = routes_,
                     .debts = debts_,
                     .entries = entries_,
                     .tables = tables_,
                     .faults = faults_,
                     .binding = binding_,
                     .unbinding = unbinding_}),
      moves_(platform_, backend,
             {.devices = devices_,
              .domains = domains_,
              .attachments = attachments_,
              .batch = batch_,
              .routes = routes_,
              .debts = debts_,
              .tables = tables_,
              .bonds = bonds_,
              .faults = faults_,
              .waiting = waiting_,
              .unbinding = unbinding_,
              .attach_pasid = attach_pasid_}),
      mapping_(platform_, backend, domains_, batch_, debts_),
      dirty_(platform_, backend, domains_, batch_, debts_),
      tasks_(platform_, backend, devices_, domains_, bonds_, binding_, unbinding_),
      users_(platform_, backend, devices_, domains_, attachments_, virtual_devices_, batch_),
      recovery_(backend, {.devices = devices_,
                          .domains = domains_,
                          .attachments = attachments_,
                          .io_mms = io_mms_,
                          .uses = uses_,
                          .batch = batch_,
                          .routes = routes_,
                          .debts = debts_,
                          .entries = entries_,
                          .tables = tables_,
                          .faults = faults_,
                          .unbinding = unbinding_}) {}

int Core::init() {
  if (int error = backend_.probe()) return error;
  domains_.create();
  if (!devices_.create(platform_)) return -IOMMUCHECK_ENOMEM;
  pasids_.create();
  const bool room = sva_devices_.create(platform_) && faults_.create(devices_.count());
  return room ? 0 : -IOMMUCHECK_ENOMEM;
}

int Core::reset() {
  if (int error = backend_.begin_reset()) return error;
  // Unknown contents from before reset must be gone before anything is translated.
  if (int error = recovery_.recover()) return error;
  return backend_.end_reset();
}

int Core::shutdown() {
  routes_.set_leaving(true);
  const int error = turn_off();
  routes_.set_leaving(false);
  if (error == 0) free_everything();
  return error;
}

int Core::turn_off() {
  if (backend_.takes_commands()) {
    // Off first, so that nothing is filled any more; then caches are emptied; then memory goes.
    if (int error = backend_.block()) return error;
    if (int error = routes_.block_caching_devices()) return error;
    if (int error = backend_.stop()) return error;
    if (int error = recovery_.recover()) return error;
  }
  return backend_.power_off();
}

/// Plain numbers stay.
void Core::free_everything() {
  unbinding_.detach_all();
  bonds_.shutdown();
  uses_.shutdown();
  io_mms_.shutdown();
  processes_.shutdown();
  sva_devices_.shutdown();
  faults_.shutdown();
  events_.shutdown();
  tasks_.shutdown();
  virtual_devices_.shutdown();
  attachments_.shutdown();
  domains_.shutdown();
  tables_.shutdown();
  devices_.shutdown();
  backend_.free_everything();
  batch_.shutdown();
}

void Core::handle_irq(u64 source) {
  const bool of_faults =
      source == IOMMUCHECK_IRQ_EVENT_QUEUE || source == IOMMUCHECK_IRQ_PAGE_REQUEST_QUEUE;
  if (of_faults) faults_.drain({});
  if (source == IOMMUCHECK_IRQ_GLOBAL_ERROR) backend_.handle_errors();
}

void Core::held(iommucheck_held& held) {
  domains_.held(held);
  tasks_.held(held);
  held.queues = faults_.queues() + events_.queues();
  io_mms_.held(held);
  bonds_.held(held);
  held.pasids = pasids_.held();
}

int Core::device_add(u32 device) {
  if (device >= devices_.count()) return -IOMMUCHECK_EINVAL;
  if (devices_[device].added) return -IOMMUCHECK_EEXIST;
  const Backend::Added added = backend_.add_device(device);
  if (added.changed) {
    // After a failure too: what was made stays, blocked, and the next device may find it there.
    backend_.forget_route(device, true);
    if (int error = batch_.commit()) return error;
  }
  if (added.error != 0) return added.error;
  if (backend_.has_cache(device)) {
    // Whoever had the device before us may have left translations in it.
    batch_.drop_device(device, no_pasid);
    if (int error = batch_.commit()) return error;
  }
  const unsigned bits = devices_.alone(device) ? backend_.pasid_bits(device) : 0;
  devices_[device] = {
      .added = true, .isolated = devices_[device].isolated, .pasid_bits = static_cast<u8>(bits)};
  devices_.join_group(device);
  return 0;
}

/// Surprise removal: nobody is waited for, and the device itself is not spoken to any more. The
/// others of its group stay where they are.
int Core::device_remove(u32 device) {
  if (!devices_.present(device)) return -IOMMUCHECK_EINVAL;
  devices_[device].gone = true;
  devices_.leave_group(device);
  int error = unbinding_.device_gone(device);
  faults_.device_gone(device);
  tasks_.drop_tasks_of(device);
  domains_.drop_virtual_devices(device);
  if (int late = attach_pasid_.end_attachments(device, AttachPasid::every_pasid); error == 0)
    error = late;
  Domain* domain = domains_.find(devices_[device].domain);
  if (domain != nullptr) {
    const int late = moves_.take_off(*domain, device);
    if (error == 0) error = late;
  }
  devices_[device] = Device();
  return error;
}

int Core::device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  if (!devices_.alone(device)) return -IOMMUCHECK_EINVAL;
  return sva_devices_.device_init(device, features, min, max, has_mm_exit);
}

int Core::fault_queue_open(u32 device, iommucheck_handle domain, u32 depth,
                           iommucheck_handle* queue) {
  const bool of_device = device != ~u32{0};
  if (of_device == (domain != 0)) return -IOMMUCHECK_EINVAL;
  if (!of_device) return faults_.open_for_user(domain, depth, queue);
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  return faults_.open(device, depth, queue);
}

/// Of faults or of events.
int Core::fault_queue_close(iommucheck_handle queue) {
  return UserEvents::is_one(queue) ? events_.close(queue) : faults_.close(queue);
}

int Core::fault_handler_set(u32 device, u32 pasid, bool present, u64 word) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  return faults_.set_handler(device, pasid, present, word);
}

const char* Core::inconsistency() {
  const char* wrong = devices_.inconsistency();
  if (wrong == nullptr) wrong = domains_.inconsistency(attachments_);
  if (wrong == nullptr) wrong = io_mms_.inconsistency();
  if (wrong == nullptr) wrong = uses_.inconsistency(batch_.owed());
  return wrong != nullptr ? wrong : bonds_.inconsistency();
}

}  // namespace iommucheck::impl
