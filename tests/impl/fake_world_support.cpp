// SPDX-License-Identifier: MIT
#include "tests/impl/fake_world_support.h"

#include <algorithm>
#include <utility>

#include "tests/impl/fake_registers.h"

namespace iommucheck::test {

using namespace fake_registers;

namespace {

constexpr u64 arena_bytes = u64{8} << 20;

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
    return reinterpret_cast<char*>(w.arena_.get()) + start;
  }
  static void store64(void* ctx, u64 pa, u64 value) {
    FakeWorld& w = world(ctx);
    if (!w.is_allocated(pa) || pa % 8 != 0) {
      w.errors.push_back("store outside of table memory");
      return;
    }
    if (w.options_.coherent) w.pending_.emplace(pa, w.word(pa));
    w.memory_[w.index(pa)] = value;
    if (!w.options_.coherent) w.dirty_.insert(pa & ~u64{63});
    ++w.stores;
  }
  static void fill64(void* ctx, u64 pa, u64 count, u64 value) {
    for (u64 i = 0; i < count; ++i) store64(ctx, pa + 8 * i, value);
  }
  static u64 load64(void* ctx, u64 pa) {
    const FakeWorld& w = world(ctx);
    const auto late = w.unordered_.find(pa);
    return late != w.unordered_.end() ? late->second : w.word(pa);
  }
  static void barrier(void* ctx, u32 kind) {
    if (kind == IOMMUCHECK_DMA_RMB) return;
    FakeWorld& w = world(ctx);
    ++w.barriers;
    w.order_stores();
    w.unordered_.clear();
    for (const auto& [pa, bytes] : w.invalidated_)
      w.move_lines(w.seen_.get(), w.memory_.get(), pa, bytes);
    w.invalidated_.clear();
  }
  static void dma_clean(void* ctx, u64 pa, u64 bytes) {
    FakeWorld& w = world(ctx);
    w.cleaned_.emplace_back(pa, bytes);
    w.forget_dirty(pa, bytes);
  }
  static void dma_invalidate(void* ctx, u64 pa, u64 bytes) {
    world(ctx).invalidated_.emplace_back(pa, bytes);
    world(ctx).forget_dirty(pa, bytes);
  }
  static void write32(void* ctx, u64 offset, u32 value, u32 flags) {
    if ((flags & IOMMUCHECK_MMIO_ORDERED) != 0) world(ctx).order_stores();
    world(ctx).write32(offset, value);
  }
  static void write64(void* ctx, u64 offset, u64 value, u32 flags) {
    if ((flags & IOMMUCHECK_MMIO_ORDERED) != 0) world(ctx).order_stores();
    world(ctx).check_registers(offset);
    world(ctx).registers_[offset] = value;
  }
  static u32 read32(void* ctx, u64 offset) { return world(ctx).read32(offset); }
  static u64 read64(void* ctx, u64 offset) { return world(ctx).registers_[offset]; }
  static void log(void* ctx, int, const char* text) { world(ctx).log.emplace_back(text); }
  static int wait(void* ctx, u64 token, u64) {
    FakeWorld& w = world(ctx);
    w.registers_[cr0ack] = w.registers_[cr0];
    if (token == IOMMUCHECK_WAIT_CALLER) return w.on_wait && w.on_wait() ? 0 : 1;
    if (w.stuck) return 1;
    if (w.preempted) {
      w.polls_left_ = 0;
      w.consume();
      return 1;
    }
    if (w.polls_left_ > 0) --w.polls_left_;
    w.consume();
    return 0;
  }
  static u64 mm_exit(void* ctx, u32 device, u32 pasid, u64 drvdata) {
    FakeWorld& w = world(ctx);
    w.exits.push_back({device, pasid, drvdata, w.exits.size() + 1});
    return w.exits.back().context;
  }
  static int handle_fault(void* ctx, u32 device, u32 pasid, u64 iova, u32 prot) {
    world(ctx).faults.emplace_back(device, pasid, iova, prot);
    if (world(ctx).on_fault) world(ctx).on_fault();
    return world(ctx).fault_response;
  }
  static void fault_handler(void* ctx, u32 /*device*/, u32 pasid, u64 /*iova*/, u32 /*prot*/,
                            u32 group, u64 word) {
    world(ctx).told.push_back({pasid, group, word});
    if (world(ctx).on_handled) world(ctx).on_handled(world(ctx).told.back());
  }
  static u64 context(void* ctx) { return world(ctx).context; }
  static u32 mm_pin(void* ctx, iommucheck_handle mm) {
    FakeWorld::Process& process = world(ctx).processes[mm];
    if (process.dead || process.asid == 0) return 0;
    ++process.pins;
    return process.asid;
  }
  static void mm_unpin(void* ctx, iommucheck_handle mm) {
    FakeWorld& w = world(ctx);
    if (w.processes[mm].pins-- == 0) w.errors.push_back("unpinned more often than pinned");
  }
};

FakeWorld::FakeWorld(FakeOptions options)
    : options_(options),
      memory_(map_zeroed<u64[]>(Sharing::own, window_bytes, "a window").value()),
      seen_(map_zeroed<u64[]>(Sharing::own, window_bytes, "what an SMMU sees").value()),
      arena_(map_zeroed<u64[]>(Sharing::own, arena_bytes, "an arena").value()) {
  const u64 id0 = 0b10 | (options.stage2 ? 1 : 0) | 2 << 2 | (options.coherent ? 1u << 4 : 0) |
                  (options.asid16 ? 1u << 12 : 0) | (options.ats ? 1u << 10 : 0) |
                  (options.two_level_cds ? 1u << 19 : 0) |
                  (options.stalling_devices != 0 && !options.never_stalls ? 0 : 1u << 24) |
                  (options.two_level ? 1u << 27 : 0);
  registers_[0x00] = id0;
  const u32 ssid_bits = std::min(options.smmu_ssid_bits, options.ssid_bits);
  registers_[0x04] =
      options.stream_id_bits | ssid_bits << 6 | options.eventq_lg2 << 16 | options.cmdq_lg2 << 21;
  registers_[0x0c] = options.range_invalidation ? 1u << 10 : 0;
  registers_[0x14] = 5 | 1 << 4;
  platform_ = {.size = sizeof platform_,
               .abi = IOMMUCHECK_DRIVER_ABI,
               .ctx = this,
               .window = memory_.get(),
               .window_pa = window_pa,
               .window_size = window_bytes,
               .table_alloc = FakeCalls::table_alloc,
               .table_free = FakeCalls::table_free,
               .arena_alloc = FakeCalls::arena_alloc,
               .store64 = FakeCalls::store64,
               .fill64 = FakeCalls::fill64,
               .load64 = FakeCalls::load64,
               .store = nullptr,
               .load = nullptr,
               .atomic = nullptr,
               .barrier = FakeCalls::barrier,
               .dma_clean = FakeCalls::dma_clean,
               .dma_invalidate = FakeCalls::dma_invalidate,
               .mmio_write32 = FakeCalls::write32,
               .mmio_write64 = FakeCalls::write64,
               .mmio_read32 = FakeCalls::read32,
               .mmio_read64 = FakeCalls::read64,
               .wait = FakeCalls::wait,
               .lock = [](void*, u64) {},
               .unlock = [](void*, u64) {},
               .log = FakeCalls::log,
               .mm_exit = FakeCalls::mm_exit,
               .handle_fault = FakeCalls::handle_fault,
               .context = FakeCalls::context,
               .cpu = [](void*) { return u32{0}; },
               .mm_pin = FakeCalls::mm_pin,
               .mm_unpin = FakeCalls::mm_unpin,
               .hook = nullptr,
               .fault_handler = FakeCalls::fault_handler,
               .ats_enable = nullptr,  // this driver switches none
               .tlbi = nullptr,        // and broadcasts nothing
               .table_alloc_uncached = nullptr};
  stream_ids_.resize(options.devices);
  u32 next = 1;
  const u32 stride = options.stream_id_bits > 8 ? 37 : 3;
  for (auto& ids : stream_ids_) {
    for (u32 n = 0; n < options.streams_per_device; ++n, next += stride) ids.push_back(next);
    devices_.push_back(
        {.size = sizeof(iommucheck_device),
         .abi = IOMMUCHECK_DRIVER_ABI,
         .stream_ids = ids.data(),
         .stream_id_count = options.streams_per_device,
         .flags = (options.ats ? IOMMUCHECK_DEVICE_ATS : 0) |
                  (devices_.size() < options.pri_devices ? IOMMUCHECK_DEVICE_PRI : 0) |
                  (devices_.size() < options.stalling_devices ? IOMMUCHECK_DEVICE_STALL : 0),
         .ssid_bits = devices_.size() + 1 == options.devices && options.last_ssid_bits <= 20
                          ? options.last_ssid_bits
                          : options.ssid_bits,
         .group = devices_.size() < options.grouped_devices ? 0 : static_cast<u32>(devices_.size()),
         .iommu = 0,
         .reserved = 0});
  }
  for (const iommucheck_device& device : devices_) device_list_.push_back(&device);
  config_ = {.size = sizeof config_,
             .abi = IOMMUCHECK_DRIVER_ABI,
             .devices = device_list_.data(),
             .device_count = options.devices,
             .cmdq_log2size = 0,
             .flags = 0,
             .iommu_count = 1,
             .reserved = 0};
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
    seen_[index(start) + i] = poison_ ^ (poison_ << 7);
  }
  for (u64 at = start; at < start + bytes && !options_.coherent; at += 64) dirty_.insert(at);
  allocated_[start] = bytes;
  *pa = start;
  return memory_.get() + index(start);
}

void FakeWorld::table_free(u64 pa, u64 bytes) {
  const auto it = allocated_.find(pa);
  if (it == allocated_.end() || it->second != bytes) {
    errors.push_back("free of what was not allocated so");
    return;
  }
  for (u64 i = 0; i < bytes / 8; ++i) {
    memory_[index(pa) + i] = seen_[index(pa) + i] = 0x0000'dead'beef'0703;
  }
  pending_.erase(pending_.lower_bound(pa), pending_.lower_bound(pa + bytes));
  allocated_.erase(it);
  free_[bytes].push_back(pa);
}

void FakeWorld::forget_dirty(u64 pa, u64 bytes) {
  dirty_.erase(dirty_.lower_bound(pa & ~u64{63}), dirty_.lower_bound(pa + bytes));
}

/// The line goes out of the CPU's caches, as it may at any time.
void FakeWorld::evict(u64 pa) {
  if (dirty_.erase(pa & ~u64{63}) != 0) move_lines(memory_.get(), seen_.get(), pa, 8);
}

/// What the CPU stored and cleaned until now is visible.
void FakeWorld::order_stores() {
  pending_.clear();
  for (const auto& [pa, bytes] : cleaned_) move_lines(memory_.get(), seen_.get(), pa, bytes);
  cleaned_.clear();
}

u64 FakeWorld::seen(u64 pa) const {
  if (!options_.coherent) return seen_[index(pa)];
  const auto late = pending_.find(pa);
  return late != pending_.end() ? late->second : word(pa);
}

/// Whole lines of 64 bytes.
void FakeWorld::move_lines(const u64* from, u64* to, u64 pa, u64 bytes) const {
  if (options_.coherent || bytes == 0) return;
  const u64 end = (pa + bytes + 63) & ~u64{63};
  for (u64 at = pa & ~u64{63}; at < end; at += 8) to[index(at)] = from[index(at)];
}

/// What must not change while a queue or the SMMU is on, or CR0 is not acknowledged (IHI 0070 6.3).
void FakeWorld::check_registers(u64 offset) {
  const u32 on = read32(cr0) | read32(cr0ack);
  const bool command_queue = offset == cmdq_base || offset == cmdq_cons;
  const bool event_queue = offset == 0xa0 || offset == 0x100a8;
  const bool table = offset == strtab_base || offset == strtab_cfg;
  if (offset == cr0 && read32(cr0) != read32(cr0ack)) errors.push_back("CR0 before CR0ACK");
  if ((command_queue && (on & 8) != 0) || (event_queue && (on & 4) != 0) ||
      (table && (on & 1) != 0)) {
    errors.push_back("a base register of what is on");
  }
}

void FakeWorld::write32(u64 offset, u32 value) {
  check_registers(offset);
  if (on_write) on_write(offset, value);
  switch (offset) {
    case cr0:
      if ((value & 8) != 0 && (registers_[cmdq_base] & 31) > options_.cmdq_lg2) {
        errors.push_back("CMDQ_BASE.LOG2SIZE > IDR1.CMDQS");
      }
      if ((value & 4) != 0 && (registers_[0xa0] & 31) > options_.eventq_lg2) {
        errors.push_back("EVENTQ_BASE.LOG2SIZE > IDR1.EVENTQS");
      }
      break;
    case irq_ctrl: registers_[irq_ctrlack] = value; break;
    case gbpa: value &= 0x7fff'ffff; break;
    default: break;
  }
  registers_[offset] = value;
  if (offset == cmdq_prod) polls_left_ = options_.polls;
  if (offset == cmdq_prod || offset == gerrorn) consume();
  if (offset == 0x100ac && !stalls_.empty()) {
    const auto waiting = std::exchange(stalls_, {});
    for (const auto& [word0, word1, iova] : waiting) post_stall(word0, word1, iova);
  }
}

u32 FakeWorld::read32(u64 offset) const {
  const auto it = registers_.find(offset);
  return it == registers_.end() ? 0 : static_cast<u32>(it->second);
}

void FakeWorld::consume() {
  if (stuck || polls_left_ != 0 || (read32(cr0) & 8) == 0) return;
  const u64 base = registers_[cmdq_base];
  const u64 entries = u64{1} << (base & 31);
  while (!stuck && ((read32(gerror) ^ read32(gerrorn)) & 1) == 0) {
    const u64 cons = registers_[cmdq_cons] & 0xfffff;
    if (cons == (registers_[cmdq_prod] & 0xfffff)) return;
    const u64 pa = (base & 0x000f'ffff'ffff'ffe0) + (cons & (entries - 1)) * 16;
    const FakeCommand command{seen(pa), seen(pa + 8)};
    if (const u32 code = broken_queue ? 2 : error_of(command); code != 0) {
      registers_[cmdq_cons] = cons | code << 24;
      registers_[gerror] = read32(gerror) ^ 1;
      return;
    }
    commands.push_back(command);
    if (command.op() == 0x40 && dead_streams.contains(static_cast<u32>(command.word0 >> 32))) {
      unanswered_ = true;
    } else if (command.op() == 0x40 && silent_after && (*silent_after)-- == 0) {
      silent_after.reset();
      unanswered_ = true;
    } else {
      open_.push_back(command);
    }
    if (command.op() == 0x46) {
      for (const FakeCommand& open : open_) act(open);
      open_.clear();
    }
    if (on_command) on_command(command);
    registers_[cmdq_cons] = (cons + 1) & (2 * entries - 1);
  }
}

void FakeWorld::post_stall(u64 word0, u64 word1, u64 iova) {
  const u32 entries = 1u << (registers_[0xa0] & 31);
  if (((read32(0x100a8) ^ read32(0x100ac)) & (2 * entries - 1)) == entries) {
    stalls_.push_back({word0, word1, iova});
  } else {
    post_event(word0, word1, iova);
  }
}

void FakeWorld::post_event(u64 word0, u64 word1, u64 iova) {
  const u64 base = registers_[0xa0];
  const u32 entries = 1u << (base & 31);
  const u32 prod = read32(0x100a8);
  const u32 cons = read32(0x100ac);
  if (((prod ^ cons) & (2 * entries - 1)) == entries) {
    if (((prod ^ cons) >> 31) == 0) registers_[0x100a8] = prod ^ 1u << 31;
    return;
  }
  const u64 pa = (base & 0x000f'ffff'ffff'ffe0) + (prod & (entries - 1)) * u64{32};
  u64* const written = (options_.coherent ? memory_ : seen_).get();
  for (u64 at = pa; at < pa + 24 && options_.coherent; at += 8) unordered_.emplace(at, word(at));
  written[index(pa)] = word0;
  written[index(pa) + 1] = word1;
  written[index(pa) + 2] = iova;
  evict(pa);
  registers_[0x100a8] = (prod & 1u << 31) | ((prod + 1) & (2 * entries - 1));
}

// ---- processes ----

void FakeWorld::add_process(iommucheck_handle mm, u32 asid) {
  processes[mm] = {.asid = asid, .root = environment_bump_, .pins = 0, .dead = false, .pages = {}};
  environment_bump_ += 0x1000;
}

void FakeWorld::mm_map(iommucheck_handle mm, u64 iova, u64 pa) {
  u64 table = processes[mm].root;
  for (unsigned level = 0; level < 3; ++level) {
    u64& word = environment_[table + ((iova >> (12 + (3 - level) * 9)) & 511) * 8];
    if (word == 0) {
      word = environment_bump_ | 3;
      environment_bump_ += 0x1000;
    }
    table = word & ~u64{0xfff};
  }
  environment_[table + ((iova >> 12) & 511) * 8] = pa | 0x443;
}

/// The page and every table above it but the root: what an invalidation has to expect.
void FakeWorld::mm_unmap(iommucheck_handle mm, u64 iova) {
  u64 table = processes[mm].root;
  for (unsigned level = 0; level < 4; ++level) {
    u64& word = environment_[table + ((iova >> (12 + (3 - level) * 9)) & 511) * 8];
    table = word & 0x0000'ffff'ffff'f000;
    word = 0;
  }
}

iommucheck_mm FakeWorld::mm_of(iommucheck_handle mm) const {
  return {.size = sizeof(iommucheck_mm),
          .abi = IOMMUCHECK_DRIVER_ABI,
          .mm = mm,
          .table_pa = processes.at(mm).root,
          .mair = 0xff,
          .input_bits = 48,
          .reserved = 0};
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
                                           .iommu = 0,
                                           .reserved = 0,
                                           .of_kind = nullptr};
  iommucheck_handle domain = 0;
  last_error = driver->domain_alloc(self_, &params, &domain);
  return last_error == 0 ? domain : 0;
}

}  // namespace iommucheck::test
