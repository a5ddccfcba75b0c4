// SPDX-License-Identifier: MIT
#include "trace/compress.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>

#include "base/types.h"

namespace iommucheck::trace {
namespace {

class PlainDecompressor final : public Decompressor {
 public:
  Progress step(std::span<const char> in, std::span<char> out, bool) override {
    const std::size_t size = std::min(in.size(), out.size());
    std::copy_n(in.begin(), size, out.begin());
    return {.consumed = size, .produced = size, .error = {}};
  }
};

/// One or more gzip members, one after the other.
class GzipDecompressor final : public Decompressor {
 public:
  GzipDecompressor() { good_ = inflateInit2(&stream_, 15 + 16) == Z_OK; }
  ~GzipDecompressor() override {
    if (good_) inflateEnd(&stream_);
  }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  Progress step(std::span<const char> in, std::span<char> out, bool last) override {
    if (!good_) return {.error = "no memory for gzip"};
    if (in.empty() && last && ended_) return {};
    if (ended_ && !in.empty()) {
      inflateReset(&stream_);
      ended_ = false;
    }
    const auto in_size = static_cast<uInt>(std::min<std::size_t>(in.size(), 1U << 30));
    const auto out_size = static_cast<uInt>(std::min<std::size_t>(out.size(), 1U << 30));
    // zlib's interface is not const; it does not write to its input.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = in_size;
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = out_size;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    Progress step{.consumed = in_size - stream_.avail_in,
                  .produced = out_size - stream_.avail_out,
                  .error = {}};
    ended_ = code == Z_STREAM_END;
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      step.error = std::string("gzip: ") + (stream_.msg != nullptr ? stream_.msg : "bad data");
    } else if (!ended_ && last && step.consumed == 0 && step.produced == 0) {
      step.error = "gzip: the data ends early";
    }
    return step;
  }

 private:
  z_stream stream_{};
  bool good_ = false;
  bool ended_ = false;
};

/// One or more zstd frames, one after the other.
class ZstdDecompressor final : public Decompressor {
 public:
  ZstdDecompressor() : stream_(ZSTD_createDStream()) {
    // A window of at most 128 MiB, whatever the file asks for.
    if (stream_ != nullptr) ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 27);
  }
  ~ZstdDecompressor() override { ZSTD_freeDStream(stream_); }
  ZstdDecompressor(const ZstdDecompressor&) = delete;
  ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

  Progress step(std::span<const char> in, std::span<char> out, bool last) override {
    if (stream_ == nullptr) return {.error = "no memory for zstd"};
    if (in.empty() && last && ended_) return {};
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    const std::size_t code = ZSTD_decompressStream(stream_, &output, &input);
    Progress step{.consumed = input.pos, .produced = output.pos, .error = {}};
    if (ZSTD_isError(code) != 0) {
      step.error = std::string("zstd: ") + ZSTD_getErrorName(code);
      return step;
    }
    ended_ = code == 0;
    if (!ended_ && last && step.consumed == 0 && step.produced == 0) {
      step.error = "zstd: the data ends early";
    }
    return step;
  }

 private:
  ZSTD_DStream* stream_;
  bool ended_ = false;
};

class PlainCompressor final : public Compressor {
 public:
  bool add(std::string_view bytes, bool, std::vector<char>& packed) override {
    packed.insert(packed.end(), bytes.begin(), bytes.end());
    return true;
  }
};

class GzipCompressor final : public Compressor {
 public:
  explicit GzipCompressor(int level) {
    good_ = deflateInit2(&stream_, level == 0 ? Z_DEFAULT_COMPRESSION : std::clamp(level, 1, 9),
                         Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
  }
  ~GzipCompressor() override {
    if (good_) deflateEnd(&stream_);
  }
  GzipCompressor(const GzipCompressor&) = delete;
  GzipCompressor& operator=(const GzipCompressor&) = delete;

  bool add(std::string_view bytes, bool last, std::vector<char>& packed) override {
    if (!good_) return false;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    std::array<char, 16384> out;
    while (true) {
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = out.size();
      const int code = deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
      if (code == Z_STREAM_ERROR) return false;
      packed.insert(packed.end(), out.begin(), out.end() - stream_.avail_out);
      if (last ? code == Z_STREAM_END : stream_.avail_out != 0) return true;
    }
  }

 private:
  z_stream stream_{};
  bool good_ = false;
};

class ZstdCompressor final : public Compressor {
 public:
  explicit ZstdCompressor(int level) : stream_(ZSTD_createCStream()) {
    if (stream_ == nullptr) return;
    ZSTD_CCtx_setParameter(stream_, ZSTD_c_compressionLevel,
                           level == 0 ? ZSTD_CLEVEL_DEFAULT : level);
    ZSTD_CCtx_setParameter(stream_, ZSTD_c_checksumFlag, 1);
  }
  ~ZstdCompressor() override { ZSTD_freeCStream(stream_); }
  ZstdCompressor(const ZstdCompressor&) = delete;
  ZstdCompressor& operator=(const ZstdCompressor&) = delete;

  bool add(std::string_view bytes, bool last, std::vector<char>& packed) override {
    if (stream_ == nullptr) return false;
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    std::array<char, 16384> out;
    while (true) {
      ZSTD_outBuffer output{out.data(), out.size(), 0};
      const auto mode = last ? ZSTD_e_end : ZSTD_e_continue;
      const std::size_t left = ZSTD_compressStream2(stream_, &output, &input, mode);
      if (ZSTD_isError(left) != 0) return false;
      packed.insert(packed.end(), out.data(), out.data() + output.pos);
      if (last ? left == 0 : input.pos == input.size) return true;
    }
  }

 private:
  ZSTD_CStream* stream_;
};

}  // namespace

std::unique_ptr<Decompressor> make_decompressor(std::span<const char> head) {
  const auto byte = [&](std::size_t i) { return static_cast<u8>(head[i]); };
  if (head.size() >= 2 && byte(0) == 0x1f && byte(1) == 0x8b) {
    return std::make_unique<GzipDecompressor>();
  }
  if (head.size() >= 4 && byte(0) == 0x28 && byte(1) == 0xb5 && byte(2) == 0x2f &&
      byte(3) == 0xfd) {
    return std::make_unique<ZstdDecompressor>();
  }
  return std::make_unique<PlainDecompressor>();
}

std::unique_ptr<Compressor> make_compressor(std::string_view name, int level) {
  if (name.ends_with(".gz")) return std::make_unique<GzipCompressor>(level);
  if (name.ends_with(".zst")) return std::make_unique<ZstdCompressor>(level);
  return std::make_unique<PlainCompressor>();
}

}  // namespace iommucheck::trace
