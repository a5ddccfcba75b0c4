// SPDX-License-Identifier: MIT
#include "spec/smmu/config_fills.h"

#include <algorithm>

#include "spec/smmu/config_index.h"
#include "spec/smmu/table_legal.h"

namespace iommucheck::spec {

void ConfigFills::vanish(const Vanished& what, const std::vector<Vanished>& all) {
  if (!controls_.enabled() || !profile_.caches_config) return;
  const u64 pa = what.frame->address() + 8 * what.index;
  for (u32 i = 0; i < config_.regions(); ++i) {
    if (config_.region(i).holds(pa)) cache(config_.region(i), what, all, findings_.now(), nullptr);
  }
}

/// A word of `region` becomes items: of each structure that a fetch may take it for.
void ConfigFills::cache(const Region& region, const Vanished& what,
                        const std::vector<Vanished>& all, EventIndex at, ConfigIndex* index) {
  const u64 pa = what.frame->address() + 8 * what.index;
  const u64 offset = pa - region.first;
  ConfigItem item{.kind = region.kind,
                  .unknown = static_cast<u8>(what.content.unknown ? 1 : 0),
                  .sid = region.sid,
                  .ssid = region.ssid,
                  .dies = region.dies,
                  .value = what.content.value,
                  .since = at,
                  .vanished_at = at,
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
      Fetches::SteOptions stes;
      fetches_.ste_options(region.sid, stes);
      unsigned leaf_bits = 6;
      for (const Fetches::SteOption& ste : stes) {
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

void ConfigFills::keep_all() {
  if (!controls_.enabled() || !profile_.caches_config) return;
  config_.hold_all(findings_.now());
  if (!config_.empty() || memory_.any_pending()) list_all();
}

void ConfigFills::list_all() {
  if (!config_.holds_all()) return;
  config_.let_go_of_all();
  std::vector<Vanished> words;
  for (u32 i = 0; i < config_.regions(); ++i) {
    const Region& region = config_.region(i);
    const u64 size = leads_on(region.kind) ? 8 : ste_bytes;
    constexpr u64 small = 4096 * ste_bytes;  // of larger tables what is all zeros is left out
    for (u64 place = region.first; place < region.first + region.bytes; place += size) {
      Frame& frame = memory_.frame(place);
      if (region.bytes > small && frame.next_used(0) == frame_words && !memory_.any_pending()) {
        place = frame.address() + (u64{1} << frame_lg2) - size;
        continue;
      }
      bool empty = true;
      for (u64 pa = place; pa < place + size; pa += 8) {
        memory_.visible(pa, [&](Content c) { empty &= !c.unknown && c.value == 0; });
      }
      for (u64 pa = place; pa < place + (empty ? 8 : size); pa += 8) {
        const auto index = static_cast<unsigned>(bits(pa, 11, 3));
        memory_.visible(frame, index, [&](Content content) {
          words.push_back({&frame, index, content, 0});  // nothing was stored
        });
      }
    }
  }
  ConfigIndex index(config_);
  const Frame* frame = nullptr;
  std::vector<u32> here;  // regions that have a part of it: words of one follow each other
  for (const Vanished& word : words) {
    if (word.frame != frame) {
      frame = word.frame;
      here.clear();
      for (u32 i = 0; i < config_.regions(); ++i) {
        if (config_.region(i).has_part_of(*frame)) here.push_back(i);
      }
    }
    for (const u32 i : here) {
      Region region = config_.region(i);
      region.dies = std::min(region.dies, config_.held_dies());
      if (region.holds(frame->address() + 8 * word.index))
        cache(region, word, words, config_.held_at(), &index);
    }
  }
}

void ConfigFills::keep_atschk() {
  if (!profile_.caches_config) return;
  for (u32 i = 0; i < streams_.size(); ++i) {
    const u32 sid = streams_[i];
    bool cached = controls_.enabled();
    config_.for_each_of(ConfigKind::ste, sid, [&](u32) { cached = true; });
    if (!cached) continue;
    config_.keep({.kind = ConfigKind::ste,
                  .word = ConfigItem::atschk_word,
                  .sid = sid,
                  .place = ConfigItem::no_place,
                  .value = controls_.atschk() ? u64{1} : u64{0},
                  .since = findings_.now(),
                  .vanished_at = findings_.now(),
                  .stored_at = findings_.now()});
  }
}

/// What a fetch of an STE or a CD goes through.
static ConfigKind kind_above(ConfigKind below) {
  return below == ConfigKind::ste ? ConfigKind::l1std : ConfigKind::l1cd;
}

/// A fetch of `below`, an STE or a CD, goes there if `descriptor` reads as `word`.
bool ConfigFills::leads_to(const ConfigItem& descriptor, u64 word, const ConfigItem& below) const {
  const ConfigKind above = kind_above(below.kind);
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
Group ConfigFills::fate(const ConfigItem& item, u64 via) const {
  if (via == 0) return immortal;
  Group dies = 0;
  bool cached = false;
  bool in_memory = false;
  config_.for_each_of(kind_above(item.kind), item.sid, [&](u32 i) {
    const ConfigItem& descriptor = config_[i];
    if (in_memory || descriptor.place != via || !leads_to(descriptor, descriptor.value, item)) {
      return;
    }
    cached = true;
    memory_.visible(descriptor.place, [&](Content content) {
      in_memory |= !content.unknown && leads_to(descriptor, content.value, item);
    });
    const bool ended = commands_.is_ended_by(descriptor.dies, [&](const InFlight& sent) {
      return scopes_.ends(sent, descriptor) && removes(sent.command, item);
    });
    dies = std::max(dies, ended ? descriptor.dies : immortal);
  });
  return cached && !in_memory ? dies : immortal;
}

/// The word of `what` becomes an item; where a fetch reads two words, with each version that its
/// partner had at the same time.
void ConfigFills::cache_words(const ConfigItem& tags, const Vanished& what,
                              const std::vector<Vanished>& all, ConfigIndex* index) {
  ConfigItem item = tags;
  if (profile_.config_atom != 16 || leads_on(tags.kind)) {
    config_.keep(item, index);
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
    config_.keep(item, index);
  };
  memory_.visible(partner, with);
  for (const Vanished& other : all) {
    if (other.frame->address() + 8 * other.index == partner) with(other.content);
  }
}

/// An STE or CD can be read again between `command` and the end of its group, through a cached
/// descriptor that no command of the group which covers it removes as well. With SMMUEN = 0 nothing
/// is (IHI 0070 6.3.9.6): what memory says when it is 1 again is cached anew when that vanishes.
bool ConfigFills::may_be_fetched_again(const ConfigItem& item, const std::vector<u32>& descriptors,
                                       const InFlight& command) const {
  if (!controls_.enabled() || leads_on(item.kind) || descriptors.empty()) return false;
  bool same = false;
  memory_.visible(item.place + 8 * item.word, [&](Content content) {
    same |= content == Content{item.value, (item.unknown & 1) != 0};
  });
  if (!same) return false;
  for (const u32 i : descriptors) {
    const ConfigItem& descriptor = config_[i];
    if (descriptor.unknown != 0 || descriptor.dies < command.group ||
        !leads_to(descriptor, descriptor.value, item)) {
      continue;
    }
    const bool removed = commands_.is_ended_by(command.group, [&](const InFlight& other) {
      return scopes_.ends(other, item) && scopes_.ends(other, descriptor);
    });
    if (!removed) return true;
  }
  return false;
}

/// The structures that a descriptor which goes has led to, as far as `commands` leave them: cached
/// as memory has them now, invalid ones too.
void ConfigFills::leave_below(const ConfigItem& item, const std::vector<const Command*>& commands,
                              StreamParts& streams) {
  DescriptorIndex index(config_);  // what is left below is no descriptor
  std::vector<u32> descriptors;
  // It is gone with the first later group that was exposed already and removes it, as far as
  // nothing else that is cached leads there.
  const auto end_by_later_groups = [&](ConfigItem& word) {
    descriptors.clear();
    index.above(word, descriptors);
    commands_.for_each([&](const InFlight& sent) {
      if (sent.group <= item.dies || sent.group >= word.dies) return;
      if (!removes(sent.command, word) || may_be_fetched_again(word, descriptors, sent)) return;
      word.dies = sent.group;
      word.since = std::min(word.since, sent.at);
    });
  };
  for (u32 r = 0; r < config_.regions(); ++r) {
    const Region region = config_.region(r);
    const bool below = item.kind == ConfigKind::l1std
                           ? region.kind == ConfigKind::ste && region.made_by == item.sid
                           : region.kind == ConfigKind::cd && region.made_by == item.sid &&
                                 region.ssid == item.ssid;
    const u64 table = item.kind == ConfigKind::l1std ? L1Std<u64>{item.value}.l2ptr()
                                                     : L1Cd<u64>{item.value}.l2ptr();
    if (!below || region.first != table) continue;
    for (u64 place = region.first; place < region.first + region.bytes; place += ste_bytes) {
      const auto number = static_cast<u32>((place - region.first) / ste_bytes);
      ConfigItem word{.kind = region.kind,
                      .sid = region.sid,
                      .ssid = region.ssid,
                      .place = place,
                      .since = findings_.now(),
                      .vanished_at = findings_.now()};
      (region.kind == ConfigKind::ste ? word.sid : word.ssid) += number;
      const auto covered = [&](const Command* command) { return removes(*command, word); };
      if (!leads_to(item, item.value, word) || std::ranges::any_of(commands, covered)) continue;
      end_by_later_groups(word);
      cache_structure(word);
      streams.add(word.kind == ConfigKind::cd ? StreamPart{word.sid, word.ssid, word.ssid}
                                              : StreamPart{word.sid});
    }
  }
}

/// Items for the words of the structure at `tags.place`: of one that is all zeros the first is
/// enough, since V = 0.
void ConfigFills::cache_structure(const ConfigItem& tags) {
  bool zeros = true;
  for (unsigned w = 0; w < ste_words; ++w) {
    memory_.visible(tags.place + 8 * w, [&](Content c) { zeros &= !c.unknown && c.value == 0; });
  }
  config_.for_each_of(tags.kind, tags.sid, [&](u32 i) { zeros &= config_[i].place != tags.place; });
  for (unsigned w = 0; w < (zeros ? 1 : ste_words); ++w) {
    const u64 pa = tags.place + 8 * w;
    ConfigItem word = tags;
    word.word = static_cast<u16>(w);
    Frame& frame = memory_.frame(pa);
    memory_.visible(pa, [&](Content content) {
      word.value = content.value;
      word.unknown = content.unknown ? 1 : 0;
      cache_words(word, {&frame, static_cast<unsigned>(bits(pa, 11, 3)), content, findings_.now()},
                  {}, nullptr);
    });
  }
}

/// The streams that an item concerns; of a span those that were ever configured.
void ConfigFills::add_streams(const ConfigItem& item, StreamParts& streams) {
  if (item.sid_count > 1) fetches_.note_change();
  if (item.kind == ConfigKind::cd) {
    streams.add({item.sid, item.ssid, item.ssid});
    return;
  }
  if (item.sid_count == 1) return streams.add({item.sid});
  std::vector<u32> known;
  for (u32 i = 0; i < streams_.size(); ++i) {
    if (streams_[i] - item.sid < item.sid_count) known.push_back(streams_[i]);
  }
  std::ranges::sort(known);
  for (const u32 sid : known) streams.add({sid});
}

void ConfigFills::kill(const InFlight& command, StreamParts& streams) {
  std::vector<ConfigItem> left;  // STEs and CDs that a removed L1STD or L1CD led to
  DescriptorIndex index(config_);
  std::vector<u32> descriptors;
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.dies <= command.group) continue;
    if (!removes(command.command, item)) continue;
    if (!leads_on(item.kind)) {
      index.above(item, descriptors);
      if (may_be_fetched_again(item, descriptors, command)) continue;
    }
    config_.set_dies(i, command.group);
    if (leads_on(item.kind) && item.unknown == 0) left.push_back(item);
    add_streams(item, streams);
  }
  // One StreamID's CFGI removes an L1STD; the cached STEs of the others of its span live on.
  for (const ConfigItem& item : left) leave_below(item, {&command.command}, streams);
}

void ConfigFills::complete(Group group, StreamParts& streams, std::vector<u32>& arrays) {
  for (u32 i = 0, count = config_.size(); i < count; ++i) {
    if (config_[i].dies > group) continue;
    const ConfigItem item = config_[i];
    if (!leads_on(item.kind) || item.unknown != 0 || !controls_.enabled()) continue;
    std::vector<const Command*> killers;
    commands_.for_each([&](const InFlight& sent) {
      if (sent.group == item.dies && scopes_.ends(sent, item)) killers.push_back(&sent.command);
    });
    leave_below(item, killers, streams);
  }
  for (u32 i = config_.size(); i != 0; --i) {
    if (config_[i - 1].dies > group) continue;
    const ConfigItem item = config_[i - 1];
    if (item.kind == ConfigKind::l1std) arrays.push_back(item.sid);
    add_streams(item, streams);
    config_.remove(i - 1);
  }
}

void ConfigFills::revive(StreamParts& streams) {
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.dies == immortal) continue;
    const auto still = [&](const InFlight& sent) { return scopes_.ends(sent, item); };
    if (commands_.is_ended_by(item.dies, still)) continue;
    config_.set_dies(i, immortal);
    add_streams(item, streams);
  }
}

}  // namespace iommucheck::spec
