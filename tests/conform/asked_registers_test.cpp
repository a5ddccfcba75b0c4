// SPDX-License-Identifier: MIT
// Each field of the registers that a driver writes, each value of it, is written by a directed case
// that then looks at what came of it, or stands here with the reason why not. EVENTQ_PROD and
// EVENTQ_CONS, PRIQ_PROD and PRIQ_CONS are written by polling, which is a step of its own. IHI 0070
// 6.3.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "asked_support.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle::asked_registers_test {
namespace {

using asked::each;
using asked::Excused;
using asked::FieldOf;
using asked::up_to;

constexpr unsigned address_high = 47;
constexpr unsigned queue_low = 20;  ///< below it an address of a queue depends on its size
/// A queue of more entries does not fit into the memory of a case.
constexpr unsigned commands_lg2 = 18, events_lg2 = 17, pages_lg2 = 18;

const std::vector<FieldOf>& fields() {
  static const std::vector<FieldOf> all = [] {
    const std::vector<u64> flag = each(1), shareability = {0, 2, 3}, cacheability = {0, 1, 2};
    std::vector<FieldOf> made = {
        {"CR0", "SMMUEN", 0, 0, flag},
        {"CR0", "PRIQEN", 1, 1, flag},
        {"CR0", "EVENTQEN", 2, 2, flag},
        {"CR0", "CMDQEN", 3, 3, flag},
        {"CR0", "ATSCHK", 4, 4, flag},
        {"CR0", "VMW", 8, 6, up_to(4)},
        {"CR1", "QUEUE_IC", 1, 0, cacheability},
        {"CR1", "QUEUE_OC", 3, 2, cacheability},
        {"CR1", "QUEUE_SH", 5, 4, shareability},
        {"CR1", "TABLE_IC", 7, 6, cacheability},
        {"CR1", "TABLE_OC", 9, 8, cacheability},
        {"CR1", "TABLE_SH", 11, 10, shareability},
        {"CR2", "E2H", 0, 0, flag},
        {"CR2", "RECINVSID", 1, 1, flag},
        {"CR2", "PTM", 2, 2, flag},
        {"GBPA", "MemAttr", 3, 0, each(4)},
        {"GBPA", "MTCFG", 4, 4, flag},
        {"GBPA", "ALLOCCFG", 11, 8, each(4)},
        {"GBPA", "SHCFG", 13, 12, each(2)},
        {"GBPA", "PRIVCFG", 17, 16, each(2)},
        {"GBPA", "INSTCFG", 19, 18, each(2)},
        {"GBPA", "ABORT", 20, 20, flag},
        {"IRQ_CTRL", "GERROR_IRQEN", 0, 0, flag},
        {"IRQ_CTRL", "PRIQ_IRQEN", 1, 1, flag},
        {"IRQ_CTRL", "EVENTQ_IRQEN", 2, 2, flag},
        {"GERRORN", "CMDQ_ERR", 0, 0, flag},
        {"GERRORN", "EVENTQ_ABT_ERR", 2, 2, flag},
        {"GERRORN", "PRIQ_ABT_ERR", 3, 3, flag},
        {"GERRORN", "MSI_CMDQ_ABT_ERR", 4, 4, flag},
        {"GERRORN", "MSI_EVENTQ_ABT_ERR", 5, 5, flag},
        {"GERRORN", "MSI_PRIQ_ABT_ERR", 6, 6, flag},
        {"GERRORN", "MSI_GERROR_ABT_ERR", 7, 7, flag},
        {"STRTAB_BASE", "ADDR", address_high, 6},
        {"STRTAB_BASE", "RA", 62, 62, flag},
        {"STRTAB_BASE_CFG", "LOG2SIZE", 5, 0, up_to(16)},
        {"STRTAB_BASE_CFG", "SPLIT", 10, 6, {6, 8, 10}},
        {"STRTAB_BASE_CFG", "FMT", 17, 16, flag},
        {"CMDQ_PROD", "WR", commands_lg2, 0},
        {"CMDQ_CONS", "RD", commands_lg2, 0},
        {"CMDQ_BASE", "LOG2SIZE", 4, 0, up_to(commands_lg2)},
        {"CMDQ_BASE", "RA", 62, 62, flag},
        {"EVENTQ_BASE", "LOG2SIZE", 4, 0, up_to(events_lg2)},
        {"EVENTQ_BASE", "WA", 62, 62, flag},
        {"PRIQ_BASE", "LOG2SIZE", 4, 0, up_to(pages_lg2)},
        {"PRIQ_BASE", "WA", 62, 62, flag},
        {"PRIQ_IRQ_CFG2", "LO", 31, 31, flag},
    };
    for (const std::string name : {"CMDQ_BASE", "EVENTQ_BASE", "PRIQ_BASE"}) {
      made.push_back({name, "ADDR", address_high, queue_low});
    }
    for (const std::string name : {"GERROR_IRQ_CFG", "EVENTQ_IRQ_CFG", "PRIQ_IRQ_CFG"}) {
      made.push_back({name + "0", "ADDR", address_high, 2});
      made.push_back({name + "1", "DATA", 31, 0});
      made.push_back({name + "2", "MemAttr", 3, 0, each(4)});
      made.push_back({name + "2", "SH", 5, 4, shareability});
    }
    return made;
  }();
  return all;
}

constexpr Excused excused[] = {
    {"CR2.PTM = 1", "no device here takes part in broadcasts of CPUs"},
};

/// What a case has written and nothing has looked at yet.
class Followed {
 public:
  explicit Followed(asked::Cells& cells) : cells_(cells) {}

  void follow(const Step& step) {
    switch (step.kind) {
      case StepKind::write: write(static_cast<u32>(step.a), step.b, step.c); return;
      case StepKind::store:
      case StepKind::fill:
      case StepKind::barrier: return;
      default: look(); return;
    }
  }

 private:
  void write(u32 offset, u64 value, u64 bytes) {
    const bool upper = !spec::register_at(offset);
    const u32 at = upper ? offset - 4 : offset;
    u64& word = written_[at];
    if (upper) {
      word = (word & mask(31, 0)) | value << 32;
    } else {
      word = bytes == 8 ? value : (word & mask(63, 32)) | value;
    }
    fresh_.insert(at);
  }

  void look() {
    for (const u32 offset : fresh_) {
      const auto info = spec::register_at(offset);
      if (!info) continue;
      for (const FieldOf& field : fields()) {
        if (field.of == info->name) cells_.note(field, written_[offset]);
      }
    }
    fresh_.clear();
  }

  asked::Cells& cells_;
  std::map<u32, u64> written_;
  std::set<u32> fresh_;
};

TEST(AskedRegisters, EachValueIsWrittenAndLookedAtOrHasItsReason) {
  DeviceIdentity identity;
  asked::Cells cells;
  for (const Case& one : asked::directed_cases_of_everything(identity)) {
    Followed followed(cells);
    for (const Step& step : one.steps) followed.follow(step);
  }
  cells.expect_asked(fields(), excused);
}

/// IRQ_CFG0 resets to an UNKNOWN value, so that a message may go anywhere. IHI 0070 6.3.21.
TEST(AskedRegisters, WhereMessagesGoIsSaidBeforeTheyAreEnabled) {
  namespace reg = spec::reg;
  namespace enable = spec::irq_ctrl;
  constexpr std::pair<u32, u64> sources[] = {{reg::gerror_irq_cfg0, enable::gerror_irqen},
                                             {reg::eventq_irq_cfg0, enable::eventq_irqen},
                                             {reg::priq_irq_cfg0, enable::priq_irqen}};
  DeviceIdentity identity;
  unsigned enabled = 0;
  for (const Case& one : asked::directed_cases_of_everything(identity)) {
    std::set<u64> written;
    for (const Step& step : one.steps) {
      if (step.kind != StepKind::write) continue;
      written.insert(step.a);
      if (step.a != reg::irq_ctrl) continue;
      for (const auto& [address, field] : sources) {
        if ((step.b & field) == 0) continue;
        ++enabled;
        EXPECT_TRUE(written.contains(address)) << one.name << ": " << address;
      }
    }
  }
  EXPECT_GT(enabled, 50U);
}

}  // namespace
}  // namespace iommucheck::oracle::asked_registers_test
