// SPDX-License-Identifier: MIT
#include "host/store_witness.h"

#include <dlfcn.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

namespace iommucheck::oracle {

namespace {

constexpr u64 store_bytes_max = 64;
constexpr unsigned long single_step = 0x100;  // TF of EFLAGS

/// Where the object is loaded that `address` lies in; 0: nobody knows.
u64 base_of(u64 address) {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(address), &info) == 0) return 0;
  return reinterpret_cast<u64>(info.dli_fbase);
}

}  // namespace

/// What a signal handler has no other way to.
struct StoreWitness::Signals {
  static inline std::vector<StoreWitness*> witnesses;
  static inline std::array<struct sigaction, 2> before{};  // SIGSEGV, SIGTRAP
  /// The store that is let through: pages opened for it, two where it straddles.
  static inline StoreWitness* stepping = nullptr;
  static inline std::array<u64, 2> opened{};
  static inline std::size_t opened_count = 0;

  static void take();
  static void give_back();
  static void on_fault(int signal, siginfo_t* info, void* context);
  static void on_step(int signal, siginfo_t* info, void* context);
  static void pass_on(std::size_t which, int signal, siginfo_t* info, void* context);
  static unsigned long long& flags(void* context);
  static u64 pc(void* context);
  static bool is_fill_done(const StoreWitness& witness, u64 at, void* context);
};

// Only x86-64 makes a witness (StoreCount::create), so the others need no more than to compile.
unsigned long long& StoreWitness::Signals::flags(void* context) {
#if defined(__x86_64__)
  return reinterpret_cast<unsigned long long&>(
      static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL]);
#else
  static unsigned long long none = 0;
  return (void)context, none;
#endif
}

u64 StoreWitness::Signals::pc(void* context) {
#if defined(__x86_64__)
  return static_cast<u64>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#else
  return (void)context, 0;
#endif
}

/// What memset does to long memory, REP STOSB, would be a fault for each byte: it is one store, and
/// done here, if all of it lies in the view.
bool StoreWitness::Signals::is_fill_done(const StoreWitness& witness, u64 at, void* context) {
#if defined(__x86_64__)
  constexpr unsigned long long backwards = 0x400;  // DF of EFLAGS
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto* const code = reinterpret_cast<const u8*>(registers[REG_RIP]);
  const u64 bytes = static_cast<u64>(registers[REG_RCX]);
  const bool repeats = code[0] == 0xf3 && code[1] == 0xaa && (flags(context) & backwards) == 0;
  if (!repeats || bytes > witness.open_ - at) return false;
  witness.view_.allow(at, at + bytes, Pages::Access::write);
  std::memset(witness.view_.data() + at, static_cast<u8>(registers[REG_RAX]), bytes);
  witness.view_.allow(at, at + bytes, Pages::Access::read);
  registers[REG_RDI] += static_cast<greg_t>(bytes);
  registers[REG_RCX] = 0;
  registers[REG_RIP] += 2;
  return true;
#else
  return (void)witness, (void)at, (void)context, false;
#endif
}

void StoreWitness::Signals::take() {
  struct sigaction action{};
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  action.sa_sigaction = on_fault;
  ::sigaction(SIGSEGV, &action, &before[0]);
  action.sa_sigaction = on_step;
  ::sigaction(SIGTRAP, &action, &before[1]);
}

void StoreWitness::Signals::give_back() {
  ::sigaction(SIGSEGV, &before[0], nullptr);
  ::sigaction(SIGTRAP, &before[1], nullptr);
}

void StoreWitness::Signals::pass_on(std::size_t which, int signal, siginfo_t* info, void* context) {
  const struct sigaction& next = before[which];
  if ((next.sa_flags & SA_SIGINFO) != 0) return next.sa_sigaction(signal, info, context);
  ::sigaction(signal, &next, nullptr);  // what was caused comes again, and goes there
}

void StoreWitness::Signals::on_fault(int signal, siginfo_t* info, void* context) {
  const u64 address = reinterpret_cast<u64>(info->si_addr);
  const auto is_its = [&](const StoreWitness* each) {
    return address - reinterpret_cast<u64>(each->view_.data()) < each->open_;
  };
  const auto found = std::ranges::find_if(witnesses, is_its);
  if (info->si_code != SEGV_ACCERR || found == witnesses.end() || opened_count == opened.size()) {
    return pass_on(0, signal, info, context);
  }
  StoreWitness& witness = **found;
  const u64 at = address - reinterpret_cast<u64>(witness.view_.data());
  const u64 where = pc(context);
  if (stepping != nullptr || !is_fill_done(witness, at, context)) {
    witness.view_.allow(at, at + 1, Pages::Access::write);
    opened[opened_count++] = at;
    if (std::exchange(stepping, &witness) != nullptr) return;  // it straddles two pages
    flags(context) |= single_step;
  }
  if (at - witness.ahead_.at < witness.ahead_.bytes) {
    witness.ahead_ = {};
    return witness.count_.seen(1);
  }
  auto& seen = witness.seen_;
  if (!seen.empty() && seen.back().pc == where && at - seen.back().last <= store_bytes_max) {
    seen.back().last = at;
    ++seen.back().stores;
  } else if (seen.size() < seen_max) {
    seen.push_back({at, at, where, 1});  // within its capacity: no memory is asked for
  } else {
    ++witness.not_kept_;
  }
}

void StoreWitness::Signals::on_step(int signal, siginfo_t* info, void* context) {
  if (stepping == nullptr) return pass_on(1, signal, info, context);
  const StoreWitness& witness = *std::exchange(stepping, nullptr);
  for (const u64 at : std::span(opened).first(std::exchange(opened_count, 0))) {
    witness.view_.allow(at, at + 1, Pages::Access::read);
  }
  flags(context) &= ~static_cast<unsigned long long>(single_step);
}

StoreWitness::StoreWitness(const Pages& view, const iommucheck_platform& inner, StoreCount& count,
                           const void* code)
    : view_(view), inner_(inner), count_(count), code_(base_of(reinterpret_cast<u64>(code))) {
  seen_.reserve(seen_max);
  bind();
  if (Signals::witnesses.empty()) Signals::take();
  Signals::witnesses.push_back(this);
}

StoreWitness::~StoreWitness() {
  std::erase(Signals::witnesses, this);
  if (Signals::witnesses.empty()) Signals::give_back();
}

void StoreWitness::begin() {
  seen_.clear();
  not_kept_ = 0;
  ahead_ = {};
  behind_ = ~u64{0};
}

void StoreWitness::settled() {
  for (const Seen& each : seen_) {
    const bool driver = code_ != 0 && base_of(each.pc) == code_;
    count_.seen(each.stores);
    count_.lost({driver ? each.pc - code_ : 0, driver}, each.stores);
  }
  if (not_kept_ != 0) {
    count_.seen(not_kept_);
    count_.lost({}, not_kept_);
  }
  if (ahead_.bytes != 0) count_.without_store(1);
  begin();
}

/// The hooks tell what was stored in pieces of 8 bytes at most: the first one has the address of
/// the store, and the others lie behind it.
void StoreWitness::tells(u64 pa, u64 bytes) {
  const u64 at = pa - inner_.window_pa;
  u64 stores = 0;
  std::erase_if(seen_, [&](const Seen& each) {
    const bool in = each.first - at < bytes && each.last - at < bytes;
    if (in) stores += each.stores;
    return in;
  });
  if (stores != 0) {
    count_.seen(stores);
  } else if (at != behind_) {
    count_.without_store(1);
  }
  behind_ = at + bytes;
}

/// The hooks call these alone (cc/hooks.c).
void StoreWitness::bind() {
  told_ = inner_;
  told_.ctx = this;
  told_.store = [](void* ctx, uint64_t pa, uint32_t bytes, uint64_t value, uint64_t value_high,
                   uint64_t pc) {
    StoreWitness& it = self(ctx);
    it.tells(pa, bytes);
    it.inner_.store(it.inner_.ctx, pa, bytes, value, value_high, pc);
  };
  told_.fill64 = [](void* ctx, uint64_t pa, uint64_t count, uint64_t value) {
    StoreWitness& it = self(ctx);
    it.tells(pa, 8 * count);
    it.inner_.fill64(it.inner_.ctx, pa, count, value);
  };
  told_.load = [](void* ctx, uint64_t pa, uint32_t bytes, uint32_t flags, uint64_t pc) {
    return self(ctx).inner_.load(self(ctx).inner_.ctx, pa, bytes, flags, pc);
  };
  told_.atomic = [](void* ctx, uint32_t op, uint64_t pa, uint32_t bytes, uint64_t operand,
                    uint64_t expected, uint32_t flags, uint64_t pc) {
    StoreWitness& it = self(ctx);
    const uint64_t old =
        it.inner_.atomic(it.inner_.ctx, op, pa, bytes, operand, expected, flags, pc);
    if (it.ahead_.bytes != 0) it.count_.without_store(1);
    if (op != IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE || old == expected) {
      it.ahead_ = {pa - it.inner_.window_pa, bytes};
    }
    return old;
  };
  told_.barrier = [](void* ctx, uint32_t kind) {
    self(ctx).inner_.barrier(self(ctx).inner_.ctx, kind);
  };
}

}  // namespace iommucheck::oracle
