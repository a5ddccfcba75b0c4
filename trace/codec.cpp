// SPDX-License-Identifier: MIT
#include "trace/codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "trace/check.h"
#include "trace/members.h"

namespace iommucheck::trace {
namespace {

constexpr std::array<u8, 4> magic{'I', 'O', 'C', 'T'};

// ---- writing: integers in groups of 7 bits, lowest first ----

using Bytes = std::vector<u8>;

void put(Bytes& out, u64 value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<u8>(value | 0x80));
  out.push_back(static_cast<u8>(value));
}
template <class T>
  requires(std::is_enum_v<T> || std::unsigned_integral<T>)
void put(Bytes& out, T value) {
  put(out, static_cast<u64>(value));
}
void put(Bytes& out, const std::string& text) {
  put(out, u64{text.size()});
  out.insert(out.end(), text.begin(), text.end());
}
void put(Bytes& out, Rights rights) {
  put(out, static_cast<u64>(rights.read | rights.write << 1 | rights.execute << 2));
}
void put(Bytes& out, Substream ssid) { put(out, ssid.valid ? u64{ssid.value} + 1 : u64{0}); }
void put(Bytes& out, const ProfileValue& value);
void put(Bytes& out, const CallArguments& call);
void put_members(Bytes& out, const ConstMembers& members);
template <class T, std::size_t n>
void put(Bytes& out, const std::array<T, n>& list) {
  for (const T& item : list) put(out, item);
}
template <Described T>
void put(Bytes& out, const T& value);
template <class T>
void put(Bytes& out, const std::vector<T>& list) {
  put(out, u64{list.size()});
  for (const T& item : list) put(out, item);
}
template <class T>
void put(Bytes& out, const std::map<std::string, T>& map) {
  put(out, u64{map.size()});
  for (const auto& [key, value] : map) {
    put(out, key);
    put(out, value);
  }
}
template <class T>
void put(Bytes& out, const std::optional<T>& fact) {
  out.push_back(fact ? 1 : 0);
  if (fact) put(out, *fact);
}
template <Described T>
void put(Bytes& out, const T& value) {
  put_members(out, members(value));
}
void put(Bytes& out, const ProfileValue& value) {
  put(out, u64{value.index()});
  std::visit([&](const auto& alternative) { put(out, alternative); }, value);
}
template <class Alternative>
void put_alternative(Bytes& out, const Alternative& value) {
  put(out, u64{value.index()});
  put_members(out, members(value));
}
void put(Bytes& out, const CallArguments& call) { put_alternative(out, call); }
void put_members(Bytes& out, const ConstMembers& members) {
  for_each_member(members, [&](const FieldInfo&, const auto& member) { put(out, member); });
}

// ---- reading: only what is written above ----

class Reader {
 public:
  explicit Reader(ByteReader& in) : in_(in) {}
  std::string error;

  std::size_t left() const { return in_.bytes.size() - in_.offset; }
  bool stop(std::string message) {
    if (error.empty()) error = std::move(message);
    return false;
  }

  bool get(u64& out, u64 max = ~u64{0}) {
    out = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (left() == 0) return stop("the bytes end within a value");
      const u8 byte = in_.bytes[in_.offset++];
      if (shift == 63 && byte > 1) break;
      out |= u64{byte & 0x7fU} << shift;
      if ((byte & 0x80) != 0) continue;
      if (byte == 0 && shift != 0) return stop("an integer is longer than it need be");
      if (out > max) return stop(fmt::format("{:#x} is larger than {:#x}", out, max));
      return true;
    }
    return stop("an integer has more than 64 bits");
  }
  template <class T>
    requires(std::unsigned_integral<T> && !std::same_as<T, u64>)
  bool get(T& out) {
    u64 value = 0;
    if (!get(value, std::numeric_limits<T>::max())) return false;
    out = static_cast<T>(value);
    return true;
  }
  template <class T>
    requires(std::is_enum_v<T>)
  bool get(T& out) {
    u64 value = 0;
    if (!get(value, std::numeric_limits<std::underlying_type_t<T>>::max())) return false;
    if constexpr (NamedEnum<T>) {
      if (word_of<T>(value) == nullptr) {
        return stop(fmt::format("{:#x} is no {}", value, EnumInfo<T>::type));
      }
    }
    out = static_cast<T>(value);
    return true;
  }
  /// The number of things that follow, each of at least one byte.
  bool count(u64& out) {
    if (!get(out)) return false;
    return out <= left() || stop(fmt::format("{} things are told, {} bytes are left", out, left()));
  }
  bool get(std::string& out) {
    u64 size = 0;
    if (!count(size)) return false;
    const auto from = in_.bytes.subspan(in_.offset, size);
    out.assign(from.begin(), from.end());
    in_.offset += size;
    return true;
  }
  bool get(Rights& out) {
    u64 value = 0;
    if (!get(value, 7)) return false;
    out = {.read = (value & 1) != 0, .write = (value & 2) != 0, .execute = (value & 4) != 0};
    return true;
  }
  bool get(Substream& out) {
    u64 value = 0;
    if (!get(value, u64{1} << 20)) return false;
    out = value == 0 ? no_substream : substream(static_cast<u32>(value - 1));
    return true;
  }
  template <class T, std::size_t n>
  bool get(std::array<T, n>& out) {
    for (T& item : out) {
      if (!get(item)) return false;
    }
    return true;
  }
  template <class T>
  bool get(std::vector<T>& out) {
    u64 size = 0;
    if (!count(size)) return false;
    // Grows with the bytes that are there, not with the number that is told.
    for (u64 i = 0; i < size; ++i) {
      if (!get(out.emplace_back())) return false;
    }
    return true;
  }
  template <class T>
  bool get(std::map<std::string, T>& out) {
    u64 size = 0;
    if (!count(size)) return false;
    std::string last;
    for (u64 i = 0; i < size; ++i) {
      std::string key;
      if (!get(key)) return false;
      if (i > 0 && key <= last) return stop("keys are not in ascending order");
      if (!get(out[key])) return false;
      last = std::move(key);
    }
    return true;
  }
  template <class T>
  bool get(std::optional<T>& out) {
    u64 present = 0;
    if (!get(present, 1)) return false;
    return present == 0 || get(out.emplace());
  }
  template <Described T>
  bool get(T& out) {
    return get_members(members(out));
  }
  bool get(ProfileValue& out) {
    u64 index = 0;
    if (!get(index, std::variant_size_v<ProfileValue> - 1)) return false;
    if (index == 0) return get(out.emplace<0>());
    return index == 1 ? get(out.emplace<1>()) : get(out.emplace<2>());
  }
  template <class Variant>
  bool get(Sealed<Variant>& out) {
    u64 index = 0;
    if (!get(index, std::variant_size_v<Variant> - 1)) return false;
    out.make(index);
    return get_members(members(out));
  }

 private:
  bool get_members(const Members& members) {
    bool good = true;
    for_each_member(members, [&](const FieldInfo&, auto& member) { good = good && get(member); });
    return good;
  }

  ByteReader& in_;
};

std::unexpected<Error> failure(const ByteReader& in, std::string_view message) {
  return fail(ErrorCode::bad_input, fmt::format("encoded trace, byte {}: {}", in.offset, message));
}

}  // namespace

void encode(const Event& event, std::vector<u8>& out) {
  put_alternative(out, event.payload);
  put(out, event.agent);
  put(out, event.origin);
}

Expected<Event> decode(ByteReader& in) {
  Reader reader(in);
  Event event;
  if (!reader.get(event.payload) || !reader.get(event.agent) || !reader.get(event.origin)) {
    return failure(in, reader.error);
  }
  if (const auto wrong = check(event)) {
    return failure(
        in, fmt::format("{} of {}: {}", wrong->field, info(kind_of(event)).name, wrong->message));
  }
  return event;
}

void encode_framed(const Event& event, std::vector<u8>& out) {
  Bytes bytes;
  encode(event, bytes);
  put(out, u64{bytes.size()});
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void EventStream::add(std::span<const u8> piece) {
  rest_.erase(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(offset_));
  offset_ = 0;
  rest_.insert(rest_.end(), piece.begin(), piece.end());
}

void EventStream::clear() {
  rest_ = {};
  offset_ = 0;
  position_ = 0;
  error_.reset();
}

Expected<std::optional<Event>> EventStream::next() {
  if (error_) return std::unexpected(*error_);
  const auto stop = [&](std::string_view message) {
    error_ = Error{ErrorCode::bad_input,
                   fmt::format("stream of events, byte {}: {}", position_, message)};
    return std::unexpected(*error_);
  };
  const std::span<const u8> left = std::span(rest_).subspan(offset_);
  ByteReader in{.bytes = left};
  // A length takes 4 bytes at most; a shorter piece may end within it.
  constexpr std::size_t length_bytes_max = 4;
  const std::size_t head = std::min(left.size(), length_bytes_max);
  const auto last = std::find_if(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(head),
                                 [](u8 byte) { return (byte & 0x80) == 0; });
  if (last == left.begin() + static_cast<std::ptrdiff_t>(head)) {
    if (head == length_bytes_max) return stop("an event of more than 16 MiB");
    return std::optional<Event>{};
  }
  u64 length = 0;
  Reader reader(in);
  if (!reader.get(length, event_bytes_max)) return stop(reader.error);
  if (left.size() - in.offset < length) return std::optional<Event>{};
  ByteReader bytes{.bytes = left.subspan(in.offset, length)};
  auto event = decode(bytes);
  if (!event) return stop(event.error().message);
  if (bytes.offset != length) return stop("an event is shorter than its length says");
  offset_ += in.offset + length;
  position_ += in.offset + length;
  return std::optional<Event>{std::move(*event)};
}

std::vector<u8> encode_trace(const Trace& trace) {
  Bytes out(magic.begin(), magic.end());
  out.push_back(codec_version);
  put(out, trace.header);
  put(out, u64{trace.events.size()});
  for (const Event& event : trace.events) encode(event, out);
  return out;
}

Expected<Trace> decode_trace(std::span<const u8> bytes) {
  ByteReader in{.bytes = bytes};
  if (bytes.size() < magic.size() + 1 || !std::equal(magic.begin(), magic.end(), bytes.begin())) {
    return failure(in, "these are no bytes of an encoded trace");
  }
  in.offset = magic.size();
  if (bytes[in.offset] != codec_version) {
    return fail(ErrorCode::unsupported, fmt::format("encoded trace: version {} is not known, {} is",
                                                    bytes[in.offset], codec_version));
  }
  ++in.offset;
  Reader reader(in);
  Trace trace;
  u64 events = 0;
  if (!reader.get(trace.header)) return failure(in, reader.error);
  if (const auto wrong = check(trace.header)) {
    return failure(in, fmt::format("{} of the header: {}", wrong->field, wrong->message));
  }
  if (!reader.count(events)) return failure(in, reader.error);
  for (u64 i = 0; i < events; ++i) {
    auto event = decode(in);
    if (!event) return std::unexpected(std::move(event.error()));
    trace.events.push_back(std::move(*event));
  }
  if (in.offset != bytes.size()) return failure(in, "bytes are left over");
  return trace;
}

}  // namespace iommucheck::trace
