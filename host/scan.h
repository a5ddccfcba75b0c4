// SPDX-License-Identifier: MIT
// A driver that is not told of the checker: it writes table memory through plain pointers. Whenever
// it calls the platform, and when it returns, its memory is compared with what the specification
// knows, and what differs becomes stores. docs/drivers.md, "scan". One that iommucheck cc built
// tells each store; memory is compared when it returns, and what differs then is what its hooks
// missed.
#pragma once

#include <memory>
#include <vector>

#include "host/arena.h"
#include "host/call_site.h"
#include "host/store_witness.h"
#include "iommucheck/driver.h"
#include "iommucheck/hooks.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

/// Stands between a driver and the precise platform. The driver has a window of its own: memory as
/// it sees it. The specification's memory is the copy to compare with, so that undoing a case costs
/// nothing here.
class ScanDoor {
 public:
  /// `inner` is complete, and it, the monitor, the tables and the site, which is the inner door's,
  /// outlive this.
  /// `hooks`: of a driver that iommucheck cc built, which tell each store; NULL: memory is
  /// compared. `stores`: where it is counted what the hooks tell of; NULL: nowhere. `view`: where
  /// the driver sees memory, which outlives this; NULL: somewhere.
  ScanDoor(Monitor& monitor, const iommucheck_platform& inner, const TableMemory& tables,
           CallSite& site, const iommucheck_hooks* hooks, StoreCount* stores,
           Pages* view = nullptr);
  ~ScanDoor();
  ScanDoor(const ScanDoor&) = delete;
  ScanDoor& operator=(const ScanDoor&) = delete;

  /// What the driver is given instead of `inner`.
  [[nodiscard]] const iommucheck_platform& platform() const { return platform_; }

  /// The driver is called: it sees memory as the specification has it.
  void enter();
  /// It has returned: what it stored since becomes stores of cpu0.
  void leave();
  /// A case has ended in the middle of calls, which run to their end: what the driver stores from
  /// here on is nobody's, until enter() after `false`.
  void ignore(bool on) { ignores_ = on; }

 private:
  using Platform = iommucheck_platform;
  static ScanDoor& self(void* ctx) { return *static_cast<ScanDoor*>(ctx); }
  /// An inner call between leave() and enter().
  template <class Inner>
  static auto through(void* ctx, Inner&& inner);
  /// The same of a call from there.
  template <class Inner>
  static auto through_from(void* ctx, const void* from, Inner&& inner);
  /// The inner platform's `member`, between leave() and enter().
  template <auto member, class R, class... A>
  static R pass(void* ctx, A... args);
  /// The same of a call whose place in the driver's code counts.
  template <auto member, class R, class... A>
  static R pass_from(void* ctx, A... args);
  /// It neither looks at memory nor changes it.
  template <auto member, class R, class... A>
  static R pass_only(void* ctx, A... args);
  /// It gives a block, which the driver sees in its own view.
  template <auto member>
  static const void* pass_block(void* ctx, u64 bytes, u64* pa);
  void bind();
  /// What the driver is given for a block that the inner call gave.
  const void* seen(const u64* pa, const void* given) const;
  void look(u64 bytes);
  /// Before a call of the platform has effect: what the driver stored until then.
  void settle();
  void refresh(u64 first, u64 end);
  void refresh_changed(u64 before);
  void show(u64* of_driver, const u64* of_spec);
  template <class Write>
  void in_view(u64 at, u64 bytes, Write&& write);
  /// Bytes of the window that were given to the driver in this case.
  u64 given();
  template <class Visit>
  void for_each_changed_page(u64 first, u64 end, Visit&& visit);

  Monitor& monitor_;
  const iommucheck_platform& inner_;
  const TableMemory& tables_;
  CallSite& site_;
  const iommucheck_hooks* hooks_;
  iommucheck_platform platform_{};
  std::unique_ptr<Pages> own_view_;
  Pages& view_;
  std::unique_ptr<StoreWitness> witness_;  // null: nobody counts
  u64 open_ = 0;  // bytes of the view that may be written: those of the case that had most
  std::vector<SweptStore> found_;
  bool ignores_ = false;
};

}  // namespace iommucheck::oracle
