// SPDX-License-Identifier: MIT
#include "check/finding_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "base/text.h"

namespace iommucheck::oracle {

namespace {

constexpr const char* another_out =
    "traces of findings could not be written there: name another folder with --out";

std::unexpected<Error> cannot(const std::string& path, const std::string& why,
                              const std::string& advice = another_out) {
  return fail(ErrorCode::environment, fmt::format("{}: {}; {}", path, why, advice));
}

}  // namespace

Expected<void> try_folder(const std::string& folder) { return try_folder(folder, another_out); }

Expected<void> try_folder(const std::string& folder, const std::string& advice) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(folder, error);
  if (error) return cannot(folder, error.message(), advice);
  std::string probe = folder + "/.iommucheck-XXXXXX";
  const int file = ::mkostemp(probe.data(), O_CLOEXEC);
  if (file < 0) return cannot(folder, std::strerror(errno), advice);
  ::close(file);
  ::unlink(probe.c_str());
  if (made) std::filesystem::remove(folder, error);  // only if it is empty
  return {};
}

Expected<std::string> reserve_trace(const std::string& folder, const std::string& name) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return cannot(folder, error.message());
  constexpr int names_max = 100'000;
  for (int n = 1; n < names_max; ++n) {
    std::string path =
        fmt::format("{}/{}{}.trace.jsonl", folder, name, n == 1 ? "" : fmt::format("-{}", n));
    const int file =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file >= 0) {
      ::close(file);
      return path;
    }
    if (errno != EEXIST) return cannot(path, std::strerror(errno));
  }
  return cannot(folder, fmt::format("it holds {} traces {}", names_max - 1, name));
}

std::string shell_word(const std::string& word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](char c) {
    return is_letter(c) || is_digit(c) || std::string_view("-./:=,+@%").contains(c);
  });
  if (plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string again_command(const std::string& driver, const std::string& backend,
                          const std::string& trace) {
  std::string text = "iommucheck replay ";
  if (!driver.empty()) text += fmt::format("--driver {} ", shell_word(driver));
  if (!backend.empty()) text += fmt::format("--backend {} ", shell_word(backend));
  return text + shell_word(trace);
}

Expected<TemporaryFolder> TemporaryFolder::create() {
  std::error_code error;
  auto where = std::filesystem::temp_directory_path(error);
  if (error) where = "/tmp";
  std::string path = (where / "iommucheck-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    return fail(ErrorCode::environment,
                fmt::format("{}: {}; set TMPDIR to a folder for temporary files", path,
                            std::strerror(errno)));
  }
  return TemporaryFolder(std::move(path));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace iommucheck::oracle
