// SPDX-License-Identifier: MIT
#include "spec/smmu/told_stage1.h"

#include <algorithm>

#include "spec/rules/translation.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

namespace {

/// The newest words, and where descriptors and first-level CDs, and CDs were read from.
struct ReadMemory {
  const Memory& memory;
  std::vector<u64> read_from{};
  std::vector<u64> cds{};
  std::optional<u64> read(Structure kind, u64 pa) {
    (kind == Structure::cd ? cds : read_from).push_back(pa);
    return memory.newest(pa).value;
  }
};

/// Descriptors of a walk by intermediate addresses, and what those above the last one take away.
template <class Memory>
struct UsersWalk {
  struct Word {
    u64 place = 0;
    u64 value = 0;
  };
  Memory& memory;
  std::vector<Word> words{};  ///< that stage 2 lets it read
  u64 place = 0;              ///< of the last one; 0: stage 2 has refused it
  u64 value = 0;
  u8 hierarchical = 0;
  bool begun = false;
  std::optional<u64> read(u64 ipa) {
    if (begun) hierarchical = pack_below(hierarchical, value);
    begun = true;
    const std::optional<u64> word = memory.read(Structure::descriptor, ipa);
    place = word ? memory.physical(ipa) : 0;
    value = word.value_or(0);
    if (word) words.push_back({place, value});
    return word;
  }
};

}  // namespace

bool ToldStage1::fill(u32 sid, u32 ssid, bool ssv, u64 va, std::vector<u64>* relied_on,
                      std::vector<u64>* followed) {
  Fetches::SteOptions stes;
  const bool nests = controls_.enabled() && caps_.s1p && caps_.s2p;
  if (!nests || !fetches_.ste_options(sid, stes)) return false;
  std::vector<u64> unasked;
  bool filled = false;
  for (const Fetches::SteOption& ste : stes) {
    if (!ste.is_read() || ste.decision.kind != SteKind::nested) continue;
    const StreamDecision stream = decide_stream(ste.ste, caps_, ssv, u64{ssid});
    if (stream.event != EventType::none || !stream.cd) continue;
    const auto number = static_cast<u32>(*stream.cd);
    filled |= fill_by(sid, number, ste.ste, va, relied_on != nullptr ? *relied_on : unasked,
                      followed != nullptr ? *followed : unasked);
  }
  return filled;
}

/// By the CD that memory has, and by those that may be cached.
bool ToldStage1::fill_by(u32 sid, u32 number, const Ste<u64>& ste, u64 va,
                         std::vector<u64>& relied_on, std::vector<u64>& followed) {
  ReadMemory read{memory_};
  Intermediate<ReadMemory> memory(read, ste, caps_, true, {});
  if (const auto cd = find_cd(memory, ste, caps_, number)) {
    told_cds_.add({.sid = sid, .ssid = number, .since = findings_.now(), .cd = *cd});
  }
  std::ranges::copy(read.read_from, std::back_inserter(relied_on));
  std::ranges::copy(read.cds, std::back_inserter(followed));
  std::vector<Cd<u64>> cds;
  told_cds_.for_each_of(sid, number, [&](const Cd<u64>& cd) { cds.push_back(cd); });
  bool filled = false;
  for (const Cd<u64>& cd : cds) {
    const ContextDecision context = decide_context(ste, cd, caps_, controls_.e2h());
    if (context.illegal || context.not_modelled != NotModelled::no) continue;
    read.read_from.clear();
    u64 last = 0;
    filled |= fill_stage1(memory, context.regime, va, last);
    std::ranges::remove_copy(read.read_from, std::back_inserter(relied_on), last);
    if (last != 0) followed.push_back(last);
  }
  return filled;
}

/// The entry of a final translation, whatever its rights, is one of stage 1 like another.
template <class Memory>
bool ToldStage1::fill_stage1(Memory& memory, const Regime<u64>& regime, u64 va, u64& last) {
  const u32 number = intern(regime, regimes_, items_);
  const u32 tag = regimes_[number].tag;
  constexpr u64 told_max = 1024;  // of an ASID: those beyond it are not remembered
  if (items_.count(tag) >= told_max) return false;
  UsersWalk<Memory> walk{memory};
  const unsigned half = select_half(regime, va);
  const auto cacheable = [&](const Leaf<u64>& leaf) {
    AccessResult<u64> result;
    if (!(leaf.af | regime.ha | regime.affd)) {
      result.fault = Fault{rule::S1_ACCESS_FLAG, EventType::f_access, leaf.level};
    }
    return result;
  };
  const auto walked = walk_stage1(walk, regime, va, {AccessType::read, true}, cacheable);
  last = walk.place;
  const Space space = regimes_.space(number, half);
  const u64 at = Lookups::looked_up(regime, va);
  ToldPointer pointer{.tag = tag_of(regime),
                      .item = {.tag = tag,
                               .space = space,
                               .kind = ItemKind::pointer,
                               .level = static_cast<u8>(first_table(regime, half).level),
                               .since = findings_.now(),
                               .vanished_at = findings_.now(),
                               .stored_at = findings_.now()},
                      .apart = regime.aset ? 1U : 0U};
  for (const auto& word : walk.words) {
    Item& item = pointer.item;
    if (!Geometry::is_table(word.value, item.level)) break;
    item.va = align_down(at, space.geometry.shift(item.level));
    item.origin = word.place;
    item.value = word.value;
    told_pointers_.add(pointer);
    ++item.level;
  }
  const auto* translation = std::get_if<Translation<u64>>(&walked);
  if (translation == nullptr) return false;
  const unsigned level = translation->leaf.level;
  fills_.insert({.tag = tag,
                 .space = space,
                 .level = static_cast<u8>(level),
                 .hierarchical = walk.hierarchical,
                 .va = align_down(at, space.geometry.shift(level)),
                 .value = walk.value,
                 .origin = walk.place,
                 .since = findings_.now(),
                 .vanished_at = findings_.now(),
                 .stored_at = findings_.now()});
  return true;
}

}  // namespace iommucheck::spec
