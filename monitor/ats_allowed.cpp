// SPDX-License-Identifier: MIT
#include "monitor/ats_allowed.h"

#include <algorithm>

#include "spec/rules/protocol.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::oracle {

namespace {

using spec::Access;
using spec::EventType;
using spec::Outcome;
using spec::OutcomeKind;
namespace rule = spec::rule;
using spec::SteKind;
using spec::StreamOption;
using trace::AtsResult;

/// Met before STE.EATS is looked at.
bool is_before_eats(EventType event) {
  return event == EventType::c_bad_streamid || event == EventType::f_ste_fetch ||
         event == EventType::c_bad_ste || event == EventType::f_cfg_conflict;
}

bool hold_anything(const std::vector<Outcome>& outcomes) {
  return std::ranges::find(outcomes, OutcomeKind::any, &Outcome::kind) != outcomes.end();
}

}  // namespace

// ---- by memory alone ----------------------------------------------------------------------------

spec::SmmuState AtsAllowed::state_now() const {
  return {.caps = caches_.capabilities(),
          .streams = caches_.stream_table(),
          .smmuen = true,
          .atschk = (smmu_.cr0() & spec::cr0::atschk) != 0,
          .e2h = caches_.e2h(),
          .rec_cfg_ats = smmu_.rec_cfg_ats(),
          .recinvsid = smmu_.recinvsid()};
}

std::optional<spec::Outcome> AtsAllowed::plain_answer(const Access& access) const {
  TableReader reader{caches_.memory(), absent_};
  const spec::SmmuState state = state_now();
  const auto ste = spec::find_ste(reader, state.streams, access.sid);
  if (!ste) return std::nullopt;
  const spec::Outcome met = spec::through_ste(reader, state, *ste, access, true);
  const bool known = !reader.unknown && !reader.aborts && met.kind != OutcomeKind::any;
  return known ? std::optional(met) : std::nullopt;
}

std::optional<spec::Outcome> AtsAllowed::plain_translated(const Access& access,
                                                          bool& aborts) const {
  TableReader reader{caches_.memory(), absent_};
  const spec::Outcome met =
      spec::translated_transaction(reader, state_now(), access, {.kind = OutcomeKind::any});
  aborts = reader.aborts;
  const bool known = !reader.unknown && !aborts && met.kind != OutcomeKind::any;
  return known ? std::optional(met) : std::nullopt;
}

/// A fetch for the access as it would be untranslated ends in an external abort.
bool AtsAllowed::aborts(const Access& access) const {
  TableReader reader{caches_.memory(), absent_};
  (void)spec::untranslated_transaction(reader, state_now(), access);
  return reader.aborts;
}

// ---- translated accesses, IHI 0070 3.9.1.3 ------------------------------------------------------

/// By split-stage ATS: the address is an intermediate one. False: what stage 2 makes of it is not
/// known.
bool AtsAllowed::add_split(const Access& access, std::vector<Outcome>& allowed) const {
  std::vector<Outcome> found;
  bool aborts = false;
  const auto met = plain_translated(access, aborts);
  if (aborts) return false;
  if (known_.changed) {
    if (!caches_.unsupported().empty()) return false;
    if (!caches_.nested().collect_translated(access, found)) return false;
  } else if (met) {
    found.push_back(*met);
  }
  const bool known = !found.empty() && !hold_anything(found);
  if (known) allowed.insert(allowed.end(), found.begin(), found.end());
  return known;
}

/// False: it cannot be judged. While a change of SMMUEN is open it is met with either value.
bool AtsAllowed::translated(const Access& access, std::vector<Outcome>& allowed) const {
  const spec::AccessKind seen{access.type, access.privileged};
  if (known_.atschk_changed) return false;
  if (!smmu_.surely_enabled()) allowed.push_back(spec::disabled_translated(seen));
  if (known_.disabled) return true;
  const auto passes_by = [&] {
    spec::translated_passes(access.va, caches_.capabilities(),
                            [&](const Outcome& way) { allowed.push_back(way); });
  };
  const bool checks = (smmu_.cr0() & spec::cr0::atschk) != 0;
  if (!checks || !smmu_.surely_enabled()) passes_by();
  if (!checks) return true;
  std::vector<StreamOption> options;
  if (aborts(access)) return false;
  if (!caches_.fetches().stream_options(access.sid, access.ssid, access.ssv, options)) return false;
  for (const StreamOption& option : options) {
    const bool split = option.split;  // by which the address is an intermediate one
    const bool disabled = !access.ssv && option.event == EventType::f_stream_disabled;
    if (option.any || (split && !disabled && !add_split(access, allowed))) {
      allowed.assign(1, {.kind = OutcomeKind::any, .rule = option.rule});
      return true;
    }
    if (is_before_eats(option.event)) {
      allowed.push_back(spec::translated_error(spec::fault_outcome(option.event, option.rule, seen),
                                               smmu_.rec_cfg_ats()));
    } else if (option.kind == SteKind::abort) {
      allowed.push_back({.kind = OutcomeKind::abort, .rule = rule::STE_ABORT});
    } else {
      if (option.ats && disabled) {  // S1DSS = 0: as refused_translated() has it
        const Outcome refused = spec::fault_outcome(option.event, option.rule, seen);
        allowed.push_back(spec::translated_error(refused, smmu_.rec_cfg_ats()));
      } else if (option.ats && !split) {
        passes_by();
      }
      if (option.no_ats && !split) {
        allowed.push_back(spec::fault_outcome(EventType::f_transl_forbidden, rule::STE_EATS, seen));
      }
    }
  }
  return !allowed.empty();
}

// ---- translation requests, IHI 0070 3.9.1.2 -----------------------------------------------------

/// By what is known of the stream, which `any` answer may be of; none: it cannot be judged. While a
/// change of SMMUEN is open a request is met with either value.
std::vector<AtsAllowed::Answer> AtsAllowed::answers(const Access& access, bool& any) const {
  std::vector<Answer> found;
  const bool checks = (smmu_.cr0() & spec::cr0::atschk) != 0;
  if (!smmu_.surely_enabled()) {
    found.push_back({AtsResult::unsupported, EventType::f_bad_ats_treq, rule::DISABLED_PASSES});
  }
  if (known_.disabled) return found;
  if (!caches_.unsupported().empty() || aborts(access)) return {};
  std::vector<StreamOption> options;
  if (!caches_.fetches().stream_options(access.sid, access.ssid, access.ssv, options)) return {};
  // Its record, where CR2.REC_CFG_ATS asks for one. Whether C_BAD_CD has one is left open.
  const auto ends = [&](EventType event, spec::Rule rule) {
    const bool named =
        smmu_.rec_cfg_ats() && (event != EventType::c_bad_streamid || smmu_.recinvsid());
    if (named) found.push_back({AtsResult::completer_abort, event, rule});
    if (named && event != EventType::c_bad_cd) return;
    found.push_back({AtsResult::completer_abort, EventType::none, rule});
  };
  for (const StreamOption& option : options) {
    any |= option.any;
    if (is_before_eats(option.event)) {
      ends(option.event, option.rule);
    } else if (option.kind == SteKind::abort) {
      found.push_back({AtsResult::unsupported, EventType::none, rule::STE_ABORT});
    } else {
      // What was cached of ATSCHK with an STE may count.
      const bool on = !option.split || checks || known_.atschk_changed;
      const bool off = !option.split || !checks || known_.atschk_changed;
      if (option.no_ats && off) {
        found.push_back({AtsResult::unsupported, EventType::f_bad_ats_treq, rule::STE_EATS});
      }
      if (!option.ats || !on) continue;
      if (option.event != EventType::none) {
        ends(option.event, option.rule);
        continue;
      }
      // What a CD of the user's makes of it decides, too.
      const std::vector<Outcome> met =
          option.contained ? met_by_both(access)
                           : std::vector<Outcome>{{.kind = OutcomeKind::translation,
                                                   .rule = rule::TRANSLATION_RESULT}};
      any |= met.empty();
      for (const Outcome& o : met) {
        if (o.kind == OutcomeKind::fault && !spec::is_translation_fault(o.event)) {
          ends(o.event, o.rule);
        } else {
          found.push_back({AtsResult::success, EventType::none, rule::TRANSLATION_RESULT});
        }
      }
    }
  }
  return found;
}

/// The stream has, or may be thought to have, both stages.
bool AtsAllowed::is_contained(const Access& access) const {
  std::vector<StreamOption> options;
  if (!caches_.fetches().stream_options(access.sid, access.ssid, access.ssv, options)) return false;
  return std::ranges::any_of(options, [](const StreamOption& one) { return one.contained; });
}

/// Under both stages a request meets what an ordinary access does: without a PASID an unprivileged
/// one. By split-stage ATS what passes has its intermediate address. Nothing: not known.
std::vector<Outcome> AtsAllowed::met_by_both(Access access) const {
  access.route = spec::Route::untranslated;
  access.privileged &= access.ssv;
  std::vector<Outcome> found;
  if (!known_.changed) {
    if (const auto met = plain_answer(access)) found.push_back(*met);
  } else if (probes_.follows(access) && !caches_.nested().collect_answers(access, found)) {
    found.clear();
  }
  if (hold_anything(found)) found.clear();
  return found;
}

/// Faults of a walk are answered with no right; what else ends an access is no answer at all.
std::vector<Outcome> AtsAllowed::granted_by_both(const Access& access) const {
  std::vector<Outcome> found = met_by_both(access);
  if (found.empty() || known_.atschk_changed) return {{.kind = OutcomeKind::any}};
  std::erase_if(found, [](const Outcome& o) {
    return o.kind == OutcomeKind::fault && !spec::is_translation_fault(o.event);
  });
  for (Outcome& o : found) {
    if (o.kind == OutcomeKind::fault || o.kind == OutcomeKind::abort) o.kind = OutcomeKind::denied;
  }
  return found;
}

/// What the SMMU may answer now, as the engine says it for an endpoint whose ATC is empty.
std::vector<Outcome> AtsAllowed::granted(Access access) const {
  if (is_contained(access)) return granted_by_both(access);
  access.route = spec::Route::translated;
  std::vector<Outcome> found;
  caches_.set_ats(access.sid, true);
  caches_.outcomes(access, [&](const Outcome& o) { found.push_back(o); });
  caches_.set_ats(access.sid, false);
  // What a translated access meets is not asked here.
  std::erase_if(found, [](const Outcome& o) {
    return o.kind == OutcomeKind::fault || o.kind == OutcomeKind::abort;
  });
  return found;
}

}  // namespace iommucheck::oracle
