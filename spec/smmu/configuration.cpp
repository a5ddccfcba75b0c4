// SPDX-License-Identifier: MIT
#include "spec/smmu/configuration.h"

#include <algorithm>

#include "base/text.h"
#include "spec/rules/promises.h"
#include "spec/smmu/table_legal.h"

namespace iommucheck::spec {

void Configuration::reform_around(u64 pa) {
  StreamParts streams;
  add_streams_around(pa, streams);
  reform(streams);
}

/// Some version of the STE or CD, in memory or cached, may have V = 1.
bool Configuration::may_be_valid(ConfigKind kind, u64 place) const {
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

void Configuration::add_streams_around(u64 pa, StreamParts& streams) {
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
      case ConfigKind::ste: streams.add({region.sid + number}); break;
      case ConfigKind::l1cd: streams.add({region.sid}); break;
      case ConfigKind::cd:
        streams.add({region.sid, region.ssid + number, region.ssid + number});
        break;
    }
  }
  for (const u32 first : arrays) {
    refresh_l2_arrays(first);
    for (u32 n = 0; n < u32{1} << controls_.stream_table().split; ++n) {
      bool interesting = streams_.has(first + n);
      Fetches::SteOptions stes;
      if (!interesting && fetches_.ste_options(first + n, stes)) {
        for (const Fetches::SteOption& ste : stes) {
          interesting |= ste.unknown || (ste.ste.v() & ste.ste.config_translates()).value;
        }
      }
      if (interesting) streams.add({first + n});
    }
  }
}

/// A regime of stage 2 is formed by the STE.
void Configuration::form_stage2(u32 sid, const Fetches::SteOption& ste, FormedList& formed) {
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
void Configuration::form_cd(u32 sid, u32 number, const Fetches::SteOption& ste,
                            Fetches::Options& options, FormedList& formed) {
  fetches_.look_at_cds(sid, number, options);
  for (const Fetches::CdOption& cd : options.cds_of(number)) {
    if (cd.unknown) {
      findings_.report(rule::WILD_STRUCTURE,
                       "the CD of stream " + hex(sid) + ", substream " + hex(number) +
                           " is memory of unknown content: " + findings_.name(cd.place));
      continue;
    }
    if (cd.bad_substreamid) continue;
    const Fetches::Forming& forms = fetches_.forming(ste.ste, cd.cd);
    if (cd.words > 1) findings_.count(rule::TORN_CD);
    if (forms.bad) {
      if (cd.cd.v() && cd.words > 1) {
        findings_.report_of({.kind = ConfigKind::cd, .sid = sid, .ssid = number}, rule::TORN_CD,
                            "a mixture of old and new words of the CD at " +
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
void Configuration::cds_to_form(const Fetches::SteOption& ste, const StreamPart& part,
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
    Fetches::Words words;
    const u64 first = n << leaf_bits;
    fetches_.words_at(ConfigKind::l1cd, part.sid, static_cast<u32>(first),
                      ste.ste.s1contextptr() + 8 * n, 0, words);
    for (const Fetches::Word& word : words) {
      const L1Cd<u64> l1cd{word.value};
      if (word.unknown) add(std::max<u64>(first, part.first));
      if (word.unknown || l1cd_illegal(l1cd, caps_)) continue;
      look_at(l1cd.l2ptr(), first, pow2(leaf_bits));
    }
  }
  config_.for_each_of(ConfigKind::cd, part.sid, [&](u32 i) { add(config_[i].ssid); });
  std::ranges::sort(numbers);
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

void Configuration::reform(const StreamParts& parts) {
  note_change(parts);
  for (const StreamPart& part : parts) reform_noted(part);
}

/// What is kept of them is read anew: nothing is formed before all that changes at once is known.
void Configuration::note_change(const StreamParts& parts) {
  for (const StreamPart& part : parts) {
    if (part.whole()) {
      fetches_.note_change(part.sid);
    } else {
      fetches_.note_change_of_cds(part.sid);
    }
  }
}

void Configuration::reform_whole(u32 sid) {
  fetches_.note_change(sid);
  reform_noted({sid});
}

void Configuration::reform_noted(const StreamPart& part) {
  changes_.mark(part);
  reform_unseen(part);
}

/// The same after a change that no access sees: how long something lives.
void Configuration::reform_unseen(const StreamPart& part) {
  form(part);
  if (!controls_.enabled() || !part.whole()) return;
  // One that aborts says nothing but that, and yet its span may be obeyed.
  const auto states = [&](const Fetches::SteOption& ste) {
    if (!ste.is_read() || !ste.ste.v()) return false;
    return ste.ste.cont() != 0 ||
           (!ste.ste.config_translates() && fetches_.may_state_span(ste.place));
  };
  if (!spans_.none() || std::ranges::any_of(scratch_options_.stes, states)) follow_span(part.sid);
}

/// What its STEs say of a span concerns those that it takes in, or took in.
void Configuration::follow_span(u32 sid) {
  const unsigned cont = fetches_.stated_span(sid);
  const SidRange before = spans_.around(sid);
  const bool same = spans_.of(sid) == cont;
  if (same && before.first == before.last) return;
  spans_.set(sid, cont);
  if (!same) fetches_.note_change();
  const SidRange now = spans_.around(sid);
  const SidRange span = fetches_.within_table(
      {.first = std::min(before.first, now.first), .last = std::max(before.last, now.last)});
  if (span.last - span.first >= Fetches::span_bound) return;  // a look-up says so
  fetches_.gather_span(now);
  for (u32 other = span.first; other <= span.last; ++other) {
    changes_.mark({other});
    fetches_.note_change(other);
    if (other != sid || !same) form({other});
  }
  fetches_.forget_span();
  if (now.first == now.last) return;
  findings_.count(rule::STE_SPAN);
  if (!fetches_.span_differs(now)) return;
  findings_.report(rule::STE_SPAN, "STEs of streams " + hex(now.first) + " to " + hex(now.last) +
                                       " differ, and STE.CONT of one says that they are alike");
}

void Configuration::form(const StreamPart& part) {
  const u32 sid = part.sid;
  regimes_.note_change();
  graph_.note_change();
  FormedList now;
  Fetches::Options& options = scratch_options_;
  options.stes.clear();
  options.cds.clear();
  const Fetches::SteOptions& stes = options.stes;
  bool translates = false;
  if (controls_.enabled()) {
    if (!fetches_.ste_options(sid, options.stes)) findings_.give_up_unasked();
    if (part.whole()) refresh_regions(sid, stes);
    findings_.count(rule::WILD_STRUCTURE);
    for (const Fetches::SteOption& ste : stes) {
      if (ste.words > 1) findings_.count(rule::TORN_STE);
      if (ste.unknown) {
        findings_.report(rule::WILD_STRUCTURE, "the STE of stream " + hex(sid) +
                                                   " is memory of unknown content" +
                                                   ignored_text(controls_.stream_table()));
      }
      if (!ste.is_read()) continue;
      const SteDecision& decision = ste.decision;
      translates |= decision.kind != SteKind::abort;
      if (decision.kind == SteKind::bad && ste.ste.v() && ste.words > 1) {
        findings_.report_of({.kind = ConfigKind::ste, .sid = sid}, rule::TORN_STE,
                            "a mixture of old and new words of the STE of stream " + hex(sid) +
                                " is illegal (" + std::string(rule_name(decision.rule)) + ")");
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

void Configuration::reform_all() {
  fetches_.note_change();
  for (u32 i = 0; i < streams_.size(); ++i) reform_whole(streams_[i]);
}

void Configuration::begin() {
  find_stream_table();
  std::vector<u32> sids;
  add_configured_streams(sids);
  for (u32 i = 0; i < spans_.size(); ++i) sids.push_back(spans_.sid(i));
  for (const u32 sid : sids) reform_whole(sid);
  reform_all();
}

void Configuration::end() {
  if (!config_.holds_all()) config_.clear_regions();
  reform_all();
}

void Configuration::list_all() {
  if (!config_.holds_all()) return;
  fills_.list_all();
  config_.clear_regions();
}

void Configuration::kill(const InFlight& command) {
  if (config_.holds_all()) {
    if (covers_every_stream(command.command, caps_)) return config_.let_all_die(command.group);
    list_all();
  }
  if (config_.empty()) return;
  StreamParts streams;
  fills_.kill(command, streams);
  note_change(streams);
  for (const StreamPart& part : streams) reform_unseen(part);
}

/// Before anything else: a regime that goes leaves items behind, which later groups may have
/// removed already.
void Configuration::complete(Group group) {
  if (config_.holds_all() && config_.held_dies() <= group) {
    config_.let_go_of_all();
    config_.clear_regions();
    changes_.mark_all_streams();
    return;
  }
  StreamParts streams;
  std::vector<u32> arrays;
  fills_.complete(group, streams, arrays);
  if (controls_.enabled()) {
    for (const u32 first : arrays) refresh_l2_arrays(first);
  }
  reform(streams);
}

void Configuration::revive() {
  list_all();
  StreamParts streams;
  fills_.revive(streams);
  note_change(streams);
  for (const StreamPart& part : streams) reform_unseen(part);
}

}  // namespace iommucheck::spec
