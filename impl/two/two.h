// SPDX-License-Identifier: MIT
// The second IOMMU as a backend of the core. The words of core/backend.h, here: a route is a word
// of the device table, a table a PASID table, an entry two words of it, a tag the address of a page
// table's root; what a user's table makes over an outer one is known by both roots. Every change is
// one store: the second word of an entry is written while it is not valid.
#pragma once

#include "base/types.h"
#include "impl/core/hooked_backend.h"
#include "impl/pgtable/page_table.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"
#include "impl/two/format.h"

namespace iommucheck::impl {

struct TwoTable : Table {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u64 pa = 0;
};

struct TwoSpace : Space {
  using Pages = PageTable<two::Format, Platform>;
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  Pages pages;
  Pages::Retired retired;
  bool outer = false;
};

/// Not final: a twin forgets one thing.
class Two : public HookedBackend {
 public:
  Two(const iommucheck_platform& platform, const iommucheck_config& config)
      : HookedBackend(platform, config) {}
  virtual ~Two() = default;

  // life.cpp
  int probe() override;
  Limits limits() const override { return limits_; }
  int begin_reset() override;
  int end_reset() override;
  bool takes_commands() const override { return device_table_ != 0; }
  bool translates() const override { return on_; }
  int block() override { return 0; }  // while it does not translate nothing passes
  int stop() override;
  int power_off() override { return stop(); }
  void free_everything() override;
  void handle_errors() override {}

  // routes.cpp
  Added add_device(u32 device) override;
  u32 first_pasid() const override { return 0; }
  unsigned pasid_bits(u32 device) const override;
  bool can_wait(u32 device) const override;
  bool devices_wait_alone() const override { return true; }
  bool can_route(Route::Kind /*kind*/, u32 /*device*/, bool /*at_pasid*/) const override {
    return true;
  }
  bool users_by_entries() const override { return true; }
  bool has_cache(u32 device) const override;
  Prepared prepare_route(u32 /*device*/, const Route& /*route*/) override {
    return Prepared::ready;
  }
  Stored set_route(u32 device, const Route& route) override;
  void forget_route(u32 device, bool whole) override;
  Table* open_table() override;
  void close_table(Table& table) override;
  Stored set_first_entry(Table& table, const Entry* entry) override;
  Growth grow(Table& /*table*/) override { return Growth::none; }
  void grown(Table& /*table*/) override {}
  void not_grown(Table& /*table*/) override {}
  void free_abandoned(Table& /*table*/) override {}
  Place make_place(Table& table, u32 pasid) override;
  Prepared prepare_entry(Table& table, u32 pasid, const Entry& entry) override;
  Stored store_entry(Table& table, u32 pasid, const Entry& entry) override;
  Stored clear_entry(Table& table, u32 pasid) override;
  void forget_entry(u32 device, u32 pasid, bool whole) override;
  bool understands(const iommucheck_mm& mm) const override;

  // spaces.cpp
  int open_space(u32 input_bits, Space** space) override;
  int open_foreign_space(const Space& like, Space** space) override;
  void close_space(Space& space) override;
  MapProgress map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) override;
  UnmapProgress unmap(Space& space, u64 iova, u64 bytes) override;
  u64 translate(const Space& space, u64 iova) const override;
  Detached detach(Space& space, u64 iova, u64 pa, u64 bytes) override;
  void attach_back(Space& space, const Detached& subtree) override;
  void free_detached(Space& space, const Detached& subtree) override;
  void free_retired(Space& space) override;
  // A root's address is nobody else's: nothing is given, and nothing can be taken.
  Tag new_tag() override { return {}; }
  int take_tag(const iommucheck_mm& mm, u64 /*cpus*/, Tag* tag) override {
    *tag = {.inner = mm.table_pa};
    return 0;
  }
  void release_tag(Tag /*tag*/) override {}

  // dirty.cpp
  bool tracks_writes() const override { return marks_; }
  void track(Space& space, bool on) override;
  void read_marks(Space& space, DirtyWindow& window) override;
  void mark_again(Space& space, const DirtyWindow& window) override;

  // users.cpp
  int open_outer(u32 input_bits, Space** space, Table** table) override;
  int check_structure(const iommucheck_nested_params& params, bool pasids,
                      const Space& outer) const override;
  void drop_inner(Tag tag) override;
  UserCommand understand(const u64* words) const override;
  void forward(const u64* words, Tag tag, u32 device, const Structure& structure) override;

  // commands.cpp
  bool remembers_unmapped() const override { return true; }
  void drop_translations(Tag tag, const Places& places) override;
  void drop_gathered(const Gather& gather, Tag tag, const Places& places) override;
  void drop_device(u32 device, u32 pasid) override;
  void drop_device_range(u32 device, u32 pasid, u64 first, u64 end) override;
  SyncResult flush() override;
  bool drop_everything() override;
  bool reports_faults() const override { return on_; }
  void read_faults(FaultSink& sink) override;
  bool came_from(const Fault& fault, u32 device) const override;
  u32 faults_max() const override { return 512; }
  void set_number(Event& event, u32 number) const override;
  Answered answer(const Fault& fault, Response response) override;
  bool wait_for_answers() override { return flush() == SyncResult::complete; }

 protected:
  virtual void send(two::Command command, u64 a, u64 b, u64 c, u64 d);
  void send(two::Command command, u64 a, u64 b, u64 c) { send(command, a, b, c, 0); }
  const Platform& platform() const { return platform_; }
  /// Of the oldest record: whether it may be a user's, and what that may know of it then.
  virtual bool is_users(u64 word) const { return (word & two::event_by_outer) == 0; }
  virtual Event event_of(u64 word, u64 iova) const;

 private:
  const iommucheck_device& device_config(u32 device) const { return *config_->devices[device]; }
  template <class Visit>
  void for_each_stream(u32 device, Visit visit) const {
    const iommucheck_device& config = device_config(device);
    for (u32 i = 0; i < config.stream_id_count; ++i) visit(config.stream_ids[i]);
  }
  static u64 who(u32 stream, u32 pasid) { return stream | u64{pasid} << 32; }
  void read_events(FaultSink& sink);
  void log_event(u64 word, u64 iova) const;
  u64 table_bytes() const;
  u64 new_words(u64 bytes);
  u64 entry_place(const Table& table, u32 pasid) const;
  static u64 pointer_place(const Table& table, u32 pasid);
  static u64 word_of(const Entry& entry);
  static u64 outer_word_of(const Entry& entry);
  TwoSpace* new_space(u32 input_bits);

  Limits limits_;
  unsigned pasid_bits_ = 0;      // of the IOMMU
  unsigned pasid_bits_max_ = 0;  // the widest that a device of the platform can send
  u64 device_table_ = 0;
  unsigned device_table_lg2_ = 0;  // words
  u64 sent_ = 0;                   // commands
  u64 done_ = 0;                   // as last read
  bool on_ = false;
  bool marks_ = false;  // what devices write
  Pool<TwoTable> tables_;
  Pool<TwoSpace> spaces_;
};

}  // namespace iommucheck::impl
