// SPDX-License-Identifier: MIT
#include "host/driver_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bits.h"
#include "host/former_owner.h"
#include "process/crash.h"

namespace iommucheck::oracle {

namespace {

constexpr u64 arena_bytes = u64{8} << 20;
constexpr u64 waits_max = 1000;  // without any progress: a working SMMU needs a handful
constexpr u64 stuck_waits_max = 3;
constexpr u64 refusals_max = 8;  // of one command, acknowledged and left as it is
constexpr u64 registers_bytes = 0x20000;
constexpr u64 secure_registers = 0x8000, behind_secure_registers = 0xc000;  // IHI 0070 6.2
constexpr u64 former_owners_bytes = u64{12} << 20;
}  // namespace

DriverHost::DriverHost(const iommucheck_driver& driver, Monitor& monitor)
    : driver_(driver),
      monitor_(monitor),
      config_(monitor.setup().devices),
      arena_(arena_bytes),
      tables_(monitor.trail(), monitor.setup().window_pa, monitor.setup().window_bytes),
      processes_(monitor, monitor.setup().process_pa(), monitor.setup().process_bytes) {
  config_.set_command_queue(monitor.setup().cmdq_log2size);
  if (monitor.setup().hooks) config_.set_hooks(*monitor.setup().hooks);
  monitor_.smmu().name_stalls_from(0xa5fd);  // all 16 bits count, and the next ones carry
  if (monitor.setup().no_page_sizes) config_.set_flag(IOMMUCHECK_CONFIG_NO_PAGE_SIZES);
  site_.set_driver(driver);
  bind_platform();
}

/// A call that stores or polls without end would fill the machine's memory with what it did: from
/// some point on nothing has an effect, and reads answer as a device does that is gone. One that
/// has a finding is not waited for much longer: its case is over.
bool DriverHost::spent(u64 words) {
  const bool is_spent = takes_steps(words);
  // What it stores from here on is told, and has no effect.
  if (is_spent && scan_) scan_->ignore(true);
  return is_spent;
}

bool DriverHost::takes_steps(u64 words) {
  if (abandoned_) return true;
  if (!unseen_messages_.empty()) takes_messages_as_seen();
  const u64 most = steps_allowed();
  if (monitor_.smmu().refusals() > refusals_max) so_far_.steps = std::max(so_far_.steps, most);
  const u64 before = so_far_.steps;
  so_far_.steps += 1 + std::min(words / words_a_step, most);
  if (so_far_.steps <= most) {
    if (!monitor_.findings().empty() && ++so_far_.steps_since_found > steps_after_finding) {
      so_far_.steps = most + 1;
      if (gone_hook_ != nullptr) gone_hook_(step_context_);
      return true;
    }
    if (step_hook_ != nullptr) step_hook_(step_context_);
    return false;
  }
  if (before > most) return true;
  monitor_.hangs();
  if (gone_hook_ != nullptr) gone_hook_(step_context_);
  return true;
}

/// What a driver may not touch is told it and has no effect.
bool DriverHost::refuses(const char* what, u64 pa, u64 bytes) {
  if (pa % 8 == 0 && tables_.is_given(pa, bytes)) return false;
  monitor_.driver_error(
      fmt::format("{} at {:#x}, {:#x} bytes: {}", what, pa, bytes,
                  pa % 8 != 0 ? "not aligned to 8 bytes" : "not in memory that table_alloc gave"));
  return true;
}

/// No trace could say it.
bool DriverHost::refuses_pasid(const char* what, u32 pasid) {
  if (pasid < pow2(20)) return false;
  monitor_.driver_error(fmt::format("{} of PASID {:#x}: PASIDs have 20 bits", what, pasid));
  return true;
}

bool DriverHost::beyond(u64 offset) {
  if (monitor_.hardware() != nullptr && offset >> 32 == 0) return false;
  const u64 iommu = offset >> 32;
  const u64 at = offset & ~u32{0};
  uses_secure_registers_ |= at >= secure_registers && at < behind_secure_registers;
  if (iommu < monitor_.smmu_count() && at < registers_bytes) return false;
  monitor_.driver_error(
      iommu < monitor_.smmu_count()
          ? fmt::format("register offset {:#x}: beyond the SMMU's two pages", at)
          : fmt::format("register offset {:#x} of IOMMU {}: {}", at, iommu,
                        monitor_.smmu_count() == 1
                            ? "there is one only, 0"
                            : fmt::format("they are 0 to {}", monitor_.smmu_count() - 1)));
  return true;
}

void DriverHost::note_write(u64 offset) {
  if (monitor_.hardware() == nullptr) {
    read_only_written_ |= spec::read_only_register(static_cast<u32>(offset));
  }
}

void DriverHost::scan() {
  scan_ = std::make_unique<ScanDoor>(monitor_, platform_, tables_, site_, driver_.hooks,
                                     store_count_, view_);
}

namespace {

/// Error: what is wrong with the call, in words.
std::expected<trace::BroadcastTlbi, std::string> broadcast_of(u32 scope, u32 flags, u32 vmid,
                                                              u32 asid, u64 va, u64 bytes) {
  constexpr u32 worlds = IOMMUCHECK_TLBI_EL2 | IOMMUCHECK_TLBI_EL2_E2H;
  if (trace::word_of<trace::BroadcastScope>(scope) == nullptr ||
      (flags & ~(worlds | IOMMUCHECK_TLBI_LEAF)) != 0 || (flags & worlds) == worlds ||
      vmid > 0xffff || asid > 0xffff) {
    return std::unexpected(fmt::format(
        "tlbi(scope {}, flags {:#x}, vmid {:#x}, asid {:#x}): a scope is one of "
        "IOMMUCHECK_BROADCAST_SCOPE_*, a flag one of IOMMUCHECK_TLBI_*, and both numbers have 16 "
        "bits",
        scope, flags, vmid, asid));
  }
  const auto is = [&](u32 one) { return scope == one; };
  const bool by_va = is(IOMMUCHECK_BROADCAST_SCOPE_VA) ||
                     is(IOMMUCHECK_BROADCAST_SCOPE_VA_ALL_ASIDS) ||
                     is(IOMMUCHECK_BROADCAST_SCOPE_IPA);
  if (by_va && (bytes == 0 || va + (bytes - 1) < va)) {
    return std::unexpected(
        fmt::format("tlbi(va {:#x}, bytes {:#x}): a scope of addresses needs a range that does not "
                    "wrap around",
                    va, bytes));
  }
  trace::BroadcastTlbi tlbi{.scope = static_cast<trace::BroadcastScope>(scope),
                            .asid = static_cast<u16>(asid),
                            .vmid = static_cast<u16>(vmid)};
  if ((flags & IOMMUCHECK_TLBI_EL2) != 0) tlbi.world = trace::CpuWorld::el2;
  if ((flags & IOMMUCHECK_TLBI_EL2_E2H) != 0) tlbi.world = trace::CpuWorld::el2_e2h;
  if ((flags & IOMMUCHECK_TLBI_LEAF) != 0) tlbi.leaf = true;
  if (bytes == 0) return tlbi;
  tlbi.va = va;
  tlbi.length = bytes;
  return tlbi;
}

/// To stderr: a worker's supervisor keeps the end of it for the report, whatever becomes of the
/// worker.
void log_line(void* /*ctx*/, int level, const char* text) {
  const char* word = level == IOMMUCHECK_LOG_ERROR     ? "error"
                     : level == IOMMUCHECK_LOG_WARNING ? "warning"
                                                       : "info";
  if (text != nullptr && is_worker_process()) fmt::print(stderr, "driver {}: {}\n", word, text);
}

}  // namespace

void DriverHost::bind_platform() {
  iommucheck_platform& p = platform_;
  p.size = sizeof(p);
  p.abi = IOMMUCHECK_DRIVER_ABI;
  p.ctx = this;
  p.window_pa = monitor_.setup().window_pa;
  p.window_size = monitor_.setup().window_bytes;
  p.window = monitor_.caches().memory().host(p.window_pa);
  bind_allocation();
  bind_words();
  bind_sized_accesses();
  bind_order();
  bind_registers();
  // Calls come one at a time, so there is nothing to keep out; a driver that follows the header
  // calls them all the same.
  p.lock = [](void* /*ctx*/, uint64_t /*lock*/) {};
  p.unlock = [](void* /*ctx*/, uint64_t /*lock*/) {};
  p.log = log_line;
  bind_process_callbacks();
}

void DriverHost::bind_allocation() {
  iommucheck_platform& p = platform_;
  p.table_alloc = [](void* ctx, uint64_t bytes, uint64_t* pa) {
    return self(ctx).table_alloc("table_alloc", bytes, true, pa);
  };
  p.table_alloc_uncached = [](void* ctx, uint64_t bytes, uint64_t* pa) {
    return self(ctx).table_alloc("table_alloc_uncached", bytes, false, pa);
  };
  p.table_free = [](void* ctx, uint64_t pa, uint64_t bytes) {
    DriverHost& host = self(ctx);
    host.takes_messages_as_seen();
    if (!host.tables_.is_block(pa, bytes)) {
      host.monitor_.driver_error(fmt::format(
          "table_free of {:#x}, {:#x} bytes: no block that table_alloc gave and that is still held",
          pa, bytes));
      return;
    }
    host.monitor_.free(AgentId::cpu0, pa, bytes);
    host.tables_.free(pa, bytes);
  };
  p.arena_alloc = [](void* ctx, uint64_t bytes, uint64_t align) -> void* {
    DriverHost& host = self(ctx);
    if (!std::has_single_bit(align) || align > 4096) {
      host.monitor_.driver_error(
          fmt::format("arena_alloc with align {}: it has to be a power of two up to 4096", align));
    }
    return host.arena_.allocate(bytes, align);
  };
}

void DriverHost::bind_words() {
  iommucheck_platform& p = platform_;
  p.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
    DriverHost& host = self(ctx);
    if (host.spent() || host.refuses("store64", pa, 8)) return;
    const CallSite::Call call(host.site_, IOMMUCHECK_CALLED_FROM);
    host.monitor_.store(AgentId::cpu0, pa, value);
  };
  p.fill64 = [](void* ctx, uint64_t pa, uint64_t count, uint64_t value) {
    DriverHost& host = self(ctx);
    if (host.spent()) return;
    const u64 bytes = count > (~u64{0} >> 3) ? ~u64{0} : 8 * count;
    if (host.refuses("fill64", pa, bytes) || host.spent(count)) return;
    const CallSite::Call call(host.site_, IOMMUCHECK_CALLED_FROM);
    host.monitor_.fill(AgentId::cpu0, pa, count, value);
  };
  p.load64 = [](void* ctx, uint64_t pa) -> uint64_t {
    DriverHost& host = self(ctx);
    host.looks_at(pa, 8);
    if (host.spent()) return ~uint64_t{0};
    const bool is_table = pa - host.platform_.window_pa < host.platform_.window_size;
    if (is_table && host.refuses("load64", pa, 8)) return ~uint64_t{0};  // freed, perhaps
    const u64* place = pa % 8 == 0 ? host.monitor_.caches().memory().host(pa) : nullptr;
    if (place == nullptr) {
      host.monitor_.driver_error(
          fmt::format("load64 at {:#x}: {}", pa,
                      pa % 8 != 0 ? "not aligned to 8 bytes" : "no memory is there"));
      return 0;
    }
    host.monitor_.load(AgentId::cpu0, pa, 8, *place, false);
    return *place;
  };
}

void DriverHost::bind_order() {
  iommucheck_platform& p = platform_;
  p.barrier = [](void* ctx, uint32_t kind) {
    DriverHost& host = self(ctx);
    if (host.spent()) return;
    const u32 orders = kind & ~IOMMUCHECK_COMPLETES;
    if (trace::word_of<trace::BarrierKind>(orders) == nullptr) {
      host.monitor_.driver_error(fmt::format("barrier({:#x}): there is no such kind", kind));
      return;
    }
    const CallSite::Call call(host.site_, IOMMUCHECK_CALLED_FROM);
    host.monitor_.barrier(AgentId::cpu0, static_cast<trace::BarrierKind>(orders),
                          (kind & IOMMUCHECK_COMPLETES) != 0);
  };
  p.tlbi = [](void* ctx, uint32_t scope, uint32_t flags, uint32_t vmid, uint32_t asid, uint64_t va,
              uint64_t bytes) {
    DriverHost& host = self(ctx);
    if (host.spent()) return;
    const auto tlbi = broadcast_of(scope, flags, vmid, asid, va, bytes);
    if (!tlbi) return host.monitor_.driver_error(tlbi.error());
    host.monitor_.broadcast(AgentId::cpu0, *tlbi);
  };
  p.dma_clean = [](void* ctx, uint64_t pa, uint64_t bytes) {
    DriverHost& host = self(ctx);
    if (host.spent() || host.refuses("dma_clean", align_down(pa, 3), bytes)) return;
    if (!host.spent(bytes / 8)) host.monitor_.clean(AgentId::cpu0, pa, bytes);
  };
  p.dma_invalidate = [](void* ctx, uint64_t pa, uint64_t bytes) {
    DriverHost& host = self(ctx);
    if (host.spent()) return;
    if (bytes != 0 && pa + (bytes - 1) < pa) {
      return host.monitor_.driver_error(
          fmt::format("dma_invalidate at {:#x}, {:#x} bytes: they wrap around", pa, bytes));
    }
    host.monitor_.cache_invalidate(AgentId::cpu0, pa, bytes);
  };
}

void DriverHost::bind_registers() {
  iommucheck_platform& p = platform_;
  p.mmio_write32 = [](void* ctx, uint64_t offset, uint32_t value, uint32_t flags) {
    self(ctx).write_register(offset, 4, value, flags, IOMMUCHECK_CALLED_FROM);
  };
  p.mmio_write64 = [](void* ctx, uint64_t offset, uint64_t value, uint32_t flags) {
    self(ctx).write_register(offset, 8, value, flags, IOMMUCHECK_CALLED_FROM);
  };
  p.mmio_read32 = [](void* ctx, uint64_t offset) -> uint32_t {
    return static_cast<u32>(self(ctx).read_register(offset, 4, IOMMUCHECK_CALLED_FROM));
  };
  p.mmio_read64 = [](void* ctx, uint64_t offset) -> uint64_t {
    return self(ctx).read_register(offset, 8, IOMMUCHECK_CALLED_FROM);
  };
  p.wait = [](void* ctx, uint64_t token, uint64_t timeout_us) -> int {
    DriverHost& host = self(ctx);
    if (host.abandoned_ || host.so_far_.steps > host.steps_allowed()) return 1;
    const auto what = static_cast<u32>(token);
    const auto iommu = static_cast<u32>(token >> 32);
    if (what == IOMMUCHECK_WAIT_CALLER && host.running_ != nullptr) return host.wait_for_others();
    host.waits_for_messages();
    if (what == IOMMUCHECK_WAIT_INTERRUPT) host.waits_for_interrupt(iommu);
    if (what == IOMMUCHECK_WAIT_TIME) host.time_passes(timeout_us);
    const u64 progress = host.monitor_.progress_made();
    if (std::exchange(host.progress_, progress) != progress) host.so_far_.waits = 0;
    const bool in_vain = host.monitor_.smmu().is_stuck() || host.so_far_.message_lost;
    if (in_vain && host.so_far_.waits >= stuck_waits_max) return 1;
    if (++host.so_far_.waits <= waits_max) return 0;
    if (host.so_far_.waits == waits_max + 1) host.monitor_.hangs();
    return 1;
  };
}

const void* DriverHost::table_alloc(const char* function, u64 bytes, bool cacheable, u64* pa) {
  if (spent()) return nullptr;
  if (!std::has_single_bit(bytes) || bytes < 4096) {
    monitor_.driver_error(fmt::format(
        "{} of {:#x} bytes: it has to be a power of two, 4096 at least", function, bytes));
    return nullptr;
  }
  const bool fails = ++allocations_ == fail_at_ || fail_all_;
  *pa = fails ? 0 : tables_.allocate(bytes);
  if (*pa == 0) {  // asked to fail, or all of the window is in use
    allocation_failed_ = true;
    monitor_.allocation_fails();
    return nullptr;
  }
  monitor_.alloc(AgentId::cpu0, *pa, bytes, cacheable);
  return static_cast<const char*>(platform_.window) + (*pa - platform_.window_pa);
}

void DriverHost::time_passes(u64 us) {
  for (u32 i = 0; i < monitor_.smmu_count(); ++i) monitor_.smmu(i).time_passes(us);
}

std::string DriverHost::boot() {
  if (former_owner_) {
    const Setup& setup = monitor_.setup();
    leave_switched_on(monitor_, setup.process_pa() + setup.process_bytes);
  }
  monitor_.driver_begins();
  begin_steps();
  const bool scans = (driver_.flags & IOMMUCHECK_DRIVER_SCAN) != 0 || driver_.hooks != nullptr;
  if (scan_ == nullptr && scans) scan();
  enter();
  int& error = boot_error_;
  error = init_ ? init_(platform_, config_.get(), &state_)
                : driver_.init(scan_ ? &scan_->platform() : &platform_, &config_.get(), &state_);
  leave();
  const auto answer = [&error] {
    return fmt::format("{} ({})", error,
                       spec::sva::status_text(spec::sva::status_from_driver(error)));
  };
  if (error != 0) return "init answered " + answer();
  error = driver_.reset(state_);
  leave();
  if (error != 0) return "reset answered " + answer();
  for (u32 device = 0; device < config_.device_count(); ++device) {
    if (driver_.device_add == nullptr) break;
    if (!monitor_.setup().devices[device].iommu) continue;
    error = driver_.device_add(state_, device);
    leave();
    if (error != 0) return fmt::format("device_add({}) answered {}", device, answer());
  }
  monitor_.driver_ready();
  return {};
}

void DriverHost::snapshot() {
  arena_.snapshot();
  if (segments_ != nullptr) segments_->save();
}

void DriverHost::restore() {
  abandon_threads();
  handlers_.clear();
  handled_faults_.clear();
  contexts_ = context_ = longest_ = 0;
  begin_steps();
  arena_.restore();
  if (segments_ != nullptr) segments_->restore();
  hook_answers_ = {};
  fail_allocation(0);
  nothing_in_the_middle();
}

std::unique_ptr<DriverHost::Point> DriverHost::point() const {
  if (!threads_.empty()) return nullptr;
  auto point = std::make_unique<Point>();
  point->arena_ = arena_.contents();
  if (segments_ != nullptr) {
    point->segments_ = std::make_unique<Segments>(*segments_);
    point->segments_->save();
  }
  point->handlers_ = handlers_;
  point->handled_faults_ = handled_faults_;
  point->contexts_ = contexts_;
  point->so_far_ = so_far_;
  point->longest_ = longest_;
  point->progress_ = progress_;
  return point;
}

void DriverHost::restore(const Point& point) {
  abandon_threads();
  handlers_ = point.handlers_;
  handled_faults_ = point.handled_faults_;
  contexts_ = point.contexts_;
  context_ = 0;
  so_far_ = point.so_far_;
  longest_ = point.longest_;
  progress_ = point.progress_;
  arena_.put(point.arena_);
  if (point.segments_) point.segments_->restore();
  fail_allocation(0);
  nothing_in_the_middle();
}

void DriverHost::fail_allocation(u32 n) {
  allocations_ = 0;
  fail_at_ = n;
  fail_all_ = false;
  allocation_failed_ = false;
}

void DriverHost::in_the_middle(u32 n, std::function<void()> what, u32 offset) {
  middle_.push_back({n, offset, std::move(what)});
}

void DriverHost::exposes(u64 offset) {
  for (Middle& each : middle_) {
    if (each.offset != offset || each.left == 0 || --each.left != 0) continue;
    // What is called there counts for itself; what it saw of the queue is true of this call, too.
    SoFar outer = so_far_;
    each.what();
    outer.endpoint_failed |= so_far_.endpoint_failed;
    outer.message_lost |= so_far_.message_lost;
    so_far_ = outer;
  }
}

/// Of an SMMUv3 CMDQ_PROD, which has 4 bytes, exposes commands.
void DriverHost::write_register(u64 offset, unsigned size, u64 value, u32 flags, const void* from) {
  if (spent() || beyond(offset)) return;
  note_write(offset);
  if (size == 4 && monitor_.hardware() == nullptr) exposes(static_cast<u32>(offset));
  has_written_ = true;
  const CallSite::Call call(site_, from);
  monitor_.mmio_write(AgentId::cpu0, offset, size, value, (flags & IOMMUCHECK_MMIO_ORDERED) != 0);
}

/// Other hardware than an SMMUv3 is waited for by looking at it behind what was written.
u64 DriverHost::read_register(u64 offset, unsigned size, const void* from) {
  if (spent() || beyond(offset)) return ~u64{0};
  const bool waits = std::exchange(has_written_, false) && monitor_.hardware() != nullptr;
  if (waits) exposes(spec::reg::cmdq_prod);
  const CallSite::Call call(site_, from);
  const u64 value = monitor_.device_read(AgentId::cpu0, offset, size, *choices_);
  if (size == 4 && monitor_.hardware() == nullptr) sees(static_cast<u32>(offset), value);
  return value;
}

/// The command queue has come to where it was to stop.
void DriverHost::stops_where_it_is_to() {
  // Who waits for a message that is lost waits in vain, as if the queue did not move.
  if (monitor_.smmu().take_lost_message()) {
    so_far_.message_lost = so_far_.endpoint_failed = true;
    if (!monitor_.smmu().is_stuck()) {
      monitor_.queue_stuck(true);
      monitor_.queue_stuck(false);
    }
  }
  if (monitor_.smmu().has_stopped()) monitor_.queue_stuck(true);
}

/// An endpoint that does not answer its ATC_INV keeps what was asked of it from being done, as a
/// queue does that is stuck.
void DriverHost::sees(u64 offset, u64 value) {
  if (offset != spec::reg::cmdq_cons) return;
  stops_where_it_is_to();
  const auto error = static_cast<spec::CommandError>(spec::cmdq_cons_err(static_cast<u32>(value)));
  so_far_.endpoint_failed |= error == spec::CommandError::atc_inv_sync;
}

DriverHost::Held DriverHost::shut_down() {
  nothing_in_the_middle();
  begin_steps();
  if (driver_.shutdown == nullptr) return {};
  enter();
  driver_.shutdown(state_);
  leave();
  return {.blocks = tables_.live(), .pins = processes_.pins()};
}

u64 DriverHost::users_pa() const {
  const Setup& setup = monitor_.setup();
  if (setup.users_pa != 0) return setup.users_pa;
  return setup.process_pa() + setup.process_bytes + former_owners_bytes;
}

}  // namespace iommucheck::oracle
