// SPDX-License-Identifier: MIT
#include "spec/smmu/register_fields.h"

#include <span>
#include <string_view>

#include "base/bits.h"
#include "spec/smmu/registers.h"

namespace iommucheck::spec {
namespace {

struct Field {
  unsigned high, low;
  std::string_view name;
};
using Fields = std::span<const Field>;

constexpr Field cr0_names[] = {{0, 0, "SMMUEN"},       {1, 1, "PRIQEN"}, {2, 2, "EVENTQEN"},
                               {3, 3, "CMDQEN"},       {4, 4, "ATSCHK"}, {8, 6, "VMW"},
                               {10, 10, "DPT_WALK_EN"}};
constexpr Field cr1_names[] = {{1, 0, "QUEUE_IC"}, {3, 2, "QUEUE_OC"}, {5, 4, "QUEUE_SH"},
                               {7, 6, "TABLE_IC"}, {9, 8, "TABLE_OC"}, {11, 10, "TABLE_SH"}};
constexpr Field cr2_names[] = {
    {0, 0, "E2H"}, {1, 1, "RECINVSID"}, {2, 2, "PTM"}, {3, 3, "REC_CFG_ATS"}};
constexpr Field gbpa_names[] = {{3, 0, "MemAttr"}, {4, 4, "MTCFG"},     {11, 8, "ALLOCCFG"},
                                {13, 12, "SHCFG"}, {17, 16, "PRIVCFG"}, {19, 18, "INSTCFG"},
                                {20, 20, "ABORT"}, {31, 31, "Update"}};
constexpr Field irq_ctrl_names[] = {
    {0, 0, "GERROR_IRQEN"}, {1, 1, "PRIQ_IRQEN"}, {2, 2, "EVENTQ_IRQEN"}};
constexpr Field gerror_names[] = {{0, 0, "CMDQ_ERR"},           {2, 2, "EVENTQ_ABT_ERR"},
                                  {3, 3, "PRIQ_ABT_ERR"},       {4, 4, "MSI_CMDQ_ABT_ERR"},
                                  {5, 5, "MSI_EVENTQ_ABT_ERR"}, {6, 6, "MSI_PRIQ_ABT_ERR"},
                                  {7, 7, "MSI_GERROR_ABT_ERR"}, {8, 8, "SFM_ERR"},
                                  {9, 9, "CMDQP_ERR"},          {10, 10, "DPT_ERR"}};
constexpr Field strtab_base_names[] = {{55, 6, "ADDR"}, {62, 62, "RA"}};
constexpr Field strtab_base_cfg_names[] = {{5, 0, "LOG2SIZE"}, {10, 6, "SPLIT"}, {17, 16, "FMT"}};
constexpr Field cmdq_base_names[] = {{4, 0, "LOG2SIZE"}, {55, 5, "ADDR"}, {62, 62, "RA"}};
constexpr Field output_base_names[] = {{4, 0, "LOG2SIZE"}, {55, 5, "ADDR"}, {62, 62, "WA"}};
constexpr Field message_names[] = {{3, 0, "MemAttr"}, {5, 4, "SH"}, {31, 31, "LO"}};

Fields fields_of(u32 offset) {
  switch (offset) {
    case reg::cr0:
    case reg::cr0ack: return cr0_names;
    case reg::cr1: return cr1_names;
    case reg::cr2: return cr2_names;
    case reg::gbpa: return gbpa_names;
    case reg::irq_ctrl:
    case reg::irq_ctrlack: return irq_ctrl_names;
    case reg::gerror:
    case reg::gerrorn: return gerror_names;
    case reg::strtab_base: return strtab_base_names;
    case reg::strtab_base_cfg: return strtab_base_cfg_names;
    case reg::cmdq_base: return cmdq_base_names;
    case reg::eventq_base:
    case reg::priq_base: return output_base_names;
    case reg::gerror_irq_cfg2:
    case reg::eventq_irq_cfg2:
    case reg::priq_irq_cfg2: return message_names;
    default: return {};  // one field, or not asked
  }
}

}  // namespace

std::string field_names(u32 offset, u64 bits) {
  const Fields fields = fields_of(offset);
  if (fields.empty()) return {};
  std::string text;
  const auto add = [&](std::string_view name) {
    if (!text.empty()) text += ", ";
    text += name;
  };
  for (const Field& field : fields) {
    const u64 its = mask(field.high, field.low);
    if ((bits & its) != 0) add(field.name);
    bits &= ~its;
  }
  if (bits != 0) add("reserved bits");
  return text;
}

}  // namespace iommucheck::spec
