// SPDX-License-Identifier: MIT
#include "conform/page_request_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "conform/case_notes.h"
#include "spec/rules/commands.h"
#include "spec/rules/records.h"
#include "spec/smmu/decisions.h"
#include "spec/smmu/ppar.h"
#include "spec/smmu/queue.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Opcode;
using spec::PageRequestEnd;
using spec::PageRequestOutcome;
namespace rule = spec::rule;

/// What has not been seen after so many looks at the queue does not come.
constexpr u64 looks_until_late = 3;

/// Words of memory as they are now; where none is, a fetch aborts.
struct WordsNow {
  const spec::Memory& memory;
  u64 absent_pa, absent_bytes;
  std::optional<u64> read(spec::Structure /*kind*/, u64 pa) {
    if (pa - absent_pa < absent_bytes) return std::nullopt;
    return memory.newest(pa).value;
  }
};

spec::PageRequest request_of(const trace::PageRequest& sent) {
  const trace::Rights rights = sent.rights.value_or(trace::Rights{});
  spec::PageRequest request{.sid = sent.sid,
                            .address = sent.iova,
                            .prg_index = sent.page_group,
                            .last = sent.last,
                            .write = rights.write,
                            .read = rights.read,
                            .execute = rights.execute,
                            .privileged = sent.privileged.value_or(false)};
  if (sent.ssid && sent.ssid->valid) request.ssid = sent.ssid->value;
  return request;
}

/// Why a message is not to be recorded: the word for it in a kind.
const char* why_not(const PageRequestOutcome& outcome) {
  return outcome.section == "8.1" ? "in an overflow" : "although the PRI queue takes none";
}

std::string fields_text(const std::vector<spec::FieldDifference>& fields, bool values) {
  std::string text;
  for (const spec::FieldDifference& field : fields) {
    text += (text.empty() ? "" : ", ") + std::string(field.name);
    if (values) text += fmt::format(" is {:#x}, expected {:#x}", field.observed, field.expected);
  }
  return text;
}

}  // namespace

PageRequestRules::PageRequestRules(const DeviceIdentity& device, const spec::Smmu& smmu)
    : smmu_(smmu),
      caps_(spec::parse_capabilities(device.id)),
      shown_(device.pri && caps_.pri),
      prompt_(device.prompt),
      absent_pa_(device.absent_pa),
      absent_bytes_(device.absent_bytes) {}

void PageRequestRules::begin(const QueueLayout& queues) {
  queues_ = queues;
  messages_.clear();
  commands_.clear();
  open_.clear();
  cmd_prod_ = cmd_cons_ = cr0_ = cr0ack_ = gerror_ = gerrorn_ = 0;
  cons_ = least_ = most_ = flag_ = ack_ = shown_flag_ = flag_since_ = 0;
  unsure_ = order_unsure_ = structures_changed_ = told_ = false;
  aborts_ = queues.priq - absent_pa_ < absent_bytes_;
  polls_ = records_ = overflows_ = responses_ = 0;
}

bool PageRequestRules::Message::may_end(PageRequestEnd end) const {
  return std::ranges::any_of(may, [&](const PageRequestOutcome& o) { return o.end == end; });
}
bool PageRequestRules::Message::must_end(PageRequestEnd end) const {
  return std::ranges::all_of(may, [&](const PageRequestOutcome& o) { return o.end == end; });
}

bool PageRequestRules::is_queue(u64 pa) const {
  return pa - queues_.cmdq < u64{16} << queues_.cmdq_lg2 ||
         pa - queues_.eventq < u64{32} << queues_.eventq_lg2;
}

std::optional<Finding> PageRequestRules::feed(const trace::Event& event,
                                              const spec::Memory& memory) {
  if (!shown_ || told_) return std::nullopt;
  std::optional<Finding> wrong;
  const bool runs = ((cr0_ | cr0ack_) & spec::cr0::smmuen) != 0;
  if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
    structures_changed_ |= runs && !is_queue(store->pa);
  } else if (const auto* fill = std::get_if<trace::Fill>(&event.payload)) {
    structures_changed_ |= runs && !is_queue(fill->pa);
  } else if (const auto* write_of = std::get_if<trace::MmioWrite>(&event.payload)) {
    write(*write_of, memory);
  } else if (const auto* read_of = std::get_if<trace::MmioRead>(&event.payload)) {
    wrong = read(*read_of);
  } else if (const auto* sent = std::get_if<trace::PageRequest>(&event.payload)) {
    arrived(*sent, memory);
  } else if (const auto* queued = std::get_if<trace::PageRequestQueued>(&event.payload)) {
    if (queued->record) wrong = recorded(*queued->record);
  } else if (const auto* note = std::get_if<trace::Note>(&event.payload)) {
    if (const auto response = response_in(*note)) wrong = answered(*response);
  }
  told_ = wrong.has_value();
  return wrong;
}

// ---- registers ----------------------------------------------------------------------------------

void PageRequestRules::write(const trace::MmioWrite& write, const spec::Memory& memory) {
  switch (static_cast<u32>(write.offset)) {
    case reg::cr0:
      // With SMMUEN = 0 none is sent, and when a command is taken nobody knows.
      for (Command& one : commands_) one.sends = one.response ? perhaps : no;
      cr0_ = write.value;
      break;
    case reg::cmdq_base:
      commands_.clear();
      cmd_prod_ = cmd_cons_ = 0;
      break;
    case reg::cmdq_prod: exposed(write.value, memory); break;
    case reg::gerrorn: {  // commands may have been mended: they are read again
      gerrorn_ = write.value;
      const u64 prod = cmd_prod_;
      const std::deque<Command> before = std::exchange(commands_, {});
      cmd_prod_ = cmd_cons_;
      exposed(prod, memory);
      // What was sent already stood before the command in error.
      for (std::size_t i = 0; i < std::min(before.size(), commands_.size()); ++i) {
        commands_[i].sent = before[i].sent && before[i].response == commands_[i].response;
      }
      break;
    }
    case reg::priq_cons: cons_written(write.value); break;
    case reg::priq_prod: unsure_ = true; break;
    default: break;
  }
}

std::optional<Finding> PageRequestRules::read(const trace::MmioRead& read) {
  switch (static_cast<u32>(read.offset)) {
    case reg::cr0ack: cr0ack_ = read.value; return std::nullopt;
    case reg::gerror: gerror_ = read.value; return std::nullopt;
    case reg::cmdq_cons: consumed(read.value); return std::nullopt;
    case reg::priq_prod: return prod_shown(read.value);
    default: return std::nullopt;
  }
}

PageRequestRules::Maybe PageRequestRules::enabled() const {
  constexpr u64 both = spec::cr0::smmuen | spec::cr0::priqen;
  if ((cr0_ & cr0ack_ & both) == both) return yes;
  return (~(cr0_ | cr0ack_) & both) != 0 ? no : perhaps;
}

/// OVFLG toggles once while it is not acknowledged, and for nothing but an overflow.
std::optional<Finding> PageRequestRules::prod_shown(u64 prod) {
  ++polls_;
  shown_flag_ = prod & spec::queue_overflow_flag;
  if (!unsure_) {
    const u64 shown = spec::queue_used<u64>(queues_.priq_lg2, prod & spec::queue_index_mask, cons_);
    least_ = std::min(shown, most_);
    if (shown_flag_ == flag_ || shown_flag_ == ack_) return std::nullopt;
    return device_finding(
        rule::PAGE_REQUEST_OVERFLOW, "PRIQ_PROD.OVFLG toggles without an overflow",
        fmt::format("PRIQ_PROD is {:#x}, and no page request has met a full queue", prod));
  }
  if (!prompt_ || aborts_) return std::nullopt;
  least_ = most_ = spec::queue_used<u64>(queues_.priq_lg2, prod & spec::queue_index_mask, cons_);
  flag_ = shown_flag_;
  unsure_ = false;
  return std::nullopt;
}

void PageRequestRules::cons_written(u64 cons) {
  const unsigned lg2 = queues_.priq_lg2;
  const u64 at = spec::queue_bits<u64>(lg2, cons & spec::queue_index_mask);
  const u64 moved = spec::queue_used<u64>(lg2, at, cons_);
  unsure_ |= moved > most_;
  least_ -= std::min(moved, least_);
  most_ -= std::min(moved, most_);
  cons_ = at;
  ack_ = cons & spec::queue_overflow_flag;
}

// ---- messages -----------------------------------------------------------------------------------

/// All that is allowed, over all that the queue may be.
std::vector<PageRequestOutcome> PageRequestRules::outcomes(const spec::PageRequest& request,
                                                           const spec::Memory& memory) const {
  const bool abort_shown = ((gerror_ ^ gerrorn_) & spec::gerror::priq_abt_err) != 0;
  const Maybe is_enabled = enabled();
  const Maybe aborted = abort_shown ? yes : aborts_ ? perhaps : no;
  const u64 room = pow2(queues_.priq_lg2);
  const Maybe full = unsure_ || (least_ < room && most_ >= room) ? perhaps : known(least_ >= room);
  const Maybe overflow = unsure_ ? perhaps : known(flag_ != ack_);
  std::vector<spec::PparCheck> checks;
  if (structures_changed_) {
    for (const spec::Ppar one : {spec::Ppar::not_found, spec::Ppar::no_pasid, spec::Ppar::pasid}) {
      checks.push_back({.ppar = one});
    }
  } else {
    WordsNow words{memory, absent_pa_, absent_bytes_};
    const spec::SmmuState state{.caps = caps_,
                                .streams = smmu_.caches().stream_table(),
                                .smmuen = (cr0_ & spec::cr0::smmuen) != 0};
    checks.push_back(spec::check_ppar(words, state, request.sid));
  }
  std::vector<PageRequestOutcome> all;
  const auto may_be = [](Maybe what, bool is) { return (what & known(is)) != 0; };
  for (unsigned n = 0; n < 16; ++n) {
    const spec::PageQueue queue{.enabled = bit(n, 0),
                                .aborted = bit(n, 1),
                                .full = bit(n, 2),
                                .overflow = bit(n, 3),
                                .write_aborts = aborts_};
    if (!may_be(is_enabled, queue.enabled) || !may_be(aborted, queue.aborted) ||
        !may_be(full, queue.full) || !may_be(overflow, queue.overflow)) {
      continue;
    }
    for (const spec::PparCheck& check : checks) {
      for (const PageRequestOutcome& one :
           spec::page_request_outcomes(request, queue, caps_, check)) {
        if (std::ranges::find(all, one) == all.end()) all.push_back(one);
      }
    }
  }
  return all;
}

void PageRequestRules::arrived(const trace::PageRequest& sent, const spec::Memory& memory) {
  Message message{.request = request_of(sent), .may = {}, .polls = polls_};
  message.may = outcomes(message.request, memory);
  const auto toggles = [](const PageRequestOutcome& one) { return one.overflows; };
  const bool overflows = std::ranges::all_of(message.may, toggles);
  unsure_ |= !overflows && std::ranges::any_of(message.may, toggles);
  const bool is_recorded = message.must_end(PageRequestEnd::recorded);
  if (message.may_end(PageRequestEnd::recorded) != is_recorded) unsure_ = order_unsure_ = true;
  // In an abort that is not synchronous PRIQ_PROD may move or not. IHI 0070 7.2.2, 8.2.
  unsure_ |= std::ranges::any_of(message.may, &PageRequestOutcome::aborts);
  least_ += is_recorded ? 1 : 0;
  most_ += is_recorded ? 1 : 0;
  if (overflows) {
    flag_ ^= spec::queue_overflow_flag;
    flag_since_ = polls_;
    ++overflows_;
  }
  if (message.must_end(PageRequestEnd::answered)) ++responses_;
  messages_.push_back(std::move(message));
}

// ---- records ------------------------------------------------------------------------------------

std::optional<Finding> PageRequestRules::recorded(const spec::PageRequestWords& words) {
  ++records_;
  Message* its = nullptr;
  for (Message& one : messages_) {
    if (one.is_over() || !one.may_end(PageRequestEnd::recorded)) continue;
    if (!spec::matches(spec::record_of(one.request, caps_), words)) continue;
    if (its == nullptr) its = &one;
    if (!one.must_end(PageRequestEnd::recorded)) continue;
    its = &one;
    break;
  }
  if (its == nullptr) return wrong_record(words);
  its->recorded = true;
  // No order is fixed but that of the Last one behind those of its group. IHI 0070 8.
  const std::size_t first = static_cast<std::size_t>(its - messages_.data());
  for (std::size_t i = first + 1; i < messages_.size(); ++i) {
    const Message& later = messages_[i];
    if (later.request.sid != its->request.sid || later.request.ssid != its->request.ssid ||
        later.request.prg_index != its->request.prg_index || !later.request.last) {
      continue;
    }
    if (!later.recorded || its->request.last || order_unsure_) return std::nullopt;
    return device_finding(rule::PAGE_REQUEST_RECORD,
                          "a record stands behind the Last one of its group",
                          fmt::format("the record of {} comes behind that of {}, which was sent "
                                      "after it",
                                      spec::describe(its->request), spec::describe(later.request)));
  }
  return std::nullopt;
}

/// It is no message's: whose it would be if one thing were otherwise.
Finding PageRequestRules::wrong_record(const spec::PageRequestWords& words) const {
  const std::string what = fmt::format("the record {:#x} {:#x}, {}", words[0], words[1],
                                       spec::describe(spec::page_request_in(words)));
  const Message* twice = nullptr;
  const Message* refused = nullptr;
  const Message* like = nullptr;
  std::size_t fewest = 4;
  for (const Message& one : messages_) {
    const auto fields = spec::differences(spec::record_of(one.request, caps_), words);
    if (fields.empty() && one.recorded) twice = &one;
    if (fields.empty() && !one.recorded) refused = &one;
    if (fields.empty() || one.is_over() || !one.may_end(PageRequestEnd::recorded)) continue;
    if (fields.size() >= fewest) continue;
    fewest = fields.size();
    like = &one;
  }
  spec::Rule broken = rule::PAGE_REQUEST_RECORD;
  std::string kind;
  if (refused != nullptr) {
    if (refused->may.front().section == "8.1") broken = rule::PAGE_REQUEST_OVERFLOW;
    kind = refused->answered
               ? "a page request is answered and recorded"
               : std::string("a page request is recorded ") + why_not(refused->may.front());
  } else if (twice != nullptr) {
    kind = "a page request is recorded twice";
  } else if (like != nullptr) {
    const auto fields = spec::differences(spec::record_of(like->request, caps_), words);
    return device_finding(broken, "a record with another " + fields_text(fields, false),
                          fmt::format("{}: {}; it is nearest to that of {}", what,
                                      fields_text(fields, true), spec::describe(like->request)));
  } else {
    kind = "a record that is no page request's";
  }
  return device_finding(broken, kind, what + ": " + kind);
}

// ---- responses ----------------------------------------------------------------------------------

void PageRequestRules::exposed(u64 prod, const spec::Memory& memory) {
  const unsigned lg2 = queues_.cmdq_lg2;
  prod = spec::queue_bits<u64>(lg2, prod & spec::queue_index_mask);
  if (spec::queue_used<u64>(lg2, prod, cmd_prod_) > pow2(lg2)) return;
  const bool runs = smmu_.surely_enabled() && (smmu_.cr0() & spec::cr0::cmdqen) != 0;
  const bool off = ((cr0_ | cr0ack_) & spec::cr0::smmuen) == 0;
  for (; cmd_prod_ != prod; cmd_prod_ = spec::queue_next<u64>(lg2, cmd_prod_)) {
    const u64 slot = queues_.cmdq + 16 * spec::queue_index<u64>(lg2, cmd_prod_);
    const auto command =
        spec::decode_command<u64>(memory.newest(slot).value, memory.newest(slot + 8).value, caps_);
    const auto may = spec::command_responses(command, caps_, true);
    Command one{.response = may.front()};
    if (one.response && !off) one.sends = runs && may.size() == 1 ? yes : perhaps;
    commands_.push_back(one);
  }
}

/// What CMDQ_CONS is past has been sent, or is on its way.
void PageRequestRules::consumed(u64 cons) {
  const unsigned lg2 = queues_.cmdq_lg2;
  const u64 at = spec::queue_bits<u64>(lg2, cons & spec::queue_index_mask);
  if (spec::queue_used<u64>(lg2, at, cmd_cons_) > commands_.size()) return;
  for (; cmd_cons_ != at; cmd_cons_ = spec::queue_next<u64>(lg2, cmd_cons_)) {
    Command one = commands_.front();
    commands_.pop_front();
    if (one.sends == no) continue;
    one.consumed = true;
    one.polls = polls_;
    if (one.sends == yes) ++responses_;
    open_.push_back(one);
  }
}

std::optional<Finding> PageRequestRules::answered(const spec::PageResponse& response) {
  const auto is_its = [&](const PageRequestOutcome& one) { return one.response == response; };
  // First what has to come, then what may.
  for (const bool has_to : {true, false}) {
    for (Message& one : messages_) {
      if (one.is_over() || !std::ranges::any_of(one.may, is_its)) continue;
      if (has_to && !one.must_end(PageRequestEnd::answered)) continue;
      one.answered = true;
      return std::nullopt;
    }
    const auto take = [&](Command& one) {
      if (one.sent || one.sends == no || one.response != response) return false;
      if (has_to && !(one.sends == yes && one.consumed)) return false;
      return one.sent = true;
    };
    if (std::ranges::any_of(open_, take) || std::ranges::any_of(commands_, take)) {
      return std::nullopt;
    }
  }
  return wrong_response(response);
}

namespace {

/// ", to another StreamID, without its PASID": nothing where they are alike.
std::string how_it_differs(const spec::PageResponse& response, const spec::PageResponse& due) {
  std::string kind;
  if (due.sid != response.sid) kind += ", to another StreamID";
  if (due.prg_index != response.prg_index) kind += ", with another PRG index";
  if (due.code != response.code) {
    kind += fmt::format(", that says {} and not {}", spec::response_name(response.code),
                        spec::response_name(due.code));
  }
  if (due.ssid != response.ssid) {
    kind += !response.ssid ? ", without its PASID"
            : !due.ssid    ? ", with a PASID"
                           : ", with another PASID";
  }
  return kind;
}

}  // namespace

/// Nothing asks for it: what would if one thing were otherwise.
Finding PageRequestRules::wrong_response(const spec::PageResponse& response) const {
  const std::string what = "the response " + spec::describe(response);
  std::string nearest;
  const spec::PageResponse* due = nullptr;
  const auto consider = [&](const spec::PageResponse& one) {
    const std::string kind = how_it_differs(response, one);
    const auto things = [](const std::string& text) { return std::ranges::count(text, ','); };
    if (things(kind) > 2 || (due != nullptr && things(kind) >= things(nearest))) return;
    due = &one;
    nearest = kind;
  };
  for (const Message& one : messages_) {
    if (one.is_over()) continue;
    for (const PageRequestOutcome& outcome : one.may) {
      if (outcome.response) consider(*outcome.response);
    }
  }
  for (const Command& one : open_) {
    if (!one.sent) consider(*one.response);
  }
  for (const Command& one : commands_) {
    if (!one.sent && one.sends != no) consider(*one.response);
  }
  if (due != nullptr) {
    return device_finding(rule::PAGE_REQUEST_RESPONSE, "a response" + nearest.substr(1),
                          fmt::format("{}: {} was due", what, spec::describe(*due)));
  }
  const std::string kind(why_unasked(response));
  return device_finding(rule::PAGE_REQUEST_RESPONSE, kind, what + ": " + kind);
}

/// By the last message of that group, if there was any.
std::string_view PageRequestRules::why_unasked(const spec::PageResponse& response) const {
  constexpr std::string_view unasked = "a response that nothing asks for";
  const auto of_group = [&](const Message& one) {
    return one.request.sid == response.sid && one.request.prg_index == response.prg_index;
  };
  const auto last = std::find_if(messages_.rbegin(), messages_.rend(), of_group);
  if (last == messages_.rend()) return unasked;
  if (spec::is_stop_marker(last->request)) return "a Stop Marker is answered";
  if (last->must_end(PageRequestEnd::recorded))
    return "a page request is answered that is recorded";
  if (last->must_end(PageRequestEnd::discarded)) {
    return "a page request is answered that is to be ignored";
  }
  return unasked;
}

// ---- the end ------------------------------------------------------------------------------------

std::optional<Finding> PageRequestRules::missing() const {
  const auto is_late = [&](u64 polls) { return polls_ >= polls + looks_until_late; };
  if (!unsure_ && flag_ != shown_flag_ && is_late(flag_since_)) {
    return device_finding(rule::PAGE_REQUEST_OVERFLOW,
                          "PRIQ_PROD.OVFLG does not toggle in an overflow",
                          "a page request met a full PRI queue, and PRIQ_PROD.OVFLG stays");
  }
  for (const Message& one : messages_) {
    if (one.is_over() || one.may_end(PageRequestEnd::discarded) || !is_late(one.polls)) continue;
    if (one.may_end(PageRequestEnd::recorded)) {
      return device_finding(rule::PAGE_REQUEST_RECORD, "no record of a page request",
                            fmt::format("{} has no record in the PRI queue, which has room for it",
                                        spec::describe(one.request)));
    }
    const PageRequestOutcome& due = one.may.front();
    return device_finding(rule::PAGE_REQUEST_RESPONSE,
                          std::string("no response to a page request ") +
                              (due.section == "8.1" ? "in an overflow" : "that is not recorded"),
                          fmt::format("{} is not answered; {} was due", spec::describe(one.request),
                                      spec::describe(*due.response)));
  }
  for (const Command& one : open_) {
    if (one.sent || one.sends != yes || !is_late(one.polls)) continue;
    return device_finding(rule::PAGE_REQUEST_RESPONSE, "CMD_PRI_RESP sends no response",
                          fmt::format("CMDQ_CONS is past a CMD_PRI_RESP, and the response {} has "
                                      "not come",
                                      spec::describe(*one.response)));
  }
  return std::nullopt;
}

std::optional<Finding> PageRequestRules::finish() {
  if (!shown_ || told_) return std::nullopt;
  auto wrong = missing();
  told_ = wrong.has_value();
  return wrong;
}

}  // namespace iommucheck::oracle
