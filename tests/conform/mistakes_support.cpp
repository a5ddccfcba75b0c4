// SPDX-License-Identifier: MIT
// What models get wrong: a wrong bit, a wrong order, a forgotten case. One device each.
#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/command.h"
#include "spec/smmu/queue.h"
#include "tests/conform/mistaken_device_support.h"

namespace iommucheck::oracle {

namespace mistakes_support {
namespace {

namespace reg = spec::reg;
using spec::EventType;
using spec::Opcode;
using spec::Rule;
namespace rule = spec::rule;
using spec::Structure;
using Context = MistakeContext;

bool starts(Structure kind, Structure wanted, u64 pa, unsigned word) {
  return kind == wanted && pa % 64 == 8 * word;
}

// ---- registers and queues -----------------------------------------------------------------------

/// What stands at CMDQ_CONS does nothing, where it is in error.
void skip_command(Context& c) {
  const u64 active = c.register_value(reg::gerror) ^ c.register_value(reg::gerrorn);
  if ((active & spec::gerror::cmdq_err) == 0) return;
  const u64 index = spec::queue_index<u64>(c.cmdq_lg2, c.register_value(reg::cmdq_cons));
  const u64 slot = (c.written[reg::cmdq_base] & mask(51, 5)) + 16 * index;
  const auto nothing = spec::encode_command(spec::Command{.op = Opcode::prefetch_config});
  c.replace(slot, nothing.dw0);
  c.replace(slot + 8, nothing.dw1);
}

/// What stands before a CMD_SYNC with CS = 2 that is the last one does nothing.
void forget_before_event(Context& c, u64 prod) {
  const auto slot = [&](u64 back) {
    const u64 index = spec::queue_index<u64>(c.cmdq_lg2, prod - back);
    return (c.written[reg::cmdq_base] & mask(51, 5)) + 16 * index;
  };
  const u64 last = c.word(slot(1));
  if (bits(last, 7, 0) != static_cast<u64>(Opcode::sync) || bits(last, 13, 12) != 2) return;
  const auto nothing = spec::encode_command(spec::Command{.op = Opcode::prefetch_config});
  c.replace(slot(2), nothing.dw0);
  c.replace(slot(2) + 8, nothing.dw1);
}

std::vector<Mistake> of_event_queue() {
  std::vector<Mistake> all;
  all.push_back({.name = "EVENTQ_CONS.OVACKFLG is not stored",
                 .section = "6.3.34, 7.4",
                 .rule = rule::EVENT_OVERFLOW,
                 .only = "event queue:*",
                 .write = [](Context&, u32 offset, u64 value) {
                   return offset == reg::eventq_cons ? value & mask(30, 0) : value;
                 }});
  all.push_back({.name = "OVFLG is set and never toggles back",
                 .section = "7.4",
                 .rule = rule::EVENT_OVERFLOW,
                 .only = "event queue:*",
                 .read = [](Context& c, u32 offset, u64 value) {
                   if (offset != reg::eventq_prod) return value;
                   c.held[0] |= value & spec::queue_overflow_flag;
                   return value | c.held[0];
                 }});
  return all;
}

std::vector<Mistake> of_control() {
  std::vector<Mistake> all;
  all.push_back({.name = "GERRORN clears what is written as 1",
                 .section = "6.3.20, 7.5",
                 .rule = rule::COMMAND_LEGAL,
                 .only = "command queue:*",
                 .kinds = 6,  // off and on, and without memory, too
                 .read = [](Context& c, u32 offset, u64 value) {
                   if (offset == reg::gerrorn) return u64{0};
                   return offset == reg::gerror ? value ^ c.register_value(reg::gerrorn) : value;
                 }});
  all.push_back({.name = "CMDQ_CONS cannot be written",
                 .section = "6.3.28",
                 .rule = rule::REGISTER_READ,
                 .only = "registers: CMDQ_CONS*",
                 .kinds = 3,
                 .write = [](Context& c, u32 offset, u64 value) {
                   return offset == reg::cmdq_cons ? c.register_value(reg::cmdq_cons) : value;
                 }});
  all.push_back({.name = "GERROR is set and not toggled",
                 .section = "6.3.19, 7.5",
                 .rule = rule::REGISTER_PROGRESS,
                 .only = "command queue:*",
                 .read = [](Context& c, u32 offset, u64 value) {
                   if (offset != reg::gerror) return value;
                   c.held[0] |= value;
                   return c.held[0];
                 }});
  all.push_back({.name = "GBPA.ABORT counts with SMMUEN = 1",
                 .section = "6.3.14, 3.11",
                 .rule = rule::TRANSLATION_RESULT,
                 .only = "disabled:*",
                 .outcome = [](Context& c, spec::Access&, spec::Outcome& o) {
                   if ((c.written[reg::gbpa] & spec::gbpa::abort) == 0) return;
                   o = {.kind = spec::OutcomeKind::abort, .rule = rule::DISABLED_PASSES};
                 }});
  all.push_back({.name = "CR0.PRIQEN is acknowledged without IDR0.PRI",
                 .section = "6.3.9, 6.3.10",
                 .rule = rule::REGISTER_READ,
                 .only = "registers: enables*",
                 .read = [](Context& c, u32 offset, u64 value) {
                   const bool its = offset == reg::cr0 || offset == reg::cr0ack;
                   return its ? value | (c.written[reg::cr0] & spec::cr0::priqen) : value;
                 }});
  return all;
}

std::vector<Mistake> of_command_errors() {
  std::vector<Mistake> all;
  all.push_back({.name = "CMDQ_CONS stops before the command in error",
                 .section = "7.1",
                 .rule = rule::COMMAND_ERROR_STOPS,
                 .only = "command: CMD_SYNC*",
                 .read = [](Context& c, u32 offset, u64 value) {
                   if (offset != reg::cmdq_cons || bits(value, 30, 24) == 0) return value;
                   const u64 before = spec::queue_bits<u64>(c.cmdq_lg2, (value & 0xfffff) - 1);
                   return (value & ~u64{0xfffff}) | before;
                 }});
  all.push_back({.name = "CMDQ_CONS loses its wrap bit in an error",
                 .section = "6.3.28, 7.1",
                 .rule = rule::COMMAND_ERROR_STOPS,
                 .only = "command queue:*",
                 .read = [](Context& c, u32 offset, u64 value) {
                   const bool error = offset == reg::cmdq_cons && bits(value, 30, 24) != 0;
                   return error ? value & ~pow2(c.cmdq_lg2) : value;
                 }});
  all.push_back({.name = "CMD_SYNC with CS = 2 does not wait for what is directly before it",
                 .section = "4.7.3",
                 .rule = rule::TLBI_TAGS,
                 .only = "batch: * and a CMD_SYNC*",
                 .kinds = 4,  // a CFGI, too
                 .write = [](Context& c, u32 offset, u64 value) {
                   if (offset == reg::cmdq_prod) forget_before_event(c, value);
                   return value;
                 }});
  all.push_back({.name = "an acknowledged command is skipped and not read again",
                 .section = "7.1",
                 .rule = rule::TLBI_TAGS,
                 .only = "command queue:*",
                 .write = [](Context& c, u32 offset, u64 value) {
                   if (offset == reg::gerrorn) skip_command(c);
                   return value;
                 }});
  return all;
}

std::vector<Mistake> of_invalidations() {
  std::vector<Mistake> all;
  const auto add = [&](const char* name, const char* section, Rule rule, const char* only,
                       auto command) {
    all.push_back(
        {.name = name, .section = section, .rule = rule, .only = only, .command = command});
  };
  add("CFGI_STE_RANGE has half of its StreamIDs", "4.3.2", rule::CFGI_SCOPE, "sequence: an STE*",
      [](spec::Command& c) {
        if (c.op != Opcode::cfgi_ste_range || c.range == 31) return;
        c = c.range == 0 ? spec::cmd_cfgi_ste(static_cast<u32>(c.sid), false)
                         : spec::cmd_cfgi_ste_range(static_cast<u32>(c.sid),
                                                    static_cast<unsigned>(c.range - 1));
      });
  add("CFGI_STE_RANGE begins at its StreamID", "4.3.2", rule::CFGI_SCOPE, "sequence: an STE*",
      [](spec::Command& c) {
        if (c.op != Opcode::cfgi_ste_range || c.range == 31) return;
        if ((c.sid & mask(static_cast<unsigned>(c.range), 0)) == 0) return;
        c = spec::cmd_cfgi_ste(static_cast<u32>(c.sid), false);
      });
  add("CFGI_ALL is taken with StreamID 0 alone", "4.3.6", rule::CFGI_SCOPE, "sequence: an STE*",
      [](spec::Command& c) {
        if (c.op != Opcode::cfgi_ste_range || c.range != 31 || c.sid == 0) return;
        c = spec::cmd_cfgi_ste(static_cast<u32>(c.sid), false);
      });
  add("CFGI_CD_ALL takes CD 0 alone", "4.3.4", rule::CFGI_SCOPE, "substreams: a CD*",
      [](spec::Command& c) {
        if (c.op == Opcode::cfgi_cd_all) c = spec::cmd_cfgi_cd(static_cast<u32>(c.sid), 0, false);
      });
  add("CFGI_CD does not look at its SubstreamID", "4.3.3", rule::CFGI_SCOPE, "substreams: a CD*",
      [](spec::Command& c) {
        if (c.op == Opcode::cfgi_cd) c.ssid = 0;
      });
  add("CFGI_CD with Leaf = 0 takes no CD", "4.3.3", rule::CFGI_SCOPE, "sequence: a CD*",
      [](spec::Command& c) {
        if (c.op == Opcode::cfgi_cd && !c.leaf) c = spec::Command{.op = Opcode::prefetch_config};
      });
  add("SCALE has four bits", "4.4.1.1", rule::TLBI_RANGE, "sequence: a range*",
      [](spec::Command& c) {
        if (!spec::is_tlbi_by_address(c.op) || c.scale < 16) return;
        c.scale -= 16;
        if (c.scale == 0 && c.num == 0) c.ttl = 3;
      });
  add("TTL = 0 means level 3", "4.4.1.1", rule::TLBI_RANGE, "sequence: a leaf at level 2*",
      [](spec::Command& c) {
        if (spec::is_tlbi_by_address(c.op) && c.tg != 0 && c.ttl == 0) c.ttl = 3;
      });
  add("a range begins at a multiple of its size", "4.4.1.1", rule::TLBI_RANGE, "sequence: a range*",
      [](spec::Command& c) {
        if (!spec::is_tlbi_by_address(c.op) || c.tg == 0) return;
        c.address = align_down(c.address, static_cast<unsigned>(12 + c.scale));
      });
  add("TLBI_NH_VAA goes by ASID 0", "4.4.2.3", rule::TLBI_TAGS, "sequence: a leaf at level 3*",
      [](spec::Command& c) {
        if (c.op == Opcode::tlbi_nh_vaa) c.op = Opcode::tlbi_nh_va;
      });
  add("TLBI_NH_ASID compares eight bits of the ASID", "4.4.2.2", rule::TLBI_TAGS,
      "sequence: a leaf of TTB1*", [](spec::Command& c) {
        if (c.op == Opcode::tlbi_nh_asid) c.asid &= 0xff;
      });
  add("TLBI by address loses what is above bit 47", "4.4.1", rule::TLBI_TAGS,
      "sequence: a leaf of TTB1*", [](spec::Command& c) {
        if (spec::is_tlbi_by_address(c.op)) c.address &= mask(47, 0);
      });
  all.back().kinds = 4;
  return all;
}

std::vector<Mistake> of_prefetches() {
  std::vector<Mistake> all;
  all.push_back({.name = "a CFGI directly behind a prefetch is lost",
                 .section = "4.2, 4.3",
                 .rule = rule::CFGI_SCOPE,
                 .only = "batch: an STE changes, PREFETCH*",
                 .kinds = 3,  // by each of the commands
                 .command = [behind = false](spec::Command& c) mutable {
                   const bool is_prefetch =
                       c.op == Opcode::prefetch_config || c.op == Opcode::prefetch_addr;
                   const bool lost = std::exchange(behind, is_prefetch) && spec::is_cfgi(c.op);
                   if (lost) c = {.op = Opcode::prefetch_config};
                 }});
  const auto add = [&](const char* name, const char* section, auto command) {
    all.push_back({.name = name,
                   .section = section,
                   .rule = rule::COMMAND_LEGAL,
                   .only = "command: PREFETCH*",
                   .command = command});
  };
  add("PREFETCH with SSV = 1 is refused", "4.2.1", [](spec::Command& c) {
    const bool its = c.op == Opcode::prefetch_config || c.op == Opcode::prefetch_addr;
    if (its && c.ssv) c.ssec = true;
  });
  add("PREFETCH_ADDR with Size is refused", "4.2.2", [](spec::Command& c) {
    if (c.op == Opcode::prefetch_addr && c.size != 0) c.ssec = true;
  });
  return all;
}

// ---- configuration ------------------------------------------------------------------------------

Mistake of_fetch(const char* name, const char* section, Rule rule, const char* only,
                 std::function<u64(Context&, Structure, u64, u64)> fetch) {
  return {.name = name, .section = section, .rule = rule, .only = only, .fetch = std::move(fetch)};
}

std::vector<Mistake> of_configuration() {
  std::vector<Mistake> all;
  all.push_back(of_fetch("S1DSS = 3 bypasses stage 1", "5.2 (S1DSS)", rule::SSID_REQUIRED,
                         "substreams: S1DSS*", [](Context&, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::ste, pa, 1);
                           return its && bits(word, 1, 0) == 3 ? word ^ 2 : word;
                         }));
  all.push_back(of_fetch("S1Fmt = 2 is taken as 1", "5.2 (S1Fmt)", rule::TRANSLATION_RESULT,
                         "substreams: S1Fmt*", [](Context&, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::ste, pa, 0);
                           return its && bits(word, 5, 4) == 2 ? word ^ 0x30 : word;
                         }));
  all.push_back(of_fetch("an STE with CONT is refused", "5.2 (CONT)", rule::TRANSLATION_RESULT,
                         "ste: CONT*", [](Context& c, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::ste, pa, 0);
                           return its && bits(c.word(pa + 8), 16, 13) != 0 ? word & ~u64{1} : word;
                         }));
  all.push_back(of_fetch("CONT is taken one power of two too wide", "5.2 (CONT)", rule::STE_BYPASS,
                         "ste: CONT*, the STE beside*",
                         [](Context& c, Structure kind, u64 pa, u64 word) {
                           if (kind != Structure::ste) return word;
                           for (unsigned cont = 1; cont <= 4; ++cont) {
                             const u64 beside = pa ^ (u64{64} << cont), ste = beside & ~u64{63};
                             const bool valid = (c.word(ste) & 1) != 0;
                             if (valid && bits(c.word(ste + 8), 16, 13) == cont) {
                               return c.word(beside);
                             }
                           }
                           return word;
                         }));
  all.push_back(of_fetch("TBI0 counts for both halves", "5.4 (TBI)", rule::TRANSLATION_RESULT,
                         "walk: tags*", [](Context&, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::cd, pa, 0);
                           return its ? with_bits(word, 39, 39, bits(word, 38, 38)) : word;
                         }));
  all.push_back(of_fetch("HAD0 counts for both halves", "5.4 (HAD)", rule::S1_PERMISSION,
                         "attributes: tables*", [](Context& c, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::cd, pa, 2);
                           return its ? with_bits(word, 1, 1, bits(c.word(pa - 8), 1, 1)) : word;
                         }));
  all.back().kinds = 5;
  all.push_back(of_fetch("TTB is a multiple of 4 KiB", "5.4 (TTB0)", rule::TRANSLATION_RESULT,
                         "walk: a root*", [](Context&, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::cd, pa, 1) ||
                                            starts(kind, Structure::cd, pa, 2);
                           return its ? word & ~mask(11, 4) : word;
                         }));
  all.push_back(of_fetch("EPD1 is that of TTB0", "5.4 (EPD)", rule::TRANSLATION_RESULT,
                         "walk: EPD*", [](Context&, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::cd, pa, 0);
                           return its && !bit(word, 30)
                                      ? with_bits(word, 30, 30, bits(word, 14, 14))
                                      : word;
                         }));
  all.push_back(of_fetch("S1CDMax has four bits", "5.2 (S1CDMax)", rule::STE_S1CDMAX,
                         "ste: S1CDMax*", [](Context&, Structure kind, u64 pa, u64 word) {
                           const bool its = starts(kind, Structure::ste, pa, 0);
                           return its ? word & mask(62, 0) : word;
                         }));
  all.push_back(
      of_fetch("IPS is compared with 48 bits at least", "5.4 (IPS)", rule::S1_OUTPUT_SIZE,
               "walk: output*", [](Context&, Structure kind, u64 pa, u64 word) {
                 const bool its = starts(kind, Structure::cd, pa, 0);
                 return its ? with_bits(word, 34, 32, std::max<u64>(bits(word, 34, 32), 5)) : word;
               }));
  all.back().kinds = 4;
  all.push_back(of_fetch("descriptors' XNTable bits are not looked at", "DDI 0487 D8.4",
                         rule::S1_PERMISSION, "attributes: tables*",
                         [](Context&, Structure kind, u64, u64 word) {
                           return kind == Structure::descriptor ? word & ~mask(60, 59) : word;
                         }));
  // Where no CD is legal by which faults do not wait, all is asked by ones that do.
  all.push_back(all.back());
  all.back().name = "the same, where every fault waits";
  all.back().claims = [](spec::Capabilities& caps) { caps.stall_model = spec::StallModel::always; };
  return all;
}

std::vector<Mistake> of_attributes() {
  std::vector<Mistake> all;
  all.push_back(
      {.name = "the half is chosen by bit 63",
       .section = "5.4, DDI 0487 D8.2",
       .rule = rule::TRANSLATION_RESULT,
       .only = "walk: tags*",
       .access = [](spec::Access& a) { a.va = with_bits(a.va, 55, 55, bits(a.va, 63, 63)); }});
  all.push_back({.name = "PRIVCFG is applied though ATTR_PERMS_OVR = 0",
                 .section = "5.2 (PRIVCFG), 6.3.2",
                 .rule = rule::S1_PERMISSION,
                 .only = "attributes: PRIVCFG*",
                 .kinds = 6,
                 .state = [](spec::SmmuState& s) { s.caps.attr_perms_ovr = true; }});
  all.push_back({.name = "PRIVCFG is not applied though ATTR_PERMS_OVR = 1",
                 .section = "5.2 (PRIVCFG), 6.3.2",
                 .rule = rule::S1_PERMISSION,
                 .only = "attributes: PRIVCFG*",
                 .kinds = 4,
                 .claims = [](spec::Capabilities& caps) { caps.attr_perms_ovr = true; },
                 .fetch =
                     [](Context&, Structure kind, u64 pa, u64 word) {
                       return starts(kind, Structure::ste, pa, 1) ? word & ~mask(49, 48) : word;
                     }});
  all.push_back({.name = "INSTCFG = 2 is taken as 3",
                 .section = "5.2 (INSTCFG), 13.1.2",
                 .rule = rule::S1_PERMISSION,
                 .only = "attributes: PRIVCFG*",
                 .kinds = 4,
                 .claims = [](spec::Capabilities& caps) { caps.attr_perms_ovr = true; },
                 .fetch =
                     [](Context&, Structure kind, u64 pa, u64 word) {
                       const bool its =
                           starts(kind, Structure::ste, pa, 1) && bits(word, 51, 50) == 2;
                       return its ? word | u64{1} << 50 : word;
                     }});
  return all;
}

// ---- events -------------------------------------------------------------------------------------

std::vector<Mistake> of_events() {
  std::vector<Mistake> all;
  all.push_back({.name = "InputAddr has no tag",
                 .section = "7.3, 7.3.13",
                 .rule = rule::EVENT_RECORD,
                 .only = "walk: tags*",
                 .outcome = [](Context&, spec::Access& a, spec::Outcome& o) {
                   const bool walked =
                       spec::is_translation_fault(o.event) && o.rule != rule::S1_VA_IN_RANGE;
                   if (walked) a.va = bit(a.va, 55) ? a.va | mask(63, 56) : a.va & mask(55, 0);
                 }});
  all.push_back({.name = "a SubstreamID is refused before the STE",
                 .section = "7.3.22",
                 .rule = rule::STE_VALID,
                 .only = "substreams: sent*",
                 .outcome = [](Context&, spec::Access& a, spec::Outcome& o) {
                   if (a.ssv && o.event == EventType::c_bad_ste) {
                     o = spec::fault_outcome(EventType::c_bad_substreamid, rule::SSID_NOT_ALLOWED);
                   }
                 }});
  all.push_back({.name = "CD.R = 0 silences F_WALK_EABT",
                 .section = "5.5",
                 .rule = rule::EVENT_LOST,
                 .only = "external abort:*",
                 .fetch =
                     [](Context& c, Structure kind, u64 pa, u64 word) {
                       if (starts(kind, Structure::cd, pa, 0)) c.held[0] = bits(word, 45, 45);
                       return word;
                     },
                 .outcome =
                     [](Context& c, spec::Access&, spec::Outcome& o) {
                       const bool silent = o.event == EventType::f_walk_eabt && c.held[0] == 0;
                       if (silent) o.kind = spec::OutcomeKind::abort;
                     }});
  all.push_back({.name = "what is to stall is terminated, and its record says Stall",
                 .section = "3.12.2, 5.5",
                 .rule = rule::DEVICE_OUTCOME,
                 .only = "cd: S*",
                 .seen = [](DmaSeen& seen) { seen.stalled = false; }});
  all.push_back({.name = "what is to be terminated waits",
                 .section = "3.12.1, 5.5",
                 .rule = rule::DEVICE_OUTCOME,
                 .only = "cd:*",
                 .seen = [](DmaSeen& seen) { seen.stalled = !seen.reached; }});
  return all;
}

std::vector<Mistake> of_records() {
  std::vector<Mistake> all;
  all.push_back({.name = "C_BAD_SUBSTREAMID has SSV",
                 .section = "7.3.9",
                 .rule = rule::EVENT_RECORD,
                 .only = "substreams: S1DSS*",
                 .record = [](trace::EventRecord& r) {
                   if (bits(r[0], 7, 0) == 8) r[0] |= u64{1} << 11;
                 }});
  all.push_back({.name = "F_CD_FETCH of SubstreamID 0 has no SSV",
                 .section = "7.3.10",
                 .rule = rule::EVENT_RECORD,
                 .only = "CDs by SubstreamID: *",
                 .record = [](trace::EventRecord& r) {
                   if (bits(r[0], 7, 0) == 9 && bits(r[0], 31, 12) == 0) r[0] &= ~(u64{1} << 11);
                 }});
  all.push_back({.name = "F_WALK_EABT has CLASS = IN",
                 .section = "7.3.12",
                 .rule = rule::EVENT_RECORD,
                 .only = "external abort:*",
                 .record = [](trace::EventRecord& r) {
                   if (bits(r[0], 7, 0) == 0xb) r[1] = with_bits(r[1], 41, 40, 2);
                 }});
  all.push_back({.name = "a fetch of an instruction has RnW = 0",
                 .section = "7.3",
                 .rule = rule::EVENT_RECORD,
                 .only = "attributes: *leaf",
                 .record = [](trace::EventRecord& r) {
                   if (bit(r[1], 34)) r[1] &= ~(u64{1} << 35);
                 }});
  return all;
}

// ---- a TLB, ATS ---------------------------------------------------------------------------------

std::vector<Mistake> of_tlb() {
  std::vector<Mistake> all;
  const auto add = [&](const char* name, const char* section, Rule rule, const char* only,
                       const TlbMistake& wrong) {
    all.push_back({.name = name, .section = section, .rule = rule, .only = only, .tlb = wrong});
  };
  add("eight bits of the ASID are compared", "3.17", rule::TRANSLATION_RESULT, "walk: ASIDs*",
      {.asid_bits = 0xff});
  add("a contiguous group goes with its first page alone", "4.4.1, DDI 0487 D8.2", rule::TLBI_TAGS,
      "sequence: a contiguous*", {.contiguous_first = true});
  add("a block goes with its first page alone", "4.4.1", rule::TLBI_TAGS,
      "sequence: a leaf at level 2*", {.blocks_by_first = true});
  all.back().kinds = 4;  // by each of the two commands, and by a range of it
  add("who hits has the rights of who filled", "3.17, DDI 0487 D8.4", rule::S1_PERMISSION,
      "attributes: *leaf", {.rights_of_fill = true});
  all.back().kinds = 3;
  add("what TTB1 maps goes with no address", "4.4.1", rule::TLBI_TAGS, "sequence: a leaf of TTB1*",
      {.upper_half_stays = true});
  all.back().kinds = 4;
  add("entries are for addresses with their tags", "3.4.1", rule::TLBI_TAGS,
      "sequence: a leaf by an address with a tag*", {.keeps_tags = true});
  all.back().kinds = 12;
  add("a range inside of a block leaves it", "4.4.1.1", rule::TLBI_RANGE,
      "sequence: a leaf at level 2*", {.ranges_cover = true});
  all.back().kinds = 4;
  add("both halves share entries", "5.4", rule::TRANSLATION_RESULT, "sequence: a leaf of TTB1*",
      {.forgets_ttb = true});
  return all;
}

/// SMMUv3.2 and later, with CR2.REC_CFG_ATS.
void with_ats_records(spec::Capabilities& caps) {
  caps.minor = 2;
  caps.ril = caps.fwb = caps.had = caps.xnx = true;
  caps.ats = caps.atsrecerr = true;
}

std::vector<Mistake> of_ats() {
  std::vector<Mistake> all;
  all.push_back({.name = "configuration errors of requests are never recorded",
                 .section = "3.9.1.2",
                 .rule = rule::EVENT_LOST,
                 .only = "ats: *REC_CFG_ATS*",
                 .kinds = 4,
                 .claims = with_ats_records,
                 .state = [](spec::SmmuState& state) { state.rec_cfg_ats = false; }});
  all.push_back({.name = "configuration errors of requests are always recorded",
                 .section = "3.9.1.2",
                 .rule = rule::EVENT_ONCE,
                 .only = "ats: a stream*",
                 .kinds = 7,
                 .claims = with_ats_records,
                 .state = [](spec::SmmuState& state) { state.rec_cfg_ats = true; }});
  all.push_back({.name = "RECINVSID does not count for requests",
                 .section = "3.9.1.2",
                 .rule = rule::EVENT_ONCE,
                 .only = "ats: a stream beyond*",
                 .kinds = 2,
                 .claims = with_ats_records,
                 .state = [](spec::SmmuState& state) { state.recinvsid = true; }});
  all.push_back({.name = "CMD_ATC_INV without SSV has a PASID",
                 .section = "4.5.1",
                 .rule = rule::QUEUE_CONSUMED_ORDER,
                 .only = "ats: invalidations*",
                 .invalidation = [](AtcInvalidation& one) {
                   if (!one.substream) one.substream = 0;
                 }});
  all.push_back({.name = "CMD_ATC_INV with SSV has a PASID where there are none",
                 .section = "4.5.1",
                 .rule = rule::QUEUE_CONSUMED_ORDER,
                 .only = "ats: invalidations with a PASID, of which*",
                 .claims = [](spec::Capabilities& caps) { caps.ssidsize = 0; },
                 .invalidation = [](AtcInvalidation& one) { one.substream = 1; }});
  all.push_back({.name = "requests are never privileged",
                 .section = "13.7",
                 .rule = rule::TRANSLATION_RESULT,
                 .only = "ats: requests*",
                 .request = [](spec::Access& a) { a.privileged = false; }});
  all.push_back({.name = "answers lose a bit of the place in a block",
                 .section = "3.9.1",
                 .rule = rule::TRANSLATION_RESULT,
                 .only = "ats: each bit of the place*",
                 .request = [](spec::Access& a) { a.va &= ~(u64{1} << 26); }});
  all.push_back({.name = "requests without a PASID take substream 0",
                 .section = "3.9.1.2, 5.2 (S1DSS)",
                 .rule = rule::TRANSLATION_RESULT,
                 .only = "ats: requests*",
                 .kinds = 5,
                 .request = [](spec::Access& a) { a.ssv = true; }});
  return all;
}

// ---- split-stage ATS ----------------------------------------------------------------------------

void with_split_ats(spec::Capabilities& caps) {
  caps.ats = caps.s1p = caps.s2p = caps.gran4k = true;
  caps.ns1ats = false;
}

std::vector<Mistake> of_split_ats() {
  using spec::OutcomeKind;
  std::vector<Mistake> all;
  all.push_back({.name = "split-stage ATS answers with physical addresses",
                 .section = "13.6.3",
                 .rule = rule::STE_EATS,
                 .only = "ats: split-stage*",
                 .claims = with_split_ats,
                 .fetch = [](MistakeContext& /*its*/, spec::Structure kind, u64 pa, u64 word) {
                   const bool eats = kind == spec::Structure::ste && pa % 64 == 8;
                   return eats && bits(word, 29, 28) == 2 ? with_bits(word, 29, 28, 1) : word;
                 }});
  all.push_back({.name = "split-stage ATS is on where ATSCHK = 0",
                 .section = "3.9.1.2",
                 .rule = rule::STE_EATS,
                 .only = "ats: split-stage, ATSCHK*",
                 .claims = with_split_ats,
                 .state = [](spec::SmmuState& state) { state.atschk = true; }});
  all.push_back({.name = "stage 2 is not asked for what split-stage ATS answered",
                 .section = "3.9.1.3",
                 .rule = rule::STE_EATS,
                 .only = "ats: split-stage*",
                 .kinds = 4,
                 .claims = with_split_ats,
                 .translated = [](const spec::Access& access, spec::Outcome& outcome) {
                   const bool by_stage2 =
                       outcome.stage2 || outcome.kind == OutcomeKind::translation;
                   if (!by_stage2) return;
                   outcome = {.kind = OutcomeKind::bypass, .pa = access.va};
                 }});
  all.push_back({.name = "faults of what split-stage ATS answered are not recorded",
                 .section = "3.9.1.3",
                 .rule = rule::EVENT_LOST,
                 .only = "ats: split-stage*",
                 .kinds = 4,
                 .claims = with_split_ats,
                 .translated = [](const spec::Access& /*access*/, spec::Outcome& outcome) {
                   if (outcome.stage2) outcome = {.kind = OutcomeKind::abort};
                 }});
  all.push_back({.name = "what split-stage ATS answered marks no page of stage 2",
                 .section = "3.13.7.1",
                 .rule = rule::FLAG_UPDATES,
                 .only = "flags: both stages, *, split-stage ATS*",
                 .kinds = 4,
                 .claims =
                     [](spec::Capabilities& caps) {
                       with_split_ats(caps);
                       caps.httu = 2;
                     },
                 .flags =
                     [](MistakeContext& /*its*/, const spec::Access& access,
                        const spec::Outcome& /*outcome*/, std::vector<spec::FlagUpdate>& made) {
                       if (access.route == spec::Route::translated) made.clear();
                     }});
  return all;
}

// ---- page requests ------------------------------------------------------------------------------

void with_page_requests(spec::Capabilities& caps) {
  caps.pri = true;
  caps.priqs = 4;
}

std::vector<Mistake> of_page_records() {
  using spec::PageRequestEnd;
  std::vector<Mistake> all;
  all.push_back({.name = "each fourth page request is lost",
                 .section = "8",
                 .rule = rule::PAGE_REQUEST_RECORD,
                 .only = "pages: records*",
                 .claims = with_page_requests,
                 .page = [](Context& c, const spec::PageRequest&, spec::PageRequestOutcome& o) {
                   if (o.end != PageRequestEnd::recorded || ++c.held[0] % 4 != 0) return;
                   o.end = PageRequestEnd::discarded;
                 }});
  const auto wrong_bit = [&](const char* name, unsigned word, unsigned place) {
    all.push_back({.name = name,
                   .section = "8",
                   .rule = rule::PAGE_REQUEST_RECORD,
                   .only = "pages: records*",
                   .claims = with_page_requests,
                   .page_record = [word, place](spec::PageRequestWords& words) {
                     words[word] &= ~(u64{1} << place);
                   }});
  };
  wrong_bit("the record of a page request loses a bit of its PRG index", 1, 0);
  wrong_bit("the record of a page request loses Last", 0, 62);
  wrong_bit("the record of a page request loses its address", 1, 12);
  wrong_bit("the record of a page request loses SSV", 0, 63);
  all.push_back({.name = "page requests are recorded while PRIQEN is 0",
                 .section = "6.3.9.5, 8.2",
                 .rule = rule::PAGE_REQUEST_RECORD,
                 .only = "pages: PRIQEN = 0",
                 .claims = with_page_requests,
                 .page = [](Context& c, const spec::PageRequest&, spec::PageRequestOutcome& o) {
                   const bool enabled = (c.written[reg::cr0] & spec::cr0::priqen) != 0;
                   if (enabled || c.held[0] == 4) return;  // there is room for so many
                   ++c.held[0];
                   o = {.end = PageRequestEnd::recorded, .section = {}};
                 }});
  return all;
}

std::vector<Mistake> of_page_overflows() {
  using spec::PageRequestEnd;
  std::vector<Mistake> all;
  all.push_back({.name = "PRIQ_PROD.OVFLG stays",
                 .section = "8.1",
                 .rule = rule::PAGE_REQUEST_OVERFLOW,
                 .only = "pages: overflow of*",
                 .claims = with_page_requests,
                 .read = [](Context&, u32 offset, u64 value) {
                   return offset == reg::priq_prod ? value & mask(30, 0) : value;
                 }});
  all.push_back({.name = "an overflow of page requests ends when there is room",
                 .section = "8.1",
                 .rule = rule::PAGE_REQUEST_OVERFLOW,
                 .only = "pages: overflow of*",
                 .claims = with_page_requests,
                 .page = [](Context& c, const spec::PageRequest&, spec::PageRequestOutcome& o) {
                   const u64 prod = c.register_value(reg::priq_prod) & 0xfffff;
                   const auto lg2 = static_cast<unsigned>(c.written[reg::priq_base] & 31);
                   const u64 cons = c.written[reg::priq_cons] & 0xfffff;
                   if (o.section != "8.1" || spec::queue_used<u64>(lg2, prod, cons) == pow2(lg2)) {
                     return;
                   }
                   o = {.end = PageRequestEnd::recorded, .section = "8"};
                 }});
  all.push_back({.name = "no page request is answered in an overflow",
                 .section = "8.1",
                 .rule = rule::PAGE_REQUEST_RESPONSE,
                 .only = "pages: overflow of*",
                 .claims = with_page_requests,
                 .page = [](Context&, const spec::PageRequest&, spec::PageRequestOutcome& o) {
                   if (o.section != "8.1" || !o.response) return;
                   o.response.reset();
                   o.end = PageRequestEnd::discarded;
                 }});
  all.push_back({.name = "each page request is answered in an overflow",
                 .section = "8.1",
                 .rule = rule::PAGE_REQUEST_RESPONSE,
                 .only = "pages: overflow of*",
                 .claims = with_page_requests,
                 .page = [](Context&, const spec::PageRequest& r, spec::PageRequestOutcome& o) {
                   if (o.section != "8.1" || o.response || spec::is_stop_marker(r)) return;
                   o.end = PageRequestEnd::answered;
                   o.response = spec::PageResponse{.sid = r.sid, .prg_index = r.prg_index};
                 }});
  all.push_back({.name = "Stop Markers are answered",
                 .section = "8.2",
                 .rule = rule::PAGE_REQUEST_RESPONSE,
                 .only = "pages: PRIQEN = 0",
                 .claims = with_page_requests,
                 .page = [](Context&, const spec::PageRequest& r, spec::PageRequestOutcome& o) {
                   if (o.end != PageRequestEnd::discarded || !spec::is_stop_marker(r)) return;
                   o.end = PageRequestEnd::answered;
                   o.response = spec::PageResponse{
                       .sid = r.sid, .prg_index = r.prg_index, .code = spec::ResponseCode::failure};
                 }});
  all.push_back({.name = "STE.PPAR is taken as 1",
                 .section = "8.1, 5.2 (PPAR)",
                 .rule = rule::PAGE_REQUEST_RESPONSE,
                 .only = "pages: overflow, PPAR*",
                 .claims = with_page_requests,
                 .page = [](Context&, const spec::PageRequest& r, spec::PageRequestOutcome& o) {
                   if (o.section == "8.1" && o.response) o.response->ssid = r.ssid;
                 }});
  return all;
}

std::vector<Mistake> of_page_responses() {
  using spec::PageRequestEnd;
  using spec::ResponseCode;
  std::vector<Mistake> all;
  const auto add = [&](const char* name, const char* section, const char* only, auto&& change) {
    all.push_back({.name = name,
                   .section = section,
                   .rule = rule::PAGE_REQUEST_RESPONSE,
                   .only = only,
                   .claims = with_page_requests,
                   .page_responses = [change](std::vector<spec::PageResponse>& sent) {
                     for (spec::PageResponse& one : sent) change(one);
                   }});
  };
  add("a page request that is not recorded succeeds", "8.2", "pages: *EN = 0",
      [](spec::PageResponse& one) { one.code = ResponseCode::success; });
  add("responses lose their PASID", "4.5.2", "pages: CMD_PRI_RESP",
      [](spec::PageResponse& one) { one.ssid.reset(); });
  add("responses have eight bits of the PRG index", "4.5.2", "pages: CMD_PRI_RESP",
      [](spec::PageResponse& one) { one.prg_index &= 0xff; });
  add("Invalid Request is sent as Response Failure", "4.5.2, 8.3", "pages: CMD_PRI_RESP",
      [](spec::PageResponse& one) {
        if (one.code == ResponseCode::invalid_request) one.code = ResponseCode::failure;
      });
  all.push_back({.name = "CMD_PRI_RESP sends nothing",
                 .section = "4.5.2",
                 .rule = rule::PAGE_REQUEST_RESPONSE,
                 .only = "pages: CMD_PRI_RESP",
                 .claims = with_page_requests,
                 .command = [](spec::Command& c) {
                   if (c.op == Opcode::pri_resp) c = {.op = Opcode::prefetch_config};
                 }});
  all.push_back({.name = "with PRIQEN = 0 the Last one alone is answered",
                 .section = "8.2",
                 .rule = rule::PAGE_REQUEST_RESPONSE,
                 .only = "pages: PRIQEN = 0",
                 .claims = with_page_requests,
                 .page = [](Context&, const spec::PageRequest& r, spec::PageRequestOutcome& o) {
                   if (o.section != "8.2" || r.last) return;
                   o.response.reset();
                   o.end = PageRequestEnd::discarded;
                 }});
  return all;
}

}  // namespace
}  // namespace mistakes_support

const std::vector<Mistake>& all_mistakes() {
  using namespace mistakes_support;
  static const std::vector<Mistake> all = [] {
    std::vector<Mistake> list;
    for (auto part :
         {of_event_queue(), of_control(), of_command_errors(), of_invalidations(), of_prefetches(),
          of_configuration(), of_attributes(), of_events(), of_records(), of_tlb(), of_ats(),
          of_split_ats(), of_page_records(), of_page_overflows(), of_page_responses(),
          mistakes_of_stage2(), mistakes_of_flags()}) {
      std::ranges::move(part, std::back_inserter(list));
    }
    return list;
  }();
  return all;
}

}  // namespace iommucheck::oracle
