// SPDX-License-Identifier: MIT
#include "base/message.h"

#include <gtest/gtest.h>

namespace iommucheck::message_test {
namespace {

struct Plain {
  u64 a = 0;
  u32 b = 0, c = 0;
  friend bool operator==(const Plain&, const Plain&) = default;
};
const std::vector<Plain> list = {{1, 2, 3}, {4, 5, 6}};

std::string message() {
  MessageWriter out;
  out.number(7);
  out.text("a\nb");
  out.plain(Plain{8, 9, 10});
  out.plain(list);
  out.number(1);
  out.text("");
  return out.take();
}

TEST(Message, IsReadAsItWasWritten) {
  const std::string bytes = message();
  MessageReader in(bytes);
  EXPECT_EQ(in.number(), 7U);
  EXPECT_EQ(in.text(), "a\nb");
  Plain plain;
  in.plain(plain);
  EXPECT_EQ(plain, (Plain{8, 9, 10}));
  std::vector<Plain> read;
  in.plain(read);
  EXPECT_EQ(read, list);
  EXPECT_EQ(in.count(), 1U);
  EXPECT_FALSE(in.whole());
  EXPECT_EQ(in.text(), "");
  EXPECT_TRUE(in.whole());
}

TEST(Message, ThatIsCutIsNotWhole) {
  const std::string bytes = message();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    MessageReader in(std::string_view(bytes).substr(0, size));
    in.number();
    in.text();
    Plain plain;
    in.plain(plain);
    std::vector<Plain> read;
    in.plain(read);
    in.count();
    in.text();
    EXPECT_FALSE(in.whole()) << size;
  }
}

TEST(Message, WithNumbersThatCannotBeIsRefused) {
  MessageWriter out;
  out.number(~u64{0});
  const std::string huge = out.take();
  MessageReader counts(huge);
  EXPECT_EQ(counts.count(), 0U);
  EXPECT_FALSE(counts.ok());
  MessageReader texts(huge);
  EXPECT_EQ(texts.text(), "");
  EXPECT_FALSE(texts.ok());
  out.text(std::string(sizeof(Plain) + 1, 'x'));
  const std::string odd = out.take();
  std::vector<Plain> read;
  MessageReader lists(odd);
  lists.plain(read);
  EXPECT_FALSE(lists.ok());
  EXPECT_TRUE(read.empty());
  Plain plain;
  MessageReader plains(odd);
  plains.plain(plain);
  EXPECT_FALSE(plains.ok());
  EXPECT_EQ(plain, Plain{});
}

}  // namespace
}  // namespace iommucheck::message_test
