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

/// When the device may have got it, and of the ATC_INVs since then the one that nearly removed it.
std::string Caches::explain_atc(const AtcItem& item, u64 va) const {
  const AtcOwner& owner = atc_owners_[item.owner];
  std::string text = "an ATC entry of stream " + hex(owner.sid);
  if (owner.ssv == 1) text += ", PASID " + hex(owner.ssid);
  if (owner.ssv == 0) text += " without a PASID";
  text += " for " + hex(va);
  if (item.identity != 0) {
    text += ", filled while S1DSS = 1 let accesses without a PASID through";
  } else if (item.kind == ItemKind::unknown) {
    text += item.from_reset != 0 ? ", filled by what was there before reset"
                                 : ", filled from unknown content";
  } else {
    const Candidate c = candidate_of(item, 0, va);
    text += ", read as " + hex(c.value) + " from " + name(c.origin);
    if (item.stored_at != 0)
      text += ", which the store at event " + std::to_string(item.stored_at) + " replaced";
  }
  text += "; an ATS request got this answer until ";
  text += item.stored_at != 0 ? "its TLB entry" : "the configuration";
  text += " was seen to be gone (event " + std::to_string(item.lost_at) + ")";
  const AtcTarget target{
      .sid = owner.sid, .has_pasid = owner.ssv != 0, .pasid = owner.ssid, .base = va};
  enum : unsigned { none, other_stream, elsewhere, other_pasid, not_in_time };
  unsigned nearest = none;
  std::string miss;
  for (u32 i = 0; i < history_.size(); ++i) {
    const InFlight& command = history_[i];
    if (command.command.op != Opcode::atc_inv) continue;
    const std::string why =
        why_not_covered(command.command, target, profile_.untagged_covers_pasids);
    std::string words = " covers " + why;
    unsigned rank = elsewhere;
    if (why.empty()) {
      rank = not_in_time;
      const bool early = item.filled_until == immortal || command.group <= item.filled_until;
      words = early ? " covers it, but is not behind the CMD_SYNC that ended this answer: the "
                      "device may have asked again after it"
              : item.dies == immortal
                  ? " covers it, but SMMUEN was not 1 for sure, and then it is ignored"
                  : " covers it, but no completed CMD_SYNC after it was observed";
    } else if (command.command.sid != owner.sid) {
      rank = other_stream;
    } else if (command.command.ssv && (owner.ssv != 1 || command.command.ssid != owner.ssid)) {
      rank = other_pasid;
    }
    if (rank < nearest) continue;
    nearest = rank;
    miss = describe(command.command) + " at event " + std::to_string(command.at) + words;
  }
  return text + (miss.empty() ? "; no ATC_INV was issued" : "; nearest miss: " + miss);
}

std::string Caches::explain(const Candidate& candidate, u64 va) const {
  if (candidate.from_atc()) return explain_atc(atc_items_[candidate.atc], va);
  if (candidate.item != 0) return explain_item(items_[candidate.item - 1]);
  return "memory: " + name(candidate.origin) + " holds " + hex(candidate.value);
}

std::string Caches::explain(const Outcome& outcome) const {
  if (outcome.atc != 0) {
    const AtcItem& item = atc_items_[outcome.atc];
    const u64 offset = outcome.kind == OutcomeKind::translation ? outcome.pa - item.output : 0;
    return explain_atc(item, item.first + offset);
  }
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
    case OutcomeKind::denied:
      if (outcome.origin == 0) {
        return "an ATS request is not granted: " + std::string(rule_info(outcome.rule).text);
      }
      break;
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
