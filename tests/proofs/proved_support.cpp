// SPDX-License-Identifier: MIT
#include "tests/proofs/proved_support.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <utility>

#include "process/elf_identity.h"
#include "proofs/proofs.h"

namespace iommucheck::proofs::test {

ProvedBefore::ProvedBefore(std::filesystem::path folder, u64 executable, const std::string& solver)
    : folder_(std::move(folder)) {
  if (folder_.empty()) return;
  folder_ /= fmt::format("{:016x} {}", executable, solver);
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) folder_.clear();
}

ProvedBefore ProvedBefore::of_this_executable() {
  const char* folder = std::getenv("IOMMUCHECK_PROVED");
  const auto executable = oracle::identity_of_object("/proc/self/exe");
  if (folder == nullptr || !executable) return {{}, 0, {}};
  return {folder, *executable, solver_version()};
}

bool ProvedBefore::has(const std::string& proof) const {
  return !folder_.empty() && std::filesystem::exists(folder_ / proof);
}

void ProvedBefore::note(const std::string& proof) const {
  if (!folder_.empty()) std::ofstream(folder_ / proof).flush();
}

}  // namespace iommucheck::proofs::test
