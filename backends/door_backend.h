// SPDX-License-Identifier: MIT
// C functions as a backend of the core.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backends/door.h"
#include "impl/core/hooked_backend.h"
#include "impl/platform/pool.h"

namespace iommucheck::oracle {

/// What was answered that cannot be; told once each.
using Nonsense = std::vector<std::string>;

/// Whether accesses of the device may go untranslated. `self` may be null: it is not open yet.
bool can_pass(const BackendDoor& door, void* self, u32 device, bool at_pasid, Nonsense& nonsense);

class DoorBackend final : public impl::HookedBackend {
 public:
  DoorBackend(std::shared_ptr<const BackendDoor> door, const iommucheck_platform& platform,
              const iommucheck_config& config, Nonsense& nonsense, bool marks)
      : HookedBackend(platform, config),
        door_(std::move(door)),
        given_(platform),
        nonsense_(nonsense),
        marks_(marks) {}
  virtual ~DoorBackend() = default;

  /// Empty, or what is wrong.
  std::string open();

  int probe() override;
  impl::Limits limits() const override;
  int begin_reset() override;
  int end_reset() override;
  bool takes_commands() const override { return reset_; }
  bool translates() const override { return on_; }
  int block() override { return 0; }  // stop() does
  int stop() override;
  int power_off() override { return stop(); }
  void free_everything() override;
  void handle_errors() override {}

  Added add_device(u32 device) override;
  u32 first_pasid() const override { return has(IOMMUCHECK_BACKEND_KEEPS_PASID_0) ? 1 : 0; }
  unsigned pasid_bits(u32 device) const override;
  bool can_wait(u32 device) const override;
  bool devices_wait_alone() const override { return has(IOMMUCHECK_BACKEND_DEVICES_WAIT_ALONE); }
  bool can_route(impl::Route::Kind kind, u32 device, bool at_pasid) const override {
    return kind != impl::Route::Kind::bypass ||
           can_pass(*door_, self_, device, at_pasid, nonsense_);
  }
  bool has_cache(u32 device) const override;
  bool devices_cache_untranslated() const override { return true; }
  impl::Prepared prepare_route(u32 device, const impl::Route& route) override;
  impl::Stored set_route(u32 device, const impl::Route& route) override;
  void forget_route(u32 device, bool whole) override;
  impl::Table* open_table() override;
  void close_table(impl::Table& table) override;
  impl::Stored set_first_entry(impl::Table& table, const impl::Entry* entry) override;
  Growth grow(impl::Table& /*table*/) override { return Growth::none; }
  void grown(impl::Table& /*table*/) override {}
  void not_grown(impl::Table& /*table*/) override {}
  void free_abandoned(impl::Table& /*table*/) override {}
  Place make_place(impl::Table& table, u32 pasid) override;
  impl::Prepared prepare_entry(impl::Table& table, u32 pasid, const impl::Entry& entry) override;
  impl::Stored store_entry(impl::Table& table, u32 pasid, const impl::Entry& entry) override;
  impl::Stored clear_entry(impl::Table& table, u32 pasid) override;
  void forget_entry(u32 device, u32 pasid, bool whole) override;
  bool understands(const iommucheck_mm& mm) const override;

  int open_space(u32 input_bits, impl::Space** space) override;
  int open_foreign_space(const impl::Space& like, impl::Space** space) override;
  void close_space(impl::Space& space) override;
  impl::MapProgress map(impl::Space& space, u64 iova, u64 pa, u64 bytes, u32 prot) override;
  impl::UnmapProgress unmap(impl::Space& space, u64 iova, u64 bytes) override;
  u64 translate(const impl::Space& space, u64 iova) const override;
  // No table is in the way of a block: unmap takes out those that are empty.
  impl::Detached detach(impl::Space& /*s*/, u64 /*i*/, u64 /*p*/, u64 /*b*/) override { return {}; }
  void attach_back(impl::Space& /*space*/, const impl::Detached& /*subtree*/) override {}
  void free_detached(impl::Space& /*space*/, const impl::Detached& /*subtree*/) override {}
  void free_retired(impl::Space& space) override;
  impl::Tag new_tag() override { return {}; }  // a space keeps its own
  int take_tag(const iommucheck_mm& mm, u64 cpus, impl::Tag* tag) override;
  void release_tag(impl::Tag tag) override;

  int open_outer(u32 input_bits, impl::Space** space, impl::Table** table) override;
  int check_structure(const iommucheck_nested_params& params, bool pasids,
                      const impl::Space& outer) const override;
  void drop_inner(impl::Tag tag) override;
  void drop_device_wholly(u32 device) override;
  impl::UserCommand understand(const u64* words) const override;
  void forward(const u64* words, impl::Tag tag, u32 device,
               const impl::Structure& structure) override;

  bool tracks_writes() const override { return marks_; }
  void track(impl::Space& space, bool on) override;
  void settle_marks() override;
  void read_marks(impl::Space& space, impl::DirtyWindow& window) override;
  void mark_again(impl::Space& space, const impl::DirtyWindow& window) override;

  bool remembers_unmapped() const override { return has(IOMMUCHECK_BACKEND_REMEMBERS_UNMAPPED); }
  void drop_translations(impl::Tag tag, const impl::Places& places) override;
  void drop_gathered(const impl::Gather& gather, impl::Tag tag,
                     const impl::Places& places) override;
  bool drops_by_place() const override { return true; }
  void drop_device(u32 device, u32 pasid) override;
  void drop_device_range(u32 device, u32 pasid, u64 first, u64 end) override;
  impl::SyncResult flush() override;
  bool drop_everything() override;

  bool reports_faults() const override {
    return on_ && (has(IOMMUCHECK_BACKEND_WAITS) || has(IOMMUCHECK_BACKEND_TELLS_USERS));
  }
  void read_faults(impl::FaultSink& sink) override;
  bool came_from(const impl::Fault& fault, u32 device) const override;
  u32 faults_max() const override { return info_.faults_max; }
  impl::Answered answer(const impl::Fault& fault, impl::Response response) override;
  void set_number(impl::Event& event, u32 number) const override {
    ops().set_number(self_, event.words.data(), number);  // of what read_event told alone
  }
  bool wait_for_answers() override { return flush() != impl::SyncResult::timed_out; }

 private:
  void read_ended(impl::FaultSink& sink);
  struct DoorTable : impl::Table {
    bool used = false;
    u32 index = 0;
    u32 generation = 0;
    void* theirs = nullptr;
  };
  struct DoorSpace : impl::Space {
    bool used = false;
    u32 index = 0;
    u32 generation = 0;
    void* theirs = nullptr;
    bool outer = false;
  };

  [[nodiscard]] bool has(u32 flag) const { return (door_->flags & flag) != 0; }
  [[nodiscard]] const iommucheck_backend_ops& ops() const { return door_->backend; }
  [[nodiscard]] const iommucheck_device& device_config(u32 device) const {
    return *config_->devices[device];
  }
  static iommucheck_dirty dirty_of(const impl::DirtyWindow& window);
  int checked(const char* function, int answer) const;
  impl::Stored stored(const char* function, int answer) const;
  impl::Prepared prepared(const char* function, int answer) const;
  static iommucheck_route route_of(const impl::Route& route);
  impl::Stored store(impl::Table& table, u32 pasid, const iommucheck_entry* entry);
  void nonsense(std::string text) const { nonsense_.push_back(std::move(text)); }
  static iommucheck_entry entry_of(const impl::Entry& entry);
  enum class SpaceKind : u8 { own, foreign, outer };
  int new_space(u32 input_bits, SpaceKind kind, impl::Space** space);

  std::shared_ptr<const BackendDoor> door_;
  const iommucheck_platform& given_;
  Nonsense& nonsense_;
  iommucheck_backend_info info_{};
  void* self_ = nullptr;
  const bool marks_;  // the machine's hardware does
  bool reset_ = false;
  bool on_ = false;
  impl::Pool<DoorTable> tables_;
  impl::Pool<DoorSpace> spaces_;
  std::vector<iommucheck_place> places_;  // of the call that is made
};

}  // namespace iommucheck::oracle
