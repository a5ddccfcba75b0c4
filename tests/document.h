// SPDX-License-Identifier: MIT
// Files of the tree that are generated, or a part of which is: a test holds that each is as its
// sources say, and writes it anew where the environment has IOMMUCHECK_UPDATE_DOCS, as under
// `./dev generate`, which runs all tests whose suite is called ...Document.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace iommucheck::test {

/// What is old is to be written anew. Only tests ask that `./dev generate` runs.
inline bool writes_anew() {
  const std::string_view suite =
      ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name();
  EXPECT_TRUE(suite.ends_with("Document")) << "a test that writes files of the tree is in a suite "
                                              "whose name ends so, for ./dev generate";
  return std::getenv("IOMMUCHECK_UPDATE_DOCS") != nullptr;
}

class Document {
 public:
  explicit Document(std::string path) : path_(std::move(path)) {
    std::ifstream in(path_);
    is_ = {std::istreambuf_iterator<char>(in), {}};
    wanted_ = is_;
  }

  [[nodiscard]] const std::string& text() const { return is_; }
  [[nodiscard]] const std::string& wanted() const { return wanted_; }

  /// What stands between "<!-- begin NAME -->" and "<!-- end NAME -->", lines of their own, is to
  /// be `text`.
  void put(const std::string& name, const std::string& text) {
    const Part part = part_of(wanted_, name);
    if (part.end == std::string::npos) {
      missing_.push_back(name);
    } else {
      wanted_.replace(part.begin, part.end - part.begin, text);
    }
  }
  /// The whole file is to be `text`.
  void put_all(std::string text) { wanted_ = std::move(text); }

  /// Names of parts whose markers are not there.
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }

  /// What people have written behind a part, up to the next heading; empty without the part.
  [[nodiscard]] std::string behind(const std::string& name) const {
    const Part part = part_of(is_, name);
    return part.end == std::string::npos
               ? std::string()
               : is_.substr(part.end, is_.find("\n#", part.end) - part.end);
  }

  void check() const {
    for (const std::string& name : missing_) {
      ADD_FAILURE() << path_ << " lacks <!-- begin " << name << " --> and <!-- end " << name
                    << " -->, each in a line of its own";
    }
    const bool anew = writes_anew();
    if (is_ == wanted_) return;
    if (anew) {
      std::ofstream(path_) << wanted_;
      return;
    }
    const auto [is, wanted] = std::ranges::mismatch(is_, wanted_);
    ADD_FAILURE() << path_ << ':' << 1 + std::count(is_.begin(), is, '\n')
                  << ": it is old; ./dev generate writes it anew";
  }

 private:
  struct Part {
    std::size_t begin, end;
  };
  static Part part_of(const std::string& text, const std::string& name) {
    const std::string begin = "<!-- begin " + name + " -->\n";
    const std::size_t from = text.find(begin);
    if (from == std::string::npos) return {from, from};
    return {from + begin.size(), text.find("<!-- end " + name + " -->", from)};
  }

  std::string path_;
  std::string is_;
  std::string wanted_;
  std::vector<std::string> missing_;
};

}  // namespace iommucheck::test
