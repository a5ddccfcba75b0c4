// SPDX-License-Identifier: MIT
// Stage 1 permissions, access flag and dirty state. DDI 0487 D8.4, D8.5; IHI 0070 13.4, 3.13;
// arch 4.4, 4.5.
#pragma once

#include "spec/arch/descriptor.h"
#include "spec/arch/regime.h"
#include "spec/check.h"

namespace iommucheck::spec {

/// What an access wants; a write is always data.
enum class AccessType : u8 { read, write, execute };
struct AccessKind {
  AccessType type = AccessType::read;
  bool privileged = false;
  friend bool operator==(const AccessKind&, const AccessKind&) = default;
};

/// What an STE makes of the attributes that come in with an access. IHI 0070 5.2.
enum class PrivCfg : u8 { incoming, unprivileged, privileged };
enum class InstCfg : u8 { incoming, data, instruction };
struct Overrides {
  PrivCfg privcfg = PrivCfg::incoming;
  InstCfg instcfg = InstCfg::incoming;
  friend bool operator==(const Overrides&, const Overrides&) = default;
};

/// The access that permissions are checked for, and that an event record describes. A write is data
/// whatever INSTCFG says. IHI 0070 13.1.2, 13.4, 7.3.
constexpr AccessKind effective_access(AccessKind incoming, Overrides overrides) {
  AccessKind kind = incoming;
  if (overrides.privcfg != PrivCfg::incoming) {
    kind.privileged = overrides.privcfg == PrivCfg::privileged;
  }
  if (overrides.instcfg != InstCfg::incoming && kind.type != AccessType::write) {
    kind.type = overrides.instcfg == InstCfg::instruction ? AccessType::execute : AccessType::read;
  }
  return kind;
}

/// What the table descriptors on the way have taken away; accumulated with |. HADx = 1 ignores it.
template <Word W>
struct HierarchicalAttributes {
  Flag<W> read_only = false;        ///< APTable[1]
  Flag<W> no_unprivileged = false;  ///< APTable[0]
  Flag<W> uxn = false;
  Flag<W> pxn = false;
  friend bool operator==(const HierarchicalAttributes&, const HierarchicalAttributes&) = default;
};

template <Word W>
constexpr HierarchicalAttributes<W> accumulate(const HierarchicalAttributes<W>& above, W word) {
  return {above.read_only | ap_table1(word), above.no_unprivileged | ap_table0(word),
          above.uxn | uxn_table(word), above.pxn | pxn_table(word)};
}

template <Word W>
struct Permissions {
  Flag<W> read = false;
  Flag<W> write = false;
  Flag<W> execute = false;
  friend bool operator==(const Permissions&, const Permissions&) = default;
};

/// A block or page descriptor as its walk understood it.
template <Word W>
struct Leaf {
  W output{0};  ///< first output address of the extent
  unsigned level = 3;
  unsigned extent_lg2 = 12;  ///< log2 bytes, the contiguous group not counted in
  Granule granule = Granule::g4k;
  Flag<W> contiguous = false;  ///< 0 at levels where the hint means nothing
  Permissions<W> privileged;   ///< data reads, writes, instruction reads; PAN not applied
  Permissions<W> unprivileged;
  Flag<W> unprivileged_page = false;  ///< effective AP[1]: what PAN looks at
  Flag<W> uxn = false;                ///< effective: what EPAN looks at
  W attr{0};                          ///< the MAIR byte that AttrIndx selects
  W sh{0};
  Flag<W> af = false;  ///< as stored; AFFD not applied
  Flag<W> ng = false;
  Flag<W> nt = false;
  Flag<W> dbm = false;
  /// A write is permitted by `write` above only because hardware clears AP[2] for it.
  Flag<W> writable_clean = false;
  friend bool operator==(const Leaf&, const Leaf&) = default;
};

/// Permissions of a leaf. With HA and HD, DBM = 1 makes AP[2] of the leaf count as 0: the write
/// is permitted and dirties, and WXN sees a writable page. DDI 0487 D8.5.
template <Word W>
constexpr void set_permissions(Leaf<W>& leaf, const Regime<W>& regime, unsigned half, W word,
                               const HierarchicalAttributes<W>& hierarchical) {
  const Flag<W> heed = !regime.half[half].had;
  const Flag<W> cleans = regime.ha & regime.hd & dirty_bit_modifier(word) & ap2(word);
  const Flag<W> read_only = (ap2(word) & !cleans) | (heed & hierarchical.read_only);
  const bool two_privileges = has_unprivileged(regime.world);
  const Flag<W> user =
      two_privileges ? (ap1(word) & !(heed & hierarchical.no_unprivileged)) : Flag<W>(false);
  const Flag<W> user_xn = uxn(word) | (heed & hierarchical.uxn);
  const Flag<W> privileged_xn = two_privileges ? (pxn(word) | (heed & hierarchical.pxn)) : user_xn;
  const Flag<W> user_write = user & !read_only;
  leaf.privileged = {Flag<W>(true), !read_only,
                     !(privileged_xn | user_write | (regime.wxn & !read_only))};
  leaf.unprivileged = {user, user_write,
                       two_privileges ? (!(user_xn | (regime.wxn & user_write))) : Flag<W>(false)};
  leaf.unprivileged_page = user;
  leaf.uxn = user_xn;
  leaf.dbm = dirty_bit_modifier(word);
  leaf.writable_clean = cleans & !read_only;
}

/// What an access through a living leaf does.
template <Word W>
struct AccessResult {
  std::optional<Fault> fault;  ///< F_ACCESS or F_PERMISSION
  Flag<W> sets_af = false;     ///< the access sets AF in memory
  Flag<W> may_set_af = false;  ///< a faulting access may or may not (UNKNOWN, arch 4.5)
  Flag<W> sets_dirty = false;  ///< the access clears AP[2] in memory
};

/// PAN: a privileged data access meets a page that unprivileged code may use. arch 4.4.
template <Word W>
constexpr Flag<W> refused_by_pan(const Leaf<W>& leaf, AccessKind access, const Regime<W>& regime) {
  if (!access.privileged || access.type == AccessType::execute) return false;
  if (!has_unprivileged(regime.world)) return false;
  return regime.pan & (leaf.unprivileged_page | (regime.epan & !leaf.uxn));
}

template <Word W>
constexpr Flag<W> permitted(const Leaf<W>& leaf, AccessKind access, const Regime<W>& regime) {
  const bool privileged = access.privileged || !has_unprivileged(regime.world);
  const Permissions<W>& p = privileged ? leaf.privileged : leaf.unprivileged;
  const Flag<W> granted = access.type == AccessType::read    ? p.read
                          : access.type == AccessType::write ? p.write
                                                             : p.execute;
  return granted & !refused_by_pan(leaf, access, regime);
}

/// A request by ATS without a PASID asks neither for privilege nor for execution. IHI 0070 13.7.
constexpr AccessKind ats_access(AccessKind incoming, bool has_pasid) {
  if (has_pasid) return incoming;
  const bool executes = incoming.type == AccessType::execute;
  return {executes ? AccessType::read : incoming.type, false};
}

}  // namespace iommucheck::spec
