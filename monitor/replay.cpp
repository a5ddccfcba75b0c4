// SPDX-License-Identifier: MIT
#include "monitor/replay.h"

#include <fmt/format.h>

#include <chrono>

#include "base/clock.h"
#include "monitor/trace_judges.h"
#include "monitor/trace_setup.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using trace::Event;

ReplayResult result_of(TraceJudges& judge, Clock::time_point begin, bool whole) {
  if (whole) {
    judge.finish();
  } else {
    judge.flush();  // what comes next is not known: no promise is at its end
  }
  ReplayResult result = judge.result();
  result.seconds = seconds_since(begin);
  return result;
}

}  // namespace

ReplayResult replay_trace(const trace::Trace& trace, const ReplayOptions& options) {
  const Clock::time_point begin = Clock::now();
  TraceJudges judge(trace.header, options.findings_max, options.trace, options.hardware);
  for (const Event& event : trace.events) judge.take(event);
  return result_of(judge, begin, true);
}

Expected<ReplayResult> run_replay(const ReplayOptions& options) {
  const Clock::time_point begin = Clock::now();
  auto reader = trace::TraceReader::open(options.trace);
  if (!reader) return std::unexpected(std::move(reader.error()));
  if (auto good = may_judge(reader->header(), static_cast<bool>(options.hardware)); !good) {
    return fail(good.error().code, fmt::format("{}: {}", options.trace, good.error().message));
  }
  TraceJudges judge(reader->header(), options.findings_max, options.trace, options.hardware);
  bool stopped = false;
  constexpr u64 between = 1024;
  for (u64 count = 0;; ++count) {
    if (count % between == 0) {
      if (options.stop && options.stop()) {
        stopped = true;
        break;
      }
      if (options.progress) {
        const TraceJudges::Numbers now = judge.numbers();
        options.progress({now.events, now.flagged, seconds_since(begin)});
      }
    }
    auto event = reader->next();
    if (!event) {
      if (!judge.any_finding()) return std::unexpected(std::move(event.error()));
      ReplayResult result = result_of(judge, begin, false);
      result.cut_short = std::move(event.error());
      return result;
    }
    if (!*event) break;
    judge.take(std::move(**event));
  }
  ReplayResult result = result_of(judge, begin, !stopped);
  result.stopped = stopped;
  return result;
}

}  // namespace iommucheck::oracle
