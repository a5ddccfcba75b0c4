// SPDX-License-Identifier: MIT
// What an access through any two tables and any leaf meets: faults exactly where an independent
// table of permissions says so, for every access, both halves and all worlds; and what of the
// descriptor the TLB entry keeps. DDI 0487 D8.3 to D8.5; arch 4.3 to 4.5, 4.7. The code: step(),
// accumulate(), set_permissions(), check_access(), make_leaf().
#include "proofs/chosen_access.h"
#include "proofs/permission_table.h"
#include "proofs/properties.h"
#include "spec/rules/translation.h"

namespace iommucheck::proofs {
namespace {

using spec::AccessType;
using spec::StreamWorld;

struct AccessCheck {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    // Tables, and a page or a block: what else a descriptor may be, walk-output says.
    for (const char* name : {"table0", "table1"}) {
      proof.assume(equal(proof.variable(name) & W(3), W(3)));
    }
    proof.assume(flag(proof.variable("leaf"), 0) & flag(proof.variable("leaf"), 1));
    for_chosen_access(proof, of<Proof>);
  }

  template <class Proof>
  static void of(Proof& proof, StreamWorld world, spec::AccessKind access, unsigned half) {
    using W = typename Proof::W;
    const W cd = proof.variable("cd"), mair = proof.variable("mair");
    spec::Regime<W> regime;
    Circumstances<W> around;
    regime.world = world;
    regime.mair = mair;
    around.two_privileges = world != StreamWorld::el2;
    around.write = access.type == AccessType::write;
    around.execute = access.type == AccessType::execute;
    around.privileged = access.privileged;
    around.had = regime.half[half].had = flag(cd, 0);
    regime.half[1 - half].had = flag(cd, 1);  // the other half's counts nowhere
    around.wxn = regime.wxn = flag(cd, 2);
    around.pan = regime.pan = flag(cd, 3);
    around.epan = regime.epan = flag(cd, 4);
    around.ha = regime.ha = flag(cd, 5);
    around.hd = regime.hd = flag(cd, 6);
    around.affd = regime.affd = flag(cd, 7);

    const W tables[2] = {proof.variable("table0"), proof.variable("table1")};
    spec::HierarchicalAttributes<W> above;
    for (unsigned level = 1; level <= 2; ++level) {
      const auto step = spec::step(regime, half, level, tables[level - 1], above);
      const auto* next = std::get_if<spec::TableStep<W>>(&step);
      proof.claim("table: leads on", Flag<W>(next != nullptr));
      if (next == nullptr) return;
      above = next->hierarchical;
    }
    const W word = proof.variable("leaf");
    const auto step = spec::step(regime, half, 3, word, above);
    const auto* leaf = std::get_if<spec::Leaf<W>>(&step);
    proof.claim("leaf: is one", Flag<W>(leaf != nullptr));
    if (leaf == nullptr) return;
    const W byte = (word >> 2) & W(7);
    W attr = W(0);
    for (unsigned i = 0; i < 8; ++i) {
      attr = select(equal(byte, W(i)), (mair >> (8 * i)) & W(0xff), attr);
    }
    proof.claim("leaf: keeps attributes, nG and the hint",
                equal(leaf->attr, attr) & equal(leaf->sh, (word >> 8) & W(3)) &
                    Flag<W>(leaf->ng == (flag(word, 11) & Flag<W>(world != StreamWorld::el2))) &
                    Flag<W>(leaf->contiguous == flag(word, 52)) & !leaf->nt);
    outcome(proof, spec::check_access(*leaf, access, regime), word, tables[0] | tables[1], around);
  }

  template <class Proof, class W>
  static void outcome(Proof& proof, const spec::AccessResult<W>& result, W word, W tables,
                      const Circumstances<W>& around) {
    const Flag<W> needs_flag = needs_access_flag(word, around);
    const Flag<W> refused = is_refused(word, tables, around);
    const Flag<W> sets = around.ha & !flag(word, 10);
    if (!result.fault) {
      proof.claim("done: exactly where no table refuses it", (!needs_flag) & !refused);
      const Flag<W> dirties = Flag<W>(around.write) & is_cleaned(word, around);
      proof.claim("done: updates AF and the dirty state as HA and HD ask",
                  Flag<W>(result.sets_af == sets) & Flag<W>(result.sets_dirty == dirties));
    } else if (result.fault->rule == spec::rule::S1_ACCESS_FLAG) {
      proof.claim("access flag: faults exactly without it", needs_flag);
    } else {
      proof.claim("permission: faults exactly where the table refuses", (!needs_flag) & refused);
      proof.claim("permission: AF may be set all the same, the dirty state not",
                  Flag<W>(result.may_set_af == sets) & (!result.sets_af) & !result.sets_dirty);
    }
    const unsigned level = result.fault ? result.fault->level : 3;
    proof.claim("level: of the leaf", Flag<W>(level == 3));
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(access_check)() {
  return make_property(
      "access-check",
      "An access faults exactly where the table of permissions says so; EL1, EL2, EL2-E2H.",
      {"access flag: faults exactly without it", "done: exactly where no table refuses it",
       "done: updates AF and the dirty state as HA and HD ask", "leaf: is one",
       "leaf: keeps attributes, nG and the hint", "level: of the leaf",
       "permission: AF may be set all the same, the dirty state not",
       "permission: faults exactly where the table refuses", "table: leads on"},
      // EL1 and EL2-E2H 12 accesses each, EL2 6: F_ACCESS, F_PERMISSION, done. In EL2 reads (2) are
      // never refused.
      88, AccessCheck{});
}

}  // namespace iommucheck::proofs
