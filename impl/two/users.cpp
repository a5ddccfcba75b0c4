// SPDX-License-Identifier: MIT
// Users: entries that lead to tables of theirs over an outer one of the host's, and their commands.
// The host has the PASID tables: what a user says is one entry. INTERFACE "Nested".
#include "impl/two/two.h"
#include "impl/two/user_commands.h"

namespace iommucheck::impl {

/// An outer space is one like any other until an entry of a user's leads over it.
int Two::open_outer(u32 input_bits, Space** space, Table** table) {
  const u32 bits = input_bits != 0 ? input_bits : limits_.input_bits_max;
  if (bits < limits_.input_bits_min || bits > limits_.input_bits_max) return -IOMMUCHECK_EINVAL;
  Table* made = open_table();
  if (made == nullptr) return -IOMMUCHECK_ENOMEM;
  if (int error = open_space(bits, space)) {
    close_table(*made);
    return error;
  }
  static_cast<TwoSpace&>(**space).outer = true;
  const Entry entry = {.space = *space, .tag = (*space)->tag};
  set_first_entry(*made, &entry);
  *table = made;
  return 0;
}

/// One that is not valid leads nowhere, whatever else it says.
int Two::check_structure(const iommucheck_nested_params& params, bool pasids,
                         const Space& /*outer*/) const {
  if (params.format != IOMMUCHECK_FORMAT_TWO) return -IOMMUCHECK_EINVAL;
  if (pasids) return -IOMMUCHECK_EOPNOTSUPP;
  if ((params.table & ~two::entry_by_user) != 0 || params.config != 0) return -IOMMUCHECK_EINVAL;
  return 0;
}

void Two::drop_inner(Tag tag) {
  send(two::Command::drop_inner, tag.inner, 0, ~u64{0}, two::every_root);
}

UserCommand Two::understand(const u64* words) const {
  using About = UserCommand::About;
  const auto command = two::read_users_command(words[0], words[1]);
  if (!command) return {};
  if (command->kind != two::Command::drop_device) return {.about = About::translations};
  return {.about = About::device,
          .names_device = true,
          .number = command->number,
          .names_pasid = true,
          .pasid = command->pasid};
}

void Two::forward(const u64* words, Tag tag, u32 device, const Structure& /*structure*/) {
  const auto command = two::read_users_command(words[0], words[1]);
  if (command->kind != two::Command::drop_device) {
    return send(two::Command::drop_inner, tag.inner, command->first, command->last, command->root);
  }
  for_each_stream(device, [&](u32 stream) {
    send(two::Command::drop_device, who(stream, command->pasid), command->first, command->last);
  });
}

}  // namespace iommucheck::impl
