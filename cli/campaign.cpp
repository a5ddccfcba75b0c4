// SPDX-License-Identifier: MIT
#include "cli/campaign.h"

#include <fmt/format.h>

#include <filesystem>

#include "check/finding_files.h"
#include "check/given.h"
#include "check/known_findings.h"
#include "check/sequence.h"
#include "cli/console.h"
#include "cli/seeds.h"
#include "trace/file.h"

namespace iommucheck::cli {

using oracle::CheckResult;

namespace {

constexpr u64 default_seeds = 2000;

/// The findings that --allow names, as entries behind those of the file.
Expected<void> add_allowed(const CheckCommand& options, oracle::CheckOptions& settings) {
  if (options.allow.empty()) return {};
  oracle::KnownFile known;
  known.of = oracle::KnownFile::Subject::driver;
  known.path = "--allow";
  if (settings.known) known = *settings.known;
  for (const std::string& allowed : options.allow) {
    const std::size_t colon = allowed.find(':');
    const std::string rule = allowed.substr(0, colon);
    if (!spec::find_rule(rule)) {
      return fail(
          ErrorCode::bad_input,
          fmt::format("--allow {}: there is no rule '{}' (iommucheck rules)", allowed, rule));
    }
    const std::string where = colon == std::string::npos ? "" : allowed.substr(colon + 1);
    known.entries.push_back({.id = fmt::format("allow-{}", ++settings.allowed),
                             .rule = rule,
                             .kind = where.ends_with('*') ? where : where + "*",
                             .section = {},
                             .why = "--allow " + allowed,
                             .correct = {}});
  }
  settings.known = std::make_shared<const oracle::KnownFile>(std::move(known));
  return {};
}

std::string known_line(const oracle::KnownSeen& known) {
  const std::string what =
      fmt::format("{:<24} {} [{}]", known.entry.rule, known.entry.kind, known.entry.id);
  if (known.expired) {
    return fmt::format("  EXPIRED {} on {}: it excuses nothing any more", what,
                       known.entry.expires);
  }
  if (known.times == 0) {
    return fmt::format("  not seen {}: if the driver does not do it any more, take it out", what);
  }
  return fmt::format("  known    {}, {} times", what, grouped(known.times));
}

}  // namespace

Expected<void> load_campaign(const CheckCommand& options, oracle::CheckOptions& settings,
                             std::vector<std::string>& unread) {
  if (options.minimize && options.corpus.empty()) {
    return fail(ErrorCode::bad_input, "--minimize is for a corpus: name it with --corpus");
  }
  settings.today = oracle::today();
  if (!options.known.empty()) {
    auto known = oracle::read_known(options.known, oracle::KnownFile::Subject::driver);
    if (!known) return std::unexpected(std::move(known.error()));
    settings.known = std::make_shared<const oracle::KnownFile>(std::move(*known));
  }
  if (auto allowed = add_allowed(options, settings); !allowed) return allowed;
  std::vector<oracle::GivenCase> given;
  for (const std::string& path : options.files) {
    auto one = oracle::read_given(path);
    if (!one) return std::unexpected(std::move(one.error()));
    given.push_back(std::move(*one));
  }
  settings.corpus = options.corpus;
  settings.corpus_max = options.corpus_max;
  if (!options.corpus.empty()) {
    if (auto tried = oracle::try_folder(options.corpus, "name another one with --corpus"); !tried) {
      return tried;
    }
    auto folder = oracle::read_folder(options.corpus);
    if (!folder) return std::unexpected(std::move(folder.error()));
    for (oracle::GivenCase& one : folder->cases) given.push_back(std::move(one));
    unread = std::move(folder->unread);
  }
  if (!given.empty()) {
    settings.given = std::make_shared<const std::vector<oracle::GivenCase>>(std::move(given));
  }
  return {};
}

std::vector<std::string> campaign_lines(const CheckCommand& options, const CheckResult& result) {
  std::vector<std::string> lines;
  if (!result.known.empty() && !options.known_quietly) {
    lines.push_back(options.known.empty() ? std::string("allowed findings:")
                                          : fmt::format("known findings of {}:", options.known));
  }
  for (const oracle::KnownSeen& known : result.known) {
    if (!options.known_quietly) lines.push_back(known_line(known));
  }
  if (options.corpus.empty()) return lines;
  const oracle::CorpusResult& corpus = result.corpus;
  std::string line = fmt::format(
      "corpus {}: {} sequences run from files, {} new ones kept, {} features", options.corpus,
      grouped(result.given), grouped(corpus.kept.size()), grouped(corpus.features));
  if (!corpus.redundant.empty()) {
    line += fmt::format(", {} files show nothing of their own{}", grouped(corpus.redundant.size()),
                        options.minimize ? "" : " (--minimize)");
  }
  lines.push_back(std::move(line));
  if (corpus.not_kept != 0) {
    lines.push_back(fmt::format(
        "corpus {}: it is full ({} sequences), {} new ones were not kept; --minimize, or a greater "
        "--corpus-max",
        options.corpus, grouped(options.corpus_max), grouped(corpus.not_kept)));
  }
  return lines;
}

Expected<void> finish_campaign(const CheckCommand& options, const oracle::CheckOptions& settings,
                               const CheckResult& result) {
  if (!options.write_known.empty()) {
    const std::string text = oracle::known_text(oracle::known_after(settings, result));
    if (auto written = trace::write_file(options.write_known, text); !written) return written;
  }
  if (!options.minimize) return {};
  for (const std::string& path : result.corpus.redundant) {
    if (!oracle::is_of_a_run(path)) continue;  // somebody put it there
    std::error_code error;
    std::filesystem::remove(path, error);
    if (error) return fail(ErrorCode::environment, path + ": " + error.message());
  }
  return {};
}

int write_check_seeds(const CheckCommand& options, const oracle::CheckOptions& settings) {
  if (const int status = make_folder("check", options.to_corpus); status != exit_held) {
    return status;
  }
  const u64 count = options.runs == 0 ? default_seeds : options.runs;
  oracle::Sequence sequence;
  for (u64 n = options.from; n < options.from + count; ++n) {
    oracle::make_sequence(settings.seed, n, settings.operations_max, sequence);
    const std::vector<u8> bytes = fuzz::encode(sequence.operations);
    const int status =
        write_seed("check", options.to_corpus, fmt::format("check-{}-{:06}", settings.seed, n),
                   {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (status != exit_held) return status;
  }
  fmt::print("{} seeds of fuzz_api in {}\n", count, options.to_corpus);
  return exit_held;
}

}  // namespace iommucheck::cli
