// SPDX-License-Identifier: MIT
// The words of causes. Whoever prints one calls this, so that it reads the same everywhere.
#include "base/text.h"
#include "spec/rules/structures.h"
#include "spec/smmu/cause.h"
#include "spec/smmu/cd.h"
#include "spec/smmu/items.h"
#include "spec/smmu/ste.h"

namespace iommucheck::spec {
namespace {

std::string number(std::string_view name, u64 value) {
  return std::string(name) + ' ' + std::to_string(value);
}

std::string_view world_name(u64 world) {
  switch (static_cast<StreamWorld>(world)) {
    case StreamWorld::el1: return "EL1";
    case StreamWorld::el2: return "EL2";
    case StreamWorld::el2_e2h: return "EL2-E2H";
    case StreamWorld::foreign: return "a walker beside the SMMU";
  }
  return "?";
}

std::string named(const Namer& namer, u64 pa) { return namer ? namer(pa) : hex(pa); }

std::string stream_of(const Cause& cause) {
  std::string text = "stream " + hex(cause.sid);
  if (cause.ssid) text += ", PASID " + hex(*cause.ssid);
  return text;
}

std::string event(EventIndex at) { return "event " + std::to_string(at); }

/// Of what has no nearest miss, whose text would follow: that there was nothing near.
std::string ending(const Cause& cause, std::string_view none) {
  return cause.miss ? "" : "; " + std::string(none);
}

std::string space_of(const Cause& cause) {
  return cause.vmid ? "VMID " + hex(*cause.vmid) + " (stage 2)" : "ASID " + hex(cause.asid);
}

std::string cached_entry(const Cause& cause, const Namer& namer) {
  const char* what = cause.kind == Cause::Kind::cached_pointer ? "a cached table descriptor"
                     : cause.kind == Cause::Kind::cached_unknown
                         ? "anything read from unknown content"
                     : cause.kind == Cause::Kind::cached_combined
                         ? "a combined entry (stage 1 and 2), with the stage 2 translation"
                         : "a cached translation";
  const std::string read = cause.through ? named(namer, cause.through->pa) + ", which holds " +
                                               hex(cause.through->value) + ", read through "
                                         : std::string();
  const std::string until =
      cause.stored_at == 0 ? ", to which no " + std::string(cause.vmid ? "STE" : "CD") +
                                 " leads since " + event(cause.vanished_at)
      : cause.unreplaced ? ", which could be read there until " + event(cause.vanished_at)
                         : " before the store at " + event(cause.stored_at) + " was visible (" +
                               event(cause.vanished_at) + ")";
  return read + what + " for " + hex(cause.va) + " under " + space_of(cause) + ", read as " +
         hex(cause.value) + " from " + named(namer, cause.pa) + until +
         ending(cause, "no TLBI that concerns it was issued since");
}

std::string atc_entry(const Cause& cause, const Namer& namer) {
  std::string text = "an ATC entry of " + stream_of(cause) + " for " + hex(cause.va);
  switch (cause.kind) {
    case Cause::Kind::atc_identity:
      text += ", filled while S1DSS = 1 let accesses without a PASID through";
      break;
    case Cause::Kind::atc_reset: text += ", filled by what was there before reset"; break;
    case Cause::Kind::atc_unknown: text += ", filled from unknown content"; break;
    default:
      text += ", read as " + hex(cause.value) + " from " + named(namer, cause.pa);
      if (cause.unreplaced) {
        text += ", which could be read there until " + event(cause.stored_at);
      } else if (cause.stored_at != 0) {
        text += ", which the store at " + event(cause.stored_at) + " replaced";
      }
  }
  text += "; an ATS request got this answer until ";
  text += cause.stored_at != 0 ? "its TLB entry" : "the configuration";
  return text + " was seen to be gone (" + event(cause.lost_at) + ")" +
         ending(cause, "no ATC_INV was issued");
}

/// "a cached STE of stream 0x1 from 0x80001000: word 0 as 0x9 (event 12 stored 0x0), ...".
std::string cached_structure(const Cause& cause, const Namer& namer) {
  std::string text =
      "a cached " + std::string(structure_name(cause.structure)) + " of " + stream_of(cause);
  if (cause.pa != ConfigItem::no_place) text += ", read from " + named(namer, cause.pa);
  text += ": ";
  for (std::size_t i = 0; i < cause.words.size(); ++i) {
    const CachedWord& word = cause.words[i];
    if (word.index == ConfigItem::atschk_word) {
      text += std::string(i == 0 ? "" : ", ") + "CR0.ATSCHK as " + std::to_string(word.value) +
              " (it was changed: " + event(word.stored_at) + ")";
      continue;
    }
    text += (i == 0 ? "word " : ", word ") + std::to_string(word.index) + " as " +
            (word.unknown ? std::string("unknown content") : hex(word.value)) + " (memory has " +
            hex(word.now);
    if (word.stored_at != 0) text += " since " + event(word.stored_at);
    text += ')';
  }
  return text + ending(cause, "no CFGI that concerns it was issued since");
}

/// What the fields of a CD say that decide where an access goes, how, and how it faults.
std::string deciding_fields(const Cd<u64>& cd) {
  std::string text;
  if (!cd.v().value) text += "V 0, ";
  text += number("ASID", cd.asid());
  for (unsigned half = 0; half < 2; ++half) {
    const std::string x = std::to_string(half);
    if (cd.epd(half).value) {
      if (half == 0) text += ", EPD0 1";
      continue;
    }
    text += ", " + number("T" + x + "SZ", cd.tsz(half)) + ", TTB" + x + " " + hex(cd.ttb(half));
  }
  return text + ", MAIR " + hex(cd.mair()) + ", " + number("IPS", cd.ips()) + ", " +
         number("S", cd.s().value) + ", " + number("HA", cd.ha().value) + ", " +
         number("HD", cd.hd().value);
}

std::string deciding_fields(const Ste<u64>& ste) {
  std::string text;
  if (!ste.v().value) text += "V 0, ";
  text += number("Config", ste.config());
  if (ste.stage1().value) {
    text += ", " + number("S1CDMax", ste.s1cdmax()) + ", " + number("S1DSS", ste.s1dss()) + ", " +
            number("S1STALLD", ste.s1stalld().value);
  }
  text += ", " + number("EATS", ste.eats()) + ", " + number("SHCFG", ste.shcfg());
  if (ste.mtcfg().value) text += ", " + number("MemAttr", ste.memattr());
  if (!ste.stage2().value) {
    return ste.s2vmid() == 0 ? text : text + ", " + number("S2VMID", ste.s2vmid());
  }
  return text + ", " + number("S2VMID", ste.s2vmid()) + ", " + number("S2T0SZ", ste.s2t0sz()) +
         ", " + number("S2SL0", ste.s2sl0()) + ", " + number("S2PS", ste.s2ps()) + ", S2TTB " +
         hex(ste.s2ttb()) + ", " + number("S2S", ste.s2s().value) + ", " +
         number("S2HA", ste.s2ha().value) + ", " + number("S2HD", ste.s2hd().value);
}

template <class Structure>
std::string deciding_fields(const std::vector<CachedWord>& words) {
  Structure structure;
  for (const CachedWord& word : words) {
    if (word.index < structure.dw.size()) structure.dw[word.index] = word.now;
  }
  return deciding_fields(structure);
}

/// "memory: the CD of stream 0x1 at 0x80006000: ASID 1, ...", or its first word.
std::string structure_in_memory(const Cause& cause, const Namer& namer) {
  std::string text = "memory: the " + std::string(structure_name(cause.structure)) + " of " +
                     stream_of(cause) + " at " + named(namer, cause.pa);
  if (cause.words.empty()) {
    text += " has " + hex(cause.value) + " as its first word";
  } else {
    text += ": " + (cause.structure == ConfigKind::cd ? deciding_fields<Cd<u64>>(cause.words)
                                                      : deciding_fields<Ste<u64>>(cause.words));
  }
  if (cause.stored_at != 0) {
    return text + ", and the store at " + event(cause.stored_at) +
           " to it may not be visible yet: no barrier or clean has made it so";
  }
  if (cause.as_cached) return text + ", and no access that meets it ends so";
  if (cause.rule) text += ", where this has to hold: " + std::string(rule_info(*cause.rule).text);
  return text;
}

}  // namespace

std::string tag_text(const Tag<u64>& tag) {
  Cause cause;
  cause.asid = tag.asid;
  if (tag.stage == Stage::stage2) cause.vmid = tag.vmid;
  return space_of(cause);
}

std::string_view structure_name(ConfigKind kind) {
  switch (kind) {
    case ConfigKind::l1std: return "L1STD";
    case ConfigKind::ste: return "STE";
    case ConfigKind::l1cd: return "L1CD";
    case ConfigKind::cd: return "CD";
  }
  return "?";
}

std::string not_covered_text(const NotCovered& why) {
  using Reason = NotCovered::Reason;
  const auto differ = [&](std::string_view name) {
    return number(name, why.its) + "; the entry has " + number(name, why.wanted);
  };
  const std::string but = why.same_address ? "this VA, but " : "";
  switch (why.reason) {
    case Reason::none: return "it";
    case Reason::other_kind: return "entries of another kind";
    case Reason::vmid: return but + differ("VMID");
    case Reason::asid: return but + differ("ASID");
    case Reason::apart: return but + "what has CD.ASET = 0 only, as a broadcast by ASID";
    case Reason::non_global_only: return but + "non-global entries only; the entry is global";
    case Reason::stage1_only: return but + "stage 1 entries only; the entry is of stage 2";
    case Reason::stage2_only: return but + "stage 2 entries only; the entry is of stage 1";
    case Reason::not_combined:
      return "no combined entries of an unknown VA; those need TLBI_NH_ALL or TLBI_S12_VMALL";
    case Reason::world:
      return but + "another stream world; the entry is of " + std::string(world_name(why.wanted));
    case Reason::unaligned: return "nothing: address not aligned as TG and TTL ask";
    case Reason::leaf_only: return "leaves only; the entry is a table pointer";
    case Reason::granule: return "another granule (TG)";
    case Reason::level:
      return number("level", why.its) + " only; the entry is of " + number("level", why.wanted);
    case Reason::above_level: return number("pointers above level", why.its) + " only";
    case Reason::address:
      return "other addresses, " + hex(why.its) + " to " + hex(why.last) + "; the entry is for " +
             hex(why.wanted);
    case Reason::stream:
      return number("StreamID", why.its) + " only; the entry is of " +
             number("StreamID", why.wanted);
    case Reason::substream: return differ("PASID");
    case Reason::no_pasid:
      return number("PASID", why.its) + " only; the entry has none (SSV = 0 is needed)";
    case Reason::untagged_only:
      return "entries without a PASID only; the entry has " + number("PASID", why.wanted);
    case Reason::not_all:
      return "some addresses or PASIDs only; those of a user's entry are not known, and only "
             "ATC_INV of all ends it";
    case Reason::size: return "nothing for sure: Size is above 52";
  }
  return "?";
}

std::string miss_text(const NearestMiss& miss) {
  std::string text = miss.command.broadcast ? "the broadcast of " : "";
  text += describe(miss.command) + " at event " + std::to_string(miss.at);
  switch (miss.kind) {
    case NearestMiss::Kind::not_covering: return text + " covers " + not_covered_text(miss.why);
    case NearestMiss::Kind::too_early:
      return text +
             " covers it, but was exposed while it could still be cached; none that concerns it "
             "was sent since";
    case NearestMiss::Kind::not_complete:
      if (miss.command.broadcast)
        return text + " covers it, but no DSB of its CPU has completed it";
      return text + " covers it, but no completed CMD_SYNC after it was observed";
    case NearestMiss::Kind::fetched_again:
      return text + " covers it, but it can be fetched again from a cached table descriptor";
    case NearestMiss::Kind::answered_later:
      return text +
             " covers it, but is not behind the CMD_SYNC that ended this answer: the device "
             "may have asked again after it";
    case NearestMiss::Kind::combined_later:
      return text +
             " covers it, but is not behind the CMD_SYNC that ended the stage 2 entry: combined "
             "entries may have been made of that after it";
    case NearestMiss::Kind::not_enabled:
      return text +
             " covers it, but may have done nothing: SMMUEN was not 1 for sure, or the CMD_SYNC "
             "behind it ended in CERROR_ATC_INV_SYNC, and then it has to be sent again";
    case NearestMiss::Kind::unheard:
      return text + " covers it, but CR2.PTM is 1: the SMMU need not hear broadcasts";
  }
  return text;
}

std::string cause_text(const Cause& cause, const Namer& namer) {
  std::string text = cause_text_without_miss(cause, namer);
  if (cause.miss) text += "; nearest miss: " + miss_text(*cause.miss);
  return text;
}

std::string cause_text_without_miss(const Cause& cause, const Namer& namer) {
  using Kind = Cause::Kind;
  const auto by_rule = [&] { return std::string(rule_info(*cause.rule).text); };
  switch (cause.kind) {
    case Kind::word: {
      std::string text = "memory: " + named(namer, cause.pa) + " holds " + hex(cause.value);
      if (cause.contiguous)
        text += ", with the contiguous hint: cached, it may stand for its group";
      if (cause.rule) text += ": " + by_rule();
      return text;
    }
    case Kind::global_word:
      return "memory: " + named(namer, cause.pa) + " holds " + hex(cause.value) +
             ", a global translation (nG = 0): once cached it is every ASID's";
    case Kind::pending_word:
      return "memory: " + named(namer, cause.pa) + " may still read as " + hex(cause.value) +
             (cause.unclean ? ": no dma_clean and barrier behind it have made the store at "
                            : ": no barrier has made the store at ") +
             event(cause.stored_at) + " visible" + (cause.unclean ? " (IDR0.COHACC = 0)" : "");
    case Kind::unknown_word:
      return "memory of unknown content at " + named(namer, cause.pa) + " is read";
    case Kind::cached_pointer:
    case Kind::cached_translation:
    case Kind::cached_unknown:
    case Kind::cached_combined: return cached_entry(cause, namer);
    case Kind::atc_entry:
    case Kind::atc_identity:
    case Kind::atc_unknown:
    case Kind::atc_reset: return atc_entry(cause, namer);
    case Kind::cached_structure: return cached_structure(cause, namer);
    case Kind::structure: return structure_in_memory(cause, namer);
    case Kind::beyond_input:
      return (cause.vmid ? std::string("S2T0SZ of the STE is ")
                         : "T" + std::to_string(cause.value) + "SZ of the CD is ") +
             std::to_string(cause.txsz) + ": its tables translate input addresses of " +
             std::to_string(64 - cause.txsz) + " bits, and " + hex(cause.va) + " is beyond them";
    case Kind::half_disabled:
      return "CD.EPD" + std::to_string(cause.value) + " is 1: nothing is translated there";
    case Kind::table_root: return "it is the root of the translation regime of " + space_of(cause);
    case Kind::table_link: return named(namer, cause.pa) + " points to it";
    case Kind::configuration: return "it holds configuration structures that can be fetched";
    case Kind::rule:
      if (cause.rule != rule::STREAM_ID_RANGE || cause.txsz == 0) return by_rule();
      return by_rule() + " STRTAB_BASE_CFG.LOG2SIZE is " + std::to_string(cause.txsz) +
             ", and the StreamID " + hex(cause.sid);
    case Kind::bypass: return "the SMMU does not translate";
    case Kind::terminated: return "terminated by STE.Config or GBPA, or silently by ATS";
    case Kind::from_reset: return "an entry from before reset may live: it was never invalidated";
    case Kind::tags_differ: return "two configurations differ under one tag";
    case Kind::entries_differ: return "living translations differ at this address";
  }
  return "?";
}

}  // namespace iommucheck::spec
