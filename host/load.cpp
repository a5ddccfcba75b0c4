// SPDX-License-Identifier: MIT
#include "host/load.h"

#include <fmt/format.h>

#include <cstddef>

#include "iommucheck/hooks.h"
#include "plugin/whole_struct.h"
#include "process/isolate.h"

namespace iommucheck::oracle {
namespace {

constexpr ObjectKind driver_object = {
    .entry = IOMMUCHECK_DRIVER_ENTRY_NAME,
    .header = "driver.h",
    .usage = "--driver takes 'builtin' or the path of a plug-in (a .so)"};
constexpr StructVersion driver_version = {.what = "driver",
                                          .type = "iommucheck_driver",
                                          .macro = "IOMMUCHECK_DRIVER_ABI",
                                          .abi = IOMMUCHECK_DRIVER_ABI,
                                          .first_size = IOMMUCHECK_DRIVER_SIZE_VER0};
static_assert(IOMMUCHECK_DRIVER_SIZE_VER0 ==
              offsetof(iommucheck_driver, reset) + sizeof(iommucheck_driver::reset));

std::unexpected<Error> bad(const std::string& path, std::string_view what) {
  return fail(ErrorCode::bad_input, fmt::format("{}: {}", path, what));
}

}  // namespace

Expected<iommucheck_driver> complete(const iommucheck_driver* given, const std::string& path) {
  if (given == nullptr) {
    return bad(path, IOMMUCHECK_DRIVER_ENTRY_NAME " returned NULL; it must return the driver");
  }
  const auto whole = whole_struct(given, driver_version);
  if (!whole) return bad(path, whole.error().message);
  iommucheck_driver driver = *whole;
  driver.size = sizeof driver;
  if (driver.name == nullptr) return bad(path, "its driver has no name; set name");
  if (driver.init == nullptr) return bad(path, "its driver has no init; every driver needs one");
  if (driver.reset == nullptr) return bad(path, "its driver has no reset; every driver needs one");
  constexpr u64 not_claimed =
      IOMMUCHECK_DRIVER_NO_TIME_OUTS | IOMMUCHECK_DRIVER_ANY_MEMORY_TYPE |
      IOMMUCHECK_DRIVER_ONE_DOMAIN_PER_DEVICE | IOMMUCHECK_DRIVER_CALLER_KEEPS_RANGES |
      IOMMUCHECK_DRIVER_CALLER_UNROLLS | IOMMUCHECK_DRIVER_ALLOCATIONS_SLEEP |
      IOMMUCHECK_DRIVER_TABLES_ONLY | IOMMUCHECK_DRIVER_BRING_UP_ONLY |
      IOMMUCHECK_DRIVER_STAGE_2_GIVEN | IOMMUCHECK_DRIVER_NO_GROUPS |
      IOMMUCHECK_DRIVER_PASSES_UNATTACHED | IOMMUCHECK_DRIVER_POLLS_EVENTS |
      IOMMUCHECK_DRIVER_ANY_EXECUTION | IOMMUCHECK_DRIVER_MAPS_ONE_TO_ONE;
  constexpr u64 known = IOMMUCHECK_DRIVER_CONCURRENT | IOMMUCHECK_DRIVER_PER_DEVICE_TABLES |
                        IOMMUCHECK_DRIVER_SCAN | IOMMUCHECK_DRIVER_HOOKS |
                        IOMMUCHECK_DRIVER_PAGE_SIZES | IOMMUCHECK_DRIVER_PAGE_REQUESTS |
                        IOMMUCHECK_DRIVER_SEVERAL_IOMMUS | IOMMUCHECK_DRIVER_IDENTITY_MAPPED |
                        IOMMUCHECK_DRIVER_TAKES_OVER | IOMMUCHECK_DRIVER_EACH_IOMMU | not_claimed;
  if ((driver.flags & ~known) != 0) {
    return bad(path, fmt::format("its driver has flags {:#x}, of which this program knows {:#x} "
                                 "only; clear the others",
                                 driver.flags, known));
  }
  return driver;
}

Expected<Plugin> Plugin::load(const std::string& path) {
  auto object = SharedObject::load(path, driver_object);
  if (!object) return bad(path, object.error().message);
  Plugin plugin;
  plugin.object_ = std::move(*object);
  const auto entry = reinterpret_cast<iommucheck_driver_entry_fn>(plugin.object_.entry());
  const auto driver = complete(entry(), path);
  if (!driver) return std::unexpected(driver.error());
  plugin.driver_ = std::make_unique<iommucheck_driver>(*driver);
  if (void* hooks = plugin.object_.find(IOMMUCHECK_HOOKS_ENTRY_NAME)) {
    const iommucheck_hooks* given = reinterpret_cast<iommucheck_hooks_entry_fn>(hooks)();
    if (given == nullptr || given->abi != IOMMUCHECK_HOOKS_ABI ||
        given->size < IOMMUCHECK_HOOKS_SIZE_VER0) {
      return bad(path,
                 "its hooks are of another version; build it again with this program's "
                 "`iommucheck cc`");
    }
    plugin.driver_->hooks = given;
  }
  return plugin;
}

Expected<std::string> Plugin::probe(const std::string& path, double seconds) {
  if (const auto checked = SharedObject::check_file(path, driver_object); !checked) {
    return bad(path, checked.error().message);
  }
  auto report = SharedReport::create();
  if (!report) return std::unexpected(report.error());
  const auto work = [&] {
    const auto plugin = load(path);
    const std::string text = plugin ? plugin->driver().name : plugin.error().message;
    report->add_finding(text);
    return plugin ? 0 : 1;
  };
  const auto outcome = run_isolated(*report, work, {.hang_seconds = seconds});
  if (!outcome) return std::unexpected(outcome.error());
  const auto texts = report->findings();
  if (outcome->ended != Ended::returned || texts.empty()) {
    return bad(path, fmt::format("{} while it was loaded; run its constructors and {} in a "
                                 "debugger{}{}",
                                 outcome->describe(), IOMMUCHECK_DRIVER_ENTRY_NAME,
                                 outcome->output.empty() ? "" : ". It said:\n", outcome->output));
  }
  if (outcome->result != 0) return fail(ErrorCode::bad_input, texts.front());
  return texts.front();
}

}  // namespace iommucheck::oracle
