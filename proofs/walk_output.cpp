// SPDX-License-Identifier: MIT
// A walk over any memory whatever: where it may read, and what it may end in. 4 KiB granule, lower
// half. DDI 0487 D8.2; arch 4.1, 4.2, 4.7. The code: walk_stage1() with step(), check_access().
#include "proofs/properties.h"
#include "spec/arch/walk.h"

namespace iommucheck::proofs {
namespace {

/// Each fetch gives another unconstrained word; the last address read is kept.
template <class Proof>
struct AnyMemory {
  using W = typename Proof::W;
  Proof& proof;
  unsigned reads = 0;
  W last{0}, word{0};

  std::optional<W> read(W address) {
    last = address;
    word = proof.variable("word" + std::to_string(reads++));
    return word;
  }
};

struct WalkOutput {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W va = proof.variable("va"), ips = proof.variable("ips"), cd = proof.variable("cd");
    spec::Regime<W> regime;
    spec::Half<W>& half = regime.half[0];
    half.tsz = proof.variable("tsz");
    half.ttb = proof.variable("ttb");
    regime.ips_lg2 = ips;
    regime.wxn = flag(cd, 0);
    regime.ha = flag(cd, 1);
    regime.hd = flag(cd, 2);
    regime.affd = flag(cd, 3);
    proof.assume(less_equal(W(16), half.tsz) & less_equal(half.tsz, W(48)));
    proof.assume(less_equal(W(32), ips) & less_equal(ips, W(48)));
    proof.assume(is_zero(half.ttb & ~low_mask(ips)) & is_zero(half.ttb & W(15)));
    proof.assume(is_zero(va >> 55));

    AnyMemory<Proof> memory{proof};
    const auto result = spec::walk_stage1(memory, regime, va, {spec::AccessType::write, false});
    if (memory.reads != 0) {
      proof.claim("fetch: within the output size, aligned",
                  is_zero(memory.last & ~low_mask(ips)) & is_zero(memory.last & W(7)));
    }
    if (const auto* fault = std::get_if<spec::Fault>(&result)) {
      faulted(proof, *fault, memory, half, va);
      return;
    }
    const auto& done = std::get<spec::Translation<W>>(result);
    const W offset = low_mask(W(done.leaf.extent_lg2));
    proof.claim("output: within the output size", is_zero(done.output & ~low_mask(ips)));
    proof.claim("output: the leaf's address and the offset of the va",
                equal(done.output & offset, va & offset) &
                    equal(done.output & ~offset, memory.word & W(mask(47, 12)) & ~offset));
    const bool page = done.leaf.level == 3, block = done.leaf.level == 1 || done.leaf.level == 2;
    const Flag<W> bit1 = flag(memory.word, 1);
    proof.claim("leaf: a page at level 3, a block at 1 and 2",
                flag(memory.word, 0) & ((Flag<W>(page) & bit1) | (Flag<W>(block) & !bit1)));
    const Flag<W> clean = flag(memory.word, 7);
    proof.claim(
        "write: never through a read-only leaf, but by HD and DBM",
        implies(clean, regime.ha & regime.hd & flag(memory.word, 51) & done.access.sets_dirty));
    proof.claim("write: with AF set, or settable, or ignored",
                flag(memory.word, 10) | regime.ha | regime.affd);
  }

  template <class Proof, class W>
  static void faulted(Proof& proof, const spec::Fault& fault, const AnyMemory<Proof>& memory,
                      const spec::Half<W>& half, W va) {
    if (fault.rule == spec::Rule::S1_VA_IN_RANGE) {
      proof.claim("range: faults before any fetch", Flag<W>(memory.reads == 0));
      proof.claim("range: only beyond 2^N", less_equal(shift_left(W(1), W(64) - half.tsz), va));
      return;
    }
    if (fault.rule == spec::Rule::S1_DESCRIPTOR_VALID) {
      const bool no_block = fault.level == 0 || fault.level == 3;
      const Flag<W> reserved = Flag<W>(no_block) & !flag(memory.word, 1);
      proof.claim("invalid: bit 0 clear, or reserved at its level",
                  reserved | !flag(memory.word, 0));
    }
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(walk_output)() {
  return make_property(
      "walk-output",
      "Over any memory a 4 KiB walk reads in bounds, and ends in its leaf's output or a fault.",
      {"fetch: within the output size, aligned", "invalid: bit 0 clear, or reserved at its level",
       "leaf: a page at level 3, a block at 1 and 2",
       "output: the leaf's address and the offset of the va", "output: within the output size",
       "range: faults before any fetch", "range: only beyond 2^N",
       "write: never through a read-only leaf, but by HD and DBM",
       "write: with AF set, or settable, or ignored"},
      // From level 3: invalid, reserved, and 4 ends of a leaf (F_ADDR_SIZE, F_ACCESS, F_PERMISSION,
      // done) are 6. Level 2, and level 1, add invalid, 4 ends of a block, F_ADDR_SIZE of a table:
      // 12, 18; level 0 invalid, block, F_ADDR_SIZE: 21. Starts at each, and one range fault: 58.
      58, WalkOutput{});
}

}  // namespace iommucheck::proofs
