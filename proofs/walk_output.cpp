// SPDX-License-Identifier: MIT
// A walk over any memory whatever: where it may read, and what it ends in, each end exactly where
// the descriptors ask for it. Unprivileged writes in EL1, both halves, every granule, output sizes
// of 32 to 48 bits, and of 52; access-check has the other accesses and worlds. DDI 0487 D8.2; arch
// 4.1, 4.2, 4.7. The code: walk_stage1() with start_table(), step(), check_access().
#include "proofs/permission_table.h"
#include "proofs/properties.h"
#include "spec/arch/walk.h"
#include "spec/rules/translation.h"

namespace iommucheck::proofs {
namespace {

using spec::Granule;

/// Each fetch gives another unconstrained word; the first and the last address read are kept, and
/// what all descriptors but the last one say together.
template <class Proof>
struct AnyMemory {
  using W = typename Proof::W;
  Proof& proof;
  unsigned reads = 0;
  W first{0}, before{0}, last{0}, word{0}, tables{0};

  std::optional<W> read(W address) {
    if (reads == 0) first = address;
    before = word;
    tables = tables | word;
    last = address;
    word = proof.variable("word" + std::to_string(reads++));
    return word;
  }
};

template <class W>
struct Walked {
  Granule granule;
  unsigned half;
  bool wide;  ///< 52 bits of output
  W va, ips, tsz, ttb;
  Circumstances<W> around;
};

struct WalkOutput {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W va = proof.variable("va"), ips = proof.variable("ips"),
            code = proof.variable("granule");
    for (const char* tsz : {"tsz0", "tsz1"}) {
      const W value = proof.variable(tsz);
      proof.assume(less_equal(W(16), value) & less_equal(value, W(47)));
    }
    const Flag<W> wide = equal(ips, W(52));
    proof.assume((less_equal(W(32), ips) & less_equal(ips, W(48))) | (wide & equal(code, W(2))));
    proof.assume(less(code, W(3)));
    for (const char* ttb : {"ttb0", "ttb1"}) {
      const W value = proof.variable(ttb);
      proof.assume(is_zero(value & ~low_mask(ips)) & is_zero(value & W(15)));
    }
    for (const Granule granule : {Granule::g4k, Granule::g16k, Granule::g64k}) {
      for (const unsigned half : {0U, 1U}) {
        for (const bool is_wide : {false, true}) {
          if (is_wide && granule != Granule::g64k) continue;
          const Flag<W> chosen = equal(code, W(static_cast<unsigned>(granule))) &
                                 Flag<W>(flag(va, 55) == Flag<W>(half == 1)) &
                                 Flag<W>(wide == Flag<W>(is_wide));
          if (!chosen) continue;
          of(proof, granule, half, is_wide);
          return;
        }
      }
    }
  }

  template <class Proof>
  static void of(Proof& proof, Granule granule, unsigned half, bool wide) {
    using W = typename Proof::W;
    const W cd = proof.variable("cd");
    spec::Regime<W> regime;
    for (const unsigned x : {0U, 1U}) {
      regime.half[x].tg = granule;
      regime.half[x].tsz = proof.variable("tsz" + std::to_string(x));
      regime.half[x].ttb = proof.variable("ttb" + std::to_string(x));
      regime.half[x].had = flag(cd, 4 + x);
      regime.half[x].e0pd = flag(cd, 6 + x);
      regime.half[x].epd = flag(cd, 8 + x);
    }
    regime.ips_lg2 = wide ? W(52) : proof.variable("ips");
    Walked<W> walked{.granule = granule,
                     .half = half,
                     .wide = wide,
                     .va = proof.variable("va"),
                     .ips = regime.ips_lg2,
                     .tsz = regime.half[half].tsz,
                     .ttb = regime.half[half].ttb,
                     .around = {}};
    walked.around.write = true;
    walked.around.wxn = regime.wxn = flag(cd, 0);
    walked.around.ha = regime.ha = flag(cd, 1);
    walked.around.hd = regime.hd = flag(cd, 2);
    walked.around.affd = regime.affd = flag(cd, 3);
    walked.around.had = flag(cd, 4 + half);

    AnyMemory<Proof> memory{proof};
    const auto result =
        spec::walk_stage1(memory, regime, walked.va, {spec::AccessType::write, false});
    if (memory.reads != 0) fetched(proof, memory, walked, regime);
    if (const auto* fault = std::get_if<spec::Fault>(&result)) {
      faulted(proof, *fault, memory, walked, regime);
    } else {
      done(proof, std::get<spec::Translation<W>>(result), memory, walked);
    }
  }

  /// Bits [47:lo] of a descriptor, and with 52 bits of output [15:12] as [51:48].
  template <class W>
  static W address_in(W word, unsigned lo, const Walked<W>& w) {
    const W low = word & W(mask(47, lo));
    return w.wide ? low | ((word & W(0xf000)) << 36) : low;
  }

  static unsigned page_lg2(Granule granule) {
    return granule == Granule::g4k ? 12 : granule == Granule::g16k ? 14 : 16;
  }

  template <class Proof, class W>
  static void fetched(Proof& proof, const AnyMemory<Proof>& memory, const Walked<W>& w,
                      const spec::Regime<W>& regime) {
    proof.claim("fetch: within the output size, aligned",
                is_zero(memory.last & ~low_mask(w.ips)) & is_zero(memory.last & W(7)));
    // Every table lies in one page of its granule.
    const W page = W(mask(page_lg2(w.granule) - 1, 0));
    const W next = address_in(memory.before, page_lg2(w.granule), w);
    proof.claim("fetch: in its half's table, then in the one that was pointed to",
                equal(memory.first & ~page, w.ttb & ~page) &
                    (memory.reads == 1 ? Flag<W>(true) : equal(memory.last & ~page, next)));
    proof.claim("input: walked only in range, of a half that is enabled",
                in_range(w) & (!regime.half[w.half].epd) & !regime.half[w.half].e0pd);
  }

  /// All bits above the half's size are those of bit 55.
  template <class W>
  static Flag<W> in_range(const Walked<W>& w) {
    const W span = shift_left(W(1), W(64) - w.tsz);
    return w.half == 0 ? less(w.va, span) : less_equal(W(0) - span, w.va);
  }

  template <class Proof, class W>
  static void done(Proof& proof, const spec::Translation<W>& done, const AnyMemory<Proof>& memory,
                   const Walked<W>& w) {
    const W offset = low_mask(W(done.leaf.extent_lg2));
    const unsigned bits = page_lg2(w.granule) - 3;
    const unsigned size = page_lg2(w.granule) + (3 - done.leaf.level) * bits;
    proof.claim("output: within the output size", is_zero(done.output & ~low_mask(w.ips)));
    proof.claim("output: the leaf's address and the offset of the va",
                Flag<W>(done.leaf.extent_lg2 == size) & equal(done.output & offset, w.va & offset) &
                    equal(done.output & ~offset, address_in(memory.word, size, w)));
    const Flag<W> bit1 = flag(memory.word, 1);
    proof.claim("leaf: a page at level 3, blocks where the granule has them",
                flag(memory.word, 0) & ((Flag<W>(done.leaf.level == 3) & bit1) |
                                        (Flag<W>(has_block(w, done.leaf.level)) & !bit1)));
    proof.claim("permission: done exactly where no table refuses it",
                (!needs_access_flag(memory.word, w.around)) &
                    !is_refused(memory.word, memory.tables, w.around));
    proof.claim("write: dirties exactly what HD and DBM say",
                Flag<W>(done.access.sets_dirty == is_cleaned(memory.word, w.around)));
  }

  template <class W>
  static bool has_block(const Walked<W>& w, unsigned level) {
    if (level == 2) return true;
    return level == 1 && (w.granule == Granule::g4k || (w.granule == Granule::g64k && w.wide));
  }

  template <class Proof, class W>
  static void faulted(Proof& proof, const spec::Fault& fault, const AnyMemory<Proof>& memory,
                      const Walked<W>& w, const spec::Regime<W>& regime) {
    namespace rule = spec::rule;
    const bool valid_only = fault.level == 3;
    const Flag<W> is_table = flag(memory.word, 1) & Flag<W>(!valid_only);
    switch (fault.rule) {
      case rule::S1_VA_IN_RANGE:
        // A half that is disabled refuses addresses by that alone.
        proof.claim("range: before any fetch, and only outside of the half",
                    Flag<W>(memory.reads == 0) & (!in_range(w)) & !regime.half[w.half].epd);
        break;
      case rule::S1_E0PD:
        proof.claim("E0PD: exactly where it is set",
                    Flag<W>(memory.reads == 0) & regime.half[w.half].e0pd);
        break;
      case rule::S1_EPD:
        proof.claim("EPD: exactly where it is set",
                    Flag<W>(memory.reads == 0) & regime.half[w.half].epd);
        break;
      case rule::S1_DESCRIPTOR_VALID: {
        const bool no_block = !has_block(w, fault.level);
        proof.claim("invalid: bit 0 clear, or reserved at its level",
                    (Flag<W>(no_block) & !flag(memory.word, 1)) | !flag(memory.word, 0));
        break;
      }
      case rule::S1_OUTPUT_SIZE: {
        const unsigned bits = page_lg2(w.granule) - 3;
        const unsigned size = page_lg2(w.granule) + (3 - fault.level) * bits;
        const W table = address_in(memory.word, page_lg2(w.granule), w);
        const W leaf = address_in(memory.word, size, w);
        proof.claim("size: faults exactly beyond the output size",
                    !is_zero(select(is_table, table, leaf) & ~low_mask(w.ips)));
        break;
      }
      case rule::S1_ACCESS_FLAG:
        proof.claim("access flag: faults exactly without it",
                    needs_access_flag(memory.word, w.around));
        break;
      default:
        proof.claim("permission: faults exactly where the tables refuse",
                    Flag<W>(fault.rule == rule::S1_PERMISSION) &
                        (!needs_access_flag(memory.word, w.around)) &
                        is_refused(memory.word, memory.tables, w.around));
    }
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(walk_output)() {
  return make_property(
      "walk-output",
      "Over any memory a walk reads in its tables, and ends in its leaf's output or the fault due.",
      {"E0PD: exactly where it is set", "EPD: exactly where it is set",
       "access flag: faults exactly without it",
       "fetch: in its half's table, then in the one that was pointed to",
       "fetch: within the output size, aligned",
       "input: walked only in range, of a half that is enabled",
       "invalid: bit 0 clear, or reserved at its level",
       "leaf: a page at level 3, blocks where the granule has them",
       "output: the leaf's address and the offset of the va", "output: within the output size",
       "permission: done exactly where no table refuses it",
       "permission: faults exactly where the tables refuse",
       "range: before any fetch, and only outside of the half",
       "size: faults exactly beyond the output size", "write: dirties exactly what HD and DBM say"},
      // From level 3: invalid, reserved, and 4 ends of a leaf (F_ADDR_SIZE, F_ACCESS, F_PERMISSION,
      // done) are 6. A level with blocks adds invalid, 4 ends of a block, F_ADDR_SIZE of a table:
      // 6; one without adds invalid, block, F_ADDR_SIZE: 3. Starts at each level, and 3 faults
      // before any fetch: 4 KiB 60, 16 KiB 54, 64 KiB 36. With 52 bits nothing is beyond them: 30.
      // Twice, for the halves.
      360, WalkOutput{});
}

}  // namespace iommucheck::proofs
