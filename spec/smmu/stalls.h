// SPDX-License-Identifier: MIT
// Accesses that are stalled, and what commands answer to devices: CMD_RESUME and CMD_STALL_TERM
// end stalls, CMD_PRI_RESP sends a response. No two of a stream have one STAG, and there are at
// most IDR5.STALL_MAX. IHI 0070 3.12.2, 4.5.2, 4.7.
#pragma once

#include <optional>
#include <vector>

#include "base/pool.h"
#include "spec/smmu/ground.h"
#include "spec/smmu/page_request.h"

namespace iommucheck::spec {

class Stalls {
 public:
  /// A stalled access that a command ended; `again`: it is made once more (CMD_RESUME.Ac).
  struct Resumed {
    u32 sid = 0;
    u32 stag = 0;
    bool again = false;
    bool by_name = false;  ///< by CMD_RESUME, else with all of its stream
  };

  explicit Stalls(Ground& ground) : ground_(ground) {}

  std::optional<u16> begin(u32 sid, u32 ssid, bool ssv);
  void observe(u32 sid, u32 ssid, bool ssv, u16 stag) {
    stalls_.push(ground_.trail(), {.sid = sid, .ssid = ssid, .ssv = ssv ? 1U : 0U, .stag = stag});
  }
  [[nodiscard]] bool has(u32 sid, u32 ssid, bool ssv) const;
  [[nodiscard]] bool has_tag(u32 sid, u32 stag) const;
  /// What is stalled is terminated, and its STAGs are free: SMMUEN = 0. IHI 0070 3.12.2, 6.3.9.6.
  void terminate() { stalls_.clear(ground_.trail()); }
  /// The command is executed. True: something that can be seen came of it.
  bool execute(const Command& command, const CommandWords& words, bool smmuen);

  /// The STAG of what stalls alone.
  void name_from(u16 first) { first_stag_ = first; }
  /// Not part of the state.
  std::vector<Resumed>& resumed() { return resumed_; }
  std::vector<PageResponse>& page_responses() { return page_responses_; }

 private:
  struct alignas(8) Stall {
    u32 sid = 0;
    u32 ssid = 0;
    u32 ssv = 0;
    u32 stag = 0;
  };

  Ground& ground_;
  TrailArray<Stall> stalls_;
  u32 first_stag_ = 0;
  std::vector<Resumed> resumed_;
  std::vector<PageResponse> page_responses_;
};

}  // namespace iommucheck::spec
