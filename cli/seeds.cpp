// SPDX-License-Identifier: MIT
#include "cli/seeds.h"

#include <filesystem>
#include <fstream>

#include "base/text.h"
#include "cli/console.h"

namespace iommucheck::cli {

std::string plain_name(std::string_view id) {
  std::string name(id);
  for (char& c : name) {
    if (!is_digit(c) && !is_letter(c) && c != '-') c = '_';
  }
  return name;
}

int make_folder(std::string_view command, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return exit_held;
  return report(command,
                {ErrorCode::environment, folder + ": cannot be made; name another folder"});
}

int write_seed(std::string_view command, const std::string& folder, const std::string& name,
               std::string_view bytes) {
  const auto path = std::filesystem::path(folder) / name;
  std::ofstream stream(path, std::ios::binary);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  stream.close();
  if (stream) return exit_held;
  return report(command, {ErrorCode::environment, path.string() + ": cannot be written"});
}

}  // namespace iommucheck::cli
