// SPDX-License-Identifier: MIT
// Process address spaces as the environment of a driver: an operating system that keeps page tables
// in memory, gives ASIDs, and tells whoever is bound what changes. It does what it owes (clear,
// Invalidate, then give the tables back; Release before the end), and no more: an ASID that is not
// pinned is another process's at once. SEMANTICS 5 "SVA"; INTERFACE "Exit".
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/pool.h"
#include "host/arena.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

/// Rights of a page, in the values of the C interface (read is implied).
using ProcessRights = u32;

class Processes {
 public:
  static constexpr unsigned output_bits = 48;  ///< that its leaves can say
  static constexpr u32 max = 16;               ///< living ones, and dead ones of the case
  static constexpr u32 input_bits = 48;        ///< of an address
  static constexpr u64 mair = 0xff;            ///< attribute 0: write-back

  /// Page tables come from [base, base + bytes), which nobody else uses.
  Processes(Monitor& monitor, u64 base, u64 bytes);
  Processes(const Processes&) = delete;
  Processes& operator=(const Processes&) = delete;

  /// The driver's mm_invalidate of a process that is bound; called when the tables have changed and
  /// before any table is freed.
  /// False: it timed out, and tables that were taken out are kept for good.
  using Invalidate = std::function<bool(u64 mm, u64 va, u64 bytes)>;
  void set_invalidate(Invalidate invalidate) { invalidate_ = std::move(invalidate); }

  // Handles are 1, 2, …; addresses and sizes in bytes, multiples of 4 KiB; leaves of 2 MiB where
  // everything is aligned to it. Where the SMMU hears the CPUs' TLB maintenance that is broadcast,
  // and complete, before the driver is told; what would have to be broadcast while commands are in
  // flight is not done at all, since what both remove is not followed (Caches::broadcast).

  /// A process without mappings; 0 if there are too many or memory is short.
  u64 create();
  /// False, and nothing is changed, if a part is mapped already, or beyond the input size, or
  /// memory is short, or the process is dead.
  bool map(u64 mm, u64 va, u64 pa, u64 bytes, ProcessRights rights);
  /// What is mapped in the range goes; a block that begins or ends outside of it goes whole.
  void unmap(u64 mm, u64 va, u64 bytes);
  void protect(u64 mm, u64 va, u64 bytes, ProcessRights rights);
  /// The child has the parent's pages, both without write. 0 if there is no child.
  u64 fork(u64 mm);

  /// It dies: no pin any more. The caller runs the driver's mm_release between the two, if it is
  /// bound.
  void exit_begins(u64 mm);
  /// Its tables are freed, whoever still walks them; after a time-out they are kept for good.
  void exit_ends(u64 mm, bool timed_out = false);

  /// By what the driver knows it. Of a process that is over and has no pin left it comes again, as
  /// an address does: the next process has it.
  [[nodiscard]] u64 handle_of(u64 mm) const;
  /// The process that has it; 0: none.
  [[nodiscard]] u64 of_handle(u64 handle) const;

  [[nodiscard]] bool alive(u64 mm) const;  ///< exit_begins() has not been told
  [[nodiscard]] u64 root(u64 mm) const;
  [[nodiscard]] u32 count() const { return static_cast<u32>(count_); }

  /// The pages of a process, ascending; blocks are one.
  struct Mapping {
    u64 va = 0;
    u64 pa = 0;
    u64 bytes = 0;
    ProcessRights rights = 0;
  };
  [[nodiscard]] std::vector<Mapping> mappings(u64 mm) const;

  // ASIDs. What was unpinned last is given first.
  u32 pin(u64 mm);  ///< 0: dead or dying
  void unpin(u64 mm);
  [[nodiscard]] bool pinned(u64 mm) const;
  [[nodiscard]] u32 asid(u64 mm) const;
  /// How many pins nobody has undone, of all processes.
  [[nodiscard]] u64 pins() const;
  /// Whether new numbers are far from those that a driver takes first for itself: the last ones
  /// there are, not the first ones. Not part of the state.
  void set_apart(bool apart) { apart_ = apart; }
  /// How much more than what has changed the driver is told of: mm_invalidate may cover any pages.
  enum class Tells : u8 {
    what_changed,
    aligned,    ///< the 2 MiB around it
    everything  ///< va 0, all bytes
  };
  void set_tells(Tells tells) { tells_ = tells; }  // no part of the state
  /// The next process that needs a number gets this one, if no other process has it.
  void prefer_asid(u32 asid);

 private:
  struct Process {
    u64 root = 0;
    u64 living = 0;  ///< 1: created; 0 once exit_begins() was told
    u64 asid = 0;
    u64 pins = 0;
    u64 handle = 0;
    u64 over = 0;  ///< 1: exit_ends() was told
  };
  struct Leaf {
    u64 place = 0;  ///< of its descriptor
    u64 value = 0;
    u64 va = 0;
    u64 bytes = 0;
  };

  u64 make();
  [[nodiscard]] std::optional<u64> free_handle() const;
  // processes_of_hardware.cpp: where the hardware's model keeps the tables
  [[nodiscard]] HardwareProcesses* of_hardware() const;
  bool map_page_by_page(u64 mm, u64 va, u64 pa, u64 bytes, ProcessRights rights);
  void unmap_page_by_page(u64 mm, u64 va, u64 bytes);
  void protect_page_by_page(u64 mm, u64 va, u64 bytes, ProcessRights rights);
  u64 fork_page_by_page(u64 mm);
  [[nodiscard]] std::vector<Mapping> mappings_page_by_page(u64 mm) const;
  [[nodiscard]] const Process* find(u64 mm) const;
  Process& edit(u64 mm);
  [[nodiscard]] u64 read(u64 pa) const;
  void write(u64 pa, u64 value);
  void publish();
  u64 new_table();
  void leaves_in(u64 table, unsigned level, u64 table_va, u64 first, u64 last,
                 std::vector<Leaf>& found) const;
  [[nodiscard]] bool is_empty(u64 table) const;
  bool unlink_empty(u64 table, unsigned level, u64 table_va, u64 first, u64 last,
                    std::vector<u64>& unlinked);
  bool put(u64 root, u64 va, u64 pa, u64 bytes, ProcessRights rights);
  bool notify(u64 mm, u64 va, u64 bytes);
  [[nodiscard]] bool is_heard(u64 mm) const;
  [[nodiscard]] bool has_to_wait(u64 mm) const;
  void broadcast(u64 mm, u64 va, u64 bytes);
  static u64 bytes_within(u64 va, u64 bytes);
  void free_tables(u64 table, unsigned level);

  Monitor& monitor_;
  TableMemory memory_;
  bool coherent_;                                   // the SMMU looks into the CPUs' caches
  std::vector<std::pair<u64, u64>> unpublished_{};  // else: stores to be cleaned, with their bytes
  Invalidate invalidate_;
  std::array<Process, max> processes_{};  // trailed
  u64 count_ = 0;                         // trailed
  TrailArray<u64> free_asids_;
  Tells tells_ = Tells::what_changed;
  bool apart_ = false;
  u64 next_asid_ = 1;       // trailed
  u64 last_asid_;           // trailed
  u64 preferred_asid_ = 0;  // trailed
};

}  // namespace iommucheck::oracle
