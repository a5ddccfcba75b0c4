// SPDX-License-Identifier: MIT
#include "spec/smmu/regimes.h"

#include "spec/rules/promises.h"

namespace iommucheck::spec {

namespace {

u64 hash(u64 a, u64 b) {
  u64 h = (a + 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
  h = (h ^ (h >> 29) ^ b) * 0x94d049bb133111ebULL;
  return h ^ (h >> 31);
}

}  // namespace

Rule tag_rule(const Tag<u64>& tag) {
  return tag.stage == Stage::stage2 ? rule::TAG_STAGE2 : rule::TAG_REGIMES;
}

u32 Regimes::intern(const Regime<u64>& regime) {
  const u64 key = hash(regime.half[0].ttb ^ (regime.half[1].ttb << 1), regime.asid);
  const auto [first, last] = regime_index_.equal_range(key);
  for (auto i = first; i != last; ++i) {
    if (regimes_[i->second].regime == regime) return i->second;
  }
  const auto id = static_cast<u32>(regimes_.size());
  regimes_.emplace_back();
  regimes_.back().regime = regime;
  regimes_.back().tag = intern_tag(tag_of(regime));
  regime_index_.emplace(key, id);
  return id;
}

u32 Regimes::intern_tag(const Tag<u64>& tag) {
  const u64 key = hash(tag.asid, tag.vmid);
  const auto [first, last] = tag_index_.equal_range(key);
  for (auto i = first; i != last; ++i) {
    if (tags_[i->second].tag == tag) return i->second;
  }
  const auto id = static_cast<u32>(tags_.size());
  tags_.emplace_back();
  tags_.back().tag = tag;
  tag_index_.emplace(key, id);
  return id;
}

void Regimes::note_globals(u32 tag) {
  trail_.set(tags_[tag].globals, 1);
  if (globals_ == 0) trail_.set(globals_, 1);
}

u64 Regimes::recount(u32 number) {
  u64 count = 0;
  Group dies = 0;
  for (u32 i = 0; i < formed_.size(); ++i) {
    if (formed_[i].regime != number) continue;
    ++count;
    dies = std::max(dies, formed_[i].dies);
  }
  RegimeState& state = regimes_[number];
  const u64 before = state.formed;
  if (before != count) trail_.set(state.formed, count);
  if (count != 0 && state.dies != dies) trail_.set(state.dies, dies);
  return before;
}

const std::vector<Regimes::Stream>& Regimes::streams_by_tag() const {
  FormedIndex& index = formed_index_;
  if (index.version == formed_version_ && index.generation == trail_.generation()) {
    return index.streams;
  }
  index.streams.clear();
  for (u32 i = 0; i < formed_.size(); ++i) {
    index.streams.push_back({regimes_[formed_[i].regime].tag, formed_[i].sid, formed_[i].ssid});
  }
  std::sort(index.streams.begin(), index.streams.end());
  index.version = formed_version_;
  index.generation = trail_.generation();
  return index.streams;
}

bool Regimes::come(u32 number) {
  RegimeState& state = regimes_[number];
  TagState& tag = tags_[state.tag];
  if (tag.active == 0) {
    trail_.set(tag.active, 1);
    active_.push(trail_, state.tag);
  }
  if (state.listed == 0) {
    trail_.set(state.listed, 1);
    trail_.set(state.next, tag.first_regime);
    trail_.set(tag.first_regime, number + 1);
  }
  trail_.set(tag.formed, tag.formed + 1);
  if (state.ghost == 0) return false;
  drop_ghost(number);
  return true;
}

void Regimes::go(u32 number, EventIndex now) {
  RegimeState& state = regimes_[number];
  TagState& tag = tags_[state.tag];
  trail_.set(tag.formed, tag.formed - 1);
  trail_.set(state.ghost, u64{1} + now);
  trail_.set(ghosts_, ghosts_ + 1);
  trail_.set(state.ghost_dies, immortal);
}

void Regimes::set_broken(u32 tag, bool broken) {
  TagState& state = tags_[tag];
  if (state.tag.stage == Stage::stage2 && broken != (state.broken != 0)) {
    trail_.set(broken_stage2_, broken ? broken_stage2_ + 1 : broken_stage2_ - 1);
  }
  trail_.set(state.broken, broken ? 1 : 0);
}

bool Regimes::finds_broken_stage2(const Tag<u64>& tag) const {
  for (u32 i = 0; i < active_.size(); ++i) {
    const TagState& other = tags_[active_[i]];
    if (other.broken != 0 && other.tag.stage == Stage::stage2 && other.tag.world == tag.world &&
        other.tag.vmid == tag.vmid) {
      return true;
    }
  }
  return false;
}

bool Regimes::is_nested(u32 tag) const {
  for (u32 i = 0; i < formed_.size(); ++i) {
    if (formed_[i].nested && regimes_[formed_[i].regime].tag == tag) return true;
  }
  return false;
}

void Regimes::combine(u32 tag, u64 until) {
  TagState& state = tags_[tag];
  if (state.combines == 0) {
    trail_.set(state.combines, 1);
    trail_.set(combines_, combines_ + 1);
  }
  if (state.combines_until != until) trail_.set(state.combines_until, until);
}

void Regimes::separate(u32 tag) {
  trail_.set(tags_[tag].combines, 0);
  trail_.set(combines_, combines_ - 1);
}

void Regimes::drop_ghost(u32 number) {
  trail_.set(regimes_[number].ghost, 0);
  trail_.set(ghosts_, ghosts_ - 1);
}

}  // namespace iommucheck::spec
