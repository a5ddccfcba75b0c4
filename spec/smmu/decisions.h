// SPDX-License-Identifier: MIT
// Single decisions about a transaction, and what they are made of: registers, one STE, one CD.
// Which of them are asked, and in which order, says transaction.h.
#pragma once

#include <concepts>
#include <optional>

#include "spec/rules/unset.h"
#include "spec/smmu/outcome.h"
#include "spec/smmu/stream_table.h"

namespace iommucheck::spec {

/// What registers say when it arrives.
struct SmmuState {
  Capabilities caps;
  StreamTable streams;
  bool smmuen = false;
  bool gbpa_abort = false;
  bool atschk = false;
  bool e2h = false;
  bool rec_cfg_ats = false;
  bool recinvsid = false;
  /// It sets AF of a leaf of stage 1 that refuses the access, which is open. IHI 0070 3.13.2.
  bool sets_af_of_refused = false;
};

/// Whose word is read: a source may tell them apart.
enum class Structure : u8 { l1std, ste, l1cd, cd, descriptor };

/// A source of words. Nothing: the access ends in an external abort, or an STE lies beyond the
/// output size and the SMMU does not cut its address (3.4.3).
template <class S>
concept WordSource = requires(S s) {
  { s.read(Structure::ste, u64{0}) } -> std::same_as<std::optional<u64>>;
};

/// A fault that ends or stalls it. `seen`: what its record says of the access, if it says anything;
/// only translation faults look at CD.A, R, S.
Outcome fault_outcome(EventType event, Rule rule, AccessKind seen = {},
                      FaultReaction reaction = {});

/// What nobody here can say.
constexpr Outcome unmodelled_outcome(NotModelled what, Rule rule) {
  return {.kind = OutcomeKind::any, .rule = rule, .not_modelled = what};
}

/// SMMUEN = 0: GBPA, and the output size. IHI 0070 3.4, 6.3.14.
Outcome disabled_outcome(const Capabilities& caps, bool gbpa_abort, u64 va);

/// What an STE alone decides: 7.3.22 numbers 3, 5 and 6.
struct StreamDecision {
  SteKind kind = SteKind::bad;        ///< bypass: by Config or by S1DSS
  EventType event = EventType::none;  ///< it ends with that
  Rule rule = unset::structure;
  NotModelled not_modelled = NotModelled::no;  ///< of stage 2 tables
  bool stage2 = false;
  bool skips_stage1 = false;  ///< bypass by S1DSS
  std::optional<u64> cd{};    ///< number of the CD that decides the rest
  Overrides overrides{};
  InputOverrides input{};
};
StreamDecision decide_stream(const Ste<u64>& ste, const Capabilities& caps, bool ssv, u64 ssid);

/// What a CD decides under its STE: number 9, and how its tables are walked.
struct ContextDecision {
  std::optional<Rule> illegal{};               ///< C_BAD_CD
  NotModelled not_modelled = NotModelled::no;  ///< of its tables
  Regime<u64> regime{};
  FaultReaction reaction{};
};
ContextDecision decide_context(const Ste<u64>& ste, const Cd<u64>& cd, const Capabilities& caps,
                               bool e2h);

/// Without stage 1. IHI 0070 3.4: by Config the output size counts. By S1DSS the address is an
/// intermediate one and compared with the IAS; what of it is above the output size is cut off.
Outcome bypass_outcome(const Capabilities& caps, bool skips_stage1, Overrides overrides,
                       InputOverrides input, const Access& access);

/// What a translated transaction meets at its STE where CR0.ATSCHK = 1: nothing, or its end. A
/// configuration error is silent, unless CR2.REC_CFG_ATS asks for its record. IHI 0070 3.9.1.3.
std::optional<Outcome> refused_translated(const Ste<u64>& ste, const Capabilities& caps,
                                          const Access& access, bool rec_cfg_ats);
Outcome translated_error(const Outcome& met, bool rec_cfg_ats);
/// The same with SMMUEN = 0. IHI 0070 3.9.1.3, 7.3.8.
Outcome disabled_translated(AccessKind seen);

/// How a request is answered. IHI 0070 3.9.1.2.
enum class AtsStatus : u8 { success, unsupported_request, completer_abort };
struct AtsCompletion {
  AtsStatus status = AtsStatus::success;
  EventType event = EventType::none;  ///< F_BAD_ATS_TREQ, or what CR2.REC_CFG_ATS asks for
  /// What an access of the kind that was asked for reaches by it; `denied`: no right to it.
  Outcome granted{.kind = OutcomeKind::denied};
};
/// What an ordinary transaction would have met, as the answer to a request.
AtsCompletion ats_completion(const Outcome& met, const SmmuState& smmu);

/// How faults of stage 2 react: as with CD.A = 1, by S2R and S2S. arch 4.9.
FaultReaction stage2_reaction(const Ste<u64>& ste);

}  // namespace iommucheck::spec
