// SPDX-License-Identifier: MIT
#include "monitor/rule_verdicts.h"

#include <algorithm>
#include <string>

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;

/// Why the rule says nothing of a driver of such SMMUs; null if it does.
const char* not_claimed(Rule rule, std::span<const spec::Capabilities> machines) {
  const auto any = [&](auto has) { return std::ranges::any_of(machines, has); };
  switch (rule) {
    case rule::LOST_UPDATE_STORE:
      return any([](const auto& caps) { return caps.httu != 0; })
                 ? nullptr
                 : "IDR0.HTTU = 0: hardware updates no descriptor";
    case rule::TAG_STAGE2:
      return any([](const auto& caps) { return caps.s2p; }) ? nullptr : "IDR0.S2P = 0: no stage 2";
    case rule::CONFIG_MIXTURE:
    case rule::CONFIG_STALE_ACCESS:
    case rule::TRANSLATION_STALE_ACCESS:
      return "judged where calls are not known (recordings); here the promises are";
    default: return nullptr;
  }
}

/// What a rule's count is of, where there was none of it.
std::string_view nothing_counted(Rule rule) {
  switch (rule) {
    case rule::CONFLICT_CONTIGUOUS:
      return "no descriptor was stored beside one with the contiguous hint in its group";
    case rule::QUEUE_CONS_RANGE: return "CONS of no output queue that is enabled was written";
    case rule::QUEUE_RECORD_ORDER:
      return "no load of a record that waits in an output queue was told (load64, load)";
    case rule::REGISTER_GBPA_UPDATE: return "GBPA was not written";
    case rule::REGISTER_GERRORN: return "GERRORN was not written";
    case rule::REGISTER_PAGE0_ALIAS: return "no index of an output queue was accessed";
    case rule::TORN_STE: return "no STE could be met with old and new words at once";
    case rule::STE_SPAN: return "no STE stated that its neighbours are as it is (CONT)";
    case rule::TORN_CD: return "no CD could be met with old and new words at once";
    case rule::STATE_RETURNS: return "no case was run twice";
    case rule::LEAK_NOTHING: return "what the driver still held was not looked at";
    default: return "no sequence came to a point where it could have been broken";
  }
}

/// Of a rule that was never asked where breaking it would have shown: by what was counted.
std::string not_exercised(Rule rule, u64 asked) {
  if (const auto why = spec::not_modelled(rule); !why.empty()) return std::string(why);
  if (asked == 0) return std::string(nothing_counted(rule));
  return "asked " + std::to_string(asked) + " times, never where it could have been broken";
}

}  // namespace

void RuleTally::add(Monitor& monitor) {
  const Statistics& statistics = monitor.statistics();
  const auto& by_caches = monitor.caches().exercised();
  const auto& by_interface = monitor.interface().exercised();
  for (std::size_t i = 0; i < size; ++i) {
    const u64 exercised = by_caches[i] + by_interface[i];
    asked[i] += statistics.asked[i] + exercised;
    discriminating[i] += statistics.rules[i] + exercised;
    order_unknown[i] += statistics.order_unknown[i];
  }
  for (const auto& other : monitor.others()) add(*other);
}

void RuleTally::add(const RuleTally& more) {
  for (std::size_t i = 0; i < size; ++i) {
    asked[i] += more.asked[i];
    discriminating[i] += more.discriminating[i];
    broken[i] += more.broken[i];
    order_unknown[i] += more.order_unknown[i];
  }
}

void RuleTally::add_calls(u64 calls) {
  for (const Rule rule : {rule::CRASH_NEVER, rule::HANG_RETURNS}) {
    asked[spec::number_of(rule)] += calls;
    discriminating[spec::number_of(rule)] += calls;
  }
}

RuleCount rule_count(Rule rule, u64 asked, u64 discriminating, u64 broken) {
  RuleCount count{.rule = rule, .broken = broken, .why = {}};
  count.kept = asked - std::min(asked, broken);
  count.discriminating = std::min(count.kept, discriminating);
  count.verdict = broken != 0                 ? RuleVerdict::broken
                  : count.discriminating != 0 ? RuleVerdict::holds
                                              : RuleVerdict::not_exercised;
  return count;
}

RuleCount RuleTally::count(Rule rule) const {
  const auto i = spec::number_of(rule);
  return rule_count(rule, asked[i], discriminating[i], broken[i]);
}

std::vector<RuleCount> rule_counts(const RuleTally& tally,
                                   std::span<const spec::Capabilities> machines) {
  std::vector<RuleCount> counts;
  for (const spec::RuleInfo& info : spec::all_rules()) {
    if (info.keeper != spec::Keeper::driver) continue;
    RuleCount count = tally.count(info.rule);
    const u64 times = tally.order_unknown[spec::number_of(info.rule)];
    if (count.verdict != RuleVerdict::broken && times != 0) {
      count.verdict = RuleVerdict::undetermined;
      count.why =
          ("depends on the order of stores found together (scan), or on barriers between "
           "them, " +
           std::to_string(times) + " times");
    } else if (count.verdict == RuleVerdict::not_exercised) {
      const char* why = not_claimed(info.rule, machines);
      if (why != nullptr) count.verdict = RuleVerdict::not_claimed;
      count.why = why != nullptr ? std::string(why) : not_exercised(info.rule, count.kept);
    }
    counts.push_back(std::move(count));
  }
  return counts;
}

bool any_rule(std::span<const RuleCount> rules, RuleVerdict verdict) {
  return std::ranges::any_of(rules, [&](const RuleCount& r) { return r.verdict == verdict; });
}

}  // namespace iommucheck::oracle
