// SPDX-License-Identifier: MIT
// What the specification's walk makes of an address, for the formats of tables that impl/ has: both
// stages of VMSAv8-64 in each granule, and the second IOMMU's. Words of tables are made here
// without impl/. All names depend on the format, so that those of twins are others.
#pragma once

#include <type_traits>

#include "impl/two/format.h"
#include "impl/vmsav8/format.h"
#include "proofs/table_memory.h"
#include "spec/arch/stage2.h"
#include "spec/arch/stage2_walk.h"
#include "spec/arch/walk.h"
#include "spec/two/format.h"

namespace iommucheck::proofs {

enum class TableKind : u8 { stage1, stage2, two };

/// Where tables begin.
struct TableForm {
  TableKind kind;
  unsigned page, input_bits;
};

/// What an access finds.
struct Seen {
  enum class End : u8 { nothing, mapped, other };
  End end = End::nothing;
  unsigned level = 0;  ///< at which it ends
  u64 output = 0;
  u64 rights = 0;  ///< and memory type; of `other` the event

  /// The level tells nobody anything.
  friend bool operator==(const Seen& a, const Seen& b) {
    return a.end == b.end && a.output == b.output && a.rights == b.rights;
  }
};

inline u64 joined(std::initializer_list<Bool> flags) {
  u64 word = 0;
  for (const Bool one : flags) word = word << 1 | (one.value ? 1 : 0);
  return word;
}

constexpr u32 mapped_prot = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;

template <class Format>
class Vmsav8Walker {
 public:
  static constexpr unsigned page = Format::level_shift(Format::last_level);
  static constexpr auto granule = static_cast<spec::Granule>((page - 12) / 2);

  Vmsav8Walker(const TableForm& form, u64 root) : is_stage2_(form.kind == TableKind::stage2) {
    const u64 tsz = 64 - form.input_bits;
    regime_.half[0].tg = stage2_.tg = granule;
    regime_.half[0].tsz = stage2_.t0sz = tsz;
    regime_.half[0].ttb = stage2_.ttb = root;
    regime_.half[1].epd = true;
    regime_.mair = 0x44'bb'04'ff;
    stage2_.start = start(form);
  }
  static unsigned start(const TableForm& form) {
    return form.kind == TableKind::stage2 ? impl::stage2_start_level(form.input_bits, page)
                                          : impl::start_level(form.input_bits, page);
  }

  /// Flat: other proofs have the same functions without optimisation, and the linker takes either.
  template <class Memory>
  [[gnu::flatten]] Seen walk(Memory& memory, u64 va) const {
    if (is_stage2_) {
      const auto input = spec::Stage2Input::transaction;
      return seen(spec::walk_stage2(memory, stage2_, va, spec::AccessKind{}, input));
    }
    const auto all = [](const spec::Leaf<u64>&) { return spec::AccessResult<u64>{}; };
    return seen(spec::walk_stage1(memory, regime_, va, spec::AccessKind{}, all));
  }

  /// A page or block of normal memory that all may read.
  u64 leaf(unsigned level, u64 pa, bool writable) const {
    namespace at = spec::descriptor_bits;
    const u64 type = at::valid | (level == spec::last_level ? at::table_or_page : 0);
    const u64 word = pa | type | at::sh_inner | at::af | at::uxn | at::ap1;
    const u64 write_back = 0xf << 2;
    if (is_stage2_) return word | write_back | (writable ? at::ap2 : 0);
    return word | at::ng | at::pxn | (writable ? 0 : at::ap2);
  }
  /// Bits that a leaf may have besides.
  static constexpr u64 leaf_bits = mask(58, 53) | mask(51, 51) | mask(9, 7) | mask(3, 2);
  static u64 table(u64 pa) {
    return pa | spec::descriptor_bits::valid | spec::descriptor_bits::table_or_page;
  }
  static u64 made_invalid(u64 word) { return word & ~spec::descriptor_bits::valid; }
  static bool is_valid(u64 word) { return (word & spec::descriptor_bits::valid) != 0; }
  static bool is_table(unsigned level, u64 word) {
    return spec::descriptor_type(granule, level, word) == spec::DescriptorType::table;
  }
  static u64 next(u64 word) { return spec::next_table_address(granule, word); }
  static bool has_leaf(unsigned level) {
    return level == spec::last_level || spec::block_allowed(granule, level, false);
  }
  static u64 bytes(unsigned level) { return pow2(spec::level_shift(granule, level)); }

  /// As a driver maps.
  static u64 attributes(const TableForm& form) {
    return form.kind == TableKind::stage2 ? impl::descriptor::stage2_attributes(mapped_prot)
                                          : impl::descriptor::leaf_attributes(mapped_prot);
  }

 private:
  static u64 rights(const spec::Leaf<u64>& l) {
    const auto &p = l.privileged, &u = l.unprivileged;
    return joined({p.read, p.write, p.execute, u.read, u.write, u.execute, l.af, l.ng, l.dbm,
                   l.contiguous}) |
           l.attr << 16 | l.sh << 24;
  }
  static u64 rights(const spec::Stage2Leaf<u64>& l) {
    return joined({l.read, l.write, l.execute_privileged, l.execute_unprivileged, l.af, l.device,
                   l.writable_clean});
  }
  template <class Result>
  static Seen seen(const Result& result) {
    if (const auto* fault = std::get_if<spec::Fault>(&result)) {
      if (fault->event == spec::EventType::f_translation) return {.level = fault->level};
      return {Seen::End::other, fault->level, 0, static_cast<u64>(fault->event)};
    }
    const auto& done = std::get<1>(result);
    return {Seen::End::mapped, done.leaf.level, done.output, rights(done.leaf)};
  }

  bool is_stage2_;
  spec::Regime<u64> regime_;
  spec::Stage2<u64> stage2_;
};

template <class Format>
class TwoWalker {
 public:
  static constexpr unsigned page = 12;
  static constexpr unsigned last = 3;

  TwoWalker(const TableForm& form, u64 root) : start_(start(form)), root_(root) {}
  static unsigned start(const TableForm& form) { return form.input_bits > 39 ? 0 : 1; }

  template <class Memory>
  Seen walk(Memory& memory, u64 va) const {
    if ((va >> spec::two::covers_lg2(last + 1 - start_)) != 0) return {.level = start_};
    u64 table = root_;
    for (unsigned level = start_;; ++level) {
      const auto read = memory.read(spec::two::word_at(table, va, last - level));
      if (!read) return {Seen::End::other, level, 0, 0};
      const spec::two::PageWord word{*read};
      if (!word.present()) return {.level = level};
      if (!word.leaf() && level != last) {
        table = word.address();
        continue;
      }
      return {Seen::End::mapped, level, word.address() + (va & (bytes(level) - 1)),
              joined({word.user(), word.execute(), word.write(), word.tracks(), word.written()})};
    }
  }

  u64 leaf(unsigned /*level*/, u64 pa, bool writable) const {
    return u64{7} << 61 | (writable ? u64{1} << 59 : 0) | pa >> page;
  }
  static constexpr u64 leaf_bits = mask(61, 57);
  static u64 table(u64 pa) { return present | pa >> page; }
  static u64 made_invalid(u64 word) { return word & ~present; }
  static bool is_valid(u64 word) { return spec::two::PageWord{word}.present(); }
  static bool is_table(unsigned level, u64 word) {
    return level != last && is_valid(word) && !spec::two::PageWord{word}.leaf();
  }
  static u64 next(u64 word) { return spec::two::PageWord{word}.address(); }
  static bool has_leaf(unsigned level) { return level != 0; }
  static u64 bytes(unsigned level) { return pow2(spec::two::covers_lg2(last - level)); }

  static u64 attributes(const TableForm& /*form*/) { return Format::attributes(mapped_prot); }

 private:
  static constexpr u64 present = u64{1} << 63;

  unsigned start_;
  u64 root_;
};

template <class Format>
using TableWalker = std::conditional_t<std::is_same_v<Format, impl::two::Format>, TwoWalker<Format>,
                                       Vmsav8Walker<Format>>;

}  // namespace iommucheck::proofs
