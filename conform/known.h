// SPDX-License-Identifier: MIT
// The checked-in file of known divergences of one device: JSON, with a trace beside it for each.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "conform/judge_case.h"

namespace iommucheck::oracle {

struct KnownDivergence {
  std::string id;  ///< also the trace's name: <id>.jsonl in the folder of the file
  std::string rule;
  std::string kind;     ///< as Finding has it
  std::string section;  ///< of the manual
  std::string why;      ///< one line: what the device does
  std::string correct;  ///< what a correct device would do
};

struct KnownFile {
  std::string path;
  std::string device;   ///< "qemu"
  std::string version;  ///< a prefix of the device's: "7.2"
  std::vector<KnownDivergence> divergences;

  [[nodiscard]] const KnownDivergence* find(const Divergence& found) const;
  [[nodiscard]] std::string trace_path(const KnownDivergence& known) const;
};

/// Errors: environment if it cannot be read, bad_input with the column otherwise.
Expected<KnownFile> read_known(const std::string& path);
std::string known_text(const KnownFile& file);
Expected<void> write_text(const std::string& path, const std::string& text);

/// A name for a divergence that has none yet: from its rule and kind.
std::string suggested_id(const Divergence& found);

}  // namespace iommucheck::oracle
