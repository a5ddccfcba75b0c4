// SPDX-License-Identifier: MIT
#include "host/store_count.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "process/source_lines.h"

namespace iommucheck::oracle {

/// All zero in the beginning. A place of the driver is its program counter and 2 more: 0 is
/// none, 1 outside of the driver.
struct StoreCount::Shared {
  std::atomic<u64> seen, lost, without_store;
  std::array<std::atomic<u64>, places_max> places;
};

bool StoreCount::is_possible() {
#if defined(__x86_64__)
  return true;
#else
  return false;
#endif
}

Expected<std::shared_ptr<StoreCount>> StoreCount::create() {
  if (!is_possible()) {
    return fail(ErrorCode::unsupported, "stores are counted by the processor on x86-64 only");
  }
  auto shared = map_zeroed<Shared>(Sharing::with_forks, sizeof(Shared), "counts of stores");
  if (!shared) return std::unexpected(shared.error());
  auto count = std::make_shared<StoreCount>();
  count->shared_ = *std::move(shared);
  return count;
}

void StoreCount::seen(u64 stores) { shared_->seen += stores; }
void StoreCount::without_store(u64 told) { shared_->without_store += told; }

void StoreCount::lost(Place place, u64 stores) {
  shared_->lost += stores;
  const u64 mark = place.in_driver ? place.pc + 2 : 1;
  for (std::atomic<u64>& known : shared_->places) {
    u64 none = 0;
    if (known == mark || known.compare_exchange_strong(none, mark) || none == mark) return;
  }
}

StoreCount::Totals StoreCount::totals() const {
  Totals totals{shared_->seen, shared_->lost, shared_->without_store, {}};
  for (const std::atomic<u64>& mark : shared_->places) {
    if (mark != 0) totals.places.push_back(mark == 1 ? Place{} : Place{mark - 2, true});
  }
  std::ranges::sort(totals.places, {}, &Place::pc);
  return totals;
}

std::vector<std::string> store_count_lines(const StoreCount::Totals& totals,
                                           const std::string& plugin) {
  std::vector<std::string> lines{
      fmt::format("stores of {}: the processor saw {}, its hooks told {}", plugin, totals.seen,
                  totals.all_told() ? "each once" : fmt::format("all but {}", totals.lost))};
  if (totals.without_store != 0) {
    lines.push_back(fmt::format("  told without a store: {}", totals.without_store));
  }
  const DebugInfo info(plugin);
  for (const StoreCount::Place& place : totals.places) {
    lines.push_back("  not told: " + (place.in_driver ? source_of(info, place.pc).text
                                                      : "in a library that the driver called"));
  }
  return lines;
}

}  // namespace iommucheck::oracle
