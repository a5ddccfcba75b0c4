// SPDX-License-Identifier: MIT
// Recordings of a real driver behind QEMU's SMMUv3, format "smmu-watch-1", as traces.
// What such a recording cannot give is absent in the trace: barriers and orders of register writes,
// directions and lengths of accesses, what memory held before it was linked.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "trace/event.h"
#include "trace/file.h"

namespace iommucheck::oracle {

struct ImportOptions {
  trace::FileLimits limits = {};
  /// Copied to the header. The format does not say whether a recording begins at reset.
  std::optional<bool> assumed_clean = {};
};

/// Plain, .gz or .zst, told by content. Unknown fields are ignored. bad_input with
/// "file:line:column: …" for an unknown `t`, a missing field, a wrong type or value, an `init`
/// without its `track`; unsupported for another format; gave_up beyond limits.
///
/// | t | event |
/// |---|---|
/// | w, r | MmioWrite, MmioRead by their CPU; whether ordered: absent |
/// | cmd | CommandConsumed by the SMMU, with its 16 bytes |
/// | track + init | one Reach, its words being the init values |
/// | st | Store by CPU 0 if there is one CPU, else by "cpu?"; `swept` where sweep is 1 |
/// | untrack | Unreach |
/// | dma | Dma by its device, without SubstreamID, untranslated (the format knows no others) |
/// | evt | EventRecorded |
/// | note, con, devw, msi | Note |
///
/// Event.origin is `i`. The header's id_registers are the first reads of them.
Expected<trace::Trace> import_smmu_watch(const std::string& path,
                                         const ImportOptions& options = {});

/// The same of a text in memory; `name` stands for the file in messages.
Expected<trace::Trace> import_smmu_watch_text(std::string_view text, std::string_view name,
                                              const ImportOptions& options = {});

}  // namespace iommucheck::oracle
