// SPDX-License-Identifier: MIT
#include "process/own_time.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace iommucheck::oracle {

namespace {

constexpr unsigned depth_max = 4;  // a worker, a case of its own, what that starts

/// What /proc says, or nothing.
std::string text_of(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::array<char, 1024> text{};
  const ssize_t got = ::read(file, text.data(), text.size());
  ::close(file);
  return got <= 0 ? std::string() : std::string(text.data(), static_cast<std::size_t>(got));
}

}  // namespace

OwnTime::OwnTime(pid_t pid) : pid_(pid) { restart(); }

void OwnTime::restart() {
  look();
  own_ = lost_ = 0;
}

double OwnTime::seconds() {
  look();
  return own_;
}

double OwnTime::waiting() {
  look();
  return lost_;
}

void OwnTime::add(Sample& sample, pid_t pid, unsigned depth) {
  const std::string place = "/proc/" + std::to_string(pid);
  // "nanoseconds on a processor, nanoseconds of waiting for one, time slices"
  unsigned long long ran = 0;
  unsigned long long waited = 0;
  if (std::sscanf(text_of(place + "/schedstat").c_str(), "%llu %llu", &ran, &waited) != 2) return;
  sample.ran += static_cast<double>(ran) * 1e-9;
  sample.waited += static_cast<double>(waited) * 1e-9;
  // "PID (name) STATE ..."; a name may hold anything.
  const std::string stat = text_of(place + "/stat");
  const std::size_t name_end = stat.rfind(')');
  sample.wants_processor |= name_end + 2 < stat.size() && stat[name_end + 2] == 'R';
  if (depth == depth_max) return;
  const std::string children = text_of(place + "/task/" + std::to_string(pid) + "/children");
  for (const char* at = children.c_str(); *at != 0;) {
    char* end = nullptr;
    const long child = std::strtol(at, &end, 10);
    if (end == at) break;
    add(sample, static_cast<pid_t>(child), depth + 1);
    at = end;
  }
}

void OwnTime::look() {
  const Clock::time_point now = Clock::now();
  const double passed = std::chrono::duration<double>(now - looked_).count();
  Sample sample;
  add(sample, pid_, 0);
  // One that has ended takes its times along.
  const double ran = std::max(0.0, sample.ran - last_.ran);
  const double waited = std::max(0.0, sample.waited - last_.waited);
  const double own =
      sample.wants_processor ? std::min(passed, ran) : std::max(0.0, passed - waited);
  own_ += own;
  lost_ += passed - own;
  looked_ = now;
  last_ = sample;
}

}  // namespace iommucheck::oracle
