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

template <auto member, class R, class... A>
R ScanDoor::pass(void* ctx, A... args) {
  return through(ctx, [&](const Platform& in, void* c) { return (in.*member)(c, args...); });
}

template <auto member, class R, class... A>
R ScanDoor::pass_from(void* ctx, A... args) {
  return through_from(ctx, IOMMUCHECK_CALLED_FROM,
                      [&](const Platform& in, void* c) { return (in.*member)(c, args...); });
}

template <auto member, class R, class... A>
R ScanDoor::pass_only(void* ctx, A... args) {
  const Platform& in = self(ctx).inner_;
  return (in.*member)(in.ctx, args...);
}

template <auto member>
const void* ScanDoor::pass_block(void* ctx, u64 bytes, u64* pa) {
  return self(ctx).seen(pa, pass<member, const void*, u64, u64*>(ctx, bytes, pa));
}

void ScanDoor::bind() {
  Platform& p = platform_;
  p.table_alloc = pass_block<&Platform::table_alloc>;
  p.table_alloc_uncached = pass_block<&Platform::table_alloc_uncached>;
  p.table_free = pass<&Platform::table_free>;
  p.arena_alloc = pass_only<&Platform::arena_alloc>;
  p.store64 = pass_from<&Platform::store64>;
  p.fill64 = pass_from<&Platform::fill64>;
  p.load64 = pass<&Platform::load64>;
  p.store = pass<&Platform::store>;
  p.load = pass<&Platform::load>;
  p.atomic = pass<&Platform::atomic>;
  p.barrier = pass_from<&Platform::barrier>;
  p.dma_clean = pass<&Platform::dma_clean>;
  p.dma_invalidate = pass<&Platform::dma_invalidate>;
  p.mmio_write32 = pass_from<&Platform::mmio_write32>;
  p.mmio_write64 = pass_from<&Platform::mmio_write64>;
  p.mmio_read32 = pass_from<&Platform::mmio_read32>;
  p.mmio_read64 = pass_from<&Platform::mmio_read64>;
  p.wait = pass<&Platform::wait>;
  p.lock = pass<&Platform::lock>;
  p.unlock = pass<&Platform::unlock>;
  p.log = pass_only<&Platform::log>;
  p.mm_exit = pass<&Platform::mm_exit>;
  p.handle_fault = pass<&Platform::handle_fault>;
  p.context = pass_only<&Platform::context>;
  p.cpu = pass_only<&Platform::cpu>;
  p.mm_pin = pass<&Platform::mm_pin>;
  p.mm_unpin = pass<&Platform::mm_unpin>;
  p.hook = pass<&Platform::hook>;
  p.fault_handler = pass<&Platform::fault_handler>;
  p.ats_enable = pass<&Platform::ats_enable>;
  p.tlbi = pass<&Platform::tlbi>;
  // A member more has to be passed on above.
  static_assert(offsetof(Platform, table_alloc_uncached) + sizeof(p.table_alloc_uncached) ==
                sizeof(Platform));
}

}  // namespace iommucheck::oracle
