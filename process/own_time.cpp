// SPDX-License-Identifier: MIT
#include "process/own_time.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace iommucheck::oracle {

OwnTime::OwnTime(pid_t pid) : pid_(pid) { restart(); }

void OwnTime::restart() {
  start_ = Clock::now();
  waited_before_ = waited();
}

double OwnTime::seconds() const { return seconds_since(start_) - waiting(); }

double OwnTime::waiting() const { return std::max(0.0, waited() - waited_before_); }

double OwnTime::waited() const {
  // "nanoseconds on a processor, nanoseconds of waiting for one, time slices"
  const std::string path = "/proc/" + std::to_string(pid_) + "/schedstat";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  std::array<char, 128> text{};
  const ssize_t got = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  unsigned long long ran = 0;
  unsigned long long waited = 0;
  if (got <= 0 || std::sscanf(text.data(), "%llu %llu", &ran, &waited) != 2) return 0;
  return static_cast<double>(waited) * 1e-9;
}

}  // namespace iommucheck::oracle
