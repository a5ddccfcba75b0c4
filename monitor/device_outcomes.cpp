// SPDX-License-Identifier: MIT
#include "monitor/device_outcomes.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "monitor/access_in.h"
#include "monitor/device_text.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/causes.h"

namespace iommucheck::oracle {

namespace {

using spec::Access;
using spec::Outcome;
using spec::OutcomeKind;
using spec::Rule;
namespace rule = spec::rule;

}  // namespace

/// Which rule an access asks for: each outcome's, discriminating where it is the only one.
void DeviceOutcomes::ask_rules(const std::vector<Outcome>& allowed) {
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
    findings_.ask(rule, allowed.size() == 1);
  }
}

/// What of the access is not known, so that nothing can be said of it; or nothing.
const char* DeviceOutcomes::not_known(const trace::Dma& dma) {
  if (!dma.direction || *dma.direction == trace::Direction::read_write) {
    return "whether the access reads or writes";
  }
  if (!dma.privileged) return "whether the access is privileged";
  return nullptr;
}

void DeviceOutcomes::access(const trace::Dma& dma) {
  const Access access = access_in(dma);
  ++findings_.numbers().accesses;
  records_.access_begins();
  auto [allowed, judged, is_open, memory] = allowed_.now(access);
  // What was legal to the device, clamped, it may have cached, and what it then translated by that.
  if (is_open) allowed_.met_open();
  const bool any =
      std::ranges::any_of(allowed, [](const Outcome& o) { return o.kind == OutcomeKind::any; });
  note_breadth(any, allowed.size());
  if (any) ++findings_.numbers().any;
  if (allowed.size() > 1) ++findings_.numbers().open;
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
  if (missing != nullptr) findings_.undetermined(missing);
  if (missing != nullptr || any) {
    push_anything(access, dma);
    return;
  }
  ask_rules(allowed);
  findings_.ask(rule::DEVICE_OUTCOME, true);
  judge_outcome(access, dma, allowed, memory);
}

void DeviceOutcomes::access_begins(const trace::Dma& dma) {
  records_.access_begins();
  trace::Dma any = dma;
  any.result = trace::DmaResult::abort;
  push_anything(access_in(dma), any);
}

bool DeviceOutcomes::may_be_unseen(const std::vector<Outcome>& allowed) const {
  return std::ranges::any_of(
      allowed, [&](const Outcome& o) { return o.passes() && o.pa - seen_first_ >= seen_bytes_; });
}

void DeviceOutcomes::judge_outcome(const Access& access, const trace::Dma& dma,
                                   const std::vector<Outcome>& allowed,
                                   const DeviceAllowed::Plain& memory) {
  const bool reached = dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass;
  bool same = true;  // as memory says
  if (memory.known) {
    const Outcome& m = memory.outcome;
    same = reached ? m.passes() && (!dma.pa || *dma.pa == m.pa) : !m.passes();
  }
  const std::size_t before = findings_.count();
  if (reached) {
    judge_reached(access, dma, allowed, memory);
  } else {
    judge_terminated(access, dma, allowed, memory);
  }
  const bool wrong = findings_.count() != before || (!reached && records_.latest().wrong);
  if (!same && !wrong) ++findings_.numbers().stale_allowed;
}

/// What is not judged may have a record, but not if it arrived.
void DeviceOutcomes::push_anything(const Access& access, const trace::Dma& dma) {
  if (dma.result == trace::DmaResult::ok || dma.result == trace::DmaResult::bypass) return;
  records_.push({.access = access,
                 .candidates = {},
                 .any = true,
                 .stalled = dma.result == trace::DmaResult::stall,
                 .which = records_.which(),
                 .features = {}});
}

void DeviceOutcomes::judge_reached(const Access& access, const trace::Dma& dma,
                                   const std::vector<Outcome>& allowed,
                                   const DeviceAllowed::Plain& memory) {
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
  const Outcome* const refused =
      dma.pa ? DeviceAllowed::refused_at(allowed, access, *dma.pa) : nullptr;
  const Outcome& first = refused != nullptr ? *refused : allowed.front();
  const u32 which = records_.which();
  DeviceAllowed::Features features = memory.known ? memory.features : DeviceAllowed::Features{};
  if (refused != nullptr && refused->rule != memory.outcome.rule) {  // memory says another thing
    features = DeviceAllowed::why_refused(*refused, access);
  }
  if (!smmu_.surely_enabled()) {
    const bool beyond = (access.va >> caches_.capabilities().oas_lg2) != 0;
    findings_.find_of(
        which, rule::DISABLED_PASSES,
        "reached memory with SMMUEN = 0" +
            (first.kind != OutcomeKind::abort ? ": " + outcome_name(first) + " is allowed"
             : beyond                         ? std::string(" beyond the output address size")
                                              : std::string(" and GBPA.ABORT = 1")),
        std::move(text));
  } else if (passes && refused == nullptr) {
    const bool bypass = first.kind == OutcomeKind::bypass;
    findings_.find_of(which, bypass ? rule::STE_BYPASS : rule::TRANSLATION_RESULT,
                      {.what = "reached another address", .features = std::move(features)},
                      std::move(text));
  } else {
    const Rule rule = first.kind == OutcomeKind::abort ? rule::STE_ABORT : first.rule;
    const std::string used = used_instead_of(first);
    findings_.find_of(
        which, rule,
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

void DeviceOutcomes::judge_terminated(const Access& access, const trace::Dma& dma,
                                      const std::vector<Outcome>& allowed,
                                      const DeviceAllowed::Plain& memory) {
  DeviceRecords::Open open{.access = access,
                           .candidates = {},
                           .stalled = dma.result == trace::DmaResult::stall,
                           .merges = caches_.fetches().may_merge_events(access.sid),
                           .which = records_.which(),
                           .features = {}};
  for (const Outcome& o : allowed) {
    if (o.kind == OutcomeKind::fault || o.kind == OutcomeKind::abort) open.candidates.push_back(o);
  }
  open.only_stalls = std::ranges::all_of(allowed, [](const Outcome& o) { return o.stalled(); });
  if (!keep_fitting(open.candidates, open.stalled)) {
    const Outcome& first = open.candidates.front();
    findings_.find_of(
        open.which, rule::DEVICE_OUTCOME,
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
  } else if (!records_.may_record(open) && memory.known && smmu_.surely_enabled()) {
    findings_.ask(rule::EVENT_ONCE, true);
  }
  records_.push(std::move(open));
}

}  // namespace iommucheck::oracle
