// SPDX-License-Identifier: MIT
// iommucheck_mutants, the engine of `./dev mutants`:
//   check ROOT              every fragment of ROOT/mutants/*.mutants is found once in ROOT
//   weave ROOT OUT          copies ROOT to OUT with all mutants woven in
//   weave-folder ROOT LISTS FOLDER OUT     of one folder of ROOT, with the mutants of
//                           LISTS/*.mutants
//   run ROOT BINARIES WORK [--only ID] [--folder F] [--every N] [--suite NAME] [--jobs N]
//                           [--equivalent] [--record]
//   list ROOT               id, file and what of each
// Exit status: 0 held; 1 a rate below the floor, or a survivor; 2 bad usage or lists; 3 the
// machine.
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "base/text.h"
#include "mutants/run.h"
#include "mutants/weave.h"

namespace {

using iommucheck::Error;
using iommucheck::ErrorCode;
using namespace iommucheck::mutants;

int usage(const std::string& what) {
  std::fprintf(stderr,
               "iommucheck_mutants: %s\nusage: iommucheck_mutants check ROOT | list ROOT | "
               "weave ROOT OUT |\n  weave-folder ROOT LISTS FOLDER OUT | run ROOT BINARIES WORK "
               "[--only ID] [--folder F] [--every N] "
               "[--suite NAME] "
               "[--jobs N] [--equivalent] [--record]\n",
               what.c_str());
  return 2;
}

int failed(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return error.code == ErrorCode::environment ? 3 : 2;
}

int check(const std::string& root, const std::vector<Mutant>& mutants) {
  const auto messages = misfits(root, mutants);
  for (const std::string& message : messages) std::fprintf(stderr, "%s\n", message.c_str());
  if (!messages.empty()) return 2;
  std::printf("%zu mutants, each fragment is found once\n", mutants.size());
  return 0;
}

/// "12" also names "12-split_ats".
bool is_named(const Mutant& mutant, const std::string& id) {
  return mutant.id == id || mutant.id.starts_with(id + "-");
}

int run_some(const std::vector<std::string>& arguments, std::vector<Mutant> mutants) {
  RunOptions options{.binaries = arguments[2], .work = arguments[3]};
  options.killers = arguments[1] + "/mutants/killers.list";
  options.jobs = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::string> only;
  std::string folder;
  iommucheck::u64 every = 1;
  for (std::size_t i = 4; i < arguments.size(); ++i) {
    const bool has_value = i + 1 < arguments.size();
    if (arguments[i] == "--equivalent") {
      options.equivalent = true;
    } else if (arguments[i] == "--record") {
      options.record = true;
    } else if (arguments[i] == "--only" && has_value) {
      only.push_back(arguments[++i]);
    } else if (arguments[i] == "--suite" && has_value) {
      options.suites.push_back(arguments[++i]);
    } else if (arguments[i] == "--folder" && has_value) {
      folder = arguments[++i];
    } else if (arguments[i] == "--every" && has_value) {
      const auto number = iommucheck::parse_number(arguments[++i]);
      if (!number || *number == 0) return usage("--every takes a number from 1 on");
      every = *number;
    } else if (arguments[i] == "--jobs" && has_value) {
      const auto jobs = iommucheck::parse_number(arguments[++i]);
      if (!jobs || *jobs == 0 || *jobs > 1024) return usage("--jobs takes 1 to 1024");
      options.jobs = static_cast<unsigned>(*jobs);
    } else {
      return usage("'" + arguments[i] + "' is no option, or has no value");
    }
  }
  for (const std::string& id : only) {
    const auto named = [&](const Mutant& mutant) { return is_named(mutant, id); };
    if (std::ranges::none_of(mutants, named)) return usage("there is no mutant " + id);
  }
  std::erase_if(mutants, [&](const Mutant& mutant) {
    const auto named = [&](const std::string& id) { return is_named(mutant, id); };
    const bool inside = mutant.file.starts_with(folder) || part_name(part_of(mutant)) == folder;
    return (!only.empty() && std::ranges::none_of(only, named)) || !inside;
  });
  iommucheck::u64 number = 0;
  std::erase_if(mutants, [&](const Mutant&) { return number++ % every != 0; });
  if (mutants.empty())
    return usage("no mutant is in '" + folder +
                 "', which is a folder, or specification, harness or driver");
  if (!only.empty()) options.equivalent = true;
  return run(mutants, options);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::size_t given = arguments.size();
  if (given < 2) return usage("nothing to do");
  const std::string& command = arguments[0];
  const std::string& root = arguments[1];
  if (command == "weave-folder" && given == 5) {
    const auto lists = read_folder(arguments[2]);
    if (!lists) return failed(lists.error());
    const auto woven = weave_folder(root, arguments[3], arguments[4], *lists);
    return woven ? 0 : failed(woven.error());
  }
  auto mutants = read_folder(root + "/mutants");
  if (!mutants) return failed(mutants.error());
  if (command == "check" && given == 2) return check(root, *mutants);
  if (command == "list" && given == 2) {
    for (const Mutant& m : *mutants) {
      std::printf("%-40s %-34s %s%s\n", m.id.c_str(), m.file.c_str(), m.what.c_str(),
                  m.equivalent.empty() ? "" : " (equivalent)");
    }
    return 0;
  }
  if (command == "weave" && given == 3) {
    const auto woven = weave_tree(root, arguments[2], *mutants);
    return woven ? 0 : failed(woven.error());
  }
  if (command == "run" && given >= 4) return run_some(arguments, std::move(*mutants));
  return usage("'" + command + "' is no command, or its arguments are wrong");
}
