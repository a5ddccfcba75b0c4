// SPDX-License-Identifier: MIT
// libFuzzer target `litmus`: the text of litmus tests, judged by the specification's engine and by
// the literal model. Text that is no test has to give an error, and a test that is small enough the
// same sets and broken rules by both. Seeds: `iommucheck litmus --to-corpus DIR FILE...`.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fuzz/mutate_lines.h"
#include "litmus/agreement.h"
#include "litmus/parser.h"

extern "C" std::size_t LLVMFuzzerMutate(iommucheck::u8* data, std::size_t size,
                                        std::size_t size_max);

namespace {

using namespace iommucheck;

constexpr std::size_t text_max = 6000;  ///< bytes
constexpr std::size_t tests_max = 2;    ///< of one input that are judged

/// What became of the tests, for those who read the end of a run.
struct Tally {
  u64 inputs = 0, refused = 0, agreed = 0, known = 0, not_compared = 0;
};
Tally tally;

void print_tally() {
  fmt::print(stderr,
             "{} inputs: {} were no tests; tests: {} judged alike, {} differently as explained, "
             "{} too large or not supported\n",
             tally.inputs, tally.refused, tally.agreed, tally.known, tally.not_compared);
}

void compare(const litmus::Test& test) {
  const auto comparison = litmus::compare_readings(test, litmus::bounds_of_fuzzing);
  if (!comparison) {
    ++tally.refused;
    return;
  }
  switch (comparison->agreement) {
    case litmus::Agreement::agree: ++tally.agreed; break;
    case litmus::Agreement::known: ++tally.known; break;
    case litmus::Agreement::not_compared: ++tally.not_compared; break;
    case litmus::Agreement::disagree:
      fmt::print(stderr,
                 "DISAGREEMENT of the engine and the literal model\n{}{}see docs/semantics.md; "
                 "why the engine says so: iommucheck litmus FILE\n",
                 litmus::print(test), comparison->words);
      std::abort();
  }
}

std::size_t copy_out(std::string_view text, u8* data, std::size_t size_max) {
  const std::size_t size = std::min(text.size(), size_max);
  std::copy_n(text.begin(), size, data);
  return size;
}

std::string_view text_of(const u8* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Room for one line to grow when libFuzzer changes it.
constexpr std::size_t line_max = 160;

void mutate_by_libfuzzer(std::string& line) {
  line.resize(std::min(line.size(), line_max));
  const std::size_t size = line.size();
  line.resize(line_max);
  line.resize(LLVMFuzzerMutate(reinterpret_cast<u8*>(line.data()), size, line_max));
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
  std::atexit(print_tally);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  if (size > text_max) return -1;  // not for the corpus
  ++tally.inputs;
  const auto file = litmus::parse(text_of(data, size));
  if (!file) {
    ++tally.refused;
    return 0;
  }
  for (std::size_t i = 0; i < std::min(file->tests.size(), tests_max); ++i) compare(file->tests[i]);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(u8* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return copy_out(fuzz::mutate_lines(text_of(data, size), std::min(size_max, text_max), seed,
                                     mutate_by_libfuzzer),
                  data, size_max);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const u8* first, std::size_t first_size,
                                                 const u8* second, std::size_t second_size, u8* out,
                                                 std::size_t size_max, unsigned seed) {
  return copy_out(fuzz::cross_lines(text_of(first, first_size), text_of(second, second_size),
                                    std::min(size_max, text_max), seed),
                  out, size_max);
}
