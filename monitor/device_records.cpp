// SPDX-License-Identifier: MIT
#include "monitor/device_records.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "base/bits.h"
#include "monitor/device_text.h"
#include "spec/rules/records.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

namespace {

using spec::Outcome;
using spec::OutcomeKind;
namespace rule = spec::rule;

/// "In finite time": what did not come within so many looks is said not to come.
constexpr unsigned looks_max = 3;
/// So many records of earlier looks may still turn out to be of other accesses.
constexpr std::size_t settled_max = 32;

bool says_address(const trace::EventRecord& words) {
  spec::EventFields fields;
  fields.input_address = ~u64{0};
  return spec::record_of(spec::event_type_of(words), fields).dw[2] != 0;
}

}  // namespace

bool DeviceRecords::records(const Open& open, const Outcome& outcome) const {
  return spec::has_record(open.access, outcome, smmu_.recinvsid());
}

bool DeviceRecords::may_record(const Open& open) const {
  return open.any || open.wrong ||
         std::ranges::any_of(open.candidates, [&](const Outcome& o) { return records(open, o); });
}

/// Its record may be one that a full queue loses: that of a stall waits for room instead, and is no
/// overflow. IHI 0070 7.4.
bool DeviceRecords::may_overflow(const Open& open) const {
  return open.any || open.wrong || std::ranges::any_of(open.candidates, [&](const Outcome& o) {
           return records(open, o) && !o.stalled();
         });
}

/// The record of a stall may wait, and one of its page may stand for it: IHI 0070 3.12.2, 7.2.1.
bool DeviceRecords::surely_records(const Open& open) const {
  return !open.any && !open.wrong && !open.passes &&
         std::ranges::all_of(open.candidates,
                             [&](const Outcome& o) { return records(open, o) && !o.stalled(); });
}

// ---- what happens -------------------------------------------------------------------------------

bool DeviceRecords::stored(u64 pa, u64 words) {
  u64 commands = 0;
  for (; commands < words && smmu_.is_command_slot(pa + 8 * commands); ++commands) {
    stalls_.command_stored(align_down(pa + 8 * commands, 4));
  }
  if (commands == words) return true;  // judged where they are exposed
  stalled_meet();
  stalls_change();
  return false;
}

void DeviceRecords::register_written(u32 offset) {
  if (offset == spec::reg::cr0 || offset == spec::reg::gerrorn) stalls_may_end();
  if (offset == spec::reg::cmdq_prod) stalls_end_by_commands();
}

bool DeviceRecords::register_read(u32 offset, u64 value) {
  namespace reg = spec::reg;
  if (offset == reg::cr0ack && !smmu_.smmuen() && (value & spec::cr0::smmuen) == 0) {
    stalls_.all_ended();
  }
  const bool is_at_end = (value & spec::queue_index_mask) == smmu_.commands_end();
  if (offset == reg::cmdq_cons && is_at_end && !smmu_.stopped_by_error()) commands_consumed();
  if (offset == reg::gerror && (value & spec::gerror::eventq_abt_err) != 0 &&
      !smmu_.events_abort() && (state_.met_full_queue || smmu_.event_slots() == 0)) {
    findings_.find(
        rule::EVENT_OVERFLOW, "GERROR.EVENTQ_ABT_ERR instead of OVFLG",
        "a record met a full event queue: GERROR.EVENTQ_ABT_ERR is active, which stands for an "
        "external abort of a queue access");
    return true;
  }
  if (offset == reg::eventq_prod) events_shown(value);
  return false;
}

// ---- room in the queue --------------------------------------------------------------------------

/// Whether a record of it finds a place: from what is surely there, and what may be.
void DeviceRecords::push(Open open) {
  if (state_.open.size() >= RecordMatching::most) forget_accesses();
  u64 surely = 0;
  u64 perhaps = 0;
  for (const Open& other : state_.open) {
    if (!may_record(other)) continue;
    ++perhaps;
    if (surely_records(other) && other.has_room && !other.may_be_merged()) ++surely;
  }
  const u64 slots = smmu_.event_slots();
  open.pushed = state_.pushed++;
  open.has_room = smmu_.records_events() && perhaps < slots && state_.forgotten == 0;
  if (may_record(open) && smmu_.records_events() && !open.has_room) {
    state_.met_full_queue = true;
    const auto may = [&](const Open& other) { return may_overflow(other); };
    // Records have no order among themselves: that of an earlier access may come last.
    state_.overflow_possible |= may_overflow(open) || std::ranges::any_of(state_.open, may);
    open.overflows = surely_records(open) && surely >= slots && !open.may_be_merged() &&
                     !smmu_.event_overflow_open();
    open.overflows_before = state_.overflows;
  }
  if (may_record(open)) {
    for (Open& other : state_.open) other.met_full = false;
  }
  if (open.stalled && !open.again) {
    open.alone = stalls_.none() && !open.any;
    open.met_full = open.alone && open.only_stalls && !open.has_room;
    stalls_.begins(open.access, open.which);
  }
  state_.open.push_back(std::move(open));
}

/// More than can be told apart: their records, if they come, are not judged.
void DeviceRecords::forget_accesses() {
  state_.open.clear();
  state_.settled.clear();
  state_.forgotten = looks_max;
  state_.lost = 0;
  findings_.undetermined("which of so many accesses each event record is of");
}

/// EVENTQ_PROD shows OVFLG.
void DeviceRecords::overflow_seen(bool flag) {
  const bool toggled = flag != smmu_.event_overflow();
  if (toggled && !state_.overflow_possible) {
    findings_.find(rule::EVENT_OVERFLOW, "OVFLG toggles by itself",
                   fmt::format("EVENTQ_PROD.OVFLG is {}, expected {}: no record met a full queue",
                               flag ? 1 : 0, flag ? 0 : 1));
  }
  if (toggled) {
    const auto sure = [](const Open& open) { return open.overflows; };
    findings_.ask(rule::EVENT_OVERFLOW, std::ranges::any_of(state_.open, sure));
    ++state_.overflows;
    ++state_.lost;
    smmu_.observe_event_overflow();
  }
  // Those that are not in the queue yet may still meet it full, also if this look shows none.
  const auto records = [&](const Open& open) { return may_record(open); };
  const auto lost = [&](const Open& open) { return may_overflow(open); };
  const auto pending = static_cast<u64>(std::ranges::count_if(state_.open, records));
  state_.lost = std::min(state_.lost, pending);
  state_.overflow_possible =
      pending - state_.lost > smmu_.event_slots() && std::ranges::any_of(state_.open, lost);
}

// ---- whose records they are ---------------------------------------------------------------------

void DeviceRecords::events_shown(u64 prod) {
  const u64 fresh = smmu_.events_since(prod);
  state_.new_records = fresh;
  state_.shown_at = state_.accesses;
  if (fresh > state_.open.size() && state_.forgotten == 0) {
    findings_.find(
        rule::EVENT_ONCE, "more records than terminated accesses",
        fmt::format("EVENTQ_PROD shows {} new records, but only {} accesses were terminated "
                    "that have none yet",
                    fresh, state_.open.size()));
  }
  overflow_seen((prod & spec::queue_overflow_flag) != 0);
  if (state_.new_records == 0) queue_looked_at();
}

void DeviceRecords::record(const trace::EventRecord& words) {
  ++findings_.numbers().records;
  const bool repeats =
      says_address(words) && std::ranges::find(state_.came, words) != state_.came.end();
  state_.came.push_back(words);
  const bool shown = state_.new_records != 0;  // else nobody has read EVENTQ_PROD before
  state_.batch.push_back({words, shown ? state_.shown_at : state_.accesses, repeats});
  if (shown && --state_.new_records != 0) return;
  assign_records();
  if (shown) queue_looked_at();
}

RecordClaim DeviceRecords::claim_of(const Open& open) const {
  RecordClaim claim;
  claim.fields = spec::fields_of(open.access);
  claim.fields.stall = open.stalled;
  for (const Outcome& o : open.candidates) {
    if (!records(open, o)) continue;
    claim.permitted.push_back({o.event, spec::fields_of(open.access, o, smmu_.capabilities())});
  }
  claim.any_type = open.any;
  claim.any_stall = open.any && open.stalled;
  claim.wrong = open.wrong;
  claim.surely = surely_records(open) && open.has_room;
  claim.since = open.which;
  return claim;
}

/// All records of a look together; and with those of the looks before, if they do not fit alone.
void DeviceRecords::assign_records() {
  if (state_.batch.empty()) return;
  stalled_meet();
  std::vector<Open> accesses = std::exchange(state_.open, {});
  std::vector<SeenRecord> records = std::exchange(state_.batch, {});
  std::vector<std::optional<std::size_t>> assigned;
  const auto assign = [&] {
    std::vector<RecordClaim> claims;
    for (const Open& open : accesses) claims.push_back(claim_of(open));
    assigned = matching_.assign(records, claims);
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (!assigned[i] || !fits(claims[*assigned[i]], records[i].words)) return false;
    }
    return true;
  };
  if (records.size() > RecordMatching::most) {
    forget_accesses();
    return;
  }
  std::size_t settled_before = 0;
  if (!assign() && !state_.settled.empty()) {
    settled_before = state_.settled.size();
    std::vector<SeenRecord> all;
    for (Settled& one : std::exchange(state_.settled, {})) {
      all.push_back(one.record);
      accesses.push_back(std::move(one.open));
    }
    all.insert(all.end(), records.begin(), records.end());
    records = std::move(all);
    std::ranges::sort(accesses, {}, &Open::which);
    (void)assign();
  }
  std::vector<bool> taken(accesses.size(), false);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (assigned[i]) {
      taken[*assigned[i]] = true;
      settle(records[i], accesses[*assigned[i]], i >= settled_before);
    } else {
      nobodys(records[i]);
    }
  }
  for (std::size_t k = 0; k < accesses.size(); ++k) {
    if (!taken[k]) state_.open.push_back(std::move(accesses[k]));
  }
  if (state_.settled.size() > settled_max) {
    state_.settled.erase(state_.settled.begin(),
                         state_.settled.end() - std::ptrdiff_t{settled_max});
  }
}

bool DeviceRecords::fits(const RecordClaim& claim, const trace::EventRecord& words) {
  if (!claim.permits(spec::event_type_of(words))) return false;
  return RecordMatching::wrong_fields(claim, words).empty();
}

/// The access has that record. `fresh`: it was not counted before.
void DeviceRecords::settle(const SeenRecord& record, const Open& open, bool fresh) {
  const RecordClaim claim = claim_of(open);
  if (fresh && !open.has_room) state_.took_room.push_back(open.pushed);
  // Of one that is wrong in a field the STAG may be, too.
  const bool right = open.any || (!open.wrong && fits(claim, record.words));
  if (fresh && open.stalled) stalls_.recorded(open.which, record.words, right);
  if (open.any) {
    state_.settled.push_back({record, open});
    return;
  }
  if (fresh) matching_.learn(claim, record.words);
  if (open.wrong || !claim.permits(spec::event_type_of(record.words))) {
    mismatch(open, record.words);
    return;
  }
  const auto wrong = RecordMatching::wrong_fields(claim, record.words);
  if (!wrong.empty()) {
    wrong_fields(open, record.words, wrong);
  } else if (fresh) {
    findings_.ask(rule::EVENT_RECORD, true);
    findings_.ask(rule::EVENT_ONCE, true);
    findings_.ask(rule::EVENT_LOST, true);
    if (open.stalled) check_stag(open.which, record.words);
  }
  state_.settled.push_back({record, open});
}

// ---- records that do not come -------------------------------------------------------------------

bool DeviceRecords::Open::may_be_merged() const {
  return std::ranges::any_of(candidates, [&](const Outcome& o) {
    return o.kind == OutcomeKind::fault && spec::may_be_merged(o.event, merges);
  });
}

/// A record came that may stand for its own too.
bool DeviceRecords::is_merged(const Open& open) const {
  return std::ranges::any_of(open.candidates, [&](const Outcome& o) {
    if (!records(open, o) || !spec::may_be_merged(o.event, open.merges)) return false;
    const auto own = spec::record_of(o.event, spec::fields_of(open.access, o));
    return std::ranges::any_of(state_.came, [&](const trace::EventRecord& words) {
      return spec::is_same_event(own, words);
    });
  });
}

void DeviceRecords::missing(const Open& open) {
  if (open.wrong) {
    findings_.find_of(open.which, open.rule,
                      {.what = "terminated without a record", .features = open.features},
                      access_text(open.access) + " is terminated without a record; it is to pass");
    return;
  }
  if (smmu_.events_abort()) return;  // nothing need have been there to be seen
  if (open.overflows && state_.overflows == open.overflows_before) {
    findings_.find(rule::EVENT_OVERFLOW, "OVFLG does not toggle",
                   access_text(open.access) +
                       " met a full event queue, and EVENTQ_PROD.OVFLG is still " +
                       (smmu_.event_overflow() ? "1" : "0"));
    return;
  }
  // What stalls while nothing else does is told, and no other record stands for it. 3.12.2.
  const bool told =
      open.alone && !open.passes && std::ranges::all_of(open.candidates, [&](const Outcome& o) {
        return records(open, o) && o.stalled();
      });
  if (!told && (!surely_records(open) || is_merged(open))) return;
  if (!open.has_room) return;
  // Records have no order: one of a later access may have taken the place. IHI 0070 7.2, 7.4.
  const auto later = [&](u32 other) { return other > open.pushed; };
  if (const auto its = std::ranges::find_if(state_.took_room, later);
      its != state_.took_room.end()) {
    state_.took_room.erase(its);
    return;
  }
  findings_.ask(rule::EVENT_LOST, true);
  const char* const again = open.again ? " of what CMD_RESUME tries again" : "";
  Finding& lost = findings_.find(
      rule::EVENT_LOST,
      {.what = "no " + outcome_name(open.candidates.front()) + again, .features = open.features},
      access_text(open.access) +
          (open.again     ? " is tried again by CMD_RESUME"
           : open.stalled ? " waits"
                          : " is terminated") +
          ", and its record (" + outcome_name(open.candidates.front()) + ") was not seen within " +
          std::to_string(looks_max) + " looks at the event queue");
  lost.which = open.which;
}

/// What stalled and met a full queue is tried again when the queue is writable, and told: there is
/// room behind this look, whatever others of before may still take. IHI 0070 3.12.2.
bool DeviceRecords::finds_room(const Open& open) const {
  if (!open.met_full || !open.alone || open.which >= state_.shown_at) return false;
  const auto others = std::ranges::count_if(state_.open, [&](const Open& other) {
    return other.which != open.which && may_record(other);
  });
  return smmu_.records_events() && static_cast<u64>(others) < smmu_.event_slots();
}

/// Where two records are alike, the one that came may be of the older access, for which no room was
/// sure: then it is the newer one whose record is still to come, or lost. `older` becomes that.
bool DeviceRecords::takes_record_of_newer(Open& older) {
  if (older.has_room || older.stalled || older.any || older.wrong) return false;
  const RecordClaim claim = claim_of(older);
  const auto its =
      std::ranges::find_if(std::views::reverse(state_.settled), [&](const Settled& one) {
        const Open& newer = one.open;
        return newer.which > older.which && one.record.before > older.which && !newer.stalled &&
               !newer.any && !newer.wrong && fits(claim, one.record.words);
      });
  if (its == std::ranges::rend(state_.settled)) return false;
  std::swap(older, its->open);
  older.has_room = false;
  older.looks = 0;
  return true;
}

/// The driver has read all records that EVENTQ_PROD showed.
void DeviceRecords::queue_looked_at() {
  if (state_.forgotten != 0) --state_.forgotten;
  for (std::size_t i = state_.open.size(); i-- != 0;) {
    if (finds_room(state_.open[i])) {
      state_.open[i].met_full = false;
      state_.open[i].has_room = true;
      state_.open[i].looks = 0;
      continue;
    }
    // One that waits for room, or behind as many as the SMMU can name, is recorded whenever.
    if (state_.open[i].stalled && (!state_.open[i].alone || !state_.open[i].has_room)) continue;
    if (state_.open[i].again && !state_.open[i].resumed) continue;
    if (state_.open[i].which >= state_.shown_at || ++state_.open[i].looks < looks_max) continue;
    if (takes_record_of_newer(state_.open[i])) continue;
    const Open open = std::move(state_.open[i]);
    state_.open.erase(state_.open.begin() + static_cast<std::ptrdiff_t>(i));
    if (state_.lost != 0 && may_overflow(open)) --state_.lost;
    missing(open);
  }
  std::erase_if(state_.took_room, [&](u32 other) {
    return std::ranges::none_of(state_.open, [&](const Open& open) { return open.pushed < other; });
  });
}

void DeviceRecords::finish() {
  assign_records();
  for (const Open& open : std::exchange(state_.open, {})) {
    if (open.wrong) missing(open);
  }
}

}  // namespace iommucheck::oracle
