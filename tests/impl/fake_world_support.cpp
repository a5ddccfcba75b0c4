// SPDX-License-Identifier: MIT
#include "tests/impl/fake_world_support.h"

#include <algorithm>

namespace iommucheck::test {

namespace {

constexpr u64 arena_bytes = u64{1} << 20;
constexpr u64 cr0 = 0x20, cr0ack = 0x24, gbpa = 0x44, irq_ctrl = 0x50, irq_ctrlack = 0x54;
constexpr u64 gerror = 0x60, gerrorn = 0x64, strtab_base = 0x80, strtab_cfg = 0x88;
constexpr u64 cmdq_base = 0x90, cmdq_prod = 0x98, cmdq_cons = 0x9c;
constexpr u64 address_51_6 = 0x000f'ffff'ffff'ffc0;
constexpr u64 address_47_12 = 0x0000'ffff'ffff'f000;

u64 level_bytes(unsigned level) { return u64{1} << (12 + (3 - level) * 9); }

u64 field(u64 word, unsigned hi, unsigned lo) {
  return (word >> lo) & ((u64{1} << (hi - lo + 1)) - 1);
}

FakeWorld& world(void* ctx) { return *static_cast<FakeWorld*>(ctx); }

}  // namespace

/// The platform's functions, with access to the world's inside.
struct FakeCalls {
  static const void* table_alloc(void* ctx, u64 bytes, u64* pa) {
    return world(ctx).table_alloc(bytes, pa);
  }
  static void table_free(void* ctx, u64 pa, u64 bytes) { world(ctx).table_free(pa, bytes); }
  static void* arena_alloc(void* ctx, u64 bytes, u64 align) {
    FakeWorld& w = world(ctx);
    const u64 start = (w.arena_used_ + align - 1) & ~(align - 1);
    if (start + bytes > arena_bytes) return nullptr;
    w.arena_used_ = start + bytes;
    return reinterpret_cast<char*>(w.arena_.data()) + start;
  }
  static void store64(void* ctx, u64 pa, u64 value) {
    FakeWorld& w = world(ctx);
    if (!w.is_allocated(pa) || pa % 8 != 0) {
      w.errors.push_back("store outside of table memory");
      return;
    }
    w.memory_[w.index(pa)] = value;
    ++w.stores;
  }
  static void fill64(void* ctx, u64 pa, u64 count, u64 value) {
    for (u64 i = 0; i < count; ++i) store64(ctx, pa + 8 * i, value);
  }
  static u64 load64(void* ctx, u64 pa) { return world(ctx).word(pa); }
  static u64 compare_exchange64(void* ctx, u64 pa, u64 expected, u64 desired) {
    const u64 was = world(ctx).word(pa);
    if (was == expected) store64(ctx, pa, desired);
    return was;
  }
  static void barrier(void* ctx) { ++world(ctx).barriers; }
  static void dma(void*, u64, u64) {}
  static void write32(void* ctx, u64 offset, u32 value, u32) { world(ctx).write32(offset, value); }
  static void write64(void* ctx, u64 offset, u64 value, u32) {
    world(ctx).registers_[offset] = value;
  }
  static u32 read32(void* ctx, u64 offset) { return world(ctx).read32(offset); }
  static u64 read64(void* ctx, u64 offset) { return world(ctx).registers_[offset]; }
  static void log(void* ctx, int, const char* text) { world(ctx).log.emplace_back(text); }
  static int wait(void* ctx, u32, u64) {
    FakeWorld& w = world(ctx);
    if (w.stuck) return 1;
    if (w.polls_left_ > 0) --w.polls_left_;
    w.consume();
    return 0;
  }
};

FakeWorld::FakeWorld(FakeOptions options)
    : options_(options), memory_(window_bytes / 8), arena_(arena_bytes / 8) {
  const u64 id0 = 0b10 | 2 << 2 | (options.coherent ? 1u << 4 : 0) | 1u << 12 | 1u << 24 |
                  (options.two_level ? 1u << 27 : 0);
  registers_[0x00] = id0;
  registers_[0x04] = options.stream_id_bits | 7 << 16 | options.cmdq_lg2 << 21;
  registers_[0x0c] = options.range_invalidation ? 1u << 10 : 0;
  registers_[0x14] = 5 | 1 << 4;
  platform_ = {.size = sizeof platform_,
               .abi = IOMMUCHECK_DRIVER_ABI,
               .ctx = this,
               .window = memory_.data(),
               .window_pa = window_pa,
               .window_size = window_bytes,
               .table_alloc = FakeCalls::table_alloc,
               .table_free = FakeCalls::table_free,
               .arena_alloc = FakeCalls::arena_alloc,
               .store64 = FakeCalls::store64,
               .fill64 = FakeCalls::fill64,
               .load64 = FakeCalls::load64,
               .compare_exchange64 = FakeCalls::compare_exchange64,
               .barrier = FakeCalls::barrier,
               .dma_clean = FakeCalls::dma,
               .dma_invalidate = FakeCalls::dma,
               .mmio_write32 = FakeCalls::write32,
               .mmio_write64 = FakeCalls::write64,
               .mmio_read32 = FakeCalls::read32,
               .mmio_read64 = FakeCalls::read64,
               .wait = FakeCalls::wait,
               .lock = nullptr,
               .unlock = nullptr,
               .log = FakeCalls::log,
               .mm_exit = nullptr,
               .handle_fault = nullptr};
  stream_ids_.resize(options.devices);
  u32 next = 1;
  const u32 stride = options.stream_id_bits > 8 ? 37 : 3;
  for (auto& ids : stream_ids_) {
    for (u32 n = 0; n < options.streams_per_device; ++n, next += stride) ids.push_back(next);
    devices_.push_back({.size = sizeof(iommucheck_device),
                        .abi = IOMMUCHECK_DRIVER_ABI,
                        .stream_ids = ids.data(),
                        .stream_id_count = options.streams_per_device,
                        .flags = 0,
                        .ssid_bits = 0,
                        .group = static_cast<u32>(devices_.size())});
  }
  config_ = {.size = sizeof config_,
             .abi = IOMMUCHECK_DRIVER_ABI,
             .devices = devices_.data(),
             .device_count = options.devices,
             .cmdq_log2size = 0,
             .flags = 0};
}

u32 FakeWorld::stream_id(u32 device, u32 n) const { return stream_ids_[device][n]; }

bool FakeWorld::is_allocated(u64 pa) const {
  auto it = allocated_.upper_bound(pa);
  if (it == allocated_.begin()) return false;
  --it;
  return pa < it->first + it->second;
}

const void* FakeWorld::table_alloc(u64 bytes, u64* pa) {
  if (fail_allocation && *fail_allocation == 0) {
    fail_allocation.reset();
    return nullptr;
  }
  if (fail_allocation) --*fail_allocation;
  auto& recycled = free_[bytes];
  u64 start = 0;
  if (!recycled.empty()) {
    start = recycled.back();
    recycled.pop_back();
  } else {
    start = (bump_ + bytes - 1) & ~(bytes - 1);
    if (start + bytes > window_pa + window_bytes) return nullptr;
    bump_ = start + bytes;
  }
  // Whatever a former owner left there, and much of it looks like descriptors.
  for (u64 i = 0; i < bytes / 8; ++i) {
    poison_ = poison_ * 6364136223846793005u + 1442695040888963407u;
    memory_[index(start) + i] = poison_;
  }
  allocated_[start] = bytes;
  *pa = start;
  return memory_.data() + index(start);
}

void FakeWorld::table_free(u64 pa, u64 bytes) {
  const auto it = allocated_.find(pa);
  if (it == allocated_.end() || it->second != bytes) {
    errors.push_back("free of what was not allocated so");
    return;
  }
  for (u64 i = 0; i < bytes / 8; ++i) memory_[index(pa) + i] = 0x0000'dead'beef'0703;
  allocated_.erase(it);
  free_[bytes].push_back(pa);
}

void FakeWorld::write32(u64 offset, u32 value) {
  switch (offset) {
    case cr0: registers_[cr0ack] = value; break;
    case irq_ctrl: registers_[irq_ctrlack] = value; break;
    case gbpa: value &= 0x7fff'ffff; break;
    default: break;
  }
  registers_[offset] = value;
  if (offset == cmdq_prod) polls_left_ = options_.polls;
  if (offset == cmdq_prod || offset == gerrorn) consume();
}

u32 FakeWorld::read32(u64 offset) const {
  const auto it = registers_.find(offset);
  return it == registers_.end() ? 0 : static_cast<u32>(it->second);
}

void FakeWorld::consume() {
  if (stuck || polls_left_ != 0 || (read32(cr0) & 8) == 0) return;
  const u64 base = registers_[cmdq_base];
  const u64 entries = u64{1} << (base & 31);
  while (read32(gerror) == read32(gerrorn)) {
    const u64 cons = registers_[cmdq_cons] & 0xfffff;
    if (cons == (registers_[cmdq_prod] & 0xfffff)) return;
    const u64 pa = (base & 0x000f'ffff'ffff'ffe0) + (cons & (entries - 1)) * 16;
    const FakeCommand command{word(pa), word(pa + 8)};
    if (!accept(command)) {
      registers_[cmdq_cons] = cons | 1 << 24;
      registers_[gerror] = read32(gerror) ^ 1;
      return;
    }
    commands.push_back(command);
    open_.push_back(command);
    if (command.op() == 0x46) {
      for (const FakeCommand& open : open_) act(open);
      open_.clear();
    }
    if (on_command) on_command(command);
    registers_[cmdq_cons] = (cons + 1) & (2 * entries - 1);
  }
}

/// Whether the command is legal.
bool FakeWorld::accept(const FakeCommand& command) {
  if (illegal_after && (*illegal_after)-- == 0) {
    illegal_after.reset();
    return false;
  }
  switch (command.op()) {
    case 0x12: {
      const bool ranged = field(command.word1, 11, 10) != 0;
      const bool plain = field(command.word0, 16, 12) == 0 && field(command.word0, 24, 20) == 0;
      if (ranged && plain && field(command.word1, 9, 8) == 0) {
        errors.push_back("TG != 0 with NUM = SCALE = TTL = 0");
        return false;
      }
      return true;
    }
    case 0x03:
    case 0x04:
    case 0x11:
    case 0x20:
    case 0x30:
    case 0x46: return true;
    default: errors.push_back("unknown command"); return false;
  }
}

void FakeWorld::act(const FakeCommand& command) {
  const auto asid = command.word0 >> 48;
  const auto of_asid = [&](const auto& item) { return std::get<0>(item.first) == asid; };
  switch (command.op()) {
    case 0x03: config_cache_.erase(static_cast<u32>(command.word0 >> 32)); break;
    case 0x04: config_cache_.clear(); break;
    case 0x11:
      std::erase_if(leaves_, of_asid);
      std::erase_if(pointers_, of_asid);
      break;
    case 0x12: invalidate_address(command); break;
    case 0x30:
      leaves_.clear();
      pointers_.clear();
      break;
    default: break;
  }
}

/// TLBI_NH_VA by the letter of arch 5.2: nothing is removed that need not be.
void FakeWorld::invalidate_address(const FakeCommand& command) {
  const u64 asid = command.word0 >> 48;
  const u64 first = command.word1 & ~u64{0xfff};
  const bool leaf_only = (command.word1 & 1) != 0;
  const bool ranged = field(command.word1, 11, 10) != 0;
  const unsigned ttl = ranged ? static_cast<unsigned>(field(command.word1, 9, 8)) : 0;
  u64 bytes = 1;
  if (ranged) {
    bytes = (field(command.word0, 16, 12) + 1) << field(command.word0, 24, 20) << 12;
    if (!options_.range_invalidation) errors.push_back("range command without IDR3.RIL");
    if (ttl != 0 && first % level_bytes(ttl) != 0) errors.push_back("TTL and address disagree");
  }
  const auto overlaps = [&](const auto& key) {
    const auto& [item_asid, level, start] = key;
    return item_asid == asid && start < first + bytes && first < start + level_bytes(level);
  };
  std::erase_if(leaves_, [&](const auto& item) {
    return overlaps(item.first) && (ttl == 0 || std::get<1>(item.first) == ttl);
  });
  if (leaf_only) return;
  std::erase_if(pointers_, [&](const auto& item) {
    return overlaps(item.first) && (ttl == 0 || std::get<1>(item.first) < ttl);
  });
}

u64 FakeWorld::fetch(u64 pa) {
  if (pa >= window_pa && pa + 8 <= window_pa + window_bytes) return word(pa);
  return 0x0bad'0000'0000'0003;  // memory of somebody else, read as a descriptor
}

std::optional<FakeWorld::Config> FakeWorld::config_of(u32 stream) {
  if (const auto it = config_cache_.find(stream); it != config_cache_.end()) return it->second;
  const u32 cfg = read32(strtab_cfg);
  const u64 base = registers_[strtab_base] & address_51_6;
  const unsigned lg2 = cfg & 63;
  const unsigned split = (cfg >> 6) & 31;
  if ((u64{stream} >> lg2) != 0) return std::nullopt;
  u64 ste = base + stream * u64{64};
  if ((cfg >> 16) == 1) {
    const u64 l1std = fetch(base + (stream >> split) * u64{8});
    if ((l1std & 31) == 0) return std::nullopt;
    ste = (l1std & address_51_6) + (stream & ((1u << split) - 1)) * u64{64};
  }
  Config config{.ste0 = fetch(ste)};
  if ((config.ste0 & 0xf) == 0xb) {
    const u64 cd = config.ste0 & address_51_6;
    config.cd0 = fetch(cd);
    config.ttb0 = fetch(cd + 8) & address_47_12;
  }
  config_cache_[stream] = config;
  return config;
}

std::optional<FakeWorld::Access> FakeWorld::access(u32 stream, u64 iova) {
  if ((read32(cr0) & 1) == 0) {
    if ((read32(gbpa) & 1 << 20) != 0) return std::nullopt;
    return Access{iova, true};
  }
  const std::optional<Config> config = config_of(stream);
  if (!config || (config->ste0 & 1) == 0) return std::nullopt;
  if ((config->ste0 & 0xe) == 8) return Access{iova, true};
  if ((config->ste0 & 0xe) != 10 || (config->cd0 >> 31 & 1) == 0) return std::nullopt;
  const auto input_bits = static_cast<unsigned>(64 - (config->cd0 & 63));
  if ((iova >> input_bits) != 0) return std::nullopt;
  const u64 asid = config->cd0 >> 48;
  const auto hit = [&](unsigned level, u64 word) {
    const u64 offset = iova & (level_bytes(level) - 1);
    return Access{(word & address_47_12) + offset, (word & 1 << 7) == 0};
  };
  for (unsigned level = 1; level <= 3; ++level) {
    const auto it = leaves_.find({asid, level, iova & ~(level_bytes(level) - 1)});
    if (it != leaves_.end()) return hit(level, it->second);
  }
  unsigned level = 4 - (input_bits - 12 + 8) / 9;
  u64 table = config->ttb0;
  for (;; ++level) {
    const u64 start = iova & ~(level_bytes(level) - 1);
    const auto cached = pointers_.find({asid, level, start});
    const u64 slot = table + ((iova >> (12 + (3 - level) * 9)) & 511) * 8;
    const u64 word = cached != pointers_.end() ? cached->second : fetch(slot);
    if ((word & 1) == 0) return std::nullopt;
    const bool is_table = level != 3 && (word & 2) != 0;
    if (!is_table) {
      if (level == 0 || (level == 3 && (word & 2) == 0)) return std::nullopt;
      leaves_[{asid, level, start}] = word;
      return hit(level, word);
    }
    pointers_[{asid, level, start}] = word;
    table = word & address_47_12;
  }
}

void FakeWorld::post_event(u64 word0) {
  const u64 base = registers_[0xa0];
  const u32 entries = 1u << (base & 31);
  const u32 prod = read32(0x100a8);
  const u32 cons = read32(0x100ac);
  if (((prod ^ cons) & (2 * entries - 1)) == entries) {
    if (((prod ^ cons) >> 31) == 0) registers_[0x100a8] = prod ^ 1u << 31;
    return;
  }
  const u64 pa = (base & 0x000f'ffff'ffff'ffe0) + (prod & (entries - 1)) * u64{32};
  memory_[index(pa)] = word0;
  registers_[0x100a8] = (prod & 1u << 31) | ((prod + 1) & (2 * entries - 1));
}

Booted::Booted(const iommucheck_driver* the_driver, FakeWorld& the_world)
    : driver(the_driver), world(the_world) {
  error_ = driver->init(&world.platform(), &world.config(), &self_);
  if (error_ == 0) error_ = driver->reset(self_);
  for (u32 i = 0; error_ == 0 && i < world.config().device_count; ++i) {
    error_ = driver->device_add(self_, i);
  }
}

iommucheck_handle Booted::alloc(u32 kind, u32 input_bits) {
  const iommucheck_domain_params params = {.size = sizeof params,
                                           .abi = IOMMUCHECK_DRIVER_ABI,
                                           .kind = kind,
                                           .input_bits = input_bits,
                                           .master = 0,
                                           .parent = 0,
                                           .user_table = 0,
                                           .user_config = 0};
  iommucheck_handle domain = 0;
  return driver->domain_alloc(self_, &params, &domain) == 0 ? domain : 0;
}

}  // namespace iommucheck::test
