// SPDX-License-Identifier: MIT
#include "cli/driver_cases.h"

#include <fmt/format.h>

#include <cstdio>

#include "check/given.h"

namespace iommucheck::cli {

Expected<std::vector<oracle::Sequence>> read_corpus(std::string_view command,
                                                    const std::string& folder) {
  std::vector<oracle::Sequence> sequences;
  if (folder.empty()) return sequences;
  auto files = oracle::read_folder(folder);
  if (!files) return std::unexpected(files.error());
  for (const std::string& unread : files->unread) {
    fmt::print(stderr, "iommucheck {}: {}\n", command, unread);
  }
  if (files->cases.empty()) {
    return fail(ErrorCode::bad_input, folder + ": there is no sequence of check in it");
  }
  for (oracle::GivenCase& one : files->cases) sequences.push_back(std::move(one.sequence));
  return sequences;
}

}  // namespace iommucheck::cli
