// SPDX-License-Identifier: MIT
#include "host/call_site.h"

#include <link.h>

#include <algorithm>
#include <variant>

#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

/// The object that holds the address.
struct Object {
  u64 address = 0;
  u64 begin = 0, end = 0;
};

int find_object(dl_phdr_info* info, std::size_t /*size*/, void* wanted) {
  Object& object = *static_cast<Object*>(wanted);
  u64 begin = ~u64{0};
  u64 end = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    begin = std::min<u64>(begin, info->dlpi_addr + segment.p_vaddr);
    end = std::max<u64>(end, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  if (object.address < begin || object.address >= end) return 0;
  object.begin = begin;
  object.end = end;
  return 1;
}

Object object_of(u64 address) {
  Object object{.address = address};
  ::dl_iterate_phdr(find_object, &object);
  return object;
}

template <class Function>
u64 address_of(Function* function) {
  return reinterpret_cast<u64>(function);
}

}  // namespace

void CallSite::set_driver(const iommucheck_driver& driver) {
  *this = {};
  if (driver.init == nullptr) return;
  const Object object = object_of(address_of(driver.init));
  const u64 own = address_of(&find_object);
  if (own >= object.begin && own < object.end) return;
  begin_ = object.begin;
  end_ = object.end;
  hooks_ = driver.hooks;
}

/// Hooks call for the driver, from code of their own in the same object.
const void* CallSite::of_driver(const void* from) const {
  if (hooks_ != nullptr) {
    if (!IOMMUCHECK_HAS(struct iommucheck_hooks, hooks_, place) || hooks_->place == nullptr) {
      return nullptr;
    }
    if (*hooks_->place != nullptr) from = *hooks_->place;
  }
  const u64 address = reinterpret_cast<u64>(from);
  return address > begin_ && address < end_ ? from : nullptr;
}

u64 CallSite::instruction() const {
  return from_ == nullptr ? 0 : reinterpret_cast<u64>(from_) - 1 - begin_;
}

trace::Event placed(trace::Event event, u64 instruction) {
  if (instruction == 0 || event.agent != AgentId::cpu0) return event;
  trace::visit(
      [instruction]<class Payload>(Payload& payload) {
        if constexpr (requires { payload.swept; }) {
          if (payload.swept) return;
        }
        if constexpr (requires { payload.pc; }) {
          if (!payload.pc) payload.pc = instruction;
        }
      },
      event.payload);
  return event;
}

}  // namespace iommucheck::oracle
