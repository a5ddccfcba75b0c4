// SPDX-License-Identifier: MIT
#include "check/campaign_older.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "base/input.h"
#include "check/campaign_folder.h"

namespace iommucheck::oracle {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t older_file_max = std::size_t{64} << 20;
constexpr const char* moved_folders[] = {"slices", "corpus", "findings"};
constexpr const char* moved_files[] = {"coverage.json", "features.txt"};

/// A name for a folder, whatever the version calls itself.
std::string folder_name(const std::string& version) {
  std::string name;
  for (const char c : version) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       std::string_view("._+-").contains(c);
    name += plain ? c : '_';
  }
  return name.empty() || name.starts_with('.') ? "v" + name : name;
}

Expected<std::vector<fs::path>> entries_of(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code error;
  if (!fs::exists(folder, error)) return all;
  fs::directory_iterator entries(folder, error);
  for (; !error && entries != fs::directory_iterator(); entries.increment(error)) {
    all.push_back(entries->path());
  }
  if (error) {
    return fail(ErrorCode::environment, fmt::format("{}: {}", folder.string(), error.message()));
  }
  std::ranges::sort(all);
  return all;
}

/// Under its own name; where another file has that, beside it.
Expected<void> move_into(const fs::path& from, const fs::path& folder) {
  fs::path to = folder / from.filename();
  std::error_code error;
  for (u32 n = 2; fs::exists(to, error); ++n) {
    to = folder / fmt::format("{}-{}{}", from.stem().string(), n, from.extension().string());
  }
  fs::create_directories(folder, error);
  if (!error) fs::rename(from, to, error);
  if (!error) return {};
  return fail(ErrorCode::environment, fmt::format("{}: {}", from.string(), error.message()));
}

/// Each sequence once, whatever file has it.
class Gathered {
 public:
  explicit Gathered(OlderCorpus& into) : into_(into) {}
  void add(Expected<GivenCase> given) {
    if (!given) {
      into_.unread.push_back(std::move(given.error().message));
    } else if (texts_.insert(print(given->sequence)).second) {
      into_.cases.push_back(std::move(*given));
    }
  }
  [[nodiscard]] std::string id() const {
    u64 hash = fnv1a("");
    for (const std::string& text : texts_) hash = hash * 31 + fnv1a(text);
    return fmt::format("{}-{:016x}", into_.version, hash);
  }

 private:
  OlderCorpus& into_;
  std::set<std::string> texts_;
};

/// Sequences of a slice whose file in corpus/ was not written any more.
void gather_slice(const fs::path& path, const fs::path& corpus, Gathered& gathered) {
  const auto text = read_whole(path.string(), older_file_max);
  auto slice = text ? slice_from_json(*text, path.string()) : std::unexpected(text.error());
  if (!slice) return gathered.add(std::unexpected(std::move(slice.error())));
  for (const auto& [name, lines] : slice->corpus) {
    std::error_code error;
    if (fs::exists(corpus / name, error)) continue;
    const std::string place = fmt::format("{}: {}", path.string(), name);
    auto sequence = parse_sequence(lines, place);
    if (sequence) {
      gathered.add(GivenCase{.path = place, .sequence = std::move(*sequence)});
    } else {
      gathered.add(std::unexpected(std::move(sequence.error())));
    }
  }
}

/// Whichever files they were in, as a kill has left these.
void sort(std::span<GivenCase> cases) {
  std::ranges::sort(cases, {}, [](const GivenCase& one) {
    return std::pair(one.sequence.operations.size(), print(one.sequence));
  });
}

Expected<OlderCorpus> read_one(const fs::path& folder) {
  OlderCorpus corpus;
  corpus.folder = folder.string();
  corpus.version = folder.filename().string();
  Gathered gathered(corpus);
  // A sequence goes on behind a finding that was told already, so those that tell come first.
  const auto findings = entries_of(folder / "findings");
  if (!findings) return std::unexpected(findings.error());
  for (const fs::path& file : *findings) {
    if (file.extension() == ".jsonl") gathered.add(read_given(file.string()));
  }
  const std::size_t telling = corpus.cases.size();
  auto files = read_folder((folder / "corpus").string());
  if (!files) return std::unexpected(std::move(files.error()));
  for (GivenCase& one : files->cases) gathered.add(std::move(one));
  std::ranges::move(files->unread, std::back_inserter(corpus.unread));
  const auto slices = entries_of(folder / "slices");
  if (!slices) return std::unexpected(slices.error());
  for (const fs::path& slice : *slices) {
    if (slice.extension() == ".json") gather_slice(slice, folder / "corpus", gathered);
  }
  corpus.id = gathered.id();
  sort(std::span(corpus.cases).first(telling));
  sort(std::span(corpus.cases).subspan(telling));
  return corpus;
}

}  // namespace

Expected<void> set_aside(const std::string& campaign, const std::string& version) {
  const fs::path from = campaign;
  const fs::path to = from / "older" / folder_name(version);
  for (const char* name : moved_folders) {
    const auto files = entries_of(from / name);
    if (!files) return std::unexpected(files.error());
    for (const fs::path& file : *files) {
      if (auto moved = move_into(file, to / name); !moved) return moved;
    }
  }
  for (const char* name : moved_files) {
    std::error_code error;
    if (!fs::exists(from / name, error)) continue;
    if (auto moved = move_into(from / name, to); !moved) return moved;
  }
  return {};
}

Expected<std::vector<OlderCorpus>> read_older(const std::string& campaign) {
  std::vector<OlderCorpus> all;
  const auto folders = entries_of(fs::path(campaign) / "older");
  if (!folders) return std::unexpected(folders.error());
  for (const fs::path& folder : *folders) {
    std::error_code error;
    if (!fs::is_directory(folder, error)) continue;
    auto corpus = read_one(folder);
    if (!corpus) return std::unexpected(std::move(corpus.error()));
    all.push_back(std::move(*corpus));
  }
  return all;
}

std::string slice_name_of_older(const std::string& id) { return fmt::format("older-{}.json", id); }

bool was_converted(const std::string& campaign, const OlderCorpus& corpus) {
  const auto folders = entries_of(fs::path(campaign) / "older");
  return folders && std::ranges::any_of(*folders, [&](const fs::path& folder) {
           std::error_code error;
           return fs::exists(folder / "slices" / slice_name_of_older(corpus.id), error);
         });
}

std::optional<u64> last_seed_of_older(const std::string& campaign) {
  std::optional<u64> last;
  const auto folders = entries_of(fs::path(campaign) / "older");
  if (!folders) return last;
  for (const fs::path& folder : *folders) {
    const auto slices = entries_of(folder / "slices");
    if (!slices) continue;
    for (const fs::path& slice : *slices) {
      const std::string name = slice.filename().string();
      u64 seed = 0;
      const auto read = std::from_chars(name.data(), name.data() + name.size(), seed);
      if (read.ec == std::errc{} && *read.ptr == '-') last = std::max(last.value_or(0), seed);
    }
  }
  return last;
}

}  // namespace iommucheck::oracle
