// SPDX-License-Identifier: MIT
#include "conform/verdicts.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle {

namespace {

using spec::Rule;

/// Of stage 2, and of the fields of an STE that configure it.
bool is_of_stage_2(Rule rule) {
  switch (rule) {
    case Rule::STE_S2S:
    case Rule::STE_S2AA64:
    case Rule::STE_S2HTTU:
    case Rule::STE_S2HD:
    case Rule::STE_S2HAFT:
    case Rule::STE_S2TG:
    case Rule::STE_S2TTB:
    case Rule::STE_S2T0SZ:
    case Rule::STE_S2SL0:
    case Rule::STE_S2ENDI:
    case Rule::STE_S2VMID:
    case Rule::S2_IPA_RANGE:
    case Rule::S2_WALK_FETCH:
    case Rule::S2_DESCRIPTOR_VALID:
    case Rule::S2_OUTPUT_SIZE:
    case Rule::S2_ACCESS_FLAG:
    case Rule::S2_PERMISSION:
    case Rule::S2_PTW: return true;
    default: return false;
  }
}

constexpr const char* no_substreams = "IDR1.SSIDSIZE = 0: no SubstreamIDs";

/// Why the rule asks nothing of a device with such ID registers; null if it does.
const char* not_claimed(Rule rule, const spec::Capabilities& caps) {
  const auto unless = [](bool claimed, const char* why) { return claimed ? nullptr : why; };
  if (is_of_stage_2(rule)) return unless(caps.s2p, "IDR0.S2P = 0: no stage 2");
  switch (rule) {
    case Rule::STE_CONFIG_STAGE1: return unless(!caps.s1p, "IDR0.S1P = 1: stage 1 is there");
    case Rule::STE_CONFIG_STAGE2: return unless(!caps.s2p, "IDR0.S2P = 1: stage 2 is there");
    case Rule::STE_EATS: return unless(caps.ats, "IDR0.ATS = 0: EATS is ignored");
    case Rule::STE_STRW: return unless(caps.hyp, "IDR0.Hyp = 0: STRW is ignored");
    case Rule::STE_S1FMT:
      if (caps.cd2l) return "IDR0.CD2L = 1: every format is there";
      [[fallthrough]];
    case Rule::STE_S1CDMAX:
    case Rule::SSID_NOT_ALLOWED:
    case Rule::SSID_RANGE:
    case Rule::SSID_ZERO_RESERVED:
    case Rule::SSID_REQUIRED: return unless(caps.ssidsize != 0, no_substreams);
    case Rule::S1_BYPASS_SIZE: return unless(caps.ssidsize != 0 || caps.s2p, no_substreams);
    case Rule::L1CD_VALID:
    case Rule::L1CD_L2PTR:
      if (caps.ssidsize == 0) return no_substreams;
      return unless(caps.cd2l, "IDR0.CD2L = 0: no two-level CD tables");
    case Rule::STREAM_TABLE_FORMAT:
    case Rule::L1STD_SPAN_ZERO:
    case Rule::L1STD_SPAN_RESERVED:
    case Rule::L1STD_SPAN:
      return unless(caps.two_level_stream_table, "IDR0.ST_LEVEL = 0: linear stream tables only");
    case Rule::CD_A: return unless(caps.term_model, "IDR0.TERM_MODEL = 0: CD.A may be 0");
    case Rule::CD_S_MODEL:
      return unless(caps.stall_model != spec::StallModel::both, "IDR0.STALL_MODEL = 0");
    case Rule::STE_S1STALLD:
      return unless(caps.stall_model != spec::StallModel::both, "IDR0.STALL_MODEL = 0");
    case Rule::CD_S_STALLD:
      return unless(caps.stall_model == spec::StallModel::both,
                    "IDR0.STALL_MODEL != 0: CD.S is decided by it alone");
    case Rule::CD_HTTU: return unless(caps.httu == 0, "IDR0.HTTU != 0: HA may be 1");
    case Rule::CD_HD: return unless(caps.httu == 1, "IDR0.HTTU is not 1");
    case Rule::CD_HAFT: return unless(caps.httu == 3, "IDR0.HTTU is not 3");
    case Rule::FLAG_UPDATES: return unless(caps.httu != 0, "IDR0.HTTU = 0: no flags are updated");
    case Rule::CD_ASID: return unless(!caps.asid16, "IDR0.ASID16 = 1: ASIDs have 16 bits");
    case Rule::CD_ENDI: return unless(caps.ttendian != 0, "IDR0.TTENDIAN = 0: both are there");
    case Rule::S1_E0PD: return unless(caps.e0pd, "IDR3.E0PD = 0");
    case Rule::TLBI_RANGE:
    case Rule::CMD_TLBI_RANGE_RESERVED:
      return unless(caps.ril, "IDR3.RIL = 0: no range invalidation");
    case Rule::CMD_PRI_RESP:
    case Rule::PAGE_REQUEST_RECORD:
    case Rule::PAGE_REQUEST_OVERFLOW:
    case Rule::PAGE_REQUEST_RESPONSE: return unless(caps.pri, "IDR0.PRI = 0: no page requests");
    default: return nullptr;
  }
}

std::string_view not_exercised(Rule rule) {
  if (const auto why = spec::not_modelled(rule); !why.empty()) return why;
  if (is_of_stage_2(rule)) return "no case of stage 2 has this field";
  switch (rule) {
    case Rule::STE_FETCH:
    case Rule::CD_FETCH:
    case Rule::S1_WALK_FETCH: return "the device has no memory that answers with an external abort";
    case Rule::INTERRUPT_SENT:
    case Rule::INTERRUPT_CAUSE: return "nothing shows the interrupts of the device";
    case Rule::SSID_NOT_ALLOWED: return "the engines send no SubstreamIDs";
    case Rule::SSID_RANGE:
    case Rule::SSID_ZERO_RESERVED:
    case Rule::SSID_REQUIRED: return "the engines send no SubstreamIDs";
    case Rule::CMD_SYNC_COMPLETES:
      return "no endpoint was to answer before a CMD_SYNC; what one leaves behind in the SMMU's "
             "caches is told as TLBI_TAGS, TLBI_RANGE or CFGI_SCOPE";
    case Rule::PAGE_REQUEST_RECORD:
    case Rule::PAGE_REQUEST_OVERFLOW:
    case Rule::PAGE_REQUEST_RESPONSE: return "the engines send no page requests";
    case Rule::QUEUE_CONSUMED_ORDER: return "seen by CMDQ_CONS only: CMD_ORDER";
    case Rule::TLBI_TAGS:
    case Rule::TLBI_RANGE:
    case Rule::CFGI_SCOPE: return "nothing that it removes was cached";
    default: return "no case came to a point where it could have been broken";
  }
}

}  // namespace

std::vector<RuleCount> device_rule_counts(const JudgeTally& tally, const CaseCounts& cases,
                                          const spec::Capabilities& caps) {
  const DeviceRules::Numbers& numbers = tally.numbers;
  std::vector<RuleCount> counts;
  for (const spec::RuleInfo& info : spec::all_rules()) {
    if (info.keeper != spec::Keeper::smmu && info.keeper != spec::Keeper::device) continue;
    const auto i = static_cast<std::size_t>(info.rule);
    u64 asked = numbers.asked[i] + tally.exercised[i] + cases.named[i];
    u64 discriminating = numbers.discriminating[i] + tally.exercised[i] + cases.decided[i];
    switch (info.rule) {
      case Rule::TLBI_TAGS: asked += tally.invalidations.tlbi; break;
      case Rule::TLBI_RANGE: asked += tally.invalidations.range; break;
      case Rule::CFGI_SCOPE: asked += tally.invalidations.cfgi; break;
      case Rule::COMMAND_LEGAL:
        asked += numbers.asked[static_cast<std::size_t>(Rule::CMD_ORDER)];
        break;
      case Rule::DEVICE_SURVIVES: asked += cases.cases; break;
      default: break;
    }
    discriminating = std::max(discriminating, info.family == spec::Family::coverage ||
                                                      info.rule == Rule::COMMAND_LEGAL ||
                                                      info.rule == Rule::DEVICE_SURVIVES
                                                  ? asked
                                                  : u64{0});
    RuleCount count = rule_count(info.rule, asked, discriminating, cases.broken[i]);
    if (count.verdict == RuleVerdict::broken) {
      // However little of it is claimed.
    } else if (const char* why = not_claimed(info.rule, caps)) {
      count.verdict = RuleVerdict::not_claimed;
      count.why = why;
    } else if (count.verdict == RuleVerdict::not_exercised && asked != 0) {
      count.verdict = RuleVerdict::undetermined;
      count.why = cases.named[i] == asked ? "no case that asks for it could be judged whole"
                                          : "each time another outcome was allowed as well";
    } else if (count.verdict == RuleVerdict::not_exercised) {
      count.why = not_exercised(info.rule);
    }
    counts.push_back(std::move(count));
  }
  return counts;
}

std::vector<Rule> claimed_beyond(const spec::IdRegisters& now, const spec::IdRegisters& before) {
  const spec::Capabilities caps = spec::parse_capabilities(now);
  const spec::Capabilities old = spec::parse_capabilities(before);
  std::vector<Rule> rules;
  for (const spec::RuleInfo& info : spec::all_rules()) {
    if (info.keeper != spec::Keeper::smmu && info.keeper != spec::Keeper::device) continue;
    if (not_claimed(info.rule, caps) == nullptr && not_claimed(info.rule, old) != nullptr) {
      rules.push_back(info.rule);
    }
  }
  return rules;
}

std::vector<std::string> changed_registers(const spec::IdRegisters& now,
                                           const spec::IdRegisters& before) {
  std::vector<std::string> changes;
  const auto compare = [&](const std::string& name, u32 value, u32 old) {
    if (value != old) changes.push_back(fmt::format("{} = {:#x} (was {:#x})", name, value, old));
  };
  for (unsigned i = 0; i < std::size(now.idr); ++i) {
    compare(fmt::format("IDR{}", i), now.idr[i], before.idr[i]);
  }
  compare("AIDR", now.aidr, before.aidr);
  return changes;
}

}  // namespace iommucheck::oracle
