// SPDX-License-Identifier: MIT
#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/options/declare.h"

namespace iommucheck::cli {
namespace {

/// All commands; they appear in --help in this order.
class Reader {
 public:
  Reader()
      : app_("An executable specification of the IOMMU, and a checker built on it.", "iommucheck"),
        commands_(app_) {
    app_.set_version_flag("--version", std::string("iommucheck ") + version_text());
    app_.require_subcommand(1);
    app_.footer(exit_statuses);
    for (const auto add : {add_litmus, add_ask, add_scenario, add_check, add_conform, add_matrix,
                           add_replay, add_import, add_export, add_rules, add_explain, add_prove,
                           add_cc, add_bench, add_init, add_linux, add_campaign, add_merge}) {
      add(commands_);
    }
  }

  Parsed read(int argc, char** argv) {
    // `help COMMAND`, as many programs have it.
    if (argc > 1 && std::string_view(argv[1]) == "help") {
      std::string asks = "--help";
      std::vector<char*> words{argv[0]};
      if (argc > 2) words.push_back(argv[2]);
      words.push_back(asks.data());
      return {command_of(static_cast<int>(words.size()), words.data()), false};
    }
    std::variant<Command, int> command = command_of(argc, argv);
    // Where it cannot be read, the flag may not have been reached.
    const auto asks = [](const char* word) { return std::string_view(word) == "--bisect"; };
    return {std::move(command), commands_.bisect() || std::any_of(argv, argv + argc, asks)};
  }

 private:
  std::variant<Command, int> command_of(int argc, char** argv) {
    if (argc > 1 && argv[1][0] != '-' && !is_command(argv[1])) {
      return usage(fmt::format("there is no command '{}'; there are {}", argv[1], names()));
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app_.exit(error);  // --help, --version
      return usage(error.what() + meant(error));
    }
    if (const std::string wrong = commands_.wrong(); !wrong.empty()) return usage(wrong);
    Command command = *commands_.chosen();
    if (auto* check = std::get_if<CheckCommand>(&command)) {
      check->command_line.assign(argv + 1, argv + argc);
    }
    return command;
  }

  /// What a word is that stands where none may: of `conform` a device.
  std::string meant(const CLI::ParseError& error) const {
    const auto subcommands = app_.get_subcommands();
    constexpr int extras = static_cast<int>(CLI::ExitCodes::ExtrasError);
    if (error.get_exit_code() != extras || subcommands.empty()) return {};
    if (std::string_view(error.what()).contains(": -")) return {};
    const bool by_option = subcommands.front()->get_option_no_throw("--device") != nullptr;
    return by_option ? "; a device is named by --device" : "";
  }

  int usage(const std::string& what) const {
    const auto subcommands = app_.get_subcommands();
    const std::string name = subcommands.empty() ? "" : " " + subcommands.front()->get_name();
    fmt::print(stderr, "iommucheck{}: {}\nTry: iommucheck{} --help\n", name, what, name);
    return exit_status(Verdict::undecided);
  }

  bool is_command(std::string_view name) const {
    return std::ranges::any_of(app_.get_subcommands({}),
                               [name](const CLI::App* app) { return app->get_name() == name; });
  }
  std::string names() const {
    std::string text;
    for (const auto* app : app_.get_subcommands({}))
      text += (text.empty() ? "" : " ") + app->get_name();
    return text;
  }

  CLI::App app_;
  Commands commands_;
};

}  // namespace

Parsed parse(int argc, char** argv) {
  const bool compiles = argc > 2 && std::string_view(argv[1]) == "cc" &&
                        std::string_view(argv[2]) != "--help" && std::string_view(argv[2]) != "-h";
  if (compiles) return {.command = CcCommand{{argv + 2, argv + argc}}};
  return Reader().read(argc, argv);
}

int status_of_bisect(int status, bool bad_usage) {
  constexpr int skip = 125, end = 128;
  if (status == exit_status(Verdict::held) || status == exit_status(Verdict::violated))
    return status;
  return bad_usage ? end : skip;
}

}  // namespace iommucheck::cli
