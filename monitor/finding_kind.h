// SPDX-License-Identifier: MIT
// What tells findings of one rule apart, by its members: what was being done, what hardware may do,
// what is promised, and what is left over from before and why. Neither an address nor a number of
// the case. Findings are compared by it; words are made of it in one place
// (report/finding_kind_text.h), and read back from files alone.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

#include "spec/rules.h"
#include "spec/smmu/event_type.h"
#include "spec/sva/call.h"
#include "spec/sva/expectation.h"

namespace iommucheck::oracle {

/// One thing that hardware may do to an access.
enum class MayKind : u8 {
  anything,
  reach,          ///< `pa`, with the rights and the memory type of a translation
  pass,           ///< untranslated, to `pa`
  fault,          ///< by the tables
  fault_at_once,  ///< it does not wait for an answer, and should
  fault_waits,    ///< it waits for an answer, and should not
  event,          ///< of configuration: `event`
  terminated,     ///< by configuration, without an event
  translated,     ///< by some tables of `asid` or `vmid`, where there should be none
  stalls,         ///< the same, and faults wait for an answer
  not_granted,    ///< an ATS request
};

/// The same without its numbers.
struct MayDo {
  MayKind kind{};
  spec::EventType event{};  ///< of `event`
  friend auto operator<=>(const MayDo&, const MayDo&) = default;
};

/// What is the same in each case in which a device does one thing that it may not, by its parts.
struct DeviceKind {
  std::string what{};                   ///< in words; of a wrong field the record's name
  std::string field{};                  ///< that is wrong in the record
  std::vector<std::string> features{};  ///< that the access, its CD or its descriptors have
  spec::EventType record{};   ///< that came and is wrong, or of an access that should pass
  bool names_record = false;  ///< it is that this record came, whatever was expected
  friend bool operator==(const DeviceKind&, const DeviceKind&) = default;
};
/// "F_TRANSLATION.CLASS", "terminated as F_TRANSLATION (through TTB1, the top byte is ignored)".
std::string text_of(const DeviceKind& kind);

/// What of a finding's cause memory does not say any more, or not yet for all.
struct LeftOver {
  enum class Thing : u8 {
    store,  ///< a newer store that may not be visible yet
    table,  ///< cached: a table descriptor
    leaf,
    combined,  ///< with a leaf of stage 2
    unknown,   ///< read from unknown content
    atc,       ///< an entry of a device's own cache
    atc_at_pasid,
    l1std,
    ste,
    l1cd,
    cd,
  };
  /// Why no command has removed it: none was sent, or what the nearest lacks.
  enum class Why : u8 {
    none_sent,
    covers,  ///< it lacks nothing
    other_kind,
    vmid,
    asid,
    not_for_global,
    aset,
    stage1_only,
    stage2_only,
    not_combined,
    world,
    unaligned,
    leaf_only,
    granule,
    level,
    address,
    ends_before,        ///< a TLBI of some pages, right before the address
    range_ends_before,  ///< the same of a TLBI of a range
    stream,
    pasid,
    size,
    not_all,
    early,
    no_sync,
    fetched_again,
    answered_later,   ///< by memory, through a configuration that was still there
    answered_by_tlb,  ///< later, by a TLB entry that memory does not say any more
    combined_later,
    not_enabled,
    unheard,
  };
  Thing thing{};
  std::optional<Why> why{};  ///< none: no command removes such a thing
  std::string since{};       ///< call that replaced it, where `doing` is another; empty: not said
  friend bool operator==(const LeftOver&, const LeftOver&) = default;
};

struct FindingKind {
  enum class What : u8 {
    nothing,   ///< but what is done, and what is left over
    answer,    ///< of a call: `status`, and in `words` what is wrong with it
    may,       ///< what hardware may do: `may`
    sentence,  ///< of the check that found it: `words`
    model,     ///< of a backend's model, about the cause: `words`
    end,       ///< of the driver's process: `end`
    device,    ///< what a device does: `device`
  };
  /// Of what is reached and should be: what is not as it should be.
  enum class Wrong : u8 { nothing, place, rights, memory };
  enum class End : u8 { never, signal, exit };

  What what{};
  std::string doing{};         ///< call or operation, by its name; empty: it is of none
  spec::sva::Status status{};  ///< of the answer
  std::string words{};         ///< without numbers
  std::vector<MayDo> may{};    ///< ascending, as `promised`; each once
  std::vector<spec::sva::State> promised{};
  Wrong wrong{};
  std::string memory{};              ///< what is reached, where it is wrong in that
  bool walker = false;               ///< by a walker beside the SMMU
  std::optional<spec::Rule> rule{};  ///< why hardware may do that
  End end{};
  u32 number = 0;  ///< of the signal, or the exit status
  DeviceKind device{};
  std::optional<LeftOver> left{};

  [[nodiscard]] bool empty() const { return *this == FindingKind{}; }
  /// Of several rules that one cause breaks, which is broken first is luck.
  [[nodiscard]] bool names_cause() const { return left.has_value() || what == What::model; }
  friend bool operator==(const FindingKind&, const FindingKind&) = default;
};

/// One of which nothing is known but its words: a check's that has no more, or an older file's.
FindingKind kind_in_words(std::string words);
FindingKind kind_of_device(DeviceKind device);

}  // namespace iommucheck::oracle
