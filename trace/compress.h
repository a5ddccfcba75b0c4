// SPDX-License-Identifier: MIT
// zlib and zstd behind one interface; used by file.cpp only.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace iommucheck::trace {

struct Progress {
  std::size_t consumed = 0;
  std::size_t produced = 0;
  std::string error;  ///< empty: none
};

class Decompressor {
 public:
  virtual ~Decompressor() = default;
  /// Takes from the front of `in`, fills the front of `out` (not empty). `last`: nothing follows
  /// `in`; then a stream that is not complete is an error once nothing more can be made.
  virtual Progress step(std::span<const char> in, std::span<char> out, bool last) = 0;
};

class Compressor {
 public:
  virtual ~Compressor() = default;
  /// Appends to `packed` what `bytes` give; `last` ends the stream. False: out of memory.
  virtual bool add(std::string_view bytes, bool last, std::vector<char>& packed) = 0;
};

/// By the first bytes of the file.
std::unique_ptr<Decompressor> make_decompressor(std::span<const char> head);
/// By the end of the name: .gz, .zst, else plain. Null: out of memory.
std::unique_ptr<Compressor> make_compressor(std::string_view name, int level);

}  // namespace iommucheck::trace
