// SPDX-License-Identifier: MIT
// Locksteps for tests: with our driver, and with each of its broken twins.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "check/lockstep.h"
#include "check/sequence.h"
#include "host/load.h"
#include "impl/driver.h"
#include "tests/places.h"

namespace iommucheck::test {

inline const std::vector<std::string>& twins() {
  static const std::vector<std::string> names = {"unmap_no_tlbi", "tlbi_wrong_asid", "no_cmd_sync",
                                                 "table_freed_before_invalidation",
                                                 "map_failure_not_unrolled"};
  return names;
}
inline const std::vector<std::string>& process_twins() {
  static const std::vector<std::string> names = {
      "cd_valid_first",         "cfgi_cd_forgotten_at_unbind",
      "tlbi_before_cfgi_cd",    "pasid_freed_before_mm_exit",
      "pasid_freed_with_atc",   "bind_racing_exit",
      "unbind_dev_all_private", "asid_reused_without_tlbi"};
  return names;
}
/// Those that show on some machines only, or at the end of a driver's life.
inline const std::vector<std::string>& machine_twins() {
  static const std::vector<std::string> names = {"queue_without_wrap_bit",
                                                 "gbpa_never_set",
                                                 "gbpa_cleared_at_shutdown",
                                                 "privilege_forgotten",
                                                 "stalls_without_a_pasid",
                                                 "wrong_mair",
                                                 "leaf_not_cleaned",
                                                 "ste_not_cleaned",
                                                 "asid_shared_with_private",
                                                 "faults_left_at_detach",
                                                 "overflow_never_acknowledged",
                                                 "detach_without_atc_inv"};
  return names;
}
/// Of tables that a GPU walks by itself, and of tokens.
inline const std::vector<std::string>& walker_twins() {
  static const std::vector<std::string> names = {
      "dynamic_table_freed_at_unmap", "dynamic_ignores_its_master", "dynamic_wrong_ttbr0",
      "dynamic_unmap_not_ordered", "task_keeps_its_reference"};
  return names;
}
inline std::string museum(const std::string& name) {
  return test::in_build("museum/museum_") + name + ".so";
}
inline std::string example(const std::string& name) {
  return test::in_build("examples/") + name + ".so";
}

/// A driver that came up: ours, or that of a plug-in.
struct Booted {
  std::unique_ptr<oracle::Plugin> plugin;
  std::unique_ptr<oracle::Lockstep> lockstep;

  explicit Booted(const std::string& path = {}, const oracle::LockstepOptions& options = {}) {
    const iommucheck_driver* driver = impl::builtin_driver();
    if (!path.empty()) {
      auto loaded = oracle::Plugin::load(path);
      if (!loaded) throw std::runtime_error(loaded.error().message);
      plugin = std::make_unique<oracle::Plugin>(std::move(*loaded));
      driver = &plugin->driver();
    }
    lockstep = std::make_unique<oracle::Lockstep>(*driver, options);
    if (const std::string failed = lockstep->boot(); !failed.empty()) {
      throw std::runtime_error(failed);
    }
  }
  oracle::Lockstep* operator->() { return lockstep.get(); }
};

inline oracle::Sequence sequence_of(u64 seed, u64 number, u32 operations = 20) {
  oracle::Sequence sequence;
  oracle::make_sequence(seed, number, operations, sequence);
  return sequence;
}

}  // namespace iommucheck::test
