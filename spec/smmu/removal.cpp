// SPDX-License-Identifier: MIT
#include "spec/smmu/removal.h"

#include <algorithm>

namespace iommucheck::spec {

// ---- TLB entries --------------------------------------------------------------------------------

TlbTarget target_of(const Tag<u64>& tag, const Item& item) {
  TlbTarget target{.world = tag.world,
                   .vmid = tag.vmid,
                   .asid = tag.asid,
                   .stage = item.shadow != 0 ? Stage::shadow : tag.stage,
                   .base = item.va,
                   .extent_lg2 = item.space.geometry.shift(item.level),
                   .granule = item.space.geometry.granule(),
                   .level = item.level,
                   .is_table = item.kind == ItemKind::pointer};
  if (item.kind != ItemKind::final) return target;
  target.global = !not_global(item.value).value && has_asid(tag);
  return target;
}

bool removes(const Command& command, const Tag<u64>& tag, const Item& item, TlbiScope scope) {
  if (!is_tlbi(command.op)) return false;
  TlbTarget target = target_of(tag, item);
  if (item.kind != ItemKind::unknown) return static_cast<bool>(covers(command, target, scope));
  target.is_table = false;
  target.global = true;
  bool all = static_cast<bool>(covers(command, target, scope));
  target.global = false;
  all = all && covers(command, target, scope);
  if (item.level == last_level) return all;
  target.is_table = true;
  return all && covers(command, target, scope);
}

RemovedPart removed_part(const Command& command, const Tag<u64>& tag, const Item& item,
                         TlbiScope scope) {
  if (item.count == 1) return {0, removes(command, tag, item, scope) ? 1U : 0U};
  u64 first = 0;
  u64 last = item.count - 1;
  if (is_tlbi_by_address(command.op)) {
    const AddressRange<u64> range = tlbi_range(command);
    if (range.last < item.va || range.first > item.last()) return {0, 0};
    if (range.first > item.va) first = (range.first - item.va) / item.entry_bytes();
    if (range.last < item.last()) last = (range.last - item.va) / item.entry_bytes();
  }
  if (!removes(command, tag, item.part(first, 1), scope)) return {0, 0};
  return {first, last - first + 1};
}

bool removes_all(const Command& command, const Tag<u64>& tag, bool globals, TlbiScope scope) {
  if (!is_tlbi(command.op) || is_tlbi_by_address(command.op)) return false;
  TlbTarget target{.world = tag.world, .vmid = tag.vmid, .asid = tag.asid, .stage = tag.stage};
  const auto covered = static_cast<bool>(covers(command, target, scope));
  target.global = globals;
  return covered && static_cast<bool>(covers(command, target, scope));
}

bool removes_combined(const Command& command, const Tag<u64>& tag, TlbiScope scope) {
  if (!is_tlbi(command.op)) return false;
  const TlbTarget target{.world = tag.world, .vmid = tag.vmid, .stage = Stage::shadow};
  return static_cast<bool>(covers(command, target, scope));
}

// ---- configuration ------------------------------------------------------------------------------

ConfigTarget target_of(const ConfigItem& item) {
  return {.kind = item.kind,
          .sid_first = item.sid,
          .sid_last = item.sid + item.sid_count - 1,
          .ssid_first = item.ssid,
          .ssid_last = item.ssid + item.ssid_count - 1};
}

bool removes(const Command& command, const ConfigItem& item) {
  return is_cfgi(command.op) && covers_config(command, target_of(item));
}

// ---- what devices keep --------------------------------------------------------------------------

AtcTarget target_of(const AtcOwner& owner, u64 va) {
  return {.sid = owner.sid,
          .has_pasid = owner.ssv != 0,
          .pasid = owner.ssv >= 2 ? ~u32{0} : owner.ssid,
          .base = va};
}

bool removes_some(const Command& command, const AtcOwner& owner, bool untagged_covers_pasids) {
  return covers_atc(command, target_of(owner, command.address), untagged_covers_pasids);
}

namespace {

constexpr u64 top_byte = u64{0xff} << 56;

}  // namespace

AtcSpan span_of(const Command& command) {
  const auto lg2 = static_cast<unsigned>(std::min<u64>(command.size + 12, 64));
  const u64 first = lg2 == 64 ? 0 : align_down(command.address, lg2);
  return {first, first | low_mask(u64{lg2})};
}

bool covers_all(const Command& command) {
  const AtcSpan span = span_of(command);
  return !command.ssv && span.first == 0 && span.last == ~u64{0};
}

bool cut(const Command& command, const AtcOwner& owner, bool untagged_covers_pasids, AtcItem& item,
         std::vector<AtcItem>& rest) {
  if (!removes_some(command, owner, untagged_covers_pasids)) return false;
  AtcSpan span = span_of(command);
  if (owner.ssv == AtcOwner::contained) return covers_all(command);
  if (item.alias_count != 0) {
    const u64 first = std::max<u64>(span.first >> 56, item.alias_first);
    const u64 last = std::min<u64>(span.last >> 56, item.alias_first + item.alias_count - 1U);
    if (first > last) return false;
    if (span.last - span.first >= low_mask(u64{56})) span = {0, ~top_byte};
    const u64 top = item.first & top_byte;
    span = {(span.first & ~top_byte) | top, (span.last & ~top_byte) | top};
    if (span.first > item.last || span.last < item.first) return false;
    const auto other = [&](u64 from, u64 to) {
      rest.push_back(item);
      rest.back().alias_first = static_cast<u16>(from);
      rest.back().alias_count = static_cast<u16>(to - from);
    };
    const u64 end = u64{item.alias_first} + item.alias_count;
    if (item.alias_first < first) other(item.alias_first, first);
    if (last + 1 < end) other(last + 1, end);
    item.alias_first = static_cast<u16>(first);
    item.alias_count = static_cast<u16>(last + 1 - first);
  }
  if (span.first > item.last || span.last < item.first) return false;
  const u64 first = std::max(span.first, item.first);
  const u64 last = std::min(span.last, item.last);
  if (first != item.first) rest.push_back(item.part(item.first, first - 1));
  if (last != item.last) rest.push_back(item.part(last + 1, item.last));
  item = item.part(first, last);
  return true;
}

}  // namespace iommucheck::spec
