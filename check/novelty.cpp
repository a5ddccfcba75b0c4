// SPDX-License-Identifier: MIT
#include "check/novelty.h"

#include <algorithm>
#include <cstring>

#include "base/random.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t seen_bytes = FirstSeen::features * sizeof(u16);

enum class Sort : u64 { answer, behind, rule, finding };

/// An answer without its numbers: the status, and whether all of what was asked for came about.
u64 answer_of(const spec::sva::Call& call, const spec::sva::Observed& observed, bool waits) {
  const u64 share = observed.value == 0 ? 0 : observed.value == call.size ? 1 : 2;
  return (waits ? u64{1} << 40 : 0) | share << 32 | static_cast<u32>(observed.status);
}

}  // namespace

Expected<FirstSeen> FirstSeen::create() {
  auto at = map_zeroed<u16[]>(Sharing::with_forks, seen_bytes, "a corpus");
  if (!at) return std::unexpected(at.error());
  FirstSeen seen;
  seen.at_ = *std::move(at);
  return seen;
}

void FirstSeen::forget() { std::fill_n(at_.get(), features, u16{0}); }

void FirstSeen::note(u64 what) {
  if (place_ == 0) return;
  u16& first = at_[SplitMix64::mixed(what) & (features - 1)];
  if (first == 0) first = place_;
}

void FirstSeen::call(const spec::sva::Call& call, const spec::sva::Observed& observed, bool waits,
                     u32 previous) {
  const u64 answer =
      SplitMix64::mixed(answer_of(call, observed, waits)) ^ static_cast<u64>(call.kind) << 8;
  note(SplitMix64::mixed(answer) ^ static_cast<u64>(Sort::answer));
  note(SplitMix64::mixed(answer ^ u64{previous} << 24) ^ static_cast<u64>(Sort::behind));
}

void FirstSeen::rule(spec::Rule rule) {
  note(SplitMix64::mixed(static_cast<u64>(rule)) ^ static_cast<u64>(Sort::rule));
}

void FirstSeen::finding(u64 key) { note(SplitMix64::mixed(key) ^ static_cast<u64>(Sort::finding)); }

std::vector<FirstSeen::Pair> FirstSeen::pairs(u64 places) const {
  std::vector<Pair> all;
  for (u32 feature = 0; feature < features; ++feature) {
    const u16 first = at_[feature];
    if (first == 0 || first > places) continue;
    all.push_back({static_cast<u16>(feature), static_cast<u16>(first - 1)});
  }
  std::ranges::sort(all, {}, [](const Pair& pair) { return u32{pair.place} << 16 | pair.feature; });
  return all;
}

bool SeenSoFar::adds(std::span<const FirstSeen::Pair> of_one_sequence) {
  bool added = false;
  for (const FirstSeen::Pair& pair : of_one_sequence) {
    if (seen_[pair.feature]) continue;
    seen_[pair.feature] = true;
    ++count_;
    added = true;
  }
  return added;
}

void SeenSoFar::add(u16 feature) {
  if (!seen_[feature]) ++count_;
  seen_[feature] = true;
}

std::vector<u16> SeenSoFar::all() const {
  std::vector<u16> features;
  for (u32 feature = 0; feature < FirstSeen::features; ++feature) {
    if (seen_[feature]) features.push_back(static_cast<u16>(feature));
  }
  return features;
}

}  // namespace iommucheck::oracle
