// SPDX-License-Identifier: MIT
#include "monitor/device_ats.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bits.h"
#include "monitor/access_in.h"
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

// ---- translated accesses, IHI 0070 3.9.1.3 ------------------------------------------------------

void DeviceAts::translated(const trace::Dma& dma) {
  Access access = access_in(dma);
  access.route = spec::Route::translated;
  ++findings_.numbers().accesses;
  records_.access_begins();
  std::vector<Outcome> allowed;
  const char* missing = outcomes_.not_known(dma);
  if (missing == nullptr && !allowed_.of_ats().translated(access, allowed)) {
    missing = "what the SMMU may know of the stream of a translated access";
  }
  const bool any = std::ranges::any_of(allowed, is_any);
  outcomes_.note_breadth(any, allowed.size());
  if (allowed.size() > 1) ++findings_.numbers().open;
  if (any) {
    ++findings_.numbers().any;
    return outcomes_.push_anything(access, dma);
  }
  const bool names = dma.result == trace::DmaResult::ok && dma.pa.has_value();
  if (missing == nullptr && !names && outcomes_.may_be_unseen(allowed)) {
    missing = "whether the access arrived outside of the memory that shows it";
  }
  if (missing != nullptr) {
    findings_.undetermined(missing);
    outcomes_.push_anything(access, dma);
    return;
  }
  for (const Outcome& o : allowed) findings_.ask(o.rule, allowed.size() == 1);
  findings_.ask(rule::DEVICE_OUTCOME, true);
  DeviceAllowed::Plain memory;
  memory.features = {"translated"};
  if (dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass) {
    outcomes_.judge_reached(access, dma, allowed, memory);
    return;
  }
  outcomes_.judge_terminated(access, dma, allowed, memory);
  DeviceRecords::Open& open = records_.latest();
  open.features = memory.features;
  if (open.wrong) open.rule = rule::STE_EATS;
}

// ---- translation requests, IHI 0070 3.9.1.2 -----------------------------------------------------

/// A record may come of it, where one of the reasons for the answer has one.
void DeviceAts::push_records(const Access& access, const std::vector<AtsAllowed::Answer>& answers,
                             AtsResult result) {
  DeviceRecords::Open open{.access = access,
                           .candidates = {},
                           .merges = caches_.fetches().may_merge_events(access.sid),
                           .which = records_.which(),
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
  records_.push(std::move(open));
}

void DeviceAts::request(const trace::AtsRequest& request) {
  Access access = access_in(request);
  access.route = spec::Route::translated;
  ++findings_.numbers().accesses;
  records_.access_begins();
  bool any = false;
  const std::vector<AtsAllowed::Answer> answers = allowed_.of_ats().answers(access, any);
  outcomes_.note_breadth(any, answers.size());
  if (any) {
    ++findings_.numbers().any;
    if (request.result != AtsResult::success) push_records(access, {}, request.result);
    return;
  }
  if (answers.empty()) {
    findings_.undetermined("what the SMMU may know of the stream of a translation request");
  } else {
    const auto its = [&](const AtsAllowed::Answer& one) { return one.result == request.result; };
    for (const AtsAllowed::Answer& one : answers) findings_.ask(one.rule, answers.size() == 1);
    findings_.ask(rule::DEVICE_OUTCOME, true);
    if (std::ranges::none_of(answers, its)) {
      const AtsAllowed::Answer& first = answers.front();
      findings_.find_of(
          records_.which(), first.rule,
          fmt::format("a translation request is answered {} instead of {}", name_of(request.result),
                      name_of(first.result)),
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

void DeviceAts::judge_grant(const trace::AtsRequest& request, const Access& access) {
  const trace::Rights rights = request.rights.value_or(trace::Rights{});
  judge_right(request, access, {AccessType::read, rights.read, true});
  judge_right(request, access, {AccessType::write, rights.write, !request.no_write.value_or(true)});
  if (rights.read || rights.write) judge_extent(request, access);
}

/// A right that is granted is there, to that address; one that is asked for and not granted is not.
void DeviceAts::judge_right(const trace::AtsRequest& request, Access access, const Right& right) {
  if (!right.granted && !right.asked) return;
  access.type = right.type;
  const std::vector<Outcome> now = allowed_.of_ats().granted(access);
  if (std::ranges::any_of(now, is_any)) {
    ++findings_.numbers().any;
    return;
  }
  if (now.empty())
    return findings_.undetermined("which translations a request may be answered with");
  const char* name = right.type == AccessType::write ? "writing" : "reading";
  const auto denied = std::ranges::find_if(now, is_denied);
  findings_.ask(denied != now.end() ? denied->rule : rule::TRANSLATION_RESULT, now.size() == 1);
  const auto leads = [&](const Outcome& o) { return o.passes() && request.pa == o.pa; };
  if (right.granted ? std::ranges::any_of(now, leads) : denied != now.end()) return;
  const auto reached = std::ranges::find_if(now, &Outcome::passes);
  const u32 which = records_.which();
  if (!right.granted) {
    findings_.find_of(which, rule::TRANSLATION_RESULT,
                      fmt::format("a translation request is not granted {}", name),
                      fmt::format("{} is not granted {}; {:#x} may be reached so",
                                  request_text(request), name, reached->pa));
  } else if (reached == now.end()) {
    findings_.find_of(which, denied->rule, fmt::format("a translation request is granted {}", name),
                      fmt::format("{} is granted {} at {:#x}; allowed is no such right",
                                  request_text(request), name, request.pa.value_or(0)));
  } else {
    findings_.find_of(
        which, rule::TRANSLATION_RESULT, "a translation request is answered with another address",
        fmt::format("{} is granted {} at {:#x}; it leads to {:#x}", request_text(request), name,
                    request.pa.value_or(0), reached->pa));
  }
}

/// Each page of the range that the answer covers leads where the answer says: its first and last,
/// and one in each half of a half that is not the request's, which a smaller range would not have.
void DeviceAts::judge_extent(const trace::AtsRequest& request, const Access& access) {
  const u64 bytes = request.length.value_or(0);
  const u32 which = records_.which();
  if (bytes < ats_page_bytes || (bytes & (bytes - 1)) != 0 || !request.pa) {
    findings_.find_of(which, rule::TRANSLATION_RESULT,
                      "a translation request is answered with no such size",
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
    const std::vector<Outcome> now = allowed_.of_ats().granted(one);
    const u64 pa = *request.pa + (at - request.iova);
    const auto leads = [&](const Outcome& o) { return is_any(o) || (o.passes() && o.pa == pa); };
    if (now.empty() || std::ranges::any_of(now, leads)) continue;
    findings_.find_of(which, rule::TRANSLATION_RESULT,
                      "a translation request is answered for too much",
                      fmt::format("{} is answered for {:#x} bytes, of which {:#x} is not at {:#x}",
                                  request_text(request), bytes, at, pa));
    return;
  }
}

}  // namespace iommucheck::oracle
