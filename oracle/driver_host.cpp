// SPDX-License-Identifier: MIT
#include "oracle/driver_host.h"

#include <fmt/format.h>

namespace iommucheck::oracle {

namespace {

constexpr u64 arena_bytes = u64{8} << 20;
constexpr u64 waits_max = 1000;  // of one call: a working SMMU needs a handful
constexpr u64 steps_max = u64{1} << 22;  // stores and register accesses of one call
constexpr AgentId cpu = AgentId::cpu0;

}  // namespace

DriverHost::DriverHost(const iommucheck_driver& driver, Monitor& monitor)
    : driver_(driver), monitor_(monitor), arena_(arena_bytes),
      tables_(monitor.trail(), monitor.setup().window_pa, monitor.setup().window_bytes) {
  for (const std::vector<u32>& sids : monitor.setup().devices) {
    iommucheck_device device{};
    device.size = sizeof(device);
    device.abi = IOMMUCHECK_DRIVER_ABI;
    device.stream_ids = sids.data();
    device.stream_id_count = static_cast<u32>(sids.size());
    device.group = static_cast<u32>(devices_.size());
    devices_.push_back(device);
  }
  config_.size = sizeof(config_);
  config_.abi = IOMMUCHECK_DRIVER_ABI;
  config_.devices = devices_.data();
  config_.device_count = static_cast<u32>(devices_.size());
  config_.cmdq_log2size = 6;  // small, so that it wraps and fills
  bind_platform();
}

/// A call that stores or polls without end would fill the machine's memory with what it did: from
/// some point on nothing has an effect, and reads answer as a device does that is gone.
bool DriverHost::spent() {
  if (++steps_ <= steps_max) return false;
  if (steps_ == steps_max + 1) monitor_.hangs();
  return true;
}

void DriverHost::bind_platform() {
  iommucheck_platform& p = platform_;
  p.size = sizeof(p);
  p.abi = IOMMUCHECK_DRIVER_ABI;
  p.ctx = this;
  p.window_pa = monitor_.setup().window_pa;
  p.window_size = monitor_.setup().window_bytes;
  p.window = monitor_.caches().memory().host(p.window_pa);
  p.table_alloc = [](void* ctx, uint64_t bytes, uint64_t* pa) -> const void* {
    DriverHost& host = self(ctx);
    if (++host.allocations_ == host.fail_at_) {
      host.allocation_failed_ = true;
      host.monitor_.allocation_fails();
      return nullptr;
    }
    *pa = host.tables_.allocate(bytes);
    if (*pa == 0) return nullptr;
    host.monitor_.alloc(cpu, *pa, bytes);
    return host.monitor_.caches().memory().host(*pa);
  };
  p.table_free = [](void* ctx, uint64_t pa, uint64_t bytes) {
    DriverHost& host = self(ctx);
    if (!host.tables_.contains(pa, bytes) || host.tables_.live() == 0) {
      host.monitor_.driver_error(fmt::format("table_free of {:#x}, {:#x} bytes: not the platform's",
                                             pa, bytes));
      return;
    }
    host.monitor_.free(cpu, pa, bytes);
    host.tables_.free(pa, bytes);
  };
  p.arena_alloc = [](void* ctx, uint64_t bytes, uint64_t align) -> void* {
    return self(ctx).arena_.allocate(bytes, align == 0 ? 1 : align);
  };
  p.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
    DriverHost& host = self(ctx);
    if (!host.spent()) host.monitor_.store(cpu, pa, value);
  };
  p.fill64 = [](void* ctx, uint64_t pa, uint64_t count, uint64_t value) {
    DriverHost& host = self(ctx);
    if (!host.spent()) host.monitor_.fill(cpu, pa, count, value);
  };
  p.load64 = [](void* ctx, uint64_t pa) -> uint64_t {
    const u64* place = self(ctx).monitor_.caches().memory().host(pa);
    return place != nullptr ? *place : 0;
  };
  p.compare_exchange64 = [](void* ctx, uint64_t pa, uint64_t expected, uint64_t desired)
      -> uint64_t {
    DriverHost& host = self(ctx);
    const u64* place = host.monitor_.caches().memory().host(pa);
    if (place == nullptr) return ~expected;
    const u64 old = *place;
    if (old == expected) host.monitor_.rmw(cpu, pa, desired);
    return old;
  };
  p.barrier = [](void* ctx) { self(ctx).monitor_.barrier(cpu); };
  p.dma_clean = [](void* ctx, uint64_t pa, uint64_t bytes) {
    self(ctx).monitor_.clean(cpu, pa, bytes);
  };
  p.dma_invalidate = [](void* /*ctx*/, uint64_t /*pa*/, uint64_t /*bytes*/) {};
  p.mmio_write32 = [](void* ctx, uint64_t offset, uint32_t value, uint32_t flags) {
    DriverHost& host = self(ctx);
    if (host.spent()) return;
    host.monitor_.mmio_write(cpu, static_cast<u32>(offset), 4, value,
                             (flags & IOMMUCHECK_MMIO_ORDERED) != 0);
  };
  p.mmio_write64 = [](void* ctx, uint64_t offset, uint64_t value, uint32_t flags) {
    DriverHost& host = self(ctx);
    if (host.spent()) return;
    host.monitor_.mmio_write(cpu, static_cast<u32>(offset), 8, value,
                             (flags & IOMMUCHECK_MMIO_ORDERED) != 0);
  };
  p.mmio_read32 = [](void* ctx, uint64_t offset) -> uint32_t {
    DriverHost& host = self(ctx);
    if (host.spent()) return ~uint32_t{0};
    return static_cast<u32>(host.monitor_.device_read(cpu, static_cast<u32>(offset), 4,
                                                      *host.choices_));
  };
  p.mmio_read64 = [](void* ctx, uint64_t offset) -> uint64_t {
    DriverHost& host = self(ctx);
    if (host.spent()) return ~uint64_t{0};
    return host.monitor_.device_read(cpu, static_cast<u32>(offset), 8, *host.choices_);
  };
  p.wait = [](void* ctx, uint32_t /*token*/, uint64_t /*timeout_us*/) -> int {
    DriverHost& host = self(ctx);
    if (host.steps_ > steps_max) return 1;
    if (++host.waits_ <= waits_max) return 0;
    if (host.waits_ == waits_max + 1) host.monitor_.hangs();
    return 1;
  };
}

std::string DriverHost::boot() {
  monitor_.driver_begins();
  waits_ = steps_ = 0;
  if (const int error = driver_.init(&platform_, &config_, &state_); error != 0) {
    return fmt::format("init answered {}", error);
  }
  if (const int error = driver_.reset(state_); error != 0) {
    return fmt::format("reset answered {}", error);
  }
  for (u32 device = 0; device < config_.device_count; ++device) {
    if (driver_.device_add == nullptr) break;
    if (const int error = driver_.device_add(state_, device); error != 0) {
      return fmt::format("device_add({}) answered {}", device, error);
    }
  }
  monitor_.driver_ready();
  return {};
}

void DriverHost::snapshot() {
  arena_.snapshot();
  if (segments_ != nullptr) segments_->save();
}

void DriverHost::restore() {
  arena_.restore();
  if (segments_ != nullptr) segments_->restore();
  fail_allocation(0);
}

void DriverHost::fail_allocation(u32 n) {
  allocations_ = 0;
  fail_at_ = n;
  allocation_failed_ = false;
}

bool DriverHost::has(spec::sva::CallKind kind) const {
  using spec::sva::CallKind;
  switch (kind) {
    case CallKind::domain_alloc: return driver_.domain_alloc != nullptr;
    case CallKind::domain_free: return driver_.domain_free != nullptr;
    case CallKind::attach: return driver_.attach != nullptr;
    case CallKind::detach: return driver_.detach != nullptr;
    case CallKind::map: return driver_.map != nullptr;
    case CallKind::unmap: return driver_.unmap != nullptr;
    case CallKind::unmap_fast: return driver_.unmap_fast != nullptr;
    case CallKind::iotlb_sync: return driver_.iotlb_sync != nullptr;
    case CallKind::flush_iotlb_all: return driver_.flush_iotlb_all != nullptr;
    case CallKind::tlb_range_add: return driver_.tlb_range_add != nullptr;
    case CallKind::iova_to_phys: return driver_.iova_to_phys != nullptr;
    default: return false;
  }
}

spec::sva::Observed DriverHost::call(const spec::sva::Call& call) {
  waits_ = steps_ = 0;
  monitor_.call_begins(call);
  const spec::sva::Observed observed = dispatch(call);
  monitor_.call_returns(call, observed, {.allocation_failed = allocation_failed_});
  return observed;
}

spec::sva::Observed DriverHost::dispatch(const spec::sva::Call& call) {
  using spec::sva::CallKind;
  using spec::sva::Observed;
  using spec::sva::Status;
  const iommucheck_driver& d = driver_;
  const auto status = [](int result) {
    return Observed{.status = spec::sva::status_from_driver(result)};
  };
  const auto bytes = [](iommucheck_result result) {
    return Observed{.status = spec::sva::status_from_driver(result.error), .value = result.bytes};
  };
  const Observed not_built{.status = Status::not_built};
  switch (call.kind) {
    case CallKind::domain_alloc: {
      if (d.domain_alloc == nullptr) return not_built;
      iommucheck_domain_params params{};
      params.size = sizeof(params);
      params.abi = IOMMUCHECK_DRIVER_ABI;
      params.kind = call.domain_kind;
      params.input_bits = call.input_bits;
      iommucheck_handle handle = 0;
      Observed observed = status(d.domain_alloc(state_, &params, &handle));
      if (observed.status != Status::ok) return observed;
      observed.value = handle;
      iommucheck_domain_info info{};
      info.size = sizeof(info);
      info.abi = IOMMUCHECK_DRIVER_ABI;
      if (d.domain_get_info != nullptr && d.domain_get_info(state_, handle, &info) == 0) {
        observed.facts = {info.input_bits, info.output_bits, info.page_sizes};
      }
      return observed;
    }
    case CallKind::domain_free:
      return d.domain_free ? status(d.domain_free(state_, call.domain)) : not_built;
    case CallKind::attach:
      return d.attach ? status(d.attach(state_, call.domain, call.device)) : not_built;
    case CallKind::detach:
      return d.detach ? status(d.detach(state_, call.domain, call.device)) : not_built;
    case CallKind::map:
      return d.map ? status(d.map(state_, call.domain, call.iova, call.pa, call.size, call.prot))
                   : not_built;
    case CallKind::unmap:
      return d.unmap ? bytes(d.unmap(state_, call.domain, call.iova, call.size)) : not_built;
    case CallKind::unmap_fast:
      return d.unmap_fast ? bytes(d.unmap_fast(state_, call.domain, call.iova, call.size))
                          : not_built;
    case CallKind::iotlb_sync:
      return d.iotlb_sync ? status(d.iotlb_sync(state_, call.domain)) : not_built;
    case CallKind::flush_iotlb_all:
      return d.flush_iotlb_all ? status(d.flush_iotlb_all(state_, call.domain)) : not_built;
    case CallKind::tlb_range_add:
      return d.tlb_range_add ? status(d.tlb_range_add(state_, call.domain, call.iova, call.size))
                             : not_built;
    case CallKind::iova_to_phys:
      if (d.iova_to_phys == nullptr) return not_built;
      return Observed{.value = d.iova_to_phys(state_, call.domain, call.iova)};
    default: return not_built;
  }
}

u64 DriverHost::shut_down() {
  waits_ = steps_ = 0;
  if (driver_.shutdown == nullptr) return 0;
  driver_.shutdown(state_);
  return tables_.live();
}

}  // namespace iommucheck::oracle
