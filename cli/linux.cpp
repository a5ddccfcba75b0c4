// SPDX-License-Identifier: MIT
// iommucheck linux DIR [--base REV]: builds the tree's driver as a plug-in, by a script of
// examples/drivers/linux, and checks it; with a base, findings of both are none.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/input.h"
#include "check/alone.h"
#include "check/finding_files.h"
#include "check/finding_kind.h"
#include "check/given.h"
#include "check/known_findings.h"
#include "cli/check_settings.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/program.h"
#include "cli/reports.h"
#include "trace/file.h"

namespace iommucheck::cli {
namespace {

namespace fs = std::filesystem;

/// What `git bisect run` skips.
constexpr int does_not_build = 125;

// Pages are of 4 KiB, and the driver wants a command queue of more than 64 entries: other machines
// it is not for. Nobody stalls (STALL_MODEL 1): the driver sets CD.S for each device that can,
// whether anybody asks for its faults or not, and each fault would be a finding.
constexpr const char* linux_machine = "drawn,gran4k=1,cmdqs=8,stall=1";
constexpr u32 linux_findings_max = 20;
/// What of a Linux tree takes long to write, and nothing of the IOMMUs is made of: two thirds of
/// its files.
constexpr const char* not_for_iommus[] = {
    "Documentation/**/*.rst", "Documentation/**/*.yaml", "Documentation/**/*.txt",
    "arch/*/boot/dts/**",     "drivers/[!i]*/**/*.[ch]", "drivers/i[!o]*/**/*.[ch]",
    "sound/**/*.[ch]",        "tools/perf/**",           "tools/testing/**"};
/// Of as many as are told in the end, so many times that are held against a base at a time.
constexpr u32 linux_held_at_a_time = 2;
/// How often that is done: behind what was known then, something else may show.
constexpr int linux_rounds = 8;
/// So many other findings of the base in one case are passed over.
constexpr int linux_others_of_base = 8;
constexpr double linux_hang_seconds = 20;

class Linux {
 public:
  explicit Linux(const LinuxCommand& options) : options_(options), out_(options.out) {}

  int run() {
    std::error_code error;
    fs::create_directories(out_, error);
    if (error) return ended({ErrorCode::environment, options_.out + ": " + error.message()});
    if (auto found = find_script(); !found) return ended(found.error());
    if (auto found = find_sequences(); !found) return ended(found.error());
    const std::string plugin = (out_ / "linux.so").string();
    if (!build(options_.tree, plugin, "kbuild")) return not_built(options_.tree);
    CheckCommand check = check_of(plugin);
    check.known = options_.known.empty() ? known_of_version() : options_.known;
    if (!options_.base.empty()) {
      if (auto judged = judge_base(check); !judged) return ended(judged.error());
      if (base_is_not_built_) return not_built(options_.tree + " at " + options_.base);
    }
    return run_check(check);
  }

 private:
  int ended(const Error& error) const {
    return ended_by(error, report_of("linux", options_.tree, {}), options_.reports,
                    options_.format);
  }
  int not_built(const std::string& what) const {
    (void)ended({ErrorCode::bad_input, what + " does not build (above): it is not judged"});
    return does_not_build;
  }

  Expected<void> find_script() {
    const char* named = std::getenv("IOMMUCHECK_LINUX_BUILD");
    script_ = !options_.build.empty() ? options_.build : named != nullptr ? named : "";
    if (!script_.empty()) {
      is_stand_in_ = true;
      script_ = fs::absolute(script_);
      return {};
    }
    script_ = shipped("examples/drivers/linux/build.sh");
    if (!script_.empty()) return {};
    return fail(
        ErrorCode::environment,
        "examples/drivers/linux/build.sh is neither beside the installed program "
        "(share/iommucheck) nor in its tree: install all of it, or name a script (--build)");
  }

  /// What random sequences seldom come to: FILE.ops of a folder `sequences` beside the script.
  Expected<void> find_sequences() {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(script_.parent_path() / "sequences", error)) {
      if (entry.path().extension() == ".ops") sequences_.push_back(entry.path().string());
    }
    std::ranges::sort(sequences_);
    auto read = std::make_shared<std::vector<oracle::GivenCase>>();
    for (const std::string& path : sequences_) {
      auto one = oracle::read_given(path);
      if (!one) return std::unexpected(std::move(one.error()));
      read->push_back(std::move(*one));
    }
    if (!read->empty()) given_ = std::move(read);
    return {};
  }

  /// Whether it was built. What kbuild made of another revision is thrown away before.
  bool build(const fs::path& tree, const std::string& plugin, const std::string& folder) const {
    const fs::path work = out_ / folder;
    const std::string revision =
        output_of({"git", "-C", tree.string(), "rev-parse", "HEAD"}).value_or("none");
    const fs::path note = out_ / (folder + ".revision");
    std::error_code error;
    const auto noted = read_whole(note.string(), 4096);
    if (!noted || *noted != revision) fs::remove_all(work, error);
    fs::remove(plugin, error);
    fs::create_directories(work, error);
    if (!trace::write_file(note.string(), revision)) return false;
    const int status =
        run_program("linux", {"/bin/bash", script_.string(), tree.string(), plugin, work.string()},
                    {{"IOMMUCHECK", this_program().string()}});
    return status == 0 && fs::exists(plugin, error);
  }

  /// The file of the tree's version, or of the last one before it that something is known of.
  [[nodiscard]] std::string known_of_version() const {
    if (is_stand_in_) return {};
    const auto said = output_of({"make", "-s", "-C", options_.tree, "kernelversion"});
    std::pair<int, int> version{0, 0};
    if (!said || std::sscanf(said->c_str(), "%d.%d", &version.first, &version.second) != 2) {
      return {};
    }
    std::vector<std::pair<std::pair<int, int>, std::string>> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(script_.parent_path() / "known", error)) {
      std::pair<int, int> of{0, 0};
      const std::string name = entry.path().filename().string();
      if (std::sscanf(name.c_str(), "%d.%d.json", &of.first, &of.second) == 2) {
        files.emplace_back(of, entry.path().string());
      }
    }
    if (files.empty()) return {};
    std::ranges::sort(files);
    const auto next =
        std::ranges::find_if(files, [&](const auto& file) { return file.first > version; });
    return next == files.begin() ? files.front().second : std::prev(next)->second;
  }

  [[nodiscard]] CheckCommand check_of(const std::string& plugin) const {
    CheckCommand check;
    check.format = options_.format;
    check.reports = options_.reports;
    check.driver = plugin.starts_with('/') ? plugin : "./" + plugin;
    check.files = sequences_;
    check.machine = linux_machine;
    check.seed = options_.seed.value_or(1);
    check.seconds = options_.seconds;
    check.runs = options_.runs.value_or(options_.seconds ? 0 : 4000);
    check.jobs = options_.jobs;
    check.hang_seconds = linux_hang_seconds;
    check.findings = options_.findings.value_or(linux_findings_max);
    check.out = options_.out;
    return check;
  }

  /// Whether the base does that, at the same calls. What else it does there is passed over.
  [[nodiscard]] bool is_of_base(const oracle::Violation& finding, const std::string& base,
                                const oracle::KnownFile& known) const {
    if (finding.trace_path.empty()) return false;
    oracle::CheckOptions settings;
    settings.driver = base;
    settings.hang_seconds = linux_hang_seconds;
    settings.today = oracle::today();
    settings.known = std::make_shared<const oracle::KnownFile>(known);
    for (int others = 0; others < linux_others_of_base && !interrupted(); ++others) {
      const auto again = oracle::run_cases_of(finding.trace_path, settings);
      if (!again) return false;
      const oracle::Alone& end = again->end;
      if (end.outcome.ended != oracle::Ended::returned) {
        return oracle::tells_of(finding, end.outcome);
      }
      if (!end.broken) return false;
      const u64 key = oracle::key_of(*end.broken);
      if (key == oracle::key_of(finding)) return true;
      settings.told.push_back(key);
    }
    return false;
  }

  /// What `check` finds and the base does too becomes known to `check`.
  Expected<void> judge_base(CheckCommand& check) {
    auto commit = output_of({"git", "-C", options_.tree, "rev-parse", "--verify", "--quiet",
                             options_.base + "^{commit}"});
    if (!commit) {
      return fail(ErrorCode::bad_input,
                  fmt::format("--base {}: {} is no repository, or has no such revision",
                              options_.base, options_.tree));
    }
    commit->resize(std::min(commit->size(), commit->find_first_of("\r\n")));
    if (auto taken = take_base(*commit); !taken || base_is_not_built_) return taken;
    oracle::KnownFile known;
    known.of = oracle::KnownFile::Subject::driver;
    if (!check.known.empty()) {
      auto file = oracle::read_known(check.known, oracle::KnownFile::Subject::driver);
      if (!file) return std::unexpected(std::move(file.error()));
      known = std::move(*file);
    }
    auto of_both = find_of_both(check, known);
    if (!of_both) return std::unexpected(std::move(of_both.error()));
    check.known = (out_ / "base.json").string();
    check.known_quietly = true;
    if (options_.format == Format::text) {
      fmt::print("{} beside {}: what both do is no finding ({} kinds, {})\n", options_.tree,
                 options_.base, known.entries.size(), check.known);
    }
    return trace::write_file(check.known, oracle::known_text(known));
  }

  /// Adds to `known` what both do, until what is found is of the change alone.
  Expected<void> find_of_both(const CheckCommand& check, oracle::KnownFile& known) const {
    auto traces = oracle::TemporaryFolder::create();
    if (!traces) return std::unexpected(std::move(traces.error()));
    const std::string base = plugin_of_base();
    for (int round = 0; round < linux_rounds && !interrupted(); ++round) {
      oracle::CheckOptions changed = check_settings(check);
      changed.given = given_;
      changed.findings_max = linux_held_at_a_time * check.findings;
      changed.shrink = false;
      changed.today = oracle::today();
      changed.known = std::make_shared<const oracle::KnownFile>(known);
      changed.out_directory = traces->path();
      auto seen = oracle::run_check(changed);
      if (!seen) return std::unexpected(std::move(seen.error()));
      std::erase_if(seen->findings, [&](const oracle::Violation& finding) {
        return !is_of_base(finding, base, known);
      });
      if (seen->findings.empty()) break;
      known = oracle::known_after(changed, *seen);
    }
    for (oracle::KnownFinding& entry : known.entries) {
      if (entry.why.starts_with("TO DO: ")) entry.why = options_.base + " does it too";
    }
    return {};
  }

  [[nodiscard]] std::string plugin_of_base() const {
    const std::string name = (out_ / "base.so").string();
    return name.starts_with('/') ? name : "./" + name;
  }

  /// The files of the base, beside the tree, which stays as it is; and its plug-in. Those of the
  /// last run stay where that was of the same base.
  Expected<void> take_base(const std::string& commit) {
    const fs::path tree = out_ / "base";
    const std::string note = (out_ / "base.revision").string();
    const auto noted = read_whole(note, 4096);
    if (!noted || *noted != commit || !fs::is_directory(tree)) {
      std::error_code error;
      fs::remove(note, error);
      fs::remove_all(tree, error);
      // Another base has another folder for what kbuild makes.
      fs::remove_all(out_ / "base.kbuild", error);
      fs::create_directories(tree, error);
      std::string line =
          fmt::format("git -C {} archive {} -- .", oracle::shell_word(options_.tree), commit);
      for (const char* path : not_for_iommus) {
        line += " " + oracle::shell_word(std::string(":(exclude,glob)") + path);
      }
      line += " | tar -x -C " + oracle::shell_word(tree.string());
      if (run_program("linux", {"/bin/bash", "-o", "pipefail", "-c", line}) != 0) {
        return fail(ErrorCode::environment,
                    fmt::format("the files of {} cannot be written to {} (above)", options_.base,
                                tree.string()));
      }
      if (auto written = trace::write_file(note, commit); !written) return written;
    }
    base_is_not_built_ = !build(tree, plugin_of_base(), "base.kbuild");
    return {};
  }

  const LinuxCommand& options_;
  fs::path out_;
  fs::path script_;
  std::vector<std::string> sequences_;
  std::shared_ptr<const std::vector<oracle::GivenCase>> given_;  ///< these, read
  bool is_stand_in_ = false;
  bool base_is_not_built_ = false;
};

}  // namespace

int run_linux(const LinuxCommand& options) { return Linux(options).run(); }

}  // namespace iommucheck::cli
