// SPDX-License-Identifier: MIT
// The second backend that is built in, over its hardware's specification (spec/two).
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "backends/machine.h"
#include "host/user_words.h"
#include "impl/two/two.h"
#include "monitor/user_format.h"
#include "spec/two/hardware.h"

namespace iommucheck::oracle {

class TwoMachine final : public BackendMachine {
 public:
  /// Another one in the place of the backend: a twin that forgets something. Null: the backend.
  using Make = std::function<std::unique_ptr<impl::Two>(const iommucheck_platform&,
                                                        const iommucheck_config&)>;
  explicit TwoMachine(const spec::sva::Setup& setup, Make make = {})
      : setup_(setup), make_(std::move(make)) {}

  [[nodiscard]] std::string_view name() const override { return "two"; }
  void adapt(spec::sva::Setup& setup) const override;
  [[nodiscard]] const spec::sva::UserFormat* user_format() const override { return &user_format_; }
  [[nodiscard]] const UserWords* user_words() const override { return &two_user_words(); }
  [[nodiscard]] bool remembers_unmapped() const override { return true; }
  [[nodiscard]] bool devices_wait_alone() const override { return true; }
  bool power_on(u64 process_pa, u64 process_bytes) override;
  impl::Backend* start(const iommucheck_platform& platform,
                       const iommucheck_config& config) override;
  bool stored(u64 pa, u64 value) override;
  bool given_back(u64 pa, u64 bytes) override { return hardware_->give_back(pa, bytes); }
  void write(u64 offset, u64 value) override { hardware_->write(offset, value); }
  u64 read(u64 offset) override { return hardware_->read(offset); }
  void set_stuck(bool stuck) override { hardware_->set_stuck(stuck); }
  void remove(u32 device) override;
  u64 process_created(u64 mm) override;
  bool process_says(u64 mm, u64 va, u64 pa, u32 prot) override;
  bool process_settles(u64 mm) override;
  bool process_gone(u64 mm) override;
  void walker_switches(u32 walker, u64 root, u32 input_bits) override;
  void walker_flushes(u32 walker) override { hardware_->walker_flushes(walker); }
  std::set<MayGet> answers(const MachineAccess& access) override;
  std::set<MayGet> walker_answers(u32 walker, u64 iova, char access) override;
  [[nodiscard]] std::optional<spec::sva::EventWords> record_of(const MachineAccess& access,
                                                               const MayGet& got) const override;
  [[nodiscard]] bool reports_to_users() const override { return true; }
  void report(const spec::sva::EventWords& record) override { hardware_->report(record); }
  [[nodiscard]] bool has_room_for_report() const override { return hardware_->has_room(); }
  u64 wait(const MachineAccess& access) override;
  [[nodiscard]] u64 marked(u64 word) const override {
    return word | spec::two::PageWord::written_bit;
  }
  [[nodiscard]] bool has_groups() const override { return true; }
  [[nodiscard]] u64 group_of(u64 id) const override { return hardware_->group_of(id); }
  std::vector<u64> take_strays() override { return hardware_->take_strays(); }
  std::vector<Response> take_responses() override;
  [[nodiscard]] bool is_waiting(u64 id) const override { return hardware_->is_waiting(id); }

 private:
  u64 new_table();
  bool free_table(u64 pa);
  void store(u64 pa, u64 value);
  [[nodiscard]] spec::two::Who who(const MachineAccess& access) const;

  spec::sva::Setup setup_;
  Make make_;
  TwoUserFormat user_format_;
  std::unique_ptr<impl::Two> backend_;
  std::unique_ptr<spec::two::Hardware> hardware_;
  // The processes' tables: what the environment stored, and pages that are free.
  std::map<u64, u64> words_;
  std::vector<u64> free_;
  u64 next_ = 0;
  u64 end_ = 0;
  struct Process {
    u64 root = 0;
    std::vector<u64> taken_out;
  };
  std::map<u64, Process> processes_;
};

}  // namespace iommucheck::oracle
