// SPDX-License-Identifier: MIT
// The file of what is known to be wrong with one device or driver: JSON, an entry for each finding
// with the reason why it stays. A run says of an entry "as known" instead of failing; an entry that
// has expired excuses nothing. docs/conform.md, docs/ci.md.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "monitor/finding_kind.h"
#include "spec/rules.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

struct KnownFinding {
  std::string id;       ///< of a device also the trace's name: <id>.jsonl in the folder of the file
  std::string rule;     ///< its name
  std::string kind;     ///< in words; "...*": all that begin so; "*...": that end so
  std::string section;  ///< of the manual
  std::string why;      ///< one line: what the device or driver does, and why that is left so
  std::string correct;  ///< what a correct one would do
  std::string party{};  ///< at fault; empty: whom the rule names
  std::string expires{};  ///< YYYY-MM-DD, the last day on which it excuses; empty: it does not end

  std::optional<FindingKind> parts{};  ///< of `kind`, which then is for people alone

  /// By its words.
  [[nodiscard]] bool covers(std::string_view rule_name, std::string_view its_kind) const;
  /// By its parts; by its words where an entry has no more, or stands for several kinds.
  [[nodiscard]] bool covers(spec::Rule its_rule, const FindingKind& its_kind) const;
  /// `today` as YYYY-MM-DD.
  [[nodiscard]] bool expired(std::string_view today) const;
};

struct KnownFile {
  enum class Subject : u8 { device, driver };

  std::string path;
  Subject of = Subject::device;
  std::string subject;  ///< "qemu"; of a driver its name
  std::string version;  ///< of a device, a prefix: "7.2"
  /// ID registers of the device when the file was written, where it says them.
  std::optional<spec::IdRegisters> id = std::nullopt;
  std::vector<KnownFinding> entries;

  [[nodiscard]] const KnownFinding* find(spec::Rule rule, std::string_view kind) const;
  [[nodiscard]] const KnownFinding* find(spec::Rule rule, const FindingKind& kind) const;
  [[nodiscard]] std::string trace_path(const KnownFinding& known) const;
};

/// Errors: bad_input, with line and column where it is the text.
Expected<KnownFile> read_known(const std::string& path, KnownFile::Subject of);
std::string known_text(const KnownFile& file);

/// A name for a finding that has none yet: from its rule and kind.
std::string suggested_id(spec::Rule rule, std::string_view kind);

/// YYYY-MM-DD, of the day in UTC.
std::string today();

}  // namespace iommucheck::oracle
