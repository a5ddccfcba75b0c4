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
  if (streams_.size() >= parts_max) return join(part);
  const bool known = std::ranges::any_of(streams_, [&](const spec::StreamPart& its) {
    return its.sid == part.sid && its.first <= part.first && part.last <= its.last;
  });
  if (!known) streams_.push_back(part);
}

/// A driver's boot may write as many STEs as there are streams.
void Touched::join(const spec::StreamPart& part) {
  if (first_of_.size() == 0) {
    for (std::size_t i = streams_.size(); i-- != 0;) first_of_[streams_[i].sid] = i;
  }
  if (const std::size_t* at = first_of_.find(part.sid)) {
    spec::StreamPart& known = streams_[*at];
    known.first = std::min(known.first, part.first);
    known.last = std::max(known.last, part.last);
    return;
  }
  first_of_[part.sid] = streams_.size();
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
