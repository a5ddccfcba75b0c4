// SPDX-License-Identifier: MIT
#include "capi/read_struct.h"

#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "trace/c_layout.h"
#include "trace/check.h"

namespace iommucheck::oracle {

namespace {

using trace::FieldInfo;

static_assert(sizeof(iommucheck_event) == trace::c_head_bytes &&
              trace::c_head_bytes == IOMMUCHECK_EVENT_SIZE_VER0);
static_assert(sizeof(iommucheck_arguments) == trace::c_arguments_head_bytes &&
              trace::c_arguments_head_bytes == IOMMUCHECK_ARGUMENTS_SIZE_VER0);

/// More than any event has; a larger size is no size of a struct.
constexpr u32 struct_bytes_max = 4096;

/// Reads one field after the other. The first error stays.
class StructReader {
 public:
  /// `first`: the member behind the head.
  StructReader(const void* first, u32 bytes, u64 known, std::string_view name)
      : bytes_(static_cast<const char*>(first)), members_(bytes / 8), known_(known), name_(name) {}

  [[nodiscard]] bool good() const { return error_.empty(); }
  [[nodiscard]] std::string take_error() { return std::move(error_); }

  /// The next member as a number; 0 behind the end of the struct.
  u64 next() {
    const unsigned at = at_++;
    u64 value = 0;
    if (at < members_) {
      std::memcpy(&value, bytes_ + u64{8} * at, sizeof value);
    }
    return value;
  }
  [[nodiscard]] bool is_there(unsigned members) const { return at_ + members <= members_; }

  template <class T>
  void operator()(const FieldInfo& field, T& member) {
    using Inner = typename trace::WithoutOptional<T>::Type;
    if constexpr (std::is_same_v<Inner, trace::CallArguments>) {
      read_name(member);
    } else {
      constexpr unsigned members = trace::c_members(trace::c_shape<Inner>());
      constexpr bool fact = !std::is_same_v<Inner, T>;
      const bool known = !fact || (known_ >> facts_ & 1) != 0;
      if (fact) ++facts_;
      if (!good()) return;
      if (!known) {
        at_ += members;
        return;
      }
      if (!is_there(members)) return fail(field, "lies behind the struct's size");
      if constexpr (fact) {
        read(field, member.emplace());
      } else {
        read(field, member);
      }
    }
  }

  /// Of a Call: where its arguments are, after the fields.
  [[nodiscard]] const iommucheck_arguments* arguments() const { return arguments_; }

  /// After all fields: no bit of `known` is left over.
  void end() {
    if (!good() || facts_ >= 64) return;
    if (known_ >> facts_ != 0) {
      error_ = fmt::format("{}: `known` is {:#x}, but there are {} facts", name_, known_, facts_);
    }
  }

 private:
  void fail(const FieldInfo& field, const std::string& what) {
    if (good()) error_ = fmt::format("{}: `{}` ({}) {}", name_, field.name, field.type, what);
  }
  bool bounded(const FieldInfo& field, u64 value, u64 max) {
    if (value <= max) return true;
    fail(field, fmt::format("is {:#x}, at most {:#x} is possible", value, max));
    return false;
  }
  const char* items(const FieldInfo& field, u64 count) {
    static_assert(sizeof(void*) == sizeof(u64));
    const u64 address = next();
    const char* first = nullptr;
    std::memcpy(&first, &address, sizeof first);
    if (first == nullptr && count != 0) fail(field, "is NULL");
    return first;
  }

  /// Which call it is, and where its arguments are.
  void read_name(trace::CallArguments& call) {
    const bool there = is_there(2);
    const u64 number = next();
    const u64 address = next();
    if (!good()) return;
    std::memcpy(&arguments_, &address, sizeof arguments_);
    if (!there || number >= trace::call_count) {
      error_ = there ? fmt::format("Call: `call` is {:#x}, there are {} calls", number,
                                   trace::call_count)
                     : "Call: `call` lies behind the struct's size";
      return;
    }
    if (arguments_ == nullptr) {
      error_ = "Call: `arguments` is NULL";
      return;
    }
    call.make(number);
  }

  template <class T>
  void read(const FieldInfo& field, T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      const u64 number = next();
      if (bounded(field, number, 1)) value = number != 0;
    } else if constexpr (std::unsigned_integral<T>) {
      const u64 number = next();
      if (bounded(field, number, std::numeric_limits<T>::max())) value = static_cast<T>(number);
    } else if constexpr (trace::NamedEnum<T>) {
      const u64 number = next();
      if (trace::word_of<T>(number) == nullptr) {
        fail(field, fmt::format("is {:#x}, which is none of the enum's words", number));
      } else {
        value = static_cast<T>(number);
      }
    } else if constexpr (trace::ObjectId<T> || std::is_same_v<T, AgentId>) {
      const u64 number = next();
      if (bounded(field, number, std::numeric_limits<std::underlying_type_t<T>>::max())) {
        value = static_cast<T>(number);
      }
    } else if constexpr (std::is_same_v<T, trace::Rights>) {
      const u64 number = next();
      if (bounded(field, number, 7)) {
        value = {.read = (number & IOMMUCHECK_RIGHT_READ) != 0,
                 .write = (number & IOMMUCHECK_RIGHT_WRITE) != 0,
                 .execute = (number & IOMMUCHECK_RIGHT_EXECUTE) != 0};
      }
    } else if constexpr (std::is_same_v<T, trace::Substream>) {
      const u64 number = next();
      if (number == trace::c_no_substream) return;  // "none", as it was made
      if (bounded(field, number, (1U << 20) - 1))
        value = trace::substream(static_cast<u32>(number));
    } else {
      read_more(field, value);
    }
  }

  void read_more(const FieldInfo& /*field*/, trace::CommandWords& value) {
    value.low = next();
    value.high = next();
  }
  template <std::size_t n>
  void read_more(const FieldInfo& field, std::array<u64, n>& value) {
    const char* words = items(field, n);
    if (words != nullptr) std::memcpy(value.data(), words, sizeof value);
  }
  void read_more(const FieldInfo& field, std::string& value) {
    const char* text = items(field, 1);
    if (text == nullptr) return;
    const std::size_t length = ::strnlen(text, door_text_max + 1);
    if (bounded(field, length, door_text_max)) value.assign(text, length);
  }
  template <class Item>
  void read_more(const FieldInfo& field, std::vector<Item>& value) {
    const unsigned pointer = at_;
    ++at_;
    const u64 count = next();
    const unsigned after = std::exchange(at_, pointer);
    if (bounded(field, count, door_items_max)) {
      const char* words = items(field, count);
      // Item by item: a list of structs of two words, or of words.
      if (good()) {
        value.resize(count);
        for (u64 i = 0; i < count; ++i) read_item(words, i, value[i]);
      }
    }
    at_ = after;
  }
  static u64 word(const char* words, u64 i) {
    u64 value = 0;
    std::memcpy(&value, words + 8 * i, sizeof value);
    return value;
  }
  static void read_item(const char* words, u64 i, u64& item) { item = word(words, i); }
  template <class Pair>
  static void read_item(const char* words, u64 i, Pair& item) {
    u64 k = 2 * i;
    for_each_field(item, [&](const FieldInfo&, u64& member) { member = word(words, k++); });
  }

  const char* bytes_;
  unsigned members_;
  u64 known_;
  std::string_view name_;
  unsigned at_ = 0;
  unsigned facts_ = 0;
  std::string error_;
  const iommucheck_arguments* arguments_ = nullptr;
};

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::bad_input, std::move(message));
}

/// Size and abi of a struct whose head has `head_bytes`.
Expected<void> check_head(u32 size, u32 abi, u32 head_bytes, std::string_view what) {
  if (abi != IOMMUCHECK_MONITOR_ABI) {
    return refuse(fmt::format("`abi` is {}; this library has {}", abi, IOMMUCHECK_MONITOR_ABI));
  }
  if (size < head_bytes || size > struct_bytes_max || size % 8 != 0) {
    return refuse(fmt::format("`size` is {}: no {} struct has it", size, what));
  }
  return {};
}

/// The arguments of a call, from a struct of their own.
Expected<void> read_arguments(const iommucheck_arguments& head, trace::CallArguments& call) {
  if (auto good = check_head(head.size, head.abi, trace::c_arguments_head_bytes, "call's"); !good) {
    return good;
  }
  StructReader reader(&head + 1, head.size - trace::c_arguments_head_bytes, head.known,
                      trace::info(call).name);
  trace::visit([&](auto& arguments) { for_each_field(arguments, reader); }, call);
  reader.end();
  if (!reader.good()) return refuse(reader.take_error());
  return {};
}

}  // namespace

Expected<trace::Event> read_struct(const iommucheck_event& head) {
  if (auto good = check_head(head.size, head.abi, trace::c_head_bytes, "event's"); !good) {
    return std::unexpected(std::move(good.error()));
  }
  if (head.kind >= trace::event_kind_count) {
    return refuse(
        fmt::format("`kind` is {}, there are {} events", head.kind, trace::event_kind_count));
  }
  if (head.agent > 0xffff) return refuse(fmt::format("there is no agent {:#x}", head.agent));
  const auto kind = static_cast<trace::EventKind>(head.kind);
  trace::Event event;
  event.agent = AgentId{static_cast<u16>(head.agent)};
  if ((head.known & trace::c_known_origin) != 0) event.origin = head.origin;
  event.payload.make(head.kind);
  StructReader reader(&head + 1, head.size - trace::c_head_bytes,
                      head.known & ~trace::c_known_origin, trace::info(kind).name);
  trace::visit([&](auto& payload) { for_each_field(payload, reader); }, event.payload);
  reader.end();
  if (!reader.good()) return refuse(reader.take_error());
  if (auto* call = std::get_if<trace::Call>(&event.payload)) {
    if (auto good = read_arguments(*reader.arguments(), call->call); !good) {
      return std::unexpected(std::move(good.error()));
    }
  }
  if (const auto wrong = trace::check(event)) {
    return refuse(
        fmt::format("{}: `{}`: {}", trace::info(kind).name, wrong->field, wrong->message));
  }
  return event;
}

}  // namespace iommucheck::oracle
