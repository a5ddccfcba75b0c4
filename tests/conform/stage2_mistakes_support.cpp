// SPDX-License-Identifier: MIT
// What models get wrong of stage 2, alone and under stage 1. One device each.
#include "base/bits.h"
#include "spec/rules/commands.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "tests/conform/mistaken_device_support.h"

namespace iommucheck::oracle {

namespace stage2_mistakes {
namespace {

using spec::EventType;
using spec::Outcome;
using spec::Rule;
namespace rule = spec::rule;
using spec::Structure;

void with_stage2(spec::Capabilities& caps) {
  caps.s2p = caps.xnx = true;
  caps.vmid16 = false;
  caps.httu = 0;
  caps.stall_model = spec::StallModel::never;
  caps.oas_lg2 = 44;
}

Mistake of_fetch(const char* name, const char* section, Rule rule, const char* only,
                 std::function<u64(Structure, u64 pa, u64 value)> change) {
  return {.name = name,
          .section = section,
          .rule = rule,
          .only = only,
          .claims = with_stage2,
          .fetch = [=](MistakeContext&, Structure kind, u64 pa, u64 value) {
            return change(kind, pa, value);
          }};
}
/// Of word `word` of an STE.
Mistake of_ste(const char* name, const char* section, Rule rule, const char* only, unsigned word,
               std::function<u64(u64)> change) {
  return of_fetch(name, section, rule, only, [=](Structure kind, u64 pa, u64 value) {
    return kind == Structure::ste && pa % 64 == 8 * word ? change(value) : value;
  });
}
/// Of each descriptor: in cases without stage 1.
Mistake of_descriptor(const char* name, const char* section, Rule rule, const char* only,
                      std::function<u64(u64)> change) {
  return of_fetch(name, section, rule, only, [=](Structure kind, u64, u64 value) {
    return kind == Structure::descriptor ? change(value) : value;
  });
}
Mistake of_outcome(const char* name, const char* section, Rule rule, const char* only,
                   std::function<void(Outcome&, const spec::Access&)> change) {
  return {.name = name,
          .section = section,
          .rule = rule,
          .only = only,
          .claims = with_stage2,
          .outcome = [=](MistakeContext&, spec::Access& access, Outcome& o) { change(o, access); }};
}

std::vector<Mistake> of_fields() {
  std::vector<Mistake> all;
  all.push_back(of_ste("S2PS is not looked at", "5.2 (S2PS)", rule::S2_OUTPUT_SIZE,
                       "stage 2: S2PS*", 2, [](u64 w) { return with_bits(w, 50, 48, 5); }));
  all.back().kinds = 3;  // and of a leaf without AF
  all.push_back(of_ste("S2AFFD is not looked at", "5.2 (S2AFFD)", rule::TRANSLATION_RESULT,
                       "stage 2: AF*", 2, [](u64 w) { return with_bits(w, 53, 53, 0); }));
  all.push_back(of_ste("S2PTW is not looked at", "5.2 (S2PTW)", rule::S2_PTW, "nested: *Device*", 2,
                       [](u64 w) { return with_bits(w, 54, 54, 0); }));
  all.back().kinds = 8;  // of a CD and of tables: what is reached, and what stage 1 says then
  all.push_back(of_ste("S2PTW is always 1", "5.2 (S2PTW)", rule::TRANSLATION_RESULT,
                       "nested: *Device*", 2, [](u64 w) { return with_bits(w, 54, 54, 1); }));
  all.back().kinds = 6;
  all.push_back(of_ste("S2R is not looked at", "5.5", rule::EVENT_ONCE, "stage 2: S2R*", 2,
                       [](u64 w) { return with_bits(w, 58, 58, 1); }));
  all.push_back(of_ste("an S2T0SZ that is too small is 16", "5.2 (S2T0SZ)", rule::STE_S2T0SZ,
                       "stage 2: S2T0SZ is too small", 2,
                       [](u64 w) { return bits(w, 37, 32) == 15 ? w + (u64{10} << 32) : w; }));
  all.push_back(of_ste("S2TG = 3 is 4 KiB", "5.2 (S2TG)", rule::STE_S2TG, "stage 2: S2TG*", 2,
                       [](u64 w) { return bits(w, 47, 46) == 3 ? with_bits(w, 47, 46, 0) : w; }));
  all.push_back(of_ste("S2VMID has eight bits", "5.2 (S2VMID)", rule::STE_S2VMID,
                       "stage 2: S2VMID*", 2, [](u64 w) { return with_bits(w, 15, 8, 0); }));
  return all;
}

std::vector<Mistake> of_rights() {
  const char* const rights = "stage 2: S2AP*";
  std::vector<Mistake> all;
  all.push_back(of_descriptor("S2AP[0] is not looked at", "DDI 0487 D8.4", rule::S2_PERMISSION,
                              rights, [](u64 w) { return w | u64{1} << 6; }));
  all.push_back(of_descriptor("S2AP[1] means read-only", "DDI 0487 D8.4", rule::S2_PERMISSION,
                              rights, [](u64 w) { return w ^ u64 { 1 } << 7; }));
  all.back().kinds = 3;
  all.push_back(of_descriptor("XN has one bit", "DDI 0487 D8.4", rule::S2_PERMISSION, rights,
                              [](u64 w) { return w & ~(u64{1} << 53); }));
  all.back().kinds = 3;
  all.push_back(of_descriptor("execution needs S2AP[0]", "DDI 0487 D8.4", rule::TRANSLATION_RESULT,
                              rights,
                              [](u64 w) { return bit(w, 6) ? w : with_bits(w, 54, 53, 2); }));
  all.push_back(of_descriptor("AF is not looked at", "3.13", rule::S2_ACCESS_FLAG, "stage 2: AF*",
                              [](u64 w) { return w | u64{1} << 10; }));
  all.push_back(of_descriptor("a reserved descriptor is a page", "DDI 0487 D8.3",
                              rule::S2_DESCRIPTOR_VALID, "stage 2: granule 4 KiB, S2SL0 1*",
                              [](u64 w) { return bit(w, 0) && bit(w, 10) ? w | 2 : w; }));
  all.back().kinds = 4;  // blocks are tables, too
  return all;
}

/// A field is named once for each type of record that has it.
std::vector<Mistake> of_faults() {
  constexpr std::size_t types = 4;
  std::vector<Mistake> all;
  all.push_back(of_outcome("beyond S2T0SZ is F_ADDR_SIZE", "7.3.13", rule::S2_IPA_RANGE,
                           "stage 2: granule 4 KiB*", [](Outcome& o, const spec::Access&) {
                             if (o.rule == rule::S2_IPA_RANGE) o.event = EventType::f_addr_size;
                           }));
  all.push_back(of_outcome("a stage 2 fault is one of stage 1", "7.3.13 (S2)", rule::EVENT_RECORD,
                           "nested: the address*",
                           [](Outcome& o, const spec::Access&) { o.stage2 = false; }));
  all.back().kinds = 2 * types;
  all.push_back(of_outcome(
      "CLASS is always IN", "7.3.13 (CLASS)", rule::EVENT_RECORD, "nested: *",
      [](Outcome& o, const spec::Access&) { o.input = spec::Stage2Input::transaction; }));
  all.back().kinds = types + 2;
  all.push_back(of_outcome("CLASS of a CD is TT", "7.3.13 (CLASS)", rule::EVENT_RECORD,
                           "nested: the CD*", [](Outcome& o, const spec::Access&) {
                             if (o.input == spec::Stage2Input::cd) {
                               o.input = spec::Stage2Input::stage1_descriptor;
                             }
                           }));
  all.back().kinds = types;
  all.push_back(of_outcome("IPA is the input address", "7.3.13 (IPA)", rule::EVENT_RECORD,
                           "nested: *",
                           [](Outcome& o, const spec::Access& access) { o.ipa = access.va; }));
  all.back().kinds = types;
  all.push_back(of_outcome("IPA is the physical address of what failed", "7.3.13 (IPA)",
                           rule::EVENT_RECORD, "nested: *", [](Outcome& o, const spec::Access&) {
                             if (o.stage2) o.ipa = o.origin;
                           }));
  all.back().kinds = types;
  all.push_back(of_outcome("the IPA of a stage 2 fault is 0", "7.3.13 (IPA)", rule::EVENT_RECORD,
                           "stage 2: granule 4 KiB, S2SL0 1*",
                           [](Outcome& o, const spec::Access&) { o.ipa = 0; }));
  all.push_back(of_outcome("a descriptor's abort is one of stage 2", "7.3.12", rule::EVENT_RECORD,
                           "nested: *no memory*", [](Outcome& o, const spec::Access&) {
                             if (o.event != EventType::f_walk_eabt || o.stage2) return;
                             o.stage2 = true;
                             o.input = spec::Stage2Input::stage1_descriptor;
                           }));
  all.push_back(of_outcome("F_CD_FETCH has the intermediate address", "7.3.10", rule::EVENT_RECORD,
                           "nested: the CD*", [](Outcome& o, const spec::Access&) {
                             if (o.event == EventType::f_cd_fetch) o.origin = 0x10000;
                           }));
  all.push_back(of_outcome("what stage 2 has against an L1CD is of a table", "7.3 (CLASS)",
                           rule::EVENT_RECORD, "nested CDs: the L1CD*",
                           [](Outcome& o, const spec::Access&) {
                             constexpr u64 l1cds = 0x50000;  // of these cases
                             if (o.stage2 && align_down(o.ipa, 12) == l1cds) {
                               o.input = spec::Stage2Input::stage1_descriptor;
                             }
                           }));
  all.back().kinds = 2 * types;  // of a permission TTRnW, too
  all.push_back(of_outcome("permission of a table is an abort of its walk", "7.3.16",
                           rule::S2_PERMISSION, "nested: the first table*",
                           [](Outcome& o, const spec::Access&) {
                             const bool table = o.input == spec::Stage2Input::stage1_descriptor;
                             if (table && o.event == EventType::f_permission) {
                               o.event = EventType::f_walk_eabt;
                             }
                           }));
  return all;
}

/// Commands that it takes for others, and uses what it then still has.
std::vector<Mistake> of_commands() {
  using spec::Command;
  using spec::Opcode;
  const auto nothing = [](Command& c) { c = Command{.op = Opcode::prefetch_config}; };
  const auto when = [](Opcode op, auto change) {
    return [=](Command& c) {
      if (c.op == op) change(c);
    };
  };
  const auto is_range = [](const Command& c) { return c.num != 0 || c.scale != 0; };
  const char* const stage2 = "stage 2 sequence:*";
  const char* const nested = "nested sequence:*";
  std::vector<Mistake> all;
  const auto add = [&](const char* name, const char* only, std::function<void(Command&)> change) {
    all.push_back({.name = name,
                   .section = "4.4",
                   .rule = rule::TLBI_TAGS,
                   .only = only,
                   .kinds = 12,  // of a leaf and of a block, of reading and of writing
                   .claims = with_stage2,
                   .command = std::move(change)});
  };
  add("TLBI_S2_IPA does nothing", stage2, when(Opcode::tlbi_s2_ipa, nothing));
  add("TLBI_S2_IPA with Leaf = 1 does nothing", stage2, when(Opcode::tlbi_s2_ipa, [=](Command& c) {
        if (c.leaf.value) nothing(c);
      }));
  add("TLBI_S2_IPA has no VMID", stage2, when(Opcode::tlbi_s2_ipa, [](Command& c) { c.vmid = 0; }));
  add("TLBI_S2_IPA has seven bits of VMID", stage2,
      when(Opcode::tlbi_s2_ipa, [](Command& c) { c.vmid &= 0x7f; }));
  add("TLBI_S2_IPA is of the next page", stage2,
      when(Opcode::tlbi_s2_ipa, [](Command& c) { c.address += 0x1000; }));
  add("TLBI_S2_IPA leaves tables", stage2,
      when(Opcode::tlbi_s2_ipa, [](Command& c) { c.leaf = true; }));
  add("TLBI_S2_IPA of a range does nothing", stage2, [=](Command& c) {
    if (c.op == Opcode::tlbi_s2_ipa && is_range(c)) nothing(c);
  });
  all.back().rule = rule::TLBI_RANGE;
  add("TLBI_S2_IPA of a range leaves tables", "another table of stage 2*", [](Command& c) {
    if (c.op == Opcode::tlbi_s2_ipa && c.tg != 0) c.leaf = true;
  });
  all.back().rule = rule::TLBI_RANGE;
  add("TLBI_S12_VMALL does nothing", stage2, when(Opcode::tlbi_s12_vmall, nothing));
  add("TLBI_S12_VMALL is of stage 1", stage2,
      when(Opcode::tlbi_s12_vmall, [](Command& c) { c.op = Opcode::tlbi_nh_all; }));
  add("TLBI_S12_VMALL is of stage 2", nested, when(Opcode::tlbi_s12_vmall, [](Command& c) {
        const u64 vmid = c.vmid;
        c = Command{.op = Opcode::tlbi_s2_ipa};
        c.vmid = vmid;
        c.address = 0x40000;
      }));
  add("TLBI_NH_VA has no VMID", nested, when(Opcode::tlbi_nh_va, [](Command& c) { c.vmid = 0; }));
  add("TLBI_NH_VAA has no VMID", nested, when(Opcode::tlbi_nh_vaa, [](Command& c) { c.vmid = 0; }));
  add("TLBI_NH_ASID has no VMID", nested,
      when(Opcode::tlbi_nh_asid, [](Command& c) { c.vmid = 0; }));
  add("TLBI_NH_ALL has no VMID", nested, when(Opcode::tlbi_nh_all, [](Command& c) { c.vmid = 0; }));
  add("TLBI_NH_ALL is of ASID 0", nested,
      when(Opcode::tlbi_nh_all, [](Command& c) { c.op = Opcode::tlbi_nh_asid; }));
  add("CMD_CFGI_CD_ALL does nothing under stage 2", nested, when(Opcode::cfgi_cd_all, nothing));
  all.back().rule = rule::CFGI_SCOPE;
  return all;
}

}  // namespace
}  // namespace stage2_mistakes

std::vector<Mistake> mistakes_of_stage2() {
  using namespace stage2_mistakes;
  std::vector<Mistake> all;
  for (auto part : {of_fields(), of_rights(), of_faults(), of_commands()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace iommucheck::oracle
