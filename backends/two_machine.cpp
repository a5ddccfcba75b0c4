// SPDX-License-Identifier: MIT
#include "backends/two_machine.h"

#include <algorithm>

namespace iommucheck::oracle {

namespace {

namespace two = spec::two;
using spec::two::PageWord;

constexpr u64 table_bytes = 4096;
constexpr unsigned levels = 4;

two::Hardware::Access access_of(char access) {
  if (access == 'w') return two::Hardware::Access::write;
  return access == 'x' ? two::Hardware::Access::execute : two::Hardware::Access::read;
}

std::set<MayGet> from(const std::set<spec::two::Answer>& answers) {
  std::set<MayGet> all;
  for (const spec::two::Answer& one : answers) {
    all.insert({static_cast<MayGet::Kind>(one.kind), one.pa, one.ipa, one.mark});
  }
  return all;
}
static_assert(static_cast<u8>(MayGet::Kind::anything) ==
                      static_cast<u8>(spec::two::Answer::Kind::wild) &&
                  static_cast<u8>(MayGet::Kind::inside) ==
                      static_cast<u8>(spec::two::Answer::Kind::inside),
              "the same kinds in the same order");

u64 leaf(u64 pa, u32 prot) {
  u64 word = u64{7} << 61 | pa >> 12;  // present, a leaf, for all
  if ((prot & spec::sva::prot_exec) != 0) word |= u64{1} << 60;
  if ((prot & spec::sva::prot_write) != 0) word |= u64{1} << 59;
  return word;
}

}  // namespace

void TwoMachine::adapt(spec::sva::Setup& setup) const {
  setup.keeps_pasid_0 = false;
  setup.routes_identity = true;
  setup.routes_users = true;
  setup.dirty = setup_.dirty;
}

bool TwoMachine::power_on(u64 process_pa, u64 process_bytes) {
  std::vector<two::Hardware::Stream> streams;
  for (const spec::sva::DeviceSetup& device : setup_.devices) {
    for (const u32 id : device.stream_ids) {
      streams.push_back({id, device.ats, device.stall || device.pri, device.ssid_bits});
    }
  }
  hardware_ = std::make_unique<two::Hardware>(std::move(streams), setup_.ssid_bits,
                                              setup_.dirty != spec::sva::DirtyHardware::none);
  next_ = process_pa;
  end_ = process_pa + process_bytes;
  return true;
}

impl::Backend* TwoMachine::start(const iommucheck_platform& platform,
                                 const iommucheck_config& config) {
  backend_ = make_ ? make_(platform, config) : std::make_unique<impl::Two>(platform, config);
  return backend_.get();
}

bool TwoMachine::stored(u64 pa, u64 value) {
  hardware_->store(pa, value);
  return hardware_->is_structure(pa);
}

void TwoMachine::remove(u32 device) {
  for (const u32 id : setup_.devices[device].stream_ids) hardware_->remove(id);
}

// ---- processes: the CPUs' tables have the IOMMU's format ----------------------------------------

void TwoMachine::store(u64 pa, u64 value) {
  words_[pa] = value;
  hardware_->store(pa, value);
}

/// What was given back last is given first. 0: no memory.
u64 TwoMachine::new_table() {
  u64 pa = 0;
  if (!free_.empty()) {
    pa = free_.back();
    free_.pop_back();
  } else if (end_ - next_ >= table_bytes) {
    pa = next_;
    next_ += table_bytes;
  }
  for (u64 i = 0; pa != 0 && i < table_bytes; i += 8) store(pa + i, 0);
  return pa;
}

bool TwoMachine::free_table(u64 pa) {
  free_.push_back(pa);
  return hardware_->give_back(pa, table_bytes);
}

u64 TwoMachine::process_created(u64 mm) {
  processes_[mm].root = new_table();
  return processes_[mm].root;
}

bool TwoMachine::process_says(u64 mm, u64 va, u64 pa, u32 prot) {
  Process& process = processes_[mm];
  u64 table = process.root;
  u64 above = 0;
  for (unsigned depth = levels - 1; depth > 0; --depth) {
    const u64 place = spec::two::word_at(table, va, depth);
    above = place;
    if (words_[place] == 0) {
      if (prot == 0) return true;
      const u64 below = new_table();
      if (below == 0) return false;
      store(place, u64{1} << 63 | below >> 12);
    }
    table = PageWord{words_[place]}.address();
  }
  store(spec::two::word_at(table, va, 0), prot == 0 ? 0 : leaf(pa, prot));
  if (prot != 0) return true;
  const auto used = [](const auto& word) { return word.second != 0; };
  if (std::any_of(words_.lower_bound(table), words_.lower_bound(table + table_bytes), used)) {
    return true;
  }
  store(above, 0);
  process.taken_out.push_back(table);
  return true;
}

bool TwoMachine::process_settles(u64 mm) {
  bool free = true;
  for (const u64 table : std::exchange(processes_[mm].taken_out, {})) free &= free_table(table);
  return free;
}

bool TwoMachine::process_gone(u64 mm) {
  bool free = process_settles(mm);
  const auto give_back = [&](auto self, u64 table, unsigned depth) -> void {
    for (u64 i = 0; depth > 0 && i < table_bytes; i += 8) {
      const PageWord word{words_[table + i]};
      if (word.present()) self(self, word.address(), depth - 1);
    }
    free &= free_table(table);
  };
  if (processes_[mm].root != 0) give_back(give_back, processes_[mm].root, levels - 1);
  processes_.erase(mm);
  return free;
}

void TwoMachine::walker_switches(u32 walker, u64 root, u32 input_bits) {
  hardware_->walker_switches(walker, root, input_bits > 39 ? 4 : 3);
}

// ---- questions ----------------------------------------------------------------------------------

spec::two::Who TwoMachine::who(const MachineAccess& access) const {
  return {setup_.devices[access.device].stream_ids[access.stream],
          access.at.present ? std::min(access.at.number, spec::two::no_pasid - 1)
                            : spec::two::no_pasid};
}

std::set<MayGet> TwoMachine::answers(const MachineAccess& access) {
  return from(hardware_->answers(who(access), access.iova, access_of(access.access)));
}

std::set<MayGet> TwoMachine::walker_answers(u32 walker, u64 iova, char access) {
  return from(hardware_->walker_answers(walker, iova, access_of(access)));
}

std::optional<spec::sva::EventWords> TwoMachine::record_of(const MachineAccess& access,
                                                           const MayGet& got) const {
  return hardware_->record_of(who(access), access.iova, access_of(access.access),
                              static_cast<two::Answer::Kind>(got.kind));
}

u64 TwoMachine::wait(const MachineAccess& access) {
  return hardware_->request(who(access), access.iova, access_of(access.access), access.group,
                            access.last);
}

std::vector<BackendMachine::Response> TwoMachine::take_responses() {
  std::vector<Response> all;
  for (const two::Hardware::Response& one : hardware_->take_responses()) {
    using spec::two::ResponseCode;
    all.push_back({one.id, one.group,
                   one.code == ResponseCode::again     ? spec::sva::response_success
                   : one.code == ResponseCode::failure ? spec::sva::response_failure
                                                       : spec::sva::response_invalid});
  }
  return all;
}

}  // namespace iommucheck::oracle
