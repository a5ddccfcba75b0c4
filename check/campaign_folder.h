// SPDX-License-Identifier: MIT
// A campaign that goes on: a folder that keeps what slices of sequences came to. A slice is run by
// itself, whatever others have found, and its file is written at once as a whole; so a kill loses
// the slice that was running and nothing else, the same slice done again says the same, and slices
// of several folders (shards, other machines) are those of one campaign. docs/ci.md.
//
//   campaign.json        what is judged, and how
//   lock                 held by who writes
//   slices/SEED-N.json   what slice N of a seed came to: all else is made of these
//   corpus/, findings/   its sequences, its findings as text with their traces
//   coverage.json        how often each rule was asked (report/coverage.h)
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "check/check.h"
#include "report/coverage.h"

namespace iommucheck::oracle {

/// What all slices of a folder share. Another one is another campaign.
struct CampaignSettings {
  std::string driver;       ///< as it was named first
  std::string driver_hash;  ///< identity_of_driver()
  std::string machine;
  u32 operations_max = 20;
  u64 slice = 8192;  ///< sequences of a slice, but for the last one of a run
  bool scan = false;
  bool identity_window = false;
  std::string not_claimed;
  std::string version;  ///< of iommucheck: sequences of a seed are others in another one

  /// What differs, as the name of a member; empty if nothing but the driver's name does.
  [[nodiscard]] std::string differs(const CampaignSettings& other) const;
};

/// What tells drivers apart: a built-in one's name; of a plug-in what it does, wherever it was
/// built (process/elf_identity.h). Errors: those of reading it.
Expected<std::string> identity_of_driver(const std::string& driver);

struct CampaignFinding {
  std::string rule, kind;
  std::string id;        ///< name of its files in findings/
  std::string text;      ///< full_text()
  bool traced = false;   ///< findings/ID.trace.jsonl is there
  std::string source{};  ///< the driver's file that it stands in; empty: not known
  u64 source_line = 0;
};

struct CampaignSlice {
  u64 seed = 0, number = 0;
  u64 asked = 0;  ///< sequences that it was to run; fewer were where the driver hangs
  u64 sequences = 0, calls = 0, outcomes = 0;
  std::string driver_name;
  std::string scope;
  std::vector<std::string> open;    ///< what was not looked at, in words: it is not decided
  std::vector<std::string> unseen;  ///< what the driver claims and no sequence here showed
  std::vector<u16> features;        ///< seen here first
  RuleCoverage rules;
  std::set<std::pair<std::string, std::string>> kinds;  ///< rule and kind of all that was found
  std::vector<CampaignFinding> findings;                ///< of these, those that were new
  std::map<std::string, std::string> corpus;            ///< name and text of each new sequence
};

class CampaignFolder {
 public:
  /// Makes it, or goes on with it; of what is there `settings` have to be the same. Errors:
  /// bad_input (other settings, a folder of something else, damaged), environment (somebody else
  /// has its lock; files).
  static Expected<CampaignFolder> open(const std::string& folder, const CampaignSettings& settings);
  /// One that is there.
  static Expected<CampaignFolder> open(const std::string& folder);
  CampaignFolder(CampaignFolder&&) noexcept;
  CampaignFolder& operator=(CampaignFolder&&) noexcept;
  ~CampaignFolder();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const CampaignSettings& settings() const { return settings_; }
  /// By seed and number.
  using Key = std::pair<u64, u64>;
  [[nodiscard]] const std::map<Key, CampaignSlice>& slices() const { return slices_; }
  /// Rule and kind of all findings, and their files.
  [[nodiscard]] const std::map<std::pair<std::string, std::string>, CampaignFinding>& findings()
      const {
    return findings_;
  }
  [[nodiscard]] const std::set<u16>& features() const { return features_; }
  [[nodiscard]] std::size_t corpus_size() const { return corpus_.size(); }
  [[nodiscard]] u64 sequences() const;

  /// A name for the files of a finding that no other one has.
  [[nodiscard]] std::string id_for(const std::string& rule, const std::string& kind) const;
  /// Where the trace of a finding is to be before its slice is added.
  [[nodiscard]] std::string trace_path(const std::string& id) const;
  /// From here on the slice is done.
  Expected<void> add(CampaignSlice slice);
  /// What the other folder has and this one has not; how many slices that were. bad_input where it
  /// is of another campaign.
  Expected<u64> take(const CampaignFolder& other);

 private:
  struct Lock;
  explicit CampaignFolder(std::string path);
  Expected<void> lock();
  Expected<void> read();
  Expected<void> note(const CampaignSlice& slice);
  Expected<void> write_coverage() const;

  std::string path_;
  std::unique_ptr<Lock> lock_;
  CampaignSettings settings_;
  std::map<Key, CampaignSlice> slices_;
  std::map<std::pair<std::string, std::string>, CampaignFinding> findings_;
  std::set<u16> features_;
  std::set<std::string> corpus_;
};

std::string to_json(const CampaignSlice& slice);
/// bad_input, with the name, for anything that to_json does not write.
Expected<CampaignSlice> slice_from_json(std::string_view text, const std::string& name);

}  // namespace iommucheck::oracle
