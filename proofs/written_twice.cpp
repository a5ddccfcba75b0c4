// SPDX-License-Identifier: MIT
// What the architecture fixes is written twice, in spec/ and in impl/, and nobody shares it. Here
// the two are held equal: table arithmetic, descriptors, commands, STE and CD as the implementation
// writes them and the specification reads them. Offsets and masks of registers:
// tests/spec/written_twice_test.cpp.
#include "impl/smmuv3/commands.h"
#include "impl/smmuv3/structures.h"
#include "impl/vmsav8/descriptor.h"
#include "proofs/properties.h"
#include "spec/arch/walk.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/cd_legal.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/coverage.h"
#include "spec/smmu/ste_legal.h"

namespace iommucheck::proofs {
namespace {

using spec::Granule;

struct OneGranule {
  unsigned page;
  Granule granule;
  u64 tg;  ///< of commands
};
constexpr OneGranule granules[] = {
    {12, Granule::g4k, 1}, {14, Granule::g16k, 2}, {16, Granule::g64k, 3}};

/// Index, entry address and offset of an address, for each size of address space and each level.
struct SameTables {
  template <class Proof>
  void operator()(Proof& proof) const {
    for (const auto& [page, granule, tg] : granules) {
      for (unsigned bits = impl::input_bits_min; bits <= impl::input_bits_max; ++bits) {
        of(proof, page, granule, bits);
      }
    }
  }

  template <class Proof>
  static void of(Proof& proof, unsigned page, Granule granule, unsigned bits) {
    using W = typename Proof::W;
    const W iova = proof.variable("iova");
    const W table = proof.variable("table") & ~W(pow2(page) - 1);
    spec::Half<W> half;
    half.tg = granule;
    half.tsz = W(64 - bits);
    const unsigned start = impl::start_level(bits, page);
    Flag<W> same = Flag<W>(spec::start_level(granule, half.tsz) == start);
    for (unsigned level = start; level <= impl::last_level; ++level) {
      const unsigned lg2 = impl::table_lg2(level, bits, page);
      same = same &
             equal(impl::table_index(iova, level, lg2, page),
                   spec::table_index(granule, start, level, half.tsz, iova)) &
             equal(impl::entry_address(table, iova, level, lg2, page),
                   spec::descriptor_position(half, start, level, table, iova)) &
             equal(impl::leaf_offset(iova, level, page), spec::leaf_offset(granule, level, iova));
    }
    proof.claim("tables: same entry, same offset", same);
  }
};

spec::Capabilities device() {
  spec::Capabilities caps;
  caps.s1p = caps.aarch64 = caps.asid16 = caps.ril = caps.hyp = true;
  caps.gran4k = caps.gran16k = caps.gran64k = true;
  caps.ats = caps.cd2l = true;
  caps.ssidsize = 20;
  caps.ttendian = 2;
  caps.oas_lg2 = 48;
  return caps;
}

struct SameWords {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W pa = proof.variable("pa"), asid = proof.variable("asid");
    proof.assume(is_zero(pa >> 48));
    proof.assume(is_zero(asid >> 16));
    descriptors(proof, pa);
    commands(proof, asid);
    structures(proof, pa, asid);
    stage2(proof, pa, asid);
  }

  template <class Proof, class W>
  static void descriptors(Proof& proof, W pa) {
    for (const auto& [page, granule, tg] : granules) {
      spec::Regime<W> regime;
      regime.mair = W(impl::descriptor::mair);
      regime.half[0].tg = granule;
      const W aligned = pa & ~W(pow2(page) - 1);
      const auto table = spec::step(regime, 0, 1, impl::descriptor::make_table(aligned), {});
      const auto* pointer = std::get_if<spec::TableStep<W>>(&table);
      proof.claim("descriptor: a table",
                  pointer == nullptr ? Flag<W>(false) : equal(pointer->address, aligned));
      for (unsigned level = impl::first_block_level(page); level <= impl::last_level; ++level) {
        for (u32 prot = 0; prot < 32; ++prot) {
          const u64 attributes = impl::descriptor::leaf_attributes(prot);
          const W output = pa & ~low_mask(W(impl::level_shift(level, page)));
          const W word = impl::descriptor::make_leaf(output, attributes, level);
          const auto step = spec::step(regime, 0, level, word, {});
          const auto* leaf = std::get_if<spec::Leaf<W>>(&step);
          proof.claim("descriptor: a leaf",
                      leaf == nullptr ? Flag<W>(false) : means(*leaf, regime, prot, output));
        }
      }
    }
  }

  /// The leaf permits what `prot` says: reading always, to all unless privileged only.
  template <class W>
  static Flag<W> means(const spec::Leaf<W>& leaf, const spec::Regime<W>& regime, u32 prot,
                       W output) {
    const bool user = (prot & IOMMUCHECK_PROT_PRIVILEGED) == 0;
    const auto allows = [&](spec::AccessType type, bool privileged) {
      return spec::permitted(leaf, {type, privileged}, regime);
    };
    const auto is = [](Flag<W> flag, bool value) { return value ? flag : !flag; };
    const bool write = (prot & IOMMUCHECK_PROT_WRITE) != 0;
    const bool execute = (prot & IOMMUCHECK_PROT_EXEC) != 0;
    const u64 attr = (prot & IOMMUCHECK_PROT_DEVICE) != 0 ? 0x04 : 0xff;
    return equal(leaf.output, output) & equal(leaf.attr, W(attr)) & leaf.af & leaf.ng &
           !leaf.contiguous & allows(spec::AccessType::read, true) &
           is(allows(spec::AccessType::read, false), user) &
           is(allows(spec::AccessType::write, true), write) &
           is(allows(spec::AccessType::write, false), write && user) &
           is(allows(spec::AccessType::execute, false), execute) &
           is(allows(spec::AccessType::execute, true), execute && !(write && user));
  }

  template <class Proof, class W>
  static void commands(Proof& proof, W asid) {
    namespace cmd = impl::command;
    const auto read = [](const impl::CommandOf<W>& c) {
      return spec::decode_command(c.word0, c.word1, device());
    };
    const auto is = [](const spec::CommandOf<W>& c, spec::Opcode op) {
      return Flag<W>(c.op == op && !spec::check_command(c, device()));
    };
    const W iova = proof.variable("iova"), sid = proof.variable("sid") & W(0xffff'ffff);
    const auto ste = read(cmd::cfgi_ste(sid, true));
    proof.claim("command: CFGI_STE",
                is(ste, spec::Opcode::cfgi_ste) & equal(ste.sid, sid) & ste.leaf);
    const auto by_asid = read(cmd::tlbi_nh_asid(asid));
    proof.claim("command: TLBI_NH_ASID",
                is(by_asid, spec::Opcode::tlbi_nh_asid) & equal(by_asid.asid, asid));
    const W ssid = proof.variable("ssid") & W(0xfffff), stag = asid;
    for (const bool choice : {false, true}) {
      const auto context = read(cmd::cfgi_cd(sid, ssid, choice));
      proof.claim("command: CFGI_CD", is(context, spec::Opcode::cfgi_cd) & equal(context.sid, sid) &
                                          equal(context.ssid, ssid) &
                                          (context.leaf == Flag<W>(choice)));
      for (const u64 size : {u64{0}, u64{36}, cmd::atc_size_all}) {
        const auto atc = read(cmd::atc_inv(sid, ssid, choice, iova, size));
        proof.claim("command: ATC_INV", is(atc, spec::Opcode::atc_inv) & equal(atc.sid, sid) &
                                            (!atc.global) & (atc.ssv == Flag<W>(choice)) &
                                            implies(Flag<W>(choice), equal(atc.ssid, ssid)) &
                                            equal(atc.size, W(size)) &
                                            equal(atc.address, iova & ~W(0xfff)));
      }
      const auto resume = read(cmd::resume(sid, stag, choice));
      proof.claim("command: RESUME", is(resume, spec::Opcode::resume) & equal(resume.sid, sid) &
                                         equal(resume.stag, stag) & (resume.ac == Flag<W>(choice)) &
                                         (resume.ab == Flag<W>(!choice)));
    }
    for (const bool leaf : {false, true}) {
      const auto one = read(cmd::tlbi_nh_va(asid, iova, leaf));
      proof.claim("command: TLBI_NH_VA",
                  is(one, spec::Opcode::tlbi_nh_va) & equal(one.asid, asid) & is_zero(one.tg) &
                      equal(one.address, iova & ~W(0xfff)) & (one.leaf == Flag<W>(leaf)));
      for (const OneGranule& of : granules) by_range(proof, of, asid, leaf);
    }
  }

  template <class Proof, class W>
  static void by_range(Proof& proof, const OneGranule& of, W asid, bool leaf) {
    const W num = proof.variable("num") & W(31), scale = proof.variable("scale") & W(31);
    const W first = proof.variable("iova") & ~W(pow2(of.page) - 1);
    // With TTL = 1 only where a leaf may stand there.
    for (u64 ttl = impl::first_block_level(of.page); ttl <= 3; ++ttl) {
      const auto words =
          impl::command::tlbi_nh_va_range(asid, first, num, scale, ttl, leaf, of.page);
      const auto many = spec::decode_command(words.word0, words.word1, device());
      const auto range = spec::tlbi_range(many);
      const W bytes = shift_left(num + W(1), scale) << of.page;
      const W last = first + bytes - W(1);
      const Flag<W> is(many.op == spec::Opcode::tlbi_nh_va && !spec::check_command(many, device()));
      proof.claim("command: TLBI_NH_VA by range",
                  is & equal(many.asid, asid) & equal(many.ttl, W(ttl)) & equal(many.tg, W(of.tg)) &
                      equal(range.first, first) &
                      implies(less_equal(first, last), equal(range.last, last)) &
                      (many.leaf == Flag<W>(leaf)));
    }
  }

  template <class Proof, class W>
  static void structures(Proof& proof, W pa, W asid) {
    const W line = pa & ~W(0x3f);
    spec::Ste<W> ste;
    ste.dw[0] = impl::ste::stage1(line);
    ste.dw[1] = W(impl::ste::word1(impl::Features{}));
    const bool stage1 = spec::decode_ste(ste, device()).kind == spec::SteKind::stage1;
    proof.claim("STE: stage 1 through its CD",
                Flag<W>(stage1) & equal(ste.s1contextptr(), line) & is_zero(ste.s1cdmax()));
    for (u64 cdmax = 1; cdmax <= 20; ++cdmax) {
      for (const bool two_level : {false, true}) {
        spec::Ste<W> with;
        with.dw[0] = impl::ste::stage1_table(line, two_level, cdmax);
        with.dw[1] = W(impl::ste::word1({.ats = true}, true, true));
        const bool legal = spec::decode_ste(with, device()).kind == spec::SteKind::stage1;
        proof.claim("STE: stage 1 through a table of CDs",
                    Flag<W>(legal) & equal(with.s1contextptr(), line) &
                        equal(with.s1cdmax(), W(cdmax)) & equal(with.s1dss(), W(2)) &
                        equal(with.s1fmt(), W(two_level ? 1 : 0)) & equal(with.eats(), W(1)) &
                        !with.s1stalld());
      }
    }
    const W root = pa & ~W(0xffff);
    for (const auto& [page, granule, tg] : granules) {
      for (unsigned bits = impl::input_bits_min; bits <= impl::input_bits_max; ++bits) {
        spec::Cd<W> cd;
        cd.dw[0] = impl::cd::word0(asid, bits, 5, {.page = page});
        cd.dw[1] = impl::cd::word1(root);
        cd.dw[3] = W(impl::cd::word3);
        const bool legal = !spec::decode_cd(cd, ste, device());
        const auto regime = spec::regime_of(ste, cd, device());
        proof.claim("CD: legal, with its table, size and ASID",
                    Flag<W>(legal && regime.half[0].tg == granule) &
                        equal(regime.half[0].ttb, root) & equal(regime.asid, asid) &
                        equal(regime.half[0].tsz, W(64 - bits)) & equal(regime.ips_lg2, W(48)) &
                        regime.half[1].epd & (!regime.half[0].epd) & cd.aset() & !cd.s());
      }
    }
    spec::Ste<W> stalls = ste;
    stalls.dw[1] = W(impl::ste::word1(impl::Features{}, true));
    for (unsigned kind = 0; kind < 8; ++kind) {
      const impl::cd::Kind k = {bit(kind, 0), bit(kind, 1), bit(kind, 2)};
      spec::Cd<W> cd;
      cd.dw[0] = impl::cd::word0(asid, 48, 5, k);
      cd.dw[1] = impl::cd::word1(root);
      const bool legal = !spec::decode_cd(cd, stalls, device());
      const auto is = [](Flag<W> flag, bool value) { return value ? flag : !flag; };
      proof.claim("CD: legal for processes, waiting or quiet",
                  Flag<W>(legal) & is(cd.aset(), !k.shared) & is(cd.epd(0), k.quiet) &
                      is(cd.s(), k.waits && !k.quiet) & is(cd.r(), !k.quiet) & cd.a());
    }
  }

  /// As an SMMU of stage 2 alone has it.
  template <class Proof, class W>
  static void stage2(Proof& proof, W pa, W vmid) {
    spec::Capabilities caps = device();
    caps.s1p = caps.hyp = false;
    caps.s2p = caps.vmid16 = true;
    caps.ssidsize = 0;
    const W root = pa & ~W(pow2(17) - 1);  // two tables of 64 KiB
    for (const auto& [page, granule, tg] : granules) {
      for (unsigned bits = impl::input_bits_min; bits <= impl::input_bits_max; ++bits) {
        spec::Ste<W> ste;
        ste.dw[0] = W(impl::ste::stage2);
        ste.dw[1] = W(impl::ste::word1(impl::Features{.stall_model = 1}));
        ste.dw[2] = impl::ste::stage2_word2(vmid, bits, page, 5);
        ste.dw[3] = root;
        const bool legal = spec::decode_ste(ste, caps).kind == spec::SteKind::stage2;
        const auto tables = spec::stage2_of(ste, caps);
        proof.claim("STE: stage 2, with its table, size and VMID",
                    Flag<W>(legal && tables.tg == granule &&
                            tables.start == impl::stage2_start_level(bits, page)) &
                        equal(tables.ttb, root) & equal(tables.t0sz, W(64 - bits)) &
                        equal(ste.s2vmid(), vmid));
      }
    }
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(same_tables)() {
  return make_property(
      "same-tables",
      "impl/ and spec/ find the same entry of a table for every address and granule.",
      {"tables: same entry, same offset"}, 1, SameTables{});
}

Property IOMMUCHECK_PROPERTY(same_words)() {
  return make_property(
      "same-words",
      "spec/ reads descriptors, commands, STE and CD of impl/ as what they are meant to be.",
      {"CD: legal for processes, waiting or quiet", "CD: legal, with its table, size and ASID",
       "STE: stage 1 through a table of CDs", "STE: stage 1 through its CD",
       "STE: stage 2, with its table, size and VMID", "command: ATC_INV", "command: CFGI_CD",
       "command: CFGI_STE", "command: RESUME", "command: TLBI_NH_ASID", "command: TLBI_NH_VA",
       "command: TLBI_NH_VA by range", "descriptor: a leaf", "descriptor: a table"},
      1, SameWords{});
}

}  // namespace iommucheck::proofs
