// SPDX-License-Identifier: MIT
// What an operation prepares finds memory: the allocation that is to fail is one of what it is
// about. Calls that prepare are operations of their own as well.
#pragma once

#include "host/driver_host.h"

namespace iommucheck::oracle {

class WithMemory {
 public:
  explicit WithMemory(DriverHost& host) : host_(host), fails_at_(host.fails_at()) {
    host_.fail_allocation(0);
  }
  ~WithMemory() { host_.fail_allocation(fails_at_); }
  WithMemory(const WithMemory&) = delete;
  WithMemory& operator=(const WithMemory&) = delete;

 private:
  DriverHost& host_;
  u32 fails_at_;
};

}  // namespace iommucheck::oracle
