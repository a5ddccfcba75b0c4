// SPDX-License-Identifier: MIT
// What the generators of random tests share that write lines of the format, each for one kind of
// stream: starting states, schemes one behind the other, something that disturbs them, accesses.
#pragma once

#include <string>
#include <vector>

#include "litmus/dice.h"

namespace iommucheck::litmus {

class LinesGenerator : protected Dice {
 public:
  virtual ~LinesGenerator() = default;
  LinesGenerator(const LinesGenerator&) = delete;
  LinesGenerator& operator=(const LinesGenerator&) = delete;

  /// A test of at most `size` steps, and one to three accesses. Once.
  std::string text() {
    init();
    Lines steps = begin();
    while (steps.size() < 2 || (steps.size() < size_ && one_in(3))) append(steps, scheme());
    disturb(steps);
    if (steps.size() > size_) steps.resize(size_);
    std::string out = "test random\n";
    for (const std::string& line : init_) out += "init " + line + "\n";
    for (const std::string& line : steps) out += "run " + line + "\n";
    for (u64 i = 1 + below(3); i > 0; --i) out += access();
    return out;
  }

 protected:
  using Lines = std::vector<std::string>;

  LinesGenerator(u64 seed, unsigned size) : Dice(seed), size_(size) {}

  static void append(Lines& to, const Lines& more) {
    to.insert(to.end(), more.begin(), more.end());
  }

  unsigned size_;
  Lines init_;

 private:
  virtual void init() = 0;                 ///< fills init_
  virtual Lines begin() { return {}; }     ///< steps before all others
  virtual Lines scheme() = 0;              ///< what drivers do, rightly or nearly so
  virtual void disturb(Lines& steps) = 0;  ///< takes a step out, or moves one
  virtual std::string access() = 0;        ///< a line
};

}  // namespace iommucheck::litmus
