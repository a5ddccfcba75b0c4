// SPDX-License-Identifier: MIT
// By what the ATS requests of a stream are answered now, and when that changes. IHI 0070 3.9.1.2.
#include <algorithm>

#include "spec/smmu/ats.h"
#include "spec/smmu/table_legal.h"

namespace iommucheck::spec {

namespace {

constexpr u32 whole_stream = ~u32{0};  // AtsSource::number of what the STE alone decides

}  // namespace

/// `numbers`: the CDs of the part that may be valid.
void Ats::sources_of(const StreamPart& part, const Fetches::Options& options,
                     const std::vector<u32>& numbers, Atcs::Sources& sources) {
  if (!controls_.enabled() || !caps_.ats) return;
  const auto add = [&](const AtsSource& source) {
    const auto known = std::ranges::find_if(
        sources, [&](const AtsSource& other) { return same_source(other, source); });
    if (known == sources.end()) {
      sources.push_back(source);
    } else {
      known->dies = std::max(known->dies, source.dies);
    }
  };
  const auto by_cd = [&](const Fetches::SteOption& ste, bool ssv, u32 number) {
    for (const Fetches::CdOption& cd : options.cds_of(number)) {
      AtsSource source{.owner = atcs_.intern(part.sid, ssv ? number : 0, ssv ? 1 : 0),
                       .number = number,
                       .dies = std::min(ste.dies, cd.dies)};
      if (cd.unknown) {
        source.kind = AtsSource::Kind::unknown;
      } else {
        if (cd.bad_substreamid) continue;
        const Fetches::Forming& forms = fetches_.forming(ste.ste, cd.cd);
        if (forms.bad || forms.not_modelled != NotModelled::no) continue;
        source.regime = forms.regime;
        source.overrides = overrides_of(ste.ste, caps_);
      }
      add(source);
    }
  };
  for (const Fetches::SteOption& ste : options.stes) {
    if ((ste.unknown || ste.any) && part.whole()) {
      add({.owner = atcs_.intern(part.sid, 0, 2),
           .kind = AtsSource::Kind::unknown,
           .number = whole_stream,
           .dies = ste.dies});
    }
    if (!ste.is_read() || !full_ats(ste.ste, caps_)) continue;
    if (ste.decision.has_stage2() && part.whole()) {
      const Fetches::Forming2 forms = fetches_.forming2(ste.ste);
      const bool nested = ste.decision.kind == SteKind::nested;
      if (forms.not_modelled == NotModelled::no) {
        add({.owner = atcs_.intern(part.sid, 0, nested ? AtcOwner::contained : 0),
             .regime = forms.regime,
             .overrides = overrides_of(ste.ste, caps_),
             .number = whole_stream,
             .dies = ste.dies});
      }
    }
    if (ste.decision.kind != SteKind::stage1) continue;
    const auto plain = select_substream(ste.ste, caps_, false, u64{0});
    if (plain.kind == SubstreamKind::bypass_stage1 && part.whole()) {
      add({.owner = atcs_.intern(part.sid, 0, 0),
           .kind = AtsSource::Kind::identity,
           .number = whole_stream,
           .dies = ste.dies});
    }
    for (const u32 number : numbers) {
      if (plain.kind == SubstreamKind::cd && plain.number == number) by_cd(ste, false, number);
      const auto with = select_substream(ste.ste, caps_, true, u64{number});
      if (with.kind == SubstreamKind::cd) by_cd(ste, true, number);
    }
  }
}

/// Before what the part forms changes: entries stay behind of what answered requests until now.
void Ats::reform(const StreamPart& part, const Fetches::Options& options, const FormedList& now) {
  if (!atcs_.is_on(part.sid)) return;
  std::vector<u32>& numbers = scratch_numbers_;
  numbers.clear();
  for (const Formed& entry : now) {
    if (std::ranges::find(numbers, entry.ssid) == numbers.end()) numbers.push_back(entry.ssid);
  }
  Atcs::Sources sources;
  sources_of(part, options, numbers, sources);
  Atcs::Sources lost;
  atcs_.replace_sources(part, sources, lost);
  for (const AtsSource& source : lost) lose_source(source);
}

void Ats::lose_source(const AtsSource& source) {
  AtcItem item{.owner = source.owner,
               .last = ~u64{0},
               .filled_until = source.dies,
               .lost_at = findings_.now()};
  switch (source.kind) {
    case AtsSource::Kind::unknown:
      item.kind = ItemKind::unknown;
      atcs_.add(item);
      break;
    case AtsSource::Kind::identity:
      item.identity = 1;
      item.last = low_mask(u64{ias_lg2(caps_)});
      atcs_.add(item);
      break;
    case AtsSource::Kind::regime: leave_all(source); break;
  }
}

void Ats::enable(u32 sid, bool on) {
  if (on == atcs_.is_on(sid)) return;
  fetches_.note_change(sid);
  if (on) {
    atcs_.switch_on(sid);
    Fetches::Options options;
    if (controls_.enabled() && !fetches_.ste_options(sid, options.stes)) {
      findings_.give_up_unasked();
    }
    std::vector<u32> numbers;
    for (u32 i = 0; i < regimes_.formed(); ++i) {
      if (regimes_.formed(i).sid != sid) continue;
      numbers.push_back(regimes_.formed(i).ssid);
      fetches_.look_at_cds(sid, regimes_.formed(i).ssid, options);
    }
    Atcs::Sources sources;
    sources_of({sid}, options, numbers, sources);
    atcs_.add_sources(sources);
    return;
  }
  atcs_.switch_off(sid);
}

}  // namespace iommucheck::spec
