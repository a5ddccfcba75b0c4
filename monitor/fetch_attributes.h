// SPDX-License-Identifier: MIT
// With which attributes the SMMU fetches structures and walks tables, and whether it believes who
// says "translated": what the driver has configured for accesses that are not its devices'.
#pragma once

#include "monitor/promises.h"

namespace iommucheck::oracle {

/// Cacheability is 0 for none in all of these fields, shareability 2 or 3 for outer and inner. CPUs
/// map table memory write-back, inner and outer: an access that is cacheable in one of the two
/// alone has attributes that do not match, and coherency is not guaranteed (DDI 0487, "Mismatched
/// memory attributes").
struct FetchedWith {
  u64 inner = 0;
  u64 outer = 0;
  u64 shareability = 0;
  [[nodiscard]] bool coherent() const { return inner != 0 && outer != 0 && shareability >= 2; }
  [[nodiscard]] std::string text() const;
};

class FetchAttributes : public Promises {
 protected:
  using Promises::Promises;

  void note_cr1(u64 value) { trail().set(cr1_, value); }

  void check_attributes_of_registers();
  void check_attributes(const spec::StreamPart& part);
  void check_translated_traffic();

 private:
  bool check_attributes(u32 sid, spec::sva::Substream at);
  [[nodiscard]] bool judges_attributes() const;
  void blame_attributes(spec::Rule rule, const std::string& what, const char* fields,
                        const FetchedWith& its, const Where& where = {});
  bool check_structure(u32 sid);
  [[nodiscard]] bool hides_table(const spec::Regime<u64>& regime, unsigned half) const;

  u64 cr1_ = 0;  ///< as it was written last
};

}  // namespace iommucheck::oracle
