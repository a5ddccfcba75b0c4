// SPDX-License-Identifier: MIT
// What led to a finding, step by step: events of its trace, what stood in memory behind each, and
// how long caches may have held what memory said before. Made by explain/timeline.h, drawn by
// html.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace iommucheck::oracle {

struct TimelineStep {
  enum class Lane : u8 { call, store, barrier, command, sync, registers, device, other };

  u64 event = 0;  ///< number, as findings name it
  u64 line = 0;   ///< of the trace, from 1
  Lane lane = Lane::other;
  std::string text;
  std::string source{};     ///< FILE:LINE of the driver; empty: not known
  bool named = false;       ///< the finding names it
  std::size_t drawing = 0;  ///< of Timeline::drawings: memory behind it
};

/// Something that a cache may have held although memory said otherwise.
struct CachedLife {
  std::string what;
  std::size_t stored = 0;    ///< step behind which memory said it; the first one if before
  std::size_t replaced = 0;  ///< step that stored something else
  std::size_t vanished = 0;  ///< step behind which memory says that for sure
  std::size_t gone = 0;      ///< step behind which no cache has it; the number of steps: never
};

struct Timeline {
  std::string trace;
  std::vector<TimelineStep> steps;
  std::vector<CachedLife> lives;
  std::vector<std::string> drawings;  ///< text; none twice in a row
  u64 left_out = 0;                   ///< events in front, of which there is no step
  /// Why there is no timeline; then all else is empty.
  std::string missing{};
};

std::string_view lane_name(TimelineStep::Lane lane);

}  // namespace iommucheck::oracle
