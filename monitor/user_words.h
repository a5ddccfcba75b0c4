// SPDX-License-Identifier: MIT
// How a user of a stage 2 domain writes for its own IOMMU: its tables, its route, its commands.
// Apart from the driver's and the specification's, as all that the environment writes.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle {

class UserWords {
 public:
  virtual ~UserWords() = default;
  /// What it is called in iommucheck_nested_params: IOMMUCHECK_FORMAT_*.
  [[nodiscard]] virtual u32 number() const = 0;
  /// Whether its hardware knows of its memory only what was stored there: pages of tables are
  /// emptied first.
  [[nodiscard]] virtual bool empties_pages() const = 0;

  // ---- tables of pages: levels of 512 words ----
  [[nodiscard]] virtual unsigned levels() const { return 3; }
  [[nodiscard]] virtual u64 pointer(u64 ipa) const = 0;
  [[nodiscard]] virtual u64 leaf(u64 ipa, u32 prot) const = 0;
  /// Where a pointer leads.
  [[nodiscard]] virtual u64 next(u64 word) const = 0;

  // ---- routes ----
  /// Whether what leads to a table is an entry in the user's memory; else it is the route.
  [[nodiscard]] virtual bool has_entries() const = 0;
  /// To one table, by its entry or its root, at `at`.
  [[nodiscard]] virtual std::array<u64, 2> route_to(u64 at) const = 0;
  /// Where there are entries: what a user says that translates nothing.
  [[nodiscard]] virtual std::array<u64, 2> route_without_tables(bool /*passes*/) const {
    return {};
  }
  /// Whether a user has PASID tables of its own.
  [[nodiscard]] virtual bool has_pasids() const { return has_entries(); }
  // Where these are no CDs (`has_entries`):
  /// To one, of 2^lg2 entries.
  [[nodiscard]] virtual std::array<u64, 2> route_to_entries(u64 /*at*/, u32 /*lg2*/) const {
    return {};
  }
  using EntryWords = std::array<u64, 8>;
  [[nodiscard]] virtual unsigned entry_words() const { return 0; }
  /// What an entry says; while word 0 is 0 it is not valid.
  [[nodiscard]] virtual EntryWords entry_to(spec::sva::UserEntryKind /*kind*/, u64 /*root*/) const {
    return {};
  }
  /// By which number entries and routes call the table.
  [[nodiscard]] virtual u64 number_of(u64 /*root*/) const { return 0; }

  // ---- commands ----
  [[nodiscard]] virtual spec::sva::CommandWords va(u64 va) const = 0;  ///< of every table
  /// A page of the table with that ASID, in one of the forms that do; `how` says which. `ranges`:
  /// of several pages too.
  [[nodiscard]] virtual spec::sva::CommandWords page(u64 asid, u64 va, bool ranges,
                                                     u64 how) const = 0;
  /// Of `count` pages from `va` on, behind what is there: each by its own, or all by one where the
  /// hardware has commands for ranges.
  virtual void pages(u64 asid, u64 va, u64 count, bool ranges, u64 how,
                     std::vector<spec::sva::CommandWords>& commands) const {
    for (u64 i = 0; i < count; ++i) commands.push_back(page(asid, va + 4096 * i, ranges, how));
  }
  [[nodiscard]] virtual spec::sva::CommandWords all() const = 0;
  /// The same in one of the forms that do; `how` says which.
  [[nodiscard]] virtual spec::sva::CommandWords all_by(u64 /*how*/) const { return all(); }
  /// Of an entry; what is no command where there are none.
  [[nodiscard]] virtual spec::sva::CommandWords entry(u64 number, u64 pasid) const = 0;
  /// The same in one of the forms that do; `how` says which.
  [[nodiscard]] virtual spec::sva::CommandWords entry_by(u64 number, u64 pasid, u64 /*how*/) const {
    return entry(number, pasid);
  }
  /// What the device itself has cached. nullopt: without a PASID.
  [[nodiscard]] virtual spec::sva::CommandWords device(u64 number, std::optional<u64> pasid,
                                                       u64 va) const = 0;
  /// The same in one of the forms that do; `how` says which.
  [[nodiscard]] virtual spec::sva::CommandWords device_by(u64 number, std::optional<u64> pasid,
                                                          u64 va, u64 /*how*/) const {
    return device(number, pasid, va);
  }
  /// What a record means that a user reads.
  struct Event {
    u64 number = 0;  ///< of the device
    std::optional<u64> pasid{};
    std::optional<u64> iova{};
    char access = 'r';         ///< r, w, x, where there is an address
    std::string_view fault{};  ///< as scenarios write it; empty: none that they can
    bool says_nothing_else = true;
  };
  [[nodiscard]] virtual Event event(const spec::sva::EventWords& /*words*/) const { return {}; }
  // What a user may not give.
  [[nodiscard]] virtual spec::sva::CommandWords all_of_host() const = 0;
  [[nodiscard]] virtual spec::sva::CommandWords sync() const = 0;
  [[nodiscard]] virtual spec::sva::CommandWords resume() const = 0;
  [[nodiscard]] virtual spec::sva::CommandWords reserved() const = 0;

  /// Any at all, by what was drawn: such as are obeyed, and such as are refused. `roots`: of the
  /// user's tables.
  [[nodiscard]] virtual spec::sva::CommandWords drawn(u64 word,
                                                      std::span<const u64> roots) const = 0;
};

}  // namespace iommucheck::oracle
