// SPDX-License-Identifier: MIT
// What hardware that is no SMMUv3 may do, against what the interface promises: the accesses of each
// device, by each of its stream IDs, without a PASID and at each number that is spoken of, at the
// edges of all ranges that were named, and one far from all of them at a time. Of an SMMUv3 the
// whole space is compared (promises.cpp).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "monitor/finding.h"
#include "monitor/hardware.h"
#include "monitor/hardware_processes.h"
#include "spec/sva/interface.h"

namespace iommucheck::oracle {

class HardwareJudge {
 public:
  HardwareJudge(Hardware& hardware, const spec::sva::Interface& interface,
                const std::vector<spec::sva::DeviceSetup>& devices)
      : hardware_(hardware), interface_(interface), devices_(devices), processes_(hardware) {}

  [[nodiscard]] Hardware& hardware() const { return hardware_; }
  HardwareProcesses& processes() { return processes_; }

  /// What the call names is looked at from now on.
  void look_at(const spec::sva::Call& call);
  void look_at(u64 iova, u64 bytes);
  /// By privileged accesses too, where these have rights of their own.
  void look_privileged(u64 iova, u64 bytes);
  /// A walker gets that table; 0: none, and nobody looks at what it may meet.
  void walker_switches(u32 walker, u64 root, u32 input_bits);
  /// Words stored that lead devices, since the beginning.
  [[nodiscard]] u64 structure_stores() const { return structure_stores_; }
  void stored(u64 pa, u64 value) {
    if (hardware_.stored(pa, value)) ++structure_stores_;
    changed_ = true;
  }
  /// Something may be other than at the last comparison.
  void changed() { changed_ = true; }

  struct Compared {
    std::optional<Finding> finding{};  ///< of the first access that is not as promised
    u64 judged = 0;                    ///< accesses
    bool gave_up = false;              ///< more is promised somewhere than is kept
  };
  /// `within`, a call that runs; `gone`: of devices that are leaving.
  Compared compare(bool within, const std::function<bool(u32 device)>& gone);
  /// An access that may reach the page though nobody is to have it any more.
  std::optional<Finding> reaches(u64 pa, u64 bytes);
  /// An access of a device that passes, after shutdown.
  std::optional<Finding> passes();

  /// What the access may get, with what a device does by itself whose page requests are off.
  [[nodiscard]] std::set<MayGet> answers(const MachineAccess& access);
  /// The access as the hardware is asked for it; nothing: no device has the stream.
  [[nodiscard]] std::optional<MachineAccess> access_of(const spec::Access& access) const;
  /// An access of the stream waits by that number; and whose it was.
  void waits(u64 id, u32 sid) { waited_[id] = sid; }
  [[nodiscard]] u32 stream_of(u64 id) const {
    const auto its = waited_.find(id);
    return its == waited_.end() ? ~u32{0} : its->second;
  }

 private:
  struct Place {
    u32 device = 0;
    u32 stream = 0;
    spec::sva::Substream at{};
    bool bank = false;  ///< the device's context bank, which walks by itself
  };
  struct Allowed;
  [[nodiscard]] u64 next_far_point();
  void compare_far(const Place& place, u64 iova, Compared& result);
  void compare_place(const Place& place, bool within, Compared& result);
  [[nodiscard]] bool fits(const Place& place, const MayGet& one, const Allowed& allowed,
                          bool within) const;
  [[nodiscard]] std::optional<MayGet> as_hosts(const Place& place, const MayGet& one,
                                               const Allowed& allowed, bool within) const;
  [[nodiscard]] bool is_within(const Place& place, const MayGet& one, char access) const;
  [[nodiscard]] Where where(const Place& place, u64 iova, char access) const;
  [[nodiscard]] std::vector<Place> places_of(u32 device) const;
  [[nodiscard]] MachineAccess read_of(const Place& place, u64 iova) const;
  [[nodiscard]] bool can_wait(u32 device) const {
    return devices_[device].stall || devices_[device].pri;
  }

  Hardware& hardware_;
  const spec::sva::Interface& interface_;
  const std::vector<spec::sva::DeviceSetup>& devices_;
  HardwareProcesses processes_;
  std::map<u64, u32> waited_;
  std::set<u32> walkers_;  // that have a table
  std::set<u64> points_;   // addresses that are looked at
  std::set<u64> privileged_points_;
  std::set<u32> pasids_;  // and numbers
  bool changed_ = true;
  bool last_within_ = false;
  u64 far_ = 0;  // far points that were asked for
  u64 structure_stores_ = 0;
};

}  // namespace iommucheck::oracle
