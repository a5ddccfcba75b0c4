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
  u64 root = 0;
  u64 iova = 0;
  Time now = 0;
  Time answers_from = 0;  ///< what is cached of the page itself is not older
  bool own = false;       ///< a walker's, which no command reaches
  bool remembers = true;  ///< that something is not mapped
  std::vector<std::pair<Time, Time>> usable;
};

Hardware::Hardware(std::vector<Stream> streams, unsigned pasid_bits)
    : streams_(std::move(streams)), pasid_bits_(pasid_bits) {}

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
      free &= !leads_into(entry.root(), entry.levels() - 1, entry.root(), 0, 0, pa, bytes);
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
bool Hardware::leads_into(u64 table, unsigned depth, u64 root, u64 base, Time low, u64 pa,
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
      if (dropped == never)
        dropped = std::max(low, last_drop(root, first, first + covers - 1, now_));
      const Time end = v + 1 < said->size() ? (*said)[v + 1].from : never;
      if (end <= dropped || gone_since(word.address(), (*said)[v].from, now_)) continue;
      if (leads_into(word.address(), depth - 1, root, first, low, pa, bytes)) return true;
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
    case reg::argument_c: registers_[offset] = value; return;
    case reg::command:
      wrong_ |= value < 1 || value > static_cast<u64>(CommandKind::respond);
      commands_.push_back({static_cast<CommandKind>(value), registers_[reg::argument_a],
                           registers_[reg::argument_b], registers_[reg::argument_c], now_});
      return;
    case reg::request_take:
      if (!untaken_.empty()) untaken_.erase(untaken_.begin());
      return;
    default: wrong_ = true;
  }
}

u64 Hardware::read(u64 offset) {
  const u64 oldest = untaken_.empty() ? 0 : untaken_.front();
  const auto request = waiting_.find(oldest);
  switch (offset) {
    case reg::identity: return 44 | u64{48} << 8 | u64{pasid_bits_} << 16;
    case reg::done:
      if (!stuck_) complete_all();
      return completed_;
    case reg::request: return request == waiting_.end() ? 0 : request->second.group;
    case reg::request_who: return request == waiting_.end() ? 0 : word_of(request->second.who);
    case reg::request_iova: return request == waiting_.end() ? 0 : request->second.page;
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
      if (lead.way == Way::table) lead.entry = newest(device.table());
    } else if (device.reaches(who.pasid)) {
      const u64 pointer = newest(pointer_at(device.table(), who.pasid));
      if ((pointer & 1) != 0) lead.entry = newest(entry_at(pointer & page_mask, who.pasid));
      const EntryWord entry{lead.entry};
      if (entry.valid() && !entry.quiet() && entry.untranslated()) lead.way = Way::untranslated;
    }
  }
  for (Lead& known : leads_) {
    if (known.to != never || known.who != who || known.by != lead.by) continue;
    if (known.way != lead.way || known.entry != lead.entry || known.wild != lead.wild) continue;
    known.until = never;
    return;
  }
  leads_.push_back(lead);
}

/// When some way led to the table, as moments [from, to).
std::vector<std::pair<Hardware::Time, Hardware::Time>> Hardware::usable(u64 root) const {
  std::vector<std::pair<Time, Time>> all;
  for (const Lead& lead : leads_) {
    const EntryWord entry{lead.entry};
    const bool walks = lead.way == Way::table && entry.valid() && !entry.quiet();
    if (walks && entry.root() == root) all.emplace_back(lead.from, lead.to);
  }
  return all;
}

/// When the last command was sent that was complete by `now` and covers a part of the range.
Hardware::Time Hardware::last_drop(u64 root, u64 first, u64 last, Time now) const {
  for (std::size_t i = completed_; i-- > 0;) {
    const Command& command = commands_[i];
    if (command.complete > now) continue;
    if (command.kind == CommandKind::drop_all) return command.sent;
    const bool its = command.kind == CommandKind::drop_range && command.a == root;
    if (its && overlap(first, last, command.b, command.c)) return command.sent;
  }
  return 0;
}

// ---- walks --------------------------------------------------------------------------------------

/// Rule 3 level by level: what was read at a moment not before `low`, the moment of the level
/// above.
void Hardware::ends_in(const Walk& walk, u64 table, unsigned depth, Time low,
                       std::set<End>& found) const {
  const u64 place = word_at(table, walk.iova, depth);
  const std::vector<Version>* said = versions(place);
  if (said == nullptr || said->empty()) {
    found.insert({.wild = true});
    return;
  }
  const u64 covers = u64{1} << covers_lg2(depth);
  const u64 base = walk.iova & ~(covers - 1);
  // What has taken the page's answer along has taken the ways to it along.
  const Time pointers_from =
      walk.own
          ? walk.answers_from
          : std::max(walk.answers_from, last_drop(walk.root, base, base + covers - 1, walk.now));
  for (std::size_t i = 0; i < said->size(); ++i) {
    const auto& [from, value] = (*said)[i];
    const PageWord word{value};
    const Time end = i + 1 < said->size() ? (*said)[i + 1].from : never;
    const bool points = word.present() && !word.leaf() && depth != 0;
    const Time earliest = std::max({low, from, points ? pointers_from : walk.answers_from});
    Time at = never;
    for (const auto& [begin, until] : walk.usable) {
      const Time moment = std::max(earliest, begin);
      if (moment < until && moment < end && moment <= walk.now) at = std::min(at, moment);
    }
    if (at == never) continue;
    if (points) {
      if (gone_since(word.address(), from, walk.now)) {
        found.insert({.wild = true});
      } else {
        ends_in(walk, word.address(), depth - 1, at, found);
      }
    } else if (word.present()) {
      found.insert({.leaf = value, .pa = word.address() + (walk.iova & (covers - 1))});
    } else if (walk.remembers || (end > walk.now && walk.now == now_)) {
      found.insert(End{});
    }
  }
}

/// All that the caches of the IOMMU may have had for the page at `now`: filled then, or before any
/// of the commands that have taken pointers away since.
void Hardware::ends_at(u64 entry_word, u64 iova, Time now, std::set<End>& found) const {
  const EntryWord entry{entry_word};
  if ((iova >> covers_lg2(entry.levels())) != 0) {
    found.insert(End{});
    return;
  }
  Walk walk{.root = entry.root(),
            .iova = iova,
            .now = now,
            .answers_from = 0,
            .remembers = !entry.cpus(),
            .usable = usable(entry.root())};
  walk.answers_from = last_drop(walk.root, iova & page_mask, iova | mask(11, 0), now);
  ends_in(walk, walk.root, entry.levels() - 1, 0, found);
  for (const Command& command : commands_) {
    const bool its = command.kind == CommandKind::drop_range && command.a == walk.root;
    if (!its || command.complete > now || command.complete <= walk.answers_from) continue;
    walk.now = command.complete - 1;
    ends_in(walk, walk.root, entry.levels() - 1, 0, found);
  }
}

Answer Hardware::answer_of(const End& end, bool waits, Access access) {
  using Kind = Answer::Kind;
  if (end.wild) return {Kind::wild};
  const PageWord leaf{end.leaf};
  if (!leaf.present()) return {waits ? Kind::waits : Kind::not_mapped};
  const bool right =
      access == Access::read || (access == Access::write ? leaf.write() : leaf.execute());
  if (leaf.user() && right) return {Kind::address, end.pa};
  return {waits ? Kind::waits : Kind::denied};
}

std::set<Answer> Hardware::answers(const Who& who, u64 iova, Access access) {
  using Kind = Answer::Kind;
  const Stream* its = stream(who.stream);
  if (its == nullptr || (registers_[reg::control] & 1) == 0) return {{Kind::blocked}};
  if (who.pasid != no_pasid && pasids_.insert(who.pasid).second) refresh();
  std::set<Answer> all;
  Time cached_from = 0;  // by the device
  for (const Command& command : commands_) {
    const bool drops = command.kind == CommandKind::drop_device && command.complete != never;
    if (drops && who_of(command.a) == who && overlap(iova, iova, command.b, command.c)) {
      cached_from = std::max(cached_from, command.sent);
    }
  }
  const std::vector<Lead> leads = leads_;
  for (const Lead& lead : leads) {
    if (lead.who != who) continue;
    const EntryWord entry{lead.entry};
    const bool translates = lead.way == Way::table && entry.valid() && !entry.quiet();
    if (lead.to == never) {
      if (lead.wild) all.insert({Kind::wild});
      if (lead.way == Way::blocked) all.insert({Kind::blocked});
      if (lead.way == Way::untranslated) all.insert({Kind::address, iova});
      if (lead.way == Way::table && !entry.valid()) all.insert({Kind::no_entry});
      if (lead.way == Way::table && entry.valid() && entry.quiet()) all.insert({Kind::quiet});
      std::set<End> ends;
      if (translates) ends_at(lead.entry, iova, now_, ends);
      for (const End& end : ends) {
        all.insert(answer_of(end, entry.waits() && its->can_wait, access));
      }
    }
    if (!its->caches || !translates || lead.to <= cached_from) continue;
    const Time first = std::max(lead.from, cached_from);
    const Time last = std::min(lead.to - 1, now_);
    std::set<End> ends;
    if (first <= last) ends_at(lead.entry, iova, last, ends);
    for (const Command& command : commands_) {
      const bool drops = command.kind == CommandKind::drop_range && command.a == entry.root();
      const bool between = command.complete > first && command.complete <= last;
      if (drops && between) ends_at(lead.entry, iova, command.complete - 1, ends);
    }
    for (const End& end : ends) {
      const Answer answer = answer_of(end, false, access);
      if (answer.kind == Kind::address || answer.kind == Kind::wild) all.insert(answer);
    }
  }
  return all;
}

// ---- devices that go, walkers of their own, page requests ---------------------------------------

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
  const Walk walk{.root = entry.root(),
                  .iova = iova,
                  .now = now_,
                  .answers_from = since,
                  .own = true,
                  .remembers = false,
                  .usable = {{since, never}}};
  std::set<End> ends;
  ends_in(walk, walk.root, entry.levels() - 1, 0, ends);
  for (const End& end : ends) all.insert(answer_of(end, false, access));
  return all;
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
  wrong_ |= code > ResponseCode::failure;
  if (!any) strays_.push_back(group);
}

}  // namespace iommucheck::spec::two
