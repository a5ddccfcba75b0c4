// SPDX-License-Identifier: MIT
// Which entries each invalidation is about, from the 16 bytes of the command: every opcode, stream
// world, stage, VMID under VMW, ASID, global or not, EL2 with and without E2H. The table is IHI
// 0070 4.4 (4.4.1 to 4.4.4, 3.17.6), read anew here. The address part of one opcode is tlbi-range;
// that it is the same for all is shown here. The code: decode_command(), covers().
#include "proofs/properties.h"
#include "spec/smmu/coverage.h"

namespace iommucheck::proofs {
namespace {

using spec::Opcode;
using spec::Stage;
using spec::StreamWorld;

constexpr StreamWorld all_worlds[] = {StreamWorld::el1, StreamWorld::el2, StreamWorld::el2_e2h,
                                      StreamWorld::foreign};

/// What an opcode removes. A VMID counts in EL1 only.
struct Row {
  u64 code;
  bool el1, el2, e2h;  ///< worlds; of the EL2 ones with an address the one that CR2.E2H names
  bool by_e2h;
  bool stage1, stage2;
  bool vmid;
  bool asid, globals;  ///< tagged by ASID; global entries go whatever their ASID, or not at all
  bool address;
};

constexpr Row rows[] = {
    //  code  el1    el2    e2h   by_e2h stage1 stage2 vmid   asid  globals address
    {0x10, true, false, false, false, true, false, true, false, true, false},     // NH_ALL
    {0x11, true, false, false, false, true, false, true, true, false, false},     // NH_ASID
    {0x12, true, false, false, false, true, false, true, true, true, true},       // NH_VA
    {0x13, true, false, false, false, true, false, true, false, true, true},      // NH_VAA
    {0x18, false, false, false, false, false, false, false, false, true, false},  // EL3_ALL
    {0x1a, false, false, false, false, false, false, false, false, true, true},   // EL3_VA
    {0x20, false, true, true, false, true, true, false, false, true, false},      // EL2_ALL
    {0x21, false, false, true, false, true, true, false, true, false, false},     // EL2_ASID
    {0x22, false, true, true, true, true, true, false, true, true, true},         // EL2_VA
    {0x23, false, true, true, true, true, true, false, false, true, true},        // EL2_VAA
    {0x28, true, false, false, false, true, true, true, false, true, false},      // S12_VMALL
    {0x2a, true, false, false, false, false, true, true, false, true, true},      // S2_IPA
    {0x30, true, false, false, false, true, true, false, false, true, false},     // NSNH_ALL
};

spec::Capabilities device() {
  spec::Capabilities caps;
  caps.s1p = caps.s2p = caps.hyp = caps.ril = true;
  return caps;
}

constexpr Stage all_stages[] = {Stage::stage1, Stage::stage2, Stage::combined, Stage::shadow};

struct CoversTable {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W code = proof.variable("code");
    proof.assume(less(code, W(256)));
    for (const Row& row : rows) {
      if (!equal(code, W(row.code))) continue;
      of_row(proof, row);
      return;
    }
    others(proof, code);
  }

  /// A TLBI of each row against every kind of entry. Addresses are those of one page, which the
  /// command names; what a range meets is tlbi-range's.
  template <class Proof>
  static void of_row(Proof& proof, const Row& row) {
    using W = typename Proof::W;
    const W dw0 = (proof.variable("dw0") & ~W(0xff)) | W(row.code), dw1 = proof.variable("dw1");
    const auto command = spec::decode_command(dw0, dw1, device());
    spec::TlbTargetOf<W> target;
    target.vmid = proof.variable("vmid") & W(0xffff);
    target.asid = proof.variable("asid") & W(0xffff);
    target.global = flag(proof.variable("global"), 0);
    target.base = proof.variable("base") & ~W(0xfff);
    // As for NH_VA, which has the same operands; an IPA has 52 bits.
    const W va1 = row.code == 0x2a ? dw1 & ~W(mask(63, 52)) : dw1;
    const auto by_va = spec::decode_command((dw0 & ~W(0xff)) | W(0x12), va1, device());
    for (const StreamWorld world : all_worlds) {
      Flag<W> same = true;
      for (const Stage stage : all_stages) {
        for (const bool e2h : {false, true}) {
          for (unsigned vmw = 0; vmw <= 4; ++vmw) {
            target.world = world;
            target.stage = stage;
            const Flag<W> tags = tags_of(row, dw0, target, e2h, vmw);
            const Flag<W> there = row.address ? spec::covers_address(by_va, target) : Flag<W>(true);
            const spec::TlbiScope scope{vmw, e2h};
            same = same & Flag<W>(spec::covers(command, target, scope) == (tags & there));
          }
        }
      }
      proof.claim("tags: as the table of TLBIs says", same);
    }
  }

  template <class W>
  static Flag<W> tags_of(const Row& row, W dw0, const spec::TlbTargetOf<W>& target, bool e2h,
                         unsigned vmw) {
    bool world = false;
    switch (target.world) {
      case StreamWorld::el1: world = row.el1; break;
      case StreamWorld::el2: world = row.el2 && !(row.by_e2h && e2h); break;
      case StreamWorld::el2_e2h: world = row.e2h && (!row.by_e2h || e2h); break;
      case StreamWorld::foreign: break;  // of a walker beside the SMMU: by no command
    }
    // Combined entries are of stage 1 addresses; where those are not known, what names one, or an
    // ASID, is about none of them.
    const bool names = row.vmid && (row.address || row.asid);
    const bool by_name = target.stage == Stage::shadow && names;
    const bool stage = target.stage == Stage::stage2 ? row.stage2 : row.stage1 && !by_name;
    Flag<W> tags = world && stage;
    // VMW ignores the low bits.
    if (row.vmid) tags = tags & equal(((dw0 >> 32) & W(0xffff)) >> vmw, target.vmid >> vmw);
    const bool has_asid = target.world != StreamWorld::el2;
    if (row.asid && has_asid) {
      const Flag<W> its = equal(dw0 >> 48, target.asid);
      tags = tags & (row.globals ? its | target.global : its & !target.global);
    }
    return tags;
  }

  /// Whatever is no TLBI removes no translation.
  template <class Proof, class W>
  static void others(Proof& proof, W code) {
    const auto command = spec::decode_command((proof.variable("dw0") & ~W(0xff)) | code,
                                              proof.variable("dw1"), device());
    Flag<W> none = true;
    for (const StreamWorld world : all_worlds) {
      spec::TlbTargetOf<W> target;
      target.world = world;
      target.global = flag(proof.variable("global"), 0);
      none = none & !spec::covers(command, target, spec::TlbiScope{});
    }
    proof.claim("others: remove no translation", none);
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(covers_table)() {
  return make_property("covers-table",
                       "Each TLBI covers the world, stage, VMID, ASID and globals of IHI 0070 4.4; "
                       "nothing else does.",
                       {"others: remove no translation", "tags: as the table of TLBIs says"},
                       26,  // 13 TLBIs; 12 other opcodes, and the reserved ones
                       CoversTable{});
}

}  // namespace iommucheck::proofs
