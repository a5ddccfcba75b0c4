// SPDX-License-Identifier: MIT
// What documents show as printed is printed: a block of shell with a block of text right behind it
// is run as a reader would, from the root of the tree. In the text a line "..." stands for any
// lines, "..." at the end of a line for any rest. `<!-- not run: WHY -->` before the shell leaves
// it out.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/cli/command_support.h"
#include "tests/docs/tree.h"

namespace iommucheck::test::transcripts_test {
namespace {

using Lines = std::vector<std::string>;

struct Transcript {
  std::size_t line = 0;  ///< of the shell's fence, from 1
  Lines shell, text;
};

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// What stands between the fence at `i` and its end, at which `i` is then.
Lines block_at(const Lines& lines, std::size_t& i) {
  Lines block;
  for (++i; i < lines.size() && lines[i] != "```"; ++i) block.push_back(lines[i]);
  return block;
}

std::vector<Transcript> transcripts_of(const Lines& lines) {
  std::vector<Transcript> all;
  bool left_out = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].starts_with("<!-- not run: ")) left_out = true;
    if (!lines[i].starts_with("```")) continue;
    Transcript its{.line = i + 1, .shell = {}, .text = {}};
    const bool shell = lines[i] == "```sh";
    its.shell = block_at(lines, i);
    if (!shell) continue;
    const bool skipped = std::exchange(left_out, false);
    if (i + 2 >= lines.size() || !lines[i + 1].empty() || lines[i + 2] != "```" || skipped)
      continue;
    i += 2;
    its.text = block_at(lines, i);
    all.push_back(std::move(its));
  }
  return all;
}

bool is_rest(const std::string& line) { return line == "..."; }

bool same(const std::string& shown, const std::string& printed) {
  if (shown.ends_with("...")) return printed.starts_with(shown.substr(0, shown.size() - 3));
  return shown == printed;
}

/// The first line that is not printed where it is shown. What is shown begins with any line.
std::optional<std::string> first_wrong(const Lines& shown, const Lines& printed) {
  std::size_t at = 0;
  bool anywhere = true;
  for (const std::string& line : shown) {
    if (is_rest(line)) {
      anywhere = true;
      continue;
    }
    while (anywhere && at < printed.size() && !same(line, printed[at])) ++at;
    if (at >= printed.size() || !same(line, printed[at])) return line;
    anywhere = false;
    ++at;
  }
  return std::nullopt;
}

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
}

class Transcripts : public Command {
 protected:
  /// In a folder of its own: what is written to out/ does not go into the tree.
  std::string printed_by(const Lines& shell) {
    std::string all = "mkdir -p " + path("reader") + " && cd " + path("reader") +
                      " && mkdir -p out && ln -sfn " + in_tree("include") + " include && ln -sfn " +
                      in_tree("examples") + " examples && ln -sfn " + in_tree("litmus") +
                      " litmus && ln -sfn " + in_tree("scenario") + " scenario";
    for (std::string line : shell) {
      line = line.substr(0, line.find("  #"));
      replace_all(line, "./dev iommucheck", program());
      all += "\n" + line;
    }
    return shell_output(all);
  }
  std::string shell_output(const std::string& text) {
    return this->shell("sh " + write("transcript.sh", text) + " 2>&1").out;
  }
};

TEST_F(Transcripts, AreWhatIsPrinted) {
  std::vector<std::filesystem::path> pages = {tree() / "README.md"};
  for (const auto& file : std::filesystem::directory_iterator(tree() / "docs")) {
    if (file.path().extension() == ".md") pages.push_back(file.path());
  }
  std::ranges::sort(pages);
  std::size_t count = 0;
  for (const auto& page : pages) {
    for (const Transcript& its : transcripts_of(lines_of(read_file(page)))) {
      ++count;
      const std::string printed = printed_by(its.shell);
      const auto wrong = first_wrong(its.text, lines_of(printed));
      EXPECT_FALSE(wrong) << page.string() << ":" << its.line << ": not printed here: " << *wrong
                          << "\nprinted:\n"
                          << printed;
    }
  }
  EXPECT_GE(count, 2U);
}

TEST(TranscriptText, WhatIsNotPrintedIsNoticed) {
  const Lines printed = {"a 1", "b", "c", "d"};
  EXPECT_FALSE(first_wrong({"a ...", "...", "d"}, printed));
  EXPECT_FALSE(first_wrong({"b", "c"}, {"b", "c"}));
  EXPECT_EQ(first_wrong({"a 2"}, printed), "a 2");
  EXPECT_EQ(first_wrong({"a 1", "c"}, printed), "c") << "a line between is missing";
  EXPECT_EQ(first_wrong({"...", "e"}, printed), "e");
}

TEST(TranscriptText, IsFoundBehindItsShell) {
  const auto all =
      transcripts_of(lines_of("```sh\nx\n```\n\n```\ny\n```\n\n```sh\nz\n```\nwords\n```\nw\n```\n"
                              "<!-- not run: slow -->\n```sh\nx\n```\n\n```\ny\n```\n"));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].shell, Lines{"x"});
  EXPECT_EQ(all[0].text, Lines{"y"});
}

}  // namespace
}  // namespace iommucheck::test::transcripts_test
