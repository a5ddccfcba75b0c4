// SPDX-License-Identifier: MIT
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace iommucheck::cli {
namespace {

constexpr std::size_t columns_max = 100;  // sentences are read badly in longer lines
constexpr std::size_t columns_min = 40;

bool wants_colour() {
  const char* none = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool is_dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  return (none == nullptr || *none == '\0') && !is_dumb;
}

std::size_t columns() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return columns_max;
  return std::clamp<std::size_t>(size.ws_col, columns_min, columns_max);
}

}  // namespace

TerminalOutput::TerminalOutput() {
  if (::isatty(STDOUT_FILENO) != 1) return;
  form_ = {.columns = columns(), .colour = wants_colour()};
  process_ = ::getpid();
  cookie_io_functions_t functions{};
  functions.write = [](void* self, const char* text, std::size_t bytes) -> ssize_t {
    static_cast<TerminalOutput*>(self)->put({text, bytes});
    return static_cast<ssize_t>(bytes);
  };
  std::FILE* shown = ::fopencookie(this, "w", functions);
  if (shown == nullptr) return;
  std::fflush(stdout);
  std::setvbuf(shown, nullptr, _IOLBF, BUFSIZ);
  before_ = std::exchange(stdout, shown);
}

TerminalOutput::~TerminalOutput() {
  if (before_ == nullptr) return;
  flush();
  std::fclose(std::exchange(stdout, before_));
}

bool TerminalOutput::flush() {
  if (before_ == nullptr) return std::fflush(stdout) == 0;
  std::fflush(stdout);
  if (!begun_.empty()) write_out(oracle::terminal_text(std::exchange(begun_, {}), form_));
  return !failed_;
}

void TerminalOutput::put(std::string_view text) {
  if (::getpid() != process_) return write_out(text);
  begun_ += text;
  std::string lines;
  std::size_t begin = 0;
  for (std::size_t end; (end = begun_.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines += oracle::terminal_text(std::string_view(begun_).substr(begin, end - begin), form_);
    lines += '\n';
  }
  begun_.erase(0, begin);
  write_out(lines);
}

void TerminalOutput::write_out(std::string_view text) {
  while (!text.empty() && !failed_) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
    failed_ = written < 0 && errno != EINTR;
  }
}

}  // namespace iommucheck::cli
