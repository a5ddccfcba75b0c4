// SPDX-License-Identifier: MIT
// Several SMMUs over one memory (Setup::registers_each): the monitor of the first one has a monitor
// of each other beside it. What CPUs, callers and processes do all of them see; of registers,
// interrupts and accesses each has its own. Each compares what the interface promises of the
// devices behind its own SMMU, so that what one still caches the commands of another do not remove.
// What one of them finds the first one has found.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "monitor/other_smmu_events.h"

namespace iommucheck::oracle {

class Monitor;

class Beside : public OtherSmmuEvents {
 public:
  explicit Beside(const Setup& setup);
  ~Beside();

  [[nodiscard]] u32 smmu_count() const { return 1 + static_cast<u32>(others_.size()); }
  /// Behind which the device is; 0 of one that is not there.
  [[nodiscard]] u32 smmu_number_of(u32 device) const;
  /// `number` < smmu_count().
  spec::Smmu& smmu(u32 number = 0);
  /// The monitors of the others, in their order.
  [[nodiscard]] const std::vector<std::unique_ptr<Monitor>>& others() const { return others_; }

  // ---- as the shelves before have them, of the SMMU whose it is ----
  // In bits 63:32 of an offset or a source: its number, below smmu_count().
  void mmio_write(AgentId by, u64 offset, unsigned size, u64 value, bool ordered);
  u64 device_read(AgentId by, u64 offset, unsigned size, spec::Choices& choices);
  void irq(AgentId by, u64 source);
  bool device_access(const spec::Access& access, spec::Choices& choices,
                     std::optional<PageAsked> asked = {});
  bool look_for_interrupt(u32 number, spec::Choices& choices);
  // Of all of them.
  Messages look_for_messages(spec::Choices& choices);
  [[nodiscard]] bool awaits_messages();
  [[nodiscard]] bool is_message_word(u64 pa, u64 bytes);
  [[nodiscard]] u64 progress_made();
  void check_whole_space();
  void account(u64 blocks_held, u64 pins_held);
  [[nodiscard]] bool gave_up() const;
  [[nodiscard]] std::string bound() const;
  [[nodiscard]] const std::string& unsupported() const;
  void feed(const trace::Event& event);
  void finish();
  void set_sink(Sink* sink);
  void set_excuses(Excuses* excuses);

 protected:
  /// The others go back to where the driver was ready, too.
  void begin_case_beside(EventIndex now);
  void forget_the_past_beside();

 private:
  /// What the first monitor does is told to the others, and then to whoever watches.
  class Relay;
  /// What another one does by itself is told to who watches, with its number.
  class Named;

  template <class Act>
  auto by_another(u32 number, const Act& act);
  void tell_others(const trace::Event& event);
  void order_others(AgentId by, u32 than);
  void take_from(u32 number);
  void go_on_at(EventIndex now);

  std::vector<std::unique_ptr<Monitor>> others_;  // of SMMU 1, 2, ...
  std::unique_ptr<Relay> relay_;                  // null where there are no others
  Sink* watches_ = nullptr;
  bool is_fed_ = false;  // by a trace, which has each event once
  bool stores_ = false;  // one of them tells the others of a store
};

}  // namespace iommucheck::oracle
