// SPDX-License-Identifier: MIT
// Where traces of findings go: names that no other job and no earlier run has, and folders of one's
// own for what nobody asked to keep.
#pragma once

#include <string>

#include "base/error.h"

namespace iommucheck::oracle {

/// Whether files can be made in the folder, which is made where it is missing and taken away again
/// if only this look made it. environment, with what to do: `advice`, or to name another --out.
Expected<void> try_folder(const std::string& folder);
Expected<void> try_folder(const std::string& folder, const std::string& advice);

/// folder/NAME.trace.jsonl, or NAME-2, NAME-3, … where that is taken. The file is there then,
/// empty, so that it stays the caller's; a link is not followed. environment.
Expected<std::string> reserve_trace(const std::string& folder, const std::string& name);

/// A word of a command line as a shell wants it.
std::string shell_word(const std::string& word);
/// The command that shows a finding again: by its trace alone, or with the driver that is named.
std::string again_command(const std::string& driver, const std::string& backend,
                          const std::string& trace);

/// A folder that only this user may read, gone with the object and all that is in it.
class TemporaryFolder {
 public:
  static Expected<TemporaryFolder> create();
  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  ~TemporaryFolder();
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace iommucheck::oracle
