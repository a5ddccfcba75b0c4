// SPDX-License-Identifier: MIT
// Rights are monotone: what takes nothing away from a leaf or from the tables above it turns no
// access that is done into a fault. A data access: AP, APTable, AF, DBM, UXN and PXN as one likes;
// but under PAN what users may do, and with EPAN what they may execute, is as it was for a
// privileged one, since that is what PAN refuses. Execution: UXN, PXN and their tables' bits, while
// what may be written is as it was: WXN and pages that users write refuse execution. DDI 0487 D8.4;
// arch 4.4. The code: step(), accumulate(), set_permissions(), check_access(); stage2_step(),
// check_stage2_access().
#include "proofs/chosen_access.h"
#include "proofs/properties.h"
#include "spec/arch/stage2_walk.h"

namespace iommucheck::proofs {
namespace {

using spec::AccessType;
using spec::StreamWorld;

constexpr u64 ap1 = u64{1} << 6, ap2 = u64{1} << 7, af = u64{1} << 10, dbm = u64{1} << 51;
constexpr u64 pxn = u64{1} << 53, uxn = u64{1} << 54;
constexpr u64 pxn_table = u64{1} << 59, uxn_table = u64{1} << 60;
constexpr u64 no_users = u64{1} << 61, no_writes = u64{1} << 62;

/// Which of these bits may be set, and which cleared.
struct Grants {
  u64 sets = 0, clears = 0, of_tables = 0;
};
constexpr Grants grants_of(AccessType type, bool kept_by_pan) {
  constexpr Grants execution{.sets = af, .clears = uxn | pxn, .of_tables = uxn_table | pxn_table};
  if (type == AccessType::execute) return execution;
  Grants data{.sets = ap1 | af | dbm,
              .clears = ap2 | uxn | pxn,
              .of_tables = uxn_table | pxn_table | no_users | no_writes};
  if (!kept_by_pan) return data;
  data.sets &= ~ap1;
  data.clears &= ~uxn;
  data.of_tables &= ~(no_users | uxn_table);
  return data;
}

struct Monotone {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    proof.assume(equal(proof.variable("table") & W(3), W(3)));
    proof.assume(equal(proof.variable("leaf") & W(3), W(3)));
    for_chosen_access(proof, of<Proof>);
  }

  template <class Proof>
  static void of(Proof& proof, StreamWorld world, spec::AccessKind access, unsigned half) {
    using W = typename Proof::W;
    const W cd = proof.variable("cd");
    spec::Regime<W> regime;
    regime.world = world;
    regime.half[half].had = flag(cd, 0);
    regime.wxn = flag(cd, 1);
    regime.pan = flag(cd, 2);
    regime.epan = flag(cd, 3);
    regime.ha = flag(cd, 4);
    regime.hd = flag(cd, 5);
    regime.affd = flag(cd, 6);
    const bool may_be_kept = access.privileged && access.type != AccessType::execute;
    const bool pan = may_be_kept && static_cast<bool>(regime.pan);
    const Grants grants = grants_of(access.type, pan);
    const W given = proof.variable("given"), given_above = proof.variable("given_above");
    const W leaf = proof.variable("leaf"), table = proof.variable("table");
    const W more = (leaf | (given & W(grants.sets))) & ~(given & W(grants.clears));
    const W above = table & ~(given_above & W(grants.of_tables));
    if (!done(regime, half, table, leaf, access)) {
      proof.claim("a fault: nothing is asked", Flag<W>(true));
      return;
    }
    proof.claim("done: and with more rights, too", done(regime, half, above, more, access));
  }

  /// Not a fault. One fork for each of its ends.
  template <class W>
  static Flag<W> done(const spec::Regime<W>& regime, unsigned half, W table, W word,
                      spec::AccessKind access) {
    const auto first = spec::step(regime, half, 2, table, {});
    const auto second =
        spec::step(regime, half, 3, word, std::get<spec::TableStep<W>>(first).hierarchical);
    return !spec::check_access(std::get<spec::Leaf<W>>(second), access, regime).fault.has_value();
  }
};

struct Stage2Monotone {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    proof.assume(equal(proof.variable("leaf") & W(3), W(3)));
    proof.assume(less(proof.variable("xn"), W(4)));
    for_chosen_stage2_access(proof, 4, asked<Proof>);
  }

  template <class Proof>
  static void asked(Proof& proof, spec::Stage2Input input, spec::AccessKind access, bool xnx) {
    using W = typename Proof::W;
    const W ste = proof.variable("ste"), leaf = proof.variable("leaf");
    spec::Stage2<W> stage2;
    stage2.affd = flag(ste, 0);
    stage2.ha = flag(ste, 1);
    stage2.hd = flag(ste, 2);
    stage2.ptw = flag(ste, 3);
    stage2.fwb = flag(ste, 4);
    stage2.xnx = xnx;
    // XN as one likes, as long as nobody loses by it: 2 lets nobody execute, 0 all.
    const W old = field(leaf, 54, 53), wanted = proof.variable("xn");
    const W xn = select(equal(old, W(2)) | is_zero(wanted), wanted, old);
    const W given = proof.variable("given") & W(ap1 | ap2 | af | dbm);  // S2AP is where AP is
    const W more = ((leaf | given) & ~W(mask(54, 53))) | (xn << 53);
    if (!done(stage2, leaf, access, input)) {
      proof.claim("a fault: nothing is asked", Flag<W>(true));
      return;
    }
    proof.claim("done: and with more rights, too", done(stage2, more, access, input));
  }

  template <class W>
  static Flag<W> done(const spec::Stage2<W>& stage2, W word, spec::AccessKind access,
                      spec::Stage2Input input) {
    const auto step = spec::stage2_step(stage2, 3, word);
    return !spec::check_stage2_access(stage2, std::get<spec::Stage2Leaf<W>>(step), access, input)
                .has_value();
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(monotone)() {
  return make_property("monotone",
                       "More rights in a leaf or its tables turn no access into a fault.",
                       {"a fault: nothing is asked", "done: and with more rights, too"},
                       // 30 accesses with 3 ends: F_ACCESS, F_PERMISSION, done; and PAN apart of 10
                       // that are privileged data: 120. Reads that are privileged, or in EL2, have
                       // no F_PERMISSION without PAN: 7 less.
                       113, Monotone{});
}

Property IOMMUCHECK_PROPERTY(stage2_monotone)() {
  return make_property(
      "stage2-monotone", "More rights in a leaf of stage 2 turn nothing into a fault.",
      {"a fault: nothing is asked", "done: and with more rights, too"},
      // 12 accesses with 3 ends: F_ACCESS, F_PERMISSION, done; 36 fetches with one more, S2PTW.
      180, Stage2Monotone{});
}

}  // namespace iommucheck::proofs
