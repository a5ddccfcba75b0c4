// SPDX-License-Identifier: MIT
#include "oracle/violation_text.h"

#include <charconv>

#include "base/text.h"

namespace iommucheck::oracle {

namespace {

constexpr char end_of_field = '\x1f';

/// Fields one after the other; lists begin with their length.
class Writer {
 public:
  void add(std::string_view text) {
    for (const char c : text) text_ += c == end_of_field ? ' ' : c;
    text_ += end_of_field;
  }
  void add(u64 value) { add(std::string_view(std::to_string(value))); }
  void add(const std::vector<fuzz::Operation>& operations) {
    add(u64{operations.size()});
    for (const fuzz::Operation& operation : operations) add(fuzz::encode_word(operation));
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::string text() {
    const std::size_t end = rest_.find(end_of_field);
    ok_ &= end != std::string_view::npos;
    if (!ok_) return {};
    std::string field(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return field;
  }
  u64 number() {
    const std::string field = text();
    u64 value = 0;
    const auto parsed = std::from_chars(field.data(), field.data() + field.size(), value);
    ok_ &= parsed.ec == std::errc() && parsed.ptr == field.data() + field.size();
    return value;
  }
  u64 length() {
    const u64 value = number();
    ok_ &= value <= rest_.size();
    return ok_ ? value : 0;
  }
  std::vector<fuzz::Operation> operations() {
    std::vector<fuzz::Operation> operations;
    for (u64 n = length(); n != 0 && ok_; --n) operations.push_back(fuzz::decode_word(number()));
    return operations;
  }
  [[nodiscard]] bool complete() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace

std::string to_text(const Violation& violation) {
  Writer writer;
  writer.add("violation");
  writer.add(spec::rule_name(violation.rule));
  writer.add(violation.headline);
  writer.add(u64{violation.evidence.size()});
  for (const std::string& line : violation.evidence) writer.add(line);
  writer.add(violation.operations);
  writer.add(violation.calls);
  writer.add(violation.sequence);
  writer.add(violation.trace_path);
  writer.add(violation.again);
  return writer.take();
}

std::optional<Violation> violation_of(std::string_view text) {
  Reader reader(text);
  if (reader.text() != "violation") return std::nullopt;
  Violation violation;
  const auto rule = spec::find_rule(reader.text());
  if (!rule) return std::nullopt;
  violation.rule = *rule;
  violation.headline = reader.text();
  for (u64 n = reader.length(); n != 0; --n) violation.evidence.push_back(reader.text());
  violation.operations = reader.operations();
  violation.calls = reader.number();
  violation.sequence = reader.number();
  violation.trace_path = reader.text();
  violation.again = reader.text();
  if (!reader.complete()) return std::nullopt;
  return violation;
}

std::string to_text(const GaveUp& gave_up) {
  Writer writer;
  writer.add("gave up");
  writer.add(gave_up.bound);
  writer.add(gave_up.operations);
  writer.add(gave_up.sequence);
  writer.add(gave_up.trace_path);
  return writer.take();
}

std::optional<GaveUp> gave_up_of(std::string_view text) {
  Reader reader(text);
  if (reader.text() != "gave up") return std::nullopt;
  GaveUp gave_up;
  gave_up.bound = reader.text();
  gave_up.operations = reader.operations();
  gave_up.sequence = reader.number();
  gave_up.trace_path = reader.text();
  if (!reader.complete()) return std::nullopt;
  return gave_up;
}

}  // namespace iommucheck::oracle
