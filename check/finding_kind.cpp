// SPDX-License-Identifier: MIT
#include "check/finding_kind.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/hash.h"
#include "report/finding_kind_text.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

namespace {

using spec::Cause;
using spec::NearestMiss;
using spec::NotCovered;
using spec::Rule;
using What = FindingKind::What;
using Wrong = FindingKind::Wrong;

constexpr unsigned hash_bits = 48;
constexpr u64 page_size = u64{1} << 12;

using Thing = LeftOver::Thing;
using Why = LeftOver::Why;

template <class T>
void sort_once(std::vector<T>& all) {
  std::ranges::sort(all);
  const auto again = std::ranges::unique(all);
  all.erase(again.begin(), again.end());
}

Thing structure_of(spec::ConfigKind kind) {
  switch (kind) {
    case spec::ConfigKind::l1std: return Thing::l1std;
    case spec::ConfigKind::ste: return Thing::ste;
    case spec::ConfigKind::l1cd: return Thing::l1cd;
    case spec::ConfigKind::cd: return Thing::cd;
  }
  return Thing::ste;
}

/// What kind of thing something else than memory of now is; nothing: it is memory, or a rule.
std::optional<Thing> thing_of(const Cause& cause) {
  using Kind = Cause::Kind;
  switch (cause.kind) {
    case Kind::pending_word: return Thing::store;
    case Kind::cached_pointer: return Thing::table;
    case Kind::cached_translation: return Thing::leaf;
    case Kind::cached_combined: return Thing::combined;
    case Kind::cached_unknown: return Thing::unknown;
    case Kind::atc_entry:
    case Kind::atc_identity:
    case Kind::atc_unknown:
    case Kind::atc_reset: return cause.ssid ? Thing::atc_at_pasid : Thing::atc;
    case Kind::cached_structure: return structure_of(cause.structure);
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
    case Kind::global_word: return std::nullopt;
  }
  return std::nullopt;
}

/// What the command that came nearest lacks.
Why lacks(NotCovered::Reason reason) {
  using Reason = NotCovered::Reason;
  switch (reason) {
    case Reason::none: return Why::covers;
    case Reason::other_kind: return Why::other_kind;
    case Reason::vmid: return Why::vmid;
    case Reason::asid: return Why::asid;
    case Reason::non_global_only: return Why::not_for_global;
    case Reason::apart: return Why::aset;
    case Reason::stage1_only: return Why::stage1_only;
    case Reason::stage2_only: return Why::stage2_only;
    case Reason::not_combined: return Why::not_combined;
    case Reason::world: return Why::world;
    case Reason::unaligned: return Why::unaligned;
    case Reason::leaf_only: return Why::leaf_only;
    case Reason::granule: return Why::granule;
    case Reason::level:
    case Reason::above_level: return Why::level;
    case Reason::address: return Why::address;
    case Reason::stream: return Why::stream;
    case Reason::substream:
    case Reason::no_pasid:
    case Reason::untagged_only: return Why::pasid;
    case Reason::size: return Why::size;
    case Reason::not_all: return Why::not_all;
  }
  return Why::other_kind;
}

/// A TLBI of some pages that ends right before `va` is one too short, and any other is of another
/// address.
Why lacks_address(const NearestMiss& miss, u64 va) {
  const bool short_of_it =
      miss.why.last != 0 && miss.why.last < va && va - miss.why.last <= page_size;
  if (!short_of_it) return Why::address;
  return miss.command.tg == 0 ? Why::ends_before : Why::range_ends_before;
}

/// Why nothing has removed it. What was sent before the call began that replaced it is of another.
Why left_by(const Cause& cause, EventIndex since) {
  using Kind = NearestMiss::Kind;
  const std::optional<NearestMiss>& miss = cause.miss;
  const bool of_before = miss && miss->at < since;
  if (!miss || (of_before && (miss->kind == Kind::too_early || miss->kind == Kind::answered_later)))
    return Why::none_sent;
  switch (miss->kind) {
    case Kind::not_covering:
      if (miss->why.reason == NotCovered::Reason::address) return lacks_address(*miss, cause.va);
      return lacks(miss->why.reason);
    case Kind::too_early: return Why::early;
    case Kind::not_complete: return Why::no_sync;
    case Kind::fetched_again: return Why::fetched_again;
    case Kind::answered_later:
      return cause.stored_at != 0 ? Why::answered_by_tlb : Why::answered_later;
    case Kind::combined_later: return Why::combined_later;
    case Kind::not_enabled: return Why::not_enabled;
    case Kind::unheard: return Why::unheard;
  }
  return Why::none_sent;
}

/// The first link that is not plainly in memory; null: there is none.
const Cause* origin_of(const Finding& finding) {
  const auto first = std::ranges::find_if(
      finding.causes, [](const Cause& cause) { return thing_of(cause).has_value(); });
  return first == finding.causes.end() ? nullptr : &*first;
}

std::optional<LeftOver> left_over(const Cause* origin, EventIndex since) {
  if (origin == nullptr) return std::nullopt;
  LeftOver left{.thing = *thing_of(*origin)};
  if (left.thing != Thing::store) left.why = left_by(*origin, since);
  return left;
}

bool writes(const May& may) { return may.user.write || may.privileged.write; }

/// What is wrong with what is reached where something is mapped.
Wrong wrong_in(const May& may, const Promised& promised) {
  const Wrong attributes = may.memory.empty() ? Wrong::nothing : Wrong::memory;
  if (promised.state == spec::sva::State::identity) return attributes;
  if (promised.pa != may.pa) return Wrong::place;
  const bool privileged_only = (promised.prot & spec::sva::prot_privileged) != 0;
  const bool reads_more = privileged_only && (may.user.read || may.user.execute);
  const bool executes_more =
      (may.user.execute || may.privileged.execute) && (promised.prot & spec::sva::prot_exec) == 0;
  const bool writes_more = (writes(may) && (promised.prot & spec::sva::prot_write) == 0) ||
                           (privileged_only && may.user.write);
  return reads_more || executes_more || writes_more ? Wrong::rights : attributes;
}

/// Of what is reached and should be, but not so. Nothing: it should not be.
Wrong wrong_in(const Finding& finding) {
  if (finding.hardware.size() != 1) return Wrong::nothing;
  const May& may = finding.hardware.front();
  if (may.kind != May::Kind::reach && may.kind != May::Kind::pass) return Wrong::nothing;
  for (const Promised& promised : finding.promised) {
    if (promised.state == spec::sva::State::mapped ||
        (promised.state == spec::sva::State::identity && may.kind == May::Kind::pass)) {
      return wrong_in(may, promised);
    }
  }
  return Wrong::nothing;
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
  std::string words;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t open = text.find(" (device ", at);
    const std::size_t close = text.find(')', open == std::string_view::npos ? at : open);
    words += text.substr(at, open == std::string_view::npos ? open : open - at);
    if (open == std::string_view::npos || close == std::string_view::npos) break;
    at = close + 1;
  }
  // Nor which PASID it is; but that there is none.
  constexpr std::string_view rid = "substream 0x0";
  for (std::size_t at = words.find(rid); at != std::string::npos; at = words.find(rid, at)) {
    const bool number_ends = !std::isxdigit(static_cast<unsigned char>(words[at + rid.size()]));
    words.replace(at, rid.size(), number_ends ? "no substream" : "substream 0x1");
  }
  std::ranges::replace(words, ';', ',');  // what stands behind one is a cause
  return without_repetitions(without_numbers(words));
}

}  // namespace

EventIndex replaced_at(const Finding& finding) {
  const Cause* origin = origin_of(finding);
  if (origin == nullptr) return 0;
  return origin->words.empty() ? origin->stored_at : origin->words.front().stored_at;
}

namespace {

/// What hardware may do against what is promised.
FindingKind kind_of_may(const Finding& finding, std::string_view doing) {
  FindingKind kind{.what = What::may, .wrong = wrong_in(finding)};
  for (const May& may : finding.hardware) {
    const bool event = may.kind == May::Kind::event;
    kind.may.push_back({may.kind, event ? may.event : spec::EventType{}});
  }
  sort_once(kind.may);
  // What is wrong in the attributes is so wherever something is mapped.
  if (kind.wrong == Wrong::memory) {
    kind.memory = finding.hardware.front().memory;
    return kind;
  }
  kind.doing = doing;
  kind.walker = finding.where.walker;
  if (kind.wrong != Wrong::nothing) return kind;
  for (const Promised& one : finding.promised) kind.promised.push_back(one.state);
  sort_once(kind.promised);
  const auto rule = std::ranges::find_if(finding.causes,
                                         [](const Cause& cause) { return cause.rule.has_value(); });
  if (rule != finding.causes.end()) kind.rule = rule->rule;
  return kind;
}

}  // namespace

FindingKind kind_of(const Finding& finding, std::string_view doing, const Doing& replaced_in) {
  FindingKind kind{.doing = std::string(doing),
                   .left = left_over(origin_of(finding), replaced_in.since)};
  if (finding.answer) {
    kind.what = What::answer;
    kind.status = *finding.answer;
    const std::string& why = finding.why;
    kind.words = in_kinds_words(why.empty() ? finding.wrong : finding.wrong + ": " + why);
    if (kind.left) kind.left->since = replaced_in.what;
    return kind;
  }
  if (kind.left) {
    if (!replaced_in.what.empty()) kind.doing = replaced_in.what;
    return kind;
  }
  if (!finding.why.empty()) {
    kind.what = What::model;
    kind.words = in_kinds_words(finding.why);
    return kind;
  }
  if (!finding.hardware.empty()) return kind_of_may(finding, doing);
  kind.words = in_kinds_words(finding.statement);
  if (is_of_no_call(finding.rule)) kind.doing.clear();
  if (!kind.words.empty() || !kind.doing.empty()) kind.what = What::sentence;
  return kind;
}

bool break_one_rule(const Finding& a, const Finding& b) {
  return rule_of_cause(a.rule, a.kind) == rule_of_cause(b.rule, b.kind);
}

u64 key_of(spec::Rule its, const FindingKind& kind) {
  const Rule rule = rule_of_cause(its, kind);
  u64 hash = fnv1a(to_json(kind).text());
  hash ^= hash >> hash_bits;
  return static_cast<u64>(rule) << hash_bits | (hash & ((u64{1} << hash_bits) - 1));
}

spec::Rule rule_of(u64 key) { return static_cast<spec::Rule>(key >> hash_bits); }

}  // namespace iommucheck::oracle
