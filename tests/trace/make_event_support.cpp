// SPDX-License-Identifier: MIT
#include "tests/trace/make_event.h"

#include <utility>

#include "trace/members.h"

namespace iommucheck::trace {
namespace {

class Filler {
 public:
  explicit Filler(Draw& draw) : draw_(draw) {}

  Event event(EventKind kind) {
    Event event;
    fill(event.agent);
    event.payload.make(static_cast<std::size_t>(kind));
    fill_members(members(event.payload));
    trace::visit([&](auto& payload) { repair(payload); }, event.payload);
    fill(event.origin);
    return event;
  }

  Call call(CallName name) {
    Call call;
    fill(call.id);
    call.call.make(static_cast<std::size_t>(name));
    fill_members(members(call.call));
    return call;
  }

  Header header() {
    Header header;
    fill(header);
    if (header.not_reported) header.not_reported = Names{"Barrier", "Load"};
    return header;
  }

 private:
  void fill(bool& out) { out = draw_.below(2) == 1; }
  template <std::unsigned_integral T>
  void fill(T& out) {
    out = static_cast<T>(draw_.word());
  }
  template <ObjectId T>
  void fill(T& out) {
    out = static_cast<T>(draw_.word());
  }
  template <NamedEnum E>
  void fill(E& out) {
    const auto& values = EnumInfo<E>::values;
    out = static_cast<E>(values[draw_.below(values.size())].number);
  }
  void fill(AgentId& out) {
    out = make_agent(static_cast<AgentKind>(draw_.below(4)), static_cast<u16>(draw_.below(4)));
    if (draw_.below(4) == 0) out = unknown_cpu_agent;
  }
  void fill(Rights& out) { fill(out.read), fill(out.write), fill(out.execute); }
  void fill(Substream& out) {
    out = draw_.below(2) == 0 ? no_substream : substream(draw_.below(1U << 20) & 0xfffff);
  }
  void fill(std::string& out) {
    static constexpr std::array<std::string_view, 10> pieces{
        "a", " ", "\"", "\\", "\n", "\x01", "\xc3\xa9", "\xe2\x86\x92", "\xf0\x9f\x98\x80", "/"};
    out.clear();
    for (u64 n = draw_.below(6); n > 0; --n) out += pieces[draw_.below(pieces.size())];
  }
  void fill(ProfileValue& out) {
    const u64 which = draw_.below(3);
    if (which == 0) out.emplace<bool>();
    if (which == 1) out.emplace<u64>();
    if (which == 2) out.emplace<std::string>();
    std::visit([&](auto& value) { fill(value); }, out);
  }
  void fill(CallArguments& out) { out = call(static_cast<CallName>(draw_.below(call_count))).call; }
  void fill(Range& out) { out = {.base = draw_.word() >> 2, .length = draw_.word() >> 2}; }
  template <class T>
  void fill(std::vector<T>& out) {
    out.resize(draw_.below(4));
    for (T& item : out) fill(item);
  }
  template <std::size_t n>
  void fill(std::array<u64, n>& out) {
    for (u64& item : out) fill(item);
  }
  template <class T>
  void fill(std::map<std::string, T>& out) {
    for (u64 n = draw_.below(4); n > 0; --n) {
      std::string key;
      fill(key);
      fill(out[key]);
    }
  }
  template <class T>
  void fill(std::optional<T>& out) {
    out.reset();
    if (draw_.below(2) == 1) fill(out.emplace());
  }
  template <Described T>
  void fill(T& out) {
    fill_members(members(out));
  }
  void fill_members(const Members& all) {
    for_each_member(all, [&](const FieldInfo&, auto& member) { fill(member); });
  }

  static void cut(std::optional<u64>& value, unsigned size) {
    if (value && size < 8) *value &= (u64{1} << (8 * size)) - 1;
  }
  static void cut(u64& value, unsigned size) {
    if (size < 8) value &= (u64{1} << (8 * size)) - 1;
  }

  /// Makes what was drawn keep check(), and nothing more.
  template <class T>
  void repair(T& e) {
    if constexpr (requires {
                    e.size;
                    e.value;
                  }) {
      constexpr bool device_register = requires { e.offset; };
      e.size = static_cast<u8>(1U << draw_.below(device_register ? 4 : 5));
      cut(e.value, e.size);
    }
    if constexpr (requires { e.old_value; }) cut(e.old_value, e.size);
    if constexpr (requires { e.value_high; }) {
      if (e.size != 16) e.value_high.reset();
    }
    if constexpr (requires { e.offset; }) e.offset >>= 1;
    if constexpr (requires {
                    { e.pa } -> std::same_as<u64&>;
                  })
      e.pa >>= 1;
    if constexpr (requires {
                    { e.length } -> std::same_as<u64&>;
                  })
      e.length >>= 1;
    if constexpr (std::is_same_v<T, Fill>) {
      e.pa &= ~u64{7};
      e.words = 1 + (e.words >> 16);
    }
    if constexpr (std::is_same_v<T, Reach>) {
      e.pa &= ~u64{7};
      e.length = (e.length & 0xfff8) + 64;
      if (e.words) {
        u64 at = e.pa;
        for (WordAt& word : *e.words) {
          word.pa = at;
          at += 8 * (1 + draw_.below(2));
        }
      }
    }
  }

  Draw& draw_;
};

}  // namespace

Event EventMaker::event() { return event(static_cast<EventKind>(draw_.below(event_kind_count))); }
Event EventMaker::event(EventKind kind) { return Filler(draw_).event(kind); }
Call EventMaker::call(CallName name) { return Filler(draw_).call(name); }
Header EventMaker::header() { return Filler(draw_).header(); }

}  // namespace iommucheck::trace
