// SPDX-License-Identifier: MIT
// A report as one page for a browser: no other file, nothing from a network. Everything that it
// says stands in it as text, too; a script only steps through timelines. docs/reports.md.
#pragma once

#include <span>
#include <string>

#include "report/report.h"
#include "report/timeline.h"

namespace iommucheck::oracle {

/// `timelines` are those of the report's findings, in their order; a finding beyond them has its
/// text alone. Where there is no finding the first one is that of the trace. The page is HTML and
/// well-formed XML, behind its first line.
std::string to_html(const Report& report, std::span<const Timeline> timelines);

/// What stands between the tags of a page's head and its body's end, of html_page.cpp.
extern const char* const page_style;
extern const char* const page_script;
/// One finding's timeline: the drawing of steps and lives, the list of steps, memory; `number`
/// makes names unique in the page.
std::string timeline_html(const Timeline& timeline, std::size_t number);

}  // namespace iommucheck::oracle
