// SPDX-License-Identifier: MIT
// iommucheck cc: clang, with hooks at every store to memory that the SMMU may read.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <string>
#include <vector>

#include "cli/embedded.h"
#include "cli/options.h"
#include "cli/program.h"
#include "monitor/verdict.h"
#include "trace/file.h"

namespace iommucheck::cli {
namespace {

namespace fs = std::filesystem;
using oracle::Verdict;

constexpr std::string_view sources = "cc/";
constexpr std::string_view headers = "include/iommucheck/";

/// A folder of its own, which goes when this does.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "iommucheck-cc-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool has(const std::vector<std::string>& arguments, std::string_view one) {
  return std::ranges::find(arguments, one) != arguments.end();
}

/// What the headers and the hooks are, written down for the compiler.
Expected<void> write_sources(const std::string& folder) {
  for (const EmbeddedFile& file : embedded_files()) {
    std::string_view name = file.name;
    if (name.starts_with(headers)) {
      name.remove_prefix(std::string_view("include/").size());
    } else if (!name.starts_with(sources)) {
      continue;
    }
    const fs::path path = fs::path(folder) / name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (auto written = trace::write_file(path.string(), file.text); !written) return written;
  }
  return {};
}

/// What the arguments may say otherwise. A variable without a value has the same one in each run:
/// else what a driver makes of it would differ from one run to the next (STATE_RETURNS).
const std::vector<std::string> before = {"-gline-tables-only", "-fPIC",
                                         "-ftrivial-auto-var-init=pattern"};

/// Behind the arguments, because a -O there would undo some of it. Every access that the compiler
/// makes calls a hook: volatile ones apart from others, reads before writes too, and no accesses
/// wider than hooks know (a hook that is not there is no error: the access is not seen).
const std::vector<std::string> behind = {"-fsanitize=thread",
                                         "-mllvm",
                                         "-tsan-distinguish-volatile=1",
                                         "-mllvm",
                                         "-tsan-instrument-read-before-write=1",
                                         "-fno-vectorize",
                                         "-fno-slp-vectorize",
                                         "-Wno-unused-command-line-argument"};

/// For `check --coverage`: a counter for each block, functions once each. Clang's own option of
/// that name is for gcov.
constexpr std::string_view counted = "--coverage";
constexpr const char* counters = "-fsanitize-coverage=inline-8bit-counters,pc-table";

/// The names that a driver without builtins calls.
const std::vector<std::string> linked = {"-Wl,--wrap=memset", "-Wl,--wrap=memcpy",
                                         "-Wl,--wrap=memmove"};

}  // namespace

int run_cc(const CcCommand& options) {
  const int environment = oracle::exit_status(Verdict::environment);
  const Folder folder;
  if (folder.path().empty()) {
    fmt::print(stderr, "iommucheck cc: no folder for temporary files: {}\n", std::strerror(errno));
    return environment;
  }
  if (const auto written = write_sources(folder.path()); !written) {
    fmt::print(stderr, "iommucheck cc: {}\n", written.error().message);
    return environment;
  }
  const char* named = std::getenv("IOMMUCHECK_CC");
  const std::string compiler = named != nullptr ? named : "clang-19";
  const bool links = !has(options.arguments, "-c") && !has(options.arguments, "-S") &&
                     !has(options.arguments, "-E") && !has(options.arguments, "-fsyntax-only");
  if (links && !has(options.arguments, "-shared")) {
    fmt::print(stderr,
               "iommucheck cc: it makes plug-ins and objects: add -shared (or -c); a program of "
               "its own has nobody to tell its stores\n");
    return oracle::exit_status(Verdict::undecided);
  }
  const std::string include = "-I" + folder.path();
  std::vector<std::string> command = {compiler};
  command.insert(command.end(), before.begin(), before.end());
  std::ranges::copy_if(options.arguments, std::back_inserter(command),
                       [](const std::string& one) { return one != counted; });
  if (has(options.arguments, counted)) {
    command.emplace_back(counters);
    command.emplace_back("-fno-inline");
  }
  command.insert(command.end(), behind.begin(), behind.end());
  command.push_back(include);
  if (links) {
    const std::string hooks = folder.path() + "/hooks.o";
    const int compiled = run_program("cc", {compiler, "-std=gnu11", "-O2", "-fPIC", "-c", include,
                                            folder.path() + "/cc/hooks.c", "-o", hooks});
    if (compiled != 0) return environment;
    command.push_back(hooks);
    command.insert(command.end(), linked.begin(), linked.end());
  }
  const int status = run_program("cc", command);
  return status == 127 ? environment : status;
}

}  // namespace iommucheck::cli
