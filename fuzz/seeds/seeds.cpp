// SPDX-License-Identifier: MIT
// fuzz_seeds FOLDER: the first sequences of `check` as inputs of fuzz_api, for where the command is
// not built.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>

#include "check/sequence.h"
#include "operations/operation.h"

int main(int argc, char** argv) {
  using namespace iommucheck;
  constexpr u64 count = 500;
  constexpr u32 operations_max = 20;
  if (argc != 2) {
    fmt::print(stderr, "usage: fuzz_seeds FOLDER\n");
    return 2;
  }
  oracle::Sequence sequence;
  for (u64 number = 0; number < count; ++number) {
    oracle::make_sequence(1, number, operations_max, sequence);
    const auto bytes = fuzz::encode(sequence.operations);
    const std::string path = fmt::format("{}/check-{:04}", argv[1], number);
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) {
      fmt::print(stderr, "fuzz_seeds: cannot write {}\n", path);
      return 3;
    }
  }
  return 0;
}
