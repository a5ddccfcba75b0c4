// SPDX-License-Identifier: MIT
// What a user's commands tell its devices to forget. Nobody follows what these cache of a user's
// own tables, so that the commands which reach them are compared with those that the user has
// given. INTERFACE "Nested"; IHI 0070 4.5.
#include <algorithm>

#include <fmt/format.h>

#include "base/bits.h"
#include "base/word.h"
#include "monitor/users.h"
#include "spec/rules/interface.h"
#include "spec/smmu/coverage.h"
#include "spec/smmu/view.h"

namespace iommucheck::oracle {

namespace {

using spec::Command;
using spec::Opcode;

constexpr u64 all_of_it = 52;  // Size; more is no more

struct Range {
  u64 first = 0;
  u64 last = 0;
};

Range range_of(const Command& command) {
  if (command.size >= all_of_it) return {0, ~u64{0}};
  const auto lg2 = static_cast<unsigned>(command.size) + 12;
  const u64 first = align_down(command.address, lg2);
  return {first, first | low_mask(u64{lg2})};
}

/// Whether `sent` is about all that `given` is about, but for addresses.
bool is_as_wide(const Command& sent, const Command& given, bool untagged_covers_pasids) {
  if (!given.ssv) return !static_cast<bool>(sent.ssv);
  if (!sent.ssv) return untagged_covers_pasids;
  if (sent.global) return true;
  return !given.global && sent.ssid == given.ssid;
}

/// Of a device with so many bits of PASID: whether it can have cached anything there.
bool is_about_something(const Command& given, u32 pasid_bits) {
  if (!given.ssv) return true;
  return pasid_bits != 0 && (given.global || (u64{given.ssid} >> pasid_bits) == 0);
}

bool covers_whole(std::vector<Range> parts, Range whole) {
  std::ranges::sort(parts, {}, &Range::first);
  u64 next = whole.first;
  for (const Range& part : parts) {
    if (part.first > next) return false;
    if (part.last >= whole.last) return true;
    next = std::max(next, part.last + 1);
  }
  return false;
}

}  // namespace

/// Of the commands that it says are done.
void UsersJudge::check_users_atcs(const spec::sva::Observed& observed) {
  if (hardware_ || !case_.promises_on || current().kind != Running::Kind::call) return;
  const spec::sva::Call& call = current().call;
  const u64 parent = interface_.parent_of(call.domain);
  if (parent == 0) return;
  const u64 done = std::min<u64>(observed.value, call.commands.size());
  for (u64 i = 0; i < done && findings().empty(); ++i) {
    const Command given =
        spec::decode_command(call.commands[i].low, call.commands[i].high, caches_.capabilities());
    if (given.op != Opcode::atc_inv) continue;
    for (u32 device = 0; device < interface_.device_count(); ++device) {
      if (interface_.number_of(parent, device) == u64{given.sid}) check_users_atc(given, device);
    }
  }
}

void UsersJudge::check_users_atc(const Command& given, u32 device) {
  const u32 user_bits = interface_.pasid_bits_of_user(interface_.domain_of(device));
  if (!is_about_something(given, std::min(setup_.devices[device].ssid_bits, user_bits))) return;
  const spec::CachesView& of = caches_.view();
  for (const u32 sid : streams_here(device)) {
    if (!caches_.has_ats(sid)) continue;
    // Where ATS is off, or nothing leads to its tables, it has cached nothing of them.
    const auto asks = [](const spec::StreamOption& way) { return way.contained && way.ats; };
    if (std::ranges::none_of(ways_at({device, sid, {}}).options, asks)) continue;
    count(spec::rule::RESULT_EXACT);
    std::vector<Range> parts;
    std::optional<Command> nearest;
    of.commands.for_each_sent([&](const spec::InFlight& sent) {
      const bool in_call = sent.at > current().began && of.commands.is_complete(sent.group);
      if (!in_call || sent.command.op != Opcode::atc_inv || sent.command.sid != sid) return;
      nearest = sent.command;
      if (!is_as_wide(sent.command, given, of.profile.untagged_covers_pasids)) return;
      parts.push_back(range_of(sent.command));
    });
    if (covers_whole(std::move(parts), range_of(given))) continue;
    Finding finding = finding_of(
        spec::rule::RESULT_EXACT,
        fmt::format("cache_invalidate: {} is said to be done, and {}", describe(given),
                    nearest ? "stream got " + describe(*nearest) : "no CMD_ATC_INV was complete"));
    finding.where = {.sid = sid, .device = device};
    return find(std::move(finding));
  }
}

}  // namespace iommucheck::oracle
