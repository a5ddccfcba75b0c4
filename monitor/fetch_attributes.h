// SPDX-License-Identifier: MIT
// With which attributes the SMMU fetches structures and walks tables, and whether it believes who
// says "translated": what the driver has configured for accesses that are not its devices'.
#pragma once

#include "monitor/promises.h"

namespace iommucheck::oracle {

class FetchAttributes : public Promises {
 protected:
  using Promises::Promises;

  void note_cr1(u64 value) { trail().set(cr1_, value); }
  /// Where fetches are coherent, the driver cleans all the same, or need not.
  void note_cleaned() { trail().set(cleaned_, 1); }
  [[nodiscard]] bool cleans() const { return cleaned_ != 0; }

  void check_attributes_of_registers();
  void check_attributes(const spec::StreamPart& part);
  void check_translated_traffic();

 private:
  bool check_attributes(u32 sid, spec::sva::Substream at);
  [[nodiscard]] bool judges_attributes() const;

  u64 cr1_ = 0;      ///< as it was written last
  u64 cleaned_ = 0;  ///< 1: where fetches are coherent, the driver cleans all the same
};

}  // namespace iommucheck::oracle
