// SPDX-License-Identifier: MIT
// A guest that writes garbage: random registers, queues, structures and tables, and accesses of all
// kinds. Nothing crashes (the sanitizers look), no access allocates, and each does a bounded number
// of reads; and what passes has passed by something that is there.
#include <gtest/gtest.h>

#include "base/random.h"
#include "impl/device/door.h"
#include "tests/cases.h"
#include "tests/impl/device/device_support.h"
#include "tests/number_from.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#define IOMMUCHECK_COUNTS_ALLOCATIONS 1
#endif
#endif

namespace iommucheck::device::garbage_test {
namespace {

using test::World;

constexpr u64 bytes = 1 << 17;
/// Four tries of: an L1STD, an STE, an L1CD and a CD, each behind a walk of stage 2, and a walk of
/// both stages. STEs and CDs are one read each.
constexpr u64 reads_most = 2 + 2 * (4 * 4 + 1) + 4 * (4 * (4 + 1) + 2 * 4) + 8;

#ifdef IOMMUCHECK_COUNTS_ALLOCATIONS
std::atomic<u64> allocations{0};
u64 allocated() {
  static const bool once = [] {
    return __sanitizer_install_malloc_and_free_hooks(
               [](const volatile void*, std::size_t) { allocations.fetch_add(1); },
               [](const volatile void*) {}) != 0;
  }();
  return once ? allocations.load() : 0;
}
#else
u64 allocated() { return 0; }
#endif

/// A word that something may be made of: an address that is there, with low and high bits of a
/// descriptor, an STE, a CD or a command.
u64 a_word(SplitMix64& draw) {
  const u64 address = World::base + (draw.below(bytes / 4096) << 12);
  switch (draw.below(20)) {
    case 0: return draw.next();
    case 1: return 0;
    case 2:
    case 3: return address | u64{1} | draw.below(1024) << 2 | draw.below(8) << 51;      // block
    case 4: return address | u64{1} | (4 + draw.below(4)) << 1 | draw.below(16) << 59;  // STE
    case 5:                                                                             // CD
      return (16 + draw.below(24)) | draw.below(4) << 6 | (16 + draw.below(24)) << 16 |
             draw.below(4) << 22 | u64{1} << 30 | u64{1} << 31 | draw.below(8) << 32 |
             u64{1} << 41 | draw.below(8) << 42 | u64{6} << 45 | draw.below(4) << 48;
    case 6:  // word 2 of an STE
      return draw.below(4) | (16 + draw.below(32)) << 32 | draw.below(4) << 38 |
             draw.below(4) << 46 | draw.below(8) << 48 | u64{1} << 51 | draw.below(64) << 53;
    case 7: {  // a command
      constexpr u8 ops[] = {3,    4,    5,    6,    0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22,
                            0x23, 0x28, 0x2a, 0x30, 0x40, 0x41, 0x44, 0x45, 0x46, 0x46, 0x46};
      return u64{ops[draw.below(std::size(ops))]} | draw.below(2) << 10 | draw.below(32) << 12 |
             draw.below(32) << 20 | draw.below(64) << 32 | draw.below(4) << 48;
    }
    default: return address | u64{3} | draw.below(1024) << 2;  // a table, a page
  }
}

void write_register(Smmu& smmu, SplitMix64& draw) {
  constexpr u32 at[] = {0x20, 0x28, 0x2c, 0x44, 0x50, 0x64,    0x68,    0x70,    0x74,
                        0x80, 0x84, 0x88, 0x90, 0x94, 0x98,    0x9c,    0xa0,    0xa4,
                        0xb0, 0xb8, 0xc0, 0xd0, 0xdc, 0x100a8, 0x100ac, 0x100c8, 0x100cc};
  const auto offset =
      draw.below(16) == 0 ? static_cast<u32>(draw.below(0x20000)) : at[draw.below(std::size(at))];
  const unsigned width = offset % 8 == 0 && draw.below(3) == 0 ? 8 : 4;
  u64 value = draw.below(4) == 0 ? draw.next() : a_word(draw);
  if (offset == 0x20) value = draw.below(8) == 0 ? draw.next() : 0x1f;
  if (offset == 0x88) value = draw.below(12) | 6 << 6 | draw.below(2) << 16;
  if (offset == 0x98 || offset >= 0x10000) value = draw.below(64);
  smmu.write(offset, width, value);
}

struct Garbage {
  World world{bytes};
  std::unique_ptr<Smmu> smmu;
  SplitMix64 draw;
  u32 sid = 0;  ///< of the stream that was mended last
  explicit Garbage(u64 seed, bool window) : draw(seed) {
    const Window its = world.window();
    Config config{.features = drawn_features(seed), .caches = {}, .windows = {}};
    config.caches = {.tlb_lg2 = static_cast<unsigned>(seed % 6), .config_lg2 = 0};
    if (window) config.windows = {&its, 1};
    smmu = *Smmu::create(config, world, world);
    for (u64 at = World::base; at < World::base + bytes; at += 8) world.store(at, a_word(draw));
    smmu->write(0x80, 8, World::base);
    smmu->write(0x88, 4, 6);
    smmu->write(0x90, 8, World::base + 0x4000 + 6);
    smmu->write(0xa0, 8, World::base + 0x8000 + 3);
    smmu->write(0x20, 4, 0x1f);
  }
};

/// Structures that lead somewhere, of which a word is another one now and then.
void mend(Garbage& g) {
  g.sid = static_cast<u32>(g.draw.below(64));
  const u64 ste = World::base + u64{g.sid} * 64;
  const u64 page = World::base + (g.draw.below(bytes / 4096) << 12);
  const bool nested = g.draw.below(2) != 0;
  g.world.store(ste, page | 1 | u64{nested ? 7U : 5U} << 1);
  g.world.store(ste + 8, g.draw.below(4) == 0 ? g.draw.next() : 2 | u64{1} << 28);
  g.world.store(ste + 16, u64{25} << 32 | u64{1} << 38 | u64{5} << 48 | u64{1} << 51);
  const u64 stage2 = World::base + (g.draw.below(bytes / 4096) << 12);
  g.world.store(ste + 24, stage2);
  // All of memory is in one block of 1 GiB of stage 2, as it is.
  if (nested) g.world.store(stage2 + (World::base >> 30) * 8, World::base | 0x7fd);
  g.world.store(page, (16 + g.draw.below(20)) | u64{1} << 30 | u64{1} << 31 | u64{5} << 32 |
                          u64{1} << 41 | g.draw.below(4) << 42 | u64{6} << 45);
  g.world.store(page + 8, World::base + (g.draw.below(bytes / 4096) << 12));
}

TEST(DeviceGarbage, NothingThatAGuestWritesHarms) {
  u64 passed = 0, most = 0;
  using iommucheck::test::number_from;
  const u64 first = number_from("IOMMUCHECK_GARBAGE_SEED", 1);
  const u64 cases = number_from("IOMMUCHECK_GARBAGE_CASES", iommucheck::test::cases(60, 20000));
  for (u64 seed = first; seed < first + cases; ++seed) {
    Garbage g(seed, seed % 2 != 0);
    Port port(*g.smmu);
    std::array<std::byte, Smmu::state_bytes> state{};
    (void)allocated();
    for (unsigned step = 0; step < 400; ++step) {
      if (g.draw.below(8) == 0) mend(g);
      if (g.draw.below(4) == 0) {
        g.world.store(World::base + g.draw.below(bytes / 8) * 8, a_word(g.draw));
      }
      const u64 before = allocated(), reads = g.world.reads;
      switch (g.draw.below(12)) {
        case 0: write_register(*g.smmu, g.draw); break;
        case 1: (void)g.smmu->read(static_cast<u32>(g.draw.below(0x20000)), 4); break;
        case 2:
          g.smmu->page_request({.sid = static_cast<u32>(g.draw.below(70)),
                                .ssv = g.draw.below(2) != 0,
                                .ssid = static_cast<u32>(g.draw.next()),
                                .address = g.draw.next(),
                                .prg_index = static_cast<u32>(g.draw.next()),
                                .last = g.draw.below(2) != 0,
                                .read = g.draw.below(2) != 0});
          break;
        case 3: g.smmu->atc_done(static_cast<u32>(g.draw.below(1100))); break;
        case 4: g.smmu->atc_time_out(); break;
        case 5: {
          const std::size_t size = g.smmu->save(state);
          if (g.draw.below(2) == 0) {
            state[200 + g.draw.below(size - 200)] ^= static_cast<std::byte>(g.draw.next());
          }
          (void)g.smmu->restore(std::span(state).first(size));
          break;
        }
        case 6: {
          (void)port.request({.sid = static_cast<u32>(g.draw.below(64)),
                              .address = g.draw.below(1 << 20) << 12,
                              .write = true});
          break;
        }
        default: {
          const bool any = g.draw.below(4) == 0;
          const Access access{
              .sid = any ? static_cast<u32>(g.draw.below(70)) : g.sid,
              .ssv = g.draw.below(8) == 0,
              .ssid = static_cast<u32>(g.draw.below(1 << 20)),
              .address = g.draw.below(4) == 0 ? g.draw.next() : g.draw.below(1 << 20) << 12,
              .type = static_cast<Type>(g.draw.below(3)),
              .privileged = g.draw.below(2) != 0,
              .translated = g.draw.below(16) == 0};
          passed += port.access(access).end == End::passed ? 1 : 0;
          most = std::max(most, g.world.reads - reads);
          EXPECT_LE(g.world.reads - reads, reads_most) << "seed " << seed;
          break;
        }
      }
      EXPECT_EQ(allocated(), before) << "seed " << seed << ", step " << step;
    }
    // Whatever it is left with, it ends.
    for (unsigned i = 0; i < 64 && g.smmu->work_left(); ++i) g.smmu->work();
    EXPECT_FALSE(g.smmu->work_left()) << "seed " << seed;
  }
  EXPECT_GT(passed, 400U);
  EXPECT_GT(most, 5U);  // walks do happen
}

}  // namespace
}  // namespace iommucheck::device::garbage_test
