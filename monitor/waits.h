// SPDX-License-Identifier: MIT
// Accesses that wait for an answer, and devices that ask for pages: what becomes of them at the
// SMMU, what a user's queue has of them, and what must have ended them. IHI 0070 3.12.2, 8.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "monitor/found.h"

namespace iommucheck::oracle {

class Waits : public Found {
 public:
  /// What a device that asks for pages says of the request.
  struct PageAsked {
    u32 group = 0;  ///< PRG index
    bool last = true;
  };
  /// As a device that is done with a PASID: it asks for no more pages there, and waits for nothing
  /// (IHI 0070 8). Whether there was a record.
  bool stop_marker(u32 sid, u32 pasid);
  /// The same of one that asks for a page without a PASID. No process has that: whoever reads it
  /// has to answer it.
  bool page_requested_untagged(u32 sid, u64 va, bool write, PageAsked asked);
  /// Whether the access, or the group of page requests, of that name still waits for the driver.
  [[nodiscard]] bool still_waits_for(u32 sid, u32 name) const;
  /// Accesses that device_access() left waiting for an answer.
  [[nodiscard]] const std::vector<StalledAccess>& stalled_accesses() const {
    return case_.stalled_accesses;
  }
  /// Those that were answered since.
  std::vector<StalledAccess> take_answered() { return std::exchange(case_.answered, {}); }

 protected:
  using Found::Found;

  /// What the event has shown: who is answered by it, and what the SMMU and its caches have found.
  void gather();

  void access_stalls(const spec::Access& access, const std::array<u64, 4>& words);
  void note_event(spec::Delivery delivery, u32 sid, const std::array<u64, 4>& words);
  [[nodiscard]] std::optional<u32> free_group(u32 sid) const;
  bool page_requested(const spec::Access& access, PageAsked asked);

  void remember_waiting() { waited_before_ = interface_.waiting_faults(); }
  void check_ended_faults();
  /// Whether what an access meets there is over: only the number is held, or nothing is.
  enum class Over : u8 { no, held, gone };
  [[nodiscard]] Over over_at(u32 device, spec::sva::Substream at) const;
  /// `unbound`: the call that returns has ended what was bound there.
  void check_faults_ended(const Place& place, bool unbound);
  void check_refused();

 private:
  void stalls_end();
  void still_waits(spec::Rule rule, u32 sid, u32 device, u32 pasid, std::string_view what);
  [[nodiscard]] bool still_waits_at(u32 sid, u32 pasid, bool late_too) const;
  spec::PageRequestOutcome send(const spec::PageRequest& request);
  [[nodiscard]] bool is_asked_in_vain(const spec::Access& access, u32 device) const;
  void groups_end();
  void end_group(const spec::PageResponse& response, bool by_driver);
  void lose_begun_groups();
  std::vector<Case::Untagged>::iterator untagged_group(u32 sid, u32 group, bool is_whole);
  bool end_untagged(u32 sid, u32 group);
  void check_untagged();

  std::vector<spec::sva::Interface::WaitingFault> waited_before_;  ///< see check_ended_faults
};

}  // namespace iommucheck::oracle
