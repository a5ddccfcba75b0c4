// SPDX-License-Identifier: MIT
#include "tests/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>

#include <filesystem>

#include "tests/own_path.h"

namespace iommucheck::test::document_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A document of its own, in the state that the test gives it.
class Documents : public ::testing::Test {
 protected:
  Documents() {
    if (std::getenv("IOMMUCHECK_UPDATE_DOCS") != nullptr) skip_ = true;
  }
  ~Documents() override { std::filesystem::remove(path_); }

  Document made_of(const std::string& text) {
    std::ofstream(path_) << text;
    return Document(path_);
  }

  bool skip_ = false;
  const std::string path_ = own_path("document.md");
};

const std::string sample =
    "# one\n<!-- begin map -->\nold\n<!-- end map -->\nSaid by hand.\n## two\nOther.\n";

TEST_F(Documents, APartIsPutInItsPlace) {
  Document document = made_of(sample);
  document.put("map", "new\n");
  EXPECT_EQ(document.wanted(),
            "# one\n<!-- begin map -->\nnew\n<!-- end map -->\nSaid by hand.\n## two\nOther.\n");
  EXPECT_THAT(document.missing(), IsEmpty());
  EXPECT_EQ(document.behind("map"), "<!-- end map -->\nSaid by hand.");
}

TEST_F(Documents, MissingMarkersAreSeen) {
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

TEST_F(Documents, WhatIsOldIsSeenAtItsLine) {
  if (skip_) GTEST_SKIP() << "what is old is written anew";
  Document document = made_of(sample);
  document.put("map", "old\n");
  document.check();
  document.put("map", "new\n");
  EXPECT_NONFATAL_FAILURE(document.check(), "document.md:3: it is old");
  document.put_all("");
  EXPECT_NONFATAL_FAILURE(document.check(), "document.md:1: it is old");
}

}  // namespace
}  // namespace iommucheck::test::document_test
