// SPDX-License-Identifier: MIT
#include "oracle/device_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/text.h"
#include "spec/arch/walk.h"
#include "spec/smmu/event_record.h"

namespace iommucheck::oracle {

namespace {

using spec::Access;
using spec::AccessType;
using spec::Outcome;
using spec::OutcomeKind;
using spec::Rule;
namespace reg = spec::reg;

/// "In finite time": what did not come within so many looks is said not to come.
constexpr unsigned looks_max = 3;
constexpr unsigned polls_max = 8;
constexpr unsigned exact = 100;

std::string outcome_name(const Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::translation: return "a translation";
    case OutcomeKind::bypass: return "bypass";
    case OutcomeKind::fault: return std::string(spec::event_name(outcome.event));
    case OutcomeKind::abort:
    case OutcomeKind::denied: return "termination without a record";
    case OutcomeKind::any: return "anything";
  }
  return "?";
}

std::string with(const std::string& detail) { return detail.empty() ? "" : " (" + detail + ")"; }

std::string access_text(const Access& access) {
  return fmt::format("the {} of stream {:#x} at {:#x}",
                     access.type == AccessType::write ? "write" : "read", access.sid, access.va);
}

const char* granule_name(spec::Granule granule) {
  switch (granule) {
    case spec::Granule::g4k: return "4K";
    case spec::Granule::g16k: return "16K";
    case spec::Granule::g64k: return "64K";
  }
  return "?";
}

/// The words that a walk reads from memory as it is now, and the last ones for the detail.
struct Reader {
  const spec::Memory& memory;
  bool unknown = false;
  u64 last = 0;
  u64 tables = 0;  ///< all descriptors before the last one, joined
  unsigned reads = 0;
  void begin_walk() { tables = last = reads = 0; }
  std::optional<u64> read(u64 pa) {
    const spec::Content content = memory.newest(pa);
    unknown |= content.unknown;
    tables |= last;
    last = content.value;
    ++reads;
    return content.value;
  }
};

/// What of the descriptors forbids the access, from the leaf up.
std::string why_not_permitted(const Reader& reader, const Access& access) {
  const bool write = access.type == AccessType::write;
  if (!access.privileged && !bit(reader.last, 6)) return "AP[1]";
  if (write && bit(reader.last, 7)) return "AP[2]";
  if (!access.privileged && bit(reader.tables, 61)) return "APTable[0]";
  if (write && bit(reader.tables, 62)) return "APTable[1]";
  return {};
}

spec::EventFields fields_of(const Access& access) {
  spec::EventFields fields;
  fields.sid = access.sid;
  if (access.ssv) fields.ssid = access.ssid;
  fields.privileged = access.privileged;
  fields.read = access.type != AccessType::write;
  fields.input_address = access.va;
  return fields;
}

}  // namespace

DeviceRules::DeviceRules(spec::Caches& caches, spec::Smmu& smmu, u64 first, u64 bytes)
    : caches_(caches), smmu_(smmu), seen_first_(first), seen_bytes_(bytes) {
  caches_.write_gbpa_abort(true);  // what it resets to is IMPLEMENTATION DEFINED
}

std::string kind_of(std::string_view text) {
  std::string kind;
  for (std::size_t i = 0; i < text.size();) {
    const auto digit = [&](std::size_t k) {
      return k < text.size() && std::isdigit(static_cast<unsigned char>(text[k])) != 0;
    };
    const bool inside = i != 0 && (std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0 ||
                                   text[i - 1] == '_');
    if (!digit(i) || inside) {
      kind += text[i++];
      continue;
    }
    while (i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0) ++i;
    kind += '#';
  }
  return kind;
}

void DeviceRules::find(Rule rule, std::string kind, std::string text) {
  found_.push_back({rule, std::move(kind), std::move(text)});
}

void DeviceRules::find_of(u32 which, Rule rule, std::string kind, std::string text) {
  found_.push_back({rule, std::move(kind), std::move(text), true, which});
}

void DeviceRules::ask(Rule rule, bool discriminating) {
  ++numbers_.asked[static_cast<std::size_t>(rule)];
  if (discriminating) ++numbers_.discriminating[static_cast<std::size_t>(rule)];
}

std::vector<DeviceFinding> DeviceRules::take() { return std::exchange(found_, {}); }

void DeviceRules::begin_case() {
  found_.clear();
  open_.clear();
  breadth_.clear();
  came_.clear();
  before_ = 0;
  new_records_ = 0;
  overflow_expected_ = overflow_unsure_ = false;
  changed_since_enabled_ = enabled_once_ = false;
  waits_cr0_ = waits_cons_ = waits_gbpa_ = 0;
}

void DeviceRules::stored(u64 /*pa*/) { changed_since_enabled_ = enabled_once_; }

void DeviceRules::register_write(u32 offset, u64 value) {
  if (offset == reg::cr0) {
    waits_cr0_ = 0;
    if ((value & spec::cr0::smmuen) != 0 && !smmu_.smmuen()) {
      changed_since_enabled_ = enabled_once_;
      enabled_once_ = true;
    }
  }
  if (offset == reg::cmdq_prod) waits_cons_ = 0;
  if (offset == reg::gbpa) waits_gbpa_ = 0;
}

// ---- memory alone -------------------------------------------------------------------------------

/// What the access meets if nothing is cached: words of its own reading, not those of the engine.
DeviceRules::Plain DeviceRules::plain(const Access& access) const {
  Plain result;
  const spec::Capabilities& caps = caches_.capabilities();
  const spec::StreamTable& table = caches_.stream_table();
  Reader reader{caches_.memory()};
  const auto fault = [&](spec::EventType event, Rule rule) {
    result.outcome = {.kind = OutcomeKind::fault, .event = event, .rule = rule};
    result.known = !reader.unknown;
    return result;
  };
  if (!spec::sid_in_range<u64>(table, access.sid)) {
    return fault(spec::EventType::c_bad_streamid, Rule::STREAM_ID_RANGE);
  }
  u64 place = spec::linear_ste_address<u64>(table, access.sid);
  if (table.two_level) {
    const spec::L1Std<u64> l1{*reader.read(spec::l1std_address<u64>(table, access.sid))};
    if (const auto rule = spec::l1std_illegal<u64>(table, l1, access.sid)) {
      return fault(spec::EventType::c_bad_streamid, *rule);
    }
    place = spec::second_level_ste_address<u64>(table, l1, access.sid);
  }
  spec::Ste<u64> ste;
  for (unsigned i = 0; i < spec::ste_words; ++i) ste.dw[i] = *reader.read(place + 8 * i);
  const spec::SteDecision decision = spec::decode_ste<u64>(ste, caps);
  if (decision.kind == spec::SteKind::bad) {
    return fault(spec::EventType::c_bad_ste, decision.rule);
  }
  result.known = !reader.unknown;
  if (decision.kind == spec::SteKind::abort) {
    result.outcome = {.kind = OutcomeKind::abort, .rule = Rule::STE_ABORT};
    return result;
  }
  if (decision.kind == spec::SteKind::bypass) {
    if ((access.va & ~low_mask(u64{caps.oas_lg2})) != 0) {
      return fault(spec::EventType::f_addr_size, Rule::STE_BYPASS_SIZE);
    }
    result.outcome = {.kind = OutcomeKind::bypass, .pa = access.va, .rule = Rule::STE_BYPASS};
    return result;
  }
  const auto substream = spec::select_substream<u64>(ste, caps, access.ssv, access.ssid);
  if (decision.kind != spec::SteKind::stage1 || substream.kind != spec::SubstreamKind::cd ||
      spec::cd_leaf_bits(ste, caps) != 0) {
    result.known = false;  // not asked of devices yet
    return result;
  }
  if (ste.s1cdmax() != 0 && caps.ssidsize == 0) result.detail = "S1CDMax is ignored";
  spec::Cd<u64> cd;
  const u64 cd_place = spec::linear_cd_address<u64>(ste, substream.number);
  for (unsigned i = 0; i < spec::cd_words; ++i) cd.dw[i] = *reader.read(cd_place + 8 * i);
  if (const auto rule = spec::decode_cd<u64>(cd, ste, caps)) {
    return fault(spec::EventType::c_bad_cd, *rule);
  }
  const spec::Regime<u64> regime = spec::regime_of<u64>(ste, cd, caps);
  reader.begin_walk();
  const auto walked =
      spec::walk_stage1<u64>(reader, regime, access.va, {access.type, access.privileged});
  const unsigned half = spec::select_half(regime, access.va);
  if (const auto* failed = std::get_if<spec::Fault>(&walked)) {
    const bool at_descriptor = failed->rule != Rule::S1_VA_IN_RANGE &&
                               failed->rule != Rule::S1_EPD && failed->rule != Rule::S1_E0PD;
    if (at_descriptor) {
      const spec::Granule tg = regime.half[half].tg;
      const unsigned level = spec::start_level<u64>(tg, regime.half[half].tsz) + reader.reads - 1;
      const bool block = bit(reader.last, 0) && !bit(reader.last, 1);
      if (failed->rule == Rule::S1_OUTPUT_SIZE) {
        result.detail =
            bit(reader.last, 1) && level != spec::last_level ? "of the next table" : "of the leaf";
      } else if (failed->rule == Rule::S1_DESCRIPTOR_VALID && block) {
        result.detail = level == spec::last_level
                            ? "bits 01 at level 3"
                            : fmt::format("a block at level {}, {}", level, granule_name(tg));
      } else if (failed->rule == Rule::S1_PERMISSION) {
        result.detail = why_not_permitted(reader, access);
      }
    }
    (void)fault(failed->event, failed->rule);
    result.outcome.reaction = spec::reaction_of(cd, caps);
    return result;
  }
  const auto& translation = std::get<spec::Translation<u64>>(walked);
  result.outcome = {
      .kind = OutcomeKind::translation, .pa = translation.output, .rule = Rule::TRANSLATION_RESULT};
  result.known = !reader.unknown;
  return result;
}

// ---- accesses -----------------------------------------------------------------------------------

/// Which rule an access asks for: each outcome's, discriminating where it is the only one.
void DeviceRules::ask_rules(const std::vector<Outcome>& allowed) {
  for (const Outcome& o : allowed) {
    Rule rule = Rule::TRANSLATION_RESULT;
    if (!smmu_.surely_enabled()) {
      rule = Rule::DISABLED_PASSES;
    } else if (o.kind == OutcomeKind::fault) {
      rule = o.rule;
    } else if (o.kind == OutcomeKind::abort) {
      rule = Rule::STE_ABORT;
    } else if (o.kind == OutcomeKind::bypass) {
      rule = Rule::STE_BYPASS;
    }
    ask(rule, allowed.size() == 1);
  }
}

bool DeviceRules::must_record(const Outcome& outcome) const {
  if (outcome.kind != OutcomeKind::fault) return false;
  if (outcome.event == spec::EventType::c_bad_streamid) return smmu_.recinvsid();
  return !spec::is_translation_fault(outcome.event) || outcome.reaction.record;
}

void DeviceRules::access(const trace::Dma& dma) {
  Access access{.sid = dma.sid, .va = dma.iova};
  access.type = dma.direction == trace::Direction::write ? AccessType::write : AccessType::read;
  access.privileged = dma.privileged.value_or(false);
  ++numbers_.accesses;
  std::vector<Outcome> allowed;
  bool judged = caches_.outcomes(access, [&](const Outcome& o) { allowed.push_back(o); });
  Plain memory;
  const bool translating = smmu_.surely_enabled();
  if (translating) memory = plain(access);
  // The engine follows 4 KiB tables; others are judged where nothing can be cached but memory.
  if (!caches_.unsupported().empty()) {
    judged = translating && memory.known && !changed_since_enabled_;
    allowed.assign(1, memory.outcome);
  }
  breadth_.push_back(static_cast<u32>(allowed.size()));
  ++before_;
  const bool any =
      std::ranges::any_of(allowed, [](const Outcome& o) { return o.kind == OutcomeKind::any; });
  if (any) ++numbers_.any;
  if (allowed.size() > 1) ++numbers_.open;
  if (!judged || allowed.empty()) {
    ++numbers_.unjudged;
    push_anything(access, dma);
    return;
  }
  const bool unseen = std::ranges::any_of(allowed, [&](const Outcome& o) {
    const bool passes = o.kind == OutcomeKind::translation || o.kind == OutcomeKind::bypass;
    return passes && o.pa - seen_first_ >= seen_bytes_;
  });
  if (unseen) ++numbers_.unjudged;
  if (any || unseen) {
    push_anything(access, dma);
    return;
  }
  // The engine's rule for a stream out of range stands for several; memory alone says which.
  for (Outcome& o : allowed) {
    if (memory.known && o.kind == OutcomeKind::fault && memory.outcome.kind == o.kind &&
        memory.outcome.event == o.event) {
      o.rule = memory.outcome.rule;
    }
  }
  ask_rules(allowed);
  ask(Rule::DEVICE_OUTCOME, true);
  const bool reached = dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass;
  if (memory.known) {
    const Outcome& m = memory.outcome;
    const bool passes = m.kind == OutcomeKind::translation || m.kind == OutcomeKind::bypass;
    const bool same = reached ? passes && (!dma.pa || *dma.pa == m.pa) : !passes;
    if (!same) ++numbers_.stale_allowed;  // taken back where it is not allowed
    const std::size_t before = found_.size();
    if (reached) {
      judge_reached(access, dma, allowed, memory);
    } else {
      judge_terminated(access, allowed, memory);
    }
    const bool wrong = found_.size() != before || (!open_.empty() && open_.back().wrong);
    if (!same && wrong) --numbers_.stale_allowed;
  } else if (reached) {
    judge_reached(access, dma, allowed, memory);
  } else {
    judge_terminated(access, allowed, memory);
  }
}

/// What is not judged may have a record, but not if it arrived.
void DeviceRules::push_anything(const Access& access, const trace::Dma& dma) {
  if (dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass) return;
  open_.push_back(
      {.access = access, .candidates = {}, .any = true, .which = before_ - 1, .detail = {}});
}

void DeviceRules::judge_reached(const Access& access, const trace::Dma& dma,
                                const std::vector<Outcome>& allowed, const Plain& memory) {
  bool passes = false;
  for (const Outcome& o : allowed) {
    if (o.kind != OutcomeKind::translation && o.kind != OutcomeKind::bypass) continue;
    passes = true;
    if (dma.pa && *dma.pa == o.pa) return;
  }
  std::string text = access_text(access) + " reached " +
                     (dma.pa ? fmt::format("{:#x}", *dma.pa) : std::string("memory"));
  for (const Outcome& o : allowed) {
    text += fmt::format("; allowed is {}{} ({})", outcome_name(o),
                        o.kind == OutcomeKind::translation || o.kind == OutcomeKind::bypass
                            ? fmt::format(" to {:#x}", o.pa)
                            : std::string(),
                        caches_.explain(o));
  }
  const Outcome& first = allowed.front();
  const u32 which = before_ - 1;
  const std::string detail = memory.known ? with(memory.detail) : std::string();
  if (!smmu_.surely_enabled()) {
    const bool beyond = (access.va >> caches_.capabilities().oas_lg2) != 0;
    find_of(which, Rule::DISABLED_PASSES,
            "reached memory with SMMUEN = 0" +
                (first.kind != OutcomeKind::abort ? ": " + outcome_name(first) + " is allowed"
                 : beyond                         ? std::string(" beyond the output address size")
                                                  : std::string(" and GBPA.ABORT = 1")),
            std::move(text));
  } else if (passes) {
    const bool bypass = first.kind == OutcomeKind::bypass;
    find_of(which, bypass ? Rule::STE_BYPASS : Rule::TRANSLATION_RESULT,
            "reached another address" + detail, std::move(text));
  } else {
    const Rule rule = first.kind == OutcomeKind::abort ? Rule::STE_ABORT : first.rule;
    find_of(which, rule, "reached memory instead of " + outcome_name(first) + detail,
            std::move(text));
  }
}

/// Whether a record of it finds a place: from what is surely there, and what may be.
void DeviceRules::count_room(Open& open, bool records) {
  u64 surely = 0;
  u64 perhaps = 0;
  for (const Open& other : open_) {
    const bool known = !other.any && !other.wrong;
    const auto its = [&](const Outcome& o) { return must_record(o); };
    if (known && std::ranges::none_of(other.candidates, its)) continue;
    ++perhaps;
    const bool all = known && std::ranges::all_of(other.candidates, its);
    if (all && other.has_room && !merges(other)) ++surely;
  }
  const u64 slots = smmu_.event_slots();
  open.has_room = smmu_.records_events() && perhaps < slots && !overflow_unsure_;
  if (!records || !smmu_.records_events() || perhaps < slots) return;
  if (surely < slots || merges(open)) overflow_unsure_ = true;
  if (!overflow_unsure_ && !overflow_expected_ && !smmu_.event_overflow_open()) {
    overflow_expected_ = true;
  }
}

void DeviceRules::judge_terminated(const Access& access, const std::vector<Outcome>& allowed,
                                   const Plain& memory) {
  Open open{.access = access,
            .candidates = {},
            .merges = caches_.may_merge_events(access.sid),
            .which = before_ - 1,
            .detail = {}};
  for (const Outcome& o : allowed) {
    if (o.kind == OutcomeKind::fault || o.kind == OutcomeKind::abort) open.candidates.push_back(o);
  }
  if (memory.known) {
    open.detail = with(memory.detail);
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
    open.rule = disabled                                      ? Rule::DISABLED_PASSES
                : allowed.front().kind == OutcomeKind::bypass ? Rule::STE_BYPASS
                                                              : Rule::TRANSLATION_RESULT;
    open_.push_back(std::move(open));
    return;
  }
  bool records = false;
  bool silent = false;
  for (const Outcome& o : open.candidates) (must_record(o) ? records : silent) = true;
  if (silent && !records && memory.known && smmu_.surely_enabled()) ask(Rule::EVENT_ONCE, true);
  count_room(open, records && !silent);
  if (records && silent) overflow_unsure_ = true;
  open_.push_back(std::move(open));
}

// ---- records ------------------------------------------------------------------------------------

/// How much the record looks like that of the access; 0: of another stream, `exact`: all of it.
/// Whose it is say stream, address and direction before its type, which is the verdict. A device
/// that gets one field wrong everywhere is so blamed for that field alone.
unsigned DeviceRules::likeness(const Open& open, const trace::EventRecord& words) const {
  constexpr unsigned address_fits = 8, direction_fits = 4, type_fits = 2;
  if (spec::event_sid(words) != open.access.sid) return 0;
  const spec::EventType type = spec::event_type_of(words);
  const spec::EventRecord own = spec::record_of(type, fields_of(open.access));
  unsigned like = 1;
  if (own.dw[2] == words[2]) like += address_fits;
  if (((own.dw[1] ^ words[1]) & own.fixed[1] & (u64{1} << 35)) == 0) like += direction_fits;
  bool fits = open.any || open.wrong;
  for (const Outcome& o : open.candidates) fits |= must_record(o) && o.event == type;
  if (fits) like += type_fits;
  if (fits && !open.any && spec::matches(own, words)) return exact;
  return like;
}

void DeviceRules::record(const trace::EventRecord& words) {
  ++numbers_.records;
  came_.push_back(words);
  if (new_records_ != 0) --new_records_;
  std::size_t best = open_.size();
  unsigned most = 0;
  auto ways = std::ptrdiff_t{0};
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const unsigned like = likeness(open_[i], words);
    // Of several that it may belong to, that which could have fewer others.
    const auto others = std::ranges::count_if(open_[i].candidates,
                                              [&](const Outcome& o) { return must_record(o); });
    if (like < most || like == 0 || (like == most && (like != exact || others >= ways))) continue;
    most = like;
    ways = others;
    best = i;
  }
  if (best == open_.size()) {
    find(Rule::EVENT_ONCE,
         std::string(spec::event_name(spec::event_type_of(words))) +
             " without an access that was terminated",
         "the record " + spec::describe(words) +
             " belongs to no access that was terminated and has none yet");
  } else {
    const Open open = std::move(open_[best]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(best));
    if (most == exact && !open.wrong) {
      ask(Rule::EVENT_RECORD, true);
      ask(Rule::EVENT_ONCE, true);
      ask(Rule::EVENT_LOST, true);
    } else if (!open.any) {
      mismatch(open, words);
    }
  }
  if (new_records_ == 0) queue_looked_at();
}

/// The access has that record, and should have another or none.
void DeviceRules::mismatch(const Open& open, const trace::EventRecord& words) {
  const spec::EventType type = spec::event_type_of(words);
  const std::string name(spec::event_name(type));
  const std::string text =
      "the record " + spec::describe(words) + " of " + access_text(open.access);
  if (open.wrong) {
    find_of(open.which, open.rule, "terminated as " + name + open.detail, text + ": it is to pass");
    return;
  }
  for (const Outcome& o : open.candidates) {
    if (!must_record(o) || o.event != type) continue;
    const auto expected = spec::record_of(type, fields_of(open.access));
    const std::string difference = spec::describe_mismatch(expected, words);
    find(Rule::EVENT_RECORD, name + "." + difference.substr(0, difference.find(" is ")),
         text + ": " + difference);
    return;
  }
  const Outcome& o = open.candidates.front();
  const bool silent = !must_record(o);
  const Rule rule = o.kind == OutcomeKind::abort ? Rule::STE_ABORT
                    : silent                     ? Rule::EVENT_ONCE
                                                 : o.rule;
  const std::string expected =
      outcome_name(o) + (silent && o.kind == OutcomeKind::fault ? " without a record" : "");
  find_of(open.which, rule, name + " instead of " + expected + open.detail,
          text + ": allowed is " + expected + " (" + caches_.explain(o) + ")");
}

/// IHI 0070 7.3.1: identical events may share a record where STE.MEV = 1, and before an STE is
/// found always.
bool DeviceRules::merges(const Open& open) const {
  return std::ranges::any_of(open.candidates, [&](const Outcome& o) {
    if (o.kind != OutcomeKind::fault) return false;
    return open.merges || o.event == spec::EventType::c_bad_streamid ||
           o.event == spec::EventType::f_ste_fetch || o.event == spec::EventType::c_bad_ste;
  });
}

/// InputAddr[11:0] does not count.
bool DeviceRules::may_be_merged(const Open& open) const {
  if (!merges(open)) return false;
  return std::ranges::any_of(open.candidates, [&](const Outcome& o) {
    spec::EventRecord own = spec::record_of(o.event, fields_of(open.access));
    own.fixed[2] &= ~mask(11, 0);
    return std::ranges::any_of(
        came_, [&](const trace::EventRecord& words) { return spec::matches(own, words); });
  });
}

void DeviceRules::missing(const Open& open) {
  if (open.wrong) {
    find_of(open.which, open.rule, "terminated without a record" + open.detail,
            access_text(open.access) + " is terminated without a record; it is to pass");
    return;
  }
  const bool certain =
      !open.any && open.has_room && !may_be_merged(open) &&
      std::ranges::all_of(open.candidates, [&](const Outcome& o) { return must_record(o); });
  if (!certain) return;
  ask(Rule::EVENT_LOST, true);
  find(Rule::EVENT_LOST, "no " + outcome_name(open.candidates.front()) + open.detail,
       access_text(open.access) + " is terminated, and its record (" +
           outcome_name(open.candidates.front()) + ") was not seen within " +
           std::to_string(looks_max) + " looks at the event queue");
}

/// The driver has read all records that EVENTQ_PROD showed.
void DeviceRules::queue_looked_at() {
  if (overflow_expected_) smmu_.record_event({});  // the lost one: OVFLG
  overflow_expected_ = false;
  for (std::size_t i = open_.size(); i-- != 0;) {
    if (++open_[i].looks < looks_max) continue;
    const Open open = std::move(open_[i]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(i));
    missing(open);
  }
}

// ---- registers ----------------------------------------------------------------------------------

bool DeviceRules::register_read(u32 offset, u64 value) {
  const auto late = [&](unsigned& waits, const char* what) {
    ask(Rule::REGISTER_PROGRESS, true);
    if (++waits != polls_max) return;
    find(Rule::REGISTER_PROGRESS, std::string(what) + " does not follow",
         std::string(what) + " does not show what was asked within " + std::to_string(polls_max) +
             " reads");
  };
  if (offset == reg::cr0ack && value != smmu_.cr0()) late(waits_cr0_, "CR0ACK");
  if (offset == reg::gbpa && (value & spec::gbpa::update) != 0) late(waits_gbpa_, "GBPA.Update");
  if (offset == reg::cmdq_cons) {
    ask(Rule::CMD_ORDER, true);
    const bool there = (value & 0xfffff) == smmu_.commands_end();
    if (!there && (smmu_.cr0() & spec::cr0::cmdqen) != 0) late(waits_cons_, "CMDQ_CONS");
    if (there) ask(Rule::REGISTER_PROGRESS, true);
  }
  if (offset == reg::gerror && (value & spec::gerror::eventq_abt_err) != 0 &&
      (overflow_expected_ || overflow_unsure_ || smmu_.event_slots() == 0)) {
    find(Rule::EVENT_OVERFLOW, "GERROR.EVENTQ_ABT_ERR instead of OVFLG",
         "a record met a full event queue: GERROR.EVENTQ_ABT_ERR is active, which stands for an "
         "external abort of a queue access");
    return true;
  }
  if (offset != reg::eventq_prod) return false;
  const u64 fresh = smmu_.events_since(value);
  const bool flag = (value & spec::queue_overflow_flag) != 0;
  new_records_ = fresh;
  if (fresh > open_.size()) {
    find(Rule::EVENT_ONCE, "more records than terminated accesses",
         fmt::format("EVENTQ_PROD shows {} new records, but only {} accesses were terminated "
                     "that have none yet",
                     fresh, open_.size()));
  }
  if (!overflow_unsure_) {
    if (overflow_expected_) ask(Rule::EVENT_OVERFLOW, true);
    const bool expected = smmu_.event_overflow() != overflow_expected_;
    if (flag != expected) {
      find(Rule::EVENT_OVERFLOW, expected ? "OVFLG does not toggle" : "OVFLG toggles by itself",
           fmt::format("EVENTQ_PROD.OVFLG is {}, expected {}", flag ? 1 : 0, expected ? 1 : 0));
    }
  }
  if (new_records_ == 0) queue_looked_at();
  return false;
}

void DeviceRules::finish() {
  for (const Open& open : std::exchange(open_, {})) {
    if (open.wrong) missing(open);
  }
}

}  // namespace iommucheck::oracle
