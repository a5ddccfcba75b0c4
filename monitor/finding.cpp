// SPDX-License-Identifier: MIT
#include "monitor/finding.h"

#include <fmt/format.h>

#include <type_traits>

#include "base/message.h"
#include "spec/sva/call.h"
#include "trace/check.h"
#include "trace/codec.h"

namespace iommucheck::oracle {

namespace {

enum class Tag : u64 { violation = 1, gave_up = 2 };

// One list of members for both directions: an archive takes each in turn.

class FindingWriter {
 public:
  template <class T>
    requires(std::is_integral_v<T> || std::is_enum_v<T>)
  void operator()(const T& value) {
    out_.number(static_cast<u64>(value));
  }
  void operator()(const std::string& text) { out_.text(text); }
  void operator()(const fuzz::Operation& operation) { out_.number(fuzz::encode_word(operation)); }
  void operator()(const trace::Event& event) {
    std::vector<u8> bytes;
    trace::encode(event, bytes);
    out_.plain(bytes);
  }
  template <class T>
  void operator()(const std::optional<T>& value) {
    out_.number(value ? 1 : 0);
    if (value) (*this)(*value);
  }
  template <class T>
  void operator()(const std::vector<T>& list) {
    out_.number(list.size());
    for (const T& each : list) (*this)(each);
  }
  template <class T>
    requires requires(FindingWriter& writer, T& value) { members(writer, value); }
  void operator()(const T& value) {
    members(*this, const_cast<T&>(value));  // only reads
  }
  std::string take() { return out_.take(); }

 private:
  MessageWriter out_;
};

class FindingReader {
 public:
  explicit FindingReader(std::string_view bytes) : in_(bytes) {}

  void operator()(bool& value) { value = in_.number() != 0; }
  void operator()(spec::Rule& rule) {
    const std::optional<spec::Rule> known = spec::rule_of(in_.number());
    if (!known) in_.fail();
    rule = known.value_or(spec::Rule{});
  }
  void operator()(spec::Keeper& keeper) {
    const u64 value = in_.number();
    if (value > static_cast<u64>(spec::Keeper::backend)) in_.fail();
    keeper = in_.ok() ? static_cast<spec::Keeper>(value) : spec::Keeper{};
  }
  template <class T>
    requires(std::is_integral_v<T> || std::is_enum_v<T>)
  void operator()(T& value) {
    value = static_cast<T>(in_.number());
  }
  template <Word W>
  void operator()(Flag<W>& value) {
    value = in_.number() != 0;
  }
  void operator()(std::string& text) { text = in_.text(); }
  void operator()(fuzz::Operation& operation) { operation = fuzz::decode_word(in_.number()); }
  void operator()(trace::Event& event) {
    std::vector<u8> bytes;
    in_.plain(bytes);
    trace::ByteReader from{.bytes = bytes, .offset = 0};
    auto read = trace::decode(from);
    if (!read || from.offset != bytes.size()) return in_.fail();
    event = std::move(*read);
  }
  template <class T>
  void operator()(std::optional<T>& value) {
    value.reset();
    if (in_.number() != 0) (*this)(value.emplace());
  }
  template <class T>
  void operator()(std::vector<T>& list) {
    list.clear();
    for (u64 left = in_.count(); left != 0 && in_.ok(); --left) (*this)(list.emplace_back());
  }
  template <class T>
    requires requires(FindingReader& reader, T& value) { members(reader, value); }
  void operator()(T& value) {
    members(*this, value);
  }
  [[nodiscard]] bool complete() const { return in_.whole(); }

 private:
  MessageReader in_;
};

template <class Archive>
void flag(Archive& archive, Flag<u64>& value) {
  bool plain = value.value;
  archive(plain);
  value = plain;
}

template <class Archive>
void members(Archive& a, spec::Command& c) {
  a(c.op);
  for (u64* number :
       {&c.sid,         &c.ssid, &c.vmid,      &c.asid, &c.address, &c.num,      &c.scale,
        &c.ttl,         &c.tg,   &c.range,     &c.cs,   &c.msh,     &c.msi_attr, &c.msi_data,
        &c.msi_address, &c.size, &c.prg_index, &c.resp, &c.stag,    &c.beyond}) {
    a(*number);
  }
  for (Flag<u64>* one : {&c.ssv, &c.leaf, &c.global, &c.ac, &c.ab, &c.ssec}) flag(a, *one);
  a(c.broadcast);
  a(c.cpu_e2h);
}

template <class Archive>
void members(Archive& a, spec::NotCovered& why) {
  a(why.reason);
  a(why.its);
  a(why.wanted);
  a(why.last);
  a(why.same_address);
}

template <class Archive>
void members(Archive& a, spec::NearestMiss& miss) {
  a(miss.kind);
  a(miss.command);
  a(miss.at);
  a(miss.why);
}

template <class Archive>
void members(Archive& a, spec::CachedWord& word) {
  a(word.index);
  a(word.unknown);
  a(word.value);
  a(word.now);
  a(word.stored_at);
}

template <class Archive>
void members(Archive& a, spec::CauseWord& word) {
  a(word.pa);
  a(word.value);
}

template <class Archive>
void members(Archive& a, spec::Cause& cause) {
  a(cause.kind);
  a(cause.pa);
  a(cause.value);
  a(cause.va);
  a(cause.asid);
  a(cause.vmid);
  a(cause.sid);
  a(cause.ssid);
  a(cause.structure);
  a(cause.words);
  a(cause.rule);
  a(cause.as_cached);
  a(cause.contiguous);
  a(cause.txsz);
  a(cause.stored_at);
  a(cause.vanished_at);
  a(cause.unreplaced);
  a(cause.lost_at);
  a(cause.through);
  a(cause.miss);
}

template <class Archive>
void members(Archive& a, Where& where) {
  a(where.sid);
  a(where.device);
  a(where.nobodys);
  a(where.walker);
  a(where.pasid);
  a(where.address);
  a(where.access);
  a(where.privileged);
}

template <class Archive>
void members(Archive& a, AccessRights& rights) {
  a(rights.read);
  a(rights.write);
  a(rights.execute);
}

template <class Archive>
void members(Archive& a, May& may) {
  a(may.kind);
  a(may.pa);
  a(may.asid);
  a(may.vmid);
  a(may.user);
  a(may.privileged);
  a(may.attr);
  a(may.device);
  a(may.memory);
  a(may.event);
  a(may.waits);
  a(may.rule);
  a(may.as);
  a(may.because);
}

template <class Archive>
void members(Archive& a, Promised& promised) {
  a(promised.state);
  a(promised.pa);
  a(promised.prot);
}

template <class Archive>
void members(Archive& a, ObjectState& object) {
  a(object.device);
  a(object.domain);
}

template <class Archive>
void members(Archive& a, NamedEvent& named) {
  a(named.number);
  a(named.line);
  a(named.call);
  a(named.inside);
  a(named.beside);
  a(named.event);
  a(named.symbol);
  a(named.source);
  a(named.source_line);
}

template <class Archive>
void members(Archive& a, MayDo& may) {
  a(may.kind);
  a(may.event);
}

template <class Archive>
void members(Archive& a, DeviceKind& kind) {
  a(kind.what);
  a(kind.field);
  a(kind.features);
  a(kind.record);
  a(kind.names_record);
}

template <class Archive>
void members(Archive& a, LeftOver& left) {
  a(left.thing);
  a(left.why);
  a(left.since);
}

template <class Archive>
void members(Archive& a, FindingKind& kind) {
  a(kind.what);
  a(kind.doing);
  a(kind.status);
  a(kind.words);
  a(kind.may);
  a(kind.promised);
  a(kind.wrong);
  a(kind.memory);
  a(kind.walker);
  a(kind.rule);
  a(kind.end);
  a(kind.number);
  a(kind.device);
  a(kind.left);
}

template <class Archive>
void members(Archive& a, Violation& violation) {
  a(violation.rule);
  a(violation.party);
  a(violation.of_a_backend);
  a(violation.at);
  a(violation.statement);
  a(violation.where);
  a(violation.smmu);
  a(violation.hardware);
  a(violation.promised);
  a(violation.transient);
  a(violation.during);
  a(violation.causes);
  a(violation.why);
  a(violation.objects);
  a(violation.events);
  a(violation.answer);
  a(violation.wrong);
  a(violation.changed_nothing);
  a(violation.kind);
  a(violation.access);
  a(violation.which);
  a(violation.named);
  a(violation.story.events);
  a(violation.story.calls_before);
  a(violation.story.known);
  a(violation.remarks);
  a(violation.operations);
  a(violation.calls);
  a(violation.sequence);
  a(violation.machine);
  a(violation.trace_path);
  a(violation.again);
}

template <class Archive>
void members(Archive& a, GaveUp& gave_up) {
  a(gave_up.bound);
  a(gave_up.unmodelled);
  a(gave_up.operations);
  a(gave_up.sequence);
  a(gave_up.trace_path);
}

template <class T>
std::string encode_as(Tag tag, const T& value) {
  FindingWriter writer;
  writer(tag);
  writer(value);
  return writer.take();
}

template <class T>
std::optional<T> decode_as(Tag tag, std::string_view bytes) {
  FindingReader reader(bytes);
  Tag its{};
  reader(its);
  if (its != tag) return std::nullopt;
  T value;
  reader(value);
  if (!reader.complete()) return std::nullopt;
  return value;
}

}  // namespace

FindingKind kind_in_words(std::string words) {
  if (words.empty()) return {};
  return {.what = FindingKind::What::sentence, .words = std::move(words)};
}

FindingKind kind_of_device(DeviceKind device) {
  return {.what = FindingKind::What::device, .device = std::move(device)};
}

std::string text_of(const DeviceKind& kind) {
  std::string text = kind.what;
  if (!kind.field.empty()) text += "." + kind.field;
  const char* before = " (";
  for (const std::string& one : kind.features) {
    text += before + one;
    before = ", ";
  }
  return kind.features.empty() ? text : text + ")";
}

std::string without_numbers(std::string_view text) {
  std::string kind;
  for (std::size_t i = 0; i < text.size();) {
    const auto digit = [&](std::size_t k) {
      return k < text.size() && std::isdigit(static_cast<unsigned char>(text[k])) != 0;
    };
    const bool inside = i != 0 && (std::isalnum(static_cast<unsigned char>(text[i - 1])) != 0 ||
                                   text[i - 1] == '_');
    if (!digit(i) || inside) {
      kind += text[i++];
      continue;
    }
    while (i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0) ++i;
    kind += '#';
  }
  return kind;
}

std::string where_text(const Where& where) {
  std::string text;
  if (where.walker) {
    return where.device ? fmt::format("the walker of device {}", *where.device)
                        : "a walker beside the SMMU";
  }
  if (where.sid) text += fmt::format("stream {:#x}", *where.sid);
  if (where.device) {
    text += fmt::format("{}device {}", where.sid ? " (" : "", *where.device);
    if (where.pasid) text += fmt::format(", PASID {:#x}", *where.pasid);
    if (where.sid) text += ")";
  } else if (where.nobodys) {
    text += " (no device's";
    if (where.pasid) text += fmt::format(", PASID {:#x}", *where.pasid);
    text += ")";
  } else if (where.pasid) {
    text += fmt::format(", PASID {:#x}", *where.pasid);
  }
  return text;
}

std::vector<Promised> promised_of(const spec::sva::Alternatives& allowed) {
  std::vector<Promised> promised;
  for (u32 i = 0; i < allowed.count; ++i) {
    const spec::sva::Promise& one = allowed.promises[i];
    // Stage 2 without a right to read that has one to write may be read all the same.
    u32 outer = one.outer_prot;
    if ((outer & spec::sva::prot_write) != 0) outer |= spec::sva::prot_read;
    promised.push_back({one.state, one.pa, one.prot & (outer | ~spec::sva::prot_access)});
  }
  return promised;
}

May may_of(const spec::Outcome& outcome) {
  May may;
  may.pa = outcome.pa;
  may.attr = outcome.attr;
  may.event = outcome.event;
  may.waits = outcome.stalled();
  may.rule = outcome.rule;
  switch (outcome.kind) {
    case spec::OutcomeKind::translation: may.kind = May::Kind::reach; break;
    case spec::OutcomeKind::bypass: may.kind = May::Kind::pass; break;
    case spec::OutcomeKind::abort: may.kind = May::Kind::terminated; break;
    case spec::OutcomeKind::any: may.kind = May::Kind::anything; break;
    case spec::OutcomeKind::denied: may.kind = May::Kind::not_granted; break;
    case spec::OutcomeKind::fault: may.kind = May::Kind::event; break;
    case spec::OutcomeKind::within: may.kind = May::Kind::translated; break;
  }
  return may;
}

Finding finding_of(spec::Rule rule, std::string statement) {
  Finding finding;
  finding.rule = rule;
  finding.party = spec::rule_info(rule).keeper;
  finding.statement = std::move(statement);
  return finding;
}

std::string encode(const Violation& violation) { return encode_as(Tag::violation, violation); }
std::string encode(const GaveUp& gave_up) { return encode_as(Tag::gave_up, gave_up); }

std::optional<Violation> decode_violation(std::string_view bytes) {
  return decode_as<Violation>(Tag::violation, bytes);
}
std::optional<GaveUp> decode_gave_up(std::string_view bytes) {
  return decode_as<GaveUp>(Tag::gave_up, bytes);
}

}  // namespace iommucheck::oracle
