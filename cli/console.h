// SPDX-License-Identifier: MIT
// What all commands share: exit statuses, errors, progress, Ctrl-C, JSON.
#pragma once

#include <chrono>
#include <concepts>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"
#include "monitor/verdict.h"

namespace iommucheck::cli {

using oracle::exit_status;
using oracle::Verdict;
inline constexpr int exit_held = exit_status(Verdict::held);

const char* version_text();

/// Says it on stderr; the exit status.
int report(std::string_view command, const Error& error);
/// The exit status of a run. What keeps it from being held is said on stderr, each in a line: to be
/// called before the report, whose last line is the verdict.
int finish(std::string_view command, const oracle::RunEnd& end);

/// From here on Ctrl-C (and SIGTERM) only asks for an end; a second one ends at once, but for what
/// comes within 0.3 s of the first.
void catch_interrupts();
bool interrupted();

/// One line on a terminal's stderr that is written over; nothing in a pipe.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  /// False most of the time, so that texts are not made in vain: at most ten a second.
  bool due();
  void show(const std::string& text);
  void clear();

 private:
  bool terminal_;
  std::size_t columns_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_{};
};

/// Where none is given: short enough to type.
u64 drawn_seed();

/// "1:05" for seconds.
std::string clock_text(double seconds);
/// 1234567 as "1,234,567".
std::string grouped(u64 number);

/// Writes one JSON value to stdout, indented by nothing: one line. Commas are its business. Apart
/// from trace::JsonTree, which writes 0.5 where this writes 0.500, and \n for \u000a: what programs
/// have read stays as it was.
class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool yes) { return raw(yes ? "true" : "false"); }
  JsonWriter& value(double number);
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& value(T number) {
    return raw(std::to_string(number));
  }
  template <class T>
  JsonWriter& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }
  /// An array of texts.
  template <class Texts>
  JsonWriter& texts(std::string_view name, const Texts& all) {
    key(name).begin_array();
    for (const auto& text : all) value(std::string_view(text));
    return end_array();
  }
  const std::string& text() const { return text_; }
  /// The value and an end of line, to stdout.
  void print() const;

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& raw(std::string_view text);
  void separate();
  std::string text_;
  bool first_ = true;
};

}  // namespace iommucheck::cli
