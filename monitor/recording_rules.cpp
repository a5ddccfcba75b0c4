// SPDX-License-Identifier: MIT
#include "monitor/recording_rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/rules/promises.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/recordings.h"
#include "spec/smmu/ste.h"
#include "spec/smmu/view.h"

namespace iommucheck::oracle {

namespace {

using spec::ConfigItem;
using spec::ConfigKind;
namespace rule = spec::rule;

constexpr u64 access_flag_bit = u64{1} << 10;

const char* kind_name(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::l1std: return "L1STD";
    case ConfigKind::ste: return "STE";
    case ConfigKind::l1cd: return "L1CD";
    case ConfigKind::cd: return "CD";
  }
  return "?";
}

u64 size_of(ConfigKind kind) {
  return kind == ConfigKind::l1std || kind == ConfigKind::l1cd ? 8 : spec::ste_bytes;
}

std::string text_of(const ConfigItem& word) {
  // Where the last descriptor that led there went, nothing was stored to it.
  const bool replaced = word.stored_at != 0;
  return fmt::format("word {} of its {} at {:#x} may still be {:#x}, which {} event {}{}",
                     word.word, kind_name(word.kind), word.place, word.value,
                     replaced ? "the store at" : "could be read there until",
                     replaced ? word.stored_at : word.vanished_at, replaced ? " replaced" : "");
}

bool overlap(u64 a, u64 a_bytes, u64 b, u64 b_bytes) { return a - b < b_bytes || b - a < a_bytes; }

}  // namespace

// ---- stale things that an access may have met ---------------------------------------------------

bool RecordingRules::is_open(const Hazard& hazard) const {
  if (!hazard.configuration) return lives_on(caches_.view(), hazard.item);
  std::vector<ConfigItem> stale;
  stale_configuration(caches_.view(), hazard.word.sid, hazard.word.ssid, stale);
  return std::ranges::any_of(stale, [&](const ConfigItem& word) {
    return word.kind == hazard.word.kind && word.place == hazard.word.place &&
           word.word == hazard.word.word && word.value == hazard.word.value;
  });
}

void RecordingRules::add(Hazard hazard) {
  const auto same = [&](const Hazard& known) {
    if (known.configuration != hazard.configuration) return false;
    if (known.configuration) {
      return known.word.place == hazard.word.place && known.word.word == hazard.word.word &&
             known.word.value == hazard.word.value && known.word.sid == hazard.word.sid;
    }
    return known.item.tag == hazard.item.tag && known.item.va == hazard.item.va &&
           known.item.level == hazard.item.level && known.item.value == hazard.item.value;
  };
  if (hazards_.size() >= hazards_max || std::ranges::any_of(hazards_, same)) return;
  hazards_.push_back(std::move(hazard));
}

void RecordingRules::found(const Hazard& hazard, const std::string& how) {
  found_.push_back(
      {hazard.configuration ? rule::CONFIG_STALE_ACCESS : rule::TRANSLATION_STALE_ACCESS, hazard.at,
       hazard.text + "; " + how});
}

void RecordingRules::accessed_configuration(const spec::Access& access, EventIndex now) {
  std::vector<ConfigItem> stale;
  stale_configuration(caches_.view(), access.sid, access.ssid, stale);
  if (stale.empty()) return;
  std::vector<spec::StreamOption> options;
  if (!caches_.fetches().stream_options(access.sid, access.ssid, access.ssv, options)) return;
  // C_BAD_STREAMID is the trace of an L1STD, which is judged at the end.
  std::erase_if(options, [](const spec::StreamOption& option) {
    return option.event == spec::EventType::c_bad_streamid || option.dies != spec::immortal;
  });
  if (options.size() < 2) return;
  Hazard hazard{.configuration = true,
                .item = {},
                .word = stale.front(),
                .at = now,
                .group = caches_.next_group(),
                .text = {}};
  hazard.word.sid = access.sid;
  hazard.text = fmt::format(
      "the access of stream {:#x} at {:#x} may be handled by a stale "
      "configuration",
      access.sid, access.va);
  for (const ConfigItem& word : stale) hazard.text += "; " + text_of(word);
  add(std::move(hazard));
}

void RecordingRules::accessed(const spec::Access& access, EventIndex now) {
  ++counts_[rule::CONFIG_STALE_ACCESS].asked;
  ++counts_[rule::TRANSLATION_STALE_ACCESS].asked;
  accessed_configuration(access, now);
  if (caches_.items_alive() == 0) return;
  for (const spec::AccessType type : {spec::AccessType::read, spec::AccessType::write}) {
    spec::Access one = access;
    one.type = type;
    std::vector<spec::Outcome> outcomes;
    caches_.outcomes(one, [&](const spec::Outcome& outcome) { outcomes.push_back(outcome); });
    for (const spec::Outcome& outcome : outcomes) {
      if (outcome.item == 0) continue;
      const spec::Item& item = caches_.item(outcome.item - 1);
      if (item.dies != spec::immortal) continue;
      const u64 page = access.va & ~u64{0xfff};
      Hazard hazard{.configuration = false,
                    .item = item,
                    .word = {},
                    .at = now,
                    .group = caches_.next_group(),
                    .text = {}};
      if (item.holds(page)) hazard.item = item.part((page - item.va) / item.entry_bytes(), 1);
      // Flags that software may change at leisure.
      const spec::Content memory = caches_.memory().newest(hazard.item.origin);
      if (!memory.unknown && ((memory.value ^ hazard.item.value) & ~access_flag_bit) == 0) continue;
      hazard.text =
          fmt::format("the access of stream {:#x} at {:#x} may use a stale translation; {}",
                      access.sid, access.va, explained(caches_.view(), outcome));
      add(std::move(hazard));
    }
  }
}

void RecordingRules::commands_changed() {
  // What an invalidation removed would have been stale without it.
  const u64 items = caches_.items_alive();
  if (items < items_) counts_[rule::TRANSLATION_STALE_ACCESS].discriminating += items_ - items;
  items_ = items;
  counts_[rule::CONFIG_STALE_ACCESS].discriminating += std::exchange(changes_, 0);
  std::erase_if(hazards_, [&](const Hazard& hazard) { return !is_open(hazard); });
  keep_stale_l1stds();
}

void RecordingRules::keep_stale_l1stds() {
  if (l1stds_.empty()) return;
  std::vector<ConfigItem> stale;
  stale_l1stds(caches_.view(), stale);
  std::erase_if(l1stds_, [&](const L1StdChange& change) {
    return std::ranges::none_of(stale,
                                [&](const ConfigItem& word) { return word.place == change.place; });
  });
}

void RecordingRules::ends() {
  commands_changed();
  for (const Hazard& hazard : hazards_) {
    if (caches_.completed_groups() > hazard.group) {
      found(hazard, "no invalidation that covers it came until the end of the recording");
    } else {
      found_.push_back({rule::TRANSLATION_STALE_ACCESS, hazard.at,
                        "whether an invalidation follows the end of the recording", true});
    }
  }
  hazards_.clear();
  for (const L1StdChange& change : l1stds_) {
    found_.push_back({rule::CONFIG_STALE_ACCESS, change.at,
                      "whether the SMMU keeps an L1STD of Span 0: the driver made it valid and "
                      "invalidated it by CMD_CFGI_STE with Leaf = 1 at most (IHI 0070 5.1.1)",
                      true});
  }
}

// ---- stores -------------------------------------------------------------------------------------

std::optional<RecordingRules::Content> RecordingRules::whole(
    const spec::PlacedStructure& structure) const {
  if (size_of(structure.kind) == 8) return std::nullopt;
  Content content{};
  for (unsigned word = 0; word < spec::ste_words; ++word) {
    const spec::Content now = caches_.memory().newest(structure.place + 8 * word);
    if (now.unknown) return std::nullopt;
    content[word] = now.value;
  }
  if (structure.kind == ConfigKind::ste) return spec::used_part(spec::Ste<u64>{content}).dw;
  return spec::used_part(spec::Cd<u64>{content}).dw;
}

void RecordingRules::note_whole(const spec::PlacedStructure& structure) {
  const auto content = whole(structure);
  if (!content) return;
  std::vector<Content>& known = wholes_[structure.place];
  std::vector<ConfigItem> stale;
  stale_configuration(caches_.view(), structure.sid, structure.ssid, stale);
  const bool settled = std::ranges::none_of(
      stale, [&](const ConfigItem& word) { return word.place == structure.place; });
  if (settled) known.clear();
  if (std::ranges::find(known, *content) == known.end()) known.push_back(*content);
}

void RecordingRules::check_mixture(const spec::PlacedStructure& structure, EventIndex now) {
  const auto known = wholes_.find(structure.place);
  if (known == wholes_.end()) return;
  std::vector<Content> versions;
  if (!versions_of(caches_.view(), structure, versions)) return;
  if (known->second.size() > 1) ++counts_[rule::CONFIG_MIXTURE].discriminating;
  for (const Content& version : versions) {
    if (std::ranges::find(known->second, version) != known->second.end()) continue;
    std::string text = fmt::format(
        "a fetch of the {} of stream {:#x} at {:#x} may mix old and new words into a valid one "
        "that memory never held",
        kind_name(structure.kind), structure.sid, structure.place);
    std::vector<ConfigItem> stale;
    stale_configuration(caches_.view(), structure.sid, structure.ssid, stale);
    for (const ConfigItem& word : stale) text += "; " + text_of(word);
    found_.push_back({rule::CONFIG_MIXTURE, now, std::move(text)});
    known->second = std::move(versions);  // one report
    return;
  }
}

void RecordingRules::before_store(u64 pa, u64 bytes) {
  for (std::size_t i = hazards_.size(); i-- != 0;) {
    const Hazard& hazard = hazards_[i];
    const bool hit = hazard.configuration
                         ? overlap(pa, bytes, hazard.word.place, size_of(hazard.word.kind))
                         : overlap(pa, bytes, hazard.item.origin, 8);
    if (!hit) continue;
    if (is_open(hazard)) found(hazard, "it was changed again without an invalidation between");
    hazards_.erase(hazards_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (!is_configuration(caches_.view(), pa)) return;
  if (const auto structure = structure_at(caches_.view(), pa)) note_whole(*structure);
}

void RecordingRules::after_store(u64 pa, u64 /*bytes*/, EventIndex now) {
  if (!is_configuration(caches_.view(), pa)) return;
  const auto structure = structure_at(caches_.view(), pa);
  if (!structure) return;
  ++changes_;
  if (structure->kind == ConfigKind::l1std) {
    l1stds_.push_back({structure->place, now});
    keep_stale_l1stds();
  }
  ++counts_[rule::CONFIG_MIXTURE].asked;
  if (const auto content = whole(*structure)) {
    std::vector<Content>& known = wholes_[structure->place];
    if (std::ranges::find(known, *content) == known.end()) known.push_back(*content);
  }
  check_mixture(*structure, now);
}

}  // namespace iommucheck::oracle
