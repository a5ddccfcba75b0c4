// SPDX-License-Identifier: MIT
#include "check/finding_kind.h"

#include <algorithm>
#include <cctype>
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
constexpr u64 page_size = u64{1} << 12;

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
    case Reason::address: return "address";
    case Reason::stream: return "stream";
    case Reason::substream:
    case Reason::no_pasid:
    case Reason::untagged_only: return "PASID";
    case Reason::size: return "size";
    case Reason::not_all: return "not all";
  }
  return "?";
}

/// A TLBI of some pages that ends right before `va` is one too short, and any other is of another
/// address.
std::string_view lacks_address(const NearestMiss& miss, u64 va) {
  const bool short_of_it =
      miss.why.last != 0 && miss.why.last < va && va - miss.why.last <= page_size;
  if (!short_of_it) return "address";
  return miss.command.tg == 0 ? "ends before it" : "range ends before it";
}

/// Why nothing has removed it. What was sent before the call began that replaced it is of another.
std::string_view left_by(const Cause& cause, EventIndex since) {
  using Kind = NearestMiss::Kind;
  const std::optional<NearestMiss>& miss = cause.miss;
  const bool of_before = miss && miss->at < since;
  if (!miss || (of_before && (miss->kind == Kind::too_early || miss->kind == Kind::answered_later)))
    return "none sent";
  switch (miss->kind) {
    case Kind::not_covering:
      if (miss->why.reason == NotCovered::Reason::address) return lacks_address(*miss, cause.va);
      return lacks(miss->why.reason);
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
  return text += left_by(origin, since);
}

bool writes(const May& may) { return may.user.write || may.privileged.write; }

/// "with more rights", "at another address", "Normal non-cacheable, outer shareable": what is wrong
/// with what is reached where something is mapped.
std::string wrong_in(const May& may, const Promised& promised) {
  if (promised.state == spec::sva::State::identity) return may.memory;
  if (promised.pa != may.pa) return "elsewhere";
  const bool privileged_only = (promised.prot & spec::sva::prot_privileged) != 0;
  const bool reads_more = privileged_only && (may.user.read || may.user.execute);
  const bool executes_more =
      (may.user.execute || may.privileged.execute) && (promised.prot & spec::sva::prot_exec) == 0;
  const bool writes_more = (writes(may) && (promised.prot & spec::sva::prot_write) == 0) ||
                           (privileged_only && may.user.write);
  return reads_more || executes_more || writes_more ? "with more rights" : may.memory;
}

/// Of what is reached and should be, but not so. Empty: it should not be.
std::string wrong_in(const Finding& finding) {
  if (finding.hardware.size() != 1) return {};
  const May& may = finding.hardware.front();
  if (may.kind != May::Kind::reach && may.kind != May::Kind::pass) return {};
  for (const Promised& promised : finding.promised) {
    if (promised.state == spec::sva::State::mapped ||
        (promised.state == spec::sva::State::identity && may.kind == May::Kind::pass)) {
      return wrong_in(may, promised);
    }
  }
  return {};
}

/// Which call showed it first is luck: it is wrong in registers, configuration or queues for all.
bool is_of_no_call(Rule rule) {
  switch (spec::rule_info(rule).family) {
    case spec::Family::queue_protocol:
    case spec::Family::register_protocol:
    case spec::Family::command:
    case spec::Family::leak:
    case spec::Family::unknown:
    case spec::Family::wild: return true;
    default: return false;
  }
}

/// A list is as long as it happens to be: "# bytes at #, # bytes at #".
std::string without_repetitions(std::string_view text) {
  std::string kind;
  std::string_view before;
  while (!text.empty()) {
    const std::size_t end = text.find(", ");
    const std::string_view part = text.substr(0, end);
    const bool again =
        !before.empty() && (part == before || before.ends_with(": " + std::string(part)));
    if (!again) kind += (kind.empty() ? "" : ", ") + std::string(part);
    before = part;
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 2);
  }
  return kind;
}

/// "stream 0x1 (device 0, PASID 0x2)" is one with a PASID or without.
std::string in_kinds_words(std::string_view text) {
  std::string kind;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = text.find(" (device ", at);
    const std::size_t close = text.find(')', open == std::string_view::npos ? at : open);
    kind += text.substr(at, open == std::string_view::npos ? open : open - at);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    at = close + 1;
  }
  // Nor which PASID it is; but that there is none.
  constexpr std::string_view rid = "substream 0x0";
  for (std::size_t at = kind.find(rid); at != std::string::npos; at = kind.find(rid, at)) {
    const bool number_ends = !std::isxdigit(static_cast<unsigned char>(kind[at + rid.size()]));
    kind.replace(at, rid.size(), number_ends ? "no substream" : "substream 0x1");
  }
  std::ranges::replace(kind, ';', ',');  // what stands behind one is a cause
  return without_repetitions(without_numbers(kind));
}

}  // namespace

EventIndex replaced_at(const Finding& finding) {
  const Cause* origin = origin_of(finding);
  if (origin == nullptr) return 0;
  return origin->words.empty() ? origin->stored_at : origin->words.front().stored_at;
}

std::string kind_of(const Finding& finding, std::string_view doing, const Doing& replaced_in) {
  const Cause* origin = origin_of(finding);
  if (!finding.answer.empty()) {
    std::string kind = std::string(doing) + ": " + finding.answer;
    if (!finding.wrong.empty()) kind += ", " + in_kinds_words(finding.wrong);
    if (origin == nullptr) return kind;
    kind += "; " + text_of_origin(*origin, replaced_in.since);
    return replaced_in.what.empty() ? kind : kind + ", since " + std::string(replaced_in.what);
  }
  if (origin != nullptr) {
    const std::string_view in = replaced_in.what.empty() ? doing : replaced_in.what;
    return std::string(in) + "; " + text_of_origin(*origin, replaced_in.since);
  }
  if (!finding.why.empty()) return std::string(doing) + "; " + in_kinds_words(finding.why);
  if (finding.hardware.empty()) {
    const std::string kind = in_kinds_words(finding.statement);
    return is_of_no_call(finding.rule) ? kind : std::string(doing) + ": " + kind;
  }
  std::vector<std::string_view> hardware, promised;
  for (const May& may : finding.hardware) {
    add_once(hardware,
             may.kind == May::Kind::event ? spec::event_name(may.event) : kind_name(may.kind));
  }
  const std::string wrong = wrong_in(finding);
  for (const Promised& one : finding.promised) add_once(promised, state_name(one.state));
  // What is wrong in the attributes is so wherever something is mapped.
  const bool in_attributes = !wrong.empty() && wrong == finding.hardware.front().memory;
  std::string kind(in_attributes ? "memory attributes" : doing);
  if (finding.where.walker && !in_attributes) kind += " by a walker";
  kind += ": " + joined(std::move(hardware));
  if (!wrong.empty()) return kind + " " + wrong;
  if (!promised.empty()) kind += ", promised " + joined(std::move(promised));
  const auto rule = std::ranges::find_if(finding.causes,
                                         [](const Cause& cause) { return cause.rule.has_value(); });
  if (rule != finding.causes.end()) kind += ", " + std::string(spec::rule_info(*rule->rule).name);
  return kind;
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
