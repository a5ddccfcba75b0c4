// SPDX-License-Identifier: MIT
// A transaction arrives: what becomes of it, from its StreamID to its end, in the order of IHI 0070
// 7.3.22. A pure function for each way in which a device may send one:
//
//   untranslated_transaction()   an ordinary one
//   ats_request()                an ATS Translation Request, 3.9.1.2
//   translated_transaction()     what a device sends by such an answer, 3.9.1.3
//
// By split-stage ATS (STE.EATS = 2) the answer is what stage 1 yields, with what both stages
// permit, and stage 2 translates that when it is sent. 13.6.3, 13.6.5.
//
// Words come from a source that gives one value for each: over newest memory this is an SMMU
// without caches. The engine (caches.h) asks the same of all words that an SMMU may see; what
// decides about one STE, one CD, one descriptor is here or below, and the engine calls it. A
// property test holds that what comes out here is one of the engine's outcomes.
//
// Stage 2 is all in Intermediate: it translates the addresses that find_cd() and walk_stage1() read
// from, and what the walk yields. The engine follows stage 2; of both stages (fetches.h) it says
// `within`, and nested.cpp asks here.
#pragma once

#include <expected>

#include "spec/arch/stage2_walk.h"
#include "spec/arch/walk.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/cd_legal.h"
#include "spec/smmu/decisions.h"
#include "spec/smmu/stage.h"
#include "spec/smmu/ste_legal.h"
#include "spec/smmu/table_legal.h"

namespace iommucheck::spec {

/// What becomes of one that nothing refuses: it passes with its address. Where that is beyond the
/// output size it is aborted without a word, or passes with what of it is within: IMPLEMENTATION
/// DEFINED. `visit` is called with each. IHI 0070 3.9.1.1.
template <class Visit>
void translated_passes(u64 address, const Capabilities& caps, Visit&& visit) {
  const u64 within = address & mask(caps.oas_lg2 - 1, 0);
  if (within != address) visit(Outcome{.kind = OutcomeKind::abort, .rule = rule::STE_EATS});
  visit(Outcome{.kind = OutcomeKind::bypass, .pa = within, .rule = rule::STE_EATS});
}

// ---- fetches ------------------------------------------------------------------------------------

inline Outcome fetch_aborts(EventType event, Rule rule, u64 place) {
  Outcome outcome = fault_outcome(event, rule);
  outcome.origin = place;
  return outcome;
}

/// All words of an STE or a CD; nothing: one of them aborts.
template <class Words, WordSource Source>
std::optional<Words> fetch_words(Source& source, Structure kind, u64 place) {
  Words words;
  for (std::size_t i = 0; i < words.dw.size(); ++i) {
    const std::optional<u64> word = source.read(kind, place + 8 * i);
    if (!word) return std::nullopt;
    words.dw[i] = *word;
  }
  return words;
}

/// Numbers 1 and 2: C_BAD_STREAMID, F_STE_FETCH. IHI 0070 3.3, 5.1.
template <WordSource Source>
std::expected<Ste<u64>, Outcome> find_ste(Source& source, const StreamTable& table, u64 sid) {
  const auto bad = [](Rule rule) {
    return std::unexpected(fault_outcome(EventType::c_bad_streamid, rule));
  };
  const auto aborts = [](u64 at) {
    return std::unexpected(fetch_aborts(EventType::f_ste_fetch, rule::STE_FETCH, at));
  };
  if (auto rule = require(rule::STREAM_ID_RANGE, sid_in_range(table, sid))) return bad(*rule);
  u64 place = linear_ste_address(table, sid);
  if (table.two_level) {
    const u64 at = l1std_address(table, sid);
    const std::optional<u64> word = source.read(Structure::l1std, at);
    if (!word) return aborts(at);
    const L1Std<u64> l1std{*word};
    if (const auto rule = l1std_illegal(table, l1std, sid)) return bad(*rule);
    place = second_level_ste_address(table, l1std, sid);
  }
  const auto ste = fetch_words<Ste<u64>>(source, Structure::ste, place);
  if (!ste) return aborts(place);
  return *ste;
}

/// Numbers 5, of the L1CD, and 8: C_BAD_SUBSTREAMID, F_CD_FETCH. IHI 0070 5.3.
template <WordSource Source>
std::expected<Cd<u64>, Outcome> find_cd(Source& source, const Ste<u64>& ste,
                                        const Capabilities& caps, u64 number) {
  const auto aborts = [](u64 at) {
    return std::unexpected(fetch_aborts(EventType::f_cd_fetch, rule::CD_FETCH, at));
  };
  u64 place = linear_cd_address(ste, number);
  if (const unsigned leaf_bits = cd_leaf_bits(ste, caps); leaf_bits != 0) {
    const u64 at = l1cd_address(ste, leaf_bits, number);
    const std::optional<u64> word = source.read(Structure::l1cd, at);
    if (!word) return aborts(at);
    const L1Cd<u64> l1cd{*word};
    if (const auto rule = l1cd_illegal(l1cd, caps)) {
      return std::unexpected(fault_outcome(EventType::c_bad_substreamid, *rule));
    }
    place = second_level_cd_address(l1cd, leaf_bits, number);
  }
  const auto cd = fetch_words<Cd<u64>>(source, Structure::cd, place);
  if (!cd) return aborts(place);
  return *cd;
}

/// The descriptors of a walk, and which of them was the last. Of big-endian tables (`swaps`:
/// CD.ENDI, STE.S2ENDI) each is what its bytes say the other way round. IHI 0070 5.2, 5.4.
template <WordSource Source>
struct DescriptorReader {
  Source& source;
  u64 place = 0;
  u64 value = 0;
  bool swaps = false;
  std::optional<u64> read(u64 pa) {
    std::optional<u64> word = source.read(Structure::descriptor, pa);
    if (word && swaps) word = __builtin_bswap64(*word);
    place = pa;
    value = word.value_or(0);
    return word;
  }
  /// The descriptor that was read last is written to.
  bool update()
    requires requires(Source s) { s.update(u64{0}); }
  {
    return source.update(place);
  }
  bool update_refused()
    requires requires(Source s) { s.update_refused(u64{0}); }
  {
    return source.update_refused(place);
  }
};

/// Memory as stage 1 sees it: by intermediate addresses where there is stage 2, and by physical
/// ones where there is none. IHI 0070 7.3.22: what stage 2 has against a fetch ends the
/// transaction.
template <WordSource Source>
class Intermediate {
 public:
  /// `seen`: the transaction as its records have it.
  Intermediate(Source& source, const Ste<u64>& ste, const Capabilities& caps, bool stage2,
               AccessKind seen)
      : source_(source), seen_(seen) {
    if (!stage2) return;
    stage2_ = stage2_of(ste, caps);
    reaction_ = stage2_reaction(ste);
    swaps_ = ste.s2endi().value;
  }

  std::optional<u64> read(Structure kind, u64 address) {
    if (!reach(kind, address)) return std::nullopt;
    return source_.read(kind, physical(address));
  }
  /// All words of a structure, which lies in one page: its address is translated once.
  template <class Words>
  std::optional<Words> read_words(Structure kind, u64 address) {
    if (!reach(kind, address)) return std::nullopt;
    return fetch_words<Words>(source_, kind, physical(address));
  }

  /// Flags are written into a descriptor of stage 1: stage 2 has to permit that. IHI 0070 3.13.5.
  bool update(u64 address) {
    if (!stage2_) return true;
    const Outcome reached = translate(address, seen_, Stage2Input::stage1_update);
    if (reached.kind == OutcomeKind::fault) refused_ = reached;
    return reached.kind != OutcomeKind::fault;
  }

  /// AF of a leaf that refuses the access: whether hardware sets it is open (IHI 0070 3.13.2), and
  /// where it does stage 2 may refuse that before stage 1's fault is told (DDI 0487,
  /// AArch64.S1Translate). By default it does not.
  bool update_refused(u64 address) { return !sets_af_of_refused_ || update(address); }
  void set_af_of_refused() { sets_af_of_refused_ = true; }
  /// Of what passes finish() yields the address that stage 2 was asked for.
  void answer_ipa() { answers_ipa_ = true; }

  /// Stage 1 lets the transaction pass: `dirties`, its leaf becomes dirty. For sources that ask.
  void stage1_passed(bool dirties) {
    if constexpr (requires(Source s) { s.stage1_passed(true); }) source_.stage1_passed(dirties);
  }

  /// A fetch failed, and `met` says which: what stage 2 had against it, or the same of the physical
  /// address.
  Outcome failed(Outcome met) const {
    if (refused_) return *refused_;
    met.origin = physical(met.origin);
    return met;
  }
  /// The physical address of what was read last, in the page that has `address`.
  u64 physical(u64 address) const { return stage2_ ? page_ | (address & mask(11, 0)) : address; }

  /// The end of a transaction that stage 1 lets pass, with these rights.
  Outcome finish(const Outcome& passed, AccessKind kind, bool reads_too) {
    if (!stage2_) return passed;
    Outcome reached = translate(passed.pa, kind, Stage2Input::transaction);
    if (reads_too && reached.kind != OutcomeKind::fault) {
      reached = translate(passed.pa, {AccessType::read, kind.privileged}, Stage2Input::transaction);
    }
    if (reached.kind == OutcomeKind::fault) return reached;
    reached.memory = through_stage2(passed.memory, memattr_of(reached.value),
                                    shareability(reached.value), stage2_->fwb.value);
    // What stage 1 says of it stays.
    if (passed.kind == OutcomeKind::translation) reached.attr = passed.attr;
    reached.dirty |= passed.dirty;
    if (answers_ipa_) reached.pa = passed.pa;
    return reached;
  }

 private:
  /// What is read next lies in page_. False: refused_.
  bool reach(Structure kind, u64 address) {
    if (!stage2_) return true;
    const Outcome reached =
        translate(address, seen_,
                  kind == Structure::descriptor ? Stage2Input::stage1_descriptor : Stage2Input::cd);
    page_ = reached.pa & ~mask(11, 0);
    if (reached.kind == OutcomeKind::fault) refused_ = reached;
    return reached.kind != OutcomeKind::fault;
  }

  Outcome translate(u64 ipa, AccessKind kind, Stage2Input input) {
    DescriptorReader<Source> descriptors{.source = source_, .swaps = swaps_};
    constexpr bool asks = requires(Source s) { s.stage2_begins(u64{0}); };
    if constexpr (asks) source_.stage2_begins(ipa);
    const auto walked = walk_stage2(descriptors, *stage2_, ipa, kind, input);
    Outcome outcome;
    if (const auto* fault = std::get_if<Fault>(&walked)) {
      outcome = fault_outcome(fault->event, fault->rule, seen_, reaction_);
      outcome.stage2 = true;
      outcome.input = input;
      outcome.ipa = ipa;
    } else {
      const auto& found = std::get<Stage2Translation<u64>>(walked);
      outcome = {.kind = OutcomeKind::translation,
                 .pa = found.output,
                 .attr = mair_of_stage2(memattr_of(descriptors.value), stage2_->fwb.value),
                 .dirty = kind.type == AccessType::write && found.leaf.writable_clean.value,
                 .rule = rule::TRANSLATION_RESULT};
      const bool writes = input == Stage2Input::stage1_update ||
                          (input == Stage2Input::transaction && kind.type == AccessType::write);
      if constexpr (asks) {
        source_.stage2_passed(input, writes && found.leaf.writable_clean.value);
      }
    }
    outcome.origin = descriptors.place;
    outcome.value = descriptors.value;
    return outcome;
  }

  Source& source_;
  std::optional<Stage2<u64>> stage2_{};
  FaultReaction reaction_{};
  bool swaps_ = false;
  AccessKind seen_;
  std::optional<Outcome> refused_{};
  bool sets_af_of_refused_ = false;
  bool answers_ipa_ = false;
  u64 page_ = 0;
};

/// Of a CD by its intermediate address.
template <class Words, WordSource Source>
std::optional<Words> fetch_words(Intermediate<Source>& memory, Structure kind, u64 place) {
  return memory.template read_words<Words>(kind, place);
}

/// An access by ATS that executes has to be let read, too: IHI 0070 13.7.1.
constexpr bool reads_too(AccessKind kind, Overrides overrides, bool by_ats) {
  return by_ats && kind.type == AccessType::execute && overrides.instcfg == InstCfg::incoming;
}

/// Number 10, of stage 1: the input address, each descriptor, access flag, rights. What a request
/// by ATS may have is not what an ordinary access may: IHI 0070 13.7.1. Of what passes `pa` is the
/// address that stage 2 is asked for, where there is one.
template <WordSource Source>
Outcome translate_stage1(Intermediate<Source>& memory, const ContextDecision& context,
                         Overrides overrides, const Access& access, AccessKind kind, bool by_ats) {
  const Regime<u64>& regime = context.regime;
  const AccessKind incoming{access.type, access.privileged};
  DescriptorReader<Intermediate<Source>> descriptors{.source = memory, .swaps = regime.endi.value};
  const auto walked = walk_stage1(descriptors, regime, access.va, kind, [&](const Leaf<u64>& leaf) {
    return by_ats ? check_ats_access(leaf, incoming, access.ssv, overrides, regime)
                  : check_access(leaf, kind, regime);
  });
  Outcome outcome;
  if (const auto* fault = std::get_if<Fault>(&walked)) {
    outcome = fault_outcome(fault->event, fault->rule, kind, context.reaction);
  } else {
    const auto& found = std::get<Translation<u64>>(walked);
    outcome = {.kind = OutcomeKind::translation,
               .pa = found.output,
               .attr = found.leaf.attr,
               .memory = attributes_of_mair(found.leaf.attr, found.leaf.sh),
               .dirty = found.access.sets_dirty.value,
               .rule = rule::TRANSLATION_RESULT};
    memory.stage1_passed(outcome.dirty);
  }
  outcome.origin = descriptors.place;
  outcome.value = descriptors.value;
  return outcome.kind == OutcomeKind::fault ? memory.failed(outcome) : outcome;
}

/// And of both.
template <WordSource Source>
Outcome translate(Intermediate<Source>& memory, const ContextDecision& context, Overrides overrides,
                  const Access& access, AccessKind kind, bool by_ats) {
  const Outcome passed = translate_stage1(memory, context, overrides, access, kind, by_ats);
  if (passed.kind == OutcomeKind::fault) return passed;
  return memory.finish(passed, kind, reads_too(kind, overrides, by_ats));
}

/// An address of a CD or L1CD beyond the input size: under stage 2 that is C_BAD_STE or
/// C_BAD_SUBSTREAMID, or a fault of stage 2; CONSTRAINED UNPREDICTABLE. IHI 0070 3.4.3.
inline Outcome either_end(Rule rule) { return {.kind = OutcomeKind::any, .rule = rule}; }

/// Of an STE with both stages: then it may be ILLEGAL, and C_BAD_STE comes before all that its
/// SubstreamID decides. IHI 0070 3.4.3, 5.2.2, 7.3.22.
inline bool contextptr_beyond(const Ste<u64>& ste, const StreamDecision& stream,
                              const Capabilities& caps) {
  if (!stream.stage2 || !ste.stage1()) return false;
  return (ste.s1contextptr() & ~low_mask(u64{ias_lg2(caps)})) != 0;
}

/// From a stream that has an STE to the end.
template <WordSource Source>
Outcome through_ste(Source& source, const SmmuState& smmu, const Ste<u64>& ste,
                    const Access& access, bool by_ats) {
  const StreamDecision stream = decide_stream(ste, smmu.caps, access.ssv, access.ssid);
  if (!is_described(stream.not_modelled)) {
    return unmodelled_outcome(stream.not_modelled, stream.rule);
  }
  if (contextptr_beyond(ste, stream, smmu.caps)) return either_end(rule::STE_S1CONTEXTPTR);
  if (stream.event != EventType::none) return fault_outcome(stream.event, stream.rule);
  if (stream.kind == SteKind::abort) return {.kind = OutcomeKind::abort, .rule = rule::STE_ABORT};
  const AccessKind incoming{access.type, access.privileged};
  const AccessKind kind =
      effective_access(by_ats ? ats_access(incoming, access.ssv) : incoming, stream.overrides);
  Intermediate<Source> memory(source, ste, smmu.caps, stream.stage2, kind);
  if (smmu.sets_af_of_refused) memory.set_af_of_refused();
  if (by_ats && split_ats(ste, smmu.caps)) memory.answer_ipa();
  if (!stream.cd) {
    const bool is_ipa = stream.skips_stage1 || stream.stage2;
    Outcome passed = bypass_outcome(smmu.caps, is_ipa, stream.overrides, stream.input, access);
    if (passed.kind != OutcomeKind::bypass) return passed;
    if (stream.stage2) passed.pa = access.va;  // what is no IPA is cut to the output size. 3.4
    return memory.finish(passed, kind, reads_too(kind, stream.overrides, by_ats));
  }
  const auto cd = find_cd(memory, ste, smmu.caps, *stream.cd);
  if (!cd && stream.stage2 && cd.error().rule == rule::L1CD_L2PTR) {
    return either_end(rule::L1CD_L2PTR);
  }
  if (!cd) return memory.failed(cd.error());
  const ContextDecision context = decide_context(ste, *cd, smmu.caps, smmu.e2h);
  if (context.illegal) return fault_outcome(EventType::c_bad_cd, *context.illegal);
  if (!is_described(context.not_modelled)) {
    return unmodelled_outcome(context.not_modelled, rule::CD_AA64);
  }
  return translate(memory, context, stream.overrides, access, kind, by_ats);
}

// ---- a transaction arrives ----------------------------------------------------------------------

template <WordSource Source>
Outcome untranslated_transaction(Source& source, const SmmuState& smmu, const Access& access) {
  if (!smmu.smmuen) return disabled_outcome(smmu.caps, smmu.gbpa_abort, access.va);
  const auto ste = find_ste(source, smmu.streams, access.sid);
  if (!ste) return ste.error();
  return through_ste(source, smmu, *ste, access, false);
}

/// EATS is asked once the STE is known to be legal, before the SubstreamID.
template <WordSource Source>
AtsCompletion ats_request(Source& source, const SmmuState& smmu, const Access& access) {
  const auto unsupported = [](EventType event) {
    return AtsCompletion{.status = AtsStatus::unsupported_request,
                         .event = event,
                         .granted = {.kind = OutcomeKind::denied, .rule = rule::STE_EATS}};
  };
  if (!smmu.smmuen) return unsupported(EventType::f_bad_ats_treq);
  const auto ste = find_ste(source, smmu.streams, access.sid);
  if (!ste) return ats_completion(ste.error(), smmu);
  const SteKind kind = decode_ste(*ste, smmu.caps).kind;
  if (kind == SteKind::abort) return unsupported(EventType::none);
  const bool answers = full_ats(*ste, smmu.caps) || answers_ipas(*ste, smmu.caps, smmu.atschk);
  if (kind != SteKind::bad && !answers) {
    return unsupported(EventType::f_bad_ats_treq);
  }
  return ats_completion(through_ste(source, smmu, *ste, access, true), smmu);
}

/// A translated access of split-stage ATS: its address is an intermediate one, and no PASID of it
/// says anything (IDR3.PASIDTT = 0). IHI 0070 3.9.1.3, 13.7.
template <WordSource Source>
Outcome translated_by_stage2(Source& source, const SmmuState& smmu, const Ste<u64>& ste,
                             const Access& access) {
  Access plain = access;
  plain.privileged = plain.ssv = false;
  if (plain.type == AccessType::execute) plain.type = AccessType::read;
  const Overrides overrides = overrides_of(ste, smmu.caps);
  const AccessKind kind = effective_access({plain.type, plain.privileged}, overrides);
  Outcome passed =
      bypass_outcome(smmu.caps, true, overrides, input_overrides_of(ste, smmu.caps), plain);
  if (passed.kind != OutcomeKind::bypass) return passed;
  passed.pa = access.va;
  Intermediate<Source> memory(source, ste, smmu.caps, true, kind);
  return memory.finish(passed, kind, false);
}

/// `granted` is what the device got for the address, and becomes of it by full ATS.
template <WordSource Source>
Outcome translated_transaction(Source& source, const SmmuState& smmu, const Access& access,
                               const Outcome& granted) {
  const AccessKind seen{access.type, access.privileged};
  if (!smmu.smmuen) return disabled_translated(seen);
  if (!smmu.atschk) return granted;
  const auto ste = find_ste(source, smmu.streams, access.sid);
  if (!ste) return translated_error(ste.error(), smmu.rec_cfg_ats);
  const auto refused = refused_translated(*ste, smmu.caps, access, smmu.rec_cfg_ats);
  if (refused || !split_ats(*ste, smmu.caps)) return refused.value_or(granted);
  if (stage2_undescribed(*ste, smmu.caps)) {
    return unmodelled_outcome(NotModelled::stage2, rule::STE_EATS);
  }
  return translated_by_stage2(source, smmu, *ste, access);
}

}  // namespace iommucheck::spec
