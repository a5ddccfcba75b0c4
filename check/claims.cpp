// SPDX-License-Identifier: MIT
#include "check/claims.h"

#include <fmt/format.h>

#include <algorithm>

namespace iommucheck::oracle {

namespace {

using spec::Rule;
using spec::sva::CallKind;

constexpr Abilities bit_of(CallKind kind) { return u64{1} << static_cast<unsigned>(kind); }

constexpr Abilities with_pasids =
    bit_of(CallKind::bind_device) | bit_of(CallKind::sva_alloc_pasid) | bit_of(CallKind::bind_task);

/// Without any of them the rule says nothing of a driver.
struct Need {
  Rule rule;
  Abilities any;
  std::string_view text;
};
constexpr Need needs[] = {
    {Rule::PASID_REUSE, with_pasids | bit_of(CallKind::pasid_alloc),
     "the driver gives no PASIDs: it has neither bind_device nor sva_alloc_pasid nor pasid_alloc"},
    {Rule::PASID_CYCLIC, with_pasids | bit_of(CallKind::pasid_alloc),
     "the driver gives no PASIDs: it has neither bind_device nor sva_alloc_pasid nor pasid_alloc"},
    {Rule::EXIT_HANDLERS, has_mm_release, "the driver has no mm_release"},
    {Rule::EXIT_WAITS, has_mm_release, "the driver has no mm_release"},
    {Rule::FAULT_ENDED, with_pasids, "the driver has no bind_device: no access waits"},
    {Rule::QUEUE_CONS_RANGE, has_handle_irq, "the driver has no handle_irq"},
    {Rule::EVENT_OVERFLOW_ACK, has_handle_irq, "the driver has no handle_irq"},
    {Rule::LEAK_NOTHING, has_shutdown, "the driver has no shutdown"},
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

std::string scope_text(Abilities abilities, std::span<const Machine> machines) {
  const auto any = [&](auto has) {
    return std::ranges::any_of(machines, [&](const Machine& machine) {
      return std::ranges::any_of(machine.devices,
                                 [&](const auto& device) { return has(machine, device); });
    });
  };
  const bool pasids =
      (abilities & with_pasids) != 0 && any([](const Machine& machine, const auto& device) {
        return machine.caps.ssidsize != 0 && device.ssid_bits != 0;
      });
  const bool ats = any(
      [](const Machine& machine, const auto& device) { return machine.caps.ats && device.ats; });
  const bool stalls =
      pasids && (abilities & has_handle_irq) != 0 &&
      any([](const Machine& /*machine*/, const auto& device) { return device.stall; });
  const bool exit = pasids && (abilities & has_mm_release) != 0;
  return fmt::format("stage 1, {}, {}, {}{}", pasids ? "PASIDs" : "no PASID",
                     ats ? "ATS" : "no ATS", stalls ? "stalls" : "no stalls",
                     exit ? ", exits" : "");
}

}  // namespace iommucheck::oracle
