// SPDX-License-Identifier: MIT
#include "report/finding_json.h"

#include "base/text.h"
#include "report/event_text.h"
#include "report/finding_identity.h"
#include "report/finding_kind_text.h"
#include "report/finding_text.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

namespace {

using trace::JsonTree;

JsonTree address(u64 value) { return {hex(value)}; }

JsonTree json_of(const AccessRights& rights) {
  return {std::string(rights.read ? "r" : "") + (rights.write ? "w" : "") +
          (rights.execute ? "x" : "")};
}

JsonTree json_of(const Where& where) {
  JsonTree json = JsonTree::object();
  if (where.sid) json.set("stream", address(*where.sid));
  if (where.device) json.set("device", *where.device);
  if (where.walker) json.set("walker", true);
  if (where.pasid) json.set("pasid", address(*where.pasid));
  if (where.address) json.set("address", address(*where.address));
  if (where.privileged) json.set("privileged", true);
  if (where.access) {
    json.set("access", *where.access == spec::AccessType::write     ? "write"
                       : *where.access == spec::AccessType::execute ? "execute"
                                                                    : "read");
  }
  return json;
}

JsonTree json_of(const May& may) {
  JsonTree json = JsonTree::object();
  json.set("may", kind_name(may.kind));
  const bool reaches = may.kind == May::Kind::reach;
  if (reaches || may.kind == May::Kind::pass) json.set("pa", address(may.pa));
  if (reaches) {
    json.set("unprivileged", json_of(may.user));
    json.set("privileged", json_of(may.privileged));
    json.set("attr", address(may.attr));
    json.set("memory", may.device ? "device" : "normal");
    if (!may.memory.empty()) json.set("attributes", may.memory);
  }
  if (may.kind == May::Kind::translated || may.kind == May::Kind::stalls) {
    if (may.vmid) json.set("vmid", address(*may.vmid));
    if (!may.vmid) json.set("asid", address(may.asid));
  }
  if (may.event != spec::EventType::none) json.set("event", spec::event_name(may.event));
  if (may.rule) json.set("by", spec::rule_name(*may.rule));
  if (may.because) json.set("because", to_json(*may.because));
  return json;
}

JsonTree json_of(const Promised& promised) {
  JsonTree json = JsonTree::object();
  json.set("promise", state_name(promised.state));
  if (promised.state != spec::sva::State::mapped) return json;
  const auto has = [&](u32 bit) { return (promised.prot & bit) != 0; };
  json.set("pa", address(promised.pa));
  json.set("rights", json_of(AccessRights{has(spec::sva::prot_read), has(spec::sva::prot_write),
                                          has(spec::sva::prot_exec)}));
  json.set("privileged_only", has(spec::sva::prot_privileged));
  json.set("memory", has(spec::sva::prot_device) ? "device" : "normal");
  return json;
}

JsonTree json_of(const spec::NearestMiss& miss) {
  JsonTree json = JsonTree::object();
  json.set("command", spec::describe(miss.command));
  json.set("event", miss.at);
  json.set("kind", kind_name(miss.kind));
  json.set("text", spec::miss_text(miss));
  return json;
}

JsonTree json_of(const NamedEvent& named, Registers registers) {
  JsonTree json = JsonTree::object();
  json.set("event", named.number);
  json.set("line", named.line);
  json.set("call", named.call);
  json.set("in_call", named.inside);
  json.set("what", describe(named.event, registers));
  if (!named.symbol.empty()) json.set("by", named.symbol);
  return json;
}

JsonTree texts(const std::vector<std::string>& all) {
  JsonTree json = JsonTree::array();
  for (const std::string& one : all) json.add(one);
  return json;
}

template <class T>
JsonTree list(const std::vector<T>& all) {
  JsonTree json = JsonTree::array();
  for (const T& one : all) {
    if constexpr (std::is_same_v<T, spec::Cause>) {
      json.add(to_json(one));
    } else {
      json.add(json_of(one));
    }
  }
  return json;
}

}  // namespace

std::string_view kind_name(May::Kind kind) {
  switch (kind) {
    case May::Kind::anything: return "anything";
    case May::Kind::reach: return "reach";
    case May::Kind::pass: return "pass";
    case May::Kind::fault: return "fault";
    case May::Kind::fault_at_once: return "fault_at_once";
    case May::Kind::fault_waits: return "fault_waits";
    case May::Kind::event: return "event";
    case May::Kind::terminated: return "terminated";
    case May::Kind::translated: return "translated";
    case May::Kind::stalls: return "stalls";
    case May::Kind::not_granted: return "not_granted";
  }
  return "?";
}

std::string_view kind_name(spec::Cause::Kind kind) {
  using Kind = spec::Cause::Kind;
  switch (kind) {
    case Kind::word: return "word";
    case Kind::unknown_word: return "unknown_word";
    case Kind::pending_word: return "pending_word";
    case Kind::cached_pointer: return "cached_pointer";
    case Kind::cached_translation: return "cached_translation";
    case Kind::cached_combined: return "cached_combined";
    case Kind::cached_unknown: return "cached_unknown";
    case Kind::atc_entry: return "atc_entry";
    case Kind::atc_identity: return "atc_identity";
    case Kind::atc_unknown: return "atc_unknown";
    case Kind::atc_reset: return "atc_reset";
    case Kind::cached_structure: return "cached_structure";
    case Kind::structure: return "structure";
    case Kind::beyond_input: return "beyond_input";
    case Kind::half_disabled: return "half_disabled";
    case Kind::table_root: return "table_root";
    case Kind::table_link: return "table_link";
    case Kind::configuration: return "configuration";
    case Kind::rule: return "rule";
    case Kind::bypass: return "bypass";
    case Kind::terminated: return "terminated";
    case Kind::from_reset: return "from_reset";
    case Kind::tags_differ: return "tags_differ";
    case Kind::entries_differ: return "entries_differ";
    case Kind::global_word: return "global_word";
  }
  return "?";
}

std::string_view kind_name(spec::NearestMiss::Kind kind) {
  using Kind = spec::NearestMiss::Kind;
  switch (kind) {
    case Kind::not_covering: return "not_covering";
    case Kind::too_early: return "too_early";
    case Kind::not_complete: return "not_complete";
    case Kind::fetched_again: return "fetched_again";
    case Kind::answered_later: return "answered_later";
    case Kind::combined_later: return "combined_later";
    case Kind::not_enabled: return "not_enabled";
    case Kind::unheard: return "unheard";
  }
  return "?";
}

std::string_view state_name(spec::sva::State state) {
  using spec::sva::State;
  switch (state) {
    case State::blocked: return "blocked";
    case State::unmapped: return "unmapped";
    case State::mapped: return "mapped";
    case State::identity: return "identity";
    case State::old_or_fault: return "old_or_fault";
    case State::quarantined: return "quarantined";
    case State::no_pasid: return "no_pasid";
    case State::waits: return "waits";
    case State::quiet: return "quiet";
    case State::old_or_quiet: return "old_or_quiet";
    case State::several: return "several";
    case State::outer_fault: return "outer_fault";
    case State::fetch_fault: return "fetch_fault";
    case State::bad_entry: return "bad_entry";
    case State::within: return "within";
  }
  return "?";
}

JsonTree to_json(const spec::Cause& cause) {
  JsonTree json = JsonTree::object();
  json.set("kind", kind_name(cause.kind));
  if (cause.pa != 0) json.set("pa", address(cause.pa));
  json.set("value", address(cause.value));
  json.set("va", address(cause.va));
  if (cause.vmid) json.set("vmid", address(*cause.vmid));
  if (!cause.vmid) json.set("asid", address(cause.asid));
  if (cause.kind == spec::Cause::Kind::cached_structure ||
      cause.kind == spec::Cause::Kind::structure) {
    json.set("structure", spec::structure_name(cause.structure));
    json.set("stream", address(cause.sid));
    if (cause.ssid) json.set("pasid", address(*cause.ssid));
  }
  if (!cause.words.empty()) {
    JsonTree words = JsonTree::array();
    for (const spec::CachedWord& word : cause.words) {
      JsonTree one = JsonTree::object();
      one.set("word", word.index);
      const bool cached = cause.kind == spec::Cause::Kind::cached_structure;
      if (cached && !word.unknown) one.set("cached", address(word.value));
      one.set("memory", address(word.now));
      if (cached) one.set("stored_at", word.stored_at);
      words.add(std::move(one));
    }
    json.set("words", std::move(words));
  }
  if (cause.rule) json.set("rule", spec::rule_name(*cause.rule));
  if (cause.stored_at != 0) json.set("stored_at", cause.stored_at);
  if (cause.vanished_at != 0) json.set("vanished_at", cause.vanished_at);
  if (cause.lost_at != 0) json.set("lost_at", cause.lost_at);
  if (cause.miss) json.set("nearest_miss", json_of(*cause.miss));
  json.set("text", spec::cause_text(cause));
  return json;
}

JsonTree to_json(const Violation& violation) {
  const spec::RuleInfo& rule = spec::rule_info(violation.rule);
  JsonTree json = JsonTree::object();
  json.set("rule", rule.name);
  json.set("family", spec::family_name(rule.family));
  json.set("keeper", spec::keeper_name(violation.party));
  json.set("source", rule.section);
  json.set("kind", text_of(violation.kind));
  if (!violation.kind.empty()) json.set("fingerprint", fingerprint_of(violation));
  if (const NamedEvent* place = event_in_source(violation); place != nullptr) {
    json.set("file", from_here(place->source)).set("file_line", place->source_line);
  }
  json.set("headline", headline(violation));
  json.set("event", violation.at);
  json.set("where", json_of(violation.where));
  if (violation.smmu != 0) json.set("smmu", violation.smmu);
  json.set("hardware", list(violation.hardware));
  json.set("promised", list(violation.promised));
  JsonTree objects = JsonTree::array();
  for (const ObjectState& object : violation.objects) {
    objects.add(std::move(
        JsonTree::object().set("device", object.device).set("domain", address(object.domain))));
  }
  json.set("objects", std::move(objects));
  json.set("during", violation.during);
  json.set("causes", list(violation.causes));
  if (!violation.why.empty()) json.set("why", violation.why);
  JsonTree events = JsonTree::array();
  for (const NamedEvent& named : violation.named) {
    events.add(json_of(named, registers_of(violation)));
  }
  json.set("events", std::move(events));
  json.set("evidence", texts(evidence(violation)));
  json.set("calls", violation.calls);
  json.set("sequence", violation.sequence);
  json.set("machine", violation.machine);
  json.set("trace", violation.trace_path);
  JsonTree operations = JsonTree::array();
  for (const fuzz::Operation& operation : violation.operations) {
    operations.add(fuzz::print(operation));
  }
  json.set("operations", std::move(operations));
  return json;
}

}  // namespace iommucheck::oracle
