// SPDX-License-Identifier: MIT
#include "check/finding_kind.h"

#include <algorithm>
#include <vector>

#include "base/hash.h"
#include "report/finding_json.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

namespace {

using spec::Cause;
using spec::NearestMiss;
using spec::NotCovered;
using spec::Rule;

constexpr unsigned hash_bits = 48;

void add_once(std::vector<std::string_view>& words, std::string_view word) {
  if (std::ranges::find(words, word) == words.end()) words.push_back(word);
}

std::string joined(std::vector<std::string_view> words) {
  std::ranges::sort(words);
  std::string text;
  for (const std::string_view word : words) {
    text += text.empty() ? "" : " or ";
    text += word;
  }
  return text;
}

/// What kind of thing something else than memory of now is; empty: it is memory, or a rule.
std::string_view thing_of(const Cause& cause) {
  using Kind = Cause::Kind;
  switch (cause.kind) {
    case Kind::pending_word: return "store not visible";
    case Kind::cached_pointer: return "table cached";
    case Kind::cached_translation: return "leaf cached";
    case Kind::cached_combined: return "combined entry cached";
    case Kind::cached_unknown: return "unknown content cached";
    case Kind::atc_entry:
    case Kind::atc_identity:
    case Kind::atc_unknown:
    case Kind::atc_reset: return cause.ssid ? "ATC at a PASID" : "ATC";
    case Kind::cached_structure: return spec::structure_name(cause.structure);
    case Kind::word:
    case Kind::unknown_word:
    case Kind::structure:
    case Kind::beyond_input:
    case Kind::half_disabled:
    case Kind::table_root:
    case Kind::table_link:
    case Kind::configuration:
    case Kind::rule:
    case Kind::bypass:
    case Kind::terminated:
    case Kind::from_reset:
    case Kind::tags_differ:
    case Kind::entries_differ:
    case Kind::global_word: return {};
  }
  return {};
}

bool may_be_invalidated(const Cause& cause) {
  return cause.kind != Cause::Kind::pending_word && !thing_of(cause).empty();
}

/// What the command that came nearest lacks.
std::string_view lacks(NotCovered::Reason reason) {
  using Reason = NotCovered::Reason;
  switch (reason) {
    case Reason::none: return "covers";
    case Reason::other_kind: return "other kind";
    case Reason::vmid: return "VMID";
    case Reason::asid: return "ASID";
    case Reason::non_global_only: return "not for global";
    case Reason::apart: return "ASET";
    case Reason::stage1_only: return "stage 1 only";
    case Reason::stage2_only: return "stage 2 only";
    case Reason::not_combined: return "not combined";
    case Reason::world: return "world";
    case Reason::unaligned: return "unaligned";
    case Reason::leaf_only: return "leaf only";
    case Reason::granule: return "granule";
    case Reason::level:
    case Reason::above_level: return "level";
    case Reason::address: return "range";
    case Reason::stream: return "stream";
    case Reason::substream:
    case Reason::no_pasid:
    case Reason::untagged_only: return "PASID";
    case Reason::size: return "size";
    case Reason::not_all: return "not all";
  }
  return "?";
}

/// Why nothing has removed it. What was sent before the call began that replaced it is of another.
std::string_view left_by(const std::optional<NearestMiss>& miss, EventIndex since) {
  using Kind = NearestMiss::Kind;
  if (!miss || (miss->kind == Kind::too_early && miss->at < since)) return "none sent";
  switch (miss->kind) {
    case Kind::not_covering: return lacks(miss->why.reason);
    case Kind::too_early: return "early";
    case Kind::not_complete: return "no SYNC";
    case Kind::fetched_again: return "fetched again";
    case Kind::answered_later: return "answered later";
    case Kind::combined_later: return "combined later";
    case Kind::not_enabled: return "not enabled";
  }
  return "?";
}

/// The first link that is not plainly in memory; null: there is none.
const Cause* origin_of(const Finding& finding) {
  const auto first = std::ranges::find_if(
      finding.causes, [](const Cause& cause) { return !thing_of(cause).empty(); });
  return first == finding.causes.end() ? nullptr : &*first;
}

/// "leaf cached, level".
std::string text_of_origin(const Cause& origin, EventIndex since) {
  std::string text(thing_of(origin));
  if (!may_be_invalidated(origin)) return text;
  text += ", ";
  return text += left_by(origin.miss, since);
}

/// The right page with the right rights, and other memory attributes than promised.
bool is_about_attributes(const Finding& finding) {
  if (finding.hardware.size() != 1 || finding.hardware[0].memory.empty()) return false;
  const May& may = finding.hardware[0];
  if (may.kind != May::Kind::reach && may.kind != May::Kind::pass) return false;
  return std::ranges::any_of(finding.promised, [&](const Promised& promised) {
    const bool writes =
        (may.user.write || may.privileged.write) && (promised.prot & spec::sva::prot_write) == 0;
    const bool there =
        promised.state == spec::sva::State::mapped && promised.pa == may.pa && !writes;
    return there || (may.kind == May::Kind::pass && promised.state == spec::sva::State::identity);
  });
}

}  // namespace

EventIndex replaced_at(const Finding& finding) {
  const Cause* origin = origin_of(finding);
  if (origin == nullptr) return 0;
  return origin->words.empty() ? origin->stored_at : origin->words.front().stored_at;
}

std::string kind_of(const Finding& finding, std::string_view doing, const Doing& replaced_in) {
  if (!finding.answer.empty()) return std::string(doing) + ": " + finding.answer;
  std::vector<std::string_view> hardware, promised;
  for (const May& may : finding.hardware) add_once(hardware, kind_name(may.kind));
  for (const Promised& one : finding.promised) add_once(promised, state_name(one.state));
  if (const Cause* origin = origin_of(finding)) {
    std::string kind(replaced_in.what.empty() ? doing : replaced_in.what);
    if (!hardware.empty()) kind += ": " + joined(std::move(hardware));
    return kind + "; " + text_of_origin(*origin, replaced_in.since);
  }
  std::string kind(is_about_attributes(finding) ? "memory attributes" : doing);
  if (!hardware.empty()) kind += ": " + joined(std::move(hardware));
  if (!promised.empty()) kind += ", promised " + joined(std::move(promised));
  return kind;
}

namespace {

/// Where the cause is named, which of these rules shows it first is luck.
bool tells_of_reach(Rule rule) {
  switch (rule) {
    case Rule::PAGE_REUSE:
    case Rule::PROMISE_OUTCOME:
    case Rule::PROMISE_TRANSIENT:
    case Rule::PROMISE_UNDISTURBED: return true;
    default: return false;
  }
}

}  // namespace

spec::Rule rule_of_cause(Rule rule, std::string_view kind) {
  const bool has_cause = kind.contains("; ");
  return has_cause && tells_of_reach(rule) ? Rule::PAGE_REUSE : rule;
}

bool break_one_rule(const Finding& a, const Finding& b) {
  return rule_of_cause(a.rule, a.kind) == rule_of_cause(b.rule, b.kind);
}

u64 key_of(spec::Rule its, std::string_view kind) {
  const Rule rule = rule_of_cause(its, kind);
  u64 hash = fnv1a(kind);
  hash ^= hash >> hash_bits;
  return static_cast<u64>(rule) << hash_bits | (hash & ((u64{1} << hash_bits) - 1));
}

spec::Rule rule_of(u64 key) { return static_cast<spec::Rule>(key >> hash_bits); }

}  // namespace iommucheck::oracle
