// SPDX-License-Identifier: MIT
// The driver's own time for map and unmap: its platform is an array, its SMMU consumes at once.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/types.h"
#include "bench/measure.h"
#include "bench/sections.h"
#include "impl/driver.h"

namespace iommucheck::bench {
namespace {

/// The least that a driver can run on.
struct TrivialWorld {
  static constexpr u64 window_pa = 0x8000'0000;
  static constexpr u64 window_bytes = u64{32} << 20;
  static constexpr u64 arena_bytes = u64{16} << 20;

  std::vector<u64> memory = std::vector<u64>(window_bytes / 8);
  std::vector<u64> arena = std::vector<u64>(arena_bytes / 8);
  std::vector<u64> free_pages;
  u64 bump = window_pa;
  u64 arena_used = 0;
  u32 registers[0x200 / 4] = {};
  u32 page1 = 0;

  static TrivialWorld& of(void* ctx) { return *static_cast<TrivialWorld*>(ctx); }
  u64& word(u64 pa) { return memory[(pa - window_pa) / 8]; }
  u32& reg(u64 offset) { return offset < 0x200 ? registers[offset / 4] : page1; }

  static const void* table_alloc(void* ctx, u64 bytes, u64* pa) {
    TrivialWorld& w = of(ctx);
    if (bytes == 4096 && !w.free_pages.empty()) {
      *pa = w.free_pages.back();
      w.free_pages.pop_back();
      return &w.word(*pa);
    }
    *pa = (w.bump + bytes - 1) & ~(bytes - 1);
    if (*pa + bytes > window_pa + window_bytes) return nullptr;
    w.bump = *pa + bytes;
    return &w.word(*pa);
  }
  static void table_free(void* ctx, u64 pa, u64 bytes) {
    if (bytes == 4096) of(ctx).free_pages.push_back(pa);
  }
  static void* arena_alloc(void* ctx, u64 bytes, u64 align) {
    TrivialWorld& w = of(ctx);
    const u64 start = (w.arena_used + align - 1) & ~(align - 1);
    if (start + bytes > arena_bytes) return nullptr;
    w.arena_used = start + bytes;
    return reinterpret_cast<char*>(w.arena.data()) + start;
  }
  static void store64(void* ctx, u64 pa, u64 value) { of(ctx).word(pa) = value; }
  static void fill64(void* ctx, u64 pa, u64 count, u64 value) {
    u64* first = &of(ctx).word(pa);
    for (u64 i = 0; i < count; ++i) first[i] = value;
  }
  static u64 load64(void* ctx, u64 pa) { return of(ctx).word(pa); }
  static void barrier(void*, u32) {}
  static void dma(void*, u64, u64) {}
  static void write32(void* ctx, u64 offset, u32 value, u32) {
    TrivialWorld& w = of(ctx);
    w.reg(offset) = value;
    if (offset == 0x98) w.reg(0x9c) = value;                // every command is consumed
    if (offset == 0x20) w.reg(0x24) = value;                // CR0ACK
    if (offset == 0x50) w.reg(0x54) = value;                // IRQ_CTRLACK
    if (offset == 0x44) w.reg(0x44) = value & 0x7fff'ffff;  // GBPA.Update
  }
  static void write64(void* ctx, u64 offset, u64 value, u32) {
    of(ctx).reg(offset) = static_cast<u32>(value);
  }
  static u32 read32(void* ctx, u64 offset) { return of(ctx).reg(offset); }
  static u64 read64(void* ctx, u64 offset) { return of(ctx).reg(offset); }
  static int wait(void*, u64, u64) { return 1; }
  // Each process has an ASID of its own, above those of domains.
  static u32 mm_pin(void*, iommucheck_handle mm) { return static_cast<u32>(mm) + 0x1000; }
  static void mm_unpin(void*, iommucheck_handle) {}
};

struct Bench {
  static constexpr u32 pasid_bits = 16;

  /// `pasids`: the device has some, and can be bound to processes.
  explicit Bench(bool pasids = false) {
    world->reg(0x00) = 0b10 | 2 << 2 | 1 << 4 | 1 << 12 | 1 << 24;
    world->reg(0x04) = 6 | 7 << 16 | 8 << 21;
    world->reg(0x0c) = 1 << 10;
    world->reg(0x14) = 5 | 1 << 4;
    if (pasids) {
      world->reg(0x00) |= 1 << 19;          // CD2L
      world->reg(0x04) |= pasid_bits << 6;  // SSIDSIZE
      device.ssid_bits = pasid_bits;
    }
    platform.size = sizeof platform;
    platform.abi = IOMMUCHECK_DRIVER_ABI;
    platform.ctx = world.get();
    platform.window = world->memory.data();
    platform.window_pa = TrivialWorld::window_pa;
    platform.window_size = TrivialWorld::window_bytes;
    platform.table_alloc = TrivialWorld::table_alloc;
    platform.table_free = TrivialWorld::table_free;
    platform.arena_alloc = TrivialWorld::arena_alloc;
    platform.store64 = TrivialWorld::store64;
    platform.fill64 = TrivialWorld::fill64;
    platform.load64 = TrivialWorld::load64;
    platform.barrier = TrivialWorld::barrier;
    platform.dma_clean = TrivialWorld::dma;
    platform.dma_invalidate = TrivialWorld::dma;
    platform.mmio_write32 = TrivialWorld::write32;
    platform.mmio_write64 = TrivialWorld::write64;
    platform.mmio_read32 = TrivialWorld::read32;
    platform.mmio_read64 = TrivialWorld::read64;
    platform.wait = TrivialWorld::wait;
    platform.mm_pin = TrivialWorld::mm_pin;
    platform.mm_unpin = TrivialWorld::mm_unpin;
    device.size = sizeof device;
    device.abi = IOMMUCHECK_DRIVER_ABI;
    device.stream_ids = &stream;
    device.stream_id_count = 1;
    config.size = sizeof config;
    config.abi = IOMMUCHECK_DRIVER_ABI;
    config.devices = &device_pointer;
    config.device_count = 1;
    config.iommu_count = 1;
    iommucheck_domain_params params = {};
    params.size = sizeof params;
    params.abi = IOMMUCHECK_DRIVER_ABI;
    params.kind = IOMMUCHECK_DOMAIN_PAGING;
    const bool up = driver->init(&platform, &config, &self) == 0 && driver->reset(self) == 0 &&
                    driver->device_add(self, 0) == 0 &&
                    driver->domain_alloc(self, &params, &domain) == 0 &&
                    driver->attach(self, domain, 0) == 0;
    if (!up) throw std::runtime_error("the driver does not come up");
  }

  const iommucheck_driver* driver = impl::builtin_driver();
  std::unique_ptr<TrivialWorld> world = std::make_unique<TrivialWorld>();
  iommucheck_platform platform = {};
  iommucheck_device device = {};
  const iommucheck_device* device_pointer = &device;
  iommucheck_config config = {};
  u32 stream = 1;
  void* self = nullptr;
  iommucheck_handle domain = 0;
};

constexpr u64 window = u64{1} << 30;
constexpr u64 batch = 256;
constexpr u32 prot = IOMMUCHECK_PROT_READ | IOMMUCHECK_PROT_WRITE;

void must(bool right, const char* what) {
  if (!right) throw std::runtime_error(what);
}

/// 256 maps, then 256 unmaps, each invalidated and synchronised; one half is timed. The last slot
/// of the tables stays mapped, so that no table is made or freed, whatever the driver's way.
void batches(benchmark::State& state, u64 bytes, bool maps) {
  Bench b;
  must(b.driver->map(b.self, b.domain, window + 511 * bytes, window, bytes, prot) == 0,
       "map failed");
  for (auto _ : state) {
    double began = now_ns();
    for (u64 i = 0; i < batch; ++i) {
      const u64 iova = window + i * bytes;
      must(b.driver->map(b.self, b.domain, iova, iova, bytes, prot) == 0, "map failed");
    }
    if (maps) state.SetIterationTime((now_ns() - began) / 1e9);
    began = now_ns();
    for (u64 i = 0; i < batch; ++i) {
      must(b.driver->unmap(b.self, b.domain, window + i * bytes, bytes).bytes == bytes,
           "unmap failed");
    }
    if (!maps) state.SetIterationTime((now_ns() - began) / 1e9);
  }
}

/// A map and an unmap at an address that rolls over 1 GiB: each table is met the first time once.
void rolling(benchmark::State& state, u64 bytes) {
  Bench b;
  u64 iova = window;
  for (auto _ : state) {
    const double began = now_ns();
    for (u64 i = 0; i < batch; ++i) {
      must(b.driver->map(b.self, b.domain, iova, iova, bytes, prot) == 0, "map failed");
      must(b.driver->unmap(b.self, b.domain, iova, bytes).bytes == bytes, "unmap failed");
      iova = iova + bytes < 2 * window ? iova + bytes : window;
    }
    state.SetIterationTime((now_ns() - began) / 1e9);
  }
}

/// A map and an unmap, the invalidation left for one sync after 64.
void gathered(benchmark::State& state, u64 bytes) {
  Bench b;
  for (auto _ : state) {
    const double began = now_ns();
    for (u64 i = 0; i < batch; ++i) {
      const u64 iova = window + i * bytes;
      must(b.driver->map(b.self, b.domain, iova, iova, bytes, prot) == 0, "map failed");
      must(b.driver->unmap_fast(b.self, b.domain, iova, bytes).bytes == bytes, "unmap failed");
      if (i % 64 == 63) b.driver->iotlb_sync(b.self, b.domain);
    }
    state.SetIterationTime((now_ns() - began) / 1e9);
  }
}

/// The software walk, four levels.
void iova_to_phys(benchmark::State& state) {
  Bench b;
  must(b.driver->map(b.self, b.domain, window, window + 4096, 2 << 20, prot) == 0, "map failed");
  for (auto _ : state) {
    const double began = now_ns();
    u64 sum = 0;
    for (u64 i = 0; i < batch; ++i) {
      sum += b.driver->iova_to_phys(b.self, b.domain, window + i * 4096);
    }
    benchmark::DoNotOptimize(sum);
    state.SetIterationTime((now_ns() - began) / 1e9);
  }
}

/// One PASID after the other, given and given back; `held` others are out all the time.
void pasids(benchmark::State& state, u64 held) {
  Bench b;
  u32 pasid = 0;
  for (u64 i = 0; i < held; ++i) {
    must(b.driver->pasid_alloc(b.self, 1, 0, &pasid) == 0, "pasid_alloc failed");
  }
  for (auto _ : state) {
    const double began = now_ns();
    for (u64 i = 0; i < batch; ++i) {
      must(b.driver->pasid_alloc(b.self, 1, 0, &pasid) == 0, "pasid_alloc failed");
      must(b.driver->pasid_free(b.self, pasid) == 0, "pasid_free failed");
    }
    state.SetIterationTime((now_ns() - began) / 1e9);
  }
}

u32 bind(const Bench& b, u64 mm, u32 flags) {
  iommucheck_mm process = {};
  process.size = sizeof process;
  process.abi = IOMMUCHECK_DRIVER_ABI;
  process.mm = mm;
  process.table_pa = TrivialWorld::window_pa;
  process.input_bits = 48;
  u32 pasid = 0;
  must(b.driver->bind_device(b.self, 0, &process, flags, 0, &pasid) == 0, "bind failed");
  return pasid;
}

/// A machine on which process 1 has `pasids` PASIDs, and `others` processes one each.
std::unique_ptr<Bench> bound(u32 pasids, u64 others) {
  auto b = std::make_unique<Bench>(true);
  must(b->driver->sva_device_init(b->self, 0, 0, 1, 0, 0) == 0, "sva_device_init failed");
  u32 made = 0;
  const auto make = [&] { bind(*b, 1, made++ == 0 ? 0 : IOMMUCHECK_BIND_FURTHER_PASID); };
  // Half of them before it, half behind it.
  for (u64 i = 0; i < others; ++i) {
    if (i == others / 2 && made < pasids) make();
    bind(*b, 2 + i, 0);
  }
  while (made < pasids) make();
  return b;
}

/// A munmap of a page, as the environment tells it: alone and among 10,000, the two taking turns.
void munmaps() {
  constexpr u64 others = 10'000;
  constexpr unsigned rounds = 101;
  fmt::print("  {:<40}{:>12}{:>14}{:>8}\n", "munmap of a process; ns (median of 101)", "alone",
             "among 10,000", "ratio");
  for (const u32 pasids : {1U, 4U, 16U, 64U}) {
    const std::unique_ptr<Bench> benches[] = {bound(pasids, 0), bound(pasids, others)};
    Samples samples[2];
    for (unsigned round = 0; round < rounds; ++round) {
      for (unsigned i = 0; i < 2; ++i) {
        const Bench& b = *benches[i];
        const double began = now_ns();
        for (u64 n = 0; n < batch; ++n) {
          must(b.driver->mm_invalidate(b.self, 1, n * 4096, 4096) == 0, "mm_invalidate failed");
        }
        samples[i].add((now_ns() - began) / static_cast<double>(batch));
      }
    }
    fmt::print("  {:<40}{:>12.1f}{:>14.1f}{:>8.2f}\n", fmt::format("  its PASIDs: {}", pasids),
               samples[0].median(), samples[1].median(), samples[1].median() / samples[0].median());
  }
}

/// A bind and the unbind of a process that nobody else is bound to, with so many others bound; the
/// sizes take turns.
void binds() {
  constexpr u64 others[] = {0, 100, 1'000, 10'000};
  constexpr unsigned rounds = 101;
  fmt::print("  {:<40}", "others bound; ns (median of 101)");
  for (const u64 count : others) fmt::print("{:>10}", count);
  fmt::print("{:>8}\n", "ratio");
  std::vector<std::unique_ptr<Bench>> benches;
  for (const u64 count : others) benches.push_back(bound(0, count));
  std::vector<Samples> samples(std::size(others));
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < benches.size(); ++i) {
      const Bench& b = *benches[i];
      const double began = now_ns();
      for (u64 n = 0; n < batch; ++n) {
        must(b.driver->unbind_device(b.self, 0, bind(b, 1, 0)) == 0, "unbind failed");
      }
      samples[i].add((now_ns() - began) / static_cast<double>(batch));
    }
  }
  fmt::print("  {:<40}", "  bind + unbind of a process");
  for (Samples& each : samples) fmt::print("{:>10.1f}", each.median());
  fmt::print("{:>8.2f}\n", samples.back().median() / samples.front().median());
}

/// Collects the repetitions of each benchmark; prints a line once all of them are there.
class Lines final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override {
    fmt::print("  {:<56}{:>9}{:>9}{:>9}\n", "ns a call (9 repetitions)", "median", "min", "max");
    return true;
  }
  void ReportRuns(const std::vector<Run>& runs) override {
    Samples samples;
    std::string name;
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      name = run.run_name.function_name;
      samples.add(run.GetAdjustedRealTime() / static_cast<double>(batch));
    }
    if (samples.count() == 0) return;
    fmt::print("  {:<56}{:>9.1f}{:>9.1f}{:>9.1f}\n", name, samples.median(), samples.min(),
               samples.max());
  }
};

void add(const char* name, auto function, auto... arguments) {
  benchmark::RegisterBenchmark(name,
                               [=](benchmark::State& state) { function(state, arguments...); })
      ->UseManualTime()
      ->Unit(benchmark::kNanosecond)
      ->MinTime(0.03)
      ->Repetitions(9);
}

}  // namespace

void driver_alone() {
  constexpr u64 small = 4096;
  constexpr u64 large = u64{2} << 20;
  add("map 4 KiB", batches, small, true);
  add("unmap 4 KiB, TLBI and CMD_SYNC", batches, small, false);
  add("map 2 MiB", batches, large, true);
  add("unmap 2 MiB, TLBI and CMD_SYNC", batches, large, false);
  add("map + unmap 4 KiB, at rolling addresses", rolling, small);
  add("map + unmap 2 MiB, at rolling addresses", rolling, large);
  add("map + unmap_fast 4 KiB, one sync for 64", gathered, small);
  add("map + unmap_fast 2 MiB, one sync for 64", gathered, large);
  add("iova_to_phys, four levels", iova_to_phys);
  add("pasid_alloc + pasid_free, none held", pasids, u64{0});
  add("pasid_alloc + pasid_free, 1000 held", pasids, u64{1000});
  Lines lines;
  benchmark::RunSpecifiedBenchmarks(&lines);
  munmaps();
  binds();
}

}  // namespace iommucheck::bench
