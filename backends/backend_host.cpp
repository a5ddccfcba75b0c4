// SPDX-License-Identifier: MIT
// The platform of the core: memory, registers, waiting.
#include "backends/backend_host.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include "base/bits.h"
#include "impl/core/backend.h"
#include "impl/driver.h"

namespace iommucheck::oracle {

namespace {

constexpr std::size_t arena_bytes = std::size_t{8} << 20;
constexpr u64 window_pa = u64{1} << 31;
constexpr u64 window_bytes = u64{16} << 20;
constexpr u64 processes_bytes = u64{4} << 20;
constexpr u64 waits_max = 1000;
constexpr u64 stuck_waits_max = 3;

}  // namespace

BackendHost::BackendHost(BackendMachine& machine, const spec::sva::Setup& setup)
    : machine_(machine),
      setup_(setup),
      interface_(trail_, setup),
      arena_(arena_bytes),
      tables_(trail_, window_pa, window_bytes),
      words_(static_cast<u64*>(std::calloc(window_bytes / 8, 8))),
      config_(setup_.devices),
      operations_(impl::core_operations(setup.per_device_tables)) {
  if (words_ == nullptr) throw std::bad_alloc();
  config_.set_hooks(setup_.hooks);
  bind_memory();
  bind_environment();
}

/// Calls that wait run to their end, without any effect.
BackendHost::~BackendHost() {
  abandoned_ = true;
  for (const auto& thread : threads_) {
    running_ = thread.get();
    constexpr int tries = 1000;
    for (int i = 0; i < tries && thread->fiber->active(); ++i) thread->fiber->resume();
  }
}

void BackendHost::find(spec::Rule rule, std::string text) {
  findings_.push_back({rule, spec::rule_info(rule).keeper, std::move(text)});
}

bool BackendHost::given(const char* what, u64 pa, u64 bytes) {
  if (pa % 8 == 0 && tables_.is_given(pa, bytes)) return true;
  find(spec::Rule::CRASH_NEVER,
       fmt::format("{} at {:#x}, {:#x} bytes: not in memory that table_alloc gave", what, pa,
                   bytes));
  return false;
}

void BackendHost::store(u64 pa, u64 value) {
  words_[(pa - window_pa) / 8] = value;
  if (machine_.stored(pa, value)) ++touched_.structures;
}

void BackendHost::bind_memory() {
  iommucheck_platform& p = platform_;
  p.size = sizeof(p);
  p.abi = IOMMUCHECK_DRIVER_ABI;
  p.ctx = this;
  p.window = words_.get();
  p.window_pa = window_pa;
  p.window_size = window_bytes;
  p.table_alloc = [](void* ctx, uint64_t bytes, uint64_t* pa) -> const void* {
    BackendHost& host = self(ctx);
    if (host.abandoned_) return nullptr;
    if (!std::has_single_bit(bytes) || bytes < 4096) {
      host.find(spec::Rule::CRASH_NEVER, fmt::format("table_alloc of {:#x} bytes", bytes));
      return nullptr;
    }
    if (++host.allocations_ == host.fail_at_ || host.fail_all_) {
      host.allocation_failed_ = true;
      return nullptr;
    }
    *pa = host.tables_.allocate(bytes);
    return *pa == 0 ? nullptr : &host.words_[(*pa - window_pa) / 8];
  };
  p.table_free = [](void* ctx, uint64_t pa, uint64_t bytes) {
    BackendHost& host = self(ctx);
    if (host.abandoned_) return;
    if (!host.tables_.is_block(pa, bytes)) {
      host.find(spec::Rule::CRASH_NEVER,
                fmt::format("table_free of {:#x}, {:#x} bytes: no block that table_alloc gave", pa,
                            bytes));
      return;
    }
    host.compare(host.in_calls_ != 0);
    if (!host.machine_.given_back(pa, bytes) && host.findings_.empty()) {
      host.find(spec::Rule::TABLE_FREE,
                fmt::format("the page at {:#x} is given back, and the hardware may still read it "
                            "as a table",
                            pa));
    }
    host.tables_.free(pa, bytes);
  };
  p.arena_alloc = [](void* ctx, uint64_t bytes, uint64_t align) -> void* {
    return self(ctx).arena_.allocate(bytes, align);
  };
  p.store64 = [](void* ctx, uint64_t pa, uint64_t value) {
    BackendHost& host = self(ctx);
    if (host.abandoned_ || !host.given("store64", pa, 8)) return;
    host.store(pa, value);
  };
  p.fill64 = [](void* ctx, uint64_t pa, uint64_t count, uint64_t value) {
    BackendHost& host = self(ctx);
    if (host.abandoned_ || count > window_bytes || !host.given("fill64", pa, 8 * count)) return;
    for (u64 i = 0; i < count; ++i) host.store(pa + 8 * i, value);
  };
  p.load64 = [](void* ctx, uint64_t pa) -> uint64_t {
    BackendHost& host = self(ctx);
    return host.given("load64", pa, 8) ? host.words_[(pa - window_pa) / 8] : 0;
  };
  p.barrier = [](void* /*ctx*/, uint32_t /*kind*/) {};
  p.dma_clean = [](void* /*ctx*/, uint64_t /*pa*/, uint64_t /*bytes*/) {};
  p.dma_invalidate = [](void* /*ctx*/, uint64_t /*pa*/, uint64_t /*bytes*/) {};
  p.mmio_write64 = [](void* ctx, uint64_t offset, uint64_t value, uint32_t /*flags*/) {
    BackendHost& host = self(ctx);
    if (host.abandoned_) return;
    ++host.touched_.registers;
    host.has_written_ = true;
    host.machine_.write(offset, value);
  };
  p.mmio_write32 = [](void* ctx, uint64_t offset, uint32_t value, uint32_t flags) {
    BackendHost& host = self(ctx);
    host.platform_.mmio_write64(ctx, offset, value, flags);
  };
  p.mmio_read64 = [](void* ctx, uint64_t offset) -> uint64_t {
    BackendHost& host = self(ctx);
    if (host.abandoned_) return ~u64{0};
    const bool flushes = std::exchange(host.has_written_, false);
    if (flushes && host.flushes_left_ != 0 && --host.flushes_left_ == 0) host.set_stuck(true);
    // All that the call has done so far may have acted, or not.
    host.compare(host.in_calls_ != 0);
    const u64 value = host.machine_.read(offset);
    host.take_responses();
    return value;
  };
  p.mmio_read32 = [](void* ctx, uint64_t offset) -> uint32_t {
    return static_cast<u32>(self(ctx).platform_.mmio_read64(ctx, offset));
  };
  p.lock = [](void* /*ctx*/, uint64_t /*lock*/) {};
  p.unlock = [](void* /*ctx*/, uint64_t /*lock*/) {};
  p.log = [](void* /*ctx*/, int /*level*/, const char* /*text*/) {};
}

void BackendHost::bind_environment() {
  iommucheck_platform& p = platform_;
  p.wait = [](void* ctx, uint64_t token, uint64_t /*timeout_us*/) { return self(ctx).wait(token); };
  p.mm_exit = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t drvdata) -> uint64_t {
    BackendHost& host = self(ctx);
    if (host.abandoned_) return 1;
    host.handlers_.push_back({.context = ++host.contexts_, .device = device, .pasid = pasid});
    host.callbacks_.push_back({device, pasid, drvdata});
    host.note(host.interface_.handler_called(device, pasid, drvdata),
              fmt::format("mm_exit(device {}, PASID {:#x})", device, pasid));
    return host.contexts_;
  };
  p.fault_handler = [](void* ctx, uint32_t device, uint32_t pasid, uint64_t iova, uint32_t prot,
                       uint32_t group, uint64_t drvdata) {
    BackendHost& host = self(ctx);
    if (host.abandoned_) return;
    host.callbacks_.push_back({device, pasid, drvdata, group});
    host.note(host.interface_.fault_handler_called(
                  {.device = device, .pasid = pasid, .prot = prot, .group = group}, iova, drvdata),
              fmt::format("the fault handler of device {}, PASID {:#x}", device, pasid));
  };
  p.context = [](void* ctx) -> uint64_t { return self(ctx).context_; };
  p.cpu = [](void* /*ctx*/) -> uint32_t { return 0; };
  p.mm_pin = [](void* ctx, iommucheck_handle mm) -> uint32_t {
    Process* process = self(ctx).living(mm);
    if (process == nullptr) return 0;
    ++process->pins;
    return static_cast<u32>(mm);
  };
  p.mm_unpin = [](void* ctx, iommucheck_handle mm) {
    BackendHost& host = self(ctx);
    if (mm != 0 && mm <= host.processes_.size() && host.processes_[mm - 1].pins != 0) {
      --host.processes_[mm - 1].pins;
    } else if (!host.abandoned_) {
      host.find(spec::Rule::CRASH_NEVER, "mm_unpin of a process that is not pinned");
    }
  };
  p.hook = [](void* ctx, uint32_t hook, uint64_t io_mm, uint32_t device) -> int {
    return self(ctx).answer_hook(hook, io_mm, device);
  };
  p.handle_fault = [](void* /*ctx*/, uint32_t /*device*/, uint32_t /*pasid*/, uint64_t /*iova*/,
                      uint32_t /*prot*/) -> int { return IOMMUCHECK_FAULT_INVALID; };
}

int BackendHost::answer_hook(u32 number, u64 io_mm, u32 device) {
  using spec::sva::Hook;
  if (abandoned_) return 0;
  if (number >= hook_answers_.size()) {
    find(spec::Rule::RESULT_EXACT, fmt::format("hook {}: there is none", number));
    return -IOMMUCHECK_ENODEV;
  }
  const auto hook = static_cast<Hook>(number);
  // Nobody hears what those that take away answer.
  const bool is_heard = hook == Hook::mm_alloc || hook == Hook::mm_attach;
  const int answer = is_heard ? hook_answers_[number] : 0;
  note(interface_.hook_called(hook, io_mm, device, answer != 0),
       fmt::format("{}(io_mm {:#x}, device {})", spec::sva::hook_name(hook), io_mm, device));
  if (running_ == nullptr) return answer;
  const auto status =
      answer > 0 ? spec::sva::Status::enomem : spec::sva::status_from_driver(answer);
  running_->hooks.note(hook, io_mm, device, status, answer > 0);
  return answer;
}

int BackendHost::wait(u64 token) {
  if (abandoned_) return 1;
  if (token == IOMMUCHECK_WAIT_CALLER && running_ != nullptr) return wait_for_others();
  if (stuck_ && waits_ >= stuck_waits_max) return 1;
  if (++waits_ <= waits_max) return 0;
  if (waits_ == waits_max + 1) {
    find(spec::Rule::HANG_RETURNS, "a call waits without end though the hardware works");
  }
  return 1;
}

void BackendHost::compare(bool within) {
  if (!compare_ || comparing_ || !booted_ || !findings_.empty()) return;
  comparing_ = true;
  compare_(within);
  comparing_ = false;
}

std::string BackendHost::boot() {
  std::string why = bring_up();
  for (const std::string& text : machine_.take_nonsense()) why += (why.empty() ? "" : ": ") + text;
  return why;
}

std::string BackendHost::bring_up() {
  impl::Backend* backend =
      machine_.start(platform_, config_.get(), window_pa + window_bytes, processes_bytes);
  if (backend == nullptr) return "the backend did not start";
  const auto answer = [](const char* what, int error) {
    return fmt::format("{} answered {} ({})", what, error,
                       spec::sva::status_text(spec::sva::status_from_driver(error)));
  };
  int error =
      impl::make_core(platform_, config_.get(), *backend, setup_.per_device_tables, &state_);
  if (error != 0) return answer("init", error);
  waits_ = 0;
  error = operations_->reset(state_);
  if (error != 0) return answer("reset", error);
  for (u32 device = 0; device < config_.device_count(); ++device) {
    if (!setup_.devices[device].iommu) continue;
    error = operations_->device_add(state_, device);
    if (error != 0) return answer("device_add", error);
  }
  backend_ = backend;
  booted_ = true;
  return {};
}

u32 BackendHost::pasid_bits(u32 device) const { return backend_->pasid_bits(device); }

bool BackendHost::has_input_bits(u32 bits) const {
  const impl::Limits limits = backend_->limits();
  return limits.input_bits_min <= bits && bits <= limits.input_bits_max;
}

u64 BackendHost::shut_down() {
  waits_ = 0;
  operations_->shutdown(state_);
  return tables_.live();
}

void BackendHost::fail_allocation(u32 n, bool all) {
  allocations_ = 0;
  fail_at_ = n;
  fail_all_ = all;
  allocation_failed_ = false;
}

void BackendHost::set_stuck(bool stuck) {
  stuck_ = stuck;
  flushes_left_ = 0;
  machine_.set_stuck(stuck);
  if (stuck) interface_.forget_refused();
}

}  // namespace iommucheck::oracle
