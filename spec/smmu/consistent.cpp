// SPDX-License-Identifier: MIT
// What must hold of each owner's state, recounted from what it counts, and what must hold between
// two of them. Nothing that the specification says depends on it: a disagreement is a mistake of
// this program. Called after each event where IOMMUCHECK_CONSISTENT is set (sanitizers, fuzzing),
// and by `check` after one case of 64.
#include "spec/smmu/consistent.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/text.h"

namespace iommucheck::spec {

namespace {

/// "WHAT: counted N, kept M" where they differ. what() is asked there alone: of thousands of counts
/// nearly all agree.
template <class What>
std::string differ(const What& what, u64 counted, u64 kept) {
  if (counted == kept) return {};
  return std::string(what()) + ": counted " + std::to_string(counted) + ", kept " +
         std::to_string(kept);
}

std::string frame_name(const Frame& frame) { return "page " + hex(frame.address()); }

bool are_zeros(const u64* words, unsigned count) {
  return words[0] == 0 && std::memcmp(words, words + 1, sizeof(u64) * (count - 1)) == 0;
}

/// What is known of eight words is zero.
bool knows_zeros(const Frame& frame, unsigned first) {
  const u64 unknown = frame.unknown_of(first, 8);
  for (unsigned i = 0; i < 8 && unknown != 0xff; ++i) {
    if (!bit(unknown, i) && frame.words[first + i] != 0) return false;
  }
  return true;
}

/// Where words are not marked as used; groups of which all is known are looked at in one.
bool is_zero_where_unused(const Frame& frame) {
  const auto is_plain = [&](unsigned group) {
    return !bit(frame.used, group) && frame.unknown_of(8 * group, 8) == 0;
  };
  for (unsigned group = 0, end = 0; group < frame_words / 8; group = end) {
    while (end < frame_words / 8 && is_plain(end)) ++end;
    if (end != group) {
      if (!are_zeros(frame.words + 8 * group, 8 * (end - group))) return false;
    } else {
      if (!bit(frame.used, group) && !knows_zeros(frame, 8 * group)) return false;
      ++end;
    }
  }
  return true;
}

}  // namespace

// ---- memory -------------------------------------------------------------------------------------

/// Words of which a store is pending have their bit, and others not; each frame leads to those in
/// it; the older of two stores stands before the newer; what is known and not zero is marked as
/// used.
std::string Memory::consistent() const {
  std::map<u64, std::array<u64, frame_words / 64>> pending;
  std::map<u64, u64> last;
  for (u32 i = 0; i < pending_.size(); ++i) {
    const PendingStore& entry = pending_[i];
    if (entry.older > i) return "a pending store is older than one before it";
    if (i < cleaned_ && entry.needs_clean != 0) return "a pending store is not cleaned, as counted";
    if (entry.count == 0 || bits(entry.pa, 11, 3) + entry.count > frame_words) {
      return "pending stores from " + hex(entry.pa) + " leave their page";
    }
    if (entry.before != std::exchange(last[entry.pa >> frame_lg2], u64{i} + 1)) {
      return "a pending store to " + hex(entry.pa) + " does not lead to the one before it there";
    }
    for (u64 k = 0; k < entry.count; ++k) {
      const u64 word = bits(entry.pa, 11, 3) + k;
      pending[entry.pa >> frame_lg2][word / 64] |= u64{1} << (word % 64);
    }
  }
  for (const auto& frame : frames_) {
    const auto found = pending.find(frame->number);
    const auto counted = found == pending.end() ? decltype(frame->pending){} : found->second;
    if (counted != frame->pending) return frame_name(*frame) + ": flags of pending words are wrong";
    if (last[frame->number] != frame->stores) {
      return frame_name(*frame) + ": its last pending store is another";
    }
    if (is_zero_where_unused(*frame)) continue;
    return frame_name(*frame) + ": a word that is not zero is not marked as used";
  }
  return {};
}

// ---- commands -----------------------------------------------------------------------------------

/// What may act is of groups that are not complete, and was exposed.
std::string Commands::consistent() const {
  if (completed_ > group_) return "a group is complete that has not ended";
  if (history_begin_ >= history_max) return "the first command that is remembered is none";
  for (u32 i = 0; i < in_flight_.size(); ++i) {
    const InFlight& sent = in_flight_[i];
    if (sent.group < completed_) return "a command of a complete group may act";
    if (sent.group > group_) return "a command of a group that has not begun may act";
    if (sent.command.broadcast) continue;
    if (sent.number >= exposed_) return "a command may act that was not exposed";
    if (is_of_broadcasts(sent.group)) return "a command of the queue is of a group of broadcasts";
  }
  return {};
}

// ---- configuration ------------------------------------------------------------------------------

std::string ConfigCache::consistent() const {
  for (u32 i = 0; i < items_.size(); ++i) {
    auto wrong = differ([&] { return "the key of cached word " + std::to_string(i); },
                        key_of(items_[i]), keys_[i]);
    if (!wrong.empty()) return wrong;
    u32 times = 0;
    keys_.for_each(keys_[i], [&](u32 number) { times += number == i ? 1 : 0; });
    if (times != 1) return "cached word " + std::to_string(i) + " is not found by its key, once";
  }
  std::map<u64, u64> count;
  for (u32 i = 0; i < regions_.size(); ++i) {
    const Region& region = regions_[i];
    for (u64 pa = align_down(region.first, frame_lg2); pa < region.first + region.bytes;
         pa += u64{1} << frame_lg2) {
      ++count[pa >> frame_lg2];
    }
  }
  std::string wrong;
  memory_.for_each_frame([&](const Frame& frame) {
    if (!wrong.empty()) return;
    const auto found = count.find(frame.number);
    wrong = differ([&] { return frame_name(frame) + ", regions of configuration"; },
                   found == count.end() ? 0 : found->second, frame.config);
  });
  return wrong;
}

// ---- tables -------------------------------------------------------------------------------------

std::string TableGraph::consistent() const {
  std::string wrong;
  u64 edges = 0;
  memory_.for_each_frame([&](const Frame& frame) {
    std::array<std::array<u64, last_level + 1>, layouts> count{};
    for (u32 i = first(frame); i != 0 && wrong.empty(); i = edges_[i].next) {
      if (++edges > edges_.bound()) wrong = frame_name(frame) + ": its edges form a circle";
      const Edge& edge = edges_[i];
      if (edge.level > last_level) wrong = frame_name(frame) + ": an edge to no level";
      if (!wrong.empty()) return;
      const u8 layout = edge.geometry.layout;
      ++count[layout][edge.level];
      if (edge.kind != EdgeKind::word) continue;
      const Frame* parent = memory_.find(edge.parent);
      if (parent == nullptr || edge.level == 0 || parent->tables_at(layout, edge.level - 1U) == 0) {
        wrong = frame_name(frame) + ": the descriptor at " + hex(edge.parent) + " is in no table";
      }
    }
    for (unsigned layout = 0; layout < layouts; ++layout) {
      for (unsigned level = 0; level <= last_level && wrong.empty(); ++level) {
        const auto name = [&] {
          return frame_name(frame) + ", edges at level " + std::to_string(level);
        };
        wrong = differ(name, count[layout][level], frame.tables_at(layout, level));
      }
    }
  });
  if (!wrong.empty() || edges_.bound() == 0) return wrong;
  return differ([] { return "edges in lists and free"; }, edges + edges_.released() + 1,
                edges_.bound());
}

std::string TlbItems::consistent() const {
  u64 all = 0;
  u64 tags = 0;
  for (u32 tag = 0; tag < lists_.size(); ++tag) {
    const List& list = lists_[tag];
    const auto name = [&] { return "tag " + std::to_string(tag) + ": "; };
    u64 pointers = 0;
    const auto item = [&](u32 i) -> std::string {
      if (items_[i].tag != tag) return "an item is in another tag's list";
      if (items_[i].count == 0) return "an item has no entries";
      if (items_[i].shadow != 0 && items_[i].kind != ItemKind::final) return "a shadow of no page";
      if (items_[i].kind == ItemKind::pointer) ++pointers;
      return {};
    };
    if (auto wrong = items_.consistent(list, item); !wrong.empty()) return name() + wrong;
    auto wrong = differ([&] { return name() + "pointers"; }, pointers, list.pointers);
    if (!wrong.empty()) return wrong;
    all += list.items;
    if (list.items != 0) ++tags;
  }
  auto wrong = differ([] { return "tags with items"; }, tags, tags_.size());
  if (!wrong.empty()) return wrong;
  for (u32 i = 0; i < tags_.size(); ++i) {
    if (lists_[tag(i)].items == 0) return "a tag without items is listed";
  }
  return items_.consistent(all);
}

// ---- ATCs ---------------------------------------------------------------------------------------

std::string Atcs::consistent() const {
  u64 all = 0;
  for (u32 number = 0; number < owners_.size(); ++number) {
    const List& list = lists_[number];
    const auto name = [&] { return "ATC of stream " + hex(owners_[number].sid) + ": "; };
    u64 aliases = 0;
    const auto item = [&](u32 i) -> std::string {
      if (items_[i].owner != number) return "an entry is in another ATC's list";
      if (items_[i].first > items_[i].last) return "an ATC entry ends before it begins";
      if (items_[i].alias_count != 0) ++aliases;
      return {};
    };
    if (auto wrong = items_.consistent(list, item); !wrong.empty()) return name() + wrong;
    auto wrong = differ([&] { return name() + "aliases"; }, aliases, list.aliases);
    if (!wrong.empty()) return wrong;
    all += list.items;
  }
  auto wrong = differ([] { return "endpoints with ATS"; }, streams_.size(), on_);
  if (!wrong.empty()) return wrong;
  for (u32 i = 0; i < sources_.size(); ++i) {
    if (sources_[i].owner >= owners_.size() || !is_on(owners_[sources_[i].owner].sid)) {
      return "a request is answered of an endpoint that makes none";
    }
  }
  return items_.consistent(all);
}

// ---- regimes ------------------------------------------------------------------------------------

/// By Formed entries; those that are held (walkers) have none.
std::string Regimes::consistent() const {
  std::vector<u64> formed(regimes_.size(), 0);
  for (u32 i = 0; i < formed_.size(); ++i) {
    if (formed_[i].regime >= regimes_.size()) return "a regime is formed that there is not";
    ++formed[formed_[i].regime];
  }
  std::vector<u64> of_tag(tags_.size(), 0);
  std::vector<u64> listed(regimes_.size(), 0);
  u64 ghosts = 0;
  for (std::size_t i = 0; i < regimes_.size(); ++i) {
    const RegimeState& state = regimes_[i];
    const auto name = [&] { return "regime " + std::to_string(i); };
    const bool held = state.regime.world == StreamWorld::foreign;
    if (!held) {
      auto wrong =
          differ([&] { return name() + ", options that form it"; }, formed[i], state.formed);
      if (!wrong.empty()) return wrong;
    }
    if (state.formed != 0) ++of_tag[state.tag];
    if (state.formed != 0 && state.ghost != 0) return name() + " is a ghost and can be formed";
    if (state.ghost != 0) ++ghosts;
  }
  if (auto wrong = differ([] { return "ghosts"; }, ghosts, ghosts_); !wrong.empty()) return wrong;
  u64 combines = 0;
  for (u32 t = 0; t < tags_.size(); ++t) {
    if (tags_[t].combines != 0) ++combines;
    const bool made = tags_[t].combines != 0 && tags_[t].combines_until == immortal;
    if (is_nested(t) && !made) return "combined entries may be made of a tag that has none";
  }
  if (auto wrong = differ([] { return "tags that combine"; }, combines, combines_); !wrong.empty())
    return wrong;
  for (u32 t = 0; t < tags_.size(); ++t) {
    for (u64 r = tags_[t].first_regime; r != 0; r = regimes_[r - 1].next) {
      if (++listed[r - 1] > 1) return "a regime is twice in the list of its tag";
      if (regimes_[r - 1].tag != t) return "a regime is in another tag's list";
    }
    const auto name = [&] { return "tag " + std::to_string(t) + ", regimes that can be formed"; };
    auto wrong = differ(name, of_tag[t], tags_[t].formed);
    if (!wrong.empty()) return wrong;
  }
  for (std::size_t i = 0; i < regimes_.size(); ++i) {
    const auto name = [&] { return "regime " + std::to_string(i) + " in the list of its tag"; };
    auto wrong = differ(name, listed[i], regimes_[i].listed);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

// ---- between them -------------------------------------------------------------------------------

/// A root of each regime that walks, or of which the tree stands for what it filled; one way from
/// each cached pointer, to each frame of its table.
static std::string edges_agree(const CachesView& of) {
  u64 roots = 0;
  u64 pointers = 0;
  of.memory.for_each_frame([&](const Frame& frame) {
    for (u32 i = of.graph.first(frame); i != 0; i = of.graph.edge(i).next) {
      if (of.graph.edge(i).kind == EdgeKind::root) ++roots;
      if (of.graph.edge(i).kind == EdgeKind::item) ++pointers;
    }
  });
  u64 walked = 0;
  for (u32 t = 0; t < of.regimes.tags(); ++t) {
    for (u64 r = of.regimes.tag(t).first_regime; r != 0; r = of.regimes[r - 1].next) {
      if (of.regimes[r - 1].formed == 0 && of.regimes[r - 1].ghost == 0) continue;
      of.regimes.for_each_root(static_cast<u32>(r - 1), [&](const Space&, const TableExtent& root) {
        for_each_part(root, [&](const TableExtent&, u64) { ++walked; });
      });
    }
  }
  u64 cached = 0;
  for (u32 t = 0; t < of.items.tags(); ++t) {
    for (u32 i = of.items.first(of.items.tag(t)); i != 0; i = of.items[i].next) {
      if (of.items[i].kind != ItemKind::pointer) continue;
      for_each_part(of.items[i].table(), [&](const TableExtent&, u64) { ++cached; });
    }
  }
  auto wrong = differ([] { return "edges from roots"; }, walked, roots);
  if (!wrong.empty()) return wrong;
  return differ([] { return "edges from cached pointers"; }, cached, pointers);
}

// ---- what fetches may read ----------------------------------------------------------------------

namespace {

/// In any order: what is cached is in none.
bool same_stes(const Fetches::SteOptions& a, const Fetches::SteOptions& b) {
  return std::ranges::is_permutation(
      a, b, [](const Fetches::SteOption& x, const Fetches::SteOption& y) {
        return x.ste == y.ste && x.decision == y.decision && x.place == y.place &&
               x.dies == y.dies && x.unknown == y.unknown && x.bad_streamid == y.bad_streamid &&
               x.conflict == y.conflict && x.any == y.any;
      });
}

bool same_cds(const Fetches::CdOptions& a, const Fetches::CdOptions& b) {
  return std::ranges::is_permutation(
      a, b, [](const Fetches::CdOption& x, const Fetches::CdOption& y) {
        return x.cd == y.cd && x.place == y.place && x.dies == y.dies && x.unknown == y.unknown &&
               x.bad_substreamid == y.bad_substreamid;
      });
}

}  // namespace

/// A change of configuration that nobody was told of leaves what was read before it.
std::string Fetches::consistent() const {
  if (!is_followed()) return {};
  for (const Known<SteOptions>& known : known_stes_) {
    const u32 sid = known.of.sid;
    if (!known.complete || known.version != version_of_stes(sid)) continue;
    SteOptions now;
    if (!look_at_stes(sid, now) || !same_stes(now, known.options)) {
      return "the STE of stream " + hex(sid) + " is not what is kept of it";
    }
    for (const Known<CdOptions>& cd : known_cds_) {
      if (!cd.complete || cd.of.sid != sid || cd.version != version_of(sid)) continue;
      CdOptions cds;
      if (!look_at_cds_of(sid, cd.of.ssid, now, cds) || !same_cds(cds, cd.options)) {
        return "the CD of stream " + hex(sid) + ", substream " + hex(cd.of.ssid) +
               " is not what is kept of it";
      }
    }
  }
  return {};
}

std::string consistent(const CachesView& of) {
  if (of.findings.gave_up() || !of.findings.unsupported().empty()) return {};
  for (const auto& [owner, wrong] :
       {std::pair{"Memory", of.memory.consistent()},
        std::pair{"Commands", of.commands.consistent()},
        std::pair{"ConfigCache", of.config.consistent()},
        std::pair{"Fetches", of.fetches.consistent()},
        std::pair{"Regimes", of.regimes.consistent()},
        std::pair{"TableGraph", of.graph.consistent()},
        std::pair{"TlbItems", of.items.consistent()}, std::pair{"Atcs", of.atcs.consistent()},
        std::pair{"Caches", edges_agree(of)}}) {
    if (!wrong.empty()) return std::string(owner) + ": " + wrong;
  }
  return {};
}

}  // namespace iommucheck::spec
