// SPDX-License-Identifier: MIT
// A driver's view of the specification of the registers and queues, for tests: it writes registers
// and slots as a careful driver does, and collects what is reported.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/smmu/smmu.h"

namespace iommucheck::spec {

/// Draws what the test says, in that order; then alternative 0.
class TestChoices final : public Choices {
 public:
  std::vector<u32> answers;

 protected:
  u32 pick(ChoiceSite /*site*/, u32 n) override {
    if (next_ >= answers.size()) return 0;
    return std::min(answers[next_++], n - 1);
  }

 private:
  std::size_t next_ = 0;
};

struct DriverMachine {
  static constexpr u64 cmdq = 0x400000, eventq = 0x500000, priq = 0x600000;
  static constexpr unsigned cmdq_lg2 = 4, eventq_lg2 = 2, priq_lg2 = 2;

  SmallMachine memory;
  Smmu smmu;
  TestChoices choices;
  u32 prod = 0;

  explicit DriverMachine(const Capabilities& caps = full_capabilities(),
                         const Profile& profile = {})
      : memory(caps, profile), smmu(memory.caches, make_id_registers(caps)) {
    for (const u64 queue : {cmdq, eventq, priq}) memory.caches.memory().assume_zero(queue);
    memory.ste(1, make_stage1_ste({.s1contextptr = SmallMachine::cds}));
    memory.cd(0, SmallMachine::plain_cd());
  }

  Caches& caches() { return memory.caches; }
  void write(u32 offset, u64 value, unsigned size = 4) {
    memory.step();
    smmu.write(AgentId::cpu0, offset, size, value, true);
  }
  u64 read(u32 offset, unsigned size = 4) {
    memory.step();
    return smmu.read(offset, size, choices);
  }
  bool answer(u32 offset, u64 value, unsigned size = 4) {
    memory.step();
    return smmu.observe_read(offset, size, value);
  }
  /// CR0 and its acknowledgement.
  void cr0(u64 value) {
    write(reg::cr0, value);
    while ((read(reg::cr0ack) ^ smmu.cr0()) != 0) {
    }
  }
  void set_up_queues() {
    write(reg::cmdq_base, cmdq | cmdq_lg2, 8);
    write(reg::cmdq_prod, 0);
    write(reg::cmdq_cons, 0);
    write(reg::eventq_base, eventq | eventq_lg2, 8);
    write(reg::eventq_prod, 0);
    write(reg::eventq_cons, 0);
  }
  /// Queues and translation on.
  void boot() {
    set_up_queues();
    write(reg::strtab_base, SmallMachine::strtab, 8);
    write(reg::strtab_base_cfg, 4);
    cr0(cr0::cmdqen | cr0::eventqen);
    cr0(cr0::cmdqen | cr0::eventqen | cr0::smmuen);
  }
  void slot(const Command& command) { slot(encode_command(command)); }
  void slot(const CommandWords& words) {
    const u64 place = cmdq + 16 * (prod & (pow2(cmdq_lg2) - 1));
    for (unsigned i = 0; i < 2; ++i) {
      memory.step();
      smmu.before_store(place + 8 * i);
      caches().store(AgentId::cpu0, place + 8 * i, i == 0 ? words.dw0 : words.dw1);
    }
    prod = (prod + 1) & (2 * pow2(cmdq_lg2) - 1);
  }
  void ring() { write(reg::cmdq_prod, prod); }
  /// The judged device has consumed up to here.
  bool consumed(u32 cons) { return answer(reg::cmdq_cons, cons); }

  /// Names of the rules that were broken since the last call.
  std::string broken() {
    std::string out;
    for (const Violation& violation : caches().violations()) {
      out += (out.empty() ? "" : " ") + std::string(rule_name(violation.rule));
    }
    caches().violations().clear();
    return out;
  }
  std::string at(u64 va) const { return memory.text({.sid = 1, .va = va}); }
};

}  // namespace iommucheck::spec
