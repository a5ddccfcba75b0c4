// SPDX-License-Identifier: MIT
// Events as bytes: for shared rings, corpora and hashes of files. Exact inverse of each other:
// decode(encode(x)) is x, and encode(decode(b)) is b for every b that decode accepts.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"
#include "trace/event.h"

namespace iommucheck::trace {

/// Written into every encoded trace. Counts up when a byte changes its meaning; events, calls and
/// values added at the end of a .def do not change it.
inline constexpr u8 codec_version = 1;

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

/// A whole trace: a magic word, the version, the header, the number of events, the events.
std::vector<u8> encode_trace(const Trace& trace);
/// The inverse; bytes left over are an error; another version is `unsupported`.
Expected<Trace> decode_trace(std::span<const u8> bytes);

}  // namespace iommucheck::trace
