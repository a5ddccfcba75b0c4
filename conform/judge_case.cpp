// SPDX-License-Identifier: MIT
#include "conform/judge_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "conform/case_header.h"
#include "conform/device_finding.h"
#include "conform/newest_words.h"
#include "monitor/dma_in_flight.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/smmu/id_registers.h"
#include "spec/smmu/transaction.h"
#include "spec/smmu/view.h"

namespace iommucheck::oracle {

namespace {

using spec::Opcode;
using spec::Rule;
namespace rule = spec::rule;

/// A command in the trace: where its two words are stored, and what it is.
struct Stored {
  std::size_t event = 0;
  spec::Command command;
};

/// Those after what brings the SMMU up: before these anything may be cached.
std::vector<Stored> commands_of(const trace::Trace& trace, const spec::Capabilities& caps) {
  const auto queues = queues_of(trace.header);
  if (!queues) return {};
  std::vector<Stored> found;
  for (std::size_t i = 0; i + 1 < trace.events.size(); ++i) {
    const auto* low = std::get_if<trace::Store>(&trace.events[i].payload);
    const auto* high = std::get_if<trace::Store>(&trace.events[i + 1].payload);
    if (low == nullptr || high == nullptr || low->pa - queues->cmdq >= queues->cmdq_bytes() ||
        low->pa % 16 != 0)
      continue;
    if (high->pa != low->pa + 8 || !low->value || !high->value) continue;
    found.push_back({i, spec::decode_command<u64>(*low->value, *high->value, caps)});
  }
  const std::size_t of_boot = std::min(found.size(), boot_commands_of(trace.header));
  found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(of_boot));
  return found;
}

/// The trace with commands that do nothing in the place of those; at least as much is allowed.
trace::Trace without(const trace::Trace& trace, const std::vector<std::size_t>& commands) {
  trace::Trace result = trace;
  spec::Command nothing;
  nothing.op = Opcode::prefetch_config;
  const spec::CommandWords words = spec::encode_command(nothing);
  for (const std::size_t at : commands) {
    std::get<trace::Store>(result.events[at].payload).value = words.dw0;
    std::get<trace::Store>(result.events[at + 1].payload).value = words.dw1;
  }
  return result;
}

bool is_range(const spec::Command& c) { return c.num != 0 || c.scale != 0; }

std::string command_kind(const spec::Command& c) {
  return "CMD_" + std::string(spec::opcode_name(c.op)) + (is_range(c) ? " of a range" : "");
}

/// A record of another type comes from nothing old: translations and tables lead to F_TRANSLATION
/// and F_PERMISSION.
bool may_be_stale(const DeviceKind& kind) {
  using enum spec::EventType;
  const bool is_of_access = kind.record != none && kind.record != e_page_request &&
                            spec::event_name(kind.record) != "reserved";
  return !kind.names_record || !is_of_access || kind.record == f_permission ||
         kind.record == f_translation;
}

/// No TLB has an entry with AF = 0, so that its record comes from nothing old. IHI 0070 3.13.
bool is_never_stale(const Divergence& found) {
  return found.kind.device.record == spec::EventType::f_access;
}

/// What is called as the device shows it afresh may be there already. A mistake that is another
/// access's goes where that one's is told.
void keep_distinct(std::vector<Divergence>& found,
                   const std::vector<Divergence>& of_other_accesses) {
  for (std::size_t i = found.size(); i-- != 0;) {
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(i);
    const auto same = [&](const Divergence& before) { return before.same(found[i]); };
    if (found[i].afresh_of && std::any_of(found.begin(), end, same)) found.erase(end);
  }
  const auto is_of_another = [&](const Divergence& one) {
    return std::ranges::any_of(of_other_accesses,
                               [&](const Divergence& its) { return its.same(one); });
  };
  const auto is_told = [&](const Divergence& one) { return one.which && !is_of_another(one); };
  if (std::ranges::any_of(found, is_told)) std::erase_if(found, is_of_another);
}

/// The rule that the case of a trace asks for; `otherwise` where it names none.
Rule rule_asked(const trace::Header& header, Rule otherwise) {
  if (!header.about) return otherwise;
  const auto asks = header.about->find("asks");
  return asks == header.about->end() ? otherwise
                                     : spec::find_rule(asks->second).value_or(otherwise);
}

}  // namespace

bool CaseJudge::allowed_without(const trace::Trace& trace, const Divergence& found,
                                const std::vector<std::size_t>& commands) {
  if (is_never_stale(found)) return false;
  const std::vector<Divergence> left = reading_.all(without(trace, commands));
  // Where anything is allowed it has to be what something stale may lead to.
  const std::vector<u32>& breadth = reading_.monitor().device_rules()->breadth();
  const auto which = found.which;
  const bool any = which && *which < breadth.size() && breadth[*which] == ~u32{0};
  if (any && !may_be_stale(found.kind.device)) return false;
  // One of another kind is none that is allowed: with more outcomes the same mistake may be told
  // with other words.
  return reading_.judged_until() >= found.event &&
         std::ranges::none_of(left, [&](const Divergence& one) {
           return (one.access && one.event == found.event) ||
                  (one.same(found) && one.event <= found.event);
         });
}

namespace {

/// ASID of the CD that the access uses, as memory says it, by stage 2 where there is one; nothing
/// if it uses none.
std::optional<u64> asid_in_memory(const spec::Caches& caches, const spec::Access& access) {
  NewestWords words{caches.memory()};
  const auto ste = spec::find_ste(words, caches.stream_table(), access.sid);
  if (!ste) return std::nullopt;
  const spec::Capabilities& caps = caches.capabilities();
  const spec::StreamDecision stream = decide_stream(*ste, caps, access.ssv, access.ssid);
  if (!stream.cd) return std::nullopt;
  spec::Intermediate<NewestWords> fetches(words, *ste, caps, stream.stage2,
                                          {access.type, access.privileged});
  const auto cd = spec::find_cd(fetches, *ste, caps, *stream.cd);
  if (!cd) return std::nullopt;
  return cd->asid();
}

/// ASID of all regimes by which the access may be translated, as configuration is cached; nothing
/// if there are several, or none.
std::optional<u64> asid_in_caches(const spec::CachesView& caches, const spec::Access& access) {
  std::optional<u64> asid;
  for (const spec::StreamOption& way :
       caches.fetches.options_of(access.sid, access.ssid, access.ssv).options) {
    if (way.regime == 0 || way.contained) continue;
    const u64 its = caches.regimes.tag(way.tag).tag.asid;
    if (asid && *asid != its) return std::nullopt;
    asid = its;
  }
  return asid;
}

}  // namespace

std::optional<u64> CaseJudge::asid_at(const trace::Trace& trace, std::size_t event) {
  const auto* dma = std::get_if<trace::Dma>(&trace.events[event].payload);
  if (dma == nullptr) return std::nullopt;
  trace::Trace before = trace;
  before.events.resize(event);
  (void)reading_.all(before);
  const spec::Caches& caches = reading_.monitor().caches();
  const spec::Access access = routed_access_in(*dma);
  const std::optional<u64> asid = asid_in_memory(caches, access);
  return asid ? asid : asid_in_caches(caches.view(), access);
}

/// Of these commands those without which, all together, it would have been allowed; none, if it
/// would not. Each is needed, and the last one did not do its work.
std::vector<std::size_t> CaseJudge::explaining(const trace::Trace& trace, const Divergence& found,
                                               const std::vector<std::size_t>& commands) {
  std::vector<std::size_t> places = commands;
  if (places.empty() || !allowed_without(trace, found, places)) return {};
  for (std::size_t i = 0; i < places.size();) {
    std::vector<std::size_t> fewer = places;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    if (!fewer.empty() && allowed_without(trace, found, fewer)) {
      places = std::move(fewer);
    } else {
      ++i;
    }
  }
  return places;
}

/// Would it have been allowed without some invalidation? Then that one did not do its work. Where
/// one of a translation and one of a structure may both be it, the device is asked.
void CaseJudge::refine(const trace::Trace& trace, const Ask& ask, Divergence& found) {
  const std::vector<Stored> commands =
      commands_of(trace, reading_.monitor().caches().capabilities());
  const auto explaining_of = [&](bool (*wanted)(Opcode)) {
    std::vector<std::size_t> places;
    for (const Stored& one : commands) {
      if (wanted(one.command.op)) places.push_back(one.event);
    }
    return explaining(trace, found, places);
  };
  std::vector<std::size_t> places = explaining_of(spec::is_tlbi);
  const std::vector<std::size_t> of_structures = explaining_of(spec::is_cfgi);
  bool tlbi = !places.empty();
  if (tlbi && !of_structures.empty() && ask.emptied) {
    tlbi = ask.emptied(found, Cached::structures) || !ask.emptied(found, Cached::translations);
  }
  if (!tlbi) places = of_structures;
  if (places.empty()) return;
  const std::optional<u64> asid = asid_at(trace, found.event);
  const auto its = [&](const Stored& one) { return one.event == places.back(); };
  const auto last = std::ranges::find_if(commands, its);
  std::string names = command_kind(last->command);
  // Then it is a global entry that it has to remove.
  const bool tagged = last->command.op == Opcode::tlbi_nh_va;
  if (tagged && asid && *asid != last->command.asid) names += " with another ASID";
  const Rule rule = !tlbi                     ? rule::CFGI_SCOPE
                    : is_range(last->command) ? rule::TLBI_RANGE
                                              : rule::TLBI_TAGS;
  found.statement = "what " + names + " has to remove is still in use: " + found.statement;
  found.called = names + " leaves what it covers";
  found.rule = rule;
}

/// What was before that access has to do with it. An entry that the device may still have, and that
/// it does not use as it should, is no invalidation that failed, nor a mistake about what memory
/// has now.
void CaseJudge::explain(const trace::Trace& trace, const Ask& ask, Divergence& found) {
  const Afresh before = ask.earlier ? ask.earlier(found) : Afresh{};
  if (before.answer != Afresh::Answer::wrong) {
    refine(trace, ask, found);
  } else if (before.found) {
    found = *before.found;
  }
}

/// What the ID registers claim together, for the case that asks for it: nothing has to be run.
void CaseJudge::judge_identity(std::vector<Divergence>& found) const {
  const spec::IdRegisters& identity = reading_.identity();
  for (const spec::IdInconsistency& one : spec::id_inconsistencies(identity)) {
    std::string text = fmt::format("the ID registers (AIDR = {:#x}", identity.aidr);
    for (const unsigned i : {0U, 1U, 2U, 3U, 5U})
      text += fmt::format(", IDR{} = {:#x}", i, identity.idr[i]);
    text += fmt::format(") break: {} (IHI 0070 {})", one.text, one.section);
    found.emplace_back(device_finding(rule::ID_REGISTERS, std::string(one.text), std::move(text)),
                       0);
  }
}

std::vector<Divergence> CaseJudge::judge(const trace::Trace& trace, const Ask& ask) {
  std::vector<Divergence> found = reading_.all(trace);
  if (rule_asked(trace.header, rule::DEVICE_SURVIVES) == rule::ID_REGISTERS) judge_identity(found);
  for (Divergence& one : found) one.found_as = {one.rule, one.called};
  const std::vector<Rule> drivers = reading_.drivers();
  if (found.empty() || ask.plain) return found;
  // The questions below are none of the device's.
  const CaseReading::Counted counted = reading_.counted();
  std::vector<Divergence> of_other_accesses;
  for (Divergence& one : found) {
    const bool asked = ask.like == nullptr || one.same_finding(*ask.like);
    if (!one.which || !asked) continue;
    const Afresh again = ask.afresh ? ask.afresh(one) : Afresh{};
    if (again.answer == Afresh::Answer::right) {
      of_other_accesses.push_back(one);
    } else if (again.found) {
      one = *again.found;
    } else if (again.answer == Afresh::Answer::differs && one.access) {
      explain(trace, ask, one);
    }
  }
  reading_.set_counted(counted);
  reading_.drivers() = drivers;
  keep_distinct(found, of_other_accesses);
  for (Divergence& one : found) {
    if (one.access) one.rule = rule_asked(trace.header, one.rule);
  }
  return found;
}

JudgeTally& JudgeTally::operator+=(const JudgeTally& more) {
  numbers += more.numbers;
  for (std::size_t i = 0; i < exercised.size(); ++i) exercised[i] += more.exercised[i];
  invalidations.tlbi += more.invalidations.tlbi;
  invalidations.range += more.invalidations.range;
  invalidations.cfgi += more.invalidations.cfgi;
  gave_up += more.gave_up;
  if (bound.empty()) bound = more.bound;
  return *this;
}

JudgeTally CaseJudge::take_tally() {
  const CaseReading::Counted counted = reading_.counted();
  reading_.set_counted({});
  JudgeTally tally;
  tally.numbers = counted.numbers;
  tally.exercised = counted.exercised;
  tally.invalidations = std::exchange(invalidations_, {});
  tally.gave_up = counted.gave_up;
  if (tally.gave_up != 0) tally.bound = reading_.bound();
  return tally;
}

void CaseJudge::count_invalidations(const trace::Trace& trace) {
  const CaseReading::Counted counted = reading_.counted();  // this asks nothing of the device
  const std::vector<u32> real = reading_.monitor().device_rules()->breadth();
  const std::vector<Stored> commands =
      commands_of(trace, reading_.monitor().caches().capabilities());
  bool bounded = false;  // without invalidations there may be more to follow than there is time for
  const auto count = [&](auto&& wanted) {
    std::vector<std::size_t> places;
    for (const Stored& one : commands) {
      if (wanted(one.command)) places.push_back(one.event);
    }
    if (places.empty() || bounded) return u64{0};
    (void)reading_.all(without(trace, places));
    bounded = reading_.monitor().gave_up();
    if (bounded) return u64{0};
    const std::vector<u32>& wide = reading_.monitor().device_rules()->breadth();
    u64 more = 0;
    for (std::size_t i = 0; i < std::min(real.size(), wide.size()); ++i) more += wide[i] > real[i];
    return more;
  };
  invalidations_.tlbi +=
      count([&](const spec::Command& c) { return spec::is_tlbi(c.op) && !is_range(c); });
  invalidations_.range += count([&](const spec::Command& c) { return is_range(c); });
  invalidations_.cfgi += count([&](const spec::Command& c) { return spec::is_cfgi(c.op); });
  reading_.set_counted(counted);
}

}  // namespace iommucheck::oracle
