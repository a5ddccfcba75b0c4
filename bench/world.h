// SPDX-License-Identifier: MIT
// The builtin driver and the monitor, as a lockstep has them, with calls of one's own.
#pragma once

#include <fmt/format.h>

#include <array>
#include <stdexcept>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "report/finding_text.h"

namespace iommucheck::bench {

class World {
 public:
  static constexpr u64 page = 4096;

  enum class Stages : u8 { stage1, both };

  /// Device i has the stream ID i + 1.
  explicit World(u32 devices, u64 window_bytes = u64{16} << 20,
                 oracle::Monitor::Sink* sink = nullptr, Stages stages = Stages::stage1)
      : monitor_(setup(devices, window_bytes, stages)), host_(*impl::builtin_driver(), monitor_) {
    monitor_.set_sink(sink);
    if (const std::string failed = host_.boot(); !failed.empty()) throw std::runtime_error(failed);
    check();
  }

  oracle::Monitor& monitor() { return monitor_; }
  spec::Caches& caches() { return monitor_.caches(); }

  u64 paging_domain() { return alloc(spec::sva::DomainKind::paging); }
  u64 stage2_domain() { return alloc(spec::sva::DomainKind::paging_s2); }
  /// `structure`: words 0 and 1 of the user's STE.
  u64 nested_domain(u64 parent, std::array<u64, 2> structure) {
    return alloc(spec::sva::DomainKind::nested, parent, structure);
  }
  /// Memory that neither the driver nor a domain has.
  [[nodiscard]] u64 users_pa() const { return host_.users_pa(); }
  void attach(u64 domain, u32 device) { on_device(spec::sva::CallKind::attach, domain, device); }
  void detach(u64 domain, u32 device) { on_device(spec::sva::CallKind::detach, domain, device); }
  void map(u64 domain, u64 iova, u64 pa, u64 bytes = page) {
    spec::sva::Call call{
        .kind = spec::sva::CallKind::map, .domain = domain, .iova = iova, .pa = pa, .size = bytes};
    call.prot = spec::sva::prot_read | spec::sva::prot_write;
    make(call);
  }
  void unmap(u64 domain, u64 iova, u64 bytes = page) {
    spec::sva::Call call{.kind = spec::sva::CallKind::unmap, .domain = domain, .iova = iova};
    call.size = bytes;
    if (make(call).value != bytes) throw std::runtime_error("an unmap stopped early");
  }

  /// The whole range cleared, and nothing invalidated before sync().
  void unmap_fast(u64 domain, u64 iova, u64 bytes) {
    spec::sva::Call call{.kind = spec::sva::CallKind::unmap_fast, .domain = domain, .iova = iova};
    call.size = bytes;
    if (make(call).value != bytes) throw std::runtime_error("an unmap_fast stopped early");
  }
  void sync(u64 domain) {
    spec::sva::Call call{.kind = spec::sva::CallKind::iotlb_sync, .domain = domain};
    make(call);
  }

  /// What is there now is what back() goes back to.
  void remember() {
    check();
    host_.snapshot();
    mark_ = monitor_.trail().mark();
    at_ = monitor_.now();
  }
  void back() {
    monitor_.trail().undo_to(mark_);
    monitor_.begin_case(at_);
    host_.restore();
  }
  /// For a life without back(). What was found is looked at first: it is forgotten, too.
  void nothing_goes_back() {
    check();
    monitor_.forget_the_past();
  }
  /// A measurement is worth something only while every promise is kept and compared.
  void check() {
    if (!monitor_.findings().empty())
      throw std::runtime_error(oracle::one_line(monitor_.findings().front()));
    if (monitor_.gave_up()) throw std::runtime_error("a bound of the specification was hit");
  }

 private:
  static oracle::Setup setup(u32 devices, u64 window_bytes, Stages stages) {
    oracle::Setup result;
    result.id = oracle::default_id_registers();
    if (stages == Stages::both) {
      spec::Capabilities caps = spec::parse_capabilities(result.id);
      caps.s2p = true;
      result.id = spec::make_id_registers(caps);
    }
    result.window_bytes = window_bytes;
    for (u32 device = 0; device < devices; ++device)
      result.devices.push_back({.stream_ids = {device + 1}});
    return result;
  }
  spec::sva::Observed make(const spec::sva::Call& call) {
    const spec::sva::Observed observed = host_.call(call);
    if (observed.status != spec::sva::Status::ok) {
      throw std::runtime_error(fmt::format("{} answered {}", spec::sva::call_text(call),
                                           spec::sva::status_text(observed.status)));
    }
    return observed;
  }
  u64 alloc(spec::sva::DomainKind kind, u64 parent = 0, std::array<u64, 2> structure = {}) {
    spec::sva::Call call{
        .kind = spec::sva::CallKind::domain_alloc, .parent = parent, .structure = structure};
    call.domain_kind = static_cast<u32>(kind);
    return make(call).value;
  }
  void on_device(spec::sva::CallKind kind, u64 domain, u32 device) {
    spec::sva::Call call{.kind = kind, .domain = domain};
    call.device = device;
    make(call);
  }

  oracle::Monitor monitor_;
  oracle::DriverHost host_;
  Trail::Mark mark_ = 0;
  EventIndex at_ = 0;
};

}  // namespace iommucheck::bench
