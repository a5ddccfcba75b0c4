// SPDX-License-Identifier: MIT
// ATS of a device under test: what its endpoints' translation requests are answered, and what
// becomes of accesses that say they are translated. The endpoints are the tester's, and an address
// is sent as translated whether an answer gave it or not. IHI 0070 3.9.1.
#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "monitor/device_rules.h"
#include "monitor/device_text.h"
#include "spec/rules/protocol.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"

namespace iommucheck::oracle {

namespace {

using spec::Access;
using spec::AccessType;
using spec::EventType;
using spec::Outcome;
using spec::OutcomeKind;
namespace rule = spec::rule;
using trace::AtsResult;

bool is_any(const Outcome& outcome) { return outcome.kind == OutcomeKind::any; }
bool is_denied(const Outcome& outcome) { return outcome.kind == OutcomeKind::denied; }

const char* name_of(AtsResult result) {
  switch (result) {
    case AtsResult::success: return "Success";
    case AtsResult::unsupported: return "Unsupported Request";
    case AtsResult::completer_abort: return "Completer Abort";
  }
  return "?";
}

std::string request_text(const trace::AtsRequest& request) {
  const bool has_pasid = request.ssid && request.ssid->valid;
  return fmt::format(
      "the translation request of stream {:#x}{} for {:#x}", request.sid,
      has_pasid ? fmt::format(", substream {:#x},", request.ssid->value) : std::string(),
      request.iova);
}

constexpr u64 ats_page_bytes = 4096;

}  // namespace

AtsAllowed DeviceRules::ats_allowed() const {
  return {caches_,
          smmu_,
          nested_,
          {absent_first_, absent_bytes_},
          {.changed = changed_since_enabled_,
           .disabled = surely_disabled_,
           .atschk_changed = atschk_changed_}};
}

// ---- translated accesses, IHI 0070 3.9.1.3 ------------------------------------------------------

void DeviceRules::translated(const trace::Dma& dma) {
  Access access = access_in(dma);
  access.route = spec::Route::translated;
  ++numbers_.accesses;
  ++before_;
  std::vector<Outcome> allowed;
  const char* missing = not_known(dma);
  if (missing == nullptr && !ats_allowed().translated(access, allowed)) {
    missing = "what the SMMU may know of the stream of a translated access";
  }
  const bool any = std::ranges::any_of(allowed, is_any);
  breadth_.push_back(any ? ~u32{0} : static_cast<u32>(allowed.size()));
  if (allowed.size() > 1) ++numbers_.open;
  if (any) {
    ++numbers_.any;
    return push_anything(access, dma);
  }
  const bool names = dma.result == trace::DmaResult::ok && dma.pa.has_value();
  if (missing == nullptr && !names && may_be_unseen(allowed)) {
    missing = "whether the access arrived outside of the memory that shows it";
  }
  if (missing != nullptr) {
    undetermined(missing);
    push_anything(access, dma);
    return;
  }
  for (const Outcome& o : allowed) ask(o.rule, allowed.size() == 1);
  ask(rule::DEVICE_OUTCOME, true);
  Plain memory;
  memory.features = {"translated"};
  if (dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass) {
    judge_reached(access, dma, allowed, memory);
    return;
  }
  judge_terminated(access, dma, allowed, memory);
  Open& open = open_.back();
  open.features = memory.features;
  if (open.wrong) open.rule = rule::STE_EATS;
}

// ---- translation requests, IHI 0070 3.9.1.2 -----------------------------------------------------

/// A record may come of it, where one of the reasons for the answer has one.
void DeviceRules::push_records(const Access& access, const std::vector<AtsAllowed::Answer>& answers,
                               AtsResult result) {
  Open open{.access = access,
            .candidates = {},
            .merges = caches_.fetches().may_merge_events(access.sid),
            .which = before_ - 1,
            .features = {"translation request"}};
  for (const AtsAllowed::Answer& answer : answers) {
    if (answer.result != result) continue;
    if (answer.event == EventType::none) {
      open.candidates.push_back({.kind = OutcomeKind::abort, .rule = answer.rule});
    } else {
      open.candidates.push_back(spec::fault_outcome(answer.event, answer.rule));
    }
  }
  open.any = open.candidates.empty();
  push_open(std::move(open));
}

spec::Access access_in(const trace::AtsRequest& request) {
  Access access{.sid = request.sid, .va = request.iova};
  if (request.ssid && request.ssid->valid) {
    access.ssv = true;
    access.ssid = request.ssid->value;
  }
  access.privileged = request.privileged.value_or(false);
  return access;
}

void DeviceRules::ats_request(const trace::AtsRequest& request) {
  Access access = access_in(request);
  access.route = spec::Route::translated;
  ++numbers_.accesses;
  ++before_;
  bool any = false;
  const std::vector<AtsAllowed::Answer> answers = ats_allowed().answers(access, any);
  breadth_.push_back(any ? ~u32{0} : static_cast<u32>(answers.size()));
  if (any) {
    ++numbers_.any;
    if (request.result != AtsResult::success) push_records(access, {}, request.result);
    return;
  }
  if (answers.empty()) {
    undetermined("what the SMMU may know of the stream of a translation request");
  } else {
    const auto its = [&](const AtsAllowed::Answer& one) { return one.result == request.result; };
    for (const AtsAllowed::Answer& one : answers) ask(one.rule, answers.size() == 1);
    ask(rule::DEVICE_OUTCOME, true);
    if (std::ranges::none_of(answers, its)) {
      const AtsAllowed::Answer& first = answers.front();
      find_of(before_ - 1, first.rule,
              fmt::format("a translation request is answered {} instead of {}",
                          name_of(request.result), name_of(first.result)),
              fmt::format("{} is answered {}; allowed is {} (STE.EATS and CR0.SMMUEN decide: IHI "
                          "0070 3.9.1.2)",
                          request_text(request), name_of(request.result), name_of(first.result)));
    } else if (request.result == AtsResult::success) {
      judge_grant(request, access);
    }
  }
  const bool aborted = request.result == AtsResult::completer_abort;
  if (request.result == AtsResult::unsupported || (aborted && smmu_.rec_cfg_ats())) {
    push_records(access, answers, request.result);
  }
}

void DeviceRules::judge_grant(const trace::AtsRequest& request, const Access& access) {
  const trace::Rights rights = request.rights.value_or(trace::Rights{});
  judge_right(request, access, {AccessType::read, rights.read, true});
  judge_right(request, access, {AccessType::write, rights.write, !request.no_write.value_or(true)});
  if (rights.read || rights.write) judge_extent(request, access);
}

/// A right that is granted is there, to that address; one that is asked for and not granted is not.
void DeviceRules::judge_right(const trace::AtsRequest& request, Access access, const Right& right) {
  if (!right.granted && !right.asked) return;
  access.type = right.type;
  const std::vector<Outcome> now = ats_allowed().granted(access);
  if (std::ranges::any_of(now, is_any)) {
    ++numbers_.any;
    return;
  }
  if (now.empty()) return undetermined("which translations a request may be answered with");
  const char* name = right.type == AccessType::write ? "writing" : "reading";
  const auto denied = std::ranges::find_if(now, is_denied);
  ask(denied != now.end() ? denied->rule : rule::TRANSLATION_RESULT, now.size() == 1);
  const auto leads = [&](const Outcome& o) { return o.passes() && request.pa == o.pa; };
  if (right.granted ? std::ranges::any_of(now, leads) : denied != now.end()) return;
  const auto reached = std::ranges::find_if(now, &Outcome::passes);
  const u32 which = before_ - 1;
  if (!right.granted) {
    find_of(which, rule::TRANSLATION_RESULT,
            fmt::format("a translation request is not granted {}", name),
            fmt::format("{} is not granted {}; {:#x} may be reached so", request_text(request),
                        name, reached->pa));
  } else if (reached == now.end()) {
    find_of(which, denied->rule, fmt::format("a translation request is granted {}", name),
            fmt::format("{} is granted {} at {:#x}; allowed is no such right",
                        request_text(request), name, request.pa.value_or(0)));
  } else {
    find_of(which, rule::TRANSLATION_RESULT,
            "a translation request is answered with another address",
            fmt::format("{} is granted {} at {:#x}; it leads to {:#x}", request_text(request), name,
                        request.pa.value_or(0), reached->pa));
  }
}

/// Each page of the range that the answer covers leads where the answer says: its first and last,
/// and one in each half of a half that is not the request's, which a smaller range would not have.
void DeviceRules::judge_extent(const trace::AtsRequest& request, const Access& access) {
  const u64 bytes = request.length.value_or(0);
  const u32 which = before_ - 1;
  if (bytes < ats_page_bytes || (bytes & (bytes - 1)) != 0 || !request.pa) {
    find_of(which, rule::TRANSLATION_RESULT, "a translation request is answered with no such size",
            fmt::format("{} is answered for {:#x} bytes", request_text(request), bytes));
    return;
  }
  const u64 first = request.iova & ~(bytes - 1);
  const u64 its = request.iova & ~(ats_page_bytes - 1);  // judged by its rights
  std::vector<u64> pages{first, first + bytes - ats_page_bytes};
  for (u64 half = ats_page_bytes; half < bytes; half *= 2) pages.push_back(its ^ half);
  std::erase(pages, its);
  for (const u64 at : pages) {
    Access one = access;
    one.va = at;
    one.type = request.rights->read ? AccessType::read : AccessType::write;
    const std::vector<Outcome> now = ats_allowed().granted(one);
    const u64 pa = *request.pa + (at - request.iova);
    const auto leads = [&](const Outcome& o) { return is_any(o) || (o.passes() && o.pa == pa); };
    if (now.empty() || std::ranges::any_of(now, leads)) continue;
    find_of(which, rule::TRANSLATION_RESULT, "a translation request is answered for too much",
            fmt::format("{} is answered for {:#x} bytes, of which {:#x} is not at {:#x}",
                        request_text(request), bytes, at, pa));
    return;
  }
}

}  // namespace iommucheck::oracle
