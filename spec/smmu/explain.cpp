// SPDX-License-Identifier: MIT
// The same facts in words: a reader can act on the text alone. Never on the hot path.
#include "base/text.h"
#include "spec/smmu/caches.h"

namespace iommucheck::spec {

std::string Caches::name(u64 pa) const {
  if (namer_) return namer_(pa);
  return hex(pa);
}

/// Where a cached item comes from, and of the invalidations since then the one that nearly
/// removed it.
std::string Caches::explain_item(const Item& item) const {
  const char* what = item.kind == ItemKind::pointer   ? "a cached table descriptor"
                     : item.kind == ItemKind::unknown ? "anything read from unknown content"
                                                      : "a cached translation";
  const Tag<u64>& tag = tags_[item.tag].tag;
  std::string text = std::string(what) + " for " + hex(item.va) + " under ASID " + hex(tag.asid) +
                     ", read as " + hex(item.value) + " from " + name(item.origin) +
                     " before the store at event " + std::to_string(item.stored_at) +
                     " was visible (event " + std::to_string(item.vanished_at) + ")";
  const TlbTarget target = target_of(item);
  const TlbiScope scope{0, e2h_ != 0};
  // The latest of those that came nearest: it covers the item, but at the wrong time; only its
  // tags are others'; it is about other addresses.
  enum : unsigned { none, elsewhere, others_tag, too_early, not_complete };
  unsigned nearest = none;
  std::string miss;
  for (u32 i = 0; i < history_.size(); ++i) {
    const InFlight& command = history_[i];
    if (!is_tlbi(command.command.op)) continue;
    const std::string why = why_not_covered(command.command, target, scope);
    std::string text_of_miss = " " + why;
    unsigned rank = elsewhere;
    if (why.empty()) {
      rank = command.at < item.since ? too_early : not_complete;
      text_of_miss = rank == too_early ? " covers it, but was exposed before the store was visible"
                     : item.dies == immortal
                         ? " covers it, but it can be fetched again from a cached table descriptor"
                         : " covers it, but no completed CMD_SYNC after it was observed";
    } else if (command.at < item.since) {
      continue;
    } else {
      TlbTarget alike = target;
      alike.asid = command.command.asid;
      alike.vmid = command.command.vmid;
      if (covers(command.command, alike, scope)) rank = others_tag;
    }
    if (rank < nearest) continue;
    nearest = rank;
    miss = describe(command.command) + " at event " + std::to_string(command.at) + text_of_miss;
  }
  text += miss.empty() ? "; no TLBI was issued since" : "; nearest miss: " + miss;
  return text;
}

std::string Caches::explain(const Outcome& outcome) const {
  switch (outcome.kind) {
    case OutcomeKind::any:
      if (outcome.rule == Rule::UNKNOWN_AFTER_RESET) {
        return "an entry from before reset may live: it was never invalidated";
      }
      if (outcome.rule == Rule::TAG_REGIMES) return "two configurations differ under one tag";
      if (outcome.rule == Rule::CONFLICT_TLB) return "living translations differ at this address";
      if (outcome.item != 0) return explain_item(items_[outcome.item - 1]);
      return "memory of unknown content at " + name(outcome.origin) + " is read";
    case OutcomeKind::bypass: return "the SMMU does not translate";
    case OutcomeKind::abort: return "terminated by STE.Config or GBPA";
    case OutcomeKind::fault:
    case OutcomeKind::translation: break;
  }
  std::string text;
  if (outcome.item != 0) {
    const Item& item = items_[outcome.item - 1];
    text = explain_item(item);
    if (item.origin != outcome.origin) text = name(outcome.origin) + " read through " + text;
    return text;
  }
  if (outcome.origin == 0) return std::string(rule_info(outcome.rule).text);
  return "memory: " + name(outcome.origin) + " holds " + hex(outcome.value);
}

}  // namespace iommucheck::spec
