// SPDX-License-Identifier: MIT
// A stage 2 walk over any memory whatever: where it may read, and what it ends in. Every granule
// and start level, concatenated tables, output sizes of 32 to 48 bits, and of 52; an unprivileged
// write, stage2-access has the other accesses and fetches. DDI 0487 D8.2; arch 4.6, 4.7. The code:
// walk_stage2() with stage2_start_table(), ipa_in_range(), stage2_step().
#include "spec/arch/stage2_walk.h"
#include "proofs/properties.h"
#include "spec/rules/translation.h"
#include "spec/smmu/ste_stage2.h"

namespace iommucheck::proofs {
namespace {

using spec::Granule;

/// Each fetch gives another unconstrained word.
template <class Proof>
struct AnyWords {
  using W = typename Proof::W;
  Proof& proof;
  unsigned reads = 0;
  W first{0}, before{0}, last{0}, word{0};

  std::optional<W> read(W address) {
    if (reads == 0) first = address;
    before = word;
    last = address;
    word = proof.variable("word" + std::to_string(reads++));
    return word;
  }
};

/// A page size, a level at which S2SL0 lets walks start, and the bits of input for which it does.
struct Form {
  Granule granule;
  unsigned page, start, least, most;
  bool wide = false;
};
constexpr Form forms[] = {
    {Granule::g4k, 12, 0, 40, 48},        {Granule::g4k, 12, 1, 31, 43},
    {Granule::g4k, 12, 2, 22, 34},        {Granule::g4k, 12, 3, 16, 25},
    {Granule::g16k, 14, 1, 37, 48},       {Granule::g16k, 14, 2, 26, 40},
    {Granule::g16k, 14, 3, 16, 29},       {Granule::g64k, 16, 1, 43, 48},
    {Granule::g64k, 16, 2, 30, 46},       {Granule::g64k, 16, 3, 17, 33},
    {Granule::g64k, 16, 1, 43, 52, true}, {Granule::g64k, 16, 2, 30, 46, true},
    {Granule::g64k, 16, 3, 17, 33, true},
};

struct Stage2Walk {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W form = proof.variable("form"), input = proof.variable("input");
    const W ps = proof.variable("ps"), ttb = proof.variable("ttb");
    proof.assume(less(form, W(std::size(forms))));
    proof.assume(less_equal(W(32), ps) & less_equal(ps, W(52)));
    for (unsigned i = 0; i < std::size(forms); ++i) {
      const Form& f = forms[i];
      const Flag<W> sizes = less_equal(W(f.least), input) & less_equal(input, W(f.most)) &
                            (f.wide ? equal(ps, W(52)) : less_equal(ps, W(48)));
      proof.assume(implies(equal(form, W(i)), sizes));
    }
    proof.assume(is_zero(ttb & ~low_mask(ps)));
    for (unsigned i = 0; i < std::size(forms); ++i) {
      if (!equal(form, W(i))) continue;
      of(proof, forms[i]);
      return;
    }
  }

  template <class Proof>
  static void of(Proof& proof, const Form& f) {
    using W = typename Proof::W;
    const W ipa = proof.variable("ipa"), ste = proof.variable("ste");
    spec::Stage2<W> stage2;
    stage2.tg = f.granule;
    stage2.start = f.start;
    stage2.t0sz = W(64) - proof.variable("input");
    stage2.ttb = proof.variable("ttb");
    stage2.ps_lg2 = f.wide ? W(52) : proof.variable("ps");
    stage2.affd = flag(ste, 0);
    stage2.ha = flag(ste, 1);
    stage2.hd = flag(ste, 2);
    AnyWords<Proof> memory{proof};
    const auto result = spec::walk_stage2(memory, stage2, ipa, {spec::AccessType::write, false},
                                          spec::Stage2Input::transaction);
    const Flag<W> in_range = is_zero(shift_right(ipa, proof.variable("input")));
    if (memory.reads != 0) {
      proof.claim("input: walked only in range", in_range);
      fetched(proof, memory, f);
    }
    if (const auto* fault = std::get_if<spec::Fault>(&result)) {
      if (fault->rule == spec::rule::S2_IPA_RANGE) {
        proof.claim("range: before any fetch, and only beyond the input size",
                    Flag<W>(memory.reads == 0) & !in_range);
      } else {
        faulted(proof, *fault, memory, f);
      }
      return;
    }
    done(proof, std::get<spec::Stage2Translation<W>>(result), memory, f);
  }

  template <class W>
  static W size_of(const W& ps, const Form& f) {
    return f.wide ? W(52) : ps;
  }
  static unsigned span(const Form& f, unsigned level) {
    return f.page + (3 - level) * (f.page - 3);
  }

  /// Bits [47:lo], and with 52 bits of output [15:12] as [51:48].
  template <class W>
  static W address_in(W word, unsigned lo, const Form& f) {
    const W low = word & W(mask(47, lo));
    return f.wide ? low | ((word & W(0xf000)) << 36) : low;
  }

  template <class Proof>
  static void fetched(Proof& proof, const AnyWords<Proof>& memory, const Form& f) {
    using W = typename Proof::W;
    const W input = proof.variable("input");
    // Entries of the first level, 8 bytes each: 16 pages of the granule at most.
    const W some = shift_left(W(8), input - W(span(f, f.start)));
    const W bytes = f.wide ? select(less(some, W(64)), W(64), some) : some;
    const W table = proof.variable("ttb") & ~(bytes - W(1));
    proof.claim("fetch: aligned, within the output size",
                is_zero(memory.last & W(7)) &
                    is_zero(memory.last & ~low_mask(size_of(proof.variable("ps"), f))));
    proof.claim("fetch: first in the tables that lie one behind the other",
                less_equal(table, memory.first) & less(memory.first - table, some) &
                    less_equal(some, W(u64{16} << f.page)));
    const W page = W(mask(f.page - 1, 0));
    proof.claim("fetch: then in the table that was pointed to",
                memory.reads == 1
                    ? Flag<W>(true)
                    : equal(memory.last & ~page, address_in(memory.before, f.page, f)));
  }

  static bool has_block(const Form& f, unsigned level) {
    return level == 2 || (level == 1 && (f.page == 12 || f.wide));
  }

  template <class Proof, class W>
  static void done(Proof& proof, const spec::Stage2Translation<W>& done,
                   const AnyWords<Proof>& memory, const Form& f) {
    const unsigned size = span(f, done.leaf.level);
    const W offset = W(mask(size - 1, 0)), ipa = proof.variable("ipa");
    const Flag<W> bit1 = flag(memory.word, 1);
    proof.claim("output: within the output size",
                is_zero(done.output & ~low_mask(size_of(proof.variable("ps"), f))));
    proof.claim("output: the leaf's address and the offset of the IPA",
                equal(done.output & offset, ipa & offset) &
                    equal(done.output & ~offset, address_in(memory.word, size, f)));
    proof.claim("leaf: living, a page at level 3, blocks where the granule has them",
                flag(memory.word, 0) & ((Flag<W>(done.leaf.level == 3) & bit1) |
                                        (Flag<W>(has_block(f, done.leaf.level)) & !bit1)));
    proof.claim("rights: done only with AF and S2AP[1], or where hardware sets them",
                has_flag(proof, memory.word) & may_write(proof, memory.word));
  }

  template <class Proof, class W>
  static Flag<W> has_flag(Proof& proof, const W& word) {
    const W ste = proof.variable("ste");
    return flag(word, 10) | flag(ste, 0) | flag(ste, 1);
  }
  template <class Proof, class W>
  static Flag<W> may_write(Proof& proof, const W& word) {
    const W ste = proof.variable("ste");
    return flag(word, 7) | (flag(word, 51) & flag(ste, 1) & flag(ste, 2));
  }

  template <class Proof>
  static void faulted(Proof& proof, const spec::Fault& fault, const AnyWords<Proof>& memory,
                      const Form& f) {
    using W = typename Proof::W;
    namespace rule = spec::rule;
    const Flag<W> bit1 = flag(memory.word, 1);
    switch (fault.rule) {
      case rule::S2_DESCRIPTOR_VALID:
        proof.claim("invalid: bit 0 clear, or reserved at its level",
                    (!flag(memory.word, 0)) | (Flag<W>(!has_block(f, fault.level)) & !bit1));
        break;
      case rule::S2_OUTPUT_SIZE: {
        const bool last = fault.level == 3;
        const W to = select(bit1 & Flag<W>(!last), address_in(memory.word, f.page, f),
                            address_in(memory.word, span(f, fault.level), f));
        proof.claim("size: faults exactly beyond the output size",
                    !is_zero(to & ~low_mask(size_of(proof.variable("ps"), f))));
        break;
      }
      case rule::S2_ACCESS_FLAG:
        proof.claim("access flag: faults exactly without it", !has_flag(proof, memory.word));
        break;
      default:
        proof.claim("permission: faults exactly where S2AP refuses",
                    Flag<W>(fault.rule == rule::S2_PERMISSION) & has_flag(proof, memory.word) &
                        !may_write(proof, memory.word));
    }
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(stage2_walk)() {
  return make_property(
      "stage2-walk",
      "Over any memory a stage 2 walk reads in its tables, and ends in its leaf's output or the "
      "fault due.",
      {"access flag: faults exactly without it", "fetch: aligned, within the output size",
       "fetch: first in the tables that lie one behind the other",
       "fetch: then in the table that was pointed to", "input: walked only in range",
       "invalid: bit 0 clear, or reserved at its level",
       "leaf: living, a page at level 3, blocks where the granule has them",
       "output: the leaf's address and the offset of the IPA", "output: within the output size",
       "permission: faults exactly where S2AP refuses",
       "range: before any fetch, and only beyond the input size",
       "rights: done only with AF and S2AP[1], or where hardware sets them",
       "size: faults exactly beyond the output size"},
      // From level 3: invalid, reserved, and 4 ends of a leaf are 6; a level with blocks adds 6,
      // one without 3; one end before any fetch. What no output can be beyond is not there.
      163, Stage2Walk{});
}

}  // namespace iommucheck::proofs
