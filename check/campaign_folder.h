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
//   features.txt         what its sequences have shown, by name, and how that grew
//   older/VERSION/       what an earlier version of iommucheck had there (campaign_older.h)
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "check/campaign_older.h"
#include "check/check.h"
#include "check/novelty.h"
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
  std::string rule;
  FindingKind kind;
  std::string id;        ///< name of its files in findings/
  std::string text;      ///< full_text()
  bool traced = false;   ///< findings/ID.trace.jsonl is there
  std::string source{};  ///< the driver's file that it stands in; empty: not known
  u64 source_line = 0;
};

/// By what a folder's findings are ordered.
std::pair<std::string, std::string> order_of(const std::string& rule, const FindingKind& kind);

struct CampaignSlice {
  std::string older;  ///< OlderCorpus::id, of one that is its sequences; empty: it is of a seed
  u64 seed = 0, number = 0;
  u64 asked = 0;  ///< sequences that it was to run; fewer were where the driver hangs
  u64 sequences = 0, calls = 0, outcomes = 0;
  std::string driver_name;
  std::string scope;
  std::vector<std::string> open;    ///< what was not looked at, in words: it is not decided
  std::vector<std::string> unseen;  ///< what the driver claims and no sequence here showed
  FeatureNames features;            ///< seen here first
  u64 blocks_of = 0;                ///< that the driver counts; 0: it has no counters
  std::set<u64> blocks;             ///< of these, by address: entered here first
  RuleCoverage rules;
  std::map<std::pair<std::string, std::string>, FindingKind> kinds;  ///< all that was found
  std::vector<CampaignFinding> findings;      ///< of these, those that were new
  std::map<std::string, std::string> corpus;  ///< name and text of each new sequence
};

class CampaignFolder {
 public:
  /// Makes it, or goes on with it; of what is there `settings` have to be the same. What an earlier
  /// version of iommucheck has left is set aside, for older(). Errors: bad_input (other settings, a
  /// folder of something else, damaged), environment (somebody else has its lock; files).
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
  /// With those of earlier versions' sequences, which come first.
  [[nodiscard]] std::vector<const CampaignSlice*> all_slices() const;
  /// What earlier versions have left.
  [[nodiscard]] const std::vector<OlderCorpus>& older() const { return older_; }
  /// Whether its sequences are a slice of this version, or of one since.
  [[nodiscard]] bool is_converted(const OlderCorpus& corpus) const;
  /// Of the slices, those of earlier versions too.
  [[nodiscard]] std::optional<u64> last_seed() const;
  /// All findings, by rule and the words of their kind, and their files.
  [[nodiscard]] const std::map<std::pair<std::string, std::string>, CampaignFinding>& findings()
      const {
    return findings_;
  }
  [[nodiscard]] const FeatureNames& features() const { return features_; }
  /// "1,203 with 1 slice, 1,650 with 2, 1,790 with 3": features, at each doubling.
  [[nodiscard]] std::string growth() const;
  [[nodiscard]] const std::set<u64>& blocks() const { return blocks_; }
  [[nodiscard]] u64 blocks_of() const { return blocks_of_; }
  [[nodiscard]] std::size_t corpus_size() const { return corpus_.size(); }
  [[nodiscard]] u64 sequences() const;

  /// Why what is made of the slices (coverage.json, features.txt) could not be written when the
  /// folder was opened; the slices are all there.
  [[nodiscard]] const std::optional<Error>& unwritten() const { return unwritten_; }

  /// A name for the files of a finding that no other one has.
  [[nodiscard]] std::string id_for(const std::string& rule, const FindingKind& kind) const;
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
  [[nodiscard]] std::string features_text() const;

  std::string path_;
  std::unique_ptr<Lock> lock_;
  CampaignSettings settings_;
  std::map<Key, CampaignSlice> slices_;
  std::map<std::string, CampaignSlice> converted_;  // by OlderCorpus::id
  std::vector<OlderCorpus> older_;
  std::map<std::pair<std::string, std::string>, CampaignFinding> findings_;
  FeatureNames features_;
  std::set<u64> blocks_;
  u64 blocks_of_ = 0;
  std::set<std::string> corpus_;
  std::optional<Error> unwritten_;
};

std::string to_json(const CampaignSlice& slice);
/// bad_input, with the name, for anything that to_json does not write.
Expected<CampaignSlice> slice_from_json(std::string_view text, const std::string& name);

}  // namespace iommucheck::oracle
