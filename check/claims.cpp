// SPDX-License-Identifier: MIT
#include "check/claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "iommucheck/driver.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;
using spec::sva::CallKind;

/// The flag of the first claim of each row; those of the others follow.
struct Row {
  Claim first{};
  unsigned bit = 0;
};
constexpr Row rows[] = {{Claim::execution, 23}, {Claim::blocking, 20}, {Claim::time_outs, 8}};
constexpr unsigned flag_bit(Claim claim) {
  for (const Row& row : rows) {
    if (claim < row.first) continue;
    return row.bit + (static_cast<unsigned>(claim) - static_cast<unsigned>(row.first));
  }
  return 0;  // there is none before the last row's first
}
constexpr bool is_flag(Claim claim, u64 flag) { return flag == u64{1} << flag_bit(claim); }
static_assert(is_flag(Claim::time_outs, IOMMUCHECK_DRIVER_NO_TIME_OUTS));
static_assert(is_flag(Claim::memory_type, IOMMUCHECK_DRIVER_ANY_MEMORY_TYPE));
static_assert(is_flag(Claim::moves, IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE));
static_assert(is_flag(Claim::ranges, IOMMUCHECK_DRIVER_CALLER_KEEPS_RANGES));
static_assert(is_flag(Claim::unrolling, IOMMUCHECK_DRIVER_CALLER_UNROLLS));
static_assert(is_flag(Claim::short_memory, IOMMUCHECK_DRIVER_ALLOCATIONS_SLEEP));
static_assert(is_flag(Claim::structures, IOMMUCHECK_DRIVER_TABLES_ONLY));
static_assert(is_flag(Claim::domains, IOMMUCHECK_DRIVER_BRING_UP_ONLY));
static_assert(is_flag(Claim::stage_2, IOMMUCHECK_DRIVER_STAGE_2_GIVEN));
static_assert(is_flag(Claim::groups, IOMMUCHECK_DRIVER_NO_GROUPS));
static_assert(is_flag(Claim::blocking, IOMMUCHECK_DRIVER_PASSES_UNATTACHED));
static_assert(is_flag(Claim::interrupts, IOMMUCHECK_DRIVER_POLLS_EVENTS));
static_assert(is_flag(Claim::execution, IOMMUCHECK_DRIVER_ANY_EXECUTION));
static_assert(is_flag(Claim::addresses, IOMMUCHECK_DRIVER_MAPS_ONE_TO_ONE));

constexpr Abilities with_domains = bit_of(CallKind::domain_alloc);

constexpr Abilities with_pasids =
    bit_of(CallKind::bind_device) | bit_of(CallKind::sva_alloc_pasid) | bit_of(CallKind::bind_task);

/// By a number of the caller's, which no process has: nothing waits there.
constexpr Abilities reaches_pasids = with_pasids | bit_of(CallKind::attach_pasid);

/// Without any of them the rule says nothing of a driver.
constexpr std::string_view no_domains = "the driver has no domain_alloc";
struct Need {
  Rule rule;
  Abilities any;
  std::string_view text;
};
constexpr Need needs[] = {
    {rule::PASID_REUSE, with_pasids | bit_of(CallKind::pasid_alloc),
     "the driver gives no PASIDs: it has neither bind_device nor sva_alloc_pasid nor pasid_alloc"},
    {rule::PASID_CYCLIC, with_pasids | bit_of(CallKind::pasid_alloc),
     "the driver gives no PASIDs: it has neither bind_device nor sva_alloc_pasid nor pasid_alloc"},
    {rule::EXIT_HANDLERS, has_mm_release, "the driver has no mm_release"},
    {rule::EXIT_WAITS, has_mm_release, "the driver has no mm_release"},
    {rule::FAULT_ENDED, with_pasids | bit_of(CallKind::fault_queue_open),
     "the driver has neither bind_device nor fault_queue_open: no access waits"},
    {rule::FAULT_HANDLED, bit_of(CallKind::fault_handler_set),
     "the driver has no fault_handler_set"},
    {rule::QUEUE_CONS_RANGE, has_handle_irq, "the driver has no handle_irq"},
    {rule::QUEUE_RECORD_ORDER, has_handle_irq, "the driver has no handle_irq"},
    {rule::EVENT_LEFT, has_handle_irq, "the driver has no handle_irq"},
    {rule::EVENT_OVERFLOW_ACK, has_handle_irq, "the driver has no handle_irq"},
    {rule::GERROR_ACK, has_handle_irq, "the driver has no handle_irq"},
    {rule::LEAK_NOTHING, has_shutdown, "the driver has no shutdown"},
    {rule::QUEUE_FREE, has_shutdown, "the driver has no shutdown"},
    {rule::PAGE_REUSE, with_domains, no_domains},
    {rule::TABLE_FREE, with_domains, no_domains},
    {rule::CONFLICT_BBM, with_domains, no_domains},
    {rule::CONFLICT_CONTIGUOUS, with_domains, no_domains},
    {rule::CONFLICT_TLB, with_domains, no_domains},
    {rule::TAG_REGIMES, with_domains, no_domains},
    {rule::PROMISE_TRANSIENT, with_domains, no_domains},
    {rule::PROMISE_UNDISTURBED, with_domains, no_domains},
    {rule::WILD_WALK, with_domains, no_domains},
    {rule::TORN_CD, with_domains, no_domains},
};

}  // namespace

Abilities abilities_of(const DriverHost& host) {
  Abilities found = 0;
  const auto add = [&](CallKind kind) {
    if (host.has(kind)) found |= bit_of(kind);
  };
#define CALL(name, ...)                                      \
  static_assert(static_cast<unsigned>(CallKind::name) < 61); \
  add(CallKind::name);
#include "base/calls.def"
#undef CALL
  const iommucheck_driver& driver = host.driver();
  if (driver.handle_irq != nullptr) found |= has_handle_irq;
  if (driver.mm_release != nullptr) found |= has_mm_release;
  if (driver.shutdown != nullptr) found |= has_shutdown;
  return found;
}

void tell_missing_calls(std::vector<RuleCount>& rules, Abilities abilities) {
  for (RuleCount& count : rules) {
    if (count.verdict != RuleVerdict::not_exercised) continue;
    const auto need = std::ranges::find(needs, count.rule, &Need::rule);
    if (need == std::end(needs) || (need->any & abilities) != 0) continue;
    count.verdict = RuleVerdict::not_claimed;
    count.why = need->text;
  }
}

void tell_other_hardware(std::vector<RuleCount>& rules) {
  for (RuleCount& count : rules) {
    if (count.verdict != RuleVerdict::not_exercised) continue;
    const std::string_view section = spec::rule_info(count.rule).section;
    const bool manuals = section.contains("IHI ") || section.contains("DDI ");
    // Where all is compared by what may be reached, these come out as PROMISE_OUTCOME or
    // PROMISE_TRANSIENT.
    const bool joined = count.rule == rule::WILD_WALK || count.rule == rule::WILD_STRUCTURE ||
                        count.rule == rule::PROMISE_UNDISTURBED;
    if (!manuals && !joined) continue;
    count.verdict = RuleVerdict::not_claimed;
    count.why = "it is said of SMMUv3, and the hardware is another";
  }
}

NotClaimed RunClaims::of(const iommucheck_driver& driver) const {
  NotClaimed all = besides;
  if (!heed_driver) return all;
  for (const ClaimInfo& info : all_claims()) {
    if (((driver.flags >> flag_bit(info.claim)) & 1) != 0) all.add(info.claim);
  }
  return all;
}

Expected<RunClaims> parse_claims(std::string_view text) {
  if (text == "nothing") return RunClaims{.besides = {}, .heed_driver = false};
  auto besides = NotClaimed::parse(text);
  if (!besides) return std::unexpected(std::move(besides.error()));
  return RunClaims{.besides = *besides};
}

void tell_not_claimed(std::vector<RuleCount>& rules, NotClaimed not_claimed) {
  for (RuleCount& count : rules) {
    for (const ClaimInfo& info : all_claims()) {
      const bool its = info.whole && not_claimed.has(info.claim) &&
                       std::ranges::find(info.rules, count.rule) != info.rules.end();
      const bool open = !info.judged || count.verdict == RuleVerdict::not_exercised;
      if (!its || !open || count.verdict == RuleVerdict::broken) continue;
      count.verdict = RuleVerdict::not_claimed;
      count.kept = count.discriminating = 0;
      count.why = info.text;
    }
  }
}

std::vector<std::string> not_claimed_lines(NotClaimed not_claimed, NotClaimed shown) {
  std::vector<std::string> lines;
  for (const ClaimInfo& info : all_claims()) {
    if (!not_claimed.has(info.claim)) continue;
    std::string rules;
    for (const spec::Rule rule : info.rules) {
      if (spec::rule_info(rule).keeper != spec::Keeper::driver) continue;
      rules += fmt::format("{}{}", rules.empty() ? "" : ", ", spec::rule_name(rule));
    }
    const char* why = shown.has(info.claim) ? ", as the driver's answers show" : "";
    lines.push_back(fmt::format("not claimed{}: {} ({}); {}: {}", why, info.name, info.text,
                                info.whole ? "without" : "less is asked of", rules));
  }
  return lines;
}

std::string scope_text(Abilities abilities, std::span<const Machine> machines,
                       NotClaimed not_claimed, std::string_view judged,
                       std::span<const std::string> seen) {
  const auto any = [&](auto has) {
    return std::ranges::any_of(machines, [&](const Machine& machine) {
      return std::ranges::any_of(machine.devices,
                                 [&](const auto& device) { return has(machine, device); });
    });
  };
  const bool sends = any([](const Machine& machine, const auto& device) {
    return machine.caps.ssidsize != 0 && device.ssid_bits != 0;
  });
  const bool pasids = sends && (abilities & reaches_pasids) != 0;
  const bool processes = sends && (abilities & with_pasids) != 0;
  const bool ats = any(
      [](const Machine& machine, const auto& device) { return machine.caps.ats && device.ats; });
  const bool stalls =
      processes && (abilities & has_handle_irq) != 0 &&
      any([](const Machine& /*machine*/, const auto& device) { return device.stall; });
  const bool exit = processes && (abilities & has_mm_release) != 0;
  std::string less;
  for (const std::string& what : seen) less += ", " + what;
  for (const ClaimInfo& info : all_claims()) {
    if (not_claimed.has(info.claim)) less += fmt::format(", {}", info.scope);
  }
  return fmt::format("{}, {}, {}, {}{}{}", judged, pasids ? "PASIDs" : "no PASID",
                     ats ? "ATS" : "no ATS", stalls ? "stalls" : "no stalls", exit ? ", exits" : "",
                     less);
}

}  // namespace iommucheck::oracle
