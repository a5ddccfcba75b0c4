// SPDX-License-Identifier: MIT
#include "monitor/not_claimed.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;

constexpr Rule of_time_outs[] = {rule::PAGE_REUSE,   rule::TABLE_FREE,   rule::PROMISE_OUTCOME,
                                 rule::RESULT_EXACT, rule::HANG_RETURNS, rule::LEAK_NOTHING,
                                 rule::PASID_REUSE,  rule::EXIT_WAITS};
constexpr Rule of_mappings[] = {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT,
                                rule::PROMISE_UNDISTURBED};
constexpr Rule of_addresses[] = {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT,
                                 rule::PROMISE_UNDISTURBED, rule::RESULT_EXACT};
constexpr Rule of_moves[] = {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT,
                             rule::PROMISE_UNDISTURBED, rule::PAGE_REUSE, rule::TORN_STE};
constexpr Rule of_ranges[] = {rule::RESULT_EXACT,       rule::PROMISE_TRANSIENT, rule::PAGE_REUSE,
                              rule::PROMISE_OUTCOME,    rule::CONFLICT_BBM,      rule::LEAK_NOTHING,
                              rule::PROMISE_UNDISTURBED};
constexpr Rule of_unrolling[] = {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT, rule::PAGE_REUSE,
                                 rule::RESULT_EXACT};
constexpr Rule of_short_memory[] = {rule::RESULT_EXACT, rule::PROMISE_OUTCOME,
                                    rule::PROMISE_TRANSIENT, rule::LEAK_NOTHING, rule::CRASH_NEVER};
constexpr Rule of_structures[] = {rule::TAG_REGIMES,
                                  rule::TAG_STAGE2,
                                  rule::WILD_STRUCTURE,
                                  rule::UNKNOWN_AFTER_RESET,
                                  rule::TORN_STE,
                                  rule::TORN_CD,
                                  rule::QUEUE_OVERRUN,
                                  rule::QUEUE_PROD_BACK,
                                  rule::QUEUE_SLOT_LIVE,
                                  rule::QUEUE_SLOT_ORDER,
                                  rule::QUEUE_CONS_RANGE,
                                  rule::QUEUE_RECORD_ORDER,
                                  rule::EVENT_OVERFLOW_ACK,
                                  rule::EVENT_LEFT,
                                  rule::QUEUE_SIZE,
                                  rule::QUEUE_FREE,
                                  rule::COMMAND_RESERVED,
                                  rule::STALL_TERM_ABORTS,
                                  rule::QUEUE_COMMAND_ILLEGAL,
                                  rule::REGISTER_GUARDED,
                                  rule::REGISTER_ACK,
                                  rule::REGISTER_WIDTH,
                                  rule::REGISTER_GBPA_UPDATE,
                                  rule::REGISTER_GERRORN,
                                  rule::REGISTER_PAGE0_ALIAS,
                                  rule::STE_SPAN};
constexpr Rule of_domains[] = {
    rule::PAGE_REUSE,          rule::TABLE_FREE,        rule::CONFLICT_BBM,
    rule::CONFLICT_CONTIGUOUS, rule::CONFLICT_TLB,      rule::TAG_REGIMES,
    rule::TAG_STAGE2,          rule::PROMISE_TRANSIENT, rule::PROMISE_UNDISTURBED,
    rule::LOST_UPDATE_STORE,   rule::WILD_WALK,         rule::TORN_CD,
    rule::RESULT_EXACT,        rule::PASID_REUSE,       rule::PASID_CYCLIC,
    rule::EXIT_HANDLERS,       rule::EXIT_WAITS,        rule::FAULT_ENDED,
    rule::FAULT_ANSWERED,      rule::FAULT_REFUSED,     rule::FAULT_HANDLED};
constexpr Rule of_stage_2[] = {rule::TAG_STAGE2};
constexpr Rule of_groups[] = {rule::PROMISE_OUTCOME, rule::PROMISE_UNDISTURBED,
                              rule::PROMISE_TRANSIENT, rule::RESULT_EXACT, rule::PAGE_REUSE};

constexpr Rule of_blocking[] = {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT,
                                rule::PROMISE_UNDISTURBED};
constexpr Rule of_interrupts[] = {rule::EVENT_LEFT};

constexpr ClaimInfo infos[] = {
    {Claim::time_outs, "time-outs", "no time-outs",
     "the command queue never stops, devices answer each CMD_ATC_INV, handlers return in time",
     of_time_outs},
    {Claim::memory_type, "memory-type", "any memory type",
     "memory may be mapped with any type, whatever prot says", of_mappings},
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
    {Claim::execution, "execution", "any execution",
     "what is mapped may be executed or not, whatever prot says", of_mappings},
    {Claim::addresses, "addresses", "one to one",
     "memory is mapped to its own address alone (VA = PA), in one piece", of_addresses},
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
