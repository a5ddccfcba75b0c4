// SPDX-License-Identifier: MIT
// What a driver stores into a table, and what comes of it: an entry that is invalid, a page or a
// block, or a new table of zeros, in any well-formed table, whatever all other words are. Addresses
// of that entry are translated as it says, and no other address reads it. Each granule, stage,
// level and kind of entry; DDI 0487 D8.2. Which entries are stored, in which order: table-writer.
#include <vector>

#include "impl/vmsav8/descriptor.h"
#include "proofs/properties.h"
#include "spec/arch/stage2.h"
#include "spec/arch/stage2_walk.h"
#include "spec/arch/walk.h"

namespace iommucheck::proofs {
namespace {

constexpr unsigned last = impl::last_level;

/// Where tables begin, and the level of the entry.
struct StepForm {
  bool stage2;
  unsigned page, input_bits, level;

  unsigned start() const {
    return stage2 ? impl::stage2_start_level(input_bits, page)
                  : impl::start_level(input_bits, page);
  }
  unsigned index_lg2(unsigned of) const {
    return of == start() ? input_bits - impl::level_shift(of, page) : impl::index_lg2(page);
  }
  bool has_leaf() const { return level >= impl::first_block_level(page); }
};

/// Other sizes have the same entries: same-tables.
std::vector<StepForm> step_forms() {
  std::vector<StepForm> forms;
  for (StepForm form :
       {StepForm{false, 12, 48, 0}, StepForm{false, 12, 30, 0}, StepForm{false, 14, 48, 0},
        StepForm{false, 14, 25, 0}, StepForm{false, 16, 48, 0}, StepForm{true, 12, 48, 0},
        StepForm{true, 14, 48, 0}, StepForm{true, 16, 48, 0}}) {
    for (form.level = form.start(); form.level <= last; ++form.level) forms.push_back(form);
  }
  return forms;
}

enum Kind : u8 { invalid, leaf, table };

/// The words that the walk of one address meets, a level each, after the store.
template <class W>
struct StoredMemory {
  W slot{0}, stored{0};
  W fresh{0};  ///< where a new table of zeros is
  W page_mask{0};
  std::vector<W> words;
  unsigned level = 0;
  Flag<W> met = false, is_fresh = false;

  std::optional<W> read(W address) {
    const Flag<W> here = equal(address, slot);
    const Flag<W> zero = equal(address & ~page_mask, fresh);
    met = met | here;
    is_fresh = is_fresh | zero;
    return select(here, stored, select(zero, W(0), words[level++]));
  }
};

struct TableStep {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    static const std::vector<StepForm> forms = step_forms();
    const W code = proof.variable("form");
    proof.assume(less(code, W(forms.size())) & less(proof.variable("kind"), W(3)));
    for (unsigned n = 0; n < forms.size(); ++n) {
      if (!equal(code, W(n))) continue;
      of(proof, forms[n]);
      return;
    }
  }

  template <class W>
  struct Tree {
    W va, iova, root, of;  ///< `of`: the table that the entry is in
    std::vector<W> words;
    Flag<W> same_table, same_entry;
  };

  /// Bits of an address above what an entry of `level` translates.
  template <class W>
  static W prefix(const StepForm& form, unsigned level, W va) {
    return va >> impl::level_shift(level, form.page);
  }

  template <class Proof>
  static Tree<typename Proof::W> tree(Proof& proof, const StepForm& form) {
    using W = typename Proof::W;
    const W input = W(pow2(form.input_bits) - 1), page = W(pow2(form.page) - 1);
    Tree<W> t{.va = proof.variable("va") & input,
              .iova = proof.variable("iova") & input,
              .root = proof.variable("root") & W(mask(47, form.index_lg2(form.start()) + 3)),
              .of = proof.variable("table") & W(mask(47, 0)) & ~page,
              .words = {},
              .same_table = true,
              .same_entry = true};
    for (unsigned n = 0; n <= last; ++n) {
      t.words.push_back(proof.variable("word" + std::to_string(n)));
    }
    if (form.level == form.start()) t.of = t.root;
    if (form.level != form.start()) {
      t.same_table =
          equal(prefix(form, form.level - 1, t.va), prefix(form, form.level - 1, t.iova));
    }
    t.same_entry = equal(prefix(form, form.level, t.va), prefix(form, form.level, t.iova));
    return t;
  }

  /// No two entries lead to one table; the way to the entry's own is of tables alone.
  template <class W>
  static Flag<W> well_formed(const StepForm& form, const Tree<W>& t, W fresh) {
    const W page = W(pow2(form.page) - 1);
    const unsigned start = form.start();
    const W in_root = W(pow2(form.index_lg2(start) + 3) - 1) | page;
    const auto is_away = [&](W from) { return !equal(from & ~in_root, t.root & ~in_root); };
    Flag<W> is = is_away(fresh) & !equal(fresh, t.of);
    if (form.level != start) is = is & is_away(t.of);
    for (unsigned n = start; n < last; ++n) {
      const W next = t.words[n] & W(mask(47, 0)) & ~page;
      is = is & is_away(next) & !equal(next, fresh);
      if (n < form.level) is = is & implies(t.same_table, equal(t.words[n] & W(3), W(3)));
      if (form.level == start) continue;
      const Flag<W> theirs = n + 1 == form.level ? t.same_table : Flag<W>(false);
      is = is & Flag<W>(equal(next, t.of) == theirs);
    }
    return is;
  }

  /// Of those that may stand at its level.
  template <class Proof>
  static typename Proof::W kind(Proof& proof, const StepForm& form) {
    using W = typename Proof::W;
    const W any = proof.variable("kind");
    const W no_table = select(equal(any, W(Kind::leaf)), any, W(Kind::invalid));
    const W no_leaf = select(equal(any, W(Kind::table)), any, W(Kind::invalid));
    return form.level == last ? no_table : form.has_leaf() ? any : no_leaf;
  }

  template <class Proof>
  static void of(Proof& proof, const StepForm& form) {
    using W = typename Proof::W;
    const Tree<W> t = tree(proof, form);
    const W page = W(pow2(form.page) - 1);
    const W pa = proof.variable("pa") & W(mask(47, impl::level_shift(form.level, form.page)));
    StoredMemory<W> memory;
    memory.level = form.start();
    memory.words = t.words;
    memory.page_mask = page;
    memory.fresh = proof.variable("fresh") & W(mask(47, 0)) & ~page;
    memory.slot =
        impl::entry_address(t.of, t.iova, form.level, form.index_lg2(form.level), form.page);
    const u32 prot = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;
    const u64 attributes = form.stage2 ? impl::descriptor::stage2_attributes(prot)
                                       : impl::descriptor::leaf_attributes(prot);
    const W what = kind(proof, form);
    memory.stored = select(
        equal(what, W(Kind::invalid)), W(0),
        select(equal(what, W(Kind::leaf)), impl::descriptor::make_leaf(pa, attributes, form.level),
               impl::descriptor::make_table(memory.fresh)));
    const auto ends = [&](unsigned level, bool faults, W output) {
      claims(proof, form, t, memory, level, faults, output, pa);
    };
    if (form.stage2) {
      spec::Stage2<W> stage2;
      stage2.tg = static_cast<spec::Granule>((form.page - 12) / 2);
      stage2.start = form.start();
      stage2.t0sz = W(64 - form.input_bits);
      stage2.ttb = t.root;
      stage2.affd = true;
      conclude<W>(spec::walk_stage2(memory, stage2, t.va, spec::AccessKind{},
                                    spec::Stage2Input::transaction),
                  ends);
      return;
    }
    spec::Regime<W> regime;
    regime.half[0].tg = static_cast<spec::Granule>((form.page - 12) / 2);
    regime.half[0].tsz = W(64 - form.input_bits);
    regime.half[0].ttb = t.root;
    regime.half[1].epd = true;
    const auto all = [](const spec::Leaf<W>&) { return spec::AccessResult<W>{}; };
    conclude<W>(spec::walk_stage1(memory, regime, t.va, spec::AccessKind{}, all), ends);
  }

  template <class W, class Result, class Ends>
  static void conclude(const Result& result, const Ends& ends) {
    if (const auto* fault = std::get_if<spec::Fault>(&result)) {
      const bool translation = fault->event == spec::EventType::f_translation;
      ends(translation ? fault->level : last + 2, true, W(0));
    } else {
      ends(std::get<1>(result).leaf.level, false, std::get<1>(result).output);
    }
  }

  template <class Proof, class W>
  static void claims(Proof& proof, const StepForm& form, const Tree<W>& t,
                     const StoredMemory<W>& memory, unsigned level, bool faults, W output, W pa) {
    const W what = kind(proof, form);
    const W offset = W(impl::level_bytes(form.level, form.page) - 1);
    const Flag<W> none(faults && level == form.level), zeros(faults && level == form.level + 1);
    const Flag<W> mapped =
        Flag<W>(!faults && level == form.level) & equal(output, pa | (t.va & offset));
    const Flag<W> as_it_says = select(equal(what, W(Kind::leaf)), mapped,
                                      select(equal(what, W(Kind::table)), zeros, none));
    const Flag<W> is = well_formed(form, t, memory.fresh);
    proof.claim("elsewhere: no other address reads what was stored",
                implies(is & !t.same_entry, (!memory.met) & !memory.is_fresh));
    proof.claim("there: translated as the entry says",
                implies(is & t.same_entry, memory.met & as_it_says));
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(table_step)() {
  return make_property(
      "table-step",
      "An entry that is stored changes what is translated there, as it says, and nowhere else.",
      {"elsewhere: no other address reads what was stored", "there: translated as the entry says"},
      // From level 3: invalid, reserved, a page, and of stage 2 one that may not be read. A level
      // with blocks adds invalid, a block and that, one without adds invalid and reserved. Each
      // once for each level that the entry may be of.
      208, TableStep{});
}

}  // namespace iommucheck::proofs
