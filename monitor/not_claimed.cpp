// SPDX-License-Identifier: MIT
#include "monitor/not_claimed.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle {

namespace {

using spec::Rule;

constexpr Rule of_time_outs[] = {Rule::PAGE_REUSE,   Rule::TABLE_FREE,   Rule::PROMISE_OUTCOME,
                                 Rule::RESULT_EXACT, Rule::HANG_RETURNS, Rule::LEAK_NOTHING,
                                 Rule::PASID_REUSE,  Rule::EXIT_WAITS};
constexpr Rule of_memory_type[] = {Rule::PROMISE_OUTCOME, Rule::PROMISE_TRANSIENT,
                                   Rule::PROMISE_UNDISTURBED};
constexpr Rule of_moves[] = {Rule::PROMISE_OUTCOME, Rule::PROMISE_TRANSIENT,
                             Rule::PROMISE_UNDISTURBED, Rule::PAGE_REUSE, Rule::TORN_STE};
constexpr Rule of_ranges[] = {Rule::RESULT_EXACT,       Rule::PROMISE_TRANSIENT, Rule::PAGE_REUSE,
                              Rule::PROMISE_OUTCOME,    Rule::CONFLICT_BBM,      Rule::LEAK_NOTHING,
                              Rule::PROMISE_UNDISTURBED};
constexpr Rule of_unrolling[] = {Rule::PROMISE_OUTCOME, Rule::PROMISE_TRANSIENT, Rule::PAGE_REUSE,
                                 Rule::RESULT_EXACT};
constexpr Rule of_short_memory[] = {Rule::RESULT_EXACT, Rule::PROMISE_OUTCOME,
                                    Rule::PROMISE_TRANSIENT, Rule::LEAK_NOTHING, Rule::CRASH_NEVER};
constexpr Rule of_structures[] = {
    Rule::TAG_REGIMES,          Rule::TAG_STAGE2,        Rule::WILD_STRUCTURE,
    Rule::UNKNOWN_AFTER_RESET,  Rule::TORN_STE,          Rule::TORN_CD,
    Rule::QUEUE_OVERRUN,        Rule::QUEUE_PROD_BACK,   Rule::QUEUE_SLOT_LIVE,
    Rule::QUEUE_SLOT_ORDER,     Rule::QUEUE_CONS_RANGE,  Rule::QUEUE_RECORD_ORDER,
    Rule::EVENT_OVERFLOW_ACK,   Rule::EVENT_LEFT,        Rule::QUEUE_SIZE,
    Rule::COMMAND_RESERVED,     Rule::STALL_TERM_ABORTS, Rule::QUEUE_COMMAND_ILLEGAL,
    Rule::REGISTER_GUARDED,     Rule::REGISTER_ACK,      Rule::REGISTER_WIDTH,
    Rule::REGISTER_GBPA_UPDATE, Rule::REGISTER_GERRORN,  Rule::REGISTER_PAGE0_ALIAS};
constexpr Rule of_domains[] = {
    Rule::PAGE_REUSE,          Rule::TABLE_FREE,        Rule::CONFLICT_BBM,
    Rule::CONFLICT_CONTIGUOUS, Rule::CONFLICT_TLB,      Rule::TAG_REGIMES,
    Rule::TAG_STAGE2,          Rule::PROMISE_TRANSIENT, Rule::PROMISE_UNDISTURBED,
    Rule::LOST_UPDATE_STORE,   Rule::WILD_WALK,         Rule::TORN_CD,
    Rule::RESULT_EXACT,        Rule::PASID_REUSE,       Rule::PASID_CYCLIC,
    Rule::EXIT_HANDLERS,       Rule::EXIT_WAITS,        Rule::FAULT_ENDED,
    Rule::FAULT_ANSWERED,      Rule::FAULT_REFUSED,     Rule::FAULT_HANDLED};
constexpr Rule of_stage_2[] = {Rule::TAG_STAGE2};
constexpr Rule of_groups[] = {Rule::PROMISE_OUTCOME, Rule::PROMISE_UNDISTURBED,
                              Rule::PROMISE_TRANSIENT, Rule::RESULT_EXACT, Rule::PAGE_REUSE};

constexpr Rule of_blocking[] = {Rule::PROMISE_OUTCOME, Rule::PROMISE_TRANSIENT,
                                Rule::PROMISE_UNDISTURBED};
constexpr Rule of_interrupts[] = {Rule::EVENT_LEFT};

constexpr ClaimInfo infos[] = {
    {Claim::time_outs, "time-outs", "no time-outs",
     "the command queue never stops, devices answer each CMD_ATC_INV, handlers return in time",
     of_time_outs},
    {Claim::memory_type, "memory-type", "any memory type",
     "memory may be mapped with any type, whatever prot says", of_memory_type},
    {Claim::moves, "moves", "one domain per device",
     "a device goes to another domain by way of detach, and shares a domain with its group alone",
     of_moves},
    {Claim::ranges, "ranges", "ranges kept by callers",
     "callers map whole pages within the domain's ranges where nothing is mapped, unmap what is "
     "mapped, and unmap all before they free",
     of_ranges},
    {Claim::unrolling, "unrolling", "unrolled by callers",
     "a map that fails may leave a beginning, which its caller unmaps at once", of_unrolling},
    {Claim::short_memory, "short-memory", "memory never short",
     "no allocation of table memory fails", of_short_memory},
    {.claim = Claim::structures,
     .name = "structures",
     .scope = "tables only",
     .text = "registers, queues, STEs and CDs are somebody else's",
     .rules = of_structures,
     .whole = true,
     .judged = false},
    {.claim = Claim::domains,
     .name = "domains",
     .scope = "bring-up and deny-all only",
     .text = "no domain is asked for: everything stays blocked",
     .rules = of_domains,
     .whole = true},
    {.claim = Claim::stage_2,
     .name = "stage-2",
     .scope = "stage 2 given",
     .text = "stage 2, its tables and VMIDs, is the caller's",
     .rules = of_stage_2,
     .whole = true,
     .judged = false},
    {Claim::groups, "groups", "no groups",
     "each device is attached and detached for itself: none is drawn into a group", of_groups},
    {Claim::blocking, "blocking", "unattached streams may pass",
     "what a device that is on no domain sends may pass untranslated", of_blocking},
    {.claim = Claim::interrupts,
     .name = "interrupts",
     .scope = "events are polled",
     .text = "the event queue is looked at from time to time, whether an interrupt came or not",
     .rules = of_interrupts,
     .whole = true,
     .judged = false},
};
static_assert(std::size(infos) == static_cast<std::size_t>(Claim::count));

}  // namespace

std::span<const ClaimInfo> all_claims() { return infos; }

const ClaimInfo& claim_info(Claim claim) { return infos[static_cast<std::size_t>(claim)]; }

bool NotClaimed::leaves_out(spec::Rule rule) const {
  if (bits_ == 0) return false;
  return std::ranges::any_of(infos, [&](const ClaimInfo& info) {
    return !info.judged && has(info.claim) &&
           std::ranges::find(info.rules, rule) != info.rules.end();
  });
}

NotClaimed NotClaimed::of_bits(u64 bits) {
  NotClaimed set;
  for (const ClaimInfo& info : infos) {
    if ((bits >> static_cast<unsigned>(info.claim)) & 1) set.add(info.claim);
  }
  return set;
}

Expected<NotClaimed> NotClaimed::parse(std::string_view text) {
  NotClaimed set;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view name = text.substr(0, comma);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const auto info = std::ranges::find(infos, name, &ClaimInfo::name);
    if (info == std::end(infos)) {
      std::string names;
      for (const ClaimInfo& known : infos) names += fmt::format(" {}", known.name);
      return fail(
          ErrorCode::bad_input,
          fmt::format("nothing that may be not claimed is called '{}'; there are{}", name, names));
    }
    set.add(info->claim);
  }
  return set;
}

std::string NotClaimed::text() const {
  std::string text;
  for (const ClaimInfo& info : infos) {
    if (has(info.claim)) text += fmt::format("{}{}", text.empty() ? "" : ",", info.name);
  }
  return text;
}

}  // namespace iommucheck::oracle
