// SPDX-License-Identifier: MIT
// What the stores of a driver that `iommucheck cc` built came to, in memory that all processes of a
// run share: those that the processor saw, and those that the hooks told.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mapped.h"
#include "base/types.h"

namespace iommucheck::oracle {

class StoreCount {
 public:
  /// Whether this machine's processor can be asked: x86-64.
  static bool is_possible();
  /// unsupported if it cannot, environment if there is no memory.
  static Expected<std::shared_ptr<StoreCount>> create();

  /// A store instruction, or one step of a repeated one, and where it stands.
  struct Place {
    u64 pc = 0;              ///< as the object's symbol table counts it; 0 outside of the driver
    bool in_driver = false;  ///< else a library that it called
  };
  void seen(u64 stores);
  void lost(Place place, u64 stores);
  void without_store(u64 told);

  struct Totals {
    u64 seen = 0;               ///< stores to table memory, by the processor
    u64 lost = 0;               ///< of these, so many the hooks did not tell
    u64 without_store = 0;      ///< the hooks told, and there was no such store
    std::vector<Place> places;  ///< of the lost ones, different ones, places_max at most
    [[nodiscard]] bool all_told() const { return seen != 0 && lost == 0 && without_store == 0; }
  };
  static constexpr u64 places_max = 16;
  [[nodiscard]] Totals totals() const;

 private:
  struct Shared;
  Mapped<Shared> shared_;
};

/// The totals in words, and a line for each place. `plugin`: the object that they are of.
std::vector<std::string> store_count_lines(const StoreCount::Totals& totals,
                                           const std::string& plugin);

}  // namespace iommucheck::oracle
