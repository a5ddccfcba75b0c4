// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "check/profile_file.h"
#include "report/report.h"

namespace iommucheck::cli {

const char* const exit_statuses =
    "Exit status: 0 all held, 1 a violation was found, 2 nothing was decided (stopped, a bound, "
    "nothing to judge) or the input or usage was bad, 3 the environment failed.";

CLI::App& Commands::add_app(const std::string& name, const std::string& text,
                            std::string_view examples) {
  CLI::App& app = *app_.add_subcommand(name, text);
  // Of one that stands twice the last counts: scripts hand over what is added to theirs.
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.footer(fmt::format("{}:\n{}{}",
                         std::ranges::count(examples, '\n') == 1 ? "Example" : "Examples", examples,
                         exit_statuses));
  return app;
}

void Commands::refuse(const CLI::App& app, std::function<std::string()> wrong) {
  refusals_.push_back({&app, std::move(wrong)});
}

std::string Commands::wrong() const {
  for (const Refusal& refusal : refusals_) {
    if (!app_.got_subcommand(refusal.app)) continue;
    if (std::string what = refusal.wrong(); !what.empty()) return what;
  }
  return {};
}

void Commands::add_bisect(CLI::App& app) {
  app.add_flag("--bisect", bisect_,
               "for `git bisect run`: exit status 125 (skip) in the place of 2 and 3");
}

namespace {

struct NamedFormat {
  const char* name;
  Format format;
};
constexpr NamedFormat formats[] = {{"text", Format::text},
                                   {"json", Format::json},
                                   {"junit", Format::junit},
                                   {"ktap", Format::ktap}};

/// The first `count` of them.
void add_formats(CLI::App& app, Format& format, std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.emplace_back(formats[i].name);
  app.add_option_function<std::string>(
         "--format",
         [&format](const std::string& name) {
           format = std::ranges::find(formats, name, &NamedFormat::name)->format;
         },
         fmt::format("{}", fmt::join(names, " or ")))
      ->check(CLI::IsMember(names).description(""))
      ->type_name(fmt::format("{}", fmt::join(names, "|")));
}

}  // namespace

void add_format(CLI::App& app, Format& format) { add_formats(app, format, 2); }
void add_report_format(CLI::App& app, Format& format) {
  add_formats(app, format, std::size(formats));
}

void takes_one_each_time(CLI::Option& option) {
  option.allow_extra_args(false)->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_reports(CLI::App& app, std::vector<std::string>& files) {
  CLI::Option* report =
      app.add_option("--report", files,
                     "write it to a file too, by its name's end: .txt, .json, .xml (JUnit), "
                     ".sarif, .ktap, .html (a page); or FORMAT:FILE. May be given several times");
  takes_one_each_time(*report);
  report->type_name("FILE")->check(CLI::Validator(
      [](std::string& name) -> std::string {
        const auto file = oracle::report_file(name);
        return file ? std::string() : file.error().message;
      },
      ""));
}

CLI::Validator whole(u64 from, u64 to) {
  const auto check = [from, to](std::string& text) -> std::string {
    u64 value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    const bool plain = text == "0" || !text.starts_with('0');
    if (error == std::errc{} && stopped == end && plain && value >= from && value <= to) return {};
    return to == ~u64{0} ? fmt::format("'{}' is no whole number of 64 bits", text)
                         : fmt::format("'{}' is no whole number from {} to {}", text, from, to);
  };
  return CLI::Validator(check, "");
}
CLI::Validator whole() { return whole(0, ~u64{0}); }

CLI::Validator seconds(double from, double to) {
  const auto check = [from, to](std::string& text) -> std::string {
    double value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    const auto is_digit = [&](std::size_t at) {
      return at < text.size() && text[at] >= '0' && text[at] <= '9';
    };
    const bool plain = is_digit(0) && !(text[0] == '0' && is_digit(1));
    if (error == std::errc{} && stopped == end && plain && value >= from && value <= to) return {};
    return fmt::format("'{}' is no number of seconds from {} to {}", text, from, to);
  };
  return CLI::Validator(check, "");
}
CLI::Validator seconds_of_a_run() { return seconds(0.001, 1e9); }
CLI::Validator seconds_of_a_hang() { return seconds(0.05, 3600); }

void add_profile(CLI::App& app, std::string& keys) {
  const auto read = [](std::string& given) -> std::string {
    auto profile = oracle::read_profile(given);
    if (!profile) return profile.error().message;
    given = std::move(profile->machine);
    return {};
  };
  app.add_option("--profile", keys,
                 "what the implementation states: ID registers, choices, deviations; "
                 "docs/profiles.md")
      ->type_name("FILE")
      ->transform(CLI::Validator(read, ""));
}

CLI::Validator readable() {
  return CLI::Validator(
      [](std::string& path) -> std::string {
        std::error_code error;
        if (!std::filesystem::exists(path, error)) return path + ": there is no such file";
        if (std::filesystem::is_directory(path, error)) return path + ": is a folder; name a file";
        return {};
      },
      "");
}

}  // namespace iommucheck::cli
