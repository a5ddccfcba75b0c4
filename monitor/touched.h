// SPDX-License-Identifier: MIT
// What has changed for accesses since a call began, to be compared once more when it is over: input
// addresses by tag, and streams. Few: beyond a bound they are joined to larger ones.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/number_map.h"
#include "spec/smmu/changes.h"
#include "spec/smmu/stream_parts.h"

namespace iommucheck::oracle {

class Touched {
 public:
  void interval(u32 tag, u64 first, u64 last);
  void stream(const spec::StreamPart& part);
  /// Each of these as a whole, and no other.
  void only_streams(std::vector<spec::StreamPart> streams) {
    streams_ = std::move(streams);
    first_of_.clear();
  }
  void clear() {
    intervals_.clear();
    streams_.clear();
    first_of_.clear();
  }
  [[nodiscard]] const std::vector<spec::DirtyInterval>& intervals() const { return intervals_; }
  [[nodiscard]] const std::vector<spec::StreamPart>& streams() const { return streams_; }
  /// Empty: it agrees with itself. Else what does not, in words.
  [[nodiscard]] std::string consistent() const;

 private:
  void join(const spec::StreamPart& part);

  std::vector<spec::DirtyInterval> intervals_;
  std::vector<spec::StreamPart> streams_;
  NumberMap<std::size_t> first_of_;  // of each stream's parts, where these are many; else empty
};

}  // namespace iommucheck::oracle
