// SPDX-License-Identifier: MIT
#include "host/fiber.h"

#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IOMMUCHECK_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define IOMMUCHECK_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define IOMMUCHECK_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define IOMMUCHECK_TSAN 1
#endif

#ifdef IOMMUCHECK_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef IOMMUCHECK_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace iommucheck::oracle {

namespace {

constexpr std::size_t stack_guard_bytes = 4096;

}  // namespace

void Fiber::Unmap::operator()(char* stack) const {
  ::munmap(stack, stack_bytes + stack_guard_bytes);
}

Fiber::Fiber() {
  void* pages = ::mmap(nullptr, stack_bytes + stack_guard_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) std::abort();
  stack_.reset(static_cast<char*>(pages));
  ::mprotect(pages, stack_guard_bytes, PROT_NONE);
#ifdef IOMMUCHECK_TSAN
  inner_thread_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#ifdef IOMMUCHECK_TSAN
  __tsan_destroy_fiber(inner_thread_);
#endif
}

void Fiber::start(std::function<void()> work) {
  work_ = std::move(work);
  active_ = true;
  ::getcontext(&inner_);
  inner_.uc_stack.ss_sp = stack_.get() + stack_guard_bytes;
  inner_.uc_stack.ss_size = stack_bytes;
  inner_.uc_link = nullptr;
  const auto self = std::bit_cast<std::uintptr_t>(this);
  // makecontext passes ints, and takes any function for one without arguments.
  ::makecontext(&inner_, reinterpret_cast<void (*)()>(&Fiber::entry), 2,
                static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
  switch_in();
}

void Fiber::resume() {
  if (active_ && !inside_) switch_in();
}

void Fiber::switch_in() {
  inside_ = true;
#ifdef IOMMUCHECK_TSAN
  outer_thread_ = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(inner_thread_, 0);
#endif
#ifdef IOMMUCHECK_ASAN
  void* outer_fake = nullptr;
  __sanitizer_start_switch_fiber(&outer_fake, stack_.get() + stack_guard_bytes, stack_bytes);
#endif
  ::swapcontext(&outer_, &inner_);
#ifdef IOMMUCHECK_ASAN
  __sanitizer_finish_switch_fiber(outer_fake, nullptr, nullptr);
#endif
  inside_ = false;
}

void Fiber::yield() {
#ifdef IOMMUCHECK_TSAN
  __tsan_switch_to_fiber(outer_thread_, 0);
#endif
#ifdef IOMMUCHECK_ASAN
  __sanitizer_start_switch_fiber(&inner_fake_, outer_bottom_, outer_size_);
#endif
  ::swapcontext(&inner_, &outer_);
#ifdef IOMMUCHECK_ASAN
  __sanitizer_finish_switch_fiber(inner_fake_, &outer_bottom_, &outer_size_);
#endif
}

void Fiber::entry(unsigned high, unsigned low) {
  const std::uintptr_t self = std::uintptr_t{high} << 32 | low;
  std::bit_cast<Fiber*>(self)->run();
}

void Fiber::run() {
#ifdef IOMMUCHECK_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &outer_bottom_, &outer_size_);
#endif
  work_();
  work_ = nullptr;
  active_ = false;
#ifdef IOMMUCHECK_TSAN
  __tsan_switch_to_fiber(outer_thread_, 0);
#endif
#ifdef IOMMUCHECK_ASAN
  __sanitizer_start_switch_fiber(nullptr, outer_bottom_, outer_size_);  // it never comes back
#endif
  ::setcontext(&outer_);
}

}  // namespace iommucheck::oracle
