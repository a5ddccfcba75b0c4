// SPDX-License-Identifier: MIT
#include "monitor/permits.h"

#include <algorithm>
#include <span>
#include <string>

#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/event_type.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

namespace {

using spec::Cacheability;
using spec::MemoryAttributes;
using spec::MemoryType;
using spec::Outcome;
using spec::OutcomeKind;
using spec::Shareability;
using spec::sva::Alternatives;
using spec::sva::Promise;
using spec::sva::State;

std::span<const Promise> each(const Alternatives& allowed) {
  return {allowed.promises.begin(), allowed.count};
}

bool is_shareable(Shareability sh) {
  return sh == Shareability::inner || sh == Shareability::outer;
}

bool permits_translation(const Alternatives& allowed, spec::AccessKind kind, const Outcome& outcome,
                         AttributesAsked asked) {
  return std::ranges::any_of(each(allowed), [&](const Promise& promise) {
    return promise.state == State::mapped && promise.pa == outcome.pa &&
           grant_of(promise, kind) != Grant::no &&
           attributes_fit(promise.prot, outcome.memory, asked);
  });
}

/// Something is reached, whatever else may be: no call concerns it, and no other one has left it
/// open.
bool promises_passage(const Alternatives& allowed) {
  if (allowed.concerned || allowed.count != 1) return false;
  const State state = allowed.promises[0].state;
  return state == State::identity || state == State::mapped;
}

/// How it ends, and whether it waits for an answer, say what is promised where nothing is mapped. A
/// fault on rights is what is promised of a mapping that does not give them.
bool permits_fault(const Alternatives& allowed, bool at_pasid, bool asks, spec::AccessKind kind,
                   const Outcome& outcome) {
  if (promises_state(allowed, State::within)) return true;
  const bool tables = at_pasid || promises_tables(allowed);
  if (outcome.event == spec::EventType::f_permission) {
    if (!tables) return false;
    return promises_end(allowed) || std::ranges::any_of(each(allowed), [&](const Promise& promise) {
             return promise.state == State::mapped && grant_of(promise, kind) != Grant::yes;
           });
  }
  // An answer by ATS that the STE forbids to use, by now or as it is cached: nothing is reached.
  // But where nobody is about to change anything, the access that is promised does not come
  // through.
  if (outcome.event == spec::EventType::f_transl_forbidden) return !promises_passage(allowed);
  if (!spec::is_translation_fault(outcome.event)) return promises_no_tables(allowed);
  // Beyond the output size nothing passes untranslated, and beyond the intermediate one stage 2
  // without stage 1 translates nothing.
  const bool is_ipa = outcome.rule == spec::rule::S1_BYPASS_SIZE;
  if (outcome.rule == spec::rule::STE_BYPASS_SIZE || is_ipa) {
    return promises_state(allowed, State::identity) || (is_ipa && tables && promises_end(allowed));
  }
  if (asks && at_pasid && promises_state(allowed, State::waits)) return true;
  if (outcome.stalled() && !(asks && at_pasid)) return promises_state(allowed, State::waits);
  return tables && promises_end(allowed);
}

std::string_view text_of(Cacheability cacheability) {
  switch (cacheability) {
    case Cacheability::none: return "non-cacheable";
    case Cacheability::write_through: return "write-through";
    case Cacheability::write_back: return "write-back";
  }
  return "?";
}

std::string_view text_of(Shareability sh) {
  switch (sh) {
    case Shareability::none: return "non-shareable";
    case Shareability::reserved: return "of reserved shareability";
    case Shareability::outer: return "outer shareable";
    case Shareability::inner: return "inner shareable";
  }
  return "?";
}

}  // namespace

bool attributes_fit(u32 prot, const MemoryAttributes& attributes, AttributesAsked asked) {
  if (asked == AttributesAsked::none) return true;
  if ((prot & spec::sva::prot_device) != 0) return attributes.type == MemoryType::device;
  const bool coherent = asked == AttributesAsked::coherent;
  if (coherent && !attributes.incoming_sh && !is_shareable(attributes.sh)) return false;
  if (attributes.type == MemoryType::incoming) return true;
  if (attributes.type != MemoryType::normal) return false;
  return !coherent || (attributes.inner == Cacheability::write_back &&
                       attributes.outer == Cacheability::write_back);
}

std::string attributes_text(const MemoryAttributes& attributes) {
  constexpr std::string_view devices[] = {"nGnRnE", "nGnRE", "nGRE", "GRE"};
  std::string text;
  switch (attributes.type) {
    case MemoryType::incoming: text = "memory type as it came"; break;
    case MemoryType::reserved: text = "reserved memory type"; break;
    case MemoryType::device: return "Device-" + std::string(devices[attributes.device & 3]);
    case MemoryType::normal:
      text = "Normal " + std::string(text_of(attributes.inner));
      if (attributes.inner != attributes.outer) {
        text += " (outer " + std::string(text_of(attributes.outer)) + ")";
      }
  }
  if (!attributes.incoming_sh) text += ", " + std::string(text_of(attributes.sh));
  return text;
}

Grant grant_of(u32 prot, spec::AccessKind kind) {
  const auto as = [](bool granted) { return granted ? Grant::yes : Grant::no; };
  const bool privileged = (prot & spec::sva::prot_privileged) != 0;
  if (kind.type == spec::AccessType::execute) {
    if (privileged || kind.privileged) return Grant::either;
    return as((prot & spec::sva::prot_exec) != 0);
  }
  if (privileged && !kind.privileged) return Grant::no;
  if (!privileged && kind.privileged) return Grant::either;
  if (kind.type == spec::AccessType::write) return as((prot & spec::sva::prot_write) != 0);
  return (prot & spec::sva::prot_read) != 0 ? Grant::yes : Grant::either;
}

Grant grant_of(const Promise& promise, spec::AccessKind kind) {
  const Grant inner = grant_of(promise.prot, kind);
  spec::AccessKind at_stage2 = kind;
  if (kind.type != spec::AccessType::execute) at_stage2.privileged = false;
  const Grant outer = grant_of(promise.outer_prot & ~spec::sva::prot_privileged, at_stage2);
  if (inner == Grant::no || outer == Grant::no) return Grant::no;
  return inner == Grant::yes ? outer : inner;
}

bool promises_state(const Alternatives& allowed, State state) {
  return std::ranges::any_of(each(allowed), [&](const Promise& p) { return p.state == state; });
}

bool promises_end(const Alternatives& allowed) {
  return promises_no_tables(allowed) || promises_state(allowed, State::unmapped);
}

bool promises_no_tables(const Alternatives& allowed) {
  return std::ranges::any_of(each(allowed), [](const Promise& promise) {
    return promise.state == State::blocked || promise.state == State::no_pasid ||
           promise.state == State::quiet;
  });
}

bool promises_tables(const Alternatives& allowed) {
  return std::ranges::any_of(each(allowed), [](const Promise& promise) {
    return promise.state == State::mapped || promise.state == State::unmapped ||
           promise.state == State::waits;
  });
}

bool permits(const Alternatives& allowed, bool at_pasid, bool asks, spec::AccessKind kind,
             const Outcome& outcome, AttributesAsked asked) {
  switch (outcome.kind) {
    case OutcomeKind::any: return false;
    case OutcomeKind::denied: return true;  // nothing happens
    case OutcomeKind::bypass:
      return promises_state(allowed, State::identity) && attributes_fit(0, outcome.memory, asked);
    case OutcomeKind::translation: return permits_translation(allowed, kind, outcome, asked);
    // A call that moves the device may end its accesses by configuration meanwhile.
    case OutcomeKind::abort:
      return promises_no_tables(allowed) || promises_state(allowed, State::within) ||
             allowed.concerned;
    case OutcomeKind::within: return promises_state(allowed, State::within);
    case OutcomeKind::fault:
      if (!spec::is_translation_fault(outcome.event) && allowed.concerned) return true;
      return permits_fault(allowed, at_pasid, asks, kind, outcome);
  }
  return false;
}

bool permits_of_user(const Alternatives& allowed, spec::AccessType type, const Outcome& outcome) {
  if (outcome.kind == OutcomeKind::any || outcome.kind == OutcomeKind::within) return true;
  if (outcome.kind == OutcomeKind::bypass && promises_state(allowed, State::identity)) return true;
  return std::ranges::any_of(each(allowed), [&](const Promise& one) {
    if (one.state == State::identity) return false;
    const Grant grant = one.state == State::mapped ? grant_of(one, {.type = type}) : Grant::no;
    if (outcome.passes()) return grant != Grant::no && one.pa == outcome.pa;
    return grant == Grant::no ||
           (grant == Grant::either && outcome.event == spec::EventType::f_permission);
  });
}

}  // namespace iommucheck::oracle
