// SPDX-License-Identifier: MIT
// Event records: 32 bytes with the bits that the architecture fixes. IHI 0070 7.3; arch 6.1, 6.2.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/smmu/event_type.h"

namespace iommucheck::spec {

inline constexpr unsigned event_words = 4;

/// CLASS: what raised a translation fault.
enum class EventClass : u8 { cd = 0, tt = 1, in = 2 };

/// What a record may say; which of it a type carries, record_of() knows.
struct EventFields {
  u32 sid = 0;
  std::optional<u32> ssid;  ///< absent: SSV = 0, and the field is UNKNOWN
  bool stall = false;
  std::optional<u16> stag;  ///< absent: any (the SMMU chooses), or UNKNOWN with Stall = 0
  bool privileged = false;
  bool instruction = false;
  bool read = true;
  bool stage2 = false;
  EventClass event_class = EventClass::in;
  bool descriptor_read = true;  ///< TTRnW; of F_PERMISSION with CLASS = TT
  u64 input_address = 0;
  u64 ipa = 0;            ///< counts if stage2
  u64 fetch_address = 0;  ///< of F_*_FETCH and F_WALK_EABT
  /// Of F_STE_FETCH and F_CD_FETCH: bits of it from there on are UNKNOWN, up to bit 51.
  unsigned fetch_unknown_lsb = 52;
};

/// `fixed` has the bits that must be as in `dw`; the rest is UNKNOWN or IMPLEMENTATION DEFINED.
struct EventRecord {
  std::array<u64, event_words> dw{};
  std::array<u64, event_words> fixed{};
  friend bool operator==(const EventRecord&, const EventRecord&) = default;
};

EventRecord record_of(EventType type, const EventFields& fields);

/// The record observed is one of those.
bool matches(const EventRecord& expected, const std::array<u64, event_words>& observed);

/// A field in which the record observed is not as expected.
struct FieldDifference {
  std::string_view name;
  u64 observed = 0, expected = 0;
};

/// All fields in which they differ, from the first word on; "a reserved bit" for what is none.
std::vector<FieldDifference> differences(const EventRecord& expected,
                                         const std::array<u64, event_words>& observed);

/// The same as text, "RnW is 0x0, expected 0x1; ..."; empty if they match.
std::string describe_mismatch(const EventRecord& expected,
                              const std::array<u64, event_words>& observed);

constexpr EventType event_type_of(const std::array<u64, event_words>& dw) {
  return static_cast<EventType>(dw[0] & 0xff);
}
constexpr u32 event_sid(const std::array<u64, event_words>& dw) {
  return static_cast<u32>(dw[0] >> 32);
}

/// One line: "F_TRANSLATION sid=1 va=0x1000 read unprivileged data stage 1".
std::string describe(const std::array<u64, event_words>& dw);

}  // namespace iommucheck::spec
