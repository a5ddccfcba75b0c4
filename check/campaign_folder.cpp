// SPDX-License-Identifier: MIT
#include "check/campaign_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/hash.h"
#include "base/input.h"
#include "process/elf_identity.h"
#include "report/finding_kind_text.h"
#include "report/known.h"
#include "trace/file.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t campaign_file_max = std::size_t{64} << 20;
constexpr std::string_view campaign_format = "iommucheck-campaign";

std::string text_of_settings(const CampaignSettings& settings) {
  trace::JsonTree json = trace::JsonTree::object();
  json.set(campaign_format, 1).set("driver", settings.driver);
  json.set("driver_hash", settings.driver_hash).set("machine", settings.machine);
  json.set("operations", settings.operations_max)
      .set("slice", settings.slice)
      .set("scan", settings.scan);
  json.set("identity_window", settings.identity_window);
  json.set("not_claimed", settings.not_claimed).set("version", settings.version);
  return json.text(1) + "\n";
}

Expected<CampaignSettings> read_settings(const std::string& path) {
  const auto text = read_whole(path, campaign_file_max);
  if (!text) return std::unexpected(text.error());
  const auto json = trace::parse_json(*text);
  const auto member = [&](std::string_view key) {
    const trace::JsonMember* found = json ? json->find(key) : nullptr;
    return found == nullptr ? trace::JsonValue{} : found->value;
  };
  if (!json || member(campaign_format).number != 1 || member("driver_hash").text.empty()) {
    return fail(ErrorCode::bad_input, path + ": is not what `iommucheck campaign` writes");
  }
  return CampaignSettings{.driver = member("driver").text,
                          .driver_hash = member("driver_hash").text,
                          .machine = member("machine").text,
                          .operations_max = static_cast<u32>(member("operations").number),
                          .slice = member("slice").number,
                          .scan = member("scan").boolean,
                          .identity_window = member("identity_window").boolean,
                          .not_claimed = member("not_claimed").text,
                          .version = member("version").text};
}

Expected<void> make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) return {};
  return fail(ErrorCode::environment, fmt::format("{}: {}", path.string(), error.message()));
}

/// Writes it where it is not there: it is the same whenever it is written.
Expected<void> write_once(const fs::path& path, const std::string& text) {
  std::error_code error;
  if (fs::exists(path, error)) return {};
  return trace::write_file(path.string(), text);
}

std::string slice_name(const CampaignSlice& slice) {
  return slice.older.empty() ? fmt::format("{}-{:06}.json", slice.seed, slice.number)
                             : slice_name_of_older(slice.older);
}

/// Whether nothing but the version differs.
bool is_of_another_version(const CampaignSettings& one, const CampaignSettings& other) {
  CampaignSettings same = one;
  same.version = other.version;
  return one.version != other.version && same.differs(other).empty();
}

std::string one_or_more(u64 count, std::string_view thing) {
  return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

}  // namespace

std::string CampaignSettings::differs(const CampaignSettings& other) const {
  if (driver_hash != other.driver_hash) return "the driver";
  if (machine != other.machine) return "--machine";
  if (operations_max != other.operations_max) return "--operations";
  if (slice != other.slice) return "--slice";
  if (scan != other.scan) return "--precision";
  if (identity_window != other.identity_window) return "--window";
  if (not_claimed != other.not_claimed) return "--not-claimed";
  return version == other.version ? "" : "the version of iommucheck";
}

Expected<std::string> identity_of_driver(const std::string& driver) {
  std::error_code error;
  if (!fs::is_regular_file(driver, error)) return driver;
  const auto bytes = read_whole(driver, std::size_t{1} << 30);
  if (!bytes) return std::unexpected(bytes.error());
  const auto object = identity_of_object(driver);
  return fmt::format("{:016x}", object ? *object : fnv1a(*bytes));
}

struct CampaignFolder::Lock {
  explicit Lock(int opened) : file(opened) {}
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { ::close(file); }
  int file;
};

CampaignFolder::CampaignFolder(std::string path) : path_(std::move(path)) {}
CampaignFolder::CampaignFolder(CampaignFolder&&) noexcept = default;
CampaignFolder& CampaignFolder::operator=(CampaignFolder&&) noexcept = default;
CampaignFolder::~CampaignFolder() = default;

Expected<void> CampaignFolder::lock() {
  const std::string name = path_ + "/lock";
  const int file = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) {
    return fail(ErrorCode::environment, fmt::format("{}: {}", name, std::strerror(errno)));
  }
  lock_ = std::make_unique<Lock>(file);
  if (::flock(file, LOCK_EX | LOCK_NB) == 0) return {};
  return fail(ErrorCode::environment,
              fmt::format("{}: another process works on this campaign; wait for it, or give each "
                          "its own folder and merge them (iommucheck merge)",
                          path_));
}

Expected<CampaignFolder> CampaignFolder::open(const std::string& folder,
                                              const CampaignSettings& settings) {
  std::error_code error;
  const fs::path path = folder;
  const bool begun = fs::exists(path / "campaign.json", error);
  if (!begun && fs::exists(path, error) && !fs::is_empty(path, error) &&
      !fs::exists(path / "lock", error)) {
    return fail(ErrorCode::bad_input, folder + ": is not empty, and no campaign: name another one");
  }
  if (auto made = make_folder(path); !made) return std::unexpected(std::move(made.error()));
  CampaignFolder campaign(folder);
  if (auto locked = campaign.lock(); !locked) return std::unexpected(std::move(locked.error()));
  if (!begun) {
    auto written = trace::write_file((path / "campaign.json").string(), text_of_settings(settings));
    if (!written) return std::unexpected(std::move(written.error()));
  }
  auto there = read_settings((path / "campaign.json").string());
  if (!there) return std::unexpected(std::move(there.error()));
  if (is_of_another_version(*there, settings)) {
    // Until the new settings are written the folder is the other version's, and this goes on.
    if (auto gone = set_aside(folder, there->version); !gone) return std::unexpected(gone.error());
    there->version = settings.version;
    auto written = trace::write_file((path / "campaign.json").string(), text_of_settings(*there));
    if (!written) return std::unexpected(std::move(written.error()));
  }
  if (auto read = campaign.read(); !read) return std::unexpected(std::move(read.error()));
  if (const std::string what = campaign.settings_.differs(settings); !what.empty()) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}: {} is another one than the campaign was begun with: begin a new "
                            "folder; `iommucheck check --corpus {}/corpus` runs what this one has "
                            "gathered",
                            folder, what, folder));
  }
  return campaign;
}

Expected<CampaignFolder> CampaignFolder::open(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(fs::path(folder) / "campaign.json", error)) {
    return fail(ErrorCode::bad_input, folder + ": there is no campaign (campaign.json)");
  }
  CampaignFolder campaign(folder);
  if (auto locked = campaign.lock(); !locked) return std::unexpected(std::move(locked.error()));
  if (auto read = campaign.read(); !read) return std::unexpected(std::move(read.error()));
  return campaign;
}

/// All slices; what is made of them is made again where a kill kept it from being written.
Expected<void> CampaignFolder::read() {
  auto settings = read_settings(path_ + "/campaign.json");
  if (!settings) return std::unexpected(std::move(settings.error()));
  settings_ = std::move(*settings);
  for (const char* name : {"slices", "corpus", "findings"}) {
    if (auto made = make_folder(fs::path(path_) / name); !made) return made;
  }
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_ + "/slices", error)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  for (const std::string& file : files) {
    const auto text = read_whole(file, campaign_file_max);
    if (!text) return std::unexpected(text.error());
    auto slice = slice_from_json(*text, file);
    if (!slice) return std::unexpected(std::move(slice.error()));
    if (auto noted = note(*slice); !noted) return noted;
  }
  auto older = read_older(path_);
  if (!older) return std::unexpected(std::move(older.error()));
  older_ = std::move(*older);
  if (auto written = write_coverage(); !written) unwritten_ = std::move(written.error());
  return {};
}

std::vector<const CampaignSlice*> CampaignFolder::all_slices() const {
  std::vector<const CampaignSlice*> all;
  for (const auto& [id, slice] : converted_) all.push_back(&slice);
  for (const auto& [key, slice] : slices_) all.push_back(&slice);
  return all;
}

bool CampaignFolder::is_converted(const OlderCorpus& corpus) const {
  return corpus.cases.empty() || converted_.contains(corpus.id) || was_converted(path_, corpus);
}

std::optional<u64> CampaignFolder::last_seed() const {
  if (!slices_.empty()) return slices_.rbegin()->first.first;
  return last_seed_of_older(path_);
}

u64 CampaignFolder::sequences() const {
  u64 sum = 0;
  for (const CampaignSlice* slice : all_slices()) sum += slice->sequences;
  return sum;
}

std::string CampaignFolder::growth() const {
  std::string text;
  FeatureNames seen;
  u64 number = 0;
  u64 next = 1;
  const std::vector<const CampaignSlice*> all = all_slices();
  for (const CampaignSlice* slice : all) {
    seen.insert(slice->features.begin(), slice->features.end());
    if (++number != next && number != all.size()) continue;
    text += fmt::format("{}{} with {}", text.empty() ? "" : ", ", seen.size(),
                        one_or_more(number, "slice"));
    while (next <= number) next *= 2;
  }
  return text;
}

/// Names do not depend on the order in which slices were run.
std::string CampaignFolder::features_text() const {
  std::string text = fmt::format("# {}\n# growth: {}\n", counts_text(features_), growth());
  if (blocks_of_ != 0) {
    text += fmt::format("# the driver: {} of {} blocks\n", blocks_.size(), blocks_of_);
  }
  for (u64 sort = 0; sort < static_cast<u64>(FeatureSort::count); ++sort) {
    text += fmt::format("\n# {}\n", name_of(static_cast<FeatureSort>(sort)));
    for (const std::string& name : features_) {
      if (sort_of(name) == static_cast<FeatureSort>(sort)) text += name + "\n";
    }
  }
  return text;
}

std::pair<std::string, std::string> order_of(const std::string& rule, const FindingKind& kind) {
  return {rule, text_of(kind)};
}

std::string CampaignFolder::id_for(const std::string& rule, const FindingKind& kind) const {
  const auto known = spec::find_rule(rule);
  const std::string id = known ? suggested_id(*known, text_of(kind)) : rule;
  const auto taken = [&](const std::string& name) {
    return std::ranges::any_of(findings_, [&](const auto& one) { return one.second.id == name; });
  };
  std::string name = id;
  for (u32 n = 2; taken(name); ++n) name = fmt::format("{}-{}", id, n);
  return name;
}

std::string CampaignFolder::trace_path(const std::string& id) const {
  return fmt::format("{}/findings/{}.trace.jsonl", path_, id);
}

Expected<void> CampaignFolder::note(const CampaignSlice& slice) {
  features_.insert(slice.features.begin(), slice.features.end());
  blocks_.insert(slice.blocks.begin(), slice.blocks.end());
  blocks_of_ = std::max(blocks_of_, slice.blocks_of);
  for (const CampaignFinding& finding : slice.findings) {
    if (!findings_.try_emplace(order_of(finding.rule, finding.kind), finding).second) continue;
    const fs::path path = fs::path(path_) / "findings" / (finding.id + ".txt");
    if (auto written = write_once(path, finding.text); !written) return written;
  }
  for (const auto& [name, text] : slice.corpus) {
    corpus_.insert(name);
    if (auto written = write_once(fs::path(path_) / "corpus" / name, text); !written) {
      return written;
    }
  }
  if (slice.older.empty()) {
    slices_.insert_or_assign({slice.seed, slice.number}, slice);
  } else {
    converted_.insert_or_assign(slice.older, slice);
  }
  return {};
}

Expected<void> CampaignFolder::write_coverage() const {
  RuleCoverage sum;
  for (const CampaignSlice* slice : all_slices()) sum.add(slice->rules);
  if (auto written = trace::write_file(path_ + "/features.txt", features_text()); !written) {
    return written;
  }
  return trace::write_file(path_ + "/coverage.json", to_json(sum));
}

Expected<void> CampaignFolder::add(CampaignSlice slice) {
  auto written =
      trace::write_file(fmt::format("{}/slices/{}", path_, slice_name(slice)), to_json(slice));
  if (!written) return written;
  if (auto noted = note(slice); !noted) return noted;
  return write_coverage();
}

Expected<u64> CampaignFolder::take(const CampaignFolder& other) {
  if (const std::string what = settings_.differs(other.settings_); !what.empty()) {
    const bool two_drivers = settings_.driver_hash != other.settings_.driver_hash;
    return fail(ErrorCode::bad_input,
                fmt::format("{} and {} are of two campaigns: {} is another{}", path_, other.path_,
                            what, two_drivers ? " (by its code and data)" : ""));
  }
  for (const OlderCorpus& corpus : other.older_) {
    if (other.is_converted(corpus)) continue;
    return fail(ErrorCode::bad_input,
                fmt::format("{}: {} sequences of version {} were not run yet: `iommucheck "
                            "campaign` does that first",
                            other.path_, corpus.cases.size(), corpus.version));
  }
  u64 taken = 0;
  for (const CampaignSlice* slice : other.all_slices()) {
    const auto here = slices_.find({slice->seed, slice->number});
    const bool is_here = slice->older.empty()
                             ? here != slices_.end() && here->second.asked >= slice->asked
                             : converted_.contains(slice->older);
    if (is_here) continue;
    CampaignSlice copy = *slice;
    for (CampaignFinding& finding : copy.findings) {
      const auto known = findings_.find(order_of(finding.rule, finding.kind));
      const std::string theirs = other.trace_path(finding.id);
      finding.id = known == findings_.end() ? id_for(finding.rule, finding.kind) : known->second.id;
      std::error_code error;
      if (!finding.traced || fs::exists(trace_path(finding.id), error)) continue;
      fs::copy_file(theirs, trace_path(finding.id), fs::copy_options::overwrite_existing, error);
      if (error) {
        return fail(ErrorCode::environment, fmt::format("{}: {}", theirs, error.message()));
      }
    }
    if (auto added = add(std::move(copy)); !added) return std::unexpected(added.error());
    ++taken;
  }
  return taken;
}

}  // namespace iommucheck::oracle
