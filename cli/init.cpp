// SPDX-License-Identifier: MIT
// iommucheck init driver|device|backend|ci [DIR].
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <filesystem>

#include "check/finding_files.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/program.h"
#include "cli/skeleton.h"
#include "trace/file.h"

namespace iommucheck::cli {
namespace {

namespace fs = std::filesystem;

/// Whether a shell finds `iommucheck`.
bool is_in_path() {
  const char* value = std::getenv("PATH");
  const std::string path = value == nullptr ? "" : value;
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    std::error_code error;
    if (end > at && fs::exists(fs::path(path.substr(at, end - at)) / "iommucheck", error)) {
      return true;
    }
    at = end + 1;
  }
  return false;
}

/// What the scripts need said in front of them to find the program.
std::string in_front() {
  if (is_in_path()) return {};
  return "IOMMUCHECK=" + oracle::shell_word(this_program().string()) + " ";
}

Expected<void> write(const fs::path& folder, const SkeletonFile& file) {
  const fs::path path = folder / file.path;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    return fail(ErrorCode::environment,
                fmt::format("{}: {}", path.parent_path().string(), error.message()));
  }
  if (auto written = trace::write_file(path.string(), file.text); !written) return written;
  if (!file.path.ends_with(".sh")) return {};
  fs::permissions(path, fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec,
                  fs::perm_options::add, error);
  return {};
}

void say_next(const InitCommand& options, const fs::path& folder) {
  const std::string place = folder == "." ? "" : (folder / "").string();
  const std::string front = in_front();
  fmt::print("\nNext:\n  {}sh {}\n  {}sh {}\n", front, oracle::shell_word(place + "build.sh"),
             front, oracle::shell_word(place + "check.sh"));
  if (options.kind == "ci") {
    fmt::print(
        "\nThe workflows run these two; they are read in the root of a repository, and say in "
        "IOMMUCHECK_PACKAGE where the package lies (docs/ci.md).\n");
  } else {
    fmt::print("Then, for your CI: iommucheck init ci{}{}\n", folder == "." ? "" : " ",
               folder == "." ? "" : oracle::shell_word(folder.string()));
  }
}

}  // namespace

int run_init(const InitCommand& options) {
  const fs::path folder = options.folder.empty() ? "." : options.folder;
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(folder, error);
  const auto files = skeleton_of(options.kind, skeleton_name(whole.filename().string()));
  std::vector<std::string> there;
  for (const SkeletonFile& file : files) {
    if (!file.may_exist && fs::exists(fs::symlink_status(folder / file.path, error))) {
      there.push_back((folder / file.path).string());
    }
  }
  if (!there.empty()) {
    return report("init", {ErrorCode::bad_input,
                           fmt::format("{} {} already: nothing was written; name another folder",
                                       fmt::join(there, ", "),
                                       there.size() == 1 ? "is there" : "are there")});
  }
  for (const SkeletonFile& file : files) {
    const std::string path = (folder / file.path).string();
    const bool kept = fs::exists(fs::symlink_status(folder / file.path, error));
    if (!kept) {
      if (auto written = write(folder, file); !written) return report("init", written.error());
    }
    fmt::print("{} {}{}{}\n", kept ? "kept   " : "written", path, file.says.empty() ? "" : ": ",
               file.says);
  }
  say_next(options, folder);
  return exit_held;
}

}  // namespace iommucheck::cli
