// SPDX-License-Identifier: MIT
#include "check/named_keys.h"

#include <algorithm>

#include "check/machine_limits.h"

namespace iommucheck::oracle {

using spec::Capabilities;

namespace {

constexpr MachineKey all_machine_keys[] = {
    {"minor", &Capabilities::minor, 0, 3},
    {"cohacc", &Capabilities::cohacc},
    {"btm", &Capabilities::btm},
    {"ril", &Capabilities::ril},
    {"bbml", &Capabilities::bbml, 0, 2},
    {"httu", &Capabilities::httu, 0, 2},
    {"cd2l", &Capabilities::cd2l},
    {"st2l", &Capabilities::two_level_stream_table},
    {"asid16", &Capabilities::asid16},
    {"vmid16", &Capabilities::vmid16},
    {"s1p", &Capabilities::s1p},
    {"s2p", &Capabilities::s2p},
    {"hyp", &Capabilities::hyp},
    {"ats", &Capabilities::ats},
    {"pri", &Capabilities::pri},
    {"msi", &Capabilities::msi},
    {"term", &Capabilities::term_model},
    {"ttendian", &Capabilities::ttendian, 0, 2},
    {"had", &Capabilities::had},
    {"xnx", &Capabilities::xnx},
    {"stt", &Capabilities::stt},
    {"e0pd", &Capabilities::e0pd},
    {"fwb", &Capabilities::fwb},
    {"gran4k", &Capabilities::gran4k},
    {"gran16k", &Capabilities::gran16k},
    {"gran64k", &Capabilities::gran64k},
    {"ssidsize", &Capabilities::ssidsize, 0, 20},
    {"sidsize", &Capabilities::sidsize, 1, 32},
    {"cmdqs", &Capabilities::cmdqs, 1, machine_limits::queue_lg2},
    {"eventqs", &Capabilities::eventqs, 1, machine_limits::queue_lg2},
    {"priqs", &Capabilities::priqs, 0, machine_limits::queue_lg2},
    {"oas", &Capabilities::oas_lg2, 32, 48},
};

}  // namespace

std::span<const MachineKey> machine_keys() { return all_machine_keys; }

unsigned MachineKey::get(const Capabilities& caps) const {
  if (const auto* number = std::get_if<unsigned Capabilities::*>(&field)) {
    return caps.*(*number);
  }
  return caps.*std::get<bool Capabilities::*>(field) ? 1 : 0;
}

void MachineKey::set(Capabilities& caps, unsigned value) const {
  if (const auto* number = std::get_if<unsigned Capabilities::*>(&field)) {
    caps.*(*number) = value;
  } else {
    caps.*std::get<bool Capabilities::*>(field) = value != 0;
  }
}

bool names_one_of(std::string_view changes, std::initializer_list<std::string_view> wanted) {
  return std::ranges::any_of(split_text(changes, ','), [&](std::string_view change) {
    return std::ranges::find(wanted, change.substr(0, change.find('='))) != wanted.end();
  });
}

std::vector<std::string_view> split_text(std::string_view text, char between) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t end = text.find(between);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

}  // namespace iommucheck::oracle
