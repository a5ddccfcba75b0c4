// SPDX-License-Identifier: MIT
#include "tests/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>

#include <filesystem>

#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::test::document_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A document of its own, in the state that the test gives it.
class ADocument : public ::testing::Test {
 protected:
  ~ADocument() override { std::filesystem::remove(path_); }

  Document made_of(const std::string& text) {
    std::ofstream(path_) << text;
    return Document(path_);
  }

  const std::string path_ = own_path("document.md");
};

const std::string sample =
    "# one\n<!-- begin map -->\nold\n<!-- end map -->\nSaid by hand.\n## two\nOther.\n";

TEST_F(ADocument, APartIsPutInItsPlace) {
  Document document = made_of(sample);
  document.put("map", "new\n");
  EXPECT_EQ(document.wanted(),
            "# one\n<!-- begin map -->\nnew\n<!-- end map -->\nSaid by hand.\n## two\nOther.\n");
  EXPECT_THAT(document.missing(), IsEmpty());
  EXPECT_EQ(document.behind("map"), "<!-- end map -->\nSaid by hand.");
}

TEST_F(ADocument, MissingMarkersAreSeen) {
  for (const std::string text :
       {"", "<!-- begin map -->\n", "<!-- end map -->\n<!-- begin map -->\n"}) {
    Document document = made_of(text);
    document.put("map", "new\n");
    EXPECT_THAT(document.missing(), ElementsAre("map"));
    EXPECT_EQ(document.wanted(), text);
    EXPECT_EQ(document.behind("map"), "");
    EXPECT_NONFATAL_FAILURE(document.check(), "lacks <!-- begin map -->");
  }
}

TEST_F(ADocument, WhatIsOldIsSeenAtItsLine) {
  if (writes_anew()) GTEST_SKIP() << "what is old is written anew";
  Document document = made_of(sample);
  document.put("map", "old\n");
  document.check();
  document.put("map", "new\n");
  EXPECT_NONFATAL_FAILURE(document.check(), "document.md:3: it is old");
  document.put_all("");
  EXPECT_NONFATAL_FAILURE(document.check(), "document.md:1: it is old");
}

// `./dev generate` would not run it.
TEST(Documents, AreNotWrittenByTestsOfAnotherName) {
  EXPECT_NONFATAL_FAILURE((void)writes_anew(), "ends so, for ./dev generate");
  std::string asked;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(in_tree("tests"))) {
    const std::string path = entry.path();
    if (!path.ends_with(".cpp") && !path.ends_with(".h")) continue;
    std::ifstream in(path);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    if (text.contains("getenv(\"IOMMUCHECK_UPDATE"
                      "_DOCS\")"))
      asked += path;
  }
  EXPECT_EQ(asked, in_tree("tests/document.h")) << "writes_anew() says it";
}

}  // namespace
}  // namespace iommucheck::test::document_test
