// SPDX-License-Identifier: MIT
#include "trace/hash.h"

#include <bit>

#include "base/hash.h"
#include "trace/members.h"

namespace iommucheck::trace {
namespace {

/// Mixes words one after the other. Each step is a bijection of the state for a fixed word.
struct Mixer {
  u64 state;

  void add(u64 word) {
    state = std::rotl(state ^ (word * 0xc2b2ae3d27d4eb4f), 29) * 0x9e3779b185ebca87 + 1;
  }
  template <class T>
    requires(std::unsigned_integral<T> || ObjectId<T> || std::same_as<T, AgentId>)
  void add(T value) {
    add(static_cast<u64>(value));
  }
  template <NamedEnum E>
  void add(E value) {
    add(fnv1a(to_string(value)));
  }
  void add(std::string_view text) {
    add(u64{text.size()});
    add(fnv1a(text));
  }
  void add(const std::string& text) { add(std::string_view(text)); }
  void add(Rights r) { add(u64{r.read} | u64{r.write} << 1 | u64{r.execute} << 2); }
  void add(Substream ssid) { add(ssid.valid ? u64{ssid.value} + 1 : u64{0}); }
  void add(const ProfileValue& value) {
    add(u64{value.index()});
    std::visit([&](const auto& alternative) { add(alternative); }, value);
  }
  void add(const CallArguments& call) {
    add(info(call).name);
    add(members(call));
  }
  template <class T, std::size_t n>
  void add(const std::array<T, n>& list) {
    for (const T& item : list) add(item);
  }
  template <class T>
  void add(const std::vector<T>& list) {
    add(u64{list.size()});
    for (const T& item : list) add(item);
  }
  template <class T>
  void add(const std::map<std::string, T>& map) {
    add(u64{map.size()});
    for (const auto& [key, value] : map) {
      add(key);
      add(value);
    }
  }
  template <Described T>
  void add(const T& value) {
    add(members(value));
  }
  void add(const ConstMembers& members) { for_each_member(members, *this); }

  void operator()(const FieldInfo& field, const auto& member) {
    add(fnv1a(field.name));
    add(member);
  }
  // A fact that is absent adds nothing, so that facts can be added to the alphabet.
  template <class T>
  void operator()(const FieldInfo& field, const std::optional<T>& fact) {
    if (fact) (*this)(field, *fact);
  }
};

}  // namespace

void TraceHash::add(const Header& header) {
  Mixer mixer{state_};
  mixer.add(header);
  state_ = mixer.state;
}

void TraceHash::add(const Event& event) {
  Mixer mixer{state_};
  mixer.add(fnv1a(info(kind_of(event)).name));
  mixer.add(event.agent);
  mixer.add(members(event.payload));
  if (event.origin) {
    mixer.add(fnv1a("origin"));
    mixer.add(*event.origin);
  }
  state_ = mixer.state;
}

u64 TraceHash::value() const {
  u64 word = state_;
  word = (word ^ (word >> 33)) * 0xff51afd7ed558ccd;
  word = (word ^ (word >> 33)) * 0xc4ceb9fe1a85ec53;
  return word ^ (word >> 33);
}

u64 hash_of(const Trace& trace) {
  TraceHash hash;
  hash.add(trace.header);
  for (const Event& event : trace.events) hash.add(event);
  return hash.value();
}

}  // namespace iommucheck::trace
