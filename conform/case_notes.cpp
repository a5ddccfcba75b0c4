// SPDX-License-Identifier: MIT
#include "conform/case_notes.h"

#include <string>
#include <string_view>

#include "base/bits.h"

namespace iommucheck::oracle {

namespace {

constexpr std::string_view response_begins = "a response to a page request: ";
// The fields of a response in the value of its note: StreamID below, then these.
constexpr unsigned note_ssid = 32, note_tagged = 52, note_index = 53;

}  // namespace

trace::Note note_of(const spec::PageResponse& response) {
  trace::Note note;
  note.text = std::string(response_begins) + std::string(spec::response_name(response.code));
  note.value = u64{response.sid} | u64{response.ssid.value_or(0)} << note_ssid |
               u64{response.ssid ? 1U : 0U} << note_tagged | u64{response.prg_index} << note_index;
  return note;
}

std::optional<spec::PageResponse> response_in(const trace::Note& note) {
  if (!note.text.starts_with(response_begins) || !note.value) return std::nullopt;
  const std::string_view name = std::string_view(note.text).substr(response_begins.size());
  for (const spec::ResponseCode code :
       {spec::ResponseCode::success, spec::ResponseCode::invalid_request,
        spec::ResponseCode::failure}) {
    if (name != spec::response_name(code)) continue;
    spec::PageResponse response{.sid = static_cast<u32>(bits(*note.value, 31, 0)), .code = code};
    response.prg_index = static_cast<u32>(bits(*note.value, note_index + 8, note_index));
    if (bit(*note.value, note_tagged)) {
      response.ssid = static_cast<u32>(bits(*note.value, note_tagged - 1, note_ssid));
    }
    return response;
  }
  return std::nullopt;
}

}  // namespace iommucheck::oracle
