// SPDX-License-Identifier: MIT
#include "host/former_owner.h"

#include <algorithm>
#include <array>
#include <bit>

#include "spec/choices.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;

constexpr AgentId owner = trace::environment_agent;
constexpr u64 page = 4096;
constexpr u64 tables_cached = 1 | 1 << 2 | 3 << 4 | 1 << 6 | 1 << 8 | 3 << 10;  // CR1
constexpr u64 allocate = u64{1} << 62;

// Words of structures and commands are written here once more on purpose, as those of processes
// are: the environment is neither the driver nor the specification.
constexpr u64 ste_bypass = 1 | u64{4} << 1;
constexpr u64 incoming_shareability = u64{1} << 44;
constexpr u64 cfgi_all[] = {0x04, 31};
constexpr u64 tlbi_nsnh_all[] = {0x30, 0};
constexpr u64 tlbi_el2_all[] = {0x20, 0};
constexpr u64 cmd_sync[] = {0x46, 0};
constexpr u64 atc_inv[] = {0x40, 52};

/// An endpoint that does not answer.
class NoAnswer final : public spec::Choices {
 protected:
  u32 pick(spec::ChoiceSite site, u32 n) override {
    constexpr u32 time_out = spec::choice_of_cerror_atc_inv_sync;
    return site == spec::ChoiceSite::command_error && n > time_out ? time_out : 0;
  }
};

class FormerOwner {
 public:
  FormerOwner(Monitor& monitor, u64 memory)
      : monitor_(monitor),
        caps_(monitor.smmu().capabilities()),
        streams_(memory),
        commands_(memory + 2 * page),
        events_(memory + 3 * page) {}

  void leave() {
    monitor_.alloc(owner, streams_, 2 * page);
    monitor_.alloc(owner, commands_, page);
    monitor_.alloc(owner, events_, page);
    fill_stream_table();
    program();
    write_cr0(spec::cr0::cmdqen);
    send(cfgi_all);
    if (caps_.hyp) send(tlbi_el2_all);
    send(tlbi_nsnh_all);
    send(cmd_sync);
    expose();
    monitor_.device_read(owner, reg::cmdq_cons, 4, first_);
    write_cr0(spec::cr0::cmdqen | spec::cr0::eventqen);
    constexpr u64 interrupts = spec::irq_ctrl::gerror_irqen | spec::irq_ctrl::eventq_irqen;
    write(reg::irq_ctrl, interrupts);
    read_until(reg::irq_ctrlack, interrupts);
    write_cr0(spec::cr0::cmdqen | spec::cr0::eventqen | spec::cr0::smmuen);
    // Nobody reads the record of this one.
    monitor_.device_access({.sid = 0, .route = spec::Route::untranslated}, first_);
    if (!caps_.ats) return;
    send(atc_inv);
    send(cmd_sync);
    expose();
    NoAnswer none;
    monitor_.device_read(owner, reg::cmdq_cons, 4, none);
  }

 private:
  void write(u32 offset, u64 value) { monitor_.mmio_write(owner, offset, 4, value, true); }
  void read_until(u32 offset, u64 value) {
    constexpr int polls_max = 8;  // the SMMU answers at once
    for (int n = 0; n < polls_max; ++n) {
      if (monitor_.device_read(owner, offset, 4, first_) == value) return;
    }
  }
  void write_cr0(u64 value) {
    write(reg::cr0, value);
    read_until(reg::cr0ack, value);
  }

  /// Stream 0 has no valid entry.
  void fill_stream_table() {
    monitor_.fill(owner, streams_, 2 * page / sizeof(u64), 0);
    for (u64 sid = 1; sid < (u64{1} << stream_lg2()); ++sid) {
      monitor_.store(owner, streams_ + sid * 64 + 8, incoming_shareability);
      monitor_.store(owner, streams_ + sid * 64, ste_bypass);
    }
    monitor_.clean(owner, streams_, 2 * page);
    monitor_.barrier(owner);
  }
  [[nodiscard]] u32 stream_lg2() const { return std::min<u32>(caps_.sidsize, 7); }

  void program() {
    write(reg::cr1, tables_cached);
    const auto base = [&](u32 offset, u64 value) {
      monitor_.mmio_write(owner, offset, 8, value, true);
    };
    base(reg::strtab_base, allocate | streams_);
    write(reg::strtab_base_cfg, stream_lg2());
    base(reg::cmdq_base, allocate | commands_ | command_lg2());
    write(reg::cmdq_prod, 0);
    write(reg::cmdq_cons, 0);
    base(reg::eventq_base, allocate | events_ | std::min<u32>(caps_.eventqs, 3));
    for (const u32 index : {reg::eventq_prod, reg::eventq_cons}) {
      write(monitor_.smmu().register_of_page1(index), 0);
    }
  }
  [[nodiscard]] u32 command_lg2() const { return std::min<u32>(caps_.cmdqs, 5); }

  void send(const u64 (&words)[2]) {
    const u64 slot = commands_ + (prod_ & ((u64{1} << command_lg2()) - 1)) * sizeof words;
    monitor_.store(owner, slot, words[0]);
    monitor_.store(owner, slot + 8, words[1]);
    monitor_.clean(owner, slot, sizeof words);
    prod_ = (prod_ + 1) & ((u64{2} << command_lg2()) - 1);
  }
  void expose() {
    monitor_.barrier(owner);
    write(reg::cmdq_prod, prod_);
  }

  Monitor& monitor_;
  const spec::Capabilities& caps_;
  spec::FirstChoice first_;
  u64 streams_, commands_, events_;
  u64 prod_ = 0;
};

}  // namespace

void leave_switched_on(Monitor& monitor, u64 memory) { FormerOwner(monitor, memory).leave(); }

}  // namespace iommucheck::oracle
