// SPDX-License-Identifier: MIT
#include "conform/verdicts.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/version_choices.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;

/// Of stage 2, and of the fields of an STE that configure it.
bool is_of_stage_2(Rule rule) {
  switch (rule) {
    case rule::STE_S2S:
    case rule::STE_S2AA64:
    case rule::STE_S2HTTU:
    case rule::STE_S2HD:
    case rule::STE_S2HAFT:
    case rule::STE_S2TG:
    case rule::STE_S2TTB:
    case rule::STE_S2T0SZ:
    case rule::STE_S2SL0:
    case rule::STE_S2ENDI:
    case rule::STE_S2VMID:
    case rule::S2_IPA_RANGE:
    case rule::S2_WALK_FETCH:
    case rule::S2_DESCRIPTOR_VALID:
    case rule::S2_OUTPUT_SIZE:
    case rule::S2_ACCESS_FLAG:
    case rule::S2_PERMISSION:
    case rule::S2_PTW: return true;
    default: return false;
  }
}

constexpr const char* no_substreams = "IDR1.SSIDSIZE = 0: no SubstreamIDs";
constexpr const char* left_open = "AIDR says SMMUv3.0, which may do otherwise";

/// Why the rule asks nothing of a device with such ID registers; null if it does.
const char* not_claimed(Rule rule, const spec::Capabilities& caps) {
  const auto unless = [](bool claimed, const char* why) { return claimed ? nullptr : why; };
  if (is_of_stage_2(rule) && !caps.s2p) return "IDR0.S2P = 0: no stage 2";
  if (spec::is_left_open(rule, caps)) return left_open;
  switch (rule) {
    case rule::STE_CONFIG_STAGE1: return unless(!caps.s1p, "IDR0.S1P = 1: stage 1 is there");
    case rule::STE_CONFIG_STAGE2: return unless(!caps.s2p, "IDR0.S2P = 1: stage 2 is there");
    case rule::STE_EATS: return unless(caps.ats, "IDR0.ATS = 0: EATS is ignored");
    case rule::STE_STRW: return unless(caps.hyp, "IDR0.Hyp = 0: STRW is ignored");
    case rule::STE_S1FMT:
      if (caps.cd2l) return "IDR0.CD2L = 1: every format is there";
      [[fallthrough]];
    case rule::STE_S1CDMAX:
    case rule::SSID_NOT_ALLOWED:
    case rule::SSID_RANGE:
    case rule::SSID_ZERO_RESERVED:
    case rule::SSID_REQUIRED: return unless(caps.ssidsize != 0, no_substreams);
    case rule::S1_BYPASS_SIZE: return unless(caps.ssidsize != 0 || caps.s2p, no_substreams);
    case rule::L1CD_L2PTR:
    case rule::L1CD_VALID:
      if (caps.ssidsize == 0) return no_substreams;
      return unless(caps.cd2l, "IDR0.CD2L = 0: no two-level CD tables");
    case rule::STREAM_TABLE_FORMAT:
    case rule::L1STD_SPAN_ZERO:
    case rule::L1STD_SPAN_RESERVED:
    case rule::L1STD_SPAN:
      return unless(caps.two_level_stream_table, "IDR0.ST_LEVEL = 0: linear stream tables only");
    case rule::CD_A: return unless(caps.term_model, "IDR0.TERM_MODEL = 0: CD.A may be 0");
    case rule::CD_S_MODEL:
      return unless(caps.stall_model != spec::StallModel::both, "IDR0.STALL_MODEL = 0");
    case rule::STE_S1STALLD:
      return unless(caps.stall_model != spec::StallModel::both, "IDR0.STALL_MODEL = 0");
    case rule::CD_S_STALLD:
      return unless(caps.stall_model == spec::StallModel::both,
                    "IDR0.STALL_MODEL != 0: CD.S is decided by it alone");
    case rule::CD_HTTU: return unless(caps.httu == 0, "IDR0.HTTU != 0: HA may be 1");
    case rule::STE_S2HD:
    case rule::CD_HD: return unless(caps.httu == 1, "IDR0.HTTU is not 1");
    case rule::STE_S2HAFT:
    case rule::CD_HAFT: return unless(caps.httu == 3, "IDR0.HTTU is not 3");
    case rule::FLAG_UPDATES: return unless(caps.httu != 0, "IDR0.HTTU = 0: no flags are updated");
    case rule::STE_S2VMID: return unless(!caps.vmid16, "IDR0.VMID16 = 1: VMIDs have 16 bits");
    case rule::CD_ASID: return unless(!caps.asid16, "IDR0.ASID16 = 1: ASIDs have 16 bits");
    case rule::CD_ENDI: return unless(caps.ttendian != 0, "IDR0.TTENDIAN = 0: both are there");
    case rule::S1_E0PD: return unless(caps.e0pd, "IDR3.E0PD = 0");
    case rule::TLBI_RANGE:
    case rule::CMD_TLBI_RANGE_RESERVED:
      return unless(caps.ril, "IDR3.RIL = 0: no range invalidation");
    case rule::CMD_PRI_RESP:
    case rule::PAGE_REQUEST_RECORD:
    case rule::PAGE_REQUEST_OVERFLOW:
    case rule::PAGE_REQUEST_RESPONSE: return unless(caps.pri, "IDR0.PRI = 0: no page requests");
    default: return nullptr;
  }
}

std::string_view not_exercised(Rule rule, bool all_directed) {
  if (const auto why = spec::not_modelled(rule); !why.empty()) return why;
  if (!all_directed) return "not all directed cases were run";
  if (is_of_stage_2(rule)) return "no case of stage 2 has this field";
  switch (rule) {
    case rule::STE_FETCH:
    case rule::CD_FETCH:
    case rule::S1_WALK_FETCH: return "the device has no memory that answers with an external abort";
    case rule::INTERRUPT_SENT:
    case rule::INTERRUPT_CAUSE: return "nothing shows the interrupts of the device";
    case rule::SSID_NOT_ALLOWED: return "the engines send no SubstreamIDs";
    case rule::SSID_RANGE:
    case rule::SSID_ZERO_RESERVED:
    case rule::SSID_REQUIRED: return "the engines send no SubstreamIDs";
    case rule::CMD_SYNC_COMPLETES:
      return "no endpoint was to answer before a CMD_SYNC; what one leaves behind in the SMMU's "
             "caches is told as TLBI_TAGS, TLBI_RANGE or CFGI_SCOPE";
    case rule::PAGE_REQUEST_RECORD:
    case rule::PAGE_REQUEST_OVERFLOW:
    case rule::PAGE_REQUEST_RESPONSE: return "the engines send no page requests";
    case rule::QUEUE_CONSUMED_ORDER: return "seen by CMDQ_CONS only: CMD_ORDER";
    case rule::TLBI_TAGS:
    case rule::TLBI_RANGE:
    case rule::CFGI_SCOPE: return "nothing that it removes was cached";
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
    const auto i = spec::number_of(info.rule);
    u64 asked = numbers.asked[i] + tally.exercised[i] + cases.named[i];
    u64 discriminating = numbers.discriminating[i] + tally.exercised[i] + cases.decided[i];
    switch (info.rule) {
      case rule::TLBI_TAGS: asked += tally.invalidations.tlbi; break;
      case rule::TLBI_RANGE: asked += tally.invalidations.range; break;
      case rule::CFGI_SCOPE: asked += tally.invalidations.cfgi; break;
      case rule::COMMAND_LEGAL: asked += numbers.asked[spec::number_of(rule::CMD_ORDER)]; break;
      case rule::DEVICE_SURVIVES: asked += cases.cases; break;
      default: break;
    }
    discriminating = std::max(discriminating, info.family == spec::Family::coverage ||
                                                      info.rule == rule::COMMAND_LEGAL ||
                                                      info.rule == rule::DEVICE_SURVIVES
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
      count.why = not_exercised(info.rule, cases.all_directed);
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
