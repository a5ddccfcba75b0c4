// SPDX-License-Identifier: MIT
// Domains, devices, groups, what is mapped and what is owed: the state of the driver that no IOMMU
// has a say in, all of it in the platform's arena. PASIDs and processes are in sva.h, faults in
// faults.h; the IOMMU is behind backend.h.
//
// Invariants that the code relies on, and keeps:
//  - a device's route is blocked, bypass, or a table whose first entry is the space of the domain
//    that it is on: the domain's, which its devices share, or its own. It has its own with tables
//    per device, and from its first attach_pasid on until it is detached; that may stand beside a
//    blocked or bypassed route of the RID's;
//  - a nested domain has no space. Where entries lead to users' tables (`users_by_entries_`) it has
//    a table, and it and its outer one are led to like paging ones. Else it has none, the table of
//    the outer space is the domain's, and has no PASIDs: nor has who is on either, for the host;
//  - `Space::cached` is false only if no entry of the space can be reached and its tag has been
//    invalidated since. Such a space owes the hardware nothing: its unmaps send no command;
//  - a `Space::foreign` is in no cache that a command reaches, and in those of walkers until its
//    caller says that they are flushed: only then (sync, flush_all) parts of its table are freed;
//  - while a device is blocked its own cache holds nothing, unless it is isolated: one that has not
//    answered is blocked, whatever domain it is on, until it answers. So it owes nobody anything;
//  - after a time-out (`owed_`) nothing that a cache may still hold is freed or used anew until
//    recover() has invalidated everything (SEMANTICS 5, quarantine). Where a route or an entry may
//    not say what it is to (`unsure_`), recovery stores all of them again first.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/faults.h"
#include "impl/core/space.h"
#include "impl/core/sva.h"
#include "impl/core/user_events.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

struct Domain {
  bool used = false;
  bool zombie = false;  // freed by its caller, held by a time-out
  u32 index = 0;
  u32 generation = 0;
  u32 kind = 0;
  u32 devices = 0;
  u32 attachments = 0;           // at PASIDs of devices
  u32 caching_devices = 0;       // of both: those that cache translations themselves
  u32 dynamic = 0;               // dynamic domains and tasks of which it is the master
  iommucheck_handle master = 0;  // of a dynamic one
  iommucheck_handle events = 0;  // of an outer one: the event queue of its user
  Table* table = nullptr;        // of a paging one whose devices share it
  Space* space = nullptr;    // that of accesses without a PASID; of a dynamic one, of its walkers
  UsesOfHolder uses;         // of the table that its devices share
  Domain* parent = nullptr;  // of a nested one, until it is freed: the outer domain
  Structure structure{};     // of a nested one
  u32 nested = 0;            // of an outer one: domains of which it is the parent
  u32 user_devices = 0;      // and devices on these, by their RIDs and at PASIDs
  List<VirtualDevice, &VirtualDevice::of_parent> virtual_devices;  // and their numbers

  bool is_paging() const { return kind == IOMMUCHECK_DOMAIN_PAGING; }
  bool is_outer() const { return kind == IOMMUCHECK_DOMAIN_PAGING_S2; }
  bool is_nested() const {
    return kind == IOMMUCHECK_DOMAIN_NESTED || kind == IOMMUCHECK_DOMAIN_NESTED_PASID;
  }
  /// Its own, that the IOMMU reaches.
  Space* mapped() const { return is_dynamic() ? nullptr : space; }
  /// The space that its devices reach; null: none that is mapped into.
  Space* reached() const { return parent != nullptr ? parent->space : mapped(); }
  bool is_behind_outer() const { return is_outer() || is_nested(); }
  bool has_devices() const { return devices != 0 || attachments != 0 || user_devices != 0; }
  bool is_dynamic() const { return kind == IOMMUCHECK_DOMAIN_DYNAMIC; }
};

/// Where a number of pasid_alloc leads on a device.
struct Attachment {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u32 device = 0;
  u32 pasid = 0;
  iommucheck_handle domain = 0;
  bool dead = false;  // its entry is cleared, and an invalidation has timed out
};

struct Device {
  bool added = false;
  bool gone = false;             // being removed: it answers no more
  bool isolated = false;         // it does not answer, and is blocked
  bool had_user = false;         // what it has cached may be of PASIDs that a user has chosen
  u64 asked = 0;                 // the batch in which it was last told to drop what it has cached
  u8 pasid_bits = 0;             // of what it can send and the IOMMU can do
  bool moving = false;           // of those that an attach or detach is about, it is one
  bool between_users = false;    // by which user's tables it goes the IOMMU may not know yet
  u32 next = 0;                  // of the ring of added devices that move together
  iommucheck_handle domain = 0;  // 0: blocked
  iommucheck_handle from = 0;    // its domain before the attach that it is moving by
  Table* table = nullptr;        // its own
  Table* next_table = nullptr;   // the one that it is moving to
};

/// Whose PASID tables are.
enum class TableForm : u8 { per_domain, per_device };

class Core {
 public:
  Core(const iommucheck_platform& platform, const iommucheck_config& config, Backend& backend,
       TableForm form)
      : platform_(platform),
        config_(&config),
        backend_(backend),
        own_tables_(form == TableForm::per_device),
        remembers_unmapped_(backend.remembers_unmapped()),
        users_by_entries_(backend.users_by_entries()),
        sva_(platform_, *this),
        events_(platform_, backend, *this),
        faults_(platform_, backend, *this, sva_, events_) {}

  // The calls of driver.h; results and errors as stated there.
  int init();
  int reset();
  int shutdown();
  void handle_irq(u64 source);
  int device_add(u32 device);
  int device_remove(u32 device);
  int domain_alloc(const iommucheck_domain_params& params, iommucheck_handle* handle);
  int domain_free(iommucheck_handle handle);
  int domain_get_info(iommucheck_handle handle, iommucheck_domain_info* info);
  int domain_get_attr(iommucheck_handle handle, u32 attr, u64* value);
  int dirty_set(iommucheck_handle handle, bool on);
  int dirty_read(iommucheck_handle handle, u64 iova, u64 bytes, u64 grain, bool clear, u64* bitmap);
  int vdevice(iommucheck_handle parent, u32 device, u64 number);
  iommucheck_result cache_invalidate(iommucheck_handle handle, const u64* commands, u64 count);
  int attach(iommucheck_handle handle, u32 device);
  int detach(iommucheck_handle handle, u32 device);
  int attach_pasid(iommucheck_handle handle, u32 device, u32 pasid);
  int detach_pasid(iommucheck_handle handle, u32 device, u32 pasid);
  int pasid_free(u32 pasid);
  int device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit);
  int bind_task(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata,
                iommucheck_handle* token);
  int unbind_task(u32 device, iommucheck_handle token);
  int task_get_attr(iommucheck_handle token, u32 attr, u64* value);
  int fault_queue_open(u32 device, iommucheck_handle domain, u32 depth, iommucheck_handle* queue);
  int fault_handler_set(u32 device, u32 pasid, bool present, u64 word);
  int fault_queue_close(iommucheck_handle queue);
  int event_queue_open(iommucheck_handle parent, u32 depth, iommucheck_handle* queue);
  Faults& faults() { return faults_; }
  UserEvents& events() { return events_; }
  void held(iommucheck_held& held);
  int recover();
  /// What of the counts above and of groups does not hold, between calls; null: all of it does. For
  /// tests (consistent.cpp).
  const char* inconsistency();
  Sva& sva() { return sva_; }

  /// The space that a call on a domain or a private io_mm is about; null and an error for others.
  Space* domain_space(iommucheck_handle domain, int* error);
  Space* private_space(iommucheck_handle io_mm, int* error) {
    return sva_.private_space(io_mm, error);
  }
  Space* task_space(iommucheck_handle token, int* error);
  int map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot);
  iommucheck_result map_sg(Space& space, u64 iova, const iommucheck_sg* sg, u64 count, u32 prot);
  iommucheck_result unmap(Space& space, u64 iova, u64 bytes);
  iommucheck_result unmap_fast(Space& space, u64 iova, u64 bytes);
  int sync(Space& space);
  int flush_all(Space& space);
  int range_add(Space& space, u64 iova, u64 bytes);
  /// Where it lies beyond the space nothing is mapped; the backend is not asked.
  u64 translate(const Space& space, u64 iova) const {
    const bool within = space.input_bits >= 64 || (iova >> space.input_bits) == 0;
    return within ? backend_.translate(space, iova) : 0;
  }
  /// Of a domain of any kind.
  u64 iova_to_phys(iommucheck_handle domain, u64 iova);

  // ---- for Sva and Faults ----

  bool device_present(u32 device) const {
    return device < config_->device_count && devices_[device].added && !devices_[device].gone;
  }
  u32 first_pasid() const { return backend_.first_pasid(); }
  unsigned pasid_bits(u32 device) const {
    return device < config_->device_count ? devices_[device].pasid_bits : 0;
  }
  /// The paging domain that the device is on; 0: none, or one of another kind.
  iommucheck_handle paging_domain(u32 device) const;
  iommucheck_handle domain_of(u32 device) const { return devices_[device].domain; }
  /// What stands in the table that its devices share; null: it is gone.
  UsesOfHolder* uses_of_domain(iommucheck_handle domain) {
    Domain* its = domains_.find(domain);
    return its != nullptr ? &its->uses : nullptr;
  }
  /// Where entries of the device's PASIDs stand, as long as it is on a paging domain.
  Holder holder_of(u32 device) const { return holder_of(device, paging_domain(device)); }
  /// Whether faults may wait for whoever reaches the holder's PASIDs.
  bool may_wait(const Holder& holder) const;
  /// Whether a queue or a handler is open for faults of a device that reaches them.
  bool reads_faults(const Holder& holder);
  /// Whose access it was; false: nobody's that is there.
  bool device_of(const Fault& fault, u32* device) const;
  /// To which user's queue its device's events go, and by which number the user knows it. 0: to
  /// none.
  iommucheck_handle events_of(const Fault& fault, u32* number);

  // What stands at a PASID of a table (entries.cpp).
  /// Makes place for an entry; it stays, empty. 0, ENOMEM, ETIMEDOUT.
  int reserve(const Holder& holder, u32 pasid);
  /// Writes an entry where none is, and completes that. ETIMEDOUT: it is cleared again, but may be
  /// cached, as may be translations with its tag.
  int enter(const Holder& holder, u32 pasid, const Entry& entry);
  /// Changes an entry: tag, waits, quiet.
  void change(const Holder& holder, u32 pasid, const Entry& entry);
  void clear(const Holder& holder, u32 pasid);
  /// for_each(visit): visit(holder, pasid) for each entry with that tag.
  template <class ForEach>
  void drop_translations(Tag tag, const ForEach& for_each) {
    with_places(for_each, [&](const Places& at) { backend_.drop_translations(tag, at); });
  }
  template <class ForEach>
  void drop_range(Tag tag, u64 first, u64 end, const ForEach& for_each) {
    with_places(for_each, [&](const Places& at) { drop_range_at(tag, first, end, at); });
  }
  void drop_device_translations(const Holder& holder, u32 pasid);
  void drop_device_range(const Holder& holder, u32 pasid, u64 first, u64 end);
  /// A tag for a process, of what it has in the CPUs' caches: a space of the driver's own that has
  /// it gets another one. ENOSPC, ETIMEDOUT.
  int claim_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag);
  void release_tag(Tag tag) { backend_.release_tag(tag); }
  bool understands(const iommucheck_mm& mm) const { return backend_.understands(mm); }

  // Hooks of the backend.
  /// Both that tell of devices, and of the others both or neither.
  bool has_hooks() const;
  /// 0, its error, or ENOMEM where it made nothing.
  int mm_alloc(iommucheck_handle io_mm);
  void mm_free(iommucheck_handle io_mm) {
    if (backend_.hooks().mm_free) backend_.mm_free(io_mm);
  }
  int mm_attach(iommucheck_handle io_mm, u32 device) { return backend_.mm_attach(io_mm, device); }
  void mm_detach(iommucheck_handle io_mm, u32 device) { backend_.mm_detach(io_mm, device); }
  /// An empty address space with the format of `domain`, at `pasid`. ENOMEM, ENOSPC (no tag).
  int open_space(iommucheck_handle domain, u32 pasid, Space** space);
  void close_space(Space& space) { backend_.close_space(space); }
  static Entry entry_of(const Space& space);
  static Entry entry_of(const Domain& domain) {
    if (domain.is_nested()) {
      const Space& outer = *domain.parent->space;
      return {.outer = &outer, .structure = domain.structure, .tag = outer.tag};
    }
    return domain.space != nullptr ? entry_of(*domain.space) : Entry{};
  }
  /// Into a table that nothing leads to yet. False: no memory.
  bool grow_unused(Table& table);
  /// Nor if the time was up: then something is owed.
  bool copy_entry(Table& table, u32 pasid, const Entry& entry);
  bool can_wait(u32 device) const { return backend_.can_wait(device); }

  /// Sends what is queued: 0, or ETIMEDOUT; then it may or may not act until ensure_settled()
  /// returns 0.
  int commit();
  /// Pays what earlier time-outs left open. 0 or ETIMEDOUT.
  int ensure_settled() { return owed_ ? recover() : 0; }

  /// Reads all faults reported so far, and ends those of `pasid` that wait: of one device, or of
  /// every device of a table. An answer that does not get through is owed.
  void end_device_faults(u32 device, u32 pasid) {
    owed_ |= !faults_.drain({Ending::Whose::device, device, pasid});
  }
  void end_holder_faults(const Holder& holder, u32 pasid) {
    if (holder.is_own()) return end_device_faults(holder.device, pasid);
    owed_ |= !faults_.drain({Ending::Whose::domain, holder.domain, pasid});
  }

 private:
  // the life of all (core.cpp)
  void free_everything();
  int turn_off();
  int drop_device_caches();
  int block_caching_devices();
  bool restore();
  bool restore_route(u32 device);
  void restore_entry(const Holder& holder, u32 pasid, const Entry* entry);

  // devices and groups (devices.cpp)
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
  template <class Visit>
  void for_each_device(iommucheck_handle domain, Visit visit) const {
    for (u32 i = 0; i < config_->device_count; ++i) {
      if (devices_[i].domain == domain) visit(i);
    }
  }
  /// Those that reach its table.
  template <class Visit>
  void for_each_device(const Holder& holder, Visit visit) const {
    if (holder.is_own()) return visit(holder.device);
    for_each_device(holder.domain, [&](u32 i) {
      if (devices_[i].table == nullptr) visit(i);
    });
  }
  Holder holder_of(u32 device, iommucheck_handle domain) const {
    return devices_[device].table != nullptr ? Holder{.device = device} : Holder{.domain = domain};
  }
  /// Of one that has just moved.
  Holder holder_before(u32 device) const {
    const Device& its = devices_[device];
    return its.next_table != nullptr ? Holder{.device = device} : Holder{.domain = its.from};
  }
  Table& table_of(const Holder& holder) {
    return holder.is_own() ? *devices_[holder.device].table : *domains_.find(holder.domain)->table;
  }
  template <class ForEach, class Use>
  void with_places(const ForEach& for_each, Use use) {
    const auto all = [&](auto visit) {
      for_each([&](const Holder& holder, u32 pasid) {
        for_each_device(holder, [&](u32 device) { visit(device, pasid); });
      });
    };
    use(Places(all));
  }

  // domains (domains.cpp)
  int build_paging(Domain& domain, u32 input_bits);
  int build_outer(Domain& domain, u32 input_bits);
  int build(Domain& domain, u32 input_bits);
  /// Whether accesses go by an entry to where it leads; `bypass` and `blocked` need none without a
  /// PASID.
  bool has_first_entry(const Domain& domain) const {
    return domain.is_paging() || (users_by_entries_ && domain.is_behind_outer());
  }
  /// At a PASID: one that is blocked has none.
  bool has_entry(const Domain& domain) const {
    return has_first_entry(domain) || domain.kind == IOMMUCHECK_DOMAIN_IDENTITY;
  }
  /// Whether a device there has no PASIDs of the host's.
  bool takes_pasids(const Domain& domain) const {
    return domain.is_behind_outer() && !users_by_entries_;
  }
  int alloc_dynamic(const iommucheck_domain_params& params, iommucheck_handle* handle);
  void release(Domain& domain);

  // users (nested.cpp)
  Domain* find_outer(iommucheck_handle handle);
  int build_nested(Domain& domain);
  int alloc_nested(const iommucheck_domain_params& params, iommucheck_handle* handle);
  void end_family(Domain& domain);
  void drop_virtual_devices(u32 device);
  bool forward(Domain& parent, const UserCommand& command, const u64* words);
  bool is_users(const Domain& parent, u32 device, const UserCommand& command);
  void drop_caches_of_user(const Domain& parent);
  void drop_device_wholly(u32 device);
  void users_part(u32 device, const Domain* to);
  void users_have_parted(u32 device);

  // tasks (tasks.cpp)
  int bind_explicit(u32 device, iommucheck_handle* token);
  void release_task(Task& task);
  void drop_tasks_of(u32 device);

  // who is on which domain (attach.cpp)
  Route route_to(const Domain* domain, const Table* own, u32 device) const;
  void count_cached(Domain& domain, u32 device, u32 by);
  void count_device(Domain& domain, u32 device);
  void uncount_device(Domain& domain, u32 device);
  static void may_be_cached(Domain& domain);
  int open_next_tables(u32 device, const Domain& domain);
  void close_next_table(u32 device);
  void close_own_table(u32 device);
  void close_unused(Table* table);
  int none_made() const { return owed_ ? -IOMMUCHECK_ETIMEDOUT : -IOMMUCHECK_ENOMEM; }
  void keep_table(Table*& table);
  void close_waiting_tables();
  bool wants_table(u32 device, const Domain& domain);
  int switch_route(u32 device);
  int move_devices(u32 device, Domain& domain);
  int empty_if_left(Domain& domain, u32 device, u32 pasid);

  // domains at PASIDs (attachments.cpp)
  static constexpr u32 every_pasid = no_pasid;
  Attachment* find_attachment(u32 device, u32 pasid);
  bool has_attachments(u32 device);
  bool is_there(Stored stored);
  Table* open_own_table(u32 device, const Domain& domain);
  int attach_by_new_table(Attachment& attachment, iommucheck_handle to);
  int attach_by_entry(Attachment& attachment, Domain& domain);
  int check_attach_pasid(const Domain* domain, u32 device, u32 pasid);
  void count_attachment(Domain& domain, u32 device);
  int uncount_attachment(iommucheck_handle domain, u32 device, u32 pasid);
  int end_attachments(u32 device, u32 pasid);
  void attachments_recovered();
  bool can_pass(u32 device, const Domain& domain) const;
  int move_dynamic(const Domain& domain, u32 device) const;
  bool would_silence(u32 device, const Domain& domain);
  bool would_lose_pasids(u32 device, const Domain& domain);
  int take_off(Domain& domain, u32 device);
  int leave(Domain& domain, u32 device, const Holder& holder);

  // entries (entries.cpp)
  /// A device reaches nothing at a number that it cannot send, and nobody looks there for it.
  bool can_send(u32 device, u32 pasid) const {
    return pasid == no_pasid || (u64{pasid} >> pasid_bits(device)) == 0;
  }
  int ensure_table(const Holder& holder);
  void forget_entry(const Holder& holder, u32 pasid, bool whole);
  template <class Visit>
  void for_each_entry(const Space& space, Visit visit);
  /// visit(holder, pasid) for every place that its translations may be of: where its entry is dead
  /// as well, and by whatever table.
  template <class Visit>
  void for_each_place(const Space& space, Visit visit) {
    if (space.pasid != no_pasid) {
      sva_.for_each_holder(space, true, [&](const Holder& holder) { visit(holder, space.pasid); });
      return;
    }
    for_each_device(space.domain, [&](u32 device) { visit(Holder{.device = device}, no_pasid); });
    attachments_.for_each_used([&](const Attachment& at) {
      if (at.domain == space.domain) visit(Holder{.device = at.device}, at.pasid);
    });
  }
  Prepared prepare_entry(Table& table, u32 pasid, const Entry& entry);
  int relocate(Space& space);
  Space* space_with_tag(Tag tag);

  // what devices have written to (dirty.cpp)
  Space* tracked_space(iommucheck_handle handle, int* error);

  // what is owed (owed.cpp)
  int complete(Space& space);
  int drop_gathered(const Space& space);
  bool drop_gathered_of_devices(const Space& space);
  void drop_all_of_device(u32 device, const Holder& holder);
  /// Whether it has to be told what to drop of its own cache: an isolated one uses none of it.
  bool is_told(u32 device) const {
    const Device& its = devices_[device];
    return !its.gone && !its.isolated && backend_.has_cache(device);
  }
  void drop_device(u32 device, u32 pasid);
  void drop_everything_of(u32 device);
  int ask_each();
  int isolate(u32 device);
  bool answers_again(u32 device);
  int rejoin(u32 device);
  void drop_range_at(Tag tag, u64 first, u64 end, const Places& places);
  bool set_route(u32 device, const Route& route);
  bool prepare_route(u32 device, const Route& route);
  bool stored(Stored stored);
  void settled(Space& space);
  void quarantine(Space& space);

  // mapping (mapping.cpp)
  int check_map(const Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) const;
  int map_checked(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot);
  int forget_unmapped(Space& space, u64 iova, u64 bytes);
  int clear_the_way(Space& space, u64 iova, u64 pa, u64 bytes);
  static u64 less_than_block(const Space& space, u64 iova, u64 pa, u64 bytes);
  void unroll(Space& space, u64 iova, u64 bytes);
  u64 clear(Space& space, u64 iova, u64 bytes);
  bool quarantined(const Space& space, u64 iova, u64 bytes) const;

  Platform platform_;
  const iommucheck_config* config_;
  Backend& backend_;
  const bool own_tables_;
  const bool remembers_unmapped_;    // caches of the backend: asked once, not at each map
  const bool users_by_entries_;      // entries of PASIDs can lead to users' tables
  Table* waiting_tables_ = nullptr;  // a time-out keeps them: a device may reach them still
  Limits limits_;
  Pool<Domain> domains_;
  Pool<Task> tasks_;
  Pool<Attachment> attachments_;
  Pool<VirtualDevice> virtual_devices_;
  Sva sva_;
  UserEvents events_;
  Faults faults_;
  Device* devices_ = nullptr;
  u64 batch_ = 1;      // of what devices are told to drop
  bool owed_ = false;  // an invalidation has timed out, and none of everything has completed since
  bool unsure_ = false;   // what some route or entry says: a store of it has timed out
  bool leaving_ = false;  // shutdown has begun: all devices are to be blocked
};

}  // namespace iommucheck::impl
