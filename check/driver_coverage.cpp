// SPDX-License-Identifier: MIT
#include "check/driver_coverage.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "iommucheck/driver.h"
#include "process/source_lines.h"

namespace iommucheck::oracle {

namespace {

constexpr u8 is_function = 1, was_entered = 2;

/// "find_slot at smu.c:404, in map at smu.c:456" is line 404 of "find_slot of smu.c". Line 0 is
/// code that the compiler made for none.
void add_line(std::map<std::string, std::set<u64>>& blocks, const std::string& where) {
  const std::string innermost = where.substr(0, where.find(", in "));
  const std::size_t at = innermost.find(" at ");
  const std::size_t colon = innermost.rfind(':');
  if (at == std::string::npos || colon == std::string::npos || colon < at) {
    blocks[innermost];
    return;
  }
  const u64 line = std::strtoull(innermost.c_str() + colon + 1, nullptr, 10);
  if (line == 0) return;
  const std::string file = innermost.substr(at + 4, colon - at - 4);
  blocks[innermost.substr(0, at) + " of " + file].insert(line);
}

}  // namespace

struct DriverCoverage::Shared {
  std::atomic<u64> count;  // 0: nothing was noted yet
  u64 pcs[places_max];
  std::atomic<u8> flags[places_max];
};

Expected<std::shared_ptr<DriverCoverage>> DriverCoverage::create() {
  auto shared = map_zeroed<Shared>(Sharing::with_forks, sizeof(Shared), "coverage");
  if (!shared) return std::unexpected(shared.error());
  auto coverage = std::make_shared<DriverCoverage>();
  coverage->shared_ = *std::move(shared);
  return coverage;
}

bool has_counters(const iommucheck_hooks* hooks) {
  return hooks != nullptr && IOMMUCHECK_HAS(struct iommucheck_hooks, hooks, coverage) &&
         hooks->coverage != nullptr && hooks->coverage->count != 0;
}

/// Who comes first says where the places are; they are the same in each process.
void DriverCoverage::note(const iommucheck_hooks* hooks) {
  if (!has_counters(hooks)) return;
  const iommucheck_coverage& its = *hooks->coverage;
  const u64 count = std::min<u64>(its.count, places_max);
  if (shared_->count == 0) {
    for (u64 i = 0; i < count; ++i) {
      shared_->pcs[i] = its.places[2 * i] - its.base;
      if ((its.places[2 * i + 1] & 1) != 0) shared_->flags[i] |= is_function;
    }
    shared_->count = count;
  }
  for (u64 i = 0; i < count; ++i) {
    if (its.counters[i] != 0 && (shared_->flags[i] & was_entered) == 0) {
      shared_->flags[i] |= was_entered;
    }
  }
}

std::vector<DriverCoverage::Place> DriverCoverage::places() const {
  std::vector<Place> all;
  const u64 count = std::min<u64>(shared_->count, places_max);  // a driver may have scribbled there
  for (u64 i = 0; i < count; ++i) {
    const u8 flags = shared_->flags[i];
    all.push_back({shared_->pcs[i], (flags & is_function) != 0, (flags & was_entered) != 0});
  }
  std::ranges::sort(all, {}, &Place::pc);
  return all;
}

std::vector<std::string> coverage_lines(const DriverCoverage& coverage, const std::string& plugin) {
  const std::vector<DriverCoverage::Place> places = coverage.places();
  const auto count = [&](auto which) { return std::ranges::count_if(places, which); };
  using Place = DriverCoverage::Place;
  std::vector<std::string> lines;
  lines.push_back(fmt::format("coverage of {}: {} of {} functions and {} of {} blocks were entered",
                              plugin, count([](const Place& p) { return p.function && p.entered; }),
                              count([](const Place& p) { return p.function; }),
                              count([](const Place& p) { return p.entered; }), places.size()));
  bool entered = true;                          // the function that the place is in
  std::map<std::string, std::set<u64>> blocks;  // lines, by "smu.c: map"
  const DebugInfo info(plugin);
  for (const Place& place : places) {
    if (place.function) entered = place.entered;
    if (place.entered) continue;
    const std::string where = source_of(info, place.pc).text;
    if (place.function) {
      lines.push_back("  never entered: the function " + where);
    } else if (entered) {
      add_line(blocks, where);
    }
  }
  for (const auto& [function, numbers] : blocks) {
    std::string text = "  never entered in " + function;
    for (const u64 number : numbers) {
      text += fmt::format("{}{}", number == *numbers.begin() ? ", line " : ", ", number);
    }
    lines.push_back(std::move(text));
  }
  return lines;
}

}  // namespace iommucheck::oracle
