// SPDX-License-Identifier: MIT
#include "monitor/user_format.h"
#include "spec/two/format.h"

namespace iommucheck::oracle {

using spec::sva::UserCommand;
using spec::sva::UserRoute;

/// valid, untranslated, levels, root.
std::optional<UserRoute> TwoUserFormat::route(const std::array<u64, 2>& structure) const {
  constexpr u64 users_bits_of_two = mask(0, 0) | mask(5, 4) | mask(51, 12);
  if ((structure[0] & ~users_bits_of_two) != 0 || structure[1] != 0) return std::nullopt;
  const spec::two::EntryWord entry{structure[0]};
  UserRoute route;
  if (!entry.valid()) return route;
  if (entry.untranslated()) {
    route.kind = UserRoute::Kind::bypass;
    return route;
  }
  route.kind = UserRoute::Kind::stage1;
  route.table = entry.root();
  route.table_bits = spec::two::covers_lg2(entry.levels());
  return route;
}

UserCommand TwoUserFormat::command(const spec::sva::CommandWords& words) const {
  using spec::two::CommandKind;
  constexpr u64 every_page = 52;
  const UserCommand forbidden;
  UserCommand user;
  const auto kind = static_cast<CommandKind>(bits(words.low, 5, 0));
  const u64 pages = bits(words.low, 11, 6);
  const u64 address = words.high & mask(63, 12);
  if (kind == CommandKind::drop_all) {
    user.kind = UserCommand::Kind::translations;
    return (words.low >> 6) == 0 && words.high == 0 ? user : forbidden;
  }
  const bool of_device = kind == CommandKind::drop_device;
  if (!of_device && kind != CommandKind::drop_range) return forbidden;
  if (pages > every_page || (words.high & mask(11, 1)) != 0) return forbidden;
  if (pages == every_page) {
    if (address != 0) return forbidden;
  } else {
    const u64 size_lg2 = 12 + pages;
    user.last = address | ((u64{1} << size_lg2) - 1);
    user.first = address;
    if ((address & ((u64{1} << size_lg2) - 1)) != 0) return forbidden;
  }
  const bool flag = bit(words.high, 0);
  if (of_device) {
    user.kind = UserCommand::Kind::nothing_owed;
    user.stream = words.low >> 32;
    user.at_pasid = flag;
    if (flag) user.pasid = static_cast<u32>(bits(words.low, 31, 12));
    return flag || bits(words.low, 31, 12) == 0 ? user : forbidden;
  }
  if (flag || bits(words.low, 63, 52) != 0) return forbidden;
  user.kind = UserCommand::Kind::translations;
  if (const u64 root = words.low & mask(51, 12); root != 0) user.table = root;
  return user;
}

/// Of what its own table has ended: which access it was. The outer table and where it lies are the
/// host's.
std::optional<spec::sva::EventWords> TwoUserFormat::event(const spec::sva::EventWords& record,
                                                          u64 number) const {
  const spec::two::EventWord word{record[0]};
  if (word.outer()) return std::nullopt;
  return spec::sva::EventWords{(record[0] & mask(31, 0)) | number << 32, record[1]};
}

}  // namespace iommucheck::oracle
