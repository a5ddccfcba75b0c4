// SPDX-License-Identifier: MIT
// What an access that passes writes into the descriptors that translate it, by memory as it is. IHI
// 0070 3.13; DDI 0487 D8.5.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "spec/smmu/flag_updates.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

namespace flag_updates_detail {

/// A walk that passed: which descriptors, and what of the last one becomes dirty.
struct Walk {
  std::vector<FlagUpdate> descriptors;
  Stage2Input input = Stage2Input::transaction;
  bool dirties = false;
};

/// Words as the source has them, and which they were.
template <WordSource Source>
struct Recording {
  Source& source;
  Ste<u64> ste{};
  Cd<u64> cd{};
  unsigned ste_words = 0, cd_words_read = 0;
  std::vector<u64> words{};
  Walk stage1{};
  std::vector<Walk> stage2{};  ///< of each address that stage 2 translated
  bool in_stage2 = false;

  std::optional<u64> read(Structure kind, u64 pa) {
    const std::optional<u64> word = source.read(kind, pa);
    if (!word) return word;
    words.push_back(pa);
    if (kind == Structure::ste) ste.dw[ste_words++ % ste.dw.size()] = *word;
    if (kind == Structure::cd) cd.dw[cd_words_read++ % cd.dw.size()] = *word;
    if (kind != Structure::descriptor) return word;
    Walk& walk = in_stage2 ? stage2.back() : stage1;
    walk.descriptors.push_back({pa, *word, *word});
    return word;
  }
  void stage1_passed(bool dirties) { stage1.dirties = dirties; }
  void stage2_begins(u64 /*ipa*/) {
    stage2.emplace_back();
    in_stage2 = true;
  }
  void stage2_passed(Stage2Input input, bool dirties) {
    stage2.back().input = input;
    stage2.back().dirties = dirties;
    in_stage2 = false;
  }
};

/// Which flags the tables of one stage have hardware set.
struct Updates {
  bool af = false;            ///< of leaves: HA, S2HA
  bool af_of_tables = false;  ///< HAFT, S2HAFT
  bool endi = false;
};

/// A word may be met several times: each adds its own bits.
inline void add(std::vector<FlagUpdate>& all, const FlagUpdate& one) {
  if (one.from == one.to) return;
  for (FlagUpdate& known : all) {
    if (known.pa != one.pa) continue;
    known.to = known.from ^ ((known.from ^ known.to) | (one.from ^ one.to));
    return;
  }
  all.push_back(one);
}

/// Of a request by split-stage ATS: the flags of the page that its answer leads to are set by the
/// access that is sent, though the SMMU may set them already. IHI 0070 3.13.7.1.
inline void leave_output(FlagUpdates& result, std::vector<Walk>& stage2) {
  const auto is_output = [](const Walk& walk) { return walk.input == Stage2Input::transaction; };
  const auto output = std::ranges::find_if(stage2, is_output);
  if (output == stage2.end()) return;
  if (!output->descriptors.empty()) {
    const u64 leaf = output->descriptors.back().pa;
    result.leaves.push_back(leaf);
    if (output->dirties) result.may_be_dirty = leaf;
  }
  stage2.erase(output);
}

/// What the walk sets. AP[2] of stage 1 is the bit that S2AP[1] is of stage 2.
inline void add(std::vector<FlagUpdate>& all, const Walk& walk, const Updates& updates) {
  const auto as_stored = [&](u64 bits) { return updates.endi ? __builtin_bswap64(bits) : bits; };
  for (const FlagUpdate& read : walk.descriptors) {
    const bool leaf = &read == &walk.descriptors.back();
    u64 word = as_stored(read.from);
    if (leaf ? updates.af : updates.af_of_tables) word |= descriptor_bits::af;
    if (leaf && walk.dirties) word ^= descriptor_bits::ap2;
    add(all, {read.pa, read.from, as_stored(word)});
  }
}

template <WordSource Source>
bool is_big_endian(const Recording<Source>& read, const SmmuState& smmu) {
  if (!read.stage2.empty() && read.ste.s2endi().value) return true;
  return read.cd_words_read != 0 &&
         regime_of<u64>(read.ste, read.cd, smmu.caps, smmu.e2h).endi.value;
}

template <WordSource Source>
void add_all(FlagUpdates& result, const Recording<Source>& read, const SmmuState& smmu) {
  const bool stage1 = read.cd_words_read != 0;
  if (stage1) {
    const Regime<u64> regime = regime_of<u64>(read.ste, read.cd, smmu.caps, smmu.e2h);
    add(result.all, read.stage1, {regime.ha.value, regime.haft.value, regime.endi.value});
    if (!read.stage1.descriptors.empty()) {
      result.leaves.push_back(read.stage1.descriptors.back().pa);
    }
  }
  if (read.stage2.empty()) return;
  const Stage2<u64> stage2 = stage2_of(read.ste, smmu.caps);
  const Updates updates{stage2.ha.value, stage2.haft.value, read.ste.s2endi().value};
  for (const Walk& walk : read.stage2) {
    add(result.all, walk, updates);
    if (walk.descriptors.empty()) continue;
    const bool last = walk.input == Stage2Input::transaction;
    (last ? result.leaves : result.leaves_of_tables).push_back(walk.descriptors.back().pa);
  }
}

}  // namespace flag_updates_detail

/// Where an update is due that the walk of the access makes, at each stage: Access flags of the
/// table descriptors that it follows (HAFT) and of its leaf (HA), and the dirty state of a leaf
/// that is writable-clean if it writes (HD); below stage 1 also of what maps its tables and CDs,
/// and of a page into which such a flag is written. Of a request the type is what it is granted;
/// a translated access has such a walk by split-stage ATS alone. IHI 0070 3.13.5, 3.13.7.1.
template <WordSource Source>
FlagUpdates flag_updates(Source& source, const SmmuState& smmu, const Access& access,
                         Arrival arrival = Arrival::untranslated) {
  flag_updates_detail::Recording<Source> read{source};
  FlagUpdates result;
  switch (arrival) {
    case Arrival::untranslated:
      result.outcome = untranslated_transaction(read, smmu, access);
      break;
    case Arrival::request: result.outcome = ats_request(read, smmu, access).granted; break;
    case Arrival::translated:
      result.outcome = translated_transaction(read, smmu, access, {.kind = OutcomeKind::bypass});
      break;
  }
  result.words = read.words;
  result.both = read.ste_words != 0 && read.ste.stage1().value && read.ste.stage2().value;
  result.endi = flag_updates_detail::is_big_endian(read, smmu);
  result.known = result.outcome.kind != OutcomeKind::any;
  if (!result.known || result.outcome.kind != OutcomeKind::translation) return result;
  const bool split = read.ste_words != 0 && split_ats(read.ste, smmu.caps).value;
  if (arrival == Arrival::request && split) flag_updates_detail::leave_output(result, read.stage2);
  flag_updates_detail::add_all(result, read, smmu);
  return result;
}

}  // namespace iommucheck::spec
