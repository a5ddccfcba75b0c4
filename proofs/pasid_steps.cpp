// SPDX-License-Identifier: MIT
// One step of one PASID from any state that a driver can be in: by induction, every state that it
// ever gets into. What the word of a number says is compared with what is so, counted beside it by
// the meaning of each step: who was given the number and what for, which devices have not said
// "done", how many context descriptors, open invalidations and waiting faults there are. Whether a
// step is allowed is said here once more, of what is so: a step that refuses what it should take
// keeps every invariant, and leaks the number. SEMANTICS 5.
#include "impl/pasid/state.h"
#include "proofs/properties.h"

namespace iommucheck::proofs {
namespace {

namespace pasid = impl::pasid;

/// What is so.
template <class W>
struct Truth {
  W holders, devices, entries, open, faults;
  W kind;  ///< what the number was taken for last
};

/// As wide as the word counts.
constexpr u64 devices_max = 65535, entries_max = 4095, open_max = 65535, faults_max = 65535;

template <class W>
Flag<W> nothing_left(const Truth<W>& t) {
  return is_zero(t.devices) & is_zero(t.entries) & is_zero(t.open) & is_zero(t.faults);
}

/// Exactly one of the kinds of holder, which stays named until nothing is left.
template <class W>
Flag<W> its_kind(W state, const Truth<W>& t) {
  const W kind = state & W(pasid::plain | pasid::process | pasid::private_space);
  const Flag<W> one = equal(kind, W(pasid::plain)) | equal(kind, W(pasid::process)) |
                      equal(kind, W(pasid::private_space));
  return one & equal(kind, t.kind);
}

template <class W>
Flag<W> counts_are_true(W state, const Truth<W>& t) {
  return equal(pasid::count(state, pasid::devices), t.devices) &
         equal(pasid::count(state, pasid::entries), t.entries) &
         equal(pasid::count(state, pasid::open), t.open) &
         equal(pasid::count(state, pasid::faults), t.faults);
}

/// What every state of a number keeps.
template <class W>
Flag<W> invariant(W state, const Truth<W>& t) {
  const Flag<W> free = pasid::is_free(state);
  const Flag<W> leaving = pasid::has(state, pasid::leaving);
  const Flag<W> claimed = (!free) & (!leaving);
  return less_equal(t.holders, W(1)) & Flag<W>(equal(t.holders, W(1)) == claimed) &
         counts_are_true(state, t) & (free | its_kind(state, t)) &
         implies(pasid::has(state, pasid::plain), (!leaving) & nothing_left(t)) &
         implies(pasid::has(state, pasid::private_space), is_zero(t.devices)) &
         implies(leaving, !nothing_left(t));
}

struct PasidSteps {
  static constexpr unsigned steps = 11;

  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W state = proof.variable("state");
    const Truth<W> before = {proof.variable("holders"), proof.variable("devices"),
                             proof.variable("entries"), proof.variable("open"),
                             proof.variable("faults"),  proof.variable("kind")};
    const W which = proof.variable("step");
    proof.assume(less(which, W(steps)));
    proof.assume(invariant(state, before));
    for (unsigned n = 0; n < steps; ++n) {
      if (equal(which, W(n))) {
        Truth<W> after = before;
        const pasid::Step<W> step = take(n, state, after);
        proof.claim("allowed: exactly when it should be",
                    Flag<W>(step.ok == is_allowed(n, before)));
        judge(proof, state, before, step, after);
        return;
      }
    }
  }

  /// Whether step number `n` is to be allowed, by what is so.
  template <class W>
  static Flag<W> is_allowed(unsigned n, const Truth<W>& t) {
    const Flag<W> held = equal(t.holders, W(1));
    const Flag<W> free = is_zero(t.holders) & nothing_left(t);
    const Flag<W> spaces =
        equal(t.kind, W(pasid::process)) | equal(t.kind, W(pasid::private_space));
    switch (n) {
      case 0:
      case 1:
      case 2: return free;
      case 3: return held;
      case 4: return held & equal(t.kind, W(pasid::process)) & less(t.devices, W(devices_max));
      case 5: return !is_zero(t.devices);
      case 6: return held & spaces & less(t.entries, W(entries_max));
      case 7: return (!is_zero(t.entries)) & less(t.open, W(open_max));
      case 8: return !is_zero(t.open);
      // The holder may have let go while a device's access waits already.
      case 9: return (!free) & spaces & less(t.faults, W(faults_max));
      default: return !is_zero(t.faults);
    }
  }

  /// Step number `n` of the driver, and what it means.
  template <class W>
  static pasid::Step<W> take(unsigned n, W state, Truth<W>& t) {
    const W one = W(1);
    switch (n) {
      case 0: return given(state, t, pasid::plain);
      case 1: return given(state, t, pasid::process);
      case 2: return given(state, t, pasid::private_space);
      case 3: t.holders = t.holders - one; return pasid::release(state);
      case 4: t.devices = t.devices + one; return pasid::bind(state);
      case 5: t.devices = t.devices - one; return pasid::done(state);
      case 6: t.entries = t.entries + one; return pasid::enter(state);
      case 7:
        t.entries = t.entries - one;
        t.open = t.open + one;
        return pasid::clear(state);
      case 8: t.open = t.open - one; return pasid::forgotten(state);
      case 9: t.faults = t.faults + one; return pasid::fault(state);
      default: t.faults = t.faults - one; return pasid::answered(state);
    }
  }

  template <class W>
  static pasid::Step<W> given(W state, Truth<W>& t, u64 kind) {
    t.holders = t.holders + W(1);
    t.kind = W(kind);
    return pasid::take(state, kind);
  }

  template <class Proof, class W>
  static void judge(Proof& proof, W state, const Truth<W>& before, const pasid::Step<W>& step,
                    const Truth<W>& meant) {
    const auto real = [&](W then, W now) { return select(step.ok, then, now); };
    const Truth<W> t = {real(meant.holders, before.holders), real(meant.devices, before.devices),
                        real(meant.entries, before.entries), real(meant.open, before.open),
                        real(meant.faults, before.faults),   real(meant.kind, before.kind)};
    const Flag<W> free = pasid::is_free(step.state);
    proof.claim("holder: a number has one at most", less_equal(t.holders, W(1)));
    // Who is given a number may use it at once, whatever is left of the holder before.
    const Flag<W> given = less(before.holders, t.holders);
    proof.claim("holder: only a free number is given", implies(given, nothing_left(before)));
    proof.claim("free: every device has said \"done\"", implies(free, is_zero(t.devices)));
    proof.claim("free: no context descriptor holds it", implies(free, is_zero(t.entries)));
    proof.claim("free: no invalidation is open", implies(free, is_zero(t.open)));
    proof.claim("free: no fault of it waits", implies(free, is_zero(t.faults)));
    proof.claim("leak: with no holder and nothing left it is free",
                implies(is_zero(t.holders) & nothing_left(t), free));
    proof.claim("refused: nothing changes", step.ok | equal(step.state, state));
    proof.claim("invariant: kept", invariant(step.state, t));
    proof.claim("invariant: holds at first",
                invariant(W(0), Truth<W>{W(0), W(0), W(0), W(0), W(0), W(0)}));
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(pasid_steps)() {
  return make_property(
      "pasid-steps",
      "A PASID has one holder, is free exactly when nothing is left, and takes each step it "
      "should.",
      {"allowed: exactly when it should be", "free: every device has said \"done\"",
       "free: no context descriptor holds it", "free: no fault of it waits",
       "free: no invalidation is open", "holder: a number has one at most",
       "holder: only a free number is given", "invariant: holds at first", "invariant: kept",
       "leak: with no holder and nothing left it is free", "refused: nothing changes"},
      PasidSteps::steps, PasidSteps{});
}

}  // namespace iommucheck::proofs
