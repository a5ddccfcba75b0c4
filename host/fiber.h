// SPDX-License-Identifier: MIT
// A call that waits for another one: its stack is set aside, and it goes on later. Calls never run
// at the same time; a switch happens only where the running one yields.
#pragma once

#include <ucontext.h>

#include <functional>
#include <memory>

#include "base/types.h"

namespace iommucheck::oracle {

class Fiber {
 public:
  static constexpr std::size_t stack_bytes = std::size_t{256} << 10;

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Runs `work` until it yields or returns. Only when nothing runs here.
  void start(std::function<void()> work);
  /// Goes on after the yield(), until the next or the end.
  void resume();
  /// From inside `work`: back to whoever started or resumed it.
  void yield();
  /// Begun, and not at its end.
  [[nodiscard]] bool active() const { return active_; }
  /// The fiber's own stack is in use just now.
  [[nodiscard]] bool inside() const { return inside_; }

 private:
  static void entry(unsigned high, unsigned low);
  void switch_in();
  void run();

  struct Unmap {
    void operator()(char* stack) const;
  };
  std::unique_ptr<char, Unmap> stack_;  // lowest page: a guard
  std::function<void()> work_;
  ucontext_t inner_{};
  ucontext_t outer_{};
  bool active_ = false;
  bool inside_ = false;
  // For sanitizers, which follow stacks.
  [[maybe_unused]] void* inner_fake_ = nullptr;
  [[maybe_unused]] const void* outer_bottom_ = nullptr;
  [[maybe_unused]] std::size_t outer_size_ = 0;
  [[maybe_unused]] void* inner_thread_ = nullptr;
  [[maybe_unused]] void* outer_thread_ = nullptr;
};

}  // namespace iommucheck::oracle
