// SPDX-License-Identifier: MIT
// Of all kinds of accesses the one that a proof's variables choose: each is a path of its own.
#pragma once

#include "base/word.h"
#include "spec/arch/stage2.h"
#include "spec/arch/walk.h"

namespace iommucheck::proofs {

/// of(proof, world, access, half), for any world, type, privilege and half. EL2 has one half.
template <class Proof, class Of>
void for_chosen_access(Proof& proof, Of of) {
  using W = typename Proof::W;
  const W world = proof.variable("world"), type = proof.variable("type");
  const W privileged = proof.variable("privileged"), half = proof.variable("half");
  proof.assume(less(world, W(3)) & less(type, W(3)));
  proof.assume(less(privileged, W(2)) & less(half, W(2)));
  proof.assume(implies(equal(world, W(1)), is_zero(half)));
  for (unsigned w = 0; w < 3; ++w) {
    for (unsigned t = 0; t < 3; ++t) {
      for (const bool p : {false, true}) {
        for (const unsigned h : {0U, 1U}) {
          if (w == 1 && h == 1) continue;
          const Flag<W> chosen = equal(world, W(w)) & equal(type, W(t)) &
                                 equal(privileged, W(p ? 1 : 0)) & equal(half, W(h));
          if (!chosen) continue;
          of(proof, static_cast<spec::StreamWorld>(w),
             spec::AccessKind{static_cast<spec::AccessType>(t), p}, h);
          return;
        }
      }
    }
  }
}

/// of(proof, input, access, xnx), for any of the first `inputs` that stage 2 translates for, any
/// type and privilege, with FEAT_XNX and without.
template <class Proof, class Of>
void for_chosen_stage2_access(Proof& proof, unsigned inputs, Of of) {
  using W = typename Proof::W;
  const W type = proof.variable("type"), input = proof.variable("of");
  const W privileged = proof.variable("privileged"), xnx = proof.variable("xnx");
  proof.assume(less(type, W(3)) & less(input, W(inputs)));
  proof.assume(less(privileged, W(2)) & less(xnx, W(2)));
  for (unsigned t = 0; t < 3; ++t) {
    for (unsigned i = 0; i < inputs; ++i) {
      for (const bool p : {false, true}) {
        for (const bool x : {false, true}) {
          const Flag<W> chosen = equal(type, W(t)) & equal(input, W(i)) &
                                 equal(privileged, W(p ? 1 : 0)) & equal(xnx, W(x ? 1 : 0));
          if (!chosen) continue;
          of(proof, static_cast<spec::Stage2Input>(i),
             spec::AccessKind{static_cast<spec::AccessType>(t), p}, x);
          return;
        }
      }
    }
  }
}

}  // namespace iommucheck::proofs
