// SPDX-License-Identifier: MIT
#include "spec/smmu/profile.h"

#include <algorithm>
#include <type_traits>

namespace iommucheck::spec {

namespace {

using Value = ProfileItem::Value;
using enum ProfileItem::Kind;

constexpr Value kept_or_none[] = {
    {"kept", "it may be kept until a command removes it"},
    {"none", "each use reads memory anew, all that it reads at one moment"},
};
constexpr Value atoms[] = {
    {"8", "two words of a structure may be of different moments"},
    {"16", "two words that one aligned store of 16 bytes writes are seen both, or neither"},
};
constexpr Value from_reset[] = {
    {"open", "anything may be cached of what nobody has invalidated"},
    {"empty", "nothing is cached"},
};
constexpr Value gbpa_values[] = {
    {"open", "a driver is judged as if it were 0, a device may have either"},
    {"abort", "1: accesses are aborted"},
    {"bypass", "0: accesses pass"},
};
constexpr Value alias_values[] = {
    {"open", "nobody may rely on what they do"},
    {"alias", "they are the registers of page 1"},
    {"raz-wi", "they read as 0, and ignore what is written"},
};
constexpr Value combined_values[] = {
    {"kept", "an entry of both stages may be kept; TLBI_S2_IPA leaves it"},
    {"none", "entries are of one stage"},
};
constexpr Value page1_values[] = {
    {"there", "the indices of EVENTQ and PRIQ are in page 1"},
    {"absent",
     "page 1 reads as 0 and ignores what is written; their places in page 0 are those "
     "registers"},
};
constexpr Value prefetch_values[] = {
    {"known", "CMD_PREFETCH_CONFIG and CMD_PREFETCH_ADDR are consumed"},
    {"illegal", "both end in CERROR_ILL"},
};
constexpr Value untagged_values[] = {
    {"all", "CMD_ATC_INV with SSV = 0 removes what was answered with a PASID, too"},
    {"without-pasid", "it leaves what was answered with a PASID"},
};

/// Of a member that is true with the first value.
template <bool Profile::* member>
constexpr ProfileItem of_flag(ProfileItem item) {
  item.get = [](const Profile& profile) -> unsigned { return profile.*member ? 0 : 1; };
  item.set = [](Profile& profile, unsigned value) { profile.*member = value == 0; };
  return item;
}

/// Of an enumeration in the order of the values.
template <auto member>
constexpr ProfileItem of_enum(ProfileItem item) {
  item.get = [](const Profile& profile) { return static_cast<unsigned>(profile.*member); };
  item.set = [](Profile& profile, unsigned value) {
    using Member = std::remove_reference_t<decltype(profile.*member)>;
    profile.*member = static_cast<Member>(value);
  };
  return item;
}

constexpr ProfileItem items[] = {
    {.name = "config-atom",
     .section = "IHI 0070 3.21.3",
     .text = "Bytes of an STE or CD that a fetch reads at once.",
     .values = atoms,
     .get = [](const Profile& profile) { return profile.config_atom == 16 ? 1U : 0U; },
     .set = [](Profile& profile, unsigned value) { profile.config_atom = value == 0 ? 8 : 16; }},
    of_flag<&Profile::caches_config>({.name = "config-cache",
                                      .section = "IHI 0070 3.21.3",
                                      .text = "STEs, CDs and their first levels that were read.",
                                      .values = kept_or_none}),
    of_flag<&Profile::caches_walks>({.name = "walk-cache",
                                     .section = "IHI 0070 3.21.1, 16.2",
                                     .text = "Descriptors of tables that were read.",
                                     .values = kept_or_none}),
    of_flag<&Profile::caches_leaves>({.name = "tlb",
                                      .section = "IHI 0070 3.21.1, 16.2",
                                      .text = "Translations that were found.",
                                      .values = kept_or_none}),
    of_flag<&Profile::combines>({.name = "combined-entries",
                                 .section = "IHI 0070 16.2.1",
                                 .text = "Translations by both stages, as one entry of a TLB.",
                                 .values = combined_values}),
    {.name = "reset-caches",
     .section = "IHI 0070 3.11",
     .text = "What caches hold after reset.",
     .values = from_reset,
     .get = [](const Profile& profile) { return profile.empty_at_reset ? 1U : 0U; },
     .set = [](Profile& profile, unsigned value) { profile.empty_at_reset = value == 1; }},
    of_enum<&Profile::gbpa_reset>({.name = "gbpa-reset",
                                   .section = "IHI 0070 3.11, 6.3.14",
                                   .text = "GBPA.ABORT after reset.",
                                   .values = gbpa_values}),
    of_enum<&Profile::queue_indices>(
        {.name = "page0-indices",
         .section = "IHI 0070 6.2",
         .text = "What the places in page 0 of EVENTQ_PROD, EVENTQ_CONS, PRIQ_PROD and PRIQ_CONS "
                 "do.",
         .values = alias_values}),
    of_flag<&Profile::has_page1>({.name = "page1",
                                  .kind = deviation,
                                  .section = "IHI 0070 6.1",
                                  .text = "The second page of registers.",
                                  .values = page1_values,
                                  .says = "Cavium ThunderX2 erratum 74"}),
    of_flag<&Profile::knows_prefetch>({.name = "prefetch",
                                       .kind = deviation,
                                       .section = "IHI 0070 4.2",
                                       .text = "What prefetch commands do.",
                                       .values = prefetch_values,
                                       .says = "HiSilicon Hip06, Hip07 erratum 161010701"}),
    of_flag<&Profile::untagged_covers_pasids>(
        {.name = "untagged-atc-inv",
         .kind = deviation,
         .section = "IHI 0070 4.5.1",
         .text = "What endpoints remove by an invalidation without a PASID.",
         .values = untagged_values}),
};

}  // namespace

std::optional<unsigned> ProfileItem::value_named(std::string_view value) const {
  for (unsigned i = 0; i < values.size(); ++i) {
    if (values[i].name == value) return i;
  }
  return std::nullopt;
}

std::span<const ProfileItem> profile_items() { return items; }

const ProfileItem* find_profile_item(std::string_view name) {
  const auto* found = std::ranges::find(items, name, &ProfileItem::name);
  return found == std::end(items) ? nullptr : found;
}

}  // namespace iommucheck::spec
