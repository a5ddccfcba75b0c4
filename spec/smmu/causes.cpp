// SPDX-License-Identifier: MIT
#include "spec/smmu/causes.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/rules/translation.h"
#include "spec/smmu/paths.h"
#include "spec/smmu/recordings.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

namespace {

/// How near a command came, ascending. One that was sent behind the change and concerns the entry
/// is nearer than any before it: it is the one that was meant.
enum class Near : u8 {
  none,
  unrelated,
  too_early,
  other_stream,
  other_stage,
  elsewhere,
  almost,
  covers,
};

/// Bytes between the command's range and the address.
u64 distance(const NotCovered& why) {
  if (why.reason != NotCovered::Reason::address) return 0;
  return why.wanted < why.its ? why.its - why.wanted : why.wanted - std::min(why.wanted, why.last);
}

/// Keeps the nearest; of equally near ones the latest.
class Nearest {
 public:
  void offer(Near near, const NearestMiss& miss) {
    if (near == Near::none || near < near_) return;
    if (near == near_ && near == Near::elsewhere && distance(miss.why) > distance(miss_->why)) {
      return;
    }
    near_ = near;
    miss_ = miss;
  }
  /// An unrelated one says nothing.
  [[nodiscard]] std::optional<NearestMiss> take() {
    return near_ == Near::unrelated ? std::nullopt : std::move(miss_);
  }

 private:
  Near near_ = Near::none;
  std::optional<NearestMiss> miss_;
};

/// As where STE.STRW says one world and a fetch mixed words that say another: the driver names the
/// ASID and the address, of the world that it means.
bool covers_in_another_world(const Command& command, const TlbTarget& target, TlbiScope scope) {
  TlbTarget alike = target;
  alike.vmid = command.vmid;
  return std::ranges::any_of(std::array{StreamWorld::el1, StreamWorld::el2, StreamWorld::el2_e2h},
                             [&](StreamWorld world) {
                               alike.world = world;
                               return static_cast<bool>(covers(command, alike, scope));
                             });
}

Near nearness(const Command& command, const TlbTarget& target, TlbiScope scope,
              const NotCovered& why) {
  if (why.reason == NotCovered::Reason::apart) return Near::almost;  // it reached the entry
  TlbTarget alike = target;
  alike.asid = command.asid;
  alike.vmid = command.vmid;
  if (target.stage == Stage::shadow) {
    if (covers(command, alike, scope)) return Near::almost;
    // It ended what the combined entries hold and not them, or some of them.
    alike.stage = Stage::stage2;
    const bool its = static_cast<bool>(covers(command, alike, scope));
    alike.stage = Stage::combined;
    return its || covers_tags(command, alike, scope) ? Near::elsewhere : Near::unrelated;
  }
  const bool of_stage1 = command.op != Opcode::tlbi_s2_ipa;
  if (target.stage == Stage::stage2 && of_stage1) alike.stage = Stage::stage1;
  if (covers(command, alike, scope)) return Near::almost;  // only its tags are others'
  if (why.reason == NotCovered::Reason::world && covers_in_another_world(command, target, scope)) {
    return Near::almost;
  }
  if (!covers_tags(command, target, scope)) return Near::unrelated;
  return why.reason == NotCovered::Reason::address ? Near::elsewhere : Near::almost;
}

/// What was read at `pa`: of two stores to it without a barrier, the older may still be seen.
Cause cause_of_word(const Memory& memory, u64 pa, u64 value) {
  Cause cause;
  cause.kind = Cause::Kind::word;
  cause.pa = pa;
  cause.value = value;
  if (memory.newest(pa) == Content{value, false}) return cause;
  if (const auto since = memory.pending_since(pa)) {
    cause.kind = Cause::Kind::pending_word;
    cause.stored_at = *since;
    const Frame* frame = memory.find(pa);
    cause.unclean = frame != nullptr && memory.needs_clean(*frame);
  }
  return cause;
}

void name_space(const Tag<u64>& tag, Cause& cause) {
  cause.asid = tag.asid;
  if (tag.stage == Stage::stage2) cause.vmid = tag.vmid;
}

bool of_substreams(ConfigKind kind) { return kind == ConfigKind::l1cd || kind == ConfigKind::cd; }

}  // namespace

// ---- nearest misses -----------------------------------------------------------------------------

static std::optional<NearestMiss> nearest_miss(const CachesView& of, const Item& item) {
  const TlbTarget target = target_of(of.regimes.tag(item.tag).tag, item);
  Nearest nearest;
  of.commands.for_each_sent([&](const InFlight& sent) {
    if (!is_tlbi(sent.command.op)) return;
    const TlbiScope by = of.scopes.of(sent.command, item);
    NearestMiss miss{
        .command = sent.command, .at = sent.at, .why = not_covered(sent.command, target, by)};
    // What covers a shadow and was sent since the store was meant for it.
    if (item.shadow != 0 && sent.at < item.vanished_at) return;
    // What is in memory still was there to be fetched until the last way to it went.
    const EventIndex since = item.unreplaced() ? item.vanished_at : item.since;
    const bool early = item.shadow == 0 && sent.at < since;
    if (sent.unheard()) {
      miss.kind = NearestMiss::Kind::unheard;
      if (miss.why.covers() && !early) nearest.offer(Near::covers, miss);
      return;
    }
    if (miss.why.covers()) {
      miss.kind = early                   ? NearestMiss::Kind::too_early
                  : item.dies != immortal ? NearestMiss::Kind::not_complete
                  : item.shadow != 0      ? NearestMiss::Kind::combined_later
                                          : NearestMiss::Kind::fetched_again;
      nearest.offer(early ? Near::too_early : Near::covers, miss);
    } else if (!early) {
      // Where both stages are used it was meant for combined entries.
      const bool of_others = of.regimes.tag(item.tag).combines != 0 &&
                             miss.why.reason == NotCovered::Reason::stage1_only;
      nearest.offer(of_others ? Near::other_stage : nearness(sent.command, target, by, miss.why),
                    miss);
    }
  });
  return nearest.take();
}

static std::optional<NearestMiss> nearest_miss(const CachesView& of, const AtcItem& item, u64 va) {
  const AtcOwner& owner = of.atcs.owner(item.owner);
  const AtcTarget target{
      .sid = owner.sid, .has_pasid = owner.ssv != 0, .pasid = owner.ssid, .base = va};
  Nearest nearest;
  of.commands.for_each_sent([&](const InFlight& sent) {
    if (sent.command.op != Opcode::atc_inv) return;
    NearestMiss miss{.command = sent.command,
                     .at = sent.at,
                     .why = not_covered(sent.command, target, of.profile.untagged_covers_pasids)};
    const bool its = owner.ssv == AtcOwner::contained && sent.command.sid == owner.sid;
    if (its && !covers_all(sent.command)) miss.why = {NotCovered::Reason::not_all};
    const bool beside = item.dies == immortal && Commands::is_of_broadcasts(item.filled_until);
    const bool early = item.filled_until == immortal || sent.group <= item.filled_until || beside;
    if (miss.why.covers()) {
      miss.kind = early                   ? NearestMiss::Kind::answered_later
                  : item.dies == immortal ? NearestMiss::Kind::not_enabled
                                          : NearestMiss::Kind::not_complete;
      nearest.offer(early ? Near::too_early : Near::covers, miss);
      return;
    }
    using Reason = NotCovered::Reason;
    if (early) return;
    nearest.offer(miss.why.reason == Reason::stream    ? Near::other_stream
                  : miss.why.reason == Reason::address ? Near::elsewhere
                                                       : Near::almost,
                  miss);
  });
  return nearest.take();
}

static std::optional<NearestMiss> nearest_miss(const CachesView& of, const ConfigItem& item) {
  const ConfigTarget target = target_of(item);
  Nearest nearest;
  of.commands.for_each_sent([&](const InFlight& sent) {
    if (!is_cfgi(sent.command.op)) return;
    NearestMiss miss{
        .command = sent.command, .at = sent.at, .why = not_covered(sent.command, target)};
    const bool early = sent.at < item.since;
    if (miss.why.covers()) {
      miss.kind = early                   ? NearestMiss::Kind::too_early
                  : item.dies == immortal ? NearestMiss::Kind::fetched_again
                                          : NearestMiss::Kind::not_complete;
      nearest.offer(early ? Near::too_early : Near::covers, miss);
    } else if (!early && miss.why.reason != NotCovered::Reason::other_kind) {
      const bool other_stream = miss.why.reason == NotCovered::Reason::stream;
      nearest.offer(other_stream ? Near::other_stream : Near::almost, miss);
    }
  });
  return nearest.take();
}

// ---- entries ------------------------------------------------------------------------------------

Cause cause_of(const CachesView& of, const Item& item, Misses misses) {
  Cause cause;
  cause.kind = item.kind == ItemKind::pointer   ? Cause::Kind::cached_pointer
               : item.kind == ItemKind::unknown ? Cause::Kind::cached_unknown
               : item.shadow != 0               ? Cause::Kind::cached_combined
                                                : Cause::Kind::cached_translation;
  cause.pa = item.origin;
  cause.value = item.value;
  cause.va = item.va;
  name_space(of.regimes.tag(item.tag).tag, cause);
  cause.stored_at = item.stored_at;
  cause.vanished_at = item.vanished_at;
  cause.unreplaced = item.unreplaced();
  if (misses == Misses::told) cause.miss = nearest_miss(of, item);
  return cause;
}

Cause cause_of(const CachesView& of, const AtcItem& item, u64 va, Misses misses) {
  const AtcOwner& owner = of.atcs.owner(item.owner);
  Cause cause;
  cause.kind = item.identity != 0               ? Cause::Kind::atc_identity
               : item.kind != ItemKind::unknown ? Cause::Kind::atc_entry
               : item.from_reset != 0           ? Cause::Kind::atc_reset
                                                : Cause::Kind::atc_unknown;
  cause.va = va;
  cause.sid = owner.sid;
  if (owner.ssv == 1) cause.ssid = owner.ssid;
  cause.stored_at = item.stored_at;
  cause.unreplaced = item.unreplaced != 0;
  cause.lost_at = item.lost_at;
  if (cause.kind == Cause::Kind::atc_entry) {
    const Candidate c = of.lookups.candidate_of(item, 0, va);
    cause.pa = c.origin;
    cause.value = c.value;
  }
  if (misses == Misses::told) cause.miss = nearest_miss(of, item, va);
  return cause;
}

/// A word of memory that nothing leads to any more, but for a cached pointer, or for what a regime
/// that is gone has left in walk caches. Nothing: memory is walked there.
static std::optional<Cause> cause_of_what_is_kept(const CachesView& of, const Edge& edge) {
  const Frame* frame = of.memory.find(edge.parent);
  if (edge.kind != EdgeKind::word || frame == nullptr) return std::nullopt;
  const auto index = static_cast<unsigned>(bits(edge.parent, 11, 3));
  bool walked = false;
  std::optional<Cause> kept;
  for_each_layout(*frame, [&](Geometry geometry, unsigned level) {
    of.graph.for_each_path(*frame, index, geometry, level, [&](const TableGraph::Path& path) {
      if (path.item == 0 && !path.ghost) walked = true;
      if (walked || kept) return;
      if (path.item != 0) {
        kept = cause_of(of, of.items[path.item - 1]);
        kept->through = CauseWord{edge.parent, edge.value};
        return;
      }
      Item item{.tag = path.tag,
                .space = path.space,
                .kind = ItemKind::pointer,
                .level = static_cast<u8>(level),
                .dies = path.dies,
                .va = path.va,
                .value = edge.value,
                .origin = edge.parent};
      for (u64 r = of.regimes.tag(path.tag).first_regime; r != 0; r = of.regimes[r - 1].next) {
        const u64 ghost = of.regimes[r - 1].ghost;
        if (ghost != 0) item.since = std::max(item.since, static_cast<u32>(ghost - 1));
      }
      item.vanished_at = item.since;
      kept = cause_of(of, item);
    });
  });
  return walked ? std::nullopt : kept;
}

/// Why a page is a table.
Cause cause_of(const CachesView& of, const Edge& edge) {
  if (edge.kind == EdgeKind::item) return cause_of(of, of.items[static_cast<u32>(edge.parent)]);
  if (auto kept = cause_of_what_is_kept(of, edge)) return *std::move(kept);
  Cause cause;
  cause.value = edge.value;
  cause.kind = edge.kind == EdgeKind::root ? Cause::Kind::table_root : Cause::Kind::table_link;
  if (edge.kind == EdgeKind::word) cause.pa = edge.parent;
  if (edge.kind == EdgeKind::root) {
    name_space(of.regimes.tag(of.regimes[static_cast<u32>(edge.parent)].tag).tag, cause);
  }
  return cause;
}

/// The entry of item number `index` that translates `va`; what was read at `origin` through it.
static Cause cause_of_item(const CachesView& of, u32 index, u64 va, u64 origin, u64 value,
                           Misses misses) {
  const Item& item = of.items[index - 1];
  const bool one = item.kind == ItemKind::final && item.holds(va);
  Cause cause =
      cause_of(of, one ? item.part((va - item.va) / item.entry_bytes(), 1) : item, misses);
  if (origin != 0 && cause.pa != origin && item.kind != ItemKind::final) {
    cause.through = CauseWord{origin, value};
  }
  return cause;
}

Cause cause_of(const CachesView& of, const Candidate& c, u64 va, Misses misses) {
  if (c.from_atc()) return cause_of(of, of.atcs.item(c.atc), va, misses);
  if (c.item != 0) return cause_of_item(of, c.item, va, c.origin, c.value, misses);
  Cause cause = cause_of_word(of.memory, c.origin, c.value);
  if (c.kind == Candidate::Kind::unknown) cause.kind = Cause::Kind::unknown_word;
  // Memory may have it in another address space's tables.
  const bool global = of.lookups.is_global(c);
  if (global && cause.kind == Cause::Kind::word) cause.kind = Cause::Kind::global_word;
  cause.contiguous = c.kind == Candidate::Kind::leaf && contiguous_hint(c.value).value;
  cause.va = va;
  if (is_stage2(of.regimes[c.space.regime].regime)) {
    name_space(of.regimes.tag(of.regimes[c.space.regime].tag).tag, cause);
  }
  if (c.kind == Candidate::Kind::fault) cause.rule = c.fault.rule;
  return cause;
}

/// As of a pointer in a walk cache. What was read behind it is where the outcome comes from.
static Cause cause_of_told(const CachesView& of, const Outcome& outcome, Misses misses) {
  Cause cause = cause_of(of, of.told_pointers[outcome.told - 1].item, misses);
  if (outcome.origin != 0) cause.through = CauseWord{outcome.origin, outcome.value};
  return cause;
}

Cause cause_of(const CachesView& of, const Outcome& outcome, Misses misses) {
  using Kind = Cause::Kind;
  if (outcome.told != 0 && outcome.item == 0) return cause_of_told(of, outcome, misses);
  if (outcome.atc != 0) {
    const AtcItem& item = of.atcs.item(outcome.atc);
    const u64 offset = outcome.kind == OutcomeKind::translation ? outcome.pa - item.output : 0;
    return cause_of(of, item, item.first + offset, misses);
  }
  Cause cause;
  cause.rule = outcome.rule;
  if (outcome.kind == OutcomeKind::any && outcome.item == 0) {
    cause.kind = outcome.rule == rule::UNKNOWN_AFTER_RESET ? Kind::from_reset
                 : outcome.rule == rule::TAG_REGIMES       ? Kind::tags_differ
                 : outcome.rule == rule::TAG_STAGE2        ? Kind::tags_differ
                 : outcome.rule == rule::CONFLICT_TLB      ? Kind::entries_differ
                                                           : Kind::unknown_word;
    cause.pa = outcome.origin;
    return cause;
  }
  if (outcome.kind == OutcomeKind::bypass) {
    cause.kind = Kind::bypass;
  } else if (outcome.kind == OutcomeKind::abort) {
    cause.kind = Kind::terminated;
  } else if (outcome.item != 0) {
    return cause_of_item(of, outcome.item, of.items[outcome.item - 1].va, outcome.origin,
                         outcome.value, misses);
  } else if (outcome.origin != 0) {
    cause = cause_of_word(of.memory, outcome.origin, outcome.value);
    if (outcome.kind == OutcomeKind::fault) cause.rule = outcome.rule;
    const bool is_leaf = outcome.kind == OutcomeKind::translation;
    cause.contiguous = is_leaf && contiguous_hint(outcome.value).value;
  }
  return cause;
}

Cause cause_of_fault(const CachesView& of, u32 tag, u64 va, const std::vector<Candidate>& found,
                     Misses misses) {
  for (const Candidate& c : found) {
    if (c.kind == Candidate::Kind::fault) return cause_of(of, c, va, misses);
  }
  Cause cause;
  cause.rule = rule::S1_DESCRIPTOR_VALID;
  cause.va = va;
  if (is_atc_tag(tag)) return cause;
  const bool stage2 = of.regimes.tag(tag).tag.stage == Stage::stage2;
  if (stage2) cause.rule = rule::S2_DESCRIPTOR_VALID;
  for (u64 r = of.regimes.tag(tag).first_regime; r != 0; r = of.regimes[r - 1].next) {
    const RegimeState& state = of.regimes[r - 1];
    if (state.formed == 0) continue;
    const unsigned half = select_half(state.regime, va);
    const bool disabled = state.regime.half[half].epd.value;
    if (!disabled && va_in_range(state.regime, half, va)) continue;
    cause.kind = disabled ? Cause::Kind::half_disabled : Cause::Kind::beyond_input;
    cause.value = half;
    cause.txsz = static_cast<unsigned>(state.regime.half[half].tsz);
    cause.rule = disabled ? rule::S1_EPD : stage2 ? rule::S2_IPA_RANGE : rule::S1_VA_IN_RANGE;
    if (stage2) name_space(of.regimes.tag(tag).tag, cause);
    return cause;
  }
  return cause;
}

// ---- configuration ------------------------------------------------------------------------------

/// Where memory has the stream's structures now.
static std::vector<PlacedStructure> structures_of(const CachesView& of, u32 sid,
                                                  std::optional<u32> ssid) {
  std::vector<PlacedStructure> found;
  if (!sid_in_range(of.controls.stream_table(), u64{sid})) return found;
  u64 ste_place = linear_ste_address(of.controls.stream_table(), u64{sid});
  if (of.controls.stream_table().two_level) {
    found.push_back(
        {ConfigKind::l1std, sid, 0, l1std_address(of.controls.stream_table(), u64{sid})});
    const L1Std<u64> l1std{of.memory.newest(found.back().place).value};
    if (l1std_illegal(of.controls.stream_table(), l1std, u64{sid})) return found;
    ste_place = second_level_ste_address(of.controls.stream_table(), l1std, u64{sid});
  }
  found.push_back({ConfigKind::ste, sid, 0, ste_place});
  Ste<u64> ste;
  for (unsigned w = 0; w < ste_words; ++w) ste.dw[w] = of.memory.newest(ste_place + 8 * w).value;
  if (!ste.v().value || decode_ste(ste, of.caps).kind != SteKind::stage1) return found;
  const u32 number = ssid.value_or(0);
  u64 cd_place = linear_cd_address(ste, u64{number});
  if (const unsigned leaf_bits = cd_leaf_bits(ste, of.caps); leaf_bits != 0) {
    found.push_back({ConfigKind::l1cd, sid, number, l1cd_address(ste, leaf_bits, u64{number})});
    const L1Cd<u64> l1cd{of.memory.newest(found.back().place).value};
    if (l1cd_illegal(l1cd, of.caps)) return found;
    cd_place = second_level_cd_address(l1cd, leaf_bits, u64{number});
  }
  found.push_back({ConfigKind::cd, sid, number, cd_place});
  return found;
}

static unsigned words_of(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::l1std:
    case ConfigKind::l1cd: return 1;
    case ConfigKind::ste: return ste_words;
    case ConfigKind::cd: return cd_words;
  }
  return 1;
}

/// The first store to the structure that may not be visible yet; nothing: all of them are.
static std::optional<EventIndex> pending_in(const CachesView& of,
                                            const PlacedStructure& structure) {
  for (unsigned w = 0; w < words_of(structure.kind); ++w) {
    if (const auto since = of.memory.pending_since(structure.place + 8 * w)) return since;
  }
  return std::nullopt;
}

template <class Structure>
static Structure read_at(const CachesView& of, u64 place) {
  Structure structure;
  for (std::size_t w = 0; w < structure.dw.size(); ++w) {
    structure.dw[w] = of.memory.newest(place + 8 * w).value;
  }
  return structure;
}

bool memory_ends_in(const CachesView& of, u32 sid, std::optional<u32> ssid, EventType event) {
  const bool of_words = event == EventType::c_bad_streamid || event == EventType::c_bad_ste ||
                        event == EventType::c_bad_cd || event == EventType::none;
  if (!of_words) return true;
  const std::vector<PlacedStructure> all = structures_of(of, sid, ssid);
  const auto placed = std::ranges::find(all, ConfigKind::ste, &PlacedStructure::kind);
  if (placed == all.end()) return event == EventType::c_bad_streamid;
  const auto ste = read_at<Ste<u64>>(of, placed->place);
  const StreamDecision stream = decide_stream(ste, of.caps, ssid.has_value(), ssid.value_or(0));
  if (stream.event != EventType::none || !stream.cd) return stream.event == event;
  if (all.back().kind != ConfigKind::cd) return true;  // an L1CD, and which event is its business
  const auto cd = read_at<Cd<u64>>(of, all.back().place);
  const bool illegal = decide_context(ste, cd, of.caps, of.controls.e2h()).illegal.has_value();
  return event == (illegal ? EventType::c_bad_cd : EventType::none);
}

bool memory_forms(const CachesView& of, u32 sid, std::optional<u32> ssid, u32 regime) {
  const std::vector<PlacedStructure> all = structures_of(of, sid, ssid);
  const auto placed = std::ranges::find(all, ConfigKind::ste, &PlacedStructure::kind);
  if (placed == all.end()) return false;
  const auto ste = read_at<Ste<u64>>(of, placed->place);
  const StreamDecision stream = decide_stream(ste, of.caps, ssid.has_value(), ssid.value_or(0));
  if (stream.event != EventType::none) return false;
  const Regime<u64>& its = of.regimes[regime].regime;
  if (stream.stage2) return its == stage2_regime_of(ste, of.caps);
  if (!stream.cd || all.back().kind != ConfigKind::cd) return false;
  const auto cd = read_at<Cd<u64>>(of, all.back().place);
  const ContextDecision context = decide_context(ste, cd, of.caps, of.controls.e2h());
  return !context.illegal && its == context.regime;
}

/// Numbers of all that is cached for a stream, in their order.
static std::vector<u32> words_of_stream(const ConfigCache& config, u32 sid) {
  std::vector<u32> found;
  for (const ConfigKind kind :
       {ConfigKind::l1std, ConfigKind::ste, ConfigKind::l1cd, ConfigKind::cd}) {
    config.for_each_of(kind, sid, [&](u32 i) { found.push_back(i); });
  }
  std::ranges::sort(found);
  return found;
}

std::vector<Cause> causes_of_stream(const CachesView& of, u32 sid, std::optional<u32> ssid,
                                    Misses misses) {
  std::vector<Cause> causes;
  std::vector<u32> latest;  // of each: the item of the word that was changed last
  for (const u32 i : words_of_stream(of.config, sid)) {
    const ConfigItem& item = of.config[i];
    if (of_substreams(item.kind) && !item.serves(sid, ssid.value_or(0))) continue;
    const Content now = of.memory.newest(item.place + 8 * item.word);
    if (now == Content{item.value, (item.unknown & 1) != 0}) continue;
    const auto same = [&](const Cause& c) {
      return c.structure == item.kind && c.pa == item.place;
    };
    auto its = std::ranges::find_if(causes, same);
    if (its == causes.end()) {
      Cause cause;
      cause.kind = Cause::Kind::cached_structure;
      cause.structure = item.kind;
      cause.pa = item.place;
      cause.sid = sid;
      if (of_substreams(item.kind)) cause.ssid = ssid;
      causes.push_back(std::move(cause));
      latest.push_back(i);
      its = causes.end() - 1;
    }
    its->words.push_back(
        {item.word, (item.unknown & 1) != 0, item.value, now.value, item.stored_at});
    u32& last = latest[static_cast<std::size_t>(its - causes.begin())];
    if (item.since >= of.config[last].since) last = i;
  }
  for (std::size_t n = 0; n < causes.size(); ++n) {
    const ConfigItem& item = of.config[latest[n]];
    causes[n].stored_at = item.stored_at;
    causes[n].vanished_at = item.vanished_at;
    if (misses == Misses::told) causes[n].miss = nearest_miss(of, item);
    std::ranges::sort(causes[n].words, {}, &CachedWord::index);
  }
  return causes;
}

std::vector<Cause> causes_of_structure(const CachesView& of, const StructureOf& structure) {
  const std::optional<u32> ssid =
      structure.ssid == 0 ? std::nullopt : std::optional(structure.ssid);
  std::vector<Cause> causes = causes_of_stream(of, structure.sid, ssid);
  std::erase_if(causes, [&](const Cause& cause) { return cause.structure != structure.kind; });
  return causes;
}

std::vector<Cause> causes_of_configuration(const CachesView& of, u64 pa) {
  std::vector<Cause> causes(1);
  causes.front().kind = Cause::Kind::configuration;
  causes.front().pa = pa;
  const Frame* frame = of.memory.find(pa);
  for (u32 i = 0; frame != nullptr && i < of.config.regions(); ++i) {
    const Region& region = of.config.region(i);
    if (!region.has_part_of(*frame)) continue;
    const bool of_stes = region.kind == ConfigKind::ste;
    for (Cause& cause : causes_of_stream(of, of_stes ? region.sid : region.made_by, region.ssid)) {
      const bool leads_there =
          region.via != 0 ? cause.pa == region.via : !of_stes && cause.structure == ConfigKind::ste;
      if (leads_there) causes.push_back(std::move(cause));
    }
    if (causes.size() > 1) break;  // those of one
  }
  return causes;
}

Cause cause_in_memory(const CachesView& of, u32 sid, std::optional<u32> ssid,
                      const StreamOption& option) {
  Cause cause;
  cause.rule = option.rule;
  const std::vector<PlacedStructure> all = structures_of(of, sid, ssid);
  if (all.empty()) {
    cause.sid = sid;
    cause.txsz = of.controls.stream_table().log2size;
    return cause;
  }
  if (option.event == EventType::none) cause.rule.reset();  // no rule made it fail
  // Where a store may not be visible yet, that is the one. Else a stream that has no STE fails at
  // its L1STD, and so on.
  const auto pending =
      std::ranges::find_if(all, [&](const auto& its) { return pending_in(of, its).has_value(); });
  const PlacedStructure& last =
      pending != all.end() ? *pending
      : option.event == EventType::c_bad_ste && all.size() > 1 && all.back().kind != ConfigKind::ste
          ? *std::ranges::find(all, ConfigKind::ste, &PlacedStructure::kind)
          : all.back();
  if (pending != all.end()) cause.stored_at = *pending_in(of, last);
  cause.kind = Cause::Kind::structure;
  cause.structure = last.kind;
  cause.pa = last.place;
  cause.sid = sid;
  if (of_substreams(last.kind)) cause.ssid = ssid;
  cause.value = of.memory.newest(last.place).value;
  cause.as_cached = cause.rule.has_value() && pending == all.end() &&
                    !memory_ends_in(of, sid, ssid, option.event);
  return cause;
}

std::vector<Cause> path_in_memory(const CachesView& of, u32 sid, std::optional<u32> ssid) {
  std::vector<Cause> path;
  for (const PlacedStructure& its : structures_of(of, sid, ssid)) {
    const std::optional<EventIndex> pending = pending_in(of, its);
    const bool first_level = its.kind == ConfigKind::l1std || its.kind == ConfigKind::l1cd;
    if (first_level && !pending) continue;
    Cause cause;
    cause.kind = Cause::Kind::structure;
    cause.structure = its.kind;
    cause.pa = its.place;
    cause.sid = sid;
    if (of_substreams(its.kind)) cause.ssid = ssid;
    cause.stored_at = pending.value_or(0);
    cause.value = of.memory.newest(its.place).value;
    for (unsigned w = 0; w < words_of(its.kind) && !first_level; ++w) {
      const Content now = of.memory.newest(its.place + 8 * w);
      cause.words.push_back({w, now.unknown, now.value, now.value, 0});
    }
    path.push_back(std::move(cause));
  }
  return path;
}

std::vector<Cause> causes_of_regime(const CachesView& of, u32 regime) {
  constexpr std::size_t enough = 3;
  std::vector<Cause> causes;
  for (u32 i = 0; i < of.regimes.formed() && causes.size() < enough; ++i) {
    const Formed& formed = of.regimes.formed(i);
    if (formed.regime != regime) continue;
    const std::optional<u32> ssid = formed.ssid == 0 ? std::nullopt : std::optional(formed.ssid);
    std::vector<Cause> its = causes_of_stream(of, formed.sid, ssid);
    if (its.empty()) {
      its.push_back(cause_in_memory(of, formed.sid, ssid, {}));
      its.back().rule = std::nullopt;
    }
    causes.insert(causes.end(), its.begin(), its.end());
  }
  return causes;
}

}  // namespace iommucheck::spec
