// SPDX-License-Identifier: MIT
#include "tests/impl/device/device_support.h"

#include <cstring>
#include <stdexcept>

#include "base/bits.h"

namespace iommucheck::device::test {

bool World::read(u64 pa, void* to, u64 bytes) noexcept {
  reads.fetch_add(1, std::memory_order_relaxed);
  if (!inside(pa, bytes)) return false;
  std::memcpy(to, reinterpret_cast<const char*>(words_.data()) + (pa - base), bytes);
  return true;
}

bool World::write(u64 pa, const void* from, u64 bytes) noexcept {
  if (!inside(pa, bytes)) return false;
  std::memcpy(reinterpret_cast<char*>(words_.data()) + (pa - base), from, bytes);
  return true;
}

bool World::compare_exchange(u64 pa, u64& expected, u64 desired) noexcept {
  if (!inside(pa, 8) || pa % 8 != 0) return false;
  words_[(pa - base) / 8].compare_exchange_strong(expected, desired);
  return true;
}

Guest::Guest(u64 bytes, const Options& options)
    : world(bytes), stage2_(options.stage2), next_(World::base + 0x10000) {
  const Window window = world.window();
  Config config{.features = options.features, .caches = options.caches, .windows = {}};
  if (options.window) config.windows = {&window, 1};
  auto made = Smmu::create(config, world, world);
  if (!made) throw std::runtime_error(made.error());
  smmu = std::move(*made);

  root_ = page();
  const u64 ste = structures + u64{sid} * 64;
  constexpr u64 valid = 1, stage1 = 5 << 1, nested = 7 << 1;
  world.store(ste, cd | valid | (stage2_ ? nested : stage1));
  if (stage2_) {
    root2_ = page();
    // T0SZ 16, level 0 first, 48 bits, AArch64, recorded.
    world.store(ste + 16,
                u64{16} << 32 | u64{2} << 38 | u64{5} << 48 | u64{1} << 51 | u64{1} << 58);
    world.store(ste + 24, root2_);
    for (u64 at = World::base; at < World::base + bytes; at += 4096) map_stage2(at, at);
  }
  // T0SZ 16, EPD1, V, 48 bits, AArch64, A, R, ASET, ASID 1.
  world.store(cd, 16 | u64{1} << 30 | u64{1} << 31 | u64{5} << 32 | u64{1} << 41 |
                      (options.dirty_state ? u64{3} << 42 : 0) | u64{options.stalls} << 44 |
                      u64{7} << 45 | u64{1} << 48);
  world.store(cd + 8, root_);
  world.store(cd + 24, 0xff);

  smmu->write(reg::strtab_base, 8, structures);
  smmu->write(reg::strtab_base_cfg, 4, 6);
  smmu->write(reg::cmdq_base, 8, commands | commands_lg2);
  smmu->write(reg::eventq_base, 8, events | events_lg2);
  smmu->write(reg::cr2, 4, cr2::recinvsid);
  smmu->write(reg::cr0, 4, cr0::smmuen | cr0::cmdqen | cr0::eventqen);
}

u64 Guest::page() {
  const u64 at = next_;
  next_ += 4096;
  if (next_ > World::base + world.bytes()) throw std::runtime_error("no memory is left");
  return at;
}

/// The place of the entry at level `last`; tables are made on the way.
u64 Guest::entry(u64 root, unsigned last, u64 address) {
  u64 table = root;
  for (unsigned level = 0; level < last; ++level) {
    const u64 at = table + bits(address >> level_shift(12, level), 8, 0) * 8;
    if (!bit(world.load(at), 0)) world.store(at, page() | 3);
    table = world.load(at) & mask(47, 12);
  }
  return table + bits(address >> level_shift(12, last), 8, 0) * 8;
}

void Guest::map_stage2(u64 ipa, u64 pa, u64 attributes) {
  world.store(entry(root2_, 3, ipa), pa | attributes);
}
u64 Guest::leaf(u64 va) { return entry(root_, 3, va); }
void Guest::map(u64 va, u64 pa, u64 attributes) { world.store(leaf(va), pa | attributes); }
void Guest::map_block(u64 va, u64 descriptor) { world.store(entry(root_, 2, va), descriptor); }
void Guest::unmap(u64 va) { world.store(leaf(va), 0); }

void Guest::command(u64 low, u64 high) {
  const u64 slot = commands + u64{prod_ & low_mask(commands_lg2)} * 16;
  world.store(slot, low);
  world.store(slot + 8, high);
  prod_ = (prod_ + 1) & static_cast<u32>(low_mask(commands_lg2 + 1));
  smmu->write(reg::cmdq_prod, 4, prod_);
}

void Guest::invalidate(u64 va) {
  command(0x12 | u64{1} << 48, va & mask(63, 12));
  sync();
}

}  // namespace iommucheck::device::test
