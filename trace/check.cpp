// SPDX-License-Identifier: MIT
#include "trace/check.h"

#include <fmt/format.h>

#include <concepts>

#include "trace/members.h"
#include "trace/utf8.h"

namespace iommucheck::trace {
namespace {

using Result = std::optional<FieldError>;

/// The last byte of [base, base + length) is at most 2^64 - 1; an empty range is one.
bool wraps(u64 base, u64 length) { return length != 0 && base + (length - 1) < base; }

Result access_size(u8 size, bool sixteen) {
  if (size == 1 || size == 2 || size == 4 || size == 8 || (size == 16 && sixteen)) return {};
  return FieldError{"size", fmt::format("{} is no size of an access: 1, 2, 4, 8{} are", size,
                                        sixteen ? ", 16" : "")};
}

Result fits(std::string_view field, const std::optional<u64>& value, u8 size) {
  if (!value || size >= 8 || (*value >> (8 * size)) == 0) return {};
  return FieldError{field, fmt::format("{:#x} does not fit into {} bytes", *value, size)};
}

Result range(std::string_view field, u64 base, u64 length) {
  if (!wraps(base, length)) return {};
  return FieldError{field, fmt::format("{:#x} bytes from {:#x} on wrap around", length, base)};
}

Result words_of(std::string_view field, u64 address) {
  if (address % 8 == 0) return {};
  return FieldError{field, fmt::format("{:#x} is no multiple of 8", address)};
}

Result valid(std::string_view field, const Substream& ssid) {
  if (ssid.valid ? ssid.value < (1U << 20) : ssid.value == 0) return {};
  return FieldError{field, fmt::format("{:#x} is no PASID of 20 bits", ssid.value)};
}

Result text(std::string_view field, std::string_view value) {
  if (is_utf8(value)) return {};
  return FieldError{field, "the text is not UTF-8"};
}

// Fields of one type need the same whatever the event.
template <class T>
Result check_field(std::string_view, const T&) {
  return {};
}
Result check_field(std::string_view name, const Substream& ssid) { return valid(name, ssid); }
Result check_field(std::string_view name, const Text& value) { return text(name, value); }
Result check_field(std::string_view name, AgentId agent) {
  if (agent_exists(agent)) return {};
  return FieldError{name, "there is no such agent"};
}
template <NamedEnum E>
Result check_field(std::string_view name, const E& value) {
  if (word_of<E>(static_cast<u64>(value)) != nullptr) return {};
  return FieldError{name, "there is no such value"};
}
Result check_field(std::string_view name, const TextMap& map) {
  for (const auto& [key, value] : map) {
    if (!is_utf8(key) || !is_utf8(value)) return FieldError{name, "a text is not UTF-8"};
  }
  return {};
}
Result check_field(std::string_view name, const Registers& map) {
  for (const auto& [key, value] : map) {
    if (auto error = text(name, key)) return error;
  }
  return {};
}
Result check_field(std::string_view name, const Profile& map) {
  for (const auto& [key, value] : map) {
    if (auto error = text(name, key)) return error;
    const auto* words = std::get_if<std::string>(&value);
    if (words == nullptr) continue;
    if (auto error = text(name, *words)) return error;
    if (words->starts_with("0x")) {
      return FieldError{name, fmt::format("the text \"{}\" reads as an integer", *words)};
    }
  }
  return {};
}
Result check_field(std::string_view name, const Ranges& ranges) {
  for (const Range& r : ranges) {
    if (auto error = range(name, r.base, r.length)) return error;
  }
  return {};
}
Result check_field(std::string_view name, const CallArguments& call);

template <class T>
Result check_field(std::string_view name, const std::optional<T>& fact) {
  return fact ? check_field(name, *fact) : Result{};
}

Result check_members(const ConstMembers& members) {
  Result result;
  for_each_member(members, [&](const FieldInfo& field, const auto& member) {
    if (!result) result = check_field(field.name, member);
  });
  return result;
}

Result check_field(std::string_view, const CallArguments& call) {
  return check_members(members(call));
}

// What relates fields of one event. Patterns by the fields they have, so that new events get them.
template <class T>
concept SizedAccess = requires(const T& e) {
  e.pa;
  e.size;
};
template <class T>
concept Register = requires(const T& e) {
  e.offset;
  e.size;
};
template <class T>
concept MemoryRange = requires(const T& e) {
  { e.pa } -> std::same_as<const u64&>;
  { e.length } -> std::same_as<const u64&>;
};

template <SizedAccess T>
Result related(const T& e) {
  if (auto error = access_size(e.size, true)) return error;
  if (auto error = range("pa", e.pa, e.size)) return error;
  if (auto error = fits("value", e.value, e.size)) return error;
  if constexpr (requires { e.old_value; }) {
    if (auto error = fits("old_value", e.old_value, e.size)) return error;
  }
  if constexpr (requires { e.value_high; }) {
    if (e.value_high && e.size != 16) {
      return FieldError{"value_high", "only an access of 16 bytes has it"};
    }
  }
  return {};
}

template <Register T>
Result related(const T& e) {
  if (auto error = access_size(e.size, false)) return error;
  if (auto error = range("offset", e.offset, e.size)) return error;
  return fits("value", e.value, e.size);
}

template <class T>
Result related(const T& e) {
  if constexpr (std::is_same_v<T, Reach>) {
    if (auto error = words_of("pa", e.pa)) return error;
    if (auto error = words_of("length", e.length)) return error;
    if (auto error = range("length", e.pa, e.length)) return error;
    if (!e.words) return {};
    for (std::size_t i = 0; i < e.words->size(); ++i) {
      const WordAt& word = (*e.words)[i];
      if (auto error = words_of("words", word.pa)) return error;
      if (word.pa < e.pa || word.pa - e.pa >= e.length) {
        return FieldError{"words", fmt::format("{:#x} is outside of the region", word.pa)};
      }
      if (i > 0 && (*e.words)[i - 1].pa >= word.pa) {
        return FieldError{"words", fmt::format("{:#x} is not in ascending order", word.pa)};
      }
    }
  } else if constexpr (std::is_same_v<T, Fill>) {
    if (auto error = words_of("pa", e.pa)) return error;
    if (e.words == 0 || e.words >= (u64{1} << 61)) {
      return FieldError{"words", "a number from 1 to 2^61 - 1 is expected"};
    }
    return range("words", e.pa, e.words * 8);
  } else if constexpr (MemoryRange<T>) {
    return range("length", e.pa, e.length);
  }
  return {};
}

}  // namespace

std::optional<FieldError> check(const Event& event) {
  if (!agent_exists(event.agent)) return FieldError{"agent", "there is no such agent"};
  if (auto error = check_members(members(event.payload))) return error;
  return trace::visit([](const auto& payload) { return related(payload); }, event.payload);
}

std::optional<FieldError> check(const Header& header) {
  if (auto error = check_members(members(header))) return error;
  if (header.devices) {
    for (const DeviceInfo& device : *header.devices) {
      if (auto error = check_members(members(device))) return FieldError{"devices", error->message};
    }
  }
  if (header.not_reported) {
    for (const std::string& name : *header.not_reported) {
      if (!event_from_string(name)) {
        return FieldError{"not_reported", fmt::format("\"{}\" is no event", to_utf8(name))};
      }
    }
  }
  return {};
}

}  // namespace iommucheck::trace
