// SPDX-License-Identifier: MIT
// A timeline as a drawing (SVG), a list and the memory of each step.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/html.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

namespace {

using Lane = TimelineStep::Lane;

constexpr std::array page_lanes = {Lane::call, Lane::store,     Lane::barrier, Lane::command,
                                   Lane::sync, Lane::registers, Lane::device,  Lane::other};
constexpr unsigned page_left = 90, page_width = 1000, lane_height = 18, life_height = 30;
/// Of lives, the last to be replaced: more are no picture any more.
constexpr std::size_t lives_max = 24;

/// Places in the drawing, of step `at` of `steps`.
class Scale {
 public:
  explicit Scale(std::size_t steps)
      : wide_((page_width - page_left - 10.0) /
              static_cast<double>(std::max<std::size_t>(steps, 1))) {}
  [[nodiscard]] double wide() const { return wide_; }
  [[nodiscard]] double begin_of(std::size_t at) const {
    return page_left + static_cast<double>(at) * wide_;
  }
  [[nodiscard]] double middle_of(std::size_t at) const { return begin_of(at) + wide_ / 2; }

 private:
  double wide_;
};

std::string title_of(const TimelineStep& step) {
  return fmt::format("event {} (line {}): {}{}", step.event, step.line, step.text,
                     step.source.empty() ? "" : ", " + step.source);
}

void add_lanes(std::string& out, const Timeline& timeline, const Scale& scale) {
  for (std::size_t i = 0; i < page_lanes.size(); ++i) {
    const unsigned y = 14 + static_cast<unsigned>(i) * lane_height;
    out += fmt::format(
        "<line class=\"lane\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/><text x=\"6\" "
        "y=\"{}\">{}</text>\n",
        page_left, y, page_width - 10, y, y + 4, lane_name(page_lanes[i]));
  }
  const double radius = std::clamp(scale.wide() / 2, 1.5, 5.0);
  for (std::size_t at = 0; at < timeline.steps.size(); ++at) {
    const TimelineStep& step = timeline.steps[at];
    const auto lane =
        static_cast<unsigned>(std::ranges::find(page_lanes, step.lane) - page_lanes.begin());
    out += fmt::format(
        "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{}\" r=\"{:.1f}\"><title>{}</title></circle>\n",
        step.named ? "named" : "step", scale.middle_of(at), 14 + lane * lane_height, radius,
        xml_text(title_of(step)));
  }
}

void add_life(std::string& out, const CachedLife& life, unsigned y, const Scale& scale,
              std::size_t steps) {
  const auto part = [&](const char* what, const char* says, std::size_t from, std::size_t to) {
    if (to <= from) return;
    out += fmt::format(
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" "
        "height=\"10\"><title>{}</title></rect>\n",
        what, scale.middle_of(from), y + 14, scale.begin_of(to) - scale.begin_of(from), says);
  };
  const std::size_t end = std::min(life.gone, steps);
  const std::size_t vanished = std::min(life.vanished, end);
  const std::size_t replaced = std::min(life.replaced, vanished);
  out += "<g class=\"life\">\n";
  out += fmt::format("<text x=\"{}\" y=\"{}\">{}{}</text>\n", page_left, y + 10,
                     xml_text(life.what), life.gone >= steps ? "  - never invalidated" : "");
  part("fresh", "memory says it; caches may fill", life.stored, replaced);
  part("pending", "replaced, and that may not be visible yet", replaced, vanished);
  part("stale", "only caches may have it", vanished, end);
  out += "</g>\n";
}

std::string lives_text(const Timeline& timeline) {
  std::string out;
  for (const CachedLife& life : timeline.lives) {
    out += fmt::format("<li>{}: replaced at step {}, ", xml_text(life.what), life.replaced + 1);
    out += life.vanished >= timeline.steps.size()
               ? std::string("which nothing has made visible for sure, ")
               : fmt::format("visible at step {}, ", life.vanished + 1);
    out += life.gone >= timeline.steps.size()
               ? std::string("in caches to the end</li>\n")
               : fmt::format("gone at step {}</li>\n", life.gone + 1);
  }
  return out;
}

/// JSON within a page: what would end the script element does not stand there.
std::string script_json(const std::vector<std::string>& texts) {
  std::string json = "[";
  for (const std::string& text : texts) {
    if (json.size() > 1) json += ',';
    trace::append_json_string(json, text);
  }
  json += ']';
  std::string out;
  for (const char c : json) {
    switch (c) {
      case '<': out += "\\u003c"; break;
      case '>': out += "\\u003e"; break;
      case '&': out += "\\u0026"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

std::string_view lane_name(TimelineStep::Lane lane) {
  switch (lane) {
    case Lane::call: return "calls";
    case Lane::store: return "stores";
    case Lane::barrier: return "barriers";
    case Lane::command: return "TLBI, CFGI";
    case Lane::sync: return "CMD_SYNC";
    case Lane::registers: return "registers";
    case Lane::device: return "accesses";
    case Lane::other: return "others";
  }
  return "?";
}

std::string timeline_html(const Timeline& timeline, std::size_t number) {
  if (timeline.steps.empty()) {
    return fmt::format("<p class=\"soft\">No timeline: {}.</p>\n", xml_text(timeline.missing));
  }
  const std::size_t steps = timeline.steps.size();
  const Scale scale(steps);
  const std::size_t hidden = timeline.lives.size() - std::min(timeline.lives.size(), lives_max);
  const auto shown = static_cast<unsigned>(timeline.lives.size() - hidden);
  const unsigned height =
      14 + static_cast<unsigned>(page_lanes.size()) * lane_height + shown * life_height + 10;
  std::string out = "<div class=\"timeline\">\n";
  if (timeline.left_out != 0) {
    out += fmt::format("<p class=\"soft\">{} events before these have no step.</p>\n",
                       timeline.left_out);
  }
  out += fmt::format(
      "<svg viewBox=\"0 0 {} {}\" data-steps=\"{}\" data-left=\"{}\" data-wide=\"{:.4f}\" "
      "role=\"img\" aria-label=\"Steps up to the finding, and what caches may have held; the same "
      "stands in the lists below\">\n",
      page_width, height, steps, page_left, scale.wide());
  add_lanes(out, timeline, scale);
  unsigned y = 14 + static_cast<unsigned>(page_lanes.size()) * lane_height - 8;
  for (std::size_t i = hidden; i < timeline.lives.size(); ++i, y += life_height) {
    add_life(out, timeline.lives[i], y, scale, steps);
  }
  out += fmt::format("<line class=\"cursor\" x1=\"{0}\" y1=\"4\" x2=\"{0}\" y2=\"{1}\"/>\n</svg>\n",
                     page_left, height - 4);
  if (!timeline.lives.empty()) {
    out += fmt::format(
        "<p class=\"soft\">Bars: <span class=\"bar\" style=\"width:1.5rem\"> </span> memory says "
        "it, then replaced but not visible for sure, then <span class=\"bar broken\" "
        "style=\"width:1.5rem\"> </span> only caches may have it.{}</p>\n<details><summary>What "
        "caches may have held, as text</summary><ul>\n{}</ul></details>\n",
        hidden == 0 ? "" : fmt::format(" {} earlier ones are in the text alone.", hidden),
        lives_text(timeline));
  }
  out += fmt::format(
      "<div class=\"steps\" hidden=\"hidden\"><button type=\"button\" class=\"back\" "
      "aria-label=\"one step back\">\u2190</button><input type=\"range\" min=\"0\" max=\"{}\" "
      "value=\"{}\" aria-label=\"step\"/><button type=\"button\" class=\"on\" aria-label=\"one "
      "step "
      "on\">\u2192</button></div>\n<p class=\"now\" aria-live=\"polite\"></p>\n<div "
      "class=\"two\">\n<ol aria-label=\"steps\">\n",
      steps - 1, steps - 1);
  for (const TimelineStep& step : timeline.steps) {
    out += fmt::format("<li data-drawing=\"{}\"{}>{}</li>\n", step.drawing,
                       step.named ? " class=\"named\"" : "", xml_text(title_of(step)));
  }
  out += fmt::format(
      "</ol>\n<pre class=\"memory\" id=\"memory-{}\" tabindex=\"0\" aria-label=\"memory behind the "
      "step\">{}</pre>\n</div>\n<script type=\"application/json\" "
      "class=\"drawings\">{}</script>\n</div>\n",
      number, xml_text(timeline.drawings.back()), script_json(timeline.drawings));
  return out;
}

}  // namespace iommucheck::oracle
