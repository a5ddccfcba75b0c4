// SPDX-License-Identifier: MIT
#include "cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <random>

#include "base/version.h"
#include "trace/json_value.h"

namespace iommucheck::cli {
namespace {

/// When an end was first asked for, in milliseconds of the monotonic clock; 0: nobody has.
std::atomic<std::int64_t> asked_at{0};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);  // a signal handler may use it

/// One request may come twice: timeout(1) signals the process, and then its group.
constexpr std::int64_t same_request_ms = 300;

void on_interrupt(int signal) {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t ms = std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
  std::int64_t first = 0;
  if (asked_at.compare_exchange_strong(first, ms) || ms - first < same_request_ms) return;
  std::signal(signal, SIG_DFL);  // whoever asks a second time means it
  std::raise(signal);
}

}  // namespace

const char* version_text() { return release_version; }

int report(std::string_view command, const Error& error) {
  std::fflush(stdout);
  const std::string_view kind = error.code == ErrorCode::unsupported ? "unsupported: "
                                : error.code == ErrorCode::gave_up   ? "gave up: "
                                                                     : "";
  fmt::print(stderr, "iommucheck {}: {}{}\n", command, kind, error.message);
  return exit_status(oracle::verdict_of(error.code));
}

int finish(std::string_view command, const oracle::RunEnd& end) {
  std::fflush(stdout);
  const Verdict verdict = end.verdict();
  for (const std::string& why : end.why()) {
    fmt::print(stderr, "iommucheck {}: {}: {}\n", command,
               verdict == Verdict::violated ? "besides" : oracle::to_string(verdict), why);
  }
  return exit_status(verdict);
}

void catch_interrupts() {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
}

bool interrupted() { return asked_at != 0; }

ProgressLine::ProgressLine() : terminal_(::isatty(STDERR_FILENO) == 1), columns_(80) {
  winsize size{};
  if (terminal_ && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) {
    columns_ = size.ws_col;
  }
}

bool ProgressLine::due() {
  if (!terminal_) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return false;
  next_ = now + std::chrono::milliseconds(100);
  return true;
}

void ProgressLine::show(const std::string& text) {
  if (!terminal_) return;
  fmt::print(stderr, "\r{}\x1b[K", text.substr(0, columns_ - 1));
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::clear() {
  if (shown_) fmt::print(stderr, "\r\x1b[K");
  shown_ = false;
}

u64 drawn_seed() {
  std::random_device device;
  return device() % 1'000'000'000;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<u64>(std::max(seconds, 0.0));
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string grouped(u64 number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

void JsonWriter::separate() {
  if (!first_) text_ += ',';
  first_ = false;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  text_ += bracket;
  first_ = false;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  trace::append_json_string(text_, name);
  text_ += ':';
  first_ = true;  // the value follows without a comma
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  trace::append_json_string(text_, text);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  return raw(std::isfinite(number) ? fmt::format("{:.3f}", number) : "null");
}

JsonWriter& JsonWriter::raw(std::string_view text) {
  separate();
  text_ += text;
  return *this;
}

void JsonWriter::print() const { fmt::print("{}\n", text_); }

}  // namespace iommucheck::cli
