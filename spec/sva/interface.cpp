// SPDX-License-Identifier: MIT
#include "spec/sva/interface.h"

#include "spec/sva/account.h"

namespace iommucheck::spec::sva {

Interface::Interface(Trail& trail, const Setup& setup)
    : InterfaceFacts(state_),
      InterfaceCalls(state_),
      InterfaceEnvironment(state_),
      InterfaceFaults(state_),
      InterfaceUsers(state_),
      InterfaceWalkers(state_),
      InterfacePromises(state_),
      state_(trail, setup) {}

std::vector<Leak> Interface::leaks() const { return sva::leaks(state_); }

Held Interface::held() const { return sva::held(state_); }

std::string Interface::dump() const { return sva::dump(state_); }

std::string Interface::dump_with_history() const { return sva::dump_with_history(state_); }

}  // namespace iommucheck::spec::sva
