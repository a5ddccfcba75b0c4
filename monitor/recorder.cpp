// SPDX-License-Identifier: MIT
#include "monitor/recorder.h"

#include "trace/trace_file.h"

namespace iommucheck::oracle {

Expected<void> TraceRecorder::write(const std::string& path) const {
  return trace::write_trace(trace_, path);
}

}  // namespace iommucheck::oracle
