// SPDX-License-Identifier: MIT
#include "spec/smmu/page_request.h"

#include <algorithm>

#include "base/bits.h"
#include "base/text.h"
#include "spec/smmu/command_legal.h"
#include "spec/smmu/record_fields.h"

namespace iommucheck::spec {

namespace {

using End = PageRequestEnd;

constexpr unsigned ssv_bit = 63, last_bit = 62, write_bit = 61, read_bit = 60, execute_bit = 59,
                   privileged_bit = 58;  // of the first word

constexpr RecordField request_fields[] = {
    {0, 31, 0, "StreamID"},
    {0, 51, 32, "SubstreamID"},
    {0, privileged_bit, privileged_bit, "Priv"},
    {0, execute_bit, execute_bit, "X"},
    {0, read_bit, read_bit, "R"},
    {0, write_bit, write_bit, "W"},
    {0, last_bit, last_bit, "Last"},
    {0, ssv_bit, ssv_bit, "SSV"},
    {1, 8, 0, "PRGIndex"},
    {1, 63, 12, "Page address"},
};

u64 place(bool value, unsigned n) { return u64{value} << n; }

PageResponse answer(const PageRequest& request, ResponseCode code, std::optional<u32> ssid = {}) {
  return {.sid = request.sid, .ssid = ssid, .prg_index = request.prg_index, .code = code};
}

PageRequestOutcome answered(const PageResponse& response, std::string_view section) {
  return {.end = End::answered, .response = response, .section = section};
}

/// The response to a message with Last = 1 that an overflow takes. IHI 0070 8.1.
void overflow_responses(const PageRequest& request, const Capabilities& caps,
                        const PparCheck& check, std::vector<PageRequestOutcome>& all) {
  constexpr std::string_view section = "8.1";
  const PageResponse success = answer(request, ResponseCode::success);
  const PageResponse failure = answer(request, ResponseCode::failure);
  if (caps.ssidsize == 0) {
    all.push_back(answered(success, section));
    // Whether an STE is looked for although PPAR is not needed is the implementation's.
    if (check.ppar == Ppar::not_found) {
      all.push_back(answered(failure, section));
      all.back().event = check.event;
    }
    return;
  }
  if (!request.ssid) return all.push_back(answered(success, section));
  PageResponse tagged = success;
  tagged.ssid = request.ssid;
  if (caps.pps) return all.push_back(answered(tagged, section));
  switch (check.ppar) {
    case Ppar::pasid: return all.push_back(answered(tagged, section));
    case Ppar::no_pasid: return all.push_back(answered(success, section));
    case Ppar::not_found: all.push_back(answered(failure, section)); all.back().event = check.event;
  }
}

/// `marker`: it is taken as a Stop Marker, to which there is no response.
void outcomes_of(const PageRequest& request, bool marker, const PageQueue& queue,
                 const Capabilities& caps, const PparCheck& check,
                 std::vector<PageRequestOutcome>& all) {
  const PageResponse failure = answer(request, ResponseCode::failure);
  if (request.secure || !queue.enabled || queue.aborted) {
    all.push_back(marker ? PageRequestOutcome{.section = "8.2"} : answered(failure, "8.2"));
    return;
  }
  if (queue.full || queue.overflow) {
    const std::size_t first = all.size();
    if (marker || !request.last) {
      all.push_back({.section = "8.1"});
    } else {
      overflow_responses(request, caps, check, all);
    }
    for (std::size_t i = first; i < all.size(); ++i) all[i].overflows = !queue.overflow;
    return;
  }
  if (!queue.write_aborts) {
    all.push_back({.end = End::recorded, .section = "8"});
    return;
  }
  // Synchronous, where the message is known, or asynchronous: that is IMPLEMENTATION DEFINED.
  all.push_back({.aborts = true, .section = "8.2"});
  if (marker) return;
  all.push_back(answered(failure, "8.2"));
  all.back().aborts = true;
}

}  // namespace

std::vector<PageRequestOutcome> page_request_outcomes(const PageRequest& request,
                                                      const PageQueue& queue,
                                                      const Capabilities& caps,
                                                      const PparCheck& check) {
  std::vector<PageRequestOutcome> all;
  const bool marker = is_stop_marker(request);
  outcomes_of(request, marker, queue, caps, check, all);
  // Without SubstreamIDs SSV is 0, and a message without SSV is no Stop Marker; but it has come
  // with a PASID. The manual does not say which of the two counts.
  if (marker && caps.ssidsize == 0) outcomes_of(request, false, queue, caps, check, all);
  return all;
}

// ---- the record ---------------------------------------------------------------------------------

PageRequestRecord record_of(const PageRequest& request, const Capabilities& caps) {
  const bool ssv = request.ssid && caps.ssidsize != 0;
  PageRequestRecord record;
  record.fixed = {~u64{0}, ~u64{0}};
  if (!ssv) record.fixed[0] &= ~mask(51, 32);
  record.dw[0] = request.sid | (u64{ssv ? *request.ssid : 0} & mask(19, 0)) << 32 |
                 place(ssv, ssv_bit) | place(request.last, last_bit) |
                 place(request.write, write_bit) | place(request.read, read_bit) |
                 place(ssv && request.execute, execute_bit) |
                 place(ssv && request.privileged, privileged_bit);
  record.dw[1] = (request.address & ~mask(11, 0)) | (request.prg_index & mask(8, 0));
  return record;
}

PageRequest page_request_in(const PageRequestWords& dw) {
  PageRequest request;
  request.sid = static_cast<u32>(bits(dw[0], 31, 0));
  if (bit(dw[0], ssv_bit)) request.ssid = static_cast<u32>(bits(dw[0], 51, 32));
  request.address = dw[1] & ~mask(11, 0);
  request.prg_index = static_cast<u32>(bits(dw[1], prg_index_bits - 1, 0));
  request.last = bit(dw[0], last_bit);
  request.write = bit(dw[0], write_bit);
  request.read = bit(dw[0], read_bit);
  request.execute = bit(dw[0], execute_bit);
  request.privileged = bit(dw[0], privileged_bit);
  return request;
}

bool matches(const PageRequestRecord& expected, const PageRequestWords& observed) {
  return fixed_bits_match(expected, observed);
}

std::vector<FieldDifference> differences(const PageRequestRecord& expected,
                                         const PageRequestWords& observed) {
  return field_differences(request_fields, expected, observed);
}

// ---- responses ----------------------------------------------------------------------------------

std::vector<std::optional<PageResponse>> command_responses(const Command& command,
                                                           const Capabilities& caps, bool smmuen) {
  constexpr u64 response_failure = 0, invalid_request = 1;  // Resp; 2 is Success
  if (command.op != Opcode::pri_resp || check_command(command, caps) || !smmuen) {
    return {std::nullopt};
  }
  PageResponse response{.sid = static_cast<u32>(command.sid),
                        .prg_index = static_cast<u32>(command.prg_index)};
  response.code = command.resp == response_failure  ? ResponseCode::failure
                  : command.resp == invalid_request ? ResponseCode::invalid_request
                                                    : ResponseCode::success;
  if (!command.ssv) return {response};
  if (caps.ssidsize == 0) return {response, std::nullopt};
  response.ssid = static_cast<u32>(command.ssid);
  return {response};
}

// ---- for reports --------------------------------------------------------------------------------

std::string_view response_name(ResponseCode code) {
  switch (code) {
    case ResponseCode::success: return "Success";
    case ResponseCode::invalid_request: return "Invalid Request";
    case ResponseCode::failure: return "Response Failure";
  }
  return "a reserved code";
}

std::string describe(const PageRequest& request) {
  std::string wants;
  const auto add = [&](bool is, const char* name) {
    if (is) wants += (wants.empty() ? "" : ", ") + std::string(name);
  };
  add(request.read, "read");
  add(request.write, "write");
  add(request.execute, "execute");
  add(request.privileged, "privileged");
  add(request.last, "Last");
  std::string text = is_stop_marker(request) ? "a Stop Marker of " : "a page request of ";
  text += hex(request.sid) + " for " + hex(request.address);
  if (!wants.empty()) text += " (" + wants + ")";
  text += ", PRG index " + std::to_string(request.prg_index);
  text += request.ssid ? ", PASID " + hex(*request.ssid) : ", without a PASID";
  return text;
}

std::string describe(const PageResponse& response) {
  return std::string(response_name(response.code)) + " to " + hex(response.sid) + ", PRG index " +
         std::to_string(response.prg_index) +
         (response.ssid ? ", PASID " + hex(*response.ssid) : ", without a PASID");
}

}  // namespace iommucheck::spec
