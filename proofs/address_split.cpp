// SPDX-License-Identifier: MIT
// The split of an input address into table indices and offset is a bijection, for every granule
// and every legal TxSZ. DDI 0487 D8.2; arch 4.2. The code: table_index(), start_level(),
// leaf_offset(), start_table(), descriptor_position().
#include "proofs/properties.h"
#include "spec/arch/walk.h"

namespace iommucheck::proofs {
namespace {

using spec::Granule;
using spec::last_level;

/// sum(index << shift) + offset, written without the code under proof; the parts do not overlap.
template <class W>
W joined(Granule granule, unsigned from_level, const W (&index)[4], W offset) {
  constexpr unsigned page_lg2[3] = {12, 14, 16};
  const unsigned page = page_lg2[static_cast<unsigned>(granule)];
  W address = offset;
  for (unsigned level = from_level; level <= last_level; ++level) {
    address = address + (index[level] << (page + (3 - level) * (page - 3)));
  }
  return address;
}

struct AddressSplit {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W code = proof.variable("granule"), tsz = proof.variable("tsz");
    const W va = proof.variable("va"), ttb = proof.variable("ttb");
    proof.assume(less(code, W(3)));
    // The widest device: IDR3.STT and IDR5.VAX. 4 KiB and 16 KiB: 16..48; 64 KiB: 12..47.
    const Flag<W> large = equal(code, W(2));
    proof.assume(less_equal(select(large, W(12), W(16)), tsz));
    proof.assume(less_equal(tsz, select(large, W(47), W(48))));

    for (const Granule granule : {Granule::g4k, Granule::g16k, Granule::g64k}) {
      if (equal(code, W(static_cast<unsigned>(granule)))) {
        of_granule(proof, granule, tsz, va, ttb);
        return;
      }
    }
  }

  template <class Proof, class W>
  static void of_granule(Proof& proof, Granule granule, W tsz, W va, W ttb) {
    const unsigned start = spec::start_level(granule, tsz);
    const W entries_lg2 = spec::start_entries_lg2(granule, start, tsz);
    const W full_lg2 = W(spec::bits_per_level(granule));
    proof.claim("start: resolves 1 bit to a full table",
                less_equal(W(1), entries_lg2) & less_equal(entries_lg2, full_lg2));

    W index[4], any[4];
    Flag<W> bounded = true;
    for (unsigned level = start; level <= last_level; ++level) {
      const W entries = low_mask(level == start ? entries_lg2 : full_lg2);
      index[level] = spec::table_index(granule, start, level, tsz, va);
      any[level] = proof.variable("index" + std::to_string(level)) & entries;
      bounded = bounded & less_equal(index[level], entries);
    }
    const W offset = spec::leaf_offset(granule, last_level, va);
    proof.claim("bounds: each index lies in its table", bounded);
    const W input = va & low_mask(W(64) - tsz);
    proof.claim("into: the parts give the address back",
                equal(joined(granule, start, index, offset), input));

    const W page_mask = low_mask(W(spec::page_shift(granule)));
    const W any_offset = proof.variable("offset") & page_mask;
    const W address = joined(granule, start, any, any_offset);
    Flag<W> same = equal(spec::leaf_offset(granule, last_level, address), any_offset) &
                   less_equal(address, low_mask(W(64) - tsz));
    for (unsigned level = start; level <= last_level; ++level) {
      same = same & equal(spec::table_index(granule, start, level, tsz, address), any[level]);
    }
    proof.claim("onto: every choice of parts is that of an address", same);
    blocks(proof, granule, start, index, offset, va);
    positions(proof, granule, start, tsz, ttb, va);
  }

  /// A block's offset is what the levels below it and the page offset make.
  template <class Proof, class W>
  static void blocks(Proof& proof, Granule granule, unsigned start, const W (&index)[4], W offset,
                     W va) {
    Flag<W> agrees = true;
    for (unsigned level = start; level < last_level; ++level) {
      agrees = agrees & equal(spec::leaf_offset(granule, level, va),
                              joined(granule, level + 1, index, offset));
    }
    proof.claim("offset: of a block, is made of the parts below it", agrees);
  }

  /// Descriptors are read within the table that is walked, whatever the address of the table.
  template <class Proof, class W>
  static void positions(Proof& proof, Granule granule, unsigned start, W tsz, W ttb, W va) {
    Flag<W> inside = true, aligned = true;
    for (const unsigned half : {0U, 1U}) {
      for (const u64 output_lg2 : {u64{48}, u64{52}}) {
        spec::Regime<W> regime;
        regime.ips_lg2 = W(output_lg2);
        regime.half[half].tg = granule;
        regime.half[half].tsz = tsz;
        regime.half[half].ttb = field_in_place(ttb, 51, 4);
        const auto table = spec::start_table(regime, half);
        const auto at = [&](unsigned level, W address) {
          return spec::descriptor_position(regime.half[half], start, level, address, va);
        };
        // With 52 bits of output a table is 64 bytes at least.
        const W used_lg2 = spec::start_entries_lg2(granule, start, tsz) + W(3);
        const W least = W(output_lg2 == 52 ? 6 : 4);
        const W lg2 = select(less(used_lg2, least), least, used_lg2);
        aligned = aligned & Flag<W>(table.level == start) &
                  equal(table.address, field_in_place(ttb, 51, 4) & ~low_mask(lg2));
        inside = inside & equal(at(start, table.address) & ~low_mask(lg2), table.address);
        const W next = field_in_place(ttb, 47, spec::page_shift(granule));
        for (unsigned level = start + 1; level <= last_level; ++level) {
          const W page = low_mask(W(spec::page_shift(granule)));
          inside = inside & equal(at(level, next) & ~page, next);
        }
      }
    }
    proof.claim("start: at TTB, aligned to the table's size", aligned);
    proof.claim("position: each descriptor is read from its table", inside);
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(address_split)() {
  return make_property(
      "address-split",
      "An input address and its (indices, offset) determine each other, for every legal TxSZ.",
      {"bounds: each index lies in its table", "into: the parts give the address back",
       "offset: of a block, is made of the parts below it",
       "onto: every choice of parts is that of an address",
       "position: each descriptor is read from its table",
       "start: at TTB, aligned to the table's size", "start: resolves 1 bit to a full table"},
      11,  // start levels: 4 KiB 0 to 3, 16 KiB 0 to 3, 64 KiB 1 to 3
      AddressSplit{});
}

}  // namespace iommucheck::proofs
