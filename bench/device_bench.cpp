// SPDX-License-Identifier: MIT
// The fast model of an SMMU (impl/device): what an access costs, beside what the machine asks for
// so many loads that each need the one before. Memory is a window, so that the model loads from it
// as the floor does.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/random.h"
#include "bench/measure.h"
#include "bench/sections.h"
#include "impl/device/smmu.h"

namespace iommucheck::bench {
namespace {

using device::Access;
using device::Answer;
using device::Port;
using device::Smmu;
namespace reg = device::reg;

constexpr u64 base = u64{1} << 32;
constexpr u32 sid = 1;
constexpr u64 page_bytes = 4096;

/// Memory that is nothing but a window, and a guest that maps pages of its address space at random
/// ones of its memory.
class Machine final : public device::Memory, public device::Host {
 public:
  Machine(u64 bytes, bool stage2, device::CacheSizes caches)
      : words_(bytes / 8), next_(base + 0x10000) {
    const device::Window window{base, bytes, reinterpret_cast<std::byte*>(words_.data())};
    auto made =
        Smmu::create({.features = {}, .caches = caches, .windows = {&window, 1}}, *this, *this);
    if (!made) throw std::runtime_error(made.error());
    smmu = std::move(*made);
    const u64 cd = base + 0x2000, ste = base + u64{sid} * 64;
    root_ = page();
    word(ste) = cd | 1 | u64{stage2 ? 7U : 5U} << 1;
    if (stage2) {
      root2_ = page();
      word(ste + 16) = u64{16} << 32 | u64{2} << 38 | u64{5} << 48 | u64{1} << 51 | u64{1} << 58;
      word(ste + 24) = root2_;
      for (u64 at = base; at < base + bytes; at += page_bytes) {
        put(root2_, at, at | 0x3 | 0xf << 2 | 3 << 6 | 1 << 10);
      }
    }
    word(cd) = 16 | u64{1} << 30 | u64{1} << 31 | u64{5} << 32 | u64{1} << 41 | u64{7} << 45 |
               u64{1} << 48;
    word(cd + 8) = root_;
    smmu->write(reg::strtab_base, 8, base);
    smmu->write(reg::strtab_base_cfg, 4, 6);
    smmu->write(reg::cmdq_base, 8, (base + 0x4000) | 8);
    smmu->write(reg::cr0, 4, 1 | 8);
  }
  bool read(u64, void*, u64) noexcept override { return false; }
  bool write(u64, const void*, u64) noexcept override { return false; }
  bool compare_exchange(u64, u64&, u64) noexcept override { return false; }
  void interrupt(device::Line) noexcept override {}

  void map(u64 va, u64 pa) { put(root_, va, pa | 0x3 | 1 << 6 | 1 << 10 | 1 << 11); }
  /// What a walk loads, four levels or, with stage 2, four for each address: the output.
  u64 walk(u64 va, bool nested) {
    u64 table = root_;
    for (unsigned shift = 39;; shift -= 9) {
      u64 at = table + (va >> shift & 511) * 8;
      if (nested) at = through(root2_, at);
      table = word_at(at) & mask(47, 12);
      if (shift == 12) return nested ? through(root2_, table) : table;
    }
  }
  u64& word(u64 pa) { return words_.at((pa - base) / 8); }

  std::unique_ptr<Smmu> smmu;

 private:
  u64 page() {
    const u64 at = next_;
    next_ += page_bytes;
    return at;
  }
  void put(u64 root, u64 va, u64 leaf) {
    u64 table = root;
    for (unsigned shift = 39; shift > 12; shift -= 9) {
      u64& entry = word(table + (va >> shift & 511) * 8);
      if (entry == 0) entry = page() | 3;
      table = entry & mask(47, 12);
    }
    word(table + (va >> 12 & 511) * 8) = leaf;
  }
  [[nodiscard]] u64 word_at(u64 pa) const { return words_[(pa - base) / 8]; }
  [[nodiscard]] u64 through(u64 root, u64 ipa) const {
    u64 table = root;
    for (unsigned shift = 39; shift > 12; shift -= 9) {
      table = word_at(table + (ipa >> shift & 511) * 8) & mask(47, 12);
    }
    return (word_at(table + (ipa >> 12 & 511) * 8) & mask(47, 12)) | (ipa & 4095);
  }
  void command(u64 low) {
    word(base + 0x4000 + u64{prod_ & 255} * 16) = low;
    word(base + 0x4008 + u64{prod_ & 255} * 16) = 0;
    prod_ = (prod_ + 1) & 511;
    smmu->write(reg::cmdq_prod, 4, prod_);
  }

  std::vector<u64> words_;
  u64 next_, root_ = 0, root2_ = 0;
  u32 prod_ = 0;
};

/// So many loads, each at a place that the one before says, in memory of that size.
double floor_ns(u64 bytes, u64 loads) {
  constexpr u64 line = 8;  // words
  std::vector<u64> next(bytes / 8);
  const u64 lines = next.size() / line;
  std::vector<u64> order(lines);
  for (u64 i = 0; i < lines; ++i) order[i] = i;
  SplitMix64 draw(1);
  for (u64 i = lines - 1; i > 0; --i) std::swap(order[i], order[draw.below(i + 1)]);
  for (u64 i = 0; i < lines; ++i) next[order[i] * line] = order[(i + 1) % lines] * line;
  constexpr u64 chains = 200000;
  Samples samples;
  u64 at = 0;
  for (unsigned round = 0; round < 7; ++round) {
    const double began = now_ns();
    for (u64 i = 0; i < chains * loads; ++i) at = next[at];
    samples.add((now_ns() - began) / static_cast<double>(chains));
    keep(at);
  }
  return samples.min();
}

/// Addresses of pages that are mapped, in no order.
std::vector<u64> mapped(Machine& machine, u64 pages, u64 stride, u64 data_first, u64 data_pages) {
  SplitMix64 draw(pages);
  std::vector<u64> all;
  for (u64 i = 0; i < pages; ++i) {
    machine.map(i * stride, data_first + draw.below(data_pages) * page_bytes);
    all.push_back(i * stride);
  }
  std::vector<u64> order;
  for (u64 i = 0; i < 65536; ++i) order.push_back(all[draw.below(pages)] | draw.below(512) * 8);
  return order;
}

/// The same below so many tables: 32 entries of the first level, 16 of each table of the next,
/// `last` of each of those, each leaf at any entry of its table.
std::vector<u64> scattered(Machine& machine, u64 last, u64 count, u64 data_first, u64 data_pages) {
  SplitMix64 draw(3);
  std::vector<u64> order;
  for (u64 i = 0; i < count; ++i) {
    const u64 va = draw.below(32) << 39 | draw.below(16) << 30 | draw.below(last) << 21 |
                   draw.below(512) << 12;
    machine.map(va, data_first + draw.below(data_pages) * page_bytes);
    order.push_back(va | draw.below(512) * 8);
  }
  return order;
}

u64 pass(Port& port, const std::vector<u64>& addresses) {
  u64 sum = 0;
  constexpr u64 section = 64;
  for (u64 i = 0; i < addresses.size(); i += section) {
    const Port::Section inside(port);
    for (u64 k = i; k < i + section; ++k) {
      const Answer answer = port.access({.sid = sid, .address = addresses[k]});
      if (answer.end != device::End::passed) std::abort();
      sum += answer.pa;
    }
  }
  return sum;
}

double hits_ns(Machine& machine, const std::vector<u64>& addresses, unsigned threads) {
  Samples samples;
  std::atomic<unsigned> ready{0};
  std::vector<double> spent(threads);
  const auto run = [&](unsigned which) {
    Port port(*machine.smmu);
    (void)pass(port, addresses);
    ready.fetch_add(1);
    while (ready.load() < threads) std::this_thread::yield();
    Samples own;
    for (unsigned round = 0; round < 20; ++round) {
      const double began = now_ns();
      keep(pass(port, addresses));
      own.add((now_ns() - began) / static_cast<double>(addresses.size()));
    }
    spent[which] = own.min();
  };
  std::vector<std::jthread> others;
  for (unsigned t = 1; t < threads; ++t) others.emplace_back(run, t);
  run(0);
  others.clear();
  double worst = 0;
  for (const double one : spent) worst = std::max(worst, one);
  return worst;
}

/// The loads of a walk and nothing else, at the same addresses.
double walks_ns(Machine& machine, const std::vector<u64>& addresses, bool nested) {
  Samples samples;
  for (unsigned round = 0; round < 5; ++round) {
    u64 sum = 0;
    const double began = now_ns();
    for (const u64 address : addresses) {
      sum = machine.walk(address ^ (sum & 1), nested);
      asm volatile("" : "+r"(sum));  // whose lowest bit nobody knows: the next walk waits for it
    }
    samples.add((now_ns() - began) / static_cast<double>(addresses.size()));
  }
  return samples.min();
}

}  // namespace

void fast_model() {
  constexpr u64 mib = 1 << 20;
  constexpr device::CacheSizes sizes{};
  const u64 places = u64{4} << sizes.tlb_lg2;
  {
    Machine machine(64 * mib, false, sizes);
    const auto near = mapped(machine, 4096, page_bytes, base + 32 * mib, 4096);
    const double one = hits_ns(machine, near, 1), two = hits_ns(machine, near, 2);
    fmt::print(
        "  hit, 4,096 pages at random of {} places     {:7.1f} ns    two threads {:.1f} ns each\n",
        places, one, two);
    fmt::print("    floor: one load of {} KiB                {:7.1f} ns\n", places * 32 / 1024,
               floor_ns(places * 32, 1));
  }
  {
    Machine machine(256 * mib, false, sizes);
    const auto far = mapped(machine, 4 * places, page_bytes, base + 192 * mib, 4096);
    fmt::print("  over capacity, {} pages at random       {:7.1f} ns\n", 4 * places,
               hits_ns(machine, far, 1));
    fmt::print("    floor: two loads of 256 KiB                {:7.1f} ns\n",
               floor_ns(256 << 10, 2));
  }
  // So few places that every access walks from the root. Tables lie in the processor's caches, or,
  // with half a million leaves in 256 MiB of them, do not.
  constexpr device::CacheSizes none{.tlb_lg2 = 0, .config_lg2 = 6};
  const auto walks = [&](const char* what, u64 bytes, bool nested, u64 last, u64 count) {
    Machine machine(bytes, nested, none);
    const auto sparse = scattered(machine, last, count, base + bytes - 32 * mib, 4096);
    fmt::print("  miss, {:<38}{:7.1f} ns\n", what, hits_ns(machine, sparse, 1));
    fmt::print("    floor: the loads of the same walks         {:7.1f} ns\n",
               walks_ns(machine, sparse, nested));
  };
  walks("four levels", 256 * mib, false, 16, 65536);
  walks("four levels, tables not in caches", 512 * mib, false, 128, 524288);
  walks("four levels of both stages", 256 * mib, true, 16, 65536);
}

}  // namespace iommucheck::bench
