// SPDX-License-Identifier: MIT
// Which input addresses a half takes, and that half and low bits determine the address.
// IHI 0070 3.4.1; DDI 0487 D8.2; arch 4.1. The code: select_half(), va_in_range(), va_in_half().
#include "proofs/properties.h"
#include "spec/arch/walk.h"

namespace iommucheck::proofs {
namespace {

struct InputRange {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W va = proof.variable("va"), tsz = proof.variable("tsz");
    const W tbi = proof.variable("tbi"), world = proof.variable("world");
    proof.assume(less_equal(W(12), tsz) & less_equal(tsz, W(48)));
    const W epd = proof.variable("epd");
    proof.assume(less(tbi, W(2)) & less(world, W(3)) & less(epd, W(2)));

    spec::Regime<W> regime;
    if (equal(world, W(1))) regime.world = spec::StreamWorld::el2;
    if (equal(world, W(2))) regime.world = spec::StreamWorld::el2_e2h;
    for (spec::Half<W>& half : regime.half) {
      half.tsz = tsz;
      half.tbi = equal(tbi, W(1));
      half.epd = equal(epd, W(1));
    }
    const unsigned half = spec::select_half(regime, va);
    // What the address is once TBI has taken its top byte away: sign-extended from bit 55.
    const W extended = select(flag(va, 55), va | W(mask(63, 56)), va & W(mask(55, 0)));
    const W effective = select(equal(tbi, W(1)), extended, va);
    const W span = shift_left(W(1), W(64) - tsz);
    const Flag<W> taken = spec::va_in_range(regime, half, va);
    const W low = spec::va_in_half(regime, half, va);
    const Flag<W> off = equal(epd, W(1));
    proof.claim("disabled: refuses no address here", implies(off, taken));
    proof.claim("halves: bit 55 chooses, and EL2 has one",
                regime.world == spec::StreamWorld::el2
                    ? Flag<W>(half == 0)
                    : Flag<W>(flag(va, 55) == Flag<W>(half == 1)));
    if (half == 0) {
      proof.claim("lower: addresses below 2^N", off | Flag<W>(taken == less(effective, span)));
      proof.claim("lower: is its low bits", off | implies(taken, equal(low, effective)));
    } else {
      proof.claim("upper: the last 2^N addresses",
                  off | Flag<W>(taken == less_equal(W(0) - span, effective)));
      proof.claim("upper: is ones above its low bits",
                  off | implies(taken, equal(low | (W(0) - span), effective)));
    }
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(input_range)() {
  return make_property(
      "input-range",
      "Each half takes exactly its 2^N addresses, and with the low bits determines the address.",
      {"disabled: refuses no address here", "halves: bit 55 chooses, and EL2 has one",
       "lower: addresses below 2^N", "lower: is its low bits", "upper: is ones above its low bits",
       "upper: the last 2^N addresses"},
      5,  // EL1 and EL2-E2H, lower and upper; EL2
      InputRange{});
}

}  // namespace iommucheck::proofs
