// SPDX-License-Identifier: MIT
// One SMMU, its paging domains and their PASID tables: the state of the driver, all of it in the
// platform's arena.
//
// Invariants that the code relies on, and keeps:
//  - an STE is blocked, bypass, or stage 1 through the CDs of the domain that the device is on
//    (structures.h: one word, so that every change is hitless);
//  - `Space::cached` is false only if no CD of the space can be reached and its ASID has been
//    invalidated since. Such a space owes the hardware nothing: its unmaps send no command;
//  - while a device is blocked its ATC holds nothing (with CR0.ATSCHK it could not use it either);
//  - after a time-out (`owed_`) nothing that a cache may still hold is freed or used anew until
//    recover() has invalidated everything (SEMANTICS 5, quarantine).
#pragma once

#include <array>

#include "base/types.h"
#include "impl/pgtable/space.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"
#include "impl/smmuv3/cd_table.h"
#include "impl/smmuv3/command_queue.h"
#include "impl/smmuv3/invalidation.h"
#include "impl/smmuv3/pools.h"
#include "impl/smmuv3/registers.h"
#include "impl/smmuv3/stream_table.h"
#include "impl/sva/sva.h"

namespace iommucheck::impl {

struct Domain {
  bool used = false;
  bool zombie = false;  // freed by its caller, held by a time-out
  u32 index = 0;
  u32 generation = 0;
  u32 kind = 0;
  u32 devices = 0;
  u32 ats_devices = 0;  // of them
  CdTable cds;
  Space space;  // of accesses without a PASID
};

struct Device {
  bool added = false;
  bool gone = false;             // being removed: it answers no more
  u8 pasid_bits = 0;             // of what it can send and the SMMU can do
  bool moving = false;           // of those that an attach or detach is about, it is one
  u32 next = 0;                  // of the ring of added devices that move together
  iommucheck_handle domain = 0;  // 0: blocked
  iommucheck_handle from = 0;    // its domain before the attach that it is moving by
};

class Smmu final : private Backend {
 public:
  Smmu(const iommucheck_platform& platform, const iommucheck_config& config)
      : platform_(platform), config_(&config), sva_(platform_, *this) {}

  // The calls of driver.h; results and errors as stated there.
  int init();
  int reset();
  int shutdown();
  void handle_irq(u32 source);
  int device_add(u32 device);
  int device_remove(u32 device);
  int domain_alloc(const iommucheck_domain_params& params, iommucheck_handle* handle);
  int domain_free(iommucheck_handle handle);
  int domain_get_info(iommucheck_handle handle, iommucheck_domain_info* info);
  int domain_get_attr(iommucheck_handle handle, u32 attr, u64* value);
  int attach(iommucheck_handle handle, u32 device);
  int detach(iommucheck_handle handle, u32 device);
  int device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit);
  void held(iommucheck_held& held);
  int recover();
  Sva& sva() { return sva_; }

  /// The space that a call on a domain or a private io_mm is about; null and an error for others.
  Space* domain_space(iommucheck_handle domain, int* error);
  Space* private_space(iommucheck_handle io_mm, int* error) {
    return sva_.private_space(io_mm, error);
  }
  int map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot);
  iommucheck_result map_sg(Space& space, u64 iova, const iommucheck_sg* sg, u64 count, u32 prot);
  iommucheck_result unmap(Space& space, u64 iova, u64 bytes);
  iommucheck_result unmap_fast(Space& space, u64 iova, u64 bytes);
  int sync(Space& space) { return complete(space); }
  int flush_all(Space& space);
  int range_add(Space& space, u64 iova, u64 bytes);
  u64 translate(const Space& space, u64 iova) const {
    return space.table.translate(platform_, iova);
  }
  /// Of a domain of any kind.
  u64 iova_to_phys(iommucheck_handle domain, u64 iova);

 private:
  // bring-up (bring_up.cpp)
  int write_cr0(u32 value);
  void handle_global_errors();
  int block_bypass();
  int block_ats();
  int allocate_structures();
  void program_event_queue();
  void free_everything();

  // events (events.cpp)
  enum class Whose : u8 { nobody, device, domain };
  struct Ending {
    Whose whose = Whose::nobody;
    u64 of = 0;  // device or domain
    u32 pasid = 0;
  };
  struct Record {
    u32 stream_id = 0;
    u32 pasid = 0;  // 0: none
    bool stalled = false;
    u32 stag = 0;
    u64 word0 = 0, word1 = 0, iova = 0;
  };
  /// A stall whose record was read, until it is answered.
  struct OpenFault {
    enum class State : u8 {
      none,
      open,   ///< the answer did not get through
      asked,  ///< its handler runs
      ended   ///< by a call from inside of its handler
    };
    State state = State::none;
    bool counted = false;  ///< as a fault that waits, in the word of its number
    Record record;
  };
  void drain_events(Ending ending);
  u32 drain_once(const Ending& ending);
  Record read_record();
  bool ends(const Record& record, const Ending& ending) const;
  bool resume(OpenFault& fault, bool again);
  bool answer(OpenFault& fault, const Ending& ending);
  bool take_fault(const Record& record, const Ending& ending);
  bool end_open_faults(const Ending& ending);
  void log_record(const Record& record) const;
  bool device_of(u32 stream_id, u32* device) const;

  // configuration (attach.cpp)
  bool device_exists(u32 device) const {
    return device < config_->device_count && devices_[device].added && !devices_[device].gone;
  }
  const iommucheck_device& device_config(u32 device) const { return config_->devices[device]; }
  bool has_ats(u32 device) const {
    return features_.ats && (device_config(device).flags & IOMMUCHECK_DEVICE_ATS) != 0;
  }
  bool can_stall(u32 device) const {
    return features_.stall_model == 0 &&
           (device_config(device).flags & IOMMUCHECK_DEVICE_STALL) != 0;
  }
  bool alone(u32 device) const;
  void join_group(u32 device);
  void leave_group(u32 device);
  /// The device and whoever moves with it.
  template <class Visit>
  void for_each_member(u32 device, Visit visit) const {
    u32 i = device;
    do {
      visit(i);
      i = devices_[i].next;
    } while (i != device);
  }
  /// Of them, those that do move.
  template <class Visit>
  void for_each_moving(u32 device, Visit visit) const {
    for_each_member(device, [&](u32 i) {
      if (devices_[i].moving) visit(i);
    });
  }
  u64 ste_word0(const Domain* domain, u32 device) const;
  bool set_stes(u32 device, u64 word);
  void add_cfgi(u32 device);
  int move_devices(u32 device, Domain& domain);
  int take_off(Domain& domain, u32 device);
  int leave(Domain& domain, u32 device);
  int build_paging(Domain& domain, unsigned input_bits);
  void release(Domain& domain);

  // PASID tables (pasids.cpp): impl/sva/backend.h
  bool device_present(u32 device) const override { return device_exists(device); }
  unsigned pasid_bits(u32 device) const override;
  iommucheck_handle paging_domain(u32 device) const override;
  iommucheck_handle domain_of(u32 device) const override { return devices_[device].domain; }
  bool may_wait(iommucheck_handle domain) const override;
  int reserve(iommucheck_handle domain, u32 pasid) override;
  int enter(iommucheck_handle domain, u32 pasid, const Entry& entry) override;
  void change(iommucheck_handle domain, u32 pasid, const Entry& entry) override;
  void clear(iommucheck_handle domain, u32 pasid) override;
  void drop_translations(u64 tag) override { add(command::tlbi_nh_asid(tag)); }
  void drop_range(u64 tag, u64 first, u64 end) override;
  void drop_device_translations(iommucheck_handle domain, u32 pasid) override;
  void drop_device_range(iommucheck_handle domain, u32 pasid, u64 first, u64 end) override;
  int commit() override;
  void end_device_faults(u32 device, u32 pasid) override {
    drain_events({Whose::device, device, pasid});
  }
  void end_domain_faults(iommucheck_handle domain, u32 pasid) override {
    drain_events({Whose::domain, domain, pasid});
  }
  int claim_tag(u64 tag) override;
  void release_tag(u64 tag) override { asids_.release(tag); }
  int open_space(Space& space, iommucheck_handle domain) override;
  Entry entry_of(const Space& space) const override;
  void close_space(Space& space) override;

  template <class Visit>
  void for_each_device(iommucheck_handle domain, Visit visit) const {
    for (u32 i = 0; i < config_->device_count; ++i) {
      if (devices_[i].domain == domain) visit(i);
    }
  }
  template <class Visit>
  void for_each_stream(u32 device, Visit visit) const {
    const iommucheck_device& config = device_config(device);
    for (u32 i = 0; i < config.stream_id_count; ++i) visit(u64{config.stream_ids[i]});
  }
  u64 cd_word0(const Entry& entry) const;
  void store_cd_word0(u64 cd, u64 word);
  void add_cfgi_cd(iommucheck_handle domain, u32 pasid, bool leaf);
  int ensure_table(Domain& domain, iommucheck_handle handle);
  int relocate(Space& space);
  Space* space_with_tag(u64 tag);

  // invalidation (invalidate.cpp)
  void add(Command command) {
    commands_.add(platform_, command);
    queued_ = true;
  }
  int settle(SyncResult result);
  int invalidate_everything();
  int invalidate_atcs();
  int ensure_settled() override { return owed_ ? recover() : 0; }
  int complete(Space& space);
  int invalidate_gathered(const Space& space);
  void add_atc_gathered(const Space& space);
  void add_atc(u32 device, u32 pasid, u64 first, u64 end);
  void add_atc_all(u32 device, u32 pasid);
  void add_atc_everything(u32 device, iommucheck_handle domain);
  void settled(Space& space);
  void quarantine(Space& space);

  // mapping (mapping.cpp)
  int check_map(const Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) const;
  int map_checked(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot);
  int clear_the_way(Space& space, u64 iova, u64 pa, u64 bytes);
  void unroll(Space& space, u64 iova, u64 bytes);
  u64 clear(Space& space, u64 iova, u64 bytes);
  bool quarantined(const Space& space, u64 iova, u64 bytes) const;

  Platform platform_;
  const iommucheck_config* config_;
  Features features_;
  CommandQueue commands_;
  StreamTable streams_;
  AsidAllocator asids_;
  CdSlots cds_;
  Pool<Domain> domains_;
  Sva sva_;
  Device* devices_ = nullptr;
  u64 event_ring_ = 0;
  u32 event_lg2_ = 0;
  u32 event_cons_ = 0;
  u32 event_cons_written_ = 0;  // with the overflow flag
  u32 event_prod_ = 0;          // as last read
  std::array<OpenFault, 4> open_faults_{};
  u32 cr0_ = 0;
  unsigned pasid_bits_max_ = 0;  // the widest that a device of the platform can send
  bool owed_ = false;  // an invalidation has timed out, and none of everything has completed since
  bool queued_ = false;  // commands since the last sync
};

}  // namespace iommucheck::impl
