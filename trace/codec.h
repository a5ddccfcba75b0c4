// SPDX-License-Identifier: MIT
// Events as bytes: for shared rings, corpora and hashes of files. Exact inverse of each other:
// decode(encode(x)) is x, and encode(decode(b)) is b for every b that decode accepts.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::trace {

/// Written into every encoded trace. Counts up when a byte changes its meaning; events, calls and
/// values added at the end of a .def do not change it.
inline constexpr u8 codec_version = 2;

/// Bytes to read, and how far they have been read.
struct ByteReader {
  std::span<const u8> bytes;
  std::size_t offset = 0;
};

/// Appends the event. It must pass check().
void encode(const Event& event, std::vector<u8>& out);
/// Reads one event and moves `in.offset` behind it. bad_input with the offset for bytes that
/// encode does not write, then `in.offset` is anywhere within the bytes.
Expected<Event> decode(ByteReader& in);

/// Events one after the other through a pipe or a ring: each is its length, as integers are
/// written, and its bytes. Whoever reads may be given pieces of any size.
void encode_framed(const Event& event, std::vector<u8>& out);
class EventStream {
 public:
  /// An event has no more bytes: what says so is no stream of events.
  static constexpr u64 event_bytes_max = u64{16} << 20;

  /// The next piece. It is read before next() has been asked for all that it completes.
  void add(std::span<const u8> piece);
  /// The next whole event; nothing: more bytes are needed. An error stays until clear().
  Expected<std::optional<Event>> next();
  /// Bytes of an event of which the rest has not come, 0: none.
  [[nodiscard]] std::size_t begun() const { return rest_.size() - offset_; }
  void clear();

 private:
  std::vector<u8> rest_;    // bytes that are no whole event yet, and those before `offset_`
  std::size_t offset_ = 0;  // of the first that has not been read
  u64 position_ = 0;        // of that one in the stream, for messages
  std::optional<Error> error_;
};

/// A whole trace: a magic word, the version, the header, the number of events, the events.
std::vector<u8> encode_trace(const Trace& trace);
/// The inverse; bytes left over are an error; another version is `unsupported`.
Expected<Trace> decode_trace(std::span<const u8> bytes);

}  // namespace iommucheck::trace
