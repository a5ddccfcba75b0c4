// SPDX-License-Identifier: MIT
#include "spec/smmu/stalls.h"

namespace iommucheck::spec {

std::optional<u16> Stalls::begin(u32 sid, u32 ssid, bool ssv) {
  if (stalls_.size() >= ground_.capabilities().stall_max) return std::nullopt;
  u32 stag = first_stag_;
  for (u32 i = 0; i < stalls_.size(); ++i) {
    if (stalls_[i].stag != stag) continue;
    stag = (stag + 1) & 0xffff;
    i = ~u32{0};  // from the beginning again
  }
  observe(sid, ssid, ssv, static_cast<u16>(stag));
  return static_cast<u16>(stag);
}

bool Stalls::has(u32 sid, u32 ssid, bool ssv) const {
  for (u32 i = 0; i < stalls_.size(); ++i) {
    const Stall& stall = stalls_[i];
    if (stall.sid == sid && (stall.ssv != 0) == ssv && (!ssv || stall.ssid == ssid)) return true;
  }
  return false;
}

bool Stalls::has_tag(u32 sid, u32 stag) const {
  for (u32 i = 0; i < stalls_.size(); ++i) {
    if (stalls_[i].sid == sid && stalls_[i].stag == stag) return true;
  }
  return false;
}

/// CMD_RESUME repeats or ends one of them, by StreamID and STAG; an STAG that is not the stream's
/// has no effect. CMD_STALL_TERM ends all of a stream.
bool Stalls::execute(const Command& command, const CommandWords& words, bool smmuen) {
  constexpr unsigned resume_again_bit = 12;  // Ac
  const bool resumes = command.op == Opcode::resume;
  if (command.op == Opcode::pri_resp) {
    for (const auto& response : command_responses(command, ground_.capabilities(), smmuen)) {
      if (response) page_responses_.push_back(*response);
    }
    return true;
  }
  if (!resumes && command.op != Opcode::stall_term) return false;
  bool any = false;
  for (u32 i = stalls_.size(); i != 0; --i) {
    const Stall& stall = stalls_[i - 1];
    if (stall.sid != command.sid || (resumes && stall.stag != command.stag)) continue;
    resumed_.push_back(
        {stall.sid, stall.stag, resumes && bit(words.dw0, resume_again_bit), resumes});
    stalls_.remove_unordered(ground_.trail(), i - 1);
    any = true;
  }
  return any;
}

}  // namespace iommucheck::spec
