// SPDX-License-Identifier: MIT
#include "mutants/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

namespace iommucheck::mutants {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int cannot_run = 126;
/// A mutant that allocates for ever ends by itself, and not the machine.
constexpr rlim_t memory_bytes = rlim_t{16} << 30;

std::vector<std::string> environment_of(const Execution& e) {
  std::vector<std::string> variables;
  for (char** v = environ; *v != nullptr; ++v) {
    const std::string variable = *v;
    const std::string name = variable.substr(0, variable.find('='));
    if (name == "IOMMUCHECK_MUTANT" || name == "TEST_TMPDIR" || name == "TMPDIR" ||
        name == "RC_PARAMS" || name.starts_with("GTEST_")) {
      continue;
    }
    variables.push_back(variable);
  }
  variables.push_back("IOMMUCHECK_MUTANT=" + e.mutant);
  variables.push_back("TEST_TMPDIR=" + e.scratch);
  variables.push_back("TMPDIR=" + e.scratch);
  variables.emplace_back("RC_PARAMS=seed=1");  // the same answer each time
  return variables;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void become(char* const* arguments, char* const* variables, int log) {
  setpgid(0, 0);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  const rlimit memory{memory_bytes, memory_bytes};
  setrlimit(RLIMIT_AS, &memory);
  execve(arguments[0], arguments, variables);
  _exit(cannot_run);
}

}  // namespace

Ended execute(const Execution& e) {
  std::vector<std::string> arguments = e.arguments;
  std::vector<std::string> variables = environment_of(e);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(variables);
  const int log = open(e.log.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (log < 0) return {};
  const auto begin = Clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  const pid_t child = fork();
  if (child == 0) become(argv.data(), envp.data(), log);
  close(log);
  if (child < 0) return {};
  int status = 0;
  bool hung = false;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (spent() > e.limit_seconds) {
      hung = true;
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(-child, SIGKILL);  // workers that a crash has left behind
  Ended ended{Ended::How::failed, spent()};
  if (hung) {
    ended.how = Ended::How::hung;
  } else if (WIFSIGNALED(status)) {
    ended.how = Ended::How::crashed;
  } else if (WEXITSTATUS(status) == cannot_run) {
    ended.how = Ended::How::not_run;
  } else if (WEXITSTATUS(status) == 0) {
    ended.how = Ended::How::passed;
  }
  return ended;
}

}  // namespace iommucheck::mutants
