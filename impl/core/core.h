// SPDX-License-Identifier: MIT
// The calls of driver.h, and what serves them: each part has a header of its own, which says its
// subject and what it keeps true. A part knows those that stand above it here, and of what stands
// below only how to recover (Recover, batch.h). All of it is in the platform's arena; the IOMMU is
// behind backend.h.
#pragma once

#include "base/types.h"
#include "impl/core/attach_pasid.h"
#include "impl/core/attachments.h"
#include "impl/core/backend.h"
#include "impl/core/batch.h"
#include "impl/core/bind.h"
#include "impl/core/bonds.h"
#include "impl/core/devices.h"
#include "impl/core/dirty.h"
#include "impl/core/domains.h"
#include "impl/core/entries.h"
#include "impl/core/exit.h"
#include "impl/core/faults.h"
#include "impl/core/io_mms.h"
#include "impl/core/mapping.h"
#include "impl/core/moves.h"
#include "impl/core/owed.h"
#include "impl/core/own_tables.h"
#include "impl/core/pasids.h"
#include "impl/core/private_spaces.h"
#include "impl/core/processes.h"
#include "impl/core/recovery.h"
#include "impl/core/routes.h"
#include "impl/core/sva_devices.h"
#include "impl/core/tasks.h"
#include "impl/core/unbind.h"
#include "impl/core/user_events.h"
#include "impl/core/users.h"
#include "impl/core/uses.h"
#include "impl/core/virtual_devices.h"
#include "impl/core/waiting.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Core {
 public:
  Core(const iommucheck_platform& platform, const iommucheck_config& config, Backend& backend,
       TableForm form);

  // The calls of driver.h; results and errors as stated there.
  int init();
  int reset();
  int shutdown();
  void handle_irq(u64 source);
  int recover() { return recovery_.recover(); }
  void held(iommucheck_held& held);
  int device_add(u32 device);
  int device_remove(u32 device);
  int device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit);
  int fault_queue_open(u32 device, iommucheck_handle domain, u32 depth, iommucheck_handle* queue);
  int fault_queue_close(iommucheck_handle queue);
  int fault_handler_set(u32 device, u32 pasid, bool present, u64 word);

  // Those that one part serves.
  Domains& domains() { return domains_; }
  Moves& moves() { return moves_; }
  AttachPasid& attach_pasid() { return attach_pasid_; }
  Mapping& mapping() { return mapping_; }
  Dirty& dirty() { return dirty_; }
  Users& users() { return users_; }
  UserEvents& events() { return events_; }
  Faults& faults() { return faults_; }
  Tasks& tasks() { return tasks_; }
  Pasids& pasids() { return pasids_; }
  Binding& binding() { return binding_; }
  Unbinding& unbinding() { return unbinding_; }
  Bonds& bonds() { return bonds_; }
  Exit& exit() { return exit_; }
  PrivateSpaces& private_spaces() { return private_spaces_; }
  IoMms& io_mms() { return io_mms_; }

  /// The space that a call on a domain, a private io_mm or a token is about; null and an error for
  /// others.
  Space* domain_space(iommucheck_handle domain, int* error) {
    return domains_.domain_space(domain, error);
  }
  Space* private_space(iommucheck_handle io_mm, int* error) {
    return io_mms_.private_space(io_mm, error);
  }
  Space* task_space(iommucheck_handle token, int* error) { return tasks_.task_space(token, error); }

  /// What of what the parts count and list does not hold, between calls; null: all of it does. For
  /// tests.
  const char* inconsistency();

 private:
  void free_everything();
  int turn_off();

  Platform platform_;
  Backend& backend_;
  // What there is.
  Devices devices_;
  Attachments attachments_;
  VirtualDevices virtual_devices_;
  Pasids pasids_;
  SvaDevices sva_devices_;
  Processes processes_;
  IoMms io_mms_;
  // What is sent and owed, and where things lead.
  Batch batch_;
  Domains domains_;
  Uses uses_;
  Routes routes_;
  Debts debts_;
  Entries entries_;
  OwnTables tables_;
  // Who is bound, what waits.
  Bonds bonds_;
  UserEvents events_;
  Faults faults_;
  Waiting waiting_;
  // What calls do.
  Unbinding unbinding_;
  Binding binding_;
  PrivateSpaces private_spaces_;
  Exit exit_;
  AttachPasid attach_pasid_;
  Moves moves_;
  Mapping mapping_;
  Dirty dirty_;
  Tasks tasks_;
  Users users_;
  Recovery recovery_;
};

}  // namespace iommucheck::impl
