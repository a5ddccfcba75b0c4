// SPDX-License-Identifier: MIT
#include "cli/skeleton.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/console.h"
#include "cli/embedded.h"
#include "report/known.h"

namespace iommucheck::cli {
namespace {

std::string embedded(std::string_view name) {
  const auto files = embedded_files();
  const auto file = std::ranges::find(files, name, &EmbeddedFile::name);
  return file == files.end() ? std::string() : std::string(file->text);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

SkeletonFile script(const std::string& name, const std::string& kind, std::string_view says,
                    bool may_exist = false) {
  return {name + ".sh", embedded("cli/skeleton/" + name + "-" + kind + ".sh"), says, may_exist};
}

SkeletonFile header(const std::string& name) {
  return {"include/iommucheck/" + name, embedded("include/iommucheck/" + name), {}};
}

SkeletonFile known(oracle::KnownFile::Subject of, const std::string& subject, bool may_exist) {
  oracle::KnownFile file;
  file.of = of;
  file.subject = subject;
  // The version that the example gives itself.
  if (of == oracle::KnownFile::Subject::device) file.version = "1.0";
  return {"known.json", oracle::known_text(file),
          "what is known to be wrong and stays: nothing yet", may_exist};
}

constexpr std::string_view skeleton_builds = "builds it", skeleton_judges = "judges it";

/// The lines of its header that name files of this tree say what they are here.
std::string driver_source(const std::string& name) {
  std::string text = embedded("examples/simple_driver.c");
  text = replaced(std::move(text), "\"simple_driver\"", "\"" + name + "\"");
  text = replaced(std::move(text),
                  " *     iommucheck check --driver ./simple_driver_buggy.so    what forgetting a "
                  "TLBI looks like\n",
                  "");
  return replaced(std::move(text),
                  "iommucheck check --driver ./simple_driver.so          every rule holds",
                  "sh build.sh && sh check.sh          every rule holds");
}

}  // namespace

std::vector<SkeletonFile> skeleton_of(std::string_view kind, const std::string& name) {
  using Subject = oracle::KnownFile::Subject;
  if (kind == "driver") {
    return {{"driver.c", driver_source(name),
             "a complete driver: put yours in the place of its functions, one by one"},
            script("build", "driver", skeleton_builds),
            script("check", "driver", skeleton_judges),
            known(Subject::driver, name, false)};
  }
  if (kind == "device") {
    return {
        {"device.c",
         replaced(embedded("examples/devices/minimal_device.c"), "\"minimal\"", "\"" + name + "\""),
         "a complete, small SMMU: put yours in its place"},
        script("build", "device", skeleton_builds),
        script("check", "device", skeleton_judges),
        known(Subject::device, name, false),
        header("device.h"),
        header("words.h")};
  }
  if (kind == "backend") {
    return {
        {"riscv_backend.c",
         replaced(embedded("examples/backends/riscv_backend.c"), "\"riscv\"", "\"" + name + "\""),
         "a complete backend of an IOMMU like RISC-V's: put yours in its place"},
        {"riscv_hardware.c", embedded("examples/backends/riscv_hardware.c"),
         "the model of its hardware"},
        {"riscv_users.c", embedded("examples/backends/riscv_users.c"),
         "what users with page tables of their own write"},
        {"riscv_backend.h", embedded("examples/backends/riscv_backend.h"), "what both know of it"},
        {"model.h", embedded("examples/backends/model.h"),
         "what models have in common: the history of memory, and what caches may keep of it"},
        script("build", "backend", skeleton_builds),
        script("check", "backend", skeleton_judges),
        header("backend.h"),
        header("driver.h"),
        header("words.h")};
  }
  if (kind == "ci") {
    const auto workflow = [](const std::string& file) {
      return replaced(embedded("cli/skeleton/" + file), "@VERSION@",
                      replaced(version_text(), "iommucheck ", ""));
    };
    return {{".github/workflows/iommucheck.yml", workflow("github.yml"), "for GitHub"},
            {".gitlab-ci.yml", workflow("gitlab.yml"), "for GitLab"},
            script("build", "driver", "what both build: make it yours", true),
            script("check", "driver", "and how they judge it", true),
            known(Subject::driver, name, true)};
  }
  return {};
}

std::string skeleton_name(std::string_view folder) {
  std::string name;
  for (const char c : folder) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper || plain) {
      name += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
    if (name.size() == 24) break;
  }
  while (!name.empty() && name.back() == '_') name.pop_back();
  return name.empty() ? "mine" : name;
}

}  // namespace iommucheck::cli
