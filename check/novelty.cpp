// SPDX-License-Identifier: MIT
#include "check/novelty.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "base/random.h"
#include "check/finding_kind.h"
#include "operations/operation.h"

namespace iommucheck::oracle {

namespace {

// Where a feature has what it is made of.
constexpr unsigned sort_lsb = 60;
constexpr unsigned status_bits = 32, share_lsb = 32, waits_bit = 34, call_lsb = 35, behind_lsb = 43;
constexpr unsigned rule_bits = 16, doing_lsb = 16;
constexpr u64 no_call = 0xff;  // of 8 bits

constexpr u64 of_sort(FeatureSort sort) { return static_cast<u64>(sort) << sort_lsb; }

// Situations: calls by their number, then operations, then these.
constexpr u64 operations_from = 256, others_from = 512;
constexpr std::string_view others[] = {"boot", "handlers", "end", "teardown"};

/// How much of what was asked for came about.
enum Share : u64 { nothing, its_size, some };

/// An answer without its numbers.
Feature answer_of(const spec::sva::Call& call, const spec::sva::Observed& observed, bool waits) {
  const Share share = observed.value == 0 ? nothing : observed.value == call.size ? its_size : some;
  return static_cast<u32>(observed.status) | u64{share} << share_lsb | u64{waits} << waits_bit |
         static_cast<u64>(call.kind) << call_lsb;
}

std::string name_of_call(u64 number) {
  return std::string(spec::sva::call_name(static_cast<spec::sva::CallKind>(number)));
}

std::string name_of_answer(Feature feature) {
  const auto status = static_cast<spec::sva::Status>(
      static_cast<int>(static_cast<u32>(bits(feature, status_bits - 1, 0))));
  const u64 share = bits(feature, share_lsb + 1, share_lsb);
  return fmt::format("{}: {}{}{}", name_of_call(bits(feature, call_lsb + 7, call_lsb)),
                     spec::sva::status_text(status),
                     share == nothing    ? ""
                     : share == its_size ? ", of its size"
                                         : ", a value",
                     bit(feature, waits_bit) ? ", waits" : "");
}

std::string name_of_rule(u64 number) {
  const auto rule = spec::rule_of(static_cast<std::size_t>(number));
  return rule ? std::string(spec::rule_name(*rule)) : fmt::format("rule {}", number);
}

u64 number_of_doing(std::string_view doing) {
  for (u32 call = 0; call < spec::sva::call_count(); ++call) {
    if (spec::sva::call_name(static_cast<spec::sva::CallKind>(call)) == doing) return call;
  }
  for (u64 kind = 0; kind < static_cast<u64>(fuzz::OperationKind::count); ++kind) {
    if (fuzz::to_string(static_cast<fuzz::OperationKind>(kind)) == doing) {
      return operations_from + kind;
    }
  }
  return others_from + static_cast<u64>(std::ranges::find(others, doing) - std::begin(others));
}

std::string name_of_doing(u64 number) {
  if (number < operations_from) return name_of_call(number);
  if (number < others_from) {
    return std::string(fuzz::to_string(static_cast<fuzz::OperationKind>(number - operations_from)));
  }
  const u64 other = number - others_from;
  return std::string(other < std::size(others) ? others[other] : "something else");
}

}  // namespace

FeatureSort sort_of(Feature feature) {
  const u64 number = feature >> sort_lsb;
  return number < static_cast<u64>(FeatureSort::count) ? static_cast<FeatureSort>(number)
                                                       : FeatureSort::count;
}

std::string feature_name(Feature feature) {
  switch (sort_of(feature)) {
    case FeatureSort::answer: return name_of_answer(feature);
    case FeatureSort::order: {
      const u64 behind = bits(feature, behind_lsb + 7, behind_lsb);
      return fmt::format("{} behind {}", name_of_answer(feature),
                         behind == no_call ? "nothing" : name_of_call(behind));
    }
    case FeatureSort::rule: return "rule " + name_of_rule(bits(feature, rule_bits - 1, 0));
    case FeatureSort::rule_in:
      return fmt::format("{} in {}", name_of_rule(bits(feature, rule_bits - 1, 0)),
                         name_of_doing(bits(feature, doing_lsb + 15, doing_lsb)));
    case FeatureSort::finding: {
      const u64 key = feature & mask(sort_lsb - 1, 0);
      return fmt::format("finding {} {:012x}", name_of_rule(spec::number_of(rule_of(key))),
                         bits(key, 47, 0));
    }
    case FeatureSort::count: break;
  }
  return fmt::format("{:#x}", feature);
}

FeatureSort sort_of(std::string_view name) {
  if (name.starts_with("rule ")) return FeatureSort::rule;
  if (name.starts_with("finding ")) return FeatureSort::finding;
  if (name.contains(" behind ")) return FeatureSort::order;
  return name.contains(": ") ? FeatureSort::answer : FeatureSort::rule_in;
}

std::string_view name_of(FeatureSort sort) {
  switch (sort) {
    case FeatureSort::answer: return "answers";
    case FeatureSort::order: return "orders of calls";
    case FeatureSort::rule: return "rules";
    case FeatureSort::rule_in: return "rules by situation";
    case FeatureSort::finding: return "findings";
    case FeatureSort::count: break;
  }
  return "others";
}

std::string counts_text(const FeatureNames& names) {
  std::array<u64, static_cast<std::size_t>(FeatureSort::count)> counts{};
  for (const std::string& name : names) ++counts[static_cast<std::size_t>(sort_of(name))];
  std::string text;
  for (std::size_t sort = 0; sort < counts.size(); ++sort) {
    text += fmt::format("{}{} {}", sort == 0 ? "" : ", ", counts[sort],
                        name_of(static_cast<FeatureSort>(sort)));
  }
  return text;
}

struct FirstSeen::Shared {
  Feature features[slots];
  u16 places[slots];  // + 1; 0: nothing is there
};

Expected<FirstSeen> FirstSeen::create() {
  auto shared = map_zeroed<Shared>(Sharing::with_forks, sizeof(Shared), "a corpus");
  if (!shared) return std::unexpected(shared.error());
  FirstSeen seen;
  seen.shared_ = *std::move(shared);
  return seen;
}

void FirstSeen::forget() { std::ranges::fill(shared_->places, u16{0}); }

u32 FirstSeen::slot_of(Feature feature) {
  return static_cast<u32>(SplitMix64::mixed(feature)) & (slots - 1);
}

void FirstSeen::note(Feature feature) {
  if (place_ == 0) return;
  constexpr u32 steps_max = 256;
  u32 slot = slot_of(feature);
  for (u32 step = 0; step < steps_max; ++step, slot = (slot + 1) & (slots - 1)) {
    if (shared_->places[slot] == 0) {
      shared_->features[slot] = feature;
      shared_->places[slot] = place_;
      return;
    }
    if (shared_->features[slot] == feature) return;
  }
}

void FirstSeen::call(const spec::sva::Call& call, const spec::sva::Observed& observed, bool waits,
                     u32 previous) {
  const Feature answer = answer_of(call, observed, waits);
  note(answer | of_sort(FeatureSort::answer));
  note(answer | (u64{previous} & no_call) << behind_lsb | of_sort(FeatureSort::order));
}

void FirstSeen::rule(spec::Rule rule) { note(spec::number_of(rule) | of_sort(FeatureSort::rule)); }

void FirstSeen::rule_in(spec::Rule rule, std::string_view doing) {
  if (place_ == 0) return;
  note(spec::number_of(rule) | number_of_doing(doing) << doing_lsb | of_sort(FeatureSort::rule_in));
}

void FirstSeen::finding(u64 key) {
  note((key & mask(sort_lsb - 1, 0)) | of_sort(FeatureSort::finding));
}

std::vector<FirstSeen::Pair> FirstSeen::pairs(u64 places) const {
  std::vector<Pair> all;
  for (u32 slot = 0; slot < slots; ++slot) {
    const u16 first = shared_->places[slot];
    if (first == 0 || first > places) continue;
    all.push_back({shared_->features[slot], u64{first} - 1});
  }
  std::ranges::sort(all, {}, [](const Pair& pair) { return std::pair(pair.place, pair.feature); });
  return all;
}

bool SeenSoFar::adds(std::span<const FirstSeen::Pair> of_one_sequence) {
  bool added = false;
  for (const FirstSeen::Pair& pair : of_one_sequence) {
    if (!seen_.insert(pair.feature).second) continue;
    std::string name = feature_name(pair.feature);
    if (before_ && before_->contains(name)) continue;
    added |= names_.insert(std::move(name)).second;
  }
  return added;
}

}  // namespace iommucheck::oracle
