// SPDX-License-Identifier: MIT
// One SMMUv3 as a backend of the core: registers, queues, stream table, context descriptors and
// VMSAv8-64 tables. The words of core/backend.h, here: a route is an STE, a table the context
// descriptors of a domain, an entry a CD, a tag a VMID (outer, of stage 2) or an ASID (inner), a
// device's own cache its ATC. Outer spaces are of stage 2 (stage2.cpp): their table is what words 2
// and 3 of STEs say, and there are no PASIDs. On an SMMU without stage 1 every space is.
//
// What stands by itself is a part: address spaces (spaces.h), context descriptors (tables.h), the
// queues of events and page requests, commands, the stream table. Here is what needs several:
// bring-up, streams, and which commands follow when something is to be forgotten.
//
// One writer changes STEs and CDs (hitless.h), so that whatever mixture of words the SMMU reads is
// the old one or the new one, or, to, from and between tables of stage 2, one that aborts.
#pragma once

#include "base/types.h"
#include "impl/core/hooked_backend.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/command_queue.h"
#include "impl/smmuv3/events.h"
#include "impl/smmuv3/page_requests.h"
#include "impl/smmuv3/registers.h"
#include "impl/smmuv3/spaces.h"
#include "impl/smmuv3/stream_table.h"
#include "impl/smmuv3/tables.h"

namespace iommucheck::impl {

class Smmu final : public HookedBackend {
 public:
  Smmu(const iommucheck_platform& platform, const iommucheck_config& config)
      : HookedBackend(platform, config) {}

  // bring_up.cpp
  int probe() override;
  Limits limits() const override;
  int begin_reset() override;
  int end_reset() override;
  bool takes_commands() const override { return (cr0_ & reg::cr0_cmdqen) != 0; }
  bool translates() const override { return (cr0_ & reg::cr0_smmuen) != 0; }
  int block() override;
  int stop() override;
  int power_off() override;
  void free_everything() override;
  void handle_errors() override;

  // streams.cpp
  Added add_device(u32 device) override;
  u32 first_pasid() const override { return 1; }
  unsigned pasid_bits(u32 device) const override;
  bool can_wait(u32 device) const override { return stalls(device) || asks_for_pages(device); }
  bool has_cache(u32 device) const override;
  bool hears_cpus() const override { return features_.broadcasts; }
  Prepared prepare_route(u32 device, const Route& route) override;
  Stored set_route(u32 device, const Route& route) override;
  void forget_route(u32 device, bool whole) override;

  // tables.h
  Table* open_table() override { return tables_.open_table(); }
  void close_table(Table& table) override { tables_.close_table(table); }
  Stored set_first_entry(Table& table, const Entry* entry) override {
    return tables_.set_first_entry(table, entry);
  }
  Growth grow(Table& table) override { return tables_.grow(table); }
  void grown(Table& table) override { tables_.grown(table); }
  void not_grown(Table& table) override { tables_.not_grown(table); }
  void free_abandoned(Table& table) override { tables_.free_abandoned(table); }
  Place make_place(Table& table, u32 pasid) override { return tables_.make_place(table, pasid); }
  Prepared prepare_entry(Table& table, u32 pasid, const Entry& entry) override {
    return tables_.prepare_entry(table, pasid, entry);
  }
  Stored store_entry(Table& table, u32 pasid, const Entry& entry) override {
    return tables_.store_entry(table, pasid, entry);
  }
  Stored clear_entry(Table& table, u32 pasid) override { return tables_.clear_entry(table, pasid); }
  bool understands(const iommucheck_mm& mm) const override { return tables_.understands(mm); }

  // spaces.h
  int open_space(u32 input_bits, Space** space) override {
    return spaces_.open_space(input_bits, space);
  }
  int open_outer(u32 input_bits, Space** space, Table** table) override;  // stage2.cpp
  int open_foreign_space(const Space& like, Space** space) override {
    return spaces_.open_foreign_space(like, space);
  }
  void close_space(Space& space) override { spaces_.close_space(space); }
  MapProgress map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) override {
    return spaces_.map(space, iova, pa, bytes, prot);
  }
  UnmapProgress unmap(Space& space, u64 iova, u64 bytes) override {
    return spaces_.unmap(space, iova, bytes);
  }
  u64 translate(const Space& space, u64 iova) const override {
    return spaces_.translate(space, iova);
  }
  Detached detach(Space& space, u64 iova, u64 pa, u64 bytes) override {
    return spaces_.detach(space, iova, pa, bytes);
  }
  void attach_back(Space& space, const Detached& subtree) override {
    spaces_.attach_back(space, subtree);
  }
  void free_detached(Space& space, const Detached& subtree) override {
    spaces_.free_detached(space, subtree);
  }
  void free_retired(Space& space) override { spaces_.free_retired(space); }
  Tag new_tag() override { return spaces_.new_tag(); }
  int take_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag) override {
    return spaces_.take_tag(mm, cpus, tag);
  }
  void release_tag(Tag tag) override { spaces_.release_tag(tag); }
  bool tracks_writes() const override { return features_.dirty_state; }
  void track(Space& space, bool on) override { spaces_.track(space, on); }
  void settle_marks() override { queued_ = true; }
  void read_marks(Space& space, DirtyWindow& window) override { spaces_.read_marks(space, window); }
  void mark_again(Space& space, const DirtyWindow& window) override {
    spaces_.mark_again(space, window);
  }

  // nested.cpp
  int check_structure(const iommucheck_nested_params& params, bool pasids,
                      const Space& outer) const override;
  void drop_inner(Tag tag) override { add(command::tlbi_nh_all(tag.outer)); }
  void drop_device_wholly(u32 device) override;
  UserCommand understand(const u64* words) const override;
  void forward(const u64* words, Tag tag, u32 device, const Structure& structure) override;

  // invalidate.cpp
  bool remembers_unmapped() const override { return false; }
  void drop_translations(Tag tag, const Places& /*places*/) override {
    add(is_vmid(tag) ? command::tlbi_s12_vmall(tag.outer) : command::tlbi_nh_asid(tag.inner));
  }
  void drop_gathered(const Gather& gather, Tag tag, const Places& places) override;
  void forget_entry(u32 device, u32 pasid, bool whole) override;
  void drop_device(u32 device, u32 pasid) override;
  void drop_device_range(u32 device, u32 pasid, u64 first, u64 end) override;
  SyncResult flush() override;
  bool drop_everything() override;

  // faults.cpp
  bool reports_faults() const override { return (cr0_ & reg::cr0_eventqen) != 0; }
  void read_faults(FaultSink& sink) override;
  bool came_from(const Fault& fault, u32 device) const override;
  u32 faults_max() const override;
  bool users_wait() const override { return true; }
  void set_number(Event& event, u32 number) const override { events_.set_number(event, number); }
  Answered answer(const Fault& fault, Response response) override;
  bool wait_for_answers() override;

 private:
  int write_cr0(u32 value);
  int block_bypass();
  int allocate_structures();
  Answered send_answer(const Command& command);

  const iommucheck_device& device_config(u32 device) const { return *config_->devices[device]; }
  template <class Visit>
  void for_each_stream(u32 device, Visit visit) const {
    const iommucheck_device& config = device_config(device);
    for (u32 i = 0; i < config.stream_id_count; ++i) visit(u64{config.stream_ids[i]});
  }
  bool stage2_alone() const { return !features_.stage1; }
  // stage2.cpp
  void drop_stage2(const Gather& gather, u64 vmid);
  // streams.cpp
  bool stalls(u32 device) const;
  bool asks_for_pages(u32 device) const;
  u64 word1_of(u32 device) const;
  /// What the STEs of a device are to say when everything was invalidated.
  struct Postponed {
    ste::Words words{};
    bool is = false;
  };
  ste::Words words_of(u32 device, const Route& route) const;
  ste::Words words_of_user(u32 device, const Route& route) const;
  ste::Words words_at(u32 sid) const;
  bool prepare_ste(u32 sid, const ste::Words& to);
  bool set_ste(u32 sid, const ste::Words& to, bool& postponed);
  bool store_words(u32 sid, const ste::Words& to, unsigned which);
  bool set_postponed();
  void add(Command command) {
    commands_.add(platform_, command);
    queued_ = true;
  }

  Features features_;
  u32 cr0_ = 0;
  CommandQueue commands_;
  StreamTable streams_;
  Tables tables_{platform_, features_};
  Spaces spaces_{platform_, *config_, features_};
  Events events_{platform_};
  PageRequests requests_{platform_, cr0_};
  Postponed* postponed_ = nullptr;  // by device
  bool queued_ = false;             // commands since the last sync
};

}  // namespace iommucheck::impl
