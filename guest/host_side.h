// SPDX-License-Identifier: MIT
// The host of a guest: its driver on the specification, judged by a monitor of its own, and what a
// VMM asks of it. The guest's memory is a stage 2 domain, and each of its devices is on a domain of
// the guest's own route over that. INTERFACE "Nested".
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "guest/guest_memory.h"
#include "guest/guest_setup.h"
#include "host/driver_host.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

/// Words 0 and 1 of an STE, as far as a user may choose them.
using UsersRoute = std::array<u64, 2>;
inline constexpr UsersRoute aborts = {1, 0};

class HostSide {
 public:
  /// `driver`, the host's, outlives it.
  HostSide(const iommucheck_driver& driver, const GuestSetup& guest);

  /// Every device aborts. Empty, or what failed.
  std::string boot();
  void snapshot();
  void restore();
  Monitor& monitor() { return monitor_; }

  // ---- memory, by the guest's addresses ----
  [[nodiscard]] bool has(u64 ipa) const { return memory_.physical(ipa).has_value(); }
  void store(u64 ipa, u64 value);
  void fill(u64 ipa, u64 words, u64 value);
  /// What its CPUs see there; 0 where nobody has stored, or nothing is.
  [[nodiscard]] u64 load(u64 ipa);
  /// The host takes the piece of memory that is there away from the guest's devices, or gives it
  /// back.
  void take_away(u64 ipa);
  void give_back(u64 ipa);
  [[nodiscard]] bool is_away(u64 ipa) const;
  /// Where the guest's memory begins.
  [[nodiscard]] u64 memory_pa() const { return host_.users_pa(); }

  // ---- devices, by their index ----
  /// False: the host refuses the route, and the device aborts.
  bool install(u32 device, const UsersRoute& route);
  /// How many were done; fewer than there are: the next one is none that a user may give.
  std::size_t invalidate(std::span<const spec::sva::CommandWords> commands);

  struct Place {
    u32 device = 0;
    spec::sva::Substream at{};
    u64 va = 0;
    bool write = false;
    bool execute = false;
    bool privileged = false;
  };
  /// What becomes of an access: where it leads by the guest's addresses, or it is terminated.
  struct Met {
    std::optional<u64> ipa{};
    bool dirties = false;  ///< a write that is to mark the guest's descriptor
    bool lost = false;     ///< there is no memory
    friend bool operator==(const Met&, const Met&) = default;
  };
  /// `marks`: flags that it has set in descriptors of the guest's, by the guest's addresses.
  Met access(const Place& place, std::vector<spec::FlagUpdate>& marks);
  /// Whatever caches hold; nothing: there is no telling.
  [[nodiscard]] std::optional<std::vector<Met>> may_meet(const Place& place);
  /// From now on what may be cached of stage 1 for accesses of that page is followed.
  void follow(const Place& place);

  /// Where an access of the guest's may have gone that is none of its memory, in this case.
  [[nodiscard]] std::optional<u64> escaped() const { return state_.escaped; }

  /// Records for the guest's event queue, by its StreamIDs, since the last time.
  std::vector<spec::sva::EventWords> take_events();

 private:
  struct Device {
    u32 sid = 0;
    u64 domain = 0;
  };
  struct Followed {
    u32 sid = 0;
    spec::sva::Substream at{};
    u64 page = 0;
  };
  struct State {
    std::vector<Device> devices;
    std::unordered_set<u64> zeroed;  ///< pages of the guest's of which all is known
    std::unordered_set<u64> away;    ///< pieces, by their IPA
    std::optional<u64> escaped;
  };

  spec::sva::Observed call(const spec::sva::Call& call) { return host_.call(call); }
  bool map(const GuestMemory::Piece& piece);
  bool make_devices();
  [[nodiscard]] const GuestMemory::Piece* piece_at(u64 ipa) const;
  void zero_pages(u64 pa, u64 bytes);
  void before_store(u64 pa, u64 words);
  void tell();
  void forget_before_marks(const spec::FlagUpdates& due);
  void note_marks(const spec::FlagUpdates& due, std::vector<spec::FlagUpdate>& marks);
  [[nodiscard]] spec::Access access_of(const Place& place) const;
  [[nodiscard]] std::optional<Met> met_by(const spec::Outcome& outcome);

  Monitor monitor_;
  DriverHost host_;
  GuestMemory memory_;
  spec::FirstChoice first_;
  std::vector<u32> number_of_;  // StreamIDs of the guest
  u64 parent_ = 0;
  u64 queue_ = 0;
  State state_, booted_state_;
  Trail::Mark booted_{};
  EventIndex booted_at_ = 0;
  // What is followed, and the words by which that was found last.
  std::vector<Followed> followed_;
  std::unordered_set<u64> words_;
  bool changed_ = true;
};

}  // namespace iommucheck::oracle
