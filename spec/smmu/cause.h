// SPDX-License-Identifier: MIT
// Why something is possible, as facts: where it was read, what of that is only cached any more, and
// the command that nearly removed it. Words are made of it in one place (cause_text).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "spec/rules.h"
#include "spec/smmu/coverage.h"

namespace iommucheck::spec {

/// The invalidation that came nearest to removing a cached entry, and why it did not.
struct NearestMiss {
  enum class Kind : u8 {
    not_covering,    ///< it is about something else: `why`
    too_early,       ///< it covers the entry, and was exposed before the change was visible
    not_complete,    ///< it covers the entry, but no CMD_SYNC behind it was seen to be complete
    fetched_again,   ///< it covers the entry, which a cached descriptor above may fill again
    answered_later,  ///< ATC_INV: the device could still ask, and get the same answer, after it
    combined_later,  ///< it ended combined entries, which were made again while stage 2 yielded it
    not_enabled,     ///< ATC_INV: ignored with SMMUEN = 0, or its endpoint did not answer in time
    unheard,         ///< a CPU's broadcast that covers the entry, with CR2.PTM = 1
  };
  Kind kind = Kind::not_covering;
  Command command{};
  EventIndex at = 0;  ///< event that exposed it
  NotCovered why{};
};

/// A structure that a fetch for a stream may read.
struct StructureOf {
  ConfigKind kind = ConfigKind::ste;
  u32 sid = 0;
  u32 ssid = 0;  ///< of an L1CD or a CD
};

/// A word of a structure of which only a cached copy has that value any more.
struct CachedWord {
  u32 index = 0;  ///< 64-bit word of the structure
  bool unknown = false;
  u64 value = 0;
  u64 now = 0;               ///< what memory holds there now
  EventIndex stored_at = 0;  ///< event that replaced it
};

struct CauseWord {
  u64 pa = 0;
  u64 value = 0;
};

/// One link of the chain that leads to an outcome.
struct Cause {
  enum class Kind : u8 {
    word,                ///< a word of memory that is there now
    unknown_word,        ///< memory of unknown content
    pending_word,        ///< a newer store to it, at `stored_at`, may not be visible yet
    cached_pointer,      ///< a table descriptor that memory does not hold any more
    cached_translation,  ///< a block or page
    cached_unknown,      ///< anything that was read from unknown content
    cached_combined,     ///< a combined entry, with a block or page of stage 2
    atc_entry,           ///< what a device's own cache holds
    atc_identity,        ///< filled while S1DSS = 1 let accesses without a PASID through
    atc_unknown,         ///< filled from unknown content
    atc_reset,           ///< filled by what was there before reset
    cached_structure,    ///< an L1STD, STE, L1CD or CD
    structure,           ///< the same as memory holds it now
    beyond_input,        ///< the address is outside of what TxSZ lets the tables translate
    half_disabled,       ///< CD.EPD0 or EPD1 is set
    table_root,          ///< a page is the root of a translation regime
    table_link,          ///< a word of memory points to a page
    configuration,       ///< a page holds structures that can be fetched
    rule,                ///< the rule says it: of the outcome, or of what is denied
    bypass,              ///< the SMMU does not translate
    terminated,          ///< by STE.Config or GBPA
    from_reset,          ///< an entry from before reset may live
    tags_differ,         ///< two configurations differ under one tag
    entries_differ,      ///< living translations differ
    global_word,         ///< as `word`: a global leaf, which every ASID may use
  };
  Kind kind = Kind::rule;
  u64 pa = 0;     ///< where it was read; of a structure, where that lies
  u64 value = 0;  ///< and what
  u64 va = 0;     ///< input address that it translates
  u64 asid = 0;
  std::optional<u64> vmid{};  ///< of stage 2, which has no ASID
  u32 sid = 0;
  std::optional<u32> ssid{};
  ConfigKind structure = ConfigKind::ste;
  std::vector<CachedWord> words{};  ///< of a cached structure, those that memory says otherwise
  bool as_cached = false;           ///< structure: what is cached breaks `rule`, and this does not
  std::optional<Rule> rule{};       ///< that decides what the word means
  bool unclean = false;             ///< pending_word: nor has its line been cleaned
  bool contiguous = false;          ///< a leaf that may be cached for the whole of its group
  unsigned txsz = 0;                ///< beyond_input: TxSZ; half_disabled: which half
  EventIndex stored_at = 0;         ///< event that replaced it, 0: none did
  EventIndex vanished_at = 0;       ///< and at which that was visible
  bool unreplaced = false;          ///< `stored_at` is no store: it could be read until then
  EventIndex lost_at = 0;           ///< ATC: at which the answer was seen to be gone
  std::optional<CauseWord> through{};  ///< what memory says below a cached pointer
  std::optional<NearestMiss> miss{};   ///< of something cached
};

/// Names addresses for people; empty: as numbers.
using Namer = std::function<std::string(u64)>;

/// "ASID 0x5", "VMID 0x9 (stage 2)".
std::string tag_text(const Tag<u64>& tag);
/// The link in words, without an end of line.
std::string cause_text(const Cause& cause, const Namer& namer = {});
std::string cause_text_without_miss(const Cause& cause, const Namer& namer = {});
std::string miss_text(const NearestMiss& miss);
std::string not_covered_text(const NotCovered& why);
/// "STE", "CD", "L1STD", "L1CD".
std::string_view structure_name(ConfigKind kind);

}  // namespace iommucheck::spec
