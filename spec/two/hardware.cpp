// SPDX-License-Identifier: MIT
#include "spec/two/hardware.h"

#include <algorithm>

namespace iommucheck::spec::two {

namespace {

constexpr u64 page_mask = mask(63, 12);

Who who_of(u64 word) { return {static_cast<u32>(word), static_cast<u32>(word >> 32)}; }

u64 word_of(const Who& who) { return who.stream | u64{who.pasid} << 32; }

bool overlap(u64 first, u64 last, u64 other_first, u64 other_last) {
  return first <= other_last && other_first <= last;
}

}  // namespace

/// One walk, as it could be made at any moment up to `now`.
struct Hardware::Walk {
  Tables by;
  u64 iova = 0;
  Time now = 0;
  Time answers_from = 0;  ///< what is cached of the page itself is not older
  Time outer_from = 0;    ///< of a user's: nor is what is cached of the outer table
  bool own = false;       ///< a walker's, which no command reaches
  bool remembers = true;  ///< that something is not mapped
  std::vector<std::pair<Time, Time>> usable;

  /// Not before `earliest`, while a way leads there; never: none is.
  [[nodiscard]] Time first_moment(Time earliest) const {
    Time at = never;
    for (const auto& [begin, until] : usable) {
      const Time moment = std::max(earliest, begin);
      if (moment < until && moment <= now) at = std::min(at, moment);
    }
    return at;
  }
};

Hardware::Hardware(std::vector<Stream> streams, unsigned pasid_bits, bool marks)
    : streams_(std::move(streams)), pasid_bits_(pasid_bits), marks_(marks) {}

const Hardware::Stream* Hardware::stream(u32 id) const {
  const auto at = std::ranges::find(streams_, id, &Stream::id);
  return at == streams_.end() ? nullptr : &*at;
}

// ---- memory -------------------------------------------------------------------------------------

const std::vector<Hardware::Version>* Hardware::versions(u64 pa) const {
  const auto page = pages_.find(pa & page_mask);
  return page == pages_.end() ? nullptr : &page->second->words[bits(pa, 11, 3)];
}

u64 Hardware::newest(u64 pa) const {
  const std::vector<Version>* said = versions(pa);
  return said == nullptr || said->empty() ? 0 : said->back().value;
}

/// Whether the page was given back after a pointer to it was stored, by `now`.
bool Hardware::gone_since(u64 pa, Time since, Time now) const {
  const auto page = pages_.find(pa & page_mask);
  return page != pages_.end() && std::ranges::any_of(page->second->given_back,
                                                     [&](Time t) { return t > since && t <= now; });
}

void Hardware::store(u64 pa, u64 value) {
  std::unique_ptr<Page>& page = pages_[pa & page_mask];
  if (page == nullptr) page = std::make_unique<Page>();
  std::vector<Version>& said = page->words[bits(pa, 11, 3)];
  ++now_;
  if (said.empty() || said.back().value != value) said.push_back({now_, value});
  if (structures_.contains(pa & page_mask)) refresh();
}

bool Hardware::give_back(u64 pa, u64 bytes) {
  const u64 last = pa + bytes - 1;
  const auto in_it = [&](u64 first, u64 size) {
    return overlap(pa, last, first, first + size - 1);
  };
  bool free = true;
  if ((registers_[reg::control] & 1) != 0) {
    const u64 words = registers_[reg::device_table];
    free &= !in_it(words & page_mask, u64{8} << (words & 63));
    for (const DeviceItem& item : devices_) {
      const DeviceWord device{item.word};
      if (device.way() != Way::table) continue;
      const u32 end = u32{1} << device.pasid_bits();
      free &= !in_it(device.table(), pointer_at(0, end - 1) + 8);
      for (u32 pasid = 0; pasid < end; pasid += 1U << page_of_entries_lg2) {
        const u64 pointer = newest(pointer_at(device.table(), pasid));
        free &= (pointer & 1) == 0 || !in_it(pointer & page_mask, 4096);
      }
    }
    for (const Lead& lead : leads_) {
      const EntryWord entry{lead.entry};
      if (!free || lead.to != never || lead.way != Way::table || !entry.valid() || entry.quiet()) {
        continue;
      }
      // A user's own table lies where its outer one says: that is what leads there.
      Tables by = tables_of(lead);
      if (by.outer != 0) by = {.root = by.outer, .levels = by.outer_levels};
      free &= !leads_into(by, by.root, by.levels - 1, 0, pa, bytes);
    }
  }
  ++now_;
  for (u64 page = pa; page <= last; page += 4096) {
    auto& its = pages_[page];
    if (its == nullptr) its = std::make_unique<Page>();
    its->given_back.push_back(now_);
    structures_.erase(page);
  }
  return free;
}

/// Whether a pointer that is in memory or cached leads from the table to the place.
bool Hardware::leads_into(const Tables& by, u64 table, unsigned depth, u64 base, u64 pa,
                          u64 bytes) const {
  if (overlap(table, table + 4095, pa, pa + bytes - 1)) return true;
  if (depth == 0) return false;
  const u64 covers = u64{1} << covers_lg2(depth);
  for (u64 i = 0; i < 512; ++i) {
    const std::vector<Version>* said = versions(table + 8 * i);
    if (said == nullptr) continue;
    const u64 first = base + i * covers;
    Time dropped = never;
    for (std::size_t v = 0; v < said->size(); ++v) {
      const PageWord word{(*said)[v].value};
      if (!word.present() || word.leaf()) continue;
      if (dropped == never) dropped = last_drop(by, first, first + covers - 1, now_);
      const Time end = v + 1 < said->size() ? (*said)[v + 1].from : never;
      if (end <= dropped || gone_since(word.address(), (*said)[v].from, now_)) continue;
      if (leads_into(by, word.address(), depth - 1, first, pa, bytes)) return true;
    }
  }
  return false;
}

// ---- registers ----------------------------------------------------------------------------------

void Hardware::write(u64 offset, u64 value) {
  ++now_;
  switch (offset) {
    case reg::device_table:
    case reg::control:
      registers_[offset] = value;
      refresh();
      return;
    case reg::argument_a:
    case reg::argument_b:
    case reg::argument_c:
    case reg::argument_d: registers_[offset] = value; return;
    case reg::command:
      commands_.push_back({static_cast<CommandKind>(value), registers_[reg::argument_a],
                           registers_[reg::argument_b], registers_[reg::argument_c],
                           registers_[reg::argument_d], now_});
      return;
    case reg::request_take:
      if (!untaken_.empty()) untaken_.erase(untaken_.begin());
      return;
    case reg::event_take:
      if (!events_.empty()) events_.erase(events_.begin());
      return;
    default: return;
  }
}

u64 Hardware::read(u64 offset) {
  const u64 oldest = untaken_.empty() ? 0 : untaken_.front();
  const auto request = waiting_.find(oldest);
  switch (offset) {
    case reg::identity:
      return 44 | u64{48} << 8 | u64{pasid_bits_} << 16 | (marks_ ? u64{1} << 24 : 0);
    case reg::done:
      if (!stuck_) complete_all();
      return completed_;
    case reg::request: return request == waiting_.end() ? 0 : request->second.group;
    case reg::request_who: return request == waiting_.end() ? 0 : word_of(request->second.who);
    case reg::request_iova: return request == waiting_.end() ? 0 : request->second.page;
    case reg::event: return events_.empty() ? 0 : events_.front()[0];
    case reg::event_iova: return events_.empty() ? 0 : events_.front()[1];
    case reg::event_table: return events_.empty() ? 0 : events_.front()[2];
    default: return registers_[offset];
  }
}

void Hardware::complete_all() {
  if (completed_ == commands_.size()) return;
  ++now_;
  const auto forget = [&](const Command& command, auto concerns) {
    std::erase_if(devices_, [&](const DeviceItem& item) {
      return concerns(Who{item.stream, no_pasid}) && item.until <= command.sent;
    });
  };
  const auto close = [&](const Command& command, auto concerns) {
    for (Lead& lead : leads_) {
      if (lead.to != never || !concerns(lead.who)) continue;
      const bool filled = std::ranges::any_of(devices_, [&](const DeviceItem& item) {
        return item.stream == lead.who.stream && item.word == lead.by;
      });
      if (lead.until <= command.sent || !filled) lead.to = now_;
    }
  };
  for (; completed_ < commands_.size(); ++completed_) {
    Command& command = commands_[completed_];
    command.complete = now_;
    const Who who = who_of(command.a);
    const auto all = [](const Who&) { return true; };
    const auto its = [&](const Who& other) { return other.stream == who.stream; };
    switch (command.kind) {
      case CommandKind::forget_device:
        forget(command, its);
        close(command, its);
        break;
      case CommandKind::forget_entry:
        close(command, [&](const Who& other) { return other == who; });
        break;
      case CommandKind::drop_all:
        forget(command, all);
        close(command, all);
        break;
      case CommandKind::respond: respond(command.a, static_cast<ResponseCode>(command.b)); break;
      default: break;
    }
  }
  refresh();
}

// ---- where accesses go --------------------------------------------------------------------------

/// What can be filled now; what could be before, and cannot any more, has its end.
void Hardware::refresh() {
  if ((registers_[reg::control] & 1) == 0) return;
  const u64 table = registers_[reg::device_table];
  for (u64 pa = table & page_mask; pa < (table & page_mask) + (u64{8} << (table & 63));
       pa += 4096) {
    structures_.insert(pa);
  }
  for (const Stream& one : streams_) {
    const bool there = (u64{one.id} >> (table & 63)) == 0;
    const u64 word = there ? newest((table & page_mask) + u64{8} * one.id) : 0;
    bool known = false;
    for (DeviceItem& item : devices_) {
      if (item.stream != one.id) continue;
      known |= item.word == word;
      if (item.word == word) {
        item.until = never;
      } else if (item.until == never) {
        item.until = now_;
      }
    }
    if (!known) devices_.push_back({one.id, word});
  }
  const std::set<u32> before = pasids_;
  for (const DeviceItem& item : devices_) find_pasids(item);
  for (const u32 pasid : pasids_) {
    if (before.contains(pasid)) continue;
    for (const DeviceItem& item : devices_) {
      if (DeviceWord{item.word}.way() != Way::table) continue;
      leads_.push_back(
          {.who = {item.stream, pasid}, .way = Way::table, .by = item.word, .until = now_});
    }
  }
  for (Lead& lead : leads_) {
    if (lead.until == never) lead.until = now_;
  }
  for (const DeviceItem& item : devices_) {
    fill(item, {item.stream, no_pasid});
    for (const u32 pasid : pasids_) fill(item, {item.stream, pasid});
  }
}

void Hardware::find_pasids(const DeviceItem& item) {
  const DeviceWord device{item.word};
  if (device.way() != Way::table) return;
  const u32 end = device.pasid_bits() == 0 ? 0 : u32{1} << device.pasid_bits();
  structures_.insert(device.table());
  for (u32 pasid = 0; pasid < end; pasid += 1U << page_of_entries_lg2) {
    const u64 place = pointer_at(device.table(), pasid);
    structures_.insert(place & page_mask);
    const u64 pointer = newest(place);
    if ((pointer & 1) == 0) continue;
    structures_.insert(pointer & page_mask);
    for (u32 i = 0; i < 1U << page_of_entries_lg2; ++i) {
      if (newest(entry_at(pointer & page_mask, i)) != 0) pasids_.insert(pasid + i);
    }
  }
}

void Hardware::fill(const DeviceItem& item, const Who& who) {
  const DeviceWord device{item.word};
  Lead lead{.who = who, .way = device.way(), .by = item.word, .from = now_};
  const bool present = who.pasid != no_pasid;
  if (lead.way == Way::untranslated && present) lead.way = Way::table;  // where nothing stands
  if (device.way() == Way::table) {
    lead.wild = item.until != never && gone_since(device.table(), item.until, now_);
    if (!present) {
      lead.way = device.first();
      if (lead.way == Way::table) {
        lead.entry = newest(device.table());
        lead.outer = newest(device.table() + 8);
      }
    } else if (device.reaches(who.pasid)) {
      const u64 pointer = newest(pointer_at(device.table(), who.pasid));
      if ((pointer & 1) != 0) {
        lead.entry = newest(entry_at(pointer & page_mask, who.pasid));
        lead.outer = newest(entry_at(pointer & page_mask, who.pasid) + 8);
      }
      const EntryWord entry{lead.entry};
      const bool passes = entry.untranslated() && !entry.users();
      if (entry.valid() && !entry.quiet() && passes) lead.way = Way::untranslated;
    }
  }
  if (!EntryWord{lead.entry}.valid() || !EntryWord{lead.entry}.users()) lead.outer = 0;
  for (Lead& known : leads_) {
    if (known.to != never || known.who != who || known.by != lead.by) continue;
    if (known.way != lead.way || known.entry != lead.entry || known.wild != lead.wild) continue;
    if (known.outer != lead.outer) continue;
    known.until = never;
    return;
  }
  leads_.push_back(lead);
}

/// Of one whose way is a table, and whose entry translates.
Hardware::Tables Hardware::tables_of(const Lead& lead) {
  const EntryWord entry{lead.entry};
  const OuterWord outer{lead.outer};
  if (!entry.users()) {
    return {.root = entry.root(), .levels = entry.levels(), .cpus = entry.cpus()};
  }
  if (entry.untranslated()) {
    return {.root = outer.root(), .levels = outer.levels(), .passes_inner = true};
  }
  return {.root = entry.root(),
          .levels = entry.levels(),
          .outer = outer.root(),
          .outer_levels = outer.levels()};
}

/// When some way led to the tables, as moments [from, to). To an outer one all of its users' do.
std::vector<std::pair<Hardware::Time, Hardware::Time>> Hardware::usable(const Tables& by) const {
  std::vector<std::pair<Time, Time>> all;
  for (const Lead& lead : leads_) {
    if (!lead.translates()) continue;
    const Tables its = tables_of(lead);
    const bool same = its.root == by.root && its.outer == by.outer;
    if (same || (by.outer == 0 && its.outer == by.root)) all.emplace_back(lead.from, lead.to);
  }
  return all;
}

/// Whether the command covers a part of the range, of what is known by these tables.
bool Hardware::takes(const Command& command, const Tables& by, u64 first, u64 last) {
  const bool users = by.outer != 0;
  switch (command.kind) {
    case CommandKind::drop_all: return true;
    case CommandKind::drop_root: return command.a == (users ? by.outer : by.root);
    case CommandKind::drop_range:
      return !users && command.a == by.root && overlap(first, last, command.b, command.c);
    case CommandKind::drop_inner:
      return users && command.a == by.outer && (command.d == every_root || command.d == by.root) &&
             overlap(first, last, command.b, command.c);
    default: return false;
  }
}

/// When the last command was sent that was complete by `now` and covers a part of the range.
Hardware::Time Hardware::last_drop(const Tables& by, u64 first, u64 last, Time now) const {
  for (std::size_t i = completed_; i-- > 0;) {
    const Command& command = commands_[i];
    if (command.complete <= now && takes(command, by, first, last)) return command.sent;
  }
  return 0;
}

/// The last moments before a command that takes anything of the tables was complete, behind `from`;
/// and `now`.
std::vector<Hardware::Time> Hardware::before_drops(const Tables& by, Time from, Time now) const {
  std::vector<Time> all = {now};
  for (const Command& command : commands_) {
    const bool its = command.kind != CommandKind::drop_all && takes(command, by, 0, ~u64{0});
    if (its && command.complete <= now && command.complete > from) {
      all.push_back(command.complete - 1);
    }
  }
  return all;
}

// ---- walks --------------------------------------------------------------------------------------

void Hardware::find(Ends& found, const End& end, Time at) {
  const auto [known, is_new] = found.try_emplace(end, at);
  if (!is_new) known->second = std::min(known->second, at);
}

/// Rule 3 level by level: what was read at a moment not before `low`, the moment of the level
/// above. Rule 7: between two levels of a user's table the outer one is asked.
void Hardware::ends_in(const Walk& walk, u64 table, unsigned depth, Time low, Ends& found) const {
  const bool users = walk.by.outer != 0;
  const u64 place = word_at(table, walk.iova, depth);
  const std::vector<Version>* said = versions(place);
  if (said == nullptr || said->empty()) {
    return find(found, {.kind = users ? End::Kind::inside : End::Kind::wild}, low);
  }
  const u64 covers = u64{1} << covers_lg2(depth);
  const u64 base = walk.iova & ~(covers - 1);
  // What has taken the page's answer along has taken the ways to it along.
  const Time pointers_from =
      walk.own ? walk.answers_from
               : std::max(walk.answers_from, last_drop(walk.by, base, base + covers - 1, walk.now));
  for (std::size_t i = 0; i < said->size(); ++i) {
    const auto& [from, value] = (*said)[i];
    const PageWord word{value};
    const Time end = i + 1 < said->size() ? (*said)[i + 1].from : never;
    const bool points = word.present() && !word.leaf() && depth != 0;
    const Time earliest = std::max({low, from, points ? pointers_from : walk.answers_from});
    const Time at = walk.first_moment(earliest);
    if (at == never || at >= end) continue;
    if (!word.present()) {
      const bool now = end > walk.now && walk.now == now_;
      if (walk.remembers || now) find(found, {}, at);
      continue;
    }
    const u64 address = points ? word.address() : word.address() + (walk.iova & (covers - 1));
    if (!users && points) {
      if (gone_since(address, from, walk.now)) {
        find(found, {.kind = End::Kind::wild}, at);
      } else {
        ends_in(walk, address, depth - 1, at, found);
      }
    } else if (!users) {
      find(found, {.kind = End::Kind::mapped, .leaf = value, .pa = address, .place = place}, at);
    } else {
      for (const auto& [outer, then] : through_outer(walk, address, at)) {
        if (points && outer.kind == End::Kind::mapped) {
          ends_in(walk, outer.pa, depth - 1, then, found);
        } else if (outer.kind == End::Kind::mapped) {
          find(found,
               {.kind = End::Kind::mapped,
                .leaf = value,
                .pa = outer.pa,
                .outer_leaf = outer.leaf,
                .ipa = address,
                .place = outer.place},
               then);
        } else {
          find(found, outer, then);
        }
      }
    }
  }
}

/// What the outer table may say of an intermediate address, at moments of the walk not before
/// `low`: by what is read then, and by what was cached of it until then.
Hardware::Ends Hardware::through_outer(const Walk& walk, u64 ipa, Time low) const {
  Ends all;
  const Tables by{.root = walk.by.outer, .levels = walk.by.outer_levels};
  if ((ipa >> covers_lg2(by.levels)) != 0) {
    find(all, {.kind = End::Kind::outer_not_mapped}, low);
    return all;
  }
  for (const Time until : before_drops(by, low, walk.now)) {
    Ends ends;
    ends_at(by, ipa, until, walk.outer_from, ends);
    for (const auto& [end, found] : ends) {
      const Time at = walk.first_moment(std::max(low, found));
      if (at > until) continue;
      End its = end;
      if (end.kind == End::Kind::not_mapped) its.kind = End::Kind::outer_not_mapped;
      find(all, its, at);
    }
  }
  return all;
}

/// When the last command was sent that has taken both what a user's table made and what its outer
/// one did, at one moment: neither comes back by the other.
Hardware::Time Hardware::last_drop_of_both(const Tables& by, Time now) const {
  const Tables outer{.root = by.outer};
  Time last = 0;
  for (const Command& command : commands_) {
    const bool whole =
        command.kind == CommandKind::drop_all || command.kind == CommandKind::drop_root;
    if (whole && command.complete <= now && takes(command, outer, 0, ~u64{0})) last = command.sent;
  }
  return last;
}

/// All that the caches of the IOMMU may have had for the page at `now`: filled then, or before any
/// of the commands that have taken pointers away since. Nothing of it is older than `low`.
void Hardware::ends_at(const Tables& by, u64 iova, Time now, Time low, Ends& found) const {
  if ((iova >> covers_lg2(by.levels)) != 0) return find(found, {}, now);
  Walk walk{.by = by,
            .iova = iova,
            .now = now,
            .answers_from = std::max(low, last_drop(by, iova & page_mask, iova | mask(11, 0), now)),
            .outer_from = by.outer != 0 ? last_drop_of_both(by, now) : 0,
            .remembers = !by.cpus && by.outer == 0,
            .usable = usable(by)};
  for (const Time then : before_drops(by, walk.answers_from, now)) {
    walk.now = then;
    if (by.outer != 0) {
      ends_by_user(walk, found);
    } else {
      ends_in(walk, by.root, by.levels - 1, 0, found);
    }
  }
}

/// Where its root is, is asked and remembered as of any of its tables.
void Hardware::ends_by_user(const Walk& walk, Ends& found) const {
  const u64 last = mask(covers_lg2(walk.by.levels) - 1, 0);
  const Time low =
      walk.first_moment(std::max(walk.answers_from, last_drop(walk.by, 0, last, walk.now)));
  if (low == never) return;
  for (const auto& [outer, at] : through_outer(walk, walk.by.root, low)) {
    if (outer.kind == End::Kind::mapped) {
      ends_in(walk, outer.pa, walk.by.levels - 1, at, found);
    } else {
      find(found, outer, at);
    }
  }
}

Answer Hardware::answer_of(const End& end, const Tables& by, bool waits, Access access) {
  using Kind = Answer::Kind;
  switch (end.kind) {
    case End::Kind::wild: return {Kind::wild};
    case End::Kind::inside: return {Kind::inside};
    case End::Kind::outer_not_mapped: return {Kind::outer_not_mapped};
    case End::Kind::not_mapped:
      if (by.passes_inner) return {Kind::outer_not_mapped};
      return {waits ? Kind::waits : Kind::not_mapped};
    case End::Kind::mapped: break;
  }
  const auto has_right = [&](const PageWord& leaf) {
    return access == Access::read || (access == Access::write ? leaf.write() : leaf.execute());
  };
  const PageWord leaf{end.leaf};
  if (by.passes_inner) {
    if (!has_right(leaf)) return {Kind::outer_denied};
    return {Kind::address, end.pa};
  }
  if (!leaf.user() || !has_right(leaf)) return {waits ? Kind::waits : Kind::denied};
  if (end.outer_leaf == 0) return {Kind::address, end.pa};
  if (!has_right(PageWord{end.outer_leaf})) return {Kind::outer_denied};
  return {Kind::address, end.pa, end.ipa};
}

/// Of a write that passes: the word that it marks, 0: none. Nothing: memory says something else by
/// now, and it walks anew.
std::optional<u64> Hardware::mark_of(const End& end, Access access) const {
  const PageWord leaf{end.outer_leaf != 0 ? end.outer_leaf : end.leaf};
  if (!marks_ || access != Access::write || !leaf.tracks() || leaf.written()) return 0;
  const u64 now = newest(end.place);
  if (((now ^ leaf.word) & ~PageWord::written_bit) != 0) return std::nullopt;
  return PageWord{now}.written() ? 0 : end.place;
}

/// Where accesses of the stream to the address end now, whatever they want; kept for those of
/// another kind, until something happens.
const std::vector<Hardware::Met>& Hardware::met(const Stream& stream, const Who& who, u64 iova) {
  if (who.pasid != no_pasid && pasids_.insert(who.pasid).second) refresh();
  if (known_.at == now_ && known_.who == who && known_.iova == iova) return known_.met;
  known_.at = now_;
  known_.who = who;
  known_.iova = iova;
  known_.met.clear();
  Time cached_from = 0;  // by the device
  for (const Command& command : commands_) {
    const bool drops = command.kind == CommandKind::drop_device && command.complete != never;
    if (drops && who_of(command.a) == who && overlap(iova, iova, command.b, command.c)) {
      cached_from = std::max(cached_from, command.sent);
    }
  }
  for (const Lead& lead : leads_) {
    if (lead.who != who) continue;
    if (lead.to == never) meet_by(lead, stream, iova);
    const EntryWord entry{lead.entry};
    if (stream.caches && lead.translates() && !entry.users() && lead.to > cached_from) {
      meet_cached(lead, cached_from, iova);
    }
  }
  return known_.met;
}

/// The way that accesses take now.
void Hardware::meet_by(const Lead& lead, const Stream& stream, u64 iova) {
  using Kind = Answer::Kind;
  const EntryWord entry{lead.entry};
  const auto add = [&](const Answer& answer) { known_.met.push_back({.always = answer}); };
  if (lead.wild) add({Kind::wild});
  if (lead.way == Way::blocked) add({Kind::blocked});
  if (lead.way == Way::untranslated) add({Kind::address, iova});
  if (lead.way == Way::table && !entry.valid()) add({Kind::no_entry});
  if (lead.way == Way::table && entry.valid() && entry.quiet()) add({Kind::quiet});
  if (!lead.translates()) return;
  const Tables by = tables_of(lead);
  const bool waits = entry.waits() && !entry.users() && stream.can_wait;
  Ends ends;
  ends_at(by, iova, now_, 0, ends);
  for (const auto& [end, at] : ends) known_.met.push_back({.end = end, .by = by, .waits = waits});
}

/// What the device may have cached while the way was there.
void Hardware::meet_cached(const Lead& lead, Time cached_from, u64 iova) {
  const Tables by = tables_of(lead);
  const Time first = std::max(lead.from, cached_from);
  const Time last = std::min(lead.to - 1, now_);
  if (first > last) return;
  Ends ends;
  for (const Time then : before_drops(by, first, last)) ends_at(by, iova, then, 0, ends);
  for (const auto& [end, at] : ends) known_.met.push_back({.end = end, .by = by, .cached = true});
}

std::set<Answer> Hardware::answers(const Who& who, u64 iova, Access access) {
  using Kind = Answer::Kind;
  const Stream* its = stream(who.stream);
  if (its == nullptr || (registers_[reg::control] & 1) == 0) return {{Kind::blocked}};
  std::set<Answer> all;
  for (const Met& one : met(*its, who, iova)) {
    if (one.always) {
      all.insert(*one.always);
      continue;
    }
    Answer answer = answer_of(one.end, one.by, one.waits, access);
    if (one.cached && answer.kind != Kind::address && answer.kind != Kind::wild) continue;
    if (answer.kind == Kind::address) {
      const auto mark = mark_of(one.end, access);
      if (!mark && !one.cached) continue;
      answer.mark = mark.value_or(0);
      if (one.by.passes_inner) answer.ipa = iova;
    }
    all.insert(answer);
  }
  return all;
}

// ---- devices that go, walkers of their own, records, page requests ------------------------------

void Hardware::remove(u32 id) {
  ++now_;
  std::erase_if(streams_, [&](const Stream& one) { return one.id == id; });
  std::erase_if(devices_, [&](const DeviceItem& item) { return item.stream == id; });
  for (Lead& lead : leads_) {
    if (lead.who.stream == id && lead.to == never) lead.to = now_;
  }
}

void Hardware::walker_switches(u32 walker, u64 root, unsigned levels) {
  ++now_;
  walkers_[walker] = {EntryWord{root | (levels == 4 ? u64{1} << 4 : 0)}, now_};
  if (root == 0) walkers_.erase(walker);
}

void Hardware::walker_flushes(u32 walker) {
  const auto at = walkers_.find(walker);
  if (at != walkers_.end()) at->second.second = ++now_;
}

std::set<Answer> Hardware::walker_answers(u32 walker, u64 iova, Access access) const {
  const auto at = walkers_.find(walker);
  if (at == walkers_.end()) return {{Answer::Kind::wild}};
  const auto& [entry, since] = at->second;
  if ((iova >> covers_lg2(entry.levels())) != 0) return {{Answer::Kind::not_mapped}};
  std::set<Answer> all;
  if (gone_since(entry.root(), since, now_)) all.insert({Answer::Kind::wild});
  const Tables by{.root = entry.root(), .levels = entry.levels()};
  const Walk walk{.by = by,
                  .iova = iova,
                  .now = now_,
                  .answers_from = since,
                  .own = true,
                  .remembers = false,
                  .usable = {{since, never}}};
  Ends ends;
  ends_in(walk, by.root, by.levels - 1, 0, ends);
  for (const auto& [end, first] : ends) all.insert(answer_of(end, by, false, access));
  return all;
}

std::optional<Hardware::Record> Hardware::record_of(const Who& who, u64 iova, Access access,
                                                    Answer::Kind kind) const {
  const bool outer = kind == Answer::Kind::outer_not_mapped || kind == Answer::Kind::outer_denied;
  const bool denied = kind == Answer::Kind::denied || kind == Answer::Kind::outer_denied;
  if (!outer && !denied && kind != Answer::Kind::not_mapped) return std::nullopt;
  Record record{};
  record[0] = static_cast<u64>(denied ? EventKind::denied : EventKind::not_mapped);
  record[0] |= (outer ? 4U : 0U) | u64{1} << (EventWord::rights_lsb + static_cast<u8>(access));
  if (who.pasid != no_pasid) record[0] |= u64{1} << 11 | u64{who.pasid} << 12;
  record[0] |= u64{who.stream} << 32;
  record[1] = iova;
  for (const Lead& lead : leads_) {
    if (lead.to != never || lead.who != who || lead.way != Way::table) continue;
    const Tables by = tables_of(lead);
    record[2] = by.outer != 0 ? by.outer : by.root;
  }
  return record;
}

u64 Hardware::request(const Who& who, u64 iova, Access access, u64 index, bool last) {
  const u64 id = ++requests_;
  Request one{.group = id, .who = who, .index = index, .page = iova & page_mask, .last = last};
  one.page |= u64{1} << static_cast<unsigned>(access) | (last ? u64{8} : 0);
  // A group goes on as long as its last one has not come.
  for (const auto& [other, request] : waiting_) {
    if (request.who == who && request.index == index) one.group = request.last ? id : request.group;
  }
  waiting_[id] = one;
  untaken_.push_back(id);
  return id;
}

u64 Hardware::group_of(u64 id) const {
  const auto at = waiting_.find(id);
  return at == waiting_.end() ? 0 : at->second.group;
}

void Hardware::respond(u64 group, ResponseCode code) {
  bool any = false;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (at->second.group != group) {
      ++at;
      continue;
    }
    any = true;
    responses_.push_back({at->first, group, code});
    std::erase(untaken_, at->first);
    at = waiting_.erase(at);
  }
  if (!any) strays_.push_back(group);
}

}  // namespace iommucheck::spec::two
