// SPDX-License-Identifier: MIT
// What was proved before. A proof has no input but the executable that it is part of and the
// solver, so that what the same two have shown need not be shown again: `./dev test` where nothing
// has changed that a proof is about.
#pragma once

#include <filesystem>
#include <string>

#include "base/types.h"

namespace iommucheck::proofs::test {

class ProvedBefore {
 public:
  /// Of the executable with that identity (identity_of_object) and that solver. `folder` is made if
  /// need be; empty: nothing is remembered.
  ProvedBefore(std::filesystem::path folder, u64 executable, const std::string& solver);
  /// Of this executable, in the folder that IOMMUCHECK_PROVED names.
  static ProvedBefore of_this_executable();

  /// The proof held, and its twins were refuted.
  [[nodiscard]] bool has(const std::string& proof) const;
  void note(const std::string& proof) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace iommucheck::proofs::test
