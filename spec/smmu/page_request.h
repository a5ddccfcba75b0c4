// SPDX-License-Identifier: MIT
// Page requests (PRI): what becomes of a message of an endpoint at the PRI queue, what its record
// looks like, and which responses endpoints are sent. IHI 0070 3.9.1, 4.5.2, 8.
//
// Pure: what the registers say comes as PageQueue, and what may happen goes as a set. What the
// manual leaves open has several members, and what it fixes has one.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/smmu/command.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/registers.h"

namespace iommucheck::spec {

inline constexpr unsigned page_request_words = 2;
inline constexpr unsigned prg_index_bits = 9;
using PageRequestWords = std::array<u64, page_request_words>;

/// A Page Request Message (PPR) or a Stop Marker, as it arrives. Without a PASID it has neither
/// `execute` nor `privileged`: these are in the PASID's prefix. IHI 0070 8.
struct PageRequest {
  u32 sid = 0;
  std::optional<u32> ssid{};  ///< its PASID, below 2^20
  u64 address = 0;            ///< bits 11:0 are 0
  u32 prg_index = 0;          ///< below 2^9
  bool last = false, write = false, read = false, execute = false, privileged = false;
  bool secure = false;  ///< of a Secure stream, which has no PRI: 8.2
  friend bool operator==(const PageRequest&, const PageRequest&) = default;
};

/// LWR = 0b100 with a PASID: "Stop PASID", which nobody answers. IHI 0070 8.
constexpr bool is_stop_marker(const PageRequest& request) {
  return request.ssid && request.last && !request.write && !request.read;
}

// ---- the record ---------------------------------------------------------------------------------

/// `fixed` has the bits that must be as in `dw`; SubstreamID is UNKNOWN where SSV = 0. IHI 0070 8.
struct PageRequestRecord {
  PageRequestWords dw{}, fixed{};
  friend bool operator==(const PageRequestRecord&, const PageRequestRecord&) = default;
};
/// The record of a message that is recorded. Where IDR1.SSIDSIZE = 0 SSV is 0.
PageRequestRecord record_of(const PageRequest& request, const Capabilities& caps);
/// The message that a record tells of.
PageRequest page_request_in(const PageRequestWords& dw);
bool matches(const PageRequestRecord& expected, const PageRequestWords& observed);
/// All fields in which the record observed is another one; "a reserved bit" for what is none.
std::vector<FieldDifference> differences(const PageRequestRecord& expected,
                                         const PageRequestWords& observed);

// ---- responses ----------------------------------------------------------------------------------

/// ResponseCode of a PRG Response Message. IHI 0070 8.3.
enum class ResponseCode : u8 { success = 0, invalid_request = 1, failure = 0xf };

/// A PRG Response Message: the group's answer, to the endpoint.
struct PageResponse {
  u32 sid = 0;
  std::optional<u32> ssid{};  ///< absent: it has no PASID
  u32 prg_index = 0;
  ResponseCode code{};
  friend bool operator==(const PageResponse&, const PageResponse&) = default;
};

/// What CMD_PRI_RESP sends: one of these, where nothing is nothing. An illegal command sends
/// nothing, and neither does one while SMMUEN = 0. With SSV = 1 and without SubstreamIDs it is sent
/// without a PASID, or not at all. For systems all of whose parts have PRI. IHI 0070 4.5.2.
std::vector<std::optional<PageResponse>> command_responses(const Command& command,
                                                           const Capabilities& caps, bool smmuen);

// ---- a message arrives --------------------------------------------------------------------------

/// What it meets. IHI 0070 8.1, 8.2.
struct PageQueue {
  bool enabled = false;       ///< the effective PRIQEN: of CR0, and SMMUEN = 1
  bool aborted = false;       ///< GERROR.PRIQ_ABT_ERR is active
  bool full = false;          ///< by PRIQ_PROD.WR and PRIQ_CONS.RD
  bool overflow = false;      ///< PRIQ_PROD.OVFLG is not PRIQ_CONS.OVACKFLG
  bool write_aborts = false;  ///< a write of a record ends in an external abort
};

/// What STE.PPAR says, of a stream whose STE can be found.
enum class Ppar : u8 { not_found, no_pasid, pasid };
struct PparCheck {
  Ppar ppar = Ppar::not_found;
  EventType event = EventType::none;  ///< recorded where it was not found: by CR2.REC_CFG_ATS
};

/// What becomes of it.
struct PageRequestOutcome {
  enum class End : u8 {
    recorded,   ///< in the PRI queue; software will answer its group
    answered,   ///< by the SMMU itself: an automatic response, and no record
    discarded,  ///< in silence
  };
  End end = End::discarded;
  bool overflows = false;                  ///< PRIQ_PROD.OVFLG toggles
  bool aborts = false;                     ///< GERROR.PRIQ_ABT_ERR becomes active
  std::optional<PageResponse> response{};  ///< of `answered`
  EventType event = EventType::none;       ///< the check of STE.PPAR records it
  std::string_view section;                ///< of IHI 0070
  friend bool operator==(const PageRequestOutcome&, const PageRequestOutcome&) = default;
};
using PageRequestEnd = PageRequestOutcome::End;

/// All that may become of a message: one at least. `check` counts only where a response to an
/// overflow depends on STE.PPAR.
std::vector<PageRequestOutcome> page_request_outcomes(const PageRequest& request,
                                                      const PageQueue& queue,
                                                      const Capabilities& caps,
                                                      const PparCheck& check);

// ---- for reports --------------------------------------------------------------------------------

/// "a page request of 0x10 for 0x5000 (read, Last), PRG index 3, PASID 0x2".
std::string describe(const PageRequest& request);
/// "Success to 0x10, PRG index 3, without a PASID".
std::string describe(const PageResponse& response);
/// "Success", "Invalid Request", "Response Failure".
std::string_view response_name(ResponseCode code);

}  // namespace iommucheck::spec
