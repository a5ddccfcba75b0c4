// SPDX-License-Identifier: MIT
// The SMMU of a guest, which a VMM plays over the calls of its host's driver: registers, and queues
// in the guest's memory. What the guest's stream table says becomes a route of the user at the
// host; its invalidations are handed on, and complete before CMDQ_CONS moves; what the host tells
// the user is recorded. IHI 0070 4.3.7, 6.3; INTERFACE "Nested".
#pragma once

#include <array>
#include <vector>

#include "guest/host_side.h"
#include "monitor/other_smmu.h"

namespace iommucheck::oracle {

class VirtualSmmu : public OtherSmmu {
 public:
  /// `host` outlives it.
  VirtualSmmu(HostSide& host, const GuestSetup& guest);

  void snapshot() { booted_ = state_; }
  void restore() { state_ = booted_; }

  void stored(u64 pa, u64 value) override { host_.store(pa, value); }
  void filled(u64 pa, u64 words, u64 value) override { host_.fill(pa, words, value); }
  void write(u32 offset, unsigned size, u64 value) override;
  u64 read(u32 offset, unsigned size) override;
  Seen access(const spec::Access& access, Traces& traces) override;
  std::vector<Seen> may_meet(const spec::Access& access) override;
  void set_stuck(bool stuck) override;

  /// From now on what its host may have cached for such accesses is followed.
  void follow(const spec::Access& access);

  /// What has been done, since the beginning.
  struct Numbers {
    u64 commands = 0, handed_on = 0, installed = 0, refused = 0, records = 0, compared = 0;
    u64 unknown = 0;  ///< may_meet: of what there is no telling
    u64 marks = 0;    ///< flags that hardware has set in the guest's descriptors
  };
  [[nodiscard]] const Numbers& numbers() const { return numbers_; }
  [[nodiscard]] const Record& last_record() const { return last_record_; }

 protected:
  using Command = spec::sva::CommandWords;
  /// What becomes of one that the host is to be told, before it is: false, it is forgotten. For
  /// twins.
  virtual bool hands_on(Command& /*command*/) { return true; }
  /// The same of a record.
  virtual bool records(Record& /*record*/) { return true; }
  /// And of a flag of a descriptor, which memory has.
  virtual bool marks(spec::FlagUpdate& /*mark*/) { return true; }

 private:
  struct Queue {
    u64 base = 0;
    u32 prod = 0, cons = 0;
    [[nodiscard]] u32 lg2() const { return static_cast<u32>(base & 31); }
    [[nodiscard]] u32 indices() const { return (u32{2} << lg2()) - 1; }  ///< with the wrap bit
    [[nodiscard]] u64 slot(u32 index, u64 bytes) const;
    [[nodiscard]] bool is_empty() const { return ((prod ^ cons) & indices()) == 0; }
    [[nodiscard]] bool is_full() const;
  };
  struct State {
    u32 cr0 = 0, cr1 = 0, cr2 = 0, gbpa = 0, irq_ctrl = 0, gerror = 0, gerrorn = 0;
    u64 strtab_base = 0;
    u32 strtab_base_cfg = 0;
    Queue commands, events;
    bool stuck = false;
  };
  /// Of commands for the host: which they are in the queue.
  struct Batch {
    std::vector<Command> commands;
    std::vector<u32> indices;
  };
  enum class Done : u8 { yes, illegal, host_refused };

  void write_register(u32 offset, u64 value);
  [[nodiscard]] u64 read_register(u32 offset) const;
  void write_cr0(u32 value);
  void write_gbpa(u32 value);

  void run_commands();
  Done execute(const Command& command, u32 index, Batch& batch);
  Done flush(Batch& batch);
  void stop_at(u32 index);

  [[nodiscard]] u64 ste_place(u32 sid);
  [[nodiscard]] UsersRoute route_of(u32 device);
  void install(u32 device);
  void install_range(u32 sid, u64 range);
  void install_all();

  bool record(const Record& words);
  [[nodiscard]] std::optional<u32> device_of(u32 sid) const;
  [[nodiscard]] HostSide::Place place_of(u32 device, const spec::Access& access) const;

  HostSide& host_;
  std::vector<u32> sids_;
  spec::IdRegisters id_;
  unsigned cmdqs_, eventqs_;  ///< the greatest LOG2SIZE
  State state_, booted_;
  Numbers numbers_;
  Record last_record_{};
};

}  // namespace iommucheck::oracle
