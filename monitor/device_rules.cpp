// SPDX-License-Identifier: MIT
#include "monitor/device_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <utility>

#include "base/bits.h"
#include "monitor/device_text.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/version_choices.h"

namespace iommucheck::oracle {

namespace {

using spec::Access;
using spec::AccessType;
using spec::Outcome;
using spec::OutcomeKind;
using spec::Rule;
namespace rule = spec::rule;
namespace reg = spec::reg;

/// "In finite time".
constexpr unsigned polls_max = 8;

}  // namespace

DeviceRules::DeviceRules(spec::Caches& caches, spec::Smmu& smmu, u64 first, u64 bytes)
    : caches_(caches), smmu_(smmu), stalls_(caches), seen_first_(first), seen_bytes_(bytes) {
  if (caches_.profile().gbpa_reset == spec::GbpaReset::open) {
    caches_.write_gbpa_abort(true);  // what it resets to is IMPLEMENTATION DEFINED
  }
}

void DeviceRules::find(Rule rule, DeviceKind kind, std::string text) {
  found_.push_back(finding_of(rule, std::move(text)));
  found_.back().kind = kind_of_device(std::move(kind));
}

void DeviceRules::find_of(u32 which, Rule rule, DeviceKind kind, std::string text) {
  find(rule, std::move(kind), std::move(text));
  found_.back().access = true;
  found_.back().which = which;
}

void DeviceRules::ask(Rule rule, bool discriminating) {
  ++numbers_.asked[spec::number_of(rule)];
  if (discriminating) ++numbers_.discriminating[spec::number_of(rule)];
}

DeviceRules::Numbers& DeviceRules::Numbers::operator+=(const Numbers& more) {
  for (std::size_t i = 0; i < asked.size(); ++i) {
    asked[i] += more.asked[i];
    discriminating[i] += more.discriminating[i];
  }
  accesses += more.accesses;
  any += more.any;
  open += more.open;
  stale_allowed += more.stale_allowed;
  undetermined += more.undetermined;
  records += more.records;
  return *this;
}

std::vector<Finding> DeviceRules::take() { return std::exchange(found_, {}); }
std::vector<std::string> DeviceRules::take_missing() { return std::exchange(missing_, {}); }

void DeviceRules::begin_case() {
  nested_.begin({});
  found_.clear();
  missing_.clear();
  open_.clear();
  batch_.clear();
  settled_.clear();
  named_.clear();
  breadth_.clear();
  came_.clear();
  stalls_.begin_case();
  before_ = pushed_ = 0;
  took_room_.clear();
  new_records_ = shown_at_ = overflows_ = lost_ = 0;
  forgotten_ = 0;
  overflow_possible_ = met_full_queue_ = false;
  changed_since_enabled_ = enabled_once_ = false;
  atschk_changed_ = left_open_ = false;
  surely_disabled_ = true;
  waits_cr0_ = waits_cons_ = waits_gbpa_ = waits_gerror_ = 0;
  gerrorn_ = last_cons_ = 0;
  error_shown_ = false;
}

void DeviceRules::stored(u64 pa, u64 words) {
  u64 commands = 0;
  for (; commands < words && smmu_.is_command_slot(pa + 8 * commands); ++commands) {
    stalls_.command_stored(align_down(pa + 8 * commands, 4));
  }
  if (commands == words) return;  // judged where they are exposed
  stalled_meet();
  stalls_change();
  changed_since_enabled_ = enabled_once_;
  if (enabled_once_) nested_.before_store(caches_, pa, words);
}

void DeviceRules::register_write(u32 offset, u64 value) {
  stalled_meet();
  if (offset == reg::cr0) {
    waits_cr0_ = 0;
    if ((value & spec::cr0::smmuen) != 0) surely_disabled_ = false;
    const bool disables = (value & spec::cr0::smmuen) == 0 && smmu_.smmuen();
    if (disables && enabled_once_) nested_.before_disable(caches_);
    atschk_changed_ |= enabled_once_ && ((value ^ smmu_.cr0()) & spec::cr0::atschk) != 0;
    if ((value & spec::cr0::smmuen) != 0 && !smmu_.smmuen()) {
      changed_since_enabled_ = enabled_once_;
      enabled_once_ = true;
    }
  }
  if (offset == reg::cr0 || offset == reg::gerrorn) stalls_may_end();
  if (offset == reg::cmdq_prod) stalls_end_by_commands();
  // An acknowledged error lets the queue go on by itself, as PROD does. IHI 0070 7.1.
  if (offset == reg::cmdq_prod || offset == reg::gerrorn) waits_cons_ = 0;
  if (offset == reg::gerrorn) {
    gerrorn_ = value;
    waits_gerror_ = 0;
    error_shown_ = false;
  }
  if (offset == reg::gbpa) waits_gbpa_ = 0;
}

// ---- accesses -----------------------------------------------------------------------------------

/// Which rule an access asks for: each outcome's, discriminating where it is the only one.
void DeviceRules::ask_rules(const std::vector<Outcome>& allowed) {
  for (const Outcome& o : allowed) {
    Rule rule = rule::TRANSLATION_RESULT;
    if (!smmu_.surely_enabled()) {
      rule = rule::DISABLED_PASSES;
    } else if (o.kind == OutcomeKind::fault) {
      rule = o.rule;
    } else if (o.kind == OutcomeKind::abort) {
      rule = rule::STE_ABORT;
    } else if (o.kind == OutcomeKind::bypass) {
      rule = rule::STE_BYPASS;
    }
    ask(rule, allowed.size() == 1);
  }
}

spec::Access access_in(const trace::Dma& dma) {
  Access access{.sid = dma.sid, .va = dma.iova};
  if (dma.ssid && dma.ssid->valid) {
    access.ssv = true;
    access.ssid = dma.ssid->value;
  }
  if (dma.direction == trace::Direction::write) access.type = AccessType::write;
  if (dma.direction == trace::Direction::execute) access.type = AccessType::execute;
  access.privileged = dma.privileged.value_or(false);
  return access;
}

spec::Access access_in(const trace::PageRequest& request) {
  Access access{.sid = request.sid, .va = request.iova};
  if (request.ssid && request.ssid->valid) {
    access.ssv = true;
    access.ssid = request.ssid->value;
  }
  const trace::Rights rights = request.rights.value_or(trace::Rights{.read = true});
  if (rights.execute) access.type = AccessType::execute;
  if (rights.write) access.type = AccessType::write;
  access.privileged = request.privileged.value_or(false);
  return access;
}

trace::Dma dma_of(const spec::Access& access) {
  trace::Dma dma;
  dma.sid = access.sid;
  dma.ssid = access.ssv ? trace::substream(access.ssid) : trace::no_substream;
  dma.iova = access.va;
  dma.direction = access.type == spec::AccessType::write     ? trace::Direction::write
                  : access.type == spec::AccessType::execute ? trace::Direction::execute
                                                             : trace::Direction::read;
  return dma;
}

void DeviceRules::undetermined(std::string missing) {
  ++numbers_.undetermined;
  missing_.push_back(std::move(missing));
}

/// What of the access is not known, so that nothing can be said of it; or nothing.
const char* DeviceRules::not_known(const trace::Dma& dma) {
  if (!dma.direction || *dma.direction == trace::Direction::read_write) {
    return "whether the access reads or writes";
  }
  if (!dma.privileged) return "whether the access is privileged";
  return nullptr;
}

/// What the engine does not look at is judged where nothing can be cached but memory, or what it
/// is told.
DeviceRules::Allowed DeviceRules::allowed_now(const Access& access) const {
  Allowed now;
  const auto collect = [&](const Outcome& o) { now.outcomes.push_back(o); };
  now.judged = caches_.outcomes(access, collect);
  const bool translating = smmu_.surely_enabled();
  if (translating) now.memory = plain(access);
  const bool within = std::ranges::any_of(
      now.outcomes, [](const Outcome& o) { return o.kind == OutcomeKind::within; });
  const bool modelled = caches_.unsupported().empty();
  if (within && modelled && changed_since_enabled_ && nested_.follows(access)) {
    now.outcomes.clear();
    now.judged = caches_.nested().outcomes(access, collect);
  } else if (within || !modelled) {
    now.judged = translating && now.memory.known && !changed_since_enabled_;
    now.outcomes = now.memory.outcomes();
  }
  // Nor does it know of memory that is not there.
  if (now.memory.aborts) {
    now.judged = now.memory.known && !changed_since_enabled_;
    now.outcomes = now.memory.outcomes();
  }
  // The engine's rule for what is out of range stands for several; memory alone says which.
  const Outcome& m = now.memory.outcome;
  for (Outcome& o : now.outcomes) {
    const bool its = o.kind == OutcomeKind::fault && m.kind == o.kind && m.event == o.event;
    if (now.memory.known && its) o.rule = m.rule;
  }
  const auto is_open = [&](const Outcome& o) {
    return o.kind == OutcomeKind::fault && spec::is_left_open(o.rule, caches_.capabilities());
  };
  const auto open = std::ranges::find_if(now.outcomes, is_open);
  now.is_open = (left_open_ && translating) || open != now.outcomes.end();
  if (now.is_open && !now.outcomes.empty()) {
    const Outcome& its = open != now.outcomes.end() ? *open : now.outcomes.front();
    now.outcomes = {Outcome{.kind = OutcomeKind::any, .rule = its.rule}};
  }
  return now;
}

void DeviceRules::access(const trace::Dma& dma) {
  if (dma.kind == trace::TransactionKind::translated) return translated(dma);
  const Access access = access_in(dma);
  ++numbers_.accesses;
  ++before_;
  auto [allowed, judged, is_open, memory] = allowed_now(access);
  // What was legal to the device, clamped, it may have cached, and what it then translated by that.
  left_open_ |= is_open;
  const bool any =
      std::ranges::any_of(allowed, [](const Outcome& o) { return o.kind == OutcomeKind::any; });
  breadth_.push_back(any ? ~u32{0} : static_cast<u32>(allowed.size()));
  if (any) ++numbers_.any;
  if (allowed.size() > 1) ++numbers_.open;
  const char* missing = not_known(dma);
  if (missing == nullptr && (!judged || allowed.empty())) {
    missing = memory.aborts ? "what caches may hold of a structure whose fetch aborts now"
                            : "what caches may hold of both stages, or of tables of another format";
  }
  // Where no data memory is, an access that passes cannot be told from one that does not.
  const bool names = dma.result == trace::DmaResult::ok && dma.pa.has_value();
  if (missing == nullptr && !any && !names && may_be_unseen(allowed)) {
    missing = "whether the access arrived outside of the memory that shows it";
  }
  // A word that is read elsewhere may look like the name of one there: a record has addresses.
  const auto is_there = [&](const Outcome& o) { return o.pa == *dma.pa; };
  const bool mistaken = names && dma.direction == trace::Direction::read &&
                        std::ranges::none_of(allowed, is_there) && may_be_unseen(allowed);
  if (missing == nullptr && !any && mistaken) {
    missing = "whether what was read outside of the memory that shows it looks like an address";
  }
  if (missing != nullptr) undetermined(missing);
  if (missing != nullptr || any) {
    push_anything(access, dma);
    return;
  }
  ask_rules(allowed);
  ask(rule::DEVICE_OUTCOME, true);
  judge_outcome(access, dma, allowed, memory);
}

void DeviceRules::access_begins(const trace::Dma& dma) {
  ++before_;
  trace::Dma any = dma;
  any.result = trace::DmaResult::abort;
  push_anything(access_in(dma), any);
}

bool DeviceRules::may_be_unseen(const std::vector<Outcome>& allowed) const {
  return std::ranges::any_of(
      allowed, [&](const Outcome& o) { return o.passes() && o.pa - seen_first_ >= seen_bytes_; });
}

void DeviceRules::judge_outcome(const Access& access, const trace::Dma& dma,
                                const std::vector<Outcome>& allowed, const Plain& memory) {
  const bool reached = dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass;
  bool same = true;  // as memory says
  if (memory.known) {
    const Outcome& m = memory.outcome;
    same = reached ? m.passes() && (!dma.pa || *dma.pa == m.pa) : !m.passes();
  }
  const std::size_t before = found_.size();
  if (reached) {
    judge_reached(access, dma, allowed, memory);
  } else {
    judge_terminated(access, dma, allowed, memory);
  }
  const bool wrong = found_.size() != before || (!reached && open_.back().wrong);
  if (!same && !wrong) ++numbers_.stale_allowed;
}

/// What is not judged may have a record, but not if it arrived.
void DeviceRules::push_anything(const Access& access, const trace::Dma& dma) {
  if (dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass) return;
  push_open({.access = access,
             .candidates = {},
             .any = true,
             .stalled = dma.result == trace::DmaResult::stall,
             .which = before_ - 1,
             .features = {}});
}

void DeviceRules::judge_reached(const Access& access, const trace::Dma& dma,
                                const std::vector<Outcome>& allowed, const Plain& memory) {
  bool passes = false;
  for (const Outcome& o : allowed) {
    if (!o.passes()) continue;
    passes = true;
    if (dma.pa && *dma.pa == o.pa) return;
  }
  std::string text = access_text(access) + " reached " +
                     (dma.pa ? fmt::format("{:#x}", *dma.pa) : std::string("memory"));
  for (const Outcome& o : allowed) {
    text += fmt::format("; allowed is {}{} ({})", outcome_name(o),
                        o.passes() ? fmt::format(" to {:#x}", o.pa) : std::string(),
                        explained(caches_.view(), o));
  }
  const Outcome* const refused = dma.pa ? refused_at(allowed, access, *dma.pa) : nullptr;
  const Outcome& first = refused != nullptr ? *refused : allowed.front();
  const u32 which = before_ - 1;
  Features features = memory.known ? memory.features : Features{};
  if (refused != nullptr && refused->rule != memory.outcome.rule) {  // memory says another thing
    features = why_refused(*refused, access);
  }
  if (!smmu_.surely_enabled()) {
    const bool beyond = (access.va >> caches_.capabilities().oas_lg2) != 0;
    find_of(which, rule::DISABLED_PASSES,
            "reached memory with SMMUEN = 0" +
                (first.kind != OutcomeKind::abort ? ": " + outcome_name(first) + " is allowed"
                 : beyond                         ? std::string(" beyond the output address size")
                                                  : std::string(" and GBPA.ABORT = 1")),
            std::move(text));
  } else if (passes && refused == nullptr) {
    const bool bypass = first.kind == OutcomeKind::bypass;
    find_of(which, bypass ? rule::STE_BYPASS : rule::TRANSLATION_RESULT,
            {.what = "reached another address", .features = std::move(features)}, std::move(text));
  } else {
    const Rule rule = first.kind == OutcomeKind::abort ? rule::STE_ABORT : first.rule;
    const std::string used = used_instead_of(first);
    find_of(which, rule,
            {.what = used.empty() ? "reached memory instead of " + outcome_name(first) : used,
             .features = std::move(features)},
            std::move(text));
  }
}

namespace {

/// What waits has a fault that stalls, and what is terminated has none: those that fit are kept,
/// of which the record is then. False: none does. IHI 0070 3.12, 5.5.
bool keep_fitting(std::vector<Outcome>& candidates, bool stalled) {
  const auto fits = [&](const Outcome& o) { return o.stalled() == stalled; };
  if (candidates.empty()) return true;
  if (std::ranges::none_of(candidates, fits)) return false;
  std::erase_if(candidates, std::not_fn(fits));
  return true;
}

}  // namespace

void DeviceRules::judge_terminated(const Access& access, const trace::Dma& dma,
                                   const std::vector<Outcome>& allowed, const Plain& memory) {
  Open open{.access = access,
            .candidates = {},
            .stalled = dma.result == trace::DmaResult::stall,
            .merges = caches_.fetches().may_merge_events(access.sid),
            .which = before_ - 1,
            .features = {}};
  for (const Outcome& o : allowed) {
    if (o.kind == OutcomeKind::fault || o.kind == OutcomeKind::abort) open.candidates.push_back(o);
  }
  open.only_stalls = std::ranges::all_of(allowed, [](const Outcome& o) { return o.stalled(); });
  if (!keep_fitting(open.candidates, open.stalled)) {
    const Outcome& first = open.candidates.front();
    find_of(open.which, rule::DEVICE_OUTCOME,
            open.stalled ? "waits though nothing stalls it" : "is terminated instead of waiting",
            fmt::format("{} {}; allowed is {}, which {} it ({})", access_text(access),
                        open.stalled ? "waits" : "is terminated", outcome_name(first),
                        open.stalled ? "terminates" : "stalls", explained(caches_.view(), first)));
  }
  if (memory.known) {
    open.features = memory.features;
    open.translates = memory.outcome.kind == OutcomeKind::translation;
    // What memory says is what a wrong one is compared with.
    const Outcome& m = memory.outcome;
    const auto its = std::ranges::find_if(
        open.candidates, [&](const Outcome& o) { return o.kind == m.kind && o.event == m.event; });
    if (its != open.candidates.end()) std::iter_swap(open.candidates.begin(), its);
  }
  if (open.candidates.empty()) {
    // Its record, if it comes, says more: it is reported then.
    open.wrong = true;
    const bool disabled = !smmu_.surely_enabled();
    open.rule = disabled                                      ? rule::DISABLED_PASSES
                : allowed.front().kind == OutcomeKind::bypass ? rule::STE_BYPASS
                                                              : rule::TRANSLATION_RESULT;
  } else if (!may_record(open) && memory.known && smmu_.surely_enabled()) {
    ask(rule::EVENT_ONCE, true);
  }
  push_open(std::move(open));
}

// ---- registers ----------------------------------------------------------------------------------

bool DeviceRules::register_read(u32 offset, u64 value) {
  const auto late = [&](unsigned& waits, const char* what) {
    ask(rule::REGISTER_PROGRESS, true);
    if (++waits != polls_max) return;
    find(rule::REGISTER_PROGRESS, std::string(what) + " does not follow",
         std::string(what) + " does not show what was asked within " + std::to_string(polls_max) +
             " reads");
  };
  if (offset == reg::cr0ack && value != smmu_.cr0()) late(waits_cr0_, "CR0ACK");
  if (offset == reg::cr0ack && !smmu_.smmuen() && (value & spec::cr0::smmuen) == 0) {
    surely_disabled_ = true;
    stalls_.all_ended();
  }
  if (offset == reg::gbpa && (value & spec::gbpa::update) != 0) late(waits_gbpa_, "GBPA.Update");
  if (offset == reg::cmdq_cons) {
    ask(rule::CMD_ORDER, true);
    // Commands may be consumed one by one: it waits where nothing moves.
    if (value != last_cons_) waits_cons_ = 0;
    last_cons_ = value;
    const bool there = (value & spec::queue_index_mask) == smmu_.commands_end();
    if (there && !smmu_.stopped_by_error()) commands_consumed();
    if (!there && (smmu_.cr0() & spec::cr0::cmdqen) != 0) late(waits_cons_, "CMDQ_CONS");
    if (there) ask(rule::REGISTER_PROGRESS, true);
    error_shown_ =
        there && smmu_.stopped_by_error() && spec::cmdq_cons_err(static_cast<u32>(value)) != 0;
    // It is at the command, and has still to say what is wrong with it.
    if (there && smmu_.stopped_by_error() && !error_shown_) late(waits_cons_, "CMDQ_CONS.ERR");
  }
  // The code is there first, the error follows. IHI 0070 7.1.
  if (offset == reg::gerror && error_shown_ && smmu_.stopped_by_error() &&
      ((value ^ gerrorn_) & spec::gerror::cmdq_err) == 0) {
    late(waits_gerror_, "GERROR.CMDQ_ERR");
  }
  if (offset == reg::gerror && (value & spec::gerror::eventq_abt_err) != 0 &&
      (met_full_queue_ || smmu_.event_slots() == 0)) {
    find(rule::EVENT_OVERFLOW, "GERROR.EVENTQ_ABT_ERR instead of OVFLG",
         "a record met a full event queue: GERROR.EVENTQ_ABT_ERR is active, which stands for an "
         "external abort of a queue access");
    return true;
  }
  if (offset == reg::eventq_prod) events_shown(value);
  return false;
}

}  // namespace iommucheck::oracle
