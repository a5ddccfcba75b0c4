// SPDX-License-Identifier: MIT
// What follows where configuration changes: which streams form which regimes, and what of the words
// that are gone stays cached. SEMANTICS 2: "What a tag collects is regimes".
#include <algorithm>

#include "base/text.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/config_index.h"

namespace iommucheck::spec {

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
  for (u32 i = 0; i < config_.size() && !may; ++i) {
    const ConfigItem& item = config_[i];
    if (item.place != place || item.word != 0 || item.kind != kind) continue;
    may = item.unknown != 0 || valid(item.value);
  }
  return may;
}

/// What of which streams depends on the word; arrays that an L1STD leads to are looked up anew.
void Caches::add_streams_around(u64 pa, std::vector<StreamPart>& streams) {
  if (!controls_.enabled()) return;
  std::vector<u32> arrays;
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region& region = config_.region(i);
    if (!region.holds(pa)) continue;
    const u64 offset = pa - region.first;
    const auto number = static_cast<u32>(offset / ste_bytes);
    if (!leads_on(region.kind) && offset % ste_bytes != 0 &&
        !may_be_valid(region.kind, pa - offset % ste_bytes))
      continue;  // nothing looks at the words of an invalid one
    switch (region.kind) {
      case ConfigKind::l1std:
        arrays.push_back(static_cast<u32>(offset / 8) << controls_.stream_table().split);
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
    for (u32 n = 0; n < u32{1} << controls_.stream_table().split; ++n) {
      bool interesting = streams_.has(first + n);
      SteOptions stes;
      if (!interesting && fetches_.ste_options(first + n, stes)) {
        for (const SteOption& ste : stes) {
          interesting |= ste.unknown || (ste.ste.v() & ste.ste.config_translates()).value;
        }
      }
      if (interesting) add_part({first + n}, streams);
    }
  }
}

/// A regime of stage 2 is formed by the STE.
void Caches::form_stage2(u32 sid, const SteOption& ste, FormedList& formed) {
  const Fetches::Forming2 forms = fetches_.forming2(ste.ste);
  if (forms.not_modelled != NotModelled::no) {
    findings_.leave_unsupported(text_of(forms.not_modelled));
    return;
  }
  formed.push_back({.sid = sid,
                    .regime = forms.regime,
                    .place = ste.place,
                    .dies = ste.dies,
                    .units = static_cast<u16>(ste.units),
                    .nested = ste.decision.kind == SteKind::nested});
}

/// A regime can be formed by (sid, number) through `ste` and each possible CD.
void Caches::form_cd(u32 sid, u32 number, const SteOption& ste, Options& options,
                     FormedList& formed) {
  fetches_.look_at_cds(sid, number, options);
  for (const CdOption& cd : options.cds_of(number)) {
    if (cd.unknown) {
      findings_.report(Rule::WILD_STRUCTURE,
                       "the CD of stream " + hex(sid) + ", substream " + hex(number) +
                           " is memory of unknown content: " + findings_.name(cd.place));
      continue;
    }
    if (cd.bad_substreamid) continue;
    const Fetches::Forming& forms = fetches_.forming(ste.ste, cd.cd);
    if (cd.units > 1) findings_.count(Rule::TORN_CD);
    if (forms.bad) {
      if (cd.cd.v() && cd.units > 1) {
        findings_.report(Rule::TORN_CD, "a mixture of old and new words of the CD at " +
                                            findings_.name(cd.place) + " is illegal (" +
                                            std::string(rule_name(*forms.bad)) + ")");
      }
      continue;
    }
    if (forms.not_modelled != NotModelled::no) {
      findings_.leave_unsupported(text_of(forms.not_modelled));
      continue;
    }
    formed.push_back({.sid = sid,
                      .ssid = number,
                      .regime = forms.regime,
                      .place = cd.place,
                      .dies = std::min(ste.dies, cd.dies),
                      .units = static_cast<u16>(cd.units)});
  }
}

/// SubstreamIDs of `part` whose CD may be valid: tables of CDs are mostly empty, and a CD of which
/// every version has V = 0 forms nothing.
void Caches::cds_to_form(const SteOption& ste, const StreamPart& part,
                         std::vector<u32>& numbers) const {
  numbers.clear();
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
      if (const u64 zeros = frame == nullptr ? 0 : frame->zeros_from(cd); zeros >= cd_bytes) {
        i += zeros / cd_bytes - 1;
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
    Words words;
    const u64 first = n << leaf_bits;
    fetches_.words_at(ConfigKind::l1cd, part.sid, static_cast<u32>(first),
                      ste.ste.s1contextptr() + 8 * n, 0, words);
    for (const Word& word : words) {
      const L1Cd<u64> l1cd{word.value};
      if (word.unknown) add(std::max<u64>(first, part.first));
      if (word.unknown || l1cd_illegal(l1cd, caps_)) continue;
      look_at(l1cd.l2ptr(), first, pow2(leaf_bits));
    }
  }
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.kind == ConfigKind::cd && item.sid == part.sid) add(item.ssid);
  }
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

/// Everything that follows from the configuration of one stream, or of some of its substreams.
void Caches::reform(const StreamPart& part) {
  changes_.mark(part);
  reform_unseen(part);
}

/// The same after a change that no access sees: how long something lives.
void Caches::reform_unseen(const StreamPart& part) {
  const u32 sid = part.sid;
  regimes_.note_change();
  fetches_.note_change(sid);
  graph_.note_change();
  FormedList now;
  Options& options = scratch_options_;
  options.stes.clear();
  options.cds.clear();
  const SteOptions& stes = options.stes;
  bool translates = false;
  if (controls_.enabled()) {
    if (!fetches_.ste_options(sid, options.stes)) findings_.give_up_unasked();
    if (part.whole()) refresh_regions(sid, stes);
    findings_.count(Rule::WILD_STRUCTURE);
    for (const SteOption& ste : stes) {
      if (ste.units > 1) findings_.count(Rule::TORN_STE);
      if (ste.unknown) {
        findings_.report(Rule::WILD_STRUCTURE,
                         "the STE of stream " + hex(sid) + " is memory of unknown content");
      }
      if (ste.unknown || ste.bad_streamid) continue;
      const SteDecision& decision = ste.decision;
      translates |= decision.kind != SteKind::abort;
      if (decision.kind == SteKind::bad && ste.ste.v() && ste.units > 1) {
        findings_.report(Rule::TORN_STE, "a mixture of old and new words of the STE of stream " +
                                             hex(sid) + " is illegal (" +
                                             std::string(rule_name(decision.rule)) + ")");
      }
      if (decision.has_stage2() && part.first == 0) form_stage2(sid, ste, now);
      if (decision.kind != SteKind::stage1) continue;
      if (!substreams_used(ste.ste, caps_).value) {
        if (part.first == 0) form_cd(sid, 0, ste, options, now);
        continue;
      }
      cds_to_form(ste, part, scratch_numbers_);
      if (scratch_numbers_.size() >= Fetches::many_cds) fetches_.gather_cds(sid);
      for (const u32 number : scratch_numbers_) form_cd(sid, number, ste, options, now);
      fetches_.forget_cds();
    }
  }
  if (translates) streams_.add(sid);
  if (atcs_.any_on()) ats_.reform(part, options, now);
  formed_.replace(part, now);
}

void Caches::reform_all() {
  fetches_.note_change();
  for (u32 i = 0; i < streams_.size(); ++i) reform({streams_[i]});
}

void Caches::config_vanished(const Vanished& what, const std::vector<Vanished>& all,
                             ConfigIndex* index) {
  if (!controls_.enabled()) return;
  const u64 pa = what.frame->address() + 8 * what.index;
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region region = config_.region(i);
    if (!region.holds(pa)) continue;
    const u64 offset = pa - region.first;
    ConfigItem item{.kind = region.kind,
                    .unknown = static_cast<u8>(what.content.unknown ? 1 : 0),
                    .sid = region.sid,
                    .ssid = region.ssid,
                    .dies = region.dies,
                    .value = what.content.value,
                    .since = findings_.now(),
                    .vanished_at = findings_.now(),
                    .stored_at = what.at};
    const u64 size = leads_on(region.kind) ? 8 : ste_bytes;
    const auto number = static_cast<u32>(offset / size);
    item.place = region.first + number * size;
    item.word = static_cast<u16>((offset % size) / 8);
    switch (region.kind) {
      case ConfigKind::l1std:
        item.sid = number << controls_.stream_table().split;
        item.sid_count = u32{1} << controls_.stream_table().split;
        break;
      case ConfigKind::ste: item.sid = region.sid + number; break;
      case ConfigKind::l1cd: {
        // Which half of the SubstreamIDs one L1CD stands for follows from S1Fmt; both are tried.
        SteOptions stes;
        fetches_.ste_options(region.sid, stes);
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
    item.dies = std::min(item.dies, fate(item, region.via));
    cache_words(item, what, all, index);
  }
}

/// A fetch of `below`, an STE or a CD, goes there if `descriptor` reads as `word`.
bool Caches::leads_to(const ConfigItem& descriptor, u64 word, const ConfigItem& below) const {
  const ConfigKind above = below.kind == ConfigKind::ste ? ConfigKind::l1std : ConfigKind::l1cd;
  if (descriptor.kind != above || !descriptor.serves(below.sid, below.ssid)) return false;
  if (above == ConfigKind::l1std) {
    const L1Std<u64> l1std{word};
    return !l1std_illegal(controls_.stream_table(), l1std, u64{below.sid}) &&
           second_level_ste_address(controls_.stream_table(), l1std, u64{below.sid}) == below.place;
  }
  const L1Cd<u64> l1cd{word};
  const u64 offset = u64{below.ssid - descriptor.ssid} * cd_bytes;
  return !l1cd_illegal(l1cd, caps_) && l1cd.l2ptr() + offset == below.place;
}

/// The group with which a cached STE or CD dies that was read through a descriptor which is only
/// cached any more: that which ends the descriptor, if the same command covers both.
Group Caches::fate(const ConfigItem& item, u64 via) const {
  if (via == 0) return immortal;
  Group dies = 0;
  bool cached = false;
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& descriptor = config_[i];
    if (descriptor.place != via || !leads_to(descriptor, descriptor.value, item)) continue;
    cached = true;
    bool in_memory = false;
    memory_.visible(descriptor.place, [&](Content content) {
      in_memory |= !content.unknown && leads_to(descriptor, content.value, item);
    });
    if (in_memory) return immortal;
    const bool ended = commands_.is_ended_by(descriptor.dies, [&](const InFlight& sent) {
      return scopes_.ends(sent, descriptor) && removes(sent.command, item);
    });
    dies = std::max(dies, ended ? descriptor.dies : immortal);
  }
  return cached ? dies : immortal;
}

/// The word of `what` becomes an item; where a fetch reads two words, with each version that its
/// partner had at the same time.
void Caches::cache_words(const ConfigItem& tags, const Vanished& what,
                         const std::vector<Vanished>& all, ConfigIndex* index) {
  ConfigItem item = tags;
  if (profile_.config_atom != 16 || leads_on(tags.kind)) {
    config_.keep(item, findings_.now(), index);
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
    config_.keep(item, findings_.now(), index);
  };
  memory_.visible(partner, with);
  for (const Vanished& other : all) {
    if (other.frame->address() + 8 * other.index == partner) with(other.content);
  }
}

}  // namespace iommucheck::spec
