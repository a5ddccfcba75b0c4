// SPDX-License-Identifier: MIT
// What an access through any stage 2 page meets, and a fetch of hardware: faults exactly where the
// bits of its descriptor say so. DDI 0487 D8.4; IHI 0070 5.2 (S2AFFD, S2PTW), 7.3.16; arch 4.3 to
// 4.5. The code: stage2_step(), stage2_leaf(), check_stage2_access().
#include "proofs/chosen_access.h"
#include "proofs/properties.h"
#include "spec/arch/stage2_walk.h"
#include "spec/rules/translation.h"

namespace iommucheck::proofs {
namespace {

using spec::AccessType;
using spec::Stage2Input;

/// What is asked, by plain values.
struct Stage2Question {
  AccessType type = AccessType::read;
  bool privileged = false;
  bool fetch = false;  ///< of a CD or of a descriptor: a data read, whatever the access is
  bool xnx = false;
};

/// The bits alone: nothing of spec/arch/stage2_walk.h is used here.
template <class W>
Flag<W> refuses(W word, const Stage2Question& asked, Flag<W> dirties) {
  const Flag<W> upper = flag(word, 54), lower = flag(word, 53);
  if (asked.fetch || asked.type == AccessType::read) return !flag(word, 6);
  if (asked.type == AccessType::write) return !(flag(word, 7) | (dirties & flag(word, 51)));
  if (!asked.xnx) return upper;
  return asked.privileged ? (upper & !lower) | (lower & !upper) : upper;
}

struct Stage2Access {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    proof.assume(equal(proof.variable("leaf") & W(3), W(3)));  // a page
    for_chosen_stage2_access(proof, 3, asked<Proof>);
  }

  template <class Proof>
  static void asked(Proof& proof, Stage2Input input, spec::AccessKind access, bool xnx) {
    using W = typename Proof::W;
    const bool fetch = input != Stage2Input::transaction;
    const Stage2Question question{access.type, access.privileged, fetch, xnx};
    const W ste = proof.variable("ste"), word = proof.variable("leaf");
    spec::Stage2<W> stage2;
    stage2.affd = flag(ste, 0);
    stage2.ha = flag(ste, 1);
    stage2.hd = flag(ste, 2);
    stage2.ptw = flag(ste, 3);
    stage2.fwb = flag(ste, 4);
    stage2.xnx = xnx;
    const auto step = spec::stage2_step(stage2, 3, word);
    const auto* leaf = std::get_if<spec::Stage2Leaf<W>>(&step);
    proof.claim("leaf: is one", Flag<W>(leaf != nullptr));
    if (leaf == nullptr) return;
    proof.claim("leaf: leads to its page", equal(leaf->output, word & W(mask(47, 12))));
    const auto fault = spec::check_stage2_access(stage2, *leaf, access, input);
    const Flag<W> needs_flag = (!flag(word, 10)) & (!flag(ste, 1)) & !flag(ste, 0);
    const Flag<W> refused = refuses(word, question, Flag<W>(flag(ste, 1) & flag(ste, 2)));
    const Flag<W> device = (!flag(word, 4)) & (flag(ste, 4) | !flag(word, 5));
    const Flag<W> kept = Flag<W>(question.fetch) & flag(ste, 3) & device;
    if (!fault) {
      proof.claim("done: exactly where nothing refuses it", (!needs_flag) & (!refused) & !kept);
    } else if (fault->rule == spec::rule::S2_ACCESS_FLAG) {
      proof.claim("access flag: faults exactly without it", needs_flag);
    } else if (fault->rule == spec::rule::S2_PERMISSION) {
      proof.claim("permission: faults exactly where S2AP or XN refuse", (!needs_flag) & refused);
    } else {
      proof.claim("S2PTW: of fetches from Device pages that are not refused anyway",
                  Flag<W>(fault->rule == spec::rule::S2_PTW) & kept & (!needs_flag) & !refused);
    }
  }
};

}  // namespace

Property IOMMUCHECK_PROPERTY(stage2_access)() {
  return make_property(
      "stage2-access",
      "Stage 2 refuses an access, or a fetch, exactly where its page's bits say so.",
      {"S2PTW: of fetches from Device pages that are not refused anyway",
       "access flag: faults exactly without it", "done: exactly where nothing refuses it",
       "leaf: is one", "leaf: leads to its page",
       "permission: faults exactly where S2AP or XN refuse"},
      // 12 accesses with 3 ends: F_ACCESS, F_PERMISSION, done; 24 fetches with one more, S2PTW.
      132, Stage2Access{});
}

}  // namespace iommucheck::proofs
