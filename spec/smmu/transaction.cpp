// SPDX-License-Identifier: MIT
#include "spec/smmu/transaction.h"

#include "spec/rules/structures.h"
#include "spec/rules/translation.h"

namespace iommucheck::spec {

Outcome fault_outcome(EventType event, Rule rule, AccessKind seen, FaultReaction reaction) {
  Outcome outcome{.kind = OutcomeKind::fault, .event = event, .seen = seen, .rule = rule};
  if (is_translation_fault(event)) outcome.reaction = reaction;
  return outcome;
}

Outcome disabled_outcome(const Capabilities& caps, bool gbpa_abort, u64 va) {
  const bool beyond = (va & ~low_mask(u64{caps.oas_lg2})) != 0;
  if (gbpa_abort || beyond) return {.kind = OutcomeKind::abort, .rule = rule::DISABLED_PASSES};
  return {.kind = OutcomeKind::bypass, .pa = va, .rule = rule::DISABLED_PASSES};
}

StreamDecision decide_stream(const Ste<u64>& ste, const Capabilities& caps, bool ssv, u64 ssid) {
  const SteDecision legal = decode_ste(ste, caps);
  StreamDecision stream{.kind = legal.kind, .rule = legal.rule};
  if (legal.kind == SteKind::bad) stream.event = EventType::c_bad_ste;
  if (legal.kind == SteKind::bad || legal.kind == SteKind::abort) return stream;
  stream.overrides = overrides_of(ste, caps);
  stream.input = input_overrides_of(ste, caps);
  stream.stage2 = legal.has_stage2();
  if (stream.stage2 && stage2_unsupported(ste, caps)) {
    const bool described = !stage2_undescribed(ste, caps).value;
    stream.not_modelled = described ? NotModelled::big_endian : NotModelled::stage2;
    if (!described) return stream;
  }
  const SubstreamDecision<u64> substream = select_substream(ste, caps, ssv, ssid);
  stream.event = substream.event();
  if (stream.event != EventType::none) {
    stream.rule = substream.rule;
  } else if (substream.kind == SubstreamKind::cd) {
    stream.cd = substream.number;
  } else {
    stream.kind = SteKind::bypass;
    stream.skips_stage1 = substream.kind == SubstreamKind::bypass_stage1;
  }
  return stream;
}

ContextDecision decide_context(const Ste<u64>& ste, const Cd<u64>& cd, const Capabilities& caps,
                               bool e2h) {
  ContextDecision context;
  context.illegal = decode_cd(cd, ste, caps, e2h);
  if (context.illegal) return context;
  context.regime = regime_of(ste, cd, caps, e2h);
  if (!cd.aa64()) {
    context.not_modelled = NotModelled::aarch32;
  } else if (context.regime.endi) {
    context.not_modelled = NotModelled::big_endian;
  }
  context.reaction = reaction_of(cd, caps);
  return context;
}

Outcome bypass_outcome(const Capabilities& caps, bool skips_stage1, Overrides overrides,
                       InputOverrides input, const Access& access) {
  const unsigned size = skips_stage1 ? ias_lg2(caps) : caps.oas_lg2;
  if ((access.va & ~low_mask(u64{size})) != 0) {
    return fault_outcome(EventType::f_addr_size,
                         skips_stage1 ? rule::S1_BYPASS_SIZE : rule::STE_BYPASS_SIZE,
                         effective_access({access.type, access.privileged}, overrides));
  }
  return {.kind = OutcomeKind::bypass,
          .pa = access.va & low_mask(u64{caps.oas_lg2}),
          .memory = attributes_of_input(input),
          .rule = rule::STE_BYPASS};
}

FaultReaction stage2_reaction(const Ste<u64>& ste) {
  return {ste.s2s().value, ste.s2s().value || ste.s2r().value, true};
}

// A PASID tells a translated transaction nothing where IDR3.PASIDTT = 0, and what S1DSS makes of
// one that has lost it is not judged.
std::optional<Outcome> refused_translated(const Ste<u64>& ste, const Capabilities& caps,
                                          const Access& access, bool rec_cfg_ats) {
  const SteDecision legal = decode_ste(ste, caps);
  if (legal.kind == SteKind::abort) return Outcome{.kind = OutcomeKind::abort};
  if (legal.kind == SteKind::bad) {
    return translated_error(fault_outcome(EventType::c_bad_ste, legal.rule), rec_cfg_ats);
  }
  if (!full_ats(ste, caps) && !answers_ipas(ste, caps, true)) {
    const AccessKind seen{access.type, access.privileged};
    return fault_outcome(EventType::f_transl_forbidden, rule::STE_EATS, seen);
  }
  if (access.ssv) return std::nullopt;
  const SubstreamDecision<u64> substream = select_substream(ste, caps, false, u64{0});
  if (substream.event() != EventType::f_stream_disabled) return std::nullopt;
  return translated_error(fault_outcome(substream.event(), substream.rule), rec_cfg_ats);
}

Outcome translated_error(const Outcome& met, bool rec_cfg_ats) {
  return rec_cfg_ats ? met : Outcome{.kind = OutcomeKind::abort, .rule = met.rule};
}

Outcome disabled_translated(AccessKind seen) {
  return fault_outcome(EventType::f_transl_forbidden, rule::DISABLED_PASSES, seen);
}

AtsCompletion ats_completion(const Outcome& met, const SmmuState& smmu) {
  if (met.kind != OutcomeKind::fault) return {.granted = met};
  AtsCompletion completion{.granted = {.kind = OutcomeKind::denied, .rule = met.rule}};
  if (is_translation_fault(met.event)) return completion;  // success, with no right to it
  completion.status = AtsStatus::completer_abort;
  const bool named = met.event != EventType::c_bad_streamid || smmu.recinvsid;
  if (smmu.rec_cfg_ats && named) completion.event = met.event;
  return completion;
}

}  // namespace iommucheck::spec
