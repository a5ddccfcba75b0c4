// SPDX-License-Identifier: MIT
#include "oracle/lockstep.h"

#include <algorithm>

#include <fmt/format.h>

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;

Setup setup_of(const LockstepOptions& options) {
  Setup setup;
  setup.id = default_id_registers();
  setup.window_bytes = options.window_bytes;
  u32 sid = 1;
  for (u32 device = 0; device < options.devices; ++device) {
    std::vector<u32> sids{sid++};
    if (device == 1) sids.push_back(sid++);
    setup.devices.push_back(std::move(sids));
  }
  return setup;
}

/// The twelve bits of choices of an operation, two bits each; then alternative 0.
class BitChoices final : public spec::Choices {
 public:
  explicit BitChoices(u16 bits) : bits_(bits) {}

 protected:
  u32 pick(spec::ChoiceSite /*site*/, u32 n) override {
    const u32 two = bits_ & 3U;
    bits_ = static_cast<u16>(bits_ >> 2);
    return two % n;
  }

 private:
  u16 bits_;
};

bool changes_range(CallKind kind) {
  return kind == CallKind::map || kind == CallKind::unmap || kind == CallKind::unmap_fast;
}

}  // namespace

Lockstep::Lockstep(const iommucheck_driver& driver, const LockstepOptions& options)
    : options_(options), monitor_(setup_of(options)), host_(driver, monitor_) {
  host_.set_segments(options.segments);
}

std::string Lockstep::boot(Monitor::Sink* sink) {
  monitor_.set_sink(sink);
  std::string failed = host_.boot();
  if (!failed.empty()) return failed;
  host_.snapshot();
  booted_ = monitor_.trail().mark();
  booted_at_ = monitor_.now();
  is_booted_ = true;
  return {};
}

void Lockstep::undo() {
  monitor_.trail().undo_to(booted_);
  monitor_.begin_case(booted_at_);
  host_.restore();
  domains_.clear();
}

void Lockstep::run(std::span<const fuzz::Operation> operations, Ends ends) {
  undo();
  calls_of_run_ = 0;
  u32 index = 0;
  for (const fuzz::Operation& operation : operations) {
    if (hook_ != nullptr) hook_(hook_context_, index++);
    BitChoices choices(operation.choices);
    host_.set_choices(choices);
    host_.fail_allocation(operation.fail);
    perform(operation);
    host_.fail_allocation(0);
    host_.choose_first();
    if (!monitor_.findings().empty()) return;
  }
  host_.choose_first();
  if (ends.whole_space) monitor_.check_whole_space();
  if (ends.teardown && monitor_.findings().empty()) tear_down();
}

fuzz::SpaceView Lockstep::space_of(const Domain& domain) const {
  fuzz::SpaceView space;
  space.input_bits = domain.facts.input_bits;
  space.output_bits = domain.facts.output_bits;
  space.leaf_max = u64{1} << 30;
  if (domain.facts.page_sizes != 0) {
    space.leaf_max = u64{1} << (63 - std::countl_zero(domain.facts.page_sizes));
  }
  space.mappings = domain.mappings;
  return space;
}

spec::sva::Observed Lockstep::make_call(const Call& call) {
  ++calls_of_run_;
  const spec::sva::Observed observed = host_.call(call);
  const bool counts_bytes = call.kind == CallKind::unmap || call.kind == CallKind::unmap_fast;
  if (observed.status == Status::ok && (!counts_bytes || observed.value != 0)) ++calls_succeeded_;
  return observed;
}

/// Neither what a caller must not do nor what the driver has not got.
bool Lockstep::may_call(const Call& call) const {
  return host_.has(call.kind) && monitor_.interface().caller_may(call);
}

void Lockstep::perform_alloc(const fuzz::Operation& operation) {
  const fuzz::DomainWanted wanted = fuzz::domain_wanted(operation);
  Call call{.kind = CallKind::domain_alloc};
  call.domain_kind = wanted.kind;
  call.input_bits = wanted.input_bits;
  if (!may_call(call) || domains_.size() >= 8) return;
  const spec::sva::Observed observed = make_call(call);
  if (observed.status != Status::ok) return;
  const bool paging = monitor_.interface().is_paging(observed.value);
  domains_.push_back({observed.value, observed.facts, paging, false, {}});
}

/// The domain that the operation means: chosen so that a call can change something where that is
/// asked for.
std::size_t Lockstep::pick_domain(const fuzz::Operation& operation) {
  using fuzz::OperationKind;
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 device = operation.device % interface.device_count();
  fuzz::DomainsView view{.live = domains_.size(), .of_device = {}, .fitting = 0};
  for (std::size_t i = 0; i < domains_.size(); ++i) {
    const Domain& domain = domains_[i];
    const bool devices_own = domain.handle == interface.domain_of(device);
    if (devices_own) view.of_device = i;
    bool used = false;
    for (u32 d = 0; d < interface.device_count(); ++d) {
      used |= interface.domain_of(d) == domain.handle;
    }
    bool fits = true;
    switch (operation.kind) {
      case OperationKind::map: fits = domain.paging; break;
      case OperationKind::unmap:
      case OperationKind::unmap_fast: fits = !domain.mappings.empty(); break;
      case OperationKind::iotlb_sync:
      case OperationKind::flush_iotlb_all: fits = domain.gathered; break;
      case OperationKind::domain_free: fits = !used; break;
      case OperationKind::attach: fits = !devices_own; break;
      case OperationKind::detach: fits = devices_own; break;
      default: break;
    }
    if (fits) view.fitting |= u64{1} << i;
  }
  return fuzz::domain_index(operation, view);
}

void Lockstep::perform_access(const fuzz::Operation& operation) {
  const spec::sva::Interface& interface = monitor_.interface();
  const u32 device = operation.device % interface.device_count();
  fuzz::SpaceView space;
  for (const Domain& domain : domains_) {
    if (domain.handle == interface.domain_of(device)) space = space_of(domain);
  }
  const fuzz::Target target = fuzz::resolve(operation, space);
  const std::vector<u32>& sids = interface.stream_ids(device);
  spec::Access access{.sid = sids[operation.choices % sids.size()], .va = target.iova};
  using fuzz::AccessKind;
  switch (static_cast<AccessKind>(operation.variant)) {
    case AccessKind::write: access.type = spec::AccessType::write; break;
    case AccessKind::execute: access.type = spec::AccessType::execute; break;
    case AccessKind::read_privileged: access.privileged = true; break;
    case AccessKind::write_privileged:
      access.privileged = true;
      access.type = spec::AccessType::write;
      break;
    case AccessKind::read_substream_0: access.ssv = true; break;
    default: break;
  }
  ++accesses_;
  BitChoices choices(operation.choices);
  monitor_.device_access(access, choices);
}

void Lockstep::note_unmapped(Domain& domain, u64 iova, u64 bytes) {
  std::vector<fuzz::Mapped> left;
  for (const fuzz::Mapped& m : domain.mappings) {
    const u64 last = m.iova + (m.bytes - 1);
    const u64 gone_last = iova + (bytes - 1);
    if (last < iova || m.iova > gone_last) {
      left.push_back(m);
      continue;
    }
    if (m.iova < iova) left.push_back({m.iova, iova - m.iova});
    if (last > gone_last) left.push_back({gone_last + 1, last - gone_last});
  }
  domain.mappings = std::move(left);
}

void Lockstep::perform(const fuzz::Operation& operation) {
  using fuzz::OperationKind;
  if (operation.kind == OperationKind::access) return perform_access(operation);
  if (operation.kind == OperationKind::domain_alloc) return perform_alloc(operation);
  if (domains_.empty()) {
    perform_alloc(fuzz::Operation{.kind = OperationKind::domain_alloc});
    if (domains_.empty() || !monitor_.findings().empty()) return;
  }
  const std::size_t index = pick_domain(operation);
  Domain& domain = domains_[index];
  const fuzz::Target target = fuzz::resolve(operation, space_of(domain));
  Call call;
  call.domain = domain.handle;
  call.device = operation.device % monitor_.interface().device_count();
  call.iova = target.iova;
  call.size = target.bytes;
  switch (operation.kind) {
    case OperationKind::map:
      call.kind = CallKind::map;
      call.pa = target.pa;
      call.prot = fuzz::prot_flags(operation);
      break;
    case OperationKind::unmap: call.kind = CallKind::unmap; break;
    case OperationKind::unmap_fast: call.kind = CallKind::unmap_fast; break;
    case OperationKind::iotlb_sync: call.kind = CallKind::iotlb_sync; break;
    case OperationKind::flush_iotlb_all: call.kind = CallKind::flush_iotlb_all; break;
    case OperationKind::tlb_range_add: call.kind = CallKind::tlb_range_add; break;
    case OperationKind::iova_to_phys: call.kind = CallKind::iova_to_phys; break;
    case OperationKind::domain_free: call.kind = CallKind::domain_free; break;
    case OperationKind::attach: call.kind = CallKind::attach; break;
    default: call.kind = CallKind::detach; break;
  }
  if (!changes_range(call.kind) && call.kind != CallKind::tlb_range_add &&
      call.kind != CallKind::iova_to_phys) {
    call.iova = call.size = 0;
  }
  if (call.kind == CallKind::unmap_fast && !host_.has(call.kind)) call.kind = CallKind::unmap;
  if (!may_call(call)) return;
  const spec::sva::Observed observed = make_call(call);
  if (observed.status != Status::ok) return;
  switch (call.kind) {
    case CallKind::map:
      if (call.size != 0) domain.mappings.push_back({call.iova, call.size});
      break;
    case CallKind::unmap:
    case CallKind::unmap_fast:
      if (observed.value != 0) note_unmapped(domain, call.iova, observed.value);
      if (observed.value != 0 && call.kind == CallKind::unmap_fast) domain.gathered = true;
      break;
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all: domain.gathered = false; break;
    case CallKind::domain_free:
      domains_.erase(domains_.begin() + static_cast<std::ptrdiff_t>(index));
      break;
    default: break;
  }
}

// Everything is given back: what the platform still misses then has leaked.
void Lockstep::tear_down() {
  const spec::sva::Interface& interface = monitor_.interface();
  for (u32 device = 0; device < interface.device_count(); ++device) {
    const u64 handle = interface.domain_of(device);
    if (handle == 0) continue;
    Call call{.kind = CallKind::detach};
    call.domain = handle;
    call.device = device;
    if (may_call(call)) make_call(call);
    if (!monitor_.findings().empty()) return;
  }
  for (const Domain& domain : domains_) {
    Call call{.kind = CallKind::domain_free};
    call.domain = domain.handle;
    if (may_call(call)) make_call(call);
    if (!monitor_.findings().empty()) return;
  }
  monitor_.driver_stops();
  const u64 held = host_.shut_down();
  monitor_.account(held);
}

trace::Header Lockstep::header() const {
  trace::Header header;
  header.versions["iommucheck"] = "0.1.0";
  header.about = trace::TextMap{{"source", "lockstep"}, {"driver", host_.driver().name}};
  header.seed = options_.seed;
  const Setup& setup = monitor_.setup();
  trace::Registers registers;
  for (unsigned i = 0; i < 6; ++i) registers["IDR" + std::to_string(i)] = setup.id.idr[i];
  registers["IIDR"] = setup.id.iidr;
  registers["AIDR"] = setup.id.aidr;
  header.id_registers = registers;
  header.ram = trace::Ranges{{setup.window_pa, setup.window_bytes}};
  trace::Devices devices;
  for (std::size_t i = 0; i < setup.devices.size(); ++i) {
    trace::DeviceInfo device;
    device.device = trace::DeviceId{static_cast<u32>(i)};
    device.sids = setup.devices[i];
    devices.push_back(device);
  }
  header.devices = devices;
  return header;
}

}  // namespace iommucheck::oracle
