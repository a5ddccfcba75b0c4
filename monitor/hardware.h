// SPDX-License-Identifier: MIT
// The hardware that a driver drives, where it is no SMMUv3: what is done to it, and every answer
// that an access may get. The monitor judges by it what it judges by spec/smmu else; nothing here
// names an IOMMU.
#pragma once

#include <compare>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "monitor/user_words.h"
#include "spec/sva/call.h"
#include "spec/sva/setup.h"
#include "spec/sva/user_format.h"

namespace iommucheck::oracle {

/// What an access may get.
struct MayGet {
  enum class Kind : u8 {
    address,
    blocked,
    no_entry,
    not_mapped,
    denied,
    waits,
    quiet,
    anything,  ///< it is in memory that may be somebody else's
    // of a user's access
    outer_not_mapped,
    outer_denied,
    inside,  ///< anything that the parent maps: what a table of the user's says nobody knows
  };
  Kind kind = Kind::blocked;
  u64 pa = 0;
  std::optional<u64> ipa{};  ///< of a user's: where the parent maps it
  u64 mark = 0;              ///< of a write: the word of a table that it marks; 0: none
  /// In the words of who models it; what is the same but for them is one answer.
  struct Why {
    std::string text{};
    friend bool operator==(const Why&, const Why&) { return true; }
    friend std::strong_ordering operator<=>(const Why&, const Why&) {
      return std::strong_ordering::equal;
    }
  };
  Why why{};
  auto operator<=>(const MayGet&) const = default;
};

struct MachineAccess {
  u32 device = 0;
  u32 stream = 0;  ///< which of the device's
  spec::sva::Substream at{};
  u64 iova = 0;
  char access = 'r';  ///< r, w, x
  bool privileged = false;
  /// Of a device that asks for pages: its number of the group, and whether it is the last of that.
  u64 group = 0;
  bool last = true;
};

class Hardware {
 public:
  virtual ~Hardware() = default;

  [[nodiscard]] virtual std::string_view name() const = 0;
  /// What of the interface's setup it decides: PASID 0, whether faults wait.
  virtual void adapt(spec::sva::Setup& setup) const = 0;
  /// What users of stage 2 domains write, and how one writes; null: it has none. Both live as long.
  [[nodiscard]] virtual const spec::sva::UserFormat* user_format() const { return nullptr; }
  [[nodiscard]] virtual const UserWords* user_words() const { return nullptr; }

  // ---- what is done to it ----
  /// Whether it is a word by which devices are led, and none of a page table.
  virtual bool stored(u64 pa, u64 value) = 0;
  /// False: an access may still lead there.
  virtual bool given_back(u64 pa, u64 bytes) = 0;
  virtual void write(u64 offset, u64 value) = 0;
  virtual u64 read(u64 offset) = 0;
  virtual void set_stuck(bool stuck) = 0;

  // ---- the environment ----
  virtual void remove(u32 device) = 0;
  /// Address of the root of the process's own table; 0: no memory.
  virtual u64 process_created(u64 mm) = 0;
  /// A page of 4 KiB of it, from now on; prot = 0: nothing is mapped. False: no memory.
  virtual bool process_says(u64 mm, u64 va, u64 pa, u32 prot) = 0;
  /// What it took out of the table nobody has cached any more. False: an access may lead there.
  virtual bool process_settles(u64 mm) = 0;
  /// Its table is given back. False: the same.
  virtual bool process_gone(u64 mm) = 0;
  virtual void walker_switches(u32 walker, u64 root, u32 input_bits) = 0;
  virtual void walker_flushes(u32 walker) = 0;

  // ---- questions ----
  /// Whether privileged accesses have rights of their own.
  [[nodiscard]] virtual bool knows_privilege() const { return false; }
  /// Whether there is a right to execute; else that to read is it.
  [[nodiscard]] virtual bool knows_execution() const { return true; }
  /// Whether what an outer space ends is a user's access; else an access that goes by the outer
  /// space alone is told so too.
  [[nodiscard]] virtual bool outer_ends_are_users() const { return true; }
  [[nodiscard]] virtual std::set<MayGet> answers(const MachineAccess& access) = 0;
  [[nodiscard]] virtual std::set<MayGet> walker_answers(u32 walker, u64 iova, char access) = 0;

  /// What becomes of a word that is marked.
  [[nodiscard]] virtual u64 marked(u64 word) const { return word; }

  // ---- accesses that end ----
  /// Whether users are told of any.
  [[nodiscard]] virtual bool reports_to_users() const { return false; }
  /// The record that an access leaves that gets that; nothing: none. Its stream ID is in bits 63:32
  /// of the first word.
  [[nodiscard]] virtual std::optional<spec::sva::EventWords> record_of(
      const MachineAccess& /*access*/, const MayGet& /*got*/) const {
    return std::nullopt;
  }
  /// It joins those that the driver reads, where there is room; else it is lost.
  virtual void report(const spec::sva::EventWords& /*record*/) {}
  [[nodiscard]] virtual bool has_room_for_report() const { return true; }

  // ---- accesses that wait ----
  /// One that may wait does; the number by which it does. 0: it cannot.
  virtual u64 wait(const MachineAccess& access) = 0;
  /// Whether page requests come in groups, of which it knows; else each is one of its own.
  [[nodiscard]] virtual bool has_groups() const { return false; }
  /// The number of the first access of its group.
  [[nodiscard]] virtual u64 group_of(u64 id) const { return id; }
  struct Response {
    u64 id = 0;
    u64 group = 0;     ///< the number of its first access
    u32 response = 0;  ///< spec::sva::response_*
  };
  /// Of each access that was responded to.
  virtual std::vector<Response> take_responses() = 0;
  /// Groups that were responded to and did not wait, since the last time.
  virtual std::vector<u64> take_strays() { return {}; }
  [[nodiscard]] virtual bool is_waiting(u64 id) const = 0;

  /// What backend or hardware answered that cannot be, since the last time; of those that are not
  /// this project's.
  virtual std::vector<std::string> take_nonsense() { return {}; }
};

}  // namespace iommucheck::oracle
