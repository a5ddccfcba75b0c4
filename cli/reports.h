// SPDX-License-Identifier: MIT
// --report FILE: what a run has to say, in files, whatever the exit status.
#pragma once

#include <string>
#include <vector>

#include "check/check.h"
#include "cli/options.h"
#include "conform/conform.h"
#include "monitor/replay.h"
#include "monitor/verdict.h"
#include "report/report.h"

namespace iommucheck::cli {

/// The command's name, its subject, the verdict and why.
oracle::Report report_of(std::string command, std::string subject, const oracle::RunEnd& end);
oracle::Report report_of(const oracle::CheckResult& result, const oracle::RunEnd& end);
oracle::Report report_of(const std::string& trace, const oracle::ReplayResult& result,
                         const oracle::RunEnd& end);
oracle::Report report_of(const oracle::ConformResult& result, const oracle::RunEnd& end);
/// What a command line names as under test, as Report::object: empty where that is no file.
std::string object_of(const std::string& named);

/// As one word of a shell.
std::string quoted(const std::string& text);

/// A divergence of the device, with the command that shows it again.
oracle::Violation finding_of(const oracle::FoundDivergence& found,
                             const oracle::ConformResult& result);

/// On stdout; nothing as text, which each command prints in its own way.
void print_document(const oracle::Report& report, Format format);

/// The report as a page, with a timeline of each finding that has a trace.
std::string page_of(const oracle::Report& report);

/// Writes each file; the exit status of the run, or the environment's where one cannot be written
/// and nothing was found.
int write_reports(const oracle::Report& report, const std::vector<std::string>& files, int status);

/// The run ended with an error: it is said on stderr and in each report, and on stdout where that
/// is for programs. The exit status.
int ended_by(const Error& error, const oracle::Report& report,
             const std::vector<std::string>& files, Format format);

}  // namespace iommucheck::cli
