// SPDX-License-Identifier: MIT
// What an access that passes writes into the descriptors that translate it, by memory as it is:
// Access flags and dirty state (HTTU). IHI 0070 3.13; DDI 0487 D8.5.
#pragma once

#include <optional>
#include <vector>

#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

/// An atomic update of the descriptor at `pa`, which a walk has read as `from`.
struct FlagUpdate {
  u64 pa = 0;
  u64 from = 0;
  u64 to = 0;
  friend bool operator==(const FlagUpdate&, const FlagUpdate&) = default;
};

/// What is known of an access and its walk.
struct FlagUpdates {
  bool known = false;           ///< false: of both stages, of big-endian tables, of what is open
  Outcome outcome;              ///< what becomes of the access
  std::vector<u64> words;       ///< addresses of all that was read on the way
  std::vector<FlagUpdate> all;  ///< in the order of the walk; none where it does not pass
};

namespace flag_updates_detail {

/// Words as the source has them, and which they were.
template <WordSource Source>
struct Recording {
  Source& source;
  Ste<u64> ste{};
  Cd<u64> cd{};
  unsigned ste_words = 0, cd_words_read = 0;
  std::vector<u64> words{};
  std::vector<FlagUpdate> descriptors{};

  std::optional<u64> read(Structure kind, u64 pa) {
    const std::optional<u64> word = source.read(kind, pa);
    if (!word) return word;
    words.push_back(pa);
    if (kind == Structure::ste) ste.dw[ste_words++ % ste.dw.size()] = *word;
    if (kind == Structure::cd) cd.dw[cd_words_read++ % cd.dw.size()] = *word;
    if (kind == Structure::descriptor) descriptors.push_back({pa, *word, *word});
    return word;
  }
};

/// Which flags the tables of one stage have hardware set.
struct Updates {
  bool af = false;            ///< of leaves: HA, S2HA
  bool af_of_tables = false;  ///< HAFT, S2HAFT
  bool endi = false;
};

}  // namespace flag_updates_detail

/// Where an update is due that the walk of the access makes: Access flags of the table descriptors
/// that it follows (HAFT) and of its leaf (HA), and the dirty state of a leaf that is
/// writable-clean if it writes (HD).
template <WordSource Source>
FlagUpdates flag_updates(Source& source, const SmmuState& smmu, const Access& access) {
  flag_updates_detail::Recording<Source> read{source};
  FlagUpdates result;
  result.outcome = untranslated_transaction(read, smmu, access);
  result.words = read.words;
  result.known = result.outcome.kind != OutcomeKind::any;
  if (read.descriptors.empty()) return result;
  flag_updates_detail::Updates updates;
  if (read.cd_words_read == 0) {
    const Stage2<u64> stage2 = stage2_of(read.ste, smmu.caps);
    updates = {stage2.ha.value, stage2.haft.value, read.ste.s2endi().value};
  } else {
    const Regime<u64> regime = regime_of<u64>(read.ste, read.cd, smmu.caps, smmu.e2h);
    updates = {regime.ha.value, regime.haft.value, regime.endi.value};
    if (read.ste.stage2().value) result.known = false;
  }
  if (updates.endi) result.known = false;
  if (!result.known || result.outcome.kind != OutcomeKind::translation) return result;
  for (FlagUpdate& one : read.descriptors) {
    const bool leaf = &one == &read.descriptors.back();
    if (leaf ? updates.af : updates.af_of_tables) one.to |= descriptor_bits::af;
    if (leaf && result.outcome.dirty) one.to ^= descriptor_bits::ap2;
    if (one.to != one.from) result.all.push_back(one);
  }
  return result;
}

}  // namespace iommucheck::spec
