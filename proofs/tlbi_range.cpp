// SPDX-License-Identifier: MIT
// What a TLBI by address is required to remove, from the 16 bytes of the command to covers().
// IHI 0070 4.4.1.1; arch 5.2. In two steps: the range that the code computes is the formula, which
// is written here a second time, by doubling, on the raw bits; then covers() is that range.
// The code: decode_command(), tlbi_range(), tlbi_range_predictable(), covers().
#include "proofs/properties.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/coverage.h"

namespace iommucheck::proofs {
namespace {

using spec::Granule;

/// The command's operands, cut out by hand.
template <class W>
struct Raw {
  W num, scale, ttl, tg, address;
  Flag<W> leaf;
};

template <class W>
Raw<W> raw_of(W dw0, W dw1, bool ds = false) {
  Raw<W> r{(dw0 >> 12) & W(31), (dw0 >> 20) & W(31), (dw1 >> 8) & W(3),
           (dw1 >> 10) & W(3),  dw1 & ~W(0xfff),     equal(dw1 & W(1), W(1))};
  if (!ds) {
    r.ttl = select(equal(r.tg, W(2)) & equal(r.ttl, W(1)), W(0), r.ttl);  // 16 KiB: acts as 0
  } else {
    r.scale = (dw0 >> 20) & W(63);  // above 39 as 39
    r.scale = select(less(W(39), r.scale), W(39), r.scale);
  }
  return r;
}

/// (NUM + 1) * 2^SCALE * granule.
template <class W>
W bytes_of(const Raw<W>& r) {
  W pages = r.num + W(1);
  for (unsigned i = 0; i < 39; ++i) pages = select(less(W(i), r.scale), pages + pages, pages);
  return select(equal(r.tg, W(1)), pages << 12,
                select(equal(r.tg, W(2)), pages << 14, pages << 16));
}

/// The address bits that have to be zero, row by row of arch 5.2.
template <class W>
Flag<W> aligned(const Raw<W>& r) {
  const auto row = [&](unsigned tg, unsigned ttl, unsigned hi) {
    const Flag<W> applies = equal(r.tg, W(tg)) & equal(r.ttl, W(ttl));
    return implies(applies, is_zero(r.address & W(mask(hi, 12))));
  };
  return row(1, 1, 29) & row(1, 2, 20) & row(2, 1, 35) & row(2, 2, 24) & row(2, 3, 13) &
         row(2, 0, 13) & row(3, 1, 41) & row(3, 2, 28) & row(3, 3, 15) & row(3, 0, 15);
}

spec::Capabilities device(bool ds = false) {
  spec::Capabilities caps;
  caps.s1p = caps.s2p = caps.hyp = caps.ril = true;
  caps.ds = ds;
  return caps;
}

/// The 16 bytes of a TLBI by address that is legal, whatever else they hold.
template <class Proof, class W>
Raw<W> any_command(Proof& proof, W& dw0, W& dw1) {
  dw0 = (proof.variable("dw0") & ~W(0xff)) | W(0x12);
  dw1 = proof.variable("dw1");
  const Raw<W> raw = raw_of(dw0, dw1);
  const Flag<W> reserved = is_zero(raw.num) & is_zero(raw.scale) & is_zero(raw.ttl);
  proof.assume(implies(!is_zero(raw.tg), !reserved));
  return raw;
}

struct TlbiFormula {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W ds = proof.variable("ds");
    proof.assume(less(ds, W(2)));
    // IDR5.DS = 1 has one more bit of SCALE, and 16 KiB blocks at level 1.
    const W word0 = proof.variable("dw0"), word1 = proof.variable("dw1");
    for (const bool with : {false, true}) {
      const Raw<W> raw = raw_of(word0, word1, with);
      const Flag<W> reserved = is_zero(raw.num) & is_zero(raw.scale) & is_zero(raw.ttl);
      const Flag<W> its = equal(ds, W(with ? 1 : 0));
      proof.assume(implies(its & !is_zero(raw.tg), !reserved));
    }
    if (equal(ds, W(1))) {
      of(proof, true);
    } else {
      of(proof, false);
    }
  }

  template <class Proof>
  static void of(Proof& proof, bool ds) {
    using W = typename Proof::W;
    const W dw0 = (proof.variable("dw0") & ~W(0xff)) | W(0x12), dw1 = proof.variable("dw1");
    const Raw<W> raw = raw_of(dw0, dw1, ds);
    const auto command = spec::decode_command(dw0, dw1, device(ds));
    const spec::AddressRange<W> range = spec::tlbi_range(command);
    const Flag<W> ranged = !is_zero(raw.tg);
    const W end = raw.address + bytes_of(raw) - W(1);
    proof.claim("formula: (NUM + 1) * 2^SCALE granules, cut at the top",
                implies(ranged, equal(range.first, raw.address) &
                                    equal(range.last, select(less(end, raw.address), ~W(0), end))));
    proof.claim("single: one address without TG",
                implies(!ranged, equal(range.first, raw.address) & equal(range.last, raw.address)));
    proof.claim("alignment: the rows of the manual",
                Flag<W>(spec::tlbi_range_predictable(command) == aligned(raw)));
    proof.claim("legal: no CERROR_ILL", Flag<W>(!spec::check_command(command, device(ds))));
  }
};

struct TlbiRange {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    W dw0{0}, dw1{0};
    const Raw<W> raw = any_command(proof, dw0, dw1);
    const W byte = proof.variable("byte");
    const W code = proof.variable("granule"), level = proof.variable("level");
    const W table = proof.variable("table");
    proof.assume(less(code, W(3)) & less_equal(level, W(3)) & less(table, W(2)));

    // What may be cached: pointers above level 3, leaves where the granule has them.
    for (const Granule granule : {Granule::g4k, Granule::g16k, Granule::g64k}) {
      for (unsigned at = granule == Granule::g64k ? 1 : 0; at <= spec::last_level; ++at) {
        for (const bool is_table : {false, true}) {
          if (is_table ? at == spec::last_level
                       : at != spec::last_level && !spec::block_allowed(granule, at)) {
            continue;
          }
          const Flag<W> chosen = equal(code, W(static_cast<unsigned>(granule))) &
                                 equal(level, W(at)) & equal(table, W(is_table ? 1 : 0));
          if (chosen) {
            of_target(proof, raw, dw0, dw1, byte, granule, at, is_table);
            return;
          }
        }
      }
    }
  }

  /// The target is the entry of that kind which contains `byte`, under the command's own tags.
  template <class Proof, class W>
  static void of_target(Proof& proof, const Raw<W>& raw, W dw0, W dw1, W byte, Granule granule,
                        unsigned level, bool is_table) {
    spec::TlbTargetOf<W> target;
    target.vmid = (dw0 >> 32) & W(0xffff);
    target.asid = dw0 >> 48;
    target.granule = granule;
    target.level = level;
    target.is_table = is_table;
    target.extent_lg2 = spec::level_shift(granule, level);
    const W offset = W(mask(target.extent_lg2 - 1, 0));
    target.base = byte & ~offset;
    const auto command = spec::decode_command(dw0, dw1, device());
    const Flag<W> covered = spec::covers(command, target, spec::TlbiScope{});

    const Flag<W> ranged = !is_zero(raw.tg);
    const Flag<W> kind = is_table ? !raw.leaf : Flag<W>(true);
    const Flag<W> same_granule = equal(raw.tg, W(static_cast<unsigned>(granule) + 1));
    const Flag<W> same_level =
        is_zero(raw.ttl) | (is_table ? less(W(level), raw.ttl) : equal(W(level), raw.ttl));
    const Flag<W> eligible = kind & same_granule & same_level & aligned(raw);
    const spec::AddressRange<W> range = spec::tlbi_range(command);
    const Flag<W> in_range = less_equal(raw.address, byte) & less_equal(byte, range.last);
    proof.claim("minimum: what the range reaches is removed",
                implies(ranged & eligible & in_range, covered));
    // The first byte of the entry that is not before the range; if none is in it, none at all is.
    const W last = target.base | offset;
    const W witness = select(less(target.base, raw.address), raw.address, target.base);
    const Flag<W> touched = less_equal(witness, last) & less_equal(witness, range.last);
    proof.claim("nothing beyond: what is removed, the range reaches",
                implies(ranged & covered, eligible & touched));
    const Flag<W> hit = equal(raw.address & ~offset, target.base);
    proof.claim("single: without TG the entry that contains the address",
                implies(!ranged, Flag<W>(covered == (kind & hit))));
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(tlbi_formula)() {
  return make_property(
      "tlbi-formula", "The range of a TLBI by VA is (NUM + 1) * 2^SCALE granules from its address.",
      {"alignment: the rows of the manual", "formula: (NUM + 1) * 2^SCALE granules, cut at the top",
       "legal: no CERROR_ILL", "single: one address without TG"},
      2,  // IDR5.DS = 0 and 1
      TlbiFormula{});
}

Property IOMMUCHECK_PROPERTY(tlbi_range)() {
  return make_property(
      "tlbi-range",
      "A TLBI by VA covers exactly the entries of its level and granule that its range meets.",
      {"minimum: what the range reaches is removed",
       "nothing beyond: what is removed, the range reaches",
       "single: without TG the entry that contains the address"},
      16,  // 4 KiB: 3 leaves, 3 pointers; 16 KiB: 2, 3; 64 KiB: 2, 2; one for what no cache holds
      TlbiRange{});
}

}  // namespace iommucheck::proofs
