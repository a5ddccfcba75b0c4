// SPDX-License-Identifier: MIT
// A recording as lines that a test edits before it is imported and judged.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/types.h"
#include "monitor/replay.h"

namespace iommucheck::oracle {

struct EditedRecording {
  std::vector<nlohmann::json> lines;  ///< the first is the header

  /// tests/data/recordings/<name>.jsonl.zst
  static EditedRecording read(const std::string& name);

  [[nodiscard]] std::string type(std::size_t line) const { return lines[line].at("t"); }
  [[nodiscard]] u64 hex(std::size_t line, const char* key) const;
  void set_hex(std::size_t line, const char* key, u64 value);
  [[nodiscard]] bool is_write(std::size_t line, u64 offset) const;
  [[nodiscard]] bool is_read(std::size_t line, u64 offset) const;
  /// Opcode of a consumed command, 0 for other lines.
  [[nodiscard]] u64 opcode(std::size_t line) const;
  void erase(std::size_t line) { lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(line)); }
  void insert(std::size_t before, nlohmann::json line) {
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(before), std::move(line));
  }
  /// The command at `line` was never written: it goes, and the queue is one shorter from there on.
  void drop_command(std::size_t line);
  /// Keeps `count` lines.
  void cut(std::size_t count) {
    if (count < lines.size()) lines.resize(count);
  }

  /// Fails the test if it cannot be imported.
  [[nodiscard]] trace::Trace imported() const;
  /// Imported and replayed.
  [[nodiscard]] ReplayResult judge() const;
};

/// A recording of two SMMUs: what `first` says is SMMU 0's and what `second` says is SMMU 1's; what
/// CPUs do to memory is the same in both. A region that becomes reachable stays with the event that
/// makes it so.
trace::Trace of_two(const trace::Trace& first, const trace::Trace& second);

/// One page is unmapped, invalidated alone, and mapped again elsewhere later, with no other
/// invalidation that covers it in between. Numbers of lines.
struct UnmapSite {
  std::size_t clear = 0, prod = 0, tlbi = 0, sync = 0, cons = 0, remap = 0;
};
std::vector<UnmapSite> unmap_sites(const EditedRecording& recording);

}  // namespace iommucheck::oracle
