// SPDX-License-Identifier: MIT
#include "conform/judge_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "conform/case_notes.h"
#include "conform/device_finding.h"
#include "conform/newest_words.h"
#include "monitor/dma_in_flight.h"
#include "monitor/trace_setup.h"
#include "spec/arch/descriptor.h"
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

Setup judge_setup(const DeviceIdentity& device, const spec::Profile& profile) {
  Setup setup;
  setup.id = device.id;
  setup.seen_pa = device.data_pa;
  setup.seen_bytes = device.data_bytes;
  setup.seen_everywhere = device.every_pa;
  setup.calls_are_known = false;
  setup.device_is_judged = true;
  setup.profile = profile;
  return setup;
}

bool is_devices(Rule rule) {
  const spec::Keeper keeper = spec::rule_info(rule).keeper;
  return keeper == spec::Keeper::device || keeper == spec::Keeper::smmu;
}

/// A command in the trace: where its two words are stored, and what it is.
struct Stored {
  std::size_t event = 0;
  spec::Command command;
};

struct Range {
  u64 base = 0, bytes = 0;
};

/// Where the header of a case says that its command queue lies; nothing if it says nothing.
Range command_queue_of(const trace::Header& header) {
  if (!header.profile) return {};
  const u64 lg2 = std::min<u64>(profile_number(header, "cmdq-lg2"), 19);
  return {profile_number(header, "cmdq"), u64{16} << lg2};
}

QueueLayout queues_of(const trace::Header& header) {
  const auto lg2 = [&](const char* key) {
    return static_cast<unsigned>(std::min<u64>(profile_number(header, key), 19));
  };
  if (!header.profile) return {};
  return {profile_number(header, "cmdq"),
          profile_number(header, "eventq"),
          lg2("cmdq-lg2"),
          lg2("eventq-lg2"),
          profile_number(header, "priq"),
          lg2("priq-lg2")};
}

/// Something that no finding of the monitor is about.
Divergence divergence(Rule rule, std::string kind, std::string text, std::size_t at) {
  return {device_finding(rule, std::move(kind), std::move(text)), at};
}

Divergence lost_message(const trace::Load& load, const InterruptRules::Message& message,
                        std::size_t at) {
  return divergence(rule::INTERRUPT_SENT, "the message of an interrupt does not come",
                    fmt::format("where an interrupt's message goes, {:#x} has {:#x}; {:#x} was to "
                                "be written there",
                                load.pa, load.value.value_or(0), message.payload),
                    at);
}

/// Of what brings the SMMU up.
std::size_t boot_commands_of(const trace::Header& header) {
  const bool said = header.profile && header.profile->contains(boot_commands_key);
  return said ? profile_number(header, boot_commands_key) : Case::boot_commands_default;
}
/// Those after what brings the SMMU up: before these anything may be cached.
std::vector<Stored> commands_of(const trace::Trace& trace, const spec::Capabilities& caps) {
  const auto [base, bytes] = command_queue_of(trace.header);
  std::vector<Stored> found;
  for (std::size_t i = 0; i + 1 < trace.events.size(); ++i) {
    const auto* low = std::get_if<trace::Store>(&trace.events[i].payload);
    const auto* high = std::get_if<trace::Store>(&trace.events[i + 1].payload);
    if (low == nullptr || high == nullptr || low->pa - base >= bytes || low->pa % 16 != 0) continue;
    if (high->pa != low->pa + 8 || !low->value || !high->value) continue;
    found.push_back({i, spec::decode_command<u64>(*low->value, *high->value, caps)});
  }
  const std::size_t of_boot = std::min(found.size(), boot_commands_of(trace.header));
  found.erase(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(of_boot));
  return found;
}

std::vector<spec::Access> accesses_of(const trace::Trace& trace) {
  std::vector<spec::Access> accesses;
  for (const trace::Event& event : trace.events) {
    const auto* dma = std::get_if<trace::Dma>(&event.payload);
    if (dma != nullptr && dma->kind != trace::TransactionKind::translated) {
      accesses.push_back(access_in(*dma));
    }
    const auto* request = std::get_if<trace::AtsRequest>(&event.payload);
    if (request == nullptr) continue;
    spec::Access asked = access_in(*request);
    for (const spec::AccessType type : {spec::AccessType::read, spec::AccessType::write}) {
      asked.type = type;
      accesses.push_back(asked);
    }
  }
  return accesses;
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
void keep_distinct(std::vector<Divergence>& found, const std::vector<Divergence>& anothers) {
  for (std::size_t i = found.size(); i-- != 0;) {
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(i);
    const auto same = [&](const Divergence& other) { return other.same(found[i]); };
    if (found[i].afresh_of && std::any_of(found.begin(), end, same)) found.erase(end);
  }
  const auto is_anothers = [&](const Divergence& one) {
    return std::ranges::any_of(anothers, [&](const Divergence& other) { return other.same(one); });
  };
  const auto is_told = [&](const Divergence& one) { return one.which && !is_anothers(one); };
  if (std::ranges::any_of(found, is_told)) std::erase_if(found, is_anothers);
}

/// The rule that the case of a trace asks for; `otherwise` where it names none.
Rule rule_asked(const trace::Header& header, Rule otherwise) {
  if (!header.about) return otherwise;
  const auto asks = header.about->find("asks");
  return asks == header.about->end() ? otherwise
                                     : spec::find_rule(asks->second).value_or(otherwise);
}

}  // namespace

CaseJudge::CaseJudge(const DeviceIdentity& device, const spec::Profile& profile)
    : monitor_(judge_setup(device, profile)),
      identity_(device.id),
      data_pa_(device.data_pa),
      data_bytes_(device.data_bytes),
      contents_(device.id),
      interrupts_(device.id, device.wires_interrupts),
      queue_aborts_(monitor_.caches(), monitor_.smmu()),
      endpoints_(monitor_.smmu()),
      page_requests_(device, monitor_.smmu()),
      flags_(monitor_.caches(), monitor_.smmu()),
      has_ats_(device.ats) {
  // Queues lie in memory that is there: no access to them aborts.
  if (device.data_pa == device.structures_pa + device.structures_bytes) {
    monitor_.smmu().memory_is(device.structures_pa, device.structures_bytes + device.data_bytes);
  }
  tell_of_absent_memory(monitor_, device.absent_pa, device.absent_bytes);
  interrupts_.no_memory_at(device.absent_pa, device.absent_bytes);
  queue_aborts_.no_memory_at(device.absent_pa, device.absent_bytes);
  monitor_.caches().stores_bypass_caches();
  booted_ = monitor_.trail().mark();
}

std::vector<Divergence> CaseJudge::all(const trace::Trace& trace) {
  constexpr std::size_t most = 16;
  monitor_.trail().undo_to(booted_);
  monitor_.begin_case(0);
  monitor_.device_rules()->expect_accesses(accesses_of(trace));
  drivers_.clear();
  contents_.reset();
  const auto [cmdq, cmdq_bytes] = command_queue_of(trace.header);
  cmdq_ = cmdq;
  cmdq_bytes_ = cmdq_bytes;
  queues_ = queues_of(trace.header);
  interrupts_.begin(queues_);
  queue_aborts_.begin();
  endpoints_.begin(queues_, has_ats_);
  page_requests_.begin(queues_);
  flags_.begin();
  record_words_.clear();
  event_ = 0;
  unseen_write_ = false;
  judged_until_ = 0;
  std::vector<Divergence> result;
  std::size_t seen = 0;
  std::vector<std::size_t> accesses;  // where they are in the trace
  const auto reads_gbpa = [&](std::size_t at) {
    const auto* read = std::get_if<trace::MmioRead>(&trace.events[at].payload);
    return read != nullptr && read->offset == spec::reg::gbpa;
  };
  const auto look = [&](std::size_t at) {
    bool goes_on = true;
    for (; seen < monitor_.findings().size(); ++seen) {
      const Finding& finding = monitor_.findings()[seen];
      if (!is_devices(finding.rule)) {
        drivers_.push_back(finding.rule);
        continue;
      }
      // A record comes later than the access that it is of.
      const bool its = finding.which && *finding.which < accesses.size();
      Divergence found(finding, its ? accesses[*finding.which] : at);
      const spec::Family family = spec::rule_info(found.rule).family;
      goes_on &= finding.access || (found.rule == rule::REGISTER_READ && reads_gbpa(at)) ||
                 (family == spec::Family::event && found.rule != rule::EVENT_OVERFLOW);
      add_distinct(result, std::move(found));
    }
    return goes_on && result.size() < most;
  };
  bool goes_on = true;
  for (std::size_t i = 0; i < trace.events.size() && goes_on; ++i) {
    if (const auto* dma = std::get_if<trace::Dma>(&trace.events[i].payload)) {
      accesses.push_back(i);
      unseen_write_ |= dma->direction == trace::Direction::write && !dma->pa;
    }
    if (std::holds_alternative<trace::AtsRequest>(trace.events[i].payload)) accesses.push_back(i);
    if (std::holds_alternative<trace::Load>(trace.events[i].payload)) {
      if (auto wrong = wrong_memory(trace.events[i], i)) add_distinct(result, std::move(*wrong));
      continue;
    }
    monitor_.feed(trace.events[i]);
    flags_.feed(trace.events[i]);
    recorded(trace.events[i]);
    judged_until_ = i;
    goes_on = look(i);
    judge_interrupts(trace.events[i], i, result);
    if (auto wrong = queue_aborts_.feed(trace.events[i])) {
      add_distinct(result, {std::move(*wrong), i});
    }
    judge_endpoints(trace.events[i], i, result);
    judge_page_requests(trace.events[i], i, result);
    if (auto wrong = wrong_contents(trace.events[i], i)) {
      result.push_back(std::move(*wrong));
      goes_on = false;
    }
  }
  if (goes_on) {
    monitor_.finish();
    const std::size_t last = trace.events.empty() ? 0 : trace.events.size() - 1;
    look(last);
    end_of_interrupts(last, result);
    end_of_page_requests(last, result);
  }
  count_endpoints();
  monitor_.caches().exercised()[spec::number_of(rule::COMMAND_ERROR_STOPS)] +=
      queue_aborts_.shown();
  monitor_.caches().exercised()[spec::number_of(rule::FLAG_UPDATES)] += flags_.asked();
  if (monitor_.gave_up() && gave_up_++ == 0) bound_ = monitor_.bound();
  return result;
}

void CaseJudge::judge_interrupts(const trace::Event& event, std::size_t at,
                                 std::vector<Divergence>& found) {
  if (auto wrong = interrupts_.feed(event)) add_distinct(found, {std::move(*wrong), at});
}

void CaseJudge::judge_endpoints(const trace::Event& event, std::size_t at,
                                std::vector<Divergence>& found) {
  auto wrong = endpoints_.feed(event, monitor_.caches().memory());
  if (wrong) add_distinct(found, {std::move(*wrong), at});
}

/// Each could have been wrong.
void CaseJudge::count_endpoints() {
  auto& exercised = monitor_.caches().exercised();
  exercised[spec::number_of(rule::CMD_SYNC_COMPLETES)] += endpoints_.waits();
  exercised[spec::number_of(rule::QUEUE_CONSUMED_ORDER)] += endpoints_.came();
}

void CaseJudge::judge_page_requests(const trace::Event& event, std::size_t at,
                                    std::vector<Divergence>& found) {
  auto wrong = page_requests_.feed(event, monitor_.caches().memory());
  if (wrong) add_distinct(found, {std::move(*wrong), at});
}

void CaseJudge::end_of_page_requests(std::size_t at, std::vector<Divergence>& found) {
  if (auto wrong = page_requests_.finish()) add_distinct(found, {std::move(*wrong), at});
  auto& exercised = monitor_.caches().exercised();
  exercised[spec::number_of(rule::PAGE_REQUEST_RECORD)] += page_requests_.records();
  exercised[spec::number_of(rule::PAGE_REQUEST_OVERFLOW)] += page_requests_.overflows();
  exercised[spec::number_of(rule::PAGE_REQUEST_RESPONSE)] += page_requests_.responses();
}

void CaseJudge::end_of_interrupts(std::size_t at, std::vector<Divergence>& found) {
  for (Finding& wrong : interrupts_.finish()) add_distinct(found, {std::move(wrong), at});
  auto& exercised = monitor_.caches().exercised();
  exercised[spec::number_of(rule::INTERRUPT_SENT)] += interrupts_.due();
  exercised[spec::number_of(rule::INTERRUPT_CAUSE)] += interrupts_.could_be_wrong();
}

/// What the monitor does not follow: registers that hold what a driver wrote.
std::optional<Divergence> CaseJudge::wrong_contents(const trace::Event& event, std::size_t at) {
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) contents_.write(*write);
  const auto* read = std::get_if<trace::MmioRead>(&event.payload);
  if (read == nullptr) return std::nullopt;
  auto wrong = contents_.read(*read);
  if (!wrong) return std::nullopt;
  return divergence(rule::REGISTER_READ, std::move(wrong->kind), std::move(wrong->text), at);
}

/// Where the record stands that was read.
void CaseJudge::recorded(const trace::Event& event) {
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
    if (write->offset == spec::reg::eventq_cons) event_ = write->value;
    if (write->offset == spec::reg::eventq_base) event_ = 0;
  }
  if (const auto* page = std::get_if<trace::PageRequestQueued>(&event.payload)) {
    if (!page->record || !page->slot) return;
    const u64 place = queues_.priq + 16 * u64{*page->slot};
    for (unsigned i = 0; i < 2; ++i) record_words_[place + 8 * i] = (*page->record)[i];
    return;
  }
  const auto* record = std::get_if<trace::EventRecorded>(&event.payload);
  if (record == nullptr || !record->record) return;
  const u64 place = queues_.eventq + 32 * (event_++ % pow2(queues_.eventq_lg2));
  for (unsigned i = 0; i < 4; ++i) record_words_[place + 8 * i] = (*record->record)[i];
}

/// Of a descriptor: a flag that is not there though it has to be, or is though nothing may set it.
std::optional<Divergence> CaseJudge::wrong_flags(const trace::Load& load, u64 expected,
                                                 std::size_t at) {
  namespace bits_of = spec::descriptor_bits;
  constexpr u64 flags = bits_of::af | bits_of::ap2;
  if (monitor_.caches().capabilities().httu == 0) return std::nullopt;
  const u64 unset = flags_.unset(load.pa, *load.value);
  const u64 changed = expected ^ *load.value;
  const u64 set = changed & ~flags_.may_change(load.pa, expected);
  const bool others = (set & ~flags) != 0 || (expected & bits_of::valid) == 0;
  if (unset == 0 && (set == 0 || others)) return std::nullopt;
  const u64 which = unset != 0 ? unset : set;
  const char* what = (which & bits_of::ap2) != 0 ? "the dirty state" : "the Access flag";
  const std::string text =
      unset != 0 ? fmt::format(
                       "{} of the descriptor at {:#x} is not set: it reads as {:#x}, an "
                       "access was translated by it, and a CMD_SYNC behind that is complete",
                       what, load.pa, *load.value)
                 : fmt::format(
                       "{} of the descriptor at {:#x} changed: it reads as {:#x} and was "
                       "stored as {:#x}, and no access may have done that",
                       what, load.pa, *load.value, expected);
  return divergence(rule::FLAG_UPDATES,
                    std::string(what) + (unset != 0 ? " is not set" : " is set by no access"), text,
                    at);
}

/// A word of memory is as the tester stored it, or as data began: each word of four bytes holds its
/// address. What an engine wrote to nobody knows where is left aside.
std::optional<Divergence> CaseJudge::wrong_memory(const trace::Event& event, std::size_t at) {
  const auto* load = std::get_if<trace::Load>(&event.payload);
  if (load == nullptr || !load->value || load->size != 8) return std::nullopt;
  const spec::Content content = monitor_.caches().memory().newest(load->pa);
  const bool is_data = load->pa - data_pa_ < data_bytes_;
  u64 expected = flags_.as_stored(load->pa, content.value);
  const auto its_record = record_words_.find(load->pa);
  const bool is_record = its_record != record_words_.end();
  if (is_record) {
    expected = its_record->second;
  } else if (content.unknown) {
    if (!is_data) return std::nullopt;
    expected = bits(load->pa, 31, 0) | (bits(load->pa + 4, 31, 0) << 32);
  }
  if (auto found = wrong_flags(*load, expected, at)) return found;
  u64 wrong = (expected ^ *load->value) & ~flags_.may_change(load->pa, expected);
  for (const unsigned half : {0U, 32U}) {
    constexpr u64 engine_words = 0xe;  // how words begin that an engine writes
    const u64 value = bits(*load->value, half + 31, half);
    if (const auto message = interrupts_.message_at(load->pa + half / 8)) {
      if (value == message->payload) wrong &= ~(mask(31, 0) << half);
      if (message->surely && value != message->payload) {
        return lost_message(*load, *message, at);
      }
    }
    if (unseen_write_ && value >> 28 == engine_words) wrong &= ~(mask(31, 0) << half);
  }
  if (wrong == 0) return std::nullopt;
  const bool in_events = load->pa - queues_.eventq < u64{32} << queues_.eventq_lg2;
  const char* where = load->pa - cmdq_ < cmdq_bytes_ ? "the command queue"
                      : is_record                    ? "a record that was read"
                      : in_events                    ? "the event queue, where no record is"
                      : is_data                      ? "data"
                                                     : "a structure";
  return divergence(
      rule::DEVICE_OUTCOME, std::string("memory is written that nobody may write: ") + where,
      fmt::format(
          "the word at {:#x} ({}) is {:#x} and was {:#x}: no access that is allowed wrote it",
          load->pa, where, *load->value, expected),
      at);
}

bool CaseJudge::allowed_without(const trace::Trace& trace, const Divergence& found,
                                const std::vector<std::size_t>& commands) {
  if (is_never_stale(found)) return false;
  const std::vector<Divergence> others = all(without(trace, commands));
  // Where anything is allowed it has to be what something stale may lead to.
  const std::vector<u32>& breadth = monitor_.device_rules()->breadth();
  const auto which = found.which;
  const bool any = which && *which < breadth.size() && breadth[*which] == ~u32{0};
  if (any && !may_be_stale(found.kind.device)) return false;
  // One of another kind is none that is allowed: with more outcomes the same mistake may be told
  // with other words.
  return judged_until_ >= found.event && std::ranges::none_of(others, [&](const Divergence& other) {
           return (other.access && other.event == found.event) ||
                  (other.same(found) && other.event <= found.event);
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
  (void)all(before);
  const spec::Caches& caches = monitor_.caches();
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
  const std::vector<Stored> commands = commands_of(trace, monitor_.caches().capabilities());
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
  for (const spec::IdInconsistency& one : spec::id_inconsistencies(identity_)) {
    std::string text = fmt::format("the ID registers (AIDR = {:#x}", identity_.aidr);
    for (const unsigned i : {0U, 1U, 2U, 3U, 5U})
      text += fmt::format(", IDR{} = {:#x}", i, identity_.idr[i]);
    text += fmt::format(") break: {} (IHI 0070 {})", one.text, one.section);
    found.push_back(divergence(rule::ID_REGISTERS, std::string(one.text), std::move(text), 0));
  }
}

std::vector<Divergence> CaseJudge::judge(const trace::Trace& trace, const Ask& ask) {
  std::vector<Divergence> found = all(trace);
  if (rule_asked(trace.header, rule::DEVICE_SURVIVES) == rule::ID_REGISTERS) judge_identity(found);
  for (Divergence& one : found) one.found_as = {one.rule, one.called};
  const std::vector<Rule> drivers = drivers_;
  if (found.empty() || ask.plain) return found;
  // The questions below are none of the device's.
  const DeviceRules::Numbers numbers = monitor_.device_rules()->numbers();
  const auto exercised = monitor_.caches().exercised();
  const u64 gave_up = gave_up_;
  std::vector<Divergence> anothers;  // what is found is another access's
  for (Divergence& one : found) {
    const bool asked = ask.like == nullptr || one.same_finding(*ask.like);
    if (!one.which || !asked) continue;
    const Afresh again = ask.afresh ? ask.afresh(one) : Afresh{};
    if (again.answer == Afresh::Answer::right) {
      anothers.push_back(one);
    } else if (again.found) {
      one = *again.found;
    } else if (again.answer == Afresh::Answer::another && one.access) {
      explain(trace, ask, one);
    }
  }
  monitor_.device_rules()->set_numbers(numbers);
  monitor_.caches().exercised() = exercised;
  gave_up_ = gave_up;
  drivers_ = drivers;
  keep_distinct(found, anothers);
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
  JudgeTally tally;
  tally.numbers = monitor_.device_rules()->numbers();
  monitor_.device_rules()->set_numbers({});
  tally.exercised = std::exchange(monitor_.caches().exercised(), {});
  tally.invalidations = std::exchange(invalidations_, {});
  tally.gave_up = std::exchange(gave_up_, 0);
  if (tally.gave_up != 0) tally.bound = bound_;
  return tally;
}

void CaseJudge::count_invalidations(const trace::Trace& trace) {
  const u64 gave_up = gave_up_;  // what is asked here is none of the device's
  const DeviceRules::Numbers numbers = monitor_.device_rules()->numbers();
  const auto exercised = monitor_.caches().exercised();
  const std::vector<u32> real = monitor_.device_rules()->breadth();
  const std::vector<Stored> commands = commands_of(trace, monitor_.caches().capabilities());
  bool bounded = false;  // without invalidations there may be more to follow than there is time for
  const auto count = [&](auto&& wanted) {
    std::vector<std::size_t> places;
    for (const Stored& one : commands) {
      if (wanted(one.command)) places.push_back(one.event);
    }
    if (places.empty() || bounded) return u64{0};
    (void)all(without(trace, places));
    bounded = monitor_.gave_up();
    if (bounded) return u64{0};
    const std::vector<u32>& wide = monitor_.device_rules()->breadth();
    u64 more = 0;
    for (std::size_t i = 0; i < std::min(real.size(), wide.size()); ++i) more += wide[i] > real[i];
    return more;
  };
  invalidations_.tlbi +=
      count([&](const spec::Command& c) { return spec::is_tlbi(c.op) && !is_range(c); });
  invalidations_.range += count([&](const spec::Command& c) { return is_range(c); });
  invalidations_.cfgi += count([&](const spec::Command& c) { return spec::is_cfgi(c.op); });
  gave_up_ = gave_up;
  monitor_.device_rules()->set_numbers(numbers);
  monitor_.caches().exercised() = exercised;
}

}  // namespace iommucheck::oracle
