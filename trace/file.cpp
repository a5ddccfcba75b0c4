// SPDX-License-Identifier: MIT
#include "trace/file.h"

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/input.h"
#include "trace/compress.h"

namespace iommucheck::trace {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

constexpr std::size_t chunk_bytes = 64 * 1024;

std::unexpected<Error> environment_failure(std::string_view what, const std::string& path,
                                           int code) {
  return fail(ErrorCode::environment,
              fmt::format("{}: cannot {}: {}", path, what, std::system_category().message(code)));
}

}  // namespace

// ---- reading ----

struct InputFile::State {
  State(Input opened, std::string name, FileLimits bounds)
      : file(std::move(opened)), path(std::move(name)), limits(bounds) {}

  Input file;
  std::string path;
  FileLimits limits;
  std::unique_ptr<Decompressor> decompressor;
  std::array<char, chunk_bytes> chunk;
  std::span<const char> pending;  ///< read from the file, not yet decompressed
  bool file_ended = false;
  u64 total = 0;

  Expected<void> fill();
};

InputFile::InputFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
InputFile::InputFile(InputFile&&) noexcept = default;
InputFile& InputFile::operator=(InputFile&&) noexcept = default;
InputFile::~InputFile() = default;

Expected<void> InputFile::State::fill() {
  const auto size = file.read(chunk);
  if (!size) return std::unexpected(size.error());
  file_ended = *size == 0;
  pending = std::span<const char>(chunk.data(), *size);
  return {};
}

Expected<InputFile> InputFile::open(const std::string& path, FileLimits limits) {
  auto file = Input::open(path);
  if (!file) return std::unexpected(std::move(file.error()));
  auto state = std::make_unique<State>(std::move(*file), path, limits);
  if (auto filled = state->fill(); !filled) return std::unexpected(filled.error());
  state->decompressor = make_decompressor(state->pending);
  return InputFile(std::move(state));
}

Expected<std::size_t> InputFile::read(std::span<char> out) {
  State& s = *state_;
  std::size_t made = 0;
  while (made < out.size()) {
    if (s.pending.empty() && !s.file_ended) {
      if (auto filled = s.fill(); !filled) return std::unexpected(filled.error());
    }
    const Progress step = s.decompressor->step(s.pending, out.subspan(made), s.file_ended);
    if (!step.error.empty()) {
      return fail(ErrorCode::bad_input,
                  fmt::format("{}: {}; the file is damaged or cut off", s.path, step.error));
    }
    s.pending = s.pending.subspan(step.consumed);
    made += step.produced;
    s.total += step.produced;
    if (s.total > s.limits.bytes_max) {
      return fail(ErrorCode::gave_up, fmt::format("{}: more than {} bytes after decompression",
                                                  s.path, s.limits.bytes_max));
    }
    if (step.produced == 0 && s.pending.empty() && s.file_ended) break;
  }
  return made;
}

LineReader::LineReader(InputFile file, std::string path, FileLimits limits)
    : file_(std::move(file)), path_(std::move(path)), limits_(limits) {}

Expected<LineReader> LineReader::open(const std::string& path, FileLimits limits) {
  auto file = InputFile::open(path, limits);
  if (!file) return std::unexpected(std::move(file.error()));
  return LineReader(std::move(*file), path, limits);
}

Expected<bool> LineReader::next(std::string& line) {
  std::size_t searched = begin_;
  while (true) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos && end - begin_ <= limits_.line_bytes_max) {
      line.assign(buffer_, begin_, end - begin_);
      begin_ = end + 1;
      ++line_;
      return true;
    }
    if (buffer_.size() - begin_ > limits_.line_bytes_max) {
      return fail(ErrorCode::gave_up, fmt::format("{}:{}: the line has more than {} bytes", path_,
                                                  line_ + 1, limits_.line_bytes_max));
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    buffer_.resize(searched + chunk_bytes);
    const auto size = file_.read(std::span(buffer_).subspan(searched));
    buffer_.resize(searched + (size ? *size : 0));
    if (!size) return std::unexpected(size.error());
    if (*size > 0) continue;
    if (buffer_.empty()) return false;
    line = std::exchange(buffer_, {});
    ++line_;
    return true;
  }
}

// ---- writing ----

struct OutputFile::State {
  File file;
  std::string path;       ///< where it is to be
  std::string temporary;  ///< where it is written; empty: directly
  std::unique_ptr<Compressor> compressor;

  ~State() {
    file.reset();
    std::error_code ignored;
    if (!temporary.empty()) std::filesystem::remove(temporary, ignored);
  }
  Expected<void> put(std::span<const char> bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size()) return {};
    return environment_failure("write", path, errno);
  }
};

OutputFile::OutputFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
OutputFile::OutputFile(OutputFile&&) noexcept = default;
OutputFile& OutputFile::operator=(OutputFile&&) noexcept = default;
OutputFile::~OutputFile() = default;

Expected<OutputFile> OutputFile::create(const std::string& path, int level) {
  auto state = std::make_unique<State>();
  state->path = path;
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  const bool beside = !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
  const std::string place = beside ? path + ".part" : path;
  state->file.reset(std::fopen(place.c_str(), "wb"));
  if (!state->file) return environment_failure("create", path, errno);
  if (beside) state->temporary = place;
  state->compressor = make_compressor(path, level);
  if (!state->compressor) {
    return fail(ErrorCode::environment, fmt::format("{}: no memory to compress it", path));
  }
  return OutputFile(std::move(state));
}

Expected<void> OutputFile::write(std::string_view bytes) {
  std::vector<char> packed;
  if (!state_->compressor->add(bytes, false, packed)) {
    return fail(ErrorCode::environment, fmt::format("{}: cannot compress it", state_->path));
  }
  return state_->put(packed);
}

Expected<void> OutputFile::finish() {
  State& s = *state_;
  std::vector<char> packed;
  if (!s.compressor->add({}, true, packed)) {
    return fail(ErrorCode::environment, fmt::format("{}: cannot compress it", s.path));
  }
  if (auto done = s.put(packed); !done) return done;
  if (std::fclose(s.file.release()) != 0) return environment_failure("write", s.path, errno);
  if (s.temporary.empty()) return {};
  std::error_code code;
  std::filesystem::rename(s.temporary, s.path, code);
  if (code) return environment_failure("move the new file to", s.path, code.value());
  s.temporary.clear();
  return {};
}

Expected<void> write_file(const std::string& path, std::string_view text) {
  auto file = OutputFile::create(path);
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto done = file->write(text); !done) return done;
  return file->finish();
}

}  // namespace iommucheck::trace
