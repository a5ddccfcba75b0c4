// SPDX-License-Identifier: MIT
// When an invalidation acts, and what it surely removes. SEMANTICS 3.
#include <algorithm>

#include "spec/smmu/caches.h"
#include "spec/smmu/config_index.h"
#include "spec/smmu/paths.h"

namespace iommucheck::spec {

namespace {

/// Which EL2 world it reaches depends on CR2.E2H.
bool names_el2_world(Opcode op) {
  return op == Opcode::tlbi_el2_va || op == Opcode::tlbi_el2_vaa || op == Opcode::tlbi_el2_asid;
}

}  // namespace

Group Caches::expose(const Command& command, bool certain) {
  const InFlight sent = commands_.expose(command, findings_.now());
  if (!certain) return sent.group;
  commands_.remember(sent);
  if (command.op == Opcode::sync) {
    commands_.end_group();
    return sent.group;
  }
  if (controls_.e2h_is_open() && names_el2_world(command.op)) return sent.group;
  if (command.op == Opcode::tlbi_nsnh_all) controls_.renew_vmw(sent.group);
  if (is_tlbi(command.op)) {
    commands_.may_act(sent);
    from_reset_.remove(sent, caps_, controls_.stream_table().two_level, controls_.enabled());
    formed_.kill(sent);
    if (items_.count() != 0 && !stands_still()) fills_.kill(sent);
  } else if (is_cfgi(command.op)) {
    commands_.may_act(sent);
    from_reset_.remove(sent, caps_, controls_.stream_table().two_level, controls_.enabled());
    if (!config_.empty()) kill_config(sent);
    told_cds_.remove(sent);
  } else if (command.op == Opcode::atc_inv && controls_.is_on()) {
    commands_.may_act(sent);  // with SMMUEN = 0 it is ignored
    atcs_.remove(sent);
  }
  return sent.group;
}

/// An STE or CD can be read again between `command` and the end of its group, through a cached
/// descriptor that no command of the group which covers it removes as well.
bool Caches::may_be_fetched_again(const ConfigItem& item, const std::vector<u32>& descriptors,
                                  const InFlight& command) const {
  if (leads_on(item.kind) || descriptors.empty()) return false;
  bool same = false;
  memory_.visible(item.place + 8 * item.word, [&](Content content) {
    same |= content == Content{item.value, (item.unknown & 1) != 0};
  });
  if (!same) return false;
  for (const u32 i : descriptors) {
    const ConfigItem& descriptor = config_[i];
    if (descriptor.unknown != 0 || descriptor.dies < command.group ||
        !leads_to(descriptor, descriptor.value, item)) {
      continue;
    }
    const bool removed = commands_.is_ended_by(command.group, [&](const InFlight& other) {
      return scopes_.ends(other, item) && scopes_.ends(other, descriptor);
    });
    if (!removed) return true;
  }
  return false;
}

/// The structures that a descriptor which goes has led to, as far as `commands` leave them: cached
/// as memory has them now, invalid ones too.
void Caches::leave_below(const ConfigItem& item, const std::vector<const Command*>& commands,
                         std::vector<StreamPart>& streams) {
  for (u32 r = 0; r < config_.regions(); ++r) {
    const Region region = config_.region(r);
    const bool below = item.kind == ConfigKind::l1std
                           ? region.kind == ConfigKind::ste && region.made_by == item.sid
                           : region.kind == ConfigKind::cd && region.made_by == item.sid &&
                                 region.ssid == item.ssid;
    const u64 table = item.kind == ConfigKind::l1std ? L1Std<u64>{item.value}.l2ptr()
                                                     : L1Cd<u64>{item.value}.l2ptr();
    if (!below || region.first != table) continue;
    for (u64 place = region.first; place < region.first + region.bytes; place += ste_bytes) {
      const auto number = static_cast<u32>((place - region.first) / ste_bytes);
      ConfigItem word{.kind = region.kind,
                      .sid = region.sid,
                      .ssid = region.ssid,
                      .place = place,
                      .since = findings_.now(),
                      .vanished_at = findings_.now(),
                      .stored_at = findings_.now()};
      (region.kind == ConfigKind::ste ? word.sid : word.ssid) += number;
      const auto covered = [&](const Command* command) { return removes(*command, word); };
      if (!leads_to(item, item.value, word) || std::ranges::any_of(commands, covered)) continue;
      cache_structure(word);
      add_part(word.kind == ConfigKind::cd ? StreamPart{word.sid, word.ssid, word.ssid}
                                           : StreamPart{word.sid},
               streams);
    }
  }
}

/// Items for the words of the structure at `tags.place`: of one that is all zeros the first is
/// enough, since V = 0.
void Caches::cache_structure(const ConfigItem& tags) {
  bool zeros = true;
  for (unsigned w = 0; w < ste_words; ++w) {
    memory_.visible(tags.place + 8 * w, [&](Content c) { zeros &= !c.unknown && c.value == 0; });
  }
  for (u32 i = 0; i < config_.size(); ++i) zeros &= config_[i].place != tags.place;
  for (unsigned w = 0; w < (zeros ? 1 : ste_words); ++w) {
    const u64 pa = tags.place + 8 * w;
    ConfigItem word = tags;
    word.word = static_cast<u16>(w);
    Frame& frame = memory_.frame(pa);
    memory_.visible(pa, [&](Content content) {
      word.value = content.value;
      word.unknown = content.unknown ? 1 : 0;
      cache_words(word, {&frame, static_cast<unsigned>(bits(pa, 11, 3)), content, findings_.now()},
                  {});
    });
  }
}

/// The streams that an item concerns; of a span those that were ever configured.
void Caches::add_streams(const ConfigItem& item, std::vector<StreamPart>& streams) {
  if (item.sid_count > 1) fetches_.note_change();
  if (item.kind == ConfigKind::cd) {
    add_part({item.sid, item.ssid, item.ssid}, streams);
    return;
  }
  for (u32 n = 0; n < item.sid_count; ++n) {
    if (item.sid_count > 1 && !streams_.has(item.sid + n)) continue;
    add_part({item.sid + n}, streams);
  }
}

void Caches::kill_config(const InFlight& command) {
  std::vector<StreamPart> streams;
  std::vector<ConfigItem> left;  // STEs and CDs that a removed L1STD or L1CD led to
  const DescriptorIndex index(config_);
  std::vector<u32> descriptors;
  for (u32 i = 0; i < config_.size(); ++i) {
    const ConfigItem& item = config_[i];
    if (item.dies <= command.group) continue;
    if (!removes(command.command, item)) continue;
    if (!leads_on(item.kind)) {
      index.above(item, descriptors);
      if (may_be_fetched_again(item, descriptors, command)) continue;
    }
    config_.set_dies(i, command.group);
    if (leads_on(item.kind) && item.unknown == 0) left.push_back(item);
    add_streams(item, streams);
  }
  // One StreamID's CFGI removes an L1STD; the cached STEs of the others of its span live on.
  for (const ConfigItem& item : left) leave_below(item, {&command.command}, streams);
  for (const StreamPart& part : streams) reform_unseen(part);
}

void Caches::complete(Group group) {
  if (commands_.is_complete(group)) return;
  std::vector<u32> unknown_atcs;
  if (atcs_.any_on()) unknown_atcs = ats_.of_unknown();
  commands_.complete(group);
  from_reset_.complete(group);
  controls_.complete(group);
  // Configuration first: a regime that goes leaves items behind, which later groups may have
  // removed already.
  std::vector<StreamPart> streams;
  std::vector<u32> arrays;
  for (u32 i = 0, count = config_.size(); i < count; ++i) {
    const ConfigItem item = config_[i];
    if (item.dies > group || !leads_on(item.kind) || item.unknown != 0 || !controls_.enabled())
      continue;
    std::vector<const Command*> killers;
    commands_.for_each([&](const InFlight& sent) {
      if (sent.group == item.dies && scopes_.ends(sent, item)) killers.push_back(&sent.command);
    });
    leave_below(item, killers, streams);
  }
  for (u32 i = config_.size(); i != 0; --i) {
    const ConfigItem item = config_[i - 1];
    if (item.dies > group) continue;
    if (item.kind == ConfigKind::l1std) arrays.push_back(item.sid);
    add_streams(item, streams);
    config_.remove(i - 1);
  }
  if (controls_.enabled()) {
    for (const u32 first : arrays) refresh_l2_arrays(first);
  }
  for (const StreamPart& part : streams) reform(part);
  formed_.complete(group);
  told_cds_.drop(group);
  fills_.complete(group);
  ats_.leave_unknown(group, unknown_atcs);
  atcs_.drop(group);
  commands_.forget(group);
}

}  // namespace iommucheck::spec
