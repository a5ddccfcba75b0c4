// SPDX-License-Identifier: MIT
// Does a step cost more in a state that is larger? Each table has three sizes of one thing, and the
// batches of the three take turns, so that what else the machine does meets all alike.
#include <fmt/format.h>

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "bench/measure.h"
#include "bench/sections.h"
#include "bench/world.h"

namespace iommucheck::bench {
namespace {

constexpr u64 page = World::page;
constexpr u64 pas = u64{0x10} << 32;  // memory of callers
constexpr u64 spot = u64{64} << 30;   // IOVA of the steps that stay at one place
constexpr u64 spot_pages = 64;

/// A state, and where the steps in it are made.
struct Case {
  std::unique_ptr<World> world;
  u64 domain = 0;
  std::function<u64(SplitMix64&)> where;
  Samples step;  ///< ns of a map and an unmap
};

/// A step at one of 64 pages, always the same ones.
u64 at_the_spot(SplitMix64& words) { return spot + words.next() % spot_pages * page; }

void batch(Case& c, SplitMix64& words) {
  constexpr unsigned warm = 16;
  constexpr unsigned timed = 64;
  std::vector<u64> iovas;
  for (unsigned i = 0; i < warm + timed; ++i) iovas.push_back(c.where(words));
  double began = 0;
  for (unsigned i = 0; i < warm + timed; ++i) {
    if (i == warm) began = now_ns();
    c.world->map(c.domain, iovas[i], pas + (iovas[i] & 0x3fff'f000));
    c.world->unmap(c.domain, iovas[i]);
  }
  c.step.add((now_ns() - began) / timed);
  c.world->check();
  c.world->back();
}

void print(std::string_view what, std::span<const u64> sizes, std::vector<Samples>& samples) {
  fmt::print("  {:<52}", what);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    fmt::print("{:>9}: {:>6.0f}", sizes[i], samples[i].median());
  }
  fmt::print("{:>8.2f}\n", samples.back().median() / samples.front().median());
  std::fflush(stdout);
}

void measure(std::string_view what, std::span<const u64> sizes, std::vector<Case>& cases) {
  constexpr unsigned rounds = 120;
  SplitMix64 words(1);
  for (Case& c : cases) c.world->remember();
  for (unsigned i = 0; i < rounds; ++i) {
    for (Case& c : cases) batch(c, words);
  }
  std::vector<Samples> samples;
  for (const Case& c : cases) samples.push_back(c.step);
  print(what, sizes, samples);
}

Case attached(u32 devices, u64 window_bytes = u64{16} << 20) {
  Case c;
  c.world = std::make_unique<World>(devices, window_bytes);
  c.domain = c.world->paging_domain();
  c.world->attach(c.domain, 0);
  c.where = at_the_spot;
  // The steps' tables stay: what is measured is a page, not the making of tables.
  c.world->map(c.domain, spot + spot_pages * page, pas);
  return c;
}

/// Every second page is mapped, each for itself and to an address of its own: nothing can be merged
/// to fewer intervals than pages. The steps are made in the holes.
Case with_pages(u64 pages) {
  Case c = attached(3, u64{64} << 20);
  for (u64 i = 0; i < pages; ++i) {
    c.world->map(c.domain, spot + (spot_pages + 2 + 2 * i) * page,
                 pas + (i * 0x9e3779b1 % (u64{1} << 24)) * page);
  }
  c.world->check();
  return c;
}

void table_size() {
  constexpr u64 sizes[] = {u64{1} << 6, u64{1} << 12, u64{1} << 18};
  std::vector<Case> cases;
  for (const u64 pages : sizes) cases.push_back(with_pages(pages));
  measure("mapped pages in the domain; steps at 64 pages", sizes, cases);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const u64 pages = sizes[i];
    cases[i].step = {};
    cases[i].where = [pages](SplitMix64& words) {
      return spot + (spot_pages + 1 + 2 * (words.next() % pages)) * page;
    };
  }
  measure("  the same; steps in holes all over it", sizes, cases);
}

/// `calls` of them, without an undo: maps and unmaps at 4096 pages, and now and then a device
/// moves.
Case with_calls(u64 calls) {
  Case c = attached(3);
  const u64 other = c.world->paging_domain();
  constexpr u64 places = 4096;
  std::vector<bool> mapped(places);
  SplitMix64 words(7);
  for (u64 made = 0; made < calls; ++made) {
    const u64 word = words.next();
    if (word % 64 == 0) {
      c.world->attach((word >> 8) % 2 == 0 ? other : c.domain, 1);
      continue;
    }
    const u64 i = (word >> 8) % places;
    const u64 iova = spot + (spot_pages + 1 + i) * page;
    if (mapped[i]) {
      c.world->unmap(c.domain, iova);
    } else {
      c.world->map(c.domain, iova, pas + (word >> 20) % 0x10000 * page);
    }
    mapped[i] = !mapped[i];
  }
  // All states are alike but for their past.
  for (u64 i = 0; i < places; ++i) {
    if (mapped[i]) c.world->unmap(c.domain, spot + (spot_pages + 1 + i) * page);
  }
  c.world->attach(other, 1);
  c.world->check();
  return c;
}

/// `live` domains with a mapping each; `all_attached`: each has a device.
Case with_domains(u32 devices, u64 live, bool all_attached) {
  Case c = attached(devices);
  for (u64 i = 1; i < live; ++i) {
    const u64 domain = c.world->paging_domain();
    if (all_attached) c.world->attach(domain, static_cast<u32>(i));
    c.world->map(domain, spot, pas + i * page);
  }
  c.world->check();
  return c;
}

/// One map of so many 4 KiB leaves into a table that it makes (the address is equal to the IOVA's
/// modulo 4 KiB only), and one unmap of them: all is stored before the one barrier that follows.
void map_size(bool fast) {
  constexpr u64 sizes[] = {8, 64, 511};
  constexpr unsigned rounds = 60;
  Case c = attached(3);
  const u64 iova = spot + (u64{1} << 30);
  std::vector<Samples> samples(std::size(sizes));
  c.world->remember();
  for (unsigned i = 0; i < rounds; ++i) {
    for (std::size_t k = 0; k < std::size(sizes); ++k) {
      const u64 repeats = 511 / sizes[k];
      double spent = 0;
      for (u64 n = 0; n < repeats; ++n) {
        const double began = now_ns();
        c.world->map(c.domain, iova, pas + page, sizes[k] * page);
        if (fast) {
          c.world->unmap_fast(c.domain, iova, sizes[k] * page);
          c.world->sync(c.domain);
        } else {
          c.world->unmap(c.domain, iova, sizes[k] * page);
        }
        spent += now_ns() - began;
        c.world->check();
        c.world->back();
      }
      samples[k].add(spent / static_cast<double>(repeats * sizes[k]));
    }
  }
  print(fast ? "  the same with unmap_fast and iotlb_sync"
             : "4 KiB leaves of one map + unmap, new table; ns a leaf",
        sizes, samples);
}

}  // namespace

void growth() {
  fmt::print(
      "  size: ns a step (median of 120 batches of 64), and the time at large by that at small\n");
  fmt::print("  {:<52}{:>17}{:>17}{:>17}{:>8}\n", "", "small", "middle", "large", "ratio");
  std::fflush(stdout);
  table_size();
  {
    constexpr u64 sizes[] = {1000, 10000, 100000};
    std::vector<Case> cases;
    for (const u64 calls : sizes) cases.push_back(with_calls(calls));
    measure("earlier calls in the same state, nothing undone", sizes, cases);
  }
  constexpr u64 sizes[] = {1, 16, 200};
  for (const bool all_attached : {false, true}) {
    std::vector<Case> cases;
    for (const u64 live : sizes) cases.push_back(with_domains(200, live, all_attached));
    measure(all_attached ? "domains, each with a device and a mapping"
                         : "domains with a mapping each, one with a device",
            sizes, cases);
  }
  std::vector<Case> cases;
  for (const u64 devices : sizes) cases.push_back(attached(static_cast<u32>(devices)));
  measure("devices, one of them attached", sizes, cases);
  for (const bool fast : {false, true}) map_size(fast);
}

}  // namespace iommucheck::bench
