// SPDX-License-Identifier: MIT
#include "report/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/finding_text.h"

namespace iommucheck::oracle {

namespace {

/// A word of a verdict as the name of a class.
std::string css_class(std::string_view verdict) {
  std::string name(verdict);
  std::ranges::replace(name, ' ', '-');
  std::ranges::replace(name, '_', '-');
  return name;
}

std::string property_html(const PropertyValue& value) {
  return std::visit([](const auto& plain) { return fmt::format("{}", plain); }, value);
}

void add_head(std::string& out, const Report& report, const std::string& title) {
  out += fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta "
      "charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\"/>\n<title>{}</title>\n<style>{}</style>\n"
      "</head>\n<body>\n<header><h1>{}</h1>\n<p><span class=\"{}\">{}</span> "
      "<button type=\"button\" id=\"shade\" hidden=\"hidden\">light or dark</button></p>\n",
      xml_text(title), page_style, xml_text(title), css_class(to_string(report.verdict)),
      xml_text(to_string(report.verdict)));
  if (!report.summary.empty()) out += fmt::format("<p>{}</p>\n", xml_text(report.summary));
  for (const std::string& why : report.why) out += fmt::format("<p>{}</p>\n", xml_text(why));
  out += "</header>\n";
}

void add_run(std::string& out, const Report& report) {
  out += fmt::format("<details><summary>The run: iommucheck {}, {:.1f} s</summary><table>\n",
                     xml_text(report.version), report.seconds);
  for (const auto& [key, value] : report.properties) {
    out += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", xml_text(key),
                       xml_text(property_html(value)));
  }
  out += "</table></details>\n";
}

void add_rule_table(std::string& out, const Report& report) {
  if (report.rules.empty()) return;
  out +=
      "<section id=\"rules\"><h2>Rules</h2>\n<table>\n<thead><tr><th>rule</th><th>verdict</th>"
      "<th>kept</th><th>would have been broken</th><th>broken</th><th>exercised</th><th>why</th>"
      "</tr></thead>\n<tbody>\n";
  u64 most = 1;
  for (const RuleCount& rule : report.rules) most = std::max(most, rule.discriminating);
  const auto width_of = [most](u64 number) {
    // As long as the number has digits: campaigns ask one rule a million times and another twice.
    const auto digits = [](u64 n) { return static_cast<double>(fmt::formatted_size("{}", n)); };
    return number == 0 ? 0.0 : 6 * digits(number) / digits(most);
  };
  for (const RuleCount& rule : report.rules) {
    const bool broken = rule.verdict == RuleVerdict::broken;
    out += fmt::format(
        "<tr><td>{}</td><td class=\"{}\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td><td><span class=\"bar{}\" style=\"width:{:.1f}rem\"> "
        "</span></td><td class=\"soft\">{}</td></tr>\n",
        spec::rule_name(rule.rule), css_class(to_string(rule.verdict)), to_string(rule.verdict),
        rule.kept, rule.discriminating, rule.broken, broken ? " broken" : "",
        width_of(rule.discriminating), xml_text(rule.why));
  }
  out += "</tbody>\n</table></section>\n";
}

void add_finding_section(std::string& out, const Violation& finding, std::size_t number,
                         const Timeline* timeline) {
  const spec::RuleInfo& rule = spec::rule_info(finding.rule);
  out += fmt::format(
      "<section class=\"finding\" id=\"finding-{}\"><h2><span class=\"broken\">{}</span> at fault: "
      "{}</h2>\n<p>{}</p>\n<p class=\"soft\">{} [{}]</p>\n",
      number, rule.name, xml_text(spec::keeper_name(finding.party)), xml_text(headline(finding)),
      xml_text(rule.text), xml_text(rule.section));
  if (timeline != nullptr) out += timeline_html(*timeline, number);
  out += fmt::format("<details{}><summary>All of it as text</summary><pre>{}</pre></details>\n",
                     timeline == nullptr || timeline->steps.empty() ? " open=\"open\"" : "",
                     xml_text(full_text(finding)));
  out += "</section>\n";
}

std::string_view test_word(JunitStatus status) {
  switch (status) {
    case JunitStatus::passed: return "ok";
    case JunitStatus::failed: return "failed";
    case JunitStatus::error: return "no verdict";
    case JunitStatus::skipped: return "skipped";
  }
  return "?";
}

void add_test_table(std::string& out, const Report& report) {
  if (report.tests.empty()) return;
  out +=
      "<section id=\"tests\"><h2>Tests</h2>\n<table>\n<thead><tr><th>test</th><th>of</th>"
      "<th>verdict</th><th>why</th></tr></thead>\n<tbody>\n";
  for (const JunitCase& test : report.tests) {
    const bool bad = test.status == JunitStatus::failed;
    out += fmt::format("<tr><td>{}</td><td>{}</td><td class=\"{}\">{}</td><td>{}",
                       xml_text(test.name), xml_text(test.group), bad ? "broken" : "soft",
                       test_word(test.status), xml_text(test.message));
    if (!test.details.empty()) out += fmt::format("<pre>{}</pre>", xml_text(test.details));
    out += "</td></tr>\n";
  }
  out += "</tbody>\n</table></section>\n";
}

}  // namespace

std::string to_html(const Report& report, std::span<const Timeline> timelines) {
  const std::string title = fmt::format("iommucheck {}{}{}", report.command,
                                        report.subject.empty() ? "" : " ", report.subject);
  std::string out;
  add_head(out, report, title);
  add_run(out, report);
  if (report.findings.size() > 1) {
    out += "<nav><h2>Findings</h2><ol>\n";
    for (std::size_t i = 0; i < report.findings.size(); ++i) {
      out += fmt::format("<li><a href=\"#finding-{}\">{}</a>: {}</li>\n", i + 1,
                         spec::rule_name(report.findings[i].rule),
                         xml_text(headline(report.findings[i])));
    }
    out += "</ol></nav>\n";
  }
  if (report.findings.empty() && !timelines.empty()) {
    out += "<section id=\"trace\"><h2>The trace</h2>\n" + timeline_html(timelines.front(), 0) +
           "</section>\n";
  }
  for (std::size_t i = 0; i < report.findings.size(); ++i) {
    add_finding_section(out, report.findings[i], i + 1,
                        i < timelines.size() ? &timelines[i] : nullptr);
  }
  add_rule_table(out, report);
  add_test_table(out, report);
  out += fmt::format("<script>{}</script>\n</body>\n</html>\n", page_script);
  return out;
}

}  // namespace iommucheck::oracle
