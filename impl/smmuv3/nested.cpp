// SPDX-License-Identifier: MIT
// Users: their stage 1 over a space of stage 2. A structure is words 0 and 1 of the STE that the
// user would write; what else an STE says is the host's. IHI 0070 5.2, 3.9; INTERFACE "Nested".
#include <algorithm>

#include "impl/smmuv3/smmu.h"
#include "impl/smmuv3/user_commands.h"

namespace iommucheck::impl {

namespace {

constexpr u64 pointer_bits = mask(51, 6);                               // S1ContextPtr
constexpr u64 context_bits = mask(5, 4) | pointer_bits | mask(63, 59);  // S1Fmt, S1CDMax
constexpr u64 word0_of_users = mask(3, 0) | context_bits;
constexpr u64 attribute_bits = mask(7, 0);  // S1DSS, S1CIR, S1COR, S1CSH
constexpr u64 stalld = u64{1} << 27;
constexpr u64 eats_bits = mask(29, 28);
constexpr u64 eats_full = u64{1} << 28;
constexpr u64 eats_split = u64{2} << 28;
constexpr u64 word1_of_users = attribute_bits | stalld | eats_bits;

u64 cdmax_of(const Structure& structure) { return bits(structure[0], 63, 59); }
bool is_aborted(u64 word0) { return (word0 >> 1 & 7) < 4; }

/// EATS: what a device asks for is full, or where the SMMU lets stage 1 answer alone, split.
bool is_legal_ats(const Structure& structure, const Features& features) {
  const u64 eats = structure[1] & eats_bits;
  if (eats == 0) return true;
  if (eats == eats_split) return features.split_ats && ste::is_stage1(structure[0]);
  return eats == eats_full && features.ats;
}

/// Of one with stage 1: S1CDMax, S1Fmt, S1DSS, S1STALLD are none that is ILLEGAL or reserved.
bool is_legal_stage1(const Structure& structure, const Features& features) {
  const u64 cdmax = cdmax_of(structure);
  if ((structure[1] & stalld) != 0 && features.stall_model != 0) return false;
  if (cdmax == 0) return true;
  const u64 format = bits(structure[0], 5, 4);
  const bool two_levels = format == 1 || format == 2;
  return cdmax <= features.ssid_bits && !(two_levels && !features.two_level_cd_table) &&
         (structure[1] & ste::s1dss_mask) != 3;
}

}  // namespace

int Smmu::check_structure(const iommucheck_nested_params& params, bool pasids,
                          const Space& outer) const {
  if (params.format != IOMMUCHECK_FORMAT_SMMUV3) return -IOMMUCHECK_EINVAL;
  const Structure its = {params.table, params.config};
  if ((its[0] & ~word0_of_users) != 0 || (its[1] & ~word1_of_users) != 0) return -IOMMUCHECK_EINVAL;
  const bool stage1 = ste::is_stage1(its[0]);
  const bool config = stage1 || !ste::translates(its[0]);
  if ((its[0] & ste::valid) == 0 || !config) return -IOMMUCHECK_EINVAL;
  if (features_.ssid_bits == 0 && cdmax_of(its) != 0) return -IOMMUCHECK_EOPNOTSUPP;
  if (stage1 && !is_legal_stage1(its, features_)) return -IOMMUCHECK_EINVAL;
  if (!is_legal_ats(its, features_)) return -IOMMUCHECK_EINVAL;
  if ((stage1 && cdmax_of(its) != 0) != pasids) return -IOMMUCHECK_EINVAL;
  if (!stage1) return 0;
  // Beyond what stage 2 takes the SMMU may refuse the STE or the fetch: nobody needs to know.
  const bool outside = ((its[0] & pointer_bits) >> outer.input_bits) != 0;
  return outside || !features_.stage1 ? -IOMMUCHECK_EOPNOTSUPP : 0;
}

/// Where the user's own route is bypass, its devices have no ATS, and where it aborts nothing else
/// counts. A device that cannot stall does not, whatever the user's CDs say, and one without ATS
/// has none.
ste::Words Smmu::words_of_user(u32 device, const Route& route) const {
  const Structure& users = route.structure;
  const auto& table = static_cast<const SmmuTable&>(*route.table);
  if (is_aborted(users[0])) return {ste::blocked};
  const u64 hosts = word1_of(device);
  if (!ste::is_stage1(users[0])) {
    return {ste::stage2, hosts & ~eats_bits, table.word2, table.word3};
  }
  u64 word1 = (hosts & ~(attribute_bits | eats_bits)) | (users[1] & (attribute_bits | stalld));
  if (has_cache(device)) word1 |= users[1] & eats_bits;
  const u64 word0 = ste::valid | ste::config_nested | (users[0] & context_bits);
  return {word0, word1, table.word2, table.word3};
}

/// PASIDs that nobody knows of as well.
void Smmu::drop_device_wholly(u32 device) {
  drop_device(device, no_pasid);
  if (pasid_bits(device) == 0) return;
  for_each_stream(device, [&](u64 sid) { add(command::atc_inv_every_pasid(sid)); });
}

UserCommand Smmu::understand(const u64* words) const {
  using About = UserCommand::About;
  const Command user = {words[0], words[1]};
  if (!translated(user, features_, 0, 0)) return {};
  if (!names_stream(user)) return {.about = About::translations};
  const bool atc = (user.word0 & mask(7, 0)) == command::op_atc_inv;
  return {.about = atc ? About::device : About::entries,
          .names_device = true,
          .number = stream_of(user)};
}

void Smmu::forward(const u64* words, Tag tag, u32 device, const Structure& structure) {
  const Command user = {words[0], words[1]};
  const u64 op = user.word0 & mask(7, 0);
  const u64 vmid = tag.outer;
  if (!names_stream(user)) return add(*translated(user, features_, vmid, 0));
  // Of an entry that its table has not, and of a PASID that it cannot send, nothing is cached.
  if (op == command::op_cfgi_cd && (ssid_of(user) >> cdmax_of(structure)) != 0) return;
  const bool sent = (user.word0 & command::global) != 0
                        ? pasid_bits(device) != 0
                        : (u64{ssid_of(user)} >> pasid_bits(device)) == 0;
  const bool of_pasid = op == command::op_atc_inv && (user.word0 & command::ssid_valid) != 0;
  if (of_pasid && !sent) return;
  for_each_stream(device, [&](u64 sid) { add(*translated(user, features_, vmid, sid)); });
}

}  // namespace iommucheck::impl
