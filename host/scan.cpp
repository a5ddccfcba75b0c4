// SPDX-License-Identifier: MIT
#include "host/scan.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "host/untold_stores.h"

namespace iommucheck::oracle {

namespace {
constexpr u64 scanned_bytes = 4096;
}

ScanDoor::ScanDoor(Monitor& monitor, const iommucheck_platform& inner, const TableMemory& tables,
                   CallSite& site, const iommucheck_hooks* hooks, StoreCount* stores, Pages* view)
    : monitor_(monitor),
      inner_(inner),
      tables_(tables),
      site_(site),
      hooks_(hooks),
      own_view_(view == nullptr
                    ? std::make_unique<Pages>(monitor.setup().window_bytes, Pages::Kind::own)
                    : nullptr),
      view_(view == nullptr ? *own_view_ : *view) {
  view_.allow(0, view_.bytes(), Pages::Access::read);
  platform_ = inner;
  platform_.ctx = this;
  platform_.window = view_.data();
  bind();
  // What the SMMU stores while the driver runs (a message, where it loads that) the driver sees,
  // and has not stored itself. The rest of the word may be ahead of what was told.
  monitor.caches().memory().on_device_store([this](u64 pa, u64 value, u64 changed) {
    const u64 at = pa - tables_.base();
    if (at >= open_) return;
    in_view(at, 8, [&] {
      auto* of_driver = reinterpret_cast<u64*>(view_.data() + at);
      *of_driver ^= (*of_driver ^ value) & changed;
    });
  });
  if (hooks != nullptr && stores != nullptr) {
    const auto* code = reinterpret_cast<const void*>(hooks->settle);
    witness_ = std::make_unique<StoreWitness>(view_, inner_, *stores, code);
  }
}

ScanDoor::~ScanDoor() { monitor_.caches().memory().on_device_store({}); }

u64 ScanDoor::given() {
  const u64 used = tables_.top() - tables_.base();
  if (used > open_) {
    if (witness_) {
      witness_->open(used);
    } else {
      view_.allow(open_, used, Pages::Access::write);
    }
    open_ = used;
  }
  return used;
}

/// Pages in which the driver's view and the specification's memory differ. A page costs some 50 to
/// 100 ns, much less than to write-protect it and to catch the fault (7 us): all that the case was
/// given is compared. What no case was given cannot be written, and what others were is looked at
/// when a call ends.
template <class Visit>
void ScanDoor::for_each_changed_page(u64 first, u64 end, Visit&& visit) {
  auto* mine = reinterpret_cast<u64*>(view_.data());
  u64* known = monitor_.caches().memory().host(tables_.base());
  for (u64 at = first; at < end; at += scanned_bytes) {
    u64* of_driver = mine + at / 8;
    u64* of_spec = known + at / 8;
    if (std::memcmp(of_driver, of_spec, scanned_bytes) != 0)
      visit(tables_.base() + at, of_driver, of_spec);
  }
}

void ScanDoor::refresh(u64 first, u64 end) {
  for_each_changed_page(first, end, [this](u64 /*pa*/, u64* of_driver, const u64* of_spec) {
    show(of_driver, of_spec);
  });
}

/// What the platform changed since memory's changes() was `before`: mostly a page or none.
void ScanDoor::refresh_changed(u64 before) {
  const u64 bytes = given();
  const auto page = [&](u64 pa) {
    const u64 at = pa - tables_.base();
    if (at < bytes) refresh(at, at + scanned_bytes);
  };
  if (!monitor_.caches().memory().changed_since(before, page)) refresh(0, bytes);
}

void ScanDoor::show(u64* of_driver, const u64* of_spec) {
  const auto at = static_cast<u64>(reinterpret_cast<std::byte*>(of_driver) - view_.data());
  in_view(at, scanned_bytes, [&] { std::memcpy(of_driver, of_spec, scanned_bytes); });
}

/// Not seen by the witness.
template <class Write>
void ScanDoor::in_view(u64 at, u64 bytes, Write&& write) {
  if (witness_) view_.allow(at, at + bytes, Pages::Access::write);
  write();
  if (witness_) view_.allow(at, at + bytes, Pages::Access::read);
}

void ScanDoor::enter() {
  given();
  refresh(0, open_);
  if (hooks_ == nullptr) return;
  if (witness_) witness_->begin();
  hooks_->begin(witness_ ? &witness_->told() : &inner_, &platform_);
}

void ScanDoor::settle() {
  if (hooks_ == nullptr) return look(given());
  hooks_->settle();
  if (witness_) witness_->settled();
  if (untold_stores::are_likely()) look(given());
}

void ScanDoor::leave() {
  given();
  if (hooks_ != nullptr) settle();
  look(open_);
}

void ScanDoor::look(u64 bytes) {
  if (ignores_) return;
  found_.clear();
  for_each_changed_page(0, bytes, [&](u64 pa, u64* of_driver, const u64* of_spec) {
    if (!tables_.is_given(pa, scanned_bytes)) {
      monitor_.driver_error(
          fmt::format("a plain store in the page {:#x}: table memory that the "
                      "driver has not got (any more)",
                      pa));
      show(of_driver, of_spec);
      return;
    }
    for (u64 i = 0; i < scanned_bytes / 8; ++i) {
      if (of_driver[i] != of_spec[i]) found_.push_back({pa + 8 * i, of_driver[i]});
    }
  });
  if (found_.empty()) return;
  if (hooks_ != nullptr) untold_stores::add(found_.size());
  monitor_.sweep(AgentId::cpu0, found_);
}

/// Compared before; and after it where it changed memory itself.
template <class Inner>
auto ScanDoor::through(void* ctx, Inner&& inner) {
  ScanDoor& door = self(ctx);
  door.settle();
  const u64 changes = door.monitor_.caches().memory().changes();
  const auto settle = [&] { door.refresh_changed(changes); };
  if constexpr (std::is_void_v<decltype(inner(door.inner_, door.inner_.ctx))>) {
    inner(door.inner_, door.inner_.ctx);
    settle();
  } else {
    const auto result = inner(door.inner_, door.inner_.ctx);
    settle();
    return result;
  }
}

/// What the driver did before it was told before, and is not done from there.
template <class Inner>
auto ScanDoor::through_from(void* ctx, const void* from, Inner&& inner) {
  return through(ctx, [&](const iommucheck_platform& in, void* c) {
    const CallSite::Call call(self(ctx).site_, from);
    return inner(in, c);
  });
}

const void* ScanDoor::seen(const u64* pa, const void* given) const {
  return given == nullptr ? nullptr : view_.data() + (*pa - tables_.base());
}

void ScanDoor::bind() {
  using Platform = iommucheck_platform;
  Platform& p = platform_;
  p.table_alloc = [](void* ctx, uint64_t bytes, uint64_t* pa) {
    return self(ctx).seen(pa, through(ctx, [&](const Platform& in, void* c) {
                            return in.table_alloc(c, bytes, pa);
                          }));
  };
  p.table_alloc_uncached = [](void* ctx, uint64_t bytes, uint64_t* pa) {
    return self(ctx).seen(pa, through(ctx, [&](const Platform& in, void* c) {
                            return in.table_alloc_uncached(c, bytes, pa);
                          }));
  };
  p.table_free = [](void* ctx, uint64_t pa, uint64_t bytes) {
    through(ctx, [&](const Platform& in, void* c) { in.table_free(c, pa, bytes); });
  };
  p.arena_alloc = [](void* ctx, uint64_t bytes, uint64_t align) {
    return self(ctx).inner_.arena_alloc(self(ctx).inner_.ctx, bytes, align);
  };
  p.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
    through_from(ctx, IOMMUCHECK_CALLED_FROM,
                 [&](const Platform& in, void* c) { in.store64(c, pa, value); });
  };
  p.fill64 = [](void* ctx, uint64_t pa, uint64_t count, uint64_t value) {
    through_from(ctx, IOMMUCHECK_CALLED_FROM,
                 [&](const Platform& in, void* c) { in.fill64(c, pa, count, value); });
  };
  p.load64 = [](void* ctx, uint64_t pa) {
    return through(ctx, [&](const Platform& in, void* c) { return in.load64(c, pa); });
  };
  p.store = [](void* ctx, uint64_t pa, uint32_t bytes, uint64_t value, uint64_t value_high,
               uint64_t pc) {
    through(ctx,
            [&](const Platform& in, void* c) { in.store(c, pa, bytes, value, value_high, pc); });
  };
  p.load = [](void* ctx, uint64_t pa, uint32_t bytes, uint32_t flags, uint64_t pc) {
    return through(ctx,
                   [&](const Platform& in, void* c) { return in.load(c, pa, bytes, flags, pc); });
  };
  p.atomic = [](void* ctx, uint32_t op, uint64_t pa, uint32_t bytes, uint64_t operand,
                uint64_t expected, uint32_t flags, uint64_t pc) {
    return through(ctx, [&](const Platform& in, void* c) {
      return in.atomic(c, op, pa, bytes, operand, expected, flags, pc);
    });
  };
  p.barrier = [](void* ctx, uint32_t kind) {
    through_from(ctx, IOMMUCHECK_CALLED_FROM,
                 [&](const Platform& in, void* c) { in.barrier(c, kind); });
  };
  p.dma_clean = [](void* ctx, uint64_t pa, uint64_t bytes) {
    through(ctx, [&](const Platform& in, void* c) { in.dma_clean(c, pa, bytes); });
  };
  p.dma_invalidate = [](void* ctx, uint64_t pa, uint64_t bytes) {
    through(ctx, [&](const Platform& in, void* c) { in.dma_invalidate(c, pa, bytes); });
  };
  p.mmio_write32 = [](void* ctx, uint64_t offset, uint32_t value, uint32_t flags) {
    through_from(ctx, IOMMUCHECK_CALLED_FROM,
                 [&](const Platform& in, void* c) { in.mmio_write32(c, offset, value, flags); });
  };
  p.mmio_write64 = [](void* ctx, uint64_t offset, uint64_t value, uint32_t flags) {
    through_from(ctx, IOMMUCHECK_CALLED_FROM,
                 [&](const Platform& in, void* c) { in.mmio_write64(c, offset, value, flags); });
  };
  p.mmio_read32 = [](void* ctx, uint64_t offset) {
    return through_from(ctx, IOMMUCHECK_CALLED_FROM,
                        [&](const Platform& in, void* c) { return in.mmio_read32(c, offset); });
  };
  p.mmio_read64 = [](void* ctx, uint64_t offset) {
    return through_from(ctx, IOMMUCHECK_CALLED_FROM,
                        [&](const Platform& in, void* c) { return in.mmio_read64(c, offset); });
  };
  p.wait = [](void* ctx, uint64_t token, uint64_t timeout_us) {
    return through(ctx, [&](const Platform& in, void* c) { return in.wait(c, token, timeout_us); });
  };
  p.lock = [](void* ctx, uint64_t lock) {
    through(ctx, [&](const Platform& in, void* c) { in.lock(c, lock); });
  };
  p.unlock = [](void* ctx, uint64_t lock) {
    through(ctx, [&](const Platform& in, void* c) { in.unlock(c, lock); });
  };
  p.log = [](void* ctx, int level, const char* text) {
    self(ctx).inner_.log(self(ctx).inner_.ctx, level, text);
  };
  p.mm_exit = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t drvdata) {
    return through(
        ctx, [&](const Platform& in, void* c) { return in.mm_exit(c, device, pasid, drvdata); });
  };
  p.handle_fault = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot) {
    return through(ctx, [&](const Platform& in, void* c) {
      return in.handle_fault(c, device, pasid, iova, prot);
    });
  };
  p.context = [](void* ctx) { return self(ctx).inner_.context(self(ctx).inner_.ctx); };
  p.cpu = [](void* ctx) { return self(ctx).inner_.cpu(self(ctx).inner_.ctx); };
  p.mm_pin = [](void* ctx, iommucheck_handle mm) {
    return through(ctx, [&](const Platform& in, void* c) { return in.mm_pin(c, mm); });
  };
  p.mm_unpin = [](void* ctx, iommucheck_handle mm) {
    through(ctx, [&](const Platform& in, void* c) { in.mm_unpin(c, mm); });
  };
  p.hook = [](void* ctx, uint32_t hook, uint64_t io_mm, uint32_t device) {
    return through(ctx,
                   [&](const Platform& in, void* c) { return in.hook(c, hook, io_mm, device); });
  };
  p.fault_handler = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot,
                       uint32_t group, uint64_t drvdata) {
    through(ctx, [&](const Platform& in, void* c) {
      in.fault_handler(c, device, pasid, iova, prot, group, drvdata);
    });
  };
  p.ats_enable = [](void* ctx, uint32_t device, uint32_t on) {
    through(ctx, [&](const Platform& in, void* c) { in.ats_enable(c, device, on); });
  };
  p.tlbi = [](void* ctx, uint32_t scope, uint32_t flags, uint32_t vmid, uint32_t asid, uint64_t va,
              uint64_t bytes) {
    through(ctx,
            [&](const Platform& in, void* c) { in.tlbi(c, scope, flags, vmid, asid, va, bytes); });
  };
  // A member more has to be passed on above.
  static_assert(offsetof(Platform, table_alloc_uncached) + sizeof(p.table_alloc_uncached) ==
                sizeof(Platform));
}

}  // namespace iommucheck::oracle
