// SPDX-License-Identifier: MIT
// One SMMUv3 as a backend of the core: registers, queues, stream table, context descriptors and
// VMSAv8-64 tables. The words of core/backend.h, here: a route is an STE, a table the context
// descriptors of a domain, an entry a CD, a tag a VMID (outer, of stage 2) or an ASID (inner), a
// device's own cache its ATC. Outer spaces are of stage 2 (stage2.cpp): their table is what words 2
// and 3 of STEs say, and there are no PASIDs. On an SMMU without stage 1 every space is.
//
// Every change of a CD that is valid is one 64-bit store (structures.h), and of an STE too, or two
// with an invalidation between them: hitless, but to, from and between tables of stage 2, where it
// is blocked in between.
#pragma once

#include "base/types.h"
#include "impl/core/hooked_backend.h"
#include "impl/pgtable/page_table.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"
#include "impl/smmuv3/cd_table.h"
#include "impl/smmuv3/command_queue.h"
#include "impl/smmuv3/pools.h"
#include "impl/smmuv3/registers.h"
#include "impl/smmuv3/stream_table.h"
#include "impl/vmsav8/format.h"

namespace iommucheck::impl {

/// The context descriptors of a domain.
struct SmmuTable : Table {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  bool stage2 = false;
  CdTable cds;
  // Of stage 2: words of the STEs that lead there.
  u64 word2 = 0;
  u64 word3 = 0;
};

/// What stage 2 makes has no ASID; the host's own stage 1 has VMID 0.
inline constexpr u64 no_asid = ~u64{0};
constexpr bool is_vmid(Tag tag) { return tag.inner == no_asid; }

/// CD 0 is that of accesses without a SubstreamID.
constexpr u32 ssid_of(u32 pasid) { return pasid == no_pasid ? 0 : pasid; }

struct SmmuSpace : Space {
  using Pages = PageTable<Vmsav8Granule4k, Platform>;
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  bool stage2 = false;
  Pages pages;
  Pages::Retired retired;  // wait for what is gathered or in quarantine
};

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
  Prepared prepare_route(u32 device, const Route& route) override;
  Stored set_route(u32 device, const Route& route) override;
  void forget_route(u32 device, bool whole) override;

  // tables.cpp
  Table* open_table() override;
  void close_table(Table& table) override;
  Stored set_first_entry(Table& table, const Entry* entry) override;
  Growth grow(Table& table) override;
  void grown(Table& table) override;
  void not_grown(Table& table) override;
  void free_abandoned(Table& table) override;
  Place make_place(Table& table, u32 pasid) override;
  Prepared prepare_entry(Table& table, u32 pasid, const Entry& entry) override;
  Stored store_entry(Table& table, u32 pasid, const Entry& entry) override;
  Stored clear_entry(Table& table, u32 pasid) override;
  void forget_entry(u32 device, u32 pasid, bool whole) override;
  bool understands(const iommucheck_mm& mm) const override;

  // spaces.cpp
  int open_space(u32 input_bits, Space** space) override;
  int open_outer(u32 input_bits, Space** space, Table** table) override;
  int open_foreign_space(const Space& like, Space** space) override;
  void close_space(Space& space) override;
  MapProgress map(Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) override;
  UnmapProgress unmap(Space& space, u64 iova, u64 bytes) override;
  u64 translate(const Space& space, u64 iova) const override;
  Detached detach(Space& space, u64 iova, u64 pa, u64 bytes) override;
  void attach_back(Space& space, const Detached& subtree) override;
  void free_detached(Space& space, const Detached& subtree) override;
  void free_retired(Space& space) override;

  // nested.cpp
  int check_structure(const iommucheck_nested_params& params, bool pasids,
                      const Space& outer) const override;
  void drop_inner(Tag tag) override { add(command::tlbi_nh_all(tag.outer)); }
  void drop_device_wholly(u32 device) override;
  UserCommand understand(const u64* words) const override;
  void forward(const u64* words, Tag tag, u32 device, const Structure& structure) override;

  // dirty.cpp
  bool tracks_writes() const override { return features_.dirty_state; }
  void track(Space& space, bool on) override;
  void settle_marks() override { queued_ = true; }
  void read_marks(Space& space, DirtyWindow& window) override;
  void mark_again(Space& space, const DirtyWindow& window) override;

  Tag new_tag() override { return {.inner = asids_.allocate()}; }
  int take_tag(const iommucheck_mm& mm, u64 cpus, Tag* tag) override;
  void release_tag(Tag tag) override;

  // invalidate.cpp
  bool remembers_unmapped() const override { return false; }
  void drop_translations(Tag tag, const Places& /*places*/) override {
    add(is_vmid(tag) ? command::tlbi_s12_vmall(tag.outer) : command::tlbi_nh_asid(tag.inner));
  }
  void drop_gathered(const Gather& gather, Tag tag, const Places& places) override;
  void drop_device(u32 device, u32 pasid) override;
  void drop_device_range(u32 device, u32 pasid, u64 first, u64 end) override;
  SyncResult flush() override;
  bool drop_everything() override;

  // events.cpp
  bool reports_faults() const override { return (cr0_ & reg::cr0_eventqen) != 0; }
  void read_faults(FaultSink& sink) override;
  bool came_from(const Fault& fault, u32 device) const override;
  u32 faults_max() const override;
  void set_number(Event& event, u32 number) const override;
  Answered answer(const Fault& fault, Response response) override;
  bool wait_for_answers() override;

 private:
  struct Record {
    u64 word0 = 0, word1 = 0, iova = 0;
    bool stalled = false;
  };

  int write_cr0(u32 value);
  int block_bypass();
  int allocate_structures();
  void program_event_queue();
  // page_requests.cpp
  u64 page_ring_bytes() const;
  void program_page_queue();
  u32 drain_page_queue(FaultSink& sink);
  Answered send_answer(const Command& command);
  Record read_record();
  static Fault fault_of(const Record& record);
  void log_record(const Record& record) const;
  static bool is_users(const Record& record);
  static Event event_of(const Record& record);
  u32 drain_once(FaultSink& sink);

  const iommucheck_device& device_config(u32 device) const { return *config_->devices[device]; }
  template <class Visit>
  void for_each_stream(u32 device, Visit visit) const {
    const iommucheck_device& config = device_config(device);
    for (u32 i = 0; i < config.stream_id_count; ++i) visit(u64{config.stream_ids[i]});
  }
  SmmuSpace* new_space(u32 input_bits, bool stage2);
  int open_tagged(u32 input_bits, bool stage2, Space** space);
  template <class Change>
  u64 change_leaf(u64 slot, Change change) const;
  bool stage2_alone() const { return !features_.stage1; }
  // stage2.cpp
  void name_table(SmmuTable& table, const Space& space) const;
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
  Stored store_cd_word0(u64 cd, u64 word);
  u64 cd_word0(const Entry& entry) const;
  void add(Command command) {
    commands_.add(platform_, command);
    queued_ = true;
  }

  Features features_;
  CommandQueue commands_;
  StreamTable streams_;
  NumberAllocator asids_;
  NumberAllocator vmids_;
  CdSlots cds_;
  Pool<SmmuTable> tables_;
  Pool<SmmuSpace> spaces_;
  u64 event_ring_ = 0;
  u32 event_lg2_ = 0;
  u32 event_cons_ = 0;
  u32 event_cons_written_ = 0;  // with the overflow flag
  u32 event_prod_ = 0;          // as last read
  u64 page_ring_ = 0;
  u32 page_lg2_ = 0;
  u32 page_cons_ = 0;
  u32 page_cons_written_ = 0;  // with the overflow flag
  u32 page_prod_ = 0;          // as last read
  u32 cr0_ = 0;
  unsigned pasid_bits_max_ = 0;     // the widest that a device of the platform can send
  Postponed* postponed_ = nullptr;  // by device
  bool queued_ = false;             // commands since the last sync
};

}  // namespace iommucheck::impl
