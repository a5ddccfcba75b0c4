// SPDX-License-Identifier: MIT
// Text files that may be compressed: read by what they begin with (gzip, zstd, else plain),
// written by how their name ends (.gz, .zst, else plain). Bounded: a compression bomb or a line
// without end is an error, not a crash.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"

namespace iommucheck::trace {

struct FileLimits {
  u64 bytes_max = u64{4} << 30;        ///< after decompression
  u64 line_bytes_max = u64{16} << 20;  ///< without the end of line
};

/// The bytes of a file, decompressed.
class InputFile {
 public:
  /// environment if it cannot be opened; bad_input if it is a directory.
  static Expected<InputFile> open(const std::string& path, FileLimits limits = {});
  InputFile(InputFile&&) noexcept;
  InputFile& operator=(InputFile&&) noexcept;
  ~InputFile();

  /// Fills the front of `out`; the number of bytes, 0 at the end. bad_input for compressed data
  /// that is damaged, ends early or is followed by something else; gave_up beyond bytes_max.
  Expected<std::size_t> read(std::span<char> out);

 private:
  struct State;
  explicit InputFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The lines of a file, in order.
class LineReader {
 public:
  static Expected<LineReader> open(const std::string& path, FileLimits limits = {});

  /// True and the next line without its end ("\n"), or false at the end of the file. A last line
  /// without "\n" is a line. Errors: as InputFile::read, and gave_up for a line that is too long.
  Expected<bool> next(std::string& line);
  /// Number of the line that next() gave last, from 1.
  u64 line() const { return line_; }
  const std::string& path() const { return path_; }

 private:
  LineReader(InputFile file, std::string path, FileLimits limits);
  InputFile file_;
  std::string path_;
  FileLimits limits_;
  std::string buffer_;
  std::size_t begin_ = 0;
  u64 line_ = 0;
};

/// Writes a file beside its place and moves it there by finish(); without finish() nothing is
/// left. A path that exists and is no regular file (a pipe, /dev/stdout) is written directly.
class OutputFile {
 public:
  /// `level` 0 is the compressor's default.
  static Expected<OutputFile> create(const std::string& path, int level = 0);
  OutputFile(OutputFile&&) noexcept;
  OutputFile& operator=(OutputFile&&) noexcept;
  ~OutputFile();

  Expected<void> write(std::string_view bytes);
  Expected<void> finish();

 private:
  struct State;
  explicit OutputFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// A whole file at once, as OutputFile writes it. Errors: as there.
Expected<void> write_file(const std::string& path, std::string_view text);

}  // namespace iommucheck::trace
