// SPDX-License-Identifier: MIT
// A link of a document leads to a file that is there and, behind "#", to one of its headings.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/docs/tree.h"

namespace iommucheck::test::links_test {
namespace {

namespace fs = std::filesystem;

/// "A driver of a kernel, unchanged": a-driver-of-a-kernel-unchanged, as pages are shown.
std::string anchor_of(std::string_view heading) {
  std::string anchor;
  for (const char letter : heading) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == ' ') anchor += '-';
    if (std::isalnum(byte) != 0 || letter == '-' || letter == '_' || byte >= 0x80) {
      anchor += static_cast<char>(std::tolower(byte));
    }
  }
  return anchor;
}

/// `text` without its blocks of code.
std::string prose_of(const std::string& text) {
  std::string prose;
  bool code = false;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.find("```") != std::string::npos) {
      code = !code;
    } else if (!code) {
      prose += line + "\n";
    }
  }
  return prose;
}

std::set<std::string> anchors_of(const fs::path& page) {
  static const std::regex heading("^#+ (.*)$");
  std::set<std::string> anchors;
  std::istringstream in(prose_of(read_file(page)));
  for (std::string line; std::getline(in, line);) {
    if (std::smatch match; std::regex_match(line, match, heading)) {
      anchors.insert(anchor_of(match[1].str()));
    }
  }
  return anchors;
}

/// Links of `text`, which stands in `page`, that lead nowhere. Those of the web are not followed.
std::vector<std::string> broken_in(const fs::path& page, const std::string& text) {
  static const std::regex link(R"(\]\(([^)\s]+)\))");
  std::vector<std::string> broken;
  const std::string prose = prose_of(text);
  for (std::sregex_iterator at(prose.begin(), prose.end(), link), end; at != end; ++at) {
    const std::string target = (*at)[1].str();
    if (target.find("://") != std::string::npos) continue;
    const std::size_t hash = target.find('#');
    const std::string name = target.substr(0, hash);
    const fs::path file = name.empty() ? page : page.parent_path() / name;
    const bool leads = fs::exists(file) && (hash == std::string::npos ||
                                            anchors_of(file).contains(target.substr(hash + 1)));
    if (!leads) broken.push_back(target);
  }
  return broken;
}

std::vector<fs::path> pages() {
  std::vector<fs::path> pages = {tree() / "README.md", tree() / "CONTRIBUTING.md"};
  for (const auto& entry : fs::directory_iterator(tree() / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  return pages;
}

TEST(Links, LeadSomewhere) {
  for (const fs::path& page : pages()) {
    for (const std::string& target : broken_in(page, read_file(page))) {
      ADD_FAILURE() << page.filename().string() << " links to what is not there: " << target;
    }
  }
}

TEST(Links, ThatLeadNowhereAreSeen) {
  const fs::path page = tree() / "docs/drivers.md";
  const auto broken = [&](const std::string& text) { return broken_in(page, text).size(); };
  EXPECT_EQ(broken("[a](rules.md), [b](#the-machine), [c](conform.md#ones-own-device)"), 0U);
  EXPECT_EQ(broken("[up](../README.md), [web](https://example.com/nothing)\n```\n[a](b)\n```\n"),
            0U);
  EXPECT_EQ(broken("[a](no_such_page.md)"), 1U);
  EXPECT_EQ(broken("[a](rules.md#no-such-heading), [b](#nor-this)"), 2U);
}

}  // namespace
}  // namespace iommucheck::test::links_test
