// SPDX-License-Identifier: MIT
// The event records of a device under test: each is of one access that was terminated, says what
// the architecture fixes, and is there within a few looks at the queue. IHI 0070 7.2 to 7.4.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "monitor/device_rules.h"
#include "monitor/device_text.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/command.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

namespace {

using spec::AccessType;
using spec::Outcome;
using spec::OutcomeKind;
using spec::Rule;
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

bool DeviceRules::records(const Open& open, const Outcome& outcome) const {
  return spec::has_record(open.access, outcome, smmu_.recinvsid());
}

bool DeviceRules::may_record(const Open& open) const {
  return open.any || open.wrong ||
         std::ranges::any_of(open.candidates, [&](const Outcome& o) { return records(open, o); });
}

/// Its record may be one that a full queue loses: that of a stall waits for room instead, and is no
/// overflow. IHI 0070 7.4.
bool DeviceRules::may_overflow(const Open& open) const {
  return open.any || open.wrong || std::ranges::any_of(open.candidates, [&](const Outcome& o) {
           return records(open, o) && !o.stalled();
         });
}

/// The record of a stall may wait, and one of its page may stand for it: IHI 0070 3.12.2, 7.2.1.
bool DeviceRules::surely_records(const Open& open) const {
  return !open.any && !open.wrong && !open.passes &&
         std::ranges::all_of(open.candidates,
                             [&](const Outcome& o) { return records(open, o) && !o.stalled(); });
}

// ---- room in the queue --------------------------------------------------------------------------

/// Whether a record of it finds a place: from what is surely there, and what may be.
void DeviceRules::push_open(Open open) {
  if (open_.size() >= RecordMatching::most) forget_accesses();
  u64 surely = 0;
  u64 perhaps = 0;
  for (const Open& other : open_) {
    if (!may_record(other)) continue;
    ++perhaps;
    if (surely_records(other) && other.has_room && !other.may_be_merged()) ++surely;
  }
  const u64 slots = smmu_.event_slots();
  open.pushed = pushed_++;
  open.has_room = smmu_.records_events() && perhaps < slots && forgotten_ == 0;
  if (may_record(open) && smmu_.records_events() && !open.has_room) {
    met_full_queue_ = true;
    const auto may = [&](const Open& other) { return may_overflow(other); };
    // Records have no order among themselves: that of an earlier access may come last.
    overflow_possible_ |= may_overflow(open) || std::ranges::any_of(open_, may);
    open.overflows = surely_records(open) && surely >= slots && !open.may_be_merged() &&
                     !smmu_.event_overflow_open();
    open.overflows_before = overflows_;
  }
  if (may_record(open)) {
    for (Open& other : open_) other.met_full = false;
  }
  if (open.stalled && !open.again) {
    open.alone = stalls_.none() && !open.any;
    open.met_full = open.alone && open.only_stalls && !open.has_room;
    stalls_.begins(open.access, open.which);
  }
  open_.push_back(std::move(open));
}

/// More than can be told apart: their records, if they come, are not judged.
void DeviceRules::forget_accesses() {
  open_.clear();
  settled_.clear();
  forgotten_ = looks_max;
  lost_ = 0;
  undetermined("which of so many accesses each event record is of");
}

/// EVENTQ_PROD shows OVFLG.
void DeviceRules::overflow_seen(bool flag) {
  const bool toggled = flag != smmu_.event_overflow();
  if (toggled && !overflow_possible_) {
    find(rule::EVENT_OVERFLOW, "OVFLG toggles by itself",
         fmt::format("EVENTQ_PROD.OVFLG is {}, expected {}: no record met a full queue",
                     flag ? 1 : 0, flag ? 0 : 1));
  }
  if (toggled) {
    const auto sure = [](const Open& open) { return open.overflows; };
    ask(rule::EVENT_OVERFLOW, std::ranges::any_of(open_, sure));
    ++overflows_;
    ++lost_;
    smmu_.observe_event_overflow();
  }
  // Those that are not in the queue yet may still meet it full, also if this look shows none.
  const auto records = [&](const Open& open) { return may_record(open); };
  const auto lost = [&](const Open& open) { return may_overflow(open); };
  const auto pending = static_cast<u64>(std::ranges::count_if(open_, records));
  lost_ = std::min(lost_, pending);
  overflow_possible_ = pending - lost_ > smmu_.event_slots() && std::ranges::any_of(open_, lost);
}

// ---- whose records they are ---------------------------------------------------------------------

void DeviceRules::events_shown(u64 prod) {
  const u64 fresh = smmu_.events_since(prod);
  new_records_ = fresh;
  shown_at_ = before_;
  if (fresh > open_.size() && forgotten_ == 0) {
    find(rule::EVENT_ONCE, "more records than terminated accesses",
         fmt::format("EVENTQ_PROD shows {} new records, but only {} accesses were terminated "
                     "that have none yet",
                     fresh, open_.size()));
  }
  overflow_seen((prod & spec::queue_overflow_flag) != 0);
  if (new_records_ == 0) queue_looked_at();
}

void DeviceRules::record(const trace::EventRecord& words) {
  ++numbers_.records;
  const bool repeats = says_address(words) && std::ranges::find(came_, words) != came_.end();
  came_.push_back(words);
  const bool shown = new_records_ != 0;  // else nobody has read EVENTQ_PROD before
  batch_.push_back({words, shown ? shown_at_ : before_, repeats});
  if (shown && --new_records_ != 0) return;
  assign_records();
  if (shown) queue_looked_at();
}

/// What waits is named by its StreamID and STAG: two at a time are not called the same. IHI 0070
/// 3.12.2.
void DeviceRules::check_stag(u32 which, const trace::EventRecord& words) {
  if (stalls_.names(which, words)) return;
  find(rule::EVENT_RECORD, "two stalls with one STAG",
       fmt::format("a transaction of StreamID {:#x} stalls with the STAG {:#x}, and the one before "
                   "with that STAG waits still: no CMD_RESUME can name one of them",
                   spec::event_sid(words), bits(words[1], 15, 0)));
}

void DeviceRules::stalls_may_end() {
  stalls_.all_may_end(before_);
  for (Open& open : open_) open.resumed = true;  // so that it is not waited for
  stalls_change();
}

/// What has no record yet may never have one.
void DeviceRules::stalls_change() {
  for (Open& open : open_) open.alone = false;
}

/// What an access that waits may meet as things are. The SMMU may try it again at any time, and the
/// record that is not there yet is of what it meets last. IHI 0070 3.12.2.2, 7.2.1.
void DeviceRules::meets(Open& open) const {
  if (open.any) return;
  const Allowed now = allowed_now(open.access);
  open.any = !now.judged || now.outcomes.empty();
  for (const Outcome& o : now.outcomes) {
    open.any |= o.kind == OutcomeKind::any;
    open.passes |= open.again && o.passes();
    const auto is_same = [&](const Outcome& known) { return known.same(o); };
    if (!o.passes() && std::ranges::none_of(open.candidates, is_same)) open.candidates.push_back(o);
  }
}

/// Before anything changes, and when records are looked at: so that all that was there between is
/// known.
void DeviceRules::stalled_meet() {
  for (Open& open : open_) {
    if (open.stalled) meets(open);
  }
}

/// As though it had just arrived: it may have a record of its own.
void DeviceRules::try_again(const WaitingStalls::Again& one) {
  for (Open& open : open_) open.any |= !one.surely && open.which == one.which;
  Open open{.access = one.access,
            .candidates = {},
            .any = !one.surely,
            .stalled = true,
            .again = true,
            .merges = caches_.fetches().may_merge_events(one.access.sid),
            .which = one.which,
            .features = {}};
  meets(open);
  push_open(std::move(open));
}

void DeviceRules::stalls_end_by_commands() {
  const WaitingStalls::Published published = stalls_.commands_published();
  if (published.ends) stalls_change();
  for (const WaitingStalls::Again& one : published.again) try_again(one);
}

/// What is to be tried again is so in finite time, and told if it faults while nothing else waits.
void DeviceRules::commands_consumed() {
  if (!stalls_.commands_consumed(before_)) return;
  for (Open& open : open_) {
    if (!open.again || std::exchange(open.resumed, true)) continue;
    open.alone = !open.any && stalls_.is_alone(open.which);
  }
}

RecordClaim DeviceRules::claim_of(const Open& open) const {
  RecordClaim claim;
  claim.fields = spec::fields_of(open.access);
  claim.fields.stall = open.stalled;
  for (const Outcome& o : open.candidates) {
    if (records(open, o)) claim.permitted.push_back({o.event, spec::fields_of(open.access, o)});
  }
  claim.any_type = open.any;
  claim.any_stall = open.any && open.stalled;
  claim.wrong = open.wrong;
  claim.surely = surely_records(open) && open.has_room;
  claim.since = open.which;
  return claim;
}

/// All records of a look together; and with those of the looks before, if they do not fit alone.
void DeviceRules::assign_records() {
  if (batch_.empty()) return;
  stalled_meet();
  std::vector<Open> accesses = std::exchange(open_, {});
  std::vector<SeenRecord> records = std::exchange(batch_, {});
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
  if (!assign() && !settled_.empty()) {
    settled_before = settled_.size();
    std::vector<SeenRecord> all;
    for (Settled& one : std::exchange(settled_, {})) {
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
    if (!taken[k]) open_.push_back(std::move(accesses[k]));
  }
  if (settled_.size() > settled_max) {
    settled_.erase(settled_.begin(), settled_.end() - std::ptrdiff_t{settled_max});
  }
}

bool DeviceRules::fits(const RecordClaim& claim, const trace::EventRecord& words) {
  if (!claim.permits(spec::event_type_of(words))) return false;
  return RecordMatching::wrong_fields(claim, words).empty();
}

void DeviceRules::nobodys(const SeenRecord& record) {
  if (forgotten_ != 0) {
    undetermined("which of so many accesses each event record is of");
    return;
  }
  const spec::EventType type = spec::event_type_of(record.words);
  find(rule::EVENT_ONCE,
       {.what = std::string(spec::event_name(type)) + " without an access that was terminated",
        .record = type,
        .names_record = true},
       record_text(record.words) + " belongs to no access that was terminated and has none yet");
}

/// The access has that record. `fresh`: it was not counted before.
void DeviceRules::settle(const SeenRecord& record, const Open& open, bool fresh) {
  const RecordClaim claim = claim_of(open);
  if (fresh && !open.has_room) took_room_.push_back(open.pushed);
  // Of one that is wrong in a field the STAG may be, too.
  const bool right = open.any || (!open.wrong && fits(claim, record.words));
  if (fresh && open.stalled) stalls_.recorded(open.which, record.words, right);
  if (open.any) {
    settled_.push_back({record, open});
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
    ask(rule::EVENT_RECORD, true);
    ask(rule::EVENT_ONCE, true);
    ask(rule::EVENT_LOST, true);
    if (open.stalled) check_stag(open.which, record.words);
  }
  settled_.push_back({record, open});
}

/// One finding for each field, so that one that is known hides no other; each names them all.
void DeviceRules::wrong_fields(const Open& open, const trace::EventRecord& words,
                               const std::vector<spec::FieldDifference>& wrong) {
  const spec::EventType type = spec::event_type_of(words);
  std::string text = record_text(words) + " of " + access_text(open.access);
  const char* before = ": ";
  for (const spec::FieldDifference& one : wrong) {
    text +=
        fmt::format("{}{} is {:#x}, expected {:#x}", before, one.name, one.observed, one.expected);
    before = "; ";
  }
  for (const spec::FieldDifference& one : wrong) {
    DeviceKind kind{.what = std::string(spec::event_name(type)),
                    .field = std::string(one.name),
                    .record = type,
                    .names_record = true};
    if (named_.insert(text_of(kind)).second) find(rule::EVENT_RECORD, std::move(kind), text);
  }
}

namespace {

/// What stands before the walk of a table: a legal one that is refused is refused whatever the
/// table has at the address.
bool refuses_configuration(spec::EventType event) {
  using enum spec::EventType;
  return event == c_bad_streamid || event == c_bad_ste || event == c_bad_substreamid ||
         event == f_stream_disabled || event == c_bad_cd;
}

bool is_of_the_walk(spec::EventType event) {
  return spec::is_translation_fault(event) || event == spec::EventType::f_walk_eabt;
}

bool is_of_the_walk(Rule rule) {
  return rule == rule::S1_VA_IN_RANGE || rule == rule::S1_DESCRIPTOR_VALID ||
         rule == rule::S1_OUTPUT_SIZE || rule == rule::S1_ACCESS_FLAG ||
         rule == rule::S1_PERMISSION || rule == rule::S1_WALK_FETCH;
}

/// An STE that is refused, where a legal one leads to a CD that has to be refused, or to a walk:
/// what the CD has says nothing of that.
bool refuses_before_cd(spec::EventType event, const Outcome& allowed) {
  using enum spec::EventType;
  return (event == c_bad_streamid || event == c_bad_ste) && allowed.kind == OutcomeKind::fault &&
         (allowed.event == c_bad_cd || is_of_the_walk(allowed.event));
}

/// The STE has been used, and the CD that it leads to is not legal either: what was to be refused
/// is the STE, whatever the CD has.
bool used_before_cd(spec::EventType event, const Outcome& allowed) {
  using enum spec::EventType;
  return event == c_bad_cd && allowed.kind == OutcomeKind::fault && allowed.event == c_bad_ste;
}

/// What of the table made the access special, which a configuration that is refused, or used though
/// it is not legal, does not depend on.
std::vector<std::string> of_configuration(std::vector<std::string> features) {
  std::erase_if(features, [](const std::string& one) { return one != s1cdmax_ignored; });
  return features;
}

}  // namespace

/// The access has that record, and should have another or none.
void DeviceRules::mismatch(const Open& open, const trace::EventRecord& words) {
  const std::string name(spec::event_name(spec::event_type_of(words)));
  const std::string text = record_text(words) + " of " + access_text(open.access);
  const spec::EventType type = spec::event_type_of(words);
  const bool refuses = refuses_configuration(type);
  const DeviceKind terminated{.what = "terminated as " + name,
                              .features = refuses ? of_configuration(open.features) : open.features,
                              .record = type,
                              .names_record = true};
  if (open.wrong) {
    find_of(open.which, open.rule, terminated, text + ": it is to pass");
    return;
  }
  if (open.candidates.empty()) {
    find_of(open.which, rule::TRANSLATION_RESULT, terminated,
            text + ", tried again by CMD_RESUME: it is to pass");
    return;
  }
  // It has looked at what memory has now, and a cache that still refuses is no reason for that.
  if (open.translates && (refuses || is_of_the_walk(type))) {
    find_of(open.which, rule::TRANSLATION_RESULT, terminated,
            text + ": it is to pass, or to be refused by what was there before");
    return;
  }
  const Outcome& o = open.candidates.front();
  const bool silent = !records(open, o);
  const auto allowed_is = [&](const std::string& expected) {
    return text + ": allowed is " + expected + " (" + explained(caches_.view(), o) + ")";
  };
  if (!silent && ((refuses && is_of_the_walk(o.rule)) || refuses_before_cd(type, o))) {
    find_of(open.which, rule::TRANSLATION_RESULT, terminated, allowed_is(outcome_name(o)));
    return;
  }
  if (const std::string used = used_instead_of(o);
      !silent && !used.empty() && (is_of_the_walk(type) || used_before_cd(type, o))) {
    find_of(open.which, o.rule,
            {.what = used, .features = of_configuration(open.features), .record = type},
            allowed_is(outcome_name(o)));
    return;
  }
  if (silent && o.kind == OutcomeKind::fault && o.event == type &&
      spec::is_translation_fault(type)) {
    find_of(open.which, rule::EVENT_ONCE,
            {.what = o.stage2 ? "a fault is recorded although STE.S2R = 0"
                              : "a fault is recorded although CD.R = 0",
             .record = type},
            allowed_is(outcome_name(o) + " without a record"));
    return;
  }
  // It has found nothing where there is something, and needs a feature to find it.
  const std::vector<std::string> features = features_needed(open.access);
  if (!features.empty() && type == spec::EventType::f_translation && is_of_the_walk(o.rule) &&
      o.event != type && o.event != spec::EventType::f_walk_eabt) {
    find_of(open.which, rule::TRANSLATION_RESULT,
            {.what = terminated.what, .features = features, .record = type, .names_record = true},
            allowed_is(outcome_name(o)));
    return;
  }
  // A configuration error of ATS is silent, too: CR2.REC_CFG_ATS.
  const bool aborts = o.rule == rule::STE_ABORT || o.rule == rule::DISABLED_PASSES;
  const Rule rule = o.kind == OutcomeKind::abort && aborts   ? rule::STE_ABORT
                    : o.kind == OutcomeKind::abort || silent ? rule::EVENT_ONCE
                                                             : o.rule;
  const std::string expected =
      outcome_name(o) + (silent && o.kind == OutcomeKind::fault ? " without a record" : "");
  find_of(open.which, rule,
          {.what = name + " instead of " + expected,
           .features = open.features,
           .record = type,
           .names_record = true},
          allowed_is(expected));
}

// ---- records that do not come -------------------------------------------------------------------

bool DeviceRules::Open::may_be_merged() const {
  return std::ranges::any_of(candidates, [&](const Outcome& o) {
    return o.kind == OutcomeKind::fault && spec::may_be_merged(o.event, merges);
  });
}

/// A record came that may stand for its own too.
bool DeviceRules::is_merged(const Open& open) const {
  return std::ranges::any_of(open.candidates, [&](const Outcome& o) {
    if (!records(open, o) || !spec::may_be_merged(o.event, open.merges)) return false;
    const auto own = spec::record_of(o.event, spec::fields_of(open.access, o));
    return std::ranges::any_of(
        came_, [&](const trace::EventRecord& words) { return spec::is_same_event(own, words); });
  });
}

void DeviceRules::missing(const Open& open) {
  if (open.wrong) {
    find_of(open.which, open.rule,
            {.what = "terminated without a record", .features = open.features},
            access_text(open.access) + " is terminated without a record; it is to pass");
    return;
  }
  if (open.overflows && overflows_ == open.overflows_before) {
    find(rule::EVENT_OVERFLOW, "OVFLG does not toggle",
         access_text(open.access) + " met a full event queue, and EVENTQ_PROD.OVFLG is still " +
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
  if (const auto its = std::ranges::find_if(took_room_, later); its != took_room_.end()) {
    took_room_.erase(its);
    return;
  }
  ask(rule::EVENT_LOST, true);
  const char* const again = open.again ? " of what CMD_RESUME tries again" : "";
  find(rule::EVENT_LOST,
       {.what = "no " + outcome_name(open.candidates.front()) + again, .features = open.features},
       access_text(open.access) +
           (open.again     ? " is tried again by CMD_RESUME"
            : open.stalled ? " waits"
                           : " is terminated") +
           ", and its record (" + outcome_name(open.candidates.front()) + ") was not seen within " +
           std::to_string(looks_max) + " looks at the event queue");
  found_.back().which = open.which;
}

/// What stalled and met a full queue is tried again when the queue is writable, and told: there is
/// room behind this look, whatever others of before may still take. IHI 0070 3.12.2.
bool DeviceRules::finds_room(const Open& open) const {
  if (!open.met_full || !open.alone || open.which >= shown_at_) return false;
  const auto others = std::ranges::count_if(
      open_, [&](const Open& other) { return other.which != open.which && may_record(other); });
  return smmu_.records_events() && static_cast<u64>(others) < smmu_.event_slots();
}

/// The driver has read all records that EVENTQ_PROD showed.
void DeviceRules::queue_looked_at() {
  if (forgotten_ != 0) --forgotten_;
  for (std::size_t i = open_.size(); i-- != 0;) {
    if (finds_room(open_[i])) {
      open_[i].met_full = false;
      open_[i].has_room = true;
      open_[i].looks = 0;
      continue;
    }
    // One that waits for room, or behind as many as the SMMU can name, is recorded whenever.
    if (open_[i].stalled && (!open_[i].alone || !open_[i].has_room)) continue;
    if (open_[i].again && !open_[i].resumed) continue;
    if (open_[i].which >= shown_at_ || ++open_[i].looks < looks_max) continue;
    const Open open = std::move(open_[i]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
    if (lost_ != 0 && may_overflow(open)) --lost_;
    missing(open);
  }
  std::erase_if(took_room_, [&](u32 other) {
    return std::ranges::none_of(open_, [&](const Open& open) { return open.pushed < other; });
  });
}

void DeviceRules::finish() {
  assign_records();
  for (const Open& open : std::exchange(open_, {})) {
    if (open.wrong) missing(open);
  }
}

}  // namespace iommucheck::oracle
