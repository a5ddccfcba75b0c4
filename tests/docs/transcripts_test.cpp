// SPDX-License-Identifier: MIT
// What documents show as printed is printed: a block of shell with a block of text right behind it
// is run as a reader would, from the root of the tree. In the text a line "..." stands for any
// lines, "..." at the end of a line for any rest. `<!-- not run: WHY -->` before the shell leaves
// it out. `./dev generate` writes lines anew of which half the words are still printed, and takes
// out those that are not printed any more.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/cli/command_support.h"
#include "tests/docs/tree.h"
#include "tests/document.h"

namespace iommucheck::test::transcripts_test {
namespace {

using Lines = std::vector<std::string>;

struct Transcript {
  std::size_t line = 0;   ///< of the shell's fence, from 1
  std::size_t first = 0;  ///< of the text's lines, from 0
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
    its.first = i + 1;
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

Lines words_of(const std::string& line) {
  Lines words;
  std::istringstream in(line);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// What is shown, made of what is printed now.
class Renewed {
 public:
  Renewed(const Lines& shown, const Lines& printed) : shown_(shown), printed_(printed) {}
  Lines lines() { return from({.shown = 0, .printed = 0, .anywhere = true}).lines; }

 private:
  /// What is left of both; `anywhere`: lines that are printed may be passed over.
  struct At {
    std::size_t shown, printed;
    bool anywhere;
    friend auto operator<=>(const At&, const At&) = default;
  };
  struct Way {
    std::size_t cost = 0;
    Lines lines{};
  };

  /// Words of `shown` that are not in `printed`, by those at its begin and at its end.
  static std::size_t difference(const std::string& shown, const std::string& printed) {
    if (same(shown, printed)) return 0;
    const bool begins = shown.ends_with("...");
    const Lines a = words_of(begins ? shown.substr(0, shown.size() - 3) : shown);
    Lines b = words_of(printed);
    if (begins) b.resize(std::min(a.size(), b.size()));
    const std::size_t most = std::min(a.size(), b.size());
    std::size_t begin = 0, end = 0;
    if (a.size() == b.size()) {
      for (std::size_t i = 0; i < most; ++i) begin += a[i] == b[i] ? 1 : 0;
    } else {
      while (begin < most && a[begin] == b[begin]) ++begin;
      while (end < most - begin && a[a.size() - 1 - end] == b[b.size() - 1 - end]) ++end;
    }
    return std::max(a.size(), b.size()) - begin - end;
  }
  static std::string renewed(const std::string& shown, const std::string& printed) {
    if (same(shown, printed)) return shown;
    if (!shown.ends_with("...")) return printed;
    const std::size_t room = std::min(shown.size() - 3, printed.size());
    return printed.substr(0, room) + "...";
  }

  const Way& from(At at) {
    const auto known = ways_.find(at);
    if (known != ways_.end()) return known->second;
    Way best;
    if (at.shown < shown_.size()) {
      const std::string& line = shown_[at.shown];
      if (is_rest(line)) {
        best = with(line, 0, {at.shown + 1, at.printed, true});
      } else {
        best = with({}, 4, {at.shown + 1, at.printed, at.anywhere});  // it is printed no more
        if (at.printed < printed_.size()) {
          const std::string& now = printed_[at.printed];
          const std::size_t differs = difference(line, now);
          const auto take = [&](Way way) {
            if (way.cost < best.cost) best = std::move(way);
          };
          if (2 * differs <= words_of(line).size()) {
            take(with(renewed(line, now), differs, {at.shown + 1, at.printed + 1, false}));
          }
          const At next{at.shown, at.printed + 1, at.anywhere};
          take(at.anywhere ? with({}, 0, next) : with(now, 3, next));
        }
      }
    }
    return ways_.emplace(at, std::move(best)).first->second;
  }
  Way with(const std::optional<std::string>& line, std::size_t cost, At next) {
    Way way = from(next);
    way.cost += cost;
    if (line) way.lines.insert(way.lines.begin(), *line);
    return way;
  }

  const Lines& shown_;
  const Lines& printed_;
  std::map<At, Way> ways_;
};

void replace_all(std::string& text, std::string_view what, const std::string& by) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
}

class TranscriptsDocument : public Command {
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

TEST_F(TranscriptsDocument, ShowsWhatIsPrinted) {
  std::vector<std::filesystem::path> pages = {tree() / "README.md"};
  for (const auto& file : std::filesystem::directory_iterator(tree() / "docs")) {
    if (file.path().extension() == ".md") pages.push_back(file.path());
  }
  std::ranges::sort(pages);
  std::size_t count = 0;
  for (const auto& page : pages) {
    Document document(page);
    Lines lines = lines_of(document.text());
    std::vector<Transcript> all = transcripts_of(lines);
    std::ranges::reverse(all);  // the places of those before stay what they are
    for (const Transcript& its : all) {
      ++count;
      const std::string printed = printed_by(its.shell);
      const auto wrong = first_wrong(its.text, lines_of(printed));
      if (!wrong) continue;
      EXPECT_TRUE(writes_anew()) << page.string() << ":" << its.line
                                 << ": not printed here: " << *wrong << "\nprinted:\n"
                                 << printed;
      const auto first = lines.begin() + static_cast<std::ptrdiff_t>(its.first);
      const auto behind = lines.erase(first, first + static_cast<std::ptrdiff_t>(its.text.size()));
      const Lines now = Renewed(its.text, lines_of(printed)).lines();
      lines.insert(behind, now.begin(), now.end());
    }
    if (lines == lines_of(document.text())) continue;
    document.put_all(fmt::format("{}\n", fmt::join(lines, "\n")));
    document.check();
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

TEST(TranscriptText, IsRenewedByWhatIsPrinted) {
  const auto renewed = [](const Lines& shown, const Lines& printed) {
    return Renewed(shown, printed).lines();
  };
  const Lines printed = {"a b 1 c d", "x", "rules: 7 hold, 2 broken", "y", "done in 9 s", "z"};
  EXPECT_EQ(renewed({"...", "rules: 5 hold, 2 broken", "...", "z"}, printed),
            (Lines{"...", "rules: 7 hold, 2 broken", "...", "z"}));
  EXPECT_EQ(renewed({"a b 2...", "..."}, printed), (Lines{"a b 1...", "..."}));
  EXPECT_EQ(renewed({"a b 1 c d", "rules: 7 hold, 2 broken"}, printed),
            (Lines{"a b 1 c d", "x", "rules: 7 hold, 2 broken"}))
      << "a line that is new";
  EXPECT_EQ(renewed({"x", "it is gone", "rules: 7 hold, 2 broken"}, printed),
            (Lines{"x", "rules: 7 hold, 2 broken"}));
  EXPECT_FALSE(first_wrong(renewed({"...", "done in 3 s", "w w"}, printed), printed));
}

TEST(TranscriptText, IsFoundBehindItsShell) {
  const auto all =
      transcripts_of(lines_of("```sh\nx\n```\n\n```\ny\n```\n\n```sh\nz\n```\nwords\n```\nw\n```\n"
                              "<!-- not run: slow -->\n```sh\nx\n```\n\n```\ny\n```\n"));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all[0].shell, Lines{"x"});
  EXPECT_EQ(all[0].text, Lines{"y"});
  EXPECT_EQ(all[0].first, 5U);
}

}  // namespace
}  // namespace iommucheck::test::transcripts_test
