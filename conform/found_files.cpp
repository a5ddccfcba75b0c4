// SPDX-License-Identifier: MIT
#include "conform/found_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "conform/case_program.h"
#include "conform/case_qtest.h"
#include "conform/dut/peer.h"
#include "spec/rules.h"
#include "trace/file.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

std::string FoundFiles::trace_folder() const {
  return folder_ + "/" + identity_.name + "-" + short_version();
}

std::string FoundFiles::short_version() const {
  const std::string& version = identity_.version;
  return version.substr(0, version.rfind('.'));
}

Expected<std::string> FoundFiles::write_finding(const trace::Trace& trace,
                                                const Divergence& found) const {
  if (!wanted()) return std::string();
  const std::string path = trace_folder() + "/" + suggested_id(found.rule, found.called) + ".jsonl";
  std::error_code error;
  std::filesystem::create_directories(trace_folder(), error);
  if (auto ok = trace::write_trace(trace, path); !ok) return std::unexpected(ok.error());
  if (auto ok = write_program(trace, found); !ok) return std::unexpected(ok.error());
  return path;
}

Expected<void> FoundFiles::write_program(const trace::Trace& trace, const Divergence& found) const {
  const bool is_qemu = identity_.name == "qemu";
  if (!is_qemu && !names_a_peer(device_)) return {};
  if (identity_.delegates) return {};  // a program has no SMMU of a host
  const spec::RuleInfo& rule = spec::rule_info(found.rule);
  const std::string about =
      fmt::format("{} [{}]: {}\n{}\nThe device: {} {}", rule.name, rule.section, rule.text,
                  found.statement, identity_.name, identity_.version);
  const auto text = is_qemu ? case_qtest(trace, about) : case_program(trace, about);
  if (!text) return std::unexpected(text.error());
  return trace::write_file(trace_folder() + "/" + suggested_id(found.rule, found.called) +
                               (is_qemu ? ".qtest.sh" : ".c"),
                           *text);
}

Expected<void> FoundFiles::write_known(const KnownFile& known,
                                       std::span<const KnownFinding> vanished,
                                       std::span<const FoundDivergence> found) const {
  if (!wanted()) return {};
  KnownFile file = known;
  file.subject = identity_.name;
  file.version = short_version();
  file.id = identity_.id;
  std::erase_if(file.entries, [&](const KnownFinding& old) {
    return std::ranges::any_of(vanished,
                               [&](const KnownFinding& gone) { return gone.id == old.id; });
  });
  for (const FoundDivergence& one : found) {
    // One that has expired stays in the file as it is, to be looked at.
    const Divergence& its = one.divergence;
    if (!one.known_id.empty() || known.find(its.rule, its.called) != nullptr) continue;
    file.entries.push_back({.id = suggested_id(its.rule, its.called),
                            .rule = std::string(spec::rule_name(its.rule)),
                            .kind = its.called,
                            .section = std::string(spec::rule_info(its.rule).section),
                            .why = "TO DO: " + its.statement,
                            .correct = std::string(spec::rule_info(its.rule).text)});
  }
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  return trace::write_file(trace_folder() + ".json", known_text(file));
}

Expected<void> FoundFiles::write_cases(const KnownCases& shown) const {
  if (!wanted()) return {};
  std::error_code error;
  std::filesystem::create_directories(trace_folder(), error);
  return trace::write_file(trace_folder() + "/cases.list", shown.text());
}

}  // namespace iommucheck::oracle
