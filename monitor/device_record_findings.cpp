// SPDX-License-Identifier: MIT
// What is found of an event record of a device under test that no access should have.
#include <fmt/format.h>

#include <utility>

#include "monitor/device_records.h"
#include "monitor/device_text.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/event_rules.h"

namespace iommucheck::oracle {

namespace {

using spec::Outcome;
using spec::OutcomeKind;
using spec::Rule;
namespace rule = spec::rule;

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

void DeviceRecords::nobodys(const SeenRecord& record) {
  if (state_.forgotten != 0) {
    findings_.undetermined("which of so many accesses each event record is of");
    return;
  }
  const spec::EventType type = spec::event_type_of(record.words);
  findings_.find(
      rule::EVENT_ONCE,
      {.what = std::string(spec::event_name(type)) + " without an access that was terminated",
       .record = type,
       .names_record = true},
      record_text(record.words) + " belongs to no access that was terminated and has none yet");
}

/// One finding for each field, so that one that is known hides no other; each names them all.
void DeviceRecords::wrong_fields(const Open& open, const trace::EventRecord& words,
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
    if (state_.named.insert(text_of(kind)).second)
      findings_.find(rule::EVENT_RECORD, std::move(kind), text);
  }
}

/// The access has that record, and should have another or none.
void DeviceRecords::mismatch(const Open& open, const trace::EventRecord& words) {
  const std::string name(spec::event_name(spec::event_type_of(words)));
  const std::string text = record_text(words) + " of " + access_text(open.access);
  const spec::EventType type = spec::event_type_of(words);
  const bool refuses = refuses_configuration(type);
  const DeviceKind terminated{.what = "terminated as " + name,
                              .features = refuses ? of_configuration(open.features) : open.features,
                              .record = type,
                              .names_record = true};
  if (open.wrong) {
    findings_.find_of(open.which, open.rule, terminated, text + ": it is to pass");
    return;
  }
  if (open.candidates.empty()) {
    findings_.find_of(open.which, rule::TRANSLATION_RESULT, terminated,
                      text + ", tried again by CMD_RESUME: it is to pass");
    return;
  }
  // It has looked at what memory has now, and a cache that still refuses is no reason for that.
  if (open.translates && (refuses || is_of_the_walk(type))) {
    findings_.find_of(open.which, rule::TRANSLATION_RESULT, terminated,
                      text + ": it is to pass, or to be refused by what was there before");
    return;
  }
  const Outcome& o = open.candidates.front();
  const Mismatch its = mismatch_with(open, o, terminated);
  findings_.find_of(
      open.which, its.rule, its.kind,
      text + ": allowed is " + its.allowed + " (" + explained(caches_.view(), o) + ")");
}

/// `terminated`: that the record came at all, which is one way to see it.
DeviceRecords::Mismatch DeviceRecords::mismatch_with(const Open& open, const Outcome& o,
                                                     const DeviceKind& terminated) const {
  const spec::EventType type = terminated.record;
  const bool refuses = refuses_configuration(type);
  const bool silent = !records(open, o);
  if (!silent && ((refuses && is_of_the_walk(o.rule)) || refuses_before_cd(type, o))) {
    return {rule::TRANSLATION_RESULT, terminated, outcome_name(o)};
  }
  if (const std::string used = used_instead_of(o);
      !silent && !used.empty() && (is_of_the_walk(type) || used_before_cd(type, o))) {
    return {o.rule,
            {.what = used, .features = of_configuration(open.features), .record = type},
            outcome_name(o)};
  }
  if (silent && o.kind == OutcomeKind::fault && o.event == type &&
      spec::is_translation_fault(type)) {
    return {rule::EVENT_ONCE,
            {.what = o.stage2 ? "a fault is recorded although STE.S2R = 0"
                              : "a fault is recorded although CD.R = 0",
             .record = type},
            outcome_name(o) + " without a record"};
  }
  // It has found nothing where there is something, and needs a feature to find it.
  const std::vector<std::string> features = features_needed(open.access);
  if (!features.empty() && type == spec::EventType::f_translation && is_of_the_walk(o.rule) &&
      o.event != type && o.event != spec::EventType::f_walk_eabt) {
    return {rule::TRANSLATION_RESULT,
            {.what = terminated.what, .features = features, .record = type, .names_record = true},
            outcome_name(o)};
  }
  // A configuration error of ATS is silent, too: CR2.REC_CFG_ATS.
  const bool aborts = o.rule == rule::STE_ABORT || o.rule == rule::DISABLED_PASSES;
  const Rule broken = o.kind == OutcomeKind::abort && aborts   ? rule::STE_ABORT
                      : o.kind == OutcomeKind::abort || silent ? rule::EVENT_ONCE
                                                               : o.rule;
  const std::string expected =
      outcome_name(o) + (silent && o.kind == OutcomeKind::fault ? " without a record" : "");
  return {broken,
          {.what = std::string(spec::event_name(type)) + " instead of " + expected,
           .features = open.features,
           .record = type,
           .names_record = true},
          expected};
}

}  // namespace iommucheck::oracle
