// SPDX-License-Identifier: MIT
// Of targets that begin with the boot of a driver: the builtin one, or the plug-in of
// --driver=PATH.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "check/alone.h"

namespace iommucheck::fuzz {

inline std::string driver_of(int argc, char** argv) {
  constexpr std::string_view key = "--driver=";
  std::string driver = "builtin";
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument.starts_with(key)) driver = argument.substr(key.size());
  }
  return driver;
}

/// Whoever judges the driver, booted, for as long as the process lives; exit status 2 and a message
/// of the target where that fails.
template <class Judge>
Judge& booted(std::string_view target, const std::string& driver) {
  oracle::CheckOptions options;
  options.driver = driver;
  auto loaded = oracle::load_plugin(options);
  if (!loaded) {
    fmt::print(stderr, "{}: {}\n", target, loaded.error().message);
    std::exit(2);
  }
  static auto* const plugin = new oracle::LoadedPlugin(std::move(*loaded));
  static auto* const judge = new Judge(plugin->driver());
  if (const std::string failed = judge->boot(); !failed.empty()) {
    fmt::print(stderr, "{}: {}\n", target, failed);
    std::exit(2);
  }
  return *judge;
}

}  // namespace iommucheck::fuzz
