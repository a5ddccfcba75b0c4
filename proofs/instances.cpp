// SPDX-License-Identifier: MIT
// Compiles everything of spec/ that is written over a Word with the symbolic one, proved or not:
// code that joins conditions by && or branches by ?: on one does not get past this file.
#include "proofs/symbolic.h"
#include "spec/arch/stage2.h"
#include "spec/arch/stage2_walk.h"
#include "spec/arch/walk.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/cd_legal.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/coverage.h"
#include "spec/smmu/queue.h"
#include "spec/smmu/ste_legal.h"
#include "spec/smmu/stream_table.h"
#include "spec/smmu/table_legal.h"

namespace iommucheck::spec {

using W = proofs::SymbolicWord;
static_assert(Word<u64>);
static_assert(Word<W>);

template SteDecision decode_ste(const Ste<W>&, const Capabilities&);
template std::optional<Rule> decode_cd(const Cd<W>&, const Ste<W>&, const Capabilities&, bool);
template Regime<W> regime_of(const Ste<W>&, const Cd<W>&, const Capabilities&, bool);
template SubstreamDecision<W> select_substream(const Ste<W>&, const Capabilities&, bool, W);
template std::optional<Rule> l1std_illegal(const StreamTable&, L1Std<W>, W);
template std::optional<Rule> l1cd_illegal(L1Cd<W>, const Capabilities&, bool);
template W second_level_ste_address(const StreamTable&, L1Std<W>, W);
template W second_level_cd_address(L1Cd<W>, unsigned, W);
template unsigned cd_leaf_bits(const Ste<W>&, const Capabilities&);
template Flag<W> sid_in_range(const StreamTable&, W);
template CommandOf<W> decode_command(W, W, const Capabilities&);
template std::optional<Rule> check_command(const CommandOf<W>&, const Capabilities&);
template Flag<W> covers(const CommandOf<W>&, const TlbTargetOf<W>&, TlbiScope);
template std::optional<Fault> check_input(const Regime<W>&, unsigned, W, AccessKind);
template AccessResult<W> check_access(const Leaf<W>&, AccessKind, const Regime<W>&);
template Step<W> step(const Regime<W>&, unsigned, unsigned, W, const HierarchicalAttributes<W>&);
template Stage2Step<W> stage2_step(const Stage2<W>&, unsigned, W);
template std::optional<Fault> check_stage2_access(const Stage2<W>&, const Stage2Leaf<W>&,
                                                  AccessKind, Stage2Input);
template W stage2_start_table(const Stage2<W>&);
template Flag<W> ipa_in_range(const Stage2<W>&, W);
template Stage2<W> stage2_of(const Ste<W>&, const Capabilities&);
template Flag<W> stage2_unsupported(const Ste<W>&, const Capabilities&);
template Flag<W> queue_full(unsigned, W, W);
template Flag<W> queue_empty(unsigned, W, W);
template Flag<W> queue_consistent(unsigned, W, W);
template W queue_next(unsigned, W);

}  // namespace iommucheck::spec
