// SPDX-License-Identifier: MIT
#include "monitor/touched.h"

#include <algorithm>

#include <fmt/format.h>

namespace iommucheck::oracle {

namespace {

constexpr std::size_t parts_max = 64;
constexpr std::size_t intervals_max = 256;

}  // namespace

void Touched::interval(u32 tag, u64 first, u64 last) {
  for (spec::DirtyInterval& interval : intervals_) {
    if (interval.tag != tag) continue;
    const bool meets = first <= interval.last && interval.first <= last;
    const bool adjoins = (last != ~u64{0} && last + 1 == interval.first) ||
                         (interval.last != ~u64{0} && interval.last + 1 == first);
    if (!meets && !adjoins && intervals_.size() < intervals_max) continue;
    interval.first = std::min(interval.first, first);
    interval.last = std::max(interval.last, last);
    return;
  }
  intervals_.push_back({tag, first, last});
}

void Touched::stream(const spec::StreamPart& part) {
  for (spec::StreamPart& known : streams_) {
    if (known.sid != part.sid) continue;
    if (known.first <= part.first && part.last <= known.last) return;
    if (streams_.size() < parts_max) continue;
    known.first = std::min(known.first, part.first);
    known.last = std::max(known.last, part.last);
    return;
  }
  streams_.push_back(part);
}

std::string Touched::consistent() const {
  for (const spec::DirtyInterval& interval : intervals_) {
    if (interval.first > interval.last) {
      return fmt::format("touched: {:#x} to {:#x}", interval.first, interval.last);
    }
  }
  return {};
}

}  // namespace iommucheck::oracle
