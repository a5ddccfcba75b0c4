// SPDX-License-Identifier: MIT
// What one fetch of an STE or a CD may have read: any mixture of words that are visible or cached.
// SEMANTICS 2: "Mixtures".
#include "spec/smmu/fetches.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/decisions.h"
#include "spec/smmu/ste_legal.h"
#include "spec/smmu/table_legal.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

namespace {

constexpr unsigned mixture_bound = 4096;

}  // namespace

void Fetches::words_at(ConfigKind kind, u32 sid, u32 ssid, u64 place, unsigned word,
                       Words& words) const {
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
  config_.for_each_of(kind, sid, [&](u32 i) {
    const ConfigItem& item = config_[i];
    if (item.place != place || item.word != word || !item.serves(sid, ssid)) return;
    add(item.value, item.unknown != 0, item.dies);
  });
}

namespace {

/// What of a structure anything looks at, as far as that follows from itself: of an STE all of it;
/// which halves of a CD count depends on the stream world too, so a valid one is kept whole.
Ste<u64> relevant(const Ste<u64>& ste) { return used_part(ste); }
Cd<u64> relevant(const Cd<u64>& cd) { return cd.v() ? cd : Cd<u64>{}; }

/// Word 0 says all: nothing looks at the others.
bool ends_at_word0(const Ste<u64>& ste) { return !ste.v().value || !ste.config_translates().value; }
bool ends_at_word0(const Cd<u64>& cd) { return !cd.v().value; }

constexpr auto ste_of = [](auto& option) -> auto& { return option.ste; };
constexpr auto cd_of = [](auto& option) -> auto& { return option.cd; };

}  // namespace

/// What one fetch of unit `unit` may have seen: a word, or two.
void Fetches::units_at(u64 place, unsigned unit, bool cached_only, const CachedWords& cached,
                       UnitValues& values) const {
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
  for (const u32 i : cached) {
    const ConfigItem& item = config_[i];
    if (item.word != word) continue;
    values.add({{item.value, item.partner},
                {(item.unknown & 1) != 0, (item.unknown & 2) != 0},
                item.dies});
  }
}

/// One more way to read a structure, unless it is known: `unknown` has a bit for each unknown word.
template <class Option, class Of>
void Fetches::add_option(Option option, u64 unknown, const Of& of, OptionList<Option>& options) {
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

void Fetches::cached_words(ConfigKind kind, u32 sid, u32 ssid, u64 place,
                           CachedWords& found) const {
  if (kind == ConfigKind::cd) {
    return for_cd_items(sid, ssid, [&](u32 i) {
      if (config_[i].place == place) found.push_back(i);
    });
  }
  config_.for_each_of(kind, sid, [&](u32 i) {
    if (config_[i].place == place && config_[i].serves(sid, ssid)) found.push_back(i);
  });
}

void Fetches::gather_cds(u32 sid) {
  cd_items_.valid = true;
  cd_items_.sid = sid;
  cd_items_.items.clear();
  config_.for_each_of(ConfigKind::cd, sid,
                      [&](u32 i) { cd_items_.items.emplace_back(config_[i].ssid, i); });
  std::ranges::sort(cd_items_.items);
}

template <class Visit>
void Fetches::for_cd_items(u32 sid, u32 ssid, Visit&& visit) const {
  if (cd_items_.valid && cd_items_.sid == sid) {
    for (auto it = std::ranges::lower_bound(cd_items_.items, std::pair<u32, u32>(ssid, 0));
         it != cd_items_.items.end() && it->first == ssid; ++it) {
      visit(it->second);
    }
    return;
  }
  config_.for_each_of(ConfigKind::cd, sid, [&](u32 i) {
    if (config_[i].ssid == ssid) visit(i);
  });
}

const Fetches::CdOptions& Fetches::Options::cds_of(u32 number) const {
  static const CdOptions none{};
  for (const Cds& known : cds) {
    if (known.number == number) return known.options;
  }
  return none;
}

/// Adds the CDs of substream `number`, once.
void Fetches::look_at_cds(u32 sid, u32 number, Options& options) {
  const auto known = std::ranges::find(options.cds, number, &Options::Cds::number);
  if (known != options.cds.end()) return;
  options.cds.push_back({.number = number, .options = {}});
  if (cd_options(sid, number, options.stes, options.cds.back().options)) return;
  options.cds.back().options.clear();
  findings_.give_up_unasked();
}

/// False, and it says why.
bool Fetches::too_many(ConfigKind kind, u32 sid, u32 ssid, u64 place,
                       std::string_view of_what) const {
  const bool cd = kind == ConfigKind::cd;
  findings_.leave_unasked(
      std::string(cd ? "the CD" : "the STE") + " at " + findings_.name(place) + " (stream " +
      hex(sid) + (cd ? ", substream " + hex(ssid) : "") + ") has more " + std::string(of_what) +
      " that a fetch may have seen than are looked at (" +
      std::to_string(of_what.starts_with("v") ? UnitValues::bound : mixture_bound) +
      "), at event " + std::to_string(findings_.now()));
  return false;
}

/// What fetches of each unit of one structure may have seen. False: a bound was hit.
/// `cached_only`: memory of this place cannot be reached any more, only cached words count.
bool Fetches::read_units(ConfigKind kind, u32 sid, u32 ssid, u64 place, bool cached_only,
                         const CachedWords& cached, Units& units) const {
  units.count = ste_words / unit_words();
  for (unsigned u = 0; u < units.count; ++u) {
    UnitValues& its = units.values[u];
    units_at(place, u, cached_only, cached, its);
    if (its.overflow) return too_many(kind, sid, ssid, place, "versions of one of its words");
    if (its.count == 0 && u == 0) return true;
    // Of an invalid structure the first words are enough to have it cached.
    if (its.count == 0) {
      units.missing = true;
      its.add({{0, 0}, {false, false}, immortal});
    }
    if (its.count > 1) ++units.with_versions;
    units.words_with_versions += its.words_with_versions();
    if (u != 0) units.rest *= its.count;
    if (units.rest * units.values[0].count > mixture_bound) {
      return too_many(kind, sid, ssid, place, "mixtures of versions of its words");
    }
    for (unsigned i = 0; i < its.count; ++i) {
      units.last[u] = std::max(units.last[u], its.values[i].dies);
    }
  }
  return true;
}

/// Nothing of it is cached, and memory has one version of each word: there is one way to read it.
template <class Option, class Of>
bool Fetches::add_settled(Option& option, const Of& of, OptionList<Option>& options) const {
  const Frame* frame = memory_.find(option.place);
  const auto index = static_cast<unsigned>(bits(option.place, 11, 3));
  if (frame == nullptr || !memory_.is_settled(*frame, index, ste_words)) return false;
  for (unsigned w = 0; w < ste_words; ++w) of(option).dw[w] = frame->newest(index + w).value;
  add_option(option, frame->unknown_of(index, ste_words), of, options);
  return true;
}

/// With version `first` of the first unit, each version of all others.
template <class Option, class Of>
void Fetches::add_mixtures(const Option& option, const Units& units, unsigned first, const Of& of,
                           OptionList<Option>& options) const {
  const unsigned width = unit_words();
  for (u64 n = 0; n < units.rest; ++n) {
    Option mixture = option;
    u64 left = n;
    u64 unknown = 0;
    for (unsigned u = 0; u < units.count; ++u) {
      const unsigned versions = units.values[u].count;
      const unsigned version = u == 0 ? first : static_cast<unsigned>(left % versions);
      if (u != 0) left /= versions;
      const UnitValue& value = units.values[u].values[version];
      mixture.dies = std::min(mixture.dies, value.dies);
      for (unsigned i = 0; i < width; ++i) {
        of(mixture).dw[u * width + i] = value.word[i];
        if (value.unknown[i]) unknown |= u64{1} << (u * width + i);
      }
    }
    add_option(mixture, unknown, of, options);
  }
}

/// Every mixture of words that fetches of one structure may have seen, equal ones once.
template <class Option, class Of>
bool Fetches::mixtures(ConfigKind kind, u32 sid, u32 ssid, u64 place, Group dies, bool cached_only,
                       const Of& of, OptionList<Option>& options) const {
  Option option;
  option.place = place;
  option.dies = dies;
  CachedWords cached;
  cached_words(kind, sid, ssid, place, cached);
  if (cached.empty() && (cached_only || add_settled(option, of, options))) return true;
  Units units;
  if (!read_units(kind, sid, ssid, place, cached_only, cached, units)) return false;
  option.units = units.with_versions;
  option.words = units.words_with_versions;
  for (unsigned first = 0; first < units.values[0].count; ++first) {
    const UnitValue& head = units.values[0].values[first];
    of(option).dw[0] = head.word[0];
    if (units.missing && of(option).v()) continue;
    if (!head.unknown[0] && !ends_at_word0(of(option))) {
      add_mixtures(option, units, first, of, options);
      continue;
    }
    // One way to read it, whatever the others say.
    Option alone = option;
    alone.dies = std::min(dies, head.dies);
    for (unsigned u = 1; u < units.count; ++u) alone.dies = std::min(alone.dies, units.last[u]);
    add_option(alone, head.unknown[0] ? 1 : 0, of, options);
  }
  return true;
}

bool Fetches::ste_options(u32 sid, SteOptions& options) const {
  if (!is_followed()) return look_at_stes(sid, options);
  Known<SteOptions>& known = known_stes_[sid % known_stes_.size()];
  const ConfigurationVersion version = version_of_stes(sid);
  if (!known.is({.sid = sid}, version)) {
    known = {.of = {.sid = sid}, .version = version, .options = {}};
    known.complete = look_at_stes(sid, known.options);
  }
  options = known.options;
  return known.complete;
}

bool Fetches::look_at_stes(u32 sid, SteOptions& options) const {
  if (!read_stes(sid, options)) return false;
  if (!spans_.none() && !add_span(sid, options)) return false;
  for (SteOption& option : options) {
    if (option.is_read()) option.decision = decode_ste(option.ste, caps_);
  }
  return true;
}

void Fetches::ste_places(u32 sid, StePlaces& places, SteOptions& options) const {
  if (!sid_in_range(controls_.stream_table(), u64{sid})) {
    SteOption option;
    option.bad_streamid = true;
    options.push_back(option);
    return;
  }
  if (!controls_.stream_table().two_level) {
    places.push_back({.place = linear_ste_address(controls_.stream_table(), u64{sid})});
  } else {
    Words words;
    words_at(ConfigKind::l1std, sid, 0, l1std_address(controls_.stream_table(), u64{sid}), 0,
             words);
    for (const Word& word : words) {
      SteOption option;
      option.dies = word.dies;
      const L1Std<u64> l1std{word.value};
      if (word.unknown) {
        option.unknown = true;
        options.push_back(option);
      } else if (l1std_illegal(controls_.stream_table(), l1std, u64{sid})) {
        option.bad_streamid = true;
        options.push_back(option);
      } else {
        places.push_back(
            {.place = second_level_ste_address(controls_.stream_table(), l1std, u64{sid}),
             .dies = word.dies});
      }
    }
  }
  // STEs cached from where no fetch leads any more.
  config_.for_each_of(ConfigKind::ste, sid, [&](u32 i) {
    const u64 place = config_[i].place;
    if (std::ranges::find(places, place, &StePlace::place) != places.end()) return;
    places.push_back({.place = place, .cached_only = true});
  });
}

bool Fetches::read_stes(u32 sid, SteOptions& options) const {
  StePlaces places;
  ste_places(sid, places, options);
  return std::ranges::all_of(places, [&](const StePlace& at) {
    return mixtures(ConfigKind::ste, sid, 0, at.place, at.dies, at.cached_only, ste_of, options);
  });
}

// ---- STE.CONT -----------------------------------------------------------------------------------

namespace {

Ste<u64> without_span(Ste<u64> ste) {
  ste.dw[1] = with_bits(ste.dw[1], 16, 13, 0);
  return ste;
}

}  // namespace

unsigned Fetches::stated_span(u32 sid) const {
  constexpr unsigned none = 0;
  const auto cont_of = [](u64 word1) { return static_cast<unsigned>(Ste<u64>{{0, word1}}.cont()); };
  const auto is_valid = [](u64 word0) { return Ste<u64>{{word0}}.v().value; };
  const bool pairs = profile_.config_atom == 16;
  StePlaces places;
  SteOptions others;
  ste_places(sid, places, others);
  unsigned stated = none;
  for (const StePlace& at : places) {
    bool valid = false;
    unsigned cont = none;
    const auto add = [&](unsigned word, u64 value) {
      if (word == 0) valid |= is_valid(value);
      if (word == 1) cont = std::max(cont, cont_of(value));
    };
    for (unsigned word = 0; word < 2 && !at.cached_only; ++word) {
      memory_.visible(at.place + 8 * word, [&](Content content) {
        if (!content.unknown) add(word, content.value);
      });
    }
    config_.for_each_of(ConfigKind::ste, sid, [&](u32 i) {
      const ConfigItem& item = config_[i];
      if (item.place != at.place) return;
      if (!pairs && item.unknown == 0) add(item.word, item.value);
      if (!pairs || item.unknown != 0 || item.word != 0 || !is_valid(item.value)) return;
      stated = std::max(stated, cont_of(item.partner));
    });
    if (valid) stated = std::max(stated, cont);
  }
  return stated;
}

SidRange Fetches::within_table(SidRange span) const {
  const unsigned bits = std::min(controls_.stream_table().sid_bits, 31U);
  span.last = std::min(span.last, (u32{1} << bits) - 1);
  return span;
}

bool Fetches::may_state_span(u64 place) const {
  bool states = false;
  memory_.visible(place + 8, [&](Content content) {
    states |= !content.unknown && !is_zero(Ste<u64>{{0, content.value}}.cont()).value;
  });
  return states;
}

namespace {

/// Unless it has one that is the same but for CONT.
void add_to_span(const Fetches::SteOption& ste, Fetches::SteOptions& options) {
  const auto known = std::ranges::find_if(options, [&](const Fetches::SteOption& one) {
    return one.is_read() == ste.is_read() && one.unknown == ste.unknown && !one.bad_streamid &&
           without_span(one.ste) == without_span(ste.ste);
  });
  if (known == options.end()) {
    options.push_back(ste);
  } else {
    known->dies = std::max(known->dies, ste.dies);
  }
}

}  // namespace

/// An L1STD leads to some STEs of the span and not to all; one that leads to none of them is no
/// STE's that could state it.
bool Fetches::is_beyond_array(SidRange span) const {
  const StreamTable& table = controls_.stream_table();
  if (!table.two_level || !sid_in_range(table, u64{span.last}).value) return false;
  Words words;
  words_at(ConfigKind::l1std, span.first, 0, l1std_address(table, u64{span.first}), 0, words);
  return std::ranges::any_of(words, [&](const Word& word) {
    const L1Std<u64> l1std{word.value};
    return !word.unknown && !l1std_illegal(table, l1std, u64{span.first}).has_value() &&
           l1std_illegal(table, l1std, u64{span.last}).has_value();
  });
}

bool Fetches::read_span(SidRange span, SpanStes& found) const {
  found.span = span;
  found.beyond = is_beyond_array(span);
  found.stes.clear();
  for (u32 sid = span.first; sid <= span.last; ++sid) {
    SteOptions its;
    if (!read_stes(sid, its)) return false;
    for (const SteOption& ste : its) {
      if (!ste.bad_streamid) add_to_span(ste, found.stes);
    }
  }
  found.differs = span_differs(span);
  found.stale = found.differs && !span_differs(span, false);
  return true;
}

void Fetches::gather_span(SidRange span) {
  span = within_table(span);
  const bool looked_at = span.first != span.last && span.last - span.first < span_bound;
  span_stes_.valid = looked_at && read_span(span, span_stes_);
}

/// An STE states that its neighbours are as it is: any of them serves, and where they differ their
/// cached copies may be in conflict. IHI 0070 5.2. Where the stream table has them alike and only a
/// cached one differs, it is a conflict of the cache alone, which need not be noticed. 3.20.2.
bool Fetches::add_span(u32 sid, SteOptions& options) const {
  if (!sid_in_range(controls_.stream_table(), u64{sid})) return true;
  const SidRange span = within_table(spans_.around(sid));
  if (span.first == span.last) return true;
  if (span.last - span.first >= span_bound) {
    findings_.leave_unasked(
        "the span of stream " + hex(sid) + " (STE.CONT) has more STEs than are " + "looked at (" +
        std::to_string(span_bound) + "), at event " + std::to_string(findings_.now()));
    return false;
  }
  const bool gathered = span_stes_.valid && span_stes_.span == span;
  SpanStes now;
  if (!gathered && !read_span(span, now)) return false;
  const SpanStes& its = gathered ? span_stes_ : now;
  for (const SteOption& ste : its.stes) add_to_span(ste, options);
  SteOption other;
  // More than an array of two levels has, or the cache's conflict: no matter which STE.
  other.any = its.beyond || its.stale;
  if (other.any) options.push_back(other);
  other.any = false;
  other.conflict = its.differs;
  if (its.differs) options.push_back(other);
  return true;
}

bool Fetches::span_differs(SidRange span, bool cached_too) const {
  span = within_table(span);
  std::array<std::optional<Content>, ste_words> first;
  bool differs = false;
  const auto compare = [&](unsigned word, u64 value, bool unknown) {
    if (word >= ste_words) return;
    Ste<u64> ste;
    ste.dw[word] = value;
    const Content content{unknown ? 0 : without_span(ste).dw[word], unknown};
    if (!first[word]) first[word] = content;
    differs |= !(*first[word] == content);
  };
  for (u32 sid = span.first; sid <= span.last; ++sid) {
    StePlaces places;
    SteOptions none;
    ste_places(sid, places, none);
    for (const StePlace& at : places) {
      for (unsigned word = 0; word < ste_words && !at.cached_only; ++word) {
        memory_.visible(at.place + 8 * word,
                        [&](Content content) { compare(word, content.value, content.unknown); });
      }
    }
  }
  for (u32 i = 0; cached_too && i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    const bool counts = item.kind == ConfigKind::ste && item.place != ConfigItem::no_place;
    if (!counts || item.sid < span.first || item.sid > span.last) continue;
    compare(item.word, item.value, (item.unknown & 1) != 0);
    if (profile_.config_atom == 16) compare(item.word + 1U, item.partner, (item.unknown & 2) != 0);
  }
  return differs;
}

bool Fetches::cd_options(u32 sid, u32 ssid, const SteOptions& all, CdOptions& options) const {
  if (!is_followed()) return look_at_cds_of(sid, ssid, all, options);
  const Substream of{.sid = sid, .ssid = ssid};
  Known<CdOptions>& known = known_cds_[(u64{sid} * 7 + ssid) % known_cds_.size()];
  const ConfigurationVersion version = version_of(sid);
  if (!known.is(of, version)) {
    known = {.of = of, .version = version, .options = {}};
    known.complete = look_at_cds_of(sid, ssid, all, known.options);
  }
  options = known.options;
  return known.complete;
}

// A cached CD is found by SID and SSID alone, so the CD table of every possible STE counts.
bool Fetches::look_at_cds_of(u32 sid, u32 ssid, const SteOptions& all, CdOptions& options) const {
  Places places;
  for (const SteOption& ste : all) {
    // Under stage 2 it is a user's.
    if (!ste.is_read() || ste.decision.kind != SteKind::stage1) continue;
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
    Words words;
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
  Places old_places;
  for_cd_items(sid, ssid, [&](u32 i) {
    const u64 place = config_[i].place;
    if (std::ranges::find(places, place) != places.end()) return;
    if (std::ranges::find(old_places, place) == old_places.end()) old_places.push_back(place);
  });
  for (const u64 place : old_places) {
    if (!mixtures(ConfigKind::cd, sid, ssid, place, immortal, true, cd_of, options)) {
      return false;
    }
  }
  return true;
}

bool Fetches::may_merge_events(u32 sid) const {
  SteOptions stes;
  if (from_reset_.has_config(sid) || !ste_options(sid, stes)) return true;
  return std::ranges::any_of(stes, [](const SteOption& ste) {
    return ste.unknown || ste.conflict || ste.any || ste.ste.mev().value;
  });
}

// ---- what a stream may translate by -------------------------------------------------------------

namespace {

/// But for how long there are such, and what ATS requests come by them.
bool is_the_same_way(const StreamOption& a, const StreamOption& b) {
  return a.kind == b.kind && a.event == b.event && a.any == b.any &&
         a.not_modelled == b.not_modelled && a.looks_up_like(b) &&
         a.skips_stage1 == b.skips_stage1 && a.input == b.input && a.split == b.split;
}

void add_way(const StreamOption& way, std::vector<StreamOption>& ways) {
  for (StreamOption& known : ways) {
    if (!is_the_same_way(known, way)) continue;
    known.dies = std::max(known.dies, way.dies);
    known.ats |= way.ats;
    known.no_ats |= way.no_ats;
    return;
  }
  ways.push_back(way);
}

/// There is no STE, or no telling which, or what it says.
StreamOption by_no_ste(const Fetches::SteOption& ste) {
  StreamOption way{.dies = ste.dies};
  if (ste.unknown) {
    way.any = true;
    way.rule = rule::WILD_STRUCTURE;
  } else if (ste.bad_streamid) {
    way.event = EventType::c_bad_streamid;
    way.rule = rule::STREAM_ID_RANGE;
  } else {
    way.event = ste.conflict ? EventType::f_cfg_conflict : EventType::none;
    way.any = ste.any;
    way.rule = rule::STE_SPAN;
  }
  return way;
}

StreamOption by_ste(const Fetches::SteOption& ste, const StreamDecision& stream,
                    const Capabilities& caps) {
  StreamOption way{.dies = ste.dies};
  way.kind = stream.kind;
  way.event = stream.event;
  way.rule = stream.rule;
  way.not_modelled = stream.not_modelled;
  way.any = way.not_modelled != NotModelled::no;
  way.skips_stage1 = stream.skips_stage1;
  way.overrides = stream.overrides;
  way.input = stream.input;
  // Split-stage ATS is on where CR0.ATSCHK is 1.
  way.split = stream.stage2 && answers_ipas(ste.ste, caps, true);
  way.ats = way.split || full_ats(ste.ste, caps).value;
  way.no_ats = way.split || !way.ats;
  return way;
}

/// An SMMU may tell by the STE already that S1ContextPtr is beyond the output size.
StreamOption by_contextptr(StreamOption way) {
  way.kind = SteKind::bad;
  way.event = EventType::c_bad_ste;
  way.rule = rule::STE_S1CONTEXTPTR;
  return way;
}

}  // namespace

/// Each STE that may be read, and each CD that it leads to: IHI 0070 7.3.22 has the order.
bool Fetches::stream_options(u32 sid, u32 ssid, bool ssv,
                             std::vector<StreamOption>& options) const {
  if (from_reset_.has_config(sid)) {
    add_way({.rule = rule::UNKNOWN_AFTER_RESET, .any = true}, options);
    return true;
  }
  SteOptions stes;
  if (!ste_options(sid, stes)) return false;
  for (const SteOption& ste : stes) {
    if (!ste.is_read()) {
      add_way(by_no_ste(ste), options);
      continue;
    }
    const StreamDecision stream = decide_stream(ste.ste, caps_, ssv, u64{ssid});
    StreamOption option = by_ste(ste, stream, caps_);
    if (contextptr_beyond(ste.ste, stream, caps_)) add_way(by_contextptr(option), options);
    if (stream.stage2 && !option.any && option.event == EventType::none) {
      add_stage2(sid, ste, option);
      add_way(option, options);
      continue;
    }
    if (!stream.cd || option.any) {
      add_way(option, options);
      continue;
    }
    CdOptions cds;
    if (!cd_options(sid, static_cast<u32>(*stream.cd), stes, cds)) return false;
    for (const CdOption& cd : cds) {
      StreamOption with_cd = option;
      add_cd(ste, cd, with_cd);
      add_way(with_cd, options);
    }
  }
  return true;
}

/// Of an STE whose stage 1 translates, what this CD makes of it.
void Fetches::add_cd(const SteOption& ste, const CdOption& cd, StreamOption& option) const {
  option.dies = std::min(ste.dies, cd.dies);
  if (cd.unknown) {
    option.any = true;
    option.rule = rule::WILD_STRUCTURE;
    return;
  }
  if (cd.bad_substreamid) {
    option.event = EventType::c_bad_substreamid;
    option.rule = rule::L1CD_VALID;
    return;
  }
  const Forming& forms = forming(ste.ste, cd.cd);
  if (forms.bad) {
    option.event = EventType::c_bad_cd;
    option.rule = *forms.bad;
  } else if (forms.not_modelled != NotModelled::no) {
    option.any = true;
    option.not_modelled = forms.not_modelled;
  } else {
    option.regime = forms.regime + 1;
    option.tag = regimes_[forms.regime].tag;
    option.reaction = reaction_of(cd.cd, caps_);
  }
}

/// Of a legal STE with stage 2 that does not end the access. Its stage 1 is a user's: neither CDs
/// nor tables of it are looked at, and what S1DSS lets skip it is not told apart.
void Fetches::add_stage2(u32 sid, const SteOption& ste, StreamOption& option) const {
  const Forming2 forms = forming2(ste.ste);
  option.contained = ste.decision.kind == SteKind::nested;
  option.kind = ste.decision.kind;
  option.not_modelled = forms.not_modelled;
  if (option.contained) {
    option.skips_stage1 = false;
    option.input = {};  // attributes are those that stage 1 says
    // Only an ATC_INV of all that the device may hold would prove anything.
    const bool apart = !profile_.untagged_covers_pasids;
    if (apart && option.ats && atcs_.is_on(sid)) option.not_modelled = NotModelled::nested_ats;
  }
  option.any = option.not_modelled != NotModelled::no;
  if (option.any) return;
  option.regime = forms.regime + 1;
  option.tag = regimes_[forms.regime].tag;
  option.reaction = stage2_reaction(ste.ste);
}

const StreamOptions& Fetches::options_of(u32 sid, u32 ssid, bool ssv) const {
  const Substream of{.sid = sid, .ssid = ssid, .ssv = ssv};
  const ConfigurationVersion version = version_of(sid);
  Known<StreamOptions>& known = known_options_[(u64{sid} * 7 + ssid) % known_options_.size()];
  const bool followed = is_followed();
  if (followed && known.is(of, version)) return known.options;
  known.of = of;
  known.complete = followed;
  known.version = version;
  known.options.options.clear();
  known.options.complete = stream_options(sid, ssid, ssv, known.options.options);
  return known.options;
}

const StreamOptions& Fetches::ways_of(u32 sid, u32 ssid, bool ssv) const {
  const StreamOptions& configured = options_of(sid, ssid, ssv);
  if (controls_.is_on()) return configured;
  // GBPA decides, as it was or as it is written.
  scratch_ways_ = {.complete = true, .options = {}};
  const auto add = [&](SteKind kind) {
    scratch_ways_.options.push_back(
        {.kind = kind, .rule = rule::DISABLED_PASSES, .disabled = true, .no_ats = true});
  };
  if (controls_.may_bypass()) add(SteKind::bypass);
  if (controls_.may_abort()) add(SteKind::abort);
  if (!controls_.is_open()) return scratch_ways_;
  scratch_ways_.complete = configured.complete;
  std::ranges::copy(configured.options, std::back_inserter(scratch_ways_.options));
  return scratch_ways_;
}

Fetches::Forming2 Fetches::forming2(const Ste<u64>& ste) const {
  if (stage2_unsupported(ste, caps_)) return {.not_modelled = NotModelled::stage2};
  return {.regime = intern(stage2_regime_of(ste, caps_), regimes_, items_)};
}

/// The same few come again and again. Numbers of regimes are never taken back, so this is no part
/// of the state.
const Fetches::Forming& Fetches::forming(const Ste<u64>& ste, const Cd<u64>& cd) const {
  const bool e2h = controls_.e2h();
  u64 key = (ste.dw[0] ^ cd.dw[0]) * 0x9e3779b97f4a7c15ULL;
  key = (key ^ cd.dw[1]) * 0xbf58476d1ce4e5b9ULL;
  Forming& forms = formings_[key >> 58];
  if (forms.known && forms.e2h == e2h && forms.cd == cd && forms.ste == ste) return forms;
  forms = {.ste = ste, .cd = cd, .known = true, .e2h = e2h};
  const ContextDecision context = decide_context(ste, cd, caps_, e2h);
  forms.bad = context.illegal;
  forms.not_modelled = context.not_modelled;
  if (!forms.bad && forms.not_modelled == NotModelled::no) {
    forms.regime = intern(context.regime, regimes_, items_);
  }
  return forms;
}

}  // namespace iommucheck::spec
