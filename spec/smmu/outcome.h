// SPDX-License-Identifier: MIT
// An access as it arrives, and one thing that may become of it.
#pragma once

#include "spec/arch/attributes.h"
#include "spec/rules/unset.h"
#include "spec/smmu/cd.h"

namespace iommucheck::spec {

/// How a device sends an access. By ATS (`translated`) it uses what its ATC holds or asks for a
/// translation first; `either` is all that the device may do: without ATS at the endpoint only
/// untranslated accesses, and with it both. An ATS request that is not granted counts as nothing
/// there, since nothing happens.
enum class Route : u8 { either, untranslated, translated };

/// Who accesses what. `ssid` counts where `ssv`.
struct Access {
  u32 sid = 0;
  u32 ssid = 0;
  bool ssv = false;
  AccessType type = AccessType::read;
  bool privileged = false;
  u64 va = 0;
  Route route = Route::either;
};

/// `denied`: an ATS request is not granted, whatever the reason (UR, CA, or no rights); no event.
/// `within`: stage 1 is a user's, and not looked at: whatever look-ups of any address may find
/// under the tag of stage 2, or any fault.
enum class OutcomeKind : u8 { translation, bypass, fault, abort, any, denied, within };

/// Parts of the architecture that decide about an access and that who answers has not got: then
/// `any` says nothing of what hardware may do, and nobody is judged by it.
enum class NotModelled : u8 { no, stage2, aarch32, big_endian, nested_ats };
/// What an access meets there is described by memory alone, and what caches hold of it is not.
constexpr bool is_described(NotModelled what) {
  return what == NotModelled::no || what == NotModelled::big_endian;
}
constexpr std::string_view text_of(NotModelled what) {
  switch (what) {
    case NotModelled::no: break;
    case NotModelled::stage2: return "stage 2 tables other than little-endian AArch64 ones";
    case NotModelled::aarch32: return "AArch32 translation tables (CD.AA64 = 0)";
    case NotModelled::big_endian: return "big-endian translation tables (CD.ENDI = 1)";
    case NotModelled::nested_ats: return "ATS where translation is nested";
  }
  return {};
}

/// One thing that may happen to an access. A fault terminates or stalls, with a record, by
/// `reaction` (translation faults) or always with a record that aborts (other events).
struct Outcome {
  OutcomeKind kind = OutcomeKind::any;
  u64 pa = 0;    ///< translation, bypass
  u64 attr = 0;  ///< translation: the MAIR byte
  /// translation, bypass: with which it goes on. Of an ATS answer those of the leaf.
  MemoryAttributes memory{};
  bool dirty = false;  ///< translation: the write also clears AP[2] of its descriptor
  EventType event = EventType::none;
  FaultReaction reaction{};
  AccessKind seen{};  ///< a translation fault: the access as its record has it (InD, PnU)
  /// Of a fault of stage 2, whose record says it (S2): what it translated (CLASS), and the address.
  bool stage2 = false;
  Stage2Input input = Stage2Input::transaction;
  u64 ipa = 0;
  Rule rule = unset::descriptor;  ///< that decided a fault, or why it is `any`
  NotModelled not_modelled =
      NotModelled::no;  ///< any: not what is unpredictable, but not known here
  u32 tag = 0;          ///< within: of stage 2
  // Where it comes from; not compared.
  u32 item = 0;    ///< 1 + the cached item it used last, 0: memory alone
  u32 told = 0;    ///< 1 + the pointer of ToldPointers that it went on behind, 0: none
  u64 origin = 0;  ///< address of the last word read
  u64 value = 0;   ///< and what was read there
  u32 atc = 0;     ///< the ATC item that it used, 0: none

  /// It has an address: of a translation, or its own.
  [[nodiscard]] bool passes() const {
    return kind == OutcomeKind::translation || kind == OutcomeKind::bypass;
  }
  /// The transaction waits for CMD_RESUME or CMD_STALL_TERM; the record has Stall = 1.
  [[nodiscard]] bool stalled() const { return kind == OutcomeKind::fault && reaction.stall; }

  [[nodiscard]] bool same(const Outcome& o) const {
    return kind == o.kind && pa == o.pa && attr == o.attr && memory == o.memory &&
           dirty == o.dirty && event == o.event && not_modelled == o.not_modelled &&
           reaction == o.reaction && stage2 == o.stage2 && input == o.input && ipa == o.ipa &&
           tag == o.tag && (kind != OutcomeKind::fault || seen == o.seen);
  }
};

}  // namespace iommucheck::spec
