// SPDX-License-Identifier: MIT
#include "spec/sva/user_events.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "spec/sva/attachments.h"
#include "spec/sva/nested.h"

namespace iommucheck::spec::sva {

namespace {

void drop_event(InterfaceState& s, u32 index) {
  s.user_events.edit(s.trail, index) = {};
  s.user_events.release(s.trail, index);
}

/// visit(index) of those of a parent, the first recorded first, until it says false.
template <class Visit>
void events_in_order(const InterfaceState& s, u32 parent, Visit visit) {
  s.in_order(s.user_events, [&](const UserEvent& event) { return event.parent == parent; }, visit);
}

u32 find_event_queue(const InterfaceState& s, u64 handle) {
  const u32 queue = s.find_queue(handle);
  return queue != 0 && s.queues[queue].parent != 0 ? queue : 0;
}

bool is_lost(const UserEvent& event) { return event.state == EventState::lost; }
/// Whether the queue has it, or knows that it is missing.
bool is_sure(const UserEvent& event) {
  return event.unsure == 0 && event.state != EventState::reported;
}
/// Whether its place may be where the user is told that some are missing.
bool may_be_lost(const UserEvent& event) { return is_lost(event) || event.tight != 0; }

std::optional<EventWords> told_words(const InterfaceState& s, const UserEvent& event) {
  if (is_lost(event) || event.numbered == 0) return std::nullopt;
  return s.user_format->event(event.words, event.number);
}

/// The place that is told: whatever stands before it may not be there.
u32 find_given(const InterfaceState& s, u32 queue, const EventRead& given, u32* owed) {
  u32 found = 0;
  events_in_order(s, s.queues[queue].parent, [&](u32 i) {
    const UserEvent& event = s.user_events[i];
    const bool same =
        given.lost ? may_be_lost(event) : told_words(s, event) == std::optional(given.words);
    if (same) {
      found = i;
      return false;
    }
    if (!is_sure(event)) return true;
    if (owed != nullptr) *owed = i;
    return false;
  });
  return found;
}

std::string event_text(const EventWords& words) {
  std::string text;
  for (const u64 word : words) text += (text.empty() ? "" : " ") + hex(word);
  return text;
}

void make_unsure(InterfaceState& s, u32 index) {
  if (s.user_events[index].unsure == 0) s.user_events.edit(s.trail, index).unsure = 1;
}

}  // namespace

// --- open ---

Permitted permitted_event_queue_open(const InterfaceState& s, const Call& call,
                                     Circumstances around) {
  Permitted set;
  const u32 parent = s.find_stage2(call.domain);
  if (parent == 0) set.add(Reason::the_parent_is_no_stage_2_domain);
  if (call.depth == 0) set.add(Reason::no_event_has_a_place_in_it);
  if (call.depth > event_depth_max) set.add(Reason::no_event_queue_is_that_deep);
  if (parent != 0 && s.event_queue_of(parent) != 0) set.add(Reason::the_user_has_an_event_queue);
  if (!set.empty()) return set;
  if (s.user_format == nullptr) set.add(Reason::the_backend_may_not_have_it);
  set.add(Reason::done, ValueRule::new_handle);
  may_lack_memory(set, around);
  return set;
}

void apply_event_queue_open(InterfaceState& s, const Call& call, const Observed& observed) {
  if (observed.status != Status::ok) return;
  const u32 parent = s.find_stage2(call.domain);
  const u32 index = s.queues.allocate(
      s.trail,
      {.handle = observed.value, .device = no_device, .depth = call.depth, .parent = parent});
  s.forest.erase(s.freed_queues, observed.value, observed.value);
  s.forest.insert(s.queue_at, {.first = observed.value, .last = observed.value, .tag = index});
  // Those that nobody has read yet may go there, or find it full.
  u32 unread = 0;
  s.for_each_user_event([&](u32 i) { unread += s.user_events[i].parent == parent ? 1 : 0; });
  s.for_each_user_event([&](u32 i) {
    if (s.user_events[i].parent != parent) return;
    make_unsure(s, i);
    if (unread > call.depth) s.user_events.edit(s.trail, i).tight = 1;
  });
}

// --- read ---

Permitted permitted_event_read(const InterfaceState& s, const Call& call) {
  Permitted set;
  const u32 queue = find_event_queue(s, call.queue);
  if (queue == 0) {
    set.add(Reason::no_such_queue);
    return set;
  }
  bool may_be_empty = true;
  events_in_order(s, s.queues[queue].parent, [&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (told_words(s, event)) set.add(Reason::the_oldest_unread_event);
    if (may_be_lost(event)) set.add(Reason::events_are_missing);
    may_be_empty = !is_sure(event);
    return may_be_empty;
  });
  if (may_be_empty) set.add(Reason::no_event_is_known_to_be_there);
  return set;
}

std::string check_event(const InterfaceState& s, const Call& call, const EventRead& given) {
  const u32 queue = find_event_queue(s, call.queue);
  u32 owed = 0;
  if (given.lost && given.words != EventWords{}) return "a record beside what is missing";
  if (find_given(s, queue, given, &owed) != 0) return "";
  const std::string what = given.lost ? "that some are missing" : event_text(given.words);
  if (owed == 0) return "told is " + what + ", and no event was recorded that it could be of";
  const auto words = told_words(s, s.user_events[owed]);
  return "told is " + what + "; the oldest is " +
         (words ? event_text(*words) : std::string("that some are missing"));
}

std::optional<EventRead> oldest_event(const InterfaceState& s, u64 handle) {
  std::optional<EventRead> oldest;
  const u32 queue = find_event_queue(s, handle);
  if (queue == 0) return oldest;
  events_in_order(s, s.queues[queue].parent, [&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (const auto words = told_words(s, event)) oldest = {.words = *words};
    if (is_lost(event) && event.unsure == 0) oldest = {.lost = true};
    return !oldest;
  });
  return oldest;
}

namespace {

/// What was told may be of a later one as well, that is the same: whoever stands up to there may be
/// gone.
void doubt_others_like(InterfaceState& s, u32 parent, const EventWords& words) {
  std::vector<u32> passed;
  events_in_order(s, parent, [&](u32 i) {
    const bool sure = is_sure(s.user_events[i]);
    passed.push_back(i);
    if (told_words(s, s.user_events[i]) == std::optional(words)) {
      for (const u32 one : passed) make_unsure(s, one);
      passed.clear();
    }
    return !sure;
  });
}

}  // namespace

/// One saying stands for all that are missing between two that are there.
void apply_event_read(InterfaceState& s, const Call& call, const Observed& observed) {
  if (observed.status != Status::ok) return;
  const u32 queue = find_event_queue(s, call.queue);
  const u32 parent = s.queues[queue].parent;
  const u32 index = find_given(s, queue, observed.event, nullptr);
  if (index == 0) return;
  const u64 order = s.user_events[index].order;
  const bool sure = is_sure(s.user_events[index]);
  s.for_each_user_event([&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (event.parent == parent && event.order <= order) drop_event(s, i);
  });
  if (!observed.event.lost) {
    if (!sure) doubt_others_like(s, parent, observed.event.words);
    return;
  }
  bool apart = false;
  events_in_order(s, parent, [&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (is_sure(event) && !is_lost(event)) return false;
    apart |= !is_lost(event);
    if (!apart) {
      drop_event(s, i);
    } else if (is_lost(event)) {
      make_unsure(s, i);
    }
    return true;
  });
}

void forget_events_of(InterfaceState& s, u32 parent) {
  s.for_each_user_event([&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (event.parent == parent && event.state != EventState::reported) drop_event(s, i);
  });
}

// --- what is recorded ---

/// Whether the device goes, or may have gone, from one domain to another.
bool is_on_the_move(const InterfaceState& s, u32 device) {
  bool moves = s.devices[device].ghosts != 0 || s.tickets.overflowed();
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    const bool of_device = kind == CallKind::attach || kind == CallKind::detach;
    moves |= of_device && s.moves_with(pending.device, device);
  });
  return moves;
}

namespace {

void add_event(InterfaceState& s, u32 parent, u32 device, const EventWords& words, bool unsure,
               u64 waits = 0) {
  const u32 queue = s.event_queue_of(parent);
  u32 before = 0;
  s.for_each_user_event([&](u32 i) {
    if (s.user_events[i].parent == parent && !is_lost(s.user_events[i])) ++before;
  });
  const auto number = number_of(s, parent, device);
  s.trail.set(s.faults_seen, s.faults_seen + 1);
  s.user_events.allocate(s.trail, {.order = s.faults_seen,
                                   .words = words,
                                   .number = number.value_or(0),
                                   .parent = parent,
                                   .device = device,
                                   .numbered = number ? 1U : 0U,
                                   .unsure = unsure ? 1U : 0U,
                                   .tight = queue != 0 && before >= s.queues[queue].depth ? 1U : 0U,
                                   .waits = waits});
}

}  // namespace

namespace {

/// Where PASIDs are the host's: of what stands there, or may.
void event_recorded_at(InterfaceState& s, u32 device, u32 pasid, const EventWords& words) {
  std::vector<u32> parents;
  u32 domains = 0;
  for_each_domain_at(s, device, pasid, [&](u32 domain) {
    ++domains;
    const u32 parent = parent_of(s, domain);
    if (parent != 0 && std::ranges::find(parents, parent) == parents.end()) {
      parents.push_back(parent);
    }
  });
  bool moves = domains > 1 || is_on_the_move(s, device);
  for_each_call_at(s, device, s.find_number(pasid), [&](const Pending&) { moves = true; });
  for (const u32 parent : parents) add_event(s, parent, device, words, moves);
}

}  // namespace

void event_recorded(InterfaceState& s, u32 device, Substream at, const EventWords& words,
                    u64 waits) {
  if (s.user_format == nullptr || !s.user_format->event(words, 0)) return;
  if (!s.device_exists(device)) return;
  if (s.routes_users && at.present) return event_recorded_at(s, device, at.number, words);
  const bool moves = is_on_the_move(s, device);
  const u32 its = s.devices[device].domain;
  const u32 parent = parent_of(s, its);
  if (parent != 0) add_event(s, parent, device, words, moves, waits);
  // On the parent itself the host may tell it to the user whose stage 2 that is, or not.
  const bool on_parent = !s.routes_users && its != 0 && is_of_kind(s, its, DomainKind::paging_s2);
  if (on_parent) add_event(s, its, device, words, true, waits);
  for_each_domain_ahead(s, device, [&](u32 domain) {
    const u32 other = parent_of(s, domain);
    if (other != 0 && other != parent) add_event(s, other, device, words, true, waits);
  });
}

void event_was_lost(InterfaceState& s) {
  for (u32 queue = 1; queue < s.queues.bound(); ++queue) {
    const u32 parent = s.queues[queue].handle != 0 ? s.queues[queue].parent : 0;
    if (parent == 0) continue;
    bool known = false;
    events_in_order(s, parent, [&](u32 i) {
      known = is_lost(s.user_events[i]) && s.user_events[i].unsure != 0;
      return true;
    });
    if (known) continue;  // the last one says so
    s.trail.set(s.faults_seen, s.faults_seen + 1);
    s.user_events.allocate(
        s.trail,
        {.order = s.faults_seen, .parent = parent, .state = EventState::lost, .unsure = 1});
  }
}

void events_are_read(InterfaceState& s) {
  s.for_each_user_event([&](u32 i) {
    const UserEvent& event = s.user_events[i];
    const bool told = s.event_queue_of(event.parent) != 0 && (is_lost(event) || event.numbered);
    if (!told) drop_event(s, i);
  });
  for (u32 queue = 1; queue < s.queues.bound(); ++queue) {
    if (s.queues[queue].handle == 0 || s.queues[queue].parent == 0) continue;
    const u32 depth = s.queues[queue].depth;
    u32 sure = 0;
    u32 unsure = 0;
    events_in_order(s, s.queues[queue].parent, [&](u32 i) {
      if (s.user_events[i].state == EventState::reported) {
        UserEvent& now = s.user_events.edit(s.trail, i);
        const bool full = now.unsure == 0 && sure >= depth;
        now.state = full ? EventState::lost : EventState::unread;
        if (sure + unsure >= depth) now.tight = 1;
        if (full) now.tight = 0;
        if (now.tight != 0) now.unsure = 1;
      }
      const UserEvent& event = s.user_events[i];
      if (event.state == EventState::unread) ++(event.unsure != 0 ? unsure : sure);
      return true;
    });
  }
}

/// Who ends what waits tells the user of it, and nobody else.
void event_that_waits_is_read(InterfaceState& s, u32 index, bool has_queue) {
  if (has_queue) return drop_event(s, index);
  make_unsure(s, index);
}

/// What was recorded, and waits, may be in the hands of who answers it.
void events_of_user_may_wait(InterfaceState& s, u32 parent) {
  s.for_each_user_event([&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (event.parent == parent && event.state == EventState::reported) make_unsure(s, i);
  });
}

void events_may_be_read(InterfaceState& s) {
  s.for_each_user_event([&](u32 i) {
    const UserEvent& event = s.user_events[i];
    if (event.state == EventState::reported && event.tight != 0) make_unsure(s, i);
  });
}

void number_events(InterfaceState& s, u32 parent, u32 device, u64 number) {
  s.for_each_user_event([&](u32 i) {
    const UserEvent& old = s.user_events[i];
    if (old.parent != parent || old.device != device || old.numbered != 0 || is_lost(old)) return;
    UserEvent& event = s.user_events.edit(s.trail, i);
    event.number = number;
    event.numbered = 1;
    event.unsure = 1;
  });
}

void device_of_events_moves(InterfaceState& s, u32 device) {
  s.for_each_user_event([&](u32 i) {
    const UserEvent& event = s.user_events[i];
    const bool its = event.device == device && !is_lost(event);
    if (its && event.state == EventState::reported) make_unsure(s, i);
  });
}

}  // namespace iommucheck::spec::sva
