// SPDX-License-Identifier: MIT
// Each field of each command, each value of it, is sent by a directed case.
// IHI 0070 4.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "asked_support.h"
#include "spec/smmu/command.h"

namespace iommucheck::oracle::asked_commands_test {
namespace {

using asked::each;
using asked::FieldOf;
using asked::up_to;
using spec::Opcode;

/// A field of one of the two words of a command.
struct Operand {
  FieldOf field;
  unsigned word = 0;
};

/// StreamIDs are those of the device's engines, each of which is named.
std::vector<Operand> operands_of(Opcode op) {
  const std::string name = "CMD_" + std::string(spec::opcode_name(op));
  std::vector<Operand> all;
  const auto add = [&](unsigned word, const char* field, unsigned hi, unsigned lo,
                       std::vector<u64> values = {}) {
    all.push_back({{name, field, hi, lo, std::move(values)}, word});
  };
  const auto ssid = [&] { add(0, "SubstreamID", 31, 12); };
  const auto ssv = [&] { add(0, "SSV", 11, 11, each(1)); };
  const auto address = [&](unsigned hi) { add(1, "Address", hi, 12); };
  if (op == Opcode::tlbi_el3_all || op == Opcode::tlbi_el3_va) return all;  // CERROR_ILL
  if (spec::is_tlbi(op)) {
    const bool el2 = op == Opcode::tlbi_el2_all || op == Opcode::tlbi_el2_asid ||
                     op == Opcode::tlbi_el2_va || op == Opcode::tlbi_el2_vaa;
    const bool asid = op == Opcode::tlbi_nh_asid || op == Opcode::tlbi_nh_va ||
                      op == Opcode::tlbi_el2_asid || op == Opcode::tlbi_el2_va;
    if (!el2 && op != Opcode::tlbi_nsnh_all) add(0, "VMID", 47, 32);
    if (asid) add(0, "ASID", 63, 48);
    if (!spec::is_tlbi_by_address(op)) return all;
    add(0, "NUM", 16, 12, each(5));
    add(0, "SCALE", 24, 20, each(5));
    add(1, "Leaf", 0, 0, each(1));
    add(1, "TTL", 9, 8, each(2));
    add(1, "TG", 11, 10, each(2));
    address(op == Opcode::tlbi_s2_ipa ? 47 : 63);
    return all;
  }
  switch (op) {
    case Opcode::prefetch_config: ssv(), ssid(); break;
    case Opcode::prefetch_addr:
      ssv(), ssid();
      add(1, "Size", 4, 0, each(5));
      add(1, "Stride", 9, 5);
      address(63);
      break;
    case Opcode::cfgi_ste: add(1, "Leaf", 0, 0, each(1)); break;
    case Opcode::cfgi_ste_range: add(1, "Range", 4, 0, each(5)); break;
    case Opcode::cfgi_cd:
      ssid();
      add(1, "Leaf", 0, 0, each(1));
      break;
    case Opcode::atc_inv:
      ssv(), ssid();
      add(0, "Global", 9, 9, each(1));
      add(1, "Size", 5, 0, up_to(52));
      address(63);
      break;
    case Opcode::pri_resp:
      ssv(), ssid();
      add(1, "PRGIndex", 8, 0);
      add(1, "Resp", 13, 12, each(2));
      break;
    case Opcode::resume:
      add(0, "Ac", 12, 12, each(1));
      add(0, "Ab", 13, 13, each(1));
      add(1, "STAG", 15, 0);
      break;
    case Opcode::sync:
      add(0, "CS", 13, 12, each(2));
      add(0, "MSH", 23, 22, {0, 2, 3});
      add(0, "MSIAttr", 27, 24, each(4));
      add(0, "MSIData", 63, 32);
      add(1, "MSIAddress", 15, 2);  // within where data is
      break;
    default: break;
  }
  return all;
}

TEST(AskedCommands, EachValueIsSent) {
  DeviceIdentity identity;
  asked::Cells cells;
  std::vector<FieldOf> fields;
  for (const Opcode op : spec::known_opcodes) {
    for (const Operand& operand : operands_of(op)) fields.push_back(operand.field);
  }
  for (const Case& one : asked::directed_cases_of_everything(identity)) {
    for (const Step& step : one.steps) {
      if (step.kind != StepKind::command) continue;
      const auto op = static_cast<Opcode>(step.a & 0xff);
      for (const Operand& operand : operands_of(op)) {
        cells.note(operand.field, operand.word == 0 ? step.a : step.b);
      }
    }
  }
  cells.expect_asked(fields, {});
}

}  // namespace
}  // namespace iommucheck::oracle::asked_commands_test
