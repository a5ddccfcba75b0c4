// SPDX-License-Identifier: MIT
#include "spec/sva/account.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/text.h"

namespace iommucheck::spec::sva {

namespace {

std::string range_text(u64 first, u64 last) { return "[" + hex(first) + ", " + hex(last) + "]"; }

std::string named(const char* name, u64 value) {
  return std::string(" ") + name + " " + std::to_string(value);
}

std::string pending_name(u32 kind) {
  if (kind == records::invalidate_in_progress) return "Invalidate";
  if (kind == records::release_in_progress) return "Release";
  return std::string(call_name(static_cast<CallKind>(kind)));
}

void add_leaks_of_space(const InterfaceState& s, const Space& space, std::vector<Leak>& leaks) {
  if (is_environments(space)) return;
  const bool is_living = space.life == records::living;
  const bool is_private = space.owner == Owner::private_pasid;
  const u32 pasid = space.number == 0 ? pasid_unknown : s.numbers[space.number].value;
  Leak leak{.kind = is_private ? Leak::Kind::io_mm : Leak::Kind::domain,
            .handle = space.handle,
            .device = space.maker,
            .first = 0,
            .last = whole_space,
            .pasid = pasid};
  if (!is_living) leak.kind = Leak::Kind::quarantined;
  if (space.owner == Owner::task) {
    leak.kind = Leak::Kind::token;
    return leaks.push_back(leak);
  }
  leaks.push_back(leak);
  s.forest.for_each(space.stale, 0, whole_space, [&](const Interval& piece) {
    leak.kind =
        piece.tag == records::gathered ? Leak::Kind::not_synchronised : Leak::Kind::quarantined;
    leak.first = piece.first;
    leak.last = piece.last;
    leaks.push_back(leak);
  });
}

void add_leaks_of_device(const InterfaceState& s, u32 i, std::vector<Leak>& leaks) {
  const Device& device = s.devices[i];
  if (device.domain != 0) {
    leaks.push_back({.kind = Leak::Kind::attached_device, .handle = s.domain_of(i), .device = i});
  }
  s.for_each_attachment([&](u32 a) {
    const Attachment& at = s.attachments[a];
    if (at.device != i || at.domain == 0) return;
    leaks.push_back({.kind = Leak::Kind::attached_device,
                     .handle = s.spaces[at.domain].handle,
                     .device = i,
                     .pasid = s.numbers[at.number].value});
  });
  for (u32 g = device.ghosts; g != 0; g = s.ghosts[g].next) {
    leaks.push_back({.kind = Leak::Kind::quarantined,
                     .handle = s.spaces[s.ghosts[g].domain].handle,
                     .device = i,
                     .first = 0,
                     .last = whole_space});
  }
}

void add_leaks_of_number(const InterfaceState& s, const Number& number, std::vector<Leak>& leaks) {
  Leak leak{.kind = Leak::Kind::pasid, .pasid = number.value};
  if (number.state == NumberState::plain) leaks.push_back(leak);
  if (number.state == NumberState::doubtful) {
    leak.kind = Leak::Kind::quarantined_pasid;
    leaks.push_back(leak);
  }
  for (u32 b = number.bonds; b != 0; b = s.bonds[b].next) {
    const Bond& bond = s.bonds[b];
    const bool held = bond.state == BondState::overdue || bond.state == BondState::failed ||
                      bond.state == BondState::ended;
    leak.kind = held ? Leak::Kind::quarantined_pasid : Leak::Kind::bond;
    leak.device = bond.device;
    if (bond.state != BondState::ghost) leaks.push_back(leak);
  }
}

}  // namespace

/// SEMANTICS 5.
std::vector<Leak> leaks(const InterfaceState& s) {
  std::vector<Leak> leaks;
  s.for_each_space([&](u32 i) { add_leaks_of_space(s, s.spaces[i], leaks); });
  for (u32 i = 1; i < s.tokens.bound(); ++i) {
    const Token& token = s.tokens[i];
    if (token.handle == 0 || token.space != 0) continue;
    leaks.push_back({.kind = Leak::Kind::token, .handle = token.handle, .device = token.device});
  }
  for (u32 i = 0; i < s.devices.size(); ++i) add_leaks_of_device(s, i, leaks);
  s.forest.for_each(s.number_at, 0, pasid_limit - 1, [&](const Interval& piece) {
    add_leaks_of_number(s, s.numbers[piece.tag], leaks);
  });
  s.for_each_unseen([&](const Unseen& record) {
    if (record.count == 0) return;
    leaks.push_back(
        {.kind = Leak::Kind::quarantined_pasid, .device = record.device, .pasid = pasid_unknown});
  });
  return leaks;
}

std::string leak_text(const Leak& leak) {
  const std::string domain = "domain " + hex(leak.handle);
  const std::string pasid =
      leak.pasid == pasid_unknown ? "an unknown PASID" : "PASID " + std::to_string(leak.pasid);
  const std::string device = "device " + std::to_string(leak.device);
  switch (leak.kind) {
    case Leak::Kind::domain: return domain + " is not freed";
    case Leak::Kind::attached_device: return device + " is attached to " + domain;
    case Leak::Kind::not_synchronised:
      return hex(leak.handle) + ": " + range_text(leak.first, leak.last) + " is not synchronised";
    case Leak::Kind::quarantined:
      return hex(leak.handle) + ": " + range_text(leak.first, leak.last) +
             " is held after a time-out";
    case Leak::Kind::io_mm: return "io_mm " + hex(leak.handle) + ", " + pasid + ", is not freed";
    case Leak::Kind::pasid: return pasid + " is not freed";
    case Leak::Kind::bond: return device + " is bound at " + pasid;
    case Leak::Kind::token:
      return "token " + hex(leak.handle) + " of " + device + " is not given back";
    case Leak::Kind::queue:
      return "queue " + hex(leak.handle) +
             (leak.device == no_device ? std::string() : " of " + device) + " is not closed";
    case Leak::Kind::quarantined_pasid: return pasid + " is in quarantine";
  }
  return "";
}

namespace {

/// Numbers that calls which timed out may have given, and nobody is known to have: no more than are
/// free where these calls could take them.
u32 unseen_numbers(const InterfaceState& s) {
  u64 given = 0;
  std::vector<std::pair<u64, u64>> ranges;  // first, last
  s.for_each_unseen([&](const Unseen& record) {
    given += record.count;
    ranges.emplace_back(record.first, record.last);
  });
  std::ranges::sort(ranges);
  u64 free = 0;
  u64 from = 0;  // below it all is looked at
  for (const auto& [first, last] : ranges) {
    const u64 begin = std::max(first, from);
    if (begin > last) continue;
    free += last - begin + 1;
    s.forest.for_each(s.number_at, begin, last, [&](const Interval& piece) {
      if (s.numbers[piece.tag].state == NumberState::free) return;
      free -= std::min(piece.last, last) - std::max(piece.first, begin) + 1;
    });
    from = last + 1;
  }
  return static_cast<u32>(std::min(given, free));
}

}  // namespace

Held held(const InterfaceState& s) {
  Held held;
  s.for_each_space([&](u32 i) {
    if (s.spaces[i].life != records::living) return;
    if (s.spaces[i].owner == Owner::domain) ++held.domains;
    if (s.spaces[i].owner == Owner::private_pasid) {
      ++held.io_mms;
      if (s.spaces[i].number == 0) ++held.pasids;
    }
  });
  s.forest.for_each(s.number_at, 0, pasid_limit - 1, [&](const Interval& piece) {
    const NumberState state = s.numbers[piece.tag].state;
    if (state == NumberState::doubtful) ++held.doubtful_pasids;
    if (state != NumberState::doubtful && state != NumberState::free) ++held.pasids;
    if (state == NumberState::bound) ++held.process_io_mms;
  });
  s.for_each_bond([&](u32 i) {
    if (is_callers(s.bonds[i])) ++held.bonds;
  });
  for (u32 i = 1; i < s.tokens.bound(); ++i) {
    if (s.tokens[i].handle != 0) ++held.tokens;
  }
  for (u32 i = 1; i < s.queues.bound(); ++i) {
    if (s.queues[i].handle != 0) ++held.queues;
  }
  held.doubtful_pasids += unseen_numbers(s);
  return held;
}

namespace {

void dump_intervals(const InterfaceState& s, const char* name, u64 root, std::string& text) {
  s.forest.for_each(root, 0, whole_space, [&](const Interval& piece) {
    text += std::string("  ") + name + " " + range_text(piece.first, piece.last) + " pa " +
            hex(piece.pa) + " prot " + hex(piece.prot) + " tag " + std::to_string(piece.tag) + "\n";
  });
}

void dump_device(const InterfaceState& s, u32 i, std::string& text) {
  const Device& device = s.devices[i];
  text += "device " + std::to_string(i) + named("present", device.present) +
          named("domain", device.domain);
  if (device.initialised != 0) {
    text += named("features", device.features) + named("pasids from", device.first_pasid) +
            named("to", device.last_pasid) + named("mm_exit", device.has_mm_exit);
  }
  for (u32 g = device.ghosts; g != 0; g = s.ghosts[g].next) {
    text += named("ghost", s.ghosts[g].domain);
  }
  if (device.requests != records::Requests::on) {
    text += named("requests", static_cast<u64>(device.requests));
  }
  if (device.silence != records::Silence::none) {
    text += named("silence", static_cast<u64>(device.silence));
  }
  if (device.own_table != records::OwnTable::no) {
    text += named("own table", static_cast<u64>(device.own_table));
  }
  s.for_each_attachment([&](u32 a) {
    const Attachment& at = s.attachments[a];
    if (at.device != i) return;
    text += named("pasid", s.numbers[at.number].value) + named("to", at.domain);
    for (u32 g = at.ghosts; g != 0; g = s.ghosts[g].next) text += named("or", s.ghosts[g].domain);
  });
  text += "\n";
}

void dump_space(const InterfaceState& s, u32 i, std::string& text) {
  const Space& space = s.spaces[i];
  // What a user writes into its own memory is no state of the interface's.
  if (space.owner == Owner::user) return;
  text += "space " + std::to_string(i) + named("owner", static_cast<u64>(space.owner)) +
          " handle " + hex(space.handle) + named("kind", space.kind) + named("life", space.life) +
          named("bits", space.input_bits) + named("and", space.output_bits) + " page sizes " +
          hex(space.page_sizes) + named("devices", space.devices) + named("ghosts", space.ghosts) +
          " added " + range_text(space.added_first, space.added_last) +
          named("number", space.number == 0 ? 0 : s.numbers[space.number].value + 1) +
          named("domain", space.domain) + named("maker", space.maker);
  for (u32 l = space.links; l != 0; l = s.links[l].next) text += named("link", s.links[l].device);
  text += "\n";
  dump_intervals(s, "map", space.map, text);
  dump_intervals(s, "stale", space.stale, text);
  for (const u64 layer : space.older) dump_intervals(s, "older", layer, text);
  if (space.tracked != 0) text += "  tracked" + named("asked", space.asked) + "\n";
  dump_intervals(s, "written", space.written, text);
  dump_intervals(s, "maybe", space.maybe, text);
  dump_intervals(s, "meanwhile", space.meanwhile, text);
}

void dump_number(const InterfaceState& s, const Number& number, std::string& text) {
  if (number.state == NumberState::free) return;
  text += "pasid " + std::to_string(number.value) + named("state", static_cast<u64>(number.state)) +
          named("space", number.space) + named("further", number.further) + "\n";
  for (u32 b = number.bonds; b != 0; b = s.bonds[b].next) {
    const Bond& bond = s.bonds[b];
    text += "  bond" + named("device", bond.device) + " drvdata " + hex(bond.drvdata) +
            named("refs", bond.refs) + named("state", static_cast<u64>(bond.state)) +
            (bond.handled == 0 ? "" : " fault handler " + hex(bond.fault_word)) + "\n";
  }
}

void dump_tokens(const InterfaceState& s, std::string& text) {
  for (u32 i = 1; i < s.tokens.bound(); ++i) {
    const Token& token = s.tokens[i];
    if (token.handle == 0) continue;
    text += "token " + hex(token.handle) + named("device", token.device) +
            named("space", token.space) + named("bond", token.bond == 0 ? 0 : 1) +
            named("pasid", token.pasid) + "\n";
  }
}

void dump_queues(const InterfaceState& s, std::string& text) {
  for (u32 i = 1; i < s.queues.bound(); ++i) {
    const Queue& queue = s.queues[i];
    if (queue.handle == 0) continue;
    text += "queue " + hex(queue.handle) +
            (queue.parent != 0   ? named("of", queue.parent)
             : queue.domain != 0 ? named("domain", queue.domain)
                                 : named("device", queue.device)) +
            named("depth", queue.depth) + "\n";
  }
}

void dump_user_events(const InterfaceState& s, std::string& text) {
  s.for_each_user_event([&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (s.event_queue_of(event.parent) == 0) return;
    text += "event" + named("of", event.parent) + named("device", event.device) +
            named("state", static_cast<u64>(event.state)) + named("unsure", event.unsure) +
            named("tight", event.tight) + named("number", event.number) + " order " +
            hex(event.order) + "\n";
  });
}

void dump_faults(const InterfaceState& s, std::string& text) {
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    if (fault.queue == 0 && fault.state != FaultState::begun) return;
    text += "fault at " + hex(fault.iova) + named("device", fault.device) +
            named("pasid", fault.pasid) + named("prot", fault.prot) +
            named("state", static_cast<u64>(fault.state)) + named("unsure", fault.unsure) +
            named("group", fault.group) + named("told", fault.told) +
            (fault.user == 0 ? "" : named("user", fault.user) + named("loose", fault.loose)) + "\n";
  });
}

void dump_walkers(const InterfaceState& s, std::string& text) {
  for (u32 i = 0; i < s.walkers.size(); ++i) {
    text += "walker" + named("", s.walkers[i].number) + named("space", s.walkers[i].space) +
            named("flushed", s.walkers[i].flushed) + "\n";
  }
  for (u32 i = 0; i < s.kept_by_walkers.size(); ++i) {
    const records::KeptByWalker& kept = s.kept_by_walkers[i];
    text += "kept by walker" + named("", kept.walker) + " " + hex(kept.first) + " to " +
            hex(kept.last) + " at " + hex(kept.pa) + named("prot", kept.prot) + "\n";
  }
}

void dump_virtual_devices(const InterfaceState& s, std::string& text) {
  for (u32 i = 1; i < s.virtual_devices.bound(); ++i) {
    const VirtualDevice& its = s.virtual_devices[i];
    if (its.parent == 0) continue;
    text +=
        "number " + hex(its.number) + named("of", its.parent) + named("device", its.device) + "\n";
  }
}

void dump_unseen(const InterfaceState& s, std::string& text) {
  s.for_each_unseen([&](const Unseen& record) {
    text += "a pasid from" + named("", record.first) + named("to", record.last) +
            named("space", record.space) + named("domain", record.domain) +
            named("device", record.device) + named("times", record.count) + "\n";
  });
}

/// Calls that have begun.
void dump_tickets(const InterfaceState& s, std::string& text) {
  s.tickets.for_each([&](const Pending& pending) {
    text += "in " + pending_name(pending.kind) + named("space", pending.space) +
            named("device", pending.device) + named("bond", pending.bond) +
            named("gone", static_cast<u64>(pending.gone)) + " range " +
            range_text(pending.first, pending.last) + named("pasids", pending.first_pasid) +
            named("to", pending.last_pasid) + "\n";
    dump_intervals(s, "fresh", pending.fresh, text);
  });
}

}  // namespace

std::string dump(const InterfaceState& s) {
  std::string text;
  for (u32 i = 0; i < s.devices.size(); ++i) dump_device(s, i, text);
  s.for_each_space([&](u32 i) { dump_space(s, i, text); });
  s.forest.for_each(s.number_at, 0, pasid_limit - 1,
                    [&](const Interval& piece) { dump_number(s, s.numbers[piece.tag], text); });
  dump_tokens(s, text);
  dump_queues(s, text);
  dump_user_events(s, text);
  dump_faults(s, text);
  dump_walkers(s, text);
  dump_virtual_devices(s, text);
  dump_unseen(s, text);
  dump_intervals(s, "handle", s.handles, text);
  dump_intervals(s, "process", s.processes, text);
  dump_tickets(s, text);
  return text;
}

std::string dump_with_history(const InterfaceState& s) {
  std::string text = dump(s) + "clock" + named("", s.changes) + "\n";
  const auto handles = [&](const char* name, u64 root) {
    s.forest.for_each(root, 0, whole_space, [&](const Interval& piece) {
      text += name + range_text(piece.first, piece.last) + named("is", piece.tag) + "\n";
    });
  };
  handles("freed domain ", s.freed_handles);
  handles("io_mm ", s.io_mms);
  handles("freed io_mm ", s.freed_io_mms);
  handles("queue ", s.queue_at);
  handles("freed queue ", s.freed_queues);
  for (u32 i = 1; i < s.queues.bound(); ++i) {
    if (s.queues[i].handle != 0) handles("group ", s.queues[i].given);
  }
  s.for_each_waiting([&](u32 i) {
    text += "waits" + named("device", s.waitings[i].device) + named("sid", s.waitings[i].sid) +
            named("stag", s.waitings[i].stag) + named("order", s.waitings[i].order) + "\n";
  });
  s.for_each_space([&](u32 i) {
    if (s.spaces[i].table != 0)
      text += std::to_string(i) + " table " + hex(s.spaces[i].table) + "\n";
  });
  s.forest.for_each(s.number_at, 0, pasid_limit - 1, [&](const Interval& piece) {
    const Number& number = s.numbers[piece.tag];
    text += "pasid " + std::to_string(number.value) + named("freed at", number.freed_at) +
            named("from", number.freed_from) + "\n";
  });
  return text;
}

}  // namespace iommucheck::spec::sva
