// SPDX-License-Identifier: MIT
// Which accesses stage 1 refuses, a second time and by the bits themselves: DDI 0487 D8.4, D8.5;
// IHI 0070 3.13; arch 4.4, 4.5. Nothing of spec/arch/access.h is used here.
#pragma once

#include "base/word.h"

namespace iommucheck::proofs {

/// What decides beside the descriptors.
template <class W>
struct Circumstances {
  bool two_privileges = true;  ///< EL1, and EL2 under E2H
  bool write = false, execute = false, privileged = false;
  Flag<W> had = false, wxn = false, pan = false, epan = false;
  Flag<W> ha = false, hd = false, affd = false;
};

/// F_ACCESS: nobody sets AF, and nobody ignores it.
template <class W>
Flag<W> needs_access_flag(W leaf, const Circumstances<W>& c) {
  return (!flag(leaf, 10)) & (!c.ha) & !c.affd;
}

/// Hardware clears AP[2] of the leaf for a write.
template <class W>
Flag<W> is_cleaned(W leaf, const Circumstances<W>& c) {
  return c.ha & c.hd & flag(leaf, 51) & flag(leaf, 7);
}

/// F_PERMISSION, for `leaf` below tables whose words joined by | are `tables`.
template <class W>
Flag<W> is_refused(W leaf, W tables, const Circumstances<W>& c) {
  const W above = select(c.had, W(0), tables);
  // AP[2:1] as it counts: bit 0 users, bit 1 read-only.
  const Flag<W> read_only = (flag(leaf, 7) & !is_cleaned(leaf, c)) | flag(above, 62);
  const Flag<W> users = flag(leaf, 6) & !flag(above, 61);
  const Flag<W> uxn = flag(leaf, 54) | flag(above, 60);
  const Flag<W> pxn = flag(leaf, 53) | flag(above, 59);
  const Flag<W> wxn = c.wxn;
  if (!c.two_privileges) {
    if (c.execute) return uxn | (wxn & !read_only);
    return c.write ? read_only : Flag<W>(false);
  }
  if (!c.privileged) {
    if (c.execute) return uxn | (wxn & users & !read_only);
    return c.write ? (!users) | read_only : !users;
  }
  if (c.execute) return pxn | (users & !read_only) | (wxn & !read_only);
  // PAN: pages of users; EPAN: also those that users may execute only.
  const Flag<W> kept_away = c.pan & (users | (c.epan & !uxn));
  return c.write ? kept_away | read_only : kept_away;
}

}  // namespace iommucheck::proofs
