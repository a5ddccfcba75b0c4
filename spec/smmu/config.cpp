// SPDX-License-Identifier: MIT
// Configuration: which STEs and CDs a device may act on (any mixture of words that are visible or
// cached), which translation regimes they form, and what follows under the tags of those.
// SEMANTICS 2: "Mixtures", "What a tag collects is regimes", "Two regimes under one tag".
#include <algorithm>

#include "base/text.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

constexpr unsigned mixture_bound = 4096;
constexpr u64 region_frames_bound = u64{1} << 14;

u64 hash(u64 a, u64 b) {
  u64 h = (a + 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL;
  h = (h ^ (h >> 29) ^ b) * 0x94d049bb133111ebULL;
  return h ^ (h >> 31);
}

}  // namespace

// ---- interned names -----------------------------------------------------------------------------
// Regimes and tags are numbered once and for all: a number says nothing about the state, so undoing
// leaves them.

u32 Caches::intern(const Regime<u64>& regime) {
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

u32 Caches::intern_tag(const Tag<u64>& tag) {
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

// ---- what may be fetched ------------------------------------------------------------------------

void Caches::words_at(ConfigKind kind, u32 sid, u32 ssid, u64 place, unsigned word,
                      std::vector<Word>& words) const {
  const auto add = [&](u64 value, bool unknown, Group dies) {
    for (Word& known : words) {
      if (known.unknown != unknown || (!unknown && known.value != value)) continue;
      known.dies = std::max(known.dies, dies);
      return;
    }
    words.push_back({value, unknown, dies});
  };
  memory_.visible(place + 8 * word,
                  [&](Content content) { add(content.value, content.unknown, immortal); });
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.kind != kind || item.place != place || item.word != word) continue;
    if (sid - item.sid >= item.sid_count || ssid - item.ssid >= item.ssid_count) continue;
    add(item.value, item.unknown != 0, item.dies);
  }
}

namespace {

/// What of a structure anything looks at, as far as that follows from itself: of an STE all of it;
/// which halves of a CD count depends on the stream world too, so a valid one is kept whole.
Ste<u64> relevant(const Ste<u64>& ste) { return used_part(ste); }
Cd<u64> relevant(const Cd<u64>& cd) { return cd.v() ? cd : Cd<u64>{}; }

constexpr auto ste_of = [](auto& option) -> auto& { return option.ste; };
constexpr auto cd_of = [](auto& option) -> auto& { return option.cd; };

}  // namespace

/// What one fetch of unit `unit` may have seen: a word, or two.
void Caches::units_at(ConfigKind kind, u32 sid, u32 ssid, u64 place, unsigned unit,
                      bool cached_only, UnitValues& values) const {
  const bool pairs = profile_.config_atom == 16;
  const unsigned word = pairs ? 2 * unit : unit;
  if (!cached_only) {
    memory_.visible(place + 8 * word, [&](Content low) {
      if (!pairs) {
        values.add({{low.value, 0}, {low.unknown, false}, immortal});
        return;
      }
      memory_.visible(place + 8 * word + 8, [&](Content high) {
        values.add({{low.value, high.value}, {low.unknown, high.unknown}, immortal});
      });
    });
  }
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.kind != kind || item.place != place || item.word != word) continue;
    if (sid - item.sid >= item.sid_count || ssid - item.ssid >= item.ssid_count) continue;
    values.add({{item.value, item.partner},
                {(item.unknown & 1) != 0, (item.unknown & 2) != 0},
                item.dies});
  }
}

/// One more way to read a structure, unless it is known: `unknown` has a bit for each unknown word.
template <class Option, class Of>
void Caches::add_option(Option option, u64 unknown, const Of& of, std::vector<Option>& options) {
  // Unknown words matter only if a decoding of the others would look at them.
  option.unknown = bit(unknown, 0);
  if (unknown != 0 && !option.unknown && of(option).v()) {
    for (unsigned w = 1; w < ste_words; ++w) {
      auto all = of(option);
      all.dw[w] = ~u64{0};
      option.unknown |= bit(unknown, w) && !(relevant(all) == relevant(of(option)));
    }
  }
  of(option) = relevant(of(option));
  for (Option& known : options) {
    if (known.place != option.place || known.unknown != option.unknown) continue;
    if (!option.unknown && !(of(known) == of(option))) continue;
    known.dies = std::max(known.dies, option.dies);
    return;
  }
  options.push_back(option);
}

bool Caches::has_cached_words(ConfigKind kind, u32 sid, u32 ssid, u64 place) const {
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.kind == kind && item.place == place && sid - item.sid < item.sid_count &&
        ssid - item.ssid < item.ssid_count) {
      return true;
    }
  }
  return false;
}

/// Every mixture of words that fetches of one structure may have seen, equal ones once.
/// `cached_only`: memory of this place cannot be reached any more, only cached words count.
template <class Option, class Of>
bool Caches::mixtures(ConfigKind kind, u32 sid, u32 ssid, u64 place, Group dies, bool cached_only,
                      const Of& of, std::vector<Option>& options) const {
  Option option;
  option.place = place;
  option.dies = dies;
  const Frame* frame = memory_.find(place);
  const auto index = static_cast<unsigned>(bits(place, 11, 3));
  if (!has_cached_words(kind, sid, ssid, place)) {
    if (cached_only) return true;
    if (frame != nullptr && memory_.is_settled(*frame, index, ste_words)) {
      std::copy_n(frame->words + index, ste_words, of(option).dw.begin());
      add_option(option, frame->unknown_of(index, ste_words), of, options);
      return true;
    }
  }
  const unsigned width = profile_.config_atom / 8;
  const unsigned unit_count = ste_words / width;
  std::array<UnitValues, ste_words> units;
  std::array<Group, ste_words> last{};  // of each unit's versions that which lives longest
  bool missing = false;
  u64 rest = 1;  // mixtures of all units but the first
  for (unsigned u = 0; u < unit_count; ++u) {
    units_at(kind, sid, ssid, place, u, cached_only, units[u]);
    if (units[u].overflow) return false;
    if (units[u].count == 0 && u == 0) return true;
    // Of an invalid structure the first words are enough to have it cached.
    if (units[u].count == 0) {
      missing = true;
      units[u].add({{0, 0}, {false, false}, immortal});
    }
    if (units[u].count > 1) ++option.units;
    if (u != 0) rest *= units[u].count;
    if (rest * units[0].count > mixture_bound) return false;
    for (unsigned i = 0; i < units[u].count; ++i) {
      last[u] = std::max(last[u], units[u].values[i].dies);
    }
  }
  for (unsigned first = 0; first < units[0].count; ++first) {
    const UnitValue& head = units[0].values[first];
    of(option).dw[0] = head.word[0];
    if (!head.unknown[0] && !of(option).v()) {
      // Invalid, whatever the others say.
      Option invalid = option;
      invalid.dies = std::min(dies, head.dies);
      for (unsigned u = 1; u < unit_count; ++u) invalid.dies = std::min(invalid.dies, last[u]);
      add_option(invalid, 0, of, options);
      continue;
    }
    for (u64 n = 0; n < rest; ++n) {
      Option mixture = option;
      u64 left = n;
      u64 unknown = 0;
      for (unsigned u = 0; u < unit_count; ++u) {
        const unsigned version = u == 0 ? first : static_cast<unsigned>(left % units[u].count);
        if (u != 0) left /= units[u].count;
        const UnitValue& value = units[u].values[version];
        mixture.dies = std::min(mixture.dies, value.dies);
        for (unsigned i = 0; i < width; ++i) {
          of(mixture).dw[u * width + i] = value.word[i];
          if (value.unknown[i]) unknown |= u64{1} << (u * width + i);
        }
      }
      if (missing && of(mixture).v()) continue;
      add_option(mixture, unknown, of, options);
    }
  }
  return true;
}

bool Caches::ste_options(u32 sid, std::vector<SteOption>& options) const {
  if (!sid_in_range(strtab_, u64{sid})) {
    SteOption option;
    option.bad_streamid = true;
    options.push_back(option);
    return true;
  }
  std::vector<u64> places;
  if (!strtab_.two_level) {
    places.push_back(linear_ste_address(strtab_, u64{sid}));
    if (!mixtures(ConfigKind::ste, sid, 0, places[0], immortal, false, ste_of, options)) {
      return false;
    }
  } else {
    std::vector<Word> words;
    words_at(ConfigKind::l1std, sid, 0, l1std_address(strtab_, u64{sid}), 0, words);
    for (const Word& word : words) {
      SteOption option;
      option.dies = word.dies;
      if (word.unknown) {
        option.unknown = true;
        options.push_back(option);
        continue;
      }
      const L1Std<u64> l1std{word.value};
      if (l1std_illegal(strtab_, l1std, u64{sid})) {
        option.bad_streamid = true;
        options.push_back(option);
        continue;
      }
      places.push_back(second_level_ste_address(strtab_, l1std, u64{sid}));
      if (!mixtures(ConfigKind::ste, sid, 0, places.back(), word.dies, false, ste_of, options)) {
        return false;
      }
    }
  }
  // STEs cached from where no fetch leads any more.
  std::vector<u64> old_places;
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.kind != ConfigKind::ste || item.sid != sid) continue;
    if (std::ranges::find(places, item.place) != places.end()) continue;
    if (std::ranges::find(old_places, item.place) == old_places.end()) {
      old_places.push_back(item.place);
    }
  }
  for (const u64 place : old_places) {
    if (!mixtures(ConfigKind::ste, sid, 0, place, immortal, true, ste_of, options)) {
      return false;
    }
  }
  return true;
}

// A cached CD is found by SID and SSID alone, so the CD table of every possible STE counts.
bool Caches::cd_options(u32 sid, u32 ssid, const std::vector<SteOption>& all,
                        std::vector<CdOption>& options) const {
  std::vector<u64> places;
  for (const SteOption& ste : all) {
    if (ste.unknown || ste.bad_streamid || !decode_ste(ste.ste, caps_).has_stage1()) continue;
    const bool substreams = substreams_used(ste.ste, caps_).value;
    if (substreams ? (ssid >> std::min<u64>(ste.ste.s1cdmax(), 31)) != 0 : ssid != 0) continue;
    const unsigned leaf_bits = cd_leaf_bits(ste.ste, caps_);
    if (leaf_bits == 0) {
      places.push_back(linear_cd_address(ste.ste, u64{ssid}));
      if (!mixtures(ConfigKind::cd, sid, ssid, places.back(), ste.dies, false, cd_of, options)) {
        return false;
      }
      continue;
    }
    std::vector<Word> words;
    words_at(ConfigKind::l1cd, sid, ssid, l1cd_address(ste.ste, leaf_bits, u64{ssid}), 0, words);
    for (const Word& word : words) {
      CdOption option;
      option.dies = std::min(ste.dies, word.dies);
      const L1Cd<u64> l1cd{word.value};
      if (word.unknown || l1cd_illegal(l1cd, caps_)) {
        (word.unknown ? option.unknown : option.bad_substreamid) = true;
        options.push_back(option);
        continue;
      }
      places.push_back(second_level_cd_address(l1cd, leaf_bits, u64{ssid}));
      if (!mixtures(ConfigKind::cd, sid, ssid, places.back(), option.dies, false, cd_of, options)) {
        return false;
      }
    }
  }
  std::vector<u64> old_places;
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.kind != ConfigKind::cd || item.sid != sid || item.ssid != ssid) continue;
    if (std::ranges::find(places, item.place) != places.end()) continue;
    if (std::ranges::find(old_places, item.place) == old_places.end()) {
      old_places.push_back(item.place);
    }
  }
  for (const u64 place : old_places) {
    if (!mixtures(ConfigKind::cd, sid, ssid, place, immortal, true, cd_of, options)) {
      return false;
    }
  }
  return true;
}

bool Caches::stream_options(u32 sid, u32 ssid, bool ssv, std::vector<StreamOption>& options) const {
  const auto add = [&](const StreamOption& option) {
    for (StreamOption& known : options) {
      if (known.kind != option.kind || known.event != option.event || known.any != option.any ||
          known.regime != option.regime || !(known.reaction == option.reaction)) {
        continue;
      }
      known.dies = std::max(known.dies, option.dies);
      known.ats |= option.ats;
      known.no_ats |= option.no_ats;
      return;
    }
    options.push_back(option);
  };
  if (unknown_config_alive(sid)) {
    add({.rule = Rule::UNKNOWN_AFTER_RESET, .any = true});
    return true;
  }
  std::vector<SteOption> stes;
  if (!ste_options(sid, stes)) return false;
  for (const SteOption& ste : stes) {
    StreamOption option{.dies = ste.dies};
    if (ste.unknown) {
      option.any = true;
      option.rule = Rule::WILD_STRUCTURE;
      add(option);
      continue;
    }
    if (ste.bad_streamid) {
      option.event = EventType::c_bad_streamid;
      option.rule = Rule::STREAM_ID_RANGE;
      add(option);
      continue;
    }
    const SteDecision decision = decode_ste(ste.ste, caps_);
    option.kind = decision.kind;
    option.rule = decision.rule;
    option.ats = decision.kind == SteKind::stage1 && caps_.ats && ste.ste.eats() == 1;
    option.no_ats = !option.ats;
    if (decision.kind == SteKind::bad) option.event = EventType::c_bad_ste;
    if (decision.kind == SteKind::bad || decision.kind == SteKind::abort) {
      add(option);
      continue;
    }
    if (decision.has_stage2()) {
      option.any = true;
      add(option);
      continue;
    }
    const auto substream = select_substream(ste.ste, caps_, ssv, u64{ssid});
    if (substream.event() != EventType::none) {
      option.event = substream.event();
      option.rule = substream.rule;
      add(option);
      continue;
    }
    if (substream.kind != SubstreamKind::cd) {
      option.kind = SteKind::bypass;
      add(option);
      continue;
    }
    std::vector<CdOption> cds;
    if (!cd_options(sid, static_cast<u32>(substream.number), stes, cds)) return false;
    for (const CdOption& cd : cds) {
      StreamOption with_cd = option;
      with_cd.dies = std::min(ste.dies, cd.dies);
      if (cd.unknown) {
        with_cd.any = true;
        with_cd.rule = Rule::WILD_STRUCTURE;
      } else if (cd.bad_substreamid) {
        with_cd.event = EventType::c_bad_substreamid;
        with_cd.rule = Rule::L1CD_VALID;
      } else if (const auto bad = decode_cd(cd.cd, ste.ste, caps_, e2h_ != 0)) {
        with_cd.event = EventType::c_bad_cd;
        with_cd.rule = *bad;
      } else {
        // The regime is numbered already: whatever can be formed was formed by reform().
        const Regime<u64> regime = regime_of(ste.ste, cd.cd, caps_, e2h_ != 0);
        with_cd.regime = const_cast<Caches*>(this)->intern(regime) + 1;
        with_cd.tag = regimes_[with_cd.regime - 1].tag;
        with_cd.reaction = reaction_of(cd.cd, caps_);
      }
      add(with_cd);
    }
  }
  return true;
}

// ---- regions ------------------------------------------------------------------------------------

void Caches::add_region(const Region& region) {
  if (region.bytes == 0) return;
  if (region.bytes >> frame_lg2 > region_frames_bound) {
    gave_up_ = true;  // a table of more than 64 MiB
    return;
  }
  for (u64 pa = align_down(region.first, frame_lg2); pa < region.first + region.bytes;
       pa += u64{1} << frame_lg2) {
    Frame& frame = memory_.frame(pa);
    trail_.set(frame.config, frame.config + 1);
  }
  regions_.push(trail_, region);
}

void Caches::remove_regions(u32 made_by, ConfigKind kind) {
  for (u32 i = regions_.size(); i != 0; --i) {
    const Region region = regions_[i - 1];
    if (region.made_by != made_by || region.kind != kind) continue;
    for (u64 pa = align_down(region.first, frame_lg2); pa < region.first + region.bytes;
         pa += u64{1} << frame_lg2) {
      Frame& frame = memory_.frame(pa);
      trail_.set(frame.config, frame.config - 1);
    }
    regions_.remove_unordered(trail_, i - 1);
  }
}

/// The arrays of STEs that the L1STD of `first_sid` may lead to.
void Caches::refresh_l2_arrays(u32 first_sid) {
  remove_regions(first_sid, ConfigKind::ste);
  std::vector<Word> words;
  words_at(ConfigKind::l1std, first_sid, 0, l1std_address(strtab_, u64{first_sid}), 0, words);
  for (const Word& word : words) {
    const L1Std<u64> l1std{word.value};
    if (word.unknown) {
      report(Rule::WILD_STRUCTURE,
             "the L1STD of stream " + hex(first_sid) + " is memory of unknown content");
      continue;
    }
    if (l1std_illegal(strtab_, l1std, u64{first_sid})) continue;
    add_region({.kind = ConfigKind::ste,
                .sid = first_sid,
                .first = l1std.l2ptr(),
                .bytes = pow2(static_cast<unsigned>(l1std.span()) - 1) * ste_bytes,
                .made_by = first_sid,
                .dies = word.dies});
  }
}

/// The CD tables that a stream's possible STEs lead to.
void Caches::refresh_regions(u32 sid, const std::vector<SteOption>& stes) {
  remove_regions(sid, ConfigKind::l1cd);
  remove_regions(sid, ConfigKind::cd);
  for (const SteOption& ste : stes) {
    if (ste.unknown || ste.bad_streamid || !decode_ste(ste.ste, caps_).has_stage1()) continue;
    const u64 cds =
        substreams_used(ste.ste, caps_).value ? pow2(static_cast<unsigned>(ste.ste.s1cdmax())) : 1;
    const unsigned leaf_bits = cd_leaf_bits(ste.ste, caps_);
    if (leaf_bits == 0) {
      add_region({.kind = ConfigKind::cd,
                  .sid = sid,
                  .first = ste.ste.s1contextptr(),
                  .bytes = cds * cd_bytes,
                  .made_by = sid,
                  .dies = ste.dies});
      continue;
    }
    const u64 l1cds = std::max<u64>(1, cds >> leaf_bits);
    add_region({.kind = ConfigKind::l1cd,
                .sid = sid,
                .first = ste.ste.s1contextptr(),
                .bytes = l1cds * 8,
                .made_by = sid,
                .dies = ste.dies});
    for (u64 n = 0; n < l1cds; ++n) {
      const u64 place = ste.ste.s1contextptr() + 8 * n;
      const auto ssid = static_cast<u32>(n << leaf_bits);
      std::vector<Word> words;
      words_at(ConfigKind::l1cd, sid, ssid, place, 0, words);
      for (const Word& word : words) {
        const L1Cd<u64> l1cd{word.value};
        if (word.unknown || l1cd_illegal(l1cd, caps_)) continue;
        add_region({.kind = ConfigKind::cd,
                    .sid = sid,
                    .first = l1cd.l2ptr(),
                    .bytes = std::min<u64>(cds, pow2(leaf_bits)) * cd_bytes,
                    .ssid = ssid,
                    .made_by = sid,
                    .dies = std::min(ste.dies, word.dies)});
      }
    }
  }
}

bool Caches::is_configuration(u64 pa) const {
  const Frame* frame = memory_.find(pa);
  return frame != nullptr && frame->config != 0 && enabled_ != 0;
}

// ---- changes ------------------------------------------------------------------------------------

void Caches::reform_around(u64 pa) {
  std::vector<StreamPart> streams;
  add_streams_around(pa, streams);
  for (const StreamPart& part : streams) reform(part);
}

/// Some version of the STE or CD, in memory or cached, may have V = 1.
bool Caches::may_be_valid(ConfigKind kind, u64 place) const {
  const auto valid = [&](u64 word) {
    return kind == ConfigKind::ste ? Ste<u64>{{word}}.v().value : Cd<u64>{{word}}.v().value;
  };
  bool may = false;
  memory_.visible(place, [&](Content c) { may |= c.unknown || valid(c.value); });
  for (u32 i = 0; i < config_items_.size() && !may; ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.place != place || item.word != 0 || item.kind != kind) continue;
    may = item.unknown != 0 || valid(item.value);
  }
  return may;
}

/// What of which streams depends on the word; arrays that an L1STD leads to are looked up anew.
void Caches::add_streams_around(u64 pa, std::vector<StreamPart>& streams) {
  if (enabled_ == 0) return;
  std::vector<u32> arrays;
  for (u32 i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    if (pa - region.first >= region.bytes) continue;
    const u64 offset = pa - region.first;
    const auto number = static_cast<u32>(offset / ste_bytes);
    const bool structure = region.kind == ConfigKind::ste || region.kind == ConfigKind::cd;
    if (structure && offset % ste_bytes != 0 && !may_be_valid(region.kind, pa - offset % ste_bytes))
      continue;  // nothing looks at the words of an invalid one
    switch (region.kind) {
      case ConfigKind::l1std:
        arrays.push_back(static_cast<u32>(offset / 8) << strtab_.split);
        break;
      case ConfigKind::ste: add_part({region.sid + number}, streams); break;
      case ConfigKind::l1cd: add_part({region.sid}, streams); break;
      case ConfigKind::cd:
        add_part({region.sid, region.ssid + number, region.ssid + number}, streams);
        break;
    }
  }
  for (const u32 first : arrays) {
    refresh_l2_arrays(first);
    for (u32 n = 0; n < u32{1} << strtab_.split; ++n) {
      bool interesting = false;
      for (u32 i = 0; i < known_sids_.size(); ++i) interesting |= known_sids_[i] == first + n;
      std::vector<SteOption> stes;
      if (!interesting && ste_options(first + n, stes)) {
        for (const SteOption& ste : stes) {
          interesting |= ste.unknown || (ste.ste.v() & ste.ste.config_translates()).value;
        }
      }
      if (interesting) add_part({first + n}, streams);
    }
  }
}

const std::vector<Caches::CdOption>& Caches::Options::cds_of(u32 number) const {
  static const std::vector<CdOption> none;
  for (const Cds& known : cds) {
    if (known.number == number) return known.options;
  }
  return none;
}

/// Adds the CDs of substream `number`, once.
void Caches::look_at_cds(u32 sid, u32 number, Options& options) {
  const auto known = std::ranges::find(options.cds, number, &Options::Cds::number);
  if (known != options.cds.end()) return;
  options.cds.push_back({.number = number, .options = {}});
  if (cd_options(sid, number, options.stes, options.cds.back().options)) return;
  options.cds.back().options.clear();
  gave_up_ = true;
}

/// A regime can be formed by (sid, number) through `ste` and each possible CD.
void Caches::form_cd(u32 sid, u32 number, const SteOption& ste, Options& options,
                     std::vector<Formed>& formed) {
  look_at_cds(sid, number, options);
  for (const CdOption& cd : options.cds_of(number)) {
    if (cd.unknown) {
      report(Rule::WILD_STRUCTURE, "the CD of stream " + hex(sid) + ", substream " + hex(number) +
                                       " is memory of unknown content: " + name(cd.place));
      continue;
    }
    if (cd.bad_substreamid) continue;
    const auto bad = decode_cd(cd.cd, ste.ste, caps_, e2h_ != 0);
    if (cd.units > 1) count(Rule::TORN_CD);
    if (bad) {
      if (cd.cd.v() && cd.units > 1) {
        report(Rule::TORN_CD, "a mixture of old and new words of the CD at " + name(cd.place) +
                                  " is illegal (" + std::string(rule_name(*bad)) + ")");
      }
      continue;
    }
    const u32 regime = intern(regime_of(ste.ste, cd.cd, caps_, e2h_ != 0));
    formed.push_back({.sid = sid,
                      .ssid = number,
                      .regime = regime,
                      .place = cd.place,
                      .dies = std::min(ste.dies, cd.dies),
                      .units = cd.units});
  }
}

/// SubstreamIDs of `part` whose CD may be valid: tables of CDs are mostly empty, and a CD of which
/// every version has V = 0 forms nothing.
std::vector<u32> Caches::cds_to_form(const SteOption& ste, const StreamPart& part) const {
  std::vector<u32> numbers;
  const u64 count = pow2(static_cast<unsigned>(ste.ste.s1cdmax()));
  const u64 end = std::min<u64>(count, u64{part.last} + 1);
  const auto add = [&](u64 number) {
    if (number < part.first || number >= end) return;
    if (numbers.empty() || numbers.back() != number) numbers.push_back(static_cast<u32>(number));
  };
  // CDs `first` on in the array at `place`.
  const auto look_at = [&](u64 place, u64 first, u64 n) {
    for (u64 i = first < part.first ? part.first - first : 0; i < n && first + i < end; ++i) {
      const u64 cd = place + i * cd_bytes;
      const Frame* frame = memory_.find(cd);
      if (frame != nullptr && frame->nonzero == 0 && !memory_.any_pending()) {
        i += (frame->address() + pow2(frame_lg2) - cd) / cd_bytes - 1;
        continue;
      }
      bool valid = false;
      bool unknown = false;
      memory_.visible(cd, [&](Content c) {
        unknown |= c.unknown;
        valid |= Cd<u64>{{c.value}}.v().value;
      });
      if (valid || unknown) add(first + i);
      if (unknown) break;  // one report is enough
    }
  };
  const unsigned leaf_bits = cd_leaf_bits(ste.ste, caps_);
  if (leaf_bits == 0) look_at(ste.ste.s1contextptr(), 0, count);
  for (u64 n = 0; leaf_bits != 0 && n << leaf_bits < end; ++n) {
    if ((n + 1) << leaf_bits <= part.first) continue;
    std::vector<Word> words;
    const u64 first = n << leaf_bits;
    words_at(ConfigKind::l1cd, part.sid, static_cast<u32>(first), ste.ste.s1contextptr() + 8 * n, 0,
             words);
    for (const Word& word : words) {
      const L1Cd<u64> l1cd{word.value};
      if (word.unknown) add(std::max<u64>(first, part.first));
      if (word.unknown || l1cd_illegal(l1cd, caps_)) continue;
      look_at(l1cd.l2ptr(), first, pow2(leaf_bits));
    }
  }
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& item = config_items_[i];
    if (item.kind == ConfigKind::cd && item.sid == part.sid) add(item.ssid);
  }
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

/// Everything that follows from the configuration of one stream, or of some of its substreams.
void Caches::reform(const StreamPart& part) {
  if (track_changes_) add_part(part, dirty_streams_);
  reform_unseen(part);
}

/// The same after a change that no access sees: how long something lives.
void Caches::reform_unseen(const StreamPart& part) {
  const u32 sid = part.sid;
  ++formed_version_;
  ++paths_version_;
  std::vector<Formed> now;
  Options options;
  const std::vector<SteOption>& stes = options.stes;
  bool translates = false;
  if (enabled_ != 0) {
    if (!ste_options(sid, options.stes)) gave_up_ = true;
    if (part.whole()) refresh_regions(sid, stes);
    count(Rule::WILD_STRUCTURE);
    for (const SteOption& ste : stes) {
      if (ste.units > 1) count(Rule::TORN_STE);
      if (ste.unknown) {
        report(Rule::WILD_STRUCTURE,
               "the STE of stream " + hex(sid) + " is memory of unknown content");
      }
      if (ste.unknown || ste.bad_streamid) continue;
      const SteDecision decision = decode_ste(ste.ste, caps_);
      translates |= decision.kind != SteKind::abort;
      if (decision.kind == SteKind::bad && ste.ste.v() && ste.units > 1) {
        report(Rule::TORN_STE, "a mixture of old and new words of the STE of stream " + hex(sid) +
                                   " is illegal (" + std::string(rule_name(decision.rule)) + ")");
      }
      if (decision.has_stage2()) unsupported_ = "stage 2 translation";
      if (decision.kind != SteKind::stage1) continue;
      if (!substreams_used(ste.ste, caps_).value) {
        if (part.first == 0) form_cd(sid, 0, ste, options, now);
        continue;
      }
      for (const u32 number : cds_to_form(ste, part)) form_cd(sid, number, ste, options, now);
    }
  }
  bool known = false;
  for (u32 i = 0; i < known_sids_.size(); ++i) known |= known_sids_[i] == sid;
  if (translates && !known) known_sids_.push(trail_, sid);
  if (ats_on_ != 0) reform_ats(part, options, now);
  replace_formed(part, now);
}

/// What the part forms from now on: regimes come, go, and are compared.
void Caches::replace_formed(const StreamPart& part, const std::vector<Formed>& now) {
  std::vector<u32> touched;
  const auto touch = [&](u32 regime) {
    if (std::ranges::find(touched, regime) == touched.end()) touched.push_back(regime);
  };
  for (u32 i = formed_.size(); i != 0; --i) {
    const Formed& entry = formed_[i - 1];
    if (entry.sid != part.sid || entry.ssid < part.first || entry.ssid > part.last) continue;
    touch(formed_[i - 1].regime);
    formed_.remove_unordered(trail_, i - 1);
  }
  for (const Formed& entry : now) {
    check_world(entry);
    touch(entry.regime);
    formed_.push(trail_, entry);
  }
  std::vector<u32> tags;
  std::vector<std::pair<u32, Group>> lost;
  for (const u32 regime : touched) {
    u64 count = 0;
    Group dies = 0;
    for (u32 i = 0; i < formed_.size(); ++i) {
      if (formed_[i].regime != regime) continue;
      ++count;
      dies = std::max(dies, formed_[i].dies);
    }
    RegimeState& state = regimes_[regime];
    const u64 before = state.formed;
    const auto died = static_cast<Group>(state.dies);
    if (before != count) trail_.set(state.formed, count);
    if (count != 0 && state.dies != dies) trail_.set(state.dies, dies);
    if (before == 0 && count != 0) become_formed(regime);
    if (before != 0 && count == 0) lost.emplace_back(regime, died);
    if (std::ranges::find(tags, state.tag) == tags.end()) tags.push_back(state.tag);
  }
  for (const auto& [regime, died] : lost) become_ghost(regime, died);
  for (const u32 tag : tags) check_tag(tag);
}

void Caches::reform_all() {
  for (u32 i = 0; i < known_sids_.size(); ++i) reform({static_cast<u32>(known_sids_[i])});
}

void Caches::config_vanished(const Vanished& what, const std::vector<Vanished>& all) {
  if (enabled_ == 0) return;
  const u64 pa = what.frame->address() + 8 * what.index;
  for (u32 i = 0; i < regions_.size(); ++i) {
    const Region region = regions_[i];
    if (pa - region.first >= region.bytes) continue;
    const u64 offset = pa - region.first;
    ConfigItem item{.kind = region.kind,
                    .unknown = static_cast<u8>(what.content.unknown ? 1 : 0),
                    .sid = region.sid,
                    .ssid = region.ssid,
                    .dies = region.dies,
                    .value = what.content.value,
                    .since = now_,
                    .vanished_at = now_,
                    .stored_at = what.at};
    const bool descriptor = region.kind == ConfigKind::l1std || region.kind == ConfigKind::l1cd;
    const u64 size = descriptor ? 8 : ste_bytes;
    const auto number = static_cast<u32>(offset / size);
    item.place = region.first + number * size;
    item.word = static_cast<u16>((offset % size) / 8);
    switch (region.kind) {
      case ConfigKind::l1std:
        item.sid = number << strtab_.split;
        item.sid_count = u32{1} << strtab_.split;
        break;
      case ConfigKind::ste: item.sid = region.sid + number; break;
      case ConfigKind::l1cd: {
        // Which half of the SubstreamIDs one L1CD stands for follows from S1Fmt; both are tried.
        std::vector<SteOption> stes;
        ste_options(region.sid, stes);
        unsigned leaf_bits = 6;
        for (const SteOption& ste : stes) {
          if (cd_leaf_bits(ste.ste, caps_) != 0) leaf_bits = cd_leaf_bits(ste.ste, caps_);
        }
        item.ssid = number << leaf_bits;
        item.ssid_count = u32{1} << leaf_bits;
        break;
      }
      case ConfigKind::cd: item.ssid = region.ssid + number; break;
    }
    item.dies = std::min(item.dies, fate(item));
    cache_words(item, what, all);
  }
}

/// A fetch of `below`, an STE or a CD, goes there if `descriptor` reads as `word`.
bool Caches::leads_to(const ConfigItem& descriptor, u64 word, const ConfigItem& below) const {
  const ConfigKind above = below.kind == ConfigKind::ste ? ConfigKind::l1std : ConfigKind::l1cd;
  if (descriptor.kind != above || below.sid - descriptor.sid >= descriptor.sid_count ||
      below.ssid - descriptor.ssid >= descriptor.ssid_count) {
    return false;
  }
  if (above == ConfigKind::l1std) {
    const L1Std<u64> l1std{word};
    return !l1std_illegal(strtab_, l1std, u64{below.sid}) &&
           second_level_ste_address(strtab_, l1std, u64{below.sid}) == below.place;
  }
  const L1Cd<u64> l1cd{word};
  const u64 offset = u64{below.ssid - descriptor.ssid} * cd_bytes;
  return !l1cd_illegal(l1cd, caps_) && l1cd.l2ptr() + offset == below.place;
}

/// The group with which a cached STE or CD dies that was read through a descriptor which is only
/// cached any more: that which ends the descriptor, if the same command covers both.
Group Caches::fate(const ConfigItem& item) const {
  if (item.kind != ConfigKind::ste && item.kind != ConfigKind::cd) return immortal;
  Group dies = 0;
  bool cached = false;
  for (u32 i = 0; i < config_items_.size(); ++i) {
    const ConfigItem& descriptor = config_items_[i];
    if (!leads_to(descriptor, descriptor.value, item)) continue;
    cached = true;
    bool in_memory = false;
    memory_.visible(descriptor.place, [&](Content content) {
      in_memory |= !content.unknown && leads_to(descriptor, content.value, item);
    });
    if (in_memory) return immortal;
    Group end = immortal;
    for (u32 k = 0; k < in_flight_.size(); ++k) {
      const InFlight& command = in_flight_[k];
      if (command.group == descriptor.dies && command.at >= descriptor.since &&
          is_cfgi(command.command.op) && covers_both(command.command, descriptor, item)) {
        end = descriptor.dies;
      }
    }
    dies = std::max(dies, end);
  }
  return cached ? dies : immortal;
}

/// The word of `what` becomes an item; where a fetch reads two words, with each version that its
/// partner had at the same time.
void Caches::cache_words(const ConfigItem& tags, const Vanished& what,
                         const std::vector<Vanished>& all) {
  const bool descriptor = tags.kind == ConfigKind::l1std || tags.kind == ConfigKind::l1cd;
  ConfigItem item = tags;
  if (profile_.config_atom != 16 || descriptor) {
    cache_config(item);
    return;
  }
  const bool odd = item.word % 2 != 0;
  item.word = static_cast<u16>(item.word & ~1U);
  const u64 partner = (what.frame->address() + 8 * what.index) ^ 8;
  const auto with = [&](Content other) {
    const Content low = odd ? other : what.content;
    const Content high = odd ? what.content : other;
    item.value = low.value;
    item.partner = high.value;
    item.unknown = static_cast<u8>((low.unknown ? 1 : 0) | (high.unknown ? 2 : 0));
    cache_config(item);
  };
  memory_.visible(partner, with);
  for (const Vanished& other : all) {
    if (other.frame->address() + 8 * other.index == partner) with(other.content);
  }
}

void Caches::cache_config(const ConfigItem& item) {
  for (u32 k = 0; k < config_items_.size(); ++k) {
    const ConfigItem& old = config_items_[k];
    if (old.kind != item.kind || old.sid != item.sid || old.ssid != item.ssid ||
        old.place != item.place || old.word != item.word || old.value != item.value ||
        old.partner != item.partner || old.unknown != item.unknown) {
      continue;
    }
    ConfigItem& again = config_items_.edit(trail_, k);
    again.dies = std::max(again.dies, item.dies);
    again.since = again.vanished_at = now_;
    again.stored_at = item.stored_at;
    return;
  }
  config_items_.push(trail_, item);
}

// ---- regimes that come and go -------------------------------------------------------------------

unsigned Caches::start_of(u32 regime, unsigned half) const {
  return start_table(regimes_[regime].regime, half).level;
}

void Caches::become_formed(u32 id) {
  ++paths_version_;
  RegimeState& state = regimes_[id];
  TagState& tag = tags_[state.tag];
  const Regime<u64>& regime = state.regime;
  for (unsigned half = 0; half < 2; ++half) {
    if (!regime.half[half].epd && regime.half[half].tg != Granule::g4k) {
      unsupported_ = "a translation granule other than 4 KiB";
      return;
    }
  }
  if (tag.active == 0) {
    trail_.set(tag.active, 1);
    active_tags_.push(trail_, state.tag);
  }
  if (state.listed == 0) {
    trail_.set(state.listed, 1);
    trail_.set(state.next, tag.first_regime);
    trail_.set(tag.first_regime, id + 1);
  }
  trail_.set(tag.formed, tag.formed + 1);
  if (state.ghost != 0) {
    // The same tables again: memory yields what was filled, and changed words are items.
    trail_.set(state.ghost, 0);
    trail_.set(ghosts_, ghosts_ - 1);
  } else {
    for (u64 other = tag.first_regime; other != 0; other = regimes_[other - 1].next) {
      if (regimes_[other - 1].ghost != 0) materialize_ghost(static_cast<u32>(other - 1));
    }
    for (unsigned half = 0; half < 2; ++half) {
      if (regime.half[half].epd) continue;
      const auto table = start_table(regime, half);
      const u64 entries = pow2(static_cast<unsigned>(
          start_entries_lg2(Granule::g4k, table.level, regime.half[half].tsz)));
      link(table.address, table.level,
           Edge{.kind = EdgeKind::root,
                .half = static_cast<u8>(half),
                .parent = id,
                .value = table.address,
                .count = entries});
    }
  }
  mark_dirty(state.tag, 0, 64);
  if (unknown_.config == 0 && unknown_tlb_alive(tag.tag)) {
    report(Rule::UNKNOWN_AFTER_RESET, "translations from before reset may live under ASID " +
                                          hex(tag.tag.asid) + ", VMID " + hex(tag.tag.vmid) +
                                          ", which comes into use");
  }
  // Make checks of a whole regime: against items that live under its tag, and other regimes.
  for (u32 i = static_cast<u32>(tag.first_item); i != 0; i = items_[i].next) {
    for (u64 k = 0; k < items_[i].count; ++k) {
      probe(state.tag, items_[i].va + k * items_[i].entry_bytes(), items_[i].origin + 8 * k);
    }
  }
  bool several = tag.formed > 1 || globals_ != 0;
  for (unsigned half = 0; half < 2; ++half) {
    if (regime.half[half].epd || several) continue;
    const auto table = start_table(regime, half);
    several = pending_below(table.address, table.level);
  }
  if (several) {
    for (u64 other = tag.first_regime; other != 0; other = regimes_[other - 1].next) {
      const RegimeState& r = regimes_[other - 1];
      for (unsigned half = 0; half < 2 && r.formed != 0; ++half) {
        if (r.regime.half[half].epd) continue;
        const auto table = start_table(r.regime, half);
        Path path{.tag = state.tag, .half = static_cast<u8>(half)};
        path.va = half == 0 ? 0 : ~low_mask(64 - r.regime.half[half].tsz);
        if (r.dies == immortal || r.formed != 0) probe_table(path, table.address, table.level);
      }
    }
  }
}

void Caches::unlink_roots(u32 id) {
  const Regime<u64>& regime = regimes_[id].regime;
  for (unsigned half = 0; half < 2; ++half) {
    if (regime.half[half].epd) continue;
    const auto table = start_table(regime, half);
    unlink(table.address, table.level, EdgeKind::root, id, table.address);
  }
}

// What was filled through the regime lives on until a TLBI, although nothing fills any more.
void Caches::become_ghost(u32 id, Group died) {
  ++paths_version_;
  RegimeState& state = regimes_[id];
  TagState& tag = tags_[state.tag];
  trail_.set(tag.formed, tag.formed - 1);
  trail_.set(state.ghost, 1);
  trail_.set(ghosts_, ghosts_ + 1);
  trail_.set(state.ghost_dies, immortal);
  mark_dirty(state.tag, 0, 64);
  bool piecemeal = tag.formed != 0 || globals_ != 0;
  for (u32 i = 0; i < in_flight_.size(); ++i) {
    const InFlight& command = in_flight_[i];
    if (died == immortal || command.group <= died || !is_tlbi(command.command.op)) continue;
    TlbTarget all{.world = tag.tag.world,
                  .vmid = tag.tag.vmid,
                  .asid = tag.tag.asid,
                  .global = globals_ != 0};
    if (is_tlbi_by_address(command.command.op) || globals_ != 0) {
      piecemeal = true;
    } else if (covers(command.command, all, TlbiScope{0, e2h_ != 0})) {
      trail_.set(state.ghost_dies, std::min<u64>(state.ghost_dies, command.group));
    }
  }
  if (tag.pointers != 0) freeze_pointers(id, died);
  if (!piecemeal) return;
  trail_.set(state.ghost_dies, immortal);  // each item finds its own
  const Regime<u64>& regime = state.regime;
  for (unsigned half = 0; half < 2; ++half) {
    if (regime.half[half].epd) continue;
    const auto table = start_table(regime, half);
    Path path{
        .tag = state.tag, .regime = id, .half = static_cast<u8>(half), .ghost = true, .dies = died};
    path.va = half == 0 ? 0 : ~low_mask(64 - regime.half[half].tsz);
    expand(path, table.address, table.level, nullptr);
  }
  drop_ghost(id);
}

void Caches::drop_ghost(u32 id) {
  RegimeState& state = regimes_[id];
  trail_.set(state.ghost, 0);
  trail_.set(ghosts_, ghosts_ - 1);
  unlink_roots(id);
}

void Caches::materialize_ghost(u32 id) {
  const RegimeState& state = regimes_[id];
  for (unsigned half = 0; half < 2; ++half) {
    if (state.regime.half[half].epd) continue;
    const auto table = start_table(state.regime, half);
    Path path{.tag = state.tag,
              .regime = id,
              .half = static_cast<u8>(half),
              .ghost = true,
              .cap = static_cast<Group>(state.ghost_dies)};
    path.va = half == 0 ? 0 : ~low_mask(64 - state.regime.half[half].tsz);
    expand(path, table.address, table.level, nullptr);
  }
  drop_ghost(id);
}

// Through this regime nothing is filled any more: what the cached pointers of its tag yielded by it
// is fixed now.
void Caches::freeze_pointers(u32 regime, Group died) {
  const u32 id = regimes_[regime].tag;
  std::vector<u32> pointers;
  for (u32 i = static_cast<u32>(tags_[id].first_item); i != 0; i = items_[i].next) {
    const Item& item = items_[i];
    const bool walked = !regimes_[regime].regime.half[item.half].epd.value;
    if (item.kind == ItemKind::pointer && walked) pointers.push_back(i);
  }
  for (const u32 i : pointers) {
    const Item item = items_[i];
    Path path{.tag = id,
              .regime = regime,
              .half = item.half,
              .ghost = true,
              .va = item.va,
              .dies = std::min(died, item.dies),
              .item = i + 1};
    path.hierarchical =
        static_cast<u8>(item.hierarchical | pack(accumulate(unpack(0), item.value)));
    expand(path, next_table_address(Granule::g4k, item.value), item.level + 1U, nullptr);
  }
}

void Caches::expand(const Path& path, u64 table, unsigned level, const Command* covered) {
  Frame& frame = memory_.frame(table);
  const auto first = static_cast<unsigned>(bits(table, 11, 3));
  const Regime<u64>& regime = regimes_[path.regime].regime;
  const unsigned start = start_table(regime, path.half).level;
  const u64 entries = level != start ? frame_words
                                     : pow2(static_cast<unsigned>(start_entries_lg2(
                                           Granule::g4k, level, regime.half[path.half].tsz)));
  for (unsigned i = 0; (i = frame.next_used(first + i) - first) < entries; ++i) {
    std::vector<Content> contents;
    memory_.visible(frame, first + i, [&](Content content) {
      if (content.unknown || bit(content.value, 0)) contents.push_back(content);
    });
    for (const Content content : contents) {
      Path below = path;
      below.va = path.va + (u64{i} << level_shift(Granule::g4k, level));
      below.level = static_cast<u8>(level);
      const DescriptorType type = content.unknown
                                      ? DescriptorType::leaf
                                      : descriptor_type(Granule::g4k, level, content.value);
      Item target{.tag = path.tag,
                  .regime = path.regime,
                  .half = path.half,
                  .level = static_cast<u8>(level),
                  .va = below.va,
                  .value = content.value};
      if (content.unknown) target.kind = ItemKind::unknown;
      if (type == DescriptorType::table) target.kind = ItemKind::pointer;
      const bool removed = covered != nullptr && covers_item(*covered, target);
      if (!removed) add_item(below, frame.address() + 8 * (first + i), content, now_);
      if (type == DescriptorType::table && (path.ghost || removed)) {
        below.hierarchical = pack(accumulate(unpack(path.hierarchical), content.value));
        expand(below, next_table_address(Granule::g4k, content.value), level + 1, covered);
      }
    }
  }
}

// ---- two regimes under one tag ------------------------------------------------------------------

bool Caches::regimes_agree(u32 a, u32 b) const {
  if (tolerate_epd_ == 0) return false;  // two numbers, two regimes
  Regime<u64> x = regimes_[a].regime;
  Regime<u64> y = regimes_[b].regime;
  for (unsigned half = 0; half < 2; ++half) {
    if (!(x.half[half].epd | y.half[half].epd)) continue;
    x.half[half] = y.half[half] = {};
  }
  return x == y;
}

void Caches::tolerate_disabled_halves(bool tolerate) {
  if (tolerate == (tolerate_epd_ != 0)) return;
  trail_.set(tolerate_epd_, tolerate ? 1 : 0);
  if (tolerate) return;
  for (u32 t = 0; t < active_tags_.size(); ++t) {
    const auto tag = static_cast<u32>(active_tags_[t]);
    if (tags_[tag].formed > 1) check_tag(tag);
  }
}

// SEMANTICS 2: a CD is shared only by STEs of one stream world.
void Caches::check_world(const Formed& entry) {
  for (u32 i = 0; i < formed_.size(); ++i) {
    const Formed& other = formed_[i];
    if (other.place != entry.place ||
        regimes_[other.regime].regime.world == regimes_[entry.regime].regime.world) {
      continue;
    }
    report(Rule::TAG_REGIMES, "the CD at " + name(entry.place) + " serves streams " +
                                  hex(other.sid) + " and " + hex(entry.sid) +
                                  ", whose stream worlds differ");
    return;
  }
}

void Caches::check_tag(u32 id) {
  TagState& tag = tags_[id];
  bool broken = false;
  std::string text;
  for (u32 i = 0; i < formed_.size() && tag.formed > 1; ++i) {
    const Formed& a = formed_[i];
    if (regimes_[a.regime].tag != id) continue;
    for (u32 j = i + 1; j < formed_.size(); ++j) {
      const Formed& b = formed_[j];
      if (regimes_[b.regime].tag != id || a.regime == b.regime) continue;
      // Versions of one CD, of which one atomic unit only has several: old or new, per item.
      if (a.place == b.place && a.units <= 1 && b.units <= 1) continue;
      if (a.place != b.place && regimes_agree(a.regime, b.regime)) continue;
      if (broken) continue;
      broken = true;
      text = "ASID " + hex(tag.tag.asid) + " (VMID " + hex(tag.tag.vmid) +
             ") stands for two configurations that differ: the CD at " + name(a.place) +
             " (stream " + hex(a.sid) + ", substream " + hex(a.ssid) + ") and the CD at " +
             name(b.place) + " (stream " + hex(b.sid) + ", substream " + hex(b.ssid) + ")";
      if (a.place == b.place) text += "; they are mixtures of old and new words of one CD";
    }
  }
  if (tag.formed != 0) count(Rule::TAG_REGIMES);
  if (broken == (tag.broken != 0)) return;
  trail_.set(tag.broken, broken ? 1 : 0);
  mark_dirty(id, 0, 64);
  if (broken) report(Rule::TAG_REGIMES, text);
}

// ---- registers ----------------------------------------------------------------------------------

void Caches::set_stream_table(const StreamTable& table) {
  if (strtab_set_ != 0 && strtab_ == table) return;
  trail_.save(reinterpret_cast<u64*>(&strtab_), sizeof(strtab_) / 8);
  static_assert(sizeof(StreamTable) % 8 == 0);
  strtab_ = table;
  trail_.set(strtab_set_, 1);
}

void Caches::set_e2h(bool e2h) {
  if ((e2h_ != 0) == e2h) return;
  trail_.set(e2h_, e2h ? 1 : 0);
  reform_all();
}

void Caches::set_gbpa_abort(bool abort) { trail_.set(gbpa_abort_, abort ? 2 : 1); }

void Caches::write_gbpa_abort(bool abort) {
  trail_.set(gbpa_abort_, gbpa_abort_ | (abort ? 2 : 1));
}

void Caches::write_smmuen(bool enable) {
  if ((smmuen_ != 0) == enable) return;
  if (!enable) void_atc_invs();
  trail_.set(smmuen_, enable ? 1 : 0);
  trail_.set(smmuen_open_, 1);
  if (!enable || enabled_ != 0) return;
  trail_.set(enabled_, 1);
  count(Rule::UNKNOWN_AFTER_RESET);
  const u64 streams = pow2(strtab_.sid_bits);
  if (!strtab_.two_level) {
    add_region({.kind = ConfigKind::ste,
                .first = strtab_.base,
                .bytes = streams * ste_bytes,
                .made_by = ~u32{0}});
  } else {
    const u64 l1stds = std::max<u64>(1, streams >> strtab_.split);
    add_region({.kind = ConfigKind::l1std,
                .first = strtab_.base,
                .bytes = l1stds * 8,
                .made_by = ~u32{0}});
    for (u64 n = 0; n < l1stds; ++n) {
      const u64 place = strtab_.base + 8 * n;
      const Content now = memory_.newest(place);
      if (now.unknown || now.value != 0 || memory_.is_pending(place)) {
        refresh_l2_arrays(static_cast<u32>(n << strtab_.split));
      }
    }
  }
  // Streams whose STE is anything but invalid or abort, wherever one may stand.
  std::vector<u32> streams_to_form;
  for (u32 i = 0; i < config_items_.size(); ++i) streams_to_form.push_back(config_items_[i].sid);
  for (u32 i = 0; i < regions_.size(); ++i) {
    const Region region = regions_[i];
    if (region.kind != ConfigKind::ste) continue;
    for (u64 n = 0; n < region.bytes / ste_bytes; ++n) {
      const u64 place = region.first + n * ste_bytes;
      const Frame& frame = memory_.frame(place);
      if (frame.nonzero == 0 && !memory_.any_pending()) {
        n += (frame.address() + (u64{1} << frame_lg2) - place) / ste_bytes - 1;
        continue;
      }
      const Content word = memory_.newest(place);
      const Ste<u64> ste{{word.value}};
      if (word.unknown || (ste.v() & ste.config_translates()).value || memory_.is_pending(place)) {
        streams_to_form.push_back(region.sid + static_cast<u32>(n));
        if (word.unknown) break;  // one report is enough
      }
    }
  }
  for (const u32 sid : streams_to_form) reform({sid});
  reform_all();
  check_unknown_after_reset();
}

void Caches::check_unknown_after_reset() {
  if (unknown_.config != 0) {
    trail_.save(reinterpret_cast<u64*>(&unknown_), sizeof(unknown_) / 8);
    unknown_.tlb_el1 = unknown_.tlb_el2 = 1;  // whatever was invalidated, it fills again
    unknown_.tlb_el1_dies = unknown_.tlb_el2_dies = immortal;
    report(Rule::UNKNOWN_AFTER_RESET,
           "SMMUEN is set while cached configuration from before reset may live: no completed "
           "CFGI_ALL");
    return;
  }
}

void Caches::acknowledge_smmuen() {
  trail_.set(smmuen_acked_, smmuen_);
  trail_.set(smmuen_open_, 0);
  if (smmuen_ != 0 || enabled_ == 0) return;
  // Nothing is fetched any more; what was cached stays. Words of configuration become items, so
  // that they are known whatever happens to their memory.
  std::vector<Vanished> words;
  for (u32 i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    const bool descriptors = region.kind == ConfigKind::l1std || region.kind == ConfigKind::l1cd;
    const u64 size = descriptors ? 8 : ste_bytes;
    constexpr u64 small = 4096 * ste_bytes;  // of larger tables what is all zeros is left out
    for (u64 place = region.first; place < region.first + region.bytes; place += size) {
      Frame& frame = memory_.frame(place);
      if (region.bytes > small && frame.nonzero == 0 && !memory_.any_pending()) {
        place = frame.address() + (u64{1} << frame_lg2) - size;
        continue;
      }
      bool empty = true;
      for (u64 pa = place; pa < place + size; pa += 8) {
        memory_.visible(pa, [&](Content c) { empty &= !c.unknown && c.value == 0; });
      }
      for (u64 pa = place; pa < place + (empty ? 8 : size); pa += 8) {
        const auto index = static_cast<unsigned>(bits(pa, 11, 3));
        memory_.visible(frame, index,
                        [&](Content content) { words.push_back({&frame, index, content, now_}); });
      }
    }
  }
  for (const Vanished& word : words) config_vanished(word, words);
  const std::vector<u32> unknown_atcs = atcs_of_unknown();
  trail_.set(enabled_, 0);
  leave_unknown_in_atcs(immortal, unknown_atcs);
  for (u32 i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    for (u64 pa = align_down(region.first, frame_lg2); pa < region.first + region.bytes;
         pa += u64{1} << frame_lg2) {
      Frame& frame = memory_.frame(pa);
      trail_.set(frame.config, frame.config - 1);
    }
  }
  regions_.clear(trail_);
  reform_all();
  dirty_streams_.push_back({~u32{0}});
}

// ---- reset --------------------------------------------------------------------------------------

void Caches::reset() {
  trail_.save(reinterpret_cast<u64*>(&unknown_), sizeof(unknown_) / 8);
  unknown_.config = unknown_.tlb_el1 = unknown_.tlb_el2 = 1;
}

bool Caches::unknown_config_alive(u32 sid) const {
  if (unknown_.config == 0) return false;
  for (u32 i = 0; i < unknown_streams_.size(); ++i) {
    const UnknownStreams& known = unknown_streams_[i];
    if (known.dies < completed_ && sid >= known.first && sid <= known.last) return false;
  }
  return true;
}

bool Caches::unknown_tlb_alive(const Tag<u64>& tag) const {
  if (tag.world != StreamWorld::el1) return unknown_.tlb_el2 != 0;
  if (unknown_.tlb_el1 == 0) return false;
  for (u32 i = 0; i < unknown_except_.size(); ++i) {
    const UnknownExcept& except = unknown_except_[i];
    if (except.dies < completed_ && except.vmid == tag.vmid) return false;
  }
  return true;  // NH_ASID leaves the global one
}

void Caches::report(Rule rule, std::string text) {
  constexpr std::size_t enough = 64;
  if (violations_.size() < enough) violations_.push_back({rule, now_, std::move(text)});
}

void Caches::clear_findings() {
  violations_.clear();
  dirty_.clear();
  dirty_streams_.clear();
  gave_up_ = false;
  bound_hit_ = false;
  unsupported_.clear();
}

Caches::Caches(const Capabilities& caps, const Profile& profile) : caps_(caps), profile_(profile) {
  memory_.set_coherent(caps.cohacc);
}

}  // namespace iommucheck::spec
