// SPDX-License-Identifier: MIT
#include "report/junit.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/finding_identity.h"
#include "report/finding_text.h"
#include "trace/utf8.h"

namespace iommucheck::oracle {

namespace {

/// Characters that no XML 1.0 document may hold, not even as a reference (XML 1.0, 2.2 Char).
bool is_forbidden(u8 byte) { return byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r'; }

/// Bytes of the character at the front of `text` (not empty), 0 if it is none of UTF-8 or U+FFFE
/// or U+FFFF.
std::size_t character_length(std::string_view text) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(4, text.size()); ++length) {
    const std::string_view one = text.substr(0, length);
    if (!trace::is_utf8(one)) continue;
    return one == "\xef\xbf\xbe" || one == "\xef\xbf\xbf" ? 0 : length;
  }
  return 0;
}

std::string escaped(std::string_view text, bool attribute) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const auto byte = static_cast<u8>(text.front());
    const std::size_t length = byte < 0x80 ? 1 : character_length(text);
    const std::string_view one = text.substr(0, std::max<std::size_t>(length, 1));
    text.remove_prefix(one.size());
    if (length == 0 || is_forbidden(byte)) {
      out += fmt::format("\\x{:02x}", byte);
      continue;
    }
    switch (byte) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;  // "]]>" may not stand in a text
      case '"': out += attribute ? "&quot;" : "\""; break;
      case '\r': out += "&#13;"; break;                     // a reader would make it \n
      case '\n': out += attribute ? "&#10;" : "\n"; break;  // and a blank of it there
      case '\t': out += attribute ? "&#9;" : "\t"; break;
      default: out += one;
    }
  }
  return out;
}

void add(std::string& out, std::string_view name, std::string_view value) {
  out += fmt::format(" {}=\"{}\"", name, xml_attribute(value));
}

void write_properties(std::string& out, std::string_view indent,
                      const std::vector<std::pair<std::string, std::string>>& properties) {
  if (properties.empty()) return;
  out += fmt::format("{}<properties>\n", indent);
  for (const auto& [key, value] : properties) {
    out += fmt::format("{}  <property", indent);
    add(out, "name", key);
    add(out, "value", value);
    out += "/>\n";
  }
  out += fmt::format("{}</properties>\n", indent);
}

struct Totals {
  u64 tests = 0, failures = 0, errors = 0, skipped = 0;
  double seconds = 0;
  void add(const JunitSuite& suite) {
    tests += suite.cases.size();
    for (const JunitCase& one : suite.cases) {
      failures += one.status == JunitStatus::failed;
      errors += one.status == JunitStatus::error;
      skipped += one.status == JunitStatus::skipped;
    }
    seconds += suite.seconds;
  }
  [[nodiscard]] std::string attributes() const {
    return fmt::format(" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3f}\"",
                       tests, failures, errors, skipped, std::max(seconds, 0.0));
  }
};

void write_verdict(std::string& out, const JunitCase& one) {
  const std::string_view tag = one.status == JunitStatus::failed  ? "failure"
                               : one.status == JunitStatus::error ? "error"
                                                                  : "skipped";
  out += fmt::format("      <{}", tag);
  add(out, "message", one.message);
  if (one.status == JunitStatus::skipped) {
    out += "/>\n";
    return;
  }
  if (!one.type.empty()) add(out, "type", one.type);
  const std::string& text = one.details.empty() ? one.message : one.details;
  out += fmt::format(">{}</{}>\n", xml_text(text), tag);
}

void write_case(std::string& out, const JunitSuite& suite, const JunitCase& one) {
  out += "    <testcase";
  add(out, "name", one.name);
  add(out, "classname", one.group.empty() ? suite.name : one.group);
  out += fmt::format(" time=\"{:.3f}\"", std::max(one.seconds, 0.0));
  if (!one.file.empty()) add(out, "file", one.file);
  if (one.line != 0) out += fmt::format(" line=\"{}\"", one.line);
  if (one.status == JunitStatus::passed && one.output.empty() && one.fingerprints.empty()) {
    out += "/>\n";
    return;
  }
  out += ">\n";
  std::vector<std::pair<std::string, std::string>> properties;
  for (const std::string& its : one.fingerprints) properties.emplace_back("fingerprint", its);
  write_properties(out, "      ", properties);
  if (one.status != JunitStatus::passed) write_verdict(out, one);
  if (!one.output.empty()) {
    out += fmt::format("      <system-out>{}</system-out>\n", xml_text(one.output));
  }
  out += "    </testcase>\n";
}

void write_suite(std::string& out, const JunitSuite& suite) {
  Totals totals;
  totals.add(suite);
  out += "  <testsuite";
  add(out, "name", suite.name);
  out += totals.attributes() + ">\n";
  write_properties(out, "    ", suite.properties);
  for (const JunitCase& one : suite.cases) write_case(out, suite, one);
  out += "  </testsuite>\n";
}

JunitCase case_of(const RuleCount& rule, std::string_view group) {
  JunitCase result;
  result.name = spec::rule_name(rule.rule);
  result.group = group;
  const std::string verdict(to_string(rule.verdict));
  switch (rule.verdict) {
    case RuleVerdict::holds:
      result.output =
          fmt::format("kept {}, would have been broken {}", rule.kept, rule.discriminating);
      break;
    case RuleVerdict::broken:
      result.status = rule.as_known ? JunitStatus::skipped : JunitStatus::failed;
      result.type = spec::family_name(spec::rule_info(rule.rule).family);
      result.message = fmt::format("broken {} times{}{}", rule.broken, rule.as_known ? ", " : "",
                                   rule.as_known ? rule.why : "");
      break;
    case RuleVerdict::not_claimed:
    case RuleVerdict::not_exercised:
    case RuleVerdict::undetermined:
      result.status = JunitStatus::skipped;
      result.message = rule.why.empty() ? verdict : verdict + ": " + rule.why;
      break;
  }
  return result;
}

void fail_by(JunitCase& one, const Violation& finding) {
  const bool first = one.details.empty();
  one.status = JunitStatus::failed;
  one.type = spec::family_name(spec::rule_info(finding.rule).family);
  if (first) one.message = headline(finding);
  one.details += (first ? "" : "\n") + full_text(finding);
  if (const std::string its = fingerprint_of(finding); !its.empty()) {
    one.fingerprints.push_back(its);
  }
  if (const NamedEvent* place = event_in_source(finding); place != nullptr && one.file.empty()) {
    one.file = from_here(place->source);
    one.line = place->source_line;
  }
}

}  // namespace

std::string xml_text(std::string_view text) { return escaped(text, false); }
std::string xml_attribute(std::string_view text) { return escaped(text, true); }

std::string to_junit(std::span<const JunitSuite> suites) {
  Totals totals;
  for (const JunitSuite& suite : suites) totals.add(suite);
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"iommucheck\"" +
                    totals.attributes() + ">\n";
  for (const JunitSuite& suite : suites) write_suite(out, suite);
  return out + "</testsuites>\n";
}

std::string to_junit(const JunitSuite& suite) { return to_junit(std::span(&suite, 1)); }

JunitCase case_of(const MissingFact& missing) {
  JunitCase one;
  one.name = missing.fact;
  one.group = "undetermined";
  one.status = JunitStatus::skipped;
  one.message = fmt::format("{} events are undetermined", missing.events);
  return one;
}

void add_rules(JunitSuite& suite, std::span<const RuleCount> rules,
               std::span<const Violation> findings, std::string_view group) {
  const std::size_t begin = suite.cases.size();
  for (const RuleCount& rule : rules) suite.cases.push_back(case_of(rule, group));
  for (const Violation& finding : findings) {
    const std::string_view name = spec::rule_name(finding.rule);
    const auto own =
        std::find_if(suite.cases.begin() + static_cast<std::ptrdiff_t>(begin), suite.cases.end(),
                     [&](const JunitCase& one) { return one.name == name; });
    if (own != suite.cases.end()) {
      fail_by(*own, finding);
      continue;
    }
    JunitCase extra;
    extra.name = name;
    extra.group = group;
    fail_by(extra, finding);
    suite.cases.push_back(std::move(extra));
  }
}

}  // namespace iommucheck::oracle
