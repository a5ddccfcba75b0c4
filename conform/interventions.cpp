// SPDX-License-Identifier: MIT
#include "conform/interventions.h"

#include <algorithm>
#include <array>
#include <map>
#include <span>
#include <vector>

#include "base/bits.h"
#include "conform/case_words.h"
#include "spec/smmu/command.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

using spec::Opcode;
namespace reg = spec::reg;

// ---- fields of words in memory ------------------------------------------------------------------

/// `plain`: what the bits become, where those of `when` are as `is`.
struct Field {
  const char* name;
  WordKind kind;
  unsigned word;
  u64 bits, plain;
  u64 when = 0, is = 0;
};

constexpr u64 epd0 = u64{1} << 14, epd1 = u64{1} << 30;
constexpr u64 valid = 1;

/// IHI 0070 5.2, 5.4; DDI 0487 D8.3. Of words of descriptors `word` says nothing.
constexpr Field word_fields[] = {
    {"CD.T1SZ and TG1 = 0, with EPD1 = 1", WordKind::cd, 0, mask(23, 16), 0, epd1, epd1},
    {"CD.T1SZ and TG1 legal, with EPD1 = 1", WordKind::cd, 0, mask(23, 16),
     u64{2} << 22 | u64{25} << 16, epd1, epd1},
    {"CD.EPD0 = 0", WordKind::cd, 0, epd0, 0},
    {"CD.ENDI = 0", WordKind::cd, 0, mask(15, 15), 0},
    {"CD.AFFD = 0", WordKind::cd, 0, mask(35, 35), 0},
    {"CD.WXN = 0", WordKind::cd, 0, mask(36, 36), 0},
    {"CD.TBI = 0", WordKind::cd, 0, mask(39, 38), 0},
    {"CD.PAN = 0", WordKind::cd, 0, mask(40, 40), 0},
    {"CD.HD = 0", WordKind::cd, 0, mask(42, 42), 0},
    {"CD.HA and HD = 0", WordKind::cd, 0, mask(43, 42), 0},
    {"CD.S = 0", WordKind::cd, 0, mask(44, 44), 0},
    {"CD.R = 1", WordKind::cd, 0, mask(45, 45), mask(45, 45)},
    {"CD.A = 1", WordKind::cd, 0, mask(46, 46), mask(46, 46)},
    {"CD.HAFT = 0", WordKind::cd, 1, mask(3, 3), 0},
    {"CD.HAD0 = 0", WordKind::cd, 1, mask(1, 1), 0},
    {"CD.HAD1 = 0", WordKind::cd, 2, mask(1, 1), 0},
    {"CD.E0PD0 = 0", WordKind::cd, 1, mask(2, 2), 0},
    {"CD.E0PD1 = 0", WordKind::cd, 2, mask(2, 2), 0},
    {"CD.EPAN = 0", WordKind::cd, 1, mask(59, 59), 0},
    {"STE.S1CDMax = 0", WordKind::ste, 0, mask(63, 59), 0},
    {"STE.S1DSS = 2", WordKind::ste, 1, mask(1, 0), 2},
    {"STE.PPAR = 0", WordKind::ste, 1, mask(18, 18), 0},
    {"STE.MEV = 0", WordKind::ste, 1, mask(19, 19), 0},
    {"STE.S2FWB = 0", WordKind::ste, 1, mask(25, 25), 0},
    {"STE.EATS = 0", WordKind::ste, 1, mask(29, 28), 0},
    {"STE.STRW = 0", WordKind::ste, 1, mask(31, 30), 0},
    {"STE.PRIVCFG = 0", WordKind::ste, 1, mask(49, 48), 0},
    {"STE.INSTCFG = 0", WordKind::ste, 1, mask(51, 50), 0},
    {"STE.S2ENDI = 0", WordKind::ste, 2, mask(52, 52), 0},
    {"STE.S2AFFD = 0", WordKind::ste, 2, mask(53, 53), 0},
    {"STE.S2PTW = 0", WordKind::ste, 2, mask(54, 54), 0},
    {"STE.S2HD = 0", WordKind::ste, 2, mask(55, 55), 0},
    {"STE.S2HA and S2HD = 0", WordKind::ste, 2, mask(56, 55), 0},
    {"STE.S2S = 0", WordKind::ste, 2, mask(57, 57), 0},
    {"STE.S2R = 1", WordKind::ste, 2, mask(58, 58), mask(58, 58)},
    {"STE.S2HAFT = 0", WordKind::ste, 2, mask(59, 59), 0},
    {"no attributes of tables (bits 63:59)", WordKind::stage1, 0, mask(63, 59), 0, 3, 3},
    {"no contiguous groups", WordKind::stage1, 0, mask(52, 52), 0, valid, valid},
    {"DBM = 0", WordKind::stage1, 0, mask(51, 51), 0, valid, valid},
    {"UXN and PXN = 0", WordKind::stage1, 0, mask(54, 53), 0, valid, valid},
    {"AF = 1", WordKind::stage1, 0, mask(10, 10), mask(10, 10), valid, valid},
    {"nG = 1", WordKind::stage1, 0, mask(11, 11), mask(11, 11), valid, valid},
    {"AP = 01", WordKind::stage1, 0, mask(7, 6), mask(6, 6), valid, valid},
    {"no contiguous groups of stage 2", WordKind::stage2, 0, mask(52, 52), 0, valid, valid},
    {"DBM of stage 2 = 0", WordKind::stage2, 0, mask(51, 51), 0, valid, valid},
    {"AF of stage 2 = 1", WordKind::stage2, 0, mask(10, 10), mask(10, 10), valid, valid},
    {"XN of stage 2 = 0", WordKind::stage2, 0, mask(54, 53), 0, valid, valid},
    {"S2AP = 11", WordKind::stage2, 0, mask(7, 6), mask(7, 6), valid, valid},
    {"MemAttr of stage 2 = 1111", WordKind::stage2, 0, mask(5, 2), mask(5, 2), valid, valid},
};

/// What a finding is about that nothing above makes right.
constexpr Field part_fields[] = {
    {"no stage 2", WordKind::ste, 0, mask(2, 2), 0, mask(3, 3), mask(3, 3)},
};

bool apply(const Field& field, Case& what, const std::map<u64, WordKind>& kinds) {
  bool any = false;
  for (Step& step : what.steps) {
    if (step.kind != StepKind::store) continue;
    const auto found = kinds.find(step.a);
    if (found == kinds.end() || found->second != field.kind) continue;
    const bool is_descriptor = field.kind == WordKind::stage1 || field.kind == WordKind::stage2;
    if (!is_descriptor && step.a / 8 % 8 != field.word) continue;
    if ((step.b & field.when) != field.is) continue;
    const u64 next = (step.b & ~field.bits) | field.plain;
    any |= next != step.b;
    step.b = next;
  }
  return any;
}

// ---- registers, commands, accesses --------------------------------------------------------------

struct Register {
  const char* name;
  std::array<u32, 3> offsets;
  u64 bits, plain;
};
constexpr Register registers[] = {
    {"CR0.ATSCHK = 0", {reg::cr0}, spec::cr0::atschk, 0},
    {"CR0.VMW = 0", {reg::cr0}, spec::cr0::vmw_mask, 0},
    {"CR2.E2H = 0", {reg::cr2}, spec::cr2::e2h, 0},
    {"CR2.RECINVSID = 1", {reg::cr2}, spec::cr2::recinvsid, spec::cr2::recinvsid},
    {"CR2.REC_CFG_ATS = 0", {reg::cr2}, spec::cr2::rec_cfg_ats, 0},
    {"GBPA is not written", {reg::gbpa}, mask(31, 0), 0},
    {"PRIQ_IRQ_CFG2.LO = 0", {reg::priq_irq_cfg2}, mask(31, 31), 0},
    {"IRQ_CTRL = 0", {reg::irq_ctrl}, mask(31, 0), 0},
    {"*_IRQ_CFG0 = 0",
     {reg::gerror_irq_cfg0, reg::eventq_irq_cfg0, reg::priq_irq_cfg0},
     ~u64{0},
     0},
    {"*_IRQ_CFG1 = 0",
     {reg::gerror_irq_cfg1, reg::eventq_irq_cfg1, reg::priq_irq_cfg1},
     ~u64{0},
     0},
    {"*_IRQ_CFG2 = 0",
     {reg::gerror_irq_cfg2, reg::eventq_irq_cfg2, reg::priq_irq_cfg2},
     ~u64{0},
     0},
    {"GERRORN is not written", {reg::gerrorn}, mask(31, 0), 0},
};

bool apply(const Register& its, Case& what) {
  bool any = false;
  for (Step& step : what.steps) {
    if (step.kind != StepKind::write || step.a == 0) continue;
    const u64 whole = step.a & ~u64{7};
    const bool named = std::ranges::any_of(its.offsets, [&](u32 offset) {
      return offset != 0 && (step.a == offset || (its.bits == ~u64{0} && offset % 8 == 0 &&
                                                  whole == offset && step.a == offset + 4));
    });
    if (!named) continue;
    const u64 next = (step.b & ~its.bits) | its.plain;
    any |= next != step.b;
    step.b = next;
  }
  return any;
}

enum class Commands : u8 { tlbi, cfgi, sync, atc_inv, of_endpoints, pri_resp };
struct CommandField {
  const char* name;
  Commands of;
  u64 low, high;       ///< bits that become
  u64 plain_high = 0;  ///< 0, or of the second word this
};
constexpr CommandField command_fields[] = {
    {"Leaf = 0 in each TLBI", Commands::tlbi, 0, 1},
    {"TTL = 0 in each TLBI", Commands::tlbi, 0, mask(9, 8)},
    {"no TLBI by range", Commands::tlbi, mask(24, 12), mask(11, 8)},
    {"Range = 0 in each CFGI", Commands::cfgi, 0, mask(4, 0)},
    {"CS = 0 in each CMD_SYNC", Commands::sync, mask(13, 12), 0},
    {"no message of a CMD_SYNC", Commands::sync, mask(63, 32), mask(51, 2)},
    {"Global = 0 in each CMD_ATC_INV", Commands::atc_inv, mask(9, 9), 0},
    {"no PASID in CMD_ATC_INV and CMD_PRI_RESP", Commands::of_endpoints, mask(31, 11), 0},
    {"each CMD_ATC_INV is of everything", Commands::atc_inv, 0, mask(63, 0), 52},
    {"Invalid Request in each CMD_PRI_RESP", Commands::pri_resp, 0, mask(13, 12), 1 << 12},
    {"PRG index 0 in each CMD_PRI_RESP", Commands::pri_resp, 0, mask(8, 0)},
};

Opcode op_of(const Step& step) { return static_cast<Opcode>(bits(step.a, 7, 0)); }

bool is_of(Commands commands, Opcode op) {
  switch (commands) {
    case Commands::tlbi: return spec::is_tlbi(op);
    case Commands::cfgi: return spec::is_cfgi(op);
    case Commands::sync: return op == Opcode::sync;
    case Commands::atc_inv: return op == Opcode::atc_inv;
    case Commands::of_endpoints: return op == Opcode::atc_inv || op == Opcode::pri_resp;
    case Commands::pri_resp: return op == Opcode::pri_resp;
  }
  return false;
}

/// Not of what brings the SMMU up.
bool apply(const CommandField& field, Case& what) {
  bool any = false;
  for (std::size_t i = what.fixed; i < what.steps.size(); ++i) {
    Step& step = what.steps[i];
    if (step.kind != StepKind::command || !is_of(field.of, op_of(step))) continue;
    const u64 low = step.a & ~field.low, high = (step.b & ~field.high) | field.plain_high;
    any |= low != step.a || high != step.b;
    step.a = low;
    step.b = high;
  }
  return any;
}

struct AccessBits {
  const char* name;
  u64 bits;  ///< of Step::c that become 0
  bool reads;
};
constexpr AccessBits access_bits[] = {
    {"unprivileged accesses", step_privileged, false},
    {"no instruction fetches", step_instruction, false},
    {"no SubstreamIDs", step_substream | ~mask(step_substream_place - 1, 0), false},
    {"reads alone", 0, true},
};

bool apply(const AccessBits& its, Case& what) {
  bool any = false;
  for (Step& step : what.steps) {
    if (step.kind != StepKind::access && step.kind != StepKind::request) continue;
    any |= (step.c & its.bits) != 0 || (its.reads && step.b != 0);
    step.c &= ~its.bits;
    if (its.reads) step.b = 0;
  }
  return any;
}

// ---- numbers that structures and commands have in common ----------------------------------------

/// Of VMIDs and ASIDs eight bits, or none: everybody has the same.
struct Tags {
  const char* name;
  u64 vmid, asid;  ///< bits that stay
};
constexpr Tags tags[] = {
    {"VMIDs of eight bits", 0xff, 0xffff},
    {"ASIDs of eight bits", 0xffff, 0xff},
    {"VMID 0 everywhere", 0, 0xffff},
};

bool apply(const Tags& its, Case& what, const std::map<u64, WordKind>& kinds) {
  bool any = false;
  const auto keep = [&](u64& word, unsigned place, u64 bits_kept) {
    const u64 next = word & ~((~bits_kept & 0xffff) << place);
    any |= next != word;
    word = next;
  };
  for (Step& step : what.steps) {
    if (step.kind == StepKind::command && spec::is_tlbi(op_of(step))) {
      keep(step.a, 32, its.vmid);
      keep(step.a, 48, its.asid);
    }
    if (step.kind != StepKind::store) continue;
    const auto found = kinds.find(step.a);
    if (found == kinds.end()) continue;
    if (found->second == WordKind::ste && step.a / 8 % 8 == 2) keep(step.b, 0, its.vmid);
    if (found->second == WordKind::cd && step.a / 8 % 8 == 0) keep(step.b, 48, its.asid);
  }
  return any;
}

// ---- more steps ---------------------------------------------------------------------------------

enum class More : u8 {
  published_apart,
  sync_behind,
  poll_behind,
  tlbi_all,
  cfgi_all,
  cfgi_ste_before,
  cfgi_all_before,
  tlbi_all_before,
  disabled_before,
  one_engine,
  lower_half,
};
struct MoreSteps {
  const char* name;
  More what;
};
constexpr MoreSteps more_steps[] = {
    {"each command is published by itself", More::published_apart},
    {"a CMD_SYNC behind each command", More::sync_behind},
    {"the event queue is read behind each access", More::poll_behind},
    {"everything is invalidated in the place of each TLBI", More::tlbi_all},
    {"CMD_CFGI_ALL in the place of each CFGI", More::cfgi_all},
    {"CMD_CFGI_STE of its stream before each access", More::cfgi_ste_before},
    {"CMD_CFGI_ALL before each access", More::cfgi_all_before},
    {"all TLBs are invalidated before each access", More::tlbi_all_before},
    {"SMMUEN off and on before each access", More::disabled_before},
    {"accesses of one stream alone", More::one_engine},
    {"accesses by TTB0 alone", More::lower_half},
};

class Rewriter {
 public:
  Rewriter(const Case& what, const DeviceIdentity& device)
      : what_(what), device_(device), caps_(spec::parse_capabilities(device.id)) {}

  std::optional<Case> apply(More more) {
    const auto last = std::find_if(what_.steps.rbegin(), what_.steps.rend(),
                                   [](const Step& step) { return is_access(step.kind); });
    if (last != what_.steps.rend()) engine_ = last->c & step_engine;
    result_ = what_;
    result_.steps.clear();
    for (std::size_t i = 0; i < what_.steps.size(); ++i) {
      if (i == what_.fixed) result_.fixed = result_.steps.size();
      one(what_.steps[i], more, i >= what_.fixed);
    }
    if (!any_) return std::nullopt;
    return std::move(result_);
  }

 private:
  /// `published`: Step::c of a command.
  void add(const spec::Command& command, u64 published = 0) {
    const spec::CommandWords words = spec::encode_command(command);
    result_.steps.push_back({StepKind::command, words.dw0, words.dw1, published});
    any_ = true;
  }
  void sync() { result_.steps.push_back({StepKind::sync}); }
  void all_tlbs(u64 published = 0) {
    add(spec::cmd_tlbi_nsnh_all(), published);
    if (caps_.hyp) add({.op = Opcode::tlbi_el2_all}, published);
  }
  void cr0(u64 value) {
    result_.steps.push_back({StepKind::write, reg::cr0, value, 4});
    result_.steps.push_back({StepKind::read, reg::cr0ack, 0, 4});
  }
  void before(const Step& access, More more) {
    if ((cr0_ & spec::cr0::smmuen) == 0) return;
    switch (more) {
      case More::cfgi_ste_before:
        add(spec::cmd_cfgi_ste(device_.sids[access.c & step_engine], false));
        return sync();
      case More::cfgi_all_before: add(spec::cmd_cfgi_all()); return sync();
      case More::tlbi_all_before: all_tlbs(); return sync();
      case More::disabled_before:
        cr0(cr0_ & ~u64{spec::cr0::smmuen});
        cr0(cr0_);
        any_ = true;
        return;
      default: return;
    }
  }
  void one(const Step& step, More more, bool free) {
    if (step.kind == StepKind::write && step.a == reg::cr0) cr0_ = step.b;
    if (free && is_access(step.kind)) {
      const bool other = more == More::one_engine && (step.c & step_engine) != engine_;
      if (other || (more == More::lower_half && bit(step.a, 55))) {
        any_ = true;
        return;
      }
      before(step, more);
    }
    const bool command = free && step.kind == StepKind::command;
    if (command && more == More::tlbi_all && spec::is_tlbi(op_of(step))) return all_tlbs(step.c);
    if (command && more == More::cfgi_all && spec::is_cfgi(op_of(step))) {
      return add(spec::cmd_cfgi_all(), step.c);
    }
    result_.steps.push_back(step);
    if (command && more == More::published_apart && step.c != 0) {
      result_.steps.back().c = 0;
      any_ = true;
    }
    if (command && more == More::sync_behind && op_of(step) != Opcode::sync) {
      sync();
      any_ = true;
    }
    if (free && is_access(step.kind) && more == More::poll_behind) {
      result_.steps.push_back({StepKind::poll});
      any_ = true;
    }
  }

  const Case& what_;
  const DeviceIdentity& device_;
  spec::Capabilities caps_;
  Case result_;
  u64 cr0_ = 0;
  u64 engine_ = 0;  ///< of the last access
  bool any_ = false;
};

template <class All>
bool within(std::size_t& number, const All& all) {
  if (number < std::size(all)) return true;
  number -= std::size(all);
  return false;
}

}  // namespace

std::size_t plain_interventions() {
  return std::size(word_fields) + std::size(registers) + std::size(command_fields) +
         std::size(access_bits) + std::size(tags) + std::size(more_steps);
}

std::size_t intervention_count() { return plain_interventions() + std::size(part_fields); }

bool takes_commands_out(std::size_t number) {
  const std::size_t before = std::size(word_fields) + std::size(registers) +
                             std::size(command_fields) + std::size(access_bits) + std::size(tags);
  if (number < before || number >= plain_interventions()) return false;
  const More what = more_steps[number - before].what;
  return what == More::tlbi_all || what == More::cfgi_all;
}

std::string intervention_name(std::size_t number) {
  if (within(number, word_fields)) return word_fields[number].name;
  if (within(number, registers)) return registers[number].name;
  if (within(number, command_fields)) return command_fields[number].name;
  if (within(number, access_bits)) return access_bits[number].name;
  if (within(number, tags)) return tags[number].name;
  if (within(number, more_steps)) return more_steps[number].name;
  return part_fields[number].name;
}

std::optional<Case> intervene(std::size_t number, const Case& what, const DeviceIdentity& device) {
  Case changed = what;
  bool any = false;
  if (within(number, word_fields)) {
    any = apply(word_fields[number], changed, words_of(what, device));
  } else if (within(number, registers)) {
    any = apply(registers[number], changed);
  } else if (within(number, command_fields)) {
    any = apply(command_fields[number], changed);
  } else if (within(number, access_bits)) {
    any = apply(access_bits[number], changed);
  } else if (within(number, tags)) {
    any = apply(tags[number], changed, words_of(what, device));
  } else if (within(number, more_steps)) {
    return Rewriter(what, device).apply(more_steps[number].what);
  } else {
    any = apply(part_fields[number], changed, words_of(what, device));
  }
  if (!any) return std::nullopt;
  return changed;
}

}  // namespace iommucheck::oracle
